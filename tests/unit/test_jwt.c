/* What a token is judged by, with tokens signed here; tests/integration/test_jwt_jose.py brings those of
 * another library. */
#include "jwt_rig.h"

#include "jwt/mbed.h"

/* ---- who ---- */

START_TEST(a_good_token_names_its_bearer)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_auth_result out;
    wsrt_span t = sign_with(ours, NULL,
                            "{\"iss\":\"me\",\"aud\":[\"x\",\"app\"],\"sub\":\"u\\u0031\","
                            "\"exp\":1000060.9,\"cognito:username\":\"ann\",\"email\":\"a@b\","
                            "\"cognito:groups\":[\"a\",\"b c\",\"\",\"d\"],\"scope\":\"r w\"}");

    ck_assert_int_eq(ask_at(j, t, now_ms, &out), WSRT_OK);
    ck_assert_int_eq(out.reason, WSRT_AUTH_OK);
    ck_assert(wsrt_span_equal(out.principal->user_id, TEXT("u1")));
    ck_assert(wsrt_span_equal(out.principal->username, TEXT("ann")));
    ck_assert(wsrt_span_equal(out.principal->email, TEXT("a@b")));
    ck_assert(wsrt_span_equal(out.principal->groups, TEXT("a d")));
    ck_assert(wsrt_span_equal(out.principal->scopes, TEXT("r w")));
    ck_assert_int_eq(out.principal->expires_at, NOW_S + 60);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(the_leeway_moves_the_end_of_the_session_too)
{
    wsrt_jwt_options o = usual();
    wsrt_auth_result out;

    o.leeway_s = 60;
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    ck_assert_int_eq(ask_at(j, t, now_ms + 119999, &out), WSRT_OK);
    ck_assert_int_eq(out.principal->expires_at, NOW_S + 120);
    ck_assert_int_eq(ask_at(j, t, now_ms + 120000, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, WSRT_AUTH_TOKEN_EXPIRED);
    ck_assert_int_eq(out.expires_at, NOW_S + 60);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(an_authenticator_that_does_not_know_the_time_admits_nobody)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_auth_result out;
    wsrt_span t = sign_with(ours, NULL, good_claims);

    ck_assert_int_eq(ask_at(j, t, 0, &out), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(ask_at(j, t, -1, &out), WSRT_ERR_UNAVAILABLE);
    ck_assert_ptr_null(out.principal);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(no_token_is_a_missing_token)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_auth_result out;

    ck_assert_int_eq(ask_at(j, (wsrt_span){NULL, 0}, now_ms, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, WSRT_AUTH_MISSING_TOKEN);
    wsrt_jwt_free(j);
}
END_TEST

/* ---- what a token may say ---- */

static const struct {
    const char *claims;
    const char *why;
} said[] = {
    {CLAIMS("\"exp\":1000001"), ""},
    {CLAIMS("\"exp\":1000000.5"), ""},
    {CLAIMS("\"exp\":1e7"), ""},
    {CLAIMS("\"exp\":9007199254740992"), ""},
    {CLAIMS("\"exp\":1000000"), "expired"},
    {CLAIMS("\"exp\":0"), "expired"},
    {CLAIMS("\"exp\":9007199254740994"), "exp is not a time"},
    {CLAIMS("\"exp\":1e400"), "exp is not a time"},
    {CLAIMS("\"exp\":-1"), "exp is not a time"},
    {CLAIMS("\"exp\":\"1000060\""), "exp is not a time"},
    {CLAIMS("\"exp\":null"), "exp is not a time"},
    {CLAIMS("\"exp\":true"), "exp is not a time"},
    {CLAIMS("\"exp\":[1000060]"), "exp is not a time"},
    {CLAIMS("\"exp\":NaN"), "not JSON"},
    {CLAIMS("\"exp\":Infinity"), "not JSON"},
    {CLAIMS("\"nbf\":1"), "exp is missing"},
    {CLAIMS("\"exp\":1000060,\"nbf\":1000000"), ""},
    {CLAIMS("\"exp\":1000060,\"nbf\":1000000.001"), "not valid yet"},
    {CLAIMS("\"exp\":1000060,\"nbf\":\"0\""), "nbf is not a time"},
    {CLAIMS("\"exp\":1000060,\"nbf\":-5"), "nbf is not a time"},
    {CLAIMS("\"exp\":1000060,\"iat\":2000000"), ""},
    {CLAIMS("\"exp\":1000060,\"iat\":{}"), "iat is not a time"},
    {CLAIMS("\"exp\":1000060,\"exp\":1000060"), "a member is there twice"},
    {CLAIMS("\"exp\":1000060,\"\\u0065xp\":1000060"), "a member is there twice"},
    {CLAIMS("\"exp\":1000060,\"x\":{\"a\":[{\"b\":1,\"b\":2}]}"), "a member is there twice"},
    {CLAIMS("\"exp\":1000060,\"x\":{\"b\":1},\"y\":{\"b\":1}"), ""},
    {CLAIMS("\"exp\":1000060,\"x\":{\"x\":{\"x\":1},\"y\":{\"x\":1}},\"y\":1"), ""},
    {CLAIMS("\"exp\":1000060,\"x\":{\"y\":{\"x\":1}},\"y\":1,\"x\":2"), "a member is there twice"},
    {CLAIMS("\"exp\":1000060,\"a\\u0000b\":1"), "a name holds a NUL"},
    {CLAIMS("\"exp\":1000060,\"x\":[[[[[[[1]]]]]]]"), ""},
    {CLAIMS("\"exp\":1000060,\"x\":[[[[[[[[1]]]]]]]]"), "too many levels"},
    {CLAIMS("\"exp\":1000060,\"x\":\"\xff\""), "not JSON"},
    {CLAIMS("\"exp\":1000060") " ", ""},
    {CLAIMS("\"exp\":1000060") "{}", "not JSON"},
    {"[]", "not a JSON object"},
    {"", "not JSON"},
    {"{\"aud\":\"app\",\"sub\":\"u1\",\"exp\":1000060}", "iss is not the issuer"},
    {"{\"iss\":\"you\",\"aud\":\"app\",\"sub\":\"u1\",\"exp\":1000060}", "iss is not the issuer"},
    {"{\"iss\":\"me/\",\"aud\":\"app\",\"sub\":\"u1\",\"exp\":1000060}", "iss is not the issuer"},
    {"{\"iss\":[\"me\"],\"aud\":\"app\",\"sub\":\"u1\",\"exp\":1000060}", "iss is not a string"},
    {"{\"iss\":\"me\",\"sub\":\"u1\",\"exp\":1000060}", "aud is not the audience"},
    {"{\"iss\":\"me\",\"aud\":\"ap\",\"sub\":\"u1\",\"exp\":1000060}", "aud is not the audience"},
    {"{\"iss\":\"me\",\"aud\":[],\"sub\":\"u1\",\"exp\":1000060}", "aud is not the audience"},
    {"{\"iss\":\"me\",\"aud\":[\"app\",1],\"sub\":\"u1\",\"exp\":1000060}",
     "aud holds what is no string"},
    {"{\"iss\":\"me\",\"aud\":{\"app\":1},\"sub\":\"u1\",\"exp\":1000060}",
     "aud is neither a string nor an array"},
    {"{\"iss\":\"me\",\"aud\":\"app\",\"exp\":1000060}", "sub is missing"},
    {"{\"iss\":\"me\",\"aud\":\"app\",\"sub\":\"\",\"exp\":1000060}", "sub is missing"},
    {"{\"iss\":\"me\",\"aud\":\"app\",\"sub\":7,\"exp\":1000060}", "a name is not a string"},
    {"{\"iss\":\"me\",\"aud\":\"app\",\"sub\":\"u\\u0000\",\"exp\":1000060}",
     "a name holds a control character"},
    {CLAIMS("\"exp\":1000060,\"groups\":\"admin\""), "groups are not an array"},
};

START_TEST(claims_are_judged_by_the_rules)
{
    wsrt_jwt_options o = usual();

    ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, said[_i].claims)), said[_i].why);
}
END_TEST

