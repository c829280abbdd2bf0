/* The parts of libwsrt-aws that only compute. */
#include "aws/internal.h"
#include "common/crc32.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- endpoints ------------------------------------------------------------------------------ */

START_TEST(an_endpoint_is_taken_apart)
{
    static const struct {
        const char *url, *authority, *path;
        int direct, secure, trusted;
    } rows[] = {
        {"https://a.example/prod/", "a.example", "/prod", 0, 1, 1},
        {"https://a.example", "a.example", "", 0, 1, 1},
        {"http://a.example:80/a/b", "a.example:80", "/a/b", 0, 0, 0},
        {"http://127.0.0.1:8000", "127.0.0.1:8000", "", 1, 0, 1},
        {"http://localhost:1", "localhost:1", "", 1, 0, 1},
        {"http://[::1]:1/x", "[::1]:1", "/x", 1, 0, 1},
        {"http://169.254.170.2", "169.254.170.2", "", 1, 0, 1},
        {"http://169.254.170.23", "169.254.170.23", "", 1, 0, 1},
        {"http://[fd00:ec2::23]", "[fd00:ec2::23]", "", 1, 0, 1},
        {"http://169.254.169.254", "169.254.169.254", "", 1, 0, 0},
        {"http://[fd00:ec2::254]", "[fd00:ec2::254]", "", 1, 0, 0},
        {"http://127.0.0.1.example.com", "127.0.0.1.example.com", "", 0, 0, 0},
        {"http://localhost.example", "localhost.example", "", 0, 0, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_aws_endpoint e;
        ck_assert_int_eq(wsrt_aws_endpoint_set(&e, wsrt_span_cstr(rows[i].url)), WSRT_OK);
        ck_assert(wsrt_span_equal(e.authority, wsrt_span_cstr(rows[i].authority)));
        ck_assert(wsrt_span_equal(e.path, wsrt_span_cstr(rows[i].path)));
        ck_assert_msg(e.direct == rows[i].direct, "%s", rows[i].url);
        ck_assert_int_eq(e.secure, rows[i].secure);
        ck_assert_msg(wsrt_aws_endpoint_trusted(&e) == rows[i].trusted, "%s", rows[i].url);
    }
}
END_TEST

START_TEST(what_is_no_endpoint_is_refused)
{
    static const char *const rows[] = {
        "",           "ftp://a",         "https://",      "https:///x",  "a.example",
        "https://a?", "https://u@a.b/c", "https://a b/c", "http://a\n",  "https://a#b",
        "HTTPS://a",  "http://a/\x80",   "https://a\"b",  "http://a\\b",
    };
    static char longest[WSRT_AWS_LONGEST_URL + 1];

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_aws_endpoint e;
        ck_assert_msg(wsrt_aws_endpoint_set(&e, wsrt_span_cstr(rows[i])) == WSRT_ERR_INVALID, "%s",
                      rows[i]);
    }
    memset(longest, 'a', sizeof longest - 1);
    memcpy(longest, "https://", 8);
    wsrt_aws_endpoint e;
    ck_assert_int_eq(wsrt_aws_endpoint_set(&e, wsrt_span_cstr(longest)), WSRT_ERR_INVALID);
    longest[WSRT_AWS_LONGEST_URL - 1] = '\0';
    ck_assert_int_eq(wsrt_aws_endpoint_set(&e, wsrt_span_cstr(longest)), WSRT_OK);
}
END_TEST

static const char *present; /* the only file there is */

static int is_present(const char *path)
{
    return present != NULL && strcmp(path, present) == 0;
}

START_TEST(certificates_are_looked_for_where_systems_have_them)
{
    static const char usual[] = "/built/for.pem", debian[] = "/etc/ssl/certs/ca-certificates.crt",
                      lambda[] = "/etc/pki/tls/certs/ca-bundle.crt";

    present = usual;
    ck_assert_ptr_null(wsrt_aws_certificates(usual, is_present)); /* libcurl's own will do */
    present = lambda;
    ck_assert_str_eq(wsrt_aws_certificates(usual, is_present), lambda);
    ck_assert_str_eq(wsrt_aws_certificates(debian, is_present), lambda);
    present = debian;
    ck_assert_str_eq(wsrt_aws_certificates(lambda, is_present), debian);
    ck_assert_ptr_null(wsrt_aws_certificates(NULL, is_present)); /* it has another way */
    present = NULL;
    ck_assert_ptr_null(wsrt_aws_certificates(usual, is_present));
}
END_TEST

