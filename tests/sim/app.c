/* The application: it stores, calls an outside service, and tells others. Between it and its store are
 * the seed's slowness and faults, and the ledger. */
#include "sim.h"

#include <wsrt/runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEALTHY, FAILING, SLOW, STATES };

static struct {
    wsrt_store store; /* behind the wrapper */
    wsrt_history history;
    int service;
    int held[LEDGER_CONNECTIONS]; /* answers that the plant keeps back */
} app;

/* ---- the store, with its faults ----------------------------------------------------------- */

static void dawdle(void)
{
    if (!fiber_inside())
        return;
    if (plan.store_slow > 0 && dice_chance(DICE_APP, 300))
        fiber_sleep(dice_between(DICE_APP, 1, plan.store_slow) * SIM_MS);
    fiber_pause();
}

/* A status, if the store is to fail now. Time passes either way. */
static int trouble(void)
{
    static const int statuses[] = {WSRT_ERR_UNAVAILABLE, WSRT_ERR_IO, WSRT_ERR_TIMEOUT,
                                   WSRT_ERR_THROTTLED};

    if (!fiber_inside())
        return WSRT_OK;
    dawdle();
    if (!dice_chance(DICE_APP, plan.store_bad))
        return WSRT_OK;
    work.faults++;
    return statuses[dice_below(DICE_APP, 4)];
}

static int store_put(void *self, const wsrt_record *r, int if_absent, int64_t now_s)
{
    uint64_t since = ledger_moment();
    int rc = trouble();

    (void)self;
    if (rc == WSRT_OK)
        rc = app.store.ops->put(app.store.self, r, if_absent, now_s);
    world_note("put", rc, 0);
    if (rc != WSRT_OK)
        return rc;
    ledger_found(r->connection_id, since, "put");
    ledger_put(r->connection_id);
    if (planted == PLANT_ARRIVING && dice_chance(DICE_APP, 100))
        ledger_removing(r->connection_id);
    dawdle(); /* others see it before its caller does */
    return rc;
}

static int store_get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
                     size_t cap)
{
    uint64_t since = ledger_moment();
    int rc = trouble();

    (void)self;
    if (rc == WSRT_OK)
        rc = app.store.ops->get(app.store.self, id, now_s, out, buf, cap);
    if (rc == WSRT_OK)
        ledger_found(*id, since, "get");
    return rc;
}

static void bring_back(const wsrt_span *id)
{
    wsrt_record r = {.struct_size = sizeof r, .connection_id = *id, .connected_at = 1};

    if (planted == PLANT_RESURRECTED && dice_chance(DICE_APP, 200))
        (void)app.store.ops->put(app.store.self, &r, 0, 1);
}

static int store_remove(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    int rc = trouble();

    (void)self;
    ledger_removing(*id);
    if (rc == WSRT_OK)
        rc = app.store.ops->remove(app.store.self, id, if_connected_at);
    world_note("remove", rc, 0);
    ledger_removed(*id, rc);
    bring_back(id);
    return rc;
}

static int store_touch(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at)
{
    uint64_t since = ledger_moment();
    int rc = trouble();

    (void)self;
    if (rc == WSRT_OK)
        rc = app.store.ops->touch(app.store.self, id, last_active_at, expires_at);
    if (rc == WSRT_OK)
        ledger_found(*id, since, "touch");
    return rc;
}

static int store_set_principal(void *self, const wsrt_span *id, const wsrt_span *user_id,
                               const wsrt_span *principal)
{
    uint64_t since = ledger_moment();
    int rc = trouble();

    (void)self;
    if (rc == WSRT_OK)
        rc = app.store.ops->set_principal(app.store.self, id, user_id, principal);
    if (rc == WSRT_OK)
        ledger_found(*id, since, "set_principal");
    return rc;
}

static int store_set_filters(void *self, const wsrt_span *id, const wsrt_span *filters)
{
    uint64_t since = ledger_moment();
    int rc = trouble();

    (void)self;
    if (rc == WSRT_OK)
        rc = app.store.ops->set_filters(app.store.self, id, filters);
    if (rc == WSRT_OK)
        ledger_found(*id, since, "set_filters");
    return rc;
}

static int store_each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                      int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                      size_t *count)
{
    uint64_t since = ledger_moment();
    int rc = trouble();

    (void)self;
    if (rc == WSRT_OK)
        rc = app.store.ops->each(app.store.self, user_id, flags, cursor, now_s, out, max, buf, cap,
                                 count);
    for (size_t i = 0; rc == WSRT_OK && i < *count; i++)
        ledger_found(out[i].connection_id, since, "each");
    return rc;
}

