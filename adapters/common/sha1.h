/* SHA-1 (RFC 3174), for Sec-WebSocket-Accept alone: it protects nothing there and nothing elsewhere. */
#ifndef WSRT_COMMON_SHA1_H
#define WSRT_COMMON_SHA1_H

#include <stddef.h>

enum { WSRT_SHA1_LEN = 20 };

/** Writes the digest of `len` bytes to `digest`, WSRT_SHA1_LEN bytes. */
void wsrt_sha1(unsigned char *digest, const void *data, size_t len);

#endif
