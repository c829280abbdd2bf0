/* The graceful end: lame duck, closes at a pace that the peers' reconnects can bear, the rest. */
#include "server/internal.h"

#include <stdio.h>

typedef enum wsrt_drain_stage {
    SERVING = 0,
    LAME_DUCK = 1, /* not ready, but still accepting */
    CLOSING = 2,
    WAITING = 3, /* for queues, close frames and requests */
    ENDED = 4
} wsrt_drain_stage;

enum { SPREAD_LEAST_MS = 250, SPREAD_MOST_MS = 5000, A_SECOND = 1000, SECONDS_IN_ALL = 5 };

static const int64_t batch_ns = 50 * 1000000;

static void begin(wsrt_server *s)
{
    int64_t most = atomic_load(&s->drain_most_ms);

    s->draining = LAME_DUCK;
    s->drain_due = s->loop.now + atomic_load(&s->drain_lame_ms) * 1000000;
    s->drain_end = s->drain_due + (most > 0 ? most : s->set.drain_ms) * 1000000;
}

/* max(1,000 a second, all within 5 s) */
static void stop_accepting(wsrt_server *s)
{
    uint32_t rate = s->loop.open / SECONDS_IN_ALL;

    wsrt_listen_close(s);
    s->draining = CLOSING;
    s->drain_slot = 0;
    s->drain_batch = (rate > A_SECOND ? rate : A_SECOND) / 20 + 1;
}

static uint32_t slots(const wsrt_loop *l)
{
    return l->chunk_count * WSRT_SLAB_CHUNK;
}

static void close_one(wsrt_loop *l, wsrt_conn *c)
{
    char reason[48];
    int n;

    if ((l->set->flags & WSRT_SERVER_API_GATEWAY) != 0) {
        wsrt_conn_close(l, c, 1001, wsrt_span_cstr("going away"));
        return;
    }
    l->dice = l->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    n = snprintf(reason, sizeof reason, "reconnect_ms=%u",
                 SPREAD_LEAST_MS +
                     (unsigned)((l->dice >> 33) % (SPREAD_MOST_MS - SPREAD_LEAST_MS + 1)));
    wsrt_conn_close(l, c, 1012, (wsrt_span){reason, (size_t)n});
}

static void close_batch(wsrt_server *s)
{
    wsrt_loop *l = &s->loop;
    uint32_t closed = 0;

    while (s->drain_slot < slots(l) && closed < s->drain_batch) {
        wsrt_conn *c = wsrt_conn_at(l, s->drain_slot++);
        if (c->state == WSRT_CONN_OPEN) {
            close_one(l, c);
            closed++;
        } else if (c->state == WSRT_CONN_HANDSHAKE ||
                   (c->state == WSRT_CONN_HTTP && c->in == NULL)) {
            wsrt_conn_lost(l, c); /* no request is under way */
        }
    }
    wsrt_conn_retire(l);
    s->drain_due = l->now + batch_ns;
    if (s->drain_slot == slots(l)) {
        s->draining = WAITING;
        s->drain_due = s->drain_end;
    }
}

static void reset_all(wsrt_loop *l)
{
    for (uint32_t slot = 0; slot < slots(l); slot++) {
        wsrt_conn *c = wsrt_conn_at(l, slot);
        if (c->state != WSRT_CONN_FREE)
            wsrt_conn_reset(l, c);
    }
    wsrt_conn_retire(l);
}

int wsrt_drain_ended(const wsrt_server *s)
{
    return s->draining == ENDED;
}

/* Moves a drain on as far as time allows. */
void wsrt_drain_step(wsrt_server *s)
{
    if (s->draining == SERVING && atomic_load_explicit(&s->drain_wanted, memory_order_acquire))
        begin(s);
    if (s->draining == SERVING || s->draining == ENDED)
        return;
    if (s->draining == LAME_DUCK && s->loop.now >= s->drain_due)
        stop_accepting(s);
    if (s->draining == CLOSING && s->loop.now >= s->drain_due)
        close_batch(s);
    if (s->draining > LAME_DUCK && s->loop.now >= s->drain_end)
        reset_all(&s->loop);
    if (s->draining > LAME_DUCK && s->loop.used == 0) {
        s->draining = ENDED;
        s->drain_due = INT64_MAX;
    }
}
