#include "guarded.h"
#include "json/write.h"
#include "suite.h"

#include <wsrt/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(literal) ((wsrt_span){"" literal, sizeof(literal) - 1})

static char out[4096];
static wsrt_json_writer w;

static void start(uint32_t flags)
{
    wsrt_json_writer_init(&w, out, sizeof out, flags);
}

static void expect(const char *text)
{
    size_t len = 0;

    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    ck_assert_str_eq(out, text);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_int_eq(wsrt_json_parse(NULL, (wsrt_span){out, len}, NULL), WSRT_OK);
}

static void write_sample(wsrt_json_writer *to)
{
    wsrt_json_object(to);
    wsrt_json_key(to, "type");
    wsrt_json_string_cstr(to, "a\"b");
    wsrt_json_key(to, "list");
    wsrt_json_array(to);
    wsrt_json_write_int64(to, -1);
    wsrt_json_object(to);
    wsrt_json_object_end(to);
    wsrt_json_array(to);
    wsrt_json_array_end(to);
    wsrt_json_write_null(to);
    wsrt_json_write_bool(to, 7);
    wsrt_json_write_bool(to, 0);
    wsrt_json_raw(to, TEXT("{\"x\":1}"));
    wsrt_json_array_end(to);
    wsrt_json_key_span(to, TEXT("n\0"));
    wsrt_json_write_uint64(to, UINT64_MAX);
    wsrt_json_object_end(to);
}

static const char sample[] = "{\"type\":\"a\\\"b\",\"list\":[-1,{},[],null,true,false,{\"x\":1}],"
                             "\"n\\u0000\":18446744073709551615}";

START_TEST(commas_and_colons_come_by_themselves)
{
    start(0);
    write_sample(&w);
    expect(sample);
}
END_TEST

START_TEST(a_buffer_too_small_gets_the_size_needed)
{
    for (size_t cap = 0; cap <= sizeof sample; cap++) {
        char *room = guarded_copy(sample, cap);
        size_t len = 0;
        wsrt_json_writer_init(&w, cap == 0 ? NULL : room, cap, 0);
        write_sample(&w);
        ck_assert_int_eq(wsrt_json_finish(&w, &len),
                         cap < sizeof sample - 1 ? WSRT_ERR_LIMIT : WSRT_OK);
        ck_assert_uint_eq(len, sizeof sample - 1);
        if (cap >= sizeof sample - 1)
            ck_assert_mem_eq(room, sample, sizeof sample - 1);
        guarded_free(room, cap);
    }
}
END_TEST

struct taken {
    char text[4096];
    size_t len, calls, most;
    size_t refuse_at; /* 0 = never */
};

static int take(void *user, const void *data, size_t len)
{
    struct taken *t = user;

    ck_assert_uint_gt(len, 0);
    if (++t->calls == t->refuse_at)
        return WSRT_ERR_IO;
    memcpy(t->text + t->len, data, len);
    t->len += len;
    t->most = len > t->most ? len : t->most;
    return WSRT_OK;
}

