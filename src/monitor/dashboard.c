/* The snapshot that dashboards read: one JSON object, times in ms, fractions as they are. */
#include "monitor/business.h"
#include "monitor/catalogue.h"
#include "monitor/document.h"

#include <string.h>

enum { SCHEMA_VERSION = 1 };

static const char *const level_names[] = {"none", "warning", "critical"};
static const char *const watched_names[] = {"duration", "memoryUsage", "errorRate"};

static void text(wsrt_json_writer *w, const char *name, const char *value)
{
    wsrt_json_member(w, name, wsrt_span_cstr(value));
}

static void milliseconds(wsrt_json_writer *w, const char *name, double ns)
{
    wsrt_json_number(w, name, ns / 1e6);
}

/* ---- an operation ---- */

static void mean(wsrt_json_writer *w, const char *name, double sum, uint64_t count)
{
    if (count > 0)
        wsrt_json_number(w, name, sum / (double)count);
}

static void duration(wsrt_json_writer *w, const wsrt_snapshot *s, int id)
{
    static const char *const names[] = {"p50", "p95", "p99", "p999"};
    static const double quantiles[] = {0.5, 0.95, 0.99, 0.999};
    uint64_t values[sizeof quantiles / sizeof quantiles[0]];
    const struct operation_view *v = &s->operations[id];
    struct histogram h = wsrt_view_histogram(s, id);

    wsrt_json_key(w, "duration");
    wsrt_json_object(w);
    mean(w, "mean", (double)v->sums.counters[DURATION_SUM] / 1e6, v->count);
    if (v->count > 0) {
        milliseconds(w, "max", (double)h.max);
        wsrt_histogram_quantiles(&h, quantiles, sizeof quantiles / sizeof quantiles[0], values);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
            milliseconds(w, names[i], (double)values[i]);
    }
    wsrt_json_object_end(w);
}

static void amount(wsrt_json_writer *w, const char *name, const uint64_t *counters, unsigned sum)
{
    wsrt_json_key(w, name);
    wsrt_json_object(w);
    wsrt_json_count(w, "count", counters[sum + 1]);
    wsrt_json_count(w, "sum", counters[sum]);
    mean(w, "mean", (double)counters[sum], counters[sum + 1]);
    if (sum == MEMORY_BYTES && counters[MEMORY_MAX] > 0)
        wsrt_json_count(w, "max", counters[MEMORY_MAX]);
    wsrt_json_object_end(w);
}

static void cpu(wsrt_json_writer *w, const uint64_t *counters)
{
    wsrt_json_key(w, "cpuUsage");
    wsrt_json_object(w);
    wsrt_json_count(w, "samples", counters[CPU_SAMPLES]);
    mean(w, "meanPercent", (double)counters[CPU_MILLIONTHS] / 1e4, counters[CPU_SAMPLES]);
    wsrt_json_object_end(w);
}

static void rates(wsrt_json_writer *w, const struct operation_view *v)
{
    static const struct {
        const char *name;
        double seconds;
    } spans[SPANS] = {{"10s", 10}, {"1m", 60}, {"5m", 300}, {"15m", 900}};

    wsrt_json_key(w, "rates");
    wsrt_json_object(w);
    for (unsigned i = 0; i < SPANS; i++) {
        wsrt_json_key(w, spans[i].name);
        wsrt_json_object(w);
        wsrt_json_count(w, "count", v->recent[i].count);
        wsrt_json_number(w, "perSecond", (double)v->recent[i].count / spans[i].seconds);
        mean(w, "errorRate", (double)v->recent[i].errors, v->recent[i].count);
        wsrt_json_object_end(w);
    }
    wsrt_json_object_end(w);
}

static void thresholds(wsrt_json_writer *w, const struct operation_view *v)
{
    wsrt_json_key(w, "thresholds");
    wsrt_json_array(w);
    for (int i = 0; i < WATCHES; i++) {
        const struct watch *watch = &v->watches[i];
        double unit = i == WSRT_WATCH_DURATION - 1 ? 1e6 : 1;
        if (watch->limits[LEVELS - 1] <= 0)
            continue;
        wsrt_json_object(w);
        text(w, "metric", watched_names[i]);
        wsrt_json_number(w, "warning", watch->limits[WSRT_ALERT_WARNING - 1] / unit);
        wsrt_json_number(w, "critical", watch->limits[WSRT_ALERT_CRITICAL - 1] / unit);
        text(w, "level", level_names[watch->level]);
        wsrt_json_object_end(w);
    }
    wsrt_json_array_end(w);
}

