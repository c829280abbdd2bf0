/* The dependency container: what a runtime is made of, its routes, its clockwork. */
#include "runtime/runtime_internal.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/options.h"
#include "sender/sender.h"

#include <string.h>

static const int64_t second = 1000000000;

enum { SWEEP_EVERY_S = 60, SWEEP_AT_ONCE = 1000, DEFAULT_TTL_S = 600, DEFAULT_MAX = 131072 };

/* A record's expiry is moved when a quarter of its life is over, and what moves it are the pings of
 * the gateway's profile: one in 300 s + 10 %, repeated after 10 s without its pong. */
enum { LEAST_TTL_S = ((300 * 11 / 10 + 2 * 10) * 4 + 2) / 3 };

/* ---- construction ---- */

/* A setting that makes no sense is told to the log with its rule. */
static int refuse(const wsrt_env *env, const char *setting_cstr, const char *rule_cstr)
{
    const wsrt_field fields[] = {
        {.name_cstr = "setting", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(setting_cstr)},
        {.name_cstr = "rule", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(rule_cstr)},
    };

    env->log(env->user, WSRT_LEVEL_ERROR, "runtime.setting_refused", fields, 2);
    return WSRT_ERR_INVALID;
}

static int check_interfaces(const wsrt_runtime_options *o, const wsrt_env *env)
{
    if (o->store != NULL && (!wsrt_size_valid(o->store->ops, sizeof *o->store->ops) ||
                             o->store->ops->put == NULL || o->store->ops->get == NULL ||
                             o->store->ops->remove == NULL || o->store->ops->each == NULL))
        return refuse(env, "store", "a table that has put, get, remove and each");
    if (o->history != NULL && (!wsrt_size_valid(o->history->ops, sizeof *o->history->ops) ||
                               o->history->ops->append == NULL || o->history->ops->list == NULL))
        return refuse(env, "history", "a table that has append and list");
    if (o->sender != NULL && !wsrt_sender_valid(o->sender))
        return refuse(env, "sender", "a table that has post");
    if (o->authenticator != NULL &&
        (!wsrt_size_valid(o->authenticator->ops, sizeof *o->authenticator->ops) ||
         o->authenticator->ops->authenticate == NULL))
        return refuse(env, "authenticator", "a table that has authenticate");
    return WSRT_OK;
}

static uint64_t random_word(const wsrt_env *env)
{
    uint64_t word = 0;

    return env->random(env->user, &word, sizeof word) == WSRT_OK ? word : 0;
}

static int add_store(wsrt_runtime *rt, const wsrt_runtime_options *o)
{
    wsrt_memory_store_options opts = {
        .struct_size = sizeof opts, .allocator = rt->allocator, .hash_key = random_word(&rt->env)};
    wsrt_store store;
    wsrt_history history;

    if (o->store == NULL || o->history == NULL) {
        int rc = wsrt_memory_store_new(&rt->owned_store, &opts);
        if (rc != WSRT_OK)
            return rc;
        wsrt_memory_store_connections(rt->owned_store, &store);
        wsrt_memory_store_history(rt->owned_store, &history);
    }
    rt->store = o->store != NULL ? *o->store : store;
    rt->history = o->history != NULL ? *o->history : history;
    return WSRT_OK;
}

static int add_monitor(wsrt_runtime *rt, const wsrt_runtime_options *o)
{
    wsrt_monitor_options opts = {.struct_size = sizeof opts,
                                 .allocator = rt->allocator,
                                 .env = &rt->env,
                                 .environment = o->environment,
                                 .redact = wsrt_redact};

    rt->monitor = o->monitor;
    if (rt->monitor != NULL)
        return WSRT_OK;
    if (o->environment.len > 255)
        return refuse(&rt->env, "environment", "at most 255 bytes");
    if ((o->flags & WSRT_RUNTIME_API_GATEWAY) != 0) /* a function: one operation at a time */
        opts.flags = WSRT_MONITOR_RESIDENT_DELTA;
    int rc = wsrt_monitor_new(&rt->owned_monitor, &opts);
    rt->monitor = rt->owned_monitor;
    return rc;
}

