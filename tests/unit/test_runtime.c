#include "heap.h"
#include "suite.h"

#include <wsrt/runtime.h>

#include <stdio.h>
#include <string.h>

/* ---- a world of one runtime: a clock that stands still and a sender that writes down ---- */

enum { POSTS = 512 };

struct world {
    wsrt_runtime *rt;
    struct heap heap;
    int64_t now, wall;
    struct {
        char id[32], text[1024];
        uint32_t flags;
    } posts[POSTS];
    size_t post_count;
    const char *gone; /* posts to this connection find it gone */
    int closed_code;
    int status;    /* of the last response */
    char user[32]; /* its principal's */
    char body[2048];
    char header[128];
    char headers[512]; /* all of them, a line each */
    size_t lines;      /* log lines at warning and above */
    size_t breaker_lines;
    size_t fallback_lines;
    size_t unguarded_lines;
    size_t invalid_lines;
    char last[512];   /* the fields of the latest of these three: name=text, a space after each */
    const char *slow; /* posts to this connection are throttled */
};

static struct world w;

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
    if (strcmp(event, "fallback") == 0 || strcmp(event, "unguarded") == 0 ||
        strcmp(event, "invalid_message") == 0)
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

static int world_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    (void)id;
    (void)reason;
    ((struct world *)self)->closed_code = code;
    return WSRT_OK;
}

static const wsrt_sender_ops world_sender = {
    .struct_size = sizeof world_sender, .post = world_post, .disconnect = world_disconnect};

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

static wsrt_runtime_options options(void)
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

static void begin(const wsrt_runtime_options *o)
{
    if (w.rt != NULL)
        wsrt_runtime_free(w.rt);
    ck_assert_int_eq(wsrt_runtime_new(&w.rt, o), WSRT_OK);
}

static void set_up(void)
{
    memset(&w, 0, sizeof w);
    heap_init(&w.heap);
    w.now = 1000000000;
    w.wall = 1700000000000;
    wsrt_runtime_options o = options();
    begin(&o);
}

static void tear_down(void)
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

static wsrt_event event(int kind, const char *id, wsrt_session *session)
{
    return (wsrt_event){.struct_size = sizeof(wsrt_event),
                        .kind = kind,
                        .connection_id = wsrt_span_cstr(id),
                        .session = session};
}

static int dispatch(const wsrt_event *ev)
{
    w.status = 0;
    w.body[0] = '\0';
    return wsrt_runtime_dispatch(w.rt, ev, take, NULL);
}

static int message(const char *id, wsrt_session *session, const char *body)
{
    wsrt_event ev = event(WSRT_EVENT_MESSAGE, id, session);

    ev.body = wsrt_span_cstr(body);
    return dispatch(&ev);
}

static int connect_as(const char *id, wsrt_session *session, const char *token)
{
    wsrt_event ev = event(WSRT_EVENT_CONNECT, id, session);
    wsrt_pair query = {wsrt_span_cstr("token"), wsrt_span_cstr(token)};

    if (token != NULL) {
        ev.query = &query;
        ev.query_count = 1;
    }
    return dispatch(&ev);
}

static int disconnect(const char *id, wsrt_session *session)
{
    wsrt_event ev = event(WSRT_EVENT_DISCONNECT, id, session);

    ev.disconnect_code = 1000;
    return dispatch(&ev);
}

static uint64_t connections(void)
{
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    uint64_t n = 99;

    ck_assert_int_eq(s->ops->count(s->self, w.wall / 1000, &n), WSRT_OK);
    return n;
}

static const char *last_post(void)
{
    ck_assert_uint_gt(w.post_count, 0);
    return w.posts[w.post_count - 1].text;
}

static void expect_error(const char *type, const char *code)
{
    char wanted[128];

    snprintf(wanted, sizeof wanted, "\"error\":{\"type\":\"%s\"", type);
    ck_assert_ptr_nonnull(strstr(last_post(), wanted));
    snprintf(wanted, sizeof wanted, "\"code\":\"%s\"", code);
    ck_assert_ptr_nonnull(strstr(last_post(), wanted));
}

static void add(const char *key, wsrt_handler handler, const wsrt_route *more)
{
    wsrt_route r = more == NULL ? (wsrt_route){0} : *more;

    r.struct_size = sizeof r;
    r.key = wsrt_span_cstr(key);
    r.handler = handler;
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &r), WSRT_OK);
}

static int say_route(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->route_key);
}

static int say_user(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_principal *who = wsrt_context_principal(ctx);

    (void)req;
    (void)user;
    return wsrt_reply(ctx, who == NULL ? wsrt_span_cstr("nobody") : who->user_id);
}

static int sign_in(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_json body = {.text = req->event->body, .kind = WSRT_JSON_OBJECT}, token = {0};

    (void)user;
    (void)wsrt_json_find(&body, wsrt_span_cstr("/token"), &token);
    int rc = wsrt_authenticate(ctx, token.text);
    return rc == WSRT_OK ? wsrt_reply(ctx, wsrt_context_principal(ctx)->user_id) : rc;
}

/* ---- routing ---- */

START_TEST(a_message_goes_to_the_route_its_type_names)
{
    add("one", say_route, NULL);
    add("two", say_route, NULL);
    add("$default", say_route, NULL);
    static const struct {
        const char *body, *route;
    } rows[] = {
        {"{\"type\":\"one\"}", "one"},
        {" \n{\"x\":{\"type\":\"one\"},\"type\":\"two\"}", "two"},
        {"{\"type\":\"t\\u0077o\"}", "two"},
        {"{\"type\":\"three\"}", "$default"},
        {"{\"type\":null}", "$default"},
        {"{}", "$default"},
        {"[]", "$default"},
        {"not JSON", "$default"},
        {"", "$default"},
        {"{\"type\":\"$connect\"}", "$default"},
        {"{\"type\":\"$disconnect\"}", "$default"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        message("c1", NULL, rows[i].body);
        ck_assert_str_eq(last_post(), rows[i].route);
    }
}
END_TEST

START_TEST(an_event_hears_which_route_took_it)
{
    add("one", say_route, NULL);
    add("$disconnect", say_route, NULL);
    wsrt_span routed = wsrt_span_cstr("before");
    wsrt_event ev = event(WSRT_EVENT_MESSAGE, "c1", NULL);
    ev.routed = &routed;
    ev.body = wsrt_span_cstr("{\"type\":\"one\"}");
    dispatch(&ev);
    ck_assert(wsrt_span_equal(routed, wsrt_span_cstr("one")));
    ev.body = wsrt_span_cstr("{\"type\":\"two\"}");
    dispatch(&ev);
    ck_assert_uint_eq(routed.len, 0);
    ev = event(WSRT_EVENT_DISCONNECT, "c1", NULL);
    ev.routed = &routed;
    dispatch(&ev);
    ck_assert(wsrt_span_equal(routed, wsrt_span_cstr("$disconnect")));
}
END_TEST

START_TEST(selection_expressions_read_body_and_text)
{
    static const struct {
        const char *expression, *body, *route;
    } rows[] = {
        {"$request.body.a.b", "{\"a\":{\"b\":\"x\"}}", "x"},
        {"${request.body.a}", "{\"a\":\"x\"}", "x"},
        {"${request.body.a}-${request.body.b}", "{\"a\":\"x\",\"b\":\"y\"}", "x-y"},
        {"v${request.body.a}", "{\"a\":7}", "v7"},
        {"$request.body.a", "{\"a\":true}", "true"},
        {"$request.body.a", "{\"a\":[1,\"b\",false]}", "[1, b, false]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_runtime_options o = options();
        o.selection = wsrt_span_cstr(rows[i].expression);
        begin(&o);
        add(rows[i].route, say_route, NULL);
        message("c1", NULL, rows[i].body);
        ck_assert_str_eq(last_post(), rows[i].route);
    }
}
END_TEST

START_TEST(expressions_that_are_none_are_refused)
{
    static const char *const bad[] = {"$request.body.",
                                      "$request.body.a..b",
                                      "$request.query.a",
                                      "$request.body.a b",
                                      "${request.body.a",
                                      "$x",
                                      "${}",
                                      "$request.body.a."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wsrt_runtime_options o = options();
        wsrt_runtime *rt = w.rt;
        o.selection = wsrt_span_cstr(bad[i]);
        ck_assert_int_eq(wsrt_runtime_new(&rt, &o), WSRT_ERR_INVALID);
        ck_assert_ptr_null(rt);
    }
}
END_TEST

START_TEST(without_a_route_the_client_is_told)
{
    add("one", say_route, NULL);
    message("c1", NULL, "{\"type\":\"two\"}");
    expect_error("NOT_FOUND", "UNKNOWN_ROUTE");
    message("c1", NULL, "{\"type\":");
    expect_error("VALIDATION_ERROR", "INVALID_JSON");
}
END_TEST

START_TEST(in_gateway_mode_no_route_is_forbidden_in_the_gateways_words)
{
    wsrt_runtime_options o = options();
    o.flags |= WSRT_RUNTIME_API_GATEWAY;
    begin(&o);
    add("one", say_route, NULL);
    wsrt_event ev = event(WSRT_EVENT_MESSAGE, "c1", NULL);
    ev.body = wsrt_span_cstr("{\"type\":\"two\"}");
    ev.request_id = wsrt_span_cstr("r-1");
    dispatch(&ev);
    ck_assert_str_eq(last_post(),
                     "{\"message\":\"Forbidden\",\"connectionId\":\"c1\",\"requestId\":\"r-1\"}");
    ck_assert_uint_eq(w.post_count, 1);
}
END_TEST

START_TEST(routes_are_checked_when_they_are_added)
{
    wsrt_route r = {.struct_size = sizeof r, .key = wsrt_span_cstr("a"), .handler = say_route};
    wsrt_route bad = r;

    ck_assert_int_eq(wsrt_runtime_route(w.rt, &r), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &r), WSRT_ERR_EXISTS);
    bad.key = wsrt_span_cstr("$other");
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &bad), WSRT_ERR_INVALID);
    bad.key = wsrt_span_cstr("");
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &bad), WSRT_ERR_INVALID);
    bad = r;
    bad.handler = NULL;
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &bad), WSRT_ERR_INVALID);
    bad = r;
    bad.flags = 8;
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &bad), WSRT_ERR_UNSUPPORTED);
    message("c1", NULL, "{}");
    r.key = wsrt_span_cstr("b");
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &r), WSRT_ERR_STATE);
}
END_TEST

