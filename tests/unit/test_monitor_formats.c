#include "monitor_rig.h"

#include "monitor/catalogue.h"
#include "monitor/data.h"

#include <wsrt/json.h>
#include <wsrt/schema.h>

#include <pthread.h>
#include <stdatomic.h>

/* ---- exports, as text and as JSON ---- */

static wsrt_export_options of_format(int32_t format)
{
    return (wsrt_export_options){
        .struct_size = sizeof(wsrt_export_options), .format = format, .wall = 1795168831120};
}

static void export_all(const wsrt_export_options *o)
{
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
}

static void export_as(int32_t format)
{
    wsrt_export_options o = of_format(format);

    export_all(&o);
}

static wsrt_json at(const char *pointer)
{
    wsrt_json doc;

    ck_assert_int_eq(wsrt_json_parse(&doc, (wsrt_span){page.text, page.len}, NULL), WSRT_OK);
    ck_assert_msg(wsrt_json_find(&doc, wsrt_span_cstr(pointer), &doc) == WSRT_OK, "%s in %s",
                  pointer, page.text);
    return doc;
}

static double number_at(const char *pointer)
{
    wsrt_json value = at(pointer);
    double out;

    ck_assert_msg(wsrt_json_double(&value, &out) == WSRT_OK, "no number at %s", pointer);
    return out;
}

static int text_at(const char *pointer, const char *wanted)
{
    wsrt_json value = at(pointer);

    return wsrt_json_equal(&value, wsrt_span_cstr(wanted));
}

static int is_absent(const char *pointer)
{
    wsrt_json doc;

    ck_assert_int_eq(wsrt_json_parse(&doc, (wsrt_span){page.text, page.len}, NULL), WSRT_OK);
    return wsrt_json_find(&doc, wsrt_span_cstr(pointer), &doc) == WSRT_ERR_NOT_FOUND;
}

/* ---- every metric of the catalogue ---- */

/* One series with the dimensions of its row, but for the monitor's own. */
static void sample_row(wsrt_samples *to, void *user)
{
    wsrt_metric_info info = {.struct_size = sizeof info};
    wsrt_field labels[4];

    ck_assert_int_eq(wsrt_catalogue_metric(*(size_t *)user, &info), WSRT_OK);
    for (size_t i = 0; i + 1 < info.dimension_count; i++)
        labels[i] = text(info.dimensions[i], info.values[i] != NULL ? info.values[i] : "some");
    ck_assert_int_eq(wsrt_sample(to, labels, info.dimension_count - 1, 7), WSRT_OK);
}

static void sample_all_rows(void)
{
    static size_t places[METRICS];

    for (size_t i = METRIC_SATURATION; i <= METRIC_REDACTIONS; i++) {
        const struct metric *metric = wsrt_metric_of((enum metric_id)i);
        int kind = metric->form == WSRT_METRIC_SUM ? WSRT_SOURCE_COUNTER : WSRT_SOURCE_GAUGE;
        places[i] = i;
        ck_assert_int_eq(wsrt_monitor_source(m, metric->name, kind, sample_row, &places[i]),
                         WSRT_OK);
    }
}

static void busy_operation(wsrt_recorder *rec, int id)
{
    const wsrt_field attrs[] = {
        text("messageType", "auth"),
        text("eventType", "connect"),
        text("disconnectReason", "normal"),
        text("nonsense", "x"),
        {.name_cstr = "messageLength", .number = 5, .kind = WSRT_FIELD_INT},
        {.name_cstr = "connectionDuration", .number = 5000, .kind = WSRT_FIELD_INT},
    };
    wsrt_op_result r = success();
    wsrt_op op;

    r.request_size = 120;
    r.response_size = 80;
    r.attrs = attrs;
    r.attr_count = COUNT(attrs);
    cpu_clock += MS;
    ck_assert_int_eq(wsrt_op_start(m, rec, id, 10 * id * MS, &op), WSRT_OK);
    wsrt_op_add_bytes(&op, 4096);
    cpu_clock += MS;
    ck_assert_int_eq(wsrt_op_complete(&op, 10 * id * MS + 4 * MS, &r), WSRT_OK);
    ck_assert_int_eq(wsrt_op_start(m, rec, id, 0, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, -1, NULL), WSRT_OK);
}

