/* A feed at its edges: bad arguments, batches that overflow, tables and stores that fail. */
#include "heap.h"
#include "suite.h"

#include <wsrt/stream.h>

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})
#define UPDATE "{\"data\":{\"entity_id\":\"a\",\"v\":1}}"

enum { WALL = 1000000 };

static struct {
    wsrt_feed *feed;
    wsrt_memory_store *memory;
    wsrt_store store;
    wsrt_latest latest;
    struct heap heap;
    size_t messages, updates, warnings, buried;
    int no_entropy;
    int post; /* what a post is answered with */
    size_t failing_puts;
    char last[2048];
} w;

static int64_t world_time(void *user)
{
    (void)user;
    return WALL;
}

static int world_random(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 7, len);
    return w.no_entropy ? WSRT_ERR_IO : WSRT_OK;
}

static void world_log(void *user, int level, const char *event, const wsrt_field *f, size_t n)
{
    (void)user;
    (void)event;
    (void)f;
    ck_assert_uint_eq(n, 2);
    w.warnings += level == WSRT_LEVEL_WARN;
}

static int world_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self;
    (void)id;
    w.messages++;
    for (size_t i = 0; i + 5 < post->data.len; i++)
        w.updates += memcmp(post->data.ptr + i, "\"data\"", 6) == 0;
    snprintf(w.last, sizeof w.last, "%.*s", (int)post->data.len, post->data.ptr);
    return w.post;
}

static int failing_put(void *self, const wsrt_latest_entry *entry)
{
    if (w.failing_puts > 0 && --w.failing_puts == 0)
        return WSRT_ERR_IO;
    return w.latest.ops->put(self, entry);
}

static void bury(void *user, const wsrt_change *change, int status)
{
    (void)user;
    (void)change;
    w.buried += status == WSRT_ERR_REJECTED || status == WSRT_ERR_TOO_LARGE;
}

static wsrt_feed_options options(void)
{
    static const wsrt_sender_ops ops = {.struct_size = sizeof ops, .post = world_post};
    static const wsrt_sender sender = {&ops, NULL};
    static const wsrt_env env = {.struct_size = sizeof env,
                                 .now = world_time,
                                 .wall = world_time,
                                 .random = world_random,
                                 .log = world_log};

    return (wsrt_feed_options){.struct_size = sizeof(wsrt_feed_options),
                               .allocator = w.heap.allocator,
                               .env = &env,
                               .sender = &sender,
                               .store = &w.store,
                               .latest = &w.latest,
                               .dead_letter = bury};
}

static void remake(const wsrt_feed_options *o)
{
    wsrt_feed_free(w.feed);
    ck_assert_int_eq(wsrt_feed_new(&w.feed, o), WSRT_OK);
}

static void set_up(void)
{
    memset(&w, 0, sizeof w);
    heap_init(&w.heap);
    const wsrt_memory_store_options o = {.struct_size = sizeof o, .allocator = w.heap.allocator};
    ck_assert_int_eq(wsrt_memory_store_new(&w.memory, &o), WSRT_OK);
    wsrt_memory_store_connections(w.memory, &w.store);
    wsrt_memory_store_latest(w.memory, &w.latest);
    wsrt_feed_options f = options();
    remake(&f);
}

static void tear_down(void)
{
    wsrt_feed_free(w.feed);
    wsrt_memory_store_free(w.memory);
    ck_assert_uint_eq(w.heap.live, 0);
}

static int subscribe(const char *id, const char *filter, uint32_t flags)
{
    return wsrt_feed_subscribe(w.feed, wsrt_span_cstr(id), 5, wsrt_span_cstr(filter), flags, NULL);
}

static int publish(const char *text)
{
    return wsrt_feed_publish(w.feed, wsrt_span_cstr(text), NULL, NULL);
}

static void put_record(const char *id)
{
    const wsrt_record r = {
        .struct_size = sizeof r, .connection_id = wsrt_span_cstr(id), .connected_at = 5};

    ck_assert_int_eq(w.store.ops->put(w.store.self, &r, 0, 1), WSRT_OK);
}

