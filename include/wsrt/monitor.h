/**
 * @file monitor.h
 * Performance monitor: timed operations on the caller's stack, folded into a recorder without lock,
 * allocation or string; snapshots and exports read beside it.
 */
#ifndef WSRT_MONITOR_H
#define WSRT_MONITOR_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A monitor; thread-safe. @since 0.1 */
typedef struct wsrt_monitor wsrt_monitor;

/** A shard that one thread at a time records into; NULL stands for the shared one. @since 0.1 */
typedef struct wsrt_recorder wsrt_recorder;

/** Operations every monitor knows; others are registered by name. @since 0.1 */
typedef enum wsrt_operation {
    WSRT_OP_CONVERSATION = 0,     /**< websocket_conversation: one message */
    WSRT_OP_CONNECTION = 1,       /**< websocket_connection: one connect or disconnect */
    WSRT_OP_JWT_VERIFICATION = 2, /**< authentication_jwt_verification */
    WSRT_OP_CHAT_MESSAGE = 3,     /**< chat_message_processing */
    WSRT_OP_MIN_ = -2147483647 - 1,
    WSRT_OP_MAX_ = 2147483647
} wsrt_operation;

/** Options of a monitor; zero = default. @since 0.1 */
typedef struct wsrt_monitor_options {
    uint32_t struct_size;     /**< sizeof(wsrt_monitor_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< zero = libc */
    const wsrt_env *env;      /**< cpu, resident, random, log; copied; NULL = defaults */
    wsrt_span environment;    /**< value of the dimension Environment; empty = "dev" */
    uint32_t cpu_sampling;    /**< one operation in n; 0 = 64; 4294967295 = off */
    uint32_t max_operations;  /**< 0 = 1024 */
} wsrt_monitor_options;

/**
 * Makes a monitor.
 * @param out  NULL on failure; give it back with wsrt_monitor_free()
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID; WSRT_ERR_UNSUPPORTED. @since 0.1
 */
WSRT_API int wsrt_monitor_new(wsrt_monitor **out, const wsrt_monitor_options *opts);

/** Drops the monitor; NULL is fine. A live recorder keeps its memory alive. @since 0.1 */
WSRT_API void wsrt_monitor_free(wsrt_monitor *m);

/**
 * Registers an operation, or finds a registered one.
 * @param name  `[A-Za-z0-9_.-]{1,255}`
 * @param id    its number, for ever
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_LIMIT; WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_operation(wsrt_monitor *m, wsrt_span name, int *id);

/** Makes a recorder. @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. @since 0.1 */
WSRT_API int wsrt_recorder_new(wsrt_recorder **out, wsrt_monitor *m);

/** Folds a recorder's counts into the monitor and frees it; NULL is fine. @since 0.1 */
WSRT_API void wsrt_recorder_free(wsrt_recorder *r);

/** A timed operation, on the caller's stack; content private. @since 0.1 */
typedef struct wsrt_op {
    uint64_t opaque[12];
} wsrt_op;

/** What an operation's completion tells; zero = unknown or none. @since 0.1 */
typedef struct wsrt_op_result {
    uint32_t struct_size;    /**< sizeof(wsrt_op_result) */
    int32_t success;         /**< 1 or 0 */
    int64_t request_size;    /**< bytes; -1 = unknown */
    int64_t response_size;   /**< bytes; -1 = unknown */
    const wsrt_field *attrs; /**< declared attributes; names as in docs/monitor.md */
    size_t attr_count;
} wsrt_op_result;

/**
 * Starts an operation.
 * @param m    the monitor
 * @param rec  this thread's recorder; NULL = the shared shard
 * @param id   from the enum or wsrt_monitor_operation()
 * @param now  monotonic ns
 * @param op   overwritten; on any failure it is inert and complete() is WSRT_ERR_STATE
 * @return WSRT_OK; WSRT_ERR_INVALID. No lock, no allocation. @since 0.1
 */
WSRT_API int wsrt_op_start(wsrt_monitor *m, wsrt_recorder *rec, int id, int64_t now, wsrt_op *op);

WSRT_API void wsrt_op_external_call(wsrt_op *op); /**< one call to an outside service. @since 0.1 */
WSRT_API void wsrt_op_database_call(wsrt_op *op); /**< one call to a database. @since 0.1 */
/** Counts an error by category; the first also marks the operation failed. @since 0.1 */
WSRT_API void wsrt_op_error(wsrt_op *op, const char *category_cstr);

/**
 * Ends an operation and counts it.
 * @param now  monotonic ns; before the start counts as duration 0
 * @return WSRT_OK; WSRT_ERR_STATE (never started, or ended); WSRT_ERR_INVALID. No lock, no
 *         allocation once the operation's shard is warm. @since 0.1
 */
WSRT_API int wsrt_op_complete(wsrt_op *op, int64_t now, const wsrt_op_result *result);

/** Ends an operation uncounted. @since 0.1 */
WSRT_API void wsrt_op_cancel(wsrt_op *op);

/** Totals of one operation since the start. @since 0.1 */
typedef struct wsrt_op_totals {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t count;       /**< completions */
    uint64_t errors;      /**< those without success */
    uint64_t warnings;    /**< successes with a warning */
    uint64_t error_calls; /**< calls of wsrt_op_error(), at least one a failure */
    uint64_t external_calls;
    uint64_t database_calls;
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint64_t duration_sum; /**< ns */
    uint64_t duration_max; /**< ns */
    uint64_t in_flight;
} wsrt_op_totals;

/** Reads an operation's totals. @return WSRT_OK; WSRT_ERR_NOT_FOUND; WSRT_ERR_INVALID. Any thread.
 *  @since 0.1 */
WSRT_API int wsrt_monitor_totals(wsrt_monitor *m, int id, wsrt_op_totals *out);

/**
 * Reads a quantile of an operation's duration (error at most 1/64).
 * @param q    0..1
 * @param out  ns; 0 without completions
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_quantile(wsrt_monitor *m, int id, double q, int64_t *out);

/**
 * Rolls windows and evaluates thresholds; the host calls it about once a second.
 * @return WSRT_OK; WSRT_ERR_NOMEM. One thread at a time. @since 0.1
 */
WSRT_API int wsrt_monitor_tick(wsrt_monitor *m, int64_t now, int64_t wall);

/**
 * Writes all metrics as Prometheus text 0.0.4.
 * @param write  takes the text in pieces; a negative status stops and is returned
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID; `write`'s status. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_prometheus(wsrt_monitor *m,
                                     int (*write)(const void *data, size_t len, void *user),
                                     void *user);

#ifdef __cplusplus
}
#endif
#endif
