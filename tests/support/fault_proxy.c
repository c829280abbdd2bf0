#include "fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 128, BUFFER = 65536, SOME_BYTES = 600 };

/* From one of the two to the other. */
struct way {
    char bytes[BUFFER];
    size_t len;
    size_t passed; /* bytes so far */
    int64_t due;   /* ms: nothing passes before */
    int ended;     /* the end has been read */
    int shut;      /* and passed on */
};

struct pair {
    int fds[2]; /* the caller's, the service's; -1 = closed */
    enum fault fault;
    int version;  /* of that setting */
    int where;    /* the way that it happens on */
    size_t after; /* bytes of that way */
    int silent;
    struct way ways[2]; /* from fds[i] */
};

struct fault_proxy {
    int listener, port, to_port;
    int wake[2];
    pthread_t thread;
    atomic_int fault;
    atomic_int version; /* grows when it is set */
    atomic_int connections;
    uint64_t random;
    struct pair *pairs[PAIRS];
};

const char *fault_name(int fault)
{
    static const char *const names[FAULTS] = {
        [FAULT_NONE] = "none",
        [FAULT_DELAY] = "delay",
        [FAULT_DRIP] = "drip",
        [FAULT_PIECES] = "pieces",
        [FAULT_CUT] = "cut",
        [FAULT_RESET] = "reset",
        [FAULT_HALF_OPEN] = "half-open",
        [FAULT_BLACKHOLE] = "blackhole",
        [FAULT_CORRUPT] = "corrupt",
        [FAULT_SWAP] = "swap",
        [FAULT_UNAVAILABLE] = "503",
    };

    return names[fault];
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t below(struct fault_proxy *p, size_t n)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(p->random >> 33) % n;
}

/* ---- ends --------------------------------------------------------------------------------- */

static void close_one(struct pair *c, int i, int hard)
{
    struct linger now = {1, 0};

    if (c->fds[i] < 0)
        return;
    if (hard)
        setsockopt(c->fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fds[i]);
    c->fds[i] = -1;
}

static void close_both(struct pair *c, int hard)
{
    close_one(c, 0, hard);
    close_one(c, 1, hard);
}

static int is_over(const struct pair *c)
{
    return (c->fds[0] < 0 && c->fds[1] < 0) ||
           (!c->silent && (c->fds[0] < 0 || c->fds[1] < 0 || (c->ways[0].shut && c->ways[1].shut)));
}

/* ---- what happens ------------------------------------------------------------------------- */

/* Some bytes have passed. */
static void strike(struct pair *c)
{
    switch (c->fault) {
    case FAULT_CUT:
        close_both(c, 0);
        break;
    case FAULT_RESET:
        close_both(c, 1);
        break;
    case FAULT_HALF_OPEN:
        close_one(c, 1, 0);
        c->silent = 1;
        break;
    case FAULT_BLACKHOLE:
        c->silent = 1;
        break;
    default:
        break;
    }
}

static int ends_it(enum fault f)
{
    return f == FAULT_CUT || f == FAULT_RESET || f == FAULT_HALF_OPEN || f == FAULT_BLACKHOLE;
}

/* Bytes on their way that are to be others. */
static void garble(struct pair *c, int i)
{
    struct way *w = &c->ways[i];

    if (i != c->where || c->after < w->passed || c->after + 1 >= w->passed + w->len)
        return;
    char *at = w->bytes + (c->after - w->passed), first = at[0];
    if (c->fault == FAULT_CORRUPT) {
        at[0] ^= 4;
    } else if (c->fault == FAULT_SWAP) {
        at[0] = at[1];
        at[1] = first;
    }
}

/* How many of the waiting bytes pass now. */
static size_t share(struct fault_proxy *p, struct pair *c, int i)
{
    struct way *w = &c->ways[i];
    size_t n = w->len;

    if (c->fault == FAULT_DRIP) {
        w->due = now_ms() + 1;
        n = 1;
    } else if (c->fault == FAULT_PIECES) {
        n = 1 + below(p, n);
    }
    if (ends_it(c->fault) && i == c->where && w->passed + n > c->after)
        n = c->after - w->passed;
    return n;
}

static void pass(struct fault_proxy *p, struct pair *c, int i)
{
    struct way *w = &c->ways[i];

    if (w->len > 0 && now_ms() >= w->due) {
        size_t n = share(p, c, i);
        ssize_t sent = n == 0 ? 0 : send(c->fds[1 - i], w->bytes, n, MSG_NOSIGNAL);
        if (sent < 0) {
            close_both(c, 0);
            return;
        }
        w->passed += (size_t)sent;
        w->len -= (size_t)sent;
        memmove(w->bytes, w->bytes + sent, w->len);
        if (ends_it(c->fault) && i == c->where && w->passed >= c->after)
            strike(c);
    }
    if (w->ended && w->len == 0 && !w->shut && c->fds[1 - i] >= 0 && !c->silent) {
        shutdown(c->fds[1 - i], SHUT_WR);
        w->shut = 1;
    }
}

static void answer_unavailable(struct pair *c)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n";
    const struct way *w = &c->ways[0];

    if (memmem(w->bytes, w->len, "\r\n\r\n", 4) == NULL)
        return;
    (void)!send(c->fds[0], text, sizeof text - 1, MSG_NOSIGNAL);
    shutdown(c->fds[0], SHUT_WR);
    close_both(c, 0);
}

