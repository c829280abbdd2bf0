/* What renderings of an error share. */
#ifndef WSRT_SRC_ERROR_ENVELOPE_H
#define WSRT_SRC_ERROR_ENVELOPE_H

#include "error/types.h"

/* The caller's error as this release knows it: itself, or copied to `room`. NULL when it cannot be
 * rendered. */
const wsrt_error *wsrt_error_load(wsrt_error *room, const wsrt_error *given);

/* Its code, or its row's when it has none that may be sent. */
wsrt_span wsrt_error_code(const wsrt_error *e, const struct wsrt_error_row *row);

#endif
