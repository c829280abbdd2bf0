/* The public face. */
#include "server/internal.h"
#include "common/support.h"
#include "server/memory.h"
#include "server/workers.h"

#include <errno.h>
#include <string.h>

static void free_parts(wsrt_server *s)
{
    wsrt_allocator mem = s->set.mem;

    wsrt_crew_stop(s);
    wsrt_series_shut(s);
    for (uint32_t i = 0; i < s->loop_count; i++)
        wsrt_listen_close(&s->loops[i]);
    for (uint32_t i = 0; i < s->loop_count; i++)
        wsrt_loop_free(&s->loops[i]);
    wsrt_tls_free(s->tls_reader);
    wsrt_terms_release(s->terms);
    wsrt_peers_free(&s->peers);
    pthread_mutex_destroy(&s->peers_lock);
    pthread_mutex_destroy(&s->tick_lock);
    pthread_mutex_destroy(&s->reload_lock);
    wsrt_server_release(&mem, s->loops, s->set.loops * sizeof *s->loops);
    wsrt_server_settings_free(&s->set);
    wsrt_server_release(&mem, s, sizeof *s);
}

/* Takes over what the settings hold. */
static wsrt_server *make(const wsrt_settings *set, wsrt_terms *terms, wsrt_runtime *rt)
{
    wsrt_server *s = wsrt_server_zalloc(&set->mem, sizeof *s);
    wsrt_loop *loops = s == NULL ? NULL : wsrt_server_zalloc(&set->mem, set->loops * sizeof *loops);

    if (loops == NULL) {
        wsrt_server_release(&set->mem, s, sizeof *s);
        return NULL;
    }
    s->set = *set;
    s->runtime = rt;
    s->loops = loops;
    pthread_mutex_init(&s->peers_lock, NULL);
    pthread_mutex_init(&s->tick_lock, NULL);
    wsrt_reload_begin(s, terms);
    return s;
}

static int begin_loops(wsrt_server *s)
{
    uint64_t seed;
    int rc = WSRT_OK;

    if (s->set.env.random(s->set.env.user, &seed, sizeof seed) != WSRT_OK)
        return WSRT_ERR_IO;
    wsrt_peers_init(&s->peers, &s->set.mem, seed);
    while (s->loop_count < s->set.loops && rc == WSRT_OK) {
        rc = wsrt_loop_init(&s->loops[s->loop_count], s, s->loop_count);
        s->loop_count++;
    }
    return rc;
}

/* Reads the options; the log says which of them is wrong. */
static int load(wsrt_settings *set, wsrt_terms **terms, wsrt_runtime *rt,
                const wsrt_server_options *opts)
{
    const wsrt_env *env = wsrt_runtime_env(rt);
    const char *wrong_cstr = "struct_size";
    wsrt_server_options o;
    int rc = wsrt_server_options_read(&o, sizeof o, opts);

    *set = (wsrt_settings){.loops = 0};
    if (rc == WSRT_OK)
        rc = wsrt_server_settings_load(set, rt, &o, &wrong_cstr);
    if (rc == WSRT_OK)
        rc = wsrt_terms_new(terms, &o, &wrong_cstr);
    if (rc == WSRT_OK)
        return WSRT_OK;
    wsrt_server_settings_free(set);
    wsrt_field field = {.name_cstr = "setting", .text = wsrt_span_cstr(wrong_cstr)};
    field.kind = WSRT_FIELD_TEXT;
    env->log(env->user, WSRT_LEVEL_ERROR, "server.settings_refused", &field, 1);
    return rc;
}

int wsrt_server_new(wsrt_server **out, wsrt_runtime *rt, const wsrt_server_options *opts)
{
    wsrt_settings set;
    wsrt_terms *terms;
    wsrt_sender sender;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (rt == NULL)
        return WSRT_ERR_INVALID;
    int rc = load(&set, &terms, rt, opts);
    if (rc != WSRT_OK)
        return rc;
    wsrt_server *s = make(&set, terms, rt);
    if (s == NULL) {
        wsrt_server_settings_free(&set);
        wsrt_terms_release(terms);
        return WSRT_ERR_NOMEM;
    }
    rc = begin_loops(s);
    if (rc == WSRT_OK)
        rc = wsrt_handshake_init(s);
    if (rc == WSRT_OK)
        rc = wsrt_series_open(s);
    if (rc == WSRT_OK)
        rc = wsrt_listen_all(s);
    if (rc == WSRT_OK)
        rc = wsrt_crew_start(s);
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

static void wake_all(wsrt_server *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++)
        wsrt_loop_wake(&s->loops[i]);
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
    wake_all(s);
    errno = why;
    return WSRT_OK;
}

