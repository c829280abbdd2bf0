/* Private keys as JWK, and signing with them. No part of libwsrt-jwt, which only verifies. */
#ifndef WSRT_JWT_SIGN_H
#define WSRT_JWT_SIGN_H

#include <wsrt/base.h>

enum { WSRT_JWS_JWK_MAX = 8192, WSRT_JWS_KID_MAX = 44 };

/* A private key, for ES256 or RS256. */
typedef struct wsrt_jws_key wsrt_jws_key;

/* Makes a key; `algorithm` is WSRT_JWT_ES256 or WSRT_JWT_RS256. */
int wsrt_jws_key_make(wsrt_jws_key **out, int algorithm);

/* Reads what wsrt_jws_key_write() wrote. On failure *why is constant text. */
int wsrt_jws_key_read(wsrt_jws_key **out, wsrt_span jwk, const char **why);

enum wsrt_jws_form {
    WSRT_JWS_PRIVATE = 1, /* the JWK with its private part */
    WSRT_JWS_PUBLIC_SET   /* a JWKS with its public part */
};

/* Writes it as JSON; `cap` WSRT_JWS_JWK_MAX is enough. */
int wsrt_jws_key_write(const wsrt_jws_key *k, enum wsrt_jws_form form, char *dst, size_t cap,
                       size_t *len);

int wsrt_jws_key_algorithm(const wsrt_jws_key *k);
/* Its thumbprint (RFC 7638), which is its kid. */
const char *wsrt_jws_key_kid(const wsrt_jws_key *k);
void wsrt_jws_key_free(wsrt_jws_key *k); /* NULL is fine */

/* The compact form over a header and a payload, whatever they hold. WSRT_ERR_LIMIT when it does not
 * fit. */
typedef struct wsrt_jws_text {
    wsrt_span header;
    wsrt_span payload;
} wsrt_jws_text;
int wsrt_jws_sign(const wsrt_jws_key *k, const wsrt_jws_text *what, char *dst, size_t cap,
                  size_t *len);

#endif
