/* A server inside a program that has an epoll loop of its own: the server's descriptor lies beside a
 * timer, and each tick of the timer goes to everybody who is connected.
 *
 *     embed-epoll [ADDRESS:PORT [TICKS]]
 */
#include <wsrt/server.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TICK_MS = 100 };

static int count_bytes(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char text[64];
    int len = snprintf(text, sizeof text, "{\"bytes\":%zu}", req->event->body.len);

    (void)user;
    return wsrt_reply(ctx, (wsrt_span){text, (size_t)len});
}

static int add_fd(int epoll, int fd)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
}

static int make_timer(void)
{
    const struct itimerspec every = {.it_value.tv_nsec = TICK_MS * 1000000L,
                                     .it_interval.tv_nsec = TICK_MS * 1000000L};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    if (fd >= 0)
        timerfd_settime(fd, 0, &every, NULL);
    return fd;
}

static void tell_everybody(wsrt_runtime *rt, uint64_t tick)
{
    char text[64];
    int len = snprintf(text, sizeof text, "{\"tick\":%llu}", (unsigned long long)tick);
    wsrt_post post = {.struct_size = sizeof post, .data = {text, (size_t)len}};

    wsrt_broadcast(rt, NULL, &post, NULL);
}

/* The host's loop. The server is stepped whenever its descriptor is readable or its time has come. */
static int loop(wsrt_runtime *rt, wsrt_server *server, uint64_t ticks)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = make_timer(), rc = WSRT_OK;
    uint64_t ticked = 0, expired;

    if (epoll < 0 || timer < 0 || add_fd(epoll, wsrt_server_fd(server)) != 0 ||
        add_fd(epoll, timer) != 0)
        rc = WSRT_ERR_IO;
    while (rc == WSRT_OK && (ticks == 0 || ticked < ticks)) {
        struct epoll_event ready[2];
        int n = epoll_wait(epoll, ready, 2, wsrt_server_timeout(server));

        for (int i = 0; i < n; i++)
            if (ready[i].data.fd == timer && read(timer, &expired, sizeof expired) > 0)
                tell_everybody(rt, ++ticked);
        rc = wsrt_server_step(server);
    }
    close(timer);
    close(epoll);
    return rc;
}

int main(int argc, char **argv)
{
    wsrt_span listen = wsrt_span_cstr(argc > 1 ? argv[1] : "127.0.0.1:8080");
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &listen, .listen_count = 1};
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = count_bytes};
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    char url[128];
    int rc = wsrt_runtime_new(&rt, NULL);

    if (rc == WSRT_OK)
        rc = wsrt_runtime_route(rt, &route);
    if (rc == WSRT_OK)
        rc = wsrt_server_new(&server, rt, &opts);
    if (rc == WSRT_OK)
        rc = wsrt_server_address(server, 0, url, sizeof url, NULL);
    if (rc == WSRT_OK) {
        printf("ticking on ws://%s/\n", url);
        fflush(stdout);
        rc = loop(rt, server, argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    }
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
