/* Where errors come from: suggestions, services, databases, missing members; what leaves with them. */
#include "guarded.h"
#include "suite.h"

#include <wsrt/error.h>

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(literal) ((wsrt_span){"" literal, sizeof(literal) - 1})

static char out[8192];
static wsrt_field details[WSRT_ERROR_DETAILS];

static wsrt_error plain(int type)
{
    return (wsrt_error){.struct_size = sizeof(wsrt_error),
                        .type = type,
                        .correlation_id = TEXT("c-1"),
                        .wall = 1700000000000};
}

static void render(const wsrt_error *e, int form)
{
    ck_assert_int_eq(wsrt_error_write(e, form, out, sizeof out, NULL), WSRT_OK);
    ck_assert_msg(wsrt_json_parse(NULL, wsrt_span_cstr(out), NULL) == WSRT_OK, "%s", out);
}

static void expect_part(const wsrt_error *e, int form, const char *part)
{
    render(e, form);
    ck_assert_msg(strstr(out, part) != NULL, "no %s in %s", part, out);
}

static void expect_no_part(const wsrt_error *e, int form, const char *part)
{
    render(e, form);
    ck_assert_msg(strstr(out, part) == NULL, "%s in %s", part, out);
}

/* ---- suggestions ---- */

/* The name's end stands before an unmapped page. */
static const wsrt_suggestion *find(const char *engine, const char *name)
{
    size_t len = strlen(name);
    char *copy = guarded_copy(name, len);
    const wsrt_suggestion *row =
        wsrt_suggestion_find(wsrt_span_cstr(engine), (wsrt_span){copy, len});

    guarded_free(copy, len);
    return row;
}

/* How engines decorate a name: what stands before and behind it. */
struct form {
    const char *before, *behind;
};

static const struct form aws_forms[] = {{"", ""},
                                        {"", "Exception"},
                                        {"com.amazonaws.dynamodb.v20120810#", ""},
                                        {"com.amazonaws.dynamodb.v20120810#", "Exception"},
                                        {"", ":http://internal.amazon.com/coral/"},
                                        {"", "Exception:http://internal.amazon.com/coral/"},
                                        {"aws.protocols#", "Exception:http://x#y"}};
static const struct form sqlite_forms[] = {{"", ""}, {"SQLITE_", ""}};
static const struct form redis_forms[] = {{"", ""}, {"-", ""}, {"-", " words: 3999 10.0.0.1:6381"}};

static void expect_found(const wsrt_suggestion *row, const struct form *form, const char *name)
{
    char decorated[256];
    const char *engine = strcmp(row->engine_cstr, "aws") == 0 ? "dynamodb" : row->engine_cstr;

    snprintf(decorated, sizeof decorated, "%s%s%s", form->before, name, form->behind);
    ck_assert_msg(find(engine, decorated) == row, "%s: %s", engine, decorated);
}

START_TEST(sixty_two_suggestions_are_found_by_every_name_they_go_by)
{
    size_t count = 0;

    for (const wsrt_suggestion *row; (row = wsrt_suggestion_at(count)) != NULL; count++) {
        int sqlite = strcmp(row->engine_cstr, "sqlite") == 0;
        int redis = strcmp(row->engine_cstr, "redis") == 0;
        const struct form *forms = sqlite ? sqlite_forms : redis ? redis_forms : aws_forms;
        size_t n = sqlite ? COUNT(sqlite_forms) : redis ? COUNT(redis_forms) : COUNT(aws_forms);
        char names[128];
        snprintf(names, sizeof names, "%s", row->names_cstr);
        for (char *rest, *name = strtok_r(names, " ", &rest); name != NULL;
             name = strtok_r(NULL, " ", &rest))
            for (size_t i = 0; i < n; i++)
                expect_found(row, &forms[i], name);
    }
    ck_assert_uint_eq(count, 62);
}
END_TEST

