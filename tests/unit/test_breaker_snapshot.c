/* State saved as bytes and brought back, into this process or the next. */
#include "heap.h"
#include "suite.h"

#include <wsrt/breaker.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ms = 1000000;
static wsrt_breakers *old_one, *new_one; /* two processes: their monotonic clocks differ */
static const int64_t old_base = 500000000000, new_base = -7000000000;

static wsrt_breakers *registry(int64_t base, const wsrt_allocator *a)
{
    wsrt_breakers_options o = {.struct_size = sizeof o, .now = base};
    wsrt_breakers *r;

    if (a != NULL)
        o.allocator = *a;
    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_configure(r,
                                             wsrt_span_cstr("{\"defaults\":{\"failureThreshold\":2,"
                                                            "\"minimumRequestCount\":1,"
                                                            "\"recoveryTimeout\":1000,"
                                                            "\"monitoringWindow\":10000}}"),
                                             0, 0, NULL),
                     WSRT_OK);
    return r;
}

static void set_up(void)
{
    old_one = registry(old_base, NULL);
    new_one = registry(new_base, NULL);
}

static void tear_down(void)
{
    wsrt_breakers_free(old_one);
    wsrt_breakers_free(new_one);
}

static wsrt_breaker *breaker(wsrt_breakers *r, const char *operation)
{
    wsrt_breaker *b;

    ck_assert_int_eq(
        wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr(operation), NULL, &b, NULL),
        WSRT_OK);
    wsrt_breaker_release_ref(b);
    return b;
}

static int call(wsrt_breaker *b, int64_t now, int outcome)
{
    wsrt_permit p;
    int rc = wsrt_breaker_try_acquire(b, now, &p, NULL);

    return rc == WSRT_OK ? wsrt_breaker_record(b, &p, now, outcome) : rc;
}

static wsrt_breaker_stats stats(wsrt_breaker *b, wsrt_breaker_clock at)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_breaker_get_stats(b, at.now, at.wall, &s), WSRT_OK);
    return s;
}

/* `after` ms into the old process, or the new one that starts at wall time 100 s. */
static wsrt_breaker_clock in_old(int64_t after)
{
    return (wsrt_breaker_clock){old_base + after * ms, 50000 + after};
}

static wsrt_breaker_clock in_new(int64_t wall)
{
    return (wsrt_breaker_clock){new_base + (wall - 100000) * ms, wall};
}

struct blob {
    unsigned char bytes[2048];
    size_t len;
};

static struct blob saved(wsrt_breaker *b, wsrt_breaker_clock at)
{
    struct blob out;

    ck_assert_int_eq(wsrt_breaker_save(b, &at, out.bytes, sizeof out.bytes, &out.len), WSRT_OK);
    return out;
}

START_TEST(a_restored_breaker_probes_at_its_original_moment)
{
    wsrt_breaker *b = breaker(old_one, "a"), *c = breaker(new_one, "a");
    wsrt_breaker_clock start = in_new(100000);

    /* trips at wall 99,600: its probe is due at 100,600 */
    call(b, in_old(49600).now, WSRT_FAILURE);
    call(b, in_old(49600).now, WSRT_FAILURE);
    struct blob blob = saved(b, in_old(49700));
    ck_assert_uint_le(blob.len, 512);
    ck_assert_int_eq(wsrt_breaker_restore(c, &start, blob.bytes, blob.len), WSRT_OK);
    wsrt_breaker_stats s = stats(c, start);
    ck_assert_int_eq(s.state, WSRT_BREAKER_OPEN);
    ck_assert_int_eq(s.next_attempt_time, 100600);
    ck_assert_uint_eq(s.failure_count, 2);
    ck_assert_uint_eq(s.opened, 1);
    ck_assert_uint_eq(s.lifetime_failures, 2);
    ck_assert_int_eq(call(c, in_new(100599).now, WSRT_SUCCESS), WSRT_ERR_CIRCUIT_OPEN);
    ck_assert_int_eq(call(c, in_new(100600).now, WSRT_SUCCESS), WSRT_OK);
    ck_assert_int_eq(stats(c, in_new(100600)).state, WSRT_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_wall_clock_gone_backwards_passed_no_time)
{
    wsrt_breaker *b = breaker(old_one, "a");
    wsrt_breaker_clock past = in_new(1000);

    wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 700, old_base);
    struct blob blob = saved(b, in_old(0));
    past.now = new_base;
    ck_assert_int_eq(wsrt_breaker_restore(breaker(new_one, "a"), &past, blob.bytes, blob.len),
                     WSRT_OK);
    ck_assert_int_eq(stats(breaker(new_one, "a"), past).next_attempt_time, 1000 + 700);
}
END_TEST

