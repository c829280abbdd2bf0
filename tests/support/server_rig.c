#include "server_rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE = 60, IDLE_ROUNDS = 3 };

const char rig_upgrade[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const wsrt_authenticator *rig_authenticator;
int rig_limited;

/* ---- the host ------------------------------------------------------------------------------- */

static int64_t rig_now(void *user)
{
    return ((struct rig *)user)->now;
}

static int64_t rig_wall(void *user)
{
    return ((struct rig *)user)->wall;
}

static int64_t rig_cpu(void *user)
{
    struct rig *r = user;

    return r->cpu += r->cpu_step;
}

static void rig_log(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                    size_t count)
{
    struct rig *r = user;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name_cstr, "route") == 0)
            snprintf(r->slow_route, sizeof r->slow_route, "%.*s", (int)fields[i].text.len,
                     fields[i].text.ptr);
        if (strcmp(event_cstr, "server.restart_needed") == 0)
            snprintf(r->restart_settings, sizeof r->restart_settings, "%.*s",
                     (int)fields[i].text.len, fields[i].text.ptr);
    }
    if (level < WSRT_LEVEL_WARN)
        return;
    r->errors += level >= WSRT_LEVEL_ERROR;
    r->warnings += level == WSRT_LEVEL_WARN;
    snprintf(r->event, sizeof r->event, "%s", event_cstr);
}

static int on_connect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct rig *r = user;
    wsrt_span id = req->event->connection_id;

    r->connects++;
    memcpy(r->id, id.ptr, id.len);
    r->id[id.len] = '\0';
    if (r->on_connect != NULL)
        r->on_connect(r, req);
    if (r->protocol_cstr != NULL)
        wsrt_respond_header(ctx, wsrt_span_cstr("Sec-WebSocket-Protocol"),
                            wsrt_span_cstr(r->protocol_cstr));
    if (r->note_cstr != NULL)
        return wsrt_respond_header(ctx, wsrt_span_cstr("X-Note"), wsrt_span_cstr(r->note_cstr));
    if (r->connect_status != 0)
        return wsrt_respond(ctx, r->connect_status, wsrt_span_cstr("{\"no\":1}"));
    return 0;
}

static int on_disconnect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct rig *r = user;
    wsrt_span why = req->event->disconnect_reason;

    (void)ctx;
    r->disconnects++;
    r->code = req->event->disconnect_code;
    memcpy(r->reason, why.ptr == NULL ? "" : why.ptr, why.len);
    r->reason[why.len] = '\0';
    return 0;
}

static int on_message(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct rig *r = user;

    r->messages++;
    if (r->disconnects >= r->connects)
        r->late_messages++;
    return r->on_message != NULL ? r->on_message(r, ctx, req) : wsrt_reply(ctx, req->event->body);
}

static void add_route(struct rig *r, const char *key, wsrt_handler handler)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler, .user = r};

    ck_assert_int_eq(wsrt_runtime_route(r->rt, &route), WSRT_OK);
}

void rig_start(struct rig *r, const wsrt_server_options *opts)
{
    static const wsrt_span nowhere[1];
    wsrt_runtime_options ro = {.struct_size = sizeof ro,
                               .flags = rig_limited ? 0 : WSRT_RUNTIME_NO_LIMITS};
    wsrt_server_options so = {.struct_size = sizeof so};
    size_t len;

    memset(r, 0, sizeof *r);
    heap_init(&r->heap);
    r->now = INT64_C(1000000000000);
    r->wall = INT64_C(1795168800000);
    r->env = (wsrt_env){.struct_size = sizeof r->env,
                        .user = r,
                        .now = rig_now,
                        .wall = rig_wall,
                        .cpu = rig_cpu,
                        .log = rig_log};
    ro.env = &r->env;
    ro.authenticator = rig_authenticator;
    ck_assert_int_eq(wsrt_runtime_new(&r->rt, &ro), WSRT_OK);
    add_route(r, "$connect", on_connect);
    add_route(r, "$disconnect", on_disconnect);
    add_route(r, "$default", on_message);
    if (opts != NULL)
        so = *opts;
    so.env = &r->env;
    so.allocator = r->heap.allocator;
    if (so.listen == NULL)
        so.listen = nowhere;
    ck_assert_int_eq(wsrt_server_new(&r->server, r->rt, &so), WSRT_OK);
    wsrt_server_sender(r->server, &r->sender);
    if (wsrt_server_address(r->server, 0, r->address, sizeof r->address, &len) == WSRT_OK &&
        strrchr(r->address, ':') != NULL)
        r->port = atoi(strrchr(r->address, ':') + 1);
}

void rig_start_with(struct rig *r, wsrt_server_options o)
{
    o.struct_size = sizeof o;
    rig_start(r, &o);
}

void rig_stop(struct rig *r)
{
    wsrt_server_free(r->server);
    wsrt_runtime_free(r->rt);
    ck_assert_uint_eq(r->heap.live, 0);
    ck_assert_int_eq(r->disconnects, r->connects);
    ck_assert_int_eq(r->late_messages, 0);
}

void rig_steps(struct rig *r, int n)
{
    while (n-- > 0)
        wsrt_server_step(r->server);
}

void rig_advance(struct rig *r, int64_t ms)
{
    while (ms > 0) {
        int64_t part = ms < 50 ? ms : 50;
        r->now += part * 1000000;
        r->wall += part;
        ms -= part;
        wsrt_server_step(r->server);
    }
}

