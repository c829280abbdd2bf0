#include "breaker_model.h"

#include <wsrt/breaker.h>

#include <stdlib.h>
#include <string.h>

enum { HELD_MOST = 12, MOST_CALLS = BREAKER_PAIR_STEPS + 1 };

static const int64_t ms = 1000000;

/* ---- the naive breaker ---- */

struct call {
    int64_t at; /* ns since the start, never before the call counted last */
    int failure, slow;
};

struct ticket {
    wsrt_permit permit;
    uint64_t generation;
    int64_t granted;
    int probe;
    uint64_t number; /* of the probe */
};

struct model {
    wsrt_breaker_config c; /* every member filled in */
    uint32_t word;         /* what the breaker's environment draws */
    int state;
    int64_t deadline; /* ms */
    uint64_t generation;
    int growth;
    struct call calls[MOST_CALLS];
    size_t count;
    int64_t latest; /* of any counted call since the window has its length */
    uint64_t trip_failures, trip_successes;
    int in_flight;
    int probe_successes;
    uint64_t probe_number;
    uint64_t run;
    uint64_t rejected, stale, slow, ignored, opened, failures, successes;
    int64_t last_failure, last_success; /* ms; -1 = none */
    wsrt_breaker_event told[8];         /* of this step */
    size_t told_count;
};

