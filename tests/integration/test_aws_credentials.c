/* Where libwsrt-aws finds who signs, when it looks again, and what it takes for credentials. */
#include "aws_rig.h"
#include "scratch.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int post_to(struct aws_rig *r, const char *id, const char *text)
{
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
    wsrt_span to = wsrt_span_cstr(id);

    return r->sender.ops->post(r->sender.self, &to, &post);
}

/* ---- places and times ------------------------------------------------------------------------ */

/* A container's endpoint at /creds, the metadata service at its own paths. */
static void hand_out(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    static const char creds[] =
        "{\"Code\":\"Success\",\"AccessKeyId\":\"AK%d\",\"SecretAccessKey\":"
        "\"S\",\"Token\":\"T\",\"Expiration\":\"2026-11-20T11:00:00Z\"}";
    struct aws_script *s = user;
    wsrt_span path = q->head->path;

    if (s->answer.status != 200) {
        *answer = s->answer;
    } else if (wsrt_span_equal(path, wsrt_span_cstr("/creds"))) {
        answer->status = fake_field_is(q, "authorization", "Basic abc") ? 200 : 401;
        snprintf(answer->body, sizeof answer->body, creds, q->number);
    } else if (wsrt_span_equal(path, wsrt_span_cstr("/latest/api/token"))) {
        answer->status = wsrt_span_equal(q->head->method, wsrt_span_cstr("PUT")) &&
                                 fake_field_is(q, "x-aws-ec2-metadata-token-ttl-seconds", "21600")
                             ? 200
                             : 400;
        strcpy(answer->body, "SESSION==");
    } else if (!fake_field_is(q, "x-aws-ec2-metadata-token", "SESSION==")) {
        answer->status = 401;
    } else if (wsrt_span_equal(path,
                               wsrt_span_cstr("/latest/meta-data/iam/security-credentials/"))) {
        strcpy(answer->body, "my-role");
    } else if (wsrt_span_equal(
                   path, wsrt_span_cstr("/latest/meta-data/iam/security-credentials/my-role"))) {
        snprintf(answer->body, sizeof answer->body, creds, q->number);
    } else {
        answer->status = 404;
    }
}

static wsrt_aws *chain(struct aws_rig *r)
{
    wsrt_aws_options o = {.struct_size = sizeof o, .env = &r->env, .backoff_ms = 1};

    o.metadata_endpoint = wsrt_span_cstr(r->url);
    ck_assert_int_eq(wsrt_aws_new(&r->aws, &o), WSRT_OK);
    return r->aws;
}

static void expect_key(struct aws_rig *r, const char *wanted)
{
    char key[129] = "";

    ck_assert_int_eq(wsrt_aws_credentials(r->aws, key, sizeof key), WSRT_OK);
    ck_assert_str_eq(key, wanted);
}

/* And how often anybody was asked for some. */
static void expect_none(struct aws_rig *r, int status, int asked)
{
    ck_assert_int_eq(wsrt_aws_credentials(r->aws, NULL, 0), status);
    ck_assert_int_eq(fake_aws_requests(r->fake), asked);
}

static void use_container(const struct aws_rig *r)
{
    char url[80];

    snprintf(url, sizeof url, "%s/creds", r->url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
}

START_TEST(the_environment_comes_first)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    chain(&r);
    expect_key(&r, "ENV");
    ck_assert_int_eq(fake_aws_requests(r.fake), 0);
    aws_rig_close(&r);
}
END_TEST

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(then_come_the_files)
{
    struct scratch place;
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    scratch_make(&place);
    char *path = strdup(scratch_path(&place, "credentials").ptr);
    write_file(path, "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n"
                     "[other]\naws_access_key_id=OTHER\naws_secret_access_key=s\n");
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "", 1); /* empty is not set */
    chain(&r);
    expect_key(&r, "FILE");
    wsrt_aws_free(r.aws);
    setenv("AWS_PROFILE", "other", 1);
    chain(&r);
    expect_key(&r, "OTHER");
    aws_rig_close(&r);
    scratch_remove(&place);
    free(path);
}
END_TEST

