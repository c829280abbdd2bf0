/* The figures of a bench run and the conditions of --fail-if over them. */
#ifndef WSRT_TOOL_CONDITION_H
#define WSRT_TOOL_CONDITION_H

#include <stdint.h>

enum { CONDITION_MAX = 16, CONDITION_TEXT_MAX = 1024 };

struct report {
    double seconds;
    double throughput;
    uint64_t sent;
    uint64_t received;
    uint64_t connect; /* errors by kind */
    uint64_t closed;
    uint64_t timeout;
    uint64_t mismatch;
    uint64_t late_sends;
    int64_t p50; /* ns */
    int64_t p90;
    int64_t p99;
    int64_t p999;
    int64_t max;
};

struct condition {
    const char *text; /* as given, `len` bytes */
    int len;
    int what; /* index of a figure */
    int below;
    int or_equal;
    double bound;
};

struct condition_list {
    struct condition items[CONDITION_MAX];
    int count;
};

/* Parses "p99>20ms,errors>0"; complains and returns an exit status when it is none. */
int conditions_parse(struct condition_list *list, const char *text);

/* Returns how many hold, and writes them to `dst` (CONDITION_TEXT_MAX bytes), quoted for JSON. */
int conditions_check(const struct condition_list *list, const struct report *r, char *dst,
                     int quoted);

#endif
