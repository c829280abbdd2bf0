/* What a host gives a runtime: options, routes, a store and a sender, also those that fail. */
#include "runtime_world.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})

/* ---- a store that fails or lacks what a case says ---- */

static struct {
    wsrt_memory_store *memory;
    wsrt_store kept;
    wsrt_store_ops ops;
    int put, get, remove, each,
        expire;       /* statuses instead of the store's answers; 0 = its answer */
    wsrt_record last; /* that was put; its texts as numbers of bytes */
} fragile;

static int fragile_put(void *self, const wsrt_record *r, int if_absent, int64_t now_s)
{
    fragile.last = *r;
    return fragile.put != 0 ? fragile.put : fragile.kept.ops->put(self, r, if_absent, now_s);
}

static int fragile_get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
                       size_t cap)
{
    return fragile.get != 0 ? fragile.get : fragile.kept.ops->get(self, id, now_s, out, buf, cap);
}

static int fragile_remove(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    return fragile.remove != 0 ? fragile.remove
                               : fragile.kept.ops->remove(self, id, if_connected_at);
}

static int fragile_each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                        int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                        size_t *count)
{
    return fragile.each != 0 ? fragile.each
                             : fragile.kept.ops->each(self, user_id, flags, cursor, now_s, out, max,
                                                      buf, cap, count);
}

static int fragile_expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    return fragile.expire != 0 ? fragile.expire
                               : fragile.kept.ops->expire(self, now_s, limit, removed);
}

static const wsrt_store *fragile_store(void)
{
    static wsrt_store store;

    memset(&fragile, 0, sizeof fragile);
    ck_assert_int_eq(wsrt_memory_store_new(&fragile.memory, NULL), WSRT_OK);
    wsrt_memory_store_connections(fragile.memory, &fragile.kept);
    fragile.ops = *fragile.kept.ops;
    fragile.ops.put = fragile_put;
    fragile.ops.get = fragile_get;
    fragile.ops.remove = fragile_remove;
    fragile.ops.each = fragile_each;
    fragile.ops.expire = fragile_expire;
    store = (wsrt_store){&fragile.ops, fragile.kept.self};
    return &store;
}

/* A runtime on it; end it with world_end_fragile(). */
static void begin_fragile(uint32_t flags)
{
    wsrt_runtime_options o = world_options();

    o.flags |= flags;
    o.store = fragile_store();
    world_begin(&o);
}

static void end_fragile(void)
{
    wsrt_runtime_options o = world_options();

    world_begin(&o);
    wsrt_memory_store_free(fragile.memory);
}

/* ---- options ---- */

static int try_new(const wsrt_runtime_options *o)
{
    wsrt_runtime *rt = w.rt;
    int rc = wsrt_runtime_new(&rt, o);

    ck_assert((rc == WSRT_OK) == (rt != NULL));
    wsrt_runtime_free(rt);
    return rc;
}

START_TEST(options_out_of_range_are_refused)
{
    wsrt_runtime_options o = world_options();

    ck_assert_int_eq(wsrt_runtime_new(NULL, &o), WSRT_ERR_INVALID);
    o.flags = 64;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_UNSUPPORTED);
    o = world_options();
    o.idle_ttl_s = -1;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    o = world_options();
    o.max_lifetime_s = -1;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    o = world_options();
    o.node = (wsrt_span){"0123456789012345678901234567890123456789012345678901234567890123", 64};
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    o.node.len = 63;
    ck_assert_int_eq(try_new(&o), WSRT_OK);
}
END_TEST

