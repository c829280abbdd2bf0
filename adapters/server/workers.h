/* Threads that run handlers, for those that block. What a connection has to have handled waits in its
 * box in order; one worker at a time serves a box. Replies go back as any other thread's posts do. */
#ifndef WSRT_SERVER_WORKERS_H
#define WSRT_SERVER_WORKERS_H

#include "server/connect.h"

enum { WSRT_BOX_MESSAGES = 64, WSRT_BOX_BYTES = 1024 * 1024 }; /* then reading stops */

/* Why a box is in its loop's list of news. */
enum {
    WSRT_NEWS_CONNECT = 1, /* the CONNECT has been answered */
    WSRT_NEWS_ROOM = 2,    /* reading may go on */
    WSRT_NEWS_ENDED = 4    /* the DISCONNECT has been handled */
};

typedef struct wsrt_job {
    struct wsrt_job *next;
    size_t size;    /* of the whole */
    size_t len;     /* of the bytes: message, reason, or head of the upgrade */
    int32_t kind;   /* a wsrt_event_kind */
    uint32_t flags; /* of the event */
    int32_t code;   /* of a DISCONNECT */
    char accept[WSRT_WS_ACCEPT_LEN];
    char bytes[];
} wsrt_job;

/* Made for a CONNECT; given back by the loop after a refusal, or after the DISCONNECT. */
typedef struct wsrt_box {
    wsrt_loop *loop;
    wsrt_session session; /* of the worker that serves the box */
    int64_t wall;
    uint32_t slot; /* the connection's, which may be another's by now: */
    uint32_t gen;
    char id[WSRT_ID_LEN];
    char ip[46];

    struct wsrt_box *next; /* under the crew's lock, up to `busy` */
    wsrt_job *first;
    wsrt_job *last;
    int busy; /* waits for a worker, or has one */

    wsrt_job
        *farewell; /* the DISCONNECT's, so that it never lacks memory; NULL once it is on its way */

    struct wsrt_box *next_news; /* under the loop's lock, up to `early` */
    int news;
    wsrt_ring early; /* posts that wait for the 101 */

    atomic_uint waiting;           /* jobs that are not done */
    atomic_ullong bytes;           /* of theirs */
    atomic_int held;               /* the loop does not read until there is room */
    atomic_llong expires;          /* wsrt_session_expires_at() */
    atomic_int owed;               /* wsrt_session_close_code() */
    _Atomic(pthread_t) connecting; /* the worker while it handles the CONNECT; 0 = none */
    wsrt_verdict verdict;          /* of the CONNECT; its text is `text` */
    char *text;
    size_t text_size;
} wsrt_box;

/* ---- workers.c */

int wsrt_crew_start(wsrt_server *s);
void wsrt_crew_stop(wsrt_server *s); /* hears all out first; without a crew it does nothing */
void wsrt_crew_add(wsrt_box *b, wsrt_job *j);
size_t wsrt_crew_add_times(const wsrt_server *s, wsrt_route_sum *sums, size_t count);

/* ---- box.c: the loop's side */

int wsrt_box_connect(wsrt_loop *l, wsrt_conn *c, const char *accept);
int wsrt_box_message(wsrt_loop *l, wsrt_conn *c, wsrt_span body, uint32_t flags);
void wsrt_box_disconnect(wsrt_loop *l, wsrt_conn *c, wsrt_span reason);
void wsrt_box_take_news(wsrt_loop *l);

/* Whether half of what may wait has been handled. */
int wsrt_box_has_room(const wsrt_box *b);

#endif
