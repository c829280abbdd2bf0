#include "log_text.h"

#include <string.h>

static const char hex[] = "0123456789ABCDEF";

/* Length of the UTF-8 sequence at `p`, 0 when it is none. */
static size_t decode(const unsigned char *p, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 0;

    if (n == 0 || n > len || p[0] > 0xF4)
        return 0;
    *code = n == 1 ? p[0] : p[0] & (0xFFU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3F);
    }
    if (*code < least[n] || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF))
        return 0;
    return n;
}

static int is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E ||
           code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

static size_t spell_byte(char *dst, unsigned char byte, int json)
{
    size_t n = 0;

    dst[n++] = '\\';
    if (json)
        dst[n++] = '\\';
    dst[n++] = 'x';
    dst[n++] = hex[byte >> 4];
    dst[n++] = hex[byte & 15];
    return n;
}

static size_t spell_code(char *dst, uint32_t code)
{
    dst[0] = '\\';
    dst[1] = 'u';
    for (int i = 0; i < 4; i++)
        dst[2 + i] = hex[code >> (12 - 4 * i) & 15];
    return 6;
}

size_t wsrt_log_escape(char *dst, size_t cap, wsrt_span text, int json)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t len = text.len < WSRT_LOG_TEXT_MOST ? text.len : WSRT_LOG_TEXT_MOST;
    size_t out = 0;

    for (size_t i = 0; i < len;) {
        char piece[8] = {'\\'};
        uint32_t code = 0;
        size_t n = decode(p + i, text.len - i, &code), wrote = n;
        if (n == 0)
            wrote = spell_byte(piece, p[i], json);
        else if (is_unsafe(code))
            wrote = spell_code(piece, code);
        else if (code == '"' || code == '\\')
            piece[wrote++] = (char)code;
        else
            memcpy(piece, p + i, n);
        if (wrote > cap - out)
            break;
        memcpy(dst + out, piece, wrote);
        out += wrote;
        i += n == 0 ? 1 : n;
    }
    return out;
}
