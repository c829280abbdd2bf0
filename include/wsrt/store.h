/**
 * @file store.h
 * Who is connected, what was said, and what holds now: the interfaces of the connection store, of the
 * message history and of the latest values, and the implementation that keeps all three in memory.
 *
 * A store is a table of functions and a `self`, so that others can stand in for the one kept in
 * memory. Every function is synchronous and may be called from any thread. Missing functions (NULL)
 * are not supported by that store; the mandatory ones are always there.
 */
#ifndef WSRT_STORE_H
#define WSRT_STORE_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The longest texts, in bytes. @since 0.1 */
typedef enum wsrt_store_limit {
    WSRT_CONNECTION_ID_MAX = 128,
    WSRT_USER_ID_MAX = 255,
    WSRT_PRINCIPAL_MAX = 2048,
    WSRT_SOURCE_IP_MAX = 63,
    WSRT_USER_AGENT_MAX = 255,
    WSRT_FILTERS_MAX = 8192,
    WSRT_NODE_MAX = 63,
    WSRT_MESSAGE_ID_MAX = 128, /**< of sessions too */
    WSRT_CONTENT_MAX = 65536,
    WSRT_LATEST_KEY_MAX = 255,
    WSRT_LATEST_VALUE_MAX = 131072,
    WSRT_STORE_LIMIT_MIN_ = -2147483647 - 1,
    WSRT_STORE_LIMIT_MAX_ = 2147483647
} wsrt_store_limit;

/** One connection. Text is borrowed; the functions below say from where. @since 0.1 */
typedef struct wsrt_record {
    uint32_t
        struct_size; /**< sizeof(wsrt_record), set by the caller; as output, see get and each */
    uint32_t flags;  /**< 0 */
    wsrt_span connection_id; /**< 1..128 bytes of `[A-Za-z0-9_=+/-]` */
    wsrt_span user_id;       /**< empty = anonymous; at most 255 bytes */
    wsrt_span principal;     /**< opaque summary, at most 2048 bytes */
    wsrt_span source_ip;     /**< at most 63 bytes */
    wsrt_span user_agent;    /**< at most 255 bytes; longer is cut */
    wsrt_span filters;       /**< opaque subscriptions, at most 8192 bytes */
    wsrt_span node;          /**< server instance that holds the socket, at most 63 bytes */
    int64_t epoch;           /**< start of that instance, Unix ms */
    int64_t connected_at;    /**< Unix ms */
    int64_t last_active_at;  /**< Unix ms */
    int64_t expires_at;      /**< Unix seconds; 0 = never */
} wsrt_record;

/** A place in a walk over records; zero-filled = the start. May be copied and kept. @since 0.1 */
typedef struct wsrt_cursor {
    uint32_t length; /**< private: used bytes */
    uint32_t at_end; /**< 1 = nothing follows */
    char bytes[304]; /**< private */
} wsrt_cursor;

/** Bits of a walk's flags. @since 0.1 */
typedef enum wsrt_each_flag {
    WSRT_EACH_BRIEF = 1,     /**< only connection_id, user_id and the times */
    WSRT_EACH_SIGNED_IN = 2, /**< only records with a user_id */
    WSRT_EACH_FLAG_MIN_ = -2147483647 - 1,
    WSRT_EACH_FLAG_MAX_ = 2147483647
} wsrt_each_flag;

/**
 * A connection store's functions. A record whose `expires_at` is at or before `now_s` is invisible
 * to get, each and count, and absent to put. Text of a record handed out points into the caller's
 * buffer and is not NUL-terminated. Only `out` and `buf` of WSRT_OK are to be read.
 * Statuses besides those named: WSRT_ERR_INVALID (a rule of wsrt_record), WSRT_ERR_NOMEM,
 * WSRT_ERR_LIMIT (a cap of the store), WSRT_ERR_IO, WSRT_ERR_CORRUPT, WSRT_ERR_UNAVAILABLE,
 * WSRT_ERR_THROTTLED, WSRT_ERR_TIMEOUT. A failed call changed nothing. @since 0.1
 */
