#include "jwt/sign.h"

#include "jwt/base64url.h"
#include "jwt/compat.h"
#include "jwt/strict.h"

#include <wsrt/jwt.h>

#include <stdlib.h>
#include <string.h>

enum {
    COORDINATE = 32,
    RSA_BITS = 2048,
    RSA_BYTES_MAX = 1024,
    HASH = 32,
    POINT = 1 + 2 * COORDINATE
};

/* Numbers of a key, by the names they have in a JWK. */
enum number { N, E, D, P, Q, DP, DQ, QI, X, Y, NUMBERS };

static const char *const names[NUMBERS] = {"n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y"};

struct wsrt_jws_key {
    int algorithm;
    char kid[WSRT_JWS_KID_MAX];
    mbedtls_rsa_context rsa;
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi secret; /* of the curve */
};

static int draw(void *user, unsigned char *dst, size_t len)
{
    wsrt_env env = {.struct_size = sizeof env};

    (void)user;
    if (wsrt_env_default(&env) != WSRT_OK || env.random(env.user, dst, len) != WSRT_OK)
        return MBEDTLS_ERR_RSA_RNG_FAILED;
    return 0;
}

static int is_rsa(const wsrt_jws_key *k)
{
    return k->algorithm == WSRT_JWT_RS256;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int point_number(const wsrt_jws_key *k, enum number which, mbedtls_mpi *out)
{
    unsigned char bytes[POINT];
    size_t len;
    int rc = mbedtls_ecp_point_write_binary(&k->group, &k->point, MBEDTLS_ECP_PF_UNCOMPRESSED, &len,
                                            bytes, sizeof bytes);

    if (rc != 0)
        return rc;
    return mbedtls_mpi_read_binary(out, bytes + 1 + (which == Y ? COORDINATE : 0), COORDINATE);
}

static int number_of(const wsrt_jws_key *k, enum number which, mbedtls_mpi *out)
{
    const mbedtls_rsa_context *rsa = &k->rsa;

    if (!is_rsa(k))
        return which == D ? mbedtls_mpi_copy(out, &k->secret) : point_number(k, which, out);
    switch (which) {
    case N:
        return mbedtls_rsa_export(rsa, out, NULL, NULL, NULL, NULL);
    case P:
        return mbedtls_rsa_export(rsa, NULL, out, NULL, NULL, NULL);
    case Q:
        return mbedtls_rsa_export(rsa, NULL, NULL, out, NULL, NULL);
    case D:
        return mbedtls_rsa_export(rsa, NULL, NULL, NULL, out, NULL);
    case E:
        return mbedtls_rsa_export(rsa, NULL, NULL, NULL, NULL, out);
    case DP:
        return mbedtls_rsa_export_crt(rsa, out, NULL, NULL);
    case DQ:
        return mbedtls_rsa_export_crt(rsa, NULL, out, NULL);
    default:
        return mbedtls_rsa_export_crt(rsa, NULL, NULL, out);
    }
}

/* Writes a number as base64url: a curve's in its fixed length, RSA's in the least. */
static int write_number(wsrt_json_writer *w, const wsrt_jws_key *k, enum number which)
{
    unsigned char bytes[RSA_BYTES_MAX];
    char text[RSA_BYTES_MAX / 3 * 4 + 4];
    mbedtls_mpi n;

    mbedtls_mpi_init(&n);
    int rc = number_of(k, which, &n);
    size_t len = is_rsa(k) ? mbedtls_mpi_size(&n) : COORDINATE;
    if (rc == 0)
        rc = mbedtls_mpi_write_binary(&n, bytes, len);
    if (rc == 0) {
        wsrt_json_key(w, names[which]);
        wsrt_json_string(w, (wsrt_span){text, wsrt_jwt_encode(text, bytes, len)});
    }
    mbedtls_mpi_free(&n);
    mbedtls_platform_zeroize(bytes, sizeof bytes);
    mbedtls_platform_zeroize(text, sizeof text);
    return rc == 0 ? WSRT_OK : WSRT_ERR_INTERNAL;
}

static int read_number(const wsrt_json *jwk, enum number which, mbedtls_mpi *out)
{
    unsigned char bytes[RSA_BYTES_MAX + 2];
    wsrt_json value = wsrt_jwt_member(jwk, names[which]);
    size_t len;

    if (value.kind != WSRT_JSON_STRING || value.escaped || value.text.len > RSA_BYTES_MAX / 3 * 4 ||
        wsrt_jwt_decode(bytes, value.text, &len) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    int rc = mbedtls_mpi_read_binary(out, bytes, len);
    mbedtls_platform_zeroize(bytes, sizeof bytes);
    return rc == 0 ? WSRT_OK : WSRT_ERR_NOMEM;
}

/* ---- thumbprint ----------------------------------------------------------------------------- */

/* RFC 7638: SHA-256 over the required members in the order of their names. */
static int make_kid(wsrt_jws_key *k)
{
    char json[RSA_BYTES_MAX * 2];
    unsigned char hash[HASH];
    wsrt_json_writer w;
    size_t len = 0;
    int rc;

    wsrt_json_writer_init(&w, json, sizeof json, 0);
    wsrt_json_object(&w);
    if (is_rsa(k)) {
        rc = write_number(&w, k, E);
    } else {
        wsrt_json_key(&w, "crv");
        wsrt_json_string_cstr(&w, "P-256");
        rc = WSRT_OK;
    }
    wsrt_json_key(&w, "kty");
    wsrt_json_string_cstr(&w, is_rsa(k) ? "RSA" : "EC");
    if (rc == WSRT_OK)
        rc = write_number(&w, k, is_rsa(k) ? N : X);
    if (rc == WSRT_OK && !is_rsa(k))
        rc = write_number(&w, k, Y);
    wsrt_json_object_end(&w);
    if (rc != WSRT_OK || wsrt_json_finish(&w, &len) != WSRT_OK ||
        mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const unsigned char *)json, len,
                   hash) != 0)
        return WSRT_ERR_INTERNAL;
    k->kid[wsrt_jwt_encode(k->kid, hash, sizeof hash)] = '\0';
    return WSRT_OK;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static wsrt_jws_key *empty_key(int algorithm)
{
    wsrt_jws_key *k = calloc(1, sizeof *k);

    if (k == NULL)
        return NULL;
    k->algorithm = algorithm;
    compat_rsa_init(&k->rsa);
    mbedtls_ecp_group_init(&k->group);
    mbedtls_ecp_point_init(&k->point);
    mbedtls_mpi_init(&k->secret);
    return k;
}

void wsrt_jws_key_free(wsrt_jws_key *k)
{
    if (k == NULL)
        return;
    mbedtls_rsa_free(&k->rsa);
    mbedtls_ecp_group_free(&k->group);
    mbedtls_ecp_point_free(&k->point);
    mbedtls_mpi_free(&k->secret);
    free(k);
}

static int finish_key(wsrt_jws_key **out, wsrt_jws_key *k, int rc)
{
    if (rc == WSRT_OK)
        rc = make_kid(k);
    if (rc == WSRT_OK)
        *out = k;
    else
        wsrt_jws_key_free(k);
    return rc;
}

int wsrt_jws_key_make(wsrt_jws_key **out, int algorithm)
{
    wsrt_jws_key *k = empty_key(algorithm);
    int rc;

    *out = NULL;
    if (k == NULL)
        return WSRT_ERR_NOMEM;
    if (is_rsa(k)) {
        rc = mbedtls_rsa_gen_key(&k->rsa, draw, NULL, RSA_BITS, 65537);
    } else {
        rc = mbedtls_ecp_group_load(&k->group, MBEDTLS_ECP_DP_SECP256R1);
        if (rc == 0)
            rc = mbedtls_ecp_gen_keypair(&k->group, &k->secret, &k->point, draw, NULL);
    }
    return finish_key(out, k, rc == 0 ? WSRT_OK : WSRT_ERR_INTERNAL);
}

static int read_rsa(wsrt_jws_key *k, const wsrt_json *jwk)
{
    static const enum number wanted[] = {N, P, Q, D, E};
    mbedtls_mpi n[5];
    int rc = WSRT_OK;

    for (size_t i = 0; i < 5; i++)
        mbedtls_mpi_init(&n[i]);
    for (size_t i = 0; i < 5 && rc == WSRT_OK; i++)
        rc = read_number(jwk, wanted[i], &n[i]);
    if (rc == WSRT_OK &&
        (mbedtls_rsa_import(&k->rsa, &n[0], &n[1], &n[2], &n[3], &n[4]) != 0 ||
         mbedtls_rsa_complete(&k->rsa) != 0 || mbedtls_rsa_check_privkey(&k->rsa) != 0 ||
         mbedtls_mpi_bitlen(&n[0]) < RSA_BITS))
        rc = WSRT_ERR_REJECTED;
    for (size_t i = 0; i < 5; i++)
        mbedtls_mpi_free(&n[i]);
    return rc;
}

/* The public part is computed, not believed. */
static int read_ec(wsrt_jws_key *k, const wsrt_json *jwk)
{
    if (mbedtls_ecp_group_load(&k->group, MBEDTLS_ECP_DP_SECP256R1) != 0)
        return WSRT_ERR_NOMEM;
    int rc = read_number(jwk, D, &k->secret);
    if (rc == WSRT_OK &&
        (mbedtls_ecp_check_privkey(&k->group, &k->secret) != 0 ||
         mbedtls_ecp_mul(&k->group, &k->point, &k->secret, &k->group.G, draw, NULL) != 0))
        rc = WSRT_ERR_REJECTED;
    return rc;
}

int wsrt_jws_key_read(wsrt_jws_key **out, wsrt_span jwk, const char **why)
{
    wsrt_json root;
    int rc = wsrt_jwt_object(jwk, &root, why);

    *out = NULL;
    if (rc != WSRT_OK)
        return rc;
    wsrt_json type = wsrt_jwt_member(&root, "kty"), curve = wsrt_jwt_member(&root, "crv");
    int rsa = wsrt_json_equal(&type, wsrt_span_cstr("RSA"));
    *why = "neither an RSA key nor one on P-256";
    if (!rsa && (!wsrt_json_equal(&type, wsrt_span_cstr("EC")) ||
                 !wsrt_json_equal(&curve, wsrt_span_cstr("P-256"))))
        return WSRT_ERR_UNSUPPORTED;
    *why = "not a private key of at least 2048 bits or on P-256";
    wsrt_jws_key *k = empty_key(rsa ? WSRT_JWT_RS256 : WSRT_JWT_ES256);
    if (k == NULL)
        return WSRT_ERR_NOMEM;
    return finish_key(out, k, rsa ? read_rsa(k, &root) : read_ec(k, &root));
}

int wsrt_jws_key_algorithm(const wsrt_jws_key *k)
{
    return k->algorithm;
}

const char *wsrt_jws_key_kid(const wsrt_jws_key *k)
{
    return k->kid;
}

static void put(wsrt_json_writer *w, const char *name, const char *value)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, value);
}

