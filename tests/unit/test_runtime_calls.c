/* Guarded calls to other services, and what the monitor shows of all. */
#include "runtime_world.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

/* ---- guarded calls ---- */

struct guarded {
    int status, outcome, fallback, calls, fallbacks, result;
};

static int outside(wsrt_context *ctx, void *arg)
{
    struct guarded *g = arg;

    g->calls++;
    if (g->outcome != 0)
        wsrt_call_outcome(ctx, g->outcome);
    return g->status;
}

static int instead(wsrt_context *ctx, void *arg)
{
    (void)ctx;
    ((struct guarded *)arg)->fallbacks++;
    return WSRT_OK;
}

static int call_outside(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct guarded *g = user;

    (void)req;
    g->result = wsrt_call(ctx, "cognito", "verifyJWT", outside, g->fallback ? instead : NULL, g);
    return g->result;
}

START_TEST(a_failing_service_opens_its_breaker_and_is_left_alone)
{
    struct guarded g = {.status = WSRT_ERR_UNAVAILABLE};
    wsrt_route r = {.user = &g};

    world_add_route("$default", call_outside, &r);
    for (int i = 0; i < 5; i++)
        world_message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 5);
    world_expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
    world_message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 5);
    ck_assert_int_eq(g.result, WSRT_ERR_CIRCUIT_OPEN);
    world_expect_error("EXTERNAL_SERVICE_ERROR", "CIRCUIT_OPEN");
    ck_assert_ptr_nonnull(
        strstr(world_last_post(), "Authentication service temporarily unavailable"));
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"retryAfter\":30000"));
    ck_assert_ptr_null(strstr(world_last_post(), "verifyJWT"));
}
END_TEST

static int fail_outside(wsrt_context *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

/* Does without the first service, and fails for the second. */
static int call_both(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    int *statuses = user;

    (void)req;
    (void)wsrt_call(ctx, "cognito", "verifyJWT", fail_outside, NULL, &statuses[0]);
    int rc = wsrt_call(ctx, "dynamodb", "storeUserMessage", fail_outside, NULL, &statuses[1]);
    (void)wsrt_call(ctx, "cognito", "verifyJWT", fail_outside, NULL, &statuses[2]);
    return rc;
}

START_TEST(the_call_that_failed_the_message_is_to_blame_and_no_other)
{
    static int rows[][3] = {
        {WSRT_ERR_UNAVAILABLE, WSRT_ERR_UNAVAILABLE, WSRT_OK},
        {WSRT_ERR_UNAVAILABLE, WSRT_ERR_IO, WSRT_OK},
        {WSRT_ERR_TIMEOUT, WSRT_ERR_THROTTLED, WSRT_ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_runtime_options o = world_options();
        world_begin(&o);
        world_add_route("$default", call_both, &(wsrt_route){.user = rows[i]});
        world_message("c1", NULL, "{}");
        ck_assert_ptr_nonnull(strstr(world_last_post(), "\"type\":\"DATABASE_ERROR\""));
        ck_assert_ptr_nonnull(strstr(world_last_post(), "Database temporarily unavailable"));
    }
}
END_TEST

/* ---- posts to an outside service ---- */

static struct {
    int answer; /* to posts */
    unsigned posts;
} outer;

static int take_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self;
    (void)id;
    (void)post;
    outer.posts++;
    return outer.answer;
}

static int take_posts(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                      int *results)
{
    for (size_t i = 0; i < n; i++)
        results[i] = take_post(self, &ids[i], post);
    return WSRT_OK;
}

/* With `many` it takes a message for many at once. */
static void begin_outside(int many)
{
    static wsrt_sender_ops ops;
    static const wsrt_sender sender = {&ops, NULL};
    wsrt_runtime_options o = world_options();

    ops = (wsrt_sender_ops){
        .struct_size = sizeof ops, .flags = WSRT_SENDER_OUTSIDE, .post = take_post};
    if (many)
        ops.post_many = take_posts;
    outer.answer = WSRT_OK;
    outer.posts = 0;
    o.sender = &sender;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
    for (int i = 0; i < 9; i++)
        world_connect(
            (const char *const[]){"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"}[i], NULL,
            NULL);
}

static const wsrt_post post_x = {.struct_size = sizeof post_x, .data = {.ptr = "x", .len = 1}};

START_TEST(posts_to_a_service_that_fails_open_its_breaker)
{
    begin_outside(0);
    outer.answer = WSRT_ERR_UNAVAILABLE;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("c1"), &post_x), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("c1"), &post_x), WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_uint_eq(outer.posts, 5);
    w.now += 31000000000;
    outer.answer = WSRT_OK;
    ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("c1"), &post_x), WSRT_OK);
    ck_assert_uint_eq(outer.posts, 6);
}
END_TEST

