/**
 * @file breaker.h
 * Circuit breakers: one per (service, operation) in a registry. Granting and recording take no lock,
 * allocate nothing and read no clock; time is the caller's. The rules are those of docs/breaker.md.
 */
#ifndef WSRT_BREAKER_H
#define WSRT_BREAKER_H

#include <wsrt/json.h>

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
    WSRT_SLOW_RATE = 3,    /**< as it ended; slow calls have a trip rule of their own */
    WSRT_SLOW_POLICY_MIN_ = -2147483647 - 1,
    WSRT_SLOW_POLICY_MAX_ = 2147483647
} wsrt_slow_policy;

/**
 * Settings of a breaker; zero = default, -1 says 0 where 0 is in range. Times in ms.
 *
 * A CLOSED breaker trips when a failure is recorded and, that one included, the window holds at least
 * `minimum_request_count` calls, `failure_threshold` failures and `min_failure_rate` of failures.
 * A busy key reaches any threshold some day: give it a `min_failure_rate`, above all where a slow
 * success counts as a failure. @since 0.1
 */
typedef struct wsrt_breaker_config {
    uint32_t struct_size;              /**< sizeof(wsrt_breaker_config) */
    uint32_t flags;                    /**< 0 */
    int64_t failure_threshold;         /**< default 5; 1..2^24-1 */
    int64_t recovery_timeout_ms;       /**< default 30000; 0..30 days; first OPEN wait, 0 = none */
    int64_t expected_response_time_ms; /**< default 2000; 0..24 h; slow above, 0 = never slow */
    int64_t monitoring_window_ms;    /**< default 60000; 10..24 h. A call counts for 0.9 of it, and
                                            never longer than all of it */
    int64_t minimum_request_count;   /**< default 5; 0..2^24-1; 0 acts as 1 */
    int32_t mode;                    /**< a wsrt_breaker_mode; default WINDOW */
    int32_t slow_policy;             /**< a wsrt_slow_policy; default FAILURE */
    double min_failure_rate;         /**< default 0; 0..1 */
    double slow_rate;                /**< default 0.5; above 0..1; trips WSRT_SLOW_RATE when a slow
                                            call is recorded, over the same minimum */
    int32_t half_open_permits;       /**< default 1; 1..1023 probes in flight at once */
    int32_t half_open_successes;     /**< default 1; 1..1023 successes that close */
    int64_t probe_lease_ms;          /**< 0..30 days; how long a probe may stay out; default
                                            max(recovery, 2 x expected), or 1000 where that is 0 */
    double backoff_factor;           /**< default 1; 1..10; growth of the wait, each failed probe */
    int64_t max_recovery_timeout_ms; /**< default 300000; 0..30 days; cap of the grown wait */
    double jitter;                   /**< default 0; 0..1; lengthens a wait by up to this part */
    int32_t stripes; /**< default 1; 1, 2, 4 or 8 sets of counters for threads that share it; fixed
                            for a breaker's life */
    uint32_t reserved; /**< 0 */
} wsrt_breaker_config;

/**
 * Finds the first member that is out of range (NaN is).
 *
 * @param config      NULL is fine: all defaults
 * @param member_cstr set to its name, constant text; "struct_size" for a struct of a wrong size.
 *                    NULL is fine
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_UNSUPPORTED (bytes of a later release). Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_breaker_config_check(const wsrt_breaker_config *config, const char **member_cstr);

/* ---- shared state ------------------------------------------------------------------------- */

/** What a fleet knows of one breaker. @since 0.1 */
typedef struct wsrt_breaker_shared {
    uint32_t struct_size; /**< sizeof(wsrt_breaker_shared) */
    int32_t state;        /**< CLOSED; OPEN; HALF_OPEN: `owner` has the probe */
    uint64_t version;     /**< 1, 2, 3, ... with every write; 0 = nothing stored */
    int64_t until;        /**< Unix ms: end of the wait, or of the probe's lease; 0 when CLOSED */
    uint64_t owner;       /**< random number of the registry that wrote it */
    uint32_t growth_step; /**< failed recoveries in a row */
    uint32_t reserved;    /**< 0 */
} wsrt_breaker_shared;

