/* What the monitor costs a timed operation, in units of the floor: two clock reads and an add, which
 * a caller pays anyway. Floor and measure alternate in short passes; thread CPU time; medians of the
 * ratios. Exits 1 when a ratio is above its bound, but not with --quick. */
#include "bench.h"

#include <wsrt/monitor.h>

#include "monitor/snapshot.h"

#include <malloc.h>
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
    bench_own_processor(0);
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

/* ---- windows that roll: each pass breaks the record of its own ---- */

static int64_t ticked;

static void windows_pass(void)
{
    wsrt_monitor_tick(monitor, ticked += 10000000000, 0);
    operations(recorder);
}

/* ---- readers: many series in two shards, read as a summary. A monitor has 1,024 operations at most, so
 * there are ten monitors ---- */

enum { MONITORS = 10, SERIES = 1000 };

static wsrt_monitor *readers[MONITORS];
static wsrt_recorder *recorders[MONITORS][2];

static int64_t spread(int i)
{
    return 1000000 + (int64_t)i * 1234567 % 30000000;
}

static void fill_series(wsrt_monitor *m, wsrt_recorder *const both[2])
{
    char name[32];
    wsrt_op op;
    int id;

    for (int i = 0; i < SERIES; i++) {
        snprintf(name, sizeof name, "operation_%d", i);
        if (wsrt_monitor_operation(m, wsrt_span_cstr(name), &id) != WSRT_OK)
            abort();
        for (int k = 0; k < 40; k++) {
            wsrt_op_start(m, both[k % 2], id, 0, &op);
            wsrt_op_complete(&op, spread(k), NULL);
        }
    }
}

static int count_bytes(const void *data, size_t len, void *user)
{
    (void)data;
    *(size_t *)user += len;
    return WSRT_OK;
}

static size_t page_lines; /* of the last page */

static int count_lines(const void *data, size_t len, void *user)
{
    const char *p = data;

    (void)user;
    for (size_t i = 0; i < len; i++)
        page_lines += p[i] == '\n';
    return WSRT_OK;
}

static void export_to(wsrt_monitor *m, int (*write)(const void *, size_t, void *), void *user)
{
    const wsrt_export_options options = {.struct_size = sizeof options,
                                         .format = WSRT_EXPORT_PROMETHEUS,
                                         .flags = WSRT_EXPORT_SUMMARY};

    if (wsrt_monitor_export(m, &options, write, user) < 0)
        abort();
}

/* A reading of all that is there, and four quantiles of each series. */
static void read_snapshot(wsrt_monitor *m)
{
    static const double quantiles[] = {0.5, 0.95, 0.99, 0.999};
    uint64_t values[4];
    wsrt_snapshot *s;

    if (wsrt_snapshot_take(&s, m) != WSRT_OK)
        abort();
    for (int id = 0; id < s->operation_count; id++) {
        struct histogram h = wsrt_view_histogram(s, id);
        wsrt_histogram_quantiles(&h, quantiles, 4, values);
        sink = (int64_t)values[3];
    }
    wsrt_snapshot_free(s);
}

static void snapshot_pass(void)
{
    for (int i = 0; i < MONITORS; i++)
        read_snapshot(readers[i]);
}

static void page_pass(void)
{
    size_t bytes = 0;

    for (int i = 0; i < MONITORS; i++)
        export_to(readers[i], count_bytes, &bytes);
    sink = (int64_t)bytes;
}

/* Floors of a pass, by `units`. */
static double floors_of(void (*pass)(void), double units)
{
    double ratios[BENCH_PASSES];

    for (int i = 0; i < BENCH_PASSES; i++) {
        int64_t start = bench_cpu();
        floor_pass();
        int64_t middle = bench_cpu();
        pass();
        double floor = (double)(middle - start) / (double)rounds;
        ratios[i] = (double)(bench_cpu() - middle) / floor / units;
    }
    return bench_median(ratios, BENCH_PASSES);
}

/* ---- the slowest completions, beside a thread that reads for ever ---- */

static volatile int reading;

static void *read_for_ever(void *user)
{
    while (reading)
        read_snapshot(monitor);
    return user;
}

static double slowest(void)
{
    static double took[100000];
    size_t count = (size_t)rounds * 10 < 100000 ? (size_t)rounds * 10 : 100000;
    wsrt_op op;

    for (size_t i = 0; i < count; i++) {
        wsrt_op_start(monitor, recorder, WSRT_OP_CONVERSATION, 0, &op);
        int64_t start = read_clock();
        wsrt_op_complete(&op, 2000000, NULL);
        took[i] = (double)(read_clock() - start);
    }
    qsort(took, count, sizeof took[0], bench_compare);
    return took[count - 1 - count / 1000];
}

