#include "heap.h"
#include "suite.h"

#include <wsrt/breaker.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static wsrt_breaker *breaker(const char *service, const wsrt_breaker_config *config)
{
    wsrt_breaker *b;

    ck_assert_int_eq(wsrt_breakers_get(registry, wsrt_span_cstr(service), wsrt_span_cstr("op"),
                                       config, &b, NULL),
                     WSRT_OK);
    wsrt_breaker_release_ref(b);
    return b;
}

/* Two failures among at least two calls trip it; a second's wait, a second's lease. */
static wsrt_breaker_config quick(void)
{
    return (wsrt_breaker_config){.struct_size = sizeof(wsrt_breaker_config),
                                 .failure_threshold = 2,
                                 .minimum_request_count = 2,
                                 .recovery_timeout_ms = 1000,
                                 .expected_response_time_ms = -1,
                                 .monitoring_window_ms = 10000,
                                 .probe_lease_ms = 1000};
}

static wsrt_permit acquire(wsrt_breaker *b, int64_t now)
{
    wsrt_permit p;

    ck_assert_int_eq(wsrt_breaker_try_acquire(b, now, &p, NULL), WSRT_OK);
    return p;
}

static int call(wsrt_breaker *b, int64_t now, int outcome)
{
    wsrt_permit p = acquire(b, now);

    return wsrt_breaker_record(b, &p, now, outcome);
}

static int rejected(wsrt_breaker *b, int64_t now, int64_t *retry_after)
{
    wsrt_permit p;
    wsrt_rejection why = {0};

    if (wsrt_breaker_try_acquire(b, now, &p, &why) == WSRT_OK)
        return 0;
    if (retry_after != NULL)
        *retry_after = why.retry_after_ms;
    return why.reason;
}

static wsrt_breaker_stats stats(wsrt_breaker *b, int64_t now)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_breaker_get_stats(b, now, now / ms + 1000000, &s), WSRT_OK);
    return s;
}

static wsrt_breaker *tripped(int64_t now)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = breaker("svc", &c);

    call(b, now, WSRT_FAILURE);
    call(b, now, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, now).state, WSRT_BREAKER_OPEN);
    return b;
}

START_TEST(presets_are_taken_by_service_name)
{
    static const struct {
        const char *service;
        int failures, successes;
    } rows[] = {
        {"cognito", 3, 2}, {"apigateway-management", 5, 0}, {"dynamodb", 3, 2}, {"x", 5, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_breaker *b = breaker(rows[i].service, NULL);
        for (int n = 0; n < rows[i].successes; n++)
            call(b, 0, WSRT_SUCCESS);
        for (int n = 1; n < rows[i].failures; n++)
            call(b, 0, WSRT_FAILURE);
        ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
        call(b, 0, WSRT_FAILURE);
        ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_OPEN);
    }
}
END_TEST

START_TEST(failures_below_the_minimum_request_count_do_not_trip)
{
    wsrt_breaker *b = breaker("cognito", NULL);

    for (int i = 0; i < 4; i++)
        call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_OPEN);
}
END_TEST

