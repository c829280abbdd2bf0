#include "authorizer.h"

#include <stdlib.h>

int authorizer_make(authorizer *a, wsrt_runtime **out, wsrt_runtime_options *parts,
                    wsrt_jwt_options *keys)
{
    wsrt_span audience = wsrt_span_cstr(getenv("WSRT_AUDIENCE"));

    keys->env = parts->env;
    keys->issuer = wsrt_span_cstr(getenv("WSRT_ISSUER"));
    keys->audiences = &audience;
    keys->audience_count = 1;
    keys->token_use = wsrt_span_cstr(getenv("WSRT_TOKEN_USE"));
    int rc = wsrt_jwt_new(&a->jwt, keys);
    wsrt_jwt_interface(a->jwt, &a->judge);
    parts->authenticator = &a->judge;
    return rc != WSRT_OK ? rc : wsrt_runtime_new(out, parts);
}

void authorizer_close(authorizer *a)
{
    wsrt_jwt_free(a->jwt);
}
