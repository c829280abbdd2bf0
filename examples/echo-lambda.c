/* The smallest Lambda function (`bootstrap`): what a client says comes back as the route's response. */
#include <wsrt/lambda.h>

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("$default"), .handler = echo};
    int rc = wsrt_runtime_new(out, parts);

    (void)user;
    return rc != WSRT_OK ? rc : wsrt_runtime_route(*out, &route);
}

int main(void)
{
    return wsrt_lambda_main(NULL, make, NULL);
}
