/**
 * @file stream.h
 * From a table's change records to updates on live dashboards: a decoder of DynamoDB stream events,
 * filters compiled once, and a feed that tells every subscriber what it asked for, and nothing else.
 *
 * A feed delivers to the senders and stores it is given and has no thread. Updates go out as
 *
 *     {"type":"METRICS_UPDATE","updates":[{"eventType":"MODIFY","timestamp":1795168831000,
 *      "data":{...}}],"timestamp":...,"correlationId":"..."}
 *
 * in the order they were published, split where a message would grow too long.
 */
#ifndef WSRT_STREAM_H
#define WSRT_STREAM_H

#include <wsrt/base.h>
#include <wsrt/json.h>
#include <wsrt/sender.h>
#include <wsrt/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- change records ------------------------------------------------------------------------ */

/** What happened to an item. @since 0.1 */
typedef enum wsrt_change_kind {
    WSRT_CHANGE_INSERT = 1,
    WSRT_CHANGE_MODIFY = 2,
    WSRT_CHANGE_REMOVE = 3,
    WSRT_CHANGE_KIND_MIN_ = -2147483647 - 1,
    WSRT_CHANGE_KIND_MAX_ = 2147483647
} wsrt_change_kind;

/** One change of a table; spans borrow from the event. Images are JSON objects in DynamoDB's
 *  attribute form, `{"id":{"S":"a"}}`; empty = not in the record. @since 0.1 */
typedef struct wsrt_change {
    uint32_t struct_size; /**< sizeof(wsrt_change), set by the caller */
    int32_t kind;         /**< a wsrt_change_kind */
    wsrt_span sequence;   /**< up to 40 digits; empty = a record made by hand */
    wsrt_span keys;
    wsrt_span new_image;
    wsrt_span old_image;
    int64_t created_at; /**< Unix ms; 0 = not told */
    wsrt_span record;   /**< the whole record */
} wsrt_change;

/**
 * Opens a stream event: checks that it is JSON with an array `Records`.
 * @param records  for wsrt_changes_next(); borrows from `event`
 * @param why      place and reason of WSRT_ERR_MALFORMED; NULL is fine
 * @return WSRT_OK; WSRT_ERR_MALFORMED; WSRT_ERR_LIMIT (nested too deep); WSRT_ERR_REJECTED (no stream
 *         event); WSRT_ERR_INVALID for NULL. Any thread. @since 0.1
 */
WSRT_API int wsrt_changes_open(wsrt_span event, wsrt_json *records, wsrt_json_error *why);

/**
 * Reads the next record.
 * @param it  zero-filled before the first call
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND at the end; WSRT_ERR_REJECTED for a record that is no change:
 *         `it` has moved on, `out` holds its `record`, and its `sequence` if there is one;
 *         WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_changes_next(const wsrt_json *records, wsrt_json_iter *it, wsrt_change *out);

/**
 * Writes a map of attributes as a plain JSON object: S, N (the digits as they are), B (base64), BOOL,
 * NULL, M, L, SS, NS, BS.
 * @param w           where a value may stand; after a failure what it holds is of no use
 * @param attributes  of a change that came from wsrt_changes_next()
 * @return WSRT_OK; WSRT_ERR_REJECTED (a tag that is none, a value of another kind than its tag);
 *         WSRT_ERR_INVALID. Errors of the writer show at its end. Any thread. @since 0.1
 */
WSRT_API int wsrt_attributes_write(wsrt_json_writer *w, wsrt_span attributes);

/* ---- filters ------------------------------------------------------------------------------- */

/**
 * A compiled filter: a conjunction over members of an update's `data` and its `eventType`. Immutable,
 * any number of threads.
 *
 *     {"entity_type":["stream","host"],"metric_value":{"gte":10,"lt":20},"eventType":["MODIFY"]}
 *
 * A list holds if the member equals one of it (strings, numbers, booleans, null; numbers as doubles); a
 * range (`gt`, `gte`, `lt`, `lte`) if the member is a number within. `{}` holds for everything. At most 16
 * members, 64 values a list, 8192 bytes. @since 0.1
 */
typedef struct wsrt_filter wsrt_filter;

/** Why a filter is none. @since 0.1 */
typedef struct wsrt_filter_error {
    size_t offset;         /**< byte of its text */
    const char *text_cstr; /**< constant, fit to show */
} wsrt_filter_error;

/**
 * Compiles a filter.
 * @param out        NULL on failure; give it back with wsrt_filter_free()
 * @param allocator  copied; NULL = libc
 * @param why        NULL is fine
 * @return WSRT_OK; WSRT_ERR_MALFORMED (not JSON); WSRT_ERR_REJECTED (of the wrong shape);
 *         WSRT_ERR_LIMIT (a cap above); WSRT_ERR_NOMEM; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_filter_new(wsrt_filter **out, wsrt_span json, const wsrt_allocator *allocator,
                             wsrt_filter_error *why);

/** Frees a filter; NULL is fine. @since 0.1 */
WSRT_API void wsrt_filter_free(wsrt_filter *f);

