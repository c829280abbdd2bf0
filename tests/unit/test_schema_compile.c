/* What does not compile, where it says so, and what compiling takes. */
#include "heap.h"
#include "suite.h"

#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsrt_schema_error why;

static int compile(const char *text, uint32_t flags)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = flags};
    wsrt_schema *s;
    int rc = wsrt_schema_new(&s, text, strlen(text), &o, &why);

    ck_assert_int_eq(rc == WSRT_OK, s != NULL);
    wsrt_schema_free(s);
    return rc;
}

struct row {
    const char *text;
    int code;
    const char *pointer;
};

static void expect(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        why.code = 0;
        int rc = compile(rows[i].text, 0);
        ck_assert_msg(rc != WSRT_OK && why.code == rows[i].code, "%s: %s", rows[i].text,
                      wsrt_schema_code_name(why.code));
        ck_assert_str_eq(why.pointer, rows[i].pointer);
    }
}
#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof(rows)[0])

START_TEST(refusals_name_code_and_place)
{
    static const struct row rows[] = {
        {"{", WSRT_SCHEMA_JSON, ""},
        {"{} x", WSRT_SCHEMA_JSON, ""},
        {"7", WSRT_SCHEMA_TYPE, ""},
        {"{\"type\":\"object\",\"type\":\"array\"}", WSRT_SCHEMA_DUPLICATE_KEY, "/type"},
        {"{\"const\":{\"a\":1,\"a\":1}}", WSRT_SCHEMA_DUPLICATE_KEY, "/const/a"},
        {"{\"type\":5}", WSRT_SCHEMA_TYPE, "/type"},
        {"{\"type\":\"text\"}", WSRT_SCHEMA_VALUE, "/type"},
        {"{\"type\":[\"null\",\"null\"]}", WSRT_SCHEMA_VALUE, "/type/1"},
        {"{\"minLength\":-1}", WSRT_SCHEMA_VALUE, "/minLength"},
        {"{\"minLength\":1.5}", WSRT_SCHEMA_TYPE, "/minLength"},
        {"{\"multipleOf\":0}", WSRT_SCHEMA_VALUE, "/multipleOf"},
        {"{\"required\":[\"a\",\"a\"]}", WSRT_SCHEMA_VALUE, "/required/1"},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", WSRT_SCHEMA_DIALECT,
         "/$schema"},
        {"{\"$dynamicRef\":\"#a\"}", WSRT_SCHEMA_KEYWORD_UNSUPPORTED, "/$dynamicRef"},
        {"{\"unevaluatedItems\":false}", WSRT_SCHEMA_KEYWORD_UNSUPPORTED, "/unevaluatedItems"},
        {"{\"$vocabulary\":{}}", WSRT_SCHEMA_KEYWORD_UNSUPPORTED, "/$vocabulary"},
        {"{\"properties\":{\"a/b\":{\"maxlenght\":1}}}", WSRT_SCHEMA_KEYWORD_UNKNOWN,
         "/properties/a~1b/maxlenght"},
        {"{\"x-wsrt-nope\":1}", WSRT_SCHEMA_KEYWORD_UNKNOWN, "/x-wsrt-nope"},
        {"{\"$ref\":\"#/$defs/none\"}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
        {"{\"$ref\":\"https://example.org/s\"}", WSRT_SCHEMA_REF_UNRESOLVED, "/$ref"},
        {"{\"$ref\":\"#\"}", WSRT_SCHEMA_REF_CYCLE, ""},
        {"{\"anyOf\":[{\"not\":{\"$ref\":\"#\"}}]}", WSRT_SCHEMA_REF_CYCLE, ""},
        {"{\"pattern\":\"(\"}", WSRT_SCHEMA_PATTERN_SYNTAX, "/pattern"},
        {"{\"errorMessage\":\"${0}\"}", WSRT_SCHEMA_VALUE, "/errorMessage"},
        {"{\"errorMessage\":{\"nope\":\"x\"}}", WSRT_SCHEMA_KEYWORD_UNKNOWN, "/errorMessage/nope"},
        {"{\"items\":{\"x-wsrt-extract\":\"a\"}}", WSRT_SCHEMA_VALUE, ""},
        {"{\"items\":[{}]}", WSRT_SCHEMA_TYPE, "/items"},
    };

    EXPECT(rows);
}
END_TEST

