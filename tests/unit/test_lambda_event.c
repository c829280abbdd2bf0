/* The mapping between API Gateway's JSON and events, without a socket. */
#include "heap.h"
#include "suite.h"

#include "lambda/event.h"
#include "lambda/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const wsrt_allocator libc_memory;
static wsrt_lambda_event e;

static int map(const char *json)
{
    return wsrt_lambda_event_map(&e, wsrt_span_cstr(json), NULL, &libc_memory);
}

static int map_as(const char *json, int kind)
{
    wsrt_invocation how = {.struct_size = sizeof how, .kind = kind};

    return wsrt_lambda_event_map(&e, wsrt_span_cstr(json), &how, &libc_memory);
}

static void teardown(void)
{
    wsrt_lambda_event_free(&e, &libc_memory);
}

static void check_text(wsrt_span got, const char *wanted)
{
    ck_assert_msg(wsrt_span_equal(got, wsrt_span_cstr(wanted)), "got '%.*s', wanted '%s'",
                  (int)got.len, got.len > 0 ? got.ptr : "", wanted);
}

static const char connect_event[] =
    "{\"headers\":{\"Host\":\"k9.execute-api.eu-central-1.amazonaws.com\",\"Cookie\":\"a=1\","
    "\"X-Amzn-Trace-Id\":\"Root=1-6920a1b2-0123456789abcdef01234567\"},"
    "\"multiValueHeaders\":{\"Host\":[\"k9.execute-api.eu-central-1.amazonaws.com\"],"
    "\"Cookie\":[\"a=1\",\"b=\\u00e9\"]},"
    "\"queryStringParameters\":{\"token\":\"t.o.k\"},"
    "\"multiValueQueryStringParameters\":{\"token\":[\"t.o.k\"],\"room\":[\"1\",\"2\"]},"
    "\"stageVariables\":null,"
    "\"requestContext\":{\"routeKey\":\"$connect\",\"eventType\":\"CONNECT\",\"stage\":\"prod\","
    "\"connectedAt\":1795168800000,\"requestTimeEpoch\":1795168800004,\"messageId\":null,"
    "\"identity\":{\"userAgent\":\"it/1 \\\"x\\\"\",\"sourceIp\":\"203.0.113.9\",\"user\":null},"
    "\"requestId\":\"Rq1=\",\"domainName\":\"k9.example\",\"connectionId\":\"QbT4ecNrDoECJ0A=\","
    "\"authorizer\":{\"principalId\":\"user-7\",\"username\":\"seven\",\"groups\":\"a b\","
    "\"scopes\":\"chat:write\",\"email\":\"7@example.org\",\"exp\":\"1795172400\","
    "\"integrationLatency\":41}},\"isBase64Encoded\":false,\"later\":{\"x\":[1,{}]}}";

START_TEST(a_connect_becomes_an_event_with_everything_it_says)
{
    ck_assert_int_eq(map(connect_event), WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_CONNECT);
    check_text(e.event.connection_id, "QbT4ecNrDoECJ0A=");
    check_text(e.event.route_key, "$connect");
    check_text(e.event.request_id, "Rq1=");
    check_text(e.event.stage, "prod");
    check_text(e.event.domain, "k9.example");
    check_text(e.event.source_ip, "203.0.113.9");
    check_text(e.event.user_agent, "it/1 \"x\"");
    ck_assert_int_eq(e.event.connected_at, 1795168800000);
    ck_assert_uint_eq(e.event.flags, 0);
    ck_assert_uint_eq(e.event.body.len, 0);
}
END_TEST

START_TEST(repeated_headers_and_parameters_are_all_there)
{
    ck_assert_int_eq(map(connect_event), WSRT_OK);
    ck_assert_uint_eq(e.event.header_count, 3);
    check_text(e.event.headers[1].name, "Cookie");
    check_text(e.event.headers[1].value, "a=1");
    check_text(e.event.headers[2].name, "Cookie");
    check_text(e.event.headers[2].value, "b=\xc3\xa9");
    ck_assert_uint_eq(e.event.query_count, 3);
    check_text(e.event.query[0].value, "t.o.k");
    check_text(e.event.query[2].value, "2");
}
END_TEST

START_TEST(single_headers_serve_where_multi_value_ones_are_missing)
{
    const char *forms[] = {"", "\"multiValueHeaders\":null,"};

    for (size_t i = 0; i < 2; i++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{%s\"headers\":{\"A\":\"1\",\"B\":null,\"C\":3},\"requestContext\":{"
                 "\"eventType\":\"CONNECT\",\"connectionId\":\"c1\"}}",
                 forms[i]);
        ck_assert_int_eq(map(json), WSRT_OK);
        ck_assert_uint_eq(e.event.header_count, 1);
        check_text(e.event.headers[0].name, "A");
        teardown();
    }
}
END_TEST

