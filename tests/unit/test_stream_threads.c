/* A feed under racing publishers, subscribers and forgetters. Each value of an entity is its last plus
 * one, so that a receiver knows what it missed. */
#include "suite.h"

#include <wsrt/stream.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { PUBLISHERS = 2, SUBSCRIBERS = 3, OWN = 6, ENTITIES = 12, CONNECTIONS = 12, ROUNDS = 300 };

/* What a connection was told last, by entity. Only who delivers writes it: a feed has one at a time. */
static struct {
    uint64_t last[ENTITIES];
    uint64_t told;
} seen[CONNECTIONS];

static wsrt_feed *feed;
static wsrt_memory_store *memory;
static int coalesces;
static atomic_int publishing;
static atomic_int wrong;
static _Thread_local int takes_snapshot;

/* ---- receivers ---------------------------------------------------------------------------- */

static uint64_t number_at(const wsrt_json *update, const char *pointer)
{
    wsrt_json value;
    int64_t n = -1;

    if (wsrt_json_find(update, wsrt_span_cstr(pointer), &value) != WSRT_OK ||
        wsrt_json_int64(&value, &n) != WSRT_OK)
        atomic_fetch_add(&wrong, 1);
    return (uint64_t)n;
}

/* A snapshot and a coalesced update may skip or repeat values, but never go back; any other update is
 * the next. */
static int may_follow(uint64_t last, uint64_t v)
{
    return takes_snapshot || coalesces ? v >= last : v == last + 1;
}

static int take(void *self, const wsrt_span *id, const wsrt_post *post)
{
    wsrt_json root = {.text = post->data, .kind = WSRT_JSON_OBJECT}, list, update;
    wsrt_json_iter it = {0};
    int c = id->ptr[0] - 'a';

    (void)self;
    if (wsrt_json_find(&root, wsrt_span_cstr("/updates"), &list) != WSRT_OK)
        atomic_fetch_add(&wrong, 1);
    while (wsrt_json_next(&list, &it, NULL, &update) == WSRT_OK) {
        uint64_t entity = number_at(&update, "/data/entity_id"), v = number_at(&update, "/data/v");
        if (entity >= ENTITIES || !may_follow(seen[c].last[entity], v))
            atomic_fetch_add(&wrong, 1);
        else
            seen[c].last[entity] = v;
        seen[c].told++;
    }
    return WSRT_OK;
}

static const wsrt_sender_ops taking = {.struct_size = sizeof taking, .post = take};

/* ---- publishers --------------------------------------------------------------------------- */

static size_t put_update(char *dst, size_t cap, int entity, uint64_t v)
{
    return (size_t)snprintf(dst, cap,
                            "{\"data\":{\"entity_type\":\"t\",\"entity_id\":%d,\"v\":%llu},"
                            "\"timestamp\":%llu}\n",
                            entity, (unsigned long long)v, (unsigned long long)v);
}

static size_t put_record(char *dst, size_t cap, int entity, uint64_t v)
{
    return (size_t)snprintf(dst, cap,
                            "%s{\"eventName\":\"MODIFY\",\"dynamodb\":{\"SequenceNumber\":"
                            "\"%llu%03d\",\"ApproximateCreationDateTime\":%llu,\"NewImage\":{"
                            "\"entity_type\":{\"S\":\"t\"},\"entity_id\":{\"N\":\"%d\"},"
                            "\"v\":{\"N\":\"%llu\"}}}}",
                            entity % OWN > 0 ? "," : "", (unsigned long long)v, entity,
                            (unsigned long long)v, entity, (unsigned long long)v);
}

/* The next value of each of one's own entities: as text, or as records of a stream. */
static void publish_round(int publisher, uint64_t v)
{
    char text[8192], answer[128];
    size_t len = 0, answer_len;
    int as_records = publisher == 1;

    if (as_records)
        len = (size_t)snprintf(text, sizeof text, "{\"Records\":[");
    for (int e = publisher * OWN; e < (publisher + 1) * OWN; e++)
        len += as_records ? put_record(text + len, sizeof text - len, e, v)
                          : put_update(text + len, sizeof text - len, e, v);
    if (as_records)
        len += (size_t)snprintf(text + len, sizeof text - len, "]}");
    int rc = as_records ? wsrt_feed_changes(feed, (wsrt_span){text, len}, answer, sizeof answer,
                                            &answer_len, NULL)
                        : wsrt_feed_publish(feed, (wsrt_span){text, len}, NULL, NULL);
    if (rc != WSRT_OK)
        atomic_fetch_add(&wrong, 1);
}

static void *publish(void *user)
{
    int publisher = *(const int *)user;

    for (uint64_t v = 2; v <= ROUNDS; v++) {
        publish_round(publisher, v);
        if (coalesces && v % 4 == 0)
            (void)wsrt_feed_tick(feed, wsrt_feed_next_deadline(feed), NULL);
        sched_yield();
    }
    atomic_fetch_sub(&publishing, 1);
    return NULL;
}

