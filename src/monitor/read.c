#include "monitor/internal.h"

#include "base/options.h"

#include <string.h>

static void add_tally(struct sums *out, const struct tally *t)
{
    const struct numbers *numbers = held(&t->numbers);

    for (unsigned i = 0; i < WINDOW_DURATION; i++) {
        uint64_t n = counted(&t->counters[i]);
        if (!is_maximum(i))
            out->counters[i] = sum_saturating(out->counters[i], n);
        else if (n > out->counters[i])
            out->counters[i] = n;
    }
    for (unsigned i = 0; numbers != NULL && i < NUMBERS; i++) {
        out->sum[i] = sum_saturating(out->sum[i], counted(&numbers->sum[i]));
        out->count[i] += counted(&numbers->count[i]);
    }
}

void wsrt_read_sums(const wsrt_monitor *m, int id, struct sums *out)
{
    const struct operation *o = m->operations[id];

    memset(out, 0, sizeof *out);
    add_tally(out, &o->spare);
    for (const struct shard *shard = &m->retired; shard != NULL; shard = shard->next) {
        const struct series *s = shard_series(shard, (unsigned)id);
        if (s != NULL)
            add_tally(out, &s->tally);
    }
    for (unsigned i = 0; i < CATEGORIES; i++) {
        out->overflow[i] = counted(&o->overflow[i].all);
        out->overflow_good[i] = counted(&o->overflow[i].good);
    }
}

uint64_t wsrt_read_window(const wsrt_monitor *m, int id, unsigned pair, uint32_t window)
{
    unsigned which = pair + (window & 1);
    uint64_t most = window_value(counted(&m->operations[id]->spare.counters[which]), window);

    for (const struct shard *shard = &m->retired; shard != NULL; shard = shard->next) {
        const struct series *s = shard_series(shard, (unsigned)id);
        uint64_t n = s == NULL ? 0 : window_value(counted(&s->tally.counters[which]), window);
        most = n > most ? n : most;
    }
    return most;
}

static int add_octaves(const wsrt_monitor *m, const struct operation *o, unsigned chunk,
                       uint32_t out[CHUNK_COUNTERS])
{
    int any = 0;

    if (!atomic_load_explicit(&o->octaves_used, memory_order_relaxed))
        return 0;
    for (unsigned i = 0; i < OCTAVES; i++) {
        unsigned bucket = wsrt_octave_bucket(i, m->bits);
        uint32_t n = atomic_load_explicit(&o->octaves[i], memory_order_relaxed);
        if (n == 0 || bucket / CHUNK_COUNTERS != chunk)
            continue;
        out[bucket % CHUNK_COUNTERS] += n;
        any = 1;
    }
    return any;
}

int wsrt_read_chunk(const wsrt_monitor *m, int id, unsigned chunk, uint32_t out[CHUNK_COUNTERS])
{
    memset(out, 0, CHUNK_COUNTERS * sizeof out[0]);
    int any = add_octaves(m, m->operations[id], chunk, out);
    for (const struct shard *shard = &m->retired; shard != NULL; shard = shard->next) {
        const struct series *s = shard_series(shard, (unsigned)id);
        const struct chunk *c = s == NULL ? NULL : held(&s->chunks[chunk]);
        if (c == NULL)
            continue;
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            out[i] += atomic_load_explicit(&c->counters[i], memory_order_relaxed);
        any = 1;
    }
    return any;
}

/* Asks for memory that is not near yet. */
static void fetch(const void *p, size_t size)
{
    enum { LINE = 64 };

    for (size_t i = 0; i < size; i += LINE)
        __builtin_prefetch((const char *)p + i);
}

void wsrt_read_ahead(const wsrt_monitor *m, int id)
{
    for (const struct shard *shard = &m->retired; shard != NULL; shard = shard->next) {
        const struct series *s = shard_series(shard, (unsigned)id);
        if (s != NULL)
            fetch(s, sizeof *s + m->chunks * sizeof s->chunks[0]);
    }
}

