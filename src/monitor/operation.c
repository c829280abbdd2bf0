#include "monitor/internal.h"

#include "base/options.h"

enum { OWN_CATEGORIES = 2 };

/* What a wsrt_op holds; monitor NULL = inert. */
struct handle {
    wsrt_monitor *monitor;
    struct wsrt_recorder *recorder; /* NULL = the shared shard */
    struct series *series;          /* NULL = memory refused: the operation's spare tally */
    int64_t start;
    int64_t cpu;        /* thread CPU at the start; -1 = not read */
    int64_t base_bytes; /* recorder: its net_bytes at the start; else this operation's own net */
    int64_t high_bytes; /* recorder: its high_bytes before the start; else this one's own high */
    int32_t id;
    uint32_t external_calls;
    uint32_t database_calls;
    uint32_t error_calls;
    struct value *categories[OWN_CATEGORIES]; /* of the first error calls; others are "other" */
};
_Static_assert(sizeof(struct handle) <= sizeof(wsrt_op), "a handle fits the caller's struct");

static struct handle *handle_of(wsrt_op *op)
{
    struct handle *h = (struct handle *)(void *)op;

    return h != NULL && h->monitor != NULL ? h : NULL;
}

static int is_shared(const struct handle *h)
{
    return h->recorder == NULL || h->series == NULL;
}

static struct tally *tally_of(const struct handle *h)
{
    return h->series != NULL ? &h->series->tally : &h->monitor->operations[h->id]->spare;
}

/* ---- memory: nested operations of a recorder share its running sum ---- */

static ALWAYS_INLINE void open_memory(struct handle *h, struct wsrt_recorder *r)
{
    int64_t net = r != NULL ? r->net_bytes : 0;

    h->base_bytes = net;
    h->high_bytes = 0;
    if (r == NULL)
        return;
    h->high_bytes = r->high_bytes;
    r->high_bytes = net;
}

static ALWAYS_INLINE int64_t close_memory(struct handle *h)
{
    struct wsrt_recorder *r = h->recorder;
    int64_t peak;

    if (r == NULL)
        return h->high_bytes;
    if (__builtin_sub_overflow(r->high_bytes, h->base_bytes, &peak))
        peak = INT64_MAX;
    if (r->high_bytes < h->high_bytes)
        r->high_bytes = h->high_bytes;
    return peak;
}

static void add_bytes(int64_t *net, int64_t *high, int64_t n)
{
    if (__builtin_add_overflow(*net, n, net))
        *net = n > 0 ? INT64_MAX : INT64_MIN;
    if (*net > *high)
        *high = *net;
}

void wsrt_op_add_bytes(wsrt_op *op, int64_t n)
{
    struct handle *h = handle_of(op);

    if (h != NULL && h->recorder != NULL)
        add_bytes(&h->recorder->net_bytes, &h->recorder->high_bytes, n);
    else if (h != NULL)
        add_bytes(&h->base_bytes, &h->high_bytes, n);
}

/* ---- start ---- */

/* The clock of a thread is a system call: a busy recorder reads it for one operation a millisecond. */
static NEVER_INLINE void read_cpu(struct handle *h)
{
    static const int64_t millisecond = 1000000;
    struct wsrt_recorder *r = h->recorder;

    r->front.until_cpu = h->monitor->cpu_sampling;
    if (h->monitor->cpu_sampling == 0 || h->start < r->cpu_after)
        return;
    if (__builtin_add_overflow(h->start, millisecond, &r->cpu_after))
        r->cpu_after = INT64_MAX;
    h->cpu = h->monitor->env.cpu(h->monitor->env.user);
}

int wsrt_op_start(wsrt_monitor *m, wsrt_recorder *rec, int id, int64_t now, wsrt_op *op)
{
    struct handle *h = (struct handle *)(void *)op;

    if (h == NULL)
        return WSRT_ERR_INVALID;
    h->monitor = NULL;
    if (m == NULL || id < 0 || (rec != NULL && rec->shard.monitor != m) ||
        id >= atomic_load_explicit(&m->operation_count, memory_order_acquire))
        return WSRT_ERR_INVALID;
    struct shard *shard = rec != NULL ? &rec->shard : &m->shared;
    struct series *series = shard_series(shard, (unsigned)id);
    if (series == NULL)
        series = wsrt_shard_touch(shard, id);
    h->monitor = m;
    h->recorder = rec;
    h->series = series;
    h->start = now;
    h->cpu = -1;
    h->id = id;
    h->external_calls = 0;
    h->database_calls = 0;
    h->error_calls = 0;
    open_memory(h, rec);
    if (rec == NULL || series == NULL) {
        count_up(&tally_of(h)->counters[STARTED], 1, 1);
        return WSRT_OK;
    }
    count_up(&series->tally.counters[STARTED], 1, 0);
    if (--rec->front.until_cpu == 0)
        read_cpu(h);
    return WSRT_OK;
}

