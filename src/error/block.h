/* Sixteen bytes looked at together, by the vector types of gcc and clang: where a machine has no such
 * registers they become plain words. A mask has all bits of a byte set, or none. */
#ifndef WSRT_SRC_ERROR_BLOCK_H
#define WSRT_SRC_ERROR_BLOCK_H

#include <stdint.h>
#include <string.h>

enum { WSRT_BLOCK = 16 };
typedef signed char wsrt_block __attribute__((vector_size(16)));

static inline wsrt_block wsrt_block_of(char byte)
{
    signed char c = (signed char)byte; /* char has no sign on some machines */

    return (wsrt_block){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
}

static inline wsrt_block wsrt_block_load(const char *p)
{
    wsrt_block b;

    memcpy(&b, p, sizeof b);
    return b;
}

static inline wsrt_block wsrt_block_same(wsrt_block b, char c)
{
    return (wsrt_block)(b == wsrt_block_of(c));
}

/* first <= byte <= last, for bounds in ASCII: bytes from 0x80 on are negative and in no range. */
static inline wsrt_block wsrt_block_range(wsrt_block b, char first, char last)
{
    return (wsrt_block)((b > wsrt_block_of((char)(first - 1))) &
                        (b < wsrt_block_of((char)(last + 1))));
}

static inline wsrt_block wsrt_block_below(wsrt_block b, char limit)
{
    return (wsrt_block)(b < wsrt_block_of(limit));
}

/* Wraps: 0x7f + 1 is negative, 0xff + 1 is 0. */
static inline wsrt_block wsrt_block_plus(wsrt_block b, unsigned char more)
{
    typedef unsigned char bytes __attribute__((vector_size(16)));

    return (wsrt_block)((bytes)b + (bytes)wsrt_block_of((char)more));
}

static inline int wsrt_block_any(wsrt_block mask)
{
    uint64_t half[2];

    memcpy(half, &mask, sizeof half);
    return (half[0] | half[1]) != 0;
}

static inline int wsrt_block_all(wsrt_block mask)
{
    uint64_t half[2];

    memcpy(half, &mask, sizeof half);
    return (half[0] & half[1]) == UINT64_MAX;
}

/* Both halves added, for bytes whose sums stay below 256. */
static inline uint64_t wsrt_block_sum(wsrt_block b)
{
    uint64_t half[2];

    memcpy(half, &b, sizeof half);
    return half[0] + half[1];
}

#endif