/* Everything at once, so that no row is without a value. */
static void fill_all(void)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;
    int id;

    o.cpu_sampling = 1;
    o.max_metric_values = 1;
    remake(o);
    ck_assert_int_eq(wsrt_monitor_operation(m, wsrt_span_cstr("stream_processor"), &id), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_tick(m, 0, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    for (int i = 0; i < 5; i++)
        busy_operation(rec, i);
    wsrt_recorder_free(rec);
    ck_assert_int_eq(wsrt_monitor_tick(m, 60000 * MS, 60000), WSRT_OK);
    sample_all_rows();
}

/* The datum of a name with exactly these dimensions, somewhere in the one body. */
static int finds_datum(const wsrt_metric_info *info, const char *const *values)
{
    wsrt_json data = at("/MetricData"), datum, name, unit;
    wsrt_json_iter it = {0};

    while (wsrt_json_next(&data, &it, NULL, &datum) == WSRT_OK) {
        char wanted[512], *end = wanted;
        end += snprintf(end, 8, "[");
        for (size_t i = 0; i < info->dimension_count; i++)
            end += snprintf(end, 128, "%s{\"Name\":\"%s\",\"Value\":\"%s\"}", i > 0 ? "," : "",
                            info->dimensions[i], values[i]);
        snprintf(end, 8, "]");
        wsrt_json_find(&datum, wsrt_span_cstr("/MetricName"), &name);
        wsrt_json_find(&datum, wsrt_span_cstr("/Unit"), &unit);
        wsrt_json_find(&datum, wsrt_span_cstr("/Dimensions"), &datum);
        if (wsrt_json_equal(&name, wsrt_span_cstr(info->name_cstr)) &&
            wsrt_span_equal(datum.text, wsrt_span_cstr(wanted)))
            return wsrt_json_equal(&unit, wsrt_span_cstr(info->unit_cstr));
    }
    return 0;
}

/* What stands for a dimension that the catalogue leaves open. */
static const char *value_for(const wsrt_metric_info *info, size_t i)
{
    if (strcmp(info->dimensions[i], "Environment") == 0)
        return "dev";
    if (info->values[i] != NULL)
        return info->values[i];
    if (strcmp(info->dimensions[i], "Handler") == 0 && strcmp(info->name_cstr, "Saturation") != 0)
        return "websocket_conversation";
    return "some";
}

START_TEST(every_metric_of_the_catalogue_is_published_with_its_dimensions)
{
    wsrt_metric_info info = {.struct_size = sizeof info};
    size_t published = 0;

    fill_all();
    export_as(WSRT_EXPORT_CLOUDWATCH);
    for (size_t i = 0; wsrt_catalogue_metric(i, &info) == WSRT_OK; i++) {
        const char *values[4];
        if (info.unit_cstr == NULL || strncmp(info.namespace_cstr, "AWS/", 4) == 0)
            continue;
        for (size_t d = 0; d < info.dimension_count; d++)
            values[d] = value_for(&info, d);
        int rare = i == METRIC_EXPORT_DROPPED || i == METRIC_EXPORT_APPROXIMATED;
        ck_assert_msg(finds_datum(&info, values) == !rare, "%s in %s", info.name_cstr, page.text);
        published++;
    }
    ck_assert_uint_gt(published, 50);
}
END_TEST

START_TEST(every_alarm_watches_what_is_published)
{
    wsrt_alarm_info alarm = {.struct_size = sizeof alarm};
    wsrt_metric_info info = {.struct_size = sizeof info};
    size_t watched = 0;

    fill_all();
    export_as(WSRT_EXPORT_CLOUDWATCH);
    for (size_t i = 0; wsrt_catalogue_alarm(i, &alarm) == WSRT_OK; i++) {
        const char *values[4];
        ck_assert_int_eq(wsrt_catalogue_metric(alarm.metric, &info), WSRT_OK);
        if (alarm.kind != WSRT_ALARM_LIMIT || strncmp(info.namespace_cstr, "AWS/", 4) == 0 ||
            strcmp(info.row_cstr, "circuit") == 0)
            continue;
        for (size_t d = 0; d < info.dimension_count; d++)
            values[d] = alarm.values[d] != NULL ? alarm.values[d] : value_for(&info, d);
        ck_assert_msg(finds_datum(&info, values), "%s", alarm.id_cstr);
        watched++;
    }
    ck_assert_uint_ge(watched, 12);
}
END_TEST

START_TEST(every_metric_of_the_catalogue_is_in_prometheus_and_otlp)
{
    wsrt_metric_info info = {.struct_size = sizeof info};

    fill_all();
    for (size_t i = 0; wsrt_catalogue_metric(i, &info) == WSRT_OK; i++) {
        char type[160];
        if (info.family_cstr == NULL)
            continue;
        snprintf(type, sizeof type, "# TYPE %s ", info.family_cstr);
        ck_assert_msg(has(type), "%s", info.family_cstr);
    }
    export_as(WSRT_EXPORT_OTLP);
    for (size_t i = METRIC_SATURATION; i <= METRIC_CLOCK_BACKWARDS; i++) {
        char name[160];
        const char *family = wsrt_metric_of((enum metric_id)i)->prometheus;
        size_t len = strlen(family);
        const char *const units[] = {"_seconds", "_bytes", "_ratio"};
        for (size_t u = 0; u < COUNT(units); u++)
            if (len > strlen(units[u]) && strcmp(family + len - strlen(units[u]), units[u]) == 0)
                len -= strlen(units[u]);
        snprintf(name, sizeof name, "\"name\":\"%.*s\"", (int)len, family);
        ck_assert_msg(strstr(page.text, name) != NULL, "%s", name);
    }
}
END_TEST

/* ---- dashboards ---- */

static wsrt_schema *shipped_schema(void)
{
    static char schema_text[32 * 1024];
    wsrt_schema_error why;
    wsrt_schema *out;
    FILE *file = fopen(MONITOR_SCHEMA, "rb");

    ck_assert_ptr_nonnull(file);
    size_t len = fread(schema_text, 1, sizeof schema_text, file);
    fclose(file);
    int rc = wsrt_schema_new(&out, schema_text, len, NULL, &why);
    ck_assert_msg(rc == WSRT_OK, "%s at %s", rc == WSRT_OK ? "" : why.text_cstr,
                  rc == WSRT_OK ? "" : why.pointer);
    return out;
}

static int fits_schema(void)
{
    static unsigned char scratch[64 * 1024];
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};
    wsrt_schema *schema = shipped_schema();
    int rc = wsrt_validate(schema, page.text, page.len, NULL, &v);

    wsrt_schema_free(schema);
    ck_assert_msg(rc == WSRT_OK || rc == WSRT_ERR_REJECTED, "status %d", rc);
    return rc == WSRT_OK;
}

