/* Prints an export of a process in which every row of the catalogue has a value: a server and its runtime
 * with breakers, limits and a stream, and an application that tells what only it knows.
 *
 *     rows-driver FORMAT
 *
 * FORMAT is a wsrt_export_format. Documents are separated by newlines. */
#include <wsrt/breaker.h>
#include <wsrt/runtime.h>
#include <wsrt/server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATIONS = 5, VALUES = 7 * OPERATIONS, MORE_THAN_LISTED = 1001 };
#define MS INT64_C(1000000)

static int64_t cpu;

static int64_t count_cpu(void *user)
{
    (void)user;
    return cpu += MS / 4;
}

static void keep_quiet(void *user, int level, const char *event, const wsrt_field *f, size_t n)
{
    (void)user, (void)level, (void)event, (void)f, (void)n;
}

static const wsrt_env env = {.struct_size = sizeof env, .cpu = count_cpu, .log = keep_quiet};

static void check(int rc)
{
    if (rc == WSRT_OK)
        return;
    fprintf(stderr, "rows-driver: %s\n", wsrt_status_name(rc));
    exit(1);
}

static wsrt_field text(const char *name, const char *value)
{
    return (wsrt_field){.name_cstr = name, .text = wsrt_span_cstr(value), .kind = WSRT_FIELD_TEXT};
}

/* ---- what only the application knows ---- */

static void saturation(wsrt_samples *to, void *user)
{
    const wsrt_field handler = text("Handler", "websocket_conversation");

    (void)user;
    check(wsrt_sample(to, &handler, 1, 0.5));
}

static void capacity(wsrt_samples *to, void *user)
{
    const wsrt_field table = text("TableName", "connections");

    (void)user;
    check(wsrt_sample(to, &table, 1, 12));
}

static void nothing(wsrt_samples *to, void *user)
{
    (void)user;
    (void)wsrt_sample(to, NULL, 0, 0.0 / 0.0);
}

/* ---- operations ---- */

static void run(wsrt_monitor *m, wsrt_recorder *rec, int id)
{
    static const char *const disconnects[] = {"normal", "error", "timeout"}, *const messages[] = {
                                                                                 "auth", "message",
                                                                                 "ping"};
    wsrt_op op;

    for (int i = 0; i < 3; i++) {
        const wsrt_field attrs[] = {
            text("messageType", messages[i]),
            text("eventType", "connect"),
            text("disconnectReason", disconnects[i]),
            {.name_cstr = "messageLength", .number = 5, .kind = WSRT_FIELD_INT},
            {.name_cstr = "connectionDuration", .number = 5000, .kind = WSRT_FIELD_INT},
            text("undeclared", "x"),
        };
        wsrt_op_result r = {.struct_size = sizeof r,
                            .success = 1,
                            .request_size = 120,
                            .response_size = 80,
                            .attrs = attrs,
                            .attr_count = sizeof attrs / sizeof attrs[0]};
        check(wsrt_op_start(m, rec, id, 0, &op));
        wsrt_op_add_bytes(&op, 4096);
        wsrt_op_external_call(&op);
        check(wsrt_op_complete(&op, i == 2 ? -1 : 4 * MS, &r));
    }
}

static void run_all(wsrt_monitor *m)
{
    wsrt_recorder *rec;
    wsrt_op op;

    check(wsrt_recorder_new(&rec, m));
    for (int id = 0; id < OPERATIONS; id++)
        run(m, rec, id);
    for (int i = 0; i < MORE_THAN_LISTED; i++) {
        check(wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, 0, &op));
        check(wsrt_op_complete(&op, i, NULL));
    }
    const wsrt_field beyond = text("action", "beyond the cap");
    const wsrt_op_result last = {
        .struct_size = sizeof last, .success = 1, .attrs = &beyond, .attr_count = 1};
    check(wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, 0, &op));
    check(wsrt_op_complete(&op, MS, &last));
    wsrt_recorder_free(rec);
}

/* ---- the other rooms ---- */

static int take_stream(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_REJECTED, "BAD", "token=abc");
}

