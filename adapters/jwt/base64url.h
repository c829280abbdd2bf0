/* Base64url without padding (RFC 4648 section 5, RFC 7515 section 2), and nothing else. */
#ifndef WSRT_JWT_BASE64URL_H
#define WSRT_JWT_BASE64URL_H

#include <wsrt/base.h>

enum { WSRT_JWT_TOKEN_MAX = 10000, WSRT_JWT_DECODED_MAX = WSRT_JWT_TOKEN_MAX / 4 * 3 };

/* Decodes into `dst`, which has room for len / 4 * 3 + 2 bytes. WSRT_ERR_MALFORMED for any other
 * character, padding, an impossible length, or spare bits that are not zero. */
int wsrt_jwt_decode(unsigned char *dst, wsrt_span text, size_t *len);

/* Writes (len * 4 + 2) / 3 characters, no NUL, and returns how many. */
size_t wsrt_jwt_encode(char *dst, const void *data, size_t len);

#endif
