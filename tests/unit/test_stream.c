#include "heap.h"
#include "suite.h"

#include <wsrt/stream.h>

#include <stdio.h>
#include <string.h>

/* ---- a feed in a world of its own ----------------------------------------------------------- */

enum { MESSAGES = 600, TEXT = 16384 };

static struct {
    wsrt_feed *feed;
    wsrt_memory_store *memory;
    struct heap heap;
    wsrt_store store;
    wsrt_latest latest;
    int64_t now;
    size_t messages;
    size_t failing_pages; /* the next walks over the store fail */
    size_t failing_puts;
    struct {
        char id[16];
        char text[TEXT];
        size_t len;
    } sent[MESSAGES];
    const char *gone;
    size_t buried;
    int buried_status;
    wsrt_feed_report report;
    char answer[256];
} w;

static int64_t world_now(void *user)
{
    (void)user;
    return w.now;
}

static int64_t world_wall(void *user)
{
    (void)user;
    return 1795168831000;
}

static int world_random(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 7, len);
    return WSRT_OK;
}

static void world_log(void *user, int level, const char *event, const wsrt_field *f, size_t n)
{
    (void)user;
    (void)level;
    (void)event;
    (void)f;
    (void)n;
}

static int world_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self;
    if (w.gone != NULL && wsrt_span_equal(*id, wsrt_span_cstr(w.gone)))
        return WSRT_ERR_GONE;
    ck_assert_uint_lt(w.messages, MESSAGES);
    snprintf(w.sent[w.messages].id, sizeof w.sent[0].id, "%.*s", (int)id->len, id->ptr);
    snprintf(w.sent[w.messages].text, TEXT, "%.*s", (int)post->data.len, post->data.ptr);
    ck_assert_int_eq(wsrt_json_parse(NULL, post->data, NULL), WSRT_OK);
    w.sent[w.messages++].len = post->data.len;
    return WSRT_OK;
}

static const wsrt_sender_ops world_sender = {.struct_size = sizeof world_sender,
                                             .post = world_post};

static int failing_each(void *self, const wsrt_span *user, uint32_t flags, wsrt_cursor *cursor,
                        int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                        size_t *count)
{
    (void)self;
    if (w.failing_pages > 0) {
        w.failing_pages--;
        return WSRT_ERR_UNAVAILABLE;
    }
    return w.store.ops->each(w.store.self, user, flags, cursor, now_s, out, max > 2 ? 2 : max, buf,
                             cap, count);
}

static int failing_put(void *self, const wsrt_latest_entry *entry)
{
    (void)self;
    if (w.failing_puts > 0) {
        w.failing_puts--;
        return WSRT_ERR_IO;
    }
    return w.latest.ops->put(w.latest.self, entry);
}

static void bury(void *user, const wsrt_change *change, int status)
{
    (void)user;
    ck_assert_uint_gt(change->record.len, 0);
    w.buried++;
    w.buried_status = status;
}

static wsrt_feed_options options(void)
{
    static wsrt_env env;
    static wsrt_sender sender;

    env = (wsrt_env){.struct_size = sizeof env,
                     .now = world_now,
                     .wall = world_wall,
                     .random = world_random,
                     .log = world_log};
    sender = (wsrt_sender){&world_sender, NULL};
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
    ck_assert_int_eq(wsrt_memory_store_new(&w.memory, NULL), WSRT_OK);
    wsrt_memory_store_connections(w.memory, &w.store);
    wsrt_memory_store_latest(w.memory, &w.latest);
    wsrt_feed_options o = options();
    remake(&o);
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
    w.report = (wsrt_feed_report){.struct_size = sizeof w.report};
    return wsrt_feed_publish(w.feed, wsrt_span_cstr(text), NULL, &w.report);
}

static int changes(const char *event)
{
    size_t len;

    w.report = (wsrt_feed_report){.struct_size = sizeof w.report};
    w.answer[0] = '\0';
    return wsrt_feed_changes(w.feed, wsrt_span_cstr(event), w.answer, sizeof w.answer, &len,
                             &w.report);
}

