/**
 * @file monitor.h
 * Performance monitor: timed operations on the caller's stack, folded into a recorder without lock,
 * allocation or string; exports read beside it and never stop a recorder. docs/monitor.md lists the
 * attributes and the metrics.
 *
 *     wsrt_op op;
 *     wsrt_op_start(monitor, recorder, WSRT_OP_CONVERSATION, now, &op);
 *     wsrt_op_external_call(&op);
 *     wsrt_op_complete(&op, later, &(wsrt_op_result){sizeof(wsrt_op_result), 1, 120, 80, 0, 0});
 *
 * Counters only grow and nothing is lost: not by threads that race in the shared shard, not by a
 * recorder that ends, and not when memory is refused (then durations are kept to an octave).
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

/** What a threshold watches, and the unit of its limits. @since 0.1 */
typedef enum wsrt_watched {
    WSRT_WATCH_DURATION = 1,         /**< ns, over windows of 10 s */
    WSRT_WATCH_MEMORY = 2,           /**< bytes, over windows of 10 s */
    WSRT_WATCH_ERROR_RATE = 3,       /**< fraction of the last 5 minutes, from 20 completions on */
    WSRT_WATCH_TREND_DURATION = 4,   /**< mean of 15 minutes by that of the day; alerts only */
    WSRT_WATCH_TREND_P99 = 5,        /**< the same of minutes' p99; alerts only */
    WSRT_WATCH_TREND_ERROR_RATE = 6, /**< the same of the error rate; alerts only */
    WSRT_WATCHED_MIN_ = -2147483647 - 1,
    WSRT_WATCHED_MAX_ = 2147483647
} wsrt_watched;

/** What of a window is compared. @since 0.1 */
typedef enum wsrt_statistic {
    WSRT_STATISTIC_MAX = 1,     /**< the default; judged while the window is still open */
    WSRT_STATISTIC_AVERAGE = 2, /**< judged at the end of the window, as are the next */
    WSRT_STATISTIC_P50 = 3,     /**< duration only */
    WSRT_STATISTIC_P95 = 4,     /**< duration only */
    WSRT_STATISTIC_P99 = 5,     /**< duration only */
    WSRT_STATISTIC_MIN_ = -2147483647 - 1,
    WSRT_STATISTIC_MAX_ = 2147483647
} wsrt_statistic;

/** How bad it is. @since 0.1 */
typedef enum wsrt_alert_level {
    WSRT_ALERT_NONE = 0,
    WSRT_ALERT_WARNING = 1,
    WSRT_ALERT_CRITICAL = 2,
    WSRT_ALERT_LEVEL_MIN_ = -2147483647 - 1,
    WSRT_ALERT_LEVEL_MAX_ = 2147483647
} wsrt_alert_level;

/** One threshold of an operation; zero = default. @since 0.1 */
typedef struct wsrt_threshold {
    uint32_t struct_size; /**< sizeof(wsrt_threshold) */
    int32_t watched;      /**< a wsrt_watched */
    double critical;      /**< exceeded by what is strictly greater; 0 = no threshold */
    double warning;       /**< 0 = 0.8 x critical */
    int32_t statistic;    /**< a wsrt_statistic; error rate has none */
    uint32_t needed;      /**< windows that must exceed; 0 = 1 */
    uint32_t of;          /**< of so many last ones, at most 32; 0 = `needed` */
    uint32_t reserved;    /**< 0 */
} wsrt_threshold;

/** One transition of a threshold; borrowed during the callback. @since 0.1 */
typedef struct wsrt_alert {
    uint32_t struct_size;       /**< sizeof(wsrt_alert) */
    int32_t operation;          /**< its id */
    const char *operation_cstr; /**< its name */
    int32_t watched;            /**< a wsrt_watched */
    int32_t old_level;          /**< a wsrt_alert_level */
    int32_t new_level;          /**< a wsrt_alert_level */
    uint32_t reserved;          /**< 0 */
    double value;               /**< in the unit of the watched */
    double limit;               /**< that was exceeded, or that was cleared */
    int64_t wall;               /**< Unix ms, as given to wsrt_monitor_tick() */
    wsrt_span correlation_id;   /**< of the slowest completion; empty = none told one */
} wsrt_alert;

/** Takes a transition, inside wsrt_monitor_tick(), under no lock; may call the monitor. @since 0.1 */
typedef void (*wsrt_alert_fn)(const wsrt_alert *alert, void *user);

