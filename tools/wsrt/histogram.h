/* Log-linear histogram of durations in ns: 128 steps a power of two, error below 0.4 %. */
#ifndef WSRT_TOOL_HISTOGRAM_H
#define WSRT_TOOL_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_CELLS = (64 - HISTOGRAM_STEP_BITS) << HISTOGRAM_STEP_BITS
};

struct histogram {
    uint64_t cells[HISTOGRAM_CELLS];
    uint64_t count;
    int64_t max;
};

/* Counts one duration; a negative one counts as 0. */
void histogram_add(struct histogram *h, int64_t ns);
void histogram_add_many(struct histogram *h, int64_t ns, uint64_t count);

/* The duration that `share` (0 to 1) of all stay at or below, within the error; 0 when empty. */
int64_t histogram_quantile(const struct histogram *h, double share);

#endif
