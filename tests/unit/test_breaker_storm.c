/* Threads that race on purpose. WSRT_STORM_ROUNDS and WSRT_STORM_THREADS make it longer. */
#include "suite.h"

#include <wsrt/breaker.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 64, WAIT_MS = 1000 };

static const int64_t ms = 1000000;
static wsrt_breakers *registry;

static void set_up(void)
{
    ck_assert_int_eq(wsrt_breakers_new(&registry, NULL), WSRT_OK);
}

static void tear_down(void)
{
    wsrt_breakers_free(registry);
}

static int setting(const char *name, int otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? atoi(text) : otherwise;
}

static wsrt_breaker *breaker(const wsrt_breaker_config *config)
{
    wsrt_breaker *b;

    ck_assert_int_eq(wsrt_breakers_get(registry, wsrt_span_cstr("service"), wsrt_span_cstr("op"),
                                       config, &b, NULL),
                     WSRT_OK);
    wsrt_breaker_release_ref(b);
    return b;
}

static wsrt_breaker_config tripping_at(int failures, int stripes)
{
    return (wsrt_breaker_config){.struct_size = sizeof(wsrt_breaker_config),
                                 .failure_threshold = failures,
                                 .minimum_request_count = 1,
                                 .recovery_timeout_ms = WAIT_MS,
                                 .expected_response_time_ms = -1,
                                 .monitoring_window_ms = 60000,
                                 .probe_lease_ms = WAIT_MS,
                                 .stripes = stripes};
}

static wsrt_breaker_stats stats(wsrt_breaker *b, int64_t now)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    wsrt_breaker_get_stats(b, now, 0, &s);
    return s;
}

static void run_threads(int count, void *(*fn)(void *), void *user)
{
    pthread_t threads[MOST_THREADS];

    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, user), 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- probes ---- */

/* What the storm of probes needs of a breaker: the real one, or one with a race planted. */
struct subject {
    int (*acquire)(void *self, int64_t now, wsrt_permit *p);
    void (*give_up)(void *self, int64_t now, wsrt_permit *p);
    void *self;
};

static int real_acquire(void *self, int64_t now, wsrt_permit *p)
{
    return wsrt_breaker_try_acquire(self, now, p, NULL);
}

static void real_fail(void *self, int64_t now, wsrt_permit *p)
{
    wsrt_breaker_record(self, p, now, WSRT_FAILURE);
}

/* Looks first and writes afterwards. */
struct planted {
    _Atomic int probing;
    _Atomic int64_t deadline;
};

static int planted_acquire(void *self, int64_t now, wsrt_permit *p)
{
    struct planted *b = self;

    (void)p;
    if (atomic_load(&b->probing) || now < atomic_load(&b->deadline))
        return WSRT_ERR_CIRCUIT_OPEN;
    sched_yield();
    atomic_store(&b->probing, 1);
    return WSRT_OK;
}

static void planted_fail(void *self, int64_t now, wsrt_permit *p)
{
    struct planted *b = self;

    (void)p;
    atomic_store(&b->deadline, now + WAIT_MS * ms);
    atomic_store(&b->probing, 0);
}

struct probe_storm {
    struct subject subject;
    pthread_barrier_t together;
    int rounds;
    _Atomic int64_t now;
    _Atomic int granted, wrong_rounds;
};

static void *probe_together(void *user)
{
    struct probe_storm *s = user;

    for (int i = 0; i < s->rounds; i++) {
        wsrt_permit p;
        pthread_barrier_wait(&s->together);
        int mine = s->subject.acquire(s->subject.self, s->now, &p) == WSRT_OK;
        s->granted += mine;
        int last = pthread_barrier_wait(&s->together) == PTHREAD_BARRIER_SERIAL_THREAD;
        if (mine)
            s->subject.give_up(s->subject.self, s->now, &p);
        if (last)
            s->wrong_rounds += s->granted != 1;
        if (pthread_barrier_wait(&s->together) == PTHREAD_BARRIER_SERIAL_THREAD) {
            s->granted = 0;
            s->now += WAIT_MS * ms;
        }
    }
    return NULL;
}

