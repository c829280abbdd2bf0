#include "monitor/own.h"

#include "monitor/catalogue.h"
#include "monitor/document.h"

#include "base/alloc.h"
#include "base/double.h"
#include "base/hash.h"
#include "base/options.h"

#include <string.h>

/* The longest key of a series: a byte of length and a value for each dimension and the category. */
enum { MAX_KEY = (MAX_OWN_DIMENSIONS + 1) * (MAX_VALUE + 1) };

/* ---- series ---- */

struct own_key {
    size_t len;
    int is_beyond; /* a value that no export could carry */
    char text[MAX_KEY];
};

static size_t series_size(size_t len)
{
    return sizeof(struct own_series) + len;
}

static void add_value(struct own_key *key, wsrt_span value)
{
    if (value.len > MAX_VALUE || !wsrt_dimension_fits(value)) {
        key->is_beyond = 1;
        return;
    }
    key->text[key->len++] = (char)value.len;
    memcpy(key->text + key->len, value.ptr, value.len);
    key->len += value.len;
}

static struct own_series *find(const struct own_metric *metric, uint64_t hash,
                               const struct own_key *key)
{
    struct own_series *s = held(&metric->chains[hash % OWN_CHAINS]);

    while (s != NULL &&
           (s->hash != hash || s->len != key->len || memcmp(s->text, key->text, key->len) != 0))
        s = held(&s->next);
    return s;
}

static struct own_series *make_series(const wsrt_monitor *m, uint64_t hash,
                                      const struct own_key *key)
{
    struct own_series *s = wsrt_mem_zalloc(&m->allocator, series_size(key->len));

    if (s == NULL)
        return NULL;
    s->hash = hash;
    s->len = key->len;
    memcpy(s->text, key->text, key->len);
    return s;
}

/* Under the lock. */
static void publish(wsrt_monitor *m, struct own_metric *metric, struct own_series *fresh)
{
    slot *head = &metric->chains[fresh->hash % OWN_CHAINS];

    atomic_store_explicit(&fresh->next, held(head), memory_order_relaxed);
    fresh->older = held(&metric->newest);
    atomic_store_explicit(head, fresh, memory_order_release);
    atomic_store_explicit(&metric->newest, fresh, memory_order_release);
    atomic_fetch_add_explicit(&metric->series_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value_count, 1, memory_order_relaxed);
}

static int is_full(wsrt_monitor *m, const struct own_metric *metric)
{
    return atomic_load_explicit(&m->value_count, memory_order_relaxed) >=
               atomic_load_explicit(&m->max_values, memory_order_relaxed) ||
           atomic_load_explicit(&metric->series_count, memory_order_relaxed) >=
               atomic_load_explicit(&m->max_metric_values, memory_order_relaxed);
}

/* NULL when a cap is reached or memory is refused. */
static struct own_series *add_series(wsrt_monitor *m, struct own_metric *metric, uint64_t hash,
                                     const struct own_key *key)
{
    struct own_series *fresh = is_full(m, metric) ? NULL : make_series(m, hash, key);

    if (fresh == NULL)
        return NULL;
    pthread_mutex_lock(&m->lock);
    struct own_series *found = find(metric, hash, key);
    if (found == NULL && !is_full(m, metric)) {
        publish(m, metric, fresh);
        found = fresh;
    }
    pthread_mutex_unlock(&m->lock);
    if (found != fresh)
        wsrt_mem_free(&m->allocator, fresh, series_size(key->len));
    return found;
}

/* NULL likewise, and for what no export could carry. */
static struct own_series *series_of(wsrt_monitor *m, struct own_metric *metric,
                                    const struct own_key *key)
{
    uint64_t hash = wsrt_hash(m->key, key->text, key->len);
    struct own_series *s = key->is_beyond ? NULL : find(metric, hash, key);

    return s != NULL || key->is_beyond ? s : add_series(m, metric, hash, key);
}

/* The overflow's where there is no other. */
static struct own_series *any_series_of(wsrt_monitor *m, struct own_metric *metric,
                                        const struct own_key *key)
{
    struct own_series *s = series_of(m, metric, key);

    if (s != NULL)
        return s;
    count_up(&m->series_dropped, 1, 1);
    return metric->overflow;
}

