/* What leaves: the output of a connection's turn, sent at its end in one piece, and the queue of
 * what the peer was too slow to take. */
#include "server/internal.h"
#include "server/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    PRIVATE_FRAME = 16 * 1024,
    FIRST_REFS = 4,
    IOV_MOST = 16,
    AWS_FRAGMENT = 32768,
    LENGTH_OF_16_BITS = 126
};

/* ---- frames --------------------------------------------------------------------------------- */

wsrt_frame *wsrt_frame_new(wsrt_loop *l, size_t cap)
{
    if (cap > UINT32_MAX - sizeof(wsrt_frame))
        return NULL;
    wsrt_frame *f = wsrt_server_alloc(&l->set->mem, sizeof *f + cap);
    if (f == NULL)
        return NULL;
    atomic_init(&f->refs, 1);
    f->len = 0;
    f->cap = (uint32_t)cap;
    f->flags = 0;
    f->code = 0;
    f->key_len = 0;
    atomic_fetch_add_explicit(&l->server->queued_total, (long long)cap, memory_order_relaxed);
    return f;
}

/* The room for it was asked for with the frame. */
void wsrt_frame_key(wsrt_frame *f, wsrt_span key)
{
    if (key.len > 0)
        memcpy(f->bytes + f->len, key.ptr, key.len);
    f->key_len = (uint32_t)key.len;
}

