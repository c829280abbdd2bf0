#include "monitor_rig.h"

#include "base/hash.h"

/* ---- monitors that write themselves down, and one that reads ---- */

static unsigned char document[1 << 20];
static size_t document_len;
static wsrt_alert alerts[32];
static size_t alert_count;

static int take(const void *data, size_t len, void *user)
{
    (void)user;
    ck_assert_uint_eq(document_len, 0);
    ck_assert_uint_le(len, sizeof document);
    memcpy(document, data, len);
    document_len = len;
    return WSRT_OK;
}

static void write_down(wsrt_monitor *from, wsrt_monitor_reader *since, int64_t wall)
{
    const wsrt_export_options o = {
        .struct_size = sizeof o, .format = WSRT_EXPORT_BINARY, .wall = wall, .since = since};

    document_len = 0;
    ck_assert_int_eq(wsrt_monitor_export(from, &o, take, NULL), WSRT_OK);
    ck_assert_uint_gt(document_len, 0);
}

static int merge_at(int64_t wall)
{
    return wsrt_monitor_merge(m, (wsrt_span){(const char *)document, document_len}, wall);
}

static int merge(void)
{
    return merge_at(0);
}

static void note(const wsrt_alert *alert, void *user)
{
    (void)user;
    ck_assert_uint_lt(alert_count, COUNT(alerts));
    alerts[alert_count++] = *alert;
}

static wsrt_monitor *bare_monitor(void)
{
    wsrt_monitor_options o = options();
    wsrt_monitor *out;

    o.on_alert = note;
    ck_assert_int_eq(wsrt_monitor_new(&out, &o), WSRT_OK);
    return out;
}

static int register_own(wsrt_monitor *on, int kind, const char *name, const char *attribute)
{
    static const char *const by[] = {"town", "size"};
    const wsrt_business_metric b = {.struct_size = sizeof b,
                                    .kind = kind,
                                    .operation = WSRT_OP_CONVERSATION,
                                    .name_cstr = name,
                                    .attribute_cstr = attribute,
                                    .help_cstr = "Told by \"work\".",
                                    .unit_cstr = kind == WSRT_BUSINESS_AVERAGE ? "Bytes" : NULL,
                                    .dimensions = by,
                                    .dimension_count =
                                        kind == WSRT_BUSINESS_RATIO ? 0 : (uint32_t)kind % 3};

    return wsrt_monitor_business(on, &b);
}

/* Of each kind that adds up. */
static void register_all(wsrt_monitor *on)
{
    ck_assert_int_eq(register_own(on, WSRT_BUSINESS_COUNTER, "orders", "price"), WSRT_OK);
    ck_assert_int_eq(register_own(on, WSRT_BUSINESS_RATIO, "orderSuccess", "town"), WSRT_OK);
    ck_assert_int_eq(register_own(on, WSRT_BUSINESS_AVERAGE, "meanPrice", "price"), WSRT_OK);
    ck_assert_int_eq(register_own(on, WSRT_BUSINESS_CATEGORY, "orderTown", "town"), WSRT_OK);
}

static wsrt_monitor *new_monitor(void)
{
    wsrt_monitor *out = bare_monitor();

    register_all(out);
    return out;
}

static void set_up(void)
{
    setup();
    alert_count = 0;
    wsrt_monitor_free(m);
    m = new_monitor();
}

/* All there is to count, different for each seed. */
static void work(wsrt_monitor *on, int seed)
{
    const wsrt_field attrs[] = {
        text("messageType", seed % 2 == 0 ? "auth" : "message"),
        {.name_cstr = "messageLength", .number = seed, .kind = WSRT_FIELD_INT},
        text("nonsense", "dropped"),
        text("town", seed % 3 == 0   ? "Ulm"
                     : seed % 7 == 0 ? "K\xc3\xb6ln"
                                     : "Bern"),
        text("size", seed % 4 == 0 ? "" : "large"),
        {.name_cstr = "price", .number = 3 * seed, .kind = WSRT_FIELD_INT},
    };
    wsrt_op_result r = {.struct_size = sizeof r,
                        .success = seed % 5 != 0,
                        .request_size = seed,
                        .response_size = 2 * seed,
                        .attrs = attrs,
                        .attr_count = COUNT(attrs)};
    int own;
    wsrt_op op;

    ck_assert_int_eq(
        wsrt_monitor_operation(on, wsrt_span_cstr(seed < 50 ? "small" : "large"), &own), WSRT_OK);
    for (int i = 0; i < 2; i++) {
        wsrt_op_start(on, NULL, i == 0 ? WSRT_OP_CONVERSATION : own, 0, &op);
        wsrt_op_external_call(&op);
        wsrt_op_add_bytes(&op, seed * 10);
        if (seed % 5 == 0)
            wsrt_op_error(&op, seed % 10 == 0 ? "TIMEOUT_ERROR" : "surprise");
        wsrt_op_complete(&op, seed * seed * 1000, &r);
    }
}

