/* The binary snapshot: a magic word, a version, whole numbers as LEB128, and a hash at the end.
 *
 *     flags  bits  wall  operations  values  self  metrics
 *     operation: name, counters, attribute sums, overflows, chunks by index, minutes by age
 *     value:     operation, category, text, all, good
 *     metric:    operation, kind, name, attribute, value, unit, help, dimensions, series
 *     series:    whether it is that of the overflow, else its values; all, sum
 *
 * A count stands before whatever is repeated, a length before text. Metrics are the application's own but
 * for gauges, which do not add up; version 1 had none. */
#ifndef WSRT_SRC_MONITOR_BINARY_H
#define WSRT_SRC_MONITOR_BINARY_H

#include "monitor/document.h"

#define BINARY_MAGIC "WSRTMON"

enum { BINARY_MAGIC_LEN = 7, BINARY_VERSION = 2, BINARY_HASH_LEN = 8, BINARY_SINCE_START = 1 };
enum { BINARY_WITHOUT_METRICS = 1 };

/* One that is being written. */
struct pen {
    struct document to;
    int status;
    struct minute_view *minutes; /* room for a ring's */
    struct folded *folded;       /* by operation */
};

/* binary.c */
void wsrt_pen_put(struct pen *p, uint64_t n);
void wsrt_pen_text(struct pen *p, const char *text, size_t len);

/* One that is being read; what cannot be read is 0 or empty. */
struct reader {
    const unsigned char *p;
    const unsigned char *end;
    int is_bad;
};

/* merge.c */
uint64_t wsrt_reader_get(struct reader *r);
/* At most `most`; anything else is bad, and 0. */
uint64_t wsrt_reader_up_to(struct reader *r, uint64_t most);
wsrt_span wsrt_reader_text(struct reader *r); /* of at most MAX_VALUE bytes */

/* What of a document lies in a monitor: the ids of its operations. */
struct merged {
    wsrt_monitor *monitor;
    const int *ids;
    int operation_count;
};

/* own_binary.c */
void wsrt_own_write(struct pen *p, const wsrt_snapshot *s);
/* Registers what is missing and makes series; WSRT_ERR_NOMEM. */
int wsrt_own_prepare(struct reader *r, const struct merged *to);
void wsrt_own_merge(struct reader *r, const struct merged *to);

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