/* ---- connections ---- */

START_TEST(a_connect_is_stored_and_a_disconnect_removes_it)
{
    wsrt_session s = {{0}};

    ck_assert_int_eq(connect_as("c1", &s, NULL), WSRT_OK);
    ck_assert_int_eq(w.status, 200);
    ck_assert_uint_eq(connections(), 1);
    disconnect("c1", &s);
    ck_assert_uint_eq(connections(), 0);
}
END_TEST

static int refuse_all(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_respond(ctx, 403, wsrt_span_cstr("members only"));
}

START_TEST(a_connect_handler_can_refuse)
{
    add("$connect", refuse_all, NULL);
    connect_as("c1", NULL, NULL);
    ck_assert_int_eq(w.status, 403);
    ck_assert_str_eq(w.body, "members only");
    ck_assert_uint_eq(connections(), 0);
}
END_TEST

static int fail_with_forbidden(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_FORBIDDEN, "NO_ENTRY", "Not today");
}

START_TEST(a_failing_connect_handler_becomes_an_http_envelope)
{
    add("$connect", fail_with_forbidden, NULL);
    connect_as("c1", NULL, NULL);
    ck_assert_int_eq(w.status, 403);
    ck_assert_ptr_nonnull(strstr(w.body, "\"code\":\"NO_ENTRY\""));
    ck_assert_ptr_nonnull(strstr(w.body, "\"message\":\"Not today\""));
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_token_at_connect_signs_the_connection_in)
{
    wsrt_session s = {{0}};

    add("$default", say_user, NULL);
    connect_as("c1", &s, "ann-token");
    ck_assert_int_eq(w.status, 200);
    message("c1", &s, "{}");
    ck_assert_str_eq(last_post(), "ann");
    disconnect("c1", &s);
}
END_TEST

START_TEST(a_bad_token_at_connect_is_refused)
{
    connect_as("c1", NULL, "wrong");
    ck_assert_int_eq(w.status, 401);
    ck_assert_ptr_nonnull(strstr(w.body, "INVALID_TOKEN"));
    ck_assert_uint_eq(connections(), 0);
}
END_TEST

START_TEST(two_tokens_at_connect_are_ambiguous)
{
    wsrt_event ev = event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_pair query = {wsrt_span_cstr("token"), wsrt_span_cstr("ann-token")};
    wsrt_pair header = {wsrt_span_cstr("AUTHORIZATION"), wsrt_span_cstr("Bearer ann-token")};

    ev.query = &query;
    ev.headers = &header;
    ev.query_count = ev.header_count = 1;
    dispatch(&ev);
    ck_assert_int_eq(w.status, 400);
    ck_assert_uint_eq(connections(), 0);
}
END_TEST

START_TEST(a_token_by_subprotocol_is_answered_with_the_protocol_alone)
{
    wsrt_event ev = event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_pair header = {wsrt_span_cstr("Sec-WebSocket-Protocol"),
                        wsrt_span_cstr("wsrt.bearer, ann-token")};

    ev.headers = &header;
    ev.header_count = 1;
    dispatch(&ev);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.header, "Sec-WebSocket-Protocol: wsrt.bearer");
}
END_TEST

START_TEST(who_was_authorized_by_subprotocol_is_answered_with_the_protocol_too)
{
    wsrt_event ev = event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_pair header = {wsrt_span_cstr("Sec-WebSocket-Protocol"),
                        wsrt_span_cstr("wsrt.bearer, judged-before")};
    wsrt_principal who = {.struct_size = sizeof who, .user_id = wsrt_span_cstr("ann")};

    ev.headers = &header;
    ev.header_count = 1;
    ev.principal = &who;
    dispatch(&ev);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.headers, "Sec-WebSocket-Protocol: wsrt.bearer\n");
    ev.principal = NULL;
    ev.headers = NULL;
    ev.header_count = 0;
    dispatch(&ev);
    ck_assert_str_eq(w.headers, "");
}
END_TEST

/* ---- authorizers ---- */

static int authorize(const char *header, const char *value, const char *query)
{
    wsrt_event ev = event(WSRT_EVENT_AUTHORIZE, NULL, NULL);
    wsrt_pair h = {wsrt_span_cstr(header), wsrt_span_cstr(value)};
    wsrt_pair q = {wsrt_span_cstr("token"), wsrt_span_cstr(query)};

    ev.headers = &h;
    ev.header_count = header != NULL;
    ev.query = &q;
    ev.query_count = query != NULL;
    return dispatch(&ev);
}

static const struct {
    const char *header, *value, *query;
    int status;
    const char *user, *code;
} authorizations[] = {
    {"Authorization", "Bearer ann-token", NULL, 200, "ann", ""},
    {"Sec-WebSocket-Protocol", "wsrt.bearer, ann-token", NULL, 200, "ann", ""},
    {NULL, NULL, "ann-token", 200, "ann", ""},
    {NULL, NULL, "bob-token", 200, "bob", ""},
    {NULL, NULL, NULL, 401, "", "MISSING_TOKEN"},
    {NULL, NULL, "", 401, "", "MISSING_TOKEN"},
    {"Authorization", "Basic ann-token", NULL, 401, "", "MISSING_TOKEN"},
    {NULL, NULL, "wrong", 401, "", "INVALID_TOKEN"},
    {"Authorization", "Bearer ann-token", "ann-token", 400, "", "AMBIGUOUS_TOKEN"},
};

START_TEST(an_authorizer_says_whose_a_token_is)
{
    ck_assert_int_eq(
        authorize(authorizations[_i].header, authorizations[_i].value, authorizations[_i].query),
        WSRT_OK);
    ck_assert_int_eq(w.status, authorizations[_i].status);
    ck_assert_str_eq(w.user, authorizations[_i].user);
    ck_assert_ptr_nonnull(strstr(w.body, authorizations[_i].code));
    ck_assert_uint_eq(connections(), 0);
}
END_TEST

START_TEST(an_expired_token_authorizes_nobody)
{
    w.wall = 1700000060000;
    authorize(NULL, NULL, "bob-token");
    ck_assert_int_eq(w.status, 401);
    ck_assert_str_eq(w.user, "");
    ck_assert_ptr_nonnull(strstr(w.body, "TOKEN_EXPIRED"));
}
END_TEST

