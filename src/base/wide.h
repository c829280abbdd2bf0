/* The product of two words. */
#ifndef WSRT_BASE_WIDE_H
#define WSRT_BASE_WIDE_H

#include <stdint.h>

/* The upper word of a * b; the lower one goes to *low. */
static inline uint64_t wsrt_mul_wide(uint64_t a, uint64_t b, uint64_t *low)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
#else
    const uint64_t half = UINT32_MAX;
    uint64_t a1 = a >> 32, a0 = a & half, b1 = b >> 32, b0 = b & half;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    uint64_t other = a0 * b1 + (middle & half);

    *low = a * b;
    return a1 * b1 + (middle >> 32) + (other >> 32);
#endif
}

#endif
