/* Numbers: text to integers and doubles. */
#include "suite.h"

#include <wsrt/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static wsrt_json number_of(const char *text)
{
    return (wsrt_json){wsrt_span_cstr(text), WSRT_JSON_NUMBER, 0};
}

START_TEST(integers_are_read_in_any_notation)
{
    static const struct {
        const char *text;
        int rc;
        int64_t value;
    } rows[] = {
        {"0", WSRT_OK, 0},
        {"-0", WSRT_OK, 0},
        {"-0.0e5", WSRT_OK, 0},
        {"1.0", WSRT_OK, 1},
        {"10e-1", WSRT_OK, 1},
        {"1e0", WSRT_OK, 1},
        {"12.5e1", WSRT_OK, 125},
        {"-120.00", WSRT_OK, -120},
        {"0.00012e6", WSRT_OK, 120},
        {"9223372036854775807", WSRT_OK, INT64_MAX},
        {"-9223372036854775808", WSRT_OK, INT64_MIN},
        {"9223372036854775808", WSRT_ERR_LIMIT, 0},
        {"-9223372036854775809", WSRT_ERR_LIMIT, 0},
        {"92233720368547758070000000000e-10", WSRT_OK, INT64_MAX},
        {"1e18", WSRT_OK, 1000000000000000000},
        {"1e19", WSRT_ERR_LIMIT, 0},
        {"1e9999999999999999999999", WSRT_ERR_LIMIT, 0},
        {"0e9999999999999999999999", WSRT_OK, 0},
        {"1e-9999999999999999999999", WSRT_ERR_INVALID, 0},
        {"1.5", WSRT_ERR_INVALID, 0},
        {"1e-1", WSRT_ERR_INVALID, 0},
        {"123456789012345678901234567890.5", WSRT_ERR_INVALID, 0},
        {"1x", WSRT_ERR_INVALID, 0},
        {"", WSRT_ERR_INVALID, 0},
        {"01", WSRT_ERR_INVALID, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json n = number_of(rows[i].text);
        int64_t value = -7;
        ck_assert_msg(wsrt_json_int64(&n, &value) == rows[i].rc, "%s", rows[i].text);
        ck_assert_int_eq(value, rows[i].rc == WSRT_OK ? rows[i].value : -7);
    }
}
END_TEST

START_TEST(unsigned_integers_reach_two_to_the_64)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } rows[] = {
        {"18446744073709551615", WSRT_OK, UINT64_MAX},
        {"18446744073709551616", WSRT_ERR_LIMIT, 0},
        {"1844674407370955161.5e1", WSRT_OK, UINT64_MAX},
        {"99999999999999999999", WSRT_ERR_LIMIT, 0},
        {"-0", WSRT_OK, 0},
        {"-1", WSRT_ERR_LIMIT, 0},
        {"1e19", WSRT_OK, UINT64_C(10000000000000000000)},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json n = number_of(rows[i].text);
        uint64_t value = 0;
        ck_assert_msg(wsrt_json_uint64(&n, &value) == rows[i].rc, "%s", rows[i].text);
        ck_assert_uint_eq(value, rows[i].value);
    }
}
END_TEST

static uint64_t bits_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* strtod of the C library, in the C locale, is the judge. */
static void expect_double(const char *text)
{
    wsrt_json n = number_of(text);
    double got = 0, want = strtod(text, NULL);
    int rc = wsrt_json_double(&n, &got);

    if (isinf(want))
        ck_assert_msg(rc == WSRT_ERR_LIMIT, "%s is %d", text, rc);
    else
        ck_assert_msg(rc == WSRT_OK && bits_of(got) == bits_of(want), "%s: %d %a, want %a", text,
                      rc, got, want);
}

static int is_double(const char *text)
{
    wsrt_json n = number_of(text);

    return wsrt_json_is_double(&n);
}

START_TEST(a_number_tells_whether_it_is_a_double)
{
    static const char *const exact[] = {"0",
                                        "-0",
                                        "0e-999999",
                                        "0.5",
                                        "1e22",
                                        "-3.25",
                                        "9007199254740992",
                                        "5e-1",
                                        "9223372036854775808e3", /* 2^63 * 10^3 */
                                        "1180591620717411303424" /* 2^70 */};
    static const char *const rounded[] = {"0.1",    "1e23",    "9007199254740993",
                                          "1e-400", "-1e-320", "1e400"};

    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        ck_assert_msg(is_double(exact[i]) == 1, "%s", exact[i]);
    for (size_t i = 0; i < sizeof rounded / sizeof *rounded; i++)
        ck_assert_msg(is_double(rounded[i]) == 0, "%s", rounded[i]);
    ck_assert_int_eq(wsrt_json_is_double(NULL), 0);
    ck_assert_int_eq(wsrt_json_is_double(&(wsrt_json){.kind = WSRT_JSON_STRING}), 0);
}
END_TEST

