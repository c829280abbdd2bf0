#define _GNU_SOURCE /* memmem */
/* Contexts: what is offered and accepted, certificates and keys, the generator. */
#include "common/tls/internal.h"

#include "common/roots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEM_MOST = 1 << 20 };

static const int suites[] = {
#if MBEDTLS_VERSION_MAJOR == 3 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};
static const char *protocols[] = {"http/1.1", NULL};
static const mbedtls_x509_crt_profile profile = {
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    .allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS),
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
                      MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
                      MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
    .rsa_min_bitlen = 2048,
};

/* ---- the generator -------------------------------------------------------------------------- */

int wsrt_tls_draw(void *user, unsigned char *dst, size_t len)
{
    const wsrt_tls_random *random = user;

    return random->fill(random->user, dst, len) == WSRT_OK
               ? 0
               : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
}

/* A child of fork() must not draw what its parent draws. */
int wsrt_tls_reseed(wsrt_tls *t)
{
    pid_t pid = getpid();

    if (pid == t->pid)
        return WSRT_OK;
    if (mbedtls_ctr_drbg_reseed(&t->drbg, NULL, 0) != 0)
        return WSRT_ERR_IO;
    t->pid = pid;
    return WSRT_OK;
}

/* ---- configurations ------------------------------------------------------------------------- */

void wsrt_tls_config_release(wsrt_tls_config *c)
{
    if (c == NULL || --c->refs > 0)
        return;
    mbedtls_ssl_config_free(&c->ssl);
    mbedtls_x509_crt_free(&c->chain);
    mbedtls_pk_free(&c->key);
    free(c);
}

