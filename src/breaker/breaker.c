/* One breaker: its state, generation and deadline in one word, changed by compare-and-swap only. */
#include "breaker/breaker_internal.h"

enum {
    PROBE_GENERATION_SHIFT = 44,
    PROBE_FLIGHT_SHIFT = 34,
    PROBE_SUCCESS_SHIFT = 24,
    PERMIT_TICKET_SHIFT = 18,
};
static const uint64_t generation_mask = ((uint64_t)1 << GENERATION_BITS) - 1;
static const int64_t deadline_max = ((int64_t)1 << GENERATION_SHIFT) - 1;
static const uint64_t ticket_mask = ((uint64_t)1 << 23) - 1;
static const uint64_t probe_mask = 1023;
static const uint64_t run_count = ((uint64_t)1 << 24) - 1;

/* Layout of a permit: [0] = valid | probe | 0 | generation's low bits (20) | ticket (23) | its high bits
 * (18), [1] = when granted. Without a ticket that is `valid` and the word of a CLOSED breaker. */
static const uint64_t permit_valid = (uint64_t)1 << 63;
static const uint64_t permit_probe = (uint64_t)1 << 62;
static const uint64_t high_mask = ((uint64_t)1 << PERMIT_TICKET_SHIFT) - 1;
static const uint64_t counted_mask = ((uint64_t)1 << (GENERATION_BITS + PERMIT_TICKET_SHIFT)) - 1;

/* Kept out of line, so that the short ways need no frame. */
#define COLD __attribute__((noinline))
#define UNLIKELY(what) __builtin_expect((what), 0)
#define LIKELY(what) __builtin_expect((what), 1)

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a 64-bit atomic must be lock-free");

static uint64_t word_of(int state, uint64_t generation, int64_t deadline)
{
    return (uint64_t)state << STATE_SHIFT | (generation & generation_mask) << GENERATION_SHIFT |
           (uint64_t)(deadline > deadline_max ? deadline_max : deadline);
}

/* A generation as permits have it, and the word of a CLOSED breaker. */
static uint64_t spread(uint64_t generation)
{
    return (generation & generation_mask) << GENERATION_SHIFT |
           (generation >> GENERATION_BITS & high_mask);
}

static uint64_t generation_of_permit(const wsrt_permit *p)
{
    return p->opaque[0] & (generation_mask << GENERATION_SHIFT | high_mask);
}

/* The generation of a word with the bits that the word has no room for. */
uint64_t wsrt_breaker_generation(const wsrt_breaker *b, uint64_t word)
{
    uint64_t counted = atomic_load_explicit(&breaker_ledger(b)->transitions, memory_order_acquire);
    uint64_t ahead = (word_generation(word) - counted) & generation_mask;

    /* The counter follows the word, so the word is ahead by a little, or this read of it is old. */
    if (ahead > generation_mask / 2)
        return (counted - (generation_mask + 1 - ahead)) & counted_mask;
    return (counted + ahead) & counted_mask;
}

_Static_assert(WSRT_BREAKER_CLOSED == 0, "the word of a closed breaker starts with zeros");

/* ---- changes ---- */

/* Tags are compared round a circle, so that of the probes must not fall half a turn behind, though
 * nobody probes for long. */
static void freshen_probes(wsrt_breaker *b, uint64_t word)
{
    _Atomic uint64_t *probes = &breaker_ledger(b)->probes;
    uint64_t old = atomic_load(probes), generation = word_generation(word);
    uint64_t behind = (generation - (old >> PROBE_GENERATION_SHIFT)) & generation_mask;

    if (behind > generation_mask / 4 && behind < generation_mask / 4 * 3)
        (void)atomic_compare_exchange_strong(probes, &old, generation << PROBE_GENERATION_SHIFT);
}

