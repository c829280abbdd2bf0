#include "guarded.h"
#include "suite.h"

#include <wsrt/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SPAN(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
#define HEX32 "0123456789abcdef0123456789abcdef"

struct row {
    wsrt_span in;
    const char *out;
    size_t found;
};

static void expect(const struct row *row, uint32_t flags)
{
    char *copy = guarded_copy(row->in.ptr, row->in.len), out[512] = "";
    size_t len = 0, found = 99;

    ck_assert_int_eq(
        wsrt_redact((wsrt_span){copy, row->in.len}, flags, out, sizeof out, &len, &found), WSRT_OK);
    ck_assert_msg(len == strlen(row->out) && memcmp(out, row->out, len) == 0,
                  "got '%.*s', want '%s'", (int)len, out, row->out);
    ck_assert_uint_eq(found, row->found);
    guarded_free(copy, row->in.len);
}

START_TEST(secrets_are_replaced)
{
    static const struct row rows[] = {
        {SPAN(JWT), "[redacted]", 1},
        {SPAN("token " JWT ", sorry"), "token [redacted], sorry", 1},
        {SPAN("\"" JWT "\""), "\"[redacted]\"", 1},
        {SPAN("Authorization: Bearer abc.def"), "Authorization: Bearer [redacted]", 1},
        {SPAN("authorization: bearer  x"), "authorization: bearer  [redacted]", 1},
        {SPAN("Basic dXNlcjpwYXNz"), "Basic [redacted]", 1},
        {SPAN("key AKIAIOSFODNN7EXAMPLE used"), "key [redacted] used", 1},
        {SPAN("ASIAIOSFODNN7EXAMPLE"), "[redacted]", 1},
        {SPAN("AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
         "[redacted] [redacted]", 2},
        {SPAN("/x?X-Amz-Signature=abc&y=1"), "/x?X-Amz-Signature=[redacted]&y=1", 1},
        {SPAN("x-amz-security-token: IQoJ"), "x-amz-security-token: [redacted]", 1},
        {SPAN("?token=a&access_token=b"), "?token=[redacted]&access_token=[redacted]", 2},
        {SPAN("{\"token\":\"a b\"}"), "{\"token\":\"[redacted]\"}", 1},
        {SPAN("Cookie: a=b; c=d\nnext"), "Cookie: [redacted]\\u000anext", 1},
        {SPAN("Set-Cookie: sid=1; Path=/"), "Set-Cookie: [redacted]", 1},
        {SPAN("https://user:pa55@example.org/x"), "https://[redacted]@example.org/x", 1},
        {SPAN("user:password@host"), "[redacted]@host", 1},
        {SPAN("from jane.doe+x@mail.example.org!"), "from [redacted]!", 1},
        {SPAN("a@b.c d@e.f"), "[redacted] [redacted]", 2},
        {SPAN("<j@example.org>"), "<[redacted]>", 1},
        {SPAN("key " HEX32), "key [redacted]", 1},
        {SPAN(HEX32 "=="), "[redacted]", 1},
        {SPAN("4111 1111 1111 1111"), "[redacted]", 1},
        {SPAN("card 4111-1111-1111-1111."), "card [redacted].", 1},
        {SPAN("378282246310005"), "[redacted]", 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], 0);
}
END_TEST

START_TEST(a_mark_before_a_secret_does_not_hide_it)
{
    static const char *const secrets[] = {"AKIAIOSFODNN7EXAMPLE", JWT, HEX32, "4111111111111111"};
    static const char marks[] = "!#$%*+-./:=?@^_`{|~,;()[]<>&\"'";

    for (size_t i = 0; i < COUNT(secrets); i++)
        for (size_t k = 0; k < sizeof marks - 1; k++) {
            char in[128], out[128];
            size_t len, found;
            int n = snprintf(in, sizeof in, "x %c%s", marks[k], secrets[i]);
            wsrt_redact((wsrt_span){in, (size_t)n}, 0, out, sizeof out, &len, &found);
            ck_assert_msg(found == 1 && len <= 15 && memcmp(out + len - 10, "[redacted]", 10) == 0,
                          "%s: %.*s", in, (int)len, out);
        }
}
END_TEST

START_TEST(a_value_is_hidden_by_its_name_however_it_is_written)
{
    static const struct row rows[] = {
        {SPAN("--token=abc"), "--token=[redacted]", 1},
        {SPAN("/#access_token=abc&x=1"), "/#access_token=[redacted]&x=1", 1},
        {SPAN("$password = abc"), "$password = [redacted]", 1},
        {SPAN("accessToken=abc"), "accessToken=[redacted]", 1},
        {SPAN("{\"clientSecret\": \"a \\\"b\\\" c\", \"n\": 1}"),
         "{\"clientSecret\": \"[redacted]\", \"n\": 1}", 1},
        {SPAN("\"{\\\"token\\\":\\\"a b\\\",\\\"n\\\":1}\""),
         "\"{\\\"token\\\":\\\"[redacted]\\\",\\\"n\\\":1}\"", 1},
        {SPAN("password: 'correct horse', next"), "password: '[redacted]', next", 1},
        {SPAN("password: 'no end\nnext"), "password: '[redacted]\\u000anext", 1},
        {SPAN("'secret' => 'a b'"), "'secret' => '[redacted]'", 1},
        {SPAN("token:\tabc"), "token:\\u0009[redacted]", 1},
        {SPAN("X-Auth-Token: Bearer abc.def"), "X-Auth-Token: [redacted]", 1},
        {SPAN("cookies: [\"a=b\", \"c=d\"]"), "cookies: [redacted]", 1},
        {SPAN("cognito_user_pool_app_client_secret=abc."), "[redacted]", 1},
        {SPAN("password=\"\" token="), "password=\"\" token=", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], 0);
}
END_TEST

START_TEST(credentials_in_an_address_may_hold_any_mark)
{
    static const struct row rows[] = {
        {SPAN("redis://:a&b,c;(d)'e'@host:6379/0"), "redis://[redacted]@host:6379/0", 1},
        {SPAN("redis://:c2VjcmV0cGFzcw==@host"), "redis://[redacted]@host", 1},
        {SPAN("https://user:p@ss@host/a?x=c@d.e"), "https://[redacted]@host/a?x=[redacted]", 2},
        {SPAN("https://host/?mail=a=@b.c"), "https://host/?mail=[redacted]", 1},
        {SPAN("https://:p/@host, https://host"), "https:[redacted]@host, https://host", 1},
        {SPAN("anna@\xc3\xb6"
              "bb.at!"),
         "[redacted]!", 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], 0);
}
END_TEST

START_TEST(numbers_beside_a_card_do_not_hide_it)
{
    static const struct row rows[] = {
        {SPAN("4111111111111111 123"), "[redacted] 123", 1},
        {SPAN("4111 1111 1111 1111 12/26"), "[redacted] 12/26", 1},
        {SPAN("12 4111-1111-1111-1111 1111 9"), "12 [redacted] 1111 9", 1},
        {SPAN("4 111111111111111 1 2"), "4 111111111111111 1 2", 0},
        {SPAN("4111111111111111x"), "4111111111111111x", 0},
        {SPAN("AKIAIOSFODNN7EXAMPLE/x-1 y"), "[redacted] y", 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], 0);
}
END_TEST

START_TEST(what_is_no_secret_stays)
{
    static const struct row rows[] = {
        {SPAN(""), "", 0},
        {SPAN("Message cannot be empty"), "Message cannot be empty", 0},
        {SPAN("basic usage of tokens"), "basic usage of tokens", 0},
        {SPAN("tokenLength: 5, token"), "tokenLength: 5, token", 0},
        {SPAN("0193abcd-ef01-7fff-8fff-ffffffffffff"), "0193abcd-ef01-7fff-8fff-ffffffffffff", 0},
        {SPAN("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 0},
        {SPAN("1-5759e988-bd862e3fe1be46a994272793"), "1-5759e988-bd862e3fe1be46a994272793", 0},
        {SPAN("4111 1111 1111 1112"), "4111 1111 1111 1112", 0},
        {SPAN("0123456789abcdef0123456789abcde"), "0123456789abcdef0123456789abcde", 0},
        {SPAN("eyJ.x"), "eyJ.x", 0},
        {SPAN("AKIAIOSFODNN7EXAMPL"), "AKIAIOSFODNN7EXAMPL", 0},
        {SPAN("a @ b, @handle, x@"), "a @ b, @handle, x@", 0},
        {SPAN("at 12:34:56 on 10.0.0.1"), "at 12:34:56 on 10.0.0.1", 0},
        {SPAN("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], 0);
}
END_TEST

START_TEST(addresses_of_machines_go_by_option)
{
    static const struct row rows[] = {
        {SPAN("from 10.0.0.1:8080"), "from [redacted]:8080", 1},
        {SPAN("[2001:db8::1]"), "[[redacted]]", 1},
        {SPAN("fe80:0:0:0:1:2:3:4 up"), "[redacted] up", 1},
        {SPAN("12:34:56 v1.2.3 999.1.1.1 std::string"), "12:34:56 v1.2.3 999.1.1.1 std::string", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], WSRT_REDACT_IP);
}
END_TEST

START_TEST(what_could_deceive_a_reader_is_escaped)
{
    static const struct row rows[] = {
        {SPAN("a\0b\x1b[31m\x7f\r\n\t"), "a\\u0000b\\u001b[31m\\u007f\\u000d\\u000a\\u0009", 0},
        {SPAN("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029", 0},
        {SPAN("\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"),
         "\\u202a\\u202e\\u2066\\u2069\\u200e\\u200f\\u061c", 0},
        {SPAN("\xc2\x80\xc2\x9b[31m\xc2\x9f\xc2\xa0"), "\\u0080\\u009b[31m\\u009f\xc2\xa0", 0},
        {SPAN("\xff"
              "a\xe2\x82"),
         "\xef\xbf\xbd"
         "a\xef\xbf\xbd",
         0},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&rows[i], 0);
}
END_TEST

START_TEST(every_buffer_size_is_served)
{
    static const wsrt_span text = SPAN("a\nb " JWT " c");
    static const char want[] = "a\\u000ab [redacted] c";
    size_t need = sizeof want - 1, len;

    for (size_t cap = 0; cap <= need + 1; cap++) {
        char *room = guarded_copy(want, 0);
        guarded_free(room, 0);
        room = guarded_copy("????????????????????????????", cap);
        ck_assert_int_eq(wsrt_redact(text, 0, room, cap, &len, NULL),
                         cap < need ? WSRT_ERR_LIMIT : WSRT_OK);
        ck_assert_uint_eq(len, need);
        if (cap >= need)
            ck_assert_mem_eq(room, want, need);
        guarded_free(room, cap);
    }
    ck_assert_int_eq(wsrt_redact(text, 0, NULL, 0, NULL, NULL), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_redact(text, 2, NULL, 0, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_redact(text, 0, NULL, 4, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_redact((wsrt_span){NULL, 4}, 0, NULL, 0, NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

/* The same text with the option for addresses goes by the long way always; none of these has one. */
static void expect_same_both_ways(const char *text, size_t len)
{
    char quick[512], thorough[512];
    size_t quick_len, thorough_len, quick_found, thorough_found;
    char *copy = guarded_copy(text, len);
    wsrt_span span = {copy, len};

    wsrt_redact(span, 0, quick, sizeof quick, &quick_len, &quick_found);
    wsrt_redact(span, WSRT_REDACT_IP, thorough, sizeof thorough, &thorough_len, &thorough_found);
    ck_assert_msg(quick_len == thorough_len && quick_found == thorough_found &&
                      memcmp(quick, thorough, quick_len) == 0,
                  "'%.*s': '%.*s'", (int)len, text, (int)quick_len, quick);
    guarded_free(copy, len);
}

START_TEST(text_that_is_plainly_clean_is_told_by_no_secret_anywhere)
{
    static const char *const parts[] = {"eyJa.b.c",
                                        "bearer x",
                                        "BEARER xy",
                                        "basic A2345678",
                                        "BaSiC abcdefgH",
                                        "token=a",
                                        "password: x",
                                        "AKIAIOSFODNN7EXAMPLE",
                                        "ASIAIOSFODNN7EXAMPLE",
                                        "a@b.c",
                                        HEX32,
                                        HEX32 "0",
                                        "qwrtzuiopqwrtzuiopqwrtzuiopqwrtz",
                                        "4111111111111111",
                                        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
                                        "41-11-11-11-11-11-11-11",
                                        "4222222222222",
                                        "41 11111111111111",
                                        "\n",
                                        "\x7f",
                                        "\x1f",
                                        "\xff",
                                        "\xc3\xbc",
                                        "\xe2\x80\xa8",
                                        "x",
                                        "b",
                                        "A",
                                        "I"};
    static const char *const fills[] = {"la, li ", "a.b.c.d.", "word "};

    for (size_t part = 0; part < COUNT(parts); part++)
        for (size_t at = 0; at < 300; at++) {
            char text[256];
            const char *fill = fills[at % 3];
            size_t before = at / 3, len = before + strlen(parts[part]) + at % 41;
            for (size_t i = 0; i < len; i++)
                text[i] = fill[i % strlen(fill)];
            if (before > 0)
                text[before - 1] = ' ';
            memcpy(text + before, parts[part], strlen(parts[part]));
            expect_same_both_ways(text, len);
        }
}
END_TEST

/* CPU time of one call over `len` bytes, half of one repeated pattern and half of another, the best of
 * three. */
static double cost(const char *pattern, const char *other, size_t len)
{
    size_t step = strlen(pattern), other_step = strlen(other);
    char *text = malloc(len), *out = malloc(12 * len);
    double best = 1e9;

    for (size_t i = 0; i < len; i++)
        text[i] = i < len / 2 ? pattern[i % step] : other[i % other_step];
    for (int i = 0; i < 3; i++) {
        clock_t from = clock();
        wsrt_redact((wsrt_span){text, len}, WSRT_REDACT_IP, out, 12 * len, NULL, NULL);
        double took = (double)(clock() - from) / CLOCKS_PER_SEC;
        best = took < best ? took : best;
    }
    free(text);
    free(out);
    return best;
}

START_TEST(the_time_grows_with_the_text_and_no_faster)
{
    static const char *const patterns[] = {
        "eyJ-",    "eyJ.", "@",   "a@",         ".@",      "a:",        "token",     "token ",
        "bearer ", "1 ",   "1-",  "::",         "a=",      "Basic a, ", "http://",   "AKIA",
        "a-b.",    "x ",   "-@-", "a.:@",       "1.2.",    "token=,",   "abcd:efgh", "basic.",
        "a://",    "=@b",  "\\",  "token=\"\\", "cookies", "#\""};
    static const char *const halves[][2] = {
        {"a.", "@"}, {"a.", "=@b"}, {"token=\"", "\\"}, {"basic", " "}, {"://", "@"}};

    for (size_t i = 0; i < COUNT(patterns) + COUNT(halves); i++) {
        int whole = i < COUNT(patterns);
        const char *first = whole ? patterns[i] : halves[i - COUNT(patterns)][0];
        const char *second = whole ? first : halves[i - COUNT(patterns)][1];
        double small = cost(first, second, 5000), large = cost(first, second, 80000);
        ck_assert_msg(large < 64 * (small + 1e-4), "%s %s: %g, then %g", first, second, small,
                      large);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("redact");
    TCase *t = tcase_create("redact");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, secrets_are_replaced);
    tcase_add_test(t, a_mark_before_a_secret_does_not_hide_it);
    tcase_add_test(t, a_value_is_hidden_by_its_name_however_it_is_written);
    tcase_add_test(t, credentials_in_an_address_may_hold_any_mark);
    tcase_add_test(t, numbers_beside_a_card_do_not_hide_it);
    tcase_add_test(t, what_is_no_secret_stays);
    tcase_add_test(t, addresses_of_machines_go_by_option);
    tcase_add_test(t, what_could_deceive_a_reader_is_escaped);
    tcase_add_test(t, every_buffer_size_is_served);
    tcase_add_test(t, text_that_is_plainly_clean_is_told_by_no_secret_anywhere);
    tcase_add_test(t, the_time_grows_with_the_text_and_no_faster);
    suite_add_tcase(s, t);
    return s;
}
