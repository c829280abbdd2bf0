/* What arrives: one read of a connection's turn, its frames, its messages. */
#include "server/internal.h"
#include "server/memory.h"
#include "server/workers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- bytes that wait ------------------------------------------------------------------------ */

static void free_message(wsrt_loop *l, wsrt_input *in)
{
    if (in->message_cap > 0)
        atomic_fetch_sub_explicit(&l->server->partial_total, (long long)in->message_cap,
                                  memory_order_relaxed);
    wsrt_server_release(&l->set->mem, in->message, in->message_cap);
    in->message = NULL;
    in->message_cap = in->message_len = 0;
    in->since = 0;
}

static void free_left(wsrt_loop *l, wsrt_input *in)
{
    wsrt_server_release(&l->set->mem, in->left, in->left_cap);
    in->left = NULL;
    in->left_cap = in->at = in->end = 0;
}

void wsrt_input_free(wsrt_loop *l, wsrt_conn *c)
{
    if (c->in == NULL)
        return;
    free_message(l, c->in);
    free_left(l, c->in);
    wsrt_server_release(&l->set->mem, c->in, sizeof *c->in);
    c->in = NULL;
}

static wsrt_input *open_input(wsrt_loop *l, wsrt_conn *c)
{
    if (c->in == NULL)
        c->in = wsrt_server_zalloc(&l->set->mem, sizeof *c->in);
    return c->in;
}

/* Room for `need` waiting bytes in all, those that wait kept at the front. */
static int reserve_left(wsrt_loop *l, wsrt_input *in, size_t need)
{
    if (in->at > 0) {
        memmove(in->left, in->left + in->at, in->end - in->at);
        in->end -= in->at;
        in->at = 0;
    }
    if (need <= in->left_cap)
        return WSRT_OK;
    unsigned char *left = wsrt_server_resize(&l->set->mem, in->left, in->left_cap, need);
    if (left == NULL)
        return WSRT_ERR_NOMEM;
    in->left = left;
    in->left_cap = (uint32_t)need;
    return WSRT_OK;
}

static void out_of_memory(wsrt_loop *l, wsrt_conn *c)
{
    if (c->state == WSRT_CONN_OPEN)
        wsrt_conn_fail(l, c, 1011, "out of memory");
    else
        wsrt_conn_lost(l, c);
}

/* ---- messages ------------------------------------------------------------------------------- */

/* The answer of a two-way route goes back as a message. */
static void answer_message(const wsrt_response *response, void *user)
{
    wsrt_loop *l = user;
    wsrt_post post = {.struct_size = sizeof post, .flags = WSRT_POST_REPLY};

    if (response->body.len == 0)
        return;
    if ((response->flags & WSRT_EVENT_BINARY) != 0)
        post.flags |= WSRT_POST_BINARY;
    post.data = response->body;
    wsrt_server_sender_ops.post(l->server, &l->event.connection_id, &post);
}

static __attribute__((noinline)) void leave_to_workers(wsrt_loop *l, wsrt_span body, int opcode)
{
    uint32_t flags = opcode == WSRT_WS_OP_BINARY ? WSRT_EVENT_BINARY : 0;

    flags |= l->current->trust & WSRT_TRUST_DEVELOPER;
    if (wsrt_box_message(l, l->current, body, flags) != WSRT_OK)
        out_of_memory(l, l->current);
}

static __attribute__((noinline)) void log_failure(wsrt_loop *l, int rc)
{
    wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.message_failed", "status",
                  wsrt_span_cstr(wsrt_status_name(rc)));
}

static inline void dispatch_message(wsrt_loop *l, wsrt_span body, int opcode)
{
    _Static_assert(WSRT_EVENT_BINARY == 1, "the flag is the bit");
    wsrt_loop_count(l, WSRT_COUNT_MESSAGES_IN, 1);
    if (l->server->crew != NULL) {
        leave_to_workers(l, body, opcode);
        return;
    }
    l->event.body = body;
    l->event.flags = WSRT_EVENT_SETTLES | (l->current->trust & WSRT_TRUST_DEVELOPER) |
                     (uint32_t)(opcode == WSRT_WS_OP_BINARY);
    int rc = wsrt_runtime_dispatch(l->server->runtime, &l->event, answer_message, l);
    wsrt_times_note(&l->times, l->routed);
    if (rc != WSRT_OK)
        log_failure(l, rc);
}

static long long partial_total(const wsrt_loop *l)
{
    return atomic_load_explicit(&l->server->partial_total, memory_order_relaxed);
}

