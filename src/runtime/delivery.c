/* Messages to one connection, to a user's, to all. */
#include "runtime/runtime_internal.h"

#include "base/options.h"

#include <string.h>

enum { PAGE = 64, PAGE_TEXT = 16384 };

/* One page of a walk and what became of it; on the stack of the sending thread. */
struct page {
    wsrt_record records[PAGE];
    wsrt_span ids[PAGE];
    int64_t connected_at[PAGE];
    int results[PAGE];
    size_t count;
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
    rc = rt->sender.ops->post(rt->sender.self, &connection_id, &p);
    if (rc == WSRT_ERR_GONE)
        wsrt_forget_peer(rt, connection_id, 0);
    else if (rc != WSRT_OK)
        wsrt_count(&rt->counts.send_failures, 1);
    return rc;
}

static void post_page(wsrt_runtime *rt, struct page *page, const wsrt_post *post)
{
    const wsrt_sender *s = &rt->sender;

    if (s->ops->post_many != NULL) {
        int rc = s->ops->post_many(s->self, page->ids, page->count, post, page->results);
        if (rc == WSRT_OK)
            return;
        for (size_t i = 0; i < page->count; i++)
            page->results[i] = rc;
        return;
    }
    for (size_t i = 0; i < page->count; i++)
        page->results[i] = s->ops->post(s->self, &page->ids[i], post);
}

static void count_page(wsrt_runtime *rt, const struct page *page, wsrt_delivery *report)
{
    report->attempted += page->count;
    for (size_t i = 0; i < page->count; i++) {
        switch (page->results[i]) {
        case WSRT_OK:
            report->sent++;
            break;
        case WSRT_ERR_GONE:
            report->gone++;
            wsrt_forget_peer(rt, page->ids[i], page->connected_at[i]);
            break;
        case WSRT_ERR_THROTTLED:
            report->throttled++;
            break;
        default:
            report->failed++;
        }
    }
}

static void choose(struct page *page, size_t found, const wsrt_audience *to)
{
    page->count = 0;
    for (size_t i = 0; i < found; i++) {
        const wsrt_record *r = &page->records[i];
        if (to->except.len > 0 && wsrt_span_equal(r->connection_id, to->except))
            continue;
        page->ids[page->count] = r->connection_id;
        page->connected_at[page->count++] = r->connected_at;
    }
}

static int walk(wsrt_runtime *rt, const wsrt_audience *to, const wsrt_post *post,
                wsrt_delivery *report)
{
    uint32_t flags = WSRT_EACH_BRIEF | (to->signed_in ? WSRT_EACH_SIGNED_IN : 0);
    int64_t now_s = rt->env.wall(rt->env.user) / 1000;
    wsrt_cursor cursor;
    struct page page;

    memset(&cursor, 0, sizeof cursor);
    while (!cursor.at_end) {
        size_t found = 0;
        page.records[0].struct_size = sizeof page.records[0]; /* the stride of them all */
        int rc = rt->store.ops->each(rt->store.self, to->user_id.len > 0 ? &to->user_id : NULL,
                                     flags, &cursor, now_s, page.records, PAGE, page.text,
                                     sizeof page.text, &found);
        if (rc != WSRT_OK)
            return rc;
        choose(&page, found, to);
        if (page.count == 0)
            continue;
        post_page(rt, &page, post);
        count_page(rt, &page, report);
    }
    return WSRT_OK;
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
    rc = walk(rt, &audience, &p, &done);
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
