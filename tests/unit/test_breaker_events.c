/* What a breaker tells: events to listeners and cursors, statistics as JSON, commands, the registry. */
#include "heap.h"
#include "suite.h"

#include <wsrt/breaker.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const int64_t ms = 1000000;
static wsrt_breakers *registry;
static int64_t clock_now;

static int64_t read_clock(void *user)
{
    (void)user;
    return clock_now;
}

static void open_registry(uint32_t max_breakers, uint32_t event_capacity)
{
    wsrt_env env = {.struct_size = sizeof env, .now = read_clock};
    wsrt_breakers_options o = {.struct_size = sizeof o,
                               .env = &env,
                               .max_breakers = max_breakers,
                               .event_capacity = event_capacity};

    clock_now = 0;
    wsrt_breakers_free(registry);
    ck_assert_int_eq(wsrt_breakers_new(&registry, &o), WSRT_OK);
}

static void set_up(void)
{
    registry = NULL;
    open_registry(0, 0);
}

static void tear_down(void)
{
    wsrt_breakers_free(registry);
}

/* One failure trips; a second's wait, a second's lease. */
static wsrt_breaker_config touchy(void)
{
    return (wsrt_breaker_config){.struct_size = sizeof(wsrt_breaker_config),
                                 .failure_threshold = 1,
                                 .minimum_request_count = 1,
                                 .recovery_timeout_ms = 1000,
                                 .expected_response_time_ms = -1,
                                 .monitoring_window_ms = 10000,
                                 .probe_lease_ms = 1000};
}

static int get(const char *operation, wsrt_breaker **b)
{
    wsrt_breaker_config c = touchy();

    return wsrt_breakers_get(registry, wsrt_span_cstr("service"), wsrt_span_cstr(operation), &c, b,
                             NULL);
}

static wsrt_breaker *breaker(const char *operation)
{
    wsrt_breaker *b;

    ck_assert_int_eq(get(operation, &b), WSRT_OK);
    wsrt_breaker_release_ref(b);
    return b;
}

static int call(wsrt_breaker *b, int64_t now, int outcome)
{
    wsrt_permit p;
    int rc = wsrt_breaker_try_acquire(b, now, &p, NULL);

    return rc == WSRT_OK ? wsrt_breaker_record(b, &p, now, outcome) : rc;
}

static wsrt_breaker_stats stats(wsrt_breaker *b, int64_t now)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_breaker_get_stats(b, now, 1000000 + now / ms, &s), WSRT_OK);
    return s;
}

/* ---- a listener that writes down what it hears ---- */

struct diary {
    char text[8192];
    size_t len;
    uint64_t last;
    wsrt_breaker_listener *self;
    wsrt_breaker *act_on; /* told of an opening, it sends the probe */
    int leave;            /* unlisten at the first event */
    int depth, deepest;
    int64_t now;
};

static void write_event(const wsrt_breaker_event *e, void *user)
{
    static const char *const kinds[] = {"",        "TRANSITION", "PROBE_LOST", "RECONFIGURED",
                                        "DIFFERS", "WOULD_OPEN", "DOWN",       "UP",
                                        "LOST",    "REJECTED"};
    static const char *const states[] = {"closed", "half", "open", "forced", "disabled", "metrics"};
    struct diary *d = user;

    d->depth++;
    d->deepest = d->depth > d->deepest ? d->depth : d->deepest;
    if (e->kind == WSRT_BREAKER_EVENT_LOST)
        d->len += (size_t)snprintf(d->text + d->len, sizeof d->text - d->len, "LOST %d; ",
                                   (int)e->missed);
    else
        d->len +=
            (size_t)snprintf(d->text + d->len, sizeof d->text - d->len, "%.*s %s %s>%s c%d w%d; ",
                             (int)e->operation.len, e->operation.ptr, kinds[e->kind],
                             states[e->from], states[e->to], e->cause + e->reason, (int)e->wait_ms);
    if (e->kind != WSRT_BREAKER_EVENT_REJECTED)
        d->last = e->sequence;
    if (d->leave)
        wsrt_breakers_unlisten(registry, d->self);
    if (d->act_on != NULL && e->to == WSRT_BREAKER_OPEN)
        call(d->act_on, e->time + 1000 * ms, WSRT_SUCCESS);
    d->depth--;
}

static void listen_to(struct diary *d, uint32_t kinds)
{
    ck_assert_int_eq(wsrt_breakers_listen(registry, kinds, write_event, d, &d->self), WSRT_OK);
}