static void trend(wsrt_json_writer *w, const struct operation_view *v)
{
    static const char *const names[TRENDS] = {"duration", "p99", "errorRate"};

    wsrt_json_key(w, "trend");
    wsrt_json_object(w);
    for (int i = 0; i < TRENDS; i++) {
        const struct trend *t = &v->trends[i];
        double unit = i == TREND_ERRORS ? 1 : 1e6;
        if (!t->is_known)
            continue;
        wsrt_json_key(w, names[i]);
        wsrt_json_object(w);
        wsrt_json_number(w, "baseline", t->baseline / unit);
        wsrt_json_number(w, "current", t->current / unit);
        if (t->baseline > 0) {
            wsrt_json_number(w, "ratio", t->ratio);
            wsrt_json_number(w, "slopePercentPerHour", t->slope);
        }
        text(w, "level", level_names[t->level]);
        wsrt_json_object_end(w);
    }
    wsrt_json_object_end(w);
}

static void categories(wsrt_json_writer *w, const wsrt_snapshot *s, int id)
{
    wsrt_json_key(w, "errorsByCategory");
    wsrt_json_object(w);
    for (size_t i = 0; i < s->value_count; i++) {
        const struct value *v = s->values[i].value;
        if (v->category != ERROR_CATEGORY || v->operation != id)
            continue;
        wsrt_json_key_span(w, (wsrt_span){v->text, v->len});
        wsrt_json_whole(w, s->values[i].all);
    }
    wsrt_json_count(w, "other", s->operations[id].sums.overflow[ERROR_CATEGORY]);
    wsrt_json_object_end(w);
}

static void operation(wsrt_json_writer *w, const wsrt_snapshot *s, int id)
{
    const struct operation_view *v = &s->operations[id];
    const uint64_t *c = v->sums.counters;

    wsrt_json_object(w);
    wsrt_json_member(w, "name", (wsrt_span){v->operation->name, v->operation->name_len});
    wsrt_json_count(w, "count", v->count);
    wsrt_json_count(w, "success", c[SUCCEEDED] + c[WARNED]);
    wsrt_json_count(w, "warnings", c[WARNED]);
    wsrt_json_count(w, "errors", c[FAILED]);
    wsrt_json_count(w, "errorCount", c[ERROR_CALLS]);
    categories(w, s, id);
    wsrt_json_count(w, "externalCalls", c[EXTERNAL_CALLS]);
    wsrt_json_count(w, "databaseCalls", c[DATABASE_CALLS]);
    wsrt_json_count(w, "inFlight", v->in_flight);
    duration(w, s, id);
    amount(w, "memoryUsage", c, MEMORY_BYTES);
    amount(w, "requestSize", c, REQUEST_BYTES);
    amount(w, "responseSize", c, RESPONSE_BYTES);
    cpu(w, c);
    rates(w, v);
    thresholds(w, v);
    trend(w, v);
    wsrt_json_object_end(w);
}

/* ---- business ---- */

static void business_metric(wsrt_json_writer *w, const struct business all[BUSINESS_METRICS], int i)
{
    if (all[i].category == NULL) {
        wsrt_json_number(w, all[i].name, all[i].value);
        return;
    }
    if (i == 0 || all[i - 1].category == NULL || strcmp(all[i - 1].name, all[i].name) != 0) {
        wsrt_json_key(w, all[i].name);
        wsrt_json_object(w);
    }
    wsrt_json_number(w, all[i].category, all[i].value);
    if (i + 1 == BUSINESS_METRICS || strcmp(all[i + 1].name, all[i].name) != 0)
        wsrt_json_object_end(w);
}

static void business(wsrt_json_writer *w, const wsrt_snapshot *s)
{
    struct business all[BUSINESS_METRICS];

    wsrt_business_read(s, all);
    wsrt_json_key(w, "business");
    wsrt_json_object(w);
    for (int id = 0; id < BUILTIN_OPERATIONS; id++) {
        wsrt_json_key(w, s->operations[id].operation->name);
        wsrt_json_object(w);
        for (int i = 0; i < BUSINESS_METRICS; i++)
            if (all[i].operation == id && all[i].is_known)
                business_metric(w, all, i);
        wsrt_json_object_end(w);
    }
    wsrt_json_object_end(w);
}

/* ---- metrics of others: one object a set of labels ---- */

struct section {
    wsrt_json_writer *json;
    const char *name;
    const char *row; /* of the catalogue */
};

static int is_of(const struct family *f, const void *user)
{
    const struct section *s = user;

    return strcmp(f->metric == NULL ? "application" : f->metric->row, s->row) == 0;
}