/* ---- under way ---- */

static void one_more(uint32_t *n)
{
    if (*n != UINT32_MAX)
        ++*n;
}

void wsrt_op_external_call(wsrt_op *op)
{
    struct handle *h = handle_of(op);

    if (h != NULL)
        one_more(&h->external_calls);
}

void wsrt_op_database_call(wsrt_op *op)
{
    struct handle *h = handle_of(op);

    if (h != NULL)
        one_more(&h->database_calls);
}

static void add_error(struct handle *h, wsrt_span category)
{
    if (h->error_calls < OWN_CATEGORIES)
        h->categories[h->error_calls] = wsrt_error_category(h->monitor, h->id, category);
    one_more(&h->error_calls);
}

void wsrt_op_error(wsrt_op *op, const char *category_cstr)
{
    struct handle *h = handle_of(op);

    if (h != NULL)
        add_error(h, wsrt_span_cstr(category_cstr));
}

/* ---- completion: the common case first and inline, with `shared` a constant in each copy ---- */

static NEVER_INLINE uint64_t backwards(struct handle *h)
{
    count_up(&h->monitor->clock_backwards, 1, 1);
    return 0;
}

static ALWAYS_INLINE uint64_t duration_of(struct handle *h, int64_t now)
{
    return now >= h->start ? (uint64_t)now - (uint64_t)h->start : backwards(h);
}

static ALWAYS_INLINE uint32_t open_window(const wsrt_monitor *m)
{
    return atomic_load_explicit(&m->window, memory_order_relaxed);
}

/* A chunk that is missing; without memory the octave is counted, for all shards at once. */
static NEVER_INLINE void count_cold(const struct handle *h, uint64_t duration, uint32_t n,
                                    int shared)
{
    unsigned bucket = bucket_of(duration, h->monitor->bits);
    struct operation *o = h->monitor->operations[h->id];
    struct chunk *chunk = h->series == NULL
                              ? NULL
                              : wsrt_series_touch(h->monitor, h->series, bucket / CHUNK_COUNTERS);

    if (chunk != NULL) {
        count_narrow(&chunk->counters[bucket % CHUNK_COUNTERS], n, shared);
        return;
    }
    atomic_store_explicit(&o->octaves_used, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->octaves[octave_of(duration)], n, memory_order_relaxed);
}

/* The same duration, n times. */
static ALWAYS_INLINE void count_duration(const struct handle *h, counter *c, uint64_t duration,
                                         uint32_t n, int shared)
{
    unsigned bucket = bucket_of(duration, h->monitor->bits);
    struct chunk *chunk =
        h->series == NULL ? NULL : held(&h->series->chunks[bucket / CHUNK_COUNTERS]);

    if (chunk != NULL)
        count_narrow(&chunk->counters[bucket % CHUNK_COUNTERS], n, shared);
    else
        count_cold(h, duration, n, shared);
    count_sum(&c[DURATION_SUM], product_saturating(duration, n), shared);
    count_maximum(&c[DURATION_MAX], duration, shared);
    count_window(&c[WINDOW_DURATION], open_window(h->monitor), duration, shared);
}

static NEVER_INLINE void count_cpu(const struct handle *h, uint64_t duration)
{
    int64_t end = h->monitor->env.cpu(h->monitor->env.user);

    if (end < h->cpu || duration == 0)
        return;
    double ratio = (double)(end - h->cpu) / (double)duration;
    uint64_t millionths = ratio < 1e6 ? (uint64_t)(ratio * 1e6) : 1000000000000;
    count_up(&tally_of(h)->counters[CPU_MILLIONTHS], millionths, is_shared(h));
    count_up(&tally_of(h)->counters[CPU_SAMPLES], 1, is_shared(h));
}

static NEVER_INLINE void count_memory(const struct handle *h, int64_t peak)
{
    counter *c = tally_of(h)->counters;
    int shared = is_shared(h);

    count_sum(&c[MEMORY_BYTES], (uint64_t)peak, shared);
    count_up(&c[MEMORY_SAMPLES], 1, shared);
    count_maximum(&c[MEMORY_MAX], (uint64_t)peak, shared);
    count_window(&c[WINDOW_MEMORY], open_window(h->monitor), (uint64_t)peak, shared);
}