typedef struct wsrt_store_ops {
    uint32_t struct_size; /**< sizeof(wsrt_store_ops) */
    uint32_t flags;       /**< 0 */
    /** Stores a record, durable on WSRT_OK. `if_absent`: WSRT_ERR_EXISTS when a live one is there;
     *  else it is replaced. Mandatory. */
    int (*put)(void *self, const wsrt_record *record, int if_absent, int64_t now_s);
    /** Finds a record; WSRT_ERR_NOT_FOUND is an ordinary answer. WSRT_ERR_LIMIT: `cap` bytes are
     *  too few (16 KiB always serve). The caller sets `out->struct_size`: 0 counts as the size of
     *  release 0.1, less than that or no multiple of 8 is WSRT_ERR_INVALID, and of a longer one what
     *  the store does not know becomes zero. The store leaves the size that counted. Mandatory. */
    int (*get)(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
               size_t cap);
    /** Removes a record; absent is WSRT_OK too. With `if_connected_at` non-zero only the record of
     *  that connect time, never a newer one that took over the id. Mandatory. */
    int (*remove)(void *self, const wsrt_span *id, int64_t if_connected_at);
    /** Moves the activity times; never brings a record back: WSRT_ERR_NOT_FOUND when it is absent, or
     *  had expired by `last_active_at` (Unix ms). May be batched. */
    int (*touch)(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at);
    /** Sets user id and principal of a record that is there; WSRT_ERR_NOT_FOUND. Atomic against
     *  remove. An expired record that was not removed yet counts either way. */
    int (*set_principal)(void *self, const wsrt_span *id, const wsrt_span *user_id,
                         const wsrt_span *principal);
    /** Sets the subscriptions of a record; as set_principal. */
    int (*set_filters)(void *self, const wsrt_span *id, const wsrt_span *filters);
    /**
     * Next page of all records (`user_id` NULL) or of a user's. Writes up to `max` records and as
     * much text as fits in `cap` bytes; `*count` of them, 0 only at the end. A record present during
     * the whole walk appears exactly once. `cursor->at_end` is set with the last page, and nothing
     * follows then, whatever was added since. `out->struct_size`, of the first element, is the
     * distance of the elements, each of which is written as by get.
     * WSRT_ERR_LIMIT: not even one fits (16 KiB always serve). WSRT_ERR_INVALID: a cursor of another
     * store or walk, `max` 0, unknown flags. The cursor moves on WSRT_OK only. Mandatory.
     */
    int (*each)(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap, size_t *count);
    /** Number of live records. */
    int (*count)(void *self, int64_t now_s, uint64_t *out);
    /** Removes up to `limit` expired records; `*removed` of them. A store may bound the work of one
     *  call and leave some for the next. */
    int (*expire)(void *self, int64_t now_s, size_t limit, size_t *removed);
    /** Makes everything durable, batched touches too. */
    int (*flush)(void *self);
} wsrt_store_ops;

/** A connection store: table and object. Copied freely; `self` must outlive its users. @since 0.1 */
typedef struct wsrt_store {
    const wsrt_store_ops *ops;
    void *self;
} wsrt_store;

/** Who wrote a message. @since 0.1 */
typedef enum wsrt_author {
    WSRT_AUTHOR_USER = 1,
    WSRT_AUTHOR_BOT = 2,
    WSRT_AUTHOR_MIN_ = -2147483647 - 1,
    WSRT_AUTHOR_MAX_ = 2147483647
} wsrt_author;

/** One message of a session's history. Text is borrowed as in wsrt_record. @since 0.1 */
typedef struct wsrt_history_entry {
    uint32_t struct_size;    /**< sizeof(wsrt_history_entry) */
    int32_t author;          /**< a wsrt_author */
    wsrt_span message_id;    /**< 1..128 bytes, unique within the session */
    wsrt_span session_id;    /**< 1..128 bytes */
    wsrt_span connection_id; /**< at most 128 bytes */
    wsrt_span user_id;       /**< at most 255 bytes */
    wsrt_span content;       /**< UTF-8, at most 65536 bytes */
    int64_t timestamp;       /**< Unix ms */
    int64_t expires_at;      /**< Unix seconds; 0 = never */
} wsrt_history_entry;

