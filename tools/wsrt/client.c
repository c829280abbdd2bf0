#define _GNU_SOURCE
#include "client.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, READ_MAX = 256 * 1024, MESSAGE_MAX = 64 << 20, QUEUE_MAX = 64 << 20 };

static const wsrt_ws_limits limits = {.max_frame = MESSAGE_MAX,
                                      .max_message = MESSAGE_MAX,
                                      .max_fragments = UINT16_MAX,
                                      .flags = WSRT_WS_CLIENT};

int64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void random_bytes(void *dst, size_t len)
{
    static unsigned char pool[4096];
    static size_t used = sizeof pool;

    if (used + len > sizeof pool) {
        while (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool)
            continue;
        used = 0;
    }
    memcpy(dst, pool + used, len);
    used += len;
}

/* ---- addresses ---- */

static int bad_url(const char *text)
{
    return complain(TOOL_USAGE, "'%s' is not ws[s]://HOST[:PORT][/PATH] or ws+unix:FILE[:/PATH]",
                    text);
}

static int url_parse_unix(struct url *url, const char *text, const char *path)
{
    const char *target = strstr(path, ":/");
    size_t len = target == NULL ? strlen(path) : (size_t)(target - path);

    if (len == 0 || len >= sizeof url->socket)
        return bad_url(text);
    memcpy(url->socket, path, len);
    snprintf(url->host, sizeof url->host, "localhost");
    snprintf(url->target, sizeof url->target, "%s", target == NULL ? "/" : target + 1);
    return 0;
}

/* A name, or an address, of IPv6 between brackets; whose user it is to be has no place in it. */
static int is_host(const char *host, size_t len)
{
    int brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';

    if (brackets)
        return strspn(host + 1, "0123456789abcdefABCDEF:.") == len - 2;
    return len > 0 && strcspn(host, "[]@:") >= len;
}

static int is_port(const char *text)
{
    int64_t port = parse_integer(text);

    return port > 0 && port <= 65535;
}

int url_parse(struct url *url, const char *text)
{
    memset(url, 0, sizeof *url);
    if (strncmp(text, "ws+unix:", 8) == 0)
        return url_parse_unix(url, text, text + 8);
    url->tls = strncmp(text, "wss://", 6) == 0;
    if (!url->tls && strncmp(text, "ws://", 5) != 0)
        return bad_url(text);
    const char *host = text + (url->tls ? 6 : 5);
    size_t len = strcspn(host, "/?#");
    const char *target = host + len;
    const char *colon = memrchr(host, ':', len);
    if (colon != NULL && memchr(colon, ']', (size_t)(target - colon)) != NULL)
        colon = NULL;
    size_t host_len = colon == NULL ? len : (size_t)(colon - host);
    size_t port_len = colon == NULL ? 0 : len - host_len - 1;
    if (!is_host(host, host_len) || host_len >= sizeof url->host || port_len >= sizeof url->port ||
        strlen(target) + 2 > sizeof url->target || strpbrk(text, " \r\n") != NULL)
        return bad_url(text);
    memcpy(url->host, host, host_len);
    snprintf(url->port, sizeof url->port, "%.*s", port_len == 0 ? 2 : (int)port_len,
             port_len > 0 ? colon + 1
             : url->tls   ? "443"
                          : "80");
    snprintf(url->target, sizeof url->target, "%s%.*s", *target == '/' ? "" : "/",
             (int)strcspn(target, "#"), target);
    return is_port(url->port) ? 0 : bad_url(text);
}

static int wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = (deadline - clock_ns()) / 1000000;

    return left < 0 ? 0 : poll(&p, 1, (int)left + 1);
}

/* Returns a connected socket, or -1 with errno set. */
static int connect_one(int family, const struct sockaddr *address, socklen_t size, int64_t deadline)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    int on = 1;
    socklen_t len = sizeof error;

    if (fd < 0)
        return -1;
    if (connect(fd, address, size) != 0) {
        error = errno;
        if (error == EINPROGRESS) {
            error = wait_for(fd, POLLOUT, deadline) == 1 ? 0 : ETIMEDOUT;
            if (error == 0)
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
        }
    }
    if (error != 0) {
        close(fd);
        errno = error;
        return -1;
    }
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int connect_unix(const struct url *url, int64_t deadline, const char **why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", url->socket);
    int fd = connect_one(AF_UNIX, (struct sockaddr *)&address, sizeof address, deadline);
    *why = strerror(errno);
    return fd;
}

