/* Other settings for a running server: what changes, for whom, and what is refused whole. */
#include "server_rig.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPAN(text) wsrt_span_cstr(text)

static struct rig rig;

static void setup(void)
{
    rig_start(&rig, NULL);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static int reload(wsrt_server_options o)
{
    static const wsrt_span nowhere[1];

    o.struct_size = sizeof o;
    if (o.listen == NULL)
        o.listen = nowhere;
    int rc = wsrt_server_reload(rig.server, &o);
    rig_steps(&rig, 1);
    return rc;
}

static wsrt_server_stats stats(void)
{
    wsrt_server_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_server_get_stats(rig.server, &s), WSRT_OK);
    return s;
}

static int dial(const char *fields)
{
    char request[512], answer[1024];

    snprintf(request, sizeof request,
             "GET / HTTP/1.1\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             fields);
    return rig_ask(&rig, request, strlen(request), answer, sizeof answer);
}

static void expect_echo(int fd, const char *text)
{
    char got[256];
    size_t len = 0;

    rig_text(fd, text);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_TEXT);
    ck_assert_uint_eq(len, strlen(text));
}

START_TEST(other_origins_and_hosts_are_believed_and_nobody_is_lost)
{
    const wsrt_span origins[] = {SPAN("https://app.example")}, hosts[] = {SPAN("chat.example")};
    int fd = rig_open(&rig);

    ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 403);
    ck_assert_int_eq(dial("Host: chat.example\r\n"), 421);
    ck_assert_int_eq(reload((wsrt_server_options){
                         .origins = origins, .origin_count = 1, .hosts = hosts, .host_count = 1}),
                     WSRT_OK);
    ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 101);
    ck_assert_int_eq(dial("Host: chat.example\r\n"), 101);
    expect_echo(fd, "still here");
    ck_assert_int_eq(reload((wsrt_server_options){0}), WSRT_OK);
    ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 403);
    ck_assert_int_eq(dial("Host: chat.example\r\n"), 421);
    expect_echo(fd, "and here");
    ck_assert_uint_eq(stats().reloads, 2);
    close(fd);
    rig_steps(&rig, 2);
}
END_TEST

START_TEST(a_lower_cap_of_messages_holds_for_the_next_one)
{
    int fd = rig_open(&rig);
    wsrt_span id = SPAN(rig.id);
    wsrt_post post = {.struct_size = sizeof post, .data = SPAN("0123456789a")};

    expect_echo(fd, "0123456789a");
    ck_assert_int_eq(reload((wsrt_server_options){.max_message = 10}), WSRT_OK);
    expect_echo(fd, "0123456789");
    ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &post), WSRT_ERR_TOO_LARGE);
    rig_text(fd, "0123456789a");
    ck_assert_int_eq(rig_close_code(&rig, fd), 1009);
    close(fd);
    rig_steps(&rig, 2);
}
END_TEST

enum { LONG = 700 * 1024 };

static int answer_at_length(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    static char text[LONG];
    wsrt_post post = {
        .struct_size = sizeof post, .flags = WSRT_POST_REPLY, .data = {text, sizeof text}};

    (void)ctx;
    memset(text, 'x', sizeof text);
    text[LONG - 1] = 'z';
    return r->sender.ops->post(r->sender.self, &req->event->connection_id, &post);
}

START_TEST(a_higher_cap_lets_messages_through_that_are_longer_than_the_output)
{
    int fd = rig_open(&rig);
    char *got = malloc(LONG);
    size_t len = 0;

    rig.on_message = answer_at_length;
    ck_assert_int_eq(reload((wsrt_server_options){.max_message = LONG}), WSRT_OK);
    rig_text(fd, "go on");
    ck_assert_int_eq(rig_next(&rig, fd, got, LONG, &len), WSRT_WS_OP_TEXT);
    ck_assert_uint_eq(len, LONG);
    ck_assert_int_eq(got[0], 'x');
    ck_assert_int_eq(got[LONG - 1], 'z');
    free(got);
    close(fd);
    rig_steps(&rig, 2);
}
END_TEST

START_TEST(a_shorter_idle_time_counts_from_the_last_message_of_open_connections)
{
    int fd = rig_open(&rig);

    rig_advance(&rig, 15000); /* before the first ping */
    ck_assert_int_eq(reload((wsrt_server_options){.idle_ms = 18000}), WSRT_OK);
    rig_advance(&rig, 2000);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, 1500);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    close(fd);
    rig_steps(&rig, 2);
}
END_TEST

START_TEST(pings_that_are_turned_on_come_within_their_interval)
{
    char got[16];
    size_t len;
    int fd;

    ck_assert_int_eq(reload((wsrt_server_options){.ping_ms = -1}), WSRT_OK);
    fd = rig_open(&rig);
    rig_advance(&rig, 60000);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), -1);
    ck_assert_int_eq(reload((wsrt_server_options){.ping_ms = 10000}), WSRT_OK);
    rig_advance(&rig, 8000);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), -1);
    rig_advance(&rig, 4000);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_PING);
    close(fd);
    rig_steps(&rig, 2);
}
END_TEST

START_TEST(over_a_lower_limit_of_connections_who_is_there_stays)
{
    int first = rig_open(&rig), second = rig_open(&rig);

    ck_assert_int_eq(reload((wsrt_server_options){.max_connections = 1}), WSRT_OK);
    ck_assert_int_eq(dial("Host: localhost\r\n"), 503);
    expect_echo(first, "one");
    expect_echo(second, "two");
    close(first);
    close(second);
    rig_steps(&rig, 3);
    ck_assert_int_eq(dial("Host: localhost\r\n"), 101);
}
END_TEST

