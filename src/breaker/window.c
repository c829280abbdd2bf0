/* Counts of a sliding window without a lock. */
#include "base/wide.h"
#include "breaker/breaker_internal.h"

static struct counts counts_of(uint64_t bucket)
{
    return (struct counts){bucket >> COUNT_BITS & COUNT_MOST, bucket & COUNT_MOST};
}

static void retire(struct window *w, uint64_t bucket)
{
    struct counts c = counts_of(bucket);

    if (c.failures > 0)
        atomic_fetch_add_explicit(&w->past_failures, c.failures, memory_order_relaxed);
    if (c.successes > 0)
        atomic_fetch_add_explicit(&w->past_successes, c.successes, memory_order_relaxed);
}

void wsrt_window_init(struct window *w)
{
    atomic_init(&w->at, 0);
    for (size_t i = 0; i < BUCKETS; i++)
        atomic_init(&w->buckets[i], 0);
    atomic_init(&w->past_failures, 0);
    atomic_init(&w->past_successes, 0);
    atomic_init(&w->last_failure, NEVER);
    atomic_init(&w->last_success, NEVER);
}

/* Buckets of other settings are numbered from a higher start: to this file a new window length is a
 * long silence, and a late record under the old one falls into the newest bucket. */
static int64_t epoch_of(const struct settings *s, int64_t t)
{
    uint64_t width = (uint64_t)s->bucket_ns, low;
    int64_t epoch = (int64_t)wsrt_mul_wide((uint64_t)t, s->bucket_inverse, &low);

    /* The reciprocal is rounded down: the quotient is short by at most one. */
    if ((uint64_t)t - (uint64_t)epoch * width >= width)
        epoch++;
    return s->first + epoch;
}

int64_t wsrt_window_epoch(const struct window *w, const struct settings *s, int64_t t)
{
    int64_t epoch = epoch_of(s, t);
    int64_t latest = epoch_at(atomic_load_explicit(&w->at, memory_order_relaxed));

    return epoch < latest ? latest : epoch;
}

/* Empties the buckets between the latest epoch and a new one, then moves on. Whoever loads a bucket
 * after another thread has moved on finds `at` changed and leaves the bucket alone. */
static void advance(struct window *w, int64_t to)
{
    uint64_t from = atomic_load(&w->at);

    while (epoch_at(from) < to) {
        int64_t before = epoch_at(from);
        int64_t first = to - before > BUCKETS ? to - BUCKETS + 1 : before + 1;
        uint64_t seen = from;
        for (int64_t e = first; e <= to && seen == from; e++) {
            _Atomic uint64_t *slot = &w->buckets[(uint64_t)e % BUCKETS];
            uint64_t old = atomic_load(slot);
            seen = atomic_load(&w->at);
            if (old != 0 && seen == from && atomic_compare_exchange_strong(slot, &old, 0))
                retire(w, old);
        }
        (void)atomic_compare_exchange_strong(&w->at, &from, place_of(to)); /* reloads if lost */
    }
}

/* Counts into a bucket; 0 when it is full or the window has moved past it meanwhile. */
static int count_into(struct window *w, int64_t epoch, uint64_t tag, int failure)
{
    _Atomic uint64_t *slot = &w->buckets[(uint64_t)epoch % BUCKETS];
    uint64_t one = failure ? (uint64_t)1 << COUNT_BITS : 1;
    uint64_t mask = failure ? (uint64_t)COUNT_MOST << COUNT_BITS : COUNT_MOST;
    uint64_t old = atomic_load(slot), new;

    do {
        if (epoch_at(atomic_load(&w->at)) - epoch >= BUCKETS)
            return 0;
        if (tag_of(old) != tag)
            new = tag | one;
        else if ((old & mask) == mask)
            return 0; /* saturated: only the lifetime goes on */
        else
            new = old + one;
    } while (!atomic_compare_exchange_weak(slot, &old, new));
    if (tag_of(old) != tag)
        retire(w, old);
    return 1;
}

void wsrt_window_add(struct window *w, int64_t epoch, uint64_t generation, int failure)
{
    if (epoch > epoch_at(atomic_load(&w->at)))
        advance(w, epoch);
    if (!count_into(w, epoch, bucket_tag(epoch, generation), failure))
        retire(w, failure ? (uint64_t)1 << COUNT_BITS : 1);
}

void wsrt_window_add_past(struct window *w, int failure)
{
    retire(w, failure ? (uint64_t)1 << COUNT_BITS : 1);
}

/* Buckets after the stripe's latest are not entered yet: what stands there is of an earlier turn. */
static struct counts sum_stripe(const struct window *w, int64_t epoch, uint64_t generation)
{
    struct counts total = {0, 0};
    int64_t latest = epoch_at(atomic_load(&w->at));
    int64_t newest = epoch < latest ? epoch : latest;
    size_t slot = (size_t)((uint64_t)newest % BUCKETS);

