/* Key sets through libwsrt-aws' client into libwsrt-jwt: a key server that counts, fails, stalls, and
 * changes its keys. */
#include "../unit/jwt_rig.h"

#include "fake_aws.h"

#include <wsrt/aws.h>

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const int64_t s_ns = 1000000000;

struct rig {
    struct fake_aws *fake;
    struct fake_answer answer;
    char last_path[128];
    int credentials_seen;
    wsrt_aws *aws;
    wsrt_jwks_fetcher fetcher;
    wsrt_breakers *breakers;
    wsrt_jwt *jwt;
    int64_t now;
    char url[128];
};

static int64_t rig_now(void *user)
{
    return ((struct rig *)user)->now;
}

static void serve(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct rig *r = user;
    wsrt_span value;

    snprintf(r->last_path, sizeof r->last_path, "%.*s", (int)q->head->path.len, q->head->path.ptr);
    r->credentials_seen |= wsrt_http_find(&q->head->fields, "authorization", &value) > 0;
    r->credentials_seen |= wsrt_http_find(&q->head->fields, "x-amz-security-token", &value) > 0;
    *answer = r->answer;
}

static void start(struct rig *r)
{
    wsrt_aws_options o = {.struct_size = sizeof o, .region = TEXT("us-east-1")};

    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be asked for what is near */
    memset(r, 0, sizeof *r);
    r->answer.status = 200;
    r->now = s_ns;
    r->fake = fake_aws_start(serve, r);
    ck_assert_ptr_nonnull(r->fake);
    ck_assert_int_eq(wsrt_aws_new(&r->aws, &o), WSRT_OK);
    wsrt_aws_jwks_interface(r->aws, &r->fetcher);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%d/pool/.well-known/jwks.json",
             fake_aws_port(r->fake));
    ck_assert_int_eq(wsrt_breakers_new(&r->breakers, NULL), WSRT_OK);
    wsrt_jwt_options j = usual();
    wsrt_env env = {.struct_size = sizeof env, .user = r, .now = rig_now};
    j.keys = (wsrt_span){NULL, 0};
    j.keys_url = TEXT(r->url);
    j.fetcher = &r->fetcher;
    j.breakers = r->breakers;
    j.env = &env;
    r->jwt = make(&j);
}

static void stop(struct rig *r)
{
    wsrt_jwt_free(r->jwt);
    wsrt_breakers_free(r->breakers);
    wsrt_aws_free(r->aws);
    fake_aws_stop(r->fake);
}

static void publish(struct rig *r, const char *set)
{
    snprintf(r->answer.body, sizeof r->answer.body, "%s", set);
}

START_TEST(keys_come_once_and_serve_every_token)
{
    struct rig r;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    start(&r);
    publish(&r, jwks);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    ck_assert_str_eq(r.last_path, "/pool/.well-known/jwks.json");
    ck_assert_int_eq(r.credentials_seen, 0);
    stop(&r);
}
END_TEST

START_TEST(the_key_server_says_for_how_long)
{
    struct rig r;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    start(&r);
    publish(&r, jwks);
    strcpy(r.answer.fields, "Cache-Control: public, max-age=600\r\n");
    ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    r.now += 599 * s_ns;
    ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    r.now += s_ns;
    ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    stop(&r);
}
END_TEST

START_TEST(another_key_is_looked_for_once)
{
    struct rig r;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    start(&r);
    publish(&r, other_jwks);
    ck_assert_int_eq(ask(r.jwt, t), WSRT_ERR_UNAUTHENTICATED);
    publish(&r, jwks);
    r.now += 10 * s_ns;
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    stop(&r);
}
END_TEST

static const struct {
    int status;
    enum fake_manner manner;
    const char *fields;
    const char *body; /* NULL = a good one */
} failures[] = {
    {500, FAKE_PLAIN, "", NULL},
    {404, FAKE_PLAIN, "", NULL},
    {204, FAKE_PLAIN, "", ""},
    {302, FAKE_PLAIN, "Location: /elsewhere\r\n", NULL},
    {200, FAKE_TRUNCATED, "", NULL},
    {200, FAKE_CLOSE, "", NULL},
    {200, FAKE_PLAIN, "", ""},
    {200, FAKE_PLAIN, "", "<html>Sign in to this network</html>"},
    {200, FAKE_PLAIN, "", "{\"keys\":[]}"},
};

START_TEST(a_failing_key_server_lets_nobody_in_and_is_left_alone_for_a_while)
{
    struct rig r;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    start(&r);
    publish(&r, failures[_i].body == NULL ? jwks : failures[_i].body);
    strcpy(r.answer.fields, failures[_i].fields);
    r.answer.status = failures[_i].status;
    r.answer.manner = failures[_i].manner;
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ask(r.jwt, t), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    stop(&r);
}
END_TEST

