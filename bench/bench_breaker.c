/* The breaker against the floor of any guarded call: one atomic load and one coarse clock read. All
 * variants take turns in one run, and ratios are taken inside a round.
 *
 *   bench_breaker [--quick] [--json] [--check] [--peer SCRIPT]...
 *
 * --check exits 1 when a goal is missed; --peer runs a Node script of other breakers, in turns with ours:
 * `bench/breaker` gives it those that are known. */
#include "bench.h"

#include <wsrt/breaker.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 51, CALLS = 40000, QUICK_CALLS = 100, BULK = 1000000 };
enum { MANY = 10000, NAMED = 8000, FEW = 200, NAME_LEN = 16 };

struct rig {
    wsrt_breakers *registry, *named;
    struct bench_heap heap;
    wsrt_breaker *closed, *open, *failing, *crowded, *striped;
    wsrt_breaker *many[MANY];
    char names[NAMED][NAME_LEN];
    int64_t now;
    int calls;
    uint64_t random;
};

/* One number a round for each variant; the ratio is taken of the same round. */
struct variant {
    const char *name;
    double (*run)(struct rig *rig);
    double values[ROUNDS];
};

static _Atomic uint64_t floor_word;
static volatile int64_t sink;

static int64_t read_clock(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double per_call(const struct rig *rig, int64_t start)
{
    return (double)(bench_cpu() - start) / rig->calls;
}

/* ---- floors ---- */

/* A guard that only looks. It is called as every guard is that hides what it looks at. */
static __attribute__((noinline)) int64_t floor_guard(const _Atomic uint64_t *word)
{
    return (int64_t)atomic_load_explicit(word, memory_order_acquire);
}

static double floor_coarse(struct rig *rig)
{
    int64_t start = bench_cpu(), sum = 0;

    for (int i = 0; i < rig->calls; i++) {
        sum += floor_guard(&floor_word);
        sum += read_clock(CLOCK_MONOTONIC_COARSE);
    }
    sink = sum;
    return per_call(rig, start);
}

/* The same without the call, to compare. */
static double floor_inlined(struct rig *rig)
{
    int64_t start = bench_cpu(), sum = 0;

    for (int i = 0; i < rig->calls; i++) {
        sum += (int64_t)atomic_load_explicit(&floor_word, memory_order_acquire);
        sum += read_clock(CLOCK_MONOTONIC_COARSE);
    }
    sink = sum;
    return per_call(rig, start);
}

static double floor_precise(struct rig *rig)
{
    int64_t start = bench_cpu(), sum = 0;

    for (int i = 0; i < rig->calls; i++) {
        sum += floor_guard(&floor_word);
        sum += read_clock(CLOCK_MONOTONIC) + read_clock(CLOCK_MONOTONIC);
    }
    sink = sum;
    return per_call(rig, start);
}

/* ---- ours ---- */

static void call(wsrt_breaker *b, int64_t from, int64_t to, int outcome)
{
    wsrt_permit p;

    if (wsrt_breaker_try_acquire(b, from, &p, NULL) == WSRT_OK)
        wsrt_breaker_record(b, &p, to, outcome);
}

static double calls(struct rig *rig, wsrt_breaker *b, int outcome)
{
    int64_t start = bench_cpu();

    for (int i = 0; i < rig->calls; i++) {
        rig->now += 100;
        call(b, rig->now, rig->now, outcome);
    }
    return per_call(rig, start);
}

static double success(struct rig *rig)
{
    return calls(rig, rig->closed, WSRT_SUCCESS);
}

static double failure(struct rig *rig)
{
    return calls(rig, rig->failing, WSRT_FAILURE);
}

static double failure_crowded(struct rig *rig)
{
    return calls(rig, rig->crowded, WSRT_FAILURE);
}

static double success_precise(struct rig *rig)
{
    int64_t start = bench_cpu();

    for (int i = 0; i < rig->calls; i++) {
        wsrt_permit p;
        wsrt_breaker_try_acquire(rig->closed, read_clock(CLOCK_MONOTONIC), &p, NULL);
        wsrt_breaker_record(rig->closed, &p, read_clock(CLOCK_MONOTONIC), WSRT_SUCCESS);
    }
    return per_call(rig, start);
}

static double rejection(struct rig *rig)
{
    wsrt_rejection why;
    wsrt_permit p;
    int64_t start = bench_cpu(), sum = 0;

    for (int i = 0; i < rig->calls; i++)
        sum += wsrt_breaker_try_acquire(rig->open, read_clock(CLOCK_MONOTONIC_COARSE), &p, &why);
    sink = sum;
    return per_call(rig, start);
}

static uint64_t next_random(struct rig *rig)
{
    rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
    return rig->random >> 33;
}

/* A walk among many is longer than a round of one breaker: each is met a hundred times, for the first time
 * while the cache is still others'. */
enum { WALK = 20 };

/* Two threads run long enough to meet, and not so long that the next round's time lies behind theirs. */
enum { TOGETHER = 5 };

static double by_handle(struct rig *rig)
{
    int64_t start = bench_cpu();

    for (int i = 0; i < WALK * rig->calls; i++) {
        wsrt_breaker *b = rig->many[next_random(rig) % MANY];
        wsrt_permit p;
        wsrt_breaker_try_acquire(b, read_clock(CLOCK_MONOTONIC_COARSE), &p, NULL);
        wsrt_breaker_record(b, &p, read_clock(CLOCK_MONOTONIC_COARSE), WSRT_SUCCESS);
    }
    return per_call(rig, start) / WALK;
}

/* Who asks for a breaker has just made or read its name. So the text of the next one is on its way here
 * while this one is looked for: else each look-up would begin with a miss of the benchmark's own. */
static inline double by_names(struct rig *rig, uint64_t count)
{
    const wsrt_span service = wsrt_span_cstr("service");
    const char *next = rig->names[next_random(rig) % count];
    int64_t start = bench_cpu();

    for (int i = 0; i < WALK * rig->calls; i++) {
        wsrt_breaker *b;
        wsrt_span name = {next, NAME_LEN - 1};
        next = rig->names[next_random(rig) % count];
        __builtin_prefetch(next);
        wsrt_breakers_find(rig->named, service, name, &b);
        wsrt_breaker_release_ref(b);
    }
    return per_call(rig, start) / WALK;
}

static double by_name(struct rig *rig)
{
    return by_names(rig, NAMED);
}

/* What a look-up takes where it waits for no memory. */
static double by_few_names(struct rig *rig)
{
    return by_names(rig, FEW);
}

static double striped_alone(struct rig *rig)
{
    return calls(rig, rig->striped, WSRT_SUCCESS);
}

struct worker {
    struct rig rig;
    pthread_barrier_t *together;
    int number;
    double ns;
};

static void *work(void *user)
{
    struct worker *w = user;

    bench_own_processor(w->number);
    pthread_barrier_wait(w->together);
    w->ns = striped_alone(&w->rig);
    return NULL;
}

static double striped_shared(struct rig *rig)
{
    static struct worker workers[2];
    pthread_t threads[2];
    pthread_barrier_t together;

    pthread_barrier_init(&together, NULL, 2);
    for (int i = 0; i < 2; i++) {
        workers[i].together = &together;
        workers[i].number = i;
        workers[i].rig.striped = rig->striped;
        workers[i].rig.now = rig->now;
        workers[i].rig.calls = TOGETHER * rig->calls;
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);
    return (workers[0].ns + workers[1].ns) / 2;
}

/* ---- the rig ---- */

static wsrt_breaker *get(wsrt_breakers *r, const char *name, const wsrt_breaker_config *config)
{
    wsrt_breaker *b;

    if (wsrt_breakers_get(r, wsrt_span_cstr("service"), wsrt_span_cstr(name), config, &b, NULL) !=
        WSRT_OK)
        exit(1);
    return b;
}

/* Never trips, never slow. */
static wsrt_breaker_config patient(int stripes)
{
    return (wsrt_breaker_config){.struct_size = sizeof(wsrt_breaker_config),
                                 .failure_threshold = (1 << 24) - 1,
                                 .expected_response_time_ms = -1,
                                 .stripes = stripes};
}

static void make_rig(struct rig *rig, int quick)
{
    wsrt_breakers_options o = {.struct_size = sizeof o,
                               .allocator = {bench_realloc, &rig->heap},
                               .now = read_clock(CLOCK_MONOTONIC),
                               .max_breakers = 100000};
    wsrt_breaker_config plain = patient(1), striped = patient(4);

    if (wsrt_breakers_new(&rig->registry, &o) != WSRT_OK ||
        wsrt_breakers_new(&rig->named, &o) != WSRT_OK)
        exit(1);
    rig->calls = quick ? QUICK_CALLS : CALLS;
    rig->random = 1;
    rig->now = o.now;
    rig->closed = get(rig->registry, "closed", &plain);
    rig->open = get(rig->registry, "open", &plain);
    rig->failing = get(rig->registry, "failing", &plain);
    rig->crowded = get(rig->registry, "crowded", &plain);
    rig->striped = get(rig->registry, "striped", &striped);
    wsrt_breaker_control(rig->open, WSRT_BREAKER_TRIP, INT64_C(86400000), o.now);
    for (int i = 0; i < (quick ? 1000 : BULK); i++)
        call(rig->crowded, o.now, o.now + i * INT64_C(50000), WSRT_SUCCESS);
    for (int i = 0; i < MANY; i++) {
        char name[24];
        snprintf(name, sizeof name, "handle-%d", i);
        rig->many[i] = get(rig->registry, name, NULL);
    }
    for (int i = 0; i < NAMED; i++) {
        snprintf(rig->names[i], sizeof rig->names[i], "operation-%05d", i);
        wsrt_breaker_release_ref(get(rig->named, rig->names[i], NULL));
    }
}

enum { SIZED = 960 };

/* Bytes of one more breaker, without its key text and its places in the tables of the registry: the mean
 * of many, for memory is taken for several at once. */
static double bytes_of(struct rig *rig, int stripes)
{
    char name[32];
    wsrt_breaker_config c = patient(stripes);
    size_t before = 0, text = 0;

    c.failure_threshold = 7; /* settings are shared: the first pays for them */
    for (int i = -1; i < SIZED; i++) {
        snprintf(name, sizeof name, "size-%d-%d", stripes, i);
        get(rig->registry, name, &c);
        if (i < 0)
            before = rig->heap.live;
        else
            text += strlen("service") + strlen(name);
    }
    return (double)(rig->heap.live - before - text) / SIZED;
}

/* ---- goals ---- */

enum {
    FLOOR,
    INLINED,
    PRECISE,
    P1,
    P2,
    P3,
    P4,
    P4_CROWDED,
    P5_ALONE,
    P5,
    P7_HANDLE,
    P7_NAME,
    P7_FEW
};
enum { VARIANTS = P7_FEW + 1 };

static struct variant variants[VARIANTS] = {
    [FLOOR] = {"floor0", floor_coarse, {0}},
    [INLINED] = {"floor0_inlined", floor_inlined, {0}},
    [PRECISE] = {"floor_precise", floor_precise, {0}},
    [P1] = {"p1_success", success, {0}},
    [P2] = {"p2_success_precise", success_precise, {0}},
    [P3] = {"p3_rejection", rejection, {0}},
    [P4] = {"p4_failure", failure, {0}},
    [P4_CROWDED] = {"p4_failure_crowded", failure_crowded, {0}},
    [P5_ALONE] = {"p5_alone", striped_alone, {0}},
    [P5] = {"p5_two_threads", striped_shared, {0}},
    [P7_HANDLE] = {"p7_by_handle", by_handle, {0}},
    [P7_NAME] = {"p7_by_name", by_name, {0}},
    [P7_FEW] = {"p7_by_name_in_cache", by_few_names, {0}},
};

struct goal {
    int variant, floor;
    double most;
};

static const struct goal goals[] = {
    {P1, FLOOR, 2.5},      {P2, PRECISE, 1.4},    {P3, FLOOR, 1.5},
    {P4, FLOOR, 5},        {P4_CROWDED, P4, 1.2}, {P5, P5_ALONE, 1.5},
    {P7_HANDLE, FLOOR, 6}, {P7_NAME, FLOOR, 5},   {P7_FEW, FLOOR, 5},
};

static int row(struct bench *b, const char *name, double value, double most)
{
    char unit[64];

    snprintf(unit, sizeof unit, "(goal %g)%s", most, value > most ? " MISSED" : "");
    bench_row(b, name, value, unit);
    return value > most;
}

static int ratio_row(struct bench *b, const struct goal *g)
{
    double ratios[ROUNDS], median;
    char quartiles[64];

    for (int i = 0; i < ROUNDS; i++)
        ratios[i] = variants[g->variant].values[i] / variants[g->floor].values[i];
    median = bench_median(ratios, ROUNDS);
    int missed = row(b, variants[g->variant].name, median, g->most);
    snprintf(quartiles, sizeof quartiles, "%-28s %10.2f to %.2f", "  quartiles", ratios[ROUNDS / 4],
             ratios[ROUNDS - 1 - ROUNDS / 4]);
    if (!b->json)
        puts(quartiles);
    return missed;
}

enum { PEER_ROUNDS = 5, PEER_LINES = 8 };

struct peer {
    const char *script;
    size_t lines;
    char names[PEER_LINES][64];
    double ratios[PEER_LINES][PEER_ROUNDS];
};

/* A script that prints `name nanoseconds` lines, of one round of both. */
static void run_peer(struct peer *p, struct rig *rig, int quick, int round)
{
    char command[4096];
    double passes[BENCH_PASSES], ns;

    for (int i = 0; i < BENCH_PASSES; i++)
        passes[i] = success_precise(rig);
    snprintf(command, sizeof command, "node '%s' %s 2>/dev/null", p->script,
             quick ? "--quick" : "");
    FILE *f = popen(command, "r");
    double ours = bench_median(passes, BENCH_PASSES);
    size_t line = 0;
    for (; f != NULL && line < PEER_LINES && fscanf(f, "%63s %lf", p->names[line], &ns) == 2;
         line++)
        p->ratios[line][round] = ns / ours;
    if (f != NULL)
        pclose(f);
    p->lines = line;
}

/* Our success with two precise clock reads takes turns with theirs. */
static void compare_peer(struct bench *b, struct rig *rig, const char *script)
{
    const char *slash = strrchr(script, '/'), *file = slash != NULL ? slash + 1 : script;
    struct peer p = {.script = script};
    int rounds = b->quick ? 1 : PEER_ROUNDS;

    for (int round = 0; round < rounds && (round == 0 || p.lines > 0); round++)
        run_peer(&p, rig, b->quick, round);
    for (size_t i = 0; i < p.lines; i++)
        bench_row(b, p.names[i], bench_median(p.ratios[i], (size_t)rounds), "times ours");
    if (p.lines == 0 && !b->json)
        printf("%-28.*s skipped\n", (int)strcspn(file, "."), file);
}

/* gobreaker is a module of Go's, and this project builds none. */
static void run_peers(struct bench *b, struct rig *rig, int argc, char **argv)
{
    static const char *const known[] = {"opossum", "cockatiel", "gobreaker"};
    unsigned given = 0;

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--peer") != 0)
            continue;
        compare_peer(b, rig, argv[i + 1]);
        for (unsigned k = 0; k < 3; k++)
            given |= (unsigned)(strstr(argv[i + 1], known[k]) != NULL) << k;
    }
    for (unsigned k = 0; k < 3 && !b->json; k++)
        if ((given >> k & 1) == 0)
            printf("%-28s skipped\n", known[k]);
}

