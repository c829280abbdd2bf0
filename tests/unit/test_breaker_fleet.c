/* Many registries on one store, as a fleet of processes has them. Time is injected; walls differ. */
#include "heap.h"
#include "suite.h"

#include <wsrt/breaker.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { FLEET = 50, WAIT_MS = 10000, LEASE_MS = 8000 };

static const int64_t ms = 1000000;

/* One process: its wall is off by `skew_ms`, and so is the origin of its monotonic clock. */
struct process {
    int64_t skew_ms;
    wsrt_breakers *registry;
    wsrt_breaker *b;
    int transitions, adopted, down, up;
};

static _Atomic int64_t clock_ms;
static struct process fleet[FLEET];
static wsrt_memory_breaker_store *memory;

/* ---- a store that counts, and fails as told ---- */

static _Atomic int loads, writes, conflicts;
static _Atomic int lost; /* the next so many calls fail */
static int fail_at;      /* so does the call of this number, if not 0 */
static int calls;
static int delay_ms; /* what each call takes */
static wsrt_breaker_shared lie;
static int lies; /* answers `lie` to everything */
static int inside_calls;
static void (*during)(void); /* runs inside a call of the store */

static int fails(void)
{
    atomic_fetch_add(&clock_ms, delay_ms);
    if (during != NULL)
        during();
    if (fail_at > 0 && ++calls == fail_at)
        return 1;
    return atomic_load(&lost) > 0 && atomic_fetch_sub(&lost, 1) > 0;
}

static int spy_load(void *self, const wsrt_breaker_shared_key *key, wsrt_breaker_shared *out)
{
    atomic_fetch_add(&loads, 1);
    if (fails())
        return WSRT_ERR_UNAVAILABLE;
    if (lies) {
        *out = lie;
        return WSRT_OK;
    }
    return wsrt_memory_breaker_store_ops()->load(self, key, out);
}

static int spy_swap(void *self, const wsrt_breaker_shared_key *key, uint64_t expected,
                    const wsrt_breaker_shared *record, wsrt_breaker_shared *seen)
{
    if (fails())
        return WSRT_ERR_TIMEOUT;
    if (lies) {
        *seen = lie;
        return WSRT_ERR_EXISTS;
    }
    int rc = wsrt_memory_breaker_store_ops()->compare_and_swap(self, key, expected, record, seen);
    atomic_fetch_add(rc == WSRT_OK ? &writes : &conflicts, 1);
    return rc;
}

static const wsrt_breaker_store_ops spy = {
    .struct_size = sizeof spy, .load = spy_load, .compare_and_swap = spy_swap};

/* ---- the rig ---- */

static int64_t clock_now(void *user)
{
    const struct process *p = user;

    return (atomic_load(&clock_ms) + 7 * p->skew_ms) * ms;
}

static int64_t clock_wall(void *user)
{
    const struct process *p = user;

    return INT64_C(1700000000000) + atomic_load(&clock_ms) + p->skew_ms;
}

static void note(const wsrt_breaker_event *event, void *user)
{
    struct process *p = user;

    p->transitions += event->kind == WSRT_BREAKER_EVENT_TRANSITION;
    p->adopted +=
        event->kind == WSRT_BREAKER_EVENT_TRANSITION && event->cause == WSRT_CAUSE_ADOPTED;
    p->down += event->kind == WSRT_BREAKER_EVENT_STORE_DOWN;
    p->up += event->kind == WSRT_BREAKER_EVENT_STORE_UP;
}

static const wsrt_breaker_config config = {.struct_size = sizeof config,
                                           .failure_threshold = 3,
                                           .minimum_request_count = 3,
                                           .recovery_timeout_ms = WAIT_MS,
                                           .expected_response_time_ms = 2000,
                                           .probe_lease_ms = LEASE_MS};