START_TEST(a_success_never_trips)
{
    wsrt_breaker *b = breaker("cognito", NULL);

    for (int i = 0; i < 4; i++)
        call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_SUCCESS);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(ignored_outcomes_neither_count_nor_trip)
{
    wsrt_breaker *b = breaker("cognito", NULL);

    for (int i = 0; i < 100; i++)
        call(b, 0, WSRT_IGNORED);
    ck_assert_uint_eq(stats(b, 0).total_requests, 0);
    ck_assert_uint_eq(stats(b, 0).ignored, 100);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(an_open_breaker_says_when_to_come_back)
{
    wsrt_breaker *b = tripped(0);
    int64_t left;

    ck_assert_int_eq(rejected(b, 0, &left), WSRT_REJECT_OPEN);
    ck_assert_int_eq(left, 1000);
    ck_assert_int_eq(rejected(b, 999 * ms, &left), WSRT_REJECT_OPEN);
    ck_assert_int_eq(left, 1);
    ck_assert_uint_eq(stats(b, 0).rejected, 2);
    ck_assert_int_eq(stats(b, 0).next_attempt_time, 1000000 + 1000);
}
END_TEST

START_TEST(lets_one_probe_through_after_the_recovery_timeout)
{
    wsrt_breaker *b = tripped(0);
    int64_t left;

    ck_assert_int_eq(rejected(b, 1000 * ms - 1, NULL), WSRT_REJECT_OPEN);
    acquire(b, 1000 * ms);
    ck_assert_int_eq(rejected(b, 1000 * ms, &left), WSRT_REJECT_PROBE_BUSY);
    ck_assert_int_eq(left, 1000);
}
END_TEST

START_TEST(a_probe_that_succeeds_closes_with_an_empty_window)
{
    wsrt_breaker *b = tripped(0);

    ck_assert_int_eq(call(b, 1000 * ms, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stats(b, 1000 * ms).state, WSRT_BREAKER_CLOSED);
    ck_assert_uint_eq(stats(b, 1000 * ms).total_requests, 0);
    call(b, 1000 * ms, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 1000 * ms).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_probe_that_fails_opens_for_a_fresh_wait)
{
    wsrt_breaker *b = tripped(0);
    int64_t left;

    call(b, 1500 * ms, WSRT_FAILURE);
    ck_assert_int_eq(rejected(b, 1500 * ms, &left), WSRT_REJECT_OPEN);
    ck_assert_int_eq(left, 1000);
    ck_assert_uint_eq(stats(b, 0).opened, 2);
}
END_TEST

START_TEST(a_probe_given_back_leaves_its_place_to_the_next)
{
    wsrt_breaker *b = tripped(0);
    wsrt_permit p = acquire(b, 1000 * ms);

    ck_assert_int_eq(wsrt_breaker_release(b, &p, 1000 * ms), WSRT_OK);
    ck_assert_int_eq(stats(b, 1000 * ms).state, WSRT_BREAKER_HALF_OPEN);
    acquire(b, 1000 * ms);
}
END_TEST

START_TEST(a_lost_probe_is_replaced_when_its_lease_ends)
{
    wsrt_breaker *b = tripped(0);
    wsrt_permit lost = acquire(b, 1000 * ms);

    ck_assert_int_eq(rejected(b, 1999 * ms, NULL), WSRT_REJECT_PROBE_BUSY);
    wsrt_permit next = acquire(b, 2000 * ms);
    ck_assert_int_eq(wsrt_breaker_record(b, &lost, 2000 * ms, WSRT_SUCCESS), WSRT_STALE);
    ck_assert_int_eq(stats(b, 2000 * ms).state, WSRT_BREAKER_HALF_OPEN);
    ck_assert_int_eq(wsrt_breaker_record(b, &next, 2000 * ms, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stats(b, 2000 * ms).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(an_overdue_probe_still_decides_while_nobody_asks)
{
    wsrt_breaker *b = tripped(0);
    wsrt_permit p = acquire(b, 1000 * ms);

    ck_assert_int_eq(wsrt_breaker_record(b, &p, 9000 * ms, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stats(b, 9000 * ms).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(late_answers_to_calls_sent_before_the_trip_are_stale)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = breaker("svc", &c);
    wsrt_permit early = acquire(b, 0), other = acquire(b, 0);

    call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(wsrt_breaker_record(b, &early, 10 * ms, WSRT_SUCCESS), WSRT_STALE);
    call(b, 1000 * ms, WSRT_SUCCESS);
    ck_assert_int_eq(wsrt_breaker_record(b, &other, 1000 * ms, WSRT_FAILURE), WSRT_STALE);
    ck_assert_uint_eq(stats(b, 1000 * ms).total_requests, 0);
    ck_assert_uint_eq(stats(b, 1000 * ms).stale, 2);
}
END_TEST

START_TEST(settling_a_permit_twice_changes_nothing)
{
    wsrt_breaker *b = tripped(0);
    wsrt_permit p = acquire(b, 1000 * ms), copy = p;

    ck_assert_int_eq(wsrt_breaker_record(b, &p, 1000 * ms, WSRT_IGNORED), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_record(b, &p, 1000 * ms, WSRT_SUCCESS), WSRT_ERR_INVALID);
    acquire(b, 1000 * ms);
    ck_assert_int_eq(wsrt_breaker_record(b, &copy, 1000 * ms, WSRT_SUCCESS), WSRT_STALE);
    ck_assert_int_eq(rejected(b, 1000 * ms, NULL), WSRT_REJECT_PROBE_BUSY);
}
END_TEST

START_TEST(a_permit_stays_stale_across_the_wrap_of_the_generation)
{
    wsrt_breaker_config c = quick();
    c.failure_threshold = c.minimum_request_count = 1;
    c.recovery_timeout_ms = -1;
    wsrt_breaker *b = breaker("svc", &c);
    wsrt_permit old = acquire(b, 0);

    /* three transitions a round; after 2^20 of them the word's generation is 0 again */
    for (uint64_t i = 0; stats(b, 0).generation < (1u << 20); i++) {
        call(b, 0, WSRT_FAILURE);
        if (stats(b, 0).generation == 1u << 20)
            break;
        call(b, 0, i % 2 ? WSRT_SUCCESS : WSRT_FAILURE);
    }
    ck_assert_uint_ge(stats(b, 0).generation, 1u << 20);
    ck_assert_int_eq(wsrt_breaker_record(b, &old, 0, WSRT_FAILURE), WSRT_STALE);
}
END_TEST

START_TEST(slow_successes_count_as_failures_only_when_strictly_slower)
{
    wsrt_breaker_config c = quick();
    c.expected_response_time_ms = 100;
    wsrt_breaker *b = breaker("svc", &c);
    wsrt_permit p = acquire(b, 0);

    wsrt_breaker_record(b, &p, 100 * ms, WSRT_SUCCESS);
    ck_assert_uint_eq(stats(b, 100 * ms).failure_count, 0);
    p = acquire(b, 0);
    wsrt_breaker_record(b, &p, 100 * ms + 1, WSRT_SUCCESS);
    ck_assert_uint_eq(stats(b, 100 * ms).failure_count, 1);
    ck_assert_uint_eq(stats(b, 100 * ms).slow, 1);
}
END_TEST

START_TEST(observed_slowness_moves_only_the_lifetime_counter)
{
    wsrt_breaker_config c = quick();
    c.expected_response_time_ms = 100;
    c.slow_policy = WSRT_SLOW_OBSERVE;
    wsrt_breaker *b = breaker("svc", &c);
    wsrt_permit p = acquire(b, 0);

    wsrt_breaker_record(b, &p, 500 * ms, WSRT_SUCCESS);
    ck_assert_uint_eq(stats(b, 500 * ms).success_count, 1);
    ck_assert_uint_eq(stats(b, 500 * ms).slow, 1);
}
END_TEST

START_TEST(an_event_counts_for_nine_tenths_of_the_window_and_not_after_all_of_it)
{
    wsrt_breaker_config c = quick();

    for (int64_t at = 0; at < 1000; at += 37) { /* anywhere in its bucket of one second */
        wsrt_breakers *fresh;
        wsrt_breaker *b;
        ck_assert_int_eq(wsrt_breakers_new(&fresh, NULL), WSRT_OK);
        wsrt_breakers_get(fresh, wsrt_span_cstr("s"), wsrt_span_cstr("o"), &c, &b, NULL);
        call(b, at * ms, WSRT_FAILURE);
        ck_assert_uint_eq(stats(b, (at + 9000) * ms).failure_count, 1);
        ck_assert_uint_eq(stats(b, (at + 10000) * ms).failure_count, 0);
        wsrt_breakers_free(fresh);
    }
}
END_TEST

START_TEST(counts_do_not_come_back_after_silence_of_any_length)
{
    static const int jumps[] = {16, 20, 24, 32};
    wsrt_breaker_config c = quick();
    c.monitoring_window_ms = 10; /* buckets of one millisecond */
    wsrt_breaker *b = breaker("svc", &c);
    int64_t now = 0;

    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        for (int64_t off = -1; off <= 1; off++) {
            call(b, now, WSRT_FAILURE);
            now += (((int64_t)1 << jumps[i]) + off) * ms;
            ck_assert_uint_eq(stats(b, now).total_requests, 0);
            call(b, now, WSRT_SUCCESS);
            ck_assert_uint_eq(stats(b, now).failure_count, 0);
            now += 20 * ms;
        }
    }
    ck_assert_uint_eq(stats(b, now).lifetime_failures, 12);
    ck_assert_uint_eq(stats(b, now).lifetime_successes, 12);
}
END_TEST

/* A nanosecond before, at, and a millisecond after each of them. */
START_TEST(each_boundary_is_where_it_is_said_to_be)
{
    static const struct {
        int64_t off;
        int is_over, is_beyond;
    } rows[] = {{-1, 0, 0}, {0, 1, 0}, {1000000, 1, 1}};
    const int64_t wait = 1000 * ms, lease = 1000 * ms, slow = 100 * ms, window = 10000 * ms;
    wsrt_breaker_config c = quick();

    c.expected_response_time_ms = slow / ms;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tear_down();
        set_up();
        wsrt_breaker *b = tripped(0), *other = breaker("other", &c);
        ck_assert_int_eq(rejected(b, wait + rows[i].off, NULL),
                         rows[i].is_over ? 0 : WSRT_REJECT_OPEN);
        wsrt_breaker_control(b, WSRT_BREAKER_TRIP, wait / ms, 0);
        acquire(b, wait);
        ck_assert_int_eq(rejected(b, wait + lease + rows[i].off, NULL),
                         rows[i].is_over ? 0 : WSRT_REJECT_PROBE_BUSY);
        wsrt_permit p = acquire(other, 0);
        wsrt_breaker_record(other, &p, slow + rows[i].off, WSRT_SUCCESS);
        ck_assert_uint_eq(stats(other, slow).slow, (uint64_t)rows[i].is_beyond);
        int64_t end = window / 10 * 9 + slow + rows[i].off;
        ck_assert_uint_eq(stats(other, end).total_requests, 1);
        end = slow + rows[i].off + window;
        ck_assert_uint_eq(stats(other, end).total_requests, 0);
        ck_assert_uint_eq(stats(other, end + ms).total_requests, 0);
    }
}
END_TEST

/* Whole milliseconds, and never early. */
START_TEST(a_wait_that_begins_within_a_millisecond_ends_after_one)
{
    wsrt_breaker *b = tripped(1);

    ck_assert_int_eq(rejected(b, 1000 * ms + 1, NULL), WSRT_REJECT_OPEN);
    ck_assert_int_eq(rejected(b, 1001 * ms - 1, NULL), WSRT_REJECT_OPEN);
    ck_assert_int_eq(rejected(b, 1001 * ms, NULL), 0);
}
END_TEST

static int is_armed;

static void *heap_of_before(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (is_armed)
        ck_abort_msg("a call asks for memory or gives some back");
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

START_TEST(no_call_asks_for_memory_however_it_ends)
{
    wsrt_breakers_options o = {.struct_size = sizeof o, .allocator = {heap_of_before, NULL}};
    wsrt_breaker_config c = quick();

    tear_down();
    ck_assert_int_eq(wsrt_breakers_new(&registry, &o), WSRT_OK);
    c.slow_policy = WSRT_SLOW_RATE;
    c.expected_response_time_ms = 100;
    wsrt_breaker *b = breaker("svc", &c);
    is_armed = 1;
    for (int64_t now = 0; now < 60000 * ms; now += 700 * ms) {
        wsrt_permit p = {{0, 0}};
        if (wsrt_breaker_try_acquire(b, now, &p, NULL) != WSRT_OK)
            continue;
        int64_t turn = now / (700 * ms);
        if (turn % 7 == 0)
            wsrt_breaker_release(b, &p, now);
        else
            wsrt_breaker_record(b, &p, now + turn % 3 * 90 * ms, 1 + (int)(turn % 5 % 3));
    }
    is_armed = 0;
    ck_assert_uint_gt(stats(b, 60000 * ms).opened, 1);
    ck_assert_uint_gt(stats(b, 60000 * ms).rejected, 1);
    ck_assert_uint_gt(stats(b, 60000 * ms).slow, 1);
}
END_TEST

/* All calls of one instant. WSRT_BUCKET_CALLS makes it more. */
START_TEST(a_full_bucket_stays_full_and_carries_into_nothing)
{
    static const int outcomes[] = {WSRT_SUCCESS, WSRT_FAILURE};
    const char *text = getenv("WSRT_BUCKET_CALLS");
    const uint64_t calls = text != NULL ? strtoull(text, NULL, 0) : (1 << 24) + 1000;
    const uint64_t most = (1 << 24) - 1;
    wsrt_breaker_config c = quick();
    wsrt_permit p;

    c.failure_threshold = (1 << 24) - 1;
    c.min_failure_rate = 1;
    wsrt_breaker *b = breaker("svc", &c);
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t n = 0; n < calls; n++) {
            wsrt_breaker_try_acquire(b, 0, &p, NULL);
            wsrt_breaker_record(b, &p, 0, outcomes[i]);
        }
        ck_assert_uint_eq(stats(b, 0).success_count, most);
        ck_assert_uint_eq(stats(b, 0).failure_count, i == 0 ? 0 : most);
    }
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED); /* not all have failed */
    ck_assert_uint_eq(stats(b, 0).lifetime_successes, calls);
    ck_assert_uint_eq(stats(b, 0).lifetime_failures, calls);
}
END_TEST

START_TEST(time_going_backwards_counts_as_no_time_passed)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *b = breaker("svc", &c);

    call(b, 50000 * ms, WSRT_FAILURE);
    call(b, 20000 * ms, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 50000 * ms).state, WSRT_BREAKER_OPEN);
}
END_TEST

START_TEST(consecutive_mode_wants_the_failures_in_a_row)
{
    wsrt_breaker_config c = quick();
    c.mode = WSRT_BREAKER_CONSECUTIVE;
    wsrt_breaker *b = breaker("svc", &c);

    call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_SUCCESS);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
    call(b, 0, WSRT_IGNORED);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_OPEN);
}
END_TEST

