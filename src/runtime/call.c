/* Calls to outside services behind their breakers. */
#include "runtime/runtime_internal.h"

#include "base/hash.h"
#include "error/types.h"

enum { FALLBACK_SILENCE_MS = 10000, LOGGED_BITS = 40, NS_PER_MS = 1000000 };

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

static wsrt_span state_name(int state)
{
    static const char *const names[] = {"closed", "half-open", "open"};

    return wsrt_span_cstr(state >= WSRT_BREAKER_CLOSED && state <= WSRT_BREAKER_OPEN ? names[state]
                                                                                     : NULL);
}

static wsrt_span kept(wsrt_context *ctx, wsrt_span text)
{
    const char *copy = wsrt_arena_copy(&ctx->arena, text);

    return (wsrt_span){copy, copy == NULL ? 0 : text.len};
}

void wsrt_blame_service(wsrt_context *ctx, int status, wsrt_span service, wsrt_span operation,
                        const wsrt_breaker_stats *stats)
{
    if (ctx->failure.status != 0)
        return; /* somebody said it better */
    ctx->failure = (struct failure){.status = status};
    ctx->failure.service = (wsrt_service_failure){.struct_size = sizeof ctx->failure.service,
                                                  .status = status,
                                                  .service = kept(ctx, service),
                                                  .operation = kept(ctx, operation)};
    if (stats == NULL)
        return;
    ctx->failure.service.state = state_name(stats->state);
    ctx->failure.service.total_requests = stats->total_requests;
    ctx->failure.service.failure_rate = stats->failure_rate;
    ctx->failure.service.next_attempt = stats->next_attempt_time;
}

void wsrt_count_call(wsrt_context *ctx, const char *service_cstr)
{
    const struct wsrt_service_row *known = wsrt_error_service(wsrt_span_cstr(service_cstr));
    int database = known != NULL && known->type == WSRT_ERROR_DATABASE;
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

static void blame(wsrt_context *ctx, const struct guarded *g, wsrt_breaker *b, int status)
{
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    int known =
        b != NULL && wsrt_breaker_get_stats(b, ctx->now, wsrt_context_wall(ctx), &stats) == WSRT_OK;

    wsrt_blame_service(ctx, status, wsrt_span_cstr(g->service_cstr),
                       wsrt_span_cstr(g->operation_cstr), known ? &stats : NULL);
}

/* Once in 10 s for each service and operation. Two that share a slot are told apart by the tag, and
 * may be logged more often. */
static int is_silent(wsrt_context *ctx, const struct guarded *g)
{
    const uint64_t times = ((uint64_t)1 << LOGGED_BITS) - 1;
    wsrt_span service = wsrt_span_cstr(g->service_cstr);
    wsrt_span operation = wsrt_span_cstr(g->operation_cstr);
    uint64_t hash = wsrt_hash(wsrt_hash(0, service.ptr, service.len), operation.ptr, operation.len);
    _Atomic uint64_t *slot = &ctx->rt->fallback_logged[hash % FALLBACK_SLOTS];
    uint64_t tag = (hash | (uint64_t)1 << LOGGED_BITS) & ~times; /* never 0: nothing logged yet */
    uint64_t ms = (uint64_t)(ctx->now / NS_PER_MS) & times, old = atomic_load(slot);

    return ((old & ~times) == tag && ((ms - old) & times) < FALLBACK_SILENCE_MS) ||
           !atomic_compare_exchange_strong(slot, &old, tag | ms);
}

/* Of a post, also whose it was and in answer to what. */
static void log_fallback(wsrt_context *ctx, const struct guarded *g, int status)
{
    const wsrt_slot *type = ctx->request.slots == NULL ? NULL : wsrt_route_slot(ctx, SLOT_TYPE);
    int is_post =
        wsrt_span_equal(wsrt_span_cstr(g->service_cstr), wsrt_span_cstr("apigateway-management"));
    wsrt_field fields[] = {
        wsrt_text_field("service", wsrt_span_cstr(g->service_cstr)),
        wsrt_text_field("operation", wsrt_span_cstr(g->operation_cstr)),
        wsrt_text_field("reason", wsrt_span_cstr(wsrt_status_name(status))),
        wsrt_text_field("connectionId", ctx->event->connection_id),
        wsrt_text_field("messageType", type == NULL ? (wsrt_span){0} : type->text),
    };

    if (!is_silent(ctx, g))
        wsrt_context_log(ctx, WSRT_LEVEL_WARN, "fallback", fields, is_post ? 5 : 3);
}

/* Every one is counted, the first is logged. */
static void note_unguarded(wsrt_context *ctx, const struct guarded *g, int why)
{
    wsrt_field fields[] = {
        wsrt_text_field("service", wsrt_span_cstr(g->service_cstr)),
        wsrt_text_field("operation", wsrt_span_cstr(g->operation_cstr)),
        wsrt_text_field("reason", wsrt_span_cstr(wsrt_status_name(why))),
    };

    if (atomic_fetch_add(&ctx->rt->counts.unguarded, 1) == 0)
        wsrt_context_log(ctx, WSRT_LEVEL_ERROR, "unguarded", fields, 3);
}

static int run_fallback(wsrt_context *ctx, const struct guarded *g, wsrt_breaker *b, int status)
{
    if (g->fallback == NULL) {
        blame(ctx, g, b, status);
        return status;
    }
    log_fallback(ctx, g, status);
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
    wsrt_count_call(ctx, g->service_cstr);
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
    int rc = wsrt_breakers_get(ctx->rt->breakers, wsrt_span_cstr(service_cstr),
                               wsrt_span_cstr(operation_cstr), NULL, &b, NULL);

    if (rc == WSRT_ERR_INVALID)
        return rc;
    ctx->now = env->now(env->user);
    /* A registry that is full or out of memory leaves the call unguarded rather than undone. */
    if (rc != WSRT_OK)
        note_unguarded(ctx, &g, rc);
    int status = WSRT_ERR_CIRCUIT_OPEN, outcome = WSRT_FAILURE;
    int said_before = ctx->failure.status;
    ctx->failure.status = 0; /* what an earlier call said does not explain this one */
    if (rc != WSRT_OK || wsrt_breaker_try_acquire(b, ctx->now, &permit, NULL) == WSRT_OK)
        status = run_guarded(ctx, &g, b, &permit, &outcome);
    if (outcome == WSRT_FAILURE && status < 0)
        status = run_fallback(ctx, &g, b, status);
    if (ctx->failure.status == 0)
        ctx->failure.status = said_before;
    wsrt_breaker_release_ref(b);
    return status;
}

void wsrt_call_outcome(wsrt_context *ctx, int outcome)
{
    if (ctx != NULL && ctx->in_call && outcome >= WSRT_SUCCESS && outcome <= WSRT_IGNORED)
        ctx->call_outcome = outcome;
}
