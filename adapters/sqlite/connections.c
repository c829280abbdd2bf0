#include "sqlite/internal.h"

enum { MAKE_ROOM = 16 };

/* ---- single records ----------------------------------------------------------------------- */

struct storing {
    wsrt_record in;
    int if_absent;
    int64_t now_s;
};

static wsrt_sqlite_expiry expiry(wsrt_sqlite_store *s, int64_t now_s, size_t limit)
{
    return (wsrt_sqlite_expiry){.which = WSRT_SQL_EXPIRE,
                                .count = &s->writer.counts.records,
                                .now_s = now_s,
                                .limit = limit};
}

/* Room for one more record. */
static int make_room(wsrt_sqlite_store *s, int64_t now_s)
{
    wsrt_sqlite_expiry e = expiry(s, now_s, MAKE_ROOM);

    if (s->writer.counts.records < s->max_records)
        return WSRT_OK;
    int rc = wsrt_sqlite_expire_some(s, &e);
    if (rc == WSRT_OK && s->writer.counts.records >= s->max_records)
        rc = WSRT_ERR_LIMIT;
    return rc;
}

static int write_record(wsrt_sqlite_store *s, const wsrt_record *in, wsrt_sqlite_sql which)
{
    sqlite3_stmt *st = wsrt_sqlite_writing(s, which);

    wsrt_sqlite_bind_text(st, 1, in->connection_id);
    wsrt_sqlite_bind_text(st, 2, in->user_id);
    sqlite3_bind_int64(st, 3, in->connected_at);
    sqlite3_bind_int64(st, 4, in->last_active_at);
    sqlite3_bind_int64(st, 5, in->expires_at);
    sqlite3_bind_int64(st, 6, in->epoch);
    wsrt_sqlite_bind_text(st, 7, in->source_ip);
    wsrt_sqlite_bind_text(st, 8, in->user_agent);
    wsrt_sqlite_bind_text(st, 9, in->node);
    wsrt_sqlite_bind_blob(st, 10, in->principal);
    wsrt_sqlite_bind_blob(st, 11, in->filters);
    return wsrt_sqlite_change(s, st, NULL);
}

static int put_one(wsrt_sqlite_store *s, void *arg)
{
    const struct storing *p = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_FIND);
    int64_t expires_at = 0;

    wsrt_sqlite_bind_text(st, 1, p->in.connection_id);
    int rc = wsrt_sqlite_ask(s, st, &expires_at);
    if (rc == WSRT_OK && p->if_absent && (expires_at == 0 || expires_at > p->now_s))
        return WSRT_ERR_EXISTS;
    if (rc != WSRT_ERR_NOT_FOUND)
        return rc != WSRT_OK ? rc : write_record(s, &p->in, WSRT_SQL_REPLACE);
    rc = make_room(s, p->now_s);
    if (rc == WSRT_OK)
        rc = write_record(s, &p->in, WSRT_SQL_INSERT);
    s->writer.counts.records += rc == WSRT_OK;
    return rc;
}

static int put(void *self, const wsrt_record *record, int if_absent, int64_t now_s)
{
    struct storing p = {.in = {.struct_size = sizeof p.in}, .if_absent = if_absent, .now_s = now_s};
    int rc = wsrt_record_load(&p.in, record);

    return rc != WSRT_OK ? rc : wsrt_sqlite_commit(self, put_one, &p, 0);
}

/* What a change of one record needs; not all of them need everything. */
struct change {
    wsrt_span id;
    wsrt_span user_id;
    wsrt_span bytes;
    int64_t time;
    int64_t expires_at;
};

static int found(int rc, int rows)
{
    return rc == WSRT_OK && rows == 0 ? WSRT_ERR_NOT_FOUND : rc;
}

static int remove_one(wsrt_sqlite_store *s, void *arg)
{
    const struct change *c = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_REMOVE);
    int rows = 0;

    wsrt_sqlite_bind_text(st, 1, c->id);
    sqlite3_bind_int64(st, 2, c->time);
    int rc = wsrt_sqlite_change(s, st, &rows);
    wsrt_sqlite_less(&s->writer.counts.records, rows);
    return rc;
}

static int remove_record(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    if (!wsrt_adapter_id_ok(id))
        return WSRT_ERR_INVALID;
    struct change c = {.id = *id, .time = if_connected_at};
    return wsrt_sqlite_commit(self, remove_one, &c, 0);
}

/* Whole seconds since 1970, rounded down. */
static int64_t seconds_of(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

static int touch_one(wsrt_sqlite_store *s, void *arg)
{
    const struct change *c = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_TOUCH);
    int rows = 0;

    wsrt_sqlite_bind_text(st, 1, c->id);
    sqlite3_bind_int64(st, 2, c->time);
    sqlite3_bind_int64(st, 3, c->expires_at);
    sqlite3_bind_int64(st, 4, seconds_of(c->time));
    int rc = wsrt_sqlite_change(s, st, &rows);
    return found(rc, rows);
}