START_TEST(a_minimum_failure_rate_is_needed_too)
{
    wsrt_breaker_config c = quick();
    c.min_failure_rate = 0.5;
    wsrt_breaker *b = breaker("svc", &c);

    for (int i = 0; i < 3; i++)
        call(b, 0, WSRT_SUCCESS);
    call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_OPEN);
}
END_TEST

START_TEST(the_wait_grows_with_each_failed_recovery_up_to_its_cap)
{
    static const int64_t waits[] = {1000, 2000, 4000, 5000, 5000};
    wsrt_breaker_config c = quick();
    c.backoff_factor = 2;
    c.max_recovery_timeout_ms = 5000;
    wsrt_breaker *b = breaker("svc", &c);
    int64_t now = 0, left = 0;

    call(b, now, WSRT_FAILURE);
    call(b, now, WSRT_FAILURE);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        rejected(b, now, &left);
        ck_assert_int_eq(left, waits[i]);
        now += left * ms;
        call(b, now, WSRT_FAILURE);
    }
}
END_TEST

START_TEST(several_probes_and_several_successes_can_be_asked_for)
{
    wsrt_breaker_config c = quick();
    c.half_open_permits = 2;
    c.half_open_successes = 2;
    wsrt_breaker *b = breaker("svc", &c);

    call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_FAILURE);
    wsrt_permit one = acquire(b, 1000 * ms), two = acquire(b, 1000 * ms);
    ck_assert_int_eq(rejected(b, 1000 * ms, NULL), WSRT_REJECT_PROBE_BUSY);
    wsrt_breaker_record(b, &one, 1000 * ms, WSRT_SUCCESS);
    ck_assert_int_eq(stats(b, 1000 * ms).state, WSRT_BREAKER_HALF_OPEN);
    wsrt_breaker_record(b, &two, 1000 * ms, WSRT_SUCCESS);
    ck_assert_int_eq(stats(b, 1000 * ms).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(settings_out_of_range_are_refused)
{
    wsrt_breaker *b;
    wsrt_breaker_config bad[8];

    for (size_t i = 0; i < 8; i++)
        bad[i] = quick();
    bad[0].failure_threshold = 1 << 24;
    bad[1].recovery_timeout_ms = -2;
    bad[2].monitoring_window_ms = 9;
    bad[3].min_failure_rate = 1.5;
    bad[4].backoff_factor = 11;
    bad[5].mode = 3;
    bad[6].half_open_permits = 1024;
    bad[7].flags = 1;
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr("o"),
                                           &bad[i], &b, NULL),
                         WSRT_ERR_INVALID);
        ck_assert_ptr_null(b);
    }
}
END_TEST

