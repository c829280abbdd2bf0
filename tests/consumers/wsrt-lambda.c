/* A program outside the tree that answers events of API Gateway, in the C that is C++ too. */
#include <wsrt/lambda.h>

#include <stdio.h>
#include <string.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

static void keep(const void *json, size_t len, void *user)
{
    size_t most = len < 511 ? len : 511;

    memcpy(user, json, most);
    ((char *)user)[most] = '\0';
}

int main(void)
{
    static const char connect[] =
        "{\"requestContext\":{\"routeKey\":\"$connect\",\"eventType\":\"CONNECT\","
        "\"connectionId\":\"Ik3c9dGJoAMCKXg=\",\"requestId\":\"r1\",\"stage\":\"prod\","
        "\"domainName\":\"x.execute-api.eu-west-1.amazonaws.com\","
        "\"connectedAt\":1700000000000,\"requestTimeEpoch\":1700000000000,"
        "\"identity\":{\"sourceIp\":\"192.0.2.1\"}},\"isBase64Encoded\":false}";
    wsrt_runtime *rt = NULL;
    char answer[512] = "";
    int wrong = HOLDS(wsrt_runtime_new(&rt, NULL) == WSRT_OK);

    wrong += HOLDS(wsrt_lambda_handle(rt, wsrt_span_cstr("nonsense"), NULL, keep, answer) ==
                   WSRT_ERR_MALFORMED);
    wrong += HOLDS(wsrt_lambda_handle(rt, wsrt_span_cstr(connect), NULL, keep, answer) == WSRT_OK);
    wrong += HOLDS(strstr(answer, "\"statusCode\":200") != NULL);
    wsrt_runtime_free(rt);
    return wrong != 0;
}
