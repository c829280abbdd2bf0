/* The chat scenario in the standalone server, over real sockets. */
#include "chat.h"
#include "chat_fixture.h"
#include "suite.h"
#include "ws_client.h"

#include <wsrt/server.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const struct scenario_driver driver = {server_connect, server_send,   server_receive,
                                              server_close,   server_vanish, server_records};

static void *serve(void *user)
{
    struct host *h = user;

    h->result = wsrt_server_run(h->server);
    return NULL;
}

START_TEST(the_chat_scenario_plays_in_the_server)
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
    ck_assert_int_eq(chat_add_routes(h.rt, &(chat_options){.skip_sender = 1}), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&h.server, h.rt, &opts), WSRT_OK);
    ck_assert_int_eq(wsrt_server_address(h.server, 0, h.address, sizeof h.address, NULL), WSRT_OK);
    pthread_create(&thread, NULL, serve, &h);
    printf("# lines played: %zu\n", scenario_play(getenv("WSRT_SCENARIO"), &driver, &h));
    wsrt_server_stop(h.server);
    pthread_join(thread, NULL);
    ck_assert_int_eq(h.result, WSRT_OK);
    wsrt_server_free(h.server);
    wsrt_runtime_free(h.rt);
    wsrt_static_auth_free(auth);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("scenario_server");
    TCase *t = tcase_create("scenario_server");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_chat_scenario_plays_in_the_server);
    suite_add_tcase(s, t);
    return s;
}