static int append_piece(wsrt_loop *l, wsrt_conn *c, const wsrt_ws_event *e)
{
    wsrt_input *in = open_input(l, c);
    size_t len = e->payload.len;

    if (in == NULL)
        return WSRT_ERR_NOMEM;
    if (in->since == 0) {
        in->since = wsrt_stamp(l);
        wsrt_conn_need(l, c, in->since + l->terms->message);
    }
    if (in->message_len + len > in->message_cap) {
        size_t cap = in->message_len + len + e->left;
        size_t most = l->terms->max_message > cap ? l->terms->max_message : cap;
        if (cap < in->message_cap + in->message_cap / 2)
            cap = in->message_cap + in->message_cap / 2;
        if (cap > most)
            cap = most;
        long long more = (long long)(cap - in->message_cap);
        if (partial_total(l) + more > l->terms->partial_total)
            return WSRT_ERR_LIMIT;
        void *grown = wsrt_server_resize(&l->set->mem, in->message, in->message_cap, cap);
        if (grown == NULL)
            return WSRT_ERR_NOMEM;
        atomic_fetch_add_explicit(&l->server->partial_total, more, memory_order_relaxed);
        in->message = grown;
        in->message_cap = cap;
    }
    if (len > 0)
        memcpy(in->message + in->message_len, e->payload.ptr, len);
    in->message_len += len;
    return WSRT_OK;
}

static void take_piece(wsrt_loop *l, wsrt_conn *c, const wsrt_ws_event *e)
{
    int rc = append_piece(l, c, e);

    if (rc == WSRT_ERR_LIMIT) {
        wsrt_series_limited(&l->series, WSRT_LIMIT_PARTIAL);
        wsrt_conn_fail(l, c, 1013, "too many unfinished messages");
    } else if (rc != WSRT_OK) {
        out_of_memory(l, c);
    } else if (e->last) {
        wsrt_span body = {(const char *)c->in->message, c->in->message_len};
        dispatch_message(l, body, e->opcode);
        free_message(l, c->in);
    }
}

/* All but a whole message on an open connection. Apart, to keep the loop over those short. */
static __attribute__((noinline)) void take_event(wsrt_loop *l, wsrt_conn *c, int kind,
                                                 const wsrt_ws_event *e)
{
    if (kind == WSRT_WS_CLOSE) {
        wsrt_conn_closed_by_peer(l, c, e->code, e->payload);
    } else if (c->state != WSRT_CONN_OPEN) {
        if (kind == WSRT_WS_FAIL)
            wsrt_conn_finish(l, c, WSRT_TURN_BYTES);
    } else if (kind == WSRT_WS_PIECE) {
        take_piece(l, c, e);
    } else if (kind == WSRT_WS_PING) {
        wsrt_output_control(l, c, WSRT_WS_OP_PONG, e->payload);
    } else if (kind == WSRT_WS_FAIL) {
        wsrt_conn_fail(l, c, e->code, e->why);
    }
}

/* Any frame counts as life, messages alone as activity. */
static void note_life(wsrt_loop *l, wsrt_conn *c, int messages)
{
    c->last_frame = wsrt_stamp(l);
    if (messages > 0)
        atomic_store_explicit(&c->last_data, c->last_frame, memory_order_relaxed);
    if ((c->flags & WSRT_CONN_PONG_DUE) != 0) {
        c->flags &= (uint8_t)~WSRT_CONN_PONG_DUE;
        c->ping = c->last_frame + wsrt_conn_ping_ticks(l);
    }
}

static int may_decode(const wsrt_conn *c)
{
    return (c->state == WSRT_CONN_OPEN || c->state == WSRT_CONN_CLOSING) &&
           (c->flags & WSRT_CONN_UNREAD) == 0;
}

/* Looks at frames until the turn's share is used up; returns the bytes used. */
static __attribute__((noinline)) size_t decode(wsrt_loop *l, wsrt_conn *c, unsigned char *buf,
                                               size_t len)
{
    unsigned char *at = buf, *end = buf + len;
    wsrt_ws_event e;
    int kind, messages = 0, frames = 0;

    while (may_decode(c) && messages < WSRT_TURN_MESSAGES) {
        kind = wsrt_ws_decode(&c->decoder, &l->ws_limits, at, (size_t)(end - at), &e);
        at += e.used;
        if (kind == WSRT_WS_MESSAGE && c->state == WSRT_CONN_OPEN) {
            messages++;
            dispatch_message(l, e.payload, e.opcode);
            continue;
        }
        if (kind == WSRT_WS_NEED)
            break;
        frames++;
        messages += kind == WSRT_WS_MESSAGE || (kind == WSRT_WS_PIECE && e.last);
        take_event(l, c, kind, &e);
    }
    l->more = messages == WSRT_TURN_MESSAGES;
    if (frames + messages > 0)
        note_life(l, c, messages);
    return c->state == WSRT_CONN_OPEN || c->state == WSRT_CONN_CLOSING ? (size_t)(at - buf) : len;
}

