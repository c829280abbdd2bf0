/* Schemas written as bytes and read back; bytes that are not what they should be. */
#include "heap.h"
#include "suite.h"

#include <wsrt/schema.h>

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 40, CHECKSUM_AT = 32 };

static const char *const names[] = {"message",       "message-auth",  "message-chat",
                                    "message-ping",  "message-basic", "message-dashboard",
                                    "message-action"};

/* Every kind of table and check. */
static const char everything[] =
    "{\"$defs\":{\"tree\":{\"items\":{\"$ref\":\"#/$defs/tree\"},\"uniqueItems\":true}},"
    "\"properties\":{\"a\":{\"anyOf\":[{\"type\":\"null\"},{\"enum\":[1,\"x\",[1],{\"a\":2}]}]},"
    "\"longer-than-eight\":{\"minimum\":1,\"multipleOf\":0.5,\"exclusiveMaximum\":1e3},"
    "\"p\":{\"pattern\":\"^(ab|c)+x?$\",\"format\":\"date\"},\"c\":{\"pattern\":\"^[a-z]{2,9}$\"},"
    "\"t\":{\"$ref\":\"#/$defs/tree\"},\"l\":{\"prefixItems\":[{\"type\":\"string\"}],"
    "\"contains\":{\"const\":1},\"minContains\":0,\"maxContains\":2},"
    "\"u\":{\"oneOf\":[{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"1\"}}},"
    "{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"2\"},\"z\":false}}],"
    "\"type\":\"object\"}},"
    "\"patternProperties\":{\"^q\":{\"x-wsrt-maxBytes\":3},\"(x|y)z\":{\"not\":{\"type\":\"null\"}}"
    "},"
    "\"propertyNames\":{\"maxLength\":20},\"additionalProperties\":{\"type\":\"integer\"},"
    "\"dependentRequired\":{\"a\":[\"c\"]},\"dependentSchemas\":{\"c\":{\"minProperties\":2}},"
    "\"if\":{\"required\":[\"q\"]},\"then\":{\"maxProperties\":4},\"else\":true}";

static const char *const messages[] = {
    "{}",
    "{\"type\":\"ping\",\"data\":{\"action\":\"a\"}}",
    "{\"type\":\"auth\",\"data\":{\"action\":\"a\",\"token\":\"t\\u0041\"}}",
    "{\"type\":\"message\",\"data\":{\"action\":\"a b\",\"message\":\"\"}}",
    "{\"type\":\"pong\",\"data\":3}",
    "{\"action\":\"chat_message\",\"data\":{}}",
    "{\"a\":null,\"c\":\"abc\"}",
    "{\"a\":{\"a\":2.0},\"c\":\"abcd\",\"p\":\"abcx\"}",
    "{\"p\":\"2020-02-29\",\"longer-than-eight\":1.5,\"q1\":\"xyz\",\"q\":null}",
    "{\"t\":[[1,[2]],[1,[2.0]]],\"l\":[\"s\",1,1,1],\"xz\":null}",
    "{\"u\":{\"k\":\"2\",\"z\":1},\"l\":[1],\"odd\":1.5}",
    "[[[[1]]],",
};
enum { MESSAGES = sizeof messages / sizeof messages[0] };

struct bytes {
    unsigned char *data;
    size_t len;
};

static struct bytes save(const wsrt_schema *s)
{
    struct bytes out;

    ck_assert_int_eq(wsrt_schema_save(s, NULL, 0, &out.len), WSRT_ERR_LIMIT);
    out.data = malloc(out.len);
    ck_assert_int_eq(wsrt_schema_save(s, out.data, out.len - 1, &out.len), WSRT_ERR_LIMIT);
    ck_assert_int_eq(wsrt_schema_save(s, out.data, out.len, &out.len), WSRT_OK);
    return out;
}

static wsrt_schema *compile(const char *text)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = WSRT_SCHEMA_ASSERT_FORMAT};
    wsrt_schema_error why;
    wsrt_schema *s;
    int rc = wsrt_schema_new(&s, text, strlen(text), &o, &why);

    ck_assert_msg(rc == WSRT_OK, "%s: %s", why.pointer, why.text_cstr);
    return s;
}

struct answer {
    wsrt_issue issues[8];
    wsrt_slot slots[8];
    size_t count;
    int status;
};

