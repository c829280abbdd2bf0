/* libwsrt-aws' sink for metrics against a CloudWatch that checks signatures, adds up what it is told, and
 * fails as told. Time is the test's. */
#include "aws_rig.h"
#include "heap.h"
#include "suite.h"

#include <wsrt/aws.h>
#include <wsrt/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const int64_t s_ns = 1000000000, ms_ns = 1000000;

/* CloudWatch: what it does, and what it has been told. */
struct watch {
    struct fake_answer answer;
    uint32_t chance; /* of 256: how often it answers so, else 200 */
    uint32_t seed;
    int accepted;
    int wrong; /* requests that are not signed, or not what PutMetricData takes */
    double completions;
    double last_timestamp;
};

struct rig {
    struct aws_rig base;
    struct watch watch;
    struct heap heap;
    int64_t now;
    uint32_t chance;
    uint32_t connect_timeout_ms;
    wsrt_monitor *monitor;
    wsrt_aws_metrics *sink;
};

/* ---- the service ---------------------------------------------------------------------------- */

static double number_of(const wsrt_json *body, int i, const char *member)
{
    char pointer[64];
    wsrt_json value;
    double out = -1;

    snprintf(pointer, sizeof pointer, "/MetricData/%d/%s", i, member);
    if (wsrt_json_find(body, wsrt_span_cstr(pointer), &value) == WSRT_OK)
        (void)wsrt_json_double(&value, &out);
    return out;
}

static int text_is(const wsrt_json *body, const char *pointer, const char *wanted)
{
    wsrt_json value;
    char text[128];
    size_t len;

    return wsrt_json_find(body, wsrt_span_cstr(pointer), &value) == WSRT_OK &&
           wsrt_json_text(&value, text, sizeof text, &len) == WSRT_OK && len == strlen(wanted) &&
           memcmp(text, wanted, len) == 0;
}

/* Adds up the completions of operations: the sample counts of Success. */
static void add_up(struct watch *w, const wsrt_json *body)
{
    char pointer[64];
    wsrt_json value;

    for (int i = 0;; i++) {
        snprintf(pointer, sizeof pointer, "/MetricData/%d/MetricName", i);
        if (wsrt_json_find(body, wsrt_span_cstr(pointer), &value) != WSRT_OK)
            return;
        if (text_is(body, pointer, "Success"))
            w->completions += number_of(body, i, "StatisticValues/SampleCount");
        w->last_timestamp = number_of(body, i, "Timestamp");
    }
}

static int is_put(const struct fake_request *q, wsrt_json *body)
{
    return q->signed_ok && wsrt_span_equal(q->head->path, wsrt_span_cstr("/")) &&
           fake_field_is(q, "content-type", "application/x-amz-json-1.0") &&
           fake_field_is(q, "x-amz-target", "GraniteServiceVersion20100801.PutMetricData") &&
           wsrt_json_parse(body, q->body, NULL) == WSRT_OK &&
           text_is(body, "/Namespace", "WebSocket/Performance");
}

static void serve(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct watch *w = user;
    wsrt_json body;

    w->wrong += !is_put(q, &body);
    w->seed = w->seed * 1664525 + 1013904223;
    if ((w->seed >> 24) < w->chance) {
        *answer = w->answer;
        return;
    }
    strcpy(answer->body, "{}");
    w->accepted++;
    add_up(w, &body);
}

/* ---- the rig -------------------------------------------------------------------------------- */

static int64_t rig_now(void *user)
{
    return ((struct rig *)user)->now;
}

static int64_t rig_wall(void *user)
{
    return (int64_t)AWS_WALL * 1000 + ((struct rig *)user)->now / ms_ns;
}

static int rig_random(void *user, void *dst, size_t len)
{
    memset(dst, (int)((struct rig *)user)->chance, len);
    return WSRT_OK;
}

