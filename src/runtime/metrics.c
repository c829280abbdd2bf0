/* What the other rooms and the runtime itself tell the monitor, read when somebody exports. */
#include "runtime/runtime_internal.h"

#define SECOND_NS INT64_C(1000000000)

/* ---- circuits ----------------------------------------------------------------------------- */

/* One metric of every breaker; NULL = this breaker has none now. */
struct circuit_metric {
    const char *name_cstr;
    int kind;
    int (*value)(const wsrt_breaker_stats *s, double *out);
};

static int state_of(const wsrt_breaker_stats *s, double *out)
{
    *out = s->state;
    return 1;
}

static int failure_rate_of(const wsrt_breaker_stats *s, double *out)
{
    *out = s->failure_rate;
    return 1;
}

static int failures_of(const wsrt_breaker_stats *s, double *out)
{
    *out = (double)s->lifetime_failures;
    return 1;
}

static int successes_of(const wsrt_breaker_stats *s, double *out)
{
    *out = (double)s->lifetime_successes;
    return 1;
}

static int requests_of(const wsrt_breaker_stats *s, double *out)
{
    *out = (double)s->lifetime_failures + (double)s->lifetime_successes;
    return 1;
}

static int rejected_of(const wsrt_breaker_stats *s, double *out)
{
    *out = (double)s->rejected;
    return 1;
}

static int transitions_of(const wsrt_breaker_stats *s, double *out)
{
    *out = (double)(s->generation - s->probes_lost);
    return 1;
}

static int time_of(int64_t wall, double *out)
{
    *out = (double)wall;
    return wall >= 0;
}

static int last_failure_of(const wsrt_breaker_stats *s, double *out)
{
    return time_of(s->last_failure_time, out);
}

static int last_success_of(const wsrt_breaker_stats *s, double *out)
{
    return time_of(s->last_success_time, out);
}

static int next_attempt_of(const wsrt_breaker_stats *s, double *out)
{
    return time_of(s->next_attempt_time, out);
}

static const struct circuit_metric circuits[] = {
    {"CircuitState", WSRT_SOURCE_GAUGE, state_of},
    {"CircuitFailureRate", WSRT_SOURCE_GAUGE, failure_rate_of},
    {"CircuitFailures", WSRT_SOURCE_COUNTER, failures_of},
    {"CircuitSuccesses", WSRT_SOURCE_COUNTER, successes_of},
    {"CircuitRequests", WSRT_SOURCE_COUNTER, requests_of},
    {"CircuitRejected", WSRT_SOURCE_COUNTER, rejected_of},
    {"CircuitTransitions", WSRT_SOURCE_COUNTER, transitions_of},
    {"lastFailureTime", WSRT_SOURCE_GAUGE, last_failure_of},
    {"lastSuccessTime", WSRT_SOURCE_GAUGE, last_success_of},
    {"nextAttemptTime", WSRT_SOURCE_GAUGE, next_attempt_of},
};
_Static_assert(sizeof circuits / sizeof circuits[0] == CIRCUIT_SOURCES, "a source for each");

struct reading {
    const struct metric_source *source;
    wsrt_samples *to;
};

static int read_circuit(wsrt_breaker *b, void *user)
{
    const struct reading *r = user;
    const wsrt_env *env = &r->source->rt->env;
    wsrt_breaker_stats s = {.struct_size = sizeof s};
    wsrt_field labels[] = {wsrt_text_field("Service", wsrt_breaker_service(b)),
                           wsrt_text_field("Operation", wsrt_breaker_operation(b))};
    double value;

    if (wsrt_breaker_get_stats(b, env->now(env->user), env->wall(env->user), &s) != WSRT_OK ||
        !circuits[r->source->which].value(&s, &value))
        return 0;
    return wsrt_sample(r->to, labels, 2, value);
}

static void read_circuits(wsrt_samples *to, void *user)
{
    struct reading r = {user, to};

    (void)wsrt_breakers_foreach(r.source->rt->breakers, read_circuit, &r);
}

/* ---- limits ------------------------------------------------------------------------------- */