static char kept[sizeof page.text];

static void keep_page(void)
{
    scrape();
    memcpy(kept, page.text, page.len + 1);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t sorted_lines(char *text, char **out, size_t room)
{
    size_t n = 0;

    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert_uint_lt(n, room);
        out[n++] = line;
    }
    qsort(out, n, sizeof *out, compare_lines);
    return n;
}

/* Operations and values come in the order in which a monitor met them. */
static void expect_kept_page(void)
{
    static char *was[4096], *is[4096];

    scrape();
    size_t n = sorted_lines(kept, was, COUNT(was));
    ck_assert_uint_eq(sorted_lines(page.text, is, COUNT(is)), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_str_eq(is[i], was[i]);
}

/* ---- adding up ---- */

START_TEST(snapshots_of_two_add_up_to_one_that_saw_all)
{
    wsrt_monitor *one = new_monitor(), *other = new_monitor(), *mine = m;

    for (int seed = 0; seed < 100; seed++) {
        work(seed < 60 ? one : other, seed);
        work(mine, seed);
    }
    keep_page();
    m = new_monitor();
    write_down(one, NULL, 0);
    ck_assert_int_eq(merge(), WSRT_OK);
    write_down(other, NULL, 0);
    ck_assert_int_eq(merge(), WSRT_OK);
    expect_kept_page();
    wsrt_monitor_free(one);
    wsrt_monitor_free(other);
    wsrt_monitor_free(mine);
}
END_TEST

START_TEST(deltas_of_a_reader_add_up_to_all)
{
    wsrt_monitor *mine = m, *from = new_monitor();
    wsrt_monitor_reader *reader;

    ck_assert_int_eq(wsrt_monitor_reader_new(&reader, from), WSRT_OK);
    m = new_monitor();
    for (int seed = 0; seed < 100; seed++) {
        work(from, seed);
        work(mine, seed);
        if (seed % 7 != 0 && seed != 99)
            continue;
        write_down(from, reader, 0);
        ck_assert_int_eq(merge(), WSRT_OK);
    }
    wsrt_monitor *merged = m;
    m = mine;
    keep_page();
    m = merged;
    expect_kept_page();
    wsrt_monitor_reader_free(reader);
    wsrt_monitor_free(from);
    wsrt_monitor_free(mine);
}
END_TEST

START_TEST(a_monitor_learns_of_metrics_that_it_had_not_heard_of)
{
    wsrt_monitor *mine = m;

    for (int seed = 0; seed < 30; seed++)
        work(mine, seed);
    keep_page();
    write_down(mine, NULL, 0);
    m = bare_monitor();
    ck_assert_int_eq(merge(), WSRT_OK);
    expect_kept_page();
    ck_assert_int_eq(register_own(m, WSRT_BUSINESS_COUNTER, "orders", "price"), WSRT_ERR_EXISTS);
    wsrt_monitor_free(mine);
}
END_TEST

START_TEST(a_metric_that_counts_something_else_keeps_its_numbers)
{
    static const char total[] =
        "wsrt_business_orders_total{handler=\"websocket_conversation\",environment=\"dev\"}";
    wsrt_monitor *from = m;
    double dropped;

    work(from, 1);
    write_down(from, NULL, 0);
    m = bare_monitor();
    const wsrt_business_metric b = {.struct_size = sizeof b,
                                    .kind = WSRT_BUSINESS_COUNTER,
                                    .name_cstr = "orders",
                                    .attribute_cstr = "price"};
    ck_assert_int_eq(wsrt_monitor_business(m, &b), WSRT_OK);
    work(m, 2);
    dropped = metric("wsrt_self_series_dropped_total{environment=\"dev\"}");
    ck_assert_int_eq(merge(), WSRT_OK);
    ck_assert_double_eq(metric(total), 6);
    ck_assert_double_eq(metric("wsrt_self_series_dropped_total{environment=\"dev\"}"), dropped + 1);
    ck_assert(has("wsrt_business_mean_price{"));
    wsrt_monitor_free(from);
}
END_TEST

START_TEST(gauges_stay_where_they_were_told)
{
    wsrt_monitor *from = m;

    ck_assert_int_eq(register_own(from, WSRT_BUSINESS_GAUGE, "lastPrice", "price"), WSRT_OK);
    work(from, 1);
    ck_assert(has("wsrt_business_last_price{"));
    write_down(from, NULL, 0);
    m = new_monitor();
    ck_assert_int_eq(merge(), WSRT_OK);
    ck_assert(!has("wsrt_business_last_price{"));
    wsrt_monitor_free(from);
}
END_TEST

/* Version 1 ended before the metrics, of which a bare monitor tells that there are none. */
START_TEST(a_document_of_the_first_version_is_read)
{
    wsrt_monitor *from = bare_monitor();
    uint64_t hash;

    for (int seed = 0; seed < 30; seed++)
        work(from, seed);
    write_down(from, NULL, 0);
    ck_assert_uint_eq(document[7], 2);
    ck_assert_uint_eq(document[document_len - 9], 0);
    document[7] = 1;
    document_len -= 9;
    hash = wsrt_hash(0, document, document_len);
    for (int i = 0; i < 8; i++)
        document[document_len++] = (unsigned char)(hash >> (8 * i));
    wsrt_monitor *mine = m;
    m = from;
    keep_page();
    m = bare_monitor();
    ck_assert_int_eq(merge(), WSRT_OK);
    expect_kept_page();
    document[7] = 3;
    ck_assert_int_eq(merge(), WSRT_ERR_VERSION);
    document[7] = 0;
    ck_assert_int_eq(merge(), WSRT_ERR_VERSION);
    wsrt_monitor_free(from);
    wsrt_monitor_free(mine);
}
END_TEST

START_TEST(operations_under_way_add_up_too)
{
    wsrt_monitor *from = new_monitor();
    wsrt_op op, ours;

    wsrt_op_start(from, NULL, 0, 0, &op);
    wsrt_op_start(m, NULL, 0, 0, &ours);
    write_down(from, NULL, 0);
    ck_assert_int_eq(merge(), WSRT_OK);
    ck_assert_uint_eq(totals(0).in_flight, 2);
    wsrt_op_cancel(&op);
    wsrt_op_cancel(&ours);
    wsrt_monitor_free(from);
}
END_TEST

START_TEST(what_was_counted_without_memory_is_in_the_snapshot)
{
    wsrt_monitor *from = new_monitor();
    wsrt_op op;

    heap_arm(&heap, 1, 1);
    for (int i = 1; i <= 10; i++) {
        wsrt_op_start(from, NULL, 0, 0, &op);
        wsrt_op_complete(&op, i * MS, NULL);
    }
    heap_arm(&heap, 0, 0);
    write_down(from, NULL, 0);
    ck_assert_int_eq(merge(), WSRT_OK);
    ck_assert_uint_eq(totals(0).count, 10);
    ck_assert_uint_eq(totals(0).duration_sum, 55 * MS);
    wsrt_monitor_free(from);
}
END_TEST

START_TEST(values_beyond_the_caps_are_counted_together)
{
    wsrt_monitor_options o = options();
    wsrt_monitor *from = new_monitor();

    for (int seed = 0; seed < 20; seed++)
        work(from, seed);
    write_down(from, NULL, 0);
    o.max_values = 1;
    remake(o);
    work(m, 1);
    ck_assert_int_eq(merge(), WSRT_OK);
    ck_assert_double_eq(
        metric("wsrt_business_message_types_total{handler=\"websocket_conversation\","
               "environment=\"dev\",category=\"message\"}"),
        11);
    ck_assert_uint_eq(totals(0).count, 21);
    ck_assert_double_eq(metric("wsrt_operation_errors_total{handler=\"websocket_conversation\","
                               "environment=\"dev\",category=\"other\"}"),
                        4);
    wsrt_monitor_free(from);
}
END_TEST

/* ---- old and new ---- */

static void slow_ones(wsrt_monitor *on, int count, int failures)
{
    const wsrt_op_result failed = failure();
    wsrt_op op;

    for (int i = 0; i < count; i++) {
        wsrt_op_start(on, NULL, 0, 0, &op);
        wsrt_op_complete(&op, 9000 * MS, i < failures ? &failed : NULL);
    }
}

START_TEST(history_raises_no_alert)
{
    wsrt_monitor *from = new_monitor();

    slow_ones(from, 100, 50);
    write_down(from, NULL, 0);
    wsrt_monitor_tick(m, 0, 0);
    ck_assert_int_eq(merge(), WSRT_OK);
    for (int s = 1; s <= 400; s++)
        wsrt_monitor_tick(m, s * 1000 * MS, s * 1000);
    ck_assert_uint_eq(alert_count, 0);
    ck_assert(!has("wsrt_operation_error_ratio{"));
    ck_assert_double_eq(
        metric(SERIES("wsrt_operation_duration_seconds_count", "websocket_conversation")), 100);
    wsrt_monitor_free(from);
}
END_TEST

START_TEST(news_raise_alerts_like_what_happens_here)
{
    wsrt_monitor *from = new_monitor();
    wsrt_monitor_reader *reader;

    ck_assert_int_eq(wsrt_monitor_reader_new(&reader, from), WSRT_OK);
    slow_ones(from, 100, 50);
    write_down(from, reader, 0);
    wsrt_monitor_tick(m, 0, 0);
    ck_assert_int_eq(merge(), WSRT_OK);
    wsrt_monitor_tick(m, 1000 * MS, 1000);
    ck_assert_uint_eq(alert_count, 2);
    ck_assert_int_eq(alerts[0].watched, WSRT_WATCH_DURATION);
    ck_assert_double_eq(alerts[0].value, 9e9);
    ck_assert_int_eq(alerts[1].watched, WSRT_WATCH_ERROR_RATE);
    ck_assert_double_eq(alerts[1].value, 0.5);
    wsrt_monitor_reader_free(reader);
    wsrt_monitor_free(from);
}
END_TEST

static void live(wsrt_monitor *on, int64_t *minute, int count, int64_t duration)
{
    wsrt_op op;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 10; k++) {
            wsrt_op_start(on, NULL, 0, 0, &op);
            wsrt_op_complete(&op, duration, NULL);
        }
        ++*minute;
        wsrt_monitor_tick(on, *minute * 60000 * MS, *minute * 60000);
    }
}

