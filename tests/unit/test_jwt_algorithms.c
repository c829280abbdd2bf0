/* A token of every algorithm, made with OpenSSL; their private keys are gone. */
#include "jwt_rig.h"

#define RSA_N                                                                                      \
    "pVuWh4Tfjqkhtzj7dg7rwoWImkK_LC2NlNkebEQTjJU6TVX3DCmEezBBsin-K10KDw_hT4VqWveU7L3y0gKjF9fF"     \
    "LcdFn_hCedT3ipeW1qiOhHu8p_FWrAkniHGxkTxbtBaSTyz_-fSG3N8C07kPXypu2L3V-didnrKX70QCUkoPCnY_"     \
    "PnPVduWDGXsYmF1b77FJFhoi6WjCACXtq5ncBLdqhtZ5eFqaaRuW0UKj7bgf2Bos83Anv6vrZg0UeNlX8ci8bWVs"     \
    "Sz13fXlbkOtJLeImo0ZxhY8KZRk4X8UtBQpvckOiRROwYrWgJgaGAnRbUqJlxNvpJE9my941AJq5XQ"
#define ES384_X "irW1R4EcVxaxVm5KZk4h1SgYhtQCTqPLzmtNoJCDBxA4LsVTPYAOXqdnKvLSSzcJ"
#define ES384_Y "SVWZjqzOAF8aC1GN35EdfB5lU-oRFagN2NEBdEl3Y9QsQrTeWGDLRTexih-HB9MS"
#define ES512_X                                                                                    \
    "AMhfg8aqwZQfxFduVOlEElQFPHz5JIAmwWp_JVRZPX4GtdOvTSDyEJ4E7mgFrVgLusnhrr666wIcpTUlwlzaGSIc"
#define ES512_Y                                                                                    \
    "AHPOiH3svR4hNvhV0USwLzLkbyvEZnCFBYn4-5ouroP06ZPdhEcXAzdzYNwGLdHCo6kJd-EtgfZBRwICPmvVk4iD"
#define RSA "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RSA_N "\""
#define EC(curve, x, y) "\"kty\":\"EC\",\"crv\":\"" curve "\",\"x\":\"" x "\",\"y\":\"" y "\""
#define P384 EC("P-384", ES384_X, ES384_Y)
#define P521 EC("P-521", ES512_X, ES512_Y)

/* Of good_claims, with a header that only names the algorithm. */
static const struct {
    const char *alg;
    int bit;
    const char *key;
    const char *signature;
} made[] = {
    {"RS256", WSRT_JWT_RS256, RSA,
     "AG4LBjORCeoVf9GdBB4wxbYA_vcK8KGteo_kRqMK3B4iL6mI91r2no1t1-4gyg7phVFZnjhCxzrv0XRHOBKH"
     "hAwuGDhQceMC9cQkAiZ07Gl9vfEVW1bc5hZJ4w13L8vmVtc7kQsHoCoqWInlhERe8pXPfb_sOXL5qDMWQrWY"
     "995_59V5VaVAHHuOfwjb13LR-tNAGoBIiOgwqyzO1EQcaPzZJntaG1-Nepo4RAdM_c0i3brJslS_l2ybD1Eb"
     "pGJYjJMROwoaizrbdd22W3JJhnHZW8rymH_KM0hfE4vX6zgzntzw9MHTdV0Rb-xMAe56q7QeznV3FxitWJGR"
     "jaac9Q"},
    {"RS384", WSRT_JWT_RS384, RSA,
     "lRSrxHXx5uYAs42sq9d2WHFnggtClIAlFPRBO3vYhy2zoTIJlb5dXZk7-hQzZYnfLLurDSf3j6xZYvdUVAxv"
     "mYRGuC9Wr4A2kA_7LH9TwxNvrURSxb39G_0pVEjDGCpqNbRD6ZCX4MrpF0PMqI9LEI_nrCo6mTLY8A1cVdQS"
     "I4fMqrOBmRmKnJiAWyPG9JCU59z8aP8nnJ53OMKGuL4fefFYyg5KmVqtZARwCUOSxMHHR_b19BRSqUkEBcJx"
     "dYQeKw61sqo-Xb8rMEviEdI9jxjg8wlIa435xsjsCj3zfxU1Lz4tQuiRA_gZPNNUT2zNiBrk_BaXAPJYZFUd"
     "3cAyLg"},
    {"RS512", WSRT_JWT_RS512, RSA,
     "eVTrmJqa8UQDU_0W081ji8ElINZox3r1iewxwt-Tn9_QWtH2GeK3gqWzV6Wc_FyB43ICFCQVBgnzRuvSXzpK"
     "TTM6eHhj1mUfqNsH5hkMHyREBUGHTiXdc5Vmj5FHEXLQzThXtY-oxnF9EAdJ3Zo33J-K0dLK3bPJIopKLP7f"
     "_YzRnSGIJGerhCXjoikRnB7f_9oDWnDicR0r9S6QcibbRz7I6geSMwtQ2wMw9KIY5HvK9Lb5O-3bZ_NGJm5I"
     "zkphDhmxhGmEkdpGf97Qh8e4ejxtFELm6npViQ6tahTYTX5reVYYbl3bGqwbIwp3fGa1UGGTIRkrdjybc_9S"
     "lPDVlw"},
    {"PS256", WSRT_JWT_PS256, RSA,
     "Dr7Wti4AoFXsO-HkR-JL6ZtdGvfZo30lzu2NxZEc0ZupQq_wiDIXY6Gb5wwlNQWppUDZBpuEe4P8j-f8cQaD"
     "YidVf8-F3YqwVdhzCzwNGVOMtd7JB_B_RXxR-ey-y23wH7B5num9i50YzQKW08Vovxg0_mGLrOdqu-BpZSNN"
     "KK5ApPXReCM6nm3I0DviRG93yKlQ0D2PeyZxB6vUPT9Qy-IApBugb2LE0RBTqZsqhfR5kV9NCYb8GE5z1VJf"
     "EsxNG-jPrISUzyYTEbDgDAdCQtNeG0hwxWWdBPQJkEe2780bmfidb97iUlFLOPASJVyEdevEJQFN2Muz4doH"
     "70-YVA"},
    {"ES384", WSRT_JWT_ES384, P384,
     "zc3w6qY67Qt6fuKQDJXv6zWjGJ6phGMSGyO_kO1JeLxVUgtvZwl2bI8muUNaihta0adJoxqrbEEGPK3_-XZn"
     "xZHgzFLXeC0yvLb1RfySBkTUFPvO_BW_nf36XqLsJqUv"},
    {"ES512", WSRT_JWT_ES512, P521,
     "AJc9bkGhAXV5BVfmc0swWQQg-CF3uXTKNKubi32YhWSX6u1UduyRBgPJOGvfZ5T7TBCmZCOWAaXXCsK1eWa3"
     "wRqVAKbNW7uWG_uOgnaKBgjGUlhiigRdNOcvx-GF_DjWy3uhYI-hazcttPk-dDZ7iGXdSSrhWDiijt_Z2eph"
     "mRJICZGu"},
};

