#include "guarded.h"
#include "suite.h"

#include <wsrt/error.h>
#include <wsrt/json.h>

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SPAN(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define TEXT(literal) ((wsrt_span)SPAN(literal))

static char out[4096];

static void expect(const wsrt_error *e, int form, const char *want)
{
    size_t len = 0;

    ck_assert_int_eq(wsrt_error_write(e, form, out, sizeof out, &len), WSRT_OK);
    ck_assert_str_eq(out, want);
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_int_eq(wsrt_json_parse(NULL, (wsrt_span){out, len}, NULL), WSRT_OK);
}

static void expect_part(const wsrt_error *e, int form, const char *part)
{
    ck_assert_int_eq(wsrt_error_write(e, form, out, sizeof out, NULL), WSRT_OK);
    ck_assert_msg(strstr(out, part) != NULL, "no %s in %s", part, out);
    ck_assert_int_eq(wsrt_json_parse(NULL, wsrt_span_cstr(out), NULL), WSRT_OK);
}

static void expect_no_part(const wsrt_error *e, int form, const char *part)
{
    ck_assert_int_eq(wsrt_error_write(e, form, out, sizeof out, NULL), WSRT_OK);
    ck_assert_msg(strstr(out, part) == NULL, "%s in %s", part, out);
}

static wsrt_error invalid_message(void)
{
    return (wsrt_error){
        .struct_size = sizeof(wsrt_error),
        .type = WSRT_ERROR_VALIDATION,
        .correlation_id = TEXT("0193"),
        .wall = 1795168800123,
        .issues = TEXT("[{\"path\":\"/data/message\",\"code\":\"too_small\",\"message\":\"Message "
                       "cannot be empty\",\"limits\":{\"min\":1}}]"),
    };
}

static wsrt_error plain(int type)
{
    return (wsrt_error){
        .struct_size = sizeof(wsrt_error), .type = type, .correlation_id = TEXT("c-1"), .wall = 0};
}

/* ---- types ---- */

START_TEST(the_table_of_types_is_the_published_one)
{
    static const struct {
        int type;
        const char *name;
        int http, close, retryable, after;
    } rows[] = {
        {WSRT_ERROR_INTERNAL, "INTERNAL_ERROR", 500, 1011, 1, 1000},
        {WSRT_ERROR_VALIDATION, "VALIDATION_ERROR", 400, 0, 0, -1},
        {WSRT_ERROR_PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", 413, 1009, 0, -1},
        {WSRT_ERROR_AUTHENTICATION, "AUTHENTICATION_ERROR", 401, 4401, 0, -1},
        {WSRT_ERROR_AUTHORIZATION, "AUTHORIZATION_ERROR", 403, 4403, 0, -1},
        {WSRT_ERROR_NOT_FOUND, "NOT_FOUND", 404, 4404, 0, -1},
        {WSRT_ERROR_CONFLICT, "CONFLICT_ERROR", 409, 0, 0, -1},
        {WSRT_ERROR_RATE_LIMIT, "RATE_LIMIT_ERROR", 429, 4429, 1, -1},
        {WSRT_ERROR_TIMEOUT, "TIMEOUT_ERROR", 504, 1013, 1, 1000},
        {WSRT_ERROR_EXTERNAL_SERVICE, "EXTERNAL_SERVICE_ERROR", 502, 1013, 1, 1000},
        {WSRT_ERROR_DATABASE, "DATABASE_ERROR", 500, 1011, 1, -1},
        {WSRT_ERROR_SERVICE_RESTART, "SERVICE_RESTART", 503, 1012, 1, -1},
        {WSRT_ERROR_PROTOCOL, "PROTOCOL_ERROR", 400, 1002, 0, -1},
        {WSRT_ERROR_UNSUPPORTED_DATA, "UNSUPPORTED_DATA", 415, 1003, 0, -1},
        {0, "INTERNAL_ERROR", 500, 1011, 1, 1000},
        {15, "INTERNAL_ERROR", 500, 1011, 1, 1000},
        {-1, "INTERNAL_ERROR", 500, 1011, 1, 1000},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const wsrt_error_info *info = wsrt_error_type_info(rows[i].type);
        ck_assert_str_eq(info->name_cstr, rows[i].name);
        ck_assert_int_eq(info->http_status, rows[i].http);
        ck_assert_int_eq(info->close_code, rows[i].close);
        ck_assert_int_eq(info->retryable, rows[i].retryable);
        ck_assert_int_eq(info->retry_after_ms, rows[i].after);
        ck_assert_uint_le(strlen(info->code_cstr), 63);
        ck_assert_uint_gt(strlen(info->message_cstr), 0);
    }
}
END_TEST

START_TEST(every_status_has_the_type_that_answers_it)
{
    static const int types[] = {
        [-WSRT_ERR_UNSUPPORTED] = WSRT_ERROR_UNSUPPORTED_DATA,
        [-WSRT_ERR_MALFORMED] = WSRT_ERROR_VALIDATION,
        [-WSRT_ERR_REJECTED] = WSRT_ERROR_VALIDATION,
        [-WSRT_ERR_NOT_FOUND] = WSRT_ERROR_NOT_FOUND,
        [-WSRT_ERR_EXISTS] = WSRT_ERROR_CONFLICT,
        [-WSRT_ERR_GONE] = WSRT_ERROR_NOT_FOUND,
        [-WSRT_ERR_TIMEOUT] = WSRT_ERROR_TIMEOUT,
        [-WSRT_ERR_UNAVAILABLE] = WSRT_ERROR_EXTERNAL_SERVICE,
        [-WSRT_ERR_THROTTLED] = WSRT_ERROR_EXTERNAL_SERVICE,
        [-WSRT_ERR_RATE_LIMITED] = WSRT_ERROR_RATE_LIMIT,
        [-WSRT_ERR_CIRCUIT_OPEN] = WSRT_ERROR_EXTERNAL_SERVICE,
        [-WSRT_ERR_UNAUTHENTICATED] = WSRT_ERROR_AUTHENTICATION,
        [-WSRT_ERR_FORBIDDEN] = WSRT_ERROR_AUTHORIZATION,
        [-WSRT_ERR_TOO_LARGE] = WSRT_ERROR_PAYLOAD_TOO_LARGE,
        [-WSRT_ERR_CORRUPT] = WSRT_ERROR_DATABASE,
        [40] = 0,
    };

    for (int status = -40; status <= 2; status++) {
        int want = status < 0 ? types[-status] : 0;
        ck_assert_int_eq(wsrt_error_type_of(status), want != 0 ? want : WSRT_ERROR_INTERNAL);
    }
}
END_TEST

/* ---- renderings ---- */

#define ISSUES                                                                                     \
    "\"issues\":[{\"path\":\"/data/message\",\"code\":\"too_small\",\"message\":\"Message cannot " \
    "be empty\",\"limits\":{\"min\":1}}]"
#define BASE                                                                                       \
    "\"type\":\"VALIDATION_ERROR\",\"message\":\"Invalid message\",\"code\":\"INVALID_MESSAGE\","  \
    "\"timestamp\":\"2026-11-20T10:00:00.123Z\",\"correlationId\":\"0193\""

START_TEST(the_client_form_says_what_informs)
{
    wsrt_error e = invalid_message();

    expect(&e, WSRT_ERROR_FORM_CLIENT, "{\"success\":false,\"error\":{" BASE "," ISSUES "}}");
}
END_TEST

START_TEST(the_frame_form_has_milliseconds_outside_and_iso_8601_inside)
{
    wsrt_error e = invalid_message();

    expect(&e, WSRT_ERROR_FORM_FRAME,
           "{\"type\":\"error\",\"success\":false,\"error\":{" BASE ",\"retryable\":false," ISSUES
           "},\"timestamp\":1795168800123,\"correlationId\":\"0193\"}");
}
END_TEST

START_TEST(the_developer_form_adds_details_stack_and_debug)
{
    wsrt_field details[] = {
        {.name_cstr = "issueCount", .kind = WSRT_FIELD_INT, .number = 1},
        {.name_cstr = "token", .kind = WSRT_FIELD_TEXT, .text = TEXT("never")},
        {.name_cstr = "bodyLength", .kind = WSRT_FIELD_REAL, .real = 1.5},
    };
    wsrt_error e = invalid_message();

    e.details = details;
    e.detail_count = COUNT(details);
    e.stack = TEXT("at f\nBearer abc");
    e.request_id = TEXT("r=");
    e.user_agent = TEXT("ua a@b.org");
    e.source_ip = TEXT("10.0.0.1");
    e.stage = TEXT("prod");
    expect(
        &e, WSRT_ERROR_FORM_DEVELOPER,
        "{\"success\":false,\"error\":{" BASE "," ISSUES ",\"details\":{\"issueCount\":1,"
        "\"bodyLength\":1.5},\"stack\":\"at f\\u000aBearer [redacted]\",\"debug\":{\"requestId\":"
        "\"r=\",\"userAgent\":\"ua [redacted]\",\"sourceIp\":\"10.0.0.1\",\"stage\":\"prod\"}}}");
    expect(&e, WSRT_ERROR_FORM_CLIENT, "{\"success\":false,\"error\":{" BASE "," ISSUES "}}");
    expect_no_part(&e, WSRT_ERROR_FORM_FRAME, "issueCount");
    expect_no_part(&e, WSRT_ERROR_FORM_PROBLEM, "10.0.0.1");
}
END_TEST

START_TEST(the_problem_form_is_rfc_9457)
{
    wsrt_error e = invalid_message();

    e.message = TEXT("No \"text\"");
    expect(&e, WSRT_ERROR_FORM_PROBLEM,
           "{\"type\":\"urn:wsrt:error:validation-error\",\"title\":\"Invalid message\","
           "\"status\":400,\"detail\":\"No \\\"text\\\"\",\"instance\":\"0193\","
           "\"code\":\"INVALID_MESSAGE\"," ISSUES "}");
    e.http_status = 422;
    expect_part(&e, WSRT_ERROR_FORM_PROBLEM, "\"status\":422");
}
END_TEST

START_TEST(retry_members_follow_the_type_unless_the_error_says_otherwise)
{
    static const struct {
        int type;
        uint32_t flags;
        int64_t after;
        const char *client, *frame; /* the members behind correlationId */
    } rows[] = {
        {WSRT_ERROR_TIMEOUT, 0, 0, ",\"retryable\":true,\"retryAfter\":1000", NULL},
        {WSRT_ERROR_TIMEOUT, 0, 70, ",\"retryable\":true,\"retryAfter\":70", NULL},
        {WSRT_ERROR_TIMEOUT, 0, -1, ",\"retryable\":true", NULL},
        {WSRT_ERROR_TIMEOUT, WSRT_ERROR_NOT_RETRYABLE, 0, "", ",\"retryable\":false"},
        {WSRT_ERROR_RATE_LIMIT, 0, 0, ",\"retryable\":true", NULL},
        {WSRT_ERROR_NOT_FOUND, 0, 0, "", ",\"retryable\":false"},
        {WSRT_ERROR_NOT_FOUND, WSRT_ERROR_RETRYABLE, 5, ",\"retryable\":true,\"retryAfter\":5",
         NULL},
        {WSRT_ERROR_NOT_FOUND, WSRT_ERROR_RECONNECT, 0, ",\"reconnect\":true",
         ",\"retryable\":false,\"reconnect\":true"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_error e = plain(rows[i].type);
        char part[128];
        e.flags = rows[i].flags;
        e.retry_after_ms = rows[i].after;
        snprintf(part, sizeof part, "\"correlationId\":\"c-1\"%s}", rows[i].client);
        expect_part(&e, WSRT_ERROR_FORM_CLIENT, part);
        snprintf(part, sizeof part, "\"correlationId\":\"c-1\"%s}",
                 rows[i].frame != NULL ? rows[i].frame : rows[i].client);
        expect_part(&e, WSRT_ERROR_FORM_FRAME, part);
    }
}
END_TEST

static int64_t wait_after_a_restart(const char *id)
{
    wsrt_error e = plain(WSRT_ERROR_SERVICE_RESTART);

    e.correlation_id = wsrt_span_cstr(id);
    ck_assert_int_eq(wsrt_error_write(&e, WSRT_ERROR_FORM_FRAME, out, sizeof out, NULL), WSRT_OK);
    const char *at = strstr(out, "\"retryAfter\":");
    ck_assert_msg(at != NULL, "%s", out);
    return strtoll(at + strlen("\"retryAfter\":"), NULL, 10);
}

START_TEST(who_is_sent_away_by_a_restart_comes_back_within_ten_seconds_but_not_at_once)
{
    int tenths[10] = {0};
    char id[16];

    for (int i = 0; i < 10000; i++) {
        snprintf(id, sizeof id, "c-%d", i);
        int64_t wait = wait_after_a_restart(id);
        ck_assert_int_eq(wait_after_a_restart(id), wait);
        ck_assert(wait > 0 && wait <= 10000);
        tenths[(wait - 1) / 1000]++;
    }
    for (int i = 0; i < 10; i++)
        ck_assert(tenths[i] > 880 && tenths[i] < 1120);
}
END_TEST

START_TEST(a_limit_is_named_with_its_scope)
{
    wsrt_error e = plain(WSRT_ERROR_RATE_LIMIT);

    e.limit = 20;
    expect_no_part(&e, WSRT_ERROR_FORM_CLIENT, "limit\"");
    e.scope = TEXT("connection");
    e.retry_after_ms = 50;
    expect_part(&e, WSRT_ERROR_FORM_CLIENT,
                "\"retryable\":true,\"retryAfter\":50,\"scope\":\"connection\",\"limit\":20,"
                "\"remaining\":0}}");
}
END_TEST

START_TEST(a_named_outside_service_has_a_text_of_its_own)
{
    static const struct {
        const char *service, *text;
    } rows[] = {
        {"cognito", "Authentication service temporarily unavailable"},
        {"apigateway-management", "WebSocket service temporarily unavailable"},
        {"dynamodb", "Database temporarily unavailable"},
        {"10.0.0.7:6379", "Service temporarily unavailable"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_field service = {.name_cstr = "service",
                              .kind = WSRT_FIELD_TEXT,
                              .text = wsrt_span_cstr(rows[i].service)};
        wsrt_error e = plain(WSRT_ERROR_EXTERNAL_SERVICE);
        char part[128];
        e.details = &service;
        e.detail_count = 1;
        snprintf(part, sizeof part, "\"message\":\"%s\"", rows[i].text);
        expect_part(&e, WSRT_ERROR_FORM_CLIENT, part);
        expect_no_part(&e, WSRT_ERROR_FORM_FRAME, rows[i].service);
        expect_part(&e, WSRT_ERROR_FORM_DEVELOPER, rows[i].service);
    }
}
END_TEST

START_TEST(codes_that_are_none_give_way_to_the_types)
{
    static const struct {
        wsrt_span code;
        const char *written;
    } rows[] = {
        {SPAN("TOKEN_EXPIRED"), "TOKEN_EXPIRED"},
        {SPAN("A1"), "A1"},
        {SPAN(""), "UNAUTHENTICATED_CONNECTION"},
        {SPAN("lower"), "UNAUTHENTICATED_CONNECTION"},
        {SPAN("A B"), "UNAUTHENTICATED_CONNECTION"},
        {SPAN("A\"B"), "UNAUTHENTICATED_CONNECTION"},
        {SPAN("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
         "UNAUTHENTICATED_CONNECTION"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_error e = plain(WSRT_ERROR_AUTHENTICATION);
        char part[128];
        e.code = rows[i].code;
        snprintf(part, sizeof part, "\"code\":\"%s\"", rows[i].written);
        expect_part(&e, WSRT_ERROR_FORM_CLIENT, part);
    }
}
END_TEST

START_TEST(public_text_is_redacted_and_repaired)
{
    wsrt_error e = plain(WSRT_ERROR_INTERNAL);

    e.message = TEXT("bad token=abc \xff\x1b[1m \xe2\x80\xae \"q\" <b>");
    expect_part(
        &e, WSRT_ERROR_FORM_CLIENT,
        "\"message\":\"bad token=[redacted] \xef\xbf\xbd\\u001b[1m \\u202e \\\"q\\\" <b>\"");
    e.flags = WSRT_ERROR_HTML_SAFE;
    expect_part(&e, WSRT_ERROR_FORM_CLIENT, "\\u003cb\\u003e\"");
}
END_TEST

START_TEST(issues_that_are_no_array_are_left_out)
{
    static const wsrt_span rows[] = {SPAN("{}"), SPAN("[1"), SPAN("[]]"), SPAN("]"), SPAN("\"\"")};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_error e = plain(WSRT_ERROR_VALIDATION);
        e.issues = rows[i];
        expect_no_part(&e, WSRT_ERROR_FORM_CLIENT, "issues");
    }
}
END_TEST

START_TEST(markup_is_escaped_in_issues_too)
{
    wsrt_error e = plain(WSRT_ERROR_VALIDATION);

    e.issues = TEXT("[{\"path\":\"/<a>\",\"message\":\"a & b\"}]");
    expect_part(&e, WSRT_ERROR_FORM_CLIENT, "\"path\":\"/<a>\",\"message\":\"a & b\"");
    e.flags = WSRT_ERROR_HTML_SAFE;
    expect_part(&e, WSRT_ERROR_FORM_CLIENT,
                "\"path\":\"/\\u003ca\\u003e\",\"message\":\"a \\u0026 b\"");
}
END_TEST

START_TEST(text_that_is_nowhere_is_as_good_as_empty)
{
    static const size_t texts[] = {
        offsetof(wsrt_error, code),          offsetof(wsrt_error, message),
        offsetof(wsrt_error, scope),         offsetof(wsrt_error, issues),
        offsetof(wsrt_error, stack),         offsetof(wsrt_error, request_id),
        offsetof(wsrt_error, user_agent),    offsetof(wsrt_error, source_ip),
        offsetof(wsrt_error, stage),         offsetof(wsrt_error, connection_id),
        offsetof(wsrt_error, user_id),       offsetof(wsrt_error, action),
        offsetof(wsrt_error, correlation_id)};
    const wsrt_span nowhere = {NULL, 3}, empty = {NULL, 0};
    wsrt_field detail = {.name_cstr = "kind", .kind = WSRT_FIELD_TEXT, .text = nowhere};
    wsrt_field service = {.name_cstr = "service", .kind = WSRT_FIELD_TEXT, .text = {NULL, 7}};
    wsrt_span name, value;
    char want[4096];

    for (size_t i = 0; i < COUNT(texts); i++)
        for (int form = WSRT_ERROR_FORM_CLIENT; form <= WSRT_ERROR_FORM_DEVELOPER_FRAME; form++) {
            wsrt_error e = plain(WSRT_ERROR_CONFLICT);
            memcpy((char *)&e + texts[i], &empty, sizeof empty);
            ck_assert_int_eq(wsrt_error_write(&e, form, want, sizeof want, NULL), WSRT_OK);
            memcpy((char *)&e + texts[i], &nowhere, sizeof nowhere);
            expect(&e, form, want);
            for (size_t index = 0; wsrt_error_header(&e, form, &index, &name, &value) == WSRT_OK;)
                ck_assert_ptr_nonnull(value.ptr);
        }
    wsrt_error e = plain(WSRT_ERROR_CONFLICT);
    e.details = &detail;
    e.detail_count = 1;
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER, "\"details\":{}");
    e = plain(WSRT_ERROR_EXTERNAL_SERVICE);
    e.details = &service;
    e.detail_count = 1;
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER, "\"Service temporarily unavailable\"");
}
END_TEST

START_TEST(a_detail_is_written_by_its_kind_and_once)
{
    wsrt_error e = plain(WSRT_ERROR_EXTERNAL_SERVICE);
    const wsrt_field details[] = {
        {.name_cstr = "state", .kind = WSRT_FIELD_BOOL, .number = 1},
        {.name_cstr = "state", .kind = WSRT_FIELD_BOOL},
        {.name_cstr = "operation", .kind = WSRT_FIELD_BOOL},
        {.name_cstr = "failureRate", .kind = WSRT_FIELD_REAL, .real = __builtin_nan("")},
        {.name_cstr = "service", .kind = WSRT_FIELD_TEXT},
        {.name_cstr = "totalRequests", .kind = 99},
    };
    wsrt_field nameless = {.kind = WSRT_FIELD_INT};

    e.details = details;
    e.detail_count = COUNT(details);
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER,
                "\"details\":{\"state\":true,\"operation\":false,\"failureRate\":null,\"service\":"
                "\"\"}");
    e.details = &nameless;
    e.detail_count = 1;
    expect_part(&e, WSRT_ERROR_FORM_DEVELOPER,
                "{\"type\":\"INTERNAL_ERROR\",\"message\":\"Internal");
}
END_TEST

START_TEST(what_cannot_be_rendered_gives_the_minimal_envelope)
{
    wsrt_error e = plain(WSRT_ERROR_VALIDATION);

    e.struct_size = 8;
    expect(&e, WSRT_ERROR_FORM_CLIENT,
           "{\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\",\"message\":\"Internal "
           "error\",\"code\":\"INTERNAL_ERROR\"}}");
    e = plain(WSRT_ERROR_VALIDATION);
    e.detail_count = 1;
    expect(&e, WSRT_ERROR_FORM_FRAME,
           "{\"type\":\"error\",\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\","
           "\"message\":\"Internal error\",\"code\":\"INTERNAL_ERROR\",\"retryable\":true}}");
    e = plain(WSRT_ERROR_VALIDATION);
    e.flags = 1024;
    expect(&e, WSRT_ERROR_FORM_PROBLEM,
           "{\"type\":\"urn:wsrt:error:internal-error\",\"title\":\"Internal error\","
           "\"status\":500,\"code\":\"INTERNAL_ERROR\"}");
    ck_assert_int_eq(wsrt_error_write(NULL, WSRT_ERROR_FORM_CLIENT, out, sizeof out, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_write(&e, 0, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_write(&e, 6, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_error_write(&e, 1, NULL, 5, NULL), WSRT_ERR_INVALID);
}
END_TEST

static void expect_every_size(const wsrt_error *e, int form)
{
    char whole[4096];
    size_t need = 0, len;

    ck_assert_int_eq(wsrt_error_write(e, form, NULL, 0, &need), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_error_write(e, form, whole, sizeof whole, NULL), WSRT_OK);
    for (size_t cap = 0; cap <= need + 1; cap++) {
        char *room = guarded_copy(out, cap);
        ck_assert_int_eq(wsrt_error_write(e, form, room, cap, &len),
                         cap < need ? WSRT_ERR_LIMIT : WSRT_OK);
        ck_assert_uint_eq(len, need);
        if (cap >= need)
            ck_assert_mem_eq(room, whole, need);
        if (cap > need)
            ck_assert_int_eq(room[need], '\0');
        guarded_free(room, cap);
    }
}

START_TEST(every_buffer_size_is_served)
{
    const wsrt_field details[] = {
        {.name_cstr = "scope", .kind = WSRT_FIELD_TEXT, .text = TEXT("\xff \x1b token=abc \"<\"")},
        {.name_cstr = "limit", .kind = WSRT_FIELD_INT, .number = INT64_MIN},
        {.name_cstr = "remaining", .kind = WSRT_FIELD_REAL, .real = -1.2345678901234567e-300}};
    const wsrt_error all = {.struct_size = sizeof all,
                            .flags = WSRT_ERROR_RECONNECT | WSRT_ERROR_HTML_SAFE,
                            .type = WSRT_ERROR_RATE_LIMIT,
                            .message = TEXT("gr\xc3\xbc\xc3\x9f \xff <a@b.org> \xe2\x80\xa8"),
                            .correlation_id = TEXT("c-1"),
                            .wall = INT64_MAX,
                            .retry_after_ms = INT64_MAX,
                            .scope = TEXT("user\"\x7f"),
                            .limit = INT64_MIN,
                            .remaining = INT64_MAX,
                            .issues = TEXT("[ \"<&>\" ]"),
                            .details = details,
                            .detail_count = COUNT(details),
                            .stack = TEXT("at f\n\tBearer\tabc"),
                            .user_agent = TEXT("ua"),
                            .action = TEXT("say")};
    const wsrt_error some[] = {invalid_message(), all, {.struct_size = 1}};

    for (size_t i = 0; i < COUNT(some); i++)
        for (int form = WSRT_ERROR_FORM_CLIENT; form <= WSRT_ERROR_FORM_DEVELOPER_FRAME; form++)
            expect_every_size(&some[i], form);
}
END_TEST

/* The C library's calendar is the judge. */
START_TEST(times_are_written_as_the_calendar_has_them)
{
    static const int64_t rows[] = {0,
                                   1,
                                   951782399999,
                                   951782400000,
                                   951868800000,
                                   4107542399000,
                                   4107542400000,
                                   1795168800123,
                                   253402300799999,
                                   68169600000,
                                   INT64_C(13574563200000),
                                   1709164800000,
                                   1735689599999};

    for (size_t i = 0; i < COUNT(rows) + 800; i++) {
        int64_t ms = i < COUNT(rows) ? rows[i] : (int64_t)(i - COUNT(rows)) * 316737599991;
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;
        char part[64], day[32];
        wsrt_error e = plain(WSRT_ERROR_INTERNAL);
        ck_assert_ptr_nonnull(gmtime_r(&seconds, &tm));
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(part, sizeof part, "\"timestamp\":\"%s.%03dZ\"", day, (int)(ms % 1000));
        e.wall = ms;
        expect_part(&e, WSRT_ERROR_FORM_CLIENT, part);
    }
}
END_TEST

/* ---- ids ---- */

START_TEST(correlation_ids_are_short_and_plain)
{
    char longest[130];

    memset(longest, 'a', sizeof longest);
    ck_assert_int_eq(wsrt_correlation_id_valid((wsrt_span){longest, 128}), 1);
    ck_assert_int_eq(wsrt_correlation_id_valid((wsrt_span){longest, 129}), 0);
    ck_assert_int_eq(wsrt_correlation_id_valid(TEXT("")), 0);
    for (int c = 0; c < 256; c++) {
        char text = (char)c;
        int want = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                    "._:=;-",
                                    c) != NULL;
        ck_assert_int_eq(wsrt_correlation_id_valid((wsrt_span){&text, 1}), want);
    }
}
END_TEST

START_TEST(a_uuid_shows_its_time_version_and_variant)
{
    uint64_t last = 0;
    unsigned char random[10];
    char id[WSRT_UUID_LEN + 1] = "";

    memset(random, 0xff, sizeof random);
    ck_assert_int_eq(wsrt_uuid7(&last, 0x0193abcdef01, random, id), WSRT_OK);
    ck_assert_str_eq(id, "0193abcd-ef01-77ff-bfff-ffffffffffff");
}
END_TEST

static void expect_growth(int (*make)(uint64_t *last, int64_t wall, const void *random, char *dst))
{
    uint64_t last = 0;
    char before[WSRT_UUID_LEN + 1] = "", id[WSRT_UUID_LEN + 1] = "";

    for (int i = 0; i < 20000; i++) {
        unsigned char random[10] = {(unsigned char)(i * 37), (unsigned char)(i * 11)};
        int64_t wall = i < 10000 ? 1700000000000 : 1600000000000 + i;
        ck_assert_int_eq(make(&last, wall, random, id), WSRT_OK);
        ck_assert_int_gt(strcmp(id, before), 0);
        strcpy(before, id);
    }
}

START_TEST(uuids_grow_even_when_the_clock_stands_or_goes_back)
{
    expect_growth(wsrt_uuid7);
}
END_TEST

START_TEST(a_ulid_shows_its_time)
{
    uint64_t last = 0;
    unsigned char random[10];
    char id[WSRT_ULID_LEN + 1] = "";

    memset(random, 0xff, sizeof random);
    ck_assert_int_eq(wsrt_ulid(&last, 1469918176385, random, id), WSRT_OK);
    ck_assert_str_eq(id, "01ARYZ6S41FZZZZZZZZZZZZZZZ");
    memset(random, 0, sizeof random);
    last = 0;
    ck_assert_int_eq(wsrt_ulid(&last, (1ll << 48) - 1, random, id), WSRT_OK);
    ck_assert_str_eq(id, "7ZZZZZZZZZ0000000000000000");
    ck_assert_int_eq(wsrt_ulid(&last, 1ll << 48, random, id), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_correlation_id_valid((wsrt_span){id, WSRT_ULID_LEN}), 1);
}
END_TEST

START_TEST(ulids_grow_even_when_the_clock_stands_or_goes_back)
{
    expect_growth(wsrt_ulid);
}
END_TEST

enum { EACH = 5000 };
static uint64_t shared_last;

static void *make_ids(void *user)
{
    char(*ids)[WSRT_UUID_LEN] = user;
    unsigned char random[10] = {0}; /* no luck involved: only the counter keeps them apart */

    for (int i = 0; i < EACH; i++)
        wsrt_uuid7(&shared_last, 1700000000000, random, ids[i]);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, WSRT_UUID_LEN);
}

START_TEST(two_threads_never_make_the_same_uuid)
{
    static char ids[2 * EACH][WSRT_UUID_LEN];
    pthread_t other;

    pthread_create(&other, NULL, make_ids, ids);
    make_ids(ids + EACH);
    pthread_join(other, NULL);
    qsort(ids, 2 * EACH, WSRT_UUID_LEN, compare_ids);
    for (int i = 1; i < 2 * EACH; i++)
        ck_assert_int_lt(compare_ids(ids[i - 1], ids[i]), 0);
}
END_TEST

START_TEST(a_uuid_needs_a_time_and_room)
{
    uint64_t last = 0;
    unsigned char random[10] = {0};
    char id[WSRT_UUID_LEN];

    ck_assert_int_eq(wsrt_uuid7(NULL, 1, random, id), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_uuid7(&last, 1, NULL, id), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_uuid7(&last, 1, random, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_uuid7(&last, -1, random, id), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_uuid7(&last, INT64_C(1) << 48, random, id), WSRT_ERR_INVALID);
    ck_assert_uint_eq(last, 0);
}
END_TEST

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

START_TEST(traceparent_is_read_by_the_rules_of_its_version)
{
    static const struct {
        wsrt_span header;
        int rc, sampled;
    } rows[] = {
        {SPAN("00-" TRACE "-" PARENT "-01"), WSRT_OK, 1},
        {SPAN("00-" TRACE "-" PARENT "-00"), WSRT_OK, 0},
        {SPAN("00-" TRACE "-" PARENT "-fe"), WSRT_OK, 0},
        {SPAN("01-" TRACE "-" PARENT "-03"), WSRT_OK, 1},
        {SPAN("cc-" TRACE "-" PARENT "-01-what-ever"), WSRT_OK, 1},
        {SPAN("cc-" TRACE "-" PARENT "-01x"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "-" PARENT "-01-x"), WSRT_ERR_MALFORMED, 0},
        {SPAN("ff-" TRACE "-" PARENT "-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "-" PARENT "-0"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "-" PARENT "-0g"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-00000000000000000000000000000000-" PARENT "-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "-0000000000000000-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00_" TRACE "-" PARENT "-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "_" PARENT "-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "-" PARENT "_01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("0g-" TRACE "-" PARENT "-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-" TRACE "-00f067aa0ba902bX-01"), WSRT_ERR_MALFORMED, 0},
        {SPAN("00-\0"
              "bf92f3577b34da6a3ce929d0e0e4736-" PARENT "-01"),
         WSRT_ERR_MALFORMED, 0},
        {SPAN(""), WSRT_ERR_MALFORMED, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy = guarded_copy(rows[i].header.ptr, rows[i].header.len);
        wsrt_trace trace = {.sampled = 9};
        wsrt_span header = {copy, rows[i].header.len};
        ck_assert_msg(wsrt_trace_from_traceparent(header, &trace) == rows[i].rc, "%s",
                      rows[i].header.ptr);
        if (rows[i].rc == WSRT_OK) {
            ck_assert_str_eq(trace.trace_id, TRACE);
            ck_assert_str_eq(trace.parent_id, PARENT);
            ck_assert_int_eq(trace.sampled, rows[i].sampled);
        } else {
            ck_assert_int_eq(trace.sampled, 9);
        }
        guarded_free(copy, rows[i].header.len);
    }
}
END_TEST

START_TEST(the_x_ray_header_is_read_field_by_field)
{
    static const char root[] = "Root=1-5759e988-bd862e3fe1be46a994272793";
    static const struct {
        const char *rest;
        int rc;
        const char *parent;
        int sampled;
    } rows[] = {
        {"", WSRT_OK, "", -1},
        {";Parent=53995c3f42cd8ad8;Sampled=1", WSRT_OK, "53995c3f42cd8ad8", 1},
        {";Parent=53995C3F42CD8AD8;Sampled=0", WSRT_OK, "53995c3f42cd8ad8", 0},
        {"; Sampled=?; Lineage=a:1", WSRT_OK, "", -1},
        {";Self=1-2;", WSRT_OK, "", -1},
        {";Parent=53995c3f42cd8ad", WSRT_ERR_MALFORMED, "", 0},
        {";Parent=53995c3f42cd8adg", WSRT_ERR_MALFORMED, "", 0},
        {"; Sampled=7; ", WSRT_OK, "", -1},
        {";Sampled=11", WSRT_OK, "", -1},
        {";Paren", WSRT_OK, "", -1},
        {"0", WSRT_ERR_MALFORMED, "", 0},
    };
    static const wsrt_span no_roots[] = {
        SPAN("Root=2-5759e988-bd862e3fe1be46a994272793"),
        SPAN("Root=1_5759e988-bd862e3fe1be46a994272793"),
        SPAN("Root=1-5759e988_bd862e3fe1be46a994272793"),
        SPAN("Root=1-5759e98g-bd862e3fe1be46a994272793"),
        SPAN("Root=1-5759e988-bd862e3fe1be46a99427279z"),
        SPAN("Root=1-5759e988-bd862e3fe1be46a99427279"),
        SPAN("Root="),
        SPAN("  "),
    };
    wsrt_trace trace;

    for (size_t i = 0; i < COUNT(no_roots); i++)
        ck_assert_int_eq(wsrt_trace_from_xray(no_roots[i], &trace), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_trace_from_xray(TEXT("x"), NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_trace_from_traceparent(TEXT("x"), NULL), WSRT_ERR_MALFORMED);

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[160];
        int len = snprintf(text, sizeof text, "%s%s", root, rows[i].rest);
        char *copy = guarded_copy(text, (size_t)len);
        ck_assert_msg(wsrt_trace_from_xray((wsrt_span){copy, (size_t)len}, &trace) == rows[i].rc,
                      "%s", text);
        if (rows[i].rc == WSRT_OK) {
            ck_assert_str_eq(trace.trace_id, "5759e988bd862e3fe1be46a994272793");
            ck_assert_str_eq(trace.parent_id, rows[i].parent);
            ck_assert_int_eq(trace.sampled, rows[i].sampled);
        }
        guarded_free(copy, (size_t)len);
    }
    ck_assert_int_eq(wsrt_trace_from_xray(TEXT("Sampled=1"), &trace), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_trace_from_xray(TEXT(""), &trace), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_trace_from_xray(TEXT("Root=1-00000000-000000000000000000000000"), &trace),
                     WSRT_ERR_MALFORMED);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("error");
    TCase *t = tcase_create("error");

    tcase_add_test(t, the_table_of_types_is_the_published_one);
    tcase_add_test(t, every_status_has_the_type_that_answers_it);
    tcase_add_test(t, the_client_form_says_what_informs);
    tcase_add_test(t, the_frame_form_has_milliseconds_outside_and_iso_8601_inside);
    tcase_add_test(t, the_developer_form_adds_details_stack_and_debug);
    tcase_add_test(t, the_problem_form_is_rfc_9457);
    tcase_add_test(t, retry_members_follow_the_type_unless_the_error_says_otherwise);
    tcase_add_test(t, who_is_sent_away_by_a_restart_comes_back_within_ten_seconds_but_not_at_once);
    tcase_add_test(t, a_limit_is_named_with_its_scope);
    tcase_add_test(t, a_named_outside_service_has_a_text_of_its_own);
    tcase_add_test(t, codes_that_are_none_give_way_to_the_types);
    tcase_add_test(t, public_text_is_redacted_and_repaired);
    tcase_add_test(t, issues_that_are_no_array_are_left_out);
    tcase_add_test(t, markup_is_escaped_in_issues_too);
    tcase_add_test(t, text_that_is_nowhere_is_as_good_as_empty);
    tcase_add_test(t, a_detail_is_written_by_its_kind_and_once);
    tcase_add_test(t, what_cannot_be_rendered_gives_the_minimal_envelope);
    tcase_add_test(t, every_buffer_size_is_served);
    tcase_add_test(t, times_are_written_as_the_calendar_has_them);
    tcase_add_test(t, correlation_ids_are_short_and_plain);
    tcase_add_test(t, a_uuid_shows_its_time_version_and_variant);
    tcase_add_test(t, uuids_grow_even_when_the_clock_stands_or_goes_back);
    tcase_add_test(t, a_ulid_shows_its_time);
    tcase_add_test(t, ulids_grow_even_when_the_clock_stands_or_goes_back);
    tcase_add_test(t, two_threads_never_make_the_same_uuid);
    tcase_add_test(t, a_uuid_needs_a_time_and_room);
    tcase_add_test(t, traceparent_is_read_by_the_rules_of_its_version);
    tcase_add_test(t, the_x_ray_header_is_read_field_by_field);
    suite_add_tcase(s, t);
    return s;
}
