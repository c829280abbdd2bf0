/* A token against the bare verification of its signature by mbedTLS, and a repeated token against a
 * first one; interleaved in one run. */
#include "bench.h"

#include "jwt/compat.h"
#include "jwt/sign.h"

#include <wsrt/json.h>
#include <wsrt/jwt.h>

enum { TOKEN_MAX = 4096, ES_CALLS = 60, RS_CALLS = 1500, QUICK_CALLS = 3, HITS = 20000 };

static const int64_t now_ms = INT64_C(1800000000000);

struct subject {
    const char *name;
    int algorithm;
    int calls, hits;
    wsrt_jws_key *key;
    wsrt_jwt *fresh, *remembering;
    char token[TOKEN_MAX];
    size_t len, input_len;
    unsigned char signature[512];
    size_t signature_len;
    mbedtls_rsa_context rsa;
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
};

static volatile int result;

static void require(int truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "bench_jwt: %s\n", what);
    exit(1);
}

/* ---- the floor: one digest, one verification ---- */

static size_t decode(unsigned char *dst, const char *text, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, n = 0;
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        const char *at = strchr(digits, text[i]);
        bits = bits << 6 | (unsigned)(at - digits);
        n += 6;
        if (n >= 8) {
            n -= 8;
            dst[out++] = (unsigned char)(bits >> n);
        }
    }
    return out;
}

static void bare_once(struct subject *s)
{
    unsigned char hash[32];
    mbedtls_mpi r, t;

    result += mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                         (const unsigned char *)s->token, s->input_len, hash);
    if (s->algorithm == WSRT_JWT_RS256) {
        result += compat_rsa_verify(&s->rsa, MBEDTLS_MD_SHA256, sizeof hash, hash, s->signature);
        return;
    }
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&t);
    mbedtls_mpi_read_binary(&r, s->signature, 32);
    mbedtls_mpi_read_binary(&t, s->signature + 32, 32);
    result += mbedtls_ecdsa_verify(&s->group, hash, sizeof hash, &s->point, &r, &t);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&t);
}

static double bare(struct subject *s)
{
    int64_t start = bench_cpu();

    for (int i = 0; i < s->calls; i++)
        bare_once(s);
    return (double)(bench_cpu() - start) / s->calls;
}

/* ---- ours ---- */

static double ours(struct subject *s, wsrt_jwt *j, int calls)
{
    wsrt_span token = {s->token, s->len};
    wsrt_auth_result out = {.struct_size = sizeof out};
    wsrt_authenticator a;

    wsrt_jwt_interface(j, &a);
    require(a.ops->authenticate(a.self, &token, now_ms, &out) == WSRT_OK,
            "a good token is refused");
    int64_t start = bench_cpu();
    for (int i = 0; i < calls; i++)
        result += a.ops->authenticate(a.self, &token, now_ms, &out);
    return (double)(bench_cpu() - start) / calls;
}

/* ---- set-up ---- */

static size_t number_of(const char *set, const char *name, unsigned char *dst)
{
    wsrt_json keys = {.text = wsrt_span_cstr(set), .kind = WSRT_JSON_OBJECT}, value;
    char pointer[32];

    snprintf(pointer, sizeof pointer, "/keys/0/%s", name);
    require(wsrt_json_find(&keys, wsrt_span_cstr(pointer), &value) == WSRT_OK, name);
    return decode(dst, value.text.ptr, value.text.len);
}

static void load_bare(struct subject *s, const char *set)
{
    unsigned char first[512], second[512], point[65] = {4};

    compat_rsa_init(&s->rsa);
    mbedtls_ecp_group_init(&s->group);
    mbedtls_ecp_point_init(&s->point);
    if (s->algorithm == WSRT_JWT_RS256) {
        size_t n = number_of(set, "n", first), e = number_of(set, "e", second);
        require(mbedtls_rsa_import_raw(&s->rsa, first, n, NULL, 0, NULL, 0, NULL, 0, second, e) ==
                        0 &&
                    mbedtls_rsa_complete(&s->rsa) == 0,
                "RSA");
        return;
    }
    number_of(set, "x", point + 1);
    number_of(set, "y", point + 33);
    require(mbedtls_ecp_group_load(&s->group, MBEDTLS_ECP_DP_SECP256R1) == 0 &&
                mbedtls_ecp_point_read_binary(&s->group, &s->point, point, sizeof point) == 0,
            "EC");
}

