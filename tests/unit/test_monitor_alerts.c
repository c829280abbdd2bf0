#include "monitor_rig.h"

/* ---- thresholds ---- */

static wsrt_alert alerts[64];
static size_t alert_count;
static char alert_correlation[129];

static void note(const wsrt_alert *alert, void *user)
{
    int64_t p50;

    ck_assert_ptr_eq(user, &alert_count);
    ck_assert_uint_lt(alert_count, COUNT(alerts));
    ck_assert_int_eq(wsrt_monitor_quantile(m, alert->operation, 0.5, &p50), WSRT_OK);
    alerts[alert_count++] = *alert;
    snprintf(alert_correlation, sizeof alert_correlation, "%.*s", (int)alert->correlation_id.len,
             alert->correlation_id.ptr == NULL ? "" : alert->correlation_id.ptr);
}

static void watch(void)
{
    wsrt_monitor_options o = options();

    o.on_alert = note;
    o.alert_user = &alert_count;
    alert_count = 0;
    remake(o);
    ck_assert_int_eq(wsrt_monitor_tick(m, 0, 0), WSRT_OK);
}

static void tick(int64_t seconds)
{
    ck_assert_int_eq(wsrt_monitor_tick(m, seconds * 1000 * MS, seconds * 1000), WSRT_OK);
}

static void expect_alert(size_t which, int watched, int old_level, int new_level)
{
    ck_assert_uint_gt(alert_count, which);
    ck_assert_int_eq(alerts[which].watched, watched);
    ck_assert_int_eq(alerts[which].old_level, old_level);
    ck_assert_int_eq(alerts[which].new_level, new_level);
}

static void take_bytes(int id, int64_t bytes)
{
    wsrt_op op;

    wsrt_op_start(m, NULL, id, 0, &op);
    wsrt_op_add_bytes(&op, bytes);
    wsrt_op_complete(&op, 1, NULL);
}

static void fail_times(int id, int failures, int successes)
{
    wsrt_op_result r = failure();
    wsrt_op op;

    for (int i = 0; i < failures + successes; i++) {
        wsrt_op_start(m, NULL, id, 0, &op);
        wsrt_op_complete(&op, 1, i < failures ? &r : NULL);
    }
}

static const struct {
    int64_t duration_ms;
    int64_t memory;
    int errors_in_200;
} shipped[] = {
    {5000, 104857600, 10}, {2000, 52428800, 4}, {3000, 20971520, 20}, {1000, 31457280, 10}};

START_TEST(the_shipped_limits_are_exceeded_only_by_what_is_strictly_greater)
{
    watch();
    run(NULL, _i, shipped[_i].duration_ms * MS);
    take_bytes(_i, shipped[_i].memory);
    fail_times(_i, shipped[_i].errors_in_200, 198 - shipped[_i].errors_in_200);
    tick(1);
    ck_assert_uint_eq(alert_count, 3);
    for (size_t i = 0; i < 3; i++)
        expect_alert(i, (int)i + 1, WSRT_ALERT_NONE, WSRT_ALERT_WARNING);
    run(NULL, _i, shipped[_i].duration_ms * MS + 1);
    take_bytes(_i, shipped[_i].memory + 1);
    fail_times(_i, 1, 0);
    tick(2);
    ck_assert_uint_eq(alert_count, 6);
    for (size_t i = 0; i < 3; i++)
        expect_alert(i + 3, (int)i + 1, WSRT_ALERT_WARNING, WSRT_ALERT_CRITICAL);
    ck_assert_double_eq(alerts[3].limit, (double)(shipped[_i].duration_ms * MS));
    ck_assert_double_eq(alerts[3].value, (double)(shipped[_i].duration_ms * MS + 1));
    ck_assert_double_eq(alerts[4].limit, (double)shipped[_i].memory);
    ck_assert_double_eq(alerts[5].limit, shipped[_i].errors_in_200 / 200.0);
    ck_assert_int_eq(alerts[3].wall, 2000);
}
END_TEST

START_TEST(other_operations_have_no_limits_until_set)
{
    wsrt_threshold t = {
        .struct_size = sizeof t, .watched = WSRT_WATCH_DURATION, .critical = 100, .warning = 50};
    int id;

    watch();
    wsrt_monitor_operation(m, wsrt_span_cstr("other"), &id);
    run(NULL, id, 1000000 * MS);
    tick(1);
    ck_assert_uint_eq(alert_count, 0);
    ck_assert_int_eq(wsrt_monitor_threshold(m, id, &t), WSRT_OK);
    tick(2);
    ck_assert_uint_eq(alert_count, 1);
    expect_alert(0, WSRT_WATCH_DURATION, WSRT_ALERT_NONE, WSRT_ALERT_CRITICAL);
    ck_assert_str_eq(alerts[0].operation_cstr, "other");
}
END_TEST

