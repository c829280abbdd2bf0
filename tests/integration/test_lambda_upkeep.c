/* How a function starts, and what it does between invocations: metrics, breakers, extension. */
#include "runtime_api.h"
#include "scratch.h"
#include "suite.h"

#include <wsrt/lambda.h>
#include <wsrt/mock.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MESSAGE                                                                                    \
    "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"},\"body\":\"hi\"}"
#define SECOND INT64_C(1000000000)
#define PATIENT "{\"defaults\":{\"failureThreshold\":1000}}"
#define STRICT "{\"defaults\":{\"failureThreshold\":1,\"minimumRequestCount\":1}}"

static struct runtime_api *api;
static struct scratch scratch;
static wsrt_mock *mock;
static wsrt_runtime *rt;
static wsrt_lambda_options opts;
static int metrics[2]; /* a pipe: out of it, into it */
static int watch;      /* of openings of the document */

/* What each invocation does and saw. */
enum { STEPS = 8 };
static struct step {
    int64_t advance; /* the clock, seconds */
    const char *document;
} steps[STEPS];
static size_t step;
static int calls[STEPS];         /* status of a guarded call after one that failed */
static size_t lines_seen[STEPS]; /* metric lines that had come when the invocation began */
static int opened[STEPS];        /* openings of the document during the invocation */

