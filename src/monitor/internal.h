/* What the files of the monitor share. Counters only grow: the owner of a private shard writes them
 * by load and store, everybody else by fetch-add; readers add the shards up and subtract. */
#ifndef WSRT_SRC_MONITOR_INTERNAL_H
#define WSRT_SRC_MONITOR_INTERNAL_H

#include <wsrt/monitor.h>

#include "monitor/recorder.h"
#include "monitor/histogram.h"

#include <pthread.h>
#include <stdatomic.h>

enum counter {
    STARTED,
    CANCELLED,
    SUCCEEDED,
    WARNED,
    FAILED,
    ERROR_CALLS,
    EXTERNAL_CALLS,
    DATABASE_CALLS,
    REQUEST_BYTES,
    REQUESTS,
    RESPONSE_BYTES,
    RESPONSES,
    DURATION_SUM,
    DURATION_MAX,
    CPU_MILLIONTHS,
    CPU_SAMPLES,
    MEMORY_BYTES,
    MEMORY_SAMPLES,
    MEMORY_MAX,
    WINDOW_DURATION, /* largest in the even windows, then in the odd ones; see window_word() */
    WINDOW_MEMORY = WINDOW_DURATION + 2,
    COUNTERS = WINDOW_MEMORY + 2
};

/* Attributes that are summed; request and response sizes have counters of their own. */
enum number { MESSAGE_LENGTH, TOKEN_LENGTH, EXPIRY, ATTRIBUTE_NOW, CONNECTION_DURATION, NUMBERS };

/* Attributes that are counted by value; the last one is the argument of wsrt_op_error(). */
enum category {
    MESSAGE_TYPE,
    ACTION,
    EVENT_TYPE,
    ROUTE_KEY,
    HAS_TOKEN,
    HAS_SESSION_ID,
    ERROR_TEXT,
    ERROR_TYPE,
    WARNING,
    DISCONNECT_REASON,
    SERVICE,
    OPERATION,
    ERROR_CATEGORY,
    CATEGORIES
};

/* What thresholds watch, by wsrt_watched minus one; and their levels, by wsrt_alert_level minus one. */
enum { WATCHES = 3, LEVELS = 2 };

enum {
    WINDOWS = 90, /* of 10 s each: 15 minutes */
    ERROR_WINDOWS = 30,
    PAGE_SERIES = 32,
    MAX_OPERATIONS = 1024,
    MAX_PAGES = MAX_OPERATIONS / PAGE_SERIES - 1,
    MAX_VALUE = 255, /* bytes of a category's value */
    MAX_DIMENSION = 1024,
    VALUE_BUCKETS = 1024,
    MAX_SOURCES = 4096,
    MAX_SOURCE_NAME = 63,
    MAX_LABELS = 8, /* of a source's series */
    MAX_SET_LABELS = 29,
    MAX_CORRELATION_ID = 128,
    BUILTIN_OPERATIONS = 4,
    TREND_MINUTES = 1440
};

typedef _Atomic uint64_t counter;
typedef _Atomic(void *) slot; /* NULL until first use, then for ever the same object */

struct numbers {
    counter sum[NUMBERS];
    counter count[NUMBERS];
};

struct tally {
    counter counters[COUNTERS];
    slot numbers; /* struct numbers */
};

struct chunk {
    _Atomic uint32_t counters[CHUNK_COUNTERS];
};

/* One operation in one shard. */
struct series {
    struct tally tally;
    slot chunks[]; /* struct chunk */
};

struct page {
    slot series[PAGE_SERIES]; /* struct series */
};

struct shard {
    struct wsrt_monitor *monitor;
    struct shard *prev; /* in the monitor's list; under its lock */
    struct shard *next;
    int shared;            /* any thread writes: fetch-add */
    struct page first;     /* of the lowest ids, which are the busiest: one look-up less */
    slot pages[MAX_PAGES]; /* struct page, of those above */
};

struct wsrt_recorder {
    struct recorder_front front; /* the first member */
    struct shard shard;
    wsrt_allocator allocator; /* tells net_bytes what it takes */
    uint32_t until_cpu;       /* of those that are looked at, where all are */
    int64_t cpu_after;        /* and not before this time */
    int64_t net_bytes;
    int64_t high_bytes; /* largest net_bytes since the innermost open operation began */
};

struct outcome_count {
    counter all;
    counter good;
};

/* One value of one category of one operation; kept for the monitor's life. */
struct value {
    slot next;           /* struct value; of one hash */
    struct value *older; /* of all */
    uint64_t hash;
    uint16_t operation;
    uint8_t category;
    uint8_t len;
    struct outcome_count count;
    char text[];
};

