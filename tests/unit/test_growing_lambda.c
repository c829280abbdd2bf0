/* What the Lambda adapter reads. */
#include "growing.h"

#include <wsrt/lambda.h>

/* Where nobody listens. */
static void prepare_options(void *block)
{
    ((wsrt_lambda_options *)block)->endpoint = wsrt_span_cstr("127.0.0.1:1");
}

static int use_options(void *block)
{
    int rc = wsrt_lambda_init_error(block, WSRT_ERR_INVALID, "no table");

    return rc == WSRT_ERR_UNAVAILABLE ? WSRT_OK : rc;
}

static void drop(const void *json, size_t len, void *user)
{
    (void)json, (void)len, (void)user;
}

static int use_invocation(void *block)
{
    static const char event[] =
        "{\"requestContext\":{\"routeKey\":\"$disconnect\",\"eventType\":\"DISCONNECT\","
        "\"connectionId\":\"Ik3c9dGJoAMCKXg=\",\"requestId\":\"r1\",\"stage\":\"prod\"}}";
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    int rc = wsrt_lambda_handle(rt, wsrt_span_cstr(event), block, drop, NULL);
    wsrt_runtime_free(rt);
    return rc;
}

static const struct row rows[] = {
    ROW(wsrt_lambda_options, GIVEN, prepare_options, use_options),
    ROW(wsrt_invocation, GIVEN, NULL, use_invocation),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
