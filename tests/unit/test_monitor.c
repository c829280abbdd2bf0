#include "monitor_rig.h"

#include "monitor/histogram.h"

/* ---- operations ---- */

START_TEST(the_four_operations_of_every_monitor_have_fixed_ids)
{
    static const char *const names[] = {"websocket_conversation", "websocket_connection",
                                        "authentication_jwt_verification",
                                        "chat_message_processing"};
    int id;

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr(names[i]), &id), WSRT_OK);
        ck_assert_int_eq(id, i);
    }
}
END_TEST

START_TEST(a_registered_name_keeps_its_id)
{
    int first, again, other;

    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("orders.place"), &first), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("orders"), &other), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("orders.place"), &again), WSRT_OK);
    ck_assert_int_eq(first, 4);
    ck_assert_int_eq(other, 5);
    ck_assert_int_eq(again, 4);
}
END_TEST

START_TEST(names_that_are_none_are_refused)
{
    char long_name[257];
    const char *names[] = {"", "a b", "a\n", "caf\xc3\xa9", "a/b", "a\"b"};
    int id = 99;

    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr(names[i]), &id),
                         WSRT_ERR_INVALID);
    memset(long_name, 'x', sizeof long_name);
    ck_assert_int_eq(wsrt_monitor_operation(m, (wsrt_span){long_name, 256}, &id), WSRT_ERR_INVALID);
    ck_assert_int_eq(id, 99);
    ck_assert_int_eq(wsrt_monitor_operation(m, (wsrt_span){long_name, 255}, &id), WSRT_OK);
}
END_TEST

START_TEST(operations_beyond_the_cap_are_refused_and_known_ones_found)
{
    wsrt_monitor_options o = options();
    int id = 99;

    o.max_operations = 5;
    remake(o);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("fifth"), &id), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("sixth"), &id), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("fifth"), &id), WSRT_OK);
    ck_assert_int_eq(id, 4);
}
END_TEST

