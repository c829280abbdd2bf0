/**
 * @file breaker.h
 * Circuit breakers: one per (service, operation) in a registry. Granting and recording take no lock,
 * allocate nothing and read no clock; time is the caller's. The rules are those of docs/breaker.md.
 */
#ifndef WSRT_BREAKER_H
#define WSRT_BREAKER_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A registry of breakers; thread-safe. @since 0.1 */
typedef struct wsrt_breakers wsrt_breakers;

/** One breaker, owned by its registry and held by reference; thread-safe. @since 0.1 */
typedef struct wsrt_breaker wsrt_breaker;

/** When a breaker trips. @since 0.1 */
typedef enum wsrt_breaker_mode {
    WSRT_BREAKER_WINDOW = 1,      /**< failures inside the sliding window */
    WSRT_BREAKER_CONSECUTIVE = 2, /**< and all of the last failures in a row */
    WSRT_BREAKER_MODE_MIN_ = -2147483647 - 1,
    WSRT_BREAKER_MODE_MAX_ = 2147483647
} wsrt_breaker_mode;

/** What a slow success counts as. @since 0.1 */
typedef enum wsrt_slow_policy {
    WSRT_SLOW_FAILURE = 1, /**< one failure */
    WSRT_SLOW_OBSERVE = 2, /**< only the lifetime counter */
    WSRT_SLOW_RATE = 3,    /**< its own trip rule; not in this release: WSRT_ERR_UNSUPPORTED */
    WSRT_SLOW_POLICY_MIN_ = -2147483647 - 1,
    WSRT_SLOW_POLICY_MAX_ = 2147483647
} wsrt_slow_policy;

/**
 * Settings of a breaker; zero = default, -1 says 0 where 0 is meaningful. Times in ms. @since 0.1
 */
typedef struct wsrt_breaker_config {
    uint32_t struct_size;              /**< sizeof(wsrt_breaker_config) */
    uint32_t flags;                    /**< 0 */
    int64_t failure_threshold;         /**< default 5; 1..2^24-1 */
    int64_t recovery_timeout_ms;       /**< default 30000; first OPEN wait; -1 = probe at once */
    int64_t expected_response_time_ms; /**< default 2000; slow above; -1 = never slow */
    int64_t monitoring_window_ms;      /**< default 60000; 10..24 h */
    int64_t minimum_request_count;     /**< default 5; -1 acts as 1 */
    int32_t mode;                      /**< a wsrt_breaker_mode; default WINDOW */
    int32_t slow_policy;               /**< a wsrt_slow_policy; default FAILURE */
    double min_failure_rate;           /**< default 0; 0..1, also needed to trip */
    double slow_rate;                  /**< default 0.5; for WSRT_SLOW_RATE */
    int32_t half_open_permits;         /**< default 1; 1..1023 probes in flight */
    int32_t half_open_successes;       /**< default 1; 1..1023 successes that close */
    int64_t probe_lease_ms;            /**< default max(recovery, 2 x expected), or 1000 */
    double backoff_factor;             /**< default 1; 1..10 growth of the wait */
    int64_t max_recovery_timeout_ms;   /**< default 300000; cap of the grown wait */
    double jitter;                     /**< default 0; 0..1, needs env.random */
    int32_t stripes;   /**< counter stripes; default 1, and 1 is all this release has */
    uint32_t reserved; /**< 0 */
} wsrt_breaker_config;

/** Options of a registry; zero = default. @since 0.1 */
typedef struct wsrt_breakers_options {
    uint32_t struct_size;     /**< sizeof(wsrt_breakers_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< zero = libc */
    const wsrt_env *env;      /**< random and log; copied; NULL = defaults */
    int64_t now;              /**< monotonic ns at creation: any clock origin works */
    uint32_t max_breakers;    /**< 0 = 10000 */
    uint32_t event_capacity;  /**< 0 = 256 */
} wsrt_breakers_options;

/**
 * Makes a registry.
 * @param out   NULL on failure; give it back with wsrt_breakers_free()
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID; WSRT_ERR_UNSUPPORTED. @since 0.1
 */
WSRT_API int wsrt_breakers_new(wsrt_breakers **out, const wsrt_breakers_options *opts);

/** Frees a registry and its breakers; NULL is fine; no other thread may be using it. @since 0.1 */
WSRT_API void wsrt_breakers_free(wsrt_breakers *r);

/**
 * Finds or creates a breaker. Never make keys from client input: they are kept.
 *
 * @param service    1..255 bytes; a preset is taken by this name
 * @param operation  1..255 bytes
 * @param config     settings for a new breaker; NULL = document, preset, defaults
 * @param out        a reference; give it back with wsrt_breaker_release_ref()
 * @param differs    set to 1 when it existed with other settings than `config`; NULL is fine
 * @return WSRT_OK; WSRT_ERR_INVALID (key or a member of `config`); WSRT_ERR_LIMIT (registry full);
 *         WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_breakers_get(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                               const wsrt_breaker_config *config, wsrt_breaker **out, int *differs);

/** As get, but never creates: WSRT_ERR_NOT_FOUND. @since 0.1 */
WSRT_API int wsrt_breakers_find(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                                wsrt_breaker **out);

