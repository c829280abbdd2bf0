/* A monitor at its edges: bad arguments, clocks and sums at their ends, exports where memory ends. */
#include "monitor_rig.h"

#include <wsrt/json.h>

#define JWT "{handler=\"authentication_jwt_verification\",environment=\"dev\""

static const char *export_as(int32_t format, wsrt_monitor_reader *since)
{
    const wsrt_export_options o = {.struct_size = sizeof o,
                                   .format = format,
                                   .wall = 1795168831120,
                                   .names = WSRT_NAMES_BOTH,
                                   .since = since};

    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
    return page.text;
}

/* ---- arguments ---- */

static void sample_nothing(wsrt_samples *to, void *user)
{
    (void)to;
    (void)user;
}

START_TEST(calls_on_no_monitor_are_refused)
{
    const wsrt_threshold t = {.struct_size = sizeof t, .watched = WSRT_WATCH_DURATION};
    const wsrt_monitor_settings settings = {.struct_size = sizeof settings};
    const wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_EMF};
    wsrt_op_totals totals = {.struct_size = sizeof totals};
    wsrt_recorder *rec = NULL;
    wsrt_op op;
    int64_t ns;
    int id;

    ck_assert_int_eq(wsrt_monitor_new(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_operation(NULL, wsrt_span_cstr("a"), &id), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("a"), NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_error_category(NULL, 0, wsrt_span_cstr("A")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_recorder_new(NULL, m), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_recorder_new(&rec, NULL), WSRT_ERR_INVALID);
    ck_assert_ptr_null(rec);
    ck_assert_int_eq(wsrt_op_start(m, NULL, 0, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_start(NULL, NULL, 0, 0, &op), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_complete(NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_op_complete_on(NULL, NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_totals(NULL, 0, &totals), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_totals(m, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_quantile(NULL, 0, 0.5, &ns), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_quantile(m, 0, 0.5, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(NULL, "a", WSRT_SOURCE_GAUGE, sample_nothing, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "a", WSRT_SOURCE_GAUGE, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "", WSRT_SOURCE_GAUGE, sample_nothing, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sample(NULL, NULL, 0, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_threshold(NULL, 0, &t), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_configure(NULL, &settings), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_tick(NULL, 0, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_reader_new(NULL, m), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_export(NULL, &o, append, &page), WSRT_ERR_INVALID);
    wsrt_monitor_source_remove(NULL, NULL);
    wsrt_recorder_free(NULL);
    wsrt_monitor_reader_free(NULL);
    wsrt_monitor_free(NULL);
}
END_TEST

START_TEST(an_operation_that_is_none_or_over_takes_no_notes)
{
    wsrt_field attr = text("eventType", "x");
    wsrt_op op;

    wsrt_op_external_call(NULL);
    wsrt_op_database_call(NULL);
    wsrt_op_error(NULL, "A");
    wsrt_op_add_bytes(NULL, 1);
    wsrt_op_attributes(NULL, &attr, 1);
    wsrt_op_cancel(NULL);
    ck_assert_int_eq(wsrt_op_start(m, NULL, 2, 0, &op), WSRT_OK);
    wsrt_op_attributes(&op, NULL, 1);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, NULL), WSRT_OK);
    wsrt_op_external_call(&op);
    wsrt_op_error(&op, "INVALID_TOKEN");
    ck_assert_int_lt(wsrt_op_complete(&op, MS, NULL), 0);
    ck_assert_uint_eq(totals(2).count, 1);
    ck_assert_uint_eq(totals(2).external_calls + totals(2).errors, 0);
}
END_TEST

static const struct {
    int32_t watched, statistic;
    double critical, warning;
    uint32_t needed, of;
    int status;
} thresholds[] = {
    {WSRT_WATCH_DURATION, 0, 1, 0, 0, 0, WSRT_OK},
    {WSRT_WATCH_DURATION, WSRT_STATISTIC_P99, 1, 1, 32, 32, WSRT_OK},
    {WSRT_WATCH_DURATION, 0, 1, 0, 3, 0, WSRT_OK},
    {WSRT_WATCH_DURATION, 0, 0, 0, 0, 0, WSRT_OK},
    {WSRT_WATCH_DURATION - 1, 0, 1, 0, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_ERROR_RATE + 1, 0, 1, 0, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, -1, 1, 0, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, WSRT_STATISTIC_P99 + 1, 1, 0, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, -1, 0, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, 1e19, 0, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, 1, -1, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, 1, 2, 0, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, 1, 0, 33, 0, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, 1, 0, 0, 33, WSRT_ERR_INVALID},
    {WSRT_WATCH_DURATION, 0, 1, 0, 3, 2, WSRT_ERR_INVALID},
    {WSRT_WATCH_MEMORY, WSRT_STATISTIC_P99, 1, 0, 0, 0, WSRT_ERR_UNSUPPORTED},
    {WSRT_WATCH_ERROR_RATE, WSRT_STATISTIC_MAX, 1, 0, 0, 0, WSRT_ERR_UNSUPPORTED},
};

START_TEST(a_threshold_is_within_its_ranges)
{
    const wsrt_threshold t = {.struct_size = sizeof t,
                              .watched = thresholds[_i].watched,
                              .statistic = thresholds[_i].statistic,
                              .critical = thresholds[_i].critical,
                              .warning = thresholds[_i].warning,
                              .needed = thresholds[_i].needed,
                              .of = thresholds[_i].of};

    ck_assert_int_eq(wsrt_monitor_threshold(m, 0, &t), thresholds[_i].status);
    ck_assert_int_eq(wsrt_monitor_threshold(m, 99, &t),
                     thresholds[_i].status != WSRT_OK ? thresholds[_i].status : WSRT_ERR_NOT_FOUND);
}
END_TEST

/* ---- the ends of clocks and sums ---- */

START_TEST(a_duration_is_not_negative_and_ends_where_its_number_does)
{
    wsrt_op op;

    ck_assert_int_eq(wsrt_op_start(m, NULL, 2, INT64_MAX, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, INT64_MIN, NULL), WSRT_OK);
    ck_assert_uint_eq(totals(2).duration_sum, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(wsrt_op_start(m, NULL, 2, INT64_MIN, &op), WSRT_OK);
        ck_assert_int_eq(wsrt_op_complete(&op, INT64_MAX, NULL), WSRT_OK);
    }
    ck_assert_uint_eq(totals(2).count, 4);
    ck_assert_uint_eq(totals(2).duration_sum, UINT64_MAX);
}
END_TEST

START_TEST(sums_of_a_recorder_end_where_their_number_does)
{
    wsrt_op_result r = success();
    wsrt_recorder *rec;
    wsrt_op op;

    r.request_size = r.response_size = INT64_MAX;
    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(wsrt_op_start(m, rec, 2, INT64_MIN, &op), WSRT_OK);
        wsrt_op_add_bytes(&op, INT64_MAX);
        wsrt_op_add_bytes(&op, INT64_MAX);
        ck_assert_int_eq(wsrt_op_complete(&op, INT64_MAX, &r), WSRT_OK);
    }
    wsrt_recorder_free(rec);
    ck_assert_uint_eq(totals(2).count, 4);
    ck_assert_uint_eq(totals(2).duration_sum, UINT64_MAX);
}
END_TEST

/* ---- exemplars ---- */

static void told(int id, int64_t duration, const char *correlation_id)
{
    const wsrt_field attr = text("correlationId", correlation_id);
    wsrt_op_result r = success();
    wsrt_op op;

    r.attrs = &attr;
    r.attr_count = 1;
    ck_assert_int_eq(wsrt_op_start(m, NULL, id, 0, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, duration, &r), WSRT_OK);
}

START_TEST(a_bucket_of_openmetrics_names_its_slowest_completion)
{
    told(2, 3 * MS, "fast");
    told(2, 4 * MS, "slower");
    told(2, 3 * MS, "fast-again");
    told(2, 200 * MS, "slow");
    run(NULL, 2, 20 * MS); /* nameless */
    const char *text = export_as(WSRT_EXPORT_OPENMETRICS, NULL);
    ck_assert_ptr_nonnull(strstr(text, " # {correlation_id=\"slower\"} 0.004"));
    ck_assert_ptr_nonnull(strstr(text, " # {correlation_id=\"slow\"} 0.2"));
    ck_assert_ptr_null(strstr(text, "fast"));
    ck_assert_ptr_null(strstr(export_as(WSRT_EXPORT_PROMETHEUS, NULL), "correlation_id"));
}
END_TEST

START_TEST(an_id_that_is_none_names_nothing)
{
    char long_id[200];

    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    told(2, 2 * MS, long_id);
    told(2, 2 * MS, "bad id");
    told(2, 2 * MS, "bad\"id");
    told(2, 2 * MS, "");
    ck_assert_ptr_null(strstr(export_as(WSRT_EXPORT_OPENMETRICS, NULL), "correlation_id"));
    for (const char *c = "Az09:;.-=_"; *c != '\0'; c++) {
        told(2, 2 * MS + (*c) * 1000, (char[]){'i', *c, '\0'});
        ck_assert_ptr_nonnull(strstr(export_as(WSRT_EXPORT_OPENMETRICS, NULL), "correlation_id"));
    }
}
END_TEST

/* ---- means and ratios of the application's own, in every format ---- */

static void own(int kind, const char *name, const char *attribute)
{
    static const char *const by[] = {"paid"};
    const wsrt_business_metric b = {.struct_size = sizeof b,
                                    .kind = kind,
                                    .operation = 2,
                                    .name_cstr = name,
                                    .attribute_cstr = attribute,
                                    .dimensions = by,
                                    .dimension_count = 1};

    ck_assert_int_eq(wsrt_monitor_business(m, &b), WSRT_OK);
}

static void sell(double price, int paid, int ok)
{
    const wsrt_field attrs[] = {
        {.name_cstr = "price", .kind = WSRT_FIELD_REAL, .real = price},
        {.name_cstr = "paid", .kind = WSRT_FIELD_BOOL, .number = paid},
    };
    wsrt_op_result r = success();
    wsrt_op op;

    r.success = ok;
    r.attrs = attrs;
    r.attr_count = 2;
    ck_assert_int_eq(wsrt_op_start(m, NULL, 2, 0, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, &r), WSRT_OK);
}

START_TEST(a_mean_and_a_ratio_are_told_with_their_count_where_a_format_has_one)
{
    wsrt_monitor_reader *since;

    own(WSRT_BUSINESS_AVERAGE, "meanPrice", "price");
    own(WSRT_BUSINESS_RATIO, "paidWell", "price");
    own(WSRT_BUSINESS_COUNTER, "sales", "price");
    ck_assert_int_eq(wsrt_monitor_reader_new(&since, m), WSRT_OK);
    sell(2, 1, 1);
    sell(4, 1, 0);
    sell(7, 0, 1);
    const char *text = export_as(WSRT_EXPORT_CLOUDWATCH, since);
    ck_assert_ptr_nonnull(strstr(text, "\"meanPrice\""));
    ck_assert_ptr_nonnull(strstr(text, "\"sales\""));
    ck_assert_ptr_nonnull(strstr(text, "\"SampleCount\":2,\"Sum\":6"));
    ck_assert_ptr_nonnull(strstr(text, "\"Value\":\"true\""));
    ck_assert_ptr_nonnull(strstr(text, "\"Value\":\"false\""));
    sell(3, 1, 1);
    text = export_as(WSRT_EXPORT_EMF, since);
    ck_assert_ptr_nonnull(
        strstr(text, "\"meanPrice\":{\"Min\":3,\"Max\":3,\"Sum\":3,\"Count\":1}"));
    ck_assert_ptr_nonnull(
        strstr(text, "\"paidWell\":{\"Min\":100,\"Max\":100,\"Sum\":100,\"Count\":1}"));
    text = export_as(WSRT_EXPORT_EMF, since);
    ck_assert_ptr_null(strstr(text, "meanPrice")); /* nothing since */
    ck_assert_ptr_null(strstr(text, "sales"));
    text = export_as(WSRT_EXPORT_OTLP, NULL);
    ck_assert_ptr_nonnull(strstr(text, "mean_price"));
    ck_assert_ptr_nonnull(strstr(text, "\"asDouble\":7"));
    wsrt_monitor_reader_free(since);
}
END_TEST

START_TEST(a_sum_that_no_number_holds_is_left_out_and_counted)
{
    own(WSRT_BUSINESS_COUNTER, "revenue", "price");
    sell(1e308, 1, 1);
    sell(1e308, 1, 1);
    sell(__builtin_inf(), 1, 1);
    ck_assert(!has("wsrt_business_revenue_total{handler"));
    ck_assert_double_gt(metric("wsrt_self_export_dropped_total{environment=\"dev\"}"), 0);
}
END_TEST

/* ---- memory ---- */

static int series;

static void sample_some(wsrt_samples *to, void *user)
{
    char value[32];

    (void)user;
    for (int i = 0; i < series; i++) {
        snprintf(value, sizeof value, "scope-%d", i);
        wsrt_field label = text("Scope", value);
        if (wsrt_sample(to, &label, 1, i) != WSRT_OK)
            return;
    }
}

/* Each further series moves what comes behind it, so that in turn everything is the first that does not
 * fit. */
START_TEST(wherever_memory_ends_an_export_fails_clean_and_the_next_tells_all)
{
    wsrt_monitor_reader *since;
    size_t points = 0;

    own(WSRT_BUSINESS_AVERAGE, "meanPrice", "price");
    ck_assert_int_eq(wsrt_monitor_source(m, "RateLimited", WSRT_SOURCE_COUNTER, sample_some, NULL),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_reader_new(&since, m), WSRT_OK);
    sell(2, 1, 1);
    for (series = 0; series < 60; series++) {
        const wsrt_export_options o = {
            .struct_size = sizeof o, .format = WSRT_EXPORT_EMF, .wall = 1, .since = since};
        run(NULL, series % 4, 40 * MS);
        size_t before = heap.live;
        for (size_t n = 1;; n++, points++) {
            heap_arm(&heap, n, 0);
            page.len = 0;
            int rc = wsrt_monitor_export(m, &o, append, &page);
            if (!heap_disarm(&heap))
                break;
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_uint_eq(heap.live, before);
        }
        page.text[page.len] = '\0';
        ck_assert_ptr_nonnull(strstr(page.text, "HandlerDuration"));
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 60);
    wsrt_monitor_reader_free(since);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_bounds");
    TCase *t = tcase_create("bounds");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, calls_on_no_monitor_are_refused);
    tcase_add_test(t, an_operation_that_is_none_or_over_takes_no_notes);
    tcase_add_loop_test(t, a_threshold_is_within_its_ranges, 0, (int)COUNT(thresholds));
    tcase_add_test(t, a_duration_is_not_negative_and_ends_where_its_number_does);
    tcase_add_test(t, sums_of_a_recorder_end_where_their_number_does);
    tcase_add_test(t, a_bucket_of_openmetrics_names_its_slowest_completion);
    tcase_add_test(t, an_id_that_is_none_names_nothing);
    tcase_add_test(t, a_mean_and_a_ratio_are_told_with_their_count_where_a_format_has_one);
    tcase_add_test(t, a_sum_that_no_number_holds_is_left_out_and_counted);
    tcase_add_test(t, wherever_memory_ends_an_export_fails_clean_and_the_next_tells_all);
    suite_add_tcase(s, t);
    return s;
}