START_TEST(ids_are_escaped_as_the_clients_of_aws_do)
{
    char path[64] = "/@connections/", small[8] = "";

    ck_assert(wsrt_aws_escape(path, sizeof path, wsrt_span_cstr("a/b+c=_-.~Z9 ")));
    ck_assert_str_eq(path, "/@connections/a%2Fb%2Bc%3D_-.~Z9%20");
    ck_assert(!wsrt_aws_escape(small, sizeof small, wsrt_span_cstr("a=b=c")));
}
END_TEST

/* ---- credentials ---------------------------------------------------------------------------- */

static const char config[] = "; a comment\n"
                             "[default]\nregion = eu-west-1\naws_access_key_id=DEFAULT\n"
                             "[profile dev]\r\n  region=us-west-2  \r\nregion = us-east-2\r\n"
                             "s3 =\n  aws_access_key_id = NESTED\n"
                             "[dev]\nregion = nowhere\n"
                             "[sso-session dev]\nregion = elsewhere\n";

START_TEST(a_profile_is_read_from_its_own_section)
{
    wsrt_aws_profile p = {0};

    wsrt_aws_profile_read(&p, wsrt_span_cstr(config), wsrt_span_cstr("dev"), 1);
    ck_assert_str_eq(p.region, "us-east-2");
    ck_assert_str_eq(p.access, "");
    wsrt_aws_profile_read(&p, wsrt_span_cstr(config), wsrt_span_cstr("default"), 1);
    ck_assert_str_eq(p.region, "eu-west-1");
    ck_assert_str_eq(p.access, "DEFAULT");
}
END_TEST

START_TEST(sections_of_the_credentials_file_have_bare_names)
{
    wsrt_aws_profile p = {0};

    wsrt_aws_profile_read(&p,
                          wsrt_span_cstr("[profile a]\naws_access_key_id=X\n[ a ]\n"
                                         "aws_access_key_id = K\naws_secret_access_key = s=e/c+r\n"
                                         "aws_session_token = t==\n#aws_session_token = u\n"
                                         "[b]\naws_access_key_id = B\n[broken\nregion"),
                          wsrt_span_cstr("a"), 0);
    ck_assert_str_eq(p.access, "K");
    ck_assert_str_eq(p.secret, "s=e/c+r");
    ck_assert_str_eq(p.token, "t==");
}
END_TEST

#define FULL                                                                                       \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","      \
    "\"Expiration\":\"2026-11-20T10:00:00Z\"}"

START_TEST(credentials_are_read_from_an_endpoints_answer)
{
    wsrt_aws_keys *keys = calloc(1, sizeof *keys);

    ck_assert_int_eq(wsrt_aws_keys_parse(keys, wsrt_span_cstr(FULL)), WSRT_OK);
    ck_assert_str_eq(keys->access, "AK");
    ck_assert_str_eq(keys->secret, "S");
    ck_assert_str_eq(keys->token, "T");
    ck_assert_int_eq(keys->expires_at, 1795168800000);
    free(keys);
}
END_TEST

START_TEST(an_answer_without_credentials_is_refused)
{
    static const char *const rows[] = {
        "",
        "no",
        "[]",
        "{}",
        "{\"Code\":\"Failed\",\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
        "\"Expiration\":\"2026-11-20T10:00:00Z\"}",
        "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
        "\"Expiration\":\"2026-11-20T10:00:00Z\"}",
        "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":7,\"Token\":\"T\","
        "\"Expiration\":\"2026-11-20T10:00:00Z\"}",
        "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"S\",\"Token\":\"T\\u0000\","
        "\"Expiration\":\"2026-11-20T10:00:00Z\"}",
        "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"S\",\"Token\":\"T\\r\\nX: y\","
        "\"Expiration\":\"2026-11-20T10:00:00Z\"}",
        "{\"AccessKeyId\":\"A K\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
        "\"Expiration\":\"2026-11-20T10:00:00Z\"}",
        "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"S\",\"Token\":\"T\"}",
        "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":"
        "\"soon\"}",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_aws_keys *keys = calloc(1, sizeof *keys);
        ck_assert_msg(wsrt_aws_keys_parse(keys, wsrt_span_cstr(rows[i])) == WSRT_ERR_MALFORMED,
                      "%s", rows[i]);
        free(keys);
    }
}
END_TEST

START_TEST(times_of_expiration_are_read)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-20T10:00:00Z", 1795168800000},
        {"2026-11-20T10:00:00.999Z", 1795168800000},
        {"2026-11-20T10:00:00+00:00", 1795168800000},
        {"2000-02-29T23:59:59Z", 951868799000},
        {"2026-11-20T10:00:00", -1},
        {"2026-11-20T10:00:00+01:00", -1},
        {"2026-13-20T10:00:00Z", -1},
        {"2026-11-20 10:00:00Z", -1},
        {"2026-11-20T1:00:00Z", -1},
        {"", -1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        int rc = wsrt_aws_iso_parse(wsrt_span_cstr(rows[i].text), &ms);
        ck_assert_int_eq(rc, rows[i].ms < 0 ? WSRT_ERR_MALFORMED : WSRT_OK);
        ck_assert_int_eq(ms, rows[i].ms);
    }
}
END_TEST

