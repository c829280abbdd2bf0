#include "schema/scan.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

const unsigned char *wsrt_lex_fault(struct wsrt_lex *in, int code, const unsigned char *at,
                                    const char *text)
{
    in->code = code;
    in->at = at;
    in->text = text;
    return NULL;
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

static int short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return -1;
    }
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
        return short_escape(at[1]);
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

#ifdef __SSE2__
static inline unsigned special_mask(__m128i v)
{
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* Signed: controls and every byte above 0x7f are below the space. */
    __m128i odd = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), odd));
}

static inline unsigned outside_mask(__m128i v, const struct wsrt_charset *set)
{
    __m128i inside = _mm_setzero_si128();

    for (uint32_t i = 0; i < set->ranges; i++) {
        __m128i off = _mm_sub_epi8(v, _mm_set1_epi8((char)set->low[i]));
        __m128i width = _mm_set1_epi8((char)set->width[i]);
        inside = _mm_or_si128(inside, _mm_cmpeq_epi8(_mm_min_epu8(off, width), off));
    }
    return ~(unsigned)_mm_movemask_epi8(inside) & 0xffff;
}
#endif

/* Moves over plain ASCII; stops at a quote, backslash, control, non-ASCII byte or the end. */
static const unsigned char *plain(const struct wsrt_lex *in, const unsigned char *p,
                                  const struct wsrt_charset *set, uint32_t *flags)
{
#ifdef __SSE2__
    const struct wsrt_charset *fast = set != NULL && set->ranges > 0 ? set : NULL;
    unsigned bad = 0;

    if (set == NULL || fast != NULL) {
        while (in->loadable - p >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
            unsigned stop = special_mask(v);
            unsigned before = stop == 0 ? 0xffff : (stop & -stop) - 1;
            if (fast != NULL)
                bad |= outside_mask(v, fast) & before;
            if (stop == 0) {
                p += 16;
                continue;
            }
            p += (unsigned)__builtin_ctz(stop);
            if (bad != 0)
                *flags |= WSRT_TEXT_OUTSIDE;
            return p < in->end ? p : in->end;
        }
        if (bad != 0)
            *flags |= WSRT_TEXT_OUTSIDE;
    }
#endif
    while (p < in->end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        if (set != NULL && !wsrt_charset_has(set, *p))
            *flags |= WSRT_TEXT_OUTSIDE;
        p++;
    }
    return p < in->end ? p : in->end;
}

static const unsigned char *text_escape(struct wsrt_lex *in, const unsigned char *p,
                                        const struct wsrt_charset *set, struct wsrt_text *out)
{
    const unsigned char *at = p;
    int32_t point = escape(&p, in->end);

    if (point < 0)
        return syntax(in, at, "Bad escape sequence");
    if (is_surrogate(point) && !in->lone_surrogates)
        return syntax(in, at, "Lone surrogate");
    out->points++;
    out->flags |= WSRT_TEXT_ESCAPED;
    if (set != NULL && !wsrt_charset_has(set, (uint32_t)point))
        out->flags |= WSRT_TEXT_OUTSIDE;
    return p;
}

/* One sequence after the other, for the place of the fault and for the end of the text. */
static const unsigned char *wide_slowly(struct wsrt_lex *in, const unsigned char *p,
                                        struct wsrt_text *out)
{
    while (p < in->end && *p >= 0x80) {
        size_t len = sequence(p, in->end);
        if (len == 0)
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_UTF8, p, "Not UTF-8");
        out->points++;
        p += len;
    }
    return p;
}

#ifdef __SSE2__
/* UTF-8 as an automaton without branches: the row of a byte holds the next state for each state, six
 * bits each, and a state is the place of its bits. */
enum {
    ACCEPT = 0,
    REFUSE = 6,
    MORE_1 = 12,
    MORE_2 = 18,
    MORE_3 = 24,
    E0 = 30,
    ED = 36,
    F0 = 42,
    F4 = 48
};

#define FROM(state, next) ((uint64_t)(next) << (state))
#define REFUSED                                                                                    \
    (FROM(REFUSE, REFUSE) | FROM(MORE_1, REFUSE) | FROM(MORE_2, REFUSE) | FROM(MORE_3, REFUSE) |   \
     FROM(E0, REFUSE) | FROM(ED, REFUSE) | FROM(F0, REFUSE) | FROM(F4, REFUSE))
