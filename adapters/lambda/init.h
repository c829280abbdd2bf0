/* How a function starts: its options, and what it says when it cannot. */
#ifndef WSRT_LAMBDA_INIT_H
#define WSRT_LAMBDA_INIT_H

#include "lambda/client.h"

#include <wsrt/lambda.h>

/* Checks options and fills in what the environment says. WSRT_OK; WSRT_ERR_INVALID, _UNSUPPORTED. */
int wsrt_lambda_options_load(wsrt_lambda_options *out, const wsrt_lambda_options *given);

/* Posts an init error. WSRT_OK; WSRT_ERR_UNAVAILABLE, _LIMIT. */
int wsrt_lambda_init_post(wsrt_lambda_client *c, int status, const char *message);

#endif