void wsrt_read_present(const wsrt_monitor *m, int id, uint8_t out[MAX_CHUNKS])
{
    const struct operation *o = m->operations[id];

    for (unsigned i = 0;
         i < OCTAVES && atomic_load_explicit(&o->octaves_used, memory_order_relaxed); i++) {
        if (atomic_load_explicit(&o->octaves[i], memory_order_relaxed) > 0)
            out[wsrt_octave_bucket(i, m->bits) / CHUNK_COUNTERS] = 1;
    }
    for (const struct shard *shard = &m->retired; shard != NULL; shard = shard->next) {
        const struct series *s = shard_series(shard, (unsigned)id);
        for (unsigned c = 0; s != NULL && c < m->chunks; c++) {
            const struct chunk *chunk = held(&s->chunks[c]);
            if (chunk == NULL)
                continue;
            out[c] = 1;
            fetch(chunk, sizeof *chunk); /* to be added soon */
        }
    }
}

/* Four at a time: of many series this is most of what a reading does. */
static void add_chunk(uint32_t *to, const struct chunk *chunk)
{
    const _Atomic uint32_t *from = chunk->counters;

    for (unsigned i = 0; i < CHUNK_COUNTERS; i += 4) {
        uint32_t a = atomic_load_explicit(&from[i], memory_order_relaxed);
        uint32_t b = atomic_load_explicit(&from[i + 1], memory_order_relaxed);
        uint32_t c = atomic_load_explicit(&from[i + 2], memory_order_relaxed);
        uint32_t d = atomic_load_explicit(&from[i + 3], memory_order_relaxed);
        to[i] += a;
        to[i + 1] += b;
        to[i + 2] += c;
        to[i + 3] += d;
    }
}

uint64_t wsrt_chunk_sum(const uint32_t counters[CHUNK_COUNTERS])
{
    uint64_t a = 0, b = 0, c = 0, d = 0;

    for (unsigned i = 0; i < CHUNK_COUNTERS; i += 4) {
        a += counters[i];
        b += counters[i + 1];
        c += counters[i + 2];
        d += counters[i + 3];
    }
    return a + b + c + d;
}

static unsigned list_placed(const wsrt_monitor *m, const uint8_t place[MAX_CHUNKS],
                            uint8_t out[MAX_CHUNKS])
{
    unsigned n = 0;

    for (unsigned c = 0; c < m->chunks; c++)
        if (place[c] != 0)
            out[n++] = (uint8_t)c;
    return n;
}

void wsrt_read_placed(const wsrt_monitor *m, int id, const uint8_t place[MAX_CHUNKS], uint32_t *to)
{
    const struct operation *o = m->operations[id];
    uint8_t placed[MAX_CHUNKS];
    unsigned count = list_placed(m, place, placed);

    for (const struct shard *shard = &m->retired; shard != NULL; shard = shard->next) {
        const struct series *s = shard_series(shard, (unsigned)id);
        for (unsigned i = 0; s != NULL && i < count; i++) {
            const struct chunk *chunk = held(&s->chunks[placed[i]]);
            if (chunk != NULL)
                add_chunk(to + (size_t)i * CHUNK_COUNTERS, chunk);
        }
    }
    for (unsigned i = 0; i < count; i++)
        add_octaves(m, o, placed[i], to + (size_t)i * CHUNK_COUNTERS);
}

/* ---- quantiles of whatever can yield its chunks ---- */

static uint64_t total_of(const struct histogram *h)
{
    uint32_t counts[CHUNK_COUNTERS];
    uint64_t total = 0;

    if (h->total > 0)
        return h->total;
    for (unsigned c = 0; c < h->chunks; c++) {
        if (!h->chunk(h, c, counts))
            continue;
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            total += counts[i];
    }
    return total;
}

uint64_t wsrt_histogram_total(const struct histogram *h)
{
    return total_of(h);
}

/* The place of a quantile among the events, from 1. */
static uint64_t rank_of(double q, uint64_t total)
{
    double exact = q * (double)total;
    uint64_t rank = (uint64_t)exact;

    return (double)rank < exact || rank == 0 ? rank + 1 : rank;
}

static uint64_t value_in(const struct histogram *h, unsigned bucket)
{
    uint64_t value = wsrt_bucket_middle(bucket, h->bits);

    return value < h->max ? value : h->max;
}

