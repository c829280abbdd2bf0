/* What is said of a value that breaks a rule, and where. */
#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/schema.h>

#include <stdio.h>
#include <string.h>

static wsrt_schema *schema;
static wsrt_issue issues[8];
static wsrt_validation answer;
static char text[4096], room[1024];

static void use(const char *of)
{
    wsrt_schema_free(schema);
    ck_assert_msg(wsrt_schema_new(&schema, of, strlen(of), NULL, NULL) == WSRT_OK, "%s", of);
}

static void clean_up(void)
{
    wsrt_schema_free(schema);
    schema = NULL;
}

static int judge(const char *value, uint32_t flags)
{
    static char scratch[65536];
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags};

    answer = (wsrt_validation){.struct_size = sizeof answer,
                               .issues = issues,
                               .issue_cap = 8,
                               .scratch = scratch,
                               .scratch_cap = sizeof scratch};
    return wsrt_validate(schema, value, strlen(value), &o, &answer);
}

enum { ALL = WSRT_VALIDATE_COLLECT_ALL, ONCE = WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES };

/* The one issue of a value. */
static const wsrt_issue *issue_of(const char *value)
{
    int rc = judge(value, ALL | ONCE);
    ck_assert_msg(rc == WSRT_ERR_REJECTED, "%s: %s", value, wsrt_status_name(rc));
    ck_assert_msg(answer.issue_total == 1, "%s: %u", value, (unsigned)answer.issue_total);
    return &issues[0];
}

static const char *pointer_of(const char *value, uint32_t flags)
{
    ck_assert_int_eq(wsrt_issue_pointer(schema, value, strlen(value), &issues[0], flags, room,
                                        sizeof room, NULL),
                     WSRT_OK);
    return room;
}

/* ---- texts ---- */

static const char *const kinds[] = {"null",  "boolean", "number", "string",
                                    "array", "object",  "integer"};
static const char *const values[] = {"null", "true", "1.5", "\"a\"", "[]", "{}"};

START_TEST(a_wrong_type_names_the_one_wanted_and_the_one_that_came)
{
    for (size_t want = 0; want < sizeof kinds / sizeof kinds[0]; want++) {
        char of[64], says[64];
        snprintf(of, sizeof of, "{\"type\":\"%s\"}", kinds[want]);
        use(of);
        for (size_t got = 0; got < sizeof values / sizeof values[0]; got++) {
            if (want == got) {
                ck_assert_int_eq(judge(values[got], 0), WSRT_OK);
                continue;
            }
            snprintf(says, sizeof says, "Expected %s, got %s%s", kinds[want], kinds[got],
                     want == 6 && got == 2 ? " with a fraction" : "");
            ck_assert_str_eq(issue_of(values[got])->text_cstr, says);
            ck_assert_int_eq(issues[0].code, WSRT_ISSUE_INVALID_TYPE);
            ck_assert_int_eq(issues[0].got, (int)got + 1);
        }
    }
    use("{\"type\":[\"string\",\"null\"]}");
    ck_assert_str_eq(issue_of("1")->text_cstr, "Wrong type");
    ck_assert_uint_eq(issues[0].expected_types, 1u << WSRT_JSON_STRING | 1u << WSRT_JSON_NULL);
}
END_TEST

