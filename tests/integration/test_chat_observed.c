/* A scripted chat, and what it leaves behind: every business metric, and the lines of the log. */
#include "chat.h"
#include "chat_fixture.h"
#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/monitor.h>

#include <stdio.h>
#include <string.h>

enum { REPORT = 1 << 16 };
static const int64_t second_ns = 1000000000;

static wsrt_mock *m;
static wsrt_runtime *rt;
static wsrt_static_auth *auth;
static char report[REPORT];
static size_t report_len;

static void setup(void)
{
    const wsrt_principal alice = {.struct_size = sizeof alice, .user_id = wsrt_span_cstr("alice")};
    const wsrt_principal bob = {
        .struct_size = sizeof bob, .user_id = wsrt_span_cstr("bob"), .expires_at = 1000};
    const wsrt_static_token tokens[2] = {{wsrt_span_cstr("alice-token"), &alice},
                                         {wsrt_span_cstr("stale-token"), &bob}};
    wsrt_authenticator who;
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .authenticator = &who};

    ck_assert_int_eq(wsrt_static_auth_new(&auth, tokens, 2, NULL), WSRT_OK);
    wsrt_static_auth_interface(auth, &who);
    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &parts), WSRT_OK);
    ck_assert_int_eq(chat_add_routes(rt, NULL), WSRT_OK);
}

static void teardown(void)
{
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
    wsrt_static_auth_free(auth);
}

static void pass(int64_t seconds)
{
    const wsrt_env *env = wsrt_runtime_env(rt);

    while (seconds-- > 0) {
        wsrt_mock_advance(m, second_ns);
        wsrt_runtime_tick(rt, env->now(env->user), env->wall(env->user));
    }
}

static void say(const char *id, const char *type, const char *data)
{
    char text[256];

    snprintf(text, sizeof text, "{\"type\":\"%s\",\"data\":{\"action\":\"do\"%s}}", type, data);
    ck_assert_int_gt(wsrt_mock_message(m, rt, id, text), 0);
}

static void leave(const char *id, int code, const char *reason)
{
    wsrt_event ev;

    ck_assert_int_eq(wsrt_mock_event(m, &ev, WSRT_EVENT_DISCONNECT, id, NULL), WSRT_OK);
    ev.disconnect_code = code;
    ev.disconnect_reason = wsrt_span_cstr(reason);
    ck_assert_int_eq(wsrt_mock_dispatch(m, rt, &ev), 200);
}

/* An authorizer's question without a token. */
static void ask_without_token(void)
{
    wsrt_event ev;

    ck_assert_int_eq(wsrt_mock_event(m, &ev, WSRT_EVENT_AUTHORIZE, NULL, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_dispatch(m, rt, &ev), 401);
}

/* Three come, one is refused; two of five sign-ins fail; two messages, two pings; all leave. */
static void play(void)
{
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 200);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c2", NULL), 200);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c3", "alice-token"), 200);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c4", "wrong-token"), 401);
    say("c1", "auth", ",\"token\":\"alice-token\"");
    say("c2", "auth", ",\"token\":\"nobody\"");
    say("c2", "auth", ",\"token\":\"stale-token\"");
    ask_without_token();
    wsrt_mock_delay(m, WSRT_MOCK_HISTORY, second_ns / 100);
    say("c1", "message", ",\"message\":\"hello\"");
    say("c3", "message", ",\"message\":\"hello you\"");
    wsrt_mock_delay(m, WSRT_MOCK_HISTORY, 0);
    say("c1", "ping", "");
    say("c2", "ping", "");
    wsrt_mock_advance(m, 10 * second_ns - 40 * second_ns / 1000);
    leave("c1", 1000, "");
    wsrt_mock_advance(m, 10 * second_ns);
    leave("c2", 1006, "");
    leave("c3", 1001, "idle timeout");
}

/* ---- metrics ------------------------------------------------------------------------------- */

static int keep(const void *data, size_t len, void *user)
{
    (void)user;
    ck_assert_uint_lt(report_len + len, REPORT);
    memcpy(report + report_len, data, len);
    report_len += len;
    return WSRT_OK;
}

