/* A server whose handlers run on workers. */
#include "suite.h"
#include "threads_rig.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const wsrt_server_options two_loops_four_workers = {.loops = 2, .workers = 4};

START_TEST(workers_keep_the_order_of_each_connection)
{
    struct ws_client *clients[BUSY];
    char text[TEXT];

    host_start(two_loops_four_workers);
    host_open_all(clients, BUSY);
    for (int i = 0; i < 500; i++)
        for (int k = 0; k < BUSY; k++) {
            snprintf(text, sizeof text, "%d of %d", i, k);
            ws_client_send(clients[k], text);
        }
    for (int k = 0; k < BUSY; k++)
        for (int i = 0; i < 500; i++) {
            snprintf(text, sizeof text, "%d of %d", i, k);
            host_expect(clients[k], text);
        }
    host_close_all(clients, BUSY);
    host_stop();
}
END_TEST

START_TEST(a_handler_that_blocks_stalls_no_other_connection)
{
    host_start((wsrt_server_options){.workers = 2});
    struct ws_client *blocked = host_open(), *other = host_open();
    ws_client_send(blocked, "block");
    ck_assert(host_comes_to(host_waiting, 1));
    for (int i = 0; i < 100; i++) {
        ws_client_send(other, "hello");
        host_expect(other, "hello");
    }
    host_open_gate();
    host_expect(blocked, "block");
    ws_client_close(blocked);
    ws_client_close(other);
    host_stop();
}
END_TEST

START_TEST(of_64_messages_that_wait_no_more_is_read_until_there_is_room)
{
    char text[TEXT];

    host_start((wsrt_server_options){.workers = 2});
    struct ws_client *c = host_open(), *other = host_open();
    ws_client_send(c, "block");
    ck_assert(host_comes_to(host_waiting, 1));
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i);
        ws_client_send(c, text);
    }
    ck_assert(host_comes_to(host_messages_in, 64));
    for (int i = 0; i < 10; i++) { /* in whose turns more could be read */
        ws_client_send(other, "hello");
        host_expect(other, "hello");
    }
    ck_assert_uint_eq(host_messages_in(), 64 + 10);
    host_open_gate();
    host_expect(c, "block");
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i);
        host_expect(c, text);
    }
    ws_client_close(c);
    ws_client_close(other);
    host_stop();
}
END_TEST

enum { LARGE = 128 * 1024, LARGE_COUNT = 12 };

static void *send_large(void *client)
{
    char *text = malloc(LARGE + 1);

    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    for (int i = 0; i < LARGE_COUNT; i++)
        ws_client_send(client, text);
    free(text);
    return NULL;
}

START_TEST(of_a_mebibyte_that_waits_no_more_is_read_until_there_is_room)
{
    pthread_t thread;

    host_start((wsrt_server_options){.workers = 2});
    struct ws_client *c = host_open(), *other = host_open();
    ws_client_send(c, "block");
    ck_assert(host_comes_to(host_waiting, 1));
    ck_assert_int_eq(pthread_create(&thread, NULL, send_large, c), 0);
    ck_assert(host_comes_to(host_messages_in, 1 + 8));
    for (int i = 0; i < 10; i++) {
        ws_client_send(other, "hello");
        host_expect(other, "hello");
    }
    ck_assert_uint_eq(host_messages_in(), 1 + 8 + 10);
    host_open_gate();
    host_expect(c, "block");
    ck_assert(host_comes_to(host_messages_in, 1 + LARGE_COUNT + 10));
    pthread_join(thread, NULL);
    ws_client_close(c);
    ws_client_close(other);
    host_stop();
}
END_TEST

/* What `finish` finds: a DISCONNECT for each CONNECT, and no message behind it. */
START_TEST(the_disconnect_is_handled_once_and_after_the_last_message)
{
    struct ws_client *clients[CLIENTS];

    host_start(two_loops_four_workers);
    host_open_all(clients, CLIENTS);
    for (int k = 0; k < CLIENTS; k++) {
        for (int i = 0; i < 50; i++)
            ws_client_send(clients[k], "hello");
        if (k % 2 == 0)
            ws_client_close(clients[k]);
        else
            ws_client_drop(clients[k]);
    }
    host_stop();
    ck_assert_int_eq(atomic_load(&host.connects), CLIENTS);
}
END_TEST

