/* Counts of a sliding window without a lock. */
#include "base/wide.h"
#include "breaker/breaker_internal.h"

#include <string.h>

static struct counts counts_of(uint64_t bucket)
{
    return (struct counts){failures_in(bucket), bucket & COUNT_MOST};
}

static int is_empty(uint64_t bucket)
{
    return bucket << (64 - EPOCH_TAG_SHIFT) == 0;
}

/* What a bucket is when it was put away. It has a number, too: nobody may take it for one that he saw
 * before. The number is another than that of the calls: who comes late must not count into the latest bucket
 * again after it was copied. */
static uint64_t empty_bucket(int64_t epoch)
{
    return bucket_tag(epoch ^ 0x80, 0);
}

static int is_of(uint64_t bucket, int64_t epoch)
{
    return (uint8_t)(bucket >> EPOCH_TAG_SHIFT) == (uint8_t)epoch;
}

static _Atomic uint64_t *place_for(struct stripe w, int64_t epoch)
{
    return &w.earlier->buckets[(uint64_t)epoch % EARLIER];
}

static void retire(struct stripe w, uint64_t bucket)
{
    struct counts c = counts_of(bucket);

    if (c.failures > 0)
        atomic_fetch_add_explicit(&w.earlier->past_failures, c.failures, memory_order_relaxed);
    if (c.successes > 0)
        atomic_fetch_add_explicit(&w.earlier->past_successes, c.successes, memory_order_relaxed);
}

