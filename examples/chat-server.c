/* The chat application as a server: chat-server [ADDRESS:PORT]. Development tokens only. */
#include "chat.h"

#include <wsrt/server.h>

int main(int argc, char **argv)
{
    const wsrt_principal alice = {.struct_size = sizeof alice, .user_id = wsrt_span_cstr("alice")};
    const wsrt_static_token token = {.token = wsrt_span_cstr("alice-token"), .principal = &alice};
    wsrt_span listen = wsrt_span_cstr(argc > 1 ? argv[1] : "127.0.0.1:8080");
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &listen, .listen_count = 1};
    wsrt_static_auth *auth = NULL;
    wsrt_authenticator who;
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .authenticator = &who};
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    int rc = wsrt_static_auth_new(&auth, &token, 1, NULL);

    wsrt_static_auth_interface(auth, &who);
    rc = rc != WSRT_OK ? rc : wsrt_runtime_new(&rt, &parts);
    rc = rc != WSRT_OK ? rc : chat_add_routes(rt, NULL);
    rc = rc != WSRT_OK ? rc : wsrt_server_new(&server, rt, &opts);
    rc = rc != WSRT_OK ? rc : wsrt_server_run(server);
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    wsrt_static_auth_free(auth);
    return rc == WSRT_OK ? 0 : 1;
}
