/* The application's own metrics in a binary snapshot: with what they are made of, so that a monitor that has
 * not heard of them learns of them. */
#include "monitor/binary.h"
#include "monitor/own.h"

#include "base/double.h"

#include <string.h>

/* ---- writing ---- */

static void put_cstr(struct pen *p, const char *text)
{
    wsrt_pen_text(p, text, strlen(text));
}

/* A delta has series without news. */
static int is_told(const struct sample *s)
{
    return s->count > 0;
}

static size_t value_count(const struct own_metric *metric)
{
    return metric->dimension_count + (metric->kind == WSRT_BUSINESS_CATEGORY);
}

static void put_series(struct pen *p, const struct own_metric *metric, const struct sample *s)
{
    wsrt_span values[MAX_OWN_DIMENSIONS + 1];
    int is_overflow = s->origin == metric->overflow;

    wsrt_own_values(metric, s->origin, values);
    wsrt_pen_put(p, (uint64_t)is_overflow);
    for (size_t i = 0; i < value_count(metric) && !is_overflow; i++)
        wsrt_pen_text(p, values[i].ptr, values[i].len);
    wsrt_pen_put(p, (uint64_t)s->count);
    wsrt_pen_put(p, wsrt_double_bits(s->number));
}

static void put_metric(struct pen *p, const struct family *f)
{
    const struct own_metric *metric = f->own;
    size_t count = 0;

    wsrt_pen_put(p, (uint64_t)metric->operation);
    wsrt_pen_put(p, (uint64_t)metric->kind);
    put_cstr(p, metric->name);
    put_cstr(p, metric->attribute);
    wsrt_pen_text(p, metric->value, metric->value_len);
    put_cstr(p, metric->unit);
    put_cstr(p, metric->help);
    wsrt_pen_put(p, metric->dimension_count);
    for (size_t i = 0; i < metric->dimension_count; i++)
        put_cstr(p, metric->dimensions[i]);
    for (const struct sample *s = f->samples; s != NULL; s = s->next)
        count += (size_t)is_told(s);
    wsrt_pen_put(p, count);
    for (const struct sample *s = f->samples; s != NULL; s = s->next)
        if (is_told(s))
            put_series(p, metric, s);
}

static int adds_up(const struct family *f)
{
    return f->own != NULL && f->kind != WSRT_SOURCE_GAUGE;
}

void wsrt_own_write(struct pen *p, const wsrt_snapshot *s)
{
    size_t count = 0;

    for (const struct family *f = s->families; f != NULL; f = f->next)
        count += (size_t)adds_up(f);
    wsrt_pen_put(p, count);
    for (const struct family *f = s->families; f != NULL; f = f->next)
        if (adds_up(f))
            put_metric(p, f);
}

/* ---- reading ---- */

/* What a metric is made of, as it was registered where the document comes from. */
struct form {
    wsrt_business_metric metric;
    char name[MAX_SOURCE_NAME + 1];
    char attribute[MAX_SOURCE_NAME + 1];
    char value[MAX_VALUE + 1];
    char unit[MAX_UNIT + 1];
    char help[MAX_HELP + 1];
    own_name dimensions[MAX_OWN_DIMENSIONS];
    const char *names[MAX_OWN_DIMENSIONS];
};

static void get_cstr(struct reader *r, char *to, size_t room)
{
    wsrt_span text = wsrt_reader_text(r);

    to[0] = '\0';
    if (text.len >= room || (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)) {
        r->is_bad = 1;
        return;
    }
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
}

static void get_form(struct reader *r, const struct merged *to, struct form *f)
{
    uint64_t place = wsrt_reader_get(r);
    int kind = (int)wsrt_reader_up_to(r, WSRT_BUSINESS_CATEGORY);

    r->is_bad |= place >= (uint64_t)to->operation_count;
    get_cstr(r, f->name, sizeof f->name);
    get_cstr(r, f->attribute, sizeof f->attribute);
    get_cstr(r, f->value, sizeof f->value);
    get_cstr(r, f->unit, sizeof f->unit);
    get_cstr(r, f->help, sizeof f->help);
    f->metric = (wsrt_business_metric){
        .struct_size = sizeof f->metric,
        .kind = kind,
        .operation = r->is_bad ? 0 : to->ids[place],
        .dimension_count = (uint32_t)wsrt_reader_up_to(r, MAX_OWN_DIMENSIONS),
        .name_cstr = f->name,
        .attribute_cstr = f->attribute,
        .value_cstr = f->value[0] == '\0' ? NULL : f->value,
        .unit_cstr = f->unit,
        .help_cstr = f->help,
        .dimensions = f->names,
    };
    for (uint32_t i = 0; i < f->metric.dimension_count; i++) {
        get_cstr(r, f->dimensions[i], sizeof f->dimensions[i]);
        f->names[i] = f->dimensions[i];
    }
}