static int store_count(void *self, int64_t now_s, uint64_t *out)
{
    (void)self;
    return app.store.ops->count(app.store.self, now_s, out);
}

static int store_expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    (void)self;
    return app.store.ops->expire(app.store.self, now_s, limit, removed);
}

static int store_flush(void *self)
{
    (void)self;
    return app.store.ops->flush(app.store.self);
}

static int history_append(void *self, const wsrt_history_entry *e)
{
    int rc = trouble();

    (void)self;
    return rc == WSRT_OK ? app.history.ops->append(app.history.self, e) : rc;
}

static int history_list(void *self, const wsrt_span *session, wsrt_cursor *cursor, int64_t now_s,
                        wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count)
{
    (void)self;
    return app.history.ops->list(app.history.self, session, cursor, now_s, out, max, buf, cap,
                                 count);
}

static int history_expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    (void)self;
    return app.history.ops->expire(app.history.self, now_s, limit, removed);
}

static const wsrt_store_ops store_ops = {.struct_size = sizeof store_ops,
                                         .put = store_put,
                                         .get = store_get,
                                         .remove = store_remove,
                                         .touch = store_touch,
                                         .set_principal = store_set_principal,
                                         .set_filters = store_set_filters,
                                         .each = store_each,
                                         .count = store_count,
                                         .expire = store_expire,
                                         .flush = store_flush};

static const wsrt_history_ops history_ops = {.struct_size = sizeof history_ops,
                                             .append = history_append,
                                             .list = history_list,
                                             .expire = history_expire};

void app_wrap(wsrt_store *store, wsrt_history *history)
{
    app.store = *store;
    app.history = *history;
    *store = (wsrt_store){&store_ops, NULL};
    *history = (wsrt_history){&history_ops, NULL};
}

/* ---- messages ----------------------------------------------------------------------------- */

struct message {
    int c;
    int64_t n;
};

/* {"type":...,"data":{"n":N}} from a connection that the ledger knows. */
static struct message read_message(const wsrt_request *req)
{
    static const char key[] = "\"n\":";
    wsrt_span body = req->event->body;
    const char *at = memmem(body.ptr, body.len, key, sizeof key - 1);
    struct message m = {ledger_find(req->event->connection_id), 0};
    char digits[8] = "";

    if (at != NULL)
        snprintf(digits, sizeof digits, "%.5s", at + sizeof key - 1);
    m.n = atoi(digits);
    int64_t now = req->event->now != 0 ? req->event->now : world_now();
    ledger_message(req->event->connection_id, m.n, now);
    world_note("message", m.c, m.n);
    return m;
}

static int answer(wsrt_context *ctx, const char *what, int c, int64_t n)
{
    char text[64];

    snprintf(text, sizeof text, "{\"%s\":%lld,\"c\":%d}", what, (long long)n, c);
    return wsrt_reply(ctx, wsrt_span_cstr(text));
}

/* The plant of the order: an answer waits for the next one, and comes after it. */
static int acknowledge(wsrt_context *ctx, const struct message *m)
{
    int held = app.held[m->c];

    app.held[m->c] = 0;
    if (planted == PLANT_ORDER && held == 0 && dice_chance(DICE_APP, 100)) {
        app.held[m->c] = (int)m->n;
        return 0;
    }
    int rc = answer(ctx, "ack", m->c, m->n);
    return held == 0 || rc != WSRT_OK ? rc : answer(ctx, "ack", m->c, held);
}

static int on_say(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    static const char content[] = "hello";
    struct message m = read_message(req);
    const wsrt_history *h = wsrt_context_history(ctx);
    char session[LEDGER_TEXT], id[LEDGER_TEXT];

    (void)user;
    snprintf(session, sizeof session, "s%d", m.c);
    snprintf(id, sizeof id, "m%lld", (long long)m.n);
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .author = WSRT_AUTHOR_USER,
                            .message_id = wsrt_span_cstr(id),
                            .session_id = wsrt_span_cstr(session),
                            .connection_id = req->event->connection_id,
                            .content = wsrt_span_cstr(content),
                            .timestamp = wsrt_context_wall(ctx)};
    if (planted == PLANT_ACKNOWLEDGED && dice_chance(DICE_APP, 50))
        return acknowledge(ctx, &m);
    int rc = h->ops->append(h->self, &e);
    if (rc != WSRT_OK)
        return rc;
    ledger_stored(m.c, m.n);
    return acknowledge(ctx, &m);
}

