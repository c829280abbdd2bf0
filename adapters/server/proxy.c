#include "server/proxy.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* ---- addresses ------------------------------------------------------------------------------ */

static int parse_ip(wsrt_span text, unsigned char ip[16])
{
    char name[INET6_ADDRSTRLEN];

    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = (wsrt_span){text.ptr + 1, text.len - 2};
    if (text.len == 0 || text.len >= sizeof name)
        return 0;
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    if (inet_pton(AF_INET6, name, ip) == 1)
        return 1;
    memcpy(ip, v4_prefix, sizeof v4_prefix);
    return inet_pton(AF_INET, name, ip + 12) == 1;
}

static int parse_bits(wsrt_span text, uint32_t most, uint32_t *out)
{
    uint32_t n = 0;

    if (text.len == 0 || text.len > 3)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        n = n * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *out = n;
    return n <= most;
}

int wsrt_range_parse(wsrt_span text, wsrt_range *out)
{
    const char *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
    size_t len = slash == NULL ? text.len : (size_t)(slash - text.ptr);

    if (!parse_ip((wsrt_span){text.ptr, len}, out->ip))
        return 0;
    uint32_t before = memcmp(out->ip, v4_prefix, sizeof v4_prefix) == 0 ? 96 : 0;
    out->bits = 128 - before;
    if (slash != NULL &&
        !parse_bits((wsrt_span){slash + 1, text.len - len - 1}, 128 - before, &out->bits))
        return 0;
    out->bits += before;
    return 1;
}

static int is_in(const wsrt_range *r, const unsigned char ip[16])
{
    size_t whole = r->bits / 8;
    unsigned rest = r->bits % 8;

    if (memcmp(r->ip, ip, whole) != 0)
        return 0;
    return rest == 0 || (r->ip[whole] ^ ip[whole]) >> (8 - rest) == 0;
}

int wsrt_proxies_have(const wsrt_proxies *p, const unsigned char ip[16])
{
    for (size_t i = 0; i < p->count; i++)
        if (is_in(&p->ranges[i], ip))
            return 1;
    return 0;
}

/* ---- X-Forwarded-For ------------------------------------------------------------------------ */

/* Cuts the last entry off a list; 0 = it was empty. */
static int take_last(wsrt_span *list, wsrt_span *entry)
{
    size_t at = list->len;

    if (list->ptr == NULL)
        return 0;
    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    *entry = wsrt_http_trim((wsrt_span){list->ptr + at, list->len - at});
    *list = at == 0 ? (wsrt_span){NULL, 0} : (wsrt_span){list->ptr, at - 1};
    return 1;
}

typedef struct search {
    const wsrt_proxies *proxies;
    unsigned char *source;
    int found; /* a source so far */
} search;

/* 1 = the search is over: here is who is no proxy, or nobody knows what. */
static int look_at(search *s, wsrt_span entry)
{
    unsigned char ip[16];

    if (!parse_ip(entry, ip))
        return 1;
    memcpy(s->source, ip, sizeof ip);
    s->found = 1;
    return !wsrt_proxies_have(s->proxies, ip);
}

int wsrt_proxies_source(const wsrt_proxies *p, const wsrt_http_fields *fields,
                        const unsigned char *peer, unsigned char source[16])
{
    const wsrt_span name = wsrt_span_cstr("X-Forwarded-For");
    search s = {p, source, 0};

    if (peer == NULL ? !p->local : !wsrt_proxies_have(p, peer))
        return 0;
    for (size_t i = fields->count; i-- > 0;) {
        wsrt_span list = fields->items[i].value, entry;
        if (!wsrt_http_same_text(fields->items[i].name, name))
            continue;
        while (take_last(&list, &entry))
            if (look_at(&s, entry))
                return s.found;
    }
    return s.found;
}
