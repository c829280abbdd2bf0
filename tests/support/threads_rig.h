/* A server whose loops and handlers run in threads, and clients on the loopback. */
#ifndef WSRT_TEST_THREADS_RIG_H
#define WSRT_TEST_THREADS_RIG_H

#include "heap.h"
#include "ws_client.h"

#include <wsrt/server.h>
#include <wsrt/store.h>

#include <pthread.h>
#include <stdatomic.h>

enum { CLIENTS = 32, TEXT = 256 };

/* The application echoes; "all:TEXT" goes to everybody, "to:ID:TEXT" to one; "block" and the query
 * "slow" wait before the gate, the query "refuse" is refused with 403, and with the query "self" a
 * CONNECT posts to its own connection. */
struct host {
    wsrt_memory_store *store;
    wsrt_runtime *rt;
    wsrt_server *server;
    wsrt_sender sender;
    pthread_t thread;
    char address[128];
    int result; /* of wsrt_server_run() */
    atomic_int connects;
    atomic_int disconnects;
    atomic_int messages;
    pthread_mutex_t lock;
    char ids[CLIENTS * 4][32]; /* of the CONNECTs so far */
    int id_count;
    int gone[CLIENTS * 4]; /* by their DISCONNECT */
    int late;              /* messages after that */
    int code;              /* of the last DISCONNECT */
    pthread_cond_t opens;
    int gate; /* closed while 0: "block" and the query "slow" wait before it */
    atomic_int waiting;
    int to_self; /* what that post came to */
};

extern struct host host;
extern int host_limited;       /* runtimes to come have the default limiter */
extern int host_holds_records; /* a connection's record, once it is stored, waits before the gate */
extern int host_store_status;  /* and then the store answers so */
extern struct heap *host_heap; /* of servers to come; NULL = libc's */

void host_make(wsrt_server_options o); /* without its thread */
void host_start(wsrt_server_options o);
void host_finish(void); /* waits for the end of wsrt_server_run(), then frees and checks */
void host_free(void);   /* what comes after that end */
void host_stop(void);
void host_open_gate(void);

struct ws_client *host_open(void);
void host_open_all(struct ws_client **clients, int n);
void host_close_all(struct ws_client **clients, int n);
void host_drop_all(struct ws_client **clients, int n);
void host_expect(struct ws_client *c, const char *text);

/* A connection that speaks for itself. */
int host_dial(void);
void host_say(int fd, const char *text, size_t len);
void host_hear(int fd, const char *text); /* reads until the text is there */
void host_ask_for_upgrade(int fd, const char *query, const char *more);

/* Waits, the processor given away meanwhile, until a value is there or half a minute has passed. */
int host_comes_to(uint64_t (*value)(void), uint64_t wanted);
uint64_t host_messages_in(void);
uint64_t host_waiting(void); /* before the gate, so far */

enum { SENDERS = 4, POSTS = 400, BUSY = 8 };

/* A thread that posts its own sequence to the first BUSY connections. */
struct poster {
    pthread_t thread;
    int number;
};

void *host_post_sequence(void *poster);
void host_expect_sequences(struct ws_client *c); /* of SENDERS such threads */

#endif
