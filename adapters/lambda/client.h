/* One kept-alive HTTP/1.1 connection to the Lambda Runtime API. */
#ifndef WSRT_LAMBDA_CLIENT_H
#define WSRT_LAMBDA_CLIENT_H

#include <wsrt/base.h>

#include <stdatomic.h>
#include <sys/socket.h>

enum { WSRT_LAMBDA_ID_MAX = 128, WSRT_LAMBDA_TRACE_MAX = 512 };

/* Ends a wait for work from a signal handler or from another thread. The wait is recv() itself, with no
 * poll() before it: whoever ends it shuts the connection for reading. */
typedef struct wsrt_lambda_stopper {
    atomic_int wanted;
    atomic_int waiting; /* the descriptor of the wait; or a number below */
} wsrt_lambda_stopper;

enum { WSRT_LAMBDA_NOBODY = -1, WSRT_LAMBDA_ENDING = -2 };

void wsrt_lambda_stopper_end(wsrt_lambda_stopper *s); /* async-signal-safe */

typedef struct wsrt_lambda_client {
    wsrt_allocator allocator;
    struct sockaddr_storage address;
    socklen_t address_len;
    char fields[160]; /* of every request: the rest of its first line, Host and User-Agent */
    size_t fields_len;
    uint64_t max_body;            /* of one answer */
    wsrt_lambda_stopper *stopper; /* NULL = nobody stops its waits */
    int fd;                       /* -1 = not connected */
    char *buf;                    /* the answer under way; kept */
    size_t cap;
    size_t len;
} wsrt_lambda_client;

typedef struct wsrt_lambda_request {
    const char *method;
    const char *path;
    const char *header_name; /* one of its own; NULL = none */
    const char *header_value;
    wsrt_span body;
    int may_stop;    /* waits for work: without end, but not past a stop */
    int status_only; /* of the answer nothing else is of interest */
} wsrt_lambda_request;

/* An answer. Text is copied except the body, which is the client's until the next exchange. */
typedef struct wsrt_lambda_answer {
    int status;
    wsrt_span body;
    int64_t deadline_ms;                       /* 0 = none given */
    char extension_id[WSRT_LAMBDA_ID_MAX + 1]; /* "" = none, as the next */
    char request_id[WSRT_LAMBDA_ID_MAX + 1];   /* "" = none, or none that fits a path */
    char trace_id[WSRT_LAMBDA_TRACE_MAX + 1];  /* "" = none */
} wsrt_lambda_answer;

/* `endpoint` is "address:port", the address numeric or "localhost": names are never looked up.
 * WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_NOMEM. */
int wsrt_lambda_client_init(wsrt_lambda_client *c, wsrt_span endpoint,
                            const wsrt_allocator *allocator);
void wsrt_lambda_client_close(wsrt_lambda_client *c); /* the connection */
void wsrt_lambda_client_free(wsrt_lambda_client *c);

/* One request on the open connection, or on a new one when none is open; any failure closes it.
 * WSRT_OK with the answer; WSRT_ERR_UNAVAILABLE (refused, reset, closed); WSRT_ERR_MALFORMED (not
 * HTTP); WSRT_ERR_STATE (stopped while waiting); WSRT_ERR_TOO_LARGE, WSRT_ERR_NOMEM (the body: then
 * all else of the answer is there). */
int wsrt_lambda_exchange(wsrt_lambda_client *c, const wsrt_lambda_request *request,
                         wsrt_lambda_answer *answer);

/* Sends a request whose answer nobody waits for; as wsrt_lambda_exchange(). */
int wsrt_lambda_send(wsrt_lambda_client *c, const wsrt_lambda_request *request);

#endif
