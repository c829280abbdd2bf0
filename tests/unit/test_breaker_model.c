/* A breaker against a naive one that keeps a list of its calls: random operations, the same answers.
 * WSRT_MODEL_STEPS sets the number of steps (10^6 in the ordinary run), WSRT_MODEL_SEED the scenario
 * to begin with: a failure prints the one to repeat. */
#include "breaker_model.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t seed;

/* xorshift64*: any seed but 0. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static uint64_t below(void *state, uint64_t n)
{
    return next_random(state) % n;
}

static void differs(const char *what, int64_t real, int64_t model)
{
    ck_abort_msg("%s is %lld, not %lld", what, (long long)real, (long long)model);
}

static void scenario(uint64_t with_seed)
{
    uint64_t random = with_seed;
    const struct breaker_driver driver = {below, &random, differs};

    seed = with_seed;
    next_random(&random);
    struct breaker_pair *p = breaker_pair_new(&driver);
    for (int i = 0; i < BREAKER_PAIR_STEPS; i++)
        breaker_pair_step(p);
    breaker_pair_free(p);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void say_seed(void)
{
    if (seed != 0)
        printf("# repeat with: WSRT_MODEL_SEED=%llu WSRT_MODEL_STEPS=%d\n",
               (unsigned long long)seed, BREAKER_PAIR_STEPS);
}

START_TEST(a_million_random_steps_agree_with_a_list_of_calls)
{
    uint64_t steps = from_environment("WSRT_MODEL_STEPS", 1000000);
    uint64_t first = from_environment("WSRT_MODEL_SEED", 1);

    atexit(say_seed);
    for (uint64_t i = 0; i * BREAKER_PAIR_STEPS < steps; i++)
        scenario(first + i);
    seed = 0;
    printf("# model steps: %llu\n", (unsigned long long)steps);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("breaker_model");
    TCase *t = tcase_create("model");

    tcase_set_timeout(t, 3600);
    tcase_add_test(t, a_million_random_steps_agree_with_a_list_of_calls);
    suite_add_tcase(s, t);
    return s;
}
