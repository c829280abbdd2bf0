/* libwsrt-aws against a service on the loopback: retries, and posts to connections. */
#include "aws_rig.h"
#include "heap.h"
#include "suite.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { MANY = 200 };

static void rig_open(struct aws_rig *r)
{
    aws_rig_start(r, aws_serve);
    aws_rig_sender(r, NULL, 0);
}

static int post_to(struct aws_rig *r, const char *id, const char *text)
{
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
    wsrt_span to = wsrt_span_cstr(id);

    return r->sender.ops->post(r->sender.self, &to, &post);
}

/* ---- one post ------------------------------------------------------------------------------- */

START_TEST(a_post_is_signed_and_goes_to_the_connection)
{
    struct aws_rig r;

    rig_open(&r);
    ck_assert_int_eq(post_to(&r, "L0SM9/OFv+cCIhw=", "{\"type\":\"ping\"}"), WSRT_OK);
    ck_assert_str_eq(r.script.last_method, "POST");
    ck_assert_str_eq(r.script.last_path, "/prod/@connections/L0SM9%2FOFv%2BcCIhw%3D");
    ck_assert_str_eq(r.script.last_body, "{\"type\":\"ping\"}");
    ck_assert_str_eq(r.script.last_type, "application/json");
    ck_assert_int_eq(r.script.unsigned_ones, 0);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_session_token_goes_along_and_is_signed)
{
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.session_token = wsrt_span_cstr("TOKEN/EXAMPLE+==");
    aws_rig_sender(&r, &o, 0);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    ck_assert_str_eq(r.script.last_token, "TOKEN/EXAMPLE+==");
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_wrong_secret_is_forbidden_and_said_so)
{
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.secret_key = wsrt_span_cstr("another");
    aws_rig_sender(&r, &o, 0);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_FORBIDDEN);
    ck_assert_int_eq(r.script.unsigned_ones, 1);
    aws_rig_close(&r);
}
END_TEST

static const struct status_row {
    int status, result, requests;
    enum fake_manner manner;
} status_rows[] = {
    {200, WSRT_OK, 1, FAKE_PLAIN},
    {204, WSRT_OK, 1, FAKE_PLAIN},
    {200, WSRT_OK, 1, FAKE_CHUNKED},
    {302, WSRT_ERR_UNAVAILABLE, 1, FAKE_PLAIN},
    {400, WSRT_ERR_INVALID, 1, FAKE_PLAIN},
    {401, WSRT_ERR_FORBIDDEN, 1, FAKE_PLAIN},
    {403, WSRT_ERR_FORBIDDEN, 1, FAKE_PLAIN},
    {404, WSRT_ERR_FORBIDDEN, 1, FAKE_PLAIN},
    {410, WSRT_ERR_GONE, 1, FAKE_PLAIN},
    {410, WSRT_ERR_GONE, 1, FAKE_CHUNKED},
    {413, WSRT_ERR_TOO_LARGE, 1, FAKE_PLAIN},
    {429, WSRT_ERR_THROTTLED, 3, FAKE_PLAIN},
    {500, WSRT_ERR_UNAVAILABLE, 3, FAKE_PLAIN},
    {502, WSRT_ERR_UNAVAILABLE, 3, FAKE_PLAIN},
    {503, WSRT_ERR_UNAVAILABLE, 3, FAKE_CHUNKED},
    {504, WSRT_ERR_UNAVAILABLE, 3, FAKE_PLAIN},
    {200, WSRT_ERR_UNAVAILABLE, 3, FAKE_TRUNCATED},
    {200, WSRT_ERR_UNAVAILABLE, 3, FAKE_CLOSE},
    {410, WSRT_ERR_GONE, 1, FAKE_TRUNCATED},
    {413, WSRT_ERR_TOO_LARGE, 1, FAKE_TRUNCATED},
    {429, WSRT_ERR_THROTTLED, 3, FAKE_TRUNCATED},
    {200, WSRT_OK, 1, FAKE_ENDLESS},
    {302, WSRT_ERR_UNAVAILABLE, 1, FAKE_ENDLESS},
    {410, WSRT_ERR_GONE, 1, FAKE_ENDLESS},
    {503, WSRT_ERR_UNAVAILABLE, 3, FAKE_ENDLESS},
};