/** Bits of wsrt_monitor_options.flags. @since 0.1 */
typedef enum wsrt_monitor_flag {
    /** What the process' resident memory grew by during an operation counts as its memory when that is
     *  more than wsrt_op_add_bytes() told. It means something where one operation runs at a time, as in
     *  a function, and costs two reads of /proc/self/statm an operation. */
    WSRT_MONITOR_RESIDENT_DELTA = 1,
    WSRT_MONITOR_FLAG_MIN_ = -2147483647 - 1,
    WSRT_MONITOR_FLAG_MAX_ = 2147483647
} wsrt_monitor_flag;

/** Attributes that name a person or a connection, as bits. @since 0.1 */
typedef enum wsrt_identity {
    WSRT_IDENTITY_CONNECTION_ID = 1, /**< connectionId */
    WSRT_IDENTITY_USER_ID = 2,       /**< userId */
    WSRT_IDENTITY_USERNAME = 4,      /**< username */
    WSRT_IDENTITY_EMAIL = 8,         /**< email */
    WSRT_IDENTITY_GROUPS = 16,       /**< groups */
    WSRT_IDENTITY_SESSION_ID = 32,   /**< sessionId */
    WSRT_IDENTITY_SOURCE_IP = 64,    /**< sourceIp */
    WSRT_IDENTITY_MIN_ = -2147483647 - 1,
    WSRT_IDENTITY_MAX_ = 2147483647
} wsrt_identity;

/** Takes secrets out of free text: wsrt_redact() of error.h. @since 0.1 */
typedef int (*wsrt_redact_fn)(wsrt_span text, uint32_t flags, char *dst, size_t cap, size_t *len,
                              size_t *found);

/** Options of a monitor; zero = default. @since 0.1 */
typedef struct wsrt_monitor_options {
    uint32_t struct_size;       /**< sizeof(wsrt_monitor_options) */
    uint32_t flags;             /**< bits of wsrt_monitor_flag */
    wsrt_allocator allocator;   /**< zero = libc */
    const wsrt_env *env;        /**< cpu, resident, random, log; copied; NULL = defaults */
    wsrt_span environment;      /**< value of the dimension Environment; empty = "dev" */
    uint32_t cpu_sampling;      /**< one in n, and one a ms at most; 0 = 64; 4294967295 = off */
    uint32_t max_operations;    /**< 4..1024; 0 = 1024 */
    uint32_t histogram_bits;    /**< 4..7, error at most 2^-(bits+1); 0 = 5 */
    uint32_t max_metric_values; /**< values of one attribute, all operations; 0 = 10000 */
    uint32_t max_values;        /**< values of all attributes; 0 = 50000 */
    uint32_t trend;             /**< 0 = a day of minutes for each operation that is used (55 KiB);
                                     4294967295 = no trends */
    wsrt_alert_fn on_alert;     /**< NULL = nobody is told */
    void *alert_user;           /**< handed to on_alert */
    wsrt_span identity_key; /**< at least 16 bytes, of hashed identities: processes that share it
                                     hash alike; copied; empty = random */
    uint32_t log_identity_plain; /**< bits of wsrt_identity that lines of EMF tell as they are */
    uint32_t
        allow_identity_dimensions; /**< bits of wsrt_identity that may be a dimension of a metric
                                             of the application's own */
    wsrt_redact_fn
        redact; /**< of the attribute errorMessage in lines of EMF; NULL = it is left out */
} wsrt_monitor_options;

/**
 * Makes a monitor, with the four operations of wsrt_operation.
 * @param out   NULL on failure; give it back with wsrt_monitor_free()
 * @param opts  NULL = defaults; texts are copied
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_IO (no entropy); WSRT_ERR_INVALID (a number outside its
 *         range, an environment above 255 bytes, a key below 16); WSRT_ERR_UNSUPPORTED (an unknown
 *         flag or identity). Any thread. @since 0.1
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

/**
 * Registers a category that wsrt_op_error() may name for an operation. The error types of error.h and
 * MISSING_TOKEN, TOKEN_EXPIRED and INVALID_TOKEN are known to all; anything else counts as `other`.
 * @param name  as of an operation
 * @return WSRT_OK, also when known; WSRT_ERR_NOT_FOUND (no such operation); WSRT_ERR_INVALID;
 *         WSRT_ERR_LIMIT; WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_error_category(wsrt_monitor *m, int id, wsrt_span name);

/**
 * Makes a recorder: a shard that one thread at a time uses. It keeps the monitor's memory alive.
 * @param out  NULL on failure; give it back with wsrt_recorder_free()
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_recorder_new(wsrt_recorder **out, wsrt_monitor *m);

/**
 * Folds a recorder's counts into the monitor and frees it; NULL is fine. It never fails. No operation
 * started on it may be open; those deferred and not settled end at their start. Any thread, before or
 * after wsrt_monitor_free(). @since 0.1
 */
