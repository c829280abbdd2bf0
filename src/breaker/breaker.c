/* One breaker: its state, generation and deadline in one word, changed by compare-and-swap only. */
#include "breaker/breaker_internal.h"

#include "base/options.h"

enum {
    STATE_SHIFT = 61,
    GENERATION_SHIFT = 41,
    GENERATION_BITS = 20,
    PROBE_GENERATION_SHIFT = 44,
    PROBE_FLIGHT_SHIFT = 34,
    PROBE_SUCCESS_SHIFT = 24,
};
static const uint64_t generation_mask = ((uint64_t)1 << GENERATION_BITS) - 1;
static const uint64_t deadline_max = ((uint64_t)1 << GENERATION_SHIFT) - 1;
static const uint64_t ticket_mask = ((uint64_t)1 << PROBE_SUCCESS_SHIFT) - 1;
static const uint64_t probe_mask = 1023;
static const int64_t ms = 1000000;

/* Layout of a permit: [0] = valid | probe | ticket (24) | generation (38), [1] = when granted. */
static const uint64_t permit_valid = (uint64_t)1 << 63;
static const uint64_t permit_probe = (uint64_t)1 << 62;
enum { PERMIT_TICKET_SHIFT = 38 };
static const uint64_t permit_generation = ((uint64_t)1 << PERMIT_TICKET_SHIFT) - 1;

static int state_of(uint64_t word)
{
    return (int)(word >> STATE_SHIFT);
}

static uint64_t generation_of(uint64_t word)
{
    return word >> GENERATION_SHIFT & generation_mask;
}

static uint64_t word_of(int state, uint64_t generation, uint64_t deadline)
{
    return (uint64_t)state << STATE_SHIFT | (generation & generation_mask) << GENERATION_SHIFT |
           (deadline > deadline_max ? deadline_max : deadline);
}

/* The generation of a word with the bits that the word has no room for. */
static uint64_t full_generation(const wsrt_breaker *b, uint64_t word)
{
    uint64_t counted = atomic_load_explicit(&b->transitions, memory_order_acquire);
    uint64_t ahead = (generation_of(word) - counted) & generation_mask;

    /* The counter follows the word, so the word is ahead by a little, or this read of it is old. */
    if (ahead > generation_mask / 2)
        return (counted - (generation_mask + 1 - ahead)) & permit_generation;
    return (counted + ahead) & permit_generation;
}

static int64_t since_base(const wsrt_breaker *b, int64_t now)
{
    int64_t t;

    return __builtin_sub_overflow(now, b->registry->base, &t) || t < 0 ? 0 : t;
}

static uint64_t deadline_after(int64_t t, int64_t wait_ms)
{
    return (uint64_t)((t + ms - 1) / ms + wait_ms);
}

static int64_t left_ms(uint64_t word, int64_t t)
{
    int64_t left = (int64_t)(word & deadline_max) - t / ms;

    return left < 0 ? 0 : left;
}

static int is_due(uint64_t word, int64_t t)
{
    return t / ms >= (int64_t)(word & deadline_max);
}

static int swap(wsrt_breaker *b, uint64_t from, int state, uint64_t deadline)
{
    uint64_t to = word_of(state, generation_of(from) + 1, deadline);

    if (!atomic_compare_exchange_strong(&b->word, &from, to))
        return 0;
    atomic_fetch_add_explicit(&b->transitions, 1, memory_order_release);
    return 1;
}

/* ---- acquiring ---- */

static int reject(wsrt_breaker *b, wsrt_rejection *why, int reason, int64_t retry_after)
{
    atomic_fetch_add_explicit(&b->rejected, 1, memory_order_relaxed);
    if (why != NULL)
        *why = (wsrt_rejection){.reason = reason, .retry_after_ms = retry_after};
    return WSRT_ERR_CIRCUIT_OPEN;
}

static uint64_t probes_for(uint64_t word, uint64_t probes)
{
    if (probes >> PROBE_GENERATION_SHIFT == generation_of(word))
        return probes;
    return generation_of(word) << PROBE_GENERATION_SHIFT | (probes & ticket_mask);
}