START_TEST(options_outside_their_range_are_refused)
{
    wsrt_monitor *none = m;
    wsrt_monitor_options bad[6];

    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = options();
    bad[0].struct_size = 4;
    bad[1].max_operations = 3;
    bad[2].max_operations = 1025;
    bad[3].histogram_bits = 3;
    bad[4].histogram_bits = 8;
    bad[5].environment = (wsrt_span){page.text, 256};
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_int_eq(wsrt_monitor_new(&none, &bad[i]), WSRT_ERR_INVALID);
        ck_assert_ptr_null(none);
    }
    bad[0] = options();
    bad[0].flags = 2;
    ck_assert_int_eq(wsrt_monitor_new(&none, &bad[0]), WSRT_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(a_completion_is_counted_with_all_that_it_tells)
{
    wsrt_op_result r = success();
    wsrt_op op;

    r.request_size = 120;
    r.response_size = 80;
    wsrt_op_start(m, NULL, WSRT_OP_CHAT_MESSAGE, 5, &op);
    ck_assert_uint_eq(totals(WSRT_OP_CHAT_MESSAGE).in_flight, 1);
    wsrt_op_external_call(&op);
    wsrt_op_database_call(&op);
    wsrt_op_database_call(&op);
    ck_assert_int_eq(wsrt_op_complete(&op, 1005, &r), WSRT_OK);
    wsrt_op_totals t = totals(WSRT_OP_CHAT_MESSAGE);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_uint_eq(t.errors, 0);
    ck_assert_uint_eq(t.error_calls, 0);
    ck_assert_uint_eq(t.external_calls, 1);
    ck_assert_uint_eq(t.database_calls, 2);
    ck_assert_uint_eq(t.request_bytes, 120);
    ck_assert_uint_eq(t.response_bytes, 80);
    ck_assert_uint_eq(t.duration_sum, 1000);
    ck_assert_uint_eq(t.duration_max, 1000);
    ck_assert_uint_eq(t.in_flight, 0);
    ck_assert_uint_eq(totals(WSRT_OP_CONVERSATION).count, 0);
}
END_TEST

START_TEST(completing_twice_or_without_a_start_changes_nothing)
{
    wsrt_op op = {{0}};

    ck_assert_int_eq(wsrt_op_complete(&op, 1, NULL), WSRT_ERR_STATE);
    wsrt_op_start(m, NULL, 0, 0, &op);
    ck_assert_int_eq(wsrt_op_complete(&op, 10, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, 20, NULL), WSRT_ERR_STATE);
    ck_assert_int_eq(wsrt_op_complete_on(&op, NULL, 20, NULL), WSRT_ERR_STATE);
    ck_assert_int_eq(wsrt_op_complete(NULL, 20, NULL), WSRT_ERR_INVALID);
    wsrt_op_external_call(&op);
    wsrt_op_error(&op, "X");
    wsrt_op_add_bytes(&op, 5);
    wsrt_op_cancel(&op);
    ck_assert_uint_eq(totals(0).count, 1);
    ck_assert_uint_eq(totals(0).duration_sum, 10);
    ck_assert_uint_eq(totals(0).errors + totals(0).in_flight, 0);
}
END_TEST

START_TEST(a_start_that_failed_leaves_an_inert_operation)
{
    wsrt_monitor *other;
    wsrt_recorder *stranger;
    wsrt_op op;

    wsrt_monitor_new(&other, NULL);
    wsrt_recorder_new(&stranger, other);
    memset(&op, 0xff, sizeof op);
    ck_assert_int_eq(wsrt_op_start(m, NULL, 4, 0, &op), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_complete(&op, 1, NULL), WSRT_ERR_STATE);
    ck_assert_int_eq(wsrt_op_start(m, NULL, -1, 0, &op), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_start(NULL, NULL, 0, 0, &op), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_start(m, stranger, 0, 0, &op), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_complete(&op, 1, NULL), WSRT_ERR_STATE);
    wsrt_recorder_free(stranger);
    wsrt_monitor_free(other);
}
END_TEST

START_TEST(a_malformed_result_leaves_the_operation_open)
{
    wsrt_op_result bad = success();
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, 0, &op);
    bad.struct_size = 3;
    ck_assert_int_eq(wsrt_op_complete(&op, 1, &bad), WSRT_ERR_INVALID);
    bad = success();
    bad.attr_count = 1;
    ck_assert_int_eq(wsrt_op_complete(&op, 1, &bad), WSRT_ERR_INVALID);
    ck_assert_uint_eq(totals(0).count, 0);
    ck_assert_int_eq(wsrt_op_complete(&op, 1, NULL), WSRT_OK);
    ck_assert_uint_eq(totals(0).count, 1);
}
END_TEST

START_TEST(a_clock_that_went_backwards_counts_as_no_time)
{
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, 1000, &op);
    ck_assert_int_eq(wsrt_op_complete(&op, 999, NULL), WSRT_OK);
    ck_assert_uint_eq(totals(0).count, 1);
    ck_assert_uint_eq(totals(0).duration_sum, 0);
    ck_assert_double_eq(metric("wsrt_self_clock_backwards_total{environment=\"dev\"}"), 1);
}
END_TEST

START_TEST(a_cancelled_operation_is_not_counted)
{
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, 0, &op);
    wsrt_op_error(&op, "TIMEOUT_ERROR");
    wsrt_op_cancel(&op);
    wsrt_op_totals t = totals(0);
    ck_assert_uint_eq(t.count + t.errors + t.error_calls + t.in_flight, 0);
}
END_TEST