static const struct {
    const char *schema, *good, *bad, *says;
    int code;
    const char *limits; /* NULL = the envelope shows none */
} rules[] = {
    {"{\"minLength\":2}", "\"ab\"", "\"a\"", "Too short", WSRT_ISSUE_TOO_SMALL, "\"min\":2"},
    {"{\"maxLength\":2}", "\"ab\"", "\"abc\"", "Too long", WSRT_ISSUE_TOO_BIG, "\"max\":2"},
    {"{\"minItems\":2}", "[1,2]", "[1]", "Too few items", WSRT_ISSUE_TOO_SMALL, "\"min\":2"},
    {"{\"maxItems\":2}", "[1,2]", "[1,2,3]", "Too many items", WSRT_ISSUE_TOO_BIG, "\"max\":2"},
    {"{\"minProperties\":1}", "{\"a\":1}", "{}", "Too few members", WSRT_ISSUE_TOO_SMALL,
     "\"min\":1"},
    {"{\"maxProperties\":1}", "{\"a\":1}", "{\"a\":1,\"b\":2}", "Too many members",
     WSRT_ISSUE_TOO_BIG, "\"max\":1"},
    {"{\"minimum\":-1.5}", "-1.5", "-1.6", "Too small", WSRT_ISSUE_TOO_SMALL, "\"min\":-1.5"},
    {"{\"maximum\":10}", "10", "10.1", "Too big", WSRT_ISSUE_TOO_BIG, "\"max\":10"},
    {"{\"exclusiveMinimum\":1}", "1.1", "1", "Too small", WSRT_ISSUE_TOO_SMALL, "\"min\":1"},
    {"{\"exclusiveMaximum\":1}", "0.9", "1", "Too big", WSRT_ISSUE_TOO_BIG, "\"max\":1"},
    {"{\"contains\":{\"const\":1}}", "[2,1]", "[2]", "Too few items", WSRT_ISSUE_TOO_SMALL,
     "\"min\":1"},
    {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1,1]", "[1,2]", "Too few items",
     WSRT_ISSUE_TOO_SMALL, "\"min\":2"},
    {"{\"contains\":{\"const\":1},\"maxContains\":2}", "[1,1,2]", "[1,1,1]", "Too many items",
     WSRT_ISSUE_TOO_BIG, "\"max\":2"},
    {"{\"const\":1}", "1", "2", "Not one of the allowed values", WSRT_ISSUE_INVALID_VALUE, NULL},
    {"{\"pattern\":\"^a\"}", "\"ab\"", "\"b\"", "Wrong format", WSRT_ISSUE_INVALID_FORMAT, NULL},
    {"{\"multipleOf\":3}", "6", "7", "Not a multiple", WSRT_ISSUE_NOT_MULTIPLE_OF, NULL},
    {"{\"uniqueItems\":true}", "[1,2]", "[1,1]", "Items are not unique", WSRT_ISSUE_NOT_UNIQUE,
     NULL},
    {"{\"required\":[\"a\"]}", "{\"a\":1}", "{\"b\":1}", "Required", WSRT_ISSUE_REQUIRED, NULL},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", "{\"b\":1}",
     "Unknown member", WSRT_ISSUE_UNRECOGNIZED_KEY, NULL},
    {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":5}]}", "9", "3",
     "Matches none, or too many, of the alternatives", WSRT_ISSUE_INVALID_UNION, NULL},
    {"{\"properties\":{\"a\":false}}", "{\"b\":1}", "{\"a\":1}", "Not allowed", 0, NULL},
};

START_TEST(a_broken_rule_has_its_text_its_code_and_its_limit)
{
    wsrt_json_writer w;
    size_t len;

    use(rules[_i].schema);
    ck_assert_msg(judge(rules[_i].good, 0) == WSRT_OK, "%s", rules[_i].good);
    ck_assert_str_eq(issue_of(rules[_i].bad)->text_cstr, rules[_i].says);
    if (rules[_i].code != 0)
        ck_assert_int_eq(issues[0].code, rules[_i].code);
    wsrt_json_writer_init(&w, room, sizeof room, 0);
    wsrt_issues_write(&w, schema, rules[_i].bad, strlen(rules[_i].bad), &answer);
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    const char *limits = strstr(room, "\"limits\":{");
    if (rules[_i].limits == NULL)
        ck_assert_msg(limits == NULL, "%s", room);
    else
        ck_assert_msg(limits != NULL &&
                          strncmp(limits + 10, rules[_i].limits, strlen(rules[_i].limits)) == 0,
                      "%s", room);
}
END_TEST

/* ---- places ---- */

START_TEST(the_index_of_an_item_is_written_in_full)
{
    static const size_t places[] = {0, 1, 9, 10, 11, 19, 99, 100, 123, 507, 990, 1000, 1234};
    char want[32];

    use("{\"items\":{\"type\":\"integer\"}}");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        size_t n = 0;
        text[n++] = '[';
        for (size_t k = 0; k < places[i]; k++)
            n += (size_t)sprintf(text + n, "1,");
        strcpy(text + n, "null]");
        issue_of(text);
        snprintf(want, sizeof want, "/%zu", places[i]);
        ck_assert_str_eq(pointer_of(text, 0), want);
    }
}
END_TEST

