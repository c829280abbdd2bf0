/* The tick: windows of ten seconds, thresholds over them, and rates of whole minutes. */
#include "monitor/binary.h"
#include "monitor/catalogue.h"

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

#define SECOND_NS 1000000000ull

enum { WINDOW_SECONDS = 10, MINUTE_SECONDS = 60, LEAST_COMPLETIONS = 20, CALM_EVALUATIONS = 3 };

/* ---- limits ---- */

static void set_limits(struct watch *w, double warning, double critical)
{
    w->limits[WSRT_ALERT_CRITICAL - 1] = critical;
    w->limits[WSRT_ALERT_WARNING - 1] = warning > 0 ? warning : 0.8 * critical;
}

void wsrt_history_init(struct history *h, int id)
{
    for (int i = 0; i < WATCHES; i++)
        h->watches[i] = (struct watch){.statistic = WSRT_STATISTIC_MAX, .needed = 1, .of = 1};
    if (id >= BUILTIN_OPERATIONS)
        return;
    for (int i = 0; i < WATCHES; i++)
        set_limits(&h->watches[i], 0, wsrt_catalogue_limit(id, i + 1));
}

size_t wsrt_history_bytes(const wsrt_monitor *m)
{
    return (size_t)m->chunks * CHUNK_COUNTERS * sizeof(uint32_t);
}

static int is_quantile(int statistic)
{
    return statistic >= WSRT_STATISTIC_P50;
}

static int threshold_fits(const wsrt_threshold *t)
{
    if (t->watched < WSRT_WATCH_DURATION || t->watched > WSRT_WATCH_ERROR_RATE ||
        t->statistic < 0 || t->statistic > WSRT_STATISTIC_P99 || t->of > 32 || t->needed > 32)
        return WSRT_ERR_INVALID;
    if (!(t->critical >= 0 && t->critical < 1e19) || !(t->warning >= 0) ||
        t->warning > t->critical || (t->of > 0 && t->needed > t->of))
        return WSRT_ERR_INVALID;
    if ((is_quantile(t->statistic) && t->watched != WSRT_WATCH_DURATION) ||
        (t->statistic != 0 && t->watched == WSRT_WATCH_ERROR_RATE))
        return WSRT_ERR_UNSUPPORTED;
    return WSRT_OK;
}

static struct watch watch_of(const wsrt_threshold *t)
{
    struct watch w = {.statistic = t->statistic == 0 ? WSRT_STATISTIC_MAX : t->statistic,
                      .needed = t->needed == 0 ? 1 : t->needed,
                      .of = t->of == 0 ? 1 : t->of};

    if (w.of < w.needed)
        w.of = w.needed;
    set_limits(&w, t->warning, t->critical);
    return w;
}

/* Under the lock. The level stays, so that a changed limit reports its own transition. */
static void settle_watch(struct history *h, int watched, struct watch fresh)
{
    struct watch *w = &h->watches[watched - 1];

    fresh.level = w->level;
    *w = fresh;
}

static void copy_histogram(const wsrt_monitor *m, int id, uint32_t *to)
{
    for (unsigned c = 0; c < m->chunks; c++)
        wsrt_read_chunk(m, id, c, to + (size_t)c * CHUNK_COUNTERS);
}

/* A threshold that is known to fit, with the memory it needs. */
struct prepared {
    int id;
    int watched;
    struct watch watch;
    uint32_t *counters; /* of quantiles; NULL = not needed, or taken over */
};

static int prepare(const wsrt_monitor *m, int id, const wsrt_threshold *threshold,
                   struct prepared *out)
{
    wsrt_threshold t;
    int rc = threshold == NULL ? WSRT_ERR_INVALID
                               : wsrt_options_load(&t, sizeof t, sizeof(wsrt_threshold), threshold);

