/* The way of an event: route, limits, validation, access, handler, monitor. */
#include "runtime/runtime_internal.h"

#include "base/options.h"
#include "monitor/recorder.h"

#include <string.h>

enum { MOST_FIELDS = 8 }; /* of an operation's end */

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

int wsrt_refuse_rate(wsrt_context *ctx, const wsrt_limit_result *limit)
{
    ctx->failure = (struct failure){
        .status = WSRT_ERR_RATE_LIMITED,
        .limit = *limit,
        .retry_after_ms = (limit->retry_after + 999999) / 1000000,
    };
    return WSRT_ERR_RATE_LIMITED;
}

/* Apart, as the other steps that not every route takes: the common way saves no registers for them.
 * What no route takes is limited as well. */
static __attribute__((noinline)) int check_limits(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;
    const struct route *route = ctx->route;
    wsrt_limit_key keys[4];
    wsrt_limit_result result;
    size_t n = 0;

    const wsrt_principal *who = wsrt_session_principal(ctx);

    if (route != NULL && (route->flags & WSRT_ROUTE_PING) != 0) {
        keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_PING, .key = ev->connection_id};
    } else {
        keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_CONNECTION,
                                     .cell = wsrt_session_cell(ev),
                                     .key = ev->connection_id};
        if (who != NULL)
            keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_USER, .key = who->user_id};
    }
    if (route != NULL)
        keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_ROUTE,
                                     .key = route->key,
                                     .rule = route->has_rule ? &route->rule : NULL};
    keys[n++] = (wsrt_limit_key){.scope = WSRT_SCOPE_STAGE, .key = ev->stage};
    int rc = wsrt_limiter_check(ctx->rt->limiter, keys, n, 1, ctx->now, &result);
    if (rc == WSRT_OK)
        wsrt_session_admitted(ctx);
    if (rc != WSRT_ERR_RATE_LIMITED)
        return rc;
    if (result.scope == WSRT_SCOPE_CONNECTION || result.scope == WSRT_SCOPE_USER ||
        result.scope == WSRT_SCOPE_PING)
        wsrt_session_refused(ctx);
    return wsrt_refuse_rate(ctx, &result);
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

/* The first issue, for who looks for the client's mistake; no value of the client's is in it. */
static void log_rejection(wsrt_context *ctx, const wsrt_validation *v)
{
    const wsrt_schema *schema = ctx->route->schema;
    const wsrt_issue *issue = v->issues;
    char path[256], rule[256];
    size_t path_len = 0, rule_len = 0;

    if (v->issue_count == 0)
        return;
    (void)wsrt_issue_pointer(schema, ctx->event->body.ptr, ctx->event->body.len, issue, 0, path,
                             sizeof path, &path_len);
    (void)wsrt_issue_schema_pointer(schema, issue, rule, sizeof rule, &rule_len);
    const wsrt_field fields[] = {
        wsrt_text_field("connectionId", ctx->event->connection_id),
        wsrt_text_field("path", (wsrt_span){path, path_len}),
        wsrt_text_field("rule", (wsrt_span){rule, rule_len}),
        wsrt_text_field("code", wsrt_span_cstr(wsrt_issue_code_name(issue->code))),
        wsrt_text_field("text", wsrt_span_cstr(issue->text_cstr)),
        wsrt_int_field("issues", (int64_t)v->issue_total),
    };
    wsrt_context_log(ctx, WSRT_LEVEL_DEBUG, "invalid_message", fields,
                     sizeof fields / sizeof *fields);
}

static int explain_rejection(wsrt_context *ctx, int rc, const wsrt_validation *v)
{
    if (rc != WSRT_ERR_MALFORMED && rc != WSRT_ERR_REJECTED && rc != WSRT_ERR_LIMIT)
        return rc;
    ctx->failure = (struct failure){.status = WSRT_ERR_REJECTED,
                                    .type = WSRT_ERROR_VALIDATION,
                                    .code = wsrt_span_cstr("INVALID_MESSAGE"),
                                    .message = wsrt_span_cstr("Invalid message")};
    log_rejection(ctx, v);
    return write_issues(ctx, v) == WSRT_OK ? WSRT_ERR_REJECTED : WSRT_ERR_NOMEM;
}