void wsrt_histogram_quantiles(const struct histogram *h, const double *q, size_t count,
                              uint64_t *out)
{
    uint64_t total = total_of(h), before = 0, ranks[MAX_QUANTILES];
    uint32_t counts[CHUNK_COUNTERS];
    size_t next = 0;

    for (size_t i = 0; i < count; i++) {
        ranks[i] = rank_of(q[i], total);
        out[i] = 0;
    }
    for (unsigned c = 0; next < count && total > 0 && c < h->chunks; c++) {
        uint64_t behind = before, seen = before;
        if (h->sums != NULL)
            behind += h->place[c] == 0 ? 0 : h->sums[h->place[c] - 1];
        if ((h->sums != NULL && behind < ranks[next]) || !h->chunk(h, c, counts)) {
            before = behind;
            continue;
        }
        if (h->sums == NULL)
            behind += wsrt_chunk_sum(counts);
        for (unsigned i = 0; next < count && behind >= ranks[next] && i < CHUNK_COUNTERS; i++) {
            seen += counts[i];
            for (; next < count && counts[i] > 0 && seen >= ranks[next]; next++)
                out[next] = value_in(h, c * CHUNK_COUNTERS + i);
        }
        before = behind;
    }
}

uint64_t wsrt_histogram_quantile(const struct histogram *h, double q)
{
    uint64_t out;

    wsrt_histogram_quantiles(h, &q, 1, &out);
    return out;
}

static int live_chunk(const struct histogram *h, unsigned chunk, uint32_t out[CHUNK_COUNTERS])
{
    return wsrt_read_chunk(h->from, h->id, chunk, out);
}

struct histogram wsrt_live_histogram(const wsrt_monitor *m, int id, uint64_t max)
{
    return (struct histogram){
        .from = m, .chunk = live_chunk, .id = id, .bits = m->bits, .chunks = m->chunks, .max = max};
}

/* ---- one operation, for callers ---- */

static uint64_t in_flight(const struct sums *s, uint64_t count)
{
    uint64_t ended = count + s->counters[CANCELLED];

    return s->counters[STARTED] > ended ? s->counters[STARTED] - ended : 0;
}

void wsrt_totals_of(wsrt_op_totals *out, const struct sums *s, uint64_t count)
{
    *out = (wsrt_op_totals){
        .struct_size = sizeof *out,
        .count = count,
        .errors = s->counters[FAILED],
        .warnings = s->counters[WARNED],
        .error_calls = s->counters[ERROR_CALLS],
        .external_calls = s->counters[EXTERNAL_CALLS],
        .database_calls = s->counters[DATABASE_CALLS],
        .request_bytes = s->counters[REQUEST_BYTES],
        .response_bytes = s->counters[RESPONSE_BYTES],
        .duration_sum = s->counters[DURATION_SUM],
        .duration_max = s->counters[DURATION_MAX],
        .in_flight = in_flight(s, count),
        .memory_max = s->counters[MEMORY_MAX],
        .memory_sum = s->counters[MEMORY_BYTES],
        .memory_count = s->counters[MEMORY_SAMPLES],
        .cpu_samples = s->counters[CPU_SAMPLES],
        .cpu_ratio_sum = (double)s->counters[CPU_MILLIONTHS] / 1e6,
    };
}

int wsrt_monitor_totals(wsrt_monitor *m, int id, wsrt_op_totals *out)
{
    struct sums sums;
    wsrt_op_totals totals;

    if (m == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    if (wsrt_monitor_known(m, id) == NULL)
        return WSRT_ERR_NOT_FOUND;
    struct histogram h = wsrt_live_histogram(m, id, 0);
    pthread_mutex_lock(&m->lock);
    uint64_t count = total_of(&h);
    wsrt_read_sums(m, id, &sums);
    pthread_mutex_unlock(&m->lock);
    wsrt_totals_of(&totals, &sums, count);
    return wsrt_report_fill(out, sizeof totals, sizeof(wsrt_op_totals), &totals);
}

int wsrt_monitor_quantile(wsrt_monitor *m, int id, double q, int64_t *out)
{
    struct sums sums;

    if (m == NULL || out == NULL || !(q >= 0 && q <= 1))
        return WSRT_ERR_INVALID;
    if (wsrt_monitor_known(m, id) == NULL)
        return WSRT_ERR_NOT_FOUND;
    pthread_mutex_lock(&m->lock);
    wsrt_read_sums(m, id, &sums);
    struct histogram h = wsrt_live_histogram(m, id, sums.counters[DURATION_MAX]);
    *out = (int64_t)wsrt_histogram_quantile(&h, q);
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}