static void take_effect(wsrt_breaker *b, uint64_t to, const struct move *m)
{
    if (m->growth >= 0)
        atomic_store(&b->growth, (uint16_t)(m->growth > UINT16_MAX ? UINT16_MAX : m->growth));
    if (m->freeze)
        atomic_store(&breaker_ledger(b)->trip_counts,
                     m->counts.failures << 32 | m->counts.successes);
    if (m->state == WSRT_BREAKER_OPEN)
        atomic_fetch_add_explicit(&breaker_ledger(b)->opened, 1, memory_order_relaxed);
    if (m->kind == WSRT_BREAKER_EVENT_PROBE_LOST)
        atomic_fetch_add_explicit(&breaker_ledger(b)->probes_lost, 1, memory_order_relaxed);
    if (m->state != WSRT_BREAKER_HALF_OPEN)
        wsrt_window_clear(b, word_generation(to));
    freshen_probes(b, to);
    if (settings_share(breaker_settings(b)))
        wsrt_fleet_moved(b, m->cause);
}

int wsrt_breaker_move(wsrt_breaker *b, uint64_t from, const struct move *m)
{
    uint64_t generation = wsrt_breaker_generation(b, from) + 1, seen = from;
    uint64_t to = m->state == WSRT_BREAKER_CLOSED ? spread(generation)
                                                  : word_of(m->state, generation, m->deadline);

    if (!atomic_compare_exchange_strong(&b->word, &seen, to))
        return 0;
    take_effect(b, to, m);
    atomic_fetch_add_explicit(&breaker_ledger(b)->transitions, 1, memory_order_release);
    wsrt_breaker_event event = {
        .kind = m->kind,
        .time = breaker_settings(b)->base + m->t,
        .from = word_state(from),
        .to = m->state,
        .cause = m->cause,
        .wait_ms = m->wait_ms,
        .failure_count = m->counts.failures,
        .success_count = m->counts.successes,
    };
    wsrt_breaker_publish(b, &event, generation);
    return 1;
}

static double unit_random(const wsrt_breakers *r)
{
    uint32_t word = 0;

    if (r->env.random(r->env.user, &word, sizeof word) != WSRT_OK)
        return 0;
    return (double)word / 4294967296.0;
}

int64_t wsrt_breaker_wait(const struct settings *s, uint32_t growth)
{
    const wsrt_breaker_config *c = &s->config;
    double wait = (double)c->recovery_timeout_ms;
    double cap = (double)c->max_recovery_timeout_ms;

    if (cap < wait)
        cap = wait;
    for (uint32_t i = 0; i < growth && c->backoff_factor > 1 && wait > 0 && wait < cap; i++)
        wait *= c->backoff_factor;
    if (wait > cap)
        wait = cap;
    if (c->jitter > 0)
        wait *= 1 + c->jitter * unit_random(s->registry);
    return (int64_t)wait;
}

static struct counts frozen(const wsrt_breaker *b)
{
    uint64_t both = atomic_load(&breaker_ledger(b)->trip_counts);

    return (struct counts){both >> 32, both & UINT32_MAX};
}

struct counts wsrt_breaker_counts(const wsrt_breaker *b, const struct settings *s, uint64_t word,
                                  int64_t t)
{
    switch (word_state(word)) {
    case WSRT_BREAKER_OPEN:
    case WSRT_BREAKER_HALF_OPEN:
    case WSRT_BREAKER_FORCED_OPEN:
        return frozen(b);
    default:
        return wsrt_window_sum(b, s, t, word_generation(word));
    }
}

static int open(wsrt_breaker *b, uint64_t word, struct move m)
{
    const struct settings *s = breaker_settings(b);

    m.state = WSRT_BREAKER_OPEN;
    m.kind = WSRT_BREAKER_EVENT_TRANSITION;
    m.wait_ms = wsrt_breaker_wait(s, (uint32_t)m.growth);
    m.deadline = deadline_after(m.t, m.wait_ms);
    return wsrt_breaker_move(b, word, &m);
}

/* ---- acquiring ---- */

/* An atomic addition costs more than all the rest of a rejection, and a flood is when that counts. So
 * the first thread to be rejected owns a counter that no other one writes. Its name is where its
 * control block lies; a later thread in the same place takes the counter over. */
static inline uint64_t this_thread(void)
{
#if defined(__has_builtin)
#if __has_builtin(__builtin_thread_pointer)
    return (uint64_t)(uintptr_t)__builtin_thread_pointer();
#endif
#endif
    return UINT64_MAX; /* nobody's */
}

