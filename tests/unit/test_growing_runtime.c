/* What base, the authenticators, senders, stores, the runtime and streams read and fill. */
#include "growing.h"

#include <stdlib.h>
#include <string.h>
#include <wsrt/wsrt.h>

/* ---- base, auth, sender, store -------------------------------------------------------------- */

static int use_env(void *block)
{
    return wsrt_env_default(block);
}

static void prepare_given_env(void *block)
{
    wsrt_env env = {.struct_size = sizeof env};

    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    memcpy(block, &env, sizeof env);
}

static int use_given_env(void *block)
{
    wsrt_breakers *r = NULL;
    int rc = wsrt_breakers_new(
        &r, &(wsrt_breakers_options){.struct_size = sizeof(wsrt_breakers_options), .env = block});

    wsrt_breakers_free(r);
    return rc;
}

static void prepare_principal(void *block)
{
    ((wsrt_principal *)block)->user_id = wsrt_span_cstr("ann");
}

static int use_principal(void *block)
{
    wsrt_auth_result result = {.struct_size = sizeof result};

    return wsrt_auth_result_set(&result, block);
}

static int use_auth_result(void *block)
{
    wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};

    return wsrt_auth_result_set(block, &ann);
}

static int use_static_result(void *block)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};
    const wsrt_static_token anns = {wsrt_span_cstr(secret), &ann};
    wsrt_static_auth *table = NULL;
    wsrt_authenticator a;

    ck_assert_int_eq(wsrt_static_auth_new(&table, &anns, 1, NULL), WSRT_OK);
    wsrt_static_auth_interface(table, &a);
    int rc = growing_authenticate(&a, block);
    wsrt_static_auth_free(table);
    return rc;
}

static int nobody(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    (void)self, (void)token, (void)wall, (void)out;
    return WSRT_ERR_UNAVAILABLE;
}

static int with_runtime(const wsrt_runtime_options *o)
{
    wsrt_runtime *rt = NULL;
    int rc = wsrt_runtime_new(&rt, o);

    wsrt_runtime_free(rt);
    return rc;
}

static void prepare_authenticator(void *block)
{
    ((wsrt_authenticator_ops *)block)->authenticate = nobody;
}

static int use_authenticator(void *block)
{
    wsrt_authenticator a = {block, NULL};

    return with_runtime(
        &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options), .authenticator = &a});
}

static int take_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self, (void)id, (void)post;
    return WSRT_OK;
}

static const wsrt_sender_ops sender_ops = {.struct_size = sizeof sender_ops, .post = take_post};
static const wsrt_sender sender = {&sender_ops, NULL};

static void prepare_sender(void *block)
{
    ((wsrt_sender_ops *)block)->post = take_post;
}

static int use_sender(void *block)
{
    wsrt_sender s = {block, NULL};

    return with_runtime(
        &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options), .sender = &s});
}

static void prepare_post(void *block)
{
    ((wsrt_post *)block)->data = wsrt_span_cstr("hello");
}

static int use_post(void *block)
{
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(
        wsrt_runtime_new(&rt, &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options),
                                                      .sender = &sender}),
        WSRT_OK);
    int rc = wsrt_send(rt, wsrt_span_cstr("c1"), block);
    wsrt_runtime_free(rt);
    return rc;
}

static int broadcast(const wsrt_audience *to, wsrt_delivery *report)
{
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr("hello")};
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(
        wsrt_runtime_new(&rt, &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options),
                                                      .sender = &sender}),
        WSRT_OK);
    int rc = wsrt_broadcast(rt, to, &post, report);
    wsrt_runtime_free(rt);
    return rc;
}

static int use_audience(void *block)
{
    return broadcast(block, NULL);
}

static int use_delivery(void *block)
{
    return broadcast(NULL, block);
}

static int use_memory_options(void *block)
{
    wsrt_memory_store *m = NULL;
    int rc = wsrt_memory_store_new(&m, block);

    wsrt_memory_store_free(m);
    return rc;
}

static int use_record(void *block)
{
    wsrt_memory_store *m = NULL;
    wsrt_store store;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_connections(m, &store);
    int rc = store.ops->put(store.self, block, 0, 0);
    wsrt_memory_store_free(m);
    return rc;
}

static int use_found_record(void *block)
{
    wsrt_record record = {.struct_size = sizeof record, .connected_at = 1};
    wsrt_memory_store *m = NULL;
    wsrt_store store;
    char buf[512];

    record.connection_id = wsrt_span_cstr("c1");
    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_connections(m, &store);
    ck_assert_int_eq(store.ops->put(store.self, &record, 0, 0), WSRT_OK);
    int rc = store.ops->get(store.self, &record.connection_id, 0, block, buf, sizeof buf);
    wsrt_memory_store_free(m);
    return rc;
}

static int use_history(void *block)
{
    wsrt_memory_store *m = NULL;
    wsrt_history history;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_history(m, &history);
    int rc = history.ops->append(history.self, block);
    wsrt_memory_store_free(m);
    return rc;
}

static int use_latest(void *block)
{
    wsrt_memory_store *m = NULL;
    wsrt_latest latest;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_latest(m, &latest);
    int rc = latest.ops->put(latest.self, block);
    wsrt_memory_store_free(m);
    return rc;
}