START_TEST(each_answer_has_its_result_and_is_repeated_or_not)
{
    const struct status_row *row = &status_rows[_i];
    struct aws_rig r;

    rig_open(&r);
    r.script.answer.status = row->status;
    r.script.answer.manner = row->manner;
    strcpy(r.script.answer.body, row->status == 204 ? "" : "{\"message\":\"as asked\"}");
    ck_assert_int_eq(post_to(&r, "a", "x"), row->result);
    ck_assert_int_eq(fake_aws_requests(r.fake), row->requests);
    aws_rig_close(&r);
}
END_TEST

/* Bodies of errors may be empty, of a proxy between, or tell another name. */
static const char *const odd_bodies[] = {"", "<html>no</html>", "{\"__type\":\"SlowDown\"}", "[",
                                         "null"};

START_TEST(the_status_decides_whatever_the_body_says)
{
    static const struct status_row rows[] = {{410, WSRT_ERR_GONE, 1, FAKE_PLAIN},
                                             {403, WSRT_ERR_FORBIDDEN, 1, FAKE_PLAIN},
                                             {413, WSRT_ERR_TOO_LARGE, 1, FAKE_CHUNKED},
                                             {429, WSRT_ERR_THROTTLED, 3, FAKE_PLAIN}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aws_rig r;
        rig_open(&r);
        r.script.answer.status = rows[i].status;
        r.script.answer.manner = rows[i].manner;
        strcpy(r.script.answer.body, odd_bodies[_i]);
        ck_assert_int_eq(post_to(&r, "a", "x"), rows[i].result);
        ck_assert_int_eq(fake_aws_requests(r.fake), rows[i].requests);
        aws_rig_close(&r);
    }
}
END_TEST

START_TEST(a_failure_that_passes_is_not_seen)
{
    static const int rows[] = {429, 500, 503};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aws_rig r;
        rig_open(&r);
        r.script.answer.status = rows[i];
        r.script.only_first = 2;
        ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
        ck_assert_int_eq(fake_aws_requests(r.fake), 3);
        aws_rig_close(&r);
    }
}
END_TEST

START_TEST(at_most_once_repeats_only_what_cannot_have_arrived)
{
    static const struct {
        int status;
        enum fake_manner manner;
        int requests;
    } rows[] = {
        {500, FAKE_PLAIN, 1}, {200, FAKE_CLOSE, 1}, {200, FAKE_TRUNCATED, 1}, {429, FAKE_PLAIN, 3}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aws_rig r;
        aws_rig_start(&r, aws_serve);
        aws_rig_sender(&r, NULL, WSRT_AWS_AT_MOST_ONCE);
        r.script.answer.status = rows[i].status;
        r.script.answer.manner = rows[i].manner;
        ck_assert_int_ne(post_to(&r, "a", "x"), WSRT_OK);
        ck_assert_int_eq(fake_aws_requests(r.fake), rows[i].requests);
        aws_rig_close(&r);
    }
}
END_TEST

/* Its first connection is closed instead of the second answer; whatever comes later is answered. */
static void drop_the_kept(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    (void)user;
    answer->manner = q->number == 2 ? FAKE_CLOSE : FAKE_PLAIN;
}

START_TEST(at_most_once_does_not_repeat_what_a_kept_connection_has_lost)
{
    struct aws_rig r;

    aws_rig_start(&r, drop_the_kept);
    aws_rig_sender(&r, NULL, WSRT_AWS_AT_MOST_ONCE);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    aws_rig_close(&r);
}
END_TEST