START_TEST(each_suggestion_says_whether_to_try_again)
{
    /* No, Jittered, Slowly, once (1), Caller decides: in the order of the table */
    static const char advice[] = "JJSSNCJJNNJNNSNNNN11JJN1J"
                                 "NJNN"
                                 "J1JJNNNNNNN1NSNC"
                                 "SSN1JS1JN1NNNNNJN";
    static const char letters[] = "?NJS1C";

    for (size_t i = 0; i < sizeof advice - 1; i++) {
        const wsrt_suggestion *row = wsrt_suggestion_at(i);
        int again = row->retry != WSRT_RETRY_NO && row->retry != WSRT_RETRY_CALLER;
        ck_assert_msg(letters[row->retry] == advice[i], "%s", row->names_cstr);
        ck_assert_int_eq(row->retry_after_ms > 0, again);
        ck_assert_uint_gt(strlen(row->text_cstr), 10);
        if (row->http_status == 503)
            ck_assert_int_eq(again, 1);
    }
}
END_TEST

START_TEST(an_engine_answers_for_its_own_errors_only)
{
    static const struct {
        const char *engine, *name, *first;
    } rows[] = {
        {"dynamodb", "LimitExceededException", "LimitExceeded"},
        {"apigateway-management", "LimitExceededException", "LimitExceeded 429"},
        {"apigateway-management", "GoneException", "Gone 410"},
        {"apigateway-management", "410", "Gone 410"},
        {"apigateway-management", "ThrottlingException", "Throttling"},
        {"dynamodb", "GoneException", NULL},
        {"cognito", "ExpiredTokenException", "ExpiredToken"},
        {"", "Throttling", "Throttling"},
        {"sqlite", "SQLITE_BUSY", "BUSY"},
        {"redis", "-BUSY Redis is busy", "BUSY"},
        {"sqlite", "SQLITE_IOERR_FSYNC", "IOERR"},
        {"sqlite", "SQLITE_CORRUPT_INDEX", "CORRUPT NOTADB"},
        {"sqlite", "SQLITE_BUSY_TIMEOUT", "BUSY"},
        {"sqlite", "SQLITE_CONSTRAINT_TRIGGER", NULL},
        {"sqlite", "MOVED", NULL},
        {"sqlite", "_", NULL},
        {"sqlite", "SQLITE_", NULL},
        {"redis", "-MOVED", "MOVED ASK"},
        {"redis", "-", NULL},
        {"redis", "MOVE", NULL},
        {"dynamodb", "Exception", NULL},
        {"dynamodb", "#", NULL},
        {"dynamodb", ":", NULL},
        {"dynamodb", "Throttl", NULL},
        {"dynamodb", "throttling", NULL},
        {"dynamodb", "", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const wsrt_suggestion *row = find(rows[i].engine, rows[i].name);
        if (rows[i].first == NULL)
            ck_assert_msg(row == NULL, "%s: %s", rows[i].engine, rows[i].name);
        else
            ck_assert_msg(row != NULL && strcmp(row->names_cstr, rows[i].first) == 0, "%s: %s",
                          rows[i].engine, rows[i].name);
    }
    ck_assert_ptr_null(wsrt_suggestion_find(TEXT("redis"), (wsrt_span){NULL, 3}));
    ck_assert_ptr_null(wsrt_suggestion_at(62));
}
END_TEST

/* ---- services and databases ---- */

static wsrt_service_failure open_breaker(const char *service)
{
    return (wsrt_service_failure){.struct_size = sizeof(wsrt_service_failure),
                                  .status = WSRT_ERR_CIRCUIT_OPEN,
                                  .service = wsrt_span_cstr(service),
                                  .operation = TEXT("verifyJWT"),
                                  .state = TEXT("open"),
                                  .total_requests = 10,
                                  .failure_rate = 0.5,
                                  .next_attempt = 1700000012345};
}

START_TEST(an_open_breaker_tells_clients_when_and_developers_why)
{
    wsrt_service_failure why = open_breaker("cognito");
    wsrt_error e = plain(0);

    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
    ck_assert_int_eq(e.http_status, 503);
    expect_part(&e, WSRT_ERROR_FORM_CLIENT,
                "\"type\":\"EXTERNAL_SERVICE_ERROR\",\"message\":\"Authentication service "
                "temporarily unavailable\",\"code\":\"CIRCUIT_OPEN\"");
    expect_part(&e, WSRT_ERROR_FORM_CLIENT, "\"retryable\":true,\"retryAfter\":12345}}");
    expect_no_part(&e, WSRT_ERROR_FORM_CLIENT, "verifyJWT");
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER,
                "\"details\":{\"service\":\"cognito\",\"operation\":\"verifyJWT\",\"state\":"
                "\"open\",\"failureRate\":0.5,\"totalRequests\":10,\"nextAttemptTime\":"
                "1700000012345}");
}
END_TEST

