/* Every message goes to every connection: the server that the broadcast benchmark measures. */
#include <wsrt/server.h>

#include <stdio.h>

static int to_all(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_post post = {
        .struct_size = sizeof post, .flags = WSRT_POST_REPLY, .data = req->event->body};

    (void)user;
    return wsrt_broadcast(wsrt_context_runtime(ctx), NULL, &post, NULL);
}

int main(void)
{
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS};
    wsrt_server_options opts = {.struct_size = sizeof opts,
                                .listen = &listen,
                                .listen_count = 1,
                                .accept_rate = -1,
                                .ping_ms = 3600000}; /* the load counts bytes: no ping among them */
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = to_all};
    char address[64];
    size_t len = 0;

    int rc = wsrt_runtime_new(&rt, &parts);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_route(rt, &route);
    if (rc == WSRT_OK)
        rc = wsrt_server_new(&server, rt, &opts);
    if (rc == WSRT_OK)
        rc = wsrt_server_address(server, 0, address, sizeof address, &len);
    if (rc == WSRT_OK) {
        printf("{\"event\":\"listening\",\"url\":\"ws://%.*s/\"}\n", (int)len, address);
        fflush(stdout);
        rc = wsrt_server_run(server);
    }
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