START_TEST(at_most_once_repeats_what_was_never_sent)
{
    struct aws_rig r;
    wsrt_aws_sender_options p = {.struct_size = sizeof p, .flags = WSRT_AWS_AT_MOST_ONCE};
    char url[64];
    int port, silent = fake_aws_silent(&port), attempts = 0;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.connect_timeout_ms = 100;
    snprintf(url, sizeof url, "https://127.0.0.1:%d/prod", port);
    p.endpoint = wsrt_span_cstr(url);
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&r.posts, r.aws, &p), WSRT_OK);
    wsrt_aws_sender_interface(r.posts, &r.sender);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_TIMEOUT);
    for (int fd; (fd = accept(silent, NULL, NULL)) >= 0; attempts++)
        close(fd);
    ck_assert_int_eq(attempts, 3);
    close(silent);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_service_that_says_nothing_times_out)
{
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.timeout_ms = 400;
    o.attempts = 2;
    aws_rig_sender(&r, &o, 0);
    r.script.answer.manner = FAKE_SILENT;
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    aws_rig_close(&r);
}
END_TEST

/* Instead of libc's: names are looked up as long as a test wants, but not for ever. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int may_end, asked, ended;
} lookups = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
    struct timespec until;
    int rc = 0;

    (void)name;
    (void)service;
    (void)hints;
    (void)out;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&lookups.lock);
    lookups.asked++;
    while (!lookups.may_end && rc == 0)
        rc = pthread_cond_timedwait(&lookups.changed, &lookups.lock, &until);
    lookups.ended++;
    pthread_cond_broadcast(&lookups.changed);
    pthread_mutex_unlock(&lookups.lock);
    return EAI_AGAIN;
}

START_TEST(a_name_that_is_looked_up_for_long_times_out)
{
    wsrt_aws_sender_options p = {.struct_size = sizeof p,
                                 .endpoint = wsrt_span_cstr("https://slow.example/prod")};
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    setenv("no_proxy", "*", 1);
    wsrt_aws_options o = aws_rig_options(&r);
    o.timeout_ms = 200;
    o.attempts = 1;
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&r.posts, r.aws, &p), WSRT_OK);
    wsrt_aws_sender_interface(r.posts, &r.sender);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_TIMEOUT);
    pthread_mutex_lock(&lookups.lock);
    ck_assert_int_eq(lookups.asked, 1);
    ck_assert_int_eq(lookups.ended, 0);
    lookups.may_end = 1;
    pthread_cond_broadcast(&lookups.changed);
    while (lookups.ended == 0)
        pthread_cond_wait(&lookups.changed, &lookups.lock);
    pthread_mutex_unlock(&lookups.lock);
    unsetenv("no_proxy");
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_deadline_ends_the_retries)
{
    wsrt_env env = {.struct_size = sizeof env};
    wsrt_span id = wsrt_span_cstr("a");
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.backoff_ms = 3600 * 1000;
    o.attempts = 10;
    aws_rig_sender(&r, &o, 0);
    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    r.script.answer.status = 503;
    wsrt_post post = {.struct_size = sizeof post,
                      .data = wsrt_span_cstr("x"),
                      .deadline = env.now(env.user) + 1000000};
    ck_assert_int_lt(r.sender.ops->post(r.sender.self, &id, &post), 0);
    ck_assert_int_le(fake_aws_requests(r.fake), 2);
    aws_rig_close(&r);
}
END_TEST

START_TEST(without_certificates_nobody_is_trusted)
{
    wsrt_aws_sender_options p = {.struct_size = sizeof p};
    char url[64];
    struct aws_rig r;
    int port, silent = fake_aws_silent(&port), attempts = 0;

    aws_rig_start(&r, aws_serve);
    setenv("AWS_CA_BUNDLE", "/nonexistent/ca.pem", 1);
    snprintf(url, sizeof url, "https://127.0.0.1:%d", port);
    p.endpoint = wsrt_span_cstr(url);
    wsrt_aws_options o = aws_rig_options(&r);
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&r.posts, r.aws, &p), WSRT_OK);
    wsrt_aws_sender_interface(r.posts, &r.sender);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_FORBIDDEN);
    for (int fd; (fd = accept(silent, NULL, NULL)) >= 0; attempts++)
        close(fd);
    ck_assert_int_eq(attempts, 1);
    close(silent);
    aws_rig_close(&r);
}
END_TEST

START_TEST(nobody_listening_is_unavailable)
{
    struct aws_rig r;

    rig_open(&r);
    fake_aws_stop(r.fake);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_UNAVAILABLE);
    r.fake = fake_aws_start(aws_serve, &r.script);
    aws_rig_close(&r);
}
END_TEST

START_TEST(what_cannot_be_posted_is_refused_here)
{
    static char large[131073];
    wsrt_span id = wsrt_span_cstr("a"), bad = wsrt_span_cstr("a/../b c");
    wsrt_post post = {.struct_size = sizeof post, .data = {large, sizeof large}};
    struct aws_rig r;

    rig_open(&r);
    const wsrt_sender_ops *ops = r.sender.ops;
    ck_assert_int_eq(ops->post(r.sender.self, &id, &post), WSRT_ERR_TOO_LARGE);
    post.data.len--;
    memset(large, 'x', sizeof large);
    ck_assert_int_eq(ops->post(r.sender.self, &id, &post), WSRT_OK);
    ck_assert_int_eq(ops->post(r.sender.self, &bad, &post), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->post(r.sender.self, NULL, &post), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->post(r.sender.self, &id, NULL), WSRT_ERR_INVALID);
    post.flags = 1u << 30;
    ck_assert_int_eq(ops->post(r.sender.self, &id, &post), WSRT_ERR_INVALID);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_clock_that_is_wrong_is_put_right_once)
{
    struct aws_rig r;

    rig_open(&r);
    r.script.wants_date = 1; /* two hours ahead of ours */
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 3);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_clock_that_has_been_set_right_meanwhile_is_believed_again)
{
    struct aws_rig r;

    rig_open(&r);
    r.script.wants_date = 1;
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    aws_wall_ms += (int64_t)2 * 3600 * 1000;
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 4);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 5);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_refusal_by_the_right_clock_is_not_asked_for_twice)
{
    struct aws_rig r;

    rig_open(&r);
    r.script.wants_date = 1;
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
    r.script.wants_date = 0;
    r.script.answer.status = 403;
    strcpy(r.script.answer.fields, "Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n");
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_FORBIDDEN);
    ck_assert_int_eq(fake_aws_requests(r.fake), 3);
    aws_rig_close(&r);
}
END_TEST