START_TEST(the_authorizers_context_becomes_the_principal)
{
    ck_assert_int_eq(map(connect_event), WSRT_OK);
    const wsrt_principal *who = e.event.principal;
    ck_assert_ptr_nonnull(who);
    check_text(who->user_id, "user-7");
    check_text(who->username, "seven");
    check_text(who->email, "7@example.org");
    check_text(who->groups, "a b");
    check_text(who->scopes, "chat:write");
    ck_assert_int_eq(who->expires_at, 1795172400);
}
END_TEST

/* ---- principals --------------------------------------------------------------------------- */

static const struct {
    const char *name, *authorizer, *user; /* user NULL = nobody */
    int64_t expires;
} principals[] = {
    {"absent", NULL, NULL, 0},
    {"null", "null", NULL, 0},
    {"empty", "{}", NULL, 0},
    {"an array", "[1]", NULL, 0},
    {"principalId alone", "{\"principalId\":\"p\"}", "p", 0},
    {"userId before principalId", "{\"principalId\":\"p\",\"userId\":\"u\"}", "u", 0},
    {"a null userId", "{\"principalId\":\"p\",\"userId\":null}", "p", 0},
    {"a number", "{\"userId\":42}", "42", 0},
    {"a boolean", "{\"userId\":true}", "true", 0},
    {"an object is no user", "{\"userId\":{\"id\":1}}", NULL, 0},
    {"escapes", "{\"userId\":\"\\u00e9\\\"\"}", "\xc3\xa9\"", 0},
    {"expiry as a number", "{\"userId\":\"u\",\"exp\":1795172400}", "u", 1795172400},
    {"expiry with a fraction", "{\"userId\":\"u\",\"exp\":\"1795172400.9\"}", "u", 1795172400},
    {"expiry that is none", "{\"userId\":\"u\",\"exp\":\"tomorrow\"}", NULL, 0},
    {"negative expiry", "{\"userId\":\"u\",\"exp\":-1}", NULL, 0},
    {"expiry in scientific notation", "{\"userId\":\"u\",\"exp\":1e99}", NULL, 0},
    {"expiry out of range", "{\"userId\":\"u\",\"exp\":99999999999999999999}", NULL, 0},
};

START_TEST(authorizer_values_may_be_strings_numbers_and_booleans)
{
    char json[512];
    const char *authorizer = principals[_i].authorizer;

    snprintf(json, sizeof json,
             "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"%s%s}}",
             authorizer != NULL ? ",\"authorizer\":" : "", authorizer != NULL ? authorizer : "");
    ck_assert_int_eq(map(json), WSRT_OK);
    if (principals[_i].user == NULL) {
        ck_assert_msg(e.event.principal == NULL, "%s", principals[_i].name);
        return;
    }
    ck_assert_msg(e.event.principal != NULL, "%s", principals[_i].name);
    check_text(e.event.principal->user_id, principals[_i].user);
    ck_assert_int_eq(e.event.principal->expires_at, principals[_i].expires);
}
END_TEST

/* ---- messages ----------------------------------------------------------------------------- */

START_TEST(a_message_carries_its_body_unescaped)
{
    ck_assert_int_eq(
        map("{\"requestContext\":{\"routeKey\":\"message\",\"messageId\":\"m\",\"eventType\":"
            "\"MESSAGE\",\"connectionId\":\"c1=\"},\"body\":\"{\\\"a\\\":\\\"\\\\u00e9\\\"}\","
            "\"isBase64Encoded\":false}"),
        WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_MESSAGE);
    check_text(e.event.body, "{\"a\":\"\\u00e9\"}");
    check_text(e.event.route_key, "message");
    ck_assert_uint_eq(e.event.header_count, 0);
    ck_assert_ptr_null(e.event.headers);
}
END_TEST

static const struct {
    const char *body;
    int status;
    size_t len;
} encoded[] = {
    {"\"AAEC/w==\"", WSRT_OK, 4},
    {"\"AAEC\\/w==\"", WSRT_OK, 4},
    {"\"\\u0041AEC\\/w==\"", WSRT_OK, 4},
    {"\"\"", WSRT_OK, 0},
    {"null", WSRT_OK, 0},
    {"\"AAEC/w\"", WSRT_ERR_REJECTED, 0},
    {"\"no base64!\"", WSRT_ERR_REJECTED, 0},
};

