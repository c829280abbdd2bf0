/* From HTTP to WebSocket: the checks in their order. */
#include "server/connect.h"

static const int64_t log_every_ns = 1000000000;

static void refuse(wsrt_loop *l, wsrt_conn *c, int status, const char *extra_cstr)
{
    wsrt_connect_refuse(
        l, c,
        &(wsrt_answer){.status = status,
                       .extra_cstr = extra_cstr,
                       .head_only = wsrt_span_equal(l->request.method, wsrt_span_cstr("HEAD")),
                       .close = status == 500 || c->forwarded || !l->request.keep_alive});
}

/* A place among the WebSockets, kept from here until the connection has closed or is refused. */
static int take_place(wsrt_loop *l)
{
    if (atomic_fetch_add_explicit(&l->server->places, 1, memory_order_relaxed) <
        l->terms->max_connections)
        return 1;
    atomic_fetch_sub_explicit(&l->server->places, 1, memory_order_relaxed);
    wsrt_series_limited(&l->series, WSRT_LIMIT_CONNECTIONS);
    return 0;
}

/* One that names nobody speaks for all its clients. */
static int is_proxy(const wsrt_loop *l, const wsrt_conn *c)
{
    return !c->is_unix && wsrt_proxies_have(&l->terms->proxies, c->ip);
}

static int over_peer_limit(wsrt_loop *l, const wsrt_conn *c)
{
    if ((!c->forwarded && wsrt_peer_is_local(c)) || is_proxy(l, c) ||
        wsrt_conn_peers(l, c->ip) <= l->terms->max_per_ip)
        return 0;
    wsrt_series_limited(&l->series, WSRT_LIMIT_PER_IP);
    return 1;
}

/* Whom a trusted proxy speaks for. */
static int find_source(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req)
{
    const wsrt_proxies *proxies = &l->terms->proxies;
    unsigned char source[16];

    if ((proxies->count == 0 && !proxies->local) ||
        !wsrt_proxies_source(proxies, &req->fields, c->is_unix ? NULL : c->ip, source))
        return 0;
    return wsrt_conn_forward(l, c, source);
}

/* Once a second, since who asks decides how often. */
static void log_refusal(wsrt_loop *l, wsrt_span origin)
{
    if (l->origin_logged != 0 && l->now - l->origin_logged < log_every_ns)
        return;
    l->origin_logged = l->now;
    wsrt_loop_log(l, WSRT_LEVEL_WARN, "server.origin_refused", "add_allow_origin", origin);
}

static int origin_refused(wsrt_loop *l, const wsrt_http_request *req)
{
    wsrt_span origin = {NULL, 0};
    size_t origins = wsrt_http_find(&req->fields, "Origin", &origin);

    if (origins == 0 || (origins == 1 && wsrt_origin_allowed(l, origin, req->host)))
        return 0;
    log_refusal(l, origin);
    return 1;
}

/* Judges and answers a request that asks for a WebSocket; 0 = it does not ask. */
int wsrt_upgrade_try(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req)
{
    char accept[WSRT_WS_ACCEPT_LEN];
    int verdict = wsrt_ws_upgrade(req, accept);

    if (verdict == WSRT_WS_PLAIN)
        return 0;
    if (verdict == 405)
        refuse(l, c, 405, "Allow: GET, HEAD\r\n");
    else if (verdict == 426)
        refuse(l, c, 426, "Sec-WebSocket-Version: 13\r\n");
    else if (verdict != WSRT_WS_SWITCH)
        refuse(l, c, verdict, NULL);
    else if (!wsrt_host_trusted(l, req->host))
        refuse(l, c, 421, NULL);
    else if (origin_refused(l, req))
        refuse(l, c, 403, NULL);
    else if (find_source(l, c, req) != WSRT_OK)
        refuse(l, c, 500, NULL);
    else if (over_peer_limit(l, c))
        refuse(l, c, 429, "Retry-After: 10\r\n");
    else if (wsrt_is_draining(l->server) || !take_place(l))
        refuse(l, c, 503, "Retry-After: 5\r\n");
    else
        wsrt_connect(l, c, req, accept);
    return 1;
}
