/* The adapters that talk to services, through a proxy that does to their connections what networks do.
 * Each call comes back in its time, a WSRT_OK is a true one, and when the network is well again so is the
 * adapter, with the same objects. WSRT_FAULT_ROUNDS says how many calls a fault gets. */
#include "suite.h"

#include "aws_rig.h"
#include "fault_proxy.h"
#include "runtime_api.h"

#include <wsrt/jwt.h>
#include <wsrt/lambda.h>
#include <wsrt/mock.h>
#include <wsrt/monitor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTEMPT_MS = 150, CALL_MS = 600, SLACK_MS = 5000, TRIES = 6 };

static struct aws_rig rig;
static struct fault_proxy *proxy;
static int calls, failures;

static int rounds(void)
{
    const char *wanted = getenv("WSRT_FAULT_ROUNDS");

    return wanted == NULL ? 4 : atoi(wanted);
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static wsrt_aws_options impatient(void)
{
    wsrt_aws_options o = aws_rig_options(&rig);

    o.attempts = 2;
    o.timeout_ms = ATTEMPT_MS;
    o.connect_timeout_ms = ATTEMPT_MS;
    return o;
}

static void start(int fault)
{
    aws_rig_start(&rig, aws_serve);
    proxy = fault_proxy_start(fake_aws_port(rig.fake), (uint64_t)fault);
    snprintf(rig.url, sizeof rig.url, "http://127.0.0.1:%d", fault_proxy_port(proxy));
    calls = failures = 0;
}

static void stop(void)
{
    fault_proxy_stop(proxy);
    aws_rig_close(&rig);
}

/* ---- a call through a fault ----------------------------------------------------------------- */

/* Makes one call; a status. */
typedef int (*call_fn)(void);

/* Whatever it says, it says in time; success means that the service has been asked. */
static int judged(call_fn call)
{
    int asked = fake_aws_requests(rig.fake);
    int64_t began = now_ms();
    int rc = call();

    ck_assert_int_lt(now_ms() - began, CALL_MS + SLACK_MS);
    if (rc == WSRT_OK)
        ck_assert_int_gt(fake_aws_requests(rig.fake), asked);
    calls++;
    failures += rc != WSRT_OK;
    return rc;
}

/* Without a fault: kept connections may be silent for ever, and a busy machine is late. */
static void succeed(call_fn call)
{
    int rc = WSRT_ERR_UNAVAILABLE;

    for (int i = 0; i < TRIES && rc != WSRT_OK; i++)
        rc = judged(call);
    ck_assert_int_eq(rc, WSRT_OK);
}

static void go_through(int fault, const char *what, call_fn call)
{
    succeed(call); /* now a connection is kept */
    fault_proxy_set(proxy, (enum fault)fault);
    for (int i = 0; i < rounds(); i++)
        (void)judged(call);
    fault_proxy_set(proxy, FAULT_NONE);
    succeed(call);
    printf("# network: %s through %s, %d calls, %d failed, %d connections\n", what,
           fault_name(fault), calls, failures, fault_proxy_connections(proxy));
}

/* ---- the Management API --------------------------------------------------------------------- */

static wsrt_post post_of(const char *text)
{
    wsrt_env env = {.struct_size = sizeof env};

    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    return (wsrt_post){.struct_size = sizeof(wsrt_post),
                       .data = wsrt_span_cstr(text),
                       .deadline = env.now(env.user) + CALL_MS * INT64_C(1000000)};
}

static int post_one(void)
{
    wsrt_span id = wsrt_span_cstr("a");
    wsrt_post post = post_of("hello");

    return rig.sender.ops->post(rig.sender.self, &id, &post);
}

/* To eight at once; the result is the first that is not WSRT_OK. */
static int post_many(void)
{
    wsrt_span ids[8];
    int results[8], rc;
    wsrt_post post = post_of("hello");

    for (int i = 0; i < 8; i++)
        ids[i] = wsrt_span_cstr("a");
    rc = rig.sender.ops->post_many(rig.sender.self, ids, 8, &post, results);
    for (int i = 0; i < 8 && rc == WSRT_OK; i++)
        rc = results[i];
    return rc;
}

static void post_through(int fault, const char *what, call_fn call)
{
    start(fault);
    wsrt_aws_options o = impatient();
    aws_rig_sender(&rig, &o, 0);
    go_through(fault, what, call);
    stop();
}

START_TEST(a_post_comes_back_in_time_and_the_sender_recovers)
{
    post_through(_i + 1, "posts", post_one);
}
END_TEST

START_TEST(posts_to_many_come_back_in_time_and_the_sender_recovers)
{
    post_through(_i + 1, "posts to many", post_many);
}
END_TEST

/* ---- DynamoDB ------------------------------------------------------------------------------- */

static int put_record(void)
{
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = wsrt_span_cstr("c1"),
                     .connected_at = 1,
                     .expires_at = AWS_WALL + 600};

    return rig.store.ops->put(rig.store.self, &r, 0, AWS_WALL);
}

