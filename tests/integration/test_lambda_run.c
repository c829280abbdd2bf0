/* The loop over the Runtime API, against one that misbehaves on demand. */
#include "heap.h"
#include "runtime_api.h"
#include "suite.h"

#include <wsrt/lambda.h>
#include <wsrt/mock.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT(kind, body)                                                                          \
    "{\"requestContext\":{\"eventType\":\"" kind "\",\"connectionId\":\"c1\"},\"body\":\"" body    \
    "\"}"
#define RESULT(body) "{\"statusCode\":200,\"body\":\"" body "\",\"isBase64Encoded\":false}"

static struct runtime_api *api;
static wsrt_mock *mock;
static wsrt_runtime *rt;
static wsrt_lambda_options opts;
static unsigned handled;
static const wsrt_authenticator *authenticator;

/* What a handler saw last. */
static int64_t seen_deadline;
static char seen_correlation[160];

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_span id = wsrt_context_correlation_id(ctx);

    (void)user;
    handled++;
    seen_deadline = wsrt_context_deadline(ctx);
    snprintf(seen_correlation, sizeof seen_correlation, "%.*s", (int)id.len, id.ptr);
    return wsrt_reply(ctx, req->event->body);
}

static void add_route(const char *key, wsrt_handler handler)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler};

    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
}

static void make_runtime(const wsrt_allocator *allocator)
{
    wsrt_env env;
    wsrt_runtime_options parts = {.struct_size = sizeof parts,
                                  .flags = WSRT_RUNTIME_NO_LIMITS,
                                  .env = &env,
                                  .authenticator = authenticator};

    if (allocator != NULL)
        parts.allocator = *allocator;
    wsrt_mock_env(mock, &env);
    ck_assert_int_eq(wsrt_runtime_new(&rt, &parts), WSRT_OK);
    add_route("$default", echo);
}

static void setup(void)
{
    handled = 0;
    authenticator = NULL;
    api = runtime_api_start();
    ck_assert_int_eq(wsrt_mock_new(&mock, NULL), WSRT_OK);
    make_runtime(NULL);
    opts = (wsrt_lambda_options){.struct_size = sizeof opts,
                                 .metrics_fd = -1,
                                 .endpoint = wsrt_span_cstr(runtime_api_endpoint(api))};
}

static void teardown(void)
{
    runtime_api_stop(api);
    wsrt_runtime_free(rt);
    wsrt_mock_free(mock);
}

static void push(const char *event, int faults)
{
    runtime_api_push(api, &(struct api_plan){.event = event, .faults = faults});
}

static int run(uint64_t invocations)
{
    opts.max_invocations = invocations;
    return wsrt_lambda_run(rt, &opts);
}

static void check_result(size_t n, const char *kind, const char *id, const char *body)
{
    const struct api_result *r = runtime_api_result(api, n);

    ck_assert_str_eq(r->kind, kind);
    ck_assert_str_eq(r->request_id, id);
    if (body != NULL)
        ck_assert_str_eq(r->body, body);
}

static unsigned logged(const char *event)
{
    wsrt_mock_record r = {.struct_size = sizeof r};
    unsigned n = 0;

    for (size_t i = 0; wsrt_mock_get(mock, WSRT_MOCK_LOG, i, &r) == WSRT_OK; i++)
        n += strcmp(r.data.ptr, event) == 0;
    return n;
}

/* ---- a good interface --------------------------------------------------------------------- */

START_TEST(an_event_is_handled_and_its_result_posted)
{
    push(EVENT("MESSAGE", "hi"), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "response", "req-1", RESULT("hi"));
    ck_assert_str_eq(runtime_api_result(api, 0)->error_type, "");
    ck_assert_uint_eq(handled, 1);
}
END_TEST

START_TEST(invocations_share_one_connection)
{
    for (int i = 0; i < 5; i++)
        push(EVENT("MESSAGE", "hi"), 0);
    ck_assert_int_eq(run(5), WSRT_OK);
    check_result(4, "response", "req-5", RESULT("hi"));
    ck_assert_uint_eq(runtime_api_connections(api), 1);
}
END_TEST

