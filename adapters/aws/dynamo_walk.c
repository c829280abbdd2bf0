/* Walks over the connections of a table: Scan in shape A, Query on an index otherwise. */
#include "aws/dynamo.h"

#include <string.h>

/* The record that was shown last: its key, in the table and in the index. */
struct place {
    uint64_t store;
    uint64_t walk; /* 0 = all records, else the user's hash */
    int64_t connected_at;
    uint32_t shard; /* where the walk is */
    uint32_t length;
    char id[WSRT_CONNECTION_ID_MAX];
};

struct walk {
    wsrt_dynamo_pages pages;
    const wsrt_aws_tables *t;
    const wsrt_span *user; /* NULL = all records */
    uint32_t flags;
    int counts; /* only the number is asked for */
    int64_t now_s;
    wsrt_page page;
    struct place place;
    uint64_t found;
    char connected[WSRT_DYNAMO_CONNECTED];
};

/* ---- requests ------------------------------------------------------------------------------ */

static int is_scan(const struct walk *w)
{
    return w->t->shape == WSRT_AWS_SHAPE_A && w->user == NULL;
}

static void write_start(wsrt_json_writer *json, const struct walk *w)
{
    const struct place *p = &w->place;
    const wsrt_aws_tables *t = w->t;
    char connected[WSRT_DYNAMO_CONNECTED];

    wsrt_json_object(json);
    wsrt_dynamo_write_connection_key(json, t, (wsrt_span){p->id, p->length});
    if (t->shape == WSRT_AWS_SHAPE_B) {
        wsrt_dynamo_write_text(json, "connected", wsrt_dynamo_connected(t, p->shard, connected));
        wsrt_dynamo_write_number(json, "connectedAt", p->connected_at);
    } else if (w->user != NULL) {
        wsrt_dynamo_write_text(json, "userId", *w->user);
    }
    wsrt_json_object_end(json);
}

static void write_rest(wsrt_json_writer *json, const void *arg)
{
    const struct walk *w = arg;

    if (is_scan(w)) {
        wsrt_json_key(json, "ConsistentRead");
        wsrt_json_write_bool(json, 1);
    }
    if (w->counts) {
        wsrt_json_key(json, "Select");
        wsrt_json_string_cstr(json, "COUNT");
    } else {
        wsrt_json_key(json, "Limit");
        wsrt_json_write_uint64(json, w->pages.limit);
    }
    if (w->pages.below.len > 0 || w->place.length > 0)
        wsrt_json_key(json, "ExclusiveStartKey");
    if (w->pages.below.len > 0)
        wsrt_json_raw(json, w->pages.below);
    else if (w->place.length > 0)
        write_start(json, w);
}

/* Expressions by what is walked over. An alias that no expression uses is refused by DynamoDB. */
static const struct {
    const char *key_condition;
    const char *filter[2]; /* of everybody, of those who have signed in */
} expressions[] = {
    {NULL,
     {"begins_with(#p, :p) AND #p = #s AND (attribute_not_exists(#t) OR #t > :now)",
      "begins_with(#p, :p) AND #p = #s AND (attribute_not_exists(#t) OR #t > :now) AND "
      "attribute_exists(#u)"}},
    {"#u = :u", {"attribute_not_exists(#t) OR #t > :now", "attribute_not_exists(#t) OR #t > :now"}},
    {"#c = :c",
     {"attribute_not_exists(#t) OR #t > :now",
      "(attribute_not_exists(#t) OR #t > :now) AND attribute_exists(#u)"}},
    {"#c = :c",
     {"(attribute_not_exists(#t) OR #t > :now) AND #u = :u",
      "(attribute_not_exists(#t) OR #t > :now) AND #u = :u"}},
};

static void alias(wsrt_dynamo_request *q, const char *as, const char *name)
{
    size_t i = 0;

    while (q->names[i].alias != NULL)
        if (strcmp(q->names[i++].alias, as) == 0)
            return;
    q->names[i].alias = as;
    q->names[i].name = name;
}

