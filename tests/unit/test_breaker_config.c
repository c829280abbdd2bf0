/* Settings: defaults, presets and limits number by number; the document, and its errors. */
#include "heap.h"
#include "suite.h"

#include <wsrt/breaker.h>
#include <wsrt/schema.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ms = 1000000;
static wsrt_breakers *registry;

static void set_up(void)
{
    ck_assert_int_eq(wsrt_breakers_new(&registry, NULL), WSRT_OK);
}

static void tear_down(void)
{
    wsrt_breakers_free(registry);
}

static wsrt_breaker *get(const char *service, const char *operation,
                         const wsrt_breaker_config *config)
{
    wsrt_breaker *b;

    ck_assert_int_eq(wsrt_breakers_get(registry, wsrt_span_cstr(service), wsrt_span_cstr(operation),
                                       config, &b, NULL),
                     WSRT_OK);
    wsrt_breaker_release_ref(b);
    return b;
}

static int configure(const char *document, uint32_t flags)
{
    return wsrt_breakers_configure(registry, wsrt_span_cstr(document), flags, 0, NULL);
}

static void call(wsrt_breaker *b, int64_t now, int outcome)
{
    wsrt_permit p;

    ck_assert_int_eq(wsrt_breaker_try_acquire(b, now, &p, NULL), WSRT_OK);
    wsrt_breaker_record(b, &p, now, outcome);
}

static wsrt_breaker_stats stats(wsrt_breaker *b, int64_t now)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_breaker_get_stats(b, now, 1000000 + now / ms, &s), WSRT_OK);
    return s;
}

/* What the settings of a breaker are, found out by its behaviour from a fresh state at `now`. */
struct found {
    int threshold; /* failures that trip once there are enough calls */
    int minimum;
    int64_t recovery, expected, window;
};

static int failures_to_trip(wsrt_breaker *b, int64_t now, int successes)
{
    int n = 0;

    wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, now);
    for (int i = 0; i < successes; i++)
        call(b, now, WSRT_SUCCESS);
    while (stats(b, now).state == WSRT_BREAKER_CLOSED) {
        call(b, now, WSRT_FAILURE);
        n++;
    }
    return n;
}

static int64_t expected_of(wsrt_breaker *b)
{
    wsrt_permit p;
    int64_t slow = 0;

    for (int64_t low = 0, high = 100000; low < high;) {
        int64_t middle = (low + high) / 2;
        uint64_t before = stats(b, 0).slow;
        wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
        wsrt_breaker_try_acquire(b, 0, &p, NULL);
        wsrt_breaker_record(b, &p, middle * ms + 1, WSRT_SUCCESS);
        if (stats(b, 0).slow > before)
            slow = high = middle;
        else
            low = middle + 1;
    }
    return slow;
}

static struct found find_out(wsrt_breaker *b)
{
    const int64_t later = 1200000 * ms; /* than any call of the search; a bucket begins */
    struct found f = {.expected = expected_of(b)};
    wsrt_rejection why = {0};
    wsrt_permit p;

    f.threshold = failures_to_trip(b, 0, 100);
    f.minimum = failures_to_trip(b, 0, 0); /* the greater of the two */
    wsrt_breaker_try_acquire(b, 0, &p, &why);
    f.recovery = why.retry_after_ms;
    wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
    call(b, later, WSRT_FAILURE);
    while (stats(b, later + f.window * ms).total_requests > 0)
        f.window += 500;
    return f;
}