static wsrt_tls_config *new_config(wsrt_tls *t)
{
    wsrt_tls_config *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->refs = 1;
    mbedtls_ssl_config_init(&c->ssl);
    mbedtls_x509_crt_init(&c->chain);
    mbedtls_pk_init(&c->key);
    int end = t->is_client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER;
    if (mbedtls_ssl_config_defaults(&c->ssl, end, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
        mbedtls_ssl_conf_alpn_protocols(&c->ssl, protocols) != 0) {
        wsrt_tls_config_release(c);
        return NULL;
    }
    compat_policy(&c->ssl);
    mbedtls_ssl_conf_ciphersuites(&c->ssl, suites);
    mbedtls_ssl_conf_cert_profile(&c->ssl, &profile);
    mbedtls_ssl_conf_renegotiation(&c->ssl, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
    mbedtls_ssl_conf_legacy_renegotiation(&c->ssl, MBEDTLS_SSL_LEGACY_NO_RENEGOTIATION);
    mbedtls_ssl_conf_rng(&c->ssl, mbedtls_ctr_drbg_random, &t->drbg);
    return c;
}

/* ---- PEM ------------------------------------------------------------------------------------ */

/* Text with its NUL, as the library's readers want it. */
typedef struct pem {
    unsigned char *text;
    size_t size;
} pem;

static int read_file(pem *out, wsrt_span path)
{
    char name[4096];

    if (path.len == 0 || path.len >= sizeof name) {
        errno = ENAMETOOLONG;
        return WSRT_ERR_IO;
    }
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    FILE *f = fopen(name, "re");
    if (f == NULL)
        return WSRT_ERR_IO;
    setvbuf(f, NULL, _IONBF, 0); /* no second copy of a key */
    out->size = fread(out->text, 1, PEM_MOST, f);
    int rc = ferror(f) ? WSRT_ERR_IO : out->size == PEM_MOST ? WSRT_ERR_REJECTED : WSRT_OK;
    int why = errno;
    fclose(f);
    errno = why;
    out->text[out->size++] = '\0';
    return rc;
}

static int load_pem(pem *out, wsrt_span from)
{
    static const char begin[] = "-----BEGIN";

    if (from.len > PEM_MOST)
        return WSRT_ERR_REJECTED;
    out->text = calloc(1, PEM_MOST + 1);
    if (out->text == NULL)
        return WSRT_ERR_NOMEM;
    if (memmem(from.ptr, from.len, begin, sizeof begin - 1) == NULL)
        return read_file(out, from);
    memcpy(out->text, from.ptr, from.len);
    out->size = from.len + 1;
    return WSRT_OK;
}

static void free_pem(pem *p)
{
    int why = errno;

    if (p->text != NULL)
        explicit_bzero(p->text, p->size);
    free(p->text);
    p->text = NULL;
    errno = why;
}

static int refused(const char **why_cstr, const char *text_cstr)
{
    *why_cstr = text_cstr;
    return WSRT_ERR_REJECTED;
}

static int parse_chain(wsrt_tls_config *c, const pem *text, const char **why_cstr)
{
    return mbedtls_x509_crt_parse(&c->chain, text->text, text->size) == 0
               ? WSRT_OK
               : refused(why_cstr, "the certificate is not PEM");
}

int wsrt_tls_read_chain(wsrt_tls_config *c, wsrt_span from, const char **why_cstr)
{
    pem text = {NULL, 0};
    int rc = load_pem(&text, from);

    *why_cstr = "the certificate cannot be read";
    if (rc == WSRT_OK)
        rc = parse_chain(c, &text, why_cstr);
    free_pem(&text);
    return rc;
}

/* ---- servers -------------------------------------------------------------------------------- */

static int judge_pair(wsrt_tls *t, wsrt_tls_config *c, const char **why_cstr)
{
    (void)t; /* 2.28 wants no generator for it */
    if (compat_check_pair(&c->chain, &c->key, &t->drbg) != 0)
        return refused(why_cstr, "the key does not belong to the certificate");
    if (mbedtls_x509_time_is_past(&c->chain.valid_to))
        return refused(why_cstr, "the certificate has expired");
    if (mbedtls_x509_time_is_future(&c->chain.valid_from))
        return refused(why_cstr, "the certificate is not valid yet");
    return WSRT_OK;
}

/* Both texts of a pair, read once for all contexts. */
typedef struct pair {
    pem cert;
    pem key;
} pair;

static int read_pair(pair *p, wsrt_span cert, wsrt_span key, const char **why_cstr)
{
    *why_cstr = "the certificate cannot be read";
    int rc = load_pem(&p->cert, cert);
    if (rc != WSRT_OK)
        return rc;
    *why_cstr = "the key cannot be read";
    return load_pem(&p->key, key);
}

/* A configuration for `t`, made with the generator of `maker`, whose thread this is. */
static int make_config(wsrt_tls_config **out, wsrt_tls *t, wsrt_tls *maker, const pair *p,
                       const char **why_cstr)
{
    wsrt_tls_config *c = new_config(t);
    int rc;

    *out = c;
    *why_cstr = "out of memory";
    if (c == NULL)
        return WSRT_ERR_NOMEM;
    rc = parse_chain(c, &p->cert, why_cstr);
    if (rc != WSRT_OK)
        return rc;
    if (compat_parse_key(&c->key, p->key.text, p->key.size, &maker->drbg) != 0)
        return refused(why_cstr, "the key is not PEM, or is encrypted");
    rc = judge_pair(maker, c, why_cstr);
    if (rc != WSRT_OK)
        return rc;
    if (mbedtls_ssl_conf_own_cert(&c->ssl, &c->chain, &c->key) != 0)
        return WSRT_ERR_NOMEM;
    mbedtls_ssl_conf_authmode(&c->ssl, MBEDTLS_SSL_VERIFY_NONE); /* of clients */
    wsrt_tls_tickets_offer(t, &c->ssl);
    return WSRT_OK;
}

int wsrt_tls_server_prepare(wsrt_tls *const *all, size_t count, wsrt_span cert, wsrt_span key,
                            wsrt_tls_config **configs, const char **why_cstr)
{
    pair p = {{NULL, 0}, {NULL, 0}};
    int rc = read_pair(&p, cert, key, why_cstr);

    for (size_t i = 0; i < count; i++) {
        configs[i] = NULL;
        if (rc == WSRT_OK)
            rc = make_config(&configs[i], all[i], all[0], &p, why_cstr);
    }
    free_pem(&p.cert);
    free_pem(&p.key);
    for (size_t i = 0; i < count && rc != WSRT_OK; i++) {
        wsrt_tls_config_release(configs[i]);
        configs[i] = NULL;
    }
    return rc;
}

void wsrt_tls_server_adopt(wsrt_tls *t, wsrt_tls_config *config)
{
    wsrt_tls_config_release(t->config);
    t->config = config;
}

int wsrt_tls_server_load(wsrt_tls *t, wsrt_span cert, wsrt_span key, const char **why_cstr)
{
    wsrt_tls_config *config;
    int rc = wsrt_tls_server_prepare(&t, 1, cert, key, &config, why_cstr);

    if (rc == WSRT_OK)
        wsrt_tls_server_adopt(t, config);
    return rc;
}

/* ---- contexts ------------------------------------------------------------------------------- */

static wsrt_tls *new_context(const wsrt_tls_random *random, int is_client, const char **why_cstr)
{
    wsrt_tls *t = calloc(1, sizeof *t);

    *why_cstr = "out of memory";
    if (t == NULL)
        return NULL;
    t->random = *random;
    t->is_client = is_client;
    t->pid = getpid();
    mbedtls_ctr_drbg_init(&t->drbg);
    mbedtls_ssl_session_init(&t->last);
    if (compat_init() == 0 &&
        mbedtls_ctr_drbg_seed(&t->drbg, wsrt_tls_draw, &t->random, NULL, 0) == 0)
        return t;
    *why_cstr = "no random bytes";
    wsrt_tls_free(t);
    return NULL;
}

int wsrt_tls_server_new(wsrt_tls **out, const wsrt_tls_random *random, wsrt_tls *peer,
                        const char **why_cstr)
{
    wsrt_tls *t = new_context(random, 0, why_cstr);

    *out = NULL;
    if (t == NULL)
        return WSRT_ERR_IO;
    if (peer != NULL)
        peer->tickets->users++;
    t->tickets = peer != NULL ? peer->tickets : wsrt_tls_tickets_new(random);
    if (t->tickets == NULL) {
        wsrt_tls_free(t);
        *why_cstr = "no ticket keys";
        return WSRT_ERR_IO;
    }
    *out = t;
    return WSRT_OK;
}

static int is_readable(const char *path)
{
    return access(path, R_OK) == 0;
}

/* A store of authorities may hold one of a kind that is not known here: the others are believed. */
static int read_roots(wsrt_tls_config *c, const char *path_cstr, const char **why_cstr)
{
    pem text = {NULL, 0};

    if (path_cstr == NULL && (path_cstr = wsrt_roots_find(is_readable)) == NULL)
        return refused(why_cstr, "this system has no authorities where others have them");
    int rc = load_pem(&text, wsrt_span_cstr(path_cstr));
    *why_cstr = "the authorities cannot be read";
    if (rc == WSRT_OK && mbedtls_x509_crt_parse(&c->chain, text.text, text.size) < 0)
        rc = refused(why_cstr, "the authorities are not PEM");
    free_pem(&text);
    return rc;
}

int wsrt_tls_client_new(wsrt_tls **out, const wsrt_tls_random *random, const wsrt_tls_trust *trust,
                        const char **why_cstr)
{
    wsrt_tls *t = new_context(random, 1, why_cstr);
    int rc = WSRT_OK;

    *out = NULL;
    if (t == NULL)
        return WSRT_ERR_IO;
    t->insecure = trust->insecure;
    t->resume = trust->resume;
    t->config = new_config(t);
    if (t->config == NULL)
        rc = WSRT_ERR_NOMEM;
    else if (!t->insecure)
        rc = read_roots(t->config, trust->roots_cstr, why_cstr);
    if (rc != WSRT_OK) {
        wsrt_tls_free(t);
        return rc;
    }
    mbedtls_ssl_conf_ca_chain(&t->config->ssl, &t->config->chain, NULL);
    mbedtls_ssl_conf_authmode(&t->config->ssl,
                              t->insecure ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_session_tickets(&t->config->ssl, t->resume
                                                          ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED
                                                          : MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    if (t->resume)
        compat_tell_of_tickets(&t->config->ssl);
    *out = t;
    return WSRT_OK;
}

void wsrt_tls_free(wsrt_tls *t)
{
    if (t == NULL)
        return;
    wsrt_tls_config_release(t->config);
    wsrt_tls_tickets_release(t->tickets);
    mbedtls_ssl_session_free(&t->last);
    mbedtls_ctr_drbg_free(&t->drbg);
    free(t);
}
