/* What the verifier of tokens reads and fills. */
#include "growing.h"

#include <wsrt/jwt.h>

static const char keys[] = "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k\","
                           "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}";
static const wsrt_span audience = {"app", 3};

static void prepare_options(void *block)
{
    wsrt_jwt_options *o = block;

    o->issuer = wsrt_span_cstr("me");
    o->audiences = &audience;
    o->audience_count = 1;
    o->keys = wsrt_span_cstr(keys);
    o->algorithms = WSRT_JWT_HS256;
}

static int use_options(void *block)
{
    wsrt_jwt *j = NULL;
    int rc = wsrt_jwt_new(&j, block);

    wsrt_jwt_free(j);
    return rc;
}

static wsrt_jwt *usual(void)
{
    wsrt_jwt_options o = {.struct_size = sizeof o};
    wsrt_jwt *j = NULL;

    prepare_options(&o);
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_OK);
    return j;
}

/* A token that is none: refused, and the report or result says why. */
static int use_report(void *block)
{
    wsrt_jwt *j = usual();
    int rc = wsrt_jwt_verify(j, wsrt_span_cstr("none"), 1000, block);

    wsrt_jwt_free(j);
    return rc == WSRT_ERR_UNAUTHENTICATED ? WSRT_OK : rc;
}

static int use_result(void *block)
{
    wsrt_jwt *j = usual();
    wsrt_authenticator a;

    wsrt_jwt_interface(j, &a);
    int rc = growing_authenticate(&a, block);
    wsrt_jwt_free(j);
    return rc;
}

static int nothing_there(void *self, wsrt_jwks_fetch *f)
{
    (void)self, (void)f;
    return WSRT_ERR_UNAVAILABLE;
}

static void prepare_fetcher(void *block)
{
    ((wsrt_jwks_fetcher_ops *)block)->fetch = nothing_there;
}

static int use_fetcher(void *block)
{
    wsrt_jwks_fetcher fetcher = {block, NULL};
    wsrt_jwt_options o = {.struct_size = sizeof o};
    wsrt_jwt *j = NULL;

    prepare_options(&o);
    o.keys = (wsrt_span){NULL, 0};
    o.keys_url = wsrt_span_cstr("https://keys.example/jwks.json");
    o.fetcher = &fetcher;
    o.algorithms = 0;
    int rc = wsrt_jwt_new(&j, &o);
    if (rc == WSRT_OK)
        ck_assert_int_eq(wsrt_jwt_refresh(j), WSRT_ERR_UNAVAILABLE);
    wsrt_jwt_free(j);
    return rc;
}

static const struct row rows[] = {
    ROW(wsrt_jwt_options, GIVEN, prepare_options, use_options),
    ROW(wsrt_jwt_report, FILLED, NULL, use_report),
    ROW(wsrt_auth_result, FILLED, NULL, use_result),
    ROW(wsrt_jwks_fetcher_ops, TABLE, prepare_fetcher, use_fetcher),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