START_TEST(keywords_count_in_schema_positions_only)
{
    ck_assert_int_eq(compile("{\"const\":{\"$dynamicRef\":1,\"typo\":2},\"enum\":[{\"typo\":1}],"
                             "\"default\":{\"$ref\":7},\"properties\":{\"$dynamicRef\":{},"
                             "\"unevaluatedItems\":true}}",
                             0),
                     WSRT_OK);
}
END_TEST

START_TEST(unknown_keywords_are_ignored_only_where_a_dialect_is_named_row_68)
{
    const char *named = "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                        "\"maxlenght\":1}";

    ck_assert_int_eq(compile(named, 0), WSRT_OK);
    ck_assert_int_eq(compile(named, WSRT_SCHEMA_STRICT), WSRT_ERR_REJECTED);
    ck_assert_int_eq(compile("{\"maxlenght\":1}", WSRT_SCHEMA_LENIENT), WSRT_OK);
    ck_assert_int_eq(compile("{\"maxlenght\":1}", WSRT_SCHEMA_DRAFT_2020_12), WSRT_OK);
    ck_assert_int_eq(compile("{\"x-mine\":1}", 0), WSRT_OK);
}
END_TEST

START_TEST(patterns_outside_the_subset_are_refused_with_their_offset_rows_54_55)
{
    static const struct {
        const char *pattern;
        int code;
        size_t offset;
    } rows[] = {
        {"a(?=b)", WSRT_SCHEMA_PATTERN_UNSUPPORTED, 1},
        {"(?<!b)", WSRT_SCHEMA_PATTERN_UNSUPPORTED, 0},
        {"(a)\\\\1", WSRT_SCHEMA_PATTERN_UNSUPPORTED, 3},
        {"(?<n>a)\\\\k<n>", WSRT_SCHEMA_PATTERN_UNSUPPORTED, 7},
        {"\\\\p{Script=Greek}", WSRT_SCHEMA_PATTERN_UNSUPPORTED, 0},
        {"[z-a]", WSRT_SCHEMA_PATTERN_SYNTAX, 1},
        {"(", WSRT_SCHEMA_PATTERN_SYNTAX, 0},
        {"a)", WSRT_SCHEMA_PATTERN_SYNTAX, 1},
        {"a{2,1}", WSRT_SCHEMA_PATTERN_SYNTAX, 1},
        {"*a", WSRT_SCHEMA_PATTERN_SYNTAX, 0},
        {"a**", WSRT_SCHEMA_PATTERN_SYNTAX, 2},
        {"[a", WSRT_SCHEMA_PATTERN_SYNTAX, 0},
        {"\\\\q", WSRT_SCHEMA_PATTERN_SYNTAX, 0},
        {"\\\\-", WSRT_SCHEMA_PATTERN_SYNTAX, 0},
        {"a{1", WSRT_SCHEMA_PATTERN_SYNTAX, 1},
        {"x{1,100000}", WSRT_SCHEMA_LIMIT, 0},
        {"((x{100}){100}){100}", WSRT_SCHEMA_LIMIT, 0},
    };
    char text[128];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sprintf(text, "{\"pattern\":\"%s\"}", rows[i].pattern);
        ck_assert_int_ne(compile(text, 0), WSRT_OK);
        ck_assert_msg(why.code == rows[i].code, "%s: %s", text, wsrt_schema_code_name(why.code));
        ck_assert_uint_eq(why.offset, rows[i].offset);
        ck_assert_str_eq(why.pointer, "/pattern");
    }
}
END_TEST

