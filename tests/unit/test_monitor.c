#include "heap.h"
#include "suite.h"

#include "monitor/histogram.h"
#include <wsrt/monitor.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000ll

static struct heap heap;
static wsrt_monitor *m;
static int64_t cpu_clock;

static int64_t fake_cpu(void *user)
{
    (void)user;
    return cpu_clock;
}

static int fake_random(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 7, len);
    return WSRT_OK;
}

static const wsrt_env env = {
    .struct_size = sizeof(wsrt_env), .cpu = fake_cpu, .random = fake_random};

static wsrt_monitor_options options(void)
{
    return (wsrt_monitor_options){
        .struct_size = sizeof(wsrt_monitor_options), .allocator = heap.allocator, .env = &env};
}

static void make(wsrt_monitor_options o)
{
    ck_assert_int_eq(wsrt_monitor_new(&m, &o), WSRT_OK);
}

static void setup(void)
{
    heap_init(&heap);
    cpu_clock = 0;
    make(options());
}

static void teardown(void)
{
    wsrt_monitor_free(m);
    ck_assert_uint_eq(heap.live, 0);
}

static void remake(wsrt_monitor_options o)
{
    wsrt_monitor_free(m);
    make(o);
}

static wsrt_op_totals totals(int id)
{
    wsrt_op_totals t = {.struct_size = sizeof t};

    ck_assert_int_eq(wsrt_monitor_totals(m, id, &t), WSRT_OK);
    return t;
}

static wsrt_op_result success(void)
{
    return (wsrt_op_result){.struct_size = sizeof(wsrt_op_result), .success = 1};
}

static wsrt_op_result failure(void)
{
    return (wsrt_op_result){.struct_size = sizeof(wsrt_op_result)};
}

static void run(wsrt_recorder *rec, int id, int64_t duration)
{
    wsrt_op op;

    ck_assert_int_eq(wsrt_op_start(m, rec, id, 1000, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, 1000 + duration, NULL), WSRT_OK);
}

static void run_with(int id, const wsrt_field *attrs, size_t count)
{
    wsrt_op_result r = success();
    wsrt_op op;

    r.attrs = attrs;
    r.attr_count = count;
    wsrt_op_start(m, NULL, id, 0, &op);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, &r), WSRT_OK);
}

static wsrt_field text(const char *name, const char *value)
{
    return (wsrt_field){.name_cstr = name, .text = wsrt_span_cstr(value), .kind = WSRT_FIELD_TEXT};
}

/* ---- a scrape, read as Prometheus reads it ---- */

struct page {
    char text[512 * 1024];
    size_t len;
};
static struct page page;

static int append(const void *data, size_t len, void *user)
{
    struct page *p = user;

    ck_assert_uint_lt(p->len + len, sizeof p->text);
    memcpy(p->text + p->len, data, len);
    p->len += len;
    return WSRT_OK;
}

