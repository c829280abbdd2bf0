/* Every struct that begins with struct_size, in a heap block of exactly the size it says (an access
 * beyond it is seen by the address sanitizer), as an older caller and as a caller of a later release
 * hand it in. tests/structure/test_growing.py finds a struct of the headers that has no row here. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>
#include <wsrt/wsrt.h>

enum kind {
    GIVEN,   /* read by the library: what it does not know must be zero */
    TABLE,   /* functions: what it does not know is never called */
    FILLED,  /* written by the library: what it does not know becomes zero */
    AMENDED, /* some members are written, the rest stays */
};

struct row {
    const char *name;
    size_t size;
    enum kind kind;
    void (*prepare)(void *block); /* members without a usable zero; NULL = none */
    int (*use)(void *block);      /* makes, frees; WSRT_OK or more when the library took it */
};

enum { LATER = 64, MOST = 4096 };

static wsrt_span text(const char *s)
{
    return wsrt_span_cstr(s);
}

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
    ((wsrt_principal *)block)->user_id = text("ann");
}

static int use_principal(void *block)
{
    wsrt_auth_result result = {.struct_size = sizeof result};

    return wsrt_auth_result_set(&result, block);
}

static int use_auth_result(void *block)
{
    wsrt_principal ann = {.struct_size = sizeof ann, .user_id = text("ann")};

    return wsrt_auth_result_set(block, &ann);
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
    ((wsrt_post *)block)->data = text("hello");
}

static int use_post(void *block)
{
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(
        wsrt_runtime_new(&rt, &(wsrt_runtime_options){.struct_size = sizeof(wsrt_runtime_options),
                                                      .sender = &sender}),
        WSRT_OK);
    int rc = wsrt_send(rt, text("c1"), block);
    wsrt_runtime_free(rt);
    return rc;
}

