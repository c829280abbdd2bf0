/* The object, its readers, and what its troubles are called. */
#include "sqlite/internal.h"

#include "common/support.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_RECORDS ((uint64_t)4194304)
#define DEFAULT_MESSAGES ((uint64_t)100000)
#define DEFAULT_LATEST ((uint64_t)100000)
#define MOST ((uint64_t)1 << 31)

enum { LONGEST_PATH = 4000, LONGEST_BUSY_MS = 86400000, LAST_BUSY_MS = 250 };

/* ---- trouble ------------------------------------------------------------------------------ */

/* By the primary result code. */
static const struct trouble {
    int code;
    int status;
    const char *rule;
} troubles[] = {
    {SQLITE_BUSY, WSRT_ERR_UNAVAILABLE, "another process holds the database locked"},
    {SQLITE_LOCKED, WSRT_ERR_UNAVAILABLE, "another process holds the database locked"},
    {SQLITE_PROTOCOL, WSRT_ERR_UNAVAILABLE, "another process holds the database locked"},
    {SQLITE_NOMEM, WSRT_ERR_NOMEM, "not enough memory"},
    {SQLITE_CORRUPT, WSRT_ERR_CORRUPT, "the database is damaged"},
    {SQLITE_NOTADB, WSRT_ERR_CORRUPT, "the file is not an SQLite database"},
    {SQLITE_FULL, WSRT_ERR_IO, "no room is left: the disk is full, or max_bytes is reached"},
    {SQLITE_READONLY, WSRT_ERR_IO, "the file or its directory may not be written"},
    {SQLITE_PERM, WSRT_ERR_IO, "the file may not be used"},
    {SQLITE_CANTOPEN, WSRT_ERR_IO, "the file cannot be opened"},
    {SQLITE_IOERR, WSRT_ERR_IO, "the disk does not read or write"},
};

static const struct trouble *trouble_of(int code)
{
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
        if (troubles[i].code == (code & 0xff))
            return &troubles[i];
    return NULL;
}

int wsrt_sqlite_status(int code)
{
    const struct trouble *t = trouble_of(code);

    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return WSRT_OK;
    return t != NULL ? t->status : WSRT_ERR_INTERNAL;
}

const char *wsrt_sqlite_rule(int code)
{
    const struct trouble *t = trouble_of(code);

    return t != NULL ? t->rule : sqlite3_errstr(code);
}

void wsrt_sqlite_tell(wsrt_sqlite_store *s, atomic_int *state, int code, int refused)
{
    int now = refused ? WSRT_ERR_IO : wsrt_sqlite_status(code);

    if (atomic_load_explicit(state, memory_order_relaxed) == now ||
        atomic_exchange_explicit(state, now, memory_order_relaxed) == now || s->env.log == NULL)
        return;
    const char *rule =
        refused ? "the disk lost something; open the store anew" : wsrt_sqlite_rule(code);
    wsrt_field fields[] = {
        {.name_cstr = "path", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(s->path)},
        {.name_cstr = "error", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(rule)},
        {.name_cstr = "code", .kind = WSRT_FIELD_INT, .number = code}};
    if (now == WSRT_OK)
        s->env.log(s->env.user, WSRT_LEVEL_INFO, "store_recovered", fields, 1);
    else
        s->env.log(s->env.user, WSRT_LEVEL_ERROR, "store_failed", fields, 3);
}

/* ---- reading ------------------------------------------------------------------------------ */

sqlite3_stmt *wsrt_sqlite_reading(wsrt_sqlite_store *s, wsrt_sqlite_sql which, int *rc)
{
    pthread_mutex_lock(&s->reader.lock);
    sqlite3_stmt *st = wsrt_sqlite_statement(&s->reader.link, which);
    if (st == NULL)
        *rc = wsrt_sqlite_read_done(s, NULL, SQLITE_ERROR);
    return st;
}

int wsrt_sqlite_read_done(wsrt_sqlite_store *s, sqlite3_stmt *st, int code)
{
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        code = sqlite3_extended_errcode(s->reader.link.db);
    sqlite3_reset(st);
    pthread_mutex_unlock(&s->reader.lock);
    wsrt_sqlite_tell(s, &s->read_state, code, 0);
    return wsrt_sqlite_status(code);
}

/* ---- life --------------------------------------------------------------------------------- */

static int load_settings(wsrt_sqlite_store_options *o, const wsrt_sqlite_store_options *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_sqlite_store_options), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0 || sqlite3_threadsafe() == 0)
        return WSRT_ERR_UNSUPPORTED;
    if (o->busy_ms < -1 || o->busy_ms > LONGEST_BUSY_MS || o->max_records > MOST ||
        o->max_messages > MOST || o->max_latest > MOST ||
        (o->allocator.realloc == NULL && o->allocator.user != NULL))
        return WSRT_ERR_INVALID;
    o->max_records = o->max_records == 0 ? DEFAULT_RECORDS : o->max_records;
    o->max_messages = o->max_messages == 0 ? DEFAULT_MESSAGES : o->max_messages;
    o->max_latest = o->max_latest == 0 ? DEFAULT_LATEST : o->max_latest;
    return WSRT_OK;
}