START_TEST(a_format_is_an_annotation_until_it_is_to_be_asserted)
{
    ck_assert_int_eq(compile("{\"format\":\"color\"}", 0), WSRT_OK);
    ck_assert_int_eq(compile("{\"format\":\"color\"}", WSRT_SCHEMA_ASSERT_FORMAT),
                     WSRT_ERR_REJECTED);
    ck_assert_int_eq(why.code, WSRT_SCHEMA_FORMAT_UNKNOWN);
}
END_TEST

START_TEST(size_and_depth_of_a_schema_are_limited_row_67)
{
    size_t len = (size_t)2 << 20;
    char *text = malloc(len + 1);

    memset(text, ' ', len);
    text[len] = '\0';
    memcpy(text, "true", 4);
    ck_assert_int_eq(compile(text, 0), WSRT_ERR_LIMIT);
    for (int i = 0; i < 10000; i++)
        memcpy(text + 7 * i, "{\"not\":", 7);
    memcpy(text + 70000, "true", 4);
    text[70004] = '\0';
    ck_assert_int_eq(compile(text, 0), WSRT_ERR_LIMIT);
    ck_assert_int_eq(why.code, WSRT_SCHEMA_LIMIT);
    free(text);
    ck_assert_int_eq(compile("{\"minLength\":1e1,\"maxLength\":2}", 0), WSRT_OK);
}
END_TEST

START_TEST(a_schema_has_at_most_128_levels)
{
    char text[512];

    for (size_t arrays = 127; arrays <= 128; arrays++) { /* in an object */
        size_t n = (size_t)sprintf(text, "{\"default\":");
        memset(text + n, '[', arrays);
        memset(text + n + arrays, ']', arrays);
        strcpy(text + n + 2 * arrays, "}");
        ck_assert_int_eq(compile(text, 0), arrays == 127 ? WSRT_OK : WSRT_ERR_LIMIT);
    }
    ck_assert_int_eq(why.code, WSRT_SCHEMA_LIMIT);
    ck_assert_uint_eq(why.offset, strlen("{\"default\":") + 127);
}
END_TEST

static int judge(const wsrt_schema *s, const char *text)
{
    unsigned char scratch[65536];
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};

    return wsrt_validate(s, text, strlen(text), NULL, &v);
}

START_TEST(references_reach_registered_documents_and_nothing_else_rows_65_66)
{
    wsrt_schema_resource r[] = {
        {wsrt_span_cstr("https://example.org/a"),
         wsrt_span_cstr("{\"$defs\":{\"x/y%\":{\"type\":\"string\"},\"b\":{\"$anchor\":\"here\","
                        "\"type\":\"null\"}}}")},
        {wsrt_span_cstr("https://example.org/unused"), wsrt_span_cstr("not JSON")},
    };
    wsrt_schema_options o = {.struct_size = sizeof o, .resources = r, .resource_count = 2};
    const char *text = "{\"$id\":\"https://example.org/root\",\"prefixItems\":[{\"$ref\":"
                       "\"a#/$defs/x~1y%25\"},{\"$ref\":\"a#here\"},{\"$ref\":"
                       "\"#/prefixItems/0\"}]}";
    wsrt_schema *s;

    ck_assert_int_eq(wsrt_schema_new(&s, text, strlen(text), &o, &why), WSRT_OK);
    ck_assert_int_eq(judge(s, "[\"a\",null,\"b\"]"), WSRT_OK);
    ck_assert_int_eq(judge(s, "[1,null,\"b\"]"), WSRT_ERR_REJECTED);
    ck_assert_int_eq(judge(s, "[\"a\",1,\"b\"]"), WSRT_ERR_REJECTED);
    ck_assert_int_eq(judge(s, "[\"a\",null,1]"), WSRT_ERR_REJECTED);
    wsrt_schema_free(s);
}
END_TEST

