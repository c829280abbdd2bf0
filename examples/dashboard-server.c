/* The dashboard as a server: dashboard-server [ADDRESS:PORT]. What happens is told to it by
 *     curl --data '{"data":{"entity_type":"host","entity_id":"h1","load":0.7}}' \
 *         http://127.0.0.1:8080/api/publish */
#include "dashboard.h"

#include <wsrt/server.h>

int main(int argc, char **argv)
{
    wsrt_span listen = wsrt_span_cstr(argc > 1 ? argv[1] : "127.0.0.1:8080");
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &listen, .listen_count = 1};
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    int rc = wsrt_runtime_new(&rt, NULL);

    rc = rc != WSRT_OK ? rc : dashboard_add_routes(rt, NULL, &opts.feed);
    rc = rc != WSRT_OK ? rc : wsrt_server_new(&server, rt, &opts);
    rc = rc != WSRT_OK ? rc : wsrt_server_run(server);
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