START_TEST(every_state_comes_back_and_half_open_as_open_without_a_wait)
{
    static const int commands[] = {WSRT_BREAKER_RESET, WSRT_BREAKER_FORCE_OPEN,
                                   WSRT_BREAKER_DISABLE, WSRT_BREAKER_OBSERVE_ONLY};
    wsrt_breaker *b = breaker(old_one, "a"), *c = breaker(new_one, "a");
    wsrt_breaker_clock start = in_new(100000);
    wsrt_permit lost, before;

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        wsrt_breaker_control(b, commands[i], 0, old_base);
        struct blob blob = saved(b, in_old(0));
        wsrt_breaker_control(c, WSRT_BREAKER_RESET, 0, start.now);
        wsrt_breaker_try_acquire(c, start.now, &before, NULL);
        ck_assert_int_eq(wsrt_breaker_restore(c, &start, blob.bytes, blob.len), WSRT_OK);
        ck_assert_int_eq(stats(c, start).true_state, stats(b, in_old(0)).true_state);
        ck_assert_int_eq(wsrt_breaker_record(c, &before, start.now, WSRT_FAILURE), WSRT_STALE);
    }
    wsrt_breaker_control(b, WSRT_BREAKER_TRIP, -1, old_base);
    wsrt_breaker_try_acquire(b, old_base, &lost, NULL);
    struct blob blob = saved(b, in_old(0));
    ck_assert_int_eq(wsrt_breaker_restore(c, &start, blob.bytes, blob.len), WSRT_OK);
    ck_assert_int_eq(stats(c, start).true_state, WSRT_BREAKER_OPEN);
    ck_assert_int_eq(stats(c, start).probe_ready, 1);
}
END_TEST

START_TEST(rejections_come_back_as_saved_though_more_were_counted_since)
{
    wsrt_breaker *b = breaker(old_one, "a");
    wsrt_breaker_clock at = in_old(0);

    wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 700, old_base);
    ck_assert_int_eq(call(b, at.now, WSRT_SUCCESS), WSRT_ERR_CIRCUIT_OPEN);
    struct blob blob = saved(b, at);
    for (int i = 0; i < 5; i++)
        call(b, at.now, WSRT_SUCCESS);
    ck_assert_uint_eq(stats(b, at).rejected, 6);
    ck_assert_int_eq(wsrt_breaker_restore(b, &at, blob.bytes, blob.len), WSRT_OK);
    ck_assert_uint_eq(stats(b, at).rejected, 1);
    call(b, at.now, WSRT_SUCCESS);
    ck_assert_uint_eq(stats(b, at).rejected, 2);
}
END_TEST

START_TEST(counts_come_back_with_their_age_and_never_count_too_long)
{
    wsrt_breaker *b = breaker(old_one, "a"), *c = breaker(new_one, "a");

    for (int i = 0; i < 10; i++) /* one a second, at 40,000 to 49,000 */
        call(b, in_old(40000 + i * 1000).now, WSRT_SUCCESS);
    call(b, in_old(49000).now, WSRT_FAILURE);
    struct blob blob = saved(b, in_old(49999));
    for (int64_t wall = 100000; wall < 112000; wall += 250) {
        wsrt_breaker_clock at = in_new(wall);
        ck_assert_int_eq(wsrt_breaker_restore(c, &at, blob.bytes, blob.len), WSRT_OK);
        wsrt_breaker_stats s = stats(c, at);
        uint64_t young = 0, alive = 0;
        for (int64_t i = 0; i < 10; i++) {
            alive += wall - (90000 + i * 1000) < 10000;
            young += wall - (90000 + i * 1000) <= 8000;
        }
        ck_assert_uint_le(s.success_count, alive);
        ck_assert_uint_ge(s.success_count, young);
        ck_assert_uint_eq(s.lifetime_successes, 10);
        ck_assert_uint_eq(s.lifetime_failures, 1);
    }
}
END_TEST

START_TEST(a_registry_is_saved_and_restored_whole)
{
    wsrt_breaker_clock at = in_old(0), start = in_new(100000);
    struct blob blob;
    size_t need;

    wsrt_breaker_control(breaker(old_one, "a"), WSRT_BREAKER_FORCE_OPEN, 0, old_base);
    wsrt_breaker_control(breaker(old_one, "bb"), WSRT_BREAKER_DISABLE, 0, old_base);
    ck_assert_int_eq(wsrt_breakers_save(old_one, &at, NULL, 0, &need), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_breakers_save(old_one, &at, blob.bytes, need - 1, NULL), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_breakers_save(old_one, &at, blob.bytes, need, &blob.len), WSRT_OK);
    ck_assert_uint_eq(blob.len, need);
    ck_assert_int_eq(wsrt_breakers_restore(new_one, &start, blob.bytes, blob.len), WSRT_OK);
    ck_assert_int_eq(stats(breaker(new_one, "a"), start).true_state, WSRT_BREAKER_FORCED_OPEN);
    ck_assert_int_eq(stats(breaker(new_one, "bb"), start).true_state, WSRT_BREAKER_DISABLED);
    ck_assert_int_eq(wsrt_breaker_restore(breaker(new_one, "a"), &start, blob.bytes, blob.len),
                     WSRT_ERR_REJECTED);
}
END_TEST

