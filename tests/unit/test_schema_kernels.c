/* The kernels: scalar, SSE2 and AVX2 give the same answers, and the right ones. */
#include "guarded.h"
#include "kernels.h"
#include "suite.h"

#include "schema/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsrt_schema *schema;
static char text[4096];

static void use(const char *json)
{
    wsrt_schema_free(schema);
    ck_assert_msg(wsrt_schema_new(&schema, json, strlen(json), NULL, NULL) == WSRT_OK, "%s", json);
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

/* Judges text[0..len) in both modes; the answer of the first. */
static struct kernels_answer judge(size_t len)
{
    struct kernels_answer out;

    kernels_judge(schema, text, len, WSRT_VALIDATE_COLLECT_ALL, NULL);
    kernels_judge(schema, text, len, 0, &out);
    return out;
}

static uint64_t random_state = 0x2545f4914f6cdd1d;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % n;
}

/* ---- which kernel --------------------------------------------------------------------------- */

START_TEST(a_schema_keeps_the_best_kernel_of_the_processor_and_tests_may_force_another)
{
    use_messages();
    ck_assert_ptr_eq(schema->kernel, wsrt_kernel_choose());
    ck_assert_str_eq(schema->kernel->name, kernels_name(kernels_count() - 1));
    for (size_t i = 0; i < kernels_count(); i++) {
        ck_assert(wsrt_kernel_force(schema, kernels_name(i)));
        ck_assert_str_eq(schema->kernel->name, kernels_name(i));
    }
    ck_assert(!wsrt_kernel_force(schema, "none"));
    printf("# kernels here: %zu\n", kernels_count());
}
END_TEST

/* ---- the shipped messages and what chance makes of them -------------------------------------- */

static const char *const messages[] = {
    "{\"type\":\"ping\",\"data\":{\"action\":\"heartbeat_0123456\"}}",
    "{\"type\":\"auth\",\"data\":{\"action\":\"login\",\"sessionId\":\"a-b_c0123456789\",\"token\":"
    "\"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIiwiZXhwIjoxNzAwMDAwMDAwfQ.c2lnbmF0dXJl-_\"}}",
    "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"Gr\xc3\xbc\xc3\x9f"
    "e, "
    "\xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x98\x80 and \\u00e9\\n\\\"x\\\"\",\"sessionId\":\"s\"}}",
    "{ \"data\" : { \"action\" : \"late\" , \"unknown\" : [ 1, -2.5e3, true, null, {\"a\":\"b\"} ] "
    "} ,"
    " \"type\" : \"ping\" , \"correlationId\" : 7 }\n",
    "{\"type\":\"message\",\"data\":{\"action\":\"\",\"message\":\"\",\"sessionId\":\"bad id\"},"
    "\"correlationId\":\"c-1\",\"extra\":{\"deep\":[[\"\\ud83d\\ude00\"]]}}",
};
enum { MESSAGES = sizeof messages / sizeof messages[0] };

START_TEST(every_single_byte_change_of_the_messages_has_one_answer_rows_72_78)
{
    size_t count = 0;

    use_messages();
    for (size_t m = 0; m < MESSAGES; m++) {
        size_t len = strlen(messages[m]);
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                memcpy(text, messages[m], len);
                text[at] = (char)c;
                judge(len);
                count++;
            }
    }
    printf("# single-byte mutants: %zu\n", count);
    ck_assert_uint_ge(count, 90000);
}
END_TEST

START_TEST(every_truncation_and_random_splice_of_the_messages_has_one_answer_row_72)
{
    size_t count = 0;

    use_messages();
    for (size_t m = 0; m < MESSAGES; m++)
        for (size_t len = 0; len <= strlen(messages[m]); len++, count++) {
            memcpy(text, messages[m], len);
            judge(len);
        }
    for (size_t n = 0; n < 20000; n++, count++) {
        const char *a = messages[random_below(MESSAGES)], *b = messages[random_below(MESSAGES)];
        size_t head = random_below((uint32_t)strlen(a)), tail = random_below((uint32_t)strlen(b));
        memcpy(text, a, head);
        memcpy(text + head, b + tail, strlen(b) - tail);
        judge(head + strlen(b) - tail);
    }
    printf("# truncations and splices: %zu\n", count);
}
END_TEST