START_TEST(a_base64_body_is_decoded_and_binary)
{
    char json[256];

    snprintf(json, sizeof json,
             "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"},\"body\":%s,"
             "\"isBase64Encoded\":true}",
             encoded[_i].body);
    ck_assert_int_eq(map(json), encoded[_i].status);
    if (encoded[_i].status != WSRT_OK)
        return;
    ck_assert_uint_eq(e.event.flags, WSRT_EVENT_BINARY);
    ck_assert_uint_eq(e.event.body.len, encoded[_i].len);
    ck_assert_int_eq(memcmp(e.event.body.ptr, "\x00\x01\x02\xff", e.event.body.len), 0);
}
END_TEST

START_TEST(what_the_gateway_sent_to_its_default_route_is_ours_to_route)
{
    ck_assert_int_eq(map("{\"requestContext\":{\"routeKey\":\"$default\",\"eventType\":\"MESSAGE\","
                         "\"connectionId\":\"c1\"},\"body\":\"x\"}"),
                     WSRT_OK);
    ck_assert_uint_eq(e.event.route_key.len, 0);
}
END_TEST

/* ---- disconnects -------------------------------------------------------------------------- */

static const struct {
    const char *members;
    int code;
    const char *reason;
} disconnects[] = {
    {",\"disconnectStatusCode\":1001,\"disconnectReason\":\"Going away\"", 1001, "Going away"},
    {",\"disconnectStatusCode\":4401", 4401, ""},
    {"", 1005, ""},
    {",\"disconnectStatusCode\":null,\"disconnectReason\":null", 1005, ""},
    {",\"disconnectStatusCode\":-1", 1006, ""},
    {",\"disconnectStatusCode\":123456", 1006, ""},
    {",\"disconnectStatusCode\":\"1000\"", 1005, ""},
};

START_TEST(a_disconnect_says_code_and_reason)
{
    char json[256];

    snprintf(json, sizeof json,
             "{\"headers\":{\"Host\":\"h\",\"x-api-key\":\"\"},\"requestContext\":{\"eventType\":"
             "\"DISCONNECT\",\"connectionId\":\"c1\"%s}}",
             disconnects[_i].members);
    ck_assert_int_eq(map(json), WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_DISCONNECT);
    ck_assert_int_eq(e.event.disconnect_code, disconnects[_i].code);
    check_text(e.event.disconnect_reason, disconnects[_i].reason);
}
END_TEST

/* ---- kinds -------------------------------------------------------------------------------- */

START_TEST(a_minimal_event_is_what_the_function_is_bound_to)
{
    const char *minimal = "{\"requestContext\":{\"connectionId\":\"c1\",\"eventType\":null}}";
    int kinds[][2] = {{WSRT_LAMBDA_CONNECT, WSRT_EVENT_CONNECT},
                      {WSRT_LAMBDA_MESSAGE, WSRT_EVENT_MESSAGE},
                      {WSRT_LAMBDA_DISCONNECT, WSRT_EVENT_DISCONNECT}};

    ck_assert_int_eq(map(minimal), WSRT_ERR_UNSUPPORTED);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(map_as(minimal, kinds[i][0]), WSRT_OK);
        ck_assert_int_eq(e.event.kind, kinds[i][1]);
        teardown();
    }
}
END_TEST

START_TEST(an_event_that_says_its_type_is_believed)
{
    ck_assert_int_eq(
        map_as("{\"requestContext\":{\"connectionId\":\"c1\",\"eventType\":\"DISCONNECT\"}}",
               WSRT_LAMBDA_MESSAGE),
        WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_DISCONNECT);
}
END_TEST

#define CONTEXT(more) "{\"requestContext\":{\"eventType\":\"MESSAGE\"" more "}}"

