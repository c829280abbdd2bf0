/* What the live page shows beside the server's own state: it becomes members of GET /api/state. */
#ifndef WSRT_TOOL_LIVE_H
#define WSRT_TOOL_LIVE_H

#include "log.h"

#include <wsrt/json.h>
#include <wsrt/runtime.h>

#include <pthread.h>

/* Of the monitor's snapshot and of the list of connections, in bytes. */
enum { LIVE_SNAPSHOT = 64 * 1024, LIVE_LIST = 24 * 1024 };

enum { LIVE_REFUSALS = 32, LIVE_EVENTS = 64, LIVE_TEXT = 96, LIVE_FAULT = 256 };

/* A message that a schema refused; no value of the client's is in it. */
struct live_refusal {
    int64_t wall;
    int64_t issues;
    char connection[48];
    char path[LIVE_TEXT];
    char rule[LIVE_TEXT];
    char code[32];
    char text[LIVE_TEXT];
};

/* Something that happened to a breaker. */
struct live_event {
    wsrt_breaker_event event; /* without its text */
    int64_t wall;
    char service[64];
    char operation[64];
};

struct live {
    struct log log;
    char fault[LIVE_FAULT]; /* the setting or address that the server refused last; "" = none */
    const char *app;
    wsrt_runtime *runtime;
    /* Adds what the host knows besides; NULL = nothing. Under no lock. */
    void (*more)(wsrt_json_writer *w, void *user);
    void *more_user;

    pthread_mutex_t lock; /* all below */
    struct live_refusal refusals[LIVE_REFUSALS];
    uint64_t refused;
    struct live_event events[LIVE_EVENTS];
    uint64_t happened;
    wsrt_breaker_cursor *cursor;
    wsrt_monitor_reader *reader; /* of the last second or so */
    int64_t made;                /* when the next two were; 0 = never */
    size_t snapshot_len;
    size_t list_len;
    char snapshot[LIVE_SNAPSHOT];
    char list[LIVE_LIST];
};

/* The log sink before there is a runtime: a wsrt_env.log with a struct live as `user`. It writes the
 * line and keeps what the page shows. Any thread. */
void live_log(void *user, int level, const char *event_cstr, const wsrt_field *fields,
              size_t count);

/* Begins with a runtime; complains and returns an exit status. Ended by live_stop(), before the runtime
 * is; both are fine twice. */
int live_start(struct live *l, wsrt_runtime *rt, const char *app);
void live_stop(struct live *l);

/* A wsrt_server_state_fn with a struct live as `user`. */
void live_write(wsrt_json_writer *w, size_t room, void *user);

#endif
