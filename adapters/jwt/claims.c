#include "jwt/claims.h"

#include "jwt/strict.h"

#include <string.h>

static const double time_max = 9007199254740992.0; /* 2^53 */

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

static const wsrt_span names[WSRT_JWT_CLAIMS] = {
    [WSRT_JWT_ISS] = NAME("iss"),
    [WSRT_JWT_SUB] = NAME("sub"),
    [WSRT_JWT_AUD] = NAME("aud"),
    [WSRT_JWT_EXP] = NAME("exp"),
    [WSRT_JWT_NBF] = NAME("nbf"),
    [WSRT_JWT_IAT] = NAME("iat"),
    [WSRT_JWT_TOKEN_USE] = NAME("token_use"),
    [WSRT_JWT_CLIENT_ID] = NAME("client_id"),
    [WSRT_JWT_COGNITO_USERNAME] = NAME("cognito:username"),
    [WSRT_JWT_USERNAME] = NAME("username"),
    [WSRT_JWT_EMAIL] = NAME("email"),
    [WSRT_JWT_COGNITO_GROUPS] = NAME("cognito:groups"),
    [WSRT_JWT_GROUPS] = NAME("groups"),
    [WSRT_JWT_SCOPE] = NAME("scope"),
};

const char *wsrt_jwt_claims_read(wsrt_span payload, wsrt_jwt_claims *out)
{
    wsrt_json root;
    const char *why;

    if (wsrt_jwt_object(payload, &root, &why) != WSRT_OK)
        return why;
    wsrt_jwt_members(&root, names, out->at, WSRT_JWT_CLAIMS);
    return NULL;
}

/* ---- who it is from and for ----------------------------------------------------------------- */

const char *wsrt_jwt_issuer_judge(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims)
{
    wsrt_json iss = claims->at[WSRT_JWT_ISS];

    if (iss.kind != WSRT_JSON_NONE && iss.kind != WSRT_JSON_STRING)
        return "iss is not a string";
    if (rules->issuer.len > 0 && !wsrt_json_equal(&iss, rules->issuer))
        return "iss is not the issuer";
    return NULL;
}

static int is_ours(const wsrt_jwt_rules *rules, const wsrt_json *name)
{
    for (size_t i = 0; i < rules->audience_count; i++)
        if (wsrt_json_equal(name, rules->audiences[i]))
            return 1;
    return 0;
}

static const char *judge_audience(const wsrt_jwt_rules *rules, const wsrt_json *aud)
{
    wsrt_json_iter it = {0};
    wsrt_json one;
    int found = rules->audience_count == 0 || is_ours(rules, aud);

    if (aud->kind == WSRT_JSON_ARRAY) {
        while (wsrt_json_next(aud, &it, NULL, &one) == WSRT_OK) {
            if (one.kind != WSRT_JSON_STRING)
                return "aud holds what is no string";
            found = found || is_ours(rules, &one);
        }
    } else if (aud->kind != WSRT_JSON_STRING && aud->kind != WSRT_JSON_NONE) {
        return "aud is neither a string nor an array";
    }
    return found ? NULL : "aud is not the audience";
}

/* Cognito's access tokens have no aud: the client they were made for is their audience. */
static const char *judge_cognito(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims)
{
    wsrt_json use = claims->at[WSRT_JWT_TOKEN_USE];
    wsrt_json client = claims->at[WSRT_JWT_CLIENT_ID];

    if (!wsrt_json_equal(&use, rules->token_use))
        return "token_use is not the one wanted";
    if (!wsrt_json_equal(&use, wsrt_span_cstr("access")))
        return NULL;
    if (rules->audience_count > 0 && !is_ours(rules, &client))
        return "client_id is not the audience";
    return NULL;
}

const char *wsrt_jwt_claims_judge(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims)
{
    const char *why = wsrt_jwt_issuer_judge(rules, claims);

    if (why == NULL && rules->token_use.len > 0)
        why = judge_cognito(rules, claims);
    if (why == NULL && !wsrt_span_equal(rules->token_use, wsrt_span_cstr("access")))
        why = judge_audience(rules, &claims->at[WSRT_JWT_AUD]);
    return why;
}

/* ---- times ---------------------------------------------------------------------------------- */

static int read_time(const wsrt_json *value, double *out)
{
    *out = 0;
    if (value->kind == WSRT_JSON_NONE)
        return WSRT_ERR_NOT_FOUND;
    if (wsrt_json_double(value, out) != WSRT_OK || !(*out >= 0 && *out <= time_max))
        return WSRT_ERR_REJECTED;
    return WSRT_OK;
}