START_TEST(a_dashboard_snapshot_fits_the_shipped_schema)
{
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(fits_schema());
    fill_all();
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(fits_schema());
    memcpy(strstr(page.text, "\"p99\""), "\"p98\"", 5);
    ck_assert(!fits_schema());
}
END_TEST

START_TEST(counts_that_no_double_holds_are_strings)
{
    wsrt_op_result r = success();
    wsrt_op op;

    r.request_size = 9007199254740991;
    r.response_size = INT64_MAX;
    ck_assert_int_eq(wsrt_op_start(m, NULL, 0, 0, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, 1, &r), WSRT_OK);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert_double_eq(number_at("/operations/0/requestSize/sum"), 9007199254740991.0);
    ck_assert(text_at("/operations/0/responseSize/sum", "9223372036854775807"));
    ck_assert(fits_schema());
}
END_TEST

START_TEST(a_dashboard_tells_levels_rates_and_what_is_raised)
{
    ck_assert_int_eq(wsrt_monitor_tick(m, 0, 0), WSRT_OK);
    for (int i = 0; i < 30; i++)
        run(NULL, WSRT_OP_CHAT_MESSAGE, 900 * MS);
    ck_assert_int_eq(wsrt_monitor_tick(m, 10000 * MS, 10000), WSRT_OK);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert_double_eq(number_at("/operations/3/rates/10s/perSecond"), 3);
    ck_assert_double_eq(number_at("/operations/3/rates/1m/perSecond"), 0.5);
    ck_assert_double_eq(number_at("/operations/3/rates/15m/errorRate"), 0);
    ck_assert_double_eq(number_at("/operations/3/thresholds/0/critical"), 1000);
    ck_assert(text_at("/operations/3/thresholds/0/level", "warning"));
    ck_assert(text_at("/operations/0/thresholds/0/level", "none"));
    ck_assert(text_at("/alerts/0/operation", "chat_message_processing"));
    ck_assert(text_at("/alerts/0/metric", "duration"));
    ck_assert(is_absent("/alerts/1"));
    ck_assert(is_absent("/operations/0/duration/mean"));
}
END_TEST

