/* SHA-256 (FIPS 180-4) and its HMAC (RFC 2104): no table is indexed by data, nothing is allocated. */
#ifndef WSRT_COMMON_SHA256_H
#define WSRT_COMMON_SHA256_H

#include <wsrt/base.h>

enum { WSRT_SHA256_LEN = 32, WSRT_SHA256_HEX = 64, WSRT_SHA256_BLOCK = 64 };

/** A digest under way. */
typedef struct wsrt_sha256 {
    uint32_t state[8];
    uint64_t bytes; /* taken so far */
    unsigned char block[WSRT_SHA256_BLOCK];
} wsrt_sha256;

void wsrt_sha256_start(wsrt_sha256 *s);
void wsrt_sha256_add(wsrt_sha256 *s, const void *data, size_t len);
/** Writes WSRT_SHA256_LEN bytes; the state is used up and wiped. */
void wsrt_sha256_end(wsrt_sha256 *s, unsigned char *digest);

/** Digest of a text as WSRT_SHA256_HEX lower-case digits, without a NUL. */
void wsrt_sha256_hex(char *dst, wsrt_span text);

/** HMAC of a text; `mac` may be where `key` lies. Intermediate values are wiped. */
void wsrt_hmac_sha256(unsigned char *mac, wsrt_span key, wsrt_span text);

/** Bytes as two lower-case digits each, without a NUL. */
void wsrt_hex(char *dst, const unsigned char *bytes, size_t len);

#endif