START_TEST(an_authorizer_demands_what_the_route_of_connects_demands)
{
    wsrt_route r = {.access = WSRT_ACCESS_SIGNED_IN, .any_group = wsrt_span_cstr("admins")};

    add("$connect", say_user, &r);
    authorize(NULL, NULL, "ann-token");
    ck_assert_int_eq(w.status, 200);
    authorize(NULL, NULL, "bob-token");
    ck_assert_int_eq(w.status, 403);
    ck_assert_str_eq(w.user, "bob");
    ck_assert_uint_eq(w.post_count, 0); /* no handler ran */
}
END_TEST

START_TEST(authorizing_without_an_authenticator_is_not_supported)
{
    wsrt_runtime_options o = options();

    o.authenticator = NULL;
    begin(&o);
    ck_assert_int_eq(authorize(NULL, NULL, "ann-token"), WSRT_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(where_authentication_is_required_nobody_gets_in_without)
{
    wsrt_runtime_options o = options();
    o.flags |= WSRT_RUNTIME_REQUIRE_AUTH;
    begin(&o);
    connect_as("c1", NULL, NULL);
    ck_assert_int_eq(w.status, 401);
    ck_assert_ptr_nonnull(strstr(w.body, "MISSING_TOKEN"));
    connect_as("c1", NULL, "ann-token");
    ck_assert_int_eq(w.status, 200);
}
END_TEST

/* ---- principals ---- */

START_TEST(signing_in_lasts_for_the_connection)
{
    for (int kept = 0; kept < 2; kept++) { /* without a session the store remembers */
        wsrt_session s = {{0}}, *session = kept ? &s : NULL;
        wsrt_runtime_options o = options();
        begin(&o);
        add("auth", sign_in, NULL);
        add("$default", say_user, NULL);
        connect_as("c1", session, NULL);
        message("c1", session, "{}");
        ck_assert_str_eq(last_post(), "nobody");
        message("c1", session, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
        message("c1", session, "{}");
        ck_assert_str_eq(last_post(), "ann");
        disconnect("c1", session);
    }
}
END_TEST

START_TEST(a_failed_sign_in_says_why)
{
    add("auth", sign_in, NULL);
    connect_as("c1", NULL, NULL);
    message("c1", NULL, "{\"type\":\"auth\"}");
    expect_error("AUTHENTICATION_ERROR", "MISSING_TOKEN");
    message("c1", NULL, "{\"type\":\"auth\",\"token\":\"x\"}");
    expect_error("AUTHENTICATION_ERROR", "INVALID_TOKEN");
    w.wall += 61000;
    message("c1", NULL, "{\"type\":\"auth\",\"token\":\"bob-token\"}");
    expect_error("AUTHENTICATION_ERROR", "TOKEN_EXPIRED");
}
END_TEST

START_TEST(signing_in_on_a_connection_that_has_left_is_gone)
{
    add("auth", sign_in, NULL);
    message("c1", NULL, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    ck_assert_uint_eq(connections(), 0);
    expect_error("NOT_FOUND", "NOT_FOUND");
}
END_TEST

START_TEST(a_route_for_members_asks_who_is_there)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN};
    wsrt_session s = {{0}};

    add("auth", sign_in, NULL);
    add("$default", say_user, &members);
    connect_as("c1", &s, NULL);
    message("c1", &s, "{}");
    expect_error("AUTHENTICATION_ERROR", "UNAUTHENTICATED_CONNECTION");
    message("c1", &s, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    message("c1", &s, "{}");
    ck_assert_str_eq(last_post(), "ann");
    disconnect("c1", &s);
}
END_TEST

START_TEST(groups_and_scopes_are_asked_for)
{
    static const struct {
        const char *group, *scopes;
        int allowed;
    } rows[] = {
        {"admins", "", 1},    {"guests admins", "", 1}, {"guests", "", 0}, {"", "write read", 1},
        {"", "read drop", 0}, {"staff", "read", 1},     {"adm", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_runtime_options o = options();
        wsrt_route r = {.access = WSRT_ACCESS_SIGNED_IN,
                        .any_group = wsrt_span_cstr(rows[i].group),
                        .all_scopes = wsrt_span_cstr(rows[i].scopes)};
        begin(&o);
        add("$default", say_user, &r);
        connect_as("c1", NULL, "ann-token");
        message("c1", NULL, "{}");
        if (rows[i].allowed)
            ck_assert_str_eq(last_post(), "ann");
        else
            expect_error("AUTHORIZATION_ERROR", "FORBIDDEN");
    }
}
END_TEST

START_TEST(an_expired_token_ends_membership_until_the_next_sign_in)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN};
    wsrt_session s = {{0}};

    add("auth", sign_in, NULL);
    add("$default", say_user, &members);
    connect_as("c1", &s, "bob-token");
    message("c1", &s, "{}");
    ck_assert_str_eq(last_post(), "bob");
    w.wall += 60000;
    message("c1", &s, "{}");
    expect_error("AUTHENTICATION_ERROR", "TOKEN_EXPIRED");
    message("c1", &s, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    message("c1", &s, "{}");
    ck_assert_str_eq(last_post(), "ann");
    disconnect("c1", &s);
}
END_TEST

START_TEST(a_record_whose_principal_cannot_be_read_is_nobodys)
{
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    wsrt_span id = wsrt_span_cstr("c1"), user = wsrt_span_cstr("ann");
    wsrt_span damaged = wsrt_span_cstr("{\"exp\":");

    add("$default", say_user, NULL);
    connect_as("c1", NULL, "ann-token");
    message("c1", NULL, "{}");
    ck_assert_str_eq(last_post(), "ann");
    ck_assert_int_eq(s->ops->set_principal(s->self, &id, &user, &damaged), WSRT_OK);
    message("c1", NULL, "{}");
    ck_assert_str_eq(last_post(), "nobody");
}
END_TEST

/* ---- validation and limits ---- */

START_TEST(ids_that_are_made_are_ulids_when_asked)
{
    wsrt_runtime_options o = options();

    o.flags |= WSRT_RUNTIME_ULID;
    begin(&o);
    message("a", NULL, "{\"type\":\"nothing\"}");
    const char *id = strstr(last_post(), "\"correlationId\":\"");
    ck_assert_ptr_nonnull(id);
    id += strlen("\"correlationId\":\"");
    ck_assert_uint_eq(strcspn(id, "\""), WSRT_ULID_LEN);
    ck_assert_uint_eq(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), WSRT_ULID_LEN);
}
END_TEST

START_TEST(an_invalid_message_never_reaches_its_handler)
{
    wsrt_schema *schema;
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", NULL), WSRT_OK);
    wsrt_route r = {.schema = schema};

    add("$default", say_route, &r);
    message("c1", NULL, "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"\"}}");
    expect_error("VALIDATION_ERROR", "INVALID_MESSAGE");
    ck_assert_ptr_nonnull(strstr(last_post(), "\"path\":\"/data/message\""));
    ck_assert_ptr_nonnull(strstr(last_post(), "Message cannot be empty"));
    ck_assert_uint_eq(w.post_count, 1);
    message("c1", NULL, "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}");
    ck_assert_str_eq(last_post(), "$default");
    tear_down();
    wsrt_schema_free(schema);
    set_up();
}
END_TEST

START_TEST(an_invalid_message_is_logged_by_its_rule_and_without_its_values)
{
    wsrt_schema *schema;
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", NULL), WSRT_OK);
    wsrt_route r = {.schema = schema};

    add("$default", say_route, &r);
    message("c1", NULL, "{\"type\":\"ping\",\"data\":{\"action\":\"hush-hush\"}}");
    ck_assert_uint_eq(w.invalid_lines, 1);
    ck_assert_ptr_nonnull(strstr(w.last, "connectionId=c1 path=/data/action "
                                         "rule=/$defs/action/pattern code=invalid_format "
                                         "text=Action must contain only"));
    ck_assert_ptr_null(strstr(w.last, "hush"));
    ck_assert_uint_eq(w.lines, 0); /* a client's mistake warns nobody */
    message("c1", NULL, "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}");
    ck_assert_uint_eq(w.invalid_lines, 1);
    tear_down();
    wsrt_schema_free(schema);
    set_up();
}
END_TEST

START_TEST(a_message_over_the_cap_is_too_large)
{
    wsrt_runtime_options o = options();
    o.max_message = 10;
    begin(&o);
    add("$default", say_route, NULL);
    message("c1", NULL, "0123456789");
    ck_assert_str_eq(last_post(), "$default");
    message("c1", NULL, "0123456789x");
    expect_error("PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE");
}
END_TEST

START_TEST(a_flooding_connection_is_told_when_to_come_back)
{
    wsrt_runtime_options o = options();
    wsrt_session s = {{0}}, other = {{0}};
    o.flags = 0;
    begin(&o);
    add("$default", say_route, NULL);
    for (int i = 0; i < 20; i++) {
        message("c1", &s, "{}");
        ck_assert_str_eq(last_post(), "$default");
    }
    message("c1", &s, "{}");
    expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
    ck_assert_ptr_nonnull(strstr(last_post(), "\"retryAfter\":100"));
    ck_assert_ptr_nonnull(strstr(last_post(), "\"scope\":\"connection\""));
    message("c2", &other, "{}");
    ck_assert_str_eq(last_post(), "$default");
    w.now += 100000000;
    message("c1", &s, "{}");
    ck_assert_str_eq(last_post(), "$default");
}
END_TEST

/* `n` messages at once after the burst is spent. */
static void flood(wsrt_session *s, int n)
{
    for (int i = 0; i < n; i++)
        message("c1", s, "{}");
}

static void begin_limited(wsrt_runtime_options o)
{
    o.flags &= ~(uint32_t)WSRT_RUNTIME_NO_LIMITS;
    begin(&o);
    add("$default", say_route, NULL);
}

START_TEST(a_hundred_refusals_in_a_row_owe_a_close_with_1008)
{
    wsrt_session s = {{0}};

    ck_assert_int_eq(wsrt_session_close_code(NULL), 0);
    begin_limited(options());
    flood(&s, 20 + 99);
    ck_assert_int_eq(wsrt_session_close_code(&s), 0);
    w.now += 100000000;
    flood(&s, 1 + 99); /* one is admitted, and they are counted anew */
    ck_assert_int_eq(wsrt_session_close_code(&s), 0);
    flood(&s, 1);
    ck_assert_int_eq(wsrt_session_close_code(&s), 1008);
}
END_TEST

START_TEST(refusals_in_a_window_owe_a_close_with_4429_where_that_is_asked_for)
{
    wsrt_runtime_options o = options();
    wsrt_session s = {{0}};

    o.refusals_in_a_row = UINT32_MAX;
    o.refusals_in_window = 3;
    o.refusal_window_ms = 1000;
    begin_limited(o);
    flood(&s, 20 + 2);
    w.now += 1000000000; /* the window is over, and ten are admitted */
    flood(&s, 10 + 2);
    ck_assert_int_eq(wsrt_session_close_code(&s), 0);
    w.now += 999000000; /* of the same window, whatever was admitted between */
    flood(&s, 9 + 1);
    ck_assert_int_eq(wsrt_session_close_code(&s), 4429);
    o.refusals_in_window = 0;
    s = (wsrt_session){{0}};
    begin_limited(o);
    flood(&s, 20 + 9000);
    ck_assert_int_eq(wsrt_session_close_code(&s), 0);
}
END_TEST

START_TEST(what_all_clients_share_closes_no_connection)
{
    wsrt_limiter_options lo = {.struct_size = sizeof lo,
                               .connection = {.flags = WSRT_RULE_OFF},
                               .stage = {.rate = 1, .burst = 1}};
    wsrt_runtime_options o = options();
    wsrt_session s = {{0}};

    ck_assert_int_eq(wsrt_limiter_new(&o.limiter, &lo), WSRT_OK);
    begin_limited(o);
    flood(&s, 1 + 200);
    expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
    ck_assert_int_eq(wsrt_session_close_code(&s), 0);
    tear_down();
    wsrt_limiter_free(o.limiter);
    set_up();
}
END_TEST

START_TEST(quiet_limits_drop_a_refused_message_without_an_answer)
{
    wsrt_runtime_options o = options();
    wsrt_session s = {{0}};

    o.flags |= WSRT_RUNTIME_QUIET_LIMITS;
    begin_limited(o);
    flood(&s, 20);
    size_t before = w.post_count;
    flood(&s, 100);
    ck_assert_uint_eq(w.post_count, before);
    ck_assert_int_eq(wsrt_session_close_code(&s), 1008);
}
END_TEST

START_TEST(numbers_of_refusals_out_of_range_are_refused)
{
    wsrt_runtime_options bad[] = {options(), options(), options(), options()};
    wsrt_runtime *rt;

    bad[0].refusals_in_a_row = 8192;
    bad[1].refusals_in_window = 65536;
    bad[2].refusal_window_ms = -1;
    bad[3].refusal_window_ms = 86400001;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(wsrt_runtime_new(&rt, &bad[i]), WSRT_ERR_INVALID);
}
END_TEST

/* ---- answers ---- */

START_TEST(a_reply_is_of_the_kind_of_the_message)
{
    add("$default", say_route, NULL);
    wsrt_event ev = event(WSRT_EVENT_MESSAGE, "c1", NULL);
    ev.flags = WSRT_EVENT_BINARY;
    dispatch(&ev);
    ck_assert_uint_eq(w.posts[0].flags & WSRT_POST_BINARY, WSRT_POST_BINARY);
    ev.flags = 0;
    dispatch(&ev);
    ck_assert_uint_eq(w.posts[1].flags & WSRT_POST_BINARY, 0);
}
END_TEST

static int reply_twice(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    ck_assert_int_eq(wsrt_reply(ctx, wsrt_span_cstr("first")), WSRT_OK);
    *(int *)user = wsrt_reply(ctx, wsrt_span_cstr("second"));
    return WSRT_OK;
}

START_TEST(a_two_way_route_answers_in_the_response_once)
{
    int second = 0;
    wsrt_route r = {.flags = WSRT_ROUTE_TWO_WAY, .user = &second};

    add("$default", reply_twice, &r);
    message("c1", NULL, "{}");
    ck_assert_str_eq(w.body, "first");
    ck_assert_int_eq(second, WSRT_ERR_STATE);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(without_a_sender_the_first_reply_is_the_response)
{
    wsrt_runtime_options o = options();
    o.sender = NULL;
    begin(&o);
    add("$default", say_route, NULL);
    message("c1", NULL, "{}");
    ck_assert_str_eq(w.body, "$default");
    wsrt_post p = {.struct_size = sizeof p};
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("c1"), &p), WSRT_ERR_UNSUPPORTED);
}
END_TEST

static int fail_by_status(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)ctx;
    (void)req;
    return *(const int *)user;
}

