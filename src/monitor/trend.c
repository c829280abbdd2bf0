/* Trends: a ring of minutes an operation; the last quarter of an hour against the day before it. */
#include "monitor/binary.h"

#include "base/alloc.h"

#include <string.h>

enum { RECENT = 15, SLOPE_MINUTES = 60, LEAST_MINUTES = 60, LEAST_RECENT = 30 };

static const double limits[LEVELS] = {1.5, 2.0};
static const double least_error_rise = 0.02;
/* What stands for an error rate of none, by which nothing could be divided. */
static const double least_error_rate = 0.001;

struct minute {
    uint32_t number;
    uint32_t count; /* 0 = empty */
    uint32_t errors;
    float max;
    uint64_t sum;
    float p50;
    float p99;
};
_Static_assert(sizeof(struct minute) == 32, "a day of them is 45 KiB");

struct ring {
    uint64_t sum; /* the totals at the end of the last minute */
    uint64_t errors;
    struct minute minutes[TREND_MINUTES];
    uint32_t counters[]; /* the histogram then, and behind it that of the minute */
};

static size_t ring_size(const wsrt_monitor *m)
{
    return sizeof(struct ring) + 2 * (size_t)m->chunks * CHUNK_COUNTERS * sizeof(uint32_t);
}

void wsrt_ring_free(const wsrt_monitor *m, struct ring *ring)
{
    wsrt_mem_free(&m->allocator, ring, ring_size(m));
}

/* ---- a minute that ends ---- */

static int ring_chunk(const struct histogram *h, unsigned chunk, uint32_t out[CHUNK_COUNTERS])
{
    const struct ring *ring = h->from;
    const uint32_t *minute = ring->counters + (size_t)(h->chunks + chunk) * CHUNK_COUNTERS;

    memcpy(out, minute, CHUNK_COUNTERS * sizeof out[0]);
    return 1;
}

static void take_histogram(const wsrt_monitor *m, int id, struct ring *ring)
{
    uint32_t now[CHUNK_COUNTERS];

    for (unsigned c = 0; c < m->chunks; c++) {
        uint32_t *before = ring->counters + (size_t)c * CHUNK_COUNTERS;
        uint32_t *minute = before + (size_t)m->chunks * CHUNK_COUNTERS;
        wsrt_read_chunk(m, id, c, now);
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++) {
            minute[i] = now[i] - before[i];
            before[i] = now[i];
        }
    }
}

static struct minute minute_of(const wsrt_monitor *m, const struct ring *ring, uint32_t number)
{
    struct histogram h = {
        .from = ring, .chunk = ring_chunk, .bits = m->bits, .chunks = m->chunks, .max = UINT64_MAX};
    uint64_t count = wsrt_histogram_total(&h);

    return (struct minute){.number = number,
                           .count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX,
                           .max = (float)wsrt_histogram_quantile(&h, 1),
                           .p50 = (float)wsrt_histogram_quantile(&h, 0.5),
                           .p99 = (float)wsrt_histogram_quantile(&h, 0.99)};
}

static void end_minute(const wsrt_monitor *m, int id, struct ring *ring, uint32_t number)
{
    struct sums sums;

    wsrt_read_sums(m, id, &sums);
    take_histogram(m, id, ring);
    struct minute minute = minute_of(m, ring, number);
    minute.sum = sums.counters[DURATION_SUM] - ring->sum;
    minute.errors = (uint32_t)(sums.counters[FAILED] - ring->errors);
    ring->minutes[number % TREND_MINUTES] = minute;
    ring->sum = sums.counters[DURATION_SUM];
    ring->errors = sums.counters[FAILED];
}

/* ---- what the ring says ---- */

static double value_of(const struct minute *minute, int which)
{
    if (which == TREND_P99)
        return (double)minute->p99;
    double sum = which == TREND_ERRORS ? (double)minute->errors : (double)minute->sum;
    return sum / (double)minute->count;
}

/* NULL when the minute is empty or of an earlier day. */
static const struct minute *minute_at(const struct ring *ring, uint32_t last, uint32_t age)
{
    const struct minute *minute = &ring->minutes[(last - age) % TREND_MINUTES];

    return minute->count > 0 && minute->number == last - age ? minute : NULL;
}