static int64_t up(int64_t t)
{
    return (t + ms - 1) / ms;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t lease(const struct model *m)
{
    int64_t l = most(m->c.recovery_timeout_ms, 2 * m->c.expected_response_time_ms);

    return m->c.probe_lease_ms > 0 ? m->c.probe_lease_ms : l == 0 ? 1000 : l;
}

/* Counts of the window; `unsure` of the calls are aged 0.9 to 1.0 window and may be gone. */
struct sums {
    uint64_t failures, total, slow, unsure;
};

static struct sums sum(const struct model *m, int64_t t)
{
    struct sums s = {0, 0, 0, 0};
    int64_t window = m->c.monitoring_window_ms * ms, now = most(t, m->latest);

    for (size_t i = 0; i < m->count; i++) {
        int64_t age = now - m->calls[i].at;
        if (age >= window)
            continue;
        if (age > window / 10 * 9)
            s.unsure++;
        s.total++;
        s.failures += (uint64_t)m->calls[i].failure;
        s.slow += (uint64_t)m->calls[i].slow;
    }
    return s;
}

static void change(struct model *m, int to, int cause, int64_t t, int64_t wait)
{
    wsrt_breaker_event *e = &m->told[m->told_count++];

    *e = (wsrt_breaker_event){.kind = WSRT_BREAKER_EVENT_TRANSITION,
                              .from = m->state,
                              .to = to,
                              .cause = cause,
                              .time = t,
                              .wait_ms = wait};
    m->state = to;
    m->generation++;
    m->deadline = up(t) + wait;
    m->in_flight = m->probe_successes = 0;
    m->run = 0;
    if (to != WSRT_BREAKER_HALF_OPEN)
        m->count = 0;
    m->opened += to == WSRT_BREAKER_OPEN;
}

static int64_t wait_of(const struct model *m)
{
    double cap = (double)most(m->c.recovery_timeout_ms, m->c.max_recovery_timeout_ms);
    double wait = (double)m->c.recovery_timeout_ms;

    for (int i = 0; i < m->growth && wait < cap; i++)
        wait *= m->c.backoff_factor;
    wait = wait > cap ? cap : wait;
    return (int64_t)(wait * (1 + m->c.jitter * ((double)m->word / 4294967296.0)));
}

static void model_open(struct model *m, int cause, int growth, int64_t t)
{
    m->growth = growth;
    change(m, WSRT_BREAKER_OPEN, cause, t, wait_of(m));
}

static int model_acquire(struct model *m, int64_t t, struct ticket *out, wsrt_rejection *why)
{
    int64_t left = most(m->deadline - t / ms, 0);

    *out = (struct ticket){.generation = m->generation, .granted = t};
    switch (m->state) {
    case WSRT_BREAKER_FORCED_OPEN:
        *why = (wsrt_rejection){WSRT_REJECT_FORCED, 0, -1};
        break;
    case WSRT_BREAKER_OPEN:
        if (left == 0)
            change(m, WSRT_BREAKER_HALF_OPEN, WSRT_CAUSE_WAIT_OVER, t, lease(m));
        *why = (wsrt_rejection){WSRT_REJECT_OPEN, 0, left};
        break;
    case WSRT_BREAKER_HALF_OPEN:
        if (m->in_flight >= m->c.half_open_permits && left == 0) {
            change(m, WSRT_BREAKER_HALF_OPEN, 0, t, lease(m));
            m->told[m->told_count - 1].kind = WSRT_BREAKER_EVENT_PROBE_LOST;
        }
        *why = (wsrt_rejection){WSRT_REJECT_PROBE_BUSY, 0, left};
        break;
    default:
        return WSRT_OK;
    }
    if (m->state == WSRT_BREAKER_HALF_OPEN && m->in_flight < m->c.half_open_permits) {
        m->in_flight++;
        m->deadline = most(m->deadline, up(t) + lease(m));
        *out = (struct ticket){
            .generation = m->generation, .granted = t, .probe = 1, .number = ++m->probe_number};
        return WSRT_OK;
    }
    m->rejected++;
    return WSRT_ERR_CIRCUIT_OPEN;
}

static void model_note(struct model *m, int64_t t, int failure)
{
    int64_t *last = failure ? &m->last_failure : &m->last_success;

    *last = most(*last, t / ms);
}

/* Whether it trips: 1, 0, or -1 when calls of doubtful age decide. */
static int model_judge(const struct model *m, int64_t t, int failure, int slow, int *cause)
{
    struct sums s = sum(m, t);
    int enough = s.total >= (uint64_t)m->c.minimum_request_count;

    *cause = WSRT_CAUSE_FAILURES;
    if (s.unsure > 0)
        return -1;
    if (failure && enough && s.failures >= (uint64_t)m->c.failure_threshold &&
        (double)s.failures >= m->c.min_failure_rate * (double)s.total &&
        (m->c.mode == WSRT_BREAKER_WINDOW || m->run >= (uint64_t)m->c.failure_threshold))
        return 1;
    *cause = WSRT_CAUSE_SLOW_CALLS;
    return slow && m->c.slow_policy == WSRT_SLOW_RATE && enough &&
           (double)s.slow >= m->c.slow_rate * (double)s.total;
}

static void forget_old(struct model *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++)
        if (m->latest - m->calls[i].at < m->c.monitoring_window_ms * ms)
            m->calls[kept++] = m->calls[i];
    m->count = kept;
}

static void model_count(struct model *m, int64_t t, int failure, int slow, const wsrt_breaker *real)
{
    int cause, by_rate = slow && m->c.slow_policy == WSRT_SLOW_RATE;

    (void)real;
    m->latest = most(m->latest, t);
    forget_old(m);
    m->calls[m->count++] = (struct call){m->latest, failure, by_rate};
    model_note(m, t, failure);
    *(failure ? &m->failures : &m->successes) += 1;
    m->run = failure ? m->run + 1 : 0;
    if (!failure && !by_rate)
        return;
    struct sums s = sum(m, t);
    int trips = model_judge(m, t, failure, by_rate, &cause);
    if (trips == 0 || m->state == WSRT_BREAKER_METRICS_ONLY)
        return;
    wsrt_breaker_stats now = {.struct_size = sizeof now};
    wsrt_breaker_get_stats((wsrt_breaker *)(uintptr_t)real, 0, 0, &now);
    if (trips < 0 && now.true_state != WSRT_BREAKER_OPEN)
        return;
    m->trip_failures = trips < 0 ? now.failure_count : s.failures;
    m->trip_successes = trips < 0 ? now.success_count : s.total - s.failures;
    model_open(m, cause, 0, t);
    if (trips < 0)
        m->told[m->told_count - 1].cause = -1;
}

