#include "monitor/histogram.h"

unsigned wsrt_histogram_chunks(unsigned bits)
{
    unsigned buckets = (HISTOGRAM_RANGE_BITS - bits + 1) << bits;

    return (buckets + CHUNK_COUNTERS - 1) / CHUNK_COUNTERS;
}

uint64_t wsrt_bucket_low(unsigned bucket, unsigned bits)
{
    unsigned group = bucket >> bits;
    unsigned step = bucket & ((1u << bits) - 1);

    if (group == 0)
        return bucket;
    return (uint64_t)((1u << bits) + step) << (group - 1);
}

uint64_t wsrt_bucket_middle(unsigned bucket, unsigned bits)
{
    unsigned group = bucket >> bits;
    uint64_t width = group == 0 ? 1 : (uint64_t)1 << (group - 1);

    return wsrt_bucket_low(bucket, bits) + width / 2;
}

unsigned wsrt_octave_bucket(unsigned octave, unsigned bits)
{
    if (octave < 2)
        return octave;
    return bucket_of((uint64_t)3 << (octave - 2), bits);
}