/* A path of its own kind: SQLite would take ":memory:", "" and "file:…" for something else. */
static int keep_path(wsrt_sqlite_store *s, wsrt_span path)
{
    size_t before = path.ptr[0] == '/' ? 0 : 2, size = before + path.len + 1;

    s->path = wsrt_adapter_realloc(&s->allocator, NULL, 0, size);
    if (s->path == NULL)
        return WSRT_ERR_NOMEM;
    s->path_size = size;
    memcpy(s->path, "./", before);
    memcpy(s->path + before, path.ptr, path.len);
    s->path[before + path.len] = '\0';
    return WSRT_OK;
}

static void release(wsrt_sqlite_store *s)
{
    wsrt_allocator a = s->allocator;

    wsrt_sqlite_link_close(&s->reader.link);
    wsrt_sqlite_link_close(&s->writer.link);
    pthread_cond_destroy(&s->queue.done);
    pthread_mutex_destroy(&s->queue.lock);
    pthread_mutex_destroy(&s->reader.lock);
    wsrt_adapter_realloc(&a, s->path, s->path_size, 0);
    wsrt_adapter_realloc(&a, s, sizeof *s, 0);
}

static wsrt_sqlite_store *make(const wsrt_sqlite_store_options *o)
{
    wsrt_sqlite_store *s = wsrt_adapter_realloc(&o->allocator, NULL, 0, sizeof *s);

    if (s == NULL)
        return NULL;
    memset(s, 0, sizeof *s);
    s->allocator = o->allocator;
    s->max_records = o->max_records;
    s->max_messages = o->max_messages;
    s->max_latest = o->max_latest;
    s->writer.waits = -1;
    s->queue.last = &s->queue.first;
    pthread_mutex_init(&s->reader.lock, NULL);
    pthread_mutex_init(&s->queue.lock, NULL);
    pthread_cond_init(&s->queue.done, NULL);
    return s;
}

static int prepare(wsrt_sqlite_store *s, wsrt_span path, const wsrt_sqlite_store_options *o,
                   wsrt_sqlite_error *why)
{
    int rc = WSRT_OK;

    if (o->env != NULL)
        rc = wsrt_adapter_options(&s->env, sizeof s->env, sizeof(wsrt_env), o->env);
    if (rc == WSRT_OK)
        rc = keep_path(s, path);
    return rc != WSRT_OK ? rc : wsrt_sqlite_open(s, o, why);
}

static void explain(wsrt_sqlite_error *why, int rc)
{
    if (rc == WSRT_OK || why->text_len > 0)
        return;
    const char *text = rc == WSRT_ERR_NOMEM ? "not enough memory" : "settings that cannot be used";
    why->text_len = (uint32_t)snprintf(why->text, sizeof why->text, "%s", text);
}

int wsrt_sqlite_store_new(wsrt_sqlite_store **out, wsrt_span path,
                          const wsrt_sqlite_store_options *opts, wsrt_sqlite_error *why)
{
    wsrt_sqlite_store_options o;
    wsrt_sqlite_error own = {0};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load_settings(&o, opts);
    if (rc == WSRT_OK &&
        (!wsrt_adapter_fits(path, 1, LONGEST_PATH) || memchr(path.ptr, '\0', path.len) != NULL))
        rc = WSRT_ERR_INVALID;
    wsrt_sqlite_store *s = rc == WSRT_OK ? make(&o) : NULL;
    if (rc == WSRT_OK)
        rc = s == NULL ? WSRT_ERR_NOMEM : prepare(s, path, &o, &own);
    explain(&own, rc);
    if (rc == WSRT_OK)
        *out = s;
    else if (s != NULL)
        release(s);
    if (rc != WSRT_OK && why != NULL)
        *why = own;
    return rc;
}

void wsrt_sqlite_store_connections(wsrt_sqlite_store *s, wsrt_store *out)
{
    if (s != NULL && out != NULL)
        *out = (wsrt_store){&wsrt_sqlite_connection_ops, s};
}

void wsrt_sqlite_store_history(wsrt_sqlite_store *s, wsrt_history *out)
{
    if (s != NULL && out != NULL)
        *out = (wsrt_history){&wsrt_sqlite_history_ops, s};
}

void wsrt_sqlite_store_latest(wsrt_sqlite_store *s, wsrt_latest *out)
{
    if (s != NULL && out != NULL)
        *out = (wsrt_latest){&wsrt_sqlite_latest_ops, s};
}

void wsrt_sqlite_store_free(wsrt_sqlite_store *s)
{
    if (s == NULL)
        return;
    if (s->writer.unsettled) { /* the caller asked before, if it matters */
        if (s->writer.busy_ms > LAST_BUSY_MS)
            sqlite3_busy_timeout(s->writer.link.db, LAST_BUSY_MS);
        (void)wsrt_sqlite_settle(s);
    }
    release(s);
}
