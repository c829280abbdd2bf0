/* Where the verifier's limits lie, and what it remembers. */
#include "jwt_rig.h"

#include "guarded.h"
#include "heap.h"
#include "jwt/keys.h"
#include "jwt/strict.h"

#include <stdlib.h>
#include <unistd.h>

static char text[WSRT_JWT_KEYS_BYTES + 4096];
static struct heap heap;

/* ---- keys ---- */

/* Appends an RSA key of so many bytes, which a real one would look like from outside. */
static size_t put_rsa(size_t at, unsigned char first, size_t size, const char *e, const char *kid)
{
    static unsigned char n[1100];

    memset(n, 0xff, sizeof n);
    n[0] = first;
    at += (size_t)sprintf(text + at, "{\"kty\":\"RSA\",\"e\":\"%s\",%s\"n\":\"", e, kid);
    at += wsrt_jwt_encode(text + at, n, size);
    return at + (size_t)sprintf(text + at, "\"}");
}

static int take_set(size_t len)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j;

    o.keys = (wsrt_span){text, len};
    int rc = wsrt_jwt_new(&j, &o);
    wsrt_jwt_free(j);
    return rc;
}

static const struct {
    const char *what;
    unsigned char first;
    size_t size;
    const char *e;
    int status;
} moduli[] = {
    {"2048 bits", 0x80, 256, "AQAB", WSRT_OK},
    {"2047 bits", 0x7f, 256, "AQAB", WSRT_ERR_REJECTED},
    {"8192 bits", 0xff, 1024, "AQAB", WSRT_OK},
    {"8193 bits", 0x01, 1025, "AQAB", WSRT_ERR_REJECTED},
    {"an exponent of 4 bytes", 0x80, 256, "AQAAAQ", WSRT_OK},
    {"an exponent of 5 bytes", 0x80, 256, "AQAAAAE", WSRT_ERR_REJECTED},
};

START_TEST(an_rsa_key_has_2048_to_8192_bits)
{
    size_t n = (size_t)sprintf(text, "{\"keys\":[");

    n = put_rsa(n, moduli[_i].first, moduli[_i].size, moduli[_i].e, "");
    n += (size_t)sprintf(text + n, "]}");
    ck_assert_msg(take_set(n) == moduli[_i].status, "%s", moduli[_i].what);
}
END_TEST

START_TEST(a_set_has_at_most_64_keys)
{
    for (int count = 64; count <= 65; count++) {
        size_t n = (size_t)sprintf(text, "{\"keys\":[");
        for (int i = 0; i < count; i++) {
            char kid[32];
            snprintf(kid, sizeof kid, "\"kid\":\"%d\",", i);
            n = put_rsa(n, 0xff, 256, "Aw", kid);
            text[n++] = i + 1 < count ? ',' : ']';
        }
        text[n++] = '}';
        ck_assert_int_eq(take_set(n), count == 64 ? WSRT_OK : WSRT_ERR_REJECTED);
    }
}
END_TEST

START_TEST(the_text_of_a_set_has_at_most_64_kib)
{
    memset(text, ' ', sizeof text);
    memcpy(text, jwks, strlen(jwks));
    ck_assert_int_eq(take_set(65536), WSRT_OK);
    ck_assert_int_eq(take_set(65537), WSRT_ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_file_of_keys_has_at_most_64_kib)
{
    char path[] = "/tmp/wsrt-jwks-XXXXXX";
    int fd = mkstemp(path);
    wsrt_jwt_options o = usual();
    wsrt_jwt *j;

    memset(text, ' ', sizeof text);
    memcpy(text, jwks, strlen(jwks));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, 65537), 65537);
    o.keys = (wsrt_span){NULL, 0};
    o.keys_file = TEXT(path);
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_ERR_TOO_LARGE);
    ck_assert_int_eq(ftruncate(fd, 65536), 0);
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_OK);
    wsrt_jwt_free(j);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(a_kid_has_at_most_256_bytes)
{
    for (int len = 256; len <= 257; len++) {
        char kid[512], header[512];
        wsrt_jwt_options o = usual();
        size_t n = (size_t)sprintf(text, "{\"keys\":[");
        snprintf(kid, sizeof kid, "\"kid\":\"%0*d\",", len, 0);
        n = put_rsa(n, 0xff, 256, "Aw", kid);
        n += (size_t)sprintf(text + n, "]}");
        ck_assert_int_eq(take_set(n), len == 256 ? WSRT_OK : WSRT_ERR_REJECTED);
        snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%0*d\"}", len, 0);
        ck_assert_str_eq(reason_of(&o, sign_with(ours, header, good_claims)),
                         len == 256 ? "no key of this kid"
                                    : "header: kid is not a string of 1 to 256 bytes");
    }
}
END_TEST

