/* The widgets of --config: each becomes a graph. */
#include "export_config.h"
#include "tool.h"

#include <stdio.h>
#include <string.h>

enum { GRAPH_WIDTH = 12, GRAPH_HEIGHT = 6, ROWS_MAX = 10000 };

struct place {
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
};

struct widget {
    wsrt_span row;
    wsrt_span title;
    wsrt_span statistic;
    struct text_list operations;
    struct place place;
    int is_placed;
};

static int read_x(struct config_reader *r, const wsrt_json *value, void *into)
{
    return config_read_whole(r, value, 0, EXPORT_COLUMNS - 1, &((struct place *)into)->x);
}

static int read_y(struct config_reader *r, const wsrt_json *value, void *into)
{
    return config_read_whole(r, value, 0, ROWS_MAX, &((struct place *)into)->y);
}

static int read_width(struct config_reader *r, const wsrt_json *value, void *into)
{
    return config_read_whole(r, value, 1, EXPORT_COLUMNS, &((struct place *)into)->width);
}

static int read_height(struct config_reader *r, const wsrt_json *value, void *into)
{
    return config_read_whole(r, value, 1, 1000, &((struct place *)into)->height);
}

static int read_place(struct config_reader *r, const wsrt_json *value, void *into)
{
    static const struct config_member members[] = {
        {"x", read_x}, {"y", read_y}, {"width", read_width}, {"height", read_height}};
    struct widget *w = into;
    struct config_object o = {members, COUNT(members), &w->place, 0};
    int status = config_read_object(r, value, &o);

    w->is_placed = 1;
    if (status != TOOL_OK)
        return status;
    if ((o.seen & 3) != 3)
        return config_wrong(r, "needs x and y");
    if (w->place.x + w->place.width > EXPORT_COLUMNS)
        return config_wrong(r, "goes beyond column 24");
    return TOOL_OK;
}

static int read_row(struct config_reader *r, const wsrt_json *value, void *into)
{
    return config_read_text(r, value, &((struct widget *)into)->row);
}

static int read_widget_title(struct config_reader *r, const wsrt_json *value, void *into)
{
    return config_read_text(r, value, &((struct widget *)into)->title);
}

/* p50, p99.9 */
static int is_percentile(wsrt_span s)
{
    size_t whole = 1, fraction = 0;

    if (s.len < 2 || s.ptr[0] != 'p')
        return 0;
    while (whole < s.len && s.ptr[whole] >= '0' && s.ptr[whole] <= '9')
        whole++;
    if (whole < s.len && s.ptr[whole] == '.')
        for (fraction = 1; whole + fraction < s.len; fraction++)
            if (s.ptr[whole + fraction] < '0' || s.ptr[whole + fraction] > '9')
                return 0;
    return whole >= 2 && whole <= 3 && fraction != 1 && fraction <= 3 && whole + fraction == s.len;
}

static int read_statistic(struct config_reader *r, const wsrt_json *value, void *into)
{
    static const char *const names[] = {"Average", "Minimum", "Maximum", "Sum", "SampleCount"};
    wsrt_span *out = &((struct widget *)into)->statistic;
    int status = config_read_text(r, value, out);

    for (size_t i = 0; status == TOOL_OK && i < COUNT(names); i++)
        if (is_text(*out, names[i]))
            return TOOL_OK;
    if (status == TOOL_OK && !is_percentile(*out))
        return config_wrong(r, "is not Average, Minimum, Maximum, Sum, SampleCount or a percentile "
                               "such as p99.9");
    return status;
}

static int read_operations(struct config_reader *r, const wsrt_json *value, void *into)
{
    struct text_list *list = &((struct widget *)into)->operations;
    wsrt_json_iter it = {0};
    wsrt_json item;

    if (value->kind != WSRT_JSON_ARRAY)
        return config_wrong(r, "is not an array");
    while (wsrt_json_next(value, &it, NULL, &item) == WSRT_OK) {
        size_t before = config_enter_index(r, it.count - 1);
        if (list->count == OPTION_LIST_MAX)
            return config_wrong(r, "is one too many");
        int status = config_read_text(r, &item, &list->items[list->count]);
        if (status != TOOL_OK)
            return status;
        if (!export_operation_fits(list->items[list->count++]))
            return config_wrong(r, "is not 1 to 255 letters, digits and _.-");
        config_leave(r, before);
    }
    return list->count > 0 ? TOOL_OK : config_wrong(r, "is empty");
}

/* ---- graphs of widgets ---- */

static wsrt_span default_statistic(const wsrt_metric_info *metric)
{
    return wsrt_span_cstr(metric->form == WSRT_METRIC_SUM     ? "Sum"
                          : metric->form == WSRT_METRIC_GAUGE ? "Maximum"
                                                              : "Average");
}

