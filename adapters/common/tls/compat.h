/* What mbedTLS 2.28 and 3.x call differently. Included by internal.h alone. */
#ifndef WSRT_COMMON_TLS_COMPAT_H
#define WSRT_COMMON_TLS_COMPAT_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_MAJOR == 2

static const mbedtls_ecp_group_id compat_groups[] = {MBEDTLS_ECP_DP_CURVE25519,
                                                     MBEDTLS_ECP_DP_SECP256R1,
                                                     MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
static const int compat_hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                                    MBEDTLS_MD_NONE};

static inline void compat_policy(mbedtls_ssl_config *c)
{
    mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(c, compat_groups);
    mbedtls_ssl_conf_sig_hashes(c, compat_hashes);
}

#define compat_init() 0
#define compat_parse_key(key, text, len, drbg) mbedtls_pk_parse_key((key), (text), (len), NULL, 0)
#define compat_check_pair(crt, key, drbg) mbedtls_pk_check_pair(&(crt)->pk, (key))
#define compat_is_ticket(rc) ((void)(rc), 0)
#define compat_ticket_follows(ssl) ((void)(ssl), 0)
#define compat_tell_of_tickets(config) ((void)(config))
#define compat_alt_names(crt) (&(crt)->subject_alt_names)

#elif MBEDTLS_VERSION_MAJOR == 3

#include <psa/crypto.h>

static const uint16_t compat_groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
static const uint16_t compat_hashes[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
                                         MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
                                         MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
                                         MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
                                         MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
                                         MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
                                         MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
                                         MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
                                         MBEDTLS_TLS1_3_SIG_NONE};

static inline void compat_policy(mbedtls_ssl_config *c)
{
    mbedtls_ssl_conf_min_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_max_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_3);
#else
    mbedtls_ssl_conf_max_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
    mbedtls_ssl_conf_groups(c, compat_groups);
    mbedtls_ssl_conf_sig_algs(c, compat_hashes);
}

#define compat_init() (psa_crypto_init() == PSA_SUCCESS ? 0 : -1)
#define compat_parse_key(key, text, len, drbg)                                                     \
    mbedtls_pk_parse_key((key), (text), (len), NULL, 0, mbedtls_ctr_drbg_random, (drbg))
#define compat_check_pair(crt, key, drbg)                                                          \
    mbedtls_pk_check_pair(&(crt)->pk, (key), mbedtls_ctr_drbg_random, (drbg))
#define compat_is_ticket(rc) ((rc) == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
/* TLS 1.3 sends them behind the handshake; since 3.6.1 who wants to see them says so. */
#define compat_ticket_follows(ssl)                                                                 \
    (mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_3)
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && MBEDTLS_VERSION_NUMBER >= 0x03060100
#define compat_tell_of_tickets(config)                                                             \
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(                                      \
        (config), MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED)
#else
#define compat_tell_of_tickets(config) ((void)(config))
#endif
#define compat_alt_names(crt) (&(crt)->subject_alt_names)

#else
#error "this release of mbedTLS is not known here"
#endif

#endif
