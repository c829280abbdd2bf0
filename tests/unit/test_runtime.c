/* An event finds its route and is answered; messages find their receivers. */
#include "runtime_world.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

/* ---- routing ---- */

START_TEST(a_message_goes_to_the_route_its_type_names)
{
    world_add_route("one", world_say_route, NULL);
    world_add_route("two", world_say_route, NULL);
    world_add_route("$default", world_say_route, NULL);
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
        world_message("c1", NULL, rows[i].body);
        ck_assert_str_eq(world_last_post(), rows[i].route);
    }
}
END_TEST

START_TEST(an_event_hears_which_route_took_it)
{
    world_add_route("one", world_say_route, NULL);
    world_add_route("$disconnect", world_say_route, NULL);
    wsrt_span routed = wsrt_span_cstr("before");
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    ev.routed = &routed;
    ev.body = wsrt_span_cstr("{\"type\":\"one\"}");
    world_dispatch(&ev);
    ck_assert(wsrt_span_equal(routed, wsrt_span_cstr("one")));
    ev.body = wsrt_span_cstr("{\"type\":\"two\"}");
    world_dispatch(&ev);
    ck_assert_uint_eq(routed.len, 0);
    ev = world_event(WSRT_EVENT_DISCONNECT, "c1", NULL);
    ev.routed = &routed;
    world_dispatch(&ev);
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
        wsrt_runtime_options o = world_options();
        o.selection = wsrt_span_cstr(rows[i].expression);
        world_begin(&o);
        world_add_route(rows[i].route, world_say_route, NULL);
        world_message("c1", NULL, rows[i].body);
        ck_assert_str_eq(world_last_post(), rows[i].route);
    }
}
END_TEST

static char refused[256];

static void note_refused(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                         size_t count)
{
    (void)user;
    ck_assert_int_eq(level, WSRT_LEVEL_ERROR);
    ck_assert_str_eq(event_cstr, "runtime.setting_refused");
    ck_assert_uint_eq(count, 2);
    snprintf(refused, sizeof refused, "%.*s: %.*s", (int)fields[0].text.len, fields[0].text.ptr,
             (int)fields[1].text.len, fields[1].text.ptr);
}

static const struct {
    int64_t ttl_s;
    int rc;
} ttls[] = {{0, WSRT_OK},   {-1, WSRT_ERR_INVALID}, {1, WSRT_ERR_INVALID}, {466, WSRT_ERR_INVALID},
            {467, WSRT_OK}, {7200, WSRT_OK}};

/* Less the quarter that a touch may be late they are 350 s: a ping and two waits for its pong. */
START_TEST(a_time_to_live_in_which_a_live_record_could_expire_is_refused_with_its_rule)
{
    wsrt_env env = {.struct_size = sizeof env, .log = note_refused};
    wsrt_runtime_options o = {.struct_size = sizeof o, .env = &env, .idle_ttl_s = ttls[_i].ttl_s};
    wsrt_runtime *rt;

    refused[0] = '\0';
    ck_assert_int_eq(wsrt_runtime_new(&rt, &o), ttls[_i].rc);
    ck_assert_str_eq(refused, ttls[_i].rc == WSRT_OK
                                  ? ""
                                  : "idle_ttl_s: at least 467, or records of clients that ping "
                                    "every five minutes expire between two of their messages");
    wsrt_runtime_free(rt);
}
END_TEST

static const wsrt_store_ops no_store = {.struct_size = sizeof no_store};
static const wsrt_history_ops no_history = {.struct_size = sizeof no_history};
static const wsrt_sender_ops no_sender = {.struct_size = sizeof no_sender};
static const wsrt_authenticator_ops no_authenticator = {.struct_size = sizeof no_authenticator};

/* A text of so many bytes, which nobody looks at. */
static wsrt_span long_text(size_t len)
{
    static char text[512];

    return (wsrt_span){text, len};
}

