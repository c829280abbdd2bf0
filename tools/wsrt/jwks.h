/* Tokens of `serve --jwks` and `token check`, by libwsrt-jwt. */
#ifndef WSRT_TOOL_JWKS_H
#define WSRT_TOOL_JWKS_H

#include "option.h"

#include <wsrt/auth.h>
#include <wsrt/breaker.h>

/* What tokens are judged by. */
struct jwks_rules {
    const char *source; /* of a key set: a file or a URL */
    const char *issuer; /* NULL = any */
    const struct text_list *audiences;
    const wsrt_env *env;     /* where refusals are logged; outlives the judge */
    wsrt_breakers *breakers; /* guard the URL, which is then fetched on a thread; outlive the judge.
                              * NULL = who asks waits */
};

struct jwks_judge;

/* Makes a judge. 0; or what is wrong was complained about, and an exit status: without libwsrt-jwt,
 * always. */
int jwks_open(struct jwks_judge **out, const struct jwks_rules *rules);
void jwks_authenticator(struct jwks_judge *j, wsrt_authenticator *out);
void jwks_close(struct jwks_judge *j); /* NULL is fine */

/* Judges one token now and prints its claims. An exit status. */
int jwks_check(struct jwks_judge *j, wsrt_span token);

#endif
