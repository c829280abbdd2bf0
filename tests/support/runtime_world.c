#include "runtime_world.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct world w;

static int64_t world_now(void *user)
{
    return ((struct world *)user)->now;
}

static int64_t world_wall(void *user)
{
    return ((struct world *)user)->wall;
}

static void world_log(void *user, int level, const char *event, const wsrt_field *f, size_t n)
{
    struct world *world = user;
    size_t len = 0;

    world->fallback_lines += strcmp(event, "fallback") == 0;
    world->unguarded_lines += strcmp(event, "unguarded") == 0;
    world->invalid_lines += strcmp(event, "invalid_message") == 0;
    world->replaced_lines += strcmp(event, "correlation_id_replaced") == 0;
    if (strcmp(event, "fallback") == 0 || strcmp(event, "unguarded") == 0 ||
        strcmp(event, "invalid_message") == 0 || strcmp(event, "correlation_id_replaced") == 0)
        for (size_t i = 0; i < n && len < sizeof world->last; i++)
            len += (size_t)snprintf(world->last + len, sizeof world->last - len, "%s=%.*s ",
                                    f[i].name_cstr, (int)f[i].text.len, f[i].text.ptr);
    ((struct world *)user)->breaker_lines += strcmp(event, "breaker") == 0;
    if (level >= WSRT_LEVEL_WARN)
        ((struct world *)user)->lines++;
}

static int world_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    struct world *world = self;

    if (world->gone != NULL && wsrt_span_equal(*id, wsrt_span_cstr(world->gone)))
        return WSRT_ERR_GONE;
    if (world->slow != NULL && wsrt_span_equal(*id, wsrt_span_cstr(world->slow)))
        return WSRT_ERR_THROTTLED;
    if (world->post_count < POSTS) {
        size_t i = world->post_count;
        snprintf(world->posts[i].id, sizeof world->posts[i].id, "%.*s", (int)id->len, id->ptr);
        snprintf(world->posts[i].text, sizeof world->posts[i].text, "%.*s", (int)post->data.len,
                 post->data.ptr);
        world->posts[i].flags = post->flags;
    }
    world->post_count++;
    return WSRT_OK;
}

static int world_close(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    (void)id;
    (void)reason;
    ((struct world *)self)->closed_code = code;
    return WSRT_OK;
}

static const wsrt_sender_ops world_sender = {
    .struct_size = sizeof world_sender, .post = world_post, .disconnect = world_close};

static wsrt_static_auth *tokens(void)
{
    static wsrt_static_auth *made;
    const wsrt_principal ann = {.struct_size = sizeof ann,
                                .user_id = wsrt_span_cstr("ann"),
                                .groups = wsrt_span_cstr("staff admins"),
                                .scopes = wsrt_span_cstr("read write")};
    const wsrt_principal bob = {
        .struct_size = sizeof bob, .user_id = wsrt_span_cstr("bob"), .expires_at = 1700000060};
    const wsrt_static_token rows[2] = {{wsrt_span_cstr("ann-token"), &ann},
                                       {wsrt_span_cstr("bob-token"), &bob}};

    if (made == NULL)
        ck_assert_int_eq(wsrt_static_auth_new(&made, rows, 2, NULL), WSRT_OK);
    return made;
}

wsrt_runtime_options world_options(void)
{
    static wsrt_env env;
    static wsrt_authenticator auth;
    static wsrt_sender sender;

    env = (wsrt_env){.struct_size = sizeof env,
                     .user = &w,
                     .now = world_now,
                     .wall = world_wall,
                     .log = world_log};
    sender = (wsrt_sender){&world_sender, &w};
    wsrt_static_auth_interface(tokens(), &auth);
    return (wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options),
                                  .flags = WSRT_RUNTIME_NO_LIMITS,
                                  .allocator = w.heap.allocator,
                                  .env = &env,
                                  .sender = &sender,
                                  .authenticator = &auth};
}

void world_begin(const wsrt_runtime_options *o)
{
    if (w.rt != NULL)
        wsrt_runtime_free(w.rt);
    ck_assert_int_eq(wsrt_runtime_new(&w.rt, o), WSRT_OK);
}

void world_set_up(void)
{
    memset(&w, 0, sizeof w);
    heap_init(&w.heap);
    w.now = 1000000000;
    w.wall = 1700000000000;
    wsrt_runtime_options o = world_options();
    world_begin(&o);
}

void world_tear_down(void)
{
    wsrt_runtime_free(w.rt);
    ck_assert_uint_eq(w.heap.live, 0);
}

