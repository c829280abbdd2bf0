#define _GNU_SOURCE /* accept4 */
/* Listening sockets, and who comes in. */
#include "server/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTS_A_TURN = 64 };

static const int64_t pause_ns = 100 * 1000000;
static const int64_t log_every_ns = INT64_C(60) * 1000000000;
static const int64_t one_token = 1 << 30;

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
} address;

/* ---- addresses ------------------------------------------------------------------------------ */

static int parse_port(wsrt_span text, uint16_t *port)
{
    unsigned value = 0;

    if (text.len == 0 || text.len > 5)
        return WSRT_ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return WSRT_ERR_INVALID;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    if (value > 65535)
        return WSRT_ERR_INVALID;
    *port = htons((uint16_t)value);
    return WSRT_OK;
}

static int parse_ip(wsrt_span text, address *out, socklen_t *len)
{
    char host[64];
    size_t colon = text.len;
    uint16_t port;

    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon < 2 || colon > sizeof host)
        return WSRT_ERR_INVALID;
    if (parse_port((wsrt_span){text.ptr + colon, text.len - colon}, &port) != WSRT_OK)
        return WSRT_ERR_INVALID;
    int brackets = text.ptr[0] == '[' && text.ptr[colon - 2] == ']' && colon >= 4;
    size_t from = brackets ? 1 : 0, n = colon - 1 - 2 * from;
    memcpy(host, text.ptr + from, n);
    host[n] = '\0';
    if (brackets) {
        out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
        *len = sizeof out->v6;
        return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1 ? WSRT_OK : WSRT_ERR_INVALID;
    }
    out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    *len = sizeof out->v4;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 ? WSRT_OK : WSRT_ERR_INVALID;
}

static int parse_unix(wsrt_span path, address *out, socklen_t *len)
{
    if (path.len == 0 || path.len >= sizeof out->un.sun_path ||
        memchr(path.ptr, '\0', path.len) != NULL)
        return WSRT_ERR_INVALID;
    out->un = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->un.sun_path, path.ptr, path.len);
    *len = sizeof out->un;
    return WSRT_OK;
}

static int parse(wsrt_span text, address *out, socklen_t *len)
{
    if (text.len > 5 && memcmp(text.ptr, "unix:", 5) == 0)
        return parse_unix((wsrt_span){text.ptr + 5, text.len - 5}, out, len);
    return parse_ip(text, out, len);
}

static int is_loopback(const address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    return a->any.sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static void write_address(wsrt_listener *at, const address *a)
{
    char host[INET6_ADDRSTRLEN] = "";
    int n;

    if (a->any.sa_family == AF_UNIX) {
        n = snprintf(at->address, sizeof at->address, "unix:%s", a->un.sun_path);
    } else if (a->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
        n = snprintf(at->address, sizeof at->address, "%s:%u", host, ntohs(a->v4.sin_port));
    } else {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
        n = snprintf(at->address, sizeof at->address, "[%s]:%u", host, ntohs(a->v6.sin6_port));
    }
    at->len = (size_t)n;
}

/* ---- listening ------------------------------------------------------------------------------ */

/* A socket file that nobody serves any more is in the way of its successor. */
static void remove_dead_socket(const address *a)
{
    struct stat st;

    if (stat(a->un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, &a->any, sizeof a->un) != 0 && errno == ECONNREFUSED)
        unlink(a->un.sun_path);
    close(probe);
}

static int open_socket(const address *a, socklen_t len)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    if (a->any.sa_family == AF_UNIX)
        remove_dead_socket(a);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &a->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int watch(wsrt_server *s, int operation)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = WSRT_SLOT_LISTEN + i};
        if (epoll_ctl(s->loop.epoll, operation, s->listeners[i].fd, &ev) != 0)
            return WSRT_ERR_IO;
    }
    s->accepting = operation == EPOLL_CTL_ADD;
    return WSRT_OK;
}

static int listen_at(wsrt_server *s, wsrt_span text)
{
    wsrt_listener *at = &s->listeners[s->listener_count];
    address a;
    socklen_t len;
    int rc = parse(text, &a, &len);

    if (rc != WSRT_OK)
        return rc;
    if (!is_loopback(&a) && (s->set.flags & WSRT_SERVER_INSECURE) == 0)
        return WSRT_ERR_INVALID;
    at->fd = open_socket(&a, len);
    if (at->fd < 0)
        return WSRT_ERR_IO;
    at->is_unix = a.any.sa_family == AF_UNIX;
    s->listener_count++;
    if (!at->is_unix && getsockname(at->fd, &a.any, &len) != 0)
        return WSRT_ERR_IO;
    write_address(at, &a);
    return WSRT_OK;
}

