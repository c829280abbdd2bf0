#include "greet.h"

#include <stdio.h>
#include <wsrt/server.h>

int main(int argc, char **argv)
{
    wsrt_span address = wsrt_span_cstr(argc > 1 ? argv[1] : "127.0.0.1:8080");
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &address, .listen_count = 1};
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    int rc = wsrt_runtime_new(&rt, NULL);

    rc = rc != WSRT_OK ? rc : greet_add_routes(rt);
    rc = rc != WSRT_OK ? rc : wsrt_server_new(&server, rt, &opts);
    rc = rc != WSRT_OK ? rc : wsrt_server_run(server);
    fprintf(stderr, "greet-server: %s\n", wsrt_status_name(rc));
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