START_TEST(draft_07_keeps_its_own_rules)
{
    static const struct {
        const char *schema;
        const char *value;
        int status;
    } rows[] = {
        {"{\"items\":[{\"type\":\"null\"}],\"additionalItems\":false}", "[null]", WSRT_OK},
        {"{\"items\":[{\"type\":\"null\"}],\"additionalItems\":false}", "[null,1]",
         WSRT_ERR_REJECTED},
        {"{\"additionalItems\":false}", "[1]", WSRT_OK},
        {"{\"dependencies\":{\"a\":[\"b\"]}}", "{\"a\":1}", WSRT_ERR_REJECTED},
        {"{\"dependencies\":{\"a\":{\"minProperties\":2}}}", "{\"a\":1}", WSRT_ERR_REJECTED},
        {"{\"definitions\":{\"s\":{\"type\":\"string\"}},\"properties\":{\"a\":{\"$ref\":"
         "\"#/definitions/s\",\"maxLength\":1}}}",
         "{\"a\":\"long\"}", WSRT_OK},
        {"{\"definitions\":{\"s\":{\"$id\":\"#s\",\"type\":\"string\"}},\"properties\":{\"a\":{"
         "\"$ref\":\"#s\"}}}",
         "{\"a\":1}", WSRT_ERR_REJECTED},
        {"{\"prefixItems\":[false]}", "[1]", WSRT_OK},
        {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1]", WSRT_OK},
    };
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = WSRT_SCHEMA_DRAFT_07};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_schema *s;
        ck_assert_int_eq(wsrt_schema_new(&s, rows[i].schema, strlen(rows[i].schema), &o, &why),
                         WSRT_OK);
        ck_assert_msg(judge(s, rows[i].value) == rows[i].status, "%s %s", rows[i].schema,
                      rows[i].value);
        wsrt_schema_free(s);
    }
}
END_TEST

/* "valid", "rejected" or the code of the schema's refusal. */
static const char *outcome(const char *schema, const char *value, uint32_t dialect)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = dialect};
    wsrt_schema *s;

    if (wsrt_schema_new(&s, schema, strlen(schema), &o, &why) != WSRT_OK)
        return wsrt_schema_code_name(why.code);
    int rc = judge(s, value);
    wsrt_schema_free(s);
    return rc == WSRT_OK ? "valid" : rc == WSRT_ERR_REJECTED ? "rejected" : "error";
}

