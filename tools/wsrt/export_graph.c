#include "export.h"
#include "tool.h"

#include <string.h>

wsrt_metric_info export_metric(size_t index)
{
    wsrt_metric_info metric = {.struct_size = sizeof metric};

    wsrt_catalogue_metric(index, &metric);
    return metric;
}

int export_has_statistic(const wsrt_metric_info *metric, wsrt_span statistic)
{
    static const char *const of_values[] = {"Average", "Minimum", "Maximum", "Sum", "SampleCount"};

    if (statistic.len > 1 && statistic.ptr[0] == 'p')
        return metric->form == WSRT_METRIC_VALUES;
    if (metric->form == WSRT_METRIC_SUM)
        return is_text(statistic, "Sum");
    for (size_t i = 0; i < (metric->form == WSRT_METRIC_GAUGE ? 3 : 5); i++)
        if (is_text(statistic, of_values[i]))
            return 1;
    return 0;
}

int export_takes_operations(const wsrt_metric_info *metric)
{
    return strcmp(metric->dimensions[0], "Handler") == 0 && metric->values[0] == NULL;
}

struct export_graph *export_add_graph(struct export_model *m, wsrt_span title)
{
    struct export_graph *g = export_grow((void **)&m->graphs, m->graph_count, sizeof *g);

    if (g == NULL)
        return NULL;
    g->title = title;
    g->first = m->line_count;
    m->graph_count++;
    return g;
}

static int add_line(struct export_model *m, const wsrt_metric_info *metric, wsrt_span handler,
                    wsrt_span statistic)
{
    struct export_graph *g = &m->graphs[m->graph_count - 1];

    if (g->count == EXPORT_LINES)
        return complain(TOOL_USAGE, "the graph '%.*s' has more than %d lines", (int)g->title.len,
                        g->title.ptr, EXPORT_LINES);
    struct export_line *line = export_grow((void **)&m->lines, m->line_count, sizeof *line);
    if (line == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    line->series.metric = *metric;
    line->statistic = statistic;
    for (size_t d = 0; d < metric->dimension_count; d++)
        if (metric->values[d] != NULL)
            line->series.values[d] = wsrt_span_cstr(metric->values[d]);
    if (handler.len > 0)
        line->series.values[0] = handler;
    m->line_count++;
    g->count++;
    return TOOL_OK;
}

int export_add_lines(struct export_model *m, const wsrt_metric_info *metric,
                     const struct text_list *operations, wsrt_span statistic)
{
    int status = TOOL_OK;

    if (!export_takes_operations(metric))
        return add_line(m, metric, (wsrt_span){0}, statistic);
    for (size_t i = 0; status == TOOL_OK && i < operations->count; i++)
        status = add_line(m, metric, operations->items[i], statistic);
    return status;
}

/* A line of the catalogue; operations that were asked for take the place of those it names. */
static int catalogue_line(struct export_model *m, const wsrt_line_info *line)
{
    wsrt_metric_info metric = export_metric(line->metric);
    wsrt_span title = wsrt_span_cstr(line->title_cstr);
    wsrt_span statistic = wsrt_span_cstr(line->statistic_cstr);
    struct export_graph *g = m->graph_count == 0 ? NULL : &m->graphs[m->graph_count - 1];
    int is_new = g == NULL || !wsrt_span_equal(g->title, title);

    if (is_new) {
        g = export_add_graph(m, title);
        if (g == NULL)
            return complain(TOOL_INTERNAL, "out of memory");
        g->x = line->x;
        g->y = line->y;
        g->width = line->width;
        g->height = line->height;
    }
    if (line->handler_cstr == NULL)
        return export_add_lines(m, &metric, &m->operations, statistic);
    if (m->settings->operations.count == 0)
        return add_line(m, &metric, wsrt_span_cstr(line->handler_cstr), statistic);
    return is_new ? export_add_lines(m, &metric, &m->operations, statistic) : TOOL_OK;
}

int export_catalogue_graphs(struct export_model *m)
{
    wsrt_line_info line = {.struct_size = sizeof line};
    int status = TOOL_OK;

    for (size_t i = 0; status == TOOL_OK && wsrt_catalogue_line(i, &line) == WSRT_OK; i++)
        if (!line.full || m->settings->full)
            status = catalogue_line(m, &line);
    return status;
}