START_TEST(a_bearer_whose_text_does_not_fit_is_refused)
{
    wsrt_jwt_options o = usual();
    char claims[2048];

    for (size_t i = 1022; i < 1024; i++) {
        int n = snprintf(claims, sizeof claims, CLAIMS("\"exp\":1000060,\"email\":\"%0*d\""),
                         (int)i, 0);
        ck_assert_int_lt(n, (int)sizeof claims);
        ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, claims)),
                         i == 1022 ? "" : "who it is about does not fit");
    }
}
END_TEST

static const struct {
    const char *use;
    const char *claims;
    const char *why;
} cognito[] = {
    {"access", "\"token_use\":\"access\",\"client_id\":\"app\"", ""},
    {"access", "\"token_use\":\"access\",\"client_id\":\"app\",\"aud\":\"other\"", ""},
    {"access", "\"token_use\":\"access\",\"client_id\":\"no\"", "client_id is not the audience"},
    {"access", "\"token_use\":\"access\",\"aud\":\"app\"", "client_id is not the audience"},
    {"access", "\"token_use\":\"id\",\"aud\":\"app\"", "token_use is not the one wanted"},
    {"access", "\"client_id\":\"app\"", "token_use is not the one wanted"},
    {"id", "\"token_use\":\"id\",\"aud\":\"app\"", ""},
    {"id", "\"token_use\":\"id\",\"client_id\":\"app\"", "aud is not the audience"},
    {"id", "\"token_use\":\"access\",\"client_id\":\"app\"", "token_use is not the one wanted"},
};