static __attribute__((noinline)) int validate(wsrt_context *ctx)
{
    static const wsrt_validate_options opts = {.struct_size = sizeof opts,
                                               .flags = WSRT_VALIDATE_COLLECT_ALL};
    const struct route *route = ctx->route;
    wsrt_validation v = {.struct_size = sizeof v,
                         .slot_cap = route->slot_count,
                         .issue_cap = ISSUES_SHOWN,
                         .scratch_cap = route->scratch};

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

/* Nobody is known because the store failed: to sign in again would not help the client. */
static int refuse_unread(wsrt_context *ctx)
{
    if (ctx->principal_status != WSRT_ERR_NOMEM)
        wsrt_blame_service(ctx, ctx->principal_status, wsrt_span_cstr("dynamodb"),
                           wsrt_span_cstr("getConnection"), NULL);
    return ctx->principal_status;
}

__attribute__((noinline)) int wsrt_check_access(wsrt_context *ctx)
{
    const struct route *route = ctx->route;
    const wsrt_principal *who = wsrt_session_principal(ctx);

    if (who == NULL && ctx->principal_status != 0)
        return refuse_unread(ctx);
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

static void start_own_operation(wsrt_context *ctx)
{
    if (own_operation(ctx))
        (void)wsrt_op_start(ctx->rt->monitor, ctx->event->recorder, ctx->route->operation, ctx->now,
                            &ctx->route_op);
}

void wsrt_operations_note(wsrt_context *ctx)
{
    if (ctx->op_started)
        return;
    ctx->op_started = 1;
    (void)wsrt_op_start(ctx->rt->monitor, ctx->event->recorder, ctx->operation, ctx->started_at,
                        &ctx->op);
}

/* Inline, like its end and the handler's call: every message takes them. */
static inline void operations_start(wsrt_context *ctx, int id)
{
    ctx->operation = id;
    ctx->started_at = ctx->now;
    ctx->op_started = 0;
    if (recorder_is_due(ctx->event->recorder))
        wsrt_operations_note(ctx);
    start_own_operation(ctx);
}

void wsrt_operations_start(wsrt_context *ctx, int id)
{
    operations_start(ctx, id);
}

/* Nothing to tell but its sizes, and nothing that took time of its own. */
static int can_wait(const wsrt_context *ctx, int status, size_t attr_count)
{
    return (ctx->event->flags & WSRT_EVENT_SETTLES) != 0 && !ctx->op_started && status >= 0 &&
           attr_count == 0 && ctx->now == ctx->started_at && !own_operation(ctx);
}

static __attribute__((noinline)) void complete(wsrt_context *ctx, int status,
                                               const wsrt_field *attrs, size_t n)
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
    wsrt_field all[MOST_FIELDS + 1];

    /* An id that was made late is known to somebody: the slowest are told by it. */
    if (ctx->correlation_id.len > 0) {
        if (n > 0)
            memcpy(all, attrs, n * sizeof *all);
        all[n] = wsrt_text_field("correlationId", ctx->correlation_id);
        result.attrs = all;
        result.attr_count = n + 1;
    }
    wsrt_operations_note(ctx);
    (void)wsrt_op_complete(&ctx->op, end, &result);
    if (own_operation(ctx))
        (void)wsrt_op_complete(&ctx->route_op, end, &result);
}

static inline void operations_complete(wsrt_context *ctx, int status, const wsrt_field *attrs,
                                       size_t n)
{
    if (can_wait(ctx, status, n))
        (void)recorder_defer(ctx->event->recorder, ctx->operation, ctx->started_at,
                             (int64_t)ctx->event->body.len, (int64_t)ctx->response_size);
    else
        complete(ctx, status, attrs, n);
}

void wsrt_operations_complete(wsrt_context *ctx, int status, const wsrt_field *attrs, size_t n)
{
    operations_complete(ctx, status, attrs, n);
}

wsrt_field wsrt_text_field(const char *name_cstr, wsrt_span text)
{
    return (wsrt_field){.name_cstr = name_cstr, .kind = WSRT_FIELD_TEXT, .text = text};
}

wsrt_field wsrt_int_field(const char *name_cstr, int64_t number)
{
    return (wsrt_field){.name_cstr = name_cstr, .kind = WSRT_FIELD_INT, .number = number};
}

static size_t message_fields(const wsrt_context *ctx, int status, wsrt_field *out)
{
    const wsrt_slot *slot;
    size_t n = 0;

    if (ctx->request.slots != NULL) {
        if ((slot = wsrt_route_slot(ctx, SLOT_TYPE)) != NULL)
            out[n++] = wsrt_text_field("messageType", slot->text);
        if ((slot = wsrt_route_slot(ctx, SLOT_ACTION)) != NULL)
            out[n++] = wsrt_text_field("action", slot->text);
        if ((slot = wsrt_route_slot(ctx, SLOT_MESSAGE)) != NULL)
            out[n++] = wsrt_int_field("messageLength", (int64_t)slot->text.len);
        if ((slot = wsrt_route_slot(ctx, SLOT_SESSION)) != NULL)
            out[n++] = wsrt_text_field("sessionId", slot->text);
        out[n] = wsrt_int_field("hasToken", wsrt_route_slot(ctx, SLOT_TOKEN) != NULL);
        out[n++].kind = WSRT_FIELD_BOOL;
    }
    if (status < 0)
        out[n++] = wsrt_text_field("error", wsrt_span_cstr(wsrt_status_name(status)));
    return n;
}

/* ---- kinds ---- */

static int call_handler(wsrt_context *ctx)
{
    const struct route *route = ctx->route;

    ctx->request.event = ctx->event;
    ctx->request.route_key = route->key;
    int rc = route->handler(ctx, &ctx->request, route->user);
    return rc > 0 ? WSRT_OK : rc;
}

static inline int run_handler(wsrt_context *ctx)
{
    const struct route *route = ctx->route;
    int rc = ctx->rt->limiter == NULL ? WSRT_OK : check_limits(ctx);

    if (rc == WSRT_OK && route->schema != NULL)
        rc = validate(ctx);
    if (rc == WSRT_OK && route->access != WSRT_ACCESS_ANYONE)
        rc = wsrt_check_access(ctx);
    return rc != WSRT_OK ? rc : call_handler(ctx);
}

int wsrt_run_handler(wsrt_context *ctx)
{
    return run_handler(ctx);
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

/* Where no transport watches over identities: whose token ended long ago is closed when he speaks. */
static void close_expired(wsrt_context *ctx)
{
    const wsrt_principal *who = ctx->principal;

    if (ctx->event->session != NULL || who == NULL || who->expires_at == 0 ||
        wsrt_context_wall(ctx) / 1000 - who->expires_at < EXPIRED_GRACE_S)
        return;
    (void)wsrt_disconnect(ctx->rt, ctx->event->connection_id, 4401,
                          wsrt_span_cstr("token expired")); /* he has been told in any case */
}

static void on_message(wsrt_context *ctx)
{
    wsrt_field fields[MOST_FIELDS];

    if (ctx->rt->resume != NULL && wsrt_is_duplicate(ctx))
        return;
    int rc = ctx->event->body.len > ctx->rt->max_message ? refuse_large(ctx) : choose_route(ctx);

    operations_start(ctx, WSRT_OP_CONVERSATION);
    if (rc != WSRT_OK && ctx->rt->limiter != NULL) {
        int limited = check_limits(ctx);
        rc = limited != WSRT_OK ? limited : rc;
    }
    int routed = rc != WSRT_ERR_NOT_FOUND;
    if (rc == WSRT_OK)
        rc = run_handler(ctx);
    else if (!routed && (ctx->rt->flags & WSRT_RUNTIME_API_GATEWAY) != 0)
        wsrt_answer_forbidden(ctx);
    else if (!routed)
        rc = no_route(ctx);
    if (rc < 0 && (routed || (ctx->rt->flags & WSRT_RUNTIME_API_GATEWAY) == 0) &&
        !(rc == WSRT_ERR_RATE_LIMITED && (ctx->rt->flags & WSRT_RUNTIME_QUIET_LIMITS) != 0))
        wsrt_answer_error(ctx, rc);
    if (rc < 0 && ctx->rt->resume != NULL)
        wsrt_may_come_again(ctx);
    if (rc == WSRT_ERR_UNAUTHENTICATED)
        close_expired(ctx);
    operations_complete(ctx, rc, fields, message_fields(ctx, rc, fields));
}

/* No client sent it: it has no limits, nobody signs in, and the transport judges the answer. It counts
 * as its route's own operation. */
static void on_stream(wsrt_context *ctx)
{
    int rc = WSRT_ERR_NOT_FOUND;

    ctx->route = ctx->rt->on_stream;
    wsrt_metrics_note_stream(ctx);
    ctx->principal_known = 1;
    ctx->op = (wsrt_op){{0}};
    ctx->op_started = 1;
    ctx->started_at = ctx->now;
    start_own_operation(ctx);
    if (ctx->route != NULL)
        rc = ctx->route->schema != NULL ? validate(ctx) : WSRT_OK;
    if (ctx->route != NULL && rc == WSRT_OK)
        rc = call_handler(ctx);
    if (rc < 0)
        wsrt_answer_error(ctx, rc);
    wsrt_operations_complete(ctx, rc, NULL, 0);
}

/* ---- entry ---- */

/* A transport that keeps a session had its id checked with the CONNECT; streams and questions have no
 * connection. */
static int names_a_connection(const wsrt_event *ev)
{
    return ev->kind == WSRT_EVENT_STREAM || ev->kind == WSRT_EVENT_AUTHORIZE ||
           (ev->session != NULL && ev->kind == WSRT_EVENT_MESSAGE) ||
           wsrt_connection_id_valid(ev->connection_id);
}

static inline int are_lists_whole(const wsrt_event *ev)
{
    return (ev->body.ptr != NULL || ev->body.len == 0) &&
           (ev->header_count == 0 || ev->headers != NULL) &&
           (ev->query_count == 0 || ev->query != NULL);
}

static int check_event(const wsrt_runtime *rt, const wsrt_event *ev)
{
    if (ev->kind < WSRT_EVENT_CONNECT || ev->kind > WSRT_EVENT_AUTHORIZE || ev->reply != NULL ||
        !names_a_connection(ev) || !are_lists_whole(ev))
        return WSRT_ERR_INVALID;
    if (ev->kind == WSRT_EVENT_AUTHORIZE && rt->authenticator.ops == NULL)
        return WSRT_ERR_UNSUPPORTED;
    return WSRT_OK;
}

/* A busy runtime has been marked since its last tick, and started before. */
static void mark_busy(wsrt_runtime *rt)
{
    if (atomic_load_explicit(&rt->busy, memory_order_relaxed))
        return;
    atomic_store_explicit(&rt->busy, 1, memory_order_relaxed);
    atomic_store_explicit(&rt->started, 1, memory_order_relaxed);
}

/* Member by member: what is not named here is written before it is read, and is most of the bytes. */
static void open_context(wsrt_context *ctx, wsrt_runtime *rt, const wsrt_event *ev)
{
    ctx->rt = rt;
    ctx->event = ev;
    ctx->now = ev->now != 0 ? ev->now : rt->env.now(rt->env.user);
    ctx->route = NULL;
    ctx->request = (wsrt_request){0};
    ctx->wall = 0;
    ctx->correlation_id = (wsrt_span){0};
    ctx->principal = NULL;
    ctx->connected_at = 0;
    ctx->response_body = (wsrt_span){0};
    ctx->header_count = 0;
    ctx->response_size = 0;
    ctx->replaced = NULL;
    ctx->principal_known = 0;
    ctx->principal_status = 0;
    ctx->call_outcome = 0;
    ctx->in_call = 0;
    ctx->response_status = 0;
    ctx->response_set = 0;
    ctx->failure.status = 0;
    wsrt_arena_init(&ctx->arena,
                    ev->recorder != NULL ? wsrt_recorder_allocator(ev->recorder) : &rt->allocator,
                    ctx->memory, sizeof ctx->memory);
}

static inline void close_context(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;

    if (ev->routed != NULL)
        *ev->routed = ctx->route == NULL ? ctx->request.route_key : ctx->route->key;
    if (ctx->replaced != NULL)
        wsrt_session_drop_replaced(ctx);
    wsrt_arena_free(&ctx->arena);
}

/* Apart from the others, because most events are messages. */
static __attribute__((noinline)) int dispatch_message(wsrt_runtime *rt, const wsrt_event *ev,
                                                      wsrt_response_fn respond, void *user)
{
    wsrt_context ctx;

    if (!are_lists_whole(ev) || (ev->session == NULL && !names_a_connection(ev)))
        return WSRT_ERR_INVALID;
    mark_busy(rt);
    open_context(&ctx, rt, ev);
    on_message(&ctx);
    if (ev->reply == NULL || ctx.response_set) /* most are answered by then */
        wsrt_answer_respond(&ctx, respond, user);
    close_context(&ctx);
    return WSRT_OK;
}

static int dispatch_other(wsrt_runtime *rt, const wsrt_event *ev, wsrt_response_fn respond,
                          void *user)
{
    wsrt_context ctx;
    int rc = check_event(rt, ev);

    if (rc != WSRT_OK)
        return rc;
    mark_busy(rt);
    open_context(&ctx, rt, ev);
    if (ev->kind == WSRT_EVENT_CONNECT)
        wsrt_on_connect(&ctx);
    else if (ev->kind == WSRT_EVENT_STREAM)
        on_stream(&ctx);
    else if (ev->kind == WSRT_EVENT_AUTHORIZE)
        wsrt_on_authorize(&ctx);
    else
        wsrt_on_disconnect(&ctx);
    wsrt_answer_respond(&ctx, respond, user);
    close_context(&ctx);
    return WSRT_OK;
}

/* An event of another release. */
static __attribute__((noinline)) int dispatch_copy(wsrt_runtime *rt, const wsrt_event *ev,
                                                   wsrt_response_fn respond, void *user)
{
    wsrt_event copy;
    int rc = wsrt_options_load(&copy, sizeof copy, sizeof(wsrt_event), ev);

    return rc != WSRT_OK ? rc : wsrt_runtime_dispatch(rt, &copy, respond, user);
}

int wsrt_runtime_dispatch(wsrt_runtime *rt, const wsrt_event *ev, wsrt_response_fn respond,
                          void *user)
{
    if (rt == NULL || ev == NULL)
        return WSRT_ERR_INVALID;
    if (ev->struct_size != sizeof *ev)
        return dispatch_copy(rt, ev, respond, user);
    return ev->kind == WSRT_EVENT_MESSAGE ? dispatch_message(rt, ev, respond, user)
                                          : dispatch_other(rt, ev, respond, user);
}
