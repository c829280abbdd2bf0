/* The schemas inside the library. */
#ifndef WSRT_SRC_SCHEMA_BUILTIN_H
#define WSRT_SRC_SCHEMA_BUILTIN_H

#include <wsrt/schema.h>

/* From {"auth":["login"],…} to a schema that must hold, too. WSRT_ERR_INVALID for anything else. */
int wsrt_builtin_overlay(const wsrt_allocator *a, wsrt_span actions, wsrt_span *out);
void wsrt_builtin_overlay_free(const wsrt_allocator *a, wsrt_span overlay);

#endif
