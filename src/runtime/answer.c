/* What goes back to the client of the event: replies, responses, error envelopes. */
#include "runtime/runtime_internal.h"

#include "resume/resume.h"
#include "sender/retry.h"

#include <string.h>

static int is_developer(const wsrt_context *ctx)
{
    return (ctx->rt->flags & WSRT_RUNTIME_DEVELOPER_ERRORS) != 0 &&
           (ctx->event->flags & WSRT_EVENT_DEVELOPER) != 0;
}

/* Who did what, as far as it is known without asking the store. */
static void add_context(wsrt_context *ctx, wsrt_error *e)
{
    const wsrt_event *ev = ctx->event;
    int is_near = ctx->principal_known || ev->session != NULL;
    const wsrt_principal *who = is_near ? wsrt_session_principal(ctx) : ev->principal;

    if (who != NULL)
        e->user_id = who->user_id;
    if (ctx->route != NULL)
        e->action = ctx->route->key;
}

static void describe_token(wsrt_context *ctx, wsrt_error *e, wsrt_field *details)
{
    const struct failure *f = &ctx->failure;
    size_t n = 0;

    details[n++] = wsrt_int_field("tokenLength", (int64_t)f->token.length);
    details[n++] = wsrt_text_field("errorType", f->code);
    if (f->token.expires_at != 0) {
        details[n++] = wsrt_int_field("exp", f->token.expires_at);
        details[n++] = wsrt_int_field("now", wsrt_context_wall(ctx) / 1000);
    }
    e->details = details;
    e->detail_count = n;
}

/* `details` is room for what there is to say of a service, or of a token. */
static wsrt_error describe(wsrt_context *ctx, int status, wsrt_field *details)
{
    const struct failure *f = &ctx->failure;
    wsrt_error e = {
        .struct_size = sizeof e,
        .type = f->type != 0 ? f->type : wsrt_error_type_of(status),
        .code = f->code,
        .message = f->message,
        .correlation_id = wsrt_context_correlation_id(ctx),
        .wall = wsrt_context_wall(ctx),
        .retry_after_ms = f->retry_after_ms,
        .issues = f->issues,
        .request_id = ctx->event->request_id,
        .user_agent = ctx->event->user_agent,
        .source_ip = ctx->event->source_ip,
        .stage = ctx->event->stage,
        .connection_id = ctx->event->connection_id,
    };

    if (f->service.status != 0)
        (void)wsrt_error_from_service(&e, &f->service, details);
    else if (status == WSRT_ERR_CIRCUIT_OPEN)
        e.http_status = 503;
    else if (status == WSRT_ERR_GONE)
        e.http_status = 410;
    if (f->token.is_judged)
        describe_token(ctx, &e, details);
    if (is_developer(ctx))
        add_context(ctx, &e);
    if (f->limit.scope != 0) {
        e.scope = wsrt_span_cstr(wsrt_scope_name(f->limit.scope));
        e.limit = f->limit.limit;
        e.remaining = f->limit.remaining;
    }
    return e;
}

/* Writes an envelope into the context's memory. */
static int render(wsrt_context *ctx, const wsrt_error *e, int form, wsrt_span *out)
{
    size_t cap = 1024 + 2 * (e->issues.len + e->message.len), len = 0;

    for (;;) {
        char *dst = wsrt_arena_alloc(&ctx->arena, cap);
        if (dst == NULL)
            return WSRT_ERR_NOMEM;
        *e->hidden = 0;
        int rc = wsrt_error_write(e, form, dst, cap, &len);
        if (rc == WSRT_ERR_LIMIT) {
            cap = len + 1;
            continue;
        }
        *out = (wsrt_span){dst, len};
        return rc;
    }
}

static int is_outside(const wsrt_runtime *rt)
{
    return rt->transport.ops != NULL && (rt->transport.ops->flags & WSRT_SENDER_OUTSIDE) != 0;
}

static __attribute__((noinline)) int post_to_sender(wsrt_context *ctx, wsrt_span body,
                                                    uint32_t binary)
{
    wsrt_post post = {.struct_size = sizeof post,
                      .flags = WSRT_POST_REPLY | binary,
                      .data = body,
                      .deadline = ctx->event->deadline};
    char room[WSRT_RESUME_ROOM];
    wsrt_span to = ctx->event->connection_id;

    if (is_outside(ctx->rt))
        wsrt_count_call(ctx, WSRT_POST_SERVICE);
    if (ctx->rt->resume != NULL && wsrt_session_has_numbers(ctx->rt, ctx->event))
        to = wsrt_resume_current(ctx->rt->resume, to, room);
    return wsrt_retry_post(&ctx->rt->sender, &ctx->rt->env, &to, &post);
}

static __attribute__((noinline)) int failed_to_send(wsrt_context *ctx, int rc)
{
    if (rc == WSRT_ERR_GONE)
        wsrt_forget_peer(ctx->rt, ctx->event->connection_id, wsrt_session_connected_at(ctx));
    else
        wsrt_count(&ctx->rt->counts.send_failures, 1);
    return rc;
}

static inline int deliver(wsrt_context *ctx, wsrt_span body, uint32_t binary)
{
    const wsrt_event *ev = ctx->event;
    int rc =
        ev->reply != NULL && (ctx->rt->resume == NULL || !wsrt_session_has_numbers(ctx->rt, ev))
            ? ev->reply(ev->transport, body.ptr, body.len, binary)
            : post_to_sender(ctx, body, binary);

    if (rc != WSRT_OK)
        return failed_to_send(ctx, rc);
    ctx->response_size += body.len;
    return WSRT_OK;
}