START_TEST(a_dashboard_is_safe_in_html_when_asked)
{
    wsrt_monitor_options o = options();
    wsrt_export_options html = of_format(WSRT_EXPORT_DASHBOARD);

    o.environment = wsrt_span_cstr("</script>&");
    remake(o);
    export_all(&html);
    ck_assert_ptr_nonnull(strstr(page.text, "</script>"));
    html.flags = WSRT_EXPORT_HTML_SAFE;
    export_all(&html);
    ck_assert_ptr_null(strpbrk(page.text, "<>&"));
    ck_assert(text_at("/environment", "</script>&"));
}
END_TEST

/* ---- readers ---- */

static double counted_by(wsrt_monitor_reader *reader, const char *pointer)
{
    wsrt_export_options o = of_format(WSRT_EXPORT_DASHBOARD);

    o.since = reader;
    export_all(&o);
    return number_at(pointer);
}

START_TEST(a_reader_tells_what_came_since_its_last_export)
{
    wsrt_monitor_reader *a, *b;

    run(NULL, 0, 5 * MS);
    ck_assert_int_eq(wsrt_monitor_reader_new(&a, m), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_reader_new(&b, m), WSRT_OK);
    ck_assert_double_eq(counted_by(a, "/operations/0/count"), 1);
    run(NULL, 0, 3 * MS);
    run(NULL, 0, 2 * MS);
    ck_assert_double_eq(counted_by(a, "/operations/0/count"), 2);
    ck_assert_double_eq_tol(number_at("/operations/0/duration/max"), 3, 3 / 32.0);
    ck_assert_double_eq(number_at("/operations/0/duration/mean"), 2.5);
    ck_assert_double_eq(counted_by(a, "/operations/0/count"), 0);
    ck_assert(is_absent("/operations/0/duration/mean"));
    ck_assert_double_eq(counted_by(b, "/operations/0/count"), 3);
    ck_assert_double_eq(number_at("/operations/0/duration/max"), 5);
    wsrt_monitor_reader_free(a);
    wsrt_monitor_reader_free(b);
}
END_TEST

static int fail_to_write(const void *data, size_t len, void *user)
{
    (void)data, (void)len, (void)user;
    return WSRT_ERR_IO;
}

START_TEST(a_reader_stays_where_it_is_when_an_export_fails)
{
    wsrt_export_options o = of_format(WSRT_EXPORT_DASHBOARD);

    ck_assert_int_eq(wsrt_monitor_reader_new(&o.since, m), WSRT_OK);
    run(NULL, 0, MS);
    ck_assert_int_eq(wsrt_monitor_export(m, &o, fail_to_write, NULL), WSRT_ERR_IO);
    ck_assert_double_eq(counted_by(o.since, "/operations/0/count"), 1);
    wsrt_monitor_reader_free(o.since);
}
END_TEST