/* ---- what nobody calls ---- */

static double other_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    int count = 0;

    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        count += e->d_name[0] != '.';
    if (d != NULL)
        closedir(d);
    return count - 1;
}

/* CPU of this process in half a second of sleep, beyond what the sleep takes. */
static double idle_ms(void)
{
    struct timespec before, after, nap = {0, 500000000};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
                (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    return ms < 0.5 ? 0 : ms;
}

static double median_of(int variant)
{
    double values[ROUNDS];

    memcpy(values, variants[variant].values, sizeof values);
    return bench_median(values, ROUNDS);
}

int main(int argc, char **argv)
{
    static struct rig rig;
    struct bench b = bench_start(argc, argv);
    int check = 0, missed = 0;
    size_t allocations = 0;

    for (int i = 1; i < argc; i++)
        check |= strcmp(argv[i], "--check") == 0;
    make_rig(&rig, b.quick);
    for (int round = -1; round < ROUNDS; round++) {
        size_t before = rig.heap.calls;
        for (int v = 0; v < VARIANTS; v++)
            variants[v].values[round < 0 ? 0 : round] = variants[v].run(&rig); /* first: warm */
        allocations += rig.heap.calls - before;
    }
    bench_row(&b, "floor0_ns", median_of(FLOOR), "ns");
    bench_row(&b, "floor0_inlined_ns", median_of(INLINED), "ns");
    for (size_t i = 0; i < sizeof goals / sizeof goals[0]; i++)
        missed |= ratio_row(&b, &goals[i]);
    missed |= row(&b, "p6_bytes_1_stripe", bytes_of(&rig, 1), 256);
    missed |= row(&b, "p6_bytes_4_stripes", bytes_of(&rig, 4), 768);
    missed |= row(&b, "p6_bytes_permit", sizeof(wsrt_permit), 16);
    missed |= row(&b, "p8_allocations", (double)allocations, 0);
    missed |= row(&b, "p8_threads", other_threads(), 0);
    missed |= row(&b, "p8_idle_cpu_ms", idle_ms(), 0);
    run_peers(&b, &rig, argc, argv);
    bench_end(&b);
    wsrt_breakers_free(rig.registry);
    wsrt_breakers_free(rig.named);
    return check && missed ? 1 : 0;
}
