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

/* Little-endian on every machine: blobs that one has written another one reads. */
static uint64_t whole_word(const unsigned char *p)
{
    uint64_t word;

    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* What is left of the bytes, and in the highest byte how many they were. */
static uint64_t last_word(const unsigned char *p, size_t left, size_t len)
{
    uint64_t word = (uint64_t)len << 56;

    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

uint64_t wsrt_hash(uint64_t key, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t key2 = rotl(key, 32) ^ 0x9e3779b97f4a7c15u;
    struct sip s = {key ^ 0x736f6d6570736575u, key2 ^ 0x646f72616e646f6du,
                    key ^ 0x6c7967656e657261u, key2 ^ 0x7465646279746573u};
    size_t left = len;

    for (; left >= 8; left -= 8, p += 8)
        sip_word(&s, whole_word(p));
    sip_word(&s, last_word(p, left, len));
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

static uint64_t word_at(const unsigned char *p)
{
    uint64_t word = 0;

    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

static void mac_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    sip_round(s);
    s->a ^= word;
}

static void mac_half(struct sip *s, unsigned char *to)
{
    for (int i = 0; i < 4; i++)
        sip_round(s);
    uint64_t half = s->a ^ s->b ^ s->c ^ s->d;
    for (int i = 0; i < 8; i++)
        to[i] = (unsigned char)(half >> (8 * i));
}

void wsrt_mac(const unsigned char key[16], const void *data, size_t len,
              unsigned char tag[WSRT_MAC_LEN])
{
    const unsigned char *p = data;
    uint64_t low = word_at(key), high = word_at(key + 8);
    struct sip s = {low ^ 0x736f6d6570736575u, high ^ 0x646f72616e646f6du ^ 0xee,
                    low ^ 0x6c7967656e657261u, high ^ 0x7465646279746573u};
    size_t left = len;

    for (; left >= 8; left -= 8, p += 8)
        mac_word(&s, word_at(p));
    mac_word(&s, last_word(p, left, len));
    s.c ^= 0xee;
    mac_half(&s, tag);
    s.b ^= 0xdd;
    mac_half(&s, tag + 8);
}