START_TEST(a_sink_gets_all_bytes_in_pieces_of_the_buffer)
{
    struct taken taken = {.len = 0};
    char room[64], big[200];
    size_t len = 0;

    memset(big, 'x', sizeof big);
    wsrt_json_writer_sink(&w, room, sizeof room, 0, take, &taken);
    wsrt_json_array(&w);
    write_sample(&w);
    wsrt_json_string(&w, (wsrt_span){big, sizeof big});
    wsrt_json_array_end(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    ck_assert_uint_eq(len, taken.len);
    ck_assert_uint_eq(len, sizeof sample - 1 + 2 + 1 + 202);
    ck_assert_uint_eq(taken.most, sizeof room);
    ck_assert_mem_eq(taken.text + 1, sample, sizeof sample - 1);
    ck_assert_int_eq(wsrt_json_parse(NULL, (wsrt_span){taken.text, len}, NULL), WSRT_OK);
}
END_TEST

START_TEST(a_sinks_refusal_sticks_and_it_is_not_called_again)
{
    struct taken taken = {.refuse_at = 2};
    char room[64];

    wsrt_json_writer_sink(&w, room, sizeof room, 0, take, &taken);
    wsrt_json_array(&w);
    for (int i = 0; i < 20; i++)
        write_sample(&w);
    wsrt_json_array_end(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_IO);
    ck_assert_uint_eq(taken.calls, 2);
}
END_TEST

START_TEST(a_sink_needs_a_function_and_sixty_four_bytes)
{
    struct taken taken = {.len = 0};
    char room[64];

    wsrt_json_writer_sink(&w, room, 63, 0, take, &taken);
    wsrt_json_write_null(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
    wsrt_json_writer_sink(&w, room, 64, 0, NULL, NULL);
    wsrt_json_write_null(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(taken.calls, 0);
}
END_TEST

START_TEST(unknown_flags_and_a_buffer_that_is_none_are_refused)
{
    wsrt_json_writer_init(&w, out, sizeof out, 4);
    wsrt_json_write_null(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
    wsrt_json_writer_init(&w, NULL, 1, 0);
    wsrt_json_write_null(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
}
END_TEST

/* Each letter is a call: { } [ ] k(ey) v(alue) r(aw, empty). */
static void play(const char *calls)
{
    start(0);
    for (; *calls != '\0'; calls++) {
        switch (*calls) {
        case '{':
            wsrt_json_object(&w);
            break;
        case '}':
            wsrt_json_object_end(&w);
            break;
        case '[':
            wsrt_json_array(&w);
            break;
        case ']':
            wsrt_json_array_end(&w);
            break;
        case 'k':
            wsrt_json_key(&w, "k");
            break;
        case 'r':
            wsrt_json_raw(&w, TEXT(""));
            break;
        default:
            wsrt_json_write_null(&w);
        }
    }
}

START_TEST(calls_that_would_not_make_json_are_refused)
{
    static const char *const rows[] = {"",    "{",    "[",    "vv",   "{v}", "{kk",  "{k}",   "[k]",
                                       "k",   "{]",   "[}",   "}",    "]",   "{}{}", "{kv}v", "[]k",
                                       "[r]", "{kvv", "{k[}", "[v}v", "r",   "{k{}"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        play(rows[i]);
        ck_assert_msg(wsrt_json_finish(&w, NULL) == WSRT_ERR_INVALID, "%s", rows[i]);
    }
    play("[{kvk[]}vv{}[[v]]]");
    expect("[{\"k\":null,\"k\":[]},null,null,{},[[null]]]");
}
END_TEST

START_TEST(a_hundred_and_twenty_eight_levels_are_the_limit)
{
    char calls[300] = "";

    memset(calls, '[', 128);
    memset(calls + 128, ']', 128);
    play(calls);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    memset(calls, '[', 129);
    memset(calls + 129, ']', 129);
    play(calls);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(levels_remember_what_they_are_when_used_again)
{
    start(0);
    wsrt_json_array(&w);
    for (int i = 0; i < 3; i++) {
        for (int depth = 0; depth < 100; depth++) {
            if ((depth + i) % 2 == 0) {
                wsrt_json_object(&w);
                wsrt_json_key(&w, "");
            } else {
                wsrt_json_array(&w);
            }
        }
        wsrt_json_write_null(&w);
        for (int depth = 99; depth >= 0; depth--)
            (depth + i) % 2 == 0 ? wsrt_json_object_end(&w) : wsrt_json_array_end(&w);
    }
    wsrt_json_array_end(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
}
END_TEST

START_TEST(the_first_error_sticks)
{
    start(0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "a");
    wsrt_json_string(&w, TEXT("\xff"));
    wsrt_json_array_end(&w); /* wrong too, and too late */
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(strings_are_escaped_where_json_asks_for_it)
{
    static const struct {
        wsrt_span in;
        const char *out;
    } rows[] = {
        {TEXT(""), "\"\""},
        {TEXT("\"\\/"), "\"\\\"\\\\/\""},
        {TEXT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {TEXT("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\""},
        {TEXT("\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\""},
        {TEXT("<a href='&'>"), "\"<a href='&'>\""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        start(0);
        wsrt_json_string(&w, rows[i].in);
        expect(rows[i].out);
    }
}
END_TEST

START_TEST(html_safe_strings_hold_no_markup_and_no_line_separators)
{
    start(WSRT_JSON_HTML_SAFE);
    wsrt_json_string(&w, TEXT("a<b>&\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\"\xc3\xa9"));
    expect("\"a\\u003cb\\u003e\\u0026\\u2028\\u2029\xe2\x80\xaa\\\"\xc3\xa9\"");
}
END_TEST

START_TEST(bad_utf8_is_an_error_or_by_option_replaced_by_maximal_subparts)
{
    static const struct {
        wsrt_span in;
        const char *out;
    } rows[] = {
        {TEXT("a\xff"
              "b"),
         "\"a\xef\xbf\xbd"
         "b\""},
        {TEXT("\xf0\x9f\x98"), "\"\xef\xbf\xbd\""},
        {TEXT("\xe2\x82\""), "\"\xef\xbf\xbd\\\"\""},
        {TEXT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {TEXT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {TEXT("\xff\0"), "\"\xef\xbf\xbd\\u0000\""},
        {TEXT("\xf1\x80\x41"), "\"\xef\xbf\xbd"
                               "A\""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        start(0);
        wsrt_json_string(&w, rows[i].in);
        ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_MALFORMED);
        start(WSRT_JSON_REPLACE_UTF8);
        wsrt_json_string(&w, rows[i].in);
        expect(rows[i].out);
    }
}
END_TEST

START_TEST(names_follow_the_rules_of_strings)
{
    start(0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "a\n\"");
    wsrt_json_write_null(&w);
    wsrt_json_key(&w, NULL);
    wsrt_json_write_null(&w);
    wsrt_json_object_end(&w);
    expect("{\"a\\n\\\"\":null,\"\":null}");
    start(0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "\xff");
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(a_special_byte_is_found_at_every_offset_of_a_block)
{
    static const wsrt_span special[] = {TEXT("\""),          TEXT("\\"),       TEXT("\n"),
                                        TEXT("\x01"),        TEXT("\xc3\xa9"), TEXT("<"),
                                        TEXT("\xe2\x80\xa9")};

    for (size_t i = 0; i < COUNT(special); i++)
        for (size_t before = 0; before < 20; before++)
            for (size_t after = 0; after < 20; after++) {
                char text[64], back[64];
                size_t len = before + special[i].len + after, back_len = 0;
                wsrt_json value;
                memset(text, '~', sizeof text);
                memcpy(text + before, special[i].ptr, special[i].len);
                char *copy = guarded_copy(text, len);
                start(WSRT_JSON_HTML_SAFE);
                wsrt_json_string(&w, (wsrt_span){copy, len});
                ck_assert_int_eq(wsrt_json_finish(&w, &back_len), WSRT_OK);
                ck_assert_ptr_null(strchr(out, '<'));
                ck_assert_int_eq(wsrt_json_parse(&value, (wsrt_span){out, back_len}, NULL),
                                 WSRT_OK);
                ck_assert_int_eq(wsrt_json_text(&value, back, sizeof back, &back_len), WSRT_OK);
                ck_assert(wsrt_span_equal((wsrt_span){back, back_len}, (wsrt_span){copy, len}));
                guarded_free(copy, len);
            }
}
END_TEST

START_TEST(a_string_may_come_in_pieces)
{
    start(0);
    wsrt_json_array(&w);
    for (int i = 0; i < 2; i++) {
        wsrt_json_string_open(&w);
        wsrt_json_string_part(&w, TEXT("a\""));
        wsrt_json_string_literal(&w, TEXT("\\n"));
        wsrt_json_string_part(&w, TEXT(""));
        wsrt_json_string_close(&w);
    }
    wsrt_json_array_end(&w);
    expect("[\"a\\\"\\n\",\"a\\\"\\n\"]");
    start(0);
    wsrt_json_object(&w);
    wsrt_json_string_open(&w); /* where a name belongs */
    wsrt_json_string_close(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_length_beyond_measure_stays_there)
{
    static const char text[] = "0";
    size_t len = 0;

    start(0);
    wsrt_json_array(&w);
    wsrt_json_raw(&w, (wsrt_span){text, SIZE_MAX}); /* only counted: it does not fit */
    wsrt_json_write_null(&w);
    wsrt_json_array_end(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_ERR_LIMIT);
    ck_assert_uint_eq(len, SIZE_MAX);
}
END_TEST

START_TEST(integers_are_written_to_their_ends)
{
    start(0);
    wsrt_json_array(&w);
    wsrt_json_write_int64(&w, INT64_MIN);
    wsrt_json_write_int64(&w, INT64_MAX);
    wsrt_json_write_int64(&w, 0);
    wsrt_json_write_uint64(&w, 0);
    wsrt_json_write_uint64(&w, 10);
    wsrt_json_array_end(&w);
    expect("[-9223372036854775808,9223372036854775807,0,0,10]");
}
END_TEST

START_TEST(an_integer_has_as_many_digits_as_it_needs)
{
    char text[24];

    for (uint64_t power = 1;; power *= 10) {
        for (uint64_t v = power - 1; v <= power + 1; v++) {
            snprintf(text, sizeof text, "%llu", (unsigned long long)v);
            start(0);
            wsrt_json_write_uint64(&w, v);
            expect(text);
        }
        if (power > UINT64_MAX / 10)
            break;
    }
}
END_TEST

START_TEST(doubles_have_the_form_of_ecmascript)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100"},
        {123456.789, "123456.789"},
        {1e21, "1e21"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1.25e-9, "1.25e-9"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740993.0, "9007199254740992"},
        {5e-324, "5e-324"},
        {8e-323, "8e-323"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {9.5367431640625e-07, "9.5367431640625e-7"},
        {5.684341886080802e-14, "5.684341886080802e-14"},
        {4.35, "4.35"},
        {-1.7976931348623157e-300, "-1.7976931348623157e-300"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        start(0);
        wsrt_json_write_double(&w, rows[i].v);
        expect(rows[i].text);
    }
}
END_TEST

START_TEST(numbers_json_cannot_hold_are_refused)
{
    double rows[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < COUNT(rows); i++) {
        start(0);
        wsrt_json_write_double(&w, rows[i]);
        ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_ERR_INVALID);
    }
}
END_TEST

/* Digits of a number's text, zeros at both ends and everything else left out. */
static size_t digits_of(const char *text, char *digits)
{
    size_t n = 0;

    for (; *text != '\0' && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n > 0 || *text != '0'))
            digits[n++] = *text;
    while (n > 0 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    return n;
}

/* The C library is the judge: what we write reads back, and no text of fewer digits does. */
static void expect_shortest(double v)
{
    char digits[40], theirs[40], text[64];

    start(0);
    wsrt_json_write_double(&w, v);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    ck_assert_msg(strtod(out, NULL) == v, "%s is not %a", out, v);
    if (strchr(out, 'e') != NULL)
        ck_assert_msg(out[out[0] == '-'] != '0', "%s begins with a zero", out);
    size_t n = digits_of(out, digits);
    for (int p = 0; p < 17; p++) {
        snprintf(text, sizeof text, "%.*e", p, v);
        if (strtod(text, NULL) != v)
            continue;
        ck_assert_msg(n <= digits_of(text, theirs), "%s could be %s", out, text);
        if (n == digits_of(text, theirs))
            ck_assert_msg(strcmp(digits, theirs) == 0, "%s is not the nearest: %s", out, text);
        return;
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(random_doubles_are_written_with_the_fewest_digits)
{
    uint64_t state = 88172645463325252u;

    for (int i = 0; i < 8000; i++) {
        uint64_t bits = next_random(&state);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            expect_shortest(v);
        expect_shortest((double)(next_random(&state) % 1000000007) / 1000);
        expect_shortest((double)next_random(&state) / 18446744073709551616.0);
        expect_shortest((double)(int64_t)next_random(&state));
    }
}
END_TEST

START_TEST(powers_and_their_neighbours_are_written_with_the_fewest_digits)
{
    for (int e = -1074; e <= 1023; e++) {
        expect_shortest(ldexp(1, e));
        expect_shortest(nextafter(ldexp(1, e), INFINITY));
        expect_shortest(nextafter(ldexp(1, e), 0) == 0 ? 1 : nextafter(ldexp(1, e), 0));
    }
    for (int e = -323; e <= 308; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        double v = strtod(text, NULL);
        expect_shortest(v);
        expect_shortest(nextafter(v, INFINITY));
        expect_shortest(nextafter(v, 0));
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("json-write");
    TCase *t = tcase_create("write");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, commas_and_colons_come_by_themselves);
    tcase_add_test(t, a_buffer_too_small_gets_the_size_needed);
    tcase_add_test(t, a_sink_gets_all_bytes_in_pieces_of_the_buffer);
    tcase_add_test(t, a_sinks_refusal_sticks_and_it_is_not_called_again);
    tcase_add_test(t, a_sink_needs_a_function_and_sixty_four_bytes);
    tcase_add_test(t, unknown_flags_and_a_buffer_that_is_none_are_refused);
    tcase_add_test(t, calls_that_would_not_make_json_are_refused);
    tcase_add_test(t, a_hundred_and_twenty_eight_levels_are_the_limit);
    tcase_add_test(t, levels_remember_what_they_are_when_used_again);
    tcase_add_test(t, the_first_error_sticks);
    tcase_add_test(t, strings_are_escaped_where_json_asks_for_it);
    tcase_add_test(t, html_safe_strings_hold_no_markup_and_no_line_separators);
    tcase_add_test(t, bad_utf8_is_an_error_or_by_option_replaced_by_maximal_subparts);
    tcase_add_test(t, names_follow_the_rules_of_strings);
    tcase_add_test(t, a_special_byte_is_found_at_every_offset_of_a_block);
    tcase_add_test(t, a_string_may_come_in_pieces);
    tcase_add_test(t, a_length_beyond_measure_stays_there);
    tcase_add_test(t, integers_are_written_to_their_ends);
    tcase_add_test(t, an_integer_has_as_many_digits_as_it_needs);
    tcase_add_test(t, doubles_have_the_form_of_ecmascript);
    tcase_add_test(t, numbers_json_cannot_hold_are_refused);
    tcase_add_test(t, random_doubles_are_written_with_the_fewest_digits);
    tcase_add_test(t, powers_and_their_neighbours_are_written_with_the_fewest_digits);
    suite_add_tcase(s, t);
    return s;
}