static const struct {
    const char *name, *json;
    int status;
} refused[] = {
    {"nothing", "", WSRT_ERR_MALFORMED},
    {"not JSON", "<event/>", WSRT_ERR_MALFORMED},
    {"cut JSON", "{\"requestContext\":", WSRT_ERR_MALFORMED},
    {"two values", "{}{}", WSRT_ERR_MALFORMED},
    {"bad UTF-8", "{\"body\":\"\xff\"}", WSRT_ERR_MALFORMED},
    {"null", "null", WSRT_ERR_UNSUPPORTED},
    {"a string", "\"event\"", WSRT_ERR_UNSUPPORTED},
    {"an array", "[]", WSRT_ERR_UNSUPPORTED},
    {"an empty object", "{}", WSRT_ERR_UNSUPPORTED},
    {"a queue", "{\"Records\":[{\"eventSource\":\"aws:sqs\"}]}", WSRT_ERR_UNSUPPORTED},
    {"no records", "{\"Records\":[]}", WSRT_ERR_UNSUPPORTED},
    {"records that are none", "{\"Records\":[7]}", WSRT_ERR_UNSUPPORTED},
    {"records in an object", "{\"Records\":{\"eventSource\":\"aws:dynamodb\"}}",
     WSRT_ERR_UNSUPPORTED},
    {"a schedule", "{\"source\":\"aws.events\",\"detail\":{}}", WSRT_ERR_UNSUPPORTED},
    {"an HTTP request", "{\"requestContext\":{\"http\":{\"method\":\"GET\"}}}",
     WSRT_ERR_UNSUPPORTED},
    {"a TOKEN authorizer",
     "{\"type\":\"TOKEN\",\"methodArn\":\"arn:x/$connect\",\"authorizationToken\":\"t\"}",
     WSRT_ERR_UNSUPPORTED},
    {"an authorizer without its type",
     "{\"methodArn\":\"arn:x/$connect\",\"requestContext\":{\"eventType\":\"CONNECT\","
     "\"connectionId\":\"c1\"}}",
     WSRT_ERR_UNSUPPORTED},
    {"an authorizer whose ARN is no string", "{\"type\":\"REQUEST\",\"methodArn\":7}",
     WSRT_ERR_UNSUPPORTED},
    {"an authorizer with an empty ARN", "{\"type\":\"REQUEST\",\"methodArn\":\"\"}",
     WSRT_ERR_REJECTED},
    {"an unknown type", "{\"requestContext\":{\"eventType\":\"PAUSE\",\"connectionId\":\"c1\"}}",
     WSRT_ERR_UNSUPPORTED},
    {"a type that is no string", "{\"requestContext\":{\"eventType\":1,\"connectionId\":\"c1\"}}",
     WSRT_ERR_UNSUPPORTED},
    {"a context that is no object", "{\"requestContext\":[\"MESSAGE\"]}", WSRT_ERR_UNSUPPORTED},
    {"no connection id", CONTEXT(""), WSRT_ERR_REJECTED},
    {"a null connection id", CONTEXT(",\"connectionId\":null"), WSRT_ERR_REJECTED},
    {"a number as connection id", CONTEXT(",\"connectionId\":7"), WSRT_ERR_REJECTED},
    {"an empty connection id", CONTEXT(",\"connectionId\":\"\""), WSRT_ERR_REJECTED},
    {"a connection id with a space", CONTEXT(",\"connectionId\":\"a b\""), WSRT_ERR_REJECTED},
    {"a route key that is no string", CONTEXT(",\"connectionId\":\"c1\",\"routeKey\":{}"),
     WSRT_ERR_REJECTED},
    {"a body that is no string",
     "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"},\"body\":{}}",
     WSRT_ERR_REJECTED},
    {"isBase64Encoded that is no boolean",
     "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\"},\"body\":\"\","
     "\"isBase64Encoded\":\"yes\"}",
     WSRT_ERR_REJECTED},
};

START_TEST(a_stream_event_is_its_own_body)
{
    static const char text[] =
        " {\"Records\":[{\"eventID\":\"1\",\"eventSource\":\"aws:dynamodb\"}]}";

    ck_assert_int_eq(map(text), WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_STREAM);
    check_text(e.event.body, text);
    ck_assert_uint_eq(e.event.connection_id.len, 0);
    ck_assert_ptr_null(e.block);
}
END_TEST

START_TEST(other_shapes_are_refused_and_hold_nothing)
{
    ck_assert_msg(map(refused[_i].json) == refused[_i].status, "%s: %d", refused[_i].name,
                  map(refused[_i].json));
    ck_assert_ptr_null(e.block);
}
END_TEST

START_TEST(members_of_a_wrong_kind_that_matter_little_are_absent)
{
    ck_assert_int_eq(map("{\"headers\":[1],\"queryStringParameters\":\"x\",\"requestContext\":{"
                         "\"eventType\":\"CONNECT\",\"connectionId\":\"c1\",\"stage\":1,"
                         "\"identity\":\"me\",\"connectedAt\":\"now\",\"requestId\":[]}}"),
                     WSRT_OK);
    ck_assert_uint_eq(e.event.header_count + e.event.query_count, 0);
    ck_assert_uint_eq(e.event.stage.len + e.event.request_id.len + e.event.source_ip.len, 0);
    ck_assert_int_eq(e.event.connected_at, 0);
}
END_TEST