static int write_key(wsrt_json_writer *w, const wsrt_jws_key *k, int is_private)
{
    static const enum number rsa[] = {N, E, D, P, Q, DP, DQ, QI}, ec[] = {X, Y, D};
    const enum number *wanted = is_rsa(k) ? rsa : ec;
    size_t count = is_private ? (is_rsa(k) ? 8 : 3) : 2;
    int rc = WSRT_OK;

    wsrt_json_object(w);
    put(w, "kty", is_rsa(k) ? "RSA" : "EC");
    if (!is_rsa(k))
        put(w, "crv", "P-256");
    put(w, "alg", is_rsa(k) ? "RS256" : "ES256");
    put(w, "use", "sig");
    put(w, "kid", k->kid);
    for (size_t i = 0; i < count && rc == WSRT_OK; i++)
        rc = write_number(w, k, wanted[i]);
    wsrt_json_object_end(w);
    return rc;
}

int wsrt_jws_key_write(const wsrt_jws_key *k, enum wsrt_jws_form form, char *dst, size_t cap,
                       size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    if (form == WSRT_JWS_PUBLIC_SET) {
        wsrt_json_object(&w);
        wsrt_json_key(&w, "keys");
        wsrt_json_array(&w);
    }
    int rc = write_key(&w, k, form == WSRT_JWS_PRIVATE);
    if (form == WSRT_JWS_PUBLIC_SET) {
        wsrt_json_array_end(&w);
        wsrt_json_object_end(&w);
    }
    return rc != WSRT_OK ? rc : wsrt_json_finish(&w, len);
}