static void prepare_store_ops(void *block)
{
    wsrt_memory_store *m = NULL;
    wsrt_store store;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_connections(m, &store);
    memcpy(block, store.ops, sizeof *store.ops);
    wsrt_memory_store_free(m);
}

static int use_store_ops(void *block)
{
    wsrt_store store = {block, NULL};

    return with_runtime(
        &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options), .store = &store});
}

static void prepare_history_ops(void *block)
{
    wsrt_memory_store *m = NULL;
    wsrt_history history;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_history(m, &history);
    memcpy(block, history.ops, sizeof *history.ops);
    wsrt_memory_store_free(m);
}

static int use_history_ops(void *block)
{
    wsrt_history history = {block, NULL};

    return with_runtime(
        &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options), .history = &history});
}

static int with_feed(const wsrt_feed_options *o)
{
    wsrt_feed *f = NULL;
    int rc = wsrt_feed_new(&f, o);

    wsrt_feed_free(f);
    return rc;
}

static void prepare_latest_ops(void *block)
{
    wsrt_memory_store *m = NULL;
    wsrt_latest latest;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_latest(m, &latest);
    memcpy(block, latest.ops, sizeof *latest.ops);
    wsrt_memory_store_free(m);
}

static int use_latest_ops(void *block)
{
    wsrt_latest latest = {block, NULL};

    return with_feed(
        &(wsrt_feed_options){.struct_size = sizeof(wsrt_feed_options), .latest = &latest});
}
/* ---- runtime, stream ------------------------------------------------------------------------ */

static int use_runtime_options(void *block)
{
    return with_runtime(block);
}

static int handle(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)ctx, (void)req, (void)user;
    return WSRT_OK;
}

static void prepare_route(void *block)
{
    wsrt_route *route = block;

    route->key = wsrt_span_cstr("ping");
    route->handler = handle;
}

static int use_route(void *block)
{
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    int rc = wsrt_runtime_route(rt, block);
    wsrt_runtime_free(rt);
    return rc;
}

static void prepare_event(void *block)
{
    wsrt_event *ev = block;

    ev->kind = WSRT_EVENT_CONNECT;
    ev->connection_id = wsrt_span_cstr("c1");
}

static int use_event(void *block)
{
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    int rc = wsrt_runtime_dispatch(rt, block, NULL, NULL);
    wsrt_runtime_free(rt);
    return rc;
}

static int use_feed_options(void *block)
{
    return with_feed(block);
}

static int use_feed_report(void *block)
{
    wsrt_feed *f = NULL;

    ck_assert_int_eq(
        wsrt_feed_new(
            &f, &(wsrt_feed_options){.struct_size = sizeof(wsrt_feed_options), .sender = &sender}),
        WSRT_OK);
    int rc = wsrt_feed_tick(f, 0, block);
    wsrt_feed_free(f);
    return rc;
}

static int use_change(void *block)
{
    static const char batch[] =
        "[{\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"a\"}}}}]";
    wsrt_json records;
    wsrt_json_iter it = {0};

    ck_assert_int_eq(wsrt_json_parse(&records, wsrt_span_cstr(batch), NULL), WSRT_OK);
    return wsrt_changes_next(&records, &it, block);
}

static const struct row rows[] = {
    ROW(wsrt_env, FILLED, NULL, use_env),
    ROW(wsrt_env, GIVEN, prepare_given_env, use_given_env),
    ROW(wsrt_principal, GIVEN, prepare_principal, use_principal),
    ROW(wsrt_auth_result, FILLED, NULL, use_auth_result),
    ROW(wsrt_auth_result, FILLED, NULL, use_static_result),
    ROW(wsrt_authenticator_ops, TABLE, prepare_authenticator, use_authenticator),
    ROW(wsrt_sender_ops, TABLE, prepare_sender, use_sender),
    ROW(wsrt_post, GIVEN, prepare_post, use_post),
    ROW(wsrt_audience, GIVEN, NULL, use_audience),
    ROW(wsrt_delivery, FILLED, NULL, use_delivery),
    ROW(wsrt_memory_store_options, GIVEN, NULL, use_memory_options),
    ROW(wsrt_record, GIVEN, growing_record, use_record),
    {"wsrt_record", sizeof(wsrt_record), FILLED, NULL, use_found_record, .may_be_zero = 1},
    ROW(wsrt_history_entry, GIVEN, growing_history_entry, use_history),
    ROW(wsrt_latest_entry, GIVEN, growing_latest_entry, use_latest),
    ROW(wsrt_store_ops, TABLE, prepare_store_ops, use_store_ops),
    ROW(wsrt_history_ops, TABLE, prepare_history_ops, use_history_ops),
    ROW(wsrt_latest_ops, TABLE, prepare_latest_ops, use_latest_ops),
    ROW(wsrt_runtime_options, GIVEN, NULL, use_runtime_options),
    ROW(wsrt_route, GIVEN, prepare_route, use_route),
    ROW(wsrt_event, GIVEN, prepare_event, use_event),
    ROW(wsrt_feed_options, GIVEN, NULL, use_feed_options),
    ROW(wsrt_feed_report, FILLED, NULL, use_feed_report),
    ROW(wsrt_change, FILLED, NULL, use_change),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
