/* Load for the echo benchmark, the same for every server: prebuilt masked frames, `depth` of them
 * written at once on each connection, all answers compared byte by byte before the next batch.
 *
 *     echo-load PORT SCENARIO CONNECTIONS PAYLOAD DEPTH MILLISECONDS [raw|tls]
 *
 * SCENARIO  echo       batches for so long
 *           connect    connections opened and reset for so long; DEPTH of them at a time
 *           idle       connections that only stay
 *           broadcast  DEPTH messages by one connection, each received by all
 *           stalled    the same, but the last connection never reads
 * PAYLOAD   bytes of each message, or @FILE: a text to be sent
 * tls: over TLS, of whatever certificate; for echoes. raw: no handshake, and the server returns the bytes it was sent; for a broadcast it greets each
 * connection with one byte, so that none is missing from the first one.
 *
 * Speaks with its parent: prints `ready`, waits for a line, works, prints one line of JSON, and ends
 * when its input ends. Any wrong byte or lost connection ends it with status 1. */
#define _GNU_SOURCE
#include "common/tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, HEADER_MAX = 14, QUIET_MS = 20000 };

struct load {
    struct sockaddr_in server;
    int epoll;
    int raw;
    int greeted; /* the raw server says one byte to each connection it has accepted */
    size_t connections;
    size_t payload;
    const char *text; /* what is sent; NULL = letters */
    size_t depth;
    int64_t milliseconds;
    char *request; /* `depth` frames */
    size_t request_len;
    char *answer; /* what must come back for them */
    size_t answer_len;
    struct peer *peers;
    wsrt_tls *tls; /* NULL = clear text */
    uint64_t messages;
};

struct peer {
    int fd;
    wsrt_tls_session *tls; /* NULL = clear text */
    int upgraded;
    size_t unsent; /* of the batch */
    size_t seen;   /* of the answer */
};

static char input[1024 * 1024];
static const char upgrade[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void fail(const char *what)
{
    fprintf(stderr, "echo-load: %s\n", what);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- frames ---- */

static size_t put_frame(char *dst, size_t payload, const char *text, int masked)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *p = (unsigned char *)dst;
    unsigned char mask_bit = masked ? 0x80 : 0;

    *p++ = text != NULL ? 0x81 : 0x82;
    if (payload < 126) {
        *p++ = (unsigned char)(mask_bit | payload);
    } else {
        *p++ = (unsigned char)(mask_bit | (payload < 65536 ? 126 : 127));
        for (int shift = payload < 65536 ? 8 : 56; shift >= 0; shift -= 8)
            *p++ = (unsigned char)((uint64_t)payload >> shift);
    }
    if (masked) {
        memcpy(p, key, sizeof key);
        p += sizeof key;
    }
    for (size_t i = 0; i < payload; i++)
        *p++ = (unsigned char)(text != NULL ? text[i] : 'a' + (int)(i % 26)) ^
               (masked ? key[i % 4] : 0);
    return (size_t)(p - (unsigned char *)dst);
}

static void build_batch(struct load *l, size_t frames)
{
    l->request = malloc(frames * (l->payload + HEADER_MAX));
    l->answer = malloc(frames * (l->payload + HEADER_MAX));
    if (l->request == NULL || l->answer == NULL)
        fail("out of memory");
    for (size_t i = 0; i < frames; i++) {
        l->request_len += put_frame(l->request + l->request_len, l->payload, l->text, 1);
        l->answer_len += put_frame(l->answer + l->answer_len, l->payload, l->text, 0);
    }
    if (l->raw) {
        memcpy(l->answer, l->request, l->request_len);
        l->answer_len = l->request_len;
    }
}

/* ---- connections ---- */

static int fill(void *user, void *dst, size_t len)
{
    (void)user;
    return getrandom(dst, len, 0) == (ssize_t)len ? WSRT_OK : WSRT_ERR_IO;
}

static wsrt_tls *new_tls(void)
{
    static const wsrt_tls_random random = {fill, NULL};
    static const wsrt_tls_trust trust = {.insecure = 1};
    const char *why = NULL;
    wsrt_tls *tls;

    if (wsrt_tls_client_new(&tls, &random, &trust, &why) != WSRT_OK)
        fail(why);
    return tls;
}

/* To the end, since the socket blocks still. */
static void shake_hands(struct load *l, struct peer *peer)
{
    int rc = wsrt_tls_open(&peer->tls, l->tls, peer->fd, "localhost");

    while (rc == WSRT_OK && (rc = wsrt_tls_handshake(peer->tls)) == WSRT_TLS_MORE)
        rc = WSRT_OK;
    if (rc != WSRT_OK || fcntl(peer->fd, F_SETFL, O_NONBLOCK) != 0)
        fail("the TLS handshake failed");
}

static ssize_t send_to(struct peer *peer, const void *bytes, size_t len)
{
    if (peer->tls == NULL)
        return send(peer->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (wsrt_tls_flush(peer->tls) != 0)
        return -1;
    return wsrt_tls_write(peer->tls, bytes, len);
}

static void open_peer(struct load *l, size_t i)
{
    static const struct linger reset = {1, 0};
    int on = 1;
    struct peer *peer = &l->peers[i];
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = i};

    memset(peer, 0, sizeof *peer);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&l->server, sizeof l->server) != 0)
        fail("cannot connect");
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, peer->fd, &interest) != 0)
        fail("epoll_ctl");
    if (l->tls != NULL)
        shake_hands(l, peer);
    if (l->raw)
        peer->upgraded = !l->greeted;
    else if (send_to(peer, upgrade, sizeof upgrade - 1) != sizeof upgrade - 1)
        fail("cannot send the handshake");
}

