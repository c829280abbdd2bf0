/* A Lambda Runtime API on loopback, in a thread, for one function process. It hands out the
 * invocations that were pushed, in order, and misbehaves as each of them says. */
#ifndef WSRT_TEST_RUNTIME_API_H
#define WSRT_TEST_RUNTIME_API_H

#include <stddef.h>
#include <stdint.h>

struct runtime_api;

/* What is wrong with the answer to `next`; bits. */
enum api_fault {
    API_CHUNKED = 1,         /* the event comes in chunks */
    API_SPLIT = 2,           /* the answer comes byte by byte */
    API_NO_ID = 4,           /* the request id is missing */
    API_BAD_ID = 8,          /* the request id does not fit a path */
    API_GARBAGE = 16,        /* the answer is not HTTP */
    API_CLOSE = 32,          /* the connection closes instead of an answer */
    API_CUT = 64,            /* the connection closes in the middle of the event */
    API_STALE = 128,         /* the connection dies after the result, as in a freeze */
    API_CLOSE_POST = 256,    /* the first post of a result is met by a close */
    API_CLOSE_POSTS = 512,   /* every post is */
    API_CLOSE_HEADER = 1024, /* Connection: close with the event */
    API_INTERIM = 2048,      /* a 100 comes before the answer */
};

struct api_plan {
    const char *event;    /* NULL = {} */
    int faults;           /* bits of api_fault */
    int next_status;      /* instead of the event; 0 = 200 */
    int post_status;      /* to the first post; 0 = 202 */
    int64_t deadline_ms;  /* Lambda-Runtime-Deadline-Ms; 0 = none */
    const char *trace_id; /* Lambda-Runtime-Trace-Id; NULL = none */
};

/* One post that arrived whole; an init error's request id is "init". */
struct api_result {
    char kind[16]; /* "response" or "error" */
    char request_id[64];
    char error_type[64]; /* Lambda-Runtime-Function-Error-Type; "" = none */
    char body[65536];
    size_t body_len;
    unsigned connection; /* number of the connection it came on, from 1 */
    int one_segment;     /* head and body came by one read */
};

/* An extension, as far as it has come; it is never sent an event. */
struct api_extension {
    char name[64];
    char body[64];
    char identifier[64]; /* given with the request for its next event; "ext-1" is right */
    unsigned nexts;      /* requests for work before that */
};

struct runtime_api *runtime_api_start(void);
const char *runtime_api_endpoint(const struct runtime_api *api); /* "127.0.0.1:PORT" */
/* Queues an invocation; its id is "req-N", from 1. `event` and `trace_id` stay the caller's. */
void runtime_api_push(struct runtime_api *api, const struct api_plan *plan);
/* Waits for the n-th post, from 0; fails the test after ten seconds. */
const struct api_result *runtime_api_result(struct runtime_api *api, size_t n);
size_t runtime_api_results(struct runtime_api *api);
unsigned runtime_api_connections(struct runtime_api *api);
unsigned runtime_api_nexts(struct runtime_api *api); /* requests for work so far */
void runtime_api_wait_nexts(struct runtime_api *api, unsigned n);
void runtime_api_refuse_extensions(struct runtime_api *api); /* before they come */
struct api_extension runtime_api_extension(struct runtime_api *api);
void runtime_api_stop(struct runtime_api *api);

#endif