START_TEST(of_a_member_given_twice_the_first_counts)
{
    ck_assert_int_eq(map("{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\","
                         "\"connectionId\":\"c2\",\"eventType\":\"CONNECT\"}}"),
                     WSRT_OK);
    check_text(e.event.connection_id, "c1");
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_MESSAGE);
}
END_TEST

START_TEST(every_cut_of_an_event_is_refused)
{
    size_t whole = sizeof connect_event - 1;

    for (size_t len = 0; len < whole; len++) {
        char *text = malloc(len + 1); /* exactly: a read beyond is a sanitizer's finding */
        memcpy(text, connect_event, len);
        ck_assert_int_eq(wsrt_lambda_event_map(&e, (wsrt_span){text, len}, NULL, &libc_memory),
                         WSRT_ERR_MALFORMED);
        free(text);
    }
}
END_TEST

START_TEST(mapping_without_memory_holds_nothing)
{
    struct heap heap;
    size_t n = 0;
    int rc;

    heap_init(&heap);
    do {
        heap_arm(&heap, ++n, 1);
        rc = wsrt_lambda_event_map(&e, wsrt_span_cstr(connect_event), NULL, &heap.allocator);
        ck_assert_int_eq(rc, heap.tripped ? WSRT_ERR_NOMEM : WSRT_OK);
        if (rc != WSRT_OK)
            ck_assert_uint_eq(heap.live, 0);
    } while (rc != WSRT_OK);
    wsrt_lambda_event_free(&e, &heap.allocator);
    ck_assert_uint_eq(heap.live, 0);
    ck_assert_uint_eq(n, 2);
    printf("# allocation points: %zu\n", n - 1);
}
END_TEST

/* ---- authorizers -------------------------------------------------------------------------- */

#define ARN "arn:aws-cn:execute-api:cn-north-1:111122223333:a1b2c3/prod/$connect"

static const char authorizer_event[] =
    "{\"type\":\"REQUEST\",\"methodArn\":\"arn:aws-cn:execute-api:cn-north-1:111122223333:a1b2c3\\/"
    "prod\\/$connect\",\"headers\":{\"Authorization\":\"Bearer one\"},\"multiValueHeaders\":{"
    "\"Authorization\":[\"Bearer one\"]},\"queryStringParameters\":{\"token\":\"two\"},"
    "\"multiValueQueryStringParameters\":{\"token\":[\"two\"]},\"stageVariables\":{},"
    "\"requestContext\":{\"routeKey\":\"$connect\",\"eventType\":\"CONNECT\",\"stage\":\"prod\","
    "\"identity\":{\"userAgent\":\"it/1\",\"sourceIp\":\"203.0.113.9\"},\"requestId\":\"r1\","
    "\"connectionId\":\"QbT4ecNrDoECJ0A=\"}}";

START_TEST(an_authorizers_event_asks_for_its_arn_with_headers_and_query)
{
    ck_assert_int_eq(map(authorizer_event), WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_AUTHORIZE);
    check_text(e.method_arn, ARN);
    check_text(e.event.headers[0].value, "Bearer one");
    check_text(e.event.query[0].value, "two");
    check_text(e.event.source_ip, "203.0.113.9");
    check_text(e.event.stage, "prod");
    ck_assert_ptr_null(e.event.principal);
}
END_TEST

START_TEST(an_authorizers_event_needs_no_connection)
{
    ck_assert_int_eq(map("{\"type\":\"REQUEST\",\"methodArn\":\"arn:x\"}"), WSRT_OK);
    ck_assert_int_eq(e.event.kind, WSRT_EVENT_AUTHORIZE);
    ck_assert_uint_eq(e.event.header_count + e.event.query_count, 0);
}
END_TEST

/* Whoever sends an authorizer's event cannot bring an authorizer's word along. */
START_TEST(an_authorizers_event_names_no_principal)
{
    ck_assert_int_eq(map("{\"type\":\"REQUEST\",\"methodArn\":\"arn:x\",\"requestContext\":{"
                         "\"authorizer\":{\"userId\":\"root\"}}}"),
                     WSRT_OK);
    ck_assert_ptr_null(e.event.principal);
}
END_TEST

