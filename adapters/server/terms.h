/* On what terms a server serves: all settings that a reload may change. They are replaced whole; each
 * loop holds on to those it works by, and takes later ones between two turns. */
#ifndef WSRT_SERVER_TERMS_H
#define WSRT_SERVER_TERMS_H

#include "server/proxy.h"
#include "server/text.h"

#include <wsrt/server.h>

#include <stdatomic.h>

typedef struct wsrt_terms {
    wsrt_texts hosts;
    wsrt_texts origins;
    wsrt_proxies proxies;
    wsrt_span tls_cert; /* empty = clear text */
    wsrt_span tls_key;
    wsrt_span management_token;
    wsrt_span management_access_key;
    wsrt_span management_secret_key;
    size_t max_message;
    size_t max_frame;
    int64_t accept_rate; /* a second; 0 = off */
    int64_t drain_ms;
    int64_t queue_soft;
    int64_t queue_hard;
    int64_t queue_total;
    int64_t partial_total;
    int32_t slow_reader;      /* a wsrt_slow_reader */
    int32_t management;       /* a wsrt_management */
    uint32_t max_connections; /* of any kind */
    uint32_t max_per_ip;      /* UINT32_MAX = off */
    /* Ticks; 0 = off. */
    uint32_t handshake;
    uint32_t idle;
    uint32_t lifetime;
    uint32_t ping;
    uint32_t pong;
    uint32_t keep_alive;
    uint32_t body;
    uint32_t message;
    uint32_t close;
    uint32_t stall;
    uint32_t sign_in;
    int64_t expired_ms; /* -1 = never */

    wsrt_allocator mem;
    void *block; /* holds all text */
    size_t block_size;
    atomic_uint refs;
} wsrt_terms;

/* How many connections a process takes that may have so many descriptors. */
int64_t wsrt_connections_of(uint64_t descriptors);

/* One reference is the caller's. On failure, WSRT_ERR_INVALID or WSRT_ERR_NOMEM, there is nothing, and
 * `*wrong_cstr` names the setting, as the options do. */
int wsrt_terms_new(wsrt_terms **out, const wsrt_server_options *o, const char **wrong_cstr);
void wsrt_terms_hold(wsrt_terms *t);
void wsrt_terms_release(wsrt_terms *t); /* NULL is fine; secrets are wiped */

#endif