static void write_document(const char *text)
{
    FILE *f = fopen(scratch_path(&scratch, "breakers.json").ptr, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static size_t read_lines(char *dst, size_t cap)
{
    ssize_t n = read(metrics[0], dst, cap - 1);
    size_t lines = 0;

    dst[n > 0 ? n : 0] = '\0';
    for (const char *p = dst; *p != '\0'; p++)
        lines += *p == '\n';
    return lines;
}

static int openings(void)
{
    char events[4096];

    return read(watch, events, sizeof events) > 0;
}

static int unavailable(wsrt_context *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return WSRT_ERR_UNAVAILABLE;
}

static int take_step(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char text[16384];

    (void)user;
    ck_assert_uint_lt(step, STEPS);
    (void)openings(); /* those before the invocation */
    lines_seen[step] = read_lines(text, sizeof text);
    (void)wsrt_call(ctx, "billing", "charge", unavailable, NULL, NULL);
    calls[step] = wsrt_call(ctx, "billing", "charge", unavailable, NULL, NULL);
    int rc = wsrt_reply(ctx, req->event->body);
    opened[step] = openings();
    if (steps[step].document != NULL)
        write_document(steps[step].document);
    wsrt_mock_advance(mock, steps[step].advance * SECOND);
    step++;
    return rc;
}

static void setup(void)
{
    wsrt_env env;
    wsrt_runtime_options parts = {
        .struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS, .env = &env};
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = take_step};

    memset(steps, 0, sizeof steps);
    step = 0;
    scratch_make(&scratch);
    api = runtime_api_start();
    ck_assert_int_eq(wsrt_mock_new(&mock, NULL), WSRT_OK);
    wsrt_mock_env(mock, &env);
    ck_assert_int_eq(wsrt_runtime_new(&rt, &parts), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    ck_assert_int_eq(pipe2(metrics, O_NONBLOCK | O_CLOEXEC), 0);
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    opts = (wsrt_lambda_options){.struct_size = sizeof opts,
                                 .endpoint = wsrt_span_cstr(runtime_api_endpoint(api)),
                                 .breakers_cstr = "",
                                 .metrics_fd = metrics[1]};
}

static void teardown(void)
{
    runtime_api_stop(api);
    wsrt_runtime_free(rt);
    wsrt_mock_free(mock);
    close(metrics[0]);
    close(metrics[1]);
    close(watch);
    scratch_remove(&scratch);
}

static int run(uint64_t invocations)
{
    for (uint64_t i = 0; i < invocations; i++)
        runtime_api_push(api, &(struct api_plan){.event = MESSAGE});
    opts.max_invocations = invocations;
    return wsrt_lambda_run(rt, &opts);
}

static unsigned logged(const char *event)
{
    wsrt_mock_record r = {.struct_size = sizeof r};
    unsigned n = 0;

    for (size_t i = 0; wsrt_mock_get(mock, WSRT_MOCK_LOG, i, &r) == WSRT_OK; i++)
        n += strcmp(r.data.ptr, event) == 0;
    return n;
}

/* ---- metrics ------------------------------------------------------------------------------ */

START_TEST(metrics_go_out_once_between_invocations)
{
    char text[16384];

    ck_assert_int_eq(run(3), WSRT_OK);
    ck_assert_uint_eq(lines_seen[0], 0);
    ck_assert_uint_gt(lines_seen[1], 0);
    ck_assert_uint_gt(lines_seen[2], 0);
    ck_assert_uint_gt(read_lines(text, sizeof text), 0);
    size_t conversations = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert_int_eq(strncmp(line, "{\"_aws\":{\"Timestamp\":", 21), 0);
        ck_assert_int_eq(wsrt_json_parse(NULL, wsrt_span_cstr(line), NULL), WSRT_OK);
        const char *duration = strstr(line, "\"HandlerDuration\":[");
        if (duration != NULL && strstr(line, "\"Handler\":\"websocket_conversation\"") != NULL) {
            conversations++;
            ck_assert_ptr_null(memchr(duration, ',', strcspn(duration, "]"))); /* the last one's */
        }
    }
    ck_assert_uint_eq(conversations, 1);
}
END_TEST

START_TEST(metrics_go_out_after_a_failed_event_and_after_a_refused_result_too)
{
    char text[16384];

    runtime_api_push(api, &(struct api_plan){.event = MESSAGE, .post_status = 400});
    opts.max_invocations = 1;
    ck_assert_int_eq(wsrt_lambda_run(rt, &opts), WSRT_OK);
    ck_assert_uint_gt(read_lines(text, sizeof text), 0);
    ck_assert_uint_eq(logged("lambda_result_refused"), 1);
}
END_TEST

START_TEST(metrics_that_nobody_takes_hurt_no_invocation)
{
    opts.metrics_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(run(2), WSRT_OK);
    close(opts.metrics_fd);
    ck_assert_str_eq(runtime_api_result(api, 1)->kind, "response");
    ck_assert_uint_eq(logged("lambda_metrics_lost"), 2);
}
END_TEST

enum { GROWTH = 32 << 20 };

/* Takes memory that no allocator of the library knows of. */
static int grow(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char **held = user;

    (void)ctx;
    (void)req;
    *held = malloc(GROWTH);
    memset(*held, 1, GROWTH);
    return WSRT_OK;
}

static int make_growing(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    wsrt_route route = {.struct_size = sizeof route,
                        .key = wsrt_span_cstr("$default"),
                        .handler = grow,
                        .user = user};
    int rc = wsrt_runtime_new(out, parts);

    return rc != WSRT_OK ? rc : wsrt_runtime_route(*out, &route);
}

START_TEST(memory_is_what_the_process_grew_by)
{
    char text[16384], *held = NULL;
    double bytes = 0;

    runtime_api_push(api, &(struct api_plan){.event = MESSAGE});
    opts.max_invocations = 1;
    ck_assert_int_eq(wsrt_lambda_main(&opts, make_growing, &held), EXIT_SUCCESS);
    free(held);
    ck_assert_uint_gt(read_lines(text, sizeof text), 0);
    const char *memory = strstr(text, "\"MemoryUsage\":{\"Min\":");
    ck_assert_ptr_nonnull(memory);
    ck_assert_int_eq(sscanf(memory, "\"MemoryUsage\":{\"Min\":%lf", &bytes), 1);
    ck_assert_double_ge(bytes, GROWTH);
}
END_TEST

START_TEST(metrics_may_stay_in)
{
    char text[256];

    opts.metrics_fd = -1;
    ck_assert_int_eq(run(2), WSRT_OK);
    ck_assert_uint_eq(read_lines(text, sizeof text), 0);
}
END_TEST

/* ---- breakers ----------------------------------------------------------------------------- */

static void use_document(const char *text)
{
    static char path[600];

    write_document(text);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "breakers.json").ptr);
    ck_assert_int_ge(inotify_add_watch(watch, path, IN_OPEN), 0);
    opts.breakers_cstr = path;
}

