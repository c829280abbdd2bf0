/* A program outside the tree that runs the server in a loop of its own, in the C that is C++ too. */
#include <wsrt/server.h>

#include <stdio.h>
#include <string.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

int main(void)
{
    wsrt_runtime *rt = NULL;
    wsrt_server *s = NULL;
    wsrt_span any = wsrt_span_cstr("127.0.0.1:0"), everywhere = wsrt_span_cstr("0.0.0.0:0");
    wsrt_server_options o;
    wsrt_server_stats stats;
    char address[64] = "";
    int wrong = HOLDS(wsrt_runtime_new(&rt, NULL) == WSRT_OK);

    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.listen = &any;
    o.listen_count = 1;
    o.max_connections = 7;
    wrong += HOLDS(wsrt_server_new(&s, rt, &o) == WSRT_OK);
    wrong += HOLDS(wsrt_server_address(s, 0, address, sizeof address, NULL) == WSRT_OK);
    wrong += HOLDS(strncmp(address, "127.0.0.1:", 10) == 0) + HOLDS(wsrt_server_fd(s) >= 0);
    wrong += HOLDS(wsrt_server_step(s) == WSRT_OK);
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    wrong += HOLDS(wsrt_server_get_stats(s, &stats) == WSRT_OK);
    wrong += HOLDS(stats.open == 0 && stats.turns >= 1 && stats.certificates_refused == 0);
    wsrt_server_free(s);

    o.management = 1;
    o.management_token = wsrt_span_cstr("short");
    o.listen = &everywhere;
    s = NULL;
    wrong += HOLDS(wsrt_server_new(&s, rt, &o) < 0 && s == NULL);
    wsrt_server_free(s);
    wsrt_runtime_free(rt);
    return wrong != 0;
}
