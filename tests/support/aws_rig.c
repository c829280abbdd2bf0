#include "aws_rig.h"

#include "common/crc32.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

int64_t aws_wall_ms;

static int64_t wall(void *user)
{
    (void)user;
    return aws_wall_ms;
}

static void copy(char *dst, size_t cap, wsrt_span text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;

    memcpy(dst, text.ptr, len);
    dst[len] = '\0';
}

static void remember(struct aws_script *s, const struct fake_request *q)
{
    wsrt_span value = {"", 0};

    copy(s->last_path, sizeof s->last_path, q->head->path);
    copy(s->last_method, sizeof s->last_method, q->head->method);
    copy(s->last_body, sizeof s->last_body, q->body.len > 0 ? q->body : value);
    wsrt_http_find(&q->head->fields, "content-type", &value);
    copy(s->last_type, sizeof s->last_type, value);
    value = (wsrt_span){"", 0};
    wsrt_http_find(&q->head->fields, "x-amz-security-token", &value);
    copy(s->last_token, sizeof s->last_token, value);
    value = (wsrt_span){"", 0};
    wsrt_http_find(&q->head->fields, "x-amz-date", &value);
    copy(s->last_date, sizeof s->last_date, value);
}

static int number_in(wsrt_span path)
{
    const char *at = memmem(path.ptr, path.len, "/c", 2);

    while (at != NULL && (at[2] < '0' || at[2] > '9'))
        at = memmem(at + 2, (size_t)(path.ptr + path.len - at - 2), "/c", 2);
    return at == NULL ? 0 : atoi(at + 2);
}

static void note(struct aws_script *s, const struct fake_request *q)
{
    static const char prefix[] = "DynamoDB_20120810.";
    wsrt_span target = {"", 0};

    if (s->at >= AWS_STEPS)
        return;
    if (wsrt_http_find(&q->head->fields, "x-amz-target", &target) == 1 &&
        target.len > sizeof prefix && memcmp(target.ptr, prefix, sizeof prefix - 1) == 0)
        target = (wsrt_span){target.ptr + sizeof prefix - 1, target.len - (sizeof prefix - 1)};
    copy(s->targets[s->at], sizeof s->targets[0], target);
    copy(s->bodies[s->at], sizeof s->bodies[0], q->body);
}

static void play_step(struct aws_script *s, const struct fake_request *q,
                      struct fake_answer *answer)
{
    const struct aws_step *step = &s->steps[s->at < s->step_count ? s->at : s->step_count - 1];
    const char *body = step->body != NULL ? step->body : "{}";
    int n = snprintf(answer->fields, sizeof answer->fields, "%s",
                     step->fields != NULL ? step->fields : "");

    note(s, q);
    s->at++;
    answer->status = step->status;
    answer->manner = step->manner;
    snprintf(answer->body, sizeof answer->body, "%s", body);
    if (s->sums)
        snprintf(answer->fields + n, sizeof answer->fields - (size_t)n, "x-amz-crc32: %u\r\n",
                 wsrt_crc32(wsrt_span_cstr(answer->body)));
}

void aws_serve(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct aws_script *s = user;

    remember(s, q);
    if (!q->signed_ok) {
        s->unsigned_ones++;
        answer->status = 403;
    } else if (s->steps != NULL) {
        play_step(s, q, answer);
    } else if (s->gone_every > 0) {
        answer->status = number_in(q->head->path) % s->gone_every == 0 ? 410 : 200;
    } else if (s->wants_date != 0) {
        wsrt_span date;
        wsrt_http_find(&q->head->fields, "x-amz-date", &date);
        if (memcmp(date.ptr, "20261120T12", 11) != 0) {
            answer->status = 403;
            strcpy(answer->fields, "Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n"
                                   "x-amzn-ErrorType: InvalidSignatureException:\r\n");
        }
    } else if (s->only_first == 0 || q->number <= s->only_first) {
        *answer = s->answer;
    }
}

static void clear_environment(void)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "WEBSOCKET_API_ENDPOINT",
                                        "CONNECTIONS_TABLE_NAME",
                                        "WEBSOCKET_MESSAGES_TABLE",
                                        "WSRT_CONNECTIONS_SHAPE",
                                        "WSRT_CONNECTIONS_INDEX",
                                        "AWS_ENDPOINT_URL_DYNAMODB",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONFIG_FILE",
                                        "AWS_CA_BUNDLE",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};

    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    setenv("HOME", "/nonexistent", 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be asked for what is near */
}

wsrt_aws_options aws_rig_options(struct aws_rig *r)
{
    wsrt_aws_options o = {.struct_size = sizeof o,
                          .env = &r->env,
                          .region = wsrt_span_cstr("us-east-1"),
                          .access_key = wsrt_span_cstr(FAKE_ACCESS_KEY),
                          .secret_key = wsrt_span_cstr(FAKE_SECRET_KEY),
                          .backoff_ms = 1};

    return o;
}

void aws_rig_serve(struct aws_rig *r, fake_handler handler, void *user)
{
    memset(r, 0, sizeof *r);
    clear_environment();
    aws_wall_ms = (int64_t)AWS_WALL * 1000;
    r->env = (wsrt_env){.struct_size = sizeof r->env, .wall = wall};
    r->script.answer.status = 200;
    r->fake = fake_aws_start(handler, user);
    ck_assert_ptr_nonnull(r->fake);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%d", fake_aws_port(r->fake));
}

void aws_rig_start(struct aws_rig *r, fake_handler handler)
{
    aws_rig_serve(r, handler, &r->script);
}

void aws_rig_sender(struct aws_rig *r, const wsrt_aws_options *given, uint32_t flags)
{
    wsrt_aws_options o = given != NULL ? *given : aws_rig_options(r);
    char url[80];
    wsrt_aws_sender_options p = {.struct_size = sizeof p, .flags = flags, .width = 16};

    snprintf(url, sizeof url, "%s/prod", r->url);
    p.endpoint = wsrt_span_cstr(url);
    ck_assert_int_eq(wsrt_aws_new(&r->aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&r->posts, r->aws, &p), WSRT_OK);
    wsrt_aws_sender_interface(r->posts, &r->sender);
}

void aws_rig_tables(struct aws_rig *r, const wsrt_aws_options *given, int shape)
{
    wsrt_aws_options o = given != NULL ? *given : aws_rig_options(r);
    const wsrt_aws_tables_options t = {.struct_size = sizeof t,
                                       .shape = shape,
                                       .endpoint = wsrt_span_cstr(r->url),
                                       .connections = wsrt_span_cstr("conn"),
                                       .messages = wsrt_span_cstr("msgs")};

    ck_assert_int_eq(wsrt_aws_new(&r->aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_tables_new(&r->tables, r->aws, &t), WSRT_OK);
    wsrt_aws_tables_connections(r->tables, &r->store);
    wsrt_aws_tables_history(r->tables, &r->history);
}

void aws_rig_close(struct aws_rig *r)
{
    wsrt_aws_tables_free(r->tables);
    wsrt_aws_sender_free(r->posts);
    wsrt_aws_free(r->aws);
    fake_aws_stop(r->fake);
}
