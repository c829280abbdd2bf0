/* The shipped schemas, and how a message is judged. */
#include "guarded.h"
#include "heap.h"
#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsrt_schema *schema;
static wsrt_slot slots[16];
static wsrt_issue issues[16];
static wsrt_validation answer;
static char big[300000];

static void use_builtin(const char *name)
{
    wsrt_schema_free(schema);
    ck_assert_int_eq(wsrt_schema_builtin(&schema, name, NULL), WSRT_OK);
}

static void use(const char *text)
{
    wsrt_schema_error why;

    wsrt_schema_free(schema);
    ck_assert_msg(wsrt_schema_new(&schema, text, strlen(text), NULL, &why) == WSRT_OK,
                  "%s: %s at %s", text, wsrt_schema_code_name(why.code), why.pointer);
}

/* Judges bytes that end at an unmapped page, with scratch of exactly the size that was asked for. */
static int judge_bytes(const void *bytes, size_t len, wsrt_validate_options o)
{
    char *copy = guarded_copy(bytes, len);

    o.struct_size = sizeof o;
    answer = (wsrt_validation){.struct_size = sizeof answer,
                               .slots = slots,
                               .slot_cap = 16,
                               .issues = issues,
                               .issue_cap = 16,
                               .scratch_cap = wsrt_schema_scratch(schema, &o)};
    answer.scratch = malloc(answer.scratch_cap);
    int rc = wsrt_validate(schema, copy, len, &o, &answer);
    free(answer.scratch);
    guarded_free(copy, len);
    return rc;
}

static int judge(const char *text)
{
    return judge_bytes(text, strlen(text),
                       (wsrt_validate_options){.flags = WSRT_VALIDATE_COLLECT_ALL});
}

static const char *pointer_of(const char *text, const wsrt_issue *issue, uint32_t flags)
{
    static char path[256];

    wsrt_issue_pointer(schema, text, strlen(text), issue, flags, path, sizeof path, NULL);
    return path;
}

/* "pointer code text; …" of everything that was found. */
static const char *found(const char *text)
{
    static char out[4096];
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < answer.issue_count; i++)
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%s %s %s", i > 0 ? "; " : "",
                                pointer_of(text, &issues[i], 0),
                                wsrt_issue_code_name(issues[i].code), issues[i].text_cstr);
    return out;
}

static void expect(const char *text, int status, const char *what)
{
    ck_assert_msg(judge(text) == status, "%s", text);
    ck_assert_str_eq(found(text), what);
}

struct row {
    const char *text;
    int status;
    int code;
};

/* The class and the first code of each row; both modes agree on the class. */
static void expect_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int all = judge(rows[i].text);
        int code = answer.issue_count > 0 ? issues[0].code : 0;
        ck_assert_msg(all == rows[i].status && code == rows[i].code, "%s: %s %s", rows[i].text,
                      wsrt_status_name(all), wsrt_issue_code_name(code));
        int first = judge_bytes(rows[i].text, strlen(rows[i].text), (wsrt_validate_options){0});
        ck_assert_msg(first == all, "%s", rows[i].text);
        ck_assert_uint_le(answer.issue_count, 1);
    }
}
#define EXPECT_ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof(rows)[0])

static const wsrt_slot *slot(const char *name)
{
    int at = wsrt_schema_slot(schema, name);

    ck_assert_int_ge(at, 0);
    return &slots[at];
}

static void clean_up(void)
{
    wsrt_schema_free(schema);
    schema = NULL;
}

/* ---- the shipped schemas ------------------------------------------------------------------- */

START_TEST(every_message_rule_has_its_code_its_place_and_its_text)
{
    static const struct {
        const char *text;
        const char *what;
    } rows[] = {
        {"{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}", ""},
        {"{\"type\":\"auth\",\"data\":{\"action\":\"a\",\"token\":\"a.b-c_D\"}}", ""},
        {"{\"type\":\"message\",\"data\":{\"action\":\"a\",\"message\":\"hi\\u00e9\"}}", ""},
        {"{\"data\":{\"action\":\"a\"}}",
         "/type required Message type must be one of: auth, message, ping"},
        {"{\"type\":\"nope\",\"data\":{\"action\":\"a\"}}",
         "/type invalid_value Message type must be one of: auth, message, ping"},
        {"{\"type\":5,\"data\":{\"action\":\"a\"}}",
         "/type invalid_type Message type must be one of: auth, message, ping; /type invalid_value "
         "Message type must be one of: auth, message, ping"},
        {"{\"type\":\"ping\"}", "/data required Required"},
        {"{\"type\":\"ping\",\"data\":[]}", "/data invalid_type Expected object, got array"},
        {"{\"type\":\"ping\",\"data\":{}}", "/data/action required Required"},
        {"{\"type\":\"ping\",\"data\":{\"action\":\"\"}}",
         "/data/action too_small Too short; /data/action invalid_format Action must contain only "
         "alphanumeric characters and underscores"},
        {"{\"type\":\"ping\",\"data\":{\"action\":\"a-b\"}}",
         "/data/action invalid_format Action must contain only alphanumeric characters and "
         "underscores"},
        {"{\"type\":\"message\",\"data\":{\"action\":\"a\",\"message\":\"\"}}",
         "/data/message too_small Message cannot be empty"},
        {"{\"type\":\"ping\",\"data\":{\"action\":\"a\",\"sessionId\":\"\"}}",
         "/data/sessionId too_small Session ID cannot be empty; /data/sessionId invalid_format "
         "Session ID contains invalid characters"},
        {"{\"type\":\"auth\",\"data\":{\"action\":\"a\",\"token\":\"\"}}",
         "/data/token too_small Token cannot be empty; /data/token invalid_format Token contains "
         "invalid characters"},
        {"{\"type\":\"auth\",\"data\":{\"action\":\"a\"}}",
         "/data/token required Auth messages must include a token"},
        {"{\"type\":\"message\",\"data\":{\"action\":\"a\"}}",
         "/data/message required Chat messages must include a message"},
        {"[]", " invalid_type Expected object, got array"},
        {"{\"type\":\"ping\",\"data\":{\"action\":7}}",
         "/data/action invalid_type Expected string, got number"},
    };

    use_builtin("message");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(rows[i].text, rows[i].what[0] == '\0' ? WSRT_OK : WSRT_ERR_REJECTED, rows[i].what);
}
END_TEST

