/* The authorizer with keys behind a URL (`bootstrap`): WSRT_JWKS, or where that is empty the place that
 * an issuer has for them. A key server that fails opens the breaker `cognito/verifyJWT`; the keys there
 * are serve on meanwhile. It brings libcurl along, which authorizer-lambda has no need of. */
#include "authorizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsrt/aws.h>
#include <wsrt/lambda.h>

typedef struct program {
    wsrt_aws *aws;
    wsrt_breakers *breakers;
    authorizer authorizer;
} program;

/* WSRT_ERR_INVALID for what is too long to be an address. */
static int find_keys(char *url, size_t cap)
{
    const char *given = getenv("WSRT_JWKS"), *issuer = getenv("WSRT_ISSUER");
    int named = given != NULL && *given != '\0';
    size_t len = strlen(issuer);
    int own = (int)(len > 0 && issuer[len - 1] == '/' ? len - 1 : len); /* some end in one */
    int n = named ? snprintf(url, cap, "%s", given)
                  : snprintf(url, cap, "%.*s/.well-known/jwks.json", own, issuer);

    return n > 0 && (size_t)n < cap ? WSRT_OK : WSRT_ERR_INVALID;
}

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    program *p = user;
    char url[2048];
    wsrt_jwks_fetcher fetcher;
    wsrt_aws_options client = {.struct_size = sizeof client, .env = parts->env};
    wsrt_jwt_options keys = {.struct_size = sizeof keys, .fetcher = &fetcher};
    int rc = find_keys(url, sizeof url);

    if (rc == WSRT_OK)
        rc = wsrt_aws_new(&p->aws, &client);
    if (rc == WSRT_OK)
        rc = wsrt_breakers_new(&p->breakers, NULL);
    if (rc != WSRT_OK)
        return rc;
    wsrt_aws_jwks_interface(p->aws, &fetcher);
    keys.keys_url = wsrt_span_cstr(url);
    keys.breakers = parts->breakers = p->breakers;
    return authorizer_make(&p->authorizer, out, parts, &keys);
}

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                      .required_cstr = "WSRT_ISSUER WSRT_AUDIENCE"};
    program p = {0};
    int code = wsrt_lambda_main(&opts, make, &p);

    authorizer_close(&p.authorizer);
    wsrt_breakers_free(p.breakers);
    wsrt_aws_free(p.aws);
    return code;
}
