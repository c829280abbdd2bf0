/* Messages to one connection, to a user's, to all. */
#include "runtime/runtime_internal.h"

#include "base/options.h"
#include "sender/retry.h"
#include "sender/sender.h"

#include <string.h>

enum { PAGE = 64, PAGE_TEXT = 16384 };

/* Who gets the message next, and what became of it. */
struct receivers {
    wsrt_span ids[PAGE];
    int64_t connected_at[PAGE];
    int results[PAGE];
    size_t count;
};

/* A broadcast under way; on the stack of the sending thread. */
struct broadcast {
    wsrt_runtime *rt;
    const wsrt_audience *to;
    const wsrt_post *post;
    wsrt_delivery *report;
    struct wsrt_retry retry;
    struct receivers page;
    struct receivers late; /* were throttled; their ids are in `names` */
    char names[PAGE][WSRT_CONNECTION_ID_MAX];
    wsrt_record records[PAGE];
    char text[PAGE_TEXT];
};

void wsrt_forget_peer(wsrt_runtime *rt, wsrt_span id, int64_t connected_at)
{
    int rc = rt->store.ops->remove(rt->store.self, &id, connected_at);

    if (rc == WSRT_OK)
        wsrt_count(&rt->counts.stale_removed, 1);
    if (rc != WSRT_OK) {
        wsrt_field fields[] = {
            {.name_cstr = "connectionId", .kind = WSRT_FIELD_TEXT, .text = id},
            {.name_cstr = "error",
             .kind = WSRT_FIELD_TEXT,
             .text = wsrt_span_cstr(wsrt_status_name(rc))},
        };
        rt->env.log(rt->env.user, WSRT_LEVEL_WARN, "cleanup_failed", fields, 2);
    }
}

/* When somebody connected of whom that is not known; WSRT_ERR_NOT_FOUND: there is no record. */
static __attribute__((noinline)) int find_connected_at(const wsrt_runtime *rt, const wsrt_span *id,
                                                       int64_t wall, int64_t *out)
{
    wsrt_record r = {.struct_size = sizeof r};
    char text[PAGE_TEXT];
    int rc = rt->store.ops->get(rt->store.self, id, wall / 1000, &r, text, sizeof text);

    *out = r.connected_at;
    return rc;
}

/* Somebody whom a post did not find has left, unless he is just arriving. */
static void forget_gone(wsrt_runtime *rt, wsrt_span id, int64_t connected_at)
{
    if ((rt->transport.ops->flags & WSRT_SENDER_OPENS_LATE) != 0) {
        int64_t wall = rt->env.wall(rt->env.user);
        if (connected_at == 0 && find_connected_at(rt, &id, wall, &connected_at) != WSRT_OK)
            return; /* no record; or one that the next post, or time, removes */
        if (wsrt_sender_may_be_opening(&rt->transport, connected_at, wall))
            return;
    }
    wsrt_forget_peer(rt, id, connected_at);
}

static int check_post(const wsrt_runtime *rt, const wsrt_post *post, wsrt_post *out)
{
    int rc;

    if (rt == NULL || post == NULL)
        return WSRT_ERR_INVALID;
    rc = wsrt_options_load(out, sizeof *out, sizeof(wsrt_post), post);
    if (rc != WSRT_OK)
        return rc;
    if (out->data.ptr == NULL && out->data.len > 0)
        return WSRT_ERR_INVALID;
    if (rt->sender.ops == NULL)
        return WSRT_ERR_UNSUPPORTED;
    return out->data.len > rt->max_message ? WSRT_ERR_TOO_LARGE : WSRT_OK;
}

int wsrt_send(wsrt_runtime *rt, wsrt_span connection_id, const wsrt_post *post)
{
    wsrt_post p;
    int rc = check_post(rt, post, &p);

    if (rc != WSRT_OK)
        return rc;
    if (!wsrt_connection_id_valid(connection_id))
        return WSRT_ERR_INVALID;
    rc = wsrt_retry_post(&rt->sender, &rt->env, &connection_id, &p);
    if (rc == WSRT_ERR_GONE)
        forget_gone(rt, connection_id, 0);
    else if (rc != WSRT_OK)
        wsrt_count(&rt->counts.send_failures, 1);
    return rc;
}

static void keep_late(struct broadcast *b, wsrt_span id, int64_t connected_at)
{
    char *name = b->names[b->late.count];

    if (id.len > WSRT_CONNECTION_ID_MAX) { /* a store that breaks its contract */
        b->report->throttled++;
        return;
    }
    memmove(name, id.ptr, id.len);
    b->late.ids[b->late.count] = (wsrt_span){name, id.len};
    b->late.connected_at[b->late.count++] = connected_at;
}