START_TEST(defaults_and_presets_are_those_of_the_table)
{
    static const struct {
        const char *service;
        struct found want;
    } rows[] = {
        {"any", {5, 5, 30000, 2000, 60000}},
        {"cognito", {3, 5, 30000, 2000, 60000}},
        {"apigateway-management", {5, 5, 15000, 1000, 30000}},
        {"dynamodb", {3, 5, 20000, 500, 60000}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct found f = find_out(get(rows[i].service, "operation", NULL));
        ck_assert_int_eq(f.threshold, rows[i].want.threshold);
        ck_assert_int_eq(f.minimum, rows[i].want.minimum);
        ck_assert_int_eq(f.recovery, rows[i].want.recovery);
        ck_assert_int_eq(f.expected, rows[i].want.expected);
        ck_assert_int_eq(f.window, rows[i].want.window);
    }
}
END_TEST

START_TEST(the_gateways_minimum_of_three_shows_below_its_threshold)
{
    wsrt_breaker *b = get(
        "apigateway-management", "postToConnection",
        &(wsrt_breaker_config){.struct_size = sizeof(wsrt_breaker_config), .failure_threshold = 1});

    ck_assert_int_eq(failures_to_trip(b, 0, 0), 3);
}
END_TEST

/* ---- limits ---- */

enum kind { I64, I32, REAL };

static const struct limit {
    const char *name;
    size_t offset;
    enum kind kind;
    double low, high;
} limits[] = {
#define LIMIT(name, kind, low, high)                                                               \
    {                                                                                              \
#name, offsetof(wsrt_breaker_config, name), kind, low, high                                \
    }
    LIMIT(failure_threshold, I64, 1, 16777215),
    LIMIT(recovery_timeout_ms, I64, 0, 2592000000),
    LIMIT(expected_response_time_ms, I64, 0, 86400000),
    LIMIT(monitoring_window_ms, I64, 10, 86400000),
    LIMIT(minimum_request_count, I64, 0, 16777215),
    LIMIT(mode, I32, 1, 2),
    LIMIT(slow_policy, I32, 1, 3),
    LIMIT(min_failure_rate, REAL, 0, 1),
    LIMIT(slow_rate, REAL, 1e-9, 1),
    LIMIT(half_open_permits, I32, 1, 1023),
    LIMIT(half_open_successes, I32, 1, 1023),
    LIMIT(probe_lease_ms, I64, 0, 2592000000),
    LIMIT(backoff_factor, REAL, 1, 10),
    LIMIT(max_recovery_timeout_ms, I64, 0, 2592000000),
    LIMIT(jitter, REAL, 0, 1),
    LIMIT(stripes, I32, 1, 8),
};
enum { LIMITS = sizeof limits / sizeof limits[0] };

/* A configuration with one member set; zero is written -1. */
static wsrt_breaker_config with(const struct limit *l, double value)
{
    wsrt_breaker_config c = {.struct_size = sizeof c};
    double real = value == 0 ? -1 : value;
    int64_t whole = l->kind == I64 ? (int64_t)real : 0;
    int32_t small = l->kind == I32 ? (int32_t)real : 0;

    memcpy((unsigned char *)&c + l->offset,
           l->kind == REAL  ? (const void *)&real
           : l->kind == I64 ? (const void *)&whole
                            : (const void *)&small,
           l->kind == I32 ? 4 : 8);
    return c;
}

static const char *faulty(const struct limit *l, double value)
{
    const char *name = "nothing";
    wsrt_breaker_config c = with(l, value);

    wsrt_breaker_config_check(&c, &name);
    return name;
}

START_TEST(every_member_has_its_limits_and_is_named_beyond_them)
{
    for (size_t i = 0; i < LIMITS; i++) {
        const struct limit *l = &limits[i];
        double step = l->kind == REAL ? 1e-3 : 1;
        ck_assert_str_eq(faulty(l, l->low), "nothing");
        ck_assert_str_eq(faulty(l, l->high), "nothing");
        ck_assert_str_eq(faulty(l, l->high + step), l->name);
        ck_assert_str_eq(faulty(l, -2), l->name);
        if (l->low >= 1 && l->kind != REAL)
            ck_assert_str_eq(faulty(l, 0), l->name);
        if (l->kind == REAL) {
            ck_assert_str_eq(faulty(l, NAN), l->name);
            ck_assert_str_eq(faulty(l, INFINITY), l->name);
        }
    }
    ck_assert_str_eq(faulty(&limits[3], 9), "monitoring_window_ms");
    ck_assert_str_eq(faulty(&limits[12], 0.5), "backoff_factor");
    ck_assert_str_eq(faulty(&limits[LIMITS - 1], 3), "stripes");
}
END_TEST

START_TEST(what_the_check_refuses_get_and_reconfigure_refuse)
{
    wsrt_breaker_config bad = {.struct_size = sizeof bad, .jitter = 2};
    wsrt_breaker *b = get("s", "o", NULL), *none;

    ck_assert_int_eq(
        wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr("new"), &bad, &none, NULL),
        WSRT_ERR_INVALID);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &bad, 0, 0), WSRT_ERR_INVALID);
    bad = (wsrt_breaker_config){.struct_size = 4};
    const char *name = NULL;
    ck_assert_int_eq(wsrt_breaker_config_check(&bad, &name), WSRT_ERR_INVALID);
    ck_assert_str_eq(name, "struct_size");
    bad = (wsrt_breaker_config){.struct_size = sizeof bad, .reserved = 1};
    ck_assert_int_eq(wsrt_breaker_config_check(&bad, &name), WSRT_ERR_INVALID);
    ck_assert_str_eq(name, "reserved");
}
END_TEST

