/* The memory store at its edges: bad arguments, texts of the same hash, rounds over nothing. */
#include "heap.h"
#include "suite.h"

#include "base/hash.h"

#include <wsrt/store.h>

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})

enum { NOW = 1000, KEY = 7 };

/* Under KEY the first 32 bits of their hashes are the same, which is what an index keeps. */
#define ONE "u46986"
#define OTHER "u307305"

static struct heap heap;
static wsrt_memory_store *memory;
static wsrt_store store;
static wsrt_history history;
static wsrt_latest latest;
static char buf[20000];

static void set_up(void)
{
    heap_init(&heap);
    const wsrt_memory_store_options o = {
        .struct_size = sizeof o, .allocator = heap.allocator, .hash_key = KEY};

    ck_assert_int_eq(wsrt_memory_store_new(&memory, &o), WSRT_OK);
    wsrt_memory_store_connections(memory, &store);
    wsrt_memory_store_history(memory, &history);
    wsrt_memory_store_latest(memory, &latest);
}

static void tear_down(void)
{
    wsrt_memory_store_free(memory);
    ck_assert_uint_eq(heap.live, 0);
}

static wsrt_record record(const char *id, const char *user)
{
    return (wsrt_record){.struct_size = sizeof(wsrt_record),
                         .connection_id = wsrt_span_cstr(id),
                         .user_id = wsrt_span_cstr(user),
                         .connected_at = 5};
}

static int put(const char *id, const char *user)
{
    wsrt_record r = record(id, user);

    return store.ops->put(store.self, &r, 0, NOW);
}

static int append(const char *session, const char *id, int64_t expires_at)
{
    const wsrt_history_entry e = {.struct_size = sizeof e,
                                  .author = WSRT_AUTHOR_USER,
                                  .session_id = wsrt_span_cstr(session),
                                  .message_id = wsrt_span_cstr(id),
                                  .timestamp = 1,
                                  .expires_at = expires_at};

    return history.ops->append(history.self, &e);
}

static int keep(const char *key, const char *value)
{
    const wsrt_latest_entry e = {.struct_size = sizeof e,
                                 .key = wsrt_span_cstr(key),
                                 .value = wsrt_span_cstr(value),
                                 .timestamp = 1};

    return latest.ops->put(latest.self, &e);
}

/* How many records a user has. */
static size_t count_user(const char *user)
{
    wsrt_cursor c = {0};
    wsrt_record out[4] = {{.struct_size = sizeof out[0]}};
    wsrt_span name = wsrt_span_cstr(user);
    size_t n = 99;

    ck_assert_int_eq(
        store.ops->each(store.self, &name, 0, &c, NOW, out, COUNT(out), buf, sizeof buf, &n),
        WSRT_OK);
    return n;
}

/* How many messages a session has. */
static size_t count_session(const char *session)
{
    wsrt_cursor c = {0};
    wsrt_history_entry out[4] = {{.struct_size = sizeof out[0]}};
    wsrt_span name = wsrt_span_cstr(session);
    size_t n = 99;

    ck_assert_int_eq(
        history.ops->list(history.self, &name, &c, NOW, out, COUNT(out), buf, sizeof buf, &n),
        WSRT_OK);
    return n;
}

/* ---- the same hash ---- */

static uint32_t indexed(uint64_t key, const char *text)
{
    return (uint32_t)(wsrt_hash(key, text, strlen(text)) >> 32);
}