START_TEST(a_listener_hears_every_change_with_its_cause)
{
    static struct diary d;
    wsrt_breaker *b = breaker("a");
    wsrt_permit lost;

    listen_to(&d, 0);
    call(b, 0, WSRT_FAILURE);
    wsrt_breaker_try_acquire(b, 1000 * ms, &lost, NULL);
    call(b, 2000 * ms, WSRT_FAILURE);
    call(b, 3000 * ms, WSRT_SUCCESS);
    ck_assert_str_eq(d.text, "a TRANSITION closed>open c1 w1000; "
                             "a TRANSITION open>half c3 w1000; "
                             "a PROBE_LOST half>half c0 w1000; "
                             "a TRANSITION half>open c5 w1000; "
                             "a TRANSITION open>half c3 w1000; "
                             "a TRANSITION half>closed c4 w0; ");
    ck_assert_uint_eq(d.last, 6);
    ck_assert_uint_eq(stats(b, 3000 * ms).generation, 6);
}
END_TEST

START_TEST(commands_settings_and_mismatches_are_heard_too)
{
    static struct diary d;
    wsrt_breaker_config c = touchy(), other = touchy();
    wsrt_breaker *b = breaker("a"), *same;

    listen_to(&d, 0);
    wsrt_breaker_control(b, WSRT_BREAKER_FORCE_OPEN, 0, 0);
    wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_OK);
    other.failure_threshold = 9;
    for (int i = 0; i < 3; i++) {
        wsrt_breakers_get(registry, wsrt_span_cstr("service"), wsrt_span_cstr("a"), &other, &same,
                          NULL);
        wsrt_breaker_release_ref(same);
    }
    ck_assert_str_eq(d.text, "a TRANSITION closed>forced c6 w0; a TRANSITION forced>closed c6 w0; "
                             "a RECONFIGURED closed>closed c0 w0; a DIFFERS closed>closed c0 w0; ");
    ck_assert_uint_eq(stats(b, 0).config_mismatch, 3);
}
END_TEST

START_TEST(metrics_only_tells_once_a_window_that_it_would_have_opened)
{
    static struct diary d;
    wsrt_breaker *b = breaker("a");

    wsrt_breaker_control(b, WSRT_BREAKER_OBSERVE_ONLY, 0, 0);
    listen_to(&d, 0);
    for (int i = 0; i < 20; i++)
        call(b, i * 1000 * ms, WSRT_FAILURE);
    ck_assert_str_eq(d.text, "a WOULD_OPEN metrics>metrics c1 w0; "
                             "a WOULD_OPEN metrics>metrics c1 w0; ");
    ck_assert_int_eq(stats(b, 0).true_state, WSRT_BREAKER_METRICS_ONLY);
    ck_assert_uint_gt(stats(b, 19000 * ms).failure_count, 8);
}
END_TEST

START_TEST(metrics_only_tells_again_after_any_number_of_windows)
{
    static const int64_t windows[] = {65534,
                                      65535,
                                      65536,
                                      65537,
                                      (1 << 20) - 1,
                                      1 << 20,
                                      (1 << 24) - 1,
                                      1 << 24,
                                      ((int64_t)1 << 32) - 1,
                                      (int64_t)1 << 32,
                                      ((int64_t)1 << 32) + 1};
    wsrt_breaker_config c = touchy();
    wsrt_breaker_event e = {.struct_size = sizeof e};
    wsrt_breaker_cursor *cursor;
    wsrt_breaker *b = breaker("a");
    int64_t now = 0;

    c.monitoring_window_ms = 10;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_OK);
    wsrt_breaker_control(b, WSRT_BREAKER_OBSERVE_ONLY, 0, 0);
    call(b, now, WSRT_FAILURE);
    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, registry, 3), WSRT_OK);
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        now += windows[i] * 10 * ms;
        call(b, now, WSRT_FAILURE);
        call(b, now + 9 * ms, WSRT_FAILURE);
        ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_OK);
        ck_assert_int_eq(e.kind, WSRT_BREAKER_EVENT_WOULD_OPEN);
        ck_assert_int_eq(e.time, now);
        ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_ERR_NOT_FOUND);
    }
    wsrt_breaker_cursor_free(cursor);
}
END_TEST

START_TEST(what_a_callback_causes_follows_after_it)
{
    static struct diary first, second;
    wsrt_breaker *b = breaker("a");

    first.act_on = b;
    listen_to(&first, 0);
    listen_to(&second, 0);
    call(b, 0, WSRT_FAILURE);
    ck_assert_int_eq(first.deepest, 1);
    ck_assert_str_eq(first.text, "a TRANSITION closed>open c1 w1000; "
                                 "a TRANSITION open>half c3 w1000; "
                                 "a TRANSITION half>closed c4 w0; ");
    ck_assert_str_eq(second.text, first.text);
}
END_TEST