static void swap(double *a, double *b)
{
    double kept = *a;

    *a = *b;
    *b = kept;
}

/* Hoare's selection: the middle one, in linear time. */
static double median(double *v, size_t count)
{
    size_t low = 0, high = count - 1, middle = count / 2;

    while (low < high) {
        double pivot = v[low + (high - low) / 2];
        size_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i > j)
                break;
            swap(&v[i++], &v[j]);
            if (j-- == 0)
                break;
        }
        if (middle <= j && j < high)
            high = j;
        else if (middle >= i)
            low = i;
        else
            break;
    }
    return v[middle];
}

static double baseline(const struct ring *ring, uint32_t last, int which, size_t *minutes)
{
    double values[TREND_MINUTES];
    size_t older = 0;

    *minutes = 0;
    for (uint32_t age = 0; age < TREND_MINUTES && age <= last; age++) {
        const struct minute *minute = minute_at(ring, last, age);
        if (minute == NULL)
            continue;
        ++*minutes;
        if (age >= RECENT)
            values[older++] = value_of(minute, which);
    }
    return older == 0 ? 0 : median(values, older);
}

static double current(const struct ring *ring, uint32_t last, int which, uint64_t *completions)
{
    double sum = 0;

    *completions = 0;
    for (uint32_t age = 0; age < RECENT && age <= last; age++) {
        const struct minute *minute = minute_at(ring, last, age);
        if (minute == NULL)
            continue;
        *completions += minute->count;
        sum += value_of(minute, which) * (double)minute->count;
    }
    return *completions == 0 ? 0 : sum / (double)*completions;
}

/* Least squares; a minute. */
static double slope(const struct ring *ring, uint32_t last, int which)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;

    for (uint32_t age = 0; age < SLOPE_MINUTES && age <= last; age++) {
        const struct minute *minute = minute_at(ring, last, age);
        if (minute == NULL)
            continue;
        double at = -(double)age, value = value_of(minute, which);
        n++;
        x += at;
        y += value;
        xx += at * at;
        xy += at * value;
    }
    double spread = n * xx - x * x;
    return spread > 0 ? (n * xy - x * y) / spread : 0;
}

static struct trend read_trend(const struct ring *ring, uint32_t last, int which)
{
    size_t minutes;
    uint64_t completions;
    struct trend t = {.baseline = baseline(ring, last, which, &minutes)};
    double by = t.baseline;

    t.current = current(ring, last, which, &completions);
    if (which == TREND_ERRORS && by < least_error_rate)
        by = least_error_rate;
    t.is_known = minutes >= LEAST_MINUTES && completions >= LEAST_RECENT && by > 0;
    if (!t.is_known)
        return t;
    t.ratio = t.current / by;
    t.slope = slope(ring, last, which) * SLOPE_MINUTES / by * 100;
    return t;
}

/* A level holds until its ratio is below 0.9 of its limit. */
static int level_of(const struct trend *t, int which, int old)
{
    int level = 0;

    if (!t->is_known)
        return 0;
    for (int i = 0; i < LEVELS; i++) {
        int held = old > i && t->ratio >= 0.9 * limits[i];
        int reached = t->ratio > limits[i] &&
                      (which != TREND_ERRORS || t->current - t->baseline > least_error_rise);
        if (held || reached)
            level = i + 1;
    }
    return level;
}

static void tell(wsrt_monitor *m, int id, int which, int old, const struct trend *t, int64_t wall)
{
    int told = t->level > old ? t->level : old;
    const wsrt_alert alert = {
        .struct_size = sizeof alert,
        .operation = id,
        .operation_cstr = m->operations[id]->name,
        .watched = WSRT_WATCH_TREND_DURATION + which,
        .old_level = old,
        .new_level = t->level,
        .value = t->ratio,
        .limit = limits[told - 1],
        .wall = wall,
    };

    if (m->on_alert != NULL)
        m->on_alert(&alert, m->alert_user);
}

static void evaluate(wsrt_monitor *m, int id, const struct ring *ring, uint32_t number,
                     int64_t wall)
{
    struct history *h = &m->operations[id]->history;

    for (int which = 0; which < TRENDS; which++) {
        struct trend t = read_trend(ring, number, which);
        int old = h->trends[which].level;
        t.level = level_of(&t, which, old);
        pthread_mutex_lock(&m->lock);
        h->trends[which] = t;
        pthread_mutex_unlock(&m->lock);
        if (t.level != old)
            tell(m, id, which, old, &t, wall);
    }
}

