/* Calls to outside services behind their breakers. */
#include "runtime/runtime_internal.h"

/* What the client is told when a service of the shipped presets fails. */
struct service_text {
    const char *service_cstr;
    int type;
    const char *message_cstr;
};

static const struct service_text *service_text(const char *service_cstr)
{
    static const struct service_text rows[] = {
        {"cognito", WSRT_ERROR_EXTERNAL_SERVICE, "Authentication service temporarily unavailable"},
        {"apigateway-management", WSRT_ERROR_EXTERNAL_SERVICE,
         "WebSocket service temporarily unavailable"},
        {"dynamodb", WSRT_ERROR_DATABASE, "Database temporarily unavailable"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (wsrt_span_equal(wsrt_span_cstr(service_cstr), wsrt_span_cstr(rows[i].service_cstr)))
            return &rows[i];
    return NULL;
}

static int outcome_of(int status)
{
    switch (status) {
    case WSRT_ERR_TIMEOUT:
    case WSRT_ERR_UNAVAILABLE:
    case WSRT_ERR_IO:
    case WSRT_ERR_CORRUPT:
    case WSRT_ERR_THROTTLED:
        return WSRT_FAILURE;
    case WSRT_ERR_GONE:
    case WSRT_ERR_REJECTED:
    case WSRT_ERR_NOT_FOUND:
    case WSRT_ERR_EXISTS:
        return WSRT_SUCCESS;
    default:
        return status >= 0 ? WSRT_SUCCESS : WSRT_IGNORED;
    }
}

static void explain(wsrt_context *ctx, int status, const char *service_cstr, int64_t retry_after)
{
    const struct service_text *text = service_text(service_cstr);

    if (ctx->failure.status != 0)
        return; /* the function said it better */
    ctx->failure =
        (struct failure){.status = status, .retry_after_ms = retry_after > 0 ? retry_after : 0};
    if (status == WSRT_ERR_CIRCUIT_OPEN)
        ctx->failure.code = wsrt_span_cstr("CIRCUIT_OPEN");
    if (text != NULL) {
        ctx->failure.type = text->type;
        ctx->failure.message = wsrt_span_cstr(text->message_cstr);
    } else if (status != WSRT_ERR_TIMEOUT) {
        ctx->failure.type = WSRT_ERROR_EXTERNAL_SERVICE;
    }
}

static void count_call(wsrt_context *ctx, const char *service_cstr)
{
    const struct service_text *text = service_text(service_cstr);
    int database = text != NULL && text->type == WSRT_ERROR_DATABASE;
    wsrt_op *ops[] = {&ctx->op,
                      ctx->route != NULL && ctx->route->operation >= 0 ? &ctx->route_op : NULL};

    wsrt_operations_note(ctx);
    for (size_t i = 0; i < 2; i++) {
        if (ops[i] == NULL)
            continue;
        if (database)
            wsrt_op_database_call(ops[i]);
        else
            wsrt_op_external_call(ops[i]);
    }
}

struct guarded {
    const char *service_cstr;
    const char *operation_cstr;
    wsrt_call_fn fn;
    wsrt_call_fn fallback;
    void *arg;
};

static int run_fallback(wsrt_context *ctx, const struct guarded *g, int status, int64_t retry_after)
{
    if (g->fallback == NULL) {
        explain(ctx, status, g->service_cstr, retry_after);
        return status;
    }
    wsrt_field fields[] = {
        {.name_cstr = "service", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(g->service_cstr)},
        {.name_cstr = "operation",
         .kind = WSRT_FIELD_TEXT,
         .text = wsrt_span_cstr(g->operation_cstr)},
        {.name_cstr = "reason",
         .kind = WSRT_FIELD_TEXT,
         .text = wsrt_span_cstr(wsrt_status_name(status))},
    };
    wsrt_context_log(ctx, WSRT_LEVEL_WARN, "fallback", fields, 3);
    return g->fallback(ctx, g->arg);
}

/* Runs the function and settles the permit; *outcome says how it ended. */
static int run_guarded(wsrt_context *ctx, const struct guarded *g, wsrt_breaker *b, wsrt_permit *p,
                       int *outcome)
{
    const wsrt_env *env = &ctx->rt->env;
    int outer = ctx->call_outcome, nested = ctx->in_call;

    ctx->call_outcome = 0;
    ctx->in_call = 1;
    count_call(ctx, g->service_cstr);
    int status = g->fn(ctx, g->arg);
    *outcome = ctx->call_outcome != 0 ? ctx->call_outcome : outcome_of(status);
    ctx->call_outcome = outer;
    ctx->in_call = nested;
    ctx->now = env->now(env->user);
    if (b != NULL)
        (void)wsrt_breaker_record(b, p, ctx->now, *outcome); /* a stale answer still serves */
    return status;
}

int wsrt_call(wsrt_context *ctx, const char *service_cstr, const char *operation_cstr,
              wsrt_call_fn fn, wsrt_call_fn fallback, void *arg)
{
    if (ctx == NULL || service_cstr == NULL || operation_cstr == NULL || fn == NULL)
        return WSRT_ERR_INVALID;
    struct guarded g = {service_cstr, operation_cstr, fn, fallback, arg};
    const wsrt_env *env = &ctx->rt->env;
    wsrt_breaker *b = NULL;
    wsrt_permit permit;
    wsrt_rejection why;
    int outcome;
    int rc = wsrt_breakers_get(ctx->rt->breakers, wsrt_span_cstr(service_cstr),
                               wsrt_span_cstr(operation_cstr), NULL, &b, NULL);

    if (rc == WSRT_ERR_INVALID)
        return rc;
    ctx->now = env->now(env->user);
    /* A registry that is full or out of memory leaves the call unguarded rather than undone. */
    if (rc == WSRT_OK && wsrt_breaker_try_acquire(b, ctx->now, &permit, &why) != WSRT_OK) {
        wsrt_breaker_release_ref(b);
        return run_fallback(ctx, &g, WSRT_ERR_CIRCUIT_OPEN, why.retry_after_ms);
    }
    int status = run_guarded(ctx, &g, b, &permit, &outcome);
    wsrt_breaker_release_ref(b);
    if (outcome == WSRT_FAILURE && status < 0)
        return run_fallback(ctx, &g, status, 0);
    return status;
}

void wsrt_call_outcome(wsrt_context *ctx, int outcome)
{
    if (ctx != NULL && ctx->in_call && outcome >= WSRT_SUCCESS && outcome <= WSRT_IGNORED)
        ctx->call_outcome = outcome;
}