static void read_report(void)
{
    wsrt_export_options o = {.struct_size = sizeof o,
                             .format = WSRT_EXPORT_DASHBOARD,
                             .wall = wsrt_runtime_env(rt)->wall(m)};

    report_len = 0;
    ck_assert_int_eq(wsrt_monitor_export(wsrt_runtime_monitor(rt), &o, keep, NULL), WSRT_OK);
}

static double metric(const char *pointer)
{
    wsrt_json root, value;
    char path[128];
    double number = -1;

    ck_assert_int_eq(wsrt_json_parse(&root, (wsrt_span){report, report_len}, NULL), WSRT_OK);
    snprintf(path, sizeof path, "/business/%s", pointer);
    ck_assert_msg(wsrt_json_find(&root, wsrt_span_cstr(path), &value) == WSRT_OK, "%s", pointer);
    ck_assert_int_eq(wsrt_json_double(&value, &number), WSRT_OK);
    return number;
}

static const struct {
    const char *name;
    double value;
} business[] = {
    {"websocket_conversation/messagesPerMinute", 7},
    {"websocket_conversation/averageMessageLength", 7},
    {"websocket_conversation/authenticationSuccessRate", 1.0 / 3},
    {"websocket_conversation/messageTypes/auth", 3},
    {"websocket_conversation/messageTypes/message", 2},
    {"websocket_conversation/messageTypes/ping", 2},
    {"websocket_connection/connectionsPerMinute", 3},
    {"websocket_connection/averageConnectionDuration", 50000.0 / 3},
    {"websocket_connection/disconnectReasons/normal", 1},
    {"websocket_connection/disconnectReasons/error", 1},
    {"websocket_connection/disconnectReasons/timeout", 1},
    {"authentication_jwt_verification/verificationAttemptsPerMinute", 6},
    {"authentication_jwt_verification/successRate", 1.0 / 3},
    {"authentication_jwt_verification/errorTypes/MISSING_TOKEN", 1},
    {"authentication_jwt_verification/errorTypes/TOKEN_EXPIRED", 1},
    {"authentication_jwt_verification/errorTypes/INVALID_TOKEN", 2},
    {"authentication_jwt_verification/errorTypes/other", 0},
    {"chat_message_processing/messagesProcessedPerMinute", 2},
    {"chat_message_processing/averageProcessingTime", 20},
    {"chat_message_processing/databaseOperationsPerMessage", 2},
};

START_TEST(every_business_metric_tells_of_the_chat)
{
    pass(1); /* from here on minutes are counted */
    play();
    pass(60);
    read_report();
    for (size_t i = 0; i < sizeof business / sizeof business[0]; i++)
        ck_assert_msg(metric(business[i].name) > business[i].value - 1e-6 &&
                          metric(business[i].name) < business[i].value + 1e-6,
                      "%s is %f, not %f", business[i].name, metric(business[i].name),
                      business[i].value);
}
END_TEST

/* ---- the log ------------------------------------------------------------------------------- */

/* The fields of a line as "name=value ...", the correlation id left out when it is there. */
static const char *line(const char *event, size_t index)
{
    static char text[512];
    wsrt_mock_record r = {.struct_size = sizeof r};
    size_t n = 0, has_id = 0;

    text[0] = '\0';
    for (size_t i = 0; wsrt_mock_get(m, WSRT_MOCK_LOG, i, &r) == WSRT_OK; i++) {
        if (strcmp(r.data.ptr, event) != 0 || index-- > 0)
            continue;
        for (size_t k = 0; k < r.field_count; k++) {
            const wsrt_field *f = &r.fields[k];
            if (strcmp(f->name_cstr, "correlationId") == 0)
                has_id = f->text.len > 0;
            else if (f->kind == WSRT_FIELD_TEXT)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s=%s ", f->name_cstr,
                                      f->text.ptr);
            else
                n += (size_t)snprintf(text + n, sizeof text - n, "%s=%.2f ", f->name_cstr,
                                      f->kind == WSRT_FIELD_REAL ? f->real : (double)f->number);
        }
        snprintf(text + n, sizeof text - n, "%s", has_id ? "+id" : "-id");
        break;
    }
    return text;
}

