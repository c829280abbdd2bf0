#define _GNU_SOURCE /* memmem */
#include "monitor_rig.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- memory that is refused ---- */

static void complete_some(wsrt_recorder *rec, int sticky, size_t fail_at)
{
    wsrt_field attrs[] = {
        text("messageType", "auth"),
        {.name_cstr = "tokenLength", .number = 5, .kind = WSRT_FIELD_INT},
    };
    wsrt_op_result r = success();
    wsrt_op op;

    r.attrs = attrs;
    r.attr_count = 2;
    heap_arm(&heap, fail_at, sticky);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(wsrt_op_start(m, rec, 2, 0, &op), WSRT_OK);
        wsrt_op_database_call(&op);
        ck_assert_int_eq(wsrt_op_complete(&op, 40 * MS, &r), WSRT_OK);
    }
    ck_assert_int_eq(wsrt_op_start(m, rec, 2, 0, &op), WSRT_OK);
    wsrt_op_error(&op, "INVALID_TOKEN");
    ck_assert_int_eq(wsrt_op_complete(&op, 40 * MS, NULL), WSRT_OK);
}

START_TEST(refused_memory_loses_no_count)
{
    size_t points = 0;

    for (size_t n = 1;; n++) {
        wsrt_recorder *rec;
        int64_t p50;
        remake(options());
        ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
        complete_some(_i % 2 == 0 ? rec : NULL, _i / 2, n);
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        wsrt_recorder_free(rec);
        wsrt_op_totals t = totals(2);
        ck_assert_uint_eq(t.count, 4);
        ck_assert_uint_eq(t.errors, 1);
        ck_assert_uint_eq(t.error_calls, 1);
        ck_assert_uint_eq(t.database_calls, 3);
        ck_assert_uint_eq(t.duration_sum, 160 * MS);
        ck_assert_uint_eq(t.in_flight, 0);
        ck_assert_int_eq(wsrt_monitor_quantile(m, 2, 0.5, &p50), WSRT_OK);
        ck_assert_int_gt(p50, 32 * MS);
        ck_assert_int_lt(p50, 68 * MS);
        ck_assert_double_eq(metric(SERIES("wsrt_operation_duration_seconds_count",
                                          "authentication_jwt_verification")),
                            4);
        if (!tripped)
            break;
        points++;
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 5);
}
END_TEST

START_TEST(refused_memory_makes_constructors_fail_clean)
{
    size_t points = 0;

    for (int sticky = 0; sticky < 2; sticky++) {
        for (size_t n = 1;; n++) {
            wsrt_monitor_options o = options();
            wsrt_monitor *other = NULL;
            size_t before = heap.live;
            heap_arm(&heap, n, sticky);
            int rc = wsrt_monitor_new(&other, &o);
            if (!heap.tripped) {
                wsrt_monitor_free(other);
                break;
            }
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(other);
            ck_assert_uint_eq(heap.live, before);
            points++;
        }
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 10);
}
END_TEST

static void one_sample(wsrt_samples *to, void *user)
{
    wsrt_field label = text("Scope", "user");

    (void)user;
    wsrt_sample(to, &label, 1, 3);
}

static int register_things(wsrt_recorder **rec)
{
    int id;
    int rc = wsrt_monitor_operation(m, wsrt_span_cstr("a"), &id);

    *rec = NULL;
    if (rc == WSRT_OK)
        rc = wsrt_monitor_error_category(m, 0, wsrt_span_cstr("A"));
    if (rc == WSRT_OK)
        rc = wsrt_monitor_source(m, "RateLimited", WSRT_SOURCE_COUNTER, one_sample, NULL);
    if (rc == WSRT_OK)
        rc = wsrt_recorder_new(rec, m);
    return rc;
}