/** A history's functions; statuses as wsrt_store_ops. @since 0.1 */
typedef struct wsrt_history_ops {
    uint32_t struct_size; /**< sizeof(wsrt_history_ops) */
    uint32_t flags;       /**< 0 */
    /** Stores a message, durable on WSRT_OK. The same session and message id again: WSRT_OK,
     *  nothing changes. Mandatory. */
    int (*append)(void *self, const wsrt_history_entry *entry);
    /** Next page of a session, newest first: by timestamp, then by message id. Otherwise as
     *  wsrt_store_ops.each (96 KiB always serve). Mandatory. */
    int (*list)(void *self, const wsrt_span *session_id, wsrt_cursor *cursor, int64_t now_s,
                wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count);
    /** Removes up to `limit` expired messages. */
    int (*expire)(void *self, int64_t now_s, size_t limit, size_t *removed);
} wsrt_history_ops;

/** A message history: table and object. Copied freely. @since 0.1 */
typedef struct wsrt_history {
    const wsrt_history_ops *ops;
    void *self;
} wsrt_history;

/** Bits of wsrt_latest_entry.flags. @since 0.1 */
typedef enum wsrt_latest_flag {
    WSRT_LATEST_REMOVED = 1, /**< the entity is to be forgotten; in `change` only */
    WSRT_LATEST_FLAG_MIN_ = -2147483647 - 1,
    WSRT_LATEST_FLAG_MAX_ = 2147483647
} wsrt_latest_flag;

/** The last that was told of an entity. Text is borrowed as in wsrt_record. @since 0.1 */
typedef struct wsrt_latest_entry {
    uint32_t struct_size; /**< sizeof(wsrt_latest_entry) */
    uint32_t flags;       /**< bits of wsrt_latest_flag */
    wsrt_span key;        /**< of the entity, 1..255 bytes, any */
    wsrt_span value;      /**< at most 131072 bytes, any */
    int64_t timestamp;    /**< of the value, Unix ms */
} wsrt_latest_entry;

/** The functions of a table of latest values; statuses as wsrt_store_ops. @since 0.1 */
typedef struct wsrt_latest_ops {
    uint32_t struct_size; /**< sizeof(wsrt_latest_ops) */
    uint32_t flags;       /**< 0 */
    /** Keeps a value, durable on WSRT_OK, unless one with a later timestamp is there: WSRT_STALE, and
     *  nothing changes. Mandatory. */
    int (*put)(void *self, const wsrt_latest_entry *entry);
    /** Forgets an entity, unless a value with a later timestamp is there (WSRT_STALE); absent is
     *  WSRT_OK. Mandatory. */
    int (*remove)(void *self, const wsrt_span *key, int64_t timestamp);
    /** Next page, in any order; otherwise as wsrt_store_ops.each (132 KiB always serve). Mandatory. */
    int (*each)(void *self, wsrt_cursor *cursor, wsrt_latest_entry *out, size_t max, char *buf,
                size_t cap, size_t *count);
    /**
     * Puts and removes in order, durable on WSRT_OK: `results[i]` is what `put` or, for an entry with
     * WSRT_LATEST_REMOVED, `remove` says of `entries[i]`; one that fails does not keep the others.
     * Any other status: nothing has changed. `entries[0].struct_size` is the stride of them all.
     * Optional, for tables where many at once cost less than one by one.
     */
    int (*change)(void *self, const wsrt_latest_entry *entries, size_t n, int *results);
} wsrt_latest_ops;

/** A table of latest values: table and object. Copied freely. @since 0.1 */
typedef struct wsrt_latest {
    const wsrt_latest_ops *ops;
    void *self;
} wsrt_latest;

/* ---- for stores of your own --------------------------------------------------------------- */

