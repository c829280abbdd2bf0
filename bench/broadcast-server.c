/* Every message goes to every connection: the server that the broadcast benchmark measures. */
#include "host.h"

static int to_all(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_post post = {
        .struct_size = sizeof post, .flags = WSRT_POST_REPLY, .data = req->event->body};

    (void)user;
    return wsrt_broadcast(wsrt_context_runtime(ctx), NULL, &post, NULL);
}

int main(void)
{
    const wsrt_runtime_options parts = {.struct_size = sizeof parts,
                                        .flags = WSRT_RUNTIME_NO_LIMITS};
    const wsrt_server_options opts = {.ping_ms =
                                          3600000}; /* the load counts bytes: no ping among them */

    return host_serve(&parts, opts, to_all, NULL);
}