static void setup(struct subject *s)
{
    char set[WSRT_JWS_JWK_MAX], header[200];
    size_t len;
    wsrt_jwt_options o = {.struct_size = sizeof o, .cache_entries = -1};
    const char *claims = "{\"iss\":\"https://issuer.example/pool\",\"aud\":\"4f1g23a12aa\",\"sub\":"
                         "\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\",\"email\":\"ann@example.com\","
                         "\"cognito:groups\":[\"readers\",\"writers\"],\"iat\":1799999000,"
                         "\"exp\":1800003600,\"scope\":\"openid profile\",\"username\":\"ann\"}";

    require(wsrt_jws_key_make(&s->key, s->algorithm) == WSRT_OK, "no key");
    require(wsrt_jws_key_write(s->key, WSRT_JWS_PUBLIC_SET, set, sizeof set - 1, &len) == WSRT_OK,
            "no key set");
    set[len] = '\0';
    o.keys = wsrt_span_cstr(set);
    require(wsrt_jwt_new(&s->fresh, &o) == WSRT_OK, "no verifier");
    o.cache_entries = 0;
    require(wsrt_jwt_new(&s->remembering, &o) == WSRT_OK, "no verifier");
    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
             s->algorithm == WSRT_JWT_RS256 ? "RS256" : "ES256", wsrt_jws_key_kid(s->key));
    require(wsrt_jws_sign(s->key, &(wsrt_jws_text){wsrt_span_cstr(header), wsrt_span_cstr(claims)},
                          s->token, sizeof s->token, &s->len) == WSRT_OK,
            "no token");
    s->token[s->len] = '\0';
    s->input_len = (size_t)(strrchr(s->token, '.') - s->token);
    s->signature_len = decode(s->signature, s->token + s->input_len + 1, s->len - s->input_len - 1);
    load_bare(s, set);
    bare_once(s);
    require(result == 0, "the floor refuses the token");
}

static void measure(struct bench *b, struct subject *s)
{
    double floor_us[BENCH_PASSES], full[BENCH_PASSES], hit[BENCH_PASSES];
    char row[64];

    setup(s);
    for (int i = 0; i < BENCH_PASSES; i++) {
        double once = bare(s), fresh = ours(s, s->fresh, s->calls);
        floor_us[i] = once / 1000;
        full[i] = fresh / once;
        hit[i] = fresh / ours(s, s->remembering, s->hits);
    }
    snprintf(row, sizeof row, "%s_bare_us", s->name);
    bench_row(b, row, bench_median(floor_us, BENCH_PASSES), "us");
    snprintf(row, sizeof row, "%s_verify", s->name);
    bench_row(b, row, bench_median(full, BENCH_PASSES), "bare verifications (goal 1.1)");
    snprintf(row, sizeof row, "%s_repeat", s->name);
    bench_row(b, row, bench_median(hit, BENCH_PASSES), "times faster (goal 20)");
    wsrt_jws_key_free(s->key);
    wsrt_jwt_free(s->fresh);
    wsrt_jwt_free(s->remembering);
    mbedtls_rsa_free(&s->rsa);
    mbedtls_ecp_point_free(&s->point);
    mbedtls_ecp_group_free(&s->group);
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {
        {.name = "es256", .algorithm = WSRT_JWT_ES256, .calls = ES_CALLS, .hits = HITS},
        {.name = "rs256", .algorithm = WSRT_JWT_RS256, .calls = RS_CALLS, .hits = HITS},
    };
    struct bench b = bench_start(argc, argv);

    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        if (b.quick)
            subjects[i].calls = subjects[i].hits = QUICK_CALLS;
        measure(&b, &subjects[i]);
    }
    bench_end(&b);
    return 0;
}