/**
 * The canonical form: equal for filters that ask for the same in other words (order, repeats, the
 * notation of numbers). @return JSON text, as long as the filter; empty for NULL. @since 0.1
 */
WSRT_API wsrt_span wsrt_filter_text(const wsrt_filter *f);

/**
 * Whether a filter holds for an update.
 * @param event_type  "INSERT", "MODIFY" or "REMOVE"
 * @param data        a JSON object, checked before
 * @return 1 or 0; 0 for NULL. Never allocates. Any thread. @since 0.1
 */
WSRT_API int wsrt_filter_matches(const wsrt_filter *f, wsrt_span event_type, wsrt_span data);

/* ---- the feed ------------------------------------------------------------------------------ */

/** Who gets which updates. Thread-safe: one delivery at a time, others wait for their turn. A sender,
 *  store or table that is called by a feed may subscribe (without a snapshot), unsubscribe and
 *  forget, but not publish. @since 0.1 */
typedef struct wsrt_feed wsrt_feed;

/** Bits of wsrt_feed_options.flags. @since 0.1 */
typedef enum wsrt_feed_flag {
    WSRT_FEED_STORED = 1, /**< subscriptions live in the store's records, for processes that do not
                               hold the connections themselves */
    WSRT_FEED_FLAG_MIN_ = -2147483647 - 1,
    WSRT_FEED_FLAG_MAX_ = 2147483647
} wsrt_feed_flag;

/** What a feed is made of; zero = default. Parts are borrowed and outlive it. @since 0.1 */
typedef struct wsrt_feed_options {
    uint32_t struct_size;      /**< sizeof(wsrt_feed_options) */
    uint32_t flags;            /**< bits of wsrt_feed_flag */
    wsrt_allocator allocator;  /**< zero = libc */
    const wsrt_env *env;       /**< copied; NULL = defaults */
    const wsrt_sender *sender; /**< copied; NULL = set later */
    const wsrt_store
        *store; /**< copied; records of those found gone are removed there. NULL = none;
                                     mandatory with STORED, with `set_filters` */
    const wsrt_latest
        *latest; /**< copied; keeps the last update of each entity for snapshots; NULL = no
                                     snapshots */
    wsrt_span
        type_member;     /**< of `data`, with `id_member` an entity's name; empty = "entity_type" */
    wsrt_span id_member; /**< empty = "entity_id" */
    uint64_t max_message;     /**< bytes; 0 = 131072, at least 1024 */
    uint64_t max_subscribers; /**< in memory; 0 = 1048576 */
    uint32_t max_filters;     /**< distinct ones; 0 = 10000 */
    uint32_t attempts;        /**< to deliver a batch while store or table fail; 0 = 3 */
    int64_t
        coalesce_ms; /**< of updates of one entity only the last is told, this long after the first;
                                     0 = all at once */
    /** Takes a record that cannot become an update (`status` says why), or is too long to send. */
    void (*dead_letter)(void *user, const wsrt_change *change, int status);
    void *user; /**< handed to `dead_letter` */
} wsrt_feed_options;

/**
 * Makes a feed.
 * @param out   NULL on failure; give it back with wsrt_feed_free()
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID (a cap out of range, a table without a mandatory
 *         function, STORED without a store); WSRT_ERR_UNSUPPORTED. @since 0.1
 */
WSRT_API int wsrt_feed_new(wsrt_feed **out, const wsrt_feed_options *opts);

/** Frees a feed, what waits to be coalesced too; NULL is fine. No other thread may use it. @since 0.1 */
WSRT_API void wsrt_feed_free(wsrt_feed *f);

/** Sets where updates go. @param sender copied; NULL = nowhere. No delivery may be running. @return
 *  WSRT_OK; WSRT_ERR_INVALID. @since 0.1 */
WSRT_API int wsrt_feed_set_sender(wsrt_feed *f, const wsrt_sender *sender);

/** Bits of wsrt_feed_subscribe()'s flags. @since 0.1 */
typedef enum wsrt_subscribe_flag {
    WSRT_SUBSCRIBE_SNAPSHOT = 1, /**< first what holds now, then the changes, without a gap */
    WSRT_SUBSCRIBE_FLAG_MIN_ = -2147483647 - 1,
    WSRT_SUBSCRIBE_FLAG_MAX_ = 2147483647
} wsrt_subscribe_flag;