static int tell(wsrt_context *ctx, const wsrt_request *req, const char *what)
{
    struct message m = read_message(req);
    int to = ledger_some();
    char text[64];

    snprintf(text, sizeof text, "{\"told\":%lld,\"c\":%d}", (long long)m.n, m.c);
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
    if (*what == 's')
        (void)wsrt_broadcast(wsrt_context_runtime(ctx), NULL, &post, NULL);
    else if (ledger_id(to).len > 0)
        (void)wsrt_send(wsrt_context_runtime(ctx), ledger_id(to), &post);
    return 0;
}

static int on_shout(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return tell(ctx, req, "shout");
}

static int on_whisper(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return tell(ctx, req, "whisper");
}

/* ---- the service -------------------------------------------------------------------------- */

static int outcome_of(int rc)
{
    if (rc == WSRT_OK)
        return WSRT_SUCCESS;
    return rc == WSRT_ERR_FORBIDDEN ? WSRT_IGNORED : WSRT_FAILURE;
}

static int ask_service(wsrt_context *ctx, void *breaker)
{
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    int rc = WSRT_OK;

    (void)ctx;
    wsrt_breaker_get_stats(breaker, world_now(), world_wall(), &stats);
    uint64_t probe = ledger_call_begins(stats.true_state, stats.generation);
    world_note("service", app.service, stats.true_state);
    int slow = app.service == SLOW || probe != 0; /* as a service is that has just come back */
    fiber_sleep(dice_between(DICE_APP, 0, slow ? 3000 : 40) * SIM_MS);
    if (app.service == FAILING && dice_chance(DICE_APP, 800))
        rc = dice_chance(DICE_APP, 500) ? WSRT_ERR_UNAVAILABLE : WSRT_ERR_TIMEOUT;
    else if (dice_chance(DICE_APP, 50))
        rc = WSRT_ERR_FORBIDDEN;
    ledger_call_ends(outcome_of(rc), probe);
    return rc;
}

static int on_call(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct message m = read_message(req);
    wsrt_breaker *b = NULL;
    int rc;

    (void)user;
    if (wsrt_breakers_find(wsrt_context_breakers(ctx), wsrt_span_cstr("svc"), wsrt_span_cstr("ask"),
                           &b) != WSRT_OK)
        violated("harness", "the breaker is missing");
    if (planted == PLANT_RECORDED && dice_chance(DICE_APP, 50))
        rc = ask_service(ctx, b);
    else
        rc = wsrt_call(ctx, "svc", "ask", ask_service, NULL, b);
    wsrt_breaker_release_ref(b);
    if (rc == WSRT_ERR_CIRCUIT_OPEN)
        ledger_call_refused();
    return rc == WSRT_OK ? answer(ctx, "called", m.c, m.n) : rc;
}

static void change_service(void *user, uint64_t arg)
{
    (void)user;
    (void)arg;
    app.service = (int)dice_below(DICE_APP, STATES);
    world_note("service becomes", app.service, 0);
    world_later(dice_between(DICE_APP, 200, 6000) * SIM_MS, change_service, NULL, 0);
}

/* ---- connections -------------------------------------------------------------------------- */

static int on_connect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_span text;
    char number[8];

    (void)user;
    if (wsrt_event_query(req->event, "c", &text) != WSRT_OK)
        return wsrt_respond(ctx, 400, wsrt_span_cstr("{}"));
    snprintf(number, sizeof number, "%.*s", (int)(text.len < 7 ? text.len : 7), text.ptr);
    ledger_connects(atoi(number), req->event->connection_id);
    fiber_pause();
    if (dice_chance(DICE_APP, 30))
        return wsrt_respond(ctx, 403, wsrt_span_cstr("{}"));
    return 0;
}

static int on_disconnect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)ctx;
    (void)user;
    world_note("disconnect", ledger_find(req->event->connection_id), req->event->disconnect_code);
    ledger_disconnects(req->event->connection_id);
    return 0;
}

static void add(wsrt_runtime *rt, const char *key, wsrt_handler handler)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler};

    if (wsrt_runtime_route(rt, &route) != WSRT_OK)
        violated("harness", "no route %s", key);
}

void app_routes(wsrt_runtime *rt)
{
    add(rt, "$connect", on_connect);
    add(rt, "$disconnect", on_disconnect);
    add(rt, "say", on_say);
    add(rt, "call", on_call);
    add(rt, "shout", on_shout);
    add(rt, "whisper", on_whisper);
    if (plan.sessions)
        add(rt, "resume", wsrt_resume_handler);
}

void app_begin(void)
{
    memset(&app, 0, sizeof app);
    world_later(dice_between(DICE_APP, 0, 4000) * SIM_MS, change_service, NULL, 0);
}
