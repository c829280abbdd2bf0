/* The scenarios under mocks, and what only mocks can do to it. */
#include "chat.h"
#include "chat_fixture.h"
#include "dashboard.h"
#include "heap.h"
#include "stream_event.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN "{\"type\":\"auth\",\"data\":{\"action\":\"login\",\"token\":\"alice-token\"}}"
#define MESSAGE "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"hello\"}}"

static wsrt_static_auth *auth;
static wsrt_runtime *rt;
static struct mailboxes mail;

static void make_runtime(const wsrt_allocator *allocator)
{
    wsrt_authenticator who;
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .authenticator = &who};

    auth = chat_auth();
    wsrt_static_auth_interface(auth, &who);
    if (allocator != NULL)
        parts.allocator = *allocator;
    mail = (struct mailboxes){.generation = 1};
    ck_assert_int_eq(wsrt_mock_new(&mail.mock, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, mail.mock, &parts), WSRT_OK);
}

static void make(const wsrt_allocator *allocator, const chat_options *opts)
{
    make_runtime(allocator);
    ck_assert_int_eq(chat_add_routes(rt, opts), WSRT_OK);
}

static void setup(void)
{
    make(NULL, &(chat_options){.skip_sender = 1});
}

static void teardown(void)
{
    wsrt_runtime_free(rt);
    wsrt_mock_free(mail.mock);
    wsrt_static_auth_free(auth);
    rt = NULL;
    mail.mock = NULL;
    auth = NULL;
}

/* ---- the driver --------------------------------------------------------------------------- */

static int mock_connect(void *self, size_t client, const char *token)
{
    int status = wsrt_mock_connect(mail.mock, rt, mailbox_id(self, client), token);

    return status == 200 ? 0 : status;
}

static void mock_send(void *self, size_t client, const char *text)
{
    wsrt_mock_message(mail.mock, rt, mailbox_id(self, client), text);
}

static int mock_receive(void *self, size_t client, char *dst, size_t cap)
{
    return mailbox_receive(self, client, dst, cap);
}

static void mock_close(void *self, size_t client)
{
    wsrt_mock_disconnect(mail.mock, rt, mailbox_id(self, client), 1000);
}

static void mock_vanish(void *self, size_t client)
{
    wsrt_mock_open(mail.mock, mailbox_id(self, client), 0);
}

static uint64_t mock_records(void *self)
{
    (void)self;
    return chat_records(rt);
}

static void mock_publish(void *self, const char *updates)
{
    static char event[SCENARIO_MESSAGE];
    static uint64_t sequence;

    (void)self;
    stream_event(updates, &sequence, event, sizeof event);
    (void)wsrt_mock_stream(mail.mock, rt, event);
}

static const struct scenario_driver driver = {mock_connect, mock_send,    mock_receive, mock_close,
                                              mock_vanish,  mock_records, mock_publish};

START_TEST(the_chat_scenario_plays_under_mocks)
{
    printf("# lines played: %zu\n", scenario_play(scenario_path("chat"), &driver, &mail));
}
END_TEST

/* ---- the dashboard ------------------------------------------------------------------------ */

static void make_dashboard(const dashboard_options *more)
{
    wsrt_sender sender;
    dashboard_options opts = *more;

    teardown();
    make_runtime(NULL);
    wsrt_mock_sender(mail.mock, &sender);
    opts.sender = &sender;
    ck_assert_int_eq(dashboard_add_routes(rt, &opts, NULL), WSRT_OK);
}

START_TEST(the_dashboard_scenario_plays_under_mocks)
{
    make_dashboard(&(dashboard_options){0});
    printf("# lines played: %zu\n", scenario_play(scenario_path("dashboard"), &driver, &mail));
}
END_TEST

#define SUBSCRIBE "{\"type\":\"subscribe\",\"data\":{\"filter\":{}%s}}"

static const char *subscribe(const char *more)
{
    char text[128];

    snprintf(text, sizeof text, SUBSCRIBE, more);
    wsrt_mock_message(mail.mock, rt, "a", text);
    return wsrt_mock_last(mail.mock, "a");
}

START_TEST(a_dashboard_for_those_who_signed_in_takes_no_other_subscriber)
{
    make_dashboard(&(dashboard_options){.signed_in = 1});
    wsrt_mock_connect(mail.mock, rt, "a", NULL);
    ck_assert_ptr_nonnull(strstr(subscribe(""), "UNAUTHENTICATED_CONNECTION"));
    wsrt_mock_message(mail.mock, rt, "a", LOGIN);
    ck_assert_ptr_nonnull(strstr(subscribe(""), "\"subscribed\""));
}
END_TEST

