#include "resume/internal.h"

#include "base/hash.h"

#include <string.h>

enum { VERSION = 1, SAID = 1 + SESSION_ID + 3 * 8, TOKEN_BYTES = SAID + WSRT_MAC_LEN };

_Static_assert(TOKEN_BYTES % 3 == 0 && TOKEN_BYTES / 3 * 4 == TOKEN_CHARS, "whole groups");

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const unsigned char *from, char *to)
{
    for (int i = 0; i < TOKEN_BYTES; i += 3, to += 4) {
        uint32_t group = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2];
        for (int k = 0; k < 4; k++)
            to[k] = digits[group >> (18 - 6 * k) & 63];
    }
}

static int digit_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

static int decode(const char *from, unsigned char *to)
{
    for (int i = 0; i < TOKEN_CHARS; i += 4, to += 3) {
        uint32_t group = 0;
        for (int k = 0; k < 4; k++) {
            int digit = digit_of(from[i + k]);
            if (digit < 0)
                return 0;
            group = group << 6 | (uint32_t)digit;
        }
        to[0] = (unsigned char)(group >> 16);
        to[1] = (unsigned char)(group >> 8);
        to[2] = (unsigned char)group;
    }
    return 1;
}

static unsigned char *put_number(unsigned char *to, uint64_t n)
{
    for (int i = 56; i >= 0; i -= 8)
        *to++ = (unsigned char)(n >> i);
    return to;
}

static uint64_t number_at(const unsigned char *from)
{
    uint64_t n = 0;

    for (int i = 0; i < 8; i++)
        n = n << 8 | from[i];
    return n;
}

void wsrt_claim_write(const struct claim *c, const unsigned char key[MAC_KEY],
                      char dst[TOKEN_CHARS])
{
    unsigned char bytes[TOKEN_BYTES] = {VERSION};
    unsigned char *to = bytes + 1;

    memcpy(to, c->session, SESSION_ID);
    to = put_number(to + SESSION_ID, c->number);
    to = put_number(to, c->user);
    to = put_number(to, c->expires);
    wsrt_mac(key, bytes, SAID, to);
    encode(bytes, dst);
}

/* In a time that does not tell where they differ. */
static int is_same(const unsigned char *a, const unsigned char *b, size_t len)
{
    unsigned char differs = 0;

    for (size_t i = 0; i < len; i++)
        differs |= a[i] ^ b[i];
    return differs == 0;
}

int wsrt_claim_read(struct claim *c, const unsigned char key[MAC_KEY], wsrt_span token)
{
    unsigned char bytes[TOKEN_BYTES], tag[WSRT_MAC_LEN];
    const unsigned char *numbers = bytes + 1 + SESSION_ID;

    if (token.len != TOKEN_CHARS || !decode(token.ptr, bytes))
        return 0;
    wsrt_mac(key, bytes, SAID, tag);
    if (!is_same(tag, bytes + SAID, sizeof tag) || bytes[0] != VERSION)
        return 0;
    memcpy(c->session, bytes + 1, SESSION_ID);
    c->number = number_at(numbers);
    c->user = number_at(numbers + 8);
    c->expires = number_at(numbers + 16);
    return 1;
}
