#include "jwt/mbed.h"

#include "common/support.h"
#include "jwt/compat.h"

#include <string.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, EXPONENT_MAX = 4, HASH_MAX = 64, POINT_MAX = 133 };

enum family { FAMILY_RSA, FAMILY_PSS, FAMILY_EC, FAMILY_SECRET };

struct method {
    int algorithm;
    enum family family;
    mbedtls_md_type_t md;
    mbedtls_ecp_group_id curve;
};

static const struct method methods[] = {
    {WSRT_JWT_RS256, FAMILY_RSA, MBEDTLS_MD_SHA256, MBEDTLS_ECP_DP_NONE},
    {WSRT_JWT_RS384, FAMILY_RSA, MBEDTLS_MD_SHA384, MBEDTLS_ECP_DP_NONE},
    {WSRT_JWT_RS512, FAMILY_RSA, MBEDTLS_MD_SHA512, MBEDTLS_ECP_DP_NONE},
    {WSRT_JWT_PS256, FAMILY_PSS, MBEDTLS_MD_SHA256, MBEDTLS_ECP_DP_NONE},
    {WSRT_JWT_ES256, FAMILY_EC, MBEDTLS_MD_SHA256, MBEDTLS_ECP_DP_SECP256R1},
    {WSRT_JWT_ES384, FAMILY_EC, MBEDTLS_MD_SHA384, MBEDTLS_ECP_DP_SECP384R1},
    {WSRT_JWT_ES512, FAMILY_EC, MBEDTLS_MD_SHA512, MBEDTLS_ECP_DP_SECP521R1},
    {WSRT_JWT_HS256, FAMILY_SECRET, MBEDTLS_MD_SHA256, MBEDTLS_ECP_DP_NONE},
};

struct wsrt_jwt_crypto {
    const struct method *method;
    const mbedtls_md_info_t *md;
    mbedtls_rsa_context rsa;
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    unsigned char *secret;
    size_t secret_len;
};

static const unsigned char *bytes_of(wsrt_span s)
{
    return (const unsigned char *)s.ptr;
}

/* mbedTLS adds a low-level code to a high-level one. */
static int status_of(int rc)
{
    if (rc == 0)
        return WSRT_OK;
    if ((-rc & 0x7f) == -MBEDTLS_ERR_MPI_ALLOC_FAILED || rc == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
        rc == MBEDTLS_ERR_MD_ALLOC_FAILED)
        return WSRT_ERR_NOMEM;
    return WSRT_ERR_REJECTED;
}

/* ---- verifying ------------------------------------------------------------------------------ */

/* The key is not const for mbedTLS, which caches in it what prime() has made it compute. */
static int verify_rsa(const wsrt_jwt_crypto *k, const unsigned char *hash, wsrt_span signature)
{
    mbedtls_rsa_context *rsa = (mbedtls_rsa_context *)(uintptr_t)&k->rsa;
    size_t len = mbedtls_md_get_size(k->md);

    if (signature.len != mbedtls_rsa_get_len(rsa))
        return WSRT_ERR_REJECTED;
    if (k->method->family == FAMILY_PSS)
        return status_of(
            compat_pss_verify(rsa, k->method->md, len, hash, (int)len, bytes_of(signature)));
    return status_of(compat_rsa_verify(rsa, k->method->md, len, hash, bytes_of(signature)));
}

static int in_range(const mbedtls_mpi *n, const mbedtls_mpi *order)
{
    return mbedtls_mpi_cmp_int(n, 1) >= 0 && mbedtls_mpi_cmp_mpi(n, order) < 0;
}

static int verify_ec(const wsrt_jwt_crypto *k, const unsigned char *hash, wsrt_span signature)
{
    mbedtls_ecp_group *group = (mbedtls_ecp_group *)(uintptr_t)&k->group;
    size_t half = (k->group.nbits + 7) / 8;
    mbedtls_mpi r, s;

    if (signature.len != 2 * half)
        return WSRT_ERR_REJECTED;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int rc = mbedtls_mpi_read_binary(&r, bytes_of(signature), half);
    if (rc == 0)
        rc = mbedtls_mpi_read_binary(&s, bytes_of(signature) + half, half);
    if (rc == 0 && (!in_range(&r, &group->N) || !in_range(&s, &group->N)))
        rc = MBEDTLS_ERR_ECP_VERIFY_FAILED;
    if (rc == 0)
        rc = mbedtls_ecdsa_verify(group, hash, mbedtls_md_get_size(k->md), &k->point, &r, &s);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return status_of(rc);
}