START_TEST(a_level_is_raised_straight_to_the_highest_and_told_once)
{
    watch();
    for (int s = 1; s < 10; s++) {
        run(NULL, 0, 6000 * MS);
        tick(s);
    }
    ck_assert_uint_eq(alert_count, 1);
    expect_alert(0, WSRT_WATCH_DURATION, WSRT_ALERT_NONE, WSRT_ALERT_CRITICAL);
}
END_TEST

START_TEST(a_level_clears_after_three_windows_below_nine_tenths)
{
    watch();
    run(NULL, 0, 6000 * MS);
    tick(1);
    tick(10); /* the window of the spike ends */
    tick(20);
    tick(30);
    ck_assert_uint_eq(alert_count, 1);
    tick(40);
    ck_assert_uint_eq(alert_count, 2);
    expect_alert(1, WSRT_WATCH_DURATION, WSRT_ALERT_CRITICAL, WSRT_ALERT_NONE);
    ck_assert_double_eq(alerts[1].limit, 5000.0 * MS);
    for (int s = 50; s < 200; s += 10)
        tick(s);
    ck_assert_uint_eq(alert_count, 2);
}
END_TEST

START_TEST(a_level_stays_while_values_are_near_its_limit)
{
    watch();
    run(NULL, 0, 6000 * MS);
    tick(10);
    for (int s = 20; s <= 100; s += 10) {
        run(NULL, 0, 4501 * MS); /* just above 0.9 x critical */
        tick(s);
    }
    ck_assert_uint_eq(alert_count, 1);
}
END_TEST

START_TEST(a_critical_level_falls_to_warning_while_that_is_not_calm)
{
    watch();
    run(NULL, 0, 6000 * MS);
    tick(10);
    for (int s = 20; s <= 60; s += 10) {
        run(NULL, 0, 4200 * MS); /* below 0.9 x critical, above warning */
        tick(s);
    }
    ck_assert_uint_eq(alert_count, 2);
    expect_alert(1, WSRT_WATCH_DURATION, WSRT_ALERT_CRITICAL, WSRT_ALERT_WARNING);
    for (int s = 70; s <= 90; s += 10)
        tick(s);
    ck_assert_uint_eq(alert_count, 3);
    expect_alert(2, WSRT_WATCH_DURATION, WSRT_ALERT_WARNING, WSRT_ALERT_NONE);
}
END_TEST

START_TEST(values_that_oscillate_around_a_limit_are_told_once)
{
    watch();
    for (int s = 10; s < 400; s += 10) {
        run(NULL, 0, s % 20 == 0 ? 4600 * MS : 5100 * MS);
        tick(s);
    }
    ck_assert_uint_eq(alert_count, 1);
}
END_TEST