START_TEST(a_reply_to_a_service_that_is_left_alone_is_503)
{
    begin_outside(0);
    outer.answer = WSRT_ERR_TIMEOUT;
    for (int i = 0; i < 6; i++)
        world_message("c1", NULL, "{}");
    ck_assert_int_eq(w.status, 503);
    ck_assert_uint_eq(outer.posts, 5); /* two a message: the answer, and the envelope */
    ck_assert_uint_eq(w.breaker_lines, 1);
}
END_TEST

START_TEST(a_broadcast_asks_nobody_more_while_the_breaker_is_open)
{
    for (int many = 0; many < 2; many++) {
        wsrt_delivery report = {.struct_size = sizeof report};
        begin_outside(many);
        outer.answer = WSRT_ERR_UNAVAILABLE;
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(wsrt_broadcast(w.rt, NULL, &post_x, &report), WSRT_OK);
        ck_assert_uint_eq(report.failed, 9);
        ck_assert_uint_eq(outer.posts, many ? 9 : 5);
    }
}
END_TEST

START_TEST(peers_that_left_or_read_slowly_open_no_breaker)
{
    static const int statuses[] = {WSRT_ERR_GONE, WSRT_ERR_THROTTLED, WSRT_ERR_TOO_LARGE,
                                   WSRT_ERR_FORBIDDEN};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        begin_outside(0);
        outer.answer = statuses[i];
        for (int k = 0; k < 40; k++)
            ck_assert_int_eq(wsrt_send(w.rt, wsrt_span_cstr("c1"), &post_x), statuses[i]);
        ck_assert_uint_eq(outer.posts, 40);
    }
}
END_TEST

START_TEST(replies_to_an_outside_service_are_external_calls)
{
    wsrt_op_totals t = {.struct_size = sizeof t};

    begin_outside(0);
    world_message("c1", NULL, "{}");
    ck_assert_int_eq(wsrt_monitor_totals(wsrt_runtime_monitor(w.rt), WSRT_OP_CONVERSATION, &t),
                     WSRT_OK);
    ck_assert_uint_eq(t.external_calls, 1);
}
END_TEST

/* ---- what is told ---- */

START_TEST(developers_see_more_when_host_and_request_both_say_so)
{
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};

    for (uint32_t host = 0; host <= 1; host++)
        for (uint32_t request = 0; request <= 1; request++) {
            wsrt_runtime_options o = world_options();
            struct guarded g = {.status = WSRT_ERR_UNAVAILABLE};
            wsrt_route r = {.user = &g};
            o.flags |= host * WSRT_RUNTIME_DEVELOPER_ERRORS;
            world_begin(&o);
            world_add_route("$default", call_outside, &r);
            world_add_route("$connect", world_refuse, NULL);
            wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
            ev.body = wsrt_span_cstr("{}");
            ev.flags = request * WSRT_EVENT_DEVELOPER;
            ev.principal = &ann;
            world_dispatch(&ev);
            world_expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
            int shown =
                strstr(world_last_post(), "\"details\":{\"service\":\"cognito\",\"operation\":"
                                          "\"verifyJWT\",\"state\":\"closed\",\"failureRate\":1,"
                                          "\"totalRequests\":1}") != NULL;
            ck_assert_int_eq(shown, host && request);
            ck_assert_int_eq(strstr(world_last_post(), "\"debug\":{") != NULL, host && request);
            ck_assert_int_eq(strstr(world_last_post(), "\"connectionId\":\"c1\",\"userId\":\"ann\","
                                                       "\"action\":\"$default\"}") != NULL,
                             host && request);
            ev.kind = WSRT_EVENT_CONNECT;
            world_dispatch(&ev);
            ck_assert_int_eq(w.status, 403);
            ck_assert_int_eq(strstr(w.body, "\"debug\"") != NULL, host && request);
            ck_assert_int_eq(strstr(w.headers, "X-Debug-Mode: enabled\n") != NULL, host && request);
        }
}
END_TEST

