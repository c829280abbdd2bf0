#include "store_suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 131072, NOW = 1000 };

#define TEXT(s) ((wsrt_span){(s), sizeof(s) - 1})

static const struct store_factory *factory;
static void *opened;
static wsrt_store store;
static wsrt_history history;
static char buffer[BUFFER];

static void open_store(void)
{
    opened = factory->open(&store, &history);
}

static void close_store(void)
{
    factory->close(opened);
}

/* ---- words -------------------------------------------------------------------------------- */

static wsrt_record connection(const char *id)
{
    return (wsrt_record){.struct_size = sizeof(wsrt_record),
                         .connection_id = wsrt_span_cstr(id),
                         .connected_at = 5000,
                         .last_active_at = 6000};
}

static int put(const wsrt_record *r)
{
    return store.ops->put(store.self, r, 0, NOW);
}

static void put_user(const char *id, const char *user)
{
    wsrt_record r = connection(id);

    r.user_id = wsrt_span_cstr(user);
    ck_assert_int_eq(put(&r), WSRT_OK);
}

static int get_at(const char *id, int64_t now_s, wsrt_record *out)
{
    wsrt_span span = wsrt_span_cstr(id);

    *out = (wsrt_record){.struct_size = sizeof *out};
    return store.ops->get(store.self, &span, now_s, out, buffer, sizeof buffer);
}

static int is_there(const char *id)
{
    wsrt_record r;
    int rc = get_at(id, NOW, &r);

    ck_assert(rc == WSRT_OK || rc == WSRT_ERR_NOT_FOUND);
    return rc == WSRT_OK;
}

static int remove_id(const char *id, int64_t if_connected_at)
{
    wsrt_span span = wsrt_span_cstr(id);

    return store.ops->remove(store.self, &span, if_connected_at);
}

static int is(wsrt_span text, const char *wanted)
{
    return wsrt_span_equal(text, wsrt_span_cstr(wanted));
}

static uint64_t count_at(int64_t now_s)
{
    uint64_t n = 0;

    ck_assert_int_eq(store.ops->count(store.self, now_s, &n), WSRT_OK);
    return n;
}

static int page(const char *user, uint32_t flags, wsrt_cursor *c, wsrt_record *out, size_t max,
                size_t *n)
{
    wsrt_span span = wsrt_span_cstr(user);

    out->struct_size = sizeof *out;
    return store.ops->each(store.self, user == NULL ? NULL : &span, flags, c, NOW, out, max, buffer,
                           sizeof buffer, n);
}

/* Walks to the end in pages of `max`; ids seen are joined as " a b c". */
static void walk(const char *user, uint32_t flags, size_t max, char *seen, size_t room)
{
    wsrt_cursor c = {0};
    wsrt_record out[16];
    size_t n = 1, used = 0;

    seen[0] = 0;
    while (!c.at_end) {
        ck_assert_int_eq(page(user, flags, &c, out, max, &n), WSRT_OK);
        ck_assert(n > 0 || c.at_end);
        for (size_t i = 0; i < n; i++)
            used += (size_t)snprintf(seen + used, room - used, " %.*s",
                                     (int)out[i].connection_id.len, out[i].connection_id.ptr);
    }
}

static int times_in(const char *seen, const char *id)
{
    char word[64];
    int times = 0;
    size_t len = (size_t)snprintf(word, sizeof word, " %s", id);

    for (const char *p = seen; (p = strstr(p, word)) != NULL; p += len)
        times += p[len] == ' ' || p[len] == 0;
    return times;
}

/* ---- single records ----------------------------------------------------------------------- */

