#include "guarded.h"
#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/message.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SPAN(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define TEXT(literal) ((wsrt_span)SPAN(literal))

static char out[1024];

static void expect_json(const char *want, int rc, size_t len)
{
    ck_assert_int_eq(rc, WSRT_OK);
    ck_assert_str_eq(out, want);
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_int_eq(wsrt_json_parse(NULL, (wsrt_span){out, len}, NULL), WSRT_OK);
}

START_TEST(a_notice_has_a_text_of_its_own_or_the_callers)
{
    static const struct {
        int event;
        wsrt_span message;
        const char *text;
    } rows[] = {
        {WSRT_SYSTEM_CONNECTED, {0}, "\"connected\",\"message\":\"Connected\""},
        {WSRT_SYSTEM_AUTHENTICATED, {0}, "\"authenticated\",\"message\":\"Authenticated\""},
        {WSRT_SYSTEM_SUBSCRIBED, {0}, "\"subscribed\",\"message\":\"Subscribed\""},
        {WSRT_SYSTEM_UNSUBSCRIBED, {0}, "\"unsubscribed\",\"message\":\"Unsubscribed\""},
        {WSRT_SYSTEM_DRAINING, SPAN("bye \"all\""), "\"draining\",\"message\":\"bye \\\"all\\\"\""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_system_message m = {.struct_size = sizeof m,
                                 .event = rows[i].event,
                                 .timestamp = 1795168800123,
                                 .correlation_id = TEXT("c-1"),
                                 .message = rows[i].message};
        char want[256] = "{\"type\":\"system\",\"data\":{\"event\":";
        size_t len;
        strcat(strcat(want, rows[i].text),
               "},\"timestamp\":1795168800123,\"correlationId\":\"c-1\"}");
        int rc = wsrt_system_message_write(&m, out, sizeof out, &len);
        expect_json(want, rc, len);
    }
}
END_TEST

START_TEST(only_the_authenticated_notice_names_user_and_connection)
{
    wsrt_system_message m = {.struct_size = sizeof m,
                             .event = WSRT_SYSTEM_AUTHENTICATED,
                             .timestamp = 1,
                             .correlation_id = TEXT("c"),
                             .message = TEXT("hi"),
                             .user_id = TEXT("u"),
                             .connection_id = TEXT("k=")};
    size_t len;

    int rc = wsrt_system_message_write(&m, out, sizeof out, &len);
    expect_json(
        "{\"type\":\"system\",\"data\":{\"event\":\"authenticated\",\"message\":\"hi\","
        "\"userId\":\"u\",\"connectionId\":\"k=\"},\"timestamp\":1,\"correlationId\":\"c\"}",
        rc, len);
    m.event = WSRT_SYSTEM_CONNECTED;
    rc = wsrt_system_message_write(&m, out, sizeof out, &len);
    expect_json("{\"type\":\"system\",\"data\":{\"event\":\"connected\",\"message\":\"hi\"},"
                "\"timestamp\":1,\"correlationId\":\"c\"}",
                rc, len);
}
END_TEST

START_TEST(a_pong_names_the_connection)
{
    wsrt_pong_message m = {.struct_size = sizeof m,
                           .timestamp = 5,
                           .correlation_id = TEXT("c"),
                           .connection_id = TEXT("abc=")};
    size_t len;

    int rc = wsrt_pong_message_write(&m, out, sizeof out, &len);
    expect_json("{\"type\":\"pong\",\"data\":{\"connectionId\":\"abc=\"},\"timestamp\":5,"
                "\"correlationId\":\"c\"}",
                rc, len);
}
END_TEST

START_TEST(a_typing_indicator_is_on_or_off)
{
    wsrt_typing_message m = {.struct_size = sizeof m,
                             .is_typing = 1,
                             .timestamp = 5,
                             .correlation_id = TEXT("c"),
                             .session_id = TEXT("s-1")};
    size_t len;

    int rc = wsrt_typing_message_write(&m, out, sizeof out, &len);
    expect_json("{\"type\":\"typing_indicator\",\"data\":{\"isTyping\":true,\"sessionId\":\"s-1\"},"
                "\"timestamp\":5,\"correlationId\":\"c\"}",
                rc, len);
    m.is_typing = 0;
    wsrt_typing_message_write(&m, out, sizeof out, &len);
    ck_assert_ptr_nonnull(strstr(out, "\"isTyping\":false"));
    m.is_typing = 2;
    ck_assert_int_eq(wsrt_typing_message_write(&m, out, sizeof out, &len), WSRT_ERR_INVALID);
}
END_TEST

static wsrt_chat_response chat(void)
{
    return (wsrt_chat_response){.struct_size = sizeof(wsrt_chat_response),
                                .timestamp = 9,
                                .correlation_id = TEXT("c"),
                                .content = TEXT("a\"b\n\xc3\xa9"),
                                .session_id = TEXT("s"),
                                .message_id = TEXT("m")};
}

START_TEST(a_chat_response_carries_content_and_ids)
{
    wsrt_chat_response m = chat();
    size_t len;

    int rc = wsrt_chat_response_write(&m, out, sizeof out, &len);
    expect_json("{\"type\":\"chat_response\",\"data\":{\"content\":\"a\\\"b\\n\xc3\xa9\","
                "\"sessionId\":\"s\",\"messageId\":\"m\"},\"timestamp\":9,\"correlationId\":\"c\"}",
                rc, len);
}
END_TEST

START_TEST(a_streamed_part_is_numbered_and_the_last_one_says_so)
{
    wsrt_chat_response m = chat();
    size_t len;

    m.flags = WSRT_CHAT_CHUNKED;
    m.chunk = UINT64_MAX;
    m.content = TEXT("");
    m.metadata = TEXT(" {\"from\":[1]} ");
    int rc = wsrt_chat_response_write(&m, out, sizeof out, &len);
    expect_json("{\"type\":\"chat_response\",\"data\":{\"content\":\"\",\"sessionId\":\"s\","
                "\"messageId\":\"m\",\"metadata\":{\"from\":[1]},\"chunk\":18446744073709551615,"
                "\"final\":false},\"timestamp\":9,\"correlationId\":\"c\"}",
                rc, len);
    m.flags |= WSRT_CHAT_FINAL;
    wsrt_chat_response_write(&m, out, sizeof out, &len);
    ck_assert_ptr_nonnull(strstr(out, "\"final\":true"));
}
END_TEST

START_TEST(metadata_that_is_no_object_is_refused)
{
    static const wsrt_span rows[] = {SPAN("1"),    SPAN("[]"), SPAN("{"),
                                     SPAN("{}{}"), SPAN(" "),  SPAN("{\"a\":\"\xff\"}"),
                                     SPAN("null")};
    wsrt_chat_response m = chat();

    for (size_t i = 0; i < COUNT(rows); i++) {
        m.metadata = rows[i];
        ck_assert_int_eq(wsrt_chat_response_write(&m, out, sizeof out, NULL), WSRT_ERR_MALFORMED);
    }
}
END_TEST

START_TEST(a_slots_content_is_copied_with_its_escapes)
{
    wsrt_chat_response m = chat();
    size_t len;

    m.flags = WSRT_CHAT_CONTENT_JSON;
    m.content = TEXT("\\u0041\\n\\ud83d\\ude00\xf0\x9f\x98\x80\\\"");
    int rc = wsrt_chat_response_write(&m, out, sizeof out, &len);
    expect_json("{\"type\":\"chat_response\",\"data\":{\"content\":\"\\u0041\\n\\ud83d\\ude00"
                "\xf0\x9f\x98\x80\\\"\",\"sessionId\":\"s\",\"messageId\":\"m\"},\"timestamp\":9,"
                "\"correlationId\":\"c\"}",
                rc, len);
}
END_TEST

START_TEST(slot_content_that_would_break_out_of_its_string_is_refused)
{
    static const wsrt_span rows[] = {SPAN("\""),      SPAN("a\",\"x\":\"b"), SPAN("\\"),
                                     SPAN("a\\"),     SPAN("\\x"),           SPAN("\\u12"),
                                     SPAN("\\ud800"), SPAN("\\udc00"),       SPAN("\n"),
                                     SPAN("\0"),      SPAN("\xff"),          SPAN("\xe2\x82")};
    wsrt_chat_response m = chat();

    m.flags = WSRT_CHAT_CONTENT_JSON;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy = guarded_copy(rows[i].ptr, rows[i].len);
        m.content = (wsrt_span){copy, rows[i].len};
        ck_assert_int_eq(wsrt_chat_response_write(&m, out, sizeof out, NULL), WSRT_ERR_MALFORMED);
        guarded_free(copy, rows[i].len);
    }
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
    wsrt_chat_response m = chat();
    wsrt_pong_message pong = {.struct_size = sizeof pong, .connection_id = TEXT("\xff")};

    m.content = TEXT("\xc0\x80");
    ck_assert_int_eq(wsrt_chat_response_write(&m, out, sizeof out, NULL), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_pong_message_write(&pong, out, sizeof out, NULL), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(every_buffer_size_is_served)
{
    wsrt_chat_response m = chat();
    size_t need, len;

    ck_assert_int_eq(wsrt_chat_response_write(&m, NULL, 0, &need), WSRT_ERR_LIMIT);
    for (size_t cap = 0; cap <= need + 1; cap++) {
        char *room = guarded_copy(out, cap);
        ck_assert_int_eq(wsrt_chat_response_write(&m, room, cap, &len),
                         cap < need ? WSRT_ERR_LIMIT : WSRT_OK);
        ck_assert_uint_eq(len, need);
        if (cap > need)
            ck_assert_int_eq(room[need], '\0');
        guarded_free(room, cap);
    }
}
END_TEST

START_TEST(misuse_is_named)
{
    wsrt_system_message system = {.struct_size = sizeof system, .event = WSRT_SYSTEM_DRAINING};
    wsrt_pong_message pong = {.struct_size = sizeof pong};
    wsrt_typing_message typing = {.struct_size = sizeof typing};
    wsrt_chat_response m = chat();

    ck_assert_int_eq(wsrt_system_message_write(NULL, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_pong_message_write(NULL, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_typing_message_write(NULL, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_chat_response_write(NULL, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_pong_message_write(&pong, NULL, 8, NULL), WSRT_ERR_INVALID);
    for (int event = -1; event <= 6; event++) {
        system.event = event;
        ck_assert_int_eq(wsrt_system_message_write(&system, out, sizeof out, NULL),
                         event >= 1 && event <= 5 ? WSRT_OK : WSRT_ERR_INVALID);
    }
    pong.flags = 1;
    ck_assert_int_eq(wsrt_pong_message_write(&pong, out, sizeof out, NULL), WSRT_ERR_INVALID);
    m.flags = 8;
    ck_assert_int_eq(wsrt_chat_response_write(&m, out, sizeof out, NULL), WSRT_ERR_INVALID);
    m.flags = WSRT_CHAT_FINAL;
    ck_assert_int_eq(wsrt_chat_response_write(&m, out, sizeof out, NULL), WSRT_ERR_INVALID);
    typing.struct_size = m.struct_size = pong.struct_size = system.struct_size = 8;
    m.flags = pong.flags = 0;
    system.event = 1;
    ck_assert_int_eq(wsrt_typing_message_write(&typing, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_chat_response_write(&m, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_pong_message_write(&pong, out, sizeof out, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_system_message_write(&system, out, sizeof out, NULL), WSRT_ERR_INVALID);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("message");
    TCase *t = tcase_create("message");

    tcase_add_test(t, a_notice_has_a_text_of_its_own_or_the_callers);
    tcase_add_test(t, only_the_authenticated_notice_names_user_and_connection);
    tcase_add_test(t, a_pong_names_the_connection);
    tcase_add_test(t, a_typing_indicator_is_on_or_off);
    tcase_add_test(t, a_chat_response_carries_content_and_ids);
    tcase_add_test(t, a_streamed_part_is_numbered_and_the_last_one_says_so);
    tcase_add_test(t, metadata_that_is_no_object_is_refused);
    tcase_add_test(t, a_slots_content_is_copied_with_its_escapes);
    tcase_add_test(t, slot_content_that_would_break_out_of_its_string_is_refused);
    tcase_add_test(t, text_that_is_not_utf8_is_refused);
    tcase_add_test(t, every_buffer_size_is_served);
    tcase_add_test(t, misuse_is_named);
    suite_add_tcase(s, t);
    return s;
}
