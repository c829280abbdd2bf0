/* What a metric of another module is called abroad; docs/monitor.md has the same table. */
#ifndef WSRT_SRC_MONITOR_CATALOGUE_H
#define WSRT_SRC_MONITOR_CATALOGUE_H

#include <stddef.h>

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_RATIO, UNIT_SECONDS_OF_MS };

struct metric {
    const char *name;       /* as registered and in CloudWatch */
    const char *prometheus; /* without _total */
    enum unit unit;
    const char *help;
};

const struct metric *wsrt_metric_find(const char *name); /* NULL = a metric of the user's own */
/* "ConnectionsActive" as "connections_active"; `to` holds 2 * strlen(name) + 1 bytes. */
void wsrt_snake_case(char *to, const char *name);

#endif