START_TEST(an_error_makes_a_failure_and_is_counted_by_category)
{
    wsrt_op_result r = success();
    wsrt_op op;

    ck_assert_int_eq(wsrt_monitor_error_category(m, 0, wsrt_span_cstr("QUOTA")), WSRT_OK);
    wsrt_op_start(m, NULL, 0, 0, &op);
    wsrt_op_error(&op, "TIMEOUT_ERROR");
    wsrt_op_error(&op, "QUOTA");
    wsrt_op_error(&op, "QUOTA");
    wsrt_op_complete(&op, 1, &r);
    wsrt_op_start(m, NULL, 1, 0, &op);
    wsrt_op_error(&op, "QUOTA");
    wsrt_op_complete(&op, 1, &r);
    ck_assert_uint_eq(totals(0).errors, 1);
    ck_assert_uint_eq(totals(0).error_calls, 3);
#define ERRORS(op, category)                                                                       \
    metric("wsrt_operation_errors_total{handler=\"" op                                             \
           "\",environment=\"dev\",category=\"" category "\"}")
    ck_assert_double_eq(ERRORS("websocket_conversation", "TIMEOUT_ERROR"), 1);
    ck_assert_double_eq(ERRORS("websocket_conversation", "QUOTA"), 1);
    ck_assert_double_eq(ERRORS("websocket_conversation", "other"), 1);
    ck_assert_double_eq(ERRORS("websocket_connection", "other"), 1);
}
END_TEST

START_TEST(a_failure_without_an_error_counts_as_one)
{
    wsrt_op_result r = failure();
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, 0, &op);
    wsrt_op_complete(&op, 1, &r);
    ck_assert_uint_eq(totals(0).errors, 1);
    ck_assert_uint_eq(totals(0).error_calls, 1);
    ck_assert_double_eq(ERRORS("websocket_conversation", "other"), 1);
}
END_TEST

START_TEST(error_categories_are_registered_with_an_operation_that_exists)
{
    ck_assert_int_eq(wsrt_monitor_error_category(m, 4, wsrt_span_cstr("A")), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_monitor_error_category(m, 0, wsrt_span_cstr("a b")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_error_category(m, 0, wsrt_span_cstr("A")), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_error_category(m, 0, wsrt_span_cstr("A")), WSRT_OK);
    ck_assert_double_eq(ERRORS("websocket_conversation", "A"), 0);
}
END_TEST

/* ---- attributes ---- */

START_TEST(a_success_with_a_warning_is_an_outcome_of_its_own)
{
    wsrt_field attr = text("warning", "cleanup_failed");

    run_with(0, &attr, 1);
    ck_assert_uint_eq(totals(0).warnings, 1);
    ck_assert_uint_eq(totals(0).errors, 0);
#define OUTCOME(outcome)                                                                           \
    metric("wsrt_operations_total{handler=\"websocket_conversation\",environment=\"dev\","         \
           "outcome=\"" outcome "\"}")
    ck_assert_double_eq(OUTCOME("warning"), 1);
    ck_assert_double_eq(OUTCOME("ok"), 0);
}
END_TEST

START_TEST(undeclared_and_misfit_attributes_are_dropped_and_counted)
{
    wsrt_field attrs[] = {
        text("messageType", "auth"),
        text("favouriteColour", "blue"),
        text("messageLength", "12"),
        {.name_cstr = "messageLength", .number = -1, .kind = WSRT_FIELD_INT},
        {.name_cstr = NULL, .kind = WSRT_FIELD_TEXT},
        {.name_cstr = "action", .number = 4, .kind = WSRT_FIELD_INT},
        {.name_cstr = "hasToken", .number = 1, .kind = WSRT_FIELD_BOOL},
        text("userId", "someone"),
        text("correlationId", "c-1"),
    };

    run_with(0, attrs, COUNT(attrs));
    ck_assert_double_eq(metric("wsrt_self_attributes_dropped_total{environment=\"dev\"}"), 5);
    ck_assert(!has("someone"));
    ck_assert(!has("c-1"));
}
END_TEST

START_TEST(sizes_among_the_attributes_count_where_the_result_has_none)
{
    wsrt_field attrs[] = {
        {.name_cstr = "requestSize", .number = 70, .kind = WSRT_FIELD_INT},
        {.name_cstr = "responseSize", .real = 30.0, .kind = WSRT_FIELD_REAL},
    };

    run_with(0, attrs, 2);
    ck_assert_uint_eq(totals(0).request_bytes, 70);
    ck_assert_uint_eq(totals(0).response_bytes, 30);
}
END_TEST

START_TEST(values_beyond_the_caps_are_dropped_and_nothing_else_is)
{
    wsrt_monitor_options o = options();
    char value[20];

    o.max_metric_values = 3;
    o.max_values = 5;
    remake(o);
    for (int i = 0; i < 10; i++) {
        snprintf(value, sizeof value, "v%d", i);
        wsrt_field attrs[] = {text("action", value), text("routeKey", value)};
        run_with(0, attrs, 2);
    }
    ck_assert_double_eq(metric("wsrt_self_series_dropped_total{environment=\"dev\"}"), 15);
    ck_assert_uint_eq(totals(0).count, 10);
}
END_TEST

/* ---- memory and CPU ---- */

START_TEST(memory_is_the_largest_sum_of_what_was_taken)
{
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, 0, &op);
    wsrt_op_add_bytes(&op, 100);
    wsrt_op_add_bytes(&op, 50);
    wsrt_op_add_bytes(&op, -120);
    wsrt_op_add_bytes(&op, 60);
    wsrt_op_complete(&op, 1, NULL);
    ck_assert_uint_eq(totals(0).memory_max, 150);
    ck_assert_uint_eq(totals(0).memory_count, 1);
    run(NULL, 0, 1);
    ck_assert_uint_eq(totals(0).memory_count, 1);
}
END_TEST

