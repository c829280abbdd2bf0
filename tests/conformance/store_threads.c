#include "store_parts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

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

void store_add_threads(TCase *t)
{
    tcase_add_test(t, threads_see_whole_records_and_a_count_that_adds_up);
}