START_TEST(another_secret_opens_management_and_the_old_one_no_more)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                  "Authorization: Bearer one\r\nConnection: close\r\n\r\n";
    static char answer[262144];

    ck_assert_int_eq(reload((wsrt_server_options){.management = WSRT_MANAGEMENT_BEARER,
                                                  .management_token = SPAN("one")}),
                     WSRT_OK);
    ck_assert_int_eq(rig_ask(&rig, request, sizeof request - 1, answer, sizeof answer), 200);
    ck_assert_int_eq(reload((wsrt_server_options){.management = WSRT_MANAGEMENT_BEARER,
                                                  .management_token = SPAN("two")}),
                     WSRT_OK);
    ck_assert_int_eq(rig_ask(&rig, request, sizeof request - 1, answer, sizeof answer), 403);
}
END_TEST

START_TEST(what_makes_no_sense_changes_nothing_and_is_counted)
{
    static const char scrape[] = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
    const wsrt_span any[] = {SPAN("*")};
    const wsrt_server_options rows[] = {
        {.origins = any, .origin_count = 1, .max_message = 10, .queue_hard = 1, .queue_soft = 2},
        {.origins = any, .origin_count = 1, .max_message = 10, .loops = -1},
        {.origins = any, .origin_count = 1, .max_message = 10, .expired_ms = -2},
    };
    static char answer[262144];
    int fd = rig_open(&rig);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(reload(rows[i]), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_server_reload(rig.server, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(rig.errors, 4);
    ck_assert_str_eq(rig.event, "server.settings_refused");
    ck_assert_uint_eq(stats().reloads_refused, 4);
    ck_assert_uint_eq(stats().reloads, 0);
    ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 403);
    expect_echo(fd, "0123456789a");
    rig_ask(&rig, scrape, sizeof scrape - 1, answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "wsrt_reloads_total{result=\"refused\"} 4\n"));
    close(fd);
    rig_steps(&rig, 2);
}
END_TEST

START_TEST(settings_that_need_a_restart_are_named_and_stay)
{
    const wsrt_span elsewhere[] = {SPAN("127.0.0.1:0")};

    ck_assert_int_eq(reload((wsrt_server_options){.listen = elsewhere,
                                                  .listen_count = 1,
                                                  .workers = 4,
                                                  .flags = WSRT_SERVER_TEXT_ONLY,
                                                  .tls_cert = SPAN("cert.pem"),
                                                  .tls_key = SPAN("key.pem")}),
                     WSRT_OK);
    ck_assert_int_eq(rig.warnings, 1);
    ck_assert_str_eq(rig.event, "server.restart_needed");
    ck_assert_str_eq(rig.restart_settings, "listen, workers, flags, tls");
    ck_assert_int_eq(reload((wsrt_server_options){0}), WSRT_OK);
    ck_assert_int_eq(rig.warnings, 1);
    ck_assert_uint_eq(rig.server->listener_count, 0);
}
END_TEST

START_TEST(settings_that_no_loop_took_are_replaced_by_the_later_ones)
{
    static const wsrt_span nowhere[1];
    const wsrt_span any[] = {SPAN("*")};
    wsrt_server_options o = {
        .struct_size = sizeof o, .listen = nowhere, .origins = any, .origin_count = 1};

    ck_assert_int_eq(wsrt_server_reload(rig.server, &o), WSRT_OK);
    o.origin_count = 0;
    ck_assert_int_eq(wsrt_server_reload(rig.server, &o), WSRT_OK);
    ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 403);
    o.origin_count = 1;
    ck_assert_int_eq(wsrt_server_reload(rig.server, &o), WSRT_OK); /* and is never taken */
}
END_TEST

START_TEST(every_refused_allocation_of_a_reload_is_reported_and_changes_nothing)
{
    const wsrt_span any[] = {SPAN("*")};
    size_t points = 0;

    for (size_t n = 1;; n++) {
        heap_arm(&rig.heap, n, 0);
        int rc = reload((wsrt_server_options){.origins = any, .origin_count = 1});
        int tripped = rig.heap.tripped;
        heap_arm(&rig.heap, 0, 0);
        if (!tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 403);
        points++;
    }
    ck_assert_uint_ge(points, 2);
    ck_assert_uint_eq(stats().reloads_refused, points);
    ck_assert_int_eq(dial("Host: localhost\r\nOrigin: https://app.example\r\n"), 101);
    printf("# allocation points: %zu\n", points);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_reload");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, other_origins_and_hosts_are_believed_and_nobody_is_lost);
    tcase_add_test(t, a_lower_cap_of_messages_holds_for_the_next_one);
    tcase_add_test(t, a_higher_cap_lets_messages_through_that_are_longer_than_the_output);
    tcase_add_test(t, a_shorter_idle_time_counts_from_the_last_message_of_open_connections);
    tcase_add_test(t, pings_that_are_turned_on_come_within_their_interval);
    tcase_add_test(t, over_a_lower_limit_of_connections_who_is_there_stays);
    tcase_add_test(t, another_secret_opens_management_and_the_old_one_no_more);
    tcase_add_test(t, what_makes_no_sense_changes_nothing_and_is_counted);
    tcase_add_test(t, settings_that_need_a_restart_are_named_and_stay);
    tcase_add_test(t, settings_that_no_loop_took_are_replaced_by_the_later_ones);
    tcase_add_test(t, every_refused_allocation_of_a_reload_is_reported_and_changes_nothing);
    suite_add_tcase(s, t);
    return s;
}