WSRT_API void wsrt_recorder_free(wsrt_recorder *r);

/**
 * An allocator whose memory is told to the operations that are open on a recorder, as by
 * wsrt_op_add_bytes(): what an operation takes and gives back through it is its memoryUsage.
 *
 * @return the allocator, which lives as long as the recorder and takes its memory where the monitor
 *         does; NULL for NULL. What it gave may be given back through it alone, on the recorder's
 *         thread, and before the recorder is freed. @since 0.1
 */
WSRT_API const wsrt_allocator *wsrt_recorder_allocator(wsrt_recorder *rec);

/** A timed operation, on the caller's stack; content private. @since 0.1 */
typedef struct wsrt_op {
    uint64_t opaque[14];
} wsrt_op;

/** What an operation's completion tells; zero = unknown or none. @since 0.1 */
typedef struct wsrt_op_result {
    uint32_t struct_size;    /**< sizeof(wsrt_op_result) */
    int32_t success;         /**< 1 or 0; with an attribute `warning` a success is a warning */
    int64_t request_size;    /**< bytes; 0 or -1 = none or unknown */
    int64_t response_size;   /**< bytes; 0 or -1 = none or unknown */
    const wsrt_field *attrs; /**< borrowed; names as in docs/monitor.md, others are dropped */
    size_t attr_count;
} wsrt_op_result;

/**
 * Starts an operation.
 * @param m    the monitor
 * @param rec  this thread's recorder; NULL = the shared shard
 * @param id   from the enum or wsrt_monitor_operation()
 * @param now  monotonic ns
 * @param op   overwritten; on any failure it is inert and complete() is WSRT_ERR_STATE
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, an unknown id, another monitor's recorder). No lock; no
 *         allocation after the operation's first time in this shard. @since 0.1
 */
WSRT_API int wsrt_op_start(wsrt_monitor *m, wsrt_recorder *rec, int id, int64_t now, wsrt_op *op);

/* The calls below, on an operation that is zero-filled, inert or ended, do nothing. */

/**
 * Gives an operation attributes from its start: counted at its completion, before those of the
 * result. A second call takes the place of the first.
 * @param attrs  borrowed until the operation ends; names as in docs/monitor.md
 * @since 0.1
 */
WSRT_API void wsrt_op_attributes(wsrt_op *op, const wsrt_field *attrs, size_t count);

WSRT_API void wsrt_op_external_call(wsrt_op *op); /**< one call to an outside service. @since 0.1 */
WSRT_API void wsrt_op_database_call(wsrt_op *op); /**< one call to a database. @since 0.1 */

/**
 * Counts an error when the operation completes, which is then a failure.
 * @param category_cstr  a registered one, see wsrt_monitor_error_category(); NULL or any other is
 *                       `other`, as are all after the second of one operation
 * @since 0.1
 */
WSRT_API void wsrt_op_error(wsrt_op *op, const char *category_cstr);

/**
 * Tells memory taken (positive) or given back (negative) on behalf of an operation; its largest sum is
 * the operation's memoryUsage. Operations open on one recorder at the same time are taken as nested:
 * the outer ones are charged too.
 * @param n  bytes
 * @since 0.1
 */
WSRT_API void wsrt_op_add_bytes(wsrt_op *op, int64_t n);

/**
 * Ends an operation and counts it.
 * @param now     monotonic ns; before the start counts as duration 0 and in ClockBackwards
 * @param result  NULL = a success of which nothing else is known
 * @return WSRT_OK; WSRT_ERR_STATE (never started, or ended: nothing is counted); WSRT_ERR_INVALID
 *         (NULL, or a malformed result: the operation stays open); WSRT_ERR_UNSUPPORTED. No lock; no
 *         allocation once the shard has met this operation, this octave of durations and these
 *         values. @since 0.1
 */
WSRT_API int wsrt_op_complete(wsrt_op *op, int64_t now, const wsrt_op_result *result);

/**
 * As wsrt_op_complete(), on another thread than the one that started: counted in `rec` (NULL = the
 * shared shard), CPU time and memory unknown. @since 0.1
 */