/* ---- the document ---- */

START_TEST(a_value_is_looked_for_from_the_operation_outwards)
{
    ck_assert_int_eq(configure("{\"defaults\":{\"failureThreshold\":9,\"backoffFactor\":2},"
                               "\"services\":{\"dynamodb\":{\"failureThreshold\":4,\"operations\":{"
                               "\"storeConnection\":{\"failureThreshold\":2}}},\"other\":{}}}",
                               0),
                     WSRT_OK);
    ck_assert_int_eq(failures_to_trip(get("dynamodb", "storeConnection", NULL), 0, 20), 2);
    ck_assert_int_eq(failures_to_trip(get("dynamodb", "else", NULL), 0, 20), 4);
    ck_assert_int_eq(failures_to_trip(get("cognito", "verifyJWT", NULL), 0, 20), 3); /* preset */
    ck_assert_int_eq(failures_to_trip(get("other", "o", NULL), 0, 20), 9);
    wsrt_breaker_config c = {.struct_size = sizeof c, .failure_threshold = 7};
    ck_assert_int_eq(failures_to_trip(get("dynamodb", "explicit", &c), 0, 20), 7);
    ck_assert_int_eq(configure("{}", 0), WSRT_OK);
    ck_assert_int_eq(failures_to_trip(get("other", "later", NULL), 0, 20), 5);
}
END_TEST

START_TEST(a_zero_written_in_the_document_is_zero)
{
    wsrt_permit p;

    ck_assert_int_eq(configure("{\"defaults\":{\"recoveryTimeout\":0,\"minimumRequestCount\":0,"
                               "\"failureThreshold\":1,\"expectedResponseTime\":0}}",
                               0),
                     WSRT_OK);
    wsrt_breaker *b = get("s", "o", NULL);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).probe_ready, 1);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, 0, &p, NULL), WSRT_OK);
    ck_assert_int_eq(stats(b, 0).lease_end_time, 1000000 + 1000);
}
END_TEST

START_TEST(every_member_of_the_document_is_understood)
{
    ck_assert_int_eq(
        configure("{\"services\":{\"s\":{\"failureThreshold\":1,\"recoveryTimeout\":2,"
                  "\"expectedResponseTime\":3,\"monitoringWindow\":10,\"minimumRequestCount\":5,"
                  "\"mode\":\"consecutive\",\"slowPolicy\":\"rate\",\"minFailureRate\":0.5,"
                  "\"slowRate\":1e-3,\"halfOpenPermits\":6,\"halfOpenSuccesses\":7,"
                  "\"probeLease\":8,\"backoffFactor\":1.5,\"maxRecoveryTimeout\":9,\"jitter\":1,"
                  "\"stripes\":8,\"operations\":{}}}}",
                  0),
        WSRT_OK);
    wsrt_breaker_config c = {.struct_size = sizeof c,
                             .failure_threshold = 1,
                             .recovery_timeout_ms = 2,
                             .expected_response_time_ms = 3,
                             .monitoring_window_ms = 10,
                             .minimum_request_count = 5,
                             .mode = WSRT_BREAKER_CONSECUTIVE,
                             .slow_policy = WSRT_SLOW_RATE,
                             .min_failure_rate = 0.5,
                             .slow_rate = 1e-3,
                             .half_open_permits = 6,
                             .half_open_successes = 7,
                             .probe_lease_ms = 8,
                             .backoff_factor = 1.5,
                             .max_recovery_timeout_ms = 9,
                             .jitter = 1,
                             .stripes = 8};
    wsrt_breaker *b = get("s", "o", NULL);
    int differs = 7;
    wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr("o"), &c, &b, &differs);
    ck_assert_int_eq(differs, 0);
    wsrt_breaker_release_ref(b);
    ck_assert_uint_eq(stats(b, 0).config_mismatch, 0);
}
END_TEST

