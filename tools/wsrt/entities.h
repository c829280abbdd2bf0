/* Entities that change by themselves, for `wsrt demo --app dashboard`: each update is read from the
 * downstream, through its breaker. */
#ifndef WSRT_TOOL_ENTITIES_H
#define WSRT_TOOL_ENTITIES_H

#include "downstream.h"

#include <wsrt/breaker.h>
#include <wsrt/stream.h>

enum { ENTITIES = 24 };

struct entities {
    wsrt_feed *feed;
    wsrt_breakers *breakers;
    struct downstream *downstream;
    uint64_t dice;
    int64_t last; /* time of the last update */
    double load[ENTITIES];
    int known[ENTITIES]; /* whether it was told before */
};

/* Publishes one update when it is time for one: 20 a second. `now` is monotonic ns. */
void entities_beat(struct entities *e, int64_t now);

#endif
