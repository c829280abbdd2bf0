/* What the public row of an error type leaves out. */
#ifndef WSRT_SRC_ERROR_TYPES_H
#define WSRT_SRC_ERROR_TYPES_H

#include <wsrt/error.h>

/* Whether a detail may be written for a type. */
int wsrt_error_detail_allowed(int type, const char *name);

/* The text for clients while an outside service is down; "" when it is none we know. */
const char *wsrt_error_service_text(wsrt_span service);

#endif
