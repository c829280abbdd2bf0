/* CloudWatch's embedded metric format: a line holds one set of dimensions, at most 100 metrics and
 * arrays of at most 100 numbers. Arrays carry no counts: values are repeated, over several lines. */
#include "monitor/data.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "json/number.h"
#include "json/write.h"

#include <string.h>

enum {
    MOST_METRICS = 100,
    MOST_NUMBERS = 100,
    MOST_LINES = 10,
    MOST_BYTES = 256000,
    MOST_VALUES = 100,
    MOST_TEXT = 65536, /* of errorMessage as given */
    MOST_TEXT_TOLD = 512,
    HASH_DIGITS = 10
};

struct emf {
    struct data_walk walk;
    struct document line;
    struct dimension dimensions[MAX_DATUM_DIMENSIONS];
    size_t dimension_count;
    struct datum targets[MOST_METRICS];
    size_t target_count;
    struct value_count *values;
};

/* ---- the head of a line ---- */

/* Names and units are made of letters, digits, _ and /, so nothing needs an escape; but a category is
 * the client's word, and is checked. */
static void known(wsrt_json_writer *w, const char *text)
{
    wsrt_json_string_literal(w, wsrt_span_cstr(text));
}

static void names(const struct emf *f, wsrt_json_writer *w)
{
    for (size_t i = 0; i < f->dimension_count; i++) {
        known(w, i > 0 ? "\",\"" : "\"");
        known(w, f->dimensions[i].name);
    }
    known(w, f->dimension_count > 0 ? "\"" : "");
}

static void metrics(wsrt_json_writer *w, const struct datum *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        known(w, i > 0 ? "},{\"Name\":\"" : "{\"Name\":\"");
        if (targets[i].has_category)
            wsrt_json_string_part(w, wsrt_span_cstr(targets[i].name));
        else
            known(w, targets[i].name);
        known(w, "\",\"Unit\":\"");
        known(w, targets[i].unit);
        known(w, "\"");
    }
    known(w, count > 0 ? "}" : "");
}

/* Most of a line is the same each time: it is copied, not composed. */
static void directive(struct emf *f, wsrt_json_writer *w, const struct datum *targets, size_t count)
{
    char digits[WSRT_NUMBER_TEXT];

    wsrt_json_key(w, "_aws");
    wsrt_json_raw(w, wsrt_span_cstr("{\"Timestamp\":"));
    wsrt_json_string_literal(
        w, (wsrt_span){digits, wsrt_int64_text(f->walk.export->options->wall, digits)});
    known(w, ",\"CloudWatchMetrics\":[{\"Namespace\":\"WebSocket/Performance\",\"Dimensions\":[[");
    names(f, w);
    known(w, "]],\"Metrics\":[");
    metrics(w, targets, count);
    known(w, "]}]}");
    for (size_t i = 0; i < f->dimension_count; i++)
        wsrt_json_member(w, f->dimensions[i].name, f->dimensions[i].value);
}

/* ---- plain members: who a line is about ---- */

static void hashed(const struct emf *f, wsrt_json_writer *w, const wsrt_field *field)
{
    static const char hex[] = "0123456789abcdef";
    const wsrt_monitor *m = f->walk.export->snapshot->monitor;
    unsigned char tag[WSRT_MAC_LEN];
    char text[1 + HASH_DIGITS] = {'#'};

    wsrt_mac(m->identity_key, field->text.ptr, field->text.len, tag);
    for (int i = 0; i < HASH_DIGITS; i++)
        text[1 + i] = hex[tag[i / 2] >> 4 * (i % 2) & 15];
    wsrt_json_member(w, field->name_cstr, (wsrt_span){text, sizeof text});
}

static void drop(const struct emf *f)
{
    count_up(&f->walk.export->snapshot->monitor->attributes_dropped, 1, 1);
}

/* Cut when it is clean: half a secret would not be recognised. A character that is cut in two is
 * replaced like any that is none. */
