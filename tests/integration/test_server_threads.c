#define _GNU_SOURCE /* memmem */
/* A server whose loops and handlers run in threads, and clients on the loopback. */
#include "suite.h"
#include "ws_client.h"

#include <wsrt/server.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 32, TEXT = 256 };

struct rig {
    wsrt_runtime *rt;
    wsrt_server *server;
    wsrt_sender sender;
    pthread_t thread;
    char address[128];
    int result; /* of wsrt_server_run() */
    atomic_int connects;
    atomic_int disconnects;
    atomic_int messages;
    pthread_mutex_t lock;
    char ids[CLIENTS * 4][32]; /* of the CONNECTs so far */
    int id_count;
    int gone[CLIENTS * 4]; /* by their DISCONNECT */
    int late;              /* messages after that */
    int code;              /* of the last DISCONNECT */
    pthread_cond_t opens;
    int gate; /* closed while 0: "block" and the query "slow" wait before it */
    atomic_int waiting;
};

static struct rig rig;

/* ---- the application: echo; "all:TEXT" to everybody; "to:ID:TEXT" to one --------------------- */

static void wait_at_gate(struct rig *r)
{
    atomic_fetch_add(&r->waiting, 1);
    pthread_mutex_lock(&r->lock);
    while (!r->gate)
        pthread_cond_wait(&r->opens, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void open_gate(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    r->gate = 1;
    pthread_mutex_unlock(&r->lock);
    pthread_cond_broadcast(&r->opens);
}

/* Under the lock. */
static int number_of(const struct rig *r, wsrt_span id)
{
    int i = 0;

    while (i < r->id_count && memcmp(r->ids[i], id.ptr, id.len) != 0)
        i++;
    return i;
}

static int on_connect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct rig *r = user;
    wsrt_span id = req->event->connection_id, what;

    if (wsrt_event_query(req->event, "slow", &what) == WSRT_OK)
        wait_at_gate(r);
    if (wsrt_event_query(req->event, "refuse", &what) == WSRT_OK) {
        wsrt_respond_header(ctx, wsrt_span_cstr("X-Why"), wsrt_span_cstr("because"));
        return wsrt_respond(ctx, 403, wsrt_span_cstr("{\"no\":1}"));
    }
    pthread_mutex_lock(&r->lock);
    if (r->id_count < CLIENTS * 4)
        memcpy(r->ids[r->id_count++], id.ptr, id.len);
    pthread_mutex_unlock(&r->lock);
    atomic_fetch_add(&r->connects, 1);
    return 0;
}

static int on_disconnect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct rig *r = user;

    (void)ctx;
    pthread_mutex_lock(&r->lock);
    int i = number_of(r, req->event->connection_id);
    if (i < r->id_count)
        r->gone[i] = 1;
    r->code = req->event->disconnect_code;
    pthread_mutex_unlock(&r->lock);
    atomic_fetch_add(&r->disconnects, 1);
    return 0;
}

static int send_on(struct rig *r, wsrt_span body)
{
    wsrt_post post = {.struct_size = sizeof post, .flags = WSRT_POST_REPLY};

    if (body.ptr[0] == 'a') {
        post.data = (wsrt_span){body.ptr + 4, body.len - 4};
        return wsrt_broadcast(r->rt, NULL, &post, NULL);
    }
    post.data = (wsrt_span){body.ptr + 20, body.len - 20};
    return wsrt_send(r->rt, (wsrt_span){body.ptr + 3, 16}, &post);
}

static int on_message(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct rig *r = user;
    wsrt_span body = req->event->body;

    atomic_fetch_add(&r->messages, 1);
    pthread_mutex_lock(&r->lock);
    int i = number_of(r, req->event->connection_id);
    r->late += i < r->id_count && r->gone[i];
    pthread_mutex_unlock(&r->lock);
    if (body.len == 5 && memcmp(body.ptr, "block", 5) == 0)
        wait_at_gate(r);
    if (body.len > 1000 || (body.len > 7 && memcmp(body.ptr, "message", 7) == 0))
        return 0;
    if (body.len > 4 && (memcmp(body.ptr, "all:", 4) == 0 || memcmp(body.ptr, "to:", 3) == 0))
        return send_on(r, body);
    return wsrt_reply(ctx, body);
}

