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

/* The claims that are looked at, found once. */
enum wsrt_jwt_claim {
    WSRT_JWT_ISS,
    WSRT_JWT_SUB,
    WSRT_JWT_AUD,
    WSRT_JWT_EXP,
    WSRT_JWT_NBF,
    WSRT_JWT_IAT,
    WSRT_JWT_TOKEN_USE,
    WSRT_JWT_CLIENT_ID,
    WSRT_JWT_COGNITO_USERNAME,
    WSRT_JWT_USERNAME,
    WSRT_JWT_EMAIL,
    WSRT_JWT_COGNITO_GROUPS,
    WSRT_JWT_GROUPS,
    WSRT_JWT_SCOPE,
    WSRT_JWT_CLAIMS
};

typedef struct wsrt_jwt_claims {
    wsrt_json at[WSRT_JWT_CLAIMS]; /* kind WSRT_JSON_NONE where there is none */
} wsrt_jwt_claims;

/* NULL, or why not: constant text. */
const char *wsrt_jwt_claims_read(wsrt_span payload, wsrt_jwt_claims *out);
const char *wsrt_jwt_issuer_judge(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims);
const char *wsrt_jwt_claims_judge(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims);
const char *wsrt_jwt_times_read(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims,
                                wsrt_jwt_times *out);

/* Fills the result with who the token is about. */
const char *wsrt_jwt_principal_read(const wsrt_jwt_claims *claims, int64_t expires_at,
                                    wsrt_auth_result *out);

#endif
