/* Sessions between the runtime and its sender: numbered messages, the route that resumes, and records
 * that stay while a client is away. */
#include "runtime/runtime_internal.h"

#include "resume/resume.h"
#include "sender/sender.h"

#include <string.h>

enum { MANY = 64, TRY_LATER = 1013, MOVED = 4500, OWN_ID = 128 };

/* ---- the sender that numbers ---- */

struct through {
    const wsrt_runtime *rt;
    uint32_t flags;
    int64_t deadline;
};

static int send_on(const wsrt_span *id, wsrt_span message, void *user)
{
    const struct through *t = user;
    const wsrt_sender *s = &t->rt->transport;
    wsrt_post post = {
        .struct_size = sizeof post, .flags = t->flags, .data = message, .deadline = t->deadline};

    return s->ops->post(s->self, id, &post);
}

/* WSRT_ERR_NOT_FOUND: not a message of a session. */
static int post_numbered(const wsrt_runtime *rt, const wsrt_span *id, const wsrt_post *post)
{
    struct through t = {rt, post->flags, post->deadline};
    int rc = (post->flags & WSRT_POST_BINARY) != 0
                 ? WSRT_ERR_INVALID
                 : wsrt_resume_post(rt->resume, *id, post->data, send_on, &t);

    return rc == WSRT_ERR_INVALID ? WSRT_ERR_NOT_FOUND : rc;
}

/* What cannot be numbered cannot wait for a client that is away, which is not gone for that. */
static int while_away(const wsrt_runtime *rt, const wsrt_span *id, int rc)
{
    return rc == WSRT_ERR_GONE && wsrt_resume_closed(rt->resume, *id, 1006) ? WSRT_ERR_UNAVAILABLE
                                                                            : rc;
}

static int sender_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    const wsrt_runtime *rt = self;
    int rc = post_numbered(rt, id, post);

    if (rc != WSRT_ERR_NOT_FOUND)
        return rc;
    return while_away(rt, id, rt->transport.ops->post(rt->transport.self, id, post));
}

/* Those without a session still go together. */
static void post_some(const wsrt_runtime *rt, const wsrt_span *ids, size_t n, const wsrt_post *post,
                      int *results)
{
    wsrt_span rest[MANY];
    size_t places[MANY], count = 0;
    int plain[MANY];

    for (size_t i = 0; i < n; i++) {
        results[i] = post_numbered(rt, &ids[i], post);
        if (results[i] != WSRT_ERR_NOT_FOUND)
            continue;
        rest[count] = ids[i];
        places[count++] = i;
    }
    if (count > 0)
        wsrt_sender_post_many(&rt->transport, rest, count, post, plain);
    for (size_t i = 0; i < count; i++)
        results[places[i]] = while_away(rt, &rest[i], plain[i]);
}

static int sender_post_many(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                            int *results)
{
    for (size_t i = 0; i < n; i += MANY)
        post_some(self, ids + i, n - i < MANY ? n - i : MANY, post, results + i);
    return WSRT_OK;
}

static int sender_get(void *self, const wsrt_span *id, wsrt_connection_info *out)
{
    const wsrt_sender *s = &((const wsrt_runtime *)self)->transport;

    return s->ops->get == NULL ? WSRT_ERR_UNSUPPORTED : s->ops->get(s->self, id, out);
}

static int sender_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    const wsrt_sender *s = &((const wsrt_runtime *)self)->transport;

    return s->ops->disconnect == NULL ? WSRT_ERR_UNSUPPORTED
                                      : s->ops->disconnect(s->self, id, code, reason);
}

static const wsrt_sender_ops numbering = {
    .struct_size = sizeof numbering,
    .post = sender_post,
    .post_many = sender_post_many,
    .get = sender_get,
    .disconnect = sender_disconnect,
};

void wsrt_sender_settle(wsrt_runtime *rt, const wsrt_sender *sender)
{
    rt->transport = sender == NULL ? (wsrt_sender){0} : wsrt_guard_sender(rt, sender);
    rt->sender = rt->transport;
    if (sender != NULL && rt->resume != NULL)
        rt->sender = (wsrt_sender){&numbering, rt};
}

/* ---- the route ---- */

static const char *reason_name(int reason)
{
    static const char *const names[] = {
        [WSRT_RESUME_RESUMED] = "resumed", [WSRT_RESUME_NEW] = "new",
        [WSRT_RESUME_EXPIRED] = "expired", [WSRT_RESUME_GAP] = "gap",
        [WSRT_RESUME_UNKNOWN] = "unknown",
    };

    return names[reason];
}

/* Straight to the connection: it tells the numbers, and has none. */
static int tell(wsrt_context *ctx, const wsrt_resume_result *result)
{
    const wsrt_event *ev = ctx->event;
    struct through t = {ctx->rt, WSRT_POST_REPLY, 0};
    char text[512];
    wsrt_json_writer w;
    size_t len = 0;

    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "type");
    wsrt_json_string_cstr(&w, "session");
    wsrt_json_key(&w, "data");
    wsrt_json_object(&w);
    wsrt_json_key(&w, "resumed");
    wsrt_json_write_bool(&w, result->reason == WSRT_RESUME_RESUMED);
    wsrt_json_key(&w, "reason");
    wsrt_json_string_cstr(&w, reason_name(result->reason));
    wsrt_json_key(&w, "token");
    wsrt_json_string_cstr(&w, result->token);
    wsrt_json_key(&w, "expires");
    wsrt_json_write_int64(&w, result->expires);
    wsrt_json_key(&w, "seq");
    wsrt_json_write_uint64(&w, result->seq);
    wsrt_json_key(&w, "missed");
    wsrt_json_write_uint64(&w, result->missed);
    wsrt_json_object_end(&w);
    wsrt_json_key(&w, "correlationId");
    wsrt_json_string(&w, wsrt_context_correlation_id(ctx));
    wsrt_json_object_end(&w);
    int rc = wsrt_json_finish(&w, &len);
    if (rc != WSRT_OK)
        return rc;
    if (ev->reply != NULL)
        return ev->reply(ev->transport, text, len, 0);
    return send_on(&ev->connection_id, (wsrt_span){text, len}, &t);
}

