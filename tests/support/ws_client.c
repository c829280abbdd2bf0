#include "ws_client.h"

#include "common/ws.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, PATIENCE_MS = 10000 };

struct ws_client {
    int fd;
    wsrt_ws_decoder decoder;
    unsigned char buf[BUFFER];
    size_t len;
    char message[BUFFER];
    size_t message_len;
};

static const wsrt_ws_limits limits = {
    .max_frame = BUFFER, .max_message = BUFFER, .max_fragments = 1024, .flags = WSRT_WS_CLIENT};

static int dial(const char *address)
{
    char name[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    const char *colon = strrchr(address, ':');
    struct sockaddr_in at = {.sin_family = AF_INET};

    ck_assert_ptr_nonnull(colon);
    snprintf(name, sizeof name, "%.*s", (int)(colon - address), address);
    ck_assert_int_eq(inet_pton(AF_INET, name, &at.sin_addr), 1);
    at.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void put(struct ws_client *c, const void *data, size_t len)
{
    ck_assert_int_eq(send(c->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* 0 at the end of the stream or of patience. */
static int read_more(struct ws_client *c)
{
    struct pollfd ready = {.fd = c->fd, .events = POLLIN};

    ck_assert_uint_lt(c->len, sizeof c->buf);
    if (poll(&ready, 1, PATIENCE_MS) <= 0)
        return 0;
    ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, 0);
    c->len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

static void drop_front(struct ws_client *c, size_t n)
{
    c->len -= n;
    memmove(c->buf, c->buf + n, c->len);
}

static int handshake(struct ws_client *c, const char *address, const char *query)
{
    unsigned char seed[16];
    char key[WSRT_WS_KEY_LEN], head[1024];
    wsrt_http_response resp;
    uint32_t scanned = 0;

    ck_assert_int_eq(getrandom(seed, sizeof seed, 0), sizeof seed);
    wsrt_ws_key(key, seed);
    int len = snprintf(head, sizeof head,
                       "GET /%s%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: %.*s\r\n\r\n",
                       query[0] != '\0' ? "?" : "", query, address, WSRT_WS_KEY_LEN, key);
    put(c, head, (size_t)len);
    while (wsrt_http_parse_response((char *)c->buf, c->len, NULL, &scanned, &resp) !=
           WSRT_HTTP_DONE)
        ck_assert_msg(read_more(c), "no answer to the handshake");
    if (resp.status == 101)
        ck_assert_ptr_null(wsrt_ws_refused(&resp, key));
    drop_front(c, resp.head_len);
    return resp.status;
}

struct ws_client *ws_client_open(const char *address, const char *query, int *status)
{
    struct ws_client *c = calloc(1, sizeof *c);

    c->fd = dial(address);
    *status = handshake(c, address, query);
    if (*status == 101)
        return c;
    close(c->fd);
    free(c);
    return NULL;
}

static void put_frame(struct ws_client *c, int opcode, const void *data, size_t len)
{
    unsigned char key[4], *frame = malloc(WSRT_WS_HEADER_MAX + len);

    ck_assert_int_eq(getrandom(key, sizeof key, 0), sizeof key);
    size_t n = wsrt_ws_header(frame, opcode, 1, len, key);
    wsrt_ws_mask(frame + n, data, len, key);
    put(c, frame, n + len);
    free(frame);
}

void ws_client_send(struct ws_client *c, const char *text)
{
    put_frame(c, WSRT_WS_OP_TEXT, text, strlen(text));
}

/* The next event that ends a wait: a whole message (then it is in `message`), a close, or nothing. */
static int next_event(struct ws_client *c)
{
    wsrt_ws_event e;

    for (;;) {
        int kind = wsrt_ws_decode(&c->decoder, &limits, c->buf, c->len, &e);
        ck_assert_msg(kind != WSRT_WS_FAIL, "the server broke the protocol: %s", e.why);
        if (kind == WSRT_WS_PING)
            put_frame(c, WSRT_WS_OP_PONG, e.payload.ptr, e.payload.len);
        if (kind == WSRT_WS_MESSAGE || kind == WSRT_WS_PIECE) {
            ck_assert_uint_lt(c->message_len + e.payload.len, sizeof c->message);
            if (e.payload.len > 0)
                memcpy(c->message + c->message_len, e.payload.ptr, e.payload.len);
            c->message_len += e.payload.len;
        }
        int last = kind == WSRT_WS_MESSAGE || (kind == WSRT_WS_PIECE && e.last);
        drop_front(c, e.used);
        if (last || kind == WSRT_WS_CLOSE)
            return last ? WSRT_WS_MESSAGE : kind;
        if (kind == WSRT_WS_NEED && !read_more(c))
            return WSRT_WS_NEED;
    }
}

int ws_client_receive(struct ws_client *c, char *dst, size_t cap)
{
    c->message_len = 0;
    if (next_event(c) != WSRT_WS_MESSAGE)
        return 0;
    snprintf(dst, cap, "%.*s", (int)c->message_len, c->message);
    return 1;
}

void ws_client_close(struct ws_client *c)
{
    unsigned char payload[WSRT_WS_CONTROL_MAX];
    size_t len = wsrt_ws_close_payload(payload, 1000, (wsrt_span){NULL, 0});
    int kind;

    put_frame(c, WSRT_WS_OP_CLOSE, payload, len);
    do {
        c->message_len = 0;
        kind = next_event(c);
    } while (kind == WSRT_WS_MESSAGE);
    ck_assert_int_eq(kind, WSRT_WS_CLOSE);
    close(c->fd);
    free(c);
}

void ws_client_drop(struct ws_client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    free(c);
}
