#include "monitor/own.h"

#include "base/options.h"

enum { OWN_CATEGORIES = 2 };

/* Of a handle. The common one is OPEN and nothing else: of a private shard, and with no more to count
 * than what every operation has. */
enum {
    ENDED = 0, /* or never started */
    OPEN = 1,
    OPEN_SHARED = 2, /* not counted in a private shard */
    OPEN_NESTED = 4, /* high_bytes is above base_bytes */
    OPEN_CPU = 8,    /* cpu is read */
    OPEN_FAILED = 16,
    OPEN_ATTRIBUTES = 32, /* has some of its own */
    OPEN_RESIDENT = 64    /* resident is read */
};

/* What a wsrt_op holds. */
struct handle {
    wsrt_monitor *monitor;
    struct wsrt_recorder *recorder; /* NULL = the shared shard */
    struct series *series;          /* NULL = memory refused: the operation's spare tally */
    int64_t start;
    int64_t base_bytes; /* recorder: its net_bytes at the start; else this operation's own net */
    uint32_t external_calls;
    uint32_t database_calls;
    int64_t high_bytes; /* recorder: its high_bytes before the start; else this one's own high */
    uint32_t state;
    uint32_t error_calls;
    int32_t id;
    uint32_t attr_count;
    int64_t cpu; /* thread CPU at the start */
    int64_t resident;
    const wsrt_field *attrs;
    struct value *categories[OWN_CATEGORIES]; /* of the first error calls; others are "other" */
};
_Static_assert(sizeof(struct handle) <= sizeof(wsrt_op), "a handle fits the caller's struct");

static struct handle *handle_of(wsrt_op *op)
{
    struct handle *h = (struct handle *)(void *)op;

