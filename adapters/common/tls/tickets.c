/* Session tickets: two sets of keys, the younger writes, both open. */
#include "common/tls/internal.h"

#include <stdlib.h>
#include <unistd.h>

enum { TICKET_SECONDS = 24 * 3600 }; /* what the older set may have to bear */

static const int64_t rotate_ns = INT64_C(12) * 3600 * 1000000000;

/* ---- keys ----------------------------------------------------------------------------------- */

/* A child of fork() must not draw what its parent draws. */
static int reseed(wsrt_tls_tickets *k)
{
    pid_t pid = getpid();

    if (pid != k->pid && mbedtls_ctr_drbg_reseed(&k->drbg, NULL, 0) != 0)
        return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
    k->pid = pid;
    return 0;
}

static int renew(wsrt_tls_tickets *k, int i)
{
    if (reseed(k) != 0)
        return WSRT_ERR_IO;
    mbedtls_ssl_ticket_free(&k->sets[i]);
    mbedtls_ssl_ticket_init(&k->sets[i]);
    return mbedtls_ssl_ticket_setup(&k->sets[i], mbedtls_ctr_drbg_random, &k->drbg,
                                    MBEDTLS_CIPHER_AES_256_GCM, TICKET_SECONDS) == 0
               ? WSRT_OK
               : WSRT_ERR_NOMEM;
}

wsrt_tls_tickets *wsrt_tls_tickets_new(const wsrt_tls_random *random)
{
    wsrt_tls_tickets *k = calloc(1, sizeof *k);

    if (k == NULL)
        return NULL;
    k->random = *random;
    k->pid = getpid();
    k->rotated = INT64_MIN;
    k->users = 1;
    pthread_mutex_init(&k->lock, NULL);
    mbedtls_ctr_drbg_init(&k->drbg);
    mbedtls_ssl_ticket_init(&k->sets[0]);
    mbedtls_ssl_ticket_init(&k->sets[1]);
    if (mbedtls_ctr_drbg_seed(&k->drbg, wsrt_tls_draw, &k->random, NULL, 0) == 0 &&
        renew(k, 0) == WSRT_OK)
        return k;
    wsrt_tls_tickets_release(k);
    return NULL;
}

/* Contexts come and go on one thread. */
void wsrt_tls_tickets_release(wsrt_tls_tickets *k)
{
    if (k == NULL || --k->users > 0)
        return;
    mbedtls_ssl_ticket_free(&k->sets[0]);
    mbedtls_ssl_ticket_free(&k->sets[1]);
    mbedtls_ctr_drbg_free(&k->drbg);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* After a pause of two periods the younger keys, too, are too old to open anything. */
static int rotate(wsrt_tls_tickets *k, int64_t now)
{
    if (k->rotated == INT64_MIN)
        k->rotated = now;
    if (now < k->rotated || now - k->rotated < rotate_ns)
        return WSRT_OK;
    int stale = now - k->rotated >= 2 * rotate_ns;
    k->previous = 0;
    int rc = renew(k, 1 - k->current);
    if (rc != WSRT_OK)
        return rc; /* tried again with the next session */
    k->current = 1 - k->current;
    k->previous = !stale;
    k->rotated = now;
    return WSRT_OK;
}

int wsrt_tls_server_rotate(wsrt_tls *t, int64_t now)
{
    pthread_mutex_lock(&t->tickets->lock);
    int rc = rotate(t->tickets, now);
    pthread_mutex_unlock(&t->tickets->lock);
    return rc;
}

/* ---- tickets -------------------------------------------------------------------------------- */

static int write_ticket(void *user, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime)
{
    wsrt_tls_tickets *k = ((wsrt_tls *)user)->tickets;

    pthread_mutex_lock(&k->lock);
    int rc = reseed(k);
    if (rc == 0)
        rc = mbedtls_ssl_ticket_write(&k->sets[k->current], session, start, end, len, lifetime);
    pthread_mutex_unlock(&k->lock);
    return rc;
}

static int open_ticket(void *user, mbedtls_ssl_session *session, unsigned char *buf, size_t len)
{
    wsrt_tls *t = user;
    wsrt_tls_tickets *k = t->tickets;

    pthread_mutex_lock(&k->lock);
    int rc = mbedtls_ssl_ticket_parse(&k->sets[k->current], session, buf, len);
    if (rc != 0 && k->previous) /* of other keys: found before anything is touched */
        rc = mbedtls_ssl_ticket_parse(&k->sets[1 - k->current], session, buf, len);
    pthread_mutex_unlock(&k->lock);
    t->opened_ticket = rc == 0;
    return rc;
}

void wsrt_tls_tickets_offer(wsrt_tls *t, mbedtls_ssl_config *ssl)
{
    mbedtls_ssl_conf_session_tickets_cb(ssl, write_ticket, open_ticket, t);
}
