/* Connections: their slots, their ends, and their clocks. */
#include "server/internal.h"
#include "server/memory.h"
#include "server/workers.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ID_BYTES = 11,
    DISCARD_MOST = 64 * 1024,
    DISCARD_LATE = 4 * 1024,
    LINGER_LATE_MS = 500,
    LINGER_MS = 1000,
    LINGER_LONG_MS = 2000,
    IDENTITY_MS = 60000
};

_Static_assert(sizeof(wsrt_conn) <= 192, "a connection is meant to be small");

/* ---- slots ---------------------------------------------------------------------------------- */

/* Other threads walk `chunks` under the lock. */
static int add_chunk(wsrt_loop *l)
{
    const wsrt_allocator *mem = &l->set->mem;
    wsrt_conn **grown = l->chunks;
    uint32_t cap = l->chunk_cap;

    if (l->chunk_count == cap) {
        cap = cap == 0 ? 16 : cap * 2;
        grown = wsrt_server_zalloc(mem, cap * sizeof *grown);
    }
    wsrt_conn *chunk =
        grown == NULL ? NULL : wsrt_server_zalloc(mem, WSRT_SLAB_CHUNK * sizeof *chunk);
    if (chunk == NULL) {
        if (grown != l->chunks)
            wsrt_server_release(mem, grown, cap * sizeof *grown);
        return WSRT_ERR_NOMEM;
    }
    pthread_mutex_lock(&l->lock);
    if (grown != l->chunks) {
        if (l->chunk_count > 0)
            memcpy(grown, l->chunks, l->chunk_count * sizeof(wsrt_conn *));
        wsrt_server_release(mem, l->chunks, l->chunk_cap * sizeof(wsrt_conn *));
        l->chunks = grown;
        l->chunk_cap = cap;
    }
    l->chunks[l->chunk_count] = chunk;
    pthread_mutex_unlock(&l->lock);
    uint32_t base = l->chunk_count++ * WSRT_SLAB_CHUNK;
    for (uint32_t i = WSRT_SLAB_CHUNK; i-- > 0;) {
        chunk[i].slot = base + i;
        chunk[i].next = l->free_slot;
        l->free_slot = base + i;
    }
    return WSRT_OK;
}

static int add_peer(wsrt_loop *l, const unsigned char *ip)
{
    pthread_mutex_lock(&l->server->peers_lock);
    int rc = wsrt_peers_add(&l->server->peers, ip);
    pthread_mutex_unlock(&l->server->peers_lock);
    return rc;
}

static void remove_peer(wsrt_loop *l, const unsigned char *ip)
{
    pthread_mutex_lock(&l->server->peers_lock);
    wsrt_peers_remove(&l->server->peers, ip);
    pthread_mutex_unlock(&l->server->peers_lock);
}

/* From here on the connection is its source's; its answers, if it comes to any, end it. */
int wsrt_conn_forward(wsrt_loop *l, wsrt_conn *c, const unsigned char *source)
{
    if (add_peer(l, source) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    if (!c->is_unix)
        remove_peer(l, c->ip);
    memcpy(c->ip, source, sizeof c->ip);
    c->is_unix = 0;
    c->forwarded = 1;
    return WSRT_OK;
}

/* Connections of an address, on all loops. */
uint32_t wsrt_conn_peers(const wsrt_loop *l, const unsigned char *ip)
{
    pthread_mutex_lock(&l->server->peers_lock);
    uint32_t n = wsrt_peers_count(&l->server->peers, ip);
    pthread_mutex_unlock(&l->server->peers_lock);
    return n;
}

/* Watches a descriptor that has been accepted; NULL, and the descriptor is still the caller's, when
 * memory or epoll refuse. `ip` NULL = a unix socket. */
wsrt_conn *wsrt_conn_new(wsrt_loop *l, int fd, const unsigned char *ip)
{
    if (l->free_slot == WSRT_NONE && add_chunk(l) != WSRT_OK)
        return NULL;
    wsrt_conn *c = wsrt_conn_at(l, l->free_slot);
    uint32_t gen = c->gen + 1, slot = c->slot, next_free = c->next;
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)gen << 32 | slot};

    if (ip != NULL && add_peer(l, ip) != WSRT_OK)
        return NULL;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
        if (ip != NULL)
            remove_peer(l, ip);
        return NULL;
    }
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->gen = gen;
    c->slot = slot;
    c->state = WSRT_CONN_HTTP;
    c->interest = EPOLLIN;
    c->timer.due = c->next_retiring = c->next = WSRT_NONE;
    c->since = wsrt_stamp(l);
    if (ip != NULL)
        memcpy(c->ip, ip, sizeof c->ip);
    else
        c->is_unix = 1;
    l->free_slot = next_free;
    l->used++;
    atomic_fetch_add_explicit(&l->server->used, 1, memory_order_relaxed);
    wsrt_conn_need(l, c, c->since + l->terms->handshake);
    return c;
}