START_TEST(a_dashboard_without_latest_values_says_that_it_has_no_snapshots)
{
    make_dashboard(&(dashboard_options){.stored = 1});
    wsrt_mock_connect(mail.mock, rt, "a", NULL);
    ck_assert_ptr_nonnull(strstr(subscribe(",\"snapshot\":true"), "NO_SNAPSHOT"));
    ck_assert_ptr_nonnull(strstr(subscribe(",\"snapshot\":false"), "\"subscribed\""));
}
END_TEST

START_TEST(a_connection_has_sixteen_subscriptions_and_hears_why_not_more)
{
    char text[128];

    make_dashboard(&(dashboard_options){0});
    wsrt_mock_connect(mail.mock, rt, "a", NULL);
    for (int i = 0; i < 17; i++) {
        snprintf(text, sizeof text,
                 "{\"type\":\"subscribe\",\"data\":{\"filter\":{\"entity_id\":[%d]}}}", i);
        wsrt_mock_advance(mail.mock, 1000000000);
        wsrt_mock_message(mail.mock, rt, "a", text);
        ck_assert_msg(strstr(wsrt_mock_last(mail.mock, "a"),
                             i < 16 ? "\"subscribed\"" : "TOO_MANY_FILTERS") != NULL,
                      "%s", wsrt_mock_last(mail.mock, "a"));
    }
}
END_TEST

/* ---- storing ------------------------------------------------------------------------------ */

static void sign_in(const char *id)
{
    ck_assert_int_eq(wsrt_mock_connect(mail.mock, rt, id, NULL), 200);
    ck_assert_int_eq(wsrt_mock_message(mail.mock, rt, id, LOGIN), 200);
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, id), "authenticated"));
    wsrt_mock_clear(mail.mock);
}

START_TEST(both_sides_of_a_message_are_stored)
{
    char text[4096];
    wsrt_cursor cursor = {0};
    wsrt_history_entry entries[4];
    size_t count = 0;
    wsrt_span session = wsrt_span_cstr("s1");
    const wsrt_history *history = wsrt_runtime_history(rt);

    for (size_t i = 0; i < 4; i++)
        entries[i].struct_size = sizeof entries[i];
    sign_in("a");
    wsrt_mock_message(
        mail.mock, rt, "a",
        "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"h\\u00e9\","
        "\"sessionId\":\"s1\"}}");
    ck_assert_int_eq(history->ops->list(history->self, &session, &cursor, 1, entries, 4, text,
                                        sizeof text, &count),
                     WSRT_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(entries[0].author, WSRT_AUTHOR_BOT);
    ck_assert(wsrt_span_equal(entries[0].content, wsrt_span_cstr("You said: h\xc3\xa9")));
    ck_assert_int_eq(entries[1].author, WSRT_AUTHOR_USER);
    ck_assert(wsrt_span_equal(entries[1].content, wsrt_span_cstr("h\xc3\xa9")));
    ck_assert(wsrt_span_equal(entries[1].user_id, wsrt_span_cstr("alice")));
    ck_assert_int_eq(entries[1].expires_at - entries[1].timestamp / 1000, 86400);
}
END_TEST

static const struct {
    uint64_t nth;
    size_t posts; /* before and with the error */
} broken_stores[] = {{1, 1}, {2, 3}};

START_TEST(nothing_is_acknowledged_when_storing_fails)
{
    sign_in("a");
    wsrt_mock_fail(mail.mock, WSRT_MOCK_HISTORY, broken_stores[_i].nth, WSRT_ERR_UNAVAILABLE, 0);
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    const char *last = wsrt_mock_last(mail.mock, "a");
    ck_assert_ptr_nonnull(strstr(last, "\"type\":\"DATABASE_ERROR\""));
    ck_assert_ptr_nonnull(strstr(last, "Database temporarily unavailable"));
    ck_assert_ptr_nonnull(strstr(last, "\"retryable\":true"));
    ck_assert_uint_eq(wsrt_mock_count(mail.mock, WSRT_MOCK_POST), broken_stores[_i].posts);
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), "chat_response"));
}
END_TEST

static int broken_responder(wsrt_context *ctx, wsrt_span message, chat_answer *to, void *user)
{
    (void)message, (void)to;
    return wsrt_fail(ctx, WSRT_ERR_TIMEOUT, NULL, user);
}

START_TEST(a_responder_that_fails_ends_the_typing_and_says_why)
{
    static char text[] = "The bot sleeps";

    teardown();
    make(NULL, &(chat_options){.responder = broken_responder, .user = text});
    sign_in("a");
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    ck_assert_uint_eq(wsrt_mock_count(mail.mock, WSRT_MOCK_POST), 3);
    wsrt_mock_record typing = {.struct_size = sizeof typing};
    wsrt_mock_get(mail.mock, WSRT_MOCK_POST, 1, &typing);
    ck_assert_ptr_nonnull(strstr(typing.data.ptr, "\"isTyping\":false"));
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), "TIMEOUT_ERROR"));
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), text));
}
END_TEST

