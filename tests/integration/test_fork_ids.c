/* Two children of one process never share an id, though fork() copies whatever a generator remembers. */
#include "suite.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>
#include <wsrt/server.h>

struct ids {
    char connection[64];
    char correlation[64];
};

struct host {
    wsrt_env env;
    uint64_t state; /* of the control's generator */
    wsrt_runtime *rt;
    wsrt_server *server;
    int port;
    struct ids seen;
};

static void keep(char *dst, wsrt_span text)
{
    snprintf(dst, sizeof((struct ids *)0)->connection, "%.*s", (int)text.len, text.ptr);
}

static int on_connect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct host *h = user;

    keep(h->seen.connection, req->event->connection_id);
    keep(h->seen.correlation, wsrt_context_correlation_id(ctx));
    return WSRT_OK;
}

/* What must not be used for ids: its state is the process's, so a child goes on where its parent was. */
static int own_generator(void *user, void *dst, size_t len)
{
    struct host *h = user;
    unsigned char *p = dst;

    for (size_t i = 0; i < len; i++) {
        h->state = h->state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (unsigned char)(h->state >> 56);
    }
    return WSRT_OK;
}

static void start(struct host *h, int (*random)(void *user, void *dst, size_t len))
{
    wsrt_span any = wsrt_span_cstr("127.0.0.1:0");
    wsrt_route route = {.struct_size = sizeof route,
                        .key = wsrt_span_cstr("$connect"),
                        .handler = on_connect,
                        .user = h};
    char address[64];

    *h = (struct host){.env = {.struct_size = sizeof h->env}, .state = 1};
    if (random != NULL) {
        h->env.random = random;
        h->env.user = h;
    }
    ck_assert_int_eq(wsrt_runtime_new(&h->rt, &(wsrt_runtime_options){.struct_size = sizeof(
                                                                          wsrt_runtime_options),
                                                                      .env = &h->env}),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(h->rt, &route), WSRT_OK);
    ck_assert_int_eq(
        wsrt_server_new(&h->server, h->rt,
                        &(wsrt_server_options){.struct_size = sizeof(wsrt_server_options),
                                               .env = &h->env,
                                               .listen = &any,
                                               .listen_count = 1}),
        WSRT_OK);
    ck_assert_int_eq(wsrt_server_address(h->server, 0, address, sizeof address, NULL), WSRT_OK);
    h->port = atoi(strrchr(address, ':') + 1);
}

static void stop(struct host *h)
{
    wsrt_server_free(h->server);
    wsrt_runtime_free(h->rt);
}

/* A client comes; its ids are in `seen`. */
static int visit(struct host *h)
{
    static const char upgrade[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(&h->seen, 0, sizeof h->seen);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        write(fd, upgrade, sizeof upgrade - 1) != (ssize_t)(sizeof upgrade - 1))
        return -1;
    for (int i = 0; i < 1000 && h->seen.connection[0] == '\0'; i++) {
        struct pollfd ready = {.fd = wsrt_server_fd(h->server), .events = POLLIN};
        poll(&ready, 1, 10);
        wsrt_server_step(h->server);
    }
    close(fd);
    return h->seen.connection[0] != '\0' ? 0 : -1;
}

static struct ids visit_in_a_child(struct host *h)
{
    struct ids said;
    int ends[2], status;

    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int rc = visit(h);
        _exit(rc == 0 && write(ends[1], &h->seen, sizeof h->seen) == sizeof h->seen ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(read(ends[0], &said, sizeof said), (int)sizeof said);
    close(ends[0]);
    close(ends[1]);
    return said;
}

START_TEST(two_children_of_a_server_share_no_id)
{
    struct host h;

    start(&h, NULL);
    ck_assert_int_eq(visit(&h), 0);
    struct ids parent = h.seen, one = visit_in_a_child(&h), two = visit_in_a_child(&h);
    ck_assert_str_ne(one.connection, two.connection);
    ck_assert_str_ne(one.correlation, two.correlation);
    ck_assert_str_ne(one.connection, parent.connection);
    stop(&h);
}
END_TEST

START_TEST(with_a_generator_of_its_own_they_would)
{
    struct host h;

    start(&h, own_generator);
    ck_assert_int_eq(visit(&h), 0);
    struct ids one = visit_in_a_child(&h), two = visit_in_a_child(&h);
    ck_assert_str_eq(one.connection, two.connection);
    stop(&h);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("fork_ids");
    TCase *tc = tcase_create("children");

    tcase_add_test(tc, two_children_of_a_server_share_no_id);
    tcase_add_test(tc, with_a_generator_of_its_own_they_would);
    suite_add_tcase(s, tc);
    return s;
}