WSRT_API int wsrt_op_complete_on(wsrt_op *op, wsrt_recorder *rec, int64_t now,
                                 const wsrt_op_result *result);

/**
 * Counts a success whose end is not known yet: wsrt_recorder_settle() tells it for all that were
 * deferred. For whoever serves a batch and lets its results go at once, at a fraction of a start and
 * a completion. Until then readers do not see it, nor in flight; its CPU time and memory stay unknown.
 *
 * @param rec            of the calling thread; not NULL
 * @param start          monotonic ns. Operations of another id or start that were deferred before end
 *                       here
 * @param request_size   bytes; 0 = none
 * @param response_size  bytes; 0 = none
 * @return WSRT_OK; WSRT_ERR_INVALID. No lock, no allocation. @since 0.1
 */
WSRT_API int wsrt_op_defer(wsrt_recorder *rec, int id, int64_t start, int64_t request_size,
                           int64_t response_size);

/**
 * Ends the operations that wsrt_op_defer() took, at `now` (monotonic ns), and counts them. Without
 * any it does nothing; NULL is fine. The recorder's thread; no lock; allocates as
 * wsrt_op_complete(). @since 0.1
 */
WSRT_API void wsrt_recorder_settle(wsrt_recorder *rec, int64_t now);

/** How many operations wait for wsrt_recorder_settle(). The recorder's thread; NULL is fine. @since 0.1 */
WSRT_API uint32_t wsrt_recorder_unsettled(const wsrt_recorder *rec);

/**
 * Whether the next operation should be started rather than deferred, so that its CPU time is sampled.
 * @return 1 or 0; 1 for NULL. The recorder's thread. @since 0.1
 */
WSRT_API int wsrt_recorder_due(const wsrt_recorder *rec);

/** Ends an operation uncounted. @since 0.1 */
WSRT_API void wsrt_op_cancel(wsrt_op *op);

