/* What the files of the breaker share. */
#ifndef WSRT_SRC_BREAKER_INTERNAL_H
#define WSRT_SRC_BREAKER_INTERNAL_H

#include <wsrt/breaker.h>

#include <pthread.h>
#include <stdatomic.h>

enum { BUCKETS = 10 };

/* Settings in the units the hot path wants. */
struct settings {
    wsrt_breaker_config config; /* with every default filled in; -1 resolved to 0 */
    int64_t slow_ns;            /* slow above; INT64_MAX = never */
    int64_t bucket_ns;
    uint64_t bucket_inverse; /* 2^64 / bucket_ns, rounded down */
    int64_t lease_ms;
};

struct counts {
    uint64_t failures;
    uint64_t successes;
};

/* The sliding window: ten buckets of one word each,
 *   tag of generation (8 bits) | tag of epoch (8) | failures (24) | successes (24).
 * Before `epoch` moves on, the buckets that are entered anew are emptied, so a bucket's content is
 * never older than one turn and the short tags are unambiguous. */
struct window {
    _Atomic int64_t epoch; /* bucket number of the latest record */
    _Atomic uint64_t buckets[BUCKETS];
    _Atomic uint64_t past_failures; /* of emptied buckets */
    _Atomic uint64_t past_successes;
};

struct wsrt_breaker {
    /* state (3 bits) | generation (20) | deadline, ms since the registry's creation (41).
     * OPEN: when a probe may go. HALF_OPEN: when the probes' lease ends. */
    _Atomic uint64_t word;
    /* Probes of HALF_OPEN: generation (20) | in flight (10) | successes (10) | ticket (24). */
    _Atomic uint64_t probes;
    _Atomic uint64_t transitions; /* all generations; its low bits are the word's */
    struct window window;
    _Atomic uint32_t run;           /* failures in a row, for WSRT_BREAKER_CONSECUTIVE */
    _Atomic uint32_t growth;        /* openings in a row */
    _Atomic uint64_t trip_failures; /* the window at the instant of the trip */
    _Atomic uint64_t trip_successes;
    _Atomic int64_t last_failure; /* ns since the registry's creation; -1 = never */
    _Atomic int64_t last_success;
    _Atomic uint64_t rejected;
    _Atomic uint64_t stale;
    _Atomic uint64_t slow;
    _Atomic uint64_t ignored;
    _Atomic uint64_t opened;
    struct settings settings;
    wsrt_breakers *registry;
    struct wsrt_breaker *next; /* in its chain of the registry */
    _Atomic uint32_t references;
    uint32_t hash;
    size_t service_len;
    size_t operation_len;
    char key[]; /* service, operation */
};

struct wsrt_breakers {
    wsrt_allocator allocator;
    wsrt_env env;
    int64_t base; /* monotonic ns at creation */
    pthread_mutex_t lock;
    wsrt_breaker **chains;
    size_t chain_count; /* a power of two */
    size_t count;
    size_t cap;
};

/* config.c */
int wsrt_breaker_settings_load(struct settings *out, wsrt_span service,
                               const wsrt_breaker_config *given);
int wsrt_breaker_settings_equal(const struct settings *a, const struct settings *b);

/* window.c */
void wsrt_window_init(struct window *w);
/* The bucket number of an instant, never before the window's own. */
int64_t wsrt_window_epoch(const struct window *w, const struct settings *s, int64_t since_base);
void wsrt_window_add(struct window *w, int64_t epoch, uint64_t generation, int failure);
struct counts wsrt_window_sum(const struct window *w, int64_t epoch, uint64_t generation);
struct counts wsrt_window_lifetime(const struct window *w);
/* Retires what older generations counted. */
void wsrt_window_clear(struct window *w, uint64_t generation);

#endif