#define TRAILING                                                                                   \
    (FROM(REFUSE, REFUSE) | FROM(MORE_1, ACCEPT) | FROM(MORE_2, MORE_1) | FROM(MORE_3, MORE_2) |   \
     FROM(ACCEPT, REFUSE))

static const uint64_t utf8_rows[12] = {
    REFUSED | FROM(ACCEPT, ACCEPT), /* ASCII */
    /* 80..8f, 90..9f, a0..bf */
    TRAILING | FROM(E0, REFUSE) | FROM(ED, MORE_1) | FROM(F0, REFUSE) | FROM(F4, MORE_2),
    TRAILING | FROM(E0, REFUSE) | FROM(ED, MORE_1) | FROM(F0, MORE_2) | FROM(F4, REFUSE),
    TRAILING | FROM(E0, MORE_1) | FROM(ED, REFUSE) | FROM(F0, MORE_2) | FROM(F4, REFUSE),
    REFUSED | FROM(ACCEPT, REFUSE), /* c0 c1 f5..ff */
    REFUSED | FROM(ACCEPT, MORE_1), /* c2..df */
    REFUSED | FROM(ACCEPT, E0),
    REFUSED | FROM(ACCEPT, MORE_2), /* e1..ec ee ef */
    REFUSED | FROM(ACCEPT, ED),
    REFUSED | FROM(ACCEPT, F0),
    REFUSED | FROM(ACCEPT, MORE_3), /* f1..f3 */
    REFUSED | FROM(ACCEPT, F4),
};
static const uint8_t utf8_row[256] = {
    [0x80] = 1, 1,  1,  1,  1,  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 80 */
    2,          2,  2,  2,  2,  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 90 */
    3,          3,  3,  3,  3,  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* a0 */
    3,          3,  3,  3,  3,  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* b0 */
    4,          4,  5,  5,  5,  5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, /* c0 */
    5,          5,  5,  5,  5,  5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, /* d0 */
    6,          7,  7,  7,  7,  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 7, /* e0 */
    9,          10, 10, 10, 11, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* f0 */
};

static inline unsigned utf8_step(unsigned state, unsigned char c)
{
    return (unsigned)(utf8_rows[utf8_row[c]] >> state) & 63;
}

/* Bits of the low 16; the builtin is a call without the machine's own instruction. */
static inline unsigned count_bits(unsigned x)
{
    x -= x >> 1 & 0x5555;
    x = (x & 0x3333) + (x >> 2 & 0x3333);
    x = (x + (x >> 4)) & 0x0f0f;
    return (x + (x >> 8)) & 0x1f;
}

/* Moves over blocks of 16 bytes; returns a place between two characters, at most a character's
 * distance from where it could not go on. */
static const unsigned char *wide_blocks(const struct wsrt_lex *in, const unsigned char *p,
                                        struct wsrt_text *out)
{
    const unsigned char *good = p; /* between two characters */
    unsigned state = ACCEPT;
    size_t points = 0;

    while (in->end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
        __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
        __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
        unsigned stop =
            (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, slash)));
        unsigned high = (unsigned)_mm_movemask_epi8(v);
        /* Signed: 80..bf are the bytes below -0x40. */
        unsigned trail = (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8(-0x40)));
        unsigned count = stop == 0 ? 16 : (unsigned)__builtin_ctz(stop);
        if (high == 0 && state == ACCEPT)
            break;
        for (unsigned i = 0; i < count; i++)
            state = utf8_step(state, p[i]);
        if (state == REFUSE)
            break;
        points += count - count_bits(trail & ((1u << count) - 1));
        p += count;
        if (state == ACCEPT) {
            good = p;
            out->points += points;
            points = 0;
        }
        if (stop != 0)
            break;
    }
    return good;
}
#else
static const unsigned char *wide_blocks(const struct wsrt_lex *in, const unsigned char *p,
                                        struct wsrt_text *out)
{
    (void)in;
    (void)out;
    return p;
}
#endif