START_TEST(a_handlers_status_becomes_the_matching_envelope)
{
    static int status;
    static const struct {
        int status;
        const char *type;
    } rows[] = {
        {WSRT_ERR_NOT_FOUND, "NOT_FOUND"},
        {WSRT_ERR_EXISTS, "CONFLICT_ERROR"},
        {WSRT_ERR_TIMEOUT, "TIMEOUT_ERROR"},
        {WSRT_ERR_UNAVAILABLE, "EXTERNAL_SERVICE_ERROR"},
        {WSRT_ERR_FORBIDDEN, "AUTHORIZATION_ERROR"},
        {WSRT_ERR_INTERNAL, "INTERNAL_ERROR"},
        {WSRT_ERR_NOMEM, "INTERNAL_ERROR"},
        {-12345, "INTERNAL_ERROR"},
    };
    wsrt_route r = {.user = &status};

    add("$default", fail_by_status, &r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char wanted[64];
        status = rows[i].status;
        message("c1", NULL, "{}");
        snprintf(wanted, sizeof wanted, "\"error\":{\"type\":\"%s\"", rows[i].type);
        ck_assert_ptr_nonnull(strstr(last_post(), wanted));
    }
}
END_TEST

START_TEST(the_correlation_id_of_the_message_is_echoed)
{
    static int status = WSRT_ERR_NOT_FOUND;
    wsrt_route r = {.user = &status};

    add("$default", fail_by_status, &r);
    message("c1", NULL, "{\"correlationId\":\"abc-1\"}");
    ck_assert_ptr_nonnull(strstr(last_post(), "\"correlationId\":\"abc-1\""));
    message("c1", NULL, "{\"correlationId\":\"bad id\"}");
    ck_assert_ptr_null(strstr(last_post(), "bad id"));
    ck_assert_ptr_nonnull(strstr(last_post(), "\"correlationId\":\"018bcfe5-"));
}
END_TEST

