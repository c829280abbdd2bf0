/* A live dashboard for any transport: clients say what they want to see and get each update of it, from
 * wsrt_feed_publish() or from a DynamoDB stream. It knows no socket: link dashboard.c into a server, a
 * Lambda function or a test. */
#ifndef EXAMPLE_DASHBOARD_H
#define EXAMPLE_DASHBOARD_H

#include <wsrt/wsrt.h>

typedef struct dashboard_options {
    const wsrt_sender *sender; /* NULL = set later: a server that is given the feed does it */
    const wsrt_latest *latest; /* what snapshots show; NULL = kept in memory, with `stored` none */
    int64_t coalesce_ms;       /* tell of each entity only the last update, so often; 0 = all */
    int stored;    /* 1 = subscriptions live in the runtime's store, for functions that share it */
    int signed_in; /* 1 = only who has signed in may subscribe */
} dashboard_options;

/* Adds the routes subscribe, unsubscribe, auth, ping, $disconnect, $stream and $default. The runtime
 * owns what they need, the feed too, which lives as long as the runtime. `opts` may be NULL, and so may
 * `feed`. WSRT_OK, or a status of wsrt_schema_builtin(), wsrt_memory_store_new(), wsrt_feed_new() or
 * wsrt_runtime_route(). */
int dashboard_add_routes(wsrt_runtime *rt, const dashboard_options *opts, wsrt_feed **feed);

#endif
