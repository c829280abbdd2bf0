/**
 * @file limiter.h
 * Rate limits by GCRA (the virtual scheduling algorithm of ITU-T I.371): one 64-bit word a key, all
 * scopes of a request tested before any is charged. No allocation after construction, and no lock but
 * a short one when a key without a cell is new; time is the caller's monotonic clock.
 *
 * A key is full, `burst` units, when it was never used or has rested long enough; a unit comes back
 * every 1/rate seconds, rounded to a nanosecond.
 */
#ifndef WSRT_LIMITER_H
#define WSRT_LIMITER_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A limiter; thread-safe. @since 0.1 */
typedef struct wsrt_limiter wsrt_limiter;

/** What is limited. @since 0.1 */
typedef enum wsrt_scope {
    WSRT_SCOPE_CONNECTION = 1, /**< messages of one connection; default 10/s, burst 20 */
    WSRT_SCOPE_USER = 2,       /**< messages of one user; default 20/s, burst 40 */
    WSRT_SCOPE_ROUTE = 3,      /**< messages of one route; default off */
    WSRT_SCOPE_STAGE = 4,      /**< all messages; default off */
    WSRT_SCOPE_CONNECT = 5,    /**< connects of one address; default 1/s, burst 10 */
    WSRT_SCOPE_PING = 6,       /**< pings of one connection; default 0.2/s, burst 5 */
    WSRT_SCOPE_MIN_ = -2147483647 - 1,
    WSRT_SCOPE_MAX_ = 2147483647
} wsrt_scope;

/** Name of a scope, as "connection"; "unknown" for a number that is none. Constant text owned by the
 *  library, never NULL. Any thread. @since 0.1 */
WSRT_API const char *wsrt_scope_name(int scope);

/** Bits of a rule's flags. @since 0.1 */
typedef enum wsrt_rule_flag {
    WSRT_RULE_OFF = 1,     /**< this scope is not limited */
    WSRT_RULE_DRY_RUN = 2, /**< counts what it would refuse, admits it and does not charge it */
    WSRT_RULE_FLAG_MIN_ = -2147483647 - 1,
    WSRT_RULE_FLAG_MAX_ = 2147483647
} wsrt_rule_flag;

/** Rate of one scope; zero rate and burst = the scope's default, with these flags added. @since 0.1 */
typedef struct wsrt_rule {
    double rate;    /**< units a second; > 0, at most 10^9; burst / rate at most 36 years */
    uint32_t burst; /**< most units at once; 1..2^24 */
    uint32_t flags; /**< bits of wsrt_rule_flag */
} wsrt_rule;

/** Bits of a limiter's flags. @since 0.1 */
typedef enum wsrt_limiter_flag {
    WSRT_LIMITER_REFUSE_WHEN_FULL = 1, /**< refuse keys the table has no room for, instead of
                                            admitting them untracked */
    WSRT_LIMITER_FLAG_MIN_ = -2147483647 - 1,
    WSRT_LIMITER_FLAG_MAX_ = 2147483647
} wsrt_limiter_flag;

/** Options of a limiter; zero = default. @since 0.1 */
typedef struct wsrt_limiter_options {
    uint32_t struct_size;     /**< sizeof(wsrt_limiter_options) */
    uint32_t flags;           /**< bits of wsrt_limiter_flag */
    wsrt_allocator allocator; /**< zero = libc */
    wsrt_rule connection;
    wsrt_rule user;
    wsrt_rule route;
    wsrt_rule stage;
    wsrt_rule connect;
    wsrt_rule ping;
    uint64_t max_keys; /**< keys without a cell of their own, 22 bytes each; 0 = 65536; below 2^32.
                            Beyond, keys are admitted untracked, or refused (flags), and counted: it
                            never grows */
    uint64_t hash_key; /**< keys the 64-bit fingerprints that stand for them; best random */
} wsrt_limiter_options;