START_TEST(who_leaves_while_its_connect_is_handled_gets_a_disconnect_with_1006)
{
    struct linger hard = {1, 0};

    host_start((wsrt_server_options){.workers = 1});
    int fd = host_dial();
    host_ask_for_upgrade(fd, "slow=1", "");
    ck_assert(host_comes_to(host_waiting, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    host_open_gate();
    host_stop();
    ck_assert_int_eq(atomic_load(&host.disconnects), 1);
    ck_assert_int_eq(host.code, 1006);
}
END_TEST

START_TEST(bytes_behind_the_head_wait_for_the_connect_and_belong_to_the_websocket)
{
    host_start((wsrt_server_options){.workers = 2});
    int fd = host_dial();
    host_ask_for_upgrade(fd, "slow=1", "\x81\x85zzzz\x12\x1f\x16\x16\x15"); /* "hello" */
    ck_assert(host_comes_to(host_waiting, 1));
    ck_assert_uint_eq(host_messages_in(), 0);
    host_open_gate();
    host_hear(fd, "hello");
    close(fd);
    host_stop();
}
END_TEST

static uint64_t bytes_in(void)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    ck_assert_int_eq(wsrt_server_get_stats(host.server, &stats), WSRT_OK);
    return stats.bytes_in;
}

START_TEST(no_more_than_64_kib_are_taken_before_the_101)
{
    static char much[65536];

    host_start((wsrt_server_options){.workers = 2});
    struct ws_client *other = host_open();
    int fd = host_dial();
    host_ask_for_upgrade(fd, "slow=1", "");
    ck_assert(host_comes_to(host_waiting, 1));
    while (send(fd, much, sizeof much, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    }
    for (int i = 0; i < 10; i++) { /* in whose turns more could be read */
        ws_client_send(other, "hello");
        host_expect(other, "hello");
    }
    ck_assert_uint_le(bytes_in(), 65536 + 1024);
    host_open_gate();
    close(fd);
    ws_client_close(other);
    host_stop();
}
END_TEST

START_TEST(a_workers_refusal_of_connect_is_the_answer_and_the_connection_goes_on)
{
    static const char next[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

    host_start((wsrt_server_options){.workers = 2});
    int fd = host_dial();
    host_ask_for_upgrade(fd, "refuse=1", next);
    host_hear(fd, "{\"no\":1}HTTP/1.1 200 OK");
    host_ask_for_upgrade(fd, "refuse=1", "");
    host_hear(fd, "X-Why: because");
    close(fd);
    host_stop();
    ck_assert_int_eq(atomic_load(&host.connects), 0);
}
END_TEST

START_TEST(a_refused_or_abandoned_connect_gives_its_place_back)
{
    host_start((wsrt_server_options){.workers = 2, .max_connections = 1});
    for (int i = 0; i < 4; i++) {
        int fd = host_dial();
        host_ask_for_upgrade(fd, "refuse=1", "");
        host_hear(fd, "HTTP/1.1 403");
        close(fd);
    }
    ws_client_close(host_open());
    host_stop();
}
END_TEST

START_TEST(a_drain_waits_for_the_handlers_under_way)
{
    host_start((wsrt_server_options){.workers = 2});
    struct ws_client *c = host_open();
    ws_client_send(c, "block");
    ck_assert(host_comes_to(host_waiting, 1));
    ck_assert_int_eq(wsrt_server_drain(host.server, NULL), WSRT_OK);
    char got[TEXT];
    ck_assert_int_eq(ws_client_receive(c, got, sizeof got), 0); /* a close frame */
    ws_client_drop(c);
    ck_assert_int_eq(atomic_load(&host.disconnects), 0);
    host_open_gate();
    host_finish();
    ck_assert_int_eq(atomic_load(&host.disconnects), 1);
}
END_TEST

START_TEST(two_loops_four_workers_and_four_foreign_senders_lose_nothing)
{
    struct ws_client *clients[BUSY];
    struct poster posters[SENDERS];

    host_start(two_loops_four_workers);
    host_open_all(clients, BUSY);
    for (int i = 0; i < SENDERS; i++) {
        posters[i].number = i;
        ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, host_post_sequence, &posters[i]),
                         0);
    }
    for (int i = 0; i < 20; i++)
        for (int k = 0; k < BUSY; k++)
            ws_client_send(clients[k], "message of no sender: nothing comes back");
    for (int k = 0; k < BUSY; k++)
        host_expect_sequences(clients[k]);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(posters[i].thread, NULL);
    ck_assert(host_comes_to(host_messages_in, 20 * BUSY));
    host_close_all(clients, BUSY);
    host_stop();
    ck_assert_int_eq(atomic_load(&host.messages), 20 * BUSY);
}
END_TEST

/* A text of one letter, masked; the answer is an error while the limiter refuses. */
static void send_letters(int fd, int n)
{
    while (n-- > 0)
        host_say(fd, "\x81\x81zzzz\x02", 7);
}

START_TEST(a_hundred_refused_messages_in_a_row_close_with_1008_from_a_worker_too)
{
    host_limited = 1;
    host_start((wsrt_server_options){.workers = 2});
    host_limited = 0;
    int fd = host_dial();
    host_ask_for_upgrade(fd, "", "");
    host_hear(fd, "HTTP/1.1 101");
    send_letters(fd, 19 + 100); /* of a burst of twenty, of which the connect was one */
    ck_assert(host_comes_to(host_messages_in, 19 + 100));
    host_hear(fd, "RATE_LIMITED");
    while (atomic_load(&host.disconnects) == 0) { /* what was refused last is known in a turn */
        send(fd, "\x81\x81zzzz\x02", 7, MSG_NOSIGNAL);
        sched_yield();
    }
    ck_assert_int_eq(host.code, 1008);
    host_hear(fd, "\x03\xf0too many refused messages");
    close(fd);
    host_stop();
}
END_TEST

/* A conversation to its end, whatever comes back. */
static void converse(void)
{
    char got[4096];
    int fd = host_dial();

    host_ask_for_upgrade(fd, "",
                         "\x81\x85zzzz\x12\x1f\x16\x16\x15" /* "hello" */
                         "\x01\x81zzzz\x02\x80\x81zzzz\x02" /* "xx" in two pieces */
                         "\x88\x80zzzz");
    while (recv(fd, got, sizeof got, 0) > 0) {
    }
    close(fd);
}

START_TEST(refused_memory_costs_a_connection_with_workers_at_most)
{
    struct heap heap;
    size_t points = 0;

    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1;; n++) {
            heap_init(&heap);
            host_heap = &heap;
            host_start((wsrt_server_options){.workers = 1});
            host_heap = NULL;
            ws_client_close(host_open()); /* which has the slots made */
            heap_arm(&heap, n, sticky);
            converse();
            int tripped = heap_disarm(&heap);
            struct ws_client *next = host_open();
            ws_client_send(next, "hello");
            host_expect(next, "hello");
            ws_client_close(next);
            host_stop();
            ck_assert_uint_eq(heap.live, 0);
            if (!tripped)
                break;
            points++;
        }
    ck_assert_uint_ge(points, 12);
    printf("# allocation points: %zu\n", points);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_workers");
    TCase *t = tcase_create("workers");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, workers_keep_the_order_of_each_connection);
    tcase_add_test(t, a_handler_that_blocks_stalls_no_other_connection);
    tcase_add_test(t, of_64_messages_that_wait_no_more_is_read_until_there_is_room);
    tcase_add_test(t, of_a_mebibyte_that_waits_no_more_is_read_until_there_is_room);
    tcase_add_test(t, the_disconnect_is_handled_once_and_after_the_last_message);
    tcase_add_test(t, who_leaves_while_its_connect_is_handled_gets_a_disconnect_with_1006);
    tcase_add_test(t, bytes_behind_the_head_wait_for_the_connect_and_belong_to_the_websocket);
    tcase_add_test(t, no_more_than_64_kib_are_taken_before_the_101);
    tcase_add_test(t, a_workers_refusal_of_connect_is_the_answer_and_the_connection_goes_on);
    tcase_add_test(t, a_refused_or_abandoned_connect_gives_its_place_back);
    tcase_add_test(t, a_drain_waits_for_the_handlers_under_way);
    tcase_add_test(t, two_loops_four_workers_and_four_foreign_senders_lose_nothing);
    tcase_add_test(t, a_hundred_refused_messages_in_a_row_close_with_1008_from_a_worker_too);
    tcase_add_test(t, refused_memory_costs_a_connection_with_workers_at_most);
    suite_add_tcase(s, t);
    return s;
}
