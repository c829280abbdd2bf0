#define _GNU_SOURCE /* memmem */
#include "threads_rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct host host;
int host_limited;
int host_holds_records;
int host_store_status;
struct heap *host_heap;

/* ---- the application: echo; "all:TEXT" to everybody; "to:ID:TEXT" to one --------------------- */

static void wait_at_gate(struct host *r)
{
    atomic_fetch_add(&r->waiting, 1);
    pthread_mutex_lock(&r->lock);
    while (!r->gate)
        pthread_cond_wait(&r->opens, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

void host_open_gate(void)
{
    struct host *r = &host;

    pthread_mutex_lock(&r->lock);
    r->gate = 1;
    pthread_mutex_unlock(&r->lock);
    pthread_cond_broadcast(&r->opens);
}

/* Under the lock. */
static int number_of(const struct host *r, wsrt_span id)
{
    int i = 0;

    while (i < r->id_count && memcmp(r->ids[i], id.ptr, id.len) != 0)
        i++;
    return i;
}

static int on_connect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_post hello = {.struct_size = sizeof hello, .data = {"to myself", 9}};
    struct host *r = user;
    wsrt_span id = req->event->connection_id, what;

    if (wsrt_event_query(req->event, "self", &what) == WSRT_OK)
        r->to_self = wsrt_send(r->rt, id, &hello);
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
    struct host *r = user;

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

static int send_on(struct host *r, wsrt_span body)
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
    struct host *r = user;
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

static void add_route(struct host *r, const char *key, wsrt_handler handler)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler, .user = r};

    ck_assert_int_eq(wsrt_runtime_route(r->rt, &route), WSRT_OK);
}

/* ---- a store that others see before its caller does ------------------------------------------- */

static wsrt_store memory;

static int put_and_hold(void *self, const wsrt_record *record, int if_absent, int64_t now_s)
{
    int rc = memory.ops->put(self, record, if_absent, now_s);

    if (!host_holds_records)
        return rc;
    wait_at_gate(&host);
    return host_store_status;
}

static wsrt_store make_store(struct host *r)
{
    static wsrt_store_ops ops;

    ck_assert_int_eq(wsrt_memory_store_new(&r->store, NULL), WSRT_OK);
    wsrt_memory_store_connections(r->store, &memory);
    ops = *memory.ops;
    ops.put = put_and_hold;
    return (wsrt_store){&ops, memory.self};
}

/* ---- the server ----------------------------------------------------------------------------- */

static void *run(void *user)
{
    struct host *r = user;

    r->result = wsrt_server_run(r->server);
    return NULL;
}

void host_make(wsrt_server_options o)
{
    static const wsrt_span anywhere[] = {{"127.0.0.1:0", 11}};
    wsrt_runtime_options ro = {.struct_size = sizeof ro,
                               .flags = host_limited ? 0 : WSRT_RUNTIME_NO_LIMITS};
    struct host *r = &host;
    size_t len;

    memset(r, 0, sizeof *r);
    const wsrt_store store = make_store(r);
    ro.store = &store;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->opens, NULL);
    ck_assert_int_eq(wsrt_runtime_new(&r->rt, &ro), WSRT_OK);
    add_route(r, "$connect", on_connect);
    add_route(r, "$disconnect", on_disconnect);
    add_route(r, "$default", on_message);
    o.struct_size = sizeof o;
    if (host_heap != NULL)
        o.allocator = host_heap->allocator;
    if (o.listen == NULL) {
        o.listen = anywhere;
        o.listen_count = 1;
    }
    ck_assert_int_eq(wsrt_server_new(&r->server, r->rt, &o), WSRT_OK);
    wsrt_server_sender(r->server, &r->sender);
    ck_assert_int_eq(wsrt_server_address(r->server, 0, r->address, sizeof r->address, &len),
                     WSRT_OK);
}

void host_start(wsrt_server_options o)
{
    host_make(o);
    ck_assert_int_eq(pthread_create(&host.thread, NULL, run, &host), 0);
}

