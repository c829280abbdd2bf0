/* What the runtime makes of its store: one that fails at a step, and records that change between
 * two events. */
#include "runtime_world.h"
#include "suite.h"

#include <string.h>

enum step { NOTHING, PUT, GET, REMOVE, SET_PRINCIPAL, TOUCH, EACH };

/* The runtime's own store, of which one function fails. */
static struct {
    wsrt_store inner;
    enum step fails;
    int status;
    unsigned gets, removes, touches;
} faulty;

static int put(void *self, const wsrt_record *r, int if_absent, int64_t now_s)
{
    (void)self;
    return faulty.fails == PUT ? faulty.status
                               : faulty.inner.ops->put(faulty.inner.self, r, if_absent, now_s);
}

static int get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
               size_t cap)
{
    (void)self;
    faulty.gets++;
    return faulty.fails == GET ? faulty.status
                               : faulty.inner.ops->get(faulty.inner.self, id, now_s, out, buf, cap);
}

static int remove_record(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    (void)self;
    faulty.removes++;
    return faulty.fails == REMOVE
               ? faulty.status
               : faulty.inner.ops->remove(faulty.inner.self, id, if_connected_at);
}

static int touch(void *self, const wsrt_span *id, int64_t last_active, int64_t expires_at)
{
    (void)self;
    faulty.touches++;
    return faulty.fails == TOUCH
               ? faulty.status
               : faulty.inner.ops->touch(faulty.inner.self, id, last_active, expires_at);
}

static int set_principal(void *self, const wsrt_span *id, const wsrt_span *user_id,
                         const wsrt_span *principal)
{
    (void)self;
    return faulty.fails == SET_PRINCIPAL
               ? faulty.status
               : faulty.inner.ops->set_principal(faulty.inner.self, id, user_id, principal);
}

static int each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                int64_t now_s, wsrt_record *out, size_t cap, char *buf, size_t buf_cap,
                size_t *count)
{
    (void)self;
    return faulty.fails == EACH ? faulty.status
                                : faulty.inner.ops->each(faulty.inner.self, user_id, flags, cursor,
                                                         now_s, out, cap, buf, buf_cap, count);
}

static int count(void *self, int64_t now_s, uint64_t *out)
{
    (void)self;
    return faulty.inner.ops->count(faulty.inner.self, now_s, out);
}

static const wsrt_store_ops faulty_ops = {.struct_size = sizeof faulty_ops,
                                          .put = put,
                                          .get = get,
                                          .remove = remove_record,
                                          .touch = touch,
                                          .set_principal = set_principal,
                                          .each = each,
                                          .count = count};

static wsrt_memory_store *memory;

static wsrt_runtime_options with_faulty_store(void)
{
    static wsrt_store store;
    wsrt_runtime_options o = world_options();

    store = (wsrt_store){&faulty_ops, NULL};
    o.store = &store;
    return o;
}

static void setup(void)
{
    wsrt_memory_store_options opts = {.struct_size = sizeof opts};

    world_set_up();
    memset(&faulty, 0, sizeof faulty);
    opts.allocator = w.heap.allocator;
    ck_assert_int_eq(wsrt_memory_store_new(&memory, &opts), WSRT_OK);
    wsrt_memory_store_connections(memory, &faulty.inner);
    wsrt_runtime_options o = with_faulty_store();
    world_begin(&o);
}

static void teardown(void)
{
    wsrt_runtime_free(w.rt);
    wsrt_memory_store_free(memory);
    ck_assert_uint_eq(w.heap.live, 0);
}

static void fail_at(enum step step, int status)
{
    faulty.fails = step;
    faulty.status = status;
}

/* ---- a store that fails ---- */

START_TEST(a_connect_whose_record_cannot_be_stored_is_refused_and_holds_nothing)
{
    wsrt_session s = {{0}};

    fail_at(PUT, WSRT_ERR_IO);
    world_connect("c1", &s, "ann-token");
    ck_assert_int_eq(w.status, 500);
    ck_assert_ptr_nonnull(strstr(w.body, "\"type\":\"DATABASE_ERROR\""));
    ck_assert_int_eq(wsrt_session_expires_at(&s), -1);
}
END_TEST