/* ---- subscribers and forgetters ----------------------------------------------------------- */

static const char *const filters[] = {"{}", "{\"entity_id\":[0,1,2,7,8]}",
                                      "{\"entity_type\":[\"t\"],\"entity_id\":{\"gte\":3}}"};

/* One letter each. */
static wsrt_span id_of(int connection)
{
    static const char letters[] = "abcdefghijkl";

    return (wsrt_span){&letters[connection], 1};
}

static void subscribe(int connection, const char *filter)
{
    takes_snapshot = 1;
    if (wsrt_feed_subscribe(feed, id_of(connection), 0, wsrt_span_cstr(filter),
                            WSRT_SUBSCRIBE_SNAPSHOT, NULL) != WSRT_OK)
        atomic_fetch_add(&wrong, 1);
    takes_snapshot = 0;
}

/* Its own connections come and go; who is forgotten by another thread comes again. */
static void *come_and_go(void *user)
{
    int first = *(const int *)user;
    for (unsigned n = 0; atomic_load(&publishing) > 0; n++) {
        for (int c = first; c < CONNECTIONS; c += SUBSCRIBERS) {
            subscribe(c, filters[(n + (unsigned)c) % 3]);
            sched_yield();
            if (n % 3 == 0)
                (void)wsrt_feed_unsubscribe(feed, id_of(c), wsrt_span_cstr(filters[n % 2]), NULL);
            else if (n % 3 == 1)
                wsrt_feed_forget(feed, id_of(c));
        }
    }
    return NULL;
}

static void *forget(void *user)
{
    (void)user;
    for (int n = 0; atomic_load(&publishing) > 0; n++) {
        wsrt_feed_forget(feed, id_of(n % CONNECTIONS));
        sched_yield();
    }
    return NULL;
}

/* ---- the race ----------------------------------------------------------------------------- */

static void set_up(int64_t coalesce_ms)
{
    wsrt_latest latest;
    wsrt_sender sender = {&taking, NULL};
    wsrt_feed_options o = {
        .struct_size = sizeof o, .sender = &sender, .latest = &latest, .coalesce_ms = coalesce_ms};

    memset(seen, 0, sizeof seen);
    coalesces = coalesce_ms > 0;
    ck_assert_int_eq(wsrt_memory_store_new(&memory, NULL), WSRT_OK);
    wsrt_memory_store_latest(memory, &latest);
    ck_assert_int_eq(wsrt_feed_new(&feed, &o), WSRT_OK);
    for (int p = 0; p < PUBLISHERS; p++)
        publish_round(p, 1);
}

static void race(void)
{
    pthread_t threads[PUBLISHERS + SUBSCRIBERS + 1];
    static const int numbers[] = {0, 1, 2};
    size_t n = 0;

    atomic_store(&publishing, PUBLISHERS);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_create(&threads[n++], NULL, publish, (void *)(uintptr_t)&numbers[i]);
    for (int i = 0; i < SUBSCRIBERS; i++)
        pthread_create(&threads[n++], NULL, come_and_go, (void *)(uintptr_t)&numbers[i]);
    pthread_create(&threads[n++], NULL, forget, NULL);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    for (int c = 0; c < CONNECTIONS; c++) /* once nobody is left who may forget one */
        subscribe(c, filters[0]);
}

/* Whatever came before, in the end everybody has a subscription and knows what holds. */
static void check_end(void)
{
    uint64_t told = 0;

    (void)wsrt_feed_tick(feed, INT64_MAX, NULL);
    publish_round(0, ROUNDS + 1);
    (void)wsrt_feed_tick(feed, INT64_MAX, NULL);
    ck_assert_int_eq(atomic_load(&wrong), 0);
    for (int c = 0; c < CONNECTIONS; c++) {
        for (int e = 0; e < ENTITIES; e++)
            ck_assert_uint_eq(seen[c].last[e], ROUNDS + (e < OWN));
        told += seen[c].told;
    }
    printf("# updates told: %llu\n", (unsigned long long)told);
}

static void tear_down(void)
{
    wsrt_feed_free(feed);
    wsrt_memory_store_free(memory);
}

START_TEST(behind_a_snapshot_every_update_comes_once_and_in_order)
{
    set_up(0);
    race();
    check_end();
    tear_down();
}
END_TEST

START_TEST(coalesced_or_not_an_older_value_never_follows_a_newer_one)
{
    set_up(1);
    race();
    check_end();
    tear_down();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("stream_threads");
    TCase *t = tcase_create("stream_threads");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, behind_a_snapshot_every_update_comes_once_and_in_order);
    tcase_add_test(t, coalesced_or_not_an_older_value_never_follows_a_newer_one);
    suite_add_tcase(s, t);
    return s;
}
