#include "monitor/bounds.h"

#include <string.h>

#define MILLISECOND 1000000ull

struct bounds wsrt_bounds(void)
{
    static const uint64_t tenths[BOUNDS] = {10,   25,   50,    100,   250,   500,   1000,
                                            2500, 5000, 10000, 20000, 30000, 50000, 100000};
    struct bounds b;

    for (unsigned i = 0; i < BOUNDS; i++)
        b.ns[i] = tenths[i] * (MILLISECOND / 10);
    return b;
}

struct bounds wsrt_bounds_snapped(unsigned bits)
{
    struct bounds b = wsrt_bounds();

    for (unsigned i = 0; i < BOUNDS; i++)
        b.ns[i] = wsrt_bucket_low(bucket_of(b.ns[i], bits) + 1, bits) - 1;
    return b;
}

static unsigned bound_of(const struct bounds *b, uint64_t ns)
{
    unsigned i = 0;

    while (i < BOUNDS && ns > b->ns[i])
        i++;
    return i;
}

void wsrt_bounds_sort(const struct bounds *b, const struct histogram *h, uint64_t out[BOUNDS + 1])
{
    uint32_t counts[CHUNK_COUNTERS];

    memset(out, 0, (BOUNDS + 1) * sizeof out[0]);
    for (unsigned c = 0; c < h->chunks; c++) {
        if (!h->chunk(h, c, counts))
            continue;
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            if (counts[i] > 0)
                out[bound_of(b, wsrt_bucket_middle(c * CHUNK_COUNTERS + i, h->bits))] += counts[i];
    }
}
