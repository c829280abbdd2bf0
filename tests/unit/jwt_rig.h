/* What the tests of the verifier share: two keys, and tokens signed with them. */
#ifndef WSRT_TEST_JWT_RIG_H
#define WSRT_TEST_JWT_RIG_H

#include "suite.h"

#include "jwt/base64url.h"
#include "jwt/sign.h"

#include <wsrt/jwt.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#define TEXT(s) wsrt_span_cstr(s)
#define CLAIMS(more) "{\"iss\":\"me\",\"aud\":\"app\",\"sub\":\"u1\"," more "}"

enum { NOW_S = 1000000 };
static const int64_t now_ms = NOW_S * INT64_C(1000);

static wsrt_jws_key *ours, *theirs;
static char jwks[WSRT_JWS_JWK_MAX], other_jwks[WSRT_JWS_JWK_MAX];
static char token_text[WSRT_JWT_TOKEN_MAX + 100];

static const char *good_claims = "{\"iss\":\"me\",\"aud\":\"app\",\"sub\":\"u1\",\"exp\":1000060}";

static void make_keys(void)
{
    size_t len;

    ck_assert_int_eq(wsrt_jws_key_make(&ours, WSRT_JWT_ES256), WSRT_OK);
    ck_assert_int_eq(wsrt_jws_key_make(&theirs, WSRT_JWT_ES256), WSRT_OK);
    ck_assert_int_eq(wsrt_jws_key_write(ours, WSRT_JWS_PUBLIC_SET, jwks, sizeof jwks - 1, &len),
                     WSRT_OK);
    jwks[len] = '\0';
    ck_assert_int_eq(
        wsrt_jws_key_write(theirs, WSRT_JWS_PUBLIC_SET, other_jwks, sizeof other_jwks - 1, &len),
        WSRT_OK);
    other_jwks[len] = '\0';
}

static void drop_keys(void)
{
    wsrt_jws_key_free(ours);
    wsrt_jws_key_free(theirs);
}

static inline wsrt_span sign_with(const wsrt_jws_key *key, const char *header, const char *claims)
{
    char with_kid[512];
    size_t len;

    if (header == NULL) {
        snprintf(with_kid, sizeof with_kid, "{\"alg\":\"ES256\",\"kid\":\"%s\"}",
                 wsrt_jws_key_kid(key));
        header = with_kid;
    }
    ck_assert_int_eq(wsrt_jws_sign(key, &(wsrt_jws_text){TEXT(header), TEXT(claims)}, token_text,
                                   sizeof token_text, &len),
                     WSRT_OK);
    return (wsrt_span){token_text, len};
}

static wsrt_jwt_options usual(void)
{
    static wsrt_span audience;

    audience = TEXT("app");
    return (wsrt_jwt_options){.struct_size = sizeof(wsrt_jwt_options),
                              .issuer = TEXT("me"),
                              .audiences = &audience,
                              .audience_count = 1,
                              .keys = TEXT(jwks)};
}

static wsrt_jwt *make(const wsrt_jwt_options *o)
{
    wsrt_jwt *j;

    ck_assert_int_eq(wsrt_jwt_new(&j, o), WSRT_OK);
    return j;
}

static inline int ask_at(wsrt_jwt *j, wsrt_span token, int64_t wall, wsrt_auth_result *out)
{
    wsrt_authenticator a = {0};

    *out = (wsrt_auth_result){.struct_size = sizeof *out};
    wsrt_jwt_interface(j, &a);
    return a.ops->authenticate(a.self, &token, wall, out);
}

static inline int ask(wsrt_jwt *j, wsrt_span token)
{
    wsrt_auth_result out;

    return ask_at(j, token, now_ms, &out);
}

/* Why a token is refused, "" for a good one. */
static inline const char *reason_of(const wsrt_jwt_options *o, wsrt_span token)
{
    wsrt_jwt *j = make(o);
    wsrt_jwt_report r = {.struct_size = sizeof r};
    int rc = wsrt_jwt_verify(j, token, now_ms, &r);

    ck_assert_int_eq(rc, r.text_cstr[0] == '\0' ? WSRT_OK : WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);
    return r.text_cstr;
}

static void add_cases(Suite *s, TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_keys, drop_keys);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(s, cases);
}

static Suite *suite_of(const char *name, TCase *cases)
{
    Suite *s = suite_create(name);

    add_cases(s, cases);
    return s;
}

#endif