START_TEST(a_listener_may_end_itself_and_hears_no_more)
{
    static struct diary d, other;
    wsrt_breaker *b = breaker("a");

    d.leave = 1;
    listen_to(&d, 0);
    listen_to(&other, 0);
    call(b, 0, WSRT_FAILURE);
    call(b, 1000 * ms, WSRT_SUCCESS);
    ck_assert_str_eq(d.text, "a TRANSITION closed>open c1 w1000; ");
    ck_assert_uint_eq(other.last, 3);
    wsrt_breakers_unlisten(registry, other.self);
    call(b, 1000 * ms, WSRT_FAILURE);
    ck_assert_uint_eq(other.last, 3);
}
END_TEST

START_TEST(a_listener_hears_the_kinds_it_asked_for)
{
    static struct diary d;
    wsrt_breaker *b = breaker("a");
    wsrt_permit lost;

    listen_to(&d, 1u << WSRT_BREAKER_EVENT_PROBE_LOST);
    call(b, 0, WSRT_FAILURE);
    wsrt_breaker_try_acquire(b, 1000 * ms, &lost, NULL);
    call(b, 2000 * ms, WSRT_SUCCESS);
    ck_assert_str_eq(d.text, "a PROBE_LOST half>half c0 w1000; ");
}
END_TEST

START_TEST(rejections_come_one_by_one_to_those_who_ask_and_stay_out_of_the_sequence)
{
    static struct diary d;
    wsrt_breaker *b = breaker("a");

    listen_to(&d, 1u << WSRT_BREAKER_EVENT_REJECTED | 1u << WSRT_BREAKER_EVENT_TRANSITION);
    call(b, 0, WSRT_FAILURE);
    call(b, 0, WSRT_SUCCESS);
    call(b, 0, WSRT_SUCCESS);
    wsrt_breaker_control(b, WSRT_BREAKER_FORCE_OPEN, 0, 0);
    call(b, 0, WSRT_SUCCESS);
    ck_assert_str_eq(d.text, "a TRANSITION closed>open c1 w1000; a REJECTED closed>closed c1 w0; "
                             "a REJECTED closed>closed c1 w0; a TRANSITION open>forced c6 w0; "
                             "a REJECTED closed>closed c3 w0; ");
    ck_assert_uint_eq(d.last, 2);
    wsrt_breakers_unlisten(registry, d.self);
    size_t len = d.len;
    call(b, 0, WSRT_SUCCESS);
    ck_assert_uint_eq(d.len, len);
}
END_TEST

START_TEST(a_cursor_reads_at_its_own_pace_and_is_told_what_it_missed)
{
    wsrt_breaker *b;
    wsrt_breaker_cursor *cursor;
    wsrt_breaker_event e = {.struct_size = sizeof e};

    open_registry(0, 4);
    b = breaker("a");
    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, registry, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_ERR_NOT_FOUND);
    for (int i = 0; i < 11; i++)
        wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, i);
    ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_OK);
    ck_assert_int_eq(e.kind, WSRT_BREAKER_EVENT_LOST);
    ck_assert_uint_eq(e.missed, 7);
    ck_assert_uint_eq(e.sequence, 7);
    for (uint64_t n = 8; n <= 11; n++) {
        ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_OK);
        ck_assert_uint_eq(e.sequence, n);
        ck_assert_int_eq(e.time, (int64_t)n - 1);
        ck_assert_int_eq(wsrt_span_equal(e.operation, wsrt_span_cstr("a")), 1);
    }
    ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_ERR_NOT_FOUND);
    wsrt_breaker_cursor_free(cursor);
    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, registry, 10), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_OK);
    ck_assert_uint_eq(e.sequence, 11);
    wsrt_breaker_cursor_free(cursor);
}
END_TEST

/* Blocks the sequence in a callback until it has overrun the ring. */
static void overrun(const wsrt_breaker_event *e, void *user)
{
    if (e->sequence == 1)
        for (int i = 0; i < 9; i++)
            wsrt_breaker_control(user, WSRT_BREAKER_RESET, 0, 0);
}

