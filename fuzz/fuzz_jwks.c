/* Any bytes as a key set: it is taken or refused, and a token that it never signed stays refused. */
#include "target.h"

#include <wsrt/jwt.h>

#include <stdlib.h>
#include <string.h>

static void require(int truth)
{
    if (!truth)
        abort();
}

/* Of ES256, RS256 and HS256, signed by nobody. */
static const char *const strangers[] = {
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MSIsImV4cCI6OTAwMDAwMDAwMH0."
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1MSIsImV4cCI6OTAwMDAwMDAwMH0.AQ",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSIsImV4cCI6OTAwMDAwMDAwMH0."
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsrt_jwt_options o = {.struct_size = sizeof o,
                          .keys = {(const char *)data, size},
                          .algorithms = 255,
                          .cache_entries = -1};
    wsrt_jwt *j;
    int rc = wsrt_jwt_new(&j, &o);

    require((rc == WSRT_OK) == (j != NULL));
    require(rc == WSRT_OK || rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED ||
            rc == WSRT_ERR_TOO_LARGE || (rc == WSRT_ERR_INVALID && size == 0));
    for (size_t i = 0; j != NULL && i < sizeof strangers / sizeof strangers[0]; i++)
        require(wsrt_jwt_verify(j, wsrt_span_cstr(strangers[i]), 1800000000000, NULL) ==
                WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);
    return 0;
}