START_TEST(nothing_is_read_behind_a_buffer_of_0_to_200_bytes_row_70)
{
    unsigned char scratch[4096];
    wsrt_slot slots[8];
    wsrt_validation v = {.struct_size = sizeof v, .slots = slots, .slot_cap = 8};

    v.scratch = scratch;
    v.scratch_cap = sizeof scratch;
    use_messages();
    for (size_t k = 0; k < kernels_count(); k++) {
        wsrt_kernel_force(schema, kernels_name(k));
        for (size_t m = 0; m < MESSAGES; m++)
            for (size_t len = 0; len <= 200 && len <= strlen(messages[m]); len++) {
                char *copy = guarded_copy(messages[m], len);
                int rc = wsrt_validate(schema, copy, len, NULL, &v);
                ck_assert_int_eq(rc == WSRT_ERR_MALFORMED,
                                 len < strlen(messages[m]) && messages[m][len] != '\n');
                guarded_free(copy, len);
            }
    }
}
END_TEST

/* ---- strings --------------------------------------------------------------------------------- */

/* A string of so many plain bytes, with `part` somewhere inside; returns the length of the text. */
static size_t put_string(size_t before, const char *part, size_t len, size_t behind)
{
    text[0] = '"';
    memset(text + 1, 'a', before);
    memcpy(text + 1 + before, part, len);
    memset(text + 1 + before + len, 'z', behind);
    text[1 + before + len + behind] = '"';
    return before + len + behind + 2;
}

START_TEST(strings_of_every_length_end_at_their_quote)
{
    use("{\"type\":\"string\",\"x-wsrt-extract\":\"s\"}");
    for (size_t len = 0; len <= 400; len++) {
        struct kernels_answer a = judge(put_string(len, "", 0, 0));
        ck_assert_int_eq(a.status, WSRT_OK);
        ck_assert_uint_eq(a.slots[0].text.len, len);
        a = judge(put_string(len, "", 0, 0) - 1);
        ck_assert_int_eq(a.issues[0].code, WSRT_ISSUE_JSON_SYNTAX);
        ck_assert_uint_eq(a.issues[0].offset, 0);
    }
}
END_TEST

START_TEST(every_byte_is_plain_special_or_a_fault_at_every_place_rows_5_6_9_to_11)
{
    use("{\"type\":\"string\"}");
    for (size_t before = 0; before <= 140; before++)
        for (unsigned c = 0; c < 256; c++) {
            char byte = (char)c;
            struct kernels_answer a = judge(put_string(before, &byte, 1, 40));
            int code = a.status == WSRT_OK ? 0 : a.issues[0].code;
            int want = c == '"'                ? WSRT_ISSUE_JSON_TRAILING
                       : c < 0x20 || c == '\\' ? WSRT_ISSUE_JSON_SYNTAX
                       : c >= 0x80             ? WSRT_ISSUE_JSON_UTF8
                                               : 0;
            ck_assert_msg(code == want, "byte %02x behind %zu: %d", c, before, code);
            if (want != 0)
                ck_assert_uint_eq(a.issues[0].offset, 1 + before + (c == '"'));
        }
}
END_TEST

START_TEST(every_escape_is_decoded_or_a_fault_at_every_place_rows_14_to_16)
{
    static const struct {
        const char *part;
        int valid;
    } rows[] = {
        {"\\u00e9", 1}, {"\\ud83d\\ude00", 1}, {"\\ud83d", 0}, {"\\ude00", 0},
        {"\\u12", 0},   {"\\u12G4", 0},        {"\\\\", 1},    {"\\\"", 1},
    };

    use("{\"maxLength\":100,\"minLength\":1}");
    for (size_t before = 0; before <= 80; before++) {
        for (unsigned c = 0; c < 256; c++) {
            char part[2] = {'\\', (char)c};
            struct kernels_answer a = judge(put_string(before, part, 2, 9));
            int valid = c != 0 && strchr("\"\\/bfnrt", (int)c) != NULL;
            ck_assert_msg((a.status == WSRT_OK) == valid, "escape %02x behind %zu", c, before);
            if (!valid)
                ck_assert_uint_eq(a.issues[0].offset, 1 + before);
        }
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct kernels_answer a =
                judge(put_string(before, rows[i].part, strlen(rows[i].part), 9));
            ck_assert_msg((a.status == WSRT_OK) == rows[i].valid, "%s behind %zu", rows[i].part,
                          before);
        }
    }
}
END_TEST

