/* `$connect` as a Lambda function of its own: 200 and a record of the connection; with
 * WSRT_REQUIRE_AUTH=1 nobody gets in whom no authorizer knows. The record goes to `parts->store`, which
 * has to be one that all instances share; the default is this instance's memory. */
#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    (void)user;
    return wsrt_runtime_new(out, parts);
}

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts, .kind = WSRT_LAMBDA_CONNECT};

    return wsrt_lambda_main(&opts, make, NULL);
}