/**
 * Adds a filter to a connection's subscription, at most 16; the same again changes nothing.
 * @param connection_id  `[A-Za-z0-9_=+/-]{1,128}`
 * @param connected_at   Unix ms; guards the removal of its record; 0 = unknown
 * @param filter         as at wsrt_filter
 * @param flags          bits of wsrt_subscribe_flag
 * @param why            of MALFORMED, REJECTED and LIMIT by the filter's text; NULL is fine
 * @return WSRT_OK; those of wsrt_filter_new(); WSRT_ERR_LIMIT (a cap); WSRT_ERR_NOT_FOUND (STORED: no
 *         such record); WSRT_ERR_UNSUPPORTED (a snapshot without a table); a status of store, table or
 *         sender: nothing was subscribed, though parts of a snapshot may have been sent. @since 0.1
 */
WSRT_API int wsrt_feed_subscribe(wsrt_feed *f, wsrt_span connection_id, int64_t connected_at,
                                 wsrt_span filter, uint32_t flags, wsrt_filter_error *why);

/**
 * Takes a filter back; with an empty one all of them.
 * @return WSRT_OK, also when there was no such subscription; otherwise as wsrt_feed_subscribe().
 * @since 0.1
 */
WSRT_API int wsrt_feed_unsubscribe(wsrt_feed *f, wsrt_span connection_id, wsrt_span filter,
                                   wsrt_filter_error *why);

/** Forgets a connection that has left. STORED: does nothing, the record goes. @since 0.1 */
WSRT_API void wsrt_feed_forget(wsrt_feed *f, wsrt_span connection_id);

/** What a feed did in one call. @since 0.1 */
typedef struct wsrt_feed_report {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t updates;     /**< told, or kept to be told by the tick */
    uint64_t duplicates;  /**< records that had been told before */
    uint64_t stale;       /**< older than what the table of latest values holds: not told */
    uint64_t poisoned;    /**< given to `dead_letter` */
    uint64_t evaluations; /**< of a distinct filter on an update */
    uint64_t attempted;   /**< messages times receivers; the sum of the next four */
    uint64_t sent;
    uint64_t gone;
    uint64_t throttled; /**< too slow, also when asked again as by wsrt_send(): a second in all */
    uint64_t failed;
} wsrt_feed_report;

/**
 * Publishes updates: an object, an array of them, or one a line (NDJSON).
 *
 *     {"data":{"entity_type":"host","entity_id":"h1","load":0.7},"eventType":"MODIFY","timestamp":...}
 *
 * `data` is mandatory; `eventType` is MODIFY and `timestamp` (Unix ms) now when left out. Nothing is told
 * before the whole text is found good.
 *
 * @param why     of MALFORMED and REJECTED; NULL is fine
 * @param report  NULL is fine
 * @return WSRT_OK, whatever became of single receivers; WSRT_ERR_MALFORMED; WSRT_ERR_REJECTED;
 *         WSRT_ERR_TOO_LARGE (an update longer than a message); WSRT_ERR_UNSUPPORTED (no sender);
 *         WSRT_ERR_NOMEM; a status of store or table: some may have been told. @since 0.1
 */
WSRT_API int wsrt_feed_publish(wsrt_feed *f, wsrt_span text, wsrt_json_error *why,
                               wsrt_feed_report *report);

/**
 * Publishes the records of a DynamoDB stream event and writes the answer that Lambda expects,
 * `{"batchItemFailures":[]}`, or with the sequence number from which to go on. A record that cannot become
 * an update goes to `dead_letter` and holds nobody up; a sequence number told before (of the last 1,024)
 * is not told again; a failing receiver never fails a record.
 *
 * @param dst  gets the answer; 128 bytes always serve
 * @param len  its length
 * @return WSRT_OK with the answer; WSRT_ERR_MALFORMED, WSRT_ERR_REJECTED, WSRT_ERR_LIMIT (no stream
 *         event, or an answer longer than `cap`); others of wsrt_feed_publish() when a record without a
 *         sequence number failed: then the whole event is to be repeated. @since 0.1
 */
WSRT_API int wsrt_feed_changes(wsrt_feed *f, wsrt_span event, char *dst, size_t cap, size_t *len,
                               wsrt_feed_report *report);

/** When wsrt_feed_tick() is due: monotonic ns; INT64_MAX = nothing waits. Any thread. @since 0.1 */
WSRT_API int64_t wsrt_feed_next_deadline(wsrt_feed *f);

/** Tells what was kept to be coalesced and is due at `now`, monotonic ns. @return as
 *  wsrt_feed_publish(); what failed is tried again a `coalesce_ms` later. @since 0.1 */
WSRT_API int wsrt_feed_tick(wsrt_feed *f, int64_t now, wsrt_feed_report *report);

#ifdef __cplusplus
}
#endif
#endif