/* One threshold and where it stands; under the lock. */
struct watch {
    double limits[LEVELS];     /* 0 = none */
    uint32_t exceeded[LEVELS]; /* one bit a window, the open one lowest */
    int calm[LEVELS];
    int level;
    int statistic;
    unsigned needed; /* windows that exceed, of so many */
    unsigned of;
};

/* What has a trend, by wsrt_watched minus WSRT_WATCH_TREND_DURATION. */
enum { TREND_DURATION, TREND_P99, TREND_ERRORS, TRENDS };

struct trend {
    int is_known;
    int level;
    double baseline; /* ns, or a fraction */
    double current;
    double ratio;
    double slope; /* percent of the baseline an hour */
};

struct reading {
    uint64_t count;
    uint64_t errors;
};

/* What the tick remembers of an operation; under the lock. */
struct history {
    struct watch watches[WATCHES];
    struct reading closed[WINDOWS + 1]; /* a ring: totals at the end of each window */
    struct reading before;              /* those merged that are of no window here */
    uint64_t base_sums[4];              /* duration and memory sums and counts at the last end */
    uint32_t *base_counters;            /* the histogram then; only for quantile statistics */
    uint64_t seen[2];                   /* maxima of the last closed window as they were judged */
    struct trend trends[TRENDS];
};

/* The slowest completion of a window that told a correlation id. */
struct worst {
    counter word; /* a window_word() */
    _Atomic int busy;
    unsigned len; /* under busy, as text */
    char text[MAX_CORRELATION_ID];
};

struct operation {
    char *name;
    size_t name_len;
    /* What could not be counted in a shard because memory was refused. */
    struct tally spare;
    struct numbers spare_numbers;
    _Atomic uint32_t octaves[OCTAVES];
    _Atomic int octaves_used;
    struct history history;
    struct ring *ring; /* of minutes, the tick's own; NULL = none yet */
    slot own;          /* struct own_metric, the newest first */
    struct worst worst;
    slot exemplars; /* a struct worst for each octave of durations */
    /* Values beyond the caps; for ERROR_CATEGORY all that are not registered. */
    struct outcome_count overflow[CATEGORIES];
};

struct source {
    char name[MAX_SOURCE_NAME + 1];
    const struct metric *metric; /* NULL = one of the user's own */
    int kind;
    wsrt_source_fn read;
    void *user;
};

/* Operations of the last complete minute, of which the business metrics tell rates. */
enum { MINUTE_OPERATIONS = 4 };

struct minutes {
    uint64_t counted[MINUTE_OPERATIONS]; /* at its end */
    double last[MINUTE_OPERATIONS];
    int64_t began;
    uint32_t number;
    int complete; /* 1 once a minute is over */
};

struct wsrt_monitor {
    _Atomic int operation_count;
    _Atomic uint32_t window; /* number of the open one */
    unsigned bits;
    unsigned chunks;
    uint32_t flags;                /* bits of wsrt_monitor_flag */
    _Atomic uint32_t cpu_sampling; /* 0 = never */
    int has_trends;
    int max_operations;
    uint64_t key;
    unsigned char identity_key[16];
    uint32_t log_identity_plain; /* bits of wsrt_identity, as the next */
    uint32_t allow_identity_dimensions;
    wsrt_redact_fn redact; /* NULL = free text is left out */
    _Atomic uint32_t max_metric_values;
    _Atomic uint32_t max_values;
    wsrt_allocator allocator;
    wsrt_env env;
    char *environment;
    size_t environment_len;
    struct operation **operations;
    struct shard shared;
    struct shard retired; /* heads the list of shards */
    slot values;          /* VALUE_BUCKETS slots, each a chain of struct value */
    slot newest_value;
    _Atomic uint32_t value_count;
    _Atomic uint32_t metric_values[CATEGORIES];
    struct source **sources; /* under lock, as the next two */
    size_t source_count;
    size_t source_cap;
    unsigned own_count; /* under lock */
    counter clock_backwards;
    counter attributes_dropped;
    counter series_dropped;
    counter export_dropped;
    counter export_approximated;
    wsrt_alert_fn on_alert;
    void *alert_user;
    int ticking; /* the tick's own, as all below to references */
    int64_t window_began;
    struct minutes minutes;
    _Atomic size_t references; /* the owner's and one a recorder */
    pthread_mutex_t lock;
};

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline, unused))

