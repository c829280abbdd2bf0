#include "monitor/data.h"

#include "monitor/business.h"
#include "monitor/catalogue.h"
#include "monitor/own.h"

#include <string.h>

/* Of CloudWatch's values and names. */
static const double largest = 0x1p360;
enum { MOST_NAME = 255 };

static wsrt_span environment_of(const struct data_walk *w)
{
    const wsrt_monitor *m = w->export->snapshot->monitor;

    return (wsrt_span){m->environment, m->environment_len};
}

static int fits(double v)
{
    return is_finite(v) && v <= largest && v >= -largest;
}

static int send(struct data_walk *w, const struct datum *d)
{
    if (fits(d->value) && fits(d->sum) && fits(d->least) && fits(d->most) &&
        (!d->has_category || strlen(d->name) <= MOST_NAME))
        return w->datum(w, d);
    count_up(&w->export->snapshot->monitor->export_dropped, 1, 1);
    return WSRT_OK;
}

/* Inside, fractions; in CloudWatch, percent. */
static double in_cloudwatch(const struct metric *metric, double v)
{
    return metric->unit == UNIT_RATIO ? v * 100 : v;
}

static int plain(struct data_walk *w, enum metric_id id, double value)
{
    const struct metric *metric = wsrt_metric_of(id);

    return send(w, &(struct datum){.name = metric->name,
                                   .unit = metric->cloudwatch,
                                   .form = metric->form,
                                   .value = in_cloudwatch(metric, value)});
}

/* ---- operations ---- */

static int set(struct data_walk *w, enum metric_id id, const struct datum *values)
{
    const struct metric *metric = wsrt_metric_of(id);
    struct datum d = *values;

    if (d.count == 0)
        return WSRT_OK;
    d.name = metric->name;
    d.unit = metric->cloudwatch;
    d.form = WSRT_METRIC_SET;
    d.sum = in_cloudwatch(metric, d.sum);
    d.least = in_cloudwatch(metric, d.least);
    d.most = in_cloudwatch(metric, d.most);
    return send(w, &d);
}

/* So many of all are 1, the rest 0. */
static int share(struct data_walk *w, enum metric_id id, uint64_t ones, uint64_t all)
{
    return set(w, id,
               &(struct datum){.count = all,
                               .sum = (double)ones,
                               .least = ones == all ? 1 : 0,
                               .most = ones > 0 ? 1 : 0});
}

/* Single values of these are not kept: but for a record, least and most are the average. */
static int amounts(struct data_walk *w, enum metric_id id, const uint64_t *counters, unsigned sum,
                   double unit)
{
    uint64_t count = counters[sum + 1];
    double all = (double)counters[sum] / unit;
    double average = count == 0 ? 0 : all / (double)count;
    double most = sum == MEMORY_BYTES ? (double)counters[MEMORY_MAX] : average;

    return set(
        w, id,
        &(struct datum){
            .count = count, .sum = all, .least = average, .most = most > average ? most : average});
}

static int durations(struct data_walk *w, int id, const char *name)
{
    uint64_t count = w->export->snapshot->operations[id].count;

    if (count == 0)
        return WSRT_OK;
    return send(w, &(struct datum){.name = name,
                                   .unit = wsrt_metric_of(METRIC_DURATION)->cloudwatch,
                                   .form = WSRT_METRIC_VALUES,
                                   .operation = id,
                                   .count = count});
}

static int named_for_services(struct data_walk *w, int id)
{
    const uint64_t *c = w->export->snapshot->operations[id].sums.counters;
    uint64_t good = c[SUCCEEDED] + c[WARNED];
    int rc = WSRT_OK;

    if (w->export->options->names != WSRT_NAMES_HANDLER)
        rc = durations(w, id, wsrt_metric_of(METRIC_DURATION)->service_name);
    if (rc == WSRT_OK && w->export->options->names != WSRT_NAMES_SERVICE)
        rc = durations(w, id, wsrt_metric_of(METRIC_DURATION)->name);
    if (rc == WSRT_OK)
        rc = amounts(w, METRIC_MEMORY, c, MEMORY_BYTES, 1);
    if (rc == WSRT_OK)
        rc = share(w, METRIC_SUCCESS, good, good + c[FAILED]);
    if (rc == WSRT_OK)
        rc = plain(w, METRIC_ERRORS, (double)c[ERROR_CALLS]);
    if (rc == WSRT_OK)
        rc = plain(w, METRIC_EXTERNAL_CALLS, (double)c[EXTERNAL_CALLS]);
    if (rc == WSRT_OK)
        rc = plain(w, METRIC_DATABASE_CALLS, (double)c[DATABASE_CALLS]);
    return rc;
}