static int open_sink(struct rig *r, uint32_t flags)
{
    wsrt_env env = {.struct_size = sizeof env,
                    .user = r,
                    .now = rig_now,
                    .wall = rig_wall,
                    .random = rig_random};
    wsrt_aws_options o = aws_rig_options(&r->base);
    wsrt_aws_metrics_options p = {
        .struct_size = sizeof p, .flags = flags, .endpoint = wsrt_span_cstr(r->base.url)};

    o.allocator = r->heap.allocator;
    o.env = &env;
    o.timeout_ms = 5000;
    o.connect_timeout_ms = r->connect_timeout_ms;
    int rc = wsrt_aws_new(&r->base.aws, &o);

    return rc == WSRT_OK ? wsrt_aws_metrics_new(&r->sink, r->base.aws, r->monitor, &p) : rc;
}

static void start(struct rig *r)
{
    memset(r, 0, sizeof *r);
    heap_init(&r->heap);
    r->now = s_ns;
    r->chance = 255;
    r->watch.answer.status = 500;
    aws_rig_serve(&r->base, serve, &r->watch);
    ck_assert_int_eq(wsrt_monitor_new(&r->monitor, NULL), WSRT_OK);
}

static void open_rig(struct rig *r, uint32_t flags)
{
    start(r);
    ck_assert_int_eq(open_sink(r, flags), WSRT_OK);
}

static void close_rig(struct rig *r)
{
    wsrt_aws_metrics_free(r->sink);
    aws_rig_close(&r->base);
    wsrt_monitor_free(r->monitor);
    ck_assert_uint_eq(r->heap.live, 0);
    ck_assert_int_eq(r->watch.wrong, 0);
}

static void complete(const struct rig *r, int count)
{
    const wsrt_op_result result = {.struct_size = sizeof result, .success = 1};
    wsrt_op op;

    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(wsrt_op_start(r->monitor, NULL, WSRT_OP_CONVERSATION, r->now, &op),
                         WSRT_OK);
        ck_assert_int_eq(wsrt_op_complete(&op, r->now + ms_ns, &result), WSRT_OK);
    }
}

/* A minute passes; what can be sent then is sent. */
static void minute(struct rig *r)
{
    r->now += 60 * s_ns;
    ck_assert_int_eq(wsrt_aws_metrics_step(r->sink, 20000, NULL), WSRT_OK);
}

static wsrt_aws_metrics_counts counts(const struct rig *r)
{
    wsrt_aws_metrics_counts c = {.struct_size = sizeof c};

    ck_assert_int_eq(wsrt_aws_metrics_count(r->sink, &c), WSRT_OK);
    return c;
}

/* ---- what goes well ------------------------------------------------------------------------- */

START_TEST(a_reading_goes_out_signed_when_its_interval_has_passed)
{
    struct rig r;
    uint32_t next;

    open_rig(&r, 0);
    complete(&r, 7);
    r.now += 59 * s_ns;
    ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 20000, &next), WSRT_OK);
    ck_assert_uint_eq(next, 1001);
    ck_assert_int_eq(fake_aws_requests(r.base.fake), 0);
    r.now += s_ns;
    ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 20000, &next), WSRT_OK);
    ck_assert_int_eq(r.watch.accepted, 1);
    ck_assert_double_eq(r.watch.completions, 7);
    ck_assert_double_eq(r.watch.last_timestamp, AWS_WALL + 61);
    ck_assert_uint_eq(next, 60001);
    ck_assert_uint_eq(counts(&r).sent, 1);
    ck_assert_uint_eq(counts(&r).queued_bytes, 0);
    close_rig(&r);
}
END_TEST

START_TEST(each_reading_tells_what_came_since_the_last)
{
    struct rig r;

    open_rig(&r, 0);
    for (int i = 1; i <= 5; i++) {
        complete(&r, i);
        minute(&r);
    }
    ck_assert_int_eq(r.watch.accepted, 5);
    ck_assert_double_eq(r.watch.completions, 15);
    ck_assert_int_eq(fake_aws_connections(r.base.fake), 1);
    close_rig(&r);
}
END_TEST

START_TEST(a_flush_tells_the_rest)
{
    struct rig r;

    open_rig(&r, 0);
    complete(&r, 3);
    ck_assert_int_eq(wsrt_aws_metrics_flush(r.sink, 20000), WSRT_OK);
    ck_assert_double_eq(r.watch.completions, 3);
    complete(&r, 2);
    minute(&r);
    ck_assert_double_eq(r.watch.completions, 5);
    close_rig(&r);
}
END_TEST

