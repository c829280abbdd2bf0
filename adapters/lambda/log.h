/* The log of a function: one JSON object a line on standard error. */
#ifndef WSRT_LAMBDA_LOG_H
#define WSRT_LAMBDA_LOG_H

#include <wsrt/base.h>

/* A wsrt_env.log; `user` is an int, the least level that is written. One write a line. */
void wsrt_lambda_log(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                     size_t count);

/* A level by its name; info for NULL and for a name that is none. */
int wsrt_lambda_log_level(const char *name);

#endif
