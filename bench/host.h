/* What the servers that are measured have in common. */
#ifndef WSRT_BENCH_HOST_H
#define WSRT_BENCH_HOST_H

#include <wsrt/server.h>

/* Sends a message back. */
int host_echo(wsrt_context *ctx, const wsrt_request *req, void *user);

/* Serves all messages by one handler at a free port of this machine, told on stdout as `wsrt serve` tells
 * its own, until a signal. `schema` NULL = none. The exit status of main(). */
int host_serve(const wsrt_runtime_options *parts, wsrt_server_options opts, wsrt_handler handler,
               const wsrt_schema *schema);

#endif
