/* Peers that are asked to take too much: who waits, how long, and what becomes of the others. */
#include "suite.h"

#include <wsrt/mock.h>
#include <wsrt/stream.h>

#include <stdio.h>
#include <string.h>

enum { MS = 1000000, CROWD = 200 };

static wsrt_mock *m;
static wsrt_runtime *rt;
static wsrt_env env;
static wsrt_sender sender;
static int64_t began;

static void begin(uint64_t seed)
{
    wsrt_mock_options opts = {.struct_size = sizeof opts, .seed = seed};
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS};

    ck_assert_int_eq(wsrt_mock_new(&m, &opts), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &parts), WSRT_OK);
    wsrt_mock_env(m, &env);
    wsrt_mock_sender(m, &sender);
    began = env.now(env.user);
}

static void end(void)
{
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
}

static void setup(void)
{
    begin(7);
}

static void join(const char *id)
{
    wsrt_event ev;

    ck_assert_int_eq(wsrt_mock_event(m, &ev, WSRT_EVENT_CONNECT, id, NULL), WSRT_OK);
    ev.source_ip = wsrt_span_cstr("127.0.0.1");
    ck_assert_int_eq(wsrt_mock_dispatch(m, rt, &ev), 200);
}

static void throttle(const char *id, uint64_t times)
{
    ck_assert_int_eq(wsrt_mock_script(m, id, WSRT_ERR_THROTTLED, times), WSRT_OK);
}

static int64_t waited(void)
{
    return env.now(env.user) - began;
}

static int send_until(const char *id, const char *text, int64_t deadline)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr(text), .deadline = deadline};

    return wsrt_send(rt, wsrt_span_cstr(id), &p);
}

static wsrt_mock_record posted(size_t index)
{
    wsrt_mock_record r = {.struct_size = sizeof r};

    ck_assert_int_eq(wsrt_mock_get(m, WSRT_MOCK_POST, index, &r), WSRT_OK);
    return r;
}

static size_t posts(void)
{
    return wsrt_mock_count(m, WSRT_MOCK_POST);
}

static wsrt_delivery broadcast(const char *text)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr(text)};
    wsrt_delivery report = {.struct_size = sizeof report};

    ck_assert_int_eq(wsrt_broadcast(rt, NULL, &p, &report), WSRT_OK);
    ck_assert_uint_eq(report.sent + report.gone + report.throttled + report.failed,
                      report.attempted);
    return report;
}

/* ---- one connection ----------------------------------------------------------------------- */

START_TEST(a_throttled_message_is_sent_again_until_it_is_taken)
{
    join("a");
    throttle("a", 3);
    ck_assert_int_eq(send_until("a", "hello", 0), WSRT_OK);
    ck_assert_uint_eq(posts(), 4);
    ck_assert_str_eq(wsrt_mock_last(m, "a"), "hello");
}
END_TEST

START_TEST(the_waits_before_it_are_random_up_to_a_bound_that_doubles)
{
    int64_t first[4];

    end();
    for (uint64_t seed = 0; seed < 4; seed++) {
        begin(seed);
        join("a");
        throttle("a", 3);
        ck_assert_int_eq(send_until("a", "hello", 0), WSRT_OK);
        for (size_t turn = 0; turn < 3; turn++) {
            int64_t wait = posted(turn + 1).now - posted(turn).now;
            ck_assert_int_gt(wait, 0);
            ck_assert_int_le(wait, (int64_t)(50 << turn) * MS);
        }
        first[seed] = posted(1).now - posted(0).now;
        end();
    }
    ck_assert(first[0] != first[1] || first[1] != first[2] || first[2] != first[3]);
    setup();
}
END_TEST

START_TEST(the_deadline_of_a_message_ends_its_retries)
{
    join("a");
    throttle("a", 0);
    ck_assert_int_eq(send_until("a", "hello", began + (int64_t)300 * MS), WSRT_ERR_THROTTLED);
    ck_assert_uint_gt(posts(), 1);
    ck_assert_int_lt(waited(), (int64_t)300 * MS);
}
END_TEST

START_TEST(without_a_deadline_retries_end_after_a_second)
{
    join("a");
    throttle("a", 0);
    ck_assert_int_eq(send_until("a", "hello", 0), WSRT_ERR_THROTTLED);
    ck_assert_uint_gt(posts(), 2);
    ck_assert_int_lt(waited(), (int64_t)1000 * MS);
}
END_TEST

