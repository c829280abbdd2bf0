/* What becomes of a message whose receiver is slower than its messages. Whole messages that nothing has
 * been sent of are frames of their own, shared ones; all others, and control frames, stay. */
#include "server/internal.h"

#include <string.h>

static int is_unsent_message(const wsrt_queue *q, uint32_t i)
{
    return ((*wsrt_queue_at(q, i))->flags & WSRT_FRAME_SHARED) != 0 && (i > 0 || q->offset == 0);
}

static void set_queued(wsrt_conn *c, int64_t queued)
{
    atomic_store_explicit(&c->queued, (uint32_t)queued, memory_order_relaxed);
}

/* ---- discarding the oldest ------------------------------------------------------------------ */

/* Discards until `len` more bytes fit within the soft limit; those that stay keep their order. */
static int make_room(wsrt_loop *l, wsrt_conn *c, size_t len)
{
    wsrt_queue *q = c->out;
    int64_t queued = wsrt_conn_queued(c), most = l->terms->queue_soft - (int64_t)len;
    uint32_t kept = 0;

    if (most < 0)
        return WSRT_ERR_THROTTLED;
    for (uint32_t i = 0; i < q->count; i++) {
        wsrt_frame *f = *wsrt_queue_at(q, i);
        if (queued > most && is_unsent_message(q, i)) {
            queued -= f->len;
            wsrt_series_dropped(&l->series, WSRT_DROP_OLDEST);
            wsrt_frame_release(l, f);
        } else {
            *wsrt_queue_at(q, kept++) = f;
        }
    }
    q->count = kept;
    set_queued(c, queued);
    return queued <= most ? WSRT_OK : WSRT_ERR_THROTTLED;
}

/* ---- one message a key ---------------------------------------------------------------------- */

static int has_key(const wsrt_frame *f, wsrt_span key)
{
    return f->key_len == key.len && memcmp(f->bytes + f->len, key.ptr, key.len) == 0;
}

/* The place of the unsent message of a key; WSRT_NONE = there is none. */
static uint32_t place_of(const wsrt_queue *q, wsrt_span key)
{
    for (uint32_t i = q->count; i-- > 0;)
        if (is_unsent_message(q, i) && has_key(*wsrt_queue_at(q, i), key))
            return i;
    return WSRT_NONE;
}

/* WSRT_STALE = the message has taken the older one's place. */
static int conflate(wsrt_loop *l, wsrt_conn *c, wsrt_letter *m)
{
    uint32_t place = m->key.len == 0 ? WSRT_NONE : place_of(c->out, m->key);

    if (place == WSRT_NONE)
        return WSRT_OK;
    wsrt_frame **at = wsrt_queue_at(c->out, place);
    int64_t after = (int64_t)wsrt_conn_queued(c) - (*at)->len + (int64_t)m->len;
    if (after > l->terms->queue_hard)
        return WSRT_OK; /* which is for the limits to judge */
    if (wsrt_letter_frame(l, m) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    wsrt_frame_release(l, *at);
    *at = m->frame;
    atomic_fetch_add_explicit(&m->frame->refs, 1, memory_order_relaxed);
    set_queued(c, after);
    wsrt_series_dropped(&l->series, WSRT_DROP_CONFLATE);
    return WSRT_STALE;
}

/* Before a message is put behind a queue: WSRT_OK = go on, WSRT_STALE = it is in the queue already, or
 * why it is refused. */
int wsrt_slow_settle(wsrt_loop *l, wsrt_conn *c, wsrt_letter *m)
{
    int64_t after = (int64_t)wsrt_conn_queued(c) + (int64_t)m->len;

    if (c->out == NULL)
        return WSRT_OK; /* the socket is full, and this is the first to wait */
    if (l->terms->slow_reader == WSRT_SLOW_READER_CONFLATE)
        return conflate(l, c, m);
    if (l->terms->slow_reader != WSRT_SLOW_READER_DROP_OLDEST ||
        (m->flags & WSRT_POST_REPLY) == 0 || after <= l->terms->queue_soft)
        return WSRT_OK;
    return make_room(l, c, m->len);
}