static inline void count_up(counter *c, uint64_t n, int shared)
{
    if (shared)
        atomic_fetch_add_explicit(c, n, memory_order_relaxed);
    else
        atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

static inline uint64_t counted(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void *held(const slot *s)
{
    return atomic_load_explicit(s, memory_order_acquire);
}

static inline void count_narrow(_Atomic uint32_t *c, uint32_t n, int shared)
{
    if (shared)
        atomic_fetch_add_explicit(c, n, memory_order_relaxed);
    else
        atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

static inline uint64_t sum_saturating(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static inline uint64_t product_saturating(uint64_t a, uint32_t n)
{
    uint64_t product;

    return __builtin_mul_overflow(a, (uint64_t)n, &product) ? UINT64_MAX : product;
}

static NEVER_INLINE void count_saturated(counter *c)
{
    atomic_store_explicit(c, UINT64_MAX, memory_order_relaxed);
}

static inline void count_sum(counter *c, uint64_t n, int shared)
{
    uint64_t old = counted(c);

    if (!shared) {
        if (__builtin_add_overflow(old, n, &n))
            count_saturated(c);
        else
            atomic_store_explicit(c, n, memory_order_relaxed);
        return;
    }
    while (!atomic_compare_exchange_weak_explicit(c, &old, sum_saturating(old, n),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static inline void count_maximum(counter *c, uint64_t n, int shared)
{
    uint64_t old = counted(c);

    if (!shared && n > old)
        atomic_store_explicit(c, n, memory_order_relaxed);
    while (shared && n > old &&
           !atomic_compare_exchange_weak_explicit(c, &old, n, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

static inline int is_maximum(unsigned which)
{
    return which == DURATION_MAX || which == MEMORY_MAX;
}

static inline int is_window(unsigned which)
{
    return which >= WINDOW_DURATION;
}

/* Where one completion is counted. */
struct place {
    wsrt_monitor *monitor;
    struct tally *tally;
    int id;
    int shared;
};

/* A maximum and the window it belongs to in one word: 20 bits of number, 44 of value. A word of
 * another window is overwritten, so nothing need be reset. */
enum { WINDOW_VALUE_BITS = 44 };

static inline uint64_t window_word(uint32_t window, uint64_t value)
{
    uint64_t most = ((uint64_t)1 << WINDOW_VALUE_BITS) - 1;

    return (uint64_t)window << WINDOW_VALUE_BITS | (value < most ? value : most);
}

static inline uint64_t window_value(uint64_t word, uint32_t window)
{
    return (word ^ (uint64_t)window << WINDOW_VALUE_BITS) >> WINDOW_VALUE_BITS == 0
               ? word & (((uint64_t)1 << WINDOW_VALUE_BITS) - 1)
               : 0;
}

/* `pair` is the counter of the even windows; the odd ones' follows. */
static inline void count_window(counter *pair, uint32_t window, uint64_t value, int shared)
{
    counter *c = &pair[window & 1];
    uint64_t fresh = window_word(window, value), old = counted(c);

    while (old >> WINDOW_VALUE_BITS != fresh >> WINDOW_VALUE_BITS || old < fresh) {
        if (shared && !atomic_compare_exchange_weak_explicit(c, &old, fresh, memory_order_relaxed,
                                                             memory_order_relaxed))
            continue;
        if (!shared)
            atomic_store_explicit(c, fresh, memory_order_relaxed);
        return;
    }
}

/* shard.c */
void *wsrt_slot_touch(slot *place, const wsrt_monitor *m, size_t size); /* NULL = refused */
struct series *wsrt_shard_touch(struct shard *shard, int id);           /* NULL = refused */
struct chunk *wsrt_series_touch(const wsrt_monitor *m, struct series *s, unsigned chunk);
struct numbers *wsrt_tally_numbers(const wsrt_monitor *m, struct tally *t);
void wsrt_shard_fold(struct shard *into, struct shard *from); /* never fails; empties `from` */
void wsrt_shard_clear(struct shard *shard);

/* NULL = never touched */
static inline struct series *shard_series(const struct shard *shard, unsigned id)
{
    if (id < PAGE_SERIES)
        return held(&shard->first.series[id]);
    const struct page *leaf = held(&shard->pages[id / PAGE_SERIES - 1]);

    return leaf == NULL ? NULL : held(&leaf->series[id % PAGE_SERIES]);
}

/* operation.c */
void wsrt_recorder_bytes(wsrt_recorder *r, int64_t n); /* taken, or with a minus given back */

/* attribute.c */
struct attribute_totals {
    wsrt_span error_type;
    wsrt_span correlation_id;
    int warned;
    int64_t request_size; /* of the result, else of the attribute */
    int64_t response_size;
};
struct attributes {
    const wsrt_field *fields;
    size_t count;
};
void wsrt_attributes_count(const struct place *at, struct attributes attrs, int good,
                           struct attribute_totals *out);
struct value *wsrt_value_find(const wsrt_monitor *m, int id, int category, wsrt_span text);
struct value *wsrt_value_get(wsrt_monitor *m, int id, int category, wsrt_span text);
struct value *wsrt_error_category(wsrt_monitor *m, int id, wsrt_span text); /* NULL = other */
void wsrt_values_free(wsrt_monitor *m);
/* How an attribute stands in a line of a log. */
enum use { USE_NONE, USE_PLAIN, USE_HASHED, USE_REDACTED };
enum use wsrt_attribute_use(const wsrt_monitor *m, const char *name);

int wsrt_attribute_may_be_dimension(const wsrt_monitor *m, const char *name);

int wsrt_category_register(wsrt_monitor *m, int id, wsrt_span name);

/* monitor.c */
void wsrt_monitor_retain(wsrt_monitor *m);
void wsrt_monitor_release(wsrt_monitor *m);
const struct operation *wsrt_monitor_known(const wsrt_monitor *m, int id); /* NULL = no such id */
int wsrt_source_name_fits(const char *name_cstr);
int wsrt_is_dimension(const char *name_cstr); /* of the catalogue */
/* Under the lock: whether a source has the name, as Prometheus would write it. */
int wsrt_source_is_named(const wsrt_monitor *m, const char *name_cstr);
int wsrt_own_is_named(const wsrt_monitor *m, const char *name_cstr); /* own.c; the same */

/* sample.c */
/* CloudWatch takes printable ASCII that is not all blank and does not begin with a colon. */
int wsrt_dimension_fits(wsrt_span value);

/* read.c: all shards of one operation added up; under the lock */
struct sums {
    uint64_t counters[COUNTERS];
    uint64_t sum[NUMBERS];
    uint64_t count[NUMBERS];
    uint64_t overflow[CATEGORIES];
    uint64_t overflow_good[CATEGORIES];
};
void wsrt_read_sums(const wsrt_monitor *m, int id, struct sums *out);
/* 0 when no shard has the chunk. */
int wsrt_read_chunk(const wsrt_monitor *m, int id, unsigned chunk, uint32_t out[CHUNK_COUNTERS]);
/* An operation will be read next: says so to the processor. */
void wsrt_read_ahead(const wsrt_monitor *m, int id);
/* Sets 1 for each chunk that some shard has. */
void wsrt_read_present(const wsrt_monitor *m, int id, uint8_t out[MAX_CHUNKS]);
/* Adds the chunks that have a place, which ascend from 1, to where it says in `to`. */
void wsrt_read_placed(const wsrt_monitor *m, int id, const uint8_t place[MAX_CHUNKS], uint32_t *to);

struct histogram {
    const void *from;
    int (*chunk)(const struct histogram *h, unsigned chunk, uint32_t out[CHUNK_COUNTERS]);
    int id;
    unsigned bits;
    unsigned chunks;
    uint64_t max;
    uint64_t total;       /* 0 = to be counted */
    const uint8_t *place; /* of a chunk in `sums`, from 1; 0 = it is absent */
    const uint64_t *sums; /* of each chunk's counters; NULL = not known */
};
uint64_t wsrt_chunk_sum(const uint32_t counters[CHUNK_COUNTERS]);
uint64_t wsrt_histogram_total(const struct histogram *h);
uint64_t wsrt_histogram_quantile(const struct histogram *h, double q);
/* Several in one pass, at most MAX_QUANTILES; the q ascend. */
enum { MAX_QUANTILES = 8 };
void wsrt_histogram_quantiles(const struct histogram *h, const double *q, size_t count,
                              uint64_t *out);
struct histogram wsrt_live_histogram(const wsrt_monitor *m, int id, uint64_t max);
/* The largest value of one of the last two windows. */
uint64_t wsrt_read_window(const wsrt_monitor *m, int id, unsigned pair, uint32_t window);
void wsrt_totals_of(wsrt_op_totals *out, const struct sums *s, uint64_t count);

/* trend.c */
struct ring;
void wsrt_trends_roll(wsrt_monitor *m, uint32_t number, int64_t wall); /* at the end of a minute */
void wsrt_ring_free(const wsrt_monitor *m, struct ring *ring);         /* NULL is fine */

/* window.c */
void wsrt_history_init(struct history *h, int id); /* with the thresholds every monitor has */
size_t wsrt_history_bytes(const wsrt_monitor *m);  /* of base_counters */
void wsrt_worst_offer(wsrt_monitor *m, int id, uint64_t duration, wsrt_span correlation_id);
struct exemplar {
    uint64_t ns;
    size_t len;
    char text[MAX_CORRELATION_ID];
};
/* The slowest known above a duration and up to another; 0 = none. */
int wsrt_exemplar_read(const struct operation *o, uint64_t above, uint64_t most,
                       struct exemplar *out);
/* Completions and errors of the last `windows` closed windows, or as many as there are. */
void wsrt_history_recent(const wsrt_monitor *m, int id, unsigned windows, struct reading *out);

#endif