START_TEST(values_that_appear_between_two_exports_are_told_apart)
{
    wsrt_monitor_reader *reader;
    wsrt_op op;

    ck_assert_int_eq(wsrt_monitor_reader_new(&reader, m), WSRT_OK);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "category%d", i);
        ck_assert_int_eq(wsrt_monitor_error_category(m, 0, wsrt_span_cstr(name)), WSRT_OK);
        for (int k = 0; k < 2; k++) {
            wsrt_op_start(m, NULL, 0, 0, &op);
            wsrt_op_error(&op, k == 0 ? name : "category0");
            wsrt_op_complete(&op, 1, NULL);
        }
        if (i % 60 != 59)
            continue;
        ck_assert_double_eq(counted_by(reader, "/operations/0/errorsByCategory/category0"),
                            i == 59 ? 61 : 60);
        char pointer[64];
        snprintf(pointer, sizeof pointer, "/operations/0/errorsByCategory/category%d", i);
        ck_assert_double_eq(number_at(pointer), 1);
    }
    wsrt_monitor_reader_free(reader);
}
END_TEST

START_TEST(a_reader_keeps_its_monitor_alive)
{
    wsrt_monitor_reader *reader;

    ck_assert_int_eq(wsrt_monitor_reader_new(&reader, m), WSRT_OK);
    counted_by(reader, "/operations/0/count");
    wsrt_monitor_free(m);
    m = NULL;
    ck_assert_uint_gt(heap.live, 0);
    wsrt_monitor_reader_free(reader);
    wsrt_monitor_reader_free(NULL);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

enum { WRITERS = 2, LIVES = 30, ROUNDS = 300 };
static atomic_int writing;

static void *live_and_die(void *user)
{
    wsrt_op_result r = success();
    wsrt_op op;

    r.request_size = 3;
    for (int life = 0; life < LIVES; life++) {
        wsrt_recorder *rec;
        if (wsrt_recorder_new(&rec, m) != WSRT_OK)
            abort();
        for (int i = 0; i < ROUNDS; i++) {
            wsrt_op_start(m, i % 3 == 0 ? NULL : rec, 0, 0, &op);
            wsrt_op_complete(&op, (int64_t)i * 100000, &r);
        }
        wsrt_recorder_free(rec);
    }
    atomic_fetch_sub(&writing, 1);
    return user;
}

START_TEST(deltas_add_up_while_recorders_come_and_go)
{
    pthread_t threads[WRITERS];
    wsrt_monitor_reader *reader;
    double count = 0, bytes = 0, successes = 0;

    ck_assert_int_eq(wsrt_monitor_reader_new(&reader, m), WSRT_OK);
    atomic_store(&writing, WRITERS);
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, live_and_die, NULL), 0);
    for (int last = 0; !last;) {
        last = atomic_load(&writing) == 0;
        double more = counted_by(reader, "/operations/0/count");
        ck_assert_double_ge(more, 0);
        ck_assert_double_le(more, WRITERS * LIVES * ROUNDS);
        count += more;
        bytes += number_at("/operations/0/requestSize/sum");
        successes += number_at("/operations/0/success");
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_double_eq(count, WRITERS * LIVES * ROUNDS);
    ck_assert_double_eq(successes, WRITERS * LIVES * ROUNDS);
    ck_assert_double_eq(bytes, 3 * WRITERS * LIVES * ROUNDS);
    wsrt_monitor_reader_free(reader);
}
END_TEST

