/* Files that are read whole. */
#ifndef WSRT_TOOL_FILE_H
#define WSRT_TOOL_FILE_H

#include <stddef.h>

enum { FILE_MAX = 1 << 20 };

/* Reads a file of at most FILE_MAX bytes; one more byte than that says it is longer. Free `*text` in
 * any case. 0, or `status` when it cannot be read; `whose`, such as "--schema: ", stands before the
 * complaint. */
int read_file(const char *whose, const char *path, int status, char **text, size_t *len);

#endif