int wsrt_listen_all(wsrt_server *s)
{
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (s->spare < 0)
        return WSRT_ERR_IO;
    s->accept_due = INT64_MAX;
    s->accept_credit = s->set.accept_rate * one_token;
    s->accept_filled = s->loop.now;
    for (size_t i = 0; i < s->set.listen.count; i++) {
        int rc = listen_at(s, s->set.listen.items[i]);
        if (rc != WSRT_OK)
            return rc;
    }
    return watch(s, EPOLL_CTL_ADD);
}

void wsrt_listen_close(wsrt_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        close(s->listeners[i].fd);
        if (s->listeners[i].is_unix)
            unlink(s->listeners[i].address + 5);
    }
    s->listener_count = 0;
    s->accepting = 0;
    s->accept_due = INT64_MAX;
    if (s->spare >= 0)
        close(s->spare);
    s->spare = -1;
}

/* ---- accepting ------------------------------------------------------------------------------ */

static void pause_until(wsrt_server *s, int64_t due)
{
    if (s->accepting)
        watch(s, EPOLL_CTL_DEL);
    s->accept_due = due;
}

void wsrt_listen_resume(wsrt_server *s)
{
    if (s->loop.now < s->accept_due)
        return;
    s->accept_due = INT64_MAX;
    if (!s->accepting)
        watch(s, EPOLL_CTL_ADD);
}

/* Whether one more may come in now, by the token bucket. */
static int take_token(wsrt_server *s)
{
    int64_t rate = s->set.accept_rate, full = rate * one_token;
    int64_t passed = s->loop.now - s->accept_filled;

    if (rate == 0)
        return 1;
    if (passed > 0) {
        /* rate * 2^30 tokens a second, with a second cut into 2^20 parts of 954 ns */
        int64_t parts = passed > 2000000000 ? 1 << 21 : passed * (1 << 20) / 1000000000;
        int64_t more = parts * rate * (one_token >> 20);
        s->accept_credit = s->accept_credit > full - more ? full : s->accept_credit + more;
        s->accept_filled = s->loop.now;
    }
    if (s->accept_credit < one_token) {
        s->loop.series.limited[WSRT_LIMIT_ACCEPTS]++;
        pause_until(s, s->loop.now + pause_ns);
        return 0;
    }
    s->accept_credit -= one_token;
    return 1;
}

/* Descriptors are out: the spare one turns the next caller away, so that nothing spins. */
static void out_of_descriptors(wsrt_server *s, int listener)
{
    close(s->spare);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pause_until(s, s->loop.now + pause_ns);
    if (s->loop.now - s->trouble_logged < log_every_ns && s->trouble_logged != 0)
        return;
    s->trouble_logged = s->loop.now;
    wsrt_loop_log(&s->loop, WSRT_LEVEL_ERROR, "server.out_of_descriptors", "advice",
                  wsrt_span_cstr("raise RLIMIT_NOFILE or lower max_connections"));
}

static const unsigned char *ip_of(const address *a, unsigned char ip[16])
{
    static const unsigned char v4[12] = {[10] = 0xff, [11] = 0xff};

    if (a->any.sa_family == AF_INET) {
        memcpy(ip, v4, sizeof v4);
        memcpy(ip + 12, &a->v4.sin_addr, 4);
        return ip;
    }
    if (a->any.sa_family != AF_INET6)
        return NULL;
    memcpy(ip, &a->v6.sin6_addr, 16);
    return ip;
}

/* Serves a connected descriptor, or closes it. `ip` NULL = a unix socket. */
wsrt_conn *wsrt_listen_adopt(wsrt_server *s, int fd, const unsigned char *ip)
{
    uint32_t most = s->set.max_connections;
    wsrt_conn *c = NULL;

    /* A few more than may become WebSockets are let in, to be told so. */
    if (s->loop.used < most + most / 16 + 16)
        c = wsrt_conn_new(&s->loop, fd, ip);
    if (c == NULL)
        close(fd);
    else if (s->loop.tls != NULL && ip != NULL)
        c->state = WSRT_CONN_HANDSHAKE;
    return c;
}

void wsrt_listen_accept(wsrt_server *s, size_t index)
{
    unsigned char ip[16];
    int on = 1;

    for (int i = 0; i < ACCEPTS_A_TURN && s->accepting; i++) {
        address a = {.any = {.sa_family = AF_UNSPEC}};
        socklen_t len = sizeof a;
        if (wsrt_handshake_full(&s->loop)) {
            pause_until(s, s->loop.now + pause_ns);
            return;
        }
        if (!take_token(s))
            return;
        int fd = accept4(s->listeners[index].fd, &a.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            s->accept_credit += s->set.accept_rate > 0 ? one_token : 0;
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                out_of_descriptors(s, s->listeners[index].fd);
            if (errno != ECONNABORTED && errno != EINTR)
                return;
            continue;
        }
        if (!s->listeners[index].is_unix)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        wsrt_listen_adopt(s, fd, s->listeners[index].is_unix ? NULL : ip_of(&a, ip));
    }
}
