#include "latest_suite.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MOST = 255, VALUE_MOST = 131072, MANY = 500 };

static const struct latest_factory *made_by;
static void *opened;
static wsrt_latest table;
static char room[VALUE_MOST + KEY_MOST];

static void open_table(void)
{
    opened = made_by->open(&table);
    ck_assert_ptr_nonnull(opened);
}

static void close_table(void)
{
    made_by->close(opened);
}

static int put_spans(wsrt_span key, wsrt_span value, int64_t timestamp)
{
    wsrt_latest_entry e = {
        .struct_size = sizeof e, .key = key, .value = value, .timestamp = timestamp};

    return table.ops->put(table.self, &e);
}

static int put(const char *key, const char *value, int64_t timestamp)
{
    return put_spans(wsrt_span_cstr(key), wsrt_span_cstr(value), timestamp);
}

static int drop(const char *key, int64_t timestamp)
{
    wsrt_span k = wsrt_span_cstr(key);

    return table.ops->remove(table.self, &k, timestamp);
}

/* The value of a key, found by a whole walk; "" = not there, "twice" = more than once. */
static const char *value_of(const char *key)
{
    static char found[64];
    wsrt_cursor cursor = {0};
    wsrt_latest_entry e = {.struct_size = sizeof e};
    size_t n;

    found[0] = '\0';
    do {
        ck_assert_int_eq(table.ops->each(table.self, &cursor, &e, 1, room, sizeof room, &n),
                         WSRT_OK);
        if (n == 0 || !wsrt_span_equal(e.key, wsrt_span_cstr(key)))
            continue;
        snprintf(found, sizeof found, "%.*s", found[0] != '\0' ? 5 : (int)e.value.len,
                 found[0] != '\0' ? "twice" : e.value.ptr);
    } while (n != 0);
    return found;
}

START_TEST(the_last_value_is_kept)
{
    ck_assert_int_eq(put("cpu", "1", 100), WSRT_OK);
    ck_assert_int_eq(put("disk", "7", 100), WSRT_OK);
    ck_assert_int_eq(put("cpu", "22", 101), WSRT_OK);
    ck_assert_str_eq(value_of("cpu"), "22");
    ck_assert_str_eq(value_of("disk"), "7");
    ck_assert_str_eq(value_of("net"), "");
}
END_TEST

START_TEST(of_one_instant_the_last_told_counts)
{
    put("cpu", "1", 100);
    ck_assert_int_eq(put("cpu", "2", 100), WSRT_OK);
    ck_assert_str_eq(value_of("cpu"), "2");
}
END_TEST

START_TEST(an_earlier_value_changes_nothing)
{
    put("cpu", "1", 100);
    ck_assert_int_eq(put("cpu", "0", 99), WSRT_STALE);
    ck_assert_str_eq(value_of("cpu"), "1");
    ck_assert_int_eq(drop("cpu", 99), WSRT_STALE);
    ck_assert_str_eq(value_of("cpu"), "1");
}
END_TEST

START_TEST(what_is_removed_is_gone_and_may_come_back)
{
    put("cpu", "1", 100);
    ck_assert_int_eq(drop("cpu", 100), WSRT_OK);
    ck_assert_int_eq(drop("cpu", 100), WSRT_OK);
    ck_assert_str_eq(value_of("cpu"), "");
    ck_assert_int_eq(put("cpu", "2", 50), WSRT_OK);
    ck_assert_str_eq(value_of("cpu"), "2");
}
END_TEST