struct own_series *wsrt_own_series(wsrt_monitor *m, struct own_metric *metric,
                                   const wsrt_span *values, size_t count)
{
    struct own_key key; /* as when it is counted */

    key.len = 0;
    key.is_beyond = 0;
    for (size_t i = 0; i < count; i++)
        add_value(&key, values[i]);
    struct own_series *s = series_of(m, metric, &key);
    return s != NULL ? s : metric->overflow;
}

/* ---- counting ---- */

/* What was told last goes. */
static const wsrt_field *field_of(const struct attributes lists[ATTRIBUTE_LISTS], const char *name)
{
    for (int list = ATTRIBUTE_LISTS; list-- > 0;)
        for (size_t i = lists[list].count; i-- > 0;)
            if (lists[list].fields[i].name_cstr != NULL &&
                strcmp(lists[list].fields[i].name_cstr, name) == 0)
                return &lists[list].fields[i];
    return NULL;
}

static wsrt_span text_of(const wsrt_field *f)
{
    if (f != NULL && f->kind == WSRT_FIELD_BOOL)
        return wsrt_span_cstr(f->number != 0 ? "true" : "false");
    return f != NULL && f->kind == WSRT_FIELD_TEXT ? f->text : (wsrt_span){NULL, 0};
}

static int number_of(const wsrt_field *f, double *out)
{
    *out = f->kind == WSRT_FIELD_INT ? (double)f->number : f->real;
    return (f->kind == WSRT_FIELD_INT || f->kind == WSRT_FIELD_REAL) && is_finite(*out);
}