static int touch(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at)
{
    if (!wsrt_adapter_id_ok(id))
        return WSRT_ERR_INVALID;
    struct change c = {.id = *id, .time = last_active_at, .expires_at = expires_at};
    return wsrt_sqlite_commit(self, touch_one, &c, 1);
}

static int set_principal_of(wsrt_sqlite_store *s, void *arg)
{
    const struct change *c = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_SET_PRINCIPAL);
    int rows = 0;

    wsrt_sqlite_bind_text(st, 1, c->id);
    wsrt_sqlite_bind_text(st, 2, c->user_id);
    wsrt_sqlite_bind_blob(st, 3, c->bytes);
    int rc = wsrt_sqlite_change(s, st, &rows);
    return found(rc, rows);
}

static int set_principal(void *self, const wsrt_span *id, const wsrt_span *user_id,
                         const wsrt_span *principal)
{
    if (!wsrt_adapter_id_ok(id) || user_id == NULL || principal == NULL ||
        !wsrt_adapter_fits(*user_id, 0, WSRT_USER_ID_MAX) ||
        !wsrt_adapter_fits(*principal, 0, WSRT_PRINCIPAL_MAX))
        return WSRT_ERR_INVALID;
    struct change c = {.id = *id, .user_id = *user_id, .bytes = *principal};
    return wsrt_sqlite_commit(self, set_principal_of, &c, 0);
}

static int set_filters_of(wsrt_sqlite_store *s, void *arg)
{
    const struct change *c = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_SET_FILTERS);
    int rows = 0;

    wsrt_sqlite_bind_text(st, 1, c->id);
    wsrt_sqlite_bind_blob(st, 2, c->bytes);
    int rc = wsrt_sqlite_change(s, st, &rows);
    return found(rc, rows);
}

static int set_filters(void *self, const wsrt_span *id, const wsrt_span *filters)
{
    if (!wsrt_adapter_id_ok(id) || filters == NULL ||
        !wsrt_adapter_fits(*filters, 0, WSRT_FILTERS_MAX))
        return WSRT_ERR_INVALID;
    struct change c = {.id = *id, .bytes = *filters};
    return wsrt_sqlite_commit(self, set_filters_of, &c, 0);
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The record in a statement's row. */
static wsrt_record view_of(sqlite3_stmt *st, int brief)
{
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = wsrt_sqlite_column(st, 1),
                     .user_id = wsrt_sqlite_column(st, 2),
                     .connected_at = sqlite3_column_int64(st, 3),
                     .last_active_at = sqlite3_column_int64(st, 4),
                     .expires_at = sqlite3_column_int64(st, 5)};

    if (brief)
        return r;
    r.epoch = sqlite3_column_int64(st, 6);
    r.source_ip = wsrt_sqlite_column(st, 7);
    r.user_agent = wsrt_sqlite_column(st, 8);
    r.node = wsrt_sqlite_column(st, 9);
    r.principal = wsrt_sqlite_column(st, 10);
    r.filters = wsrt_sqlite_column(st, 11);
    return r;
}

static int emit(sqlite3_stmt *st, int brief, wsrt_page *page)
{
    wsrt_record r = view_of(st, brief);
    wsrt_span *const texts[] = {&r.connection_id, &r.user_id, &r.principal, &r.source_ip,
                                &r.user_agent,    &r.filters, &r.node};

    return wsrt_page_add(page, &r, sizeof r, texts, 7);
}