static int wrong_rounds(struct subject subject, int rounds, int threads)
{
    struct probe_storm s = {.subject = subject, .rounds = rounds, .now = WAIT_MS * ms};

    pthread_barrier_init(&s.together, NULL, (unsigned)threads);
    run_threads(threads, probe_together, &s);
    pthread_barrier_destroy(&s.together);
    printf("# contended calls: %d\n", rounds * threads);
    return s.wrong_rounds;
}

START_TEST(a_planted_race_is_found)
{
    struct planted planted = {0, 0};
    int wrong = 0;

    for (int i = 0; i < 50 && wrong == 0; i++)
        wrong = wrong_rounds((struct subject){planted_acquire, planted_fail, &planted}, 200, 4);
    ck_assert_int_gt(wrong, 0);
}
END_TEST

START_TEST(each_round_of_a_storm_has_exactly_one_probe)
{
    wsrt_breaker_config c = tripping_at(1, 1);
    wsrt_breaker *b = breaker(&c);
    int rounds = setting("WSRT_STORM_ROUNDS", 1000), threads = setting("WSRT_STORM_THREADS", 8);

    wsrt_breaker_control(b, WSRT_BREAKER_TRIP, WAIT_MS, 0);
    ck_assert_int_eq(wrong_rounds((struct subject){real_acquire, real_fail, b}, rounds, threads),
                     0);
    ck_assert_uint_eq(stats(b, 0).opened, (uint64_t)rounds + 1);
}
END_TEST

/* ---- trips ---- */

struct trip_storm {
    wsrt_breaker *b;
    pthread_barrier_t together;
    int failures;
    int64_t now;
};

static void *fail_together(void *user)
{
    struct trip_storm *s = user;
    wsrt_permit p[64];
    int granted = 0;

    for (int i = 0; i < s->failures; i++)
        granted += wsrt_breaker_try_acquire(s->b, s->now, &p[granted], NULL) == WSRT_OK;
    pthread_barrier_wait(&s->together);
    for (int i = 0; i < granted; i++)
        wsrt_breaker_record(s->b, &p[i], s->now, WSRT_FAILURE);
    return NULL;
}

static void fail_on_threads(struct trip_storm *s, int threads)
{
    pthread_barrier_init(&s->together, NULL, (unsigned)threads);
    run_threads(threads, fail_together, s);
    pthread_barrier_destroy(&s->together);
}

struct tally {
    uint64_t last_sequence;
    int32_t state;
    int breaks; /* an event that does not begin where the last one ended */
    int openings, rounds, closings;
    int64_t wait_sum;
};

static void keep_tally(const wsrt_breaker_event *e, void *user)
{
    struct tally *t = user;

    t->breaks += e->sequence != t->last_sequence + 1;
    t->last_sequence = e->sequence;
    if (e->kind != WSRT_BREAKER_EVENT_TRANSITION && e->kind != WSRT_BREAKER_EVENT_PROBE_LOST)
        return;
    t->breaks += e->from != t->state;
    t->state = e->to;
    t->openings += e->to == WSRT_BREAKER_OPEN;
    t->rounds += e->to == WSRT_BREAKER_HALF_OPEN;
    t->closings += e->to == WSRT_BREAKER_CLOSED;
    t->wait_sum += e->to == WSRT_BREAKER_OPEN ? e->wait_ms : 0;
}

START_TEST(a_thousand_failures_at_once_open_it_once)
{
    wsrt_breaker_config c = tripping_at(5, 4);
    wsrt_breaker_listener *l;
    struct tally tally = {0};
    struct trip_storm s = {.b = breaker(&c), .failures = 63, .now = 5 * ms};

    wsrt_breakers_listen(registry, 0, keep_tally, &tally, &l);
    fail_on_threads(&s, 16);
    ck_assert_int_eq(tally.openings, 1);
    ck_assert_uint_eq(stats(s.b, s.now).opened, 1);
    ck_assert_int_eq(stats(s.b, s.now).next_attempt_time, WAIT_MS);
    ck_assert_uint_ge(stats(s.b, s.now).failure_count, 5);
    ck_assert_uint_eq(stats(s.b, s.now).lifetime_failures + stats(s.b, s.now).stale, 16 * 63);
}
END_TEST