/* ---- many ----------------------------------------------------------------------------------- */

struct crowd {
    char names[MANY][16];
    wsrt_span ids[MANY];
    int results[MANY];
};

/* Connections c0, c1, ...; what becomes of each is not known yet. */
static void gather(struct crowd *c)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(c->names[i], sizeof c->names[i], "c%d", i);
        c->ids[i] = wsrt_span_cstr(c->names[i]);
        c->results[i] = 99;
    }
}

static void post_to_all(struct aws_rig *r, struct crowd *c)
{
    const wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr("{}")};

    ck_assert_int_eq(r->sender.ops->post_many(r->sender.self, c->ids, MANY, &post, c->results),
                     WSRT_OK);
}

START_TEST(posts_to_many_end_with_their_time_however_slow_their_rate)
{
    wsrt_env env = {.struct_size = sizeof env};
    wsrt_aws_sender_options p = {.struct_size = sizeof p, .rate = 10, .timeout_ms = 300};
    struct crowd crowd;
    struct aws_rig r;

    rig_open(&r);
    wsrt_aws_sender_free(r.posts);
    p.endpoint = wsrt_span_cstr(r.url);
    ck_assert_int_eq(wsrt_aws_sender_new(&r.posts, r.aws, &p), WSRT_OK);
    wsrt_aws_sender_interface(r.posts, &r.sender);
    gather(&crowd);
    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    int64_t began = env.now(env.user);
    post_to_all(&r, &crowd);
    ck_assert_int_lt(env.now(env.user) - began, (int64_t)10 * 1000000000); /* 200 at 10 a second */
    ck_assert_int_eq(crowd.results[MANY - 1], WSRT_ERR_TIMEOUT);
    ck_assert_int_lt(fake_aws_requests(r.fake), MANY / 2);
    aws_rig_close(&r);
}
END_TEST

