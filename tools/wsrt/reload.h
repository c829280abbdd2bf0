/* SIGHUP: a thread of its own waits for the signal, so that no loop ever reads a file. */
#ifndef WSRT_TOOL_RELOAD_H
#define WSRT_TOOL_RELOAD_H

#include "systemd.h"

#include <pthread.h>

struct reload {
    void (*again)(void *user); /* at each signal, on that thread */
    void *user;
    const struct manager *manager; /* told of beginning and end */
    pthread_t thread;
    int running; /* by atomic operations */
};

/* Keeps the signal from ending the process, and from every thread to come. */
void reload_block(void);

int reload_start(struct reload *r); /* 0 or an exit status, complained about */
void reload_stop(struct reload *r); /* one that was not started is fine */

#endif