START_TEST(keys_are_two_names_with_lengths)
{
    wsrt_breaker *a, *b, *c;
    char large[256];

    memset(large, 'x', sizeof large);
    wsrt_breakers_get(registry, wsrt_span_cstr("ab"), wsrt_span_cstr("c"), NULL, &a, NULL);
    wsrt_breakers_get(registry, wsrt_span_cstr("a"), wsrt_span_cstr("bc"), NULL, &b, NULL);
    ck_assert_ptr_ne(a, b);
    ck_assert_int_eq(wsrt_breakers_find(registry, wsrt_span_cstr("ab"), wsrt_span_cstr("c"), &c),
                     WSRT_OK);
    ck_assert_ptr_eq(a, c);
    ck_assert_int_eq(wsrt_breakers_find(registry, wsrt_span_cstr("ab"), wsrt_span_cstr("d"), &c),
                     WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(
        wsrt_breakers_get(registry, (wsrt_span){large, 256}, wsrt_span_cstr("c"), NULL, &c, NULL),
        WSRT_ERR_INVALID);
}
END_TEST

/* So many that some have the same hash, whatever the function, and differ in one part alone. */
enum { CROWD = 200000 };

START_TEST(each_of_very_many_names_finds_its_own)
{
    static const char *const before[] = {"", "operation-", "operation-", ""};
    static const char *const behind[] = {"", "", "-of-many", "-of-many-operations"};
    wsrt_breakers_options o = {.struct_size = sizeof o, .max_breakers = CROWD};
    wsrt_breakers *r;
    char name[32];

    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
    for (int i = 0; i < 2 * CROWD; i++) {
        wsrt_breaker *b;
        int n = i % CROWD;
        snprintf(name, sizeof name, "%s%06d%s", before[n % 4], n, behind[n % 4]);
        ck_assert_int_eq(
            wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr(name), NULL, &b, NULL),
            WSRT_OK);
        if (!wsrt_span_equal(wsrt_breaker_operation(b), wsrt_span_cstr(name)))
            ck_abort_msg("%s finds another", name);
        wsrt_breaker_release_ref(b);
    }
    wsrt_breakers_free(r);
}
END_TEST

