/* A program outside the tree that judges tokens, in the C that is C++ too. */
#include <wsrt/jwt.h>

#include <stdio.h>
#include <string.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

/* The secret is 32 zero bytes; the token is ann's, of me, for app, until 2033. */
static const char keys[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k\",\"alg\":\"HS256\","
                           "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}";
static const char token[] =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ."
    "eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAwMDAwMDAsImlzcyI6Im1lIiwiYXVkIjoiYXBwIn0."
    "Sfh7NE8DoWo0oN6VaWwTkTD1gGkoH8VKkB949Q8B_F0";

int main(void)
{
    wsrt_span audience = wsrt_span_cstr("app");
    wsrt_jwt *j = NULL;
    wsrt_jwt_options o;
    wsrt_jwt_report report;
    char claims[256];
    int wrong = 0;

    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.issuer = wsrt_span_cstr("me");
    o.audiences = &audience;
    o.audience_count = 1;
    o.keys = wsrt_span_cstr(keys);
    o.algorithms = WSRT_JWT_HS256;
    wrong += HOLDS(wsrt_jwt_new(&j, &o) == WSRT_OK);
    memset(&report, 0, sizeof report);
    report.struct_size = sizeof report;
    report.claims = claims;
    report.claims_cap = sizeof claims;
    wrong += HOLDS(wsrt_jwt_verify(j, wsrt_span_cstr(token), 1900000000000, &report) == WSRT_OK);
    wrong += HOLDS(report.expires_at == 2000000000 && report.claims_len > 0);
    wrong += HOLDS(wsrt_jwt_verify(j, wsrt_span_cstr(token), 2000000000000, &report) ==
                   WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);

    o.keys = wsrt_span_cstr("{\"keys\":[]}");
    wrong += HOLDS(wsrt_jwt_new(&j, &o) == WSRT_ERR_REJECTED && j == NULL);
    wsrt_jwt_free(j);
    return wrong != 0;
}
