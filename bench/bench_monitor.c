/* What the monitor costs a timed operation, in units of the floor: two clock reads and an add, which
 * a caller pays anyway. Floor and measure alternate in short passes; thread CPU time; medians of the
 * ratios. Exits 1 when a ratio is above its bound, but not with --quick. */
#include "bench.h"

#include <wsrt/monitor.h>

#include <pthread.h>

enum { PASSES = 101 };

static long rounds = 10000;
static wsrt_monitor *monitor; /* of the measure under way */
static wsrt_recorder *recorder;
static volatile int64_t sink;

static int64_t read_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void floor_pass(void)
{
    int64_t sum = 0;

    for (long i = 0; i < rounds; i++) {
        int64_t start = read_clock();
        sum += read_clock() - start;
    }
    sink = sum;
}

static void operations(wsrt_recorder *rec)
{
    wsrt_op_result result = {
        .struct_size = sizeof result, .success = 1, .request_size = 120, .response_size = 80};
    wsrt_op op;

    for (long i = 0; i < rounds; i++) {
        wsrt_op_start(monitor, rec, WSRT_OP_CONVERSATION, read_clock(), &op);
        wsrt_op_external_call(&op);
        wsrt_op_database_call(&op);
        wsrt_op_complete(&op, read_clock(), &result);
    }
}

static void private_pass(void)
{
    operations(recorder);
}

static void shared_pass(void)
{
    operations(NULL);
}

static void attributes_pass(void)
{
    wsrt_field attrs[] = {
        {.name_cstr = "messageType", .text = {"message", 7}, .kind = WSRT_FIELD_TEXT},
        {.name_cstr = "messageLength", .number = 120, .kind = WSRT_FIELD_INT},
    };
    wsrt_op_result result = {.struct_size = sizeof result,
                             .success = 1,
                             .request_size = 120,
                             .response_size = 80,
                             .attrs = attrs,
                             .attr_count = 2};
    wsrt_op op;

    for (long i = 0; i < rounds; i++) {
        wsrt_op_start(monitor, recorder, WSRT_OP_CONVERSATION, read_clock(), &op);
        wsrt_op_complete(&op, read_clock(), &result);
    }
}

/* ---- two threads ---- */

static pthread_barrier_t together;

static void *other_thread(void *user)
{
    wsrt_recorder *own = NULL;

    if (wsrt_recorder_new(&own, monitor) != WSRT_OK)
        abort();
    pthread_barrier_wait(&together);
    operations(own);
    wsrt_recorder_free(own);
    return user;
}

static void two_threads_pass(void)
{
    pthread_barrier_wait(&together);
    operations(recorder);
}

/* ---- measuring ---- */

static double cpu_of(void (*pass)(void))
{
    int64_t start = bench_cpu();

    pass();
    return (double)(bench_cpu() - start) / (double)rounds;
}

static double ratio_of(void (*pass)(void), int threads, double *floor_ns)
{
    double floors[PASSES], ratios[PASSES];
    pthread_t other;

    for (int i = 0; i < PASSES; i++) {
        floors[i] = cpu_of(floor_pass);
        if (threads == 2 && pthread_create(&other, NULL, other_thread, NULL) != 0)
            abort();
        ratios[i] = cpu_of(pass) / floors[i];
        if (threads == 2)
            pthread_join(other, NULL);
    }
    *floor_ns = bench_median(floors, PASSES);
    return bench_median(ratios, PASSES);
}

static void set_up(uint32_t cpu_sampling)
{
    wsrt_monitor_options options = {.struct_size = sizeof options, .cpu_sampling = cpu_sampling};

    if (wsrt_monitor_new(&monitor, &options) != WSRT_OK ||
        wsrt_recorder_new(&recorder, monitor) != WSRT_OK)
        abort();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*pass)(void);
        int threads;
        uint32_t cpu_sampling;
        double bound; /* 0 = told only */
        const char *goal;
    } measures[] = {
        {"start_complete", private_pass, 1, UINT32_MAX, 1.60, "floors (goal 1.40, windows 1.60)"},
        {"cpu_1_in_64", private_pass, 1, 64, 1.55, "floors (goal 1.55)"},
        {"two_threads", two_threads_pass, 2, UINT32_MAX, 1.60, "floors (goal 1.60)"},
        {"shared_shard", shared_pass, 1, UINT32_MAX, 0, "floors"},
        {"two_attributes", attributes_pass, 1, UINT32_MAX, 0, "floors"},
    };
    struct bench b = bench_start(argc, argv);
    double floor_ns = 0;
    int late = 0;

    if (b.quick)
        rounds = 20;
    if (pthread_barrier_init(&together, NULL, 2) != 0)
        return 1;
    for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        set_up(measures[i].cpu_sampling);
        double ratio = ratio_of(measures[i].pass, measures[i].threads, &floor_ns);
        bench_row(&b, measures[i].name, ratio, measures[i].goal);
        late |= measures[i].bound > 0 && ratio > measures[i].bound;
        wsrt_recorder_free(recorder);
        wsrt_monitor_free(monitor);
    }
    bench_row(&b, "floor_ns", floor_ns, "ns");
    bench_end(&b);
    return late && !b.quick;
}
