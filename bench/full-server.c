/* Echo with everything on: `full-server [CERT KEY [SQLITE]]`. Rates of the limiter that no message comes
 * to, timers as they are by default, a store in memory or in a file (then with workers), TLS. */
#include <wsrt/server.h>
#ifdef HAVE_SQLITE
#include <wsrt/sqlite.h>
#endif

#include <stdio.h>
#include <string.h>

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

static int make_limiter(wsrt_runtime_options *parts)
{
    const wsrt_rule never = {.rate = 1e9, .burst = 1 << 24};
    wsrt_limiter_options rates = {
        .struct_size = sizeof rates, .connection = never, .user = never, .connect = never};

    return wsrt_limiter_new(&parts->limiter, &rates);
}

#ifdef HAVE_SQLITE
static wsrt_sqlite_store *file;
static wsrt_store connections;

static int open_file(wsrt_runtime_options *parts, const char *path)
{
    int rc = wsrt_sqlite_store_new(&file, wsrt_span_cstr(path), NULL, NULL);

    if (rc != WSRT_OK)
        return rc;
    wsrt_sqlite_store_connections(file, &connections);
    parts->store = &connections;
    return WSRT_OK;
}

static void close_file(void)
{
    wsrt_sqlite_store_free(file);
}
#else
static int open_file(wsrt_runtime_options *parts, const char *path)
{
    (void)parts;
    (void)path;
    return WSRT_ERR_UNSUPPORTED;
}

static void close_file(void)
{
}
#endif

static int serve(wsrt_server *server, int secure)
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

int main(int argc, char **argv)
{
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_runtime_options parts = {.struct_size = sizeof parts};
    wsrt_server_options opts = {
        .struct_size = sizeof opts, .listen = &listen, .listen_count = 1, .accept_rate = -1};
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = echo};

    if (argc > 2) {
        opts.tls_cert = wsrt_span_cstr(argv[1]);
        opts.tls_key = wsrt_span_cstr(argv[2]);
    }
    opts.workers = argc > 3 ? 4 : 0;
    int rc = make_limiter(&parts);
    if (rc == WSRT_OK && argc > 3)
        rc = open_file(&parts, argv[3]);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_new(&rt, &parts);
    if (rc == WSRT_OK)
        rc = wsrt_runtime_route(rt, &route);
    if (rc == WSRT_OK)
        rc = wsrt_server_new(&server, rt, &opts);
    if (rc == WSRT_OK)
        rc = serve(server, argc > 2);
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    wsrt_limiter_free(parts.limiter);
    close_file();
    return rc == WSRT_OK ? 0 : 1;
}