/**
 * Copies what a caller of wsrt_store_ops.put hands in, of whatever release, and judges it by the rules
 * of wsrt_record; a longer user agent is cut before the character that would be too much.
 *
 * @param out    `struct_size` set by the caller, who knows no more members; text is borrowed from
 *               `given`; the rest is undefined on failure
 * @param given  what it has in later members must be zero
 * @return WSRT_OK; WSRT_ERR_INVALID (a rule, a wrong size, NULL); WSRT_ERR_UNSUPPORTED (an unknown
 *         flag, a member beyond `out`). Any thread. @since 0.1
 */
WSRT_API int wsrt_record_load(wsrt_record *out, const wsrt_record *given);

/** The same for wsrt_history_ops.append and the rules of wsrt_history_entry. @since 0.1 */
WSRT_API int wsrt_history_entry_load(wsrt_history_entry *out, const wsrt_history_entry *given);

/** The same for wsrt_latest_ops and the rules of wsrt_latest_entry, of which an unknown flag is
 *  WSRT_ERR_INVALID; WSRT_LATEST_REMOVED is let through. @since 0.1 */
WSRT_API int wsrt_latest_entry_load(wsrt_latest_entry *out, const wsrt_latest_entry *given);

/* ---- in memory ---------------------------------------------------------------------------- */

/** Options of the memory store; zero = default. @since 0.1 */
typedef struct wsrt_memory_store_options {
    uint32_t struct_size;     /**< sizeof(wsrt_memory_store_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< zero = libc */
    uint64_t max_records;     /**< 0 = 4194304, at most 2^31; more records are WSRT_ERR_LIMIT */
    uint64_t max_messages;    /**< history over all sessions; 0 = 100000, at most 2^31; the oldest,
                                   by their arrival, go first */
    uint64_t hash_key;        /**< keys the tables against chosen ids; best random */
    uint64_t max_latest; /**< latest values; 0 = 100000, at most 2^31; more are WSRT_ERR_LIMIT */
} wsrt_memory_store_options;

/**
 * Connections, history and latest values in memory, thread-safe: one lock, constant time a call, about
 * 100 bytes a connection besides its text. Nothing is durable; flush does nothing. A call of expire
 * looks at no more than 65,536 records; a listing of messages that goes on where a message has gone
 * meanwhile looks through its session. Fields that break a rule of wsrt_record, wsrt_history_entry
 * or wsrt_latest_entry are WSRT_ERR_INVALID. @since 0.1
 */
typedef struct wsrt_memory_store wsrt_memory_store;

/**
 * Makes an empty memory store.
 *
 * @param out   NULL on failure; give it back with wsrt_memory_store_free()
 * @param opts  copied; NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID (NULL, a cap above 2^31, a wrong size);
 *         WSRT_ERR_UNSUPPORTED (an unknown option). Any thread. @since 0.1
 */
WSRT_API int wsrt_memory_store_new(wsrt_memory_store **out, const wsrt_memory_store_options *opts);

/** Its connection store interface, valid as long as the object; NULL arguments do nothing. Any
 *  thread. @since 0.1 */
WSRT_API void wsrt_memory_store_connections(wsrt_memory_store *m, wsrt_store *out);

/** Its history interface, valid as long as the object; NULL arguments do nothing. Any thread.
 *  @since 0.1 */
WSRT_API void wsrt_memory_store_history(wsrt_memory_store *m, wsrt_history *out);

/** Its table of latest values, valid as long as the object; NULL arguments do nothing. Any thread.
 *  @since 0.1 */
WSRT_API void wsrt_memory_store_latest(wsrt_memory_store *m, wsrt_latest *out);

/** Bytes held for records, indexes and messages, by the allocator's count; 0 for NULL. Any thread.
 *  @since 0.1 */
WSRT_API uint64_t wsrt_memory_store_bytes(wsrt_memory_store *m);

/** Frees it; NULL is fine. No other thread may be using it. @since 0.1 */
WSRT_API void wsrt_memory_store_free(wsrt_memory_store *m);

#ifdef __cplusplus
}
#endif
#endif