START_TEST(a_key_without_a_kid_is_nobodys_who_names_one)
{
    wsrt_jwt_options o = usual();

    heap_init(&heap);
    o.allocator = heap.allocator;
    size_t n = (size_t)sprintf(text, "{\"keys\":[");
    n = put_rsa(n, 0xff, 256, "Aw", "");
    n += (size_t)sprintf(text + n, "]}");
    o.keys = (wsrt_span){text, n};
    ck_assert_str_eq(
        reason_of(&o, sign_with(ours, "{\"alg\":\"RS256\",\"kid\":\"x\"}", good_claims)),
        "no key of this kid");
    ck_assert_str_eq(reason_of(&o, sign_with(ours, "{\"alg\":\"RS256\"}", good_claims)),
                     "the signature is not the key's");
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

/* RFC 7638, of the key in RFC 7515, appendix A.3. */
START_TEST(a_kid_is_the_thumbprint_of_its_key)
{
    wsrt_jws_key *k;
    const char *why;

    ck_assert_int_eq(
        wsrt_jws_key_read(&k,
                          TEXT("{\"kty\":\"EC\",\"crv\":\"P-256\","
                               "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"),
                          &why),
        WSRT_OK);
    ck_assert_str_eq(wsrt_jws_key_kid(k), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    wsrt_jws_key_free(k);
}
END_TEST

/* ---- fetchers ---- */

struct answer {
    size_t len; /* 0 = that of the set */
    int rc, calls;
};

static int fetch(void *self, wsrt_jwks_fetch *f)
{
    struct answer *a = self;

    a->calls++;
    memset(f->dst, ' ', f->cap);
    memcpy(f->dst, jwks, strlen(jwks));
    f->len = a->len != 0 ? a->len : strlen(jwks);
    return a->rc;
}

static const wsrt_jwks_fetcher_ops ops = {.struct_size = sizeof ops, .fetch = fetch};

static wsrt_jwt *make_remote(struct answer *answer)
{
    wsrt_jwt_options o = usual();
    wsrt_jwks_fetcher fetcher = {&ops, answer};

    o.keys = (wsrt_span){NULL, 0};
    o.keys_url = TEXT("https://example.com/jwks.json");
    o.fetcher = &fetcher;
    return make(&o);
}

static const struct {
    struct answer answer;
    int status;
} answers[] = {
    {{65536, WSRT_OK, 0}, WSRT_OK},
    {{65537, WSRT_OK, 0}, WSRT_ERR_INTERNAL},
    {{SIZE_MAX, WSRT_OK, 0}, WSRT_ERR_INTERNAL},
    {{0, 1, 0}, WSRT_ERR_INTERNAL},
    {{65537, WSRT_ERR_IO, 0}, WSRT_ERR_IO},
};

START_TEST(what_a_fetcher_cannot_have_fetched_is_no_set)
{
    struct answer answer = answers[_i].answer;
    wsrt_jwt *j = make_remote(&answer);

    ck_assert_int_eq(wsrt_jwt_refresh(j), answers[_i].status);
    ck_assert_int_eq(answer.calls, 1);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(a_kid_of_one_byte_may_be_a_new_keys_too)
{
    struct answer answer = {0};
    wsrt_jwt *j = make_remote(&answer);

    ck_assert_int_eq(wsrt_jwt_set_keys(j, TEXT(other_jwks)), WSRT_OK);
    ck_assert_int_eq(ask(j, sign_with(ours, "{\"alg\":\"ES256\",\"kid\":\"x\"}", good_claims)),
                     WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(answer.calls, 1);
    wsrt_jwt_free(j);
}
END_TEST

/* ---- objects ---- */

static int is_object(const char *object, const char **why)
{
    wsrt_json out;

    *why = "";
    return wsrt_jwt_object(TEXT(object), &out, why);
}

START_TEST(on_the_way_to_a_value_lie_at_most_256_members)
{
    const char *why;

    for (int count = 256; count <= 257; count++) {
        size_t n = (size_t)sprintf(text, "{\"outer\":{");
        for (int i = 1; i < count; i++)
            n += (size_t)sprintf(text + n, "%s\"%d\":0", i > 1 ? "," : "", i);
        sprintf(text + n, "}}");
        ck_assert_int_eq(is_object(text, &why), count == 256 ? WSRT_OK : WSRT_ERR_REJECTED);
        ck_assert_str_eq(why, count == 256 ? "" : "too many members");
    }
}
END_TEST

START_TEST(a_name_has_at_most_256_bytes)
{
    const char *why;

    for (int len = 256; len <= 257; len++) {
        sprintf(text, "{\"%0*d\":0}", len, 0);
        ck_assert_int_eq(is_object(text, &why), len == 256 ? WSRT_OK : WSRT_ERR_REJECTED);
        ck_assert_str_eq(why, len == 256 ? "" : "a name is too long");
    }
}
END_TEST

START_TEST(of_many_names_only_a_second_one_is_refused)
{
    const char *why;

    for (int twice = 0; twice < 200; twice++) {
        size_t n = (size_t)sprintf(text, "{\"a\":[{\"0\":1,\"1\":1},{\"0\":1}]");
        for (int i = 0; i < 200; i++)
            n += (size_t)sprintf(text + n, ",\"%d\":{\"%d\":0}", i, i);
        strcpy(text + n, "}");
        ck_assert_int_eq(is_object(text, &why), WSRT_OK);
        sprintf(text + n, ",\"%d\":0}", twice);
        ck_assert_int_eq(is_object(text, &why), WSRT_ERR_REJECTED);
        ck_assert_str_eq(why, "a member is there twice");
    }
}
END_TEST

/* ---- options ---- */

START_TEST(options_hold_up_to_their_bounds)
{
    wsrt_jwt_options o = usual();
    wsrt_span audiences[16];
    char names[16];

    for (int i = 0; i < 16; i++) {
        names[i] = (char)('a' + i);
        audiences[i] = (wsrt_span){&names[i], 1};
    }
    o.audiences = audiences;
    o.audience_count = 16;
    o.leeway_s = 60;
    o.cache_entries = 65536;
    for (int i = 0; i < 16; i++) {
        char claims[128];
        snprintf(claims, sizeof claims,
                 "{\"iss\":\"me\",\"aud\":\"%c\",\"sub\":\"u\",\"exp\":1000060}", names[i]);
        ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, claims)), "");
    }
    ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, good_claims)), "aud is not the audience");
}
END_TEST