static void redacted(const struct emf *f, wsrt_json_writer *w, const wsrt_field *field)
{
    const wsrt_monitor *m = f->walk.export->snapshot->monitor;
    wsrt_span given = field->text;
    size_t len = 0, cap;
    char *clean;

    if (given.len > MOST_TEXT || m->redact(given, 0, NULL, 0, &len, NULL) == WSRT_ERR_INVALID ||
        (clean = wsrt_mem_alloc(&m->allocator, cap = len + 1)) == NULL) {
        drop(f);
        return;
    }
    if (m->redact(given, 0, clean, cap, &len, NULL) == WSRT_OK)
        wsrt_json_member(w, field->name_cstr,
                         (wsrt_span){clean, len < MOST_TEXT_TOLD ? len : MOST_TEXT_TOLD});
    wsrt_mem_free(&m->allocator, clean, cap);
}

/* A dimension or a metric of the line says more than a plain member of its name. */
static int is_told(const struct emf *f, const char *name)
{
    for (size_t i = 0; name != NULL && i < f->dimension_count; i++)
        if (strcmp(f->dimensions[i].name, name) == 0)
            return 1;
    for (size_t i = 0; name != NULL && i < f->target_count; i++)
        if (strcmp(f->targets[i].name, name) == 0)
            return 1;
    return 0;
}

static void member(const struct emf *f, wsrt_json_writer *w, const wsrt_field *field)
{
    if (is_told(f, field->name_cstr))
        return;
    switch (wsrt_attribute_use(f->walk.export->snapshot->monitor, field->name_cstr)) {
    case USE_HASHED:
        if (field->kind == WSRT_FIELD_TEXT)
            hashed(f, w, field);
        return;
    case USE_REDACTED:
        if (field->kind == WSRT_FIELD_TEXT)
            redacted(f, w, field);
        return;
    case USE_PLAIN:
        break;
    case USE_NONE:
        drop(f);
        return;
    }
    if (field->kind == WSRT_FIELD_TEXT)
        wsrt_json_member(w, field->name_cstr, field->text);
    else if (field->kind == WSRT_FIELD_REAL && is_finite(field->real))
        wsrt_json_number(w, field->name_cstr, field->real);
    else if (field->kind == WSRT_FIELD_INT || field->kind == WSRT_FIELD_BOOL) {
        wsrt_json_key(w, field->name_cstr);
        wsrt_json_write_int64(w, field->number);
    }
}

/* ---- targets ---- */

static void statistics(wsrt_json_writer *w, double least, double most, double sum, uint64_t count)
{
    wsrt_json_object(w);
    wsrt_json_number(w, "Min", least);
    wsrt_json_number(w, "Max", most);
    wsrt_json_number(w, "Sum", sum);
    wsrt_json_key(w, "Count");
    wsrt_json_write_uint64(w, count);
    wsrt_json_object_end(w);
}

static void values_and_counts(const struct emf *f, wsrt_json_writer *w, size_t n)
{
    wsrt_json_object(w);
    wsrt_values_write(w, f->values, n);
    wsrt_json_object_end(w);
}

static void durations(const struct emf *f, wsrt_json_writer *w, const struct datum *d)
{
    const wsrt_snapshot *s = f->walk.export->snapshot;
    size_t n = wsrt_values_of(s, d->operation, f->values);

    if ((f->walk.export->options->flags & WSRT_EXPORT_COUNTS) != 0) {
        values_and_counts(f, w, wsrt_values_join(f->values, n, MOST_VALUES));
        return;
    }
    count_up(&s->monitor->export_approximated, 1, 1);
    statistics(w, f->values[0].value, f->values[n - 1].value,
               (double)s->operations[d->operation].sums.counters[DURATION_SUM] / 1e6, d->count);
}

static void target(const struct emf *f, wsrt_json_writer *w, const struct datum *d)
{
    wsrt_json_key(w, d->name);
    if (d->form == WSRT_METRIC_VALUES)
        durations(f, w, d);
    else if (d->form == WSRT_METRIC_SET)
        statistics(w, d->least, d->most, d->sum, d->count);
    else
        wsrt_json_write_double(w, d->value);
}

