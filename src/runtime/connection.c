/* Connects, authorizers and disconnects: who comes, what is stored, what is cleaned up. */
#include "runtime/runtime_internal.h"

#include <string.h>

static int is_loopback(wsrt_span ip)
{
    return ip.len == 0 || (ip.len > 4 && memcmp(ip.ptr, "127.", 4) == 0) ||
           wsrt_span_equal(ip, wsrt_span_cstr("::1"));
}

static int check_connect_limit(wsrt_context *ctx)
{
    wsrt_limit_key key = {.scope = WSRT_SCOPE_CONNECT, .key = ctx->event->source_ip};
    wsrt_limit_result result;

    if (ctx->rt->limiter == NULL || is_loopback(ctx->event->source_ip))
        return WSRT_OK;
    int rc = wsrt_limiter_check(ctx->rt->limiter, &key, 1, 1, ctx->now, &result);
    return rc == WSRT_ERR_RATE_LIMITED ? wsrt_refuse_rate(ctx, &result) : rc;
}

static const char bearer_protocol[] = "wsrt.bearer";

/* The token of `Sec-WebSocket-Protocol: wsrt.bearer, TOKEN`. */
static wsrt_span token_of_protocols(wsrt_span list)
{
    static const size_t name = sizeof bearer_protocol - 1;
    wsrt_span none = {0};
    const char *comma = list.len == 0 ? NULL : memchr(list.ptr, ',', list.len);

    if (comma == NULL || (size_t)(comma - list.ptr) != name ||
        memcmp(list.ptr, bearer_protocol, name) != 0)
        return none;
    wsrt_span token = {comma + 1, list.len - name - 1};
    while (token.len > 0 && (*token.ptr == ' ' || *token.ptr == '\t')) {
        token.ptr++;
        token.len--;
    }
    const char *end = token.len == 0 ? NULL : memchr(token.ptr, ',', token.len);
    if (end != NULL)
        token.len = (size_t)(end - token.ptr);
    while (token.len > 0 && (token.ptr[token.len - 1] == ' ' || token.ptr[token.len - 1] == '\t'))
        token.len--;
    return token;
}

struct offered {
    wsrt_span token;
    int sources;
};

static struct offered offered_token(const wsrt_event *ev)
{
    static const char scheme[] = "Bearer ";
    struct offered o = {0};
    wsrt_span value;

    if (wsrt_event_header(ev, "authorization", &value) == WSRT_OK &&
        value.len > sizeof scheme - 1 && memcmp(value.ptr, scheme, sizeof scheme - 1) == 0) {
        o.token = (wsrt_span){value.ptr + sizeof scheme - 1, value.len - (sizeof scheme - 1)};
        o.sources++;
    }
    if (wsrt_event_header(ev, "sec-websocket-protocol", &value) == WSRT_OK &&
        (value = token_of_protocols(value)).len > 0) {
        o.token = value;
        o.sources++;
    }
    if (wsrt_event_query(ev, "token", &value) == WSRT_OK && value.len > 0) {
        o.token = value;
        o.sources++;
    }
    return o;
}

/* Who connects: an authorizer's word, else a token of the request. *who stays NULL for nobody. */
static int identify(wsrt_context *ctx, wsrt_auth_result *result, const wsrt_principal **who)
{
    struct offered o;

    *who = ctx->event->principal;
    if (*who == NULL && ctx->rt->authenticator.ops != NULL) {
        o = offered_token(ctx->event);
        if (o.sources > 1)
            return wsrt_fail(ctx, WSRT_ERR_REJECTED, "AMBIGUOUS_TOKEN", "More than one token");
        if (o.sources == 1) {
            int rc = wsrt_token_check(ctx, o.token, result);
            if (rc != WSRT_OK)
                return rc;
            *who = result->principal;
        }
    }
    if (*who == NULL && (ctx->rt->flags & WSRT_RUNTIME_REQUIRE_AUTH) != 0)
        return wsrt_fail(ctx, WSRT_ERR_UNAUTHENTICATED, "MISSING_TOKEN", NULL);
    return WSRT_OK;
}

