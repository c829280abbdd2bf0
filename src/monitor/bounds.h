/* Bounds of histograms as other systems have them. */
#ifndef WSRT_SRC_MONITOR_BOUNDS_H
#define WSRT_SRC_MONITOR_BOUNDS_H

#include "monitor/internal.h"

enum { BOUNDS = 14 };

struct bounds {
    uint64_t ns[BOUNDS];
};

/* 1 ms to 10 s. */
struct bounds wsrt_bounds(void);
/* Each moved to the upper end of the bucket it lies in, so that no event is on the wrong side. */
struct bounds wsrt_bounds_snapped(unsigned bits);
/* How many events are in each, the last one above all. */
void wsrt_bounds_sort(const struct bounds *b, const struct histogram *h, uint64_t out[BOUNDS + 1]);

#endif