START_TEST(after_a_long_sleep_there_is_one_reading_and_not_one_a_minute)
{
    struct rig r;

    open_rig(&r, 0);
    complete(&r, 3);
    r.now += 3600 * s_ns;
    minute(&r);
    ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 20000, NULL), WSRT_OK);
    ck_assert_int_eq(r.watch.accepted, 1);
    close_rig(&r);
}
END_TEST

/* ---- what fails ----------------------------------------------------------------------------- */

static const struct {
    int status;
    const char *fields;
    enum fake_manner manner;
} passing[] = {
    {500, "", FAKE_PLAIN},
    {503, "", FAKE_TRUNCATED},
    {429, "", FAKE_PLAIN},
    {400, "x-amzn-ErrorType: Throttling\r\n", FAKE_PLAIN},
    {400, "x-amzn-ErrorType: com.amazonaws#ThrottlingException:x\r\n", FAKE_PLAIN},
    {403, "x-amzn-ErrorType: AccessDenied\r\n", FAKE_PLAIN},
    {404, "", FAKE_PLAIN},
    {400, "x-amzn-ErrorType: AccessDeniedException\r\n", FAKE_PLAIN},
    {400, "x-amzn-ErrorType: UnrecognizedClientException\r\n", FAKE_PLAIN},
    {400, "x-amzn-ErrorType: InvalidSignatureException\r\n", FAKE_PLAIN},
};

START_TEST(nothing_is_lost_or_told_twice_while_cloudwatch_fails_now_and_then)
{
    struct rig r;
    int completed = 0;

    open_rig(&r, 0);
    r.watch.answer.status = passing[_i].status;
    strcpy(r.watch.answer.fields, passing[_i].fields);
    r.watch.answer.manner = passing[_i].manner;
    r.watch.chance = 160;
    for (int i = 0; i < 40; i++) {
        complete(&r, i % 7);
        completed += i % 7;
        minute(&r);
    }
    ck_assert_uint_gt(counts(&r).failed, 10);
    ck_assert_int_gt(r.watch.accepted, 5);
    r.watch.chance = 0;
    ck_assert_int_eq(wsrt_aws_metrics_flush(r.sink, 20000), WSRT_OK);
    ck_assert_double_eq(r.watch.completions, completed);
    ck_assert_uint_eq(counts(&r).sent, (uint64_t)r.watch.accepted);
    ck_assert_uint_eq(counts(&r).dropped + counts(&r).refused + counts(&r).unsure, 0);
    close_rig(&r);
}
END_TEST

START_TEST(a_failing_flush_says_why_and_keeps_everything)
{
    static const int wanted[] = {WSRT_ERR_UNAVAILABLE, WSRT_ERR_UNAVAILABLE, WSRT_ERR_THROTTLED,
                                 WSRT_ERR_THROTTLED,   WSRT_ERR_THROTTLED,   WSRT_ERR_FORBIDDEN,
                                 WSRT_ERR_FORBIDDEN,   WSRT_ERR_FORBIDDEN,   WSRT_ERR_FORBIDDEN,
                                 WSRT_ERR_FORBIDDEN};
    struct rig r;

    open_rig(&r, 0);
    r.watch.answer.status = passing[_i].status;
    strcpy(r.watch.answer.fields, passing[_i].fields);
    r.watch.answer.manner = passing[_i].manner;
    r.watch.chance = 256;
    complete(&r, 3);
    ck_assert_int_eq(wsrt_aws_metrics_flush(r.sink, 20000), wanted[_i]);
    ck_assert_int_eq(fake_aws_requests(r.base.fake), 1);
    r.watch.chance = 0;
    ck_assert_int_eq(wsrt_aws_metrics_flush(r.sink, 20000), WSRT_OK);
    ck_assert_double_eq(r.watch.completions, 3);
    close_rig(&r);
}
END_TEST