/* ---- a connection's turn -------------------------------------------------------------------- */

/* Written for each connection's turn, so not by printf. */
static void write_v4(const unsigned char ip[4], char *dst)
{
    for (int i = 0; i < 4; i++) {
        unsigned n = ip[i];
        if (n >= 100)
            *dst++ = (char)('0' + n / 100);
        if (n >= 10)
            *dst++ = (char)('0' + n / 10 % 10);
        *dst++ = (char)('0' + n % 10);
        *dst++ = i < 3 ? '.' : '\0';
    }
}

/* `dst` takes any address: 46 bytes. */
void wsrt_input_ip_text(const wsrt_conn *c, char *dst)
{
    static const unsigned char v4[12] = {[10] = 0xff, [11] = 0xff};

    if (c->is_unix)
        dst[0] = '\0';
    else if (memcmp(c->ip, v4, sizeof v4) == 0)
        write_v4(c->ip + 12, dst);
    else
        inet_ntop(AF_INET6, c->ip, dst, INET6_ADDRSTRLEN);
}

/* The connection's address as text, written once for all of one address that follow each other. */
wsrt_span wsrt_input_ip(wsrt_loop *l, const wsrt_conn *c)
{
    int is_unix = c->is_unix;

    if (!l->ip_known || l->ip_unix != is_unix || memcmp(l->ip_of, c->ip, sizeof l->ip_of) != 0) {
        wsrt_input_ip_text(c, l->ip_text);
        l->ip_len = strlen(l->ip_text);
        l->ip_known = 1;
        l->ip_unix = is_unix;
        memcpy(l->ip_of, c->ip, sizeof l->ip_of);
    }
    return (wsrt_span){l->ip_text, l->ip_len};
}

/* One event serves all messages of the turn; only its body and flags change. */
static void begin_turn(wsrt_loop *l, wsrt_conn *c)
{
    l->current = c;
    l->event.connection_id.ptr = c->id;
    l->event.session = &c->session;
    l->event.connected_at = c->wall;
    l->event.source_ip = wsrt_input_ip(l, c);
    l->event.now = l->now;
    l->runtime_dirty = 1;
}

/* The one reading of the clock after a connection's messages. */
static void settle(wsrt_loop *l)
{
    int64_t now = l->set->env.now(l->set->env.user);

    wsrt_recorder_settle(l->recorder, now);
    wsrt_series_turn(l, now);
}

/* The code that a flood of refused messages has earned; 0 = none. */
static int owed_close(const wsrt_loop *l, const wsrt_conn *c)
{
    if (c->state != WSRT_CONN_OPEN)
        return 0;
    return l->server->crew == NULL ? wsrt_session_close_code(&c->session)
                                   : atomic_load_explicit(&c->box->owed, memory_order_relaxed);
}

void wsrt_input_end_turn(wsrt_loop *l, wsrt_conn *c)
{
    int owed = owed_close(l, c);

    if (owed != 0)
        wsrt_conn_close(l, c, (uint16_t)owed, wsrt_span_cstr("too many refused messages"));
    wsrt_output_flush(l);
    if (l->times.run > 0)
        settle(l);
    l->current = NULL;
    if (c->out == NULL)
        wsrt_conn_sent_all(l, c);
    else if (c->out->control > WSRT_CONTROL_MAX)
        wsrt_output_flood(l, c);
    wsrt_conn_retire(l);
}

static int reads_input(const wsrt_conn *c)
{
    return c->state >= WSRT_CONN_HTTP && c->state <= WSRT_CONN_CLOSING &&
           (c->flags & WSRT_CONN_DOOMED) == 0;
}

/* Where the bytes of the turn before are; NULL = there are none. */
static const unsigned char *waiting(const wsrt_input *in)
{
    return in == NULL || in->left == NULL ? NULL : in->left + in->at;
}