START_TEST(bad_requests_of_ours_never_open_a_breaker)
{
    struct guarded g = {.status = WSRT_ERR_FORBIDDEN, .fallback = 1};
    wsrt_route r = {.user = &g};

    world_add_route("$default", call_outside, &r);
    for (int i = 0; i < 50; i++)
        world_message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 50);
    ck_assert_int_eq(g.fallbacks, 0);
    world_expect_error("AUTHORIZATION_ERROR", "FORBIDDEN");
}
END_TEST

/* How many calls of a status counted as what: failures, successes, ignored. */
static void expect_outcome(int status, uint64_t failures, uint64_t successes, uint64_t ignored)
{
    struct guarded g = {.status = status};
    wsrt_route r = {.user = &g};
    wsrt_runtime_options o = world_options();
    wsrt_breaker_stats s = {.struct_size = sizeof s};
    wsrt_breaker *b;

    world_begin(&o);
    world_add_route("$default", call_outside, &r);
    world_message("c1", NULL, "{}");
    ck_assert_int_eq(wsrt_breakers_find(wsrt_runtime_breakers(w.rt), wsrt_span_cstr("cognito"),
                                        wsrt_span_cstr("verifyJWT"), &b),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, w.now, w.wall, &s), WSRT_OK);
    wsrt_breaker_release_ref(b);
    ck_assert_msg(s.failure_count == failures && s.success_count == successes &&
                      s.ignored == ignored,
                  "%s", wsrt_status_name(status));
}

START_TEST(each_status_of_a_call_counts_as_its_table_says)
{
    static const int failures[] = {WSRT_ERR_TIMEOUT, WSRT_ERR_UNAVAILABLE, WSRT_ERR_IO,
                                   WSRT_ERR_CORRUPT, WSRT_ERR_THROTTLED};
    static const int successes[] = {WSRT_OK,       WSRT_STALE,         WSRT_ERR_REJECTED,
                                    WSRT_ERR_GONE, WSRT_ERR_NOT_FOUND, WSRT_ERR_EXISTS};
    static const int ignored[] = {
        WSRT_ERR_INVALID,      WSRT_ERR_STATE,           WSRT_ERR_NOMEM,     WSRT_ERR_LIMIT,
        WSRT_ERR_UNSUPPORTED,  WSRT_ERR_VERSION,         WSRT_ERR_MALFORMED, WSRT_ERR_RATE_LIMITED,
        WSRT_ERR_CIRCUIT_OPEN, WSRT_ERR_UNAUTHENTICATED, WSRT_ERR_FORBIDDEN, WSRT_ERR_TOO_LARGE,
        WSRT_ERR_INTERNAL};

    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        expect_outcome(failures[i], 1, 0, 0);
    for (size_t i = 0; i < sizeof successes / sizeof successes[0]; i++)
        expect_outcome(successes[i], 0, 1, 0);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        expect_outcome(ignored[i], 0, 0, 1);
}
END_TEST

