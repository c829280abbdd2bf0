/* X-Forwarded-For behind trusted proxies: the source that was found does not change when a client puts
 * something in front of the list. The input's first line is one more trusted range, the rest is the
 * field's value. */
#include "target.h"

#include "server/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char proxy[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1};

static int find(const wsrt_proxies *p, wsrt_span value, unsigned char source[16])
{
    wsrt_http_fields fields = {.count = 1};

    fields.items[0] = (wsrt_http_field){wsrt_span_cstr("X-Forwarded-For"), value};
    return wsrt_proxies_source(p, &fields, proxy, source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char invented[] = "203.0.113.9, ";
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    wsrt_range ranges[2] = {{{0}, 0}};
    wsrt_proxies trusted = {ranges, 1, 0};
    unsigned char source[16], again[16];

    if (end == NULL || size > 4096)
        return 0;
    wsrt_range_parse(wsrt_span_cstr("10.0.0.0/8"), &ranges[0]);
    if (wsrt_range_parse((wsrt_span){(const char *)data, (size_t)(end - data)}, &ranges[1]))
        trusted.count = 2;
    wsrt_span list = {(const char *)end + 1, size - (size_t)(end + 1 - data)};
    int found = find(&trusted, list, source);
    if (!found || wsrt_proxies_have(&trusted, source))
        return 0; /* all of them are trusted, and who stands before them would be, too */
    char *longer = malloc(sizeof invented - 1 + list.len);
    memcpy(longer, invented, sizeof invented - 1);
    memcpy(longer + sizeof invented - 1, list.ptr, list.len);
    if (!find(&trusted, (wsrt_span){longer, sizeof invented - 1 + list.len}, again) ||
        memcmp(source, again, sizeof source) != 0)
        abort();
    free(longer);
    return 0;
}