static void start(struct process *p, int64_t skew_ms)
{
    wsrt_env env = {.struct_size = sizeof env, .user = p, .now = clock_now, .wall = clock_wall};
    wsrt_breakers_options o = {
        .struct_size = sizeof o, .env = &env, .store = &spy, .store_self = memory};
    wsrt_breaker_listener *l;

    *p = (struct process){.skew_ms = skew_ms};
    o.now = clock_now(p);
    ck_assert_int_eq(wsrt_breakers_new(&p->registry, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_listen(p->registry, 0, note, p, &l), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_get(p->registry, wsrt_span_cstr("dynamodb"),
                                       wsrt_span_cstr("put"), &config, &p->b, NULL),
                     WSRT_OK);
}

static void set_up(void)
{
    atomic_store(&clock_ms, 100000);
    atomic_store(&loads, 0);
    atomic_store(&writes, 0);
    atomic_store(&conflicts, 0);
    atomic_store(&lost, 0);
    delay_ms = lies = inside_calls = fail_at = 0;
    during = NULL;
    ck_assert_int_eq(wsrt_memory_breaker_store_new(&memory, NULL), WSRT_OK);
    /* Up to three seconds and a half apart, both ways: less than the lease. */
    for (int i = 0; i < FLEET; i++)
        start(&fleet[i], (i * 37 % FLEET - FLEET / 2) * 140);
}

static void tear_down(void)
{
    for (int i = 0; i < FLEET; i++) {
        wsrt_breaker_release_ref(fleet[i].b);
        wsrt_breakers_free(fleet[i].registry);
    }
    wsrt_memory_breaker_store_free(memory);
}

static int acquire(struct process *p, wsrt_permit *permit, wsrt_rejection *why)
{
    return wsrt_breaker_try_acquire(p->b, clock_now(p), permit, why);
}

static int record(struct process *p, wsrt_permit *permit, int outcome)
{
    return wsrt_breaker_record(p->b, permit, clock_now(p), outcome);
}

static void call(struct process *p, int outcome)
{
    wsrt_permit permit;

    if (acquire(p, &permit, NULL) == WSRT_OK)
        (void)record(p, &permit, outcome);
}

static void trip(struct process *p)
{
    for (int i = 0; i < 3; i++)
        call(p, WSRT_FAILURE);
}

static wsrt_breaker_stats stats(struct process *p)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_breaker_get_stats(p->b, clock_now(p), clock_wall(p), &s), WSRT_OK);
    return s;
}

static wsrt_breaker_shared stored(void)
{
    wsrt_breaker_shared_key key = {sizeof key, 250, wsrt_span_cstr("dynamodb"),
                                   wsrt_span_cstr("put")};
    wsrt_breaker_shared s = {.struct_size = sizeof s};

    (void)wsrt_memory_breaker_store_ops()->load(memory, &key, &s);
    return s;
}

/* How many of the fleet get a permit right now; the last of them keeps it. */
static int grants(struct process **last, wsrt_permit *permit)
{
    int count = 0;

    for (int i = 0; i < FLEET; i++) {
        if (acquire(&fleet[i], permit, NULL) != WSRT_OK)
            continue;
        *last = &fleet[i];
        count++;
    }
    return count;
}

/* ---- rules ---- */

START_TEST(a_healthy_breaker_loads_once_and_never_writes)
{
    for (int i = 0; i < 1000000; i++) {
        atomic_fetch_add(&clock_ms, i % 100 == 0);
        call(&fleet[0], WSRT_SUCCESS);
    }
    ck_assert_int_eq(loads, 1);
    ck_assert_int_eq(writes + conflicts, 0);
}
END_TEST

START_TEST(failures_that_do_not_trip_load_once_a_second)
{
    call(&fleet[0], WSRT_SUCCESS);
    for (int i = 0; i < 50; i++) {
        call(&fleet[0], WSRT_FAILURE);
        for (int n = 0; n < 9; n++)
            call(&fleet[0], WSRT_SUCCESS);
        (void)wsrt_breaker_control(fleet[0].b, WSRT_BREAKER_OBSERVE_ONLY, 0, 0);
        (void)wsrt_breaker_control(fleet[0].b, WSRT_BREAKER_RESET, 0, 0);
    }
    ck_assert_int_eq(loads, 1); /* by hand is local */
    call(&fleet[1], WSRT_FAILURE);
    call(&fleet[1], WSRT_FAILURE);
    ck_assert_int_eq(loads, 2);
    atomic_fetch_add(&clock_ms, 60000);
    for (int i = 0; i < 2; i++)
        call(&fleet[1], WSRT_FAILURE);
    ck_assert_int_eq(loads, 3);
    ck_assert_int_eq(writes, 0);
}
END_TEST

