/* Any bytes as a token: only the known ones are good. Then as the claims of a token whose signature was
 * right, which nobody else gets to. */
#include "target.h"

#include "jwt_known.h"

#include "jwt/claims.h"

#include <wsrt/jwt.h>

#include <stdlib.h>
#include <string.h>

static const int64_t now_ms = INT64_C(1800000000000);

static void require(int truth)
{
    if (!truth)
        abort();
}

static wsrt_jwt *verifier(void)
{
    static wsrt_jwt *j;
    wsrt_span audience = wsrt_span_cstr("app");
    wsrt_jwt_options o = {.struct_size = sizeof o,
                          .issuer = wsrt_span_cstr("me"),
                          .audiences = &audience,
                          .audience_count = 1,
                          .keys = wsrt_span_cstr(known_keys)};

    if (j == NULL)
        require(wsrt_jwt_new(&j, &o) == WSRT_OK);
    return j;
}

static int is_known(wsrt_span token)
{
    for (size_t i = 0; i < sizeof known_tokens / sizeof known_tokens[0]; i++)
        if (wsrt_span_equal(token, wsrt_span_cstr(known_tokens[i])))
            return 1;
    return 0;
}

static void judge_token(wsrt_span token)
{
    wsrt_auth_result result = {.struct_size = sizeof result};
    wsrt_authenticator a;

    wsrt_jwt_interface(verifier(), &a);
    for (int i = 0; i < 2; i++) {
        int rc = a.ops->authenticate(a.self, &token, now_ms, &result);
        require(rc == (is_known(token) ? WSRT_OK : WSRT_ERR_UNAUTHENTICATED));
        require((result.principal != NULL) == (rc == WSRT_OK));
        require(rc != WSRT_OK || result.principal->user_id.len > 0);
    }
}

static void judge_claims(wsrt_span text)
{
    wsrt_jwt_rules rules = {
        .issuer = wsrt_span_cstr("me"), .audiences = {wsrt_span_cstr("app")}, .audience_count = 1};
    wsrt_auth_result result = {.struct_size = sizeof result};
    wsrt_jwt_times times;
    wsrt_jwt_claims claims;

    if (wsrt_jwt_claims_read(text, &claims) != NULL)
        return;
    (void)wsrt_jwt_claims_judge(&rules, &claims);
    if (wsrt_jwt_times_read(&rules, &claims, &times) == NULL)
        require(times.exp >= 0 && times.until == times.exp * 1000);
    if (wsrt_jwt_principal_read(&claims, 1, &result) == NULL)
        require(result.principal->user_id.len > 0 && result.principal->expires_at == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsrt_span text = {(const char *)data, size};

    judge_token(text);
    judge_claims(text);
    return 0;
}