/* Each in a file of its own, and whose key a search finds that would come to a container next. */
static const struct {
    const char *profile, *text;
    int wanted;
    const char *key;
} profiles[] = {
    {NULL, "[other]\nregion=eu-west-1\n", WSRT_OK, "AK1"},
    {"other", "[other]\nregion=eu-west-1\n", WSRT_OK, "AK1"},
    {"gone", "[other]\naws_access_key_id=K\naws_secret_access_key=s\n", WSRT_ERR_FORBIDDEN, NULL},
    {"gone", "", WSRT_ERR_FORBIDDEN, NULL},
    {NULL, "[default]\nrole_arn=arn:aws:iam::1:role/r\n", WSRT_ERR_FORBIDDEN, NULL},
    {"a", "[a]\naws_access_key_id=K\naws_secret_access_key=s\nrole_arn=x\n", WSRT_ERR_FORBIDDEN,
     NULL},
    {"a", "[a]\nsso_session=x\n", WSRT_ERR_FORBIDDEN, NULL},
    {"a", "[a]\nsso_account_id=1\n", WSRT_ERR_FORBIDDEN, NULL},
    {"a", "[a]\nweb_identity_token_file=/t\n", WSRT_ERR_FORBIDDEN, NULL},
    {"a", "[a]\ncredential_process=/bin/false\n", WSRT_ERR_FORBIDDEN, NULL},
    {"a", "[a]\naws_access_key_id=K\naws_secret_access_key=s\ncredential_process=x\n", WSRT_OK,
     "K"},
    {"a",
     "[a]\ncredential_process=x\nrole_arn=x\ncredential_process=y\n"
     "aws_access_key_id=K\naws_secret_access_key=s\n",
     WSRT_ERR_FORBIDDEN, NULL},
};

START_TEST(a_profile_that_is_not_there_or_not_supported_does_not_become_the_machine)
{
    struct scratch place;
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    scratch_make(&place);
    char *path = strdup(scratch_path(&place, "credentials").ptr);
    write_file(path, profiles[_i].text);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    if (profiles[_i].profile != NULL)
        setenv("AWS_PROFILE", profiles[_i].profile, 1);
    chain(&r);
    if (profiles[_i].wanted == WSRT_OK)
        expect_key(&r, profiles[_i].key);
    else
        expect_none(&r, profiles[_i].wanted, 0);
    aws_rig_close(&r);
    scratch_remove(&place);
    free(path);
}
END_TEST

START_TEST(nor_does_a_web_identity)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token", 1);
    chain(&r);
    expect_none(&r, WSRT_ERR_FORBIDDEN, 0);
    aws_rig_close(&r);
}
END_TEST

START_TEST(then_a_container_whose_token_may_be_in_a_file)
{
    struct scratch place;
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    chain(&r);
    expect_key(&r, "AK1");
    expect_key(&r, "AK1");
    wsrt_aws_free(r.aws);
    scratch_make(&place);
    char *path = strdup(scratch_path(&place, "token").ptr);
    write_file(path, "Basic abc");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong", 1); /* the file wins */
    chain(&r);
    expect_key(&r, "AK2");
    aws_rig_close(&r);
    scratch_remove(&place);
    free(path);
}
END_TEST

START_TEST(then_the_metadata_service_by_its_second_version)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    chain(&r);
    expect_key(&r, "AK3");
    ck_assert_int_eq(fake_aws_requests(r.fake), 3);
    aws_rig_close(&r);
}
END_TEST

START_TEST(the_metadata_service_can_be_switched_off)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    chain(&r);
    expect_none(&r, WSRT_ERR_NOT_FOUND, 0);
    aws_rig_close(&r);
}
END_TEST

START_TEST(an_old_metadata_service_is_not_asked)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    r.script.answer.status = 404;
    chain(&r);
    expect_none(&r, WSRT_ERR_FORBIDDEN, 1);
    aws_rig_close(&r);
}
END_TEST

START_TEST(a_container_elsewhere_or_a_broken_token_is_refused)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    chain(&r);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds", 1);
    ck_assert_int_eq(wsrt_aws_credentials(r.aws, NULL, 0), WSRT_ERR_FORBIDDEN);
    use_container(&r);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc\r\nX: y", 1);
    expect_none(&r, WSRT_ERR_FORBIDDEN, 0);
    aws_rig_close(&r);
}
END_TEST

START_TEST(credentials_are_renewed_before_they_end)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    chain(&r);
    expect_key(&r, "AK1");
    aws_wall_ms = ((int64_t)AWS_WALL + 44 * 60) * 1000;
    expect_key(&r, "AK1");
    aws_wall_ms = ((int64_t)AWS_WALL + 46 * 60) * 1000;
    expect_key(&r, "AK2");
    aws_rig_close(&r);
}
END_TEST

