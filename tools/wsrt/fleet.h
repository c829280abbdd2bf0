/* Synthetic clients for `wsrt demo`: real WebSocket connections of this process, on a thread of their
 * own. The same seed makes the same choices: of each kind of action the n-th is the same. */
#ifndef WSRT_TOOL_FLEET_H
#define WSRT_TOOL_FLEET_H

#include "client.h"

#include <wsrt/json.h>

#include <pthread.h>
#include <stdatomic.h>

enum fleet_action {
    FLEET_OPEN,
    FLEET_TALK,
    FLEET_PING,
    FLEET_BROADCAST,
    FLEET_MISTAKE,
    FLEET_BURST,
    FLEET_LEAVE,
    FLEET_ACTIONS
};

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
    void (*beat)(void *user, int64_t now);
    void *user;
};

struct fleet {
    struct fleet_settings settings;
    struct fleet_rates rates;
    struct client *clients;
    double due[FLEET_ACTIONS];    /* parts of an action */
    uint64_t dice[FLEET_ACTIONS]; /* one for each, so that what is chosen depends on no timing */
    int64_t last;                 /* time of the last beat */
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

/* Ends the thread and closes what is open; fine where it never began. */
void fleet_stop(struct fleet *f);

/* Writes {"wanted","open","opened","sent","received","rate"}. Any thread. */
void fleet_write(struct fleet *f, wsrt_json_writer *w);

/* Next number of a generator that is no secret (SplitMix64). */
uint64_t fleet_dice(uint64_t *state);

#endif
