/* Which Host and Origin are believed: without this a foreign page reaches the server through the
 * user's browser. */
#include "server/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static int ends_with(wsrt_span text, wsrt_span end)
{
    return text.len >= end.len &&
           wsrt_http_same_text((wsrt_span){text.ptr + text.len - end.len, end.len}, end);
}

static int starts_with(wsrt_span text, const char *begin_cstr)
{
    wsrt_span begin = wsrt_span_cstr(begin_cstr);

    return text.len >= begin.len && wsrt_http_same_text((wsrt_span){text.ptr, begin.len}, begin);
}

/* Cuts "host:port"; brackets of an IPv6 literal stay. An absent port is empty. */
static void split_port(wsrt_span text, wsrt_span *host, wsrt_span *port)
{
    size_t at = text.len;

    while (at > 0 && text.ptr[at - 1] >= '0' && text.ptr[at - 1] <= '9')
        at--;
    *host = text;
    *port = (wsrt_span){NULL, 0};
    if (at == 0 || text.ptr[at - 1] != ':')
        return;
    if (memchr(text.ptr, ':', at - 1) != NULL && text.ptr[at - 2] != ']')
        return; /* a bare IPv6 address */
    *host = (wsrt_span){text.ptr, at - 1};
    *port = (wsrt_span){text.ptr + at, text.len - at};
}

/* ---- hosts ---------------------------------------------------------------------------------- */

static int is_loopback_literal(wsrt_span host)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;
    int brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

    if (brackets) {
        host.ptr++;
        host.len -= 2;
    }
    if (host.len == 0 || host.len >= sizeof text)
        return 0;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (brackets)
        return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static int is_listen_address(const wsrt_server *s, wsrt_span host)
{
    wsrt_span own, port;

    for (size_t i = 0; i < s->listener_count; i++) {
        const wsrt_listener *at = &s->listeners[i];
        if (at->is_unix)
            continue;
        split_port((wsrt_span){at->address, at->len}, &own, &port);
        if (wsrt_http_same_text(own, host))
            return 1;
    }
    return 0;
}

int wsrt_host_trusted(const wsrt_loop *l, wsrt_span host)
{
    wsrt_span name, port, entry, entry_port;

    split_port(host, &name, &port);
    if (wsrt_http_same_text(name, wsrt_span_cstr("localhost")) || is_loopback_literal(name) ||
        is_listen_address(l->server, name))
        return 1;
    for (size_t i = 0; i < l->terms->hosts.count; i++) {
        split_port(l->terms->hosts.items[i], &entry, &entry_port);
        if (wsrt_http_same_text(entry, name) &&
            (entry_port.len == 0 || wsrt_span_equal(entry_port, port)))
            return 1;
    }
    return 0;
}

/* ---- origins -------------------------------------------------------------------------------- */

typedef struct origin {
    wsrt_span scheme;
    wsrt_span host;
    wsrt_span port; /* the scheme's own is left out */
} origin;

static int parse_origin(wsrt_span text, origin *out)
{
    size_t at = 0;

    while (at + 2 < text.len && memcmp(text.ptr + at, "://", 3) != 0)
        at++;
    if (at == 0 || at + 3 >= text.len)
        return 0;
    out->scheme = (wsrt_span){text.ptr, at};
    split_port((wsrt_span){text.ptr + at + 3, text.len - at - 3}, &out->host, &out->port);
    if ((wsrt_http_same_text(out->scheme, wsrt_span_cstr("http")) &&
         wsrt_span_equal(out->port, wsrt_span_cstr("80"))) ||
        (wsrt_http_same_text(out->scheme, wsrt_span_cstr("https")) &&
         wsrt_span_equal(out->port, wsrt_span_cstr("443"))))
        out->port.len = 0;
    return out->host.len > 0;
}

static int is_label(wsrt_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum((unsigned char)text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_')
            return 0;
    return text.len > 0;
}

/* `*.example.com` stands for exactly one label before it. */
static int host_matches(wsrt_span pattern, wsrt_span host)
{
    if (!starts_with(pattern, "*."))
        return wsrt_http_same_text(pattern, host);
    wsrt_span rest = {pattern.ptr + 1, pattern.len - 1};
    return host.len > rest.len && ends_with(host, rest) &&
           is_label((wsrt_span){host.ptr, host.len - rest.len});
}

static int origin_matches(const origin *pattern, const origin *given)
{
    return wsrt_http_same_text(pattern->scheme, given->scheme) &&
           wsrt_span_equal(pattern->port, given->port) && host_matches(pattern->host, given->host);
}

static int is_own(const wsrt_loop *l, const origin *given, wsrt_span host)
{
    int tls = l->server->set.has_tls;
    origin own = {.scheme = wsrt_span_cstr(tls ? "https" : "http")};

    split_port(host, &own.host, &own.port);
    if (wsrt_span_equal(own.port, wsrt_span_cstr(tls ? "443" : "80")))
        own.port.len = 0;
    return wsrt_http_same_text(own.scheme, given->scheme) &&
           wsrt_span_equal(own.port, given->port) && wsrt_http_same_text(own.host, given->host);
}

int wsrt_origin_is_own(const wsrt_loop *l, wsrt_span text, wsrt_span host)
{
    origin given;

    return parse_origin(text, &given) && is_own(l, &given, host);
}

int wsrt_origin_allowed(const wsrt_loop *l, wsrt_span text, wsrt_span host)
{
    origin given, entry;
    int parsed = parse_origin(text, &given);

    if (parsed && is_own(l, &given, host))
        return 1;
    for (size_t i = 0; i < l->terms->origins.count; i++) {
        wsrt_span allowed = l->terms->origins.items[i];
        if (wsrt_span_equal(allowed, wsrt_span_cstr("*")))
            return 1;
        if (parsed && parse_origin(allowed, &entry) && origin_matches(&entry, &given))
            return 1;
    }
    return 0;
}

/* ---- peers ---------------------------------------------------------------------------------- */

int wsrt_ip_is_loopback(const unsigned char ip[16])
{
    static const unsigned char v4[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char v6[16] = {[15] = 1};

    return (memcmp(ip, v4, sizeof v4) == 0 && ip[12] == 127) || memcmp(ip, v6, sizeof v6) == 0;
}

int wsrt_peer_is_local(const wsrt_conn *c)
{
    return c->is_unix || wsrt_ip_is_loopback(c->ip);
}