void wsrt_frame_release(wsrt_loop *l, wsrt_frame *f)
{
    if (f == NULL || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    atomic_fetch_sub_explicit(&l->server->queued_total, (long long)f->cap, memory_order_relaxed);
    wsrt_server_release(&l->set->mem, f, sizeof *f + f->cap);
}

static int total_full(const wsrt_loop *l, size_t more)
{
    long long now = atomic_load_explicit(&l->server->queued_total, memory_order_relaxed);

    return now + (long long)more > l->terms->queue_total;
}

/* ---- encoding ------------------------------------------------------------------------------- */

static int is_fragmented(const wsrt_loop *l, size_t len)
{
    return len > AWS_FRAGMENT && (l->set->flags & WSRT_SERVER_API_GATEWAY) != 0;
}

size_t wsrt_output_size(const wsrt_loop *l, size_t len)
{
    size_t frames = is_fragmented(l, len) ? len / AWS_FRAGMENT + 1 : 1;

    return len + WSRT_WS_HEADER_MAX * frames;
}

/* The short headers here, for they are written a message. */
static inline size_t encode_frame(unsigned char *dst, int opcode, int fin, wsrt_span data)
{
    size_t at = 2;

    dst[0] = (unsigned char)((fin ? 0x80 : 0) | opcode);
    if (data.len <= WSRT_WS_CONTROL_MAX) {
        dst[1] = (unsigned char)data.len;
    } else if (data.len <= UINT16_MAX) {
        dst[1] = LENGTH_OF_16_BITS;
        dst[2] = (unsigned char)(data.len >> 8);
        dst[3] = (unsigned char)data.len;
        at = 4;
    } else {
        at = wsrt_ws_header(dst, opcode, fin, data.len, NULL);
    }
    if (data.len > 0)
        memcpy(dst + at, data.ptr, data.len);
    return at + data.len;
}

static __attribute__((noinline)) size_t encode_fragments(unsigned char *dst, int opcode,
                                                         wsrt_span data)
{
    size_t out = 0;

    while (data.len > AWS_FRAGMENT) {
        out += encode_frame(dst + out, opcode, 0, (wsrt_span){data.ptr, AWS_FRAGMENT});
        data = (wsrt_span){data.ptr + AWS_FRAGMENT, data.len - AWS_FRAGMENT};
        opcode = WSRT_WS_OP_CONTINUATION;
    }
    return out + encode_frame(dst + out, opcode, 1, data);
}

size_t wsrt_output_encode(const wsrt_loop *l, unsigned char *dst, int opcode, wsrt_span data)
{
    if (is_fragmented(l, data.len))
        return encode_fragments(dst, opcode, data);
    return encode_frame(dst, opcode, 1, data);
}

/* ---- queue ---------------------------------------------------------------------------------- */

static int grow_refs(wsrt_loop *l, wsrt_queue *q)
{
    uint32_t cap = q->cap == 0 ? FIRST_REFS : q->cap * 2;
    wsrt_frame **refs = wsrt_server_alloc(&l->set->mem, cap * sizeof *refs);

    if (refs == NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t i = 0; i < q->count; i++)
        refs[i] = *wsrt_queue_at(q, i);
    wsrt_server_release(&l->set->mem, q->refs, q->cap * sizeof *refs);
    q->refs = refs;
    q->cap = cap;
    q->head = 0;
    return WSRT_OK;
}

static void free_queue(wsrt_loop *l, wsrt_conn *c)
{
    wsrt_queue *q = c->out;

    if (q == NULL)
        return;
    for (uint32_t i = 0; i < q->count; i++)
        wsrt_frame_release(l, *wsrt_queue_at(q, i));
    wsrt_server_release(&l->set->mem, q->refs, q->cap * sizeof *q->refs);
    wsrt_server_release(&l->set->mem, q, sizeof *q);
    c->out = NULL;
    atomic_store_explicit(&c->queued, 0, memory_order_relaxed);
}

/* A queue with room for one more reference. */
static wsrt_queue *open_queue(wsrt_loop *l, wsrt_conn *c)
{
    if (c->out == NULL) {
        c->out = wsrt_server_zalloc(&l->set->mem, sizeof *c->out);
        if (c->out == NULL)
            return NULL;
        c->out->progress = wsrt_stamp(l);
        if (l->terms->stall > 0)
            wsrt_conn_need(l, c, c->out->progress + l->terms->stall);
    }
    if (c->out->count == c->out->cap && grow_refs(l, c->out) != WSRT_OK) {
        if (c->out->count == 0)
            free_queue(l, c);
        return NULL;
    }
    return c->out;
}

static void add_queued(wsrt_loop *l, wsrt_conn *c, size_t len)
{
    uint32_t queued = wsrt_conn_queued(c) + (uint32_t)len;

    atomic_store_explicit(&c->queued, queued, memory_order_relaxed);
    if (queued > l->terms->queue_soft)
        c->flags |= WSRT_CONN_PAUSED;
    wsrt_conn_watch(l, c);
}

/* Takes over one reference of the frame on success. */
static int push_frame(wsrt_loop *l, wsrt_conn *c, wsrt_frame *f, size_t sent)
{
    wsrt_queue *q = open_queue(l, c);

    if (q == NULL)
        return WSRT_ERR_NOMEM;
    *wsrt_queue_at(q, q->count++) = f;
    if (q->count == 1)
        q->offset = (uint32_t)sent;
    add_queued(l, c, f->len - sent);
    return WSRT_OK;
}

/* Queues a copy: behind the last private frame while it has room, else in a new one. */
static int push_bytes(wsrt_loop *l, wsrt_conn *c, const unsigned char *bytes, size_t len)
{
    wsrt_queue *q = c->out;

    if (q != NULL && q->count > 0) {
        wsrt_frame *tail = *wsrt_queue_at(q, q->count - 1);
        if ((tail->flags & WSRT_FRAME_SHARED) == 0 && tail->cap - tail->len >= len) {
            memcpy(tail->bytes + tail->len, bytes, len);
            tail->len += (uint32_t)len;
            add_queued(l, c, len);
            return WSRT_OK;
        }
    }
    size_t cap = len + 64;
    if (q != NULL && cap < PRIVATE_FRAME)
        cap = PRIVATE_FRAME;
    wsrt_frame *f = wsrt_frame_new(l, cap);
    if (f == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(f->bytes, bytes, len);
    f->len = (uint32_t)len;
    int rc = push_frame(l, c, f, 0);
    if (rc != WSRT_OK)
        wsrt_frame_release(l, f);
    return rc;
}

void wsrt_output_drop(wsrt_loop *l, wsrt_conn *c, int keep_begun)
{
    wsrt_queue *q = c->out;

    if (q == NULL)
        return;
    if (!keep_begun || (q->offset == 0 && !q->begun)) {
        free_queue(l, c);
        return;
    }
    while (q->count > 1)
        wsrt_frame_release(l, *wsrt_queue_at(q, --q->count));
    atomic_store_explicit(&c->queued, (*wsrt_queue_at(q, 0))->len - q->offset,
                          memory_order_relaxed);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Bytes the socket took; -1 = the connection is lost, and marked so. */
static ssize_t send_some(wsrt_loop *l, wsrt_conn *c, const unsigned char *bytes, size_t len)
{
    ssize_t n;

    do
        n = c->tls != NULL ? wsrt_tls_write(c->tls, bytes, len)
                           : send(c->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        if (c->tls != NULL)
            wsrt_conn_watch(l, c);
        wsrt_loop_count(l, WSRT_COUNT_BYTES_OUT, (uint64_t)n);
        return n;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    wsrt_conn_lost(l, c);
    return -1;
}

static int may_send(const wsrt_conn *c)
{
    return c->state != WSRT_CONN_LINGER && (c->flags & WSRT_CONN_DOOMED) == 0;
}

/* What the socket did not take of `len` bytes. */
static int push_rest(wsrt_loop *l, wsrt_conn *c, const unsigned char *bytes, size_t len,
                     size_t sent)
{
    int rc = push_bytes(l, c, bytes + sent, len - sent);

    if (rc == WSRT_OK && sent > 0)
        c->out->begun = 1;
    return rc;
}

/* Of a turn's output it has to be kept, or the connection is lost. */
static void keep_rest(wsrt_loop *l, wsrt_conn *c, size_t sent)
{
    size_t len = l->tx_len - sent;

    if (total_full(l, len) || push_rest(l, c, l->tx, l->tx_len, sent) != WSRT_OK)
        wsrt_conn_reset(l, c);
    else
        c->out->control += (uint32_t)(l->tx_control < len ? l->tx_control : len);
}

void wsrt_output_flush(wsrt_loop *l)
{
    wsrt_conn *c = l->current;
    size_t len = l->tx_len, sent = 0;

    if (len > 0 && may_send(c)) {
        if (c->out == NULL) {
            ssize_t n = send_some(l, c, l->tx, len);
            sent = n < 0 ? len : (size_t)n;
        }
        if (sent < len)
            keep_rest(l, c, sent);
    }
    l->tx_len = 0;
    l->tx_control = 0;
}

void wsrt_output_put(wsrt_loop *l, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    while (len > 0) {
        size_t room = WSRT_TX_SIZE - l->tx_len, n = len < room ? len : room;
        memcpy(l->tx + l->tx_len, p, n);
        l->tx_len += n;
        p += n;
        len -= n;
        if (l->tx_len == WSRT_TX_SIZE)
            wsrt_output_flush(l);
    }
}

/* ---- messages ------------------------------------------------------------------------------- */

static int refuse_letter(wsrt_loop *l, wsrt_limit limit)
{
    wsrt_series_limited(&l->series, limit);
    return WSRT_ERR_THROTTLED;
}

/* Whether a connection with a queue may take one more. A frame that exists is in the total. */
static int admit(wsrt_loop *l, wsrt_conn *c, const wsrt_letter *m)
{
    int64_t after = (int64_t)wsrt_conn_queued(c) + (int64_t)m->len;

    if (total_full(l, m->frame == NULL ? m->len : 0))
        return refuse_letter(l, WSRT_LIMIT_QUEUES);
    if ((m->flags & WSRT_POST_REPLY) == 0)
        return after > l->terms->queue_soft ? refuse_letter(l, WSRT_LIMIT_QUEUE) : WSRT_OK;
    if (after <= l->terms->queue_hard)
        return WSRT_OK;
    wsrt_series_dropped(&l->series, WSRT_DROP_CLOSE);
    wsrt_conn_fail(l, c, 1008, "slow consumer");
    return WSRT_ERR_THROTTLED;
}

/* Gives a message a frame that queues can share; its key stands behind it. */
int wsrt_letter_frame(wsrt_loop *l, wsrt_letter *m)
{
    if (m->frame != NULL)
        return WSRT_OK;
    m->frame = wsrt_frame_new(l, m->len + m->key.len);
    if (m->frame == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(m->frame->bytes, m->bytes, m->len);
    m->frame->len = (uint32_t)m->len;
    m->frame->flags = WSRT_FRAME_SHARED;
    wsrt_frame_key(m->frame, m->key);
    return WSRT_OK;
}

static int queue_letter(wsrt_loop *l, wsrt_conn *c, wsrt_letter *m, size_t sent)
{
    int rc = wsrt_letter_frame(l, m);

    if (rc == WSRT_OK)
        rc = push_frame(l, c, m->frame, sent);
    if (rc == WSRT_OK)
        atomic_fetch_add_explicit(&m->frame->refs, 1, memory_order_relaxed);
    return rc;
}

/* Keeps the order when a turn's output has partly moved to the queue already. */
static void settle(wsrt_loop *l, const wsrt_conn *c)
{
    if (c == l->current && c->out != NULL && l->tx_len > 0)
        wsrt_output_flush(l);
}

/* Sends an encoded message to an open connection, at once if nothing waits before it. */
int wsrt_output_letter(wsrt_loop *l, wsrt_conn *c, wsrt_letter *m)
{
    size_t sent = 0;
    int rc;

    settle(l, c);
    if (c == l->current && c->out == NULL) {
        wsrt_output_put(l, m->bytes, m->len);
        if (l->tx_len >= WSRT_TX_FLUSH)
            wsrt_output_flush(l);
    } else {
        if (c->out == NULL) {
            ssize_t n = send_some(l, c, m->bytes, m->len);
            if (n < 0)
                return WSRT_ERR_GONE;
            sent = (size_t)n;
        }
        if (sent < m->len) {
            rc = sent > 0 ? WSRT_OK : wsrt_slow_settle(l, c, m);
            if (rc == WSRT_OK && sent == 0)
                rc = admit(l, c, m);
            if (rc == WSRT_OK)
                rc = queue_letter(l, c, m, sent);
            if (rc == WSRT_STALE)
                rc = WSRT_OK;
            if (rc != WSRT_OK && sent > 0)
                wsrt_conn_reset(l, c);
            if (rc != WSRT_OK)
                return rc;
        }
    }
    atomic_store_explicit(&c->last_data, wsrt_stamp(l), memory_order_relaxed);
    wsrt_loop_count(l, WSRT_COUNT_MESSAGES_OUT, 1);
    return WSRT_OK;
}

/* One for which the output may have to be made ready, or to be cut. */
static __attribute__((noinline)) int put_long_reply(wsrt_loop *l, int opcode, wsrt_span data)
{
    size_t most = wsrt_output_size(l, data.len);

    if (most > WSRT_TX_SIZE - l->tx_len || l->tx_len >= WSRT_TX_FLUSH)
        wsrt_output_flush(l);
    if (l->current->state != WSRT_CONN_OPEN)
        return WSRT_ERR_GONE;
    if (most > WSRT_TX_SIZE || l->current->out != NULL || wsrt_conn_is_behind(l->current))
        return WSRT_STALE;
    l->tx_len += wsrt_output_encode(l, l->tx + l->tx_len, opcode, data);
    wsrt_loop_count(l, WSRT_COUNT_MESSAGES_OUT, 1);
    return WSRT_OK;
}

_Static_assert(WSRT_TX_FLUSH + AWS_FRAGMENT + WSRT_WS_HEADER_MAX <= WSRT_TX_SIZE,
               "there is room for a short reply");

/* A message to `current`, framed straight into the turn's output; WSRT_STALE = it has to be a letter,
 * for it is behind a queue or longer than the output. */
static inline int put_reply(wsrt_loop *l, int opcode, wsrt_span data)
{
    if (data.len > AWS_FRAGMENT || l->tx_len >= WSRT_TX_FLUSH)
        return put_long_reply(l, opcode, data);
    if (l->current->out != NULL || wsrt_conn_is_behind(l->current))
        return WSRT_STALE;
    l->tx_len += encode_frame(l->tx + l->tx_len, opcode, 1, data);
    wsrt_loop_count(l, WSRT_COUNT_MESSAGES_OUT, 1);
    return WSRT_OK;
}

int wsrt_output_reply(wsrt_loop *l, int opcode, wsrt_span data)
{
    return put_reply(l, opcode, data);
}

/* What came as text was judged when it came. */
static inline int is_text(const wsrt_loop *l, wsrt_span body)
{
    const wsrt_event *ev = &l->event;
    int came = body.ptr == ev->body.ptr && body.len == ev->body.len;

    return (came && (ev->flags & WSRT_EVENT_BINARY) == 0) || wsrt_utf8_valid(body);
}

/* The connection being served answers: no look-up, no table. */
int wsrt_output_answer(void *loop, const char *data, size_t len, uint32_t event_flags)
{
    wsrt_loop *l = loop;
    wsrt_span body = {data, len};
    int binary = (event_flags & WSRT_EVENT_BINARY) != 0;

    if (len > l->terms->max_message)
        return WSRT_ERR_TOO_LARGE;
    if (!binary && !is_text(l, body))
        return WSRT_ERR_INVALID;
    if (l->current->state != WSRT_CONN_OPEN)
        return WSRT_ERR_GONE;
    int rc = put_reply(l, binary ? WSRT_WS_OP_BINARY : WSRT_WS_OP_TEXT, body);
    return rc != WSRT_STALE ? rc : wsrt_sender_answer(l, binary, body);
}

void wsrt_output_flood(wsrt_loop *l, wsrt_conn *c)
{
    wsrt_series_limited(&l->series, WSRT_LIMIT_CONTROL);
    wsrt_conn_fail(l, c, 1008, "too many control frames");
}

/* A control frame; more than a few unsent ones are a flood. */
void wsrt_output_control(wsrt_loop *l, wsrt_conn *c, int opcode, wsrt_span payload)
{
    unsigned char frame[2 + WSRT_WS_CONTROL_MAX];
    size_t len = wsrt_output_encode(l, frame, opcode, payload), sent = 0;

    settle(l, c);
    if (!may_send(c))
        return;
    if (c == l->current && c->out == NULL) {
        wsrt_output_put(l, frame, len);
        l->tx_control += len;
        return;
    }
    if (c->out == NULL) {
        ssize_t n = send_some(l, c, frame, len);
        if (n < 0)
            return;
        sent = (size_t)n;
    }
    if (sent == len)
        return;
    if (push_rest(l, c, frame, len, sent) != WSRT_OK) {
        wsrt_conn_reset(l, c);
        return;
    }
    c->out->control += (uint32_t)(len - sent);
    if (c->out->control > WSRT_CONTROL_MAX && c->state == WSRT_CONN_OPEN)
        wsrt_output_flood(l, c);
}

/* ---- writable ------------------------------------------------------------------------------- */

static int fill_iov(const wsrt_queue *q, struct iovec *iov)
{
    uint32_t n = q->count < IOV_MOST ? q->count : IOV_MOST;

    for (uint32_t i = 0; i < n; i++) {
        wsrt_frame *f = *wsrt_queue_at(q, i);
        uint32_t skip = i == 0 ? q->offset : 0;
        iov[i] = (struct iovec){f->bytes + skip, f->len - skip};
    }
    return (int)n;
}

static void advance(wsrt_loop *l, wsrt_conn *c, size_t sent)
{
    wsrt_queue *q = c->out;
    uint32_t queued = wsrt_conn_queued(c) - (uint32_t)sent;

    q->progress = wsrt_stamp(l);
    atomic_store_explicit(&c->queued, queued, memory_order_relaxed);
    if (q->control > queued)
        q->control = queued;
    while (q->count > 0) {
        wsrt_frame *f = *wsrt_queue_at(q, 0);
        size_t rest = f->len - q->offset;
        if (sent < rest) {
            q->offset += (uint32_t)sent;
            return;
        }
        sent -= rest;
        q->offset = q->begun = 0;
        q->head = (q->head + 1) & (q->cap - 1);
        q->count--;
        wsrt_frame_release(l, f);
    }
}

/* sendmsg(2) for a TLS session. */
static ssize_t send_records(wsrt_tls_session *tls, const struct msghdr *message)
{
    ssize_t sent = 0;

    for (size_t i = 0; i < (size_t)message->msg_iovlen; i++) {
        const struct iovec *part = &message->msg_iov[i];
        ssize_t n = wsrt_tls_write(tls, part->iov_base, part->iov_len);
        if (n < 0)
            return sent > 0 ? sent : n;
        sent += n;
        if ((size_t)n < part->iov_len)
            break;
    }
    return sent;
}

void wsrt_output_writable(wsrt_loop *l, wsrt_conn *c)
{
    struct iovec iov[IOV_MOST];
    ssize_t n;

    if (c->tls != NULL && wsrt_tls_flush(c->tls) != 0) {
        wsrt_conn_lost(l, c);
        return;
    }
    if (c->out != NULL) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)fill_iov(c->out, iov)};
        n = c->tls != NULL ? send_records(c->tls, &message)
                           : sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            wsrt_conn_lost(l, c);
            return;
        }
        if (n > 0) {
            wsrt_loop_count(l, WSRT_COUNT_BYTES_OUT, (uint64_t)n);
            advance(l, c, (size_t)n);
        }
        if (c->out->count == 0)
            free_queue(l, c);
    }
    if ((c->flags & WSRT_CONN_PAUSED) != 0 && wsrt_conn_queued(c) <= l->terms->queue_soft / 2) {
        c->flags &= (uint8_t)~WSRT_CONN_PAUSED;
        wsrt_conn_ready(l, c);
    }
    wsrt_conn_watch(l, c);
    if (c->out == NULL)
        wsrt_conn_sent_all(l, c);
}
