/* What a validator must say of bad input, row by row; rows that fill a test program of their own are
 * in the other test_schema files. */
#include "comma_locale.h"
#include "guarded.h"
#include "kernels.h"
#include "reference.h"
#include "suite.h"

#include <wsrt/json.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsrt_schema *schema;
static struct kernels_answer answer;

static void use(const char *text)
{
    wsrt_schema_free(schema);
    ck_assert_msg(wsrt_schema_new(&schema, text, strlen(text), NULL, NULL) == WSRT_OK, "%s", text);
}

static void use_messages(void)
{
    wsrt_schema_free(schema);
    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", NULL), WSRT_OK);
}

static void clean_up(void)
{
    wsrt_schema_free(schema);
    schema = NULL;
}

/* By every kernel. */
static int judge_bytes(const void *bytes, size_t len)
{
    return kernels_judge(schema, bytes, len, WSRT_VALIDATE_COLLECT_ALL, &answer);
}

static int judge(const char *text)
{
    return judge_bytes(text, strlen(text));
}

static void expect_fault(const void *bytes, size_t len, int code, size_t offset)
{
    ck_assert_int_eq(judge_bytes(bytes, len), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(answer.issues[0].code, code);
    ck_assert_uint_eq(answer.issues[0].offset, offset);
    ck_assert_uint_eq(answer.issue_total, 1);
}

static void expect_code(const char *text, int code)
{
    int status = judge(text);

    ck_assert_msg(status == (code == 0 ? WSRT_OK : WSRT_ERR_REJECTED), "%s", text);
    ck_assert_msg(code == 0 || answer.issues[0].code == code, "%s", text);
}

/* ---- text ---------------------------------------------------------------------------------- */

START_TEST(row_1_nothing_is_no_value_at_its_end)
{
    use_messages();
    expect_fault("", 0, WSRT_ISSUE_JSON_SYNTAX, 0);
    expect_fault(" \t\r\n", 4, WSRT_ISSUE_JSON_SYNTAX, 4);
}
END_TEST

START_TEST(row_2_a_byte_order_mark_has_its_own_text)
{
    use_messages();
    expect_fault("\xef\xbb\xbf{}", 5, WSRT_ISSUE_JSON_SYNTAX, 0);
    ck_assert_str_eq(answer.issues[0].text_cstr, "A byte order mark is not JSON");
}
END_TEST

START_TEST(row_3_utf_16_fails_at_its_first_odd_byte)
{
    use_messages();
    expect_fault("\xff\xfe{\0}\0", 6, WSRT_ISSUE_JSON_UTF8, 0);
    expect_fault("\xfe\xff\0{\0}", 6, WSRT_ISSUE_JSON_UTF8, 0);
    expect_fault("{\0}\0", 4, WSRT_ISSUE_JSON_SYNTAX, 1);
    expect_fault("\0{\0}", 4, WSRT_ISSUE_JSON_SYNTAX, 0);
}
END_TEST

START_TEST(row_7_a_nul_escape_is_one_character_that_classes_see)
{
    use("{\"minLength\":1,\"maxLength\":1}");
    expect_code("\"\\u0000\"", 0);
    use("{\"pattern\":\"^[a-z]+$\"}");
    expect_code("\"a\\u0000\"", WSRT_ISSUE_INVALID_FORMAT);
    use("{\"pattern\":\"^[\\\\0a]+$\"}");
    expect_code("\"a\\u0000\"", 0);
}
END_TEST

START_TEST(row_8_a_name_with_a_nul_is_not_the_shorter_name)
{
    use("{\"properties\":{\"a\":false,\"b\\u0000\":{\"type\":\"null\"}}}");
    expect_code("{\"a\\u0000\":1}", 0);
    expect_code("{\"b\":1}", 0);
    expect_code("{\"b\\u0000\":1}", WSRT_ISSUE_INVALID_TYPE);
}
END_TEST

/* ---- work ---------------------------------------------------------------------------------- */

/* An object of unknown names that differ behind their eighth byte only, and so share all that a
 * look-up by the first bytes sees. */
static char *colliding(size_t count, size_t *len)
{
    char *text = malloc(40 * count + 100);

    *len = (size_t)sprintf(text, "{\"type\":\"ping\",\"data\":{\"action\":\"a\"}");
    for (size_t i = 0; i < count; i++)
        *len += (size_t)sprintf(text + *len, ",\"correlatio%06zu\":1", i);
    text[(*len)++] = '}';
    return text;
}

/* Work is counted, so it can be compared where time cannot. */
static uint64_t least_work(const char *text, size_t len, uint32_t flags)
{
    uint64_t low = 0, high = 1000 * (uint64_t)len;
    unsigned char *scratch = malloc(1 << 20);
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags, .max_bytes = len};
    wsrt_validation v = {.struct_size = sizeof v, .scratch = scratch, .scratch_cap = 1 << 20};

    while (high - low > 1) {
        o.work_limit = (low + high) / 2;
        if (wsrt_validate(schema, text, len, &o, &v) == WSRT_ERR_LIMIT)
            low = o.work_limit;
        else
            high = o.work_limit;
    }
    free(scratch);
    return high;
}