START_TEST(a_table_that_lacks_a_mandatory_function_is_refused)
{
    const wsrt_store *whole = fragile_store();
    wsrt_store_ops ops[5];
    wsrt_store store = {NULL, whole->self};
    wsrt_history_ops listless = {.struct_size = sizeof listless}, history_ops;
    wsrt_history history;
    wsrt_runtime_options o = world_options();

    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = *whole->ops;
    ops[0].struct_size = 8;
    ops[1].put = NULL;
    ops[2].get = NULL;
    ops[3].remove = NULL;
    ops[4].each = NULL;
    o.store = &store;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    for (size_t i = 0; i < COUNT(ops); i++) {
        store.ops = &ops[i];
        ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    }
    o.store = whole;
    wsrt_memory_store_history(fragile.memory, &history);
    history_ops = *history.ops;
    history.ops = &listless;
    o.history = &history;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    listless.append = history_ops.append;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    history.ops = &history_ops;
    ck_assert_int_eq(try_new(&o), WSRT_OK);
    wsrt_memory_store_free(fragile.memory);
}
END_TEST

START_TEST(an_authenticator_and_a_sender_have_their_function)
{
    const wsrt_authenticator_ops no_auth = {.struct_size = sizeof no_auth};
    const wsrt_sender_ops no_post = {.struct_size = sizeof no_post};
    const wsrt_authenticator auth = {&no_auth, NULL};
    const wsrt_sender sender = {&no_post, NULL};
    wsrt_runtime_options o = world_options();

    o.authenticator = &auth;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    o = world_options();
    o.sender = &sender;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_runtime_set_sender(w.rt, &sender), WSRT_ERR_INVALID);
}
END_TEST

static int no_entropy(void *user, void *dst, size_t len)
{
    (void)user;
    (void)dst;
    (void)len;
    return WSRT_ERR_IO;
}

START_TEST(without_entropy_no_runtime_is_made)
{
    wsrt_runtime_options o = world_options();
    wsrt_env env = *o.env;

    env.random = no_entropy;
    o.env = &env;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_IO);
}
END_TEST