START_TEST(refused_memory_makes_registrations_fail_and_a_second_try_succeed)
{
    wsrt_recorder *rec;

    for (size_t n = 1;; n++) {
        remake(options());
        heap_arm(&heap, n, 0);
        int rc = register_things(&rec);
        if (!heap.tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_ptr_null(rec);
        rc = register_things(&rec);
        ck_assert(rc == WSRT_OK || rc == WSRT_ERR_EXISTS);
        wsrt_recorder_free(rec);
    }
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(refused_memory_makes_an_export_fail_before_its_first_byte)
{
    size_t points = 0;

    wsrt_monitor_source(m, "RateLimited", WSRT_SOURCE_COUNTER, one_sample, NULL);
    run(NULL, 0, MS);
    for (size_t n = 1;; n++) {
        size_t before = heap.live;
        page.len = 0;
        heap_arm(&heap, n, 0);
        int rc = wsrt_monitor_prometheus(m, append, &page);
        ck_assert_uint_eq(heap.live, before);
        if (!heap.tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_uint_eq(page.len, 0);
        points++;
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 2);
}
END_TEST

START_TEST(warm_operations_allocate_nothing)
{
    wsrt_recorder *rec;

    wsrt_recorder_new(&rec, m);
    complete_some(rec, 0, 0);
    complete_some(NULL, 0, 0);
    heap_arm(&heap, 1, 1);
    complete_some(rec, 1, 1);
    complete_some(NULL, 1, 1);
    ck_assert_uint_eq(heap.calls, 0);
    ck_assert_uint_eq(totals(2).count, 16);
    wsrt_recorder_free(rec);
}
END_TEST

/* ---- threads ---- */

enum { ROUNDS = 40000, CHURN = 20, THREADS = 3 };
static atomic_int overlaps, inside, completed;
static pthread_barrier_t all_here;

static void *record_for_a_while(void *user)
{
    wsrt_op_result r = success();
    wsrt_field attr = text("messageType", "message");
    wsrt_op op;

    r.request_size = 3;
    r.attrs = &attr;
    r.attr_count = 1;
    pthread_barrier_wait(&all_here);
    /* On a busy machine the first rounds may pass one thread after the other. */
    for (int c = 0; c < CHURN || (c < 50 * CHURN && atomic_load(&overlaps) <= 100); c++) {
        wsrt_recorder *rec;
        if (wsrt_recorder_new(&rec, m) != WSRT_OK)
            abort();
        atomic_fetch_add(&inside, 1);
        for (int i = 0; i < ROUNDS / CHURN; i++) {
            wsrt_recorder *where = i % 2 == 0 ? rec : NULL;
            wsrt_op_start(m, where, i % 4, 0, &op);
            wsrt_op_complete(&op, (int64_t)i * 10000, &r);
            if (atomic_load(&inside) > 1)
                atomic_fetch_add(&overlaps, 1);
        }
        atomic_fetch_sub(&inside, 1);
        atomic_fetch_add(&completed, ROUNDS / CHURN);
        wsrt_recorder_free(rec);
    }
    return user;
}

static int ignore(const void *data, size_t len, void *user)
{
    (void)data;
    (void)len;
    (void)user;
    return WSRT_OK;
}

START_TEST(threads_that_record_end_and_read_at_once_lose_nothing)
{
    pthread_t threads[THREADS];
    uint64_t last = 0, count = 0, bytes = 0;

    pthread_barrier_init(&all_here, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, record_for_a_while, NULL), 0);
    for (int i = 0; i < 50; i++) {
        uint64_t seen = totals(0).count;
        ck_assert_uint_ge(seen, last);
        last = seen;
        ck_assert_int_eq(wsrt_monitor_prometheus(m, ignore, NULL), WSRT_OK);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_here);
    for (int id = 0; id < 4; id++) {
        count += totals(id).count;
        bytes += totals(id).request_bytes;
        ck_assert_uint_eq(totals(id).in_flight, 0);
    }
    ck_assert_uint_eq(count, (uint64_t)completed);
    ck_assert_uint_eq(bytes, (uint64_t)completed * 3);
    ck_assert_int_gt(atomic_load(&overlaps), 100);
}
END_TEST

/* ---- Prometheus ---- */

START_TEST(a_page_is_well_formed_line_by_line)
{
    int id;

    wsrt_monitor_operation(m, wsrt_span_cstr("my.route-1"), &id);
    wsrt_monitor_source(m, "RateLimited", WSRT_SOURCE_COUNTER, one_sample, NULL);
    wsrt_monitor_error_category(m, id, wsrt_span_cstr("A"));
    run(NULL, id, 3 * MS);
    scrape();
    size_t samples = check_page();
    /* 5 operations of 17 + 3 + 1 + 2 + 4 * 2 + 1, a category, a source, four of the monitor, ten
     * business counts */
    ck_assert_uint_eq(samples, 5 * 32 + 1 + 1 + 5 + 10);
}
END_TEST

START_TEST(durations_fall_into_cumulative_bounds_in_seconds)
{
#define BELOW(le)                                                                                  \
    metric("wsrt_operation_duration_seconds_bucket{handler=\"websocket_conversation\","            \
           "environment=\"dev\",le=\"" le "\"}")
    run(NULL, 0, MS / 2);
    run(NULL, 0, 2 * MS);
    run(NULL, 0, 40 * MS);
    run(NULL, 0, 20000 * MS);
    ck_assert_double_eq(BELOW("0.001"), 1);
    ck_assert_double_eq(BELOW("0.0025"), 2);
    ck_assert_double_eq(BELOW("0.025"), 2);
    ck_assert_double_eq(BELOW("0.05"), 3);
    ck_assert_double_eq(BELOW("10"), 3);
    ck_assert_double_eq(BELOW("+Inf"), 4);
    ck_assert_double_eq(
        metric(SERIES("wsrt_operation_duration_seconds_count", "websocket_conversation")), 4);
    ck_assert(has("wsrt_operation_duration_seconds_sum{handler=\"websocket_conversation\","
                  "environment=\"dev\"} 20.0425\n"));
}
END_TEST

START_TEST(the_environment_is_escaped_wherever_it_appears)
{
    wsrt_monitor_options o = options();

    o.environment = wsrt_span_cstr("a\"b\\c\nd\xff\xc3\xa9\xed\xa0\x80");
    remake(o);
    scrape();
    check_page();
    ck_assert(has("environment=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9"
                  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}"));
}
END_TEST

static void breaker_like(wsrt_samples *to, void *user)
{
    wsrt_field labels[] = {text("Service", "dyna\"mo\n"), text("Operation", "store")};

    wsrt_sample(to, labels, 2, *(const double *)user);
}

START_TEST(sources_of_one_name_make_one_family)
{
    double half = 0.5, million = 1e6;

    ck_assert_int_eq(
        wsrt_monitor_source(m, "CircuitFailureRate", WSRT_SOURCE_GAUGE, breaker_like, &half),
        WSRT_OK);
    ck_assert_int_eq(
        wsrt_monitor_source(m, "RateLimited", WSRT_SOURCE_COUNTER, one_sample, &million), WSRT_OK);
    ck_assert_int_eq(
        wsrt_monitor_source(m, "CircuitFailureRate", WSRT_SOURCE_GAUGE, one_sample, &million),
        WSRT_OK);
    ck_assert_double_eq(metric("wsrt_circuit_failure_ratio{service=\"dyna\\\"mo\\n\","
                               "operation=\"store\",environment=\"dev\"}"),
                        0.5);
    ck_assert_double_eq(metric("wsrt_circuit_failure_ratio{scope=\"user\",environment=\"dev\"}"),
                        3);
    ck_assert_double_eq(
        metric("wsrt_limiter_rate_limited_total{scope=\"user\",environment=\"dev\"}"), 3);
    check_page();
    wsrt_monitor_source_remove(m, &million);
    ck_assert(!has("rate_limited"));
    ck_assert(has("wsrt_circuit_failure_ratio{"));
}
END_TEST

START_TEST(a_family_has_one_kind_and_each_user_once)
{
    int a, b;

    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", WSRT_SOURCE_GAUGE, one_sample, &a), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", WSRT_SOURCE_GAUGE, one_sample, &a),
                     WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", WSRT_SOURCE_COUNTER, one_sample, &b),
                     WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_monitor_source(m, "depth", WSRT_SOURCE_GAUGE, one_sample, &b),
                     WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_monitor_source(m, "depthTotal", WSRT_SOURCE_GAUGE, one_sample, &b),
                     WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_monitor_source(m, "2nd", WSRT_SOURCE_GAUGE, one_sample, &b),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", 3, one_sample, &b), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "Environment", WSRT_SOURCE_GAUGE, one_sample, &b),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", WSRT_SOURCE_GAUGE, NULL, &b),
                     WSRT_ERR_INVALID);
    ck_assert_double_eq(metric("wsrt_app_depth{scope=\"user\",environment=\"dev\"}"), 3);
}
END_TEST

