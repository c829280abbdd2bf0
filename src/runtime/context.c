/* What a handler can ask of its event. */
#include "runtime/runtime_internal.h"

#include <wsrt/json.h>

#include <string.h>

wsrt_runtime *wsrt_context_runtime(wsrt_context *ctx)
{
    return ctx->rt;
}

wsrt_monitor *wsrt_context_monitor(wsrt_context *ctx)
{
    return ctx->rt->monitor;
}

wsrt_breakers *wsrt_context_breakers(wsrt_context *ctx)
{
    return ctx->rt->breakers;
}

const wsrt_store *wsrt_context_store(wsrt_context *ctx)
{
    return &ctx->rt->store;
}

const wsrt_history *wsrt_context_history(wsrt_context *ctx)
{
    return &ctx->rt->history;
}

const wsrt_sender *wsrt_context_sender(wsrt_context *ctx)
{
    return ctx->rt->sender.ops == NULL ? NULL : &ctx->rt->sender;
}

const wsrt_principal *wsrt_context_principal(wsrt_context *ctx)
{
    return wsrt_session_principal(ctx);
}

int64_t wsrt_context_deadline(wsrt_context *ctx)
{
    return ctx->event->deadline == 0 ? INT64_MAX : ctx->event->deadline;
}

int64_t wsrt_context_wall(wsrt_context *ctx)
{
    if (ctx->wall == 0)
        ctx->wall = ctx->rt->env.wall(ctx->rt->env.user);
    return ctx->wall;
}

void *wsrt_context_alloc(wsrt_context *ctx, size_t size)
{
    return wsrt_arena_alloc(&ctx->arena, size);
}

int wsrt_context_new_id(wsrt_context *ctx, wsrt_span *out)
{
    unsigned char random[10];
    wsrt_env *env = &ctx->rt->env;
    char *dst = wsrt_arena_alloc(&ctx->arena, WSRT_UUID_LEN);

    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    if (env->random(env->user, random, sizeof random) != WSRT_OK)
        return WSRT_ERR_IO;
    int ulid = (ctx->rt->flags & WSRT_RUNTIME_ULID) != 0;
    int rc =
        (ulid ? wsrt_ulid : wsrt_uuid7)(&ctx->rt->last_uuid, wsrt_context_wall(ctx), random, dst);
    if (rc == WSRT_OK)
        *out = (wsrt_span){dst, ulid ? WSRT_ULID_LEN : WSRT_UUID_LEN};
    return rc;
}

/* The message's own correlationId: extracted by the schema, else looked for. */
static wsrt_span offered_in_body(wsrt_context *ctx)
{
    wsrt_json found = {0};
    const wsrt_slot *slot = wsrt_route_slot(ctx, SLOT_CORRELATION);

    if (ctx->event->kind != WSRT_EVENT_MESSAGE)
        return (wsrt_span){0};
    if (slot != NULL) {
        wsrt_slot_json(slot, &found);
    } else {
        wsrt_json whole;
        if (wsrt_json_parse(&whole, ctx->event->body, NULL) != WSRT_OK ||
            wsrt_json_find(&whole, wsrt_span_cstr("/correlationId"), &found) != WSRT_OK)
            return (wsrt_span){0};
    }
    return found.kind == WSRT_JSON_STRING ? found.text : (wsrt_span){0};
}

static wsrt_span offered_in_headers(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;
    wsrt_span value, none = {0};
    wsrt_trace trace;
    int traced = 0;

    if (wsrt_event_header(ev, "traceparent", &value) == WSRT_OK)
        traced = wsrt_trace_from_traceparent(value, &trace) == WSRT_OK;
    if (!traced && wsrt_event_header(ev, "x-amzn-trace-id", &value) == WSRT_OK)
        traced = wsrt_trace_from_xray(value, &trace) == WSRT_OK;
    if (traced) {
        value = wsrt_span_cstr(trace.trace_id);
        value.ptr = wsrt_arena_copy(&ctx->arena, value);
        return value.ptr == NULL ? none : value;
    }
    if (wsrt_event_header(ev, "x-correlation-id", &value) == WSRT_OK &&
        wsrt_correlation_id_valid(value))
        return value;
    if (wsrt_event_header(ev, "x-request-id", &value) == WSRT_OK &&
        wsrt_correlation_id_valid(value))
        return value;
    return none;
}

static wsrt_span made(wsrt_context *ctx)
{
    wsrt_span id;

    if (wsrt_context_new_id(ctx, &id) == WSRT_OK)
        return id;
    return ctx->event->request_id.len > 0 && wsrt_correlation_id_valid(ctx->event->request_id)
               ? ctx->event->request_id
               : wsrt_span_cstr("unavailable");
}