static void destroy(wsrt_loop *l, wsrt_conn *c)
{
    uint32_t gen = c->gen, slot = c->slot;

    wsrt_wheel_remove(&l->wheel, slot);
    if (c->tls != NULL) {
        wsrt_handshake_leave(l, c);
        wsrt_tls_close(c->tls);
        c->tls = NULL;
    }
    wsrt_input_free(l, c);
    wsrt_output_drop(l, c, 0);
    if (!c->is_unix)
        remove_peer(l, c->ip);
    close(c->fd);
    c->state = WSRT_CONN_FREE;
    c->flags = 0;
    c->gen = gen;
    c->next = l->free_slot;
    l->free_slot = slot;
    l->used--;
    atomic_fetch_sub_explicit(&l->server->used, 1, memory_order_relaxed);
}

void wsrt_conn_watch(wsrt_loop *l, wsrt_conn *c)
{
    uint8_t want = (uint8_t)((c->flags & WSRT_CONN_UNREAD) == 0 ? EPOLLIN : 0) |
                   (uint8_t)(c->out != NULL || wsrt_conn_holds(c) ? EPOLLOUT : 0);
    struct epoll_event ev = {.events = want, .data.u64 = (uint64_t)c->gen << 32 | c->slot};

    if (want == c->interest)
        return;
    c->interest = want;
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Workers have enough to do for it. */
void wsrt_conn_hold(wsrt_loop *l, wsrt_conn *c)
{
    c->flags |= WSRT_CONN_HELD;
    wsrt_conn_watch(l, c);
}

void wsrt_conn_unhold(wsrt_loop *l, wsrt_conn *c)
{
    c->flags &= (uint8_t)~WSRT_CONN_HELD;
    wsrt_conn_watch(l, c);
    if ((c->flags & WSRT_CONN_PAUSED) == 0)
        wsrt_conn_ready(l, c);
}

/* Its turn in the list has come; an end that waited for that follows. */
void wsrt_conn_unready(wsrt_loop *l, wsrt_conn *c)
{
    c->flags &= (uint8_t)~WSRT_CONN_READY;
    if ((c->flags & WSRT_CONN_DOOMED) != 0)
        wsrt_conn_lost(l, c);
}

/* Has bytes to be looked at without the socket's saying so. */
void wsrt_conn_ready(wsrt_loop *l, wsrt_conn *c)
{
    if ((c->flags & WSRT_CONN_READY) != 0 || c->in == NULL)
        return;
    c->flags |= WSRT_CONN_READY;
    c->next = WSRT_NONE;
    if (l->ready_first == WSRT_NONE)
        l->ready_first = c->slot;
    else
        wsrt_conn_at(l, l->ready_last)->next = c->slot;
    l->ready_last = c->slot;
}

/* ---- ids ------------------------------------------------------------------------------------ */

/* Of several loops the last byte of an id names its own, by its remainder: who posts finds the loop
 * without asking anybody. Six of the 88 bits at most are spent on it. */
static unsigned char name_loop(const wsrt_loop *l, unsigned char byte)
{
    unsigned n = l->server->loop_count, named = byte - byte % n + l->number;

    return (unsigned char)(named > 255 ? named - n : named);
}

static unsigned digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '_' ? 63 : 62;
}

/* The loop that has or had the connection; for anything that is no id of ours, some loop. */
wsrt_loop *wsrt_conn_loop_of(const wsrt_server *s, wsrt_span id)
{
    if (s->loop_count == 1 || id.len != WSRT_ID_LEN)
        return &s->loops[0];
    unsigned byte = (digit_of(id.ptr[13]) << 4 | digit_of(id.ptr[14]) >> 2) & 255;
    return &s->loops[byte % s->loop_count];
}

/* 11 unpredictable bytes as base64url with pad. They are drawn for a turn at most, so that a child
 * of fork() never uses its parent's. */