static int add_metric(struct config_reader *r, const struct widget *w,
                      const wsrt_metric_info *metric)
{
    wsrt_span statistic = w->statistic.len > 0 ? w->statistic : default_statistic(metric);
    const struct text_list *operations =
        w->operations.count > 0 ? &w->operations : &r->model->operations;
    char rule[256];

    if (!export_has_statistic(metric, statistic)) {
        config_enter(r, wsrt_span_cstr("stat"));
        snprintf(rule, sizeof rule, "%s has no %.*s", metric->name_cstr, (int)statistic.len,
                 statistic.ptr);
        return config_wrong(r, rule);
    }
    if (w->operations.count > 0 && !export_takes_operations(metric)) {
        config_enter(r, wsrt_span_cstr("operations"));
        snprintf(rule, sizeof rule, "%s is not told by operation", metric->name_cstr);
        return config_wrong(r, rule);
    }
    return export_add_lines(r->model, metric, operations, statistic);
}

static int add_row(struct config_reader *r, const struct widget *w)
{
    wsrt_metric_info metric = {.struct_size = sizeof metric};
    int found = 0, status = TOOL_OK;

    for (size_t i = 0; status == TOOL_OK && wsrt_catalogue_metric(i, &metric) == WSRT_OK; i++) {
        if (!is_text(w->row, metric.row_cstr) && !is_text(w->row, metric.name_cstr))
            continue;
        if (metric.unit_cstr == NULL)
            continue;
        found = 1;
        status = add_metric(r, w, &metric);
    }
    if (found)
        return status;
    config_enter(r, wsrt_span_cstr("row"));
    return config_wrong(r, "there is no such row or metric");
}

/* Two beside one another, below everything that has a place. */
static struct place next_place(const struct export_model *m, int after_flowing)
{
    struct place p = {0, 0, GRAPH_WIDTH, GRAPH_HEIGHT};
    const struct export_graph *last = &m->graphs[m->graph_count - 1];

    for (size_t i = 0; i < m->graph_count; i++)
        if (m->graphs[i].y + m->graphs[i].height > p.y)
            p.y = m->graphs[i].y + m->graphs[i].height;
    if (after_flowing && last->x == 0) {
        p.x = GRAPH_WIDTH;
        p.y = last->y;
    }
    return p;
}

static int title_of(struct config_reader *r, const struct widget *w, wsrt_span *out)
{
    size_t size = w->row.len + w->statistic.len + 2;
    char *text;

    *out = w->title.len > 0 ? w->title : w->row;
    if (w->title.len > 0 || w->statistic.len == 0)
        return TOOL_OK;
    text = export_keep(r->model, size);
    if (text == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    snprintf(text, size, "%.*s %.*s", (int)w->row.len, w->row.ptr, (int)w->statistic.len,
             w->statistic.ptr);
    *out = wsrt_span_cstr(text);
    return TOOL_OK;
}

static int read_widget(struct config_reader *r, const wsrt_json *value, int *is_flowing)
{
    static const struct config_member members[] = {{"row", read_row},
                                                   {"operations", read_operations},
                                                   {"stat", read_statistic},
                                                   {"place", read_place},
                                                   {"title", read_widget_title}};
    struct widget w = {.place = {0, 0, GRAPH_WIDTH, GRAPH_HEIGHT}};
    struct config_object o = {members, COUNT(members), &w, 0};
    struct export_model *m = r->model;
    wsrt_span title;
    int status = config_read_object(r, value, &o);

    if (status == TOOL_OK && !(o.seen & 1))
        return config_wrong(r, "needs a row");
    if (status == TOOL_OK)
        status = title_of(r, &w, &title);
    if (status != TOOL_OK)
        return status;
    if (!w.is_placed && m->graph_count > 0)
        w.place = next_place(m, *is_flowing);
    *is_flowing = !w.is_placed;
    struct export_graph *g = export_add_graph(m, title);
    if (g == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    g->x = w.place.x;
    g->y = w.place.y;
    g->width = w.place.width;
    g->height = w.place.height;
    return add_row(r, &w);
}

int config_read_widgets(struct config_reader *r, const wsrt_json *value, void *into)
{
    wsrt_json_iter it = {0};
    wsrt_json item;
    int status = TOOL_OK, is_flowing = 0;

    (void)into;
    if (value->kind != WSRT_JSON_ARRAY)
        return config_wrong(r, "is not an array");
    while (status == TOOL_OK && wsrt_json_next(value, &it, NULL, &item) == WSRT_OK) {
        size_t before = config_enter_index(r, it.count - 1);
        if (it.count > EXPORT_WIDGETS)
            return config_wrong(r, "is one more than the 500 widgets of a dashboard");
        status = read_widget(r, &item, &is_flowing);
        if (status == TOOL_OK)
            config_leave(r, before);
    }
    if (status == TOOL_OK && it.count == 0)
        return config_wrong(r, "is empty");
    return status;
}
