/* The bits of a double, and back. */
#ifndef WSRT_SRC_DOUBLE_H
#define WSRT_SRC_DOUBLE_H

#include <stdint.h>
#include <string.h>

static inline uint64_t wsrt_double_bits(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline double wsrt_double_of_bits(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

#endif
