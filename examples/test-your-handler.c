/* The test of a handler, with libwsrt-mock: no socket, no sleep, no real time.
 *
 *     cc test-your-handler.c $(pkg-config --cflags --libs wsrt-mock) -o test && ./test
 */
#include <wsrt/mock.h>

#include <stdlib.h>
#include <string.h>

static int greet(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_reply(ctx, wsrt_span_cstr("{\"hello\":true}"));
}

int main(void)
{
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr("greet"), .handler = greet};

    if (wsrt_mock_new(&m, NULL) != WSRT_OK || wsrt_mock_runtime(&rt, m, NULL) != WSRT_OK ||
        wsrt_runtime_route(rt, &route) != WSRT_OK || wsrt_mock_connect(m, rt, "c1", NULL) != 200)
        abort();
    wsrt_mock_message(m, rt, "c1", "{\"type\":\"greet\"}");
    int failed = strcmp(wsrt_mock_last(m, "c1"), "{\"hello\":true}") != 0;
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
    return failed;
}
