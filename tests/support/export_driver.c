/* Prints an export of a monitor whose content the arguments fix, for parsers that nobody here wrote:
 *
 *     export-driver FORMAT [SETTING=N]...
 *
 * FORMAT is a wsrt_export_format; flags and names are those of wsrt_export_options. There are `events`
 * operations, `series` breakers with names of `label` bytes, `apps` metrics of an application; ids of
 * operations have `correlation` bytes, a member of EMF lines `member`. With own=N there are five metrics
 * of the application's own with N - 1 dimensions. With delta=1 a second reading is
 * printed, with idle=1 nothing ever happened. Documents are separated by newlines. */
#include <wsrt/monitor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLAGS, NAMES, EVENTS, SERIES, LABEL, APPS, CORRELATION, MEMBER, DELTA, IDLE, OWN, SETTINGS };
static const char *const names[SETTINGS] = {"flags", "names", "events",      "series",
                                            "label", "apps",  "correlation", "member",
                                            "delta", "idle",  "own"};

static long settings[SETTINGS] = {[EVENTS] = 400, [SERIES] = 3, [LABEL] = 8, [MEMBER] = 4};
static char label[4096];
static const char *operation = "say \"hi\"\\";
static char long_member[300000];

static void check(int rc)
{
    if (rc == WSRT_OK)
        return;
    fprintf(stderr, "export-driver: %s\n", wsrt_status_name(rc));
    exit(1);
}

static wsrt_field text(const char *name, const char *value)
{
    return (wsrt_field){.name_cstr = name, .text = wsrt_span_cstr(value), .kind = WSRT_FIELD_TEXT};
}

static void sample_all(wsrt_samples *to, double value)
{
    char number[32];

    for (long i = 0; i < settings[SERIES]; i++) {
        snprintf(number, sizeof number, "%06ld", i);
        memcpy(label, number, 6);
        wsrt_field labels[] = {text("Service", label), text("Operation", operation)};
        check(wsrt_sample(to, labels, 2, value + (double)i));
    }
}

static void states(wsrt_samples *to, void *user)
{
    (void)user;
    sample_all(to, 1);
}

static void failures(wsrt_samples *to, void *user)
{
    double *reads = user;

    sample_all(to, 10 * ++*reads);
}

static void connections(wsrt_samples *to, void *user)
{
    (void)user;
    check(wsrt_sample(to, NULL, 0, 9007199254740991.0));
    wsrt_sample(to, NULL, 0, 0.0 / 0.0);
}

/* Durations of 1, 2, 3, ... times 0.1 ms, whatever the number of events. */
static void run(wsrt_monitor *m, wsrt_recorder *rec, int64_t i)
{
    char id[512];
    wsrt_op op;

    int len = snprintf(id, sizeof id, "c-%d", (int)i);
    for (; len < settings[CORRELATION]; len++)
        id[len] = 'y';
    id[len] = '\0';
    const wsrt_field attrs[] = {text("correlationId", id),
                                text("messageType", i % 2 == 0 ? "auth" : "message")};
    const wsrt_op_result result = {.struct_size = sizeof result,
                                   .success = i % 10 != 9,
                                   .request_size = 100 + i,
                                   .response_size = 50,
                                   .attrs = attrs,
                                   .attr_count = 2};
    check(wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, 0, &op));
    wsrt_op_add_bytes(&op, 1000 + i);
    wsrt_op_database_call(&op);
    check(wsrt_op_complete(&op, (i + 1) * 100000, &result));
}

static int print(const void *data, size_t len, void *user)
{
    const int32_t *format = user;

    fwrite(data, 1, len, stdout);
    if (*format == WSRT_EXPORT_CLOUDWATCH || *format == WSRT_EXPORT_OTLP)
        putchar('\n');
    return WSRT_OK;
}

static int swallow(const void *data, size_t len, void *user)
{
    (void)data, (void)len, (void)user;
    return WSRT_OK;
}

static void read_settings(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        for (int s = 0; equals != NULL && s < SETTINGS; s++)
            if (strncmp(argv[i], names[s], (size_t)(equals - argv[i])) == 0)
                settings[s] = strtol(equals + 1, NULL, 10);
    }
    memset(label, 'x', (size_t)settings[LABEL]);
    memset(long_member, 'z', (size_t)settings[MEMBER]);
}

