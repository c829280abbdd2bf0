/* What the benchmarks share: clocks, options, medians, one line of JSON. */
#ifndef WSRT_BENCH_H
#define WSRT_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* What a subject holds in bytes, and how often it asked for more: an allocator's `user`. */
struct bench_heap {
    size_t live, calls;
};

static inline void *bench_realloc(void *user, void *ptr, size_t old_size, size_t new_size)
{
    struct bench_heap *h = user;

    h->live += new_size - old_size;
    h->calls += new_size > old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

/* CPU nanoseconds of this thread: neighbours do not count. */
static inline int64_t bench_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Two threads that share a processor do not contend: each takes one of its own, if there are several. */
static inline void bench_own_processor(int thread)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)(count > 0 ? thread % count : 0), &set);
    (void)sched_setaffinity(0, sizeof set, &set); /* not allowed: then as it comes */
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
