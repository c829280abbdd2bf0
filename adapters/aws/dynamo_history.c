/* Messages in a table: a session is a partition, time and id its order. */
#include "aws/dynamo.h"

#include "common/support.h"

#include <string.h>

/* The message that was listed last. */
struct place {
    uint64_t store;
    uint64_t session;
    int64_t timestamp;
    uint64_t length;
    char id[WSRT_MESSAGE_ID_MAX];
};

/* ---- storing ------------------------------------------------------------------------------- */

struct storing {
    const wsrt_aws_tables *t;
    const wsrt_history_entry *entry;
};

static void write_item(wsrt_json_writer *w, const void *arg)
{
    const struct storing *s = arg;

    wsrt_json_key(w, "Item");
    wsrt_json_object(w);
    wsrt_dynamo_write_message_key(w, s->t, s->entry);
    wsrt_dynamo_write_entry(w, s->t, s->entry);
    wsrt_json_object_end(w);
}

static int append(void *self, const wsrt_history_entry *entry)
{
    wsrt_aws_tables *t = self;
    wsrt_history_entry in = {.struct_size = sizeof in};
    int rc = wsrt_history_entry_load(&in, entry);

    if (rc != WSRT_OK)
        return rc;
    if (!wsrt_dynamo_expiry_ok(in.expires_at) || !wsrt_dynamo_timestamp_ok(in.timestamp))
        return WSRT_ERR_INVALID;
    const struct storing s = {t, &in};
    const wsrt_dynamo_request q = {.operation = "PutItem",
                                   .table = t->messages,
                                   .condition = "attribute_not_exists(#s)",
                                   .names = {{"#s", t->session_key}},
                                   .more = write_item,
                                   .arg = &s,
                                   .deadline = wsrt_dynamo_deadline(t)};
    rc = wsrt_dynamo_tell(t, &q);
    return rc == WSRT_ERR_EXISTS ? WSRT_OK : rc; /* it is there already */
}

/* ---- listing ------------------------------------------------------------------------------- */

/* One page in the making. */
struct listing {
    wsrt_dynamo_pages pages;
    const wsrt_aws_tables *t;
    wsrt_span session;
    int64_t now_s;
    wsrt_page page;
    struct place place;
    char *text; /* of WSRT_DYNAMO_ENTRY_TEXT bytes */
};

static void write_rest(wsrt_json_writer *w, const void *arg)
{
    const struct listing *l = arg;
    const wsrt_history_entry last = {.session_id = l->session,
                                     .message_id = {l->place.id, (size_t)l->place.length},
                                     .timestamp = l->place.timestamp};

    wsrt_json_key(w, "ScanIndexForward");
    wsrt_json_write_bool(w, 0);
    wsrt_json_key(w, "ConsistentRead");
    wsrt_json_write_bool(w, 1);
    wsrt_json_key(w, "Limit");
    wsrt_json_write_uint64(w, l->pages.limit);
    if (l->pages.below.len == 0 && l->place.length == 0)
        return;
    wsrt_json_key(w, "ExclusiveStartKey");
    if (l->pages.below.len > 0) {
        wsrt_json_raw(w, l->pages.below);
        return;
    }
    wsrt_json_object(w);
    wsrt_dynamo_write_message_key(w, l->t, &last);
    wsrt_json_object_end(w);
}

static wsrt_dynamo_request request_of(const void *user)
{
    const struct listing *l = user;

    return (wsrt_dynamo_request){.operation = "Query",
                                 .table = l->t->messages,
                                 .key_condition = "#s = :s",
                                 .filter = "attribute_not_exists(#t) OR #t > :now",
                                 .names = {{"#s", l->t->session_key}, {"#t", l->t->ttl}},
                                 .values = {{.alias = ":s", .type = "S", .text = l->session},
                                            {.alias = ":now", .type = "N", .number = l->now_s}},
                                 .more = write_rest,
                                 .arg = l};
}

static void show(struct listing *l, wsrt_history_entry *e)
{
    wsrt_span id = e->message_id;
    wsrt_span *const texts[] = {&e->message_id, &e->session_id, &e->connection_id, &e->user_id,
                                &e->content};

    if (e->expires_at != 0 && e->expires_at <= l->now_s)
        return;
    l->pages.full = !wsrt_page_add(&l->page, e, sizeof *e, texts, 5);
    if (l->pages.full)
        return;
    l->place.timestamp = e->timestamp;
    l->place.length = id.len;
    memcpy(l->place.id, id.ptr, id.len);
}

static int take(void *user, const wsrt_json *body)
{
    struct listing *l = user;
    wsrt_json items, item;
    wsrt_json_iter it = {0};
    wsrt_history_entry e;
    int rc = wsrt_dynamo_items(body, &items);

    while (rc == WSRT_OK && !l->pages.full && wsrt_json_next(&items, &it, NULL, &item) == WSRT_OK)
        if (wsrt_dynamo_read_entry(l->t, &item, &e, l->text))
            show(l, &e);
        else
            wsrt_dynamo_skipped(l->t, l->t->messages);
    return rc;
}

static int start(struct listing *l, const wsrt_cursor *cursor)
{
    uint64_t store = wsrt_dynamo_identity(l->t, l->t->messages), hash = wsrt_walk_hash(l->session);
    struct place *p = &l->place;
    int rc = wsrt_cursor_open(cursor, p, sizeof *p);

    if (rc != WSRT_OK || p->length > sizeof p->id ||
        (cursor->length != 0 && (p->store != store || p->session != hash)))
        return WSRT_ERR_INVALID;
    p->store = store;
    p->session = hash;
    l->pages.at_end = cursor->at_end != 0;
    return WSRT_OK;
}

static int read_page(struct listing *l, wsrt_aws_tables *t, size_t max)
{
    const wsrt_allocator *m = &t->a->allocator;

    wsrt_dynamo_pages_start(&l->pages, t, max);
    l->pages.ask = request_of;
    l->pages.take = take;
    l->text = wsrt_adapter_realloc(m, NULL, 0, WSRT_DYNAMO_ENTRY_TEXT);
    if (l->text == NULL)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_dynamo_pages_read(&l->pages, l);
    wsrt_adapter_realloc(m, l->text, WSRT_DYNAMO_ENTRY_TEXT, 0);
    return rc == WSRT_OK && l->pages.full && l->page.count == 0 ? WSRT_ERR_LIMIT : rc;
}

static int list(void *self, const wsrt_span *session_id, wsrt_cursor *cursor, int64_t now_s,
                wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count)
{
    struct listing l = {.t = self, .now_s = now_s};

    if (session_id == NULL || cursor == NULL || count == NULL ||
        !wsrt_adapter_fits(*session_id, 1, WSRT_MESSAGE_ID_MAX) ||
        wsrt_page_start(&l.page, out, sizeof *out, max) != WSRT_OK ||
        wsrt_page_text(&l.page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    l.session = *session_id;
    int rc = start(&l, cursor);
    if (rc == WSRT_OK && !l.pages.at_end)
        rc = read_page(&l, self, max);
    if (rc != WSRT_OK)
        return rc;
    wsrt_cursor_keep(cursor, &l.place, sizeof l.place, l.pages.at_end);
    *count = l.page.count;
    return WSRT_OK;
}

const wsrt_history_ops wsrt_dynamo_history_ops = {
    .struct_size = sizeof(wsrt_history_ops),
    .append = append,
    .list = list,
};
