/* What the files of TLS share. */
#ifndef WSRT_COMMON_TLS_INTERNAL_H
#define WSRT_COMMON_TLS_INTERNAL_H

#include "common/tls/compat.h"
#include "common/tls/tls.h"

/* A configuration with what it points to; sessions hold on to theirs when another one comes. */
typedef struct wsrt_tls_config {
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt chain; /* a server's own, a client's roots */
    mbedtls_pk_context key;
    unsigned refs;
} wsrt_tls_config;

struct wsrt_tls {
    wsrt_tls_config *config; /* of the sessions to come; NULL = none loaded */
    mbedtls_ctr_drbg_context drbg;
    wsrt_tls_random random;
    mbedtls_ssl_ticket_context tickets[2];
    mbedtls_ssl_session last; /* a client's, to be offered again */
    int64_t rotated;
    pid_t pid;         /* whose generator it is */
    int current;       /* ticket keys */
    int previous;      /* there are such */
    int opened_ticket; /* during the handshake step under way */
    int is_client;
    int insecure;
    int resume;
    int has_last;
};

/* context.c */
void wsrt_tls_config_release(wsrt_tls_config *c);
int wsrt_tls_reseed(wsrt_tls *t);

/* tickets.c */
int wsrt_tls_tickets_begin(wsrt_tls *t);
void wsrt_tls_tickets_end(wsrt_tls *t);
void wsrt_tls_tickets_offer(wsrt_tls *t, mbedtls_ssl_config *ssl);

#endif