START_TEST(the_dialects_differ_where_their_drafts_do)
{
    static const struct {
        const char *schema;
        const char *value;
        const char *draft_07;
        const char *draft_2020_12;
    } rows[] = {
        /* array-form items */
        {"{\"items\":[{\"type\":\"null\"}]}", "[1]", "rejected", "schema_type"},
        {"{\"items\":[{}],\"additionalItems\":{\"type\":\"null\"}}", "[1,1]", "rejected",
         "schema_type"},
        {"{\"items\":[{}],\"additionalItems\":false}", "[1]", "valid", "schema_type"},
        /* without an array they mean nothing */
        {"{\"items\":{\"type\":\"null\"},\"additionalItems\":false}", "[null]", "valid", "valid"},
        {"{\"additionalItems\":false}", "[1]", "valid", "valid"},
        {"{\"prefixItems\":[false]}", "[1]", "valid", "rejected"},
        {"{\"dependencies\":{\"a\":[\"b\"]}}", "{\"a\":1}", "rejected", "valid"},
        {"{\"dependencies\":{\"a\":{\"minProperties\":2}}}", "{\"a\":1}", "rejected", "valid"},
        {"{\"dependencies\":{\"a\":false}}", "{\"a\":1}", "rejected", "valid"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "valid", "rejected"},
        {"{\"dependentSchemas\":{\"a\":false}}", "{\"a\":1}", "valid", "rejected"},
        {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1]", "valid", "rejected"},
        {"{\"contains\":{\"const\":1},\"minContains\":0}", "[]", "rejected", "valid"},
        {"{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1]", "valid", "rejected"},
        {"{\"definitions\":{\"s\":{\"type\":\"string\"}},\"$ref\":\"#/definitions/s\"}", "1",
         "rejected", "rejected"},
        /* what stands beside a reference */
        {"{\"definitions\":{\"s\":{\"type\":\"string\"}},\"$ref\":\"#/definitions/"
         "s\",\"maxLength\":1}",
         "\"ab\"", "valid", "rejected"},
        {"{\"definitions\":{\"s\":{\"type\":\"string\"}},\"items\":{\"$ref\":\"#/definitions/"
         "s\",\"not\":{}}}",
         "[\"a\"]", "valid", "rejected"},
        /* an identity beside a reference, too */
        {"{\"definitions\":{\"b\":{\"type\":\"string\"},\"a\":{\"$id\":\"http://x/y\",\"$ref\":\"#/"
         "definitions/b\"}},\"items\":{\"$ref\":\"#/definitions/a\"}}",
         "[1]", "rejected", "schema_ref_unresolved"},
        /* names of places */
        {"{\"definitions\":{\"s\":{\"$id\":\"#s\",\"type\":\"string\"}},\"items\":{\"$ref\":\"#s\"}"
         "}",
         "[1]", "rejected", "schema_value"},
        {"{\"$defs\":{\"s\":{\"$anchor\":\"s\",\"type\":\"string\"}},\"items\":{\"$ref\":\"#s\"}}",
         "[1]", "schema_ref_unresolved", "rejected"},
        {"{\"$defs\":{\"s\":{\"type\":\"string\"}},\"items\":{\"$ref\":\"#/$defs/s\"}}", "[1]",
         "rejected", "rejected"},
        /* the text says which dialect it is */
        {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"prefixItems\":[false]}", "[1]",
         "valid", "valid"},
        {"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"prefixItems\":[false]}",
         "[1]", "rejected", "rejected"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *old = outcome(rows[i].schema, rows[i].value, WSRT_SCHEMA_DRAFT_07);
        const char *new = outcome(rows[i].schema, rows[i].value, WSRT_SCHEMA_DRAFT_2020_12);
        ck_assert_msg(strcmp(old, rows[i].draft_07) == 0, "draft-07: %s %s: %s", rows[i].schema,
                      rows[i].value, old);
        ck_assert_msg(strcmp(new, rows[i].draft_2020_12) == 0, "2020-12: %s %s: %s", rows[i].schema,
                      rows[i].value, new);
    }
}
END_TEST

START_TEST(a_keyword_of_the_other_dialect_is_unknown_to_a_strict_schema)
{
    static const char *const old[] = {"{\"dependencies\":{}}", "{\"additionalItems\":true}"};
    static const char *const new[] = {"{\"$anchor\":\"a\"}",       "{\"$defs\":{}}",
                                      "{\"prefixItems\":[true]}",  "{\"dependentRequired\":{}}",
                                      "{\"dependentSchemas\":{}}", "{\"minContains\":1}",
                                      "{\"maxContains\":1}",       "{\"contentSchema\":{}}"};

    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        ck_assert_int_eq(compile(old[i], WSRT_SCHEMA_STRICT | WSRT_SCHEMA_DRAFT_07), WSRT_OK);
        ck_assert_int_eq(compile(old[i], WSRT_SCHEMA_STRICT), WSRT_ERR_REJECTED);
        ck_assert_int_eq(why.code, WSRT_SCHEMA_KEYWORD_UNKNOWN);
    }
    for (size_t i = 0; i < sizeof new / sizeof new[0]; i++) {
        ck_assert_int_eq(compile(new[i], WSRT_SCHEMA_STRICT), WSRT_OK);
        ck_assert_int_eq(compile(new[i], WSRT_SCHEMA_STRICT | WSRT_SCHEMA_DRAFT_07),
                         WSRT_ERR_REJECTED);
        ck_assert_int_eq(why.code, WSRT_SCHEMA_KEYWORD_UNKNOWN);
    }
}
END_TEST

#define WORDS "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","

