/* The way of an event: route, limits, validation, access, handler, monitor. */
#include "runtime/runtime_internal.h"

#include "base/options.h"

#include <string.h>

const wsrt_slot *wsrt_route_slot(const wsrt_context *ctx, enum slot_name name)
{
    if (ctx->route == NULL || ctx->request.slots == NULL || ctx->route->slots[name] < 0)
        return NULL;
    const wsrt_slot *slot = &ctx->request.slots[ctx->route->slots[name]];
    return (slot->flags & WSRT_SLOT_PRESENT) == 0 ? NULL : slot;
}

/* ---- routes ---- */

static int choose_route(wsrt_context *ctx)
{
    const wsrt_runtime *rt = ctx->rt;
    wsrt_span key = ctx->event->route_key;

    if (key.len == 0 && rt->selects) {
        int rc = wsrt_selection_apply(&rt->selection, ctx, &key);
        if (rc != WSRT_OK)
            return rc;
        if (key.len > 0 && key.ptr[0] == '$')
            key.len = 0; /* the reserved keys are not a client's to choose */
    }
    ctx->route = key.len == 0 ? NULL : wsrt_route_find(rt, key);
    if (ctx->route == NULL)
        ctx->route = rt->on_default;
    return ctx->route == NULL ? WSRT_ERR_NOT_FOUND : WSRT_OK;
}

/* ---- limits ---- */

static int refuse(wsrt_context *ctx, const wsrt_limit_result *limit)
{
    ctx->failure = (struct failure){
        .status = WSRT_ERR_RATE_LIMITED,
        .limit = *limit,
        .retry_after_ms = (limit->retry_after + 999999) / 1000000,
    };
    return WSRT_ERR_RATE_LIMITED;
}

static int check_limits(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;
    const struct route *route = ctx->route;
    wsrt_limit_key keys[4];
    wsrt_limit_result result;
    size_t n = 0;

    if (ctx->rt->limiter == NULL)
        return WSRT_OK;
    const wsrt_principal *who = wsrt_session_principal(ctx);
    keys[n++] = (wsrt_limit_key){
        .scope = WSRT_SCOPE_CONNECTION, .cell = wsrt_session_cell(ev), .key = ev->connection_id};
    if (who != NULL)
        keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_USER, .key = who->user_id};
    keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_ROUTE,
                                 .key = route->key,
                                 .rule = route->has_rule ? &route->rule : NULL};
    keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_STAGE, .key = ev->stage};
    int rc = wsrt_limiter_check(ctx->rt->limiter, keys, n, 1, ctx->now, &result);
    return rc == WSRT_ERR_RATE_LIMITED ? refuse(ctx, &result) : rc;
}

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
    return rc == WSRT_ERR_RATE_LIMITED ? refuse(ctx, &result) : rc;
}

/* ---- validation ---- */

static int write_issues(wsrt_context *ctx, const wsrt_validation *v)
{
    const wsrt_event *ev = ctx->event;

    for (size_t cap = 2048; cap <= 65536; cap *= 4) {
        char *dst = wsrt_arena_alloc(&ctx->arena, cap);
        wsrt_json_writer w;
        size_t len = 0;
        if (dst == NULL)
            return WSRT_ERR_NOMEM;
        wsrt_json_writer_init(&w, dst, cap, 0);
        wsrt_issues_write(&w, ctx->route->schema, ev->body.ptr, ev->body.len, v);
        if (wsrt_json_finish(&w, &len) == WSRT_OK) {
            ctx->failure.issues = (wsrt_span){dst, len};
            break;
        }
    }
    return WSRT_OK;
}

static int explain_rejection(wsrt_context *ctx, int rc, const wsrt_validation *v)
{
    if (rc != WSRT_ERR_MALFORMED && rc != WSRT_ERR_REJECTED && rc != WSRT_ERR_LIMIT)
        return rc;
    ctx->failure = (struct failure){.status = WSRT_ERR_REJECTED,
                                    .type = WSRT_ERROR_VALIDATION,
                                    .code = wsrt_span_cstr("INVALID_MESSAGE"),
                                    .message = wsrt_span_cstr("Invalid message")};
    return write_issues(ctx, v) == WSRT_OK ? WSRT_ERR_REJECTED : WSRT_ERR_NOMEM;
}

