#include "heap.h"
#include "suite.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    uint32_t struct_size;
    uint32_t flags;
    uint64_t value;
    uint64_t later;
};
enum { FIRST = 16 };

START_TEST(every_status_has_its_own_name)
{
    ck_assert_str_eq(wsrt_status_name(WSRT_OK), "WSRT_OK");
    ck_assert_str_eq(wsrt_status_name(WSRT_STALE), "WSRT_STALE");
    ck_assert_str_eq(wsrt_status_name(WSRT_ERR_NOMEM), "WSRT_ERR_NOMEM");
    ck_assert_str_eq(wsrt_status_name(WSRT_ERR_INTERNAL), "WSRT_ERR_INTERNAL");
}
END_TEST

START_TEST(numbers_that_are_no_status_are_named_unknown)
{
    int strangers[] = {2, -23, -2147483647 - 1, 2147483647};

    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
        ck_assert_str_eq(wsrt_status_name(strangers[i]), "WSRT_ERR_UNKNOWN");
}
END_TEST

START_TEST(version_number_and_text_agree)
{
    ck_assert_int_eq(wsrt_version(), 1000);
    ck_assert_str_eq(wsrt_version_string(), "0.1.0");
}
END_TEST

START_TEST(spans_compare_by_content)
{
    ck_assert_int_eq(wsrt_span_equal(wsrt_span_cstr("ab"), wsrt_span_cstr("ab")), 1);
    ck_assert_int_eq(wsrt_span_equal(wsrt_span_cstr("ab"), wsrt_span_cstr("ac")), 0);
    ck_assert_int_eq(wsrt_span_equal(wsrt_span_cstr("ab"), wsrt_span_cstr("abc")), 0);
    ck_assert_int_eq(wsrt_span_equal(wsrt_span_cstr(NULL), wsrt_span_cstr("")), 1);
}
END_TEST

START_TEST(options_that_are_null_are_all_zero)
{
    struct sample out;

    memset(&out, 0xff, sizeof out);
    ck_assert_int_eq(wsrt_options_load(&out, sizeof out, FIRST, NULL), WSRT_OK);
    ck_assert_uint_eq(out.struct_size, sizeof out);
    ck_assert_uint_eq(out.value + out.later + out.flags, 0);
}
END_TEST

START_TEST(options_of_an_older_release_are_read_within_their_size)
{
    struct sample out;
    struct sample *old = malloc(FIRST); /* exactly: a read beyond is a sanitizer's finding */
    uint32_t size = FIRST;
    uint64_t value = 7;

    memset(old, 0, FIRST);
    memcpy(old, &size, sizeof size);
    memcpy((char *)old + offsetof(struct sample, value), &value, sizeof value);
    ck_assert_int_eq(wsrt_options_load(&out, sizeof out, FIRST, old), WSRT_OK);
    ck_assert_uint_eq(out.value, 7);
    ck_assert_uint_eq(out.later, 0);
    free(old);
}
END_TEST

START_TEST(options_of_a_newer_release_pass_only_with_a_zero_tail)
{
    struct {
        struct sample known;
        uint64_t unknown;
    } newer = {.known = {.struct_size = sizeof newer}};
    struct sample out;

    ck_assert_int_eq(wsrt_options_load(&out, sizeof out, FIRST, &newer), WSRT_OK);
    newer.unknown = 1;
    ck_assert_int_eq(wsrt_options_load(&out, sizeof out, FIRST, &newer), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_table_load(&out, sizeof out, FIRST, &newer), WSRT_OK);
}
END_TEST

START_TEST(sizes_no_release_ever_had_are_refused)
{
    uint32_t sizes[] = {0, 4, FIRST - 1, 4097, 0xffffffff};
    struct sample out, in = {0};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        in.struct_size = sizes[i];
        ck_assert_int_eq(wsrt_options_load(&out, sizeof out, FIRST, &in), WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_table_load(&out, sizeof out, FIRST, &in), WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_report_fill(&in, sizeof out, FIRST, &out), WSRT_ERR_INVALID);
    }
}
END_TEST

START_TEST(reports_fill_what_the_caller_has_room_for)
{
    struct sample full = {.value = 1, .later = 2};
    struct sample in = {.struct_size = FIRST, .later = 99};

    ck_assert_int_eq(wsrt_report_fill(&in, sizeof full, FIRST, &full), WSRT_OK);
    ck_assert_uint_eq(in.struct_size, FIRST);
    ck_assert_uint_eq(in.value, 1);
    ck_assert_uint_eq(in.later, 99);
}
END_TEST

