/* What mbedTLS 2.28 and 3.x call differently. Included by the files that call mbedTLS. */
#ifndef WSRT_JWT_COMPAT_H
#define WSRT_JWT_COMPAT_H

#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_MAJOR == 2

#define compat_sha256(data, len, out) mbedtls_sha256_ret((data), (len), (out), 0)
#define compat_rsa_init(c) mbedtls_rsa_init((c), MBEDTLS_RSA_PKCS_V15, 0)
#define compat_rsa_verify(c, md, len, hash, sig)                                                   \
    mbedtls_rsa_pkcs1_verify((c), NULL, NULL, MBEDTLS_RSA_PUBLIC, (md), (unsigned)(len), (hash),   \
                             (sig))
#define compat_pss_verify(c, md, len, hash, salt, sig)                                             \
    mbedtls_rsa_rsassa_pss_verify_ext((c), NULL, NULL, MBEDTLS_RSA_PUBLIC, (md), (unsigned)(len),  \
                                      (hash), (md), (salt), (sig))
#define compat_rsa_sign(c, rng, state, md, len, hash, sig)                                         \
    mbedtls_rsa_pkcs1_sign((c), (rng), (state), MBEDTLS_RSA_PRIVATE, (md), (unsigned)(len),        \
                           (hash), (sig))

#elif MBEDTLS_VERSION_MAJOR == 3

#define compat_sha256(data, len, out) mbedtls_sha256((data), (len), (out), 0)
#define compat_rsa_init(c) mbedtls_rsa_init(c)
#define compat_rsa_verify(c, md, len, hash, sig)                                                   \
    mbedtls_rsa_pkcs1_verify((c), (md), (unsigned)(len), (hash), (sig))
#define compat_pss_verify(c, md, len, hash, salt, sig)                                             \
    mbedtls_rsa_rsassa_pss_verify_ext((c), (md), (unsigned)(len), (hash), (md), (salt), (sig))
#define compat_rsa_sign(c, rng, state, md, len, hash, sig)                                         \
    mbedtls_rsa_pkcs1_sign((c), (rng), (state), (md), (unsigned)(len), (hash), (sig))

#else
#error "this release of mbedTLS is not known here"
#endif

#endif