static int model_probe(struct model *m, const struct ticket *p, int64_t t, int outcome)
{
    if (m->state != WSRT_BREAKER_HALF_OPEN || m->in_flight == 0 ||
        (m->c.half_open_permits == 1 && p->number != m->probe_number))
        return WSRT_STALE;
    if (outcome == WSRT_FAILURE) {
        model_open(m, WSRT_CAUSE_PROBE_FAILED, m->growth + 1, t);
    } else {
        m->in_flight--;
        if (outcome != WSRT_SUCCESS)
            return WSRT_OK;
        if (++m->probe_successes >= m->c.half_open_successes) {
            m->growth = 0;
            change(m, WSRT_BREAKER_CLOSED, WSRT_CAUSE_PROBE_SUCCEEDED, t, 0);
        }
    }
    model_note(m, t, outcome == WSRT_FAILURE);
    *(outcome == WSRT_FAILURE ? &m->failures : &m->successes) += 1;
    return WSRT_OK;
}

/* outcome 0: released. `real` has gone first; it is asked only where ages are in doubt. */
static int model_settle(struct model *m, const struct ticket *p, int64_t t, int outcome,
                        const wsrt_breaker *real)
{
    int rc = WSRT_OK, counted = outcome, slow = 0;
    int64_t expected = m->c.expected_response_time_ms;

    if (p->generation != m->generation) {
        m->stale++;
        return WSRT_STALE;
    }
    if (m->state == WSRT_BREAKER_DISABLED)
        return WSRT_OK;
    if ((outcome == WSRT_SUCCESS || outcome == WSRT_FAILURE) && expected > 0 &&
        t - p->granted > expected * ms) {
        slow = 1;
        m->slow++;
        if (m->c.slow_policy == WSRT_SLOW_FAILURE ||
            (p->probe && m->c.slow_policy == WSRT_SLOW_RATE))
            counted = WSRT_FAILURE;
    }
    if (p->probe)
        rc = model_probe(m, p, t, counted);
    else if (counted == WSRT_SUCCESS || counted == WSRT_FAILURE)
        model_count(m, t, counted == WSRT_FAILURE, slow, real);
    m->ignored += rc == WSRT_OK && outcome == WSRT_IGNORED;
    m->stale += rc == WSRT_STALE;
    return rc;
}

/* ---- the two side by side ---- */

struct breaker_pair {
    const struct breaker_driver *driver;
    wsrt_breakers *registry;
    wsrt_breaker *b;
    wsrt_breaker_cursor *cursor;
    struct model m;
    int64_t base, t; /* ns */
    struct ticket held[HELD_MOST];
    size_t held_count;
};

/* Both are looked at as numbers; what differs is told by its text here. */
#define SAME(real, model) same(p, #real, (int64_t)(real), (int64_t)(model))
#define NOT_ABOVE(a, b) not_above(p, #a, (int64_t)(a), (int64_t)(b))

static void same(const struct breaker_pair *p, const char *what, int64_t real, int64_t model)
{
    if (real != model)
        p->driver->differs(what, real, model);
}

static void not_above(const struct breaker_pair *p, const char *what, int64_t a, int64_t b)
{
    if (a > b)
        p->driver->differs(what, a, b);
}

static uint64_t below(struct breaker_pair *p, uint64_t n)
{
    return p->driver->below(p->driver->user, n);
}

static int draw(void *user, void *dst, size_t len)
{
    memcpy(dst, user, len);
    return WSRT_OK;
}

static int64_t one_of(struct breaker_pair *p, const int64_t *values, size_t n)
{
    return values[below(p, n)];
}

