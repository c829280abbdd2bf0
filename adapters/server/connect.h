/* From an upgrade that passed every check to the application's answer. */
#ifndef WSRT_SERVER_CONNECT_H
#define WSRT_SERVER_CONNECT_H

#include "server/internal.h"

/* What is decoded of a request, of whoever dispatches. */
typedef struct wsrt_connect_room {
    wsrt_pair *pairs; /* WSRT_HTTP_FIELDS_MAX */
    wsrt_pair *query; /* WSRT_QUERY_MAX */
    char *text;       /* WSRT_TEXT_MAX */
} wsrt_connect_room;

/* The application's answer to a CONNECT. */
typedef struct wsrt_verdict {
    int status;     /* 101, the refusal's, or 0: none that could be sent */
    int accepted;   /* by the runtime */
    int has_type;   /* among the fields */
    int keep_alive; /* wishes the client */
    wsrt_span head; /* of the 101, or field lines with a NUL behind them; empty = cannot be sent */
    wsrt_span body; /* of a refusal */
} wsrt_verdict;

typedef struct wsrt_connecting {
    wsrt_server *server;
    const wsrt_http_request *req;
    const char *accept; /* WSRT_WS_ACCEPT_LEN */
    /* Takes the verdict, whose text is borrowed for the call. */
    void (*give)(const wsrt_verdict *v, struct wsrt_connecting *u);
    void *user;
} wsrt_connecting;

void wsrt_connect(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, const char *accept);
/* The verdict of a worker, for the connection or for nobody any more. `early` was posted before it. */
void wsrt_connect_finish(wsrt_loop *l, wsrt_conn *c, const wsrt_verdict *v, wsrt_ring *early);
void wsrt_connect_forget(wsrt_loop *l);
void wsrt_connect_time_out(wsrt_loop *l, wsrt_conn *c);
void wsrt_connect_refuse(wsrt_loop *l, wsrt_conn *c, const wsrt_answer *a);

/* Dispatches a CONNECT. `ev` has what the connection knows of itself; the rest comes from the request.
 * `give` is called at most once, not when the result is an error. */
int wsrt_connect_dispatch(wsrt_connecting *u, const wsrt_connect_room *room, wsrt_event *ev);

#endif