START_TEST(arena_memory_is_aligned_and_distinct)
{
    struct heap heap;
    wsrt_arena arena;
    unsigned char first[100];

    heap_init(&heap);
    wsrt_arena_init(&arena, &heap.allocator, first + 1, sizeof first - 1);
    for (size_t i = 1; i < 400; i++) {
        unsigned char *p = wsrt_arena_alloc(&arena, i);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, (int)i, i);
    }
    wsrt_arena_free(&arena);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(a_warm_arena_allocates_nothing_after_a_reset)
{
    struct heap heap;
    wsrt_arena arena;

    heap_init(&heap);
    wsrt_arena_init(&arena, &heap.allocator, NULL, 0);
    for (int round = 0; round < 4; round++) {
        heap_arm(&heap, 0, 0);
        for (int i = 0; i < 100; i++)
            ck_assert_ptr_nonnull(wsrt_arena_alloc(&arena, 200));
        wsrt_arena_reset(&arena);
        if (round > 1) /* the block grew to hold a whole round */
            ck_assert_uint_eq(heap.calls, 0);
    }
    wsrt_arena_free(&arena);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(a_refused_arena_block_leaves_the_arena_usable)
{
    struct heap heap;
    wsrt_arena arena;
    char first[64];

    heap_init(&heap);
    wsrt_arena_init(&arena, &heap.allocator, first, sizeof first);
    heap_arm(&heap, 1, 0);
    ck_assert_ptr_null(wsrt_arena_alloc(&arena, 1000));
    ck_assert_ptr_nonnull(wsrt_arena_alloc(&arena, 16));
    ck_assert_ptr_nonnull(wsrt_arena_alloc(&arena, 1000));
    ck_assert_ptr_null(wsrt_arena_alloc(&arena, SIZE_MAX - 8));
    wsrt_arena_free(&arena);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(trimming_gives_the_end_of_the_newest_allocation_back)
{
    struct heap heap;
    wsrt_arena arena;
    char first[256];

    heap_init(&heap);
    wsrt_arena_init(&arena, &heap.allocator, first, sizeof first);
    char *a = wsrt_arena_alloc(&arena, 128);
    wsrt_arena_trim(&arena, a, 128, 10);
    char *b = wsrt_arena_alloc(&arena, 16);
    ck_assert_int_eq(b - a, 16);
    wsrt_arena_trim(&arena, a, 128, 1); /* no longer the newest: nothing happens */
    ck_assert_ptr_ne(wsrt_arena_alloc(&arena, 16), b);
    wsrt_arena_free(&arena);
}
END_TEST

START_TEST(the_hash_depends_on_key_and_every_byte)
{
    char text[33] = "0123456789abcdef0123456789abcdef";

    for (size_t len = 1; len <= 32; len++) {
        uint64_t before = wsrt_hash(1, text, len);
        ck_assert_uint_ne(before, wsrt_hash(2, text, len));
        ck_assert_uint_ne(before, wsrt_hash(1, text, len - 1));
        text[len - 1] ^= 1;
        ck_assert_uint_ne(before, wsrt_hash(1, text, len));
        text[len - 1] ^= 1;
    }
}
END_TEST

static int64_t fixed_now(void *user)
{
    return *(int64_t *)user;
}

START_TEST(a_given_environment_keeps_its_members_and_gets_defaults_for_the_rest)
{
    int64_t time = 42;
    wsrt_env env, given = {.struct_size = sizeof given, .user = &time, .now = fixed_now};
    unsigned char bytes[32] = {0}, none[32] = {0};

    ck_assert_int_eq(wsrt_env_load(&env, &given), WSRT_OK);
    ck_assert_int_eq(env.now(env.user), 42);
    ck_assert_int_gt(env.wall(env.user), 1600000000000);
    ck_assert_int_eq(env.random(env.user, bytes, sizeof bytes), WSRT_OK);
    ck_assert_mem_ne(bytes, none, sizeof bytes);
    ck_assert_int_gt(env.resident(env.user), 100000);
    ck_assert_int_ge(env.cpu(env.user), 0);
    env.log(env.user, WSRT_LEVEL_INFO, "silence", NULL, 0);
}
END_TEST

START_TEST(the_default_clock_is_steady)
{
    wsrt_env env = {.struct_size = sizeof env};

    ck_assert_int_eq(wsrt_env_default(&env), WSRT_OK);
    int64_t a = env.now(env.user), b = env.now(env.user);
    ck_assert_int_gt(a, 0);
    ck_assert_int_ge(b, a);
}
END_TEST

START_TEST(an_environment_of_a_wrong_size_is_refused)
{
    wsrt_env env, given = {.struct_size = 8};

    ck_assert_int_eq(wsrt_env_load(&env, &given), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_env_default(&given), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_env_default(NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(times_are_written_as_the_calendar_has_them_and_kept_in_its_years)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1795168800123, "2026-11-20T10:00:00.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MIN, "1970-01-01T00:00:00.000Z"},
    };
    char text[25] = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_iso_time(rows[i].ms, text);
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leaps);
}

START_TEST(each_day_follows_the_one_before)
{
    char text[32] = "", want[64];
    int64_t noon = 43200007;
    int wrong = 0;

    for (int year = 1970; year < 2500; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= days_in(year, month); day++, noon += 86400000) {
                wsrt_iso_time(noon, text);
                snprintf(want, sizeof want, "%04d-%02d-%02dT12:00:00.007Z", year, month, day);
                wrong += memcmp(text, want, 24) != 0;
            }
        }
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(a_constant_is_found_by_its_name_alone)
{
    int64_t value = 7;

    ck_assert_int_eq(wsrt_constant("WSRT_ERR_GONE", &value), WSRT_OK);
    ck_assert_int_eq(value, WSRT_ERR_GONE);
    ck_assert_int_eq(wsrt_constant("WSRT_OK", &value), WSRT_OK);
    ck_assert_int_eq(value, 0);
    value = 7;
    ck_assert_int_eq(wsrt_constant("WSRT_ERR_GON", &value), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_constant("WSRT_ERR_GONE ", &value), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_constant("", &value), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_constant(NULL, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_constant("WSRT_OK", NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(value, 7);
}
END_TEST

START_TEST(an_allocator_without_a_function_has_no_user_either)
{
    wsrt_allocator out;
    const wsrt_allocator zero = {NULL, NULL}, lost = {NULL, &out};

    ck_assert_int_eq(wsrt_allocator_load(&out, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_allocator_load(&out, &zero), WSRT_OK);
    ck_assert_ptr_nonnull(out.realloc);
    ck_assert_int_eq(wsrt_allocator_load(&out, &lost), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(memory_of_no_bytes_is_none_and_a_product_too_large_is_0)
{
    struct heap heap;
    wsrt_allocator libc;

    heap_init(&heap);
    ck_assert_int_eq(wsrt_allocator_load(&libc, NULL), WSRT_OK);
    const wsrt_allocator *both[] = {&libc, &heap.allocator};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ptr_null(wsrt_mem_alloc(both[i], 0));
        ck_assert_ptr_null(wsrt_mem_zalloc(both[i], 0));
        ck_assert_ptr_null(wsrt_mem_resize(both[i], NULL, 0, 0));
        unsigned char *zeroes = wsrt_mem_zalloc(both[i], 16);
        for (size_t k = 0; k < 16; k++)
            ck_assert_uint_eq(zeroes[k], 0);
        wsrt_mem_free(both[i], zeroes, 16);
    }
    ck_assert_uint_eq(wsrt_mem_product(6, 7), 42);
    ck_assert_uint_eq(wsrt_mem_product(SIZE_MAX, 2), 0);
}
END_TEST

START_TEST(an_arena_refuses_what_no_memory_holds)
{
    wsrt_allocator libc;
    wsrt_arena arena;

    wsrt_allocator_load(&libc, NULL);
    wsrt_arena_init(&arena, &libc, NULL, 0);
    ck_assert_ptr_null(wsrt_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(wsrt_arena_alloc(&arena, SIZE_MAX / 4 + 1));
    ck_assert_ptr_null(wsrt_arena_alloc(&arena, SIZE_MAX / 4));
    ck_assert_ptr_null(wsrt_arena_copy(&arena, (wsrt_span){"x", SIZE_MAX}));
    ck_assert_ptr_nonnull(wsrt_arena_alloc(&arena, 1));
    wsrt_arena_free(&arena);
}
END_TEST

START_TEST(an_environment_with_flags_that_nobody_knows_is_refused)
{
    const wsrt_env odd = {.struct_size = sizeof odd, .flags = 1};
    wsrt_env out;

    ck_assert_int_eq(wsrt_env_load(&out, &odd), WSRT_ERR_UNSUPPORTED);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");

    tcase_add_test(t, every_status_has_its_own_name);
    tcase_add_test(t, numbers_that_are_no_status_are_named_unknown);
    tcase_add_test(t, version_number_and_text_agree);
    tcase_add_test(t, spans_compare_by_content);
    tcase_add_test(t, options_that_are_null_are_all_zero);
    tcase_add_test(t, options_of_an_older_release_are_read_within_their_size);
    tcase_add_test(t, options_of_a_newer_release_pass_only_with_a_zero_tail);
    tcase_add_test(t, sizes_no_release_ever_had_are_refused);
    tcase_add_test(t, reports_fill_what_the_caller_has_room_for);
    tcase_add_test(t, arena_memory_is_aligned_and_distinct);
    tcase_add_test(t, a_warm_arena_allocates_nothing_after_a_reset);
    tcase_add_test(t, a_refused_arena_block_leaves_the_arena_usable);
    tcase_add_test(t, trimming_gives_the_end_of_the_newest_allocation_back);
    tcase_add_test(t, the_hash_depends_on_key_and_every_byte);
    tcase_add_test(t, a_given_environment_keeps_its_members_and_gets_defaults_for_the_rest);
    tcase_add_test(t, the_default_clock_is_steady);
    tcase_add_test(t, an_environment_of_a_wrong_size_is_refused);
    tcase_add_test(t, times_are_written_as_the_calendar_has_them_and_kept_in_its_years);
    tcase_add_test(t, each_day_follows_the_one_before);
    tcase_add_test(t, a_constant_is_found_by_its_name_alone);
    tcase_add_test(t, an_allocator_without_a_function_has_no_user_either);
    tcase_add_test(t, memory_of_no_bytes_is_none_and_a_product_too_large_is_0);
    tcase_add_test(t, an_arena_refuses_what_no_memory_holds);
    tcase_add_test(t, an_environment_with_flags_that_nobody_knows_is_refused);
    suite_add_tcase(s, t);
    return s;
}
