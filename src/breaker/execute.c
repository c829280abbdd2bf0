/* A guarded call for plain C callers. Built with -fexceptions: what is thrown through `fn` settles its
 * permit on the way. */
#include "breaker/breaker_internal.h"

#include "base/env.h"
#include "base/options.h"

/* Whoever throws has the unwinder loaded; whoever does not needs none, so this library asks for none. On
 * 32-bit ARM everything with unwind tables asks for it, in a way that no weak symbol can take. */
#ifndef __arm__
__asm__(".weak _Unwind_Resume\n\t.weak __gcc_personality_v0");
#endif

/* A call under way; `permit` is zero once it was settled. */
struct guard {
    wsrt_breaker *b;
    const wsrt_env *env;
    wsrt_permit permit;
};

static void settle_thrown(struct guard *g)
{
    if (g->permit.opaque[0] != 0)
        (void)wsrt_breaker_record(g->b, &g->permit, g->env->now(g->env->user), WSRT_FAILURE);
}

static int outcome_of(const wsrt_guarded *call, int result)
{
    int outcome = result == 0 ? WSRT_SUCCESS : WSRT_FAILURE;

    if (call->classify != NULL)
        outcome = call->classify(result, call->user);
    return outcome >= WSRT_SUCCESS && outcome <= WSRT_IGNORED ? outcome : WSRT_FAILURE;
}

/* Makes the call and settles it; gives its outcome. */
static int run(wsrt_breaker *b, const wsrt_env *env, const wsrt_guarded *call, wsrt_permit permit,
               int *result)
{
    __attribute__((cleanup(settle_thrown))) struct guard g = {b, env, permit};
    int got = call->fn(call->user);
    int64_t now = env->now(env->user);
    int outcome = outcome_of(call, got);

    (void)wsrt_breaker_record(b, &g.permit, now, outcome); /* stale or not, it serves the caller */
    *result = got;
    return outcome;
}

static int is_fallback_on(const wsrt_guarded *call, uint32_t without)
{
    return call->fallback != NULL && (call->without & without) == 0;
}

static int refused(const wsrt_guarded *call, const wsrt_rejection *why, int *result)
{
    wsrt_fallback_info info = {.struct_size = sizeof info,
                               .reason = why->reason,
                               .result = WSRT_ERR_CIRCUIT_OPEN,
                               .retry_after_ms = why->retry_after_ms};

    if (!is_fallback_on(call, WSRT_WITHOUT_REJECTED))
        return WSRT_ERR_CIRCUIT_OPEN;
    *result = call->fallback(&info, call->user);
    return WSRT_OK;
}

static int load(wsrt_guarded *out, wsrt_env *env, const wsrt_env *given_env,
                const wsrt_guarded *given)
{
    int rc = wsrt_table_load(out, sizeof *out, sizeof(wsrt_guarded), given);

    if (rc != WSRT_OK)
        return rc;
    if (out->fn == NULL ||
        (out->without & ~(uint32_t)(WSRT_WITHOUT_REJECTED | WSRT_WITHOUT_FAILED)) != 0)
        return WSRT_ERR_INVALID;
    return given_env == NULL ? WSRT_OK : wsrt_env_load(env, given_env);
}

int wsrt_breaker_execute(wsrt_breaker *b, const wsrt_env *env, const wsrt_guarded *call,
                         int *result)
{
    wsrt_guarded c;
    wsrt_env own;
    wsrt_permit permit;
    wsrt_rejection why;

    if (b == NULL || result == NULL)
        return WSRT_ERR_INVALID;
    own = breaker_settings(b)->registry->env;
    int rc = load(&c, &own, env, call);
    if (rc != WSRT_OK)
        return rc;
    if (wsrt_breaker_try_acquire(b, own.now(own.user), &permit, &why) != WSRT_OK)
        return refused(&c, &why, result);
    if (run(b, &own, &c, permit, result) == WSRT_FAILURE &&
        is_fallback_on(&c, WSRT_WITHOUT_FAILED)) {
        wsrt_fallback_info info = {
            .struct_size = sizeof info, .result = *result, .retry_after_ms = -1};
        *result = c.fallback(&info, c.user);
    }
    return WSRT_OK;
}
