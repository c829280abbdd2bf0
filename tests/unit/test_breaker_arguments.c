/* What breakers say to bad arguments, at the ends of clocks, and to stores with gaps. */
#include "heap.h"
#include "suite.h"

#include <wsrt/breaker.h>

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})

static wsrt_breakers *registry;
static wsrt_breaker *b;

static void set_up(void)
{
    ck_assert_int_eq(wsrt_breakers_new(&registry, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_get(registry, TEXT("s"), TEXT("o"), NULL, &b, NULL), WSRT_OK);
}

static void tear_down(void)
{
    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(registry);
}

static wsrt_breaker_stats stats(int64_t now)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_breaker_get_stats(b, now, 1, &s), WSRT_OK);
    return s;
}

static void call(int64_t now, int outcome)
{
    wsrt_permit p;

    ck_assert_int_eq(wsrt_breaker_try_acquire(b, now, &p, NULL), WSRT_OK);
    ck_assert_int_ge(wsrt_breaker_record(b, &p, now, outcome), WSRT_OK);
}

static int visit(wsrt_breaker *one, void *user)
{
    (void)one;
    ++*(int *)user;
    return 0;
}

static int succeed(void *user)
{
    (void)user;
    return 0;
}

static void hear(const wsrt_breaker_event *e, void *user)
{
    (void)e;
    ++*(int *)user;
}

/* ---- no breaker, no registry, no place ---- */

