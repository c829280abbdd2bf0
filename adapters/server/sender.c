/* The server as a sender: straight to the connection on its loop's own thread, through that loop's
 * bounded queue from any other. */
#include "server/internal.h"
#include "common/support.h"
#include "server/memory.h"
#include "server/workers.h"

#include <string.h>

enum {
    KEY_MOST = 1024,
    SCRATCH_AT = 128 * 1024,
    SCRATCH = WSRT_RX_SIZE - SCRATCH_AT,
    FIRST_RING = 64,
    BATCH = 64
};

static int judge(const wsrt_server *s, const wsrt_post *post)
{
    int rc = wsrt_adapter_judge(post, sizeof *post, sizeof(wsrt_post));

    if (rc != WSRT_OK)
        return rc;
    if ((post->flags & ~(uint32_t)(WSRT_POST_BINARY | WSRT_POST_REPLY)) != 0)
        return WSRT_ERR_INVALID;
    if (post->key.len > KEY_MOST)
        return WSRT_ERR_INVALID;
    if (post->data.len > atomic_load_explicit(&s->max_message, memory_order_relaxed))
        return WSRT_ERR_TOO_LARGE;
    if ((post->flags & WSRT_POST_BINARY) == 0 && !wsrt_utf8_valid(post->data))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

static int opcode_of(const wsrt_post *post)
{
    return (post->flags & WSRT_POST_BINARY) != 0 ? WSRT_WS_OP_BINARY : WSRT_WS_OP_TEXT;
}

/* Of a message, where keys count. */
static wsrt_span key_of(const wsrt_loop *l, const wsrt_post *post)
{
    int policy = atomic_load_explicit(&l->server->slow_reader, memory_order_relaxed);

    return policy == WSRT_SLOW_READER_CONFLATE ? post->key : (wsrt_span){NULL, 0};
}

static int on_loop(wsrt_loop *l)
{
    return pthread_equal(atomic_load_explicit(&l->owner, memory_order_relaxed), pthread_self());
}

/* Of a connection that is not there. */
static int missing(const wsrt_span *id)
{
    return wsrt_connection_id_valid(*id) ? WSRT_ERR_GONE : WSRT_ERR_INVALID;
}

/* ---- on the loop's thread ------------------------------------------------------------------- */

/* One that is open, or that a worker connects. The connection being served is known by its id's place in
 * memory: no look-up. */
static wsrt_conn *find(const wsrt_loop *l, const wsrt_span *id)
{
    wsrt_conn *c = l->current;

    if (c == NULL || id->ptr != c->id) {
        uint32_t slot = wsrt_ids_find(&l->ids, *id);
        c = slot == WSRT_NONE ? NULL : wsrt_conn_at(l, slot);
    }
    return c != NULL && (c->state == WSRT_CONN_OPEN || c->state == WSRT_CONN_CONNECTING) ? c : NULL;
}

/* Whether posts of the loop, too, go the way of all others'. */
static int has_to_wait(const wsrt_conn *c)
{
    return c->state == WSRT_CONN_CONNECTING || wsrt_conn_is_behind(c);
}

/* Encodes into the unused part of the receive buffer, a longer message into a frame. */
static int write_letter(wsrt_loop *l, const wsrt_post *post, wsrt_letter *m)
{
    size_t most = wsrt_output_size(l, post->data.len);
    unsigned char *dst = l->rx + SCRATCH_AT;

    *m = (wsrt_letter){.flags = post->flags, .key = key_of(l, post)};
    if (most > SCRATCH) {
        m->frame = wsrt_frame_new(l, most + m->key.len);
        if (m->frame == NULL)
            return WSRT_ERR_NOMEM;
        m->frame->flags = WSRT_FRAME_SHARED;
        dst = m->frame->bytes;
    }
    m->bytes = dst;
    m->len = wsrt_output_encode(l, dst, opcode_of(post), post->data);
    if (m->frame != NULL)
        m->frame->len = (uint32_t)m->len;
    if (m->frame != NULL)
        wsrt_frame_key(m->frame, m->key);
    return WSRT_OK;
}

static int post_from_afar(wsrt_loop *l, const wsrt_span *id, const wsrt_post *post, int *result);
static int hand_over_letter(wsrt_loop *l, const wsrt_span *id, wsrt_letter *m);

static int post_here(wsrt_loop *l, const wsrt_span *id, const wsrt_post *post)
{
    wsrt_conn *c = find(l, id);
    wsrt_letter m;
    int rc = WSRT_STALE, result = WSRT_OK;

    if (c == NULL)
        return missing(id);
    if (has_to_wait(c)) {
        rc = post_from_afar(l, id, post, &result);
        return rc != WSRT_OK ? rc : result;
    }
    if (c == l->current)
        rc = wsrt_output_reply(l, opcode_of(post), post->data);
    if (rc != WSRT_STALE)
        return rc;
    rc = write_letter(l, post, &m);
    if (rc != WSRT_OK)
        return rc;
    rc = wsrt_output_letter(l, c, &m);
    wsrt_frame_release(l, m.frame);
    return rc;
}

/* What wsrt_output_answer() did not put into the turn's output. */
int wsrt_sender_answer(wsrt_loop *l, int binary, wsrt_span body)
{
    wsrt_span id = {l->current->id, sizeof l->current->id};
    wsrt_post post = {.struct_size = sizeof post,
                      .flags = WSRT_POST_REPLY | (binary ? WSRT_POST_BINARY : 0),
                      .data = body};

    return post_here(l, &id, &post);
}

static int put_letter(wsrt_loop *l, const wsrt_span *id, wsrt_letter *m)
{
    wsrt_conn *c = find(l, id);

    if (c == NULL)
        return missing(id);
    return has_to_wait(c) ? hand_over_letter(l, id, m) : wsrt_output_letter(l, c, m);
}

static int post_many_here(wsrt_loop *l, const wsrt_span *ids, size_t n, const wsrt_post *post,
                          int *results)
{
    wsrt_letter m;
    int rc = write_letter(l, post, &m);

    if (rc != WSRT_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        results[i] = put_letter(l, &ids[i], &m);
    wsrt_frame_release(l, m.frame);
    return WSRT_OK;
}

/* ---- from other threads --------------------------------------------------------------------- */

static int grow_ring(wsrt_loop *l, wsrt_ring *r)
{
    uint32_t most = r == &l->ring ? WSRT_RING_MAX : WSRT_EARLY_MAX;
    uint32_t count = atomic_load_explicit(&r->count, memory_order_relaxed);
    uint32_t cap = r->cap == 0 ? FIRST_RING : r->cap * 2;

    if (count < r->cap)
        return WSRT_OK;
    if (cap > most)
        return WSRT_ERR_THROTTLED;
    wsrt_parcel *items = wsrt_server_alloc(&l->set->mem, cap * sizeof *items);
    if (items == NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        items[i] = r->items[(r->head + i) & (r->cap - 1)];
    wsrt_server_release(&l->set->mem, r->items, r->cap * sizeof *items);
    r->items = items;
    r->cap = cap;
    r->head = 0;
    return WSRT_OK;
}

/* Beyond the hard limit a reply is handed over all the same: taking it up ends the slow reader. */
static int over_limit(const wsrt_loop *l, const wsrt_conn *c, const wsrt_parcel *p)
{
    int64_t after =
        (int64_t)atomic_load_explicit(&c->in_flight, memory_order_relaxed) + (int64_t)p->frame->len;

    if ((p->frame->flags & WSRT_FRAME_CLOSE) != 0)
        return 0;
    if ((p->flags & WSRT_POST_REPLY) != 0)
        return after > l->terms->queue_hard;
    return after + wsrt_conn_queued(c) > l->terms->queue_soft;
}

/* Where what is posted to a connection waits: until its 101 beside its CONNECT. NULL where the handler of
 * that CONNECT posts: to it the connection is not there yet, on any transport. */
static wsrt_ring *ring_of(wsrt_loop *l, const wsrt_conn *c)
{
    if (wsrt_conn_has_opened(c) || l->server->crew == NULL)
        return &l->ring; /* a loop that connects takes nothing up meanwhile */
    pthread_t connecting = atomic_load_explicit(&c->box->connecting, memory_order_relaxed);
    return pthread_equal(connecting, pthread_self()) ? NULL : &c->box->early;
}

static void put_parcel(wsrt_ring *r, wsrt_parcel p)
{
    uint32_t count = atomic_load_explicit(&r->count, memory_order_relaxed);

    r->items[(r->head + count) & (r->cap - 1)] = p;
    atomic_store_explicit(&r->count, count + 1, memory_order_release);
}

/* Under the lock. `*wake` is set when the loop has to be told. */
static int hand_over(wsrt_loop *l, const wsrt_span *id, wsrt_parcel p, int *wake)
{
    uint32_t slot = wsrt_ids_find(&l->ids, *id);

    if (slot == WSRT_NONE)
        return missing(id);
    wsrt_conn *c = wsrt_conn_at(l, slot);
    wsrt_ring *r = ring_of(l, c);
    if (r == NULL)
        return WSRT_ERR_GONE;
    if (over_limit(l, c, &p))
        return WSRT_ERR_THROTTLED;
    int rc = grow_ring(l, r);
    if (rc != WSRT_OK)
        return rc;
    p.slot = slot;
    p.gen = c->gen;
    atomic_fetch_add_explicit(&p.frame->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->in_flight, p.frame->len, memory_order_relaxed);
    *wake |= r == &l->ring && atomic_load_explicit(&r->count, memory_order_relaxed) == 0;
    put_parcel(r, p);
    return WSRT_OK;
}

/* Hands the frame over to those of the connections that the loop has. */
static void hand_over_many(wsrt_loop *l, const wsrt_span *ids, size_t n, wsrt_parcel p,
                           int *results)
{
    int wake = 0;

    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < n; i++)
        if (wsrt_conn_loop_of(l->server, ids[i]) == l)
            results[i] = hand_over(l, &ids[i], p, &wake);
    pthread_mutex_unlock(&l->lock);
    if (wake)
        wsrt_loop_wake(l);
}

/* The message in a frame that any number of connections of any loop can share. */
static int write_frame(wsrt_loop *l, const wsrt_post *post, wsrt_frame **out)
{
    size_t most = wsrt_output_size(l, post->data.len);

    if (atomic_load_explicit(&l->server->queued_total, memory_order_relaxed) + (long long)most >
        atomic_load_explicit(&l->server->queue_total, memory_order_relaxed))
        return WSRT_ERR_THROTTLED;
    wsrt_span key = key_of(l, post);
    wsrt_frame *f = wsrt_frame_new(l, most + key.len);
    if (f == NULL)
        return WSRT_ERR_NOMEM;
    f->flags = WSRT_FRAME_SHARED;
    f->len = (uint32_t)wsrt_output_encode(l, f->bytes, opcode_of(post), post->data);
    wsrt_frame_key(f, key);
    *out = f;
    return WSRT_OK;
}

static int post_from_afar(wsrt_loop *l, const wsrt_span *id, const wsrt_post *post, int *result)
{
    wsrt_frame *f;
    int rc = write_frame(l, post, &f);

    if (rc != WSRT_OK)
        return rc;
    hand_over_many(l, id, 1, (wsrt_parcel){.frame = f, .flags = post->flags}, result);
    wsrt_frame_release(l, f);
    return WSRT_OK;
}

static int hand_over_letter(wsrt_loop *l, const wsrt_span *id, wsrt_letter *m)
{
    int result, rc = wsrt_letter_frame(l, m);

    if (rc != WSRT_OK)
        return rc;
    hand_over_many(l, id, 1, (wsrt_parcel){.frame = m->frame, .flags = m->flags}, &result);
    return result;
}

static void post_to_own(wsrt_loop *l, const wsrt_span *ids, size_t n, wsrt_letter *m, int *results)
{
    for (size_t i = 0; i < n; i++) {
        if (wsrt_conn_loop_of(l->server, ids[i]) != l)
            continue;
        results[i] = put_letter(l, &ids[i], m);
    }
}

/* To connections of any loop; at once to those whose loop's thread this is. */
static int post_many_anywhere(wsrt_server *s, const wsrt_span *ids, size_t n, const wsrt_post *post,
                              int *results)
{
    wsrt_frame *f;
    int rc = write_frame(&s->loops[0], post, &f);

    if (rc != WSRT_OK)
        return rc;
    wsrt_span key = {(const char *)f->bytes + f->len, f->key_len};
    wsrt_letter m = {f->bytes, f->len, f, key, post->flags};
    for (uint32_t k = 0; k < s->loop_count; k++) {
        if (on_loop(&s->loops[k]))
            post_to_own(&s->loops[k], ids, n, &m, results);
        else
            hand_over_many(&s->loops[k], ids, n, (wsrt_parcel){.frame = f, .flags = post->flags},
                           results);
    }
    wsrt_frame_release(&s->loops[0], f);
    return WSRT_OK;
}

static void deliver(wsrt_loop *l, const wsrt_parcel *p)
{
    wsrt_conn *c = wsrt_conn_at(l, p->slot);
    wsrt_frame *f = p->frame;

    if (c->gen == p->gen && c->state != WSRT_CONN_FREE)
        atomic_fetch_sub_explicit(&c->in_flight, f->len, memory_order_relaxed);
    if (c->gen == p->gen && c->state == WSRT_CONN_OPEN) {
        wsrt_span key = {(const char *)f->bytes + f->len, f->key_len};
        wsrt_letter m = {f->bytes, f->len, f, key, p->flags | WSRT_POST_REPLY};
        if ((f->flags & WSRT_FRAME_CLOSE) != 0)
            wsrt_conn_close(l, c, f->code, (wsrt_span){(const char *)f->bytes, f->len});
        else
            wsrt_output_letter(l, c, &m);
    }
    wsrt_frame_release(l, f);
}

/* Delivers what other threads posted, as much as there is now. */
void wsrt_sender_take_up(wsrt_loop *l)
{
    wsrt_parcel batch[BATCH];
    wsrt_ring *r = &l->ring;
    uint32_t left = atomic_load_explicit(&r->count, memory_order_acquire);

    while (left > 0) {
        uint32_t n = left < BATCH ? left : BATCH;
        pthread_mutex_lock(&l->lock);
        for (uint32_t i = 0; i < n; i++)
            batch[i] = r->items[(r->head + i) & (r->cap - 1)];
        r->head = (r->head + n) & (r->cap - 1);
        atomic_fetch_sub_explicit(&r->count, n, memory_order_relaxed);
        pthread_mutex_unlock(&l->lock);
        for (uint32_t i = 0; i < n; i++)
            deliver(l, &batch[i]);
        left -= n;
    }
    wsrt_conn_retire(l);
}

static void release_ring(wsrt_loop *l, wsrt_ring *r)
{
    wsrt_server_release(&l->set->mem, r->items, r->cap * sizeof *r->items);
    r->items = NULL;
    r->cap = 0;
    atomic_store_explicit(&r->count, 0, memory_order_relaxed);
}

/* Delivers what was posted before the 101, or forgets it where there was none. Nobody posts there any
 * more. */
void wsrt_sender_take_early(wsrt_loop *l, wsrt_ring *early)
{
    uint32_t count = atomic_load_explicit(&early->count, memory_order_relaxed);

    for (uint32_t i = 0; i < count; i++)
        deliver(l, &early->items[i]); /* nothing was taken out: it begins at 0 */
    release_ring(l, early);
}

void wsrt_sender_free(wsrt_loop *l)
{
    wsrt_ring *r = &l->ring;
    uint32_t count = atomic_load_explicit(&r->count, memory_order_relaxed);

    for (uint32_t i = 0; i < count; i++)
        wsrt_frame_release(l, r->items[(r->head + i) & (r->cap - 1)].frame);
    release_ring(l, r);
}

/* ---- the table ------------------------------------------------------------------------------ */

static int sender_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    wsrt_server *s = self;
    int result, rc = judge(s, post);

    if (rc != WSRT_OK)
        return rc;
    wsrt_loop *l = wsrt_conn_loop_of(s, *id);
    if (on_loop(l))
        return post_here(l, id, post);
    rc = post_from_afar(l, id, post, &result);
    return rc != WSRT_OK ? rc : result;
}

static int sender_post_many(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                            int *results)
{
    wsrt_server *s = self;
    int rc = judge(s, post);

    if (rc != WSRT_OK)
        return rc;
    if (s->loop_count == 1 && on_loop(&s->loops[0]))
        return post_many_here(&s->loops[0], ids, n, post, results);
    return post_many_anywhere(s, ids, n, post, results);
}

/* Under the lock: one that is open; NULL = none. */
static const wsrt_conn *find_open(const wsrt_loop *l, wsrt_span id)
{
    uint32_t slot = wsrt_ids_find(&l->ids, id);
    const wsrt_conn *c = slot == WSRT_NONE ? NULL : wsrt_conn_at(l, slot);

    return c != NULL && wsrt_conn_has_opened(c) ? c : NULL;
}

int wsrt_sender_finds(wsrt_server *s, wsrt_span id)
{
    wsrt_loop *l = wsrt_conn_loop_of(s, id);

    pthread_mutex_lock(&l->lock);
    int found = find_open(l, id) != NULL;
    pthread_mutex_unlock(&l->lock);
    return found;
}

static int sender_get(void *self, const wsrt_span *id, wsrt_connection_info *out)
{
    wsrt_loop *l = wsrt_conn_loop_of(self, *id);
    wsrt_connection_info info = {.struct_size = sizeof info};

    pthread_mutex_lock(&l->lock);
    const wsrt_conn *c = find_open(l, *id);
    if (c != NULL) {
        int64_t ticks =
            (int64_t)atomic_load_explicit(&c->last_data, memory_order_relaxed) - (int64_t)c->opened;
        info.connected_at = c->wall;
        info.last_active_at = c->wall + ((ticks << WSRT_TICK_SHIFT) / 1000000);
        wsrt_input_ip_text(c, info.source_ip);
    }
    pthread_mutex_unlock(&l->lock);
    if (c == NULL)
        return WSRT_ERR_GONE;
    return wsrt_adapter_report(out, sizeof info, sizeof(wsrt_connection_info), &info);
}

static int code_may_be_sent(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int disconnect_from_afar(wsrt_loop *l, const wsrt_span *id, int code, wsrt_span reason)
{
    wsrt_frame *f = wsrt_frame_new(l, reason.len);
    int result;

    if (f == NULL)
        return WSRT_ERR_NOMEM;
    f->flags = WSRT_FRAME_SHARED | WSRT_FRAME_CLOSE;
    f->code = (uint16_t)code;
    f->len = (uint32_t)reason.len;
    if (reason.len > 0)
        memcpy(f->bytes, reason.ptr, reason.len);
    hand_over_many(l, id, 1, (wsrt_parcel){.frame = f}, &result);
    wsrt_frame_release(l, f);
    return result;
}

static int sender_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    wsrt_span why = reason != NULL ? *reason : (wsrt_span){NULL, 0};

    if (!code_may_be_sent(code) || why.len > WSRT_WS_CONTROL_MAX - 2 || !wsrt_utf8_valid(why))
        return WSRT_ERR_INVALID;
    wsrt_loop *l = wsrt_conn_loop_of(self, *id);
    if (on_loop(l)) {
        wsrt_conn *c = find(l, id);
        if (c == NULL)
            return WSRT_ERR_GONE;
        if (c->state == WSRT_CONN_OPEN) {
            wsrt_conn_close(l, c, (uint16_t)code, why);
            return WSRT_OK;
        }
    }
    return disconnect_from_afar(l, id, code, why);
}

const wsrt_sender_ops wsrt_server_sender_ops = {
    .struct_size = sizeof(wsrt_sender_ops),
    .post = sender_post,
    .post_many = sender_post_many,
    .get = sender_get,
    .disconnect = sender_disconnect,
};