START_TEST(what_cloudwatch_calls_wrong_is_given_up_and_the_next_goes)
{
    struct rig r;

    open_rig(&r, 0);
    r.watch.answer.status = 400;
    strcpy(r.watch.answer.fields, "x-amzn-ErrorType: InvalidParameterValue\r\n");
    r.watch.chance = 256;
    complete(&r, 3);
    minute(&r);
    ck_assert_uint_eq(counts(&r).refused, 1);
    ck_assert_uint_eq(counts(&r).queued_bytes, 0);
    r.watch.chance = 0;
    complete(&r, 2);
    minute(&r);
    ck_assert_double_eq(r.watch.completions, 2);
    close_rig(&r);
}
END_TEST

START_TEST(a_body_whose_answer_is_lost_is_told_again_only_on_request)
{
    struct rig r;

    open_rig(&r, _i == 0 ? 0 : WSRT_AWS_METRICS_AT_LEAST_ONCE);
    r.watch.answer.manner = FAKE_CLOSE;
    r.watch.chance = 256;
    complete(&r, 3);
    minute(&r);
    r.watch.chance = 0;
    complete(&r, 2);
    minute(&r);
    ck_assert_double_eq(r.watch.completions, _i == 0 ? 2 : 5);
    ck_assert_uint_eq(counts(&r).unsure, _i == 0 ? 1 : 0);
    close_rig(&r);
}
END_TEST

START_TEST(a_body_that_a_kept_connection_has_lost_is_not_told_twice)
{
    struct rig r;

    open_rig(&r, 0);
    complete(&r, 3);
    minute(&r);
    r.watch.answer.manner = FAKE_CLOSE;
    r.watch.chance = 256;
    complete(&r, 2);
    minute(&r);
    ck_assert_int_eq(fake_aws_requests(r.base.fake), 2);
    ck_assert_uint_eq(counts(&r).unsure, 1);
    close_rig(&r);
}
END_TEST

START_TEST(a_body_that_could_not_be_sent_in_time_stays)
{
    wsrt_aws_metrics_options p = {.struct_size = sizeof p};
    char url[64];
    struct rig r;
    int port, silent = fake_aws_silent(&port);

    start(&r);
    r.connect_timeout_ms = 100;
    ck_assert_int_eq(open_sink(&r, 0), WSRT_OK);
    wsrt_aws_metrics_free(r.sink);
    snprintf(url, sizeof url, "https://127.0.0.1:%d", port);
    p.endpoint = wsrt_span_cstr(url);
    ck_assert_int_eq(wsrt_aws_metrics_new(&r.sink, r.base.aws, r.monitor, &p), WSRT_OK);
    complete(&r, 3);
    minute(&r);
    ck_assert_uint_eq(counts(&r).failed, 1);
    ck_assert_uint_eq(counts(&r).unsure, 0);
    ck_assert_uint_gt(counts(&r).queued_bytes, 0);
    close(silent);
    close_rig(&r);
}
END_TEST

START_TEST(a_machine_that_does_not_listen_loses_nothing)
{
    struct rig r;

    open_rig(&r, 0);
    complete(&r, 3);
    int port = fake_aws_port(r.base.fake);
    fake_aws_stop(r.base.fake);
    minute(&r);
    ck_assert_uint_eq(counts(&r).failed, 1);
    ck_assert_uint_eq(counts(&r).unsure, 0);
    ck_assert_uint_gt(counts(&r).queued_bytes, 0);
    ck_assert_int_gt(port, 0);
    r.base.fake = fake_aws_start(serve, &r.watch);
    close_rig(&r);
}
END_TEST

START_TEST(a_failing_cloudwatch_is_asked_ever_more_seldom)
{
    static const int64_t waits[] = {1, 2, 4, 8, 16, 20, 20};
    struct rig r;
    uint32_t next;

    open_rig(&r, 0);
    r.watch.chance = 256;
    complete(&r, 3);
    minute(&r);
    for (int i = 0; i < (int)COUNT(waits); i++) {
        r.now += waits[i] * s_ns - 100 * ms_ns;
        ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 20000, &next), WSRT_OK);
        ck_assert_int_eq(fake_aws_requests(r.base.fake), i + 1);
        ck_assert_uint_le(next, 101);
        r.now += 100 * ms_ns;
        ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 20000, &next), WSRT_OK);
        ck_assert_int_eq(fake_aws_requests(r.base.fake), i + 2);
    }
    close_rig(&r);
}
END_TEST

