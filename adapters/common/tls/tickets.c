/* Session tickets: two sets of keys, the younger writes, both open. */
#include "common/tls/internal.h"

enum { TICKET_SECONDS = 24 * 3600 }; /* what the older set may have to bear */

static const int64_t rotate_ns = INT64_C(12) * 3600 * 1000000000;

static int write_ticket(void *user, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime)
{
    wsrt_tls *t = user;

    return mbedtls_ssl_ticket_write(&t->tickets[t->current], session, start, end, len, lifetime);
}

static int open_ticket(void *user, mbedtls_ssl_session *session, unsigned char *buf, size_t len)
{
    wsrt_tls *t = user;
    int rc = mbedtls_ssl_ticket_parse(&t->tickets[t->current], session, buf, len);

    if (rc != 0 && t->previous) /* of other keys: found before anything is touched */
        rc = mbedtls_ssl_ticket_parse(&t->tickets[1 - t->current], session, buf, len);
    t->opened_ticket = rc == 0;
    return rc;
}

static int renew(wsrt_tls *t, int i)
{
    mbedtls_ssl_ticket_free(&t->tickets[i]);
    mbedtls_ssl_ticket_init(&t->tickets[i]);
    return mbedtls_ssl_ticket_setup(&t->tickets[i], mbedtls_ctr_drbg_random, &t->drbg,
                                    MBEDTLS_CIPHER_AES_256_GCM, TICKET_SECONDS) == 0
               ? WSRT_OK
               : WSRT_ERR_NOMEM;
}

int wsrt_tls_tickets_begin(wsrt_tls *t)
{
    mbedtls_ssl_ticket_init(&t->tickets[0]);
    mbedtls_ssl_ticket_init(&t->tickets[1]);
    t->rotated = INT64_MIN;
    return renew(t, 0);
}

void wsrt_tls_tickets_end(wsrt_tls *t)
{
    mbedtls_ssl_ticket_free(&t->tickets[0]);
    mbedtls_ssl_ticket_free(&t->tickets[1]);
}

void wsrt_tls_tickets_offer(wsrt_tls *t, mbedtls_ssl_config *ssl)
{
    mbedtls_ssl_conf_session_tickets_cb(ssl, write_ticket, open_ticket, t);
}

/* After a pause of two periods the younger keys, too, are too old to open anything. */
int wsrt_tls_server_rotate(wsrt_tls *t, int64_t now)
{
    if (t->rotated == INT64_MIN)
        t->rotated = now;
    if (now < t->rotated || now - t->rotated < rotate_ns)
        return WSRT_OK;
    int stale = now - t->rotated >= 2 * rotate_ns;
    t->previous = 0;
    if (renew(t, 1 - t->current) != WSRT_OK)
        return WSRT_ERR_NOMEM; /* tried again with the next session */
    t->current = 1 - t->current;
    t->previous = !stale;
    t->rotated = now;
    return WSRT_OK;
}