/* The host without the brackets of an IPv6 address. */
static void url_address(const struct url *url, char *host)
{
    size_t len = strlen(url->host);

    snprintf(host, sizeof url->host, "%s", url->host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
}

static int connect_tcp(const struct url *url, int64_t deadline, const char **why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[sizeof url->host];
    int fd = -1;

    url_address(url, host);
    int rc = getaddrinfo(host, url->port, &hints, &found);
    if (rc != 0) {
        *why = rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);
        return -1;
    }
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_one(a->ai_family, a->ai_addr, a->ai_addrlen, deadline);
    *why = strerror(errno);
    freeaddrinfo(found);
    return fd;
}

/* ---- TLS ---- */

static int fill_random(void *user, void *dst, size_t len)
{
    (void)user;
    random_bytes(dst, len);
    return WSRT_OK;
}

int client_trust(wsrt_tls **out, const struct url *url, const char *cacert, int insecure)
{
    const wsrt_tls_random random = {fill_random, NULL};
    const wsrt_tls_trust trust = {.roots_cstr = cacert, .insecure = insecure};
    const char *why = NULL;

    *out = NULL;
    if (!url->tls)
        return 0;
    int rc = wsrt_tls_client_new(out, &random, &trust, &why);
    if (rc == WSRT_OK)
        return 0;
    if (rc == WSRT_ERR_UNSUPPORTED)
        return complain(TOOL_USAGE, "wss:// needs TLS, which this build does not have");
    return complain(TOOL_CONFIG, "%s: %s",
                    cacert != NULL ? cacert : "the authorities of the system", why);
}

static ssize_t receive(struct client *c, void *dst, size_t room)
{
    return c->tls != NULL ? wsrt_tls_read(c->tls, dst, room) : recv(c->fd, dst, room, 0);
}

static ssize_t transmit(struct client *c, const void *bytes, size_t len)
{
    return c->tls != NULL ? wsrt_tls_write(c->tls, bytes, len)
                          : send(c->fd, bytes, len, MSG_NOSIGNAL);
}

static int refuse(int silent, int status, const char *what, const char *why)
{
    return silent ? status : complain(status, "%s: %s", what, why);
}

static int shake_hands(struct client *c, const struct client_request *r, int64_t deadline,
                       int silent)
{
    char host[sizeof r->url->host];
    int rc;

    url_address(r->url, host);
    rc = wsrt_tls_open(&c->tls, r->tls, c->fd, host);
    if (rc != WSRT_OK)
        return refuse(silent, TOOL_INTERNAL, "cannot connect", wsrt_status_name(rc));
    while ((rc = wsrt_tls_handshake(c->tls)) == WSRT_TLS_MORE) {
        short events = wsrt_tls_unsent(c->tls) > 0 ? POLLIN | POLLOUT : POLLIN;
        if (wait_for(c->fd, events, deadline) != 1)
            return refuse(silent, TOOL_UNAVAILABLE, "cannot connect", "no answer in time");
    }
    return rc == WSRT_OK ? 0
                         : refuse(silent, TOOL_UNAVAILABLE, "cannot connect", wsrt_tls_why(c->tls));
}

/* ---- handshake ---- */

static void add(char *head, size_t *len, const char *name, const char *value)
{
    int n = snprintf(head + *len, HEAD_MAX - *len, "%s%s\r\n", name, value);

    *len = n > 0 && (size_t)n < HEAD_MAX - *len ? *len + (size_t)n : HEAD_MAX;
}