void host_finish(void)
{
    pthread_join(host.thread, NULL);
    ck_assert_int_eq(host.result, WSRT_OK);
    host_free();
}

void host_free(void)
{
    wsrt_server_free(host.server);
    wsrt_runtime_free(host.rt);
    wsrt_memory_store_free(host.store);
    pthread_mutex_destroy(&host.lock);
    pthread_cond_destroy(&host.opens);
    ck_assert_int_eq(host.late, 0);
    ck_assert_int_eq(atomic_load(&host.connects), atomic_load(&host.disconnects));
}

void host_stop(void)
{
    wsrt_server_stop(host.server);
    host_finish();
}

/* ---- clients -------------------------------------------------------------------------------- */

struct ws_client *host_open(void)
{
    int status;
    struct ws_client *c = ws_client_open(host.address, "", &status);

    ck_assert_int_eq(status, 101);
    return c;
}

void host_open_all(struct ws_client **clients, int n)
{
    for (int i = 0; i < n; i++)
        clients[i] = host_open();
}

void host_close_all(struct ws_client **clients, int n)
{
    for (int i = 0; i < n; i++)
        ws_client_close(clients[i]);
}

void host_drop_all(struct ws_client **clients, int n)
{
    for (int i = 0; i < n; i++)
        ws_client_drop(clients[i]);
}

void host_expect(struct ws_client *c, const char *text)
{
    char got[TEXT];

    ck_assert_int_eq(ws_client_receive(c, got, sizeof got), 1);
    ck_assert_str_eq(got, text);
}

/* A connection that speaks for itself. */
int host_dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)atoi(strrchr(host.address, ':') + 1));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

void host_say(int fd, const char *text, size_t len)
{
    ck_assert_int_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads until the text is there. */
void host_hear(int fd, const char *text)
{
    static char got[256 * 1024];
    size_t len = 0;

    while (memmem(got, len, text, strlen(text)) == NULL) {
        ssize_t n = recv(fd, got + len, sizeof got - len, 0);
        ck_assert_msg(n > 0, "no '%s' in '%.*s'", text, (int)len, got);
        len += (size_t)n;
    }
}

static const char upgrade_of[] = "GET /?%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

void host_ask_for_upgrade(int fd, const char *query, const char *more)
{
    char text[512];
    int len = snprintf(text, sizeof text, upgrade_of, query);

    len += snprintf(text + len, sizeof text - (size_t)len, "%s", more);
    host_say(fd, text, (size_t)len);
}

/* ---- foreign senders ------------------------------------------------------------------------ */

/* Posts its own sequence to every connection, again while one is slow. */
void *host_post_sequence(void *user)
{
    const struct poster *p = user;
    char text[64];

    for (int i = 0; i < POSTS; i++)
        for (int k = 0; k < BUSY; k++) {
            wsrt_span id = wsrt_span_cstr(host.ids[k]);
            snprintf(text, sizeof text, "%d %d", p->number, i);
            wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
            while (host.sender.ops->post(host.sender.self, &id, &post) == WSRT_ERR_THROTTLED)
                sched_yield();
        }
    return NULL;
}

void host_expect_sequences(struct ws_client *c)
{
    int next[SENDERS] = {0}, sender, number;
    char got[TEXT];

    for (int i = 0; i < SENDERS * POSTS; i++) {
        ck_assert_int_eq(ws_client_receive(c, got, sizeof got), 1);
        ck_assert_int_eq(sscanf(got, "%d %d", &sender, &number), 2);
        ck_assert_int_eq(number, next[sender]++);
    }
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* Waits, the processor given away meanwhile, until a value is there or half a minute has passed. */
int host_comes_to(uint64_t (*value)(void), uint64_t wanted)
{
    time_t end = time(NULL) + 30;

    while (value() != wanted && time(NULL) < end)
        sched_yield();
    return value() == wanted;
}

uint64_t host_messages_in(void)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    ck_assert_int_eq(wsrt_server_get_stats(host.server, &stats), WSRT_OK);
    return stats.messages_in;
}

uint64_t host_waiting(void)
{
    return (uint64_t)atomic_load(&host.waiting);
}
