/* What is refused before its handler: messages that break a rule, and floods. */
#include "runtime_world.h"
#include "suite.h"

#include <math.h>
#include <string.h>

/* ---- validation and limits ---- */

START_TEST(an_invalid_message_never_reaches_its_handler)
{
    wsrt_schema *schema;
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", NULL), WSRT_OK);
    wsrt_route r = {.schema = schema};

    world_add_route("$default", world_say_route, &r);
    world_message("c1", NULL,
                  "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"\"}}");
    world_expect_error("VALIDATION_ERROR", "INVALID_MESSAGE");
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"path\":\"/data/message\""));
    ck_assert_ptr_nonnull(strstr(world_last_post(), "Message cannot be empty"));
    ck_assert_uint_eq(w.post_count, 1);
    world_message("c1", NULL, "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}");
    ck_assert_str_eq(world_last_post(), "$default");
    world_tear_down();
    wsrt_schema_free(schema);
    world_set_up();
}
END_TEST

START_TEST(an_invalid_message_is_logged_by_its_rule_and_without_its_values)
{
    wsrt_schema *schema;
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", NULL), WSRT_OK);
    wsrt_route r = {.schema = schema};

    world_add_route("$default", world_say_route, &r);
    world_message("c1", NULL, "{\"type\":\"ping\",\"data\":{\"action\":\"hush-hush\"}}");
    ck_assert_uint_eq(w.invalid_lines, 1);
    ck_assert_ptr_nonnull(strstr(w.last, "connectionId=c1 path=/data/action "
                                         "rule=/$defs/action/pattern code=invalid_format "
                                         "text=Action must contain only"));
    ck_assert_ptr_null(strstr(w.last, "hush"));
    ck_assert_uint_eq(w.lines, 0); /* a client's mistake warns nobody */
    world_message("c1", NULL, "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}");
    ck_assert_uint_eq(w.invalid_lines, 1);
    world_tear_down();
    wsrt_schema_free(schema);
    world_set_up();
}
END_TEST

START_TEST(a_message_over_the_cap_is_too_large)
{
    wsrt_runtime_options o = world_options();
    o.max_message = 10;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
    world_message("c1", NULL, "0123456789");
    ck_assert_str_eq(world_last_post(), "$default");
    world_message("c1", NULL, "0123456789x");
    world_expect_error("PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE");
}
END_TEST

START_TEST(a_flooding_connection_is_told_when_to_come_back)
{
    wsrt_runtime_options o = world_options();
    wsrt_session s = {{0}}, other = {{0}};
    o.flags = 0;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
    for (int i = 0; i < 20; i++) {
        world_message("c1", &s, "{}");
        ck_assert_str_eq(world_last_post(), "$default");
    }
    world_message("c1", &s, "{}");
    world_expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"retryAfter\":100"));
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"scope\":\"connection\""));
    world_message("c2", &other, "{}");
    ck_assert_str_eq(world_last_post(), "$default");
    w.now += 100000000;
    world_message("c1", &s, "{}");
    ck_assert_str_eq(world_last_post(), "$default");
}
END_TEST

/* `n` messages at once after the burst is spent. */
static void flood(wsrt_session *s, int n)
{
    for (int i = 0; i < n; i++)
        world_message("c1", s, "{}");
}

static void begin_limited(wsrt_runtime_options o)
{
    o.flags &= ~(uint32_t)WSRT_RUNTIME_NO_LIMITS;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
}

START_TEST(a_hundred_refusals_in_a_row_owe_a_close_with_1008)
{
    wsrt_session s = {{0}};

    ck_assert_int_eq(wsrt_session_close_code(NULL), 0);
    begin_limited(world_options());
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
    wsrt_runtime_options o = world_options();
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
    wsrt_runtime_options o = world_options();
    wsrt_session s = {{0}};

    ck_assert_int_eq(wsrt_limiter_new(&o.limiter, &lo), WSRT_OK);
    begin_limited(o);
    flood(&s, 1 + 200);
    world_expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
    ck_assert_int_eq(wsrt_session_close_code(&s), 0);
    world_tear_down();
    wsrt_limiter_free(o.limiter);
    world_set_up();
}
END_TEST

START_TEST(quiet_limits_drop_a_refused_message_without_an_answer)
{
    wsrt_runtime_options o = world_options();
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

START_TEST(pings_have_a_budget_of_their_own)
{
    wsrt_session s = {{0}};

    begin_limited(world_options());
    world_add_route("ping", world_say_route, &(wsrt_route){.flags = WSRT_ROUTE_PING});
    for (int i = 0; i < 5; i++) {
        world_message("c1", &s, "{\"type\":\"ping\"}");
        ck_assert_str_eq(world_last_post(), "ping");
    }
    world_message("c1", &s, "{\"type\":\"ping\"}");
    world_expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"retryAfter\":5000"));
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"scope\":\"ping\""));
    for (int i = 0; i < 20; i++) {
        world_message("c1", &s, "{}");
        ck_assert_str_eq(world_last_post(), "$default");
    }
    w.now += 5000000000;
    world_message("c1", &s, "{\"type\":\"ping\"}");
    ck_assert_str_eq(world_last_post(), "ping");
}
END_TEST