static const struct {
    wsrt_runtime_options options;
    size_t node, environment;
    const char *told;
} senseless[] = {
    {.options.store = &(wsrt_store){&no_store, NULL},
     .told = "store: a table that has put, get, remove and each"},
    {.options.history = &(wsrt_history){&no_history, NULL},
     .told = "history: a table that has append and list"},
    {.options.sender = &(wsrt_sender){&no_sender, NULL}, .told = "sender: a table that has post"},
    {.options.authenticator = &(wsrt_authenticator){&no_authenticator, NULL},
     .told = "authenticator: a table that has authenticate"},
    {.options.selection = {"$request.foo", 12},
     .told = "selection: an expression such as $request.body.type"},
    {.options.max_lifetime_s = -1, .told = "max_lifetime_s: not negative"},
    {.node = 64, .told = "node: at most 63 bytes"},
    {.environment = 256, .told = "environment: at most 255 bytes"},
    {.options.refusals_in_a_row = 8192, .told = "refusals_in_a_row: at most 8191, or UINT32_MAX"},
    {.options.refusals_in_window = 65536, .told = "refusals_in_window: at most 65535"},
    {.options.refusal_window_ms = -1, .told = "refusal_window_ms: from 0 to 86400000"},
    {.options.refusal_window_ms = 86400001, .told = "refusal_window_ms: from 0 to 86400000"},
};

START_TEST(a_setting_that_makes_no_sense_is_named_in_the_log_with_its_rule)
{
    wsrt_env env = {.struct_size = sizeof env, .log = note_refused};
    wsrt_runtime_options o = senseless[_i].options;
    wsrt_runtime *rt;

    o.struct_size = sizeof o;
    o.env = &env;
    o.node = long_text(senseless[_i].node);
    o.environment = long_text(senseless[_i].environment);
    refused[0] = '\0';
    ck_assert_int_eq(wsrt_runtime_new(&rt, &o), WSRT_ERR_INVALID);
    ck_assert_str_eq(refused, senseless[_i].told);
}
END_TEST

START_TEST(what_is_no_key_selects_no_route)
{
    static const char *const bodies[] = {
        "{\"a\":\"k\"}",
        "{\"a\":[{\"b\":\"k\"}]}",
        "{\"a\":{\"b\":{\"k\":1}}}",
        "{\"a\":{\"b\":null}}",
        "{\"a\":{\"b\":[]}}",
        "{\"a\":{\"b\":\"\"}}",
        "{\"a\":{\"b\":\"k\"",
        "{\"a\":{\"b\":\"\\ud800\"}}",
        "{\"a\":{\"b\":\"\xff\"}}",
        "{\"a\":{\"b\":\"$connect\"}}",
        "{\"a\":{\"b\":\"\\u0024stream\"}}",
        "{\"a\":{\"b\":\"x\"},\"a\":{\"b\":\"k\"}}",
    };
    wsrt_runtime_options o = world_options();

    o.selection = wsrt_span_cstr("$request.body.a.b");
    world_begin(&o);
    world_add_route("k", world_say_route, NULL);
    world_add_route("$connect", world_say_route, NULL);
    world_add_route("$stream", world_say_route, NULL);
    world_add_route("$default", world_say_route, NULL);
    world_message("c1", NULL, "{\"a\":{\"\\u0062\":\"\\u006b\"}}");
    ck_assert_str_eq(world_last_post(), "k");
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        world_message("c1", NULL, bodies[i]);
        ck_assert_msg(strcmp(world_last_post(), "$default") == 0, "%s", bodies[i]);
    }
}
END_TEST

