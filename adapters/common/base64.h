/* Base64 (RFC 4648 section 4), padded. */
#ifndef WSRT_COMMON_BASE64_H
#define WSRT_COMMON_BASE64_H

#include <wsrt/base.h>

/** Writes (len + 2) / 3 * 4 characters, not NUL-terminated, and returns how many. */
size_t wsrt_base64_encode(char *dst, const void *data, size_t len);

/**
 * Decodes a whole number of groups with the padding in its place and no other character. Bits of the
 * last character that carry nothing are ignored.
 *
 * @param dst   room for `text.len` / 4 * 3 bytes
 * @param len   bytes written; set on WSRT_OK only
 * @return WSRT_OK or WSRT_ERR_MALFORMED
 */
int wsrt_base64_decode(void *dst, wsrt_span text, size_t *len);

#endif
