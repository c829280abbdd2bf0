/* What the public row of an error type leaves out. */
#ifndef WSRT_SRC_ERROR_TYPES_H
#define WSRT_SRC_ERROR_TYPES_H

#include <wsrt/error.h>

/* A row of the table of types, the lengths of its texts counted by the compiler. */
struct wsrt_error_row {
    wsrt_error_info info;
    wsrt_span name, code, message;
    wsrt_span usual; /* all three as an envelope has them, between the first quote and the last */
    const char *details; /* the keys that may be written, a space between */
};

/* Never NULL: an unknown type is an internal error. */
const struct wsrt_error_row *wsrt_error_row(int type);

/* Whether a detail may be written for a type. */
int wsrt_error_detail_allowed(int type, const char *name);

/* An outside service that the library itself calls: what the client hears while it is down. */
struct wsrt_service_row {
    const char *name_cstr;
    int type;
    const char *text_cstr;
};

/* NULL = none we know. */
const struct wsrt_service_row *wsrt_error_service(wsrt_span service);

/* As wsrt_suggestion_find(), and takes what decorates the name away from it. */
const wsrt_suggestion *wsrt_suggestion_named(wsrt_span engine, wsrt_span *name);

#endif