static char set_text[2048];

static wsrt_jwt_options options_for(const char *alg, const char *key)
{
    wsrt_jwt_options o = usual();

    snprintf(set_text, sizeof set_text, "{\"keys\":[{\"alg\":\"%s\",%s}]}", alg, key);
    o.keys = TEXT(set_text);
    return o;
}

static wsrt_span token_of(int row)
{
    char header[64];
    size_t n =
        wsrt_jwt_encode(token_text, header,
                        (size_t)snprintf(header, sizeof header, "{\"alg\":\"%s\"}", made[row].alg));

    token_text[n++] = '.';
    n += wsrt_jwt_encode(token_text + n, good_claims, strlen(good_claims));
    token_text[n++] = '.';
    strcpy(token_text + n, made[row].signature);
    return TEXT(token_text);
}

static const char wrong[] = "the signature is not the key's";

START_TEST(a_token_of_each_algorithm_is_good_with_its_key)
{
    wsrt_jwt_options o = options_for(made[_i].alg, made[_i].key);

    ck_assert_str_eq(reason_of(&o, token_of(_i)), "");
}
END_TEST

START_TEST(no_bit_of_a_signature_is_spare)
{
    wsrt_jwt_options o = options_for(made[_i].alg, made[_i].key);
    size_t len = strlen(made[_i].signature), whole = token_of(_i).len, first = whole - len;

    for (size_t at = 0; at < len; at += len / 8) {
        wsrt_span t = token_of(_i);
        token_text[first + at] = token_text[first + at] == 'A' ? 'B' : 'A';
        ck_assert_str_eq(reason_of(&o, t), wrong);
    }
    size_t cut = len % 4 == 0 ? 4 : len % 4; /* which leaves whole bytes */
    ck_assert_str_eq(reason_of(&o, (wsrt_span){token_of(_i).ptr, whole - cut}), wrong);
}
END_TEST

START_TEST(a_key_serves_the_algorithm_that_it_names)
{
    for (size_t k = 0; k < sizeof made / sizeof made[0]; k++) {
        wsrt_jwt_options o = options_for(made[k].alg, made[k].key);
        if ((int)k != _i)
            ck_assert_str_eq(reason_of(&o, token_of(_i)), "alg is not the key's");
    }
}
END_TEST

START_TEST(an_algorithm_that_is_not_allowed_has_no_keys)
{
    wsrt_jwt_options o = options_for(made[_i].alg, made[_i].key);
    wsrt_jwt *j;

    o.algorithms = (uint32_t)made[_i].bit;
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_OK);
    wsrt_jwt_free(j);
    o.algorithms = ~(uint32_t)made[_i].bit & 0xff;
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_ERR_REJECTED);
}
END_TEST

/* The example of RFC 7515, appendix A.1, whose claims say nothing about whom it is for. */
START_TEST(a_shared_secret_signs_as_in_rfc_7515)
{
    static const char token[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
        "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    wsrt_jwt_options o =
        options_for("HS256", "\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                             "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"");

    o.algorithms = WSRT_JWT_HS256;
    o.issuer = TEXT("joe");
    o.audience_count = 0;
    ck_assert_str_eq(reason_of(&o, TEXT(token)), "sub is missing");
    strcpy(token_text, token);
    token_text[sizeof token - 4]--;
    ck_assert_str_eq(reason_of(&o, TEXT(token_text)), wrong);
    ck_assert_str_eq(reason_of(&o, (wsrt_span){token, sizeof token - 4}), wrong);
}
END_TEST

Suite *suite(void)
{
    TCase *t = tcase_create("algorithms");
    int rows = sizeof made / sizeof made[0];

    tcase_add_loop_test(t, a_token_of_each_algorithm_is_good_with_its_key, 0, rows);
    tcase_add_loop_test(t, no_bit_of_a_signature_is_spare, 0, rows);
    tcase_add_loop_test(t, a_key_serves_the_algorithm_that_it_names, 0, rows);
    tcase_add_loop_test(t, an_algorithm_that_is_not_allowed_has_no_keys, 0, rows);
    tcase_add_test(t, a_shared_secret_signs_as_in_rfc_7515);
    return suite_of("jwt_algorithms", t);
}
