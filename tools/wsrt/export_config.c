#include "export.h"
#include "file.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTER_MAX = 1024, TITLE_MAX = 255, GRAPH_WIDTH = 12, GRAPH_HEIGHT = 6, ROWS_MAX = 10000 };

/* Where the reader is, so that what is wrong can be told with its JSON Pointer. */
struct reader {
    struct export_model *model;
    const char *path;
    char pointer[POINTER_MAX];
    size_t len;
};

struct member {
    const char *name;
    int (*read)(struct reader *r, const wsrt_json *value, void *into);
};

static int wrong(const struct reader *r, const char *rule)
{
    return complain(TOOL_CONFIG, "%s: %s: %s", r->path, r->len == 0 ? "/" : r->pointer, rule);
}

/* Goes down to a child; the length to come back to. */
static size_t enter(struct reader *r, wsrt_span name)
{
    size_t before = r->len;

    if (r->len + 2 * name.len + 2 > sizeof r->pointer)
        name.len = 0;
    r->pointer[r->len++] = '/';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '~' || c == '/')
            r->pointer[r->len++] = '~';
        r->pointer[r->len++] = c == '~' ? '0' : c == '/' ? '1' : c;
    }
    r->pointer[r->len] = '\0';
    return before;
}

static void leave(struct reader *r, size_t before)
{
    r->len = before;
    r->pointer[before] = '\0';
}

static size_t enter_index(struct reader *r, uint64_t index)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRIu64, index);
    return enter(r, wsrt_span_cstr(digits));
}

/* ---- values ---- */