/* From a non-ASCII byte to a place where plain() can go on. */
static const unsigned char *text_wide(struct wsrt_lex *in, const unsigned char *p,
                                      struct wsrt_text *out)
{
    out->flags |= WSRT_TEXT_WIDE | WSRT_TEXT_OUTSIDE;
    p = wide_blocks(in, p, out);
    while (p < in->end && *p >= 0x20 && *p != '"' && *p != '\\') {
        const unsigned char *next = *p < 0x80 ? p + 1 : wide_slowly(in, p, out);
        if (next == NULL || *p < 0x80)
            return next == NULL ? NULL : p;
        p = next;
    }
    return p;
}

const unsigned char *wsrt_lex_text(struct wsrt_lex *in, const unsigned char *p,
                                   const struct wsrt_charset *set, struct wsrt_text *out)
{
    const unsigned char *open = p - 1;

    out->points = 0;
    out->flags = 0;
    while (p != NULL) {
        const unsigned char *stop = plain(in, p, set, &out->flags);
        out->points += (size_t)(stop - p);
        if (stop == in->end)
            return syntax(in, open, "Unterminated string");
        if (*stop == '"') {
            out->end = stop;
            return stop + 1;
        }
        if (*stop == '\\')
            p = text_escape(in, stop, set, out);
        else if (*stop < 0x20)
            return syntax(in, stop, "Control character in string");
        else
            p = text_wide(in, stop, out);
    }
    return NULL;
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

/* ---- skipping ----------------------------------------------------------------------------- */

static void level_set(unsigned char *levels, uint32_t level, int object)
{
    unsigned bit = 1u << (level & 7);

    levels[level >> 3] = (unsigned char)((levels[level >> 3] & ~bit) | (object ? bit : 0));
}

static int level_is_object(const unsigned char *levels, uint32_t level)
{
    return levels[level >> 3] >> (level & 7) & 1;
}

/* From the opening quote of a name to the first byte of its value. */
static const unsigned char *skip_name(struct wsrt_lex *in, const unsigned char *p)
{
    struct wsrt_text name;

    if (p >= in->end || *p != '"')
        return syntax(in, p, "Expected a member name");
    p = wsrt_lex_text(in, p + 1, NULL, &name);
    if (p == NULL)
        return NULL;
    p = wsrt_lex_space(p, in->end);
    if (p >= in->end || *p != ':')
        return syntax(in, p, "Expected a colon");
    return wsrt_lex_space(p + 1, in->end);
}

static const unsigned char *skip_scalar(struct wsrt_lex *in, const unsigned char *p)
{
    struct wsrt_text text;

    if (p >= in->end)
        return wsrt_lex_no_value(in, p);
    if (*p == '"')
        return wsrt_lex_text(in, p + 1, NULL, &text);
    if (*p == '-' || (*p >= '0' && *p <= '9'))
        return wsrt_lex_number(in, p);
    return wsrt_lex_word(in, p);
}

const unsigned char *wsrt_lex_skip(struct wsrt_lex *in, const unsigned char *p, uint32_t depth)
{
    uint32_t floor = depth;

    for (;;) {
        if (p < in->end && (*p == '{' || *p == '[')) {
            int object = *p == '{';
            if (depth >= in->max_depth)
                return wsrt_lex_fault(in, WSRT_ISSUE_JSON_DEPTH, p, "Nested too deeply");
            level_set(in->levels, depth++, object);
            p = wsrt_lex_space(p + 1, in->end);
            if (p >= in->end || *p != (object ? '}' : ']')) {
                if (object && (p = skip_name(in, p)) == NULL)
                    return NULL;
                continue;
            }
            p++;
            depth--;
        } else if ((p = skip_scalar(in, p)) == NULL) {
            return NULL;
        }
        for (;;) { /* behind a value */
            if (depth == floor)
                return p;
            int object = level_is_object(in->levels, depth - 1);
            p = wsrt_lex_space(p, in->end);
            if (p < in->end && *p == ',') {
                p = wsrt_lex_space(p + 1, in->end);
                if (object && (p = skip_name(in, p)) == NULL)
                    return NULL;
                break;
            }
            if (p >= in->end || *p != (object ? '}' : ']'))
                return syntax(in, p, object ? "Expected a comma or }" : "Expected a comma or ]");
            p++;
            depth--;
        }
    }
}