static wsrt_breaker *named(wsrt_breakers *r, wsrt_span service, wsrt_span operation, int stripes)
{
    wsrt_breaker_config c = {.struct_size = sizeof c, .stripes = stripes};
    wsrt_breaker *b;

    if (wsrt_breakers_get(r, service, operation, stripes != 0 ? &c : NULL, &b, NULL) != WSRT_OK)
        ck_abort_msg("%.*s", (int)operation.len, operation.ptr);
    wsrt_breaker_release_ref(b);
    return b;
}

START_TEST(names_that_differ_in_a_single_byte_are_of_two_breakers)
{
    static const size_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 25, 255};
    char name[255];

    memset(name, 'x', sizeof name);
    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++) {
        wsrt_span whole = {name, lengths[n]}, other = wsrt_span_cstr("other");
        wsrt_breaker *first = named(registry, whole, other, 0);
        wsrt_breaker *second = named(registry, other, whole, 0);
        for (size_t i = 0; i < lengths[n]; i++) {
            name[i] = 'y';
            ck_assert_ptr_ne(named(registry, whole, other, 0), first);
            ck_assert_ptr_ne(named(registry, other, whole, 0), second);
            name[i] = 'x';
        }
        ck_assert_ptr_eq(named(registry, whole, other, 0), first);
        ck_assert_ptr_eq(named(registry, other, whole, 0), second);
    }
}
END_TEST