static int validate(wsrt_context *ctx)
{
    static const wsrt_validate_options opts = {.struct_size = sizeof opts,
                                               .flags = WSRT_VALIDATE_COLLECT_ALL};
    const struct route *route = ctx->route;
    wsrt_validation v = {.struct_size = sizeof v,
                         .slot_cap = route->slot_count,
                         .issue_cap = ISSUES_SHOWN,
                         .scratch_cap = route->scratch};

    if (route->schema == NULL)
        return WSRT_OK;
    v.slots = wsrt_arena_alloc(&ctx->arena, v.slot_cap * sizeof *v.slots);
    v.issues = wsrt_arena_alloc(&ctx->arena, v.issue_cap * sizeof *v.issues);
    v.scratch = wsrt_arena_alloc(&ctx->arena, v.scratch_cap);
    if (v.slots == NULL || v.issues == NULL || v.scratch == NULL)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_validate(route->schema, ctx->event->body.ptr, ctx->event->body.len, &opts, &v);
    if (rc != WSRT_OK)
        return explain_rejection(ctx, rc, &v);
    ctx->request.schema = route->schema;
    ctx->request.slots = v.slots;
    ctx->request.slot_count = v.slot_cap;
    return WSRT_OK;
}

/* ---- access ---- */

static wsrt_span next_word(wsrt_span *list)
{
    const char *space = list->len == 0 ? NULL : memchr(list->ptr, ' ', list->len);
    wsrt_span word = {list->ptr, space == NULL ? list->len : (size_t)(space - list->ptr)};
    size_t used = word.len + (space != NULL);

    *list = (wsrt_span){list->ptr == NULL ? NULL : list->ptr + used, list->len - used};
    return word;
}

static int has_any(wsrt_span held, wsrt_span wanted)
{
    if (wanted.len == 0)
        return 1;
    while (wanted.len > 0)
        if (wsrt_list_contains(held, next_word(&wanted)))
            return 1;
    return 0;
}

static int has_all(wsrt_span held, wsrt_span wanted)
{
    while (wanted.len > 0) {
        wsrt_span word = next_word(&wanted);
        if (word.len > 0 && !wsrt_list_contains(held, word))
            return 0;
    }
    return 1;
}

static int check_access(wsrt_context *ctx)
{
    const struct route *route = ctx->route;

    if (route->access == WSRT_ACCESS_ANYONE)
        return WSRT_OK;
    const wsrt_principal *who = wsrt_session_principal(ctx);
    if (who == NULL || who->user_id.len == 0)
        return wsrt_fail(ctx, WSRT_ERR_UNAUTHENTICATED, "UNAUTHENTICATED_CONNECTION", NULL);
    if (who->expires_at != 0 && who->expires_at <= wsrt_context_wall(ctx) / 1000)
        return wsrt_fail(ctx, WSRT_ERR_UNAUTHENTICATED, "TOKEN_EXPIRED", NULL);
    if (!has_any(who->groups, route->any_group) || !has_all(who->scopes, route->all_scopes))
        return wsrt_fail(ctx, WSRT_ERR_FORBIDDEN, "FORBIDDEN", NULL);
    return WSRT_OK;
}

/* ---- operations of the monitor ---- */

static int own_operation(const wsrt_context *ctx)
{
    return ctx->route != NULL && ctx->route->operation >= 0;
}

static void start_operations(wsrt_context *ctx, int id)
{
    wsrt_recorder *rec = ctx->event->recorder;

    (void)wsrt_op_start(ctx->rt->monitor, rec, id, ctx->now, &ctx->op);
    if (own_operation(ctx))
        (void)wsrt_op_start(ctx->rt->monitor, rec, ctx->route->operation, ctx->now, &ctx->route_op);
}