/* Returns the length, HEAD_MAX when it does not fit. */
static size_t write_head(const struct client_request *r, char *head, const char *key)
{
    const struct url *url = r->url;
    int usual = url->port[0] == '\0' || strcmp(url->port, url->tls ? "443" : "80") == 0;
    size_t len = (size_t)snprintf(head, HEAD_MAX, "GET %s HTTP/1.1\r\nHost: %s%s%s\r\n",
                                  url->target, url->host, usual ? "" : ":", usual ? "" : url->port);

    add(head, &len, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13", "");
    add(head, &len, "Sec-WebSocket-Key: ", key);
    add(head, &len, "User-Agent: wsrt/", wsrt_version_string());
    if (r->token != NULL)
        add(head, &len, "Authorization: Bearer ", r->token);
    if (r->subprotocol != NULL)
        add(head, &len, "Sec-WebSocket-Protocol: ", r->subprotocol);
    for (size_t i = 0; r->headers != NULL && i < r->headers->count; i++)
        add(head, &len, "", r->headers->items[i].ptr);
    add(head, &len, "", "");
    return len;
}

static int judge(const wsrt_http_response *head, const char *key, int silent)
{
    char answer[64];

    if (head->status == 101) {
        const char *why = wsrt_ws_refused(head, key);
        return why == NULL ? 0 : refuse(silent, TOOL_UNAVAILABLE, "no WebSocket", why);
    }
    snprintf(answer, sizeof answer, "%d %.*s", head->status,
             (int)(head->reason.len < 40 ? head->reason.len : 40), head->reason.ptr);
    return refuse(silent,
                  head->status == 401 || head->status == 403 ? TOOL_REFUSED : TOOL_UNAVAILABLE,
                  "the server refused", answer);
}

static int read_answer(struct client *c, const char *key, int64_t deadline, int silent)
{
    char head[HEAD_MAX + WSRT_TLS_RECORD];
    size_t len = 0;
    uint32_t scanned = 0;
    wsrt_http_response response;

    for (;;) {
        if (wait_for(c->fd, POLLIN, deadline) != 1)
            return refuse(silent, TOOL_UNAVAILABLE, "no WebSocket", "no answer in time");
        ssize_t n = receive(c, head + len, sizeof head - len);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0)
            return refuse(silent, TOOL_UNAVAILABLE, "no WebSocket", "the server hung up");
        len += (size_t)n;
        int rc = wsrt_http_parse_response(head, len, NULL, &scanned, &response);
        if (rc == WSRT_HTTP_MORE && len < HEAD_MAX)
            continue;
        if (rc != WSRT_HTTP_DONE)
            return refuse(silent, TOOL_UNAVAILABLE, "no WebSocket", "the answer is not HTTP");
        break;
    }
    int status = judge(&response, key, silent);
    c->early_len = len - response.head_len;
    if (status != 0 || c->early_len == 0)
        return status;
    c->early = malloc(c->early_len);
    if (c->early == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    memcpy(c->early, head + response.head_len, c->early_len);
    return 0;
}

int client_open(struct client *c, const struct client_request *request, int silent)
{
    int64_t deadline = clock_ns() + request->timeout_ms * 1000000;
    const struct url *url = request->url;
    const char *why = "";
    unsigned char seed[16];
    char key[WSRT_WS_KEY_LEN + 1] = "";
    char head[HEAD_MAX];

    memset(c, 0, sizeof *c);
    c->fd = url->socket[0] != '\0' ? connect_unix(url, deadline, &why)
                                   : connect_tcp(url, deadline, &why);
    if (c->fd < 0)
        return refuse(silent, TOOL_UNAVAILABLE, "cannot connect", why);
    int status = url->tls ? shake_hands(c, request, deadline, silent) : 0;
    if (status != 0) {
        client_end(c);
        return status;
    }
    random_bytes(seed, sizeof seed);
    wsrt_ws_key(key, seed);
    size_t len = write_head(request, head, key);
    if (len >= HEAD_MAX)
        status = refuse(silent, TOOL_USAGE, "cannot connect", "the headers are too long");
    else if (transmit(c, head, len) != (ssize_t)len)
        status = refuse(silent, TOOL_UNAVAILABLE, "cannot connect", strerror(errno));
    else
        status = read_answer(c, key, deadline, silent);
    if (status != 0)
        client_end(c);
    return status;
}

/* ---- frames ---- */

static int lost(struct client *c, int code, const char *reason)
{
    if (c->close_code == 0) {
        c->close_code = code;
        snprintf(c->reason, sizeof c->reason, "%s", reason);
    }
    return -1;
}

static int reserve(unsigned char **buffer, size_t *cap, size_t need)
{
    size_t wanted = *cap < 256 ? 256 : *cap;

    while (wanted < need)
        wanted *= 2;
    if (wanted == *cap)
        return 0;
    unsigned char *grown = realloc(*buffer, wanted);
    if (grown == NULL)
        return -1;
    *buffer = grown;
    *cap = wanted;
    return 0;
}

int client_has_unsent(const struct client *c)
{
    return c->out_len > 0 || (c->tls != NULL && wsrt_tls_unsent(c->tls) > 0);
}

int client_flush(struct client *c)
{
    if (c->tls != NULL && wsrt_tls_flush(c->tls) != 0)
        return lost(c, 1006, strerror(errno));
    while (c->out_len > 0) {
        ssize_t n = transmit(c, c->out, c->out_len);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return lost(c, 1006, strerror(errno));
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
    }
    return 0;
}

int client_send(struct client *c, int opcode, const void *data, size_t len)
{
    unsigned char key[4];

    if (c->close_sent || c->close_code != 0)
        return -1;
    if (c->out_len + len > QUEUE_MAX ||
        reserve(&c->out, &c->out_cap, c->out_len + len + WSRT_WS_HEADER_MAX) != 0)
        return lost(c, 1006, "too much is waiting to be sent");
    random_bytes(key, sizeof key);
    c->out_len += wsrt_ws_header(c->out + c->out_len, opcode, 1, len, key);
    wsrt_ws_mask(c->out + c->out_len, data, len, key);
    c->out_len += len;
    return client_flush(c);
}

void client_close(struct client *c, uint16_t code)
{
    unsigned char payload[WSRT_WS_CONTROL_MAX];
    wsrt_span none = {NULL, 0};

    if (!c->close_sent)
        (void)client_send(c, WSRT_WS_OP_CLOSE, payload, wsrt_ws_close_payload(payload, code, none));
    c->close_sent = 1;
}

static int collect(struct client *c, const wsrt_ws_event *event, client_message_fn fn, void *user)
{
    size_t len = c->message_len + event->payload.len;

    if (reserve(&c->message, &c->message_cap, len) != 0)
        return lost(c, 1006, "out of memory");
    if (event->payload.len > 0)
        memcpy(c->message + c->message_len, event->payload.ptr, event->payload.len);
    c->message_len = len;
    if (event->last) {
        fn(user, event->opcode, c->message, len);
        c->message_len = 0;
    }
    return 0;
}

static int act(struct client *c, int kind, const wsrt_ws_event *event, client_message_fn fn,
               void *user)
{
    switch (kind) {
    case WSRT_WS_MESSAGE:
        fn(user, event->opcode, (const unsigned char *)event->payload.ptr, event->payload.len);
        return 0;
    case WSRT_WS_PIECE:
        return collect(c, event, fn, user);
    case WSRT_WS_PING:
        return client_send(c, WSRT_WS_OP_PONG, event->payload.ptr, event->payload.len);
    case WSRT_WS_CLOSE:
        client_close(c, event->code == 1005 ? 0 : event->code);
        c->close_code = event->code;
        snprintf(c->reason, sizeof c->reason, "%.*s", (int)event->payload.len, event->payload.ptr);
        return -1;
    case WSRT_WS_FAIL:
        client_close(c, event->code);
        return lost(c, event->code, event->why);
    default:
        return 0;
    }
}

/* Brings the next bytes behind the tail; 0 = none yet, -1 = the connection has ended. */
static ssize_t fetch(struct client *c, unsigned char *dst, size_t cap)
{
    ssize_t n;

    if (c->early != NULL) {
        n = (ssize_t)c->early_len;
        memcpy(dst, c->early, c->early_len);
        free(c->early);
        c->early = NULL;
        return n;
    }
    n = receive(c, dst, cap);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return lost(c, 1006, n == 0 ? "the connection ended" : strerror(errno));
    return n;
}

int client_receive(struct client *c, client_message_fn fn, void *user)
{
    static unsigned char input[READ_MAX];
    size_t at = 0;
    int kind;

    memcpy(input, c->tail, c->tail_len);
    ssize_t n = fetch(c, input + c->tail_len, sizeof input - c->tail_len);
    if (n <= 0)
        return (int)n;
    size_t len = c->tail_len + (size_t)n;
    do {
        wsrt_ws_event event;
        kind = wsrt_ws_decode(&c->decoder, &limits, input + at, len - at, &event);
        at += event.used;
        if (act(c, kind, &event, fn, user) != 0)
            return -1;
    } while (kind != WSRT_WS_NEED);
    c->tail_len = len - at;
    memcpy(c->tail, input + at, c->tail_len);
    return 0;
}

int client_has_early(const struct client *c)
{
    return c->early != NULL;
}

void client_end(struct client *c)
{
    if (c->tls != NULL)
        wsrt_tls_bye(c->tls);
    wsrt_tls_close(c->tls);
    c->tls = NULL;
    if (c->fd >= 0)
        close(c->fd);
    free(c->early);
    free(c->message);
    free(c->out);
    c->fd = -1;
    c->early = c->message = c->out = NULL;
    c->out_len = c->out_cap = c->message_cap = 0;
}
