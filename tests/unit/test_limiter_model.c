/* The limiter beside the rules of GCRA in integers that cannot overflow. */
#include "limiter_rig.h"
#include "suite.h"

#include <string.h>

/* A sanitizer looks at each access, not at the sums: those are judged where they cost less. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEPS = 20000 };
#else
enum { STEPS = 100000 };
#endif

typedef __int128 big;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33 ^ *state << 31;
}

struct oracle {
    big step, tolerance;
    big tat[4];
    int used[4];
};

static int oracle_ask(struct oracle *o, unsigned cell, uint32_t n, int64_t time,
                      wsrt_limit_result *r)
{
    big earliest = (big)INT64_MIN + ((big)1 << 61), now = time < earliest ? earliest : time;
    big base = !o->used[cell] || o->tat[cell] < now ? now : o->tat[cell];
    big wait = base - now + ((big)n - 1) * o->step - o->tolerance;
    big tat = wait > 0 ? base : base + n * o->step;
    big room = o->tolerance - (tat - now);
    big left = room < 0 ? 0 : room / o->step + 1;

    *r = (wsrt_limit_result){.remaining = (int64_t)left};
    if (wait > 0) {
        r->retry_after = wait > INT64_MAX ? INT64_MAX : (int64_t)wait;
        return WSRT_ERR_RATE_LIMITED;
    }
    if (n > 0) {
        o->tat[cell] = tat;
        o->used[cell] = 1;
    }
    return WSRT_OK;
}

static const struct {
    const char *what;
    double rate;
    uint32_t burst;
    int64_t origin;
    uint64_t stride;
} models[] = {
    {"ordinary", 10, 20, 0, SECOND / 4},
    {"a third", 3, 7, -5 * SECOND, SECOND},
    {"one at a time", 1000, 1, 1, 3000000},
    {"fastest", 1e9, 1 << 24, 12345, 1 << 25},
    {"slowest", 1e-9, 1, 0, (uint64_t)1 << 61},
    {"widest", 0.02, 1 << 24, 0, (uint64_t)1 << 60},
    {"end of time", 10, 20, INT64_MAX - 2 * SECOND, SECOND / 4},
    {"beginning of time", 10, 20, INT64_MIN, SECOND / 4},
    {"any time", 7, 100, 0, UINT64_MAX},
};

/* Mostly a little forwards, sometimes far, sometimes back. */
static int64_t step_time(int64_t now, uint64_t stride, uint64_t *random)
{
    uint64_t move = next_random(random) % stride, kind = next_random(random) % 16;
    big next;

    if (stride == UINT64_MAX)
        return (int64_t)next_random(random);
    if (kind == 0)
        next = (big)now - move / 8;
    else
        next = (big)now + (kind == 1 ? move : move / 16);
    return next < INT64_MIN ? INT64_MIN : next > INT64_MAX ? INT64_MAX : (int64_t)next;
}

/* The three ways a single cell can go: its own rule, the limiter's with details, without them. They
 * answer alike and leave the same time behind. */
static int check_alike(wsrt_limiter *l, wsrt_limiter_cell cells[3], const wsrt_rule *rule,
                       uint32_t n, int64_t now, wsrt_limit_result *got)
{
    wsrt_limit_key keys[3];
    wsrt_limit_result own;

    for (int i = 0; i < 3; i++)
        keys[i] = cell_key(WSRT_SCOPE_ROUTE, &cells[i]);
    keys[0].rule = rule;
    int rc = wsrt_limiter_check(l, &keys[0], 1, n, now, &own);
    ck_assert_int_eq(wsrt_limiter_check(l, &keys[1], 1, n, now, got), rc);
    ck_assert_int_eq(wsrt_limiter_check(l, &keys[2], 1, n, now, NULL), rc);
    ck_assert_int_eq(own.remaining, got->remaining);
    ck_assert_int_eq(own.retry_after, got->retry_after);
    ck_assert_uint_eq(cells[0].tat, cells[1].tat);
    ck_assert_uint_eq(cells[0].tat, cells[2].tat);
    return rc;
}