static void read_scopes(const uint64_t *by_scope, wsrt_samples *to)
{
    for (int scope = WSRT_SCOPE_CONNECTION; scope <= WSRT_SCOPE_PING; scope++) {
        wsrt_field label = wsrt_text_field("Scope", wsrt_span_cstr(wsrt_scope_name(scope)));
        (void)wsrt_sample(to, &label, 1, (double)by_scope[scope]);
    }
}

static int limiter_stats(const void *user, wsrt_limiter_stats *s)
{
    const struct metric_source *source = user;

    *s = (wsrt_limiter_stats){.struct_size = sizeof *s};
    return wsrt_limiter_get_stats(source->rt->limiter, s) == WSRT_OK;
}

static void read_refused(wsrt_samples *to, void *user)
{
    wsrt_limiter_stats s;

    if (limiter_stats(user, &s))
        read_scopes(s.refused, to);
}

static void read_shadow(wsrt_samples *to, void *user)
{
    wsrt_limiter_stats s;

    if (limiter_stats(user, &s))
        read_scopes(s.shadow, to);
}

static void read_table_full(wsrt_samples *to, void *user)
{
    wsrt_limiter_stats s;
    wsrt_field label = wsrt_text_field("Scope", wsrt_span_cstr("all"));

    if (limiter_stats(user, &s))
        (void)wsrt_sample(to, &label, 1, (double)s.table_full);
}

/* ---- the runtime's own -------------------------------------------------------------------- */

static void read_count(wsrt_samples *to, const _Atomic uint64_t *count)
{
    (void)wsrt_sample(to, NULL, 0, (double)atomic_load_explicit(count, memory_order_relaxed));
}

static void read_server_errors(wsrt_samples *to, void *user)
{
    read_count(to, &((const struct metric_source *)user)->rt->counts.server_errors);
}

static void read_send_failures(wsrt_samples *to, void *user)
{
    read_count(to, &((const struct metric_source *)user)->rt->counts.send_failures);
}

static void read_unguarded(wsrt_samples *to, void *user)
{
    read_count(to, &((const struct metric_source *)user)->rt->counts.unguarded);
}

static void read_redactions(wsrt_samples *to, void *user)
{
    read_count(to, &((const struct metric_source *)user)->rt->counts.redactions);
}

static void read_stale_removed(wsrt_samples *to, void *user)
{
    read_count(to, &((const struct metric_source *)user)->rt->counts.stale_removed);
}

static void read_resident(wsrt_samples *to, void *user)
{
    const wsrt_env *env = &((const struct metric_source *)user)->rt->env;
    int64_t bytes = env->resident(env->user);

    if (bytes >= 0)
        (void)wsrt_sample(to, NULL, 0, (double)bytes);
}

/* Of a stream's last batch, and told for a minute: an age that stayed would be an alarm that stays. */
static void read_stream_age(wsrt_samples *to, void *user)
{
    const wsrt_runtime *rt = ((const struct metric_source *)user)->rt;
    int64_t at = atomic_load_explicit(&rt->stream.at, memory_order_acquire);
    wsrt_field label = wsrt_text_field("Handler", wsrt_span_cstr("stream_processor"));

    if (at == INT64_MIN || rt->env.now(rt->env.user) - at >= 60 * SECOND_NS)
        return;
    (void)wsrt_sample(to, &label, 1,
                      (double)atomic_load_explicit(&rt->stream.age, memory_order_relaxed));
}

/* Records come in their order, so the first is the oldest: of the batch no more is read than that. */
void wsrt_metrics_note_stream(wsrt_context *ctx)
{
    const wsrt_json whole = {.text = ctx->event->body, .kind = WSRT_JSON_OBJECT};
    wsrt_json created;
    double seconds;

    if (wsrt_json_find(&whole, wsrt_span_cstr("/Records/0/dynamodb/ApproximateCreationDateTime"),
                       &created) != WSRT_OK ||
        wsrt_json_double(&created, &seconds) != WSRT_OK || !(seconds > 0 && seconds < 9e12))
        return;
    int64_t age = wsrt_context_wall(ctx) - (int64_t)(seconds * 1000 + 0.5);
    atomic_store_explicit(&ctx->rt->stream.age, age > 0 ? age : 0, memory_order_relaxed);
    atomic_store_explicit(&ctx->rt->stream.at, ctx->now, memory_order_release);
}

