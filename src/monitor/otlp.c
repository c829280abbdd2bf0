/* OTLP/HTTP in JSON: names as in Prometheus without their unit, which stands beside them. 64-bit
 * integers are strings, enumerators numbers. */
#include "monitor/bounds.h"
#include "monitor/business.h"
#include "monitor/catalogue.h"
#include "monitor/document.h"

#include "base/double.h"

#include <string.h>

enum { TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE = 2 };
enum { SCALE = 3, STEPS = 1 << SCALE, LOWEST_INDEX = -30 * STEPS, INDICES = 43 * STEPS };

struct otlp {
    const struct export *export;
    const wsrt_snapshot *snapshot;
    wsrt_json_writer *json;
};

/* ---- pieces ---- */

static void whole(wsrt_json_writer *w, const char *name, uint64_t v)
{
    wsrt_json_key(w, name);
    wsrt_json_digits(w, v);
}

static uint64_t nanoseconds(int64_t ms)
{
    return ms <= 0 || ms > INT64_MAX / 1000000 ? 0 : (uint64_t)ms * 1000000;
}

static void attribute(wsrt_json_writer *w, const char *key, wsrt_span value)
{
    wsrt_json_object(w);
    wsrt_json_member(w, "key", wsrt_span_cstr(key));
    wsrt_json_key(w, "value");
    wsrt_json_object(w);
    wsrt_json_member(w, "stringValue", value);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
}

/* `{"startTimeUnixNano":...,"timeUnixNano":...,"attributes":[` */
static void open_point(const struct otlp *o)
{
    wsrt_json_writer *w = o->json;

    wsrt_json_object(w);
    if (nanoseconds(o->export->began) > 0)
        whole(w, "startTimeUnixNano", nanoseconds(o->export->began));
    whole(w, "timeUnixNano", nanoseconds(o->export->options->wall));
    wsrt_json_key(w, "attributes");
    wsrt_json_array(w);
}

static void open_operation_point(const struct otlp *o, int id)
{
    const struct operation *operation = o->snapshot->operations[id].operation;

    open_point(o);
    attribute(o->json, "handler", (wsrt_span){operation->name, operation->name_len});
}

static void end_point(const struct otlp *o)
{
    wsrt_json_object_end(o->json);
}

static void close_number(const struct otlp *o, double v)
{
    wsrt_json_array_end(o->json);
    wsrt_json_number(o->json, "asDouble", v);
    end_point(o);
}

static void close_count(const struct otlp *o, uint64_t v)
{
    wsrt_json_array_end(o->json);
    whole(o->json, "asInt", v < INT64_MAX ? v : INT64_MAX);
    end_point(o);
}

/* ---- a metric ---- */

static int drop_end(size_t *len, const char *name, const char *end)
{
    size_t tail = strlen(end);

    if (*len <= tail || memcmp(name + *len - tail, end, tail) != 0)
        return 0;
    *len -= tail;
    return 1;
}

static void name_and_unit(wsrt_json_writer *w, const char *name)
{
    size_t len = strlen(name);
    const char *unit = drop_end(&len, name, "_seconds") ? "s"
                       : drop_end(&len, name, "_bytes") ? "By"
                                                        : "1";

    if (unit[0] == '1')
        drop_end(&len, name, "_ratio");
    wsrt_json_member(w, "name", (wsrt_span){name, len});
    wsrt_json_member(w, "unit", wsrt_span_cstr(unit));
}

static void temporality(const struct otlp *o)
{
    wsrt_json_key(o->json, "aggregationTemporality");
    wsrt_json_write_int64(o->json,
                          o->export->is_delta ? TEMPORALITY_DELTA : TEMPORALITY_CUMULATIVE);
}

static void open_named(const struct otlp *o, const char *name, const char *help, const char *kind)
{
    wsrt_json_writer *w = o->json;

    wsrt_json_object(w);
    name_and_unit(w, name);
    wsrt_json_member(w, "description", wsrt_span_cstr(help));
    wsrt_json_key(w, kind);
    wsrt_json_object(w);
    if (strcmp(kind, "gauge") != 0)
        temporality(o);
    if (strcmp(kind, "sum") == 0) {
        wsrt_json_key(w, "isMonotonic");
        wsrt_json_write_bool(w, 1);
    }
    wsrt_json_key(w, "dataPoints");
    wsrt_json_array(w);
}

