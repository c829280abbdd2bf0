#include "sqlite/internal.h"

#include "common/support.h"

enum { LARGEST = 4096 }; /* entry of any release */

/* ---- changing ----------------------------------------------------------------------------- */

static int put_one(wsrt_sqlite_store *s, void *arg)
{
    const wsrt_latest_entry *in = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_FIND_LATEST);
    int64_t timestamp = 0;

    wsrt_sqlite_bind_blob(st, 1, in->key);
    int rc = wsrt_sqlite_ask(s, st, &timestamp);
    int is_new = rc == WSRT_ERR_NOT_FOUND;
    if (rc != WSRT_OK && !is_new)
        return rc;
    if (!is_new && timestamp > in->timestamp)
        return WSRT_STALE;
    if (is_new && s->writer.counts.latest >= s->max_latest)
        return WSRT_ERR_LIMIT;
    st = wsrt_sqlite_writing(s, is_new ? WSRT_SQL_INSERT_LATEST : WSRT_SQL_REPLACE_LATEST);
    wsrt_sqlite_bind_blob(st, 1, in->key);
    wsrt_sqlite_bind_blob(st, 2, in->value);
    sqlite3_bind_int64(st, 3, in->timestamp);
    rc = wsrt_sqlite_change(s, st, NULL);
    s->writer.counts.latest += is_new && rc == WSRT_OK;
    return rc;
}

static int put(void *self, const wsrt_latest_entry *entry)
{
    wsrt_latest_entry in = {.struct_size = sizeof in};
    int rc = wsrt_latest_entry_load(&in, entry);

    if (rc != WSRT_OK)
        return rc;
    if (in.flags != 0)
        return WSRT_ERR_INVALID;
    return wsrt_sqlite_commit(self, put_one, &in, 0);
}

static int remove_one(wsrt_sqlite_store *s, void *arg)
{
    const wsrt_latest_entry *in = arg;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, WSRT_SQL_FIND_LATEST);
    int64_t timestamp = 0;

    wsrt_sqlite_bind_blob(st, 1, in->key);
    int rc = wsrt_sqlite_ask(s, st, &timestamp);
    if (rc != WSRT_OK)
        return rc == WSRT_ERR_NOT_FOUND ? WSRT_OK : rc;
    if (timestamp > in->timestamp)
        return WSRT_STALE;
    st = wsrt_sqlite_writing(s, WSRT_SQL_REMOVE_LATEST);
    wsrt_sqlite_bind_blob(st, 1, in->key);
    rc = wsrt_sqlite_change(s, st, NULL);
    wsrt_sqlite_less(&s->writer.counts.latest, rc == WSRT_OK);
    return rc;
}

static int forget(void *self, const wsrt_span *key, int64_t timestamp)
{
    if (key == NULL || !wsrt_adapter_fits(*key, 1, WSRT_LATEST_KEY_MAX))
        return WSRT_ERR_INVALID;
    wsrt_latest_entry in = {.struct_size = sizeof in, .key = *key, .timestamp = timestamp};
    return wsrt_sqlite_commit(self, remove_one, &in, 0);
}

/* ---- many at once ------------------------------------------------------------------------- */

struct batch {
    const wsrt_latest_entry *entries;
    size_t n;
    size_t stride;
    int *results;
};

static int load(const wsrt_latest_entry *given, size_t stride, wsrt_latest_entry *in)
{
    if (given->struct_size != (uint32_t)stride)
        return WSRT_ERR_INVALID;
    *in = (wsrt_latest_entry){.struct_size = sizeof *in};
    return wsrt_latest_entry_load(in, given);
}

/* What one of them asks in vain does not hurt the others; trouble ends the transaction. */
static int change_all(wsrt_sqlite_store *s, void *arg)
{
    const struct batch *b = arg;

    for (size_t i = 0; i < b->n && s->writer.trouble == 0; i++) {
        const char *at = (const char *)b->entries + i * b->stride;
        wsrt_latest_entry in;
        int rc = load((const wsrt_latest_entry *)(const void *)at, b->stride, &in);
        if (rc == WSRT_OK)
            rc = (in.flags & WSRT_LATEST_REMOVED) != 0 ? remove_one(s, &in) : put_one(s, &in);
        b->results[i] = rc;
    }
    return WSRT_OK;
}

static int change(void *self, const wsrt_latest_entry *entries, size_t n, int *results)
{
    if (n == 0)
        return WSRT_OK;
    if (entries == NULL || results == NULL || entries->struct_size < sizeof *entries ||
        entries->struct_size > LARGEST || entries->struct_size % 8 != 0)
        return WSRT_ERR_INVALID;
    struct batch b = {entries, n, entries->struct_size, results};
    return wsrt_sqlite_commit(self, change_all, &b, 0);
}

/* ---- walking ------------------------------------------------------------------------------ */

/* The value that was shown last. Its size tells it from the places of other walks. */
struct place {
    uint64_t store;
    int64_t seq;
};

static int emit(sqlite3_stmt *st, wsrt_page *page, struct place *p)
{
    wsrt_latest_entry e = {.struct_size = sizeof e,
                           .key = wsrt_sqlite_column(st, 1),
                           .value = wsrt_sqlite_column(st, 2),
                           .timestamp = sqlite3_column_int64(st, 3)};
    wsrt_span *const texts[] = {&e.key, &e.value};

    if (!wsrt_page_add(page, &e, sizeof e, texts, 2))
        return 0;
    p->seq = sqlite3_column_int64(st, 0);
    return 1;
}

static int read_page(wsrt_sqlite_store *s, wsrt_page *page, struct place *p, int *at_end)
{
    int rc, code;
    sqlite3_stmt *st = wsrt_sqlite_reading(s, WSRT_SQL_EACH_LATEST, &rc);

    if (st == NULL)
        return rc;
    sqlite3_bind_int64(st, 1, p->seq);
    do
        code = sqlite3_step(st);
    while (code == SQLITE_ROW && emit(st, page, p));
    rc = wsrt_sqlite_read_done(s, st, code);
    *at_end = code == SQLITE_DONE;
    return rc == WSRT_OK && page->count == 0 && !*at_end ? WSRT_ERR_LIMIT : rc;
}

static int each(void *self, wsrt_cursor *cursor, wsrt_latest_entry *out, size_t max, char *buf,
                size_t cap, size_t *count)
{
    wsrt_sqlite_store *s = self;
    struct place p = {0};
    wsrt_page page;

    if (cursor == NULL || count == NULL ||
        wsrt_page_start(&page, out, sizeof *out, max) != WSRT_OK ||
        wsrt_page_text(&page, buf, cap) != WSRT_OK ||
        wsrt_cursor_open(cursor, &p, sizeof p) != WSRT_OK ||
        (cursor->length != 0 && p.store != s->identity))
        return WSRT_ERR_INVALID;
    int at_end = cursor->at_end != 0;
    int rc = at_end ? WSRT_OK : read_page(s, &page, &p, &at_end);
    if (rc != WSRT_OK)
        return rc;
    p.store = s->identity;
    wsrt_cursor_keep(cursor, &p, sizeof p, at_end);
    *count = page.count;
    return WSRT_OK;
}

const wsrt_latest_ops wsrt_sqlite_latest_ops = {
    .struct_size = sizeof(wsrt_latest_ops),
    .put = put,
    .remove = forget,
    .each = each,
    .change = change,
};
