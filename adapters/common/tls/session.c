/* Sessions: a handshake, records, and an end, on a descriptor that does not block.
 *
 * What the socket does not take of a record is kept here and the record counts as sent: the library
 * below never has to be called again with the same bytes. A new record is made only when nothing is
 * kept, so that this is one record at most, besides alerts. */
#include "common/tls/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RECORDS_A_READ = 64,
    RECEIVES_A_CALL = 4 * RECORDS_A_READ, /* a record takes two, or more when it comes in pieces */
    KEPT_MOST = 256 * 1024,
    IP_NAME = 0x87 /* [7] of GeneralName */
};

struct wsrt_tls_session {
    mbedtls_ssl_context ssl;
    wsrt_tls *context;
    wsrt_tls_config *config;
    unsigned char *kept; /* ciphertext for the socket; NULL = none */
    size_t kept_at;
    size_t kept_len;
    const char *why_cstr;
    int fd;
    int receives; /* that the call under way may still make */
    int resumed;
    int failed;  /* nothing can be sent or read any more */
    int hung_up; /* the socket has no more */
    int ended;   /* by the peer */
    int bye;
    int ip_len; /* a client's: the server is an address; 0 = a name */
    unsigned char ip[16];
};

/* ---- the socket ----------------------------------------------------------------------------- */

static ssize_t send_now(int fd, const unsigned char *bytes, size_t len)
{
    ssize_t n;

    do
        n = send(fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n;
}

static int keep(wsrt_tls_session *s, const unsigned char *bytes, size_t len)
{
    unsigned char *grown;

    if (len > KEPT_MOST - s->kept_len)
        return WSRT_ERR_LIMIT;
    if (s->kept_at > 0) {
        memmove(s->kept, s->kept + s->kept_at, s->kept_len);
        s->kept_at = 0;
    }
    grown = realloc(s->kept, s->kept_len + len);
    if (grown == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(grown + s->kept_len, bytes, len);
    s->kept = grown;
    s->kept_len += len;
    return WSRT_OK;
}

static int send_bytes(void *user, const unsigned char *bytes, size_t len)
{
    wsrt_tls_session *s = user;
    ssize_t n = s->kept_len > 0 ? 0 : send_now(s->fd, bytes, len);

    if (n < 0)
        return MBEDTLS_ERR_NET_SEND_FAILED;
    if ((size_t)n < len && keep(s, bytes + n, len - (size_t)n) != WSRT_OK)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    return (int)len;
}

/* The library reads on by itself while warnings and renegotiations come: who sends them without end
 * waits for the next turn like anybody else. */
static int receive_bytes(void *user, unsigned char *dst, size_t room)
{
    wsrt_tls_session *s = user;

    if (s->receives == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    s->receives--;
    ssize_t n = recv(s->fd, dst, room, 0);
    s->hung_up |= n == 0;
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return MBEDTLS_ERR_SSL_WANT_READ;
    return MBEDTLS_ERR_NET_RECV_FAILED;
}

static int is_waiting(int rc)
{
    return rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE;
}

int wsrt_tls_flush(wsrt_tls_session *s)
{
    if (s->kept_len == 0)
        return 0;
    ssize_t n = send_now(s->fd, s->kept + s->kept_at, s->kept_len);
    if (n < 0)
        return -1;
    s->kept_at += (size_t)n;
    s->kept_len -= (size_t)n;
    if (s->kept_len == 0) {
        free(s->kept);
        s->kept = NULL;
        s->kept_at = 0;
    }
    return 0;
}

size_t wsrt_tls_unsent(const wsrt_tls_session *s)
{
    return s->kept_len;
}

/* ---- birth and death ------------------------------------------------------------------------ */

/* Names go into the handshake; the library knows no addresses, these are compared afterwards. */
static int set_host(wsrt_tls_session *s, const char *host_cstr)
{
    if (inet_pton(AF_INET, host_cstr, s->ip) == 1)
        s->ip_len = 4;
    else if (inet_pton(AF_INET6, host_cstr, s->ip) == 1)
        s->ip_len = 16;
    return mbedtls_ssl_set_hostname(&s->ssl, s->ip_len > 0 ? NULL : host_cstr);
}

int wsrt_tls_open(wsrt_tls_session **out, wsrt_tls *t, int fd, const char *host_cstr)
{
    *out = NULL;
    if (wsrt_tls_reseed(t) != WSRT_OK)
        return WSRT_ERR_IO;
    wsrt_tls_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return WSRT_ERR_NOMEM;
    s->context = t;
    s->config = t->config;
    s->config->refs++;
    s->fd = fd;
    s->why_cstr = "the handshake failed";
    mbedtls_ssl_init(&s->ssl);
    if (mbedtls_ssl_setup(&s->ssl, &s->config->ssl) != 0 ||
        (host_cstr != NULL && set_host(s, host_cstr) != 0) ||
        (t->has_last && mbedtls_ssl_set_session(&s->ssl, &t->last) != 0)) {
        wsrt_tls_close(s);
        return WSRT_ERR_NOMEM;
    }
    mbedtls_ssl_set_bio(&s->ssl, s, send_bytes, receive_bytes, NULL);
    *out = s;
    return WSRT_OK;
}

void wsrt_tls_bye(wsrt_tls_session *s)
{
    if (s->bye || s->failed)
        return;
    s->bye = 1;
    mbedtls_ssl_close_notify(&s->ssl);
}

void wsrt_tls_close(wsrt_tls_session *s)
{
    if (s == NULL)
        return;
    mbedtls_ssl_free(&s->ssl);
    wsrt_tls_config_release(s->config);
    free(s->kept);
    free(s);
}

/* ---- the handshake -------------------------------------------------------------------------- */

static int has_address(const wsrt_tls_session *s)
{
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&s->ssl);
    const mbedtls_x509_sequence *name = peer == NULL ? NULL : compat_alt_names(peer);

    for (; name != NULL; name = name->next)
        if (name->buf.tag == IP_NAME && name->buf.len == (size_t)s->ip_len &&
            memcmp(name->buf.p, s->ip, name->buf.len) == 0)
            return 1;
    return 0;
}

static const char *explain(const wsrt_tls_session *s, int rc)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&s->ssl);

    if (rc == MBEDTLS_ERR_SSL_CONN_EOF || rc == MBEDTLS_ERR_NET_RECV_FAILED)
        return "the server hung up during the TLS handshake";
    if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return "the server refused the TLS handshake";
    if (rc != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
        return "the TLS handshake failed";
    if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0)
        return "the certificate is for another name";
    if ((flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) != 0)
        return "the certificate is out of its time";
    return "the certificate is not signed by a trusted authority";
}