START_TEST(code_points_are_counted_exactly_rows_44_to_46)
{
    static const char *const units[] = {"a",   "\xc3\xa9", "\xe2\x82\xac",  "\xf0\x9f\x98\x80",
                                        "\\n", "\\u20ac",  "\\ud83d\\ude00"};

    use("{\"minLength\":120,\"maxLength\":120}");
    for (size_t n = 0; n < 3000; n++) {
        size_t len = 1, points = 119 + n % 3;
        uint32_t mix = random_below(127) + 1;
        text[0] = '"';
        for (size_t i = 0; i < points;) {
            uint32_t unit = random_below(7);
            if ((mix >> unit & 1) == 0)
                continue;
            memcpy(text + len, units[unit], strlen(units[unit]));
            len += strlen(units[unit]);
            i++;
        }
        text[len++] = '"';
        struct kernels_answer a = judge(len);
        int code = a.status == WSRT_OK ? 0 : a.issues[0].code;
        ck_assert_int_eq(code, n % 3 == 0   ? WSRT_ISSUE_TOO_SMALL
                               : n % 3 == 1 ? 0
                                            : WSRT_ISSUE_TOO_BIG);
    }
}
END_TEST

/* ---- UTF-8 ------------------------------------------------------------------------------------ */

/* RFC 3629 by its table: the length of the sequence, 0 when there is none. */
static size_t sequence_of(const unsigned char *p, size_t room)
{
    static const struct {
        unsigned char from, to, low, high;
        size_t len;
    } rows[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (p[0] < rows[i].from || p[0] > rows[i].to)
            continue;
        if (rows[i].len > room || (rows[i].len > 1 && (p[1] < rows[i].low || p[1] > rows[i].high)))
            return 0;
        for (size_t k = 2; k < rows[i].len; k++)
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        return rows[i].len;
    }
    return 0;
}

/* The part stands in a string; its verdict and the place of its fault are the table's. Where a kernel
 * changes to its scan for UTF-8 is up to the text before: `wide` lets it begin with such a character. */
static void expect_sequence(size_t before, int wide, const unsigned char *part, size_t len)
{
    struct kernels_answer a;
    size_t at = 0, step = 1, size = put_string(before, (const char *)part, len, 45);

    memcpy(text + 1, wide ? "\xc3\xa9" : "aa", before < 2 ? 0 : 2);
    kernels_judge(schema, text, size, 0, &a);
    while (at < len && (step = sequence_of(part + at, len - at)) > 0)
        at += step;
    ck_assert_msg((a.status == WSRT_OK) == (step > 0), "%02x %02x %02x %02x behind %zu", part[0],
                  part[1], part[2], part[3], before);
    if (step == 0) {
        ck_assert_int_eq(a.issues[0].code, WSRT_ISSUE_JSON_UTF8);
        ck_assert_uint_eq(a.issues[0].offset, 1 + before + at);
    }
}

static void expect_utf8(size_t before, const unsigned char *part, size_t len)
{
    expect_sequence(before, 0, part, len);
    expect_sequence(before, 1, part, len);
}

START_TEST(every_pair_of_bytes_is_utf8_or_not_as_the_rfc_has_it)
{
    use("true");
    for (unsigned a = 0x80; a < 0x100; a++)
        for (unsigned b = 0x20; b < 0x100; b++) {
            unsigned char two[4] = {(unsigned char)a, (unsigned char)b, 'x', 'y'};
            unsigned char four[4] = {(unsigned char)a, (unsigned char)b, 0xa5, 0xa5};
            unsigned char three[4] = {(unsigned char)a, (unsigned char)b, 0xa5, 'y'};
            if (b == '"' || b == '\\')
                continue;
            expect_sequence(30, 1, two, 4);
            expect_sequence(30, 0, three, 4);
            expect_sequence(29, 1, four, 4);
        }
}
END_TEST

