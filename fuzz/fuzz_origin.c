/* Host and Origin: none is believed but those that are named. The input's first line is the Host, the
 * rest the Origin. */
#include "target.h"

#include "server/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static wsrt_span origins[] = {{"https://*.example.com", 21}, {"http://chat.test:8080", 21}};
static wsrt_span hosts[] = {{"chat.test", 9}};
static wsrt_terms terms = {.hosts = {hosts, 1}, .origins = {origins, 2}};
static wsrt_server server;
static wsrt_loop loop = {.server = &server, .set = &server.set, .terms = &terms};

static int begins(wsrt_span text, const char *with)
{
    return text.len >= strlen(with) && strncasecmp(text.ptr, with, strlen(with)) == 0;
}

/* One label before `.example.com`, and perhaps the port of https, or an empty one. */
static int is_named(wsrt_span origin)
{
    wsrt_span rest = {origin.ptr + 8, origin.len - 8};
    size_t label = 0;

    if (wsrt_http_same_text(origin, origins[1]))
        return 1;
    if (!begins(origin, "https://"))
        return 0;
    while (label < rest.len && (isalnum((unsigned char)rest.ptr[label]) || rest.ptr[label] == '-' ||
                                rest.ptr[label] == '_'))
        label++;
    rest = (wsrt_span){rest.ptr + label, rest.len - label};
    return label > 0 && (wsrt_http_same_text(rest, wsrt_span_cstr(".example.com")) ||
                         wsrt_http_same_text(rest, wsrt_span_cstr(".example.com:")) ||
                         wsrt_http_same_text(rest, wsrt_span_cstr(".example.com:443")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);

    if (end == NULL || size > 1024)
        return 0;
    wsrt_span host = {(const char *)data, (size_t)(end - data)};
    wsrt_span origin = {(const char *)end + 1, size - host.len - 1};
    int own = wsrt_origin_is_own(&loop, origin, host);
    if (wsrt_origin_allowed(&loop, origin, host) != (own || is_named(origin)))
        abort();
    if (own && !begins(origin, "http://"))
        abort();
    if (wsrt_host_trusted(&loop, host) && !begins(host, "chat.test") &&
        !begins(host, "localhost") && !begins(host, "127.") && !begins(host, "["))
        abort();
    return 0;
}
