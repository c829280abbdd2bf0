#include "monitor/snapshot.h"

#include "monitor/catalogue.h"
#include "monitor/document.h"
#include "base/alloc.h"

#include <string.h>

static void *room_for(wsrt_snapshot *s, size_t count, size_t size)
{
    size_t bytes = wsrt_mem_product(count, size);
    void *out = wsrt_arena_alloc(&s->arena, bytes == 0 ? 1 : bytes);

    if (out != NULL)
        memset(out, 0, bytes);
    return out;
}

/* ---- operations ---- */

/* Chunks that appear between marking and copying wait for the next snapshot. */
static int mark(wsrt_snapshot *s, int id)
{
    wsrt_monitor *m = s->monitor;
    struct operation_view *v = &s->operations[id];

    pthread_mutex_lock(&m->lock);
    v->operation = m->operations[id];
    wsrt_read_present(m, id, v->place);
    pthread_mutex_unlock(&m->lock);
    for (unsigned c = 0; c < m->chunks; c++)
        if (v->place[c] != 0)
            v->place[c] = (uint8_t)++v->chunk_count;
    v->counters = room_for(s, v->chunk_count, CHUNK_COUNTERS * sizeof v->counters[0]);
    return v->counters == NULL ? WSRT_ERR_NOMEM : WSRT_OK;
}

static void copy_history(const wsrt_monitor *m, int id, struct operation_view *v)
{
    static const unsigned windows[SPANS] = {1, 6, ERROR_WINDOWS, WINDOWS};
    wsrt_op_totals totals;

    for (unsigned i = 0; i < SPANS; i++)
        wsrt_history_recent(m, id, windows[i], &v->recent[i]);
    memcpy(v->watches, m->operations[id]->history.watches, sizeof v->watches);
    memcpy(v->trends, m->operations[id]->history.trends, sizeof v->trends);
    wsrt_totals_of(&totals, &v->sums, v->count);
    v->in_flight = totals.in_flight;
}

static void copy_self(const wsrt_monitor *m, uint64_t out[SELVES])
{
    out[SERIES_DROPPED] = counted(&m->series_dropped);
    out[EXPORT_DROPPED] = counted(&m->export_dropped);
    out[EXPORT_APPROXIMATED] = counted(&m->export_approximated);
    out[ATTRIBUTES_DROPPED] = counted(&m->attributes_dropped);
    out[CLOCK_BACKWARDS] = counted(&m->clock_backwards);
}

static void copy(wsrt_snapshot *s, int id)
{
    wsrt_monitor *m = s->monitor;
    struct operation_view *v = &s->operations[id];

    pthread_mutex_lock(&m->lock);
    wsrt_read_placed(m, id, v->place, v->counters);
    for (size_t i = 0; i < (size_t)v->chunk_count * CHUNK_COUNTERS; i++)
        v->count += v->counters[i];
    wsrt_read_sums(m, id, &v->sums);
    copy_history(m, id, v);
    pthread_mutex_unlock(&m->lock);
}

/* One after the other: what marking had to fetch is still near when it is copied, and nobody waits
 * for the lock as long as for all. */
static int take_operations(wsrt_snapshot *s)
{
    int rc = WSRT_OK;

    s->operation_count = atomic_load_explicit(&s->monitor->operation_count, memory_order_acquire);
    s->operations = room_for(s, (size_t)s->operation_count, sizeof *s->operations);
    if (s->operations == NULL)
        return WSRT_ERR_NOMEM;
    for (int id = 0; rc == WSRT_OK && id < s->operation_count; id++) {
        rc = mark(s, id);
        if (rc == WSRT_OK)
            copy(s, id);
    }
    pthread_mutex_lock(&s->monitor->lock);
    s->minutes = s->monitor->minutes;
    pthread_mutex_unlock(&s->monitor->lock);
    return rc;
}

static int view_chunk(const struct histogram *h, unsigned chunk, uint32_t out[CHUNK_COUNTERS])
{
    const wsrt_snapshot *s = h->from;
    const struct operation_view *v = &s->operations[h->id];
    size_t place = v->place[chunk];

    if (place == 0)
        return 0;
    memcpy(out, v->counters + (place - 1) * CHUNK_COUNTERS, CHUNK_COUNTERS * sizeof out[0]);
    return 1;
}

struct histogram wsrt_view_histogram(const wsrt_snapshot *s, int id)
{
    return (struct histogram){.from = s,
                              .chunk = view_chunk,
                              .id = id,
                              .bits = s->monitor->bits,
                              .chunks = s->monitor->chunks,
                              .max = s->operations[id].sums.counters[DURATION_MAX],
                              .total = s->operations[id].count};
}

/* ---- values: never removed, so they may be walked while others are added ---- */

static size_t walk_values(const wsrt_monitor *m, struct value_view *to, size_t room)
{
    slot *chains = held(&m->values);
    size_t n = 0;

    for (unsigned i = 0; chains != NULL && i < VALUE_BUCKETS; i++) {
        for (struct value *v = held(&chains[i]); v != NULL; v = held(&v->next)) {
            if (to != NULL && n < room)
                to[n] = (struct value_view){v, counted(&v->count.all), counted(&v->count.good)};
            n++;
        }
    }
    return n;
}