START_TEST(what_is_past_its_deadline_is_not_sent)
{
    static const int64_t deadlines[] = {1, -1, INT64_MIN};
    wsrt_span id = wsrt_span_cstr("a");
    struct aws_rig r;

    rig_open(&r);
    for (size_t i = 0; i < COUNT(deadlines); i++) {
        const wsrt_post post = {
            .struct_size = sizeof post, .data = wsrt_span_cstr("x"), .deadline = deadlines[i]};
        ck_assert_int_eq(r.sender.ops->post(r.sender.self, &id, &post), WSRT_ERR_TIMEOUT);
    }
    ck_assert_int_eq(fake_aws_requests(r.fake), 0);
    aws_rig_close(&r);
}
END_TEST

START_TEST(posts_to_many_each_have_their_result_and_share_connections)
{
    const wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr("{}")};
    struct crowd crowd;
    struct aws_rig r;

    rig_open(&r);
    r.script.gone_every = 7;
    gather(&crowd);
    crowd.ids[50] = wsrt_span_cstr("no id!");
    for (int round = 0; round < 2; round++) {
        post_to_all(&r, &crowd);
        for (int i = 0; i < MANY; i++)
            ck_assert_int_eq(crowd.results[i], i == 50      ? WSRT_ERR_INVALID
                                               : i % 7 == 0 ? WSRT_ERR_GONE
                                                            : WSRT_OK);
    }
    ck_assert_int_eq(fake_aws_requests(r.fake), 2 * (MANY - 1));
    ck_assert_int_le(fake_aws_connections(r.fake), 16);
    ck_assert_int_eq(r.sender.ops->post_many(r.sender.self, NULL, 0, &post, NULL), WSRT_OK);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_storm_of_failures_uses_its_quota_up)
{
    struct crowd crowd;
    struct aws_rig r;

    rig_open(&r);
    r.script.answer.status = 503;
    gather(&crowd);
    post_to_all(&r, &crowd);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(crowd.results[i], WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(fake_aws_requests(r.fake), MANY + 100); /* 500 tokens, 5 a retry */
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_storm_of_gone_connections_is_one_request_each_and_costs_no_quota)
{
    struct crowd crowd;
    struct aws_rig r;

    rig_open(&r);
    r.script.gone_every = 1;
    gather(&crowd);
    post_to_all(&r, &crowd);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(crowd.results[i], WSRT_ERR_GONE);
    ck_assert_int_eq(fake_aws_requests(r.fake), MANY);
    r.script.gone_every = 0;
    r.script.answer.status = 503;
    post_to_all(&r, &crowd);
    ck_assert_int_eq(fake_aws_requests(r.fake), MANY + MANY + 100); /* all 500 tokens were there */
    aws_rig_close(&r);
}
END_TEST

/* ---- get, disconnect ------------------------------------------------------------------------ */

START_TEST(a_connection_is_described)
{
    wsrt_connection_info info = {.struct_size = sizeof info};
    wsrt_span id = wsrt_span_cstr("a=");
    struct aws_rig r;

    rig_open(&r);
    strcpy(r.script.answer.body,
           "{\"connectedAt\":\"2026-11-20T10:00:00Z\",\"identity\":{\"sourceIp\":"
           "\"203.0.113.9\",\"userAgent\":\"wsrt-it/1\"},\"lastActiveAt\":"
           "\"2026-11-20T10:00:01Z\"}");
    ck_assert_int_eq(r.sender.ops->get(r.sender.self, &id, &info), WSRT_OK);
    ck_assert_str_eq(r.script.last_method, "GET");
    ck_assert_str_eq(r.script.last_path, "/prod/@connections/a%3D");
    ck_assert_int_eq(info.connected_at, (int64_t)AWS_WALL * 1000);
    ck_assert_int_eq(info.last_active_at, (int64_t)AWS_WALL * 1000 + 1000);
    ck_assert_str_eq(info.source_ip, "203.0.113.9");
    ck_assert_str_eq(info.user_agent, "wsrt-it/1");
    snprintf(r.script.answer.body, sizeof r.script.answer.body,
             "{\"identity\":{\"userAgent\":\"%02000d\"}}", 1);
    ck_assert_int_eq(r.sender.ops->get(r.sender.self, &id, &info), WSRT_OK);
    ck_assert_uint_eq(strlen(info.user_agent), 255);
    strcpy(r.script.answer.body, "<html>");
    ck_assert_int_eq(r.sender.ops->get(r.sender.self, &id, &info), WSRT_ERR_UNAVAILABLE);
    r.script.answer.status = 410;
    ck_assert_int_eq(r.sender.ops->get(r.sender.self, &id, &info), WSRT_ERR_GONE);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_connection_is_closed)
{
    wsrt_span id = wsrt_span_cstr("a"), reason = wsrt_span_cstr("bye");
    struct aws_rig r;

    rig_open(&r);
    r.script.answer.status = 204;
    ck_assert_int_eq(r.sender.ops->disconnect(r.sender.self, &id, 1000, &reason), WSRT_OK);
    ck_assert_str_eq(r.script.last_method, "DELETE");
    r.script.answer.status = 410;
    ck_assert_int_eq(r.sender.ops->disconnect(r.sender.self, &id, 1000, &reason), WSRT_ERR_GONE);
    aws_rig_close(&r);
}
END_TEST

/* ---- settings ------------------------------------------------------------------------------- */

START_TEST(settings_without_sense_are_refused)
{
    struct aws_rig r;
    wsrt_aws *a;
    wsrt_aws_sender *s;
    wsrt_aws_sender_options p = {.struct_size = sizeof p};

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.secret_key = (wsrt_span){0};
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
    o = aws_rig_options(&r);
    o.attempts = 11;
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
    o = aws_rig_options(&r);
    o.metadata_endpoint = wsrt_span_cstr("nowhere");
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
    o = aws_rig_options(&r);
    o.flags = 1;
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_UNSUPPORTED);
    ck_assert_ptr_null(a);
    o = aws_rig_options(&r);
    o.region = (wsrt_span){0};
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
    p.endpoint = wsrt_span_cstr("https://a.example/prod");
    ck_assert_int_eq(wsrt_aws_sender_new(&s, r.aws, &p), WSRT_ERR_NOT_FOUND);
    wsrt_aws_free(r.aws);
    setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&s, r.aws, NULL), WSRT_ERR_INVALID);
    p.width = 1025;
    ck_assert_int_eq(wsrt_aws_sender_new(&s, r.aws, &p), WSRT_ERR_INVALID);
    p.width = 0;
    p.endpoint = wsrt_span_cstr("https://a.example//prod"); /* no service would sign it as we do */
    ck_assert_int_eq(wsrt_aws_sender_new(&s, r.aws, &p), WSRT_ERR_INVALID);
    p.endpoint = wsrt_span_cstr("https://a.example/x/../prod");
    ck_assert_int_eq(wsrt_aws_sender_new(&s, r.aws, &p), WSRT_ERR_INVALID);
    p.endpoint = wsrt_span_cstr("wss://a.example/prod");
    ck_assert_int_eq(wsrt_aws_sender_new(&s, r.aws, &p), WSRT_OK);
    wsrt_aws_sender_free(s);
    wsrt_aws_sender_free(NULL);
    wsrt_aws_free(NULL);
    aws_rig_close(&r);
}
END_TEST