START_TEST(row_27_colliding_unknown_names_cost_what_their_bytes_cost)
{
    wsrt_validate_options o = {.struct_size = sizeof o, .max_bytes = 1 << 24};
    unsigned char scratch[4096];
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};
    size_t len, half_len;
    char *text = colliding(100000, &len), *half = colliding(50000, &half_len);

    use_messages();
    ck_assert_int_eq(wsrt_validate(schema, text, len, &o, &v), WSRT_OK);
    ck_assert_uint_le(least_work(text, len, 0), 22 * least_work(half, half_len, 0) / 10);
    free(text);
    free(half);
}
END_TEST

START_TEST(row_27_names_that_must_differ_cost_what_their_bytes_cost_or_are_a_limit)
{
    wsrt_validate_options o = {.struct_size = sizeof o, .max_bytes = 1 << 24};
    size_t len, half_len;
    char *text = colliding(300, &len), *half = colliding(150, &half_len);

    o.flags = WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES;
    use_messages();
    uint64_t small = least_work(half, half_len, o.flags), large = least_work(text, len, o.flags);
    ck_assert_uint_le(large, 3 * small);
    free(text);
    text = colliding(100000, &len);
    wsrt_validation v = {.struct_size = sizeof v, .scratch_cap = wsrt_schema_scratch(schema, &o)};
    v.scratch = malloc(v.scratch_cap);
    ck_assert_int_eq(wsrt_validate(schema, text, len, &o, &v), WSRT_ERR_LIMIT);
    free(v.scratch);
    free(text);
    free(half);
}
END_TEST

/* ---- numbers ------------------------------------------------------------------------------- */

static wsrt_json number_slot(const char *text)
{
    static char kept[2000];
    static unsigned char scratch[4096];
    static wsrt_slot slot;
    wsrt_validation v = {
        .struct_size = sizeof v, .slots = &slot, .slot_cap = 1, .scratch = scratch};
    wsrt_json out;

    v.scratch_cap = sizeof scratch;
    strcpy(kept, text);
    use("{\"type\":\"number\",\"x-wsrt-extract\":\"n\"}");
    ck_assert_int_eq(wsrt_validate(schema, kept, strlen(kept), NULL, &v), WSRT_OK);
    wsrt_slot_json(&slot, &out);
    return out;
}

START_TEST(row_37_a_number_beyond_doubles_is_valid_and_its_slot_says_overflow)
{
    wsrt_json n = number_slot("1e400");
    double d;

    ck_assert_int_eq(wsrt_json_double(&n, &d), WSRT_ERR_LIMIT);
    use("{\"maximum\":1.7976931348623157e308}");
    expect_code("1e400", WSRT_ISSUE_TOO_BIG);
}
END_TEST

START_TEST(row_38_a_number_below_doubles_is_positive_and_its_slot_is_zero)
{
    wsrt_json n = number_slot("1e-400");
    double d = 1;

    ck_assert_int_eq(wsrt_json_double(&n, &d), WSRT_OK);
    ck_assert_double_eq(d, 0);
    ck_assert_int_eq(wsrt_json_is_double(&n), 0);
    use("{\"exclusiveMinimum\":0}");
    expect_code("1e-400", 0);
}
END_TEST