static void write_down_ten_hours(void)
{
    wsrt_monitor *from = new_monitor();
    int64_t minute = 0;

    wsrt_monitor_tick(from, 0, 0);
    live(from, &minute, 600, 10 * MS);
    write_down(from, NULL, 600 * 60000);
    wsrt_monitor_free(from);
}

START_TEST(a_trend_goes_on_after_a_restart)
{
    int64_t minute = 0;

    write_down_ten_hours();
    wsrt_monitor_tick(m, 0, 602 * 60000);
    ck_assert_int_eq(merge_at(602 * 60000), WSRT_OK);
    live(m, &minute, 15, 30 * MS);
    ck_assert_uint_ge(alert_count, 2);
    ck_assert_int_eq(alerts[alert_count - 1].new_level, WSRT_ALERT_CRITICAL);
    for (size_t i = 0; i < alert_count; i++)
        ck_assert_int_ge(alerts[i].watched, WSRT_WATCH_TREND_DURATION);
}
END_TEST

START_TEST(minutes_of_the_day_before_are_too_old)
{
    int64_t minute = 0;

    write_down_ten_hours();
    wsrt_monitor_tick(m, 0, 0);
    ck_assert_int_eq(merge_at((600 + 1440) * 60000ll), WSRT_OK);
    live(m, &minute, 30, 30 * MS);
    ck_assert_uint_eq(alert_count, 0);
}
END_TEST