static int draw_id(wsrt_loop *l, char *id)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    if (l->entropy_left == 0) {
        if (l->set->env.random(l->set->env.user, l->entropy, sizeof l->entropy) != WSRT_OK)
            return WSRT_ERR_IO;
        l->entropy_left = sizeof l->entropy / ID_BYTES;
    }
    unsigned char *p = l->entropy + --l->entropy_left * ID_BYTES;
    if (l->server->loop_count > 1)
        p[ID_BYTES - 1] = name_loop(l, p[ID_BYTES - 1]);
    for (int i = 0; i < WSRT_ID_LEN - 1; i++) {
        int bit = i * 6, at = bit / 8;
        unsigned pair = (unsigned)p[at] << 8 | (at + 1 < ID_BYTES ? p[at + 1] : 0u);
        id[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    id[WSRT_ID_LEN - 1] = '=';
    memset(p, 0, ID_BYTES);
    return WSRT_OK;
}

/* Gives a connection an id, and makes room for it in the table. */
int wsrt_conn_new_id(wsrt_loop *l, wsrt_conn *c)
{
    int rc = draw_id(l, c->id);

    if (rc != WSRT_OK)
        return rc;
    pthread_mutex_lock(&l->lock);
    rc = wsrt_ids_reserve(&l->ids);
    pthread_mutex_unlock(&l->lock);
    return rc;
}

/* Its CONNECT begins: who finds its record from now on may post, and what is posted waits for the 101. */
void wsrt_conn_announce(wsrt_loop *l, wsrt_conn *c)
{
    pthread_mutex_lock(&l->lock);
    wsrt_ids_add(&l->ids, c->id, c->slot);
    pthread_mutex_unlock(&l->lock);
}

/* The id is gone for everybody. */
void wsrt_conn_withdraw(wsrt_loop *l, wsrt_conn *c)
{
    pthread_mutex_lock(&l->lock);
    wsrt_ids_remove(&l->ids, c->id);
    pthread_mutex_unlock(&l->lock);
}

/* The 101 is in the output, and whatever is posted from now on may follow it. */
void wsrt_conn_opened(wsrt_loop *l, wsrt_conn *c)
{
    pthread_mutex_lock(&l->lock);
    atomic_store_explicit(&c->last_data, c->opened, memory_order_relaxed);
    pthread_mutex_unlock(&l->lock);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void retire(wsrt_loop *l, wsrt_conn *c, uint8_t flags)
{
    c->flags |= flags;
    if ((c->flags & WSRT_CONN_RETIRING) != 0)
        return;
    c->flags |= WSRT_CONN_RETIRING;
    c->next_retiring = l->retiring;
    l->retiring = c->slot;
}

/* The DISCONNECT event comes when nothing else is being handled. */
static void leave_open(wsrt_loop *l, wsrt_conn *c, uint16_t code)
{
    wsrt_conn_withdraw(l, c);
    c->code = code;
    atomic_store_explicit(&l->open, wsrt_loop_open(l) - 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&l->server->places, 1, memory_order_relaxed);
    wsrt_loop_count(l, WSRT_COUNT_CLOSED, 1);
    wsrt_series_close(&l->series, code);
    retire(l, c, WSRT_CONN_OWES);
}

static void enter(wsrt_loop *l, wsrt_conn *c, wsrt_conn_state state, uint32_t ticks)
{
    c->state = (uint8_t)state;
    c->since = wsrt_stamp(l);
    wsrt_conn_need(l, c, c->since + ticks);
}

static void send_close(wsrt_loop *l, wsrt_conn *c, uint16_t code, wsrt_span reason)
{
    unsigned char payload[WSRT_WS_CONTROL_MAX];
    size_t len = wsrt_ws_close_payload(payload, code, reason);

    wsrt_output_control(l, c, WSRT_WS_OP_CLOSE, (wsrt_span){(const char *)payload, len});
}

/* Closes an open connection; the peer is expected to answer. */
void wsrt_conn_close(wsrt_loop *l, wsrt_conn *c, uint16_t code, wsrt_span reason)
{
    if (c->state != WSRT_CONN_OPEN)
        return;
    leave_open(l, c, code);
    enter(l, c, WSRT_CONN_CLOSING, l->terms->close);
    c->flags &= (uint8_t)~WSRT_CONN_UNREAD;
    send_close(l, c, code, reason);
    if ((c->flags & WSRT_CONN_DOOMED) == 0)
        wsrt_conn_watch(l, c);
}

/* Fails an open connection: what the peer sends from here on is discarded. */
void wsrt_conn_fail(wsrt_loop *l, wsrt_conn *c, uint16_t code, const char *reason_cstr)
{
    if (c->state != WSRT_CONN_OPEN)
        return;
    leave_open(l, c, code);
    c->state = WSRT_CONN_FINISHING;
    wsrt_output_drop(l, c, 1);
    send_close(l, c, code, wsrt_span_cstr(reason_cstr));
    wsrt_conn_finish(l, c, DISCARD_MOST);
}

void wsrt_conn_closed_by_peer(wsrt_loop *l, wsrt_conn *c, uint16_t code, wsrt_span reason)
{
    if (c->state == WSRT_CONN_OPEN) {
        leave_open(l, c, code);
        l->reason_len = reason.len < sizeof l->reason ? reason.len : sizeof l->reason;
        if (l->reason_len > 0)
            memcpy(l->reason, reason.ptr, l->reason_len);
        c->state = WSRT_CONN_FINISHING;
        send_close(l, c, code, (wsrt_span){NULL, 0});
    }
    wsrt_conn_finish(l, c, DISCARD_MOST);
}

/* How long the rest may take to leave: an answer's reader has as long as one who asks. */
static uint32_t finish_ticks(const wsrt_loop *l, const wsrt_conn *c)
{
    int answers = (c->flags & WSRT_CONN_SERVED) != 0 && !wsrt_conn_has_opened(c);

    return answers ? l->terms->keep_alive : l->terms->close;
}

/* Sends what is queued, shuts down, then discards up to `discard` bytes: closing with unread input
 * would reset the connection and destroy what was sent last. */
void wsrt_conn_finish(wsrt_loop *l, wsrt_conn *c, uint32_t discard)
{
    if ((c->flags & WSRT_CONN_DOOMED) != 0)
        return;
    c->discard = discard;
    c->flags &= (uint8_t)~WSRT_CONN_UNREAD;
    enter(l, c, WSRT_CONN_FINISHING, finish_ticks(l, c));
    wsrt_conn_watch(l, c);
    if (c->out == NULL && c != l->current)
        wsrt_conn_sent_all(l, c);
}

/* Says goodbye and gives the session up; 0 while something of it waits for the socket. */
static int end_tls(wsrt_loop *l, wsrt_conn *c)
{
    if (!wsrt_conn_holds(c))
        wsrt_tls_bye(c->tls);
    if (wsrt_conn_holds(c)) {
        wsrt_conn_watch(l, c);
        return 0;
    }
    wsrt_tls_close(c->tls);
    c->tls = NULL;
    wsrt_conn_watch(l, c);
    return 1;
}

/* Who was too slow has had its time already. */
static uint32_t linger_ticks(const wsrt_conn *c)
{
    if (c->discard <= DISCARD_LATE)
        return wsrt_ticks(LINGER_LATE_MS);
    return wsrt_ticks(c->discard > DISCARD_MOST ? LINGER_LONG_MS : LINGER_MS);
}

void wsrt_conn_sent_all(wsrt_loop *l, wsrt_conn *c)
{
    if (c->state != WSRT_CONN_FINISHING || (c->flags & WSRT_CONN_DOOMED) != 0)
        return;
    if (c->tls != NULL && !end_tls(l, c))
        return;
    shutdown(c->fd, SHUT_WR);
    wsrt_input_free(l, c);
    uint32_t ticks = linger_ticks(c);
    enter(l, c, WSRT_CONN_LINGER, ticks);
    c->since += ticks;
}

/* The runtime has accepted a connection that does not come to be. */
void wsrt_conn_undo_connect(wsrt_loop *l, wsrt_conn *c)
{
    c->code = 1006;
    retire(l, c, WSRT_CONN_OWES);
}

/* The peer is not there any more, or is not waited for. */
void wsrt_conn_lost(wsrt_loop *l, wsrt_conn *c)
{
    if (c->state == WSRT_CONN_OPEN)
        leave_open(l, c, 1006);
    else if (c->state == WSRT_CONN_CONNECTING)
        wsrt_conn_withdraw(l, c);
    c->state = WSRT_CONN_LINGER;
    retire(l, c, WSRT_CONN_DOOMED);
}

/* Nothing more is asked of it by HTTP; who has asked may still be reading the answers. */
void wsrt_conn_heard_all(wsrt_loop *l, wsrt_conn *c)
{
    int answers = c->state == WSRT_CONN_HTTP || c->state == WSRT_CONN_BODY;

    if (answers && (c->out != NULL || wsrt_conn_holds(c)))
        wsrt_conn_finish(l, c, DISCARD_MOST);
    else
        wsrt_conn_lost(l, c);
}

void wsrt_conn_reset(wsrt_loop *l, wsrt_conn *c)
{
    struct linger hard = {1, 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    wsrt_conn_lost(l, c);
}

static void tell_disconnect(wsrt_loop *l, wsrt_conn *c)
{
    wsrt_event ev = {.struct_size = sizeof ev, .kind = WSRT_EVENT_DISCONNECT};

    if (l->server->crew != NULL) {
        wsrt_box_disconnect(l, c, (wsrt_span){l->reason, l->reason_len});
        l->runtime_dirty = 1;
        l->reason_len = 0;
        return;
    }
    ev.disconnect_code = c->code;
    ev.connection_id = (wsrt_span){c->id, WSRT_ID_LEN};
    ev.disconnect_reason = (wsrt_span){l->reason, l->reason_len};
    ev.stage = l->set->stage;
    ev.session = &c->session;
    ev.connected_at = c->wall;
    ev.recorder = l->recorder;
    ev.now = l->now;
    ev.routed = &l->routed;
    l->runtime_dirty = 1;
    l->reason_len = 0;
    int rc = wsrt_runtime_dispatch(l->server->runtime, &ev, NULL, NULL);
    wsrt_times_note(&l->times, l->routed);
    wsrt_series_turn(l, l->set->env.now(l->set->env.user));
    if (rc != WSRT_OK)
        wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.disconnect_failed", "status",
                      wsrt_span_cstr(wsrt_status_name(rc)));
}

/* Tells of ended connections and gives up the lost ones. Handlers may end others meanwhile. */
void wsrt_conn_retire(wsrt_loop *l)
{
    while (l->retiring != WSRT_NONE) {
        wsrt_conn *c = wsrt_conn_at(l, l->retiring);
        l->retiring = c->next_retiring;
        c->flags &= (uint8_t)~WSRT_CONN_RETIRING;
        if ((c->flags & WSRT_CONN_OWES) != 0) {
            c->flags &= (uint8_t)~WSRT_CONN_OWES;
            tell_disconnect(l, c);
        }
        if ((c->flags & WSRT_CONN_DOOMED) != 0 &&
            (c->flags & (WSRT_CONN_RETIRING | WSRT_CONN_READY)) == 0)
            destroy(l, c);
    }
    l->reason_len = 0;
}

/* ---- clocks --------------------------------------------------------------------------------- */

/* A slot that has passed means the next tick, or one turn could take it for ever. */
void wsrt_conn_need(wsrt_loop *l, wsrt_conn *c, uint32_t due)
{
    wsrt_wheel_need(&l->wheel, c->slot, due > l->tick ? due : l->tick + 1);
}

uint32_t wsrt_conn_ping_ticks(wsrt_loop *l)
{
    uint32_t tenth = l->terms->ping / 10;

    l->dice = l->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return l->terms->ping - tenth + (uint32_t)((l->dice >> 33) % (2 * (uint64_t)tenth + 1));
}

/* A deadline that is off (0 ticks) never comes. */
static int passed(const wsrt_loop *l, uint32_t since, uint32_t ticks, uint32_t *next)
{
    if (ticks == 0)
        return 0;
    uint32_t due = since + ticks;
    if (due < *next)
        *next = due;
    return due <= l->tick;
}

static void check_ping(wsrt_loop *l, wsrt_conn *c, uint32_t *next)
{
    if (l->terms->ping == 0)
        return;
    if ((c->flags & WSRT_CONN_UNREAD) != 0) { /* what it says is not read */
        c->flags &= (uint8_t)~WSRT_CONN_PONG_DUE;
        c->ping = wsrt_stamp(l) + wsrt_conn_ping_ticks(l);
    }
    if ((c->flags & WSRT_CONN_PONG_DUE) != 0) {
        if (passed(l, c->ping, l->terms->pong, next))
            wsrt_conn_close(l, c, 1001, wsrt_span_cstr("no pong"));
        return;
    }
    if (c->ping <= l->tick && c->last_frame + l->terms->ping / 2 > l->tick) /* it has just spoken */
        c->ping = c->last_frame + wsrt_conn_ping_ticks(l);
    if (c->ping <= l->tick) {
        c->flags |= WSRT_CONN_PONG_DUE;
        c->ping = wsrt_stamp(l);
        wsrt_output_control(l, c, WSRT_WS_OP_PING, (wsrt_span){NULL, 0});
        passed(l, c->ping, l->terms->pong, next);
    } else if (c->ping < *next) {
        *next = c->ping;
    }
}

/* Closes who has not signed in, and who no longer is. A later identity may end sooner than the one
 * there is, so the next look is never far away. */
static int check_identity(wsrt_loop *l, wsrt_conn *c, uint32_t *next)
{
    const wsrt_terms *terms = l->terms;
    int64_t until = l->server->crew == NULL
                        ? wsrt_session_expires_at(&c->session)
                        : atomic_load_explicit(&c->box->expires, memory_order_relaxed);

    if (until == -1) {
        if (!passed(l, c->opened, terms->sign_in, next))
            return 0;
        wsrt_conn_close(l, c, 4401, wsrt_span_cstr("nobody signed in"));
        return 1;
    }
    if (until == 0 || until > INT64_MAX / 2000 || terms->expired_ms == -1)
        return 0;
    int64_t left = until * 1000 + terms->expired_ms - l->set->env.wall(l->set->env.user);
    if (left <= 0) {
        wsrt_conn_close(l, c, 4401, wsrt_span_cstr("token expired"));
        return 1;
    }
    passed(l, wsrt_stamp(l), wsrt_ticks(left < IDENTITY_MS ? left : IDENTITY_MS), next);
    return 0;
}

static void check_open(wsrt_loop *l, wsrt_conn *c, uint32_t *next)
{
    uint32_t last_data = atomic_load_explicit(&c->last_data, memory_order_relaxed);

    if (c->out != NULL && passed(l, c->out->progress, l->terms->stall, next))
        wsrt_conn_reset(l, c);
    else if (c->in != NULL && c->in->since != 0 && (c->flags & WSRT_CONN_HELD) == 0 &&
             passed(l, c->in->since, l->terms->message, next))
        wsrt_conn_fail(l, c, 1008, "message took too long");
    else if (passed(l, last_data, l->terms->idle, next))
        wsrt_conn_close(l, c, 1001, wsrt_span_cstr("idle"));
    else if (passed(l, c->opened, l->terms->lifetime, next))
        wsrt_conn_close(l, c, 1001, wsrt_span_cstr("lifetime"));
    else if (!check_identity(l, c, next))
        check_ping(l, c, next);
}

/* The slot has fired: does what is due, or looks when the next thing is. */
void wsrt_conn_check(wsrt_loop *l, wsrt_conn *c)
{
    const wsrt_terms *terms = l->terms;
    uint32_t next = WSRT_NONE;

    switch (c->state) {
    case WSRT_CONN_HANDSHAKE:
        if ((c->flags & WSRT_CONN_PAUSED) != 0)
            wsrt_handshake_retry(l, c);
        if (passed(l, c->since, terms->handshake, &next))
            wsrt_conn_lost(l, c);
        break;
    case WSRT_CONN_HTTP:
        if (passed(l, c->since,
                   (c->flags & WSRT_CONN_SERVED) != 0 ? terms->keep_alive : terms->handshake,
                   &next))
            wsrt_http_time_out(l, c);
        break;
    case WSRT_CONN_CONNECTING:
        if (passed(l, c->since, terms->handshake, &next))
            wsrt_connect_time_out(l, c);
        break;
    case WSRT_CONN_BODY:
        if (passed(l, c->since, terms->body, &next))
            wsrt_http_time_out(l, c);
        break;
    case WSRT_CONN_OPEN:
        check_open(l, c, &next);
        break;
    case WSRT_CONN_CLOSING:
    case WSRT_CONN_FINISHING:
        if (passed(l, c->since, finish_ticks(l, c), &next))
            wsrt_conn_reset(l, c);
        break;
    case WSRT_CONN_LINGER:
        if (passed(l, c->since, 1, &next))
            wsrt_conn_lost(l, c);
        break;
    default:
        return;
    }
    if (next != WSRT_NONE && (c->flags & WSRT_CONN_DOOMED) == 0)
        wsrt_conn_need(l, c, next);
}
