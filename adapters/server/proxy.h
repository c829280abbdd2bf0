/* Proxies that are believed when they say whom they speak for. */
#ifndef WSRT_SERVER_PROXY_H
#define WSRT_SERVER_PROXY_H

#include "common/http1.h"

/* Addresses whose first `bits` bits are these; IPv4 as ::ffff:a.b.c.d. */
typedef struct wsrt_range {
    unsigned char ip[16];
    uint32_t bits;
} wsrt_range;

typedef struct wsrt_proxies {
    wsrt_range *ranges;
    size_t count;
    int local; /* who comes by a unix socket is one */
} wsrt_proxies;

/* Reads "10.0.0.0/8", "2001:db8::/32" or a single address; 0 = it is none. */
int wsrt_range_parse(wsrt_span text, wsrt_range *out);

int wsrt_proxies_have(const wsrt_proxies *p, const unsigned char ip[16]);

/* The source of a request: the right-most address in X-Forwarded-For that is no proxy's. 0 = `peer` is
 * no proxy, or says nothing of use. `peer` NULL = a unix socket. */
int wsrt_proxies_source(const wsrt_proxies *p, const wsrt_http_fields *fields,
                        const unsigned char *peer, unsigned char source[16]);

#endif
