#include "export.h"
#include "tool.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_VERSION = 36, UID_MAX = 40 };

#define ENVIRONMENTS "label_values(wsrt_operations_total, environment)"

static void put_text(wsrt_json_writer *w, const char *name, const char *value)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, value);
}

static void put_number(wsrt_json_writer *w, const char *name, uint32_t v)
{
    wsrt_json_key(w, name);
    wsrt_json_write_uint64(w, v);
}

static void open_object(wsrt_json_writer *w, const char *name)
{
    wsrt_json_key(w, name);
    wsrt_json_object(w);
}

static void open_array(wsrt_json_writer *w, const char *name)
{
    wsrt_json_key(w, name);
    wsrt_json_array(w);
}

static void put_source(wsrt_json_writer *w)
{
    open_object(w, "datasource");
    put_text(w, "type", "prometheus");
    put_text(w, "uid", "${datasource}");
    wsrt_json_object_end(w);
}

/* ---- variables ---- */

static void put_variables(wsrt_json_writer *w, const struct export_model *m)
{
    open_object(w, "templating");
    open_array(w, "list");
    wsrt_json_object(w);
    put_text(w, "name", "datasource");
    put_text(w, "label", "Data source");
    put_text(w, "type", "datasource");
    put_text(w, "query", "prometheus");
    put_number(w, "refresh", 1);
    wsrt_json_object_end(w);
    wsrt_json_object(w);
    put_text(w, "name", "environment");
    put_text(w, "label", "Environment");
    put_text(w, "type", "query");
    put_source(w);
    put_text(w, "definition", ENVIRONMENTS);
    open_object(w, "query");
    put_text(w, "query", ENVIRONMENTS);
    put_text(w, "refId", "environment");
    wsrt_json_object_end(w);
    put_number(w, "refresh", 2);
    put_number(w, "sort", 1);
    open_object(w, "current");
    put_text(w, "text", m->environment);
    put_text(w, "value", m->environment);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
}

/* ---- panels ---- */

static const char *unit_of(const wsrt_metric_info *metric)
{
    if (strcmp(metric->unit_cstr, "Milliseconds") == 0)
        return "s";
    if (strcmp(metric->unit_cstr, "Bytes") == 0)
        return "bytes";
    return strcmp(metric->unit_cstr, "Percent") == 0 ? "percentunit" : "short";
}

/* A, B, ... Z, AA, AB, ... */
static void put_reference(wsrt_json_writer *w, size_t n)
{
    char letters[4];
    size_t at = sizeof letters;

    letters[--at] = (char)('A' + n % 26);
    if (n >= 26)
        letters[--at] = (char)('A' + n / 26 - 1);
    wsrt_json_key(w, "refId");
    wsrt_json_string(w, (wsrt_span){letters + at, sizeof letters - at});
}

/* The metric and what tells its series apart. */
static void put_legend(wsrt_json_writer *w, const wsrt_metric_info *metric)
{
    struct export_text t = {0};

    text_put(&t, metric->name_cstr);
    for (size_t d = 0; d < metric->dimension_count; d++) {
        if (strcmp(metric->dimensions[d], "Environment") == 0)
            continue;
        text_put(&t, " {{");
        text_label_name(&t, metric->dimensions[d]);
        text_put(&t, "}}");
    }
    wsrt_json_key(w, "legendFormat");
    wsrt_json_string(w, (wsrt_span){t.bytes, t.len});
    free(t.bytes);
}

static void put_target(wsrt_json_writer *w, const struct export_line *line, size_t n)
{
    struct export_text t = {0};

    wsrt_json_object(w);
    put_reference(w, n);
    put_source(w);
    export_expression(&t, &line->series, line->statistic, "$environment", "$__rate_interval");
    wsrt_json_key(w, "expr");
    wsrt_json_string(w, (wsrt_span){t.bytes, t.len});
    free(t.bytes);
    put_legend(w, &line->series.metric);
    wsrt_json_object_end(w);
}

static void put_panel(wsrt_json_writer *w, const struct export_model *m,
                      const struct export_graph *g, uint32_t id)
{
    const struct export_line *lines = &m->lines[g->first];

    wsrt_json_object(w);
    put_number(w, "id", id);
    put_text(w, "type", "timeseries");
    wsrt_json_key(w, "title");
    wsrt_json_string(w, g->title);
    put_source(w);
    open_object(w, "gridPos");
    put_number(w, "x", g->x);
    put_number(w, "y", g->y);
    put_number(w, "w", g->width);
    put_number(w, "h", g->height);
    wsrt_json_object_end(w);
    open_object(w, "fieldConfig");
    open_object(w, "defaults");
    put_text(w, "unit", unit_of(&lines[0].series.metric));
    wsrt_json_object_end(w);
    open_array(w, "overrides");
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
    open_array(w, "targets");
    for (size_t i = 0; i < g->count; i++)
        put_target(w, &lines[i], i);
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
}

/* ---- what Prometheus does not keep ---- */

static const struct export_line *missing_line(const struct export_model *m,
                                              const struct export_graph *g)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct export_line *line = &m->lines[g->first + i];
        if (!export_has_expression(&line->series.metric, line->statistic))
            return line;
    }
    return NULL;
}

/* Graphs of AWS's own metrics are left out of the full dashboard; one that a file asks for is not. */
static int check(const struct export_model *m)
{
    for (size_t i = 0; m->has_own_graphs && i < m->graph_count; i++) {
        const struct export_line *line = missing_line(m, &m->graphs[i]);
        if (line != NULL)
            return complain(TOOL_CONFIG, "%s: /widgets/%zu: Prometheus has no %.*s of %s",
                            m->settings->config, i, (int)line->statistic.len, line->statistic.ptr,
                            line->series.metric.name_cstr);
    }
    return TOOL_OK;
}

int export_grafana(const struct export_model *m, struct export_text *out)
{
    struct export_text json = {0};
    char buffer[1024];
    wsrt_json_writer w;
    uint32_t id = 0;
    size_t uid = strlen(m->name);
    int status = check(m);

    if (status != TOOL_OK)
        return status;
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "uid");
    wsrt_json_string(&w, (wsrt_span){m->name, uid < UID_MAX ? uid : UID_MAX});
    wsrt_json_key(&w, "title");
    wsrt_json_string(&w, m->title);
    put_number(&w, "schemaVersion", SCHEMA_VERSION);
    wsrt_json_key(&w, "editable");
    wsrt_json_write_bool(&w, 1);
    put_text(&w, "refresh", "30s");
    open_object(&w, "time");
    put_text(&w, "from", "now-3h");
    put_text(&w, "to", "now");
    wsrt_json_object_end(&w);
    put_variables(&w, m);
    open_array(&w, "panels");
    for (size_t i = 0; i < m->graph_count; i++)
        if (missing_line(m, &m->graphs[i]) == NULL)
            put_panel(&w, m, &m->graphs[i], ++id);
    wsrt_json_array_end(&w);
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, NULL, out);
}