START_TEST(a_header_outside_of_a_handler_is_refused)
{
    wsrt_context *none = NULL;

    ck_assert_int_eq(wsrt_respond_header(none, wsrt_span_cstr("a"), wsrt_span_cstr("b")),
                     WSRT_ERR_INVALID);
}
END_TEST

static int set_headers(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    static const struct {
        const char *name, *value;
        int status;
    } rows[] = {
        {"X-Ok", "fine", WSRT_OK},           {"X Bad", "v", WSRT_ERR_INVALID},
        {"", "v", WSRT_ERR_INVALID},         {"X-Split", "a\r\nB: c", WSRT_ERR_INVALID},
        {"X-Nul", "a\nb", WSRT_ERR_INVALID}, {"X:", "v", WSRT_ERR_INVALID},
    };
    (void)req;
    (void)user;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(
            wsrt_respond_header(ctx, wsrt_span_cstr(rows[i].name), wsrt_span_cstr(rows[i].value)),
            rows[i].status);
    return WSRT_OK;
}

START_TEST(a_handler_cannot_smuggle_a_header)
{
    add("$connect", set_headers, NULL);
    connect_as("c1", NULL, NULL);
    ck_assert_str_eq(w.header, "X-Ok: fine");
}
END_TEST

/* ---- delivery ---- */

static void connect_many(int n, const char *token)
{
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "many%d", i);
        connect_as(id, NULL, token);
        ck_assert_int_eq(w.status, 200);
    }
}

START_TEST(a_broadcast_reaches_everybody_once)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("hello")};
    wsrt_delivery d = {.struct_size = sizeof d};

    connect_many(200, NULL);
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &p, &d), WSRT_OK);
    ck_assert_uint_eq(d.attempted, 200);
    ck_assert_uint_eq(d.sent, 200);
    ck_assert_uint_eq(w.post_count, 200);
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(w.posts[i].id, w.posts[k].id);
}
END_TEST

START_TEST(a_broadcast_can_be_for_members_and_leave_one_out)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("hello")};
    wsrt_delivery d = {.struct_size = sizeof d};
    wsrt_audience to = {
        .struct_size = sizeof to, .signed_in = 1, .except = wsrt_span_cstr("many1")};

    connect_many(3, "ann-token");
    connect_as("c1", NULL, NULL);
    connect_as("c2", NULL, "bob-token");
    ck_assert_int_eq(wsrt_broadcast(w.rt, &to, &p, &d), WSRT_OK);
    ck_assert_uint_eq(d.sent, 3);
    ck_assert_int_eq(wsrt_send_user(w.rt, wsrt_span_cstr("ann"), &p, &d), WSRT_OK);
    ck_assert_uint_eq(d.sent, 3);
    ck_assert_int_eq(wsrt_send_user(w.rt, wsrt_span_cstr("carol"), &p, &d), WSRT_OK);
    ck_assert_uint_eq(d.attempted, 0);
}
END_TEST

START_TEST(a_peer_that_has_left_is_forgotten_and_never_fails_the_others)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("hello")};
    wsrt_delivery d = {.struct_size = sizeof d};

    connect_many(5, NULL);
    w.gone = "many2";
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &p, &d), WSRT_OK);
    ck_assert_uint_eq(d.sent, 4);
    ck_assert_uint_eq(d.gone, 1);
    ck_assert_uint_eq(connections(), 4);
    w.gone = "many3";
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("many3"), &p), WSRT_ERR_GONE);
    ck_assert_uint_eq(connections(), 3);
}
END_TEST

START_TEST(oversize_payloads_are_refused_before_anything_is_sent)
{
    static char large[131073];
    wsrt_post p = {.struct_size = sizeof p, .data = {large, sizeof large}};

    connect_many(2, NULL);
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &p, NULL), WSRT_ERR_TOO_LARGE);
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("many0"), &p), WSRT_ERR_TOO_LARGE);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_connection_is_closed_through_the_sender)
{
    ck_assert_int_eq(wsrt_disconnect(w.rt, wsrt_span_cstr("c1"), 4001, wsrt_span_cstr("bye")),
                     WSRT_OK);
    ck_assert_int_eq(w.closed_code, 4001);
    ck_assert_int_eq(wsrt_disconnect(w.rt, wsrt_span_cstr("bad id"), 4001, wsrt_span_cstr("")),
                     WSRT_ERR_INVALID);
}
END_TEST

/* ---- guarded calls ---- */

struct guarded {
    int status, outcome, fallback, calls, fallbacks, result;
};

static int outside(wsrt_context *ctx, void *arg)
{
    struct guarded *g = arg;

    g->calls++;
    if (g->outcome != 0)
        wsrt_call_outcome(ctx, g->outcome);
    return g->status;
}

static int instead(wsrt_context *ctx, void *arg)
{
    (void)ctx;
    ((struct guarded *)arg)->fallbacks++;
    return WSRT_OK;
}

static int call_outside(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct guarded *g = user;

    (void)req;
    g->result = wsrt_call(ctx, "cognito", "verifyJWT", outside, g->fallback ? instead : NULL, g);
    return g->result;
}

START_TEST(a_failing_service_opens_its_breaker_and_is_left_alone)
{
    struct guarded g = {.status = WSRT_ERR_UNAVAILABLE};
    wsrt_route r = {.user = &g};

    add("$default", call_outside, &r);
    for (int i = 0; i < 5; i++)
        message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 5);
    expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
    message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 5);
    ck_assert_int_eq(g.result, WSRT_ERR_CIRCUIT_OPEN);
    expect_error("EXTERNAL_SERVICE_ERROR", "CIRCUIT_OPEN");
    ck_assert_ptr_nonnull(strstr(last_post(), "Authentication service temporarily unavailable"));
    ck_assert_ptr_nonnull(strstr(last_post(), "\"retryAfter\":30000"));
    ck_assert_ptr_null(strstr(last_post(), "verifyJWT"));
}
END_TEST

static int refuse(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_FORBIDDEN, "NOT_TODAY", NULL);
}

START_TEST(developers_see_more_when_host_and_request_both_say_so)
{
    for (uint32_t host = 0; host <= 1; host++)
        for (uint32_t request = 0; request <= 1; request++) {
            wsrt_runtime_options o = options();
            struct guarded g = {.status = WSRT_ERR_UNAVAILABLE};
            wsrt_route r = {.user = &g};
            o.flags |= host * WSRT_RUNTIME_DEVELOPER_ERRORS;
            begin(&o);
            add("$default", call_outside, &r);
            add("$connect", refuse, NULL);
            wsrt_event ev = event(WSRT_EVENT_MESSAGE, "c1", NULL);
            ev.body = wsrt_span_cstr("{}");
            ev.flags = request * WSRT_EVENT_DEVELOPER;
            dispatch(&ev);
            expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
            int shown = strstr(last_post(), "\"details\":{\"service\":\"cognito\",\"operation\":"
                                            "\"verifyJWT\",\"state\":\"closed\",\"failureRate\":1,"
                                            "\"totalRequests\":1}") != NULL;
            ck_assert_int_eq(shown, host && request);
            ck_assert_int_eq(strstr(last_post(), "\"debug\"") != NULL, host && request);
            ev.kind = WSRT_EVENT_CONNECT;
            dispatch(&ev);
            ck_assert_int_eq(w.status, 403);
            ck_assert_int_eq(strstr(w.body, "\"debug\"") != NULL, host && request);
            ck_assert_int_eq(strstr(w.headers, "X-Debug-Mode: enabled\n") != NULL, host && request);
        }
}
END_TEST

static int no_keys(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    (void)self;
    (void)token;
    (void)wall;
    (void)out;
    return WSRT_ERR_UNAVAILABLE;
}

START_TEST(a_token_that_cannot_be_judged_is_no_fault_of_the_clients)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = no_keys};
    wsrt_authenticator down = {&ops, NULL};
    wsrt_runtime_options o = options();

    o.authenticator = &down;
    begin(&o);
    add("$default", sign_in, NULL);
    message("c1", NULL, "{\"token\":\"ann-token\"}");
    expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
    ck_assert_ptr_nonnull(strstr(last_post(), "Authentication service temporarily unavailable"));
}
END_TEST