START_TEST(parts_that_are_given_are_used_and_left)
{
    wsrt_runtime_options o = world_options();
    wsrt_memory_store *memory;
    wsrt_history history;

    ck_assert_int_eq(wsrt_monitor_new(&o.monitor, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_new(&o.breakers, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_memory_store_new(&memory, NULL), WSRT_OK);
    wsrt_memory_store_history(memory, &history);
    o.history = &history;
    world_begin(&o);
    ck_assert_ptr_eq(wsrt_runtime_monitor(w.rt), o.monitor);
    ck_assert_ptr_eq(wsrt_runtime_breakers(w.rt), o.breakers);
    ck_assert_ptr_eq(wsrt_runtime_history(w.rt)->self, history.self);
    ck_assert_ptr_ne(wsrt_runtime_store(w.rt)->self, history.self);
    world_add_route("$default", world_say_route, NULL);
    world_message("c1", NULL, "{}");
    wsrt_runtime_options plain = world_options();
    world_begin(&plain);
    wsrt_monitor_free(o.monitor);
    wsrt_breakers_free(o.breakers);
    wsrt_memory_store_free(memory);
}
END_TEST

START_TEST(a_gateways_default_limits_are_those_of_its_stage)
{
    wsrt_runtime_options o = world_options();

    o.flags = WSRT_RUNTIME_API_GATEWAY;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
    for (int i = 0; i < 101; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, id, NULL);
        ev.stage = TEXT("prod");
        ev.body = TEXT("{}");
        world_dispatch(&ev);
        if (i < 100)
            ck_assert_str_eq(world_last_post(), "$default");
    }
    world_expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
}
END_TEST

START_TEST(calls_on_no_runtime_are_refused)
{
    const wsrt_post post = {.struct_size = sizeof post};
    const wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    const wsrt_route r = {.struct_size = sizeof r, .key = TEXT("a"), .handler = world_say_route};

    ck_assert_int_eq(wsrt_runtime_tick(NULL, 1, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_runtime_next_deadline(NULL), INT64_MAX);
    ck_assert_int_eq(wsrt_runtime_dispatch(NULL, &ev, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_runtime_route(NULL, &r), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_runtime_route(w.rt, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_runtime_set_sender(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_send(NULL, TEXT("c1"), &post), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_disconnect(NULL, TEXT("c1"), 1000, TEXT("")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_handler(NULL, NULL, NULL), WSRT_ERR_INVALID);
    wsrt_runtime_free(NULL);
}
END_TEST

START_TEST(a_sender_is_set_once_and_may_be_taken_away)
{
    wsrt_runtime_options o = world_options();

    ck_assert_int_eq(wsrt_runtime_set_sender(w.rt, o.sender), WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_runtime_set_sender(w.rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_set_sender(w.rt, o.sender), WSRT_OK);
}
END_TEST

/* ---- routes ---- */

START_TEST(a_route_that_cannot_be_is_refused)
{
    static const char key[129] = "a";
    const wsrt_route good = {
        .struct_size = sizeof good, .key = TEXT("a"), .handler = world_say_route};
    wsrt_route bad[9];

    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = good;
    bad[0].key = (wsrt_span){key, sizeof key};
    bad[1].key = (wsrt_span){NULL, 1};
    bad[2].access = 2;
    bad[3].rule = (wsrt_rule){.rate = -1, .burst = 1};
    bad[4].rule = (wsrt_rule){.rate = 1};
    bad[5].rule = (wsrt_rule){.burst = 1};
    bad[6].struct_size = 8;
    bad[7].any_group = TEXT("admins"); /* and anyone may use it */
    bad[8].all_scopes = TEXT("write");
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(wsrt_runtime_route(w.rt, &bad[i]) == WSRT_ERR_INVALID, "row %zu", i);
    ck_assert_int_eq(wsrt_runtime_route(w.rt, &good), WSRT_OK);
}
END_TEST

START_TEST(a_rule_of_a_route_limits_it_for_all)
{
    wsrt_runtime_options o = world_options();
    wsrt_route r = {.rule = {.rate = 1, .burst = 2}};

    o.flags = 0;
    world_begin(&o);
    world_add_route("rare", world_say_route, &r);
    for (int i = 0; i < 2; i++) {
        world_message(i == 0 ? "c1" : "c2", NULL, "{\"type\":\"rare\"}");
        ck_assert_str_eq(world_last_post(), "rare");
    }
    world_message("c3", NULL, "{\"type\":\"rare\"}");
    world_expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
}
END_TEST

START_TEST(a_hundred_routes_are_each_found)
{
    char keys[100][8], body[64];

    for (int i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof keys[i], "r%d", i * 37 % 100);
        world_add_route(keys[i], world_say_route, NULL);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(body, sizeof body, "{\"type\":\"%.7s\"}", keys[i]);
        world_message("c1", NULL, body);
        ck_assert_str_eq(world_last_post(), keys[i]);
    }
}
END_TEST

/* ---- selection expressions ---- */

static const struct {
    const char *expression, *body, *key;
} selections[] = {
    {"$request.header.X-Kind", "{}", "of-a-header"},
    {"${request.header.x-kind}/${request.body.a}", "{\"a\":1}", "of-a-header/1"},
    {"${request.header.missing}x", "{}", "x"},
    {"plain", "{}", "plain"},
    {"${request.body.a}.", "{\"a\":\"b\\u0063d\"}", "bcd."},
    {"${request.body.a}.", "{\"a\":[\"b\\u0063\",null,{},2]}", "[bc, , , 2]."},
    {"${request.body.a}.", "{\"a\":[]}", "[]."},
    {"${request.body.a}.", "{\"a\":{}}", "."},
    {"${request.body.a}.", " \t\r\n{\"a\":\"spaced\"}", "spaced."},
    {"${request.body.a}.", " \t\r\n", "."},
    {"${request.body.a}.", "\"a\"", "."},
    {"$request.body.A-z_0", "{\"A-z_0\":\"every kind of letter\"}", "every kind of letter"},
};

START_TEST(an_expression_selects_by_headers_text_and_every_kind_of_value)
{
    wsrt_runtime_options o = world_options();
    const wsrt_pair header = {TEXT("X-Kind"), TEXT("of-a-header")};
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);

    o.selection = wsrt_span_cstr(selections[_i].expression);
    world_begin(&o);
    world_add_route(selections[_i].key, world_say_route, NULL);
    ev.body = wsrt_span_cstr(selections[_i].body);
    ev.headers = &header;
    ev.header_count = 1;
    world_dispatch(&ev);
    ck_assert_str_eq(world_last_post(), selections[_i].key);
}
END_TEST

START_TEST(an_expression_has_bounds_and_an_alphabet)
{
    static const char *const bad[] = {
        "$request.header.", "$request.header.a b", "$request.body.a@",   "$request.body.a[",
        "$request.body.a`", "$request.body.a{",    "$request.body.a/",   "$request.body.a:",
        "text $",           "${request.body.a}$",  "$request.header.a:", "${",
        "${request.path}"};
    char sixteen[16 * 2 * 18] = "", huge[1026];
    wsrt_runtime_options o = world_options();

    for (size_t i = 0; i < COUNT(bad); i++) {
        o.selection = wsrt_span_cstr(bad[i]);
        ck_assert_msg(try_new(&o) == WSRT_ERR_INVALID, "%s", bad[i]);
    }
    memset(huge, 'x', sizeof huge);
    o.selection = (wsrt_span){huge, 1025};
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    o.selection.len = 1024;
    ck_assert_int_eq(try_new(&o), WSRT_OK);
    for (int i = 0; i < 8; i++)
        strcat(sixteen, "${request.body.a}-");
    o.selection = wsrt_span_cstr(sixteen);
    ck_assert_int_eq(try_new(&o), WSRT_OK);
    strcat(sixteen, "${request.body.a}");
    o.selection = wsrt_span_cstr(sixteen);
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    sixteen[strlen(sixteen) - 17] = '\0';
    strcat(sixteen, "${request.header.a}");
    o.selection = wsrt_span_cstr(sixteen);
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
}
END_TEST

/* ---- connections ---- */

START_TEST(a_record_says_where_and_until_when)
{
    static const struct {
        int64_t lifetime_s, until;
    } rows[] = {{0, 1700000500}, {10, 1700000010}, {500, 1700000500}, {501, 1700000500}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_runtime_options o = world_options();
        o.store = fragile_store();
        o.node = TEXT("node-1");
        o.idle_ttl_s = 500;
        o.max_lifetime_s = rows[i].lifetime_s;
        world_begin(&o);
        world_connect("c1", NULL, NULL);
        ck_assert_uint_eq(fragile.last.node.len, 6);
        ck_assert_int_eq(fragile.last.expires_at, rows[i].until);
        end_fragile();
    }
}
END_TEST

START_TEST(a_long_address_is_cut_and_a_long_agent_between_characters)
{
    char agent[300], ip[80];
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_record out = {.struct_size = sizeof out};
    char text[1024];
    wsrt_span id = TEXT("c1");

    memset(agent, 'x', sizeof agent);
    memcpy(agent + 253, "\xe2\x82\xac", 3);
    memset(ip, '1', sizeof ip);
    ev.user_agent = (wsrt_span){agent, sizeof agent};
    ev.source_ip = (wsrt_span){ip, sizeof ip};
    world_dispatch(&ev);
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    ck_assert_int_eq(s->ops->get(s->self, &id, 0, &out, text, sizeof text), WSRT_OK);
    ck_assert_uint_eq(out.source_ip.len, 63);
    ck_assert_uint_eq(out.user_agent.len, 253);
}
END_TEST

START_TEST(a_store_that_cannot_keep_a_connection_refuses_it)
{
    wsrt_session s = {{0}};

    begin_fragile(0);
    fragile.put = WSRT_ERR_UNAVAILABLE;
    world_connect("c1", &s, "ann-token");
    ck_assert_int_eq(w.status, 500);
    ck_assert_int_eq(wsrt_session_expires_at(&s), -1);
    end_fragile();
}
END_TEST

START_TEST(a_record_that_cannot_be_removed_is_warned_of)
{
    begin_fragile(0);
    world_connect("c1", NULL, NULL);
    fragile.remove = WSRT_ERR_UNAVAILABLE;
    w.gone = "c1";
    const wsrt_post post = {.struct_size = sizeof post, .data = TEXT("x")};
    ck_assert_int_eq(wsrt_send(w.rt, TEXT("c1"), &post), WSRT_ERR_GONE);
    ck_assert_uint_eq(w.lines, 1);
    ck_assert_uint_eq(world_connections(), 1);
    end_fragile();
}
END_TEST

START_TEST(records_that_cannot_be_swept_are_warned_of_and_asked_for_again)
{
    begin_fragile(0);
    world_connect("c1", NULL, NULL);
    fragile.expire = WSRT_ERR_UNAVAILABLE;
    w.now += 61000000000;
    ck_assert_int_eq(wsrt_runtime_tick(w.rt, w.now, w.wall), WSRT_OK);
    ck_assert_uint_eq(w.lines, 1);
    ck_assert_int_eq(wsrt_runtime_next_deadline(w.rt), w.now + 60000000000);
    end_fragile();
}
END_TEST

START_TEST(a_store_without_expiry_is_never_swept)
{
    begin_fragile(0);
    fragile.ops.expire = NULL;
    world_connect("c1", NULL, NULL);
    w.now += 61000000000;
    ck_assert_int_eq(wsrt_runtime_tick(w.rt, w.now, w.wall), WSRT_OK);
    ck_assert_uint_eq(w.lines, 0);
    end_fragile();
}
END_TEST

START_TEST(a_store_without_touch_lets_records_end)
{
    begin_fragile(0);
    fragile.ops.touch = NULL;
    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, "ann-token");
    w.wall += 599000;
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    w.wall += 1000;
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "nobody");
    end_fragile();
}
END_TEST

START_TEST(who_the_store_cannot_tell_of_is_nobody)
{
    begin_fragile(0);
    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, "ann-token");
    fragile.get = WSRT_ERR_TIMEOUT;
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "nobody");
    end_fragile();
}
END_TEST

START_TEST(a_store_that_keeps_no_principals_signs_nobody_in)
{
    begin_fragile(0);
    fragile.ops.set_principal = NULL;
    world_add_route("$default", world_sign_in, NULL);
    world_connect("c1", NULL, NULL);
    world_message("c1", NULL, "{\"token\":\"ann-token\"}");
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"success\":false"));
    ck_assert_ptr_null(strstr(world_last_post(), "ann"));
    end_fragile();
}
END_TEST

