/* TLS handshakes. They are served after the established connections, few at once, and for a bounded
 * time a turn: a full one costs as much as thousands of messages. */
#include "server/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { DISCARD = 64 * 1024, PATIENCE_MS = 3000, FIRST_BYTE = 0x16 /* a handshake record */ };

/* Less than a full handshake's step, which nothing can interrupt: at most one of those is between a message
 * and its answer, while cheap steps may be several. */
static const int64_t budget_ns = 2 * 1000000;

static void refused(wsrt_server *s, const char *why_cstr)
{
    wsrt_loop_log(&s->loops[0], WSRT_LEVEL_ERROR, "server.certificate_refused", "reason",
                  wsrt_span_cstr(why_cstr));
}

/* One configuration for each loop, of one reading of the files. */
int wsrt_handshake_prepare(wsrt_server *s, const wsrt_terms *terms, wsrt_tls_config **configs,
                           const char **why_cstr)
{
    wsrt_tls *all[WSRT_LOOPS_MAX + 1] = {s->tls_reader};
    wsrt_tls_config *made[WSRT_LOOPS_MAX + 1];

    for (uint32_t i = 0; i < s->loop_count; i++)
        all[i + 1] = s->loops[i].tls;
    int rc = wsrt_tls_server_prepare(all, s->loop_count + 1, terms->tls_cert, terms->tls_key, made,
                                     why_cstr);
    if (rc != WSRT_OK)
        return rc;
    wsrt_tls_config_release(made[0]);
    memcpy(configs, made + 1, s->loop_count * sizeof *configs);
    return WSRT_OK;
}

int wsrt_handshake_init(wsrt_server *s)
{
    wsrt_tls_random random = {s->set.env.random, s->set.env.user};
    wsrt_tls_config *configs[WSRT_LOOPS_MAX];
    const char *why_cstr;
    int rc = WSRT_OK;

    if (!s->set.has_tls)
        return WSRT_OK;
    rc = wsrt_tls_server_new(&s->tls_reader, &random, NULL, &why_cstr);
    for (uint32_t i = 0; i < s->loop_count && rc == WSRT_OK; i++)
        rc = wsrt_tls_server_new(&s->loops[i].tls, &random, s->tls_reader, &why_cstr);
    if (rc == WSRT_OK)
        rc = wsrt_handshake_prepare(s, s->terms, configs, &why_cstr);
    for (uint32_t i = 0; i < s->loop_count && rc == WSRT_OK; i++)
        wsrt_tls_server_adopt(s->loops[i].tls, configs[i]);
    if (rc != WSRT_OK)
        refused(s, why_cstr);
    return rc == WSRT_ERR_IO ? WSRT_ERR_REJECTED : rc; /* errno is the listeners' */
}

/* ---- another certificate -------------------------------------------------------------------- */

/* Each loop takes its own in its next turn; one that it did not take by then was for nobody. */
void wsrt_handshake_hand_out(wsrt_server *s, wsrt_tls_config **configs)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        wsrt_tls_config_release(atomic_exchange(&s->loops[i].next_config, configs[i]));
        wsrt_loop_wake(&s->loops[i]);
    }
}

static void read_again(wsrt_server *s)
{
    wsrt_tls_config *configs[WSRT_LOOPS_MAX];
    wsrt_loop *l = &s->loops[0];
    const char *why_cstr;

    pthread_mutex_lock(&s->reload_lock);
    int rc = wsrt_handshake_prepare(s, s->terms, configs, &why_cstr);
    if (rc == WSRT_OK)
        wsrt_handshake_hand_out(s, configs);
    pthread_mutex_unlock(&s->reload_lock);
    if (rc != WSRT_OK) {
        wsrt_loop_count(l, WSRT_COUNT_CERTIFICATES_REFUSED, 1);
        refused(s, why_cstr);
        return;
    }
    wsrt_loop_count(l, WSRT_COUNT_CERTIFICATES_LOADED, 1);
    wsrt_loop_log(l, WSRT_LEVEL_INFO, "server.certificate_loaded", "key", wsrt_span_cstr("***"));
}

/* The first loop reads for all. */
void wsrt_handshake_reload(wsrt_loop *l)
{
    if (l->tls == NULL)
        return;
    if (l->number == 0 && atomic_load_explicit(&l->server->reload_wanted, memory_order_relaxed) &&
        atomic_exchange_explicit(&l->server->reload_wanted, 0, memory_order_acquire))
        read_again(l->server);
    if (atomic_load_explicit(&l->next_config, memory_order_relaxed) != NULL)
        wsrt_tls_server_adopt(l->tls, atomic_exchange(&l->next_config, NULL));
}

/* ---- admission ------------------------------------------------------------------------------ */

int wsrt_handshake_full(const wsrt_loop *l)
{
    return l->handshake_count == WSRT_HANDSHAKES_MAX;
}

