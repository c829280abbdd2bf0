#include "suite.h"

#include "sender/retry.h"
#include "sender/sender.h"

#include <string.h>

START_TEST(a_connection_id_is_made_of_64_characters_and_equals)
{
    const char *good = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+/-";

    for (int c = 0; c < 256; c++) {
        char id[3] = {'a', (char)c, 'z'};
        int wanted = c != 0 && strchr(good, c) != NULL;
        ck_assert_msg(wsrt_connection_id_valid((wsrt_span){id, 3}) == wanted, "byte %d", c);
    }
}
END_TEST

START_TEST(a_connection_id_has_1_to_128_bytes)
{
    char id[129];

    memset(id, 'x', sizeof id);
    for (size_t len = 0; len <= sizeof id; len++)
        ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){id, len}), len >= 1 && len <= 128);
    ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){NULL, 0}), 0);
}
END_TEST

START_TEST(every_byte_of_a_connection_id_counts)
{
    char id[128];

    memset(id, 'x', sizeof id);
    for (size_t i = 0; i < sizeof id; i++) {
        id[i] = '.';
        ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){id, sizeof id}), 0);
        id[i] = 'x';
    }
    ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){id, sizeof id}), 1);
}
END_TEST

/* ---- what the rooms above ask of a sender ---- */

static int posts, waits, answer, waiting;

static int post_one(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self;
    (void)id;
    (void)post;
    posts++;
    return answer;
}

static int post_all(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post, int *results)
{
    (void)self;
    (void)ids;
    (void)post;
    for (size_t i = 0; i < n; i++)
        results[i] = (int)i;
    return answer;
}

static int wait_until(void *self, int64_t until)
{
    (void)self;
    ck_assert_int_gt(until, 0);
    waits++;
    return waiting;
}

static int64_t stand_still(void *user)
{
    (void)user;
    return 0;
}

static int draw_nothing(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 0, len);
    return WSRT_OK;
}

static const wsrt_env env = {.struct_size = sizeof env, .now = stand_still, .random = draw_nothing};

START_TEST(a_sender_needs_a_table_that_posts)
{
    wsrt_sender_ops ops = {.struct_size = sizeof ops, .post = post_one};
    wsrt_sender s = {&ops, NULL};

    ck_assert_int_eq(wsrt_sender_valid(&s), 1);
    ops.post = NULL;
    ck_assert_int_eq(wsrt_sender_valid(&s), 0);
    ops.post = post_one;
    ops.struct_size = 8;
    ck_assert_int_eq(wsrt_sender_valid(&s), 0);
    s.ops = NULL;
    ck_assert_int_eq(wsrt_sender_valid(&s), 0);
}
END_TEST

START_TEST(of_many_each_has_a_result_also_when_the_call_as_a_whole_failed)
{
    wsrt_sender_ops ops = {.struct_size = sizeof ops, .post = post_one, .post_many = post_all};
    const wsrt_sender s = {&ops, NULL};
    const wsrt_span ids[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
    const wsrt_post post = {.struct_size = sizeof post};
    int results[3];

    answer = WSRT_OK;
    wsrt_sender_post_many(&s, ids, 3, &post, results);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(results[i], i);
    answer = WSRT_ERR_UNAVAILABLE;
    wsrt_sender_post_many(&s, ids, 3, &post, results);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(results[i], WSRT_ERR_UNAVAILABLE);
    ops.post_many = NULL;
    answer = WSRT_ERR_GONE;
    posts = 0;
    wsrt_sender_post_many(&s, ids, 3, &post, results);
    ck_assert_int_eq(posts, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(results[i], WSRT_ERR_GONE);
}
END_TEST

START_TEST(where_doors_open_late_who_connected_within_half_a_minute_may_be_arriving)
{
    enum { WALL = 1000000 };
    static const struct {
        int64_t since;
        int expected;
    } rows[] = {{-30000, 0}, {-29999, 1}, {0, 1}, {29999, 1}, {30000, 0}}; /* clocks differ */
    wsrt_sender_ops ops = {
        .struct_size = sizeof ops, .post = post_one, .flags = WSRT_SENDER_OPENS_LATE};
    const wsrt_sender s = {&ops, NULL};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_int_eq(wsrt_sender_may_be_opening(&s, WALL + rows[i].since, WALL),
                         rows[i].expected);
    ops.flags = 0;
    ck_assert_int_eq(wsrt_sender_may_be_opening(&s, WALL, WALL), 0);
}
END_TEST

START_TEST(a_clock_that_stands_still_is_asked_sixteen_times_and_no_more)
{
    const wsrt_sender_ops ops = {.struct_size = sizeof ops, .post = post_one, .wait = wait_until};
    const wsrt_sender s = {&ops, NULL};
    const wsrt_span id = {"a", 1};
    const wsrt_post post = {.struct_size = sizeof post};

    answer = WSRT_ERR_THROTTLED;
    waiting = WSRT_OK;
    posts = waits = 0;
    ck_assert_int_eq(wsrt_retry_post(&s, &env, &id, &post), WSRT_ERR_THROTTLED);
    ck_assert_int_eq(waits, 16);
    ck_assert_int_eq(posts, 17);
}
END_TEST

START_TEST(who_may_not_wait_asks_once)
{
    wsrt_sender_ops ops = {.struct_size = sizeof ops, .post = post_one, .wait = wait_until};
    const wsrt_sender s = {&ops, NULL};
    const wsrt_span id = {"a", 1};
    const wsrt_post post = {.struct_size = sizeof post};

    answer = WSRT_ERR_THROTTLED;
    waiting = WSRT_ERR_STATE;
    posts = waits = 0;
    ck_assert_int_eq(wsrt_retry_post(&s, &env, &id, &post), WSRT_ERR_THROTTLED);
    ck_assert_int_eq(waits, 1);
    ops.wait = NULL;
    ck_assert_int_eq(wsrt_retry_post(&s, &env, &id, &post), WSRT_ERR_THROTTLED);
    ck_assert_int_eq(posts, 2);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sender");
    TCase *t = tcase_create("sender");

    tcase_add_test(t, a_connection_id_is_made_of_64_characters_and_equals);
    tcase_add_test(t, a_connection_id_has_1_to_128_bytes);
    tcase_add_test(t, every_byte_of_a_connection_id_counts);
    tcase_add_test(t, a_sender_needs_a_table_that_posts);
    tcase_add_test(t, of_many_each_has_a_result_also_when_the_call_as_a_whole_failed);
    tcase_add_test(t, where_doors_open_late_who_connected_within_half_a_minute_may_be_arriving);
    tcase_add_test(t, a_clock_that_stands_still_is_asked_sixteen_times_and_no_more);
    tcase_add_test(t, who_may_not_wait_asks_once);
    suite_add_tcase(s, t);
    return s;
}
