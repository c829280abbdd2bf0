/**
 * @file sqlite.h
 * libwsrt-sqlite: connections, message history and latest values in one SQLite database file, for a
 * server that must find them again after a restart.
 *
 *     wsrt_sqlite_store *db; wsrt_store connections; wsrt_history history; wsrt_sqlite_error why;
 *     if (wsrt_sqlite_store_new(&db, wsrt_span_cstr("chat.db"), NULL, &why) != WSRT_OK)
 *         die(why.text);
 *     wsrt_sqlite_store_connections(db, &connections);
 *     wsrt_sqlite_store_history(db, &history);
 *
 * What is durable: every change but touch and expire returns WSRT_OK only when a power cut can no
 * longer undo it. Calls of several threads share one wait for the disk, so many threads store much
 * more a second than one. touch and expire do not wait: a power cut may undo the last of them, a
 * crash of the process cannot; flush, and the next change that waits, makes them durable.
 *
 * When something fails (a full disk, a lock that another process holds, a damaged file) the call
 * says so, nothing changed, reads go on, and the next call tries again. One exception: when the disk
 * refuses to make durable what touch or expire left to it, writes are WSRT_ERR_IO until the store is
 * opened anew, for nobody can know what the disk has kept.
 *
 * SQLite takes its own memory from libc. One process owns the file; others may read it.
 */
#ifndef WSRT_SQLITE_H
#define WSRT_SQLITE_H

#include <wsrt/base.h>
#include <wsrt/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open database file. @since 0.1 */
typedef struct wsrt_sqlite_store wsrt_sqlite_store;

/** Settings; zero = default. @since 0.1 */
typedef struct wsrt_sqlite_store_options {
    uint32_t struct_size;     /**< sizeof(wsrt_sqlite_store_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< for the object itself; zero = libc */
    const wsrt_env
        *env;        /**< its log hears `store_failed` when calls begin to fail, `store_recovered`
                              when they work again; copied; NULL = silence */
    int64_t busy_ms; /**< waits so long for another process's lock; 0 = 5000; -1 = not at all */
    uint64_t max_bytes;    /**< largest database file, to a page of 4096; writes beyond it are
                              WSRT_ERR_IO; 0 = as the disk allows */
    uint64_t max_records;  /**< 0 = 4194304, at most 2^31; more records are WSRT_ERR_LIMIT */
    uint64_t max_messages; /**< history over all sessions; 0 = 100000, at most 2^31; the oldest, by
                                their arrival, go first */
    uint64_t max_latest;   /**< latest values; 0 = 100000, at most 2^31; more are WSRT_ERR_LIMIT */
} wsrt_sqlite_store_options;

/** Why a file cannot be used. @since 0.1 */
typedef struct wsrt_sqlite_error {
    int32_t code;      /**< SQLite's extended result code; 0 = the reason is not SQLite's */
    uint32_t text_len; /**< bytes of `text` */
    char text[504];    /**< the path and the rule it breaks, fit to show; NUL-terminated */
} wsrt_sqlite_error;

/**
 * Opens a database file; makes it, readable by its owner only, where there is none. A file of an
 * older release is brought up to date.
 *
 * @param out   NULL on failure; give it back with wsrt_sqlite_store_free()
 * @param path  of the file, at most 4000 bytes without NUL; beside it SQLite keeps PATH-wal and
 *              PATH-shm. On a local disk: SQLite's shared memory does not work over a network
 * @param opts  copied; NULL = defaults
 * @param why   filled on failure; NULL is fine
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND (no such directory); WSRT_ERR_FORBIDDEN (may not be made, read
 *         or written); WSRT_ERR_MALFORMED (not a database); WSRT_ERR_REJECTED (another program's
 *         database); WSRT_ERR_VERSION (written by a newer release); WSRT_ERR_CORRUPT (damaged);
 *         WSRT_ERR_UNAVAILABLE (another process holds it locked); WSRT_ERR_IO (full or failing disk);
 *         WSRT_ERR_NOMEM; WSRT_ERR_INVALID, WSRT_ERR_UNSUPPORTED (options, or an SQLite built
 *         without threads). Any thread. @since 0.1
 */
WSRT_API int wsrt_sqlite_store_new(wsrt_sqlite_store **out, wsrt_span path,
                                   const wsrt_sqlite_store_options *opts, wsrt_sqlite_error *why);

/** Its connection store interface, valid as long as the object; NULL arguments do nothing. Any
 *  thread. @since 0.1 */
WSRT_API void wsrt_sqlite_store_connections(wsrt_sqlite_store *s, wsrt_store *out);

/** Its history interface, valid as long as the object; NULL arguments do nothing. Any thread. @since 0.1 */
WSRT_API void wsrt_sqlite_store_history(wsrt_sqlite_store *s, wsrt_history *out);

/** Its table of latest values, valid as long as the object; NULL arguments do nothing. Any thread.
 *  @since 0.1 */
WSRT_API void wsrt_sqlite_store_latest(wsrt_sqlite_store *s, wsrt_latest *out);

/**
 * Removes the connections that an earlier run of an instance left behind when it was killed. Call it
 * at start, before the first connection is stored.
 *
 * @param node     the instance as it stands in the records; empty = records without one
 * @param epoch    records of this instance with an earlier epoch go, Unix ms
 * @param removed  how many went; NULL is fine
 * @return WSRT_OK; WSRT_ERR_INVALID; otherwise as a put. Any thread. @since 0.1
 */
WSRT_API int wsrt_sqlite_store_purge(wsrt_sqlite_store *s, wsrt_span node, int64_t epoch,
                                     uint64_t *removed);

/** Makes everything durable, closes the file and frees the object; NULL is fine. Another process's
 *  lock is waited for at most 250 ms: what is committed stays so, but touches of the last moments
 *  might not survive a power cut. Where that matters, call the connection store's flush before. No
 *  other thread may be using it. @since 0.1 */
WSRT_API void wsrt_sqlite_store_free(wsrt_sqlite_store *s);

#ifdef __cplusplus
}
#endif
#endif