static wsrt_principal seven(void)
{
    return (wsrt_principal){.struct_size = sizeof(wsrt_principal),
                            .user_id = wsrt_span_cstr("user-7"),
                            .username = wsrt_span_cstr("s\xc3\xa9ven \"7\""),
                            .groups = wsrt_span_cstr("a b"),
                            .expires_at = 1795172400};
}

/* To be freed with free_text(). */
static wsrt_span policy(wsrt_lambda_text *text, int status, const wsrt_principal *who)
{
    wsrt_response r = {.struct_size = sizeof r, .status = status, .principal = who};

    ck_assert_int_eq(wsrt_lambda_policy_write(&r, wsrt_span_cstr(ARN), &libc_memory, text),
                     WSRT_OK);
    return (wsrt_span){text->text, text->len};
}

static void free_text(wsrt_lambda_text *text)
{
    wsrt_lambda_text_free(text, &libc_memory);
}

static const struct {
    int status;
    const char *json;
} policies[] = {
    {200,
     "{\"principalId\":\"user-7\",\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":"
     "[{\"Action\":\"execute-api:Invoke\",\"Effect\":\"Allow\",\"Resource\":\"" ARN "\"}]},"
     "\"context\":{\"userId\":\"user-7\",\"username\":\"s\xc3\xa9ven \\\"7\\\"\","
     "\"groups\":\"a b\",\"exp\":1795172400}}"},
    {403,
     "{\"principalId\":\"user-7\",\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":"
     "[{\"Action\":\"execute-api:Invoke\",\"Effect\":\"Deny\",\"Resource\":\"" ARN "\"}]}}"},
};

START_TEST(a_policy_names_the_principal_and_the_arn_that_was_asked_for)
{
    wsrt_principal who = seven();
    wsrt_lambda_text text;

    check_text(policy(&text, policies[_i].status, &who), policies[_i].json);
    free_text(&text);
}
END_TEST