static const struct fault {
    const char *document, *pointer;
    size_t offset;
    int status;
} faults[] = {
    {"", "", 0, WSRT_ERR_MALFORMED},
    {"{\"defaults\":{}", "", 14, WSRT_ERR_MALFORMED},
    {"[]", "", 0, WSRT_ERR_REJECTED},
    {" 1", "", 1, WSRT_ERR_REJECTED},
    {"{\"x\":1}", "/x", 1, WSRT_ERR_REJECTED},
    {"{\"defaults\":1}", "/defaults", 12, WSRT_ERR_REJECTED},
    {"{\"defaults\":{},\"defaults\":{}}", "/defaults", 15, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"jitter\":2}}", "/defaults/jitter", 22, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"jitter\":\"1\"}}", "/defaults/jitter", 22, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"jitter\":1e999}}", "/defaults/jitter", 22, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"jitter\":1,\"jitter\":1}}", "/defaults/jitter", 24, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"stripes\":3}}", "/defaults/stripes", 23, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"failureThreshold\":0}}", "/defaults/failureThreshold", 32,
     WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"failureThreshold\":1.5}}", "/defaults/failureThreshold", 32,
     WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"mode\":\"both\"}}", "/defaults/mode", 20, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"mode\":1}}", "/defaults/mode", 20, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"slowPolicy\":null}}", "/defaults/slowPolicy", 26, WSRT_ERR_REJECTED},
    {"{\"defaults\":{\"operations\":{}}}", "/defaults/operations", 13, WSRT_ERR_REJECTED},
    {"{\"services\":[]}", "/services", 12, WSRT_ERR_REJECTED},
    {"{\"services\":{\"\":{}}}", "/services/", 13, WSRT_ERR_REJECTED},
    {"{\"services\":{\"a/b~\":{\"x\":1}}}", "/services/a~1b~0/x", 21, WSRT_ERR_REJECTED},
    {"{\"services\":{\"a\":{},\"\\u0061\":{}}}", "/services/a", 20, WSRT_ERR_REJECTED},
    {"{\"services\":{\"a\":{\"operations\":{\"o\":{\"slowRate\":0}}}}}",
     "/services/a/operations/o/slowRate", 48, WSRT_ERR_REJECTED},
    {"{\"services\":{\"a\":{\"operations\":{\"o\":{},\"o\":{}}}}}", "/services/a/operations/o", 39,
     WSRT_ERR_REJECTED},
    {"{\"services\":{\"a\":{\"operations\":{},\"operations\":{}}}}", "/services/a/operations", 34,
     WSRT_ERR_REJECTED},
};

START_TEST(an_error_in_the_document_has_a_pointer_and_an_offset)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        wsrt_breakers_error why;
        int rc = wsrt_breakers_configure(registry, wsrt_span_cstr(faults[i].document), 0, 0, &why);
        ck_assert_msg(rc == faults[i].status, "%s", faults[i].document);
        ck_assert_str_eq(why.pointer, faults[i].pointer);
        ck_assert_msg(why.offset == faults[i].offset, "%s: %zu", faults[i].document, why.offset);
        ck_assert_ptr_nonnull(why.text_cstr);
    }
}
END_TEST

START_TEST(nothing_of_a_faulty_document_applies)
{
    ck_assert_int_eq(configure("{\"defaults\":{\"failureThreshold\":9}}", 0), WSRT_OK);
    ck_assert_int_eq(configure("{\"defaults\":{\"failureThreshold\":2},\"services\":{\"s\":{"
                               "\"jitter\":2}}}",
                               WSRT_RECONFIGURE_EXISTING),
                     WSRT_ERR_REJECTED);
    ck_assert_int_eq(failures_to_trip(get("s", "o", NULL), 0, 20), 9);
}
END_TEST