void wsrt_window_init(struct stripe w)
{
    atomic_init(&w.latest->at, 0);
    atomic_init(&w.latest->bucket, 0);
    for (size_t i = 0; i < EARLIER; i++)
        atomic_init(&w.earlier->buckets[i], 0);
    atomic_init(&w.earlier->past_failures, 0);
    atomic_init(&w.earlier->past_successes, 0);
    atomic_init(&w.earlier->last_failure, NEVER);
    atomic_init(&w.latest->last_success, NEVER);
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

int64_t wsrt_window_epoch(struct stripe w, const struct settings *s, int64_t t)
{
    int64_t epoch = epoch_of(s, t);
    int64_t latest = epoch_at(atomic_load_explicit(&w.latest->at, memory_order_relaxed));

    return epoch < latest ? latest : epoch;
}

/* Puts the latest bucket away, `at` being marked: first its copy is in its place, then it is emptied.
 * Several threads may be at it, each finishing what it finds. A copy counts for nothing by itself:
 * whoever takes the original out accounts for its calls. */
static void put_away(struct stripe w, int64_t at)
{
    int64_t epoch = epoch_at(at);
    _Atomic uint64_t *place = place_for(w, epoch);

    for (;;) {
        uint64_t before = atomic_load(place), bucket = atomic_load(&w.latest->bucket);
        uint64_t kept = is_empty(bucket) ? empty_bucket(epoch) : bucket;
        int is_away = bucket == empty_bucket(epoch);
        if (atomic_load(&w.latest->at) != at || (is_away && is_of(before, epoch)))
            return;
        if (before != kept) {
            uint64_t seen = before;
            if (!atomic_compare_exchange_strong(place, &seen, kept))
                continue;
            if (!is_of(before, epoch))
                retire(w, before);
        }
        if (is_away ||
            atomic_compare_exchange_strong(&w.latest->bucket, &bucket, empty_bucket(epoch)))
            return;
    }
}

/* Empties the buckets that nobody entered. They are marked with the move, not with numbers of their own: a
 * thread behind this one may make a shorter move of it, and then the same buckets are passed over again. */
static void pass_over(struct stripe w, int64_t at, int64_t to)
{
    int64_t first = epoch_at(at) + 1;
    uint64_t passed = bucket_tag(epoch_at(at) ^ 0x80, 1);

    for (int64_t e = to - first > EARLIER ? to - EARLIER : first; e < to; e++) {
        uint64_t before = atomic_load(place_for(w, e));
        if (atomic_load(&w.latest->at) != at)
            return;
        if (before != passed && atomic_compare_exchange_strong(place_for(w, e), &before, passed))
            retire(w, before);
    }
}

static void advance(struct stripe w, int64_t to)
{
    int64_t at = atomic_load(&w.latest->at);

    while (epoch_at(at) < to) {
        if (at >= 0 && !atomic_compare_exchange_strong(&w.latest->at, &at, at | MOVING))
            continue;
        at |= MOVING;
        put_away(w, at);
        pass_over(w, at, to);
        if (atomic_compare_exchange_strong(&w.latest->at, &at, to))
            return;
    }
}

/* By how many generations the bucket is ahead of this one. */
static int ahead_by(uint64_t bucket, uint64_t generation)
{
    return (int8_t)(uint8_t)((bucket >> GENERATION_TAG_SHIFT) - generation);
}

/* The bucket holds calls of a later generation than this one: the call is late. */
static int is_behind(uint64_t generation, uint64_t bucket)
{
    return !is_empty(bucket) && ahead_by(bucket, generation) > 0;
}

/* Counts into the latest bucket; 0 when it is full, or of a later generation. */
static int count_into(struct stripe w, uint64_t generation, int failure)
{
    uint64_t one = failure ? (uint64_t)1 << COUNT_BITS : 1, mask = one * COUNT_MOST;

    for (;;) {
        int64_t at = atomic_load(&w.latest->at);
        uint64_t old = atomic_load(&w.latest->bucket), tag = bucket_tag(at, generation);
        if (at < 0) {
            advance(w, epoch_at(at) + 1); /* that far time has come, or nobody would be moving it */
            continue;
        }
        if (atomic_load(&w.latest->at) != at)
            continue;
        int is_same = tag_of(old) == tag;
        if (is_same ? (old & mask) == mask : is_behind(generation, old))
            return 0;
        uint64_t before = old;
        if (!atomic_compare_exchange_strong(&w.latest->bucket, &old, (is_same ? old : tag) + one))
            continue;
        if (!is_same)
            retire(w, before);
        return 1;
    }
}

void wsrt_window_add(struct stripe w, int64_t epoch, uint64_t generation, int failure)
{
    advance(w, epoch);
    if (!count_into(w, generation, failure))
        retire(w, failure ? (uint64_t)1 << COUNT_BITS : 1); /* only the lifetime goes on */
}

void wsrt_window_add_past(struct stripe w, int failure)
{
    retire(w, failure ? (uint64_t)1 << COUNT_BITS : 1);
}

/* The latest bucket and its number, of one moment. */
struct view {
    int64_t epoch;
    uint64_t bucket;
};

static struct view look_at(struct stripe w)
{
    struct view v;
    int64_t at;

    do {
        at = atomic_load(&w.latest->at);
        v = (struct view){epoch_at(at), atomic_load(&w.latest->bucket)};
    } while (atomic_load(&w.latest->at) != at);
    return v;
}

/* Looked at later than the view: what has been put away since is not met twice, and not missed. */
static uint64_t bucket_of(struct stripe w, const struct view *v, int64_t epoch)
{
    if (epoch == v->epoch && v->bucket != empty_bucket(epoch))
        return v->bucket;
    return atomic_load(place_for(w, epoch));
}

static struct counts counts_if(uint64_t bucket, uint64_t tag)
{
    return tag_of(bucket) == tag ? counts_of(bucket) : (struct counts){0, 0};
}

/* Buckets after the stripe's latest are not entered yet: what stands there is of an earlier turn. */
static struct counts sum_stripe(struct stripe w, int64_t epoch, uint64_t generation)
{
    struct counts total = {0, 0};
    struct view v = look_at(w);

    for (int64_t e = epoch < v.epoch ? epoch : v.epoch; e >= 0 && e > epoch - BUCKETS; e--) {
        struct counts c = counts_if(bucket_of(w, &v, e), bucket_tag(e, generation));
        total.failures += c.failures;
        total.successes += c.successes;
    }
    return total;
}

void wsrt_window_read(const wsrt_breaker *b, const struct settings *s, int64_t t,
                      uint64_t generation, struct counts out[BUCKETS])
{
    int64_t now = epoch_of(s, t);

    memset(out, 0, BUCKETS * sizeof *out);
    for (size_t n = 0; n <= b->stripe_mask; n++) {
        struct stripe w = breaker_stripe(b, n);
        struct view v = look_at(w);
        for (int64_t i = now > v.epoch ? now - v.epoch : 0; i < BUCKETS; i++) {
            struct counts c = counts_if(bucket_of(w, &v, now - i), bucket_tag(now - i, generation));
            out[i].failures += c.failures;
            out[i].successes += c.successes;
        }
    }
}

static uint64_t capped(uint64_t count)
{
    return count < COUNT_MOST ? count : COUNT_MOST;
}

int wsrt_window_put(struct stripe w, const struct settings *s, int64_t t, int64_t age,
                    struct put put)
{
    int64_t now = wsrt_window_epoch(w, s, t);
    int64_t buckets_ago = (age - t % s->bucket_ns + s->bucket_ns - 1) / s->bucket_ns;
    int64_t epoch = now - (age > t % s->bucket_ns ? buckets_ago : 0);

    if (now - epoch >= BUCKETS || put.counts.failures + put.counts.successes == 0)
        return 0;
    advance(w, now);
    uint64_t new = bucket_tag(epoch, put.generation) | capped(put.counts.failures) << COUNT_BITS |
                   capped(put.counts.successes);
    retire(w, atomic_exchange(epoch == now ? &w.latest->bucket : place_for(w, epoch), new));
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
        int64_t latest = epoch_at(atomic_load(&breaker_stripe(b, i).latest->at));
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
    unsigned char *slow = atomic_load(&breaker_ledger(b)->slow);
    int64_t epoch = epoch_of(s, t);
    uint64_t total = 0;

    if (slow == NULL)
        return 0;
    for (size_t i = 0; i <= b->stripe_mask; i++) {
        int64_t latest = epoch_at(atomic_load(&breaker_stripe(b, i).latest->at));
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
        struct stripe w = breaker_stripe(b, n);
        uint64_t latest = atomic_load(&w.latest->bucket);
        struct counts c = counts_of(latest);
        total.failures += c.failures;
        total.successes += c.successes;
        for (size_t i = 0; i < EARLIER; i++) {
            uint64_t bucket = atomic_load(&w.earlier->buckets[i]);
            int is_copy = !is_empty(latest) && is_of(latest, (int64_t)(bucket >> EPOCH_TAG_SHIFT));
            c = is_copy ? (struct counts){0, 0} : counts_of(bucket);
            total.failures += c.failures;
            total.successes += c.successes;
        }
        total.failures += atomic_load_explicit(&w.earlier->past_failures, memory_order_relaxed);
        total.successes += atomic_load_explicit(&w.earlier->past_successes, memory_order_relaxed);
    }
    return total;
}

/* While a bucket is being put away it and its copy are left alone: the next clearing finds it. Calls of a
 * later generation stay, for whoever clears may be held up until the next transition. An emptied one keeps
 * its number, and is not taken for one that was put away: that is of generation 0. */
static void clear_bucket(struct stripe w, _Atomic uint64_t *bucket, uint64_t generation)
{
    int64_t at = atomic_load(&w.latest->at);
    uint64_t old = atomic_load(bucket);
    uint64_t empty = bucket_tag((int64_t)(old >> EPOCH_TAG_SHIFT), generation | 1);

    if (at >= 0 && atomic_load(&w.latest->at) == at && !is_empty(old) &&
        ahead_by(old, generation) < 0 && atomic_compare_exchange_strong(bucket, &old, empty))
        retire(w, old);
}

static void clear_stripe(struct stripe w, uint64_t generation)
{
    clear_bucket(w, &w.latest->bucket, generation);
    for (size_t i = 0; i < EARLIER; i++)
        clear_bucket(w, &w.earlier->buckets[i], generation);
}

void wsrt_window_clear(const wsrt_breaker *b, uint64_t generation)
{
    unsigned char *slow = atomic_load(&breaker_ledger(b)->slow);

    for (size_t i = 0; i <= b->stripe_mask; i++) {
        clear_stripe(breaker_stripe(b, i), generation);
        if (slow != NULL)
            clear_stripe(slow_stripe(slow, i), generation);
    }
}
