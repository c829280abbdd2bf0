/* What a token says, judged by the rules of the verifier. */
#ifndef WSRT_JWT_CLAIMS_H
#define WSRT_JWT_CLAIMS_H

#include <wsrt/json.h>
#include <wsrt/jwt.h>

enum { WSRT_JWT_AUDIENCES_MAX = 16, WSRT_JWT_LEEWAY_MAX = 60 };

typedef struct wsrt_jwt_rules {
    wsrt_span issuer;
    wsrt_span audiences[WSRT_JWT_AUDIENCES_MAX];
    size_t audience_count;
    wsrt_span token_use;
    int64_t leeway_ms;
} wsrt_jwt_rules;

/* The times of a token as Unix ms, the leeway added to the end and taken from the start. */
typedef struct wsrt_jwt_times {
    double exp; /* seconds, as in the token */
    double until;
    double from; /* 0 = at once */
} wsrt_jwt_times;

/* NULL, or why not: constant text. */
const char *wsrt_jwt_issuer_judge(const wsrt_jwt_rules *rules, const wsrt_json *claims);
const char *wsrt_jwt_claims_judge(const wsrt_jwt_rules *rules, const wsrt_json *claims);
const char *wsrt_jwt_times_read(const wsrt_jwt_rules *rules, const wsrt_json *claims,
                                wsrt_jwt_times *out);

/* Fills the result with who the token is about. */
const char *wsrt_jwt_principal_read(const wsrt_json *claims, int64_t expires_at,
                                    wsrt_auth_result *out);

#endif