START_TEST(a_host_that_slept_finds_the_windows_empty)
{
    watch();
    run(NULL, 0, 6000 * MS);
    tick(1);
    tick(1000000);
    ck_assert_uint_eq(alert_count, 2);
    expect_alert(1, WSRT_WATCH_DURATION, WSRT_ALERT_CRITICAL, WSRT_ALERT_NONE);
    tick(5);
    ck_assert_int_eq(wsrt_monitor_tick(m, INT64_MAX, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_tick(m, INT64_MIN, 0), WSRT_OK);
    ck_assert_uint_eq(alert_count, 2);
}
END_TEST

START_TEST(error_rates_need_twenty_completions_and_forget_after_five_minutes)
{
    watch();
    fail_times(0, 19, 0);
    tick(1);
    ck_assert_uint_eq(alert_count, 0);
    fail_times(0, 1, 0);
    tick(2);
    ck_assert_uint_eq(alert_count, 1);
    expect_alert(0, WSRT_WATCH_ERROR_RATE, WSRT_ALERT_NONE, WSRT_ALERT_CRITICAL);
    ck_assert_double_eq(alerts[0].value, 1.0);
    for (int s = 10; s <= 330; s += 10) {
        fail_times(0, 0, 1);
        tick(s);
        ck_assert_uint_eq(alert_count, s < 330 ? 1 : 2);
    }
    expect_alert(1, WSRT_WATCH_ERROR_RATE, WSRT_ALERT_CRITICAL, WSRT_ALERT_NONE);
}
END_TEST

START_TEST(n_of_m_windows_must_exceed)
{
    wsrt_threshold t = {.struct_size = sizeof t,
                        .watched = WSRT_WATCH_DURATION,
                        .critical = 1e9,
                        .warning = 1e9,
                        .needed = 2,
                        .of = 3};

    watch();
    ck_assert_int_eq(wsrt_monitor_threshold(m, 0, &t), WSRT_OK);
    run(NULL, 0, 2000 * MS);
    tick(5);
    tick(10);
    tick(20);
    tick(30);
    run(NULL, 0, 2000 * MS);
    tick(31);
    ck_assert_uint_eq(alert_count, 0); /* the first is the fourth-last by now */
    tick(40);
    tick(50);
    run(NULL, 0, 2000 * MS);
    tick(51);
    ck_assert_uint_eq(alert_count, 1);
}
END_TEST

START_TEST(averages_and_quantiles_are_judged_at_the_end_of_their_window)
{
    static const struct {
        int statistic;
        int slow_in_100;
        int raised;
    } cases[] = {{WSRT_STATISTIC_AVERAGE, 40, 0}, {WSRT_STATISTIC_AVERAGE, 60, 1},
                 {WSRT_STATISTIC_P50, 49, 0},     {WSRT_STATISTIC_P50, 51, 1},
                 {WSRT_STATISTIC_P95, 4, 0},      {WSRT_STATISTIC_P95, 6, 1},
                 {WSRT_STATISTIC_P99, 0, 0},      {WSRT_STATISTIC_P99, 2, 1}};
    wsrt_threshold t = {.struct_size = sizeof t,
                        .watched = WSRT_WATCH_DURATION,
                        .critical = 5e8,
                        .warning = 5e8,
                        .statistic = cases[_i].statistic};

    watch();
    for (int i = 0; i < 1000; i++) /* before the threshold: no part of its first window */
        run(NULL, 0, 4000 * MS);
    tick(10);
    alert_count = 0;
    ck_assert_int_eq(wsrt_monitor_threshold(m, 0, &t), WSRT_OK);
    for (int i = 0; i < 100; i++)
        run(NULL, 0, i < cases[_i].slow_in_100 ? 1000 * MS : MS);
    tick(19);
    ck_assert_uint_eq(alert_count, 0);
    tick(20);
    ck_assert_uint_eq(alert_count, (size_t)cases[_i].raised);
}
END_TEST

START_TEST(an_alert_names_the_slowest_correlation_id)
{
    wsrt_field attr = text("correlationId", "slow-one");
    wsrt_op_result r = success();
    wsrt_op op;

    watch();
    r.attrs = &attr;
    r.attr_count = 1;
    for (int i = 0; i < 3; i++) {
        attr = text("correlationId", i == 1 ? "slow-one" : "quick-one");
        wsrt_op_start(m, NULL, 0, 0, &op);
        wsrt_op_complete(&op, i == 1 ? 6000 * MS : 10 * MS, &r);
    }
    tick(1);
    ck_assert_uint_eq(alert_count, 1);
    ck_assert_str_eq(alert_correlation, "slow-one");
}
END_TEST

START_TEST(thresholds_that_are_none_are_refused)
{
    static const struct {
        wsrt_threshold t;
        int rc;
    } cases[] = {
        {{.watched = 0, .critical = 1}, WSRT_ERR_INVALID},
        {{.watched = 4, .critical = 1}, WSRT_ERR_INVALID},
        {{.watched = 1, .critical = -1}, WSRT_ERR_INVALID},
        {{.watched = 1, .critical = 1, .warning = 2}, WSRT_ERR_INVALID},
        {{.watched = 1, .critical = 1, .statistic = 6}, WSRT_ERR_INVALID},
        {{.watched = 1, .critical = 1, .needed = 3, .of = 2}, WSRT_ERR_INVALID},
        {{.watched = 1, .critical = 1, .of = 33}, WSRT_ERR_INVALID},
        {{.watched = 2, .critical = 1, .statistic = WSRT_STATISTIC_P95}, WSRT_ERR_UNSUPPORTED},
        {{.watched = 3, .critical = 1, .statistic = WSRT_STATISTIC_MAX}, WSRT_ERR_UNSUPPORTED},
    };
    wsrt_threshold t = cases[_i].t;

    t.struct_size = sizeof t;
    ck_assert_int_eq(wsrt_monitor_threshold(m, 0, &t), cases[_i].rc);
    t = (wsrt_threshold){.struct_size = sizeof t, .watched = 1};
    ck_assert_int_eq(wsrt_monitor_threshold(m, 4, &t), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_monitor_threshold(m, 0, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_threshold_that_memory_refuses_leaves_the_old_one)
{
    wsrt_threshold t = {.struct_size = sizeof t,
                        .watched = WSRT_WATCH_DURATION,
                        .critical = 1,
                        .statistic = WSRT_STATISTIC_P95};

    watch();
    heap_arm(&heap, 1, 0);
    ck_assert_int_eq(wsrt_monitor_threshold(m, 0, &t), WSRT_ERR_NOMEM);
    run(NULL, 0, 3000 * MS);
    tick(10);
    ck_assert_uint_eq(alert_count, 0);
    run(NULL, 0, 6000 * MS);
    tick(11);
    ck_assert_uint_eq(alert_count, 1);
}
END_TEST

START_TEST(a_recorder_that_ends_leaves_its_window)
{
    wsrt_recorder *rec;

    watch();
    for (int i = 0; i < 2; i++) {
        wsrt_recorder_new(&rec, m);
        run(rec, 0, i == 0 ? 6000 * MS : MS);
        wsrt_recorder_free(rec);
    }
    tick(1);
    ck_assert_uint_eq(alert_count, 1);
}
END_TEST

/* ---- business metrics ---- */

#define BUSINESS(name, handler) metric(SERIES("wsrt_business_" name, handler))
#define BUSINESS_OF(name, handler, category)                                                       \
    metric("wsrt_business_" name "{handler=\"" handler                                             \
           "\",environment=\"dev\",category=\"" category "\"}")

static void message(const char *type, int64_t length, int good)
{
    wsrt_field attrs[] = {text("messageType", type),
                          {.name_cstr = "messageLength", .number = length, .kind = WSRT_FIELD_INT}};
    wsrt_op_result r = good ? success() : failure();
    wsrt_op op;

    r.attrs = attrs;
    r.attr_count = length < 0 ? 1 : 2;
    wsrt_op_start(m, NULL, WSRT_OP_CONVERSATION, 0, &op);
    wsrt_op_complete(&op, MS, &r);
}

START_TEST(conversations_tell_types_lengths_and_authentication)
{
    watch();
    message("auth", 10, 1);
    message("auth", -1, 0);
    message("auth", 20, 1);
    message("auth", -1, 1);
    message("message", 60, 1);
    run(NULL, WSRT_OP_CONVERSATION, MS);
    tick(59);
    ck_assert(!has("per_minute"));
    tick(60);
    ck_assert_double_eq(BUSINESS("messages_per_minute", "websocket_conversation"), 5);
    ck_assert_double_eq(BUSINESS("average_message_length", "websocket_conversation"), 30);
    ck_assert_double_eq(BUSINESS("authentication_success_rate", "websocket_conversation"), 0.75);
    ck_assert_double_eq(BUSINESS_OF("message_types_total", "websocket_conversation", "auth"), 4);
    ck_assert_double_eq(BUSINESS_OF("message_types_total", "websocket_conversation", "message"), 1);
    ck_assert_double_eq(BUSINESS_OF("message_types_total", "websocket_conversation", "ping"), 0);
    message("ping", -1, 1);
    message("ping", -1, 1);
    tick(180);
    ck_assert_double_eq(BUSINESS("messages_per_minute", "websocket_conversation"), 1);
    scrape();
    check_page();
}
END_TEST

START_TEST(connections_tell_rates_lives_and_reasons)
{
    wsrt_field connect = text("eventType", "connect");
    wsrt_field bye[] = {
        text("eventType", "disconnect"),
        text("disconnectReason", "timeout"),
        {.name_cstr = "connectionDuration", .number = 1500, .kind = WSRT_FIELD_INT}};

    watch();
    ck_assert(!has("average_connection_duration"));
    run_with(WSRT_OP_CONNECTION, &connect, 1);
    run_with(WSRT_OP_CONNECTION, &connect, 1);
    run_with(WSRT_OP_CONNECTION, bye, 3);
    tick(60);
    ck_assert_double_eq(BUSINESS("connections_per_minute", "websocket_connection"), 2);
    ck_assert_double_eq(BUSINESS("average_connection_duration_seconds", "websocket_connection"),
                        1.5);
    ck_assert_double_eq(BUSINESS_OF("disconnect_reasons_total", "websocket_connection", "timeout"),
                        1);
    ck_assert_double_eq(BUSINESS_OF("disconnect_reasons_total", "websocket_connection", "normal"),
                        0);
}
END_TEST

START_TEST(verifications_tell_rates_and_error_types)
{
    static const char *const errors[] = {"MISSING_TOKEN", "TOKEN_EXPIRED", "NETWORK", NULL};
    wsrt_field type = text("errorType", "INVALID_TOKEN");
    wsrt_op_result r = failure();
    wsrt_op op;

    watch();
    ck_assert(!has("wsrt_business_success_rate"));
    for (int i = 0; errors[i] != NULL; i++) {
        wsrt_op_start(m, NULL, WSRT_OP_JWT_VERIFICATION, 0, &op);
        wsrt_op_error(&op, errors[i]);
        wsrt_op_complete(&op, 1, &r);
    }
    r.attrs = &type;
    r.attr_count = 1;
    wsrt_op_start(m, NULL, WSRT_OP_JWT_VERIFICATION, 0, &op);
    wsrt_op_complete(&op, 1, &r);
    fail_times(WSRT_OP_JWT_VERIFICATION, 0, 12);
    tick(60);
#define VERIFICATION "authentication_jwt_verification"
    ck_assert_double_eq(BUSINESS("success_rate", VERIFICATION), 0.75);
    ck_assert_double_eq(BUSINESS("verification_attempts_per_minute", VERIFICATION), 16);
    ck_assert_double_eq(BUSINESS_OF("error_types_total", VERIFICATION, "MISSING_TOKEN"), 1);
    ck_assert_double_eq(BUSINESS_OF("error_types_total", VERIFICATION, "TOKEN_EXPIRED"), 1);
    ck_assert_double_eq(BUSINESS_OF("error_types_total", VERIFICATION, "INVALID_TOKEN"), 1);
    ck_assert_double_eq(BUSINESS_OF("error_types_total", VERIFICATION, "other"), 1);
    ck_assert_double_eq(metric(SERIES("wsrt_operation_error_ratio", VERIFICATION)), 0.25);
}
END_TEST

START_TEST(chat_messages_tell_times_and_database_calls)
{
    wsrt_op op;

    watch();
    ck_assert(!has("average_processing_time"));
    for (int i = 1; i <= 2; i++) {
        wsrt_op_start(m, NULL, WSRT_OP_CHAT_MESSAGE, 0, &op);
        for (int k = 0; k < 3 * i - 2; k++)
            wsrt_op_database_call(&op);
        wsrt_op_complete(&op, i * 100 * MS, NULL);
    }
    tick(60);
#define CHAT "chat_message_processing"
    ck_assert_double_eq(BUSINESS("messages_processed_per_minute", CHAT), 2);
    ck_assert_double_eq(BUSINESS("average_processing_time_seconds", CHAT), 0.15);
    ck_assert_double_eq(BUSINESS("database_operations_per_message", CHAT), 2.5);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_alerts");
    TCase *c = tcase_create("monitor_alerts");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, the_shipped_limits_are_exceeded_only_by_what_is_strictly_greater, 0, 4);
    tcase_add_test(c, other_operations_have_no_limits_until_set);
    tcase_add_test(c, a_level_is_raised_straight_to_the_highest_and_told_once);
    tcase_add_test(c, a_level_clears_after_three_windows_below_nine_tenths);
    tcase_add_test(c, a_level_stays_while_values_are_near_its_limit);
    tcase_add_test(c, a_critical_level_falls_to_warning_while_that_is_not_calm);
    tcase_add_test(c, values_that_oscillate_around_a_limit_are_told_once);
    tcase_add_test(c, a_host_that_slept_finds_the_windows_empty);
    tcase_add_test(c, error_rates_need_twenty_completions_and_forget_after_five_minutes);
    tcase_add_test(c, n_of_m_windows_must_exceed);
    tcase_add_loop_test(c, averages_and_quantiles_are_judged_at_the_end_of_their_window, 0, 8);
    tcase_add_test(c, an_alert_names_the_slowest_correlation_id);
    tcase_add_loop_test(c, thresholds_that_are_none_are_refused, 0, 9);
    tcase_add_test(c, a_threshold_that_memory_refuses_leaves_the_old_one);
    tcase_add_test(c, a_recorder_that_ends_leaves_its_window);
    tcase_add_test(c, conversations_tell_types_lengths_and_authentication);
    tcase_add_test(c, connections_tell_rates_lives_and_reasons);
    tcase_add_test(c, verifications_tell_rates_and_error_types);
    tcase_add_test(c, chat_messages_tell_times_and_database_calls);
    suite_add_tcase(s, c);
    return s;
}
