/* All that the exporters see: one reading of every shard, value and source, in memory of its own. */
#ifndef WSRT_SRC_MONITOR_SNAPSHOT_H
#define WSRT_SRC_MONITOR_SNAPSHOT_H

#include "monitor/internal.h"

#include "base/arena.h"

/* Spans of time of which there are rates: 10 s, 1, 5 and 15 minutes. */
enum { SPAN_10S, SPAN_1M, SPAN_5M, SPAN_15M, SPANS };

struct operation_view {
    const struct operation *operation;
    struct sums sums;
    uint8_t place[MAX_CHUNKS]; /* of a chunk in `counters`, from 1; 0 = absent */
    uint32_t chunk_count;
    uint32_t *counters; /* of the present chunks, in order */
    uint64_t *sums_of_chunks;
    uint64_t count; /* and of all */
    uint64_t in_flight;
    struct reading recent[SPANS];
    struct watch watches[WATCHES];
    struct trend trends[TRENDS];
};

/* What the monitor counts about itself. */
enum self {
    SERIES_DROPPED,
    EXPORT_DROPPED,
    EXPORT_APPROXIMATED,
    ATTRIBUTES_DROPPED,
    CLOCK_BACKWARDS,
    SELVES
};

struct value_view {
    const struct value *value;
    uint64_t all;
    uint64_t good;
};

struct label {
    const char *name;
    wsrt_span value;
};

/* Labels that several samples have in common: within a snapshot equal sets are one. */
struct label_set {
    struct label_set *next;  /* in the order of their coming */
    struct label_set *chain; /* of those with a like hash */
    uint64_t hash;
    size_t number;
    size_t count;
    struct label labels[];
};

struct sample {
    struct sample *next;
    double number;
    double count; /* of a mean, whose sum is `number` */
    const struct label_set *set;
    /* of the application's own metrics */
    const struct own_series *origin;
    const char *category; /* NULL = none */
    const char *name;     /* with the category behind a dot; NULL = the family's */
};

struct family {
    struct family *next;
    const char *name;
    const struct metric *metric;  /* NULL = one of the user's own */
    const struct own_metric *own; /* NULL = of a source */
    int kind;                     /* a wsrt_source_kind or FAMILY_MEAN */
    struct sample *samples;
    struct sample **last;
};

/* A sum and a count, of which the quotient is told. */
enum { FAMILY_MEAN = 3 };

enum { SET_CHAINS = 64 };

struct label_sets {
    struct label_set *first;
    struct label_set **last;
    struct label_set *expected; /* behind the one met last: sources tell them in one order */
    size_t count;
    struct label_set *chains[SET_CHAINS];
};

typedef struct wsrt_snapshot {
    wsrt_monitor *monitor;
    wsrt_arena arena;
    int operation_count;
    struct operation_view *operations;
    struct minutes minutes;
    size_t value_count;
    struct value_view *values;
    struct family *families;
    struct label_sets sets;
    uint64_t self[SELVES];
} wsrt_snapshot;

int wsrt_snapshot_take(wsrt_snapshot **out, wsrt_monitor *m);
void wsrt_snapshot_free(wsrt_snapshot *s);
struct histogram wsrt_view_histogram(const wsrt_snapshot *s, int id);
/* What `now` has more than `base`, which may be NULL; lives in `now`. NULL = memory refused. */
const wsrt_snapshot *wsrt_snapshot_since(wsrt_snapshot *now, const wsrt_snapshot *base);
/* Adds up the counters of a view. */
void wsrt_view_add_up(struct operation_view *v);
/* sample.c */
/* What a sample says; 0 when that is nothing, as of a mean without events. */
int wsrt_sample_value(const struct family *f, const struct sample *s, double *out);
/* Of a metric that is not in the catalogue. */
const char *wsrt_family_help(const struct family *f);
/* Its name in Prometheus, without _total. */
enum { FAMILY_NAME = sizeof "wsrt_business__total" + 2 * MAX_SOURCE_NAME };
void wsrt_family_name(const struct family *f, char out[FAMILY_NAME]);
/* own.c */
int wsrt_own_samples(wsrt_snapshot *s);
struct family *wsrt_family_new(wsrt_snapshot *s, const char *name, int kind);
struct sample *wsrt_family_add(wsrt_snapshot *s, struct family *f, const wsrt_field *labels,
                               size_t count, double number);
int wsrt_samples_take(wsrt_snapshot *s);
int wsrt_samples_since(wsrt_snapshot *now, wsrt_snapshot *delta, const wsrt_snapshot *base);
/* A sample that is wanted, and behind it the next one of the same labels. */
struct pick {
    const struct family *family;
    const struct sample *sample;
    struct pick *next;
};
struct picking {
    const wsrt_snapshot *snapshot;
    int (*wants)(const struct family *f, const void *user);
    int (*take)(const struct pick *first, void *user); /* a negative status ends it */
    void *user;
};
/* Hands on the samples of the families that are wanted, those of the same labels at once, in the order
 * of the first of them. Time grows with their number. WSRT_ERR_NOMEM, or what `take` said. */
int wsrt_samples_pick(const struct picking *how);
/* From the arena, zeroed; NULL = refused. */
void *wsrt_snapshot_room(wsrt_snapshot *s, size_t count, size_t size);
void *wsrt_snapshot_copy(wsrt_snapshot *s, const void *from, size_t size);

#endif
