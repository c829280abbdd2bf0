/* Synthetic clients for `wsrt demo`: real WebSocket connections of this process, on a thread of their
 * own. The same seed makes the same choices. */
#ifndef WSRT_TOOL_FLEET_H
#define WSRT_TOOL_FLEET_H

#include "client.h"

#include <wsrt/json.h>

#include <pthread.h>
#include <stdatomic.h>

/* What the clients do in a second, all together. */
struct fleet_rates {
    double opens; /* until all are there */
    double talks; /* messages that are answered through the downstream; 0 = the clients subscribe */
    double pings;
    double broadcasts; /* to everybody */
    double mistakes;   /* messages that no schema takes */
    double bursts;     /* of 40 messages from one client, half of which are over its limit */
    double leaves;     /* clients that go and come again */
};

struct fleet_settings {
    struct url url;
    size_t count;
    uint64_t seed;
    int subscribes; /* to a dashboard's entities, instead of talking */
    /* Called on the fleet's thread, 50 times a second; NULL = nothing. */
    void (*beat)(void *user, uint64_t dice, int64_t now);
    void *user;
};

struct fleet {
    struct fleet_settings settings;
    struct fleet_rates rates;
    struct client *clients;
    double due[8]; /* parts of an action */
    uint64_t dice;
    int64_t last; /* time of the last beat */
    int epoll;
    pthread_t thread;
    int started;
    atomic_int stop;
    atomic_llong open;
    atomic_llong opened;
    atomic_llong sent;
    atomic_llong received;
};

/* Starts the thread; returns 0, or complains and returns an exit status. */
int fleet_start(struct fleet *f, const struct fleet_settings *settings);

/* Tells the thread to open nothing more; connections go on until the server ends them. Any thread. */
void fleet_rest(struct fleet *f);

/* Ends the thread and closes what is open; fine when it never started. */
void fleet_stop(struct fleet *f);

/* Writes {"wanted","open","opened","sent","received","rate"}. Any thread. */
void fleet_write(struct fleet *f, wsrt_json_writer *w);

/* Next number of a generator that is no secret (SplitMix64). */
uint64_t fleet_dice(uint64_t *state);

#endif
