/* What the files of TLS share. */
#ifndef WSRT_COMMON_TLS_INTERNAL_H
#define WSRT_COMMON_TLS_INTERNAL_H

#include "common/tls/compat.h"
#include "common/tls/tls.h"

#include <pthread.h>

/* A configuration with what it points to; sessions hold on to theirs when another one comes. */
struct wsrt_tls_config {
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt chain; /* a server's own, a client's roots */
    mbedtls_pk_context key;
    unsigned refs;
};

/* Ticket keys: the younger set writes, both open. Servers side by side share them, under the lock,
 * which is taken in handshakes alone. */
typedef struct wsrt_tls_tickets {
    pthread_mutex_t lock;
    mbedtls_ctr_drbg_context drbg;
    wsrt_tls_random random;
    mbedtls_ssl_ticket_context sets[2];
    int64_t rotated;
    pid_t pid;    /* whose generator it is */
    int current;  /* set */
    int previous; /* there is such a set */
    unsigned users;
} wsrt_tls_tickets;

struct wsrt_tls {
    wsrt_tls_config *config; /* of the sessions to come; NULL = none loaded */
    mbedtls_ctr_drbg_context drbg;
    wsrt_tls_random random;
    wsrt_tls_tickets *tickets; /* a server's */
    mbedtls_ssl_session last;  /* a client's, to be offered again */
    pid_t pid;                 /* whose generator it is */
    int opened_ticket;         /* during the handshake step under way */
    int is_client;
    int insecure;
    int resume;
    int has_last;
};

/* context.c */
int wsrt_tls_reseed(wsrt_tls *t);
int wsrt_tls_draw(void *random, unsigned char *dst, size_t len); /* for a generator's seed */
int wsrt_tls_read_chain(wsrt_tls_config *c, wsrt_span from, const char **why_cstr);

/* tickets.c */
wsrt_tls_tickets *wsrt_tls_tickets_new(const wsrt_tls_random *random);
void wsrt_tls_tickets_release(wsrt_tls_tickets *k);
void wsrt_tls_tickets_offer(wsrt_tls *t, mbedtls_ssl_config *ssl);

#endif
