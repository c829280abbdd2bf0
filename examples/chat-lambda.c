/* The chat application as a Lambda function (`bootstrap`): API Gateway's authorizer says who is asking,
 * answers travel as the route's response. Who wants typing indicators and broadcasts gives the runtime
 * a store and a sender that all instances share. */
#include "chat.h"

#include <wsrt/lambda.h>

#include <signal.h>
#include <stdio.h>

static void on_term(int number)
{
    (void)number;
    wsrt_lambda_stop();
}

int main(void)
{
    wsrt_runtime *rt = NULL;
    struct sigaction action = {.sa_handler = on_term};
    int rc = wsrt_runtime_new(&rt, NULL);

    sigaction(SIGTERM, &action, NULL);
    rc = rc != WSRT_OK ? rc : chat_add_routes(rt, NULL);
    rc = rc != WSRT_OK ? rc : wsrt_lambda_run(rt, NULL);
    if (rc != WSRT_OK)
        fprintf(stderr, "chat-lambda: %s\n", wsrt_status_name(rc));
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