START_TEST(a_principal_that_is_no_object_is_nobodys)
{
    static const char *const summaries[] = {"[]", "1", "", "{\"exp\":\"soon\"}", "{\"exp\":1.5}"};
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    wsrt_span id = TEXT("c1"), user = TEXT("ann");

    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, "ann-token");
    for (size_t i = 0; i < COUNT(summaries); i++) {
        wsrt_span summary = wsrt_span_cstr(summaries[i]);
        ck_assert_int_eq(s->ops->set_principal(s->self, &id, &user, &summary), WSRT_OK);
        world_message("c1", NULL, "{}");
        ck_assert_str_eq(world_last_post(), "nobody");
    }
}
END_TEST

START_TEST(a_member_of_a_principal_that_is_no_text_is_left_out)
{
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    wsrt_span id = TEXT("c1"), user = TEXT("ann");
    wsrt_span summary = TEXT("{\"groups\":7,\"scopes\":\"re\\u0061d\",\"other\":1}");
    wsrt_route r = {.access = WSRT_ACCESS_SIGNED_IN, .all_scopes = TEXT(" read  ")};

    world_add_route("$default", world_say_user, &r);
    world_connect("c1", NULL, "ann-token");
    ck_assert_int_eq(s->ops->set_principal(s->self, &id, &user, &summary), WSRT_OK);
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
}
END_TEST