/* Takes a probe's place in the round of this word: its ticket, or -1 when all are taken. */
static int64_t take_probe(wsrt_breaker *b, uint64_t word)
{
    uint64_t old = atomic_load(&b->probes), new;

    do {
        new = probes_for(word, old);
        if ((new >> PROBE_FLIGHT_SHIFT &probe_mask) >=
            (uint64_t)b->settings.config.half_open_permits)
            return -1;
        new += (uint64_t)1 << PROBE_FLIGHT_SHIFT;
        new = (new & ~ticket_mask) | ((new + 1) & ticket_mask);
    } while (!atomic_compare_exchange_weak(&b->probes, &old, new));
    return (int64_t)(new &ticket_mask);
}

static void grant(const wsrt_breaker *b, uint64_t word, int64_t now, uint64_t flags,
                  wsrt_permit *out)
{
    out->opaque[0] = permit_valid | flags | full_generation(b, word);
    out->opaque[1] = (uint64_t)now;
}

static int acquire_half_open(wsrt_breaker *b, uint64_t word, int64_t now, wsrt_permit *out,
                             wsrt_rejection *why)
{
    int64_t ticket = take_probe(b, word);

    if (ticket < 0)
        return reject(b, why, WSRT_REJECT_PROBE_BUSY, left_ms(word, since_base(b, now)));
    grant(b, word, now, permit_probe | (uint64_t)ticket << PERMIT_TICKET_SHIFT, out);
    return WSRT_OK;
}

int wsrt_breaker_try_acquire(wsrt_breaker *b, int64_t now, wsrt_permit *out, wsrt_rejection *why)
{
    if (b == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);

    if (state_of(word) == WSRT_BREAKER_CLOSED) {
        grant(b, word, now, 0, out);
        return WSRT_OK;
    }
    int64_t t = since_base(b, now);
    for (;;) {
        int state = state_of(word);
        if (state == WSRT_BREAKER_CLOSED) {
            grant(b, word, now, 0, out);
            return WSRT_OK;
        }
        if (state == WSRT_BREAKER_OPEN && !is_due(word, t))
            return reject(b, why, WSRT_REJECT_OPEN, left_ms(word, t));
        uint64_t probes = probes_for(word, atomic_load(&b->probes));
        int full = (probes >> PROBE_FLIGHT_SHIFT & probe_mask) >=
                   (uint64_t)b->settings.config.half_open_permits;
        if (state == WSRT_BREAKER_HALF_OPEN && !(full && is_due(word, t)))
            return acquire_half_open(b, word, now, out, why);
        /* The wait is over, or every probe of the round is overdue: a new round. */
        (void)swap(b, word, WSRT_BREAKER_HALF_OPEN, deadline_after(t, b->settings.lease_ms));
        word = atomic_load(&b->word);
    }
}

/* ---- settling ---- */

static double unit_random(const wsrt_breakers *r)
{
    uint32_t word = 0;

    if (r->env.random(r->env.user, &word, sizeof word) != WSRT_OK)
        return 0;
    return (double)word / 4294967296.0;
}

static int64_t wait_ms(const wsrt_breaker *b, uint32_t growth)
{
    const wsrt_breaker_config *c = &b->settings.config;
    double wait = (double)c->recovery_timeout_ms;
    double cap = (double)c->max_recovery_timeout_ms;

    if (cap < wait)
        cap = wait;
    for (uint32_t i = 0; i < growth && c->backoff_factor > 1 && wait < cap; i++)
        wait *= c->backoff_factor;
    if (wait > cap)
        wait = cap;
    if (c->jitter > 0)
        wait *= 1 + c->jitter * unit_random(b->registry);
    return (int64_t)wait;
}

static int open(wsrt_breaker *b, uint64_t word, int64_t t, uint32_t growth)
{
    if (!swap(b, word, WSRT_BREAKER_OPEN, deadline_after(t, wait_ms(b, growth))))
        return 0;
    atomic_store(&b->growth, growth);
    atomic_fetch_add_explicit(&b->opened, 1, memory_order_relaxed);
    return 1;
}

static void close_circuit(wsrt_breaker *b, uint64_t word)
{
    if (!swap(b, word, WSRT_BREAKER_CLOSED, 0))
        return;
    atomic_store(&b->growth, 0);
    atomic_store(&b->run, 0);
    wsrt_window_clear(&b->window, generation_of(word) + 1);
}

