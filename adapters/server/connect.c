/* The CONNECT event of an upgrade, and what becomes of the application's answer. With workers the
 * event is dispatched on one of them, and the loop hears of the answer later. */
#include "server/connect.h"
#include "server/endpoints.h"
#include "server/workers.h"

#include <string.h>

enum { ANSWER_ROOM = 8192 };

/* ---- the event ------------------------------------------------------------------------------ */

static size_t copy_headers(const wsrt_connect_room *room, const wsrt_http_request *req)
{
    for (size_t i = 0; i < req->fields.count; i++)
        room->pairs[i] = (wsrt_pair){req->fields.items[i].name, req->fields.items[i].value};
    return req->fields.count;
}

static wsrt_span decode_text(const wsrt_connect_room *room, size_t *used, wsrt_span text)
{
    char *at = room->text + *used;
    size_t len = wsrt_http_unescape(at, text);

    *used += len;
    return (wsrt_span){at, len};
}

/* Decoding never grows, and a query fits in a target, which fits in `text`. */
static size_t decode_query(const wsrt_connect_room *room, wsrt_span query)
{
    size_t count = 0, used = 0;

    if (query.len > WSRT_TEXT_MAX)
        return 0;
    while (query.len > 0 && count < WSRT_QUERY_MAX) {
        const char *end = memchr(query.ptr, '&', query.len);
        size_t len = end == NULL ? query.len : (size_t)(end - query.ptr);
        const char *equals = len == 0 ? NULL : memchr(query.ptr, '=', len);
        size_t name = equals == NULL ? len : (size_t)(equals - query.ptr);
        if (len > 0) {
            wsrt_span value = {query.ptr + name, len - name};
            if (value.len > 0) {
                value.ptr++;
                value.len--;
            }
            room->query[count].name = decode_text(room, &used, (wsrt_span){query.ptr, name});
            room->query[count++].value = decode_text(room, &used, value);
        }
        len += end != NULL;
        query.ptr += len;
        query.len -= len;
    }
    return count;
}

/* ---- the answer ----------------------------------------------------------------------------- */

typedef struct head {
    char bytes[ANSWER_ROOM];
    size_t len;
    int bad;
} head;

static void put(head *h, wsrt_span text)
{
    if (text.len > sizeof h->bytes - h->len) {
        h->bad = 1;
        return;
    }
    if (text.len > 0)
        memcpy(h->bytes + h->len, text.ptr, text.len);
    h->len += text.len;
}

static int has_line_break(wsrt_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == '\0')
            return 1;
    return 0;
}

static int list_names(wsrt_span list, wsrt_span token)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        if (wsrt_span_equal(wsrt_http_trim((wsrt_span){list.ptr, len}), token))
            return 1;
        len += comma != NULL;
        list.ptr += len;
        list.len -= len;
    }
    return 0;
}

static int was_offered(const wsrt_http_request *req, wsrt_span protocol)
{
    wsrt_span name = wsrt_span_cstr("Sec-WebSocket-Protocol");

    for (size_t i = 0; i < req->fields.count; i++)
        if (wsrt_http_same_text(req->fields.items[i].name, name) &&
            list_names(req->fields.items[i].value, protocol))
            return 1;
    return 0;
}

