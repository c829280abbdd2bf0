#include "sha1.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotl(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void expand(uint32_t *w, const unsigned char *block)
{
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

static uint32_t mix(size_t round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0:
        return (d ^ (b & (c ^ d))) + 0x5a827999u;
    case 1:
        return (b ^ c ^ d) + 0x6ed9eba1u;
    case 2:
        return ((b & c) | (d & (b | c))) + 0x8f1bbcdcu;
    default:
        return (b ^ c ^ d) + 0xca62c1d6u;
    }
}

static void add_block(uint32_t *h, const unsigned char *block)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    expand(w, block);
    for (size_t i = 0; i < 80; i++) {
        uint32_t next = rotl(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotl(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static void add_end(uint32_t *h, const unsigned char *rest, size_t len, uint64_t total)
{
    unsigned char block[BLOCK] = {0};

    memcpy(block, rest, len);
    block[len] = 0x80;
    if (len >= BLOCK - 8) {
        add_block(h, block);
        memset(block, 0, sizeof block);
    }
    for (unsigned i = 0; i < 8; i++)
        block[BLOCK - 1 - i] = (unsigned char)(total * 8 >> 8 * i);
    add_block(h, block);
}

void wsrt_sha1(unsigned char *digest, const void *data, size_t len)
{
    uint32_t h[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
    const unsigned char *src = data;
    size_t left = len;

    for (; left >= BLOCK; left -= BLOCK, src += BLOCK)
        add_block(h, src);
    add_end(h, src, left, len);
    for (size_t i = 0; i < WSRT_SHA1_LEN; i++)
        digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}