static void scrape(void)
{
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_prometheus(m, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
}

/* The value behind a series, given with its labels; fails when it is absent. */
static double metric(const char *series)
{
    scrape();
    size_t len = strlen(series);
    for (const char *line = page.text; line != NULL && *line != '\0';) {
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ck_abort_msg("no series %s in\n%s", series, page.text);
}

static int has(const char *part)
{
    scrape();
    return strstr(page.text, part) != NULL;
}

static const char *name_end(const char *p)
{
    const char *start = p;

    while ((*p >= 'a' && *p <= 'z') || *p == '_' || (p > start && *p >= '0' && *p <= '9'))
        p++;
    ck_assert_msg(p > start, "no name at: %.60s", start);
    return p;
}

static const char *label_end(const char *p)
{
    p = name_end(p);
    ck_assert_msg(p[0] == '=' && p[1] == '"', "no value at: %.60s", p);
    for (p += 2; *p != '"'; p++) {
        ck_assert_msg(*p != '\n' && *p != '\0', "open value");
        if (*p == '\\') {
            p++;
            ck_assert_msg(*p == '\\' || *p == '"' || *p == 'n', "escape at: %.20s", p - 1);
        }
    }
    return p + 1;
}

/* Length of the series name with its labels; the family's name must be a prefix. */
static size_t check_sample(const char *line, const char *family)
{
    const char *p = name_end(line);
    char *end;

    ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%.60s not in %s", line, family);
    if (*p == '{') {
        p = label_end(p + 1);
        while (*p == ',')
            p = label_end(p + 1);
        ck_assert_msg(*p == '}', "labels end at: %.60s", p);
        p++;
    }
    ck_assert_msg(*p == ' ', "no value at: %.60s", p);
    (void)strtod(p + 1, &end);
    ck_assert_msg(end > p + 1 && *end == '\n', "value at: %.60s", p);
    return (size_t)(p - line);
}

/* Reads a page line by line: HELP, TYPE, samples; no family and no series twice. */
static size_t check_page(void)
{
    char family[128] = "";
    static const char *seen[8192];
    static size_t seen_len[8192];
    size_t samples = 0;

    for (const char *line = page.text; *line != '\0'; line = strchr(line, '\n') + 1) {
        ck_assert_ptr_nonnull(strchr(line, '\n'));
        if (strncmp(line, "# HELP ", 7) == 0) {
            const char *end = name_end(line + 7);
            char again[160];
            snprintf(family, sizeof family, "%.*s", (int)(end - line - 7), line + 7);
            snprintf(again, sizeof again, "# TYPE %s ", family);
            const char *type = strstr(page.text, again);
            ck_assert_ptr_nonnull(type);
            ck_assert_ptr_null(strstr(type + 1, again));
            ck_assert_ptr_eq(type, strchr(line, '\n') + 1);
        } else if (line[0] != '#') {
            size_t len = check_sample(line, family);
            for (size_t i = 0; i < samples; i++)
                ck_assert_msg(seen_len[i] != len || memcmp(seen[i], line, len) != 0, "twice: %.*s",
                              (int)len, line);
            ck_assert_uint_lt(samples, COUNT(seen));
            seen[samples] = line;
            seen_len[samples++] = len;
        }
    }
    return samples;
}

#define SERIES(name, handler) name "{handler=\"" handler "\",environment=\"dev\"}"

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
    bad[0].flags = 1;
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
    for (int i = 0; i < 9; i++) {
        wsrt_op_start(m, rec, 0, 0, &op);
        cpu_clock += 250;
        wsrt_op_complete(&op, 1000, NULL);
    }
    run(NULL, 0, 1000);
    ck_assert_uint_eq(totals(0).cpu_samples, 3);
    ck_assert_double_eq_tol(totals(0).cpu_ratio_sum, 0.75, 1e-9);
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
static atomic_int overlaps, inside;
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
    for (int c = 0; c < CHURN; c++) {
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
    ck_assert_uint_eq(count, THREADS * ROUNDS);
    ck_assert_uint_eq(bytes, THREADS * ROUNDS * 3);
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
    ck_assert_uint_eq(samples, 5 * 32 + 1 + 1 + 4 + 10);
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
    ck_assert_int_eq(wsrt_monitor_source(m, "2nd", WSRT_SOURCE_GAUGE, one_sample, &b),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", 3, one_sample, &b), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_source(m, "Depth", WSRT_SOURCE_GAUGE, NULL, &b),
                     WSRT_ERR_INVALID);
    ck_assert_double_eq(metric("wsrt_app_depth{scope=\"user\",environment=\"dev\"}"), 3);
}
END_TEST

static void strange_samples(wsrt_samples *to, void *user)
{
    wsrt_field label = text("Environment", "prod");
    wsrt_field number = {.name_cstr = "Scope", .number = 1, .kind = WSRT_FIELD_INT};

    (void)user;
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
    tcase_add_test(c, cpu_time_that_is_off_is_never_read);
    tcase_add_test(c, an_operation_may_end_in_another_recorder);
}

static void add_threshold_cases(TCase *c)
{
    tcase_add_loop_test(c, the_shipped_limits_are_exceeded_only_by_what_is_strictly_greater, 0, 4);
    tcase_add_test(c, other_operations_have_no_limits_until_set);
    tcase_add_test(c, a_level_is_raised_straight_to_the_highest_and_told_once);
    tcase_add_test(c, a_level_clears_after_three_windows_below_nine_tenths);
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
}

static void add_reading_cases(TCase *c)
{
    tcase_add_test(c, every_bucket_holds_its_own_bounds);
    tcase_add_loop_test(c, quantiles_are_within_their_error_of_an_exact_sort, 0, 16);
    tcase_add_test(c, quantiles_of_nothing_are_zero_and_of_nonsense_refused);
    tcase_add_test(c, extremes_are_exact_in_count_sum_and_maximum);
    tcase_add_test(c, what_a_recorder_counted_outlives_it);
    tcase_add_test(c, monitor_and_recorder_may_end_in_either_order);
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
    tcase_add_test(c, a_sink_that_fails_stops_the_page);
}

Suite *suite(void)
{
    Suite *s = suite_create("monitor");
    TCase *c = tcase_create("monitor");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    add_operation_cases(c);
    add_threshold_cases(c);
    add_reading_cases(c);
    suite_add_tcase(s, c);
    return s;
}
