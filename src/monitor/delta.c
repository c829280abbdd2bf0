#include "monitor/snapshot.h"

#include <string.h>

void *wsrt_snapshot_copy(wsrt_snapshot *s, const void *from, size_t size)
{
    void *out = wsrt_arena_alloc(&s->arena, size == 0 ? 1 : size);

    if (out != NULL && size > 0)
        memcpy(out, from, size);
    return out;
}

/* ---- operations ---- */

static void subtract(uint64_t *from, const uint64_t *what, size_t count)
{
    for (size_t i = 0; i < count; i++)
        from[i] -= what[i];
}

/* A new record is exact; else the upper end of the highest bucket is as near as can be told. */
static uint64_t highest(const struct histogram *h, uint64_t before)
{
    uint32_t counts[CHUNK_COUNTERS];

    if (h->max > before)
        return h->max;
    for (unsigned c = h->chunks; c-- > 0;) {
        if (!h->chunk(h, c, counts))
            continue;
        for (unsigned i = CHUNK_COUNTERS; i-- > 0;) {
            if (counts[i] == 0)
                continue;
            uint64_t top = wsrt_bucket_low(c * CHUNK_COUNTERS + i + 1, h->bits) - 1;
            return top < h->max ? top : h->max;
        }
    }
    return 0;
}

static void subtract_chunks(struct operation_view *v, const wsrt_snapshot *base, int id)
{
    struct histogram before = wsrt_view_histogram(base, id);
    uint32_t *at = v->counters, old[CHUNK_COUNTERS];

    for (unsigned c = 0; c < before.chunks; c++) {
        if (v->place[c] == 0)
            continue;
        int known = before.chunk(&before, c, old);
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            at[i] -= known ? old[i] : 0;
        at += CHUNK_COUNTERS;
    }
    wsrt_view_add_up(v);
}

static int operation_since(wsrt_snapshot *now, wsrt_snapshot *delta, const wsrt_snapshot *base,
                           int id)
{
    struct operation_view *v = &delta->operations[id];
    const struct sums *old = &base->operations[id].sums;
    uint64_t memory_max = v->sums.counters[MEMORY_MAX];

    v->counters = wsrt_snapshot_copy(now, v->counters,
                                     v->chunk_count * CHUNK_COUNTERS * sizeof v->counters[0]);
    v->sums_of_chunks = wsrt_snapshot_room(now, v->chunk_count, sizeof v->sums_of_chunks[0]);
    if (v->counters == NULL || v->sums_of_chunks == NULL)
        return WSRT_ERR_NOMEM;
    subtract_chunks(v, base, id);
    struct histogram h = wsrt_view_histogram(delta, id);
    uint64_t duration_max = highest(&h, old->counters[DURATION_MAX]);
    subtract(v->sums.counters, old->counters, COUNTERS);
    subtract(v->sums.sum, old->sum, NUMBERS);
    subtract(v->sums.count, old->count, NUMBERS);
    subtract(v->sums.overflow, old->overflow, CATEGORIES);
    subtract(v->sums.overflow_good, old->overflow_good, CATEGORIES);
    v->sums.counters[DURATION_MAX] = duration_max;
    v->sums.counters[MEMORY_MAX] = memory_max > old->counters[MEMORY_MAX] ? memory_max : 0;
    return WSRT_OK;
}

static int operations_since(wsrt_snapshot *now, wsrt_snapshot *delta, const wsrt_snapshot *base)
{
    size_t size = (size_t)now->operation_count * sizeof *now->operations;
    int rc = WSRT_OK;

    delta->operations = wsrt_snapshot_copy(now, now->operations, size);
    if (delta->operations == NULL)
        return WSRT_ERR_NOMEM;
    for (int id = 0; rc == WSRT_OK && id < base->operation_count; id++)
        rc = operation_since(now, delta, base, id);
    return rc;
}

/* ---- values: those that are new stand before the old ones, so both walks agree ---- */

static int values_since(wsrt_snapshot *now, wsrt_snapshot *delta, const wsrt_snapshot *base)
{
    size_t old = 0;

    delta->values = wsrt_snapshot_copy(now, now->values, now->value_count * sizeof *now->values);
    if (delta->values == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < delta->value_count && old < base->value_count; i++) {
        struct value_view *v = &delta->values[i];
        if (v->value != base->values[old].value)
            continue;
        v->all -= base->values[old].all;
        v->good -= base->values[old].good;
        old++;
    }
    return WSRT_OK;
}

const wsrt_snapshot *wsrt_snapshot_since(wsrt_snapshot *now, const wsrt_snapshot *base)
{
    if (base == NULL)
        return now;
    wsrt_snapshot *delta = wsrt_snapshot_copy(now, now, sizeof *now);
    if (delta == NULL || operations_since(now, delta, base) != WSRT_OK ||
        values_since(now, delta, base) != WSRT_OK ||
        wsrt_samples_since(now, delta, base) != WSRT_OK)
        return NULL;
    subtract(delta->self, base->self, SELVES);
    return delta;
}
