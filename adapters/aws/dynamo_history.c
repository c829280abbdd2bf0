/* Messages in a table: a session is a partition, time and id its order. */
#include "aws/dynamo.h"

#include "common/support.h"

#include <string.h>

enum { MOST_AT_ONCE = 10000, WIDEN = 4 };

/* The message that was listed last. */
struct place {
    uint64_t store;
    uint64_t session;
    int64_t timestamp;
    uint64_t length;
    char id[WSRT_LONGEST_ID];
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
    wsrt_history_entry in;
    int rc = wsrt_adapter_entry(&in, entry);

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
    wsrt_aws_tables *t;
    wsrt_span session;
    int64_t now_s;
    int64_t deadline;
    wsrt_page page;
    struct place place;
    uint64_t limit;
    wsrt_span below; /* the service's own word for where to go on; empty = from the place */
    char *text;      /* of WSRT_DYNAMO_ENTRY_TEXT bytes */
    int full;
    int at_end;
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
    wsrt_json_write_uint64(w, l->limit);
    if (l->below.len == 0 && l->place.length == 0)
        return;
    wsrt_json_key(w, "ExclusiveStartKey");
    if (l->below.len > 0) {
        wsrt_json_raw(w, l->below);
        return;
    }
    wsrt_json_object(w);
    wsrt_dynamo_write_message_key(w, l->t, &last);
    wsrt_json_object_end(w);
}

static wsrt_dynamo_request request_of(const struct listing *l)
{
    return (wsrt_dynamo_request){.operation = "Query",
                                 .table = l->t->messages,
                                 .key_condition = "#s = :s",
                                 .filter = "attribute_not_exists(#t) OR #t > :now",
                                 .names = {{"#s", l->t->session_key}, {"#t", l->t->ttl}},
                                 .values = {{.alias = ":s", .type = "S", .text = l->session},
                                            {.alias = ":now", .type = "N", .number = l->now_s}},
                                 .more = write_rest,
                                 .arg = l,
                                 .deadline = l->deadline};
}

static void show(struct listing *l, wsrt_history_entry *e)
{
    wsrt_span id = e->message_id;
    wsrt_span *const texts[] = {&e->message_id, &e->session_id, &e->connection_id, &e->user_id,
                                &e->content};

    if (e->expires_at != 0 && e->expires_at <= l->now_s)
        return;
    l->full = !wsrt_page_add(&l->page, e, sizeof *e, texts, 5);
    if (l->full)
        return;
    l->place.timestamp = e->timestamp;
    l->place.length = id.len;
    memcpy(l->place.id, id.ptr, id.len);
}

static int take_items(struct listing *l, const wsrt_json *body)
{
    wsrt_json items, item;
    wsrt_json_iter it = {0};
    wsrt_history_entry e;

    if (wsrt_json_find(body, wsrt_span_cstr("/Items"), &items) != WSRT_OK ||
        items.kind != WSRT_JSON_ARRAY)
        return WSRT_ERR_CORRUPT;
    while (!l->full && wsrt_json_next(&items, &it, NULL, &item) == WSRT_OK)
        if (wsrt_dynamo_read_entry(l->t, &item, &e, l->text))
            show(l, &e);
        else
            wsrt_dynamo_skipped(l->t, l->t->messages);
    return WSRT_OK;
}

static void go_on(struct listing *l, const wsrt_json *body)
{
    wsrt_json last;

    l->limit = l->limit * WIDEN < MOST_AT_ONCE ? l->limit * WIDEN : MOST_AT_ONCE;
    l->at_end = wsrt_json_find(body, wsrt_span_cstr("/LastEvaluatedKey"), &last) != WSRT_OK ||
                last.kind != WSRT_JSON_OBJECT;
    if (!l->at_end)
        l->below = last.text;
}

static int read_on(struct listing *l)
{
    wsrt_aws_answer answer = {0}, before;
    int rc = WSRT_OK;

    while (rc == WSRT_OK && !l->full && !l->at_end) {
        wsrt_dynamo_request q = request_of(l);
        wsrt_json body;
        if (l->t->a->env.now(l->t->a->env.user) >= l->deadline) {
            rc = WSRT_ERR_TIMEOUT;
            break;
        }
        before = answer; /* holds the key to go on from */
        rc = wsrt_dynamo_ask(l->t, &q, &answer, &body);
        wsrt_aws_answer_free(l->t->a, &before);
        if (rc == WSRT_OK)
            rc = take_items(l, &body);
        if (rc == WSRT_OK && !l->full)
            go_on(l, &body);
    }
    wsrt_aws_answer_free(l->t->a, &answer);
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
    l->at_end = cursor->at_end != 0;
    return WSRT_OK;
}

static int read_page(struct listing *l)
{
    const wsrt_allocator *m = &l->t->a->allocator;

    l->text = wsrt_adapter_realloc(m, NULL, 0, WSRT_DYNAMO_ENTRY_TEXT);
    if (l->text == NULL)
        return WSRT_ERR_NOMEM;
    int rc = read_on(l);
    wsrt_adapter_realloc(m, l->text, WSRT_DYNAMO_ENTRY_TEXT, 0);
    return rc == WSRT_OK && l->full && l->page.count == 0 ? WSRT_ERR_LIMIT : rc;
}

static int list(void *self, const wsrt_span *session_id, wsrt_cursor *cursor, int64_t now_s,
                wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count)
{
    struct listing l = {.t = self, .now_s = now_s};

    if (session_id == NULL || cursor == NULL || count == NULL ||
        !wsrt_adapter_fits(*session_id, 1, WSRT_LONGEST_ID) ||
        wsrt_page_start(&l.page, out, sizeof *out, max) != WSRT_OK ||
        wsrt_page_text(&l.page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    l.session = *session_id;
    l.deadline = wsrt_dynamo_deadline(l.t);
    l.limit = max < MOST_AT_ONCE ? max + 1 : MOST_AT_ONCE;
    int rc = start(&l, cursor);
    if (rc == WSRT_OK && !l.at_end)
        rc = read_page(&l);
    if (rc != WSRT_OK)
        return rc;
    wsrt_cursor_keep(cursor, &l.place, sizeof l.place, l.at_end);
    *count = l.page.count;
    return WSRT_OK;
}

const wsrt_history_ops wsrt_dynamo_history_ops = {
    .struct_size = sizeof(wsrt_history_ops),
    .append = append,
    .list = list,
};