START_TEST(who_cannot_be_looked_up_is_told_of_the_store_and_not_to_sign_in)
{
    static const int statuses[] = {WSRT_ERR_UNAVAILABLE, WSRT_ERR_TIMEOUT, WSRT_ERR_IO,
                                   WSRT_ERR_THROTTLED, WSRT_ERR_CORRUPT};
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN};

    world_add_route("$default", world_say_user, &members);
    world_connect("c1", NULL, "ann-token");
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        fail_at(GET, statuses[i]);
        world_message("c1", NULL, "{}");
        ck_assert_msg(strstr(world_last_post(), "\"type\":\"DATABASE_ERROR\"") != NULL, "%s: %s",
                      wsrt_status_name(statuses[i]), world_last_post());
        ck_assert_ptr_nonnull(strstr(world_last_post(), "Database temporarily unavailable"));
    }
    fail_at(NOTHING, 0);
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
}
END_TEST

START_TEST(a_route_for_anybody_does_without_the_store)
{
    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, "ann-token");
    fail_at(GET, WSRT_ERR_UNAVAILABLE);
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "nobody");
}
END_TEST

START_TEST(a_sign_in_that_cannot_be_stored_signs_nobody_in)
{
    for (int kept = 0; kept < 2; kept++) {
        wsrt_session s = {{0}}, *session = kept ? &s : NULL;
        wsrt_runtime_options o = with_faulty_store();
        world_begin(&o);
        world_add_route("auth", world_sign_in, NULL);
        world_add_route("$default", world_say_user, NULL);
        fail_at(NOTHING, 0);
        world_connect("c1", session, NULL);
        fail_at(SET_PRINCIPAL, WSRT_ERR_UNAVAILABLE);
        world_message("c1", session, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
        ck_assert_ptr_nonnull(strstr(world_last_post(), "\"success\":false"));
        world_message("c1", session, "{}");
        ck_assert_str_eq(world_last_post(), "nobody");
        world_disconnect("c1", session);
    }
}
END_TEST

START_TEST(a_record_that_cannot_be_moved_fails_no_message)
{
    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, "ann-token");
    fail_at(TOUCH, WSRT_ERR_UNAVAILABLE);
    w.wall += 200000;
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
}
END_TEST

START_TEST(a_disconnect_whose_clean_up_fails_is_a_disconnect)
{
    world_connect("c1", NULL, NULL);
    fail_at(REMOVE, WSRT_ERR_UNAVAILABLE);
    world_disconnect("c1", NULL);
    ck_assert_int_eq(w.status, 200);
    ck_assert_uint_eq(world_connections(), 1);
    w.wall += 601000; /* time does it then */
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

START_TEST(a_broadcast_whose_walk_breaks_off_says_so)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    wsrt_delivery report = {.struct_size = sizeof report};

    world_connect("c1", NULL, NULL);
    fail_at(EACH, WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &p, &report), WSRT_ERR_TIMEOUT);
    ck_assert_uint_eq(report.attempted, 0);
}
END_TEST

/* ---- what fits into a record ---- */

START_TEST(a_long_user_agent_is_cut_between_two_characters)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_record r = {.struct_size = sizeof r};
    char agent[301], text[4096];

    for (size_t i = 0; i < 300; i += 2)
        memcpy(agent + i, "\xc3\xa9", 2);
    ev.user_agent = (wsrt_span){agent, 300};
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, 200);
    ck_assert_int_eq(faulty.inner.ops->get(faulty.inner.self, &ev.connection_id, w.wall / 1000, &r,
                                           text, sizeof text),
                     WSRT_OK);
    ck_assert_uint_eq(r.user_agent.len, 254);
}
END_TEST

static int name_of(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    wsrt_principal who = {.struct_size = sizeof who, .user_id = *token};

    (void)self;
    (void)wall;
    return wsrt_auth_result_set(out, &who);
}

