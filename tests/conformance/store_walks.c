#include "store_parts.h"

#include <stdio.h>
#include <string.h>

static void put_many(int count)
{
    char id[16];

    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "c%d", i);
        put_user(id, i % 3 == 0 ? "" : i % 3 == 1 ? "ann" : "bob");
    }
}

START_TEST(a_walk_shows_every_record_once_whatever_the_page_size)
{
    static char seen[4096];
    char id[16];

    put_many(50);
    walk(NULL, 0, (size_t)_i, seen, sizeof seen);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "c%d", i);
        ck_assert_int_eq(times_in(seen, id), 1);
    }
}
END_TEST

START_TEST(a_walk_of_a_user_shows_that_users_records_only)
{
    static char seen[4096];
    char id[16];

    put_many(50);
    walk("ann", 0, (size_t)_i, seen, sizeof seen);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "c%d", i);
        ck_assert_int_eq(times_in(seen, id), i % 3 == 1);
    }
    walk("nobody", 0, 4, seen, sizeof seen);
    ck_assert_str_eq(seen, "");
}
END_TEST

START_TEST(a_walk_can_leave_out_who_is_not_signed_in)
{
    static char seen[4096];
    char id[16];

    put_many(50);
    walk(NULL, WSRT_EACH_SIGNED_IN | WSRT_EACH_BRIEF, 4, seen, sizeof seen);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "c%d", i);
        ck_assert_int_eq(times_in(seen, id), i % 3 != 0);
    }
}
END_TEST

START_TEST(a_brief_walk_gives_id_user_and_times)
{
    wsrt_record in = connection("c"), out = {0};
    wsrt_cursor c = {0};
    size_t n;

    in.user_id = TEXT("u");
    in.principal = in.source_ip = in.user_agent = in.filters = in.node = TEXT("x");
    in.expires_at = NOW + 5;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(page(NULL, WSRT_EACH_BRIEF, &c, &out, 1, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert(is(out.connection_id, "c") && is(out.user_id, "u"));
    ck_assert_int_eq(out.connected_at, 5000);
    ck_assert_int_eq(out.last_active_at, 6000);
    ck_assert_int_eq(out.expires_at, NOW + 5);
    ck_assert_uint_eq(out.principal.len + out.source_ip.len + out.user_agent.len + out.filters.len +
                          out.node.len,
                      0);
}
END_TEST

START_TEST(the_last_page_says_so_and_nothing_follows)
{
    wsrt_record out[4];
    wsrt_cursor c = {0};
    size_t n;

    put_user("a", "u");
    put_user("b", "u");
    ck_assert_int_eq(page(NULL, 0, &c, out, 1, &n), WSRT_OK);
    ck_assert(n == 1 && !c.at_end);
    ck_assert_int_eq(page(NULL, 0, &c, out, 1, &n), WSRT_OK);
    ck_assert(n == 1 && c.at_end);
    put_user("c", "u");
    ck_assert_int_eq(page(NULL, 0, &c, out, 4, &n), WSRT_OK);
    ck_assert(n == 0 && c.at_end);
}
END_TEST

/* Records come and go between the pages; those that stay are seen exactly once. */
START_TEST(what_stays_through_a_walk_is_seen_exactly_once)
{
    static char seen[8192];
    const char *user = _i == 0 ? NULL : "ann";
    wsrt_cursor c = {0};
    wsrt_record out[3];
    char id[16];
    size_t n, used = 0;

    seen[0] = 0;
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "%s%d", i % 2 == 0 ? "stay" : "leave", i);
        put_user(id, "ann");
    }
    for (int round = 0; !c.at_end; round++) {
        ck_assert_int_eq(page(user, 0, &c, out, 3, &n), WSRT_OK);
        for (size_t i = 0; i < n; i++)
            used += (size_t)snprintf(seen + used, sizeof seen - used, " %.*s",
                                     (int)out[i].connection_id.len, out[i].connection_id.ptr);
        for (int i = 1; i < 60; i += 2) { /* all that leave are gone before the third page */
            snprintf(id, sizeof id, "leave%d", i);
            if (round < 2 && (i / 2) % 2 == round)
                ck_assert_int_eq(remove_id(id, 0), WSRT_OK);
        }
        snprintf(id, sizeof id, "new%d", round);
        if (round < 20)
            put_user(id, "ann");
        snprintf(id, sizeof id, "stay%d", round % 30 * 2);
        put_user(id, "ann"); /* replaced in place */
    }
    for (int i = 0; i < 60; i += 2) {
        snprintf(id, sizeof id, "stay%d", i);
        ck_assert_msg(times_in(seen, id) == 1, "%s in%s", id, seen);
    }
}
END_TEST

START_TEST(a_page_ends_where_the_callers_buffer_does)
{
    wsrt_record out[4] = {{.struct_size = sizeof out[0]}};
    wsrt_cursor c = {0}, before;
    char small[7];
    size_t n;

    put_user("aaa", "");
    put_user("bbb", "");
    put_user("ccc", "");
    ck_assert_int_eq(store.ops->each(store.self, NULL, 0, &c, NOW, out, 4, small, sizeof small, &n),
                     WSRT_OK);
    ck_assert(n == 2 && !c.at_end);
    before = c;
    ck_assert_int_eq(store.ops->each(store.self, NULL, 0, &c, NOW, out, 4, small, 2, &n),
                     WSRT_ERR_LIMIT);
    ck_assert_mem_eq(&c, &before, sizeof c);
    ck_assert_int_eq(store.ops->each(store.self, NULL, 0, &c, NOW, out, 4, small, 3, &n), WSRT_OK);
    ck_assert(n == 1 && c.at_end);
}
END_TEST

