#include "monitor/snapshot.h"

#include "monitor/catalogue.h"
#include "monitor/document.h"
#include "base/alloc.h"

#include <string.h>

void *wsrt_snapshot_room(wsrt_snapshot *s, size_t count, size_t size)
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
    if (id + 1 < s->operation_count)
        wsrt_read_ahead(m, id + 1);
    pthread_mutex_unlock(&m->lock);
    for (unsigned c = 0; c < m->chunks; c++)
        if (v->place[c] != 0)
            v->place[c] = (uint8_t)++v->chunk_count;
    v->counters = wsrt_snapshot_room(s, v->chunk_count, CHUNK_COUNTERS * sizeof v->counters[0]);
    v->sums_of_chunks = wsrt_snapshot_room(s, v->chunk_count, sizeof v->sums_of_chunks[0]);
    return v->counters == NULL || v->sums_of_chunks == NULL ? WSRT_ERR_NOMEM : WSRT_OK;
}

void wsrt_view_add_up(struct operation_view *v)
{
    v->count = 0;
    for (uint32_t i = 0; i < v->chunk_count; i++) {
        v->sums_of_chunks[i] = wsrt_chunk_sum(v->counters + (size_t)i * CHUNK_COUNTERS);
        v->count += v->sums_of_chunks[i];
    }
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
    wsrt_view_add_up(v);
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
    s->operations = wsrt_snapshot_room(s, (size_t)s->operation_count, sizeof *s->operations);
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
                              .total = s->operations[id].count,
                              .place = s->operations[id].place,
                              .sums = s->operations[id].sums_of_chunks};
}

/* ---- values: never removed, so they may be walked while others are added ---- */

/* The newest first. */
static int take_values(wsrt_snapshot *s)
{
    const struct value *newest = held(&s->monitor->newest_value);
    size_t count = 0;

    for (const struct value *v = newest; v != NULL; v = v->older)
        count++;
    s->values = wsrt_snapshot_room(s, count, sizeof *s->values);
    if (s->values == NULL)
        return WSRT_ERR_NOMEM;
    for (const struct value *v = newest; v != NULL; v = v->older)
        s->values[s->value_count++] =
            (struct value_view){v, counted(&v->count.all), counted(&v->count.good)};
    return WSRT_OK;
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
        rc = wsrt_samples_take(s);
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