START_TEST(a_listener_that_falls_behind_is_told_the_exact_number)
{
    static struct diary d;
    wsrt_breaker_listener *first;
    wsrt_breaker *b;

    open_registry(0, 4);
    b = breaker("a");
    wsrt_breakers_listen(registry, 0, overrun, b, &first);
    listen_to(&d, 0);
    wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
    ck_assert_ptr_nonnull(strstr(d.text, "LOST 6; "));
    ck_assert_uint_eq(d.last, 10);
}
END_TEST

START_TEST(the_text_of_an_event_outlives_its_breaker)
{
    wsrt_breaker *b;
    wsrt_breaker_cursor *cursor;
    wsrt_breaker_event e = {.struct_size = sizeof e};

    open_registry(1, 2);
    b = breaker("short-lived");
    wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, registry, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, &e), WSRT_OK);
    b = breaker("next");
    for (int i = 0; i < 5; i++)
        wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
    ck_assert_int_eq(wsrt_span_equal(e.operation, wsrt_span_cstr("short-lived")), 1);
    wsrt_breaker_cursor_free(cursor);
}
END_TEST

/* ---- statistics ---- */

static const char *as_json(const wsrt_breaker_stats *s)
{
    static char text[512];
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_breaker_stats_write(s, &w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    return text;
}

START_TEST(the_eight_fields_are_written_as_json)
{
    wsrt_breaker *b = breaker("a");
    wsrt_breaker_stats s = stats(b, 0);

    ck_assert_str_eq(as_json(&s), "{\"state\":\"CLOSED\",\"failureCount\":0,\"successCount\":0,"
                                  "\"totalRequests\":0,\"lastFailureTime\":null,"
                                  "\"lastSuccessTime\":null,\"nextAttemptTime\":null,"
                                  "\"failureRate\":0}");
    for (int i = 0; i < 3; i++)
        call(b, 0, WSRT_SUCCESS);
    call(b, 500 * ms, WSRT_FAILURE);
    s = stats(b, 700 * ms);
    ck_assert_str_eq(as_json(&s), "{\"state\":\"OPEN\",\"failureCount\":1,\"successCount\":3,"
                                  "\"totalRequests\":4,"
                                  "\"lastFailureTime\":\"1970-01-01T00:16:40.500Z\","
                                  "\"lastSuccessTime\":\"1970-01-01T00:16:40.000Z\","
                                  "\"nextAttemptTime\":\"1970-01-01T00:16:41.500Z\","
                                  "\"failureRate\":0.25}");
}
END_TEST

START_TEST(reading_the_statistics_changes_no_state)
{
    wsrt_breaker *b = breaker("a");

    call(b, 0, WSRT_FAILURE);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(stats(b, 5000 * ms).state, WSRT_BREAKER_OPEN);
        ck_assert_int_eq(stats(b, 5000 * ms).probe_ready, 1);
        ck_assert_int_eq(stats(b, 5000 * ms).next_attempt_time, 1000000 + 1000);
    }
    wsrt_breaker_stats small = {.struct_size = 4};
    ck_assert_int_eq(wsrt_breaker_get_stats(b, 0, 0, &small), WSRT_ERR_INVALID);
}
END_TEST

/* ---- commands ---- */

START_TEST(each_command_starts_a_new_generation_with_an_empty_window)
{
    static const struct {
        int command, true_state, state, admits, reason;
    } rows[] = {
        {WSRT_BREAKER_RESET, WSRT_BREAKER_CLOSED, WSRT_BREAKER_CLOSED, 1, 0},
        {WSRT_BREAKER_TRIP, WSRT_BREAKER_OPEN, WSRT_BREAKER_OPEN, 0, WSRT_REJECT_OPEN},
        {WSRT_BREAKER_FORCE_OPEN, WSRT_BREAKER_FORCED_OPEN, WSRT_BREAKER_OPEN, 0,
         WSRT_REJECT_FORCED},
        {WSRT_BREAKER_DISABLE, WSRT_BREAKER_DISABLED, WSRT_BREAKER_CLOSED, 1, 0},
        {WSRT_BREAKER_OBSERVE_ONLY, WSRT_BREAKER_METRICS_ONLY, WSRT_BREAKER_CLOSED, 1, 0},
    };

    for (size_t from = 0; from < 5; from++) {
        for (size_t to = 0; to < 5; to++) {
            wsrt_breaker *b = breaker("a");
            wsrt_rejection why = {0};
            wsrt_permit p;
            wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
            wsrt_permit before;
            ck_assert_int_eq(wsrt_breaker_try_acquire(b, 0, &before, NULL), WSRT_OK);
            wsrt_breaker_control(b, rows[from].command, 0, 0);
            uint64_t generation = stats(b, 0).generation;
            ck_assert_int_eq(wsrt_breaker_control(b, rows[to].command, 0, 0), WSRT_OK);
            wsrt_breaker_stats s = stats(b, 0);
            ck_assert_uint_eq(s.generation, generation + 1);
            ck_assert_int_eq(s.true_state, rows[to].true_state);
            ck_assert_int_eq(s.state, rows[to].state);
            ck_assert_uint_eq(s.total_requests, 0);
            ck_assert_int_eq(wsrt_breaker_try_acquire(b, 0, &p, &why) == WSRT_OK, rows[to].admits);
            ck_assert_int_eq(why.reason, rows[to].reason);
            ck_assert_int_eq(wsrt_breaker_record(b, &before, 0, WSRT_FAILURE), WSRT_STALE);
        }
    }
}
END_TEST