START_TEST(ids_of_128_bytes_go_every_way_and_longer_ones_none)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    wsrt_delivery report = {.struct_size = sizeof report};
    char id[130];

    memset(id, '=', 129);
    id[129] = '\0';
    world_add_route("$default", world_say_route, NULL);
    ck_assert_int_eq(world_connect(id + 1, NULL, "ann-token"), WSRT_OK);
    ck_assert_int_eq(world_message(id + 1, NULL, "{}"), WSRT_OK);
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr(id + 1), &p), WSRT_OK);
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &p, &report), WSRT_OK);
    ck_assert_uint_eq(report.sent, 1);
    ck_assert_uint_eq(w.post_count, 3);
    ck_assert_int_eq(world_disconnect(id + 1, NULL), WSRT_OK);
    ck_assert_uint_eq(world_connections(), 0);
    ck_assert_int_eq(world_connect(id, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(world_message(id, NULL, "{}"), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr(id), &p), WSRT_ERR_INVALID);
    ck_assert_int_eq(world_disconnect(id, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(world_connect("\xc3\xa9", NULL, NULL), WSRT_ERR_INVALID);
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
        wsrt_runtime_options o = world_options();
        wsrt_runtime *rt = w.rt;
        o.selection = wsrt_span_cstr(bad[i]);
        ck_assert_int_eq(wsrt_runtime_new(&rt, &o), WSRT_ERR_INVALID);
        ck_assert_ptr_null(rt);
    }
}
END_TEST

START_TEST(without_a_route_the_client_is_told)
{
    world_add_route("one", world_say_route, NULL);
    world_message("c1", NULL, "{\"type\":\"two\"}");
    world_expect_error("NOT_FOUND", "UNKNOWN_ROUTE");
    world_message("c1", NULL, "{\"type\":");
    world_expect_error("VALIDATION_ERROR", "INVALID_JSON");
}
END_TEST

START_TEST(in_gateway_mode_no_route_is_forbidden_in_the_gateways_words)
{
    wsrt_runtime_options o = world_options();
    o.flags |= WSRT_RUNTIME_API_GATEWAY;
    world_begin(&o);
    world_add_route("one", world_say_route, NULL);
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    ev.body = wsrt_span_cstr("{\"type\":\"two\"}");
    ev.request_id = wsrt_span_cstr("r-1");
    world_dispatch(&ev);
    ck_assert_str_eq(world_last_post(),
                     "{\"message\":\"Forbidden\",\"connectionId\":\"c1\",\"requestId\":\"r-1\"}");
    ck_assert_uint_eq(w.post_count, 1);
}
END_TEST

START_TEST(routes_are_checked_when_they_are_added)
{
    wsrt_route r = {
        .struct_size = sizeof r, .key = wsrt_span_cstr("a"), .handler = world_say_route};
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
    world_message("c1", NULL, "{}");
    r.key = wsrt_span_cstr("b");
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &r), WSRT_ERR_STATE);
}
END_TEST

/* ---- answers ---- */

START_TEST(a_reply_is_of_the_kind_of_the_message)
{
    world_add_route("$default", world_say_route, NULL);
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    ev.flags = WSRT_EVENT_BINARY;
    world_dispatch(&ev);
    ck_assert_uint_eq(w.posts[0].flags & WSRT_POST_BINARY, WSRT_POST_BINARY);
    ev.flags = 0;
    world_dispatch(&ev);
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

    world_add_route("$default", reply_twice, &r);
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(w.body, "first");
    ck_assert_int_eq(second, WSRT_ERR_STATE);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(without_a_sender_the_first_reply_is_the_response)
{
    wsrt_runtime_options o = world_options();
    o.sender = NULL;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
    world_message("c1", NULL, "{}");
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

    world_add_route("$default", fail_by_status, &r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char wanted[64];
        status = rows[i].status;
        world_message("c1", NULL, "{}");
        snprintf(wanted, sizeof wanted, "\"error\":{\"type\":\"%s\"", rows[i].type);
        ck_assert_ptr_nonnull(strstr(world_last_post(), wanted));
    }
}
END_TEST

START_TEST(the_correlation_id_of_the_message_is_echoed)
{
    static int status = WSRT_ERR_NOT_FOUND;
    wsrt_route r = {.user = &status};

    world_add_route("$default", fail_by_status, &r);
    world_message("c1", NULL, "{\"correlationId\":\"abc-1\"}");
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"correlationId\":\"abc-1\""));
    world_message("c1", NULL, "{\"correlationId\":\"bad id\"}");
    ck_assert_ptr_null(strstr(world_last_post(), "bad id"));
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"correlationId\":\"018bcfe5-"));
}
END_TEST

