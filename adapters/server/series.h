/* Counts by label. Labels are words of ours: nothing that a client says becomes one. */
#ifndef WSRT_SERVER_SERIES_H
#define WSRT_SERVER_SERIES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct wsrt_loop;
struct wsrt_server;

/* Written by one thread, read by any. */
typedef atomic_ullong wsrt_count;

static inline uint64_t wsrt_count_read(const wsrt_count *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static inline void wsrt_count_add(wsrt_count *n, uint64_t more)
{
    atomic_store_explicit(n, wsrt_count_read(n) + more, memory_order_relaxed);
}

enum { WSRT_CLOSE_ROWS = 17, WSRT_STATUS_ROWS = 16 };

/* What a limit kept from happening. */
typedef enum wsrt_limit {
    WSRT_LIMIT_CONNECTIONS = 0,
    WSRT_LIMIT_PER_IP,
    WSRT_LIMIT_ACCEPTS,
    WSRT_LIMIT_QUEUE,
    WSRT_LIMIT_QUEUES,
    WSRT_LIMIT_PARTIAL,
    WSRT_LIMIT_CONTROL,
    WSRT_LIMIT_ROWS
} wsrt_limit;

typedef enum wsrt_drop {
    WSRT_DROP_CLOSE = 0, /* a slow reader was closed */
    WSRT_DROP_OLDEST,
    WSRT_DROP_CONFLATE,
    WSRT_DROP_ROWS
} wsrt_drop;

typedef enum wsrt_managed {
    WSRT_MANAGED_POST = 0,
    WSRT_MANAGED_GET,
    WSRT_MANAGED_DELETE,
    WSRT_MANAGED_OTHER,
    WSRT_MANAGED_ROWS
} wsrt_managed;

/* Where each family's rows begin. */
enum {
    WSRT_ROW_CLOSES = 0,
    WSRT_ROW_UPGRADES = WSRT_ROW_CLOSES + WSRT_CLOSE_ROWS,
    WSRT_ROW_MANAGED = WSRT_ROW_UPGRADES + WSRT_STATUS_ROWS,
    WSRT_ROW_LIMITED = WSRT_ROW_MANAGED + WSRT_MANAGED_ROWS * WSRT_STATUS_ROWS,
    WSRT_ROW_DROPPED = WSRT_ROW_LIMITED + WSRT_LIMIT_ROWS,
    WSRT_ROW_SLOW_TURNS = WSRT_ROW_DROPPED + WSRT_DROP_ROWS,
    WSRT_SERIES_ROWS
};

/* A loop's own; any thread may read the rows and the lag. */
typedef struct wsrt_series {
    wsrt_count rows[WSRT_SERIES_ROWS];
    atomic_llong lag[2]; /* ns, the longest turn of this window and of the last */
    int64_t mark;        /* last reading of the clock inside the turn */
    int64_t lag_since;   /* of this window */
    int64_t warned;      /* of a slow turn */
} wsrt_series;

void wsrt_series_close(wsrt_series *s, int code);
void wsrt_series_upgrade(wsrt_series *s, int status);
void wsrt_series_managed(wsrt_series *s, wsrt_managed op, int status);
void wsrt_series_limited(wsrt_series *s, wsrt_limit limit);
void wsrt_series_dropped(wsrt_series *s, wsrt_drop policy);

/* A connection's turn has ended at `now`; it began when the last one ended. */
void wsrt_series_turn(struct wsrt_loop *l, int64_t now);

/* Prometheus text of all loops; closes by code alone as members of a JSON object. */
typedef int (*wsrt_sink)(const void *data, size_t len, void *user);
int wsrt_series_write(const struct wsrt_server *s, wsrt_sink sink, void *user);
struct wsrt_json_writer;
void wsrt_series_write_closes(const struct wsrt_server *s, struct wsrt_json_writer *w);

/* What the monitor's catalogue has of a transport: WSRT_OK, or a status of wsrt_monitor_source(). */
int wsrt_series_open(struct wsrt_server *s);
void wsrt_series_shut(struct wsrt_server *s);

#endif