START_TEST(good_and_bad_sequences_are_told_apart_at_every_offset_row_13)
{
    static const unsigned char rows[][4] = {
        {0xc3, 0xa9, 'x', 'y'},   {0xe2, 0x82, 0xac, 'y'},  {0xf0, 0x9f, 0x98, 0x80},
        {0xc0, 0x80, 'x', 'y'},   {0xc1, 0xbf, 'x', 'y'},   {0xe0, 0x9f, 0xbf, 'y'},
        {0xe0, 0xa0, 0x80, 'y'},  {0xed, 0x9f, 0xbf, 'y'},  {0xed, 0xa0, 0x80, 'y'},
        {0xf0, 0x8f, 0xbf, 0xbf}, {0xf0, 0x90, 0x80, 0x80}, {0xf4, 0x8f, 0xbf, 0xbf},
        {0xf4, 0x90, 0x80, 0x80}, {0xf5, 0x80, 0x80, 0x80}, {0xfe, 0xff, 'x', 'y'},
        {0x80, 'x', 'y', 'z'},    {0xc3, 'x', 'y', 'z'},    {0xe2, 0x82, 'y', 'z'},
        {0xf0, 0x9f, 0x98, 'z'},  {0xc3, 0xa9, 0xa9, 'z'},  {0xe2, 0x82, 0xac, 0xac},
    };

    use("true");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t before = 0; before <= 130; before++)
            expect_utf8(before, rows[i], 4);
}
END_TEST

START_TEST(a_sequence_cut_by_the_end_of_the_string_or_of_the_text_is_a_fault_row_11)
{
    static const char whole[] = "\xf0\x9f\x98\x80";

    use("true");
    for (size_t before = 0; before <= 100; before++)
        for (size_t cut = 1; cut < 4; cut++) {
            size_t len = put_string(before, whole, cut, 0);
            for (size_t quote = 0; quote <= 1; quote++) {
                struct kernels_answer a = judge(len - quote);
                ck_assert_int_eq(a.issues[0].code, WSRT_ISSUE_JSON_UTF8);
                ck_assert_uint_eq(a.issues[0].offset, 1 + before);
            }
        }
}
END_TEST

/* ---- classes ---------------------------------------------------------------------------------- */

static void use_class(const uint64_t bits[2])
{
    char json[2048];
    size_t len = (size_t)snprintf(json, sizeof json, "{\"pattern\":\"^[");

    for (unsigned c = 0; c < 128; c++)
        if (bits[c >> 6] >> (c & 63) & 1)
            len += (size_t)snprintf(json + len, sizeof json - len, "\\\\x%02x", c);
    snprintf(json + len, sizeof json - len, "]*$\"}");
    use(json);
}

/* Every character on its own, far into a string of a member of the class. */
static void expect_class(const uint64_t bits[2], size_t before)
{
    unsigned filler = 0;

    use_class(bits);
    for (unsigned c = 0x20; c < 127; c++)
        if ((bits[c >> 6] >> (c & 63) & 1) && c != '"' && c != '\\')
            filler = c;
    before = filler == 0 ? 0 : before;
    for (unsigned c = 0; c < 128; c++) {
        char part[8];
        int escaped = c < 0x20 || c == '"' || c == '\\';
        size_t len = (size_t)snprintf(part, sizeof part, escaped ? "\\u%04x" : "%c", c);
        size_t size = put_string(before, part, len, 0);
        memset(text + 1, (int)filler, before);
        struct kernels_answer a;
        kernels_judge(schema, text, size, 0, &a);
        ck_assert_msg((a.status == WSRT_OK) == (int)(bits[c >> 6] >> (c & 63) & 1),
                      "%02x behind %zu", c, before);
    }
}

START_TEST(a_class_is_exact_for_any_set_of_ascii_characters_rows_48_to_50)
{
    for (unsigned c = 0; c < 128; c++) {
        uint64_t one[2] = {0}, others[2] = {UINT64_MAX, UINT64_MAX};
        one[c >> 6] = (uint64_t)1 << (c & 63);
        others[c >> 6] &= ~one[c >> 6];
        expect_class(one, 40);
        expect_class(others, 70);
    }
    for (size_t n = 0; n < 150; n++) {
        uint64_t some[2] = {(uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX),
                            (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX)};
        expect_class(some, n);
    }
}
END_TEST