START_TEST(a_correlation_id_that_is_none_is_logged_and_replaced)
{
    static int status = WSRT_ERR_NOT_FOUND;
    wsrt_route r = {.user = &status};
    char body[800];

    world_add_route("$default", fail_by_status, &r);
    world_message("c1", NULL, "{\"correlationId\":\"\x1b[2Jtoken=abc d\"}");
    ck_assert_uint_eq(w.replaced_lines, 0); /* that is no JSON */
    world_message("c1", NULL, "{\"correlationId\":\"\x7f[2Jtoken=abc d\"}");
    ck_assert_uint_eq(w.replaced_lines, 1);
    ck_assert_ptr_nonnull(
        strstr(w.last, "offered=\\u007f[2Jtoken=[redacted] d length= correlationId=018bcfe5-"));
    snprintf(body, sizeof body, "{\"correlationId\":\"%0600d\"}", 1);
    world_message("c1", NULL, body);
    ck_assert_uint_eq(w.replaced_lines, 2);
    ck_assert_ptr_nonnull(strstr(w.last, "offered= length="));
    world_message("c1", NULL, "{}");
    ck_assert_uint_eq(w.replaced_lines, 2);
    ck_assert_uint_eq(w.lines, 0);
}
END_TEST

START_TEST(a_correlation_id_is_taken_from_the_first_place_that_has_one)
{
    static const struct {
        const char *name, *value, *id;
    } rows[] = {
        {"X-Request-ID", "req-1", "req-1"},
        {"X-Correlation-ID", "corr-1", "corr-1"},
        {"X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793",
         "5759e988bd862e3fe1be46a994272793"},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         "4bf92f3577b34da6a3ce929d0e0e4736"},
    };
    wsrt_pair headers[sizeof rows / sizeof rows[0]];
    char line[128];

    world_add_route("$connect", world_refuse, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
        headers[i] = (wsrt_pair){wsrt_span_cstr(rows[i].name), wsrt_span_cstr(rows[i].value)};
        ev.headers = headers;
        ev.header_count = i + 1;
        world_dispatch(&ev);
        snprintf(line, sizeof line, "X-Correlation-ID: %s\n", rows[i].id);
        ck_assert_msg(strstr(w.headers, line) != NULL, "%s: %s", rows[i].name, w.headers);
    }
}
END_TEST

START_TEST(a_peer_that_is_gone_is_410)
{
    static int status = WSRT_ERR_GONE;
    wsrt_route r = {.user = &status};
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    world_add_route("$connect", fail_by_status, &r);
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, 410);
    ck_assert_ptr_nonnull(strstr(w.body, "\"type\":\"NOT_FOUND\""));
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
    world_add_route("$connect", set_headers, NULL);
    world_connect("c1", NULL, NULL);
    ck_assert_str_eq(w.header, "X-Ok: fine");
}
END_TEST

START_TEST(ids_that_are_made_are_ulids_when_asked)
{
    wsrt_runtime_options o = world_options();

    o.flags |= WSRT_RUNTIME_ULID;
    world_begin(&o);
    world_message("a", NULL, "{\"type\":\"nothing\"}");
    const char *id = strstr(world_last_post(), "\"correlationId\":\"");
    ck_assert_ptr_nonnull(id);
    id += strlen("\"correlationId\":\"");
    ck_assert_uint_eq(strcspn(id, "\""), WSRT_ULID_LEN);
    ck_assert_uint_eq(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), WSRT_ULID_LEN);
}
END_TEST

/* ---- delivery ---- */

static void connect_many(int n, const char *token)
{
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "many%d", i);
        world_connect(id, NULL, token);
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
    world_connect("c1", NULL, NULL);
    world_connect("c2", NULL, "bob-token");
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
    ck_assert_uint_eq(world_connections(), 4);
    w.gone = "many3";
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("many3"), &p), WSRT_ERR_GONE);
    ck_assert_uint_eq(world_connections(), 3);
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

/* ---- the rest ---- */