static int is_alike(const struct own_metric *metric, const struct form *f)
{
    if (metric->kind != f->metric.kind || strcmp(metric->attribute, f->attribute) != 0 ||
        strcmp(metric->value, f->value) != 0 ||
        metric->dimension_count != f->metric.dimension_count)
        return 0;
    for (size_t i = 0; i < metric->dimension_count; i++)
        if (strcmp(metric->dimensions[i], f->dimensions[i]) != 0)
            return 0;
    return 1;
}

/* NULL = none, or one that counts something else. */
static struct own_metric *find(const struct merged *to, const struct form *f)
{
    struct own_metric *metric = held(&to->monitor->operations[f->metric.operation]->own);

    while (metric != NULL && strcmp(metric->name, f->name) != 0)
        metric = metric->older;
    return metric != NULL && is_alike(metric, f) ? metric : NULL;
}

/* NULL without a metric to hold it. */
static struct own_series *get_series(struct reader *r, const struct merged *to,
                                     struct own_metric *metric, const struct form *f)
{
    wsrt_span values[MAX_OWN_DIMENSIONS + 1];
    size_t count = f->metric.dimension_count + (f->metric.kind == WSRT_BUSINESS_CATEGORY);
    int is_overflow = (int)wsrt_reader_up_to(r, 1);

    for (size_t i = 0; i < count && !is_overflow; i++)
        values[i] = wsrt_reader_text(r);
    if (r->is_bad || metric == NULL)
        return NULL;
    return is_overflow ? metric->overflow : wsrt_own_series(to->monitor, metric, values, count);
}

static int prepare_metric(struct reader *r, const struct merged *to)
{
    struct form f;

    get_form(r, to, &f);
    if (r->is_bad)
        return WSRT_OK;
    struct own_metric *metric = find(to, &f);
    int rc = metric == NULL ? wsrt_monitor_business(to->monitor, &f.metric) : WSRT_OK;
    if (rc == WSRT_ERR_NOMEM)
        return rc;
    metric = find(to, &f);
    for (uint64_t n = wsrt_reader_get(r); n > 0 && !r->is_bad; n--) {
        (void)get_series(r, to, metric, &f);
        (void)wsrt_reader_get(r);
        (void)wsrt_reader_get(r);
    }
    return WSRT_OK;
}

int wsrt_own_prepare(struct reader *r, const struct merged *to)
{
    int rc = WSRT_OK;

    for (uint64_t n = wsrt_reader_up_to(r, MAX_OWN); rc == WSRT_OK && n > 0 && !r->is_bad; n--)
        rc = prepare_metric(r, to);
    return rc;
}

/* A metric of the same name that counts something else keeps its numbers: what it cannot take is dropped. */
static void merge_metric(struct reader *r, const struct merged *to)
{
    struct form f;

    get_form(r, to, &f);
    struct own_metric *metric = find(to, &f);
    for (uint64_t n = wsrt_reader_get(r); n > 0; n--) {
        struct own_series *s = get_series(r, to, metric, &f);
        uint64_t all = wsrt_reader_get(r);
        double sum = wsrt_double_of_bits(wsrt_reader_get(r));
        if (s != NULL && is_finite(sum))
            wsrt_own_add(metric, s, all, sum);
        else
            count_up(&to->monitor->series_dropped, 1, 1);
    }
}

void wsrt_own_merge(struct reader *r, const struct merged *to)
{
    for (uint64_t n = wsrt_reader_get(r); n > 0; n--)
        merge_metric(r, to);
}