static int read_text(struct reader *r, const wsrt_json *value, void *into)
{
    wsrt_span *out = into;
    size_t len = 0;

    if (value->kind != WSRT_JSON_STRING)
        return wrong(r, "is not a string");
    wsrt_json_text(value, NULL, 0, &len);
    if (len == 0 || len > TITLE_MAX)
        return wrong(r, "is not a string of 1 to 255 bytes");
    char *text = export_keep(r->model, len + 1);
    if (text == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    wsrt_json_text(value, text, len, NULL);
    *out = (wsrt_span){text, len};
    return TOOL_OK;
}

static int read_whole(struct reader *r, const wsrt_json *value, uint32_t least, uint32_t most,
                      uint32_t *out)
{
    char rule[96];
    uint64_t v = 0;

    if (wsrt_json_uint64(value, &v) != WSRT_OK || v < least || v > most) {
        snprintf(rule, sizeof rule, "is not a whole number from %" PRIu32 " to %" PRIu32, least,
                 most);
        return wrong(r, rule);
    }
    *out = (uint32_t)v;
    return TOOL_OK;
}

static int unknown_member(struct reader *r, const struct member *members, size_t count,
                          wsrt_span name)
{
    char text[64] = "", rule[160];

    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    for (size_t i = 0; i < count; i++)
        if (is_nearly(text, members[i].name)) {
            snprintf(rule, sizeof rule, "unknown member: did you mean %s?", members[i].name);
            return wrong(r, rule);
        }
    return wrong(r, "unknown member");
}

static int read_member(struct reader *r, const struct member *members, size_t count,
                       const wsrt_json *name, const wsrt_json *value, void *into, uint32_t *seen)
{
    for (size_t i = 0; i < count; i++) {
        if (!wsrt_json_equal(name, wsrt_span_cstr(members[i].name)))
            continue;
        if (*seen >> i & 1)
            return wrong(r, "is there twice");
        *seen |= 1U << i;
        return members[i].read(r, value, into);
    }
    return unknown_member(r, members, count, name->text);
}

/* Reads an object by its members; `seen` gets one bit a member that was there. */
static int read_object(struct reader *r, const wsrt_json *object, const struct member *members,
                       size_t count, void *into, uint32_t *seen)
{
    wsrt_json_iter it = {0};
    wsrt_json name, value;
    int status = TOOL_OK;

    *seen = 0;
    if (object->kind != WSRT_JSON_OBJECT)
        return wrong(r, "is not an object");
    while (status == TOOL_OK && wsrt_json_next(object, &it, &name, &value) == WSRT_OK) {
        size_t before = enter(r, name.text);
        status = read_member(r, members, count, &name, &value, into, seen);
        if (status == TOOL_OK)
            leave(r, before);
    }
    return status;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- widgets ---- */

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

static int read_x(struct reader *r, const wsrt_json *value, void *into)
{
    return read_whole(r, value, 0, EXPORT_COLUMNS - 1, &((struct place *)into)->x);
}

static int read_y(struct reader *r, const wsrt_json *value, void *into)
{
    return read_whole(r, value, 0, ROWS_MAX, &((struct place *)into)->y);
}

static int read_width(struct reader *r, const wsrt_json *value, void *into)
{
    return read_whole(r, value, 1, EXPORT_COLUMNS, &((struct place *)into)->width);
}

static int read_height(struct reader *r, const wsrt_json *value, void *into)
{
    return read_whole(r, value, 1, 1000, &((struct place *)into)->height);
}

static int read_place(struct reader *r, const wsrt_json *value, void *into)
{
    static const struct member members[] = {
        {"x", read_x}, {"y", read_y}, {"width", read_width}, {"height", read_height}};
    struct widget *w = into;
    uint32_t seen;

    w->is_placed = 1;
    int status = read_object(r, value, members, COUNT(members), &w->place, &seen);
    if (status != TOOL_OK)
        return status;
    if ((seen & 3) != 3)
        return wrong(r, "needs x and y");
    if (w->place.x + w->place.width > EXPORT_COLUMNS)
        return wrong(r, "goes beyond column 24");
    return TOOL_OK;
}

static int read_row(struct reader *r, const wsrt_json *value, void *into)
{
    return read_text(r, value, &((struct widget *)into)->row);
}

static int read_widget_title(struct reader *r, const wsrt_json *value, void *into)
{
    return read_text(r, value, &((struct widget *)into)->title);
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

static int read_statistic(struct reader *r, const wsrt_json *value, void *into)
{
    static const char *const names[] = {"Average", "Minimum", "Maximum", "Sum", "SampleCount"};
    wsrt_span *out = &((struct widget *)into)->statistic;
    int status = read_text(r, value, out);

    for (size_t i = 0; status == TOOL_OK && i < COUNT(names); i++)
        if (is_text(*out, names[i]))
            return TOOL_OK;
    if (status == TOOL_OK && !is_percentile(*out))
        return wrong(r, "is not Average, Minimum, Maximum, Sum, SampleCount or a percentile "
                        "such as p99.9");
    return status;
}

static int read_operations(struct reader *r, const wsrt_json *value, void *into)
{
    struct text_list *list = &((struct widget *)into)->operations;
    wsrt_json_iter it = {0};
    wsrt_json item;

    if (value->kind != WSRT_JSON_ARRAY)
        return wrong(r, "is not an array");
    while (wsrt_json_next(value, &it, NULL, &item) == WSRT_OK) {
        size_t before = enter_index(r, it.count - 1);
        if (list->count == OPTION_LIST_MAX)
            return wrong(r, "is one too many");
        int status = read_text(r, &item, &list->items[list->count]);
        if (status != TOOL_OK)
            return status;
        if (!export_operation_fits(list->items[list->count++]))
            return wrong(r, "is not 1 to 255 letters, digits and _.-");
        leave(r, before);
    }
    return list->count > 0 ? TOOL_OK : wrong(r, "is empty");
}

/* ---- graphs of widgets ---- */

static wsrt_span default_statistic(const wsrt_metric_info *metric)
{
    return wsrt_span_cstr(metric->form == WSRT_METRIC_SUM     ? "Sum"
                          : metric->form == WSRT_METRIC_GAUGE ? "Maximum"
                                                              : "Average");
}

static int add_metric(struct reader *r, const struct widget *w, const wsrt_metric_info *metric)
{
    wsrt_span statistic = w->statistic.len > 0 ? w->statistic : default_statistic(metric);
    const struct text_list *operations =
        w->operations.count > 0 ? &w->operations : &r->model->operations;
    char rule[256];

    if (!export_has_statistic(metric, statistic)) {
        enter(r, wsrt_span_cstr("stat"));
        snprintf(rule, sizeof rule, "%s has no %.*s", metric->name_cstr, (int)statistic.len,
                 statistic.ptr);
        return wrong(r, rule);
    }
    if (w->operations.count > 0 && !export_takes_operations(metric)) {
        enter(r, wsrt_span_cstr("operations"));
        snprintf(rule, sizeof rule, "%s is not told by operation", metric->name_cstr);
        return wrong(r, rule);
    }
    return export_add_lines(r->model, metric, operations, statistic);
}

static int add_row(struct reader *r, const struct widget *w)
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
    enter(r, wsrt_span_cstr("row"));
    return wrong(r, "there is no such row or metric");
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

static int title_of(struct reader *r, const struct widget *w, wsrt_span *out)
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

static int read_widget(struct reader *r, const wsrt_json *value, int *is_flowing)
{
    static const struct member members[] = {{"row", read_row},
                                            {"operations", read_operations},
                                            {"stat", read_statistic},
                                            {"place", read_place},
                                            {"title", read_widget_title}};
    struct widget w = {.place = {0, 0, GRAPH_WIDTH, GRAPH_HEIGHT}};
    struct export_model *m = r->model;
    wsrt_span title;
    uint32_t seen;
    int status = read_object(r, value, members, COUNT(members), &w, &seen);

    if (status == TOOL_OK && !(seen & 1))
        return wrong(r, "needs a row");
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

static int read_widgets(struct reader *r, const wsrt_json *value, void *into)
{
    wsrt_json_iter it = {0};
    wsrt_json item;
    int status = TOOL_OK, is_flowing = 0;

    (void)into;
    if (value->kind != WSRT_JSON_ARRAY)
        return wrong(r, "is not an array");
    while (status == TOOL_OK && wsrt_json_next(value, &it, NULL, &item) == WSRT_OK) {
        size_t before = enter_index(r, it.count - 1);
        if (it.count > EXPORT_WIDGETS)
            return wrong(r, "is one more than the 500 widgets of a dashboard");
        status = read_widget(r, &item, &is_flowing);
        if (status == TOOL_OK)
            leave(r, before);
    }
    if (status == TOOL_OK && it.count == 0)
        return wrong(r, "is empty");
    return status;
}

/* ---- limits ---- */

static int add_limit(struct reader *r, const wsrt_json *value, const char *row, double most)
{
    struct export_model *m = r->model;
    double v = 0;

    if (wsrt_json_double(value, &v) != WSRT_OK || v <= 0 || v > most)
        return wrong(r, most == 100 ? "is not a number above 0, at most 100"
                                    : "is not a number above 0");
    struct export_limit *grown = realloc(m->limits, (m->limit_count + 1) * sizeof *grown);
    if (grown == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    m->limits = grown;
    m->limits[m->limit_count++] = (struct export_limit){m->limit_operation, row, v};
    return TOOL_OK;
}

static int read_duration_limit(struct reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return add_limit(r, value, "duration", 1e15);
}

static int read_memory_limit(struct reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return add_limit(r, value, "memory", 1e15);
}

static int read_error_limit(struct reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return add_limit(r, value, "error-rate", 100);
}

static int read_limits(struct reader *r, const wsrt_json *value)
{
    static const struct member members[] = {{"duration", read_duration_limit},
                                            {"memory", read_memory_limit},
                                            {"error-rate", read_error_limit}};
    struct export_model *m = r->model;
    wsrt_json_iter it = {0};
    wsrt_json name, limits;
    uint32_t seen;
    int status = TOOL_OK;

    if (value->kind != WSRT_JSON_OBJECT)
        return wrong(r, "is not an object");
    while (status == TOOL_OK && wsrt_json_next(value, &it, &name, &limits) == WSRT_OK) {
        size_t before = enter(r, name.text);
        status = read_text(r, &name, &m->limit_operation);
        if (status == TOOL_OK && !export_operation_fits(m->limit_operation))
            return wrong(r, "is not 1 to 255 letters, digits and _.-");
        if (status == TOOL_OK)
            status = read_object(r, &limits, members, COUNT(members), NULL, &seen);
        if (status == TOOL_OK && m->settings->operations.count == 0)
            status = export_add_operation(m, m->limit_operation);
        if (status == TOOL_OK)
            leave(r, before);
    }
    return status;
}

double export_config_limit(const struct export_model *m, wsrt_span operation, const char *row)
{
    for (size_t i = 0; i < m->limit_count; i++)
        if (wsrt_span_equal(m->limits[i].operation, operation) &&
            strcmp(m->limits[i].row, row) == 0)
            return m->limits[i].value;
    return 0;
}

/* ---- the file ---- */

/* Read before all else: graphs show the operations it names. */
static int limits_are_read(struct reader *r, const wsrt_json *value, void *into)
{
    (void)r;
    (void)value;
    (void)into;
    return TOOL_OK;
}

static int read_limits_first(struct reader *r, const wsrt_json *root)
{
    wsrt_json limits;

    if (root->kind != WSRT_JSON_OBJECT ||
        wsrt_json_find(root, wsrt_span_cstr("/limits"), &limits) != WSRT_OK)
        return TOOL_OK;
    size_t before = enter(r, wsrt_span_cstr("limits"));
    int status = read_limits(r, &limits);
    if (status == TOOL_OK)
        leave(r, before);
    return status;
}

static int read_title(struct reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return read_text(r, value, &r->model->title);
}

static int read_root(struct reader *r, wsrt_span text)
{
    static const struct member members[] = {
        {"title", read_title}, {"widgets", read_widgets}, {"limits", limits_are_read}};
    wsrt_json_error why = {0};
    wsrt_json root;
    uint32_t seen;

    if (wsrt_json_parse(&root, text, &why) != WSRT_OK)
        return complain(TOOL_CONFIG, "%s: byte %zu: %s", r->path, why.offset, why.text_cstr);
    int status = read_limits_first(r, &root);
    if (status == TOOL_OK)
        status = read_object(r, &root, members, COUNT(members), NULL, &seen);
    if (status == TOOL_OK && (seen & 3) != 0 && (seen & 3) != 3)
        return wrong(r, "a dashboard of your own needs a title and widgets");
    return status;
}

int export_config_read(struct export_model *m, const char *path)
{
    struct reader r = {.model = m, .path = path};
    char *text = NULL;
    size_t len = 0;
    int status = read_file(path, TOOL_CONFIG, &text, &len);

    if (status == TOOL_OK && len > FILE_MAX)
        status = complain(TOOL_CONFIG, "%s: is longer than 1 MiB", path);
    if (status == TOOL_OK)
        status = read_root(&r, (wsrt_span){text, len});
    free(text);
    return status;
}
