#include "lambda_function.h"

#include "runtime_api.h"
#include "stream_event.h"

#include <wsrt/json.h>
#include <wsrt/lambda.h>

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void *serve(void *user)
{
    struct lambda_function *f = user;
    wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                .metrics_fd = -1,
                                .endpoint = wsrt_span_cstr(runtime_api_endpoint(f->api))};

    f->result = wsrt_lambda_run(f->rt, &opts);
    return NULL;
}

/* ---- API Gateway's side ------------------------------------------------------------------- */

/* Who connects did so a minute ago: who is gone after that was there before. */
static void write_event(char *dst, size_t cap, const char *type, const char *id, const char *token,
                        const char *body, int64_t wall)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "requestContext");
    wsrt_json_object(&w);
    wsrt_json_key(&w, "eventType");
    wsrt_json_string_cstr(&w, type);
    wsrt_json_key(&w, "connectionId");
    wsrt_json_string_cstr(&w, id);
    wsrt_json_key(&w, "requestId");
    wsrt_json_string_cstr(&w, "gateway-request=");
    if (strcmp(type, "CONNECT") == 0) {
        wsrt_json_key(&w, "connectedAt");
        wsrt_json_write_int64(&w, wall - 60000);
    }
    wsrt_json_object_end(&w);
    if (token != NULL) {
        wsrt_json_key(&w, "queryStringParameters");
        wsrt_json_object(&w);
        wsrt_json_key(&w, "token");
        wsrt_json_string_cstr(&w, token);
        wsrt_json_object_end(&w);
    }
    if (body != NULL) {
        wsrt_json_key(&w, "body");
        wsrt_json_string_cstr(&w, body);
    }
    wsrt_json_object_end(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
}

/* Invokes the function and returns the status of its result. */
static int invoke(struct lambda_function *f, const char *type, size_t client, const char *token,
                  const char *body)
{
    static char event[SCENARIO_MESSAGE];
    wsrt_json result, status;
    int64_t code = 0;

    const wsrt_env *env = wsrt_runtime_env(f->rt);
    write_event(event, sizeof event, type, mailbox_id(&f->mail, client), token, body,
                env->wall(env->user));
    runtime_api_push(f->api, &(struct api_plan){.event = event});
    const struct api_result *r = runtime_api_result(f->api, f->invocations++);
    ck_assert_str_eq(r->kind, "response");
    ck_assert_int_eq(wsrt_json_parse(&result, wsrt_span_cstr(r->body), NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_json_find(&result, wsrt_span_cstr("/statusCode"), &status), WSRT_OK);
    ck_assert_int_eq(wsrt_json_int64(&status, &code), WSRT_OK);
    return (int)code;
}

static int lambda_connect(void *self, size_t client, const char *token)
{
    struct lambda_function *f = self;
    int status = invoke(f, "CONNECT", client, token, NULL);

    if (status < 200 || status > 299)
        return status;
    wsrt_mock_open(f->mail.mock, mailbox_id(&f->mail, client), 1);
    return 0;
}

static void lambda_send(void *self, size_t client, const char *text)
{
    invoke(self, "MESSAGE", client, NULL, text);
}

static int lambda_receive(void *self, size_t client, char *dst, size_t cap)
{
    return mailbox_receive(&((struct lambda_function *)self)->mail, client, dst, cap);
}

static void lambda_vanish(void *self, size_t client)
{
    struct lambda_function *f = self;

    wsrt_mock_open(f->mail.mock, mailbox_id(&f->mail, client), 0);
}

static void lambda_close(void *self, size_t client)
{
    lambda_vanish(self, client);
    ck_assert_int_eq(invoke(self, "DISCONNECT", client, NULL, NULL), 200);
}

static uint64_t lambda_records(void *self)
{
    return chat_records(((struct lambda_function *)self)->rt);
}

/* The table's stream invokes the function, too. */
static void lambda_publish(void *self, const char *updates)
{
    static char event[SCENARIO_MESSAGE];
    struct lambda_function *f = self;

    stream_event(updates, &f->sequence, event, sizeof event);
    runtime_api_push(f->api, &(struct api_plan){.event = event});
    const struct api_result *r = runtime_api_result(f->api, f->invocations++);
    ck_assert_str_eq(r->kind, "response");
    ck_assert_str_eq(r->body, "{\"batchItemFailures\":[]}");
}

static const struct scenario_driver driver = {lambda_connect, lambda_send,   lambda_receive,
                                              lambda_close,   lambda_vanish, lambda_records,
                                              lambda_publish};

void lambda_play(const char *name, wsrt_mock *mock, const wsrt_runtime_options *given,
                 int (*install)(struct lambda_function *f))
{
    struct lambda_function f = {.mail = {.mock = mock, .generation = 1}};
    wsrt_static_auth *auth = chat_auth();
    wsrt_authenticator who;
    wsrt_runtime_options parts = *given;

    wsrt_static_auth_interface(auth, &who);
    parts.struct_size = sizeof parts;
    parts.authenticator = &who;
    f.api = runtime_api_start();
    ck_assert_int_eq(wsrt_mock_runtime(&f.rt, mock, &parts), WSRT_OK);
    ck_assert_int_eq(install(&f), WSRT_OK);
    pthread_create(&f.thread, NULL, serve, &f);
    printf("# lines played: %zu\n", scenario_play(scenario_path(name), &driver, &f));
    wsrt_lambda_stop();
    pthread_join(f.thread, NULL);
    ck_assert_int_eq(f.result, WSRT_OK);
    ck_assert_uint_eq(runtime_api_connections(f.api), 1);
    runtime_api_stop(f.api);
    wsrt_runtime_free(f.rt);
    wsrt_static_auth_free(auth);
}