static int get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
               size_t cap)
{
    wsrt_page page;
    int rc, fits = 0;

    if (!wsrt_adapter_id_ok(id) || wsrt_page_start(&page, out, sizeof *out, 1) != WSRT_OK ||
        wsrt_page_text(&page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    sqlite3_stmt *st = wsrt_sqlite_reading(self, WSRT_SQL_GET, &rc);
    if (st == NULL)
        return rc;
    wsrt_sqlite_bind_text(st, 1, *id);
    sqlite3_bind_int64(st, 2, now_s);
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        fits = emit(st, 0, &page);
    rc = wsrt_sqlite_read_done(self, st, code);
    if (rc != WSRT_OK || fits)
        return rc;
    return code == SQLITE_ROW ? WSRT_ERR_LIMIT : WSRT_ERR_NOT_FOUND;
}

/* ---- walks -------------------------------------------------------------------------------- */

/* The record that was shown last. */
struct place {
    uint64_t store;
    uint64_t walk; /* 0 = all records, else the user's hash */
    int64_t seq;
};

struct walk {
    const wsrt_span *user; /* NULL = all records */
    uint32_t flags;
    int64_t now_s;
    wsrt_page page;
    struct place place;
    int at_end;
};

static int start(const wsrt_sqlite_store *s, struct walk *w, const wsrt_cursor *cursor)
{
    uint64_t hash = w->user == NULL ? 0 : wsrt_walk_hash(*w->user) | 1;
    int rc = wsrt_cursor_open(cursor, &w->place, sizeof w->place);

    if (rc != WSRT_OK ||
        (cursor->length != 0 && (w->place.store != s->identity || w->place.walk != hash)))
        return WSRT_ERR_INVALID;
    w->place.store = s->identity;
    w->place.walk = hash;
    w->at_end = cursor->at_end != 0;
    return WSRT_OK;
}

static wsrt_sqlite_sql statement_of(const struct walk *w)
{
    if (w->user != NULL)
        return w->flags & WSRT_EACH_BRIEF ? WSRT_SQL_EACH_OF_USER_BRIEF : WSRT_SQL_EACH_OF_USER;
    return w->flags & WSRT_EACH_BRIEF ? WSRT_SQL_EACH_BRIEF : WSRT_SQL_EACH;
}

static int read_page(wsrt_sqlite_store *s, struct walk *w)
{
    int rc, code, brief = (w->flags & WSRT_EACH_BRIEF) != 0;
    sqlite3_stmt *st = wsrt_sqlite_reading(s, statement_of(w), &rc);

    if (st == NULL)
        return rc;
    sqlite3_bind_int64(st, 1, w->place.seq);
    sqlite3_bind_int64(st, 2, w->now_s);
    if (w->user == NULL)
        sqlite3_bind_int(st, 3, (w->flags & WSRT_EACH_SIGNED_IN) != 0);
    else
        wsrt_sqlite_bind_text(st, 4, *w->user);
    while ((code = sqlite3_step(st)) == SQLITE_ROW && emit(st, brief, &w->page))
        w->place.seq = sqlite3_column_int64(st, 0);
    rc = wsrt_sqlite_read_done(s, st, code);
    w->at_end = code == SQLITE_DONE;
    return rc == WSRT_OK && w->page.count == 0 && !w->at_end ? WSRT_ERR_LIMIT : rc;
}

static int each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap, size_t *count)
{
    wsrt_sqlite_store *s = self;
    struct walk w = {.user = user_id, .flags = flags, .now_s = now_s};

    if (cursor == NULL || count == NULL ||
        (flags & ~(uint32_t)(WSRT_EACH_BRIEF | WSRT_EACH_SIGNED_IN)) != 0 ||
        (user_id != NULL && !wsrt_adapter_fits(*user_id, 1, WSRT_USER_ID_MAX)) ||
        wsrt_page_start(&w.page, out, sizeof *out, max) != WSRT_OK ||
        wsrt_page_text(&w.page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    int rc = start(s, &w, cursor);
    if (rc == WSRT_OK && !w.at_end)
        rc = read_page(s, &w);
    if (rc != WSRT_OK)
        return rc;
    wsrt_cursor_keep(cursor, &w.place, sizeof w.place, w.at_end);
    *count = w.page.count;
    return WSRT_OK;
}

/* ---- maintenance -------------------------------------------------------------------------- */

static int count_live(void *self, int64_t now_s, uint64_t *out)
{
    int rc;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    sqlite3_stmt *st = wsrt_sqlite_reading(self, WSRT_SQL_COUNT_LIVE, &rc);
    if (st == NULL)
        return rc;
    sqlite3_bind_int64(st, 1, now_s);
    int code = sqlite3_step(st);
    uint64_t live = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    rc = wsrt_sqlite_read_done(self, st, code);
    if (rc == WSRT_OK)
        *out = live;
    return rc;
}

static int expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    wsrt_sqlite_expiry e = expiry(self, now_s, limit);

    return wsrt_sqlite_expire(self, &e, removed);
}

static int flush(void *self)
{
    return wsrt_sqlite_settle(self);
}

const wsrt_store_ops wsrt_sqlite_connection_ops = {
    .struct_size = sizeof(wsrt_store_ops),
    .put = put,
    .get = get,
    .remove = remove_record,
    .touch = touch,
    .set_principal = set_principal,
    .set_filters = set_filters,
    .each = each,
    .count = count_live,
    .expire = expire,
    .flush = flush,
};

/* ---- a run that was killed ---------------------------------------------------------------- */

struct purge {
    wsrt_span node;
    int64_t epoch;
    int rows;
};

static int purge_node(wsrt_sqlite_store *s, void *arg)
{
    struct purge *p = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_PURGE);

    wsrt_sqlite_bind_text(st, 1, p->node);
    sqlite3_bind_int64(st, 2, p->epoch);
    int rc = wsrt_sqlite_change(s, st, &p->rows);
    if (rc == WSRT_OK)
        wsrt_sqlite_less(&s->writer.counts.records, p->rows);
    return rc;
}

int wsrt_sqlite_store_purge(wsrt_sqlite_store *s, wsrt_span node, int64_t epoch, uint64_t *removed)
{
    struct purge p = {node, epoch, 0};

    if (s == NULL || !wsrt_adapter_fits(node, 0, WSRT_NODE_MAX))
        return WSRT_ERR_INVALID;
    int rc = wsrt_sqlite_commit(s, purge_node, &p, 0);
    if (rc == WSRT_OK && removed != NULL)
        *removed = (uint64_t)p.rows;
    return rc;
}