static void fill_message(const char *member, const char *unit, size_t count)
{
    size_t len =
        (size_t)sprintf(big, "{\"type\":\"ping\",\"data\":{\"action\":\"a\",\"%s\":\"", member);

    for (size_t i = 0; i < count; i++, len += strlen(unit))
        strcpy(big + len, unit);
    strcpy(big + len, "\"}}");
}

START_TEST(lengths_are_exact_and_count_code_points_row_44_45)
{
    static const struct {
        const char *member;
        const char *unit;
        size_t most;
        const char *text;
    } rows[] = {
        {"message", "a", 10000, "/data/message too_big Message too long (max 10KB)"},
        {"message", "\xf0\x9f\x98\x80", 10000, "/data/message too_big Message too long (max 10KB)"},
        {"message", "\\ud83d\\ude00", 10000, "/data/message too_big Message too long (max 10KB)"},
        {"message", "\xc3\xa9", 10000, "/data/message too_big Message too long (max 10KB)"},
        {"sessionId", "Z", 100, "/data/sessionId too_big Session ID too long"},
        {"token", ".", 10000, "/data/token too_big Token too long"},
    };

    use_builtin("message");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fill_message(rows[i].member, rows[i].unit, rows[i].most);
        expect(big, WSRT_OK, "");
        fill_message(rows[i].member, rows[i].unit, rows[i].most + 1);
        expect(big, WSRT_ERR_REJECTED, rows[i].text);
    }
}
END_TEST

START_TEST(the_tag_may_come_after_the_data_row_61)
{
    use_builtin("message");
    expect("{\"data\":{\"action\":\"a\"},\"type\":\"auth\"}", WSRT_ERR_REJECTED,
           "/data/token required Auth messages must include a token");
    expect("{\"x\":[{\"type\":\"ping\"}],\"data\":{\"action\":\"a\"},\"type\":\"ping\"}", WSRT_OK,
           "");
    size_t len = (size_t)sprintf(big, "{\"data\":{\"action\":\"a\",\"pad\":\"");
    memset(big + len, 'p', 100000);
    strcpy(big + len + 100000, "\"},\"type\":\"message\"}");
    expect(big, WSRT_ERR_REJECTED, "/data/message required Chat messages must include a message");
}
END_TEST

START_TEST(slots_hold_the_fields_of_a_valid_message_and_nothing_of_others)
{
    use_builtin("message");
    judge("{\"correlationId\":\"c-1\",\"type\":\"auth\",\"data\":{\"action\":\"in\",\"token\":\"t."
          "t\",\"sessionId\":\"\\u0061b\"}}");
    ck_assert_uint_eq(slot("token")->text.len, 3);
    ck_assert_uint_eq(slot("token")->flags, WSRT_SLOT_PRESENT);
    ck_assert_int_eq(slot("token")->kind, WSRT_JSON_STRING);
    ck_assert_uint_eq(slot("sessionId")->text.len, 7);
    ck_assert_uint_eq(slot("sessionId")->flags, WSRT_SLOT_PRESENT | WSRT_SLOT_ESCAPED);
    ck_assert_uint_eq(slot("correlationId")->text.len, 3);
    ck_assert_uint_eq(slot("message")->flags, 0);
    ck_assert_int_eq(wsrt_schema_slot_count(schema), 6);
    judge("{\"type\":\"auth\",\"data\":{\"action\":\"in\",\"token\":\"!\"}}");
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(slots[i].flags, 0);
}
END_TEST

START_TEST(a_correlation_id_never_makes_a_message_invalid)
{
    static const char *const values[] = {"5",    "null",    "{}",         "[1]",
                                         "\"\"", "\"a b\"", "\"\\u0000\""};
    char text[200];

    use_builtin("message");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        sprintf(text, "{\"type\":\"ping\",\"correlationId\":%s,\"data\":{\"action\":\"a\"}}",
                values[i]);
        ck_assert_int_eq(judge(text), WSRT_OK);
        ck_assert_uint_eq(slot("correlationId")->flags & WSRT_SLOT_PRESENT, values[i][0] == '"');
    }
}
END_TEST

START_TEST(every_shipped_schema_compiles_and_its_text_is_retrievable)
{
    static const char *const names[] = {"message",       "message-auth",  "message-chat",
                                        "message-ping",  "message-basic", "message-dashboard",
                                        "message-action"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wsrt_span text;
        use_builtin(names[i]);
        ck_assert_int_eq(wsrt_schema_builtin_text(names[i], &text), WSRT_OK);
        ck_assert_int_eq(wsrt_json_parse(NULL, text, NULL), WSRT_OK);
        ck_assert_uint_lt(wsrt_schema_scratch(schema, NULL), 4096);
        ck_assert_int_ge(wsrt_schema_slot(schema, "correlationId"), 0);
    }
    clean_up();
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "nope", NULL), WSRT_ERR_NOT_FOUND);
    ck_assert_ptr_null(schema);
}
END_TEST