START_TEST(head_and_body_leave_in_one_write)
{
    push(EVENT("MESSAGE", "hi"), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_int_eq(runtime_api_result(api, 0)->one_segment, 1);
}
END_TEST

static const int deliveries[] = {API_CHUNKED,
                                 API_SPLIT,
                                 API_CHUNKED | API_SPLIT,
                                 API_INTERIM,
                                 API_INTERIM | API_CHUNKED | API_SPLIT,
                                 API_CLOSE_HEADER};

START_TEST(events_arrive_in_any_form_http_allows)
{
    push(EVENT("MESSAGE", "one"), deliveries[_i]);
    push(EVENT("MESSAGE", "two"), deliveries[_i]);
    ck_assert_int_eq(run(2), WSRT_OK);
    check_result(0, "response", "req-1", RESULT("one"));
    check_result(1, "response", "req-2", RESULT("two"));
    ck_assert_uint_eq(logged("lambda_next_failed"), 0);
}
END_TEST

START_TEST(an_event_larger_than_the_first_buffer_arrives_whole)
{
    static char event[60000];
    int n = snprintf(event, sizeof event, "%s",
                     "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"},"
                     "\"body\":\"");

    memset(event + n, 'x', 50000);
    strcpy(event + n + 50000, "\"}");
    for (int form = 0; form < 2; form++)
        push(event, form == 0 ? 0 : API_CHUNKED);
    ck_assert_int_eq(run(2), WSRT_OK);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(runtime_api_result(api, i)->body_len, 50000 + strlen(RESULT("")));
}
END_TEST

/* On the monotonic clock, and soon enough for the answer to get out. */
static const struct {
    int64_t left_ms, told_ms;
} deadlines[] = {{2500, 2250}, {5000, 4500}, {29000, 28500}, {9, 9}};

START_TEST(a_deadline_leaves_a_tenth_of_the_time_for_the_answer_and_at_most_half_a_second)
{
    runtime_api_push(api, &(struct api_plan){.event = EVENT("MESSAGE", "hi"),
                                             .deadline_ms = 1795168800000 + deadlines[_i].left_ms});
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_int_eq(seen_deadline, 1000000000 + deadlines[_i].told_ms * 1000000);
}
END_TEST

START_TEST(a_deadline_that_has_passed_is_not_no_deadline)
{
    runtime_api_push(
        api, &(struct api_plan){.event = EVENT("MESSAGE", "hi"), .deadline_ms = 1795168799999});
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_int_eq(seen_deadline, 1000000000);
}
END_TEST

START_TEST(a_traces_root_is_the_correlation_id)
{
    runtime_api_push(api, &(struct api_plan){.event = EVENT("MESSAGE", "hi"),
                                             .trace_id = "Root=1-6920a1b2-0123456789abcdef01234567;"
                                                         "Parent=0011223344556677;Sampled=0"});
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_str_eq(seen_correlation, "1-6920a1b2-0123456789abcdef01234567");
}
END_TEST

/* ---- results ------------------------------------------------------------------------------ */

static int refuse(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req, (void)user;
    ck_assert_int_eq(wsrt_respond_header(ctx, wsrt_span_cstr("X-Why"), wsrt_span_cstr("no")),
                     WSRT_OK);
    return wsrt_respond(ctx, 403, wsrt_span_cstr("go away"));
}

START_TEST(a_refused_connect_says_so_with_status_headers_and_body)
{
    add_route("$connect", refuse);
    push(EVENT("CONNECT", ""), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "response", "req-1",
                 "{\"statusCode\":403,\"headers\":{\"X-Why\":\"no\"},\"body\":\"go away\","
                 "\"isBase64Encoded\":false}");
}
END_TEST

static int fail_disconnect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req, (void)user;
    handled++;
    wsrt_respond_header(ctx, wsrt_span_cstr("X-Nobody"), wsrt_span_cstr("reads this"));
    return wsrt_fail(ctx, WSRT_ERR_UNAVAILABLE, NULL, NULL);
}

START_TEST(a_disconnect_is_always_200)
{
    add_route("$disconnect", fail_disconnect);
    push(EVENT("DISCONNECT", ""), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "response", "req-1", "{\"statusCode\":200}");
    ck_assert_uint_eq(handled, 1);
}
END_TEST