    if (rc == WSRT_OK)
        rc = threshold_fits(&t);
    if (rc != WSRT_OK)
        return rc;
    if (wsrt_monitor_known(m, id) == NULL)
        return WSRT_ERR_NOT_FOUND;
    *out = (struct prepared){.id = id, .watched = t.watched, .watch = watch_of(&t)};
    if (is_quantile(t.statistic)) {
        out->counters = wsrt_mem_zalloc(&m->allocator, wsrt_history_bytes(m));
        if (out->counters == NULL)
            return WSRT_ERR_NOMEM;
    }
    return WSRT_OK;
}

/* Under the lock. */
static void settle(const wsrt_monitor *m, struct prepared *p)
{
    struct history *h = &m->operations[p->id]->history;

    settle_watch(h, p->watched, p->watch);
    if (p->counters != NULL && h->base_counters == NULL) {
        h->base_counters = p->counters;
        copy_histogram(m, p->id, p->counters);
        p->counters = NULL;
    }
}

int wsrt_monitor_threshold(wsrt_monitor *m, int id, const wsrt_threshold *threshold)
{
    struct prepared p;

    int rc = m == NULL ? WSRT_ERR_INVALID : prepare(m, id, threshold, &p);

    if (rc != WSRT_OK)
        return rc;
    pthread_mutex_lock(&m->lock);
    settle(m, &p);
    pthread_mutex_unlock(&m->lock);
    wsrt_mem_free(&m->allocator, p.counters, wsrt_history_bytes(m));
    return WSRT_OK;
}

static void set_if_given(_Atomic uint32_t *to, uint32_t given)
{
    if (given != 0)
        atomic_store_explicit(to, given, memory_order_relaxed);
}

static void apply(wsrt_monitor *m, const wsrt_monitor_settings *s, struct prepared *thresholds)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < s->threshold_count; i++)
        settle(m, &thresholds[i]);
    set_if_given(&m->max_metric_values, s->max_metric_values);
    set_if_given(&m->max_values, s->max_values);
    if (s->cpu_sampling != 0)
        m->cpu_sampling = s->cpu_sampling == UINT32_MAX ? 0 : s->cpu_sampling;
    pthread_mutex_unlock(&m->lock);
}

int wsrt_monitor_configure(wsrt_monitor *m, const wsrt_monitor_settings *settings)
{
    wsrt_monitor_settings s;
    size_t ready = 0;

    if (m == NULL || settings == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&s, sizeof s, sizeof(wsrt_monitor_settings), settings);
    if (rc == WSRT_OK && s.threshold_count > 0 && s.thresholds == NULL)
        rc = WSRT_ERR_INVALID;
    if (rc != WSRT_OK)
        return rc;
    size_t size = wsrt_mem_product(s.threshold_count, sizeof(struct prepared));
    struct prepared *prepared = wsrt_mem_zalloc(&m->allocator, size + 1);
    if (prepared == NULL || (size == 0 && s.threshold_count > 0))
        rc = WSRT_ERR_NOMEM;
    for (; rc == WSRT_OK && ready < s.threshold_count; ready++)
        rc = prepare(m, s.thresholds[ready].operation, s.thresholds[ready].threshold,
                     &prepared[ready]);
    if (rc == WSRT_OK)
        apply(m, &s, prepared);
    while (ready-- > 0)
        wsrt_mem_free(&m->allocator, prepared[ready].counters, wsrt_history_bytes(m));
    wsrt_mem_free(&m->allocator, prepared, size + 1);
    return rc;
}

/* ---- the slowest completion that told its correlation id ---- */

static void offer(struct worst *w, uint64_t fresh, wsrt_span correlation_id)
{
    uint64_t old = counted(&w->word);

    if (old >> WINDOW_VALUE_BITS == fresh >> WINDOW_VALUE_BITS && old >= fresh)
        return;
    if (correlation_id.len > sizeof w->text ||
        atomic_exchange_explicit(&w->busy, 1, memory_order_acquire) != 0)
        return;
    memcpy(w->text, correlation_id.ptr, correlation_id.len);
    w->len = (unsigned)correlation_id.len;
    atomic_store_explicit(&w->word, fresh, memory_order_relaxed);
    atomic_store_explicit(&w->busy, 0, memory_order_release);
}

