#include "sender_suite.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = 10 };

static const struct sender_factory *made_by;
static wsrt_sender sender;
static void *opened;

static const struct sender_factory *factories[SENDER_FACTORIES];
static size_t factory_count;

static void begin(size_t which)
{
    made_by = factories[which];
    opened = made_by->open(&sender);
}

static void setup_first(void)
{
    begin(0);
}

static void setup_second(void)
{
    begin(1);
}

static void teardown(void)
{
    made_by->close(opened);
}

static wsrt_span id_of(const char *name)
{
    return wsrt_span_cstr(made_by->id_of != NULL ? made_by->id_of(opened, name) : name);
}

static int post(const char *name, const char *text)
{
    wsrt_span to = id_of(name);
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr(text)};

    return sender.ops->post(sender.self, &to, &p);
}

static void expect(const char *name, size_t count, const char *last)
{
    char text[256] = "";

    ck_assert_uint_eq(made_by->received(opened, name, text, sizeof text), count);
    ck_assert_str_eq(text, last);
}

START_TEST(a_post_reaches_its_connection_and_no_other)
{
    ck_assert_int_eq(post("open-3", "{\"n\":1}"), WSRT_OK);
    expect("open-3", 1, "{\"n\":1}");
    expect("open-4", 0, "");
}
END_TEST

START_TEST(posts_to_one_connection_keep_their_order)
{
    char text[16];

    for (int i = 1; i <= 20; i++) {
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(post("open-0", text), WSRT_OK);
        expect("open-0", (size_t)i, text);
    }
}
END_TEST

START_TEST(a_connection_that_is_not_open_is_gone)
{
    ck_assert_int_eq(post("closed", "x"), WSRT_ERR_GONE);
    expect("closed", 0, "");
}
END_TEST

START_TEST(what_is_no_connection_id_is_invalid)
{
    static const char *const rows[] = {"", "a b", "a.b", "a\"b", "gr\xc3\xbc\xc3\x9f", "a%3D"};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(post(rows[i], "x") == WSRT_ERR_INVALID, "%s", rows[i]);
}
END_TEST

START_TEST(a_post_with_unknown_flags_is_invalid)
{
    wsrt_span to = id_of("open-0");
    wsrt_post p = {.struct_size = sizeof p, .flags = 1u << 20, .data = wsrt_span_cstr("x")};

    ck_assert_int_eq(sender.ops->post(sender.self, &to, &p), WSRT_ERR_INVALID);
    expect("open-0", 0, "");
}
END_TEST

START_TEST(an_empty_message_and_a_binary_one_are_messages)
{
    wsrt_span to = id_of("open-0");
    wsrt_post p = {.struct_size = sizeof p, .flags = WSRT_POST_BINARY, .data = {"\xff\xfe", 2}};

    ck_assert_int_eq(sender.ops->post(sender.self, &to, &p), WSRT_OK);
    expect("open-0", 1, "\xff\xfe");
    ck_assert_int_eq(post("open-0", ""), WSRT_OK);
    expect("open-0", 2, "");
}
END_TEST

START_TEST(each_of_many_has_its_own_result)
{
    char names[OPEN + 1][16];
    wsrt_span ids[OPEN + 1];
    int results[OPEN + 1];
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("all")};

    if (sender.ops->post_many == NULL)
        return;
    for (int i = 0; i <= OPEN; i++) {
        snprintf(names[i], sizeof names[i], i == 5 ? "closed" : "open-%d", i < 5 ? i : i - 1);
        ids[i] = id_of(names[i]);
        results[i] = 77;
    }
    ck_assert_int_eq(sender.ops->post_many(sender.self, ids, OPEN + 1, &p, results), WSRT_OK);
    for (int i = 0; i <= OPEN; i++) {
        ck_assert_int_eq(results[i], i == 5 ? WSRT_ERR_GONE : WSRT_OK);
        expect(names[i], i != 5, i == 5 ? "" : "all");
    }
    ck_assert_int_eq(sender.ops->post_many(sender.self, ids, 0, &p, results), WSRT_OK);
}
END_TEST

START_TEST(an_open_connection_can_be_described)
{
    wsrt_connection_info info = {.struct_size = sizeof info};
    wsrt_span open = id_of("open-1"), closed = id_of("closed");

    if (sender.ops->get == NULL)
        return;
    ck_assert_int_eq(sender.ops->get(sender.self, &open, &info), WSRT_OK);
    ck_assert_uint_eq(info.struct_size, sizeof info);
    ck_assert_int_eq(sender.ops->get(sender.self, &closed, &info), WSRT_ERR_GONE);
}
END_TEST

START_TEST(a_disconnected_connection_is_gone)
{
    wsrt_span open = id_of("open-2"), closed = id_of("closed"), none = {NULL, 0};

    if (sender.ops->disconnect == NULL)
        return;
    ck_assert_int_eq(sender.ops->disconnect(sender.self, &closed, 1000, &none), WSRT_ERR_GONE);
    ck_assert_int_eq(sender.ops->disconnect(sender.self, &open, 1000, &none), WSRT_OK);
    while (made_by->closes_later && post("open-2", "x") == WSRT_OK)
        sched_yield(); /* the case's time limit ends it */
    ck_assert_int_eq(post("open-2", "x"), WSRT_ERR_GONE);
}
END_TEST

TCase *sender_suite(const struct sender_factory *factory)
{
    TCase *t = tcase_create("sender");

    if (factory_count == SENDER_FACTORIES)
        abort();
    factories[factory_count++] = factory;
    tcase_add_checked_fixture(t, factory_count == 1 ? setup_first : setup_second, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_post_reaches_its_connection_and_no_other);
    tcase_add_test(t, posts_to_one_connection_keep_their_order);
    tcase_add_test(t, a_connection_that_is_not_open_is_gone);
    tcase_add_test(t, what_is_no_connection_id_is_invalid);
    tcase_add_test(t, a_post_with_unknown_flags_is_invalid);
    tcase_add_test(t, an_empty_message_and_a_binary_one_are_messages);
    tcase_add_test(t, each_of_many_has_its_own_result);
    tcase_add_test(t, an_open_connection_can_be_described);
    tcase_add_test(t, a_disconnected_connection_is_gone);
    return t;
}
