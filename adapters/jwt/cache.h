/* Tokens verified lately, known by the SHA-256 of what they sign and by their signature: a token cannot
 * be made from either. The owner's lock guards it. */
#ifndef WSRT_JWT_CACHE_H
#define WSRT_JWT_CACHE_H

#include "jwt/claims.h"
#include "jwt/mbed.h"

typedef struct wsrt_jwt_entry wsrt_jwt_entry;

typedef struct wsrt_jwt_cache {
    const wsrt_allocator *allocator;
    wsrt_jwt_entry *entries; /* NULL = remembers nothing */
    size_t count;            /* of entries; a multiple of the ways */
} wsrt_jwt_cache;

/* Room for about `entries`; 0 = none. WSRT_OK or WSRT_ERR_NOMEM. */
int wsrt_jwt_cache_init(wsrt_jwt_cache *c, size_t entries, const wsrt_allocator *a);
void wsrt_jwt_cache_free(wsrt_jwt_cache *c);
void wsrt_jwt_cache_clear(wsrt_jwt_cache *c);

/* What a token is known by. */
typedef struct wsrt_jwt_known {
    unsigned char digest[WSRT_JWT_SHA256]; /* of its header and claims, as they stand */
    wsrt_span signature;                   /* as it stands */
} wsrt_jwt_known;

/* Fills the result and returns 1 when the token is known and good at `wall`. */
int wsrt_jwt_cache_get(const wsrt_jwt_cache *c, const wsrt_jwt_known *token, int64_t wall,
                       wsrt_auth_result *out);

/* Remembers a token; what does not find memory is not remembered. */
void wsrt_jwt_cache_put(wsrt_jwt_cache *c, const wsrt_jwt_known *token, const wsrt_jwt_times *when,
                        const wsrt_principal *who);

#endif
