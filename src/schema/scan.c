#include "schema/kernel.h"

#include <string.h>

const unsigned char *wsrt_lex_fault(struct wsrt_lex *in, int code, const unsigned char *at,
                                    const char *text)
{
    in->code = code;
    in->at = at;
    in->text = text;
    return NULL;
}

const unsigned char wsrt_short_escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

const unsigned char *wsrt_lex_spaces(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static const unsigned char *syntax(struct wsrt_lex *in, const unsigned char *at, const char *text)
{
    return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, at, text);
}

int wsrt_lex_kind(unsigned char c)
{
    switch (c) {
    case '"':
        return WSRT_JSON_STRING;
    case '{':
        return WSRT_JSON_OBJECT;
    case '[':
        return WSRT_JSON_ARRAY;
    case 't':
    case 'f':
        return WSRT_JSON_BOOL;
    case 'n':
        return WSRT_JSON_NULL;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? WSRT_JSON_NUMBER : WSRT_JSON_NONE;
    }
}

const unsigned char *wsrt_lex_no_value(struct wsrt_lex *in, const unsigned char *p)
{
    if (p >= in->end)
        return syntax(in, in->end, "Unexpected end of text");
    if (p == in->base && in->end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        return syntax(in, p, "A byte order mark is not JSON");
    if (*p >= 0xf8 || *p == 0xc0 || *p == 0xc1 || (*p >= 0x80 && *p < 0xc0))
        return wsrt_lex_fault(in, WSRT_ISSUE_JSON_UTF8, p, "Not UTF-8");
    return syntax(in, p, "Expected a value");
}

/* Length of the well-formed UTF-8 sequence at `p` (RFC 3629), 0 when there is none. */
static size_t sequence(const unsigned char *p, const unsigned char *end)
{
    size_t room = (size_t)(end - p);
    unsigned char c = p[0], low = 0x80, high = 0xbf;
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

    if (c < 0xc2 || c > 0xf4 || room < len)
        return 0;
    if (c == 0xe0)
        low = 0xa0;
    if (c == 0xed)
        high = 0x9f;
    if (c == 0xf0)
        low = 0x90;
    if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u, or -1. */
static int32_t hex_unit(const unsigned char *p, const unsigned char *end)
{
    int32_t unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static int32_t paired(const unsigned char *p, const unsigned char *end)
{
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    int32_t low = hex_unit(p + 2, end);
    return low >= 0xdc00 && low <= 0xdfff ? low : -1;
}

/* The escape at `*p` (a backslash); moves behind it. -1: no escape. Lone surrogates come as such. */
static int32_t escape(const unsigned char **p, const unsigned char *end)
{
    const unsigned char *at = *p;

    if (end - at < 2)
        return -1;
    if (at[1] != 'u') {
        *p = at + 2;
        return wsrt_short_escapes[at[1]] != 0 ? wsrt_short_escapes[at[1]] : -1;
    }
    int32_t unit = hex_unit(at + 2, end);
    if (unit < 0)
        return -1;
    *p = at + 6;
    int32_t low = unit >= 0xd800 && unit <= 0xdbff ? paired(*p, end) : -1;
    if (low < 0)
        return unit;
    *p += 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static int is_surrogate(int32_t point)
{
    return point >= 0xd800 && point <= 0xdfff;
}

int32_t wsrt_lex_point(const unsigned char **p, const unsigned char *end)
{
    const unsigned char *at = *p;

    if (at >= end)
        return -1;
    if (*at == '\\')
        return escape(p, end);
    if (*at < 0x80) {
        *p = at + 1;
        return *at;
    }
    size_t len = sequence(at, end);
    if (len == 0)
        return -1;
    int32_t point = *at & (0x7f >> len);
    for (size_t i = 1; i < len; i++)
        point = point << 6 | (at[i] & 0x3f);
    *p = at + len;
    return point;
}

size_t wsrt_lex_encode(unsigned char *dst, uint32_t point)
{
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    if (len == 1) {
        dst[0] = (unsigned char)point;
        return 1;
    }
    for (size_t i = len - 1; i > 0; i--) {
        dst[i] = (unsigned char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    dst[0] = (unsigned char)((0xf00 >> len & 0xff) | point);
    return len;
}

/* ---- strings ------------------------------------------------------------------------------ */

const unsigned char *wsrt_lex_plain(const struct wsrt_lex *in, const unsigned char *p,
                                    const struct wsrt_class *class, uint32_t *flags)
{
    while (p < in->end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        if (class != NULL && !wsrt_charset_has(&class->set, *p))
            *flags |= WSRT_TEXT_OUTSIDE;
        p++;
    }
    return p;
}

const unsigned char *wsrt_lex_wide(struct wsrt_lex *in, const unsigned char *p, size_t *points)
{
    for (; p < in->end && *p >= 0x20 && *p != '"' && *p != '\\'; (*points)++) {
        size_t len = *p < 0x80 ? 1 : sequence(p, in->end);
        if (len == 0)
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_UTF8, p, "Not UTF-8");
        p += len;
    }
    return p;
}

const unsigned char *wsrt_lex_escape(struct wsrt_lex *in, const unsigned char *p, int32_t *point)
{
    const unsigned char *at = p;

    *point = escape(&p, in->end);
    if (*point < 0)
        return syntax(in, at, "Bad escape sequence");
    if (is_surrogate(*point) && !in->lone_surrogates)
        return syntax(in, at, "Lone surrogate");
    return p;
}

static const struct wsrt_kernel *kernel_of(const struct wsrt_lex *in)
{
    return in->kernel != NULL ? in->kernel : wsrt_kernel_default();
}

const unsigned char *wsrt_lex_text(struct wsrt_lex *in, const unsigned char *p,
                                   const struct wsrt_class *class, struct wsrt_text *out)
{
    return kernel_of(in)->text(in, p, class, out);
}

const unsigned char *wsrt_lex_skip(struct wsrt_lex *in, const unsigned char *p, uint32_t depth)
{
    return kernel_of(in)->skip(in, p, depth);
}

/* ---- numbers and words -------------------------------------------------------------------- */

static const unsigned char *digits(const unsigned char *p, const unsigned char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

const unsigned char *wsrt_lex_number(struct wsrt_lex *in, const unsigned char *p)
{
    const unsigned char *start = p, *end = in->end, *from;

    if (*p == '-')
        p++;
    from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        return syntax(in, start, "Bad number");
    if (p < end && *p == '.') {
        from = ++p;
        p = digits(p, end);
        if (p == from)
            return syntax(in, start, "Bad number");
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = digits(p, end);
        if (p == from)
            return syntax(in, start, "Bad number");
    }
    if ((size_t)(p - start) > in->max_number_len)
        return wsrt_lex_fault(in, WSRT_ISSUE_LIMIT, start, "Number too long");
    return p;
}

const unsigned char *wsrt_lex_word(struct wsrt_lex *in, const unsigned char *p)
{
    size_t room = (size_t)(in->end - p);

    if (*p == 't' && room >= 4 && memcmp(p, "true", 4) == 0)
        return p + 4;
    if (*p == 'f' && room >= 5 && memcmp(p, "false", 5) == 0)
        return p + 5;
    if (*p == 'n' && room >= 4 && memcmp(p, "null", 4) == 0)
        return p + 4;
    return wsrt_lex_no_value(in, p);
}