static int fail(wsrt_tls_session *s, const char *why_cstr)
{
    s->failed = 1;
    s->why_cstr = why_cstr;
    return WSRT_ERR_REJECTED;
}

static void remember(const wsrt_tls_session *s)
{
    wsrt_tls *t = s->context;

    if (!t->resume)
        return;
    mbedtls_ssl_session_free(&t->last);
    t->has_last = mbedtls_ssl_get_session(&s->ssl, &t->last) == 0;
}

static int finish_client(wsrt_tls_session *s)
{
    const wsrt_tls *t = s->context;

    if (s->ip_len > 0 && !t->insecure && !has_address(s)) {
        mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
        return fail(s, "the certificate is for another name");
    }
    if (!compat_ticket_follows(&s->ssl))
        remember(s);
    return WSRT_OK;
}

int wsrt_tls_handshake(wsrt_tls_session *s)
{
    if (s->failed)
        return WSRT_ERR_REJECTED;
    if (wsrt_tls_flush(s) != 0)
        return fail(s, "the server hung up during the TLS handshake");
    s->context->opened_ticket = 0;
    s->receives = RECEIVES_A_CALL;
    int rc = mbedtls_ssl_handshake(&s->ssl);
    s->resumed |= s->context->opened_ticket;
    if (is_waiting(rc))
        return WSRT_TLS_MORE;
    if (rc != 0)
        return fail(s, explain(s, rc));
    return s->context->is_client ? finish_client(s) : WSRT_OK;
}

int wsrt_tls_resumed(const wsrt_tls_session *s)
{
    return s->resumed;
}

const char *wsrt_tls_why(const wsrt_tls_session *s)
{
    return s->why_cstr;
}

const char *wsrt_tls_suite(const wsrt_tls_session *s)
{
    return mbedtls_ssl_get_ciphersuite(&s->ssl);
}

/* ---- data ----------------------------------------------------------------------------------- */

/* The end and an error are told when the bytes before them have been read. */
static ssize_t nothing_read(const wsrt_tls_session *s)
{
    if (s->ended)
        return 0;
    errno = s->failed ? EPROTO : EAGAIN;
    return -1;
}

ssize_t wsrt_tls_read(wsrt_tls_session *s, void *dst, size_t room)
{
    size_t got = 0;

    s->receives = RECEIVES_A_CALL;
    for (int records = 0; records < RECORDS_A_READ && !s->ended && !s->failed; records++) {
        if (got > 0 && room - got < WSRT_TLS_RECORD)
            break;
        int n = mbedtls_ssl_read(&s->ssl, (unsigned char *)dst + got, room - got);
        if (n > 0)
            got += (size_t)n;
        else if (is_waiting(n))
            break;
        else if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || n == MBEDTLS_ERR_SSL_CONN_EOF ||
                 (n == 0 && s->hung_up))
            s->ended = 1;
        else if (compat_is_ticket(n))
            remember(s);
        else if (n < 0) /* 0: data of no bytes */
            s->failed = 1;
    }
    return got > 0 ? (ssize_t)got : nothing_read(s);
}

ssize_t wsrt_tls_write(wsrt_tls_session *s, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    size_t done = 0;

    if (s->failed || s->bye || wsrt_tls_flush(s) != 0) {
        errno = EPIPE;
        return -1;
    }
    while (done < len && s->kept_len == 0) {
        int n = mbedtls_ssl_write(&s->ssl, p + done, len - done);
        if (is_waiting(n))
            break;
        if (n < 0) {
            s->failed = 1;
            errno = EPIPE;
            return -1;
        }
        done += (size_t)n;
    }
    if (done == 0 && len > 0) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)done;
}