START_TEST(a_name_of_255_bytes_is_the_longest_that_anybody_has)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = name_of};
    wsrt_authenticator auth = {&ops, NULL};
    wsrt_runtime_options o = with_faulty_store();
    char name[257];

    memset(name, 'n', 256);
    name[256] = '\0';
    o.authenticator = &auth;
    world_begin(&o);
    world_connect("c1", NULL, name + 1);
    ck_assert_int_eq(w.status, 200);
    world_connect("c2", NULL, name);
    ck_assert_int_eq(w.status, 401);
    ck_assert_ptr_nonnull(strstr(w.body, "INVALID_TOKEN"));
}
END_TEST

static int close_itself(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_runtime *rt = wsrt_context_runtime(ctx);

    (void)user;
    ck_assert_int_eq(wsrt_disconnect(rt, req->event->connection_id, 4000, wsrt_span_cstr("bye")),
                     WSRT_OK);
    w.gone = "c1"; /* what a transport does from then on */
    return wsrt_reply(ctx, wsrt_span_cstr("too late"));
}

START_TEST(who_closes_himself_and_then_answers_is_gone_and_removed_once)
{
    wsrt_session s = {{0}};

    world_add_route("$default", close_itself, NULL);
    world_connect("c1", &s, "ann-token");
    world_message("c1", &s, "{}");
    ck_assert_int_eq(w.closed_code, 4000);
    ck_assert_uint_eq(w.post_count, 0);
    ck_assert_uint_eq(world_connections(), 0);
    world_disconnect("c1", &s);
    ck_assert_int_eq(w.status, 200);
    ck_assert_uint_eq(w.lines, 0);
}
END_TEST

static int tell_himself(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("2")};
    wsrt_audience all = {.struct_size = sizeof all, .user_id = wsrt_span_cstr("ann")};
    const wsrt_post last = {.struct_size = sizeof last, .data = wsrt_span_cstr("3")};
    wsrt_runtime *rt = wsrt_context_runtime(ctx);

    (void)user;
    int rc = wsrt_reply(ctx, wsrt_span_cstr("1"));
    if (rc == WSRT_OK)
        rc = wsrt_send(rt, req->event->connection_id, &p);
    if (rc == WSRT_OK)
        rc = wsrt_broadcast(rt, &all, &last, NULL);
    return rc == WSRT_OK ? wsrt_reply(ctx, wsrt_span_cstr("4")) : rc;
}

START_TEST(what_a_handler_tells_its_own_connection_keeps_its_order)
{
    world_add_route("$default", tell_himself, NULL);
    world_connect("c1", NULL, "ann-token");
    world_message("c1", NULL, "{}");
    ck_assert_uint_eq(w.post_count, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(w.posts[i].text[0], '1' + (int)i);
}
END_TEST

/* ---- records between two events ---- */

START_TEST(who_has_been_silent_too_long_is_nobody_and_stays_forgotten)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN};

    world_add_route("$default", world_say_user, &members);
    world_connect("c1", NULL, "ann-token");
    w.wall += 601000;
    world_message("c1", NULL, "{}");
    world_expect_error("AUTHENTICATION_ERROR", "UNAUTHENTICATED_CONNECTION");
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

static int message_of(const char *id, const wsrt_principal *who, const char *body)
{
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, id, NULL);

    ev.principal = who;
    ev.body = wsrt_span_cstr(body);
    return world_dispatch(&ev);
}

