#include "export.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static int is_environment(const wsrt_metric_info *metric, size_t d)
{
    return strcmp(metric->dimensions[d], "Environment") == 0;
}

static int is_open(const struct export_series *s)
{
    for (size_t d = 0; d < s->metric.dimension_count; d++)
        if (s->values[d].len == 0 && !is_environment(&s->metric, d))
            return 1;
    return 0;
}

static wsrt_span value_of(const struct export_series *s, size_t d, const char *environment)
{
    return is_environment(&s->metric, d) ? wsrt_span_cstr(environment) : s->values[d];
}

/* ---- dashboards ---- */

/* Text of a user's own, in a language where "${" and "%{" mean something. */
static void put_title(wsrt_json_writer *w, wsrt_span title, const struct export_dialect *dialect)
{
    struct export_text t = {0};

    for (size_t i = 0; i < title.len; i++) {
        int is_begin = i + 1 < title.len && title.ptr[i + 1] == '{';
        const char *as = !is_begin             ? NULL
                         : title.ptr[i] == '$' ? dialect->dollar
                         : title.ptr[i] == '%' ? dialect->percent
                                               : NULL;
        if (as == NULL)
            text_sink(&t, &title.ptr[i], 1);
        else
            text_put(&t, as);
        i += as != NULL;
    }
    wsrt_json_string(w, (wsrt_span){t.bytes, t.len});
    free(t.bytes);
}

/* Every series there is, where a dimension has values that only the running system knows. */
static void put_search(wsrt_json_writer *w, const struct export_line *line, const char *environment)
{
    const wsrt_metric_info *metric = &line->series.metric;
    struct export_text t = {0};

    text_put(&t, "SEARCH('{");
    text_put(&t, metric->namespace_cstr);
    for (size_t d = 0; d < metric->dimension_count; d++) {
        text_put(&t, ",");
        text_put(&t, metric->dimensions[d]);
    }
    text_put(&t, "} MetricName=\"");
    text_put(&t, metric->name_cstr);
    text_put(&t, "\"");
    for (size_t d = 0; d < metric->dimension_count; d++) {
        wsrt_span value = value_of(&line->series, d, environment);
        if (value.len == 0)
            continue;
        text_put(&t, " ");
        text_put(&t, metric->dimensions[d]);
        text_put(&t, "=\"");
        text_span(&t, value);
        text_put(&t, "\"");
    }
    text_put(&t, "', '");
    text_span(&t, line->statistic);
    text_put(&t, "', ");
    text_number(&t, EXPORT_PERIOD);
    text_put(&t, ")");
    wsrt_json_object(w);
    wsrt_json_key(w, "expression");
    wsrt_json_string(w, (wsrt_span){t.bytes, t.len});
    wsrt_json_object_end(w);
    free(t.bytes);
}

static void put_series(wsrt_json_writer *w, const struct export_line *line, const char *environment,
                       wsrt_span usual)
{
    const wsrt_metric_info *metric = &line->series.metric;

    wsrt_json_string_cstr(w, metric->namespace_cstr);
    wsrt_json_string_cstr(w, metric->name_cstr);
    for (size_t d = 0; d < metric->dimension_count; d++) {
        wsrt_json_string_cstr(w, metric->dimensions[d]);
        wsrt_json_string(w, value_of(&line->series, d, environment));
    }
    if (wsrt_span_equal(line->statistic, usual))
        return;
    wsrt_json_object(w);
    wsrt_json_key(w, "stat");
    wsrt_json_string(w, line->statistic);
    wsrt_json_object_end(w);
}

static void put_metrics(wsrt_json_writer *w, const struct export_model *m,
                        const struct export_graph *g, const struct export_dialect *dialect)
{
    wsrt_json_array(w);
    for (size_t i = 0; i < g->count; i++) {
        const struct export_line *line = &m->lines[g->first + i];
        wsrt_json_array(w);
        if (is_open(&line->series))
            put_search(w, line, dialect->environment);
        else
            put_series(w, line, dialect->environment, m->lines[g->first].statistic);
        wsrt_json_array_end(w);
    }
    wsrt_json_array_end(w);
}

static void put_number(wsrt_json_writer *w, const char *name, uint32_t v)
{
    wsrt_json_key(w, name);
    wsrt_json_write_uint64(w, v);
}

