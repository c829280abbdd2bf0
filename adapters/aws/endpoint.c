#include "aws/internal.h"

#include "common/roots.h"
#include "common/support.h"

#include <string.h>

static int starts(wsrt_span text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

static int is_one_of(wsrt_span host, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (wsrt_span_equal(host, wsrt_span_cstr(names[i])))
            return 1;
    return 0;
}

/* Characters that a URL may have behind its scheme; no query, no user, no white space. */
static int is_clean(wsrt_span rest)
{
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] <= ' ' || rest.ptr[i] > '~' || strchr("?#@\\\"<>", rest.ptr[i]) != NULL)
            return 0;
    return 1;
}

int wsrt_aws_endpoint_set(wsrt_aws_endpoint *e, wsrt_span url)
{
    static const char *const near[] = {"169.254.169.254", "169.254.170.2", "169.254.170.23",
                                       "[fd00:ec2::254]", "[fd00:ec2::23]"};
    size_t scheme = 0;

    if (!wsrt_aws_text_ok(url, sizeof e->url - 1))
        return WSRT_ERR_INVALID;
    scheme = starts(url, "https://") ? 8 : starts(url, "http://") ? 7 : 0;
    while (url.len > scheme && url.ptr[url.len - 1] == '/')
        url.len--;
    wsrt_span rest = {url.ptr + scheme, url.len - scheme};
    if (scheme == 0 || rest.len == 0 || rest.ptr[0] == '/' || !is_clean(rest))
        return WSRT_ERR_INVALID;
    memcpy(e->url, url.ptr, url.len);
    e->url[url.len] = '\0';
    e->authority = wsrt_span_cstr(e->url + scheme);
    const char *slash = memchr(e->authority.ptr, '/', e->authority.len);
    e->path = wsrt_span_cstr(slash);
    e->authority.len -= e->path.len;
    e->secure = scheme == 8;
    wsrt_span host = wsrt_adapter_host(e->authority);
    e->direct = wsrt_adapter_is_loopback(host) || is_one_of(host, near, 5);
    atomic_init(&e->skew, 0);
    return WSRT_OK;
}

int wsrt_aws_endpoint_serve(wsrt_aws_endpoint *e, wsrt_span url)
{
    int rc = wsrt_aws_endpoint_set(e, url);

    return rc == WSRT_OK && !wsrt_sigv4_path_ok(e->path) ? WSRT_ERR_INVALID : rc;
}

int wsrt_aws_endpoint_trusted(const wsrt_aws_endpoint *e)
{
    static const char *const metadata[] = {"169.254.169.254", "[fd00:ec2::254]"};

    return e->secure || (e->direct && !is_one_of(wsrt_adapter_host(e->authority), metadata, 2));
}

const char *wsrt_aws_certificates(const char *usual, int (*is_there)(const char *path))
{
    return usual == NULL || is_there(usual) ? NULL : wsrt_roots_find(is_there);
}

int wsrt_aws_copy(char *dst, size_t cap, const char *text_cstr)
{
    size_t len = strlen(text_cstr);

    if (len >= cap)
        return 0;
    memcpy(dst, text_cstr, len + 1);
    return 1;
}

int wsrt_aws_escape(char *dst, size_t cap, wsrt_span text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = strlen(dst);

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (cap - len < 4)
            return 0;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            dst[len++] = c;
            continue;
        }
        dst[len++] = '%';
        dst[len++] = digits[(unsigned char)c >> 4];
        dst[len++] = digits[(unsigned char)c & 15];
    }
    dst[len] = '\0';
    return 1;
}