START_TEST(a_message_whose_deadline_is_over_is_tried_once)
{
    join("a");
    throttle("a", 0);
    ck_assert_int_eq(send_until("a", "hello", began), WSRT_ERR_THROTTLED);
    ck_assert_uint_eq(posts(), 1);
    ck_assert_int_eq(waited(), 0);
}
END_TEST

START_TEST(retries_end_without_randomness_too)
{
    join("a");
    throttle("a", 0);
    ck_assert_int_eq(wsrt_mock_fail(m, WSRT_MOCK_RANDOM, 1, WSRT_ERR_IO, 1), WSRT_OK);
    ck_assert_int_eq(send_until("a", "hello", 0), WSRT_ERR_THROTTLED);
    ck_assert_int_lt(waited(), (int64_t)1000 * MS);
}
END_TEST

static int say_twice(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    int first = wsrt_reply(ctx, wsrt_span_cstr("first"));
    int second = wsrt_reply(ctx, wsrt_span_cstr("second"));
    return first != WSRT_OK ? first : second;
}

static void add_say_twice(void)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = say_twice};

    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
}

START_TEST(answers_keep_their_order_when_the_first_is_throttled)
{
    static const char *const expected[] = {"first", "first", "first", "second"};

    add_say_twice();
    join("a");
    throttle("a", 2);
    ck_assert_int_eq(wsrt_mock_message(m, rt, "a", "{}"), 200);
    ck_assert_uint_eq(posts(), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(posted(i).data.ptr, expected[i]);
}
END_TEST

START_TEST(answers_are_tried_no_longer_than_their_event_has_time)
{
    wsrt_event ev;

    add_say_twice();
    join("a");
    throttle("a", 0);
    ck_assert_int_eq(wsrt_mock_event(m, &ev, WSRT_EVENT_MESSAGE, "a", "{}"), WSRT_OK);
    ev.deadline = began + (int64_t)100 * MS;
    wsrt_mock_dispatch(m, rt, &ev);
    ck_assert_int_lt(waited(), (int64_t)100 * MS);
    ck_assert_int_eq(wsrt_mock_event(m, &ev, WSRT_EVENT_MESSAGE, "a", "{}"), WSRT_OK);
    began = env.now(env.user);
    wsrt_mock_dispatch(m, rt, &ev);
    ck_assert_int_gt(waited(), (int64_t)100 * MS);
}
END_TEST

/* ---- identities that have ended ----------------------------------------------------------- */

/* An authenticator whose every token is good for ten seconds. */
static int brief(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    wsrt_principal ann = {.struct_size = sizeof ann,
                          .user_id = wsrt_span_cstr("ann"),
                          .expires_at = wall / 1000 + 10};

    (void)self, (void)token;
    return wsrt_auth_result_set(out, &ann);
}

static const wsrt_authenticator_ops brief_ops = {.struct_size = sizeof brief_ops,
                                                 .authenticate = brief};

static void begin_with_identities(void)
{
    wsrt_authenticator who = {&brief_ops, NULL};
    wsrt_runtime_options parts = {
        .struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS, .authenticator = &who};
    wsrt_route route = {.struct_size = sizeof route,
                        .key = wsrt_span_cstr("$default"),
                        .handler = say_twice,
                        .access = WSRT_ACCESS_SIGNED_IN};

    wsrt_runtime_free(rt);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &parts), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
}

/* One event with a session, or without. */
static void dispatch_with(wsrt_session *session, int kind, const char *id)
{
    wsrt_pair token = {wsrt_span_cstr("token"), wsrt_span_cstr("t")};
    wsrt_event ev;

    ck_assert_int_eq(wsrt_mock_event(m, &ev, kind, id, "{}"), WSRT_OK);
    ev.session = session;
    ev.query = &token;
    ev.query_count = 1;
    ck_assert_int_gt(wsrt_mock_dispatch(m, rt, &ev), 0);
}

static void speak_after(int64_t seconds, wsrt_session *session)
{
    wsrt_mock_advance(m, seconds * 1000 * MS);
    dispatch_with(session, WSRT_EVENT_MESSAGE, "a");
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(m, "a"), "TOKEN_EXPIRED"));
}

