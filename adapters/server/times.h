/* How long handlers take, by route. All messages of one read end with one reading of the clock: they
 * share the time evenly. */
#ifndef WSRT_SERVER_TIMES_H
#define WSRT_SERVER_TIMES_H

#include "server/series.h"

#include <wsrt/base.h>

enum { WSRT_ROUTE_ROWS = 64 }; /* the last is for all routes that come later */

typedef struct wsrt_route_row {
    _Atomic(const char *) key; /* of the runtime; NULL = no route at all */
    size_t len;
    wsrt_count handled;
    wsrt_count ns;
    uint32_t pending; /* of this turn */
} wsrt_route_row;

/* One thread's own; any thread may read it. */
typedef struct wsrt_times {
    wsrt_route_row rows[WSRT_ROUTE_ROWS];
    atomic_uint used;
    wsrt_route_row *last; /* of the event before; NULL = there was none */
    const char *last_key;
    uint32_t run; /* events of that route without another between; 0 = none in this turn */
    int mixed;    /* the turn has had others */
} wsrt_times;

/* Another route than before has taken an event. */
void wsrt_times_switch(wsrt_times *t, wsrt_span route);

static inline void wsrt_times_note(wsrt_times *t, wsrt_span route)
{
    if (route.ptr != t->last_key)
        wsrt_times_switch(t, route);
    t->run++;
}

/* Ends the turn, which took so long. */
void wsrt_times_settle(wsrt_times *t, int64_t ns);

/* The only route of the turn that has not ended yet, or what stands for several. */
wsrt_span wsrt_times_route(wsrt_times *t);

/* Sums over threads, in a table of WSRT_ROUTE_ROWS; returns how many of it are used. */
typedef struct wsrt_route_sum {
    wsrt_span route;
    uint64_t handled;
    uint64_t ns;
} wsrt_route_sum;
size_t wsrt_times_add(const wsrt_times *t, wsrt_route_sum *sums, size_t count);

#endif