static int finish_line(struct emf *f)
{
    const struct export *e = f->walk.export;

    for (size_t i = 0; i < e->options->member_count; i++)
        member(f, &f->line.json, &e->options->members[i]);
    wsrt_json_object_end(&f->line.json);
    int rc = wsrt_document_end(&f->line);
    if (rc == WSRT_OK && f->line.len + 1 > MOST_BYTES) {
        count_up(&e->snapshot->monitor->export_dropped, 1, 1);
        return WSRT_OK;
    }
    if (rc == WSRT_OK)
        rc = wsrt_document_append(&f->line, "\n", 1);
    return rc == WSRT_OK ? wsrt_document_send(&f->line, e) : rc;
}

static int send_targets(struct emf *f)
{
    if (f->target_count == 0)
        return WSRT_OK;
    wsrt_document_begin(&f->line);
    wsrt_json_object(&f->line.json);
    directive(f, &f->line.json, f->targets, f->target_count);
    for (size_t i = 0; i < f->target_count; i++)
        target(f, &f->line.json, &f->targets[i]);
    int rc = finish_line(f);
    f->target_count = 0;
    return rc;
}

/* ---- values that are repeated: lines of their own, a hundred numbers each ---- */

static int send_numbers(struct emf *f, const struct datum *d, size_t *at, uint64_t *taken)
{
    wsrt_json_writer *w = &f->line.json;

    wsrt_document_begin(&f->line);
    wsrt_json_object(w);
    directive(f, w, d, 1);
    wsrt_json_key(w, d->name);
    wsrt_json_array(w);
    for (int i = 0; i < MOST_NUMBERS && f->values[*at].count > 0; i++) {
        wsrt_json_write_double(w, f->values[*at].value);
        if (++*taken == f->values[*at].count) {
            ++*at;
            *taken = 0;
        }
    }
    wsrt_json_array_end(w);
    return finish_line(f);
}

static int send_repeated(struct emf *f, const struct datum *d)
{
    size_t n = wsrt_values_of(f->walk.export->snapshot, d->operation, f->values), at = 0;
    uint64_t taken = 0;
    int rc = WSRT_OK;

    f->values[n].count = 0;
    while (rc == WSRT_OK && f->values[at].count > 0)
        rc = send_numbers(f, d, &at, &taken);
    return rc;
}

/* ---- the walk ---- */

static int begin(struct data_walk *walk, const struct dimension *dimensions, size_t count)
{
    struct emf *f = (struct emf *)walk;

    memcpy(f->dimensions, dimensions, count * sizeof *dimensions);
    f->dimension_count = count;
    return WSRT_OK;
}

static int take_datum(struct data_walk *walk, const struct datum *d)
{
    struct emf *f = (struct emf *)walk;
    int as_counts = (walk->export->options->flags & WSRT_EXPORT_COUNTS) != 0;

    if (d->form == WSRT_METRIC_VALUES && !as_counts && d->count <= MOST_LINES * MOST_NUMBERS)
        return send_repeated(f, d);
    f->targets[f->target_count++] = *d;
    return f->target_count == MOST_METRICS ? send_targets(f) : WSRT_OK;
}

static int end(struct data_walk *walk)
{
    return send_targets((struct emf *)walk);
}

int wsrt_export_emf(const struct export *e)
{
    const wsrt_allocator *a = &e->snapshot->monitor->allocator;
    size_t room = (MAX_BUCKETS + 1) * sizeof(struct value_count);
    struct emf *f = wsrt_mem_zalloc(a, sizeof *f);
    int rc = WSRT_ERR_NOMEM;

    if (f == NULL)
        return rc;
    f->walk = (struct data_walk){.export = e, .begin = begin, .datum = take_datum, .end = end};
    wsrt_document_init(&f->line, a);
    f->values = wsrt_mem_alloc(a, room);
    if (f->values != NULL)
        rc = wsrt_data_walk(&f->walk);
    wsrt_mem_free(a, f->values, room);
    wsrt_document_free(&f->line);
    wsrt_mem_free(a, f, sizeof *f);
    return rc;
}
