/* The file of --breakers. */
#ifndef WSRT_TOOL_BREAKERS_FILE_H
#define WSRT_TOOL_BREAKERS_FILE_H

#include <wsrt/breaker.h>

struct breakers_file {
    const char *path;
    char *text;
    size_t len;
};

/* Reads it whole and judges it; 0, or an exit status once what is wrong was told. Free it in any case. */
int breakers_file_load(struct breakers_file *f, const char *path);
void breakers_file_free(struct breakers_file *f);
int breakers_file_check(const char *path);

/* What was loaded; 0, or an exit status once what is wrong was told, and nothing has changed. */
int breakers_file_apply(const struct breakers_file *f, wsrt_breakers *into, int64_t now);

#endif