START_TEST(a_character_outside_of_the_class_is_seen_wherever_it_stands)
{
    static const char *const parts[] = {"!", "\xc3\xa9", "\\u0021", "\\n", " ", "@", "[", "`", "{"};

    use("{\"pattern\":\"^[a-zA-Z0-9_.\\\\-]+$\"}");
    for (size_t len = 1; len <= 200; len++)
        ck_assert_int_eq(judge(put_string(len, "", 0, 0)).status, WSRT_OK);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t before = 0; before <= 140; before++) {
            struct kernels_answer a = judge(put_string(before, parts[i], strlen(parts[i]), 40));
            ck_assert_int_eq(a.status, WSRT_ERR_REJECTED);
            ck_assert_int_eq(a.issues[0].code, WSRT_ISSUE_INVALID_FORMAT);
        }
    for (size_t before = 0; before <= 140; before++)
        ck_assert_int_eq(judge(put_string(before, "\\u0061", 6, 40)).status, WSRT_OK);
}
END_TEST

/* ---- what a glance may not miss ---------------------------------------------------------------- */

START_TEST(words_names_and_tags_are_told_from_their_likes_rows_17_to_19)
{
    static const struct {
        const char *message;
        int status;
    } rows[] = {
        {"{\"tag\":\"seven77\",\"sessionId\":1}", WSRT_OK},
        {"{\"tag\":\"eighth88\",\"sessionId\":1}", WSRT_OK},
        {"{\"tag\":\"a-long-word-of-some-size\",\"sessionId\":1}", WSRT_OK},
        {"{\"tag\":\"a-long-word-of-some-sizf\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven7\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"a-long-w\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven777\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"eighth8\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"eighth888\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"a\\\"b\",\"sessionId\":1}", WSRT_OK},
        {"{\"tag\":\"a\",\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"s\\u0065ven77\",\"sessionId\":1}", WSRT_OK},
        {"{\"t\\u0061g\":\"seven77\",\"sessionId\":1}", WSRT_OK},
        {"{\"tag\":\"\",\"sessionId\":1}", WSRT_OK},
        {"{\"tag\":\"seven77\",\"sessionIe\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven77\",\"sessionI\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven77\",\"tessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven77\",\"sessionId\":1,\"tag\":\"seven77\"}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven77\",\"sessionId\":1,\"t\\u0061g\":\"seven77\"}", WSRT_ERR_REJECTED},
        {"{\"sessionId\":1}", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven77\" }", WSRT_ERR_REJECTED},
        {"{\"tag\":\"seven77\",\"sessionId\":1", WSRT_ERR_MALFORMED},
        {"{\"tag\":\"seven77\",}", WSRT_ERR_MALFORMED},
        {"{\"tag\":\"seven77\"]", WSRT_ERR_MALFORMED},
        {"{\"tag\"\"seven77\"}", WSRT_ERR_MALFORMED},
        {"{\"tag\":\"seven77\"\"sessionId\":1}", WSRT_ERR_MALFORMED},
        {"{\"tag\":\"seven77\"}}", WSRT_ERR_MALFORMED},
    };

    use("{\"type\":\"object\",\"required\":[\"tag\",\"sessionId\"],\"properties\":{\"tag\":{"
        "\"enum\":"
        "[\"seven77\",\"eighth88\",\"a-long-word-of-some-size\",\"a\\\"b\",\"\"]},"
        "\"sessionId\":{\"const\":1}}}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memcpy(text, rows[i].message, strlen(rows[i].message));
        ck_assert_msg(judge(strlen(rows[i].message)).status == rows[i].status, "%s",
                      rows[i].message);
    }
}
END_TEST

START_TEST(a_word_that_only_the_padding_completes_is_unterminated)
{
    use("{\"properties\":{\"a\":{\"enum\":[\"word\",\"longer-word\"]},\"b\":{\"type\":\"string\"}}"
        "}");
    for (size_t i = 0; i < 3; i++) {
        static const char *const cut[] = {"{\"a\":\"word", "{\"a\":\"longer-word", "{\"b\":\"text"};
        memcpy(text, cut[i], strlen(cut[i]));
        struct kernels_answer a = judge(strlen(cut[i]));
        ck_assert_int_eq(a.issues[0].code, WSRT_ISSUE_JSON_SYNTAX);
        ck_assert_uint_eq(a.issues[0].offset, 5);
    }
}
END_TEST