/** Which record a store is asked for, and for how long. @since 0.1 */
typedef struct wsrt_breaker_shared_key {
    uint32_t struct_size; /**< sizeof(wsrt_breaker_shared_key) */
    uint32_t budget_ms;   /**< come back within it, with WSRT_ERR_TIMEOUT if need be */
    wsrt_span service;    /**< valid during the call */
    wsrt_span operation;
} wsrt_breaker_shared_key;

/**
 * Where a fleet of processes shares the state of its breakers. Called from any thread, without a lock;
 * may block for the budget. It makes no call that this registry guards. @since 0.1
 */
typedef struct wsrt_breaker_store_ops {
    uint32_t struct_size; /**< sizeof(wsrt_breaker_store_ops) */
    uint32_t flags;       /**< 0 */
    /** Fills `out`; WSRT_OK; WSRT_ERR_NOT_FOUND: nothing stored; anything else is an error. */
    int (*load)(void *self, const wsrt_breaker_shared_key *key, wsrt_breaker_shared *out);
    /**
     * Stores `record`, whose version is `expected` + 1, if the stored version is `expected` (0 =
     * nothing stored). WSRT_OK; WSRT_ERR_EXISTS: another version is, and `seen` holds that record;
     * anything else is an error.
     */
    int (*compare_and_swap)(void *self, const wsrt_breaker_shared_key *key, uint64_t expected,
                            const wsrt_breaker_shared *record, wsrt_breaker_shared *seen);
} wsrt_breaker_store_ops;

/** A store in the memory of this process, for tests and threads; thread-safe. @since 0.1 */
typedef struct wsrt_memory_breaker_store wsrt_memory_breaker_store;

/**
 * Makes an empty store. It keeps what it was given until it is freed.
 * @param out        NULL on failure; give it back with wsrt_memory_breaker_store_free()
 * @param allocator  copied; NULL = libc
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_memory_breaker_store_new(wsrt_memory_breaker_store **out,
                                           const wsrt_allocator *allocator);

/** Frees a store, after the registries that use it; NULL is fine. @since 0.1 */
WSRT_API void wsrt_memory_breaker_store_free(wsrt_memory_breaker_store *store);

/** Its functions, constant; `self` is the store. Never fails. Any thread. @since 0.1 */
WSRT_API const wsrt_breaker_store_ops *wsrt_memory_breaker_store_ops(void);

/* ---- the registry ------------------------------------------------------------------------- */

/** Options of a registry; zero = default. @since 0.1 */
typedef struct wsrt_breakers_options {
    uint32_t struct_size;     /**< sizeof(wsrt_breakers_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< zero = libc */
    const wsrt_env *env;      /**< random (for jitter) and, at the cap, in execute and with a store,
                                   now and wall; copied; NULL = defaults. `now` must be the clock of
                                   the callers */
    int64_t now;              /**< monotonic ns at creation: any clock origin works */
    uint32_t max_breakers;    /**< 0 = 10000 */
    uint32_t event_capacity;  /**< events kept for those who fall behind; 0 = 256 */
    /** State shared with a fleet: copied; NULL = none. One process then probes for all, the others
     *  hear of it within a second. A healthy call never waits for the store, and one that fails is
     *  left alone for 5 s, as if there were none. Wall clocks may differ by less than a lease. */
    const wsrt_breaker_store_ops *store;
    void *store_self;         /**< outlives the registry */
    uint32_t store_budget_ms; /**< 0 = 250; an answer that takes longer is an error */
    uint32_t reserved;        /**< 0 */
} wsrt_breakers_options;

/**
 * Makes a registry.
 * @param out   NULL on failure; give it back with wsrt_breakers_free()
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID; WSRT_ERR_UNSUPPORTED. @since 0.1
 */
WSRT_API int wsrt_breakers_new(wsrt_breakers **out, const wsrt_breakers_options *opts);

/**
 * Frees a registry, its breakers, held ones too, and its listeners; NULL is fine. No other thread may
 * be using any of them, and cursors go first. @since 0.1
 */
WSRT_API void wsrt_breakers_free(wsrt_breakers *r);

