/* Log-linear buckets: 2^bits linear ones per octave over 0..2^42 ns, error at most 2^-(bits+1). */
#ifndef WSRT_SRC_MONITOR_HISTOGRAM_H
#define WSRT_SRC_MONITOR_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_RANGE_BITS = 42, /* the top bucket also takes all that lies above */
    HISTOGRAM_MIN_BITS = 4,
    HISTOGRAM_MAX_BITS = 7,
    USUAL_BITS = 5,
    CHUNK_COUNTERS = 32,
    MAX_CHUNKS =
        ((HISTOGRAM_RANGE_BITS - HISTOGRAM_MAX_BITS + 1) << HISTOGRAM_MAX_BITS) / CHUNK_COUNTERS,
    OCTAVES = HISTOGRAM_RANGE_BITS + 1
};

/* Position of the highest set bit plus one; 0 for 0; at most OCTAVES - 1. */
static inline unsigned octave_of(uint64_t value)
{
    unsigned width = value == 0 ? 0 : 64u - (unsigned)__builtin_clzll(value);

    return width < OCTAVES ? width : OCTAVES - 1;
}

static inline unsigned top_bit(uint64_t value) /* not of 0 */
{
    return 63u ^ (unsigned)__builtin_clzll(value);
}

static inline unsigned bucket_of(uint64_t value, unsigned bits)
{
    if (value >> HISTOGRAM_RANGE_BITS != 0)
        value = ((uint64_t)1 << HISTOGRAM_RANGE_BITS) - 1;
    unsigned shift = top_bit(value | 1ull << bits) - bits;
    return (shift << bits) + (unsigned)(value >> shift);
}

unsigned wsrt_histogram_chunks(unsigned bits);
uint64_t wsrt_bucket_low(unsigned bucket, unsigned bits);    /* first value it takes */
uint64_t wsrt_bucket_middle(unsigned bucket, unsigned bits); /* what stands for it */
/* The bucket that stands for an octave counted without a chunk. */
unsigned wsrt_octave_bucket(unsigned octave, unsigned bits);

#endif