/** Gives a reference back; NULL is fine. Any thread. @since 0.1 */
WSRT_API void wsrt_breaker_release_ref(wsrt_breaker *b);

/** Leave to make one call; all zero = none. @since 0.1 */
typedef struct wsrt_permit {
    uint64_t opaque[2];
} wsrt_permit;

/** Why a call was refused. @since 0.1 */
typedef enum wsrt_reject_reason {
    WSRT_REJECT_OPEN = 1,
    WSRT_REJECT_PROBE_BUSY = 2,
    WSRT_REJECT_FORCED = 3,
    WSRT_REJECT_CLAIM = 4,
    WSRT_REJECT_REASON_MIN_ = -2147483647 - 1,
    WSRT_REJECT_REASON_MAX_ = 2147483647
} wsrt_reject_reason;

/** Details of a refusal. @since 0.1 */
typedef struct wsrt_rejection {
    int32_t reason;         /**< a wsrt_reject_reason */
    uint32_t reserved;      /**< 0 */
    int64_t retry_after_ms; /**< rounded up; -1 = unknown */
} wsrt_rejection;

/** How a call ended. @since 0.1 */
typedef enum wsrt_outcome {
    WSRT_SUCCESS = 1, /**< the service is healthy */
    WSRT_FAILURE = 2, /**< the service is not */
    WSRT_IGNORED = 3, /**< tells nothing about the service's health */
    WSRT_OUTCOME_MIN_ = -2147483647 - 1,
    WSRT_OUTCOME_MAX_ = 2147483647
} wsrt_outcome;

/**
 * Asks whether a call may go ahead.
 *
 * @param now  monotonic ns, the clock of record()
 * @param out  written on WSRT_OK; settle it once by record or release
 * @param why  written on refusal; NULL is fine
 * @return WSRT_OK; WSRT_ERR_CIRCUIT_OPEN. No lock, no allocation. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_try_acquire(wsrt_breaker *b, int64_t now, wsrt_permit *out,
                                      wsrt_rejection *why);

/**
 * Records how the call of a permit ended, and zeroes the permit.
 *
 * @param outcome  a wsrt_outcome
 * @return WSRT_OK (counted); WSRT_STALE (granted under an older generation: only a lifetime counter
 *         moves); WSRT_ERR_INVALID (zero permit, unknown outcome; nothing changes). Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_breaker_record(wsrt_breaker *b, wsrt_permit *p, int64_t now, int outcome);

/** Gives a permit back unused, and zeroes it; as wsrt_breaker_record(). @since 0.1 */
WSRT_API int wsrt_breaker_release(wsrt_breaker *b, wsrt_permit *p, int64_t now);

/** What callers see of a breaker. @since 0.1 */
typedef enum wsrt_breaker_state {
    WSRT_BREAKER_CLOSED = 0,
    WSRT_BREAKER_HALF_OPEN = 1,
    WSRT_BREAKER_OPEN = 2,
    WSRT_BREAKER_FORCED_OPEN = 3,
    WSRT_BREAKER_DISABLED = 4,
    WSRT_BREAKER_METRICS_ONLY = 5,
    WSRT_BREAKER_STATE_MIN_ = -2147483647 - 1,
    WSRT_BREAKER_STATE_MAX_ = 2147483647
} wsrt_breaker_state;

/** Statistics of a breaker. Wall times are Unix ms, -1 = none. @since 0.1 */
typedef struct wsrt_breaker_stats {
    uint32_t struct_size;   /**< set by the caller */
    int32_t state;          /**< CLOSED, HALF_OPEN or OPEN */
    int32_t true_state;     /**< all six */
    int32_t probe_ready;    /**< OPEN and its wait is over */
    uint64_t failure_count; /**< in the window; frozen at the trip while not closed */
    uint64_t success_count;
    uint64_t total_requests; /**< failures + successes of the same read */
    int64_t last_failure_time;
    int64_t last_success_time;
    int64_t next_attempt_time; /**< in OPEN only */
    double failure_rate;       /**< 0 without requests */
    uint64_t rejected;         /**< lifetime, as all below */
    uint64_t stale;
    uint64_t slow;
    uint64_t ignored;
    uint64_t opened;
    uint64_t lifetime_failures;
    uint64_t lifetime_successes;
    uint64_t generation;
} wsrt_breaker_stats;

/**
 * Reads the statistics; changes no state.
 * @param now   monotonic ns; @param wall Unix ms of the same instant
 * @return WSRT_OK; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_get_stats(wsrt_breaker *b, int64_t now, int64_t wall,
                                    wsrt_breaker_stats *out);

#ifdef __cplusplus
}
#endif
#endif