void wsrt_worst_offer(wsrt_monitor *m, int id, uint64_t duration, wsrt_span correlation_id)
{
    struct operation *o = m->operations[id];
    uint64_t fresh = window_word(atomic_load_explicit(&m->window, memory_order_relaxed), duration);
    struct worst *octaves = wsrt_slot_touch(&o->exemplars, m, OCTAVES * sizeof(struct worst));

    offer(&o->worst, fresh, correlation_id);
    if (octaves != NULL)
        offer(&octaves[octave_of(duration)], fresh, correlation_id);
}

/* 0 while it is being replaced. */
static int take(struct worst *w, uint64_t *word, char out[MAX_CORRELATION_ID], size_t *len)
{
    if (atomic_exchange_explicit(&w->busy, 1, memory_order_acquire) != 0)
        return 0;
    *word = counted(&w->word);
    *len = w->len;
    memcpy(out, w->text, w->len);
    atomic_store_explicit(&w->busy, 0, memory_order_release);
    return 1;
}

int wsrt_exemplar_read(const struct operation *o, uint64_t above, uint64_t most,
                       struct exemplar *out)
{
    struct worst *octaves = held(&o->exemplars);
    uint64_t word;

    for (unsigned i = OCTAVES; octaves != NULL && i-- > 0;) {
        if (!take(&octaves[i], &word, out->text, &out->len) || out->len == 0)
            continue;
        out->ns = word & (((uint64_t)1 << WINDOW_VALUE_BITS) - 1);
        if (out->ns > above && out->ns <= most)
            return 1;
    }
    return 0;
}

/* Of this window or the one before; empty when there is none, or it is just being replaced. */
static size_t read_worst(struct worst *w, uint32_t window, char out[MAX_CORRELATION_ID])
{
    uint64_t word;
    size_t len;

    if (!take(w, &word, out, &len))
        return 0;
    return window_value(word, window) > 0 || window_value(word, window - 1) > 0 ? len : 0;
}

/* ---- values of a window ---- */

struct evaluation {
    wsrt_monitor *monitor;
    struct history *history;
    int id;
    int closed; /* the window is over */
    uint32_t window;
    struct sums sums;
    uint64_t count;
    wsrt_alert alerts[WATCHES];
    size_t alert_count;
};

/* Includes what came into the window before after it had been judged. */
static double maximum(const struct evaluation *e, int memory)
{
    unsigned pair = memory ? WINDOW_MEMORY : WINDOW_DURATION;
    uint64_t value = wsrt_read_window(e->monitor, e->id, pair, e->window);
    uint64_t late = wsrt_read_window(e->monitor, e->id, pair, e->window - 1);

    if (late > e->history->seen[memory] && late > value)
        value = late;
    return (double)value;
}

static int average(const struct evaluation *e, int memory, double *out)
{
    const uint64_t *base = &e->history->base_sums[memory ? 2 : 0];
    uint64_t sum = e->sums.counters[memory ? MEMORY_BYTES : DURATION_SUM] - base[0];
    uint64_t count = (memory ? e->sums.counters[MEMORY_SAMPLES] : e->count) - base[1];

    *out = count == 0 ? 0 : (double)sum / (double)count;
    return count > 0;
}

static int window_chunk(const struct histogram *h, unsigned chunk, uint32_t out[CHUNK_COUNTERS])
{
    const struct evaluation *e = h->from;
    const uint32_t *base = e->history->base_counters + (size_t)chunk * CHUNK_COUNTERS;

    if (!wsrt_read_chunk(e->monitor, e->id, chunk, out))
        return 0;
    for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
        out[i] -= base[i];
    return 1;
}