START_TEST(elements_lie_as_far_apart_as_the_caller_says)
{
    struct {
        wsrt_record record;
        uint64_t later;
    } out[2] = {{.record.struct_size = sizeof out[0], .later = 7}, {.later = 7}};
    wsrt_cursor c = {0};
    size_t n;

    put_user("aaa", "");
    put_user("bbb", "");
    ck_assert_int_eq(
        store.ops->each(store.self, NULL, 0, &c, NOW, &out[0].record, 2, buffer, sizeof buffer, &n),
        WSRT_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(out[1].record.struct_size, sizeof out[0]);
    ck_assert_uint_eq(out[1].record.connection_id.len, 3);
    ck_assert_uint_eq(out[0].later + out[1].later, 0);
}
END_TEST

START_TEST(a_cursor_of_another_walk_or_store_is_refused)
{
    wsrt_record out[1];
    wsrt_cursor c = {0}, broken;
    wsrt_store other;
    wsrt_history other_history;
    wsrt_span id = TEXT("a");
    size_t n;

    put_user("a", "u");
    put_user("b", "u");
    ck_assert_int_eq(page(NULL, 0, &c, out, 1, &n), WSRT_OK);
    broken = c;
    ck_assert_int_eq(page("u", 0, &broken, out, 1, &n), WSRT_ERR_INVALID);
    broken.length++;
    ck_assert_int_eq(page(NULL, 0, &broken, out, 1, &n), WSRT_ERR_INVALID);
    ck_assert_int_eq(history.ops->list(history.self, &id, &c, NOW, (wsrt_history_entry[1]){{0}}, 1,
                                       buffer, sizeof buffer, &n),
                     WSRT_ERR_INVALID);
    void *second = factory->open(&other, &other_history);
    ck_assert_int_eq(
        other.ops->each(other.self, NULL, 0, &c, NOW, out, 1, buffer, sizeof buffer, &n),
        WSRT_ERR_INVALID);
    factory->close(second);
}
END_TEST

START_TEST(the_walk_of_a_user_follows_signing_in_and_out)
{
    static char seen[256];
    wsrt_span id = TEXT("b"), ann = TEXT("ann"), none = {0};

    put_user("a", "ann");
    put_user("b", "");
    put_user("c", "ann");
    ck_assert_int_eq(store.ops->set_principal(store.self, &id, &ann, &none), WSRT_OK);
    walk("ann", 0, 2, seen, sizeof seen);
    ck_assert(times_in(seen, "a") && times_in(seen, "b") && times_in(seen, "c"));
    put_user("a", "bob");
    ck_assert_int_eq(remove_id("c", 0), WSRT_OK);
    walk("ann", 0, 2, seen, sizeof seen);
    ck_assert_str_eq(seen, " b");
    walk("bob", 0, 2, seen, sizeof seen);
    ck_assert_str_eq(seen, " a");
}
END_TEST

START_TEST(expiring_removes_what_has_expired_up_to_a_limit)
{
    wsrt_record in;
    char id[16];
    size_t removed, sum = 0;

    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof id, "c%d", i);
        in = connection(id);
        in.user_id = TEXT("u");
        in.expires_at = i < 20 ? NOW + 1 + i : 0;
        ck_assert_int_eq(put(&in), WSRT_OK);
    }
    ck_assert_int_eq(store.ops->expire(store.self, NOW, 100, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(store.ops->expire(store.self, NOW + 10, 4, &removed), WSRT_OK);
        ck_assert_uint_le(removed, 4);
        sum += removed;
    }
    ck_assert_uint_eq(sum, 10);
    ck_assert_uint_eq(count_at(NOW), 20); /* the expired are gone, not only invisible */
    ck_assert(!is_there("c0") && !is_there("c9") && is_there("c10") && is_there("c29"));
}
END_TEST

void store_add_walks(TCase *t)
{
    tcase_add_loop_test(t, a_walk_shows_every_record_once_whatever_the_page_size, 1, 8);
    tcase_add_loop_test(t, a_walk_of_a_user_shows_that_users_records_only, 1, 8);
    tcase_add_test(t, a_walk_can_leave_out_who_is_not_signed_in);
    tcase_add_test(t, a_brief_walk_gives_id_user_and_times);
    tcase_add_test(t, the_last_page_says_so_and_nothing_follows);
    tcase_add_loop_test(t, what_stays_through_a_walk_is_seen_exactly_once, 0, 2);
    tcase_add_test(t, a_page_ends_where_the_callers_buffer_does);
    tcase_add_test(t, elements_lie_as_far_apart_as_the_caller_says);
    tcase_add_test(t, a_cursor_of_another_walk_or_store_is_refused);
    tcase_add_test(t, the_walk_of_a_user_follows_signing_in_and_out);
    if (!factory->no_expire)
        tcase_add_test(t, expiring_removes_what_has_expired_up_to_a_limit);
}