START_TEST(an_authorizer_that_cannot_judge_lets_nobody_in)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = no_keys};
    wsrt_authenticator down = {&ops, NULL};
    wsrt_runtime_options o = options();

    o.authenticator = &down;
    begin(&o);
    authorize(NULL, NULL, "ann-token");
    ck_assert_int_ge(w.status, 500);
    ck_assert_str_eq(w.user, "");
}
END_TEST

START_TEST(a_refused_connection_says_why_in_its_headers)
{
    wsrt_event ev = event(WSRT_EVENT_CONNECT, "c1", NULL);

    add("$connect", refuse, NULL);
    ev.request_id = wsrt_span_cstr("req-1");
    ev.correlation_id = wsrt_span_cstr("corr-1");
    dispatch(&ev);
    ck_assert_str_eq(w.headers, "Content-Type: application/json\nX-Request-ID: req-1\n"
                                "X-Correlation-ID: corr-1\nX-Error-Type: AUTHORIZATION_ERROR\n"
                                "X-Error-Code: NOT_TODAY\n");
}
END_TEST

START_TEST(bad_requests_of_ours_never_open_a_breaker)
{
    struct guarded g = {.status = WSRT_ERR_FORBIDDEN, .fallback = 1};
    wsrt_route r = {.user = &g};

    add("$default", call_outside, &r);
    for (int i = 0; i < 50; i++)
        message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 50);
    ck_assert_int_eq(g.fallbacks, 0);
    expect_error("AUTHORIZATION_ERROR", "FORBIDDEN");
}
END_TEST

START_TEST(a_function_can_say_its_outcome_itself)
{
    struct guarded g = {.status = WSRT_ERR_REJECTED, .outcome = WSRT_FAILURE};
    wsrt_route r = {.user = &g};

    add("$default", call_outside, &r);
    for (int i = 0; i < 9; i++)
        message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 5);
}
END_TEST

START_TEST(a_fallback_serves_failures_and_refusals)
{
    struct guarded g = {.status = WSRT_ERR_TIMEOUT, .fallback = 1};
    wsrt_route r = {.user = &g};

    add("$default", call_outside, &r);
    for (int i = 0; i < 8; i++) {
        message("c1", NULL, "{}");
        ck_assert_int_eq(g.result, WSRT_OK);
    }
    ck_assert_int_eq(g.calls, 5);
    ck_assert_int_eq(g.fallbacks, 8);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_fallback_is_logged_once_in_ten_seconds_for_each_operation)
{
    struct guarded g = {.status = WSRT_ERR_TIMEOUT, .fallback = 1};
    wsrt_route r = {.user = &g};

    add("$default", call_outside, &r);
    for (int i = 0; i < 8; i++)
        message("c1", NULL, "{}");
    ck_assert_uint_eq(w.fallback_lines, 1);
    ck_assert_ptr_nonnull(strstr(
        w.last, "service=cognito operation=verifyJWT reason=WSRT_ERR_TIMEOUT correlationId="));
    w.now += INT64_C(9999000000);
    message("c1", NULL, "{}");
    ck_assert_uint_eq(w.fallback_lines, 1);
    w.now += 1000000;
    message("c1", NULL, "{}");
    ck_assert_uint_eq(w.fallback_lines, 2);
    ck_assert_ptr_nonnull(strstr(w.last, "reason=WSRT_ERR_CIRCUIT_OPEN"));
}
END_TEST

/* ---- the rest ---- */

START_TEST(events_that_break_their_rules_are_refused)
{
    wsrt_event ev = event(WSRT_EVENT_MESSAGE, "c1", NULL), bad;

    add("$default", say_route, NULL);
    bad = ev;
    bad.connection_id = wsrt_span_cstr("no spaces");
    ck_assert_int_eq(dispatch(&bad), WSRT_ERR_INVALID);
    bad = ev;
    bad.kind = 9;
    ck_assert_int_eq(dispatch(&bad), WSRT_ERR_INVALID);
    bad = ev;
    bad.struct_size = 8;
    ck_assert_int_eq(dispatch(&bad), WSRT_ERR_INVALID);
    bad = ev;
    bad.body.len = 5;
    ck_assert_int_eq(dispatch(&bad), WSRT_ERR_INVALID);
    ck_assert_int_eq(dispatch(NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(an_idle_runtime_has_no_deadline)
{
    add("$default", say_route, NULL);
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), INT64_MAX);
    message("c1", NULL, "{}");
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), w.now + 1000000000);
    ck_assert_int_eq(wsrt_runtime_tick(w.rt, w.now, w.wall), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), INT64_MAX);
}
END_TEST

START_TEST(records_without_a_session_expire_and_are_swept)
{
    connect_as("c1", NULL, NULL);
    ck_assert_uint_eq(connections(), 1);
    w.wall += 601000;
    w.now += 601000000000;
    ck_assert_uint_eq(connections(), 0);
    ck_assert_int_le(wsrt_runtime_next_deadline(w.rt), w.now);
    size_t before = w.heap.live;
    ck_assert_int_eq(wsrt_runtime_tick(w.rt, w.now, w.wall), WSRT_OK);
    ck_assert_uint_lt(w.heap.live, before);
    ck_assert_int_gt(wsrt_runtime_next_deadline(w.rt), w.now);
}
END_TEST

START_TEST(activity_keeps_a_record_alive)
{
    add("$default", say_user, NULL);
    connect_as("c1", NULL, NULL);
    for (int i = 0; i < 5; i++) {
        w.wall += 300000;
        message("c1", NULL, "{}");
        ck_assert_uint_eq(connections(), 1);
    }
}
END_TEST

START_TEST(a_connection_with_a_session_never_expires_by_time)
{
    wsrt_session s = {{0}};

    connect_as("c1", &s, NULL);
    w.wall += 86400000;
    ck_assert_uint_eq(connections(), 1);
    disconnect("c1", &s);
}
END_TEST

static int destroyed;

static void destroy(void *user)
{
    (void)user;
    destroyed++;
}

START_TEST(a_routes_user_pointer_is_destroyed_with_the_runtime)
{
    wsrt_route r = {.destroy = destroy};

    destroyed = 0;
    add("$default", say_route, &r);
    tear_down();
    ck_assert_int_eq(destroyed, 1);
    set_up();
}
END_TEST

/* ---- streams ---- */

static int take_stream(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    int fails = wsrt_span_equal(req->event->body, wsrt_span_cstr("bad"));

    (void)user;
    ck_assert_ptr_null(wsrt_context_principal(ctx));
    ck_assert(wsrt_span_equal(req->route_key, wsrt_span_cstr("$stream")));
    return fails ? WSRT_ERR_UNAVAILABLE : wsrt_reply(ctx, req->event->body);
}

static int stream(const char *body)
{
    wsrt_event ev = event(WSRT_EVENT_STREAM, NULL, NULL);

    ev.body = wsrt_span_cstr(body);
    return dispatch(&ev);
}

START_TEST(a_stream_goes_to_its_own_route_and_is_answered_in_the_response)
{
    add("$stream", take_stream, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
    add("$default", say_route, NULL);
    ck_assert_int_eq(stream("{\"Records\":[]}"), WSRT_OK);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.body, "{\"Records\":[]}");
    ck_assert_uint_eq(w.post_count, 0);
    ck_assert_int_eq(message("c1", NULL, "{\"type\":\"$stream\"}"), WSRT_OK);
    ck_assert_str_eq(last_post(), "$default");
}
END_TEST