START_TEST(exports_that_are_none_are_refused)
{
    const struct {
        int32_t format;
        uint32_t flags;
        int32_t names;
        size_t members;
    } rows[] = {
        {0, 0, 0, 0},
        {8, 0, 0, 0},
        {-1, 0, 0, 0},
        {WSRT_EXPORT_DASHBOARD, WSRT_EXPORT_SUMMARY, 0, 0},
        {WSRT_EXPORT_PROMETHEUS, WSRT_EXPORT_COUNTS, 0, 0},
        {WSRT_EXPORT_EMF, 1u << 31, 0, 0},
        {WSRT_EXPORT_EMF, 0, 3, 0},
        {WSRT_EXPORT_EMF, 0, -1, 0},
        {WSRT_EXPORT_EMF, 0, 0, 1},
    };
    wsrt_export_options o;
    wsrt_monitor *other;

    for (size_t i = 0; i < COUNT(rows); i++) {
        o = of_format(rows[i].format);
        o.flags = rows[i].flags;
        o.names = rows[i].names;
        o.member_count = rows[i].members;
        ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_ERR_INVALID);
    }
    o = of_format(WSRT_EXPORT_EMF);
    ck_assert_int_eq(wsrt_monitor_export(NULL, &o, append, &page), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_export(m, NULL, append, &page), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_export(m, &o, NULL, &page), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_new(&other, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_reader_new(&o.since, other), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_ERR_INVALID);
    wsrt_monitor_reader_free(o.since);
    wsrt_monitor_free(other);
    ck_assert_int_eq(wsrt_monitor_reader_new(&o.since, NULL), WSRT_ERR_INVALID);
    ck_assert_ptr_null(o.since);
}
END_TEST

START_TEST(refused_memory_makes_every_export_fail_clean)
{
    wsrt_export_options o = of_format(_i % WSRT_EXPORT_BINARY + 1);
    size_t points = 0;

    fill_all();
    ck_assert_int_eq(wsrt_monitor_reader_new(&o.since, m), WSRT_OK);
    export_all(&o);
    run(NULL, 0, 40 * MS);
    size_t before = heap.live;
    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, _i / WSRT_EXPORT_BINARY);
        page.len = 0;
        int rc = wsrt_monitor_export(m, &o, append, &page);
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        if (!tripped) {
            ck_assert_int_eq(rc, WSRT_OK);
            break;
        }
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_uint_eq(heap.live, before);
        points++;
    }
    printf("# allocation points: %zu\n", points);
    wsrt_monitor_reader_free(o.since);
}
END_TEST

/* ---- joining ---- */

START_TEST(joined_values_keep_their_count_and_sum)
{
    static struct value_count v[1000];
    static const size_t most[] = {1, 2, 149, 150, 151, 999, 1000, 2000};

    for (size_t i = 0; i < COUNT(most); i++) {
        double sum = 0, joined = 0;
        uint64_t count = 0, kept = 0;
        for (size_t k = 0; k < COUNT(v); k++) {
            double low = 1 + (double)(k * k);
            v[k] = (struct value_count){low + 0.5, low, low + 1, 1 + k % 7};
            sum += v[k].value * (double)v[k].count;
            count += v[k].count;
        }
        size_t n = wsrt_values_join(v, COUNT(v), most[i]);
        ck_assert_uint_eq(n, most[i] < COUNT(v) ? most[i] : COUNT(v));
        for (size_t k = 0; k < n; k++) {
            joined += v[k].value * (double)v[k].count;
            kept += v[k].count;
            ck_assert_double_ge(v[k].value, v[k].low);
            ck_assert_double_le(v[k].value, v[k].high);
        }
        ck_assert_uint_eq(kept, count);
        ck_assert_double_eq_tol(joined / sum, 1, 1e-12);
    }
}
END_TEST

/* ---- trends over a virtual day ---- */

static wsrt_alert trends[64];
static size_t trend_count;

static void note_trend(const wsrt_alert *alert, void *user)
{
    (void)user;
    if (alert->watched < WSRT_WATCH_TREND_DURATION)
        return;
    ck_assert_uint_lt(trend_count, COUNT(trends));
    trends[trend_count++] = *alert;
}

