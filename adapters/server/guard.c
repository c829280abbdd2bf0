/* Who may use the paths that manage the server. */
#include "server/endpoints.h"

#include <string.h>

/* Judged for each field of each connect, so by its first letter first. */
static int is_trace(wsrt_span name)
{
    const wsrt_span family = wsrt_span_cstr("X-Forwarded-");
    wsrt_span begin = {name.ptr, name.len < family.len ? name.len : family.len};

    switch (name.ptr[0] | ('a' ^ 'A')) {
    case 'f':
        return wsrt_http_same_text(name, wsrt_span_cstr("Forwarded"));
    case 'v':
        return wsrt_http_same_text(name, wsrt_span_cstr("Via"));
    case 'x':
        return wsrt_http_same_text(begin, family) ||
               wsrt_http_same_text(name, wsrt_span_cstr("X-Real-IP"));
    default:
        return 0;
    }
}

/* Behind a proxy on the same host every peer is local: its traces close the door, and so does a
 * page's Origin. */
static int has_traces(const wsrt_exchange *k)
{
    const wsrt_http_fields *fields = &k->req->fields;

    for (size_t i = 0; i < fields->count; i++)
        if (is_trace(fields->items[i].name))
            return 1;
    return 0;
}

static int comes_from_a_page(const wsrt_exchange *k, int flags)
{
    wsrt_span origin;
    size_t origins = wsrt_http_find(&k->req->fields, "Origin", &origin);

    if (origins == 0)
        return 0;
    return (flags & WSRT_GUARD_OWN_PAGES) == 0 || origins > 1 ||
           !wsrt_origin_is_own(k->loop, origin, k->req->host);
}

static int is_local_program(const wsrt_exchange *k, int flags)
{
    return wsrt_peer_is_local(k->conn) && wsrt_host_trusted(k->loop, k->req->host) &&
           !comes_from_a_page(k, flags) && !has_traces(k);
}

/* As long as the secret takes, whatever is given. */
int wsrt_guard_is_secret(wsrt_span given, wsrt_span secret)
{
    volatile unsigned char differ = given.len != secret.len;

    for (size_t i = 0; i < secret.len; i++) {
        unsigned char theirs = given.len == 0 ? 0 : (unsigned char)given.ptr[i % given.len];
        differ |= (unsigned char)(theirs ^ (unsigned char)secret.ptr[i]);
    }
    return differ == 0;
}

static int bears_secret(const wsrt_exchange *k)
{
    const wsrt_span scheme = wsrt_span_cstr("Bearer ");
    wsrt_span given;

    if (wsrt_http_find(&k->req->fields, "Authorization", &given) != 1 || given.len < scheme.len ||
        !wsrt_http_same_text((wsrt_span){given.ptr, scheme.len}, scheme))
        return 0;
    return wsrt_guard_is_secret((wsrt_span){given.ptr + scheme.len, given.len - scheme.len},
                                k->loop->terms->management_token);
}

/* Where there is a listener for those who manage, the paths are there only; behind a proxy, all who
 * come by another may be anybody. */
static int is_elsewhere(const wsrt_exchange *k)
{
    const wsrt_terms *terms = k->loop->terms;

    if ((k->conn->trust & WSRT_TRUST_ADMIN) != 0)
        return 0;
    return k->loop->set->admin.count > 0 || (terms->management == WSRT_MANAGEMENT_LOOPBACK &&
                                             (terms->proxies.count > 0 || terms->proxies.local));
}

int wsrt_guard_judge(const wsrt_exchange *k, int flags)
{
    if (is_elsewhere(k))
        return 404;
    switch (k->loop->terms->management) {
    case WSRT_MANAGEMENT_LOOPBACK:
        return is_local_program(k, flags) ? 0 : 403;
    case WSRT_MANAGEMENT_BEARER:
        return bears_secret(k) ? 0 : 403;
    case WSRT_MANAGEMENT_SIGV4:
        return wsrt_signature_valid(k) ? 0 : 403;
    default:
        return 404;
    }
}
