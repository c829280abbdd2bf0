/* A complete WebSocket server: every message comes back.
 *
 *     cc hello-server.c $(pkg-config --cflags --libs wsrt-server) -o hello-server && ./hello-server
 */
#include <wsrt/server.h>

#include <stdio.h>

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

int main(void)
{
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = echo};

    int rc = wsrt_runtime_new(&rt, NULL);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_route(rt, &route);
    if (rc == WSRT_OK)
        rc = wsrt_server_new(&server, rt, NULL);
    if (rc == WSRT_OK) {
        puts("echo server on ws://127.0.0.1:8080/");
        rc = wsrt_server_run(server);
    }
    if (rc != WSRT_OK)
        fprintf(stderr, "hello-server: %s\n", wsrt_status_name(rc));
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