static int quantile(const struct evaluation *e, int statistic, double *out)
{
    static const double qs[] = {0.5, 0.95, 0.99};
    struct histogram h = wsrt_live_histogram(e->monitor, e->id, UINT64_MAX);

    h.from = e;
    h.chunk = window_chunk;
    *out = (double)wsrt_histogram_quantile(&h, qs[statistic - WSRT_STATISTIC_P50]);
    return wsrt_histogram_total(&h) > 0;
}

static struct reading since(const struct evaluation *e, unsigned windows)
{
    struct reading base = e->history->before;

    if (e->window >= windows)
        base = e->history->closed[(e->window - windows) % (WINDOWS + 1)];
    return (struct reading){e->count - base.count, e->sums.counters[FAILED] - base.errors};
}

static int error_rate(const struct evaluation *e, double *out)
{
    struct reading recent = since(e, ERROR_WINDOWS);

    *out = recent.count == 0 ? 0 : (double)recent.errors / (double)recent.count;
    return recent.count >= LEAST_COMPLETIONS;
}

/* 0 when the statistic has no value now. */
static int value_of(const struct evaluation *e, int watched, double *out)
{
    int statistic = e->history->watches[watched - 1].statistic;
    int memory = watched == WSRT_WATCH_MEMORY;

    *out = 0;
    if (watched == WSRT_WATCH_ERROR_RATE)
        return error_rate(e, out);
    if (statistic == WSRT_STATISTIC_MAX) {
        *out = maximum(e, memory);
        return *out > 0;
    }
    if (!e->closed)
        return 0;
    return statistic == WSRT_STATISTIC_AVERAGE ? average(e, memory, out)
                                               : quantile(e, statistic, out);
}

/* ---- levels ---- */

static void change(struct evaluation *e, int watched, int level, double value)
{
    struct watch *w = &e->history->watches[watched - 1];
    int told = level > w->level ? level : w->level;

    e->alerts[e->alert_count++] = (wsrt_alert){
        .struct_size = sizeof(wsrt_alert),
        .operation = e->id,
        .operation_cstr = e->monitor->operations[e->id]->name,
        .watched = watched,
        .old_level = w->level,
        .new_level = level,
        .value = value,
        .limit = w->limits[told - 1],
    };
    w->level = level;
}

static int reached(const struct watch *w)
{
    uint32_t windows = w->of == 32 ? UINT32_MAX : ((uint32_t)1 << w->of) - 1;

    for (int level = LEVELS; level > 0; level--)
        if (w->limits[level - 1] > 0 &&
            (unsigned)__builtin_popcount(w->exceeded[level - 1] & windows) >= w->needed)
            return level;
    return 0;
}

static int calmed(const struct watch *w)
{
    int level = w->level;

    while (level > 0 && (w->limits[level - 1] <= 0 || w->calm[level - 1] >= CALM_EVALUATIONS))
        level--;
    return level;
}

static void end_window(struct watch *w, double value)
{
    for (int i = 0; i < LEVELS; i++) {
        w->exceeded[i] <<= 1;
        if (value >= 0.9 * w->limits[i])
            w->calm[i] = 0;
        else if (w->calm[i] < CALM_EVALUATIONS)
            w->calm[i]++;
    }
}

static void judge(struct evaluation *e, int watched)
{
    struct watch *w = &e->history->watches[watched - 1];
    double value;
    int known = value_of(e, watched, &value);

    for (int i = 0; known && i < LEVELS; i++)
        if (w->limits[i] > 0 && value > w->limits[i])
            w->exceeded[i] |= 1;
    int up = reached(w);
    if (e->closed)
        end_window(w, known ? value : 0);
    int down = calmed(w);
    if (up > w->level)
        change(e, watched, up, value);
    else if (e->closed && down < w->level) {
        memset(w->exceeded, 0, sizeof w->exceeded);
        change(e, watched, down, value);
    }
}

/* ---- one operation ---- */