static const struct {
    const char *event, *type, *json;
} failures[] = {
    {"secret-text{", "Wsrt.MalformedEvent",
     "{\"errorMessage\":\"the event is not JSON\",\"errorType\":\"Wsrt.MalformedEvent\","
     "\"stackTrace\":[]}"},
    {"{\"secret\":\"text\"}", "Wsrt.UnsupportedEvent",
     "{\"errorMessage\":\"no route here takes such an event\",\"errorType\":"
     "\"Wsrt.UnsupportedEvent\",\"stackTrace\":[]}"},
    {"{\"requestContext\":{\"eventType\":\"MESSAGE\"},\"body\":\"secret\"}", "Wsrt.InvalidEvent",
     "{\"errorMessage\":\"the event lacks a member or breaks its shape\",\"errorType\":"
     "\"Wsrt.InvalidEvent\",\"stackTrace\":[]}"},
};

START_TEST(an_event_that_cannot_be_handled_is_an_error_result_and_tells_nothing)
{
    push(failures[_i].event, 0);
    push(EVENT("MESSAGE", "hi"), 0);
    ck_assert_int_eq(run(2), WSRT_OK);
    check_result(0, "error", "req-1", failures[_i].json);
    ck_assert_str_eq(runtime_api_result(api, 0)->error_type, failures[_i].type);
    check_result(1, "response", "req-2", RESULT("hi"));
    ck_assert_uint_eq(handled, 1);
}
END_TEST

START_TEST(an_event_over_the_cap_is_an_error_result_and_no_end)
{
    for (int form = 0; form < 2; form++) {
        push(EVENT("MESSAGE", "0123456789012345678901234567890123456789"),
             form == 0 ? 0 : API_CHUNKED);
        push(EVENT("MESSAGE", "hi"), 0);
    }
    opts.max_event = 90;
    ck_assert_int_eq(run(4), WSRT_OK);
    for (size_t i = 0; i < 4; i += 2) {
        ck_assert_str_eq(runtime_api_result(api, i)->error_type, "Wsrt.EventTooLarge");
        check_result(i + 1, "response", i == 0 ? "req-2" : "req-4", RESULT("hi"));
    }
    ck_assert_uint_eq(handled, 2);
}
END_TEST

/* ---- the interface's answers to posts ----------------------------------------------------- */

static const struct {
    int status, result; /* of the loop */
    size_t posts;
    const char *last_kind, *log;
} posts[] = {
    {202, WSRT_OK, 2, "response", NULL},
    {200, WSRT_OK, 2, "response", NULL},
    {400, WSRT_OK, 2, "response", "lambda_result_refused"},
    {403, WSRT_OK, 2, "response", "lambda_result_refused"},
    {404, WSRT_OK, 2, "response", "lambda_result_refused"},
    {413, WSRT_OK, 3, "response", "lambda_result_refused"},
    {500, WSRT_ERR_UNAVAILABLE, 1, "response", "lambda_interface_broken"},
    {503, WSRT_ERR_UNAVAILABLE, 1, "response", "lambda_interface_broken"},
};

START_TEST(each_answer_to_a_result_has_its_reaction)
{
    runtime_api_push(
        api, &(struct api_plan){.event = EVENT("MESSAGE", "one"), .post_status = posts[_i].status});
    push(EVENT("MESSAGE", "two"), 0);
    ck_assert_int_eq(run(2), posts[_i].result);
    ck_assert_uint_eq(runtime_api_results(api), posts[_i].posts);
    check_result(0, "response", "req-1", RESULT("one"));
    if (posts[_i].result == WSRT_OK)
        check_result(posts[_i].posts - 1, "response", "req-2", RESULT("two"));
    if (posts[_i].log != NULL)
        ck_assert_uint_eq(logged(posts[_i].log), 1);
    else
        ck_assert_uint_eq(wsrt_mock_count(mock, WSRT_MOCK_LOG), 0);
}
END_TEST

