/* Requests, one after the other, and their answers. */
#include "server/endpoints.h"

#include <stdio.h>
#include <string.h>

enum { REFUSED_BODY = 1024 * 1024, LATE_DISCARD = 4096, HEAD_ROOM = 512, BODY_MOST = 128 * 1024 };

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {421, "Misdirected Request"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *wsrt_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

static void put_text(wsrt_loop *l, const char *text_cstr)
{
    wsrt_output_put(l, text_cstr, strlen(text_cstr));
}

/* Written once a second. */
static const char *date_of(wsrt_loop *l)
{
    int64_t second = l->set->env.wall(l->set->env.user) / 1000;

    if (second != l->date_second || l->date[0] == '\0') {
        wsrt_http_date(l->date, second);
        l->date_second = second;
    }
    return l->date;
}

static void put_field(wsrt_loop *l, const char *name_cstr, const char *value_cstr)
{
    put_text(l, name_cstr);
    put_text(l, ": ");
    put_text(l, value_cstr);
    put_text(l, "\r\n");
}

/* Writes an answer into the turn's output. An error without a body gets one that names it. */
void wsrt_http_answer(wsrt_loop *l, wsrt_conn *c, const wsrt_answer *a)
{
    const char *type = a->type_cstr != NULL ? a->type_cstr : "application/json";
    char head[HEAD_ROOM], standard[128];
    wsrt_span body = a->body;
    int close = a->close || wsrt_is_draining(l->server);

    if (body.len == 0 && a->status >= 400) {
        int n = snprintf(standard, sizeof standard, "{\"message\":\"%s\"}",
                         wsrt_http_reason(a->status));
        body = (wsrt_span){standard, (size_t)n};
    }
    snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n%s", a->status, wsrt_http_reason(a->status),
             close ? "Connection: close\r\n" : "");
    put_text(l, head);
    put_field(l, "Date", date_of(l));
    if (a->status != 204 && a->status != 304) {
        snprintf(head, sizeof head, "%zu", body.len);
        put_field(l, "Content-Length", head);
    }
    if (type[0] != '\0' && body.len > 0)
        put_field(l, "Content-Type", type);
    if (a->extra_cstr != NULL)
        put_text(l, a->extra_cstr);
    put_text(l, "\r\n");
    if (!a->head_only)
        wsrt_output_put(l, body.ptr, body.len);
    c->flags |= WSRT_CONN_SERVED;
    c->since = wsrt_stamp(l);
    if (close)
        wsrt_conn_finish(l, c, REFUSED_BODY);
    else
        wsrt_conn_need(l, c, c->since + l->terms->keep_alive);
}

static void refuse(wsrt_loop *l, wsrt_conn *c, int status)
{
    if (status < 400 || status > 599)
        status = 400;
    wsrt_http_answer(l, c, &(wsrt_answer){.status = status, .close = 1});
}

/* Who has begun a request is told that its time is over; who is silent is not. */
void wsrt_http_time_out(wsrt_loop *l, wsrt_conn *c)
{
    if (c->in == NULL || c->in->end == c->in->at) {
        wsrt_conn_lost(l, c);
        return;
    }
    l->current = c;
    refuse(l, c, 408);
    c->discard = LATE_DISCARD;
    wsrt_output_flush(l);
    l->current = NULL;
    if (c->out == NULL)
        wsrt_conn_sent_all(l, c);
}

/* A body too long is refused before it is read, but in the words of the path it was for. */
static void refuse_body(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req)
{
    char lines[WSRT_MANAGEMENT_LINES];
    wsrt_answer a = {.status = 413, .close = 1};

    if (wsrt_management_is(req->path))
        a.extra_cstr = wsrt_management_lines(l, a.status, lines);
    wsrt_http_answer(l, c, &a);
}

static void serve(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, wsrt_span body)
{
    c->state = WSRT_CONN_HTTP;
    wsrt_endpoint_answer(l, c, req, body);
}

/* The head is there, its body is not. */
static void await_body(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, size_t have)
{
    l->need = (uint32_t)(req->head_len + req->content_length);
    if (c->state == WSRT_CONN_BODY)
        return;
    c->state = WSRT_CONN_BODY;
    c->since = wsrt_stamp(l);
    wsrt_conn_need(l, c, c->since + l->terms->body);
    if (req->expect_continue && have == req->head_len)
        put_text(l, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Whether the next request has its turn: one whose client reads no answers waits until it does. */
static int may_serve(wsrt_loop *l, wsrt_conn *c, int served)
{
    if (l->tx_len >= WSRT_TX_FLUSH)
        wsrt_output_flush(l);
    l->more = served == WSRT_TURN_MESSAGES;
    return !l->more && (c->flags & WSRT_CONN_UNREAD) == 0 &&
           (c->state == WSRT_CONN_HTTP || c->state == WSRT_CONN_BODY);
}

/* Serves the requests in the input in their order; returns the bytes used. What follows the head of
 * an upgrade is not HTTP any more. */
size_t wsrt_http_input(wsrt_loop *l, wsrt_conn *c, char *buf, size_t len)
{
    static const wsrt_http_limits limits = {8192, 4096, UINT64_MAX};
    wsrt_http_request *req = &l->request;
    size_t at = 0;

    for (int served = 0; at < len && may_serve(l, c, served); served++) {
        int rc = wsrt_http_parse_request(buf + at, len - at, &limits, &l->scanned, req);
        if (rc == WSRT_HTTP_MORE)
            return at;
        if (rc != WSRT_HTTP_DONE) {
            refuse(l, c, rc);
            return len;
        }
        if (req->content_length > BODY_MOST) {
            refuse_body(l, c, req);
            return len;
        }
        if (len - at - req->head_len < req->content_length) {
            await_body(l, c, req, len - at);
            return at;
        }
        wsrt_span body = {buf + at + req->head_len, (size_t)req->content_length};
        at += req->head_len + (size_t)req->content_length;
        l->head = (wsrt_span){body.ptr - req->head_len, req->head_len};
        l->scanned = 0;
        serve(l, c, req, body);
    }
    return at;
}