/* Memory of one that went is only for those of as many stripes. */
START_TEST(breakers_of_any_stripes_are_found_whatever_came_and_went_before)
{
    wsrt_breakers_options o = {.struct_size = sizeof o, .max_breakers = 40};
    wsrt_breaker *made[40];
    wsrt_breakers *r;

    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
    for (int turn = 0; turn < 12; turn++) {
        char name[16];
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof name, "%d-%d", turn, i);
            made[i] = named(r, wsrt_span_cstr("s"), wsrt_span_cstr(name), 8 >> turn % 4);
        }
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof name, "%d-%d", turn, i);
            ck_assert_ptr_eq(named(r, wsrt_span_cstr("s"), wsrt_span_cstr(name), 0), made[i]);
            ck_assert(wsrt_span_equal(wsrt_breaker_operation(made[i]), wsrt_span_cstr(name)));
        }
    }
    wsrt_breakers_free(r);
}
END_TEST

START_TEST(the_first_settings_of_a_key_stay_and_others_are_told)
{
    wsrt_breaker_config c = quick();
    wsrt_breaker *a, *b;
    int differs = 7;

    wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr("o"), &c, &a, &differs);
    ck_assert_int_eq(differs, 0);
    c.failure_threshold = 9;
    wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr("o"), &c, &b, &differs);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(differs, 1);
}
END_TEST

