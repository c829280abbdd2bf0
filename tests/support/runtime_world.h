/* A runtime for a test: a clock that stands still, a sender that writes down, a heap that counts. One a
 * test program, made anew for each case. */
#ifndef WSRT_TEST_RUNTIME_WORLD_H
#define WSRT_TEST_RUNTIME_WORLD_H

#include "heap.h"

#include <wsrt/runtime.h>

enum { POSTS = 512 };

struct world {
    wsrt_runtime *rt;
    struct heap heap;
    int64_t now, wall;
    struct {
        char id[32], text[1024];
        uint32_t flags;
    } posts[POSTS];
    size_t post_count;
    const char *gone; /* posts to this connection find it gone */
    int closed_code;
    int status;    /* of the last response */
    char user[32]; /* its principal's */
    char body[2048];
    char header[128];
    char headers[512]; /* all of them, a line each */
    size_t lines;      /* log lines at warning and above */
    size_t breaker_lines;
    size_t fallback_lines;
    size_t unguarded_lines;
    size_t invalid_lines;
    size_t replaced_lines;
    char last[512];   /* the fields of the latest of these four: name=text, a space after each */
    const char *slow; /* posts to this connection are throttled */
};

extern struct world w;

void world_set_up(void);
void world_tear_down(void);

/* Options of the runtime there is: without limits, with the tokens "ann-token" (ann, of staff and admins,
 * who may read and write) and "bob-token" (bob, for a minute). */
wsrt_runtime_options world_options(void);
void world_begin(const wsrt_runtime_options *o); /* a new runtime in place of the old */

wsrt_event world_event(int kind, const char *id, wsrt_session *session);
int world_dispatch(const wsrt_event *ev); /* the answer is in `w` */
int world_message(const char *id, wsrt_session *session, const char *body);
int world_connect(const char *id, wsrt_session *session, const char *token); /* NULL = none */
int world_disconnect(const char *id, wsrt_session *session);

uint64_t world_connections(void); /* in the store */
const char *world_last_post(void);
void world_expect_error(const char *type, const char *code); /* in the last post */

/* Adds a route, with what else `more` has; NULL = nothing. */
void world_add_route(const char *key, wsrt_handler handler, const wsrt_route *more);

/* Handlers: reply with the route's key, with the user's id, sign in by the body's token. */
int world_say_route(wsrt_context *ctx, const wsrt_request *req, void *user);
int world_say_user(wsrt_context *ctx, const wsrt_request *req, void *user);
int world_sign_in(wsrt_context *ctx, const wsrt_request *req, void *user);
/* Refuses with NOT_TODAY. */
int world_refuse(wsrt_context *ctx, const wsrt_request *req, void *user);
int world_take_stream(wsrt_context *ctx, const wsrt_request *req, void *user);

int world_stream(const char *body); /* dispatched to $stream */

#endif
