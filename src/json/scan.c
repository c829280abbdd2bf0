#include "json/scan.h"

#include <string.h>

/* Eight bytes are looked at as one number, whatever the machine's order the first byte in its lowest
 * bits. Of the marks, one high bit a byte, the lowest is always true; later ones may lie. */
enum { WORD = 8 };

#define EACH_BYTE(b) (0x0101010101010101u * (uint64_t)(b))
#define HIGH_BITS EACH_BYTE(0x80)

/* `n` is a constant wherever it is called. */
static inline uint64_t load_some(const char *p, size_t n)
{
    uint64_t word = 0;

    memcpy(&word, p, n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t load(const char *p)
{
    return load_some(p, WORD);
}

static uint64_t load_half(const char *p)
{
    return load_some(p, WORD / 2);
}

/* 1 to 7 bytes, zeros behind them. */
static uint64_t load_rest(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;

    if (n >= 4)
        return load_half(p) | load_half(p + n - 4) << (n - 4) * 8;
    return s[0] | (uint64_t)s[n / 2] << n / 2 * 8 | (uint64_t)s[n - 1] << (n - 1) * 8;
}

static size_t first(uint64_t marks)
{
    return marks == 0 ? WORD : (size_t)__builtin_ctzll(marks) / 8;
}

static uint64_t quotes(uint64_t word)
{
    return ((word ^ EACH_BYTE('"')) - EACH_BYTE(1)) | ((word ^ EACH_BYTE('\\')) - EACH_BYTE(1));
}

/* What a string's text cannot hold as it is; a zero among them. */
static size_t first_unplain(uint64_t word)
{
    return first((quotes(word) | (word - EACH_BYTE(0x20)) | word) & HIGH_BITS);
}

static size_t first_quote(uint64_t word)
{
    return first(quotes(word) & ~word & HIGH_BITS);
}

const char *wsrt_scan_plain(const char *p, const char *end)
{
    for (; end - p >= WORD; p += WORD) {
        size_t at = first_unplain(load(p));
        if (at < WORD)
            return p + at;
    }
    return p == end ? end : p + first_unplain(load_rest(p, (size_t)(end - p)));
}

static const char *find_quote(const char *p, const char *end)
{
    for (; end - p >= WORD; p += WORD) {
        size_t at = first_quote(load(p));
        if (at < WORD)
            return p + at;
    }
    size_t rest = (size_t)(end - p), at = rest == 0 ? 0 : first_quote(load_rest(p, rest));
    return at < rest ? p + at : end;
}

const char *wsrt_scan_quote(const char *p, const char *end, uint32_t *escaped)
{
    *escaped = 0;
    for (;;) {
        p = find_quote(p, end);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p;
        if (end - p < 2)
            return NULL;
        *escaped = 1;
        p += 2;
    }
}

/* How many bytes a sequence has by its first byte, and the range of its second. */
struct lead {
    int len;
    unsigned char low, high;
};

static struct lead lead_of(unsigned char first)
{
    if (first < 0xc2 || first > 0xf4)
        return (struct lead){0, 0, 0};
    if (first < 0xe0)
        return (struct lead){2, 0x80, 0xbf};
    if (first < 0xf0)
        return (struct lead){3, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf};
    return (struct lead){4, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf};
}

int wsrt_scan_utf8(const char *p, const char *end)
{
    const unsigned char *s = (const unsigned char *)p;

    if (s[0] < 0x80)
        return 1;
    struct lead lead = lead_of(s[0]);
    if (lead.len == 0 || end - p < 2 || s[1] < lead.low || s[1] > lead.high)
        return -1;
    for (int i = 2; i < lead.len; i++)
        if (end - p <= i || (s[i] & 0xc0) != 0x80)
            return -i;
    return lead.len;
}

size_t wsrt_utf8_encode(uint32_t code_point, char *dst)
{
    unsigned char *d = (unsigned char *)dst;

    if (code_point < 0x80) {
        d[0] = (unsigned char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        d[0] = (unsigned char)(0xc0 | code_point >> 6);
        d[1] = (unsigned char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        d[0] = (unsigned char)(0xe0 | code_point >> 12);
        d[1] = (unsigned char)(0x80 | (code_point >> 6 & 0x3f));
        d[2] = (unsigned char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    d[0] = (unsigned char)(0xf0 | code_point >> 18);
    d[1] = (unsigned char)(0x80 | (code_point >> 12 & 0x3f));
    d[2] = (unsigned char)(0x80 | (code_point >> 6 & 0x3f));
    d[3] = (unsigned char)(0x80 | (code_point & 0x3f));
    return 4;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits behind a \u at p; -1 when they are not there. */
static int32_t hex_unit(const char *p, const char *end)
{
    int32_t unit = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static size_t unicode_escape(const char *p, const char *end, uint32_t *code_point)
{
    int32_t unit = hex_unit(p, end);

    if (unit < 0)
        return 0;
    *code_point = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    int32_t low = hex_unit(p + 6, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 6;
    *code_point = 0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
}

size_t wsrt_scan_escape(const char *p, const char *end, uint32_t *code_point)
{
    static const char names[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";

    if (end - p < 2)
        return 0;
    if (p[1] == 'u')
        return unicode_escape(p, end, code_point);
    if (p[1] == '"' || p[1] == '\\' || p[1] == '/') {
        *code_point = (unsigned char)p[1];
        return 2;
    }
    const char *name = p[1] == '\0' ? NULL : strchr(names, p[1]);
    if (name == NULL)
        return 0;
    *code_point = (unsigned char)meant[name - names];
    return 2;
}

static int digit_at(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
    while (digit_at(p, end))
        p++;
    return p;
}

const char *wsrt_scan_number(const char *p, const char *end, const char **bad)
{
    if (p < end && *p == '-')
        p++;
    *bad = p;
    if (!digit_at(p, end))
        return NULL;
    p = *p == '0' ? p + 1 : skip_digits(p, end);
    if (p < end && *p == '.') {
        *bad = ++p;
        if (!digit_at(p, end))
            return NULL;
        p = skip_digits(p, end);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        *bad = p;
        if (!digit_at(p, end))
            return NULL;
        p = skip_digits(p, end);
    }
    return p;
}