START_TEST(an_inner_operation_charges_the_outer_one_too)
{
    wsrt_recorder *rec;
    wsrt_op outer, inner;

    wsrt_recorder_new(&rec, m);
    wsrt_op_start(m, rec, 0, 0, &outer);
    wsrt_op_add_bytes(&outer, 10);
    wsrt_op_start(m, rec, 3, 0, &inner);
    wsrt_op_add_bytes(&inner, 100);
    wsrt_op_add_bytes(&inner, -100);
    wsrt_op_complete(&inner, 1, NULL);
    wsrt_op_start(m, rec, 2, 0, &inner);
    wsrt_op_add_bytes(&inner, 20);
    wsrt_op_cancel(&inner);
    wsrt_op_complete(&outer, 2, NULL);
    ck_assert_uint_eq(totals(3).memory_max, 100);
    ck_assert_uint_eq(totals(0).memory_max, 110);
    ck_assert_uint_eq(totals(2).memory_count, 0);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(memory_sums_stop_at_the_ends_of_their_range)
{
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, 0, &op);
    wsrt_op_add_bytes(&op, INT64_MAX);
    wsrt_op_add_bytes(&op, INT64_MAX);
    wsrt_op_complete(&op, 1, NULL);
    ck_assert_uint_eq(totals(0).memory_max, INT64_MAX);
}
END_TEST

