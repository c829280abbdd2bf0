#include "suite.h"

#include <wsrt/store.h>

#include <stddef.h>
#include <string.h>

#define COUNT(a) (int)(sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){(s), sizeof(s) - 1})

static char text[WSRT_LATEST_VALUE_MAX + 1];

static wsrt_record record(void)
{
    return (wsrt_record){.struct_size = sizeof(wsrt_record), .connection_id = TEXT("c-1")};
}

static wsrt_history_entry message(void)
{
    return (wsrt_history_entry){.struct_size = sizeof(wsrt_history_entry),
                                .author = WSRT_AUTHOR_USER,
                                .message_id = TEXT("m"),
                                .session_id = TEXT("s")};
}

static wsrt_latest_entry value(void)
{
    return (wsrt_latest_entry){.struct_size = sizeof(wsrt_latest_entry), .key = TEXT("k")};
}

static int load_record(const void *given)
{
    wsrt_record out = {.struct_size = sizeof out};

    return wsrt_record_load(&out, given);
}

static int load_message(const void *given)
{
    wsrt_history_entry out = {.struct_size = sizeof out};

    return wsrt_history_entry_load(&out, given);
}

static int load_value(const void *given)
{
    wsrt_latest_entry out = {.struct_size = sizeof out};

    return wsrt_latest_entry_load(&out, given);
}

enum { RECORD, MESSAGE, VALUE };

static const struct {
    int kind;
    size_t offset;
    size_t least;
    size_t most;
} fields[] = {
    {RECORD, offsetof(wsrt_record, connection_id), 1, 128},
    {RECORD, offsetof(wsrt_record, user_id), 0, 255},
    {RECORD, offsetof(wsrt_record, principal), 0, 2048},
    {RECORD, offsetof(wsrt_record, source_ip), 0, 63},
    {RECORD, offsetof(wsrt_record, filters), 0, 8192},
    {RECORD, offsetof(wsrt_record, node), 0, 63},
    {MESSAGE, offsetof(wsrt_history_entry, message_id), 1, 128},
    {MESSAGE, offsetof(wsrt_history_entry, session_id), 1, 128},
    {MESSAGE, offsetof(wsrt_history_entry, connection_id), 0, 128},
    {MESSAGE, offsetof(wsrt_history_entry, user_id), 0, 255},
    {MESSAGE, offsetof(wsrt_history_entry, content), 0, 65536},
    {VALUE, offsetof(wsrt_latest_entry, key), 1, 255},
    {VALUE, offsetof(wsrt_latest_entry, value), 0, 131072},
};

/* What is said of a good struct with this field changed. */
static int with_field(int i, wsrt_span to)
{
    union {
        wsrt_record record;
        wsrt_history_entry message;
        wsrt_latest_entry value;
        char bytes[1];
    } it;

    if (fields[i].kind == RECORD)
        it.record = record();
    else if (fields[i].kind == MESSAGE)
        it.message = message();
    else
        it.value = value();
    memcpy(it.bytes + fields[i].offset, &to, sizeof to);
    return fields[i].kind == RECORD    ? load_record(&it)
           : fields[i].kind == MESSAGE ? load_message(&it)
                                       : load_value(&it);
}

