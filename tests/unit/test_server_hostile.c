/* Crowds, floods, attacks and refused memory cost who makes them, and nobody else. */
#include "server_rig.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

/* ---- fairness ------------------------------------------------------------------------------- */

static void *post_from_afar(void *user)
{
    (void)user;
    ck_assert_int_eq(rig_post(&rig, "from afar", 0), WSRT_OK);
    return NULL;
}

static int let_another_thread_post(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    pthread_t thread;

    (void)r;
    (void)ctx;
    (void)req;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_from_afar, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return 0;
}

/* The wake-up that was under way is read behind the message, and with it the post's own. */
START_TEST(a_post_that_another_thread_makes_within_a_turn_is_due_after_it)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig.on_message = let_another_thread_post;
    rig_text(fd, "go");
    wsrt_loop_wake(&rig.server->loops[0]);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_expect_text(&rig, fd, "from afar");
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* 65 messages leave one to look at; their sender has gone meanwhile. */
START_TEST(a_lost_connection_with_bytes_to_look_at_is_given_up_in_its_turn)
{
    struct linger hard = {1, 0};

    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    for (int i = 0; i < 65; i++)
        rig_text(fd, "x");
    rig_steps(&rig, 1);
    wsrt_conn *c = rig_conn(&rig);
    ck_assert_int_ne(c->flags & WSRT_CONN_READY, 0);
    wsrt_conn_lost(&rig.server->loops[0], c);
    wsrt_conn_retire(&rig.server->loops[0]);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_steps(&rig, 1);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    ck_assert_int_eq(rig.disconnects, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_turn_serves_64_messages_of_a_connection_and_loses_none)
{
    unsigned char frames[200 * 7];

    rig_start(&rig, NULL);
    int a = rig_open(&rig);
    for (int i = 0; i < 200; i++) {
        unsigned char *p = frames + i * 7;
        wsrt_ws_header(p, WSRT_WS_OP_TEXT, 1, 1, (const unsigned char *)"\0\0\0\0");
        p[6] = (unsigned char)('0' + i % 10);
    }
    rig_send(a, frames, sizeof frames);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 64);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.messages, 200);
    ck_assert_int_eq(wsrt_server_timeout(rig.server) != 0, 1);
    for (int i = 0; i < 200; i++) {
        char wanted[2] = {(char)('0' + i % 10), '\0'};
        rig_expect_text(&rig, a, wanted);
    }
    close(a);
    rig_stop(&rig);
}
END_TEST

/* ---- floods --------------------------------------------------------------------------------- */

/* A message at a time, each with its answer; returns how many were echoed. */
static int send_and_count(int fd, int n)
{
    char payload[1024];
    size_t len;
    int echoed = 0;

    for (int i = 0; i < n; i++) {
        rig_text(fd, "x");
        ck_assert_int_eq(rig_next(&rig, fd, payload, sizeof payload, &len), WSRT_WS_OP_TEXT);
        echoed += len == 1;
    }
    return echoed;
}

START_TEST(a_hundred_refused_messages_in_a_row_close_with_1008)
{
    rig_limited = 1;
    rig_start_with(&rig, (wsrt_server_options){.max_connections = 0});
    rig_limited = 0;
    int fd = rig_open(&rig), other = rig_open(&rig);
    ck_assert_int_eq(send_and_count(fd, 19), 19); /* the connect was the first of twenty */
    ck_assert_int_eq(send_and_count(fd, 99), 0);
    rig_advance(&rig, 100); /* the next one is admitted */
    ck_assert_int_eq(send_and_count(fd, 1), 1);
    ck_assert_int_eq(send_and_count(fd, 99), 0);
    ck_assert_int_eq(rig.disconnects, 0);
    ck_assert_int_eq(send_and_count(fd, 1), 0);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1008);
    ck_assert_int_eq(rig.code, 1008);
    ck_assert_int_eq(send_and_count(other, 1), 1);
    close(fd);
    close(other);
    rig_stop(&rig);
}
END_TEST

/* ---- attacks -------------------------------------------------------------------------------- */