static void strange_samples(wsrt_samples *to, void *user)
{
    wsrt_field label = text("Environment", "prod");
    wsrt_field number = {.name_cstr = "Scope", .number = 1, .kind = WSRT_FIELD_INT};
    const wsrt_field alike[] = {text("tableName", "a"), text("Other", "b"),
                                text("table_name", "c")};

    (void)user;
    ck_assert_int_eq(wsrt_sample(to, alike, 3, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sample(to, &label, 1, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sample(to, &number, 1, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sample(to, &number, 9, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sample(to, NULL, 0, strtod("nan", NULL)), WSRT_OK);
    ck_assert_int_eq(wsrt_sample(to, NULL, 0, strtod("inf", NULL)), WSRT_OK);
    ck_assert_int_eq(wsrt_sample(to, NULL, 0, -2.25), WSRT_OK);
}

START_TEST(samples_that_fit_no_export_are_refused_or_dropped)
{
    wsrt_monitor_source(m, "Temperature", WSRT_SOURCE_GAUGE, strange_samples, NULL);
    ck_assert_double_eq(metric("wsrt_app_temperature{environment=\"dev\"}"), -2.25);
    check_page();
    ck_assert_double_eq(metric("wsrt_self_export_dropped_total{environment=\"dev\"}"), 4);
}
END_TEST

static void odd_dimensions(wsrt_samples *to, void *user)
{
    static const char *const odd[] = {"K\xc3\xb6ln", "a\nb", ":colon", "   ", "\x7f", "", "told"};

    (void)user;
    for (size_t i = 0; i < COUNT(odd); i++) {
        wsrt_field label = text("TableName", odd[i]);
        ck_assert_int_eq(wsrt_sample(to, &label, 1, 1), WSRT_OK);
    }
}

START_TEST(what_is_no_dimension_of_cloudwatch_does_not_spoil_the_rest)
{
    static const int formats[] = {WSRT_EXPORT_CLOUDWATCH, WSRT_EXPORT_EMF};

    wsrt_monitor_source(m, "Temperature", WSRT_SOURCE_GAUGE, odd_dimensions, NULL);
    for (size_t i = 0; i < COUNT(formats); i++) {
        wsrt_export_options o = {.struct_size = sizeof o, .format = formats[i], .wall = 1};
        page.len = 0;
        ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
        page.text[page.len] = '\0';
        const char *first = strstr(page.text, "TableName");
        ck_assert_ptr_nonnull(first);
        ck_assert_ptr_nonnull(strstr(first, "told"));
        ck_assert_ptr_null(strstr(page.text, "colon"));
        ck_assert_ptr_null(strstr(page.text, "ln\""));
    }
    ck_assert_double_eq(metric("wsrt_self_export_dropped_total{environment=\"dev\"}"), 12);
}
END_TEST

START_TEST(an_environment_that_cloudwatch_would_refuse_is_not_told_to_it)
{
    wsrt_monitor_options o = options();
    wsrt_export_options e = {.struct_size = sizeof e, .format = WSRT_EXPORT_CLOUDWATCH, .wall = 1};

    o.environment = wsrt_span_cstr("pr\xc3\xb6"
                                   "d");
    remake(o);
    run(NULL, WSRT_OP_CONVERSATION, MS);
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, &e, append, &page), WSRT_OK);
    ck_assert_uint_eq(page.len, 0);
    ck_assert_double_eq(metric("wsrt_self_export_dropped_total{environment=\"pr\xc3\xb6"
                               "d\"}"),
                        1);
}
END_TEST

START_TEST(a_category_called_other_is_the_others)
{
    wsrt_op op;

    ck_assert_int_eq(wsrt_monitor_error_category(m, WSRT_OP_CONVERSATION, wsrt_span_cstr("other")),
                     WSRT_OK);
    wsrt_op_start(m, NULL, WSRT_OP_CONVERSATION, 0, &op);
    wsrt_op_error(&op, "other");
    wsrt_op_error(&op, "unheard of");
    wsrt_op_complete(&op, 1, NULL);
    ck_assert_double_eq(
        metric("wsrt_operation_errors_total{handler=\"websocket_conversation\",environment=\"dev\","
               "category=\"other\"}"),
        2);
    check_page();
}
END_TEST

static int refuse(const void *data, size_t len, void *user)
{
    (void)data;
    (void)len;
    ++*(int *)user;
    return WSRT_ERR_IO;
}

START_TEST(a_sink_that_fails_stops_the_page)
{
    int calls = 0;

    ck_assert_int_eq(wsrt_monitor_prometheus(m, refuse, &calls), WSRT_ERR_IO);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(wsrt_monitor_prometheus(m, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_prometheus(NULL, refuse, NULL), WSRT_ERR_INVALID);
}
END_TEST

/* ---- what no export tells ---- */

#define CANARY "CaNaRy"

/* A completion that tells the canary wherever a client's words may come in. */
static void tell_canary(void)
{
    static const char *const names[] = {
        "action",    "connectionId", "correlationId", "disconnectReason", "email",   "error",
        "errorType", "eventType",    "errorMessage",  "groups",           "service", "operation",
        "requestId", "routeKey",     "sessionId",     "sourceIp",         "traceId", "userId",
        "username",  "warning",      "messageType",   "undeclared",       CANARY,
    };
    wsrt_field attrs[COUNT(names)];
    wsrt_op_result r = failure();
    wsrt_op op;

    for (size_t i = 0; i < COUNT(names); i++)
        attrs[i] = text(names[i], "Bearer " CANARY);
    r.attrs = attrs;
    r.attr_count = COUNT(attrs);
    for (int id = 0; id < 4; id++) {
        wsrt_op_start(m, NULL, id, 0, &op);
        wsrt_op_error(&op, CANARY);
        wsrt_op_complete(&op, 9000 * MS, &r);
    }
}

static int is_in(const char *part)
{
    return memmem(page.text, page.len, part, strlen(part)) != NULL;
}

static void look_for_canary(const wsrt_alert *alert, void *user)
{
    ++*(int *)user;
    ck_assert_ptr_null(strstr(alert->operation_cstr, CANARY));
    ck_assert_uint_eq(alert->correlation_id.len, 0);
}

START_TEST(no_word_of_a_client_reaches_an_export_or_an_alert)
{
    const wsrt_field members[] = {text("userId", CANARY),     text("email", CANARY),
                                  text("sourceIp", CANARY),   text("errorMessage", CANARY),
                                  text("undeclared", CANARY), text(CANARY, "x")};
    wsrt_monitor_options o = options();
    int alerts = 0;

    o.on_alert = look_for_canary;
    o.alert_user = &alerts;
    remake(o);
    wsrt_monitor_tick(m, 0, 0);
    tell_canary();
    wsrt_monitor_tick(m, 1000 * MS, 1000);
    ck_assert_int_ge(alerts, 4);
    for (int32_t format = WSRT_EXPORT_PROMETHEUS; format <= WSRT_EXPORT_BINARY; format++) {
        wsrt_export_options e = {.struct_size = sizeof e, .format = format};
        if (format == WSRT_EXPORT_EMF) {
            e.members = members;
            e.member_count = COUNT(members);
        }
        page.len = 0;
        ck_assert_int_eq(wsrt_monitor_export(m, &e, append, &page), WSRT_OK);
        ck_assert(is_in("websocket_conversation"));
        ck_assert_msg(!is_in(CANARY), "format %d", format);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_export");
    TCase *c = tcase_create("monitor_export");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, refused_memory_loses_no_count, 0, 4);
    tcase_add_test(c, refused_memory_makes_constructors_fail_clean);
    tcase_add_test(c, refused_memory_makes_registrations_fail_and_a_second_try_succeed);
    tcase_add_test(c, refused_memory_makes_an_export_fail_before_its_first_byte);
    tcase_add_test(c, warm_operations_allocate_nothing);
    tcase_add_test(c, threads_that_record_end_and_read_at_once_lose_nothing);
    tcase_add_test(c, a_page_is_well_formed_line_by_line);
    tcase_add_test(c, durations_fall_into_cumulative_bounds_in_seconds);
    tcase_add_test(c, the_environment_is_escaped_wherever_it_appears);
    tcase_add_test(c, sources_of_one_name_make_one_family);
    tcase_add_test(c, a_family_has_one_kind_and_each_user_once);
    tcase_add_test(c, samples_that_fit_no_export_are_refused_or_dropped);
    tcase_add_test(c, what_is_no_dimension_of_cloudwatch_does_not_spoil_the_rest);
    tcase_add_test(c, an_environment_that_cloudwatch_would_refuse_is_not_told_to_it);
    tcase_add_test(c, a_category_called_other_is_the_others);
    tcase_add_test(c, a_sink_that_fails_stops_the_page);
    tcase_add_test(c, no_word_of_a_client_reaches_an_export_or_an_alert);
    suite_add_tcase(s, c);
    return s;
}