/* ---- a window that moves under its calls ---- */

enum { RACERS = 8, MOVING_CALLS = 200, BUCKETS_A_ROUND = 9 };

struct moving {
    wsrt_breaker *b;
    pthread_barrier_t together;
    int64_t base; /* of the round */
    int64_t step; /* from call to call */
    int rounds;
    _Atomic int threads;
};

static void *call_while_it_moves(void *user)
{
    struct moving *m = user;
    uint32_t random = 1 + (uint32_t)atomic_fetch_add(&m->threads, 1);

    for (int round = 0; round < m->rounds; round++) {
        pthread_barrier_wait(&m->together);
        for (int i = 0; i < MOVING_CALLS; i++) {
            wsrt_permit p;
            int64_t now = m->base + i * m->step;
            random = random * 1664525 + 1013904223;
            wsrt_breaker_try_acquire(m->b, now, &p, NULL);
            if (random >> 27 == 0)
                sched_yield();
            wsrt_breaker_record(m->b, &p, now, random >> 31 ? WSRT_SUCCESS : WSRT_FAILURE);
        }
        pthread_barrier_wait(&m->together);
    }
    return NULL;
}

/* In some rounds all threads stay within one window, and all that they counted is in it, once. In others
 * each call opens a bucket. */
START_TEST(no_call_is_lost_or_met_twice_while_the_window_moves)
{
    wsrt_breaker_config c = tripping_at((1 << 24) - 1, 1);
    c.monitoring_window_ms = 10;
    struct moving m = {.b = breaker(&c), .rounds = 3 * setting("WSRT_STORM_ROUNDS", 1000)};
    const int64_t steps[] = {ms * BUCKETS_A_ROUND / MOVING_CALLS, ms, ms / 2, 3 * ms};
    const uint64_t a_round = (uint64_t)RACERS * MOVING_CALLS;
    pthread_t threads[RACERS];

    pthread_barrier_init(&m.together, NULL, RACERS + 1);
    for (int i = 0; i < RACERS; i++)
        pthread_create(&threads[i], NULL, call_while_it_moves, &m);
    for (int round = 0; round < m.rounds; round++) {
        m.base += 1000 * ms;
        m.step = steps[round % 4];
        pthread_barrier_wait(&m.together);
        pthread_barrier_wait(&m.together);
        wsrt_breaker_stats s = stats(m.b, m.base + (BUCKETS_A_ROUND - 1) * ms);
        if (round % 4 == 0)
            ck_assert_uint_eq(s.total_requests, a_round);
        ck_assert_uint_eq(s.lifetime_failures + s.lifetime_successes,
                          a_round * ((uint64_t)round + 1));
    }
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&m.together);
}
END_TEST

struct turmoil {
    wsrt_breaker *b;
    pthread_barrier_t together;
    int64_t base; /* of the round */
    int rounds;
    _Atomic int threads;
    _Atomic uint64_t counted, stale;
};

enum { CLOCKS_APART_MS = 5 };

static void *call_by_a_clock_of_its_own(void *user)
{
    struct turmoil *t = user;
    uint32_t random = 1 + (uint32_t)atomic_fetch_add(&t->threads, 1);
    int commands = random == 1;

    for (int round = 0; round < t->rounds; round++) {
        uint64_t counted = 0, stale = 0;
        pthread_barrier_wait(&t->together);
        for (int i = 0; i < MOVING_CALLS; i++) {
            wsrt_permit p;
            random = random * 1664525 + 1013904223;
            int64_t now = t->base + i * ms + random % (CLOCKS_APART_MS * (uint32_t)ms);
            if (commands && i % 16 == 0)
                wsrt_breaker_control(t->b, random >> 31 ? WSRT_BREAKER_RESET : WSRT_BREAKER_TRIP, 5,
                                     now);
            if (wsrt_breaker_try_acquire(t->b, now, &p, NULL) != WSRT_OK)
                continue;
            if (random >> 27 == 0)
                sched_yield();
            int rc =
                wsrt_breaker_record(t->b, &p, now, random >> 30 & 1 ? WSRT_SUCCESS : WSRT_FAILURE);
            counted += rc == WSRT_OK;
            stale += rc == WSRT_STALE;
        }
        t->counted += counted;
        t->stale += stale;
        pthread_barrier_wait(&t->together);
    }
    return NULL;
}

