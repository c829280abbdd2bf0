/* Bodies of PutMetricData in AWS JSON 1.0, as large as CloudWatch takes them. */
#include "monitor/data.h"

#include "base/alloc.h"

#include <string.h>

enum { MOST_METRICS = 1000, MOST_BYTES = 1000000, MOST_VALUES = 150 };

static const char opening[] = "{\"Namespace\":\"WebSocket/Performance\",\"MetricData\":[";
static const char closing[] = "]}";

struct put {
    struct data_walk walk;
    struct document body;
    struct document piece; /* one datum */
    struct value_count *values;
    const struct dimension *dimensions;
    size_t dimension_count;
    unsigned metrics; /* in the body */
};

static int send_body(struct put *p)
{
    if (p->metrics == 0)
        return WSRT_OK;
    p->metrics = 0;
    int rc = wsrt_document_append(&p->body, closing, sizeof closing - 1);
    return rc == WSRT_OK ? wsrt_document_send(&p->body, p->walk.export) : rc;
}

static int add_piece(struct put *p)
{
    size_t needed = p->body.len + 1 + p->piece.len + sizeof closing - 1;
    int rc = WSRT_OK;

    if (p->metrics == MOST_METRICS || (p->metrics > 0 && needed > MOST_BYTES))
        rc = send_body(p);
    if (rc == WSRT_OK && p->metrics == 0)
        p->body.len = 0;
    if (rc == WSRT_OK)
        rc = p->metrics == 0 ? wsrt_document_append(&p->body, opening, sizeof opening - 1)
                             : wsrt_document_append(&p->body, ",", 1);
    p->metrics++;
    return rc == WSRT_OK ? wsrt_document_append(&p->body, p->piece.data, p->piece.len) : rc;
}

static void dimensions(struct put *p, wsrt_json_writer *w)
{
    wsrt_json_key(w, "Dimensions");
    wsrt_json_array(w);
    for (size_t i = 0; i < p->dimension_count; i++) {
        wsrt_json_object(w);
        wsrt_json_member(w, "Name", wsrt_span_cstr(p->dimensions[i].name));
        wsrt_json_member(w, "Value", p->dimensions[i].value);
        wsrt_json_object_end(w);
    }
    wsrt_json_array_end(w);
}

static void values(struct put *p, wsrt_json_writer *w, int id)
{
    size_t n = wsrt_values_of(p->walk.export->snapshot, id, p->values);

    wsrt_values_write(w, p->values, wsrt_values_join(p->values, n, MOST_VALUES));
}

static void statistics(wsrt_json_writer *w, const struct datum *d)
{
    wsrt_json_key(w, "StatisticValues");
    wsrt_json_object(w);
    wsrt_json_key(w, "SampleCount");
    wsrt_json_write_uint64(w, d->count);
    wsrt_json_number(w, "Sum", d->sum);
    wsrt_json_number(w, "Minimum", d->least);
    wsrt_json_number(w, "Maximum", d->most);
    wsrt_json_object_end(w);
}

/* Epoch seconds with up to three decimals, exactly as the milliseconds say. */
static void timestamp(struct put *p, wsrt_json_writer *w)
{
    wsrt_json_number(w, "Timestamp", (double)p->walk.export->options->wall / 1000);
}

static int take_datum(struct data_walk *walk, const struct datum *d)
{
    struct put *p = (struct put *)walk;
    wsrt_json_writer *w = &p->piece.json;

    wsrt_document_begin(&p->piece);
    wsrt_json_object(w);
    wsrt_json_member(w, "MetricName", wsrt_span_cstr(d->name));
    dimensions(p, w);
    timestamp(p, w);
    wsrt_json_member(w, "Unit", wsrt_span_cstr(d->unit));
    if (d->form == WSRT_METRIC_VALUES)
        values(p, w, d->operation);
    else if (d->form == WSRT_METRIC_SET)
        statistics(w, d);
    else
        wsrt_json_number(w, "Value", d->value);
    wsrt_json_object_end(w);
    int rc = wsrt_document_end(&p->piece);
    return rc == WSRT_OK ? add_piece(p) : rc;
}

static int begin(struct data_walk *walk, const struct dimension *dimensions_of, size_t count)
{
    struct put *p = (struct put *)walk;

    p->dimensions = dimensions_of;
    p->dimension_count = count;
    return WSRT_OK;
}

static int end(struct data_walk *walk)
{
    (void)walk;
    return WSRT_OK;
}

int wsrt_export_cloudwatch(const struct export *e)
{
    const wsrt_allocator *a = &e->snapshot->monitor->allocator;
    struct put p = {.walk = {.export = e, .begin = begin, .datum = take_datum, .end = end}};

    wsrt_document_init(&p.body, a);
    wsrt_document_init(&p.piece, a);
    p.values = wsrt_mem_alloc(a, MAX_BUCKETS * sizeof *p.values);
    int rc = p.values == NULL ? WSRT_ERR_NOMEM : wsrt_data_walk(&p.walk);
    if (rc == WSRT_OK)
        rc = send_body(&p);
    wsrt_document_free(&p.body);
    wsrt_document_free(&p.piece);
    wsrt_mem_free(a, p.values, MAX_BUCKETS * sizeof *p.values);
    return rc;
}