START_TEST(a_function_can_say_its_outcome_itself)
{
    struct guarded g = {.status = WSRT_ERR_REJECTED, .outcome = WSRT_FAILURE};
    wsrt_route r = {.user = &g};

    world_add_route("$default", call_outside, &r);
    for (int i = 0; i < 9; i++)
        world_message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 5);
}
END_TEST

START_TEST(a_fallback_serves_failures_and_refusals)
{
    struct guarded g = {.status = WSRT_ERR_TIMEOUT, .fallback = 1};
    wsrt_route r = {.user = &g};

    world_add_route("$default", call_outside, &r);
    for (int i = 0; i < 8; i++) {
        world_message("c1", NULL, "{}");
        ck_assert_int_eq(g.result, WSRT_OK);
    }
    ck_assert_int_eq(g.calls, 5);
    ck_assert_int_eq(g.fallbacks, 8);
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_fallback_is_logged_once_in_ten_seconds_for_each_operation)
{
    struct guarded g = {.status = WSRT_ERR_TIMEOUT, .fallback = 1};
    wsrt_route r = {.user = &g};

    world_add_route("$default", call_outside, &r);
    for (int i = 0; i < 8; i++)
        world_message("c1", NULL, "{}");
    ck_assert_uint_eq(w.fallback_lines, 1);
    ck_assert_ptr_nonnull(strstr(
        w.last, "service=cognito operation=verifyJWT reason=WSRT_ERR_TIMEOUT correlationId="));
    w.now += INT64_C(9999000000);
    world_message("c1", NULL, "{}");
    ck_assert_uint_eq(w.fallback_lines, 1);
    w.now += 1000000;
    world_message("c1", NULL, "{}");
    ck_assert_uint_eq(w.fallback_lines, 2);
    ck_assert_ptr_nonnull(strstr(w.last, "reason=WSRT_ERR_CIRCUIT_OPEN"));
}
END_TEST

START_TEST(a_stream_counts_as_its_routes_operation_and_as_no_conversation)
{
    struct guarded g = {0};
    wsrt_op_totals t = {.struct_size = sizeof t};
    wsrt_monitor *m = wsrt_runtime_monitor(w.rt);
    wsrt_span name = wsrt_span_cstr("stream_processor");
    wsrt_event ev = {.struct_size = sizeof ev, .kind = WSRT_EVENT_STREAM};
    int id = -1;

    ev.body = wsrt_span_cstr("records");
    world_add_route("$stream", call_outside, &(wsrt_route){.user = &g, .operation = name});
    ck_assert_int_eq(world_dispatch(&ev), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_operation(m, name, &id), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_totals(m, id, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_uint_eq(t.external_calls, 1);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_CONVERSATION, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 0);
}
END_TEST

START_TEST(a_stream_without_an_operation_of_its_own_is_the_stream_processor)
{
    wsrt_op_totals t = {.struct_size = sizeof t};
    int id = -1;

    world_add_route("$stream", world_take_stream, NULL);
    ck_assert_int_eq(world_stream("records"), WSRT_OK);
    ck_assert_int_eq(
        wsrt_monitor_operation(wsrt_runtime_monitor(w.rt), wsrt_span_cstr("stream_processor"), &id),
        WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_totals(wsrt_runtime_monitor(w.rt), id, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 1);
}
END_TEST

START_TEST(the_shipped_operations_are_counted)
{
    wsrt_op_totals t = {.struct_size = sizeof t};
    wsrt_monitor *m = wsrt_runtime_monitor(w.rt);

    world_add_route("auth", world_sign_in, NULL);
    world_connect("c1", NULL, NULL);
    world_message("c1", NULL, "{\"type\":\"auth\",\"token\":\"x\"}");
    world_disconnect("c1", NULL);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_CONNECTION, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 2);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_CONVERSATION, &t), WSRT_OK);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_uint_eq(t.errors, 1);
    ck_assert_int_eq(wsrt_monitor_totals(m, WSRT_OP_JWT_VERIFICATION, &t), WSRT_OK);
    ck_assert_uint_eq(t.errors, 1);
}
END_TEST