START_TEST(each_call_is_counted_or_stale_once_whatever_the_clocks_and_the_state)
{
    wsrt_breaker_config c = tripping_at((1 << 24) - 1, 1);
    c.monitoring_window_ms = 10;
    struct turmoil t = {.b = breaker(&c), .rounds = 3 * setting("WSRT_STORM_ROUNDS", 1000)};
    pthread_t threads[RACERS];

    pthread_barrier_init(&t.together, NULL, RACERS + 1);
    for (int i = 0; i < RACERS; i++)
        pthread_create(&threads[i], NULL, call_by_a_clock_of_its_own, &t);
    for (int round = 0; round < t.rounds; round++) {
        t.base += (MOVING_CALLS + 20) * ms;
        pthread_barrier_wait(&t.together);
        pthread_barrier_wait(&t.together);
        wsrt_breaker_stats s = stats(t.b, t.base);
        ck_assert_uint_eq(s.lifetime_failures + s.lifetime_successes, t.counted);
        ck_assert_uint_eq(s.stale, t.stale);
    }
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&t.together);
    ck_assert_uint_gt(t.counted, 0);
    ck_assert_uint_gt(t.stale, 0);
}
END_TEST

START_TEST(no_trip_is_missed_between_stripes)
{
    wsrt_breaker_config c = tripping_at(8, 8);
    struct trip_storm s = {.b = breaker(&c), .failures = 1};

    for (int round = 0; round < 300; round++) {
        fail_on_threads(&s, 8);
        ck_assert_int_eq(stats(s.b, 0).state, WSRT_BREAKER_OPEN);
        wsrt_breaker_control(s.b, WSRT_BREAKER_RESET, 0, 0);
    }
}
END_TEST

START_TEST(permits_in_flight_at_a_trip_change_nothing_later)
{
    wsrt_breaker_config c = tripping_at(1, 1);
    wsrt_breaker *b = breaker(&c);
    wsrt_permit p[64];

    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(wsrt_breaker_try_acquire(b, 0, &p[i], NULL), WSRT_OK);
    wsrt_breaker_record(b, &p[0], 0, WSRT_FAILURE);
    for (int i = 1; i < 64; i++)
        ck_assert_int_eq(wsrt_breaker_record(b, &p[i], 0, i % 2 ? WSRT_FAILURE : WSRT_SUCCESS),
                         WSRT_STALE);
    ck_assert_uint_eq(stats(b, 0).opened, 1);
    ck_assert_uint_eq(stats(b, 0).generation, 1);
}
END_TEST

/* ---- the simulation: callers on two threads, a downstream that fails, recovers and flaps ---- */

enum { CALLERS = 1000, TURNS = 120 };

struct town {
    wsrt_breaker *b;
    _Atomic int64_t now;
    _Atomic int probes, granted, refused;
};

/* Well for 5 s, down for 5 s, then flapping every 700 ms for 5 s, and again. */
static int downstream(int64_t now)
{
    int64_t t = now / ms % 15000;

    return t < 5000 ? WSRT_SUCCESS : t < 10000 || t / 700 % 2 ? WSRT_FAILURE : WSRT_SUCCESS;
}

static void *half_of_the_callers(void *user)
{
    struct town *town = user;

    for (int i = 0; i < TURNS * CALLERS / 2; i++) {
        wsrt_permit p;
        int64_t now = atomic_fetch_add(&town->now, ms / 2);
        if (wsrt_breaker_try_acquire(town->b, now, &p, NULL) != WSRT_OK) {
            town->refused++;
            continue;
        }
        town->granted++;
        town->probes += (int)(p.opaque[0] >> 62 & 1); /* how this release marks a probe */
        if (i % 64 == 0)
            sched_yield();
        wsrt_breaker_record(town->b, &p, now + ms / 4, downstream(now));
    }
    return NULL;
}