/* The operation's ring from its first completion on; without memory for it there is no trend. */
static struct ring *ring_of(wsrt_monitor *m, int id)
{
    struct operation *o = m->operations[id];
    struct histogram h = wsrt_live_histogram(m, id, 0);

    if (o->ring != NULL)
        return o->ring;
    pthread_mutex_lock(&m->lock);
    int is_used = wsrt_histogram_total(&h) > 0;
    pthread_mutex_unlock(&m->lock);
    if (is_used)
        o->ring = wsrt_mem_zalloc(&m->allocator, ring_size(m));
    return o->ring;
}

void wsrt_trends_roll(wsrt_monitor *m, uint32_t number, int64_t wall)
{
    int count = atomic_load_explicit(&m->operation_count, memory_order_acquire);

    for (int id = 0; id < count && m->has_trends; id++) {
        struct ring *ring = ring_of(m, id);
        if (ring == NULL)
            continue;
        pthread_mutex_lock(&m->lock);
        end_minute(m, id, ring, number);
        pthread_mutex_unlock(&m->lock);
        evaluate(m, id, ring, number, wall);
    }
}

/* ---- rings of other monitors ---- */

int wsrt_ring_touch(wsrt_monitor *m, int id)
{
    struct operation *o = m->operations[id];

    if (o->ring == NULL)
        o->ring = wsrt_mem_zalloc(&m->allocator, ring_size(m));
    return o->ring == NULL ? WSRT_ERR_NOMEM : WSRT_OK;
}

size_t wsrt_ring_read(wsrt_monitor *m, int id, struct minute_view *out)
{
    const struct ring *ring;
    size_t count = 0;

    pthread_mutex_lock(&m->lock);
    ring = m->operations[id]->ring;
    uint32_t last = m->minutes.number - 1;
    for (uint32_t age = 0; ring != NULL && age < TREND_MINUTES; age++) {
        const struct minute *minute = minute_at(ring, last, age);
        if (minute != NULL)
            out[count++] = (struct minute_view){.age = age,
                                                .count = minute->count,
                                                .errors = minute->errors,
                                                .sum = minute->sum,
                                                .max = (uint64_t)minute->max,
                                                .p50 = (uint64_t)minute->p50,
                                                .p99 = (uint64_t)minute->p99};
    }
    pthread_mutex_unlock(&m->lock);
    return count;
}

static float mean_of(float a, uint32_t a_count, uint64_t b, uint32_t b_count)
{
    double all = (double)a_count + (double)b_count;

    return (float)((double)a * ((double)a_count / all) + (double)b * ((double)b_count / all));
}

/* Of minutes that both have, quantiles are the mean by count. */
void wsrt_ring_merge(wsrt_monitor *m, int id, const struct minute_view *from)
{
    struct ring *ring = m->operations[id]->ring;
    uint32_t number = m->minutes.number - 1 - (uint32_t)from->age;

    if (ring == NULL || from->age >= TREND_MINUTES || from->count == 0)
        return;
    struct minute *to = &ring->minutes[number % TREND_MINUTES];
    if (to->number != number)
        *to = (struct minute){.number = number};
    uint32_t count = (uint32_t)from->count;
    to->p50 = mean_of(to->p50, to->count, from->p50, count);
    to->p99 = mean_of(to->p99, to->count, from->p99, count);
    to->max = to->max > (float)from->max ? to->max : (float)from->max;
    to->sum = sum_saturating(to->sum, from->sum);
    to->errors += (uint32_t)from->errors;
    to->count = to->count > UINT32_MAX - count ? UINT32_MAX : to->count + count;
}

void wsrt_ring_rebase(wsrt_monitor *m, int id)
{
    struct ring *ring = m->operations[id]->ring;
    struct sums sums;

    if (ring == NULL)
        return;
    wsrt_read_sums(m, id, &sums);
    take_histogram(m, id, ring);
    ring->sum = sums.counters[DURATION_SUM];
    ring->errors = sums.counters[FAILED];
}