START_TEST(a_place_deep_in_a_message_is_told_level_by_level)
{
    const char *value = " { \"x\" : [ [] , {\"a/b\":1, \"m~n\":[0, {\"\":[\"!\"]}]}, 2 ] } ";

    use("{\"$defs\":{\"any\":{\"properties\":{\"x\":{\"$ref\":\"#/$defs/any\"},\"a/b\":true,"
        "\"m~n\":{\"$ref\":\"#/$defs/any\"},\"\":{\"$ref\":\"#/$defs/any\"}},\"items\":{\"$ref\":"
        "\"#/$defs/any\"},\"maxLength\":0}},\"$ref\":\"#/$defs/any\"}");
    issue_of(value);
    ck_assert_uint_eq(issues[0].offset, (size_t)(strstr(value, "\"!\"") - value));
    ck_assert_uint_eq(issues[0].length, 3);
    ck_assert_str_eq(pointer_of(value, 0), "/x/1/m~0n/1//0");
}
END_TEST

START_TEST(a_pointer_is_cut_between_tokens_at_every_size)
{
    const char *value = "{\"aa\":{\"b/b\":[1,2,3,4,5,6,7,8,9,10,\"!\"]}}";
    static const char whole[] = "/aa/b~1b/10", rule[] = "/properties/aa/properties/b~1b/items/type";
    char small[64];
    size_t len;

    use("{\"properties\":{\"aa\":{\"properties\":{\"b/b\":{\"items\":{\"type\":\"integer\"}}}}}}");
    issue_of(value);
    for (size_t cap = 1; cap < sizeof small; cap++) {
        memset(small, '?', sizeof small);
        int rc = wsrt_issue_pointer(schema, value, strlen(value), &issues[0], 0, small, cap, &len);
        ck_assert_int_eq(rc, cap < sizeof whole ? WSRT_ERR_LIMIT : WSRT_OK);
        ck_assert_uint_eq(len, strlen(small));
        ck_assert_uint_eq(len, cap < 4 ? 0 : cap < 9 ? 3 : cap < sizeof whole ? 8 : 11);
        ck_assert_mem_eq(small, whole, len);
        rc = wsrt_issue_schema_pointer(schema, &issues[0], small, cap, &len);
        ck_assert_int_eq(rc, cap < sizeof rule ? WSRT_ERR_LIMIT : WSRT_OK);
        ck_assert_uint_eq(len, strlen(small));
        ck_assert_mem_eq(small, rule, len);
        ck_assert(rule[len] == '/' || rule[len] == '\0');
        const char *next = strchr(rule + len + (cap < sizeof rule), '/');
        size_t more = next == NULL ? strlen(rule) : (size_t)(next - rule);
        ck_assert_msg(cap >= sizeof rule || more >= cap, "%zu: %s", cap, small);
    }
    ck_assert_int_eq(wsrt_issue_pointer(schema, value, 5, &issues[0], 0, small, 64, &len),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(schema, value, 5, &issues[0], 2, small, 64, &len),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_pointer(schema, value, 5, &issues[0], 0, small, 0, &len),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_issue_schema_pointer(schema, &issues[0], small, 0, &len),
                     WSRT_ERR_INVALID);
}
END_TEST

/* ---- names ---- */

static const struct {
    unsigned point;
    int shown;
} points[] = {
    {0x1f, 0},   {0x20, 1},   {'"', 0},    {'\\', 0},   {0x21, 1},   {0x5b, 1},
    {0x7d, 1},   {0x7f, 0},   {0x9f, 0},   {0xa0, 1},   {0x200a, 1}, {0x200b, 0},
    {0x200f, 0}, {0x2010, 1}, {0x2027, 1}, {0x2028, 0}, {0x202e, 0}, {0x202f, 1},
    {0x2065, 1}, {0x2066, 0}, {0x2069, 0}, {0x206a, 1}, {0xd7ff, 1}, {0xe000, 1},
    {0xfffd, 1}, {0x61b, 1},  {0x61c, 0},  {0x61d, 1},  {0xfefe, 1}, {0xfeff, 0},
};