START_TEST(connections_and_users_of_the_same_hash_are_told_apart)
{
    wsrt_span one = TEXT(ONE), other = TEXT(OTHER);
    wsrt_record out = {.struct_size = sizeof out};

    ck_assert_uint_eq(indexed(KEY, ONE), indexed(KEY, OTHER));
    ck_assert_int_eq(put(ONE, ONE), WSRT_OK);
    ck_assert_uint_eq(count_user(OTHER), 0);
    ck_assert_int_eq(put(OTHER, OTHER), WSRT_OK);
    ck_assert_uint_eq(count_user(ONE), 1);
    ck_assert_uint_eq(count_user(OTHER), 1);
    ck_assert_int_eq(store.ops->remove(store.self, &one, 0), WSRT_OK);
    ck_assert_int_eq(store.ops->get(store.self, &one, NOW, &out, buf, sizeof buf),
                     WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(store.ops->get(store.self, &other, NOW, &out, buf, sizeof buf), WSRT_OK);
    ck_assert(wsrt_span_equal(out.user_id, other));
    ck_assert_uint_eq(count_user(ONE), 0);
}
END_TEST

START_TEST(sessions_and_messages_of_the_same_hash_are_told_apart)
{
    uint64_t in_s = wsrt_hash(KEY, "s", 1);
    uint64_t in_one = wsrt_hash(KEY, "s43069", sizeof "s43069" - 1);
    uint64_t in_other = wsrt_hash(KEY, "s58538", sizeof "s58538" - 1);

    ck_assert_uint_eq(indexed(in_s, "m67487"), indexed(in_s, "m122532"));
    ck_assert_uint_eq(indexed(in_one, "m"), indexed(in_other, "m"));
    ck_assert_int_eq(append(ONE, "a", 0), WSRT_OK);
    ck_assert_uint_eq(count_session(OTHER), 0);
    ck_assert_int_eq(append(OTHER, "a", 0), WSRT_OK);
    ck_assert_int_eq(append("s", "m67487", 0), WSRT_OK);
    ck_assert_int_eq(append("s", "m122532", 0), WSRT_OK);
    ck_assert_int_eq(append("s43069", "m", 0), WSRT_OK);
    ck_assert_int_eq(append("s58538", "m", 0), WSRT_OK);
    ck_assert_uint_eq(count_session(ONE), 1);
    ck_assert_uint_eq(count_session(OTHER), 1);
    ck_assert_uint_eq(count_session("s"), 2);
    ck_assert_uint_eq(count_session("s43069"), 1);
    ck_assert_uint_eq(count_session("s58538"), 1);
}
END_TEST

START_TEST(latest_values_of_the_same_hash_are_told_apart)
{
    wsrt_span one = TEXT(ONE);
    wsrt_cursor c = {0};
    wsrt_latest_entry out = {.struct_size = sizeof out};
    size_t n = 0;

    ck_assert_int_eq(keep(ONE, "1"), WSRT_OK);
    ck_assert_int_eq(keep(OTHER, "2"), WSRT_OK);
    ck_assert_int_eq(latest.ops->remove(latest.self, &one, 1), WSRT_OK);
    ck_assert_int_eq(latest.ops->each(latest.self, &c, &out, 1, buf, sizeof buf, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert(wsrt_span_equal(out.value, TEXT("2")));
    ck_assert_uint_eq(c.at_end, 1);
}
END_TEST

/* ---- bad arguments ---- */

static const struct {
    const char *id;
    size_t len; /* of the id; 999 = no id at all */
} no_ids[] = {{NULL, 999}, {"", 0}, {"no id", 5}, {NULL, 1}};

START_TEST(what_is_no_id_is_refused_by_every_function)
{
    wsrt_span id = {no_ids[_i].id, no_ids[_i].len}, text = TEXT("t");
    const wsrt_span *given = id.len == 999 ? NULL : &id;
    wsrt_record out = {.struct_size = sizeof out};

    ck_assert_int_eq(store.ops->get(store.self, given, NOW, &out, buf, sizeof buf),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->remove(store.self, given, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->touch(store.self, given, 1, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->set_principal(store.self, given, &text, &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->set_filters(store.self, given, &text), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_principal_and_filters_are_there_and_not_too_long)
{
    static const char big[8193];
    const wsrt_span id = TEXT("c"), text = TEXT("t"), nowhere = {NULL, 1};
    const wsrt_span user = {big, 256}, principal = {big, 2049}, filters = {big, 8193};

    ck_assert_int_eq(put("c", "u"), WSRT_OK);
    const wsrt_store_ops *ops = store.ops;
    ck_assert_int_eq(ops->set_principal(store.self, &id, NULL, &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->set_principal(store.self, &id, &text, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->set_principal(store.self, &id, &user, &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->set_principal(store.self, &id, &nowhere, &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->set_principal(store.self, &id, &text, &principal), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->set_filters(store.self, &id, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(ops->set_filters(store.self, &id, &filters), WSRT_ERR_INVALID);
    ck_assert_uint_eq(count_user("u"), 1);
}
END_TEST

START_TEST(what_is_asked_for_has_a_place)
{
    const wsrt_span id = TEXT("c");
    wsrt_record out = {.struct_size = sizeof out}, unsized = {.struct_size = sizeof out + 1};
    uint64_t n;

    ck_assert_int_eq(put("c", "u"), WSRT_OK);
    ck_assert_int_eq(store.ops->get(store.self, &id, NOW, NULL, buf, sizeof buf), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->get(store.self, &id, NOW, &out, NULL, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->get(store.self, &id, NOW, &unsized, buf, sizeof buf),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->get(store.self, &id, NOW, &out, NULL, 0), WSRT_ERR_LIMIT);
    ck_assert_int_eq(store.ops->count(store.self, NOW, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->expire(store.self, NOW, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(history.ops->expire(history.self, NOW, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(store.ops->count(store.self, NOW, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(a_walk_has_all_its_arguments)
{
    static const char big[256];
    wsrt_cursor c = {0};
    wsrt_record out = {.struct_size = sizeof out}, unsized = {.struct_size = 12};
    const wsrt_span empty = TEXT(""), longest = {big, 256}, user = TEXT("u");
    const struct {
        const wsrt_span *user;
        uint32_t flags;
        wsrt_cursor *cursor;
        wsrt_record *out;
        size_t max;
        char *buf;
        size_t *count;
    } rows[] = {
        {&user, 0, NULL, &out, 1, buf, &(size_t){0}},
        {&user, 0, &c, NULL, 1, buf, &(size_t){0}},
        {&user, 0, &c, &out, 0, buf, &(size_t){0}},
        {&user, 0, &c, &out, 1, NULL, &(size_t){0}},
        {&user, 0, &c, &out, 1, buf, NULL},
        {&user, 4, &c, &out, 1, buf, &(size_t){0}},
        {&empty, 0, &c, &out, 1, buf, &(size_t){0}},
        {&longest, 0, &c, &out, 1, buf, &(size_t){0}},
        {NULL, 0, &c, &unsized, 1, buf, &(size_t){0}},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(store.ops->each(store.self, rows[i].user, rows[i].flags, rows[i].cursor, NOW,
                                      rows[i].out, rows[i].max, rows[i].buf, 9,
                                      rows[i].count) == WSRT_ERR_INVALID,
                      "row %zu", i);
}
END_TEST

START_TEST(a_listing_has_all_its_arguments)
{
    static const char big[129];
    wsrt_cursor c = {0};
    wsrt_history_entry out = {.struct_size = sizeof out}, unsized = {.struct_size = 12};
    const wsrt_span session = TEXT("s"), empty = TEXT(""), longest = {big, 129};
    const struct {
        const wsrt_span *session;
        wsrt_cursor *cursor;
        wsrt_history_entry *out;
        size_t max;
        char *buf;
        size_t *count;
    } rows[] = {
        {NULL, &c, &out, 1, buf, &(size_t){0}},
        {&session, NULL, &out, 1, buf, &(size_t){0}},
        {&session, &c, NULL, 1, buf, &(size_t){0}},
        {&session, &c, &out, 0, buf, &(size_t){0}},
        {&session, &c, &out, 1, NULL, &(size_t){0}},
        {&session, &c, &out, 1, buf, NULL},
        {&empty, &c, &out, 1, buf, &(size_t){0}},
        {&longest, &c, &out, 1, buf, &(size_t){0}},
        {&session, &c, &unsized, 1, buf, &(size_t){0}},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(history.ops->list(history.self, rows[i].session, rows[i].cursor, NOW,
                                        rows[i].out, rows[i].max, rows[i].buf, 9,
                                        rows[i].count) == WSRT_ERR_INVALID,
                      "row %zu", i);
}
END_TEST

START_TEST(a_walk_of_latest_values_has_all_its_arguments)
{
    wsrt_cursor c = {0};
    wsrt_latest_entry out = {.struct_size = sizeof out}, unsized = {.struct_size = 12};
    const wsrt_latest_entry removed = {
        .struct_size = sizeof removed, .flags = WSRT_LATEST_REMOVED, .key = TEXT("k")};
    const struct {
        wsrt_cursor *cursor;
        wsrt_latest_entry *out;
        size_t max;
        char *buf;
        size_t *count;
    } rows[] = {
        {NULL, &out, 1, buf, &(size_t){0}}, {&c, NULL, 1, buf, &(size_t){0}},
        {&c, &out, 0, buf, &(size_t){0}},   {&c, &out, 1, NULL, &(size_t){0}},
        {&c, &out, 1, buf, NULL},           {&c, &unsized, 1, buf, &(size_t){0}},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(latest.ops->each(latest.self, rows[i].cursor, rows[i].out, rows[i].max,
                                       rows[i].buf, 9, rows[i].count) == WSRT_ERR_INVALID,
                      "row %zu", i);
    ck_assert_int_eq(latest.ops->put(latest.self, &removed), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(cursors_of_another_store_or_listing_are_refused)
{
    wsrt_cursor listed = {0}, walked = {0};
    wsrt_history_entry entry = {.struct_size = sizeof entry};
    wsrt_latest_entry value = {.struct_size = sizeof value};
    const wsrt_span s = TEXT("s"), t = TEXT("t");
    size_t n;

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(append("s", i == 0 ? "a" : "b", 0), WSRT_OK);
        ck_assert_int_eq(keep(i == 0 ? "a" : "b", "v"), WSRT_OK);
    }
    const wsrt_history_ops *h = history.ops;
    ck_assert_int_eq(h->list(history.self, &s, &listed, NOW, &entry, 1, buf, sizeof buf, &n),
                     WSRT_OK);
    ck_assert_int_eq(h->list(history.self, &t, &listed, NOW, &entry, 1, buf, sizeof buf, &n),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(latest.ops->each(latest.self, &walked, &value, 1, buf, sizeof buf, &n),
                     WSRT_OK);
    ck_assert_int_eq(latest.ops->each(latest.self, &listed, &value, 1, buf, sizeof buf, &n),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(h->list(history.self, &s, &walked, NOW, &entry, 1, buf, sizeof buf, &n),
                     WSRT_ERR_INVALID);
    tear_down();
    set_up();
    /* A store at the same address is the same one: another key makes it another. */
    const wsrt_memory_store_options o = {.struct_size = sizeof o, .hash_key = KEY + 1};
    wsrt_memory_store *apart;
    wsrt_latest others;
    ck_assert_int_eq(wsrt_memory_store_new(&apart, &o), WSRT_OK);
    wsrt_memory_store_latest(apart, &others);
    wsrt_memory_store_history(apart, &history);
    ck_assert_int_eq(others.ops->each(others.self, &walked, &value, 1, buf, sizeof buf, &n),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(h->list(history.self, &s, &listed, NOW, &entry, 1, buf, sizeof buf, &n),
                     WSRT_ERR_INVALID);
    wsrt_memory_store_free(apart);
}
END_TEST

START_TEST(interfaces_of_nothing_are_nothing)
{
    wsrt_store s = {NULL, NULL};
    wsrt_history h = {NULL, NULL};
    wsrt_latest l = {NULL, NULL};

    wsrt_memory_store_connections(NULL, &s);
    wsrt_memory_store_history(NULL, &h);
    wsrt_memory_store_latest(NULL, &l);
    ck_assert(s.ops == NULL && h.ops == NULL && l.ops == NULL);
    wsrt_memory_store_connections(memory, NULL);
    wsrt_memory_store_history(memory, NULL);
    wsrt_memory_store_latest(memory, NULL);
    ck_assert_uint_eq(wsrt_memory_store_bytes(NULL), 0);
    wsrt_memory_store_free(NULL);
}
END_TEST

/* ---- rounds and lists ---- */

START_TEST(a_round_over_nothing_removes_nothing)
{
    size_t removed = 99;

    ck_assert_int_eq(store.ops->expire(store.self, NOW, 10, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 0);
    removed = 99;
    ck_assert_int_eq(history.ops->expire(history.self, NOW, 10, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 0);
}
END_TEST

START_TEST(a_session_ends_with_its_last_message_and_may_begin_again)
{
    size_t removed;

    ck_assert_int_eq(append("s", "a", NOW), WSRT_OK);
    ck_assert_int_eq(append("s", "b", NOW), WSRT_OK);
    ck_assert_int_eq(append("t", "c", 0), WSRT_OK);
    ck_assert_int_eq(history.ops->expire(history.self, NOW, 1, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 1);
    ck_assert_int_eq(history.ops->expire(history.self, NOW, 9, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 1);
    ck_assert_uint_eq(count_session("s"), 0);
    ck_assert_uint_eq(count_session("t"), 1);
    ck_assert_int_eq(append("s", "a", 0), WSRT_OK);
    ck_assert_uint_eq(count_session("s"), 1);
}
END_TEST

static const size_t text_sizes[] = {1, 2, 3, 4, 5, 6, 7};

START_TEST(an_entry_that_does_not_fit_is_not_begun)
{
    const wsrt_record r = {.struct_size = sizeof r,
                           .connection_id = TEXT("1"),
                           .user_id = TEXT("2"),
                           .principal = TEXT("3"),
                           .source_ip = TEXT("4"),
                           .user_agent = TEXT("5"),
                           .filters = TEXT("6"),
                           .node = TEXT("7")};
    const wsrt_history_entry e = {.struct_size = sizeof e,
                                  .author = WSRT_AUTHOR_BOT,
                                  .message_id = TEXT("1"),
                                  .session_id = TEXT("2"),
                                  .connection_id = TEXT("3"),
                                  .user_id = TEXT("4"),
                                  .content = TEXT("5")};
    wsrt_record found = {.struct_size = sizeof found};
    wsrt_history_entry listed = {.struct_size = sizeof listed};
    wsrt_latest_entry value = {.struct_size = sizeof value};
    wsrt_cursor c = {0}, d = {0};
    size_t cap = text_sizes[_i], n = 99;
    wsrt_span session = TEXT("2");

    ck_assert_int_eq(store.ops->put(store.self, &r, 0, NOW), WSRT_OK);
    ck_assert_int_eq(history.ops->append(history.self, &e), WSRT_OK);
    ck_assert_int_eq(keep("1", "2"), WSRT_OK);
    ck_assert_int_eq(store.ops->get(store.self, &r.connection_id, NOW, &found, buf, cap),
                     cap < 7 ? WSRT_ERR_LIMIT : WSRT_OK);
    ck_assert_int_eq(history.ops->list(history.self, &session, &c, NOW, &listed, 1, buf, cap, &n),
                     cap < 5 ? WSRT_ERR_LIMIT : WSRT_OK);
    ck_assert_uint_eq(c.length == 0, cap < 5);
    ck_assert_int_eq(latest.ops->each(latest.self, &d, &value, 1, buf, cap - 1, &n),
                     cap < 3 ? WSRT_ERR_LIMIT : WSRT_OK);
}
END_TEST

START_TEST(caps_beyond_all_sense_and_flags_are_refused)
{
    wsrt_memory_store_options o[4];
    wsrt_memory_store *m;

    for (size_t i = 0; i < COUNT(o); i++)
        o[i] = (wsrt_memory_store_options){.struct_size = sizeof o[i]};
    o[0].max_records = o[1].max_messages = o[2].max_latest = ((uint64_t)1 << 31) + 1;
    o[3].flags = 1;
    for (size_t i = 0; i < COUNT(o); i++) {
        ck_assert_int_eq(wsrt_memory_store_new(&m, &o[i]),
                         i < 3 ? WSRT_ERR_INVALID : WSRT_ERR_UNSUPPORTED);
        ck_assert_ptr_null(m);
    }
    ck_assert_int_eq(wsrt_memory_store_new(NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_walk_of_a_user_goes_on_where_its_record_has_left_the_ring)
{
    wsrt_cursor c = {0};
    wsrt_record out = {.struct_size = sizeof out};
    wsrt_span user = TEXT("u"), nobody = TEXT(""), id = TEXT("b");
    size_t n;

    for (const char *at = "abc"; *at != '\0'; at++)
        ck_assert_int_eq(put((char[]){*at, '\0'}, "u"), WSRT_OK);
    ck_assert_int_eq(store.ops->each(store.self, &user, 0, &c, NOW, &out, 1, buf, sizeof buf, &n),
                     WSRT_OK);
    ck_assert(wsrt_span_equal(out.connection_id, TEXT("a")));
    ck_assert_int_eq(store.ops->set_principal(store.self, &id, &nobody, &nobody), WSRT_OK);
    ck_assert_int_eq(store.ops->each(store.self, &user, 0, &c, NOW, &out, 1, buf, sizeof buf, &n),
                     WSRT_OK);
    ck_assert(wsrt_span_equal(out.connection_id, TEXT("c")));
    ck_assert_uint_eq(c.at_end, 1);
}
END_TEST

START_TEST(a_walk_of_a_user_whose_rest_has_left_is_over)
{
    wsrt_cursor c = {0};
    wsrt_record out = {.struct_size = sizeof out};
    wsrt_span user = TEXT("u"), id = TEXT("b");
    size_t n;

    ck_assert_int_eq(put("a", "u"), WSRT_OK);
    ck_assert_int_eq(put("b", "u"), WSRT_OK);
    ck_assert_int_eq(store.ops->each(store.self, &user, 0, &c, NOW, &out, 1, buf, sizeof buf, &n),
                     WSRT_OK);
    ck_assert_uint_eq(c.at_end, 0);
    ck_assert_int_eq(store.ops->remove(store.self, &id, 0), WSRT_OK);
    ck_assert_int_eq(store.ops->each(store.self, &user, 0, &c, NOW, &out, 1, buf, sizeof buf, &n),
                     WSRT_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(c.at_end, 1);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("store_bounds");
    TCase *t = tcase_create("bounds");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, connections_and_users_of_the_same_hash_are_told_apart);
    tcase_add_test(t, sessions_and_messages_of_the_same_hash_are_told_apart);
    tcase_add_test(t, latest_values_of_the_same_hash_are_told_apart);
    tcase_add_loop_test(t, what_is_no_id_is_refused_by_every_function, 0, (int)COUNT(no_ids));
    tcase_add_test(t, a_principal_and_filters_are_there_and_not_too_long);
    tcase_add_test(t, what_is_asked_for_has_a_place);
    tcase_add_test(t, a_walk_has_all_its_arguments);
    tcase_add_test(t, a_listing_has_all_its_arguments);
    tcase_add_test(t, a_walk_of_latest_values_has_all_its_arguments);
    tcase_add_test(t, cursors_of_another_store_or_listing_are_refused);
    tcase_add_test(t, interfaces_of_nothing_are_nothing);
    tcase_add_test(t, a_round_over_nothing_removes_nothing);
    tcase_add_test(t, a_session_ends_with_its_last_message_and_may_begin_again);
    tcase_add_loop_test(t, an_entry_that_does_not_fit_is_not_begun, 0, (int)COUNT(text_sizes));
    tcase_add_test(t, caps_beyond_all_sense_and_flags_are_refused);
    tcase_add_test(t, a_walk_of_a_user_goes_on_where_its_record_has_left_the_ring);
    tcase_add_test(t, a_walk_of_a_user_whose_rest_has_left_is_over);
    suite_add_tcase(s, t);
    return s;
}
