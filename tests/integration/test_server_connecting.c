/* A connection between its record in the store and its 101: others find it there, and post. Each case is
 * played on a loop, on workers, and with two loops of both kinds. */
#include "suite.h"
#include "threads_rig.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const wsrt_server_options kinds[] = {
    {.loops = 1}, {.workers = 1}, {.loops = 2}, {.loops = 2, .workers = 2}};

enum { WORKERS = 1, KINDS = sizeof kinds / sizeof kinds[0], EARLY_MOST = 1024 };

/* ---- held connections ----------------------------------------------------------------------- */

/* A client whose CONNECT is held: its record is in the store, and it has no 101. */
static int hold(const wsrt_server_options *o)
{
    host_holds_records = 1;
    host_start(*o);
    int fd = host_dial();
    host_ask_for_upgrade(fd, "", "");
    ck_assert(host_comes_to(host_waiting, 1));
    return fd;
}

static void end(int fd)
{
    close(fd);
    host_stop();
    host_holds_records = 0;
    host_store_status = WSRT_OK;
}

static wsrt_delivery broadcast(const char *text)
{
    const wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr(text)};
    wsrt_delivery report = {.struct_size = sizeof report};

    ck_assert_int_eq(wsrt_broadcast(host.rt, NULL, &p, &report), WSRT_OK);
    return report;
}

static int post(const char *text)
{
    const wsrt_span id = wsrt_span_cstr(host.ids[0]);
    const wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr(text)};

    return host.sender.ops->post(host.sender.self, &id, &p);
}

static uint64_t queued_bytes(void)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    ck_assert_int_eq(wsrt_server_get_stats(host.server, &stats), WSRT_OK);
    return stats.queued_bytes;
}

/* ---- messages ------------------------------------------------------------------------------- */

START_TEST(a_broadcast_before_the_101_arrives_behind_it_and_so_do_later_ones)
{
    int fd = hold(&kinds[_i]);
    wsrt_delivery before = broadcast("before");
    ck_assert_uint_eq(before.sent, 1);
    ck_assert_uint_eq(before.gone, 0);
    host_open_gate();
    host_hear(fd, "\r\n\r\n\x81\x06"
                  "before");
    ck_assert_uint_eq(broadcast("after").sent, 1);
    host_hear(fd, "after");
    end(fd);
}
END_TEST

START_TEST(posts_on_both_sides_of_the_101_keep_their_order)
{
    int fd = hold(&kinds[_i]);
    ck_assert_int_eq(post("1"), WSRT_OK);
    ck_assert_int_eq(post("2"), WSRT_OK);
    host_open_gate();
    ck_assert_int_eq(post("3"), WSRT_OK);
    host_hear(fd, "\r\n\r\n\x81\x01"
                  "1\x81\x01"
                  "2\x81\x01"
                  "3");
    end(fd);
}
END_TEST

START_TEST(a_close_before_the_101_follows_it)
{
    int fd = hold(&kinds[_i]);
    ck_assert_int_eq(
        wsrt_disconnect(host.rt, wsrt_span_cstr(host.ids[0]), 4000, wsrt_span_cstr("elsewhere")),
        WSRT_OK);
    host_open_gate();
    host_hear(fd, "\r\n\r\n\x88\x0b\x0f\xa0"
                  "elsewhere");
    end(fd);
    ck_assert_int_eq(host.code, 4000);
}
END_TEST

START_TEST(what_was_posted_to_a_connect_that_fails_is_forgotten)
{
    int fd = hold(&kinds[_i]);
    host_store_status = WSRT_ERR_IO;
    atomic_fetch_sub(&host.connects, 1); /* no DISCONNECT is owed for it */
    ck_assert_int_eq(post("for nobody"), WSRT_OK);
    host_open_gate();
    host_hear(fd, "HTTP/1.1 500");
    ck_assert(host_comes_to(queued_bytes, 0));
    ck_assert_int_eq(post("for nobody"), WSRT_ERR_GONE);
    end(fd);
}
END_TEST

static void *post_until_gone(void *user)
{
    (void)user;
    while (post("for nobody") != WSRT_ERR_GONE)
        continue;
    return NULL;
}

START_TEST(who_posts_while_a_connect_fails_finds_it_or_nobody)
{
    enum { ROUNDS = 200, POSTERS = 2 };
    pthread_t posters[POSTERS];

    for (int i = 0; i < ROUNDS; i++) {
        int fd = hold(&kinds[WORKERS]);
        host_store_status = WSRT_ERR_IO;
        atomic_fetch_sub(&host.connects, 1); /* no DISCONNECT is owed for it */
        for (int k = 0; k < POSTERS; k++)
            ck_assert_int_eq(pthread_create(&posters[k], NULL, post_until_gone, NULL), 0);
        host_open_gate();
        for (int k = 0; k < POSTERS; k++)
            pthread_join(posters[k], NULL);
        end(fd);
    }
}
END_TEST