static int answers_in_response(const wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;

    return ev->kind != WSRT_EVENT_MESSAGE || (ev->reply == NULL && ctx->rt->sender.ops == NULL) ||
           (ctx->route != NULL && (ctx->route->flags & WSRT_ROUTE_TWO_WAY) != 0);
}

int wsrt_answer_body(wsrt_context *ctx, wsrt_span body, int copy)
{
    if (copy && body.len > 0) {
        char *kept = wsrt_arena_copy(&ctx->arena, body);
        if (kept == NULL)
            return WSRT_ERR_NOMEM;
        body.ptr = kept;
    }
    ctx->response_body = body;
    ctx->response_set = 1;
    ctx->response_size = body.len;
    return WSRT_OK;
}

static __attribute__((noinline)) int reply_in_response(wsrt_context *ctx, wsrt_span body)
{
    return ctx->response_set ? WSRT_ERR_STATE : wsrt_answer_body(ctx, body, 1);
}

int wsrt_reply(wsrt_context *ctx, wsrt_span body)
{
    if (ctx == NULL || (body.ptr == NULL && body.len > 0))
        return WSRT_ERR_INVALID;
    if (body.len > ctx->rt->max_message)
        return WSRT_ERR_TOO_LARGE;
    return answers_in_response(ctx) ? reply_in_response(ctx, body)
                                    : deliver(ctx, body, ctx->event->flags & WSRT_EVENT_BINARY);
}

static const char minimal[] =
    "{\"type\":\"error\",\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\","
    "\"message\":\"Internal error\",\"code\":\"INTERNAL_ERROR\"}}";

/* The headers of a refused connection; those that do not fit are left out. */
static void add_headers(wsrt_context *ctx, const wsrt_error *e, int form)
{
    wsrt_pair h;
    size_t index = 0;

    while (ctx->header_count < RESPONSE_HEADERS &&
           wsrt_error_header(e, form, &index, &h.name, &h.value) == WSRT_OK)
        ctx->headers[ctx->header_count++] = h;
}

static int form_of(const wsrt_context *ctx)
{
    if (ctx->event->kind == WSRT_EVENT_MESSAGE)
        return is_developer(ctx) ? WSRT_ERROR_FORM_DEVELOPER_FRAME : WSRT_ERROR_FORM_FRAME;
    return is_developer(ctx) ? WSRT_ERROR_FORM_DEVELOPER : WSRT_ERROR_FORM_CLIENT;
}

void wsrt_answer_error(wsrt_context *ctx, int status)
{
    if (ctx->failure.status != status)
        ctx->failure = (struct failure){0}; /* it explains another error than the one returned */
    wsrt_field details[WSRT_ERROR_DETAILS];
    wsrt_error e = describe(ctx, status, details);
    uint64_t hidden = 0;
    int in_response = answers_in_response(ctx);
    int form = form_of(ctx);
    wsrt_span body = {minimal, sizeof minimal - 1};

    if (ctx->event->kind == WSRT_EVENT_CONNECT)
        add_headers(ctx, &e, form);
    e.hidden = &hidden;
    (void)render(ctx, &e, form, &body); /* without memory the minimal envelope answers */
    if (hidden > 0)
        wsrt_count(&ctx->rt->counts.redactions, hidden);
    ctx->response_status =
        e.http_status != 0 ? e.http_status : wsrt_error_type_info(e.type)->http_status;
    if (ctx->response_status >= 500)
        wsrt_count(&ctx->rt->counts.server_errors, 1);
    if (in_response) {
        (void)wsrt_answer_body(ctx, body, 0);
    } else {
        (void)deliver(ctx, body, 0); /* a client that is gone needs no envelope */
    }
}

void wsrt_answer_forbidden(wsrt_context *ctx)
{
    size_t cap = 128 + ctx->event->connection_id.len + 6 * ctx->event->request_id.len;
    char *dst = wsrt_arena_alloc(&ctx->arena, cap);
    wsrt_json_writer w;
    size_t len = 0;

    ctx->response_status = 403;
    if (dst == NULL)
        return;
    wsrt_json_writer_init(&w, dst, cap, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "message");
    wsrt_json_string_cstr(&w, "Forbidden");
    wsrt_json_key(&w, "connectionId");
    wsrt_json_string(&w, ctx->event->connection_id);
    wsrt_json_key(&w, "requestId");
    wsrt_json_string(&w, ctx->event->request_id);
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, &len) != WSRT_OK)
        return;
    if (answers_in_response(ctx))
        (void)wsrt_answer_body(ctx, (wsrt_span){dst, len}, 0);
    else
        (void)deliver(ctx, (wsrt_span){dst, len}, 0);
}

void wsrt_answer_respond(wsrt_context *ctx, wsrt_response_fn respond, void *user)
{
    if (respond == NULL)
        return;
    wsrt_response r = {
        .struct_size = sizeof r,
        .flags = ctx->event->flags & WSRT_EVENT_BINARY,
        .status = ctx->response_status == 0 ? 200 : ctx->response_status,
        .body = ctx->response_body,
        .headers = ctx->headers,
        .header_count = ctx->header_count,
        .principal = ctx->event->kind == WSRT_EVENT_AUTHORIZE ? ctx->principal : NULL,
    };
    respond(&r, user);
}