/* One of each kind, of orders in three towns. */
static void register_own(wsrt_monitor *m)
{
    static const char *const own_names[] = {NULL,        "orderCount", "orderLast",
                                            "orderRate", "orderMean",  "orderTown"};
    static char dimension_names[28][8];
    const char *dimensions[28];

    for (int i = 0; i < 28; i++) {
        snprintf(dimension_names[i], sizeof dimension_names[i], "extra%d", i);
        dimensions[i] = dimension_names[i];
    }
    for (int kind = WSRT_BUSINESS_COUNTER; kind <= WSRT_BUSINESS_CATEGORY; kind++)
        check(wsrt_monitor_business(
            m, &(wsrt_business_metric){.struct_size = sizeof(wsrt_business_metric),
                                       .kind = kind,
                                       .operation = WSRT_OP_CHAT_MESSAGE,
                                       .dimension_count = (uint32_t)settings[OWN] - 1,
                                       .name_cstr = own_names[kind],
                                       .attribute_cstr =
                                           kind == WSRT_BUSINESS_CATEGORY ? "town" : "price",
                                       .dimensions = dimensions}));
}

static void order(wsrt_monitor *m, int i)
{
    static const char *const towns[] = {"Ulm", "St. \"Gallen\"", "K\xc3\xb6ln"};
    const wsrt_field attrs[] = {
        text("town", towns[i % 3]),
        {.name_cstr = "price", .real = 2.5 * i, .kind = WSRT_FIELD_REAL},
        text("extra0", i % 2 == 0 ? "even" : "odd"),
    };
    const wsrt_op_result result = {
        .struct_size = sizeof result, .success = i % 4 != 3, .attrs = attrs, .attr_count = 3};
    wsrt_op op;

    check(wsrt_op_start(m, NULL, WSRT_OP_CHAT_MESSAGE, 0, &op));
    check(wsrt_op_complete(&op, 1000000, &result));
}

static void fill(wsrt_monitor *m, wsrt_recorder *rec, double *reads)
{
    check(wsrt_monitor_tick(m, 0, 1795168831120));
    check(wsrt_monitor_source(m, "CircuitState", WSRT_SOURCE_GAUGE, states, m));
    check(wsrt_monitor_source(m, "CircuitFailures", WSRT_SOURCE_COUNTER, failures, reads));
    check(wsrt_monitor_source(m, "ConnectionsActive", WSRT_SOURCE_GAUGE, connections, m));
    for (long i = 0; i < settings[APPS]; i++) {
        char name[32];
        snprintf(name, sizeof name, "App%04ld", i);
        check(wsrt_monitor_source(m, name, WSRT_SOURCE_GAUGE, connections, m));
    }
    if (settings[OWN] > 0)
        register_own(m);
    for (int i = 0; i < 12 && settings[OWN] > 0; i++)
        order(m, i);
    for (long i = 0; i < settings[EVENTS]; i++)
        run(m, rec, i);
    for (int64_t now = 1; now <= 61; now++)
        check(wsrt_monitor_tick(m, now * 1000000000, 1795168831120 + now * 1000));
}

int main(int argc, char **argv)
{
    wsrt_export_options options = {.struct_size = sizeof options, .wall = 1795168892120};
    wsrt_monitor *m;
    wsrt_recorder *rec;
    double reads = 0;

    if (argc < 2)
        return 2;
    read_settings(argc, argv);
    const wsrt_field members[] = {text("connectionId", "QbT4ecNrDoECJ0A="),
                                  text("correlationId", "c-01"), text("password", "secret"),
                                  text("traceId", long_member)};
    options.format = (int32_t)strtol(argv[1], NULL, 10);
    if (options.format != WSRT_EXPORT_EMF && options.format != WSRT_EXPORT_CLOUDWATCH)
        operation = "say \"hi\"\n\\"; /* where a dimension may have two lines */
    options.flags = (uint32_t)settings[FLAGS];
    options.names = (int32_t)settings[NAMES];
    if (options.format == WSRT_EXPORT_EMF) {
        options.members = members;
        options.member_count = 4;
    }
    check(wsrt_monitor_new(&m, NULL));
    check(wsrt_recorder_new(&rec, m));
    if (!settings[IDLE])
        fill(m, rec, &reads);
    if (settings[DELTA]) {
        check(wsrt_monitor_reader_new(&options.since, m));
        check(wsrt_monitor_export(m, &options, swallow, NULL));
        for (int64_t i = 0; i < 7; i++)
            run(m, rec, i);
        for (int i = 0; i < 4 && settings[OWN] > 0; i++)
            order(m, i);
    }
    check(wsrt_monitor_export(m, &options, print, &options.format));
    wsrt_monitor_reader_free(options.since);
    wsrt_recorder_free(rec);
    wsrt_monitor_free(m);
    return 0;
}