static int put_record(wsrt_context *ctx, void *arg)
{
    return wsrt_record_put(ctx, arg);
}

static int remove_record(wsrt_context *ctx, void *arg)
{
    const wsrt_store *store = &ctx->rt->store;

    (void)arg;
    return store->ops->remove(store->self, &ctx->event->connection_id, ctx->connected_at);
}

static int accepted(const wsrt_context *ctx)
{
    return ctx->response_status == 0 ||
           (ctx->response_status >= 200 && ctx->response_status <= 299);
}

/* A client that brought its token as a subprotocol waits for its choice, whoever judged the token. */
static int choose_protocol(wsrt_context *ctx)
{
    wsrt_span value;

    if (wsrt_event_header(ctx->event, "sec-websocket-protocol", &value) != WSRT_OK ||
        token_of_protocols(value).len == 0)
        return WSRT_OK;
    return wsrt_respond_header(ctx, wsrt_span_cstr("Sec-WebSocket-Protocol"),
                               wsrt_span_cstr(bearer_protocol));
}

static int connect_client(wsrt_context *ctx, const wsrt_principal *who)
{
    int rc = WSRT_OK;

    ctx->principal = who;
    ctx->principal_known = 1;
    ctx->route = ctx->rt->on_connect;
    if (who != NULL)
        rc = choose_protocol(ctx);
    if (rc == WSRT_OK && ctx->route != NULL)
        rc = wsrt_run_handler(ctx);
    if (rc != WSRT_OK || !accepted(ctx))
        return rc;
    who = ctx->principal; /* the handler may have signed in */
    rc = wsrt_session_open(ctx, who);
    if (rc == WSRT_OK)
        rc =
            wsrt_call(ctx, "dynamodb", "storeConnection", put_record, NULL, (void *)(uintptr_t)who);
    if (rc != WSRT_OK)
        wsrt_session_close(ctx);
    return rc;
}

static void log_connect(wsrt_context *ctx)
{
    const wsrt_principal *who = ctx->principal;
    wsrt_field fields[] = {
        wsrt_text_field("connectionId", ctx->event->connection_id),
        wsrt_text_field("userId", who == NULL ? (wsrt_span){0} : who->user_id),
        wsrt_text_field("sourceIp", ctx->event->source_ip),
        wsrt_int_field("code", ctx->response_status == 0 ? 200 : ctx->response_status),
    };

    wsrt_context_log(ctx, WSRT_LEVEL_INFO, "connect", fields, 4);
}

void wsrt_on_connect(wsrt_context *ctx)
{
    const wsrt_principal *who = NULL;
    wsrt_auth_result result;
    wsrt_field fields[2] = {wsrt_text_field("eventType", wsrt_span_cstr("connect"))};

    ctx->connected_at =
        ctx->event->connected_at != 0 ? ctx->event->connected_at : wsrt_context_wall(ctx);
    wsrt_operations_start(ctx, WSRT_OP_CONNECTION);
    int rc = check_connect_limit(ctx);
    if (rc == WSRT_OK)
        rc = identify(ctx, &result, &who);
    if (rc == WSRT_OK)
        rc = connect_client(ctx, who);
    if (rc < 0) {
        wsrt_answer_error(ctx, rc);
        fields[1] = wsrt_text_field("error", wsrt_span_cstr(wsrt_status_name(rc)));
    }
    log_connect(ctx);
    wsrt_operations_complete(ctx, accepted(ctx) ? WSRT_OK : WSRT_ERR_REJECTED, fields,
                             rc < 0 ? 2 : 1);
}

/* ---- authorizers ---- */

