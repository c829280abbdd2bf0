/* What the benchmarks share: clocks, options, medians, one line of JSON. */
#ifndef WSRT_BENCH_H
#define WSRT_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_PASSES = 5 };

struct bench {
    int quick; /* --quick: tiny counts, numbers mean nothing */
    int json;  /* --json: one line of JSON instead of text */
    int rows;
};

static inline struct bench bench_start(int argc, char **argv)
{
    struct bench b = {0};

    for (int i = 1; i < argc; i++) {
        b.quick |= strcmp(argv[i], "--quick") == 0;
        b.json |= strcmp(argv[i], "--json") == 0;
    }
    return b;
}

/* CPU nanoseconds of this thread: neighbours do not count. */
static inline int64_t bench_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, bench_compare);
    return values[count / 2];
}

static inline void bench_row(struct bench *b, const char *name, double value, const char *unit)
{
    if (b->json)
        printf("%s\"%s\":%.3f", b->rows == 0 ? "{" : ",", name, value);
    else
        printf("%-28s %10.2f %s\n", name, value, unit);
    b->rows++;
}

static inline void bench_end(const struct bench *b)
{
    if (b->json)
        printf("}\n");
}

#endif
