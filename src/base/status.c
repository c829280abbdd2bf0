#include <wsrt/base.h>

#include <string.h>

wsrt_span wsrt_span_cstr(const char *text_cstr)
{
    return (wsrt_span){text_cstr, text_cstr == NULL ? 0 : strlen(text_cstr)};
}

int wsrt_span_equal(wsrt_span a, wsrt_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int wsrt_version(void)
{
    return WSRT_VERSION_MAJOR * 1000000 + WSRT_VERSION_MINOR * 1000 + WSRT_VERSION_PATCH;
}

#define TEXT_OF(x) #x
#define DOTTED(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *wsrt_version_string(void)
{
    return DOTTED(WSRT_VERSION_MAJOR, WSRT_VERSION_MINOR, WSRT_VERSION_PATCH);
}

const char *wsrt_status_name(int status)
{
    static const char *const failures[] = {
        "WSRT_OK",
        "WSRT_ERR_INVALID",
        "WSRT_ERR_STATE",
        "WSRT_ERR_NOMEM",
        "WSRT_ERR_LIMIT",
        "WSRT_ERR_UNSUPPORTED",
        "WSRT_ERR_VERSION",
        "WSRT_ERR_MALFORMED",
        "WSRT_ERR_REJECTED",
        "WSRT_ERR_NOT_FOUND",
        "WSRT_ERR_EXISTS",
        "WSRT_ERR_GONE",
        "WSRT_ERR_TIMEOUT",
        "WSRT_ERR_UNAVAILABLE",
        "WSRT_ERR_THROTTLED",
        "WSRT_ERR_RATE_LIMITED",
        "WSRT_ERR_CIRCUIT_OPEN",
        "WSRT_ERR_UNAUTHENTICATED",
        "WSRT_ERR_FORBIDDEN",
        "WSRT_ERR_TOO_LARGE",
        "WSRT_ERR_CORRUPT",
        "WSRT_ERR_IO",
        "WSRT_ERR_INTERNAL",
    };
    enum { COUNT = sizeof failures / sizeof failures[0] };

    if (status == WSRT_STALE)
        return "WSRT_STALE";
    if (status > 0 || status <= -COUNT)
        return "WSRT_ERR_UNKNOWN";
    return failures[-status];
}
