/* Opening a file: making it, judging whose it is, bringing it up to date. */
#define _GNU_SOURCE
#include "sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_BUSY_MS = 5000, PAGE = 4096, LONGEST_SHOWN = 300 };

/* From each version to the next; a new file begins at 0. */
static const char *const steps[WSRT_SQLITE_VERSION] = {
    "CREATE TABLE store(identity INTEGER NOT NULL,settled INTEGER NOT NULL);"
    "INSERT INTO store VALUES(random(),0);"
    "CREATE TABLE connection(seq INTEGER PRIMARY KEY,id TEXT NOT NULL UNIQUE,"
    "user_id TEXT NOT NULL,connected_at INTEGER NOT NULL,last_active_at INTEGER NOT NULL,"
    "expires_at INTEGER NOT NULL,epoch INTEGER NOT NULL,source_ip TEXT NOT NULL,"
    "user_agent TEXT NOT NULL,node TEXT NOT NULL,principal BLOB NOT NULL,filters BLOB NOT NULL);"
    "CREATE INDEX connection_user ON connection(user_id) WHERE user_id<>'';"
    "CREATE INDEX connection_expiry ON connection(expires_at) WHERE expires_at<>0;"
    "CREATE TABLE message(seq INTEGER PRIMARY KEY,session_id TEXT NOT NULL,"
    "timestamp INTEGER NOT NULL,message_id TEXT NOT NULL,author INTEGER NOT NULL,"
    "connection_id TEXT NOT NULL,user_id TEXT NOT NULL,expires_at INTEGER NOT NULL,"
    "content TEXT NOT NULL);"
    "CREATE UNIQUE INDEX message_identity ON message(session_id,message_id);"
    "CREATE INDEX message_order ON message(session_id,timestamp,message_id);"
    "CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at<>0;"
    "CREATE TABLE latest(seq INTEGER PRIMARY KEY,key BLOB NOT NULL UNIQUE,"
    "timestamp INTEGER NOT NULL,value BLOB NOT NULL);",
};

struct opening {
    wsrt_sqlite_store *s;
    const wsrt_sqlite_store_options *opts;
    wsrt_sqlite_error *why;
};

/* ---- reasons ------------------------------------------------------------------------------ */

static int refuse(struct opening *o, int status, int code, const char *rule)
{
    const char *path = o->s->path;
    size_t len = strlen(path);
    const char *shown = len <= LONGEST_SHOWN ? path : path + len - LONGEST_SHOWN;

    int n = snprintf(o->why->text, sizeof o->why->text, "%s%s: %s", shown == path ? "" : "...",
                     shown, rule);
    o->why->code = code;
    o->why->text_len = n < (int)sizeof o->why->text ? (uint32_t)n : sizeof o->why->text - 1;
    return status;
}

/* A constructor's statuses are finer than those of store.h. */
static int refuse_code(struct opening *o, int code)
{
    int primary = code & 0xff, status = wsrt_sqlite_status(code);

    if (primary == SQLITE_READONLY || primary == SQLITE_PERM)
        status = WSRT_ERR_FORBIDDEN;
    if (primary == SQLITE_NOTADB)
        status = WSRT_ERR_MALFORMED;
    if (primary == SQLITE_ERROR) /* a table of ours is not there */
        return refuse(o, WSRT_ERR_CORRUPT, code, wsrt_sqlite_rule(SQLITE_CORRUPT));
    return refuse(o, status, code, wsrt_sqlite_rule(code));
}

static int refuse_errno(struct opening *o, int error)
{
    int status = error == ENOENT || error == ENOTDIR ? WSRT_ERR_NOT_FOUND
                 : error == EACCES || error == EPERM || error == EROFS || error == EISDIR
                     ? WSRT_ERR_FORBIDDEN
                     : WSRT_ERR_IO;

    return refuse(o, status, 0,
                  status == WSRT_ERR_NOT_FOUND ? "the directory does not exist" : strerror(error));
}

/* ---- the file ----------------------------------------------------------------------------- */

/* Makes the file for its owner alone. One that is there is not opened: closing it again would drop
 * the locks that this process may have on it. */
