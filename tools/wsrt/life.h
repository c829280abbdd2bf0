/* From a server that is ready to the status it ends with, for every command that serves. */
#ifndef WSRT_TOOL_LIFE_H
#define WSRT_TOOL_LIFE_H

#include <wsrt/server.h>

struct life {
    wsrt_server *server;
    const char *app;
    int tls;
    int aws;
    int managed; /* 0 = nobody may manage it */
};

/* The soft limit of descriptors becomes the hard one; returns it. */
int64_t life_raise_descriptors(void);

/* Address of the first listener with a terminating NUL; complains and returns an exit status. */
int life_address(const struct life *l, char *dst, size_t cap);

/* Takes TERM and INT over, then prints the ready line. Complains and returns an exit status when it
 * cannot. */
int life_announce(const struct life *l);

/* Runs until TERM or INT has drained the server, a second one has stopped it, or another thread has
 * done either. Returns the exit status. */
int life_run(const struct life *l);

#endif