/* What a connection was sent, as "eventType id value ..." in order. */
static const char *heard(const char *id)
{
    static char words[8192];

    words[0] = '\0';
    for (size_t i = 0; i < w.messages; i++) {
        wsrt_json root = {.text = wsrt_span_cstr(w.sent[i].text), .kind = WSRT_JSON_OBJECT}, list,
                  u;
        wsrt_json_iter it = {0};
        if (strcmp(w.sent[i].id, id) != 0)
            continue;
        ck_assert_int_eq(wsrt_json_find(&root, wsrt_span_cstr("/updates"), &list), WSRT_OK);
        while (wsrt_json_next(&list, &it, NULL, &u) == WSRT_OK) {
            wsrt_json type, entity = {0}, value = {0};
            wsrt_json_find(&u, wsrt_span_cstr("/eventType"), &type);
            wsrt_json_find(&u, wsrt_span_cstr("/data/entity_id"), &entity);
            wsrt_json_find(&u, wsrt_span_cstr("/data/v"), &value);
            snprintf(words + strlen(words), sizeof words - strlen(words), "%.1s:%.*s=%.*s ",
                     type.text.ptr, (int)entity.text.len, entity.text.ptr, (int)value.text.len,
                     value.text.len == 0 ? "" : value.text.ptr);
        }
    }
    return words;
}

#define UPDATE(id, v) "{\"data\":{\"entity_type\":\"host\",\"entity_id\":\"" id "\",\"v\":" v "}}"

START_TEST(an_update_has_the_agreed_form)
{
    subscribe("c1", "{}", 0);
    ck_assert_int_eq(
        publish("{\"eventType\":\"INSERT\",\"timestamp\":12,\"data\":{\"entity_id\":1,\"x\":[1]}}"),
        WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
    ck_assert_str_eq(w.sent[0].text,
                     "{\"type\":\"METRICS_UPDATE\",\"updates\":[{\"eventType\":\"INSERT\","
                     "\"timestamp\":12,\"data\":{\"entity_id\":1,\"x\":[1]}}],"
                     "\"timestamp\":1795168831000,"
                     "\"correlationId\":\"01a1f866-8618-7707-8707-070707070707\"}");
}
END_TEST

START_TEST(only_those_whose_filter_holds_are_told)
{
    subscribe("c1", "{\"entity_id\":[\"a\"]}", 0);
    subscribe("c2", "{\"entity_id\":[\"b\"]}", 0);
    subscribe("c3", "{\"v\":{\"gte\":2}}", 0);
    ck_assert_int_eq(publish("[" UPDATE("a", "1") "," UPDATE("b", "2") "," UPDATE("c", "3") "]"),
                     WSRT_OK);
    ck_assert_str_eq(heard("c1"), "M:a=1 ");
    ck_assert_str_eq(heard("c2"), "M:b=2 ");
    ck_assert_str_eq(heard("c3"), "M:b=2 M:c=3 ");
    ck_assert_uint_eq(w.messages, 3);
    ck_assert_uint_eq(w.report.updates, 3);
    ck_assert_uint_eq(w.report.sent, 3);
}
END_TEST

START_TEST(several_filters_of_a_connection_are_alternatives_told_once)
{
    subscribe("c1", "{\"entity_id\":[\"a\"]}", 0);
    subscribe("c1", "{\"v\":[1]}", 0);
    subscribe("c1", "{\"v\":[1]}", 0);
    publish(UPDATE("a", "1"));
    publish(UPDATE("b", "1"));
    publish(UPDATE("c", "3"));
    ck_assert_str_eq(heard("c1"), "M:a=1 M:b=1 ");
}
END_TEST

START_TEST(a_filter_taken_back_is_heard_no_more)
{
    subscribe("c1", "{\"entity_id\":[\"a\"]}", 0);
    subscribe("c1", "{\"entity_id\":[\"b\"]}", 0);
    ck_assert_int_eq(wsrt_feed_unsubscribe(w.feed, wsrt_span_cstr("c1"),
                                           wsrt_span_cstr("{ \"entity_id\" : [\"a\"] }"), NULL),
                     WSRT_OK);
    publish(UPDATE("a", "1"));
    publish(UPDATE("b", "1"));
    ck_assert_str_eq(heard("c1"), "M:b=1 ");
    wsrt_feed_unsubscribe(w.feed, wsrt_span_cstr("c1"), wsrt_span_cstr(""), NULL);
    ck_assert_int_eq(
        wsrt_feed_unsubscribe(w.feed, wsrt_span_cstr("nobody"), wsrt_span_cstr(""), NULL), WSRT_OK);
    publish(UPDATE("b", "2"));
    ck_assert_str_eq(heard("c1"), "M:b=1 ");
}
END_TEST

START_TEST(equal_filters_are_judged_once)
{
    char id[16];

    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "c%d", i);
        subscribe(id, i % 2 == 0 ? "{\"v\":[1]}" : "{\"v\":{\"gt\":1}}", 0);
    }
    publish("[" UPDATE("a", "1") "," UPDATE("b", "1") "]");
    ck_assert_uint_eq(w.report.evaluations, 4);
    ck_assert_uint_eq(w.report.sent, 250);
}
END_TEST