static void add_number(_Atomic uint64_t *sum, double n)
{
    uint64_t old = counted(sum);

    while (!atomic_compare_exchange_weak_explicit(sum, &old,
                                                  wsrt_double_bits(wsrt_double_of_bits(old) + n),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* What a completion adds; 0 when the attribute does not fit the metric. */
static int amount_of(const struct own_metric *metric, const wsrt_field *f, double *out)
{
    wsrt_span wanted = {metric->value, metric->value_len};

    switch (metric->kind) {
    case WSRT_BUSINESS_GAUGE:
    case WSRT_BUSINESS_AVERAGE:
        return number_of(f, out);
    case WSRT_BUSINESS_CATEGORY:
        return text_of(f).len > 0;
    default:
        break;
    }
    if (metric->value_len > 0)
        return wsrt_span_equal(text_of(f), wanted);
    return metric->kind == WSRT_BUSINESS_RATIO || text_of(f).len > 0 ||
           (number_of(f, out) && *out >= 0);
}

static void count_metric(wsrt_monitor *m, struct own_metric *metric,
                         const struct attributes lists[ATTRIBUTE_LISTS], int good)
{
    const wsrt_field *f = field_of(lists, metric->attribute);
    struct own_key key; /* far from all of it is written */
    double amount = 1;

    if (f == NULL || !amount_of(metric, f, &amount))
        return;
    key.len = 0;
    key.is_beyond = 0;
    for (size_t i = 0; i < metric->dimension_count; i++) {
        wsrt_span value = text_of(field_of(lists, metric->dimensions[i]));
        add_value(&key, value.len > 0 ? value : wsrt_span_cstr(ABSENT_VALUE));
    }
    if (metric->kind == WSRT_BUSINESS_CATEGORY)
        add_value(&key, text_of(f));
    struct own_series *s = any_series_of(m, metric, &key);
    count_up(&s->all, 1, 1);
    if (good)
        count_up(&s->good, 1, 1);
    if (metric->kind == WSRT_BUSINESS_GAUGE)
        atomic_store_explicit(&s->sum, wsrt_double_bits(amount), memory_order_relaxed);
    else
        add_number(&s->sum, amount);
}

void wsrt_own_count(wsrt_monitor *m, int id, const struct attributes lists[ATTRIBUTE_LISTS],
                    int good)
{
    struct own_metric *metric = held(&m->operations[id]->own);

    for (; metric != NULL; metric = metric->older)
        count_metric(m, metric, lists, good);
}

int wsrt_own_declares(const wsrt_monitor *m, int id, const char *name)
{
    const struct own_metric *metric = held(&m->operations[id]->own);

    for (; metric != NULL && name != NULL; metric = metric->older) {
        if (strcmp(metric->attribute, name) == 0)
            return 1;
        for (size_t i = 0; i < metric->dimension_count; i++)
            if (strcmp(metric->dimensions[i], name) == 0)
                return 1;
    }
    return 0;
}

/* ---- reading ---- */

void wsrt_own_values(const struct own_metric *metric, const struct own_series *s,
                     wsrt_span out[MAX_OWN_DIMENSIONS + 1])
{
    const char *p = s->text;

    for (size_t i = 0; i <= metric->dimension_count; i++) {
        out[i] = wsrt_span_cstr(OVERFLOW_VALUE);
        if (s == metric->overflow || p == s->text + s->len)
            continue;
        out[i] = (wsrt_span){p + 1, (unsigned char)*p};
        p += 1 + out[i].len;
    }
}

double wsrt_own_sum(const struct own_series *s)
{
    return wsrt_double_of_bits(counted(&s->sum));
}

void wsrt_own_add(const struct own_metric *metric, struct own_series *s, uint64_t all, double sum)
{
    count_up(&s->all, all, 1);
    if (metric->kind != WSRT_BUSINESS_RATIO)
        add_number(&s->sum, sum);
    else if (sum >= 0 && sum < 0x1p63)
        count_up(&s->good, (uint64_t)sum, 1);
}

/* ---- into a snapshot ---- */

/* "orders.card": in CloudWatch a category is part of the name, so that dimensions stay the same. */
static int name_category(wsrt_snapshot *s, const struct own_metric *metric, wsrt_span category,
                         struct sample *to)
{
    size_t len = strlen(metric->name);
    char *name = wsrt_snapshot_room(s, len + category.len + 2, 1);

    if (name == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(name, metric->name, len);
    name[len] = '.';
    memcpy(name + len + 1, category.ptr, category.len);
    to->name = name;
    to->category = name + len + 1;
    return WSRT_OK;
}

static int sample_series(wsrt_snapshot *s, struct family *f, const struct own_metric *metric,
                         const struct own_series *series)
{
    const struct operation *o = s->monitor->operations[metric->operation];
    wsrt_field labels[1 + MAX_OWN_DIMENSIONS] = {
        {.name_cstr = "Handler", .text = {o->name, o->name_len}, .kind = WSRT_FIELD_TEXT}};
    wsrt_span values[MAX_OWN_DIMENSIONS + 1];
    uint64_t all = counted(&series->all);
    double sum = wsrt_own_sum(series);

    if (!is_finite(sum))
        count_up(&s->monitor->export_dropped, 1, 1);
    if (all == 0 || !is_finite(sum))
        return WSRT_OK;
    wsrt_own_values(metric, series, values);
    for (size_t i = 0; i < metric->dimension_count; i++)
        labels[i + 1] = (wsrt_field){
            .name_cstr = metric->dimensions[i], .text = values[i], .kind = WSRT_FIELD_TEXT};
    struct sample *x = wsrt_family_add(s, f, labels, 1 + metric->dimension_count, sum);
    if (x == NULL)
        return WSRT_ERR_NOMEM;
    x->origin = series;
    x->count = (double)all;
    if (metric->kind == WSRT_BUSINESS_RATIO)
        x->number = (double)counted(&series->good);
    return metric->kind == WSRT_BUSINESS_CATEGORY
               ? name_category(s, metric, values[metric->dimension_count], x)
               : WSRT_OK;
}

static int sample_metric(wsrt_snapshot *s, const struct own_metric *metric)
{
    static const int kinds[] = {
        [WSRT_BUSINESS_COUNTER] = WSRT_SOURCE_COUNTER,
        [WSRT_BUSINESS_GAUGE] = WSRT_SOURCE_GAUGE,
        [WSRT_BUSINESS_RATIO] = FAMILY_MEAN,
        [WSRT_BUSINESS_AVERAGE] = FAMILY_MEAN,
        [WSRT_BUSINESS_CATEGORY] = WSRT_SOURCE_COUNTER,
    };
    struct family *f = wsrt_family_new(s, metric->name, kinds[metric->kind]);
    const struct own_series *series = held(&metric->newest);
    int rc = f == NULL ? WSRT_ERR_NOMEM : WSRT_OK;

    if (rc == WSRT_OK)
        f->own = metric;
    for (; rc == WSRT_OK && series != NULL; series = series->older)
        rc = sample_series(s, f, metric, series);
    return rc == WSRT_OK ? sample_series(s, f, metric, metric->overflow) : rc;
}

int wsrt_own_samples(wsrt_snapshot *s)
{
    int rc = WSRT_OK;

    for (int id = 0; rc == WSRT_OK && id < s->operation_count; id++) {
        const struct own_metric *metric = held(&s->monitor->operations[id]->own);
        for (; rc == WSRT_OK && metric != NULL; metric = metric->older)
            rc = sample_metric(s, metric);
    }
    return rc;
}

/* ---- registration ---- */

/* Names that writers put beside the dimensions, each on its own. */
static int is_reserved(const char *name)
{
    static const char *const names[] = {"handler", "environment", "category", "le", "quantile"};
    char snake[2 * MAX_SOURCE_NAME + 1];

    wsrt_snake_case(snake, name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], snake) == 0)
            return 1;
    return 0;
}

static int dimensions_fit(const wsrt_business_metric *b)
{
    for (uint32_t i = 0; i < b->dimension_count; i++) {
        const char *name = b->dimensions[i];
        if (!wsrt_source_name_fits(name) || is_reserved(name) ||
            wsrt_is_named_abroad(name, b->name_cstr))
            return 0;
        for (uint32_t k = 0; k < i; k++)
            if (wsrt_is_named_abroad(name, b->dimensions[k]))
                return 0;
    }
    return 1;
}

/* "Bytes/Second" */
static int is_unit(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/");

    return len > 0 && len <= MAX_UNIT && text[len] == '\0';
}

static int fits(const wsrt_business_metric *b)
{
    size_t value = b->value_cstr == NULL ? 0 : strlen(b->value_cstr);
    int counts = b->kind == WSRT_BUSINESS_COUNTER || b->kind == WSRT_BUSINESS_RATIO;

    return b->kind >= WSRT_BUSINESS_COUNTER && b->kind <= WSRT_BUSINESS_CATEGORY &&
           wsrt_source_name_fits(b->name_cstr) && wsrt_source_name_fits(b->attribute_cstr) &&
           !wsrt_is_dimension(b->name_cstr) && (value == 0 || (counts && value <= MAX_VALUE)) &&
           (b->unit_cstr == NULL || is_unit(b->unit_cstr)) &&
           (b->help_cstr == NULL || strlen(b->help_cstr) <= MAX_HELP) &&
           b->dimension_count <= MAX_OWN_DIMENSIONS &&
           (b->dimension_count == 0 || b->dimensions != NULL) && dimensions_fit(b);
}

/* Identities by leave; traces and free text never. */
static int may_be_told(const wsrt_monitor *m, const wsrt_business_metric *b)
{
    if (b->kind == WSRT_BUSINESS_CATEGORY && !wsrt_attribute_may_be_dimension(m, b->attribute_cstr))
        return 0;
    for (uint32_t i = 0; i < b->dimension_count; i++)
        if (!wsrt_attribute_may_be_dimension(m, b->dimensions[i]))
            return 0;
    return 1;
}

static struct own_metric *make_metric(const wsrt_monitor *m, const wsrt_business_metric *b)
{
    static const char *const units[] = {
        [WSRT_BUSINESS_COUNTER] = "Count",  [WSRT_BUSINESS_GAUGE] = "None",
        [WSRT_BUSINESS_RATIO] = "Percent",  [WSRT_BUSINESS_AVERAGE] = "None",
        [WSRT_BUSINESS_CATEGORY] = "Count",
    };
    const char *unit = b->unit_cstr != NULL ? b->unit_cstr : units[b->kind];
    const char *help = b->help_cstr != NULL ? b->help_cstr : "A metric of the application.";
    struct own_metric *metric = wsrt_mem_zalloc(
        &m->allocator, sizeof *metric + b->dimension_count * sizeof metric->dimensions[0]);

    if (metric == NULL)
        return NULL;
    memcpy(metric->name, b->name_cstr, strlen(b->name_cstr));
    memcpy(metric->attribute, b->attribute_cstr, strlen(b->attribute_cstr));
    metric->value_len = b->value_cstr == NULL ? 0 : strlen(b->value_cstr);
    memcpy(metric->value, b->value_cstr == NULL ? "" : b->value_cstr, metric->value_len);
    memcpy(metric->unit, unit, strlen(unit));
    memcpy(metric->help, help, strlen(help));
    metric->kind = b->kind;
    metric->operation = b->operation;
    metric->dimension_count = b->dimension_count;
    for (uint32_t i = 0; i < b->dimension_count; i++)
        memcpy(metric->dimensions[i], b->dimensions[i], strlen(b->dimensions[i]));
    metric->overflow = wsrt_mem_zalloc(&m->allocator, series_size(0));
    return metric;
}

static void free_metric(const wsrt_monitor *m, struct own_metric *metric)
{
    for (struct own_series *s = held(&metric->newest), *older; s != NULL; s = older) {
        older = s->older;
        wsrt_mem_free(&m->allocator, s, series_size(s->len));
    }
    wsrt_mem_free(&m->allocator, metric->overflow, series_size(0));
    wsrt_mem_free(&m->allocator, metric,
                  sizeof *metric + metric->dimension_count * sizeof metric->dimensions[0]);
}

void wsrt_own_free(const wsrt_monitor *m, struct operation *o)
{
    for (struct own_metric *metric = held(&o->own), *older; metric != NULL; metric = older) {
        older = metric->older;
        free_metric(m, metric);
    }
}

/* A name is a metric's or a dimension's, and one metric's. */
static int clashes(const struct own_metric *a, const struct own_metric *b)
{
    for (size_t i = 0; i < b->dimension_count; i++)
        if (wsrt_is_named_abroad(a->name, b->dimensions[i]))
            return 1;
    for (size_t i = 0; i < a->dimension_count; i++)
        if (wsrt_is_named_abroad(b->name, a->dimensions[i]))
            return 1;
    return wsrt_is_named_abroad(a->name, b->name);
}

int wsrt_own_is_named(const wsrt_monitor *m, const char *name_cstr)
{
    int operations = atomic_load_explicit(&m->operation_count, memory_order_relaxed);

    for (int id = 0; id < operations; id++)
        for (const struct own_metric *o = held(&m->operations[id]->own); o != NULL; o = o->older)
            if (wsrt_is_named_abroad(o->name, name_cstr))
                return 1;
    return 0;
}

/* Under the lock. */
static int settle_metric(wsrt_monitor *m, struct own_metric *fresh)
{
    int operations = atomic_load_explicit(&m->operation_count, memory_order_relaxed);

    if (m->own_count == MAX_OWN)
        return WSRT_ERR_LIMIT;
    if (wsrt_metric_is_named(fresh->name) || wsrt_source_is_named(m, fresh->name))
        return WSRT_ERR_EXISTS;
    for (int id = 0; id < operations; id++)
        for (const struct own_metric *o = held(&m->operations[id]->own); o != NULL; o = o->older)
            if (clashes(fresh, o))
                return WSRT_ERR_EXISTS;
    m->own_count++;
    fresh->older = held(&m->operations[fresh->operation]->own);
    atomic_store_explicit(&m->operations[fresh->operation]->own, fresh, memory_order_release);
    return WSRT_OK;
}

int wsrt_monitor_business(wsrt_monitor *m, const wsrt_business_metric *metric)
{
    wsrt_business_metric b;

    if (m == NULL || metric == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&b, sizeof b, sizeof(wsrt_business_metric), metric);
    if (rc == WSRT_OK && !fits(&b))
        rc = WSRT_ERR_INVALID;
    if (rc == WSRT_OK && wsrt_monitor_known(m, b.operation) == NULL)
        rc = WSRT_ERR_NOT_FOUND;
    if (rc == WSRT_OK && !may_be_told(m, &b))
        rc = WSRT_ERR_FORBIDDEN;
    if (rc != WSRT_OK)
        return rc;
    struct own_metric *fresh = make_metric(m, &b);
    if (fresh == NULL)
        return WSRT_ERR_NOMEM;
    rc = WSRT_ERR_NOMEM;
    if (fresh->overflow != NULL) {
        pthread_mutex_lock(&m->lock);
        rc = settle_metric(m, fresh);
        pthread_mutex_unlock(&m->lock);
    }
    if (rc != WSRT_OK)
        free_metric(m, fresh);
    return rc;
}
