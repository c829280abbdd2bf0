/* Redaction for whoever writes the clean text somewhere else than into a buffer. */
#ifndef WSRT_SRC_ERROR_REDACT_H
#define WSRT_SRC_ERROR_REDACT_H

#include <wsrt/error.h>

/* Takes the clean text in order. `escaped` pieces hold \u escapes, good as they are in JSON. */
typedef void (*wsrt_redact_fn)(void *user, wsrt_span piece, int escaped);

/* How many secrets were replaced. */
size_t wsrt_redact_pieces(wsrt_span text, uint32_t flags, wsrt_redact_fn put, void *user);

#endif