START_TEST(all_digits_of_a_double_are_one_and_a_digit_more_is_not)
{
    uint64_t bits = 88172645463325252u;
    char text[1500];

    for (int i = 0; i < 3000; i++) {
        double v;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        int len = snprintf(text, sizeof text, "%.1080f", v);
        ck_assert_int_lt(len, (int)sizeof text - 2);
        ck_assert_msg(is_double(text) == 1, "%a", v);
        memcpy(text + len, "1", 2);
        ck_assert_msg(is_double(text) == 0, "%a and a little", v);
    }
}
END_TEST

START_TEST(doubles_are_rounded_correctly_at_the_known_hard_places)
{
    static const char *const rows[] = {
        "0",
        "-0",
        "0.0e99",
        "1",
        "-1.5",
        "0.1",
        "0.3",
        "1e22",
        "1e23",
        "9007199254740993",
        "9007199254740992.5",
        "9007199254740993.00000000000000000000000000000000000000001",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.4703282292062327208051e-324",
        "1e-400",
        "1e-324",
        "3e-324",
        "1e400",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
        "8"
        "548458177115317644757302700698555713669596228429148198608349364752927190741684443655107043"
        "4"
        "2711559699508093042880",
        "123456789012345678901234567890e-40",
        "5e-1",
        "1e-5",
        "6.02214076e23",
        "7.2057594037927933e16",
        "8.5e22",
        "1.00000000000000011102230246251565",
        "1.00000000000000011102230246251566",
        "1e9999999999999999999",
        "1e-9999999999999999999",
        "0.000000000000000000000000000000000000000000000000000000000000000000000000000001e100",
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect_double(rows[i]);
}
END_TEST

START_TEST(a_tie_of_more_than_768_digits_is_broken_by_the_last)
{
    /* halfway between the largest subnormal neighbours: 2^-1075 has 752 digits */
    char text[1200];
    int len = snprintf(text, sizeof text, "%.1074f", 4.9406564584124654e-324);

    ck_assert_int_lt(len, 1100);
    strcat(text, "5"); /* 2^-1074 and something: rounds down */
    expect_double(text);
    len = snprintf(text, sizeof text, "%.800f", 1.0 + ldexp(1, -52)); /* exact, padded by zeros */
    expect_double(text);
    /* 1 + 2^-53, a tie, exactly; then with a digit far behind it */
    len = snprintf(text, sizeof text, "%s",
                   "1.00000000000000011102230246251565404236316680908203125");
    expect_double(text);
    memset(text + len, '0', 800);
    strcpy(text + len + 800, "1");
    expect_double(text);
    ck_assert_uint_eq(bits_of(1.0) + 1, bits_of(1.0 + ldexp(1, -52)));
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(random_numbers_read_as_strtod_reads_them)
{
    uint64_t state = 88172645463325252u;

    for (int i = 0; i < 20000; i++) {
        char text[80];
        uint64_t bits = next_random(&state);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        snprintf(text, sizeof text, "%.*e", (int)(bits % 25), v);
        expect_double(text);
        snprintf(text, sizeof text, "%llue%d", (unsigned long long)next_random(&state),
                 (int)(bits % 60) - 30);
        expect_double(text);
    }
}
END_TEST

START_TEST(numbers_near_a_tie_read_as_strtod_reads_them)
{
    uint64_t state = 42;

    for (int i = 0; i < 1500; i++) {
        char text[1200];
        uint64_t bits = next_random(&state) >> 1;
        double v, up;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v) || fabs(v) > 1e200 || fabs(v) < 1e-200)
            continue;
        up = nextafter(v, INFINITY);
        /* long double holds the midpoint; %.*Le prints it exactly enough to lie on it */
        snprintf(text, sizeof text, "%.*Le", i % 3 == 0 ? 1000 : 30, ((long double)v + up) / 2);
        expect_double(text);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("json-numbers");
    TCase *t = tcase_create("numbers");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, integers_are_read_in_any_notation);
    tcase_add_test(t, unsigned_integers_reach_two_to_the_64);
    tcase_add_test(t, a_number_tells_whether_it_is_a_double);
    tcase_add_test(t, all_digits_of_a_double_are_one_and_a_digit_more_is_not);
    tcase_add_test(t, doubles_are_rounded_correctly_at_the_known_hard_places);
    tcase_add_test(t, a_tie_of_more_than_768_digits_is_broken_by_the_last);
    tcase_add_test(t, random_numbers_read_as_strtod_reads_them);
    tcase_add_test(t, numbers_near_a_tie_read_as_strtod_reads_them);
    suite_add_tcase(s, t);
    return s;
}
