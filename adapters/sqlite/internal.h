/* One database file: a connection that writes, shared by turns, and one that reads beside it. */
#ifndef WSRT_SQLITE_INTERNAL_H
#define WSRT_SQLITE_INTERNAL_H

#include <wsrt/sqlite.h>

#include "common/store_rules.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum { WSRT_SQLITE_APPLICATION = 0x77737274, WSRT_SQLITE_VERSION = 1 };

/* ---- statements: prepared once, at their first use ---------------------------------------- */

typedef enum wsrt_sqlite_sql {
    WSRT_SQL_BEGIN,
    WSRT_SQL_COMMIT,
    WSRT_SQL_ROLLBACK,
    WSRT_SQL_MARK,
    WSRT_SQL_FIND,
    WSRT_SQL_INSERT,
    WSRT_SQL_REPLACE,
    WSRT_SQL_REMOVE,
    WSRT_SQL_TOUCH,
    WSRT_SQL_SET_PRINCIPAL,
    WSRT_SQL_SET_FILTERS,
    WSRT_SQL_EXPIRE,
    WSRT_SQL_PURGE,
    WSRT_SQL_GET,
    WSRT_SQL_EACH,
    WSRT_SQL_EACH_BRIEF,
    WSRT_SQL_EACH_OF_USER,
    WSRT_SQL_EACH_OF_USER_BRIEF,
    WSRT_SQL_COUNT_LIVE,
    WSRT_SQL_APPEND,
    WSRT_SQL_PRUNE,
    WSRT_SQL_EXPIRE_MESSAGES,
    WSRT_SQL_LIST,
    WSRT_SQL_LIST_ON,
    WSRT_SQL_FIND_LATEST,
    WSRT_SQL_INSERT_LATEST,
    WSRT_SQL_REPLACE_LATEST,
    WSRT_SQL_REMOVE_LATEST,
    WSRT_SQL_EACH_LATEST,
    WSRT_SQL_STATEMENTS
} wsrt_sqlite_sql;

typedef struct wsrt_sqlite_link {
    sqlite3 *db;
    sqlite3_stmt *prepared[WSRT_SQL_STATEMENTS];
} wsrt_sqlite_link;

/* NULL = sqlite3_extended_errcode() says why. */
sqlite3_stmt *wsrt_sqlite_statement(wsrt_sqlite_link *link, wsrt_sqlite_sql which);
void wsrt_sqlite_link_close(wsrt_sqlite_link *link);

static inline void wsrt_sqlite_bind_text(sqlite3_stmt *st, int at, wsrt_span text)
{
    sqlite3_bind_text(st, at, text.len == 0 ? "" : text.ptr, (int)text.len, SQLITE_STATIC);
}

static inline void wsrt_sqlite_bind_blob(sqlite3_stmt *st, int at, wsrt_span bytes)
{
    sqlite3_bind_blob(st, at, bytes.len == 0 ? "" : bytes.ptr, (int)bytes.len, SQLITE_STATIC);
}

static inline wsrt_span wsrt_sqlite_column(sqlite3_stmt *st, int at)
{
    const char *ptr = sqlite3_column_blob(st, at);

    return (wsrt_span){ptr, (size_t)sqlite3_column_bytes(st, at)};
}

/* ---- the object --------------------------------------------------------------------------- */

/* Part of a transaction, on the leading thread: changes something, or returns a negative status. */
typedef int (*wsrt_sqlite_work)(wsrt_sqlite_store *s, void *arg);

/* One caller's, on its stack while it waits. */
typedef struct wsrt_sqlite_job {
    wsrt_sqlite_work work;
    void *arg;
    struct wsrt_sqlite_job *next;
    int lazily;
    int result;
    int done;
} wsrt_sqlite_job;

/* Rows there are, as of the transaction under way. */
typedef struct wsrt_sqlite_counts {
    uint64_t records;
    uint64_t messages;
    uint64_t latest;
} wsrt_sqlite_counts;

