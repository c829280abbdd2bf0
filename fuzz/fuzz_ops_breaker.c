/* Bytes as what happens to a breaker: calls that begin and end, time that passes or goes back,
 * commands, other configurations. Every answer, every event and every statistic is what the
 * model of tests/support has, which keeps a list of its calls. */
#include "input.h"
#include "target.h"

#include "breaker_model.h"

#include <stdio.h>

static void differs(const char *what, int64_t real, int64_t model)
{
    fprintf(stderr, "%s is %lld, not %lld\n", what, (long long)real, (long long)model);
    abort();
}

/* A byte is enough for every decision; of the wide ones it is all four. */
static uint64_t below(void *user, uint64_t n)
{
    return take_byte(user) * UINT64_C(0x01010101) % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    const struct breaker_driver driver = {below, &in, differs};
    struct breaker_pair *p = breaker_pair_new(&driver);

    for (int i = 0; i < BREAKER_PAIR_STEPS && in.at < in.end; i++)
        breaker_pair_step(p);
    breaker_pair_free(p);
    return 0;
}