static void judge(const wsrt_schema *s, const char *message, struct answer *out)
{
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = WSRT_VALIDATE_COLLECT_ALL};
    wsrt_validation v = {.struct_size = sizeof v,
                         .issues = out->issues,
                         .issue_cap = 8,
                         .slots = out->slots,
                         .slot_cap = 8};
    char pointer[64];

    memset(out, 0, sizeof *out);
    v.scratch_cap = wsrt_schema_scratch(s, &o);
    v.scratch = malloc(v.scratch_cap);
    out->status = wsrt_validate(s, message, strlen(message), &o, &v);
    out->count = v.issue_count;
    for (size_t i = 0; i < v.issue_count; i++) {
        wsrt_issue_pointer(s, message, strlen(message), &v.issues[i], 0, pointer, sizeof pointer,
                           NULL);
        wsrt_issue_schema_pointer(s, &v.issues[i], pointer, sizeof pointer, NULL);
    }
    free(v.scratch);
}

static void expect_alike(const wsrt_schema *a, const wsrt_schema *b)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct answer x, y;
        judge(a, messages[i], &x);
        judge(b, messages[i], &y);
        ck_assert_int_eq(x.status, y.status);
        ck_assert_uint_eq(x.count, y.count);
        for (size_t k = 0; k < x.count; k++) {
            ck_assert_int_eq(x.issues[k].code, y.issues[k].code);
            ck_assert_uint_eq(x.issues[k].offset, y.issues[k].offset);
            ck_assert_str_eq(x.issues[k].text_cstr, y.issues[k].text_cstr);
            ck_assert_str_eq(x.issues[k].keyword_cstr, y.issues[k].keyword_cstr);
        }
        ck_assert_mem_eq(x.slots, y.slots, sizeof x.slots);
    }
}

static void round_trip(wsrt_schema *s)
{
    struct bytes blob = save(s), again;
    unsigned char *odd = malloc(blob.len + 1); /* any alignment will do */
    wsrt_schema *loaded;

    memcpy(odd + 1, blob.data, blob.len);
    ck_assert_int_eq(wsrt_schema_load(&loaded, odd + 1, blob.len, NULL), WSRT_OK);
    free(odd);
    expect_alike(s, loaded);
    ck_assert_int_eq(wsrt_schema_slot_count(s), wsrt_schema_slot_count(loaded));
    wsrt_schema_free(s);
    again = save(loaded);
    ck_assert_uint_eq(again.len, blob.len);
    ck_assert_mem_eq(again.data, blob.data, blob.len);
    wsrt_schema_free(loaded);
    free(blob.data);
    free(again.data);
}

START_TEST(a_loaded_schema_answers_like_the_saved_one)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wsrt_schema *s;
        ck_assert_int_eq(wsrt_schema_builtin(&s, names[i], NULL), WSRT_OK);
        round_trip(s);
    }
    round_trip(compile(everything));
    round_trip(compile("true"));
    round_trip(compile("false"));
}
END_TEST

static int load_exact(const unsigned char *data, size_t len)
{
    unsigned char *exact = malloc(len == 0 ? 1 : len);
    wsrt_schema *s = (wsrt_schema *)1;

    memcpy(exact, data, len);
    int rc = wsrt_schema_load(&s, exact, len, NULL);
    ck_assert((rc == WSRT_OK) == (s != NULL));
    wsrt_schema_free(s);
    free(exact);
    return rc;
}

START_TEST(cut_blobs_are_refused_row_77)
{
    wsrt_schema *s = compile(everything);
    struct bytes blob = save(s);

    for (size_t len = 0; len < blob.len; len += len < 300 ? 1 : 97)
        ck_assert_int_eq(load_exact(blob.data, len), WSRT_ERR_CORRUPT);
    blob.data = realloc(blob.data, blob.len + 1);
    blob.data[blob.len] = 0;
    ck_assert_int_eq(load_exact(blob.data, blob.len + 1), WSRT_ERR_CORRUPT);
    free(blob.data);
    wsrt_schema_free(s);
}
END_TEST