START_TEST(a_result_too_large_becomes_an_error_result_of_the_same_invocation)
{
    runtime_api_push(api, &(struct api_plan){.event = EVENT("MESSAGE", "one"), .post_status = 413});
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(1, "error", "req-1",
                 "{\"errorMessage\":\"the response is too large\",\"errorType\":"
                 "\"Function.ResponseSizeTooLarge\",\"stackTrace\":[]}");
    ck_assert_str_eq(runtime_api_result(api, 1)->error_type, "Function.ResponseSizeTooLarge");
}
END_TEST

START_TEST(a_refused_error_result_is_dropped)
{
    runtime_api_push(api, &(struct api_plan){.event = "{", .post_status = 413});
    push(EVENT("MESSAGE", "two"), 0);
    ck_assert_int_eq(run(2), WSRT_OK);
    ck_assert_uint_eq(runtime_api_results(api), 2);
    check_result(1, "response", "req-2", RESULT("two"));
}
END_TEST

/* ---- authorizers -------------------------------------------------------------------------- */

static int judge(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    wsrt_principal who = {.struct_size = sizeof who, .user_id = *token};

    (void)self;
    (void)wall;
    if (wsrt_span_equal(*token, wsrt_span_cstr("down")))
        return WSRT_ERR_UNAVAILABLE;
    if (wsrt_span_equal(*token, wsrt_span_cstr("ann")))
        return wsrt_auth_result_set(out, &who);
    out->reason = WSRT_AUTH_INVALID_TOKEN;
    return WSRT_ERR_UNAUTHENTICATED;
}

static const wsrt_authenticator_ops judge_ops = {.struct_size = sizeof judge_ops,
                                                 .authenticate = judge};
static const wsrt_authenticator judge_all = {&judge_ops, NULL};

static const struct {
    const char *query, *kind, *type, *body;
} authorizations[] = {
    {"{\"token\":\"ann\"}", "response", "",
     "{\"principalId\":\"ann\",\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[{"
     "\"Action\":\"execute-api:Invoke\",\"Effect\":\"Allow\",\"Resource\":\"arn:x\"}]},"
     "\"context\":{\"userId\":\"ann\"}}"},
    {"{\"token\":\"eve\"}", "error", "Wsrt.Unauthorized",
     "{\"errorMessage\":\"Unauthorized\",\"errorType\":\"Wsrt.Unauthorized\",\"stackTrace\":[]}"},
    {"null", "error", "Wsrt.Unauthorized",
     "{\"errorMessage\":\"Unauthorized\",\"errorType\":\"Wsrt.Unauthorized\",\"stackTrace\":[]}"},
    {"{\"token\":\"down\"}", "error", "Wsrt.AuthenticationUnavailable", NULL},
};

START_TEST(an_authorizer_answers_with_a_policy_or_the_word_that_means_401)
{
    char event[256];

    authenticator = &judge_all;
    wsrt_runtime_free(rt);
    make_runtime(NULL);
    snprintf(event, sizeof event,
             "{\"type\":\"REQUEST\",\"methodArn\":\"arn:x\",\"queryStringParameters\":%s}",
             authorizations[_i].query);
    push(event, 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, authorizations[_i].kind, "req-1", authorizations[_i].body);
    ck_assert_str_eq(runtime_api_result(api, 0)->error_type, authorizations[_i].type);
}
END_TEST

START_TEST(an_authorizer_that_has_nobody_to_ask_fails)
{
    push("{\"type\":\"REQUEST\",\"methodArn\":\"arn:x\"}", 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "error", "req-1", NULL);
    ck_assert_str_eq(runtime_api_result(api, 0)->error_type, "Wsrt.UnsupportedEvent");
}
END_TEST

/* ---- connections that die ----------------------------------------------------------------- */

START_TEST(a_kept_connection_that_died_is_replaced_without_a_word)
{
    for (int i = 0; i < 5; i++)
        push(EVENT("MESSAGE", "hi"), API_STALE);
    ck_assert_int_eq(run(5), WSRT_OK);
    check_result(4, "response", "req-5", RESULT("hi"));
    ck_assert_uint_eq(runtime_api_connections(api), 5);
    ck_assert_uint_eq(logged("lambda_next_failed"), 0);
}
END_TEST

