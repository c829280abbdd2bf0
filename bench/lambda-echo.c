/* examples/echo-lambda without its metrics: what the loop, the reading of an event and the writing of a
 * result cost. */
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
    const wsrt_lambda_options opts = {.struct_size = sizeof opts, .metrics_fd = -1};

    return wsrt_lambda_main(&opts, make, NULL);
}
