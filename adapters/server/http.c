/* Requests, one after the other, and their answers. */
#include "server/internal.h"

#include <stdio.h>
#include <string.h>

enum { REFUSED_BODY = 1024 * 1024, HEAD_ROOM = 512 };

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
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

/* Writes an answer into the turn's output. An error without a body gets one that names it. */
void wsrt_http_answer(wsrt_loop *l, wsrt_conn *c, const wsrt_answer *a)
{
    const char *type = a->type_cstr != NULL ? a->type_cstr : "application/json";
    char head[HEAD_ROOM], standard[128];
    wsrt_span body = a->body;
    int close = a->close || l->server->draining;

    if (body.len == 0 && a->status >= 400) {
        int n = snprintf(standard, sizeof standard, "{\"message\":\"%s\"}",
                         wsrt_http_reason(a->status));
        body = (wsrt_span){standard, (size_t)n};
    }
    snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n%s", a->status,
             wsrt_http_reason(a->status), body.len, close ? "Connection: close\r\n" : "");
    put_text(l, head);
    if (type[0] != '\0') {
        put_text(l, "Content-Type: ");
        put_text(l, type);
        put_text(l, "\r\n");
    }
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
        wsrt_conn_need(l, c, c->since + l->set->keep_alive);
}

static void refuse(wsrt_loop *l, wsrt_conn *c, int status)
{
    if (status < 400 || status > 599)
        status = 400;
    wsrt_http_answer(l, c, &(wsrt_answer){.status = status, .close = 1});
}

static void serve(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, const char *head)
{
    wsrt_span body = {head + req->head_len, (size_t)req->content_length};

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
    wsrt_conn_need(l, c, c->since + l->set->body);
    if (req->expect_continue && have == req->head_len)
        put_text(l, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Serves the requests in the input in their order; returns the bytes used. What follows the head of
 * an upgrade is not HTTP any more. */
size_t wsrt_http_input(wsrt_loop *l, wsrt_conn *c, char *buf, size_t len)
{
    wsrt_http_request *req = &l->request;
    size_t at = 0;

    while (at < len && (c->state == WSRT_CONN_HTTP || c->state == WSRT_CONN_BODY)) {
        int rc = wsrt_http_parse_request(buf + at, len - at, NULL, &l->scanned, req);
        if (rc == WSRT_HTTP_MORE)
            return at;
        if (rc != WSRT_HTTP_DONE) {
            refuse(l, c, rc);
            return len;
        }
        if (len - at - req->head_len < req->content_length) {
            await_body(l, c, req, len - at);
            return at;
        }
        const char *head = buf + at;
        at += req->head_len + (size_t)req->content_length;
        l->scanned = 0;
        serve(l, c, req, head);
    }
    return at;
}