static int64_t minutes;

static void start_day(uint32_t trend)
{
    wsrt_monitor_options o = options();

    o.on_alert = note_trend;
    o.trend = trend;
    trend_count = 0;
    minutes = 0;
    remake(o);
    ck_assert_int_eq(wsrt_monitor_tick(m, 0, 0), WSRT_OK);
}

/* Minutes of ten completions each. */
static void live(int count, int64_t duration, int failures)
{
    wsrt_op_result failed = failure();
    wsrt_op op;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 10; k++) {
            wsrt_op_start(m, NULL, 0, 0, &op);
            wsrt_op_complete(&op, duration, k < failures ? &failed : NULL);
        }
        minutes++;
        ck_assert_int_eq(wsrt_monitor_tick(m, minutes * 60000 * MS, minutes * 60000), WSRT_OK);
    }
}

static void expect_trend(size_t which, int watched, int old_level, int new_level, double limit)
{
    ck_assert_uint_gt(trend_count, which);
    ck_assert_int_eq(trends[which].watched, watched);
    ck_assert_int_eq(trends[which].operation, 0);
    ck_assert_int_eq(trends[which].old_level, old_level);
    ck_assert_int_eq(trends[which].new_level, new_level);
    ck_assert_double_eq(trends[which].limit, limit);
}

START_TEST(a_day_that_slows_down_is_told_once_a_level)
{
    start_day(0);
    live(600, 10 * MS, 0);
    ck_assert_uint_eq(trend_count, 0);
    live(15, 18 * MS, 0);
    ck_assert_uint_eq(trend_count, 2);
    expect_trend(0, WSRT_WATCH_TREND_DURATION, 0, 1, 1.5);
    expect_trend(1, WSRT_WATCH_TREND_P99, 0, 1, 1.5);
    ck_assert_double_gt(trends[0].value, 1.5);
    live(15, 30 * MS, 0);
    ck_assert_uint_eq(trend_count, 4);
    expect_trend(2, WSRT_WATCH_TREND_DURATION, 1, 2, 2.0);
    live(60, 30 * MS, 0);
    ck_assert_uint_eq(trend_count, 4);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(fits_schema());
    ck_assert_double_eq_tol(number_at("/operations/0/trend/duration/ratio"), 3, 0.1);
    ck_assert(text_at("/operations/0/trend/duration/level", "critical"));
    live(15, 10 * MS, 0);
    ck_assert_int_eq(trends[trend_count - 1].new_level, 0);
    ck_assert_uint_le(trend_count, 8);
}
END_TEST

START_TEST(a_level_of_a_trend_holds_down_to_nine_tenths_of_its_limit)
{
    start_day(0);
    live(600, 10 * MS, 0);
    live(15, 16 * MS, 0);
    ck_assert_uint_eq(trend_count, 2);
    live(15, 14 * MS, 0);
    ck_assert_uint_eq(trend_count, 2);
    live(15, 13 * MS, 0);
    ck_assert_uint_eq(trend_count, 4);
    for (size_t i = 2; i < 4; i++)
        expect_trend(i, trends[i].watched, 1, 0, 1.5);
}
END_TEST