static void judge(wsrt_breaker *b, uint64_t word, int64_t epoch, int64_t t)
{
    const wsrt_breaker_config *c = &b->settings.config;
    struct counts sum = wsrt_window_sum(&b->window, epoch, generation_of(word));
    uint64_t total = sum.failures + sum.successes;

    if (total < (uint64_t)c->minimum_request_count ||
        sum.failures < (uint64_t)c->failure_threshold ||
        (double)sum.failures < c->min_failure_rate * (double)total)
        return;
    if (c->mode == WSRT_BREAKER_CONSECUTIVE &&
        atomic_load(&b->run) < (uint64_t)c->failure_threshold)
        return;
    if (open(b, word, t, 0)) {
        atomic_store(&b->trip_failures, sum.failures);
        atomic_store(&b->trip_successes, sum.successes);
    }
}

/* Last times need a millisecond's precision: most calls find it unchanged and write nothing. */
static void note_time(_Atomic int64_t *last, int64_t t)
{
    if (atomic_load_explicit(last, memory_order_relaxed) / ms != t / ms)
        atomic_store_explicit(last, t, memory_order_relaxed);
}

static void count_closed(wsrt_breaker *b, uint64_t word, int64_t t, int failure)
{
    int64_t epoch = wsrt_window_epoch(&b->window, &b->settings, t);

    wsrt_window_add(&b->window, epoch, generation_of(word), failure);
    if (!failure) {
        note_time(&b->last_success, t);
        if (b->settings.config.mode == WSRT_BREAKER_CONSECUTIVE && atomic_load(&b->run) != 0)
            atomic_store(&b->run, 0);
        return;
    }
    note_time(&b->last_failure, t);
    if (b->settings.config.mode == WSRT_BREAKER_CONSECUTIVE)
        atomic_fetch_add(&b->run, 1);
    judge(b, word, epoch, t);
}

/* Gives a probe's place back; WSRT_STALE when it has been given back before. */
static int return_probe(wsrt_breaker *b, uint64_t word, uint64_t ticket, int success,
                        uint64_t *successes)
{
    uint64_t old = atomic_load(&b->probes), new;

    do {
        int one_slot = b->settings.config.half_open_permits == 1;
        if (old >> PROBE_GENERATION_SHIFT != generation_of(word) ||
            (old >> PROBE_FLIGHT_SHIFT & probe_mask) == 0 ||
            (one_slot && (old & ticket_mask) != ticket))
            return WSRT_STALE;
        new = old - ((uint64_t)1 << PROBE_FLIGHT_SHIFT);
        if (success)
            new += (uint64_t)1 << PROBE_SUCCESS_SHIFT;
    } while (!atomic_compare_exchange_weak(&b->probes, &old, new));
    *successes = new >> PROBE_SUCCESS_SHIFT &probe_mask;
    return WSRT_OK;
}

static int settle_probe(wsrt_breaker *b, uint64_t word, const wsrt_permit *p, int64_t t,
                        int outcome)
{
    uint64_t ticket = p->opaque[0] >> PERMIT_TICKET_SHIFT & ticket_mask, successes = 0;
    int rc = return_probe(b, word, ticket, outcome == WSRT_SUCCESS, &successes);

    if (rc != WSRT_OK)
        return rc;
    if (outcome == WSRT_FAILURE) {
        note_time(&b->last_failure, t);
        (void)open(b, word, t, atomic_load(&b->growth) + 1); /* lost: another probe failed first */
    } else if (outcome == WSRT_SUCCESS) {
        note_time(&b->last_success, t);
        if (successes >= (uint64_t)b->settings.config.half_open_successes)
            close_circuit(b, word);
    }
    return WSRT_OK;
}

static int classify(wsrt_breaker *b, const wsrt_permit *p, int64_t now, int outcome)
{
    int64_t elapsed;

    if (outcome == WSRT_IGNORED || __builtin_sub_overflow(now, (int64_t)p->opaque[1], &elapsed) ||
        elapsed <= b->settings.slow_ns)
        return outcome;
    atomic_fetch_add_explicit(&b->slow, 1, memory_order_relaxed);
    return b->settings.config.slow_policy == WSRT_SLOW_FAILURE ? WSRT_FAILURE : outcome;
}