START_TEST(a_trip_is_written_and_the_next_process_starts_open)
{
    trip(&fleet[0]);
    ck_assert_int_eq(writes, 1);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_OPEN);
    ck_assert_int_eq(stored().until, clock_wall(&fleet[0]) + WAIT_MS);
    call(&fleet[1], WSRT_SUCCESS);
    ck_assert_int_eq(stats(&fleet[1]).state, WSRT_BREAKER_OPEN);
    ck_assert_int_eq(fleet[1].adopted, 1);
    ck_assert_int_eq(stats(&fleet[1]).next_attempt_time, stored().until);
}
END_TEST

START_TEST(whoever_trips_second_follows_the_schedule_of_the_first)
{
    call(&fleet[1], WSRT_SUCCESS); /* looked while all was well */
    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, 500);
    trip(&fleet[1]);
    ck_assert_int_eq(conflicts, 1);
    ck_assert_int_eq(stored().version, 1);
    ck_assert_int_eq(stats(&fleet[1]).next_attempt_time, stored().until);
    ck_assert_int_eq(stats(&fleet[1]).opened, 1);
}
END_TEST

START_TEST(one_process_probes_for_all)
{
    struct process *prober = NULL;
    wsrt_permit permit;
    wsrt_rejection why;

    for (int i = 0; i < FLEET; i++)
        call(&fleet[i], WSRT_SUCCESS);
    for (int i = 0; i < FLEET; i++)
        trip(&fleet[i]);
    for (int round = 0; round < 4; round++) {
        atomic_fetch_add(&clock_ms, WAIT_MS + 7100); /* over on every clock */
        ck_assert_int_eq(grants(&prober, &permit), 1);
        struct process *other = prober == &fleet[0] ? &fleet[1] : &fleet[0];
        ck_assert_int_eq(acquire(other, &permit, &why), WSRT_ERR_CIRCUIT_OPEN);
        ck_assert_int_eq(why.reason, WSRT_REJECT_PROBE_BUSY);
        ck_assert_int_gt(why.retry_after_ms, 0);
        ck_assert_int_le(why.retry_after_ms, LEASE_MS);
        ck_assert_int_eq(record(prober, &permit, WSRT_FAILURE), WSRT_OK);
        ck_assert_int_eq(stored().state, WSRT_BREAKER_OPEN);
    }
}
END_TEST