/* What was offered, as far as it may be seen; of more than an id could be, the length. */
static void log_replaced(wsrt_context *ctx, wsrt_span offered)
{
    enum { MOST_SEEN = 512, MOST_TOLD = 128 };
    char clean[MOST_SEEN * 10]; /* ten bytes for one, when it is hidden */
    size_t len = 0;

    if (offered.len > MOST_SEEN ||
        wsrt_redact(offered, 0, clean, sizeof clean, &len, NULL) != WSRT_OK)
        len = 0;
    const wsrt_field fields[] = {
        wsrt_text_field("offered", (wsrt_span){clean, len < MOST_TOLD ? len : MOST_TOLD}),
        wsrt_int_field("length", (int64_t)offered.len),
    };
    wsrt_context_log(ctx, WSRT_LEVEL_DEBUG, "correlation_id_replaced", fields, 2);
}

wsrt_span wsrt_context_correlation_id(wsrt_context *ctx)
{
    wsrt_span id = ctx->correlation_id;

    if (id.len > 0)
        return id;
    wsrt_span offered = id = offered_in_body(ctx);
    if (!wsrt_correlation_id_valid(id))
        id = offered_in_headers(ctx);
    if (!wsrt_correlation_id_valid(id))
        id = ctx->event->correlation_id;
    if (!wsrt_correlation_id_valid(id))
        id = made(ctx);
    ctx->correlation_id = id;
    if (offered.len > 0 && !wsrt_correlation_id_valid(offered))
        log_replaced(ctx, offered);
    return id;
}

void wsrt_context_log(wsrt_context *ctx, int level, const char *event_cstr,
                      const wsrt_field *fields, size_t count)
{
    wsrt_field *all = wsrt_arena_alloc(&ctx->arena, (count + 1) * sizeof *all);
    wsrt_env *env = &ctx->rt->env;

    if (all == NULL) {
        env->log(env->user, level, event_cstr, fields, count);
        return;
    }
    if (count > 0)
        memcpy(all, fields, count * sizeof *all);
    all[count] = (wsrt_field){.name_cstr = "correlationId",
                              .kind = WSRT_FIELD_TEXT,
                              .text = wsrt_context_correlation_id(ctx)};
    env->log(env->user, level, event_cstr, all, count + 1);
}

int wsrt_request_text(wsrt_context *ctx, const wsrt_request *req, const char *slot_cstr,
                      wsrt_span *out)
{
    if (ctx == NULL || req == NULL || slot_cstr == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    int index = req->schema == NULL ? -1 : wsrt_schema_slot(req->schema, slot_cstr);
    if (index < 0 || (size_t)index >= req->slot_count)
        return WSRT_ERR_NOT_FOUND;

    const wsrt_slot *slot = &req->slots[index];
    wsrt_json value;
    size_t len;

    if ((slot->flags & WSRT_SLOT_PRESENT) == 0 || slot->kind != WSRT_JSON_STRING)
        return WSRT_ERR_NOT_FOUND;
    if ((slot->flags & WSRT_SLOT_ESCAPED) == 0) {
        *out = slot->text;
        return WSRT_OK;
    }
    wsrt_slot_json(slot, &value);
    char *dst = wsrt_arena_alloc(&ctx->arena, slot->text.len);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_json_text(&value, dst, slot->text.len, &len);
    if (rc == WSRT_OK)
        *out = (wsrt_span){dst, len};
    return rc;
}

int wsrt_respond(wsrt_context *ctx, int status, wsrt_span body)
{
    if (ctx == NULL || status < 100 || status > 599 || (body.ptr == NULL && body.len > 0))
        return WSRT_ERR_INVALID;
    int rc = wsrt_answer_body(ctx, body, 1);
    if (rc == WSRT_OK)
        ctx->response_status = status;
    return rc;
}

static int is_token_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int is_header(wsrt_span name, wsrt_span value)
{
    if (name.len == 0 || name.len > 256 || value.len > 8192)
        return 0;
    for (size_t i = 0; i < name.len; i++)
        if (!is_token_byte(name.ptr[i]))
            return 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return 0;
    }
    return 1;
}

int wsrt_respond_header(wsrt_context *ctx, wsrt_span name, wsrt_span value)
{
    if (ctx == NULL || !is_header(name, value))
        return WSRT_ERR_INVALID;
    if (ctx->header_count == RESPONSE_HEADERS)
        return WSRT_ERR_LIMIT;
    wsrt_pair kept = {{wsrt_arena_copy(&ctx->arena, name), name.len},
                      {wsrt_arena_copy(&ctx->arena, value), value.len}};
    if (kept.name.ptr == NULL || kept.value.ptr == NULL)
        return WSRT_ERR_NOMEM;
    ctx->headers[ctx->header_count++] = kept;
    return WSRT_OK;
}

int wsrt_fail(wsrt_context *ctx, int status, const char *code_cstr, const char *message_cstr)
{
    if (ctx == NULL || status >= 0)
        return WSRT_ERR_INTERNAL;
    ctx->failure = (struct failure){.status = status};
    wsrt_span code = wsrt_span_cstr(code_cstr), message = wsrt_span_cstr(message_cstr);
    if (code.len > 0 && (code.ptr = wsrt_arena_copy(&ctx->arena, code)) != NULL)
        ctx->failure.code = code;
    if (message.len > 0 && (message.ptr = wsrt_arena_copy(&ctx->arena, message)) != NULL)
        ctx->failure.message = message;
    return status;
}