START_TEST(a_forced_open_breaker_says_no_time_and_ends_by_command_only)
{
    wsrt_breaker *b = breaker("a");
    wsrt_rejection why;
    wsrt_permit p;

    wsrt_breaker_control(b, WSRT_BREAKER_FORCE_OPEN, 0, 0);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, INT64_MAX, &p, &why), WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_int_eq(why.retry_after_ms, -1);
    ck_assert_int_eq(stats(b, 0).next_attempt_time, -1);
    wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
    ck_assert_int_eq(call(b, 0, WSRT_SUCCESS), WSRT_OK);
}
END_TEST

START_TEST(a_disabled_breaker_counts_nothing)
{
    wsrt_breaker *b = breaker("a");

    wsrt_breaker_control(b, WSRT_BREAKER_DISABLE, 0, 0);
    for (int outcome = WSRT_SUCCESS; outcome <= WSRT_IGNORED; outcome++)
        ck_assert_int_eq(call(b, 0, outcome), WSRT_OK);
    wsrt_breaker_stats s = stats(b, 0);
    ck_assert_uint_eq(s.total_requests + s.lifetime_failures + s.lifetime_successes + s.ignored, 0);
    ck_assert_int_eq(s.last_failure_time, -1);
}
END_TEST

START_TEST(a_trip_by_hand_waits_as_told_and_keeps_the_counts_of_that_instant)
{
    static const struct {
        int64_t wait, want;
    } rows[] = {{0, 1000}, {-1, 0}, {77, 77}};

    for (size_t i = 0; i < 3; i++) {
        wsrt_breaker *b = breaker("a");
        wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
        call(b, 0, WSRT_SUCCESS);
        ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_TRIP, rows[i].wait, 0), WSRT_OK);
        ck_assert_int_eq(stats(b, 0).next_attempt_time, 1000000 + rows[i].want);
        ck_assert_uint_eq(stats(b, 0).success_count, 1);
        ck_assert_int_eq(call(b, rows[i].want * ms, WSRT_SUCCESS), WSRT_OK);
        ck_assert_int_eq(stats(b, rows[i].want * ms).state, WSRT_BREAKER_CLOSED);
    }
    wsrt_breaker *b = breaker("a");
    ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 2592000001, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_RESET, 1, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_control(b, 6, 0, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_control(NULL, 1, 0, 0), WSRT_ERR_INVALID);
}
END_TEST

/* ---- a call with its fallback ---- */

struct errand {
    int result, outcome; /* what the call returns, and how that is classified; 0 = not at all */
    int64_t takes;
    int calls, fallbacks;
    wsrt_fallback_info told;
};

static int run_errand(void *user)
{
    struct errand *e = user;

    e->calls++;
    clock_now += e->takes;
    return e->result;
}

static int classify_errand(int result, void *user)
{
    (void)result;
    return ((struct errand *)user)->outcome;
}

static int fall_back(const wsrt_fallback_info *info, void *user)
{
    struct errand *e = user;

    e->fallbacks++;
    e->told = *info;
    return 77;
}

static int execute(wsrt_breaker *b, struct errand *e, uint32_t without, int *result)
{
    wsrt_guarded call = {.struct_size = sizeof call,
                         .without = without,
                         .fn = run_errand,
                         .classify = e->outcome != 0 ? classify_errand : NULL,
                         .fallback = fall_back,
                         .user = e};

    return wsrt_breaker_execute(b, NULL, &call, result);
}