/* Fields that say how the connection is used are ours alone. */
static int is_ours(wsrt_span name)
{
    static const char *const names[] = {"Connection",        "Upgrade",
                                        "Content-Length",    "Sec-WebSocket-Accept",
                                        "Transfer-Encoding", "Sec-WebSocket-Extensions"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (wsrt_http_same_text(name, wsrt_span_cstr(names[i])))
            return 1;
    return 0;
}

static void put_fields(const wsrt_connecting *u, const wsrt_response *r, head *h)
{
    for (size_t i = 0; i < r->header_count; i++) {
        const wsrt_pair *p = &r->headers[i];
        int protocol = wsrt_http_same_text(p->name, wsrt_span_cstr("Sec-WebSocket-Protocol"));
        if (is_ours(p->name))
            continue;
        if (has_line_break(p->name) || has_line_break(p->value) ||
            (protocol && !was_offered(u->req, p->value)))
            h->bad = 1;
        put(h, p->name);
        put(h, wsrt_span_cstr(": "));
        put(h, p->value);
        put(h, wsrt_span_cstr("\r\n"));
    }
}

static void put_switch(const wsrt_connecting *u, head *h)
{
    put(h, wsrt_span_cstr("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: "));
    put(h, (wsrt_span){u->accept, WSRT_WS_ACCEPT_LEN});
    put(h, wsrt_span_cstr("\r\n"));
}

/* A refusal of the application: its status if that is one, its body, its fields. */
static void take_refusal(wsrt_verdict *v, const wsrt_response *r)
{
    v->status = r->status < 400 || r->status > 499 ? 500 : r->status;
    v->body = r->body;
    for (size_t i = 0; i < r->header_count; i++)
        if (wsrt_http_same_text(r->headers[i].name, wsrt_span_cstr("Content-Type")))
            v->has_type = 1;
}

static void take_response(const wsrt_response *r, void *user)
{
    wsrt_connecting *u = user;
    wsrt_verdict v = {.accepted = r->status >= 200 && r->status <= 299,
                      .keep_alive = u->req->keep_alive};
    head h; /* its bytes would be cleared for nothing */

    h.len = 0;
    h.bad = 0;
    if (v.accepted)
        put_switch(u, &h);
    put_fields(u, r, &h);
    put(&h, v.accepted ? wsrt_span_cstr("\r\n") : (wsrt_span){"", 1});
    if (!h.bad)
        v.head = (wsrt_span){h.bytes, h.len};
    if (!v.accepted)
        take_refusal(&v, r);
    else if (!h.bad)
        v.status = 101;
    u->give(&v, u);
}

/* Dispatches the event; `give` has been called by then, unless the status is not WSRT_OK. */
int wsrt_connect_dispatch(wsrt_connecting *u, const wsrt_connect_room *room, wsrt_event *ev)
{
    ev->struct_size = sizeof *ev;
    ev->kind = WSRT_EVENT_CONNECT;
    ev->domain = u->req->host;
    wsrt_http_find(&u->req->fields, "User-Agent", &ev->user_agent);
    ev->headers = room->pairs;
    ev->header_count = copy_headers(room, u->req);
    ev->query = room->query;
    ev->query_count = decode_query(room, u->req->query);
    return wsrt_runtime_dispatch(u->server->runtime, ev, take_response, u);
}

/* ---- the answer on its way ------------------------------------------------------------------ */

void wsrt_connect_refuse(wsrt_loop *l, wsrt_conn *c, const wsrt_answer *a)
{
    wsrt_loop_count(l, WSRT_COUNT_REFUSED, 1);
    wsrt_series_upgrade(&l->series, a->status);
    wsrt_http_answer(l, c, a);
}

static void give_place_back(wsrt_loop *l)
{
    atomic_fetch_sub_explicit(&l->server->places, 1, memory_order_relaxed);
}

static void fail(wsrt_loop *l, wsrt_conn *c)
{
    give_place_back(l);
    wsrt_connect_refuse(l, c, &(wsrt_answer){.status = 500, .close = 1});
}

/* The next id of a connection that goes on must not get what was posted to this one. */
static void refuse(wsrt_loop *l, wsrt_conn *c, const wsrt_verdict *v)
{
    wsrt_conn_withdraw(l, c);
    wsrt_connect_refuse(
        l, c,
        &(wsrt_answer){.status = v->status,
                       .body = v->body,
                       .type_cstr = v->has_type ? "" : NULL,
                       .extra_cstr = v->head.len > 0 ? v->head.ptr : NULL,
                       .close = !v->keep_alive || c->forwarded || wsrt_conn_is_behind(c)});
}

/* Puts what the application said into the turn's output. */
static void write_verdict(wsrt_loop *l, wsrt_conn *c, const wsrt_verdict *v)
{
    if (v->status == 101)
        wsrt_output_put(l, v->head.ptr, v->head.len);
    else if (!v->accepted && v->status != 0)
        refuse(l, c, v);
}

static void become_open(wsrt_loop *l, wsrt_conn *c)
{
    c->state = WSRT_CONN_OPEN;
    c->opened = c->last_frame = c->since = wsrt_stamp(l);
    c->ping = c->opened + wsrt_conn_ping_ticks(l);
    atomic_store_explicit(&l->open, wsrt_loop_open(l) + 1, memory_order_relaxed);
    wsrt_loop_count(l, WSRT_COUNT_OPENED, 1);
    wsrt_series_upgrade(&l->series, 101);
    l->event.connected_at = c->wall;
    wsrt_conn_need(l, c, l->tick + 1); /* which looks when the first deadline is */
}

/* The answer is in the output. */
static void settle(wsrt_loop *l, wsrt_conn *c, const wsrt_verdict *v)
{
    if (v->status == 101) {
        become_open(l, c);
        wsrt_conn_opened(l, c);
    } else if (v->accepted || v->status == 0) {
        wsrt_conn_withdraw(l, c);
        if (v->accepted)
            wsrt_conn_undo_connect(l, c);
        fail(l, c);
    } else {
        give_place_back(l);
    }
}

/* ---- on the loop's thread ------------------------------------------------------------------- */

typedef struct wsrt_inline {
    wsrt_loop *loop;
    wsrt_conn *conn;
    wsrt_verdict verdict;
} wsrt_inline;

/* The body is the application's, for as long as this call. */
static void give_now(const wsrt_verdict *v, wsrt_connecting *u)
{
    wsrt_inline *i = u->user;

    i->verdict = *v;
    write_verdict(i->loop, i->conn, v);
}

static void connect_now(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req,
                        const char *accept)
{
    wsrt_connect_room room = {l->pairs, l->query, l->text};
    wsrt_inline i = {l, c, {0}};
    wsrt_connecting u = {l->server, req, accept, give_now, &i};
    wsrt_event ev = {.flags = c->trust & WSRT_TRUST_DEVELOPER,
                     .connection_id = {c->id, WSRT_ID_LEN},
                     .stage = l->set->stage,
                     .source_ip = wsrt_input_ip(l, c),
                     .session = &c->session,
                     .recorder = l->recorder,
                     .connected_at = c->wall,
                     .now = l->now,
                     .routed = &l->routed};

    memset(&c->session, 0, sizeof c->session);
    wsrt_conn_announce(l, c);
    int rc = wsrt_connect_dispatch(&u, &room, &ev);
    wsrt_times_note(&l->times, l->routed);
    if (rc != WSRT_OK)
        wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.connect_failed", "status",
                      wsrt_span_cstr(wsrt_status_name(rc)));
    settle(l, c, &i.verdict);
}