START_TEST(what_was_put_is_found_with_every_field)
{
    wsrt_record in = connection("Abc-1=/+_"), out;

    in.user_id = TEXT("user");
    in.principal = TEXT("{\"sub\":1}");
    in.source_ip = TEXT("192.0.2.1");
    in.user_agent = TEXT("agent/1.0");
    in.filters = TEXT("filters\0with a zero");
    in.node = TEXT("node-1");
    in.epoch = 1;
    in.expires_at = NOW + 10;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(get_at("Abc-1=/+_", NOW, &out), WSRT_OK);
    ck_assert(is(out.connection_id, "Abc-1=/+_") && is(out.user_id, "user"));
    ck_assert(wsrt_span_equal(out.principal, in.principal) && is(out.source_ip, "192.0.2.1"));
    ck_assert(is(out.user_agent, "agent/1.0") && is(out.node, "node-1"));
    ck_assert(wsrt_span_equal(out.filters, in.filters));
    ck_assert_int_eq(out.epoch, 1);
    ck_assert_int_eq(out.connected_at, 5000);
    ck_assert_int_eq(out.last_active_at, 6000);
    ck_assert_int_eq(out.expires_at, NOW + 10);
}
END_TEST

START_TEST(an_absent_record_is_not_found)
{
    wsrt_record out;

    ck_assert_int_eq(get_at("nobody", NOW, &out), WSRT_ERR_NOT_FOUND);
    put_user("somebody", "u");
    ck_assert_int_eq(get_at("nobody", NOW, &out), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(get_at("somebod", NOW, &out), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(putting_again_replaces_everything)
{
    wsrt_record in = connection("c"), out;

    in.user_id = TEXT("before");
    in.filters = TEXT("filters");
    ck_assert_int_eq(put(&in), WSRT_OK);
    in = connection("c");
    in.connected_at = 7000;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_uint_eq(out.user_id.len + out.filters.len, 0);
    ck_assert_int_eq(out.connected_at, 7000);
    ck_assert_uint_eq(count_at(NOW), 1);
}
END_TEST

START_TEST(if_absent_leaves_a_live_record_alone_and_replaces_an_expired_one)
{
    wsrt_record in = connection("c"), out;

    in.expires_at = NOW + 1;
    ck_assert_int_eq(store.ops->put(store.self, &in, 1, NOW), WSRT_OK);
    in.connected_at = 9000;
    ck_assert_int_eq(store.ops->put(store.self, &in, 1, NOW), WSRT_ERR_EXISTS);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_int_eq(out.connected_at, 5000);
    in.expires_at = 0;
    ck_assert_int_eq(store.ops->put(store.self, &in, 1, NOW + 1), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW + 1, &out), WSRT_OK);
    ck_assert_int_eq(out.connected_at, 9000);
}
END_TEST

START_TEST(removing_is_fine_twice)
{
    put_user("a", "u");
    put_user("b", "u");
    ck_assert_int_eq(remove_id("a", 0), WSRT_OK);
    ck_assert_int_eq(remove_id("a", 0), WSRT_OK);
    ck_assert(!is_there("a") && is_there("b"));
}
END_TEST

START_TEST(a_conditional_remove_spares_the_record_that_took_over_the_id)
{
    wsrt_record in = connection("c");

    ck_assert_int_eq(put(&in), WSRT_OK);
    in.connected_at = 5001;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(remove_id("c", 5000), WSRT_OK);
    ck_assert(is_there("c"));
    ck_assert_int_eq(remove_id("c", 5001), WSRT_OK);
    ck_assert(!is_there("c"));
}
END_TEST

START_TEST(touching_moves_the_times)
{
    wsrt_record in = connection("c"), out;
    wsrt_span id = TEXT("c");

    in.expires_at = NOW + 10;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(store.ops->touch(store.self, &id, NOW * 1000 + 1, NOW + 50), WSRT_OK);
    if (store.ops->flush != NULL)
        ck_assert_int_eq(store.ops->flush(store.self), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW + 49, &out), WSRT_OK);
    ck_assert_int_eq(out.last_active_at, NOW * 1000 + 1);
    ck_assert_int_eq(out.expires_at, NOW + 50);
    ck_assert_int_eq(out.connected_at, 5000);
}
END_TEST

START_TEST(touching_never_brings_a_record_back)
{
    wsrt_record in = connection("late");
    wsrt_span gone = TEXT("gone"), late = TEXT("late");

    ck_assert_int_eq(store.ops->touch(store.self, &gone, 1, NOW + 9), WSRT_ERR_NOT_FOUND);
    ck_assert(!is_there("gone"));
    put_user("gone", "u");
    ck_assert_int_eq(remove_id("gone", 0), WSRT_OK);
    ck_assert_int_eq(store.ops->touch(store.self, &gone, 1, NOW + 9), WSRT_ERR_NOT_FOUND);
    in.expires_at = NOW;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(store.ops->touch(store.self, &late, NOW * 1000, NOW + 9), WSRT_ERR_NOT_FOUND);
    ck_assert(!is_there("late") && !is_there("gone"));
}
END_TEST

START_TEST(a_record_expires_in_its_second_and_is_gone_for_everyone)
{
    wsrt_record in = connection("c"), out, one;
    wsrt_cursor c = {0};
    size_t n = 9;

    in.user_id = TEXT("u");
    in.expires_at = NOW + 1;
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_uint_eq(count_at(NOW), 1);
    ck_assert_int_eq(get_at("c", NOW + 1, &out), WSRT_ERR_NOT_FOUND);
    ck_assert_uint_eq(count_at(NOW + 1), 0);
    one.struct_size = sizeof one;
    ck_assert_int_eq(
        store.ops->each(store.self, NULL, 0, &c, NOW + 1, &one, 1, buffer, sizeof buffer, &n),
        WSRT_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(c.at_end, 1);
}
END_TEST

START_TEST(a_record_without_expiry_stays)
{
    wsrt_record out;

    put_user("c", "u");
    ck_assert_int_eq(get_at("c", INT64_MAX, &out), WSRT_OK);
    ck_assert_uint_eq(count_at(INT64_MAX), 1);
}
END_TEST

START_TEST(signing_in_changes_user_and_principal_only)
{
    wsrt_record in = connection("c"), out;
    wsrt_span id = TEXT("c"), user = TEXT("ada"), principal = TEXT("p"), none = {0};

    in.filters = TEXT("f");
    in.source_ip = TEXT("192.0.2.1");
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(store.ops->set_principal(store.self, &id, &user, &principal), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert(is(out.user_id, "ada") && is(out.principal, "p") && is(out.filters, "f"));
    ck_assert(is(out.source_ip, "192.0.2.1"));
    ck_assert_int_eq(out.connected_at, 5000);
    ck_assert_int_eq(store.ops->set_principal(store.self, &id, &none, &none), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_uint_eq(out.user_id.len + out.principal.len, 0);
    ck_assert_int_eq(store.ops->set_principal(store.self, &user, &user, &none), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(filters_can_be_set_and_cleared)
{
    wsrt_record out;
    wsrt_span id = TEXT("c"), other = TEXT("other"), filters = TEXT("some"), none = {0};

    put_user("c", "u");
    ck_assert_int_eq(store.ops->set_filters(store.self, &id, &filters), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert(is(out.filters, "some") && is(out.user_id, "u"));
    ck_assert_int_eq(store.ops->set_filters(store.self, &id, &none), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_uint_eq(out.filters.len, 0);
    ck_assert_int_eq(store.ops->set_filters(store.self, &other, &filters), WSRT_ERR_NOT_FOUND);
}
END_TEST

static const struct {
    const char *field;
    size_t offset, most;
} limits[] = {
    {"connection_id", offsetof(wsrt_record, connection_id), 128},
    {"user_id", offsetof(wsrt_record, user_id), 255},
    {"principal", offsetof(wsrt_record, principal), 2048},
    {"source_ip", offsetof(wsrt_record, source_ip), 63},
    {"filters", offsetof(wsrt_record, filters), 8192},
    {"node", offsetof(wsrt_record, node), 63},
};

START_TEST(a_field_takes_its_longest_text_and_not_one_byte_more)
{
    static char big[8193];
    wsrt_record in = connection("c");
    wsrt_span text = {big, limits[_i].most};

    memset(big, 'x', sizeof big);
    memcpy((char *)&in + limits[_i].offset, &text, sizeof text);
    ck_assert_msg(put(&in) == WSRT_OK, "%s", limits[_i].field);
    ck_assert_uint_eq(count_at(NOW), 1);
    text.len++;
    memcpy((char *)&in + limits[_i].offset, &text, sizeof text);
    in.connected_at = 9;
    ck_assert_msg(put(&in) == WSRT_ERR_INVALID, "%s", limits[_i].field);
    ck_assert_uint_eq(count_at(NOW), 1);
}
END_TEST

START_TEST(a_record_with_all_text_at_its_longest_fits_in_16_kib)
{
    static char big[8192];
    char id[128];
    wsrt_record in = connection("c"), out = {.struct_size = sizeof out};
    wsrt_span span = {id, sizeof id};

    memset(big, 'x', sizeof big);
    memset(id, 'i', sizeof id);
    in.connection_id = span;
    in.user_id = in.user_agent = (wsrt_span){big, 255};
    in.principal = (wsrt_span){big, 2048};
    in.source_ip = in.node = (wsrt_span){big, 63};
    in.filters = (wsrt_span){big, 8192};
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(store.ops->get(store.self, &span, NOW, &out, buffer, 16384), WSRT_OK);
    ck_assert_uint_eq(out.filters.len, 8192);
    ck_assert_int_eq(store.ops->get(store.self, &span, NOW, &out, buffer, 11003), WSRT_ERR_LIMIT);
    ck_assert_int_eq(store.ops->get(store.self, &span, NOW, &out, buffer, 11004), WSRT_OK);
}
END_TEST

START_TEST(a_long_user_agent_is_cut_between_characters)
{
    char agent[300];
    wsrt_record in = connection("c"), out;

    memset(agent, 'x', sizeof agent);
    in.user_agent = (wsrt_span){agent, sizeof agent};
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_uint_eq(out.user_agent.len, 255);
    memcpy(agent + 253, "\xe2\x82\xac", 3);
    ck_assert_int_eq(put(&in), WSRT_OK);
    ck_assert_int_eq(get_at("c", NOW, &out), WSRT_OK);
    ck_assert_uint_eq(out.user_agent.len, 253);
}
END_TEST

START_TEST(a_table_lacks_what_its_store_cannot_do_and_nothing_else)
{
    ck_assert(store.ops->put != NULL && store.ops->get != NULL && store.ops->remove != NULL);
    ck_assert(store.ops->each != NULL && store.ops->touch != NULL && store.ops->count != NULL);
    ck_assert(store.ops->set_principal != NULL && store.ops->set_filters != NULL);
    ck_assert(history.ops->append != NULL && history.ops->list != NULL);
    ck_assert_int_eq(store.ops->expire == NULL, factory->no_expire);
    ck_assert_int_eq(history.ops->expire == NULL, factory->no_expire);
}
END_TEST

START_TEST(usage_errors_are_told)
{
    wsrt_record in = connection("no spaces"), out = {.struct_size = 8};
    wsrt_span bad = TEXT("no spaces"), good = TEXT("c"), empty = {0};
    wsrt_cursor c = {0};
    size_t n;

    ck_assert_int_eq(put(&in), WSRT_ERR_INVALID);
    ck_assert_int_eq(put(NULL), WSRT_ERR_INVALID);
    in = connection("c");
    in.flags = 1;
    ck_assert_int_eq(put(&in), WSRT_ERR_UNSUPPORTED);
    in = connection("c");
    in.struct_size = 8;
    ck_assert_int_eq(put(&in), WSRT_ERR_INVALID);
    put_user("c", "u");
    ck_assert_int_eq(store.ops->get(store.self, &good, NOW, &out, buffer, 99), WSRT_ERR_INVALID);
    out.struct_size = sizeof out;
    ck_assert_int_eq(store.ops->get(store.self, &bad, NOW, &out, buffer, 99), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->get(store.self, &good, NOW, &out, buffer, 1), WSRT_ERR_LIMIT);
    ck_assert_int_eq(store.ops->remove(store.self, &bad, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->touch(store.self, &bad, 0, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->set_filters(store.self, &bad, &empty), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->set_principal(store.self, &bad, &good, &empty), WSRT_ERR_INVALID);
    ck_assert_int_eq(page(NULL, 4, &c, &out, 1, &n), WSRT_ERR_INVALID);
    ck_assert_int_eq(page(NULL, 0, &c, &out, 0, &n), WSRT_ERR_INVALID);
    ck_assert_int_eq(page(NULL, 0, NULL, &out, 1, &n), WSRT_ERR_INVALID);
}
END_TEST

/* ---- walks -------------------------------------------------------------------------------- */

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

/* ---- history ------------------------------------------------------------------------------ */

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

/* ---- a model ------------------------------------------------------------------------------ */

enum { IDS = 200, USERS = 5 };

/* The plainest store there is. */
struct model {
    int there;
    int user; /* 0 = none */
    int64_t connected_at, last_active_at, expires_at;
    int filters;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static const char *const user_names[USERS] = {"", "ann", "bob", "cid", "dan"};
static const char *const filter_texts[3] = {"", "short", "a longer text of subscriptions"};

static wsrt_record record_of(const struct model *m, const char *id)
{
    wsrt_record r = connection(id);

    r.user_id = wsrt_span_cstr(user_names[m->user]);
    r.filters = wsrt_span_cstr(filter_texts[m->filters]);
    r.connected_at = m->connected_at;
    r.last_active_at = m->last_active_at;
    r.expires_at = m->expires_at;
    return r;
}

static int lives(const struct model *m, int64_t now)
{
    return m->there && (m->expires_at == 0 || m->expires_at > now);
}

static void check_one(const struct model *m, const char *id, int64_t now, int step)
{
    wsrt_record out;
    int rc = get_at(id, now, &out);

    ck_assert_msg(rc == (lives(m, now) ? WSRT_OK : WSRT_ERR_NOT_FOUND), "step %d: get %d", step,
                  rc);
    if (rc == WSRT_OK)
        ck_assert_msg(
            is(out.user_id, user_names[m->user]) && is(out.filters, filter_texts[m->filters]) &&
                out.connected_at == m->connected_at && out.last_active_at == m->last_active_at &&
                out.expires_at == m->expires_at,
            "step %d: fields", step);
}

static void check_walk(const struct model *models, int user, int64_t now, int step)
{
    wsrt_span name = wsrt_span_cstr(user_names[user]);
    wsrt_cursor c = {0};
    static wsrt_record out[64];
    int wanted = 0, seen = 0;
    size_t n;

    for (int i = 0; i < IDS; i++)
        wanted += lives(&models[i], now) && (user == 0 || models[i].user == user);
    while (!c.at_end) {
        out[0].struct_size = sizeof out[0];
        ck_assert_int_eq(store.ops->each(store.self, user == 0 ? NULL : &name, 0, &c, now, out, 64,
                                         buffer, sizeof buffer, &n),
                         WSRT_OK);
        seen += (int)n;
        for (size_t i = 0; i < n && user != 0; i++)
            ck_assert(wsrt_span_equal(out[i].user_id, name));
    }
    ck_assert_msg(seen == wanted, "step %d: walk of %d shows %d, not %d", step, user, seen, wanted);
    if (user == 0)
        ck_assert_uint_eq(count_at(now), (uint64_t)wanted);
}

static void expire_both(struct model *models, int64_t now, int step)
{
    size_t removed = 0;
    int wanted = 0;

    for (int i = 0; i < IDS; i++) {
        wanted += models[i].there && !lives(&models[i], now);
        models[i].there = lives(&models[i], now);
    }
    ck_assert_int_eq(store.ops->expire(store.self, now, SIZE_MAX, &removed), WSRT_OK);
    ck_assert_msg((int)removed == wanted, "step %d: %zu expired, not %d", step, removed, wanted);
}

static void change_one(struct model *m, const char *id, int64_t now, uint64_t *random, int step)
{
    struct model next = {.there = 1,
                         .user = (int)(next_random(random) % USERS),
                         .connected_at = step + 1,
                         .last_active_at = now * 1000,
                         .filters = (int)(next_random(random) % 3)};
    wsrt_span span = wsrt_span_cstr(id), user = wsrt_span_cstr(user_names[next.user]),
              filters = wsrt_span_cstr(filter_texts[next.filters]), none = {0};
    int live = lives(m, now), rc, wanted = live ? WSRT_OK : WSRT_ERR_NOT_FOUND;

    if (next_random(random) % 3 > 0)
        next.expires_at = now + 1 + (int64_t)(next_random(random) % 40);
    wsrt_record r = record_of(&next, id);
    switch (next_random(random) % 7) {
    case 0:
    case 1:
        rc = store.ops->put(store.self, &r, 0, now);
        wanted = WSRT_OK;
        *m = next;
        break;
    case 2:
        rc = store.ops->put(store.self, &r, 1, now);
        wanted = live ? WSRT_ERR_EXISTS : WSRT_OK;
        *m = live ? *m : next;
        break;
    case 3:
        rc = store.ops->remove(store.self, &span, step % 2 == 0 ? m->connected_at : 0);
        wanted = WSRT_OK;
        m->there = 0;
        break;
    case 4:
        rc = store.ops->touch(store.self, &span, now * 1000, next.expires_at);
        m->last_active_at = live ? now * 1000 : m->last_active_at;
        m->expires_at = live ? next.expires_at : m->expires_at;
        break;
    case 5:
        rc = live ? store.ops->set_principal(store.self, &span, &user, &none) : wanted;
        m->user = live ? next.user : m->user;
        break;
    default:
        rc = live ? store.ops->set_filters(store.self, &span, &filters) : wanted;
        m->filters = live ? next.filters : m->filters;
        break;
    }
    ck_assert_msg(rc == wanted, "step %d: %s, not %s", step, wsrt_status_name(rc),
                  wsrt_status_name(wanted));
}

START_TEST(every_answer_equals_the_plain_models)
{
    static struct model models[IDS];
    uint64_t random = 20261121;
    int64_t now = NOW;
    int steps = factory->steps == 0 ? 100000 : factory->steps;
    char id[16];

    memset(models, 0, sizeof models);
    for (int step = 0; step < steps; step++) {
        int i = (int)(next_random(&random) % IDS);
        snprintf(id, sizeof id, "c%d", i);
        change_one(&models[i], id, now, &random, step);
        check_one(&models[i], id, now, step);
        now += next_random(&random) % 16 == 0;
        if (step % 97 == 0)
            check_walk(models, (int)(next_random(&random) % USERS), now, step);
        if (step % 301 == 0 && !factory->no_expire)
            expire_both(models, now, step);
    }
    printf("# model steps: %d\n", steps);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

enum { SHARED = 16 };

static int rounds;

struct worker {
    pthread_barrier_t *start;
    int number;
    unsigned won, walked;
};

/* Nobody may see half of a record: user, filters and connect time always belong together. */
static void check_whole(const wsrt_record *r)
{
    char wanted[32];

    snprintf(wanted, sizeof wanted, "user%lld", (long long)r->connected_at % 10);
    ck_assert(is(r->user_id, wanted));
    snprintf(wanted, sizeof wanted, "filters of %lld", (long long)r->connected_at);
    ck_assert(is(r->filters, wanted));
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t random = (uint64_t)w->number;
    char id[16], user[16], filters[32], *text = malloc(16384);
    wsrt_record page_of[8];

    pthread_barrier_wait(w->start);
    for (int i = 0; i < rounds; i++) {
        snprintf(id, sizeof id, "s%d", (int)(next_random(&random) % SHARED));
        wsrt_span span = wsrt_span_cstr(id);
        wsrt_record r = connection(id), out = {.struct_size = sizeof out};
        r.connected_at = w->number * rounds + i + 1;
        snprintf(user, sizeof user, "user%lld", (long long)r.connected_at % 10);
        snprintf(filters, sizeof filters, "filters of %lld", (long long)r.connected_at);
        r.user_id = wsrt_span_cstr(user);
        r.filters = wsrt_span_cstr(filters);
        int rc = store.ops->put(store.self, &r, 1, NOW);
        ck_assert(rc == WSRT_OK || rc == WSRT_ERR_EXISTS);
        w->won += rc == WSRT_OK;
        if (store.ops->get(store.self, &span, NOW, &out, text, 16384) == WSRT_OK)
            check_whole(&out);
        store.ops->touch(store.self, &span, NOW * 1000, 0);
        if (rc == WSRT_OK && i % 2 == 0)
            ck_assert_int_eq(store.ops->remove(store.self, &span, r.connected_at), WSRT_OK);
        else if (i % 8 == 1)
            ck_assert_int_eq(store.ops->remove(store.self, &span, 0), WSRT_OK);
        wsrt_cursor c = {0};
        size_t n;
        page_of[0].struct_size = sizeof page_of[0];
        for (int pages = 0; i % 32 == 0 && pages < 4 && !c.at_end; pages++) {
            ck_assert_int_eq(
                store.ops->each(store.self, NULL, 0, &c, NOW, page_of, 8, text, 16384, &n),
                WSRT_OK);
            for (size_t k = 0; k < n; k++)
                check_whole(&page_of[k]);
            w->walked += (unsigned)n;
        }
    }
    free(text);
    return NULL;
}

START_TEST(threads_see_whole_records_and_a_count_that_adds_up)
{
    enum { MOST = 8 };
    int threads = factory->threads == 0 ? MOST : factory->threads;
    struct worker workers[MOST];
    pthread_t ids[MOST];
    pthread_barrier_t start;
    unsigned won = 0, winners = 0, walked = 0;
    uint64_t there = 0;
    char id[16];

    rounds = factory->rounds == 0 ? 4000 : factory->rounds;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.start = &start, .number = i};
        ck_assert_int_eq(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        won += workers[i].won;
        winners += workers[i].won > 0 && workers[i].won < (unsigned)rounds;
        walked += workers[i].walked;
    }
    for (int i = 0; i < SHARED; i++) {
        snprintf(id, sizeof id, "s%d", i);
        there += (uint64_t)is_there(id);
    }
    ck_assert_uint_eq(count_at(NOW), there);
    ck_assert_uint_gt(winners, 1); /* they did meet: each won some ids and lost others */
    ck_assert_uint_gt(walked, 0);
    printf("# contended puts won: %u of %d\n", won, threads * rounds);
    pthread_barrier_destroy(&start);
}
END_TEST

/* ---- the case ----------------------------------------------------------------------------- */

static void add_connections(TCase *t)
{
    tcase_add_test(t, what_was_put_is_found_with_every_field);
    tcase_add_test(t, an_absent_record_is_not_found);
    tcase_add_test(t, putting_again_replaces_everything);
    tcase_add_test(t, if_absent_leaves_a_live_record_alone_and_replaces_an_expired_one);
    tcase_add_test(t, removing_is_fine_twice);
    tcase_add_test(t, a_conditional_remove_spares_the_record_that_took_over_the_id);
    tcase_add_test(t, touching_moves_the_times);
    tcase_add_test(t, touching_never_brings_a_record_back);
    tcase_add_test(t, a_record_expires_in_its_second_and_is_gone_for_everyone);
    tcase_add_test(t, a_record_without_expiry_stays);
    tcase_add_test(t, signing_in_changes_user_and_principal_only);
    tcase_add_test(t, filters_can_be_set_and_cleared);
    tcase_add_loop_test(t, a_field_takes_its_longest_text_and_not_one_byte_more, 0,
                        sizeof limits / sizeof limits[0]);
    tcase_add_test(t, a_record_with_all_text_at_its_longest_fits_in_16_kib);
    tcase_add_test(t, a_long_user_agent_is_cut_between_characters);
    tcase_add_test(t, a_table_lacks_what_its_store_cannot_do_and_nothing_else);
    tcase_add_test(t, usage_errors_are_told);
}

static void add_walks(TCase *t)
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

static void add_history(TCase *t)
{
    tcase_add_test(t, a_message_is_listed_with_every_field);
    tcase_add_loop_test(t, a_session_is_listed_newest_first_whatever_the_order_of_arrival, 1, 8);
    tcase_add_test(t, appending_twice_changes_nothing);
    tcase_add_test(t, a_listing_goes_on_below_new_messages);
    tcase_add_test(t, a_listing_goes_on_where_its_message_has_expired);
    tcase_add_test(t, a_message_that_breaks_a_rule_is_refused);
}

TCase *store_suite(const struct store_factory *of)
{
    TCase *t = tcase_create("store");

    factory = of;
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open_store, close_store);
    add_connections(t);
    add_walks(t);
    add_history(t);
    tcase_add_test(t, every_answer_equals_the_plain_models);
    tcase_add_test(t, threads_see_whole_records_and_a_count_that_adds_up);
    return t;
}