START_TEST(a_full_registry_refuses_new_keys_and_serves_old_ones)
{
    wsrt_breakers_options o = {.struct_size = sizeof o, .max_breakers = 1};
    wsrt_breakers *small;
    wsrt_breaker *b;

    ck_assert_int_eq(wsrt_breakers_new(&small, &o), WSRT_OK);
    wsrt_breakers_get(small, wsrt_span_cstr("s"), wsrt_span_cstr("1"), NULL, &b, NULL);
    ck_assert_int_eq(
        wsrt_breakers_get(small, wsrt_span_cstr("s"), wsrt_span_cstr("2"), NULL, &b, NULL),
        WSRT_ERR_LIMIT);
    ck_assert_int_eq(
        wsrt_breakers_get(small, wsrt_span_cstr("s"), wsrt_span_cstr("1"), NULL, &b, NULL),
        WSRT_OK);
    wsrt_breakers_free(small);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct heap heap;
    size_t points = 0;

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++) {
        for (size_t n = 1;; n++, points++) {
            wsrt_breakers_options o = {.struct_size = sizeof o, .allocator = heap.allocator};
            wsrt_breakers *r = NULL;
            int rc;
            heap_arm(&heap, n, sticky);
            rc = wsrt_breakers_new(&r, &o);
            for (int i = 0; rc == WSRT_OK && i < 200; i++) {
                char name[16];
                wsrt_breaker *b;
                snprintf(name, sizeof name, "%d", i);
                rc =
                    wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr(name), NULL, &b, NULL);
            }
            wsrt_breakers_free(r);
            ck_assert_uint_eq(heap.live, 0);
            if (!heap.tripped)
                break;
            ck_assert(rc == WSRT_ERR_NOMEM || rc == WSRT_OK);
        }
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_gt(points, 200);
}
END_TEST

/* ---- storms ---- */

enum { THREADS = 4, ROUNDS = 300 };

struct storm {
    wsrt_breaker *b;
    pthread_barrier_t barrier;
    _Atomic int granted;
    int64_t now;
};

static void *ask(void *user)
{
    struct storm *s = user;
    wsrt_permit p;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&s->barrier);
        if (wsrt_breaker_try_acquire(s->b, s->now, &p, NULL) == WSRT_OK) {
            s->granted++;
            pthread_barrier_wait(&s->barrier);
            wsrt_breaker_record(s->b, &p, s->now, WSRT_FAILURE);
        } else {
            pthread_barrier_wait(&s->barrier);
        }
        pthread_barrier_wait(&s->barrier);
    }
    return NULL;
}

