/* What an answer means for trying again. Pure. */
#include "aws/internal.h"

#include <wsrt/json.h>

#include <string.h>

enum { LONGEST_WAIT = 20000, LONGEST_EXTRA = 5000, SKEW = 4 * 60 * 1000 };

static const char *const throttling[] = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    NULL,
};

static const char *const transient[] = {"RequestTimeout", "RequestTimeoutException",
                                        "TransactionConflictException",
                                        "ReplicatedWriteConflictException", NULL};

static const char *const clock_matters[] = {
    "AccessDeniedException", "AuthFailure",          "InvalidSignatureException", "RequestExpired",
    "RequestInTheFuture",    "RequestTimeTooSkewed", "SignatureDoesNotMatch",     NULL};

static const char *const expired[] = {"ExpiredTokenException", "ExpiredToken", NULL};

/* Others than 403 come with them too: services that speak JSON say 400. */
static const char *const settings[] = {"AccessDenied",
                                       "AccessDeniedException",
                                       "AuthFailure",
                                       "IncompleteSignature",
                                       "IncompleteSignatureException",
                                       "InvalidClientTokenId",
                                       "InvalidSignatureException",
                                       "MissingAuthenticationToken",
                                       "MissingAuthenticationTokenException",
                                       "NotAuthorized",
                                       "OptInRequired",
                                       "RequestExpired",
                                       "SignatureDoesNotMatch",
                                       "UnrecognizedClientException",
                                       NULL};

static int is_among(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static int is_skewed(const wsrt_aws_answer *answer, int64_t wall)
{
    int64_t skew = answer->date - wall;

    return answer->date != 0 && (skew > SKEW || skew < -SKEW) &&
           (answer->status == 403 || is_among(answer->error, clock_matters));
}

/* The status comes first: these say all, whatever name stands beside them. */
static int is_final(int status)
{
    return status == 403 || status == 404 || status == 410 || status == 413;
}

int wsrt_aws_is_told(const wsrt_aws_answer *answer)
{
    int status = answer->status;

    if (answer->rc == WSRT_ERR_TOO_LARGE) /* a page of somebody's proxy */
        return status >= 400;
    return (answer->rc == WSRT_ERR_UNAVAILABLE || answer->rc == WSRT_ERR_TIMEOUT) &&
           (is_final(status) || status == 429 || status >= 500);
}

wsrt_aws_verdict wsrt_aws_judge(const wsrt_aws_answer *answer, int64_t wall)
{
    if (answer->rc == WSRT_ERR_UNAVAILABLE || answer->rc == WSRT_ERR_TIMEOUT ||
        answer->rc == WSRT_ERR_CORRUPT)
        return WSRT_AWS_TRANSIENT;
    if (answer->rc != WSRT_OK || answer->status < 400)
        return WSRT_AWS_DONE;
    int by_name = !is_final(answer->status);
    if (answer->status == 429 || answer->status == 509 ||
        (by_name && is_among(answer->error, throttling)))
        return WSRT_AWS_THROTTLED;
    if (answer->status == 500 || (answer->status >= 502 && answer->status <= 504) ||
        (by_name && is_among(answer->error, transient)))
        return WSRT_AWS_TRANSIENT;
    if (is_among(answer->error, expired))
        return WSRT_AWS_EXPIRED;
    return is_skewed(answer, wall) ? WSRT_AWS_SKEWED : WSRT_AWS_DONE;
}

int wsrt_aws_is_refused(const wsrt_aws_answer *answer)
{
    return answer->status == 401 || answer->status == 403 || answer->status == 404 ||
           (answer->status == 400 && is_among(answer->error, settings));
}

int64_t wsrt_aws_delay(uint32_t base_ms, int n, uint32_t chance, int64_t retry_after)
{
    int64_t most = (int64_t)base_ms << (n < 16 ? n : 16);

    most = most < LONGEST_WAIT ? most : LONGEST_WAIT;
    int64_t delay = (most * (int64_t)chance) >> 32;
    if (retry_after > delay)
        delay = retry_after < delay + LONGEST_EXTRA ? retry_after : delay + LONGEST_EXTRA;
    return delay;
}

void wsrt_aws_error_name(char *dst, wsrt_span text)
{
    const char *hash = text.len > 0 ? memchr(text.ptr, '#', text.len) : NULL;
    size_t from = hash == NULL ? 0 : (size_t)(hash - text.ptr) + 1, len = 0;

    while (from + len < text.len && text.ptr[from + len] != ':' && text.ptr[from + len] > ' ' &&
           text.ptr[from + len] <= '~' && len < WSRT_AWS_LONGEST_ERROR - 1)
        len++;
    if (len > 0)
        memcpy(dst, text.ptr + from, len);
    dst[len] = '\0';
}

void wsrt_aws_error_body(wsrt_aws_answer *answer)
{
    static const char *const places[] = {"/__type", "/code"};
    char text[2 * WSRT_AWS_LONGEST_ERROR];
    wsrt_json body, name;
    size_t len;

    if (answer->error[0] != '\0' || answer->body == NULL ||
        wsrt_json_parse(&body, (wsrt_span){answer->body, answer->len}, NULL) != WSRT_OK)
        return;
    for (size_t i = 0; i < 2; i++)
        if (wsrt_json_find(&body, wsrt_span_cstr(places[i]), &name) == WSRT_OK &&
            wsrt_json_text(&name, text, sizeof text, &len) == WSRT_OK) {
            wsrt_aws_error_name(answer->error, (wsrt_span){text, len});
            return;
        }
}
