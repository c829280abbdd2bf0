/* Updates that come in at POST /api/publish and go out to subscribers. */
#include "server_rig.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;
static wsrt_feed *feed;

static int64_t feed_now(void *user)
{
    return ((struct rig *)user)->now;
}

static void start(int64_t coalesce_ms)
{
    wsrt_env env = {.struct_size = sizeof env, .user = &rig, .now = feed_now};
    wsrt_feed_options parts = {
        .struct_size = sizeof parts, .env = &env, .coalesce_ms = coalesce_ms};
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_server_options o = {.struct_size = sizeof o, .listen = &listen, .listen_count = 1};

    ck_assert_int_eq(wsrt_feed_new(&feed, &parts), WSRT_OK);
    o.feed = feed;
    rig_start(&rig, &o);
}

static void stop(void)
{
    rig_stop(&rig);
    wsrt_feed_free(feed);
}

static int subscribe(const char *filter)
{
    int fd = rig_open(&rig);

    ck_assert_int_eq(
        wsrt_feed_subscribe(feed, wsrt_span_cstr(rig.id), 0, wsrt_span_cstr(filter), 0, NULL),
        WSRT_OK);
    return fd;
}

/* Sends a request over TCP and returns what is answered. */
static const char *ask(const char *method, const char *path, const char *fields, const char *body)
{
    static char request[200000], got[8192];
    int ended, fd = rig_dial(&rig);

    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n%s", method,
             path, fields, strlen(body), body);
    rig_send(fd, request, strlen(request));
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    close(fd);
    return got;
}

#define HOST "Host: localhost\r\n"
#define ONE "{\"data\":{\"entity_type\":\"host\",\"entity_id\":\"h1\",\"v\":1}}"
#define TWO "{\"data\":{\"entity_type\":\"disk\",\"entity_id\":\"d1\",\"v\":2}}"
#define THREE "{\"data\":{\"entity_type\":\"host\",\"entity_id\":\"h1\",\"v\":3}}"

static const char *publish(const char *body)
{
    return ask("POST", "/api/publish", HOST, body);
}

static const struct {
    const char *name, *method, *path, *fields, *body;
    const char *status, *holds;
} rows[] = {
    {"one", "POST", "/api/publish", HOST, ONE, "200", "{\"updates\":1,\"stale\":0,"},
    {"an array", "POST", "/api/publish", HOST, "[" ONE "," TWO "]", "200", "\"updates\":2,"},
    {"lines", "POST", "/api/publish", HOST, ONE "\n" TWO "\r\n\n" THREE, "200", "\"updates\":3,"},
    {"none", "POST", "/api/publish", HOST, "[]", "200", "\"updates\":0,"},
    {"an escaped letter", "POST", "/%61pi/publish", HOST, ONE, "200", "\"updates\":1,"},
    {"no body", "POST", "/api/publish", HOST, "", "200", "\"updates\":0,"},
    {"no JSON", "POST", "/api/publish", HOST, "{\"data\":{}}\n{\"data\"", "400",
     "\"code\":\"json_syntax\",\"message\":\"Unexpected end of the text\",\"offset\":19}]"},
    {"no update", "POST", "/api/publish", HOST, "[" ONE ",7]", "400",
     "\"code\":\"INVALID_UPDATE\",\"timestamp\""},
    {"where and why", "POST", "/api/publish", HOST, "[{\"data\":{},\"eventType\":\"X\"}]", "400",
     "\"message\":\"eventType is INSERT, MODIFY or REMOVE\",\"offset\":25}]"},
    {"its correlation id", "POST", "/api/publish", HOST "X-Correlation-ID: my-1\r\n", "7", "400",
     "\"correlationId\":\"my-1\""},
    {"get", "GET", "/api/publish", HOST, "", "405", "Allow: POST\r\n"},
    {"a foreign host", "POST", "/api/publish", "Host: evil.example\r\n", ONE, "403", "Forbidden"},
    {"a page", "POST", "/api/publish", HOST "Origin: http://localhost\r\n", ONE, "403",
     "Forbidden"},
    {"a proxy", "POST", "/api/publish", HOST "Forwarded: for=1.2.3.4\r\n", ONE, "403", "Forbidden"},
    {"half a path", "POST", "/api", HOST, ONE, "404", ""},
    {"a longer path", "POST", "/api/publish/", HOST, ONE, "404", ""},
    {"an escaped slash", "POST", "/api%2Fpublish", HOST, ONE, "404", ""},
};

START_TEST(each_request_gets_its_answer)
{
    start(0);
    const char *got = ask(rows[_i].method, rows[_i].path, rows[_i].fields, rows[_i].body);
    ck_assert_msg(strncmp(got, "HTTP/1.1 ", 9) == 0 && strncmp(got + 9, rows[_i].status, 3) == 0,
                  "%s: %s", rows[_i].name, got);
    ck_assert_msg(strstr(got, rows[_i].holds) != NULL, "%s: %s", rows[_i].name, got);
    stop();
}
END_TEST