START_TEST(cpu_time_is_read_for_the_first_and_then_one_in_n)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;
    wsrt_op op;

    o.cpu_sampling = 4;
    remake(o);
    wsrt_recorder_new(&rec, m);
    for (int64_t i = 0; i < 9; i++) {
        wsrt_op_start(m, rec, 0, i * 1000000, &op);
        cpu_clock += 250;
        wsrt_op_complete(&op, i * 1000000 + 1000, NULL);
    }
    run(NULL, 0, 1000);
    ck_assert_uint_eq(totals(0).cpu_samples, 3);
    ck_assert_double_eq_tol(totals(0).cpu_ratio_sum, 0.75, 1e-9);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(deferred_successes_are_counted_when_they_are_settled)
{
    wsrt_recorder *rec;

    wsrt_recorder_new(&rec, m);
    ck_assert_uint_eq(wsrt_recorder_unsettled(rec), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(wsrt_op_defer(rec, 0, 100, 10, i == 0 ? 0 : 20), WSRT_OK);
    ck_assert_uint_eq(wsrt_recorder_unsettled(rec), 3);
    ck_assert_uint_eq(totals(0).count, 0);
    wsrt_recorder_settle(rec, 600);
    wsrt_recorder_settle(rec, 9999);
    ck_assert_uint_eq(wsrt_recorder_unsettled(rec), 0);
    ck_assert_uint_eq(totals(0).count, 3);
    ck_assert_uint_eq(totals(0).errors, 0);
    ck_assert_uint_eq(totals(0).in_flight, 0);
    ck_assert_uint_eq(totals(0).request_bytes, 30);
    ck_assert_uint_eq(totals(0).response_bytes, 40);
    ck_assert_uint_eq(totals(0).duration_sum, 1500);
    ck_assert_uint_eq(totals(0).duration_max, 500);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(a_deferred_success_of_another_start_or_id_ends_the_earlier_ones)
{
    wsrt_recorder *rec;

    wsrt_recorder_new(&rec, m);
    wsrt_op_defer(rec, 0, 100, 0, 0);
    wsrt_op_defer(rec, 0, 150, 0, 0);
    ck_assert_uint_eq(totals(0).duration_sum, 50);
    wsrt_op_defer(rec, 1, 170, 0, 0);
    ck_assert_uint_eq(totals(0).duration_sum, 70);
    wsrt_recorder_settle(rec, 200);
    ck_assert_uint_eq(totals(0).count, 2);
    ck_assert_uint_eq(totals(1).count, 1);
    ck_assert_uint_eq(totals(1).duration_sum, 30);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(a_recorder_that_is_freed_counts_what_was_deferred)
{
    wsrt_recorder *rec;

    wsrt_recorder_new(&rec, m);
    wsrt_op_defer(rec, 0, 100, 0, 0);
    wsrt_recorder_free(rec);
    ck_assert_uint_eq(totals(0).count, 1);
    ck_assert_uint_eq(totals(0).duration_sum, 0);
}
END_TEST

START_TEST(a_deferral_that_names_nothing_known_is_refused)
{
    wsrt_recorder *rec;

    wsrt_recorder_new(&rec, m);
    ck_assert_int_eq(wsrt_op_defer(NULL, 0, 0, 0, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_defer(rec, 4000, 0, 0, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_defer(rec, -1, 0, 0, 0), WSRT_ERR_INVALID);
    ck_assert_uint_eq(wsrt_recorder_unsettled(rec), 0);
    ck_assert_uint_eq(wsrt_recorder_unsettled(NULL), 0);
    wsrt_recorder_settle(NULL, 0);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(a_recorder_says_when_a_sample_is_due)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;

    o.cpu_sampling = 4;
    remake(o);
    wsrt_recorder_new(&rec, m);
    ck_assert_int_eq(wsrt_recorder_due(NULL), 1);
    ck_assert_int_eq(wsrt_recorder_due(rec), 1);
    run(rec, 0, 1000);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(wsrt_recorder_due(rec), 0);
        wsrt_op_defer(rec, 0, 0, 0, 0);
    }
    ck_assert_int_eq(wsrt_recorder_due(rec), 1);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(cpu_time_is_read_at_most_once_a_millisecond)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;
    wsrt_op op;

    o.cpu_sampling = 2;
    remake(o);
    wsrt_recorder_new(&rec, m);
    for (int64_t i = 0; i < 100; i++) { /* a hundred operations in 3 ms */
        wsrt_op_start(m, rec, 0, i * 30000, &op);
        wsrt_op_complete(&op, i * 30000 + 1000, NULL);
    }
    ck_assert_uint_eq(totals(0).cpu_samples, 3);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(cpu_time_that_is_off_is_never_read)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;

    o.cpu_sampling = UINT32_MAX;
    remake(o);
    wsrt_recorder_new(&rec, m);
    for (int i = 0; i < 200; i++)
        run(rec, 0, 1000);
    ck_assert_uint_eq(totals(0).cpu_samples, 0);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(an_operation_may_end_in_another_recorder)
{
    wsrt_recorder *first, *second;
    wsrt_op op;

    wsrt_recorder_new(&first, m);
    wsrt_recorder_new(&second, m);
    wsrt_op_start(m, first, 0, 0, &op);
    wsrt_op_add_bytes(&op, 100);
    ck_assert_int_eq(wsrt_op_complete_on(&op, second, 10, NULL), WSRT_OK);
    wsrt_op_start(m, first, 0, 0, &op);
    ck_assert_int_eq(wsrt_op_complete_on(&op, NULL, 10, NULL), WSRT_OK);
    ck_assert_uint_eq(totals(0).count, 2);
    ck_assert_uint_eq(totals(0).in_flight, 0);
    ck_assert_uint_eq(totals(0).memory_count, 0);
    ck_assert_uint_eq(totals(0).cpu_samples, 0);
    wsrt_recorder_free(first);
    wsrt_recorder_free(second);
}
END_TEST

/* ---- histogram ---- */

START_TEST(every_bucket_holds_its_own_bounds)
{
    for (unsigned bits = 4; bits <= 7; bits++) {
        unsigned last = bucket_of(UINT64_MAX, bits);
        ck_assert_uint_lt(last / CHUNK_COUNTERS, wsrt_histogram_chunks(bits));
        for (unsigned b = 0; b <= last; b++) {
            uint64_t low = wsrt_bucket_low(b, bits), middle = wsrt_bucket_middle(b, bits);
            ck_assert_uint_eq(bucket_of(low, bits), b);
            ck_assert_uint_eq(bucket_of(middle, bits), b);
            ck_assert_uint_eq(bucket_of(wsrt_bucket_low(b + 1, bits) - 1, bits), b);
            ck_assert_uint_le((middle - low) << (bits + 1), low);
        }
        ck_assert_uint_eq(wsrt_bucket_low(last + 1, bits), (uint64_t)1 << 42);
    }
}
END_TEST

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t seed;

static uint64_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 33;
}

static int64_t draw(int shape)
{
    switch (shape) {
    case 0:
        return (int64_t)(next_random() % (50 * MS));
    case 1:
        return (int64_t)(1000 << next_random() % 20) + (int64_t)(next_random() % 1000);
    case 2:
        return next_random() % 100 == 0 ? 3000 * MS : 2 * MS;
    default:
        return (int64_t)(next_random() % 40);
    }
}

static void succeed(wsrt_recorder *rec, int id, int64_t duration)
{
    wsrt_op_result r = success();
    wsrt_op op;

    wsrt_op_start(m, rec, id, -5, &op);
    ck_assert_int_eq(wsrt_op_complete(&op, duration - 5, &r), WSRT_OK);
}

/* Twice: the first completion in a chunk takes another way than those that follow. */
static int64_t bucket_of_both(wsrt_recorder *rec, const char *name, int64_t duration)
{
    int64_t first, second;
    int id;

    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr(name), &id), WSRT_OK);
    succeed(rec, id, 1ll << 43);
    succeed(rec, id, duration);
    succeed(rec, id, duration);
    ck_assert_uint_eq(totals(id).duration_sum, (1ull << 43) + 2 * (uint64_t)duration);
    ck_assert_int_eq(wsrt_monitor_quantile(m, id, 0, &first), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_quantile(m, id, 0.5, &second), WSRT_OK);
    ck_assert_int_eq(first, second);
    return first;
}

START_TEST(a_recorder_and_the_shared_shard_count_in_the_same_bucket)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;
    char name[32];

    o.histogram_bits = (uint32_t)_i;
    remake(o);
    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    for (int i = 0; i < 3 * 44; i++) {
        int64_t duration = (1ll << i / 3) + i % 3 * (1ll << i / 3) / 3;
        snprintf(name, sizeof name, "own_%d", i);
        int64_t own = bucket_of_both(rec, name, duration);
        snprintf(name, sizeof name, "shared_%d", i);
        ck_assert_int_eq(own, bucket_of_both(NULL, name, duration));
    }
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(quantiles_are_within_their_error_of_an_exact_sort)
{
    static int64_t values[20000];
    static const double qs[] = {0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};
    wsrt_monitor_options o = options();

    o.histogram_bits = (uint32_t)(4 + _i / 4);
    remake(o);
    seed = (uint64_t)_i;
    for (size_t i = 0; i < COUNT(values); i++) {
        values[i] = draw(_i % 4);
        run(NULL, 0, values[i]);
    }
    qsort(values, COUNT(values), sizeof values[0], by_value);
    for (size_t i = 0; i < COUNT(qs); i++) {
        double exact_rank = qs[i] * (double)COUNT(values);
        size_t rank = (size_t)exact_rank;
        if ((double)rank < exact_rank || rank == 0)
            rank++;
        int64_t got, want = values[rank - 1];
        ck_assert_int_eq(wsrt_monitor_quantile(m, 0, qs[i], &got), WSRT_OK);
        ck_assert_msg(llabs(got - want) << (o.histogram_bits + 1) <= want,
                      "q %g: got %lld, want %lld", qs[i], (long long)got, (long long)want);
    }
}
END_TEST

START_TEST(quantiles_of_nothing_are_zero_and_of_nonsense_refused)
{
    int64_t out = 99;

    ck_assert_int_eq(wsrt_monitor_quantile(m, 0, 0.5, &out), WSRT_OK);
    ck_assert_int_eq(out, 0);
    ck_assert_int_eq(wsrt_monitor_quantile(m, 0, -0.1, &out), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_quantile(m, 0, 1.1, &out), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_quantile(m, 0, strtod("nan", NULL), &out), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_quantile(m, 4, 0.5, &out), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(extremes_are_exact_in_count_sum_and_maximum)
{
    wsrt_op op;

    wsrt_op_start(m, NULL, 0, INT64_MIN, &op);
    wsrt_op_complete(&op, INT64_MAX, NULL);
    ck_assert_uint_eq(totals(0).duration_max, UINT64_MAX);
    run(NULL, 0, 5);
    run(NULL, 0, (int64_t)1 << 50);
    ck_assert_uint_eq(totals(0).count, 3);
    ck_assert_uint_eq(totals(0).duration_sum, UINT64_MAX);
    run(NULL, 1, (int64_t)1 << 50);
    run(NULL, 1, 3);
    ck_assert_uint_eq(totals(1).duration_sum, ((uint64_t)1 << 50) + 3);
    ck_assert_uint_eq(totals(1).duration_max, (uint64_t)1 << 50);
}
END_TEST

/* ---- recorders ---- */

START_TEST(what_a_recorder_counted_outlives_it)
{
    for (int round = 1; round <= 3; round++) {
        wsrt_recorder *rec;
        wsrt_field attr = {.name_cstr = "messageLength", .number = 5, .kind = WSRT_FIELD_INT};
        wsrt_op_result r = success();
        wsrt_op op;

        wsrt_recorder_new(&rec, m);
        r.attrs = &attr;
        r.attr_count = 1;
        r.request_size = 10;
        wsrt_op_start(m, rec, 0, 0, &op);
        wsrt_op_complete(&op, round * MS, &r);
        wsrt_recorder_free(rec);
        ck_assert_uint_eq(totals(0).count, (uint64_t)round);
        ck_assert_uint_eq(totals(0).request_bytes, (uint64_t)round * 10);
        ck_assert_uint_eq(totals(0).duration_max, (uint64_t)(round * MS));
        ck_assert_uint_eq(totals(0).in_flight, 0);
    }
    ck_assert_uint_eq(totals(0).duration_sum, 6 * MS);
}
END_TEST

START_TEST(monitor_and_recorder_may_end_in_either_order)
{
    wsrt_recorder *rec;
    wsrt_monitor *other;
    wsrt_monitor_options o = options();
    wsrt_op op;

    ck_assert_int_eq(wsrt_monitor_new(&other, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_recorder_new(&rec, other), WSRT_OK);
    wsrt_op_start(other, rec, 0, 0, &op);
    wsrt_monitor_free(other);
    ck_assert_int_eq(wsrt_op_complete(&op, 1, NULL), WSRT_OK);
    wsrt_recorder_free(rec);
    wsrt_monitor_free(NULL);
    wsrt_recorder_free(NULL);
}
END_TEST

static void add_operation_cases(TCase *c)
{
    tcase_add_test(c, the_four_operations_of_every_monitor_have_fixed_ids);
    tcase_add_test(c, a_registered_name_keeps_its_id);
    tcase_add_test(c, names_that_are_none_are_refused);
    tcase_add_test(c, operations_beyond_the_cap_are_refused_and_known_ones_found);
    tcase_add_test(c, options_outside_their_range_are_refused);
    tcase_add_test(c, a_completion_is_counted_with_all_that_it_tells);
    tcase_add_test(c, completing_twice_or_without_a_start_changes_nothing);
    tcase_add_test(c, a_start_that_failed_leaves_an_inert_operation);
    tcase_add_test(c, a_malformed_result_leaves_the_operation_open);
    tcase_add_test(c, a_clock_that_went_backwards_counts_as_no_time);
    tcase_add_test(c, a_cancelled_operation_is_not_counted);
    tcase_add_test(c, an_error_makes_a_failure_and_is_counted_by_category);
    tcase_add_test(c, a_failure_without_an_error_counts_as_one);
    tcase_add_test(c, error_categories_are_registered_with_an_operation_that_exists);
    tcase_add_test(c, a_success_with_a_warning_is_an_outcome_of_its_own);
    tcase_add_test(c, undeclared_and_misfit_attributes_are_dropped_and_counted);
    tcase_add_test(c, sizes_among_the_attributes_count_where_the_result_has_none);
    tcase_add_test(c, values_beyond_the_caps_are_dropped_and_nothing_else_is);
    tcase_add_test(c, memory_is_the_largest_sum_of_what_was_taken);
    tcase_add_test(c, an_inner_operation_charges_the_outer_one_too);
    tcase_add_test(c, memory_sums_stop_at_the_ends_of_their_range);
    tcase_add_test(c, cpu_time_is_read_for_the_first_and_then_one_in_n);
    tcase_add_test(c, deferred_successes_are_counted_when_they_are_settled);
    tcase_add_test(c, a_deferred_success_of_another_start_or_id_ends_the_earlier_ones);
    tcase_add_test(c, a_recorder_that_is_freed_counts_what_was_deferred);
    tcase_add_test(c, a_deferral_that_names_nothing_known_is_refused);
    tcase_add_test(c, a_recorder_says_when_a_sample_is_due);
    tcase_add_test(c, cpu_time_is_read_at_most_once_a_millisecond);
    tcase_add_test(c, cpu_time_that_is_off_is_never_read);
    tcase_add_test(c, an_operation_may_end_in_another_recorder);
}

static void add_reading_cases(TCase *c)
{
    tcase_add_test(c, every_bucket_holds_its_own_bounds);
    tcase_add_loop_test(c, a_recorder_and_the_shared_shard_count_in_the_same_bucket, 4, 8);
    tcase_add_test(c, quantiles_of_nothing_are_zero_and_of_nonsense_refused);
    tcase_add_test(c, extremes_are_exact_in_count_sum_and_maximum);
    tcase_add_test(c, what_a_recorder_counted_outlives_it);
    tcase_add_test(c, monitor_and_recorder_may_end_in_either_order);
}

Suite *suite(void)
{
    Suite *s = suite_create("monitor");
    TCase *c = tcase_create("monitor"), *many = tcase_create("very many");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    add_operation_cases(c);
    add_reading_cases(c);
    suite_add_tcase(s, c);
    tcase_add_checked_fixture(many, setup, teardown);
    tcase_set_timeout(many, 60);
    tcase_set_tags(many, SLOW);
    tcase_add_loop_test(many, quantiles_are_within_their_error_of_an_exact_sort, 0, 16);
    suite_add_tcase(s, many);
    return s;
}