START_TEST(a_fallback_serves_what_failed_or_was_refused_and_nothing_else)
{
    static const struct {
        int result, outcome;
        uint32_t without;
        int want, fallbacks, opens;
    } rows[] = {
        {0, 0, 0, 0, 0, 0},
        {-5, 0, 0, 77, 1, 1},
        {-5, 0, WSRT_WITHOUT_FAILED, -5, 0, 1},
        {-5, 0, WSRT_WITHOUT_REJECTED, 77, 1, 1},
        {-5, WSRT_IGNORED, 0, -5, 0, 0},
        {-5, WSRT_SUCCESS, 0, -5, 0, 0},
        {0, WSRT_FAILURE, 0, 77, 1, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct errand e = {.result = rows[i].result, .outcome = rows[i].outcome};
        wsrt_breaker *b = breaker("a");
        int result = 0;
        wsrt_breaker_control(b, WSRT_BREAKER_RESET, 0, 0);
        ck_assert_int_eq(execute(b, &e, rows[i].without, &result), WSRT_OK);
        ck_assert_int_eq(result, rows[i].want);
        ck_assert_int_eq(e.fallbacks, rows[i].fallbacks);
        ck_assert_int_eq(stats(b, 0).state == WSRT_BREAKER_OPEN, rows[i].opens);
        ck_assert_int_eq(e.told.result, e.fallbacks ? rows[i].result : 0);
    }
}
END_TEST

START_TEST(a_refused_call_is_not_made_and_its_fallback_hears_why)
{
    struct errand e = {.result = 0};
    wsrt_breaker *b = breaker("a");
    int result = 5;

    wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 0, 0);
    ck_assert_int_eq(execute(b, &e, 0, &result), WSRT_OK);
    ck_assert_int_eq(result, 77);
    ck_assert_int_eq(e.calls, 0);
    ck_assert_int_eq(e.told.reason, WSRT_REJECT_OPEN);
    ck_assert_int_eq(e.told.result, WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_int_eq(e.told.retry_after_ms, 1000);
    result = 5;
    ck_assert_int_eq(execute(b, &e, WSRT_WITHOUT_REJECTED, &result), WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_int_eq(result, 5);
}
END_TEST

START_TEST(the_clock_is_read_before_and_after_the_call)
{
    wsrt_breaker_config c = touchy();
    wsrt_breaker *b = breaker("a");
    struct errand e = {.takes = 11 * ms};
    int result;

    c.expected_response_time_ms = 10;
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &c, 0, 0), WSRT_OK);
    ck_assert_int_eq(execute(b, &e, 0, &result), WSRT_OK);
    ck_assert_int_eq(result, 0); /* slow, not failed: the caller keeps it */
    ck_assert_int_eq(e.fallbacks, 0);
    ck_assert_uint_eq(stats(b, 0).slow, 1);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_OPEN);
    wsrt_guarded none = {.struct_size = sizeof none};
    ck_assert_int_eq(wsrt_breaker_execute(b, NULL, &none, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_execute(b, NULL, NULL, &result), WSRT_ERR_INVALID);
}
END_TEST

/* ---- the registry ---- */

static int exists(const char *operation)
{
    wsrt_breaker *b;

    if (wsrt_breakers_find(registry, wsrt_span_cstr("service"), wsrt_span_cstr(operation), &b) !=
        WSRT_OK)
        return 0;
    wsrt_breaker_release_ref(b);
    return 1;
}

START_TEST(at_the_cap_the_longest_idle_goes)
{
    open_registry(3, 0);
    breaker("a");
    breaker("b");
    breaker("c");
    breaker("b");
    breaker("a");
    breaker("d");
    ck_assert_int_eq(exists("c"), 0);
    breaker("e");
    ck_assert_int_eq(exists("b"), 0);
    ck_assert_int_eq(exists("a") + exists("d") + exists("e"), 3);
}
END_TEST

enum { CROWD = 40, ROOM = 16, HELD_KEYS = 3 };

/* When each key was asked for last; 0 = it is not there. */
struct crowd {
    int used[CROWD];
    int seen[CROWD];
};

static int see(wsrt_breaker *b, void *user)
{
    struct crowd *c = user;
    wsrt_span name = wsrt_breaker_operation(b);

    c->seen[(name.ptr[0] - 'a') * 10 + name.ptr[1] - '0']++;
    return 0;
}

static void evict_the_longest_idle(struct crowd *c)
{
    int first = -1, count = 0;

    for (int i = 0; i < CROWD; i++) {
        count += c->used[i] != 0;
        if (i >= HELD_KEYS && c->used[i] != 0 && (first < 0 || c->used[i] < c->used[first]))
            first = i;
    }
    if (count == ROOM)
        c->used[first] = 0;
}