static void open_stream(wsrt_runtime *rt)
{
    check(wsrt_runtime_route(rt, &(wsrt_route){.struct_size = sizeof(wsrt_route),
                                               .key = wsrt_span_cstr("$stream"),
                                               .handler = take_stream}));
}

static void send_batch(wsrt_runtime *rt)
{
    const wsrt_event batch = {
        .struct_size = sizeof batch,
        .kind = WSRT_EVENT_STREAM,
        .body = wsrt_span_cstr(
            "{\"Records\":[{\"dynamodb\":{\"ApproximateCreationDateTime\":1795168800}}]}")};

    check(wsrt_runtime_dispatch(rt, &batch, NULL, NULL));
}

static void open_breakers(wsrt_runtime *rt)
{
    static const char *const names[][2] = {
        {"cognito", "verifyJWT"},         {"apigateway-management", "postToConnection"},
        {"dynamodb", "storeUserMessage"}, {"dynamodb", "storeBotMessage"},
        {"dynamodb", "storeConnection"},  {"dynamodb", "removeConnection"}};
    wsrt_breaker *b;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        check(wsrt_breakers_get(wsrt_runtime_breakers(rt), wsrt_span_cstr(names[i][0]),
                                wsrt_span_cstr(names[i][1]), NULL, &b, NULL));
        wsrt_breaker_release_ref(b);
    }
}

static void tell_sources(wsrt_monitor *m)
{
    static const char *const reads = "ConsumedReadCapacityUnits", *const writes =
                                                                      "ConsumedWriteCapacityUnits";

    check(wsrt_monitor_source(m, "Saturation", WSRT_SOURCE_GAUGE, saturation, m));
    check(wsrt_monitor_source(m, reads, WSRT_SOURCE_COUNTER, capacity, m));
    check(wsrt_monitor_source(m, writes, WSRT_SOURCE_COUNTER, capacity, m));
    check(wsrt_monitor_source(m, "Nothing", WSRT_SOURCE_GAUGE, nothing, m));
}

/* ---- printing ---- */

static int print(const void *data, size_t len, void *user)
{
    const int32_t *format = user;

    fwrite(data, 1, len, stdout);
    if (*format == WSRT_EXPORT_CLOUDWATCH)
        putchar('\n');
    return WSRT_OK;
}

static int swallow(const void *data, size_t len, void *user)
{
    (void)data, (void)len, (void)user;
    return WSRT_OK;
}

/* An export of EMF approximates and drops, which the next one tells. */
static void export_twice(wsrt_monitor *m, int32_t format)
{
    wsrt_export_options o = {
        .struct_size = sizeof o, .format = WSRT_EXPORT_EMF, .wall = 1795168892120};

    check(wsrt_monitor_export(m, &o, swallow, NULL));
    o.format = format;
    check(wsrt_monitor_export(m, &o, print, &format));
}

int main(int argc, char **argv)
{
    wsrt_monitor_options monitor_options = {.struct_size = sizeof monitor_options,
                                            .env = &env,
                                            .cpu_sampling = 1,
                                            .max_values = VALUES};
    wsrt_runtime_options o = {.struct_size = sizeof o, .env = &env};
    wsrt_span nowhere = {NULL, 0};
    wsrt_server_options at = {.struct_size = sizeof at, .listen = &nowhere};
    wsrt_server *server;

    if (argc < 2)
        return 2;
    check(wsrt_monitor_new(&o.monitor, &monitor_options));
    wsrt_runtime *rt;
    check(wsrt_runtime_new(&rt, &o));
    open_stream(rt);
    check(wsrt_server_new(&server, rt, &at));
    open_breakers(rt);
    tell_sources(o.monitor);
    check(wsrt_monitor_tick(o.monitor, 0, 0));
    run_all(o.monitor);
    send_batch(rt);
    check(wsrt_monitor_tick(o.monitor, 60000 * MS, 60000));
    export_twice(o.monitor, (int32_t)strtol(argv[1], NULL, 10));
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    wsrt_monitor_free(o.monitor);
    return 0;
}
