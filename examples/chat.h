/* A chat application for any transport: sign-in, messages with history and an answer, broadcast,
 * ping. It knows no socket: link chat.c into a server, a Lambda function or a test. */
#ifndef EXAMPLE_CHAT_H
#define EXAMPLE_CHAT_H

#include <wsrt/wsrt.h>

/* Answers a message. `*answer` is text that lives as long as the context (wsrt_context_alloc()). A
 * negative status becomes the client's error. */
typedef int (*chat_responder)(wsrt_context *ctx, wsrt_span message, wsrt_span *answer, void *user);

typedef struct chat_options {
    chat_responder responder; /* NULL = "You said: " and the message */
    void *user;               /* handed to the responder */
    int skip_sender;          /* 1 = a broadcast does not come back to who sent it */
} chat_options;

/* Adds the routes auth, message, ping and $default. The runtime owns what they need. `opts` may be
 * NULL. WSRT_OK, or a status of wsrt_schema_builtin() or wsrt_runtime_route(). */
int chat_add_routes(wsrt_runtime *rt, const chat_options *opts);

#endif