static void put_widget(wsrt_json_writer *w, const struct export_model *m,
                       const struct export_graph *g, const struct export_dialect *dialect)
{
    wsrt_json_object(w);
    wsrt_json_key(w, "type");
    wsrt_json_string_cstr(w, "metric");
    put_number(w, "x", g->x);
    put_number(w, "y", g->y);
    put_number(w, "width", g->width);
    put_number(w, "height", g->height);
    wsrt_json_key(w, "properties");
    wsrt_json_object(w);
    wsrt_json_key(w, "view");
    wsrt_json_string_cstr(w, "timeSeries");
    wsrt_json_key(w, "title");
    put_title(w, g->title, dialect);
    wsrt_json_key(w, "region");
    wsrt_json_string_cstr(w, dialect->region);
    wsrt_json_key(w, "stat");
    wsrt_json_string(w, m->lines[g->first].statistic);
    put_number(w, "period", EXPORT_PERIOD);
    wsrt_json_key(w, "metrics");
    put_metrics(w, m, g, dialect);
    wsrt_json_key(w, "yAxis");
    wsrt_json_object(w);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
}

void export_dashboard_body(const struct export_model *m, const struct export_dialect *dialect,
                           struct export_text *out)
{
    char buffer[1024];
    wsrt_json_writer w;

    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, out);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "widgets");
    wsrt_json_array(&w);
    for (size_t i = 0; i < m->graph_count; i++)
        put_widget(&w, m, &m->graphs[i], dialect);
    wsrt_json_array_end(&w);
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, NULL) != WSRT_OK)
        out->failed = 1;
}

int export_dashboard(const struct export_model *m, struct export_text *out)
{
    const struct export_dialect plain = {.environment = m->environment,
                                         .region = m->region == NULL ? EXPORT_REGION : m->region};
    struct export_text body = {0}, json = {0};
    char buffer[1024];
    wsrt_json_writer w;

    export_dashboard_body(m, &plain, &body);
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "DashboardName");
    wsrt_json_string_cstr(&w, m->name);
    wsrt_json_key(&w, "DashboardBody");
    wsrt_json_string(&w, (wsrt_span){body.bytes, body.len});
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, &body, out);
}

/* ---- alarms ---- */

static void put_dimensions(wsrt_json_writer *w, const struct export_alarm *a,
                           const char *environment)
{
    const wsrt_metric_info *metric = &a->series.metric;

    wsrt_json_array(w);
    for (size_t d = 0; d < metric->dimension_count; d++) {
        wsrt_json_object(w);
        wsrt_json_key(w, "Name");
        wsrt_json_string_cstr(w, metric->dimensions[d]);
        wsrt_json_key(w, "Value");
        if (is_environment(metric, d) && environment == NULL)
            wsrt_json_raw(w, wsrt_span_cstr("{\"Ref\":\"Environment\"}"));
        else
            wsrt_json_string(w, value_of(&a->series, d, environment));
        wsrt_json_object_end(w);
    }
    wsrt_json_array_end(w);
}

static void put_text(wsrt_json_writer *w, const char *name, const char *value)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, value);
}

void export_alarm_members(wsrt_json_writer *w, const struct export_alarm *a,
                          const char *environment)
{
    wsrt_json_object(w);
    put_text(w, "AlarmName", a->name);
    put_text(w, "AlarmDescription", a->info.description_cstr);
    put_text(w, "Namespace", a->series.metric.namespace_cstr);
    put_text(w, "MetricName", a->series.metric.name_cstr);
    wsrt_json_key(w, "Dimensions");
    put_dimensions(w, a, environment);
    put_text(w, "Statistic", a->info.statistic_cstr);
    put_number(w, "Period", a->info.period);
    put_number(w, "EvaluationPeriods", a->info.periods);
    wsrt_json_key(w, "Threshold");
    wsrt_json_write_double(w, a->threshold);
    put_text(w, "ComparisonOperator", "GreaterThanOrEqualToThreshold");
    put_text(w, "TreatMissingData", "missing");
    wsrt_json_object_end(w);
}

int export_alarms(const struct export_model *m, struct export_text *out)
{
    struct export_text json = {0};
    char buffer[1024];
    wsrt_json_writer w;

    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_array(&w);
    for (size_t i = 0; i < m->alarm_count; i++)
        if (m->alarms[i].info.kind == WSRT_ALARM_LIMIT)
            export_alarm_members(&w, &m->alarms[i], m->environment);
    wsrt_json_array_end(&w);
    return export_json_end(&w, &json, NULL, out);
}