static int named_for_handlers(struct data_walk *w, int id)
{
    const struct operation_view *v = &w->export->snapshot->operations[id];
    const uint64_t *c = v->sums.counters;
    uint64_t all = c[SUCCEEDED] + c[WARNED] + c[FAILED];
    int rc = share(w, METRIC_ERROR_RATE, c[FAILED], all);

    if (rc == WSRT_OK)
        rc = plain(w, METRIC_WARNINGS, (double)c[WARNED]);
    if (rc == WSRT_OK)
        rc = amounts(w, METRIC_REQUEST_SIZE, c, REQUEST_BYTES, 1);
    if (rc == WSRT_OK)
        rc = amounts(w, METRIC_RESPONSE_SIZE, c, RESPONSE_BYTES, 1);
    if (rc == WSRT_OK)
        rc = amounts(w, METRIC_CPU, c, CPU_MILLIONTHS, 1e6);
    if (rc == WSRT_OK)
        rc = plain(w, METRIC_IN_FLIGHT, (double)v->in_flight);
    return rc;
}

static int business(struct data_walk *w, const struct business *all, int id)
{
    int rc = WSRT_OK;

    for (int i = 0; rc == WSRT_OK && i < BUSINESS_METRICS; i++)
        if (all[i].operation == id && all[i].is_known)
            rc = plain(w, (enum metric_id)(METRIC_BUSINESS + i), all[i].value);
    return rc;
}

static int operation(struct data_walk *w, const struct business *all, int id)
{
    const struct operation_view *v = &w->export->snapshot->operations[id];
    const struct dimension dimensions[] = {
        {"Handler", {v->operation->name, v->operation->name_len}},
        {"Environment", environment_of(w)},
    };

    if (v->count == 0 && v->in_flight == 0)
        return WSRT_OK;
    int rc = w->begin(w, dimensions, 2);
    if (rc == WSRT_OK)
        rc = named_for_services(w, id);
    if (rc == WSRT_OK && w->export->options->names != WSRT_NAMES_SERVICE)
        rc = named_for_handlers(w, id);
    if (rc == WSRT_OK && w->export->options->names != WSRT_NAMES_SERVICE)
        rc = business(w, all, id);
    return rc == WSRT_OK ? w->end(w) : rc;
}

/* ---- metrics of others, those of the same labels together ---- */

static int is_published(const struct family *f, const void *user)
{
    (void)user;
    return f->metric == NULL || f->metric->cloudwatch != NULL;
}

static int own_sample(struct data_walk *w, const struct family *f, const struct sample *s)
{
    double by_unit = f->own->kind == WSRT_BUSINESS_RATIO ? 100 : 1, value;
    struct datum d = {.name = s->name != NULL ? s->name : f->name,
                      .unit = f->own->unit,
                      .has_category = s->name != NULL};

    if (s->count == 0 || !wsrt_sample_value(f, s, &value)) /* nothing since the last reading */
        return WSRT_OK;
    d.value = d.least = d.most = value * by_unit;
    d.form = f->kind == WSRT_SOURCE_COUNTER ? WSRT_METRIC_SUM : WSRT_METRIC_GAUGE;
    if (f->kind == FAMILY_MEAN) {
        d.form = WSRT_METRIC_SET;
        d.sum = s->number * by_unit;
        d.count = (uint64_t)s->count;
    }
    return send(w, &d);
}

static int sample(struct data_walk *w, const struct family *f, const struct sample *s)
{
    const struct metric *metric = f->metric;
    int sum = f->kind == WSRT_SOURCE_COUNTER;

    if (f->own != NULL)
        return own_sample(w, f, s);
    return send(
        w, &(struct datum){.name = f->name,
                           .unit = metric == NULL ? sum ? "Count" : "None" : metric->cloudwatch,
                           .form = sum ? WSRT_METRIC_SUM : WSRT_METRIC_GAUGE,
                           .value = metric == NULL ? s->number : in_cloudwatch(metric, s->number)});
}

static int fits_as_dimensions(const struct label_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (!wsrt_dimension_fits(set->labels[i].value))
            return 0;
    return 1;
}

/* Each datum is refused of its own: the whole set has a dimension that CloudWatch would not take. */
static int refuse(struct data_walk *w, const struct pick *from)
{
    for (const struct pick *p = from; p != NULL; p = p->next)
        count_up(&w->export->snapshot->monitor->export_dropped, 1, 1);
    return WSRT_OK;
}

