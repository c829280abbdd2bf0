/* Adds a binary snapshot to a monitor: all that may fail comes first, into a shard of its own, which is
 * then folded like one of a recorder that ended. */
#include "monitor/binary.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

/* What is read before anything is added. */
struct merge {
    wsrt_monitor *monitor;
    struct reader at;
    struct shard shard;
    int has_metrics;
    int since_start;
    int64_t age; /* of the document, whole minutes */
    int operation_count;
    int *ids; /* in the monitor, by place in the document */
};

/* ---- reading ---- */

uint64_t wsrt_reader_get(struct reader *r)
{
    uint64_t n = 0;

    for (unsigned shift = 0; r->p < r->end && shift < 64; shift += 7) {
        unsigned char byte = *r->p++;
        if (shift == 63 && byte > 1)
            break;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return n;
    }
    r->is_bad = 1;
    return 0;
}

uint64_t wsrt_reader_up_to(struct reader *r, uint64_t most)
{
    uint64_t n = wsrt_reader_get(r);

    if (n <= most)
        return n;
    r->is_bad = 1;
    return 0;
}

wsrt_span wsrt_reader_text(struct reader *r)
{
    size_t len = (size_t)wsrt_reader_up_to(r, MAX_VALUE);

    if (r->is_bad || len > (size_t)(r->end - r->p)) {
        r->is_bad = 1;
        return (wsrt_span){NULL, 0};
    }
    r->p += len;
    return (wsrt_span){(const char *)r->p - len, len};
}

static int check_frame(wsrt_span document)
{
    const unsigned char *p = (const unsigned char *)document.ptr;
    size_t body = document.len - BINARY_HASH_LEN;
    uint64_t hash = 0;

    if (document.len <= BINARY_MAGIC_LEN + BINARY_HASH_LEN ||
        memcmp(p, BINARY_MAGIC, BINARY_MAGIC_LEN) != 0)
        return WSRT_ERR_MALFORMED;
    if (p[BINARY_MAGIC_LEN] == 0 || p[BINARY_MAGIC_LEN] > BINARY_VERSION)
        return WSRT_ERR_VERSION;
    for (int i = 0; i < BINARY_HASH_LEN; i++)
        hash |= (uint64_t)p[body + (size_t)i] << (8 * i);
    return hash == wsrt_hash(0, p, body) ? WSRT_OK : WSRT_ERR_CORRUPT;
}

/* ---- into a shard ---- */

static int take_numbers(struct merge *g, struct series *s)
{
    struct numbers *numbers = wsrt_tally_numbers(g->monitor, &s->tally);

    for (int i = 0; i < NUMBERS; i++) {
        uint64_t sum = wsrt_reader_get(&g->at), count = wsrt_reader_get(&g->at);
        if (numbers == NULL)
            return WSRT_ERR_NOMEM;
        count_sum(&numbers->sum[i], sum, 0);
        count_up(&numbers->count[i], count, 0);
    }
    return WSRT_OK;
}

static int take_chunks(struct merge *g, struct series *s)
{
    uint64_t count = wsrt_reader_up_to(&g->at, g->monitor->chunks);

    for (; count > 0 && !g->at.is_bad; count--) {
        unsigned index = (unsigned)wsrt_reader_up_to(&g->at, g->monitor->chunks - 1);
        struct chunk *chunk = wsrt_series_touch(g->monitor, s, index);
        if (chunk == NULL)
            return WSRT_ERR_NOMEM;
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            count_narrow(&chunk->counters[i], (uint32_t)wsrt_reader_up_to(&g->at, UINT32_MAX), 0);
    }
    return WSRT_OK;
}

static struct minute_view get_minute(struct reader *r)
{
    struct minute_view m = {.age = wsrt_reader_get(r)};

    m.count = wsrt_reader_up_to(r, UINT32_MAX);
    m.errors = wsrt_reader_up_to(r, UINT32_MAX);
    m.sum = wsrt_reader_get(r);
    m.max = wsrt_reader_get(r);
    m.p50 = wsrt_reader_get(r);
    m.p99 = wsrt_reader_get(r);
    return m;
}