START_TEST(row_40_long_numbers_are_valid_until_a_limit_and_do_not_fit_integers)
{
    static char digits[100001];
    wsrt_json n = number_slot("18446744073709551616");
    uint64_t u;
    int64_t i;

    ck_assert_int_eq(wsrt_json_uint64(&n, &u), WSRT_ERR_LIMIT);
    n = number_slot("9223372036854775808");
    ck_assert_int_eq(wsrt_json_int64(&n, &i), WSRT_ERR_LIMIT);
    memset(digits, '7', 1000);
    n = number_slot(digits);
    ck_assert_int_eq(wsrt_json_int64(&n, &i), WSRT_ERR_LIMIT);
    memset(digits, '7', 100000);
    ck_assert_int_eq(judge(digits), WSRT_ERR_LIMIT);
    ck_assert_int_eq(answer.issues[0].code, WSRT_ISSUE_LIMIT);
}
END_TEST

/* ---- strings ------------------------------------------------------------------------------- */

static const char *repeated(const char *unit, size_t count)
{
    static char out[130000];
    char *end = out;

    *end++ = '"';
    for (size_t i = 0; i < count; i++)
        end = strcpy(end, unit) + strlen(unit);
    strcpy(end, "\"");
    return out;
}

START_TEST(row_45_ten_thousand_emoji_are_as_many_characters_and_more_units_and_bytes)
{
    static const char *const emoji[] = {"\xf0\x9f\x98\x80", "\\ud83d\\ude00"};

    for (size_t i = 0; i < 2; i++) {
        use("{\"maxLength\":10000,\"minLength\":10000}");
        expect_code(repeated(emoji[i], 10000), 0);
        use("{\"x-wsrt-maxUtf16Length\":10000}");
        expect_code(repeated(emoji[i], 10000), WSRT_ISSUE_TOO_BIG);
        use("{\"x-wsrt-maxUtf16Length\":20000}");
        expect_code(repeated(emoji[i], 10000), 0);
        use("{\"x-wsrt-maxBytes\":39999}");
        expect_code(repeated(emoji[i], 10000), WSRT_ISSUE_TOO_BIG);
        use("{\"x-wsrt-maxBytes\":40000}");
        expect_code(repeated(emoji[i], 10000), 0);
    }
}
END_TEST

START_TEST(row_46_combining_marks_and_joiners_count_one_by_one)
{
    use("{\"minLength\":2,\"maxLength\":2}");
    expect_code("\"e\xcc\x81\"", 0);
    use("{\"minLength\":5,\"maxLength\":5}"); /* a family: three people, two joiners */
    expect_code("\"\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\"", 0);
}
END_TEST

START_TEST(row_47_an_empty_string_is_too_small_with_the_schemas_own_text)
{
    use_messages();
    expect_code("{\"type\":\"message\",\"data\":{\"action\":\"a\",\"message\":\"\"}}",
                WSRT_ISSUE_TOO_SMALL);
    ck_assert_str_eq(answer.issues[0].text_cstr, "Message cannot be empty");
}
END_TEST

START_TEST(row_56_shorthands_hold_exactly_the_characters_of_ecmascript)
{
    static const struct {
        const char *name;
        const char *ascii;
    } rows[] = {{"d", "0123456789"},
                {"w", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"},
                {"s", "\t\n\v\f\r "}};
    static const unsigned spaces[] = {0xa0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004,
                                      0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028,
                                      0x2029, 0x202f, 0x205f, 0x3000, 0xfeff, 0};
    char text[64];

    for (size_t i = 0; i < 3; i++)
        for (int inverted = 0; inverted < 2; inverted++) {
            sprintf(text, "{\"pattern\":\"^\\\\%c$\"}", rows[i].name[0] - (inverted ? 32 : 0));
            use(text);
            for (unsigned c = 0; c < 0x10000; c++) {
                int inside = c > 0 && c < 128 && strchr(rows[i].ascii, (int)c) != NULL;
                if (c >= 0xd800 && c < 0xe000)
                    continue;
                for (size_t k = 0; i == 2 && spaces[k] != 0; k++)
                    inside |= spaces[k] == c;
                sprintf(text, "\"\\u%04x\"", c);
                expect_code(text, inside != inverted ? 0 : WSRT_ISSUE_INVALID_FORMAT);
            }
        }
}
END_TEST

/* ---- the union ----------------------------------------------------------------------------- */

START_TEST(row_60_a_type_that_is_missing_or_no_string_is_told_at_type)
{
    static const char *const values[] = {"null", "5", "[\"ping\"]", "{\"type\":\"ping\"}"};
    char text[200], pointer[32];

    use_messages();
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        sprintf(text, "{\"type\":%s,\"data\":{\"action\":\"a\"}}", values[i]);
        expect_code(text, WSRT_ISSUE_INVALID_TYPE);
        wsrt_issue_pointer(schema, text, strlen(text), &answer.issues[0], 0, pointer,
                           sizeof pointer, NULL);
        ck_assert_str_eq(pointer, "/type");
        ck_assert_uint_eq(answer.issues[0].offset, 8);
    }
    expect_code("{\"data\":{\"action\":\"a\"}}", WSRT_ISSUE_REQUIRED);
    wsrt_issue_pointer(schema, "{\"data\":{\"action\":\"a\"}}", 23, &answer.issues[0], 0, pointer,
                       sizeof pointer, NULL);
    ck_assert_str_eq(pointer, "/type");
    ck_assert_uint_eq(answer.issue_total, 1);
}
END_TEST

