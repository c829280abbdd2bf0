/* The file of --breakers. */
#ifndef WSRT_TOOL_BREAKERS_FILE_H
#define WSRT_TOOL_BREAKERS_FILE_H

#include <wsrt/breaker.h>

/* Each reads it whole; 0, or an exit status once what is wrong was told, and nothing has changed. */
int breakers_file_check(const char *path);
int breakers_file_apply(const char *path, wsrt_breakers *into, int64_t now);

#endif
