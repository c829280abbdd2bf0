/* From HTTP to WebSocket: the checks in their order, the CONNECT event, the 101. */
#include "server/internal.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_ROOM = 8192 };

/* The way through one upgrade. */
typedef struct upgrade {
    wsrt_loop *loop;
    wsrt_conn *conn;
    const wsrt_http_request *req;
    char accept[WSRT_WS_ACCEPT_LEN];
    int status;   /* what the client was told; 0 = nothing yet */
    int accepted; /* by the runtime */
} upgrade;

static void refuse(upgrade *u, int status, const char *extra_cstr)
{
    wsrt_loop_count(u->loop, WSRT_COUNT_REFUSED, 1);
    wsrt_series_upgrade(&u->loop->series, status);
    u->status = status;
    wsrt_http_answer(u->loop, u->conn,
                     &(wsrt_answer){.status = status,
                                    .extra_cstr = extra_cstr,
                                    .close = status == 500 || !u->req->keep_alive});
}

/* ---- the event ------------------------------------------------------------------------------ */

static size_t copy_headers(wsrt_loop *l, const wsrt_http_request *req)
{
    for (size_t i = 0; i < req->fields.count; i++)
        l->pairs[i] = (wsrt_pair){req->fields.items[i].name, req->fields.items[i].value};
    return req->fields.count;
}

static wsrt_span decode_text(wsrt_loop *l, size_t *used, wsrt_span text)
{
    char *at = l->text + *used;
    size_t len = wsrt_http_unescape(at, text);

    *used += len;
    return (wsrt_span){at, len};
}