static void value(wsrt_dynamo_request *q, wsrt_dynamo_value v)
{
    size_t i = 0;

    while (q->values[i].alias != NULL)
        i++;
    q->values[i] = v;
}

static void name_brief(wsrt_dynamo_request *q, const wsrt_aws_tables *t)
{
    q->projection = t->shape == WSRT_AWS_SHAPE_A ? "#p, #s, #u, #n, #a, #t" : "#p, #u, #n, #a, #t";
    alias(q, "#p", t->partition_key);
    if (t->shape == WSRT_AWS_SHAPE_A)
        alias(q, "#s", t->sort_key);
    alias(q, "#u", "userId");
    alias(q, "#n", "connectedAt");
    alias(q, "#a", "lastActiveAt");
}

static wsrt_dynamo_request request_of(const void *user)
{
    const struct walk *w = user;
    const wsrt_aws_tables *t = w->t;
    int in_b = t->shape == WSRT_AWS_SHAPE_B, signed_in = (w->flags & WSRT_EACH_SIGNED_IN) != 0;
    size_t kind = 2 * (size_t)in_b + (w->user != NULL);
    wsrt_dynamo_request q = {.operation = is_scan(w) ? "Scan" : "Query",
                             .table = t->connections,
                             .index = is_scan(w) ? NULL : t->index,
                             .key_condition = expressions[kind].key_condition,
                             .filter = expressions[kind].filter[signed_in],
                             .more = write_rest,
                             .arg = w};

    alias(&q, "#t", t->ttl);
    value(&q, (wsrt_dynamo_value){.alias = ":now", .type = "N", .number = w->now_s});
    if (is_scan(w)) {
        alias(&q, "#p", t->partition_key);
        alias(&q, "#s", t->sort_key);
        value(&q, (wsrt_dynamo_value){
                      .alias = ":p", .type = "S", .text = wsrt_span_cstr("CONNECTION#")});
    }
    if (in_b) {
        alias(&q, "#c", "connected");
        value(&q, (wsrt_dynamo_value){
                      .alias = ":c", .type = "S", .text = wsrt_span_cstr(w->connected)});
    }
    if (w->user != NULL)
        value(&q, (wsrt_dynamo_value){.alias = ":u", .type = "S", .text = *w->user});
    if (w->user != NULL || signed_in)
        alias(&q, "#u", "userId");
    if ((w->flags & WSRT_EACH_BRIEF) != 0 && !w->counts)
        name_brief(&q, t);
    return q;
}

/* ---- answers ------------------------------------------------------------------------------- */

/* The filters of the request said the same, but for what other writers mean by an expiry. */
static int is_wanted(const struct walk *w, const wsrt_record *r)
{
    if (r->expires_at != 0 && r->expires_at <= w->now_s)
        return 0;
    if (w->user != NULL && !wsrt_span_equal(r->user_id, *w->user))
        return 0;
    return (w->flags & WSRT_EACH_SIGNED_IN) == 0 || r->user_id.len > 0;
}

static void show(struct walk *w, wsrt_record *r)
{
    wsrt_span id = r->connection_id;
    wsrt_span *const texts[] = {&r->connection_id, &r->user_id, &r->principal, &r->source_ip,
                                &r->user_agent,    &r->filters, &r->node};

    if ((w->flags & WSRT_EACH_BRIEF) != 0) {
        r->principal = r->source_ip = r->user_agent = r->filters = r->node = (wsrt_span){NULL, 0};
        r->epoch = 0;
    }
    w->pages.full = !wsrt_page_add(&w->page, r, sizeof *r, texts, 7);
    if (w->pages.full)
        return;
    w->place.connected_at = r->connected_at;
    w->place.length = (uint32_t)id.len;
    memcpy(w->place.id, id.ptr, id.len);
}

