/**
 * @file sigv4.h
 * Signature Version 4 of AWS: from a request as it is on the wire to its signature, for those who sign
 * and those who check. Pure: the time is an argument, nothing is allocated, no secret stays behind.
 */
#ifndef WSRT_COMMON_SIGV4_H
#define WSRT_COMMON_SIGV4_H

#include "http1.h"
#include "sha256.h"

enum {
    WSRT_SIGV4_TIME = 16,       /**< 20260102T030405Z, whose first eight bytes are the date */
    WSRT_SIGV4_PARAMETERS = 96, /**< most parameters of a query */
    WSRT_SIGV4_SECRET = 1024    /**< most bytes of a secret that count */
};

/** A request as it is sent. Every field given is signed: those that are not are left out. */
typedef struct wsrt_sigv4_request {
    wsrt_span method;
    wsrt_span path;  /**< as on the wire; empty is "/" */
    wsrt_span query; /**< as on the wire, behind the '?'; "+" is a plus sign */
    const wsrt_http_field *fields;
    size_t field_count;   /**< at most WSRT_HTTP_FIELDS_MAX */
    const char *body_hex; /**< SHA-256 of the body, WSRT_SHA256_HEX digits */
} wsrt_sigv4_request;

/** For whom and when. */
typedef struct wsrt_sigv4_scope {
    char time[WSRT_SIGV4_TIME];
    wsrt_span region;
    wsrt_span service;
} wsrt_sigv4_scope;

/** Whether a path can be signed: "" or one that begins with "/", without "//" or a segment of dots, which
 *  AWS would rewrite. */
int wsrt_sigv4_path_ok(wsrt_span path);

/** Writes a Unix time in milliseconds as WSRT_SIGV4_TIME bytes, without a NUL. */
void wsrt_sigv4_time(char *dst, int64_t wall);

/** Derives the key of a day, region and service: WSRT_SHA256_LEN bytes, worth keeping for the day. */
void wsrt_sigv4_key(unsigned char *key, wsrt_span secret, const wsrt_sigv4_scope *scope);

/**
 * Writes the canonical request.
 *
 * @param len  bytes of it, also when they do not fit
 * @return WSRT_OK; WSRT_ERR_INVALID for a path that cannot be signed; WSRT_ERR_LIMIT for too many fields or parameters, or when `cap` is too small
 */
int wsrt_sigv4_canonical(const wsrt_sigv4_request *r, char *dst, size_t cap, size_t *len);

/**
 * Signs a request.
 *
 * @param key        of wsrt_sigv4_key()
 * @param signature  WSRT_SHA256_HEX bytes, without a NUL, on WSRT_OK
 * @return as wsrt_sigv4_canonical(), and WSRT_ERR_LIMIT for names in the scope longer than 64 bytes
 */
int wsrt_sigv4_sign(const wsrt_sigv4_request *r, const wsrt_sigv4_scope *scope,
                    const unsigned char *key, char *signature);

/** Who signs. */
typedef struct wsrt_sigv4_signer {
    wsrt_span access_key;
    unsigned char key[WSRT_SHA256_LEN]; /**< of wsrt_sigv4_key() */
} wsrt_sigv4_signer;

/**
 * Signs a request and writes the value of its Authorization field, NUL-terminated.
 *
 * @return as wsrt_sigv4_sign(); WSRT_ERR_LIMIT also when `cap` is too small
 */
int wsrt_sigv4_authorize(const wsrt_sigv4_request *r, const wsrt_sigv4_scope *scope,
                         const wsrt_sigv4_signer *signer, char *dst, size_t cap);

#endif