static void take(struct fault_proxy *p, struct pair *c, int i)
{
    struct way *w = &c->ways[i];
    ssize_t n = recv(c->fds[i], w->bytes + w->len, BUFFER - w->len, 0);

    if (n < 0) {
        close_both(c, 1);
        return;
    }
    if (n == 0) {
        w->ended = 1;
        return;
    }
    if (c->silent)
        return;
    if (w->len == 0 && c->fault == FAULT_DELAY)
        w->due = now_ms() + 5 + (int64_t)below(p, 46);
    w->len += (size_t)n;
    garble(c, i);
    if (c->fault == FAULT_UNAVAILABLE)
        answer_unavailable(c);
}

/* ---- the thread --------------------------------------------------------------------------- */

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void arm(struct fault_proxy *p, struct pair *c)
{
    c->version = atomic_load(&p->version);
    c->fault = (enum fault)atomic_load(&p->fault);
    c->where = (int)below(p, 2);
    c->after = c->ways[c->where].passed + 1 + below(p, SOME_BYTES);
}

static void welcome(struct fault_proxy *p)
{
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC), slot = 0;

    while (slot < PAIRS && p->pairs[slot] != NULL)
        slot++;
    struct pair *c = slot < PAIRS ? calloc(1, sizeof *c) : NULL;
    if (fd < 0 || c == NULL || (c->fds[1] = dial(p->to_port)) < 0) {
        close(fd);
        free(c);
        return;
    }
    c->fds[0] = fd;
    arm(p, c);
    p->pairs[slot] = c;
    atomic_fetch_add(&p->connections, 1);
}

static int timeout(struct fault_proxy *p)
{
    int64_t first = INT64_MAX, now = now_ms();

    for (int i = 0; i < PAIRS; i++)
        for (int k = 0; p->pairs[i] != NULL && k < 2; k++)
            if (p->pairs[i]->ways[k].len > 0 && p->pairs[i]->ways[k].due < first)
                first = p->pairs[i]->ways[k].due;
    return first == INT64_MAX ? -1 : first <= now ? 0 : (int)(first - now);
}

static nfds_t watch(struct fault_proxy *p, struct pollfd *fds)
{
    nfds_t n = 0;

    fds[n++] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    for (int i = 0; i < PAIRS * 2; i++) {
        const struct pair *c = p->pairs[i / 2];
        int reads = c != NULL && !c->ways[i % 2].ended && c->ways[i % 2].len < BUFFER;
        fds[n++] = (struct pollfd){.fd = reads ? c->fds[i % 2] : -1, .events = POLLIN};
    }
    return n;
}

static void serve(struct fault_proxy *p, int slot, const struct pollfd *fds)
{
    struct pair *c = p->pairs[slot];

    if (c->version != atomic_load(&p->version))
        arm(p, c);
    for (int i = 0; i < 2; i++)
        if (c->fds[i] >= 0 && fds[i].fd == c->fds[i] && fds[i].revents != 0)
            take(p, c, i);
    for (int i = 0; i < 2; i++)
        if (!c->silent && c->fds[0] >= 0 && c->fds[1] >= 0)
            pass(p, c, i);
    if (!is_over(c))
        return;
    close_both(c, 0);
    free(c);
    p->pairs[slot] = NULL;
}

static void *run(void *user)
{
    struct fault_proxy *p = user;
    struct pollfd fds[2 + PAIRS * 2];

    for (;;) {
        nfds_t n = watch(p, fds);
        poll(fds, n, timeout(p));
        if (fds[0].revents != 0)
            return NULL;
        for (int i = 0; i < PAIRS; i++)
            if (p->pairs[i] != NULL)
                serve(p, i, &fds[2 + i * 2]);
        if (fds[1].revents != 0)
            welcome(p);
    }
}

/* ---- life --------------------------------------------------------------------------------- */

struct fault_proxy *fault_proxy_start(int to_port, uint64_t seed)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct fault_proxy *p = calloc(1, sizeof *p);
    socklen_t len = sizeof at;

    p->to_port = to_port;
    p->random = seed * 2654435761u + 1;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(p->listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(p->listener, 64) != 0 ||
        getsockname(p->listener, (struct sockaddr *)&at, &len) != 0 ||
        pipe2(p->wake, O_CLOEXEC) != 0 || pthread_create(&p->thread, NULL, run, p) != 0)
        abort();
    p->port = ntohs(at.sin_port);
    return p;
}

int fault_proxy_port(const struct fault_proxy *p)
{
    return p->port;
}

void fault_proxy_set(struct fault_proxy *p, enum fault fault)
{
    atomic_store(&p->fault, (int)fault);
    atomic_fetch_add(&p->version, 1);
}

int fault_proxy_connections(const struct fault_proxy *p)
{
    return atomic_load(&p->connections);
}

void fault_proxy_stop(struct fault_proxy *p)
{
    (void)!write(p->wake[1], "", 1);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < PAIRS; i++) {
        if (p->pairs[i] != NULL)
            close_both(p->pairs[i], 0);
        free(p->pairs[i]);
    }
    close(p->listener);
    close(p->wake[0]);
    close(p->wake[1]);
    free(p);
}