/* Keeps what was not used, and nothing else: an idle connection has no buffer. */
static void keep_left(wsrt_loop *l, wsrt_conn *c, const unsigned char *rest, size_t len)
{
    wsrt_input *in = c->in;

    if (!reads_input(c) && c->state != WSRT_CONN_CONNECTING)
        return;
    if (len > 0 && rest != waiting(in)) {
        in = open_input(l, c);
        if (in == NULL || reserve_left(l, in, len) != WSRT_OK) {
            out_of_memory(l, c);
            return;
        }
        memcpy(in->left, rest, len);
        in->at = 0;
        in->end = (uint32_t)len;
    }
    if (in == NULL)
        return;
    in->need = l->need;
    in->scanned = l->scanned;
    if (len == 0)
        free_left(l, in);
    if (len == 0 && in->since == 0)
        wsrt_input_free(l, c);
    else if (l->more && (c->flags & WSRT_CONN_UNREAD) == 0)
        wsrt_conn_ready(l, c);
}

/* Looks at bytes that lie in the loop's buffer or where they waited. */
static void process(wsrt_loop *l, wsrt_conn *c, unsigned char *buf, size_t len)
{
    int waited = buf == waiting(c->in);
    size_t at = 0;

    l->more = 0;
    l->need = 0;
    l->scanned = c->in != NULL ? c->in->scanned : 0;
    begin_turn(l, c);
    if (c->state == WSRT_CONN_HTTP || c->state == WSRT_CONN_BODY)
        at = wsrt_http_input(l, c, (char *)buf, len);
    if (c->state == WSRT_CONN_OPEN || c->state == WSRT_CONN_CLOSING)
        at += decode(l, c, buf + at, len - at);
    if (waited && c->in != NULL)
        c->in->at += (uint32_t)at;
    keep_left(l, c, buf + at, len - at);
    wsrt_input_end_turn(l, c);
}

void wsrt_input_resume(wsrt_loop *l, wsrt_conn *c)
{
    if (reads_input(c) && c->in != NULL && c->in->end > c->in->at)
        process(l, c, c->in->left + c->in->at, c->in->end - c->in->at);
    else
        wsrt_conn_retire(l);
}

static ssize_t receive(wsrt_loop *l, wsrt_conn *c, void *dst, size_t room)
{
    ssize_t n;

    do
        n = c->tls != NULL ? wsrt_tls_read(c->tls, dst, room) : recv(c->fd, dst, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        wsrt_loop_count(l, WSRT_COUNT_BYTES_IN, (uint64_t)n);
    return n;
}

/* What comes after the end of the conversation. */
static void discard(wsrt_loop *l, wsrt_conn *c)
{
    ssize_t n = receive(l, c, l->rx, WSRT_TURN_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    c->discard = n > 0 && (size_t)n < c->discard ? c->discard - (uint32_t)n : 0;
    if (n < 0 || (c->discard == 0 && c->state == WSRT_CONN_LINGER)) {
        wsrt_conn_lost(l, c);
    } else if (c->discard == 0) {
        c->flags |= WSRT_CONN_PAUSED;
        wsrt_conn_watch(l, c);
    }
}

/* A request's body is read where it will be whole, the rest into the loop's buffer. */
static void read_more(wsrt_loop *l, wsrt_conn *c)
{
    wsrt_input *in = c->in;
    size_t have = in == NULL ? 0 : in->end - in->at;
    unsigned char *buf = l->rx;
    size_t room = WSRT_TURN_BYTES;

    if (in != NULL && in->need > 0) {
        size_t more = c->tls != NULL ? WSRT_TLS_RECORD : 0; /* records come whole */
        if (reserve_left(l, in, in->need + more) != WSRT_OK) {
            out_of_memory(l, c);
            return;
        }
        buf = in->left;
        room = in->need + more - have;
    } else if (have > 0) {
        memcpy(buf, in->left + in->at, have);
    }
    ssize_t n = receive(l, c, buf + have, room);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n == 0)
        wsrt_conn_heard_all(l, c);
    if (n < 0)
        wsrt_conn_lost(l, c);
    if (n <= 0)
        return;
    if (buf != l->rx) {
        in->end += (uint32_t)n;
        if (in->end < in->need)
            return;
    }
    process(l, c, buf, have + (size_t)n);
}

void wsrt_input_readable(wsrt_loop *l, wsrt_conn *c)
{
    if ((c->flags & (WSRT_CONN_READY | WSRT_CONN_UNREAD)) != 0)
        return;
    if (reads_input(c))
        read_more(l, c);
    else if ((c->flags & WSRT_CONN_DOOMED) == 0)
        discard(l, c);
    wsrt_conn_retire(l);
}