START_TEST(row_61_where_the_tag_stands_makes_no_difference_but_to_offsets)
{
    static const char *const datas[] = {
        "{\"action\":\"a\"}", "{\"action\":\"a\",\"token\":\"t\"}", "{}", "7",
        "{\"action\":\"a b\",\"message\":\"\",\"token\":\"!\",\"sessionId\":[]}"};
    static const char *const tags[] = {"\"auth\"", "\"message\"", "\"ping\"", "\"no\"", "1"};
    char text[300], first_pointer[64], pointer[64];

    use_messages();
    for (size_t i = 0; i < 25; i++) {
        struct kernels_answer first;
        char early[300];
        sprintf(early, "{\"type\":%s,\"data\":%s}", tags[i / 5], datas[i % 5]);
        judge(early);
        first = answer;
        sprintf(text, "{\"data\":%s,\"type\":%s}", datas[i % 5], tags[i / 5]);
        judge(text);
        ck_assert_int_eq(answer.status, first.status);
        ck_assert_uint_eq(answer.issue_total, first.issue_total);
        size_t count = answer.issue_count, turn = i / 5 < 3 ? 0 : count - (i / 5 == 3 ? 1 : 2);
        for (size_t k = 0; k < count; k++) { /* a bad tag's issues come first, or last */
            const wsrt_issue *a = &answer.issues[k], *b = &first.issues[(k + count - turn) % count];
            wsrt_issue_pointer(schema, text, strlen(text), a, 0, pointer, sizeof pointer, NULL);
            wsrt_issue_pointer(schema, early, strlen(early), b, 0, first_pointer,
                               sizeof first_pointer, NULL);
            ck_assert_int_eq(a->code, b->code);
            ck_assert_str_eq(pointer, first_pointer);
        }
    }
}
END_TEST

/* ---- memory and threads --------------------------------------------------------------------- */

static const char *const messages[] = {
    "{\"type\":\"ping\",\"data\":{\"action\":\"heartbeat_0123456\"}}",
    "{\"type\":\"auth\",\"data\":{\"action\":\"login\",\"sessionId\":\"a-b_c\",\"token\":"
    "\"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2ln-_\"}}",
    "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"Gr\xc3\xbc\xc3\x9f"
    "e \xe6\x9d\xb1 \xf0\x9f\x98\x80 \\u00e9\\n\\ud83d\\ude00\",\"sessionId\":\"s\"}}",
    "{ \"data\" : { \"action\" : \"late\" , \"x\" : [ 1, -2.5e3, true, null, {\"a\":\"b\"} ] } ,"
    " \"type\" : \"auth\" , \"correlationId\" : 7 }\n",
    "{\"type\":7,\"data\":{\"action\":\"\",\"token\":\"\",\"sessionId\":\"bad id\",\"action\":1}}",
};
enum { MESSAGES = sizeof messages / sizeof messages[0] };

struct worker {
    pthread_t thread;
    const char *base; /* all messages, each behind the other, read-only, at an odd place */
    size_t wrong;
};

static int expected(size_t i)
{
    return i < 3 ? WSRT_OK : WSRT_ERR_REJECTED;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    unsigned char scratch[4097];
    wsrt_issue issues[8];
    wsrt_validation v = {.struct_size = sizeof v, .issues = issues, .issue_cap = 8};

    v.scratch = scratch + 1;
    v.scratch_cap = sizeof scratch - 1;
    for (size_t n = 0; n < 2000; n++) {
        const char *at = w->base;
        for (size_t i = 0; i < MESSAGES; at += strlen(messages[i]), i++)
            w->wrong += wsrt_validate(schema, at, strlen(messages[i]), NULL, &v) != expected(i);
    }
    return NULL;
}