static inline int count_own_rejection(wsrt_breaker *b)
{
    uint64_t own = atomic_load_explicit(&breaker_ledger(b)->own_rejected, memory_order_relaxed);

    /* Above that it is full, or another thread's. */
    if (UNLIKELY(own - (this_thread() << OWNER_SHIFT) >= OWN_ONE * (uint64_t)REJECTED_MOST))
        return 0;
    atomic_store_explicit(&breaker_ledger(b)->own_rejected, own + OWN_ONE, memory_order_relaxed);
    return 1;
}

static void count_rejection(wsrt_breaker *b)
{
    uint64_t own = atomic_load(&breaker_ledger(b)->own_rejected), self = this_thread();

    if (own == 0 && self >> (64 - OWNER_SHIFT) == 0)
        (void)atomic_compare_exchange_strong(&breaker_ledger(b)->own_rejected, &own,
                                             self << OWNER_SHIFT);
    if (count_own_rejection(b))
        return;
    if (own >> OWNER_SHIFT == self) { /* full */
        atomic_fetch_add(&breaker_ledger(b)->rejected, REJECTED_PARITY + REJECTED_MOST);
        atomic_store(&breaker_ledger(b)->own_rejected,
                     self << OWNER_SHIFT | ((own & OWN_PARITY) ^ OWN_PARITY));
    }
    atomic_fetch_add(&breaker_ledger(b)->rejected, 1);
}

static COLD int reject(wsrt_breaker *b, const struct settings *s, int64_t now,
                       wsrt_rejection because, wsrt_rejection *why)
{
    count_rejection(b);
    if (atomic_load_explicit(&s->registry->events.rejection_listeners, memory_order_relaxed) != 0)
        wsrt_breaker_tell_rejection(b, now, because.reason);
    if (why != NULL)
        *why = because;
    return WSRT_ERR_CIRCUIT_OPEN;
}

static void grant(const wsrt_breaker *b, uint64_t word, int64_t now, uint64_t flags,
                  wsrt_permit *out)
{
    out->opaque[0] = permit_valid | flags | spread(wsrt_breaker_generation(b, word));
    out->opaque[1] = (uint64_t)now;
}

/* The probes of the round of this word: a round that nobody has joined starts from the ticket. */
static uint64_t probes_for(uint64_t word, uint64_t probes)
{
    if (probes >> PROBE_GENERATION_SHIFT == word_generation(word))
        return probes;
    return word_generation(word) << PROBE_GENERATION_SHIFT | (probes & ticket_mask);
}

static uint64_t in_flight(uint64_t probes)
{
    return probes >> PROBE_FLIGHT_SHIFT & probe_mask;
}

/* The word is of an earlier round than the probes: it was read before others moved on. */
static int is_outdated(uint64_t word, uint64_t probes)
{
    uint64_t ahead = ((probes >> PROBE_GENERATION_SHIFT) - word_generation(word)) & generation_mask;

    return ahead != 0 && ahead <= generation_mask / 2;
}

/* A probe gets a whole lease; it stands in the word before the probe is out. */
static int extend_lease(wsrt_breaker *b, uint64_t *word, int64_t deadline)
{
    uint64_t to = word_of(word_state(*word), word_generation(*word), deadline);

    return deadline <= word_deadline(*word) || atomic_compare_exchange_strong(&b->word, word, to);
}

enum { PROBE_TAKEN, PROBES_FULL, WORD_CHANGED };

/* Takes a probe's place in the round of this word. */
static int take_probe(wsrt_breaker *b, const struct settings *s, uint64_t word, int64_t t,
                      uint64_t *ticket)
{
    uint64_t old = atomic_load(&breaker_ledger(b)->probes), new;

    do {
        if (is_outdated(word, old))
            return WORD_CHANGED;
        new = probes_for(word, old);
        if (in_flight(new) >= (uint64_t)s->config.half_open_permits)
            return PROBES_FULL;
        if (!extend_lease(b, &word, deadline_after(t, s->lease_ms)))
            return WORD_CHANGED;
        new += (uint64_t)1 << PROBE_FLIGHT_SHIFT;
        new = (new & ~ticket_mask) | ((new + 1) & ticket_mask);
    } while (!atomic_compare_exchange_weak(&breaker_ledger(b)->probes, &old, new));
    *ticket = new &ticket_mask;
    return PROBE_TAKEN;
}

