/* The fragments of C that documents show, each in a program that runs. A comment `fragment: FILE` in a
 * document names the file that holds the lines below it; tests/structure/test_docs.py compares. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wsrt/aws.h>
#include <wsrt/jwt.h>
#include <wsrt/mock.h>
#include <wsrt/wsrt.h>

static wsrt_aws *aws_of_nobody(void)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"};
    wsrt_aws *aws = NULL;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], i == 2 ? "eu-west-1" : "nobody", 1);
    ck_assert_int_eq(wsrt_aws_new(&aws, NULL), WSRT_OK);
    return aws;
}

/* ---- authentication.md ---- */

static int authenticator_of_a_file(const char *folder)
{
    int rc;

    ck_assert_int_eq(chdir(folder), 0);
    wsrt_span audience = wsrt_span_cstr("app");
    wsrt_jwt_options o = {.struct_size = sizeof o,
                          .issuer = wsrt_span_cstr("https://me.example"),
                          .audiences = &audience,
                          .audience_count = 1,
                          .keys_file = wsrt_span_cstr("jwks.json")};
    wsrt_jwt *jwt;
    wsrt_authenticator authenticator;

    if (wsrt_jwt_new(&jwt, &o) == WSRT_OK)
        wsrt_jwt_interface(jwt, &authenticator); /* for wsrt_runtime_options.authenticator */
    wsrt_auth_result result = {.struct_size = sizeof result};
    wsrt_span token = wsrt_span_cstr("none");
    rc = jwt != NULL ? authenticator.ops->authenticate(authenticator.self, &token, 1, &result) : 0;
    wsrt_jwt_free(jwt);
    return rc;
}