START_TEST(what_a_policy_says_of_a_principal_comes_back_with_the_events)
{
    wsrt_principal who = seven();
    wsrt_lambda_text text;
    char event[1024];
    wsrt_json root, context;

    ck_assert_int_eq(wsrt_json_parse(&root, policy(&text, 200, &who), NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_json_find(&root, wsrt_span_cstr("/context"), &context), WSRT_OK);
    snprintf(event, sizeof event,
             "{\"requestContext\":{\"eventType\":\"MESSAGE\",\"connectionId\":\"c1\","
             "\"authorizer\":%.*s}}",
             (int)context.text.len, context.text.ptr);
    free_text(&text);
    ck_assert_int_eq(map(event), WSRT_OK);
    ck_assert_ptr_nonnull(e.event.principal);
    check_text(e.event.principal->user_id, "user-7");
    check_text(e.event.principal->username, "s\xc3\xa9ven \"7\"");
    check_text(e.event.principal->groups, "a b");
    check_text(e.event.principal->email, "");
    ck_assert_int_eq(e.event.principal->expires_at, 1795172400);
}
END_TEST

START_TEST(a_policy_that_the_gateway_would_not_take_is_not_written)
{
    static char long_name[8192];
    wsrt_principal who = seven();
    wsrt_response r = {.struct_size = sizeof r, .status = 200, .principal = &who};
    wsrt_lambda_text text;
    size_t whole = policy(&text, 200, &who).len;

    free_text(&text);
    memset(long_name, 'n', sizeof long_name);
    for (size_t over = 0; over < 2; over++) {
        who.email = (wsrt_span){long_name, 8192 - whole - strlen(",\"email\":\"\"") + over};
        int rc = wsrt_lambda_policy_write(&r, wsrt_span_cstr(ARN), &libc_memory, &text);
        ck_assert_int_eq(rc, over ? WSRT_ERR_TOO_LARGE : WSRT_OK);
        if (rc == WSRT_OK) {
            ck_assert_uint_eq(text.len, 8192);
            free_text(&text);
        }
    }
}
END_TEST

/* ---- trace -------------------------------------------------------------------------------- */

static const struct {
    const char *header, *root;
} traces[] = {
    {"Root=1-6920a1b2-0123456789abcdef01234567;Parent=0011223344556677;Sampled=1",
     "1-6920a1b2-0123456789abcdef01234567"},
    {"Parent=00;Root=1-2-3", "1-2-3"},
    {"Root=1-2-3;", "1-2-3"},
    {"Self=1;root=no", ""},
    {"Root=", ""},
    {"", ""},
};

START_TEST(a_traces_root_is_found)
{
    check_text(wsrt_lambda_trace_root(wsrt_span_cstr(traces[_i].header)), traces[_i].root);
}
END_TEST

/* ---- results ------------------------------------------------------------------------------ */

static wsrt_pair pair(const char *name, const char *value)
{
    return (wsrt_pair){wsrt_span_cstr(name), wsrt_span_cstr(value)};
}

static void check_result(const wsrt_response *r, const char *wanted)
{
    wsrt_lambda_text json;

    ck_assert_int_eq(wsrt_lambda_result_write(r, &libc_memory, &json), WSRT_OK);
    check_text((wsrt_span){json.text, json.len}, wanted);
    free_text(&json);
}

START_TEST(a_result_is_json_with_what_there_is)
{
    wsrt_pair headers[] = {pair("Sec-WebSocket-Protocol", "chat.v1"), pair("X-A", "\"q\"")};
    wsrt_response r = {.struct_size = sizeof r, .status = 200};

    check_result(&r, "{\"statusCode\":200}");
    r.status = 401;
    r.body = wsrt_span_cstr("say \"no\"");
    check_result(&r, "{\"statusCode\":401,\"body\":\"say \\\"no\\\"\",\"isBase64Encoded\":false}");
    r.headers = headers;
    r.header_count = 2;
    r.body.len = 0;
    check_result(&r, "{\"statusCode\":401,\"headers\":{\"Sec-WebSocket-Protocol\":\"chat.v1\","
                     "\"X-A\":\"\\\"q\\\"\"}}");
}
END_TEST

START_TEST(a_binary_body_goes_out_as_base64)
{
    wsrt_response r = {.struct_size = sizeof r,
                       .flags = WSRT_EVENT_BINARY,
                       .status = 200,
                       .body = {"\x00\x01\x02\xff", 4}};

    check_result(&r, "{\"statusCode\":200,\"body\":\"AAEC/w==\",\"isBase64Encoded\":true}");
}
END_TEST

START_TEST(text_that_is_not_utf8_still_makes_valid_json)
{
    wsrt_response r = {.struct_size = sizeof r, .status = 200, .body = {"a\xff", 2}};

    check_result(&r, "{\"statusCode\":200,\"body\":\"a\xef\xbf\xbd\",\"isBase64Encoded\":false}");
}
END_TEST

START_TEST(a_result_without_memory_holds_nothing)
{
    struct heap heap;
    static const char bytes[2000];
    wsrt_response r = {.struct_size = sizeof r,
                       .flags = WSRT_EVENT_BINARY,
                       .status = 200,
                       .body = {bytes, sizeof bytes}};
    wsrt_lambda_text json;
    size_t n = 0;
    int rc;

    heap_init(&heap);
    do {
        heap_arm(&heap, ++n, 0);
        rc = wsrt_lambda_result_write(&r, &heap.allocator, &json);
        ck_assert_int_eq(rc, heap.tripped ? WSRT_ERR_NOMEM : WSRT_OK);
        if (rc != WSRT_OK)
            ck_assert_uint_eq(heap.live, 0);
    } while (rc != WSRT_OK);
    wsrt_lambda_text_free(&json, &heap.allocator);
    ck_assert_uint_eq(heap.live, 0);
    ck_assert_uint_eq(n, 3);
    printf("# allocation points: %zu\n", n - 1);
}
END_TEST

START_TEST(every_failure_has_a_category_and_a_text)
{
    int statuses[] = {WSRT_ERR_MALFORMED, WSRT_ERR_UNSUPPORTED, WSRT_ERR_REJECTED,
                      WSRT_ERR_LIMIT,     WSRT_ERR_TOO_LARGE,   WSRT_ERR_NOMEM};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        ck_assert_str_ne(wsrt_lambda_error_type(statuses[i]), "Wsrt.InternalError");
        ck_assert_ptr_nonnull(strchr(wsrt_lambda_error_type(statuses[i]), '.'));
        ck_assert_uint_gt(strlen(wsrt_lambda_error_text(statuses[i])), 0);
    }
    ck_assert_str_eq(wsrt_lambda_error_type(WSRT_ERR_GONE), "Wsrt.InternalError");
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

/* ---- the log ---- */

/* What one call writes to standard error. */
static void log_one(const wsrt_field *fields, size_t count, char *line, size_t cap)
{
    int level = WSRT_LEVEL_INFO, ends[2], saved = dup(STDERR_FILENO);

    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    wsrt_lambda_log(&level, WSRT_LEVEL_WARN, "tried", fields, count);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], line, cap - 1);
    close(ends[0]);
    ck_assert_int_gt(n, 0);
    line[n] = '\0';
}

