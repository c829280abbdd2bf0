/* Metrics in words of the application, made of the built-in operations' counts and attributes. */
#ifndef WSRT_SRC_MONITOR_BUSINESS_H
#define WSRT_SRC_MONITOR_BUSINESS_H

#include "monitor/snapshot.h"

struct business {
    int operation;
    const char *name;     /* as in docs/monitor.md, "messagesPerMinute" */
    const char *category; /* NULL = the metric has none */
    int is_known;         /* 0 = without the events it is made of */
    double value;         /* times in ms */
};

enum { BUSINESS_METRICS = 20 };

/* Whether a metric names the value of a category: any other is nobody's to see. */
int wsrt_business_tells(const struct value *v);
void wsrt_business_read(const wsrt_snapshot *s, struct business out[BUSINESS_METRICS]);

#endif