START_TEST(activity_of_whom_an_authorizer_names_keeps_the_record_too)
{
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    world_add_route("$default", world_say_user, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
    ev.principal = &ann;
    world_dispatch(&ev);
    for (int i = 0; i < 5; i++) {
        w.wall += 300000;
        message_of("c1", &ann, "{}");
        ck_assert_str_eq(world_last_post(), "ann");
        ck_assert_uint_eq(world_connections(), 1);
    }
}
END_TEST

START_TEST(who_an_authorizer_names_costs_no_read_and_few_moves)
{
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};

    world_add_route("$default", world_say_user, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
    for (int i = 0; i < 300; i++) {
        w.wall += 1000;
        message_of("c1", &ann, "{}");
    }
    ck_assert_uint_eq(faulty.gets, 0);
    ck_assert_uint_eq(faulty.touches, 2); /* a quarter of ten minutes */
}
END_TEST

START_TEST(a_sign_in_renews_what_an_authorizer_goes_on_telling)
{
    const wsrt_principal old = {
        .struct_size = sizeof old, .user_id = wsrt_span_cstr("ann"), .expires_at = 1700000060};
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    world_add_route("auth", world_sign_in, NULL);
    world_add_route("$default", world_say_user, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
    ev.principal = &old;
    world_dispatch(&ev);
    message_of("c1", &old, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    w.wall += 61000;
    message_of("c1", &old, "{}");
    world_expect_error("AUTHENTICATION_ERROR", "TOKEN_EXPIRED");
    message_of("c1", &old, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    message_of("c1", &old, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    fail_at(GET, WSRT_ERR_TIMEOUT);
    message_of("c1", &old, "{}"); /* whether it was renewed cannot be told */
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"type\":\"DATABASE_ERROR\""));
}
END_TEST

START_TEST(nobody_signs_in_in_the_place_of_whom_an_authorizer_names)
{
    const wsrt_principal eve = {
        .struct_size = sizeof eve, .user_id = wsrt_span_cstr("eve"), .expires_at = 1700000060};
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    world_add_route("auth", world_sign_in, NULL);
    world_add_route("$default", world_say_user, NULL);
    ev.principal = &eve;
    world_dispatch(&ev);
    for (int i = 0; i < 2; i++) {
        message_of("c1", &eve, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
        world_expect_error("AUTHORIZATION_ERROR", "ANOTHER_USER");
        message_of("c1", &eve, "{}");
        ck_assert_str_eq(world_last_post(), "eve");
        w.wall += 61000;
    }
}
END_TEST

START_TEST(an_authorizers_word_serves_while_the_store_does_not)
{
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};

    world_add_route("$default", world_say_user, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
    fail_at(TOUCH, WSRT_ERR_UNAVAILABLE);
    message_of("c1", &ann, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    fail_at(NOTHING, 0);
    message_of("c1", &ann, "{}"); /* tries again */
    ck_assert_uint_eq(faulty.touches, 2);
}
END_TEST

START_TEST(a_disconnect_that_says_enough_reads_no_record)
{
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    ev.connected_at = w.wall;
    ev.principal = &ann;
    world_dispatch(&ev);
    ev.kind = WSRT_EVENT_DISCONNECT;
    world_dispatch(&ev);
    ck_assert_uint_eq(world_connections(), 0);
    ev.kind = WSRT_EVENT_CONNECT;
    ev.principal = NULL;
    world_dispatch(&ev);
    ev.kind = WSRT_EVENT_DISCONNECT;
    world_dispatch(&ev);
    ck_assert_uint_eq(world_connections(), 0);
    ck_assert_uint_eq(faulty.gets, 0);
}
END_TEST

START_TEST(a_late_disconnect_leaves_the_connection_that_took_the_id)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    ev.connected_at = w.wall;
    world_dispatch(&ev);
    ev.connected_at = w.wall + 5000;
    world_dispatch(&ev);
    ev.kind = WSRT_EVENT_DISCONNECT;
    ev.connected_at = w.wall;
    world_dispatch(&ev);
    ck_assert_uint_eq(world_connections(), 1);
}
END_TEST

/* ---- peers found gone ---- */

START_TEST(an_answer_that_finds_its_peer_gone_leaves_a_newer_connection)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    world_add_route("$default", world_say_route, NULL);
    ev.connected_at = w.wall + 5000;
    world_dispatch(&ev);
    w.gone = "c1";
    ev.kind = WSRT_EVENT_MESSAGE;
    ev.connected_at = w.wall;
    world_dispatch(&ev);
    ck_assert_uint_eq(world_connections(), 1);
    ev.connected_at = w.wall + 5000;
    world_dispatch(&ev);
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

static int find_gone(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self;
    (void)id;
    (void)post;
    return WSRT_ERR_GONE;
}

/* As behind API Gateway, where who connects is gone until the CONNECT has been answered. */
static void begin_behind_a_gateway(void)
{
    static const wsrt_sender_ops late = {
        .struct_size = sizeof late, .flags = WSRT_SENDER_OPENS_LATE, .post = find_gone};
    wsrt_sender sender = {&late, NULL};
    wsrt_runtime_options o = with_faulty_store();

    o.sender = &sender;
    world_begin(&o);
}

static uint64_t left_after_gone(int64_t age_ms, int one_by_one)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_delivery report = {.struct_size = sizeof report};

    ev.connected_at = w.wall - age_ms;
    world_dispatch(&ev);
    if (one_by_one) {
        ck_assert_int_eq(wsrt_send(w.rt, ev.connection_id, &p), WSRT_ERR_GONE);
    } else {
        ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &p, &report), WSRT_OK);
        ck_assert_uint_eq(report.gone, 1);
    }
    return world_connections();
}

START_TEST(who_may_be_arriving_is_not_forgotten_for_being_gone)
{
    begin_behind_a_gateway();
    for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
        ck_assert_uint_eq(left_after_gone(0, one_by_one), 1);
        ck_assert_uint_eq(left_after_gone(29999, one_by_one), 1);
        ck_assert_uint_eq(left_after_gone(30000, one_by_one), 0);
        ck_assert_uint_eq(left_after_gone(-2000, one_by_one), 1); /* the gateway's clock is ahead */
    }
}
END_TEST