/* ---- retries ------------------------------------------------------------------------------ */

START_TEST(an_answer_says_whether_to_try_again)
{
    static const struct {
        int rc, status;
        const char *error;
        int64_t date;
        wsrt_aws_verdict verdict;
    } rows[] = {
        {WSRT_OK, 200, "", 0, WSRT_AWS_DONE},
        {WSRT_OK, 410, "", 0, WSRT_AWS_DONE},
        {WSRT_OK, 410, "GoneException", 0, WSRT_AWS_DONE},
        {WSRT_OK, 413, "", 0, WSRT_AWS_DONE},
        {WSRT_OK, 403, "ForbiddenException", 1000000, WSRT_AWS_DONE},
        {WSRT_OK, 403, "", 1000000 + 300000, WSRT_AWS_SKEWED},
        {WSRT_OK, 403, "", 1000000 - 300000, WSRT_AWS_SKEWED},
        {WSRT_OK, 403, "", 1000000 + 240000, WSRT_AWS_DONE},
        {WSRT_OK, 403, "", 0, WSRT_AWS_DONE},
        {WSRT_OK, 400, "InvalidSignatureException", 1000000 + 300000, WSRT_AWS_SKEWED},
        {WSRT_OK, 400, "ValidationException", 1000000 + 300000, WSRT_AWS_DONE},
        {WSRT_OK, 400, "ExpiredTokenException", 0, WSRT_AWS_EXPIRED},
        {WSRT_OK, 400, "ThrottlingException", 0, WSRT_AWS_THROTTLED},
        {WSRT_OK, 400, "ProvisionedThroughputExceededException", 0, WSRT_AWS_THROTTLED},
        {WSRT_OK, 400, "LimitExceededException", 0, WSRT_AWS_DONE},
        {WSRT_OK, 400, "TransactionConflictException", 0, WSRT_AWS_TRANSIENT},
        {WSRT_OK, 429, "", 0, WSRT_AWS_THROTTLED},
        {WSRT_OK, 429, "LimitExceededException", 0, WSRT_AWS_THROTTLED},
        {WSRT_OK, 509, "", 0, WSRT_AWS_THROTTLED},
        {WSRT_OK, 500, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_OK, 501, "", 0, WSRT_AWS_DONE},
        {WSRT_OK, 502, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_OK, 503, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_OK, 503, "SlowDown", 0, WSRT_AWS_THROTTLED},
        {WSRT_OK, 504, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_OK, 505, "", 0, WSRT_AWS_DONE},
        {WSRT_ERR_TIMEOUT, 0, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_ERR_UNAVAILABLE, 0, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_ERR_CORRUPT, 200, "", 0, WSRT_AWS_TRANSIENT},
        {WSRT_ERR_NOMEM, 0, "", 0, WSRT_AWS_DONE},
        {WSRT_ERR_TOO_LARGE, 200, "", 0, WSRT_AWS_DONE},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_aws_answer a = {.rc = rows[i].rc, .status = rows[i].status, .date = rows[i].date};
        strcpy(a.error, rows[i].error);
        ck_assert_msg(wsrt_aws_judge(&a, 1000000) == rows[i].verdict, "row %zu", i);
    }
}
END_TEST

START_TEST(waits_are_random_up_to_a_doubling_bound)
{
    ck_assert_int_eq(wsrt_aws_delay(50, 0, 0, 0), 0);
    ck_assert_int_eq(wsrt_aws_delay(50, 0, UINT32_MAX, 0), 49);
    ck_assert_int_eq(wsrt_aws_delay(50, 0, UINT32_MAX / 2 + 1, 0), 25);
    ck_assert_int_eq(wsrt_aws_delay(50, 3, UINT32_MAX / 2 + 1, 0), 200);
    ck_assert_int_eq(wsrt_aws_delay(50, 9, UINT32_MAX, 0), 19999);
    ck_assert_int_eq(wsrt_aws_delay(UINT32_MAX, 40, UINT32_MAX, 0), 19999);
}
END_TEST

START_TEST(the_service_may_ask_for_a_longer_wait_but_not_without_end)
{
    ck_assert_int_eq(wsrt_aws_delay(50, 0, UINT32_MAX, 10), 49);
    ck_assert_int_eq(wsrt_aws_delay(50, 0, 0, 1500), 1500);
    ck_assert_int_eq(wsrt_aws_delay(50, 0, 0, 60000), 5000);
}
END_TEST

