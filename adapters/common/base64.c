#include "base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t wsrt_base64_encode(char *dst, const void *data, size_t len)
{
    const unsigned char *src = data;
    size_t out = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)src[i] << 16;
        if (have > 1)
            group |= (uint32_t)src[i + 1] << 8;
        if (have > 2)
            group |= src[i + 2];
        dst[out++] = alphabet[group >> 18];
        dst[out++] = alphabet[group >> 12 & 63];
        dst[out++] = have > 1 ? alphabet[group >> 6 & 63] : '=';
        dst[out++] = have > 2 ? alphabet[group & 63] : '=';
    }
    return out;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes `digits` (2 to 4) characters of one group; returns the bytes, or 0 for a bad character. */
static size_t decode_group(unsigned char *dst, const char *src, size_t digits)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < digits ? value_of(src[i]) : 0;
        if (value < 0)
            return 0;
        group = group << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i + 1 < digits; i++)
        dst[i] = (unsigned char)(group >> (16 - 8 * i));
    return digits - 1;
}

int wsrt_base64_decode(void *dst, wsrt_span text, size_t *len)
{
    unsigned char *out = dst;

    if (text.len % 4 != 0)
        return WSRT_ERR_MALFORMED;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t digits = 4;
        if (i + 4 == text.len)
            while (digits > 2 && text.ptr[i + digits - 1] == '=')
                digits--;
        size_t bytes = decode_group(out, text.ptr + i, digits);
        if (bytes == 0)
            return WSRT_ERR_MALFORMED;
        out += bytes;
    }
    *len = (size_t)(out - (unsigned char *)dst);
    return WSRT_OK;
}