START_TEST(events_that_break_their_rules_are_refused)
{
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL), bad;

    world_add_route("$default", world_say_route, NULL);
    bad = ev;
    bad.connection_id = wsrt_span_cstr("no spaces");
    ck_assert_int_eq(world_dispatch(&bad), WSRT_ERR_INVALID);
    bad = ev;
    bad.kind = 9;
    ck_assert_int_eq(world_dispatch(&bad), WSRT_ERR_INVALID);
    bad = ev;
    bad.struct_size = 8;
    ck_assert_int_eq(world_dispatch(&bad), WSRT_ERR_INVALID);
    bad = ev;
    bad.body.len = 5;
    ck_assert_int_eq(world_dispatch(&bad), WSRT_ERR_INVALID);
    ck_assert_int_eq(world_dispatch(NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(an_idle_runtime_has_no_deadline)
{
    world_add_route("$default", world_say_route, NULL);
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), INT64_MAX);
    world_message("c1", NULL, "{}");
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), w.now + 1000000000);
    ck_assert_int_eq(wsrt_runtime_tick(w.rt, w.now, w.wall), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), INT64_MAX);
}
END_TEST

START_TEST(records_without_a_session_expire_and_are_swept)
{
    world_connect("c1", NULL, NULL);
    ck_assert_uint_eq(world_connections(), 1);
    w.wall += 601000;
    w.now += 601000000000;
    ck_assert_uint_eq(world_connections(), 0);
    ck_assert_int_le(wsrt_runtime_next_deadline(w.rt), w.now);
    size_t before = w.heap.live;
    ck_assert_int_eq(wsrt_runtime_tick(w.rt, w.now, w.wall), WSRT_OK);
    ck_assert_uint_lt(w.heap.live, before);
    ck_assert_int_gt(wsrt_runtime_next_deadline(w.rt), w.now);
}
END_TEST

START_TEST(activity_keeps_a_record_alive)
{
    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, NULL);
    for (int i = 0; i < 5; i++) {
        w.wall += 300000;
        world_message("c1", NULL, "{}");
        ck_assert_uint_eq(world_connections(), 1);
    }
}
END_TEST

START_TEST(a_connection_with_a_session_never_expires_by_time)
{
    wsrt_session s = {{0}};

    world_connect("c1", &s, NULL);
    w.wall += 86400000;
    ck_assert_uint_eq(world_connections(), 1);
    world_disconnect("c1", &s);
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
    world_add_route("$default", world_say_route, &r);
    world_tear_down();
    ck_assert_int_eq(destroyed, 1);
    world_set_up();
}
END_TEST

/* ---- streams ---- */

START_TEST(a_stream_goes_to_its_own_route_and_is_answered_in_the_response)
{
    world_add_route("$stream", world_take_stream, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
    world_add_route("$default", world_say_route, NULL);
    ck_assert_int_eq(world_stream("{\"Records\":[]}"), WSRT_OK);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.body, "{\"Records\":[]}");
    ck_assert_uint_eq(w.post_count, 0);
    ck_assert_int_eq(world_message("c1", NULL, "{\"type\":\"$stream\"}"), WSRT_OK);
    ck_assert_str_eq(world_last_post(), "$default");
}
END_TEST

START_TEST(a_stream_that_fails_or_has_no_route_says_so_by_its_status)
{
    wsrt_runtime_options o = world_options();

    ck_assert_int_eq(world_stream("good"), WSRT_OK);
    ck_assert_int_eq(w.status, 404);
    world_begin(&o);
    world_add_route("$stream", world_take_stream, NULL);
    ck_assert_int_eq(world_stream("bad"), WSRT_OK);
    ck_assert_int_eq(w.status, 502);
    ck_assert_ptr_nonnull(strstr(w.body, "\"success\":false"));
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

static void one_life(void)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN, .operation = wsrt_span_cstr("op")};
    wsrt_runtime_options o = world_options();
    wsrt_session s = {{0}};
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    wsrt_route r = {
        .struct_size = sizeof r, .key = wsrt_span_cstr("auth"), .handler = world_sign_in};

    o.flags = 0;
    if (wsrt_runtime_new(&w.rt, &o) != WSRT_OK) {
        ck_assert_ptr_null(w.rt);
        return;
    }
    members.struct_size = sizeof members;
    members.key = wsrt_span_cstr("$default");
    members.handler = world_say_user;
    (void)wsrt_runtime_route(w.rt, &r);
    (void)wsrt_runtime_route(w.rt, &members);
    (void)world_connect("c1", &s, NULL);
    (void)world_connect("c2", NULL, "ann-token");
    (void)world_message("c1", &s, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    (void)world_message("c1", &s, "{}");
    (void)world_message("c2", NULL, "{\"type\":\"\\u0061uth\"}");
    (void)wsrt_broadcast(w.rt, NULL, &p, NULL);
    (void)world_disconnect("c1", &s);
    (void)wsrt_runtime_tick(w.rt, w.now, w.wall);
    heap_arm(&w.heap, w.heap.tripped ? 0 : w.heap.fail_at, 0);
    wsrt_runtime_free(w.rt);
    w.rt = NULL;
}

