/* A server without a listener or with one, on a clock that the test moves, and raw clients for it.
 * Client descriptors do not block; whoever waits steps the server meanwhile. */
#ifndef WSRT_TEST_SERVER_RIG_H
#define WSRT_TEST_SERVER_RIG_H

#include "heap.h"

#include "server/internal.h"

struct rig {
    struct heap heap;
    wsrt_env env;
    int64_t now; /* ns */
    int64_t wall;
    int64_t cpu; /* ns; grows by the step with each look */
    int64_t cpu_step;
    wsrt_runtime *rt;
    wsrt_server *server;
    wsrt_sender sender;
    char address[128]; /* of the first listener */
    int port;
    /* What the routes saw. */
    int connects;
    int disconnects;
    int messages;
    int late_messages; /* after their connection's DISCONNECT */
    int code;          /* of the last DISCONNECT */
    char reason[128];
    char id[32]; /* of the last CONNECT */
    /* What they do. */
    void (*on_connect)(struct rig *, const wsrt_request *); /* NULL = nothing more */
    int connect_status;                                     /* 0 = 200 */
    const char *protocol_cstr;                              /* answered by CONNECT; NULL = none */
    const char *note_cstr; /* a header of the same; a refused one is its error */
    int (*on_message)(struct rig *, wsrt_context *, const wsrt_request *); /* NULL = echo */
    int errors;                 /* lines the server logged as errors */
    int warnings;               /* and as warnings */
    char event[64];             /* of the last of both */
    char slow_route[64];        /* named by the last one of that kind */
    char restart_settings[128]; /* likewise */
};

extern const wsrt_authenticator *rig_authenticator; /* of the runtimes to come; NULL = none */
extern int rig_limited;                             /* they have the default limiter; 0 = none */

/* Starts a server; `opts` may leave listen empty for one without a listener. */
void rig_start(struct rig *r, const wsrt_server_options *opts);
void rig_start_with(struct rig *r, wsrt_server_options o); /* which need no size */
void rig_stop(struct rig *r);
void rig_steps(struct rig *r, int n);
void rig_advance(struct rig *r, int64_t ms); /* in steps of 50 ms */
wsrt_conn *rig_conn(struct rig *r);          /* the server's only connection */

int rig_adopt(struct rig *r);                                  /* a pair's client end, still HTTP */
int rig_adopt_from(struct rig *r, const unsigned char ip[16]); /* the same, of an address */
/* Sends a whole request from this machine; the answer's status, its text in `dst`. */
int rig_ask(struct rig *r, const char *request, size_t len, char *dst, size_t cap);
int rig_open(struct rig *r);     /* the same, upgraded */
int rig_dial(struct rig *r);     /* over TCP, to the first listener */
extern const char rig_upgrade[]; /* a valid request */
void rig_send(int fd, const void *bytes, size_t len);
void rig_frame(int fd, int opcode, int fin, const void *data, size_t len); /* masked */
void rig_text(int fd, const char *text);

/* Reads what has come within `patience` steps; stops early once `want` bytes are there or at the
 * end. Returns the bytes; *ended: 1 = orderly end, 2 = reset. */
size_t rig_read(struct rig *r, int fd, void *dst, size_t want, int *ended);
/* The next frame: its opcode, -1 = none came. */
int rig_next(struct rig *r, int fd, char *payload, size_t cap, size_t *len);
/* The code of the close frame that comes next, skipping others; 0 = none came, 1005 = no code. */
int rig_close_code(struct rig *r, int fd);
/* What comes next, or within a few steps, is this. */
void rig_expect_text(struct rig *r, int fd, const char *text);
void rig_expect_answer(struct rig *r, int fd, const char *begin, const char *somewhere);

int rig_post(struct rig *r, const char *text, uint32_t flags); /* to the last that connected */

int rig_open_descriptors(void);

#endif