    return h != NULL && h->state != ENDED ? h : NULL;
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

static NEVER_INLINE void open_nested(struct handle *h, struct wsrt_recorder *r)
{
    h->high_bytes = r->high_bytes;
    h->state |= OPEN_NESTED;
    r->high_bytes = r->net_bytes;
}

static ALWAYS_INLINE void open_memory(struct handle *h, struct wsrt_recorder *r)
{
    int64_t net = r->net_bytes;

    h->base_bytes = net;
    if (r->high_bytes != net)
        open_nested(h, r);
}

static ALWAYS_INLINE int64_t close_memory(struct handle *h)
{
    struct wsrt_recorder *r = h->recorder;
    int64_t peak;

    if (r == NULL)
        return h->high_bytes;
    if (__builtin_sub_overflow(r->high_bytes, h->base_bytes, &peak))
        peak = INT64_MAX;
    if ((h->state & OPEN_NESTED) != 0 && r->high_bytes < h->high_bytes)
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

void wsrt_recorder_bytes(wsrt_recorder *r, int64_t n)
{
    add_bytes(&r->net_bytes, &r->high_bytes, n);
}

void wsrt_op_add_bytes(wsrt_op *op, int64_t n)
{
    struct handle *h = handle_of(op);

    if (h != NULL && h->recorder != NULL)
        wsrt_recorder_bytes(h->recorder, n);
    else if (h != NULL)
        add_bytes(&h->base_bytes, &h->high_bytes, n);
}

/* ---- start ---- */

/* The clock of a thread is a system call: a busy recorder reads it for one operation a millisecond. */
static NEVER_INLINE void read_cpu(struct handle *h)
{
    static const int64_t millisecond = 1000000;
    struct wsrt_recorder *r = h->recorder;

    if (h->start < r->cpu_after)
        return;
    if (__builtin_add_overflow(h->start, millisecond, &r->cpu_after))
        r->cpu_after = INT64_MAX;
    h->cpu = h->monitor->env.cpu(h->monitor->env.user);
    if (h->cpu >= 0)
        h->state |= OPEN_CPU;
}

static int looks_at_memory(const wsrt_monitor *m)
{
    return (m->flags & WSRT_MONITOR_RESIDENT_DELTA) != 0;
}

static void read_resident(struct handle *h)
{
    h->resident = h->monitor->env.resident(h->monitor->env.user);
    if (h->resident >= 0)
        h->state |= OPEN_RESIDENT;
}

/* Where memory is read each operation is looked at, and the samples of CPU time are counted apart. */
static NEVER_INLINE int start_looked_at(struct handle *h)
{
    enum { LOOK_AGAIN = 64 }; /* whether sampling has begun */
    uint32_t every = atomic_load_explicit(&h->monitor->cpu_sampling, memory_order_relaxed);
    struct wsrt_recorder *r = h->recorder;

    r->front.until_look = every > 0 ? every : LOOK_AGAIN;
    if (looks_at_memory(h->monitor)) {
        r->front.until_look = 1;
        read_resident(h);
    }
    if (every > 0 && (r->front.until_look > 1 || every == 1 || --r->until_cpu == 0)) {
        r->until_cpu = every;
        read_cpu(h);
    }
    return WSRT_OK;
}

static ALWAYS_INLINE void open_handle(struct handle *h, wsrt_monitor *m, int id, int64_t now)
{
    h->monitor = m;
    h->start = now;
    h->external_calls = 0;
    h->database_calls = 0;
    h->error_calls = 0;
    h->state = OPEN;
    h->id = id;
}

/* The first time in a shard, the shared shard, and what is refused. */
static NEVER_INLINE int start_elsewhere(wsrt_monitor *m, wsrt_recorder *rec, int id, int64_t now,
                                        struct handle *h)
{
    if (h == NULL)
        return WSRT_ERR_INVALID;
    h->state = ENDED;
    if (m == NULL || (rec != NULL && rec->shard.monitor != m) || wsrt_monitor_known(m, id) == NULL)
        return WSRT_ERR_INVALID;
    open_handle(h, m, id, now);
    h->recorder = rec;
    h->series = wsrt_shard_touch(rec != NULL ? &rec->shard : &m->shared, id);
    h->base_bytes = h->high_bytes = 0;
    if (is_shared(h))
        h->state |= OPEN_SHARED;
    if (rec != NULL)
        open_memory(h, rec);
    count_up(&tally_of(h)->counters[STARTED], 1, is_shared(h));
    if (is_shared(h) && looks_at_memory(m))
        read_resident(h);
    return is_shared(h) || --rec->front.until_look > 0 ? WSRT_OK : start_looked_at(h);
}

/* The common case calls nothing, so that it keeps no registers. */
int wsrt_op_start(wsrt_monitor *m, wsrt_recorder *rec, int id, int64_t now, wsrt_op *op)
{
    struct handle *h = (struct handle *)(void *)op;

    if (h == NULL || rec == NULL || rec->shard.monitor != m || (unsigned)id >= MAX_OPERATIONS)
        return start_elsewhere(m, rec, id, now, h);
    struct series *series = shard_series(&rec->shard, (unsigned)id);
    if (series == NULL) /* nor is there one for an id that is none */
        return start_elsewhere(m, rec, id, now, h);
    open_handle(h, m, id, now);
    h->recorder = rec;
    h->series = series;
    open_memory(h, rec);
    count_up(&series->tally.counters[STARTED], 1, 0);
    return --rec->front.until_look == 0 ? start_looked_at(h) : WSRT_OK;
}

/* ---- under way ---- */

static void one_more(uint32_t *n)
{
    uint32_t more;

    if (!__builtin_add_overflow(*n, 1, &more))
        *n = more;
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

void wsrt_op_attributes(wsrt_op *op, const wsrt_field *attrs, size_t count)
{
    struct handle *h = handle_of(op);

    if (h == NULL || (attrs == NULL && count > 0))
        return;
    h->attrs = attrs;
    h->attr_count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    h->state |= OPEN_ATTRIBUTES;
}

static void add_error(struct handle *h, wsrt_span category)
{
    h->state |= OPEN_FAILED;
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

/* The larger of what was told and of what the process grew by. */
static NEVER_INLINE int64_t resident_peak(const struct handle *h, int64_t told)
{
    int64_t grown = h->monitor->env.resident(h->monitor->env.user) - h->resident;

    return grown > told ? grown : told;
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

    const struct attributes lists[ATTRIBUTE_LISTS] = {
        {h->attrs, (h->state & OPEN_ATTRIBUTES) != 0 ? h->attr_count : 0},
        {r->attrs, r->attr_count},
    };
    int good = r->success != 0 && h->error_calls == 0;

    for (int i = 0; i < ATTRIBUTE_LISTS; i++)
        wsrt_attributes_count(&at, lists[i], good, &totals);
    wsrt_own_count(h->monitor, h->id, lists, good);
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
    if (r->attr_count > 0 || (h->state & OPEN_ATTRIBUTES) != 0) {
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
    if ((h->state & OPEN_CPU) != 0)
        count_cpu(h, duration);
    int64_t peak = close_memory(h);
    if ((h->state & OPEN_RESIDENT) != 0)
        peak = resident_peak(h, peak);
    if (peak > 0)
        count_memory(h, peak);
    count_result(h, c, r, duration, shared);
    h->state = ENDED;
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

static NEVER_INLINE int complete_any(wsrt_op *op, int64_t now, const wsrt_op_result *result)
{
    struct handle *h = handle_of(op);

    if (h == NULL)
        return op == NULL ? WSRT_ERR_INVALID : WSRT_ERR_STATE;
    return finish(h, now, result);
}

static ALWAYS_INLINE int is_common(const struct handle *h, const wsrt_op_result *r)
{
    return h != NULL && h->state == OPEN && r != NULL && r->struct_size == sizeof *r &&
           r->success != 0 && r->attr_count == 0 && h->recorder->high_bytes == h->base_bytes;
}

/* With the usual bits an octave is a chunk, so that its address is known before the place in it: these
 * two look-ups are the longest a completion waits for. */
static ALWAYS_INLINE _Atomic uint32_t *counter_of(const struct series *s, uint64_t duration,
                                                  unsigned bits)
{
    unsigned bucket;
    struct chunk *chunk;

    if (bits == USUAL_BITS) {
        chunk = held(&s->chunks[top_bit(duration | 1u << (USUAL_BITS - 1)) - (USUAL_BITS - 1)]);
        bucket = (unsigned)(duration >> (top_bit(duration | 1u << USUAL_BITS) - USUAL_BITS));
    } else {
        bucket = bucket_of(duration, bits);
        chunk = held(&s->chunks[bucket / CHUNK_COUNTERS]);
    }
    return chunk == NULL ? NULL : &chunk->counters[bucket % CHUNK_COUNTERS];
}

/* What breaks no record of the window breaks none of the shard: most completions compare once. A word of
 * another window is at least two windows away. */
static ALWAYS_INLINE void count_record(counter *c, uint32_t window, uint64_t duration)
{
    counter *record = &c[WINDOW_DURATION + (window & 1)];
    uint64_t fresh = window_word(window, duration);

    if ((counted(record) - fresh) >> WINDOW_VALUE_BITS == 0)
        return;
    atomic_store_explicit(record, fresh, memory_order_relaxed);
    count_maximum(&c[DURATION_MAX], duration, 0);
}

static ALWAYS_INLINE void count_common(const struct handle *h, counter *c, const wsrt_op_result *r)
{
    count_up(&c[EXTERNAL_CALLS], h->external_calls, 0);
    count_up(&c[DATABASE_CALLS], h->database_calls, 0);
    count_up(&c[SUCCEEDED], 1, 0);
    count_size(&c[REQUEST_BYTES], r->request_size, 0);
    count_size(&c[RESPONSE_BYTES], r->response_size, 0);
}

/* A success of a private shard that told no memory: nothing is called, nothing else is asked. */
int wsrt_op_complete(wsrt_op *op, int64_t now, const wsrt_op_result *result)
{
    struct handle *h = (struct handle *)(void *)op;

    if (!is_common(h, result))
        return complete_any(op, now, result);
    uint64_t duration = (uint64_t)now - (uint64_t)h->start;
    if (duration >> HISTOGRAM_RANGE_BITS != 0) /* backwards, too */
        return complete_any(op, now, result);
    uint32_t window = open_window(h->monitor);
    struct series *series = h->series;
    _Atomic uint32_t *bucket = counter_of(series, duration, h->monitor->bits);
    if (bucket == NULL)
        return complete_any(op, now, result);
    h->state = ENDED;
    count_narrow(bucket, 1, 0);
    count_sum(&series->tally.counters[DURATION_SUM], duration, 0);
    count_record(series->tally.counters, window, duration);
    count_common(h, series->tally.counters, result);
    return WSRT_OK;
}

/* ---- deferred: many successes, one end ---- */

int wsrt_recorder_due(const wsrt_recorder *rec)
{
    return rec == NULL ||
           (rec->front.until_look == 1 &&
            (looks_at_memory(rec->shard.monitor) ||
             atomic_load_explicit(&rec->shard.monitor->cpu_sampling, memory_order_relaxed) > 0));
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
    h->state &= ~(uint32_t)(OPEN_CPU | OPEN_NESTED | OPEN_SHARED | OPEN_RESIDENT);
    if (is_shared(h))
        h->state |= OPEN_SHARED;
    h->base_bytes = rec != NULL ? rec->high_bytes : 0;
    h->high_bytes = 0;
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
    h->state = ENDED;
}