START_TEST(a_flood_of_pings_owes_a_close_too)
{
    wsrt_session s = {{0}};

    begin_limited(world_options());
    world_add_route("ping", world_say_route, &(wsrt_route){.flags = WSRT_ROUTE_PING});
    for (int i = 0; i < 5 + 100; i++)
        world_message("c1", &s, "{\"type\":\"ping\"}");
    ck_assert_int_eq(wsrt_session_close_code(&s), 1008);
}
END_TEST

START_TEST(what_no_route_takes_and_what_is_too_large_is_limited_too)
{
    for (int large = 0; large < 2; large++) {
        wsrt_runtime_options o = world_options();
        wsrt_session s = {{0}};
        const char *body = large ? "{\"type\":\"one\",\"x\":1}" : "{\"type\":\"two\"}";
        o.flags = 0;
        o.max_message = 16;
        world_begin(&o);
        world_add_route("one", world_say_route, NULL);
        for (int i = 0; i < 20; i++) {
            world_message("c1", &s, body);
            world_expect_error(large ? "PAYLOAD_TOO_LARGE" : "NOT_FOUND",
                               large ? "PAYLOAD_TOO_LARGE" : "UNKNOWN_ROUTE");
        }
        world_message("c1", &s, body);
        world_expect_error("RATE_LIMIT_ERROR", "RATE_LIMITED");
        for (int i = 0; i < 99; i++)
            world_message("c1", &s, body);
        ck_assert_int_eq(wsrt_session_close_code(&s), 1008);
    }
}
END_TEST

START_TEST(numbers_of_refusals_out_of_range_are_refused)
{
    wsrt_runtime_options bad[] = {world_options(), world_options(), world_options(),
                                  world_options()};
    wsrt_runtime *rt;

    bad[0].refusals_in_a_row = 8192;
    bad[1].refusals_in_window = 65536;
    bad[2].refusal_window_ms = -1;
    bad[3].refusal_window_ms = 86400001;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(wsrt_runtime_new(&rt, &bad[i]), WSRT_ERR_INVALID);
}
END_TEST

static const wsrt_rule impossible[] = {
    {.rate = 1.1e9, .burst = 1},       {.rate = 1, .burst = (1 << 24) + 1},
    {.rate = 1e-9, .burst = 1000000},  {.rate = 1, .burst = 1, .flags = 64},
    {.rate = (double)NAN, .burst = 1}, {.rate = 1, .burst = 0},
};

START_TEST(a_route_with_a_rate_that_no_limiter_keeps_is_refused)
{
    wsrt_runtime *rt;
    wsrt_route route = {.struct_size = sizeof route,
                        .key = wsrt_span_cstr("chat"),
                        .handler = world_say_route,
                        .rule = impossible[_i]};

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_ERR_INVALID);
    route.rule = (wsrt_rule){.rate = 1e9, .burst = 1 << 24};
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    wsrt_runtime_free(rt);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_limits");
    TCase *t = tcase_create("runtime_limits");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_invalid_message_never_reaches_its_handler);
    tcase_add_test(t, an_invalid_message_is_logged_by_its_rule_and_without_its_values);
    tcase_add_test(t, a_message_over_the_cap_is_too_large);
    tcase_add_test(t, a_flooding_connection_is_told_when_to_come_back);
    tcase_add_test(t, a_hundred_refusals_in_a_row_owe_a_close_with_1008);
    tcase_add_test(t, refusals_in_a_window_owe_a_close_with_4429_where_that_is_asked_for);
    tcase_add_test(t, what_all_clients_share_closes_no_connection);
    tcase_add_test(t, quiet_limits_drop_a_refused_message_without_an_answer);
    tcase_add_test(t, pings_have_a_budget_of_their_own);
    tcase_add_test(t, a_flood_of_pings_owes_a_close_too);
    tcase_add_test(t, what_no_route_takes_and_what_is_too_large_is_limited_too);
    tcase_add_test(t, numbers_of_refusals_out_of_range_are_refused);
    tcase_add_loop_test(t, a_route_with_a_rate_that_no_limiter_keeps_is_refused, 0,
                        (int)(sizeof impossible / sizeof impossible[0]));
    suite_add_tcase(s, t);
    return s;
}