static double slowest_while_read(void)
{
    pthread_t other;
    double quiet = slowest();

    reading = 1;
    if (pthread_create(&other, NULL, read_for_ever, NULL) != 0)
        abort();
    double busy = slowest();
    reading = 0;
    pthread_join(other, NULL);
    return busy / quiet;
}

/* ---- memory ---- */

static size_t live_bytes;

static void *counting(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    live_bytes += new_size - old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

static double bytes_of_series(int completions)
{
    const wsrt_monitor_options options = {.struct_size = sizeof options,
                                          .allocator = {.realloc = counting}};
    wsrt_monitor *m;
    wsrt_recorder *r;
    wsrt_op op;

    if (wsrt_monitor_new(&m, &options) != WSRT_OK || wsrt_recorder_new(&r, m) != WSRT_OK)
        abort();
    wsrt_op_start(m, r, 0, 0, &op);
    wsrt_op_cancel(&op);
    size_t page = live_bytes;
    wsrt_op_start(m, r, 1, 0, &op);
    wsrt_op_cancel(&op);
    size_t before = live_bytes;
    for (int i = 0; i < completions; i++) {
        wsrt_op_start(m, r, 1, 0, &op);
        wsrt_op_complete(&op, spread(i), NULL);
    }
    double out = (double)(before - page + (live_bytes - before));
    wsrt_recorder_free(r);
    wsrt_monitor_free(m);
    return out;
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

static int tell(struct bench *b, const char *name, double value, double bound, const char *goal)
{
    bench_row(b, name, value, goal);
    return bound > 0 && value > bound;
}

static int measure_readers(struct bench *b)
{
    int late = 0;

    for (int i = 0; i < MONITORS; i++) {
        if (wsrt_monitor_new(&readers[i], NULL) != WSRT_OK ||
            wsrt_recorder_new(&recorders[i][0], readers[i]) != WSRT_OK ||
            wsrt_recorder_new(&recorders[i][1], readers[i]) != WSRT_OK)
            abort();
        fill_series(readers[i], recorders[i]);
        export_to(readers[i], count_lines, NULL);
    }
    double series = MONITORS * SERIES;
    double snapshot = floors_of(snapshot_pass, series);
    double page = floors_of(page_pass, series);
    late |= tell(b, "snapshot_a_series", snapshot, 33, "floors a series in two shards (goal 33)");
    late |= tell(b, "text_of_six_lines", (page - snapshot) * series / (double)page_lines * 6, 27,
                 "floors with four quantiles a series (goal 27)");
    late |= tell(b, "p999_while_read", slowest_while_read(), 3, "times that without (goal 3)");
    late |= tell(b, "bytes_a_series", bytes_of_series(10000), 2048, "bytes (goal 2048)");
    late |= tell(b, "bytes_an_idle_series", bytes_of_series(0), 512, "bytes (goal 512)");
    for (int i = 0; i < MONITORS; i++) {
        wsrt_recorder_free(recorders[i][0]);
        wsrt_recorder_free(recorders[i][1]);
        wsrt_monitor_free(readers[i]);
    }
    return late;
}

static void set_up(uint32_t cpu_sampling)
{
    wsrt_monitor_options options = {.struct_size = sizeof options, .cpu_sampling = cpu_sampling};

    if (wsrt_monitor_new(&monitor, &options) != WSRT_OK ||
        wsrt_recorder_new(&recorder, monitor) != WSRT_OK)
        abort();
}

/* Every octave of durations has been met. */
static void warm_up(void)
{
    wsrt_op op;

    for (int octave = 0; octave < 43; octave++) {
        wsrt_op_start(monitor, recorder, WSRT_OP_CONVERSATION, 0, &op);
        wsrt_op_complete(&op, (int64_t)1 << octave, NULL);
    }
    operations(recorder);
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
        {"start_complete", private_pass, 1, UINT32_MAX, 1.40, "floors (goal 1.40)"},
        {"with_windows", windows_pass, 1, UINT32_MAX, 1.60, "floors (goal 1.60)"},
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
        warm_up();
        size_t heap = mallinfo2().uordblks;
        double ratio = ratio_of(measures[i].pass, measures[i].threads, &floor_ns);
        if (i == 0)
            late |=
                tell(&b, "bytes_allocated", (double)(mallinfo2().uordblks - heap), 0.5, "(goal 0)");
        bench_row(&b, measures[i].name, ratio, measures[i].goal);
        late |= measures[i].bound > 0 && ratio > measures[i].bound;
        if (i == 0)
            late |= measure_readers(&b);
        wsrt_recorder_free(recorder);
        wsrt_monitor_free(monitor);
    }
    bench_row(&b, "floor_ns", floor_ns, "ns");
    bench_end(&b);
    return late && !b.quick;
}