START_TEST(the_fleet_closes_about_a_second_after_the_prober)
{
    struct process *prober = NULL;
    wsrt_permit permit;

    for (int i = 0; i < FLEET; i++)
        call(&fleet[i], WSRT_SUCCESS);
    for (int i = 0; i < FLEET; i++)
        trip(&fleet[i]);
    atomic_fetch_add(&clock_ms, WAIT_MS + 7100);
    ck_assert_int_eq(grants(&prober, &permit), 1);
    ck_assert_int_eq(record(prober, &permit, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_CLOSED);
    int before = loads;
    atomic_fetch_add(&clock_ms, 999);
    ck_assert_int_eq(grants(&prober, &permit), 1); /* the prober itself */
    ck_assert_int_eq(loads, before);
    atomic_fetch_add(&clock_ms, 1);
    ck_assert_int_eq(grants(&prober, &permit), FLEET);
    ck_assert_int_eq(loads, before + FLEET - 1);
    ck_assert_int_eq(writes, 3); /* opened, claimed, closed */
}
END_TEST

START_TEST(a_lease_that_ended_may_be_claimed_by_anyone)
{
    struct process *prober = NULL, *next = NULL;
    wsrt_permit permit, second;

    for (int i = 0; i < FLEET; i++)
        trip(&fleet[i]);
    atomic_fetch_add(&clock_ms, WAIT_MS + 7100);
    ck_assert_int_eq(grants(&prober, &permit), 1);
    atomic_fetch_add(&clock_ms, LEASE_MS + 7100);
    ck_assert_int_eq(grants(&next, &second), 1);
    ck_assert_int_eq(record(next, &second, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(growth_is_shared)
{
    wsrt_breaker_config growing = config;
    wsrt_permit permit;

    growing.backoff_factor = 2;
    for (int i = 0; i < 2; i++)
        wsrt_breaker_reconfigure(fleet[i].b, &growing, 0, clock_now(&fleet[i]));
    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, WAIT_MS);
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(record(&fleet[0], &permit, WSRT_FAILURE), WSRT_OK);
    call(&fleet[1], WSRT_SUCCESS);
    ck_assert_uint_eq(stats(&fleet[1]).growth_step, 1);
    ck_assert_int_eq(stats(&fleet[1]).next_attempt_time, stored().until);
}
END_TEST

/* ---- a store that is no help ---- */

START_TEST(with_the_store_down_each_acts_alone_and_leaves_it_alone)
{
    wsrt_permit permit;

    atomic_store(&lost, 1000);
    trip(&fleet[0]);
    ck_assert_int_eq(stats(&fleet[0]).state, WSRT_BREAKER_OPEN);
    ck_assert_int_eq(stats(&fleet[0]).store_errors, 1); /* the first look; then left alone */
    atomic_fetch_add(&clock_ms, WAIT_MS);
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(stats(&fleet[0]).store_errors, 2);
    ck_assert_int_eq(record(&fleet[0], &permit, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stats(&fleet[0]).state, WSRT_BREAKER_CLOSED);
    ck_assert_int_eq(stats(&fleet[0]).store_errors, 2);
    ck_assert_int_eq(fleet[0].down, 1);
    ck_assert_int_eq(fleet[0].up, 0);
    atomic_store(&lost, 0);
    atomic_fetch_add(&clock_ms, 5000);
    trip(&fleet[0]);
    ck_assert_int_eq(fleet[0].down, 1);
    ck_assert_int_eq(fleet[0].up, 1);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_OPEN);
}
END_TEST

/* Ends CLOSED or with a wait, at latest after every wait and lease there is. */
static void check_recovers(struct process *p)
{
    for (int i = 0; i < 6; i++) {
        atomic_fetch_add(&clock_ms, WAIT_MS + LEASE_MS);
        call(p, WSRT_SUCCESS);
    }
    ck_assert_int_eq(stats(p).state, WSRT_BREAKER_CLOSED);
}

START_TEST(each_call_of_the_store_may_fail)
{
    for (fail_at = 1; fail_at <= 6; fail_at++) {
        struct process *p = &fleet[fail_at];
        calls = 0;
        trip(p);
        trip(&fleet[0]);
        ck_assert_int_eq(stats(p).state, WSRT_BREAKER_OPEN);
        check_recovers(p);
        check_recovers(&fleet[0]);
        ck_assert_int_ge(calls, 6);
        atomic_fetch_add(&clock_ms, 5000);
    }
}
END_TEST

START_TEST(a_slow_answer_is_an_error)
{
    delay_ms = 250;
    call(&fleet[0], WSRT_SUCCESS);
    ck_assert_int_eq(stats(&fleet[0]).store_errors, 0);
    delay_ms = 251;
    call(&fleet[1], WSRT_SUCCESS);
    ck_assert_int_eq(stats(&fleet[1]).store_errors, 1);
    ck_assert_int_eq(fleet[1].down, 1);
}
END_TEST

START_TEST(time_in_the_store_is_not_the_calls)
{
    wsrt_permit permit;

    delay_ms = 200;
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    atomic_fetch_add(&clock_ms, 1900);
    ck_assert_int_eq(record(&fleet[0], &permit, WSRT_SUCCESS), WSRT_OK);
    ck_assert_uint_eq(stats(&fleet[0]).slow, 0);
    delay_ms = 0;
    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, WAIT_MS);
    delay_ms = 200;
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_HALF_OPEN);
    atomic_fetch_add(&clock_ms, 1900);
    ck_assert_int_eq(record(&fleet[0], &permit, WSRT_SUCCESS), WSRT_OK);
    ck_assert_uint_eq(stats(&fleet[0]).slow, 0);
}
END_TEST

START_TEST(a_trip_the_store_missed_is_probed_whatever_old_record_it_has)
{
    wsrt_permit permit;

    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, WAIT_MS);
    call(&fleet[0], WSRT_SUCCESS);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_CLOSED);
    atomic_store(&lost, 1);
    trip(&fleet[1]);
    atomic_fetch_add(&clock_ms, WAIT_MS);
    ck_assert_int_eq(acquire(&fleet[1], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(stats(&fleet[1]).state, WSRT_BREAKER_HALF_OPEN);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(a_closing_the_store_missed_is_written_at_the_next_failure)
{
    wsrt_permit permit;

    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, WAIT_MS);
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    atomic_store(&lost, 1);
    ck_assert_int_eq(record(&fleet[0], &permit, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_HALF_OPEN);
    atomic_fetch_add(&clock_ms, 5000);
    call(&fleet[0], WSRT_FAILURE);
    ck_assert_int_eq(stats(&fleet[0]).state, WSRT_BREAKER_CLOSED);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_failure_finds_what_the_fleet_knows_and_keeps_its_counts_for_show)
{
    call(&fleet[1], WSRT_SUCCESS);
    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, 1000);
    call(&fleet[1], WSRT_FAILURE);
    ck_assert_int_eq(stats(&fleet[1]).state, WSRT_BREAKER_OPEN);
    ck_assert_uint_eq(stats(&fleet[1]).failure_count, 1);
    ck_assert_uint_eq(stats(&fleet[1]).success_count, 1);
    ck_assert_int_eq(fleet[1].adopted, 1);
}
END_TEST

/* The record stands, until the end of time; writing over it is allowed. */
START_TEST(a_record_without_end_ends_all_the_same)
{
    wsrt_breaker_shared endless = {.struct_size = sizeof endless,
                                   .state = _i == 0 ? WSRT_BREAKER_OPEN : WSRT_BREAKER_HALF_OPEN,
                                   .version = 1,
                                   .until = INT64_MAX};
    wsrt_breaker_shared_key key = {sizeof key, 250, wsrt_span_cstr("dynamodb"),
                                   wsrt_span_cstr("put")};
    wsrt_breaker_shared seen;
    wsrt_permit permit;

    ck_assert_int_eq(
        wsrt_memory_breaker_store_ops()->compare_and_swap(memory, &key, 0, &endless, &seen),
        WSRT_OK);
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_ERR_CIRCUIT_OPEN);
        atomic_fetch_add(&clock_ms, _i == 0 ? WAIT_MS / 12 : LEASE_MS / 12);
    }
    atomic_fetch_add(&clock_ms, 10);
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
}
END_TEST