static int take_items(struct walk *w, const wsrt_json *body)
{
    char text[WSRT_DYNAMO_RECORD_TEXT];
    wsrt_json items, item;
    wsrt_json_iter it = {0};
    wsrt_record r;
    int rc = wsrt_dynamo_items(body, &items);

    while (rc == WSRT_OK && !w->pages.full && wsrt_json_next(&items, &it, NULL, &item) == WSRT_OK)
        if (!wsrt_dynamo_read_record(w->t, &item, &r, text))
            wsrt_dynamo_skipped(w->t, w->t->connections);
        else if (is_wanted(w, &r))
            show(w, &r);
    return rc;
}

static int take_count(struct walk *w, const wsrt_json *body)
{
    wsrt_json count;
    uint64_t n;

    if (wsrt_json_find(body, wsrt_span_cstr("/Count"), &count) != WSRT_OK ||
        wsrt_json_uint64(&count, &n) != WSRT_OK)
        return WSRT_ERR_CORRUPT;
    w->found += n;
    return WSRT_OK;
}

static int take(void *user, const wsrt_json *body)
{
    struct walk *w = user;

    return w->counts ? take_count(w, body) : take_items(w, body);
}

static void enter_shard(struct walk *w)
{
    wsrt_span value = wsrt_dynamo_connected(w->t, w->place.shard, w->connected);

    memmove(w->connected, value.ptr, value.len);
    w->connected[value.len] = '\0';
}

static int next_shard(void *user)
{
    struct walk *w = user;

    if (w->place.shard + 1 >= w->t->shards)
        return 0;
    w->place.shard++;
    w->place.length = 0;
    enter_shard(w);
    return 1;
}

static int read_on(struct walk *w, wsrt_aws_tables *t, size_t max)
{
    wsrt_dynamo_pages_start(&w->pages, t, max);
    w->pages.ask = request_of;
    w->pages.take = take;
    w->pages.next = next_shard;
    enter_shard(w);
    return wsrt_dynamo_pages_read(&w->pages, w);
}

/* ---- the store's functions -------------------------------------------------------------------- */

static int start(struct walk *w, const wsrt_cursor *cursor)
{
    uint64_t store = wsrt_dynamo_identity(w->t, w->t->connections);
    uint64_t hash = w->user == NULL ? 0 : wsrt_walk_hash(*w->user) | 1;
    struct place *p = &w->place;
    int rc = wsrt_cursor_open(cursor, p, sizeof *p);

    if (rc != WSRT_OK || p->length > sizeof p->id ||
        (cursor->length != 0 && (p->store != store || p->walk != hash)))
        return WSRT_ERR_INVALID;
    p->store = store;
    p->walk = hash;
    w->pages.at_end = cursor->at_end != 0;
    return WSRT_OK;
}

int wsrt_dynamo_each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                     int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                     size_t *count)
{
    struct walk w = {.t = self, .user = user_id, .flags = flags, .now_s = now_s};

    if (cursor == NULL || count == NULL ||
        (flags & ~(uint32_t)(WSRT_EACH_BRIEF | WSRT_EACH_SIGNED_IN)) != 0 ||
        (user_id != NULL && !wsrt_adapter_fits(*user_id, 1, WSRT_USER_ID_MAX)) ||
        wsrt_page_start(&w.page, out, sizeof *out, max) != WSRT_OK ||
        wsrt_page_text(&w.page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    int rc = start(&w, cursor);
    if (rc == WSRT_OK)
        rc = read_on(&w, self, max);
    if (rc == WSRT_OK && w.pages.full && w.page.count == 0)
        rc = WSRT_ERR_LIMIT;
    if (rc != WSRT_OK)
        return rc;
    wsrt_cursor_keep(cursor, &w.place, sizeof w.place, w.pages.at_end);
    *count = w.page.count;
    return WSRT_OK;
}

int wsrt_dynamo_count(void *self, int64_t now_s, uint64_t *out)
{
    struct walk w = {.t = self, .now_s = now_s, .counts = 1};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    int rc = read_on(&w, self, 0);
    if (rc == WSRT_OK)
        *out = w.found;
    return rc;
}