static void remember(struct evaluation *e)
{
    struct history *h = e->history;

    h->closed[e->window % (WINDOWS + 1)] = (struct reading){e->count, e->sums.counters[FAILED]};
    h->base_sums[0] = e->sums.counters[DURATION_SUM];
    h->base_sums[1] = e->count;
    h->base_sums[2] = e->sums.counters[MEMORY_BYTES];
    h->base_sums[3] = e->sums.counters[MEMORY_SAMPLES];
    h->seen[0] = wsrt_read_window(e->monitor, e->id, WINDOW_DURATION, e->window);
    h->seen[1] = wsrt_read_window(e->monitor, e->id, WINDOW_MEMORY, e->window);
    if (h->base_counters != NULL)
        copy_histogram(e->monitor, e->id, h->base_counters);
}

static void tell(struct evaluation *e, int64_t wall)
{
    char text[MAX_CORRELATION_ID];
    size_t len = read_worst(&e->monitor->operations[e->id]->worst, e->window, text);

    for (size_t i = 0; i < e->alert_count; i++) {
        e->alerts[i].wall = wall;
        e->alerts[i].correlation_id = (wsrt_span){text, len};
        e->monitor->on_alert(&e->alerts[i], e->monitor->alert_user);
    }
}

static void evaluate(wsrt_monitor *m, int id, uint32_t window, int closed, int64_t wall)
{
    struct evaluation e = {.monitor = m,
                           .history = &m->operations[id]->history,
                           .id = id,
                           .closed = closed,
                           .window = window};

    pthread_mutex_lock(&m->lock);
    struct histogram h = wsrt_live_histogram(m, id, 0);
    e.count = wsrt_histogram_total(&h);
    wsrt_read_sums(m, id, &e.sums);
    for (int watched = WSRT_WATCH_DURATION; watched <= WSRT_WATCH_ERROR_RATE; watched++)
        judge(&e, watched);
    if (closed)
        remember(&e);
    pthread_mutex_unlock(&m->lock);
    if (e.alert_count > 0 && m->on_alert != NULL)
        tell(&e, wall);
}

static void evaluate_all(wsrt_monitor *m, uint32_t window, int closed, int64_t wall)
{
    int count = atomic_load_explicit(&m->operation_count, memory_order_acquire);

    for (int id = 0; id < count; id++)
        evaluate(m, id, window, closed, wall);
}

void wsrt_history_recent(const wsrt_monitor *m, int id, unsigned windows, struct reading *out)
{
    const struct reading *closed = m->operations[id]->history.closed;
    uint32_t open = atomic_load_explicit(&m->window, memory_order_relaxed);
    struct reading base = m->operations[id]->history.before;

    if (windows > open)
        windows = open;
    *out = (struct reading){0, 0};
    if (windows == 0)
        return;
    if (open > windows)
        base = closed[(open - 1 - windows) % (WINDOWS + 1)];
    struct reading last = closed[(open - 1) % (WINDOWS + 1)];
    *out = (struct reading){last.count - base.count, last.errors - base.errors};
}

/* ---- minutes ---- */

static void count_messages_and_connects(const wsrt_monitor *m, uint64_t out[MINUTE_OPERATIONS])
{
    slot *chains = held(&m->values);

    for (unsigned i = 0; chains != NULL && i < VALUE_BUCKETS; i++) {
        for (const struct value *v = held(&chains[i]); v != NULL; v = held(&v->next)) {
            if (v->operation == WSRT_OP_CONVERSATION && v->category == MESSAGE_TYPE)
                out[WSRT_OP_CONVERSATION] += counted(&v->count.all);
            if (v->operation == WSRT_OP_CONNECTION && v->category == EVENT_TYPE &&
                wsrt_span_equal((wsrt_span){v->text, v->len}, wsrt_span_cstr("connect")))
                out[WSRT_OP_CONNECTION] += counted(&v->count.good);
        }
    }
    out[WSRT_OP_CONVERSATION] +=
        counted(&m->operations[WSRT_OP_CONVERSATION]->overflow[MESSAGE_TYPE].all);
}