START_TEST(a_record_is_stored_in_time_or_not_and_the_store_recovers)
{
    static const struct aws_step empty = {.status = 200};
    int fault = _i + 1;

    start(fault);
    rig.script.steps = &empty;
    rig.script.step_count = rig.script.sums = 1;
    wsrt_aws_options o = impatient();
    aws_rig_tables(&rig, &o, WSRT_AWS_SHAPE_A);
    go_through(fault, "records", put_record);
    stop();
}
END_TEST

/* ---- keys ----------------------------------------------------------------------------------- */

static wsrt_jwks_fetcher fetcher;

static int fetch_keys(void)
{
    char body[512];
    wsrt_jwks_fetch f = {.struct_size = sizeof f,
                         .url = wsrt_span_cstr(rig.url),
                         .dst = body,
                         .cap = sizeof body,
                         .timeout_ms = CALL_MS};
    int rc = fetcher.ops->fetch(fetcher.self, &f);

    if (rc == WSRT_OK)
        ck_assert_uint_le(f.len, sizeof body);
    return rc;
}

static void serve_keys(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    (void)user;
    (void)q;
    answer->status = 200;
    strcpy(answer->body, "{\"keys\":[]}");
}

START_TEST(keys_are_fetched_in_time_or_not_and_later_they_are)
{
    int fault = _i + 1;

    aws_rig_start(&rig, serve_keys);
    proxy = fault_proxy_start(fake_aws_port(rig.fake), (uint64_t)fault);
    snprintf(rig.url, sizeof rig.url, "http://127.0.0.1:%d/keys", fault_proxy_port(proxy));
    calls = failures = 0;
    wsrt_aws_options o = impatient();
    ck_assert_int_eq(wsrt_aws_new(&rig.aws, &o), WSRT_OK);
    wsrt_aws_jwks_interface(rig.aws, &fetcher);
    go_through(fault, "keys", fetch_keys);
    stop();
}
END_TEST

/* ---- CloudWatch ----------------------------------------------------------------------------- */

static wsrt_monitor *monitor;
static wsrt_aws_metrics *sink;

static int flush_metrics(void)
{
    wsrt_op op;

    ck_assert_int_eq(wsrt_op_start(monitor, NULL, WSRT_OP_CONVERSATION, 1, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, 2, NULL), WSRT_OK);
    return wsrt_aws_metrics_flush(sink, CALL_MS);
}

