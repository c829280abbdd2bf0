/* The binary snapshot: a magic word, a version, whole numbers as LEB128, and a hash at the end.
 *
 *     flags  bits  wall  operations  values  self
 *     operation: name, counters, attribute sums, overflows, chunks by index, minutes by age
 *     value:     operation, category, text, all, good
 *
 * A count stands before whatever is repeated, a length before text. */
#ifndef WSRT_SRC_MONITOR_BINARY_H
#define WSRT_SRC_MONITOR_BINARY_H

#include "monitor/snapshot.h"

#define BINARY_MAGIC "WSRTMON"

enum { BINARY_MAGIC_LEN = 7, BINARY_VERSION = 1, BINARY_HASH_LEN = 8, BINARY_SINCE_START = 1 };

/* One minute of a ring; durations in ns. */
struct minute_view {
    uint64_t age; /* minutes before the last complete one */
    uint64_t count;
    uint64_t errors;
    uint64_t sum;
    uint64_t max;
    uint64_t p50;
    uint64_t p99;
};

/* trend.c */
/* Those that are not empty, at most TREND_MINUTES; 0 without a ring. */
size_t wsrt_ring_read(wsrt_monitor *m, int id, struct minute_view *out);
/* Makes the ring where there is none; WSRT_ERR_NOMEM. */
int wsrt_ring_touch(wsrt_monitor *m, int id);
/* Under the lock: adds minutes of another ring, and takes all that is counted by now for told. */
void wsrt_ring_merge(wsrt_monitor *m, int id, const struct minute_view *minute);
void wsrt_ring_rebase(wsrt_monitor *m, int id);

/* window.c */
/* Under the lock: so much more is of the time before. */
void wsrt_history_rebase(wsrt_monitor *m, int id, uint64_t count,
                         const uint64_t counters[WINDOW_DURATION]);
void wsrt_minutes_rebase(wsrt_monitor *m);

#endif