START_TEST(of_an_unknown_name_what_could_deceive_is_shown_as_its_number)
{
    use("{\"additionalProperties\":false}");
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        char want[32], spelled[32];
        wsrt_json escaped;
        size_t len = 0;
        snprintf(text, sizeof text, "{\"a\\u%04xz\":1}", points[i].point);
        issue_of(text);
        ck_assert_str_eq(pointer_of(text, 0), "/*");
        if (points[i].shown) {
            snprintf(spelled, sizeof spelled, "\"/a\\u%04xz\"", points[i].point);
            ck_assert_int_eq(wsrt_json_parse(&escaped, wsrt_span_cstr(spelled), NULL), WSRT_OK);
            ck_assert_int_eq(wsrt_json_text(&escaped, want, sizeof want - 1, &len), WSRT_OK);
            want[len] = '\0';
        } else {
            snprintf(want, sizeof want, "/a\\u%04xz", points[i].point);
        }
        ck_assert_str_eq(pointer_of(text, WSRT_VALIDATE_SHOW_NAMES), want);
    }
}
END_TEST

START_TEST(of_an_unknown_name_at_most_64_bytes_are_shown)
{
    char want[80] = "/";

    use("{\"additionalProperties\":false}");
    for (int len = 50; len < 70; len++) {
        snprintf(text, sizeof text, "{\"%0*d\":1}", len, 0);
        issue_of(text);
        memset(want + 1, '0', sizeof want - 1);
        want[1 + (len < 59 ? len : 59)] = '\0'; /* one more could be six */
        ck_assert_str_eq(pointer_of(text, WSRT_VALIDATE_SHOW_NAMES), want);
    }
}
END_TEST

/* ---- duplicates ---- */

START_TEST(a_member_given_twice_names_both_places)
{
    const char *value = "{\"a\":1, \"bb\":2, \"a\":3}";

    use("{\"properties\":{\"a\":true}}");
    ck_assert_int_eq(issue_of(value)->code, WSRT_ISSUE_DUPLICATE_KEY);
    ck_assert_uint_eq(issues[0].offset, 16);
    ck_assert_uint_eq(issues[0].length, 3);
    ck_assert_uint_eq(issues[0].other_offset, 1);
    ck_assert_str_eq(issues[0].text_cstr, "Member given twice");
    value = "[{\"b\":1, \"\\u0063\":2, \"c\":3}]"; /* that no rule knows */
    ck_assert_int_eq(issue_of(value)->code, WSRT_ISSUE_DUPLICATE_KEY);
    ck_assert_uint_eq(issues[0].offset, 21);
    ck_assert_uint_eq(issues[0].other_offset, 9);
}
END_TEST

START_TEST(of_many_unknown_names_the_one_given_twice_is_found)
{
    use("true");
    for (int twice = 0; twice < 40; twice++) {
        size_t n = 0;
        text[n++] = '{';
        for (int i = 0; i < 40; i++)
            n += (size_t)sprintf(text + n, "\"k%d\":%d,", i, i);
        sprintf(text + n - 1, "}");
        ck_assert_int_eq(judge(text, ONCE), WSRT_OK);
        sprintf(text + n - 1, ",\"k%d\":0}", twice);
        ck_assert_int_eq(judge(text, 0), WSRT_OK);
        issue_of(text);
        ck_assert_uint_eq(issues[0].offset, n);
        char first[16];
        snprintf(first, sizeof first, "\"k%d\"", twice);
        ck_assert_uint_eq(issues[0].other_offset, (size_t)(strstr(text, first) - text));
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_issues");
    TCase *t = tcase_create("issues");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, clean_up);
    tcase_add_test(t, a_wrong_type_names_the_one_wanted_and_the_one_that_came);
    tcase_add_loop_test(t, a_broken_rule_has_its_text_its_code_and_its_limit, 0,
                        sizeof rules / sizeof rules[0]);
    tcase_add_test(t, the_index_of_an_item_is_written_in_full);
    tcase_add_test(t, a_place_deep_in_a_message_is_told_level_by_level);
    tcase_add_test(t, a_pointer_is_cut_between_tokens_at_every_size);
    tcase_add_test(t, of_an_unknown_name_what_could_deceive_is_shown_as_its_number);
    tcase_add_test(t, of_an_unknown_name_at_most_64_bytes_are_shown);
    tcase_add_test(t, a_member_given_twice_names_both_places);
    tcase_add_test(t, of_many_unknown_names_the_one_given_twice_is_found);
    suite_add_tcase(s, t);
    return s;
}
