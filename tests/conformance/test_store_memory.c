#include "latest_suite.h"
#include "store_suite.h"

#include "heap.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

enum { NOW = 1000 };

static wsrt_memory_store_options options(struct heap *heap)
{
    wsrt_memory_store_options o = {.struct_size = sizeof o};

    if (heap != NULL)
        o.allocator = heap->allocator;
    return o;
}

static wsrt_memory_store *make(const wsrt_memory_store_options *o, wsrt_store *s, wsrt_history *h)
{
    wsrt_memory_store *m;

    ck_assert_int_eq(wsrt_memory_store_new(&m, o), WSRT_OK);
    wsrt_memory_store_connections(m, s);
    wsrt_memory_store_history(m, h);
    return m;
}

static void *open_memory(wsrt_store *s, wsrt_history *h)
{
    return make(NULL, s, h);
}

static void close_memory(void *opened)
{
    wsrt_memory_store_free(opened);
}

static const struct store_factory memory = {.open = open_memory, .close = close_memory};

static void *open_latest(wsrt_latest *latest)
{
    wsrt_memory_store *m;

    ck_assert_int_eq(wsrt_memory_store_new(&m, NULL), WSRT_OK);
    wsrt_memory_store_latest(m, latest);
    return m;
}

static const struct latest_factory memory_latest = {.open = open_latest, .close = close_memory};

static int put_value(const wsrt_latest *l, int number, const char *value)
{
    char key[16];
    wsrt_latest_entry e = {.struct_size = sizeof e, .value = wsrt_span_cstr(value)};

    snprintf(key, sizeof key, "key%06d", number);
    e.key = wsrt_span_cstr(key);
    return l->ops->put(l->self, &e);
}

static int put_number(wsrt_store *s, int number, const char *user, int64_t expires_at)
{
    char id[32];
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = {id, 16},
                     .user_id = wsrt_span_cstr(user),
                     .source_ip = wsrt_span_cstr("192.0.2.1"),
                     .connected_at = 1,
                     .expires_at = expires_at};

    snprintf(id, sizeof id, "connection%06d", number);
    return s->ops->put(s->self, &r, 0, NOW);
}

static int append_expiring(wsrt_history *h, int number, int64_t expires_at)
{
    char id[32];
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .author = WSRT_AUTHOR_USER,
                            .session_id = wsrt_span_cstr("s"),
                            .message_id = {id, 16},
                            .content = wsrt_span_cstr("hello"),
                            .timestamp = number,
                            .expires_at = expires_at};

    snprintf(id, sizeof id, "message---%06d", number);
    return h->ops->append(h->self, &e);
}

static int append_number(wsrt_history *h, int number)
{
    return append_expiring(h, number, 0);
}

