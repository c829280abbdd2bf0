/* The chat application as a Lambda function (`bootstrap`): API Gateway's authorizer says who is asking,
 * answers travel as the route's response. Who wants typing indicators and broadcasts gives the runtime
 * a store and a sender that all instances share. */
#include "chat.h"

#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = wsrt_runtime_new(out, parts);

    return rc != WSRT_OK ? rc : chat_add_routes(*out, user);
}

int main(void)
{
    return wsrt_lambda_main(NULL, make, NULL);
}