static void count_minute(wsrt_monitor *m, uint64_t out[MINUTE_OPERATIONS])
{
    memset(out, 0, MINUTE_OPERATIONS * sizeof out[0]);
    count_messages_and_connects(m, out);
    pthread_mutex_lock(&m->lock);
    for (int id = WSRT_OP_JWT_VERIFICATION; id <= WSRT_OP_CHAT_MESSAGE; id++) {
        struct histogram h = wsrt_live_histogram(m, id, 0);
        out[id] = wsrt_histogram_total(&h);
    }
    pthread_mutex_unlock(&m->lock);
}

void wsrt_history_rebase(wsrt_monitor *m, int id, uint64_t count,
                         const uint64_t counters[WINDOW_DURATION])
{
    struct history *h = &m->operations[id]->history;
    uint64_t errors = counters[FAILED];

    h->before.count += count;
    h->before.errors += errors;
    for (unsigned i = 0; i <= WINDOWS; i++) {
        h->closed[i].count += count;
        h->closed[i].errors += errors;
    }
    h->base_sums[0] += counters[DURATION_SUM];
    h->base_sums[1] += count;
    h->base_sums[2] += counters[MEMORY_BYTES];
    h->base_sums[3] += counters[MEMORY_SAMPLES];
    if (h->base_counters != NULL)
        copy_histogram(m, id, h->base_counters);
}

void wsrt_minutes_rebase(wsrt_monitor *m)
{
    uint64_t totals[MINUTE_OPERATIONS];

    count_minute(m, totals);
    pthread_mutex_lock(&m->lock);
    memcpy(m->minutes.counted, totals, sizeof totals);
    pthread_mutex_unlock(&m->lock);
}

/* Of minutes that passed without a tick each gets the same share. */
static void roll_minutes(wsrt_monitor *m, int64_t now, int64_t wall)
{
    uint64_t passed = ((uint64_t)now - (uint64_t)m->minutes.began) / (MINUTE_SECONDS * SECOND_NS);
    uint64_t totals[MINUTE_OPERATIONS];

    if (now < m->minutes.began || passed == 0)
        return;
    count_minute(m, totals);
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < MINUTE_OPERATIONS; i++) {
        m->minutes.last[i] = (double)(totals[i] - m->minutes.counted[i]) / (double)passed;
        m->minutes.counted[i] = totals[i];
    }
    m->minutes.began += (int64_t)(passed * MINUTE_SECONDS * SECOND_NS);
    m->minutes.complete = 1;
    m->minutes.number += (uint32_t)passed;
    pthread_mutex_unlock(&m->lock);
    wsrt_trends_roll(m, m->minutes.number - 1, wall);
}

static void roll_windows(wsrt_monitor *m, int64_t now, int64_t wall)
{
    uint64_t passed = ((uint64_t)now - (uint64_t)m->window_began) / (WINDOW_SECONDS * SECOND_NS);

    m->window_began += (int64_t)(passed * WINDOW_SECONDS * SECOND_NS);
    /* Beyond the ring all windows are alike: empty. */
    for (uint64_t i = 0; i < passed && i <= WINDOWS; i++) {
        uint32_t window = atomic_fetch_add_explicit(&m->window, 1, memory_order_relaxed);
        evaluate_all(m, window, 1, wall);
    }
}

int wsrt_monitor_tick(wsrt_monitor *m, int64_t now, int64_t wall)
{
    if (m == NULL)
        return WSRT_ERR_INVALID;
    if (!m->ticking) {
        m->ticking = 1;
        m->window_began = now;
        m->minutes.began = now;
    }
    if (now < m->window_began)
        return WSRT_OK;
    roll_windows(m, now, wall);
    evaluate_all(m, atomic_load_explicit(&m->window, memory_order_relaxed), 0, wall);
    roll_minutes(m, now, wall);
    return WSRT_OK;
}