static void add_route(struct rig *r, const char *key, wsrt_handler handler)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler, .user = r};

    ck_assert_int_eq(wsrt_runtime_route(r->rt, &route), WSRT_OK);
}

/* ---- the server ----------------------------------------------------------------------------- */

static void *run(void *user)
{
    struct rig *r = user;

    r->result = wsrt_server_run(r->server);
    return NULL;
}

static void make(wsrt_server_options o)
{
    static const wsrt_span anywhere[] = {{"127.0.0.1:0", 11}};
    wsrt_runtime_options ro = {.struct_size = sizeof ro, .flags = WSRT_RUNTIME_NO_LIMITS};
    struct rig *r = &rig;
    size_t len;

    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->opens, NULL);
    ck_assert_int_eq(wsrt_runtime_new(&r->rt, &ro), WSRT_OK);
    add_route(r, "$connect", on_connect);
    add_route(r, "$disconnect", on_disconnect);
    add_route(r, "$default", on_message);
    o.struct_size = sizeof o;
    if (o.listen == NULL) {
        o.listen = anywhere;
        o.listen_count = 1;
    }
    ck_assert_int_eq(wsrt_server_new(&r->server, r->rt, &o), WSRT_OK);
    wsrt_server_sender(r->server, &r->sender);
    ck_assert_int_eq(wsrt_server_address(r->server, 0, r->address, sizeof r->address, &len),
                     WSRT_OK);
}

static void start(wsrt_server_options o)
{
    make(o);
    ck_assert_int_eq(pthread_create(&rig.thread, NULL, run, &rig), 0);
}

static void finish(void)
{
    pthread_join(rig.thread, NULL);
    ck_assert_int_eq(rig.result, WSRT_OK);
    wsrt_server_free(rig.server);
    wsrt_runtime_free(rig.rt);
    pthread_mutex_destroy(&rig.lock);
    pthread_cond_destroy(&rig.opens);
    ck_assert_int_eq(rig.late, 0);
    ck_assert_int_eq(atomic_load(&rig.connects), atomic_load(&rig.disconnects));
}

static void stop(void)
{
    wsrt_server_stop(rig.server);
    finish();
}

/* ---- clients -------------------------------------------------------------------------------- */

static struct ws_client *open_one(void)
{
    int status;
    struct ws_client *c = ws_client_open(rig.address, "", &status);

    ck_assert_int_eq(status, 101);
    return c;
}

static void open_all(struct ws_client **clients, int n)
{
    for (int i = 0; i < n; i++)
        clients[i] = open_one();
}

static void close_all(struct ws_client **clients, int n)
{
    for (int i = 0; i < n; i++)
        ws_client_close(clients[i]);
}

static void drop_all(struct ws_client **clients, int n)
{
    for (int i = 0; i < n; i++)
        ws_client_drop(clients[i]);
}

static void expect(struct ws_client *c, const char *text)
{
    char got[TEXT];

    ck_assert_int_eq(ws_client_receive(c, got, sizeof got), 1);
    ck_assert_str_eq(got, text);
}

/* A connection that speaks for itself. */
static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)atoi(strrchr(rig.address, ':') + 1));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *text, size_t len)
{
    ck_assert_int_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads until the text is there. */
static void hear(int fd, const char *text)
{
    char got[4096] = "";
    size_t len = 0;

    while (memmem(got, len, text, strlen(text)) == NULL) {
        ssize_t n = recv(fd, got + len, sizeof got - len, 0);
        ck_assert_msg(n > 0, "no '%s' in '%.*s'", text, (int)len, got);
        len += (size_t)n;
    }
}

/* Of a server that is asked for its state; "per_loop":[...] counts the open connections. */
static void per_loop(int counts[2])
{
    char text[65536] = "", request[] = "GET /api/state HTTP/1.1\r\nHost: localhost\r\n"
                                       "Connection: close\r\n\r\n";
    int fd = dial();
    size_t len = 0;
    ssize_t n;

    say(fd, request, sizeof request - 1);
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

    start((wsrt_server_options){.loops = 2});
    open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        ws_client_send(clients[i], "hello");
        expect(clients[i], "hello");
    }
    per_loop(counts);
    ck_assert_int_eq(counts[0] + counts[1], CLIENTS);
    ck_assert_int_gt(counts[0], 0);
    ck_assert_int_gt(counts[1], 0);
    close_all(clients, CLIENTS);
    stop();
}
END_TEST