START_TEST(an_endpoint_that_has_no_newer_ones_is_not_asked_at_every_turn)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    chain(&r);
    expect_key(&r, "AK1");
    aws_wall_ms = ((int64_t)AWS_WALL + 46 * 60) * 1000;
    expect_key(&r, "AK2"); /* ends when the first do */
    expect_key(&r, "AK2");
    aws_wall_ms += 9999;
    expect_key(&r, "AK2");
    aws_wall_ms += 1;
    expect_key(&r, "AK3");
    aws_wall_ms = ((int64_t)AWS_WALL + 61 * 60) * 1000;
    expect_key(&r, "AK4"); /* has ended, but is the best there is */
    expect_key(&r, "AK4");
    aws_rig_close(&r);
}
END_TEST

/* The metadata service is there, and never answers. */
static void *ask_for_credentials(void *aws)
{
    return (void *)(intptr_t)wsrt_aws_credentials(aws, NULL, 0);
}

START_TEST(who_waited_for_a_search_in_vain_does_not_search_again)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct aws_rig r;
    void *rc;

    aws_rig_start(&r, hand_out);
    r.script.answer.status = 500;
    r.script.answer.manner = FAKE_SILENT;
    chain(&r);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_for_credentials, r.aws), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &rc), 0);
        ck_assert_int_eq((int)(intptr_t)rc, WSRT_ERR_TIMEOUT);
    }
    ck_assert_int_lt(fake_aws_requests(r.fake), THREADS);
    aws_rig_close(&r);
}
END_TEST

START_TEST(posts_to_many_look_for_credentials_in_vain_once)
{
    const wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr("{}")};
    wsrt_span ids[40];
    int results[COUNT(ids)];
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    r.script.answer.status = 500;
    wsrt_aws_options o = aws_rig_options(&r);
    o.access_key = o.secret_key = (wsrt_span){0};
    aws_rig_sender(&r, &o, 0);
    for (size_t i = 0; i < COUNT(ids); i++)
        ids[i] = wsrt_span_cstr("a");
    ck_assert_int_eq(r.sender.ops->post_many(r.sender.self, ids, COUNT(ids), &post, results),
                     WSRT_OK);
    for (size_t i = 0; i < COUNT(ids); i++)
        ck_assert_int_eq(results[i], WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(fake_aws_requests(r.fake), 3); /* attempts of one search */
    ck_assert_int_eq(r.sender.ops->post_many(r.sender.self, ids, 1, &post, results), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 6); /* another call, another search */
    aws_rig_close(&r);
}
END_TEST

START_TEST(while_renewing_fails_the_old_ones_serve_until_they_end)
{
    struct aws_rig r;

    aws_rig_start(&r, hand_out);
    use_container(&r);
    chain(&r);
    expect_key(&r, "AK1");
    r.script.answer.status = 500;
    aws_wall_ms = ((int64_t)AWS_WALL + 46 * 60) * 1000;
    expect_key(&r, "AK1");
    ck_assert_int_eq(fake_aws_requests(r.fake), 4); /* three attempts */
    expect_key(&r, "AK1");
    ck_assert_int_eq(fake_aws_requests(r.fake), 4); /* a pause after that */
    aws_wall_ms = ((int64_t)AWS_WALL + 59 * 60) * 1000;
    expect_key(&r, "AK1");
    ck_assert_int_eq(fake_aws_requests(r.fake), 7);
    aws_wall_ms = ((int64_t)AWS_WALL + 60 * 60) * 1000;
    ck_assert_int_eq(wsrt_aws_credentials(r.aws, NULL, 0), WSRT_ERR_UNAVAILABLE);
    aws_rig_close(&r);
}
END_TEST

START_TEST(without_credentials_a_post_is_forbidden)
{
    struct aws_rig r;

    aws_rig_start(&r, aws_serve);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    wsrt_aws_options o = aws_rig_options(&r);
    o.access_key = o.secret_key = (wsrt_span){0};
    aws_rig_sender(&r, &o, 0);
    ck_assert_int_eq(post_to(&r, "a", "x"), WSRT_ERR_FORBIDDEN);
    ck_assert_int_eq(fake_aws_requests(r.fake), 0);
    aws_rig_close(&r);
}
END_TEST

/* ---- what is one --------------------------------------------------------------------------- */

