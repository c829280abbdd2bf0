#include "app.h"

#include "chat.h"
#include "dashboard.h"

#include <string.h>

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

int app_install(wsrt_runtime *rt, const struct app_settings *s, wsrt_feed **feed)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = echo};
    dashboard_options board = {
        .latest = s->latest, .coalesce_ms = s->coalesce_ms, .signed_in = s->signed_in};

    *feed = NULL;
    if (strcmp(s->name, "echo") == 0)
        return wsrt_runtime_route(rt, &route);
    if (strcmp(s->name, "dashboard") == 0)
        return dashboard_add_routes(rt, &board, feed);
    return chat_add_routes(rt, NULL);
}