/* A token too long to be one is asked for all the same, so that the client has its answer. */
static int read_request(const wsrt_context *ctx, wsrt_resume_request *q)
{
    wsrt_json whole, value;

    if (wsrt_json_parse(&whole, ctx->event->body, NULL) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    if (wsrt_json_find(&whole, wsrt_span_cstr("/data/token"), &value) == WSRT_OK) {
        if (value.kind != WSRT_JSON_STRING)
            return WSRT_ERR_REJECTED;
        q->token = value.text;
    }
    if (wsrt_json_find(&whole, wsrt_span_cstr("/data/last"), &value) == WSRT_OK &&
        wsrt_json_uint64(&value, &q->last) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    return WSRT_OK;
}

/* The connection before is of no more use; where it is still open, its client learns why it closes. */
static void leave_old(wsrt_runtime *rt, const char *old_cstr)
{
    wsrt_span old = wsrt_span_cstr(old_cstr);

    if (old.len == 0)
        return;
    wsrt_forget_peer(rt, old, 0);
    (void)wsrt_disconnect(rt, old, MOVED, wsrt_span_cstr("session moved")); /* mostly gone */
}

/* Who was not told all that it missed would not know: it is to come back and resume again. */
static void send_away(wsrt_context *ctx)
{
    wsrt_span id = ctx->event->connection_id;

    (void)wsrt_resume_closed(ctx->rt->resume, id, TRY_LATER);
    (void)wsrt_disconnect(ctx->rt, id, TRY_LATER, wsrt_span_cstr("not all was sent"));
}

int wsrt_resume_handler(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_resume_result result = {.struct_size = sizeof result};
    wsrt_resume_request q = {.struct_size = sizeof q};

    (void)req;
    (void)user;
    if (ctx == NULL)
        return WSRT_ERR_INVALID;
    if (ctx->rt->resume == NULL || ctx->rt->transport.ops == NULL)
        return WSRT_ERR_UNSUPPORTED;
    if (read_request(ctx, &q) != WSRT_OK)
        return wsrt_fail(ctx, WSRT_ERR_REJECTED, "INVALID_MESSAGE", NULL);
    const wsrt_principal *who = wsrt_session_principal(ctx);
    if (who != NULL)
        q.user_id = who->user_id;
    q.connection_id = ctx->event->connection_id;
    int rc = wsrt_resume_open(ctx->rt->resume, &q, &result);
    if (rc != WSRT_OK)
        return rc;
    wsrt_session_resumes(ctx->event);
    leave_old(ctx->rt, result.old_connection_id);
    rc = tell(ctx, &result);
    if (rc != WSRT_OK && result.reason != WSRT_RESUME_RESUMED) {
        (void)wsrt_resume_closed(ctx->rt->resume, q.connection_id, 1000); /* of no use to anybody */
        return rc;
    }
    struct through t = {ctx->rt, WSRT_POST_REPLY, 0};
    if (rc == WSRT_OK)
        rc = wsrt_resume_replay(ctx->rt->resume, q.connection_id, send_on, &t);
    if (rc != WSRT_OK)
        send_away(ctx); /* which is the answer */
    return WSRT_OK;
}

/* ---- what the client sends again ---- */

/* The id of a message that may come again; empty = none. */
static wsrt_span own_id(const wsrt_context *ctx, char *room, size_t size)
{
    wsrt_json whole = {.kind = WSRT_JSON_OBJECT, .text = ctx->event->body}, id;
    size_t len = 0;

    if (!wsrt_session_has_numbers(ctx->rt, ctx->event) ||
        wsrt_json_find(&whole, wsrt_span_cstr("/correlationId"), &id) != WSRT_OK ||
        wsrt_json_text(&id, room, size, &len) != WSRT_OK)
        len = 0;
    return (wsrt_span){room, len};
}

int wsrt_is_duplicate(wsrt_context *ctx)
{
    char room[OWN_ID];
    wsrt_span id = own_id(ctx, room, sizeof room);

    return wsrt_resume_received(ctx->rt->resume, ctx->event->connection_id, id) == WSRT_ERR_EXISTS;
}

void wsrt_may_come_again(wsrt_context *ctx)
{
    char room[OWN_ID];

    wsrt_resume_refused(ctx->rt->resume, ctx->event->connection_id, own_id(ctx, room, sizeof room));
}

/* ---- time ---- */

static void forget_ended(wsrt_span connection_id, void *user)
{
    wsrt_forget_peer(user, connection_id, 0);
}

int wsrt_sessions_keep(wsrt_runtime *rt, const wsrt_event *ev)
{
    if (rt->resume == NULL ||
        !wsrt_resume_closed(rt->resume, ev->connection_id, ev->disconnect_code))
        return 0;
    atomic_store_explicit(&rt->resume_due, 0, memory_order_relaxed); /* the next tick knows */
    return 1;
}

void wsrt_sessions_tick(wsrt_runtime *rt)
{
    if (rt->resume == NULL)
        return;
    atomic_store_explicit(&rt->resume_due, INT64_MAX, memory_order_relaxed);
    int64_t due = wsrt_resume_tick(rt->resume, forget_ended, rt), expected = INT64_MAX;
    (void)atomic_compare_exchange_strong(&rt->resume_due, &expected, due);
}
