/* Reading and filling the structs that grow between releases: one helper for all. */
#ifndef WSRT_SRC_OPTIONS_H
#define WSRT_SRC_OPTIONS_H

#include <wsrt/base.h>

/* Copies a caller's size-first struct over zeroes. `known` is sizeof today, `first` the size in the
 * first release. NULL `given` gives all zero. WSRT_ERR_INVALID for a size below `first` or above
 * 4096; WSRT_ERR_UNSUPPORTED for a non-zero byte beyond `known`. `out` gets struct_size = known. */
int wsrt_options_load(void *out, size_t known, size_t first, const void *given);

/* The same for tables of functions: NULL is invalid, longer than known is accepted. */
int wsrt_table_load(void *out, size_t known, size_t first, const void *given);

/* Whether a size-first struct that stays where it is may be used: not NULL, of a size that a release
 * can have. What came after `first` is used only as far as its own size says. */
int wsrt_size_valid(const void *given, size_t first);

/* Fills a caller's size-first report: writes what fits, zeroes the rest, keeps the caller's size.
 * WSRT_ERR_INVALID for a size below `first` or above 4096. */
int wsrt_report_fill(void *given, size_t known, size_t first, const void *report);

#endif