static const wsrt_breaker_shared tall_tales[] = {
    {sizeof(wsrt_breaker_shared), WSRT_BREAKER_OPEN, 9, INT64_MAX, 1, UINT32_MAX, 0},
    {sizeof(wsrt_breaker_shared), WSRT_BREAKER_HALF_OPEN, UINT64_MAX, INT64_MAX, 1, 0, 0},
    {sizeof(wsrt_breaker_shared), WSRT_BREAKER_OPEN, 0, INT64_MIN, 1, 7, 0},
    {sizeof(wsrt_breaker_shared), WSRT_BREAKER_CLOSED, 3, INT64_MAX, 1, 7, 0},
    {sizeof(wsrt_breaker_shared), 77, 3, 0, 1, 7, 0},
    {0, -1, 0, 0, 0, 0, 0},
};

START_TEST(a_lying_store_keeps_nobody_out_for_longer_than_the_longest_wait)
{
    struct process *p = &fleet[_i];
    wsrt_permit permit;

    lie = tall_tales[_i];
    lies = 1;
    call(p, WSRT_SUCCESS);
    ck_assert_int_eq(p->down, _i == 2 || _i >= 4);
    int64_t next = stats(p).next_attempt_time;
    ck_assert_int_le(next, clock_wall(p) + WAIT_MS);
    trip(p);
    next = stats(p).next_attempt_time;
    ck_assert_int_le(next, clock_wall(p) + WAIT_MS);
    ck_assert_int_eq(stats(p).store_errors > 0, _i >= 2);
    atomic_fetch_add(&clock_ms, WAIT_MS + LEASE_MS);
    ck_assert_int_eq(acquire(p, &permit, NULL), WSRT_OK);
}
END_TEST

/* ---- by hand, and threads ---- */