static int labelled(const struct pick *from, void *user)
{
    const struct label_set *set = from->sample->set;
    wsrt_json_writer *w = ((const struct section *)user)->json;
    double value;

    wsrt_json_object(w);
    wsrt_json_key(w, "labels");
    wsrt_json_object(w);
    for (size_t i = 0; i < set->count; i++)
        wsrt_json_member(w, set->labels[i].name, set->labels[i].value);
    wsrt_json_object_end(w);
    wsrt_json_key(w, "metrics");
    wsrt_json_object(w);
    for (const struct pick *p = from; p != NULL; p = p->next)
        if (wsrt_sample_value(p->family, p->sample, &value))
            wsrt_json_number(w, p->sample->name != NULL ? p->sample->name : p->family->name, value);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    return WSRT_OK;
}

static int others(wsrt_json_writer *w, const wsrt_snapshot *s)
{
    static const char *const names[][2] = {
        {"breakers", "circuit"},        {"limiter", "limiter"}, {"transport", "transport"},
        {"stream", "stream"},           {"store", "store"},     {"self", "self"},
        {"application", "application"},
    };
    int rc = WSRT_OK;

    for (size_t i = 0; rc == WSRT_OK && i < sizeof names / sizeof names[0]; i++) {
        struct section one = {w, names[i][0], names[i][1]};
        wsrt_json_key(w, one.name);
        wsrt_json_array(w);
        rc = wsrt_samples_pick(&(struct picking){s, is_of, labelled, &one});
        wsrt_json_array_end(w);
    }
    return rc;
}

/* ---- what is raised now ---- */

static void alert(wsrt_json_writer *w, const struct operation_view *v, const char *kind,
                  const char *metric, int level)
{
    if (level == WSRT_ALERT_NONE)
        return;
    wsrt_json_object(w);
    wsrt_json_member(w, "operation", (wsrt_span){v->operation->name, v->operation->name_len});
    text(w, "kind", kind);
    text(w, "metric", metric);
    text(w, "level", level_names[level]);
    wsrt_json_object_end(w);
}

static void alerts(wsrt_json_writer *w, const wsrt_snapshot *s)
{
    static const char *const trends[TRENDS] = {"duration", "p99", "errorRate"};

    wsrt_json_key(w, "alerts");
    wsrt_json_array(w);
    for (int id = 0; id < s->operation_count; id++) {
        const struct operation_view *v = &s->operations[id];
        for (int i = 0; i < WATCHES; i++)
            alert(w, v, "threshold", watched_names[i], v->watches[i].level);
        for (int i = 0; i < TRENDS; i++)
            alert(w, v, "trend", trends[i], v->trends[i].level);
    }
    wsrt_json_array_end(w);
}

static void process(wsrt_json_writer *w, const wsrt_snapshot *s)
{
    static const char *const names[SELVES] = {"seriesDropped", "exportDropped",
                                              "exportApproximated", "attributesDropped",
                                              "clockBackwards"};

    wsrt_json_key(w, "process");
    wsrt_json_object(w);
    for (int i = 0; i < SELVES; i++)
        wsrt_json_count(w, names[i], s->self[i]);
    wsrt_json_object_end(w);
}

static int all(wsrt_json_writer *w, const struct export *e)
{
    const wsrt_snapshot *s = e->snapshot;
    const wsrt_monitor *m = s->monitor;

    wsrt_json_object(w);
    wsrt_json_key(w, "schema");
    wsrt_json_write_int64(w, SCHEMA_VERSION);
    wsrt_json_key(w, "time");
    wsrt_json_write_int64(w, e->options->wall);
    wsrt_json_member(w, "environment", (wsrt_span){m->environment, m->environment_len});
    process(w, s);
    wsrt_json_key(w, "operations");
    wsrt_json_array(w);
    for (int id = 0; id < s->operation_count; id++)
        operation(w, s, id);
    wsrt_json_array_end(w);
    business(w, s);
    int rc = others(w, s);
    alerts(w, s);
    wsrt_json_object_end(w);
    return rc;
}

static int pass_on(void *user, const void *data, size_t len)
{
    const struct export *e = user;

    return e->write(data, len, e->user);
}

int wsrt_export_dashboard(const struct export *e)
{
    struct export sink = *e;
    wsrt_json_writer w;
    char buf[1024];
    uint32_t flags = WSRT_JSON_REPLACE_UTF8;

    if (e->options->flags & WSRT_EXPORT_HTML_SAFE)
        flags |= WSRT_JSON_HTML_SAFE;
    wsrt_json_writer_sink(&w, buf, sizeof buf, flags, pass_on, &sink);
    int rc = all(&w, e);
    return rc == WSRT_OK ? wsrt_json_finish(&w, NULL) : rc;
}