START_TEST(a_broadcast_from_any_loop_reaches_the_connections_of_all)
{
    struct ws_client *clients[CLIENTS];

    start((wsrt_server_options){.loops = 2});
    open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        ws_client_send(clients[i], "all:news");
        for (int k = 0; k < CLIENTS; k++)
            expect(clients[k], "news");
    }
    close_all(clients, CLIENTS);
    stop();
}
END_TEST

START_TEST(a_handler_reaches_a_connection_of_another_loop_by_its_id)
{
    struct ws_client *clients[CLIENTS];
    char text[TEXT];

    start((wsrt_server_options){.loops = 2});
    open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(text, sizeof text, "to:%s:number %d", rig.ids[i], i);
        ws_client_send(clients[0], text);
        snprintf(text, sizeof text, "number %d", i);
        expect(clients[i], text);
    }
    close_all(clients, CLIENTS);
    stop();
}
END_TEST

START_TEST(a_foreign_thread_posts_to_asks_about_and_closes_connections_of_all_loops)
{
    struct ws_client *clients[CLIENTS];
    char got[TEXT];

    start((wsrt_server_options){.loops = 2});
    open_all(clients, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        wsrt_span id = wsrt_span_cstr(rig.ids[i]);
        wsrt_post post = {.struct_size = sizeof post, .data = id};
        wsrt_connection_info info = {.struct_size = sizeof info};
        ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &post), WSRT_OK);
        expect(clients[i], rig.ids[i]);
        ck_assert_int_eq(rig.sender.ops->get(rig.sender.self, &id, &info), WSRT_OK);
        ck_assert_str_eq(info.source_ip, "127.0.0.1");
        ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 4000, NULL), WSRT_OK);
        ck_assert_int_eq(ws_client_receive(clients[i], got, sizeof got), 0);
        ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &post), WSRT_ERR_GONE);
    }
    drop_all(clients, CLIENTS);
    stop();
}
END_TEST

START_TEST(ids_that_are_none_of_the_servers_are_gone_whichever_loop_they_name)
{
    start((wsrt_server_options){.loops = 3});
    for (const char *c = "AEIMQUYcgkosw048"; *c != '\0'; c++) {
        char text[] = "AAAAAAAAAAAAAAA=";
        text[14] = *c;
        wsrt_span id = wsrt_span_cstr(text), shorter = {text, 9};
        wsrt_post post = {.struct_size = sizeof post, .data = id};
        ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &post), WSRT_ERR_GONE);
        ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &shorter, &post), WSRT_ERR_GONE);
    }
    stop();
}
END_TEST

START_TEST(the_limit_of_connections_counts_over_all_loops)
{
    struct ws_client *clients[CLIENTS];
    int status;

    start((wsrt_server_options){.loops = 2, .max_connections = CLIENTS});
    open_all(clients, CLIENTS);
    for (int i = 0; i < 8; i++) {
        ck_assert_ptr_null(ws_client_open(rig.address, "", &status));
        ck_assert_int_eq(status, 503);
    }
    ws_client_close(clients[0]);
    clients[0] = open_one();
    close_all(clients, CLIENTS);
    stop();
}
END_TEST

START_TEST(a_drain_ends_every_loop_and_closes_every_connection)
{
    struct ws_client *clients[CLIENTS];
    char got[TEXT];

    start((wsrt_server_options){.loops = 2});
    open_all(clients, CLIENTS);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(ws_client_receive(clients[i], got, sizeof got), 0);
    drop_all(clients, CLIENTS);
    finish();
}
END_TEST