START_TEST(a_log_line_shows_what_a_client_sent_and_stays_a_line)
{
    static const char sent[] = "a\n\x7f\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xff\"";
    const wsrt_field fields[] = {
        {.name_cstr = "reason", .kind = WSRT_FIELD_TEXT, .text = {sent, sizeof sent - 1}},
        {.name_cstr = "rate", .kind = WSRT_FIELD_REAL, .real = NAN}};
    char line[512];

    log_one(fields, ROWS(fields), line, sizeof line);
    ck_assert_ptr_nonnull(strstr(line,
                                 "\"level\":\"warn\",\"event\":\"tried\","
                                 "\"reason\":\"a\\u000A\\u007F\\u009B\\u2028\\u202E\\\\xFF\\\"\","
                                 "\"rate\":null}\n"));
}
END_TEST

START_TEST(a_log_line_that_would_be_too_long_loses_its_last_fields)
{
    char controls[512], line[10000];
    wsrt_field fields[3];

    memset(controls, 1, sizeof controls);
    for (size_t i = 0; i < ROWS(fields); i++)
        fields[i] = (wsrt_field){.name_cstr = (const char *[]){"a", "b", "c"}[i],
                                 .kind = WSRT_FIELD_TEXT,
                                 .text = {controls, sizeof controls}};
    log_one(fields, ROWS(fields), line, sizeof line);
    ck_assert_ptr_nonnull(strstr(line, "\"a\":\"\\u0001"));
    ck_assert_ptr_nonnull(strstr(line, "\"b\":\"\\u0001"));
    ck_assert_ptr_null(strstr(line, "\"c\":"));
    ck_assert_str_eq(line + strlen(line) - 3, "\"}\n");
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("lambda_event");
    TCase *t = tcase_create("lambda_event");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, a_connect_becomes_an_event_with_everything_it_says);
    tcase_add_test(t, repeated_headers_and_parameters_are_all_there);
    tcase_add_test(t, single_headers_serve_where_multi_value_ones_are_missing);
    tcase_add_test(t, the_authorizers_context_becomes_the_principal);
    tcase_add_loop_test(t, authorizer_values_may_be_strings_numbers_and_booleans, 0,
                        ROWS(principals));
    tcase_add_test(t, a_message_carries_its_body_unescaped);
    tcase_add_loop_test(t, a_base64_body_is_decoded_and_binary, 0, ROWS(encoded));
    tcase_add_test(t, what_the_gateway_sent_to_its_default_route_is_ours_to_route);
    tcase_add_loop_test(t, a_disconnect_says_code_and_reason, 0, ROWS(disconnects));
    tcase_add_test(t, a_minimal_event_is_what_the_function_is_bound_to);
    tcase_add_test(t, an_event_that_says_its_type_is_believed);
    tcase_add_test(t, a_stream_event_is_its_own_body);
    tcase_add_loop_test(t, other_shapes_are_refused_and_hold_nothing, 0, ROWS(refused));
    tcase_add_test(t, members_of_a_wrong_kind_that_matter_little_are_absent);
    tcase_add_test(t, of_a_member_given_twice_the_first_counts);
    tcase_add_test(t, every_cut_of_an_event_is_refused);
    tcase_add_test(t, mapping_without_memory_holds_nothing);
    tcase_add_test(t, an_authorizers_event_asks_for_its_arn_with_headers_and_query);
    tcase_add_test(t, an_authorizers_event_needs_no_connection);
    tcase_add_test(t, an_authorizers_event_names_no_principal);
    tcase_add_loop_test(t, a_policy_names_the_principal_and_the_arn_that_was_asked_for, 0,
                        ROWS(policies));
    tcase_add_test(t, what_a_policy_says_of_a_principal_comes_back_with_the_events);
    tcase_add_test(t, a_policy_that_the_gateway_would_not_take_is_not_written);
    tcase_add_loop_test(t, a_traces_root_is_found, 0, ROWS(traces));
    tcase_add_test(t, a_result_is_json_with_what_there_is);
    tcase_add_test(t, a_binary_body_goes_out_as_base64);
    tcase_add_test(t, text_that_is_not_utf8_still_makes_valid_json);
    tcase_add_test(t, a_result_without_memory_holds_nothing);
    tcase_add_test(t, every_failure_has_a_category_and_a_text);
    tcase_add_test(t, a_log_line_shows_what_a_client_sent_and_stays_a_line);
    tcase_add_test(t, a_log_line_that_would_be_too_long_loses_its_last_fields);
    suite_add_tcase(s, t);
    return s;
}
