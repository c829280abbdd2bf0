/* The check of an image that came from outside. */
#ifndef WSRT_SRC_SCHEMA_VERIFY_H
#define WSRT_SRC_SCHEMA_VERIFY_H

#include "schema/compile.h"

/* 1 when the tables of `c` are safe to walk. `starts` has a zeroed bit for every regex word. */
int wsrt_tables_hold(const struct wsrt_compiler *c, uint8_t *starts);

#endif