START_TEST(the_type_follows_service_and_status)
{
    static const struct {
        const char *service;
        int status, type, http;
        int64_t after;
    } rows[] = {
        {"dynamodb", WSRT_ERR_UNAVAILABLE, WSRT_ERROR_DATABASE, 0, 0},
        {"dynamodb", WSRT_ERR_TIMEOUT, WSRT_ERROR_DATABASE, 0, 0},
        {"dynamodb", WSRT_ERR_CIRCUIT_OPEN, WSRT_ERROR_DATABASE, 503, 12345},
        {"cognito", WSRT_ERR_TIMEOUT, WSRT_ERROR_EXTERNAL_SERVICE, 0, 0},
        {"weather", WSRT_ERR_TIMEOUT, WSRT_ERROR_TIMEOUT, 0, 0},
        {"weather", WSRT_ERR_IO, WSRT_ERROR_EXTERNAL_SERVICE, 0, 0},
        {"", WSRT_ERR_IO, WSRT_ERROR_EXTERNAL_SERVICE, 0, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_service_failure why = open_breaker(rows[i].service);
        wsrt_error e = plain(0);
        why.status = rows[i].status;
        ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
        ck_assert_int_eq(e.type, rows[i].type);
        ck_assert_int_eq(e.http_status, rows[i].http);
        ck_assert_int_eq(e.retry_after_ms, rows[i].after);
        ck_assert_int_eq(e.code.len > 0, rows[i].http == 503);
    }
}
END_TEST

START_TEST(developers_see_the_breakers_numbers_whatever_the_type)
{
    static const char *const services[] = {"dynamodb", "cognito", "weather"};

    for (size_t i = 0; i < COUNT(services); i++) {
        wsrt_service_failure why = open_breaker(services[i]);
        wsrt_error e = plain(0);
        uint64_t hidden = 0;
        char part[256];
        e.hidden = &hidden;
        why.status = WSRT_ERR_TIMEOUT;
        ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
        snprintf(part, sizeof part,
                 "\"details\":{\"service\":\"%s\",\"operation\":\"verifyJWT\",\"state\":\"open\","
                 "\"failureRate\":0.5,\"totalRequests\":10,\"nextAttemptTime\":1700000012345}",
                 services[i]);
        expect_part(&e, WSRT_ERROR_FORM_DEVELOPER, part);
        ck_assert_uint_eq(hidden, 0);
        expect_no_part(&e, WSRT_ERROR_FORM_CLIENT, "open");
    }
}
END_TEST

START_TEST(an_attempt_at_the_end_of_time_is_waited_for)
{
    wsrt_service_failure why = open_breaker("cognito");
    wsrt_error e = plain(0);

    e.wall = INT64_MIN;
    why.next_attempt = INT64_MAX;
    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
    ck_assert_int_eq(e.retry_after_ms, INT64_MAX);
    e.wall = -1;
    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
    ck_assert_int_eq(e.retry_after_ms, INT64_MAX);
}
END_TEST

START_TEST(what_is_not_known_of_a_service_is_left_out)
{
    wsrt_service_failure why = {.struct_size = sizeof why, .status = WSRT_ERR_CIRCUIT_OPEN};
    wsrt_error e = plain(0);

    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER, "\"retryAfter\":1000,\"details\":{},");
    why.next_attempt = e.wall - 1;
    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_OK);
    expect_part(&e, WSRT_ERROR_FORM_CLIENT, "\"retryAfter\":1000}}");
}
END_TEST