START_TEST(who_left_is_forgotten_and_nobody_else_misses_anything)
{
    wsrt_record r = {
        .struct_size = sizeof r, .connection_id = wsrt_span_cstr("c2"), .connected_at = 5};
    uint64_t left;

    w.store.ops->put(w.store.self, &r, 0, 1);
    subscribe("c1", "{}", 0);
    subscribe("c2", "{}", 0);
    subscribe("c3", "{}", 0);
    w.gone = "c2";
    ck_assert_int_eq(publish(UPDATE("a", "1")), WSRT_OK);
    ck_assert_uint_eq(w.report.attempted, 3);
    ck_assert_uint_eq(w.report.gone, 1);
    ck_assert_uint_eq(w.report.sent, 2);
    w.store.ops->count(w.store.self, 1, &left);
    ck_assert_uint_eq(left, 0);
    publish(UPDATE("a", "2"));
    ck_assert_uint_eq(w.report.attempted, 2);
    wsrt_feed_forget(w.feed, wsrt_span_cstr("c3"));
    wsrt_feed_forget(w.feed, wsrt_span_cstr("c3"));
    publish(UPDATE("a", "3"));
    ck_assert_uint_eq(w.report.attempted, 1);
}
END_TEST

START_TEST(lines_and_arrays_are_many_updates)
{
    subscribe("c1", "{}", 0);
    ck_assert_int_eq(
        publish(UPDATE("a", "1") "\n\r\n  \n" UPDATE("b", "2") "\r\n[" UPDATE("c", "3") "]"),
        WSRT_OK);
    ck_assert_str_eq(heard("c1"), "M:a=1 M:b=2 M:c=3 ");
    ck_assert_int_eq(publish(""), WSRT_OK);
    ck_assert_int_eq(publish("[]"), WSRT_OK);
}
END_TEST

static const struct {
    const char *text;
    int status;
    size_t offset;
} bad_updates[] = {
    {"{", WSRT_ERR_MALFORMED, 1},
    {UPDATE("a", "1") "\n{\"data\":}", WSRT_ERR_MALFORMED, 62},
    {"7", WSRT_ERR_REJECTED, 0},
    {"[" UPDATE("a", "1") ",[]]", WSRT_ERR_REJECTED, 55},
    {"{}", WSRT_ERR_REJECTED, 0},
    {"{\"data\":[]}", WSRT_ERR_REJECTED, 0},
    {"{\"data\":{},\"eventType\":\"UPSERT\"}", WSRT_ERR_REJECTED, 24},
    {"{\"data\":{},\"timestamp\":1.5}", WSRT_ERR_REJECTED, 23},
};

START_TEST(nothing_is_told_of_a_text_with_a_fault)
{
    wsrt_json_error why = {0};

    subscribe("c1", "{}", 0);
    ck_assert_int_eq(wsrt_feed_publish(w.feed, wsrt_span_cstr(bad_updates[_i].text), &why, NULL),
                     bad_updates[_i].status);
    ck_assert_uint_eq(why.offset, bad_updates[_i].offset);
    ck_assert_uint_eq(w.messages, 0);
}
END_TEST