    for (int64_t e = newest; e >= 0 && e > epoch - BUCKETS; e--) {
        uint64_t bucket = atomic_load(&w->buckets[slot]);
        uint64_t ours = -(uint64_t)(tag_of(bucket) == bucket_tag(e, generation));
        total.failures += bucket >> COUNT_BITS & COUNT_MOST & ours;
        total.successes += bucket & COUNT_MOST & ours;
        slot = slot == 0 ? BUCKETS - 1 : slot - 1;
    }
    return total;
}

void wsrt_window_read(const wsrt_breaker *b, const struct settings *s, int64_t t,
                      uint64_t generation, struct counts out[BUCKETS])
{
    int64_t now = epoch_of(s, t);

    for (int64_t i = 0; i < BUCKETS; i++) {
        out[i] = (struct counts){0, 0};
        for (size_t n = 0; n <= b->stripe_mask; n++) {
            const struct window *w = breaker_stripe(b, n);
            uint64_t bucket = atomic_load(&w->buckets[(uint64_t)(now - i) % BUCKETS]);
            if (epoch_at(atomic_load(&w->at)) < now - i ||
                tag_of(bucket) != bucket_tag(now - i, generation))
                continue;
            out[i].failures += counts_of(bucket).failures;
            out[i].successes += counts_of(bucket).successes;
        }
    }
}

static uint64_t capped(uint64_t count)
{
    return count < COUNT_MOST ? count : COUNT_MOST;
}

int wsrt_window_put(struct window *w, const struct settings *s, int64_t t, int64_t age,
                    struct put put)
{
    int64_t now = wsrt_window_epoch(w, s, t);
    int64_t buckets_ago = (age - t % s->bucket_ns + s->bucket_ns - 1) / s->bucket_ns;
    int64_t epoch = now - (age > t % s->bucket_ns ? buckets_ago : 0);

    if (now - epoch >= BUCKETS || put.counts.failures + put.counts.successes == 0)
        return 0;
    if (now > epoch_at(atomic_load(&w->at)))
        advance(w, now);
    uint64_t new = bucket_tag(epoch, put.generation) | capped(put.counts.failures) << COUNT_BITS |
                   capped(put.counts.successes);
    uint64_t old = atomic_exchange(&w->buckets[(uint64_t)epoch % BUCKETS], new);
    retire(w, old);
    return 1;
}

/* Every stripe is read as of the latest record of any: two threads with different clocks, each adding
 * and then summing, cannot both miss the other. */
struct counts wsrt_window_sum(const wsrt_breaker *b, const struct settings *s, int64_t t,
                              uint64_t generation)
{
    struct counts total = {0, 0};
    int64_t epoch = epoch_of(s, t);

    for (size_t i = 0; i <= b->stripe_mask; i++) {
        int64_t latest = epoch_at(atomic_load(&breaker_stripe(b, i)->at));
        epoch = latest > epoch ? latest : epoch;
    }
    for (size_t i = 0; i <= b->stripe_mask; i++) {
        struct counts c = sum_stripe(breaker_stripe(b, i), epoch, generation);
        total.failures += c.failures;
        total.successes += c.successes;
    }
    return total;
}

uint64_t wsrt_window_slow(const wsrt_breaker *b, const struct settings *s, int64_t t,
                          uint64_t generation)
{
    unsigned char *slow = atomic_load(&b->slow);
    int64_t epoch = epoch_of(s, t);
    uint64_t total = 0;

    if (slow == NULL)
        return 0;
    for (size_t i = 0; i <= b->stripe_mask; i++) {
        int64_t latest = epoch_at(atomic_load(&breaker_stripe(b, i)->at));
        epoch = latest > epoch ? latest : epoch;
    }
    for (size_t i = 0; i <= b->stripe_mask; i++)
        total += sum_stripe(slow_stripe(slow, i), epoch, generation).failures;
    return total;
}

struct counts wsrt_window_lifetime(const wsrt_breaker *b)
{
    struct counts total = {0, 0};

    for (size_t n = 0; n <= b->stripe_mask; n++) {
        const struct window *w = breaker_stripe(b, n);
        total.failures += atomic_load_explicit(&w->past_failures, memory_order_relaxed);
        total.successes += atomic_load_explicit(&w->past_successes, memory_order_relaxed);
        for (size_t i = 0; i < BUCKETS; i++) {
            struct counts c = counts_of(atomic_load_explicit(&w->buckets[i], memory_order_relaxed));
            total.failures += c.failures;
            total.successes += c.successes;
        }
    }
    return total;
}

static void clear_stripe(struct window *w, uint64_t generation)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        uint64_t old = atomic_load(&w->buckets[i]);
        if (old != 0 && old >> GENERATION_TAG_SHIFT != (generation & 0xff) &&
            atomic_compare_exchange_strong(&w->buckets[i], &old, 0))
            retire(w, old);
    }
}

void wsrt_window_clear(const wsrt_breaker *b, uint64_t generation)
{
    unsigned char *slow = atomic_load(&b->slow);

    for (size_t i = 0; i <= b->stripe_mask; i++) {
        clear_stripe(breaker_stripe(b, i), generation);
        if (slow != NULL)
            clear_stripe(slow_stripe(slow, i), generation);
    }
}