START_TEST(keys_of_a_file_judge_tokens)
{
    static const char keys[] =
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"alg\":\"ES256\","
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
    char folder[] = "/tmp/documents-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    FILE *file = fopen("jwks.json", "w");
    ck_assert_ptr_nonnull(file);
    fputs(keys, file);
    fclose(file);
    ck_assert_int_eq(authenticator_of_a_file(folder), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(unlink("jwks.json"), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(keys_behind_a_url_are_fetched)
{
    wsrt_span audience = wsrt_span_cstr("app");
    wsrt_jwt_options o = {.struct_size = sizeof o,
                          .issuer = wsrt_span_cstr("https://me.example"),
                          .audiences = &audience,
                          .audience_count = 1};
    wsrt_jwt *jwt = NULL;
    wsrt_aws *aws = aws_of_nobody();

    wsrt_aws_free(aws);
    wsrt_jwks_fetcher fetcher;

    if (wsrt_aws_new(&aws, NULL) == WSRT_OK)
        wsrt_aws_jwks_interface(aws, &fetcher);
    o.keys_url = wsrt_span_cstr("https://me.example/.well-known/jwks.json");
    o.fetcher = &fetcher;
    ck_assert_int_eq(wsrt_jwt_new(&jwt, &o), WSRT_OK);
    wsrt_jwt_free(jwt);
    wsrt_aws_free(aws);
}
END_TEST

/* ---- aws.md ---- */

static int parts_of_aws(wsrt_span endpoint, wsrt_runtime **runtime)
{
    wsrt_aws *aws;
    wsrt_aws_sender *posts;
    wsrt_sender sender;
    wsrt_aws_sender_options o = {.struct_size = sizeof o, .endpoint = endpoint};

    if (wsrt_aws_new(&aws, NULL) != WSRT_OK || wsrt_aws_sender_new(&posts, aws, &o) != WSRT_OK)
        return 78;
    wsrt_aws_sender_interface(posts, &sender); /* for wsrt_runtime_options.sender */

    wsrt_aws_tables *tables;
    wsrt_store connections;
    wsrt_history history;

    if (wsrt_aws_tables_new(&tables, aws, NULL) != WSRT_OK)
        return 78;
    wsrt_aws_tables_connections(tables, &connections); /* for wsrt_runtime_options.store */
    wsrt_aws_tables_history(tables, &history);

    ck_assert_int_eq(wsrt_runtime_new(runtime, &(wsrt_runtime_options){.struct_size = sizeof(
                                                                           wsrt_runtime_options),
                                                                       .sender = &sender,
                                                                       .store = &connections,
                                                                       .history = &history}),
                     WSRT_OK);
    wsrt_runtime_free(*runtime);
    wsrt_aws_tables_free(tables);
    wsrt_aws_sender_free(posts);
    wsrt_aws_free(aws);
    return 0;
}

START_TEST(services_of_aws_are_parts_of_a_runtime)
{
    wsrt_runtime *runtime = NULL;

    wsrt_aws_free(aws_of_nobody());
    setenv("CONNECTIONS_TABLE_NAME", "connections", 1);
    setenv("WEBSOCKET_MESSAGES_TABLE", "messages", 1);
    ck_assert_int_eq(
        parts_of_aws(wsrt_span_cstr("https://x.execute-api.eu-west-1.amazonaws.com/prod"),
                     &runtime),
        0);
}
END_TEST

static int turns, serving = 1;

static void turn(uint32_t wait_ms)
{
    ck_assert_uint_gt(wait_ms, 0);
    serving = ++turns < 3;
}

static int metrics_of(wsrt_aws *aws, wsrt_runtime *runtime)
{
    wsrt_aws_metrics *metrics;
    uint32_t next_ms;

    if (wsrt_aws_metrics_new(&metrics, aws, wsrt_runtime_monitor(runtime), NULL) != WSRT_OK)
        return 78;
    while (serving) {
        wsrt_aws_metrics_step(metrics, 0, &next_ms); /* sends what is due, waits for nothing */
        turn(next_ms);
    }
    wsrt_aws_metrics_flush(metrics, 5000);
    wsrt_aws_metrics_free(metrics);
    return 0;
}

START_TEST(metrics_are_sent_between_turns)
{
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1); /* where nobody listens */
    wsrt_runtime *runtime = NULL;
    wsrt_aws *aws = aws_of_nobody();

    ck_assert_int_eq(wsrt_runtime_new(&runtime, NULL), WSRT_OK);
    ck_assert_int_eq(metrics_of(aws, runtime), 0);
    ck_assert_int_eq(turns, 3);
    wsrt_runtime_free(runtime);
    wsrt_aws_free(aws);
}
END_TEST

/* ---- breaker.md ---- */

static int call_the_service(void)
{
    return -1;
}

static int64_t guarded(wsrt_breaker *breaker, int64_t now, int64_t later)
{
    wsrt_permit permit;
    wsrt_rejection why = {0};

    if (wsrt_breaker_try_acquire(breaker, now, &permit, &why) == WSRT_OK) {
        int rc = call_the_service();
        wsrt_breaker_record(breaker, &permit, later, rc == 0 ? WSRT_SUCCESS : WSRT_FAILURE);
    } /* else come back in why.retry_after_ms */
    return why.retry_after_ms;
}

START_TEST(a_breaker_says_when_to_come_back)
{
    wsrt_breakers *registry = NULL;
    wsrt_breaker *breaker = NULL;
    int64_t wait = 0;

    ck_assert_int_eq(wsrt_breakers_new(&registry, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_get(registry, wsrt_span_cstr("kv"), wsrt_span_cstr("get"), NULL,
                                       &breaker, NULL),
                     WSRT_OK);
    for (int64_t now = 0; now < 6; now++)
        wait = guarded(breaker, now, now + 1);
    ck_assert_int_gt(wait, 0);
    wsrt_breaker_release_ref(breaker);
    wsrt_breakers_free(registry);
}
END_TEST

/* ---- errors.md ---- */

static int enter(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req, (void)user;
    return wsrt_fail(ctx, WSRT_ERR_NOT_FOUND, "NO_SUCH_ROOM", "This room does not exist");
}

START_TEST(a_handler_fails_with_a_code_of_its_own)
{
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("enter"), .handler = enter};

    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 200);
    wsrt_mock_message(m, rt, "c1", "{\"type\":\"enter\"}");
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(m, "c1"), "\"code\":\"NO_SUCH_ROOM\""));
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
}
END_TEST

