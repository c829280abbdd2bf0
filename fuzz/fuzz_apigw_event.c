/* Any bytes as an event of API Gateway: what is accepted stays inside its memory, keeps the rules of
 * wsrt_event, and says the same when it is written as an event and mapped again. */
#include "target.h"

#include "common/base64.h"
#include "lambda/event.h"

#include <wsrt/json.h>
#include <wsrt/sender.h>

#include <stdlib.h>
#include <string.h>

static const wsrt_allocator libc_memory;

static void require(int truth)
{
    if (!truth)
        abort();
}

static int inside(wsrt_span text, const char *start, size_t len)
{
    return (uintptr_t)text.ptr >= (uintptr_t)start &&
           (uintptr_t)text.ptr + text.len <= (uintptr_t)start + len;
}

static void require_held(const wsrt_lambda_event *e, wsrt_span json, wsrt_span text)
{
    require(text.len == 0 || inside(text, json.ptr, json.len) ||
            inside(text, e->block, e->block_size));
}

static void require_pairs_held(const wsrt_lambda_event *e, wsrt_span json, const wsrt_pair *pairs,
                               size_t count)
{
    require(count == 0 || inside((wsrt_span){(const char *)pairs, count * sizeof *pairs}, e->block,
                                 e->block_size));
    for (size_t i = 0; i < count; i++) {
        require_held(e, json, pairs[i].name);
        require_held(e, json, pairs[i].value);
    }
}

static void require_rules(const wsrt_lambda_event *e, wsrt_span json)
{
    const wsrt_event *ev = &e->event;
    const wsrt_span texts[] = {ev->connection_id, ev->body,       ev->route_key,
                               ev->request_id,    ev->stage,      ev->domain,
                               ev->source_ip,     ev->user_agent, ev->disconnect_reason};

    require(ev->kind >= WSRT_EVENT_CONNECT && ev->kind <= WSRT_EVENT_DISCONNECT);
    require(wsrt_connection_id_valid(ev->connection_id));
    require(ev->disconnect_code >= 0 && ev->disconnect_code <= 4999);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        require_held(e, json, texts[i]);
    require_pairs_held(e, json, ev->headers, ev->header_count);
    require_pairs_held(e, json, ev->query, ev->query_count);
    if (ev->principal != NULL) {
        require(ev->principal->user_id.len > 0 && ev->principal->expires_at >= 0);
        require_held(e, json, ev->principal->user_id);
        require_held(e, json, ev->principal->groups);
    }
}

/* ---- writing it again --------------------------------------------------------------------- */

static void member(wsrt_json_writer *w, const char *name, wsrt_span text)
{
    wsrt_json_key(w, name);
    wsrt_json_string(w, text);
}

static void write_pairs(wsrt_json_writer *w, const char *name, const wsrt_pair *pairs, size_t count)
{
    wsrt_json_key(w, name);
    wsrt_json_object(w);
    for (size_t i = 0; i < count; i++) {
        wsrt_json_key_span(w, pairs[i].name);
        wsrt_json_array(w);
        wsrt_json_string(w, pairs[i].value);
        wsrt_json_array_end(w);
    }
    wsrt_json_object_end(w);
}

static void write_context(wsrt_json_writer *w, const wsrt_event *ev)
{
    static const char *const kinds[] = {"", "CONNECT", "MESSAGE", "DISCONNECT"};

    wsrt_json_key(w, "requestContext");
    wsrt_json_object(w);
    member(w, "eventType", wsrt_span_cstr(kinds[ev->kind]));
    member(w, "connectionId", ev->connection_id);
    member(w, "routeKey", ev->route_key);
    member(w, "stage", ev->stage);
    wsrt_json_key(w, "connectedAt");
    wsrt_json_write_int64(w, ev->connected_at);
    wsrt_json_key(w, "disconnectStatusCode");
    wsrt_json_write_int64(w, ev->disconnect_code);
    if (ev->principal != NULL) {
        wsrt_json_key(w, "authorizer");
        wsrt_json_object(w);
        member(w, "userId", ev->principal->user_id);
        wsrt_json_object_end(w);
    }
    wsrt_json_object_end(w);
}

static size_t write_event(const wsrt_event *ev, char *dst, size_t cap)
{
    int binary = (ev->flags & WSRT_EVENT_BINARY) != 0;
    char *encoded = malloc(ev->body.len * 2 + 4);
    wsrt_span body = ev->body;
    wsrt_json_writer w;
    size_t len = 0;

    if (binary)
        body = (wsrt_span){encoded, wsrt_base64_encode(encoded, ev->body.ptr, ev->body.len)};
    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_object(&w);
    write_context(&w, ev);
    write_pairs(&w, "multiValueHeaders", ev->headers, ev->header_count);
    member(&w, "body", body);
    wsrt_json_key(&w, "isBase64Encoded");
    wsrt_json_write_bool(&w, binary);
    wsrt_json_object_end(&w);
    require(wsrt_json_finish(&w, &len) == WSRT_OK);
    free(encoded);
    return len;
}

static void require_same(const wsrt_event *a, const wsrt_event *b)
{
    require(a->kind == b->kind && a->flags == b->flags);
    require(wsrt_span_equal(a->connection_id, b->connection_id));
    require(wsrt_span_equal(a->body, b->body));
    require(wsrt_span_equal(a->stage, b->stage));
    require(a->connected_at == b->connected_at && a->disconnect_code == b->disconnect_code);
    require((a->principal == NULL) == (b->principal == NULL));
    require(a->header_count == b->header_count);
    for (size_t i = 0; i < a->header_count; i++)
        require(wsrt_span_equal(a->headers[i].value, b->headers[i].value));
}

static void require_result(const wsrt_event *ev)
{
    wsrt_response r = {
        .struct_size = sizeof r, .flags = ev->flags, .status = 200, .body = ev->body};
    wsrt_lambda_text json;

    require(wsrt_lambda_result_write(&r, &libc_memory, &json) == WSRT_OK);
    require(wsrt_json_parse(NULL, (wsrt_span){json.text, json.len}, NULL) == WSRT_OK);
    wsrt_lambda_text_free(&json, &libc_memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsrt_span json = {(const char *)data, size};
    wsrt_lambda_event e, again;

    (void)wsrt_lambda_trace_root(json);
    if (wsrt_lambda_event_map(&e, json, NULL, &libc_memory) != WSRT_OK) {
        require(e.block == NULL);
        return 0;
    }
    if (e.event.kind == WSRT_EVENT_STREAM) {
        require(e.block == NULL && wsrt_span_equal(e.event.body, json));
        return 0;
    }
    if (e.event.kind == WSRT_EVENT_AUTHORIZE) { /* answered with a policy, never written again */
        wsrt_lambda_event_free(&e, &libc_memory);
        return 0;
    }
    require_rules(&e, json);
    require_result(&e.event);
    size_t cap = 4096 + size * 12;
    char *text = malloc(cap);
    size_t len = write_event(&e.event, text, cap);
    require(wsrt_lambda_event_map(&again, (wsrt_span){text, len}, NULL, &libc_memory) == WSRT_OK);
    require_same(&e.event, &again.event);
    wsrt_lambda_event_free(&again, &libc_memory);
    wsrt_lambda_event_free(&e, &libc_memory);
    free(text);
    return 0;
}
