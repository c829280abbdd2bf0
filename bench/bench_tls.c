/* What TLS costs: a full handshake, a resumed one, and memory for an idle session, on the server's
 * side alone. Client and server take turns in this thread over a socket pair. */
#include "bench.h"

#include "common/tls/tls.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANDSHAKES = 40, SESSIONS = 2000 };

static int fill(void *user, void *dst, size_t len)
{
    (void)user;
    return getrandom(dst, len, 0) == (ssize_t)len ? WSRT_OK : WSRT_ERR_IO;
}

static const wsrt_tls_random entropy = {fill, NULL};

static void check(int right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "bench_tls: %s\n", what);
    exit(1);
}

struct pair {
    int fd[2];
    wsrt_tls_session *server;
    wsrt_tls_session *client;
};

/* Shakes hands; returns the CPU of the server's half in ns. */
static int64_t shake(struct pair *p, wsrt_tls *server, wsrt_tls *client)
{
    int done[2] = {WSRT_TLS_MORE, WSRT_TLS_MORE};
    int64_t cpu = 0;

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd) == 0, "socketpair");
    check(wsrt_tls_open(&p->client, client, p->fd[1], "localhost") == WSRT_OK, "client");
    int64_t begun = bench_cpu();
    check(wsrt_tls_open(&p->server, server, p->fd[0], NULL) == WSRT_OK, "server");
    cpu += bench_cpu() - begun;
    while (done[0] != WSRT_OK || done[1] != WSRT_OK) {
        if (done[1] == WSRT_TLS_MORE)
            done[1] = wsrt_tls_handshake(p->client);
        begun = bench_cpu();
        if (done[0] == WSRT_TLS_MORE)
            done[0] = wsrt_tls_handshake(p->server);
        cpu += bench_cpu() - begun;
        check(done[0] >= 0 && done[1] >= 0, "the handshake failed");
    }
    return cpu;
}

static void end(struct pair *p)
{
    wsrt_tls_close(p->client);
    wsrt_tls_close(p->server);
    close(p->fd[0]);
    close(p->fd[1]);
}

static int64_t one(wsrt_tls *server, wsrt_tls *client, int resumed)
{
    struct pair p;
    int64_t cpu = shake(&p, server, client);

    check(wsrt_tls_resumed(p.server) == resumed, "resumed, or not");
    end(&p);
    return cpu;
}

static void handshakes(struct bench *b, wsrt_tls *server)
{
    const wsrt_tls_trust fresh = {.insecure = 1}, again = {.insecure = 1, .resume = 1};
    int count = b->quick ? 3 : HANDSHAKES;
    double full[HANDSHAKES], resumed[HANDSHAKES], ratio[HANDSHAKES];
    wsrt_tls *stranger, *known;
    const char *why = NULL;

    check(wsrt_tls_client_new(&stranger, &entropy, &fresh, &why) == WSRT_OK, why);
    check(wsrt_tls_client_new(&known, &entropy, &again, &why) == WSRT_OK, why);
    one(server, known, 0);
    for (int i = 0; i < count; i++) {
        full[i] = (double)one(server, stranger, 0) / 1e6;
        resumed[i] = (double)one(server, known, 1) / 1e6;
        ratio[i] = full[i] / resumed[i];
    }
    bench_row(b, "full_ms", bench_median(full, (size_t)count), "ms of the server's CPU");
    bench_row(b, "resumed_ms", bench_median(resumed, (size_t)count), "ms of the server's CPU");
    bench_row(b, "full_per_resumed", bench_median(ratio, (size_t)count), "(goal 15 or more)");
    wsrt_tls_free(stranger);
    wsrt_tls_free(known);
}

static double resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    check(f != NULL && fscanf(f, "%*s %ld", &pages) == 1, "statm");
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* The clients' halves are freed first, and their pages are reused by the later servers'. */
static void memory(struct bench *b, wsrt_tls *server)
{
    const wsrt_tls_trust fresh = {.insecure = 1, .resume = 1};
    int count = b->quick ? 20 : SESSIONS;
    struct pair *pairs = calloc((size_t)count, sizeof *pairs);
    wsrt_tls *client = NULL;
    const char *why = NULL;

    check(pairs != NULL && wsrt_tls_client_new(&client, &entropy, &fresh, &why) == WSRT_OK, why);
    one(server, client, 0);
    double before = resident();
    for (int i = 0; i < count; i++) {
        shake(&pairs[i], server, client);
        wsrt_tls_close(pairs[i].client);
        close(pairs[i].fd[1]);
        close(pairs[i].fd[0]);
    }
    bench_row(b, "rss_per_session_kb", (resident() - before) / count / 1000, "kB (goal 37)");
    for (int i = 0; i < count; i++)
        wsrt_tls_close(pairs[i].server);
    wsrt_tls_free(client);
    free(pairs);
}

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);
    const char *cert = getenv("WSRT_TLS_CERT"), *key = getenv("WSRT_TLS_KEY"), *why = NULL;
    wsrt_tls *server;

    check(cert != NULL && key != NULL, "WSRT_TLS_CERT and WSRT_TLS_KEY name no PEM files");
    check(wsrt_tls_server_new(&server, &entropy, NULL, &why) == WSRT_OK, why);
    check(wsrt_tls_server_load(server, wsrt_span_cstr(cert), wsrt_span_cstr(key), &why) == WSRT_OK,
          why);
    handshakes(&b, server);
    memory(&b, server);
    bench_end(&b);
    wsrt_tls_free(server);
    return 0;
}