START_TEST(keys_and_values_may_hold_any_bytes)
{
    static char key[KEY_MOST], value[VALUE_MOST];
    wsrt_cursor cursor = {0};
    wsrt_latest_entry e = {.struct_size = sizeof e};
    size_t n;

    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)(i * 7);
    memset(key, 0, sizeof key);
    ck_assert_int_eq(put_spans((wsrt_span){key, sizeof key}, (wsrt_span){value, sizeof value}, -1),
                     WSRT_OK);
    ck_assert_int_eq(table.ops->each(table.self, &cursor, &e, 1, room, sizeof room, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(e.key.len, sizeof key);
    ck_assert_mem_eq(e.key.ptr, key, sizeof key);
    ck_assert_uint_eq(e.value.len, sizeof value);
    ck_assert_mem_eq(e.value.ptr, value, sizeof value);
    ck_assert_int_eq((int)e.timestamp, -1);
    ck_assert_int_eq(put_spans((wsrt_span){key, 1}, (wsrt_span){NULL, 0}, 0), WSRT_OK);
}
END_TEST

START_TEST(what_breaks_a_rule_is_refused)
{
    static char value[VALUE_MOST + 1];
    wsrt_span key = {value, KEY_MOST + 1}, one = {"k", 1}, none = {NULL, 0};
    wsrt_cursor cursor = {0};
    wsrt_latest_entry e = {.struct_size = sizeof e};
    size_t n = 7;

    ck_assert_int_eq(put_spans(key, one, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(put_spans(none, one, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(put_spans(one, (wsrt_span){value, sizeof value}, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(table.ops->put(table.self, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(table.ops->remove(table.self, &none, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(table.ops->remove(table.self, NULL, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(table.ops->each(table.self, &cursor, &e, 0, room, sizeof room, &n),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(table.ops->each(table.self, NULL, &e, 1, room, sizeof room, &n),
                     WSRT_ERR_INVALID);
    cursor.length = 3;
    ck_assert_int_eq(table.ops->each(table.self, &cursor, &e, 1, room, sizeof room, &n),
                     WSRT_ERR_INVALID);
    ck_assert_uint_eq(n, 7);
}
END_TEST

START_TEST(a_buffer_too_small_for_one_says_so_and_stays)
{
    wsrt_cursor cursor = {0};
    wsrt_latest_entry e = {.struct_size = sizeof e};
    size_t n;

    put("cpu", "12345", 0);
    ck_assert_int_eq(table.ops->each(table.self, &cursor, &e, 1, room, 7, &n), WSRT_ERR_LIMIT);
    ck_assert_int_eq(table.ops->each(table.self, &cursor, &e, 1, room, 8, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
}
END_TEST

static void put_number(int n, int64_t timestamp)
{
    char key[16], value[16];

    snprintf(key, sizeof key, "key%d", n);
    snprintf(value, sizeof value, "v%d", n);
    ck_assert_int_eq(put(key, value, timestamp), WSRT_OK);
}

/* Present during the whole walk, though others come, go and change under it. */
START_TEST(a_walk_meets_each_entry_once)
{
    static int seen[MANY];
    wsrt_cursor cursor = {0};
    wsrt_latest_entry page[7] = {{.struct_size = sizeof page[0]}};
    size_t n, pages = 0;

    memset(seen, 0, sizeof seen);
    for (int i = 0; i < MANY; i++)
        put_number(i, 1);
    do {
        ck_assert_int_eq(table.ops->each(table.self, &cursor, page, 7, room, sizeof room, &n),
                         WSRT_OK);
        for (size_t i = 0; i < n; i++) {
            int number = 0;
            ck_assert_int_eq(sscanf(page[i].key.ptr, "key%3d", &number), 1);
            if (number < MANY && page[i].key.len == (number > 99 ? 6u : number > 9 ? 5u : 4u))
                seen[number]++;
        }
        char gone[16];
        snprintf(gone, sizeof gone, "key%zu", pages * 3 + 1);
        ck_assert_int_eq(drop(gone, 9), WSRT_OK);
        put_number((int)(MANY - 1 - pages % 5 * 3), 2);
        pages++;
    } while (n != 0 && pages < 400);
    ck_assert_uint_lt(pages, 400);
    for (int i = 0; i < MANY; i++)
        if ((size_t)i >= pages * 3 || i % 3 != 1)
            ck_assert_msg(seen[i] == 1, "key%d was met %d times", i, seen[i]);
}
END_TEST

/* ---- many at once ------------------------------------------------------------------------- */

static wsrt_latest_entry entry(const char *key, const char *value, int64_t timestamp)
{
    return (wsrt_latest_entry){.struct_size = sizeof(wsrt_latest_entry),
                               .flags = value == NULL ? WSRT_LATEST_REMOVED : 0,
                               .key = wsrt_span_cstr(key),
                               .value = wsrt_span_cstr(value),
                               .timestamp = timestamp};
}

START_TEST(changes_of_a_batch_happen_in_their_order_with_a_result_each)
{
    wsrt_latest_entry rows[] = {
        entry("cpu", "1", 100),  entry("cpu", "2", 101), entry("disk", "9", 50),
        entry("disk", NULL, 50), entry("old", "0", 99),  entry("", "x", 0),
        entry("never", NULL, 1), entry("net", "5", 7),
    };
    static const int expected[] = {WSRT_OK,    WSRT_OK,          WSRT_OK, WSRT_OK,
                                   WSRT_STALE, WSRT_ERR_INVALID, WSRT_OK, WSRT_OK};
    int results[8];

    if (table.ops->change == NULL)
        return;
    rows[3].value = wsrt_span_cstr("of no use");
    put("old", "1", 100);
    ck_assert_int_eq(table.ops->change(table.self, rows, 8, results), WSRT_OK);
    for (size_t i = 0; i < 8; i++)
        ck_assert_msg(results[i] == expected[i], "%zu: %d", i, results[i]);
    ck_assert_str_eq(value_of("cpu"), "2");
    ck_assert_str_eq(value_of("disk"), "");
    ck_assert_str_eq(value_of("old"), "1");
    ck_assert_str_eq(value_of("net"), "5");
}
END_TEST

START_TEST(a_batch_of_nothing_is_fine_and_one_without_results_is_not)
{
    wsrt_latest_entry row = entry("cpu", "1", 1);

    if (table.ops->change == NULL)
        return;
    ck_assert_int_eq(table.ops->change(table.self, NULL, 0, NULL), WSRT_OK);
    ck_assert_int_eq(table.ops->change(table.self, &row, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_str_eq(value_of("cpu"), "");
}
END_TEST

/* The first one says where the others are: nothing is read from where none can be. */
START_TEST(a_batch_whose_entries_lie_too_far_apart_is_refused)
{
    static wsrt_latest_entry rows[128];
    int results[2];

    if (table.ops->change == NULL)
        return;
    rows[0] = entry("cpu", "1", 1);
    rows[0].struct_size = 4104;
    ck_assert_int_eq(table.ops->change(table.self, rows, 2, results), WSRT_ERR_INVALID);
    rows[0].struct_size = sizeof rows[0] + 4;
    ck_assert_int_eq(table.ops->change(table.self, rows, 2, results), WSRT_ERR_INVALID);
    ck_assert_str_eq(value_of("cpu"), "");
}
END_TEST

TCase *latest_suite(const struct latest_factory *factory)
{
    TCase *t = tcase_create("latest values");

    made_by = factory;
    tcase_add_checked_fixture(t, open_table, close_table);
    tcase_add_test(t, the_last_value_is_kept);
    tcase_add_test(t, of_one_instant_the_last_told_counts);
    tcase_add_test(t, an_earlier_value_changes_nothing);
    tcase_add_test(t, what_is_removed_is_gone_and_may_come_back);
    tcase_add_test(t, keys_and_values_may_hold_any_bytes);
    tcase_add_test(t, what_breaks_a_rule_is_refused);
    tcase_add_test(t, a_buffer_too_small_for_one_says_so_and_stays);
    tcase_add_test(t, a_walk_meets_each_entry_once);
    tcase_add_test(t, changes_of_a_batch_happen_in_their_order_with_a_result_each);
    tcase_add_test(t, a_batch_of_nothing_is_fine_and_one_without_results_is_not);
    tcase_add_test(t, a_batch_whose_entries_lie_too_far_apart_is_refused);
    return t;
}
