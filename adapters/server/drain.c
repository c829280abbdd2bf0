/* The graceful end: lame duck, closes at a pace that the peers' reconnects can bear, the rest. */
#include "server/internal.h"

#include <stdio.h>

enum { SPREAD_LEAST_MS = 250, SPREAD_MOST_MS = 5000, A_SECOND = 1000, SECONDS_IN_ALL = 5 };

static const int64_t batch_ns = 50 * 1000000;
static const int64_t last_words_ns = INT64_C(5000000000);

static void begin(wsrt_loop *l)
{
    int64_t most = atomic_load(&l->server->drain_most_ms);

    l->drain.stage = WSRT_DRAIN_LAME_DUCK;
    l->drain.due = l->now + atomic_load(&l->server->drain_lame_ms) * 1000000;
    l->drain.end = l->drain.due + (most > 0 ? most : l->terms->drain_ms) * 1000000;
}

/* max(1,000 a second, all within 5 s), of which a loop has its share */
static void stop_accepting(wsrt_loop *l)
{
    uint32_t rate = wsrt_loop_open(l) / SECONDS_IN_ALL;
    uint32_t least = A_SECOND / l->server->loop_count;

    wsrt_listen_close(l);
    l->drain.stage = WSRT_DRAIN_CLOSING;
    l->drain.slot = 0;
    l->drain.batch = (rate > least ? rate : least) / 20 + 1;
}

static uint32_t slots(const wsrt_loop *l)
{
    return l->chunk_count * WSRT_SLAB_CHUNK;
}

/* The connection is open. */
void wsrt_drain_close(wsrt_loop *l, wsrt_conn *c)
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

static void close_batch(wsrt_loop *l)
{
    uint32_t closed = 0;

    while (l->drain.slot < slots(l) && closed < l->drain.batch) {
        wsrt_conn *c = wsrt_conn_at(l, l->drain.slot++);
        if (c->state == WSRT_CONN_OPEN) {
            wsrt_drain_close(l, c);
            closed++;
        } else if (c->state == WSRT_CONN_HANDSHAKE ||
                   (c->state == WSRT_CONN_HTTP && c->in == NULL)) {
            wsrt_conn_heard_all(l, c); /* no request is under way, perhaps an answer is */
        }
    }
    wsrt_conn_retire(l);
    l->drain.due = l->now + batch_ns;
    if (l->drain.slot == slots(l)) {
        l->drain.stage = WSRT_DRAIN_WAITING;
        l->drain.due = l->drain.end;
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

/* Handlers cannot be interrupted: who is reset gets its DISCONNECT within a while, or the loop ends
 * without having heard of it. */
static void end_late(wsrt_loop *l)
{
    reset_all(l);
    l->drain.due = l->drain.end + last_words_ns;
    if (l->now < l->drain.due || l->boxes == 0)
        return;
    wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.handlers_still_run", "advice",
                  wsrt_span_cstr("a handler outlived the drain: end the process"));
    l->drain.stage = WSRT_DRAIN_ENDED;
    l->drain.due = INT64_MAX;
}

/* Moves a drain on as far as time allows. */
void wsrt_drain_step(wsrt_loop *l)
{
    if (l->drain.stage == WSRT_DRAIN_NONE &&
        atomic_load_explicit(&l->server->drain_wanted, memory_order_acquire))
        begin(l);
    if (l->drain.stage == WSRT_DRAIN_NONE || l->drain.stage == WSRT_DRAIN_ENDED)
        return;
    if (l->drain.stage == WSRT_DRAIN_LAME_DUCK && l->now >= l->drain.due)
        stop_accepting(l);
    if (l->drain.stage == WSRT_DRAIN_CLOSING && l->now >= l->drain.due)
        close_batch(l);
    if (l->drain.stage > WSRT_DRAIN_LAME_DUCK && l->now >= l->drain.end)
        end_late(l);
    if (l->drain.stage > WSRT_DRAIN_LAME_DUCK && l->used == 0 && l->boxes == 0) {
        l->drain.stage = WSRT_DRAIN_ENDED;
        l->drain.due = INT64_MAX;
    }
}