START_TEST(tokens_of_cognito_are_for_one_use_and_one_client)
{
    wsrt_jwt_options o = usual();
    char claims[512];

    o.token_use = TEXT(cognito[_i].use);
    snprintf(claims, sizeof claims, "{\"iss\":\"me\",\"sub\":\"u1\",\"exp\":1000060,%s}",
             cognito[_i].claims);
    ck_assert_str_eq(reason_of(&o, sign_with(ours, NULL, claims)), cognito[_i].why);
}
END_TEST

/* ---- what its header may say ---- */

static const struct {
    const char *header;
    const char *why;
} headers[] = {
    {"{\"alg\":\"ES256\"}", ""}, /* the only key there is */
    {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"cty\":\"x\"}", ""},
    {"{\"alg\":\"ES256\",\"typ\":1}", "header: typ is not a string"},
    {"{\"alg\":\"none\"}", "header: alg is none of ours"},
    {"{\"alg\":\"es256\"}", "header: alg is none of ours"},
    {"{\"alg\":\"ES256 \"}", "header: alg is none of ours"},
    {"{\"alg\":\"ES256K\"}", "header: alg is none of ours"},
    {"{\"alg\":[\"ES256\"]}", "header: alg is none of ours"},
    {"{\"typ\":\"JWT\"}", "header: alg is none of ours"},
    {"{\"alg\":\"ES384\"}", "alg is not the key's"},
    {"{\"alg\":\"RS256\"}", "alg is not the key's"},
    {"{\"alg\":\"HS256\"}", "alg is not the key's"},
    {"{\"alg\":\"none\",\"alg\":\"ES256\"}", "a member is there twice"},
    {"{\"alg\":\"ES256\",\"crit\":[]}", "header: crit"},
    {"{\"alg\":\"ES256\",\"crit\":null}", "header: crit"},
    {"{\"alg\":\"ES256\",\"b64\":true}", "header: b64"},
    {"{\"alg\":\"ES256\",\"b64\":false}", "header: b64"},
    {"{\"alg\":\"ES256\",\"zip\":\"DEF\"}", "header: zip"},
    {"{\"alg\":\"ES256\",\"jku\":\"https://x\"}", "header: jku"},
    {"{\"alg\":\"ES256\",\"jwk\":{}}", "header: jwk"},
    {"{\"alg\":\"ES256\",\"x5u\":\"https://x\"}", "header: x5u"},
    {"{\"alg\":\"ES256\",\"x5c\":[]}", "header: x5c"},
    {"{\"alg\":\"ES256\",\"\\u0063rit\":[]}", "header: crit"},
    {"{\"alg\":\"ES256\",\"kid\":\"\"}", "header: kid is not a string of 1 to 256 bytes"},
    {"{\"alg\":\"ES256\",\"kid\":1}", "header: kid is not a string of 1 to 256 bytes"},
    {"{\"alg\":\"ES256\",\"kid\":\"../../etc/passwd\"}", "no key of this kid"},
    {"[\"ES256\"]", "not a JSON object"},
};

START_TEST(headers_are_judged_before_any_key_is_used)
{
    wsrt_jwt_options o = usual();

    ck_assert_str_eq(reason_of(&o, sign_with(ours, headers[_i].header, good_claims)),
                     headers[_i].why);
}
END_TEST

/* ---- shapes ---- */

/* Characters put in the place of others, counted from the end for a negative place. */
static const struct {
    int place;
    const char *text;
    const char *why;
} shapes[] = {
    {0, "", ""},
    {-1, "=", "not base64url"},
    {-1, "==", "not base64url"},
    {0, " ", "not base64url"},
    {-1, "\n", "not base64url"},
    {-1, ".", "more than three parts"},
    {-1, ".x.y", "more than three parts"},
    {-1, "A", "the signature is not the key's"}, /* 87 characters are 65 bytes */
    {-1, "AAA", "not base64url"},
};

START_TEST(a_token_has_three_strict_parts)
{
    wsrt_jwt_options o = usual();
    wsrt_span t = sign_with(ours, NULL, good_claims);
    size_t n = strlen(shapes[_i].text), at = shapes[_i].place < 0 ? t.len : 0;

    memmove(token_text + at + n, token_text + at, t.len - at);
    memcpy(token_text + at, shapes[_i].text, n);
    ck_assert_str_eq(reason_of(&o, (wsrt_span){token_text, t.len + n}), shapes[_i].why);
}
END_TEST