/* ---- documents that are none ---- */

START_TEST(a_document_with_any_byte_changed_counts_nothing)
{
    for (int seed = 0; seed < 30; seed++)
        work(m, seed);
    write_down(m, NULL, 0);
    keep_page();
    for (size_t i = 0; i < document_len; i++) {
        document[i] ^= 0x10;
        int rc = merge();
        ck_assert_msg(rc == (i < 7    ? WSRT_ERR_MALFORMED
                             : i == 7 ? WSRT_ERR_VERSION
                                      : WSRT_ERR_CORRUPT),
                      "byte %zu: %d", i, rc);
        document[i] ^= 0x10;
    }
    expect_kept_page();
}
END_TEST

START_TEST(a_document_cut_anywhere_counts_nothing)
{
    for (int seed = 0; seed < 30; seed++)
        work(m, seed);
    write_down(m, NULL, 0);
    keep_page();
    for (size_t len = document_len; len-- > 0;) {
        document_len = len;
        ck_assert_int_lt(merge(), 0);
    }
    expect_kept_page();
}
END_TEST

START_TEST(other_buckets_are_not_mixed)
{
    wsrt_monitor_options o = options();

    work(m, 3);
    write_down(m, NULL, 0);
    o.histogram_bits = 6;
    remake(o);
    ck_assert_int_eq(merge(), WSRT_ERR_UNSUPPORTED);
    ck_assert_uint_eq(totals(0).count, 0);
}
END_TEST

