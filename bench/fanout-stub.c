/* A Management API that says 200 to everything, as fast as it can: fanout-stub prints its port, then
 * serves until it is killed. It only looks for the ends of requests. */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 4096, BUFFER = 8192, EVENTS = 64 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                             "Content-Type: application/json\r\n\r\n";

struct peer {
    char text[BUFFER];
    size_t len;
};

static struct peer *peers[PEERS];

static int listen_here(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        exit(1);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* Bytes of the first whole request, or 0. */
static size_t request_size(const struct peer *p)
{
    const char *end = memmem(p->text, p->len, "\r\n\r\n", 4);
    size_t head, body = 0;

    if (end == NULL)
        return 0;
    head = (size_t)(end - p->text) + 4;
    for (const char *at = p->text; at < end; at++)
        if (*at == '\n' && strncasecmp(at + 1, "content-length:", 15) == 0)
            body = strtoul(at + 16, NULL, 10);
    return p->len >= head + body ? head + body : 0;
}

static int answer_all(int fd, struct peer *p)
{
    size_t size;

    while ((size = request_size(p)) > 0) {
        if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            return 0;
        p->len -= size;
        memmove(p->text, p->text + size, p->len);
    }
    return p->len < BUFFER;
}

static void serve(int fd)
{
    struct peer *p = peers[fd];
    ssize_t n = recv(fd, p->text + p->len, BUFFER - p->len, 0);

    if (n > 0) {
        p->len += (size_t)n;
        if (answer_all(fd, p))
            return;
    }
    free(p);
    peers[fd] = NULL;
    close(fd);
}

static void admit(int epoll, int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0 || fd >= PEERS || (peers[fd] = calloc(1, sizeof **peers)) == NULL)
        exit(1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

int main(void)
{
    int listener = listen_here(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], e = {.events = EPOLLIN, .data.fd = listener};

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                admit(epoll, listener);
            else
                serve(events[i].data.fd);
    }
}
