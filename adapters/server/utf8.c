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

int wsrt_utf8_valid(wsrt_span text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t at = 0, n;
    uint64_t word;

    while (at < text.len) {
        while (text.len - at >= sizeof word) {
            memcpy(&word, p + at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += sizeof word;
        }
        if (at == text.len)
            return 1;
        n = character(p + at, text.len - at);
        if (n == 0)
            return 0;
        at += n;
    }
    return 1;
}