/* Who could ask for the paths that manage the server may see as much in its errors. */
static void note_developer(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req)
{
    const wsrt_exchange k = {.loop = l, .conn = c, .req = req};

    c->trust &= (uint8_t)~WSRT_TRUST_DEVELOPER; /* an earlier request's */
    if (wsrt_guard_judge(&k, WSRT_GUARD_OWN_PAGES) == 0)
        c->trust |= WSRT_TRUST_DEVELOPER;
}

void wsrt_connect(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, const char *accept)
{
    note_developer(l, c, req);
    if (wsrt_conn_new_id(l, c) != WSRT_OK) {
        fail(l, c);
        return;
    }
    c->wall = l->set->env.wall(l->set->env.user);
    if (l->server->crew == NULL)
        connect_now(l, c, req, accept);
    else if (wsrt_box_connect(l, c, accept) != WSRT_OK)
        fail(l, c);
}

/* ---- after a worker ------------------------------------------------------------------------- */

void wsrt_connect_finish(wsrt_loop *l, wsrt_conn *c, const wsrt_verdict *v, wsrt_ring *early)
{
    c->state = WSRT_CONN_HTTP;
    l->current = c;
    write_verdict(l, c, v);
    settle(l, c, v);
    wsrt_sender_take_early(l, early);
    wsrt_conn_unhold(l, c);
    if (c->state == WSRT_CONN_OPEN && l->drain.stage >= WSRT_DRAIN_CLOSING)
        wsrt_drain_close(l, c);
    wsrt_input_end_turn(l, c);
}

/* The application takes too long. The place is given back when it has answered after all. */
void wsrt_connect_time_out(wsrt_loop *l, wsrt_conn *c)
{
    wsrt_conn_withdraw(l, c);
    c->box = NULL;
    c->state = WSRT_CONN_HTTP;
    l->current = c;
    wsrt_connect_refuse(
        l, c, &(wsrt_answer){.status = 503, .close = 1, .extra_cstr = "Retry-After: 5\r\n"});
    wsrt_output_flush(l);
    l->current = NULL;
    if (c->out == NULL)
        wsrt_conn_sent_all(l, c);
}

void wsrt_connect_forget(wsrt_loop *l)
{
    give_place_back(l);
}
