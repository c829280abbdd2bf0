/* A schema made of others says what they say of a value by themselves: whatever is made of it inside,
 * as a switch over a member's text. */
#include "suite.h"

#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define A "\"properties\":{\"k\":{\"const\":\"a\"}}"
#define K(rules) "{\"properties\":{\"k\":{" rules "}}}"

/* Nearly every one differs a little from a test of one member's text. */
static const char *const parts[] = {
    "{" A "}",
    "{" A ",\"required\":[\"k\"]}",
    "{" A ",\"required\":[\"n\"]}",
    "{" A ",\"required\":[\"k\",\"n\"]}",
    "{" A ",\"type\":\"object\"}",
    "{" A ",\"type\":\"object\",\"required\":[\"k\"]}",
    "{" A ",\"type\":\"array\"}",
    "{" A ",\"type\":[\"object\",\"null\"],\"required\":[\"k\"]}",
    "{" A ",\"minProperties\":3}",
    "{" A ",\"maxProperties\":2}",
    "{" A ",\"not\":{\"required\":[\"n\"]}}",
    "{" A ",\"anyOf\":[{\"required\":[\"n\"]},{\"required\":[\"x\"]}]}",
    "{" A ",\"allOf\":[{\"required\":[\"n\"]}]}",
    "{" A ",\"patternProperties\":{\"^n\":false}}",
    "{" A ",\"additionalProperties\":false}",
    "{" A ",\"propertyNames\":{\"pattern\":\"[kx]\"}}",
    "{" A ",\"items\":false}",
    "{" A ",\"prefixItems\":[false]}",
    "{" A ",\"contains\":false}",
    "{" A ",\"dependentRequired\":{\"k\":[\"n\"]}}",
    "{" A ",\"dependentSchemas\":{\"k\":{\"required\":[\"n\"]}}}",
    "{\"properties\":{\"k\":{\"const\":\"a\"},\"n\":{\"const\":1}}}",
    "{\"properties\":{\"n\":{\"const\":1},\"k\":{\"const\":\"a\"}},\"required\":[\"k\"]}",
    "{\"properties\":{\"k\":{\"const\":\"b\"},\"n\":{\"type\":\"integer\"}},\"required\":[\"k\"]}",
    "{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"b\"},\"x\":{"
    "\"type\":"
    "\"string\"}}}",
    "{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"enum\":[\"b\",\"\"]}}}",
    "{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]}",
    "{\"$ref\":\"#/$defs/b\"}",
    K("\"enum\":[\"a\",\"b\"]"),
    K("\"enum\":[\"a\",1]"),
    K("\"enum\":[\"a\"],\"const\":\"a\""),
    K("\"const\":\"a\",\"enum\":[\"b\"]"),
    K("\"const\":\"ab\",\"minLength\":3"),
    K("\"const\":\"a\",\"type\":\"string\""),
    K("\"const\":\"a\",\"type\":\"number\""),
    K("\"const\":\"a\",\"type\":[\"null\",\"string\"]"),
    K("\"const\":\"a\",\"not\":{}"),
    K("\"const\":\"a\",\"allOf\":[{\"maxLength\":0}]"),
    K("\"const\":\"a\",\"anyOf\":[false]"),
    K("\"const\":\"a\",\"properties\":{\"z\":false}"),
    K("\"const\":1"),
    K("\"type\":\"string\""),
    K(""),
    "{\"properties\":{\"k\":false}}",
    "{\"required\":[\"k\"]}",
    "{\"const\":{\"k\":\"a\",\"x\":1}}",
    "{\"type\":\"null\"}",
    "true",
    "false",
};
enum { PARTS = COUNT(parts), VALUES = 400 };

#define DEFS "\"$defs\":{\"b\":{\"properties\":{\"k\":{\"const\":\"b\"}},\"required\":[\"k\"]}}"
#define THEN "{\"required\":[\"x\"],\"properties\":{\"x\":{\"type\":\"integer\"}}}"
#define ELSE "{\"required\":[\"y\"]}"

static char values[VALUES][96];
static size_t value_count;
static unsigned char said[PARTS][VALUES], then_said[VALUES], else_said[VALUES];
static unsigned char is_object[VALUES];

