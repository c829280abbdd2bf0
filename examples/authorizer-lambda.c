/* A REQUEST authorizer (`bootstrap`): judges the token of a connect by a file of keys. */
#include "authorizer.h"

#include <stdlib.h>
#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    wsrt_jwt_options keys = {.struct_size = sizeof keys};

    keys.keys_file = wsrt_span_cstr(getenv("WSRT_JWKS"));
    return authorizer_make(user, out, parts, &keys);
}

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                      .required_cstr = "WSRT_JWKS WSRT_ISSUER WSRT_AUDIENCE"};
    authorizer a = {0};
    int code = wsrt_lambda_main(&opts, make, &a);

    authorizer_close(&a);
    return code;
}
