#include "dashboard.h"

#include <stdlib.h>

enum { SMALL_MESSAGE = 4096, ANSWER = 256 };

typedef struct dashboard {
    wsrt_schema *schema;
    wsrt_memory_store *memory; /* of the latest values, unless they are kept elsewhere */
    wsrt_feed *feed;
} dashboard;

/* ---- subscribe and unsubscribe ------------------------------------------------------------ */

/* The JSON text of a field that validation found; empty = absent. */
static wsrt_span field(const wsrt_request *req, const char *name)
{
    int at = wsrt_schema_slot(req->schema, name);

    return at < 0 ? (wsrt_span){NULL, 0} : req->slots[at].text;
}

static int explain(wsrt_context *ctx, int rc, const wsrt_filter_error *why)
{
    if (rc == WSRT_ERR_UNSUPPORTED)
        return wsrt_fail(ctx, WSRT_ERR_REJECTED, "NO_SNAPSHOT", "Snapshots are not available");
    if (rc == WSRT_ERR_LIMIT && why->text_cstr == NULL)
        return wsrt_fail(ctx, WSRT_ERR_REJECTED, "TOO_MANY_FILTERS", "Too many subscriptions");
    if (rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED || rc == WSRT_ERR_LIMIT)
        return wsrt_fail(ctx, WSRT_ERR_REJECTED, "INVALID_FILTER", why->text_cstr);
    return rc;
}

static int tell(wsrt_context *ctx, wsrt_system_message *m)
{
    char json[SMALL_MESSAGE];
    size_t len;

    m->struct_size = sizeof *m;
    m->timestamp = wsrt_context_wall(ctx);
    m->correlation_id = wsrt_context_correlation_id(ctx);
    int rc = wsrt_system_message_write(m, json, sizeof json, &len);
    return rc != WSRT_OK ? rc : wsrt_reply(ctx, (wsrt_span){json, len});
}

/* With a snapshot the client first gets what holds now, then this answer, then the changes. */
static int on_subscribe(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const dashboard *d = user;
    wsrt_filter_error why = {0};
    int wanted = wsrt_span_equal(field(req, "snapshot"), wsrt_span_cstr("true"));
    int rc = wsrt_feed_subscribe(d->feed, req->event->connection_id, req->event->connected_at,
                                 field(req, "filter"), wanted ? WSRT_SUBSCRIBE_SNAPSHOT : 0, &why);

    return rc != WSRT_OK ? explain(ctx, rc, &why)
                         : tell(ctx, &(wsrt_system_message){.event = WSRT_SYSTEM_SUBSCRIBED});
}

static int on_unsubscribe(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const dashboard *d = user;
    wsrt_filter_error why = {0};
    int rc = wsrt_feed_unsubscribe(d->feed, req->event->connection_id, field(req, "filter"), &why);

    return rc != WSRT_OK ? explain(ctx, rc, &why)
                         : tell(ctx, &(wsrt_system_message){.event = WSRT_SYSTEM_UNSUBSCRIBED});
}

static int on_disconnect(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const dashboard *d = user;

    (void)ctx;
    wsrt_feed_forget(d->feed, req->event->connection_id);
    return WSRT_OK;
}

/* ---- records of a table's stream ---------------------------------------------------------- */

static int on_stream(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const dashboard *d = user;
    char answer[ANSWER];
    size_t len;
    int rc = wsrt_feed_changes(d->feed, req->event->body, answer, sizeof answer, &len, NULL);

    return rc != WSRT_OK ? rc : wsrt_reply(ctx, (wsrt_span){answer, len});
}

/* ---- ping and auth ------------------------------------------------------------------------ */

static int on_ping(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char json[SMALL_MESSAGE];
    size_t len;
    wsrt_pong_message pong = {.struct_size = sizeof pong,
                              .timestamp = wsrt_context_wall(ctx),
                              .correlation_id = wsrt_context_correlation_id(ctx),
                              .connection_id = req->event->connection_id};
    int rc = wsrt_pong_message_write(&pong, json, sizeof json, &len);

    (void)user;
    return rc != WSRT_OK ? rc : wsrt_reply(ctx, (wsrt_span){json, len});
}