START_TEST(every_answer_equals_the_oracles)
{
    wsrt_rule rule = {models[_i].rate, models[_i].burst, 0};
    big step = (big)(1e9 / rule.rate + 0.5);
    struct oracle o = {.step = step, .tolerance = (rule.burst - 1) * step};
    wsrt_limiter_cell cells[4][3] = {{{0}}};
    uint64_t random = 20261121, admitted = 0, refused = 0;
    int64_t now = models[_i].origin;
    wsrt_limiter *l = new_limiter(NULL);

    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_ROUTE, &rule), WSRT_OK);
    for (int i = 0; i < STEPS; i++) {
        unsigned cell = next_random(&random) % 4;
        uint32_t n = (uint32_t)(next_random(&random) % 4);
        wsrt_limit_result got, wanted;
        if (n == 3)
            n = (uint32_t)(next_random(&random) % (rule.burst + 1));
        n = n > rule.burst ? rule.burst : n;
        now = step_time(now, models[_i].stride, &random);
        if (i % 500 == 0) {
            now = models[_i].origin;
            memset(cells, 0, sizeof cells);
            memset(o.used, 0, sizeof o.used);
        }
        int rc = check_alike(l, cells[cell], &rule, n, now, &got);
        int want = oracle_ask(&o, cell, n, now, &wanted);
        ck_assert_msg(rc == want && got.remaining == wanted.remaining &&
                          got.retry_after == wanted.retry_after,
                      "%s, step %d", models[_i].what, i);
        admitted += rc == WSRT_OK;
        refused += rc != WSRT_OK;
    }
    ck_assert_uint_gt(admitted, STEPS / 100);
    ck_assert_uint_gt(refused, STEPS / 100);
    wsrt_limiter_free(l);
}
END_TEST

/* Several scopes at once: the reference tests all, then charges all. */
START_TEST(every_answer_for_several_scopes_equals_the_models)
{
    uint64_t random = 7, refused = 0, admitted = 0;
    int64_t now = 0, tat[2][3] = {{0}}, step[2] = {SECOND / 10, SECOND / 20};
    int64_t burst[2] = {20, 40};
    const char *users[] = {"a", "b", "c"};
    wsrt_limiter_cell cells[3] = {{0}, {0}, {0}};
    wsrt_limiter *l = new_limiter(NULL);

    for (int i = 0; i < 100000; i++) {
        size_t who[2] = {next_random(&random) % 3, next_random(&random) % 3};
        wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_CONNECTION, &cells[who[0]]),
                                 named_key(WSRT_SCOPE_USER, users[who[1]])};
        uint32_t n = (uint32_t)(next_random(&random) % 8);
        wsrt_limit_result r;
        int64_t wait = 0;
        now += (int64_t)(next_random(&random) % (uint64_t)(SECOND / 5));
        for (int k = 0; k < 2; k++) {
            int64_t base = tat[k][who[k]] > now ? tat[k][who[k]] : now;
            int64_t this = base - now + ((int64_t)n - 1) * step[k] - (burst[k] - 1) * step[k];
            wait = this > wait ? this : wait;
        }
        for (int k = 0; k < 2 && wait == 0; k++)
            tat[k][who[k]] = (tat[k][who[k]] > now ? tat[k][who[k]] : now) + n * step[k];
        int rc = wsrt_limiter_check(l, keys, 2, n, now, &r);
        ck_assert_msg(rc == (wait > 0 ? WSRT_ERR_RATE_LIMITED : WSRT_OK), "step %d", i);
        ck_assert_msg(r.retry_after == wait, "step %d", i);
        refused += wait > 0;
        admitted += wait == 0;
    }
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(admitted, 1000);
    wsrt_limiter_free(l);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("limiter_model");
    TCase *t = tcase_create("limiter_model");

    tcase_set_timeout(t, 60);
    tcase_set_tags(t, SLOW);
    tcase_add_loop_test(t, every_answer_equals_the_oracles, 0, sizeof models / sizeof models[0]);
    tcase_add_test(t, every_answer_for_several_scopes_equals_the_models);
    suite_add_tcase(s, t);
    return s;
}
