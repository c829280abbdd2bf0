/* Metrics of the application's own: made of the attributes of an operation's completions, a series for
 * each set of values of the dimensions they declare. */
#ifndef WSRT_SRC_MONITOR_OWN_H
#define WSRT_SRC_MONITOR_OWN_H

#include "monitor/internal.h"

enum { MAX_OWN_DIMENSIONS = 28, OWN_CHAINS = 64, MAX_OWN = 256, MAX_UNIT = 31, MAX_HELP = 255 };

/* What a value beyond the caps or not fit for an export stands under, and one that is not told. */
#define OVERFLOW_VALUE "__overflow__"
#define ABSENT_VALUE "none"

typedef char own_name[MAX_SOURCE_NAME + 1];

/* One set of values; kept for the monitor's life. */
struct own_series {
    slot next;                /* struct own_series; of one hash */
    struct own_series *older; /* of one metric */
    uint64_t hash;
    counter all;
    counter good;
    _Atomic uint64_t sum; /* the bits of a double; a gauge's last number */
    size_t len;
    char text[]; /* the values of the dimensions, then the category, each behind a byte of length */
};

struct own_metric {
    struct own_metric *older; /* of the operation */
    own_name name;
    own_name attribute;
    char value[MAX_VALUE + 1]; /* "" = any */
    size_t value_len;
    char unit[MAX_UNIT + 1];
    char help[MAX_HELP + 1];
    int kind;
    int operation;
    _Atomic uint32_t series_count;
    slot chains[OWN_CHAINS];
    slot newest;                 /* struct own_series */
    struct own_series *overflow; /* of all that is beyond */
    size_t dimension_count;
    own_name dimensions[];
};

/* Attributes of the start, and of the result. */
enum { ATTRIBUTE_LISTS = 2 };
void wsrt_own_count(wsrt_monitor *m, int id, const struct attributes lists[ATTRIBUTE_LISTS],
                    int good);
/* Whether a metric of the operation is made of the attribute, which then is not undeclared. */
int wsrt_own_declares(const wsrt_monitor *m, int id, const char *name);
void wsrt_own_free(const wsrt_monitor *m, struct operation *o);

/* The values of a series, in the order of its metric's dimensions, and behind them the category. */
void wsrt_own_values(const struct own_metric *metric, const struct own_series *s,
                     wsrt_span out[MAX_OWN_DIMENSIONS + 1]);
double wsrt_own_sum(const struct own_series *s);

/* The series of such values, made if it is not there; that of the overflow where it cannot be. */
struct own_series *wsrt_own_series(wsrt_monitor *m, struct own_metric *metric,
                                   const wsrt_span *values, size_t count);
/* So many more completions; of a ratio `sum` are successes. */
void wsrt_own_add(const struct own_metric *metric, struct own_series *s, uint64_t all, double sum);

#endif