static void complete_operations(wsrt_context *ctx, int status, const wsrt_field *attrs, size_t n)
{
    const wsrt_env *env = &ctx->rt->env;
    wsrt_op_result result = {
        .struct_size = sizeof result,
        .success = status >= 0,
        .request_size = (int64_t)ctx->event->body.len,
        .response_size = (int64_t)ctx->response_size,
        .attrs = attrs,
        .attr_count = n,
    };
    int64_t end = env->now(env->user);

    (void)wsrt_op_complete(&ctx->op, end, &result);
    if (own_operation(ctx))
        (void)wsrt_op_complete(&ctx->route_op, end, &result);
}

static wsrt_field text_field(const char *name_cstr, wsrt_span text)
{
    return (wsrt_field){.name_cstr = name_cstr, .kind = WSRT_FIELD_TEXT, .text = text};
}

static wsrt_field int_field(const char *name_cstr, int64_t number)
{
    return (wsrt_field){.name_cstr = name_cstr, .kind = WSRT_FIELD_INT, .number = number};
}

static size_t message_fields(const wsrt_context *ctx, int status, wsrt_field *out)
{
    const wsrt_slot *slot;
    size_t n = 0;

    if (ctx->request.slots != NULL) {
        if ((slot = wsrt_route_slot(ctx, SLOT_TYPE)) != NULL)
            out[n++] = text_field("messageType", slot->text);
        if ((slot = wsrt_route_slot(ctx, SLOT_ACTION)) != NULL)
            out[n++] = text_field("action", slot->text);
        if ((slot = wsrt_route_slot(ctx, SLOT_MESSAGE)) != NULL)
            out[n++] = int_field("messageLength", (int64_t)slot->text.len);
        if ((slot = wsrt_route_slot(ctx, SLOT_SESSION)) != NULL)
            out[n++] = text_field("sessionId", slot->text);
        out[n] = int_field("hasToken", wsrt_route_slot(ctx, SLOT_TOKEN) != NULL);
        out[n++].kind = WSRT_FIELD_BOOL;
    }
    if (status < 0)
        out[n++] = text_field("error", wsrt_span_cstr(wsrt_status_name(status)));
    return n;
}

/* ---- kinds ---- */

static int run_handler(wsrt_context *ctx)
{
    const struct route *route = ctx->route;
    int rc = check_limits(ctx);

    if (rc == WSRT_OK)
        rc = validate(ctx);
    if (rc == WSRT_OK)
        rc = check_access(ctx);
    if (rc != WSRT_OK)
        return rc;
    ctx->request.event = ctx->event;
    ctx->request.route_key = route->key;
    rc = route->handler(ctx, &ctx->request, route->user);
    return rc > 0 ? WSRT_OK : rc;
}

static int refuse_large(wsrt_context *ctx)
{
    ctx->failure =
        (struct failure){.status = WSRT_ERR_TOO_LARGE, .type = WSRT_ERROR_PAYLOAD_TOO_LARGE};
    return WSRT_ERR_TOO_LARGE;
}

static int no_route(wsrt_context *ctx)
{
    wsrt_json_error why;

    if (wsrt_json_parse(NULL, ctx->event->body, &why) != WSRT_OK) {
        ctx->failure = (struct failure){.status = WSRT_ERR_NOT_FOUND,
                                        .type = WSRT_ERROR_VALIDATION,
                                        .code = wsrt_span_cstr("INVALID_JSON"),
                                        .message = wsrt_span_cstr(why.text_cstr)};
        return WSRT_ERR_NOT_FOUND;
    }
    return wsrt_fail(ctx, WSRT_ERR_NOT_FOUND, "UNKNOWN_ROUTE", "No route takes this message");
}

