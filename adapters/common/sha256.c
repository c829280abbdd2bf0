#include "sha256.h"

#include <string.h>

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void expand(uint32_t w[64], const unsigned char *p)
{
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
}

/* Instead of moving all eight words on after each round, the round moves on over them. */
static inline void one_round(uint32_t v[8], unsigned at, uint32_t given)
{
    uint32_t e = v[(4 - at) & 7], a = v[(0 - at) & 7], b = v[(1 - at) & 7];
    uint32_t *h = &v[(7 - at) & 7];

    *h += given + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
          ((e & v[(5 - at) & 7]) ^ (~e & v[(6 - at) & 7]));
    v[(3 - at) & 7] += *h;
    *h += (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
          ((a & b) ^ (a & v[(2 - at) & 7]) ^ (b & v[(2 - at) & 7]));
}

static void compress(uint32_t state[8], const unsigned char *block)
{
    uint32_t w[64], v[8];

    expand(w, block);
    memcpy(v, state, sizeof v);
    for (unsigned i = 0; i < 64; i += 8) {
#pragma GCC unroll 8
        for (unsigned k = 0; k < 8; k++)
            one_round(v, k, rounds[i + k] + w[i + k]);
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
    explicit_bzero(w, sizeof w);
    explicit_bzero(v, sizeof v);
}

void wsrt_sha256_start(wsrt_sha256 *s)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(s->state, first, sizeof first);
    s->bytes = 0;
}

void wsrt_sha256_add(wsrt_sha256 *s, const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t held = s->bytes % WSRT_SHA256_BLOCK;

    s->bytes += len;
    if (held > 0 && len >= WSRT_SHA256_BLOCK - held) {
        memcpy(s->block + held, p, WSRT_SHA256_BLOCK - held);
        compress(s->state, s->block);
        p += WSRT_SHA256_BLOCK - held;
        len -= WSRT_SHA256_BLOCK - held;
        held = 0;
    }
    for (; held == 0 && len >= WSRT_SHA256_BLOCK; len -= WSRT_SHA256_BLOCK) {
        compress(s->state, p);
        p += WSRT_SHA256_BLOCK;
    }
    if (len > 0)
        memcpy(s->block + held, p, len);
}

void wsrt_sha256_end(wsrt_sha256 *s, unsigned char *digest)
{
    static const unsigned char padding[WSRT_SHA256_BLOCK] = {0x80};
    uint64_t bits = s->bytes * 8;
    size_t held = s->bytes % WSRT_SHA256_BLOCK;
    unsigned char length[8];

    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    wsrt_sha256_add(s, padding, (held < 56 ? 56 : 120) - held);
    wsrt_sha256_add(s, length, sizeof length);
    for (int i = 0; i < WSRT_SHA256_LEN; i++)
        digest[i] = (unsigned char)(s->state[i / 4] >> (24 - 8 * (i % 4)));
    explicit_bzero(s, sizeof *s);
}

void wsrt_hex(char *dst, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[bytes[i] >> 4];
        dst[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void wsrt_sha256_hex(char *dst, wsrt_span text)
{
    unsigned char digest[WSRT_SHA256_LEN];
    wsrt_sha256 s;

    wsrt_sha256_start(&s);
    wsrt_sha256_add(&s, text.ptr, text.len);
    wsrt_sha256_end(&s, digest);
    wsrt_hex(dst, digest, sizeof digest);
}

static void begin_with(wsrt_sha256 *s, const unsigned char *key, unsigned char mask)
{
    unsigned char block[WSRT_SHA256_BLOCK];

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = key[i] ^ mask;
    wsrt_sha256_start(s);
    wsrt_sha256_add(s, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

void wsrt_hmac_sha256(unsigned char *mac, wsrt_span key, wsrt_span text)
{
    unsigned char block[WSRT_SHA256_BLOCK] = {0}, inner[WSRT_SHA256_LEN];
    wsrt_sha256 s;

    if (key.len > sizeof block) {
        wsrt_sha256_start(&s);
        wsrt_sha256_add(&s, key.ptr, key.len);
        wsrt_sha256_end(&s, block);
    } else if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    begin_with(&s, block, 0x36);
    wsrt_sha256_add(&s, text.ptr, text.len);
    wsrt_sha256_end(&s, inner);
    begin_with(&s, block, 0x5c);
    wsrt_sha256_add(&s, inner, sizeof inner);
    wsrt_sha256_end(&s, mac);
    explicit_bzero(block, sizeof block);
    explicit_bzero(inner, sizeof inner);
}