START_TEST(metrics_are_told_in_time_or_kept_and_later_told)
{
    int fault = _i + 1;

    start(fault);
    wsrt_aws_options o = impatient();
    wsrt_monitor_options mo = {.struct_size = sizeof mo, .env = &rig.env};
    ck_assert_int_eq(wsrt_aws_new(&rig.aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_new(&monitor, &mo), WSRT_OK);
    wsrt_aws_metrics_options so = {.struct_size = sizeof so, .endpoint = wsrt_span_cstr(rig.url)};
    ck_assert_int_eq(wsrt_aws_metrics_new(&sink, rig.aws, monitor, &so), WSRT_OK);
    go_through(fault, "metrics", flush_metrics);
    wsrt_aws_metrics_free(sink);
    wsrt_monitor_free(monitor);
    stop();
}
END_TEST

/* ---- the Runtime API ------------------------------------------------------------------------ */

/* Waiting for work has no deadline, so faults that keep silence are none of these. */
static const enum fault of_lambda[] = {FAULT_DELAY, FAULT_DRIP,  FAULT_PIECES,
                                       FAULT_CUT,   FAULT_RESET, FAULT_UNAVAILABLE};

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

static void push_events(struct runtime_api *api, int n)
{
    static const char event[] =
        "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"},\"body\":\"hi\"}";

    for (int i = 0; i < n; i++)
        runtime_api_push(api, &(struct api_plan){.event = event});
}

static wsrt_runtime *make_function(wsrt_mock *mock)
{
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS};
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = echo};
    wsrt_runtime *rt;
    wsrt_env env;

    wsrt_mock_env(mock, &env);
    parts.env = &env;
    ck_assert_int_eq(wsrt_runtime_new(&rt, &parts), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    return rt;
}

/* What has arrived is whole, and nothing is answered twice in a row by mistake of ours. */
static void judge_results(struct runtime_api *api)
{
    for (size_t i = 0; i < runtime_api_results(api); i++) {
        const struct api_result *r = runtime_api_result(api, i);
        ck_assert_str_eq(r->kind, "response");
        ck_assert_str_eq(r->body, "{\"statusCode\":200,\"body\":\"hi\",\"isBase64Encoded\":false}");
    }
}

START_TEST(a_function_answers_whole_or_ends_and_a_new_one_goes_on)
{
    enum fault fault = of_lambda[_i];
    struct runtime_api *api = runtime_api_start();
    int port = atoi(strrchr(runtime_api_endpoint(api), ':') + 1), ended = 0, wanted = rounds() * 2;
    char endpoint[32];
    wsrt_mock *mock;

    proxy = fault_proxy_start(port, (uint64_t)fault);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", fault_proxy_port(proxy));
    ck_assert_int_eq(wsrt_mock_new(&mock, NULL), WSRT_OK);
    wsrt_runtime *rt = make_function(mock);
    wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                .metrics_fd = -1,
                                .endpoint = wsrt_span_cstr(endpoint),
                                .max_invocations = 1};
    push_events(api, wanted * 4);
    fault_proxy_set(proxy, fault);
    for (int i = 0; i < wanted; i++)
        ended += wsrt_lambda_run(rt, &opts) != WSRT_OK;
    fault_proxy_set(proxy, FAULT_NONE);
    ck_assert_int_eq(wsrt_lambda_run(rt, &opts), WSRT_OK);
    judge_results(api);
    ck_assert_uint_ge(runtime_api_results(api), 1);
    printf("# network: events through %s, %d runs, %d ended early, %zu results\n",
           fault_name(fault), wanted, ended, runtime_api_results(api));
    runtime_api_stop(api);
    fault_proxy_stop(proxy);
    wsrt_runtime_free(rt);
    wsrt_mock_free(mock);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("network_faults");
    TCase *t = tcase_create("faults");

    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, a_post_comes_back_in_time_and_the_sender_recovers, 0, FAULTS - 1);
    tcase_add_loop_test(t, posts_to_many_come_back_in_time_and_the_sender_recovers, 0, FAULTS - 1);
    tcase_add_loop_test(t, a_record_is_stored_in_time_or_not_and_the_store_recovers, 0, FAULTS - 1);
    tcase_add_loop_test(t, keys_are_fetched_in_time_or_not_and_later_they_are, 0, FAULTS - 1);
    tcase_add_loop_test(t, metrics_are_told_in_time_or_kept_and_later_told, 0, FAULTS - 1);
    tcase_add_loop_test(t, a_function_answers_whole_or_ends_and_a_new_one_goes_on, 0,
                        sizeof of_lambda / sizeof *of_lambda);
    suite_add_tcase(s, t);
    return s;
}
