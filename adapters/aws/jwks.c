/* Key sets over libcurl, for libwsrt-jwt. */
#include "aws/internal.h"

#include <wsrt/jwt.h>

#include "common/support.h"

#include <string.h>

static int status_of(const wsrt_aws_answer *answer)
{
    if (answer->rc != WSRT_OK)
        return answer->rc;
    return answer->status == 200 ? WSRT_OK : WSRT_ERR_UNAVAILABLE;
}

static int fetch(void *self, wsrt_jwks_fetch *f)
{
    wsrt_aws *a = self;
    wsrt_aws_endpoint endpoint;
    wsrt_aws_request r = {.endpoint = &endpoint, .method = "GET", .flags = WSRT_AWS_NO_RETRY};

    if (!wsrt_adapter_is_safe_url(f->url) || wsrt_aws_endpoint_set(&endpoint, f->url) != WSRT_OK)
        return WSRT_ERR_INVALID;
    if (f->url.ptr[f->url.len - 1] == '/') /* an endpoint has none at its end */
        r.path[0] = '/';
    r.most = f->cap;
    r.timeout_ms = f->timeout_ms;
    (void)wsrt_aws_ask(a, &r);
    int rc = status_of(&r.answer);
    if (rc == WSRT_OK) {
        f->len = r.answer.len;
        f->max_age_s = r.answer.max_age;
        if (f->len > 0)
            memcpy(f->dst, r.answer.body, f->len);
    } else {
        wsrt_aws_log(a, WSRT_LEVEL_WARN, "aws.jwks_not_fetched", wsrt_status_name(rc),
                     r.answer.status);
    }
    wsrt_aws_answer_free(a, &r.answer);
    return rc;
}

void wsrt_aws_jwks_interface(wsrt_aws *a, struct wsrt_jwks_fetcher *out)
{
    static const wsrt_jwks_fetcher_ops ops = {.struct_size = sizeof ops, .fetch = fetch};

    if (a != NULL && out != NULL)
        *out = (wsrt_jwks_fetcher){&ops, a};
}