START_TEST(calls_on_no_breaker_are_refused)
{
    const wsrt_guarded guarded = {.struct_size = sizeof guarded, .fn = succeed};
    const wsrt_breaker_config config = {.struct_size = sizeof config};
    wsrt_breaker_config read = {.struct_size = sizeof read};
    wsrt_breaker_stats s = {.struct_size = sizeof s};
    wsrt_breaker_clock at = {1, 1};
    wsrt_permit p;
    int result;

    ck_assert_int_eq(wsrt_breaker_try_acquire(NULL, 1, &p, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, 1, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, 1, &p, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_record(NULL, &p, 1, WSRT_SUCCESS), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_record(b, NULL, 1, WSRT_SUCCESS), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_release(NULL, &p, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_release(b, NULL, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_control(NULL, WSRT_BREAKER_RESET, 0, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_reconfigure(NULL, &config, 0, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &config, WSRT_RECONFIGURE_EXISTING, 1),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_get_stats(NULL, 1, 1, &s), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, 1, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_get_config(NULL, &read), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_execute(NULL, NULL, &guarded, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_execute(b, NULL, &guarded, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_save(NULL, &at, NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(wsrt_breaker_service(NULL).len + wsrt_breaker_operation(NULL).len, 0);
    wsrt_breaker_release_ref(NULL);
    ck_assert_uint_eq(stats(1).lifetime_successes, 0);
}
END_TEST

START_TEST(calls_on_no_registry_are_refused)
{
    wsrt_breaker_clock at = {1, 1};
    wsrt_breaker *one = b;
    wsrt_breaker_cursor *cursor;
    wsrt_breaker_listener *listener;
    char blob[8];
    int visits = 0;

    ck_assert_int_eq(wsrt_breakers_new(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_get(NULL, TEXT("s"), TEXT("o"), NULL, &one, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_ptr_null(one);
    ck_assert_int_eq(wsrt_breakers_find(NULL, TEXT("s"), TEXT("o"), &one), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_foreach(NULL, visit, &visits), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_foreach(registry, NULL, &visits), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_configure(NULL, TEXT("{}"), 0, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_listen(NULL, 0, hear, &visits, &listener), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, NULL, 0), WSRT_ERR_INVALID);
    ck_assert_ptr_null(cursor);
    ck_assert_int_eq(wsrt_breakers_save(NULL, &at, NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_restore(NULL, &at, blob, 8), WSRT_ERR_INVALID);
    wsrt_breakers_unlisten(NULL, NULL);
    wsrt_breakers_free(NULL);
    ck_assert_int_eq(visits, 0);
}
END_TEST

START_TEST(what_is_made_has_a_place)
{
    wsrt_breaker_listener *listener = NULL;
    wsrt_breaker_cursor *cursor = NULL;
    wsrt_breaker_event e = {.struct_size = sizeof e};
    int heard = 0;

    ck_assert_int_eq(wsrt_breakers_get(registry, TEXT("s"), TEXT("o"), NULL, NULL, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_find(registry, TEXT("s"), TEXT("o"), NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_listen(registry, 0, hear, &heard, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_listen(registry, 0, NULL, &heard, &listener), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_listen(registry, 1u << 31, hear, &heard, &listener),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_cursor_new(NULL, registry, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_cursor_next(NULL, &e), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_cursor_new(&cursor, registry, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_cursor_next(cursor, NULL), WSRT_ERR_INVALID);
    wsrt_breaker_cursor_free(cursor);
    wsrt_breaker_cursor_free(NULL);
    ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 0, 1), WSRT_OK);
    ck_assert_int_eq(heard, 0);
}
END_TEST

START_TEST(a_key_is_looked_for_under_names_only)
{
    static const char longest[256];
    const wsrt_span bad[] = {{NULL, 1}, {"", 0}, {longest, 256}};
    wsrt_breaker *one = b;

    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_int_eq(wsrt_breakers_find(registry, bad[i], TEXT("o"), &one), WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_breakers_find(registry, TEXT("s"), bad[i], &one), WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_breakers_get(registry, bad[i], TEXT("o"), NULL, &one, NULL),
                         WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_breakers_get(registry, TEXT("s"), bad[i], NULL, &one, NULL),
                         WSRT_ERR_INVALID);
    }
    ck_assert_ptr_null(one);
    ck_assert_int_eq(wsrt_breakers_find(registry, TEXT("s"), TEXT("p"), &one), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_breakers_find(registry, TEXT("s"), TEXT("o"), &one), WSRT_OK);
    ck_assert_ptr_eq(one, b);
    wsrt_breaker_release_ref(one);
}
END_TEST

START_TEST(names_of_a_length_are_told_apart_at_every_byte)
{
    char name[21] = "abcdefghijklmnopqrst";

    for (size_t i = 0; i < 20; i++) {
        wsrt_breaker *one, *again;
        char kept = name[i];
        name[i] = '-';
        ck_assert_int_eq(
            wsrt_breakers_get(registry, wsrt_span_cstr(name), TEXT("o"), NULL, &one, NULL),
            WSRT_OK);
        ck_assert(wsrt_span_equal(wsrt_breaker_service(one), wsrt_span_cstr(name)));
        ck_assert_int_eq(wsrt_breakers_find(registry, wsrt_span_cstr(name), TEXT("o"), &again),
                         WSRT_OK);
        ck_assert_ptr_eq(one, again);
        wsrt_breaker_release_ref(one);
        wsrt_breaker_release_ref(again);
        name[i] = kept;
    }
}
END_TEST

START_TEST(options_of_no_release_are_refused)
{
    wsrt_breakers_options o = {.struct_size = sizeof o, .flags = 1};
    wsrt_breakers *r;

    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_ERR_UNSUPPORTED);
    ck_assert_ptr_null(r);
    o.flags = 0;
    o.reserved = 1;
    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_memory_breaker_store_new(NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

/* ---- permits and outcomes ---- */

START_TEST(an_outcome_that_is_none_counts_nothing_and_the_permit_stays_good)
{
    wsrt_permit p;

    ck_assert_int_eq(wsrt_breaker_try_acquire(b, 1, &p, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_record(b, &p, 1, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_record(b, &p, 1, WSRT_IGNORED + 1), WSRT_ERR_INVALID);
    ck_assert_uint_eq(stats(1).lifetime_failures + stats(1).lifetime_successes, 0);
    ck_assert_int_eq(wsrt_breaker_record(b, &p, 1, WSRT_SUCCESS), WSRT_OK);
    ck_assert_uint_eq(stats(1).lifetime_successes, 1);
}
END_TEST

START_TEST(a_permit_that_was_never_given_is_refused)
{
    wsrt_permit p;

    memset(&p, 0, sizeof p);
    ck_assert_int_ne(wsrt_breaker_record(b, &p, 1, WSRT_FAILURE), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_release(b, &p, 1), WSRT_ERR_INVALID);
    ck_assert_uint_eq(stats(1).lifetime_failures, 0);
}
END_TEST

static int64_t clock_now;

static int64_t read_clock(void *user)
{
    (void)user;
    return clock_now;
}

static int say(int result, void *user)
{
    (void)result;
    return *(int *)user;
}

static int serve_instead(const wsrt_fallback_info *info, void *user)
{
    (void)info;
    (void)user;
    return 42;
}

START_TEST(a_classification_that_is_none_is_a_failure)
{
    static const int outcomes[] = {0, WSRT_IGNORED + 1, -1};
    const wsrt_env env = {.struct_size = sizeof env, .now = read_clock};
    int result;

    for (size_t i = 0; i < COUNT(outcomes); i++) {
        int outcome = outcomes[i];
        const wsrt_guarded guarded = {.struct_size = sizeof guarded,
                                      .fn = succeed,
                                      .classify = say,
                                      .fallback = serve_instead,
                                      .user = &outcome};
        ck_assert_int_eq(wsrt_breaker_execute(b, &env, &guarded, &result), WSRT_OK);
        ck_assert_int_eq(result, 42);
        ck_assert_uint_eq(stats(1).lifetime_failures, i + 1);
    }
}
END_TEST

START_TEST(a_guarded_call_has_a_function_and_known_flags)
{
    const wsrt_guarded nothing = {.struct_size = sizeof nothing};
    const wsrt_guarded odd = {.struct_size = sizeof odd, .fn = succeed, .without = 8};
    int result = 7;

    ck_assert_int_eq(wsrt_breaker_execute(b, NULL, NULL, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_execute(b, NULL, &nothing, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_execute(b, NULL, &odd, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(result, 7);
}
END_TEST

/* ---- the ends of the clock ---- */

START_TEST(a_clock_may_begin_and_end_anywhere)
{
    static const int64_t starts[] = {INT64_MIN, -1, 0, INT64_MAX};

    for (size_t i = 0; i < COUNT(starts); i++) {
        const wsrt_breakers_options o = {.struct_size = sizeof o, .now = starts[i]};
        tear_down();
        ck_assert_int_eq(wsrt_breakers_new(&registry, &o), WSRT_OK);
        ck_assert_int_eq(wsrt_breakers_get(registry, TEXT("s"), TEXT("o"), NULL, &b, NULL),
                         WSRT_OK);
        call(starts[i], WSRT_SUCCESS);
        call(INT64_MAX, WSRT_SUCCESS);
        call(INT64_MIN, WSRT_SUCCESS);
        ck_assert_uint_eq(stats(INT64_MAX).lifetime_successes, 3);
        ck_assert_int_eq(stats(INT64_MIN).state, WSRT_BREAKER_CLOSED);
    }
}
END_TEST

START_TEST(a_call_longer_than_a_clock_counts_is_slow)
{
    const wsrt_breaker_config config = {.struct_size = sizeof config,
                                        .expected_response_time_ms = 1000,
                                        .slow_policy = WSRT_SLOW_OBSERVE};
    wsrt_permit p;

    ck_assert_int_eq(wsrt_breaker_reconfigure(b, &config, 0, 1), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, INT64_MIN, &p, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_record(b, &p, INT64_MAX, WSRT_SUCCESS), WSRT_OK);
    ck_assert_uint_eq(stats(INT64_MAX).slow, 1);
}
END_TEST

/* ---- documents and settings ---- */

START_TEST(a_document_is_there_and_its_flags_are_known)
{
    ck_assert_int_eq(wsrt_breakers_configure(registry, (wsrt_span){NULL, 1}, 0, 0, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_configure(registry, TEXT("{}"), 4, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(
        wsrt_breakers_configure(registry, TEXT("{}"), WSRT_RECONFIGURE_EXISTING, 0, NULL), WSRT_OK);
}
END_TEST

START_TEST(a_document_reaches_no_breakers_where_there_are_none)
{
    wsrt_breakers *empty;

    ck_assert_int_eq(wsrt_breakers_new(&empty, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_configure(empty, TEXT("{\"defaults\":{\"failureThreshold\":2}}"),
                                             WSRT_RECONFIGURE_EXISTING, 0, NULL),
                     WSRT_OK);
    wsrt_breakers_free(empty);
}
END_TEST

START_TEST(a_command_is_known_and_only_a_trip_waits)
{
    static const struct {
        int command;
        int64_t wait_ms;
        int status;
    } rows[] = {
        {0, 0, WSRT_ERR_INVALID},
        {6, 0, WSRT_ERR_INVALID},
        {WSRT_BREAKER_RESET, 1, WSRT_ERR_INVALID},
        {WSRT_BREAKER_TRIP, -2, WSRT_ERR_INVALID},
        {WSRT_BREAKER_TRIP, (int64_t)30 * 86400000 + 1, WSRT_ERR_INVALID},
        {WSRT_BREAKER_TRIP, (int64_t)30 * 86400000, WSRT_OK},
        {WSRT_BREAKER_TRIP, -1, WSRT_OK},
        {WSRT_BREAKER_RESET, 0, WSRT_OK},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(wsrt_breaker_control(b, rows[i].command, rows[i].wait_ms, 1) ==
                          rows[i].status,
                      "row %zu", i);
}
END_TEST

/* ---- snapshots ---- */

START_TEST(a_snapshot_is_saved_and_restored_with_all_arguments)
{
    const wsrt_breaker_clock at = {1, 1};
    char blob[1024];
    size_t len;

    ck_assert_int_eq(wsrt_breaker_save(b, NULL, blob, sizeof blob, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_save(b, &at, NULL, 1, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_save(registry, NULL, blob, sizeof blob, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_save(registry, &at, NULL, 1, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_save(b, &at, NULL, 0, &len), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_breaker_save(b, &at, blob, len - 1, NULL), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_breaker_save(b, &at, blob, len, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_restore(NULL, &at, blob, len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_restore(b, NULL, blob, len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_restore(b, &at, NULL, len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_restore(registry, NULL, blob, len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breakers_restore(registry, &at, NULL, len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_breaker_restore(b, &at, blob, len), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_restore(registry, &at, blob, len), WSRT_OK);
}
END_TEST

START_TEST(a_registry_of_nothing_is_saved_and_restored)
{
    const wsrt_breaker_clock at = {1, 1};
    wsrt_breakers *empty;
    char blob[64];
    size_t len;
    int visits = 0;

    ck_assert_int_eq(wsrt_breakers_new(&empty, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_save(empty, &at, blob, sizeof blob, &len), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_restore(empty, &at, blob, len), WSRT_OK);
    ck_assert_int_eq(wsrt_breakers_foreach(empty, visit, &visits), WSRT_OK);
    ck_assert_int_eq(visits, 0);
    ck_assert_int_eq(wsrt_breaker_restore(b, &at, blob, len), WSRT_ERR_REJECTED);
    wsrt_breakers_free(empty);
}
END_TEST

START_TEST(wall_clocks_at_their_ends_pass_no_time)
{
    static const int64_t walls[] = {INT64_MIN, INT64_MAX};
    char blob[1024];
    size_t len;

    for (size_t i = 0; i < COUNT(walls); i++) {
        const wsrt_breaker_clock saved = {1, walls[i]}, restored = {1, walls[1 - i]};
        ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 60000, 1), WSRT_OK);
        ck_assert_int_eq(wsrt_breaker_save(b, &saved, blob, sizeof blob, &len), WSRT_OK);
        ck_assert_int_eq(wsrt_breaker_restore(b, &restored, blob, len), WSRT_OK);
        ck_assert_int_eq(stats(1).state, WSRT_BREAKER_OPEN);
    }
}
END_TEST

START_TEST(times_on_a_wall_clock_at_its_end_stay_there)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    call(1, WSRT_SUCCESS);
    ck_assert_int_eq(wsrt_breaker_control(b, WSRT_BREAKER_TRIP, 60000, 1), WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, 1, INT64_MAX, &s), WSRT_OK);
    ck_assert_int_eq(s.next_attempt_time, INT64_MAX);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, INT64_MAX, INT64_MIN, &s), WSRT_OK);
    ck_assert_int_eq(s.last_success_time, INT64_MIN);
}
END_TEST

/* ---- stores ---- */

START_TEST(a_store_is_whole_or_there_is_none)
{
    wsrt_breaker_store_ops ops[4];
    wsrt_breakers *r;
    wsrt_breakers_options o = {.struct_size = sizeof o, .store_self = &o};

    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_ERR_INVALID);
    o.store_self = NULL;
    o.store_budget_ms = 1;
    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_ERR_INVALID);
    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = *wsrt_memory_breaker_store_ops();
    ops[0].struct_size = 8;
    ops[1].load = NULL;
    ops[2].compare_and_swap = NULL;
    ops[3].flags = 1;
    for (size_t i = 0; i < COUNT(ops); i++) {
        o.store = &ops[i];
        ck_assert_int_eq(wsrt_breakers_new(&r, &o),
                         i < 3 ? WSRT_ERR_INVALID : WSRT_ERR_UNSUPPORTED);
        ck_assert_ptr_null(r);
    }
    wsrt_memory_breaker_store_free(NULL);
}
END_TEST

/* ---- registries with little room ---- */

static int64_t at_zero(void *user)
{
    (void)user;
    return 0;
}

static int get(wsrt_breakers *r, const char *operation, wsrt_breaker **out)
{
    return wsrt_breakers_get(r, TEXT("s"), wsrt_span_cstr(operation), NULL, out, NULL);
}

START_TEST(a_breaker_with_as_many_successes_as_failures_stays)
{
    wsrt_env env = {.struct_size = sizeof env, .now = at_zero};
    wsrt_breakers_options o = {.struct_size = sizeof o, .env = &env, .max_breakers = 1};
    wsrt_breakers *small;
    wsrt_breaker *one, *other;

    ck_assert_int_eq(wsrt_breakers_new(&small, &o), WSRT_OK);
    for (int i = 0; i < 2; i++) {
        wsrt_permit p;
        ck_assert_int_eq(get(small, "used", &one), WSRT_OK);
        ck_assert_int_eq(wsrt_breaker_try_acquire(one, 0, &p, NULL), WSRT_OK);
        ck_assert_int_ge(wsrt_breaker_record(one, &p, 0, i == 0 ? WSRT_SUCCESS : WSRT_FAILURE),
                         WSRT_OK);
        wsrt_breaker_release_ref(one);
    }
    ck_assert_int_eq(get(small, "new", &other), WSRT_ERR_LIMIT);
    wsrt_breakers_free(small);
}
END_TEST

START_TEST(after_a_breaker_that_had_no_memory_others_are_made)
{
    struct heap heap;
    wsrt_breakers *r;
    wsrt_breaker *one;
    char name[128];

    heap_init(&heap);
    wsrt_breakers_options o = {.struct_size = sizeof o, .allocator = heap.allocator};
    ck_assert_int_eq(wsrt_breakers_new(&r, &o), WSRT_OK);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    for (int i = 0; i < 8; i++) { /* of the first, the block of several; of later ones, the key */
        name[0] = (char)('a' + i);
        heap_arm(&heap, 1, 0);
        int rc = get(r, name, &one);
        ck_assert_int_eq(rc, heap_disarm(&heap) ? WSRT_ERR_NOMEM : WSRT_OK);
        if (rc == WSRT_OK)
            wsrt_breaker_release_ref(one);
        ck_assert_int_eq(get(r, name + 1 + i, &one), WSRT_OK);
        ck_assert_int_eq(wsrt_breaker_control(one, WSRT_BREAKER_RESET, 0, 0), WSRT_OK);
        wsrt_breaker_release_ref(one);
    }
    wsrt_breakers_free(r);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_arguments");
    TCase *t = tcase_create("arguments");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, calls_on_no_breaker_are_refused);
    tcase_add_test(t, calls_on_no_registry_are_refused);
    tcase_add_test(t, what_is_made_has_a_place);
    tcase_add_test(t, a_key_is_looked_for_under_names_only);
    tcase_add_test(t, names_of_a_length_are_told_apart_at_every_byte);
    tcase_add_test(t, options_of_no_release_are_refused);
    tcase_add_test(t, an_outcome_that_is_none_counts_nothing_and_the_permit_stays_good);
    tcase_add_test(t, a_permit_that_was_never_given_is_refused);
    tcase_add_test(t, a_classification_that_is_none_is_a_failure);
    tcase_add_test(t, a_guarded_call_has_a_function_and_known_flags);
    tcase_add_test(t, a_clock_may_begin_and_end_anywhere);
    tcase_add_test(t, a_call_longer_than_a_clock_counts_is_slow);
    tcase_add_test(t, a_document_is_there_and_its_flags_are_known);
    tcase_add_test(t, a_document_reaches_no_breakers_where_there_are_none);
    tcase_add_test(t, a_command_is_known_and_only_a_trip_waits);
    tcase_add_test(t, a_snapshot_is_saved_and_restored_with_all_arguments);
    tcase_add_test(t, a_registry_of_nothing_is_saved_and_restored);
    tcase_add_test(t, wall_clocks_at_their_ends_pass_no_time);
    tcase_add_test(t, times_on_a_wall_clock_at_its_end_stay_there);
    tcase_add_test(t, a_store_is_whole_or_there_is_none);
    tcase_add_test(t, a_breaker_with_as_many_successes_as_failures_stays);
    tcase_add_test(t, after_a_breaker_that_had_no_memory_others_are_made);
    suite_add_tcase(s, t);
    return s;
}