static int settle(wsrt_breaker *b, const wsrt_permit *p, int64_t now, int outcome)
{
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);
    int64_t t = since_base(b, now);

    if (full_generation(b, word) != (p->opaque[0] & permit_generation))
        return WSRT_STALE;
    if ((p->opaque[0] & permit_probe) != 0)
        return state_of(word) == WSRT_BREAKER_HALF_OPEN ? settle_probe(b, word, p, t, outcome)
                                                        : WSRT_STALE;
    if (outcome != WSRT_IGNORED)
        count_closed(b, word, t, outcome == WSRT_FAILURE);
    return WSRT_OK;
}

int wsrt_breaker_record(wsrt_breaker *b, wsrt_permit *p, int64_t now, int outcome)
{
    if (b == NULL || p == NULL || (p->opaque[0] & permit_valid) == 0 || outcome < WSRT_SUCCESS ||
        outcome > WSRT_IGNORED)
        return WSRT_ERR_INVALID;
    int rc = settle(b, p, now, classify(b, p, now, outcome));
    if (rc == WSRT_STALE)
        atomic_fetch_add_explicit(&b->stale, 1, memory_order_relaxed);
    else if (outcome == WSRT_IGNORED)
        atomic_fetch_add_explicit(&b->ignored, 1, memory_order_relaxed);
    *p = (wsrt_permit){{0, 0}};
    return rc;
}

int wsrt_breaker_release(wsrt_breaker *b, wsrt_permit *p, int64_t now)
{
    if (b == NULL || p == NULL || (p->opaque[0] & permit_valid) == 0)
        return WSRT_ERR_INVALID;
    int rc = settle(b, p, now, WSRT_IGNORED);
    *p = (wsrt_permit){{0, 0}};
    return rc;
}

/* ---- statistics ---- */

static int64_t wall_of(int64_t wall, int64_t t, int64_t when)
{
    return when < 0 ? -1 : wall - (t - when) / ms;
}

static void fill_counts(const wsrt_breaker *b, uint64_t word, int64_t t, wsrt_breaker_stats *out)
{
    struct counts c = {atomic_load(&b->trip_failures), atomic_load(&b->trip_successes)};

    if (out->state == WSRT_BREAKER_CLOSED)
        c = wsrt_window_sum(&b->window, wsrt_window_epoch(&b->window, &b->settings, t),
                            generation_of(word));
    out->failure_count = c.failures;
    out->success_count = c.successes;
    out->total_requests = c.failures + c.successes;
    if (out->total_requests > 0)
        out->failure_rate = (double)c.failures / (double)out->total_requests;
}

int wsrt_breaker_get_stats(wsrt_breaker *b, int64_t now, int64_t wall, wsrt_breaker_stats *out)
{
    if (b == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    uint64_t word = atomic_load(&b->word);
    int64_t t = since_base(b, now);
    struct counts lifetime = wsrt_window_lifetime(&b->window);
    wsrt_breaker_stats s = {
        .struct_size = sizeof s,
        .state = state_of(word),
        .true_state = state_of(word),
        .last_failure_time = wall_of(wall, t, atomic_load(&b->last_failure)),
        .last_success_time = wall_of(wall, t, atomic_load(&b->last_success)),
        .next_attempt_time = -1,
        .rejected = atomic_load(&b->rejected),
        .stale = atomic_load(&b->stale),
        .slow = atomic_load(&b->slow),
        .ignored = atomic_load(&b->ignored),
        .opened = atomic_load(&b->opened),
        .lifetime_failures = lifetime.failures,
        .lifetime_successes = lifetime.successes,
        .generation = full_generation(b, word),
    };

    if (s.state == WSRT_BREAKER_OPEN) {
        s.probe_ready = is_due(word, t);
        s.next_attempt_time = wall + (int64_t)(word & deadline_max) - t / ms;
    }
    fill_counts(b, word, t, &s);
    return wsrt_report_fill(out, sizeof s, sizeof s, &s);
}