START_TEST(a_post_that_met_a_close_is_repeated_on_a_new_connection)
{
    push(EVENT("MESSAGE", "hi"), API_CLOSE_POST);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "response", "req-1", RESULT("hi"));
    ck_assert_uint_eq(runtime_api_result(api, 0)->connection, 2);
    ck_assert_uint_eq(handled, 1);
}
END_TEST

START_TEST(a_post_that_cannot_be_delivered_ends_the_loop)
{
    push(EVENT("MESSAGE", "hi"), API_CLOSE_POSTS);
    ck_assert_int_eq(run(1), WSRT_ERR_UNAVAILABLE);
    ck_assert_uint_eq(runtime_api_connections(api), 2);
    ck_assert_uint_eq(runtime_api_results(api), 0);
}
END_TEST

static const struct api_plan no_work[] = {
    {.next_status = 403},   {.next_status = 500},    {.next_status = 503},  {.faults = API_NO_ID},
    {.faults = API_BAD_ID}, {.faults = API_GARBAGE}, {.faults = API_CLOSE}, {.faults = API_CUT},
};

START_TEST(two_failures_in_a_row_are_survived)
{
    for (int round = 0; round < 2; round++) {
        runtime_api_push(api, &no_work[_i]);
        runtime_api_push(api, &no_work[_i]);
        push(EVENT("MESSAGE", "hi"), API_CLOSE_HEADER);
    }
    ck_assert_int_eq(run(2), WSRT_OK);
    check_result(0, "response", "req-3", RESULT("hi"));
    check_result(1, "response", "req-6", RESULT("hi"));
    ck_assert_uint_eq(handled, 2);
}
END_TEST

START_TEST(three_failures_in_a_row_end_the_loop)
{
    for (int i = 0; i < 3; i++)
        runtime_api_push(api, &no_work[_i]);
    ck_assert_int_eq(run(1), WSRT_ERR_UNAVAILABLE);
    ck_assert_uint_eq(handled, 0);
    ck_assert_uint_eq(runtime_api_nexts(api), 3);
    ck_assert_uint_eq(runtime_api_results(api), 0);
    ck_assert_uint_eq(logged("lambda_next_failed"), 3);
}
END_TEST

START_TEST(nobody_at_the_endpoint_ends_the_loop)
{
    char endpoint[32];
    struct runtime_api *other = runtime_api_start();

    snprintf(endpoint, sizeof endpoint, "%s", runtime_api_endpoint(other));
    runtime_api_stop(other);
    opts.endpoint = wsrt_span_cstr(endpoint);
    ck_assert_int_eq(run(1), WSRT_ERR_UNAVAILABLE);
}
END_TEST

/* ---- stopping ----------------------------------------------------------------------------- */

static void *run_for_ever(void *user)
{
    *(int *)user = run(0);
    return NULL;
}

START_TEST(a_stop_ends_the_wait_for_work)
{
    pthread_t thread;
    int rc = 1;

    push(EVENT("MESSAGE", "hi"), 0);
    pthread_create(&thread, NULL, run_for_ever, &rc);
    runtime_api_wait_nexts(api, 2);
    wsrt_lambda_stop();
    pthread_join(thread, NULL);
    ck_assert_int_eq(rc, WSRT_OK);
    ck_assert_uint_eq(runtime_api_results(api), 1);
}
END_TEST

static int stop_here(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_lambda_stop();
    return echo(ctx, req, user);
}

START_TEST(a_stop_lets_the_invocation_under_way_finish)
{
    add_route("stop", stop_here);
    push("{\"requestContext\":{\"eventType\":\"MESSAGE\",\"routeKey\":\"stop\",\"connectionId\":"
         "\"c1\"},\"body\":\"last\"}",
         0);
    push(EVENT("MESSAGE", "never"), 0);
    ck_assert_int_eq(run(0), WSRT_OK);
    check_result(0, "response", "req-1", RESULT("last"));
    ck_assert_uint_eq(runtime_api_nexts(api), 1);
}
END_TEST