static size_t receive(struct peer *peer)
{
    ssize_t n = peer->tls != NULL ? wsrt_tls_read(peer->tls, input, sizeof input)
                                  : recv(peer->fd, input, sizeof input, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        fail("the server closed a connection");
    return (size_t)n;
}

static void read_handshake(const struct load *l, struct peer *peer)
{
    size_t len = receive(peer);

    if (len == 0)
        return; /* a record without data of ours */
    if (l->raw && len == 1) {
        peer->upgraded = 1;
        return;
    }
    if (len < 16 || memcmp(input, "HTTP/1.1 101", 12) != 0 ||
        memcmp(input + len - 4, "\r\n\r\n", 4) != 0)
        fail("the handshake was refused");
    peer->upgraded = 1;
}

/* Leaves the core's shared parts to a sibling thread, which may be the server's. */
static void rest(void)
{
#if defined(__x86_64__) || defined(__i386__)
    for (int i = 0; i < 16; i++)
        __builtin_ia32_pause();
#endif
}

static size_t wait_events(struct load *l, struct epoll_event *events)
{
    int64_t since = 0;
    int n = epoll_wait(l->epoll, events, EVENTS, 0);

    /* Never asleep: else the faster server keeps the generator awake for nothing, and the slower one
     * pays for waking it with every answer. */
    while (n == 0) {
        int64_t now = now_us();
        since = since == 0 ? now : since;
        if (now - since > QUIET_MS * 1000)
            fail("the server fell silent");
        rest();
        n = epoll_wait(l->epoll, events, EVENTS, 0);
    }
    if (n < 0)
        fail("epoll_wait");
    return (size_t)n;
}

/* Opens so many at a time that the listen queue never overflows. */
static void open_all(struct load *l)
{
    struct epoll_event events[EVENTS];
    size_t opened = 0;
    size_t upgraded = 0;

    while (upgraded < l->connections) {
        while (opened < l->connections && opened - upgraded < 64) {
            open_peer(l, opened++);
            upgraded += l->raw && !l->greeted;
        }
        if (l->raw && !l->greeted)
            continue;
        for (size_t i = 0, n = wait_events(l, events); i < n; i++) {
            struct peer *peer = &l->peers[events[i].data.u64];
            read_handshake(l, peer);
            upgraded += (size_t)peer->upgraded;
        }
    }
}

/* ---- scenarios ---- */

static void send_batch(struct load *l, struct peer *peer)
{
    const char *from = l->request + (l->request_len - peer->unsent);
    ssize_t n = send_to(peer, from, peer->unsent);

    if (n < 0 && errno != EAGAIN)
        fail("cannot send");
    if (n > 0)
        peer->unsent -= (size_t)n;
}

static void watch(struct load *l, size_t i, uint32_t events)
{
    struct epoll_event interest = {.events = events, .data.u64 = i};

    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->peers[i].fd, &interest) != 0)
        fail("epoll_ctl");
}

static void start_batch(struct load *l, size_t i)
{
    struct peer *peer = &l->peers[i];

    peer->seen = 0;
    peer->unsent = l->request_len;
    send_batch(l, peer);
    if (peer->unsent > 0)
        watch(l, i, EPOLLIN | EPOLLOUT);
}

/* Returns 1 once the whole batch has come back. */
static int read_answer(struct load *l, struct peer *peer)
{
    size_t len = receive(peer);

    if (len > l->answer_len - peer->seen || memcmp(input, l->answer + peer->seen, len) != 0)
        fail("an answer differs from its message");
    peer->seen += len;
    return peer->seen == l->answer_len;
}

static void run_echo(struct load *l)
{
    struct epoll_event events[EVENTS];
    size_t busy = l->connections;
    int64_t end = now_us() + l->milliseconds * 1000;

    for (size_t i = 0; i < l->connections; i++)
        start_batch(l, i);
    while (busy > 0) {
        for (size_t k = 0, n = wait_events(l, events); k < n; k++) {
            size_t i = events[k].data.u64;
            if (events[k].events & EPOLLOUT) {
                send_batch(l, &l->peers[i]);
                if (l->peers[i].unsent == 0)
                    watch(l, i, EPOLLIN);
            }
            if (!(events[k].events & EPOLLIN) || !read_answer(l, &l->peers[i]))
                continue;
            l->messages += l->depth;
            if (now_us() < end)
                start_batch(l, i);
            else
                busy--;
        }
    }
}