static int verify_secret(const wsrt_jwt_crypto *k, const wsrt_jwt_signed *what)
{
    unsigned char mac[WSRT_JWT_SHA256];
    int rc = mbedtls_md_hmac(k->md, k->secret, k->secret_len, bytes_of(what->input),
                             what->input.len, mac);

    rc = status_of(rc);
    if (rc == WSRT_OK && (what->signature.len != sizeof mac ||
                          !wsrt_jwt_same(mac, bytes_of(what->signature), sizeof mac)))
        rc = WSRT_ERR_REJECTED;
    wsrt_jwt_wipe(mac, sizeof mac);
    return rc;
}

int wsrt_jwt_crypto_verify(const wsrt_jwt_crypto *k, const wsrt_jwt_signed *what)
{
    unsigned char hash[HASH_MAX];
    int rc = 0;

    if (k->method->family == FAMILY_SECRET)
        return verify_secret(k, what);
    if (k->method->md == MBEDTLS_MD_SHA256)
        memcpy(hash, what->sha256, WSRT_JWT_SHA256);
    else
        rc = mbedtls_md(k->md, bytes_of(what->input), what->input.len, hash);
    if (rc != 0)
        return status_of(rc);
    return k->method->family == FAMILY_EC ? verify_ec(k, hash, what->signature)
                                          : verify_rsa(k, hash, what->signature);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static int load_rsa(wsrt_jwt_crypto *k, const wsrt_jwt_numbers *from)
{
    mbedtls_mpi n;
    size_t bits = 0;

    if (from->first.len > RSA_BITS_MAX / 8 || from->second.len > EXPONENT_MAX)
        return WSRT_ERR_REJECTED;
    mbedtls_mpi_init(&n);
    int rc = mbedtls_mpi_read_binary(&n, bytes_of(from->first), from->first.len);
    if (rc == 0)
        bits = mbedtls_mpi_bitlen(&n);
    mbedtls_mpi_free(&n);
    if (rc == 0 && bits < RSA_BITS_MIN)
        return WSRT_ERR_REJECTED;
    if (rc == 0)
        rc = mbedtls_rsa_import_raw(&k->rsa, bytes_of(from->first), from->first.len, NULL, 0, NULL,
                                    0, NULL, 0, bytes_of(from->second), from->second.len);
    if (rc == 0)
        rc = mbedtls_rsa_complete(&k->rsa);
    if (rc == 0)
        rc = mbedtls_rsa_check_pubkey(&k->rsa);
    return status_of(rc);
}

static int load_ec(wsrt_jwt_crypto *k, const wsrt_jwt_numbers *from)
{
    unsigned char point[POINT_MAX] = {4}; /* uncompressed */
    int rc = mbedtls_ecp_group_load(&k->group, k->method->curve);
    size_t half = (k->group.pbits + 7) / 8;

    if (rc != 0)
        return status_of(rc);
    if (from->first.len != half || from->second.len != half)
        return WSRT_ERR_REJECTED;
    memcpy(point + 1, from->first.ptr, half);
    memcpy(point + 1 + half, from->second.ptr, half);
    rc = mbedtls_ecp_point_read_binary(&k->group, &k->point, point, 1 + 2 * half);
    if (rc == 0)
        rc = mbedtls_ecp_check_pubkey(&k->group, &k->point);
    return status_of(rc);
}

static int load_secret(wsrt_jwt_crypto *k, const wsrt_jwt_numbers *from, const wsrt_allocator *a)
{
    if (from->first.len < WSRT_JWT_SECRET_MIN)
        return WSRT_ERR_REJECTED;
    k->secret = wsrt_adapter_realloc(a, NULL, 0, from->first.len);
    if (k->secret == NULL)
        return WSRT_ERR_NOMEM;
    k->secret_len = from->first.len;
    memcpy(k->secret, from->first.ptr, from->first.len);
    return WSRT_OK;
}

/* The first operation with a key leaves tables in it; done here, later ones only read them, and
 * any number of threads may verify at once. */
static int prime(const wsrt_jwt_crypto *k)
{
    static const unsigned char nothing[RSA_BITS_MAX / 8];
    unsigned char one[2 * 66] = {0}, hash[HASH_MAX] = {0x5a};
    size_t half = (k->group.nbits + 7) / 8;
    int rc = WSRT_ERR_REJECTED;

    if (k->method->family == FAMILY_EC) {
        one[half - 1] = one[2 * half - 1] = 1;
        rc = verify_ec(k, hash, (wsrt_span){(const char *)one, 2 * half});
    } else if (k->method->family != FAMILY_SECRET) {
        rc = verify_rsa(k, hash, (wsrt_span){(const char *)nothing, mbedtls_rsa_get_len(&k->rsa)});
    }
    return rc == WSRT_ERR_NOMEM ? rc : WSRT_OK;
}

static int load(wsrt_jwt_crypto *k, const wsrt_jwt_numbers *from, const wsrt_allocator *a)
{
    switch (k->method->family) {
    case FAMILY_EC:
        return load_ec(k, from);
    case FAMILY_SECRET:
        return load_secret(k, from, a);
    default:
        return load_rsa(k, from);
    }
}

static const struct method *method_of(int algorithm)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].algorithm == algorithm)
            return &methods[i];
    return NULL;
}