START_TEST(however_many_arrive_together_exactly_one_probes)
{
    struct storm s = {.b = tripped(0), .now = 1000 * ms};
    pthread_t threads[THREADS];

    pthread_barrier_init(&s.barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask, &s);
    for (int i = 0; i < ROUNDS; i++) {
        s.granted = 0;
        pthread_barrier_wait(&s.barrier);
        pthread_barrier_wait(&s.barrier);
        ck_assert_int_eq(s.granted, 1);
        pthread_barrier_wait(&s.barrier);
        s.now += 1000 * ms; /* the failed probe waits as long again */
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(stats(s.b, s.now).opened, ROUNDS + 1);
    pthread_barrier_destroy(&s.barrier);
}
END_TEST

static void *count_up(void *user)
{
    wsrt_breaker *b = user;

    for (int i = 0; i < 20000; i++) {
        wsrt_permit p;
        int64_t now = (int64_t)i * ms / 4; /* five seconds: buckets turn over under contention */
        wsrt_breaker_try_acquire(b, now, &p, NULL);
        wsrt_breaker_record(b, &p, now, i % 4 ? WSRT_SUCCESS : WSRT_FAILURE);
    }
    return NULL;
}

START_TEST(no_record_is_lost_between_threads)
{
    wsrt_breaker_config c = quick();
    c.failure_threshold = (1 << 24) - 1;
    c.monitoring_window_ms = 100;
    wsrt_breaker *b = breaker("svc", &c);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_up, b);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(stats(b, 6000 * ms).lifetime_failures, THREADS * 5000);
    ck_assert_uint_eq(stats(b, 6000 * ms).lifetime_successes, THREADS * 15000);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker");
    TCase *t = tcase_create("breaker"), *many = tcase_create("very many");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, presets_are_taken_by_service_name);
    tcase_add_test(t, failures_below_the_minimum_request_count_do_not_trip);
    tcase_add_test(t, a_success_never_trips);
    tcase_add_test(t, ignored_outcomes_neither_count_nor_trip);
    tcase_add_test(t, an_open_breaker_says_when_to_come_back);
    tcase_add_test(t, lets_one_probe_through_after_the_recovery_timeout);
    tcase_add_test(t, a_probe_that_succeeds_closes_with_an_empty_window);
    tcase_add_test(t, a_probe_that_fails_opens_for_a_fresh_wait);
    tcase_add_test(t, a_probe_given_back_leaves_its_place_to_the_next);
    tcase_add_test(t, a_lost_probe_is_replaced_when_its_lease_ends);
    tcase_add_test(t, an_overdue_probe_still_decides_while_nobody_asks);
    tcase_add_test(t, late_answers_to_calls_sent_before_the_trip_are_stale);
    tcase_add_test(t, settling_a_permit_twice_changes_nothing);
    tcase_add_test(t, slow_successes_count_as_failures_only_when_strictly_slower);
    tcase_add_test(t, observed_slowness_moves_only_the_lifetime_counter);
    tcase_add_test(t, an_event_counts_for_nine_tenths_of_the_window_and_not_after_all_of_it);
    tcase_add_test(t, counts_do_not_come_back_after_silence_of_any_length);
    tcase_add_test(t, each_boundary_is_where_it_is_said_to_be);
    tcase_add_test(t, a_wait_that_begins_within_a_millisecond_ends_after_one);
    tcase_add_test(t, no_call_asks_for_memory_however_it_ends);
    tcase_add_test(t, time_going_backwards_counts_as_no_time_passed);
    tcase_add_test(t, consecutive_mode_wants_the_failures_in_a_row);
    tcase_add_test(t, a_minimum_failure_rate_is_needed_too);
    tcase_add_test(t, the_wait_grows_with_each_failed_recovery_up_to_its_cap);
    tcase_add_test(t, several_probes_and_several_successes_can_be_asked_for);
    tcase_add_test(t, settings_out_of_range_are_refused);
    tcase_add_test(t, keys_are_two_names_with_lengths);
    tcase_add_test(t, names_that_differ_in_a_single_byte_are_of_two_breakers);
    tcase_add_test(t, breakers_of_any_stripes_are_found_whatever_came_and_went_before);
    tcase_add_test(t, the_first_settings_of_a_key_stay_and_others_are_told);
    tcase_add_test(t, a_full_registry_refuses_new_keys_and_serves_old_ones);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, however_many_arrive_together_exactly_one_probes);
    tcase_add_test(t, no_record_is_lost_between_threads);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(many, set_up, tear_down);
    tcase_set_timeout(many, 60);
    tcase_set_tags(many, SLOW);
    tcase_add_test(many, a_permit_stays_stale_across_the_wrap_of_the_generation);
    tcase_add_test(many, each_of_very_many_names_finds_its_own);
    tcase_add_test(many, a_full_bucket_stays_full_and_carries_into_nothing);
    suite_add_tcase(s, many);
    return s;
}
