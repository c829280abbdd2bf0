/* Log sink of the tool: one line a record on stderr, for people or for machines. */
#ifndef WSRT_TOOL_LOG_H
#define WSRT_TOOL_LOG_H

#include <wsrt/base.h>

struct log {
    int level; /* least level that is written; by atomic operations */
    int json;  /* 1 = one JSON object a line */
    int color; /* 1 = pretty lines with colours */
};

/* Chooses by name: `format` auto, json or pretty; `level` trace to error. Honours NO_COLOR. */
void log_setup(struct log *log, const char *format, const char *level);

/* Another level from here on. Any thread. */
void log_set_level(struct log *log, const char *level);

/* A wsrt_env.log with a struct log as `user`. */
void log_write(void *user, int level, const char *event_cstr, const wsrt_field *fields,
               size_t count);

#endif