START_TEST(what_would_break_a_line_of_the_request_is_no_credential)
{
    struct aws_rig r;
    wsrt_aws *a;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.session_token = wsrt_span_cstr("T\r\nX-Other: y");
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
    o = aws_rig_options(&r);
    o.access_key = wsrt_span_cstr("AK ");
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_ERR_INVALID);
    o = aws_rig_options(&r);
    o.access_key = o.secret_key = (wsrt_span){0};
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
    setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret\n", 1); /* as out of a file */
    ck_assert_int_eq(wsrt_aws_credentials(r.aws, NULL, 0), WSRT_ERR_MALFORMED);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "T\n", 1);
    ck_assert_int_eq(wsrt_aws_credentials(r.aws, NULL, 0), WSRT_ERR_MALFORMED);
    setenv("AWS_SESSION_TOKEN", "T", 1);
    expect_key(&r, "AK");
    aws_rig_close(&r);
}
END_TEST

/* An allocator that looks for a secret in what it is given back. */
#define SECRET "s3cretAccessKey/EXAMPLE"

static void *look_at_it(void *user, void *ptr, size_t old_size, size_t new_size)
{
    size_t kept = old_size < new_size ? old_size : new_size;
    void *fresh = NULL;

    if (new_size > 0) {
        fresh = malloc(new_size);
        ck_assert_ptr_nonnull(fresh);
        memcpy(fresh, ptr != NULL ? ptr : "", kept);
    }
    if (ptr != NULL && memmem(ptr, old_size, SECRET, sizeof SECRET - 1) != NULL)
        ++*(int *)user;
    free(ptr);
    return fresh;
}

/* Credentials longer than what an answer has room for at first, which then come broken or whole. */
static void hand_out_much(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct aws_script *s = user;

    if (q->number > s->only_first) {
        answer->status = 404;
        return;
    }
    answer->manner = s->answer.manner;
    snprintf(answer->body, sizeof answer->body,
             "{\"SecretAccessKey\":\"" SECRET "\",\"Token\":\"%04000d\",\"AccessKeyId\":\"AK\","
             "\"Expiration\":\"2026-11-20T11:00:00Z\"}",
             1);
}

START_TEST(no_secret_stays_in_memory_that_is_given_back)
{
    static const enum fake_manner manners[] = {FAKE_PLAIN, FAKE_CHUNKED, FAKE_TRUNCATED};
    struct aws_rig r;
    int found = 0;

    for (size_t i = 0; i < COUNT(manners); i++) {
        aws_rig_start(&r, hand_out_much);
        use_container(&r);
        r.script.answer.manner = manners[i];
        r.script.only_first = 1;
        wsrt_aws_options o = {.struct_size = sizeof o, .env = &r.env, .backoff_ms = 1};
        o.allocator = (wsrt_allocator){look_at_it, &found};
        ck_assert_int_eq(wsrt_aws_new(&r.aws, &o), WSRT_OK);
        int rc = wsrt_aws_credentials(r.aws, NULL, 0);
        ck_assert_int_eq(rc, manners[i] == FAKE_TRUNCATED ? WSRT_ERR_FORBIDDEN : WSRT_OK);
        aws_rig_close(&r);
    }
    ck_assert_int_eq(found, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("aws_credentials");
    TCase *t = tcase_create("credentials");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_environment_comes_first);
    tcase_add_test(t, then_come_the_files);
    tcase_add_loop_test(t, a_profile_that_is_not_there_or_not_supported_does_not_become_the_machine,
                        0, COUNT(profiles));
    tcase_add_test(t, nor_does_a_web_identity);
    tcase_add_test(t, then_a_container_whose_token_may_be_in_a_file);
    tcase_add_test(t, then_the_metadata_service_by_its_second_version);
    tcase_add_test(t, the_metadata_service_can_be_switched_off);
    tcase_add_test(t, an_old_metadata_service_is_not_asked);
    tcase_add_test(t, a_container_elsewhere_or_a_broken_token_is_refused);
    tcase_add_test(t, credentials_are_renewed_before_they_end);
    tcase_add_test(t, an_endpoint_that_has_no_newer_ones_is_not_asked_at_every_turn);
    tcase_add_test(t, who_waited_for_a_search_in_vain_does_not_search_again);
    tcase_add_test(t, posts_to_many_look_for_credentials_in_vain_once);
    tcase_add_test(t, while_renewing_fails_the_old_ones_serve_until_they_end);
    tcase_add_test(t, without_credentials_a_post_is_forbidden);
    tcase_add_test(t, what_would_break_a_line_of_the_request_is_no_credential);
    tcase_add_test(t, no_secret_stays_in_memory_that_is_given_back);
    suite_add_tcase(s, t);
    return s;
}
