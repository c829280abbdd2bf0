#include "store_parts.h"

#include <stdio.h>
#include <string.h>

static wsrt_history_entry message(const char *session, const char *id, int64_t timestamp)
{
    return (wsrt_history_entry){.struct_size = sizeof(wsrt_history_entry),
                                .author = WSRT_AUTHOR_USER,
                                .message_id = wsrt_span_cstr(id),
                                .session_id = wsrt_span_cstr(session),
                                .content = wsrt_span_cstr(id),
                                .timestamp = timestamp};
}

static void append(const char *session, const char *id, int64_t timestamp)
{
    wsrt_history_entry e = message(session, id, timestamp);

    ck_assert_int_eq(history.ops->append(history.self, &e), WSRT_OK);
}

static int list_page(const char *session, wsrt_cursor *c, wsrt_history_entry *out, size_t max,
                     size_t *n)
{
    wsrt_span span = wsrt_span_cstr(session);

    out->struct_size = sizeof *out;
    return history.ops->list(history.self, &span, c, NOW, out, max, buffer, sizeof buffer, n);
}

static void list_all(const char *session, size_t max, char *seen, size_t room)
{
    wsrt_cursor c = {0};
    wsrt_history_entry out[16];
    size_t n, used = 0;

    seen[0] = 0;
    while (!c.at_end) {
        ck_assert_int_eq(list_page(session, &c, out, max, &n), WSRT_OK);
        ck_assert(n > 0 || c.at_end);
        for (size_t i = 0; i < n; i++)
            used += (size_t)snprintf(seen + used, room - used, " %.*s", (int)out[i].message_id.len,
                                     out[i].message_id.ptr);
    }
}

START_TEST(a_message_is_listed_with_every_field)
{
    wsrt_history_entry in = message("s", "m", 77), out = {0};
    wsrt_cursor c = {0};
    size_t n;

    in.author = WSRT_AUTHOR_BOT;
    in.connection_id = TEXT("c");
    in.user_id = TEXT("u");
    in.content = TEXT("hello");
    in.expires_at = NOW + 9;
    ck_assert_int_eq(history.ops->append(history.self, &in), WSRT_OK);
    ck_assert_int_eq(list_page("s", &c, &out, 1, &n), WSRT_OK);
    ck_assert(n == 1 && c.at_end);
    ck_assert(is(out.session_id, "s") && is(out.message_id, "m") && is(out.connection_id, "c"));
    ck_assert(is(out.user_id, "u") && is(out.content, "hello"));
    ck_assert_int_eq(out.author, WSRT_AUTHOR_BOT);
    ck_assert_int_eq(out.timestamp, 77);
    ck_assert_int_eq(out.expires_at, NOW + 9);
}
END_TEST

START_TEST(a_session_is_listed_newest_first_whatever_the_order_of_arrival)
{
    static char seen[256];

    append("s", "m3", 30);
    append("s", "m1", 10);
    append("t", "x", 15);
    append("s", "m5", 50);
    append("s", "m2", 20);
    append("s", "m4b", 40);
    append("s", "m4", 40);
    append("s", "a4z", 40);
    list_all("s", (size_t)_i, seen, sizeof seen);
    ck_assert_str_eq(seen, " m5 m4b m4 a4z m3 m2 m1");
    list_all("t", (size_t)_i, seen, sizeof seen);
    ck_assert_str_eq(seen, " x");
    list_all("nothing", (size_t)_i, seen, sizeof seen);
    ck_assert_str_eq(seen, "");
}
END_TEST