wsrt_conn *rig_conn(struct rig *r)
{
    return wsrt_conn_at(&r->server->loops[0], 0);
}

/* ---- clients -------------------------------------------------------------------------------- */

int rig_adopt_from(struct rig *r, const unsigned char ip[16])
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_ptr_nonnull(wsrt_listen_adopt(&r->server->loops[0], pair[1], ip));
    return pair[0];
}

int rig_ask(struct rig *r, const char *request, size_t len, char *dst, size_t cap)
{
    static const unsigned char here[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};
    int fd = rig_adopt_from(r, here), ended, status = 0;

    for (size_t sent = 0; sent < len;) {
        size_t part = len - sent < 16384 ? len - sent : 16384;
        rig_send(fd, request + sent, part);
        sent += part;
        rig_steps(r, 2);
    }
    dst[rig_read(r, fd, dst, cap - 1, &ended)] = '\0';
    sscanf(dst, "HTTP/1.1 %d ", &status);
    close(fd);
    rig_steps(r, 2);
    return status;
}

int rig_adopt(struct rig *r)
{
    static const unsigned char ip[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};

    return rig_adopt_from(r, ip);
}

int rig_open(struct rig *r)
{
    char answer[512];
    int fd = rig_adopt(r), ended;

    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    size_t n = rig_read(r, fd, answer, 129, &ended);
    ck_assert_uint_eq(n, 129);
    ck_assert_int_eq(memcmp(answer, "HTTP/1.1 101 ", 13), 0);
    return fd;
}

int rig_dial(struct rig *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)r->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void rig_send(int fd, const void *bytes, size_t len)
{
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

void rig_frame(int fd, int opcode, int fin, const void *data, size_t len)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *frame = malloc(len + WSRT_WS_HEADER_MAX);
    size_t head = wsrt_ws_header(frame, opcode, fin, len, key);

    wsrt_ws_mask(frame + head, data, len, key);
    rig_send(fd, frame, head + len);
    free(frame);
}

void rig_text(int fd, const char *text)
{
    rig_frame(fd, WSRT_WS_OP_TEXT, 1, text, strlen(text));
}

size_t rig_read(struct rig *r, int fd, void *dst, size_t want, int *ended)
{
    struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};
    size_t have = 0;
    int idle = 0;

    *ended = 0;
    both[1].fd = wsrt_server_fd(r->server);
    for (int i = 0; have < want && idle < IDLE_ROUNDS && i < PATIENCE * 100; i++) {
        int busy = atomic_load(&r->server->loops[0].jobs) > 0; /* workers have something to do */
        idle = poll(both, 2, 2) == 0 && !busy ? idle + 1 : 0;
        wsrt_server_step(r->server);
        ssize_t n = recv(fd, (char *)dst + have, want - have, 0);
        if (n > 0)
            have += (size_t)n;
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            *ended = n == 0 ? 1 : 2;
            break;
        }
    }
    return have;
}

int rig_next(struct rig *r, int fd, char *payload, size_t cap, size_t *len)
{
    unsigned char head[10];
    int ended;

    if (rig_read(r, fd, head, 2, &ended) < 2)
        return -1;
    ck_assert_int_eq(head[1] & 0x80, 0);
    size_t n = head[1], more = n == 126 ? 2 : n == 127 ? 8 : 0;
    if (more > 0) {
        ck_assert_uint_eq(rig_read(r, fd, head + 2, more, &ended), more);
        n = 0;
        for (size_t i = 0; i < more; i++)
            n = n << 8 | head[2 + i];
    }
    ck_assert_uint_le(n, cap);
    ck_assert_uint_eq(n == 0 ? 0 : rig_read(r, fd, payload, n, &ended), n);
    *len = n;
    return head[0] & 15;
}

int rig_close_code(struct rig *r, int fd)
{
    static char payload[300000];
    size_t len;
    int opcode;

    while ((opcode = rig_next(r, fd, payload, sizeof payload, &len)) >= 0)
        if (opcode == WSRT_WS_OP_CLOSE)
            return len < 2 ? 1005 : (unsigned char)payload[0] << 8 | (unsigned char)payload[1];
    return 0;
}

void rig_expect_text(struct rig *r, int fd, const char *text)
{
    char got[1024] = "";
    size_t len = 0;

    ck_assert_int_eq(rig_next(r, fd, got, sizeof got - 1, &len), WSRT_WS_OP_TEXT);
    got[len] = '\0';
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_str_eq(got, text);
}

void rig_expect_answer(struct rig *r, int fd, const char *begin, const char *somewhere)
{
    char got[2048] = "";
    int ended;
    size_t n = rig_read(r, fd, got, sizeof got - 1, &ended);

    got[n] = '\0';
    ck_assert_msg(strncmp(got, begin, strlen(begin)) == 0, "wanted %s, got %s", begin, got);
    ck_assert_msg(strstr(got, somewhere) != NULL, "no %s in %s", somewhere, got);
}

int rig_post(struct rig *r, const char *text, uint32_t flags)
{
    wsrt_span id = wsrt_span_cstr(r->id);
    wsrt_post p = {.struct_size = sizeof p, .flags = flags, .data = wsrt_span_cstr(text)};

    return r->sender.ops->post(r->sender.self, &id, &p);
}

int rig_open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}