/** Totals of one operation since the start. @since 0.1 */
typedef struct wsrt_op_totals {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t count;       /**< completions */
    uint64_t errors;      /**< those without success */
    uint64_t warnings;    /**< successes with a warning */
    uint64_t error_calls; /**< calls of wsrt_op_error(); at least one a failure */
    uint64_t external_calls;
    uint64_t database_calls;
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint64_t duration_sum; /**< ns */
    uint64_t duration_max; /**< ns */
    uint64_t in_flight;    /**< started, neither completed nor cancelled */
    uint64_t memory_count; /**< completions that told memory */
    uint64_t memory_sum;   /**< of their peaks, bytes */
    uint64_t memory_max;   /**< bytes */
    uint64_t cpu_samples;  /**< completions whose CPU time was read */
    double cpu_ratio_sum;  /**< of their CPU time by duration */
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

/* ---- metrics of others -------------------------------------------------------------------- */

/** What a source's numbers mean. @since 0.1 */
typedef enum wsrt_source_kind {
    WSRT_SOURCE_GAUGE = 1,   /**< a level that goes up and down */
    WSRT_SOURCE_COUNTER = 2, /**< a sum since the start that only grows */
    WSRT_SOURCE_KIND_MIN_ = -2147483647 - 1,
    WSRT_SOURCE_KIND_MAX_ = 2147483647
} wsrt_source_kind;

/** Where a source's numbers go; private. @since 0.1 */
typedef struct wsrt_samples wsrt_samples;

/** Reads a source by calling wsrt_sample() for each of its series. Runs inside an export, on its
 *  thread, under no lock of the monitor. @since 0.1 */
typedef void (*wsrt_source_fn)(wsrt_samples *to, void *user);

/**
 * Adds one series of a source.
 * @param labels  at most 8 WSRT_FIELD_TEXT, named as a source ("Service"), not "Environment", none twice
 *                in snake case; copied
 * @param value   as the module keeps it: fractions, bytes, Unix milliseconds; NaN and infinity are
 *                dropped and counted
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_NOMEM (the export will say so too). @since 0.1
 */
WSRT_API int wsrt_sample(wsrt_samples *to, const wsrt_field *labels, size_t count, double value);

/**
 * Registers a metric of another module or of the application, read at each export.
 * @param name_cstr  `[A-Za-z][A-Za-z0-9_]{0,62}`, from the catalogue in docs/monitor.md where it has
 *                   one ("ConnectionsActive"), and not that of a dimension ("Handler"); several users may
 *                   share a name and add series to it
 * @param kind       a wsrt_source_kind
 * @param user       handed to `read`; tells this source from others of its name
 * @return WSRT_OK; WSRT_ERR_EXISTS (this user has it, or it is of another kind); WSRT_ERR_LIMIT (4096
 *         sources); WSRT_ERR_INVALID; WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_source(wsrt_monitor *m, const char *name_cstr, int kind,
                                 wsrt_source_fn read, void *user);

/** Removes all sources of a user; NULL monitor is fine. No export may be running. @since 0.1 */
WSRT_API void wsrt_monitor_source_remove(wsrt_monitor *m, const void *user);

/* ---- the application's own metrics -------------------------------------------------------- */

/** What a metric of the application's own makes of an attribute. @since 0.1 */
typedef enum wsrt_business_kind {
    WSRT_BUSINESS_COUNTER = 1,  /**< completions with the attribute; of a number its sum */
    WSRT_BUSINESS_GAUGE = 2,    /**< the number that was told last */
    WSRT_BUSINESS_RATIO = 3,    /**< successes among the completions with the attribute */
    WSRT_BUSINESS_AVERAGE = 4,  /**< mean of the number */
    WSRT_BUSINESS_CATEGORY = 5, /**< completions by the attribute's value */
    WSRT_BUSINESS_KIND_MIN_ = -2147483647 - 1,
    WSRT_BUSINESS_KIND_MAX_ = 2147483647
} wsrt_business_kind;

/**
 * A metric of the application's own, made of an attribute of an operation's completions. Names of
 * metric, attribute and dimensions are `[A-Za-z][A-Za-z0-9_]{0,62}`; all is copied. @since 0.1
 */
typedef struct wsrt_business_metric {
    uint32_t struct_size;     /**< sizeof(wsrt_business_metric) */
    int32_t kind;             /**< a wsrt_business_kind */
    int32_t operation;        /**< whose completions: its id */
    uint32_t dimension_count; /**< at most 28, beside Handler and Environment */
    const char *name_cstr;    /**< "ordersPlaced" */
    const char
        *attribute_cstr;    /**< of the table in docs/monitor.md or a name of your own, which this
                                        declares; completions without it do not count */
    const char *value_cstr; /**< COUNTER and RATIO: only completions with this value of it;
                                        NULL = any */
    const char *const *dimensions; /**< names of attributes of text; one that a completion does not
                                        tell is "none" */
    const char
        *unit_cstr; /**< of CloudWatch, 31 letters and / at most; NULL = Count of counters and
                                        categories, Percent of ratios, else None */
    const char
        *help_cstr; /**< a sentence, at most 255 bytes; NULL = "A metric of the application." */
} wsrt_business_metric;

/**
 * Registers a metric of the application's own. Exports tell it with the dimensions Handler, those it
 * declares, and Environment. A set of values beyond the caps (wsrt_monitor_options), or with a value that
 * is not 1 to 255 bytes of printable ASCII, counts in one series whose values are `__overflow__`, and in
 * SeriesDropped: totals stay right. Binary snapshots do not have these metrics.
 *
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND (no such operation); WSRT_ERR_EXISTS (the name, as Prometheus would
 *         have it, is that of a metric or of a dimension); WSRT_ERR_FORBIDDEN (an identity that is not in
 *         allow_identity_dimensions, a trace or free text as a dimension or category);
 *         WSRT_ERR_INVALID; WSRT_ERR_LIMIT (256 metrics); WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_business(wsrt_monitor *m, const wsrt_business_metric *metric);

/* ---- time --------------------------------------------------------------------------------- */

/**
 * Sets a threshold of an operation, or with `critical` 0 removes it. The four built-in operations have
 * thresholds from the start (docs/monitor.md), others none.
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND (no such operation); WSRT_ERR_INVALID (a number outside its
 *         range, a warning above critical); WSRT_ERR_UNSUPPORTED (a statistic that the watched does not
 *         have); WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_threshold(wsrt_monitor *m, int id, const wsrt_threshold *threshold);

/** A threshold and the operation it is of. @since 0.1 */
typedef struct wsrt_operation_threshold {
    int32_t operation; /**< its id */
    uint32_t reserved; /**< 0 */
    const wsrt_threshold *threshold;
} wsrt_operation_threshold;

/** What may change while a monitor is used; zero members stay as they are. @since 0.1 */
typedef struct wsrt_monitor_settings {
    uint32_t struct_size;       /**< sizeof(wsrt_monitor_settings) */
    uint32_t cpu_sampling;      /**< as in wsrt_monitor_options, as the next two */
    uint32_t max_metric_values; /**< what is above it already stays and is counted on */
    uint32_t max_values;
    const wsrt_operation_threshold *thresholds; /**< those of other operations stay */
    size_t threshold_count;
} wsrt_monitor_settings;

/**
 * Changes thresholds, sampling and limits of a monitor as one block: a tick sees all of it or nothing,
 * and when one of them is refused none is changed. Recorders sample at the new rate from their next
 * sample on, one that was off within 64 operations.
 * @return WSRT_OK; otherwise as wsrt_monitor_threshold(). Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_configure(wsrt_monitor *m, const wsrt_monitor_settings *settings);

/**
 * Rolls windows and evaluates thresholds; the host calls it about once a second. A level is raised at
 * the next tick, straight to the highest one reached. It clears after three windows in a row below
 * 0.9 x its limit; a window without completions counts as below. Each transition is told once.
 * @param now   monotonic ns; the first call starts the first window, going back does nothing
 * @param wall  Unix ms, for alerts
 * @return WSRT_OK; WSRT_ERR_INVALID. One thread at a time. @since 0.1
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

/* ---- exports ------------------------------------------------------------------------------ */

/** A remembered reading, so that an export tells what came since the last one. @since 0.1 */
typedef struct wsrt_monitor_reader wsrt_monitor_reader;

/**
 * Makes a reader. Its first export starts where the monitor did, each later one where the last ended.
 * @param out  NULL on failure; give it back with wsrt_monitor_reader_free(). It keeps the monitor's
 *             memory alive
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_reader_new(wsrt_monitor_reader **out, wsrt_monitor *m);

/** Frees a reader; NULL is fine. @since 0.1 */
WSRT_API void wsrt_monitor_reader_free(wsrt_monitor_reader *r);

/** What an export looks like; docs/monitor.md has an example of each. @since 0.1 */
typedef enum wsrt_export_format {
    WSRT_EXPORT_PROMETHEUS = 1,  /**< Prometheus text 0.0.4, in pieces */
    WSRT_EXPORT_OPENMETRICS = 2, /**< OpenMetrics 1.0 text, in pieces */
    WSRT_EXPORT_DASHBOARD =
        3,               /**< one JSON object, in pieces; schemas/monitor-snapshot.schema.json */
    WSRT_EXPORT_EMF = 4, /**< CloudWatch embedded metric format: each piece a line */
    WSRT_EXPORT_CLOUDWATCH = 5, /**< bodies of PutMetricData in AWS JSON 1.0: each piece a body */
    WSRT_EXPORT_OTLP = 6,       /**< bodies of OTLP/HTTP JSON: each piece a body */
    WSRT_EXPORT_BINARY = 7,     /**< a snapshot for wsrt_monitor_merge(): one piece */
    WSRT_EXPORT_FORMAT_MIN_ = -2147483647 - 1,
    WSRT_EXPORT_FORMAT_MAX_ = 2147483647
} wsrt_export_format;

/** Variants of an export; each is for the formats it names. @since 0.1 */
typedef enum wsrt_export_flag {
    WSRT_EXPORT_SUMMARY = 1, /**< PROMETHEUS, OPENMETRICS: durations as quantiles, no histogram */
    WSRT_EXPORT_SNAP_BOUNDS =
        2, /**< PROMETHEUS, OPENMETRICS: bounds at the edges of buckets: exact */
    WSRT_EXPORT_HTML_SAFE = 4, /**< DASHBOARD: < > & are escaped */
    WSRT_EXPORT_COUNTS = 8,    /**< EMF: durations as {Values, Counts} instead of repeated values */
    WSRT_EXPORT_EXPONENTIAL = 16, /**< OTLP: durations as exponential histograms of scale 3 */
    WSRT_EXPORT_FLAG_MIN_ = -2147483647 - 1,
    WSRT_EXPORT_FLAG_MAX_ = 2147483647
} wsrt_export_flag;

/** Which metrics of operations go to CloudWatch, and under which names. @since 0.1 */
typedef enum wsrt_metric_names {
    WSRT_NAMES_HANDLER = 0, /**< all, the duration as HandlerDuration */
    WSRT_NAMES_SERVICE = 1, /**< Duration, MemoryUsage, Success, ErrorCount, ExternalCalls and
                                 DatabaseCalls */
    WSRT_NAMES_BOTH = 2,
    WSRT_METRIC_NAMES_MIN_ = -2147483647 - 1,
    WSRT_METRIC_NAMES_MAX_ = 2147483647
} wsrt_metric_names;

/** Options of an export; zero = default. @since 0.1 */
typedef struct wsrt_export_options {
    uint32_t struct_size;       /**< sizeof(wsrt_export_options) */
    int32_t format;             /**< a wsrt_export_format */
    uint32_t flags;             /**< bits of wsrt_export_flag */
    int32_t names;              /**< a wsrt_metric_names; EMF and CLOUDWATCH */
    int64_t wall;               /**< Unix ms */
    wsrt_monitor_reader *since; /**< NULL = since the start; one thread at a time */
    const wsrt_field
        *members; /**< EMF: attributes every line carries beside its metrics; names as in
                                      docs/monitor.md. Those that name a person or a connection are
                                      written as # and 10 digits of a keyed hash, unless the monitor's
                                      log_identity_plain has them; errorMessage is redacted and cut at
                                      512 bytes */
    size_t member_count;
} wsrt_export_options;

/**
 * Writes what the monitor knows in a format of others. Values that a format cannot carry are left out
 * and counted in ExportDropped.
 *
 * @param opts   not NULL
 * @param write  takes the text. EMF, CLOUDWATCH and OTLP call it once for each whole document, in the
 *               size the receiver takes, and not at all when there is nothing to tell; the others in
 *               pieces of any size. A negative status stops and is returned
 * @return WSRT_OK: only then the reader has moved; WSRT_ERR_NOMEM; WSRT_ERR_INVALID (another monitor's
 *         reader, an unknown format or flag); WSRT_ERR_UNSUPPORTED; `write`'s status. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_monitor_export(wsrt_monitor *m, const wsrt_export_options *opts,
                                 int (*write)(const void *data, size_t len, void *user),
                                 void *user);

/**
 * As wsrt_monitor_export(), into a buffer, all documents one behind the other.
 * @param dst  gets the text, no NUL is added; NULL with cap 0 asks for the length
 * @param len  bytes of it all, also when it did not fit; not NULL
 * @return as wsrt_monitor_export(); WSRT_ERR_LIMIT when `cap` is too small: then the reader stays where
 *         it was and nothing is lost. Any thread. @since 0.1
 */
WSRT_API int wsrt_monitor_export_to(wsrt_monitor *m, const wsrt_export_options *opts, char *dst,
                                    size_t cap, size_t *len);

/**
 * Adds a binary snapshot of another monitor, or of one that has ended: counts, sums, histograms, values
 * of attributes, the minutes of trends, and the application's own metrics, which are registered if they
 * are not; one that counts something else under the same name stays as it is, and each series lost to it
 * counts in SeriesDropped. Records stay records. Gauges and metrics of sources are not in it.
 *
 * A snapshot since the start is history: thresholds, rates and trends here do not take it for something
 * that happens now, and its minutes are set back by its age. Merge it once. One of a reader is news of
 * the window in which it comes.
 *
 * @param document  of WSRT_EXPORT_BINARY, whole
 * @param wall      Unix ms, now
 * @return WSRT_OK; WSRT_ERR_MALFORMED (no snapshot); WSRT_ERR_VERSION (of a later release);
 *         WSRT_ERR_CORRUPT (cut or changed); WSRT_ERR_UNSUPPORTED (other histogram_bits);
 *         WSRT_ERR_LIMIT (max_operations); WSRT_ERR_NOMEM; WSRT_ERR_INVALID. On failure nothing is
 *         counted, but operations and metrics may have been registered. Any thread, but not while
 *         wsrt_monitor_tick() or another merge runs. @since 0.1
 */
WSRT_API int wsrt_monitor_merge(wsrt_monitor *m, wsrt_span document, int64_t wall);

/* ---- the catalogue ------------------------------------------------------------------------- */

/** How a metric adds up. @since 0.1 */
typedef enum wsrt_metric_form {
    WSRT_METRIC_VALUES = 1, /**< single values with counts, of which percentiles can be asked */
    WSRT_METRIC_SET = 2,    /**< sum, count, least and most of values */
    WSRT_METRIC_SUM = 3,    /**< a number of things that happened */
    WSRT_METRIC_GAUGE = 4,  /**< a level that goes up and down */
    WSRT_METRIC_FORM_MIN_ = -2147483647 - 1,
    WSRT_METRIC_FORM_MAX_ = 2147483647
} wsrt_metric_form;

/** One metric of the catalogue; all texts are constants of the library. @since 0.1 */
typedef struct wsrt_metric_info {
    uint32_t struct_size;       /**< set by the caller */
    int32_t form;               /**< a wsrt_metric_form */
    const char *row_cstr;       /**< what belongs together: "duration", "circuit", "AWS/Lambda" */
    const char *namespace_cstr; /**< in CloudWatch */
    const char *name_cstr;      /**< in CloudWatch: "HandlerDuration" */
    const char *service_name_cstr; /**< in the name preset SERVICE: "Duration"; NULL = not in it */
    const char *unit_cstr;         /**< in CloudWatch: "Milliseconds"; NULL = not published there */
    const char *const *dimensions; /**< names, `dimension_count` of them: of every publication */
    const char *const *values;     /**< of those dimensions that are fixed; NULL = open */
    size_t dimension_count;
    const char *family_cstr; /**< in Prometheus; NULL = AWS's own. Dimensions are its labels */
    const char *sum_cstr;    /**< series there whose rate, divided by that of `count_cstr`, is */
    const char *count_cstr;  /**< the average over any time; NULL = the family is a single series */
    const char *selector_cstr; /**< one more label of the sum or else of the family; NULL = none */
    double scale;              /**< a value in Prometheus by one in CloudWatch: 0.001 for ms */
    const char *help_cstr;     /**< a sentence */
} wsrt_metric_info;

/**
 * Walks the catalogue of metrics: what exporters write and templates refer to. The order may change
 * between releases.
 * @param index  from 0
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND beyond the last; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_catalogue_metric(size_t index, wsrt_metric_info *out);

/** What an alarm compares. @since 0.1 */
typedef enum wsrt_alarm_kind {
    WSRT_ALARM_LIMIT = 1, /**< the metric with a limit in its CloudWatch unit */
    WSRT_ALARM_TREND = 2, /**< its average over a period by the median of the day's minutes before;
                               of 60 or more minutes and 30 or more events */
    WSRT_ALARM_KIND_MIN_ = -2147483647 - 1,
    WSRT_ALARM_KIND_MAX_ = 2147483647
} wsrt_alarm_kind;

/** One alarm of the catalogue; all texts are constants of the library. @since 0.1 */
typedef struct wsrt_alarm_info {
    uint32_t struct_size;         /**< set by the caller */
    int32_t kind;                 /**< a wsrt_alarm_kind */
    const char *id_cstr;          /**< unique: "WebSocketDurationAlarm" */
    uint32_t metric;              /**< for wsrt_catalogue_metric() */
    uint32_t period;              /**< s */
    uint32_t periods;             /**< in a row that reach the threshold */
    uint32_t reserved;            /**< 0 */
    const char *statistic_cstr;   /**< of a period: "Average" or "Maximum" */
    const char *const *values;    /**< of the metric's dimensions; NULL = open */
    double threshold;             /**< critical when reached, of a trend when exceeded */
    double warning;               /**< the same for a warning; 0 = none */
    const char *description_cstr; /**< a sentence without full stop */
} wsrt_alarm_info;

/** Walks the alarms, as wsrt_catalogue_metric() the metrics. Any thread. @since 0.1 */
WSRT_API int wsrt_catalogue_alarm(size_t index, wsrt_alarm_info *out);

/** One line of a graph; lines of one title follow one another and make one graph. @since 0.1 */
typedef struct wsrt_line_info {
    uint32_t struct_size; /**< set by the caller */
    int32_t full;         /**< 0 = of the short dashboard too, 1 = of the full one only */
    uint32_t metric;      /**< for wsrt_catalogue_metric() */
    uint32_t x;           /**< place of the graph in a grid of 24 columns, as the next three */
    uint32_t y;
    uint32_t width;
    uint32_t height;
    uint32_t reserved;          /**< 0 */
    const char *title_cstr;     /**< of the graph */
    const char *handler_cstr;   /**< the operation; NULL = each one, or as the metric says */
    const char *statistic_cstr; /**< "Average", "Sum", "Maximum", "p95", "p99" */
} wsrt_line_info;

/** Walks the lines of graphs, as wsrt_catalogue_metric() the metrics. Any thread. @since 0.1 */
WSRT_API int wsrt_catalogue_line(size_t index, wsrt_line_info *out);

#ifdef __cplusplus
}
#endif
#endif