/* ---- tokens ---- */

static const struct {
    const char *protocols;
    int status; /* of an authorizer */
} protocol_lists[] = {
    {"wsrt.bearer, ann-token", 200},
    {"wsrt.bearer,ann-token", 200},
    {"wsrt.bearer,\t ann-token \t", 200},
    {"wsrt.bearer, ann-token, chat", 200},
    {"wsrt.bearer, ann-token ,chat", 200},
    {"wsrt.bearer", 401},
    {"wsrt.bearer,", 401},
    {"wsrt.bearer, \t", 401},
    {"wsrt.bearer,,ann-token", 401},
    {"wsrt.beards, ann-token", 401},
    {"bearer, ann-token", 401},
    {"", 401},
    {"chat, wsrt.bearer, ann-token", 401},
};

START_TEST(a_token_among_the_protocols_follows_the_name_alone)
{
    const wsrt_pair header = {TEXT("Sec-WebSocket-Protocol"),
                              wsrt_span_cstr(protocol_lists[_i].protocols)};
    wsrt_event ev = world_event(WSRT_EVENT_AUTHORIZE, NULL, NULL);

    ev.headers = &header;
    ev.header_count = 1;
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, protocol_lists[_i].status);
}
END_TEST

static const struct {
    const char *header;
    int status;
} bearers[] = {{"Bearer ann-token", 200},
               {"Bearer ", 401},
               {"Bearer", 401},
               {"Basic ann-token", 401},
               {"Bearer  ann-token", 401}};