static ALWAYS_INLINE void count_size(counter *c, int64_t size, int shared)
{
    if (size <= 0)
        return;
    count_sum(&c[0], (uint64_t)size, shared);
    count_up(&c[1], 1, shared);
}

static NEVER_INLINE void count_failure(const struct handle *h)
{
    struct operation *operation = h->monitor->operations[h->id];
    uint32_t calls = h->error_calls == 0 ? 1 : h->error_calls;
    uint32_t other = calls;

    for (unsigned i = 0; i < OWN_CATEGORIES && i < h->error_calls; i++) {
        if (h->categories[i] == NULL)
            continue;
        count_up(&h->categories[i]->count.all, 1, 1);
        other--;
    }
    if (other > 0)
        count_up(&operation->overflow[ERROR_CATEGORY].all, other, 1);
    count_up(&tally_of(h)->counters[ERROR_CALLS], calls, is_shared(h));
}

static ALWAYS_INLINE void count_outcome(const struct handle *h, counter *c, int success, int warned,
                                        int shared)
{
    int failed = success == 0 || h->error_calls > 0;

    if (failed)
        count_failure(h);
    count_up(&c[failed ? FAILED : warned ? WARNED : SUCCEEDED], 1, shared);
}

static NEVER_INLINE void count_with_attributes(struct handle *h, const wsrt_op_result *r,
                                               uint64_t duration)
{
    struct place at = {h->monitor, tally_of(h), h->id, is_shared(h)};
    struct attribute_totals totals = {.request_size = r->request_size,
                                      .response_size = r->response_size};
    counter *c = at.tally->counters;

    wsrt_attributes_count(&at, r, r->success != 0 && h->error_calls == 0, &totals);
    if (r->success == 0 && h->error_calls == 0 && totals.error_type.len > 0)
        add_error(h, totals.error_type);
    if (totals.correlation_id.len > 0)
        wsrt_worst_offer(h->monitor, h->id, duration, totals.correlation_id);
    count_outcome(h, c, r->success, totals.warned, at.shared);
    count_size(&c[REQUEST_BYTES], totals.request_size, at.shared);
    count_size(&c[RESPONSE_BYTES], totals.response_size, at.shared);
}

static ALWAYS_INLINE void count_result(struct handle *h, counter *c, const wsrt_op_result *r,
                                       uint64_t duration, int shared)
{
    if (h->external_calls > 0)
        count_up(&c[EXTERNAL_CALLS], h->external_calls, shared);
    if (h->database_calls > 0)
        count_up(&c[DATABASE_CALLS], h->database_calls, shared);
    if (r->attr_count > 0) {
        count_with_attributes(h, r, duration);
        return;
    }
    count_outcome(h, c, r->success, 0, shared);
    count_size(&c[REQUEST_BYTES], r->request_size, shared);
    count_size(&c[RESPONSE_BYTES], r->response_size, shared);
}

static ALWAYS_INLINE int count(struct handle *h, int64_t now, const wsrt_op_result *r, int shared)
{
    counter *c = shared ? tally_of(h)->counters : h->series->tally.counters;
    uint64_t duration = duration_of(h, now);

    count_duration(h, c, duration, 1, shared);
    if (h->cpu >= 0)
        count_cpu(h, duration);
    int64_t peak = close_memory(h);
    if (peak > 0)
        count_memory(h, peak);
    count_result(h, c, r, duration, shared);
    h->monitor = NULL;
    return WSRT_OK;
}

static NEVER_INLINE int count_shared(struct handle *h, int64_t now, const wsrt_op_result *r)
{
    return count(h, now, r, 1);
}

static NEVER_INLINE int finish_given(struct handle *h, int64_t now, const wsrt_op_result *given);

static ALWAYS_INLINE int finish(struct handle *h, int64_t now, const wsrt_op_result *r)
{
    if (r == NULL || r->struct_size != sizeof *r || (r->attr_count > 0 && r->attrs == NULL))
        return finish_given(h, now, r);
    return is_shared(h) ? count_shared(h, now, r) : count(h, now, r, 0);
}