START_TEST(single_messages_basic_action_and_dashboard_have_their_own_rules)
{
    use_builtin("message-auth");
    expect("{\"type\":\"ping\",\"data\":{\"action\":\"a\",\"token\":\"t\"}}", WSRT_ERR_REJECTED,
           "/type invalid_value Message type must be auth");
    use_builtin("message-chat");
    ck_assert_int_eq(judge("{\"type\":\"message\",\"data\":{\"action\":\"a\"}}"),
                     WSRT_ERR_REJECTED);
    use_builtin("message-ping");
    ck_assert_int_eq(judge("{\"type\":\"ping\",\"data\":{\"action\":\"a\"}}"), WSRT_OK);
    use_builtin("message-basic");
    ck_assert_int_eq(judge("{\"type\":\"auth\",\"data\":{\"action\":\"a\"}}"), WSRT_OK);
    use_builtin("message-action");
    ck_assert_int_eq(judge("{\"action\":\"chat_message\",\"message\":\"m\"}"), WSRT_OK);
    expect("{\"action\":\"chat_message\"}", WSRT_ERR_REJECTED,
           "/message required Chat messages must include a message");
    expect("{\"action\":\"x\"}", WSRT_ERR_REJECTED,
           "/action invalid_value Action must be one of: auth, chat_message, ping");
    use_builtin("message-dashboard");
    ck_assert_int_eq(judge("{\"type\":\"subscribe\",\"data\":{\"filter\":{\"a\":[1]},"
                           "\"snapshot\":true}}"),
                     WSRT_OK);
    ck_assert_int_eq(slot("filter")->kind, WSRT_JSON_OBJECT);
    ck_assert_int_eq(slot("snapshot")->kind, WSRT_JSON_BOOL);
    expect("{\"type\":\"unsubscribe\",\"data\":{}}", WSRT_ERR_REJECTED,
           "/data/filter required Required");
    expect("{\"type\":\"auth\",\"data\":{\"action\":\"a\"}}", WSRT_ERR_REJECTED,
           "/data/token required Auth messages must include a token");
}
END_TEST

START_TEST(listed_actions_are_the_only_ones_of_their_type)
{
    const char *actions = "{\"auth\":[\"login\"],\"ping\":[\"now\",\"later\"]}";
    wsrt_schema_options o = {.struct_size = sizeof o, .actions = wsrt_span_cstr(actions)};

    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", &o), WSRT_OK);
    ck_assert_int_eq(judge("{\"type\":\"ping\",\"data\":{\"action\":\"later\"}}"), WSRT_OK);
    expect("{\"type\":\"ping\",\"data\":{\"action\":\"login\"}}", WSRT_ERR_REJECTED,
           "/data/action invalid_value Not one of the allowed values");
    ck_assert_int_eq(judge("{\"type\":\"message\",\"data\":{\"action\":\"x\",\"message\":\"m\"}}"),
                     WSRT_OK);
    o.actions = wsrt_span_cstr("{\"auth\":1}");
    clean_up();
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", &o), WSRT_ERR_INVALID);
}
END_TEST

/* ---- edge cases, by their rows -------------------------------------------------------------- */