/* Hosts are made of it, to which signed requests go. */
START_TEST(what_is_no_name_of_a_region_is_refused)
{
    static const char *const rows[] = {"other.example/", "us-east-1.other.example",
                                       "us east 1",      "us-east-1\r\n",
                                       "-us-east-1",     "us-east-1-"};
    struct aws_rig r;
    wsrt_aws *a;

    aws_rig_start(&r, aws_serve);
    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_aws_options o = aws_rig_options(&r);
        o.region = wsrt_span_cstr(rows[i]);
        ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
        o.region = (wsrt_span){0};
        setenv("AWS_REGION", rows[i], 1);
        ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
    }
    aws_rig_close(&r);
}
END_TEST

/* Each allocation of ours refused once; libcurl's are its own. */
START_TEST(a_refused_allocation_fails_a_post_and_nothing_else)
{
    struct heap heap;
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    heap_init(&heap);
    for (size_t n = 1;; n++) {
        wsrt_aws_options o = aws_rig_options(&r);
        wsrt_aws_sender_options p = {.struct_size = sizeof p};
        char url[80];
        o.allocator = heap.allocator;
        snprintf(url, sizeof url, "%s/prod", r.url);
        p.endpoint = wsrt_span_cstr(url);
        strcpy(r.script.answer.body, "a body");
        heap_arm(&heap, n, _i);
        int rc = wsrt_aws_new(&r.aws, &o);
        r.posts = NULL;
        if (rc == WSRT_OK)
            rc = wsrt_aws_sender_new(&r.posts, r.aws, &p);
        if (rc == WSRT_OK) {
            wsrt_aws_sender_interface(r.posts, &r.sender);
            rc = post_to(&r, "a", "x");
        }
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        if (r.posts != NULL)
            ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_OK);
        wsrt_aws_sender_free(r.posts);
        wsrt_aws_free(r.aws);
        ck_assert_uint_eq(heap.live, 0);
        ck_assert_int_eq(rc, tripped ? WSRT_ERR_NOMEM : WSRT_OK);
        if (!tripped)
            break;
        heap.points++;
    }
    printf("# allocation points: %zu\n", heap.points);
    fake_aws_stop(r.fake);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("aws_client");
    TCase *t = tcase_create("aws_client");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_post_is_signed_and_goes_to_the_connection);
    tcase_add_test(t, a_session_token_goes_along_and_is_signed);
    tcase_add_test(t, a_wrong_secret_is_forbidden_and_said_so);
    tcase_add_loop_test(t, each_answer_has_its_result_and_is_repeated_or_not, 0,
                        COUNT(status_rows));
    tcase_add_loop_test(t, the_status_decides_whatever_the_body_says, 0, COUNT(odd_bodies));
    tcase_add_test(t, a_failure_that_passes_is_not_seen);
    tcase_add_test(t, at_most_once_repeats_only_what_cannot_have_arrived);
    tcase_add_test(t, at_most_once_does_not_repeat_what_a_kept_connection_has_lost);
    tcase_add_test(t, at_most_once_repeats_what_was_never_sent);
    tcase_add_test(t, a_service_that_says_nothing_times_out);
    tcase_add_test(t, a_name_that_is_looked_up_for_long_times_out);
    tcase_add_test(t, a_deadline_ends_the_retries);
    tcase_add_test(t, without_certificates_nobody_is_trusted);
    tcase_add_test(t, nobody_listening_is_unavailable);
    tcase_add_test(t, what_cannot_be_posted_is_refused_here);
    tcase_add_test(t, a_clock_that_is_wrong_is_put_right_once);
    tcase_add_test(t, a_clock_that_has_been_set_right_meanwhile_is_believed_again);
    tcase_add_test(t, a_refusal_by_the_right_clock_is_not_asked_for_twice);
    tcase_add_test(t, posts_to_many_end_with_their_time_however_slow_their_rate);
    tcase_add_test(t, what_is_past_its_deadline_is_not_sent);
    tcase_add_test(t, posts_to_many_each_have_their_result_and_share_connections);
    tcase_add_test(t, a_storm_of_failures_uses_its_quota_up);
    tcase_add_test(t, a_storm_of_gone_connections_is_one_request_each_and_costs_no_quota);
    tcase_add_test(t, a_connection_is_described);
    tcase_add_test(t, a_connection_is_closed);
    tcase_add_test(t, settings_without_sense_are_refused);
    tcase_add_test(t, what_is_no_name_of_a_region_is_refused);
    tcase_add_loop_test(t, a_refused_allocation_fails_a_post_and_nothing_else, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