START_TEST(what_was_posted_to_a_connect_whose_client_has_left_is_forgotten)
{
    struct linger hard = {1, 0};
    int fd = hold(&kinds[WORKERS]);
    ck_assert_int_eq(post("for nobody"), WSRT_OK);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    while (post("for nobody") != WSRT_ERR_GONE) /* until the loop has seen it */
        sched_yield();
    host_open_gate();
    ck_assert(host_comes_to(queued_bytes, 0));
    end(-1);
    ck_assert_int_eq(host.code, 1006);
}
END_TEST

START_TEST(more_early_posts_than_are_kept_are_throttled_and_all_others_arrive)
{
    char text[32];
    int fd = hold(&kinds[WORKERS]);

    for (int i = 0; i < EARLY_MOST; i++) {
        snprintf(text, sizeof text, "<%d>", i);
        ck_assert_int_eq(post(text), WSRT_OK);
    }
    ck_assert_int_eq(post("one more"), WSRT_ERR_THROTTLED);
    host_open_gate();
    host_hear(fd, "<1023>");
    ck_assert_int_eq(post("and on"), WSRT_OK);
    host_hear(fd, "and on");
    end(fd);
}
END_TEST

START_TEST(early_posts_have_the_soft_limit_of_all_posts)
{
    wsrt_server_options o = kinds[_i];
    char text[101];

    o.queue_soft = 1000;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    int fd = hold(&o);
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(post(text), WSRT_OK);
    ck_assert_int_eq(post(text), WSRT_ERR_THROTTLED);
    host_open_gate();
    host_hear(fd, text);
    end(fd);
}
END_TEST

/* ---- who finds nobody ----------------------------------------------------------------------- */

static void manage(const char *method, const char *status)
{
    char request[256];
    int fd = host_dial();
    int len = snprintf(request, sizeof request,
                       "%s /@connections/%.15s%%3D HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Length: 0\r\n\r\n",
                       method, host.ids[0]);

    host_say(fd, request, (size_t)len);
    host_hear(fd, status);
    close(fd);
}

START_TEST(from_outside_nobody_is_there_before_the_101)
{
    wsrt_connection_info info = {.struct_size = sizeof info};
    int fd = hold(&kinds[WORKERS]);
    wsrt_span id = wsrt_span_cstr(host.ids[0]);

    ck_assert_int_eq(host.sender.ops->get(host.sender.self, &id, &info), WSRT_ERR_GONE);
    manage("POST", "HTTP/1.1 410");
    manage("GET", "HTTP/1.1 410");
    manage("DELETE", "HTTP/1.1 410");
    host_open_gate();
    host_hear(fd, "\r\n\r\n");
    manage("GET", "HTTP/1.1 200");
    manage("POST", "HTTP/1.1 200");
    manage("DELETE", "HTTP/1.1 204");
    end(fd);
}
END_TEST

START_TEST(to_the_handler_of_its_connect_a_connection_is_gone)
{
    host_start(kinds[_i]);
    int fd = host_dial();
    host_ask_for_upgrade(fd, "self=1", "\x81\x85zzzz\x12\x1f\x16\x16\x15"); /* "hello" */
    host_hear(fd, "\r\n\r\n\x81\x05hello");
    ck_assert_int_eq(host.to_self, WSRT_ERR_GONE);
    end(fd);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_connecting");
    TCase *t = tcase_create("connecting");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_broadcast_before_the_101_arrives_behind_it_and_so_do_later_ones, 0,
                        KINDS);
    tcase_add_loop_test(t, posts_on_both_sides_of_the_101_keep_their_order, 0, KINDS);
    tcase_add_loop_test(t, a_close_before_the_101_follows_it, 0, KINDS);
    tcase_add_loop_test(t, what_was_posted_to_a_connect_that_fails_is_forgotten, 0, KINDS);
    tcase_add_test(t, who_posts_while_a_connect_fails_finds_it_or_nobody);
    tcase_add_test(t, what_was_posted_to_a_connect_whose_client_has_left_is_forgotten);
    tcase_add_test(t, more_early_posts_than_are_kept_are_throttled_and_all_others_arrive);
    tcase_add_loop_test(t, early_posts_have_the_soft_limit_of_all_posts, 0, KINDS);
    tcase_add_test(t, from_outside_nobody_is_there_before_the_101);
    tcase_add_loop_test(t, to_the_handler_of_its_connect_a_connection_is_gone, 0, KINDS);
    suite_add_tcase(s, t);
    return s;
}