/* The record of a delta is one of the window in which it comes. */
static void take_counters(struct merge *g, struct series *s)
{
    uint32_t window = atomic_load_explicit(&g->monitor->window, memory_order_relaxed);
    counter *c = s->tally.counters;

    for (unsigned i = 0; i < WINDOW_DURATION; i++)
        atomic_store_explicit(&c[i], wsrt_reader_get(&g->at), memory_order_relaxed);
    if (g->since_start)
        return;
    if (counted(&c[DURATION_MAX]) > 0)
        count_window(&c[WINDOW_DURATION], window, counted(&c[DURATION_MAX]), 0);
    if (counted(&c[MEMORY_MAX]) > 0)
        count_window(&c[WINDOW_MEMORY], window, counted(&c[MEMORY_MAX]), 0);
}

static int prepare_operation(struct merge *g, int index)
{
    wsrt_span name = wsrt_reader_text(&g->at);
    int rc = WSRT_OK;

    if (g->at.is_bad)
        return WSRT_ERR_CORRUPT;
    rc = wsrt_monitor_operation(g->monitor, name, &g->ids[index]);
    if (rc != WSRT_OK)
        return rc == WSRT_ERR_INVALID ? WSRT_ERR_CORRUPT : rc;
    struct series *s = wsrt_shard_touch(&g->shard, g->ids[index]);
    if (s == NULL)
        return WSRT_ERR_NOMEM;
    take_counters(g, s);
    rc = take_numbers(g, s);
    for (unsigned i = 0; i < 2 * CATEGORIES; i++)
        (void)wsrt_reader_get(&g->at);
    if (rc == WSRT_OK)
        rc = take_chunks(g, s);
    uint64_t minutes = wsrt_reader_up_to(&g->at, TREND_MINUTES);
    for (uint64_t i = 0; i < minutes && !g->at.is_bad; i++)
        (void)get_minute(&g->at);
    if (rc == WSRT_OK && g->since_start && g->monitor->has_trends)
        rc = wsrt_ring_touch(g->monitor, g->ids[index]);
    return rc;
}

/* Values are made now and counted later; one beyond the caps is counted as all such are. */
static void prepare_values(struct merge *g)
{
    uint64_t count = wsrt_reader_get(&g->at);

    for (; count > 0 && !g->at.is_bad; count--) {
        uint64_t place = wsrt_reader_get(&g->at);
        int category = (int)wsrt_reader_up_to(&g->at, CATEGORIES - 1);
        wsrt_span text = wsrt_reader_text(&g->at);
        (void)wsrt_reader_get(&g->at);
        (void)wsrt_reader_get(&g->at);
        if (place >= (uint64_t)g->operation_count)
            g->at.is_bad = 1;
        if (!g->at.is_bad)
            (void)wsrt_value_get(g->monitor, g->ids[place], category, text);
    }
}

static struct merged merged_of(const struct merge *g)
{
    return (struct merged){g->monitor, g->ids, g->operation_count};
}

static int prepare(struct merge *g)
{
    const struct merged to = merged_of(g);
    int rc = WSRT_OK;

    for (int i = 0; rc == WSRT_OK && i < g->operation_count; i++)
        rc = prepare_operation(g, i);
    if (rc != WSRT_OK)
        return rc;
    prepare_values(g);
    for (int i = 0; i < SELVES; i++)
        (void)wsrt_reader_get(&g->at);
    if (g->has_metrics)
        rc = wsrt_own_prepare(&g->at, &to);
    if (rc != WSRT_OK)
        return rc;
    return g->at.is_bad || g->at.p != g->at.end ? WSRT_ERR_CORRUPT : WSRT_OK;
}

/* ---- into the monitor; nothing fails from here on ---- */

static uint64_t skip_chunks(struct reader *r)
{
    uint64_t total = 0;

    for (uint64_t count = wsrt_reader_get(r); count > 0; count--) {
        (void)wsrt_reader_get(r);
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            total += wsrt_reader_get(r);
    }
    return total;
}

static void add_overflows(struct merge *g, struct operation *o)
{
    for (int i = 0; i < CATEGORIES; i++) {
        count_up(&o->overflow[i].all, wsrt_reader_get(&g->at), 1);
        count_up(&o->overflow[i].good, wsrt_reader_get(&g->at), 1);
    }
}

