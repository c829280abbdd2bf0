#include "greet.h"

static int greet(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_reply(ctx, wsrt_span_cstr("{\"type\":\"hello\"}"));
}

int greet_add_routes(wsrt_runtime *rt)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("greet"), .handler = greet};

    return wsrt_runtime_route(rt, &route);
}