START_TEST(whoever_comes_and_goes_the_registry_keeps_those_asked_for_last)
{
    struct crowd c = {{0}, {0}};
    uint32_t random = 1;
    wsrt_breaker *b;

    open_registry(ROOM, 0);
    for (int step = 1; step <= 20000; step++) {
        random = random * 1664525 + 1013904223;
        int i = step <= HELD_KEYS ? step - 1 : (int)(random >> 16) % CROWD;
        char name[3] = {(char)('a' + i / 10), (char)('0' + i % 10), '\0'};
        if (c.used[i] == 0)
            evict_the_longest_idle(&c);
        c.used[i] = step;
        ck_assert_int_eq(get(name, &b), WSRT_OK);
        if (step > HELD_KEYS)
            wsrt_breaker_release_ref(b);
        memset(c.seen, 0, sizeof c.seen);
        ck_assert_int_eq(wsrt_breakers_foreach(registry, see, &c), WSRT_OK);
        for (int n = 0; n < CROWD; n++)
            if (c.seen[n] != (c.used[n] != 0))
                ck_abort_msg("step %d: key %d is there %d times", step, n, c.seen[n]);
    }
}
END_TEST

START_TEST(what_is_held_open_or_has_counts_stays)
{
    wsrt_breaker *held, *other;

    open_registry(3, 0);
    ck_assert_int_eq(get("held", &held), WSRT_OK);
    call(breaker("open"), 0, WSRT_FAILURE);
    call(breaker("counting"), 0, WSRT_SUCCESS);
    ck_assert_int_eq(get("new", &other), WSRT_ERR_LIMIT);
    ck_assert_ptr_null(other);
    clock_now = 9000 * ms;
    ck_assert_int_eq(get("new", &other), WSRT_ERR_LIMIT);
    clock_now = 10000 * ms;
    ck_assert_int_eq(get("new", &other), WSRT_OK);
    ck_assert_int_eq(exists("counting"), 0);
    wsrt_breaker_release_ref(held);
    breaker("newer");
    ck_assert_int_eq(exists("new") + exists("open") + exists("newer"), 3);
    ck_assert_int_eq(exists("held"), 0);
    wsrt_breaker_release_ref(other);
}
END_TEST