START_TEST(a_stop_before_the_start_is_not_lost_and_holds_once)
{
    push(EVENT("MESSAGE", "hi"), 0);
    wsrt_lambda_stop();
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_uint_eq(runtime_api_nexts(api), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_uint_eq(handled, 1);
}
END_TEST

/* ---- settings ----------------------------------------------------------------------------- */

static const char *const bad_endpoints[] = {"127.0.0.1", "127.0.0.1:",      "127.0.0.1:0",
                                            ":9001",     "127.0.0.1:65536", "127.0.0.1:90x",
                                            "host:9001", "[::1:9001",       "http://127.0.0.1:1"};

START_TEST(an_endpoint_is_a_numeric_address_and_a_port)
{
    opts.endpoint = wsrt_span_cstr(bad_endpoints[_i]);
    ck_assert_int_eq(run(1), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(the_endpoint_comes_from_the_environment)
{
    opts.endpoint = wsrt_span_cstr(NULL);
    unsetenv("AWS_LAMBDA_RUNTIME_API");
    ck_assert_int_eq(run(1), WSRT_ERR_INVALID);
    setenv("AWS_LAMBDA_RUNTIME_API", runtime_api_endpoint(api), 1);
    push(EVENT("MESSAGE", "hi"), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_uint_eq(handled, 1);
    unsetenv("AWS_LAMBDA_RUNTIME_API");
}
END_TEST

START_TEST(localhost_is_the_loopback_address)
{
    char endpoint[40];

    snprintf(endpoint, sizeof endpoint, "localhost%s", strchr(runtime_api_endpoint(api), ':'));
    opts.endpoint = wsrt_span_cstr(endpoint);
    push(EVENT("MESSAGE", "hi"), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
}
END_TEST

START_TEST(bad_settings_are_refused)
{
    ck_assert_int_eq(wsrt_lambda_run(NULL, &opts), WSRT_ERR_INVALID);
    opts.kind = 4;
    ck_assert_int_eq(run(1), WSRT_ERR_INVALID);
    opts.kind = 0;
    opts.struct_size = 8;
    ck_assert_int_eq(run(1), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_function_bound_to_one_kind_takes_minimal_events)
{
    opts.kind = WSRT_LAMBDA_DISCONNECT;
    push("{\"requestContext\":{\"connectionId\":\"c1\"}}", 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "response", "req-1", "{\"statusCode\":200}");
}
END_TEST

/* ---- one event by hand -------------------------------------------------------------------- */

static void keep_json(const void *json, size_t len, void *user)
{
    snprintf(user, 256, "%.*s", (int)len, (const char *)json);
}

START_TEST(one_event_can_be_handled_without_the_interface)
{
    char json[256] = "";
    wsrt_span event = wsrt_span_cstr(EVENT("MESSAGE", "hi"));

    ck_assert_int_eq(wsrt_lambda_handle(rt, event, NULL, keep_json, json), WSRT_OK);
    ck_assert_str_eq(json, RESULT("hi"));
    ck_assert_int_eq(seen_deadline, INT64_MAX);
    ck_assert_int_eq(wsrt_lambda_handle(NULL, event, NULL, keep_json, json), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_lambda_handle(rt, event, NULL, NULL, json), WSRT_ERR_INVALID);
}
END_TEST

/* ---- streams ------------------------------------------------------------------------------ */

#define STREAM(key) "{\"Records\":[{\"eventSource\":\"aws:dynamodb\",\"eventID\":\"" key "\"}]}"

static int process(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    if (strstr(req->event->body.ptr, "fail") != NULL)
        return WSRT_ERR_UNAVAILABLE;
    if (strstr(req->event->body.ptr, "part") != NULL)
        return wsrt_reply(ctx,
                          wsrt_span_cstr("{\"batchItemFailures\":[{\"itemIdentifier\":\"7\"}]}"));
    return WSRT_OK;
}

START_TEST(the_answer_to_a_stream_is_the_invocations_result_as_it_is)
{
    add_route("$stream", process);
    push(STREAM("all"), 0);
    push(STREAM("part"), 0);
    ck_assert_int_eq(run(2), WSRT_OK);
    check_result(0, "response", "req-1", "{\"batchItemFailures\":[]}");
    check_result(1, "response", "req-2", "{\"batchItemFailures\":[{\"itemIdentifier\":\"7\"}]}");
}
END_TEST

START_TEST(a_stream_that_fails_is_an_invocation_that_failed)
{
    push(STREAM("nobody"), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(0, "error", "req-1", NULL);
    ck_assert_str_eq(runtime_api_result(api, 0)->error_type, "Wsrt.UnsupportedEvent");
    wsrt_runtime_free(rt);
    make_runtime(NULL);
    add_route("$stream", process);
    push(STREAM("fail"), 0);
    ck_assert_int_eq(run(1), WSRT_OK);
    check_result(1, "error", "req-2", NULL);
    ck_assert_str_eq(runtime_api_result(api, 1)->error_type, "Wsrt.InternalError");
}
END_TEST

/* ---- memory and descriptors --------------------------------------------------------------- */

/* Serves two events with the n-th allocation failing. */
static int serve_two(struct heap *heap, size_t n, int sticky)
{
    size_t before = runtime_api_results(api);
    char event[4096], body[2000] = {0};

    memset(body, 'x', sizeof body - 1); /* more than goes without memory */
    snprintf(event, sizeof event, EVENT("MESSAGE", "%s"), body);
    wsrt_runtime_free(rt);
    make_runtime(NULL);
    opts.allocator = heap->allocator;
    push(EVENT("MESSAGE", "one"), 0);
    push(event, 0);
    heap_arm(heap, n, sticky);
    int rc = run(2);
    ck_assert_uint_eq(heap->live, 0);
    if (rc == WSRT_ERR_NOMEM) { /* at the start: serve what was pushed, for the next round */
        ck_assert_uint_eq(runtime_api_results(api), before);
        heap_arm(heap, 0, 0);
        ck_assert_int_eq(run(2), WSRT_OK);
        return rc;
    }
    ck_assert_int_eq(rc, WSRT_OK);
    for (size_t i = before; i < before + 2; i++) {
        const struct api_result *r = runtime_api_result(api, i);
        if (strcmp(r->kind, "error") == 0)
            ck_assert_str_eq(r->error_type, "Wsrt.OutOfMemory");
    }
    return rc;
}

START_TEST(without_memory_an_event_fails_and_the_loop_goes_on)
{
    struct heap heap;
    size_t points = 0;

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1;; n++) {
            serve_two(&heap, n, sticky);
            if (n > 1 && !heap.tripped)
                break;
            points++;
        }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 10);
}
END_TEST

enum { LONG_RUN = 10000, WARM = 100 };
static struct heap watched;
static size_t warm_live, most_live;

static int watch(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    if (handled < WARM && watched.live > warm_live)
        warm_live = watched.live;
    if (watched.live > most_live)
        most_live = watched.live;
    return echo(ctx, req, user);
}

#define WATCHED(body)                                                                              \
    "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"routeKey\":\"watched\",\"connectionId\":"    \
    "\"c1\"},\"body\":\"" body "\"}"

static void *push_many(void *user)
{
    static const char *const events[] = {EVENT("CONNECT", ""), WATCHED("hello"),
                                         WATCHED("\\\"\\u00e9"), EVENT("DISCONNECT", "")};

    (void)user;
    for (size_t i = 0; i < LONG_RUN; i++) {
        push(events[i % 4], i % 8 == 1 ? API_CHUNKED : 0);
        if (i >= 32)
            runtime_api_result(api, i - 32);
    }
    return NULL;
}

START_TEST(memory_stays_flat_over_ten_thousand_events)
{
    pthread_t thread;

    heap_init(&watched);
    wsrt_runtime_free(rt);
    make_runtime(&watched.allocator);
    add_route("watched", watch);
    opts.allocator = watched.allocator;
    pthread_create(&thread, NULL, push_many, NULL);
    ck_assert_int_eq(run(LONG_RUN), WSRT_OK);
    pthread_join(thread, NULL);
    ck_assert_int_eq(handled, LONG_RUN / 2);
    ck_assert_uint_gt(warm_live, 0);
    ck_assert_uint_eq(most_live, warm_live);
    printf("# bytes in use during an event: %zu\n", most_live);
}
END_TEST

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

START_TEST(no_descriptor_is_left_open)
{
    push(EVENT("MESSAGE", "hi"), API_CLOSE_POST);
    ck_assert_int_eq(run(1), WSRT_OK); /* makes the descriptor that stops */
    size_t before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        push(EVENT("MESSAGE", "hi"), API_STALE);
        ck_assert_int_eq(run(1), WSRT_OK);
    }
    ck_assert_uint_le(open_descriptors(),
                      before + 1); /* the stub's end of a connection may linger */
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

Suite *suite(void)
{
    Suite *s = suite_create("lambda_run");
    TCase *t = tcase_create("lambda_run");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_event_is_handled_and_its_result_posted);
    tcase_add_test(t, invocations_share_one_connection);
    tcase_add_test(t, head_and_body_leave_in_one_write);
    tcase_add_loop_test(t, events_arrive_in_any_form_http_allows, 0, ROWS(deliveries));
    tcase_add_test(t, an_event_larger_than_the_first_buffer_arrives_whole);
    tcase_add_loop_test(
        t, a_deadline_leaves_a_tenth_of_the_time_for_the_answer_and_at_most_half_a_second, 0,
        sizeof deadlines / sizeof deadlines[0]);
    tcase_add_test(t, a_deadline_that_has_passed_is_not_no_deadline);
    tcase_add_test(t, a_traces_root_is_the_correlation_id);
    tcase_add_test(t, a_refused_connect_says_so_with_status_headers_and_body);
    tcase_add_test(t, a_disconnect_is_always_200);
    tcase_add_loop_test(t, an_event_that_cannot_be_handled_is_an_error_result_and_tells_nothing, 0,
                        ROWS(failures));
    tcase_add_test(t, an_event_over_the_cap_is_an_error_result_and_no_end);
    tcase_add_loop_test(t, each_answer_to_a_result_has_its_reaction, 0, ROWS(posts));
    tcase_add_test(t, a_result_too_large_becomes_an_error_result_of_the_same_invocation);
    tcase_add_test(t, a_refused_error_result_is_dropped);
    tcase_add_loop_test(t, an_authorizer_answers_with_a_policy_or_the_word_that_means_401, 0,
                        ROWS(authorizations));
    tcase_add_test(t, an_authorizer_that_has_nobody_to_ask_fails);
    tcase_add_test(t, a_kept_connection_that_died_is_replaced_without_a_word);
    tcase_add_test(t, a_post_that_met_a_close_is_repeated_on_a_new_connection);
    tcase_add_test(t, a_post_that_cannot_be_delivered_ends_the_loop);
    tcase_add_loop_test(t, two_failures_in_a_row_are_survived, 0, ROWS(no_work));
    tcase_add_loop_test(t, three_failures_in_a_row_end_the_loop, 0, ROWS(no_work));
    tcase_add_test(t, nobody_at_the_endpoint_ends_the_loop);
    tcase_add_test(t, a_stop_ends_the_wait_for_work);
    tcase_add_test(t, a_stop_lets_the_invocation_under_way_finish);
    tcase_add_test(t, a_stop_before_the_start_is_not_lost_and_holds_once);
    tcase_add_loop_test(t, an_endpoint_is_a_numeric_address_and_a_port, 0, ROWS(bad_endpoints));
    tcase_add_test(t, the_endpoint_comes_from_the_environment);
    tcase_add_test(t, localhost_is_the_loopback_address);
    tcase_add_test(t, bad_settings_are_refused);
    tcase_add_test(t, a_function_bound_to_one_kind_takes_minimal_events);
    tcase_add_test(t, one_event_can_be_handled_without_the_interface);
    tcase_add_test(t, the_answer_to_a_stream_is_the_invocations_result_as_it_is);
    tcase_add_test(t, a_stream_that_fails_is_an_invocation_that_failed);
    tcase_add_test(t, without_memory_an_event_fails_and_the_loop_goes_on);
    tcase_add_test(t, memory_stays_flat_over_ten_thousand_events);
    tcase_add_test(t, no_descriptor_is_left_open);
    suite_add_tcase(s, t);
    return s;
}