START_TEST(a_call_to_another_service_goes_on_with_the_trace)
{
    static const char came[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    wsrt_trace trace;
    const unsigned char random_bytes[24] = {1, 2, 3, 4, 5, 6, 7, 8};
    char text[128];
    size_t len;

    ck_assert_int_eq(wsrt_trace_from_traceparent(wsrt_span_cstr(came), &trace), WSRT_OK);
    wsrt_trace_child(&trace, random_bytes);
    wsrt_trace_write(&trace, WSRT_TRACE_TRACEPARENT, text, sizeof text, &len);
    wsrt_trace_write(&trace, WSRT_TRACE_XRAY, text, sizeof text, &len);
    ck_assert_ptr_nonnull(strstr(text, "Root=1-0af76519-16cd43dd8448eb211c80319c"));
}
END_TEST

/* ---- monitor.md ---- */

static int write_line(const void *line, size_t len, void *user)
{
    ck_assert(fwrite(line, 1, len, user) == len);
    return 0;
}

START_TEST(an_operation_is_counted_and_exported)
{
    wsrt_env env = {.struct_size = sizeof env};
    wsrt_monitor *monitor = NULL;
    wsrt_recorder *recorder = NULL;
    wsrt_monitor_reader *reader = NULL;
    char *printed = NULL;
    size_t size = 0;

    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_new(&monitor, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_recorder_new(&recorder, monitor), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_reader_new(&reader, monitor), WSRT_OK);
    {
        wsrt_op op;

        wsrt_op_start(monitor, recorder, WSRT_OP_CONVERSATION, env.now(env.user), &op);
        wsrt_op_database_call(&op);
        wsrt_op_complete(&op, env.now(env.user),
                         &(wsrt_op_result){.struct_size = sizeof(wsrt_op_result),
                                           .success = 1,
                                           .request_size = 120});
    }
    FILE *stream = open_memstream(&printed, &size);
    {
        wsrt_export_options options = {.struct_size = sizeof options,
                                       .format = WSRT_EXPORT_EMF,
                                       .wall = env.wall(env.user),
                                       .since = reader};
        wsrt_monitor_export(monitor, &options, write_line, stream);
    }
    fclose(stream);
    ck_assert_ptr_nonnull(strstr(printed, "\"HandlerDuration\""));
    free(printed);
    wsrt_monitor_reader_free(reader);
    wsrt_recorder_free(recorder);
    wsrt_monitor_free(monitor);
}
END_TEST

START_TEST(an_order_is_told_by_its_town)
{
    wsrt_monitor *monitor = NULL;
    wsrt_op op;
    wsrt_field attrs[] = {
        {.name_cstr = "price", .kind = WSRT_FIELD_REAL, .real = 8},
        {.name_cstr = "town", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr("Ulm")}};
    char *printed = NULL;
    size_t size = 0;
    int orders;

    ck_assert_int_eq(wsrt_monitor_new(&monitor, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_operation(monitor, wsrt_span_cstr("orders"), &orders), WSRT_OK);
    {
        static const char *const by[] = {"town"};
        wsrt_business_metric metric = {.struct_size = sizeof metric,
                                       .kind = WSRT_BUSINESS_AVERAGE,
                                       .operation = orders,
                                       .name_cstr = "orderValue",
                                       .attribute_cstr = "price",
                                       .dimensions = by,
                                       .dimension_count = 1};
        wsrt_monitor_business(monitor, &metric);
    }
    wsrt_op_start(monitor, NULL, orders, 0, &op);
    wsrt_op_complete(
        &op, 1000,
        &(wsrt_op_result){
            .struct_size = sizeof(wsrt_op_result), .success = 1, .attrs = attrs, .attr_count = 2});
    FILE *stream = open_memstream(&printed, &size);
    wsrt_export_options options = {.struct_size = sizeof options, .format = WSRT_EXPORT_PROMETHEUS};
    wsrt_monitor_export(monitor, &options, write_line, stream);
    fclose(stream);
    ck_assert_ptr_nonnull(
        strstr(printed, "{handler=\"orders\",town=\"Ulm\",environment=\"dev\"} 8\n"));
    free(printed);
    wsrt_monitor_free(monitor);
}
END_TEST

/* ---- resume.md ---- */

START_TEST(a_runtime_with_sessions_answers_who_resumes)
{
    wsrt_runtime *rt = NULL;
    wsrt_resume *sessions;

    wsrt_resume_new(&sessions, NULL);
    wsrt_runtime_options options = {.struct_size = sizeof options, .resume = sessions};
    wsrt_runtime_new(&rt, &options);
    wsrt_runtime_route(rt, &(wsrt_route){.struct_size = sizeof(wsrt_route),
                                         .key = wsrt_span_cstr("resume"),
                                         .handler = wsrt_resume_handler,
                                         .access = WSRT_ACCESS_SIGNED_IN});
    ck_assert_ptr_nonnull(rt);
    wsrt_runtime_free(rt);
    wsrt_resume_free(sessions);
}
END_TEST

/* ---- streams.md ---- */

static wsrt_feed *feed;

static int on_stream(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char answer[256];
    size_t len;
    int rc = wsrt_feed_changes(feed, req->event->body, answer, sizeof answer, &len, NULL);

    (void)user;
    return rc != WSRT_OK ? rc : wsrt_reply(ctx, (wsrt_span){answer, len});
}

START_TEST(a_stream_of_changes_becomes_updates)
{
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;
    wsrt_sender sender;
    wsrt_mock_record record = {.struct_size = sizeof record};
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$stream"), .handler = on_stream};

    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    wsrt_mock_sender(m, &sender);
    ck_assert_int_eq(
        wsrt_feed_new(&feed, &(wsrt_feed_options){.struct_size = sizeof(wsrt_feed_options),
                                                  .sender = &sender}),
        WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    ck_assert_int_eq(
        wsrt_mock_stream(m, rt,
                         "{\"Records\":[{\"eventName\":\"INSERT\",\"dynamodb\":"
                         "{\"SequenceNumber\":\"1\",\"Keys\":{\"id\":{\"S\":\"a\"}}}}]}"),
        200);
    ck_assert_int_eq(wsrt_mock_get(m, WSRT_MOCK_RESPONSE, 0, &record), WSRT_OK);
    ck_assert(wsrt_span_equal(record.data, wsrt_span_cstr("{\"batchItemFailures\":[]}")));
    wsrt_runtime_free(rt);
    wsrt_feed_free(feed);
    wsrt_mock_free(m);
}
END_TEST

/* ---- validation.md ---- */

static int judge(const char *message, size_t len)
{
    wsrt_schema *s;
    unsigned char scratch[4096];
    wsrt_slot slots[8];
    wsrt_validation v = {.struct_size = sizeof v,
                         .slots = slots,
                         .slot_cap = 8,
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};

    /* or wsrt_schema_new(): a text of your own */
    if (wsrt_schema_builtin(&s, "message", NULL) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_validate(s, message, len, NULL, &v); /* WSRT_OK, or WSRT_ERR_REJECTED */
    wsrt_schema_free(s);
    return rc;
}

START_TEST(a_message_is_judged)
{
    static const char good[] = "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}";

    ck_assert_int_eq(judge(good, strlen(good)), WSRT_OK);
    ck_assert_int_eq(judge("{}", 2), WSRT_ERR_REJECTED);
}
END_TEST

/* ---- writing-a-store.md ---- */

/* A store of nobody: all that it is given is gone. */
static int my_put(void *self, const wsrt_record *record, int if_absent, int64_t now_s)
{
    (void)record, (void)if_absent, (void)now_s;
    ++*(int *)self;
    return WSRT_OK;
}

static int my_get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
                  size_t cap)
{
    (void)self, (void)id, (void)now_s, (void)out, (void)buf, (void)cap;
    return WSRT_ERR_NOT_FOUND;
}

static int my_remove(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    (void)self, (void)id, (void)if_connected_at;
    return WSRT_ERR_NOT_FOUND;
}

static int my_each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                   int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                   size_t *count)
{
    (void)self, (void)user_id, (void)flags, (void)cursor, (void)now_s, (void)out, (void)max;
    (void)buf, (void)cap;
    *count = 0;
    return WSRT_OK;
}

static int my_touch(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at)
{
    (void)self, (void)id, (void)last_active_at, (void)expires_at;
    return WSRT_ERR_NOT_FOUND;
}

static int my_count(void *self, int64_t now_s, uint64_t *out)
{
    (void)self, (void)now_s;
    *out = 0;
    return WSRT_OK;
}

static int my_expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    (void)self, (void)now_s, (void)limit;
    *removed = 0;
    return WSRT_OK;
}

static const wsrt_store_ops my_ops = {
    .struct_size = sizeof my_ops,
    /* these four are needed */
    .put = my_put,
    .get = my_get,
    .remove = my_remove,
    .each = my_each,
    /* these are welcome */
    .touch = my_touch,
    .count = my_count,
    .expire = my_expire,
};

START_TEST(a_runtime_uses_a_store_of_ones_own)
{
    int puts_seen = 0;
    wsrt_store mine = {&my_ops, &puts_seen};
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;
    wsrt_runtime_options o = {.struct_size = sizeof o, .store = &mine};

    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 200);
    ck_assert_int_eq(puts_seen, 1);
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("documents");
    TCase *tc = tcase_create("fragments");

    tcase_add_test(tc, keys_of_a_file_judge_tokens);
    tcase_add_test(tc, keys_behind_a_url_are_fetched);
    tcase_add_test(tc, services_of_aws_are_parts_of_a_runtime);
    tcase_add_test(tc, metrics_are_sent_between_turns);
    tcase_add_test(tc, a_breaker_says_when_to_come_back);
    tcase_add_test(tc, a_handler_fails_with_a_code_of_its_own);
    tcase_add_test(tc, a_call_to_another_service_goes_on_with_the_trace);
    tcase_add_test(tc, an_operation_is_counted_and_exported);
    tcase_add_test(tc, an_order_is_told_by_its_town);
    tcase_add_test(tc, a_runtime_with_sessions_answers_who_resumes);
    tcase_add_test(tc, a_stream_of_changes_becomes_updates);
    tcase_add_test(tc, a_message_is_judged);
    tcase_add_test(tc, a_runtime_uses_a_store_of_ones_own);
    suite_add_tcase(s, tc);
    return s;
}