START_TEST(an_answer_that_is_gone_behind_a_gateway_is_no_arrival)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    begin_behind_a_gateway();
    world_add_route("$default", world_say_route, NULL);
    ev.connected_at = w.wall;
    world_dispatch(&ev);
    ev.kind = WSRT_EVENT_MESSAGE;
    world_dispatch(&ev);
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

START_TEST(who_cannot_be_looked_up_is_not_forgotten_for_being_gone)
{
    begin_behind_a_gateway();
    fail_at(GET, WSRT_ERR_UNAVAILABLE);
    ck_assert_uint_eq(left_after_gone(60000, 1), 1);
    ck_assert_uint_eq(faulty.removes, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_store");
    TCase *t = tcase_create("runtime_store");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_connect_whose_record_cannot_be_stored_is_refused_and_holds_nothing);
    tcase_add_test(t, who_cannot_be_looked_up_is_told_of_the_store_and_not_to_sign_in);
    tcase_add_test(t, a_route_for_anybody_does_without_the_store);
    tcase_add_test(t, a_sign_in_that_cannot_be_stored_signs_nobody_in);
    tcase_add_test(t, a_record_that_cannot_be_moved_fails_no_message);
    tcase_add_test(t, a_disconnect_whose_clean_up_fails_is_a_disconnect);
    tcase_add_test(t, a_broadcast_whose_walk_breaks_off_says_so);
    tcase_add_test(t, a_long_user_agent_is_cut_between_two_characters);
    tcase_add_test(t, a_name_of_255_bytes_is_the_longest_that_anybody_has);
    tcase_add_test(t, who_closes_himself_and_then_answers_is_gone_and_removed_once);
    tcase_add_test(t, what_a_handler_tells_its_own_connection_keeps_its_order);
    tcase_add_test(t, who_has_been_silent_too_long_is_nobody_and_stays_forgotten);
    tcase_add_test(t, activity_of_whom_an_authorizer_names_keeps_the_record_too);
    tcase_add_test(t, who_an_authorizer_names_costs_no_read_and_few_moves);
    tcase_add_test(t, a_sign_in_renews_what_an_authorizer_goes_on_telling);
    tcase_add_test(t, nobody_signs_in_in_the_place_of_whom_an_authorizer_names);
    tcase_add_test(t, an_authorizers_word_serves_while_the_store_does_not);
    tcase_add_test(t, a_disconnect_that_says_enough_reads_no_record);
    tcase_add_test(t, a_late_disconnect_leaves_the_connection_that_took_the_id);
    tcase_add_test(t, an_answer_that_finds_its_peer_gone_leaves_a_newer_connection);
    tcase_add_test(t, who_may_be_arriving_is_not_forgotten_for_being_gone);
    tcase_add_test(t, an_answer_that_is_gone_behind_a_gateway_is_no_arrival);
    tcase_add_test(t, who_cannot_be_looked_up_is_not_forgotten_for_being_gone);
    suite_add_tcase(s, t);
    return s;
}