static int add_limiter(wsrt_runtime *rt, const wsrt_runtime_options *o)
{
    wsrt_limiter_options opts = {
        .struct_size = sizeof opts, .allocator = rt->allocator, .hash_key = random_word(&rt->env)};

    if ((o->flags & WSRT_RUNTIME_NO_LIMITS) != 0)
        return WSRT_OK;
    rt->limiter = o->limiter;
    if (rt->limiter != NULL)
        return WSRT_OK;
    if ((o->flags & WSRT_RUNTIME_API_GATEWAY) != 0)
        opts.stage = (wsrt_rule){.rate = 50, .burst = 100};
    int rc = wsrt_limiter_new(&rt->owned_limiter, &opts);
    rt->limiter = rt->owned_limiter;
    return rc;
}

static int add_breakers(wsrt_runtime *rt, const wsrt_runtime_options *o)
{
    wsrt_breakers_options opts = {.struct_size = sizeof opts,
                                  .allocator = rt->allocator,
                                  .env = &rt->env,
                                  .now = rt->env.now(rt->env.user)};

    rt->breakers = o->breakers;
    if (rt->breakers != NULL)
        return WSRT_OK;
    int rc = wsrt_breakers_new(&rt->owned_breakers, &opts);
    rt->breakers = rt->owned_breakers;
    return rc;
}

