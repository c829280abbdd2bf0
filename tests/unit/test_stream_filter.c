#include "suite.h"

#include <wsrt/stream.h>

#include <stdio.h>
#include <string.h>

/* ---- change records ------------------------------------------------------------------------ */

#define RECORD(name, rest) "{\"eventName\":\"" name "\",\"dynamodb\":{" rest "}}"

static wsrt_json records;

static int open_event(const char *text)
{
    return wsrt_changes_open(wsrt_span_cstr(text), &records, NULL);
}

static wsrt_change one(const char *event, int status)
{
    wsrt_change c = {.struct_size = sizeof c};
    wsrt_json_iter it = {0};

    ck_assert_int_eq(open_event(event), WSRT_OK);
    ck_assert_int_eq(wsrt_changes_next(&records, &it, &c), status);
    return c;
}

START_TEST(a_record_is_read_with_its_images_and_time)
{
    wsrt_change c =
        one("{\"Records\":[{\"eventID\":\"x\",\"eventName\":\"MODIFY\",\"awsRegion\":\"eu\","
            "\"userIdentity\":null,\"dynamodb\":{\"ApproximateCreationDateTime\":1795168831.25,"
            "\"Keys\":{\"k\":{\"S\":\"a\"}},\"NewImage\":{\"k\":{\"S\":\"b\"}},"
            "\"OldImage\":{},\"SequenceNumber\":\"400000000000000000001\"}}]}",
            WSRT_OK);

    ck_assert_int_eq(c.kind, WSRT_CHANGE_MODIFY);
    ck_assert(wsrt_span_equal(c.sequence, wsrt_span_cstr("400000000000000000001")));
    ck_assert(wsrt_span_equal(c.keys, wsrt_span_cstr("{\"k\":{\"S\":\"a\"}}")));
    ck_assert(wsrt_span_equal(c.new_image, wsrt_span_cstr("{\"k\":{\"S\":\"b\"}}")));
    ck_assert(wsrt_span_equal(c.old_image, wsrt_span_cstr("{}")));
    ck_assert(c.created_at == 1795168831250);
}
END_TEST

START_TEST(records_that_are_no_change_are_passed_by)
{
    static const char *const bad[] = {
        "1",
        "{}",
        "{\"eventName\":\"INSERT\"}",
        RECORD("UPSERT", ""),
        "{\"eventName\":\"INSERT\",\"dynamodb\":[]}",
        RECORD("INSERT", "\"NewImage\":7"),
        RECORD("INSERT", "\"SequenceNumber\":12"),
        RECORD("INSERT", "\"SequenceNumber\":\"12a\""),
        RECORD("INSERT", "\"SequenceNumber\":\"12345678901234567890123456789012345678901\""),
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char event[512];
        wsrt_json_iter it = {0};
        wsrt_change c = {.struct_size = sizeof c};
        snprintf(event, sizeof event, "{\"Records\":[%s,%s]}", bad[i], RECORD("REMOVE", ""));
        ck_assert_int_eq(open_event(event), WSRT_OK);
        ck_assert_msg(wsrt_changes_next(&records, &it, &c) == WSRT_ERR_REJECTED, "%s", bad[i]);
        ck_assert_uint_eq(c.sequence.len, 0);
        ck_assert_uint_eq(c.record.len, strlen(bad[i]));
        ck_assert_int_eq(wsrt_changes_next(&records, &it, &c), WSRT_OK);
        ck_assert_int_eq(c.kind, WSRT_CHANGE_REMOVE);
        ck_assert_int_eq(wsrt_changes_next(&records, &it, &c), WSRT_ERR_NOT_FOUND);
    }
}
END_TEST

