/* A chat application for any transport: sign-in, messages with history and an answer, broadcast,
 * ping. It knows no socket: link chat.c into a server, a Lambda function or a test. */
#ifndef EXAMPLE_CHAT_H
#define EXAMPLE_CHAT_H

#include <wsrt/wsrt.h>

/* The answer to one message, while it is made. */
typedef struct chat_answer chat_answer;

/* Says the next part of an answer; the text is copied. WSRT_OK; otherwise the client has left or memory
 * is out: return the status. */
int chat_say(chat_answer *to, wsrt_span text);

/* Answers a message by chat_say(), once or in parts. A negative status becomes the client's error. */
typedef int (*chat_responder)(wsrt_context *ctx, wsrt_span message, chat_answer *to, void *user);

typedef struct chat_options {
    chat_responder responder; /* NULL = "You said: " and the message */
    void *user;               /* handed to the responder */
    int skip_sender;          /* 1 = a broadcast does not come back to who sent it */
    int stream; /* 1 = each part leaves as a chunk of its own; an empty final one says that all of the
                   answer is stored. A transport that has room for one reply gets the whole */
    wsrt_rule auth_rate; /* of a route, all clients together; zero = the limiter's */
    wsrt_rule message_rate;
    wsrt_rule ping_rate;
} chat_options;

/* Adds the routes auth, message, ping and $default. The runtime owns what they need. `opts` may be
 * NULL. WSRT_OK, or a status of wsrt_schema_builtin() or wsrt_runtime_route(). */
int chat_add_routes(wsrt_runtime *rt, const chat_options *opts);

#endif