START_TEST(messages_stay_below_the_cap_and_keep_their_order)
{
    static char text[60000];
    wsrt_feed_options o = options();
    char wanted[8192] = "";

    o.max_message = 1024;
    remake(&o);
    subscribe("c1", "{}", 0);
    for (int i = 0; i < 200; i++) {
        snprintf(text + strlen(text), 128, UPDATE("e%03d", "%d") "\n", i, i);
        snprintf(wanted + strlen(wanted), 24, "M:e%03d=%d ", i, i);
    }
    ck_assert_int_eq(publish(text), WSRT_OK);
    ck_assert_str_eq(heard("c1"), wanted);
    ck_assert_uint_gt(w.messages, 10);
    for (size_t i = 0; i < w.messages; i++)
        ck_assert_uint_le(w.sent[i].len, 1024);
    memset(text, 'x', 1000);
    memcpy(text, "{\"data\":{\"a\":\"", 14);
    strcpy(text + 1000, "\"}}");
    ck_assert_int_eq(publish(text), WSRT_ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_snapshot_comes_before_the_changes_without_a_gap)
{
    publish("[" UPDATE("a", "1") "," UPDATE("b", "1") "]");
    publish(UPDATE("a", "2"));
    publish("{\"eventType\":\"REMOVE\",\"data\":{\"entity_type\":\"host\",\"entity_id\":\"b\"}}");
    publish(UPDATE("c", "9"));
    ck_assert_int_eq(subscribe("c1", "{\"v\":{\"lt\":5}}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_OK);
    ck_assert_str_eq(heard("c1"), "M:a=2 ");
    publish(UPDATE("a", "3"));
    ck_assert_str_eq(heard("c1"), "M:a=2 M:a=3 ");
}
END_TEST

START_TEST(a_large_snapshot_is_told_in_parts)
{
    char text[128];

    for (int i = 0; i < 150; i++) {
        snprintf(text, sizeof text, UPDATE("e%03d", "%d"), i, i);
        publish(text);
    }
    ck_assert_int_eq(subscribe("c1", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_OK);
    ck_assert_uint_eq(w.messages, 3);
    ck_assert_ptr_nonnull(strstr(heard("c1"), "e000=0 "));
    ck_assert_ptr_nonnull(strstr(heard("c1"), "e149=149 "));
}
END_TEST

START_TEST(an_update_older_than_what_is_known_is_not_told)
{
    subscribe("c1", "{}", 0);
    publish("{\"timestamp\":20,\"data\":{\"entity_id\":\"a\",\"v\":2}}");
    publish("{\"timestamp\":19,\"data\":{\"entity_id\":\"a\",\"v\":1}}");
    ck_assert_uint_eq(w.report.stale, 1);
    publish("{\"timestamp\":20,\"data\":{\"entity_id\":\"a\",\"v\":3}}");
    ck_assert_str_eq(heard("c1"), "M:a=2 M:a=3 ");
}
END_TEST

START_TEST(coalesced_updates_are_the_last_of_each_entity)
{
    wsrt_feed_options o = options();

    o.coalesce_ms = 100;
    remake(&o);
    subscribe("c1", "{}", 0);
    ck_assert(wsrt_feed_next_deadline(w.feed) == INT64_MAX);
    w.now = 1000;
    publish(
        "[" UPDATE("a", "1") "," UPDATE("b", "1") "," UPDATE("a", "2") ",{\"data\":{\"v\":0}}]");
    w.now = 50000;
    publish("[" UPDATE("a", "3") ",{\"data\":{\"v\":0}}]");
    ck_assert_uint_eq(w.messages, 0);
    ck_assert(wsrt_feed_next_deadline(w.feed) == 100001000);
    ck_assert_int_eq(wsrt_feed_tick(w.feed, 100000999, NULL), WSRT_OK);
    ck_assert_uint_eq(w.messages, 0);
    ck_assert_int_eq(wsrt_feed_tick(w.feed, 100001000, NULL), WSRT_OK);
    ck_assert_str_eq(heard("c1"), "M:a=3 M:b=1 M:=0 M:=0 ");
    ck_assert_uint_eq(w.messages, 1);
    ck_assert(wsrt_feed_next_deadline(w.feed) == INT64_MAX);
    publish(UPDATE("a", "4"));
}
END_TEST

#define STREAM(n, id, v)                                                                           \
    "{\"eventName\":\"INSERT\",\"dynamodb\":{\"ApproximateCreationDateTime\":1795168831,"          \
    "\"NewImage\":{\"entity_id\":{\"S\":\"" id "\"},\"v\":{" v "}},\"SequenceNumber\":\"" n "\"}}"
#define FINE "{\"batchItemFailures\":[]}"

START_TEST(a_stream_event_becomes_updates)
{
    subscribe("c1", "{}", 0);
    ck_assert_int_eq(
        changes("{\"Records\":[" STREAM(
            "1", "a", "\"N\":\"1\"") ","
                                     "{\"eventName\":\"REMOVE\",\"dynamodb\":{\"OldImage\":{"
                                     "\"entity_id\":{\"S\":\"a\"},"
                                     "\"v\":{\"N\":\"1\"}},\"Keys\":{},\"SequenceNumber\":\"2\"}},"
                                     "{\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"entity_"
                                     "id\":{\"S\":\"k\"}},"
                                     "\"SequenceNumber\":\"3\"}}]}"),
        WSRT_OK);
    ck_assert_str_eq(w.answer, FINE);
    ck_assert_str_eq(heard("c1"), "I:a=1 R:a=1 M:k= ");
    ck_assert_ptr_nonnull(strstr(w.sent[0].text, "\"timestamp\":1795168831000,\"data\""));
}
END_TEST

START_TEST(a_poisoned_record_is_handed_over_and_holds_nobody_up)
{
    static const char event[] = "{\"Records\":[" STREAM("1", "a", "\"N\":\"1\"") "," STREAM(
        "2", "b", "\"Z\":\"1\"") "," STREAM("3", "c", "\"N\":\"3\"") ",7]}";

    subscribe("c1", "{}", 0);
    ck_assert_int_eq(changes(event), WSRT_OK);
    ck_assert_str_eq(w.answer, FINE);
    ck_assert_str_eq(heard("c1"), "I:a=1 I:c=3 ");
    ck_assert_uint_eq(w.buried, 2);
    ck_assert_int_eq(w.buried_status, WSRT_ERR_REJECTED);
    ck_assert_uint_eq(w.report.poisoned, 2);
    ck_assert_int_eq(changes(event), WSRT_OK); /* only what has no number is met again */
    ck_assert_uint_eq(w.report.duplicates, 3);
    ck_assert_uint_eq(w.report.poisoned, 1);
}
END_TEST

START_TEST(what_was_told_once_is_not_told_again)
{
    subscribe("c1", "{}", 0);
    changes(
        "{\"Records\":[" STREAM("1", "a", "\"N\":\"1\"") "," STREAM("1", "a", "\"N\":\"1\"") "]}");
    ck_assert_uint_eq(w.report.duplicates, 1);
    changes(
        "{\"Records\":[" STREAM("1", "a", "\"N\":\"1\"") "," STREAM("2", "b", "\"N\":\"2\"") "]}");
    ck_assert_str_eq(w.answer, FINE);
    ck_assert_uint_eq(w.report.duplicates, 1);
    ck_assert_str_eq(heard("c1"), "I:a=1 I:b=2 ");
}
END_TEST

START_TEST(a_failing_table_is_asked_again_and_then_names_the_record)
{
    static wsrt_latest_ops ops;
    wsrt_latest failing = {&ops, NULL};
    wsrt_feed_options o = options();

    ops = *w.latest.ops;
    ops.put = failing_put;
    o.latest = &failing;
    remake(&o);
    subscribe("c1", "{}", 0);
    w.failing_puts = 2;
    ck_assert_int_eq(changes("{\"Records\":[" STREAM("1", "a", "\"N\":\"1\"") "]}"), WSRT_OK);
    ck_assert_str_eq(w.answer, FINE);
    w.failing_puts = 3;
    ck_assert_int_eq(changes("{\"Records\":[" STREAM("1", "a", "\"N\":\"1\"") "," STREAM(
                         "2", "b", "\"N\":\"2\"") "," STREAM("3", "c", "\"N\":\"3\"") "]}"),
                     WSRT_OK);
    ck_assert_str_eq(w.answer, "{\"batchItemFailures\":[{\"itemIdentifier\":\"2\"}]}");
    ck_assert_str_eq(heard("c1"), "I:a=1 ");
    ck_assert_int_eq(changes("{\"Records\":[" STREAM("2", "b", "\"N\":\"2\"") "]}"), WSRT_OK);
    ck_assert_str_eq(heard("c1"), "I:a=1 I:b=2 ");
}
END_TEST

static size_t batches, batched;

/* A table that takes many at once, and fails as a whole. */
static int batching_change(void *self, const wsrt_latest_entry *entries, size_t n, int *results)
{
    (void)self;
    if (w.failing_puts > 0) {
        w.failing_puts--;
        return WSRT_ERR_IO;
    }
    batches++;
    batched += n;
    for (size_t i = 0; i < n; i++) {
        wsrt_latest_entry e = entries[i];
        e.flags = 0;
        results[i] = (entries[i].flags & WSRT_LATEST_REMOVED) != 0
                         ? w.latest.ops->remove(w.latest.self, &e.key, e.timestamp)
                         : w.latest.ops->put(w.latest.self, &e);
    }
    return WSRT_OK;
}

static void remake_batching(void)
{
    static wsrt_latest_ops ops;
    wsrt_latest batching = {&ops, NULL};
    wsrt_feed_options o = options();

    ops = *w.latest.ops;
    ops.put = failing_put;
    ops.change = batching_change;
    o.latest = &batching;
    batches = batched = 0;
    remake(&o);
    subscribe("c1", "{}", 0);
}

#define OF(id, more) "{\"data\":{\"entity_type\":\"t\",\"entity_id\":\"" id "\"}" more "}"

START_TEST(a_batch_of_updates_is_kept_by_one_call_of_the_table)
{
    remake_batching();
    ck_assert_int_eq(publish("[" OF("a", ",\"timestamp\":9") "," OF("b", ",\"timestamp\":9") "," OF(
                         "a", ",\"timestamp\":8") "," OF("b", ",\"timestamp\":9,"
                                                              "\"eventType\":\"REMOVE\"") "]"),
                     WSRT_OK);
    ck_assert_uint_eq(batches, 1);
    ck_assert_uint_eq(batched, 4);
    ck_assert_uint_eq(w.report.stale, 1);
    ck_assert_uint_eq(w.report.updates, 3);
}
END_TEST

START_TEST(a_batch_that_fails_is_asked_again_and_then_tells_nobody)
{
    remake_batching();
    w.failing_puts = 2;
    ck_assert_int_eq(publish("[" OF("a", "") "," OF("b", "") "]"), WSRT_OK);
    ck_assert_uint_eq(w.messages, 1);
    w.failing_puts = 3;
    ck_assert_int_eq(publish("[" OF("a", "") "," OF("b", "") "]"), WSRT_ERR_IO);
    ck_assert_uint_eq(w.messages, 1);
}
END_TEST

START_TEST(a_failing_record_without_a_number_fails_the_whole_event)
{
    static wsrt_latest_ops ops;
    wsrt_latest failing = {&ops, NULL};
    wsrt_feed_options o = options();

    ops = *w.latest.ops;
    ops.put = failing_put;
    o.latest = &failing;
    remake(&o);
    w.failing_puts = 99;
    ck_assert_int_eq(changes("{\"Records\":[{\"eventName\":\"INSERT\",\"dynamodb\":{\"NewImage\":"
                             "{\"entity_id\":{\"S\":\"a\"}}}}]}"),
                     WSRT_ERR_IO);
    ck_assert_str_eq(w.answer, "");
}
END_TEST

static void put_record(const char *id)
{
    wsrt_record r = {
        .struct_size = sizeof r, .connection_id = wsrt_span_cstr(id), .connected_at = 5};

    ck_assert_int_eq(w.store.ops->put(w.store.self, &r, 0, 1), WSRT_OK);
}

START_TEST(stored_subscriptions_reach_connections_of_other_processes)
{
    static wsrt_store_ops ops;
    wsrt_store store = {&ops, NULL};
    wsrt_feed_options o = options();
    wsrt_feed *other, *none;
    char id[16];

    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "c%d", i);
        put_record(id);
    }
    o.flags = WSRT_FEED_STORED;
    ck_assert_int_eq(wsrt_feed_new(&other, &o), WSRT_OK);
    ops = *w.store.ops;
    ops.each = failing_each;
    ops.get = NULL;
    o.store = &store;
    ck_assert_int_eq(wsrt_feed_new(&none, &o), WSRT_ERR_INVALID);
    ops.get = w.store.ops->get;
    store.self = w.store.self;
    remake(&o);
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "c%d", i);
        ck_assert_int_eq(wsrt_feed_subscribe(other, wsrt_span_cstr(id), 5,
                                             wsrt_span_cstr(i < 3 ? "{\"v\":[1]}" : "{\"v\":[2]}"),
                                             0, NULL),
                         WSRT_OK);
    }
    ck_assert_int_eq(
        wsrt_feed_subscribe(other, wsrt_span_cstr("none"), 5, wsrt_span_cstr("{}"), 0, NULL),
        WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(
        wsrt_feed_unsubscribe(other, wsrt_span_cstr("c0"), wsrt_span_cstr("{\"v\":[1]}"), NULL),
        WSRT_OK);
    w.failing_pages = 2;
    w.gone = "c1";
    ck_assert_int_eq(publish("[" UPDATE("a", "1") "," UPDATE("b", "2") "]"), WSRT_OK);
    ck_assert_str_eq(heard("c0"), "");
    ck_assert_str_eq(heard("c2"), "M:a=1 ");
    ck_assert_str_eq(heard("c5"), "M:b=2 ");
    ck_assert_str_eq(heard("c6"), "");
    ck_assert_uint_eq(w.report.sent, 4);
    ck_assert_uint_eq(w.report.gone, 1);
    ck_assert_uint_eq(w.report.evaluations, 4);
    w.failing_pages = 3;
    ck_assert_int_eq(publish(UPDATE("a", "1")), WSRT_ERR_UNAVAILABLE);
    wsrt_feed_free(other);
}
END_TEST

static uint64_t records_left_after_gone(int64_t age_ms)
{
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = wsrt_span_cstr("c1"),
                     .connected_at = world_wall(NULL) - age_ms};
    wsrt_span filters = wsrt_span_cstr("[{}]");
    uint64_t left = 99;

    ck_assert_int_eq(w.store.ops->put(w.store.self, &r, 0, 1), WSRT_OK);
    ck_assert_int_eq(w.store.ops->set_filters(w.store.self, &r.connection_id, &filters), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE("a", "1")), WSRT_OK);
    ck_assert_uint_eq(w.report.gone, 1);
    ck_assert_int_eq(w.store.ops->count(w.store.self, 1, &left), WSRT_OK);
    return left;
}