/* Each connection ends once its server has answered: the upgrade, or without one a message. */
static void run_connect(struct load *l)
{
    struct epoll_event events[EVENTS];
    size_t busy = l->connections;
    int64_t end = now_us() + l->milliseconds * 1000;

    for (size_t i = 0; i < l->connections; i++) {
        open_peer(l, i);
        if (l->raw)
            start_batch(l, i);
    }
    while (busy > 0) {
        for (size_t k = 0, n = wait_events(l, events); k < n; k++) {
            struct peer *peer = &l->peers[events[k].data.u64];
            if (!peer->upgraded)
                read_handshake(l, peer);
            else if (!read_answer(l, peer))
                continue;
            close(peer->fd);
            peer->fd = -1;
            l->messages++;
            if (now_us() >= end) {
                busy--;
                continue;
            }
            open_peer(l, events[k].data.u64);
            if (l->raw)
                start_batch(l, events[k].data.u64);
        }
    }
}

/* The first `readers` connections hear of it. */
static void run_broadcast(struct load *l, size_t readers)
{
    struct epoll_event events[EVENTS];
    size_t one = l->payload + (l->payload < 126 ? 2 : 4);

    for (size_t i = readers; i < l->connections; i++)
        watch(l, i, 0);

    for (size_t round = 0; round < l->depth; round++) {
        uint64_t missing = (uint64_t)one * readers;
        if (send(l->peers[0].fd, l->request, l->request_len, MSG_NOSIGNAL) !=
            (ssize_t)l->request_len)
            fail("cannot send");
        while (missing > 0) {
            for (size_t k = 0, n = wait_events(l, events); k < n; k++) {
                size_t len = receive(&l->peers[events[k].data.u64]);
                if (len > missing)
                    fail("more came than was sent");
                missing -= len;
            }
        }
        l->messages++;
    }
}

/* ---- main ---- */

static char *read_text(const char *path, size_t *len)
{
    static char text[65536];
    FILE *f = fopen(path, "rb");

    if (f == NULL)
        fail("cannot read the payload");
    *len = fread(text, 1, sizeof text, f);
    fclose(f);
    return text;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void wait_for_parent(void)
{
    int c;

    while ((c = getchar()) != '\n')
        if (c == EOF)
            exit(0);
}

static void run(struct load *l, const char *scenario)
{
    int connecting = strcmp(scenario, "connect") == 0;
    int64_t start;

    if (!connecting)
        open_all(l);
    puts("ready");
    fflush(stdout);
    wait_for_parent();
    start = now_us();
    if (connecting)
        run_connect(l);
    else if (strcmp(scenario, "echo") == 0)
        run_echo(l);
    else if (strcmp(scenario, "broadcast") == 0)
        run_broadcast(l, l->connections);
    else if (strcmp(scenario, "stalled") == 0)
        run_broadcast(l, l->connections - 1);
    printf("{\"messages\":%llu,\"elapsed_us\":%lld}\n", (unsigned long long)l->messages,
           (long long)(now_us() - start));
    fflush(stdout);
    wait_for_parent();
}

int main(int argc, char **argv)
{
    struct load l = {.server.sin_family = AF_INET};

    if (argc < 7 || argc > 8)
        fail("usage: echo-load PORT SCENARIO CONNECTIONS PAYLOAD DEPTH MILLISECONDS [raw|tls]");
    l.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l.server.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    l.connections = strtoul(argv[3], NULL, 10);
    if (argv[4][0] == '@')
        l.text = read_text(argv[4] + 1, &l.payload);
    else
        l.payload = strtoul(argv[4], NULL, 10);
    l.depth = strtoul(argv[5], NULL, 10);
    l.milliseconds = strtol(argv[6], NULL, 10);
    l.raw = argc == 8 && strcmp(argv[7], "raw") == 0;
    if (argc == 8 && !l.raw)
        l.tls = new_tls();
    l.greeted = l.raw && strcmp(argv[2], "broadcast") == 0;
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.peers = calloc(l.connections, sizeof *l.peers);
    if (l.peers == NULL || l.epoll < 0 || l.connections == 0 || l.depth == 0)
        fail("bad arguments");
    raise_descriptor_limit();
    build_batch(&l, strcmp(argv[2], "echo") == 0 ? l.depth : 1);
    if (l.raw && strcmp(argv[2], "broadcast") == 0)
        l.request_len = 1;
    run(&l, argv[2]);
    return 0;
}