START_TEST(commands_stay_in_the_process)
{
    wsrt_permit permit;

    wsrt_breaker_control(fleet[0].b, WSRT_BREAKER_TRIP, 100, clock_now(&fleet[0]));
    atomic_fetch_add(&clock_ms, 100);
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(record(&fleet[0], &permit, WSRT_SUCCESS), WSRT_OK);
    wsrt_breaker_control(fleet[0].b, WSRT_BREAKER_FORCE_OPEN, 0, clock_now(&fleet[0]));
    ck_assert_int_eq(loads + writes + conflicts, 0);
    wsrt_breaker_control(fleet[0].b, WSRT_BREAKER_RESET, 0, clock_now(&fleet[0]));
    trip(&fleet[0]);
    ck_assert_int_eq(writes, 1); /* a trip of its own is news again */
    atomic_fetch_add(&clock_ms, WAIT_MS);
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(stored().state, WSRT_BREAKER_HALF_OPEN);
}
END_TEST

static wsrt_rejection seen_inside;

static void ask_inside(void)
{
    wsrt_permit permit;

    inside_calls++;
    if (acquire(&fleet[0], &permit, &seen_inside) == WSRT_OK)
        seen_inside.reason = 0;
}

START_TEST(while_a_claim_is_under_way_others_are_refused_at_once)
{
    wsrt_permit permit;

    trip(&fleet[0]);
    atomic_fetch_add(&clock_ms, WAIT_MS);
    during = ask_inside;
    ck_assert_int_eq(acquire(&fleet[0], &permit, NULL), WSRT_OK);
    ck_assert_int_eq(inside_calls, 1);
    ck_assert_int_eq(seen_inside.reason, WSRT_REJECT_CLAIM);
    ck_assert_int_eq(seen_inside.retry_after_ms, -1);
}
END_TEST

START_TEST(options_of_a_store_are_checked)
{
    wsrt_breaker_store_ops half = {.struct_size = sizeof half, .load = spy_load};
    wsrt_breakers_options o = {.struct_size = sizeof o, .store = &half};
    wsrt_breakers *r;

    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_ERR_INVALID);
    o.store = NULL;
    o.store_budget_ms = 1;
    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_memory_breaker_store_new(NULL, NULL), WSRT_ERR_INVALID);
    wsrt_memory_breaker_store_free(NULL);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 200 };

static pthread_barrier_t together;
static _Atomic int granted;
static wsrt_permit won[THREADS];
static struct process *winner[THREADS];

/* Two threads each for two processes. */
static void *race(void *user)
{
    int me = *(const int *)user;
    struct process *p = &fleet[me % 2];
    wsrt_permit permit;

    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&together);
        for (int i = 0; i < 50; i++) {
            if (acquire(p, &permit, NULL) != WSRT_OK)
                continue;
            atomic_fetch_add(&granted, 1);
            won[me] = permit;
            winner[me] = p;
        }
        pthread_barrier_wait(&together);
        pthread_barrier_wait(&together);
    }
    return NULL;
}

