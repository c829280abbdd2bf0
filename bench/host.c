#include "host.h"

#include <stdio.h>

int host_echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

static int run(wsrt_server *server, int secure)
{
    char address[64];
    size_t len = 0;
    int rc = wsrt_server_address(server, 0, address, sizeof address, &len);

    if (rc != WSRT_OK)
        return rc;
    printf("{\"event\":\"listening\",\"url\":\"%s://%.*s/\"}\n", secure ? "wss" : "ws", (int)len,
           address);
    fflush(stdout);
    return wsrt_server_run(server);
}

int host_serve(const wsrt_runtime_options *parts, wsrt_server_options opts, wsrt_handler handler,
               const wsrt_schema *schema)
{
    const wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    const wsrt_route route = {.struct_size = sizeof route,
                              .key = wsrt_span_cstr("$default"),
                              .handler = handler,
                              .schema = schema};
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;

    opts.struct_size = sizeof opts;
    opts.listen = &listen;
    opts.listen_count = 1;
    opts.accept_rate = -1;
    int rc = wsrt_runtime_new(&rt, parts);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_route(rt, &route);
    if (rc == WSRT_OK)
        rc = wsrt_server_new(&server, rt, &opts);
    if (rc == WSRT_OK)
        rc = run(server, opts.tls_cert.len > 0);
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