START_TEST(a_server_of_several_loops_cannot_be_stepped)
{
    make((wsrt_server_options){.loops = 2});
    ck_assert_int_eq(wsrt_server_fd(rig.server), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_UNSUPPORTED);
    wsrt_server_free(rig.server);
    wsrt_runtime_free(rig.rt);
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

    start((wsrt_server_options){.loops = 2});
    wsrt_span taken = wsrt_span_cstr(rig.address);
    o.listen = &taken;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_IO);
    ck_assert_int_eq(errno, EADDRINUSE);
    wsrt_runtime_free(rt);
    stop();
}
END_TEST

START_TEST(all_loops_serve_one_unix_socket_whose_file_goes_with_them)
{
    char path[128], text[160], answer[256];
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    snprintf(path, sizeof path, "/tmp/wsrt-loops-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    wsrt_span listen = wsrt_span_cstr(text);
    start((wsrt_server_options){.loops = 2, .listen = &listen, .listen_count = 1});
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
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    finish();
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* ---- all at once ---------------------------------------------------------------------------- */

enum { SENDERS = 4, POSTS = 400, BUSY = 8 };

struct poster {
    pthread_t thread;
    int number;
};

/* Posts its own sequence to every connection, again while one is slow. */
static void *post_sequence(void *user)
{
    const struct poster *p = user;
    char text[64];

    for (int i = 0; i < POSTS; i++)
        for (int k = 0; k < BUSY; k++) {
            wsrt_span id = wsrt_span_cstr(rig.ids[k]);
            snprintf(text, sizeof text, "%d %d", p->number, i);
            wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
            while (rig.sender.ops->post(rig.sender.self, &id, &post) == WSRT_ERR_THROTTLED)
                sched_yield();
        }
    return NULL;
}

static void expect_sequences(struct ws_client *c)
{
    int next[SENDERS] = {0}, sender, number;
    char got[TEXT];

    for (int i = 0; i < SENDERS * POSTS; i++) {
        ck_assert_int_eq(ws_client_receive(c, got, sizeof got), 1);
        ck_assert_int_eq(sscanf(got, "%d %d", &sender, &number), 2);
        ck_assert_int_eq(number, next[sender]++);
    }
}

START_TEST(each_of_four_foreign_senders_keeps_its_order_on_every_connection)
{
    struct ws_client *clients[BUSY];
    struct poster posters[SENDERS];

    start((wsrt_server_options){.loops = 2});
    open_all(clients, BUSY);
    for (int i = 0; i < SENDERS; i++) {
        posters[i].number = i;
        ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, post_sequence, &posters[i]), 0);
    }
    for (int k = 0; k < BUSY; k++)
        expect_sequences(clients[k]);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(posters[i].thread, NULL);
    close_all(clients, BUSY);
    stop();
}
END_TEST

/* ---- workers -------------------------------------------------------------------------------- */

static const wsrt_server_options two_loops_four_workers = {.loops = 2, .workers = 4};

/* Waits, the processor given away meanwhile, until a value is there or half a minute has passed. */
static int comes_to(uint64_t (*value)(void), uint64_t wanted)
{
    time_t end = time(NULL) + 30;

    while (value() != wanted && time(NULL) < end)
        sched_yield();
    return value() == wanted;
}

static uint64_t messages_in(void)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    ck_assert_int_eq(wsrt_server_get_stats(rig.server, &stats), WSRT_OK);
    return stats.messages_in;
}

static uint64_t waiting(void)
{
    return (uint64_t)atomic_load(&rig.waiting);
}

START_TEST(workers_keep_the_order_of_each_connection)
{
    struct ws_client *clients[BUSY];
    char text[TEXT];

    start(two_loops_four_workers);
    open_all(clients, BUSY);
    for (int i = 0; i < 500; i++)
        for (int k = 0; k < BUSY; k++) {
            snprintf(text, sizeof text, "%d of %d", i, k);
            ws_client_send(clients[k], text);
        }
    for (int k = 0; k < BUSY; k++)
        for (int i = 0; i < 500; i++) {
            snprintf(text, sizeof text, "%d of %d", i, k);
            expect(clients[k], text);
        }
    close_all(clients, BUSY);
    stop();
}
END_TEST