START_TEST(a_stream_that_fails_or_has_no_route_says_so_by_its_status)
{
    wsrt_runtime_options o = options();

    ck_assert_int_eq(stream("good"), WSRT_OK);
    ck_assert_int_eq(w.status, 404);
    begin(&o);
    add("$stream", take_stream, NULL);
    ck_assert_int_eq(stream("bad"), WSRT_OK);
    ck_assert_int_eq(w.status, 502);
    ck_assert_ptr_nonnull(strstr(w.body, "\"success\":false"));
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_stream_counts_as_its_routes_operation_and_as_no_conversation)
{
    struct guarded g = {0};
    wsrt_op_totals t = {.struct_size = sizeof t};
    wsrt_monitor *m = wsrt_runtime_monitor(w.rt);
    wsrt_span name = wsrt_span_cstr("stream_processor");
    int id = -1;

    add("$stream", call_outside, &(wsrt_route){.user = &g, .operation = name});
    ck_assert_int_eq(stream("records"), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_operation(m, name, &id), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_totals(m, id, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_uint_eq(t.external_calls, 1);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_CONVERSATION, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 0);
}
END_TEST

START_TEST(the_shipped_operations_are_counted)
{
    wsrt_op_totals t = {.struct_size = sizeof t};
    wsrt_monitor *m = wsrt_runtime_monitor(w.rt);

    add("auth", sign_in, NULL);
    connect_as("c1", NULL, NULL);
    message("c1", NULL, "{\"type\":\"auth\",\"token\":\"x\"}");
    disconnect("c1", NULL);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_CONNECTION, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 2);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_CONVERSATION, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_uint_eq(t.errors, 1);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_JWT_VERIFICATION, &t), WSRT_OK);
    ck_assert_uint_eq(t.errors, 1);
}
END_TEST

static wsrt_op_totals conversations(void)
{
    wsrt_op_totals t = {.struct_size = sizeof t};

    ck_assert_int_eq(wsrt_monitor_totals(wsrt_runtime_monitor(w.rt), WSRT_OP_CONVERSATION, &t),
                     WSRT_OK);
    return t;
}

START_TEST(a_batch_that_settles_ends_all_its_plain_messages_at_once)
{
    struct guarded g = {0};
    int status = WSRT_ERR_NOT_FOUND;
    wsrt_route calls = {.user = &g}, fails = {.user = &status};
    wsrt_recorder *rec;
    wsrt_event ev = event(WSRT_EVENT_MESSAGE, "c1", NULL);

    add("$default", say_route, NULL);
    add("call", call_outside, &calls);
    add("fail", fail_by_status, &fails);
    ck_assert_int_eq(wsrt_recorder_new(&rec, wsrt_runtime_monitor(w.rt)), WSRT_OK);
    ev.recorder = rec;
    ev.now = w.now;
    ev.body = wsrt_span_cstr("{}");
    dispatch(&ev); /* its CPU time is sampled: not deferred */
    ev.flags = WSRT_EVENT_SETTLES;
    dispatch(&ev);
    dispatch(&ev);
    ck_assert_uint_eq(conversations().count, 1);
    ck_assert_uint_eq(wsrt_recorder_unsettled(rec), 2);
    ev.body = wsrt_span_cstr("{\"type\":\"call\"}");
    dispatch(&ev);
    ck_assert_uint_eq(conversations().count, 2);
    ev.body = wsrt_span_cstr("{\"type\":\"fail\"}");
    dispatch(&ev);
    ck_assert_uint_eq(conversations().count, 3);
    ck_assert_uint_eq(conversations().errors, 1);
    wsrt_recorder_settle(rec, w.now + 1000);
    ck_assert_uint_eq(conversations().count, 5);
    ck_assert_uint_eq(conversations().duration_max, 1000);
    ck_assert_uint_eq(conversations().in_flight, 0);
    wsrt_recorder_free(rec);
}
END_TEST

static int collect(const void *data, size_t len, void *user)
{
    strncat(user, data, len);
    return WSRT_OK;
}

static const char *page(void)
{
    static char text[65536];

    text[0] = '\0';
    ck_assert_int_eq(wsrt_monitor_prometheus(wsrt_runtime_monitor(w.rt), collect, text), WSRT_OK);
    return text;
}

static void expect_line(const char *line)
{
    ck_assert_msg(strstr(page(), line) != NULL, "no line %s", line);
}

#define OF_COGNITO "{service=\"cognito\",operation=\"verifyJWT\",environment=\"dev\"} "

/* Five failures trip, one call is refused, the probe after the wait fails, a later one succeeds. */
START_TEST(every_transition_and_rejection_of_a_breaker_is_in_the_metrics_once)
{
    struct guarded g = {.status = WSRT_ERR_UNAVAILABLE};
    wsrt_route r = {.user = &g};

    add("$default", call_outside, &r);
    for (int i = 0; i < 6; i++)
        message("c1", NULL, "{}");
    expect_line("wsrt_circuit_state" OF_COGNITO "2\n");
    expect_line("wsrt_circuit_failures_total" OF_COGNITO "5\n");
    expect_line("wsrt_circuit_rejected_total" OF_COGNITO "1\n");
    expect_line("wsrt_circuit_transitions_total" OF_COGNITO "1\n");
    expect_line("wsrt_transport_integration_errors_total{environment=\"dev\"} 6\n");
    w.now += 31000000000;
    message("c1", NULL, "{}");
    expect_line("wsrt_circuit_transitions_total" OF_COGNITO "3\n");
    w.now += 31000000000;
    g.status = WSRT_OK;
    message("c1", NULL, "{}");
    expect_line("wsrt_circuit_transitions_total" OF_COGNITO "5\n");
    expect_line("wsrt_circuit_state" OF_COGNITO "0\n");
    ck_assert_uint_eq(w.breaker_lines, 5);
}
END_TEST

START_TEST(without_limits_not_even_a_given_limiter_counts)
{
    wsrt_runtime_options o = options();
    wsrt_limiter *limiter;

    ck_assert_int_eq(wsrt_limiter_new(&limiter, NULL), WSRT_OK);
    o.limiter = limiter;
    begin(&o);
    ck_assert_ptr_null(wsrt_runtime_limiter(w.rt));
    o.flags = 0;
    begin(&o);
    ck_assert_ptr_eq(wsrt_runtime_limiter(w.rt), limiter);
    wsrt_runtime_free(w.rt);
    w.rt = NULL;
    wsrt_limiter_free(limiter);
}
END_TEST

START_TEST(refusals_by_the_limiter_are_in_the_metrics_by_scope)
{
    wsrt_runtime_options o = options();

    o.flags = 0;
    begin(&o);
    add("$default", say_route, NULL);
    for (int i = 0; i < 25; i++)
        message("c1", NULL, "{}");
    expect_line("wsrt_limiter_rate_limited_total{scope=\"connection\",environment=\"dev\"} 5\n");
    expect_line("wsrt_limiter_rate_limited_total{scope=\"stage\",environment=\"dev\"} 0\n");
}
END_TEST

START_TEST(failed_sends_and_removed_records_are_in_the_metrics)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};

    connect_as("c1", NULL, NULL);
    w.gone = "c1";
    wsrt_broadcast(w.rt, NULL, &p, NULL);
    expect_line("wsrt_transport_stale_connections_removed_total{environment=\"dev\"} 1\n");
    w.gone = NULL;
    w.slow = "c2";
    wsrt_send(w.rt, wsrt_span_cstr("c2"), &p);
    expect_line("wsrt_transport_send_failures_total{environment=\"dev\"} 1\n");
}
END_TEST

static int call_two(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct guarded *g = user;

    (void)req;
    g->result = wsrt_call(ctx, "first", "op", outside, instead, g);
    return wsrt_call(ctx, "second", "op", outside, instead, g);
}

START_TEST(a_call_that_finds_no_room_for_a_breaker_is_made_counted_and_logged_once)
{
    struct guarded g = {.status = WSRT_ERR_TIMEOUT};
    wsrt_route r = {.user = &g};
    wsrt_breakers_options small = {.struct_size = sizeof small, .max_breakers = 1};
    wsrt_runtime_options o = options();
    wsrt_breaker *held;

    ck_assert_int_eq(wsrt_breakers_new(&o.breakers, &small), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_get(o.breakers, wsrt_span_cstr("first"), wsrt_span_cstr("op"),
                                       NULL, &held, NULL),
                     WSRT_OK);
    begin(&o);
    add("$default", call_two, &r);
    for (int i = 0; i < 10; i++)
        message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 15); /* five until the first opens, all ten of the second */
    ck_assert_uint_eq(w.unguarded_lines, 1);
    ck_assert_uint_eq(w.fallback_lines, 2); /* each operation has a line of its own */
    expect_line("wsrt_app_unguarded_calls_total{environment=\"dev\"} 10\n");
    wsrt_runtime_free(w.rt);
    w.rt = NULL;
    wsrt_breaker_release_ref(held);
    wsrt_breakers_free(o.breakers);
}
END_TEST