/* Objects with every k, with and without the others, in both orders; and what is no object. */
static void make_values(void)
{
    static const char *const ks[] = {"",
                                     "\"k\":\"a\",",
                                     "\"k\":\"b\",",
                                     "\"k\":\"\\u0061\",",
                                     "\"k\":\"\",",
                                     "\"k\":\"ab\",",
                                     "\"k\":1,",
                                     "\"k\":null,"};
    static const char *const ns[] = {"", "\"n\":1,", "\"n\":\"1\","};
    static const char *const rests[] = {"\"x\":1,", "\"y\":1,", "\"x\":\"1\",", "\"x\":1,\"y\":1,"};
    static const char *const others[] = {"null", "[]", "[1]", "\"a\"", "1", "{}"};

    value_count = 0;
    for (size_t i = 0; i < COUNT(ks) * COUNT(ns) * COUNT(rests) * 2; i++) {
        const char *k = ks[i % 8], *n = ns[i / 8 % 3], *rest = rests[i / 24 % 4];
        char *out = values[value_count++];
        int len = i < 96 ? snprintf(out, sizeof values[0], "{%s%s%s", k, n, rest)
                         : snprintf(out, sizeof values[0], "{%s%s%s", rest, n, k);
        out[len - 1] = '}';
    }
    for (size_t i = 0; i < COUNT(others); i++)
        snprintf(values[value_count++], sizeof values[0], "%s", others[i]);
    ck_assert_uint_lt(value_count, VALUES);
    for (size_t i = 0; i < value_count; i++)
        is_object[i] = values[i][0] == '{';
}

/* What a schema says of every value, whether it looks for one issue or for all. */
static void ask(const char *text, unsigned char *out)
{
    static char scratch[1 << 16];
    wsrt_schema_error why;
    wsrt_schema *s;

    ck_assert_msg(wsrt_schema_new(&s, text, strlen(text), NULL, &why) == WSRT_OK, "%s: %s", text,
                  why.text_cstr);
    for (size_t i = 0; i < value_count; i++) {
        int rc[2];
        for (uint32_t all = 0; all < 2; all++) {
            wsrt_validate_options o = {.struct_size = sizeof o,
                                       .flags = all ? WSRT_VALIDATE_COLLECT_ALL : 0};
            wsrt_validation v = {
                .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};
            rc[all] = wsrt_validate(s, values[i], strlen(values[i]), &o, &v);
            ck_assert_msg(rc[all] == WSRT_OK || rc[all] == WSRT_ERR_REJECTED, "%s of %s: %s", text,
                          values[i], wsrt_status_name(rc[all]));
        }
        ck_assert_msg(rc[0] == rc[1], "%s of %s", text, values[i]);
        out[i] = rc[0] == WSRT_OK;
    }
    wsrt_schema_free(s);
}

static void ask_parts(void)
{
    char text[256];

    make_values();
    for (size_t p = 0; p < PARTS; p++) {
        if (parts[p][0] == '{')
            snprintf(text, sizeof text, "{" DEFS "%s%s", parts[p][1] == '}' ? "" : ",",
                     parts[p] + 1);
        else
            snprintf(text, sizeof text, "%s", parts[p]);
        ask(text, said[p]);
    }
    ask(THEN, then_said);
    ask(ELSE, else_said);
}

static void expect(const char *text, const unsigned char *wanted)
{
    unsigned char got[VALUES];

    ask(text, got);
    for (size_t i = 0; i < value_count; i++)
        ck_assert_msg(got[i] == wanted[i], "%s of %s", text, values[i]);
}

static const char *const outers[] = {"", "\"type\":\"object\",",
                                     "\"type\":\"object\",\"required\":[\"k\"],",
                                     "\"properties\":{\"k\":{\"enum\":[\"a\",\"b\"]}},"};

static int outer_holds(size_t outer, size_t value)
{
    const char *k = strstr(values[value], "\"k\":");

    switch (outer) {
    case 0:
        return 1;
    case 1:
        return is_object[value];
    case 2:
        return k != NULL;
    default:
        return k == NULL || strncmp(k + 4, "\"a\"", 3) == 0 || strncmp(k + 4, "\"b\"", 3) == 0 ||
               strncmp(k + 4, "\"\\u0061\"", 8) == 0;
    }
}

START_TEST(a_condition_is_then_where_it_holds_and_else_where_not)
{
    unsigned char wanted[VALUES];
    char text[1024];

    for (size_t p = 0; p < PARTS; p++)
        for (size_t outer = 0; outer < COUNT(outers); outer++) {
            snprintf(text, sizeof text,
                     "{" DEFS ",%s\"if\":%s,\"then\":" THEN ",\"else\":" ELSE "}", outers[outer],
                     parts[p]);
            for (size_t i = 0; i < value_count; i++)
                wanted[i] = outer_holds(outer, i) && (said[p][i] ? then_said : else_said)[i];
            expect(text, wanted);
        }
}
END_TEST

