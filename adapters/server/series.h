/* Counts by label. Labels are words of ours: nothing that a client says becomes one. */
#ifndef WSRT_SERVER_SERIES_H
#define WSRT_SERVER_SERIES_H

#include <stddef.h>
#include <stdint.h>

struct wsrt_loop;
struct wsrt_server;

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

/* The loop's own; read on its thread. */
typedef struct wsrt_series {
    uint64_t closes[WSRT_CLOSE_ROWS];
    uint64_t upgrades[WSRT_STATUS_ROWS];
    uint64_t managed[WSRT_MANAGED_ROWS][WSRT_STATUS_ROWS];
    uint64_t limited[WSRT_LIMIT_ROWS];
    uint64_t dropped[WSRT_DROP_ROWS];
    uint64_t slow_turns;
    int64_t mark;      /* last reading of the clock inside the turn */
    int64_t lag[2];    /* ns, the longest turn of this window and of the last */
    int64_t lag_since; /* of this window */
    int64_t warned;    /* of a slow turn */
} wsrt_series;

void wsrt_series_close(wsrt_series *s, int code);
void wsrt_series_upgrade(wsrt_series *s, int status);
void wsrt_series_managed(wsrt_series *s, wsrt_managed op, int status);

/* A connection's turn has ended at `now`; it began when the last one ended. */
void wsrt_series_turn(struct wsrt_loop *l, int64_t now);

/* Prometheus text of all; closes by code alone as members of a JSON object. */
typedef int (*wsrt_sink)(const void *data, size_t len, void *user);
int wsrt_series_write(const struct wsrt_loop *l, wsrt_sink sink, void *user);
struct wsrt_json_writer;
void wsrt_series_write_closes(const wsrt_series *s, struct wsrt_json_writer *w);

/* What the monitor's catalogue has of a transport: WSRT_OK, or a status of wsrt_monitor_source(). */
int wsrt_series_open(struct wsrt_server *s);
void wsrt_series_shut(struct wsrt_server *s);

#endif