START_TEST(a_prefix_of_a_token_is_no_token)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);

    ck_assert_int_eq(ask(j, t), WSRT_OK);
    for (size_t n = 0; n < t.len; n++)
        ck_assert_int_eq(ask(j, (wsrt_span){t.ptr, n}), WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(no_single_character_can_be_another)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);

    for (size_t i = 0; i < t.len; i += 3) {
        char kept = token_text[i];
        token_text[i] = kept == 'A' ? 'B' : 'A';
        ck_assert_int_eq(ask(j, t), WSRT_ERR_UNAUTHENTICATED);
        token_text[i] = kept;
    }
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(spare_bits_are_zero)
{
    unsigned char out[8];
    size_t len;

    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QQ"), &len), WSRT_OK);
    ck_assert_uint_eq(len, 1);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QR"), &len), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QUI"), &len), WSRT_OK);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QUJ"), &len), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("Q"), &len), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QUJD"), &len), WSRT_OK);
    ck_assert_mem_eq(out, "ABC", 3);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QUJDR"), &len), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QU+D"), &len), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_jwt_decode(out, TEXT("QU/D"), &len), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(a_token_of_more_than_10000_bytes_is_not_looked_at)
{
    wsrt_jwt_options o = usual();

    memset(token_text, 'A', 10001);
    ck_assert_str_eq(reason_of(&o, (wsrt_span){token_text, 10001}), "longer than 10000 bytes");
    ck_assert_str_eq(reason_of(&o, (wsrt_span){token_text, 10000}), "fewer than three parts");
}
END_TEST

/* ---- signatures ---- */

/* Puts r and s in the place of the signature, each one byte and the rest zero, or the order n. */
static wsrt_span with_signature(const unsigned char *signature, size_t size)
{
    wsrt_span t = sign_with(ours, NULL, good_claims);

    while (token_text[t.len - 1] != '.')
        t.len--;
    t.len += wsrt_jwt_encode(token_text + t.len, signature, size);
    return t;
}

START_TEST(r_and_s_lie_between_1_and_the_order)
{
    static const unsigned char order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                            0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    wsrt_jwt_options o = usual();
    unsigned char rs[64] = {0};
    static const char why[] = "the signature is not the key's";

    ck_assert_str_eq(reason_of(&o, with_signature(rs, 64)), why);
    rs[31] = 1;
    ck_assert_str_eq(reason_of(&o, with_signature(rs, 64)), why);
    memcpy(rs + 32, order, 32);
    ck_assert_str_eq(reason_of(&o, with_signature(rs, 64)), why);
    memcpy(rs, order, 32);
    ck_assert_str_eq(reason_of(&o, with_signature(rs, 64)), why);
    memset(rs, 0xff, 64);
    ck_assert_str_eq(reason_of(&o, with_signature(rs, 64)), why);
    ck_assert_str_eq(reason_of(&o, with_signature(rs, 63)), why);
    ck_assert_str_eq(reason_of(&o, with_signature(rs, 0)), "no signature");
}
END_TEST

START_TEST(another_key_of_the_same_kid_signs_nothing)
{
    wsrt_jwt_options o = usual();
    char header[256];

    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", wsrt_jws_key_kid(ours));
    ck_assert_str_eq(reason_of(&o, sign_with(theirs, header, good_claims)),
                     "the signature is not the key's");
    ck_assert_str_eq(reason_of(&o, sign_with(theirs, NULL, good_claims)), "no key of this kid");
}
END_TEST

START_TEST(the_digest_is_sha_256)
{
    /* FIPS 180-4 */
    static const unsigned char abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                          0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                          0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                          0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    unsigned char digest[32];

    ck_assert_int_eq(wsrt_jwt_sha256(digest, TEXT("abc")), WSRT_OK);
    ck_assert_mem_eq(digest, abc, 32);
}
END_TEST

/* ---- reports and logs ---- */