static int on_auth(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_span token;
    int rc = wsrt_request_text(ctx, req, "token", &token);

    (void)user;
    if (rc == WSRT_OK)
        rc = wsrt_authenticate(ctx, token);
    if (rc != WSRT_OK)
        return rc;
    wsrt_system_message welcome = {.event = WSRT_SYSTEM_AUTHENTICATED,
                                   .user_id = wsrt_context_principal(ctx)->user_id,
                                   .connection_id = req->event->connection_id};
    return tell(ctx, &welcome);
}

/* ---- routes ------------------------------------------------------------------------------- */

/* The schema knows chat messages too; here nobody takes them. */
static int on_unknown(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_NOT_FOUND, "UNKNOWN_ROUTE", "A dashboard takes no messages");
}

static void free_dashboard(void *user)
{
    dashboard *d = user;

    wsrt_feed_free(d->feed);
    wsrt_memory_store_free(d->memory);
    wsrt_schema_free(d->schema);
    free(d);
}

static int make_feed(dashboard *d, wsrt_runtime *rt, const dashboard_options *opts)
{
    wsrt_latest latest = {0};
    wsrt_feed_options parts = {.struct_size = sizeof parts,
                               .flags = opts->stored ? WSRT_FEED_STORED : 0,
                               .env = wsrt_runtime_env(rt),
                               .sender = opts->sender,
                               .store = wsrt_runtime_store(rt),
                               .latest = opts->latest,
                               .coalesce_ms = opts->coalesce_ms};
    int rc = WSRT_OK;

    if (parts.latest == NULL && !opts->stored) {
        rc = wsrt_memory_store_new(&d->memory, NULL);
        wsrt_memory_store_latest(d->memory, &latest);
        parts.latest = &latest;
    }
    return rc != WSRT_OK ? rc : wsrt_feed_new(&d->feed, &parts);
}

static int add_routes(wsrt_runtime *rt, dashboard *d, int signed_in)
{
    const struct {
        const char *key;
        wsrt_handler handler;
        int guarded;
    } rows[] = {{"auth", on_auth, 0},
                {"ping", on_ping, 0},
                {"subscribe", on_subscribe, 1},
                {"unsubscribe", on_unsubscribe, 1},
                {"$disconnect", on_disconnect, 0},
                {"$stream", on_stream, 0}};
    int rc = WSRT_OK;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && rc == WSRT_OK; i++) {
        wsrt_route route = {.struct_size = sizeof route,
                            .flags = rows[i].handler == on_ping ? WSRT_ROUTE_PING : 0,
                            .key = wsrt_span_cstr(rows[i].key),
                            .handler = rows[i].handler,
                            .user = d,
                            .schema = rows[i].key[0] == '$' ? NULL : d->schema,
                            .access = rows[i].guarded && signed_in ? WSRT_ACCESS_SIGNED_IN
                                                                   : WSRT_ACCESS_ANYONE};
        rc = wsrt_runtime_route(rt, &route);
    }
    return rc;
}

int dashboard_add_routes(wsrt_runtime *rt, const dashboard_options *opts, wsrt_feed **feed)
{
    static const dashboard_options usual;
    dashboard *d = calloc(1, sizeof *d);

    if (d == NULL)
        return WSRT_ERR_NOMEM;
    if (opts == NULL)
        opts = &usual;
    int rc = wsrt_schema_builtin(&d->schema, "message-dashboard", NULL);
    if (rc == WSRT_OK)
        rc = make_feed(d, rt, opts);
    if (rc == WSRT_OK) {
        wsrt_route owner = {.struct_size = sizeof owner,
                            .key = wsrt_span_cstr("$default"),
                            .handler = on_unknown,
                            .user = d,
                            .destroy = free_dashboard,
                            .schema = d->schema};
        rc = wsrt_runtime_route(rt, &owner); /* from here on the runtime owns it */
    }
    if (rc != WSRT_OK) {
        free_dashboard(d);
        return rc;
    }
    if (feed != NULL)
        *feed = d->feed;
    return add_routes(rt, d, opts->signed_in);
}