START_TEST(old_keys_serve_while_it_fails_and_no_longer_than_a_day)
{
    struct rig r;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    start(&r);
    publish(&r, jwks);
    ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    r.answer.status = 503;
    r.now += 86399 * s_ns;
    ck_assert_int_eq(ask(r.jwt, t), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    r.now += s_ns;
    ck_assert_int_eq(ask(r.jwt, t), WSRT_ERR_UNAVAILABLE);
    stop(&r);
}
END_TEST

START_TEST(the_breaker_of_the_key_server_opens_and_asks_nobody)
{
    struct rig r;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    start(&r);
    r.answer.status = 500;
    for (int i = 0; i < 30 && ask(r.jwt, t) != WSRT_ERR_CIRCUIT_OPEN; i++)
        r.now += 10 * s_ns;
    int asked = fake_aws_requests(r.fake);
    r.now += 10 * s_ns;
    ck_assert_int_eq(ask(r.jwt, t), WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_int_eq(fake_aws_requests(r.fake), asked);
    ck_assert_int_lt(asked, 30);
    stop(&r);
}
END_TEST

/* ---- the fetcher alone ---- */

static int fetch(const struct rig *r, const char *url, wsrt_jwks_fetch *f)
{
    f->struct_size = sizeof *f;
    f->url = TEXT(url);
    return r->fetcher.ops->fetch(r->fetcher.self, f);
}

START_TEST(a_key_server_that_stalls_ends_with_the_time)
{
    struct rig r;
    char body[512];
    wsrt_jwks_fetch f = {.dst = body, .cap = sizeof body, .timeout_ms = 20};

    start(&r);
    r.answer.manner = FAKE_SILENT;
    ck_assert_int_eq(fetch(&r, r.url, &f), WSRT_ERR_TIMEOUT);
    ck_assert_uint_eq(f.len, 0);
    stop(&r);
}
END_TEST

START_TEST(a_set_that_fits_is_taken_and_one_byte_more_is_too_large)
{
    struct rig r;
    char body[9] = "........";
    wsrt_jwks_fetch f = {.dst = body, .cap = 8, .timeout_ms = 5000};

    start(&r);
    r.answer.manner = _i == 0 ? FAKE_PLAIN : FAKE_CHUNKED;
    publish(&r, "12345678");
    ck_assert_int_eq(fetch(&r, r.url, &f), WSRT_OK);
    ck_assert_uint_eq(f.len, 8);
    ck_assert_str_eq(body, "12345678");
    publish(&r, "123456789");
    ck_assert_int_eq(fetch(&r, r.url, &f), WSRT_ERR_TOO_LARGE);
    stop(&r);
}
END_TEST

START_TEST(a_slash_at_the_end_is_part_of_the_address)
{
    struct rig r;
    char body[512];
    wsrt_jwks_fetch f = {.dst = body, .cap = sizeof body, .timeout_ms = 5000};

    start(&r);
    strcat(r.url, "/");
    ck_assert_int_eq(fetch(&r, r.url, &f), WSRT_OK);
    ck_assert_str_eq(r.last_path, "/pool/.well-known/jwks.json/");
    stop(&r);
}
END_TEST

START_TEST(what_others_could_change_on_its_way_is_not_fetched)
{
    static const char *const wrong[] = {"http://192.0.2.1/keys",
                                        "http://169.254.169.254/keys",
                                        "http://127.0.0.1:1@192.0.2.1/",
                                        "file:///etc/passwd",
                                        "https://",
                                        "http://127.0.0.1/keys?a=b"};
    struct rig r;
    char body[512];
    wsrt_jwks_fetch f = {.dst = body, .cap = sizeof body, .timeout_ms = 5000};

    start(&r);
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_msg(fetch(&r, wrong[i], &f) == WSRT_ERR_INVALID, "%s", wrong[i]);
    stop(&r);
}
END_TEST

START_TEST(a_machine_that_does_not_listen_is_not_available)
{
    struct rig r;
    char body[512];
    wsrt_jwks_fetch f = {.dst = body, .cap = sizeof body, .timeout_ms = 5000};

    start(&r);
    fake_aws_stop(r.fake);
    ck_assert_int_eq(fetch(&r, r.url, &f), WSRT_ERR_UNAVAILABLE);
    r.fake = NULL;
    wsrt_aws_jwks_interface(NULL, &r.fetcher);
    wsrt_aws_jwks_interface(r.aws, NULL);
    wsrt_jwt_free(r.jwt);
    wsrt_breakers_free(r.breakers);
    wsrt_aws_free(r.aws);
}
END_TEST

Suite *suite(void)
{
    TCase *t = tcase_create("jwks");

    tcase_add_test(t, keys_come_once_and_serve_every_token);
    tcase_add_test(t, the_key_server_says_for_how_long);
    tcase_add_test(t, another_key_is_looked_for_once);
    tcase_add_loop_test(t, a_failing_key_server_lets_nobody_in_and_is_left_alone_for_a_while, 0,
                        COUNT(failures));
    tcase_add_test(t, old_keys_serve_while_it_fails_and_no_longer_than_a_day);
    tcase_add_test(t, the_breaker_of_the_key_server_opens_and_asks_nobody);
    tcase_add_test(t, a_key_server_that_stalls_ends_with_the_time);
    tcase_add_loop_test(t, a_set_that_fits_is_taken_and_one_byte_more_is_too_large, 0, 2);
    tcase_add_test(t, a_slash_at_the_end_is_part_of_the_address);
    tcase_add_test(t, what_others_could_change_on_its_way_is_not_fetched);
    tcase_add_test(t, a_machine_that_does_not_listen_is_not_available);
    return suite_of("aws_jwks", t);
}