/* One life of a small service; its steps may fail, its end must leave nothing. */
static void one_life(void)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN, .operation = wsrt_span_cstr("op")};
    wsrt_runtime_options o = options();
    wsrt_session s = {{0}};
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    wsrt_route r = {.struct_size = sizeof r, .key = wsrt_span_cstr("auth"), .handler = sign_in};

    o.flags = 0;
    if (wsrt_runtime_new(&w.rt, &o) != WSRT_OK) {
        ck_assert_ptr_null(w.rt);
        return;
    }
    members.struct_size = sizeof members;
    members.key = wsrt_span_cstr("$default");
    members.handler = say_user;
    (void)wsrt_runtime_route(w.rt, &r);
    (void)wsrt_runtime_route(w.rt, &members);
    (void)connect_as("c1", &s, NULL);
    (void)connect_as("c2", NULL, "ann-token");
    (void)message("c1", &s, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    (void)message("c1", &s, "{}");
    (void)message("c2", NULL, "{\"type\":\"\\u0061uth\"}");
    (void)wsrt_broadcast(w.rt, NULL, &p, NULL);
    (void)disconnect("c1", &s);
    (void)wsrt_runtime_tick(w.rt, w.now, w.wall);
    heap_arm(&w.heap, w.heap.tripped ? 0 : w.heap.fail_at, 0);
    wsrt_runtime_free(w.rt);
    w.rt = NULL;
}

START_TEST(every_allocation_may_fail)
{
    size_t points = 0;

    tear_down();
    for (int sticky = 0; sticky < 2; sticky++) {
        for (size_t n = 1; n < 10000; n++, points++) {
            heap_arm(&w.heap, n, sticky);
            w.rt = NULL;
            size_t before = w.heap.calls;
            one_life();
            ck_assert_uint_eq(w.heap.live, 0);
            if (w.heap.calls - before < n && !w.heap.tripped && w.heap.fail_at != 0)
                break;
        }
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_gt(points, 20);
    set_up();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime");
    TCase *t = tcase_create("runtime");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_message_goes_to_the_route_its_type_names);
    tcase_add_test(t, an_event_hears_which_route_took_it);
    tcase_add_test(t, selection_expressions_read_body_and_text);
    tcase_add_test(t, expressions_that_are_none_are_refused);
    tcase_add_test(t, without_a_route_the_client_is_told);
    tcase_add_test(t, in_gateway_mode_no_route_is_forbidden_in_the_gateways_words);
    tcase_add_test(t, routes_are_checked_when_they_are_added);
    tcase_add_test(t, a_connect_is_stored_and_a_disconnect_removes_it);
    tcase_add_test(t, a_connect_handler_can_refuse);
    tcase_add_test(t, a_failing_connect_handler_becomes_an_http_envelope);
    tcase_add_test(t, a_token_at_connect_signs_the_connection_in);
    tcase_add_test(t, a_bad_token_at_connect_is_refused);
    tcase_add_test(t, two_tokens_at_connect_are_ambiguous);
    tcase_add_test(t, a_token_by_subprotocol_is_answered_with_the_protocol_alone);
    tcase_add_test(t, who_was_authorized_by_subprotocol_is_answered_with_the_protocol_too);
    tcase_add_loop_test(t, an_authorizer_says_whose_a_token_is, 0,
                        (int)(sizeof authorizations / sizeof authorizations[0]));
    tcase_add_test(t, an_expired_token_authorizes_nobody);
    tcase_add_test(t, an_authorizer_demands_what_the_route_of_connects_demands);
    tcase_add_test(t, authorizing_without_an_authenticator_is_not_supported);
    tcase_add_test(t, an_authorizer_that_cannot_judge_lets_nobody_in);
    tcase_add_test(t, where_authentication_is_required_nobody_gets_in_without);
    tcase_add_test(t, signing_in_lasts_for_the_connection);
    tcase_add_test(t, a_failed_sign_in_says_why);
    tcase_add_test(t, signing_in_on_a_connection_that_has_left_is_gone);
    tcase_add_test(t, a_route_for_members_asks_who_is_there);
    tcase_add_test(t, groups_and_scopes_are_asked_for);
    tcase_add_test(t, an_expired_token_ends_membership_until_the_next_sign_in);
    tcase_add_test(t, a_record_whose_principal_cannot_be_read_is_nobodys);
    tcase_add_test(t, an_invalid_message_never_reaches_its_handler);
    tcase_add_test(t, an_invalid_message_is_logged_by_its_rule_and_without_its_values);
    tcase_add_test(t, a_message_over_the_cap_is_too_large);
    tcase_add_test(t, a_flooding_connection_is_told_when_to_come_back);
    tcase_add_test(t, a_hundred_refusals_in_a_row_owe_a_close_with_1008);
    tcase_add_test(t, refusals_in_a_window_owe_a_close_with_4429_where_that_is_asked_for);
    tcase_add_test(t, what_all_clients_share_closes_no_connection);
    tcase_add_test(t, quiet_limits_drop_a_refused_message_without_an_answer);
    tcase_add_test(t, numbers_of_refusals_out_of_range_are_refused);
    tcase_add_test(t, a_reply_is_of_the_kind_of_the_message);
    tcase_add_test(t, a_two_way_route_answers_in_the_response_once);
    tcase_add_test(t, without_a_sender_the_first_reply_is_the_response);
    tcase_add_test(t, a_handlers_status_becomes_the_matching_envelope);
    tcase_add_test(t, the_correlation_id_of_the_message_is_echoed);
    tcase_add_test(t, ids_that_are_made_are_ulids_when_asked);
    tcase_add_test(t, a_handler_cannot_smuggle_a_header);
    tcase_add_test(t, a_header_outside_of_a_handler_is_refused);
    tcase_add_test(t, a_broadcast_reaches_everybody_once);
    tcase_add_test(t, a_broadcast_can_be_for_members_and_leave_one_out);
    tcase_add_test(t, a_peer_that_has_left_is_forgotten_and_never_fails_the_others);
    tcase_add_test(t, oversize_payloads_are_refused_before_anything_is_sent);
    tcase_add_test(t, a_connection_is_closed_through_the_sender);
    tcase_add_test(t, a_failing_service_opens_its_breaker_and_is_left_alone);
    tcase_add_test(t, developers_see_more_when_host_and_request_both_say_so);
    tcase_add_test(t, a_token_that_cannot_be_judged_is_no_fault_of_the_clients);
    tcase_add_test(t, a_refused_connection_says_why_in_its_headers);
    tcase_add_test(t, bad_requests_of_ours_never_open_a_breaker);
    tcase_add_test(t, a_function_can_say_its_outcome_itself);
    tcase_add_test(t, a_fallback_serves_failures_and_refusals);
    tcase_add_test(t, a_fallback_is_logged_once_in_ten_seconds_for_each_operation);
    tcase_add_test(t, a_call_that_finds_no_room_for_a_breaker_is_made_counted_and_logged_once);
    tcase_add_test(t, events_that_break_their_rules_are_refused);
    tcase_add_test(t, an_idle_runtime_has_no_deadline);
    tcase_add_test(t, records_without_a_session_expire_and_are_swept);
    tcase_add_test(t, activity_keeps_a_record_alive);
    tcase_add_test(t, a_connection_with_a_session_never_expires_by_time);
    tcase_add_test(t, a_routes_user_pointer_is_destroyed_with_the_runtime);
    tcase_add_test(t, a_stream_goes_to_its_own_route_and_is_answered_in_the_response);
    tcase_add_test(t, a_stream_that_fails_or_has_no_route_says_so_by_its_status);
    tcase_add_test(t, a_stream_counts_as_its_routes_operation_and_as_no_conversation);
    tcase_add_test(t, the_shipped_operations_are_counted);
    tcase_add_test(t, every_transition_and_rejection_of_a_breaker_is_in_the_metrics_once);
    tcase_add_test(t, without_limits_not_even_a_given_limiter_counts);
    tcase_add_test(t, refusals_by_the_limiter_are_in_the_metrics_by_scope);
    tcase_add_test(t, failed_sends_and_removed_records_are_in_the_metrics);
    tcase_add_test(t, a_batch_that_settles_ends_all_its_plain_messages_at_once);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(s, t);
    return s;
}