START_TEST(a_token_in_the_authorization_follows_its_scheme)
{
    const wsrt_pair pairs[] = {{TEXT("Authorization"), wsrt_span_cstr(bearers[_i].header)},
                               {TEXT("token"), TEXT("")}};
    wsrt_event ev = world_event(WSRT_EVENT_AUTHORIZE, NULL, NULL);

    ev.headers = &pairs[0];
    ev.query = &pairs[1];
    ev.header_count = ev.query_count = 1;
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, bearers[_i].status);
}
END_TEST

START_TEST(without_an_authenticator_every_token_is_a_bad_one)
{
    wsrt_runtime_options o = world_options();

    o.authenticator = NULL;
    world_begin(&o);
    world_add_route("$default", world_sign_in, NULL);
    world_message("c1", NULL, "{\"token\":\"ann-token\"}");
    world_expect_error("AUTHENTICATION_ERROR", "INVALID_TOKEN");
}
END_TEST

static wsrt_principal judged;
static int verdict;

static int judge(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    (void)self;
    (void)token;
    (void)wall;
    out->principal = judged.struct_size != 0 ? &judged : NULL;
    return verdict;
}

START_TEST(an_authenticators_answer_that_names_nobody_lets_nobody_in)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = judge};
    const wsrt_authenticator auth = {&ops, NULL};
    wsrt_runtime_options o = world_options();

    o.authenticator = &auth;
    world_begin(&o);
    world_add_route("$default", world_sign_in, NULL);
    for (int i = 0; i < 3; i++) {
        judged = (wsrt_principal){.struct_size = i == 0 ? 0 : sizeof judged,
                                  .user_id = i == 2 ? TEXT("ann") : TEXT("")};
        verdict = i == 2 ? 1 : WSRT_OK; /* a status that no release has */
        world_message("c1", NULL, "{\"token\":\"t\"}");
        world_expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
    }
}
END_TEST