/* ---- signing -------------------------------------------------------------------------------- */

static int sign_ec(const wsrt_jws_key *k, const unsigned char *hash, unsigned char *out)
{
    mbedtls_ecp_group *group = (mbedtls_ecp_group *)(uintptr_t)&k->group;
    mbedtls_mpi r, s;

    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int rc = mbedtls_ecdsa_sign(group, &r, &s, &k->secret, hash, HASH, draw, NULL);
    if (rc == 0)
        rc = mbedtls_mpi_write_binary(&r, out, COORDINATE);
    if (rc == 0)
        rc = mbedtls_mpi_write_binary(&s, out + COORDINATE, COORDINATE);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return rc;
}

static size_t add_part(char *dst, size_t at, wsrt_span part)
{
    return at + wsrt_jwt_encode(dst + at, part.ptr, part.len);
}

int wsrt_jws_sign(const wsrt_jws_key *k, const wsrt_jws_text *what, char *dst, size_t cap,
                  size_t *len)
{
    unsigned char hash[HASH], signature[RSA_BYTES_MAX];
    mbedtls_rsa_context *rsa = (mbedtls_rsa_context *)(uintptr_t)&k->rsa;
    size_t size = is_rsa(k) ? mbedtls_rsa_get_len(rsa) : 2 * COORDINATE;
    size_t raw = what->header.len + what->payload.len + size;

    if (raw > cap || raw / 3 * 4 + 12 > cap)
        return WSRT_ERR_LIMIT;
    size_t n = add_part(dst, 0, what->header);
    dst[n++] = '.';
    n = add_part(dst, n, what->payload);
    int rc = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const unsigned char *)dst, n,
                        hash);
    if (rc == 0 && is_rsa(k))
        rc = compat_rsa_sign(rsa, draw, NULL, MBEDTLS_MD_SHA256, HASH, hash, signature);
    else if (rc == 0)
        rc = sign_ec(k, hash, signature);
    if (rc != 0)
        return WSRT_ERR_INTERNAL;
    dst[n++] = '.';
    *len = add_part(dst, n, (wsrt_span){(const char *)signature, size});
    return WSRT_OK;
}
