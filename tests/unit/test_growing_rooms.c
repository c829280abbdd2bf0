/* What the rooms that know nothing of each other read and fill. */
#include "growing.h"

#include <stdlib.h>
#include <string.h>
#include <wsrt/wsrt.h>

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

    ck_assert_int_eq(wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr("o"), NULL, &b, NULL),
                     WSRT_OK);
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

static void prepare_business(void *block)
{
    wsrt_business_metric *b = block;

    b->kind = WSRT_BUSINESS_COUNTER;
    b->name_cstr = "orders";
    b->attribute_cstr = "price";
}

static int use_business(void *block)
{
    wsrt_monitor *m = new_monitor();
    int rc = wsrt_monitor_business(m, block);

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
    e->correlation_id = wsrt_span_cstr("c-1");
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
                                  .service = wsrt_span_cstr("dynamodb"),
                                  .operation = wsrt_span_cstr("storeConnection")};
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
    m->correlation_id = wsrt_span_cstr("c-1");
}

static int use_system(void *block)
{
    char out[512];
    size_t len;

    return wsrt_system_message_write(block, out, sizeof out, &len);
}

static void prepare_pong(void *block)
{
    ((wsrt_pong_message *)block)->correlation_id = wsrt_span_cstr("c-1");
}

static int use_pong(void *block)
{
    char out[512];
    size_t len;

    return wsrt_pong_message_write(block, out, sizeof out, &len);
}

static void prepare_chat(void *block)
{
    ((wsrt_chat_response *)block)->correlation_id = wsrt_span_cstr("c-1");
}

static int use_chat(void *block)
{
    char out[512];
    size_t len;

    return wsrt_chat_response_write(block, out, sizeof out, &len);
}

static void prepare_typing(void *block)
{
    ((wsrt_typing_message *)block)->correlation_id = wsrt_span_cstr("c-1");
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
    ((wsrt_resume_request *)block)->connection_id = wsrt_span_cstr("c1");
}

static int use_request(void *block)
{
    wsrt_resume_result result = {.struct_size = sizeof result};

    return open_session(block, &result);
}

static int use_result(void *block)
{
    wsrt_resume_request request = {.struct_size = sizeof request,
                                   .connection_id = wsrt_span_cstr("c1")};

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

static const struct row rows[] = {
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
    ROW(wsrt_business_metric, GIVEN, prepare_business, use_business),
    ROW(wsrt_monitor_settings, GIVEN, NULL, use_settings),
    ROW(wsrt_op_result, GIVEN, NULL, use_op_result),
    ROW(wsrt_op_totals, FILLED, NULL, use_op_totals),
    ROW(wsrt_export_options, GIVEN, prepare_export, use_export_options),
    ROW(wsrt_metric_info, FILLED, NULL, use_metric_info),
    ROW(wsrt_alarm_info, FILLED, NULL, use_alarm_info),
    ROW(wsrt_line_info, FILLED, NULL, use_line_info),
    {"wsrt_error", sizeof(wsrt_error), GIVEN, prepare_error, use_error,
     .refusal = WSRT_ERR_UNSUPPORTED},
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
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