/* ---- answers in parts --------------------------------------------------------------------- */

static wsrt_mock_record posted(size_t index)
{
    wsrt_mock_record r = {.struct_size = sizeof r};

    ck_assert_int_eq(wsrt_mock_get(mail.mock, WSRT_MOCK_POST, index, &r), WSRT_OK);
    return r;
}

static int has(size_t index, const char *part)
{
    return strstr(posted(index).data.ptr, part) != NULL;
}

static void make_streaming(void)
{
    teardown();
    make(NULL, &(chat_options){.stream = 1});
    sign_in("a");
}

START_TEST(a_streamed_answer_comes_in_numbered_chunks_of_one_message)
{
    static const char *const parts[] = {
        "\"isTyping\":true",  "\"content\":\"You said: \"", "\"content\":\"hello\"",
        "\"isTyping\":false", "\"content\":\"\"",
    };
    static const char *const ends[] = {"", "\"chunk\":0,\"final\":false",
                                       "\"chunk\":1,\"final\":false", "",
                                       "\"chunk\":2,\"final\":true"};

    make_streaming();
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    ck_assert_uint_eq(wsrt_mock_count(mail.mock, WSRT_MOCK_POST), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_msg(has(i, parts[i]) && has(i, ends[i]), "%s", posted(i).data.ptr);
    const char *id = strstr(posted(1).data.ptr, "\"messageId\":");
    for (size_t i = 2; i < 5; i += 2)
        ck_assert_mem_eq(strstr(posted(i).data.ptr, "\"messageId\":"), id, 50);
}
END_TEST

START_TEST(the_last_chunk_waits_until_the_whole_answer_is_stored)
{
    make_streaming();
    wsrt_mock_fail(mail.mock, WSRT_MOCK_HISTORY, 2, WSRT_ERR_UNAVAILABLE, 0);
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    ck_assert_uint_eq(wsrt_mock_count(mail.mock, WSRT_MOCK_POST), 5);
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), "DATABASE_ERROR"));
    for (size_t i = 0; i < 5; i++)
        ck_assert(!has(i, "\"final\":true"));
}
END_TEST

static wsrt_history_entry newest_of(const char *session_cstr, char *text, size_t cap)
{
    const wsrt_history *history = wsrt_runtime_history(rt);
    wsrt_history_entry entry = {.struct_size = sizeof entry};
    wsrt_cursor cursor = {0};
    wsrt_span session = wsrt_span_cstr(session_cstr);
    size_t count;

    ck_assert_int_eq(
        history->ops->list(history->self, &session, &cursor, 1, &entry, 1, text, cap, &count),
        WSRT_OK);
    ck_assert_uint_eq(count, 1);
    return entry;
}

START_TEST(the_history_holds_a_streamed_answer_as_one_message)
{
    char text[1024];

    make_streaming();
    wsrt_mock_message(mail.mock, rt, "a",
                      "{\"type\":\"message\",\"data\":{\"action\":\"send\",\"message\":\"hello\","
                      "\"sessionId\":\"s1\"}}");
    wsrt_history_entry bot = newest_of("s1", text, sizeof text);
    ck_assert_int_eq(bot.author, WSRT_AUTHOR_BOT);
    ck_assert(wsrt_span_equal(bot.content, wsrt_span_cstr("You said: hello")));
    ck_assert(has(4, "\"final\":true"));
    ck_assert_mem_eq(strstr(posted(4).data.ptr, "\"messageId\":") + 13, bot.message_id.ptr,
                     bot.message_id.len);
}
END_TEST

static int patient_responder(wsrt_context *ctx, wsrt_span message, chat_answer *to, void *user)
{
    int *said = user;

    (void)ctx, (void)message;
    for (int rc; *said < 10; ++*said)
        if ((rc = chat_say(to, wsrt_span_cstr("word "))) != WSRT_OK)
            return rc;
    return WSRT_OK;
}

START_TEST(a_responder_hears_that_its_reader_has_left)
{
    int said = 0;

    teardown();
    make(NULL, &(chat_options){.stream = 1, .responder = patient_responder, .user = &said});
    sign_in("a");
    wsrt_mock_script(mail.mock, "a", WSRT_ERR_GONE, 0);
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    ck_assert_int_eq(said, 0);
    ck_assert_uint_eq(chat_records(rt), 0);
}
END_TEST

/* ---- rates -------------------------------------------------------------------------------- */

START_TEST(a_route_has_a_rate_of_its_own)
{
    teardown();
    make(NULL, &(chat_options){.message_rate = {.rate = 1, .burst = 2}});
    sign_in("a");
    for (int i = 0; i < 3; i++)
        wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    const char *last = wsrt_mock_last(mail.mock, "a");
    ck_assert_ptr_nonnull(strstr(last, "\"type\":\"RATE_LIMIT_ERROR\""));
    ck_assert_ptr_nonnull(strstr(last, "\"retryAfter\""));
    wsrt_mock_message(mail.mock, rt, "a", "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}");
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), "pong"));
    wsrt_mock_advance(mail.mock, 1000000000);
    wsrt_mock_message(mail.mock, rt, "a", MESSAGE);
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), "chat_response"));
}
END_TEST