START_TEST(an_overlong_pointer_is_cut)
{
    static char text[4000];
    wsrt_breakers_error why;

    memset(text, 'x', sizeof text);
    memcpy(text, "{\"", 2);
    memcpy(text + sizeof text - 5, "\":1}", 5);
    ck_assert_int_eq(wsrt_breakers_configure(registry, wsrt_span_cstr(text), 0, 0, &why),
                     WSRT_ERR_REJECTED);
    ck_assert_uint_eq(strlen(why.pointer), sizeof why.pointer - 1);
}
END_TEST

START_TEST(existing_breakers_follow_a_document_only_when_told)
{
    wsrt_breaker_config c = {.struct_size = sizeof c, .recovery_timeout_ms = 100};
    wsrt_breaker *b = get("s", "o", NULL), *given = get("s", "given", &c);

    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(configure("{\"defaults\":{\"failureThreshold\":2}}", 0), WSRT_OK);
    ck_assert_int_eq(failures_to_trip(b, 0, 20), 5);
    ck_assert_int_eq(configure("{\"defaults\":{\"failureThreshold\":2,\"recoveryTimeout\":7}}",
                               WSRT_RECONFIGURE_EXISTING),
                     WSRT_OK);
    ck_assert_int_eq(failures_to_trip(b, 0, 20), 2);
    ck_assert_int_eq(stats(b, 0).next_attempt_time, 1000000 + 7);
    ck_assert_int_eq(failures_to_trip(given, 0, 20), 2);
    ck_assert_int_eq(stats(given, 0).next_attempt_time, 1000000 + 100);
}
END_TEST

/* ---- live ---- */

static wsrt_breaker_config quick(void)
{
    return (wsrt_breaker_config){.struct_size = sizeof(wsrt_breaker_config),
                                 .failure_threshold = 3,
                                 .minimum_request_count = 1,
                                 .monitoring_window_ms = 1000,
                                 .recovery_timeout_ms = 100};
}

START_TEST(the_same_window_length_keeps_the_counts_and_another_empties_them)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = get("s", "o", &c);

    call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_FAILURE);
    c.failure_threshold = 2;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_OK);
    ck_assert_uint_eq(stats(b, 0).failure_count, 2);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED); /* until the next failure */
    for (int length = 10; length < 50; length++) {
        c.monitoring_window_ms = 60 - length;
        ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_OK);
        ck_assert_uint_eq(stats(b, 0).failure_count, 0);
        call(b, 0, WSRT_FAILURE);
        ck_assert_uint_eq(stats(b, 0).failure_count, 1);
    }
    ck_assert_uint_eq(stats(b, 0).lifetime_failures, 42);
}
END_TEST

START_TEST(a_new_wait_applies_from_the_next_opening_or_at_once)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = get("s", "o", &c);
    wsrt_permit p;

    failures_to_trip(b, 0, 0);
    c.recovery_timeout_ms = 5;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 10 * ms), WSRT_OK);
    ck_assert_int_eq(stats(b, 10 * ms).next_attempt_time, 1000000 + 100);
    uint64_t generation = stats(b, 0).generation;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, WSRT_RECONFIGURE_WAIT, 10 * ms), WSRT_OK);
    ck_assert_int_eq(stats(b, 10 * ms).next_attempt_time, 1000000 + 15);
    ck_assert_uint_eq(stats(b, 0).generation, generation);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, 15 * ms, &p, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, WSRT_RECONFIGURE_WAIT, 15 * ms), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_record(b, &p, 15 * ms, WSRT_SUCCESS), WSRT_OK);
}
END_TEST

START_TEST(the_stripes_of_a_breaker_stay)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = get("s", "o", &c);

    c.stripes = 4;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(configure("{\"defaults\":{\"stripes\":8}}", WSRT_RECONFIGURE_EXISTING),
                     WSRT_OK);
    for (int i = 0; i < 2; i++)
        call(b, 0, WSRT_FAILURE);
    ck_assert_uint_eq(stats(b, 0).failure_count, 2);
}
END_TEST