START_TEST(a_million_keys_take_no_more_memory_than_the_cap)
{
    struct heap heap;
    wsrt_breakers *r;
    size_t most = 0;

    heap_init(&heap);
    wsrt_breakers_options o = {
        .struct_size = sizeof o, .allocator = heap.allocator, .max_breakers = 1000};
    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
    for (int i = 0; i < 1000000; i++) {
        wsrt_breaker *b;
        char name[24];
        int len = snprintf(name, sizeof name, "operation-%09d", i);
        if (wsrt_breakers_get(r, wsrt_span_cstr("s"), (wsrt_span){name, (size_t)len}, NULL, &b,
                              NULL) != WSRT_OK)
            ck_abort_msg("key %d", i);
        wsrt_breaker_release_ref(b);
        if (i == 2000)
            most = heap.live;
    }
    ck_assert_uint_eq(heap.live, most);
    wsrt_breakers_free(r);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

static int count_visit(wsrt_breaker *b, void *user)
{
    ck_assert_int_eq(wsrt_span_equal(wsrt_breaker_service(b), wsrt_span_cstr("service")), 1);
    ck_assert_uint_eq(wsrt_breaker_operation(b).len, 1);
    breaker("z"); /* a visitor may use the registry */
    return ++*(int *)user == 4 ? 42 : WSRT_OK;
}

START_TEST(a_walk_visits_every_breaker_until_it_is_told_to_stop)
{
    int visits = 0;

    breaker("a");
    breaker("b");
    breaker("c");
    ck_assert_int_eq(wsrt_breakers_foreach(registry, count_visit, &visits), WSRT_OK);
    ck_assert_int_eq(visits, 3);
    visits = 0;
    ck_assert_int_eq(wsrt_breakers_foreach(registry, count_visit, &visits), 42);
    ck_assert_int_eq(visits, 4);
    ck_assert_int_eq(wsrt_breakers_foreach(NULL, count_visit, &visits), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(three_bad_tokens_or_fifty_gone_clients_leave_the_circuit_closed)
{
    wsrt_breaker *b;

    wsrt_breakers_get(registry, wsrt_span_cstr("cognito"), wsrt_span_cstr("verifyJWT"), NULL, &b,
                      NULL);
    for (int i = 0; i < 3; i++)
        call(b, 0, WSRT_IGNORED);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
    for (int i = 0; i < 5; i++)
        call(b, 0, i < 2 ? WSRT_SUCCESS : WSRT_FAILURE);
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_OPEN);
    wsrt_breaker_release_ref(b);
    wsrt_breakers_get(registry, wsrt_span_cstr("apigateway-management"),
                      wsrt_span_cstr("postToConnection"), NULL, &b, NULL);
    for (int i = 0; i < 50; i++)
        call(b, 0, WSRT_SUCCESS); /* 410: the gateway answered */
    ck_assert_int_eq(stats(b, 0).state, WSRT_BREAKER_CLOSED);
    wsrt_breaker_release_ref(b);
}
END_TEST

START_TEST(every_allocation_of_readers_may_fail)
{
    struct heap heap;
    size_t points = 0;

    heap_init(&heap);
    for (size_t n = 1;; n++, points++) {
        wsrt_breakers_options o = {.struct_size = sizeof o, .allocator = heap.allocator};
        wsrt_breakers *r;
        wsrt_breaker *b;
        wsrt_breaker_listener *l;
        wsrt_breaker_cursor *c;
        int visits = 0;
        static struct diary d;
        heap_arm(&heap, 0, 0);
        ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
        wsrt_breakers_get(r, wsrt_span_cstr("service"), wsrt_span_cstr("o"), NULL, &b, NULL);
        heap_arm(&heap, n, 0);
        int listening = wsrt_breakers_listen(r, 0, write_event, &d, &l);
        int reading = wsrt_breaker_cursor_new(&c, r, 0);
        int walking = wsrt_breakers_foreach(r, count_visit, &visits);
        ck_assert_int_eq((listening == WSRT_ERR_NOMEM) + (reading == WSRT_ERR_NOMEM) +
                             (walking == WSRT_ERR_NOMEM),
                         heap.tripped);
        ck_assert_int_eq(visits, walking == WSRT_OK);
        wsrt_breaker_cursor_free(c);
        wsrt_breaker_release_ref(b);
        wsrt_breakers_free(r);
        ck_assert_uint_eq(heap.live, 0);
        if (!heap.tripped)
            break;
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_eq(points, 3);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_events");
    TCase *t = tcase_create("events");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_listener_hears_every_change_with_its_cause);
    tcase_add_test(t, commands_settings_and_mismatches_are_heard_too);
    tcase_add_test(t, metrics_only_tells_once_a_window_that_it_would_have_opened);
    tcase_add_test(t, metrics_only_tells_again_after_any_number_of_windows);
    tcase_add_test(t, what_a_callback_causes_follows_after_it);
    tcase_add_test(t, a_listener_may_end_itself_and_hears_no_more);
    tcase_add_test(t, a_listener_hears_the_kinds_it_asked_for);
    tcase_add_test(t, rejections_come_one_by_one_to_those_who_ask_and_stay_out_of_the_sequence);
    tcase_add_test(t, a_cursor_reads_at_its_own_pace_and_is_told_what_it_missed);
    tcase_add_test(t, a_listener_that_falls_behind_is_told_the_exact_number);
    tcase_add_test(t, the_text_of_an_event_outlives_its_breaker);
    tcase_add_test(t, the_eight_fields_are_written_as_json);
    tcase_add_test(t, reading_the_statistics_changes_no_state);
    tcase_add_test(t, each_command_starts_a_new_generation_with_an_empty_window);
    tcase_add_test(t, a_forced_open_breaker_says_no_time_and_ends_by_command_only);
    tcase_add_test(t, a_disabled_breaker_counts_nothing);
    tcase_add_test(t, a_trip_by_hand_waits_as_told_and_keeps_the_counts_of_that_instant);
    tcase_add_test(t, a_fallback_serves_what_failed_or_was_refused_and_nothing_else);
    tcase_add_test(t, a_refused_call_is_not_made_and_its_fallback_hears_why);
    tcase_add_test(t, the_clock_is_read_before_and_after_the_call);
    tcase_add_test(t, at_the_cap_the_longest_idle_goes);
    tcase_add_test(t, whoever_comes_and_goes_the_registry_keeps_those_asked_for_last);
    tcase_add_test(t, what_is_held_open_or_has_counts_stays);
    tcase_add_test(t, a_million_keys_take_no_more_memory_than_the_cap);
    tcase_add_test(t, a_walk_visits_every_breaker_until_it_is_told_to_stop);
    tcase_add_test(t, three_bad_tokens_or_fifty_gone_clients_leave_the_circuit_closed);
    tcase_add_test(t, every_allocation_of_readers_may_fail);
    suite_add_tcase(s, t);
    return s;
}
