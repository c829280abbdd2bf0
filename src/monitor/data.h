/* What goes to CloudWatch, one datum at a time: names, units and dimensions from the catalogue. */
#ifndef WSRT_SRC_MONITOR_DATA_H
#define WSRT_SRC_MONITOR_DATA_H

#include "monitor/document.h"

enum { MAX_DATUM_DIMENSIONS = MAX_SET_LABELS + 1 };

struct dimension {
    const char *name;
    wsrt_span value;
};

struct datum {
    const char *name;
    const char *unit;
    int form;         /* a wsrt_metric_form */
    int operation;    /* VALUES: whose durations */
    int has_category; /* the name ends in a word of a client's */
    double value;     /* SUM and GAUGE */
    double sum;       /* SET */
    uint64_t count;   /* SET and VALUES */
    double least;     /* SET */
    double most;      /* SET */
};

struct data_walk {
    const struct export *export;
    /* Data of the same dimensions follow one another. A negative status ends the walk. */
    int (*begin)(struct data_walk *w, const struct dimension *dimensions, size_t count);
    int (*datum)(struct data_walk *w, const struct datum *d);
    int (*end)(struct data_walk *w);
};

int wsrt_data_walk(struct data_walk *w);

/* Durations as values in ms with counts, of which any number may be joined to few. */
struct value_count {
    double value;
    double low;
    double high;
    uint64_t count;
};
enum { MAX_BUCKETS = MAX_CHUNKS * CHUNK_COUNTERS };

size_t wsrt_values_of(const wsrt_snapshot *s, int id, struct value_count out[MAX_BUCKETS]);
/* Joins neighbours of smallest relative width until at most `most` are left: the sum of counts
 * stays, and to rounding that of value times count. Returns how many there are. */
size_t wsrt_values_join(struct value_count *v, size_t count, size_t most);
/* The members Values and Counts. */
void wsrt_values_write(wsrt_json_writer *w, const struct value_count *v, size_t count);

#endif