static int keep_node(wsrt_runtime *rt, wsrt_span node)
{
    if (node.len == 0)
        return WSRT_OK;
    if (node.len > WSRT_NODE_MAX)
        return refuse(&rt->env, "node", "at most 63 bytes");
    rt->text = wsrt_mem_alloc(&rt->allocator, node.len);
    if (rt->text == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(rt->text, node.ptr, node.len);
    rt->text_size = node.len;
    rt->node = (wsrt_span){rt->text, node.len};
    return WSRT_OK;
}

static int fill(wsrt_runtime *rt, const wsrt_runtime_options *o)
{
    wsrt_span selection =
        o->selection.len > 0 ? o->selection : wsrt_span_cstr("$request.body.type");
    int rc;

    rt->flags = o->flags;
    rt->idle_ttl_s = o->idle_ttl_s > 0 ? o->idle_ttl_s : DEFAULT_TTL_S;
    rt->max_lifetime_s = o->max_lifetime_s;
    rt->max_message = o->max_message > 0 ? o->max_message : DEFAULT_MAX;
    rt->epoch = rt->env.wall(rt->env.user);
    atomic_store(&rt->last_tick, rt->env.now(rt->env.user));
    atomic_store(&rt->last_sweep, rt->env.now(rt->env.user));
    rt->resume = o->resume;
    atomic_store(&rt->resume_due, INT64_MAX);
    atomic_store(&rt->stream.at, INT64_MIN);
    wsrt_sender_settle(rt, o->sender);
    if (o->authenticator != NULL)
        rt->authenticator = *o->authenticator;
    const char *rule, *setting = wsrt_session_policy_load(&rt->refusals, o, &rule);
    if (setting != NULL)
        return refuse(&rt->env, setting, rule);
    rc = wsrt_selection_compile(&rt->selection, &rt->allocator, selection);
    if (rc == WSRT_ERR_INVALID)
        return refuse(&rt->env, "selection", "an expression such as $request.body.type");
    if (rc != WSRT_OK || (rc = keep_node(rt, o->node)) != WSRT_OK ||
        (rc = add_store(rt, o)) != WSRT_OK || (rc = add_monitor(rt, o)) != WSRT_OK ||
        (rc = add_limiter(rt, o)) != WSRT_OK || (rc = add_breakers(rt, o)) != WSRT_OK)
        return rc;
    return wsrt_metrics_open(rt);
}

static int check_times(const wsrt_runtime_options *o, const wsrt_env *env)
{
    _Static_assert(LEAST_TTL_S == 467, "the rule says so");
    if (o->max_lifetime_s < 0)
        return refuse(env, "max_lifetime_s", "not negative");
    if (o->idle_ttl_s == 0 || o->idle_ttl_s >= LEAST_TTL_S)
        return WSRT_OK;
    return refuse(env, "idle_ttl_s",
                  "at least 467, or records of clients that ping every five minutes expire between "
                  "two of their messages");
}

int wsrt_runtime_new(wsrt_runtime **out, const wsrt_runtime_options *opts)
{
    enum {
        KNOWN = WSRT_RUNTIME_DEVELOPER_ERRORS | WSRT_RUNTIME_NO_LIMITS | WSRT_RUNTIME_API_GATEWAY |
                WSRT_RUNTIME_REQUIRE_AUTH | WSRT_RUNTIME_QUIET_LIMITS | WSRT_RUNTIME_ULID
    };
    wsrt_runtime_options o;
    wsrt_allocator allocator;
    wsrt_env env;
    int rc;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if ((rc = wsrt_options_load(&o, sizeof o, sizeof(wsrt_runtime_options), opts)) != WSRT_OK ||
        (rc = wsrt_allocator_load(&allocator, &o.allocator)) != WSRT_OK ||
        (rc = wsrt_env_load(&env, o.env)) != WSRT_OK ||
        (rc = check_interfaces(&o, &env)) != WSRT_OK)
        return rc;
    if ((o.flags & ~(uint32_t)KNOWN) != 0)
        return WSRT_ERR_UNSUPPORTED;
    if ((rc = check_times(&o, &env)) != WSRT_OK)
        return rc;
    wsrt_runtime *rt = wsrt_mem_zalloc(&allocator, sizeof *rt);
    if (rt == NULL)
        return WSRT_ERR_NOMEM;
    rt->allocator = allocator;
    rt->env = env;
    rc = fill(rt, &o);
    if (rc != WSRT_OK) {
        wsrt_runtime_free(rt);
        return rc;
    }
    *out = rt;
    return WSRT_OK;
}

static void free_route(wsrt_runtime *rt, struct route *route)
{
    wsrt_mem_free(&rt->allocator, (char *)(uintptr_t)route->key.ptr, route->text_size);
    wsrt_mem_free(&rt->allocator, route, sizeof *route);
}

void wsrt_runtime_free(wsrt_runtime *rt)
{
    if (rt == NULL)
        return;
    for (size_t i = 0; i < rt->route_count; i++) {
        if (rt->routes[i]->destroy != NULL)
            rt->routes[i]->destroy(rt->routes[i]->user);
        free_route(rt, rt->routes[i]);
    }
    wsrt_mem_free(&rt->allocator, rt->routes, rt->route_cap * sizeof(struct route *));
    wsrt_metrics_close(rt);
    wsrt_breakers_free(rt->owned_breakers);
    wsrt_limiter_free(rt->owned_limiter);
    wsrt_monitor_free(rt->owned_monitor);
    wsrt_memory_store_free(rt->owned_store);
    wsrt_selection_free(&rt->selection, &rt->allocator);
    wsrt_mem_free(&rt->allocator, rt->text, rt->text_size);
    wsrt_allocator allocator = rt->allocator;
    wsrt_mem_free(&allocator, rt, sizeof *rt);
}

int wsrt_runtime_set_sender(wsrt_runtime *rt, const wsrt_sender *sender)
{
    if (rt == NULL || (sender != NULL && !wsrt_sender_valid(sender)))
        return WSRT_ERR_INVALID;
    if (sender != NULL && rt->sender.ops != NULL)
        return WSRT_ERR_EXISTS;
    wsrt_sender_settle(rt, sender);
    return WSRT_OK;
}

/* ---- routes, sorted by length, then bytes ---- */

static int compare_keys(wsrt_span a, wsrt_span b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len == 0 ? 0 : memcmp(a.ptr, b.ptr, a.len);
}

static size_t position(const wsrt_runtime *rt, wsrt_span key)
{
    size_t low = 0, high = rt->route_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(rt->routes[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct route *wsrt_route_find(const wsrt_runtime *rt, wsrt_span key)
{
    size_t at = position(rt, key);

    return at < rt->route_count && compare_keys(rt->routes[at]->key, key) == 0 ? rt->routes[at]
                                                                               : NULL;
}

static int copy_text(const wsrt_runtime *rt, struct route *to, const wsrt_route *from)
{
    to->text_size = from->key.len + from->any_group.len + from->all_scopes.len;
    char *next = wsrt_mem_alloc(&rt->allocator, to->text_size);
    const wsrt_span *in[] = {&from->key, &from->any_group, &from->all_scopes};
    wsrt_span *kept[] = {&to->key, &to->any_group, &to->all_scopes};

    if (next == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < 3; i++) {
        *kept[i] = (wsrt_span){next, in[i]->len};
        if (in[i]->len > 0)
            memcpy(next, in[i]->ptr, in[i]->len);
        next += in[i]->len;
    }
    return WSRT_OK;
}

static void find_slots(struct route *r)
{
    static const char *const names[SLOT_COUNT] = {"type",      "action", "message",
                                                  "sessionId", "token",  "correlationId"};

    for (size_t i = 0; i < SLOT_COUNT; i++)
        r->slots[i] = r->schema == NULL ? -1 : wsrt_schema_slot(r->schema, names[i]);
    if (r->schema == NULL)
        return;
    r->scratch = wsrt_schema_scratch(r->schema, NULL);
    r->slot_count = (size_t)wsrt_schema_slot_count(r->schema);
}

/* Streams have one that alarms and dashboards know; a monitor that is full does without it. */
static int find_operation(wsrt_runtime *rt, const wsrt_route *from, int *id)
{
    if (from->operation.len > 0)
        return wsrt_monitor_operation(rt->monitor, from->operation, id);
    if (!wsrt_span_equal(from->key, wsrt_span_cstr("$stream")))
        return WSRT_OK;
    int rc = wsrt_monitor_operation(rt->monitor, wsrt_span_cstr("stream_processor"), id);
    return rc == WSRT_ERR_LIMIT ? WSRT_OK : rc;
}

static int make_route(wsrt_runtime *rt, const wsrt_route *from, struct route **out)
{
    struct route *r = wsrt_mem_zalloc(&rt->allocator, sizeof *r);
    int rc;

    if (r == NULL)
        return WSRT_ERR_NOMEM;
    rc = copy_text(rt, r, from);
    r->operation = -1;
    if (rc == WSRT_OK)
        rc = find_operation(rt, from, &r->operation);
    if (rc != WSRT_OK) {
        free_route(rt, r);
        return rc;
    }
    r->handler = from->handler;
    r->user = from->user;
    r->destroy = from->destroy;
    r->schema = from->schema;
    r->access = from->access;
    r->flags = from->flags;
    r->rule = from->rule;
    r->has_rule = from->rule.rate > 0 || from->rule.burst > 0 || from->rule.flags != 0;
    find_slots(r);
    *out = r;
    return WSRT_OK;
}

static int make_room(wsrt_runtime *rt)
{
    size_t cap = rt->route_cap == 0 ? 8 : 2 * rt->route_cap;

    if (rt->route_count < rt->route_cap)
        return WSRT_OK;
    struct route **grown =
        wsrt_mem_resize(&rt->allocator, rt->routes, rt->route_cap * sizeof(struct route *),
                        cap * sizeof(struct route *));
    if (grown == NULL)
        return WSRT_ERR_NOMEM;
    rt->routes = grown;
    rt->route_cap = cap;
    return WSRT_OK;
}

/* A rate that the limiter does not know would fail every message of the route. */
static int check_rate(const wsrt_runtime *rt, const wsrt_route *r)
{
    const wsrt_limit_key key = {.scope = WSRT_SCOPE_ROUTE, .key = r->key, .rule = &r->rule};

    if (r->rule.rate < 0 || (r->rule.rate > 0) != (r->rule.burst > 0))
        return WSRT_ERR_INVALID;
    return rt->limiter == NULL ? WSRT_OK : wsrt_limiter_check(rt->limiter, &key, 1, 0, 0, NULL);
}

static int check_route(const wsrt_runtime *rt, const wsrt_route *r)
{
    if ((r->flags & ~(uint32_t)(WSRT_ROUTE_TWO_WAY | WSRT_ROUTE_PING)) != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (r->handler == NULL || r->key.ptr == NULL || r->key.len == 0 || r->key.len > 128 ||
        (r->access != WSRT_ACCESS_ANYONE && r->access != WSRT_ACCESS_SIGNED_IN))
        return WSRT_ERR_INVALID;
    if (r->access == WSRT_ACCESS_ANYONE && (r->any_group.len > 0 || r->all_scopes.len > 0))
        return WSRT_ERR_INVALID; /* whoever asks for groups believes that they are asked for */
    if (r->key.ptr[0] == '$' && !wsrt_span_equal(r->key, wsrt_span_cstr("$connect")) &&
        !wsrt_span_equal(r->key, wsrt_span_cstr("$disconnect")) &&
        !wsrt_span_equal(r->key, wsrt_span_cstr("$stream")) &&
        !wsrt_span_equal(r->key, wsrt_span_cstr("$default")))
        return WSRT_ERR_INVALID;
    return check_rate(rt, r);
}

static void note_reserved(wsrt_runtime *rt, struct route *r)
{
    if (wsrt_span_equal(r->key, wsrt_span_cstr("$connect")))
        rt->on_connect = r;
    else if (wsrt_span_equal(r->key, wsrt_span_cstr("$disconnect")))
        rt->on_disconnect = r;
    else if (wsrt_span_equal(r->key, wsrt_span_cstr("$stream")))
        rt->on_stream = r;
    else if (wsrt_span_equal(r->key, wsrt_span_cstr("$default")))
        rt->on_default = r;
    else
        rt->selects = 1;
}

int wsrt_runtime_route(wsrt_runtime *rt, const wsrt_route *route)
{
    struct route *r = NULL;
    wsrt_route given;
    int rc;

    if (rt == NULL || route == NULL)
        return WSRT_ERR_INVALID;
    if ((rc = wsrt_options_load(&given, sizeof given, sizeof(wsrt_route), route)) != WSRT_OK ||
        (rc = check_route(rt, &given)) != WSRT_OK)
        return rc;
    if (atomic_load(&rt->started))
        return WSRT_ERR_STATE;
    if (wsrt_route_find(rt, given.key) != NULL)
        return WSRT_ERR_EXISTS;
    if ((rc = make_room(rt)) != WSRT_OK || (rc = make_route(rt, &given, &r)) != WSRT_OK)
        return rc;
    size_t at = position(rt, r->key);
    memmove(rt->routes + at + 1, rt->routes + at, (rt->route_count - at) * sizeof *rt->routes);
    rt->routes[at] = r;
    rt->route_count++;
    note_reserved(rt, r);
    return WSRT_OK;
}

/* ---- what time brings ---- */

int64_t wsrt_runtime_next_deadline(wsrt_runtime *rt)
{
    int64_t next = INT64_MAX;

    if (rt == NULL)
        return next;
    if (atomic_load_explicit(&rt->busy, memory_order_relaxed))
        next = atomic_load_explicit(&rt->last_tick, memory_order_relaxed) + second;
    if (atomic_load_explicit(&rt->expiring, memory_order_relaxed)) {
        int64_t sweep =
            atomic_load_explicit(&rt->last_sweep, memory_order_relaxed) + SWEEP_EVERY_S * second;
        next = sweep < next ? sweep : next;
    }
    int64_t resume = atomic_load_explicit(&rt->resume_due, memory_order_relaxed);
    return resume < next ? resume : next;
}

static void sweep(wsrt_runtime *rt, int64_t now, int64_t wall)
{
    size_t removed = 0;

    if (!atomic_load_explicit(&rt->expiring, memory_order_relaxed) ||
        rt->store.ops->expire == NULL ||
        now - atomic_load_explicit(&rt->last_sweep, memory_order_relaxed) < SWEEP_EVERY_S * second)
        return;
    atomic_store_explicit(&rt->last_sweep, now, memory_order_relaxed);
    int rc = rt->store.ops->expire(rt->store.self, wall / 1000, SWEEP_AT_ONCE, &removed);
    if (rc == WSRT_OK)
        wsrt_count(&rt->counts.stale_removed, removed);
    if (rc != WSRT_OK) {
        wsrt_field field = {.name_cstr = "error",
                            .kind = WSRT_FIELD_TEXT,
                            .text = wsrt_span_cstr(wsrt_status_name(rc))};
        rt->env.log(rt->env.user, WSRT_LEVEL_WARN, "expire_failed", &field, 1);
    }
}

int wsrt_runtime_tick(wsrt_runtime *rt, int64_t now, int64_t wall)
{
    if (rt == NULL)
        return WSRT_ERR_INVALID;
    atomic_store_explicit(&rt->busy, 0, memory_order_relaxed);
    atomic_store_explicit(&rt->last_tick, now, memory_order_relaxed);
    sweep(rt, now, wall);
    wsrt_sessions_tick(rt);
    (void)wsrt_monitor_tick(rt->monitor, now, wall); /* without memory the next tick catches up */
    return WSRT_OK;
}

/* ---- parts ---- */

wsrt_monitor *wsrt_runtime_monitor(wsrt_runtime *rt)
{
    return rt->monitor;
}

wsrt_breakers *wsrt_runtime_breakers(wsrt_runtime *rt)
{
    return rt->breakers;
}

wsrt_limiter *wsrt_runtime_limiter(wsrt_runtime *rt)
{
    return rt->limiter;
}

const wsrt_store *wsrt_runtime_store(wsrt_runtime *rt)
{
    return &rt->store;
}

const wsrt_history *wsrt_runtime_history(wsrt_runtime *rt)
{
    return &rt->history;
}

const wsrt_env *wsrt_runtime_env(wsrt_runtime *rt)
{
    return &rt->env;
}