START_TEST(appending_twice_changes_nothing)
{
    static char seen[256];
    wsrt_history_entry again = message("s", "m", 99), out[4];
    wsrt_cursor c = {0};
    size_t n;

    append("s", "m", 10);
    again.content = TEXT("another");
    again.timestamp = factory->needs_timestamp ? 10 : 99;
    ck_assert_int_eq(history.ops->append(history.self, &again), WSRT_OK);
    append("t", "m", 10); /* unique within a session only */
    ck_assert_int_eq(list_page("s", &c, out, 4, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert(is(out[0].content, "m"));
    list_all("t", 4, seen, sizeof seen);
    ck_assert_str_eq(seen, " m");
}
END_TEST

START_TEST(a_listing_goes_on_below_new_messages)
{
    wsrt_history_entry out[2];
    wsrt_cursor c = {0};
    size_t n;

    append("s", "m1", 10);
    append("s", "m2", 20);
    append("s", "m3", 30);
    ck_assert_int_eq(list_page("s", &c, out, 2, &n), WSRT_OK);
    ck_assert(n == 2 && !c.at_end && is(out[1].message_id, "m2"));
    append("s", "m4", 40);
    append("s", "a4z", 40);
    ck_assert_int_eq(list_page("s", &c, out, 2, &n), WSRT_OK);
    ck_assert(n == 1 && c.at_end && is(out[0].message_id, "m1"));
}
END_TEST

START_TEST(a_listing_goes_on_where_its_message_has_expired)
{
    static char seen[64];
    wsrt_history_entry e = message("s", "m2", 20), out[1];
    wsrt_cursor c = {0};
    wsrt_span s = TEXT("s");
    size_t n, removed;

    append("s", "m1", 10);
    e.expires_at = NOW + 1;
    ck_assert_int_eq(history.ops->append(history.self, &e), WSRT_OK);
    append("s", "m3", 30);
    ck_assert_int_eq(list_page("s", &c, out, 1, &n), WSRT_OK);
    out->struct_size = sizeof *out;
    wsrt_cursor copy = c;
    ck_assert_int_eq(
        history.ops->list(history.self, &s, &copy, NOW + 1, out, 1, buffer, sizeof buffer, &n),
        WSRT_OK);
    ck_assert(n == 1 && is(out[0].message_id, "m1"));
    if (factory->no_expire)
        return; /* only time can take it away */
    ck_assert_int_eq(history.ops->expire(history.self, NOW + 1, 9, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 1);
    ck_assert_int_eq(list_page("s", &c, out, 1, &n), WSRT_OK);
    ck_assert(n == 1 && is(out[0].message_id, "m1"));
    list_all("s", 4, seen, sizeof seen);
    ck_assert_str_eq(seen, " m3 m1");
}
END_TEST

START_TEST(a_message_that_breaks_a_rule_is_refused)
{
    static char big[65537];
    wsrt_history_entry good = message("s", "m", 1), bad[8];

    memset(big, 'x', sizeof big);
    good.content = (wsrt_span){big, 65536};
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].content.len++;
    bad[1].session_id = (wsrt_span){big, 129};
    bad[2].message_id = (wsrt_span){big, 129};
    bad[3].connection_id = (wsrt_span){big, 129};
    bad[4].user_id = (wsrt_span){big, 256};
    bad[5].author = 3;
    bad[6].message_id.len = 0;
    bad[7].session_id.len = 0;
    for (int i = 0; i < 8; i++)
        ck_assert_msg(history.ops->append(history.self, &bad[i]) == WSRT_ERR_INVALID, "%d", i);
    ck_assert_int_eq(history.ops->append(history.self, &good), WSRT_OK);
}
END_TEST

void store_add_history(TCase *t)
{
    tcase_add_test(t, a_message_is_listed_with_every_field);
    tcase_add_loop_test(t, a_session_is_listed_newest_first_whatever_the_order_of_arrival, 1, 8);
    tcase_add_test(t, appending_twice_changes_nothing);
    tcase_add_test(t, a_listing_goes_on_below_new_messages);
    tcase_add_test(t, a_listing_goes_on_where_its_message_has_expired);
    tcase_add_test(t, a_message_that_breaks_a_rule_is_refused);
}
