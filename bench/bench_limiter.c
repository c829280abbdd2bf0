/* The limiter against the floor of any timed decision, one clock read, interleaved in one run.
 *
 *   bench_limiter [--quick] [--json] [--check]
 *
 * --check exits 1 when a goal is missed. */
#include "bench.h"

#include <wsrt/limiter.h>

#include <pthread.h>

enum { ROUNDS = 25, CALLS = 400000, QUICK_CALLS = 2000, THREADS = 2, KEYS = 1000000 };
enum { BURST = 1 << 20 }; /* at a unit a nanosecond */

/* Each thread has its own; a line of the cache apart. */
struct cells {
    _Alignas(64) wsrt_limiter_cell open;
    _Alignas(64) wsrt_limiter_cell shut;
};

struct rig {
    wsrt_limiter *limiter;
    struct cells *cells;
    wsrt_limit_key keys[3]; /* admits, refuses, admits from the table */
    int64_t now;
    int calls;
};

static volatile int64_t result;

/* ---- one thread ---- */

static double clock_reads(struct rig *r)
{
    struct timespec t;
    int64_t start = bench_cpu(), sum = 0;

    for (int i = 0; i < r->calls; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        sum += t.tv_nsec;
    }
    result = sum;
    return (double)(bench_cpu() - start) / r->calls;
}

static double checks(struct rig *r, const wsrt_limit_key *key, int64_t step)
{
    wsrt_limiter *l = r->limiter;
    int64_t start = bench_cpu(), now = r->now;
    int sum = 0;

    for (int i = r->calls; i > 0; i--, now += step)
        sum += wsrt_limiter_check(l, key, 1, 1, now, NULL);
    result = sum;
    r->now = now;
    return (double)(bench_cpu() - start) / r->calls;
}

static double admit(struct rig *r)
{
    return checks(r, &r->keys[0], 1000);
}

/* Threads are not at the same time: with a clock that stands still the burst admits all of them. */
static double admit_at_once(struct rig *r)
{
    return checks(r, &r->keys[0], 0);
}

static double refuse(struct rig *r)
{
    return checks(r, &r->keys[1], 0);
}

static double admit_from_table(struct rig *r)
{
    return checks(r, &r->keys[2], 1000);
}

static double three_scopes(struct rig *r)
{
    wsrt_limit_key keys[3] = {r->keys[0], r->keys[2], r->keys[2]};
    wsrt_limit_result out;
    int64_t start = bench_cpu(), sum = 0;

    keys[2].scope = WSRT_SCOPE_STAGE;
    for (int i = 0; i < r->calls; i++) {
        sum += wsrt_limiter_check(r->limiter, keys, 3, 1, r->now, &out);
        r->now += 1000;
    }
    result = sum;
    return (double)(bench_cpu() - start) / r->calls;
}

/* As the runtime asks for a message of somebody without a user: route and stage are off, and what
 * refuses is to be told. */
static double refuse_beside_off(struct rig *r)
{
    wsrt_limit_key keys[3] = {r->keys[1],
                              {.scope = WSRT_SCOPE_ROUTE, .key = wsrt_span_cstr("$default")},
                              {.scope = WSRT_SCOPE_CONNECT, .key = wsrt_span_cstr("dev")}};
    wsrt_limit_result out;
    int64_t start = bench_cpu(), sum = 0;

    for (int i = r->calls; i > 0; i--)
        sum += wsrt_limiter_check(r->limiter, keys, 3, 1, r->now, &out);
    result = sum;
    return (double)(bench_cpu() - start) / r->calls;
}

/* ---- two threads ---- */

struct worker {
    struct rig rig;
    double (*run)(struct rig *r);
    pthread_barrier_t *together;
    int number;
    double ns;
};

static void *work(void *user)
{
    struct worker *w = user;

    bench_own_processor(w->number);
    pthread_barrier_wait(w->together);
    w->ns = w->run(&w->rig);
    return NULL;
}

/* CPU time of a call; `shared`: of the same cell. */
static double on_threads(struct rig *r, double (*run)(struct rig *), int shared)
{
    static struct cells cells[THREADS];
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t together;
    double sum = 0;

    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.rig = *r, .run = run, .together = &together, .number = i};
        if (!shared) {
            workers[i].rig.keys[0].cell = &cells[i].open;
            workers[i].rig.keys[1].cell = &cells[i].shut;
        }
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += workers[i].ns;
    }
    pthread_barrier_destroy(&together);
    r->now = workers[0].rig.now + BURST; /* full again */
    return sum / THREADS;
}