START_TEST(a_breaker_may_come_to_judge_slow_calls_by_rate)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = get("s", "o", &c);
    wsrt_permit p;

    c.slow_policy = WSRT_SLOW_RATE;
    c.expected_response_time_ms = 10;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_OK);
    call(b, 0, WSRT_SUCCESS);
    wsrt_breaker_try_acquire(b, 0, &p, NULL);
    wsrt_breaker_record(b, &p, 11 * ms, WSRT_SUCCESS);
    ck_assert_uint_eq(stats(b, 11 * ms).slow_count, 0); /* emptied by the trip */
    ck_assert_int_eq(stats(b, 11 * ms).state, WSRT_BREAKER_OPEN);
    ck_assert_uint_eq(stats(b, 11 * ms).success_count, 2);
}
END_TEST

/* ---- the schema ---- */

static char *read_schema_file(const char *name)
{
    static char text[65536];
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", getenv("WSRT_SCHEMAS"), name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static int judge(const wsrt_schema *schema, const char *text)
{
    static char scratch[65536];
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};

    return wsrt_validate(schema, text, strlen(text), NULL, &v);
}

START_TEST(the_shipped_schema_and_the_reader_agree)
{
    wsrt_schema *schema;
    const char *text = read_schema_file("breakers.schema.json");

    ck_assert_int_eq(wsrt_schema_new(&schema, text, strlen(text), NULL, NULL), WSRT_OK);
    text = read_schema_file("breakers.example.json");
    ck_assert_int_eq(judge(schema, text), WSRT_OK);
    ck_assert_int_eq(configure(text, 0), WSRT_OK);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        /* a repeated or empty name is beyond a schema */
        if (strstr(faults[i].document, "{\"\":") == NULL &&
            strstr(faults[i].document, "defaults\":{},") == NULL &&
            strstr(faults[i].document, "jitter\":1,") == NULL &&
            strstr(faults[i].document, "\\u0061") == NULL &&
            strstr(faults[i].document, "\"o\":{},") == NULL &&
            strstr(faults[i].document, "operations\":{},") == NULL)
            ck_assert_msg(judge(schema, faults[i].document) == faults[i].status, "%s",
                          faults[i].document);
    }
    wsrt_schema_free(schema);
}
END_TEST

static wsrt_breaker_config in_force(wsrt_breaker *b)
{
    wsrt_breaker_config c = {.struct_size = sizeof c};

    ck_assert_int_eq(wsrt_breaker_get_config(b, &c), WSRT_OK);
    return c;
}

START_TEST(the_settings_in_force_make_another_breaker_alike)
{
    wsrt_breaker_config given = {.struct_size = sizeof given,
                                 .failure_threshold = 7,
                                 .recovery_timeout_ms = -1,
                                 .expected_response_time_ms = -1,
                                 .mode = WSRT_BREAKER_CONSECUTIVE,
                                 .slow_policy = WSRT_SLOW_RATE,
                                 .slow_rate = 0.25,
                                 .stripes = 4};
    int differs;

    ck_assert_int_eq(wsrt_breaker_get_config(NULL, &given), WSRT_ERR_INVALID);
    wsrt_breaker *b = get("a", "op", &given), *same;
    ck_assert_int_eq(wsrt_breaker_get_config(b, NULL), WSRT_ERR_INVALID);
    wsrt_breaker_config c = in_force(b);
    ck_assert_int_eq(wsrt_breaker_config_check(&c, NULL), WSRT_OK);
    ck_assert_int_eq(c.recovery_timeout_ms, -1);
    ck_assert_int_eq(c.probe_lease_ms, 1000); /* the default where both times are 0 */
    ck_assert_int_eq(c.minimum_request_count, 5);
    ck_assert_double_eq(c.jitter, -1);
    wsrt_breaker_config again = in_force(get("b", "op", &c));
    ck_assert_mem_eq(&again, &c, sizeof c);
    wsrt_breakers_get(registry, wsrt_span_cstr("a"), wsrt_span_cstr("op"), &given, &same, &differs);
    wsrt_breaker_release_ref(same);
    ck_assert_int_eq(differs, 0);
}
END_TEST