static void add_operation(struct merge *g, int id)
{
    wsrt_monitor *m = g->monitor;
    uint64_t counters[WINDOW_DURATION];

    (void)wsrt_reader_text(&g->at);
    for (unsigned i = 0; i < WINDOW_DURATION; i++)
        counters[i] = wsrt_reader_get(&g->at);
    for (unsigned i = 0; i < 2 * NUMBERS; i++)
        (void)wsrt_reader_get(&g->at);
    add_overflows(g, m->operations[id]);
    uint64_t count = skip_chunks(&g->at);
    for (uint64_t minutes = wsrt_reader_get(&g->at); minutes > 0; minutes--) {
        struct minute_view minute = get_minute(&g->at);
        minute.age += (uint64_t)g->age;
        wsrt_ring_merge(m, id, &minute);
    }
    if (!g->since_start)
        return;
    wsrt_history_rebase(m, id, count, counters);
    wsrt_ring_rebase(m, id);
}

static void add_values(struct merge *g)
{
    wsrt_monitor *m = g->monitor;

    for (uint64_t count = wsrt_reader_get(&g->at); count > 0; count--) {
        int id = g->ids[wsrt_reader_get(&g->at)];
        int category = (int)wsrt_reader_get(&g->at);
        struct value *v = wsrt_value_find(m, id, category, wsrt_reader_text(&g->at));
        struct outcome_count *to = v != NULL ? &v->count : &m->operations[id]->overflow[category];
        count_up(&to->all, wsrt_reader_get(&g->at), 1);
        count_up(&to->good, wsrt_reader_get(&g->at), 1);
    }
}

static void add_self(struct merge *g)
{
    wsrt_monitor *m = g->monitor;
    counter *const to[SELVES] = {
        [SERIES_DROPPED] = &m->series_dropped,
        [EXPORT_DROPPED] = &m->export_dropped,
        [EXPORT_APPROXIMATED] = &m->export_approximated,
        [ATTRIBUTES_DROPPED] = &m->attributes_dropped,
        [CLOCK_BACKWARDS] = &m->clock_backwards,
    };

    for (int i = 0; i < SELVES; i++)
        count_up(to[i], wsrt_reader_get(&g->at), 1);
}

static void add_all(struct merge *g)
{
    wsrt_monitor *m = g->monitor;
    const struct merged to = merged_of(g);

    pthread_mutex_lock(&m->lock);
    wsrt_shard_fold(&m->retired, &g->shard);
    for (int i = 0; i < g->operation_count; i++)
        add_operation(g, g->ids[i]);
    add_values(g);
    pthread_mutex_unlock(&m->lock);
    add_self(g);
    if (g->has_metrics)
        wsrt_own_merge(&g->at, &to);
    if (g->since_start)
        wsrt_minutes_rebase(m);
}

/* ---- entry ---- */

static int merge(struct merge *g)
{
    const struct reader first = g->at;
    size_t size = (size_t)g->operation_count * sizeof *g->ids;
    wsrt_monitor *m = g->monitor;

    g->ids = wsrt_mem_alloc(&m->allocator, size == 0 ? sizeof *g->ids : size);
    if (g->ids == NULL)
        return WSRT_ERR_NOMEM;
    g->shard = (struct shard){.monitor = m};
    int rc = prepare(g);
    g->at = first;
    if (rc == WSRT_OK)
        add_all(g);
    wsrt_shard_clear(&g->shard);
    wsrt_mem_free(&m->allocator, g->ids, size == 0 ? sizeof *g->ids : size);
    return rc;
}

int wsrt_monitor_merge(wsrt_monitor *m, wsrt_span document, int64_t wall)
{
    const unsigned char *p = (const unsigned char *)document.ptr;
    struct merge g = {.monitor = m};

    if (m == NULL || p == NULL)
        return WSRT_ERR_INVALID;
    int rc = check_frame(document);
    if (rc != WSRT_OK)
        return rc;
    g.at = (struct reader){p + BINARY_MAGIC_LEN + 1, p + document.len - BINARY_HASH_LEN, 0};
    g.has_metrics = p[BINARY_MAGIC_LEN] > BINARY_WITHOUT_METRICS;
    g.since_start = (int)wsrt_reader_up_to(&g.at, BINARY_SINCE_START);
    uint64_t bits = wsrt_reader_up_to(&g.at, HISTOGRAM_MAX_BITS);
    int64_t then = (int64_t)wsrt_reader_up_to(&g.at, INT64_MAX);
    g.age = wall > then ? (wall - then) / 60000 : 0;
    g.operation_count = (int)wsrt_reader_up_to(&g.at, MAX_OPERATIONS);
    if (g.at.is_bad)
        return WSRT_ERR_CORRUPT;
    return bits != m->bits ? WSRT_ERR_UNSUPPORTED : merge(&g);
}
