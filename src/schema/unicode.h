/* General categories of Unicode characters. */
#ifndef WSRT_SRC_SCHEMA_UNICODE_H
#define WSRT_SRC_SCHEMA_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* Bits of the categories that a property name stands for ("L", "Letter", "Lu", "Any", "ASCII" …);
 * 0 when it is none. */
uint32_t wsrt_unicode_mask(const char *name, size_t len);
/* The i-th run of characters of one category: 0 behind the last. A run outside of `mask` comes
 * empty (low > high). */
int wsrt_unicode_run(uint32_t i, uint32_t mask, uint32_t *low, uint32_t *high);

#endif