struct wsrt_sqlite_store {
    wsrt_allocator allocator;
    wsrt_env env; /* log and user only */
    char *path;
    size_t path_size;
    uint64_t identity; /* of the file: its cursors stay good when it is opened again */
    uint64_t max_records;
    uint64_t max_messages;
    uint64_t max_latest;
    struct {
        pthread_mutex_t lock;
        wsrt_sqlite_link link;
    } reader;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t done;
        wsrt_sqlite_job *first;
        wsrt_sqlite_job **last;
        int led; /* a thread is at work on the writer */
    } queue;
    /* Belongs to the thread that leads. */
    struct {
        wsrt_sqlite_link link;
        int trouble;   /* SQLite's code of the transaction under way */
        int waits;     /* its commits wait for the disk; -1 = not set yet */
        int busy_ms;   /* for a lock of another process's */
        int unsettled; /* something was committed without waiting */
        int refuses;   /* the disk lost something: until the file is opened anew */
        int frames;    /* in the write-ahead log */
        wsrt_sqlite_counts counts;
    } writer;
    atomic_int write_state; /* the status that the log heard last */
    atomic_int read_state;
};

/* Fewer rows; of those that another process stored there may be more than were ever counted. */
static inline void wsrt_sqlite_less(uint64_t *count, int rows)
{
    *count -= (uint64_t)rows < *count ? (uint64_t)rows : *count;
}

/* ---- changes ------------------------------------------------------------------------------ */

/* Runs `work` in a transaction, with what other threads bring at the same time, and returns when that
 * is durable; with `lazily`, when it is committed. */
int wsrt_sqlite_commit(wsrt_sqlite_store *s, wsrt_sqlite_work work, void *arg, int lazily);
/* Makes what was committed lazily durable. */
int wsrt_sqlite_settle(wsrt_sqlite_store *s);

/* For work: a statement of the writer; NULL ends the transaction. */
sqlite3_stmt *wsrt_sqlite_writing(wsrt_sqlite_store *s, wsrt_sqlite_sql which);
/* Runs it to its end: WSRT_OK, and how many rows changed. */
int wsrt_sqlite_change(wsrt_sqlite_store *s, sqlite3_stmt *st, int *rows);
/* Reads its first row's first column: WSRT_OK or WSRT_ERR_NOT_FOUND. */
int wsrt_sqlite_ask(wsrt_sqlite_store *s, sqlite3_stmt *st, int64_t *answer);

/* A removal of at most so many rows by a statement of time and limit, which `count` counts: */
typedef struct wsrt_sqlite_expiry {
    wsrt_sqlite_sql which;
    uint64_t *count; /* of the writer's */
    int64_t now_s;
    size_t limit;
    int rows;
} wsrt_sqlite_expiry;

/* as work, */
int wsrt_sqlite_expire_some(wsrt_sqlite_store *s, void *expiry);
/* and in a transaction of its own, a bounded number at once. */
int wsrt_sqlite_expire(wsrt_sqlite_store *s, wsrt_sqlite_expiry *e, size_t *removed);

/* ---- reading ------------------------------------------------------------------------------ */

/* A statement of the reader, locked until wsrt_sqlite_read_done(); NULL and a status otherwise. */
sqlite3_stmt *wsrt_sqlite_reading(wsrt_sqlite_store *s, wsrt_sqlite_sql which, int *rc);
/* `code` is what the last step said; the status of it. */
int wsrt_sqlite_read_done(wsrt_sqlite_store *s, sqlite3_stmt *st, int code);

/* ---- trouble ------------------------------------------------------------------------------ */

int wsrt_sqlite_status(int code);       /* of a result code */
const char *wsrt_sqlite_rule(int code); /* the same for people */
/* Tells the log when calls begin to fail, and when they work again. No lock may be held. */
void wsrt_sqlite_tell(wsrt_sqlite_store *s, atomic_int *state, int code, int refused);

/* ---- opening ------------------------------------------------------------------------------ */

/* Opens and prepares both connections; the path and the settings are there. */
int wsrt_sqlite_open(wsrt_sqlite_store *s, const wsrt_sqlite_store_options *o,
                     wsrt_sqlite_error *why);

extern const wsrt_store_ops wsrt_sqlite_connection_ops;
extern const wsrt_history_ops wsrt_sqlite_history_ops;
extern const wsrt_latest_ops wsrt_sqlite_latest_ops;

#endif
