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

enum { BACKLOG = 1024, ACCEPTS_A_TURN = 16 };

static const int64_t pause_ns = 100 * 1000000;
static const int64_t log_every_ns = INT64_C(60) * 1000000000;

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

/* One of several loops binds to an address that the others bind to as well. */
static int open_socket(const address *a, socklen_t len, int shares)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    if (a->any.sa_family == AF_UNIX)
        remove_dead_socket(a);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shares)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (a->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &a->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* A stranger that shares its address, too, would go unnoticed: so somebody who shares nothing asks. */
static int is_free(const address *a, socklen_t len)
{
    int fd = open_socket(a, len, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int watch(wsrt_loop *l, int operation)
{
    wsrt_server *s = l->server;

    for (size_t i = 0; i < s->listener_count; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = WSRT_SLOT_LISTEN + i};
        if (atomic_load_explicit(&s->listeners[i].users, memory_order_relaxed) > 1)
            ev.events |= EPOLLEXCLUSIVE;
        if (epoll_ctl(l->epoll, operation, l->listen_fds[i], &ev) != 0 && errno != EEXIST)
            return WSRT_ERR_IO;
    }
    l->accepting = operation == EPOLL_CTL_ADD;
    return WSRT_OK;
}

/* One descriptor for all loops. */
static int share(wsrt_server *s, size_t i, int fd)
{
    atomic_store(&s->listeners[i].users, (int)s->loop_count);
    for (uint32_t k = 0; k < s->loop_count; k++)
        s->loops[k].listen_fds[i] = fd;
    return WSRT_OK;
}

/* A descriptor for each loop; the first one's port is that of all. */
static int open_each(wsrt_server *s, size_t i, address *a, socklen_t len)
{
    int several = s->loop_count > 1;

    if (several && !is_free(a, len))
        return WSRT_ERR_IO;
    for (uint32_t k = 0; k < s->loop_count; k++) {
        int fd = open_socket(a, len, several);
        if (fd < 0)
            return WSRT_ERR_IO;
        s->loops[k].listen_fds[i] = fd;
        if (k == 0 && getsockname(fd, &a->any, &len) != 0)
            return WSRT_ERR_IO;
    }
    return WSRT_OK;
}

/* A listening socket of the host's. */
static int take_descriptor(wsrt_span text, address *a, socklen_t *len, int *fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    uint16_t number;

    if (parse_port((wsrt_span){text.ptr + 3, text.len - 3}, &number) != WSRT_OK)
        return WSRT_ERR_INVALID;
    *fd = ntohs(number);
    *len = sizeof *a;
    *a = (address){.any = {.sa_family = AF_UNSPEC}};
    if (getsockopt(*fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
        getsockname(*fd, &a->any, len) != 0 ||
        (a->any.sa_family != AF_INET && a->any.sa_family != AF_INET6 &&
         a->any.sa_family != AF_UNIX))
        return WSRT_ERR_INVALID;
    if (fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK) != 0)
        return WSRT_ERR_IO;
    return WSRT_OK;
}

/* The file of a socket of ours, by which it is known when it is to be removed. */
static void note_file(wsrt_listener *at, const address *a)
{
    struct stat st;

    if (!at->is_unix || at->is_given || stat(a->un.sun_path, &st) != 0)
        return;
    at->device = st.st_dev;
    at->file = st.st_ino;
}

/* Unless another server has put its own there. */
static void remove_file(const wsrt_listener *at)
{
    const char *path = at->address + strlen("unix:");
    struct stat st;

    if (at->file != 0 && stat(path, &st) == 0 && st.st_dev == at->device && st.st_ino == at->file)
        unlink(path);
}

/* What errno does not tell is told by `*why_cstr`. */
static int listen_at(wsrt_server *s, wsrt_span text, int is_admin, const char **why_cstr)
{
    wsrt_listener *at = &s->listeners[s->listener_count];
    int given = text.len > 3 && memcmp(text.ptr, "fd:", 3) == 0, fd = -1;
    address a;
    socklen_t len;
    int rc = given ? take_descriptor(text, &a, &len, &fd) : parse(text, &a, &len);

    if (rc == WSRT_ERR_INVALID)
        *why_cstr = given ? "no listening socket" : "not ADDR:PORT, [V6]:PORT, unix:PATH or fd:N";
    if (rc != WSRT_OK)
        return rc;
    if (!is_loopback(&a) && (s->set.flags & WSRT_SERVER_INSECURE) == 0) {
        *why_cstr = "not loopback, and WSRT_SERVER_INSECURE is not given";
        return WSRT_ERR_INVALID;
    }
    at->is_unix = a.any.sa_family == AF_UNIX;
    at->is_admin = is_admin;
    at->is_given = given;
    size_t i = s->listener_count++;
    if (!at->is_unix && !given) {
        rc = open_each(s, i, &a, len);
    } else {
        if (!given)
            fd = open_socket(&a, len, 0);
        rc = fd < 0 ? WSRT_ERR_IO : share(s, i, fd);
    }
    if (rc == WSRT_OK) {
        note_file(at, &a);
        write_address(at, &a);
    }
    return rc;
}

static void tell_refused(const wsrt_server *s, wsrt_span text, const char *why_cstr)
{
    int error = errno;
    wsrt_span reason = wsrt_span_cstr(why_cstr != NULL ? why_cstr : strerror(error));
    const wsrt_field fields[] = {{.name_cstr = "address", .text = text, .kind = WSRT_FIELD_TEXT},
                                 {.name_cstr = "reason", .text = reason, .kind = WSRT_FIELD_TEXT}};

    s->set.env.log(s->set.env.user, WSRT_LEVEL_ERROR, "server.listen_failed", fields, 2);
    errno = error;
}

static int listen_at_each(wsrt_server *s, wsrt_texts addresses, int is_admin)
{
    int rc = WSRT_OK;

    for (size_t i = 0; i < addresses.count && rc == WSRT_OK; i++) {
        const char *why = NULL;
        rc = listen_at(s, addresses.items[i], is_admin, &why);
        if (rc != WSRT_OK)
            tell_refused(s, addresses.items[i], why);
    }
    return rc;
}

int wsrt_listen_all(wsrt_server *s)
{
    int rc = listen_at_each(s, s->set.listen, 0);

    if (rc == WSRT_OK)
        rc = listen_at_each(s, s->set.admin, 1);
    for (uint32_t k = 0; k < s->loop_count && rc == WSRT_OK; k++) {
        s->loops[k].spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        rc = s->loops[k].spare < 0 ? WSRT_ERR_IO : watch(&s->loops[k], EPOLL_CTL_ADD);
    }
    return rc;
}

/* The last of those that share a descriptor closes it: its number means something else then. */
static void leave_listener(wsrt_loop *l, size_t i)
{
    wsrt_listener *at = &l->server->listeners[i];
    int shared = atomic_load(&at->users) > 0, fd = l->listen_fds[i];

    l->listen_fds[i] = -1;
    if (fd < 0)
        return;
    if (shared && l->accepting)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
    if (shared && atomic_fetch_sub(&at->users, 1) != 1)
        return;
    remove_file(at); /* while nobody can take it for dead */
    close(fd);
}

void wsrt_listen_close(wsrt_loop *l)
{
    for (size_t i = 0; i < l->server->listener_count; i++)
        leave_listener(l, i);
    l->accepting = 0;
    l->accept_due = INT64_MAX;
    if (l->spare >= 0)
        close(l->spare);
    l->spare = -1;
}

/* ---- accepting ------------------------------------------------------------------------------ */

static void pause_until(wsrt_loop *l, int64_t due)
{
    if (l->accepting)
        watch(l, EPOLL_CTL_DEL);
    l->accept_due = due;
}

void wsrt_listen_resume(wsrt_loop *l)
{
    if (l->now < l->accept_due)
        return;
    l->accept_due = INT64_MAX;
    if (!l->accepting && watch(l, EPOLL_CTL_ADD) != WSRT_OK)
        l->accept_due = l->now + pause_ns;
}

/* Whether one more may come in now. Each accept is paid for by a share of a second; all loops may be
 * a second ahead of the time together. */
static int take_turn(wsrt_loop *l)
{
    wsrt_server *s = l->server;
    int64_t rate = l->terms->accept_rate;

    if (rate == 0)
        return 1;
    int64_t price = 1000000000 / rate;
    long long at = atomic_load_explicit(&s->accept_at, memory_order_relaxed), next;
    do {
        next = (at > l->now ? at : l->now) + price;
        if (next - l->now > rate * price) {
            wsrt_series_limited(&l->series, WSRT_LIMIT_ACCEPTS);
            pause_until(l, l->now + pause_ns);
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&s->accept_at, &at, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 1;
}

/* Nobody came. */
static void give_turn_back(wsrt_loop *l)
{
    if (l->terms->accept_rate > 0)
        atomic_fetch_sub_explicit(&l->server->accept_at, 1000000000 / l->terms->accept_rate,
                                  memory_order_relaxed);
}

/* Descriptors are out: the spare one turns the next caller away, so that nothing spins. */
static void out_of_descriptors(wsrt_loop *l, int listener)
{
    close(l->spare);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pause_until(l, l->now + pause_ns);
    if (l->now - l->trouble_logged < log_every_ns && l->trouble_logged != 0)
        return;
    l->trouble_logged = l->now;
    wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.out_of_descriptors", "advice",
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

/* A few more than may become WebSockets are let in, to be told so. */
static int has_place(uint32_t used, uint32_t most)
{
    return used < (uint64_t)most + most / 16 + 16;
}

/* Who asks for nothing takes a place, too: no address may take them all. */
static int is_let_in(wsrt_loop *l, const unsigned char *ip)
{
    uint32_t used = atomic_load_explicit(&l->server->used, memory_order_relaxed);

    if (!has_place(used, l->terms->max_connections))
        return 0;
    if (ip == NULL || has_place(wsrt_conn_peers(l, ip), l->terms->max_per_ip) ||
        wsrt_ip_is_loopback(ip) || wsrt_proxies_have(&l->terms->proxies, ip))
        return 1;
    wsrt_series_limited(&l->series, WSRT_LIMIT_PER_IP);
    return 0;
}

/* Serves a connected descriptor, or closes it. `ip` NULL = a unix socket. */
wsrt_conn *wsrt_listen_adopt(wsrt_loop *l, int fd, const unsigned char *ip)
{
    wsrt_conn *c = is_let_in(l, ip) ? wsrt_conn_new(l, fd, ip) : NULL;

    if (c == NULL)
        close(fd);
    else if (l->tls != NULL && ip != NULL)
        c->state = WSRT_CONN_HANDSHAKE;
    return c;
}

void wsrt_listen_accept(wsrt_loop *l, size_t index)
{
    int is_unix = l->server->listeners[index].is_unix, on = 1;
    unsigned char ip[16];

    for (int i = 0; i < ACCEPTS_A_TURN && l->accepting; i++) {
        address a = {.any = {.sa_family = AF_UNSPEC}};
        socklen_t len = sizeof a;
        if (wsrt_handshake_full(l)) {
            pause_until(l, l->now + pause_ns);
            return;
        }
        if (!take_turn(l))
            return;
        int fd = accept4(l->listen_fds[index], &a.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            give_turn_back(l);
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                out_of_descriptors(l, l->listen_fds[index]);
            if (errno != ECONNABORTED && errno != EINTR)
                return;
            continue;
        }
        if (!is_unix)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        wsrt_conn *c = wsrt_listen_adopt(l, fd, is_unix ? NULL : ip_of(&a, ip));
        if (c != NULL)
            c->trust = l->server->listeners[index].is_admin ? WSRT_TRUST_ADMIN : 0;
    }
}