/* ---- what is bounded ------------------------------------------------------------------------ */

START_TEST(a_step_does_not_wait_for_cloudwatch)
{
    struct rig r;
    uint32_t next = 0;

    open_rig(&r, 0);
    r.watch.answer.manner = FAKE_SILENT;
    r.watch.chance = 256;
    complete(&r, 3);
    r.now += 60 * s_ns;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 0, &next), WSRT_OK);
        ck_assert_uint_eq(next, 10);
    }
    ck_assert_uint_eq(counts(&r).sent + counts(&r).failed + counts(&r).unsure, 0);
    ck_assert_uint_gt(counts(&r).queued_bytes, 0);
    close_rig(&r); /* and what is under way is given up */
}
END_TEST

START_TEST(steps_that_never_wait_come_to_an_end_too)
{
    struct rig r;
    uint32_t next = 0;

    open_rig(&r, 0);
    complete(&r, 3);
    r.now += 60 * s_ns;
    for (int i = 0; i < 1000000 && counts(&r).sent == 0; i++)
        ck_assert_int_eq(wsrt_aws_metrics_step(r.sink, 0, &next), WSRT_OK);
    ck_assert_double_eq(r.watch.completions, 3);
    close_rig(&r);
}
END_TEST

/* Makes every reading 120 KB and more. */
static void read_circuits(wsrt_samples *to, void *user)
{
    char service[1000];
    wsrt_field labels[] = {
        {.name_cstr = "Service", .text = {service, sizeof service}, .kind = WSRT_FIELD_TEXT},
        {.name_cstr = "Operation", .text = wsrt_span_cstr("call"), .kind = WSRT_FIELD_TEXT},
    };

    (void)user;
    for (int i = 0; i < 100; i++) {
        memset(service, 'x', sizeof service);
        service[0] = (char)('a' + i / 10);
        service[1] = (char)('a' + i % 10);
        ck_assert_int_eq(wsrt_sample(to, labels, 2, 1), WSRT_OK);
    }
}

START_TEST(the_oldest_goes_when_the_queue_is_full)
{
    wsrt_aws_metrics_options p = {.struct_size = sizeof p, .queue_bytes = 1 << 20};
    struct rig r;

    open_rig(&r, 0);
    wsrt_aws_metrics_free(r.sink);
    p.endpoint = wsrt_span_cstr(r.base.url);
    ck_assert_int_eq(wsrt_aws_metrics_new(&r.sink, r.base.aws, r.monitor, &p), WSRT_OK);
    ck_assert_int_eq(
        wsrt_monitor_source(r.monitor, "CircuitState", WSRT_SOURCE_GAUGE, read_circuits, &r),
        WSRT_OK);
    r.watch.chance = 256;
    for (int i = 0; i < 40; i++) {
        complete(&r, 1);
        minute(&r);
        ck_assert_uint_le(counts(&r).queued_bytes, 1 << 20);
    }
    uint64_t dropped = counts(&r).dropped;
    ck_assert_uint_gt(dropped, 0);
    r.watch.chance = 0;
    ck_assert_int_eq(wsrt_aws_metrics_flush(r.sink, 60000), WSRT_OK);
    ck_assert_double_lt(r.watch.completions, 40);
    ck_assert_double_gt(r.watch.completions, 0);
    ck_assert_double_eq(r.watch.last_timestamp, AWS_WALL + 1 + 40 * 60);
    close_rig(&r);
}
END_TEST