START_TEST(warnings_name_what_compiles_and_is_doubtful_rows_67_68)
{
    static const struct {
        const char *text;
        uint32_t flags;
        int code; /* 0 = no warning */
        const char *pointer;
    } rows[] = {
        {WORDS "\"maxlenght\":1}", 0, WSRT_SCHEMA_KEYWORD_UNKNOWN, "/maxlenght"},
        {WORDS "\"x-mine\":1}", 0, 0, ""},
        {"{\"properties\":{\"a\":{\"odd\":1}}}", WSRT_SCHEMA_LENIENT, WSRT_SCHEMA_KEYWORD_UNKNOWN,
         "/properties/a/odd"},
        {"{\"definitions\":{\"a\":true},\"$ref\":\"#/definitions/a\",\"title\":\"t\","
         "\"maxLength\":1}",
         WSRT_SCHEMA_DRAFT_07, WSRT_SCHEMA_KEYWORD_UNSUPPORTED, "/maxLength"},
        {"{\"$defs\":{\"a\":true},\"$ref\":\"#/$defs/a\",\"maxLength\":1}", 0, 0, ""},
        {"{\"minLength\":2,\"maxLength\":1}", 0, WSRT_SCHEMA_VALUE, "/maxLength"},
        {"{\"minLength\":2,\"maxLength\":2}", 0, 0, ""},
        {"{\"minLength\":2,\"allOf\":[{\"maxLength\":1}]}", 0, WSRT_SCHEMA_VALUE,
         "/allOf/0/maxLength"},
        {"{\"x-wsrt-minBytes\":2,\"x-wsrt-maxBytes\":1}", 0, WSRT_SCHEMA_VALUE, "/x-wsrt-maxBytes"},
        {"{\"x-wsrt-minUtf16Length\":2,\"x-wsrt-maxUtf16Length\":1}", 0, WSRT_SCHEMA_VALUE,
         "/x-wsrt-maxUtf16Length"},
        {"{\"minItems\":2,\"maxItems\":1}", 0, WSRT_SCHEMA_VALUE, "/maxItems"},
        {"{\"minProperties\":2,\"maxProperties\":1}", 0, WSRT_SCHEMA_VALUE, "/maxProperties"},
        {"{\"minimum\":1e2,\"maximum\":99.9}", 0, WSRT_SCHEMA_VALUE, "/maximum"},
        {"{\"minimum\":1e2,\"maximum\":100}", 0, 0, ""},
        {"{\"minimum\":100,\"exclusiveMaximum\":100}", 0, WSRT_SCHEMA_VALUE, "/exclusiveMaximum"},
        {"{\"exclusiveMinimum\":1,\"maximum\":1}", 0, WSRT_SCHEMA_VALUE, "/maximum"},
        {"{\"contains\":true,\"minContains\":2,\"maxContains\":1}", 0, WSRT_SCHEMA_VALUE,
         "/minContains"},
        {"{\"enum\":[]}", 0, WSRT_SCHEMA_VALUE, "/enum"},
        {"{\"type\":\"string\",\"allOf\":[{\"properties\":{\"a\":true}}]}", 0, 0, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_schema_error found[2];
        size_t count = 99;
        wsrt_schema_options o = {.struct_size = sizeof o,
                                 .flags = rows[i].flags,
                                 .warnings = found,
                                 .warning_cap = 2,
                                 .warning_count = &count};
        wsrt_schema *s;
        int rc = wsrt_schema_new(&s, rows[i].text, strlen(rows[i].text), &o, &why);
        ck_assert_msg(rc == WSRT_OK, "%s: %s", rows[i].text, why.text_cstr);
        ck_assert_msg(count == (rows[i].code != 0), "%s: %zu", rows[i].text, count);
        if (count > 0) {
            ck_assert_int_eq(found[0].code, rows[i].code);
            ck_assert_str_eq(found[0].pointer, rows[i].pointer);
            ck_assert_uint_gt(found[0].offset, 0);
        }
        wsrt_schema_free(s);
    }
}
END_TEST

START_TEST(warnings_that_do_not_fit_are_counted)
{
    static const char text[] = "{\"a\":1,\"b\":1,\"c\":1,\"type\":\"null\",\"allOf\":[{\"type\":"
                               "\"object\"}]}";
    wsrt_schema_error found[3];
    size_t count;
    wsrt_schema_options o = {.struct_size = sizeof o,
                             .flags = WSRT_SCHEMA_LENIENT,
                             .warnings = found,
                             .warning_cap = 2,
                             .warning_count = &count};
    wsrt_schema *s;

    found[2].code = -5;
    ck_assert_int_eq(wsrt_schema_new(&s, text, sizeof text - 1, &o, &why), WSRT_OK);
    ck_assert_uint_eq(count, 5); /* both types of the conjunction, too */
    ck_assert_str_eq(found[1].pointer, "/b");
    ck_assert_int_eq(found[2].code, -5);
    wsrt_schema_free(s);
    o.warnings = NULL;
    ck_assert_int_eq(wsrt_schema_new(&s, text, sizeof text - 1, &o, &why), WSRT_ERR_INVALID);
    o.warning_cap = 0;
    o.flags = WSRT_SCHEMA_STRICT;
    ck_assert_int_eq(wsrt_schema_new(&s, text, sizeof text - 1, &o, &why), WSRT_ERR_REJECTED);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(a_pattern_has_64_kib_at_most)
{
    static char text[65536 + 32];

    for (size_t more = 0; more < 2; more++) {
        size_t len = (size_t)sprintf(text, "{\"pattern\":\"");
        memset(text + len, ']', 65536 + more); /* refused at once, by syntax or by length */
        memcpy(text + len + 65536 + more, "\"}", 3);
        ck_assert_int_ne(compile(text, 0), WSRT_OK);
        ck_assert_int_eq(why.code, more ? WSRT_SCHEMA_LIMIT : WSRT_SCHEMA_PATTERN_SYNTAX);
    }
}
END_TEST

START_TEST(what_takes_too_much_work_to_compile_is_refused_row_67)
{
    char *text = malloc(20 * 20000), *end = text + sprintf(text, "{\"required\":[\"\"");

    for (int i = 0; i < 20000; i++)
        end += sprintf(end, ",\"%d\"", i);
    sprintf(end, "]}");
    ck_assert_int_eq(compile(text, 0), WSRT_ERR_LIMIT);
    ck_assert_int_eq(why.code, WSRT_SCHEMA_LIMIT);
    ck_assert_str_eq(why.text_cstr, "Too much work to compile");
    sprintf(text + 4000, "\"]}");
    strcpy(strrchr(text, ','), "]}");
    ck_assert_int_eq(compile(text, 0), WSRT_OK);
    free(text);
}
END_TEST

/* Everything that allocates: references, patterns, unions, texts, a document of its own. */
static const char everything[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":\"https://e.org/r\","
    "\"$defs\":{\"a\":{\"$anchor\":\"a\",\"pattern\":\"^(x|\\\\p{L})+$\",\"errorMessage\":\"no\"}},"
    "\"properties\":{\"\\u0061\":{\"$ref\":\"#a\"},\"b\":{\"$ref\":\"other#/$defs/z\"},\"c\":{"
    "\"anyOf\":[{\"type\":\"null\"},{\"items\":{\"$ref\":\"#a\"},\"contains\":{\"const\":[1]}}]}},"
    "\"patternProperties\":{\"^p\":{\"enum\":[1,\"x\"]}},\"propertyNames\":{\"format\":\"regex\"},"
    "\"type\":\"object\",\"required\":[\"t\"],\"oneOf\":[{\"properties\":{\"t\":{\"const\":\"1\"}}}"
    ","
    "{\"properties\":{\"t\":{\"const\":\"2\"},\"u\":{\"x-wsrt-extract\":\"u\"}}}]}";

START_TEST(every_refused_allocation_leaves_nothing_behind)
{
    wsrt_schema_resource r = {wsrt_span_cstr("https://e.org/other"),
                              wsrt_span_cstr("{\"$defs\":{\"z\":{\"not\":{\"const\":0}}}}")};
    struct heap heap;
    wsrt_schema *s;

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1;; n++) {
            wsrt_schema_options o = {.struct_size = sizeof o,
                                     .flags = WSRT_SCHEMA_ASSERT_FORMAT,
                                     .allocator = heap.allocator,
                                     .resources = &r,
                                     .resource_count = 1};
            heap_arm(&heap, n, sticky);
            int rc = wsrt_schema_new(&s, everything, sizeof everything - 1, &o, &why);
            if (!heap.tripped) {
                ck_assert_int_eq(rc, WSRT_OK);
                wsrt_schema_free(s);
                ck_assert_uint_eq(heap.live, 0);
                break;
            }
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(s);
            ck_assert_uint_eq(heap.live, 0);
            heap.points++;
        }
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

START_TEST(every_refused_allocation_of_a_builtin_with_actions_leaves_nothing_behind)
{
    struct heap heap;
    wsrt_schema *s;

    heap_init(&heap);
    for (size_t n = 1;; n++) {
        wsrt_schema_options o = {.struct_size = sizeof o,
                                 .allocator = heap.allocator,
                                 .actions = wsrt_span_cstr("{\"auth\":[\"login\"]}")};
        heap_arm(&heap, n, 0);
        int rc = wsrt_schema_builtin(&s, "message", &o);
        if (!heap.tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_uint_eq(heap.live, 0);
        heap.points++;
    }
    wsrt_schema_free(s);
    ck_assert_uint_eq(heap.live, 0);
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

START_TEST(options_that_contradict_themselves_are_refused)
{
    wsrt_schema_options o = {.struct_size = sizeof o,
                             .flags = WSRT_SCHEMA_STRICT | WSRT_SCHEMA_LENIENT};
    wsrt_schema *s;

    ck_assert_int_eq(wsrt_schema_new(&s, "true", 4, &o, NULL), WSRT_ERR_INVALID);
    o.flags = WSRT_SCHEMA_DRAFT_07 | WSRT_SCHEMA_DRAFT_2020_12;
    ck_assert_int_eq(wsrt_schema_new(&s, "true", 4, &o, NULL), WSRT_ERR_INVALID);
    o.flags = 1024;
    ck_assert_int_eq(wsrt_schema_new(&s, "true", 4, &o, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_new(&s, NULL, 4, NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_new(NULL, "true", 4, NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_compile");
    TCase *t = tcase_create("compile");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, refusals_name_code_and_place);
    tcase_add_test(t, keywords_count_in_schema_positions_only);
    tcase_add_test(t, unknown_keywords_are_ignored_only_where_a_dialect_is_named_row_68);
    tcase_add_test(t, patterns_outside_the_subset_are_refused_with_their_offset_rows_54_55);
    tcase_add_test(t, a_format_is_an_annotation_until_it_is_to_be_asserted);
    tcase_add_test(t, size_and_depth_of_a_schema_are_limited_row_67);
    tcase_add_test(t, references_reach_registered_documents_and_nothing_else_rows_65_66);
    tcase_add_test(t, draft_07_keeps_its_own_rules);
    tcase_add_test(t, the_dialects_differ_where_their_drafts_do);
    tcase_add_test(t, a_keyword_of_the_other_dialect_is_unknown_to_a_strict_schema);
    tcase_add_test(t, warnings_name_what_compiles_and_is_doubtful_rows_67_68);
    tcase_add_test(t, warnings_that_do_not_fit_are_counted);
    tcase_add_test(t, a_pattern_has_64_kib_at_most);
    tcase_add_test(t, a_schema_has_at_most_128_levels);
    tcase_add_test(t, what_takes_too_much_work_to_compile_is_refused_row_67);
    tcase_add_test(t, every_refused_allocation_leaves_nothing_behind);
    tcase_add_test(t, every_refused_allocation_of_a_builtin_with_actions_leaves_nothing_behind);
    tcase_add_test(t, options_that_contradict_themselves_are_refused);
    suite_add_tcase(s, t);
    return s;
}
