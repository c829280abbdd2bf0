#include "store_parts.h"

#include "store_pair.h"

#include <stdio.h>

static uint64_t below(void *random, uint64_t n)
{
    return next_random(random) % n;
}

static void differs(int step, const char *what, int64_t real, int64_t model)
{
    ck_abort_msg("step %d: %s is %lld, not %lld", step, what, (long long)real, (long long)model);
}

START_TEST(every_answer_equals_the_plain_models)
{
    static struct store_pair p;
    uint64_t random = 20261121;
    const struct store_driver driver = {below, &random, differs};
    int steps = factory->steps == 0 ? 100000 : factory->steps;

    p = (struct store_pair){.driver = &driver, .store = store, .ids = STORE_PAIR_IDS, .now = NOW};
    for (; p.step < steps; p.step++) {
        store_pair_change(&p, (int)below(&random, STORE_PAIR_IDS));
        p.now += below(&random, 16) == 0;
        if (p.step % 97 == 0)
            store_pair_walk(&p, (int)below(&random, STORE_PAIR_USERS));
        if (p.step % 301 == 0 && !factory->no_expire)
            store_pair_expire(&p, SIZE_MAX);
    }
    printf("# model steps: %d\n", steps);
}
END_TEST

void store_add_model(TCase *t)
{
    tcase_add_test(t, every_answer_equals_the_plain_models);
}