static void open_metric(const struct otlp *o, enum metric_id id, const char *kind)
{
    const struct metric *metric = wsrt_metric_of(id);

    open_named(o, metric->prometheus, metric->help, kind);
}

static void close_metric(const struct otlp *o)
{
    wsrt_json_array_end(o->json);
    wsrt_json_object_end(o->json);
    wsrt_json_object_end(o->json);
}

/* ---- histograms ---- */

static void totals(const struct otlp *o, uint64_t count, double sum)
{
    wsrt_json_array_end(o->json);
    whole(o->json, "count", count);
    wsrt_json_number(o->json, "sum", sum);
}

static void explicit_buckets(const struct otlp *o, int id)
{
    const struct bounds bounds = wsrt_bounds();
    struct histogram h = wsrt_view_histogram(o->snapshot, id);
    uint64_t in[BOUNDS + 1];

    wsrt_bounds_sort(&bounds, &h, in);
    wsrt_json_key(o->json, "explicitBounds");
    wsrt_json_array(o->json);
    for (int i = 0; i < BOUNDS; i++)
        wsrt_json_write_double(o->json, (double)bounds.ns[i] / 1e9);
    wsrt_json_array_end(o->json);
    wsrt_json_key(o->json, "bucketCounts");
    wsrt_json_array(o->json);
    for (int i = 0; i <= BOUNDS; i++)
        wsrt_json_digits(o->json, in[i]);
    wsrt_json_array_end(o->json);
}