START_TEST(the_name_of_an_error_loses_namespace_and_address)
{
    static const char *const rows[][2] = {
        {"GoneException", "GoneException"},
        {"GoneException:http://internal.amazon.com/coral/x/", "GoneException"},
        {"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "ResourceNotFoundException"},
        {"com.amazon.coral.service#X:y", "X"},
        {"", ""},
        {"a b", "a"},
        {"x#", ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char name[WSRT_AWS_LONGEST_ERROR];
        wsrt_aws_error_name(name, wsrt_span_cstr(rows[i][0]));
        ck_assert_str_eq(name, rows[i][1]);
    }
}
END_TEST

START_TEST(the_name_of_an_error_may_be_in_the_body)
{
    static const char *const rows[][3] = {
        {"", "{\"__type\":\"a#B\",\"message\":\"m\"}", "B"},
        {"", "{\"code\":\"C\"}", "C"},
        {"H", "{\"code\":\"C\"}", "H"},
        {"", "{\"code\":7}", ""},
        {"", "<html>", ""},
        {"", "", ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char body[64];
        wsrt_aws_answer a = {.body = body, .len = strlen(rows[i][1])};
        strcpy(a.error, rows[i][0]);
        strcpy(body, rows[i][1]);
        wsrt_aws_error_body(&a);
        ck_assert_str_eq(a.error, rows[i][2]);
    }
}
END_TEST

START_TEST(keys_are_derived_once_a_day_and_service)
{
    wsrt_aws_keys *keys = calloc(1, sizeof *keys);
    wsrt_sigv4_scope scope = {.region = wsrt_span_cstr("us-east-1"),
                              .service = wsrt_span_cstr("execute-api")};
    unsigned char a[WSRT_SHA256_LEN], b[WSRT_SHA256_LEN], c[WSRT_SHA256_LEN];

    pthread_mutex_init(&keys->lock, NULL);
    strcpy(keys->secret, "secret");
    memcpy(scope.time, "20260102T030405Z", 16);
    wsrt_aws_keys_derive(keys, &scope, "execute-api", a);
    memcpy(scope.time, "20260102T235959Z", 16);
    strcpy(keys->secret, "other"); /* what is kept is not derived again */
    wsrt_aws_keys_derive(keys, &scope, "execute-api", b);
    ck_assert_mem_eq(a, b, sizeof a);
    memcpy(scope.time, "20260103T000000Z", 16);
    wsrt_aws_keys_derive(keys, &scope, "execute-api", b);
    ck_assert_mem_ne(a, b, sizeof a);
    wsrt_sigv4_key(c, wsrt_span_cstr("other"), &scope);
    ck_assert_mem_eq(b, c, sizeof b);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}
END_TEST

/* ---- sums ----------------------------------------------------------------------------------- */

START_TEST(sums_are_those_of_the_published_check_values)
{
    static char zeros[32];

    ck_assert_uint_eq(wsrt_crc32((wsrt_span){NULL, 0}), 0);
    ck_assert_uint_eq(wsrt_crc32(wsrt_span_cstr("123456789")), 0xcbf43926u);
    ck_assert_uint_eq(wsrt_crc32((wsrt_span){zeros, sizeof zeros}), 0x190a55adu);
    memset(zeros, 0xff, sizeof zeros);
    ck_assert_uint_eq(wsrt_crc32((wsrt_span){zeros, sizeof zeros}), 0xff6cab0bu);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("aws");
    TCase *t = tcase_create("aws");

    tcase_add_test(t, an_endpoint_is_taken_apart);
    tcase_add_test(t, what_is_no_endpoint_is_refused);
    tcase_add_test(t, certificates_are_looked_for_where_systems_have_them);
    tcase_add_test(t, ids_are_escaped_as_the_clients_of_aws_do);
    tcase_add_test(t, a_profile_is_read_from_its_own_section);
    tcase_add_test(t, sections_of_the_credentials_file_have_bare_names);
    tcase_add_test(t, credentials_are_read_from_an_endpoints_answer);
    tcase_add_test(t, an_answer_without_credentials_is_refused);
    tcase_add_test(t, times_of_expiration_are_read);
    tcase_add_test(t, an_answer_says_whether_to_try_again);
    tcase_add_test(t, waits_are_random_up_to_a_doubling_bound);
    tcase_add_test(t, the_service_may_ask_for_a_longer_wait_but_not_without_end);
    tcase_add_test(t, the_name_of_an_error_loses_namespace_and_address);
    tcase_add_test(t, the_name_of_an_error_may_be_in_the_body);
    tcase_add_test(t, keys_are_derived_once_a_day_and_service);
    tcase_add_test(t, sums_are_those_of_the_published_check_values);
    suite_add_tcase(s, t);
    return s;
}