/* The wait is over, or every probe of the round is overdue. */
static void start_round(wsrt_breaker *b, const struct settings *s, uint64_t word, int64_t t)
{
    int lost = word_state(word) == WSRT_BREAKER_HALF_OPEN;
    struct move m = {
        .state = WSRT_BREAKER_HALF_OPEN,
        .kind = lost ? WSRT_BREAKER_EVENT_PROBE_LOST : WSRT_BREAKER_EVENT_TRANSITION,
        .cause = lost ? 0 : WSRT_CAUSE_WAIT_OVER,
        .growth = -1,
        .t = t,
        .deadline = deadline_after(t, s->lease_ms),
        .wait_ms = s->lease_ms,
        .counts = frozen(b),
    };

    (void)wsrt_breaker_move(b, word, &m);
}

/* A new round, if the fleet leaves it to this process. The store may take its time. */
static int ask_fleet(wsrt_breaker *b, const struct settings *s, uint64_t word, int64_t *now,
                     wsrt_rejection *why)
{
    wsrt_rejection because;
    int claim = CLAIM_GRANTED;

    if (settings_share(s)) {
        claim = wsrt_fleet_claim(b, *now, &because);
        *now = s->registry->env.now(s->registry->env.user);
    }
    if (claim == CLAIM_REFUSED)
        return reject(b, s, *now, because, why);
    if (claim == CLAIM_GRANTED)
        start_round(b, s, word, breaker_time(s, *now));
    return 1;
}

static int look_first(wsrt_breaker *b, const struct settings *s, uint64_t word, int64_t *now)
{
    wsrt_fleet_first_look(b, word);
    *now = s->registry->env.now(s->registry->env.user);
    return 1;
}

/* One look at a breaker that is not CLOSED: a status, or 1 to look again. */
static COLD int ask(wsrt_breaker *b, uint64_t word, int64_t *clock, wsrt_permit *out,
                    wsrt_rejection *why)
{
    const struct settings *s = breaker_settings(b);
    int64_t now = *clock, t = breaker_time(s, now);
    uint64_t ticket;

    if (word_is_unseen(word))
        return look_first(b, s, word, clock);
    switch (word_state(word)) {
    case WSRT_BREAKER_OPEN:
        if (!word_is_due(word, t))
            return reject(b, s, now, (wsrt_rejection){WSRT_REJECT_OPEN, 0, word_left(word, t)},
                          why);
        return ask_fleet(b, s, word, clock, why);
    case WSRT_BREAKER_HALF_OPEN:
        switch (take_probe(b, s, word, t, &ticket)) {
        case PROBE_TAKEN:
            grant(b, word, now, permit_probe | ticket << PERMIT_TICKET_SHIFT, out);
            return WSRT_OK;
        case PROBES_FULL:
            if (!word_is_due(word, t))
                return reject(b, s, now,
                              (wsrt_rejection){WSRT_REJECT_PROBE_BUSY, 0, word_left(word, t)}, why);
            return ask_fleet(b, s, word, clock, why);
        }
        return 1;
    case WSRT_BREAKER_FORCED_OPEN:
        return reject(b, s, now, (wsrt_rejection){WSRT_REJECT_FORCED, 0, -1}, why);
    default:
        grant(b, word, now, 0, out);
        return WSRT_OK;
    }
}

static COLD int acquire(wsrt_breaker *b, int64_t now, wsrt_permit *out, wsrt_rejection *why)
{
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);
    int rc;

    while ((rc = ask(b, word, &now, out, why)) > 0)
        word = atomic_load(&b->word);
    return rc;
}

/* In a flood nearly all calls are refused at once: OPEN, the wait is not over, and nobody listens. A
 * time before the registry's wraps round, and lies behind every deadline. */
