#include "feed.h"

#include "guarded.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void demand(int promise)
{
    if (!promise)
        abort();
}

/* ---- text --------------------------------------------------------------------------------- */

static void grow(struct text *t, size_t more)
{
    if (t->ptr != NULL && t->room - t->len > more)
        return;
    t->room = 2 * t->room + more + 256;
    t->ptr = realloc(t->ptr, t->room);
    demand(t->ptr != NULL);
}

static void add_bytes(struct text *t, const void *bytes, size_t len)
{
    grow(t, len);
    if (len > 0)
        memcpy(t->ptr + t->len, bytes, len);
    t->len += len;
    t->ptr[t->len] = '\0';
}

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    demand(len >= 0 && (size_t)len < sizeof line);
    add_bytes(t, line, (size_t)len);
}

static void add_hex(struct text *t, const char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    grow(t, 2 * len);
    for (size_t i = 0; i < len; i++) {
        t->ptr[t->len++] = digits[(unsigned char)bytes[i] >> 4];
        t->ptr[t->len++] = digits[bytes[i] & 15];
    }
    t->ptr[t->len] = '\0';
}

void text_free(struct text *t)
{
    free(t->ptr);
    *t = (struct text){0};
}

/* ---- pieces ------------------------------------------------------------------------------- */

static char *copy_of(const void *bytes, size_t len, enum where where)
{
    if (where == GUARDED)
        return guarded_copy(bytes, len);
    char *copy = malloc(len > 0 ? len : 1);
    demand(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

static void copy_free(char *copy, size_t len, enum where where)
{
    if (where == GUARDED)
        guarded_free(copy, len);
    else
        free(copy);
}

/* End of the piece that begins at `at`. */
static size_t piece_end(size_t len, size_t at, struct split split)
{
    size_t take = at == 0 ? split.first : split.step;

    return take == 0 || take > len - at ? len : at + take;
}

/* ---- frames ------------------------------------------------------------------------------- */

struct connection {
    wsrt_ws_decoder decoder;
    const wsrt_ws_limits *limits;
    struct text tail;    /* bytes not yet used */
    struct text message; /* pieces of the open message */
    struct text log;
    int over;
};

static void note_payload(struct connection *c, const char *what, const char *ptr, size_t len)
{
    add(&c->log, "%s ", what);
    add_hex(&c->log, ptr, len);
    add(&c->log, "\n");
}

static const char *name_of(const wsrt_ws_event *event)
{
    demand(event->opcode == WSRT_WS_OP_TEXT || event->opcode == WSRT_WS_OP_BINARY);
    return event->opcode == WSRT_WS_OP_TEXT ? "text" : "binary";
}

static void note_piece(struct connection *c, const wsrt_ws_event *event)
{
    demand(event->left <= (event->last ? 0 : c->limits->max_frame));
    add_bytes(&c->message, event->payload.ptr, event->payload.len);
    demand(c->message.len <= c->limits->max_message);
    if (!event->last) {
        demand(wsrt_ws_in_message(&c->decoder) && event->payload.len > 0);
        return;
    }
    note_payload(c, name_of(event), c->message.ptr, c->message.len);
    c->message.len = 0;
}

static void note_event(struct connection *c, int kind, const wsrt_ws_event *event)
{
    const char *ptr = event->payload.ptr;
    size_t len = event->payload.len;

    demand(!c->over);
    switch (kind) {
    case WSRT_WS_MESSAGE:
        demand(c->message.len == 0 && len <= c->limits->max_frame);
        demand(event->last && event->left == 0);
        note_payload(c, name_of(event), ptr, len);
        break;
    case WSRT_WS_PIECE:
        note_piece(c, event);
        break;
    case WSRT_WS_PING:
    case WSRT_WS_PONG:
        demand(len <= WSRT_WS_CONTROL_MAX);
        note_payload(c, kind == WSRT_WS_PING ? "ping" : "pong", ptr, len);
        break;
    case WSRT_WS_CLOSE:
        add(&c->log, "close %d ", event->code);
        add_hex(&c->log, ptr, event->code == 1005 ? 0 : len);
        add(&c->log, "\n");
        c->over = 1;
        break;
    default:
        demand(kind == WSRT_WS_FAIL && strlen(event->why) <= WSRT_WS_CONTROL_MAX - 2);
        add(&c->log, "fail %d\n", event->code);
        c->over = 1;
    }
}

static void receive(struct connection *c, const char *bytes, size_t len, enum where where)
{
    size_t at = 0;
    int kind;

    add_bytes(&c->tail, bytes, len);
    size_t all = c->tail.len;
    char *in = copy_of(c->tail.ptr, all, where);
    do {
        wsrt_ws_event event;
        kind = wsrt_ws_decode(&c->decoder, c->limits, (unsigned char *)in + at, all - at, &event);
        demand(event.used <= all - at);
        at += event.used;
        if (kind != WSRT_WS_NEED)
            note_event(c, kind, &event);
    } while (kind != WSRT_WS_NEED);
    demand(all - at <= WSRT_WS_TAIL_MAX && (!c->over || at == all));
    c->tail.len = 0;
    add_bytes(&c->tail, in + at, all - at);
    copy_free(in, all, where);
}

struct text feed_frames(wsrt_span in, struct split split, const wsrt_ws_limits *limits,
                        enum where where)
{
    struct connection c = {.limits = limits};

    add_bytes(&c.log, "", 0);
    for (size_t at = 0, end; at < in.len; at = end) {
        end = piece_end(in.len, at, split);
        receive(&c, in.ptr + at, end - at, where);
    }
    text_free(&c.tail);
    text_free(&c.message);
    return c.log;
}

/* ---- heads -------------------------------------------------------------------------------- */

static void add_span(struct text *t, const char *name, wsrt_span span)
{
    add(t, "%s ", name);
    add_bytes(t, span.ptr, span.len);
    add(t, "\n");
}

static void add_fields(struct text *t, const wsrt_http_fields *fields)
{
    demand(fields->count <= WSRT_HTTP_FIELDS_MAX);
    for (size_t i = 0; i < fields->count; i++) {
        add_span(t, "name", fields->items[i].name);
        add_span(t, "value", fields->items[i].value);
    }
}

static void add_request(struct text *t, const wsrt_http_request *req)
{
    add(t, "done %zu 1.%d keep-alive %d expect %d body %llu\n", req->head_len, req->minor,
        req->keep_alive, req->expect_continue, (unsigned long long)req->content_length);
    add_span(t, "method", req->method);
    add_span(t, "path", req->path);
    add_span(t, "query", req->query);
    add_span(t, "host", req->host);
    add_fields(t, &req->fields);
}

struct text feed_request(wsrt_span in, struct split split, const wsrt_http_limits *limits,
                         enum where where)
{
    struct text log = {0};
    uint32_t scanned = 0;
    int rc = WSRT_HTTP_MORE;

    for (size_t at = 0; at < in.len && rc == WSRT_HTTP_MORE;) {
        at = piece_end(in.len, at, split);
        wsrt_http_request req;
        memset(&req, 0x55, sizeof req);
        char *copy = copy_of(in.ptr, at, where);
        rc = wsrt_http_parse_request(copy, at, limits, &scanned, &req);
        demand(scanned <= at);
        if (rc == WSRT_HTTP_DONE)
            add_request(&log, &req);
        else if (rc != WSRT_HTTP_MORE)
            add(&log, "status %d %s\n", rc, req.why);
        copy_free(copy, at, where);
    }
    if (rc == WSRT_HTTP_MORE)
        add(&log, "more\n");
    return log;
}

/* Reads the body from what lies behind the head; `end` is how much has come by now. */
static int read_body(struct text *body, wsrt_http_body *state, wsrt_span in, enum where where)
{
    char *copy = copy_of(in.ptr, in.len, where);
    wsrt_span rest = {copy, in.len}, piece;
    int rc;

    while ((rc = wsrt_http_body_read(state, &rest, &piece)) == WSRT_HTTP_PIECE) {
        demand(piece.len > 0);
        add_hex(body, piece.ptr, piece.len);
    }
    demand(rc != WSRT_HTTP_MORE || rest.len == 0);
    demand(wsrt_http_body_read(state, &rest, &piece) == rc);
    copy_free(copy, in.len, where);
    return rc;
}

static void add_response(struct text *t, const wsrt_http_response *resp)
{
    add(t, "done %zu 1.%d %d keep-alive %d framing %d body %llu\n", resp->head_len, resp->minor,
        resp->status, resp->keep_alive, resp->framing, (unsigned long long)resp->content_length);
    add_span(t, "reason", resp->reason);
    add_fields(t, &resp->fields);
}

struct text feed_response(wsrt_span in, struct split split, enum where where)
{
    struct text log = {0}, hex = {0};
    wsrt_http_body body;
    uint32_t scanned = 0;
    size_t used = 0;
    int rc = WSRT_HTTP_MORE;

    for (size_t at = 0; at < in.len && rc == WSRT_HTTP_MORE;) {
        at = piece_end(in.len, at, split);
        if (used == 0) {
            wsrt_http_response resp;
            char *copy = copy_of(in.ptr, at, where);
            rc = wsrt_http_parse_response(copy, at, NULL, &scanned, &resp);
            if (rc == WSRT_HTTP_DONE) {
                add_response(&log, &resp);
                used = resp.head_len;
                wsrt_http_body_start(&body, &resp);
            } else if (rc != WSRT_HTTP_MORE) {
                add(&log, "error %d %s\n", rc, resp.why);
            }
            copy_free(copy, at, where);
            if (rc != WSRT_HTTP_DONE)
                continue;
        }
        rc = read_body(&hex, &body, (wsrt_span){in.ptr + used, at - used}, where);
        used = at;
        if (rc != WSRT_HTTP_MORE)
            add(&hex, rc == WSRT_HTTP_DONE ? " end\n" : " broken\n");
    }
    if (rc == WSRT_HTTP_MORE)
        add(&log, "more\n");
    add_bytes(&log, hex.ptr, hex.len);
    text_free(&hex);
    return log;
}