START_TEST(a_trend_needs_sixty_minutes_and_thirty_completions)
{
    start_day(0);
    live(59, 10 * MS, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(is_absent("/operations/0/trend/duration"));
    live(1, 10 * MS, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert_double_eq_tol(number_at("/operations/0/trend/duration/ratio"), 1, 1e-9);
    minutes += 13;
    ck_assert_int_eq(wsrt_monitor_tick(m, minutes * 60000 * MS, 0), WSRT_OK);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(is_absent("/operations/0/trend/duration"));
    live(2, 10 * MS, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(is_absent("/operations/0/trend/duration"));
    live(1, 10 * MS, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(!is_absent("/operations/0/trend/duration"));
}
END_TEST

START_TEST(a_slope_is_told_in_percent_an_hour)
{
    start_day(0);
    for (int i = 0; i < 120; i++)
        live(1, 10 * MS + i * MS / 20, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    double baseline = number_at("/operations/0/trend/duration/baseline");
    ck_assert_double_eq_tol(number_at("/operations/0/trend/duration/slopePercentPerHour"),
                            3 / baseline * 100, 0.01);
}
END_TEST

START_TEST(error_rates_must_also_rise_by_two_hundredths)
{
    start_day(0);
    live(600, 10 * MS, 0);
    for (int i = 0; i < 15; i++)
        live(1, 10 * MS, i == 0);
    ck_assert_uint_eq(trend_count, 0);
    live(15, 10 * MS, 1);
    ck_assert_uint_eq(trend_count, 1);
    expect_trend(0, WSRT_WATCH_TREND_ERROR_RATE, 0, 2, 2.0);
}
END_TEST

START_TEST(minutes_older_than_a_day_are_forgotten)
{
    start_day(0);
    live(100, 10 * MS, 0);
    minutes += 1440;
    ck_assert_int_eq(wsrt_monitor_tick(m, minutes * 60000 * MS, 0), WSRT_OK);
    live(30, 100 * MS, 0);
    ck_assert_uint_eq(trend_count, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(is_absent("/operations/0/trend/duration"));
}
END_TEST

START_TEST(trends_that_are_off_take_no_memory)
{
    start_day(0);
    live(1, 10 * MS, 0);
    size_t with = heap.live;
    start_day(UINT32_MAX);
    live(1, 10 * MS, 0);
    ck_assert_uint_gt(with, heap.live + 1440 * 32);
    live(100, 10 * MS, 0);
    export_as(WSRT_EXPORT_DASHBOARD);
    ck_assert(is_absent("/operations/0/trend/duration"));
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_formats");
    TCase *c = tcase_create("monitor_formats"), *days = tcase_create("days");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_metric_of_the_catalogue_is_published_with_its_dimensions);
    tcase_add_test(c, every_alarm_watches_what_is_published);
    tcase_add_test(c, every_metric_of_the_catalogue_is_in_prometheus_and_otlp);
    tcase_add_test(c, a_dashboard_snapshot_fits_the_shipped_schema);
    tcase_add_test(c, counts_that_no_double_holds_are_strings);
    tcase_add_test(c, a_dashboard_tells_levels_rates_and_what_is_raised);
    tcase_add_test(c, a_dashboard_is_safe_in_html_when_asked);
    tcase_add_test(c, a_reader_tells_what_came_since_its_last_export);
    tcase_add_test(c, a_reader_stays_where_it_is_when_an_export_fails);
    tcase_add_test(c, values_that_appear_between_two_exports_are_told_apart);
    tcase_add_test(c, a_reader_keeps_its_monitor_alive);
    tcase_add_test(c, deltas_add_up_while_recorders_come_and_go);
    tcase_add_test(c, exports_that_are_none_are_refused);
    tcase_add_loop_test(c, refused_memory_makes_every_export_fail_clean, 0, 2 * WSRT_EXPORT_BINARY);
    tcase_add_test(c, joined_values_keep_their_count_and_sum);
    tcase_add_test(c, a_trend_needs_sixty_minutes_and_thirty_completions);
    tcase_add_test(c, a_slope_is_told_in_percent_an_hour);
    tcase_add_test(c, minutes_older_than_a_day_are_forgotten);
    tcase_add_test(c, trends_that_are_off_take_no_memory);
    suite_add_tcase(s, c);
    tcase_add_checked_fixture(days, setup, teardown);
    tcase_set_timeout(days, 60);
    tcase_set_tags(days, SLOW);
    tcase_add_test(days, a_day_that_slows_down_is_told_once_a_level);
    tcase_add_test(days, a_level_of_a_trend_holds_down_to_nine_tenths_of_its_limit);
    tcase_add_test(days, error_rates_must_also_rise_by_two_hundredths);
    suite_add_tcase(s, days);
    return s;
}