static int make_file(struct opening *o)
{
    int fd = open(o->s->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? WSRT_OK : refuse_errno(o, errno);
    close(fd);
    return WSRT_OK;
}

static int check_access(struct opening *o)
{
    return access(o->s->path, R_OK | W_OK) == 0 ? WSRT_OK : refuse_errno(o, errno);
}

/* ---- connections -------------------------------------------------------------------------- */

static int execute(struct opening *o, sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return WSRT_OK;
    return refuse_code(o, sqlite3_extended_errcode(db));
}

static int connect(struct opening *o, wsrt_sqlite_link *link)
{
    int64_t busy = o->opts->busy_ms == 0 ? DEFAULT_BUSY_MS : o->opts->busy_ms;
    int code =
        sqlite3_open_v2(o->s->path, &link->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK)
        return refuse_code(o, link->db == NULL ? code : sqlite3_extended_errcode(link->db));
    sqlite3_extended_result_codes(link->db, 1);
    o->s->writer.busy_ms = busy < 0 ? 0 : (int)busy;
    sqlite3_busy_timeout(link->db, o->s->writer.busy_ms);
    sqlite3_db_config(link->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(link->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return WSRT_OK;
}

/* The first row's first column. */
static int number(struct opening *o, sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        code = code == SQLITE_DONE ? SQLITE_CORRUPT : sqlite3_extended_errcode(db);
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? WSRT_OK : refuse_code(o, code);
}

/* Journal mode is told as text, and SQLite keeps the old one where it cannot have the new. Only when the
 * statement ends has it been written. */
static int write_ahead(struct opening *o, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &st, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    int ours = code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
    if (code == SQLITE_ROW)
        code = sqlite3_step(st);
    code = code == SQLITE_DONE ? SQLITE_OK : sqlite3_extended_errcode(db);
    sqlite3_finalize(st);
    if (code != SQLITE_OK)
        return refuse_code(o, code);
    return ours ? WSRT_OK
                : refuse(o, WSRT_ERR_UNSUPPORTED, 0, "this file system has no shared memory");
}

/* ---- whose it is, and how old ------------------------------------------------------------- */

static int judge(struct opening *o, sqlite3 *db, int64_t *version)
{
    int64_t application = 0, tables = 0;
    int rc = number(o, db, "PRAGMA application_id", &application);

    if (rc == WSRT_OK)
        rc = number(o, db, "PRAGMA user_version", version);
    if (rc == WSRT_OK)
        rc = number(o, db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != WSRT_OK)
        return rc;
    if (application == 0 && *version == 0 && tables == 0)
        return WSRT_OK;
    if (application != WSRT_SQLITE_APPLICATION || *version < 1)
        return refuse(o, WSRT_ERR_REJECTED, 0, "the database belongs to another program");
    if (*version > WSRT_SQLITE_VERSION)
        return refuse(o, WSRT_ERR_VERSION, 0, "the database was written by a newer release");
    return WSRT_OK;
}

static int step_up(struct opening *o, sqlite3 *db, int64_t version)
{
    char sql[96];
    int rc = execute(o, db, steps[version]);

    snprintf(sql, sizeof sql, "PRAGMA application_id=%d;PRAGMA user_version=%d",
             WSRT_SQLITE_APPLICATION, (int)version + 1);
    return rc != WSRT_OK ? rc : execute(o, db, sql);
}

/* Where the only row was lost, nothing would have to be written to wait for the disk. */
static const char identify[] = "INSERT INTO store SELECT random(),0 "
                               "WHERE NOT EXISTS(SELECT 1 FROM store)";

/* All steps or none; another process may have made them meanwhile. */
static int migrate(struct opening *o, sqlite3 *db)
{
    int64_t version = 0;
    int rc = execute(o, db, "PRAGMA synchronous=FULL;BEGIN IMMEDIATE");

    if (rc != WSRT_OK)
        return rc;
    rc = judge(o, db, &version);
    for (; rc == WSRT_OK && version < WSRT_SQLITE_VERSION; version++)
        rc = step_up(o, db, version);
    if (rc == WSRT_OK)
        rc = execute(o, db, identify);
    if (rc == WSRT_OK)
        rc = execute(o, db, "COMMIT");
    if (rc != WSRT_OK)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* What a run that was killed had committed, but not waited for, goes into the database now, or is made
 * durable with the next change that waits. */
static void take_over(wsrt_sqlite_store *s)
{
    int frames = 0, moved = 0;
    int code = sqlite3_wal_checkpoint_v2(s->writer.link.db, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                         &frames, &moved);

    s->writer.unsettled = code != SQLITE_OK || moved < frames;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int note_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
    wsrt_sqlite_store *s = arg;

    (void)db;
    (void)name;
    s->writer.frames = frames;
    return SQLITE_OK;
}

static int limit_pages(struct opening *o, sqlite3 *db)
{
    char sql[64];
    uint64_t pages = o->opts->max_bytes / PAGE;

    if (o->opts->max_bytes == 0 || pages > INT32_MAX)
        return WSRT_OK;
    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%d", pages == 0 ? 1 : (int)pages);
    return execute(o, db, sql);
}

static int open_writer(struct opening *o)
{
    wsrt_sqlite_link *link = &o->s->writer.link;
    int64_t version = 0;
    int rc = connect(o, link);

    if (rc == WSRT_OK)
        rc = judge(o, link->db, &version);
    if (rc == WSRT_OK)
        rc = write_ahead(o, link->db);
    if (rc == WSRT_OK)
        rc = limit_pages(o, link->db);
    if (rc == WSRT_OK)
        rc = migrate(o, link->db);
    if (rc == WSRT_OK)
        sqlite3_wal_hook(link->db, note_frames, o->s);
    if (rc == WSRT_OK)
        take_over(o->s);
    return rc;
}

static int take_stock(struct opening *o)
{
    wsrt_sqlite_store *s = o->s;
    int64_t identity = 0, records = 0, messages = 0, latest = 0;
    sqlite3 *db = s->reader.link.db;
    int rc = number(o, db, "SELECT identity FROM store", &identity);

    if (rc == WSRT_OK)
        rc = number(o, db, "SELECT count(*) FROM connection", &records);
    if (rc == WSRT_OK)
        rc = number(o, db, "SELECT count(*) FROM message", &messages);
    if (rc == WSRT_OK)
        rc = number(o, db, "SELECT count(*) FROM latest", &latest);
    s->identity = (uint64_t)identity;
    s->writer.counts =
        (wsrt_sqlite_counts){(uint64_t)records, (uint64_t)messages, (uint64_t)latest};
    return rc;
}

int wsrt_sqlite_open(wsrt_sqlite_store *s, const wsrt_sqlite_store_options *opts,
                     wsrt_sqlite_error *why)
{
    struct opening o = {s, opts, why};
    int rc = make_file(&o);

    if (rc == WSRT_OK)
        rc = check_access(&o);
    if (rc == WSRT_OK)
        rc = open_writer(&o);
    if (rc == WSRT_OK)
        rc = connect(&o, &s->reader.link);
    if (rc == WSRT_OK)
        rc = execute(&o, s->reader.link.db, "PRAGMA query_only=ON");
    return rc != WSRT_OK ? rc : take_stock(&o);
}