START_TEST(connects_from_elsewhere_are_limited_and_those_from_here_are_not)
{
    static const struct {
        const char *ip;
        int limited;
    } rows[] = {{"127.0.0.1", 0}, {"::1", 0},  {"", 0},
                {"192.0.2.1", 1}, {"127.", 1}, {"2001:db8::1", 1}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_runtime_options o = world_options();
        int refused = 0;
        o.flags = 0;
        world_begin(&o);
        for (int n = 0; n < 200; n++) {
            char id[16];
            snprintf(id, sizeof id, "c%d", n);
            wsrt_event ev = world_event(WSRT_EVENT_CONNECT, id, NULL);
            ev.source_ip = wsrt_span_cstr(rows[i].ip);
            world_dispatch(&ev);
            refused += w.status == 429;
        }
        ck_assert_msg((refused > 0) == rows[i].limited, "%s: %d refused", rows[i].ip, refused);
    }
}
END_TEST

/* ---- delivery ---- */

START_TEST(a_post_that_cannot_be_is_refused_before_it_is_sent)
{
    const wsrt_post good = {.struct_size = sizeof good, .data = TEXT("x")};
    const wsrt_post nowhere = {.struct_size = sizeof nowhere, .data = {NULL, 1}};
    const wsrt_post unsized = {.data = TEXT("x")};
    wsrt_delivery report = {.struct_size = 8};

    ck_assert_int_eq(wsrt_send(w.rt, TEXT("c1"), NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_send(w.rt, TEXT("c1"), &nowhere), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_send(w.rt, TEXT("c1"), &unsized), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_send(w.rt, TEXT("no id"), &good), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_send_user(w.rt, TEXT(""), &good, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &good, &report), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_disconnect(w.rt, TEXT("no id"), 1000, TEXT("")), WSRT_ERR_INVALID);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_sender_that_closes_nothing_says_so)
{
    wsrt_runtime_options o = world_options();
    wsrt_sender_ops ops = *o.sender->ops;
    wsrt_sender sender = {&ops, o.sender->self};

    ops.disconnect = NULL;
    o.sender = &sender;
    world_begin(&o);
    ck_assert_int_eq(wsrt_disconnect(w.rt, TEXT("c1"), 1000, TEXT("")), WSRT_ERR_UNSUPPORTED);
    o.sender = NULL;
    world_begin(&o);
    ck_assert_int_eq(wsrt_disconnect(w.rt, TEXT("c1"), 1000, TEXT("")), WSRT_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(a_walk_that_breaks_off_tells_its_status_and_what_was_done)
{
    const wsrt_post post = {.struct_size = sizeof post, .data = TEXT("x")};
    wsrt_delivery report = {.struct_size = sizeof report};

    begin_fragile(0);
    world_connect("c1", NULL, NULL);
    fragile.each = WSRT_ERR_UNAVAILABLE;
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &post, &report), WSRT_ERR_UNAVAILABLE);
    ck_assert_uint_eq(report.attempted, 0);
    fragile.each = 0;
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &post, &report), WSRT_OK);
    ck_assert_uint_eq(report.sent, 1);
    end_fragile();
}
END_TEST

/* ---- events ---- */

START_TEST(an_events_lists_are_where_they_say)
{
    const wsrt_pair pair = {TEXT("n"), TEXT("v")};
    static const int kinds[] = {WSRT_EVENT_MESSAGE, WSRT_EVENT_CONNECT, WSRT_EVENT_AUTHORIZE};

    world_add_route("$default", world_say_route, NULL);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        wsrt_event ev = world_event(kinds[i], "c1", NULL);
        ev.header_count = 1;
        ck_assert_int_eq(world_dispatch(&ev), WSRT_ERR_INVALID);
        ev.headers = &pair;
        ck_assert_int_eq(world_dispatch(&ev), WSRT_OK);
        ev.query_count = 1;
        ck_assert_int_eq(world_dispatch(&ev), WSRT_ERR_INVALID);
        ev.query = &pair;
        ck_assert_int_eq(world_dispatch(&ev), WSRT_OK);
    }
}
END_TEST