START_TEST(a_report_holds_the_claims_as_they_are)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    char claims[256];
    wsrt_jwt_report r = {.struct_size = sizeof r, .claims = claims, .claims_cap = sizeof claims};
    wsrt_span t = sign_with(ours, NULL, good_claims);

    ck_assert_int_eq(wsrt_jwt_verify(j, t, now_ms, &r), WSRT_OK);
    ck_assert(wsrt_span_equal((wsrt_span){claims, r.claims_len}, TEXT(good_claims)));
    ck_assert_int_eq(r.expires_at, NOW_S + 60);
    r.claims_cap = 5;
    ck_assert_int_eq(wsrt_jwt_verify(j, t, now_ms, &r), WSRT_ERR_LIMIT);
    ck_assert_uint_eq(r.claims_len, strlen(good_claims));
    ck_assert_int_eq(wsrt_jwt_verify(j, t, now_ms, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_jwt_verify(NULL, t, now_ms, NULL), WSRT_ERR_INVALID);
    wsrt_jwt_free(j);
}
END_TEST

struct notes {
    char text[8192];
    size_t len;
    int lines;
};

static void note(void *user, int level, const char *event, const wsrt_field *fields, size_t count)
{
    struct notes *n = user;

    (void)level;
    n->lines++;
    n->len += (size_t)snprintf(n->text + n->len, sizeof n->text - n->len, "%s", event);
    for (size_t i = 0; i < count; i++)
        n->len += (size_t)snprintf(n->text + n->len, sizeof n->text - n->len, " %s=%.*s",
                                   fields[i].name_cstr, (int)fields[i].text.len,
                                   fields[i].kind == WSRT_FIELD_TEXT ? fields[i].text.ptr : "");
}

START_TEST(the_reason_goes_to_the_log_and_the_token_nowhere)
{
    struct notes notes = {.len = 0};
    wsrt_env env = {.struct_size = sizeof env, .user = &notes, .log = note};
    wsrt_jwt_options o = usual();
    wsrt_auth_result out;
    char canary[32];

    o.env = &env;
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    ck_assert_int_eq(notes.lines, 0);
    memcpy(canary, t.ptr + 12, 24);
    canary[24] = '\0';
    token_text[t.len - 4] = '#';
    ck_assert_int_eq(ask_at(j, t, now_ms, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, WSRT_AUTH_INVALID_TOKEN);
    ck_assert_int_eq(notes.lines, 1);
    ck_assert_ptr_nonnull(strstr(notes.text, "jwt.refused reason=not base64url"));
    ck_assert_ptr_null(strstr(notes.text, canary));
    for (size_t i = 0; i < sizeof out.room / sizeof out.room[0]; i++)
        ck_assert_uint_eq(out.room[i], 0);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(a_result_of_a_wrong_size_is_refused)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_authenticator a = {0};
    wsrt_auth_result out = {.struct_size = 16};
    wsrt_span t = sign_with(ours, NULL, good_claims);

    wsrt_jwt_interface(j, &a);
    ck_assert_int_eq(a.ops->authenticate(a.self, &t, now_ms, &out), WSRT_ERR_INVALID);
    ck_assert_int_eq(a.ops->authenticate(a.self, &t, now_ms, NULL), WSRT_ERR_INVALID);
    wsrt_jwt_free(j);
}
END_TEST

Suite *suite(void)
{
    TCase *t = tcase_create("tokens");

    tcase_add_test(t, a_good_token_names_its_bearer);
    tcase_add_test(t, the_leeway_moves_the_end_of_the_session_too);
    tcase_add_test(t, an_authenticator_that_does_not_know_the_time_admits_nobody);
    tcase_add_test(t, no_token_is_a_missing_token);
    tcase_add_loop_test(t, claims_are_judged_by_the_rules, 0, sizeof said / sizeof said[0]);
    tcase_add_test(t, a_bearer_whose_text_does_not_fit_is_refused);
    tcase_add_loop_test(t, tokens_of_cognito_are_for_one_use_and_one_client, 0,
                        sizeof cognito / sizeof cognito[0]);
    tcase_add_loop_test(t, headers_are_judged_before_any_key_is_used, 0,
                        sizeof headers / sizeof headers[0]);
    tcase_add_loop_test(t, a_token_has_three_strict_parts, 0, sizeof shapes / sizeof shapes[0]);
    tcase_add_test(t, a_prefix_of_a_token_is_no_token);
    tcase_add_test(t, no_single_character_can_be_another);
    tcase_add_test(t, spare_bits_are_zero);
    tcase_add_test(t, a_token_of_more_than_10000_bytes_is_not_looked_at);
    tcase_add_test(t, r_and_s_lie_between_1_and_the_order);
    tcase_add_test(t, another_key_of_the_same_kid_signs_nothing);
    tcase_add_test(t, the_digest_is_sha_256);
    tcase_add_test(t, a_report_holds_the_claims_as_they_are);
    tcase_add_test(t, the_reason_goes_to_the_log_and_the_token_nowhere);
    tcase_add_test(t, a_result_of_a_wrong_size_is_refused);
    return suite_of("jwt", t);
}
