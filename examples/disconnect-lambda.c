/* `$disconnect` as a Lambda function of its own: removes the connection's record from `parts->store`,
 * which has to be one that all instances share, and answers 200 whatever happens. */
#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    (void)user;
    return wsrt_runtime_new(out, parts);
}

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts, .kind = WSRT_LAMBDA_DISCONNECT};

    return wsrt_lambda_main(&opts, make, NULL);
}