static inline int refuse_at_once(wsrt_breaker *b, uint64_t word, int64_t now, wsrt_rejection *why)
{
    const struct settings *s = breaker_settings(b);
    int64_t ms = (int64_t)(((uint64_t)now - (uint64_t)s->base) / NS_PER_MS);

    if (UNLIKELY(word >> STATE_SHIFT != WSRT_BREAKER_OPEN || word_deadline(word) <= ms ||
                 atomic_load_explicit(&s->registry->events.rejection_listeners,
                                      memory_order_relaxed) != 0 ||
                 !count_own_rejection(b)))
        return 0;
    if (why != NULL)
        *why = (wsrt_rejection){WSRT_REJECT_OPEN, 0, word_deadline(word) - ms};
    return 1;
}

int wsrt_breaker_try_acquire(wsrt_breaker *b, int64_t now, wsrt_permit *out, wsrt_rejection *why)
{
    if (UNLIKELY(b == NULL || out == NULL))
        return WSRT_ERR_INVALID;
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);
    if (LIKELY(word_is_closed(word))) {
        out->opaque[0] = permit_valid | word;
        out->opaque[1] = (uint64_t)now;
        return WSRT_OK;
    }
    return refuse_at_once(b, word, now, why) ? WSRT_ERR_CIRCUIT_OPEN : acquire(b, now, out, why);
}

/* ---- settling ---- */

/* Most calls find the millisecond unchanged and write nothing. */
static inline void note_time(_Atomic int64_t *last, int64_t t)
{
    if (UNLIKELY(t - NS_PER_MS >= atomic_load_explicit(last, memory_order_relaxed)))
        atomic_store_explicit(last, t - t % NS_PER_MS, memory_order_relaxed);
}

static void note_outcome(struct stripe w, int64_t t, int outcome)
{
    note_time(outcome == WSRT_FAILURE ? &w.earlier->last_failure : &w.latest->last_success, t);
}

/* METRICS_ONLY tells what would have happened, once a window: its word says when the one that was told
 * of ends. */
static void would_open(wsrt_breaker *b, const struct settings *s, uint64_t word,
                       const struct move *m)
{
    int64_t window = s->config.monitoring_window_ms, ms = m->t / NS_PER_MS;
    uint64_t told =
        word_of(WSRT_BREAKER_METRICS_ONLY, word_generation(word), (ms / window + 1) * window);
    wsrt_breaker_event event = {
        .kind = WSRT_BREAKER_EVENT_WOULD_OPEN,
        .time = s->base + m->t,
        .from = WSRT_BREAKER_METRICS_ONLY,
        .to = WSRT_BREAKER_METRICS_ONLY,
        .cause = m->cause,
        .failure_count = m->counts.failures,
        .success_count = m->counts.successes,
    };

    do {
        if ((word ^ told) >> GENERATION_SHIFT != 0 || !word_is_due(word, m->t))
            return;
    } while (!atomic_compare_exchange_weak(&b->word, &word, told));
    wsrt_breaker_publish(b, &event, 0);
}

/* The run of failures is kept where the probes are: there are none while it counts. */
static uint64_t run_of(const wsrt_breaker *b, uint64_t word)
{
    uint64_t run = atomic_load(&breaker_ledger(b)->probes);

    return run >> PROBE_GENERATION_SHIFT == word_generation(word) ? run & run_count : 0;
}

static void note_run(wsrt_breaker *b, uint64_t word, int failure)
{
    _Atomic uint64_t *probes = &breaker_ledger(b)->probes;
    uint64_t generation = word_generation(word), old = atomic_load(probes), new;

    do {
        if (is_outdated(word, old))
            return;
        new = old >> PROBE_GENERATION_SHIFT == generation ? old
                                                          : generation << PROBE_GENERATION_SHIFT;
        if (!failure)
            new &= ~run_count;
        else if ((new &run_count) != run_count)
            new ++;
    } while (new != old && !atomic_compare_exchange_weak(probes, &old, new));
}

void wsrt_breaker_forget_run(wsrt_breaker *b)
{
    uint64_t word = atomic_load(&b->word);

    if (word_state(word) != WSRT_BREAKER_HALF_OPEN)
        note_run(b, word, 0);
}

static int has_tripped(const wsrt_breaker *b, const struct settings *s, uint64_t word,
                       struct counts sum)
{
    const wsrt_breaker_config *c = &s->config;
    uint64_t total = sum.failures + sum.successes;