START_TEST(a_downstream_that_flaps_is_probed_once_a_recovery_and_no_transition_is_lost)
{
    wsrt_breaker_config c = tripping_at(5, 2);
    wsrt_breaker_listener *l;
    struct tally tally = {0};
    struct town town = {.b = breaker(&c)};

    wsrt_breakers_listen(registry, 0, keep_tally, &tally, &l);
    run_threads(2, half_of_the_callers, &town);
    wsrt_breaker_stats s = stats(town.b, town.now);
    ck_assert_int_eq(tally.breaks, 0);
    ck_assert_uint_eq(tally.last_sequence, s.generation);
    ck_assert_int_eq(tally.state, s.true_state);
    ck_assert_uint_eq((uint64_t)tally.openings, s.opened);
    ck_assert_int_eq(town.probes, tally.rounds);
    ck_assert_uint_eq(s.rejected, (uint64_t)town.refused);
    ck_assert_int_gt(tally.closings, 3);
    ck_assert_int_gt(tally.openings, tally.closings);
    printf("# contended calls: %d\n", town.granted + town.refused);
}
END_TEST

/* ---- counting what is refused ---- */

/* More than twice what the counter of a single thread holds. */
enum { REFUSALS = 9000000 };

struct flood {
    wsrt_breaker *b;
    _Atomic int done;
};

static void *be_refused(void *user)
{
    struct flood *f = user;
    wsrt_permit p;

    for (int i = 0; i < REFUSALS; i++)
        if (wsrt_breaker_try_acquire(f->b, 0, &p, NULL) != WSRT_ERR_CIRCUIT_OPEN)
            break;
    f->done++;
    return NULL;
}

START_TEST(every_rejection_of_two_threads_is_counted_and_the_count_never_falls)
{
    wsrt_breaker_config c = tripping_at(5, 1);
    struct flood f = {.b = breaker(&c)};
    pthread_t threads[2];
    uint64_t seen = 0, falls = 0;

    wsrt_breaker_control(f.b, WSRT_BREAKER_TRIP, WAIT_MS, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_refused, &f), 0);
    while (f.done < 2) {
        uint64_t rejected = stats(f.b, 0).rejected;
        falls += rejected < seen;
        seen = rejected;
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(falls, 0);
    ck_assert_uint_eq(stats(f.b, 0).rejected, 2 * (uint64_t)REFUSALS);
}
END_TEST

/* ---- order, and listeners that leave ---- */

static void *change_state(void *user)
{
    for (int i = 0; i < 3000; i++)
        wsrt_breaker_control(user, i % 2 ? WSRT_BREAKER_RESET : WSRT_BREAKER_DISABLE, 0, 0);
    return NULL;
}

START_TEST(changes_by_several_threads_are_told_in_the_order_they_were_made)
{
    wsrt_breaker_config c = tripping_at(5, 1);
    wsrt_breaker_listener *l;
    wsrt_breakers_options o = {.struct_size = sizeof o, .event_capacity = 20000};
    struct tally tally = {0};

    wsrt_breakers_free(registry);
    ck_assert_int_eq(wsrt_breakers_new(&registry, &o), WSRT_OK);
    wsrt_breakers_listen(registry, 0, keep_tally, &tally, &l);
    run_threads(4, change_state, breaker(&c));
    ck_assert_int_eq(tally.breaks, 0);
    ck_assert_uint_eq(tally.last_sequence, 12000);
}
END_TEST

struct visitor {
    wsrt_breaker *b;
    _Atomic int stop;
};

struct touched {
    _Atomic int times;
};

static void touch(const wsrt_breaker_event *e, void *user)
{
    (void)e;
    ((struct touched *)user)->times++; /* freed after unlisten: a sanitizer's find */
}

static void *reject_and_change(void *user)
{
    struct visitor *v = user;

    while (!v->stop) {
        wsrt_permit p;
        wsrt_breaker_try_acquire(v->b, 0, &p, NULL);
        wsrt_breaker_control(v->b, WSRT_BREAKER_FORCE_OPEN, 0, 0);
    }
    return NULL;
}