const char *wsrt_jwt_times_read(const wsrt_jwt_rules *rules, const wsrt_jwt_claims *claims,
                                wsrt_jwt_times *out)
{
    double leeway = (double)rules->leeway_ms, nbf, iat;
    int rc = read_time(&claims->at[WSRT_JWT_EXP], &out->exp);

    if (rc != WSRT_OK)
        return rc == WSRT_ERR_NOT_FOUND ? "exp is missing" : "exp is not a time";
    rc = read_time(&claims->at[WSRT_JWT_NBF], &nbf);
    if (rc == WSRT_ERR_REJECTED)
        return "nbf is not a time";
    if (read_time(&claims->at[WSRT_JWT_IAT], &iat) == WSRT_ERR_REJECTED)
        return "iat is not a time";
    out->until = out->exp * 1000 + leeway;
    out->from = rc == WSRT_OK ? nbf * 1000 - leeway : 0;
    return NULL;
}

/* ---- who ------------------------------------------------------------------------------------ */

/* Text of a principal on its way to the result. */
typedef struct texts {
    char bytes[WSRT_AUTH_TEXT_MAX];
    size_t used;
} texts;

static const char too_long[] = "who it is about does not fit";

static const char *take_text(texts *t, const wsrt_json *value, wsrt_span *out)
{
    size_t len;
    int rc = wsrt_json_text(value, t->bytes + t->used, sizeof t->bytes - t->used, &len);

    if (rc != WSRT_OK)
        return rc == WSRT_ERR_LIMIT ? too_long : "a name is not a string";
    *out = (wsrt_span){t->bytes + t->used, len};
    t->used += len;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)out->ptr[i] < 0x20 || out->ptr[i] == 0x7f)
            return "a name holds a control character";
    return NULL;
}

/* A claim that need not be there. */
static const char *take_any(texts *t, const wsrt_json *value, wsrt_span *out)
{
    return value->kind == WSRT_JSON_NONE || value->kind == WSRT_JSON_NULL
               ? NULL
               : take_text(t, value, out);
}

/* A name with a space in it would read as two. */
static const char *take_group(texts *t, const wsrt_json *value, wsrt_span *list)
{
    size_t before = t->used;
    wsrt_span one;

    if (list->len > 0 && t->used < sizeof t->bytes)
        t->bytes[t->used++] = ' ';
    const char *why = take_text(t, value, &one);
    if (why != NULL)
        return why;
    if (one.len == 0 || memchr(one.ptr, ' ', one.len) != NULL)
        t->used = before;
    list->len = (size_t)(t->bytes + t->used - list->ptr);
    return NULL;
}

static const char *take_groups(texts *t, const wsrt_jwt_claims *claims, wsrt_span *out)
{
    wsrt_json value = claims->at[WSRT_JWT_COGNITO_GROUPS];
    wsrt_json_iter it = {0};
    const char *why = NULL;
    wsrt_json one;

    if (value.kind == WSRT_JSON_NONE)
        value = claims->at[WSRT_JWT_GROUPS];
    if (value.kind == WSRT_JSON_NONE)
        return NULL;
    if (value.kind != WSRT_JSON_ARRAY)
        return "groups are not an array";
    *out = (wsrt_span){t->bytes + t->used, 0};
    while (why == NULL && wsrt_json_next(&value, &it, NULL, &one) == WSRT_OK)
        why = take_group(t, &one, out);
    return why;
}

const char *wsrt_jwt_principal_read(const wsrt_jwt_claims *claims, int64_t expires_at,
                                    wsrt_auth_result *out)
{
    const wsrt_json *at = claims->at;
    const wsrt_json *name =
        &at[at[WSRT_JWT_COGNITO_USERNAME].kind != WSRT_JSON_NONE ? WSRT_JWT_COGNITO_USERNAME
                                                                 : WSRT_JWT_USERNAME];
    wsrt_principal who = {.struct_size = sizeof who, .expires_at = expires_at};
    texts t;

    t.used = 0;
    const char *why = take_any(&t, &at[WSRT_JWT_SUB], &who.user_id);
    if (why == NULL && who.user_id.len == 0)
        why = "sub is missing";
    if (why == NULL)
        why = take_any(&t, name, &who.username);
    if (why == NULL)
        why = take_any(&t, &at[WSRT_JWT_EMAIL], &who.email);
    if (why == NULL)
        why = take_groups(&t, claims, &who.groups);
    if (why == NULL)
        why = take_any(&t, &at[WSRT_JWT_SCOPE], &who.scopes);
    if (why == NULL && wsrt_auth_result_set(out, &who) != WSRT_OK)
        why = too_long;
    return why;
}