START_TEST(more_operations_than_there_is_room_for_count_nothing)
{
    wsrt_monitor_options o = options();

    work(m, 3);
    work(m, 77);
    write_down(m, NULL, 0);
    o.max_operations = 5;
    remake(o);
    ck_assert_int_eq(merge(), WSRT_ERR_LIMIT);
    ck_assert_uint_eq(totals(0).count, 0);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    write_down(m, NULL, 0);
    ck_assert_int_eq(wsrt_monitor_merge(NULL, (wsrt_span){(char *)document, document_len}, 0),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_merge(m, (wsrt_span){NULL, 0}, 0), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(refused_memory_counts_all_or_nothing)
{
    wsrt_monitor *from = new_monitor();
    size_t points = 0;

    for (int seed = 0; seed < 30; seed++)
        work(from, seed);
    write_down(from, NULL, 0);
    for (size_t n = 1;; n++) {
        wsrt_monitor_free(m);
        m = new_monitor();
        heap_arm(&heap, n, 0);
        int rc = merge();
        heap_arm(&heap, 0, 0);
        ck_assert(rc == WSRT_OK || rc == WSRT_ERR_NOMEM);
        ck_assert_uint_eq(totals(0).count, rc == WSRT_OK ? 30 : 0);
        ck_assert_double_eq(
            metric(SERIES("wsrt_operation_external_calls_total", "websocket_conversation")),
            rc == WSRT_OK ? 30 : 0);
        points += rc != WSRT_OK;
        if (rc == WSRT_OK && n > 100)
            break;
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 10);
    wsrt_monitor_free(from);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_merge");
    TCase *c = tcase_create("monitor_merge");

    tcase_add_checked_fixture(c, set_up, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, snapshots_of_two_add_up_to_one_that_saw_all);
    tcase_add_test(c, deltas_of_a_reader_add_up_to_all);
    tcase_add_test(c, a_monitor_learns_of_metrics_that_it_had_not_heard_of);
    tcase_add_test(c, a_metric_that_counts_something_else_keeps_its_numbers);
    tcase_add_test(c, gauges_stay_where_they_were_told);
    tcase_add_test(c, a_document_of_the_first_version_is_read);
    tcase_add_test(c, operations_under_way_add_up_too);
    tcase_add_test(c, what_was_counted_without_memory_is_in_the_snapshot);
    tcase_add_test(c, values_beyond_the_caps_are_counted_together);
    tcase_add_test(c, history_raises_no_alert);
    tcase_add_test(c, news_raise_alerts_like_what_happens_here);
    tcase_add_test(c, a_trend_goes_on_after_a_restart);
    tcase_add_test(c, minutes_of_the_day_before_are_too_old);
    tcase_add_test(c, a_document_with_any_byte_changed_counts_nothing);
    tcase_add_test(c, a_document_cut_anywhere_counts_nothing);
    tcase_add_test(c, other_buckets_are_not_mixed);
    tcase_add_test(c, more_operations_than_there_is_room_for_count_nothing);
    tcase_add_test(c, wrong_arguments_are_refused);
    tcase_add_test(c, refused_memory_counts_all_or_nothing);
    suite_add_tcase(s, c);
    return s;
}