static const struct {
    const char *name_cstr;
    int kind;
    wsrt_source_fn read;
    int of_limiter;
} others[] = {
    {"RateLimited", WSRT_SOURCE_COUNTER, read_refused, 1},
    {"RateLimitShadow", WSRT_SOURCE_COUNTER, read_shadow, 1},
    {"LimiterTableFull", WSRT_SOURCE_COUNTER, read_table_full, 1},
    {"IntegrationErrors", WSRT_SOURCE_COUNTER, read_server_errors, 0},
    {"SendFailures", WSRT_SOURCE_COUNTER, read_send_failures, 0},
    {"StaleConnectionsRemoved", WSRT_SOURCE_COUNTER, read_stale_removed, 0},
    {"UnguardedCalls", WSRT_SOURCE_COUNTER, read_unguarded, 0},
    {"ProcessResidentBytes", WSRT_SOURCE_GAUGE, read_resident, 0},
    {"StreamIteratorAge", WSRT_SOURCE_GAUGE, read_stream_age, 0},
    {"Redactions", WSRT_SOURCE_COUNTER, read_redactions, 0},
};
enum { OTHERS = sizeof others / sizeof others[0] };

/* ---- breakers in the log ------------------------------------------------------------------- */

static const char *state_name(int state)
{
    static const char *const names[] = {"CLOSED",      "HALF_OPEN", "OPEN",
                                        "FORCED_OPEN", "DISABLED",  "METRICS_ONLY"};

    return state >= WSRT_BREAKER_CLOSED && state <= WSRT_BREAKER_METRICS_ONLY ? names[state] : "";
}

static void log_transition(const wsrt_breaker_event *e, void *user)
{
    const wsrt_env *env = &((const wsrt_runtime *)user)->env;
    uint64_t total = e->failure_count + e->success_count;
    wsrt_field rate = {.name_cstr = "failureRate",
                       .kind = WSRT_FIELD_REAL,
                       .real = total == 0 ? 0 : (double)e->failure_count / (double)total};
    wsrt_field fields[] = {
        wsrt_text_field("service", e->service),
        wsrt_text_field("operation", e->operation),
        wsrt_text_field("state", wsrt_span_cstr(state_name(e->to))),
        rate,
        wsrt_int_field("totalRequests", (int64_t)total),
    };

    if (e->kind == WSRT_BREAKER_EVENT_TRANSITION)
        env->log(env->user, e->to == WSRT_BREAKER_CLOSED ? WSRT_LEVEL_INFO : WSRT_LEVEL_WARN,
                 "breaker", fields, 5);
}

/* ---- life --------------------------------------------------------------------------------- */

static int add_source(wsrt_runtime *rt, const char *name_cstr, int kind, wsrt_source_fn read)
{
    return wsrt_monitor_source(rt->monitor, name_cstr, kind, read, &rt->sources[0]);
}

int wsrt_metrics_open(wsrt_runtime *rt)
{
    int rc = wsrt_breakers_listen(rt->breakers, 1u << WSRT_BREAKER_EVENT_TRANSITION, log_transition,
                                  rt, &rt->listener);

    for (int i = 0; rc == WSRT_OK && i < CIRCUIT_SOURCES; i++) {
        rt->sources[i] = (struct metric_source){rt, i};
        rc = wsrt_monitor_source(rt->monitor, circuits[i].name_cstr, circuits[i].kind,
                                 read_circuits, &rt->sources[i]);
    }
    for (int i = 0; rc == WSRT_OK && i < OTHERS; i++)
        if (rt->limiter != NULL || !others[i].of_limiter)
            rc = add_source(rt, others[i].name_cstr, others[i].kind, others[i].read);
    return rc;
}

void wsrt_metrics_close(wsrt_runtime *rt)
{
    for (int i = 0; i < CIRCUIT_SOURCES; i++)
        wsrt_monitor_source_remove(rt->monitor, &rt->sources[i]);
    if (rt->breakers != NULL)
        wsrt_breakers_unlisten(rt->breakers, rt->listener);
}