static int take_reply(void *transport, const char *data, size_t len, uint32_t flags)
{
    (void)transport;
    (void)data;
    (void)len;
    (void)flags;
    return WSRT_OK;
}

START_TEST(only_a_message_has_a_short_way_back_and_kinds_are_known)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    ev.reply = take_reply;
    ck_assert_int_eq(world_dispatch(&ev), WSRT_ERR_INVALID);
    ev.reply = NULL;
    for (int kind = -1; kind <= 6; kind++) {
        ev.kind = kind;
        ck_assert_int_eq(world_dispatch(&ev),
                         kind >= WSRT_EVENT_CONNECT && kind <= WSRT_EVENT_AUTHORIZE
                             ? WSRT_OK
                             : WSRT_ERR_INVALID);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_host");
    TCase *t = tcase_create("host");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_add_test(t, options_out_of_range_are_refused);
    tcase_add_test(t, a_table_that_lacks_a_mandatory_function_is_refused);
    tcase_add_test(t, an_authenticator_and_a_sender_have_their_function);
    tcase_add_test(t, without_entropy_no_runtime_is_made);
    tcase_add_test(t, parts_that_are_given_are_used_and_left);
    tcase_add_test(t, a_gateways_default_limits_are_those_of_its_stage);
    tcase_add_test(t, calls_on_no_runtime_are_refused);
    tcase_add_test(t, a_sender_is_set_once_and_may_be_taken_away);
    tcase_add_test(t, a_route_that_cannot_be_is_refused);
    tcase_add_test(t, a_rule_of_a_route_limits_it_for_all);
    tcase_add_test(t, a_hundred_routes_are_each_found);
    tcase_add_loop_test(t, an_expression_selects_by_headers_text_and_every_kind_of_value, 0,
                        (int)COUNT(selections));
    tcase_add_test(t, an_expression_has_bounds_and_an_alphabet);
    tcase_add_test(t, a_record_says_where_and_until_when);
    tcase_add_test(t, a_long_address_is_cut_and_a_long_agent_between_characters);
    tcase_add_test(t, a_store_that_cannot_keep_a_connection_refuses_it);
    tcase_add_test(t, a_record_that_cannot_be_removed_is_warned_of);
    tcase_add_test(t, records_that_cannot_be_swept_are_warned_of_and_asked_for_again);
    tcase_add_test(t, a_store_without_expiry_is_never_swept);
    tcase_add_test(t, a_store_without_touch_lets_records_end);
    tcase_add_test(t, who_the_store_cannot_tell_of_is_nobody);
    tcase_add_test(t, a_store_that_keeps_no_principals_signs_nobody_in);
    tcase_add_test(t, a_principal_that_is_no_object_is_nobodys);
    tcase_add_test(t, a_member_of_a_principal_that_is_no_text_is_left_out);
    tcase_add_loop_test(t, a_token_among_the_protocols_follows_the_name_alone, 0,
                        (int)COUNT(protocol_lists));
    tcase_add_loop_test(t, a_token_in_the_authorization_follows_its_scheme, 0, (int)COUNT(bearers));
    tcase_add_test(t, without_an_authenticator_every_token_is_a_bad_one);
    tcase_add_test(t, an_authenticators_answer_that_names_nobody_lets_nobody_in);
    tcase_add_test(t, connects_from_elsewhere_are_limited_and_those_from_here_are_not);
    tcase_add_test(t, a_post_that_cannot_be_is_refused_before_it_is_sent);
    tcase_add_test(t, a_sender_that_closes_nothing_says_so);
    tcase_add_test(t, a_walk_that_breaks_off_tells_its_status_and_what_was_done);
    tcase_add_test(t, an_events_lists_are_where_they_say);
    tcase_add_test(t, only_a_message_has_a_short_way_back_and_kinds_are_known);
    suite_add_tcase(s, t);
    return s;
}
