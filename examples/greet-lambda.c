#include "greet.h"

#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = wsrt_runtime_new(out, parts);

    (void)user;
    return rc != WSRT_OK ? rc : greet_add_routes(*out);
}

int main(void)
{
    return wsrt_lambda_main(NULL, make, NULL);
}
