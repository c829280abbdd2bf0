#include "error/types.h"

#include <string.h>

#define DATABASE_TEXT "Database temporarily unavailable"
/* What is known of the breaker around a service, whatever the type of its failure. */
#define BREAKER "service state failureRate totalRequests nextAttemptTime"
#define TEXT(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
/* name, code, message, http_status, close_code, retryable, retry_after_ms, details */
#define ROW(name, code, message, http, close, again, after, details)                               \
    {                                                                                              \
        {name, code, message, http, close, again, after}, TEXT(name), TEXT(code), TEXT(message),   \
            TEXT(name "\",\"message\":\"" message "\",\"code\":\"" code), details                  \
    }

const struct wsrt_error_row *wsrt_error_row(int type)
{
    static const struct wsrt_error_row rows[] = {
        [WSRT_ERROR_INTERNAL] =
            ROW("INTERNAL_ERROR", "INTERNAL_ERROR", "Internal error", 500, 1011, 1, 1000, ""),
        [WSRT_ERROR_VALIDATION] = ROW("VALIDATION_ERROR", "INVALID_MESSAGE", "Invalid message", 400,
                                      0, 0, -1, "issueCount bodyLength"),
        [WSRT_ERROR_PAYLOAD_TOO_LARGE] = ROW("PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE",
                                             "Message too large", 413, 1009, 0, -1, "size limit"),
        [WSRT_ERROR_AUTHENTICATION] =
            ROW("AUTHENTICATION_ERROR", "UNAUTHENTICATED_CONNECTION", "Authentication required",
                401, 4401, 0, -1, "tokenLength errorType exp now"),
        [WSRT_ERROR_AUTHORIZATION] =
            ROW("AUTHORIZATION_ERROR", "FORBIDDEN", "Not allowed", 403, 4403, 0, -1, "required"),
        [WSRT_ERROR_NOT_FOUND] =
            ROW("NOT_FOUND", "NOT_FOUND", "Not found", 404, 4404, 0, -1, "kind"),
        [WSRT_ERROR_CONFLICT] = ROW("CONFLICT_ERROR", "CONFLICT", "Changed or created meanwhile",
                                    409, 0, 0, -1, "kind"),
        [WSRT_ERROR_RATE_LIMIT] = ROW("RATE_LIMIT_ERROR", "RATE_LIMITED", "Too many requests", 429,
                                      4429, 1, -1, "scope limit remaining"),
        [WSRT_ERROR_TIMEOUT] = ROW("TIMEOUT_ERROR", "TIMEOUT", "The request took too long", 504,
                                   1013, 1, 1000, "operation timeoutMs elapsedMs " BREAKER),
        [WSRT_ERROR_EXTERNAL_SERVICE] =
            ROW("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE", "Service temporarily unavailable",
                502, 1013, 1, 1000, "operation " BREAKER),
        [WSRT_ERROR_DATABASE] = ROW("DATABASE_ERROR", "DATABASE_ERROR", DATABASE_TEXT, 500, 1011, 1,
                                    -1, "engine code operation suggestion " BREAKER),
        [WSRT_ERROR_SERVICE_RESTART] = ROW("SERVICE_RESTART", "SERVICE_RESTART",
                                           "The service is restarting", 503, 1012, 1, -1, ""),
        [WSRT_ERROR_PROTOCOL] =
            ROW("PROTOCOL_ERROR", "PROTOCOL_ERROR", "Protocol error", 400, 1002, 0, -1, ""),
        [WSRT_ERROR_UNSUPPORTED_DATA] = ROW("UNSUPPORTED_DATA", "UNSUPPORTED_DATA",
                                            "Unsupported kind of data", 415, 1003, 0, -1, ""),
    };

    if (type < WSRT_ERROR_INTERNAL || type > WSRT_ERROR_UNSUPPORTED_DATA)
        type = WSRT_ERROR_INTERNAL;
    return &rows[type];
}

const wsrt_error_info *wsrt_error_type_info(int type)
{
    return &wsrt_error_row(type)->info;
}

int wsrt_error_type_of(int status)
{
    switch (status) {
    case WSRT_ERR_MALFORMED:
    case WSRT_ERR_REJECTED:
        return WSRT_ERROR_VALIDATION;
    case WSRT_ERR_TOO_LARGE:
        return WSRT_ERROR_PAYLOAD_TOO_LARGE;
    case WSRT_ERR_UNAUTHENTICATED:
        return WSRT_ERROR_AUTHENTICATION;
    case WSRT_ERR_FORBIDDEN:
        return WSRT_ERROR_AUTHORIZATION;
    case WSRT_ERR_NOT_FOUND:
    case WSRT_ERR_GONE:
        return WSRT_ERROR_NOT_FOUND;
    case WSRT_ERR_EXISTS:
        return WSRT_ERROR_CONFLICT;
    case WSRT_ERR_RATE_LIMITED:
        return WSRT_ERROR_RATE_LIMIT;
    case WSRT_ERR_TIMEOUT:
        return WSRT_ERROR_TIMEOUT;
    case WSRT_ERR_UNAVAILABLE:
    case WSRT_ERR_THROTTLED:
    case WSRT_ERR_CIRCUIT_OPEN:
        return WSRT_ERROR_EXTERNAL_SERVICE;
    case WSRT_ERR_CORRUPT:
        return WSRT_ERROR_DATABASE;
    case WSRT_ERR_UNSUPPORTED:
        return WSRT_ERROR_UNSUPPORTED_DATA;
    default:
        return WSRT_ERROR_INTERNAL;
    }
}

int wsrt_error_detail_allowed(int type, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = wsrt_error_row(type)->details; *p != '\0';) {
        const char *space = strchr(p, ' ');
        size_t word = space == NULL ? strlen(p) : (size_t)(space - p);
        if (word == len && memcmp(p, name, len) == 0)
            return 1;
        p += space == NULL ? word : word + 1;
    }
    return 0;
}

const struct wsrt_service_row *wsrt_error_service(wsrt_span service)
{
    static const struct wsrt_service_row known[] = {
        {"cognito", WSRT_ERROR_EXTERNAL_SERVICE, "Authentication service temporarily unavailable"},
        {"apigateway-management", WSRT_ERROR_EXTERNAL_SERVICE,
         "WebSocket service temporarily unavailable"},
        {"dynamodb", WSRT_ERROR_DATABASE, DATABASE_TEXT},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (wsrt_span_equal(service, wsrt_span_cstr(known[i].name_cstr)))
            return &known[i];
    return NULL;
}