/* The connection does not shake hands any more. */
void wsrt_handshake_leave(wsrt_loop *l, const wsrt_conn *c)
{
    for (uint32_t i = 0; i < l->handshake_count; i++)
        if (l->handshakes[i] == c->slot) {
            l->handshakes[i] = l->handshakes[--l->handshake_count];
            return;
        }
}

/* Who has kept a place for long without getting anywhere loses it to somebody who waits. */
static void make_place(wsrt_loop *l)
{
    wsrt_conn *oldest = wsrt_conn_at(l, l->handshakes[0]);

    for (uint32_t i = 1; i < l->handshake_count; i++) {
        wsrt_conn *c = wsrt_conn_at(l, l->handshakes[i]);
        if (c->opened < oldest->opened)
            oldest = c;
    }
    if (oldest->opened + wsrt_ticks(PATIENCE_MS) > l->tick)
        return;
    wsrt_loop_count(l, WSRT_COUNT_TLS_FAILED, 1);
    wsrt_handshake_leave(l, oldest);
    wsrt_conn_reset(l, oldest);
}

/* Not read from until the slot fires, so that nothing spins. */
static void wait_for_place(wsrt_loop *l, wsrt_conn *c)
{
    c->flags |= WSRT_CONN_PAUSED;
    wsrt_conn_watch(l, c);
    wsrt_conn_need(l, c, l->tick + 1);
}

void wsrt_handshake_retry(wsrt_loop *l, wsrt_conn *c)
{
    c->flags &= (uint8_t)~WSRT_CONN_PAUSED;
    wsrt_conn_watch(l, c);
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* Somebody speaks HTTP here, or nothing at all. */
static void turn_away(wsrt_loop *l, wsrt_conn *c, unsigned char first)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                 "Content-Length: 24\r\nConnection: close\r\n\r\n"
                                 "This port speaks https.\n";

    wsrt_loop_count(l, WSRT_COUNT_TLS_FAILED, 1);
    if (first >= 'A' && first <= 'Z' &&
        send(c->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) == (ssize_t)sizeof answer - 1)
        wsrt_conn_finish(l, c, DISCARD);
    else
        wsrt_conn_lost(l, c);
}

/* Gives the connection a session when its first byte is one of a handshake. */
static int begin(wsrt_loop *l, wsrt_conn *c)
{
    unsigned char first;
    ssize_t n = recv(c->fd, &first, 1, MSG_PEEK);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (n <= 0) {
        wsrt_conn_lost(l, c);
        return 0;
    }
    if (first != FIRST_BYTE) {
        turn_away(l, c, first);
        return 0;
    }
    if (wsrt_handshake_full(l))
        make_place(l);
    if (wsrt_handshake_full(l)) {
        wait_for_place(l, c);
        return 0;
    }
    wsrt_tls_server_rotate(l->tls, l->now);
    if (wsrt_tls_open(&c->tls, l->tls, c->fd, NULL) != WSRT_OK) {
        wsrt_conn_lost(l, c);
        return 0;
    }
    c->opened = l->tick;
    l->handshakes[l->handshake_count++] = c->slot;
    return 1;
}

static void advance(wsrt_loop *l, wsrt_conn *c)
{
    if (c->tls == NULL && !begin(l, c))
        return;
    int rc = wsrt_tls_handshake(c->tls);
    if (rc == WSRT_TLS_MORE) {
        wsrt_conn_watch(l, c);
        return;
    }
    wsrt_handshake_leave(l, c);
    if (rc != WSRT_OK) {
        wsrt_loop_count(l, WSRT_COUNT_TLS_FAILED, 1);
        wsrt_conn_finish(l, c, DISCARD);
        return;
    }
    wsrt_loop_count(l, WSRT_COUNT_TLS_OPENED, 1);
    wsrt_loop_count(l, WSRT_COUNT_TLS_RESUMED, (uint64_t)wsrt_tls_resumed(c->tls));
    c->state = WSRT_CONN_HTTP;
    wsrt_conn_watch(l, c);
}

/* The socket has something for a handshake; it is served at the turn's end. */
void wsrt_handshake_due(wsrt_loop *l, wsrt_conn *c, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLOUT)) != 0) {
        l->due[l->due_count++] = c->slot;
        return;
    }
    wsrt_conn_lost(l, c);
    wsrt_conn_retire(l);
}

/* Who has no turn now is named again by epoll in the next one. */
void wsrt_handshake_run(wsrt_loop *l)
{
    const wsrt_env *env = wsrt_runtime_env(l->server->runtime);

    if (l->due_count == 0)
        return;
    int64_t end = env->cpu(env->user) + budget_ns;
    for (uint32_t i = 0; i < l->due_count; i++) {
        wsrt_conn *c = wsrt_conn_at(l, l->due[i]);
        if (c->state == WSRT_CONN_HANDSHAKE)
            advance(l, c);
        if (env->cpu(env->user) >= end)
            break;
    }
    l->due_count = 0;
    wsrt_conn_retire(l);
}