static double admit_on_two(struct rig *r)
{
    return on_threads(r, admit_at_once, 0);
}

static double refuse_on_two(struct rig *r)
{
    return on_threads(r, refuse, 0);
}

static double admit_shared(struct rig *r)
{
    return on_threads(r, admit_at_once, 1);
}

static double refuse_shared(struct rig *r)
{
    return on_threads(r, refuse, 1);
}

/* ---- all of them ---- */

static struct variant {
    const char *name;
    double (*run)(struct rig *r);
    double most; /* clock reads; 0 = no goal */
    double values[ROUNDS];
} variants[] = {
    {"clock_read", clock_reads, 0, {0}},
    {"admit", admit, 0.6, {0}},
    {"refuse", refuse, 0.15, {0}},
    {"admit_from_table", admit_from_table, 0, {0}},
    {"admit_three_scopes", three_scopes, 0, {0}},
    {"refuse_beside_two_off", refuse_beside_off, 0, {0}},
    {"admit_two_threads", admit_on_two, 0, {0}},
    {"refuse_two_threads", refuse_on_two, 0, {0}},
    {"admit_two_threads_one_cell", admit_shared, 0, {0}},
    {"refuse_two_threads_one_cell", refuse_shared, 0, {0}},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

static int row(struct bench *b, const char *name, double value, double most, const char *unit)
{
    char text[64];

    snprintf(text, sizeof text, most < 0 ? "%s" : "%s (goal %g)%s", unit, most,
             value > most ? " MISSED" : "");
    bench_row(b, name, value, text);
    return most >= 0 && value > most;
}

static int ratio_row(struct bench *b, const struct variant *v)
{
    double ratios[ROUNDS];

    for (int i = 0; i < ROUNDS; i++)
        ratios[i] = v->values[i] / variants[0].values[i];
    return row(b, v->name, bench_median(ratios, ROUNDS), v->most > 0 ? v->most : -1, "clock reads");
}

static void setup(struct rig *r, struct bench_heap *heap, struct cells *cells)
{
    wsrt_limiter_options o = {
        .struct_size = sizeof o, .max_keys = KEYS, .allocator = {bench_realloc, heap}};

    o.connection = o.user = o.stage = (wsrt_rule){1e9, BURST, 0};
    o.ping = (wsrt_rule){0.000001, 1, 0};
    o.connect.flags = WSRT_RULE_OFF;
    if (wsrt_limiter_new(&r->limiter, &o) != WSRT_OK)
        exit(1);
    r->keys[0] = (wsrt_limit_key){.scope = WSRT_SCOPE_CONNECTION, .cell = &cells->open};
    r->keys[1] = (wsrt_limit_key){.scope = WSRT_SCOPE_PING, .cell = &cells->shut};
    r->keys[2] = (wsrt_limit_key){.scope = WSRT_SCOPE_USER, .key = wsrt_span_cstr("user-1234567")};
}

int main(int argc, char **argv)
{
    static struct cells cells;
    struct bench b = bench_start(argc, argv);
    struct bench_heap heap = {0, 0};
    struct rig r = {.calls = b.quick ? QUICK_CALLS : CALLS};
    double floor_ns[ROUNDS];
    int check = 0, missed = 0;

    for (int i = 1; i < argc; i++)
        check |= strcmp(argv[i], "--check") == 0;
    setup(&r, &heap, &cells);
    size_t made = heap.calls;
    for (int round = -1; round < ROUNDS; round++) /* the first warms */
        for (int v = 0; v < VARIANTS; v++)
            variants[v].values[round < 0 ? 0 : round] = variants[v].run(&r);
    memcpy(floor_ns, variants[0].values, sizeof floor_ns);
    bench_row(&b, "clock_read_ns", bench_median(floor_ns, ROUNDS), "ns");
    for (int v = 1; v < VARIANTS; v++)
        missed |= ratio_row(&b, &variants[v]);
    missed |= row(&b, "allocations", (double)(heap.calls - made), 0, "");
    missed |= row(&b, "table_of_a_million_keys_mb", (double)heap.live / 1e6, 24, "MB");
    bench_end(&b);
    wsrt_limiter_free(r.limiter);
    return check && missed ? 1 : 0;
}
