#include "server/internal.h"

#include <string.h>

/* Length of the character at `p`, 0 when it is none (RFC 3629). */
static size_t character(const unsigned char *p, size_t len)
{
    unsigned low = 0x80, high = 0xbf;
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;

    if (n < 2 || n > len)
        return n <= len ? n : 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static uint64_t load(const unsigned char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* As many bytes as every processor has a register for; memcpy() is its load. */
typedef uint64_t wide __attribute__((vector_size(16)));

static wide load_wide(const unsigned char *p)
{
    wide words;

    memcpy(&words, p, sizeof words);
    return words;
}

static uint64_t high_bits_of_short(const unsigned char *p, size_t len)
{
    uint64_t seen = 0;

    if (len >= sizeof seen)
        return load(p) | load(p + len - sizeof seen);
    memcpy(&seen, p, len);
    return seen;
}

/* Most text is ASCII: whole words, the last one overlapping. */
static int is_ascii(const unsigned char *p, size_t len)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    size_t at = 0;

    if (len < sizeof(wide))
        return (high_bits_of_short(p, len) & high) == 0;
    wide seen = load_wide(p + len - sizeof seen);
    if (len <= 2 * sizeof seen) {
        seen |= load_wide(p);
        at = len;
    }
    for (; at + 4 * sizeof seen <= len; at += 4 * sizeof seen)
        seen |= (load_wide(p + at) | load_wide(p + at + 16)) |
                (load_wide(p + at + 32) | load_wide(p + at + 48));
    for (; at + sizeof seen < len; at += sizeof seen)
        seen |= load_wide(p + at);
    return ((seen[0] | seen[1]) & high) == 0;
}

int wsrt_utf8_valid(wsrt_span text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t at = 0, n;

    if (text.len == 0 || is_ascii(p, text.len))
        return 1;
    while (at < text.len) {
        while (text.len - at >= sizeof(uint64_t) &&
               (load(p + at) & UINT64_C(0x8080808080808080)) == 0)
            at += sizeof(uint64_t);
        if (at == text.len)
            return 1;
        n = character(p + at, text.len - at);
        if (n == 0)
            return 0;
        at += n;
    }
    return 1;
}