static void count_results(struct broadcast *b, const struct receivers *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        switch (to->results[i]) {
        case WSRT_OK:
            b->report->sent++;
            break;
        case WSRT_ERR_GONE:
            b->report->gone++;
            forget_gone(b->rt, to->ids[i], to->connected_at[i]);
            break;
        case WSRT_ERR_THROTTLED:
            keep_late(b, to->ids[i], to->connected_at[i]);
            break;
        default:
            b->report->failed++;
        }
    }
}

static void try_each(const struct broadcast *b, struct receivers *to)
{
    wsrt_sender_post_many(&b->rt->sender, to->ids, to->count, b->post, to->results);
}

static void post_late(struct broadcast *b)
{
    b->retry.turn = 0; /* others wait now than before; the deadline is one for all */
    while (b->late.count > 0 && wsrt_retry_wait(&b->retry) == WSRT_OK) {
        size_t count = b->late.count;
        try_each(b, &b->late);
        b->late.count = 0;
        count_results(b, &b->late, count);
    }
    b->report->throttled += b->late.count;
    b->late.count = 0;
}

static void post_page(struct broadcast *b)
{
    if (b->late.count + b->page.count > PAGE)
        post_late(b);
    b->report->attempted += b->page.count;
    try_each(b, &b->page);
    count_results(b, &b->page, b->page.count);
}

static void choose(struct broadcast *b, size_t found)
{
    b->page.count = 0;
    for (size_t i = 0; i < found; i++) {
        const wsrt_record *r = &b->records[i];
        if (b->to->except.len > 0 && wsrt_span_equal(r->connection_id, b->to->except))
            continue;
        b->page.ids[b->page.count] = r->connection_id;
        b->page.connected_at[b->page.count++] = r->connected_at;
    }
}

static int walk(struct broadcast *b)
{
    const wsrt_audience *to = b->to;
    const wsrt_store *store = &b->rt->store;
    uint32_t flags = WSRT_EACH_BRIEF | (to->signed_in ? WSRT_EACH_SIGNED_IN : 0);
    int64_t now_s = b->rt->env.wall(b->rt->env.user) / 1000;
    wsrt_cursor cursor;

    memset(&cursor, 0, sizeof cursor);
    while (!cursor.at_end) {
        size_t found = 0;
        b->records[0].struct_size = sizeof b->records[0]; /* the stride of them all */
        int rc =
            store->ops->each(store->self, to->user_id.len > 0 ? &to->user_id : NULL, flags, &cursor,
                             now_s, b->records, PAGE, b->text, sizeof b->text, &found);
        if (rc != WSRT_OK)
            return rc;
        choose(b, found);
        if (b->page.count > 0)
            post_page(b);
    }
    return WSRT_OK;
}

/* Member by member: the rest is most of the bytes, and is written before it is read. */
static int deliver(wsrt_runtime *rt, const wsrt_audience *to, const wsrt_post *post,
                   wsrt_delivery *report)
{
    struct broadcast b;

    b.rt = rt;
    b.to = to;
    b.post = post;
    b.report = report;
    b.retry =
        (struct wsrt_retry){.sender = &rt->sender, .env = &rt->env, .deadline = post->deadline};
    b.late.count = 0;
    int rc = walk(&b);
    post_late(&b);
    return rc;
}

int wsrt_broadcast(wsrt_runtime *rt, const wsrt_audience *to, const wsrt_post *post,
                   wsrt_delivery *report)
{
    wsrt_delivery done = {.struct_size = sizeof done};
    wsrt_audience audience;
    wsrt_post p;
    int rc = check_post(rt, post, &p);

    if (rc == WSRT_OK)
        rc = wsrt_options_load(&audience, sizeof audience, sizeof(wsrt_audience), to);
    if (rc != WSRT_OK)
        return rc;
    if (report != NULL && wsrt_report_fill(report, sizeof done, sizeof done, &done) != WSRT_OK)
        return WSRT_ERR_INVALID;
    p.flags |= WSRT_POST_REPLY;
    rc = deliver(rt, &audience, &p, &done);
    wsrt_count(&rt->counts.send_failures, done.throttled + done.failed);
    if (report != NULL)
        (void)wsrt_report_fill(report, sizeof done, sizeof done, &done); /* size checked above */
    return rc;
}

int wsrt_send_user(wsrt_runtime *rt, wsrt_span user_id, const wsrt_post *post,
                   wsrt_delivery *report)
{
    wsrt_audience to = {.struct_size = sizeof to, .user_id = user_id};

    if (user_id.len == 0)
        return WSRT_ERR_INVALID;
    return wsrt_broadcast(rt, &to, post, report);
}

int wsrt_disconnect(wsrt_runtime *rt, wsrt_span connection_id, int code, wsrt_span reason)
{
    if (rt == NULL || !wsrt_connection_id_valid(connection_id))
        return WSRT_ERR_INVALID;
    if (rt->sender.ops == NULL || rt->sender.ops->disconnect == NULL)
        return WSRT_ERR_UNSUPPORTED;
    return rt->sender.ops->disconnect(rt->sender.self, &connection_id, code, &reason);
}
