/* The limiter against the floor of any timed decision, one clock read, interleaved in one run. */
#include "bench.h"

#include <wsrt/limiter.h>

enum { CALLS = 2000000, QUICK_CALLS = 2000 };

struct state {
    wsrt_limiter *limiter;
    wsrt_limiter_cell open, shut;
    wsrt_limit_key keys[3]; /* admits, refuses, admits from the table */
    int64_t now;
    int calls;
};

static volatile int64_t result;

static double clock_reads(struct state *s)
{
    struct timespec t;
    int64_t start = bench_cpu();

    for (int i = 0; i < s->calls; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        result += t.tv_nsec;
    }
    return (double)(bench_cpu() - start) / s->calls;
}

static double checks(struct state *s, int which, int64_t step)
{
    wsrt_limiter *l = s->limiter;
    const wsrt_limit_key *key = &s->keys[which];
    int64_t start = bench_cpu(), now = s->now;
    int sum = 0;

    for (int i = s->calls; i > 0; i--, now += step)
        sum += wsrt_limiter_check(l, key, 1, 1, now, NULL);
    result += sum;
    s->now = now;
    return (double)(bench_cpu() - start) / s->calls;
}

static double three_scopes(struct state *s)
{
    wsrt_limit_key keys[3] = {s->keys[0], s->keys[2], s->keys[2]};
    wsrt_limit_result out;
    int64_t start = bench_cpu();

    keys[2].scope = WSRT_SCOPE_STAGE;
    for (int i = 0; i < s->calls; i++) {
        result += wsrt_limiter_check(s->limiter, keys, 3, 1, s->now, &out);
        s->now += 1000;
    }
    return (double)(bench_cpu() - start) / s->calls;
}

static void setup(struct state *s)
{
    wsrt_limiter_options o = {.struct_size = sizeof o, .max_keys = 1000000};

    o.connection = o.user = o.stage = (wsrt_rule){1e9, 1 << 20, 0};
    o.ping = (wsrt_rule){0.000001, 1, 0};
    if (wsrt_limiter_new(&s->limiter, &o) != WSRT_OK)
        exit(1);
    s->keys[0] = (wsrt_limit_key){.scope = WSRT_SCOPE_CONNECTION, .cell = &s->open};
    s->keys[1] = (wsrt_limit_key){.scope = WSRT_SCOPE_PING, .cell = &s->shut};
    s->keys[2] = (wsrt_limit_key){.scope = WSRT_SCOPE_USER, .key = wsrt_span_cstr("user-1234567")};
}

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);
    struct state s = {.calls = b.quick ? QUICK_CALLS : CALLS};
    double floor_ns[BENCH_PASSES], admit[BENCH_PASSES], refuse[BENCH_PASSES], table[BENCH_PASSES],
        all[BENCH_PASSES];

    setup(&s);
    for (int i = 0; i < BENCH_PASSES; i++) {
        floor_ns[i] = clock_reads(&s);
        admit[i] = checks(&s, 0, 1000) / floor_ns[i];
        refuse[i] = checks(&s, 1, 0) / floor_ns[i];
        table[i] = checks(&s, 2, 1000) / floor_ns[i];
        all[i] = three_scopes(&s) / floor_ns[i];
    }
    bench_row(&b, "clock_read_ns", bench_median(floor_ns, BENCH_PASSES), "ns");
    bench_row(&b, "admit", bench_median(admit, BENCH_PASSES), "clock reads (goal 0.6)");
    bench_row(&b, "refuse", bench_median(refuse, BENCH_PASSES), "clock reads (goal 0.15)");
    bench_row(&b, "admit_from_table", bench_median(table, BENCH_PASSES), "clock reads");
    bench_row(&b, "admit_three_scopes", bench_median(all, BENCH_PASSES), "clock reads");
    bench_end(&b);
    wsrt_limiter_free(s.limiter);
    return 0;
}