static int take_values(wsrt_snapshot *s)
{
    size_t room = walk_values(s->monitor, NULL, 0);

    s->values = room_for(s, room, sizeof *s->values);
    if (s->values == NULL)
        return WSRT_ERR_NOMEM;
    size_t found = walk_values(s->monitor, s->values, room);
    s->value_count = found < room ? found : room;
    return WSRT_OK;
}

/* ---- sources: called without the lock, over a copy of their list ---- */

struct wsrt_samples {
    wsrt_snapshot *snapshot;
    struct family *family;
    int status;
};

static struct sample *new_sample(wsrt_snapshot *s, const wsrt_field *labels, size_t count)
{
    struct sample *out = room_for(s, 1, sizeof *out + count * sizeof(struct label));

    for (size_t i = 0; out != NULL && i < count; i++) {
        char *name = wsrt_arena_copy(&s->arena, wsrt_span_cstr(labels[i].name_cstr));
        char *value = wsrt_arena_copy(&s->arena, labels[i].text);
        if (name == NULL || value == NULL)
            return NULL;
        out->labels[i] = (struct label){name, {value, labels[i].text.len}};
        out->label_count++;
    }
    return out;
}

/* The label `environment` is the monitor's own. */
static int label_fits(const wsrt_field *label)
{
    char name[2 * MAX_SOURCE_NAME + 1];

    if (label->kind != WSRT_FIELD_TEXT || !wsrt_source_name_fits(label->name_cstr))
        return 0;
    wsrt_snake_case(name, label->name_cstr);
    return strcmp(name, "environment") != 0;
}

static int labels_fit(const wsrt_field *labels, size_t count)
{
    if (count > MAX_LABELS || (count > 0 && labels == NULL))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!label_fits(&labels[i]))
            return 0;
    return 1;
}

int wsrt_sample(wsrt_samples *to, const wsrt_field *labels, size_t count, double value)
{
    if (to == NULL || !labels_fit(labels, count))
        return WSRT_ERR_INVALID;
    if (!is_finite(value)) {
        count_up(&to->snapshot->monitor->export_dropped, 1, 1);
        return WSRT_OK;
    }
    struct sample *fresh = new_sample(to->snapshot, labels, count);
    if (fresh == NULL) {
        to->status = WSRT_ERR_NOMEM;
        return WSRT_ERR_NOMEM;
    }
    fresh->number = value;
    *to->family->last = fresh;
    to->family->last = &fresh->next;
    return WSRT_OK;
}

static struct family *family_of(wsrt_snapshot *s, const struct source *source)
{
    struct family **at = &s->families;

    while (*at != NULL && strcmp((*at)->name, source->name) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        struct family *fresh = room_for(s, 1, sizeof *fresh);
        if (fresh == NULL)
            return NULL;
        fresh->name = source->name;
        fresh->kind = source->kind;
        fresh->last = &fresh->samples;
        *at = fresh;
    }
    return *at;
}

static int read_source(wsrt_snapshot *s, const struct source *source)
{
    wsrt_samples samples = {s, family_of(s, source), WSRT_OK};

    if (samples.family == NULL)
        return WSRT_ERR_NOMEM;
    source->read(&samples, source->user);
    return samples.status;
}

static size_t list_sources(const wsrt_snapshot *s, struct source *to, size_t room)
{
    wsrt_monitor *m = s->monitor;

    pthread_mutex_lock(&m->lock);
    size_t count = m->source_count;
    for (size_t i = 0; i < count && i < room; i++)
        to[i] = *m->sources[i];
    pthread_mutex_unlock(&m->lock);
    return count;
}

static int take_sources(wsrt_snapshot *s)
{
    size_t room = list_sources(s, NULL, 0);
    struct source *sources = room_for(s, room, sizeof *sources);

    if (sources == NULL)
        return WSRT_ERR_NOMEM;
    size_t count = list_sources(s, sources, room);
    int rc = WSRT_OK;
    for (size_t i = 0; rc == WSRT_OK && i < count && i < room; i++)
        rc = read_source(s, &sources[i]);
    return rc;
}

/* ---- life ---- */

int wsrt_snapshot_take(wsrt_snapshot **out, wsrt_monitor *m)
{
    wsrt_snapshot *s = wsrt_mem_zalloc(&m->allocator, sizeof *s);

    if (s == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_monitor_retain(m);
    s->monitor = m;
    wsrt_arena_init(&s->arena, &m->allocator, NULL, 0);
    int rc = take_operations(s);
    if (rc == WSRT_OK)
        rc = take_values(s);
    if (rc == WSRT_OK)
        rc = take_sources(s);
    copy_self(m, s->self);
    if (rc != WSRT_OK)
        wsrt_snapshot_free(s);
    else
        *out = s;
    return rc;
}

void wsrt_snapshot_free(wsrt_snapshot *s)
{
    if (s == NULL)
        return;
    wsrt_monitor *m = s->monitor;
    wsrt_arena_free(&s->arena);
    wsrt_mem_free(&m->allocator, s, sizeof *s);
    wsrt_monitor_release(m);
}