START_TEST(a_handler_that_blocks_stalls_no_other_connection)
{
    start((wsrt_server_options){.workers = 2});
    struct ws_client *blocked = open_one(), *other = open_one();
    ws_client_send(blocked, "block");
    ck_assert(comes_to(waiting, 1));
    for (int i = 0; i < 100; i++) {
        ws_client_send(other, "hello");
        expect(other, "hello");
    }
    open_gate(&rig);
    expect(blocked, "block");
    ws_client_close(blocked);
    ws_client_close(other);
    stop();
}
END_TEST

START_TEST(of_64_messages_that_wait_no_more_is_read_until_there_is_room)
{
    char text[TEXT];

    start((wsrt_server_options){.workers = 2});
    struct ws_client *c = open_one(), *other = open_one();
    ws_client_send(c, "block");
    ck_assert(comes_to(waiting, 1));
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i);
        ws_client_send(c, text);
    }
    ck_assert(comes_to(messages_in, 64));
    for (int i = 0; i < 10; i++) { /* in whose turns more could be read */
        ws_client_send(other, "hello");
        expect(other, "hello");
    }
    ck_assert_uint_eq(messages_in(), 64 + 10);
    open_gate(&rig);
    expect(c, "block");
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i);
        expect(c, text);
    }
    ws_client_close(c);
    ws_client_close(other);
    stop();
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

    start((wsrt_server_options){.workers = 2});
    struct ws_client *c = open_one(), *other = open_one();
    ws_client_send(c, "block");
    ck_assert(comes_to(waiting, 1));
    ck_assert_int_eq(pthread_create(&thread, NULL, send_large, c), 0);
    ck_assert(comes_to(messages_in, 1 + 8));
    for (int i = 0; i < 10; i++) {
        ws_client_send(other, "hello");
        expect(other, "hello");
    }
    ck_assert_uint_eq(messages_in(), 1 + 8 + 10);
    open_gate(&rig);
    expect(c, "block");
    ck_assert(comes_to(messages_in, 1 + LARGE_COUNT + 10));
    pthread_join(thread, NULL);
    ws_client_close(c);
    ws_client_close(other);
    stop();
}
END_TEST

/* What `finish` finds: a DISCONNECT for each CONNECT, and no message behind it. */
START_TEST(the_disconnect_is_handled_once_and_after_the_last_message)
{
    struct ws_client *clients[CLIENTS];

    start(two_loops_four_workers);
    open_all(clients, CLIENTS);
    for (int k = 0; k < CLIENTS; k++) {
        for (int i = 0; i < 50; i++)
            ws_client_send(clients[k], "hello");
        if (k % 2 == 0)
            ws_client_close(clients[k]);
        else
            ws_client_drop(clients[k]);
    }
    stop();
    ck_assert_int_eq(atomic_load(&rig.connects), CLIENTS);
}
END_TEST

static const char upgrade_of[] = "GET /?%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void ask_for_upgrade(int fd, const char *query, const char *more)
{
    char text[512];
    int len = snprintf(text, sizeof text, upgrade_of, query);

    len += snprintf(text + len, sizeof text - (size_t)len, "%s", more);
    say(fd, text, (size_t)len);
}