/* ---- options ---- */

static int try_new(const wsrt_feed_options *o)
{
    wsrt_feed *f = w.feed;
    int rc = wsrt_feed_new(&f, o);

    ck_assert((rc == WSRT_OK) == (f != NULL));
    wsrt_feed_free(f);
    return rc;
}

START_TEST(caps_out_of_range_are_refused)
{
    wsrt_feed_options o[6];

    for (size_t i = 0; i < COUNT(o); i++)
        o[i] = options();
    o[0].max_message = ((uint64_t)16 << 20) + 1;
    o[1].max_subscribers = ((uint64_t)1 << 31) + 1;
    o[2].coalesce_ms = -1;
    o[3].coalesce_ms = 86400001;
    o[4].struct_size = 8;
    o[5].allocator.realloc = NULL;
    o[5].allocator.user = &w;
    for (size_t i = 0; i < COUNT(o); i++)
        ck_assert_msg(try_new(&o[i]) == WSRT_ERR_INVALID, "row %zu", i);
    o[0].max_message = (uint64_t)16 << 20;
    o[3].coalesce_ms = 86400000;
    ck_assert_int_eq(try_new(&o[0]), WSRT_OK);
    ck_assert_int_eq(try_new(&o[3]), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_new(NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_table_that_lacks_a_mandatory_function_is_refused)
{
    wsrt_latest_ops tables[4];
    wsrt_store_ops stores[5];
    wsrt_sender_ops no_post = {.struct_size = sizeof no_post};
    const wsrt_sender sender = {&no_post, NULL};
    wsrt_latest latest = w.latest;
    wsrt_store store = w.store;
    wsrt_feed_options o = options();

    for (size_t i = 0; i < COUNT(tables); i++)
        tables[i] = *w.latest.ops;
    tables[0].struct_size = 8;
    tables[1].put = NULL;
    tables[2].remove = NULL;
    tables[3].each = NULL;
    o.latest = &latest;
    for (size_t i = 0; i < COUNT(tables); i++) {
        latest.ops = &tables[i];
        ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    }
    for (size_t i = 0; i < COUNT(stores); i++)
        stores[i] = *w.store.ops;
    stores[0].struct_size = 8;
    stores[1].remove = NULL;
    stores[2].get = NULL;
    stores[3].each = NULL;
    stores[4].set_filters = NULL;
    o = options();
    o.store = &store;
    for (size_t i = 0; i < COUNT(stores); i++) {
        store.ops = &stores[i];
        o.flags = 0;
        ck_assert_int_eq(try_new(&o), i < 2 ? WSRT_ERR_INVALID : WSRT_OK);
        o.flags = WSRT_FEED_STORED;
        ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    }
    o = options();
    o.sender = &sender;
    ck_assert_int_eq(try_new(&o), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_set_sender(w.feed, &sender), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_set_sender(NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(calls_on_nothing_are_refused)
{
    char answer[128];
    size_t len;
    wsrt_filter_error why;

    ck_assert_int_eq(wsrt_feed_subscribe(NULL, TEXT("c1"), 0, TEXT("{}"), 0, &why),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_unsubscribe(NULL, TEXT("c1"), TEXT("{}"), &why), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_unsubscribe(w.feed, TEXT("no id"), TEXT("{}"), &why),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_publish(NULL, TEXT("{}"), NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_publish(w.feed, (wsrt_span){NULL, 1}, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_publish(w.feed, (wsrt_span){NULL, 0}, NULL, NULL), WSRT_OK);
    ck_assert_int_eq(
        wsrt_feed_publish(w.feed, TEXT(UPDATE), NULL, &(wsrt_feed_report){.struct_size = 8}),
        WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_changes(NULL, TEXT("{}"), answer, 128, &len, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_changes(w.feed, TEXT("{}"), NULL, 128, &len, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_changes(w.feed, TEXT("{}"), answer, 128, NULL, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_changes(w.feed, TEXT("{}"), answer, 128, &len,
                                       &(wsrt_feed_report){.struct_size = 8}),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_tick(NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_feed_next_deadline(NULL), INT64_MAX);
    wsrt_feed_forget(NULL, TEXT("c1"));
    ck_assert_uint_eq(w.messages, 0);
}
END_TEST

START_TEST(without_a_sender_nothing_is_told)
{
    wsrt_feed_options o = options();
    char answer[128];
    size_t len;

    o.sender = NULL;
    o.coalesce_ms = 10;
    remake(&o);
    ck_assert_int_eq(subscribe("c1", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_changes(w.feed, TEXT("{\"Records\":[]}"), answer, 128, &len, NULL),
                     WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_feed_set_sender(w.feed, options().sender), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_set_sender(w.feed, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_tick(w.feed, INT64_MAX, NULL), WSRT_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(an_entity_has_the_members_that_its_feed_says)
{
    wsrt_feed_options o = options();

    o.type_member = TEXT("kind");
    o.id_member = TEXT("name");
    remake(&o);
    ck_assert_int_eq(publish("[{\"data\":{\"kind\":\"k\",\"name\":\"n\",\"v\":1}},"
                             "{\"data\":{\"kind\":\"k\",\"name\":\"n\",\"v\":2}},"
                             "{\"data\":{\"kind\":7,\"name\":7,\"v\":3}},"
                             "{\"data\":{\"kind\":\"k\",\"name\":null,\"v\":4}}]"),
                     WSRT_OK);
    ck_assert_int_eq(subscribe("c1", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_OK);
    ck_assert_uint_eq(w.updates, 2);
    ck_assert_ptr_nonnull(strstr(w.last, "\"v\":2"));
    ck_assert_ptr_nonnull(strstr(w.last, "\"v\":3"));
}
END_TEST

START_TEST(an_entity_whose_name_is_too_long_is_told_and_not_kept)
{
    char text[400], id[256];

    memset(id, 'x', sizeof id);
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    snprintf(text, sizeof text, "{\"data\":{\"entity_id\":\"%.254s\"}}", id);
    ck_assert_int_eq(publish(text), WSRT_OK);
    snprintf(text, sizeof text, "{\"data\":{\"entity_id\":\"%.255s\"}}", id);
    ck_assert_int_eq(publish(text), WSRT_OK);
    ck_assert_uint_eq(w.updates, 2);
    ck_assert_int_eq(subscribe("c2", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_OK);
    ck_assert_uint_eq(w.updates, 3);
}
END_TEST

/* ---- what fails on the way ---- */

START_TEST(without_entropy_an_update_has_no_id_and_is_not_told)
{
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    w.no_entropy = 1;
    ck_assert_int_eq(publish(UPDATE), WSRT_ERR_IO);
    ck_assert_uint_eq(w.messages, 0);
}
END_TEST

START_TEST(who_is_gone_is_removed_where_there_is_a_store)
{
    wsrt_feed_options o = options();

    put_record("c1");
    w.post = WSRT_ERR_GONE;
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
    o.store = NULL;
    remake(&o);
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.warnings, 0);
}
END_TEST

static int no_remove(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    (void)self;
    (void)id;
    (void)if_connected_at;
    return WSRT_ERR_UNAVAILABLE;
}

START_TEST(a_record_that_cannot_be_removed_is_warned_of)
{
    wsrt_feed_options o = options();
    wsrt_store_ops ops = *w.store.ops;
    const wsrt_store store = {&ops, w.store.self};

    ops.remove = no_remove;
    o.store = &store;
    remake(&o);
    w.post = WSRT_ERR_GONE;
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.warnings, 1);
}
END_TEST

START_TEST(a_snapshot_that_is_not_taken_subscribes_nobody)
{
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    w.post = WSRT_ERR_UNAVAILABLE;
    ck_assert_int_eq(subscribe("c1", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_ERR_UNAVAILABLE);
    w.post = WSRT_OK;
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
}
END_TEST

START_TEST(a_value_in_the_table_that_is_no_update_is_passed_by)
{
    static const char *const values[] = {"{}", "{\"eventType\":\"MODIFY\"}", "[]", "text"};

    for (size_t i = 0; i < COUNT(values); i++) {
        const wsrt_latest_entry e = {.struct_size = sizeof e,
                                     .key = wsrt_span_cstr(values[i]),
                                     .value = wsrt_span_cstr(values[i])};
        ck_assert_int_eq(w.latest.ops->put(w.latest.self, &e), WSRT_OK);
    }
    ck_assert_int_eq(subscribe("c1", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_OK);
    ck_assert_uint_eq(w.messages, 0);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
}
END_TEST

/* ---- stored subscriptions ---- */

static void begin_stored(uint32_t max_filters)
{
    wsrt_feed_options o = options();

    o.flags = WSRT_FEED_STORED;
    o.max_filters = max_filters;
    remake(&o);
    put_record("c1");
}

static int set_filters(const char *id, const char *text)
{
    const wsrt_span name = wsrt_span_cstr(id), filters = wsrt_span_cstr(text);

    return w.store.ops->set_filters(w.store.self, &name, &filters);
}

START_TEST(subscriptions_that_cannot_be_read_are_warned_of_and_not_changed)
{
    static const char *const damaged[] = {"[", "{}", "[{\"v\":7}]", "[7]", "[\"x\"]"};

    begin_stored(0);
    for (size_t i = 0; i < COUNT(damaged); i++) {
        ck_assert_int_eq(set_filters("c1", damaged[i]), WSRT_OK);
        w.warnings = 0;
        ck_assert_int_eq(publish(UPDATE), WSRT_OK);
        ck_assert_uint_eq(w.warnings, 1);
        ck_assert_uint_eq(w.messages, 0);
        ck_assert_int_eq(subscribe("c1", "{}", 0), i < 2 ? WSRT_ERR_CORRUPT : WSRT_OK);
    }
}
END_TEST

START_TEST(a_stored_set_of_too_many_filters_is_warned_of)
{
    char text[512] = "[";

    for (int i = 0; i < 17; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"v\":[%d]}",
                 i > 0 ? "," : "", i);
    strcat(text, "]");
    begin_stored(0);
    ck_assert_int_eq(set_filters("c1", text), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.warnings, 1);
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(a_set_that_would_be_longer_than_a_record_takes_is_refused)
{
    static char filter[8192];
    size_t len = 0;

    begin_stored(0);
    len += (size_t)snprintf(filter, sizeof filter, "{\"v\":[\"");
    memset(filter + len, 'x', 4100);
    strcpy(filter + len + 4100, "\"]}");
    ck_assert_int_eq(subscribe("c1", filter, 0), WSRT_OK);
    filter[len] = 'y';
    ck_assert_int_eq(subscribe("c1", filter, 0), WSRT_ERR_LIMIT);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.warnings, 0);
}
END_TEST

START_TEST(filters_that_nobody_holds_any_more_make_room_for_others)
{
    begin_stored(1);
    ck_assert_int_eq(subscribe("c1", "{\"v\":[1]}", 0), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
    ck_assert_int_eq(wsrt_feed_unsubscribe(w.feed, TEXT("c1"), TEXT(""), NULL), WSRT_OK);
    ck_assert_int_eq(subscribe("c1", "{\"v\":{\"gt\":0}}", 0), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE), WSRT_OK);
    ck_assert_uint_eq(w.messages, 2);
    ck_assert_uint_eq(w.warnings, 0);
}
END_TEST

START_TEST(who_has_no_record_is_unsubscribed_already)
{
    begin_stored(0);
    ck_assert_int_eq(wsrt_feed_unsubscribe(w.feed, TEXT("c2"), TEXT("{}"), NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_unsubscribe(w.feed, TEXT("c1"), TEXT("{}"), NULL), WSRT_OK);
    wsrt_feed_forget(w.feed, TEXT("c1"));
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_unsubscribe(w.feed, TEXT("c1"), TEXT("7"), NULL), WSRT_ERR_REJECTED);
}
END_TEST

/* ---- change records ---- */

/* `count` records, numbered from 1. */
static const char *many_records(int count)
{
    static char event[65536];
    size_t len = (size_t)snprintf(event, sizeof event, "{\"Records\":[");

    for (int i = 1; i <= count; i++)
        len += (size_t)snprintf(
            event + len, sizeof event - len,
            "%s{\"eventName\":\"INSERT\",\"dynamodb\":{\"NewImage\":{\"entity_id\":{\"S\":\"e%d\"},"
            "\"v\":{\"N\":\"%d\"}},\"SequenceNumber\":\"%d\"}}",
            i > 1 ? "," : "", i, i, i);
    snprintf(event + len, sizeof event - len, "]}");
    return event;
}

START_TEST(records_beyond_a_batch_are_told_in_the_next)
{
    char answer[128];
    size_t len;
    wsrt_feed_report report = {.struct_size = sizeof report};

    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(wsrt_feed_changes(w.feed, wsrt_span_cstr(many_records(150)), answer,
                                       sizeof answer, &len, &report),
                     WSRT_OK);
    ck_assert_str_eq(answer, "{\"batchItemFailures\":[]}");
    ck_assert_uint_eq(report.updates, 150);
    ck_assert_uint_eq(w.updates, 150);
}
END_TEST

START_TEST(a_later_batch_that_fails_is_named_and_the_earlier_is_not_told_again)
{
    wsrt_feed_options o = options();
    wsrt_latest_ops ops = *w.latest.ops;
    const wsrt_latest latest = {&ops, w.latest.self};
    char answer[128];
    size_t len;

    ops.put = failing_put;
    ops.change = NULL;
    o.latest = &latest;
    o.attempts = 1;
    remake(&o);
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    w.failing_puts = 70;
    ck_assert_int_eq(wsrt_feed_changes(w.feed, wsrt_span_cstr(many_records(80)), answer,
                                       sizeof answer, &len, NULL),
                     WSRT_OK);
    ck_assert_str_eq(answer, "{\"batchItemFailures\":[{\"itemIdentifier\":\"65\"}]}");
    ck_assert_uint_eq(w.updates, 64);
    ck_assert_int_eq(wsrt_feed_changes(w.feed, wsrt_span_cstr(many_records(80)), answer,
                                       sizeof answer, &len, NULL),
                     WSRT_OK);
    ck_assert_str_eq(answer, "{\"batchItemFailures\":[]}");
    ck_assert_uint_ge(w.updates, 75); /* what the table had kept is not news */
}
END_TEST

START_TEST(an_answer_that_does_not_fit_says_so)
{
    char answer[4];
    size_t len;

    ck_assert_int_eq(
        wsrt_feed_changes(w.feed, TEXT("{\"Records\":[]}"), answer, sizeof answer, &len, NULL),
        WSRT_ERR_LIMIT);
    ck_assert_uint_eq(len, sizeof "{\"batchItemFailures\":[]}" - 1);
}
END_TEST

static const struct {
    const char *time;
    int64_t created_at;
} times[] = {{"1", 1000}, {"1.5", 1500}, {"0", 0},     {"-1", 0},
             {"9e12", 0}, {"1e400", 0},  {"\"1\"", 0}, {"8999999999999", 8999999999999000}};

START_TEST(a_records_time_is_a_number_of_seconds_or_not_told)
{
    char event[256];
    wsrt_json records;
    wsrt_json_iter it = {0};
    wsrt_change c = {.struct_size = sizeof c};

    snprintf(event, sizeof event,
             "{\"Records\":[{\"eventName\":\"MODIFY\",\"dynamodb\":{"
             "\"ApproximateCreationDateTime\":%s}}]}",
             times[_i].time);
    ck_assert_int_eq(wsrt_changes_open(wsrt_span_cstr(event), &records, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_changes_next(&records, &it, &c), WSRT_OK);
    ck_assert_int_eq(c.created_at, times[_i].created_at);
    ck_assert_int_eq(wsrt_changes_next(&records, &it, &c), WSRT_ERR_NOT_FOUND);
}
END_TEST

static const struct {
    const char *number;
    int status;
} sequences[] = {{"\"\"", WSRT_ERR_REJECTED},
                 {"\"0\"", WSRT_OK},
                 {"\"9\"", WSRT_OK},
                 {"\"/\"", WSRT_ERR_REJECTED},
                 {"\":\"", WSRT_ERR_REJECTED},
                 {"7", WSRT_ERR_REJECTED},
                 {"\"1234567890123456789012345678901234567890\"", WSRT_OK},
                 {"\"12345678901234567890123456789012345678901\"", WSRT_ERR_REJECTED}};

START_TEST(a_records_number_has_one_to_forty_digits)
{
    char event[256];
    wsrt_json records;
    wsrt_json_iter it = {0};
    wsrt_change c = {.struct_size = sizeof c};

    snprintf(event, sizeof event,
             "{\"Records\":[{\"eventName\":\"MODIFY\",\"dynamodb\":{\"SequenceNumber\":%s,"
             "\"Keys\":{}}}]}",
             sequences[_i].number);
    ck_assert_int_eq(wsrt_changes_open(wsrt_span_cstr(event), &records, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_changes_next(&records, &it, &c), sequences[_i].status);
    ck_assert_uint_gt(c.record.len, 0);
}
END_TEST

START_TEST(records_are_asked_for_with_all_arguments)
{
    wsrt_json records = {.kind = WSRT_JSON_ARRAY, .text = TEXT("[7]")};
    wsrt_json_iter it = {0};
    wsrt_change c = {.struct_size = sizeof c}, unsized = {.struct_size = 8};
    wsrt_json_writer writer;
    char out[64];

    ck_assert_int_eq(wsrt_changes_open(TEXT("{\"Records\":[]}"), NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_changes_next(NULL, &it, &c), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_changes_next(&records, NULL, &c), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_changes_next(&records, &it, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_changes_next(&records, &it, &unsized), WSRT_ERR_INVALID);
    wsrt_json_writer_init(&writer, out, sizeof out, 0);
    ck_assert_int_eq(wsrt_attributes_write(NULL, TEXT("{}")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_attributes_write(&writer, (wsrt_span){NULL, 2}), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_attributes_write(&writer, TEXT("")), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_name_of_an_attribute_with_escapes_has_up_to_255_bytes)
{
    char attributes[512], out[512];
    wsrt_json_writer writer;

    for (int len = 255; len <= 256; len++) {
        snprintf(attributes, sizeof attributes, "{\"\\u0061%0*d\":{\"NULL\":true}}", len - 1, 0);
        wsrt_json_writer_init(&writer, out, sizeof out, 0);
        ck_assert_int_eq(wsrt_attributes_write(&writer, wsrt_span_cstr(attributes)),
                         len == 255 ? WSRT_OK : WSRT_ERR_REJECTED);
    }
}
END_TEST

/* ---- filters ---- */

START_TEST(a_filter_is_made_with_all_arguments)
{
    wsrt_filter *f = NULL;
    const wsrt_allocator none = {NULL, &w};

    ck_assert_int_eq(wsrt_filter_new(NULL, TEXT("{}"), NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_filter_new(&f, (wsrt_span){NULL, 0}, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_filter_new(&f, TEXT("{}"), &none, NULL), WSRT_ERR_INVALID);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(wsrt_filter_text(NULL).len, 0);
    ck_assert_int_eq(wsrt_filter_matches(NULL, TEXT("MODIFY"), TEXT("{}")), 0);
    wsrt_filter_free(NULL);
}
END_TEST

START_TEST(a_refused_allocation_makes_no_filter)
{
    char text[6000] = "{\"v\":[\"";
    wsrt_filter *f = NULL;

    memset(text + strlen(text), 'x', 4000);
    strcat(text, "\",\"y\",1]}");
    for (size_t n = 1;; n++) {
        heap_arm(&w.heap, n, 0);
        int rc = wsrt_filter_new(&f, wsrt_span_cstr(text), &w.heap.allocator, NULL);
        if (!heap_disarm(&w.heap))
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_ptr_null(f);
    }
    ck_assert_ptr_nonnull(f);
    wsrt_filter_free(f);
}
END_TEST

static const struct {
    const char *filter, *data;
    int holds;
} matches[] = {
    {"{\"v\":{\"gt\":1}}", "{\"v\":1}", 0},      {"{\"v\":{\"gt\":1}}", "{\"v\":1.5}", 1},
    {"{\"v\":{\"gte\":1}}", "{\"v\":1}", 1},     {"{\"v\":{\"gte\":1}}", "{\"v\":0.5}", 0},
    {"{\"v\":{\"lt\":1}}", "{\"v\":1}", 0},      {"{\"v\":{\"lt\":1}}", "{\"v\":0.5}", 1},
    {"{\"v\":{\"lte\":1}}", "{\"v\":1}", 1},     {"{\"v\":{\"lte\":1}}", "{\"v\":1.5}", 0},
    {"{\"v\":{\"gt\":1}}", "{\"v\":1e999}", 0},  {"{\"v\":[1]}", "{\"v\":1e999}", 0},
    {"{\"v\":[\"\",\"a\"]}", "{\"v\":\"\"}", 1}, {"{\"v\":[\"\",\"a\"]}", "{\"v\":\"b\"}", 0},
};

START_TEST(a_filter_holds_at_its_bounds)
{
    wsrt_filter *f;

    ck_assert_int_eq(wsrt_filter_new(&f, wsrt_span_cstr(matches[_i].filter), NULL, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_filter_matches(f, TEXT("MODIFY"), wsrt_span_cstr(matches[_i].data)),
                     matches[_i].holds);
    wsrt_filter_free(f);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("stream_bounds");
    TCase *t = tcase_create("bounds");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, caps_out_of_range_are_refused);
    tcase_add_test(t, a_table_that_lacks_a_mandatory_function_is_refused);
    tcase_add_test(t, calls_on_nothing_are_refused);
    tcase_add_test(t, without_a_sender_nothing_is_told);
    tcase_add_test(t, an_entity_has_the_members_that_its_feed_says);
    tcase_add_test(t, an_entity_whose_name_is_too_long_is_told_and_not_kept);
    tcase_add_test(t, without_entropy_an_update_has_no_id_and_is_not_told);
    tcase_add_test(t, who_is_gone_is_removed_where_there_is_a_store);
    tcase_add_test(t, a_record_that_cannot_be_removed_is_warned_of);
    tcase_add_test(t, a_snapshot_that_is_not_taken_subscribes_nobody);
    tcase_add_test(t, a_value_in_the_table_that_is_no_update_is_passed_by);
    tcase_add_test(t, subscriptions_that_cannot_be_read_are_warned_of_and_not_changed);
    tcase_add_test(t, a_stored_set_of_too_many_filters_is_warned_of);
    tcase_add_test(t, a_set_that_would_be_longer_than_a_record_takes_is_refused);
    tcase_add_test(t, filters_that_nobody_holds_any_more_make_room_for_others);
    tcase_add_test(t, who_has_no_record_is_unsubscribed_already);
    tcase_add_test(t, records_beyond_a_batch_are_told_in_the_next);
    tcase_add_test(t, a_later_batch_that_fails_is_named_and_the_earlier_is_not_told_again);
    tcase_add_test(t, an_answer_that_does_not_fit_says_so);
    tcase_add_loop_test(t, a_records_time_is_a_number_of_seconds_or_not_told, 0, (int)COUNT(times));
    tcase_add_loop_test(t, a_records_number_has_one_to_forty_digits, 0, (int)COUNT(sequences));
    tcase_add_test(t, records_are_asked_for_with_all_arguments);
    tcase_add_test(t, a_name_of_an_attribute_with_escapes_has_up_to_255_bytes);
    tcase_add_test(t, a_filter_is_made_with_all_arguments);
    tcase_add_test(t, a_refused_allocation_makes_no_filter);
    tcase_add_loop_test(t, a_filter_holds_at_its_bounds, 0, (int)COUNT(matches));
    suite_add_tcase(s, t);
    return s;
}
