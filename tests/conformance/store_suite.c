#include "store_parts.h"

#include <stdio.h>
#include <string.h>

const struct store_factory *factory;
wsrt_store store;
wsrt_history history;
char buffer[BUFFER];
static void *opened;

static void open_store(void)
{
    opened = factory->open(&store, &history);
}

static void close_store(void)
{
    factory->close(opened);
}

/* ---- words -------------------------------------------------------------------------------- */

wsrt_record connection(const char *id)
{
    return (wsrt_record){.struct_size = sizeof(wsrt_record),
                         .connection_id = wsrt_span_cstr(id),
                         .connected_at = 5000,
                         .last_active_at = 6000};
}

int put(const wsrt_record *r)
{
    return store.ops->put(store.self, r, 0, NOW);
}

void put_user(const char *id, const char *user)
{
    wsrt_record r = connection(id);

    r.user_id = wsrt_span_cstr(user);
    ck_assert_int_eq(put(&r), WSRT_OK);
}

int get_at(const char *id, int64_t now_s, wsrt_record *out)
{
    wsrt_span span = wsrt_span_cstr(id);

    *out = (wsrt_record){.struct_size = sizeof *out};
    return store.ops->get(store.self, &span, now_s, out, buffer, sizeof buffer);
}

int is_there(const char *id)
{
    wsrt_record r;
    int rc = get_at(id, NOW, &r);

    ck_assert(rc == WSRT_OK || rc == WSRT_ERR_NOT_FOUND);
    return rc == WSRT_OK;
}

int remove_id(const char *id, int64_t if_connected_at)
{
    wsrt_span span = wsrt_span_cstr(id);

    return store.ops->remove(store.self, &span, if_connected_at);
}

int is(wsrt_span text, const char *wanted)
{
    return wsrt_span_equal(text, wsrt_span_cstr(wanted));
}

uint64_t count_at(int64_t now_s)
{
    uint64_t n = 0;

    ck_assert_int_eq(store.ops->count(store.self, now_s, &n), WSRT_OK);
    return n;
}

int page(const char *user, uint32_t flags, wsrt_cursor *c, wsrt_record *out, size_t max, size_t *n)
{
    wsrt_span span = wsrt_span_cstr(user);

    out->struct_size = sizeof *out;
    return store.ops->each(store.self, user == NULL ? NULL : &span, flags, c, NOW, out, max, buffer,
                           sizeof buffer, n);
}

void walk(const char *user, uint32_t flags, size_t max, char *seen, size_t room)
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

int times_in(const char *seen, const char *id)
{
    char word[64];
    int times = 0;
    size_t len = (size_t)snprintf(word, sizeof word, " %s", id);

    for (const char *p = seen; (p = strstr(p, word)) != NULL; p += len)
        times += p[len] == ' ' || p[len] == 0;
    return times;
}

uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
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

TCase *store_suite(const struct store_factory *of)
{
    TCase *t = tcase_create("store");

    factory = of;
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open_store, close_store);
    add_connections(t);
    store_add_walks(t);
    store_add_history(t);
    store_add_model(t);
    store_add_threads(t);
    return t;
}