static int find_nothing(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)ctx;
    (void)req;
    (void)user;
    return WSRT_ERR_NOT_FOUND;
}

static wsrt_op_totals conversations(void)
{
    wsrt_op_totals t = {.struct_size = sizeof t};

    ck_assert_int_eq(wsrt_monitor_totals(wsrt_runtime_monitor(w.rt), WSRT_OP_CONVERSATION, &t),
                     WSRT_OK);
    return t;
}

START_TEST(a_batch_that_settles_ends_all_its_plain_messages_at_once)
{
    struct guarded g = {0};
    wsrt_route calls = {.user = &g};
    wsrt_recorder *rec;
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);

    world_add_route("$default", world_say_route, NULL);
    world_add_route("call", call_outside, &calls);
    world_add_route("fail", find_nothing, NULL);
    ck_assert_int_eq(wsrt_recorder_new(&rec, wsrt_runtime_monitor(w.rt)), WSRT_OK);
    ev.recorder = rec;
    ev.now = w.now;
    ev.body = wsrt_span_cstr("{}");
    world_dispatch(&ev); /* its CPU time is sampled: not deferred */
    ev.flags = WSRT_EVENT_SETTLES;
    world_dispatch(&ev);
    world_dispatch(&ev);
    ck_assert_uint_eq(conversations().count, 1);
    ck_assert_uint_eq(wsrt_recorder_unsettled(rec), 2);
    ev.body = wsrt_span_cstr("{\"type\":\"call\"}");
    world_dispatch(&ev);
    ck_assert_uint_eq(conversations().count, 2);
    ev.body = wsrt_span_cstr("{\"type\":\"fail\"}");
    world_dispatch(&ev);
    ck_assert_uint_eq(conversations().count, 3);
    ck_assert_uint_eq(conversations().errors, 1);
    wsrt_recorder_settle(rec, w.now + 1000);
    ck_assert_uint_eq(conversations().count, 5);
    ck_assert_uint_eq(conversations().duration_max, 1000);
    ck_assert_uint_eq(conversations().in_flight, 0);
    wsrt_recorder_free(rec);
}
END_TEST

static int collect(const void *data, size_t len, void *user)
{
    strncat(user, data, len);
    return WSRT_OK;
}

static const char *page(void)
{
    static char text[65536];

    text[0] = '\0';
    ck_assert_int_eq(wsrt_monitor_prometheus(wsrt_runtime_monitor(w.rt), collect, text), WSRT_OK);
    return text;
}

static void expect_line(const char *line)
{
    ck_assert_msg(strstr(page(), line) != NULL, "no line %s", line);
}

START_TEST(a_streams_age_is_that_of_its_oldest_record_for_a_minute)
{
    static const char series[] =
        "wsrt_stream_iterator_age_seconds{handler=\"stream_processor\",environment=\"dev\"} ";
    char body[256], line[160];

    world_add_route("$stream", world_take_stream, NULL);
    ck_assert_int_eq(world_stream("{\"Records\":[{}]}"), WSRT_OK);
    ck_assert_ptr_null(strstr(page(), series));
    snprintf(body, sizeof body,
             "{\"Records\":[{\"dynamodb\":{\"ApproximateCreationDateTime\":%lld.5}},"
             "{\"dynamodb\":{\"ApproximateCreationDateTime\":%lld}}]}",
             (long long)w.wall / 1000 - 70, (long long)w.wall / 1000);
    ck_assert_int_eq(world_stream(body), WSRT_OK);
    snprintf(line, sizeof line, "%s%g\n", series, 69.5 + (double)(w.wall % 1000) / 1000);
    expect_line(line);
    w.now += INT64_C(59999999999);
    expect_line(line);
    w.now++;
    ck_assert_ptr_null(strstr(page(), series));
}
END_TEST

static int fail_with_a_secret(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_REJECTED, "BAD", "token=abc by a@b.org");
}