START_TEST(threads_of_two_processes_send_one_probe_a_wait)
{
    pthread_t threads[THREADS];
    int me[THREADS];

    for (int i = 0; i < 2; i++)
        trip(&fleet[i]);
    pthread_barrier_init(&together, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        me[i] = i;
        pthread_create(&threads[i], NULL, race, &me[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        atomic_fetch_add(&clock_ms, WAIT_MS + 7100);
        atomic_store(&granted, 0);
        memset(winner, 0, sizeof winner);
        pthread_barrier_wait(&together);
        pthread_barrier_wait(&together);
        ck_assert_int_eq(granted, 1);
        for (int i = 0; i < THREADS; i++)
            if (winner[i] != NULL)
                ck_assert_int_eq(record(winner[i], &won[i], WSRT_FAILURE), WSRT_OK);
        pthread_barrier_wait(&together);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);
}
END_TEST

static void *fail_often(void *user)
{
    struct process *p = user;

    for (int i = 0; i < 20000; i++) {
        if (i % 64 == 0)
            atomic_fetch_add(&clock_ms, 100);
        call(p, i % 7 == 0 ? WSRT_SUCCESS : WSRT_FAILURE);
    }
    return NULL;
}

START_TEST(threads_that_trip_close_and_adopt_leave_a_breaker_that_recovers)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, fail_often, &fleet[i % 2]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_gt(writes, 0);
    check_recovers(&fleet[0]);
    check_recovers(&fleet[1]);
}
END_TEST

/* What the store cannot keep for want of memory is an error of the store: the calls go on. */
static int run_in(struct heap *heap)
{
    wsrt_memory_breaker_store *m;
    wsrt_breakers *r = NULL;
    wsrt_breaker *b = NULL;
    int rc = wsrt_memory_breaker_store_new(&m, &heap->allocator);
    wsrt_breakers_options o = {.struct_size = sizeof o,
                               .allocator = heap->allocator,
                               .store = wsrt_memory_breaker_store_ops(),
                               .store_self = m};

    if (rc == WSRT_OK)
        rc = wsrt_breakers_new(&r, &o);
    if (rc == WSRT_OK)
        rc = wsrt_breakers_get(r, wsrt_span_cstr("a"), wsrt_span_cstr("b"), &config, &b, NULL);
    for (int i = 0; rc == WSRT_OK && i < 3; i++) {
        wsrt_permit permit;
        ck_assert_int_eq(wsrt_breaker_try_acquire(b, 0, &permit, NULL), WSRT_OK);
        ck_assert_int_eq(wsrt_breaker_record(b, &permit, 0, WSRT_FAILURE), WSRT_OK);
    }
    if (rc == WSRT_OK)
        ck_assert_int_eq(wsrt_breaker_try_acquire(b, 0, &(wsrt_permit){{0, 0}}, NULL),
                         WSRT_ERR_CIRCUIT_OPEN);
    wsrt_breakers_free(r);
    wsrt_memory_breaker_store_free(m);
    return rc;
}

START_TEST(each_allocation_of_a_registry_with_a_store_may_fail)
{
    struct heap heap;

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++) {
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, sticky);
            int rc = run_in(&heap);
            ck_assert_uint_eq(heap.live, 0);
            if (!heap.tripped) {
                ck_assert_int_eq(rc, WSRT_OK);
                break;
            }
            heap.points++;
        }
    }
    printf("# allocation points: %zu\n", heap.points);
    ck_assert_uint_ge(heap.points, 12);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_fleet");
    TCase *t = tcase_create("fleet");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_healthy_breaker_loads_once_and_never_writes);
    tcase_add_test(t, failures_that_do_not_trip_load_once_a_second);
    tcase_add_test(t, a_trip_is_written_and_the_next_process_starts_open);
    tcase_add_test(t, whoever_trips_second_follows_the_schedule_of_the_first);
    tcase_add_test(t, one_process_probes_for_all);
    tcase_add_test(t, the_fleet_closes_about_a_second_after_the_prober);
    tcase_add_test(t, a_lease_that_ended_may_be_claimed_by_anyone);
    tcase_add_test(t, growth_is_shared);
    tcase_add_test(t, with_the_store_down_each_acts_alone_and_leaves_it_alone);
    tcase_add_test(t, each_call_of_the_store_may_fail);
    tcase_add_test(t, a_slow_answer_is_an_error);
    tcase_add_test(t, time_in_the_store_is_not_the_calls);
    tcase_add_test(t, a_trip_the_store_missed_is_probed_whatever_old_record_it_has);
    tcase_add_test(t, a_closing_the_store_missed_is_written_at_the_next_failure);
    tcase_add_test(t, a_failure_finds_what_the_fleet_knows_and_keeps_its_counts_for_show);
    tcase_add_loop_test(t, a_record_without_end_ends_all_the_same, 0, 2);
    tcase_add_loop_test(t, a_lying_store_keeps_nobody_out_for_longer_than_the_longest_wait, 0,
                        (int)(sizeof tall_tales / sizeof tall_tales[0]));
    tcase_add_test(t, commands_stay_in_the_process);
    tcase_add_test(t, while_a_claim_is_under_way_others_are_refused_at_once);
    tcase_add_test(t, options_of_a_store_are_checked);
    tcase_add_test(t, threads_of_two_processes_send_one_probe_a_wait);
    tcase_add_test(t, threads_that_trip_close_and_adopt_leave_a_breaker_that_recovers);
    tcase_add_test(t, each_allocation_of_a_registry_with_a_store_may_fail);
    suite_add_tcase(s, t);
    return s;
}