static int broadcast(const wsrt_audience *to, wsrt_delivery *report)
{
    wsrt_post post = {.struct_size = sizeof post, .data = text("hello")};
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

static void prepare_record(void *block)
{
    wsrt_record *record = block;

    record->connection_id = text("c1");
    record->connected_at = 1;
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

    record.connection_id = text("c1");
    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_connections(m, &store);
    ck_assert_int_eq(store.ops->put(store.self, &record, 0, 0), WSRT_OK);
    int rc = store.ops->get(store.self, &record.connection_id, 0, block, buf, sizeof buf);
    wsrt_memory_store_free(m);
    return rc;
}

static void prepare_history(void *block)
{
    wsrt_history_entry *entry = block;

    entry->message_id = text("m1");
    entry->session_id = text("s1");
    entry->content = text("hello");
    entry->author = WSRT_AUTHOR_USER;
    entry->timestamp = 1;
    entry->expires_at = 1000;
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

static void prepare_latest(void *block)
{
    wsrt_latest_entry *entry = block;

    entry->key = text("k");
    entry->value = text("{}");
    entry->timestamp = 1;
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

/* ---- breaker, limiter ----------------------------------------------------------------------- */

static wsrt_breakers *new_breakers(void)
{
    wsrt_breakers *r = NULL;

    ck_assert_int_eq(wsrt_breakers_new(&r, NULL), WSRT_OK);
    return r;
}

static wsrt_breaker *new_breaker(wsrt_breakers *r)
{
    wsrt_breaker *b = NULL;

    ck_assert_int_eq(wsrt_breakers_get(r, text("s"), text("o"), NULL, &b, NULL), WSRT_OK);
    return b;
}

static int use_breakers_options(void *block)
{
    wsrt_breakers *r = NULL;
    int rc = wsrt_breakers_new(&r, block);

    wsrt_breakers_free(r);
    return rc;
}

static int use_breaker_config(void *block)
{
    const char *member;

    return wsrt_breaker_config_check(block, &member);
}

static int use_breaker_stats(void *block)
{
    wsrt_breakers *r = new_breakers();
    wsrt_breaker *b = new_breaker(r);
    int rc = wsrt_breaker_get_stats(b, 0, 0, block);

    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(r);
    return rc;
}

static int use_breaker_event(void *block)
{
    wsrt_breakers *r = new_breakers();
    wsrt_breaker *b = new_breaker(r);
    wsrt_breaker_cursor *cursor = NULL;

    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, r, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 0, 0), WSRT_OK);
    int rc = wsrt_breaker_cursor_next(cursor, block);
    wsrt_breaker_cursor_free(cursor);
    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(r);
    return rc;
}

static int succeed(void *user)
{
    (void)user;
    return 0;
}

static void prepare_guarded(void *block)
{
    ((wsrt_guarded *)block)->fn = succeed;
}

static int use_guarded(void *block)
{
    wsrt_env env = {.struct_size = sizeof env};
    wsrt_breakers *r = new_breakers();
    wsrt_breaker *b = new_breaker(r);
    int result = 0;

    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    int rc = wsrt_breaker_execute(b, &env, block, &result);
    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(r);
    return rc;
}

static void prepare_breaker_store(void *block)
{
    memcpy(block, wsrt_memory_breaker_store_ops(), sizeof(wsrt_breaker_store_ops));
}

static int use_breaker_store(void *block)
{
    wsrt_memory_breaker_store *store = NULL;
    wsrt_breakers *r = NULL;

    ck_assert_int_eq(wsrt_memory_breaker_store_new(&store, NULL), WSRT_OK);
    int rc = wsrt_breakers_new(
        &r, &(wsrt_breakers_options){
                .struct_size = sizeof(wsrt_breakers_options), .store = block, .store_self = store});
    wsrt_breakers_free(r);
    wsrt_memory_breaker_store_free(store);
    return rc;
}

static int use_limiter_options(void *block)
{
    wsrt_limiter *l = NULL;
    int rc = wsrt_limiter_new(&l, block);

    wsrt_limiter_free(l);
    return rc;
}

static int use_limiter_stats(void *block)
{
    wsrt_limiter *l = NULL;

    ck_assert_int_eq(wsrt_limiter_new(&l, NULL), WSRT_OK);
    int rc = wsrt_limiter_get_stats(l, block);
    wsrt_limiter_free(l);
    return rc;
}

/* ---- monitor -------------------------------------------------------------------------------- */

static wsrt_monitor *new_monitor(void)
{
    wsrt_monitor *m = NULL;

    ck_assert_int_eq(wsrt_monitor_new(&m, NULL), WSRT_OK);
    return m;
}

static int use_monitor_options(void *block)
{
    wsrt_monitor *m = NULL;
    int rc = wsrt_monitor_new(&m, block);

    wsrt_monitor_free(m);
    return rc;
}

static void prepare_threshold(void *block)
{
    wsrt_threshold *t = block;

    t->watched = WSRT_WATCH_DURATION;
    t->critical = 1;
}

static int use_threshold(void *block)
{
    wsrt_monitor *m = new_monitor();
    int rc = wsrt_monitor_threshold(m, 0, block);

    wsrt_monitor_free(m);
    return rc;
}

static int use_settings(void *block)
{
    wsrt_monitor *m = new_monitor();
    int rc = wsrt_monitor_configure(m, block);

    wsrt_monitor_free(m);
    return rc;
}

static int use_op_result(void *block)
{
    wsrt_monitor *m = new_monitor();
    wsrt_recorder *rec = NULL;
    wsrt_op op;

    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    ck_assert_int_eq(wsrt_op_start(m, rec, 0, 0, &op), WSRT_OK);
    int rc = wsrt_op_complete(&op, 1, block);
    wsrt_op_cancel(&op);
    wsrt_recorder_free(rec);
    wsrt_monitor_free(m);
    return rc;
}

static int use_op_totals(void *block)
{
    wsrt_monitor *m = new_monitor();
    int rc = wsrt_monitor_totals(m, 0, block);

    wsrt_monitor_free(m);
    return rc;
}

static int drop_text(const void *data, size_t len, void *user)
{
    (void)data, (void)len, (void)user;
    return 0;
}

static void prepare_export(void *block)
{
    ((wsrt_export_options *)block)->format = WSRT_EXPORT_PROMETHEUS;
}

static int use_export_options(void *block)
{
    wsrt_monitor *m = new_monitor();
    int rc = wsrt_monitor_export(m, block, drop_text, NULL);

    wsrt_monitor_free(m);
    return rc;
}

static int use_metric_info(void *block)
{
    return wsrt_catalogue_metric(0, block);
}

static int use_alarm_info(void *block)
{
    return wsrt_catalogue_alarm(0, block);
}

static int use_line_info(void *block)
{
    return wsrt_catalogue_line(0, block);
}

/* ---- error, message, reconnection ----------------------------------------------------------- */

static void prepare_error(void *block)
{
    wsrt_error *e = block;

    e->type = WSRT_ERROR_NOT_FOUND;
    e->correlation_id = text("c-1");
}

static int use_error(void *block)
{
    char out[1024];
    size_t len;

    /* An envelope is always written: the minimal one where the error could not be read. */
    ck_assert_int_eq(wsrt_error_write(block, WSRT_ERROR_FORM_CLIENT, out, sizeof out, &len),
                     WSRT_OK);
    return strstr(out, "NOT_FOUND") != NULL ? WSRT_OK : WSRT_ERR_UNSUPPORTED;
}

static wsrt_service_failure timeout(void)
{
    return (wsrt_service_failure){.struct_size = sizeof(wsrt_service_failure),
                                  .status = WSRT_ERR_TIMEOUT,
                                  .service = text("dynamodb"),
                                  .operation = text("storeConnection")};
}

static int use_amended_error(void *block)
{
    wsrt_service_failure why = timeout();
    wsrt_field details[WSRT_ERROR_DETAILS];

    return wsrt_error_from_service(block, &why, details);
}

static void prepare_failure(void *block)
{
    wsrt_service_failure why = timeout();

    memcpy(block, &why, sizeof why);
}

static int use_failure(void *block)
{
    wsrt_error e = {.struct_size = sizeof e};
    wsrt_field details[WSRT_ERROR_DETAILS];

    return wsrt_error_from_service(&e, block, details);
}

static void prepare_system(void *block)
{
    wsrt_system_message *m = block;

    m->event = WSRT_SYSTEM_CONNECTED;
    m->correlation_id = text("c-1");
}

static int use_system(void *block)
{
    char out[512];
    size_t len;

    return wsrt_system_message_write(block, out, sizeof out, &len);
}

static void prepare_pong(void *block)
{
    ((wsrt_pong_message *)block)->correlation_id = text("c-1");
}

static int use_pong(void *block)
{
    char out[512];
    size_t len;

    return wsrt_pong_message_write(block, out, sizeof out, &len);
}

static void prepare_chat(void *block)
{
    ((wsrt_chat_response *)block)->correlation_id = text("c-1");
}

static int use_chat(void *block)
{
    char out[512];
    size_t len;

    return wsrt_chat_response_write(block, out, sizeof out, &len);
}

static void prepare_typing(void *block)
{
    ((wsrt_typing_message *)block)->correlation_id = text("c-1");
}

static int use_typing(void *block)
{
    char out[512];
    size_t len;

    return wsrt_typing_message_write(block, out, sizeof out, &len);
}

static int use_reconnect_options(void *block)
{
    wsrt_reconnect r;

    return wsrt_reconnect_init(&r, block);
}

static void prepare_close(void *block)
{
    ((wsrt_reconnect_close *)block)->code = 1006;
}

static int use_close(void *block)
{
    wsrt_reconnect r;
    int64_t delay;

    ck_assert_int_eq(wsrt_reconnect_init(&r, NULL), WSRT_OK);
    return wsrt_reconnect_closed(&r, 0, block, &delay);
}

/* ---- resume --------------------------------------------------------------------------------- */

static int use_resume_options(void *block)
{
    wsrt_resume *r = NULL;
    int rc = wsrt_resume_new(&r, block);

    wsrt_resume_free(r);
    return rc;
}

static int open_session(const wsrt_resume_request *request, wsrt_resume_result *result)
{
    wsrt_resume *r = NULL;

    ck_assert_int_eq(wsrt_resume_new(&r, NULL), WSRT_OK);
    int rc = wsrt_resume_open(r, request, result);
    wsrt_resume_free(r);
    return rc;
}

static void prepare_request(void *block)
{
    ((wsrt_resume_request *)block)->connection_id = text("c1");
}

static int use_request(void *block)
{
    wsrt_resume_result result = {.struct_size = sizeof result};

    return open_session(block, &result);
}

static int use_result(void *block)
{
    wsrt_resume_request request = {.struct_size = sizeof request, .connection_id = text("c1")};

    return open_session(&request, block);
}

static int use_resume_stats(void *block)
{
    wsrt_resume *r = NULL;

    ck_assert_int_eq(wsrt_resume_new(&r, NULL), WSRT_OK);
    int rc = wsrt_resume_get_stats(r, block);
    wsrt_resume_free(r);
    return rc;
}

/* ---- schema --------------------------------------------------------------------------------- */

static int use_schema_options(void *block)
{
    wsrt_schema *s = NULL;
    int rc = wsrt_schema_new(&s, "true", 4, block, NULL);

    wsrt_schema_free(s);
    return rc;
}

static int use_builder_options(void *block)
{
    wsrt_builder *b = NULL;
    wsrt_schema *s = NULL;

    ck_assert_int_eq(wsrt_builder_new(&b, NULL), WSRT_OK);
    wsrt_builder_open(b, "string");
    wsrt_builder_close(b);
    int rc = wsrt_builder_finish(&s, b, block, NULL);
    wsrt_schema_free(s);
    wsrt_builder_free(b);
    return rc;
}

static int validate(const wsrt_validate_options *opts, wsrt_validation *v)
{
    static unsigned char scratch[4096];
    wsrt_schema *s = NULL;

    v->scratch = scratch;
    v->scratch_cap = sizeof scratch;

    ck_assert_int_eq(wsrt_schema_new(&s, "true", 4, NULL, NULL), WSRT_OK);
    int rc = wsrt_validate(s, "1", 1, opts, v);
    wsrt_schema_free(s);
    return rc;
}

static int use_validate_options(void *block)
{
    wsrt_validation v = {.struct_size = sizeof v};

    return validate(block, &v);
}

static int use_validation(void *block)
{
    return validate(NULL, block);
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

    route->key = text("ping");
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
    ev->connection_id = text("c1");
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

    ck_assert_int_eq(wsrt_json_parse(&records, text(batch), NULL), WSRT_OK);
    return wsrt_changes_next(&records, &it, block);
}

#define ROW(type, kind, prepare, use)                                                              \
    {                                                                                              \
#type, sizeof(type), kind, prepare, use                                                    \
    }
static const struct row rows[] = {
    ROW(wsrt_env, FILLED, NULL, use_env),
    ROW(wsrt_env, GIVEN, prepare_given_env, use_given_env),
    ROW(wsrt_principal, GIVEN, prepare_principal, use_principal),
    ROW(wsrt_auth_result, FILLED, NULL, use_auth_result),
    ROW(wsrt_authenticator_ops, TABLE, prepare_authenticator, use_authenticator),
    ROW(wsrt_sender_ops, TABLE, prepare_sender, use_sender),
    ROW(wsrt_post, GIVEN, prepare_post, use_post),
    ROW(wsrt_audience, GIVEN, NULL, use_audience),
    ROW(wsrt_delivery, FILLED, NULL, use_delivery),
    ROW(wsrt_memory_store_options, GIVEN, NULL, use_memory_options),
    ROW(wsrt_record, GIVEN, prepare_record, use_record),
    ROW(wsrt_record, FILLED, NULL, use_found_record),
    ROW(wsrt_history_entry, GIVEN, prepare_history, use_history),
    ROW(wsrt_latest_entry, GIVEN, prepare_latest, use_latest),
    ROW(wsrt_store_ops, TABLE, prepare_store_ops, use_store_ops),
    ROW(wsrt_history_ops, TABLE, prepare_history_ops, use_history_ops),
    ROW(wsrt_latest_ops, TABLE, prepare_latest_ops, use_latest_ops),
    ROW(wsrt_breakers_options, GIVEN, NULL, use_breakers_options),
    ROW(wsrt_breaker_config, GIVEN, NULL, use_breaker_config),
    ROW(wsrt_breaker_stats, FILLED, NULL, use_breaker_stats),
    ROW(wsrt_breaker_event, FILLED, NULL, use_breaker_event),
    ROW(wsrt_guarded, TABLE, prepare_guarded, use_guarded),
    ROW(wsrt_breaker_store_ops, TABLE, prepare_breaker_store, use_breaker_store),
    ROW(wsrt_limiter_options, GIVEN, NULL, use_limiter_options),
    ROW(wsrt_limiter_stats, FILLED, NULL, use_limiter_stats),
    ROW(wsrt_monitor_options, GIVEN, NULL, use_monitor_options),
    ROW(wsrt_threshold, GIVEN, prepare_threshold, use_threshold),
    ROW(wsrt_monitor_settings, GIVEN, NULL, use_settings),
    ROW(wsrt_op_result, GIVEN, NULL, use_op_result),
    ROW(wsrt_op_totals, FILLED, NULL, use_op_totals),
    ROW(wsrt_export_options, GIVEN, prepare_export, use_export_options),
    ROW(wsrt_metric_info, FILLED, NULL, use_metric_info),
    ROW(wsrt_alarm_info, FILLED, NULL, use_alarm_info),
    ROW(wsrt_line_info, FILLED, NULL, use_line_info),
    ROW(wsrt_error, GIVEN, prepare_error, use_error),
    ROW(wsrt_error, AMENDED, NULL, use_amended_error),
    ROW(wsrt_service_failure, GIVEN, prepare_failure, use_failure),
    ROW(wsrt_system_message, GIVEN, prepare_system, use_system),
    ROW(wsrt_pong_message, GIVEN, prepare_pong, use_pong),
    ROW(wsrt_chat_response, GIVEN, prepare_chat, use_chat),
    ROW(wsrt_typing_message, GIVEN, prepare_typing, use_typing),
    ROW(wsrt_reconnect_options, GIVEN, NULL, use_reconnect_options),
    ROW(wsrt_reconnect_close, GIVEN, prepare_close, use_close),
    ROW(wsrt_resume_options, GIVEN, NULL, use_resume_options),
    ROW(wsrt_resume_request, GIVEN, prepare_request, use_request),
    ROW(wsrt_resume_result, FILLED, NULL, use_result),
    ROW(wsrt_resume_stats, FILLED, NULL, use_resume_stats),
    ROW(wsrt_schema_options, GIVEN, NULL, use_schema_options),
    ROW(wsrt_schema_options, GIVEN, NULL, use_builder_options),
    ROW(wsrt_validate_options, GIVEN, NULL, use_validate_options),
    ROW(wsrt_validation, FILLED, NULL, use_validation),
    ROW(wsrt_runtime_options, GIVEN, NULL, use_runtime_options),
    ROW(wsrt_route, GIVEN, prepare_route, use_route),
    ROW(wsrt_event, GIVEN, prepare_event, use_event),
    ROW(wsrt_feed_options, GIVEN, NULL, use_feed_options),
    ROW(wsrt_feed_report, FILLED, NULL, use_feed_report),
    ROW(wsrt_change, FILLED, NULL, use_change),
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* The struct of a row in a block of its own, as a caller hands it in whose header has `size` bytes of
 * it; beyond what is known today each byte is `tail`. */
static void *block_of(const struct row *row, size_t size, int tail)
{
    uint32_t said = (uint32_t)size;
    size_t room = size < row->size ? row->size : size;
    unsigned char *block = malloc(room);

    ck_assert_ptr_nonnull(block);
    memset(block, 0, room);
    memcpy(block, &said, sizeof said);
    if (row->prepare != NULL)
        row->prepare(block);
    memset(block + row->size, tail, room - row->size);
    memcpy(block, &said, sizeof said);
    return block;
}

static int said_size(const void *block)
{
    uint32_t size;

    memcpy(&size, block, sizeof size);
    return (int)size;
}

START_TEST(a_block_of_just_its_size_is_enough)
{
    const struct row *row = &rows[_i];
    void *block = block_of(row, row->size, 0);

    ck_assert_msg(row->use(block) >= 0, "%s", row->name);
    free(block);
}
END_TEST

START_TEST(what_a_later_release_left_zero_is_taken)
{
    const struct row *row = &rows[_i];
    void *block = block_of(row, row->size + LATER, 0);

    ck_assert_msg(row->use(block) >= 0, "%s", row->name);
    ck_assert_int_eq(said_size(block), (int)row->size + LATER);
    free(block);
}
END_TEST

START_TEST(what_a_later_release_set_is_refused_not_called_or_cleared)
{
    const struct row *row = &rows[_i];
    unsigned char *block = block_of(row, row->size + LATER, 0xa5);
    int rc = row->use(block);

    if (row->kind == GIVEN)
        ck_assert_msg(rc == WSRT_ERR_UNSUPPORTED, "%s: %d", row->name, rc);
    else
        ck_assert_msg(rc >= 0, "%s: %d", row->name, rc);
    for (size_t i = row->size; row->kind == FILLED && i < row->size + LATER; i++)
        ck_assert_msg(block[i] == 0, "%s: byte %zu", row->name, i);
    free(block);
}
END_TEST

START_TEST(a_size_that_no_release_had_is_refused)
{
    const struct row *row = &rows[_i];
    size_t sizes[] = {4, row->size - 1, MOST + 1, 0};
    size_t count = row->use == use_found_record ? 3 : 4; /* there 0 stands for the first release */

    for (size_t i = 0; i < count; i++) {
        void *block = block_of(row, sizes[i], 0);
        int rc = row->use(block);
        int refused = row->use == use_error ? WSRT_ERR_UNSUPPORTED : WSRT_ERR_INVALID;
        ck_assert_msg(rc == refused, "%s of %zu: %d", row->name, sizes[i], rc);
        free(block);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("growing");
    TCase *tc = tcase_create("structs");

    tcase_add_loop_test(tc, a_block_of_just_its_size_is_enough, 0, ROWS);
    tcase_add_loop_test(tc, what_a_later_release_left_zero_is_taken, 0, ROWS);
    tcase_add_loop_test(tc, what_a_later_release_set_is_refused_not_called_or_cleared, 0, ROWS);
    tcase_add_loop_test(tc, a_size_that_no_release_had_is_refused, 0, ROWS);
    suite_add_tcase(s, tc);
    return s;
}
