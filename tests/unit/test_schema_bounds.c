/* Schemas at their edges: keywords of the wrong type, rules that contradict each other, pointers, URIs. */
#include "suite.h"

#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})

static wsrt_schema_error why;

static int compile(wsrt_schema **out, const char *text, uint32_t flags)
{
    const wsrt_schema_options o = {.struct_size = sizeof o, .flags = flags};

    return wsrt_schema_new(out, text, strlen(text), &o, &why);
}

/* ---- keywords ---- */

enum { NEW = WSRT_SCHEMA_DRAFT_2020_12, OLD = WSRT_SCHEMA_DRAFT_07 };

/* The kinds of values that a keyword takes: n, b, number, string, array, object as letters. */
static const struct {
    const char *keyword, *takes;
    uint32_t dialect;
} keywords[] = {
    {"errorMessage", "so", 0},
    {"$schema", "s", 0},
    {"$id", "s", NEW},
    {"$anchor", "s", NEW},
    {"$comment", "s", 0},
    {"$ref", "s", NEW},
    {"$ref", "s", OLD},
    {"$defs", "o", NEW},
    {"definitions", "o", 0},
    {"type", "sa", 0},
    {"enum", "a", 0},
    {"minLength", "#", 0},
    {"maxLength", "#", 0},
    {"x-wsrt-minBytes", "#", 0},
    {"x-wsrt-maxUtf16Length", "#", 0},
    {"x-wsrt-extract", "s", 0},
    {"pattern", "s", 0},
    {"format", "s", 0},
    {"minimum", "#", 0},
    {"exclusiveMaximum", "#", 0},
    {"multipleOf", "#", 0},
    {"properties", "o", 0},
    {"required", "a", 0},
    {"additionalProperties", "bo", 0},
    {"patternProperties", "o", 0},
    {"propertyNames", "bo", 0},
    {"minProperties", "#", 0},
    {"dependentRequired", "o", NEW},
    {"dependentSchemas", "o", NEW},
    {"dependencies", "o", OLD},
    {"prefixItems", "a", NEW},
    {"items", "bo", NEW},
    {"items", "boa", OLD},
    {"contains", "bo", 0},
    {"minContains", "#", NEW},
    {"maxContains", "#", NEW},
    {"minItems", "#", 0},
    {"uniqueItems", "b", 0},
    {"allOf", "a", 0},
    {"anyOf", "a", 0},
    {"oneOf", "a", 0},
    {"not", "bo", 0},
    {"if", "bo", 0},
    {"title", "s", 0},
    {"description", "s", 0},
    {"default", "nb#sao", 0},
    {"examples", "nb#sao", 0},
};

START_TEST(a_keyword_is_refused_by_the_type_of_its_value)
{
    static const struct {
        char letter;
        const char *value;
    } values[] = {{'n', "null"},  {'b', "true"},   {'#', "1"},
                  {'s', "\"x\""}, {'a', "[true]"}, {'o', "{}"}};
    char text[128], pointer[64];

    snprintf(pointer, sizeof pointer, "/%s", keywords[_i].keyword);
    for (size_t i = 0; i < COUNT(values); i++) {
        wsrt_schema *s;
        snprintf(text, sizeof text, "{%s\"%s\":%s}",
                 strstr(keywords[_i].keyword, "Contains") != NULL ? "\"contains\":true," : "",
                 keywords[_i].keyword, values[i].value);
        int rc = compile(&s, text, keywords[_i].dialect);
        wsrt_schema_free(s);
        if (strchr(keywords[_i].takes, values[i].letter) != NULL) {
            ck_assert_msg(rc == WSRT_OK || why.code != WSRT_SCHEMA_TYPE ||
                              strcmp(why.pointer, pointer) != 0,
                          "%s", text);
            continue;
        }
        ck_assert_msg(rc == WSRT_ERR_REJECTED && why.code == WSRT_SCHEMA_TYPE, "%s: %s", text,
                      wsrt_schema_code_name(why.code));
        ck_assert_str_eq(why.pointer, pointer);
    }
}
END_TEST