/* Who asks to connect: a token that is good, and what the route of connects demands of its bearer. */
static int authorize(wsrt_context *ctx, wsrt_auth_result *result)
{
    const wsrt_principal *who = NULL;
    int rc = identify(ctx, result, &who);

    if (rc == WSRT_OK && who == NULL)
        rc = wsrt_token_check(ctx, (wsrt_span){0}, result);
    if (rc != WSRT_OK)
        return rc;
    ctx->principal = who;
    ctx->route = ctx->rt->on_connect;
    return ctx->route != NULL && ctx->route->access != WSRT_ACCESS_ANYONE ? wsrt_check_access(ctx)
                                                                          : WSRT_OK;
}

void wsrt_on_authorize(wsrt_context *ctx)
{
    wsrt_auth_result *result = wsrt_arena_alloc(&ctx->arena, sizeof *result);

    ctx->principal_known = 1; /* NULL: nobody, and no record to look for */
    int rc = result == NULL ? WSRT_ERR_NOMEM : authorize(ctx, result);
    if (rc < 0)
        wsrt_answer_error(ctx, rc);
    const wsrt_principal *who = ctx->principal;
    wsrt_field line[] = {
        wsrt_text_field("userId", who == NULL ? (wsrt_span){0} : who->user_id),
        wsrt_text_field("sourceIp", ctx->event->source_ip),
        wsrt_int_field("code", ctx->response_status == 0 ? 200 : ctx->response_status),
    };
    wsrt_context_log(ctx, WSRT_LEVEL_INFO, "authorize", line, 3);
}

/* ---- disconnects ---- */

static const char *reason_class(const wsrt_event *ev)
{
    static const char *const timeouts[] = {"idle timeout", "ping timeout", "lifetime"};

    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        if (wsrt_span_equal(ev->disconnect_reason, wsrt_span_cstr(timeouts[i])))
            return "timeout";
    return ev->disconnect_code == 1000 || ev->disconnect_code == 1001 ? "normal" : "error";
}

void wsrt_on_disconnect(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;
    wsrt_field fields[4] = {wsrt_text_field("eventType", wsrt_span_cstr("disconnect")),
                            wsrt_text_field("disconnectReason", wsrt_span_cstr(reason_class(ev)))};
    size_t n = 2;

    /* Where the event says enough, no record is read only to be removed: a function may not. */
    if (ev->principal != NULL || ev->session != NULL || ev->connected_at == 0)
        (void)wsrt_session_principal(ctx);
    if (ctx->connected_at == 0)
        ctx->connected_at = ev->connected_at;
    wsrt_operations_start(ctx, WSRT_OP_CONNECTION);
    ctx->route = ctx->rt->on_disconnect;
    if (ctx->route != NULL) {
        ctx->request = (wsrt_request){.event = ev, .route_key = ctx->route->key};
        (void)ctx->route->handler(ctx, &ctx->request, ctx->route->user); /* the peer has left */
    }
    ctx->route = NULL;
    const wsrt_principal *who = ctx->principal_known ? ctx->principal : NULL;
    int64_t duration = ctx->connected_at == 0 ? 0 : wsrt_context_wall(ctx) - ctx->connected_at;
    if (ctx->connected_at != 0)
        fields[n++] = wsrt_int_field("connectionDuration", duration);
    if (!wsrt_sessions_keep(ctx->rt, ev) &&
        wsrt_call(ctx, "dynamodb", "removeConnection", remove_record, NULL, NULL) != WSRT_OK)
        fields[n++] = wsrt_text_field("warning", wsrt_span_cstr("cleanup_failed"));
    wsrt_field line[] = {
        wsrt_text_field("connectionId", ev->connection_id),
        wsrt_text_field("userId", who == NULL ? (wsrt_span){0} : who->user_id),
        wsrt_int_field("code", ev->disconnect_code),
        wsrt_text_field("reason", ev->disconnect_reason),
        wsrt_int_field("duration", duration),
    };
    wsrt_context_log(ctx, WSRT_LEVEL_INFO, "disconnect", line, 5);
    ctx->response_status = 200;
    ctx->response_body = (wsrt_span){0};
    wsrt_operations_complete(ctx, WSRT_OK, fields, n);
    wsrt_session_close(ctx);
}
