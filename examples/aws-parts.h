/* What the functions on AWS share: connections and messages in tables of DynamoDB, posts through the
 * Management API. Where they are is in the environment; docs/aws.md lists the variables. */
#ifndef EXAMPLE_AWS_PARTS_H
#define EXAMPLE_AWS_PARTS_H

#include <wsrt/aws.h>
#include <wsrt/lambda.h>

typedef struct aws_parts {
    wsrt_aws *aws;
    wsrt_aws_tables *tables;
    wsrt_aws_sender *posts; /* NULL without WEBSOCKET_API_ENDPOINT: such a function only stores */
    wsrt_store store;
    wsrt_history history;
    wsrt_sender sender;
} aws_parts;

/* Fills `parts` with what the environment names; `p`, zero-filled before, outlives the runtime. WSRT_OK,
 * or a status of wsrt_aws_new(), wsrt_aws_tables_new() or wsrt_aws_sender_new(). */
int aws_parts_open(aws_parts *p, wsrt_runtime_options *parts);
/* A function without routes of its own: what the runtime does with a connect or a disconnect is all. */
int aws_parts_make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user);
/* wsrt_lambda_main() with aws_parts as `user` of `make`. WSRT_BREAKERS may name an item,
 * `dynamodb:TABLE/ID`. */
int aws_parts_main(const wsrt_lambda_options *opts, wsrt_lambda_make_fn make);

#endif
