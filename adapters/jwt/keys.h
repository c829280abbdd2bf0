/* A key set (RFC 7517): immutable once made, held by reference. */
#ifndef WSRT_JWT_KEYS_H
#define WSRT_JWT_KEYS_H

#include "jwt/mbed.h"

#include <wsrt/json.h>

#include <stdatomic.h>

enum { WSRT_JWT_KEYS_MAX = 64, WSRT_JWT_KEYS_BYTES = 64 * 1024, WSRT_JWT_KID_MAX = 256 };

typedef struct wsrt_jwt_key {
    wsrt_span kid; /* empty = none */
    int algorithm; /* the one it is for */
    wsrt_jwt_crypto *crypto;
} wsrt_jwt_key;

typedef struct wsrt_jwt_keys {
    wsrt_allocator allocator;
    atomic_uint refs;
    unsigned char digest[WSRT_JWT_SHA256]; /* of the text it was made of */
    size_t count;
    wsrt_jwt_key items[WSRT_JWT_KEYS_MAX];
} wsrt_jwt_keys;

/* Makes a set with one reference from the keys of `text` that may be used with the algorithms in
 * `allowed`. On failure *why is constant text. */
int wsrt_jwt_keys_new(wsrt_jwt_keys **out, wsrt_span text, uint32_t allowed,
                      const wsrt_allocator *a, const char **why);
void wsrt_jwt_keys_release(wsrt_jwt_keys *set); /* NULL is fine */

/* The key of an id; without an id the only key there is. NULL = none. */
const wsrt_jwt_key *wsrt_jwt_keys_find(const wsrt_jwt_keys *set, wsrt_span kid);

/* The algorithm of a name as in `alg`; 0 = none of ours. */
int wsrt_jwt_algorithm_of(const wsrt_json *name);

#endif
