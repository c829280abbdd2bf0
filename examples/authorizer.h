/* What the two authorizers share: a verifier with the issuer and the audience of the environment, and a
 * runtime that asks it. They differ in where the keys come from. */
#ifndef EXAMPLE_AUTHORIZER_H
#define EXAMPLE_AUTHORIZER_H

#include <wsrt/jwt.h>
#include <wsrt/runtime.h>

typedef struct authorizer {
    wsrt_jwt *jwt;
    wsrt_authenticator judge;
} authorizer;

/* `keys` names the source of the keys and nothing else; `a`, zero-filled before, outlives the runtime.
 * WSRT_OK, or a status of wsrt_jwt_new() or wsrt_runtime_new(). */
int authorizer_make(authorizer *a, wsrt_runtime **out, wsrt_runtime_options *parts,
                    wsrt_jwt_options *keys);
/* After a failure too. */
void authorizer_close(authorizer *a);

#endif