int wsrt_jwt_crypto_new(wsrt_jwt_crypto **out, const wsrt_jwt_numbers *from,
                        const wsrt_allocator *a)
{
    const struct method *method = method_of(from->algorithm);
    wsrt_jwt_crypto *k = wsrt_adapter_realloc(a, NULL, 0, sizeof *k);

    if (k == NULL)
        return WSRT_ERR_NOMEM;
    memset(k, 0, sizeof *k);
    k->method = method;
    k->md = mbedtls_md_info_from_type(method->md);
    compat_rsa_init(&k->rsa);
    mbedtls_ecp_group_init(&k->group);
    mbedtls_ecp_point_init(&k->point);
    int rc = k->md == NULL ? WSRT_ERR_REJECTED : load(k, from, a);
    if (rc == WSRT_OK)
        rc = prime(k);
    if (rc == WSRT_OK)
        *out = k;
    else
        wsrt_jwt_crypto_free(k, a);
    return rc;
}

void wsrt_jwt_crypto_free(wsrt_jwt_crypto *k, const wsrt_allocator *a)
{
    if (k == NULL)
        return;
    mbedtls_rsa_free(&k->rsa);
    mbedtls_ecp_point_free(&k->point);
    mbedtls_ecp_group_free(&k->group);
    if (k->secret != NULL) {
        wsrt_jwt_wipe(k->secret, k->secret_len);
        wsrt_adapter_realloc(a, k->secret, k->secret_len, 0);
    }
    wsrt_adapter_realloc(a, k, sizeof *k, 0);
}

/* ---- small things -------------------------------------------------------------------------------- */

int wsrt_jwt_sha256(unsigned char out[WSRT_JWT_SHA256], wsrt_span data)
{
    return compat_sha256(bytes_of(data), data.len, out) == 0 ? WSRT_OK : WSRT_ERR_INTERNAL;
}

int wsrt_jwt_same(const unsigned char *a, const unsigned char *b, size_t len)
{
    uint64_t difference = 0, x = 0, y = 0;

    for (; len >= sizeof x; len -= sizeof x, a += sizeof x, b += sizeof y) {
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        difference |= x ^ y;
    }
    for (size_t i = 0; i < len; i++)
        difference |= (uint64_t)(a[i] ^ b[i]);
    volatile uint64_t told = difference; /* or the loops might end early */
    return told == 0;
}

void wsrt_jwt_wipe(void *p, size_t len)
{
    mbedtls_platform_zeroize(p, len);
}