START_TEST(what_is_not_json_is_malformed_rows_1_to_16_30_to_34)
{
    static const struct row rows[] = {
        {"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {" \t\r\n ", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\xef\xbb\xbf{}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\xff\xfe{", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\x01\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\x1f\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\x7f\"", WSRT_OK, 0},
        {"\"\\u0000\"", WSRT_OK, 0},
        {"{\"a\\u0000\":1}", WSRT_OK, 0},
        {"\"\xc0\xaf\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\xed\xa0\x80\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\xf4\x90\x80\x80\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\xfe\xff\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\x80\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\xe2\x82\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"{\"x\xff\":1}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"{\"x\":[\"\xff\"]}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"\"\\ud800\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\udc00\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\ud800\\u0041\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\udc00\\ud800\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\u12\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\u12G4\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\x41\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\a\"", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\\", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"{\"a\":1", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"{\"a\" 1}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"{\"a\":1 \"b\":2}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"{\"a\":1,}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"[1,]", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"[,1]", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"[1 2]", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"{}{}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_TRAILING},
        {"{} \n", WSRT_OK, 0},
        {"[\x0c]", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"[\xc2\xa0]", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"\"\xe2\x80\xa8\"", WSRT_OK, 0},
        {"[1/*x*/]", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"'a'", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"NaN", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"+1", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {".5", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"1.", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"01", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"-", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"1e", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"0x1", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_TRAILING},
        {"True", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"nul", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"truee", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_TRAILING},
    };

    use("true");
    EXPECT_ROWS(rows);
    use("{\"properties\":{\"a\":{\"type\":\"integer\"}},\"items\":{\"minimum\":0}}");
    EXPECT_ROWS(rows); /* the same where the schema looks at the values */
    ck_assert_int_eq(judge_bytes("{}\0", 3, (wsrt_validate_options){0}), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_JSON_TRAILING);
    ck_assert_uint_eq(issues[0].offset, 2);
    ck_assert_int_eq(judge_bytes("\"a\0\"", 4, (wsrt_validate_options){0}), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(a_syntax_error_replaces_schema_issues_in_both_modes)
{
    static const struct row rows[] = {
        {"{\"type\":\"nope\",\"data\":{}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_SYNTAX},
        {"{\"type\":\"ping\",\"data\":7,\"x\":\"\xff\"}", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_UTF8},
        {"{\"type\":\"nope\"} x", WSRT_ERR_MALFORMED, WSRT_ISSUE_JSON_TRAILING},
    };

    use_builtin("message");
    EXPECT_ROWS(rows);
}
END_TEST

START_TEST(bad_utf8_is_found_at_every_offset_row_13)
{
    static const char *const bad[] = {"\xff", "\xc3", "\xed\xa0\x80", "\xf0\x9f\x98", "\xc0\xaf"};
    static const char *const good[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\\n"};

    use("{\"type\":\"string\",\"maxLength\":200}");
    for (size_t at = 0; at <= 64; at++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            size_t len = (size_t)sprintf(big, "\"%.*s%s", (int)at,
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                         "aaaaaaaaaaaaaaa",
                                         bad[i]);
            strcpy(big + len, "bb\"");
            ck_assert_int_eq(judge(big), WSRT_ERR_MALFORMED);
            ck_assert_int_eq(issues[0].code, WSRT_ISSUE_JSON_UTF8);
            ck_assert_uint_eq(issues[0].offset, at + 1);
        }
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
            size_t len = (size_t)sprintf(big, "\"%.*s%s", (int)at,
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                         "aaaaaaaaaaaaaaa",
                                         good[i]);
            strcpy(big + len, "bb\"");
            ck_assert_int_eq(judge(big), WSRT_OK);
        }
    }
}
END_TEST

START_TEST(lone_surrogates_count_one_code_point_each_when_allowed_row_14_15)
{
    wsrt_validate_options o = {.flags = WSRT_VALIDATE_ALLOW_LONE_SURROGATE};
    const char *two = "\"\\udc00\\ud800\"", *pair = "\"\\ud83d\\ude00\"";

    use("{\"minLength\":2,\"maxLength\":2}");
    ck_assert_int_eq(judge_bytes(two, strlen(two), o), WSRT_OK);
    ck_assert_int_eq(judge_bytes(pair, strlen(pair), o), WSRT_ERR_REJECTED);
    use("{\"maxLength\":1,\"x-wsrt-minBytes\":4,\"x-wsrt-minUtf16Length\":2}");
    ck_assert_int_eq(judge(pair), WSRT_OK);
}
END_TEST

START_TEST(names_are_compared_decoded_and_whole_rows_17_to_24)
{
    static const struct row rows[] = {
        {"{\"\\u0074ype\":1}", WSRT_OK, 0},
        {"{\"type\":1,\"\\u0074ype\":1}", WSRT_ERR_REJECTED, WSRT_ISSUE_DUPLICATE_KEY},
        {"{\"typf\":1}", WSRT_ERR_REJECTED, WSRT_ISSUE_REQUIRED},
        {"{\"typ\":1}", WSRT_ERR_REJECTED, WSRT_ISSUE_REQUIRED},
        {"{\"typee\":1}", WSRT_ERR_REJECTED, WSRT_ISSUE_REQUIRED},
        {"{\"type\\u0000\":1}", WSRT_ERR_REJECTED, WSRT_ISSUE_REQUIRED},
        {"{\"TYPE\":1}", WSRT_ERR_REJECTED, WSRT_ISSUE_REQUIRED},
        {"{\"__proto__\":1,\"type\":2}", WSRT_OK, 0},
    };

    use("{\"required\":[\"type\"]}");
    EXPECT_ROWS(rows);
    use("{\"required\":[\"toString\"]}");
    ck_assert_int_eq(judge("{}"), WSRT_ERR_REJECTED);
    use("{\"properties\":{\"\\u00e9\":false}}");
    ck_assert_int_eq(judge("{\"e\\u0301\":1}"), WSRT_OK);
    ck_assert_int_eq(judge("{\"\xc3\xa9\":1}"), WSRT_ERR_REJECTED);
    use("{\"properties\":{\"\":false,\"a/b~c\":false}}");
    expect("{\"\":1,\"a/b~c\":2}", WSRT_ERR_REJECTED,
           "/ forbidden Not allowed; /a~1b~0c forbidden Not allowed");
}
END_TEST

START_TEST(duplicates_of_known_names_are_refused_rows_25_26)
{
    const char *known = "{\"type\":\"ping\",\"data\":{\"action\":\"a\"},\"type\":\"ping\"}";
    const char *unknown = "{\"type\":\"ping\",\"x\":1,\"data\":{\"action\":\"a\"},\"x\":1}";
    const char *deep = "{\"type\":\"ping\",\"data\":{\"action\":\"a\",\"y\":[{\"x\":1,\"x\":1}]}}";
    wsrt_validate_options o = {.flags = WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES};

    use_builtin("message");
    expect(known, WSRT_ERR_REJECTED, "/type duplicate_key Member given twice");
    ck_assert_uint_eq(issues[0].offset, 37);
    ck_assert_uint_eq(issues[0].other_offset, 1);
    ck_assert_int_eq(judge(unknown), WSRT_OK);
    ck_assert_int_eq(judge_bytes(unknown, strlen(unknown), o), WSRT_ERR_REJECTED);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_DUPLICATE_KEY);
    ck_assert_int_eq(judge(deep), WSRT_OK);
    ck_assert_int_eq(judge_bytes(deep, strlen(deep), o), WSRT_ERR_REJECTED);
}
END_TEST

static void nest(size_t depth, const char *open, const char *close)
{
    big[0] = '\0';
    size_t len = 0;
    for (size_t i = 0; i < depth; i++, len += strlen(open))
        strcpy(big + len, open);
    for (size_t i = 0; i < depth; i++, len += strlen(close))
        strcpy(big + len, close);
}

START_TEST(depth_is_limited_also_in_what_is_skipped_rows_28_29)
{
    static const char *const schemas[] = {"true", "{\"items\":{\"$ref\":\"#\"}}",
                                          "{\"anyOf\":[{\"items\":{\"$ref\":\"#\"}}]}"};

    for (size_t i = 0; i < 3; i++) {
        use(schemas[i]);
        nest(64, "[", "]");
        ck_assert_int_eq(judge(big), WSRT_OK);
        nest(65, "[", "]");
        ck_assert_int_eq(judge(big), WSRT_ERR_LIMIT);
        ck_assert_int_eq(issues[0].code, WSRT_ISSUE_JSON_DEPTH);
        ck_assert_uint_eq(issues[0].offset, 64);
        nest(100000, "[", "");
        ck_assert_int_eq(judge(big), WSRT_ERR_LIMIT);
    }
    nest(20000, "[{\"\":", "");
    ck_assert_int_eq(judge(big), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(numbers_are_exact_decimals_rows_35_to_43)
{
    static const struct {
        const char *schema;
        const char *value;
        int ok;
    } rows[] = {
        {"{\"type\":\"integer\",\"const\":0}", "-0", 1},
        {"{\"type\":\"integer\",\"const\":1}", "1.0", 1},
        {"{\"type\":\"integer\",\"const\":1}", "1e0", 1},
        {"{\"type\":\"integer\",\"const\":1}", "10e-1", 1},
        {"{\"type\":\"integer\"}", "1.5", 0},
        {"{\"type\":\"integer\"}", "1e-400", 0},
        {"{\"maximum\":1e308}", "1e400", 0},
        {"{\"exclusiveMinimum\":0}", "1e-400", 1},
        {"{\"const\":9007199254740992}", "9007199254740993", 0},
        {"{\"const\":9007199254740993}", "9007199254740993.0", 1},
        {"{\"maximum\":18446744073709551615}", "18446744073709551616", 0},
        {"{\"maximum\":1e9999999999}", "1e99999999999", 0},
        {"{\"minimum\":-1e9999999999}", "-1e99999999999", 0},
        {"{\"multipleOf\":0.01}", "19.99", 1},
        {"{\"multipleOf\":0.01}", "0.0075", 0},
        {"{\"multipleOf\":3}", "1e400", 0},
        {"{\"multipleOf\":3}", "3e400", 1},
        {"{\"multipleOf\":0.0001}", "1e400", 1},
        {"{\"multipleOf\":123456789012345678}", "123456789012345678000", 1},
        {"{\"maximum\":100}", "1e2", 1},
        {"{\"exclusiveMaximum\":100}", "1e2", 0},
        {"{\"minimum\":-0.5}", "-0.50", 1},
        {"{\"minimum\":-0.5}", "-0.51", 0},
        {"{\"minimum\":0.001}", "0.0010", 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        use(rows[i].schema);
        ck_assert_msg(judge(rows[i].value) == (rows[i].ok ? WSRT_OK : WSRT_ERR_REJECTED), "%s %s",
                      rows[i].schema, rows[i].value);
    }
    memset(big, '1', 1025);
    big[1025] = '\0';
    use("true");
    ck_assert_int_eq(judge(big), WSRT_ERR_LIMIT);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_LIMIT);
    ck_assert_int_eq(judge(big + 1), WSRT_OK);
}
END_TEST

START_TEST(classes_are_exact_for_every_ascii_character_rows_48_to_50)
{
    char text[16];

    use("{\"type\":\"string\",\"pattern\":\"^[a-zA-Z0-9\\\\-_.]+$\"}");
    for (unsigned c = 0; c < 128; c++) {
        int inside = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.';
        sprintf(text, "\"\\u%04x\"", c);
        ck_assert_int_eq(judge(text), inside ? WSRT_OK : WSRT_ERR_REJECTED);
        sprintf(text, "\"a%ca\"", (int)c);
        if (c >= 0x20 && c != '"' && c != '\\')
            ck_assert_int_eq(judge(text), inside ? WSRT_OK : WSRT_ERR_REJECTED);
        snprintf(big, sizeof big, "\"aaaaaaaaaaaaaaaaaaaaaaa%caaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
                 (int)c);
        if (c >= 0x20 && c != '"' && c != '\\')
            ck_assert_int_eq(judge(big), inside ? WSRT_OK : WSRT_ERR_REJECTED);
    }
    ck_assert_int_eq(judge("\"caf\xc3\xa9\""), WSRT_ERR_REJECTED);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_INVALID_FORMAT);
}
END_TEST

START_TEST(patterns_follow_ecmascript_rows_51_to_53)
{
    static const struct {
        const char *pattern;
        const char *value;
        int ok;
    } rows[] = {
        {"^abc$", "\"abc\\n\"", 0},
        {"b", "\"abc\"", 1},
        {"", "\"\"", 1},
        {"^$", "\"\"", 1},
        {"^$", "\"a\"", 0},
        {"^[\\\\s\\\\S]*$", "\"\\n\\u2028\"", 1},
        {"^.$", "\"\\n\"", 0},
        {"^.$", "\"\xf0\x9f\x98\x80\"", 1},
        {"^a{2,3}$", "\"aa\"", 1},
        {"^a{2,3}$", "\"aaaa\"", 0},
        {"^(ab|cd)+$", "\"abcdab\"", 1},
        {"^(ab|cd)+$", "\"abc\"", 0},
        {"^(?<year>\\\\d{4})-\\\\d\\\\d$", "\"2026-11\"", 1},
        {"^\\\\w+$", "\"caf\xc3\xa9\"", 0},
        {"^\\\\p{L}+$", "\"caf\xc3\xa9\"", 1},
        {"^\\\\P{Lu}+$", "\"abC\"", 0},
        {"^[^a-c]$", "\"\xe2\x82\xac\"", 1},
        {"^[\\\\u0400-\\\\u04ff]+$", "\"\\u0431\\u0432\"", 1},
        {"^[\\\\u{1f600}-\\\\u{1f64f}]$", "\"\\ud83d\\ude00\"", 1},
        {"^[\\\\u{1f600}-\\\\u{1f64f}]$", "\"\\ud83d\\ude80\"", 0},
        {"^\\\\s$", "\"\\ufeff\"", 1},
        {"x?$", "\"y\"", 1},
        {"^(a+)+$", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", 0},
        {"\\\\u0000", "\"a\\u0000\"", 1},
    };
    char text[256];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sprintf(text, "{\"pattern\":\"%s\"}", rows[i].pattern);
        use(text);
        ck_assert_msg(judge(rows[i].value) == (rows[i].ok ? WSRT_OK : WSRT_ERR_REJECTED), "%s %s",
                      text, rows[i].value);
    }
}
END_TEST

START_TEST(values_compare_as_values_rows_57_to_59)
{
    static const struct {
        const char *schema;
        const char *value;
        int ok;
    } rows[] = {
        {"{\"enum\":[{\"a\":1,\"b\":[2]}]}", "{\"b\":[2.0],\"\\u0061\":1}", 1},
        {"{\"enum\":[{\"a\":1,\"b\":[2]}]}", "{\"b\":[2],\"a\":1,\"c\":0}", 0},
        {"{\"enum\":[[1,2]]}", "[2,1]", 0},
        {"{\"enum\":[1,false]}", "\"1\"", 0},
        {"{\"enum\":[1]}", "true", 0},
        {"{\"enum\":[0]}", "false", 0},
        {"{\"enum\":[]}", "1", 0},
        {"{\"uniqueItems\":true}", "[1,1.0]", 0},
        {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", 0},
        {"{\"uniqueItems\":true}", "[1,\"1\",true,[1],{\"a\":1},null]", 1},
        {"{\"uniqueItems\":true}", "[\"a\",\"\\u0061\"]", 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        use(rows[i].schema);
        ck_assert_msg(judge(rows[i].value) == (rows[i].ok ? WSRT_OK : WSRT_ERR_REJECTED), "%s %s",
                      rows[i].schema, rows[i].value);
    }
    use("{\"uniqueItems\":true}");
    size_t len = 1;
    for (int i = 0; i < 20000; i++)
        len += (size_t)sprintf(big + len, "%s%d", i > 0 ? "," : "", i);
    big[0] = '[';
    strcpy(big + len, "]");
    ck_assert_int_eq(judge_bytes(big, len + 1, (wsrt_validate_options){0}), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(a_failed_union_tells_its_summary_and_the_branch_that_got_furthest_row_62)
{
    use("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
        "\"integer\"}}}]}");
    expect(
        "{\"a\":\"x\"}", WSRT_ERR_REJECTED,
        " invalid_union Matches none, or too many, of the alternatives; /a invalid_type Expected "
        "integer, got string");
    expect("7", WSRT_ERR_REJECTED,
           " invalid_union Matches none, or too many, of the alternatives;  invalid_type Expected "
           "string, got number");
    use("{\"oneOf\":[{\"minimum\":1},{\"maximum\":5}]}");
    expect("3", WSRT_ERR_REJECTED, " invalid_union Matches none, or too many, of the alternatives");
    ck_assert_int_eq(judge("9"), WSRT_OK);
}
END_TEST

START_TEST(conditions_report_the_rules_of_the_chosen_side_row_63)
{
    use("{\"if\":{\"minimum\":10},\"then\":{\"multipleOf\":5},\"else\":{\"maximum\":3}}");
    expect("12", WSRT_ERR_REJECTED, " not_multiple_of Not a multiple");
    expect("7", WSRT_ERR_REJECTED, " too_big Too big");
    ck_assert_int_eq(judge("15"), WSRT_OK);
    ck_assert_int_eq(judge_bytes("12", 2, (wsrt_validate_options){0}), WSRT_ERR_REJECTED);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_NOT_MULTIPLE_OF);
    ck_assert_uint_eq(answer.issue_total, 1);
    use("{\"if\":{\"const\":1}}");
    ck_assert_int_eq(judge("2"), WSRT_OK);
    use("{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}");
    expect("{\"a\":1}", WSRT_ERR_REJECTED, "/b required Required");
}
END_TEST

START_TEST(unions_with_their_own_type_and_required_are_tagged_too)
{
    use("{\"oneOf\":[{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":"
        "\"a\"},\"n\":{\"type\":\"integer\"}}},{\"type\":\"object\",\"required\":[\"k\"],"
        "\"properties\":{\"k\":{\"const\":\"b\"},\"n\":{\"type\":\"string\"}}}]}");
    ck_assert_int_eq(judge("{\"n\":1,\"k\":\"a\"}"), WSRT_OK);
    ck_assert_int_eq(judge("{\"n\":\"1\",\"k\":\"b\"}"), WSRT_OK);
    expect("{\"n\":1,\"k\":\"b\"}", WSRT_ERR_REJECTED,
           "/n invalid_type Expected string, got number");
    expect("{\"k\":\"c\"}", WSRT_ERR_REJECTED, "/k invalid_value Not one of the allowed values");
    expect("{}", WSRT_ERR_REJECTED, "/k required Required");
    expect("[]", WSRT_ERR_REJECTED,
           " invalid_union Matches none, or too many, of the alternatives");
}
END_TEST

START_TEST(recursion_is_bounded_and_sixty_branches_stay_linear_row_64)
{
    size_t len = (size_t)sprintf(big, "{\"$defs\":{\"n\":{\"anyOf\":[");

    for (int i = 0; i < 60; i++)
        len += (size_t)sprintf(big + len,
                               "%s{\"properties\":{\"v\":{\"const\":%d},\"n\":{\"$ref\":"
                               "\"#/$defs/n\"}}}",
                               i > 0 ? "," : "", i);
    strcpy(big + len, "]}},\"$ref\":\"#/$defs/n\"}");
    use(big);
    nest(50, "{\"v\":59,\"n\":", "}");
    memmove(big + strlen("{\"v\":59,\"n\":") * 50 + 1, big + strlen("{\"v\":59,\"n\":") * 50, 51);
    big[strlen("{\"v\":59,\"n\":") * 50] = '1';
    ck_assert_int_eq(judge(big), WSRT_OK);
}
END_TEST

/* ---- the answer ------------------------------------------------------------------------------ */

START_TEST(too_many_issues_are_counted_and_the_first_are_kept_row_73)
{
    use("{\"items\":{\"type\":\"string\"}}");
    ck_assert_int_eq(judge("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"),
                     WSRT_ERR_REJECTED);
    ck_assert_uint_eq(answer.issue_count, 16);
    ck_assert_uint_eq(answer.issue_total, 20);
    ck_assert_uint_eq(issues[15].offset, 37);
}
END_TEST

START_TEST(pointers_are_cut_at_a_token_row_74)
{
    const char *text = "{\"data\":{\"action\":1}}";
    char small[8];
    size_t len;

    use("{\"properties\":{\"data\":{\"properties\":{\"action\":{\"type\":\"string\"}}}}}");
    judge(text);
    ck_assert_int_eq(
        wsrt_issue_pointer(schema, text, strlen(text), &issues[0], 0, small, sizeof small, &len),
        WSRT_ERR_LIMIT);
    ck_assert_str_eq(small, "/data");
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(wsrt_issue_schema_pointer(schema, &issues[0], small, sizeof small, &len),
                     WSRT_ERR_LIMIT);
    ck_assert_str_eq(small, "");
}
END_TEST

START_TEST(unknown_names_are_hidden_unless_they_are_asked_for_row_75)
{
    const char *text = "{\"se\\u001b\\\"cret\":1}";

    use("{\"additionalProperties\":false}");
    expect(text, WSRT_ERR_REJECTED, "/* unrecognized_key Unknown member");
    ck_assert_str_eq(pointer_of(text, &issues[0], WSRT_VALIDATE_SHOW_NAMES),
                     "/se\\u001b\\u0022cret");
}
END_TEST

START_TEST(usage_errors_are_no_verdicts_row_76)
{
    unsigned char scratch[4096];
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};
    const char *good = "{\"type\":\"ping\",\"data\":{\"action\":\"a\"}}";
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = 64};

    use_builtin("message");
    ck_assert_int_eq(wsrt_validate(schema, good, strlen(good), NULL, &v), WSRT_OK);
    ck_assert_int_eq(wsrt_validate(schema, "[]", 2, NULL, &v), WSRT_ERR_REJECTED);
    ck_assert_uint_eq(v.issue_total, 1);
    ck_assert_uint_eq(v.issue_count, 0);
    v.scratch_cap = wsrt_schema_scratch(schema, NULL) - 1;
    ck_assert_int_eq(wsrt_validate(schema, good, strlen(good), NULL, &v), WSRT_ERR_INVALID);
    v.scratch_cap = sizeof scratch;
    ck_assert_int_eq(wsrt_validate(schema, good, strlen(good), &o, &v), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_validate(NULL, good, strlen(good), NULL, &v), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_validate(schema, NULL, 1, NULL, &v), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_validate(schema, good, strlen(good), NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(size_is_judged_before_parsing_row_69)
{
    wsrt_validate_options o = {.max_bytes = 4};

    use("true");
    ck_assert_int_eq(judge_bytes("1234", 4, o), WSRT_OK);
    ck_assert_int_eq(judge_bytes("xxxxx", 5, o), WSRT_ERR_LIMIT);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_JSON_SIZE);
    o.struct_size = sizeof o;
    answer.scratch = big;
    answer.scratch_cap = sizeof big;
    ck_assert_int_eq(wsrt_validate(schema, big, SIZE_MAX, &o, &answer), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(work_is_limited_by_bytes_and_by_going_back_to_a_tag)
{
    const char *late = "{\"data\":{\"action\":\"a\"},\"type\":\"ping\"}";
    wsrt_validate_options o = {.work_limit = strlen(late) + 2};

    use_builtin("message");
    ck_assert_int_eq(judge_bytes(late, strlen(late), o), WSRT_ERR_LIMIT);
    ck_assert_int_eq(issues[0].code, WSRT_ISSUE_LIMIT);
    o.work_limit = 2 * strlen(late);
    ck_assert_int_eq(judge_bytes(late, strlen(late), o), WSRT_OK);
    o.work_limit = strlen(late) - 1;
    ck_assert_int_eq(judge_bytes(late, strlen(late), o), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(issues_are_written_as_the_array_of_the_envelope)
{
    const char *text = "{\"type\":\"message\",\"data\":{\"action\":\"a\",\"message\":\"\"}}";
    wsrt_json_writer w;
    char out[512];
    size_t len;

    use_builtin("message");
    judge(text);
    wsrt_json_writer_init(&w, out, sizeof out, 0);
    wsrt_issues_write(&w, schema, text, strlen(text), &answer);
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    ck_assert_str_eq(out, "[{\"path\":\"/data/message\",\"code\":\"too_small\",\"message\":"
                          "\"Message cannot be empty\",\"limits\":{\"min\":1}}]");
}
END_TEST

START_TEST(padded_and_exact_input_give_the_same_answer_row_70)
{
    const char *text = "{\"type\":\"message\",\"data\":{\"action\":\"a\",\"message\":\"h\\u00e9llo "
                       "w\xc3\xb6rld, a bit longer than a block\",\"sessionId\":\"s-1\"}}";
    size_t len = strlen(text);

    use_builtin("message");
    for (size_t cut = 0; cut <= len; cut++) {
        wsrt_validate_options o = {.struct_size = sizeof o};
        int exact = judge_bytes(text, cut, o);
        wsrt_issue first = issues[0];
        memset(big, '"', sizeof big);
        memcpy(big, text, cut);
        o.flags = WSRT_VALIDATE_INPUT_PADDED;
        answer.scratch = big + 1000;
        answer.scratch_cap = 4096;
        ck_assert_int_eq(wsrt_validate(schema, big, cut, &o, &answer), exact);
        ck_assert_int_eq(exact, cut == len ? WSRT_OK : WSRT_ERR_MALFORMED);
        if (exact != WSRT_OK)
            ck_assert_uint_eq(first.offset, issues[0].offset);
    }
}
END_TEST

/* The reader of json.h was written apart from this scanner: they must agree on what JSON is. */
START_TEST(every_truncation_and_single_byte_change_is_json_as_the_reader_says_row_72)
{
    static const char *const texts[] = {
        "{\"type\":\"message\",\"data\":{\"action\":\"a_1\",\"message\":\"h\\u00e9 "
        "\xc3\xa9\xe2\x82\xac"
        "\xf0\x9f\x98\x80\xed\x9f\xbf\xe0\xa0\x80 plain \xd0\xb1\xd0\xb2\xf4\x8f\xbf\xbf and more, "
        "to fill blocks\"},\"n\":[-1.5e+3,true,null,{}]}",
        "{\"data\":{\"action\":\"x\",\"token\":\"abc.def-_\"},\"type\":\"auth\",\"correlationId\":"
        "\"c\"}",
    };
    static const unsigned char values[] = {0,    9,    '"',  '\\', '{',  '}',  ',',
                                           ':',  '0',  'e',  ' ',  'u',  0x7f, 0x80,
                                           0xbf, 0xc2, 0xe0, 0xed, 0xf4, 0xff};
    size_t both = 0;

    use_builtin("message");
    for (size_t t = 0; t < 2; t++) {
        size_t len = strlen(texts[t]);
        for (size_t at = 0; at < len; at++)
            for (size_t i = 0; i <= sizeof values; i++) {
                size_t size = i < sizeof values ? len : at;
                memcpy(big, texts[t], len);
                if (i < sizeof values)
                    big[at] = (char)values[i];
                int json = wsrt_json_parse(NULL, (wsrt_span){big, size}, NULL) == WSRT_OK;
                int first = judge_bytes(big, size, (wsrt_validate_options){0});
                int all = judge_bytes(big, size,
                                      (wsrt_validate_options){.flags = WSRT_VALIDATE_COLLECT_ALL});
                ck_assert_int_eq(first, all);
                ck_assert_msg((first != WSRT_ERR_MALFORMED) == json, "%zu at %zu: %.*s", i, at,
                              (int)size, big);
                both += (size_t)json;
            }
    }
    printf("# changes that are still JSON: %zu\n", both);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema");
    TCase *shipped = tcase_create("shipped"), *edges = tcase_create("edges");
    TCase *answers = tcase_create("answers");

    tcase_add_checked_fixture(shipped, NULL, clean_up);
    tcase_add_checked_fixture(edges, NULL, clean_up);
    tcase_add_checked_fixture(answers, NULL, clean_up);
    tcase_set_timeout(edges, 60);
    tcase_add_test(shipped, every_message_rule_has_its_code_its_place_and_its_text);
    tcase_add_test(shipped, lengths_are_exact_and_count_code_points_row_44_45);
    tcase_add_test(shipped, the_tag_may_come_after_the_data_row_61);
    tcase_add_test(shipped, slots_hold_the_fields_of_a_valid_message_and_nothing_of_others);
    tcase_add_test(shipped, a_correlation_id_never_makes_a_message_invalid);
    tcase_add_test(shipped, every_shipped_schema_compiles_and_its_text_is_retrievable);
    tcase_add_test(shipped, single_messages_basic_action_and_dashboard_have_their_own_rules);
    tcase_add_test(shipped, listed_actions_are_the_only_ones_of_their_type);
    tcase_add_test(edges, what_is_not_json_is_malformed_rows_1_to_16_30_to_34);
    tcase_add_test(edges, a_syntax_error_replaces_schema_issues_in_both_modes);
    tcase_add_test(edges, bad_utf8_is_found_at_every_offset_row_13);
    tcase_add_test(edges, lone_surrogates_count_one_code_point_each_when_allowed_row_14_15);
    tcase_add_test(edges, names_are_compared_decoded_and_whole_rows_17_to_24);
    tcase_add_test(edges, duplicates_of_known_names_are_refused_rows_25_26);
    tcase_add_test(edges, depth_is_limited_also_in_what_is_skipped_rows_28_29);
    tcase_add_test(edges, numbers_are_exact_decimals_rows_35_to_43);
    tcase_add_test(edges, classes_are_exact_for_every_ascii_character_rows_48_to_50);
    tcase_add_test(edges, patterns_follow_ecmascript_rows_51_to_53);
    tcase_add_test(edges, values_compare_as_values_rows_57_to_59);
    tcase_add_test(edges, a_failed_union_tells_its_summary_and_the_branch_that_got_furthest_row_62);
    tcase_add_test(edges, conditions_report_the_rules_of_the_chosen_side_row_63);
    tcase_add_test(edges, unions_with_their_own_type_and_required_are_tagged_too);
    tcase_add_test(edges, recursion_is_bounded_and_sixty_branches_stay_linear_row_64);
    tcase_add_test(answers, too_many_issues_are_counted_and_the_first_are_kept_row_73);
    tcase_add_test(answers, pointers_are_cut_at_a_token_row_74);
    tcase_add_test(answers, unknown_names_are_hidden_unless_they_are_asked_for_row_75);
    tcase_add_test(answers, usage_errors_are_no_verdicts_row_76);
    tcase_add_test(answers, size_is_judged_before_parsing_row_69);
    tcase_add_test(answers, work_is_limited_by_bytes_and_by_going_back_to_a_tag);
    tcase_add_test(answers, issues_are_written_as_the_array_of_the_envelope);
    tcase_add_test(answers, padded_and_exact_input_give_the_same_answer_row_70);
    tcase_add_test(edges,
                   every_truncation_and_single_byte_change_is_json_as_the_reader_says_row_72);
    suite_add_tcase(s, shipped);
    suite_add_tcase(s, edges);
    suite_add_tcase(s, answers);
    return s;
}