/* A result that is absent, of another release, or malformed. */
static NEVER_INLINE int finish_given(struct handle *h, int64_t now, const wsrt_op_result *given)
{
    wsrt_op_result r = {.struct_size = sizeof r, .success = 1};

    if (given != NULL) {
        int rc = wsrt_options_load(&r, sizeof r, sizeof(wsrt_op_result), given);
        if (rc != WSRT_OK)
            return rc;
    }
    if (r.attr_count > 0 && r.attrs == NULL)
        return WSRT_ERR_INVALID;
    return finish(h, now, &r);
}

int wsrt_op_complete(wsrt_op *op, int64_t now, const wsrt_op_result *result)
{
    struct handle *h = handle_of(op);

    if (h == NULL)
        return op == NULL ? WSRT_ERR_INVALID : WSRT_ERR_STATE;
    return finish(h, now, result);
}

/* ---- deferred: many successes, one end ---- */

int wsrt_recorder_due(const wsrt_recorder *rec)
{
    return recorder_is_due(rec);
}

uint32_t wsrt_recorder_unsettled(const wsrt_recorder *rec)
{
    return rec == NULL ? 0 : rec->front.deferred.count;
}

static void count_deferred(struct handle *h, const struct deferred *d, uint64_t duration)
{
    counter *c = tally_of(h)->counters;
    int shared = is_shared(h);

    count_up(&c[STARTED], d->count, shared);
    count_duration(h, c, duration, d->count, shared);
    count_up(&c[SUCCEEDED], d->count, shared);
    count_sum(&c[REQUEST_BYTES], d->request_bytes, shared);
    count_up(&c[REQUESTS], d->requests, shared);
    count_sum(&c[RESPONSE_BYTES], d->response_bytes, shared);
    count_up(&c[RESPONSES], d->responses, shared);
}

void wsrt_recorder_settle(wsrt_recorder *rec, int64_t now)
{
    if (wsrt_recorder_unsettled(rec) == 0)
        return;
    struct deferred d = rec->front.deferred;
    struct handle h = {.monitor = rec->shard.monitor,
                       .recorder = rec,
                       .series = shard_series(&rec->shard, (unsigned)d.id),
                       .start = d.start,
                       .id = d.id};

    rec->front.deferred.count = 0;
    if (h.series == NULL)
        h.series = wsrt_shard_touch(&rec->shard, d.id);
    count_deferred(&h, &d, duration_of(&h, now));
}

static NEVER_INLINE int defer_first(wsrt_recorder *rec, int id, int64_t start)
{
    if (rec == NULL || id < 0 ||
        id >= atomic_load_explicit(&rec->shard.monitor->operation_count, memory_order_acquire))
        return WSRT_ERR_INVALID;
    wsrt_recorder_settle(rec, start);
    rec->front.deferred = (struct deferred){.start = start, .id = id};
    return WSRT_OK;
}

int wsrt_op_defer(wsrt_recorder *rec, int id, int64_t start, int64_t request_size,
                  int64_t response_size)
{
    const struct deferred *d = rec == NULL ? NULL : &rec->front.deferred;

    if (d == NULL || d->count == 0 || d->count == UINT32_MAX || d->id != id || d->start != start) {
        int rc = defer_first(rec, id, start);
        if (rc != WSRT_OK)
            return rc;
    }
    deferred_add(&rec->front, request_size, response_size);
    return WSRT_OK;
}

/* From here on the operation is another thread's: its CPU and memory are unknown. */
static void move(struct handle *h, wsrt_recorder *rec)
{
    h->recorder = rec;
    h->series = wsrt_shard_touch(rec != NULL ? &rec->shard : &h->monitor->shared, h->id);
    h->cpu = -1;
    h->base_bytes = rec != NULL ? rec->high_bytes : 0;
    h->high_bytes = INT64_MIN;
}

int wsrt_op_complete_on(wsrt_op *op, wsrt_recorder *rec, int64_t now, const wsrt_op_result *result)
{
    struct handle *h = handle_of(op);

    if (h == NULL)
        return op == NULL ? WSRT_ERR_INVALID : WSRT_ERR_STATE;
    if (rec != NULL && rec->shard.monitor != h->monitor)
        return WSRT_ERR_INVALID;
    if (rec != h->recorder)
        move(h, rec);
    return finish(h, now, result);
}

void wsrt_op_cancel(wsrt_op *op)
{
    struct handle *h = handle_of(op);

    if (h == NULL)
        return;
    close_memory(h);
    count_up(&tally_of(h)->counters[CANCELLED], 1, is_shared(h));
    h->monitor = NULL;
}