    return total >= (uint64_t)c->minimum_request_count &&
           sum.failures >= (uint64_t)c->failure_threshold &&
           (double)sum.failures >= c->min_failure_rate * (double)total &&
           (c->mode != WSRT_BREAKER_CONSECUTIVE ||
            run_of(b, word) >= (uint64_t)c->failure_threshold);
}

static int is_too_slow(const wsrt_breaker *b, const struct settings *s, uint64_t word, int64_t t,
                       struct counts sum)
{
    uint64_t slow = wsrt_window_slow(b, s, t, word_generation(word));
    uint64_t total = sum.failures + sum.successes;

    return total >= (uint64_t)s->config.minimum_request_count &&
           (double)slow >= s->config.slow_rate * (double)total;
}

/* One call that ended, as it counts. */
struct ending {
    int outcome;
    int slow;
    int64_t t;
    size_t stripe;
};

static void judge(wsrt_breaker *b, const struct settings *s, uint64_t word, const struct ending *e)
{
    struct counts sum = wsrt_window_sum(b, s, e->t, word_generation(word));
    int cause;

    if (e->outcome == WSRT_FAILURE && has_tripped(b, s, word, sum))
        cause = WSRT_CAUSE_FAILURES;
    else if (e->slow && s->config.slow_policy == WSRT_SLOW_RATE &&
             is_too_slow(b, s, word, e->t, sum))
        cause = WSRT_CAUSE_SLOW_CALLS;
    else
        return;
    struct move m = {.cause = cause, .freeze = 1, .t = e->t, .counts = sum};
    if (word_state(word) == WSRT_BREAKER_METRICS_ONLY)
        would_open(b, s, word, &m);
    else
        (void)open(b, word, m); /* lost: another failure tripped first */
}

static void count(wsrt_breaker *b, const struct settings *s, uint64_t word, const struct ending *e)
{
    struct stripe w = breaker_stripe(b, e->stripe);
    int64_t epoch = wsrt_window_epoch(w, s, e->t);
    int failure = e->outcome == WSRT_FAILURE;
    int by_rate = e->slow && s->config.slow_policy == WSRT_SLOW_RATE;

    wsrt_window_add(w, epoch, word_generation(word), failure);
    if (by_rate)
        wsrt_window_add(slow_stripe(atomic_load(&breaker_ledger(b)->slow), e->stripe), epoch,
                        word_generation(word), 1);
    note_outcome(w, e->t, e->outcome);
    if (s->config.mode == WSRT_BREAKER_CONSECUTIVE)
        note_run(b, word, failure);
    if (failure || by_rate)
        judge(b, s, word, e);
}

/* A probe's place is still its own; with one place the ticket says whose it is. */
static int holds_place(const struct settings *s, uint64_t word, uint64_t probes, uint64_t ticket)
{
    return probes >> PROBE_GENERATION_SHIFT == word_generation(word) && in_flight(probes) > 0 &&
           (s->config.half_open_permits != 1 || (probes & ticket_mask) == ticket);
}

/* Gives a probe's place back, with or without a success; WSRT_STALE when it has been given back. */
static int return_probe(wsrt_breaker *b, const struct settings *s, uint64_t word, uint64_t ticket,
                        uint64_t *successes)
{
    uint64_t old = atomic_load(&breaker_ledger(b)->probes), new, got;

    do {
        if (!holds_place(s, word, old, ticket))
            return WSRT_STALE;
        got = (old >> PROBE_SUCCESS_SHIFT & probe_mask) + (successes != NULL);
        new = old - ((uint64_t)1 << PROBE_FLIGHT_SHIFT);
        if (successes != NULL && got <= probe_mask)
            new += (uint64_t)1 << PROBE_SUCCESS_SHIFT;
    } while (!atomic_compare_exchange_weak(&breaker_ledger(b)->probes, &old, new));
    if (successes != NULL)
        *successes = got;
    return WSRT_OK;
}