START_TEST(a_hundred_thousand_idle_records_take_at_most_130_bytes_each)
{
    struct heap heap;
    wsrt_store s;
    wsrt_history h;

    heap_init(&heap);
    wsrt_memory_store_options o = options(&heap);
    wsrt_memory_store *m = make(&o, &s, &h);
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(put_number(&s, i, "", NOW + 600), WSRT_OK);
    ck_assert_uint_eq(wsrt_memory_store_bytes(m), heap.live);
    ck_assert_uint_le(heap.live, 100000 * 130);
    wsrt_memory_store_free(m);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(the_cap_of_records_is_kept_and_expired_ones_make_room)
{
    wsrt_store s;
    wsrt_history h;
    wsrt_memory_store_options o = options(NULL);

    o.max_records = 3;
    wsrt_memory_store *m = make(&o, &s, &h);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(put_number(&s, i, "u", i == 1 ? NOW + 1 : 0), WSRT_OK);
    ck_assert_int_eq(put_number(&s, 3, "u", 0), WSRT_ERR_LIMIT);
    ck_assert_int_eq(put_number(&s, 0, "v", 0), WSRT_OK); /* replacing needs no room */
    wsrt_record late = {.struct_size = sizeof late, .connection_id = wsrt_span_cstr("late")};
    ck_assert_int_eq(s.ops->put(s.self, &late, 0, NOW + 1), WSRT_OK);
    wsrt_memory_store_free(m);
}
END_TEST

/* The first page of a user's records, one at a time. */
static wsrt_cursor cursor_of(const wsrt_store *s, const char *user)
{
    wsrt_span id = wsrt_span_cstr(user);
    wsrt_record out = {.struct_size = sizeof out};
    wsrt_cursor c = {0};
    char buf[512];
    size_t n;

    ck_assert_int_eq(s->ops->each(s->self, &id, 0, &c, NOW, &out, 1, buf, sizeof buf, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
    return c;
}

/* A cursor that was kept longer than its store, or was tampered with, may name any place. */
START_TEST(a_cursor_with_the_place_of_another_user_shows_none_of_theirs)
{
    enum { PLACE = 16 }; /* behind what a cursor is of */
    wsrt_store s;
    wsrt_history h;
    wsrt_memory_store *m = make(NULL, &s, &h);
    wsrt_record out[8] = {{.struct_size = sizeof out[0]}};
    wsrt_span ann = wsrt_span_cstr("ann");
    char buf[4096];
    size_t n;

    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(put_number(&s, i, i < 3 ? "ann" : "bob", 0), WSRT_OK);
    wsrt_cursor c = cursor_of(&s, "ann"), other = cursor_of(&s, "bob");
    memcpy(c.bytes + PLACE, other.bytes + PLACE, sizeof c.bytes - PLACE);
    ck_assert_int_eq(s.ops->each(s.self, &ann, 0, &c, NOW, out, 8, buf, sizeof buf, &n), WSRT_OK);
    for (size_t i = 0; i < n; i++)
        ck_assert(wsrt_span_equal(out[i].user_id, ann));
    ck_assert_uint_eq(c.at_end, 1);
    wsrt_memory_store_free(m);
}
END_TEST

START_TEST(beyond_the_cap_the_message_that_arrived_first_goes)
{
    wsrt_store s;
    wsrt_history h;
    wsrt_memory_store_options o = options(NULL);
    wsrt_history_entry out[8] = {{.struct_size = sizeof out[0]}};
    wsrt_span session = wsrt_span_cstr("s");
    wsrt_cursor c = {0};
    char buf[512];
    size_t n;

    o.max_messages = 3;
    wsrt_memory_store *m = make(&o, &s, &h);
    int arrivals[] = {50, 10, 40, 30, 20};
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(append_number(&h, arrivals[i]), WSRT_OK);
    ck_assert_int_eq(h.ops->list(h.self, &session, &c, NOW, out, 8, buf, sizeof buf, &n), WSRT_OK);
    ck_assert_uint_eq(n, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(out[i].timestamp, 40 - 10 * i);
    wsrt_memory_store_free(m);
}
END_TEST

START_TEST(the_order_of_arrival_survives_messages_that_expire)
{
    wsrt_store s;
    wsrt_history h;
    wsrt_memory_store_options o = options(NULL);
    wsrt_history_entry out[8] = {{.struct_size = sizeof out[0]}};
    wsrt_span session = wsrt_span_cstr("s");
    wsrt_cursor c = {0};
    int64_t wanted[] = {8, 7, 5, 4};
    char buf[512];
    size_t n, removed;

    o.max_messages = 4;
    wsrt_memory_store *m = make(&o, &s, &h);
    for (int i = 0; i < 4; i++) /* 0, the first, and 2, in the middle, go by age */
        ck_assert_int_eq(append_expiring(&h, i, i % 2 == 0 ? NOW + 1 : 0), WSRT_OK);
    ck_assert_int_eq(h.ops->expire(h.self, NOW + 1, 9, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 2);
    for (int i = 4; i < 7; i++) /* 1 makes room */
        ck_assert_int_eq(append_expiring(&h, i, i == 6 ? NOW + 2 : 0), WSRT_OK);
    ck_assert_int_eq(h.ops->expire(h.self, NOW + 2, 9, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 1); /* 6, the latest */
    for (int i = 7; i < 9; i++)    /* 3 makes room */
        ck_assert_int_eq(append_number(&h, i), WSRT_OK);
    ck_assert_int_eq(h.ops->list(h.self, &session, &c, NOW, out, 8, buf, sizeof buf, &n), WSRT_OK);
    ck_assert_uint_eq(n, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(out[i].timestamp, wanted[i]);
    wsrt_memory_store_free(m);
}
END_TEST

START_TEST(expired_records_are_found_among_many_pages)
{
    wsrt_store s;
    wsrt_history h;
    wsrt_memory_store *m = make(NULL, &s, &h);
    size_t removed;
    uint64_t live;

    for (int i = 0; i < 20000; i++)
        ck_assert_int_eq(put_number(&s, i, "", i % 1000 == 7 ? NOW + 1 + i / 1000 : 0), WSRT_OK);
    ck_assert_int_eq(s.ops->count(s.self, NOW + 5, &live), WSRT_OK);
    ck_assert_uint_eq(live, 19995);
    ck_assert_int_eq(s.ops->expire(s.self, NOW + 5, 3, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 3);
    ck_assert_int_eq(s.ops->expire(s.self, NOW + 5, 100, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 2);
    ck_assert_int_eq(s.ops->expire(s.self, NOW + 100, 100, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 15);
    wsrt_memory_store_free(m);
}
END_TEST

START_TEST(the_cap_of_latest_values_is_kept)
{
    wsrt_memory_store *m;
    wsrt_latest l;
    wsrt_memory_store_options o = options(NULL);
    wsrt_span key = wsrt_span_cstr("key000001");

    o.max_latest = 2;
    ck_assert_int_eq(wsrt_memory_store_new(&m, &o), WSRT_OK);
    wsrt_memory_store_latest(m, &l);
    ck_assert_int_eq(put_value(&l, 1, "a"), WSRT_OK);
    ck_assert_int_eq(put_value(&l, 2, "a"), WSRT_OK);
    ck_assert_int_eq(put_value(&l, 3, "a"), WSRT_ERR_LIMIT);
    ck_assert_int_eq(put_value(&l, 2, "longer"), WSRT_OK);
    ck_assert_int_eq(l.ops->remove(l.self, &key, 0), WSRT_OK);
    ck_assert_int_eq(put_value(&l, 3, "a"), WSRT_OK);
    wsrt_memory_store_free(m);
}
END_TEST

START_TEST(options_without_sense_are_refused)
{
    wsrt_memory_store *m;
    wsrt_memory_store_options o = options(NULL);

    o.flags = 1;
    ck_assert_int_eq(wsrt_memory_store_new(&m, &o), WSRT_ERR_UNSUPPORTED);
    o = options(NULL);
    o.max_records = ((uint64_t)1 << 31) + 1;
    ck_assert_int_eq(wsrt_memory_store_new(&m, &o), WSRT_ERR_INVALID);
    o = options(NULL);
    o.max_latest = ((uint64_t)1 << 31) + 1;
    ck_assert_int_eq(wsrt_memory_store_new(&m, &o), WSRT_ERR_INVALID);
    ck_assert_ptr_null(m);
    ck_assert_int_eq(wsrt_memory_store_new(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(wsrt_memory_store_bytes(NULL), 0);
    wsrt_memory_store_free(NULL);
}
END_TEST

/* ---- refused memory ----------------------------------------------------------------------- */

/* Everything a caller can see of a store, as text. */
static void dump(wsrt_store *s, wsrt_history *h, const wsrt_latest *l, char *seen, size_t room)
{
    static wsrt_latest_entry values[128];
    static wsrt_record records[128];
    static wsrt_history_entry entries[128];
    static char buf[131072];
    wsrt_span session = wsrt_span_cstr("s");
    wsrt_cursor c = {0}, d = {0}, e = {0};
    size_t n, used = 0;

    records[0].struct_size = sizeof records[0];
    entries[0].struct_size = sizeof entries[0];
    ck_assert_int_eq(s->ops->each(s->self, NULL, 0, &c, NOW, records, 128, buf, sizeof buf, &n),
                     WSRT_OK);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(seen + used, room - used, "%.*s(%.*s,%.*s) ",
                                 (int)records[i].connection_id.len, records[i].connection_id.ptr,
                                 (int)records[i].user_id.len, records[i].user_id.ptr,
                                 (int)records[i].filters.len, records[i].filters.ptr);
    ck_assert_int_eq(h->ops->list(h->self, &session, &d, NOW, entries, 128, buf, sizeof buf, &n),
                     WSRT_OK);
    for (size_t i = 0; i < n; i++)
        used +=
            (size_t)snprintf(seen + used, room - used, "%lld ", (long long)entries[i].timestamp);
    values[0].struct_size = sizeof values[0];
    ck_assert_int_eq(l->ops->each(l->self, &e, values, 128, buf, sizeof buf, &n), WSRT_OK);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(seen + used, room - used, "%.*s=%.*s ", (int)values[i].key.len,
                                 values[i].key.ptr, (int)values[i].value.len, values[i].value.ptr);
}

static int step(wsrt_store *s, wsrt_history *h, const wsrt_latest *l, int number)
{
    wsrt_span id = wsrt_span_cstr("connection000001"), text = wsrt_span_cstr("text"), none = {0};

    if (number < 60)
        return put_number(s, number, number % 2 == 0 ? "ann" : "", 0);
    if (number < 120)
        return append_number(h, number);
    if (number == 120)
        return s->ops->set_filters(s->self, &id, &text);
    if (number == 121)
        return s->ops->set_principal(s->self, &id, &text, &none);
    if (number == 122)
        return put_number(s, 1, "bob", 0);
    return put_value(l, number < 150 ? number : 130, "some value");
}

/* Fails each allocation of a busy life once; after a refusal everything is as before, and the same
 * step then works. With `sticky` all that follow are refused too, until the check is over. */
START_TEST(a_refused_allocation_changes_nothing)
{
    static char before[16384], after[16384];
    struct heap heap;
    wsrt_store s;
    wsrt_history h;
    wsrt_latest l;
    wsrt_memory_store *m = NULL;

    heap_init(&heap);
    wsrt_memory_store_options o = options(&heap);
    heap_arm(&heap, 1, _i);
    ck_assert_int_eq(wsrt_memory_store_new(&m, &o), WSRT_ERR_NOMEM);
    ck_assert_ptr_null(m);
    ck_assert_uint_eq(heap.live, 0);
    heap.points++;
    heap_arm(&heap, 0, 0);
    m = make(&o, &s, &h);
    wsrt_memory_store_latest(m, &l);
    for (int number = 0; number < 155; number++) {
        dump(&s, &h, &l, before, sizeof before);
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, _i);
            int rc = step(&s, &h, &l, number);
            if (!heap.tripped) {
                ck_assert_int_eq(rc, WSRT_OK);
                break;
            }
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            dump(&s, &h, &l, after, sizeof after);
            ck_assert_str_eq(after, before);
            ck_assert_uint_eq(wsrt_memory_store_bytes(m), heap.live);
            heap.points++;
        }
    }
    heap_arm(&heap, 0, 0);
    wsrt_memory_store_free(m);
    ck_assert_uint_eq(heap.live, 0);
    ck_assert_uint_ge(heap.points, 120);
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("store_memory");
    TCase *t = tcase_create("memory"), *many = tcase_create("very many");

    suite_add_tcase(s, store_suite(&memory));
    suite_add_tcase(s, latest_suite(&memory_latest));
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_cap_of_records_is_kept_and_expired_ones_make_room);
    tcase_add_test(t, a_cursor_with_the_place_of_another_user_shows_none_of_theirs);
    tcase_add_test(t, beyond_the_cap_the_message_that_arrived_first_goes);
    tcase_add_test(t, the_order_of_arrival_survives_messages_that_expire);
    tcase_add_test(t, expired_records_are_found_among_many_pages);
    tcase_add_test(t, the_cap_of_latest_values_is_kept);
    tcase_add_test(t, options_without_sense_are_refused);
    tcase_add_loop_test(t, a_refused_allocation_changes_nothing, 0, 2);
    suite_add_tcase(s, t);
    tcase_set_timeout(many, 60);
    tcase_set_tags(many, SLOW);
    tcase_add_test(many, a_hundred_thousand_idle_records_take_at_most_130_bytes_each);
    suite_add_tcase(s, many);
    return s;
}
