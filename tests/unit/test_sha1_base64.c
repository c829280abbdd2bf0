#include "common/base64.h"
#include "common/sha1.h"
#include "guarded.h"
#include "suite.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void expect_digest(const void *data, size_t len, const char *hex)
{
    unsigned char digest[WSRT_SHA1_LEN];
    char got[2 * WSRT_SHA1_LEN + 1];

    wsrt_sha1(digest, data, len);
    for (size_t i = 0; i < sizeof digest; i++) {
        got[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        got[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    got[sizeof got - 1] = '\0';
    ck_assert_str_eq(got, hex);
}

START_TEST(digests_of_the_published_vectors)
{
    static const struct {
        const char *in, *hex;
    } rows[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
         "b37a4f2cc0624f1690f64606cf385945b2bec4ea"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect_digest(rows[i].in, strlen(rows[i].in), rows[i].hex);
}
END_TEST

/* The lengths around the end of a block, where the padding changes its shape. */
START_TEST(digests_around_the_end_of_a_block)
{
    static const struct {
        size_t len;
        const char *hex;
    } rows[] = {
        {1, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"},
        {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
        {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
        {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
        {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
        {65, "11655326c708d70319be2610e8a57d9a5b959d3b"},
        {119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
        {120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
        {1000, "291e9a6c66994949b57ba5e650361e98fc36b1ba"},
    };
    static char as[1000];

    memset(as, 'a', sizeof as);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy = guarded_copy(as, rows[i].len);
        expect_digest(copy, rows[i].len, rows[i].hex);
        guarded_free(copy, rows[i].len);
    }
}
END_TEST

static const struct {
    const char *plain, *encoded;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/"},
};

START_TEST(base64_of_the_published_vectors_goes_both_ways)
{
    for (size_t i = 0; i < COUNT(vectors); i++) {
        char text[32], plain[32];
        size_t len = wsrt_base64_encode(text, vectors[i].plain, strlen(vectors[i].plain));
        ck_assert_uint_eq(len, strlen(vectors[i].encoded));
        ck_assert_mem_eq(text, vectors[i].encoded, len);
        ck_assert_int_eq(wsrt_base64_decode(plain, (wsrt_span){text, len}, &len), WSRT_OK);
        ck_assert_uint_eq(len, strlen(vectors[i].plain));
        ck_assert_mem_eq(plain, vectors[i].plain, len);
    }
}
END_TEST

START_TEST(every_byte_survives_base64)
{
    unsigned char all[256], back[258];
    char text[344];
    size_t len;

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)i;
    ck_assert_uint_eq(wsrt_base64_encode(text, all, sizeof all), sizeof text);
    ck_assert_int_eq(wsrt_base64_decode(back, (wsrt_span){text, sizeof text}, &len), WSRT_OK);
    ck_assert_uint_eq(len, sizeof all);
    ck_assert_mem_eq(back, all, sizeof all);
}
END_TEST

START_TEST(text_that_is_not_base64_is_refused)
{
    static const char *const rows[] = {
        "Z",    "Zg",   "Zg=",    "Zg===", "====",     "=Zg=",     "Z===",     "Zg=v",
        "Zm9-", "Zm9_", "Zm9v\n", "Zm 9",  "Zg==Zg==", "Zm8=Zm8=", "Zm9v====", "\x80m9v"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        char plain[32];
        size_t len = 77;
        ck_assert_msg(wsrt_base64_decode(plain, (wsrt_span){rows[i], strlen(rows[i])}, &len) ==
                          WSRT_ERR_MALFORMED,
                      "%s", rows[i]);
        ck_assert_uint_eq(len, 77);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sha1_base64");
    TCase *t = tcase_create("sha1_base64");

    tcase_add_test(t, digests_of_the_published_vectors);
    tcase_add_test(t, digests_around_the_end_of_a_block);
    tcase_add_test(t, base64_of_the_published_vectors_goes_both_ways);
    tcase_add_test(t, every_byte_survives_base64);
    tcase_add_test(t, text_that_is_not_base64_is_refused);
    suite_add_tcase(s, t);
    return s;
}