/**
 * Finds or creates a breaker. Never make keys from client input: they are kept.
 *
 * Each value of a new breaker is looked for in `config` (a member that is not 0), the document's
 * operation, its service, the preset of the service, the document's defaults, the library's default.
 * Presets: "cognito", "apigateway-management" and "dynamodb". At the cap the longest idle breaker
 * makes room that is CLOSED, has an empty window and is held by nobody.
 *
 * @param service    1..255 bytes
 * @param operation  1..255 bytes
 * @param config     settings for a new breaker; NULL = look all up. An existing one keeps its own
 * @param out        a reference; give it back with wsrt_breaker_release_ref(). NULL on failure
 * @param differs    set to 1 when it existed with other settings than `config` gives, and this is
 *                   counted; NULL is fine
 * @return WSRT_OK; WSRT_ERR_INVALID (key or a member of `config`); WSRT_ERR_LIMIT (at the cap, none
 *         can go); WSRT_ERR_NOMEM; WSRT_ERR_UNSUPPORTED. No lock where it exists and `config` is
 *         NULL, else a short one. Any thread. @since 0.1
 */
WSRT_API int wsrt_breakers_get(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                               const wsrt_breaker_config *config, wsrt_breaker **out, int *differs);

/** As get, but never creates: WSRT_ERR_NOT_FOUND, after a short lock. Any thread. @since 0.1 */
WSRT_API int wsrt_breakers_find(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                                wsrt_breaker **out);

/** Gives a reference back; NULL is fine. Any thread. @since 0.1 */
WSRT_API void wsrt_breaker_release_ref(wsrt_breaker *b);

/** The first half of a breaker's key; valid while it is held. NULL gives empty. @since 0.1 */
WSRT_API wsrt_span wsrt_breaker_service(const wsrt_breaker *b);

/** The second half; as wsrt_breaker_service(). @since 0.1 */
WSRT_API wsrt_span wsrt_breaker_operation(const wsrt_breaker *b);

/**
 * Visits every breaker that exists when it is called, in no order. `fn` is called with no lock held,
 * with a reference that is the visit's; what is not 0 ends it.
 *
 * @return WSRT_OK; what `fn` returned; WSRT_ERR_NOMEM (none visited); WSRT_ERR_INVALID. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_breakers_foreach(wsrt_breakers *r, int (*fn)(wsrt_breaker *b, void *user),
                                   void *user);

/** What a reconfiguration does beyond new settings; bits. @since 0.1 */
typedef enum wsrt_reconfigure_flag {
    WSRT_RECONFIGURE_EXISTING = 1, /**< of a document: existing breakers too */
    WSRT_RECONFIGURE_WAIT = 2,     /**< an OPEN breaker waits the new time, from now */
    WSRT_RECONFIGURE_FLAG_MIN_ = -2147483647 - 1,
    WSRT_RECONFIGURE_FLAG_MAX_ = 2147483647
} wsrt_reconfigure_flag;

/** What is wrong with a document. @since 0.1 */
typedef struct wsrt_breakers_error {
    size_t offset;         /**< byte of the document at which it stands */
    const char *text_cstr; /**< constant, fit to show */
    char pointer[1088];    /**< JSON pointer to it, NUL-terminated; an overlong one is cut */
} wsrt_breakers_error;

/**
 * Sets the document that governs breakers created from now on (schemas/breakers.schema.json), in
 * place of the one before; `{}` sets none:
 * `{"defaults":{...},"services":{"dynamodb":{"failureThreshold":4,"operations":{"put":{...}}}}}`.
 * Members are those of wsrt_breaker_config in camelCase without `_ms`; a written 0 is 0. The text is
 * checked whole before any of it applies, and not kept.
 *
 * @param flags  0 or bits of wsrt_reconfigure_flag; existing breakers keep their stripes, and what an
 *               explicit configuration gave them
 * @param now    monotonic ns
 * @param why    filled on WSRT_ERR_MALFORMED and WSRT_ERR_REJECTED; NULL is fine
 * @return WSRT_OK; WSRT_ERR_MALFORMED (not JSON); WSRT_ERR_REJECTED (an unknown or repeated member, a
 *         wrong type, a value out of range); WSRT_ERR_NOMEM; WSRT_ERR_INVALID. Nothing changes on
 *         failure. Any thread. @since 0.1
 */
