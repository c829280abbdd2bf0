/* A server whose loops run in threads. */
#include "suite.h"
#include "threads_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Of a server that is asked for its state; "per_loop":[...] counts the open connections. */
static void per_loop(int counts[2])
{
    char text[65536] = "", request[] = "GET /api/state HTTP/1.1\r\nHost: localhost\r\n"
                                       "Connection: close\r\n\r\n";
    int fd = host_dial();
    size_t len = 0;
    ssize_t n;

    host_say(fd, request, sizeof request - 1);
    while ((n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0)
        len += (size_t)n;
    close(fd);
    const char *at = strstr(text, "\"per_loop\":[");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "\"per_loop\":[%d,%d]", &counts[0], &counts[1]), 2);
}

/* ---- several loops -------------------------------------------------------------------------- */

START_TEST(connections_are_spread_over_the_loops_of_one_address)
{
    struct ws_client *clients[CLIENTS];
    int counts[2];

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        ws_client_send(clients[i], "hello");
        host_expect(clients[i], "hello");
    }
    per_loop(counts);
    ck_assert_int_eq(counts[0] + counts[1], CLIENTS);
    ck_assert_int_gt(counts[0], 0);
    ck_assert_int_gt(counts[1], 0);
    host_close_all(clients, CLIENTS);
    host_stop();
}
END_TEST

START_TEST(a_broadcast_from_any_loop_reaches_the_connections_of_all)
{
    struct ws_client *clients[CLIENTS];

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        ws_client_send(clients[i], "all:news");
        for (int k = 0; k < CLIENTS; k++)
            host_expect(clients[k], "news");
    }
    host_close_all(clients, CLIENTS);
    host_stop();
}
END_TEST

START_TEST(a_handler_reaches_a_connection_of_another_loop_by_its_id)
{
    struct ws_client *clients[CLIENTS];
    char text[TEXT];

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(text, sizeof text, "to:%s:number %d", host.ids[i], i);
        ws_client_send(clients[0], text);
        snprintf(text, sizeof text, "number %d", i);
        host_expect(clients[i], text);
    }
    host_close_all(clients, CLIENTS);
    host_stop();
}
END_TEST

START_TEST(a_foreign_thread_posts_to_asks_about_and_closes_connections_of_all_loops)
{
    struct ws_client *clients[CLIENTS];
    char got[TEXT];

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        wsrt_span id = wsrt_span_cstr(host.ids[i]);
        wsrt_post post = {.struct_size = sizeof post, .data = id};
        wsrt_connection_info info = {.struct_size = sizeof info};
        ck_assert_int_eq(host.sender.ops->post(host.sender.self, &id, &post), WSRT_OK);
        host_expect(clients[i], host.ids[i]);
        ck_assert_int_eq(host.sender.ops->get(host.sender.self, &id, &info), WSRT_OK);
        ck_assert_str_eq(info.source_ip, "127.0.0.1");
        ck_assert_int_eq(host.sender.ops->disconnect(host.sender.self, &id, 4000, NULL), WSRT_OK);
        ck_assert_int_eq(ws_client_receive(clients[i], got, sizeof got), 0);
        ck_assert_int_eq(host.sender.ops->post(host.sender.self, &id, &post), WSRT_ERR_GONE);
    }
    host_drop_all(clients, CLIENTS);
    host_stop();
}
END_TEST

START_TEST(ids_that_are_none_of_the_servers_are_gone_whichever_loop_they_name)
{
    host_start((wsrt_server_options){.loops = 3});
    for (const char *c = "AEIMQUYcgkosw048"; *c != '\0'; c++) {
        char text[] = "AAAAAAAAAAAAAAA=";
        text[14] = *c;
        wsrt_span id = wsrt_span_cstr(text), shorter = {text, 9};
        wsrt_post post = {.struct_size = sizeof post, .data = id};
        ck_assert_int_eq(host.sender.ops->post(host.sender.self, &id, &post), WSRT_ERR_GONE);
        ck_assert_int_eq(host.sender.ops->post(host.sender.self, &shorter, &post), WSRT_ERR_GONE);
    }
    host_stop();
}
END_TEST

START_TEST(the_limit_of_connections_counts_over_all_loops)
{
    struct ws_client *clients[CLIENTS];
    int status;

    host_start((wsrt_server_options){.loops = 2, .max_connections = CLIENTS});
    host_open_all(clients, CLIENTS);
    for (int i = 0; i < 8; i++) {
        ck_assert_ptr_null(ws_client_open(host.address, "", &status));
        ck_assert_int_eq(status, 503);
    }
    ws_client_close(clients[0]);
    clients[0] = host_open();
    host_close_all(clients, CLIENTS);
    host_stop();
}
END_TEST

START_TEST(a_drain_ends_every_loop_and_closes_every_connection)
{
    struct ws_client *clients[CLIENTS];
    char got[TEXT];

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, CLIENTS);
    ck_assert_int_eq(wsrt_server_drain(host.server, NULL), WSRT_OK);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(ws_client_receive(clients[i], got, sizeof got), 0);
    host_drop_all(clients, CLIENTS);
    host_finish();
}
END_TEST