/* Ends the round; 0 when it has ended already. The word may only have got a longer lease. */
static int end_round(wsrt_breaker *b, uint64_t word, int64_t t, int success)
{
    struct move closing = {.state = WSRT_BREAKER_CLOSED,
                           .kind = WSRT_BREAKER_EVENT_TRANSITION,
                           .cause = WSRT_CAUSE_PROBE_SUCCEEDED,
                           .t = t};
    struct move opening = {
        .cause = WSRT_CAUSE_PROBE_FAILED, .growth = atomic_load(&b->growth) + 1, .t = t};
    uint64_t generation = word_generation(word);

    closing.counts = opening.counts = frozen(b);
    for (; word_generation(word) == generation; word = atomic_load(&b->word))
        if (success ? wsrt_breaker_move(b, word, &closing) : open(b, word, opening))
            return 1;
    return 0;
}

/* A probe that decides alone keeps its place: nobody else may probe in a round that is over. */
static int settle_probe(wsrt_breaker *b, const struct settings *s, uint64_t word, uint64_t ticket,
                        const struct ending *e)
{
    uint64_t needed = (uint64_t)s->config.half_open_successes, successes = 1;
    int success = e->outcome == WSRT_SUCCESS;

    if (e->outcome != WSRT_SUCCESS && e->outcome != WSRT_FAILURE)
        return return_probe(b, s, word, ticket, NULL);
    if (!holds_place(s, word, atomic_load(&breaker_ledger(b)->probes), ticket) ||
        (success && needed > 1 && return_probe(b, s, word, ticket, &successes) != WSRT_OK))
        return WSRT_STALE;
    if ((!success || successes >= needed) && !end_round(b, word, e->t, success))
        return WSRT_STALE;
    wsrt_window_add_past(breaker_stripe(b, e->stripe), !success);
    note_outcome(breaker_stripe(b, e->stripe), e->t, e->outcome);
    return WSRT_OK;
}

static int is_slow(const struct settings *s, const wsrt_permit *p, int64_t now)
{
    int64_t granted = (int64_t)p->opaque[1], elapsed;

    if (__builtin_sub_overflow(now, granted, &elapsed))
        elapsed = now < granted ? 0 : INT64_MAX;
    return elapsed > s->slow_ns;
}

/* Threads have stacks of their own, so where the permit lies tells them apart: by 8 MiB, by 128 KiB,
 * or by an arena of 64 MiB. */
static size_t stripe_of(const wsrt_breaker *b, const wsrt_permit *p)
{
    uintptr_t at = (uintptr_t)p;

    return ((at >> 17) + (at >> 23) + (at >> 26)) & b->stripe_mask;
}

/* As an outcome: the call was not made after all. */
enum { RELEASED = 0 };

static int settle_live(wsrt_breaker *b, const wsrt_permit *p, uint64_t word, int64_t now,
                       int outcome)
{
    const struct settings *s = breaker_settings(b);
    uint64_t probe = p->opaque[0] & permit_probe;
    struct ending e = {outcome, 0, breaker_time(s, now), stripe_of(b, p)};
    int rc = WSRT_OK;

    if ((outcome == WSRT_SUCCESS || outcome == WSRT_FAILURE) && is_slow(s, p, now)) {
        int policy = s->config.slow_policy;
        e.slow = 1;
        atomic_fetch_add_explicit(&breaker_ledger(b)->slow_total, 1, memory_order_relaxed);
        if (policy == WSRT_SLOW_FAILURE || (policy == WSRT_SLOW_RATE && probe != 0))
            e.outcome = WSRT_FAILURE;
    }
    if (probe != 0)
        rc = settle_probe(b, s, word, p->opaque[0] >> PERMIT_TICKET_SHIFT & ticket_mask, &e);
    else if (e.outcome == WSRT_SUCCESS || e.outcome == WSRT_FAILURE)
        count(b, s, word, &e);
    if (rc == WSRT_OK && outcome == WSRT_IGNORED)
        atomic_fetch_add_explicit(&breaker_ledger(b)->ignored, 1, memory_order_relaxed);
    if (rc == WSRT_OK && settings_share(s))
        wsrt_fleet_settled(b, e.outcome == WSRT_FAILURE);
    return rc;
}