WSRT_API int wsrt_breakers_configure(wsrt_breakers *r, wsrt_span document, uint32_t flags,
                                     int64_t now, wsrt_breakers_error *why);

/**
 * Gives a running breaker other settings. State, generation, permits and growth stay, a new wait
 * applies from the next opening; another window length empties the counts. A call under way sees the
 * old settings or the new ones, never a mixture.
 *
 * @param config  as for wsrt_breakers_get(); NULL = look all up. `stripes` is 0 or what it has
 * @param flags   0 or WSRT_RECONFIGURE_WAIT
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_NOMEM; WSRT_ERR_UNSUPPORTED; nothing changes on failure.
 *         Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_reconfigure(wsrt_breaker *b, const wsrt_breaker_config *config,
                                      uint32_t flags, int64_t now);

/** Leave to make one call; all zero = none. @since 0.1 */
typedef struct wsrt_permit {
    uint64_t opaque[2];
} wsrt_permit;

/** Why a call was refused. @since 0.1 */
typedef enum wsrt_reject_reason {
    WSRT_REJECT_OPEN = 1,
    WSRT_REJECT_PROBE_BUSY = 2,
    WSRT_REJECT_FORCED = 3,
    WSRT_REJECT_CLAIM = 4, /**< another thread asks the shared state for the probe */
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
 * @return WSRT_OK; WSRT_ERR_CIRCUIT_OPEN. No lock, no allocation; with a shared state the first call
 *         and one after a wait may block for its budget. Any thread. @since 0.1
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

/* ---- a call with its fallback ------------------------------------------------------------- */

/** What a fallback is told. @since 0.1 */
typedef struct wsrt_fallback_info {
    uint32_t struct_size;   /**< sizeof(wsrt_fallback_info) */
    int32_t reason;         /**< a wsrt_reject_reason; 0 = the call was made and failed */
    int32_t result;         /**< of the call; WSRT_ERR_CIRCUIT_OPEN when it was refused */
    uint32_t reserved;      /**< 0 */
    int64_t retry_after_ms; /**< when refused; -1 = unknown */
} wsrt_fallback_info;

/** When a fallback is not wanted; bits. @since 0.1 */
typedef enum wsrt_without_fallback {
    WSRT_WITHOUT_REJECTED = 1, /**< not for a refused call */
    WSRT_WITHOUT_FAILED = 2,   /**< not for one that failed */
    WSRT_WITHOUT_MIN_ = -2147483647 - 1,
    WSRT_WITHOUT_MAX_ = 2147483647
} wsrt_without_fallback;

/** A call to be guarded. @since 0.1 */
typedef struct wsrt_guarded {
    uint32_t struct_size; /**< sizeof(wsrt_guarded) */
    uint32_t without;     /**< bits of wsrt_without_fallback */
    /** Makes the call. A C++ exception passing through it counts as a failure and goes on; a longjmp
     *  out of it is forbidden. Mandatory. */
    int (*fn)(void *user);
    /** A wsrt_outcome for what `fn` returned; NULL: 0 is a success, all else a failure. */
    int (*classify)(int result, void *user);
    /** Answers instead of a refused or failed call, never of an ignored or merely slow one; what it
     *  returns is not counted. One that stands for an authentication denies. NULL = none. */
    int (*fallback)(const wsrt_fallback_info *info, void *user);
    void *user; /**< handed to all three */
} wsrt_guarded;

/**
 * Makes a call through a breaker: asks, calls, records, falls back. Retries belong outside, a permit
 * for each attempt.
 *
 * @param env     its `now` is read before and after the call; NULL = the registry's
 * @param call    copied
 * @param result  set on WSRT_OK: what `fn` returned, or the fallback in its place
 * @return WSRT_OK; WSRT_ERR_CIRCUIT_OPEN: refused, and no fallback; WSRT_ERR_INVALID;
 *         WSRT_ERR_UNSUPPORTED. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_execute(wsrt_breaker *b, const wsrt_env *env, const wsrt_guarded *call,
                                  int *result);

/* ---- by hand ------------------------------------------------------------------------------ */

/** What a breaker is told to be by hand. @since 0.1 */
typedef enum wsrt_breaker_command {
    WSRT_BREAKER_RESET = 1,        /**< CLOSED, growth forgotten; ends the others */
    WSRT_BREAKER_TRIP = 2,         /**< OPEN for a stated time, then as after any trip */
    WSRT_BREAKER_FORCE_OPEN = 3,   /**< refuses all until told otherwise */
    WSRT_BREAKER_DISABLE = 4,      /**< admits all and counts nothing */
    WSRT_BREAKER_OBSERVE_ONLY = 5, /**< admits all, counts all, never trips: METRICS_ONLY */
    WSRT_BREAKER_COMMAND_MIN_ = -2147483647 - 1,
    WSRT_BREAKER_COMMAND_MAX_ = 2147483647
} wsrt_breaker_command;

/**
 * Commands a breaker. Each command starts a new generation, so that calls under way end STALE, and
 * empties the window.
 *
 * @param command  a wsrt_breaker_command
 * @param wait_ms  of TRIP: 0 = the configured first wait, -1 = none, at most 30 days; otherwise 0
 * @param now      monotonic ns
 * @return WSRT_OK; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_control(wsrt_breaker *b, int command, int64_t wait_ms, int64_t now);

/* ---- statistics --------------------------------------------------------------------------- */

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
    int32_t state;          /**< CLOSED, HALF_OPEN or OPEN; FORCED_OPEN shows as OPEN, DISABLED and
                                 METRICS_ONLY as CLOSED */
    int32_t true_state;     /**< all six */
    int32_t probe_ready;    /**< 1: OPEN and its wait is over, the next call is a probe */
    uint64_t failure_count; /**< in the window; those of the trip while OPEN and HALF_OPEN */
    uint64_t success_count;
    uint64_t total_requests;   /**< failures + successes of the same read */
    int64_t last_failure_time; /**< last one counted ever, as the next */
    int64_t last_success_time;
    int64_t next_attempt_time; /**< in OPEN only */
    double failure_rate;       /**< 0 without requests */
    uint64_t rejected;         /**< lifetime, as the eight below */
    uint64_t stale;
    uint64_t slow;
    uint64_t ignored;
    uint64_t opened;
    uint64_t lifetime_failures;
    uint64_t lifetime_successes;
    uint64_t config_mismatch; /**< gets that named other settings */
    uint64_t store_errors;    /**< of the shared state; 0 without one */
    uint64_t generation;      /**< changes of state and lost probes so far */
    int64_t lease_end_time;   /**< in HALF_OPEN only: when the probe counts as lost */
    uint64_t slow_count;      /**< slow calls in the window, under WSRT_SLOW_RATE */
    uint32_t growth_step;     /**< failed recoveries in a row */
    uint32_t reserved;        /**< 0 */
    uint64_t probes_lost;     /**< of the generations; the others are transitions */
} wsrt_breaker_stats;

