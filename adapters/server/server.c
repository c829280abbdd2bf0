/* The public face. */
#include "server/internal.h"
#include "server/memory.h"

#include <errno.h>
#include <string.h>

static void free_parts(wsrt_server *s)
{
    wsrt_allocator mem = s->set.mem;

    wsrt_series_shut(s);
    wsrt_listen_close(s);
    wsrt_loop_free(&s->loop);
    wsrt_server_settings_free(&s->set);
    wsrt_server_release(&mem, s, sizeof *s);
}

static wsrt_server *make(const wsrt_settings *set, wsrt_runtime *rt)
{
    wsrt_server *s = wsrt_server_zalloc(&set->mem, sizeof *s);

    if (s == NULL)
        return NULL;
    s->set = *set;
    s->runtime = rt;
    s->spare = -1;
    s->accept_due = s->drain_due = INT64_MAX;
    return s;
}

int wsrt_server_new(wsrt_server **out, wsrt_runtime *rt, const wsrt_server_options *opts)
{
    wsrt_settings set;
    wsrt_sender sender;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (rt == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_server_settings_load(&set, rt, opts);
    if (rc != WSRT_OK)
        return rc;
    wsrt_server *s = make(&set, rt);
    if (s == NULL) {
        wsrt_server_settings_free(&set);
        return WSRT_ERR_NOMEM;
    }
    rc = wsrt_loop_init(&s->loop, s);
    if (rc == WSRT_OK)
        rc = wsrt_handshake_init(s);
    if (rc == WSRT_OK)
        rc = wsrt_series_open(s);
    if (rc == WSRT_OK)
        rc = wsrt_listen_all(s);
    wsrt_server_sender(s, &sender);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_set_sender(rt, &sender);
    if (rc == WSRT_OK && set.feed != NULL)
        (void)wsrt_feed_set_sender(set.feed, &sender);
    if (rc != WSRT_OK) {
        int why = errno;
        free_parts(s);
        errno = why;
        return rc;
    }
    *out = s;
    return WSRT_OK;
}

int wsrt_server_address(wsrt_server *s, size_t index, char *dst, size_t cap, size_t *len)
{
    if (s == NULL || dst == NULL)
        return WSRT_ERR_INVALID;
    if (index >= s->listener_count)
        return WSRT_ERR_NOT_FOUND;
    const wsrt_listener *at = &s->listeners[index];
    if (cap <= at->len)
        return WSRT_ERR_LIMIT;
    memcpy(dst, at->address, at->len + 1);
    if (len != NULL)
        *len = at->len;
    return WSRT_OK;
}

int wsrt_server_fd(wsrt_server *s)
{
    return s->loop.epoll;
}

int wsrt_server_timeout(wsrt_server *s)
{
    wsrt_loop_read_clock(&s->loop);
    return wsrt_loop_timeout(&s->loop);
}

static int is_over(const wsrt_server *s)
{
    return wsrt_drain_ended(s) || atomic_load_explicit(&s->stopping, memory_order_acquire);
}

static int turn(wsrt_server *s, int timeout)
{
    if (pthread_equal(atomic_load_explicit(&s->loop.owner, memory_order_relaxed), pthread_self()))
        return WSRT_ERR_STATE; /* from inside a callback */
    if (is_over(s))
        return WSRT_ERR_STATE;
    int rc = wsrt_loop_turn(&s->loop, timeout);
    return rc == WSRT_OK && is_over(s) ? WSRT_ERR_STATE : rc;
}

int wsrt_server_step(wsrt_server *s)
{
    return s == NULL ? WSRT_ERR_INVALID : turn(s, 0);
}

int wsrt_server_run(wsrt_server *s)
{
    int rc = WSRT_OK;

    if (s == NULL)
        return WSRT_ERR_INVALID;
    while (rc == WSRT_OK)
        rc = turn(s, wsrt_loop_timeout(&s->loop));
    return rc == WSRT_ERR_STATE && is_over(s) ? WSRT_OK : rc;
}

int wsrt_server_drain(wsrt_server *s, const wsrt_drain_options *opts)
{
    wsrt_drain_options o;
    int rc = s == NULL ? WSRT_ERR_INVALID : wsrt_server_options_read(&o, sizeof o, opts);

    if (rc != WSRT_OK)
        return rc;
    if (o.flags != 0 || o.lame_duck_ms < 0 || o.lame_duck_ms > INT32_MAX || o.timeout_ms < 0 ||
        o.timeout_ms > INT32_MAX)
        return WSRT_ERR_INVALID;
    atomic_store(&s->drain_lame_ms, o.lame_duck_ms);
    atomic_store(&s->drain_most_ms, o.timeout_ms);
    atomic_store_explicit(&s->drain_wanted, 1, memory_order_release);
    int why = errno;
    wsrt_loop_wake(&s->loop);
    errno = why;
    return WSRT_OK;
}

void wsrt_server_stop(wsrt_server *s)
{
    int why = errno;

    atomic_store_explicit(&s->stopping, 1, memory_order_release);
    wsrt_loop_wake(&s->loop);
    errno = why;
}

int wsrt_server_reload_certificate(wsrt_server *s)
{
    int why = errno;

    if (s == NULL)
        return WSRT_ERR_INVALID;
    if (s->set.tls_cert.len == 0)
        return WSRT_ERR_STATE;
    atomic_store_explicit(&s->reload_wanted, 1, memory_order_release);
    wsrt_loop_wake(&s->loop);
    errno = why;
    return WSRT_OK;
}

void wsrt_server_sender(wsrt_server *s, wsrt_sender *out)
{
    *out = (wsrt_sender){&wsrt_server_sender_ops, s};
}

int wsrt_server_get_stats(wsrt_server *s, wsrt_server_stats *out)
{
    uint64_t v[15];
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    if (s == NULL || out == NULL || out->struct_size < sizeof stats || out->struct_size > 4096)
        return WSRT_ERR_INVALID;
    for (size_t i = 0; i < 15; i++)
        v[i] = atomic_load_explicit(&s->published[i], memory_order_relaxed);
    stats.struct_size = out->struct_size;
    stats.draining = (int32_t)v[0];
    stats.open = v[1];
    stats.opened = v[2];
    stats.closed = v[3];
    stats.refused = v[4];
    stats.messages_in = v[5];
    stats.messages_out = v[6];
    stats.bytes_in = v[7];
    stats.bytes_out = v[8];
    stats.turns = v[9];
    stats.tls_opened = v[10];
    stats.tls_resumed = v[11];
    stats.tls_failed = v[12];
    stats.certificates_loaded = v[13];
    stats.certificates_refused = v[14];
    stats.queued_bytes =
        (uint64_t)atomic_load_explicit(&s->loop.queued_total, memory_order_relaxed);
    memset((char *)out + sizeof stats, 0, out->struct_size - sizeof stats);
    memcpy(out, &stats, sizeof stats);
    return WSRT_OK;
}

/* Ends every connection: by a close frame where the server ends in order, by a reset after stop(). */
static void end_all(wsrt_server *s)
{
    wsrt_loop *l = &s->loop;
    int stopped = atomic_load_explicit(&s->stopping, memory_order_acquire);

    for (uint32_t slot = 0; slot < l->chunk_count * WSRT_SLAB_CHUNK; slot++) {
        wsrt_conn *c = wsrt_conn_at(l, slot);
        if (c->state == WSRT_CONN_FREE)
            continue;
        if (stopped) {
            wsrt_conn_reset(l, c);
        } else {
            wsrt_conn_close(l, c, 1001, wsrt_span_cstr("going away"));
            wsrt_conn_lost(l, c);
        }
    }
    wsrt_conn_retire(l);
}

void wsrt_server_free(wsrt_server *s)
{
    if (s == NULL)
        return;
    wsrt_loop_read_clock(&s->loop);
    atomic_store_explicit(&s->loop.owner, pthread_self(), memory_order_relaxed);
    wsrt_sender_take_up(&s->loop);
    end_all(s);
    wsrt_runtime_set_sender(s->runtime, NULL);
    if (s->set.feed != NULL)
        (void)wsrt_feed_set_sender(s->set.feed, NULL);
    free_parts(s);
}