START_TEST(row_71_unaligned_read_only_input_and_one_schema_in_many_threads)
{
    struct worker workers[4];
    char all[2000];
    size_t len = 1;

    use_messages();
    for (size_t i = 0; i < MESSAGES; len += strlen(messages[i]), i++)
        strcpy(all + len, messages[i]);
    char *copy = guarded_copy(all, len);
    guarded_protect(copy, len);
    for (size_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){.base = copy + 1};
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
        ck_assert_uint_eq(workers[i].wrong, 0);
    }
    guarded_free(copy, len);
}
END_TEST

START_TEST(row_72_every_truncation_and_single_byte_change_equals_a_slow_reference)
{
    unsigned char scratch[4096];
    size_t count = 0, rejected = 0;
    char text[1000];

    use_messages();
    for (size_t m = 0; m < MESSAGES; m++) {
        size_t len = strlen(messages[m]);
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c <= 256; c++, count++) {
                memcpy(text, messages[m], len);
                text[at] = (char)c;
                const char *what = reference_differs(schema, c == 256 ? messages[m] : text,
                                                     c == 256 ? at : len, scratch, sizeof scratch);
                ck_assert_msg(what == NULL, "%s: message %zu, byte %u at %zu", what, m, c, at);
                rejected += c < 256 && judge_bytes(text, len) == WSRT_ERR_REJECTED;
            }
    }
    printf("# changes and truncations: %zu, JSON that is rejected: %zu\n", count, rejected);
    ck_assert_uint_gt(count, 100000);
    ck_assert_uint_gt(rejected, count / 10);
}
END_TEST

/* Parts of messages put together at random: many members, duplicates, wrong kinds. */
START_TEST(row_72_random_compositions_equal_a_slow_reference)
{
    static const char *const names[] = {
        "type", "data",       "action", "message", "sessionId",    "token",
        "x",    "\\u0074ype", "typ",    "",        "correlationId"};
    static const char *const values[] = {"\"auth\"",
                                         "\"message\"",
                                         "\"ping\"",
                                         "\"a b\"",
                                         "\"\"",
                                         "\"ok_1\"",
                                         "null",
                                         "-1.5e3",
                                         "[{}]",
                                         "\"\\u0061uth\"",
                                         "\"\xc3\xa9\"",
                                         "true",
                                         "{\"action\":\"a\"}"};
    unsigned char scratch[4096];
    uint64_t x = 88172645463325252u;
    size_t rejected = 0;

    use_messages();
    for (size_t n = 0; n < 50000; n++) {
        char text[1000];
        size_t len = (size_t)sprintf(text, "{");
        int depth = 1;
        for (int i = 0; i < 8; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            const char *name = names[(x >> 8) % 11], *comma = text[len - 1] == '{' ? "" : ",";
            if ((x >> 60) < 4 && depth == 1) {
                len += (size_t)sprintf(text + len, "%s\"data\":{", comma);
                depth++;
            } else if ((x >> 60) == 5 && depth == 2) {
                len += (size_t)sprintf(text + len, "}");
                depth--;
            } else {
                len +=
                    (size_t)sprintf(text + len, "%s\"%s\":%s", comma, name, values[(x >> 30) % 13]);
            }
        }
        len += (size_t)sprintf(text + len, "%s", depth == 2 ? "}}" : "}");
        const char *what = reference_differs(schema, text, len, scratch, sizeof scratch);
        ck_assert_msg(what == NULL, "%s: %s", what, text);
        rejected += judge_bytes(text, len) == WSRT_ERR_REJECTED;
    }
    ck_assert_uint_gt(rejected, 10000);
}
END_TEST

/* ---- the surroundings ------------------------------------------------------------------------ */