START_TEST(a_document_of_breakers_is_in_force_from_the_first_event)
{
    use_document(STRICT);
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_int_eq(calls[0], WSRT_ERR_CIRCUIT_OPEN);
}
END_TEST

START_TEST(a_changed_document_is_in_force_within_a_minute)
{
    use_document(PATIENT);
    steps[0] = (struct step){.document = STRICT, .advance = 59};
    steps[1] = (struct step){.advance = 1};
    ck_assert_int_eq(run(3), WSRT_OK);
    ck_assert_int_eq(calls[0], WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(calls[1], WSRT_ERR_UNAVAILABLE); /* at most once a minute */
    ck_assert_int_eq(calls[2], WSRT_ERR_CIRCUIT_OPEN);
}
END_TEST

START_TEST(no_document_is_read_while_an_event_is_handled)
{
    use_document(PATIENT);
    for (size_t i = 0; i < 4; i++)
        steps[i].advance = 120;
    ck_assert_int_eq(run(4), WSRT_OK);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(opened[i], 0);
    ck_assert_int_eq(openings(), 1); /* the watch works: after the last one it was read */
}
END_TEST

static const struct {
    const char *name, *text;
    const char *log;
} unusable[] = {
    {"not JSON", "{\"defaults\":", "lambda_breakers_refused"},
    {"unknown member", "{\"deflauts\":{}}", "lambda_breakers_refused"},
    {"missing", NULL, "lambda_breakers_unreadable"},
};

START_TEST(an_unusable_document_ends_the_start_and_is_an_init_error)
{
    use_document(unusable[_i].text != NULL ? unusable[_i].text : "{}");
    if (unusable[_i].text == NULL)
        unlink(opts.breakers_cstr);
    ck_assert_int_lt(run(1), 0);
    const struct api_result *r = runtime_api_result(api, 0);
    ck_assert_str_eq(r->request_id, "init");
    ck_assert_str_eq(r->kind, "error");
    ck_assert_str_eq(r->error_type, "Wsrt.Configuration");
    ck_assert_str_eq(r->body, "{\"errorMessage\":\"the document of WSRT_BREAKERS cannot be used\","
                              "\"errorType\":\"Wsrt.Configuration\",\"stackTrace\":[]}");
    ck_assert_uint_eq(logged(unusable[_i].log), 1);
    ck_assert_uint_eq(runtime_api_nexts(api), 0);
}
END_TEST

START_TEST(a_document_that_became_unusable_leaves_the_settings_and_is_said_once)
{
    use_document(STRICT);
    steps[0] = (struct step){.document = unusable[_i].text, .advance = 60};
    for (size_t i = 1; i < 3; i++)
        steps[i].advance = 60;
    ck_assert_int_eq(run(4), WSRT_OK);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(calls[i], WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_uint_eq(logged("lambda_breakers_refused"), 1);
}
END_TEST

/* ---- a document that is no file ------------------------------------------------------------- */

/* What the host's reader says, reading after reading. */
static struct reading {
    int status;
    const char *text;
    size_t len; /* instead of the text's; 0 = its own */
} readings[STEPS];
static size_t read_times;

static int read_elsewhere(const char *name, char *dst, size_t cap, size_t *len, void *user)
{
    const struct reading *r = &readings[read_times++ % STEPS];

    ck_assert_str_eq(name, opts.breakers_cstr);
    ck_assert_ptr_eq(user, &read_times);
    ck_assert_uint_eq(cap, 65537);
    if (r->status != WSRT_OK)
        return r->status;
    memcpy(dst, r->text, strlen(r->text));
    *len = r->len > 0 ? r->len : strlen(r->text);
    return WSRT_OK;
}

static void use_reader(const char *name)
{
    memset(readings, 0, sizeof readings);
    read_times = 0;
    opts.breakers_cstr = name;
    opts.document = read_elsewhere;
    opts.document_user = &read_times;
}

START_TEST(the_host_may_read_the_document_and_is_asked_once_a_minute)
{
    use_reader("table/item");
    readings[0].text = PATIENT;
    readings[1].text = STRICT;
    steps[0].advance = 59;
    steps[1].advance = 1;
    ck_assert_int_eq(run(3), WSRT_OK);
    ck_assert_int_eq(calls[0], WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(calls[1], WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(calls[2], WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_uint_eq(read_times, 2);
}
END_TEST

START_TEST(a_host_that_does_not_know_the_name_leaves_it_a_file)
{
    use_document(STRICT);
    use_reader(opts.breakers_cstr);
    readings[0].status = WSRT_ERR_UNSUPPORTED;
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_int_eq(calls[0], WSRT_ERR_CIRCUIT_OPEN);
}
END_TEST

START_TEST(a_function_starts_without_a_document_that_may_come_later)
{
    static const int away[] = {WSRT_ERR_UNAVAILABLE, WSRT_ERR_THROTTLED, WSRT_ERR_TIMEOUT};

    use_reader("table/item");
    readings[0].status = away[_i];
    readings[1].text = STRICT;
    readings[2].status = away[_i];
    steps[0].advance = steps[1].advance = 60;
    ck_assert_int_eq(run(3), WSRT_OK);
    ck_assert_int_eq(calls[0], WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(calls[1], WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_int_eq(calls[2], WSRT_ERR_CIRCUIT_OPEN); /* what was in force stays */
    ck_assert_uint_eq(logged("lambda_breakers_unreadable"), 2);
}
END_TEST

START_TEST(a_document_that_the_host_cannot_use_ends_the_start)
{
    static const struct reading rows[] = {{.status = WSRT_ERR_NOT_FOUND},
                                          {.status = WSRT_ERR_INTERNAL},
                                          {.text = "{", .len = 65537},
                                          {.text = "{"}};
    static const int results[] = {WSRT_ERR_NOT_FOUND, WSRT_ERR_INTERNAL, WSRT_ERR_TOO_LARGE,
                                  WSRT_ERR_MALFORMED};

    use_reader("table/item");
    readings[0] = rows[_i];
    ck_assert_int_eq(run(1), results[_i]);
    ck_assert_str_eq(runtime_api_result(api, 0)->request_id, "init");
    ck_assert_uint_eq(runtime_api_nexts(api), 0);
}
END_TEST

/* ---- extension ---------------------------------------------------------------------------- */

START_TEST(a_no_op_extension_is_registered_before_the_first_request_for_work)
{
    opts.flags = WSRT_LAMBDA_EXTENSION;
    ck_assert_int_eq(run(2), WSRT_OK);
    struct api_extension e = runtime_api_extension(api);
    ck_assert_str_eq(e.name, "wsrt");
    ck_assert_str_eq(e.body, "{\"events\":[]}");
    ck_assert_str_eq(e.identifier, "ext-1");
    ck_assert_uint_eq(e.nexts, 0);
    ck_assert_str_eq(runtime_api_result(api, 1)->kind, "response");
}
END_TEST

START_TEST(without_the_flag_no_extension_is_registered)
{
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_str_eq(runtime_api_extension(api).name, "");
}
END_TEST

START_TEST(a_refused_extension_is_said_and_costs_no_more)
{
    opts.flags = WSRT_LAMBDA_EXTENSION;
    runtime_api_refuse_extensions(api);
    ck_assert_int_eq(run(1), WSRT_OK);
    ck_assert_uint_eq(logged("lambda_extension_refused"), 1);
    ck_assert_str_eq(runtime_api_extension(api).identifier, "");
}
END_TEST

/* ---- starts that fail --------------------------------------------------------------------- */

static const struct {
    int status;
    const char *type;
} init_errors[] = {
    {WSRT_ERR_NOT_FOUND, "Wsrt.Configuration"}, {WSRT_ERR_IO, "Wsrt.Configuration"},
    {WSRT_ERR_REJECTED, "Wsrt.Configuration"},  {WSRT_ERR_NOMEM, "Wsrt.InitError"},
    {WSRT_ERR_UNAVAILABLE, "Wsrt.InitError"},
};

START_TEST(an_init_error_says_what_is_wrong)
{
    char body[128];

    ck_assert_int_eq(wsrt_lambda_init_error(&opts, init_errors[_i].status, "no \"table\""),
                     WSRT_OK);
    const struct api_result *r = runtime_api_result(api, 0);
    ck_assert_str_eq(r->request_id, "init");
    ck_assert_str_eq(r->error_type, init_errors[_i].type);
    snprintf(body, sizeof body,
             "{\"errorMessage\":\"no \\\"table\\\"\",\"errorType\":\"%s\",\"stackTrace\":[]}",
             init_errors[_i].type);
    ck_assert_str_eq(r->body, body);
}
END_TEST

START_TEST(an_init_error_needs_a_status_a_message_and_an_interface)
{
    static char long_text[514];

    memset(long_text, 'x', sizeof long_text - 1);
    ck_assert_int_eq(wsrt_lambda_init_error(&opts, 0, "fine"), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_lambda_init_error(&opts, -1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_lambda_init_error(&opts, -1, long_text), WSRT_ERR_INVALID);
    long_text[512] = '\0';
    ck_assert_int_eq(wsrt_lambda_init_error(&opts, -1, long_text), WSRT_OK);
    opts.endpoint = wsrt_span_cstr("127.0.0.1:1");
    ck_assert_int_eq(wsrt_lambda_init_error(&opts, -1, "x"), WSRT_ERR_UNAVAILABLE);
    opts.flags = 2;
    ck_assert_int_eq(wsrt_lambda_init_error(&opts, -1, "x"), WSRT_ERR_UNSUPPORTED);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

Suite *suite(void)
{
    Suite *s = suite_create("lambda_upkeep");
    TCase *t = tcase_create("lambda_upkeep");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, metrics_go_out_once_between_invocations);
    tcase_add_test(t, metrics_go_out_after_a_failed_event_and_after_a_refused_result_too);
    tcase_add_test(t, metrics_that_nobody_takes_hurt_no_invocation);
    tcase_add_test(t, memory_is_what_the_process_grew_by);
    tcase_add_test(t, metrics_may_stay_in);
    tcase_add_test(t, a_document_of_breakers_is_in_force_from_the_first_event);
    tcase_add_test(t, a_changed_document_is_in_force_within_a_minute);
    tcase_add_test(t, no_document_is_read_while_an_event_is_handled);
    tcase_add_loop_test(t, an_unusable_document_ends_the_start_and_is_an_init_error, 0,
                        ROWS(unusable));
    tcase_add_loop_test(t, a_document_that_became_unusable_leaves_the_settings_and_is_said_once, 0,
                        2);
    tcase_add_test(t, the_host_may_read_the_document_and_is_asked_once_a_minute);
    tcase_add_test(t, a_host_that_does_not_know_the_name_leaves_it_a_file);
    tcase_add_loop_test(t, a_function_starts_without_a_document_that_may_come_later, 0, 3);
    tcase_add_loop_test(t, a_document_that_the_host_cannot_use_ends_the_start, 0, 4);
    tcase_add_test(t, a_no_op_extension_is_registered_before_the_first_request_for_work);
    tcase_add_test(t, without_the_flag_no_extension_is_registered);
    tcase_add_test(t, a_refused_extension_is_said_and_costs_no_more);
    tcase_add_loop_test(t, an_init_error_says_what_is_wrong, 0, ROWS(init_errors));
    tcase_add_test(t, an_init_error_needs_a_status_a_message_and_an_interface);
    suite_add_tcase(s, t);
    return s;
}