START_TEST(a_broadcast_comes_back_to_its_sender_unless_told_otherwise)
{
    teardown();
    make(NULL, NULL);
    sign_in("a");
    wsrt_mock_message(
        mail.mock, rt, "a",
        "{\"type\":\"message\",\"data\":{\"action\":\"broadcast\",\"message\":\"x\"}}");
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, "a"), "\"from\":\"alice\""));
}
END_TEST

START_TEST(no_line_of_the_log_holds_a_token_or_a_message)
{
    wsrt_mock_record r = {.struct_size = sizeof r};
    size_t lines = 0;

    scenario_play(scenario_path("chat"), &driver, &mail);
    for (; wsrt_mock_get(mail.mock, WSRT_MOCK_LOG, lines, &r) == WSRT_OK; lines++)
        for (size_t i = 0; i < r.field_count; i++) {
            ck_assert_ptr_null(strstr(r.fields[i].text.ptr, "-token"));
            ck_assert_ptr_null(strstr(r.fields[i].text.ptr, "hello"));
        }
    ck_assert_uint_ge(lines, 7); /* connects and disconnects at least */
}
END_TEST

/* ---- allocations -------------------------------------------------------------------------- */

/* A new client signs in and gets an answer. */
static void check_service(void)
{
    mail.generation++;
    const char *id = mailbox_id(&mail, 0);

    wsrt_mock_clear(mail.mock);
    ck_assert_int_eq(wsrt_mock_connect(mail.mock, rt, id, NULL), 200);
    wsrt_mock_message(mail.mock, rt, id, LOGIN);
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, id), "authenticated"));
    wsrt_mock_message(mail.mock, rt, id, MESSAGE);
    ck_assert_ptr_nonnull(strstr(wsrt_mock_last(mail.mock, id), "You said: hello"));
    ck_assert_int_eq(wsrt_mock_disconnect(mail.mock, rt, id, 1000), 200);
}

static int storm(struct heap *heap, size_t n, int sticky)
{
    heap_arm(heap, 0, 0);
    make(&heap->allocator, &(chat_options){.skip_sender = 1});
    heap_arm(heap, n, sticky);
    scenario_storm(scenario_path("chat"), &driver, &mail);
    int tripped = heap->tripped;
    heap_arm(heap, 0, 0);
    wsrt_mock_advance(mail.mock, 120000000000);
    check_service();
    teardown();
    ck_assert_uint_eq(heap->live, 0);
    return tripped;
}

START_TEST(whatever_allocation_fails_nothing_leaks_and_later_messages_work)
{
    struct heap heap;

    teardown();
    heap_init(&heap);
    for (size_t n = 1; storm(&heap, n, _i); n++)
        heap.points++;
    printf("# allocation points: %zu (%s)\n", heap.points, _i ? "sticky" : "once");
    ck_assert_uint_ge(heap.points, 40); /* set-up and stores: an ordinary event allocates nothing */
    setup();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("scenario_mock");
    TCase *t = tcase_create("scenario_mock");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_chat_scenario_plays_under_mocks);
    tcase_add_test(t, the_dashboard_scenario_plays_under_mocks);
    tcase_add_test(t, a_dashboard_for_those_who_signed_in_takes_no_other_subscriber);
    tcase_add_test(t, a_dashboard_without_latest_values_says_that_it_has_no_snapshots);
    tcase_add_test(t, a_connection_has_sixteen_subscriptions_and_hears_why_not_more);
    tcase_add_test(t, both_sides_of_a_message_are_stored);
    tcase_add_loop_test(t, nothing_is_acknowledged_when_storing_fails, 0, 2);
    tcase_add_test(t, a_responder_that_fails_ends_the_typing_and_says_why);
    tcase_add_test(t, a_streamed_answer_comes_in_numbered_chunks_of_one_message);
    tcase_add_test(t, the_last_chunk_waits_until_the_whole_answer_is_stored);
    tcase_add_test(t, the_history_holds_a_streamed_answer_as_one_message);
    tcase_add_test(t, a_responder_hears_that_its_reader_has_left);
    tcase_add_test(t, a_route_has_a_rate_of_its_own);
    tcase_add_test(t, a_broadcast_comes_back_to_its_sender_unless_told_otherwise);
    tcase_add_test(t, no_line_of_the_log_holds_a_token_or_a_message);
    tcase_add_loop_test(t, whatever_allocation_fails_nothing_leaks_and_later_messages_work, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