START_TEST(every_connect_and_disconnect_is_a_line)
{
    play();
    ck_assert_str_eq(line("connect", 0),
                     "connectionId=c1 userId= sourceIp=192.0.2.1 code=200.00 +id");
    ck_assert_str_eq(line("connect", 2),
                     "connectionId=c3 userId=alice sourceIp=192.0.2.1 code=200.00 +id");
    ck_assert_str_eq(line("connect", 3),
                     "connectionId=c4 userId= sourceIp=192.0.2.1 code=401.00 +id");
    ck_assert_str_eq(line("connect", 4), "");
    ck_assert_str_eq(line("disconnect", 0),
                     "connectionId=c1 userId=alice code=1000.00 reason= duration=10000.00 +id");
    ck_assert_str_eq(line("disconnect", 1),
                     "connectionId=c2 userId= code=1006.00 reason= duration=20000.00 +id");
    ck_assert_str_eq(
        line("disconnect", 2),
        "connectionId=c3 userId=alice code=1001.00 reason=idle timeout duration=20000.00 +id");
    ck_assert_str_eq(line("disconnect", 3), "");
}
END_TEST

START_TEST(a_transition_of_a_breaker_is_a_line)
{
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", "alice-token"), 200);
    wsrt_mock_fail(m, WSRT_MOCK_HISTORY, 1, WSRT_ERR_UNAVAILABLE, 1);
    for (int i = 0; i < 5; i++)
        say("c1", "message", ",\"message\":\"hello\"");
    ck_assert_str_eq(line("breaker", 0), "service=dynamodb operation=storeUserMessage state=OPEN "
                                         "failureRate=1.00 totalRequests=5.00 -id");
}
END_TEST

static int fails(wsrt_context *ctx, void *arg)
{
    (void)ctx, (void)arg;
    return WSRT_ERR_UNAVAILABLE;
}

static int serves(wsrt_context *ctx, void *arg)
{
    (void)ctx, (void)arg;
    return WSRT_OK;
}

static int post_elsewhere(wsrt_context *ctx, wsrt_span message, chat_answer *to, void *user)
{
    int rc = wsrt_call(ctx, "apigateway-management", "postToConnection", fails, serves, NULL);

    (void)user;
    if (rc == WSRT_OK)
        rc = wsrt_call(ctx, "cognito", "verifyJWT", fails, serves, NULL);
    return rc != WSRT_OK ? rc : chat_say(to, message);
}

START_TEST(a_fallback_is_a_line_that_names_for_posts_the_connection_and_the_message)
{
    wsrt_runtime_options parts = {.struct_size = sizeof parts};
    wsrt_authenticator who;

    wsrt_runtime_free(rt);
    wsrt_static_auth_interface(auth, &who);
    parts.authenticator = &who;
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &parts), WSRT_OK);
    ck_assert_int_eq(chat_add_routes(rt, &(chat_options){.responder = post_elsewhere}), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", "alice-token"), 200);
    say("c1", "message", ",\"message\":\"hello\"");
    ck_assert_str_eq(line("fallback", 0),
                     "service=apigateway-management operation=postToConnection "
                     "reason=WSRT_ERR_UNAVAILABLE connectionId=c1 messageType=message +id");
    ck_assert_str_eq(line("fallback", 1),
                     "service=cognito operation=verifyJWT reason=WSRT_ERR_UNAVAILABLE +id");
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("chat_observed");
    TCase *t = tcase_create("chat_observed");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_business_metric_tells_of_the_chat);
    tcase_add_test(t, every_connect_and_disconnect_is_a_line);
    tcase_add_test(t, a_transition_of_a_breaker_is_a_line);
    tcase_add_test(t, a_fallback_is_a_line_that_names_for_posts_the_connection_and_the_message);
    suite_add_tcase(s, t);
    return s;
}