START_TEST(a_listener_that_left_is_never_called_again)
{
    wsrt_breaker_config c = tripping_at(5, 1);
    struct visitor v = {.b = breaker(&c)};
    pthread_t threads[2];

    wsrt_breaker_control(v.b, WSRT_BREAKER_FORCE_OPEN, 0, 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, reject_and_change, &v);
    for (int i = 0; i < 500; i++) {
        wsrt_breaker_listener *l;
        struct touched *count = calloc(1, sizeof *count);
        ck_assert_int_eq(wsrt_breakers_listen(registry,
                                              1u << WSRT_BREAKER_EVENT_REJECTED |
                                                  1u << WSRT_BREAKER_EVENT_TRANSITION,
                                              touch, count, &l),
                         WSRT_OK);
        sched_yield();
        wsrt_breakers_unlisten(registry, l);
        free(count);
    }
    v.stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* ---- names ---- */

enum { KEYS = 24, ROOM = 8, LOOKUPS = 20000 };

static int count_one(wsrt_breaker *b, void *user)
{
    (void)b;
    ++*(int *)user;
    return WSRT_OK;
}

struct readers {
    _Atomic int found, strangers;
};

/* Half of them only ask for what is there, half make it. */
static void *ask_by_name(void *user)
{
    struct readers *r = user;
    uint32_t random = (uint32_t)(uintptr_t)&random;

    for (int i = 0; i < LOOKUPS; i++) {
        wsrt_span name = {"abcdefghijklmnopqrstuvwxyz", 0};
        wsrt_breaker *b;
        random = random * 1664525 + 1013904223;
        name.len = 1 + (random >> 16) % KEYS;
        if ((i % 2 ? wsrt_breakers_find(registry, wsrt_span_cstr("s"), name, &b)
                   : wsrt_breakers_get(registry, wsrt_span_cstr("s"), name, NULL, &b, NULL)) !=
            WSRT_OK)
            continue;
        r->found++;
        r->strangers += !wsrt_span_equal(wsrt_breaker_operation(b), name);
        if (i % 32 == 0)
            sched_yield();
        wsrt_breaker_release_ref(b);
    }
    return NULL;
}

START_TEST(whoever_asks_by_name_while_keys_come_and_go_gets_the_breaker_of_that_name)
{
    wsrt_breakers_options o = {.struct_size = sizeof o, .max_breakers = ROOM};
    struct readers r = {0, 0};
    int places = 0;

    wsrt_breakers_free(registry);
    ck_assert_int_eq(wsrt_breakers_new(&registry, &o), WSRT_OK);
    run_threads(4, ask_by_name, &r);
    ck_assert_int_eq(r.strangers, 0);
    ck_assert_int_gt(r.found, LOOKUPS);
    wsrt_breakers_foreach(registry, count_one, &places);
    ck_assert_int_eq(places, ROOM);
    for (int i = 0; i < ROOM; i++) { /* nobody holds one any more: all can go */
        char name[2] = {(char)('A' + i), 0};
        wsrt_breaker *b;
        ck_assert_int_eq(
            wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr(name), NULL, &b, NULL),
            WSRT_OK);
    }
}
END_TEST

/* ---- everything at once ---- */

static void *live_with_others(void *user)
{
    struct visitor *v = user;

    for (int i = 0; i < 4000; i++) {
        char name[16];
        wsrt_breaker *b;
        wsrt_permit p;
        snprintf(name, sizeof name, "%d", i % 40);
        if (wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr(name), NULL, &b,
                              NULL) != WSRT_OK)
            continue; /* full: every one is held or counting */
        if (wsrt_breaker_try_acquire(b, i * ms, &p, NULL) == WSRT_OK)
            wsrt_breaker_record(b, &p, i * ms, i % 3 ? WSRT_IGNORED : WSRT_SUCCESS);
        wsrt_breaker_release_ref(b);
        if (wsrt_breaker_try_acquire(v->b, i * ms, &p, NULL) == WSRT_OK)
            wsrt_breaker_record(v->b, &p, i * ms, i % 2 ? WSRT_FAILURE : WSRT_SUCCESS);
    }
    return NULL;
}