START_TEST(each_text_has_the_length_its_field_allows)
{
    size_t least = fields[_i].least, most = fields[_i].most;

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(with_field(_i, (wsrt_span){text, least}), WSRT_OK);
    ck_assert_int_eq(with_field(_i, (wsrt_span){text, most}), WSRT_OK);
    ck_assert_int_eq(with_field(_i, (wsrt_span){text, most + 1}), WSRT_ERR_INVALID);
    ck_assert_int_eq(with_field(_i, (wsrt_span){NULL, 1}), WSRT_ERR_INVALID);
    ck_assert_int_eq(with_field(_i, (wsrt_span){NULL, 0}), least == 0 ? WSRT_OK : WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_record_has_an_id_that_may_cross_an_interface)
{
    wsrt_record r = record();

    r.connection_id = TEXT("not an id");
    ck_assert_int_eq(load_record(&r), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_user_agent_is_cut_before_the_character_that_is_too_much)
{
    wsrt_record r = record(), out = {.struct_size = sizeof out};

    memset(text, 'x', 300);
    memcpy(text + 253, "\xe2\x82\xac", 3);
    r.user_agent = (wsrt_span){text, 300};
    ck_assert_int_eq(wsrt_record_load(&out, &r), WSRT_OK);
    ck_assert_uint_eq(out.user_agent.len, 253);
    r.user_agent.len = 255;
    ck_assert_int_eq(wsrt_record_load(&out, &r), WSRT_OK);
    ck_assert_uint_eq(out.user_agent.len, 255);
    r.user_agent.ptr = NULL;
    ck_assert_int_eq(wsrt_record_load(&out, &r), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_message_is_a_users_or_a_bots)
{
    wsrt_history_entry m = message();

    m.author = WSRT_AUTHOR_BOT;
    ck_assert_int_eq(load_message(&m), WSRT_OK);
    m.author = 0;
    ck_assert_int_eq(load_message(&m), WSRT_ERR_INVALID);
    m.author = 3;
    ck_assert_int_eq(load_message(&m), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(flags_that_nobody_knows_are_refused)
{
    wsrt_record r = record();
    wsrt_latest_entry v = value();

    r.flags = 1;
    ck_assert_int_eq(load_record(&r), WSRT_ERR_UNSUPPORTED);
    v.flags = WSRT_LATEST_REMOVED;
    ck_assert_int_eq(load_value(&v), WSRT_OK);
    v.flags = 2;
    ck_assert_int_eq(load_value(&v), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(nothing_and_structs_of_no_release_are_refused)
{
    wsrt_record r = record(), out = {.struct_size = 8};

    ck_assert_int_eq(load_record(NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(load_message(NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(load_value(NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_record_load(NULL, &r), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_record_load(&out, &r), WSRT_ERR_INVALID);
    r.struct_size = 8;
    ck_assert_int_eq(load_record(&r), WSRT_ERR_INVALID);
}
END_TEST

/* A record of a release that has one member more. */
struct later {
    wsrt_record known;
    uint64_t more;
};

START_TEST(a_store_of_a_later_release_gets_what_the_caller_has_and_zeroes)
{
    wsrt_record r = record();
    struct later out = {.known.struct_size = sizeof out, .more = 7};
    struct later in = {.known = r, .more = 5};

    ck_assert_int_eq(wsrt_record_load(&out.known, &r), WSRT_OK);
    ck_assert_uint_eq(out.known.struct_size, sizeof out);
    ck_assert_uint_eq(out.more, 0);
    in.known.struct_size = sizeof in;
    ck_assert_int_eq(wsrt_record_load(&out.known, &in.known), WSRT_OK);
    ck_assert_uint_eq(out.more, 5);
}
END_TEST

START_TEST(a_store_of_an_earlier_release_is_told_what_it_cannot_keep)
{
    struct later in = {.known = record()};

    in.known.struct_size = sizeof in;
    ck_assert_int_eq(load_record(&in.known), WSRT_OK);
    in.more = 1;
    ck_assert_int_eq(load_record(&in.known), WSRT_ERR_UNSUPPORTED);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("store_rules");
    TCase *t = tcase_create("rules");

    tcase_add_loop_test(t, each_text_has_the_length_its_field_allows, 0, COUNT(fields));
    tcase_add_test(t, a_record_has_an_id_that_may_cross_an_interface);
    tcase_add_test(t, a_user_agent_is_cut_before_the_character_that_is_too_much);
    tcase_add_test(t, a_message_is_a_users_or_a_bots);
    tcase_add_test(t, flags_that_nobody_knows_are_refused);
    tcase_add_test(t, nothing_and_structs_of_no_release_are_refused);
    tcase_add_test(t, a_store_of_a_later_release_gets_what_the_caller_has_and_zeroes);
    tcase_add_test(t, a_store_of_an_earlier_release_is_told_what_it_cannot_keep);
    suite_add_tcase(s, t);
    return s;
}
