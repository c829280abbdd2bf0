/* A program outside the tree that tests a handler, in the C that is C++ too. */
#include <wsrt/mock.h>

#include <stdio.h>
#include <string.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

static int count(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    int *calls = (int *)user;

    (void)req;
    ++*calls;
    return wsrt_reply(ctx, wsrt_span_cstr("{\"counted\":true}"));
}

int main(void)
{
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;
    wsrt_route route;
    wsrt_mock_record record;
    int calls = 0;
    int wrong = HOLDS(wsrt_mock_new(&m, NULL) == WSRT_OK);

    wrong += HOLDS(wsrt_mock_runtime(&rt, m, NULL) == WSRT_OK);
    memset(&route, 0, sizeof route);
    route.struct_size = sizeof route;
    route.key = wsrt_span_cstr("count");
    route.handler = count;
    route.user = &calls;
    wrong += HOLDS(wsrt_runtime_route(rt, &route) == WSRT_OK);
    wrong += HOLDS(wsrt_mock_connect(m, rt, "c1", NULL) == 200);
    wsrt_mock_message(m, rt, "c1", "{\"type\":\"count\"}");
    wrong += HOLDS(calls == 1) + HOLDS(strcmp(wsrt_mock_last(m, "c1"), "{\"counted\":true}") == 0);
    memset(&record, 0, sizeof record);
    record.struct_size = sizeof record;
    wrong += HOLDS(wsrt_mock_get(m, WSRT_MOCK_POST, 0, &record) == WSRT_OK);
    wrong += HOLDS(record.kind == WSRT_MOCK_POST && record.status == WSRT_OK);
    wrong += HOLDS(wsrt_span_equal(record.connection_id, wsrt_span_cstr("c1")));
    wsrt_mock_message(m, rt, "c1", "{\"type\":\"nobody's\"}");
    wrong += HOLDS(calls == 1) + HOLDS(strstr(wsrt_mock_last(m, "c1"), "\"error\"") != NULL);
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
    return wrong != 0;
}
