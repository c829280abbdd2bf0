/* Copies that end where an unmapped page begins: reading one byte too far is a crash. */
#ifndef WSRT_TEST_GUARDED_H
#define WSRT_TEST_GUARDED_H

#include <wsrt/base.h>

/* A copy of `len` bytes whose end is flush against the unmapped page; aborts when memory is short.
 * Give it back with the same length. */
char *guarded_copy(const void *data, size_t len);
/* From here on a write to it ends the program, too. */
void guarded_protect(char *copy, size_t len);
void guarded_free(char *copy, size_t len);

#endif