START_TEST(a_blob_of_another_key_is_refused)
{
    wsrt_breaker_clock start = in_new(100000);
    struct blob blob = saved(breaker(old_one, "a"), in_old(0));
    wsrt_breaker *other = breaker(new_one, "b");

    ck_assert_int_eq(wsrt_breaker_restore(other, &start, blob.bytes, blob.len), WSRT_ERR_REJECTED);
    ck_assert_uint_eq(stats(other, start).generation, 0);
}
END_TEST

START_TEST(damage_at_any_byte_and_a_cut_at_any_length_are_refused)
{
    wsrt_breaker_clock start = in_new(100000);
    struct blob blob = saved(breaker(old_one, "a"), in_old(0));
    wsrt_breaker *b = breaker(new_one, "a");

    for (size_t i = 0; i < blob.len; i++) {
        struct blob bad = blob;
        bad.bytes[i] ^= 0x10;
        int rc = wsrt_breaker_restore(b, &start, bad.bytes, bad.len);
        ck_assert_msg(rc == WSRT_ERR_CORRUPT || (rc == WSRT_ERR_VERSION && (i == 4 || i == 5)),
                      "byte %zu", i);
        unsigned char *cut = malloc(i + 1); /* of exactly its size */
        memcpy(cut, blob.bytes, i);
        ck_assert_int_eq(wsrt_breaker_restore(b, &start, cut, i), WSRT_ERR_CORRUPT);
        free(cut);
    }
    ck_assert_int_eq(wsrt_breaker_restore(b, &start, blob.bytes, blob.len + 1), WSRT_ERR_CORRUPT);
    ck_assert_uint_eq(stats(b, start).generation, 0);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct heap heap;
    wsrt_breaker_clock at = in_old(0), start = in_new(100000);
    struct blob blob;
    size_t points = 0;

    heap_init(&heap);
    wsrt_breaker_control(breaker(old_one, "a"), WSRT_BREAKER_FORCE_OPEN, 0, old_base);
    wsrt_breaker_control(breaker(old_one, "b"), WSRT_BREAKER_FORCE_OPEN, 0, old_base);
    ck_assert_int_eq(wsrt_breakers_save(old_one, &at, blob.bytes, sizeof blob.bytes, &blob.len),
                     WSRT_OK);
    for (size_t n = 1;; n++, points++) {
        heap_arm(&heap, 0, 0);
        wsrt_breakers *r = registry(new_base, &heap.allocator);
        wsrt_breaker *a = breaker(r, "a");
        unsigned char room[2048];
        heap_arm(&heap, n, 0);
        int restored = wsrt_breakers_restore(r, &start, blob.bytes, blob.len);
        int stored = wsrt_breakers_save(r, &start, room, sizeof room, NULL);
        int tripped = heap.tripped;
        ck_assert_int_eq((restored == WSRT_ERR_NOMEM) + (stored == WSRT_ERR_NOMEM), tripped);
        ck_assert_int_eq(stats(a, start).true_state,
                         restored == WSRT_OK ? WSRT_BREAKER_FORCED_OPEN : WSRT_BREAKER_CLOSED);
        wsrt_breakers_free(r);
        ck_assert_uint_eq(heap.live, 0);
        if (!tripped)
            break;
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 3);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_snapshot");
    TCase *t = tcase_create("snapshot");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_restored_breaker_probes_at_its_original_moment);
    tcase_add_test(t, a_wall_clock_gone_backwards_passed_no_time);
    tcase_add_test(t, every_state_comes_back_and_half_open_as_open_without_a_wait);
    tcase_add_test(t, rejections_come_back_as_saved_though_more_were_counted_since);
    tcase_add_test(t, counts_come_back_with_their_age_and_never_count_too_long);
    tcase_add_test(t, a_registry_is_saved_and_restored_whole);
    tcase_add_test(t, a_blob_of_another_key_is_refused);
    tcase_add_test(t, damage_at_any_byte_and_a_cut_at_any_length_are_refused);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(s, t);
    return s;
}
