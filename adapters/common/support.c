#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 4096 };

void *wsrt_adapter_realloc(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size)
{
    if (a->realloc != NULL)
        return a->realloc(a->user, ptr, old_size, new_size);
    if (new_size > 0)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

/* The size a caller's struct begins with; 0 when no release ever had it. */
static size_t given_size(const void *given, size_t first)
{
    uint32_t size;

    memcpy(&size, given, sizeof size);
    return size < first || size > LARGEST ? 0 : size;
}

static void take(void *out, size_t known, const void *given, size_t size)
{
    uint32_t mine = (uint32_t)known;

    memset(out, 0, known);
    if (given != NULL)
        memcpy(out, given, size < known ? size : known);
    memcpy(out, &mine, sizeof mine);
}

int wsrt_adapter_judge(const void *given, size_t known, size_t first)
{
    size_t size = given != NULL ? given_size(given, first) : 0;

    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return WSRT_ERR_UNSUPPORTED;
    return size == 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

int wsrt_adapter_options(void *out, size_t known, size_t first, const void *given)
{
    int rc = given != NULL ? wsrt_adapter_judge(given, known, first) : WSRT_OK;

    if (rc == WSRT_OK)
        take(out, known, given, given != NULL ? given_size(given, first) : known);
    return rc;
}

int wsrt_adapter_table(void *out, size_t known, size_t first, const void *given)
{
    size_t size = given != NULL ? given_size(given, first) : 0;

    if (size == 0)
        return WSRT_ERR_INVALID;
    take(out, known, given, size);
    return WSRT_OK;
}

int wsrt_adapter_report(void *given, size_t known, size_t first, const void *report)
{
    size_t size = given != NULL ? given_size(given, first) : 0;
    uint32_t theirs = (uint32_t)size;

    if (size == 0)
        return WSRT_ERR_INVALID;
    memset(given, 0, size);
    memcpy(given, report, size < known ? size : known);
    memcpy(given, &theirs, sizeof theirs);
    return WSRT_OK;
}

int wsrt_adapter_amend(void *given, size_t known, size_t first)
{
    size_t size = given != NULL ? given_size(given, first) : 0;

    if (size > known)
        memset((char *)given + known, 0, size - known);
    return size == 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static int starts(wsrt_span text, const char *with_cstr)
{
    size_t len = strlen(with_cstr);

    return text.len >= len && memcmp(text.ptr, with_cstr, len) == 0;
}

static int is(wsrt_span text, const char *other_cstr)
{
    return text.len == strlen(other_cstr) && starts(text, other_cstr);
}

wsrt_span wsrt_adapter_host(wsrt_span authority)
{
    if (authority.len == 0)
        return authority;
    const char *end = authority.ptr[0] == '[' ? memchr(authority.ptr, ']', authority.len)
                                              : memchr(authority.ptr, ':', authority.len);

    if (end != NULL)
        authority.len = (size_t)(end - authority.ptr) + (*end == ']');
    return authority;
}

int wsrt_adapter_is_loopback(wsrt_span host)
{
    size_t digits = 0;

    while (digits < host.len &&
           (host.ptr[digits] == '.' || (host.ptr[digits] >= '0' && host.ptr[digits] <= '9')))
        digits++;
    return is(host, "localhost") || is(host, "[::1]") ||
           (starts(host, "127.") && digits == host.len);
}

int wsrt_adapter_is_safe_url(wsrt_span url)
{
    static const char plain[] = "http://";
    wsrt_span authority = {url.ptr, 0};

    if (starts(url, "https://"))
        return 1;
    if (!starts(url, plain))
        return 0;
    authority.ptr += sizeof plain - 1;
    while (authority.ptr + authority.len < url.ptr + url.len &&
           strchr("/?#@\\", authority.ptr[authority.len]) == NULL)
        authority.len++;
    const char *end = authority.ptr + authority.len;
    wsrt_span host = wsrt_adapter_host(authority);
    return (end == url.ptr + url.len || *end != '@') &&
           (host.len == authority.len || host.ptr[host.len] == ':') &&
           wsrt_adapter_is_loopback(host);
}
