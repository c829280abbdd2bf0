/* A token taken apart: three parts, decoded, and what its header says. */
#ifndef WSRT_JWT_TOKEN_H
#define WSRT_JWT_TOKEN_H

#include "jwt/base64url.h"
#include "jwt/keys.h"

typedef struct wsrt_jwt_token {
    size_t input_len; /* bytes of the token that are signed */
    int algorithm;    /* 0 = none of ours */
    wsrt_span kid;    /* empty = none */
    wsrt_span payload;
    wsrt_span signature;
    size_t used; /* bytes of `decoded` that were written at most, to be wiped */
    char kid_text[WSRT_JWT_KID_MAX];
    unsigned char decoded[WSRT_JWT_DECODED_MAX + 6];
} wsrt_jwt_token;

/* NULL, or why not: constant text. */
const char *wsrt_jwt_token_split(wsrt_jwt_token *out, wsrt_span text);

#endif