START_TEST(a_negation_holds_where_its_schema_does_not)
{
    unsigned char wanted[VALUES];
    char text[1024];

    for (size_t p = 0; p < PARTS; p++) {
        snprintf(text, sizeof text, "{" DEFS ",\"not\":%s}", parts[p]);
        for (size_t i = 0; i < value_count; i++)
            wanted[i] = !said[p][i];
        expect(text, wanted);
    }
}
END_TEST

static const struct {
    const char *keyword;
    int least, most; /* branches that hold */
} unions[] = {{"allOf", 2, 2}, {"anyOf", 1, 2}, {"oneOf", 1, 1}};

START_TEST(of_two_branches_as_many_hold_as_the_keyword_says)
{
    unsigned char wanted[VALUES];
    char text[1024];

    for (size_t p = 0; p < PARTS; p++)
        for (size_t q = p % 3; q < PARTS; q += 3) {
            size_t outer = (p + q / 3) % COUNT(outers);
            snprintf(text, sizeof text, "{" DEFS ",%s\"%s\":[%s,%s]}", outers[outer],
                     unions[_i].keyword, parts[p], parts[q]);
            for (size_t i = 0; i < value_count; i++) {
                int hold = said[p][i] + said[q][i];
                wanted[i] =
                    outer_holds(outer, i) && hold >= unions[_i].least && hold <= unions[_i].most;
            }
            expect(text, wanted);
        }
}
END_TEST

/* Branches that one member's text decides. */
static const char *const branches[] = {
    "{\"properties\":{\"k\":{\"const\":\"a\"},\"n\":{\"type\":\"integer\"}},\"required\":[\"k\"]}",
    ("{\"properties\":{\"k\":{\"enum\":[\"b\",\"\"]},\"x\":{\"type\":\"integer\"}},"
     "\"required\":[\"k\"]}"),
    "{\"properties\":{\"k\":{\"const\":\"ab\"}},\"required\":[\"k\",\"n\"]}",
    "{\"properties\":{\"k\":{\"enum\":[\"c\",\"d\",\"b\"]}},\"required\":[\"k\",\"y\"]}",
    "{\"properties\":{\"k\":{\"const\":\"b\"}}}",
    "{\"properties\":{\"k\":{\"const\":\"c\"}},\"required\":[\"n\"]}",
    "{\"$ref\":\"#/$defs/b\"}",
    "{\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"]}",
};

START_TEST(of_three_branches_with_a_tag_as_many_hold_as_the_keyword_says)
{
    enum { BRANCHES = COUNT(branches) };
    static unsigned char held[BRANCHES][VALUES];
    unsigned char wanted[VALUES];
    char text[1024];

    for (size_t b = 0; b < BRANCHES; b++) {
        snprintf(text, sizeof text, "{" DEFS ",%s", branches[b] + 1);
        ask(text, held[b]);
    }
    for (size_t n = 0; n < BRANCHES * BRANCHES * BRANCHES; n++) {
        size_t of[] = {n % BRANCHES, n / BRANCHES % BRANCHES, n / BRANCHES / BRANCHES};
        size_t outer = (of[0] + of[1] + of[2]) % COUNT(outers);
        if (of[0] == of[1] || of[1] >= of[2])
            continue;
        snprintf(text, sizeof text, "{" DEFS ",%s\"%s\":[%s,%s,%s]}", outers[outer],
                 unions[_i].keyword, branches[of[0]], branches[of[1]], branches[of[2]]);
        for (size_t i = 0; i < value_count; i++) {
            int hold = held[of[0]][i] + held[of[1]][i] + held[of[2]][i];
            wanted[i] = outer_holds(outer, i) && hold >= 1 && (_i == 1 || hold <= 1);
        }
        expect(text, wanted);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_compounds");
    TCase *t = tcase_create("compounds");

    tcase_set_timeout(t, 100);
    tcase_add_unchecked_fixture(t, ask_parts, NULL);
    tcase_add_test(t, a_condition_is_then_where_it_holds_and_else_where_not);
    tcase_add_test(t, a_negation_holds_where_its_schema_does_not);
    tcase_add_loop_test(t, of_two_branches_as_many_hold_as_the_keyword_says, 0, COUNT(unions));
    tcase_add_loop_test(t, of_three_branches_with_a_tag_as_many_hold_as_the_keyword_says, 1,
                        COUNT(unions));
    suite_add_tcase(s, t);
    return s;
}