START_TEST(extensions_that_are_offered_are_never_agreed_on)
{
    char request[1024], answer[1024];
    int ended, len = snprintf(request, sizeof request,
                              "%.*sSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                              (int)strlen(rig_upgrade) - 2, rig_upgrade);

    rig_start(&rig, NULL);
    int fd = rig_adopt(&rig);
    rig_send(fd, request, (size_t)len);
    answer[rig_read(&rig, fd, answer, sizeof answer - 1, &ended)] = '\0';
    ck_assert(strstr(answer, "HTTP/1.1 101 ") == answer);
    ck_assert_ptr_null(strstr(answer, "xtensions"));
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_thousand_dials_leave_the_open_connections_served)
{
    char answer[64];
    int fds[50], ended;

    rig_start_with(&rig, (wsrt_server_options){.max_connections = 50, .max_per_ip = -1});
    for (int i = 0; i < 50; i++)
        fds[i] = rig_open(&rig);
    for (int i = 0; i < 1000; i++) {
        int fd = rig_adopt(&rig);
        rig_send(fd, rig_upgrade, strlen(rig_upgrade));
        ck_assert_uint_eq(rig_read(&rig, fd, answer, 13, &ended), 13);
        ck_assert_int_eq(memcmp(answer, "HTTP/1.1 503 ", 13), 0);
        close(fd);
    }
    for (int i = 0; i < 50; i++) {
        rig_text(fds[i], "still here");
        rig_expect_text(&rig, fds[i], "still here");
    }
    close(fds[0]);
    rig_steps(&rig, 3);
    fds[0] = rig_open(&rig);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    rig_stop(&rig);
}
END_TEST

START_TEST(frames_of_which_only_the_header_comes_hold_no_memory)
{
    int fds[32];

    rig_start(&rig, NULL);
    for (int i = 0; i < 32; i++)
        fds[i] = rig_open(&rig);
    rig_steps(&rig, 3);
    size_t before = rig.heap.live;
    for (int i = 0; i < 32; i++)
        rig_send(fds[i], "\x82\xff\0\0\0\0\0\x02\0\0zzzz", 14);
    rig_steps(&rig, 3);
    ck_assert_uint_le(rig.heap.live, before + 32 * 512);
    for (int i = 0; i < 32; i++)
        close(fds[i]);
    rig_stop(&rig);
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

START_TEST(every_refused_allocation_of_new_is_reported_and_leaves_nothing)
{
    static const wsrt_span nowhere[1];
    wsrt_server_options o = {.struct_size = sizeof o, .listen = nowhere};
    wsrt_server *s;
    struct heap heap;
    size_t points = 0;

    rig_start(&rig, NULL);
    wsrt_server_free(rig.server);
    rig.server = NULL;
    int before = rig_open_descriptors();
    for (int sticky = 0; sticky < 2; sticky++) {
        heap_init(&heap);
        o.allocator = heap.allocator;
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, sticky);
            int rc = wsrt_server_new(&s, rig.rt, &o);
            if (!heap.tripped)
                break;
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(s);
            ck_assert_uint_eq(heap.live, 0);
            points++;
        }
        wsrt_server_free(s);
        ck_assert_uint_eq(heap.live, 0);
    }
    ck_assert_int_eq(rig_open_descriptors(), before);
    printf("# allocation points: %zu\n", points);
    rig_stop(&rig);
}
END_TEST

START_TEST(refused_memory_costs_a_connection_at_most)
{
    size_t points = 0;

    for (size_t n = 1;; n++) {
        rig_start(&rig, NULL);
        heap_arm(&rig.heap, n, 1);
        int pair[2];
        static const unsigned char ip[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        if (wsrt_listen_adopt(&rig.server->loops[0], pair[1], ip) != NULL) {
            rig_send(pair[0], rig_upgrade, strlen(rig_upgrade));
            rig_steps(&rig, 2);
            rig_frame(pair[0], WSRT_WS_OP_TEXT, 0, "a", 1);
            rig_steps(&rig, 2);
            send(pair[0], "\x80\x81\0\0\0", 5, MSG_NOSIGNAL);
            rig_steps(&rig, 2);
        }
        int done = !rig.heap.tripped;
        heap_arm(&rig.heap, 0, 0);
        int fd = rig_open(&rig); /* and the next one is served */
        close(fd);
        close(pair[0]);
        rig_steps(&rig, 2);
        rig_stop(&rig);
        if (done)
            break;
        points++;
    }
    ck_assert_uint_ge(points, 4);
    printf("# allocation points: %zu\n", points);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_hostile");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_lost_connection_with_bytes_to_look_at_is_given_up_in_its_turn);
    tcase_add_test(t, a_post_that_another_thread_makes_within_a_turn_is_due_after_it);
    tcase_add_test(t, a_turn_serves_64_messages_of_a_connection_and_loses_none);
    tcase_add_test(t, a_hundred_refused_messages_in_a_row_close_with_1008);
    tcase_add_test(t, extensions_that_are_offered_are_never_agreed_on);
    tcase_add_test(t, a_thousand_dials_leave_the_open_connections_served);
    tcase_add_test(t, frames_of_which_only_the_header_comes_hold_no_memory);
    tcase_add_test(t, every_refused_allocation_of_new_is_reported_and_leaves_nothing);
    tcase_add_test(t, refused_memory_costs_a_connection_at_most);
    suite_add_tcase(s, t);
    return s;
}