START_TEST(a_database_error_carries_its_suggestion_to_developers)
{
    wsrt_error e = plain(0);

    e.code = TEXT("STORE_FAILED");
    ck_assert_int_eq(wsrt_error_from_database(&e, TEXT("dynamodb"),
                                              TEXT("x#ProvisionedThroughputExceededException"),
                                              TEXT("storeConnection"), details),
                     WSRT_OK);
    ck_assert_int_eq(e.http_status, 503);
    expect_part(&e, WSRT_ERROR_FORM_CLIENT,
                "\"message\":\"Database temporarily unavailable\",\"code\":\"STORE_FAILED\"");
    expect_part(&e, WSRT_ERROR_FORM_CLIENT, "\"retryable\":true,\"retryAfter\":1000}}");
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER,
                "\"details\":{\"engine\":\"dynamodb\",\"code\":\"ProvisionedThroughputExceeded\","
                "\"operation\":\"storeConnection\",\"suggestion\":\"Look for hot keys");
    ck_assert_int_eq(
        wsrt_error_from_database(&e, TEXT("sqlite"), TEXT("SQLITE_FULL"), TEXT(""), details),
        WSRT_OK);
    expect_no_part(&e, WSRT_ERROR_FORM_CLIENT, "retry");
    expect_part(&e, WSRT_ERROR_FORM_FRAME, "\"retryable\":false}");
    ck_assert_int_eq(e.http_status, 500);
    ck_assert_int_eq(
        wsrt_error_from_database(&e, TEXT("sqlite"), TEXT("SQLITE_NEW"), TEXT(""), details),
        WSRT_OK);
    expect_part(&e, WSRT_ERROR_FORM_CLIENT, "\"retryable\":true}}");
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER,
                "\"details\":{\"engine\":\"sqlite\",\"code\":\"NEW\"}");
}
END_TEST

START_TEST(a_helper_that_refuses_changes_nothing)
{
    wsrt_service_failure why = open_breaker("cognito");
    wsrt_error e = plain(WSRT_ERROR_CONFLICT), before = e;

    ck_assert_int_eq(wsrt_error_from_service(NULL, &why, details), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_from_service(&e, NULL, details), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_from_service(&e, &why, NULL), WSRT_ERR_INVALID);
    why.status = WSRT_OK;
    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_ERR_INVALID);
    why.struct_size = 4;
    ck_assert_int_eq(wsrt_error_from_service(&e, &why, details), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_from_database(NULL, TEXT("a"), TEXT("b"), TEXT("c"), details),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_from_database(&e, TEXT("a"), TEXT("b"), TEXT("c"), NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(
        wsrt_error_from_database(&e, (wsrt_span){NULL, 1}, TEXT("b"), TEXT("c"), details),
        WSRT_ERR_INVALID);
    ck_assert_mem_eq(&e, &before, sizeof e);
}
END_TEST

/* ---- required members ---- */

static int required(const char *body, const wsrt_required *want, size_t count)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, out, sizeof out, 0);
    int rc = wsrt_error_required(&w, wsrt_span_cstr(body), want, count);
    if (rc == WSRT_OK || rc == WSRT_ERR_REJECTED)
        ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    else
        ck_assert_uint_eq(w.len, 0);
    return rc;
}

START_TEST(all_that_is_wrong_with_required_members_is_told_at_once)
{
    static const wsrt_required want[] = {
        {{"/type", 5}, WSRT_JSON_STRING, 0},       {{"/data/token", 11}, WSRT_JSON_STRING, 0},
        {{"/data/text", 10}, WSRT_JSON_STRING, 0}, {{"/data/list", 10}, WSRT_JSON_ARRAY, 0},
        {{"/data/map", 9}, WSRT_JSON_OBJECT, 0},   {{"/data/any", 9}, WSRT_JSON_NONE, 0},
        {{"/data/n", 7}, WSRT_JSON_NUMBER, 0},
    };

    ck_assert_int_eq(required("{\"data\":{\"token\":null,\"text\":\"\",\"list\":[ ],\"map\":{},"
                              "\"any\":null,\"n\":\"secret\"}}",
                              want, COUNT(want)),
                     WSRT_ERR_REJECTED);
    ck_assert_str_eq(
        out,
        "[{\"path\":\"/type\",\"code\":\"required\",\"message\":\"Required\"},"
        "{\"path\":\"/data/token\",\"code\":\"invalid_type\",\"message\":\"Expected string, got "
        "null\"},"
        "{\"path\":\"/data/text\",\"code\":\"too_small\",\"message\":\"Too short\"},"
        "{\"path\":\"/data/list\",\"code\":\"too_small\",\"message\":\"Too few items\"},"
        "{\"path\":\"/data/map\",\"code\":\"too_small\",\"message\":\"Too few members\"},"
        "{\"path\":\"/data/any\",\"code\":\"invalid_type\",\"message\":\"Expected a value, got "
        "null\"},"
        "{\"path\":\"/data/n\",\"code\":\"invalid_type\",\"message\":\"Expected number, got "
        "string\"}]");
    ck_assert_int_eq(required("{\"type\":\"x\",\"data\":{\"token\":\"t\",\"text\":\" \",\"list\":["
                              "0],\"map\":{\"a\":1},\"any\":false,\"n\":0}}",
                              want, COUNT(want)),
                     WSRT_OK);
    ck_assert_str_eq(out, "[]");
}
END_TEST