START_TEST(what_is_no_stream_event_is_refused)
{
    wsrt_json_error why;

    ck_assert_int_eq(wsrt_changes_open(wsrt_span_cstr("{\"Records\":"), &records, &why),
                     WSRT_ERR_MALFORMED);
    ck_assert_uint_eq(why.offset, 11);
    ck_assert_int_eq(open_event("[]"), WSRT_ERR_REJECTED);
    ck_assert_int_eq(open_event("{\"records\":[]}"), WSRT_ERR_REJECTED);
    ck_assert_int_eq(open_event("{\"Records\":{}}"), WSRT_ERR_REJECTED);
    ck_assert_int_eq(wsrt_changes_open(wsrt_span_cstr("{}"), NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

static const struct {
    const char *attributes;
    const char *plain; /* NULL = refused */
} attribute_rows[] = {
    {"{}", "{}"},
    {"{\"a\":{\"S\":\"x\\n\\u00e9\"}}", "{\"a\":\"x\\n\\u00e9\"}"},
    {"{\"a\":{\"N\":\"123456789012345678901234567890.10\"}}",
     "{\"a\":123456789012345678901234567890.10}"},
    {"{\"a\":{\"N\":\"1E-3\"}}", "{\"a\":1E-3}"},
    {"{\"a\":{\"B\":\"aGk=\"}}", "{\"a\":\"aGk=\"}"},
    {"{\"a\":{\"BOOL\":false},\"b\":{\"NULL\":true}}", "{\"a\":false,\"b\":null}"},
    {"{\"a\":{\"M\":{\"b\":{\"L\":[{\"S\":\"\"},{\"M\":{}}]}}}}", "{\"a\":{\"b\":[\"\",{}]}}"},
    {"{\"a\":{\"SS\":[\"x\",\"y\"]},\"b\":{\"NS\":[\"1\",\"-2.5\"]},\"c\":{\"BS\":[\"aA==\"]}}",
     "{\"a\":[\"x\",\"y\"],\"b\":[1,-2.5],\"c\":[\"aA==\"]}"},
    {"{\"a\\u0062\":{\"S\":\"x\"}}", "{\"ab\":\"x\"}"},
    {"{\"a\":{\"X\":\"x\"}}", NULL},
    {"{\"a\":{}}", NULL},
    {"{\"a\":\"x\"}", NULL},
    {"{\"a\":{\"S\":\"x\",\"N\":\"1\"}}", NULL},
    {"{\"a\":{\"S\":1}}", NULL},
    {"{\"a\":{\"N\":1}}", NULL},
    {"{\"a\":{\"N\":\"0x1\"}}", NULL},
    {"{\"a\":{\"N\":\"\"}}", NULL},
    {"{\"a\":{\"N\":\"1\\u0030\"}}", NULL},
    {"{\"a\":{\"BOOL\":\"true\"}}", NULL},
    {"{\"a\":{\"NULL\":false}}", NULL},
    {"{\"a\":{\"M\":[]}}", NULL},
    {"{\"a\":{\"L\":{}}}", NULL},
    {"{\"a\":{\"SS\":\"x\"}}", NULL},
    {"{\"a\":{\"NS\":[1]}}", NULL},
    {"{\"a\":{\"L\":[{\"Q\":1}]}}", NULL},
};

START_TEST(attributes_become_plain_json)
{
    const char *plain = attribute_rows[_i].plain;
    char dst[256];
    size_t len;
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, sizeof dst, 0);
    int rc = wsrt_attributes_write(&w, wsrt_span_cstr(attribute_rows[_i].attributes));
    ck_assert_int_eq(rc, plain == NULL ? WSRT_ERR_REJECTED : WSRT_OK);
    if (plain == NULL)
        return;
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    ck_assert_str_eq(dst, plain);
}
END_TEST

/* ---- filters ------------------------------------------------------------------------------- */

#define HOST                                                                                       \
    "{\"entity_type\":\"host\",\"entity_id\":\"h1\",\"load\":12.5,\"up\":true,\"owner\":null}"

static const struct {
    const char *filter;
    int holds; /* for HOST, modified */
} filter_rows[] = {
    {"{}", 1},
    {"{\"entity_type\":[\"host\"]}", 1},
    {"{\"entity_type\":[\"disk\",\"host\"]}", 1},
    {"{\"entity_type\":[\"disk\"]}", 0},
    {"{\"entity_type\":[\"h\\u006fst\"]}", 1},
    {"{\"entity_type\":[\"host\"],\"entity_id\":[\"h2\"]}", 0},
    {"{\"load\":{\"gte\":12.5}}", 1},
    {"{\"load\":{\"gt\":12.5}}", 0},
    {"{\"load\":{\"lte\":12.5}}", 1},
    {"{\"load\":{\"lt\":12.5}}", 0},
    {"{\"load\":{\"gte\":10,\"lt\":20}}", 1},
    {"{\"load\":{\"gte\":13,\"lt\":20}}", 0},
    {"{\"load\":[125e-1]}", 1},
    {"{\"load\":[\"12.5\"]}", 0},
    {"{\"entity_type\":{\"gt\":0}}", 0},
    {"{\"up\":[true]}", 1},
    {"{\"up\":[false]}", 0},
    {"{\"owner\":[null]}", 1},
    {"{\"missing\":[null]}", 0},
    {"{\"eventType\":[\"MODIFY\"]}", 1},
    {"{\"eventType\":[\"INSERT\",\"REMOVE\"]}", 0},
    {"{\"eventType\":[\"MODIFY\"],\"load\":{\"lt\":1}}", 0},
};

START_TEST(a_filter_holds_for_what_it_says)
{
    wsrt_filter *f;

    ck_assert_int_eq(wsrt_filter_new(&f, wsrt_span_cstr(filter_rows[_i].filter), NULL, NULL),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_filter_matches(f, wsrt_span_cstr("MODIFY"), wsrt_span_cstr(HOST)),
                     filter_rows[_i].holds);
    wsrt_filter_free(f);
}
END_TEST

static const struct {
    const char *filter;
    int status;
    size_t offset;
} bad_filters[] = {
    {"", WSRT_ERR_MALFORMED, 0},
    {"{\"a\":[1}", WSRT_ERR_MALFORMED, 7},
    {"[]", WSRT_ERR_REJECTED, 0},
    {"{\"a\":1}", WSRT_ERR_REJECTED, 5},
    {"{\"a\":[]}", WSRT_ERR_REJECTED, 5},
    {"{\"a\":[[]]}", WSRT_ERR_REJECTED, 6},
    {"{\"a\":[1e999]}", WSRT_ERR_REJECTED, 6},
    {"{\"a\":{}}", WSRT_ERR_REJECTED, 5},
    {"{\"a\":{\"gte\":\"1\"}}", WSRT_ERR_REJECTED, 13},
    {"{\"a\":{\"ge\":1}}", WSRT_ERR_REJECTED, 7},
    {"{\"a\":{\"gt\":1,\"gt\":2}}", WSRT_ERR_REJECTED, 14},
    {"{\"a\":[1],\"\\u0061\":[2]}", WSRT_ERR_REJECTED, 10},
};

START_TEST(a_filter_of_the_wrong_shape_is_refused_at_its_place)
{
    wsrt_filter *f = (wsrt_filter *)&f;
    wsrt_filter_error why = {0};

    ck_assert_int_eq(wsrt_filter_new(&f, wsrt_span_cstr(bad_filters[_i].filter), NULL, &why),
                     bad_filters[_i].status);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(why.offset, bad_filters[_i].offset);
    ck_assert_ptr_nonnull(why.text_cstr);
}
END_TEST

START_TEST(filters_have_caps)
{
    char text[9000] = "{\"a\":[0";
    wsrt_filter *f;

    for (int i = 1; i < 64; i++)
        snprintf(text + strlen(text), 8, ",%d", i);
    strcat(text, "]}");
    ck_assert_int_eq(wsrt_filter_new(&f, wsrt_span_cstr(text), NULL, NULL), WSRT_OK);
    wsrt_filter_free(f);
    strcpy(text + strlen(text) - 2, ",64]}");
    ck_assert_int_eq(wsrt_filter_new(&f, wsrt_span_cstr(text), NULL, NULL), WSRT_ERR_LIMIT);
    strcpy(text, "{");
    for (int i = 0; i < 17; i++)
        snprintf(text + strlen(text), 16, "%s\"m%d\":[1]", i == 0 ? "" : ",", i);
    strcat(text, "}");
    ck_assert_int_eq(wsrt_filter_new(&f, wsrt_span_cstr(text), NULL, NULL), WSRT_ERR_LIMIT);
    memset(text, ' ', sizeof text);
    ck_assert_int_eq(wsrt_filter_new(&f, (wsrt_span){text, 8193}, NULL, NULL), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(filters_that_ask_for_the_same_have_one_text)
{
    static const char *const pairs[][2] = {
        {"{ \"b\" : [2, 1, 2.0], \"a\":{\"lt\":2e0,\"gte\":-0} }",
         "{\"a\":{\"gte\":0,\"lt\":2},\"b\":[1,2]}"},
        {"{\"a\":[\"y\",\"\\u0078\",null,true]}", "{\"a\":[null,true,\"x\",\"y\"]}"},
    };

    for (size_t i = 0; i < 2; i++) {
        wsrt_filter *a, *b;
        ck_assert_int_eq(wsrt_filter_new(&a, wsrt_span_cstr(pairs[i][0]), NULL, NULL), WSRT_OK);
        ck_assert_int_eq(wsrt_filter_new(&b, wsrt_span_cstr(pairs[i][1]), NULL, NULL), WSRT_OK);
        ck_assert(wsrt_span_equal(wsrt_filter_text(a), wsrt_span_cstr(pairs[i][1])));
        ck_assert(wsrt_span_equal(wsrt_filter_text(a), wsrt_filter_text(b)));
        wsrt_filter_free(a);
        wsrt_filter_free(b);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("stream_filter");
    TCase *t = tcase_create("records and filters");

    tcase_add_test(t, a_record_is_read_with_its_images_and_time);
    tcase_add_test(t, records_that_are_no_change_are_passed_by);
    tcase_add_test(t, what_is_no_stream_event_is_refused);
    tcase_add_loop_test(t, attributes_become_plain_json, 0,
                        sizeof attribute_rows / sizeof attribute_rows[0]);
    tcase_add_loop_test(t, a_filter_holds_for_what_it_says, 0,
                        sizeof filter_rows / sizeof filter_rows[0]);
    tcase_add_loop_test(t, a_filter_of_the_wrong_shape_is_refused_at_its_place, 0,
                        sizeof bad_filters / sizeof bad_filters[0]);
    tcase_add_test(t, filters_have_caps);
    tcase_add_test(t, filters_that_ask_for_the_same_have_one_text);
    suite_add_tcase(s, t);
    return s;
}