START_TEST(every_allocation_may_fail)
{
    size_t points = 0;

    world_tear_down();
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
    world_set_up();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime");
    TCase *t = tcase_create("runtime");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_message_goes_to_the_route_its_type_names);
    tcase_add_test(t, an_event_hears_which_route_took_it);
    tcase_add_test(t, selection_expressions_read_body_and_text);
    tcase_add_loop_test(t, a_setting_that_makes_no_sense_is_named_in_the_log_with_its_rule, 0,
                        (int)(sizeof senseless / sizeof senseless[0]));
    tcase_add_test(t, what_is_no_key_selects_no_route);
    tcase_add_test(t, ids_of_128_bytes_go_every_way_and_longer_ones_none);
    tcase_add_test(t, expressions_that_are_none_are_refused);
    tcase_add_loop_test(t,
                        a_time_to_live_in_which_a_live_record_could_expire_is_refused_with_its_rule,
                        0, (int)(sizeof ttls / sizeof ttls[0]));
    tcase_add_test(t, without_a_route_the_client_is_told);
    tcase_add_test(t, in_gateway_mode_no_route_is_forbidden_in_the_gateways_words);
    tcase_add_test(t, routes_are_checked_when_they_are_added);
    tcase_add_test(t, a_reply_is_of_the_kind_of_the_message);
    tcase_add_test(t, a_two_way_route_answers_in_the_response_once);
    tcase_add_test(t, without_a_sender_the_first_reply_is_the_response);
    tcase_add_test(t, a_handlers_status_becomes_the_matching_envelope);
    tcase_add_test(t, the_correlation_id_of_the_message_is_echoed);
    tcase_add_test(t, a_correlation_id_that_is_none_is_logged_and_replaced);
    tcase_add_test(t, a_correlation_id_is_taken_from_the_first_place_that_has_one);
    tcase_add_test(t, a_peer_that_is_gone_is_410);
    tcase_add_test(t, ids_that_are_made_are_ulids_when_asked);
    tcase_add_test(t, a_handler_cannot_smuggle_a_header);
    tcase_add_test(t, a_header_outside_of_a_handler_is_refused);
    tcase_add_test(t, a_broadcast_reaches_everybody_once);
    tcase_add_test(t, a_broadcast_can_be_for_members_and_leave_one_out);
    tcase_add_test(t, a_peer_that_has_left_is_forgotten_and_never_fails_the_others);
    tcase_add_test(t, oversize_payloads_are_refused_before_anything_is_sent);
    tcase_add_test(t, a_connection_is_closed_through_the_sender);
    tcase_add_test(t, events_that_break_their_rules_are_refused);
    tcase_add_test(t, an_idle_runtime_has_no_deadline);
    tcase_add_test(t, records_without_a_session_expire_and_are_swept);
    tcase_add_test(t, activity_keeps_a_record_alive);
    tcase_add_test(t, a_connection_with_a_session_never_expires_by_time);
    tcase_add_test(t, a_routes_user_pointer_is_destroyed_with_the_runtime);
    tcase_add_test(t, a_stream_goes_to_its_own_route_and_is_answered_in_the_response);
    tcase_add_test(t, a_stream_that_fails_or_has_no_route_says_so_by_its_status);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(s, t);
    return s;
}
