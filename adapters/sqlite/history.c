#include "sqlite/internal.h"

#include <string.h>

enum { PRUNE_AT_ONCE = 64 };

/* The message that was listed last. */
struct place {
    uint64_t store;
    uint64_t session;
    int64_t timestamp;
    uint64_t length;
    char id[WSRT_MESSAGE_ID_MAX];
};

/* ---- storing ------------------------------------------------------------------------------ */

/* What is beyond the cap goes, a little at a time where the cap was lowered. */
static int prune(wsrt_sqlite_store *s)
{
    int rows = 0;

    if (s->writer.counts.messages <= s->max_messages)
        return WSRT_OK;
    uint64_t over = s->writer.counts.messages - s->max_messages;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_PRUNE);
    sqlite3_bind_int64(st, 1, over < PRUNE_AT_ONCE ? (int64_t)over : PRUNE_AT_ONCE);
    int rc = wsrt_sqlite_change(s, st, &rows);
    wsrt_sqlite_less(&s->writer.counts.messages, rows);
    return rc;
}

static int append_one(wsrt_sqlite_store *s, void *arg)
{
    const wsrt_history_entry *in = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_APPEND);
    int rows = 0;

    wsrt_sqlite_bind_text(st, 1, in->message_id);
    wsrt_sqlite_bind_text(st, 2, in->session_id);
    wsrt_sqlite_bind_text(st, 3, in->connection_id);
    wsrt_sqlite_bind_text(st, 4, in->user_id);
    wsrt_sqlite_bind_text(st, 5, in->content);
    sqlite3_bind_int(st, 6, in->author);
    sqlite3_bind_int64(st, 7, in->timestamp);
    sqlite3_bind_int64(st, 8, in->expires_at);
    int rc = wsrt_sqlite_change(s, st, &rows);
    s->writer.counts.messages += (uint64_t)rows;
    return rc != WSRT_OK ? rc : prune(s);
}

static int append(void *self, const wsrt_history_entry *entry)
{
    wsrt_history_entry in = {.struct_size = sizeof in};
    int rc = wsrt_history_entry_load(&in, entry);

    return rc != WSRT_OK ? rc : wsrt_sqlite_commit(self, append_one, &in, 0);
}

static int expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    wsrt_sqlite_store *s = self;
    wsrt_sqlite_expiry e = {.which = WSRT_SQL_EXPIRE_MESSAGES,
                            .count = &s->writer.counts.messages,
                            .now_s = now_s,
                            .limit = limit};

    return wsrt_sqlite_expire(s, &e, removed);
}

/* ---- listing ------------------------------------------------------------------------------ */

/* One page in the making. */
struct listing {
    wsrt_span session;
    int64_t now_s;
    wsrt_page page;
    struct place place;
    int at_end;
};

static int start(const wsrt_sqlite_store *s, struct listing *l, const wsrt_cursor *cursor)
{
    uint64_t hash = wsrt_walk_hash(l->session);
    struct place *p = &l->place;
    int rc = wsrt_cursor_open(cursor, p, sizeof *p);

    if (rc != WSRT_OK || p->length > sizeof p->id ||
        (cursor->length != 0 && (p->store != s->identity || p->session != hash)))
        return WSRT_ERR_INVALID;
    p->store = s->identity;
    p->session = hash;
    l->at_end = cursor->at_end != 0;
    return WSRT_OK;
}

static int emit(struct listing *l, sqlite3_stmt *st)
{
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .message_id = wsrt_sqlite_column(st, 0),
                            .session_id = wsrt_sqlite_column(st, 1),
                            .connection_id = wsrt_sqlite_column(st, 2),
                            .user_id = wsrt_sqlite_column(st, 3),
                            .content = wsrt_sqlite_column(st, 4),
                            .author = sqlite3_column_int(st, 5),
                            .timestamp = sqlite3_column_int64(st, 6),
                            .expires_at = sqlite3_column_int64(st, 7)};
    wsrt_span *const texts[] = {&e.message_id, &e.session_id, &e.connection_id, &e.user_id,
                                &e.content};

    if (e.message_id.len > WSRT_MESSAGE_ID_MAX || !wsrt_page_add(&l->page, &e, sizeof e, texts, 5))
        return 0;
    l->place.timestamp = e.timestamp;
    l->place.length = e.message_id.len;
    memcpy(l->place.id, e.message_id.ptr, e.message_id.len);
    return 1;
}

/* The cursor's text must not change under the statement: it is bound from a copy. */
static int read_page(wsrt_sqlite_store *s, struct listing *l)
{
    struct place from = l->place;
    int code, rc;
    sqlite3_stmt *st =
        wsrt_sqlite_reading(s, from.length == 0 ? WSRT_SQL_LIST : WSRT_SQL_LIST_ON, &rc);

    if (st == NULL)
        return rc;
    wsrt_sqlite_bind_text(st, 1, l->session);
    sqlite3_bind_int64(st, 2, l->now_s);
    if (from.length > 0) {
        sqlite3_bind_int64(st, 3, from.timestamp);
        wsrt_sqlite_bind_text(st, 4, (wsrt_span){from.id, (size_t)from.length});
    }
    do
        code = sqlite3_step(st);
    while (code == SQLITE_ROW && emit(l, st));
    rc = wsrt_sqlite_read_done(s, st, code);
    l->at_end = code == SQLITE_DONE;
    return rc == WSRT_OK && l->page.count == 0 && !l->at_end ? WSRT_ERR_LIMIT : rc;
}

static int list(void *self, const wsrt_span *session_id, wsrt_cursor *cursor, int64_t now_s,
                wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count)
{
    wsrt_sqlite_store *s = self;
    struct listing l = {.now_s = now_s};

    if (session_id == NULL || cursor == NULL || count == NULL ||
        !wsrt_adapter_fits(*session_id, 1, WSRT_MESSAGE_ID_MAX) ||
        wsrt_page_start(&l.page, out, sizeof *out, max) != WSRT_OK ||
        wsrt_page_text(&l.page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    l.session = *session_id;
    int rc = start(s, &l, cursor);
    if (rc == WSRT_OK && !l.at_end)
        rc = read_page(s, &l);
    if (rc != WSRT_OK)
        return rc;
    wsrt_cursor_keep(cursor, &l.place, sizeof l.place, l.at_end);
    *count = l.page.count;
    return WSRT_OK;
}

const wsrt_history_ops wsrt_sqlite_history_ops = {
    .struct_size = sizeof(wsrt_history_ops),
    .append = append,
    .list = list,
    .expire = expire,
};
