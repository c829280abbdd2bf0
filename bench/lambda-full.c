/* The chat application as a function that keeps everything in its own memory: validation, dispatch,
 * envelope and metrics, and no service of AWS. */
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