/**
 * Reads the statistics; changes no state.
 * @param now   monotonic ns; @param wall Unix ms of the same instant
 * @return WSRT_OK; WSRT_ERR_INVALID. Takes no lock. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_get_stats(wsrt_breaker *b, int64_t now, int64_t wall,
                                    wsrt_breaker_stats *out);

/**
 * Writes the eight public fields as an object: state ("CLOSED", "OPEN", "HALF_OPEN"), failureCount,
 * successCount, totalRequests, lastFailureTime, lastSuccessTime, nextAttemptTime (ISO 8601 in UTC
 * with milliseconds, or null), failureRate.
 *
 * @param stats  from wsrt_breaker_get_stats()
 * @param w      a writer in value position; errors stick in it. @since 0.1
 */
WSRT_API void wsrt_breaker_stats_write(const wsrt_breaker_stats *stats, wsrt_json_writer *w);

/**
 * Reads the settings that a breaker goes by, every default filled in and 0 as -1: given to another
 * breaker they make one that acts alike.
 *
 * @param out  its struct_size is set by the caller
 * @return WSRT_OK; WSRT_ERR_INVALID. Takes no lock. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_get_config(const wsrt_breaker *b, wsrt_breaker_config *out);

/**
 * Writes settings as an object with the members of a document of wsrt_breakers_configure(); those that
 * are 0 are left out.
 *
 * @param config  within its ranges, as from wsrt_breaker_get_config()
 * @param w       a writer in value position; errors stick in it. @since 0.1
 */