START_TEST(without_wanted_clients_an_access_token_is_for_any)
{
    wsrt_jwt_options o = usual();
    static const char claims[] = "{\"iss\":\"me\",\"sub\":\"u\",\"exp\":1000060,"
                                 "\"token_use\":\"access\",\"client_id\":\"any\"}";

    o.token_use = TEXT("access");
    ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, claims)), "client_id is not the audience");
    o.audience_count = 0;
    ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, claims)), "");
}
END_TEST

START_TEST(nobody_has_no_interface)
{
    wsrt_authenticator a = {0};
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);

    wsrt_jwt_interface(NULL, &a);
    wsrt_jwt_interface(j, NULL);
    ck_assert_ptr_null(a.ops);
    wsrt_jwt_free(j);
}
END_TEST

/* ---- remembered tokens ---- */

/* Judges a token as a connection's; whether that cost memory, which is to remember it. */
static int is_new(wsrt_jwt *j, wsrt_span token)
{
    heap_arm(&heap, 0, 0);
    ck_assert_int_eq(ask(j, token), WSRT_OK);
    return heap.calls > 0;
}

static wsrt_jwt *make_counted(int32_t entries)
{
    wsrt_jwt_options o = usual();

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.cache_entries = entries;
    return make(&o);
}

START_TEST(nothing_is_remembered_where_that_is_not_wanted)
{
    wsrt_jwt *j = make_counted(-1);
    wsrt_span t = sign_with(ours, NULL, good_claims);

    ck_assert_int_eq(is_new(j, t), 0);
    ck_assert_int_eq(is_new(j, t), 0);
    wsrt_jwt_free(j);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

static void expect_claim(wsrt_span got, const char *name, int is_long)
{
    char want[512];

    snprintf(want, sizeof want, "%s%0*d", name, is_long ? 400 : 3, 0);
    ck_assert(wsrt_span_equal(got, TEXT(want)));
}

START_TEST(of_a_remembered_bearer_everything_is_remembered)
{
    char claims[1024];
    int wide[5] = {3, 3, 3, 3, 3};
    wsrt_jwt *j = make_counted(4);

    wide[_i] = 400;
    snprintf(
        claims, sizeof claims,
        "{\"iss\":\"me\",\"aud\":\"app\",\"exp\":1000060,\"sub\":\"u%0*d\",\"username\":\"n%0*d\","
        "\"email\":\"e%0*d\",\"groups\":[\"g%0*d\"],\"scope\":\"s%0*d\"}",
        wide[0], 0, wide[1], 0, wide[2], 0, wide[3], 0, wide[4], 0);
    wsrt_span t = sign_with(ours, NULL, claims);
    for (int again = 0; again < 2; again++) {
        wsrt_auth_result out;
        ck_assert_int_eq(is_new(j, t), !again);
        ck_assert_int_eq(ask_at(j, t, now_ms, &out), WSRT_OK);
        expect_claim(out.principal->user_id, "u", _i == 0);
        expect_claim(out.principal->username, "n", _i == 1);
        expect_claim(out.principal->email, "e", _i == 2);
        expect_claim(out.principal->groups, "g", _i == 3);
        expect_claim(out.principal->scopes, "s", _i == 4);
    }
    wsrt_jwt_free(j);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(a_token_is_remembered_once_however_often_it_is_reported)
{
    wsrt_jwt *j = make_counted(4);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    size_t before = heap.blocks;

    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(wsrt_jwt_verify(j, t, now_ms, NULL), WSRT_OK);
    ck_assert_uint_eq(heap.blocks, before + 1);
    ck_assert_int_eq(is_new(j, t), 0);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(of_remembered_tokens_the_one_that_ends_first_makes_room)
{
    static const int ends[] = {63, 61, 64, 62, 65};
    static char kept[5][1024];
    wsrt_jwt *j = make_counted(4);

    for (int i = 0; i < 5; i++) {
        char claims[128];
        snprintf(claims, sizeof claims, CLAIMS("\"exp\":10000%d"), ends[i]);
        wsrt_span t = sign_with(ours, NULL, claims);
        snprintf(kept[i], sizeof kept[i], "%.*s", (int)t.len, t.ptr);
        ck_assert_int_eq(is_new(j, TEXT(kept[i])), 1);
    }
    for (int i = 0; i < 5; i++)
        if (i != 1)
            ck_assert_int_eq(is_new(j, TEXT(kept[i])), 0);
    ck_assert_int_eq(is_new(j, TEXT(kept[1])), 1);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(a_remembered_token_is_good_with_its_own_signature_alone)
{
    wsrt_jwt *j = make_counted(4);
    wsrt_span t = sign_with(ours, NULL, good_claims);

    ck_assert_int_eq(is_new(j, t), 1);
    for (size_t i = 1; i <= 86; i++) {
        char c = token_text[t.len - i];
        token_text[t.len - i] = c == 'A' ? 'B' : 'A';
        ck_assert_int_eq(ask(j, t), WSRT_ERR_UNAUTHENTICATED);
        token_text[t.len - i] = c;
    }
    ck_assert_int_eq(ask(j, (wsrt_span){t.ptr, t.len - 1}), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(is_new(j, t), 0);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(nothing_behind_a_token_is_read)
{
    wsrt_jwt *j = make_counted(4);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    char *alone = guarded_copy(t.ptr, t.len);

    ck_assert_int_eq(is_new(j, (wsrt_span){alone, t.len}), 1);
    ck_assert_int_eq(is_new(j, (wsrt_span){alone, t.len}), 0);
    guarded_free(alone, t.len);
    wsrt_jwt_free(j);
}
END_TEST

Suite *suite(void)
{
    TCase *t = tcase_create("bounds");

    tcase_add_loop_test(t, an_rsa_key_has_2048_to_8192_bits, 0, sizeof moduli / sizeof moduli[0]);
    tcase_add_test(t, a_set_has_at_most_64_keys);
    tcase_add_test(t, the_text_of_a_set_has_at_most_64_kib);
    tcase_add_test(t, a_file_of_keys_has_at_most_64_kib);
    tcase_add_test(t, a_kid_has_at_most_256_bytes);
    tcase_add_test(t, a_key_without_a_kid_is_nobodys_who_names_one);
    tcase_add_test(t, a_kid_is_the_thumbprint_of_its_key);
    tcase_add_loop_test(t, what_a_fetcher_cannot_have_fetched_is_no_set, 0,
                        sizeof answers / sizeof answers[0]);
    tcase_add_test(t, a_kid_of_one_byte_may_be_a_new_keys_too);
    tcase_add_test(t, without_wanted_clients_an_access_token_is_for_any);
    tcase_add_test(t, nobody_has_no_interface);
    tcase_add_test(t, on_the_way_to_a_value_lie_at_most_256_members);
    tcase_add_test(t, a_name_has_at_most_256_bytes);
    tcase_add_test(t, of_many_names_only_a_second_one_is_refused);
    tcase_add_test(t, options_hold_up_to_their_bounds);
    tcase_add_test(t, nothing_is_remembered_where_that_is_not_wanted);
    tcase_add_loop_test(t, of_a_remembered_bearer_everything_is_remembered, 0, 5);
    tcase_add_test(t, a_token_is_remembered_once_however_often_it_is_reported);
    tcase_add_test(t, of_remembered_tokens_the_one_that_ends_first_makes_room);
    tcase_add_test(t, a_remembered_token_is_good_with_its_own_signature_alone);
    tcase_add_test(t, nothing_behind_a_token_is_read);
    return suite_of("jwt_bounds", t);
}