static const struct {
    const char *text;
    int code;
    const char *pointer;
} refused[] = {
    {"{\"required\":[1]}", WSRT_SCHEMA_TYPE, "/required/0"},
    {"{\"dependentRequired\":{\"a\":[1]}}", WSRT_SCHEMA_TYPE, "/dependentRequired/a/0"},
    {"{\"dependentRequired\":{\"a\":1}}", WSRT_SCHEMA_TYPE, "/dependentRequired/a"},
    {"{\"dependentSchemas\":{\"a\":1}}", WSRT_SCHEMA_TYPE, "/dependentSchemas/a"},
    {"{\"$defs\":{\"a\":1}}", WSRT_SCHEMA_TYPE, "/$defs/a"},
    {"{\"allOf\":[1]}", WSRT_SCHEMA_TYPE, "/allOf/0"},
    {"{\"prefixItems\":[{},null]}", WSRT_SCHEMA_TYPE, "/prefixItems/1"},
    {"{\"type\":[1]}", WSRT_SCHEMA_TYPE, "/type/0"},
    {"{\"x-wsrt-extract\":\"\"}", WSRT_SCHEMA_VALUE, "/x-wsrt-extract"},
    {"{\"x-wsrt-extract\":\"a\\u0000\"}", WSRT_SCHEMA_VALUE, "/x-wsrt-extract"},
    {"{\"errorMessage\":\"a\\u0000b\"}", WSRT_SCHEMA_VALUE, "/errorMessage"},
    {"{\"errorMessage\":{\"type\":1}}", WSRT_SCHEMA_TYPE, "/errorMessage/type"},
    {"{\"errorMessage\":{\"required\":{\"a\":1}}}", WSRT_SCHEMA_TYPE, "/errorMessage/required/a"},
    {"{\"properties\":{\"a\":{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}}}",
     WSRT_SCHEMA_DIALECT, "/properties/a/$schema"},
    {"{\"$id\":\"https://e.org/a\",\"$defs\":{\"b\":{\"$id\":\"a\"}}}", WSRT_SCHEMA_VALUE,
     "/$defs/b/$id"},
    {"{\"allOf\":[{\"x-wsrt-extract\":\"a\"},{\"x-wsrt-extract\":\"b\"}]}", WSRT_SCHEMA_VALUE,
     "/allOf/1"},
    {"{\"$ref\":\"#/allOf/01\",\"allOf\":[true,true]}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
    {"{\"$ref\":\"#/allOf/2\",\"allOf\":[true,true]}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
    {"{\"$ref\":\"#/allOf/\",\"allOf\":[true,true]}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
    {"{\"$ref\":\"#/allOf/1x\",\"allOf\":[true,true]}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
    {"{\"$ref\":\"#/allOf/:\",\"allOf\":[true,true]}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
    {"{\"$ref\":\"#/allOf/4294967296\",\"allOf\":[true,true]}", WSRT_SCHEMA_REF_UNRESOLVED,
     "/$ref"},
    {"{\"$ref\":\"#nowhere\"}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
    {"{\"properties\":{\"a\" 1}}", WSRT_SCHEMA_JSON, ""},
    {"{\"properties\":{1:1}}", WSRT_SCHEMA_JSON, ""},
    {"{\"properties\"", WSRT_SCHEMA_JSON, ""},
    {"{\"properties", WSRT_SCHEMA_JSON, ""},
    {"{\"a\":1,", WSRT_SCHEMA_JSON, ""},
    {"{\"enum\":[1}", WSRT_SCHEMA_JSON, ""},
};

START_TEST(what_does_not_compile_says_where)
{
    wsrt_schema *s;

    ck_assert_int_ne(compile(&s, refused[_i].text, 0), WSRT_OK);
    ck_assert_msg(why.code == refused[_i].code, "%s: %s", refused[_i].text,
                  wsrt_schema_code_name(why.code));
    ck_assert_msg(strcmp(why.pointer, refused[_i].pointer) == 0, "%s: %s", refused[_i].text,
                  why.pointer);
}
END_TEST

/* ---- rules that no value fulfils ---- */

static const struct {
    const char *text;
    size_t warnings;
} conflicts[] = {
    {"{\"minimum\":2,\"maximum\":2}", 0},
    {"{\"minimum\":2,\"maximum\":1}", 1},
    {"{\"minimum\":2,\"exclusiveMaximum\":2}", 1},
    {"{\"exclusiveMinimum\":2,\"maximum\":2}", 1},
    {"{\"exclusiveMinimum\":1,\"minimum\":2,\"maximum\":2}", 0},
    {"{\"exclusiveMinimum\":2,\"minimum\":2,\"maximum\":2}", 1},
    {"{\"allOf\":[{\"minimum\":1},{\"minimum\":3}],\"maximum\":2}", 1},
    {"{\"allOf\":[{\"minimum\":3},{\"minimum\":1}],\"maximum\":2}", 1},
    {"{\"allOf\":[{\"maximum\":3},{\"maximum\":1}],\"minimum\":2}", 1},
    {"{\"allOf\":[{\"minLength\":3},{\"maxLength\":2}]}", 1},
    {"{\"contains\":{},\"minContains\":2,\"maxContains\":1}", 1},
    {"{\"contains\":{},\"minContains\":2,\"maxContains\":2}", 0},
    {"{\"allOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]}", 1},
    {"{\"enum\":[]}", 1},
};

static size_t warnings_of(const char *text)
{
    wsrt_schema_error warnings[8];
    size_t count = 99;
    const wsrt_schema_options o = {.struct_size = sizeof o,
                                   .warnings = warnings,
                                   .warning_cap = COUNT(warnings),
                                   .warning_count = &count};
    wsrt_schema *s;

    ck_assert_int_eq(wsrt_schema_new(&s, text, strlen(text), &o, &why), WSRT_OK);
    wsrt_schema_free(s);
    return count;
}

START_TEST(rules_that_no_value_fulfils_together_are_warned_of)
{
    size_t count = warnings_of(conflicts[_i].text);

    ck_assert_msg((count > 0) == (conflicts[_i].warnings > 0), "%s: %zu", conflicts[_i].text,
                  count);
}
END_TEST

START_TEST(a_rule_that_several_places_share_is_warned_of_once)
{
    ck_assert_uint_eq(
        warnings_of(
            "{\"$defs\":{\"a\":{\"minLength\":3,\"maxLength\":2},\"b\":{\"enum\":[]}},"
            "\"properties\":{"
            "\"x\":{\"$ref\":\"#/$defs/a\"},\"y\":{\"$ref\":\"#/$defs/a\",\"maxLength\":9},"
            "\"z\":{\"$ref\":\"#/$defs/b\",\"minLength\":1},\"u\":{\"$ref\":\"#/$defs/b\"}}}"),
        2);
}
END_TEST

/* ---- references ---- */

static const struct {
    const char *base, *ref, *target;
} references[] = {
    {"https://e.org/a/b", "c", "https://e.org/a/c"},
    {"https://e.org/a/b", "./c", "https://e.org/a/c"},
    {"https://e.org/a/b", "../c", "https://e.org/c"},
    {"https://e.org/a/b", "../../../c", "https://e.org/c"},
    {"https://e.org/a/b", "x/../c", "https://e.org/a/c"},
    {"https://e.org/a/b", "x/./c", "https://e.org/a/x/c"},
    {"https://e.org/a/b", "x/.", "https://e.org/a/x/"},
    {"https://e.org/a/b", "x/..", "https://e.org/a/"},
    {"https://e.org/a/b", "..", "https://e.org/"},
    {"https://e.org/a/b", ".hidden", "https://e.org/a/.hidden"},
    {"https://e.org/a/b", "...", "https://e.org/a/..."},
    {"https://e.org/a/b", "/c", "https://e.org/c"},
    {"https://e.org/a/b", "//f.org/c", "https://f.org/c"},
    {"https://e.org/a/b", "//f.org", "https://f.org"},
    {"https://e.org/a/b", "urn:x", "urn:x"},
    {"https://e.org", "c", "https://e.org/c"},
    {"https://e.org/a?q", "?r", "https://e.org/a?r"},
    {"https://e.org/a?q", "c?r", "https://e.org/c?r"},
};

START_TEST(a_reference_is_resolved_against_its_base)
{
    char text[256];
    const wsrt_schema_resource r = {wsrt_span_cstr(references[_i].target), TEXT("{\"const\":1}")};
    const wsrt_schema_options o = {.struct_size = sizeof o, .resources = &r, .resource_count = 1};
    wsrt_schema *s;

    snprintf(text, sizeof text, "{\"$id\":\"%s\",\"properties\":{\"a\":{\"$ref\":\"%s\"}}}",
             references[_i].base, references[_i].ref);
    ck_assert_msg(wsrt_schema_new(&s, text, strlen(text), &o, &why) == WSRT_OK, "%s: %s", text,
                  why.text_cstr);
    wsrt_schema_free(s);
}
END_TEST

static const struct {
    const char *fragment;
    int found;
} fragments[] = {
    {"#/$defs/a%20b", 1},
    {"#/$defs/a%2fb", 0},
    {"#/$defs/a~1b", 1},
    {"#/$defs/a~0b", 1},
    {"#/$defs/%C3%A9", 1},
    {"#/$defs/%c3%a9", 1},
    {"#/$defs/%", 1},
    {"#/$defs/%4", 1},
    {"#/$defs/%4g", 1},
    {"#/$defs/a~2b", 0},
    {"#/$defs/a~", 0},
    {"#/$defs/none", 0},
    {"#", 1},
    {"#/$defs/a", 0},
    {"#/$defs/a%20bc", 0},
};

START_TEST(a_fragment_is_a_pointer_with_escapes_of_both_kinds)
{
    char text[512];
    wsrt_schema *s;

    snprintf(
        text, sizeof text,
        "{\"$defs\":{\"a "
        "b\":{},\"a/b\":{},\"a~b\":{},\"a~\":{},\"\\u00e9\":{},\"%%\":{},\"%%4\":{},\"%%4g\":{}},"
        "\"properties\":{\"x\":{\"$ref\":\"%s\"}}}",
        fragments[_i].fragment);
    int rc = compile(&s, text, 0);
    wsrt_schema_free(s);
    ck_assert_msg((rc == WSRT_OK) == fragments[_i].found, "%s", text);
    if (rc != WSRT_OK)
        ck_assert_int_eq(why.code, WSRT_SCHEMA_REF_UNRESOLVED);
}
END_TEST

/* ---- issues ---- */

static unsigned char scratch[65536];
static wsrt_issue issues[4];

static int judge(wsrt_schema *s, const char *text)
{
    wsrt_validation v = {.struct_size = sizeof v,
                         .issues = issues,
                         .issue_cap = COUNT(issues),
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};

    return wsrt_validate(s, text, strlen(text), NULL, &v);
}

static const struct {
    const char *message;
    int good;
} named[] = {
    {"{\"ab\":\"x\"}", 1}, {"{\"ab\":1}", 0},     {"{\"abc\":1}", 1},       {"{\"AB\":1}", 1},
    {"{\"AB\":null}", 0},  {"{\"a\\\\b\":1}", 1}, {"{\"a\\\\b\":null}", 0}, {"{\"\":1}", 1},
    {"{\"\":null}", 0},    {"{\"12x\":1}", 0},    {"{\"12x\":true}", 1},    {"{\"x12x\":1}", 1},
};

START_TEST(a_known_name_is_judged_by_the_patterns_it_matches_too)
{
    static const char text[] =
        "{\"properties\":{\"ab\":true,\"abc\":true,\"AB\":true,\"a\\\\b\":true,\"\":true,\"12x\":"
        "true,"
        "\"x12x\":true},\"patternProperties\":{\"^[a-z]{1,2}$\":{\"type\":\"string\"},\"\":{"
        "\"type\":[\"string\",\"number\",\"boolean\"]},\"^[0-9]+x\":{\"type\":\"boolean\"}},"
        "\"additionalProperties\":false}";
    wsrt_schema *s;

    ck_assert_int_eq(compile(&s, text, 0), WSRT_OK);
    ck_assert_msg((judge(s, named[_i].message) == WSRT_OK) == named[_i].good, "%s",
                  named[_i].message);
    wsrt_schema_free(s);
}
END_TEST

static const struct {
    const char *name, *shown;
} shown_names[] = {
    {"plain", "/plain"},
    {"\\u0000", "/\\u0000"},
    {"\\u007f", "/\\u007f"},
    {"\\u009f\\u00a0", "/\\u009f\xc2\xa0"},
    {"\\ud800", "/\\ud800"},
    {"\\udfff", "/\\udfff"},
    {"\\u200a\\u200b\\u200f\\u2010", "/\xe2\x80\x8a\\u200b\\u200f\xe2\x80\x90"},
    {"\\u2027\\u2028\\u202e\\u202f", "/\xe2\x80\xa7\\u2028\\u202e\xe2\x80\xaf"},
    {"\\u061b\\u061c\\u061d", "/\xd8\x9b\\u061c\xd8\x9d"},
    {"\\ufefe\\ufeff", "/\xef\xbb\xbe\\ufeff"},
    {"\\u2065\\u2066\\u2069\\u206a", "/\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa"},
    {"\\ue000", "/\xee\x80\x80"},
    {"\\ud83d\\ude00", "/\xf0\x9f\x98\x80"},
    {"a\\/b~", "/a~1b~0"},
    {"0123456789012345678901234567890123456789012345678901234567890123456789",
     "/01234567890123456789012345678901234567890123456789012345678"},
};

START_TEST(a_name_that_is_shown_deceives_nobody)
{
    char text[256], pointer[256];
    wsrt_schema *s;
    wsrt_validate_options o = {.struct_size = sizeof o,
                               .flags = WSRT_VALIDATE_ALLOW_LONE_SURROGATE};
    wsrt_validation v = {.struct_size = sizeof v,
                         .issues = issues,
                         .issue_cap = COUNT(issues),
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};
    size_t len;

    ck_assert_int_eq(compile(&s, "{\"additionalProperties\":false}", 0), WSRT_OK);
    snprintf(text, sizeof text, "{\"%s\":1}", shown_names[_i].name);
    ck_assert_int_eq(wsrt_validate(s, text, strlen(text), &o, &v), WSRT_ERR_REJECTED);
    ck_assert_int_eq(wsrt_issue_pointer(s, text, strlen(text), &issues[0], WSRT_VALIDATE_SHOW_NAMES,
                                        pointer, sizeof pointer, &len),
                     WSRT_OK);
    ck_assert_str_eq(pointer, shown_names[_i].shown);
    ck_assert_uint_eq(len, strlen(pointer));
    wsrt_schema_free(s);
}
END_TEST

START_TEST(an_index_has_all_its_digits)
{
    char text[512] = "[", pointer[64];
    wsrt_schema *s;

    ck_assert_int_eq(compile(&s, "{\"items\":{\"type\":\"number\"}}", 0), WSRT_OK);
    for (int i = 0; i < 123; i++)
        strcat(text, "1,");
    strcat(text, "null]");
    ck_assert_int_eq(judge(s, text), WSRT_ERR_REJECTED);
    ck_assert_int_eq(
        wsrt_issue_pointer(s, text, strlen(text), &issues[0], 0, pointer, sizeof pointer, NULL),
        WSRT_OK);
    ck_assert_str_eq(pointer, "/123");
    wsrt_schema_free(s);
}
END_TEST

START_TEST(a_pointer_is_asked_for_with_all_arguments)
{
    char pointer[64];
    wsrt_schema *s;
    wsrt_issue beyond;

    ck_assert_int_eq(compile(&s, "{\"type\":\"string\"}", 0), WSRT_OK);
    ck_assert_int_eq(judge(s, "1"), WSRT_ERR_REJECTED);
    beyond = issues[0];
    beyond.offset = 2;
    ck_assert_int_eq(wsrt_issue_pointer(NULL, "1", 1, issues, 0, pointer, 64, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(s, "1", 1, NULL, 0, pointer, 64, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(s, "1", 1, issues, 0, NULL, 64, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(s, "1", 1, issues, 0, pointer, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(s, NULL, 1, issues, 0, pointer, 64, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(s, "1", 1, issues, 1u << 30, pointer, 64, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(s, "1", 1, &beyond, 0, pointer, 64, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_schema_pointer(NULL, issues, pointer, 64, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_schema_pointer(s, NULL, pointer, 64, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_schema_pointer(s, issues, NULL, 64, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_schema_pointer(s, issues, pointer, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_schema_pointer(s, issues, pointer, 64, NULL), WSRT_OK);
    ck_assert_str_eq(pointer, "/type");
    wsrt_schema_free(s);
}
END_TEST

START_TEST(a_schema_is_asked_for_with_all_arguments)
{
    wsrt_schema *s;
    wsrt_span text;

    ck_assert_int_eq(wsrt_schema_new(NULL, "{}", 2, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_new(&s, NULL, 2, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_new(&s, "{", 1, NULL, NULL), WSRT_ERR_MALFORMED);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(wsrt_schema_new(&s, "{}", 2, NULL, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_schema_slot(NULL, "a"), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_schema_slot(s, NULL), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_schema_slot(s, "a"), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_schema_slot_count(NULL), 0);
    ck_assert_int_eq(wsrt_schema_slot_count(s), 0);
    ck_assert_uint_eq(wsrt_schema_scratch(NULL, NULL), 0);
    wsrt_schema_free(s);
    wsrt_schema_free(NULL);
    ck_assert_int_eq(wsrt_schema_builtin_text(NULL, &text), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_schema_builtin_text("message", NULL), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_schema_builtin_text("massage", &text), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(codes_have_names_and_other_numbers_one_for_all)
{
    for (int code = -1; code <= WSRT_SCHEMA_LIMIT + 1; code++)
        ck_assert_int_eq(strcmp(wsrt_schema_code_name(code), "schema_unknown") != 0,
                         code >= WSRT_SCHEMA_JSON && code <= WSRT_SCHEMA_LIMIT);
    for (int code = -1; code <= WSRT_ISSUE_LIMIT + 1; code++)
        ck_assert_int_eq(strcmp(wsrt_issue_code_name(code), wsrt_issue_code_name(-1)) != 0,
                         code >= WSRT_ISSUE_INVALID_TYPE && code <= WSRT_ISSUE_LIMIT);
}
END_TEST

static const char *const actions[] = {
    "[]", "{\"auth\":1}", "{\"auth\":[1]}", "{\"au-th\":[\"login\"]}", "{\"\":[\"login\"]}", "{",
    "7"};

START_TEST(actions_that_are_none_are_refused)
{
    const wsrt_schema_options o = {.struct_size = sizeof o, .actions = wsrt_span_cstr(actions[_i])};
    wsrt_schema *s;

    ck_assert_msg(wsrt_schema_builtin(&s, "message", &o) != WSRT_OK, "%s", actions[_i]);
    ck_assert_ptr_null(s);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_bounds");
    TCase *t = tcase_create("bounds");

    tcase_add_loop_test(t, a_keyword_is_refused_by_the_type_of_its_value, 0, (int)COUNT(keywords));
    tcase_add_loop_test(t, what_does_not_compile_says_where, 0, (int)COUNT(refused));
    tcase_add_test(t, a_rule_that_several_places_share_is_warned_of_once);
    tcase_add_loop_test(t, rules_that_no_value_fulfils_together_are_warned_of, 0,
                        (int)COUNT(conflicts));
    tcase_add_loop_test(t, a_reference_is_resolved_against_its_base, 0, (int)COUNT(references));
    tcase_add_loop_test(t, a_fragment_is_a_pointer_with_escapes_of_both_kinds, 0,
                        (int)COUNT(fragments));
    tcase_add_loop_test(t, a_known_name_is_judged_by_the_patterns_it_matches_too, 0,
                        (int)COUNT(named));
    tcase_add_loop_test(t, a_name_that_is_shown_deceives_nobody, 0, (int)COUNT(shown_names));
    tcase_add_test(t, an_index_has_all_its_digits);
    tcase_add_test(t, a_pointer_is_asked_for_with_all_arguments);
    tcase_add_test(t, a_schema_is_asked_for_with_all_arguments);
    tcase_add_test(t, codes_have_names_and_other_numbers_one_for_all);
    tcase_add_loop_test(t, actions_that_are_none_are_refused, 0, (int)COUNT(actions));
    suite_add_tcase(s, t);
    return s;
}