static void on_message(wsrt_context *ctx)
{
    wsrt_field fields[8];
    int rc = ctx->event->body.len > ctx->rt->max_message ? refuse_large(ctx) : choose_route(ctx);
    int routed = rc != WSRT_ERR_NOT_FOUND;

    start_operations(ctx, WSRT_OP_CONVERSATION);
    if (rc == WSRT_OK)
        rc = run_handler(ctx);
    else if (!routed && (ctx->rt->flags & WSRT_RUNTIME_API_GATEWAY) != 0)
        wsrt_answer_forbidden(ctx);
    else if (!routed)
        rc = no_route(ctx);
    if (rc < 0) {
        if (ctx->failure.status != rc)
            ctx->failure = (struct failure){0};
        if (routed || (ctx->rt->flags & WSRT_RUNTIME_API_GATEWAY) == 0)
            wsrt_answer_error(ctx, rc);
    }
    complete_operations(ctx, rc, fields, message_fields(ctx, rc, fields));
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
    int by_protocol;
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
        o.by_protocol = 1;
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
    if (*who != NULL)
        return WSRT_OK;
    if (ctx->rt->authenticator.ops != NULL) {
        o = offered_token(ctx->event);
        if (o.sources > 1)
            return wsrt_fail(ctx, WSRT_ERR_REJECTED, "AMBIGUOUS_TOKEN", "More than one token");
        if (o.sources == 1) {
            int rc = wsrt_token_check(ctx, o.token, result);
            if (rc != WSRT_OK)
                return rc;
            *who = &result->principal;
            return o.by_protocol
                       ? wsrt_respond_header(ctx, wsrt_span_cstr("Sec-WebSocket-Protocol"),
                                             wsrt_span_cstr(bearer_protocol))
                       : WSRT_OK;
        }
    }
    if ((ctx->rt->flags & WSRT_RUNTIME_REQUIRE_AUTH) != 0)
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

static int connect_client(wsrt_context *ctx, const wsrt_principal *who)
{
    int rc = WSRT_OK;

    ctx->principal = who;
    ctx->principal_known = 1;
    ctx->route = ctx->rt->on_connect;
    if (ctx->route != NULL)
        rc = run_handler(ctx);
    if (rc != WSRT_OK || !accepted(ctx))
        return rc;
    rc = wsrt_session_open(ctx, who);
    if (rc == WSRT_OK)
        rc =
            wsrt_call(ctx, "dynamodb", "storeConnection", put_record, NULL, (void *)(uintptr_t)who);
    if (rc != WSRT_OK)
        wsrt_session_close(ctx);
    return rc;
}

static void log_connect(wsrt_context *ctx, const wsrt_principal *who)
{
    wsrt_field fields[] = {
        text_field("connectionId", ctx->event->connection_id),
        text_field("userId", who == NULL ? (wsrt_span){0} : who->user_id),
        text_field("sourceIp", ctx->event->source_ip),
        int_field("code", ctx->response_status == 0 ? 200 : ctx->response_status),
    };

    wsrt_context_log(ctx, WSRT_LEVEL_INFO, "connect", fields, 4);
}

static void on_connect(wsrt_context *ctx)
{
    const wsrt_principal *who = NULL;
    wsrt_auth_result result;
    wsrt_field fields[2] = {text_field("eventType", wsrt_span_cstr("connect"))};

    ctx->connected_at =
        ctx->event->connected_at != 0 ? ctx->event->connected_at : wsrt_context_wall(ctx);
    start_operations(ctx, WSRT_OP_CONNECTION);
    int rc = check_connect_limit(ctx);
    if (rc == WSRT_OK)
        rc = identify(ctx, &result, &who);
    if (rc == WSRT_OK)
        rc = connect_client(ctx, who);
    if (rc < 0) {
        if (ctx->failure.status != rc)
            ctx->failure = (struct failure){0};
        wsrt_answer_error(ctx, rc);
        fields[1] = text_field("error", wsrt_span_cstr(wsrt_status_name(rc)));
    }
    log_connect(ctx, who);
    complete_operations(ctx, accepted(ctx) ? WSRT_OK : WSRT_ERR_REJECTED, fields, rc < 0 ? 2 : 1);
}

static const char *reason_class(const wsrt_event *ev)
{
    static const char *const timeouts[] = {"idle timeout", "ping timeout", "lifetime"};

    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        if (wsrt_span_equal(ev->disconnect_reason, wsrt_span_cstr(timeouts[i])))
            return "timeout";
    return ev->disconnect_code == 1000 || ev->disconnect_code == 1001 ? "normal" : "error";
}

static void on_disconnect(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;
    const wsrt_principal *who = wsrt_session_principal(ctx);
    wsrt_field fields[4] = {text_field("eventType", wsrt_span_cstr("disconnect")),
                            text_field("disconnectReason", wsrt_span_cstr(reason_class(ev)))};
    size_t n = 2;

    if (ctx->connected_at == 0)
        ctx->connected_at = ev->connected_at;
    start_operations(ctx, WSRT_OP_CONNECTION);
    ctx->route = ctx->rt->on_disconnect;
    if (ctx->route != NULL) {
        ctx->request = (wsrt_request){.event = ev, .route_key = ctx->route->key};
        (void)ctx->route->handler(ctx, &ctx->request, ctx->route->user); /* the peer has left */
    }
    ctx->route = NULL;
    int64_t duration = ctx->connected_at == 0 ? 0 : wsrt_context_wall(ctx) - ctx->connected_at;
    if (ctx->connected_at != 0)
        fields[n++] = int_field("connectionDuration", duration);
    if (wsrt_call(ctx, "dynamodb", "removeConnection", remove_record, NULL, NULL) != WSRT_OK)
        fields[n++] = text_field("warning", wsrt_span_cstr("cleanup_failed"));
    wsrt_field line[] = {
        text_field("connectionId", ev->connection_id),
        text_field("userId", who == NULL ? (wsrt_span){0} : who->user_id),
        int_field("code", ev->disconnect_code),
        text_field("reason", ev->disconnect_reason),
        int_field("duration", duration),
    };
    wsrt_context_log(ctx, WSRT_LEVEL_INFO, "disconnect", line, 5);
    ctx->response_status = 200;
    ctx->response_body = (wsrt_span){0};
    complete_operations(ctx, WSRT_OK, fields, n);
    wsrt_session_close(ctx);
}

/* ---- entry ---- */

static int check_event(const wsrt_event *ev)
{
    if (ev->kind == WSRT_EVENT_STREAM || ev->kind == WSRT_EVENT_AUTHORIZE)
        return WSRT_ERR_UNSUPPORTED;
    if (ev->kind < WSRT_EVENT_CONNECT || ev->kind > WSRT_EVENT_AUTHORIZE ||
        !wsrt_connection_id_valid(ev->connection_id))
        return WSRT_ERR_INVALID;
    if ((ev->body.ptr == NULL && ev->body.len > 0) ||
        (ev->headers == NULL && ev->header_count > 0) || (ev->query == NULL && ev->query_count > 0))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

static void mark(atomic_int *flag)
{
    if (!atomic_load_explicit(flag, memory_order_relaxed))
        atomic_store_explicit(flag, 1, memory_order_relaxed);
}

static void open_context(wsrt_context *ctx, wsrt_runtime *rt, const wsrt_event *ev)
{
    memset(ctx, 0, offsetof(wsrt_context, headers));
    ctx->rt = rt;
    ctx->event = ev;
    ctx->now = ev->now != 0 ? ev->now : rt->env.now(rt->env.user);
    wsrt_arena_init(&ctx->arena, &rt->allocator, ctx->memory, sizeof ctx->memory);
}

int wsrt_runtime_dispatch(wsrt_runtime *rt, const wsrt_event *ev, wsrt_response_fn respond,
                          void *user)
{
    wsrt_event copy;
    wsrt_context ctx;
    int rc;

    if (rt == NULL || ev == NULL)
        return WSRT_ERR_INVALID;
    if (ev->struct_size != sizeof copy) {
        rc = wsrt_options_load(&copy, sizeof copy, sizeof(wsrt_event), ev);
        if (rc != WSRT_OK)
            return rc;
        ev = &copy;
    }
    rc = check_event(ev);
    if (rc != WSRT_OK)
        return rc;
    mark(&rt->started);
    mark(&rt->busy);
    open_context(&ctx, rt, ev);
    if (ev->kind == WSRT_EVENT_MESSAGE)
        on_message(&ctx);
    else if (ev->kind == WSRT_EVENT_CONNECT)
        on_connect(&ctx);
    else
        on_disconnect(&ctx);
    wsrt_answer_respond(&ctx, respond, user);
    wsrt_arena_free(&ctx.arena);
    return WSRT_OK;
}