static COLD int settle(wsrt_breaker *b, wsrt_permit *p, int64_t now, int outcome)
{
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);
    int rc = WSRT_OK;

    if (spread(wsrt_breaker_generation(b, word)) != generation_of_permit(p))
        rc = WSRT_STALE;
    else if (word_state(word) != WSRT_BREAKER_DISABLED)
        rc = settle_live(b, p, word, now, outcome);
    if (rc == WSRT_STALE)
        atomic_fetch_add_explicit(&breaker_ledger(b)->stale, 1, memory_order_relaxed);
    *p = (wsrt_permit){{0, 0}};
    return rc;
}

static COLD void judge_failure(wsrt_breaker *b, uint64_t word, int64_t now)
{
    const struct settings *s = breaker_settings(b);
    struct ending e = {WSRT_FAILURE, 0, breaker_time(s, now), 0};

    judge(b, s, word, &e);
    if (settings_share(s))
        wsrt_fleet_settled(b, 1);
}

/* Failures are mostly too few to trip, whenever the buckets were filled. */
static inline int may_trip(const wsrt_breaker *b, const struct settings *s)
{
    uint64_t most = 0;

    for (size_t i = 0; i <= b->stripe_mask; i++)
        most += window_failures_at_most(breaker_stripe(b, i));
    return most >= (uint64_t)s->config.failure_threshold;
}

/* By far the most calls: not slow, and of a CLOSED breaker. 0 = settle it the long way. A difference of
 * times that wraps round is one of times that go backwards: not slow either. */
static inline __attribute__((always_inline)) int
settle_short(wsrt_breaker *b, struct stripe w, wsrt_permit *p, int64_t now, uint64_t one)
{
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);

    if (UNLIKELY(!word_is_closed(word) || p->opaque[0] != (permit_valid | word)))
        return 0;
    const struct settings *s = breaker_settings(b);
    int64_t t = (int64_t)((uint64_t)now - (uint64_t)s->base); /* below 0: before it, or too far */
    if (UNLIKELY((uint64_t)now - p->opaque[1] >= s->short_below || t < 0 ||
                 !window_count(w.latest, s, t, word_generation(word), one)))
        return 0;
    note_time(one == 1 ? &w.latest->last_success : &w.earlier->last_failure, t);
    *p = (wsrt_permit){{0, 0}};
    return 1;
}

static int record_success(wsrt_breaker *b, wsrt_permit *p, int64_t now)
{
    if (b->stripe_mask != 0 && settle_short(b, breaker_stripe(b, stripe_of(b, p)), p, now, 1))
        return WSRT_OK;
    return settle(b, p, now, WSRT_SUCCESS);
}

static int record_failure(wsrt_breaker *b, wsrt_permit *p, int64_t now)
{
    uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);
    const struct settings *s = breaker_settings(b);

    if (!settle_short(b, breaker_stripe(b, stripe_of(b, p)), p, now, (uint64_t)1 << COUNT_BITS))
        return settle(b, p, now, WSRT_FAILURE);
    if (may_trip(b, s) || settings_share(s))
        judge_failure(b, word, now);
    return WSRT_OK;
}

static COLD int record(wsrt_breaker *b, wsrt_permit *p, int64_t now, int outcome)
{
    if ((p->opaque[0] & permit_valid) == 0)
        return WSRT_ERR_INVALID;
    switch (outcome) {
    case WSRT_SUCCESS:
        return record_success(b, p, now);
    case WSRT_FAILURE:
        return record_failure(b, p, now);
    case WSRT_IGNORED:
        return settle(b, p, now, outcome);
    default:
        return WSRT_ERR_INVALID;
    }
}

int wsrt_breaker_record(wsrt_breaker *b, wsrt_permit *p, int64_t now, int outcome)
{
    if (UNLIKELY(b == NULL || p == NULL))
        return WSRT_ERR_INVALID;
    if (LIKELY(outcome == WSRT_SUCCESS && b->stripe_mask == 0 &&
               settle_short(b, only_stripe(b), p, now, 1)))
        return WSRT_OK;
    return record(b, p, now, outcome);
}

int wsrt_breaker_release(wsrt_breaker *b, wsrt_permit *p, int64_t now)
{
    if (b == NULL || p == NULL || (p->opaque[0] & permit_valid) == 0)
        return WSRT_ERR_INVALID;
    return settle(b, p, now, RELEASED);
}