/**
 * Makes a limiter.
 *
 * @param out   NULL on failure; give it back with wsrt_limiter_free()
 * @param opts  copied; NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID (a rule, max_keys, NULL, a wrong size);
 *         WSRT_ERR_UNSUPPORTED (an unknown option). Any thread. @since 0.1
 */
WSRT_API int wsrt_limiter_new(wsrt_limiter **out, const wsrt_limiter_options *opts);

/** Frees it; NULL is fine. No other thread may be using it. @since 0.1 */
WSRT_API void wsrt_limiter_free(wsrt_limiter *l);

/**
 * Changes the rule of a scope for all later checks. Keys keep what they have used: a key that had
 * spent its burst under the old rule waits as long as its time says, seen with the new one.
 *
 * @param scope  a wsrt_scope
 * @param rule   copied; zero rate and burst = the scope's default
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, a scope, a rule); WSRT_ERR_NOMEM: nothing changed. Each
 *         different rule takes memory once, until the limiter is freed. Any thread. @since 0.1
 */
WSRT_API int wsrt_limiter_set_rule(wsrt_limiter *l, int scope, const wsrt_rule *rule);

/** State of one key, embedded where the caller keeps the key; zero = never used. Belongs to one limit
 *  of one limiter; survives a change of its rule. @since 0.1 */
typedef struct wsrt_limiter_cell {
    uint64_t tat; /**< private; changed atomically */
} wsrt_limiter_cell;

/** One scope of a request. @since 0.1 */
typedef struct wsrt_limit_key {
    int32_t scope;           /**< a wsrt_scope */
    uint32_t reserved;       /**< 0 */
    wsrt_limiter_cell *cell; /**< the key's own cell, or NULL to look `key` up */
    wsrt_span key;           /**< without a cell: what identifies it; empty = one for all */
    const wsrt_rule *rule;   /**< NULL = the limiter's rule of this scope */
} wsrt_limit_key;

/** The answer to a check. @since 0.1 */
typedef struct wsrt_limit_result {
    int32_t scope;       /**< the scope that refuses (of several, the one that does so longest); the
                              one with fewest units left when admitted; 0 = nothing limits */
    uint32_t limit;      /**< its burst */
    int64_t remaining;   /**< its units left, whole ones; INT64_MAX when nothing limits */
    int64_t retry_after; /**< ns until the same request passes; 0 when admitted */
} wsrt_limit_result;

/**
 * Tests all scopes, then charges `n` units to each; a refusal charges none. Where another thread is
 * faster between the two, what was charged is given back and the request is refused.
 *
 * @param keys   most specific first; borrowed during the call
 * @param count  0..8
 * @param n      units; 0 asks for `remaining` without charging
 * @param now    monotonic ns; going backwards admits nothing extra. Times before -2^63 + 2^61 count
 *               as that one
 * @param out    written on WSRT_OK and WSRT_ERR_RATE_LIMITED; NULL is fine
 * @return WSRT_OK; WSRT_ERR_RATE_LIMITED; WSRT_ERR_INVALID (n > burst, unknown scope, a rule), which
 *         charges nothing. Never allocates. Any thread. @since 0.1
 */
WSRT_API int wsrt_limiter_check(wsrt_limiter *l, const wsrt_limit_key *keys, size_t count,
                                uint32_t n, int64_t now, wsrt_limit_result *out);

/** Counters of a limiter. @since 0.1 */
typedef struct wsrt_limiter_stats {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t refused[8];  /**< by scope; of two cells refused in the same instant by two threads one
                               may be missed */
    uint64_t shadow[8];   /**< by scope: dry runs that would have refused */
    uint64_t table_full;  /**< keys for which the table had no room */
    uint64_t keys;        /**< keys in the table */
} wsrt_limiter_stats;

/**
 * Reads the counters, each by itself: under load they may belong to slightly different moments.
 *
 * @param out  `struct_size` set by the caller
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, a wrong size). Any thread. @since 0.1
 */
WSRT_API int wsrt_limiter_get_stats(wsrt_limiter *l, wsrt_limiter_stats *out);

#ifdef __cplusplus
}
#endif
#endif