void wsrt_server_stop(wsrt_server *s)
{
    int why = errno;

    atomic_store_explicit(&s->stopping, 1, memory_order_release);
    wake_all(s);
    errno = why;
}

int wsrt_server_reload_certificate(wsrt_server *s)
{
    int why = errno;

    if (s == NULL)
        return WSRT_ERR_INVALID;
    if (!s->set.has_tls)
        return WSRT_ERR_STATE;
    atomic_store_explicit(&s->reload_wanted, 1, memory_order_release);
    wake_all(s);
    errno = why;
    return WSRT_OK;
}

void wsrt_server_sender(wsrt_server *s, wsrt_sender *out)
{
    *out = (wsrt_sender){&wsrt_server_sender_ops, s};
}

uint64_t wsrt_server_sum(const wsrt_server *s, wsrt_counter counter)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < s->loop_count; i++)
        sum += wsrt_count_read(&s->loops[i].counters[counter]);
    return sum;
}

uint64_t wsrt_server_open(const wsrt_server *s)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < s->loop_count; i++)
        sum += wsrt_loop_open(&s->loops[i]);
    return sum;
}

int wsrt_server_get_stats(wsrt_server *s, wsrt_server_stats *out)
{
    wsrt_server_stats stats = {0};

    if (s == NULL)
        return WSRT_ERR_INVALID;
    stats.draining = wsrt_is_draining(s);
    stats.open = wsrt_server_open(s);
    stats.opened = wsrt_server_sum(s, WSRT_COUNT_OPENED);
    stats.closed = wsrt_server_sum(s, WSRT_COUNT_CLOSED);
    stats.refused = wsrt_server_sum(s, WSRT_COUNT_REFUSED);
    stats.messages_in = wsrt_server_sum(s, WSRT_COUNT_MESSAGES_IN);
    stats.messages_out = wsrt_server_sum(s, WSRT_COUNT_MESSAGES_OUT);
    stats.bytes_in = wsrt_server_sum(s, WSRT_COUNT_BYTES_IN);
    stats.bytes_out = wsrt_server_sum(s, WSRT_COUNT_BYTES_OUT);
    stats.turns = wsrt_server_sum(s, WSRT_COUNT_TURNS);
    stats.tls_opened = wsrt_server_sum(s, WSRT_COUNT_TLS_OPENED);
    stats.tls_resumed = wsrt_server_sum(s, WSRT_COUNT_TLS_RESUMED);
    stats.tls_failed = wsrt_server_sum(s, WSRT_COUNT_TLS_FAILED);
    stats.certificates_loaded = wsrt_server_sum(s, WSRT_COUNT_CERTIFICATES_LOADED);
    stats.certificates_refused = wsrt_server_sum(s, WSRT_COUNT_CERTIFICATES_REFUSED);
    stats.reloads = atomic_load_explicit(&s->reloads, memory_order_relaxed);
    stats.reloads_refused = atomic_load_explicit(&s->reloads_refused, memory_order_relaxed);
    stats.queued_bytes = (uint64_t)atomic_load_explicit(&s->queued_total, memory_order_relaxed);
    return wsrt_adapter_report(out, sizeof stats, sizeof(wsrt_server_stats), &stats);
}

/* Ends a loop's connections: by a close frame where the server ends in order, by a reset after
 * stop(). */
static void end_all(wsrt_loop *l)
{
    int stopped = atomic_load_explicit(&l->server->stopping, memory_order_acquire);

    l->ready_first = l->ready_last = WSRT_NONE;
    for (uint32_t slot = 0; slot < l->chunk_count * WSRT_SLAB_CHUNK; slot++) {
        wsrt_conn *c = wsrt_conn_at(l, slot);
        if (c->state == WSRT_CONN_FREE)
            continue;
        c->flags &= (uint8_t)~WSRT_CONN_READY;
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
    for (uint32_t i = 0; i < s->loop_count; i++) {
        wsrt_loop_read_clock(&s->loops[i]);
        atomic_store_explicit(&s->loops[i].owner, pthread_self(), memory_order_relaxed);
    }
    for (uint32_t i = 0; i < s->loop_count; i++)
        wsrt_sender_take_up(&s->loops[i]);
    for (uint32_t i = 0; i < s->loop_count; i++)
        end_all(&s->loops[i]);
    wsrt_crew_stop(s);
    wsrt_runtime_set_sender(s->runtime, NULL);
    if (s->set.feed != NULL)
        (void)wsrt_feed_set_sender(s->set.feed, NULL);
    free_parts(s);
}
