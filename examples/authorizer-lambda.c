/* A REQUEST authorizer (`bootstrap`): judges the token of a connect by a file of keys. */
#include <stdlib.h>
#include <wsrt/jwt.h>
#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    wsrt_span audience = wsrt_span_cstr(getenv("WSRT_AUDIENCE"));
    wsrt_jwt_options o = {.struct_size = sizeof o, .audiences = &audience, .audience_count = 1};
    static wsrt_authenticator judge;

    o.env = parts->env;
    o.issuer = wsrt_span_cstr(getenv("WSRT_ISSUER"));
    o.keys_file = wsrt_span_cstr(getenv("WSRT_JWKS"));
    int rc = wsrt_jwt_new(user, &o);
    wsrt_jwt_interface(*(wsrt_jwt **)user, &judge);
    parts->authenticator = &judge;
    return rc != WSRT_OK ? rc : wsrt_runtime_new(out, parts);
}

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                      .required_cstr = "WSRT_JWKS WSRT_ISSUER WSRT_AUDIENCE"};
    wsrt_jwt *jwt = NULL;
    int code = wsrt_lambda_main(&opts, make, &jwt);

    wsrt_jwt_free(jwt);
    return code;
}