static int read_one(wsrt_breaker *b, void *user)
{
    wsrt_breaker_stats s = stats(b, 0);

    *(uint64_t *)user += s.total_requests != s.failure_count + s.success_count;
    return WSRT_OK;
}

/* What is saved under way is whole: another registry takes it. */
static int is_saved_whole(void)
{
    static unsigned char blob[65536];
    wsrt_breaker_clock at = {.now = 0, .wall = 0};
    wsrt_breakers *other;
    size_t len;

    if (wsrt_breakers_save(registry, &at, blob, sizeof blob, &len) != WSRT_OK ||
        wsrt_breakers_new(&other, NULL) != WSRT_OK)
        return 0;
    int rc = wsrt_breakers_restore(other, &at, blob, len);
    wsrt_breakers_free(other);
    return rc == WSRT_OK;
}

static void *disturb(void *user)
{
    struct visitor *v = user;
    uint64_t torn = 0;

    for (int i = 0; !v->stop; i++) {
        wsrt_breaker_config c = tripping_at(1 + i % 7, 0);
        c.monitoring_window_ms = 100 + i % 3 * 50;
        c.slow_policy = 1 + i % 3;
        c.mode = 1 + i % 2;
        wsrt_breaker_reconfigure(v->b, &c, i % 2 ? WSRT_RECONFIGURE_WAIT : 0, i * ms);
        wsrt_breakers_configure(registry, wsrt_span_cstr("{\"defaults\":{\"jitter\":0.5}}"),
                                WSRT_RECONFIGURE_EXISTING, 0, NULL);
        wsrt_breakers_foreach(registry, read_one, &torn);
        torn += !is_saved_whole();
    }
    return (void *)(uintptr_t)torn;
}

START_TEST(calls_settings_readers_snapshots_and_eviction_live_together)
{
    wsrt_breaker_config c = tripping_at(3, 2);
    wsrt_breakers_options o = {.struct_size = sizeof o, .max_breakers = 20, .event_capacity = 16};
    struct visitor v = {0};
    pthread_t disturber;
    void *torn;

    wsrt_breakers_free(registry);
    ck_assert_int_eq(wsrt_breakers_new(&registry, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_get(registry, wsrt_span_cstr("service"), wsrt_span_cstr("op"),
                                       &c, &v.b, NULL),
                     WSRT_OK);
    pthread_create(&disturber, NULL, disturb, &v);
    run_threads(4, live_with_others, &v);
    v.stop = 1;
    pthread_join(disturber, &torn);
    ck_assert_ptr_null(torn);
    wsrt_breaker_release_ref(v.b);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_storm");
    TCase *t = tcase_create("storm"), *flood = tcase_create("flood");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 600);
    tcase_add_test(t, a_planted_race_is_found);
    tcase_add_test(t, each_round_of_a_storm_has_exactly_one_probe);
    tcase_add_test(t, a_thousand_failures_at_once_open_it_once);
    tcase_add_test(t, no_call_is_lost_or_met_twice_while_the_window_moves);
    tcase_add_test(t, each_call_is_counted_or_stale_once_whatever_the_clocks_and_the_state);
    tcase_add_test(t, no_trip_is_missed_between_stripes);
    tcase_add_test(t, permits_in_flight_at_a_trip_change_nothing_later);
    tcase_add_test(t, a_downstream_that_flaps_is_probed_once_a_recovery_and_no_transition_is_lost);
    tcase_add_test(t, changes_by_several_threads_are_told_in_the_order_they_were_made);
    tcase_add_test(t, a_listener_that_left_is_never_called_again);
    tcase_add_test(t, whoever_asks_by_name_while_keys_come_and_go_gets_the_breaker_of_that_name);
    tcase_add_test(t, calls_settings_readers_snapshots_and_eviction_live_together);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(flood, set_up, tear_down);
    tcase_set_timeout(flood, 600);
    tcase_set_tags(flood, SLOW);
    tcase_add_test(flood, every_rejection_of_two_threads_is_counted_and_the_count_never_falls);
    suite_add_tcase(s, flood);
    return s;
}
