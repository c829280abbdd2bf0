/* One limiter, several threads. */
#include "limiter_rig.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 40000 };

struct racer {
    wsrt_limiter *limiter;
    wsrt_limit_key keys[3];
    pthread_barrier_t *start;
    int64_t *clock;
    uint64_t admitted, refused, overlapped;
};

/* Time is shared and moves a nanosecond a call, so that both see the same load. */
static void *race(void *arg)
{
    struct racer *r = arg;
    int64_t last = -1;

    pthread_barrier_wait(r->start);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t now = __atomic_fetch_add(r->clock, 1, __ATOMIC_SEQ_CST);
        int rc = wsrt_limiter_check(r->limiter, r->keys, 3, 1, now, NULL);
        r->admitted += rc == WSRT_OK;
        r->refused += rc == WSRT_ERR_RATE_LIMITED;
        r->overlapped += last >= 0 && now != last + 1;
        last = now;
    }
    return NULL;
}

/* One race of two threads; how many calls came between another's two. */
static uint64_t race_once(void)
{
    wsrt_limiter *l = new_limiter(NULL);
    wsrt_limiter_cell cell = {0};
    wsrt_rule tight = {1e9 / 100, 50, 0}, wide = {1e9, 1 << 24, 0};
    pthread_barrier_t start;
    pthread_t threads[2];
    int64_t clock = 0;
    struct racer racers[2];
    wsrt_limit_result left;

    pthread_barrier_init(&start, NULL, 2);
    for (int i = 0; i < 2; i++) {
        racers[i] = (struct racer){.limiter = l, .start = &start, .clock = &clock};
        racers[i].keys[0] = named_key(WSRT_SCOPE_ROUTE, "wide");
        racers[i].keys[0].rule = &wide;
        racers[i].keys[1] = cell_key(WSRT_SCOPE_ROUTE, &cell);
        racers[i].keys[1].rule = &tight;
        racers[i].keys[2] = named_key(WSRT_SCOPE_USER, "same");
        racers[i].keys[2].rule = &tight;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    uint64_t admitted = racers[0].admitted + racers[1].admitted;
    ck_assert_uint_eq(admitted + racers[0].refused + racers[1].refused, 2 * ROUNDS);
    /* 50 at once and one every 100 ns of 80,000; a refund that comes late may cost a unit's time. */
    ck_assert_uint_le(admitted, 50 + 2 * ROUNDS / 100);
    ck_assert_uint_ge(admitted, 50 + 2 * ROUNDS / 100 - 40);
    wsrt_limiter_check(l, &racers[0].keys[0], 1, 0, 0, &left);
    ck_assert_int_ge(left.remaining, (1 << 24) - 2 * ROUNDS - 1); /* refusals cost nothing */
    pthread_barrier_destroy(&start);
    wsrt_limiter_free(l);
    return racers[0].overlapped;
}

START_TEST(two_threads_together_admit_what_one_would)
{
    uint64_t contended = 0;

    /* On a busy machine the two may run one after the other: race until they meet. */
    for (int i = 0; i < 200 && contended == 0; i++)
        contended = race_once();
    printf("# contended calls: %llu\n", (unsigned long long)contended);
    ck_assert_uint_gt(contended, 0);
}
END_TEST

struct newcomer {
    wsrt_limiter *limiter;
    pthread_barrier_t *step;
    unsigned passed[2000];
};

/* 64 new keys at a time, each asked for 41 times, one after the other. */
static void *arrive(void *arg)
{
    struct newcomer *n = arg;
    char name[16];

    for (int i = 0; i < 2000 * 41; i++) {
        int key = i / (64 * 41) * 64 + i % 64;
        if (i % (64 * 41) == 0)
            pthread_barrier_wait(n->step);
        snprintf(name, sizeof name, "new %d", key);
        if (key < 2000)
            n->passed[key] += once(n->limiter, named_key(WSRT_SCOPE_USER, name), 1, 0) == WSRT_OK;
    }
    return NULL;
}

START_TEST(two_threads_that_bring_the_same_new_keys_share_one_slot_a_key)
{
    static struct newcomer newcomers[2];
    wsrt_limiter *l = new_limiter(NULL);
    pthread_barrier_t step;
    pthread_t threads[2];
    unsigned shared = 0;

    pthread_barrier_init(&step, NULL, 2);
    for (int i = 0; i < 2; i++) {
        newcomers[i] = (struct newcomer){.limiter = l, .step = &step};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, arrive, &newcomers[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2000; i++) {
        ck_assert_uint_le(newcomers[0].passed[i] + newcomers[1].passed[i], 40);
        shared += newcomers[0].passed[i] > 0 && newcomers[1].passed[i] > 0;
    }
    ck_assert_uint_gt(shared, 0);
    ck_assert_uint_eq(stats_of(l).table_full, 0);
    printf("# keys that both threads charged: %u\n", shared);
    pthread_barrier_destroy(&step);
    wsrt_limiter_free(l);
}
END_TEST

/* One thread asks while another swaps rules of 10 and of 20 units. */
struct asker {
    wsrt_limiter *limiter;
    wsrt_limiter_cell cell;
    int done;
    uint64_t odd; /* answers that belong to neither rule */
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    wsrt_limit_result out;

    while (!__atomic_load_n(&a->done, __ATOMIC_ACQUIRE)) {
        wsrt_limit_key key = cell_key(WSRT_SCOPE_ROUTE, &a->cell);
        int rc = wsrt_limiter_check(a->limiter, &key, 1, 0, 0, &out);
        a->odd += rc != WSRT_OK || !((out.limit == 10 && out.remaining == 10) ||
                                     (out.limit == 20 && out.remaining == 20));
    }
    return NULL;
}

START_TEST(a_rule_is_swapped_as_one_while_others_ask)
{
    static const wsrt_rule rules[2] = {{1, 10, 0}, {1000, 20, 0}};
    struct asker a = {.limiter = new_limiter(NULL)};
    pthread_t thread;

    wsrt_limiter_set_rule(a.limiter, WSRT_SCOPE_ROUTE, &rules[0]);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask, &a), 0);
    for (int i = 0; i < 100000; i++)
        wsrt_limiter_set_rule(a.limiter, WSRT_SCOPE_ROUTE, &rules[i % 2]);
    __atomic_store_n(&a.done, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(a.odd, 0);
    wsrt_limiter_free(a.limiter);
}
END_TEST

/* As records of connections are: each in cache lines of its own. */
struct flooder {
    _Alignas(64) wsrt_limiter_cell cell;
    wsrt_limiter *limiter;
    uint64_t refused;
};

static void *flood(void *arg)
{
    struct flooder *f = arg;

    for (int i = 0; i < 200000; i++)
        f->refused +=
            once(f->limiter, cell_key(WSRT_SCOPE_PING, &f->cell), 1, 0) == WSRT_ERR_RATE_LIMITED;
    return NULL;
}

START_TEST(refusals_of_two_flooding_connections_are_all_counted)
{
    static struct flooder flooders[2];
    wsrt_limiter *l = new_limiter(NULL);
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        flooders[i].limiter = l;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, flood, &flooders[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(flooders[0].refused + flooders[1].refused, 2 * (200000 - 5));
    ck_assert_uint_eq(stats_of(l).refused[WSRT_SCOPE_PING], 2 * (200000 - 5));
    wsrt_limiter_free(l);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("limiter_threads");
    TCase *t = tcase_create("limiter_threads");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, two_threads_together_admit_what_one_would);
    tcase_add_test(t, two_threads_that_bring_the_same_new_keys_share_one_slot_a_key);
    tcase_add_test(t, a_rule_is_swapped_as_one_while_others_ask);
    tcase_add_test(t, refusals_of_two_flooding_connections_are_all_counted);
    suite_add_tcase(s, t);
    return s;
}
