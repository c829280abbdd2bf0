/* Echo with everything on: `full-server [CERT KEY [SQLITE]]`. Rates of the limiter that no message comes
 * to, timers as they are by default, a store in memory or in a file (then with workers), TLS. */
#include "host.h"

#ifdef HAVE_SQLITE
#include <wsrt/sqlite.h>
#endif

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

int main(int argc, char **argv)
{
    wsrt_runtime_options parts = {.struct_size = sizeof parts};
    wsrt_server_options opts = {.workers = argc > 3 ? 4 : 0};
    int status = 1;

    if (argc > 2) {
        opts.tls_cert = wsrt_span_cstr(argv[1]);
        opts.tls_key = wsrt_span_cstr(argv[2]);
    }
    int rc = make_limiter(&parts);
    if (rc == WSRT_OK && argc > 3)
        rc = open_file(&parts, argv[3]);
    if (rc == WSRT_OK)
        status = host_serve(&parts, opts, host_echo, NULL);
    wsrt_limiter_free(parts.limiter);
    close_file();
    return status;
}