START_TEST(what_a_glance_sees_holds_for_every_kind_of_rule)
{
    static const char *const schemas[] = {
        "{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"],\"enum\":[\"x\",null]},\"b\":{"
        "\"type\":\"object\",\"minProperties\":1,\"properties\":{\"c\":{\"type\":\"string\"}}}}}",
        "{\"properties\":{\"a\":{\"allOf\":[{\"enum\":[\"x\",\"y\"]},{\"enum\":[\"y\",\"z\"]}]},"
        "\"b\":{\"anyOf\":[{\"required\":[\"c\"]},{\"required\":[\"d\"]}]}},"
        "\"additionalProperties\":{\"maxLength\":2}}",
        "{\"properties\":{\"a\":false,\"b\":{\"enum\":[{\"c\":\"x\"},[\"x\"]]}},\"maxProperties\":"
        "2}",
        "{\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"enum\":[\"x\"]}},\"b\":{\"not\":"
        "{\"type\":\"object\",\"required\":[\"c\"]}}},\"dependentRequired\":{\"a\":[\"b\"]}}",
    };
    static const char *const values[] = {
        "\"x\"",
        "\"y\"",
        "\"z\"",
        "\"xyz\"",
        "null",
        "1",
        "[\"x\"]",
        "[\"x\",\"y\"]",
        "{}",
        "{\"c\":\"x\"}",
        "{\"c\":\"x\",\"c\":\"x\"}",
        "{\"d\":[]}",
    };
    enum { VALUES = sizeof values / sizeof values[0] };

    for (size_t s = 0; s < sizeof schemas / sizeof schemas[0]; s++) {
        use(schemas[s]);
        for (size_t i = 0; i < VALUES * VALUES * VALUES; i++) {
            int len =
                snprintf(text, sizeof text, "{\"a\":%s,\"b\":%s,\"c\":%s}", values[i % VALUES],
                         values[i / VALUES % VALUES], values[i / VALUES / VALUES]);
            judge((size_t)len);
        }
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_kernels");
    TCase *tc = tcase_create("kernels");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, clean_up);
    tcase_add_test(tc, a_schema_keeps_the_best_kernel_of_the_processor_and_tests_may_force_another);
    tcase_add_test(tc, every_single_byte_change_of_the_messages_has_one_answer_rows_72_78);
    tcase_add_test(tc, every_truncation_and_random_splice_of_the_messages_has_one_answer_row_72);
    tcase_add_test(tc, nothing_is_read_behind_a_buffer_of_0_to_200_bytes_row_70);
    tcase_add_test(tc, strings_of_every_length_end_at_their_quote);
    tcase_add_test(tc, every_byte_is_plain_special_or_a_fault_at_every_place_rows_5_6_9_to_11);
    tcase_add_test(tc, every_escape_is_decoded_or_a_fault_at_every_place_rows_14_to_16);
    tcase_add_test(tc, code_points_are_counted_exactly_rows_44_to_46);
    tcase_add_test(tc, every_pair_of_bytes_is_utf8_or_not_as_the_rfc_has_it);
    tcase_add_test(tc, good_and_bad_sequences_are_told_apart_at_every_offset_row_13);
    tcase_add_test(tc, a_sequence_cut_by_the_end_of_the_string_or_of_the_text_is_a_fault_row_11);
    tcase_add_test(tc, a_class_is_exact_for_any_set_of_ascii_characters_rows_48_to_50);
    tcase_add_test(tc, a_character_outside_of_the_class_is_seen_wherever_it_stands);
    tcase_add_test(tc, words_names_and_tags_are_told_from_their_likes_rows_17_to_19);
    tcase_add_test(tc, a_word_that_only_the_padding_completes_is_unterminated);
    tcase_add_test(tc, what_a_glance_sees_holds_for_every_kind_of_rule);
    suite_add_tcase(s, tc);
    return s;
}
