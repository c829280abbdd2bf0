#include "base/hash.h"

#include <string.h>

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotl(s->b, 13) ^ s->a;
    s->d = rotl(s->d, 16) ^ s->c;
    s->a = rotl(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotl(s->b, 17) ^ s->c;
    s->d = rotl(s->d, 21) ^ s->a;
    s->c = rotl(s->c, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

uint64_t wsrt_hash(uint64_t key, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t key2 = rotl(key, 32) ^ 0x9e3779b97f4a7c15u;
    struct sip s = {key ^ 0x736f6d6570736575u, key2 ^ 0x646f72616e646f6du,
                    key ^ 0x6c7967656e657261u, key2 ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)len << 56;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sip_word(&s, word);
    }
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << (8 * i);
    sip_word(&s, last);
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