START_TEST(who_may_be_arriving_behind_a_gateway_keeps_the_subscription)
{
    static const wsrt_sender_ops late = {
        .struct_size = sizeof late, .flags = WSRT_SENDER_OPENS_LATE, .post = world_post};
    wsrt_sender sender = {&late, NULL};
    wsrt_feed_options o = options();

    o.flags = WSRT_FEED_STORED;
    o.sender = &sender;
    remake(&o);
    w.gone = "c1";
    ck_assert_uint_eq(records_left_after_gone(29999), 1);
    ck_assert_uint_eq(records_left_after_gone(30000), 0);
}
END_TEST

START_TEST(caps_and_misuse_are_refused)
{
    wsrt_feed_options o = options();
    wsrt_feed *f;
    char filter[32];

    o.max_subscribers = 1;
    o.max_filters = 17;
    o.latest = NULL;
    remake(&o);
    ck_assert_int_eq(subscribe("c1", "{}", 0), WSRT_OK);
    ck_assert_int_eq(subscribe("c2", "{}", 0), WSRT_ERR_LIMIT);
    for (int i = 0; i < 15; i++) {
        snprintf(filter, sizeof filter, "{\"v\":[%d]}", i);
        ck_assert_int_eq(subscribe("c1", filter, 0), WSRT_OK);
    }
    ck_assert_int_eq(subscribe("c1", "{\"v\":[99]}", 0), WSRT_ERR_LIMIT);
    ck_assert_int_eq(subscribe("c1", "{\"v\":[3]}", 0), WSRT_OK);
    ck_assert_int_eq(subscribe("bad id", "{}", 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(subscribe("c1", "{}", 8), WSRT_ERR_INVALID);
    ck_assert_int_eq(subscribe("c1", "{}", WSRT_SUBSCRIBE_SNAPSHOT), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_feed_set_sender(w.feed, NULL), WSRT_OK);
    ck_assert_int_eq(publish(UPDATE("a", "1")), WSRT_ERR_UNSUPPORTED);
    o = options();
    o.max_message = 1023;
    ck_assert_int_eq(wsrt_feed_new(&f, &o), WSRT_ERR_INVALID);
    o = options();
    o.flags = 2;
    ck_assert_int_eq(wsrt_feed_new(&f, &o), WSRT_ERR_UNSUPPORTED);
    ck_assert_ptr_null(f);
    o = options();
    o.flags = WSRT_FEED_STORED;
    o.store = NULL;
    ck_assert_int_eq(wsrt_feed_new(&f, &o), WSRT_ERR_INVALID);
    wsrt_feed_free(NULL);
}
END_TEST

/* One of each thing a feed does. */
static int step(int number)
{
    size_t len;

    switch (number) {
    case 0:
        return subscribe("c1", "{\"v\":{\"gt\":0}}", 0);
    case 1:
        return subscribe("c1", "{\"v\":[\"x\"]}", 0);
    case 2:
        return subscribe("c2", "{\"v\":{\"gt\":0}}", WSRT_SUBSCRIBE_SNAPSHOT);
    case 3:
        return publish("[" UPDATE("a", "1") "," UPDATE("b", "2") "]");
    case 4:
        w.now += 10000000;
        return wsrt_feed_tick(w.feed, w.now, NULL);
    case 5:
        return wsrt_feed_changes(
            w.feed, wsrt_span_cstr("{\"Records\":[" STREAM("1", "a", "\"N\":\"1\"") "]}"), w.answer,
            sizeof w.answer, &len, NULL);
    default:
        return wsrt_feed_unsubscribe(w.feed, wsrt_span_cstr("c1"),
                                     wsrt_span_cstr("{\"v\":[\"x\"]}"), NULL);
    }
}

/* A refused allocation is a failure that can be repeated: the same step then works. */
START_TEST(every_allocation_may_fail)
{
    wsrt_feed_options o = options();
    size_t points = 0;

    o.coalesce_ms = 1;
    o.attempts = 1;
    wsrt_feed_free(w.feed);
    w.feed = NULL;
    for (size_t n = 1;; n++) {
        heap_arm(&w.heap, n, _i);
        int rc = wsrt_feed_new(&w.feed, &o);
        if (!w.heap.tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_ptr_null(w.feed);
        ck_assert_uint_eq(w.heap.live, 0);
        points++;
    }
    for (int number = 0; number < 7; number++) {
        for (size_t n = 1;; n++) {
            heap_arm(&w.heap, n, _i);
            int rc = step(number);
            int tripped = w.heap.tripped;
            heap_arm(&w.heap, 0, 0);
            if (!tripped) {
                ck_assert_int_eq(rc, WSRT_OK);
                break;
            }
            points++;
            if (number == 5) /* the record's number is answered */
                ck_assert(rc == WSRT_ERR_NOMEM || strstr(w.answer, "\"1\"") != NULL);
            else
                ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        }
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_ptr_nonnull(strstr(heard("c2"), "a=1 "));
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("stream");
    TCase *f = tcase_create("feed");

    tcase_add_checked_fixture(f, set_up, tear_down);
    tcase_add_test(f, an_update_has_the_agreed_form);
    tcase_add_test(f, only_those_whose_filter_holds_are_told);
    tcase_add_test(f, several_filters_of_a_connection_are_alternatives_told_once);
    tcase_add_test(f, a_filter_taken_back_is_heard_no_more);
    tcase_add_test(f, equal_filters_are_judged_once);
    tcase_add_test(f, who_left_is_forgotten_and_nobody_else_misses_anything);
    tcase_add_test(f, lines_and_arrays_are_many_updates);
    tcase_add_loop_test(f, nothing_is_told_of_a_text_with_a_fault, 0,
                        sizeof bad_updates / sizeof bad_updates[0]);
    tcase_add_test(f, messages_stay_below_the_cap_and_keep_their_order);
    tcase_add_test(f, a_snapshot_comes_before_the_changes_without_a_gap);
    tcase_add_test(f, a_large_snapshot_is_told_in_parts);
    tcase_add_test(f, an_update_older_than_what_is_known_is_not_told);
    tcase_add_test(f, coalesced_updates_are_the_last_of_each_entity);
    tcase_add_test(f, a_stream_event_becomes_updates);
    tcase_add_test(f, a_poisoned_record_is_handed_over_and_holds_nobody_up);
    tcase_add_test(f, what_was_told_once_is_not_told_again);
    tcase_add_test(f, a_failing_table_is_asked_again_and_then_names_the_record);
    tcase_add_test(f, a_batch_of_updates_is_kept_by_one_call_of_the_table);
    tcase_add_test(f, a_batch_that_fails_is_asked_again_and_then_tells_nobody);
    tcase_add_test(f, a_failing_record_without_a_number_fails_the_whole_event);
    tcase_add_test(f, stored_subscriptions_reach_connections_of_other_processes);
    tcase_add_test(f, who_may_be_arriving_behind_a_gateway_keeps_the_subscription);
    tcase_add_test(f, caps_and_misuse_are_refused);
    tcase_add_loop_test(f, every_allocation_may_fail, 0, 2);
    suite_add_tcase(s, f);
    return s;
}
