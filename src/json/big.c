#include "json/big.h"

#include <string.h>

static void trim(wsrt_big *b)
{
    while (b->count > 0 && b->word[b->count - 1] == 0)
        b->count--;
}

void wsrt_big_set(wsrt_big *b, uint64_t v)
{
    b->word[0] = (uint32_t)v;
    b->word[1] = (uint32_t)(v >> 32);
    b->count = 2;
    trim(b);
}

void wsrt_big_copy(wsrt_big *to, const wsrt_big *from)
{
    to->count = from->count;
    memcpy(to->word, from->word, (size_t)from->count * sizeof from->word[0]);
}

static void push(wsrt_big *b, uint32_t word)
{
    if (word != 0 && b->count < WSRT_BIG_WORDS)
        b->word[b->count++] = word;
}

void wsrt_big_multiply_add(wsrt_big *b, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;

    for (int i = 0; i < b->count; i++) {
        carry += (uint64_t)b->word[i] * factor;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    push(b, (uint32_t)carry);
}

void wsrt_big_multiply_power5(wsrt_big *b, int power)
{
    enum { STEP = 13, POWER5_STEP = 1220703125 };
    uint32_t rest = 1;

    for (; power >= STEP; power -= STEP)
        wsrt_big_multiply_add(b, POWER5_STEP, 0);
    for (; power > 0; power--)
        rest *= 5;
    wsrt_big_multiply_add(b, rest, 0);
}

void wsrt_big_shift_left(wsrt_big *b, int bits)
{
    int words = bits / 32;

    if (b->count == 0)
        return;
    if (words > 0 && b->count + words <= WSRT_BIG_WORDS) {
        memmove(b->word + words, b->word, (size_t)b->count * sizeof b->word[0]);
        memset(b->word, 0, (size_t)words * sizeof b->word[0]);
        b->count += words;
    }
    if (bits % 32 > 0)
        wsrt_big_multiply_add(b, UINT32_C(1) << bits % 32, 0);
}

void wsrt_big_add(wsrt_big *b, const wsrt_big *other)
{
    uint64_t carry = 0;

    while (b->count < other->count)
        b->word[b->count++] = 0;
    for (int i = 0; i < b->count; i++) {
        carry += (uint64_t)b->word[i] + (i < other->count ? other->word[i] : 0);
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    push(b, (uint32_t)carry);
}

void wsrt_big_subtract(wsrt_big *b, const wsrt_big *other)
{
    uint64_t borrow = 0;

    for (int i = 0; i < b->count; i++) {
        uint64_t taken = (i < other->count ? other->word[i] : 0) + borrow;
        borrow = b->word[i] < taken;
        b->word[i] = (uint32_t)(b->word[i] - taken);
    }
    trim(b);
}

int wsrt_big_compare(const wsrt_big *a, const wsrt_big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

int wsrt_big_bits(const wsrt_big *b)
{
    int bits = b->count * 32;

    if (b->count == 0)
        return 0;
    for (uint32_t top = b->word[b->count - 1]; (top & 0x80000000u) == 0; top <<= 1)
        bits--;
    return bits;
}