START_TEST(what_envelopes_hide_is_in_the_metrics)
{
    world_add_route("$default", fail_with_a_secret, NULL);
    expect_line("wsrt_self_redactions_total{environment=\"dev\"} 0\n");
    world_message("c1", NULL, "{}");
    ck_assert_ptr_nonnull(strstr(world_last_post(), "token=[redacted] by [redacted]"));
    expect_line("wsrt_self_redactions_total{environment=\"dev\"} 2\n");
}
END_TEST

#define OF_COGNITO "{service=\"cognito\",operation=\"verifyJWT\",environment=\"dev\"} "

/* Five failures trip, one call is refused, the probe after the wait fails, a later one succeeds. */
START_TEST(every_transition_and_rejection_of_a_breaker_is_in_the_metrics_once)
{
    struct guarded g = {.status = WSRT_ERR_UNAVAILABLE};
    wsrt_route r = {.user = &g};

    world_add_route("$default", call_outside, &r);
    for (int i = 0; i < 6; i++)
        world_message("c1", NULL, "{}");
    expect_line("wsrt_circuit_state" OF_COGNITO "2\n");
    expect_line("wsrt_circuit_failures_total" OF_COGNITO "5\n");
    expect_line("wsrt_circuit_rejected_total" OF_COGNITO "1\n");
    expect_line("wsrt_circuit_transitions_total" OF_COGNITO "1\n");
    expect_line("wsrt_transport_integration_errors_total{environment=\"dev\"} 6\n");
    w.now += 31000000000;
    world_message("c1", NULL, "{}");
    expect_line("wsrt_circuit_transitions_total" OF_COGNITO "3\n");
    w.now += 31000000000;
    g.status = WSRT_OK;
    world_message("c1", NULL, "{}");
    expect_line("wsrt_circuit_transitions_total" OF_COGNITO "5\n");
    expect_line("wsrt_circuit_state" OF_COGNITO "0\n");
    ck_assert_uint_eq(w.breaker_lines, 5);
}
END_TEST

START_TEST(without_limits_not_even_a_given_limiter_counts)
{
    wsrt_runtime_options o = world_options();
    wsrt_limiter *limiter;

    ck_assert_int_eq(wsrt_limiter_new(&limiter, NULL), WSRT_OK);
    o.limiter = limiter;
    world_begin(&o);
    ck_assert_ptr_null(wsrt_runtime_limiter(w.rt));
    o.flags = 0;
    world_begin(&o);
    ck_assert_ptr_eq(wsrt_runtime_limiter(w.rt), limiter);
    wsrt_runtime_free(w.rt);
    w.rt = NULL;
    wsrt_limiter_free(limiter);
}
END_TEST

START_TEST(refusals_by_the_limiter_are_in_the_metrics_by_scope)
{
    wsrt_runtime_options o = world_options();

    o.flags = 0;
    world_begin(&o);
    world_add_route("$default", world_say_route, NULL);
    for (int i = 0; i < 25; i++)
        world_message("c1", NULL, "{}");
    expect_line("wsrt_limiter_rate_limited_total{scope=\"connection\",environment=\"dev\"} 5\n");
    expect_line("wsrt_limiter_rate_limited_total{scope=\"stage\",environment=\"dev\"} 0\n");
}
END_TEST

START_TEST(failed_sends_and_removed_records_are_in_the_metrics)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};

    world_connect("c1", NULL, NULL);
    w.gone = "c1";
    wsrt_broadcast(w.rt, NULL, &p, NULL);
    expect_line("wsrt_transport_stale_connections_removed_total{environment=\"dev\"} 1\n");
    w.gone = NULL;
    w.slow = "c2";
    wsrt_send(w.rt, wsrt_span_cstr("c2"), &p);
    expect_line("wsrt_transport_send_failures_total{environment=\"dev\"} 1\n");
}
END_TEST

