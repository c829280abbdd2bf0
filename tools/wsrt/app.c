#include "app.h"

#include "chat.h"

#include <string.h>

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

int app_install(wsrt_runtime *rt, const char *name)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = echo};

    if (strcmp(name, "echo") == 0)
        return wsrt_runtime_route(rt, &route);
    return chat_add_routes(rt, NULL);
}