WSRT_API void wsrt_breaker_config_write(const wsrt_breaker_config *config, wsrt_json_writer *w);

/* ---- snapshots ---------------------------------------------------------------------------- */

/** One instant on both clocks. @since 0.1 */
typedef struct wsrt_breaker_clock {
    int64_t now;  /**< monotonic ns */
    int64_t wall; /**< Unix ms */
} wsrt_breaker_clock;

/**
 * Saves the state of a breaker: versioned bytes with a checksum, at most 512 and the key.
 *
 * @param buf  NULL with cap 0 asks for the length
 * @param len  bytes written, or needed; NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT: `cap` is too small, nothing written; WSRT_ERR_INVALID. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_breaker_save(wsrt_breaker *b, const wsrt_breaker_clock *at, void *buf, size_t cap,
                               size_t *len);

/** As wsrt_breaker_save(), of every breaker; also WSRT_ERR_NOMEM. @since 0.1 */
WSRT_API int wsrt_breakers_save(wsrt_breakers *r, const wsrt_breaker_clock *at, void *buf,
                                size_t cap, size_t *len);

/**
 * Restores what wsrt_breaker_save() saved, under a new generation. The wall time passed since then
 * shortens the wait; a clock that went back passed none. HALF_OPEN comes back as OPEN without a wait:
 * its probe is lost. Settings stay those of this breaker; under another window length the counts
 * stay behind.
 *
 * @return WSRT_OK; WSRT_ERR_CORRUPT (damaged, cut or too long); WSRT_ERR_VERSION (of a later release);
 *         WSRT_ERR_REJECTED (of another key, or of a registry); WSRT_ERR_INVALID. Nothing changes on
 *         failure. Any thread. @since 0.1
 */
WSRT_API int wsrt_breaker_restore(wsrt_breaker *b, const wsrt_breaker_clock *at, const void *blob,
                                  size_t len);

/**
 * Restores a registry, or one breaker, making those that are missing. As wsrt_breaker_restore(); also
 * WSRT_ERR_NOMEM and WSRT_ERR_LIMIT, after which some may have been made, but none restored.
 * @since 0.1
 */
WSRT_API int wsrt_breakers_restore(wsrt_breakers *r, const wsrt_breaker_clock *at, const void *blob,
                                   size_t len);

/* ---- events ------------------------------------------------------------------------------- */

/** Kind of an event. @since 0.1 */
typedef enum wsrt_breaker_event_kind {
    WSRT_BREAKER_EVENT_TRANSITION = 1,     /**< `from`, `to`, `cause`, `wait_ms`, the counts */
    WSRT_BREAKER_EVENT_PROBE_LOST = 2,     /**< a lease ended; another probe goes */
    WSRT_BREAKER_EVENT_RECONFIGURED = 3,   /**< live, by hand or by a document */
    WSRT_BREAKER_EVENT_CONFIG_DIFFERS = 4, /**< first time a get named other settings */
    WSRT_BREAKER_EVENT_WOULD_OPEN = 5,     /**< METRICS_ONLY; at most once a window */
    WSRT_BREAKER_EVENT_STORE_DOWN = 6,     /**< the shared state fails; each process alone */
    WSRT_BREAKER_EVENT_STORE_UP = 7,
    WSRT_BREAKER_EVENT_LOST = 8,     /**< the reader fell behind and missed `missed` events */
    WSRT_BREAKER_EVENT_REJECTED = 9, /**< a call was refused: `reason`; outside the sequence */
    WSRT_BREAKER_EVENT_KIND_MIN_ = -2147483647 - 1,
    WSRT_BREAKER_EVENT_KIND_MAX_ = 2147483647
} wsrt_breaker_event_kind;