START_TEST(without_a_feed_there_is_no_such_path)
{
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_server_options o = {.struct_size = sizeof o, .listen = &listen, .listen_count = 1};

    rig_start(&rig, &o);
    ck_assert_ptr_nonnull(strstr(publish(ONE), "HTTP/1.1 404 "));
    rig_stop(&rig);
}
END_TEST

START_TEST(an_update_longer_than_a_message_is_413)
{
    static char body[131073];

    start(0);
    int n = snprintf(body, sizeof body, "{\"data\":{\"text\":\"");
    memset(body + n, 'x', 130960);
    memcpy(body + n + 130960, "\"}}", 4);
    const char *got = publish(body);
    ck_assert_msg(strstr(got, "HTTP/1.1 413 ") == got, "%s", got);
    ck_assert_ptr_nonnull(strstr(got, "PAYLOAD_TOO_LARGE"));
    stop();
}
END_TEST

START_TEST(a_body_that_comes_in_pieces_is_published_whole)
{
    char request[512], got[1024];
    int ended, n = snprintf(request, sizeof request,
                            "POST /api/publish HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
                            strlen(ONE), ONE);

    start(0);
    int fd = rig_dial(&rig);
    for (int i = 0; i < n; i += 20) {
        rig_send(fd, request + i, (size_t)(n - i < 20 ? n - i : 20));
        rig_steps(&rig, 2);
    }
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    ck_assert_msg(strstr(got, "\"updates\":1,") != NULL, "%s", got);
    close(fd);
    stop();
}
END_TEST

/* The values of the updates in the next message, as "1 2 "; "" when none comes. */
static const char *heard(int fd)
{
    static char values[256];
    char text[4096];
    size_t len = 0;
    wsrt_json list, update, value;
    wsrt_json_iter it = {0};

    values[0] = '\0';
    if (rig_next(&rig, fd, text, sizeof text, &len) != WSRT_WS_OP_TEXT)
        return values;
    wsrt_json root = {.text = {text, len}, .kind = WSRT_JSON_OBJECT};
    ck_assert_int_eq(wsrt_json_find(&root, wsrt_span_cstr("/updates"), &list), WSRT_OK);
    while (wsrt_json_next(&list, &it, NULL, &update) == WSRT_OK) {
        ck_assert_int_eq(wsrt_json_find(&update, wsrt_span_cstr("/data/v"), &value), WSRT_OK);
        snprintf(values + strlen(values), sizeof values - strlen(values), "%.*s ",
                 (int)value.text.len, value.text.ptr);
    }
    return values;
}

START_TEST(subscribers_get_what_their_filter_lets_through)
{
    start(0);
    int all = subscribe("{}"), hosts = subscribe("{\"entity_type\":[\"host\"]}"),
        none = subscribe("{\"entity_type\":[\"cat\"]}");
    const char *got = publish(ONE "\n" TWO "\n" THREE);
    ck_assert_ptr_nonnull(strstr(got, "\"attempted\":2,\"sent\":2,"));
    ck_assert_str_eq(heard(all), "1 2 3 ");
    ck_assert_str_eq(heard(hosts), "1 3 ");
    ck_assert_str_eq(heard(none), "");
    close(all);
    close(hosts);
    close(none);
    stop();
}
END_TEST

START_TEST(who_coalesces_gets_the_last_of_each_entity_when_it_is_due)
{
    start(200);
    int fd = subscribe("{}");
    publish(ONE "\n" TWO);
    publish(THREE);
    int timeout = wsrt_server_timeout(rig.server);
    ck_assert_msg(timeout > 0 && timeout <= 200, "%d ms", timeout);
    rig_advance(&rig, 150);
    ck_assert_str_eq(heard(fd), "");
    rig_advance(&rig, 50);
    ck_assert_str_eq(heard(fd), "3 2 ");
    rig_advance(&rig, 1000);
    ck_assert_str_eq(heard(fd), "");
    close(fd);
    stop();
}
END_TEST

START_TEST(a_server_that_ends_takes_its_sender_away)
{
    start(0);
    rig_stop(&rig);
    ck_assert_int_eq(wsrt_feed_publish(feed, wsrt_span_cstr(ONE), NULL, NULL),
                     WSRT_ERR_UNSUPPORTED);
    wsrt_feed_free(feed);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_publish");
    TCase *t = tcase_create("server_publish");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_request_gets_its_answer, 0, (int)(sizeof rows / sizeof rows[0]));
    tcase_add_test(t, without_a_feed_there_is_no_such_path);
    tcase_add_test(t, an_update_longer_than_a_message_is_413);
    tcase_add_test(t, a_body_that_comes_in_pieces_is_published_whole);
    tcase_add_test(t, subscribers_get_what_their_filter_lets_through);
    tcase_add_test(t, who_coalesces_gets_the_last_of_each_entity_when_it_is_due);
    tcase_add_test(t, a_server_that_ends_takes_its_sender_away);
    suite_add_tcase(s, t);
    return s;
}
