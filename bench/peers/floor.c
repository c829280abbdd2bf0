/* What echo costs without any protocol: level-triggered epoll, one buffer, the same bytes back.
 * With `--broadcast N` it greets each connection with one byte, and answers each arriving byte by one
 * N-byte write to every connection. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 65536, EVENTS = 256 };

static char buffer[512 * 1024];
static int open_fds[MOST_DESCRIPTORS];
static int place_of[MOST_DESCRIPTORS];
static int open_count;

static int listen_on_loopback(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

static void accept_one(int epoll, int listener, int greets)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0 || fd >= MOST_DESCRIPTORS)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
    place_of[fd] = open_count;
    open_fds[open_count++] = fd;
    if (greets)
        (void)send(fd, "", 1, MSG_NOSIGNAL);
}

static void forget(int fd)
{
    int last = open_fds[--open_count];

    open_fds[place_of[fd]] = last;
    place_of[last] = place_of[fd];
    close(fd);
}

static int send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static void broadcast(size_t len, ssize_t times)
{
    while (times-- > 0)
        for (int i = 0; i < open_count; i++)
            (void)send_all(open_fds[i], buffer, len);
}

static void serve_one(int fd, size_t broadcast_len)
{
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        forget(fd);
    } else if (broadcast_len > 0) {
        memset(buffer, 'b', broadcast_len);
        broadcast(broadcast_len, n);
    } else if (send_all(fd, buffer, (size_t)n) != 0) {
        forget(fd);
    }
}

int main(int argc, char **argv)
{
    unsigned port = 0;
    size_t broadcast_len = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    int listener = listen_on_loopback(&port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event events[EVENTS];

    if (listener < 0 || epoll < 0 || broadcast_len > sizeof buffer ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &interest) != 0)
        return 1;
    printf("{\"event\":\"listening\",\"port\":%u}\n", port);
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll, listener, broadcast_len > 0);
            else
                serve_one(events[i].data.fd, broadcast_len);
        }
    }
}