/** Why a state changed. @since 0.1 */
typedef enum wsrt_breaker_cause {
    WSRT_CAUSE_FAILURES = 1,        /**< the trip rule, on a failure */
    WSRT_CAUSE_SLOW_CALLS = 2,      /**< the rule of WSRT_SLOW_RATE */
    WSRT_CAUSE_WAIT_OVER = 3,       /**< the first call after the wait */
    WSRT_CAUSE_PROBE_SUCCEEDED = 4, /**< the last of the successes asked for */
    WSRT_CAUSE_PROBE_FAILED = 5,
    WSRT_CAUSE_COMMAND = 6,  /**< wsrt_breaker_control() */
    WSRT_CAUSE_RESTORED = 7, /**< from a snapshot */
    WSRT_CAUSE_ADOPTED = 8,  /**< from the shared state */
    WSRT_CAUSE_MIN_ = -2147483647 - 1,
    WSRT_CAUSE_MAX_ = 2147483647
} wsrt_breaker_cause;

/** Something that happened to a breaker; text as each reader says. @since 0.1 */
typedef struct wsrt_breaker_event {
    uint32_t struct_size; /**< sizeof(wsrt_breaker_event) */
    int32_t kind;         /**< a wsrt_breaker_event_kind */
    uint64_t sequence;    /**< 1, 2, 3, ... in a registry, without gaps; LOST: of the last one
                                 missed; REJECTED: 0 */
    wsrt_span service;    /**< of the breaker; empty for LOST */
    wsrt_span operation;
    int64_t time; /**< monotonic ns, the caller's of that change */
    int32_t from; /**< true states */
    int32_t to;
    int32_t cause;          /**< a wsrt_breaker_cause */
    int32_t reason;         /**< a wsrt_reject_reason */
    int64_t wait_ms;        /**< to OPEN: the wait; to HALF_OPEN: the lease */
    uint64_t failure_count; /**< of the window at that instant */
    uint64_t success_count;
    uint64_t rejected; /**< of this breaker so far */
    uint64_t missed;
} wsrt_breaker_event;

/** Takes one event, whose text lasts for the call. @since 0.1 */
typedef void (*wsrt_breaker_listener_fn)(const wsrt_breaker_event *event, void *user);

/** A subscription. @since 0.1 */
typedef struct wsrt_breaker_listener wsrt_breaker_listener;

/**
 * Subscribes to what happens from now on. A listener is called on the thread that caused the change,
 * after it, with no lock held, one event at a time and in order; while another thread is delivering,
 * the event is left to that one. It may call any function of the registry, also acquire and record:
 * what it causes follows after it returned. REJECTED, where asked for, comes on each rejecting thread
 * at once, outside that order and maybe on several threads together.
 *
 * @param kinds  bits 1 << kind; 0 = all but REJECTED. LOST always comes
 * @param out    give it to wsrt_breakers_unlisten(), or leave it to wsrt_breakers_free()
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_breakers_listen(wsrt_breakers *r, uint32_t kinds, wsrt_breaker_listener_fn fn,
                                  void *user, wsrt_breaker_listener **out);

/**
 * Ends a subscription and waits until a running call of it has returned, unless called from inside
 * one; it is never called again. NULL is fine. Any thread. @since 0.1
 */
WSRT_API void wsrt_breakers_unlisten(wsrt_breakers *r, wsrt_breaker_listener *listener);

/** A reader of events at its own pace; one thread. @since 0.1 */
typedef struct wsrt_breaker_cursor wsrt_breaker_cursor;

/**
 * Makes a cursor.
 * @param after  sequence number of the last event known; 0 = from the first
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_breaker_cursor_new(wsrt_breaker_cursor **out, wsrt_breakers *r, uint64_t after);

/** Frees a cursor, before its registry; NULL is fine. @since 0.1 */
WSRT_API void wsrt_breaker_cursor_free(wsrt_breaker_cursor *cursor);

/**
 * Reads the next event, first a LOST one when the registry keeps it no longer.
 *
 * @param out  `struct_size` set by the caller; its text lasts until the next call with this cursor
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND: none yet; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_breaker_cursor_next(wsrt_breaker_cursor *cursor, wsrt_breaker_event *out);

#ifdef __cplusplus
}
#endif
#endif