START_TEST(who_leaves_while_its_connect_is_handled_gets_a_disconnect_with_1006)
{
    struct linger hard = {1, 0};

    start((wsrt_server_options){.workers = 1});
    int fd = dial();
    ask_for_upgrade(fd, "slow=1", "");
    ck_assert(comes_to(waiting, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    open_gate(&rig);
    stop();
    ck_assert_int_eq(atomic_load(&rig.disconnects), 1);
    ck_assert_int_eq(rig.code, 1006);
}
END_TEST

START_TEST(bytes_behind_the_head_wait_for_the_connect_and_belong_to_the_websocket)
{
    start((wsrt_server_options){.workers = 2});
    int fd = dial();
    ask_for_upgrade(fd, "slow=1", "\x81\x85zzzz\x12\x1f\x16\x16\x15"); /* "hello" */
    ck_assert(comes_to(waiting, 1));
    ck_assert_uint_eq(messages_in(), 0);
    open_gate(&rig);
    hear(fd, "hello");
    close(fd);
    stop();
}
END_TEST

START_TEST(a_workers_refusal_of_connect_is_the_answer_and_the_connection_goes_on)
{
    static const char next[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

    start((wsrt_server_options){.workers = 2});
    int fd = dial();
    ask_for_upgrade(fd, "refuse=1", next);
    hear(fd, "{\"no\":1}HTTP/1.1 200 OK");
    ask_for_upgrade(fd, "refuse=1", "");
    hear(fd, "X-Why: because");
    close(fd);
    stop();
    ck_assert_int_eq(atomic_load(&rig.connects), 0);
}
END_TEST

START_TEST(a_refused_or_abandoned_connect_gives_its_place_back)
{
    start((wsrt_server_options){.workers = 2, .max_connections = 1});
    for (int i = 0; i < 4; i++) {
        int fd = dial();
        ask_for_upgrade(fd, "refuse=1", "");
        hear(fd, "HTTP/1.1 403");
        close(fd);
    }
    ws_client_close(open_one());
    stop();
}
END_TEST

START_TEST(a_drain_waits_for_the_handlers_under_way)
{
    start((wsrt_server_options){.workers = 2});
    struct ws_client *c = open_one();
    ws_client_send(c, "block");
    ck_assert(comes_to(waiting, 1));
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    char got[TEXT];
    ck_assert_int_eq(ws_client_receive(c, got, sizeof got), 0); /* a close frame */
    ws_client_drop(c);
    ck_assert_int_eq(atomic_load(&rig.disconnects), 0);
    open_gate(&rig);
    finish();
    ck_assert_int_eq(atomic_load(&rig.disconnects), 1);
}
END_TEST

START_TEST(two_loops_four_workers_and_four_foreign_senders_lose_nothing)
{
    struct ws_client *clients[BUSY];
    struct poster posters[SENDERS];

    start(two_loops_four_workers);
    open_all(clients, BUSY);
    for (int i = 0; i < SENDERS; i++) {
        posters[i].number = i;
        ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, post_sequence, &posters[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        for (int k = 0; k < BUSY; k++)
            ws_client_send(clients[k], "message of no sender: nothing comes back");
    for (int k = 0; k < BUSY; k++)
        expect_sequences(clients[k]);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(posters[i].thread, NULL);
    ck_assert(comes_to(messages_in, 20 * BUSY));
    close_all(clients, BUSY);
    stop();
    ck_assert_int_eq(atomic_load(&rig.messages), 20 * BUSY);
}
END_TEST

static TCase *workers(void)
{
    TCase *t = tcase_create("workers");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, workers_keep_the_order_of_each_connection);
    tcase_add_test(t, a_handler_that_blocks_stalls_no_other_connection);
    tcase_add_test(t, of_64_messages_that_wait_no_more_is_read_until_there_is_room);
    tcase_add_test(t, of_a_mebibyte_that_waits_no_more_is_read_until_there_is_room);
    tcase_add_test(t, the_disconnect_is_handled_once_and_after_the_last_message);
    tcase_add_test(t, who_leaves_while_its_connect_is_handled_gets_a_disconnect_with_1006);
    tcase_add_test(t, bytes_behind_the_head_wait_for_the_connect_and_belong_to_the_websocket);
    tcase_add_test(t, a_workers_refusal_of_connect_is_the_answer_and_the_connection_goes_on);
    tcase_add_test(t, a_refused_or_abandoned_connect_gives_its_place_back);
    tcase_add_test(t, a_drain_waits_for_the_handlers_under_way);
    tcase_add_test(t, two_loops_four_workers_and_four_foreign_senders_lose_nothing);
    return t;
}

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
    suite_add_tcase(s, t);
    suite_add_tcase(s, workers());
    return s;
}