/* The i for which v lies in (2^(i/8), 2^((i+1)/8)]. */
static int index_of(double v)
{
    static const double steps[STEPS] = {1,
                                        1.0905077326652577,
                                        1.189207115002721,
                                        1.2968395546510096,
                                        1.4142135623730951,
                                        1.5422108254079407,
                                        1.681792830507429,
                                        1.8340080864093424};
    uint64_t bits = wsrt_double_bits(v);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    v = wsrt_double_of_bits((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
    int step = STEPS - 1;
    while (step >= 0 && v <= steps[step])
        step--;
    return exponent * STEPS + step;
}

static void exponential_buckets(const struct otlp *o, int id)
{
    struct histogram h = wsrt_view_histogram(o->snapshot, id);
    uint64_t in[INDICES] = {0}, zeros = 0;
    uint32_t counts[CHUNK_COUNTERS];
    int low = INDICES, high = 0;

    for (unsigned c = 0; c < h.chunks; c++) {
        for (unsigned i = 0; i < CHUNK_COUNTERS && h.chunk(&h, c, counts); i++) {
            uint64_t ns = wsrt_bucket_middle(c * CHUNK_COUNTERS + i, h.bits);
            int at = ns == 0 ? 0 : index_of((double)ns / 1e9) - LOWEST_INDEX;
            if (counts[i] == 0)
                continue;
            if (ns == 0) {
                zeros += counts[i];
                continue;
            }
            in[at] += counts[i];
            low = at < low ? at : low;
            high = at + 1;
        }
    }
    wsrt_json_key(o->json, "scale");
    wsrt_json_write_int64(o->json, SCALE);
    whole(o->json, "zeroCount", zeros);
    if (low == INDICES)
        return;
    wsrt_json_key(o->json, "positive");
    wsrt_json_object(o->json);
    wsrt_json_key(o->json, "offset");
    wsrt_json_write_int64(o->json, low + LOWEST_INDEX);
    wsrt_json_key(o->json, "bucketCounts");
    wsrt_json_array(o->json);
    for (int i = low; i < high; i++)
        wsrt_json_digits(o->json, in[i]);
    wsrt_json_array_end(o->json);
    wsrt_json_object_end(o->json);
}

/* An operation that never ran is not told. */
static int is_told(const struct otlp *o, int id)
{
    const struct operation_view *v = &o->snapshot->operations[id];

    return v->count > 0 || v->in_flight > 0;
}

static void durations(const struct otlp *o)
{
    int exponential = (o->export->options->flags & WSRT_EXPORT_EXPONENTIAL) != 0;

    open_metric(o, METRIC_DURATION, exponential ? "exponentialHistogram" : "histogram");
    for (int id = 0; id < o->snapshot->operation_count; id++) {
        const struct operation_view *v = &o->snapshot->operations[id];
        if (!is_told(o, id))
            continue;
        open_operation_point(o, id);
        totals(o, v->count, (double)v->sums.counters[DURATION_SUM] / 1e9);
        if (exponential)
            exponential_buckets(o, id);
        else
            explicit_buckets(o, id);
        end_point(o);
    }
    close_metric(o);
}

/* A sum and a count: a histogram of a single bucket. */
static void amounts(const struct otlp *o, enum metric_id metric, unsigned which, double unit)
{
    open_metric(o, metric, "histogram");
    for (int id = 0; id < o->snapshot->operation_count; id++) {
        const uint64_t *c = o->snapshot->operations[id].sums.counters;
        if (!is_told(o, id))
            continue;
        open_operation_point(o, id);
        totals(o, c[which + 1], (double)c[which] / unit);
        wsrt_json_key(o->json, "bucketCounts");
        wsrt_json_array(o->json);
        wsrt_json_digits(o->json, c[which + 1]);
        wsrt_json_array_end(o->json);
        end_point(o);
    }
    close_metric(o);
}

/* ---- counts of operations ---- */

static void outcomes(const struct otlp *o)
{
    static const char *const names[] = {"ok", "warning", "error"};
    static const unsigned counters[] = {SUCCEEDED, WARNED, FAILED};

    open_metric(o, METRIC_SUCCESS, "sum");
    for (int id = 0; id < o->snapshot->operation_count; id++) {
        for (unsigned i = 0; i < 3 && is_told(o, id); i++) {
            open_operation_point(o, id);
            attribute(o->json, "outcome", wsrt_span_cstr(names[i]));
            close_count(o, o->snapshot->operations[id].sums.counters[counters[i]]);
        }
    }
    close_metric(o);
}

static void errors(const struct otlp *o)
{
    const wsrt_snapshot *s = o->snapshot;

    open_metric(o, METRIC_ERRORS, "sum");
    for (int id = 0; id < s->operation_count; id++) {
        if (!is_told(o, id))
            continue;
        open_operation_point(o, id);
        attribute(o->json, "category", wsrt_span_cstr("other"));
        close_count(o, s->operations[id].sums.overflow[ERROR_CATEGORY]);
    }
    for (size_t i = 0; i < s->value_count; i++) {
        const struct value *v = s->values[i].value;
        if (v->category != ERROR_CATEGORY || v->operation >= s->operation_count)
            continue;
        open_operation_point(o, v->operation);
        attribute(o->json, "category", (wsrt_span){v->text, v->len});
        close_count(o, s->values[i].all);
    }
    close_metric(o);
}

static void calls(const struct otlp *o, enum metric_id metric, unsigned which)
{
    open_metric(o, metric, "sum");
    for (int id = 0; id < o->snapshot->operation_count; id++) {
        if (!is_told(o, id))
            continue;
        open_operation_point(o, id);
        close_count(o, o->snapshot->operations[id].sums.counters[which]);
    }
    close_metric(o);
}

static void in_flight(const struct otlp *o)
{
    open_metric(o, METRIC_IN_FLIGHT, "gauge");
    for (int id = 0; id < o->snapshot->operation_count; id++) {
        if (!is_told(o, id))
            continue;
        open_operation_point(o, id);
        close_count(o, o->snapshot->operations[id].in_flight);
    }
    close_metric(o);
}

/* ---- business metrics; those of one name follow one another ---- */

static int begins_family(const struct business *all, int i)
{
    return i == 0 || strcmp(all[i - 1].name, all[i].name) != 0;
}

static double in_base_unit(const struct metric *metric, double v)
{
    return metric != NULL && metric->unit == UNIT_SECONDS_OF_MS ? v / 1000 : v;
}

static void business(const struct otlp *o)
{
    struct business all[BUSINESS_METRICS];

    wsrt_business_read(o->snapshot, all);
    for (int i = 0; i < BUSINESS_METRICS; i++) {
        enum metric_id id = (enum metric_id)(METRIC_BUSINESS + i);
        if (!all[i].is_known || !is_told(o, all[i].operation))
            continue;
        if (begins_family(all, i))
            open_metric(o, id, all[i].category != NULL ? "sum" : "gauge");
        open_operation_point(o, all[i].operation);
        if (all[i].category != NULL)
            attribute(o->json, "category", wsrt_span_cstr(all[i].category));
        close_number(o, in_base_unit(wsrt_metric_of(id), all[i].value));
        if (i + 1 == BUSINESS_METRICS || begins_family(all, i + 1))
            close_metric(o);
    }
}

/* ---- metrics of others ---- */

static void sample(const struct otlp *o, const struct family *f, const struct sample *s)
{
    char name[2 * MAX_SOURCE_NAME + 1];
    double value;

    if (!wsrt_sample_value(f, s, &value))
        return;
    open_point(o);
    for (size_t i = 0; i < s->set->count; i++) {
        wsrt_snake_case(name, s->set->labels[i].name);
        attribute(o->json, name, s->set->labels[i].value);
    }
    if (s->category != NULL)
        attribute(o->json, "category", wsrt_span_cstr(s->category));
    close_number(o, in_base_unit(f->metric, value));
}

static int tells(const struct family *f)
{
    double value;

    for (const struct sample *s = f->samples; s != NULL; s = s->next)
        if (wsrt_sample_value(f, s, &value))
            return 1;
    return 0;
}

static void family(const struct otlp *o, const struct family *f)
{
    const struct metric *metric = f->metric;
    char name[FAMILY_NAME];

    if (!tells(f))
        return;
    wsrt_family_name(f, name);
    open_named(o, name, metric == NULL ? wsrt_family_help(f) : metric->help,
               f->kind == WSRT_SOURCE_COUNTER ? "sum" : "gauge");
    for (const struct sample *s = f->samples; s != NULL; s = s->next)
        sample(o, f, s);
    close_metric(o);
}

static void self(const struct otlp *o)
{
    static const enum metric_id ids[SELVES] = {METRIC_SERIES_DROPPED, METRIC_EXPORT_DROPPED,
                                               METRIC_EXPORT_APPROXIMATED,
                                               METRIC_ATTRIBUTES_DROPPED, METRIC_CLOCK_BACKWARDS};

    for (int i = 0; i < SELVES; i++) {
        open_metric(o, ids[i], "sum");
        open_point(o);
        close_count(o, o->snapshot->self[i]);
        close_metric(o);
    }
}

static void metrics(const struct otlp *o)
{
    int any = 0;

    for (int id = 0; id < o->snapshot->operation_count; id++)
        any |= is_told(o, id);
    if (any) {
        durations(o);
        outcomes(o);
        errors(o);
        calls(o, METRIC_EXTERNAL_CALLS, EXTERNAL_CALLS);
        calls(o, METRIC_DATABASE_CALLS, DATABASE_CALLS);
        amounts(o, METRIC_MEMORY, MEMORY_BYTES, 1);
        amounts(o, METRIC_REQUEST_SIZE, REQUEST_BYTES, 1);
        amounts(o, METRIC_RESPONSE_SIZE, RESPONSE_BYTES, 1);
        amounts(o, METRIC_CPU, CPU_MILLIONTHS, 1e6);
        in_flight(o);
        business(o);
    }
    for (const struct family *f = o->snapshot->families; f != NULL; f = f->next)
        family(o, f);
    self(o);
}

static void body(const struct otlp *o)
{
    const wsrt_monitor *m = o->snapshot->monitor;
    wsrt_json_writer *w = o->json;

    wsrt_json_object(w);
    wsrt_json_key(w, "resourceMetrics");
    wsrt_json_array(w);
    wsrt_json_object(w);
    wsrt_json_key(w, "resource");
    wsrt_json_object(w);
    wsrt_json_key(w, "attributes");
    wsrt_json_array(w);
    attribute(w, "deployment.environment.name", (wsrt_span){m->environment, m->environment_len});
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
    wsrt_json_key(w, "scopeMetrics");
    wsrt_json_array(w);
    wsrt_json_object(w);
    wsrt_json_key(w, "scope");
    wsrt_json_object(w);
    wsrt_json_member(w, "name", wsrt_span_cstr("libwsrt"));
    wsrt_json_object_end(w);
    wsrt_json_key(w, "metrics");
    wsrt_json_array(w);
    metrics(o);
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
}

int wsrt_export_otlp(const struct export *e)
{
    struct document d;
    const struct otlp o = {.export = e, .snapshot = e->snapshot, .json = &d.json};

    wsrt_document_init(&d, &e->snapshot->monitor->allocator);
    wsrt_document_begin(&d);
    body(&o);
    int rc = wsrt_document_end(&d);
    if (rc == WSRT_OK)
        rc = wsrt_document_send(&d, e);
    wsrt_document_free(&d);
    return rc;
}
