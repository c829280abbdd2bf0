/* A function behind API Gateway, in a thread: each step of a scenario is an invocation handed out by a
 * Runtime API of our own, and what reaches the clients is in the mailboxes of a mock. */
#ifndef WSRT_TEST_LAMBDA_FUNCTION_H
#define WSRT_TEST_LAMBDA_FUNCTION_H

#include "chat_fixture.h"

#include <pthread.h>

struct lambda_function {
    struct mailboxes mail; /* first: the driver's self is a mailbox too */
    struct runtime_api *api;
    wsrt_runtime *rt;
    pthread_t thread;
    size_t invocations;
    uint64_t sequence; /* of the table's stream */
    int result;
};

/* Plays a scenario. What `parts` leaves out is the mock's; `install` adds the routes. */
void lambda_play(const char *name, wsrt_mock *mock, const wsrt_runtime_options *parts,
                 int (*install)(struct lambda_function *f));

#endif