START_TEST(who_speaks_long_after_his_token_ended_is_told_and_closed_with_4401)
{
    wsrt_mock_record r = {.struct_size = sizeof r};

    begin_with_identities();
    dispatch_with(NULL, WSRT_EVENT_CONNECT, "a");
    speak_after(10, NULL);
    speak_after(59, NULL);
    ck_assert_uint_eq(wsrt_mock_count(m, WSRT_MOCK_DISCONNECT), 0);
    speak_after(1, NULL);
    ck_assert_uint_eq(posts(), 3);
    ck_assert_int_eq(wsrt_mock_get(m, WSRT_MOCK_DISCONNECT, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.code, 4401);
    ck_assert_str_eq(r.data.ptr, "token expired");
}
END_TEST

START_TEST(a_connection_with_a_session_is_closed_by_its_transport_alone)
{
    wsrt_session session = {{0}};

    begin_with_identities();
    dispatch_with(&session, WSRT_EVENT_CONNECT, "a");
    speak_after(600, &session);
    ck_assert_uint_eq(wsrt_mock_count(m, WSRT_MOCK_DISCONNECT), 0);
    dispatch_with(&session, WSRT_EVENT_DISCONNECT, "a");
}
END_TEST

/* ---- many --------------------------------------------------------------------------------- */

START_TEST(a_broadcast_reaches_the_others_first_and_then_who_was_throttled)
{
    join("a");
    join("slow");
    join("z");
    throttle("slow", 2);
    wsrt_delivery r = broadcast("news");
    ck_assert_uint_eq(r.attempted, 3);
    ck_assert_uint_eq(r.sent, 3);
    ck_assert_uint_eq(posts(), 5);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(posted(i).now, began);
    ck_assert_str_eq(posted(3).connection_id.ptr, "slow");
    ck_assert_str_eq(posted(4).connection_id.ptr, "slow");
}
END_TEST

START_TEST(a_broadcast_tells_who_was_throttled_to_the_end)
{
    join("a");
    join("slow");
    join("left");
    throttle("slow", 0);
    wsrt_mock_open(m, "left", 0);
    wsrt_delivery r = broadcast("news");
    ck_assert_uint_eq(r.attempted, 3);
    ck_assert_uint_eq(r.sent, 1);
    ck_assert_uint_eq(r.throttled, 1);
    ck_assert_uint_eq(r.gone, 1);
    ck_assert_int_lt(waited(), (int64_t)1000 * MS);
}
END_TEST

static int leave_while_waiting(void *self, int64_t until)
{
    (void)self;
    (void)until;
    wsrt_mock_open(m, "slow", 0);
    return WSRT_OK;
}

static const wsrt_sender_ops *mock_ops(wsrt_sender_ops *room)
{
    *room = *sender.ops;
    return room;
}

/* The runtime once more, with a sender that differs from the mock's in its table. */
static void use_sender(const wsrt_sender_ops *ops)
{
    wsrt_sender given = {ops, sender.self};

    ck_assert_int_eq(wsrt_runtime_set_sender(rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_set_sender(rt, &given), WSRT_OK);
}

START_TEST(who_leaves_while_being_waited_for_is_gone_and_forgotten)
{
    wsrt_sender_ops ops;
    const wsrt_store *store = wsrt_runtime_store(rt);
    uint64_t count = 9;

    mock_ops(&ops);
    ops.wait = leave_while_waiting;
    use_sender(&ops);
    join("slow");
    throttle("slow", 0);
    wsrt_delivery r = broadcast("news");
    ck_assert_uint_eq(r.attempted, 1);
    ck_assert_uint_eq(r.gone, 1);
    ck_assert_int_eq(store->ops->count(store->self, 0, &count), WSRT_OK);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(a_crowd_of_throttled_peers_is_asked_again_without_losing_one)
{
    char id[16];

    for (int i = 0; i < CROWD; i++) {
        snprintf(id, sizeof id, "peer-%d", i);
        join(id);
        if (i % 3 > 0) /* never a whole page of them */
            throttle(id, (uint64_t)i % 3);
    }
    wsrt_delivery r = broadcast("news");
    ck_assert_uint_eq(r.attempted, CROWD);
    ck_assert_uint_eq(r.sent, CROWD);
    for (int i = 0; i < CROWD; i++) {
        snprintf(id, sizeof id, "peer-%d", i);
        ck_assert_str_eq(wsrt_mock_last(m, id), "news");
    }
}
END_TEST

/* ---- senders that do not wait ------------------------------------------------------------- */

static int refuse_to_wait(void *self, int64_t until)
{
    (void)self;
    (void)until;
    return WSRT_ERR_UNSUPPORTED;
}

START_TEST(a_sender_that_does_not_wait_is_asked_once)
{
    wsrt_sender_ops rows[2];

    for (size_t i = 0; i < 2; i++)
        mock_ops(&rows[i]);
    rows[0].wait = NULL;
    rows[1].wait = refuse_to_wait;
    join("a");
    throttle("a", 0);
    for (size_t i = 0; i < 2; i++) {
        wsrt_mock_clear(m);
        use_sender(&rows[i]);
        ck_assert_int_eq(send_until("a", "hello", 0), WSRT_ERR_THROTTLED);
        ck_assert_uint_eq(posts(), 1);
        ck_assert_uint_eq(broadcast("news").throttled, 1);
        ck_assert_uint_eq(posts(), 2);
        ck_assert_int_eq(waited(), 0);
    }
}
END_TEST

/* ---- updates ------------------------------------------------------------------------------ */

static wsrt_feed *make_feed(void)
{
    wsrt_feed_options o = {
        .struct_size = sizeof o, .env = &env, .sender = &sender, .max_message = 1024};
    wsrt_feed *f;

    ck_assert_int_eq(wsrt_feed_new(&f, &o), WSRT_OK);
    return f;
}

static wsrt_feed_report publish_two_messages(wsrt_feed *f)
{
    wsrt_feed_report report = {.struct_size = sizeof report};
    char text[2048];

    snprintf(text, sizeof text,
             "[{\"data\":{\"n\":\"one%0600d\"}},{\"data\":{\"n\":\"two%0600d\"}}]", 0, 0);
    ck_assert_int_eq(wsrt_feed_publish(f, wsrt_span_cstr(text), NULL, &report), WSRT_OK);
    return report;
}

START_TEST(parts_of_an_update_keep_their_order_when_the_first_is_throttled)
{
    static const char *const expected[] = {"one", "one", "one", "two"};
    wsrt_feed *f = make_feed();

    wsrt_mock_open(m, "a", 1);
    throttle("a", 2);
    wsrt_feed_subscribe(f, wsrt_span_cstr("a"), 0, wsrt_span_cstr("{}"), 0, NULL);
    wsrt_feed_report r = publish_two_messages(f);
    ck_assert_uint_eq(r.attempted, 2);
    ck_assert_uint_eq(r.sent, 2);
    ck_assert_uint_eq(posts(), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_msg(strstr(posted(i).data.ptr, expected[i]) != NULL, "%zu", i);
    wsrt_feed_free(f);
}
END_TEST

START_TEST(one_publication_waits_no_longer_than_a_second_for_all_who_are_throttled)
{
    wsrt_feed *f = make_feed();
    char id[16];

    for (int i = 0; i < CROWD; i++) {
        snprintf(id, sizeof id, "peer-%d", i);
        wsrt_mock_open(m, id, 1);
        throttle(id, 0);
        wsrt_feed_subscribe(f, wsrt_span_cstr(id), 0, wsrt_span_cstr("{}"), 0, NULL);
    }
    wsrt_feed_report r = publish_two_messages(f);
    ck_assert_uint_eq(r.attempted, 2 * CROWD);
    ck_assert_uint_eq(r.throttled, 2 * CROWD);
    ck_assert_int_lt(waited(), (int64_t)1000 * MS);
    wsrt_feed_free(f);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("delivery");
    TCase *t = tcase_create("throttled");

    tcase_add_checked_fixture(t, setup, end);
    tcase_add_test(t, a_throttled_message_is_sent_again_until_it_is_taken);
    tcase_add_test(t, the_waits_before_it_are_random_up_to_a_bound_that_doubles);
    tcase_add_test(t, the_deadline_of_a_message_ends_its_retries);
    tcase_add_test(t, without_a_deadline_retries_end_after_a_second);
    tcase_add_test(t, a_message_whose_deadline_is_over_is_tried_once);
    tcase_add_test(t, retries_end_without_randomness_too);
    tcase_add_test(t, answers_keep_their_order_when_the_first_is_throttled);
    tcase_add_test(t, answers_are_tried_no_longer_than_their_event_has_time);
    tcase_add_test(t, a_broadcast_reaches_the_others_first_and_then_who_was_throttled);
    tcase_add_test(t, a_broadcast_tells_who_was_throttled_to_the_end);
    tcase_add_test(t, who_leaves_while_being_waited_for_is_gone_and_forgotten);
    tcase_add_test(t, a_crowd_of_throttled_peers_is_asked_again_without_losing_one);
    tcase_add_test(t, a_sender_that_does_not_wait_is_asked_once);
    tcase_add_test(t, parts_of_an_update_keep_their_order_when_the_first_is_throttled);
    tcase_add_test(t, one_publication_waits_no_longer_than_a_second_for_all_who_are_throttled);
    tcase_add_test(t, who_speaks_long_after_his_token_ended_is_told_and_closed_with_4401);
    tcase_add_test(t, a_connection_with_a_session_is_closed_by_its_transport_alone);
    suite_add_tcase(s, t);
    return s;
}