START_TEST(row_79_a_locale_with_a_decimal_comma_changes_nothing)
{
    char saved[64];
    double d;

    use_comma_locale();
    use("{\"multipleOf\":0.5,\"maximum\":2.5,\"minimum\":0.5}");
    expect_code("1.5", 0);
    expect_code("2.75", WSRT_ISSUE_TOO_BIG);
    ck_assert_int_eq(judge("1,5"), WSRT_ERR_MALFORMED);
    wsrt_json n = number_slot("2.5");
    ck_assert_int_eq(wsrt_json_double(&n, &d), WSRT_OK);
    ck_assert_double_eq(d, 2.5);
    wsrt_json_writer w;
    wsrt_json_writer_init(&w, saved, sizeof saved, 0);
    wsrt_json_write_double(&w, 2.5);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    ck_assert_str_eq(saved, "2.5");
    setlocale(LC_ALL, "C");
}
END_TEST

/* A sink is called from the inside of the library. */
static int judging_sink(void *user, const void *data, size_t len)
{
    unsigned char scratch[4096];
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};
    int *calls = user;

    ck_assert(len > 0 && data != NULL);
    ++*calls;
    return wsrt_validate(schema, messages[0], strlen(messages[0]), NULL, &v);
}

START_TEST(row_80_validation_inside_a_callback_works)
{
    char buffer[64];
    wsrt_json_writer w;
    wsrt_issue issues[8];
    unsigned char scratch[4096];
    wsrt_validation v = {.struct_size = sizeof v, .issues = issues, .issue_cap = 8};
    int calls = 0;

    use_messages();
    v.scratch = scratch;
    v.scratch_cap = sizeof scratch;
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = WSRT_VALIDATE_COLLECT_ALL};
    ck_assert_int_eq(wsrt_validate(schema, messages[4], strlen(messages[4]), &o, &v),
                     WSRT_ERR_REJECTED);
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, judging_sink, &calls);
    wsrt_issues_write(&w, schema, messages[4], strlen(messages[4]), &v);
    ck_assert_int_eq(wsrt_json_finish(&w, NULL), WSRT_OK);
    ck_assert_int_gt(calls, 3);
}
END_TEST

static void add_text(TCase *t)
{
    tcase_add_test(t, row_1_nothing_is_no_value_at_its_end);
    tcase_add_test(t, row_2_a_byte_order_mark_has_its_own_text);
    tcase_add_test(t, row_3_utf_16_fails_at_its_first_odd_byte);
    tcase_add_test(t, row_7_a_nul_escape_is_one_character_that_classes_see);
    tcase_add_test(t, row_8_a_name_with_a_nul_is_not_the_shorter_name);
    tcase_add_test(t, row_45_ten_thousand_emoji_are_as_many_characters_and_more_units_and_bytes);
    tcase_add_test(t, row_46_combining_marks_and_joiners_count_one_by_one);
    tcase_add_test(t, row_47_an_empty_string_is_too_small_with_the_schemas_own_text);
    tcase_add_test(t, row_56_shorthands_hold_exactly_the_characters_of_ecmascript);
}

Suite *suite(void)
{
    Suite *s = suite_create("schema_table");
    TCase *t = tcase_create("rows");

    tcase_set_timeout(t, 100);
    tcase_add_checked_fixture(t, NULL, clean_up);
    add_text(t);
    tcase_add_test(t, row_27_colliding_unknown_names_cost_what_their_bytes_cost);
    tcase_add_test(t, row_27_names_that_must_differ_cost_what_their_bytes_cost_or_are_a_limit);
    tcase_add_test(t, row_37_a_number_beyond_doubles_is_valid_and_its_slot_says_overflow);
    tcase_add_test(t, row_38_a_number_below_doubles_is_positive_and_its_slot_is_zero);
    tcase_add_test(t, row_40_long_numbers_are_valid_until_a_limit_and_do_not_fit_integers);
    tcase_add_test(t, row_60_a_type_that_is_missing_or_no_string_is_told_at_type);
    tcase_add_test(t, row_61_where_the_tag_stands_makes_no_difference_but_to_offsets);
    tcase_add_test(t, row_71_unaligned_read_only_input_and_one_schema_in_many_threads);
    tcase_add_test(t, row_72_every_truncation_and_single_byte_change_equals_a_slow_reference);
    tcase_add_test(t, row_72_random_compositions_equal_a_slow_reference);
    tcase_add_test(t, row_79_a_locale_with_a_decimal_comma_changes_nothing);
    tcase_add_test(t, row_80_validation_inside_a_callback_works);
    suite_add_tcase(s, t);
    return s;
}
