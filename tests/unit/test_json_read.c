#include "guarded.h"
#include "suite.h"

#include <wsrt/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(literal) ((wsrt_span){"" literal, sizeof(literal) - 1})

/* Parses a copy that ends at an unmapped page; why->offset stays meaningful. */
static int parse_guarded(wsrt_span text, wsrt_json_error *why)
{
    char *copy = guarded_copy(text.ptr, text.len);
    int rc = wsrt_json_parse(NULL, (wsrt_span){copy, text.len}, why);

    guarded_free(copy, text.len);
    return rc;
}

static wsrt_json parsed(const char *text)
{
    wsrt_json value = {0};

    ck_assert_int_eq(wsrt_json_parse(&value, wsrt_span_cstr(text), NULL), WSRT_OK);
    return value;
}

static void expect_text(const wsrt_json *value, const char *text)
{
    ck_assert_msg(wsrt_span_equal(value->text, wsrt_span_cstr(text)), "got '%.*s', want '%s'",
                  (int)value->text.len, value->text.ptr, text);
}

/* ---- the whole text ---- */

START_TEST(a_value_is_yielded_with_its_kind_and_bytes)
{
    static const struct {
        const char *in, *text;
        int kind;
        uint32_t escaped;
    } rows[] = {
        {"null", "null", WSRT_JSON_NULL, 0},
        {" true\n", "true", WSRT_JSON_BOOL, 0},
        {"false", "false", WSRT_JSON_BOOL, 0},
        {"-1.5e+3 ", "-1.5e+3", WSRT_JSON_NUMBER, 0},
        {"\"\"", "", WSRT_JSON_STRING, 0},
        {"\t\"a b\"", "a b", WSRT_JSON_STRING, 0},
        {"\"a\\n\"", "a\\n", WSRT_JSON_STRING, 1},
        {"[ ]", "[ ]", WSRT_JSON_ARRAY, 0},
        {"[\"\\n\"]", "[\"\\n\"]", WSRT_JSON_ARRAY, 0},
        {" {\"a\":[1,{}]} ", "{\"a\":[1,{}]}", WSRT_JSON_OBJECT, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json value = parsed(rows[i].in);
        expect_text(&value, rows[i].text);
        ck_assert_int_eq(value.kind, rows[i].kind);
        ck_assert_uint_eq(value.escaped, rows[i].escaped);
    }
}
END_TEST

START_TEST(what_is_not_json_is_refused_at_its_first_bad_byte)
{
    static const struct {
        wsrt_span in;
        size_t offset;
        const char *text;
    } rows[] = {
        {TEXT(""), 0, "Unexpected end of the text"},
        {TEXT(" \n "), 3, "Unexpected end of the text"},
        {TEXT("\xef\xbb\xbf{}"), 0, "Byte order mark"},
        {TEXT("\xff\xfe{\0}\0"), 0, "Expected a value"},
        {TEXT("{\0}\0"), 1, "Expected a member name"},
        {TEXT("1\0"), 1, "Something follows the value"},
        {TEXT("{} x"), 3, "Something follows the value"},
        {TEXT("[1]]"), 3, "Something follows the value"},
        {TEXT("\"a\0b\""), 2, "Control character in a string"},
        {TEXT("\"a\x1f\""), 2, "Control character in a string"},
        {TEXT("\"\xc0\xaf\""), 1, "Invalid UTF-8"},
        {TEXT("\"\xed\xa0\x80\""), 1, "Invalid UTF-8"},
        {TEXT("\"\xf4\x90\x80\x80\""), 1, "Invalid UTF-8"},
        {TEXT("\"\x80\""), 1, "Invalid UTF-8"},
        {TEXT("\"\xe2\x82\""), 1, "Invalid UTF-8"},
        {TEXT("\"\xff\0\""), 1, "Invalid UTF-8"},
        {TEXT("\"\xfe\""), 1, "Invalid UTF-8"},
        {TEXT("\"ab\\ud800\""), 3, "Lone surrogate"},
        {TEXT("\"\\udc00\""), 1, "Lone surrogate"},
        {TEXT("\"\\ud800\\u0041\""), 1, "Lone surrogate"},
        {TEXT("\"\\udc00\\ud800\""), 1, "Lone surrogate"},
        {TEXT("\"\\u12G4\""), 1, "Invalid escape"},
        {TEXT("\"\\u12g4\""), 1, "Invalid escape"},
        {TEXT("\"\\u12/4\""), 1, "Invalid escape"},
        {TEXT("\"\\u12:4\""), 1, "Invalid escape"},
        {TEXT("\"\\u12@4\""), 1, "Invalid escape"},
        {TEXT("\"\\u12`4\""), 1, "Invalid escape"},
        {TEXT("\"\\u12"), 1, "Invalid escape"},
        {TEXT("\"\\x41\""), 1, "Invalid escape"},
        {TEXT("\"\\a\""), 1, "Invalid escape"},
        {TEXT("\"\\\0\""), 1, "Invalid escape"},
        {TEXT("\"abc"), 4, "Unexpected end of the text"},
        {TEXT("[1,]"), 3, "Expected a value"},
        {TEXT("[,1]"), 1, "Expected a value"},
        {TEXT("[1 2]"), 3, "Expected ',' or ']'"},
        {TEXT("[1}"), 2, "Expected ',' or ']'"},
        {TEXT("{\"a\":1]"), 6, "Expected ',' or '}'"},
        {TEXT("{\"a\" 1}"), 5, "Expected ':'"},
        {TEXT("{\"a\":1,}"), 7, "Expected a member name"},
        {TEXT("{a:1}"), 1, "Expected a member name"},
        {TEXT("{\"a\":}"), 5, "Expected a value"},
        {TEXT("[\v1]"), 1, "Expected a value"},
        {TEXT("[\xc2\xa0"
              "1]"),
         1, "Expected a value"},
        {TEXT("['a']"), 1, "Expected a value"},
        {TEXT("/**/1"), 0, "Expected a value"},
        {TEXT("NaN"), 0, "Expected a value"},
        {TEXT("nul"), 3, "Unexpected end of the text"},
        {TEXT("truee"), 4, "Something follows the value"},
        {TEXT("True"), 0, "Expected a value"},
        {TEXT("+1"), 0, "Expected a value"},
        {TEXT(".5"), 0, "Expected a value"},
        {TEXT("1.x"), 2, "Invalid number"},
        {TEXT("-x"), 1, "Invalid number"},
        {TEXT("1ex"), 2, "Invalid number"},
        {TEXT("1."), 2, "Unexpected end of the text"},
        {TEXT("01"), 1, "Invalid number: leading zero"},
        {TEXT("-012"), 2, "Invalid number: leading zero"},
        {TEXT("0x1"), 1, "Something follows the value"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json_error why = {0};
        ck_assert_int_eq(parse_guarded(rows[i].in, &why), WSRT_ERR_MALFORMED);
        ck_assert_msg(why.offset == rows[i].offset && strcmp(why.text_cstr, rows[i].text) == 0,
                      "row %zu: %zu %s", i, why.offset, why.text_cstr);
    }
}
END_TEST

START_TEST(what_looks_odd_but_is_json_is_taken)
{
    static const wsrt_span rows[] = {
        TEXT("\"\x7f\""),
        TEXT("\"\\u0000\""),
        TEXT("\"\\ud83d\\ude00\""),
        TEXT("-0"),
        TEXT("1E400"),
        TEXT("1e-9999999999"),
        TEXT("\"\xe2\x80\xa8\""),
        TEXT("\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("{\"\":0}"),
        TEXT("\"\\/\\\\\\\"\\b\\f\\n\\r\\t\""),
        TEXT(" \t\r\n[ \t\r\n] \t\r\n"),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(parse_guarded(rows[i], NULL) == WSRT_OK, "row %zu", i);
}
END_TEST

/* depth brackets, and what closes them */
static size_t nested(char *dst, size_t depth)
{
    memset(dst, '[', depth);
    memset(dst + depth, ']', depth);
    return 2 * depth;
}

START_TEST(sixty_four_levels_are_the_limit)
{
    char text[200];
    wsrt_json_error why;

    ck_assert_int_eq(parse_guarded((wsrt_span){text, nested(text, 64)}, &why), WSRT_OK);
    ck_assert_int_eq(parse_guarded((wsrt_span){text, nested(text, 65)}, &why), WSRT_ERR_LIMIT);
    ck_assert_uint_eq(why.offset, 64);
    ck_assert_str_eq(why.text_cstr, "Nested too deeply");
}
END_TEST

START_TEST(objects_and_arrays_close_in_order_at_every_depth)
{
    for (int depth = 1; depth <= 60; depth++) {
        char text[1024] = "";
        for (int i = 0; i < depth; i++)
            strcat(text, i % 3 == 0 ? "{\"a\":" : "[");
        strcat(text, "0");
        for (int i = depth - 1; i >= 0; i--)
            strcat(text, i % 3 == 0 ? "}" : "]");
        parsed(text);
        text[strlen(text) - 1] ^= '}' ^ ']';
        ck_assert_int_eq(parse_guarded(wsrt_span_cstr(text), NULL), WSRT_ERR_MALFORMED);
    }
}
END_TEST

START_TEST(a_hundred_thousand_brackets_cost_no_stack)
{
    size_t len = 100000;
    char *text = malloc(len);

    memset(text, '[', len);
    ck_assert_int_eq(parse_guarded((wsrt_span){text, len}, NULL), WSRT_ERR_LIMIT);
    free(text);
}
END_TEST

START_TEST(every_truncation_is_refused_without_reading_past_the_end)
{
    static const char whole[] = "{\"type\":\"message\",\"data\":{\"n\":[-1.5e+3,true,null,{}],"
                                "\"t\":\"a\\u00e9\\ud83d\\ude00\xf0\x9f\x98\x80\xc3\xa9 z\"}}";

    for (size_t len = 0; len < sizeof whole - 1; len++)
        ck_assert_int_eq(parse_guarded((wsrt_span){whole, len}, NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(parse_guarded((wsrt_span){whole, sizeof whole - 1}, NULL), WSRT_OK);
}
END_TEST

/* A slow, independent judge of one UTF-8 sequence. */
static int utf8_ok(const unsigned char *s, size_t n)
{
    uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}, cp = 0;
    size_t len = s[0] < 0x80         ? 1
                 : (s[0] >> 5) == 6  ? 2
                 : (s[0] >> 4) == 14 ? 3
                 : (s[0] >> 3) == 30 ? 4
                                     : 0;

    if (len != n)
        return 0;
    cp = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (s[i] & 0x3f);
    }
    return cp >= least[len] && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
}

START_TEST(utf8_is_judged_exactly_for_every_two_and_edge_three_and_four_bytes)
{
    static const unsigned char edges[] = {0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    unsigned char text[8] = {'"'};

    for (unsigned a = 0x80; a < 0x100; a++)
        for (unsigned b = 0x80; b < 0x100; b++) {
            memcpy(text + 1, (unsigned char[]){(unsigned char)a, (unsigned char)b, '"'}, 3);
            wsrt_span two = {(char *)text, 4};
            ck_assert_int_eq(parse_guarded(two, NULL) == WSRT_OK, utf8_ok(text + 1, 2));
        }
    for (unsigned a = 0xe0; a < 0x100; a++)
        for (size_t n = 0; n < COUNT(edges) * COUNT(edges) * COUNT(edges); n++) {
            unsigned char tail[] = {(unsigned char)a, edges[n % 9], edges[n / 9 % 9],
                                    a < 0xf0 ? '"' : edges[n / 81], '"'};
            size_t len = a < 0xf0 ? 3 : 4;
            if (tail[2] == 0x7f || tail[1] == 0x7f || (len == 4 && tail[3] == 0x7f))
                continue;
            memcpy(text + 1, tail, 5);
            ck_assert_int_eq(wsrt_json_parse(NULL, (wsrt_span){(char *)text, len + 2}, NULL) ==
                                 WSRT_OK,
                             utf8_ok(text + 1, len));
        }
}
END_TEST

START_TEST(a_bad_byte_is_found_at_every_offset_of_a_block)
{
    static const wsrt_span bad[] = {TEXT("\xc0\x80"), TEXT("\x1f"), TEXT("\xf0\x9f\x98"),
                                    TEXT("\\q")};
    char text[100];

    for (size_t i = 0; i < COUNT(bad); i++)
        for (size_t at = 1; at <= 65; at++) {
            wsrt_json_error why = {0};
            memset(text, 'a', sizeof text);
            text[0] = '"';
            memcpy(text + at, bad[i].ptr, bad[i].len);
            text[90] = '"';
            ck_assert_int_eq(parse_guarded((wsrt_span){text, 91}, &why), WSRT_ERR_MALFORMED);
            ck_assert_uint_eq(why.offset, at);
        }
}
END_TEST

START_TEST(the_output_is_untouched_by_a_failure)
{
    wsrt_json value = {.kind = 77};

    ck_assert_int_eq(wsrt_json_parse(&value, TEXT("[1"), NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_json_parse(&value, TEXT("1 1"), NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(value.kind, 77);
    ck_assert_int_eq(wsrt_json_parse(&value, (wsrt_span){NULL, 0}, NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_json_parse(&value, (wsrt_span){NULL, 5}, NULL), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(the_reason_is_written_by_a_failure_alone)
{
    wsrt_json_error why = {.offset = 77};

    ck_assert_int_eq(wsrt_json_parse(NULL, TEXT("[1]"), &why), WSRT_OK);
    ck_assert_uint_eq(why.offset, 77);
    ck_assert_ptr_null(why.text_cstr);
}
END_TEST

/* ---- the cursor ---- */

START_TEST(members_come_in_order_with_their_names)
{
    wsrt_json object = parsed("{ \"a\" : 1 , \"\\u0062\":[2,3],\"c\":\"x\" }"), key, child;
    wsrt_json_iter it = {0};
    static const struct {
        const char *name, *text;
        int kind;
    } rows[] = {{"a", "1", WSRT_JSON_NUMBER},
                {"b", "[2,3]", WSRT_JSON_ARRAY},
                {"c", "x", WSRT_JSON_STRING}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_int_eq(wsrt_json_next(&object, &it, &key, &child), WSRT_OK);
        ck_assert_int_eq(wsrt_json_equal(&key, wsrt_span_cstr(rows[i].name)), 1);
        expect_text(&child, rows[i].text);
        ck_assert_int_eq(child.kind, rows[i].kind);
        ck_assert_uint_eq(it.count, i + 1);
    }
    ck_assert_int_eq(wsrt_json_next(&object, &it, &key, &child), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_json_next(&object, &it, &key, &child), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(elements_come_without_names)
{
    wsrt_json array = parsed("[null,{\"x\":\"]\"},false]"), key = {.kind = 9}, child;
    wsrt_json_iter it = {0};

    ck_assert_int_eq(wsrt_json_next(&array, &it, &key, &child), WSRT_OK);
    ck_assert_int_eq(key.kind, WSRT_JSON_NONE);
    ck_assert_int_eq(child.kind, WSRT_JSON_NULL);
    ck_assert_int_eq(wsrt_json_next(&array, &it, NULL, &child), WSRT_OK);
    expect_text(&child, "{\"x\":\"]\"}");
    ck_assert_int_eq(wsrt_json_next(&array, &it, NULL, &child), WSRT_OK);
    ck_assert_int_eq(child.kind, WSRT_JSON_BOOL);
    ck_assert_int_eq(wsrt_json_next(&array, &it, NULL, &child), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(empty_containers_have_no_children)
{
    static const char *const rows[] = {"{}", "[]", "{ \n}", "[\t]"};
    wsrt_json child;

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json value = parsed(rows[i]);
        wsrt_json_iter it = {0};
        ck_assert_int_eq(wsrt_json_next(&value, &it, NULL, &child), WSRT_ERR_NOT_FOUND);
    }
}
END_TEST

START_TEST(unchecked_text_breaks_where_it_cannot_be_followed)
{
    static const struct {
        const char *text;
        int kind, good; /* children before the break */
    } rows[] = {
        {"", WSRT_JSON_OBJECT, 0},           {"[", WSRT_JSON_OBJECT, 0},
        {"{", WSRT_JSON_OBJECT, 0},          {"{\"a", WSRT_JSON_OBJECT, 0},
        {"{\"a\"", WSRT_JSON_OBJECT, 0},     {"{\"a\":", WSRT_JSON_OBJECT, 0},
        {"{\"a\":1", WSRT_JSON_OBJECT, 1},   {"{\"a\":1,", WSRT_JSON_OBJECT, 1},
        {"{\"a\":1,}", WSRT_JSON_OBJECT, 1}, {"[1,]", WSRT_JSON_ARRAY, 1},
        {"[1 2]", WSRT_JSON_ARRAY, 1},       {"[[1", WSRT_JSON_ARRAY, 0},
        {"[\"\\", WSRT_JSON_ARRAY, 0},       {"[tru", WSRT_JSON_ARRAY, 0},
        {"[1,-]", WSRT_JSON_ARRAY, 1},       {"{1:2}", WSRT_JSON_OBJECT, 0},
        {"[1}", WSRT_JSON_ARRAY, 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].text);
        char *copy = guarded_copy(rows[i].text, len);
        wsrt_json value = {{copy, len}, rows[i].kind, 0}, child;
        wsrt_json_iter it = {0};
        for (int n = 0; n < rows[i].good; n++)
            ck_assert_int_eq(wsrt_json_next(&value, &it, NULL, &child), WSRT_OK);
        ck_assert_msg(wsrt_json_next(&value, &it, NULL, &child) == WSRT_ERR_MALFORMED, "%s",
                      rows[i].text);
        guarded_free(copy, len);
    }
}
END_TEST

START_TEST(scalars_have_no_children)
{
    wsrt_json number = parsed("1"), child;
    wsrt_json_iter it = {0};

    ck_assert_int_eq(wsrt_json_next(&number, &it, NULL, &child), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_next(NULL, &it, NULL, &child), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_next(&number, NULL, NULL, &child), WSRT_ERR_INVALID);
    it.offset = 99;
    wsrt_json array = parsed("[1]");
    ck_assert_int_eq(wsrt_json_next(&array, &it, NULL, &child), WSRT_ERR_INVALID);
}
END_TEST

/* ---- pointers ---- */

static const char rfc6901[] = "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,"
                              "\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";

START_TEST(the_pointers_of_rfc_6901_lead_where_it_says)
{
    static const struct {
        const char *pointer, *text;
    } rows[] = {{"/foo", "[\"bar\",\"baz\"]"},
                {"/foo/0", "bar"},
                {"/foo/1", "baz"},
                {"/", "0"},
                {"/a~1b", "1"},
                {"/c%d", "2"},
                {"/e^f", "3"},
                {"/g|h", "4"},
                {"/i\\j", "5"},
                {"/k\"l", "6"},
                {"/ ", "7"},
                {"/m~0n", "8"},
                {"", rfc6901}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json doc = parsed(rfc6901), found;
        ck_assert_msg(wsrt_json_find(&doc, wsrt_span_cstr(rows[i].pointer), &found) == WSRT_OK,
                      "%s", rows[i].pointer);
        expect_text(&found, rows[i].text);
    }
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
    static const char *const rows[] = {"/fo",
                                       "/fooo",
                                       "/foo/2",
                                       "/foo/-",
                                       "/foo/00",
                                       "/foo/01",
                                       "/foo/x",
                                       "/foo/0/0",
                                       "//",
                                       "/m~1n",
                                       "/a/b",
                                       "/foo/",
                                       "/foo/99999999999999999999",
                                       "/foo/+1"};
    wsrt_json doc = parsed(rfc6901), found;

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(wsrt_json_find(&doc, wsrt_span_cstr(rows[i]), &found) == WSRT_ERR_NOT_FOUND,
                      "%s", rows[i]);
}
END_TEST

START_TEST(a_pointer_that_is_none_is_a_usage_error)
{
    static const char *const rows[] = {"foo", "/a~", "/a~2", "/~", "/x/~/y"};
    wsrt_json doc = parsed(rfc6901), found;

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_int_eq(wsrt_json_find(&doc, wsrt_span_cstr(rows[i]), &found), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_find(NULL, TEXT(""), &found), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_find(&doc, TEXT(""), NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(of_duplicate_names_the_first_is_found)
{
    wsrt_json doc = parsed("{\"a\":{\"b\":1},\"\\u0061\":{\"c\":2},\"a\":3}"), found;

    ck_assert_int_eq(wsrt_json_find(&doc, TEXT("/a"), &found), WSRT_OK);
    expect_text(&found, "{\"b\":1}");
    ck_assert_int_eq(wsrt_json_find(&doc, TEXT("/a/c"), &found), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(names_match_by_their_decoded_code_points)
{
    static const struct {
        const char *name, *pointer;
        int found;
    } rows[] = {
        {"\\u0074ype", "/type", 1},
        {"type\\u0000", "/type", 0},
        {"typ", "/type", 0},
        {"types", "/type", 0},
        {"TYPE", "/type", 0},
        {"\\ud83d\\ude00", "/\xf0\x9f\x98\x80", 1},
        {"\\u007e\\u002f", "/~0~1", 1},
        {"\\u007e1", "/~01", 1},
        {"e\\u0301", "/\xc3\xa9", 0},
        {"\\ud800", "/\xed\xa0\x80", 0},
        {"a\\/b", "/a~1b", 1},
        {"a~1b", "/a~1b", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "{\"%s\":1}", rows[i].name);
        wsrt_json doc = {{text, (size_t)len}, WSRT_JSON_OBJECT, 0}, found;
        ck_assert_msg((wsrt_json_find(&doc, wsrt_span_cstr(rows[i].pointer), &found) == WSRT_OK) ==
                          rows[i].found,
                      "%s", rows[i].name);
    }
}
END_TEST

START_TEST(a_member_before_the_break_of_unchecked_text_is_found)
{
    static const char text[] = "  {\"type\":\"ping\",\"data\":{\"x\":1,,,\xff";
    char *copy = guarded_copy(text, sizeof text - 1);
    wsrt_json doc = {{copy, sizeof text - 1}, WSRT_JSON_OBJECT, 0}, found;

    ck_assert_int_eq(wsrt_json_find(&doc, TEXT("/type"), &found), WSRT_OK);
    expect_text(&found, "ping");
    ck_assert_int_eq(wsrt_json_find(&doc, TEXT("/data"), &found), WSRT_ERR_NOT_FOUND);
    guarded_free(copy, sizeof text - 1);
}
END_TEST

/* ---- strings ---- */

START_TEST(escapes_decode_to_utf8)
{
    static const struct {
        const char *in;
        wsrt_span out;
    } rows[] = {
        {"\"\"", TEXT("")},
        {"\"plain\"", TEXT("plain")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", TEXT("\"\\/\b\f\n\r\t")},
        {"\"a\\u0000b\"", TEXT("a\0b")},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
         TEXT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
        {"\"\\ud800\\udc00\\uDBFF\\uDFFF\"", TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json value = parsed(rows[i].in);
        char out[64];
        size_t len = 99;
        ck_assert_int_eq(wsrt_json_text(&value, out, sizeof out, &len), WSRT_OK);
        ck_assert(wsrt_span_equal((wsrt_span){out, len}, rows[i].out));
        ck_assert_int_eq(wsrt_json_equal(&value, rows[i].out), 1);
    }
}
END_TEST

START_TEST(text_that_does_not_fit_says_how_long_it_is)
{
    wsrt_json value = parsed("\"a\\u00e9b\"");
    char *room = guarded_copy("????", 4);
    size_t len = 0;

    ck_assert_int_eq(wsrt_json_text(&value, NULL, 0, &len), WSRT_ERR_LIMIT);
    ck_assert_uint_eq(len, 4);
    ck_assert_int_eq(wsrt_json_text(&value, NULL, 1, &len), WSRT_ERR_INVALID);
    for (size_t cap = 0; cap < 4; cap++)
        ck_assert_int_eq(wsrt_json_text(&value, room + 4 - cap, cap, NULL), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_json_text(&value, room, 4, &len), WSRT_OK);
    ck_assert_mem_eq(room,
                     "a\xc3\xa9"
                     "b",
                     4);
    guarded_free(room, 4);
    value = parsed("\"\"");
    ck_assert_int_eq(wsrt_json_text(&value, NULL, 0, &len), WSRT_OK);
    ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(text_of_unchecked_strings_is_refused_at_a_bad_escape)
{
    static const char *const rows[] = {"\\", "a\\q", "\\u12", "\\ud800", "\\udc00x"};
    char out[16];

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_json value = {wsrt_span_cstr(rows[i]), WSRT_JSON_STRING, 1};
        ck_assert_int_eq(wsrt_json_text(&value, out, sizeof out, NULL), WSRT_ERR_MALFORMED);
        ck_assert_int_eq(wsrt_json_equal(&value, wsrt_span_cstr(rows[i])), 0);
    }
}
END_TEST

START_TEST(readers_refuse_the_wrong_kind)
{
    wsrt_json string = parsed("\"1\""), number = parsed("1"), none = {0};
    int64_t i;
    uint64_t u;
    double d;
    int b;
    char c;

    ck_assert_int_eq(wsrt_json_int64(&string, &i), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_uint64(&string, &u), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_double(&none, &d), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_bool(&number, &b), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_text(&number, &c, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_equal(&number, TEXT("1")), 0);
    ck_assert_int_eq(wsrt_json_int64(NULL, &i), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_json_bool(&(wsrt_json){TEXT("true"), WSRT_JSON_BOOL, 0}, &b), WSRT_OK);
    ck_assert_int_eq(b, 1);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("json-read");
    TCase *t = tcase_create("text");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_value_is_yielded_with_its_kind_and_bytes);
    tcase_add_test(t, what_is_not_json_is_refused_at_its_first_bad_byte);
    tcase_add_test(t, what_looks_odd_but_is_json_is_taken);
    tcase_add_test(t, sixty_four_levels_are_the_limit);
    tcase_add_test(t, objects_and_arrays_close_in_order_at_every_depth);
    tcase_add_test(t, a_hundred_thousand_brackets_cost_no_stack);
    tcase_add_test(t, every_truncation_is_refused_without_reading_past_the_end);
    tcase_add_test(t, utf8_is_judged_exactly_for_every_two_and_edge_three_and_four_bytes);
    tcase_add_test(t, a_bad_byte_is_found_at_every_offset_of_a_block);
    tcase_add_test(t, the_output_is_untouched_by_a_failure);
    tcase_add_test(t, the_reason_is_written_by_a_failure_alone);
    suite_add_tcase(s, t);
    t = tcase_create("cursor");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, members_come_in_order_with_their_names);
    tcase_add_test(t, elements_come_without_names);
    tcase_add_test(t, empty_containers_have_no_children);
    tcase_add_test(t, unchecked_text_breaks_where_it_cannot_be_followed);
    tcase_add_test(t, scalars_have_no_children);
    tcase_add_test(t, the_pointers_of_rfc_6901_lead_where_it_says);
    tcase_add_test(t, what_is_not_there_is_not_found);
    tcase_add_test(t, a_pointer_that_is_none_is_a_usage_error);
    tcase_add_test(t, of_duplicate_names_the_first_is_found);
    tcase_add_test(t, names_match_by_their_decoded_code_points);
    tcase_add_test(t, a_member_before_the_break_of_unchecked_text_is_found);
    tcase_add_test(t, escapes_decode_to_utf8);
    tcase_add_test(t, text_that_does_not_fit_says_how_long_it_is);
    tcase_add_test(t, text_of_unchecked_strings_is_refused_at_a_bad_escape);
    tcase_add_test(t, readers_refuse_the_wrong_kind);
    suite_add_tcase(s, t);
    return s;
}