#define ONE_OF(p, ...)                                                                             \
    one_of(p, (const int64_t[]){__VA_ARGS__},                                                      \
           sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Every member set, so that no default is asked for; 0 is written -1. */
static wsrt_breaker_config chosen_config(struct breaker_pair *p)
{
    wsrt_breaker_config c = {.struct_size = sizeof c};

    c.failure_threshold = ONE_OF(p, 1, 2, 3, 5, 20);
    c.recovery_timeout_ms = ONE_OF(p, -1, 1, 50, 1000, 30000);
    c.expected_response_time_ms = ONE_OF(p, -1, 1, 40, 2000);
    c.monitoring_window_ms = ONE_OF(p, 10, 15, 1000, 1001, 60000);
    c.minimum_request_count = ONE_OF(p, -1, 1, 4, 10);
    c.mode = (int32_t)ONE_OF(p, WSRT_BREAKER_WINDOW, WSRT_BREAKER_CONSECUTIVE);
    c.slow_policy = (int32_t)ONE_OF(p, WSRT_SLOW_FAILURE, WSRT_SLOW_OBSERVE, WSRT_SLOW_RATE);
    c.min_failure_rate = (double)ONE_OF(p, -2, -2, 1) / 2;
    c.slow_rate = (double)ONE_OF(p, 1, 2, 4) / 4;
    c.half_open_permits = (int32_t)ONE_OF(p, 1, 1, 2, 5);
    c.half_open_successes = (int32_t)ONE_OF(p, 1, 1, 2, 4);
    c.probe_lease_ms = ONE_OF(p, 1, 100, 5000);
    c.backoff_factor = (double)ONE_OF(p, 1, 2, 10);
    c.max_recovery_timeout_ms = ONE_OF(p, 100, 300000);
    c.jitter = (double)ONE_OF(p, -1, -1, 1);
    c.stripes = (int32_t)ONE_OF(p, 1, 1, 2, 4, 8);
    return c;
}

static wsrt_breaker_config resolved(wsrt_breaker_config c)
{
    int64_t *const zeroes[] = {&c.recovery_timeout_ms, &c.expected_response_time_ms,
                               &c.minimum_request_count};

    for (size_t i = 0; i < sizeof zeroes / sizeof zeroes[0]; i++)
        if (*zeroes[i] == -1)
            *zeroes[i] = 0;
    if (c.min_failure_rate == -1)
        c.min_failure_rate = 0;
    if (c.jitter == -1)
        c.jitter = 0;
    return c;
}

struct breaker_pair *breaker_pair_new(const struct breaker_driver *driver)
{
    struct breaker_pair *p = calloc(1, sizeof *p);
    wsrt_env env = {.struct_size = sizeof env, .user = &p->m.word, .random = draw};
    wsrt_breakers_options o = {.struct_size = sizeof o, .env = &env};

    p->driver = driver;
    o.now = p->base = ONE_OF(p, 0, 1, -5000000000, 123456789012345);
    wsrt_breaker_config c = chosen_config(p);
    SAME(wsrt_breakers_new(&p->registry, &o), WSRT_OK);
    SAME(wsrt_breakers_get(p->registry, wsrt_span_cstr("service"), wsrt_span_cstr("operation"), &c,
                           &p->b, NULL),
         WSRT_OK);
    SAME(wsrt_breaker_cursor_new(&p->cursor, p->registry, 0), WSRT_OK);
    p->m.c = resolved(c);
    p->m.last_failure = p->m.last_success = p->m.latest = -1;
    return p;
}

void breaker_pair_free(struct breaker_pair *p)
{
    wsrt_breaker_cursor_free(p->cursor);
    wsrt_breaker_release_ref(p->b);
    wsrt_breakers_free(p->registry);
    free(p);
}

static void step_acquire(struct breaker_pair *p)
{
    wsrt_rejection real_why = {0}, why = {0};
    struct ticket ticket;

    if (p->held_count == HELD_MOST)
        return;
    struct ticket *held = &p->held[p->held_count];
    int rc = wsrt_breaker_try_acquire(p->b, p->base + p->t, &held->permit, &real_why);
    int expected = model_acquire(&p->m, p->t, &ticket, &why);
    SAME(rc, expected);
    if (rc == WSRT_OK) {
        ticket.permit = held->permit;
        *held = ticket;
        p->held_count++;
        return;
    }
    SAME(real_why.reason, why.reason);
    SAME(real_why.retry_after_ms, why.retry_after_ms);
}

static void step_settle(struct breaker_pair *p)
{
    if (p->held_count == 0)
        return;
    size_t which = (size_t)below(p, p->held_count);
    struct ticket *held = &p->held[which];
    int outcome =
        (int)ONE_OF(p, WSRT_SUCCESS, WSRT_SUCCESS, WSRT_FAILURE, WSRT_FAILURE, WSRT_IGNORED, 0);
    int64_t now = p->base + p->t;

    if (below(p, 20) != 0) { /* else it is dropped */
        int rc = outcome != 0 ? wsrt_breaker_record(p->b, &held->permit, now, outcome)
                              : wsrt_breaker_release(p->b, &held->permit, now);
        int expected = model_settle(&p->m, held, p->t, outcome, p->b);
        SAME(rc, expected);
        rc = wsrt_breaker_record(p->b, &held->permit, now, WSRT_FAILURE);
        SAME(rc, WSRT_ERR_INVALID);
    }
    *held = p->held[--p->held_count];
}

static void step_time(struct breaker_pair *p)
{
    int64_t step = ONE_OF(p, 0, 1, 999999, 1000000, 40000001, 900000000, 1000000000, 31000000000,
                          4000000000000, INT64_C(1) << 50);

    if (step > 1000000000 && below(p, 8) != 0)
        step = (int64_t)below(p, 3) * ms;
    /* Stripes do not look at each other's clocks: there time goes one way. */
    if (p->m.c.stripes == 1 && below(p, 6) == 0)
        step = p->t < step ? 0 : -step;
    if (p->t + step < INT64_C(1) << 60)
        p->t += step;
}

static void step_control(struct breaker_pair *p)
{
    int command = (int)below(p, 5) + 1;
    int64_t wait = command == WSRT_BREAKER_TRIP ? ONE_OF(p, 0, -1, 70) : 0;
    static const int states[] = {WSRT_BREAKER_CLOSED, WSRT_BREAKER_OPEN, WSRT_BREAKER_FORCED_OPEN,
                                 WSRT_BREAKER_DISABLED, WSRT_BREAKER_METRICS_ONLY};
    int was = p->m.state, to = states[command - 1];
    struct sums s = sum(&p->m, p->t);
    wsrt_breaker_stats now = {.struct_size = sizeof now};

    wsrt_breaker_get_stats(p->b, p->base + p->t, 0, &now);
    int rc = wsrt_breaker_control(p->b, command, wait, p->base + p->t);
    SAME(rc, WSRT_OK);
    if ((to == WSRT_BREAKER_OPEN || to == WSRT_BREAKER_FORCED_OPEN) &&
        (was == WSRT_BREAKER_CLOSED || was > WSRT_BREAKER_FORCED_OPEN)) {
        p->m.trip_failures = s.unsure > 0 ? now.failure_count : s.failures;
        p->m.trip_successes = s.unsure > 0 ? now.success_count : s.total - s.failures;
    }
    p->m.growth = 0;
    if (command == WSRT_BREAKER_TRIP && wait <= 0)
        wait = wait == 0 ? wait_of(&p->m) : 0;
    change(&p->m, to, WSRT_CAUSE_COMMAND, p->t, wait);
}

static void step_reconfigure(struct breaker_pair *p)
{
    wsrt_breaker_config c = chosen_config(p);
    uint32_t flags = below(p, 2) == 0 ? WSRT_RECONFIGURE_WAIT : 0;

    c.stripes = p->m.c.stripes;
    if (below(p, 2) == 0)
        c.monitoring_window_ms = p->m.c.monitoring_window_ms;
    int rc = wsrt_breaker_reconfigure(p->b, &c, flags, p->base + p->t);
    SAME(rc, WSRT_OK);
    if (c.monitoring_window_ms != p->m.c.monitoring_window_ms) {
        p->m.count = 0;
        p->m.latest = -1;
    }
    if (c.mode != p->m.c.mode)
        p->m.run = 0; /* it is followed where it matters */
    p->m.c = resolved(c);
    if (flags != 0 && p->m.state == WSRT_BREAKER_OPEN)
        p->m.deadline = up(p->t) + wait_of(&p->m);
}

static void compare_stats(struct breaker_pair *p)
{
    static const int shown[] = {0, 1, 2, 2, 0, 0};
    const struct model *m = &p->m;
    const int64_t wall = 1700000000000;
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    int rc = wsrt_breaker_get_stats(p->b, p->base + p->t, wall, &s);
    SAME(rc, WSRT_OK);
    SAME(s.true_state, m->state);
    SAME(s.state, shown[m->state]);
    SAME(s.generation, m->generation);
    SAME(s.growth_step, (uint32_t)m->growth);
    SAME(s.probe_ready, m->state == WSRT_BREAKER_OPEN && p->t / ms >= m->deadline);
    SAME(s.rejected, m->rejected);
    SAME(s.stale, m->stale);
    SAME(s.slow, m->slow);
    SAME(s.ignored, m->ignored);
    SAME(s.opened, m->opened);
    SAME(s.lifetime_failures, m->failures);
    SAME(s.lifetime_successes, m->successes);
    SAME(s.total_requests, s.failure_count + s.success_count);
    if (m->state == WSRT_BREAKER_OPEN)
        SAME(s.next_attempt_time, wall + m->deadline - p->t / ms);
    if (m->state == WSRT_BREAKER_HALF_OPEN)
        SAME(s.lease_end_time, wall + m->deadline - p->t / ms);
    SAME(s.last_failure_time, m->last_failure < 0 ? -1 : wall - (p->t / ms - m->last_failure));
    SAME(s.last_success_time, m->last_success < 0 ? -1 : wall - (p->t / ms - m->last_success));
    if (m->state == WSRT_BREAKER_CLOSED || m->state > WSRT_BREAKER_FORCED_OPEN) {
        struct sums w = sum(m, p->t);
        NOT_ABOVE(s.total_requests, w.total);
        NOT_ABOVE(w.total - w.unsure, s.total_requests);
        NOT_ABOVE(s.failure_count, w.failures);
        NOT_ABOVE(w.failures, s.failure_count + w.unsure);
        NOT_ABOVE(s.slow_count, w.slow);
        NOT_ABOVE(w.slow, s.slow_count + w.unsure);
    } else {
        SAME(s.failure_count, m->trip_failures);
        SAME(s.success_count, m->trip_successes);
    }
}

static void compare_events(struct breaker_pair *p)
{
    wsrt_breaker_event e = {.struct_size = sizeof e};
    size_t n = 0;

    while (wsrt_breaker_cursor_next(p->cursor, &e) == WSRT_OK) {
        if (e.kind != WSRT_BREAKER_EVENT_TRANSITION && e.kind != WSRT_BREAKER_EVENT_PROBE_LOST)
            continue;
        NOT_ABOVE(n + 1, p->m.told_count);
        const wsrt_breaker_event *want = &p->m.told[n++];
        SAME(e.kind, want->kind);
        SAME(e.from, want->from);
        SAME(e.to, want->to);
        SAME(e.wait_ms, want->wait_ms);
        SAME(e.time, p->base + want->time);
        if (want->cause >= 0)
            SAME(e.cause, want->cause);
        SAME(e.rejected, p->m.rejected);
    }
    SAME(n, p->m.told_count);
    p->m.told_count = 0;
}

void breaker_pair_step(struct breaker_pair *p)
{
    uint64_t what = below(p, 100);

    p->m.word = (uint32_t)below(p, UINT64_C(1) << 32);
    if (what < 40)
        step_acquire(p);
    else if (what < 80)
        step_settle(p);
    else if (what < 98)
        step_time(p);
    else if (what < 99)
        step_control(p);
    else
        step_reconfigure(p);
    compare_events(p);
    compare_stats(p);
}