START_TEST(settings_without_sense_are_refused)
{
    wsrt_aws_metrics_options bad[6] = {0};
    wsrt_aws_metrics *sink;
    struct rig r;

    open_rig(&r, 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = (wsrt_aws_metrics_options){.struct_size = sizeof bad[i]};
    bad[0].interval_ms = 24 * 3600 * 1000 + 1;
    bad[1].queue_bytes = (1 << 20) - 1;
    bad[2].names = 3;
    bad[3].endpoint = wsrt_span_cstr("ftp://127.0.0.1");
    bad[4].struct_size = 4;
    bad[5].endpoint = wsrt_span_cstr("http://127.0.0.1/./");
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_int_eq(wsrt_aws_metrics_new(&sink, r.base.aws, r.monitor, &bad[i]),
                         WSRT_ERR_INVALID);
    bad[0] = (wsrt_aws_metrics_options){.struct_size = sizeof bad[0], .flags = 2};
    ck_assert_int_eq(wsrt_aws_metrics_new(&sink, r.base.aws, r.monitor, &bad[0]),
                     WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_aws_metrics_new(&sink, NULL, r.monitor, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_aws_metrics_new(&sink, r.base.aws, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_ptr_null(sink);
    ck_assert_int_eq(wsrt_aws_metrics_step(NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_aws_metrics_flush(NULL, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_aws_metrics_count(r.sink, NULL), WSRT_ERR_INVALID);
    wsrt_aws_metrics_free(NULL);
    close_rig(&r);
}
END_TEST

/* 1 when it went through; with refused memory nothing is lost: a flush with memory tells it all. */
static int sweep_once(struct rig *r, size_t n, int sticky)
{
    heap_arm(&r->heap, n, sticky);
    int rc = open_sink(r, 0);
    if (rc == WSRT_OK)
        rc = wsrt_aws_metrics_flush(r->sink, 20000);
    int tripped = r->heap.tripped;
    heap_arm(&r->heap, 0, 0);
    ck_assert(rc == WSRT_ERR_NOMEM || rc == WSRT_OK);
    if (r->sink != NULL) {
        r->watch.completions = rc == WSRT_OK ? r->watch.completions : 0;
        ck_assert_int_eq(wsrt_aws_metrics_flush(r->sink, 20000), WSRT_OK);
        ck_assert_double_eq(r->watch.completions, 3);
    }
    r->watch.completions = 0;
    wsrt_aws_metrics_free(r->sink);
    wsrt_aws_free(r->base.aws);
    r->sink = NULL;
    r->base.aws = NULL;
    ck_assert_uint_eq(r->heap.live, 0);
    return !tripped;
}

START_TEST(every_refused_allocation_leaves_nothing_behind_and_loses_nothing)
{
    struct rig r;

    start(&r);
    complete(&r, 3);
    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1; !sweep_once(&r, n, sticky); n++)
            r.heap.points++;
    ck_assert_uint_ge(r.heap.points, 10);
    printf("# allocation points: %zu\n", r.heap.points);
    close_rig(&r);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("aws_metrics");
    TCase *t = tcase_create("metrics");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_reading_goes_out_signed_when_its_interval_has_passed);
    tcase_add_test(t, each_reading_tells_what_came_since_the_last);
    tcase_add_test(t, a_flush_tells_the_rest);
    tcase_add_test(t, after_a_long_sleep_there_is_one_reading_and_not_one_a_minute);
    tcase_add_loop_test(t, nothing_is_lost_or_told_twice_while_cloudwatch_fails_now_and_then, 0,
                        COUNT(passing));
    tcase_add_loop_test(t, a_failing_flush_says_why_and_keeps_everything, 0, COUNT(passing));
    tcase_add_test(t, what_cloudwatch_calls_wrong_is_given_up_and_the_next_goes);
    tcase_add_loop_test(t, a_body_whose_answer_is_lost_is_told_again_only_on_request, 0, 2);
    tcase_add_test(t, a_body_that_a_kept_connection_has_lost_is_not_told_twice);
    tcase_add_test(t, a_body_that_could_not_be_sent_in_time_stays);
    tcase_add_test(t, a_machine_that_does_not_listen_loses_nothing);
    tcase_add_test(t, a_failing_cloudwatch_is_asked_ever_more_seldom);
    tcase_add_test(t, a_step_does_not_wait_for_cloudwatch);
    tcase_add_test(t, steps_that_never_wait_come_to_an_end_too);
    tcase_add_test(t, the_oldest_goes_when_the_queue_is_full);
    tcase_add_test(t, settings_without_sense_are_refused);
    tcase_add_test(t, every_refused_allocation_leaves_nothing_behind_and_loses_nothing);
    suite_add_tcase(s, t);
    return s;
}
