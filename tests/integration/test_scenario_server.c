/* The chat scenario in the standalone server, over real sockets. */
#include "chat.h"
#include "chat_fixture.h"
#include "dashboard.h"
#include "suite.h"
#include "ws_client.h"

#include <wsrt/server.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct host {
    wsrt_runtime *rt;
    wsrt_server *server;
    char address[64];
    struct ws_client *clients[SCENARIO_CLIENTS];
    int result;
};

static int server_connect(void *self, size_t client, const char *token)
{
    struct host *h = self;
    char query[128] = "";
    int status;

    if (token != NULL)
        snprintf(query, sizeof query, "token=%s", token);
    h->clients[client] = ws_client_open(h->address, query, &status);
    return status == 101 ? 0 : status;
}

static void server_send(void *self, size_t client, const char *text)
{
    ws_client_send(((struct host *)self)->clients[client], text);
}

static int server_receive(void *self, size_t client, char *dst, size_t cap)
{
    return ws_client_receive(((struct host *)self)->clients[client], dst, cap);
}

static void server_close(void *self, size_t client)
{
    ws_client_close(((struct host *)self)->clients[client]);
}

static void server_vanish(void *self, size_t client)
{
    ws_client_drop(((struct host *)self)->clients[client]);
}

static uint64_t server_records(void *self)
{
    return chat_records(((struct host *)self)->rt);
}

/* What a program on the same host does with any HTTP client. */
static void server_publish(void *self, const char *updates)
{
    struct host *h = self;
    static char request[SCENARIO_MESSAGE];
    char answer[1024];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strchr(h->address, ':') + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n = snprintf(request, sizeof request,
                     "POST /api/publish HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     h->address, strlen(updates), updates);
    ssize_t got, len = 0;

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    while ((got = recv(fd, answer + len, sizeof answer - 1 - (size_t)len, 0)) > 0)
        len += got;
    answer[len] = '\0';
    close(fd);
    ck_assert_msg(strstr(answer, "HTTP/1.1 200 ") == answer, "%s", answer);
}

static const struct scenario_driver driver = {server_connect, server_send,   server_receive,
                                              server_close,   server_vanish, server_records,
                                              server_publish};

static void *serve(void *user)
{
    struct host *h = user;

    h->result = wsrt_server_run(h->server);
    return NULL;
}

/* Plays a scenario against a server of its application. */
static void play(const char *name, int (*install)(wsrt_runtime *rt, wsrt_feed **feed))
{
    struct host h = {0};
    pthread_t thread;
    wsrt_static_auth *auth = chat_auth();
    wsrt_authenticator who;
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .authenticator = &who};
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &listen, .listen_count = 1};

    wsrt_static_auth_interface(auth, &who);
    ck_assert_int_eq(wsrt_runtime_new(&h.rt, &parts), WSRT_OK);
    ck_assert_int_eq(install(h.rt, &opts.feed), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&h.server, h.rt, &opts), WSRT_OK);
    ck_assert_int_eq(wsrt_server_address(h.server, 0, h.address, sizeof h.address, NULL), WSRT_OK);
    pthread_create(&thread, NULL, serve, &h);
    printf("# lines played: %zu\n", scenario_play(scenario_path(name), &driver, &h));
    wsrt_server_stop(h.server);
    pthread_join(thread, NULL);
    ck_assert_int_eq(h.result, WSRT_OK);
    wsrt_server_free(h.server);
    wsrt_runtime_free(h.rt);
    wsrt_static_auth_free(auth);
}

static int install_chat(wsrt_runtime *rt, wsrt_feed **feed)
{
    *feed = NULL;
    return chat_add_routes(rt, &(chat_options){.skip_sender = 1});
}

static int install_dashboard(wsrt_runtime *rt, wsrt_feed **feed)
{
    return dashboard_add_routes(rt, NULL, feed);
}

START_TEST(the_chat_scenario_plays_in_the_server)
{
    play("chat", install_chat);
}
END_TEST

START_TEST(the_dashboard_scenario_plays_in_the_server)
{
    play("dashboard", install_dashboard);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("scenario_server");
    TCase *t = tcase_create("scenario_server");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_chat_scenario_plays_in_the_server);
    tcase_add_test(t, the_dashboard_scenario_plays_in_the_server);
    suite_add_tcase(s, t);
    return s;
}
