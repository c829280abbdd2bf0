/* SIGHUP: files that may change while a server runs are read again. A thread of its own waits for the
 * signal, so that no loop ever reads a file. */
#ifndef WSRT_TOOL_RELOAD_H
#define WSRT_TOOL_RELOAD_H

#include "systemd.h"

#include <wsrt/server.h>

#include <pthread.h>

struct reload {
    const char *breakers; /* path; NULL = none */
    wsrt_runtime *runtime;
    wsrt_server *server; /* whose certificate is read again; NULL = none */
    const wsrt_env *env;
    const struct manager *manager;
    pthread_t thread;
    int running; /* by atomic operations */
};

/* Keeps the signal from ending the process, and from every thread to come. */
void reload_block(void);

/* Reads the files for the first time; 0, or an exit status once what is wrong was told. */
int reload_first(struct reload *r);

int reload_start(struct reload *r); /* likewise */
void reload_stop(struct reload *r); /* one that was not started is fine */

#endif
