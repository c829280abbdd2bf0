/* The cryptography of tokens. mbedTLS appears in mbed.c alone. */
#ifndef WSRT_JWT_MBED_H
#define WSRT_JWT_MBED_H

#include <wsrt/jwt.h>

enum { WSRT_JWT_SECRET_MIN = 32, WSRT_JWT_SHA256 = 32 };

/* One key, able to verify with one algorithm. Immutable: any thread. */
typedef struct wsrt_jwt_crypto wsrt_jwt_crypto;

/* The parts of a public key, big-endian: modulus and exponent, or two coordinates, or a secret. */
typedef struct wsrt_jwt_numbers {
    int algorithm; /* one wsrt_jwt_algorithm */
    wsrt_span first;
    wsrt_span second;
} wsrt_jwt_numbers;

/* WSRT_OK; WSRT_ERR_REJECTED for numbers that are no key, or a weak one; WSRT_ERR_NOMEM. */
int wsrt_jwt_crypto_new(wsrt_jwt_crypto **out, const wsrt_jwt_numbers *from,
                        const wsrt_allocator *a);
void wsrt_jwt_crypto_free(wsrt_jwt_crypto *k, const wsrt_allocator *a);

int wsrt_jwt_sha256(unsigned char out[WSRT_JWT_SHA256], wsrt_span data);

/* A signature over bytes whose SHA-256 is known already. */
typedef struct wsrt_jwt_signed {
    wsrt_span input;
    const unsigned char *sha256;
    wsrt_span signature;
} wsrt_jwt_signed;

/* WSRT_OK; WSRT_ERR_REJECTED for a signature that is none of the key; WSRT_ERR_NOMEM. */
int wsrt_jwt_crypto_verify(const wsrt_jwt_crypto *k, const wsrt_jwt_signed *what);

/* 1 when equal, however long they are equal. */
int wsrt_jwt_same(const unsigned char *a, const unsigned char *b, size_t len);

void wsrt_jwt_wipe(void *p, size_t len);

#endif