START_TEST(changed_blobs_are_refused_row_77)
{
    wsrt_schema *s;
    ck_assert_int_eq(wsrt_schema_builtin(&s, "message-ping", NULL), WSRT_OK);
    struct bytes blob = save(s);

    for (size_t i = 0; i < blob.len; i++) {
        blob.data[i] ^= (unsigned char)(1 << (i % 8));
        int rc = load_exact(blob.data, blob.len);
        /* endianness, version and layout have a status of their own */
        ck_assert_msg(rc == (i >= 8 && i < 24 ? WSRT_ERR_VERSION : WSRT_ERR_CORRUPT), "byte %zu",
                      i);
        blob.data[i] ^= (unsigned char)(1 << (i % 8));
    }
    ck_assert_int_eq(load_exact(blob.data, blob.len), WSRT_OK);
    free(blob.data);
    wsrt_schema_free(s);
}
END_TEST

START_TEST(blobs_of_another_byte_order_are_refused_row_77)
{
    wsrt_schema *s = compile("true");
    struct bytes blob = save(s);
    unsigned char swapped[4];

    for (size_t i = 0; i < 4; i++)
        swapped[i] = blob.data[8 + 3 - i];
    memcpy(blob.data + 8, swapped, 4);
    ck_assert_int_eq(load_exact(blob.data, blob.len), WSRT_ERR_VERSION);
    free(blob.data);
    wsrt_schema_free(s);
}
END_TEST

/* The checksum is no secret: what passes it must still be safe to validate with. */
START_TEST(hostile_blobs_are_refused_or_harmless)
{
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0xff};
    wsrt_schema *s = compile(everything);
    struct bytes blob = save(s);
    size_t refused = 0, tried = 0;

    for (size_t i = HEADER; i < blob.len; i++) {
        unsigned char old = blob.data[i];
        blob.data[i] = values[i / 7 % 4] == old ? (unsigned char)(old ^ 2) : values[i / 7 % 4];
        uint64_t sum = wsrt_hash(1, blob.data + HEADER, blob.len - HEADER);
        wsrt_schema *loaded;
        memcpy(blob.data + CHECKSUM_AT, &sum, sizeof sum);
        int rc = wsrt_schema_load(&loaded, blob.data, blob.len, NULL);
        ck_assert(rc == WSRT_OK || rc == WSRT_ERR_CORRUPT);
        for (size_t k = 0; rc == WSRT_OK && k < MESSAGES; k++) {
            struct answer ignored;
            judge(loaded, messages[k], &ignored);
        }
        wsrt_schema_free(loaded);
        refused += rc == WSRT_ERR_CORRUPT;
        tried++;
        blob.data[i] = old;
    }
    printf("# changed bytes with a right checksum: %zu, refused: %zu\n", tried, refused);
    ck_assert_uint_gt(refused, tried / 8);
    free(blob.data);
    wsrt_schema_free(s);
}
END_TEST

START_TEST(every_refused_allocation_of_a_load_leaves_nothing_behind)
{
    wsrt_schema *s = compile(everything);
    struct bytes blob = save(s);
    struct heap heap;

    wsrt_schema_free(s);
    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, sticky);
            int rc = wsrt_schema_load(&s, blob.data, blob.len, &heap.allocator);
            if (!heap.tripped) {
                ck_assert_int_eq(rc, WSRT_OK);
                wsrt_schema_free(s);
                break;
            }
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(s);
            ck_assert_uint_eq(heap.live, 0);
            heap.points++;
        }
    ck_assert_uint_eq(heap.live, 0);
    ck_assert_uint_gt(heap.points, 1);
    printf("# allocation points: %zu\n", heap.points);
    free(blob.data);
}
END_TEST

START_TEST(usage_errors_of_saving_and_loading)
{
    wsrt_schema *s = compile("true"), *out = s;
    size_t len;

    ck_assert_int_eq(wsrt_schema_save(NULL, NULL, 0, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_save(s, NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_save(s, NULL, 1, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_load(NULL, "", 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_schema_load(&out, NULL, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_ptr_null(out);
    wsrt_schema_free(s);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_blob");
    TCase *t = tcase_create("blob");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_loaded_schema_answers_like_the_saved_one);
    tcase_add_test(t, cut_blobs_are_refused_row_77);
    tcase_add_test(t, changed_blobs_are_refused_row_77);
    tcase_add_test(t, blobs_of_another_byte_order_are_refused_row_77);
    tcase_add_test(t, hostile_blobs_are_refused_or_harmless);
    tcase_add_test(t, every_refused_allocation_of_a_load_leaves_nothing_behind);
    tcase_add_test(t, usage_errors_of_saving_and_loading);
    suite_add_tcase(s, t);
    return s;
}