START_TEST(written_settings_are_a_document_that_makes_the_same)
{
    wsrt_breaker_config given = {.struct_size = sizeof given,
                                 .failure_threshold = 7,
                                 .recovery_timeout_ms = -1,
                                 .mode = WSRT_BREAKER_CONSECUTIVE,
                                 .slow_policy = WSRT_SLOW_RATE,
                                 .jitter = 0.125,
                                 .stripes = 2};
    char text[1024], document[1200];
    wsrt_json_writer w;

    wsrt_breaker_config c = in_force(get("a", "op", &given));
    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_breaker_config_write(&c, &w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    snprintf(document, sizeof document, "{\"services\":{\"b\":%s}}", text);
    ck_assert_int_eq(configure(document, 0), WSRT_OK);
    wsrt_breaker_config again = in_force(get("b", "op", NULL));
    ck_assert_mem_eq(&again, &c, sizeof c);
}
END_TEST

START_TEST(every_allocation_of_a_configuration_may_fail)
{
    static const char document[] =
        "{\"defaults\":{\"slowPolicy\":\"rate\"},\"services\":{\"s\":{\"operations\":{\"o\":{"
        "\"monitoringWindow\":100}}}}}";
    struct heap heap;
    size_t points = 0;

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++) {
        for (size_t n = 1;; n++, points++) {
            wsrt_breakers_options o = {.struct_size = sizeof o, .allocator = heap.allocator};
            wsrt_breakers *r;
            wsrt_breaker *b;
            heap_arm(&heap, 0, 0);
            ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
            wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr("o"), NULL, &b, NULL);
            call(b, 0, WSRT_FAILURE);
            heap_arm(&heap, n, sticky);
            int rc = wsrt_breakers_configure(r, wsrt_span_cstr(document), WSRT_RECONFIGURE_EXISTING,
                                             0, NULL);
            ck_assert_int_eq(rc, heap.tripped ? WSRT_ERR_NOMEM : WSRT_OK);
            ck_assert_uint_eq(stats(b, 0).failure_count, heap.tripped ? 1 : 0);
            wsrt_breaker_release_ref(b);
            wsrt_breakers_free(r);
            ck_assert_uint_eq(heap.live, 0);
            if (rc == WSRT_OK)
                break;
        }
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_gt(points, 8);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_config");
    TCase *t = tcase_create("config");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, defaults_and_presets_are_those_of_the_table);
    tcase_add_test(t, the_gateways_minimum_of_three_shows_below_its_threshold);
    tcase_add_test(t, every_member_has_its_limits_and_is_named_beyond_them);
    tcase_add_test(t, what_the_check_refuses_get_and_reconfigure_refuse);
    tcase_add_test(t, a_value_is_looked_for_from_the_operation_outwards);
    tcase_add_test(t, a_zero_written_in_the_document_is_zero);
    tcase_add_test(t, every_member_of_the_document_is_understood);
    tcase_add_test(t, an_error_in_the_document_has_a_pointer_and_an_offset);
    tcase_add_test(t, nothing_of_a_faulty_document_applies);
    tcase_add_test(t, an_overlong_pointer_is_cut);
    tcase_add_test(t, existing_breakers_follow_a_document_only_when_told);
    tcase_add_test(t, the_same_window_length_keeps_the_counts_and_another_empties_them);
    tcase_add_test(t, a_new_wait_applies_from_the_next_opening_or_at_once);
    tcase_add_test(t, the_stripes_of_a_breaker_stay);
    tcase_add_test(t, a_breaker_may_come_to_judge_slow_calls_by_rate);
    tcase_add_test(t, the_shipped_schema_and_the_reader_agree);
    tcase_add_test(t, the_settings_in_force_make_another_breaker_alike);
    tcase_add_test(t, written_settings_are_a_document_that_makes_the_same);
    tcase_add_test(t, every_allocation_of_a_configuration_may_fail);
    suite_add_tcase(s, t);
    return s;
}
