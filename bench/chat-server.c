/* Sends each chat message back: `chat-server plain|validated`. Validated it has to fit the schema that ships
 * with the library; the handler is the same. */
#include <wsrt/server.h>

#include <stdio.h>
#include <string.h>

static int give_back(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

static int serve(wsrt_server *server)
{
    char address[64];
    size_t len = 0;
    int rc = wsrt_server_address(server, 0, address, sizeof address, &len);

    if (rc != WSRT_OK)
        return rc;
    printf("{\"event\":\"listening\",\"url\":\"ws://%.*s/\"}\n", (int)len, address);
    fflush(stdout);
    return wsrt_server_run(server);
}

int main(int argc, char **argv)
{
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    wsrt_schema *schema = NULL;
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS};
    wsrt_server_options opts = {
        .struct_size = sizeof opts, .listen = &listen, .listen_count = 1, .accept_rate = -1};
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = give_back};
    int rc = WSRT_OK;

    if (argc > 1 && strcmp(argv[1], "validated") == 0)
        rc = wsrt_schema_builtin(&schema, "message", NULL);
    route.schema = schema;
    if (rc == WSRT_OK)
        rc = wsrt_runtime_new(&rt, &parts);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_route(rt, &route);
    if (rc == WSRT_OK)
        rc = wsrt_server_new(&server, rt, &opts);
    if (rc == WSRT_OK)
        rc = serve(server);
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    wsrt_schema_free(schema);
    return rc == WSRT_OK ? 0 : 1;
}