START_TEST(required_members_need_json_and_pointers)
{
    static const wsrt_required bad = {{"type", 4}, 0, 0}, unknown = {{"/a", 2}, 7, 0};
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, out, sizeof out, 0);
    ck_assert_int_eq(required("{", NULL, 0), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(required("", NULL, 0), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(required("{}", &bad, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(required("{}", &unknown, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(required("{}", NULL, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_required(NULL, TEXT("{}"), NULL, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(required("7", NULL, 0), WSRT_OK);
}
END_TEST

/* ---- what developers see ---- */

START_TEST(a_frame_for_developers_is_a_frame_with_more)
{
    wsrt_field field = {.name_cstr = "kind", .kind = WSRT_FIELD_TEXT, .text = TEXT("room")};
    wsrt_error e = plain(WSRT_ERROR_NOT_FOUND);

    e.details = &field;
    e.detail_count = 1;
    e.connection_id = TEXT("conn=");
    e.user_id = TEXT("ann");
    e.action = TEXT("join");
    render(&e, WSRT_ERROR_FORM_DEVELOPER_FRAME);
    ck_assert_str_eq(
        out, "{\"type\":\"error\",\"success\":false,\"error\":{\"type\":\"NOT_FOUND\",\"message\":"
             "\"Not found\",\"code\":\"NOT_FOUND\",\"timestamp\":\"2023-11-14T22:13:20.000Z\","
             "\"correlationId\":\"c-1\",\"retryable\":false,\"details\":{\"kind\":\"room\"},"
             "\"debug\":{\"connectionId\":\"conn=\",\"userId\":\"ann\",\"action\":\"join\"}},"
             "\"timestamp\":1700000000000,\"correlationId\":\"c-1\"}");
    for (int form = WSRT_ERROR_FORM_CLIENT; form <= WSRT_ERROR_FORM_PROBLEM; form++)
        if (form != WSRT_ERROR_FORM_DEVELOPER)
            expect_no_part(&e, form, "conn=");
}
END_TEST

START_TEST(what_is_hidden_is_counted)
{
    wsrt_field fields[] = {
        {.name_cstr = "password", .kind = WSRT_FIELD_TEXT, .text = TEXT("x")},
        {.name_cstr = "kind", .kind = 99},
        {.name_cstr = "kind", .kind = WSRT_FIELD_TEXT, .text = TEXT("a@b.org c@d.org")},
        {.name_cstr = "kind", .kind = WSRT_FIELD_TEXT, .text = TEXT("another")},
    };
    wsrt_error e = plain(WSRT_ERROR_NOT_FOUND);
    uint64_t hidden = 5;

    e.details = fields;
    e.detail_count = COUNT(fields);
    e.message = TEXT("token=abc");
    e.hidden = &hidden;
    render(&e, WSRT_ERROR_FORM_CLIENT);
    ck_assert_uint_eq(hidden, 6);
    render(&e, WSRT_ERROR_FORM_DEVELOPER);
    ck_assert_uint_eq(hidden, 12);
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER, "\"details\":{\"kind\":\"[redacted] [redacted]\"}");
}
END_TEST

#define CANARY "CaNaRy"
#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDYU5hUnkifQ." CANARY
#define SECRETS                                                                                    \
    JWT " Bearer " CANARY " Basic " CANARY "1234= AKIACANARY7CANARY7CA " CANARY                    \
        "AbCdEfGhIjKlMnOpQrStUvWxYz01234567 X-Amz-Signature=" CANARY                               \
        " x-amz-security-token: " CANARY " token=" CANARY " access_token=" CANARY                  \
        " https://user:" CANARY "@h " CANARY "@example.org Cookie: sid=" CANARY

/* In every place that free text can take, in every form. */
START_TEST(no_secret_and_no_control_character_reaches_an_envelope)
{
    static const wsrt_span bad = {"\x1b[2J\n\"\\ \xe2\x80\xae " SECRETS,
                                  sizeof("\x1b[2J\n\"\\ \xe2\x80\xae " SECRETS) - 1};
    wsrt_field fields[] = {
        {.name_cstr = "kind", .kind = WSRT_FIELD_TEXT, .text = bad},
        {.name_cstr = CANARY, .kind = WSRT_FIELD_TEXT, .text = bad},
    };

    for (int form = WSRT_ERROR_FORM_CLIENT; form <= WSRT_ERROR_FORM_DEVELOPER_FRAME; form++) {
        wsrt_error e = plain(WSRT_ERROR_NOT_FOUND);
        e.code = e.message = e.stack = e.request_id = e.user_agent = e.source_ip = bad;
        e.stage = e.connection_id = e.user_id = e.action = e.correlation_id = bad;
        e.details = fields;
        e.detail_count = COUNT(fields);
        expect_no_part(&e, form, CANARY);
        expect_no_part(&e, form, "CANARY");
        for (const char *p = out; *p != '\0'; p++)
            ck_assert_int_ge((unsigned char)*p, 0x20);
        ck_assert_ptr_null(strstr(out, "\xe2\x80\xae"));
    }
}
END_TEST

/* ---- headers ---- */

static size_t headers(const wsrt_error *e, int form, char *text, size_t cap)
{
    wsrt_span name, value;
    size_t index = 0, n = 0, len = 0;

    text[0] = '\0';
    for (; wsrt_error_header(e, form, &index, &name, &value) == WSRT_OK; n++)
        len += (size_t)snprintf(text + len, cap - len, "%.*s: %.*s\n", (int)name.len, name.ptr,
                                (int)value.len, value.ptr);
    ck_assert_int_eq(wsrt_error_header(e, form, &index, &name, &value), WSRT_ERR_NOT_FOUND);
    return n;
}

START_TEST(an_envelope_over_http_has_headers)
{
    wsrt_error e = plain(WSRT_ERROR_AUTHENTICATION);
    char text[512];

    e.code = TEXT("TOKEN_EXPIRED");
    e.request_id = TEXT("r=");
    ck_assert_uint_eq(headers(&e, WSRT_ERROR_FORM_CLIENT, text, sizeof text), 5);
    ck_assert_str_eq(text, "Content-Type: application/json\nX-Request-ID: r=\nX-Correlation-ID: "
                           "c-1\nX-Error-Type: AUTHENTICATION_ERROR\nX-Error-Code: "
                           "TOKEN_EXPIRED\n");
    ck_assert_uint_eq(headers(&e, WSRT_ERROR_FORM_DEVELOPER, text, sizeof text), 6);
    ck_assert_ptr_nonnull(strstr(text, "X-Debug-Mode: enabled\n"));
    ck_assert_uint_eq(headers(&e, WSRT_ERROR_FORM_PROBLEM, text, sizeof text), 5);
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: application/problem+json\n"));
}
END_TEST

START_TEST(a_header_that_could_inject_or_flood_is_left_out)
{
    static const struct {
        const char *id;
        size_t len;
    } rows[] = {{"a\r\nSet-Cookie: x", 16}, {"a b", 3}, {"a\x7f", 2}, {"a\x80", 2}, {"a\0b", 3}};
    char text[512], longest[130];

    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_error e = plain(WSRT_ERROR_CONFLICT);
        e.request_id = (wsrt_span){rows[i].id, rows[i].len};
        e.correlation_id = (wsrt_span){longest, 129};
        ck_assert_uint_eq(headers(&e, WSRT_ERROR_FORM_CLIENT, text, sizeof text), 3);
        e.correlation_id.len = 128;
        ck_assert_uint_eq(headers(&e, WSRT_ERROR_FORM_CLIENT, text, sizeof text), 4);
    }
}
END_TEST

START_TEST(headers_need_an_error_that_can_be_rendered)
{
    wsrt_error e = plain(WSRT_ERROR_CONFLICT);
    wsrt_span name, value;
    size_t i = 0;

    ck_assert_int_eq(wsrt_error_header(NULL, 1, &i, &name, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_header(&e, 0, &i, &name, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_header(&e, 1, NULL, &name, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_header(&e, 1, &i, NULL, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_header(&e, 1, &i, &name, NULL), WSRT_ERR_INVALID);
    e.flags = 1u << 30;
    ck_assert_int_eq(wsrt_error_header(&e, 1, &i, &name, &value), WSRT_ERR_INVALID);
    ck_assert_uint_eq(i, 0);
}
END_TEST

/* ---- trace contexts, written ---- */

static const unsigned char random_bytes[24] = {0x57, 0x59, 0xe9, 0x88, 0xbd, 0x86, 0x2e, 0x3f,
                                               0xe1, 0xbe, 0x46, 0xa9, 0x94, 0x27, 0x27, 0x93,
                                               0x53, 0x99, 0x5c, 0x3f, 0x42, 0xcd, 0x8a, 0xd8};

static const char *written(const wsrt_trace *t, int form)
{
    size_t len = 0;

    memset(out, 0, 100);
    ck_assert_int_eq(wsrt_trace_write(t, form, out, 100, &len), WSRT_OK);
    ck_assert_uint_eq(len, strlen(out));
    return out;
}

START_TEST(an_outgoing_call_carries_both_headers)
{
    wsrt_trace t = {.sampled = 1}, read;

    ck_assert_int_eq(wsrt_trace_child(&t, random_bytes), WSRT_OK);
    ck_assert_str_eq(written(&t, WSRT_TRACE_TRACEPARENT),
                     "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    ck_assert_int_eq(wsrt_trace_from_traceparent(wsrt_span_cstr(out), &read), WSRT_OK);
    ck_assert_mem_eq(&read, &t, sizeof t);
    ck_assert_str_eq(written(&t, WSRT_TRACE_XRAY),
                     "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
    ck_assert_int_eq(wsrt_trace_from_xray(wsrt_span_cstr(out), &read), WSRT_OK);
    ck_assert_mem_eq(&read, &t, sizeof t);
}
END_TEST

START_TEST(a_trace_goes_on_under_a_new_parent)
{
    wsrt_trace t;
    static const unsigned char zeroes[24];

    ck_assert_int_eq(wsrt_trace_from_xray(TEXT("Root=1-00000000-bd862e3fe1be46a994272793"), &t),
                     WSRT_OK);
    ck_assert_str_eq(written(&t, WSRT_TRACE_XRAY), "Root=1-00000000-bd862e3fe1be46a994272793");
    ck_assert_int_eq(wsrt_trace_child(&t, zeroes), WSRT_OK);
    ck_assert_str_eq(written(&t, WSRT_TRACE_TRACEPARENT),
                     "00-00000000bd862e3fe1be46a994272793-0000000000000001-00");
    memset(&t, 0, sizeof t);
    ck_assert_int_eq(wsrt_trace_child(&t, zeroes), WSRT_OK);
    ck_assert_str_eq(written(&t, WSRT_TRACE_XRAY),
                     "Root=1-00000000-000000000000000000000001;Parent=0000000000000001;Sampled=0");
}
END_TEST

START_TEST(a_trace_that_is_none_is_not_written)
{
    wsrt_trace good = {.sampled = 1}, t;

    ck_assert_int_eq(wsrt_trace_child(&good, random_bytes), WSRT_OK);
    ck_assert_int_eq(wsrt_trace_write(NULL, 1, out, 100, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_trace_write(&good, 3, out, 100, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_trace_write(&good, 1, NULL, 100, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_trace_child(NULL, random_bytes), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_trace_child(&good, NULL), WSRT_ERR_INVALID);
    t = good;
    t.parent_id[0] = '\0';
    ck_assert_int_eq(wsrt_trace_write(&t, WSRT_TRACE_TRACEPARENT, out, 100, NULL),
                     WSRT_ERR_INVALID);
    t.parent_id[0] = 'X';
    ck_assert_int_eq(wsrt_trace_write(&t, WSRT_TRACE_XRAY, out, 100, NULL), WSRT_ERR_INVALID);
    t = good;
    t.trace_id[31] = '\0';
    ck_assert_int_eq(wsrt_trace_write(&t, WSRT_TRACE_XRAY, out, 100, NULL), WSRT_ERR_INVALID);
    t = good;
    memset(t.trace_id, '0', 32);
    ck_assert_int_eq(wsrt_trace_write(&t, WSRT_TRACE_XRAY, out, 100, NULL), WSRT_ERR_INVALID);
    t = good;
    memset(t.parent_id, '0', 16);
    ck_assert_int_eq(wsrt_trace_write(&t, WSRT_TRACE_XRAY, out, 100, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_trace_write(&good, WSRT_TRACE_XRAY, NULL, 0, NULL), WSRT_ERR_LIMIT);
    t = good;
    memset(t.trace_id, 'a', sizeof t.trace_id);
    ck_assert_int_eq(wsrt_trace_write(&t, WSRT_TRACE_XRAY, out, 100, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_trace_header_is_served_to_every_buffer_size)
{
    wsrt_trace t = {.sampled = 0};
    size_t need = 0, len;

    wsrt_trace_child(&t, random_bytes);
    for (int form = WSRT_TRACE_TRACEPARENT; form <= WSRT_TRACE_XRAY; form++) {
        ck_assert_int_eq(wsrt_trace_write(&t, form, NULL, 0, &need), WSRT_ERR_LIMIT);
        ck_assert_uint_eq(need, form == WSRT_TRACE_XRAY ? 74 : 55);
        for (size_t cap = 0; cap <= need + 1; cap++) {
            char *room = guarded_copy(out, cap);
            ck_assert_int_eq(wsrt_trace_write(&t, form, room, cap, &len),
                             cap < need ? WSRT_ERR_LIMIT : WSRT_OK);
            ck_assert_uint_eq(len, need);
            guarded_free(room, cap);
        }
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("error_cause");
    TCase *t = tcase_create("error_cause");

    tcase_add_test(t, sixty_two_suggestions_are_found_by_every_name_they_go_by);
    tcase_add_test(t, each_suggestion_says_whether_to_try_again);
    tcase_add_test(t, an_engine_answers_for_its_own_errors_only);
    tcase_add_test(t, an_open_breaker_tells_clients_when_and_developers_why);
    tcase_add_test(t, the_type_follows_service_and_status);
    tcase_add_test(t, developers_see_the_breakers_numbers_whatever_the_type);
    tcase_add_test(t, an_attempt_at_the_end_of_time_is_waited_for);
    tcase_add_test(t, what_is_not_known_of_a_service_is_left_out);
    tcase_add_test(t, a_database_error_carries_its_suggestion_to_developers);
    tcase_add_test(t, a_helper_that_refuses_changes_nothing);
    tcase_add_test(t, all_that_is_wrong_with_required_members_is_told_at_once);
    tcase_add_test(t, required_members_need_json_and_pointers);
    tcase_add_test(t, a_frame_for_developers_is_a_frame_with_more);
    tcase_add_test(t, what_is_hidden_is_counted);
    tcase_add_test(t, no_secret_and_no_control_character_reaches_an_envelope);
    tcase_add_test(t, an_envelope_over_http_has_headers);
    tcase_add_test(t, a_header_that_could_inject_or_flood_is_left_out);
    tcase_add_test(t, headers_need_an_error_that_can_be_rendered);
    tcase_add_test(t, an_outgoing_call_carries_both_headers);
    tcase_add_test(t, a_trace_goes_on_under_a_new_parent);
    tcase_add_test(t, a_trace_that_is_none_is_not_written);
    tcase_add_test(t, a_trace_header_is_served_to_every_buffer_size);
    suite_add_tcase(s, t);
    return s;
}