START_TEST(a_server_of_several_loops_cannot_be_stepped)
{
    host_make((wsrt_server_options){.loops = 2});
    ck_assert_int_eq(wsrt_server_fd(host.server), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_server_timeout(host.server), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_server_step(host.server), WSRT_ERR_UNSUPPORTED);
    host_free();
}
END_TEST

START_TEST(a_number_of_loops_out_of_range_is_refused)
{
    static const int32_t wrong[] = {-1, 65};
    wsrt_runtime *rt;

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    for (int i = 0; i < 2; i++) {
        wsrt_server_options o = {.struct_size = sizeof o, .loops = wrong[i]};
        wsrt_server *s;
        ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_INVALID);
        ck_assert_ptr_null(s);
    }
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(an_address_that_another_server_of_several_loops_serves_is_in_use)
{
    wsrt_server_options o = {.struct_size = sizeof o, .loops = 2, .listen_count = 1};
    wsrt_runtime *rt;
    wsrt_server *s;

    host_start((wsrt_server_options){.loops = 2});
    wsrt_span taken = wsrt_span_cstr(host.address);
    o.listen = &taken;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_IO);
    ck_assert_int_eq(errno, EADDRINUSE);
    wsrt_runtime_free(rt);
    host_stop();
}
END_TEST

START_TEST(all_loops_serve_one_unix_socket_whose_file_goes_with_them)
{
    char path[128], text[160], answer[256];
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    snprintf(path, sizeof path, "/tmp/wsrt-loops-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    wsrt_span listen = wsrt_span_cstr(text);
    host_start((wsrt_server_options){.loops = 2, .listen = &listen, .listen_count = 1});
    memcpy(to.sun_path, path, strlen(path));
    for (int i = 0; i < CLIENTS; i++) {
        static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        ck_assert_int_gt(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), 0);
        ck_assert_int_gt(recv(fd, answer, sizeof answer, 0), 12);
        ck_assert_int_eq(memcmp(answer, "HTTP/1.1 200", 12), 0);
        close(fd);
    }
    ck_assert_int_eq(wsrt_server_drain(host.server, NULL), WSRT_OK);
    host_finish();
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(each_of_four_foreign_senders_keeps_its_order_on_every_connection)
{
    struct ws_client *clients[BUSY];
    struct poster posters[SENDERS];

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, BUSY);
    for (int i = 0; i < SENDERS; i++) {
        posters[i].number = i;
        ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, host_post_sequence, &posters[i]),
                         0);
    }
    for (int k = 0; k < BUSY; k++)
        host_expect_sequences(clients[k]);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(posters[i].thread, NULL);
    host_close_all(clients, BUSY);
    host_stop();
}
END_TEST

START_TEST(settings_change_under_traffic_and_nobody_is_lost)
{
    struct ws_client *clients[BUSY];
    struct poster posters[SENDERS];
    wsrt_server_options o = {.struct_size = sizeof o, .loops = 2};

    host_start((wsrt_server_options){.loops = 2});
    host_open_all(clients, BUSY);
    for (int i = 0; i < SENDERS; i++) {
        posters[i].number = i;
        ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, host_post_sequence, &posters[i]),
                         0);
    }
    for (int i = 0; i < 200; i++) {
        o.slow_reader = i % 2 == 0 ? WSRT_SLOW_READER_CLOSE : WSRT_SLOW_READER_CONFLATE;
        o.idle_ms = 600000 + i;
        ck_assert_int_eq(wsrt_server_reload(host.server, &o), WSRT_OK);
    }
    for (int k = 0; k < BUSY; k++)
        host_expect_sequences(clients[k]);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(posters[i].thread, NULL);
    host_close_all(clients, BUSY);
    host_stop();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_threads");
    TCase *t = tcase_create("loops");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, connections_are_spread_over_the_loops_of_one_address);
    tcase_add_test(t, a_broadcast_from_any_loop_reaches_the_connections_of_all);
    tcase_add_test(t, a_handler_reaches_a_connection_of_another_loop_by_its_id);
    tcase_add_test(t, a_foreign_thread_posts_to_asks_about_and_closes_connections_of_all_loops);
    tcase_add_test(t, ids_that_are_none_of_the_servers_are_gone_whichever_loop_they_name);
    tcase_add_test(t, the_limit_of_connections_counts_over_all_loops);
    tcase_add_test(t, a_drain_ends_every_loop_and_closes_every_connection);
    tcase_add_test(t, a_server_of_several_loops_cannot_be_stepped);
    tcase_add_test(t, a_number_of_loops_out_of_range_is_refused);
    tcase_add_test(t, an_address_that_another_server_of_several_loops_serves_is_in_use);
    tcase_add_test(t, all_loops_serve_one_unix_socket_whose_file_goes_with_them);
    tcase_add_test(t, each_of_four_foreign_senders_keeps_its_order_on_every_connection);
    tcase_add_test(t, settings_change_under_traffic_and_nobody_is_lost);
    suite_add_tcase(s, t);
    return s;
}