static void take(const wsrt_response *r, void *user)
{
    (void)user;
    w.status = r->status;
    snprintf(w.user, sizeof w.user, "%.*s",
             r->principal != NULL ? (int)r->principal->user_id.len : 0,
             r->principal != NULL ? r->principal->user_id.ptr : "");
    snprintf(w.body, sizeof w.body, "%.*s", (int)r->body.len, r->body.ptr);
    w.header[0] = w.headers[0] = '\0';
    for (size_t i = 0, n = 0; i < r->header_count; i++)
        n += (size_t)snprintf(w.headers + n, sizeof w.headers - n, "%.*s: %.*s\n",
                              (int)r->headers[i].name.len, r->headers[i].name.ptr,
                              (int)r->headers[i].value.len, r->headers[i].value.ptr);
    if (r->header_count > 0)
        snprintf(w.header, sizeof w.header, "%.*s: %.*s", (int)r->headers[0].name.len,
                 r->headers[0].name.ptr, (int)r->headers[0].value.len, r->headers[0].value.ptr);
}

wsrt_event world_event(int kind, const char *id, wsrt_session *session)
{
    return (wsrt_event){.struct_size = sizeof(wsrt_event),
                        .kind = kind,
                        .connection_id = wsrt_span_cstr(id),
                        .session = session};
}

int world_dispatch(const wsrt_event *ev)
{
    w.status = 0;
    w.body[0] = '\0';
    return wsrt_runtime_dispatch(w.rt, ev, take, NULL);
}

int world_message(const char *id, wsrt_session *session, const char *body)
{
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, id, session);

    ev.body = wsrt_span_cstr(body);
    return world_dispatch(&ev);
}

int world_connect(const char *id, wsrt_session *session, const char *token)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, id, session);
    wsrt_pair query = {wsrt_span_cstr("token"), wsrt_span_cstr(token)};

    if (token != NULL) {
        ev.query = &query;
        ev.query_count = 1;
    }
    return world_dispatch(&ev);
}

int world_disconnect(const char *id, wsrt_session *session)
{
    wsrt_event ev = world_event(WSRT_EVENT_DISCONNECT, id, session);

    ev.disconnect_code = 1000;
    return world_dispatch(&ev);
}

uint64_t world_connections(void)
{
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    uint64_t n = 99;

    ck_assert_int_eq(s->ops->count(s->self, w.wall / 1000, &n), WSRT_OK);
    return n;
}

const char *world_last_post(void)
{
    ck_assert_uint_gt(w.post_count, 0);
    return w.posts[w.post_count - 1].text;
}

void world_expect_error(const char *type, const char *code)
{
    char wanted[128];

    snprintf(wanted, sizeof wanted, "\"error\":{\"type\":\"%s\"", type);
    ck_assert_ptr_nonnull(strstr(world_last_post(), wanted));
    snprintf(wanted, sizeof wanted, "\"code\":\"%s\"", code);
    ck_assert_ptr_nonnull(strstr(world_last_post(), wanted));
}

void world_add_route(const char *key, wsrt_handler handler, const wsrt_route *more)
{
    wsrt_route r = more == NULL ? (wsrt_route){0} : *more;

    r.struct_size = sizeof r;
    r.key = wsrt_span_cstr(key);
    r.handler = handler;
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &r), WSRT_OK);
}

int world_say_route(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->route_key);
}

int world_say_user(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_principal *who = wsrt_context_principal(ctx);

    (void)req;
    (void)user;
    return wsrt_reply(ctx, who == NULL ? wsrt_span_cstr("nobody") : who->user_id);
}

int world_sign_in(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_json body = {.text = req->event->body, .kind = WSRT_JSON_OBJECT}, token = {0};

    (void)user;
    (void)wsrt_json_find(&body, wsrt_span_cstr("/token"), &token);
    int rc = wsrt_authenticate(ctx, token.text);
    return rc == WSRT_OK ? wsrt_reply(ctx, wsrt_context_principal(ctx)->user_id) : rc;
}

int world_refuse(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_FORBIDDEN, "NOT_TODAY", NULL);
}

int world_take_stream(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    int fails = wsrt_span_equal(req->event->body, wsrt_span_cstr("bad"));

    (void)user;
    ck_assert_ptr_null(wsrt_context_principal(ctx));
    ck_assert(wsrt_span_equal(req->route_key, wsrt_span_cstr("$stream")));
    return fails ? WSRT_ERR_UNAVAILABLE : wsrt_reply(ctx, req->event->body);
}

int world_stream(const char *body)
{
    wsrt_event ev = world_event(WSRT_EVENT_STREAM, NULL, NULL);

    ev.body = wsrt_span_cstr(body);
    return world_dispatch(&ev);
}