static int call_two(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct guarded *g = user;

    (void)req;
    g->result = wsrt_call(ctx, "first", "op", outside, instead, g);
    return wsrt_call(ctx, "second", "op", outside, instead, g);
}

START_TEST(a_call_that_finds_no_room_for_a_breaker_is_made_counted_and_logged_once)
{
    struct guarded g = {.status = WSRT_ERR_TIMEOUT};
    wsrt_route r = {.user = &g};
    wsrt_breakers_options small = {.struct_size = sizeof small, .max_breakers = 1};
    wsrt_runtime_options o = world_options();
    wsrt_breaker *held;

    ck_assert_int_eq(wsrt_breakers_new(&o.breakers, &small), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_get(o.breakers, wsrt_span_cstr("first"), wsrt_span_cstr("op"),
                                       NULL, &held, NULL),
                     WSRT_OK);
    world_begin(&o);
    world_add_route("$default", call_two, &r);
    for (int i = 0; i < 10; i++)
        world_message("c1", NULL, "{}");
    ck_assert_int_eq(g.calls, 15); /* five until the first opens, all ten of the second */
    ck_assert_uint_eq(w.unguarded_lines, 1);
    ck_assert_uint_eq(w.fallback_lines, 2); /* each operation has a line of its own */
    expect_line("wsrt_self_unguarded_calls_total{environment=\"dev\"} 10\n");
    wsrt_runtime_free(w.rt);
    w.rt = NULL;
    wsrt_breaker_release_ref(held);
    wsrt_breakers_free(o.breakers);
}
END_TEST

/* One life of a small service; its steps may fail, its end must leave nothing. */

Suite *suite(void)
{
    Suite *s = suite_create("runtime_calls");
    TCase *t = tcase_create("runtime_calls");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_failing_service_opens_its_breaker_and_is_left_alone);
    tcase_add_test(t, the_call_that_failed_the_message_is_to_blame_and_no_other);
    tcase_add_test(t, posts_to_a_service_that_fails_open_its_breaker);
    tcase_add_test(t, a_reply_to_a_service_that_is_left_alone_is_503);
    tcase_add_test(t, a_broadcast_asks_nobody_more_while_the_breaker_is_open);
    tcase_add_test(t, peers_that_left_or_read_slowly_open_no_breaker);
    tcase_add_test(t, replies_to_an_outside_service_are_external_calls);
    tcase_add_test(t, developers_see_more_when_host_and_request_both_say_so);
    tcase_add_test(t, bad_requests_of_ours_never_open_a_breaker);
    tcase_add_test(t, each_status_of_a_call_counts_as_its_table_says);
    tcase_add_test(t, a_function_can_say_its_outcome_itself);
    tcase_add_test(t, a_fallback_serves_failures_and_refusals);
    tcase_add_test(t, a_fallback_is_logged_once_in_ten_seconds_for_each_operation);
    tcase_add_test(t, a_call_that_finds_no_room_for_a_breaker_is_made_counted_and_logged_once);
    tcase_add_test(t, a_stream_counts_as_its_routes_operation_and_as_no_conversation);
    tcase_add_test(t, a_stream_without_an_operation_of_its_own_is_the_stream_processor);
    tcase_add_test(t, a_streams_age_is_that_of_its_oldest_record_for_a_minute);
    tcase_add_test(t, what_envelopes_hide_is_in_the_metrics);
    tcase_add_test(t, the_shipped_operations_are_counted);
    tcase_add_test(t, every_transition_and_rejection_of_a_breaker_is_in_the_metrics_once);
    tcase_add_test(t, without_limits_not_even_a_given_limiter_counts);
    tcase_add_test(t, refusals_by_the_limiter_are_in_the_metrics_by_scope);
    tcase_add_test(t, failed_sends_and_removed_records_are_in_the_metrics);
    tcase_add_test(t, a_batch_that_settles_ends_all_its_plain_messages_at_once);
    suite_add_tcase(s, t);
    return s;
}