static int labelled(const struct pick *from, void *user)
{
    struct data_walk *w = user;
    struct dimension dimensions[MAX_DATUM_DIMENSIONS];
    const struct label_set *set = from->sample->set;
    size_t n = set->count;

    if (!fits_as_dimensions(set))
        return refuse(w, from);
    for (size_t i = 0; i < n; i++)
        dimensions[i] = (struct dimension){set->labels[i].name, set->labels[i].value};
    dimensions[n] = (struct dimension){"Environment", environment_of(w)};
    int rc = w->begin(w, dimensions, n + 1);
    for (const struct pick *p = from; rc == WSRT_OK && p != NULL; p = p->next)
        rc = sample(w, p->family, p->sample);
    return rc == WSRT_OK ? w->end(w) : rc;
}

static int others(struct data_walk *w)
{
    return wsrt_samples_pick(&(struct picking){w->export->snapshot, is_published, labelled, w});
}

static int self(struct data_walk *w)
{
    static const enum metric_id ids[SELVES] = {METRIC_SERIES_DROPPED, METRIC_EXPORT_DROPPED,
                                               METRIC_EXPORT_APPROXIMATED,
                                               METRIC_ATTRIBUTES_DROPPED, METRIC_CLOCK_BACKWARDS};
    const struct dimension environment = {"Environment", environment_of(w)};
    int rc = w->begin(w, &environment, 1);

    for (int i = 0; rc == WSRT_OK && i < SELVES; i++)
        if (w->export->snapshot->self[i] > 0)
            rc = plain(w, ids[i], (double)w->export->snapshot->self[i]);
    return rc == WSRT_OK ? w->end(w) : rc;
}

int wsrt_data_walk(struct data_walk *w)
{
    struct business all[BUSINESS_METRICS];
    int rc = WSRT_OK;

    if (!wsrt_dimension_fits(environment_of(w))) {
        count_up(&w->export->snapshot->monitor->export_dropped, 1, 1);
        return WSRT_OK;
    }
    wsrt_business_read(w->export->snapshot, all);
    for (int id = 0; rc == WSRT_OK && id < w->export->snapshot->operation_count; id++)
        rc = operation(w, all, id);
    if (rc == WSRT_OK && w->export->options->names != WSRT_NAMES_SERVICE)
        rc = others(w);
    if (rc == WSRT_OK && w->export->options->names != WSRT_NAMES_SERVICE)
        rc = self(w);
    return rc;
}

/* ---- durations ---- */

static struct value_count bucket(unsigned index, unsigned bits, uint64_t most, uint32_t count)
{
    uint64_t middle = wsrt_bucket_middle(index, bits);
    double low = (double)wsrt_bucket_low(index, bits) / 1e6;
    double high = (double)wsrt_bucket_low(index + 1, bits) / 1e6;

    return (struct value_count){(double)(middle < most ? middle : most) / 1e6, low, high, count};
}

size_t wsrt_values_of(const wsrt_snapshot *s, int id, struct value_count out[MAX_BUCKETS])
{
    struct histogram h = wsrt_view_histogram(s, id);
    uint32_t counts[CHUNK_COUNTERS];
    size_t n = 0;

    for (unsigned c = 0; c < h.chunks; c++) {
        if (!h.chunk(&h, c, counts))
            continue;
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            if (counts[i] > 0)
                out[n++] = bucket(c * CHUNK_COUNTERS + i, h.bits, h.max, counts[i]);
    }
    return n;
}

void wsrt_values_write(wsrt_json_writer *w, const struct value_count *v, size_t count)
{
    wsrt_json_key(w, "Values");
    wsrt_json_array(w);
    for (size_t i = 0; i < count; i++)
        wsrt_json_write_double(w, v[i].value);
    wsrt_json_array_end(w);
    wsrt_json_key(w, "Counts");
    wsrt_json_array(w);
    for (size_t i = 0; i < count; i++)
        wsrt_json_write_uint64(w, v[i].count);
    wsrt_json_array_end(w);
}

static double joined_width(const struct value_count *a, const struct value_count *b)
{
    return (b->high - a->low) / b->high;
}

static void join(struct value_count *a, const struct value_count *b)
{
    double count = (double)a->count + (double)b->count;

    a->value = a->value * ((double)a->count / count) + b->value * ((double)b->count / count);
    a->count += b->count;
    a->high = b->high;
}

size_t wsrt_values_join(struct value_count *v, size_t count, size_t most)
{
    for (; count > most; count--) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (joined_width(&v[i], &v[i + 1]) < joined_width(&v[best], &v[best + 1]))
                best = i;
        join(&v[best], &v[best + 1]);
        memmove(&v[best + 1], &v[best + 2], (count - best - 2) * sizeof v[0]);
    }
    return count;
}