/* Decoding never grows, and a query fits in a target, which fits in `text`. */
static size_t decode_query(wsrt_loop *l, wsrt_span query)
{
    size_t count = 0, used = 0;

    if (query.len > sizeof l->text)
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
            l->query[count].name = decode_text(l, &used, (wsrt_span){query.ptr, name});
            l->query[count++].value = decode_text(l, &used, value);
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

static wsrt_span trim(wsrt_span text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static int list_names(wsrt_span list, wsrt_span token)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        if (wsrt_span_equal(trim((wsrt_span){list.ptr, len}), token))
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

static void put_fields(const upgrade *u, const wsrt_response *r, head *h)
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

static void put_switch(const upgrade *u, head *h)
{
    put(h, wsrt_span_cstr("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: "));
    put(h, (wsrt_span){u->accept, sizeof u->accept});
    put(h, wsrt_span_cstr("\r\n"));
}

/* A refusal of the application: its status if that is one, its body, its fields. */
static void pass_refusal(upgrade *u, const wsrt_response *r, head *h)
{
    wsrt_answer a = {.status = r->status, .body = r->body, .close = !u->req->keep_alive};

    if (a.status < 400 || a.status > 499)
        a.status = 500;
    put(h, (wsrt_span){"", 1});
    if (!h->bad)
        a.extra_cstr = h->bytes;
    for (size_t i = 0; i < r->header_count; i++)
        if (wsrt_http_same_text(r->headers[i].name, wsrt_span_cstr("Content-Type")))
            a.type_cstr = ""; /* the application's own */
    wsrt_loop_count(u->loop, WSRT_COUNT_REFUSED, 1);
    wsrt_series_upgrade(&u->loop->series, a.status);
    u->status = a.status;
    wsrt_http_answer(u->loop, u->conn, &a);
}

static void take_response(const wsrt_response *r, void *user)
{
    upgrade *u = user;
    head h = {.len = 0};

    u->accepted = r->status >= 200 && r->status <= 299;
    if (u->accepted)
        put_switch(u, &h);
    put_fields(u, r, &h);
    if (!u->accepted) {
        pass_refusal(u, r, &h);
        return;
    }
    put(&h, wsrt_span_cstr("\r\n"));
    if (h.bad)
        return;
    wsrt_output_put(u->loop, h.bytes, h.len);
    u->status = 101;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void become_open(wsrt_loop *l, wsrt_conn *c)
{
    c->state = WSRT_CONN_OPEN;
    c->opened = c->last_frame = c->since = wsrt_stamp(l);
    atomic_store_explicit(&c->last_data, c->opened, memory_order_relaxed);
    c->ping = c->opened + wsrt_conn_ping_ticks(l);
    atomic_store_explicit(&l->open, wsrt_loop_open(l) + 1, memory_order_relaxed);
    wsrt_loop_count(l, WSRT_COUNT_OPENED, 1);
    wsrt_series_upgrade(&l->series, 101);
    l->event.connected_at = c->wall;
    wsrt_conn_need(l, c, l->tick + 1); /* which looks when the first deadline is */
}

/* A place among the WebSockets, kept from here until the connection has closed or is refused. */
static int take_place(wsrt_loop *l)
{
    if (atomic_fetch_add_explicit(&l->server->places, 1, memory_order_relaxed) <
        l->set->max_connections)
        return 1;
    atomic_fetch_sub_explicit(&l->server->places, 1, memory_order_relaxed);
    wsrt_series_limited(&l->series, WSRT_LIMIT_CONNECTIONS);
    return 0;
}

static void give_place_back(wsrt_loop *l)
{
    atomic_fetch_sub_explicit(&l->server->places, 1, memory_order_relaxed);
}

static void connect(upgrade *u)
{
    wsrt_loop *l = u->loop;
    wsrt_conn *c = u->conn;
    wsrt_event ev = {.struct_size = sizeof ev, .kind = WSRT_EVENT_CONNECT};
    wsrt_span ip = wsrt_input_ip(l, c);

    if (wsrt_conn_new_id(l, c) != WSRT_OK) {
        give_place_back(l);
        refuse(u, 500, NULL);
        return;
    }
    memset(&c->session, 0, sizeof c->session);
    c->wall = l->set->env.wall(l->set->env.user);
    ev.connection_id = (wsrt_span){c->id, WSRT_ID_LEN};
    ev.stage = l->set->stage;
    ev.domain = u->req->host;
    ev.source_ip = ip;
    wsrt_http_find(&u->req->fields, "User-Agent", &ev.user_agent);
    ev.headers = l->pairs;
    ev.header_count = copy_headers(l, u->req);
    ev.query = l->query;
    ev.query_count = decode_query(l, u->req->query);
    ev.session = &c->session;
    ev.recorder = l->recorder;
    ev.connected_at = c->wall;
    ev.now = l->now;
    int rc = wsrt_runtime_dispatch(l->server->runtime, &ev, take_response, u);
    if (u->status == 101) {
        become_open(l, c);
        wsrt_conn_addressable(l, c);
        return;
    }
    give_place_back(l);
    if (rc != WSRT_OK)
        wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.connect_failed", "status",
                      wsrt_span_cstr(wsrt_status_name(rc)));
    if (u->accepted)
        wsrt_conn_undo_connect(l, c);
    if (u->status == 0)
        refuse(u, 500, NULL);
}

/* ---- checks --------------------------------------------------------------------------------- */

/* Counts what a limit keeps out. */
static int is_limited(wsrt_loop *l, wsrt_limit limit, int over)
{
    if (over)
        wsrt_series_limited(&l->series, limit);
    return over;
}

static int over_peer_limit(const upgrade *u)
{
    wsrt_loop *l = u->loop;

    return is_limited(l, WSRT_LIMIT_PER_IP,
                      !wsrt_peer_is_local(u->conn) &&
                          wsrt_conn_peers(l, u->conn) > l->set->max_per_ip);
}

static int origin_refused(const upgrade *u)
{
    wsrt_span origin = {NULL, 0};

    if (wsrt_http_find(&u->req->fields, "Origin", &origin) == 0 ||
        wsrt_origin_allowed(u->loop->server, origin, u->req->host))
        return 0;
    wsrt_loop_log(u->loop, WSRT_LEVEL_WARN, "server.origin_refused", "add_allow_origin", origin);
    return 1;
}

/* Judges and answers a request that asks for a WebSocket; 0 = it does not ask. */
int wsrt_upgrade_try(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req)
{
    upgrade u = {.loop = l, .conn = c, .req = req};
    int verdict = wsrt_ws_upgrade(req, u.accept);

    if (verdict == WSRT_WS_PLAIN)
        return 0;
    if (verdict == 405)
        refuse(&u, 405, "Allow: GET, HEAD\r\n");
    else if (verdict == 426)
        refuse(&u, 426, "Sec-WebSocket-Version: 13\r\n");
    else if (verdict != WSRT_WS_SWITCH)
        refuse(&u, verdict, NULL);
    else if (!wsrt_host_trusted(l->server, req->host))
        refuse(&u, 421, NULL);
    else if (origin_refused(&u))
        refuse(&u, 403, NULL);
    else if (over_peer_limit(&u))
        refuse(&u, 429, "Retry-After: 10\r\n");
    else if (wsrt_is_draining(l->server) || !take_place(l))
        refuse(&u, 503, "Retry-After: 5\r\n");
    else
        connect(&u);
    return 1;
}
