#include "heap.h"
#include "suite.h"

#include <wsrt/resume.h>

#include "base/hash.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT(literal) ((wsrt_span){literal, sizeof(literal) - 1})
#define MS INT64_C(1000000)

static struct heap heap;
static wsrt_resume *r;
static int64_t now, wall;
static unsigned char entropy;

static int64_t fake_now(void *user)
{
    (void)user;
    return now;
}

static int64_t fake_wall(void *user)
{
    (void)user;
    return wall;
}

static int fake_random(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, ++entropy, len);
    return WSRT_OK;
}

static const wsrt_env env = {
    .struct_size = sizeof env, .now = fake_now, .wall = fake_wall, .random = fake_random};

static wsrt_resume_options options(void)
{
    return (wsrt_resume_options){
        .struct_size = sizeof(wsrt_resume_options), .allocator = heap.allocator, .env = &env};
}

static void make(wsrt_resume_options o)
{
    wsrt_resume_free(r);
    ck_assert_int_eq(wsrt_resume_new(&r, &o), WSRT_OK);
}

/* ---- what a client gets ---- */

struct line {
    char to[16];
    char text[64];
};
static struct line lines[256];
static size_t line_count;
static int answer; /* of the sender */

static int take(const wsrt_span *id, wsrt_span message, void *user)
{
    struct line *l = &lines[line_count % COUNT(lines)];

    (void)user;
    if (answer != WSRT_OK)
        return answer;
    snprintf(l->to, sizeof l->to, "%.*s", (int)id->len, id->ptr);
    snprintf(l->text, sizeof l->text, "%.*s", (int)message.len, message.ptr);
    line_count++;
    return WSRT_OK;
}

static int post(const char *to, const char *message)
{
    return wsrt_resume_post(r, wsrt_span_cstr(to), wsrt_span_cstr(message), take, NULL);
}

static void post_numbers(const char *to, int from, int until)
{
    char text[32];

    for (int i = from; i <= until; i++) {
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        ck_assert_int_eq(post(to, text), WSRT_OK);
    }
}

/* The lines are numbers `from` to `until` of a session, and went to this connection. */
static void expect_numbers(const char *to, int from, int until)
{
    char text[64];

    ck_assert_int_eq((int)line_count, until - from + 1);
    for (int i = from; i <= until; i++) {
        snprintf(text, sizeof text, "{\"seq\":%d,\"n\":%d}", i, i);
        ck_assert_str_eq(lines[i - from].text, text);
        ck_assert_str_eq(lines[i - from].to, to);
    }
    line_count = 0;
}

static wsrt_resume_result open_only(const char *connection, const char *user, const char *token,
                                    uint64_t last)
{
    wsrt_resume_result result = {.struct_size = sizeof result};
    wsrt_resume_request q = {.struct_size = sizeof q,
                             .connection_id = wsrt_span_cstr(connection),
                             .user_id = wsrt_span_cstr(user),
                             .token = wsrt_span_cstr(token),
                             .last = last};

    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_OK);
    return result;
}

static int replay(const char *connection)
{
    return wsrt_resume_replay(r, wsrt_span_cstr(connection), take, NULL);
}

/* The client of a new session has heard of it, too. */
static wsrt_resume_result open_as(const char *connection, const char *user, const char *token,
                                  uint64_t last)
{
    wsrt_resume_result result = open_only(connection, user, token, last);

    if (result.reason != WSRT_RESUME_RESUMED)
        ck_assert_int_eq(replay(connection), WSRT_OK);
    return result;
}

static int closed(const char *connection, int code)
{
    return wsrt_resume_closed(r, wsrt_span_cstr(connection), code);
}

static wsrt_resume_stats stats(void)
{
    wsrt_resume_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_resume_get_stats(r, &s), WSRT_OK);
    return s;
}

static void setup(void)
{
    heap_init(&heap);
    now = 0;
    wall = 1795168800000;
    entropy = 0;
    line_count = 0;
    answer = WSRT_OK;
    r = NULL;
    make(options());
}

static void teardown(void)
{
    wsrt_resume_free(r);
    ck_assert_uint_eq(heap.live, 0);
}

/* ---- numbers ---- */

START_TEST(messages_of_a_session_are_numbered_from_1)
{
    open_as("a", "ann", "", 0);
    post_numbers("a", 1, 12);
    expect_numbers("a", 1, 12);
}
END_TEST

START_TEST(an_object_keeps_its_members_and_an_empty_one_gets_one)
{
    static const char *const rows[][2] = {
        {"{}", "{\"seq\":1}"},
        {"{ }", "{\"seq\":2 }"},
        {" {\"a\":{}}", "{\"seq\":3,\"a\":{}}"},
        {"{\n\"a\":1}", "{\"seq\":4,\n\"a\":1}"},
    };

    open_as("a", "ann", "", 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_int_eq(post("a", rows[i][0]), WSRT_OK);
        ck_assert_str_eq(lines[i].text, rows[i][1]);
    }
}
END_TEST

START_TEST(nothing_is_sent_before_the_client_has_heard_of_its_session)
{
    ck_assert_uint_eq(open_only("a", "ann", "", 0).missed, 0);
    post_numbers("a", 1, 2);
    ck_assert_uint_eq(line_count, 0);
    ck_assert_int_eq(replay("a"), WSRT_OK);
    expect_numbers("a", 1, 2);
    post_numbers("a", 3, 3);
    ck_assert_str_eq(lines[0].text, "{\"seq\":3,\"n\":3}");
}
END_TEST

START_TEST(what_is_no_object_or_has_no_session_is_not_sent)
{
    ck_assert_int_eq(post("a", "{}"), WSRT_ERR_NOT_FOUND);
    open_as("a", "ann", "", 0);
    ck_assert_int_eq(post("a", "[1]"), WSRT_ERR_INVALID);
    ck_assert_int_eq(post("a", "  "), WSRT_ERR_INVALID);
    ck_assert_int_eq(post("b", "{}"), WSRT_ERR_NOT_FOUND);
    ck_assert_uint_eq(line_count, 0);
}
END_TEST

START_TEST(a_post_that_is_refused_leaves_no_number_behind)
{
    open_as("a", "ann", "", 0);
    answer = WSRT_ERR_THROTTLED;
    ck_assert_int_eq(post("a", "{\"n\":1}"), WSRT_ERR_THROTTLED);
    answer = WSRT_OK;
    post_numbers("a", 1, 2);
    expect_numbers("a", 1, 2);
    ck_assert_uint_eq(stats().bytes, 2 * strlen("{\"seq\":1,\"n\":1}"));
}
END_TEST

/* ---- coming back ---- */

START_TEST(who_comes_back_is_told_what_it_missed_in_order)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    ck_assert_int_eq(first.reason, WSRT_RESUME_NEW);
    post_numbers("a", 1, 5);
    expect_numbers("a", 1, 5);
    ck_assert_int_eq(closed("a", 1006), 1);
    post_numbers("a", 6, 8);
    ck_assert_uint_eq(line_count, 0);

    wsrt_resume_result again = open_as("b", "ann", first.token, 3);
    ck_assert_int_eq(again.reason, WSRT_RESUME_RESUMED);
    ck_assert_uint_eq(again.seq, 8);
    ck_assert_uint_eq(again.missed, 5);
    ck_assert_str_eq(again.old_connection_id, "a");
    ck_assert_int_eq(replay("b"), WSRT_OK);
    expect_numbers("b", 4, 8);
    post_numbers("b", 9, 9);
    expect_numbers("b", 9, 9);
    ck_assert_int_eq(post("a", "{}"), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(what_is_posted_before_the_replay_comes_behind_it)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    post_numbers("a", 1, 2);
    line_count = 0;
    open_as("b", "ann", first.token, 0);
    post_numbers("b", 3, 4);
    ck_assert_uint_eq(line_count, 0);
    ck_assert_int_eq(replay("b"), WSRT_OK);
    expect_numbers("b", 1, 4);
}
END_TEST

START_TEST(a_replay_that_is_cut_off_is_told_the_next_time)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0), again;

    post_numbers("a", 1, 3);
    closed("a", 1006);
    again = open_as("b", "ann", first.token, 0);
    answer = WSRT_ERR_GONE;
    ck_assert_int_eq(replay("b"), WSRT_ERR_GONE);
    ck_assert_uint_eq(stats().waiting, 1);
    answer = WSRT_OK;
    line_count = 0;
    again = open_as("c", "ann", again.token, 0);
    ck_assert_int_eq(again.reason, WSRT_RESUME_RESUMED);
    ck_assert_str_eq(again.old_connection_id, "b");
    replay("c");
    expect_numbers("c", 1, 3);
}
END_TEST

START_TEST(a_session_moves_while_its_connection_is_still_open)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    post_numbers("a", 1, 2);
    line_count = 0;
    wsrt_resume_result again = open_as("b", "ann", first.token, 2);
    ck_assert_int_eq(again.reason, WSRT_RESUME_RESUMED);
    ck_assert_str_eq(again.old_connection_id, "a");
    replay("b");
    ck_assert_uint_eq(line_count, 0);
    ck_assert_int_eq(closed("a", 1000), 0);
    post_numbers("b", 3, 3);
    expect_numbers("b", 3, 3);
}
END_TEST

START_TEST(a_message_to_a_connection_found_gone_waits)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    answer = WSRT_ERR_GONE;
    ck_assert_int_eq(post("a", "{\"n\":1}"), WSRT_OK);
    ck_assert_uint_eq(stats().waiting, 1);
    answer = WSRT_OK;
    open_as("b", "ann", first.token, 0);
    replay("b");
    expect_numbers("b", 1, 1);
}
END_TEST

/* Its client comes back on the same connection while the message is being sent. */
static int come_back_and_refuse(const wsrt_span *id, wsrt_span message, void *user)
{
    const wsrt_resume_result *before = user;

    (void)id;
    (void)message;
    ck_assert_uint_eq(open_as("a", "ann", before->token, 0).missed, 1);
    ck_assert_int_eq(replay("a"), WSRT_OK);
    return WSRT_ERR_THROTTLED;
}

START_TEST(a_message_told_again_while_its_sending_failed_keeps_its_number)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    replay("a");
    line_count = 0;
    ck_assert_int_eq(
        wsrt_resume_post(r, TEXT("a"), TEXT("{\"n\":1}"), come_back_and_refuse, &first), WSRT_OK);
    expect_numbers("a", 1, 1);
    post_numbers("a", 2, 2);
    expect_numbers("a", 2, 2);
}
END_TEST

START_TEST(a_new_token_resumes_like_the_first)
{
    wsrt_resume_result result = open_as("a", "ann", "", 0);
    char connection[8];

    for (int i = 1; i <= 20; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        result = open_as(connection, "ann", result.token, (uint64_t)i - 1);
        ck_assert_int_eq(result.reason, WSRT_RESUME_RESUMED);
        replay(connection);
        post_numbers(connection, i, i);
    }
    ck_assert_uint_eq(stats().live, 1);
    ck_assert_uint_eq(stats().resumed, 20);
}
END_TEST

/* ---- bounds ---- */

START_TEST(the_last_messages_are_kept_and_older_ones_are_a_gap)
{
    wsrt_resume_options o = options();

    o.max_messages = 10;
    for (uint64_t last = 0; last <= 25; last++) {
        make(o);
        wsrt_resume_result first = open_as("a", "ann", "", 0);
        post_numbers("a", 1, 24);
        closed("a", 1006);
        line_count = 0;
        int wanted = last < 14 || last > 24 ? WSRT_RESUME_GAP : WSRT_RESUME_RESUMED;
        wsrt_resume_result again = open_as("b", "ann", first.token, last);
        ck_assert_int_eq(again.reason, wanted);
        replay("b");
        if (wanted == WSRT_RESUME_RESUMED)
            expect_numbers("b", (int)last + 1, 24);
        else
            ck_assert_uint_eq(line_count, 0);
    }
}
END_TEST

START_TEST(bytes_are_bounded_too)
{
    wsrt_resume_options o = options();
    size_t one = strlen("{\"seq\":1,\"n\":1}");

    o.max_bytes = 3 * one;
    for (uint64_t last = 0; last <= 5; last++) {
        make(o);
        wsrt_resume_result first = open_as("a", "ann", "", 0);
        post_numbers("a", 1, 5);
        ck_assert_uint_eq(stats().bytes, 3 * one);
        ck_assert_int_eq(open_as("b", "ann", first.token, last).reason,
                         last < 2 ? WSRT_RESUME_GAP : WSRT_RESUME_RESUMED);
    }
}
END_TEST

START_TEST(what_a_client_was_promised_makes_no_room_for_newer_messages)
{
    wsrt_resume_options o = options();

    o.max_messages = 4;
    make(o);
    wsrt_resume_result first = open_as("a", "ann", "", 0);
    replay("a");
    post_numbers("a", 1, 4);
    closed("a", 1006);
    wsrt_resume_result again = open_as("b", "ann", first.token, 1);
    ck_assert_uint_eq(again.missed, 3);
    post_numbers("b", 5, 5);
    ck_assert_int_eq(post("b", "{\"n\":6}"), WSRT_ERR_THROTTLED);
    line_count = 0;
    ck_assert_int_eq(replay("b"), WSRT_OK);
    expect_numbers("b", 2, 5);
    post_numbers("b", 6, 6);
    expect_numbers("b", 6, 6);
}
END_TEST

START_TEST(nor_do_bytes_that_were_promised)
{
    wsrt_resume_options o = options();

    o.max_bytes = 3 * strlen("{\"seq\":1,\"n\":1}");
    make(o);
    wsrt_resume_result first = open_as("a", "ann", "", 0);
    post_numbers("a", 1, 3);
    closed("a", 1006);
    open_as("b", "ann", first.token, 1);
    post_numbers("b", 4, 4);
    ck_assert_int_eq(post("b", "{\"n\":5}"), WSRT_ERR_THROTTLED);
    ck_assert_int_eq(post("b", "{\"n\":\"much more than is kept of a whole session\"}"),
                     WSRT_ERR_TOO_LARGE);
    line_count = 0;
    ck_assert_int_eq(replay("b"), WSRT_OK);
    expect_numbers("b", 2, 4);
}
END_TEST

START_TEST(a_message_too_large_to_keep_that_is_refused_leaves_no_number_behind)
{
    wsrt_resume_options o = options();

    o.max_bytes = 20;
    make(o);
    open_as("a", "ann", "", 0);
    replay("a");
    answer = WSRT_ERR_THROTTLED;
    ck_assert_int_eq(post("a", "{\"n\":\"0123456789\"}"), WSRT_ERR_THROTTLED);
    answer = WSRT_ERR_GONE;
    ck_assert_int_eq(post("a", "{\"n\":\"0123456789\"}"), WSRT_ERR_TOO_LARGE);
    ck_assert_uint_eq(stats().waiting, 1);
    answer = WSRT_OK;
    make(o);
    open_as("a", "ann", "", 0);
    replay("a");
    answer = WSRT_ERR_THROTTLED;
    post("a", "{\"n\":\"0123456789\"}");
    answer = WSRT_OK;
    line_count = 0;
    post_numbers("a", 1, 1);
    expect_numbers("a", 1, 1);
}
END_TEST

START_TEST(a_message_too_large_to_keep_is_sent_and_leaves_a_gap)
{
    wsrt_resume_options o = options();

    o.max_bytes = 20;
    make(o);
    wsrt_resume_result first = open_as("a", "ann", "", 0);
    ck_assert_int_eq(post("a", "{\"n\":\"0123456789\"}"), WSRT_OK);
    ck_assert_str_eq(lines[0].text, "{\"seq\":1,\"n\":\"0123456789\"}");
    ck_assert_uint_eq(stats().bytes, 0);
    closed("a", 1006);
    ck_assert_int_eq(post("a", "{\"n\":\"0123456789\"}"), WSRT_ERR_TOO_LARGE);
    ck_assert_int_eq(open_as("b", "ann", first.token, 0).reason, WSRT_RESUME_GAP);
}
END_TEST

START_TEST(sessions_are_bounded)
{
    wsrt_resume_options o = options();
    wsrt_resume_result result = {.struct_size = sizeof result};
    wsrt_resume_request q = {.struct_size = sizeof q, .connection_id = TEXT("c")};

    o.max_sessions = 2;
    make(o);
    open_as("a", "ann", "", 0);
    open_as("b", "bob", "", 0);
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_LIMIT);
    ck_assert_int_eq(open_as("a", "ann", "", 0).reason, WSRT_RESUME_NEW);
    closed("b", 1000);
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_OK);
}
END_TEST

/* ---- tokens ---- */

START_TEST(a_token_with_any_character_changed_is_unknown)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    ck_assert_uint_eq(strlen(first.token), 76);
    for (size_t i = 0; i < 76; i++) {
        char token[80];
        memcpy(token, first.token, sizeof token);
        token[i] = token[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(open_as("b", "ann", token, 0).reason, WSRT_RESUME_UNKNOWN);
        token[i] = '=';
        ck_assert_int_eq(open_as("b", "ann", token, 0).reason, WSRT_RESUME_UNKNOWN);
        token[i] = '\0';
        ck_assert_int_eq(open_as("b", "ann", token, 0).reason,
                         i == 0 ? WSRT_RESUME_NEW : WSRT_RESUME_UNKNOWN);
    }
    ck_assert_int_eq(open_as("b", "ann", first.token, 0).reason, WSRT_RESUME_RESUMED);
}
END_TEST

START_TEST(a_token_is_its_users_alone)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    ck_assert_int_eq(open_as("b", "bob", first.token, 0).reason, WSRT_RESUME_UNKNOWN);
    ck_assert_int_eq(open_as("b", "", first.token, 0).reason, WSRT_RESUME_UNKNOWN);
    ck_assert_int_eq(open_as("b", "ann", first.token, 0).reason, WSRT_RESUME_RESUMED);
}
END_TEST

START_TEST(a_token_of_another_table_is_unknown)
{
    wsrt_resume_result first = open_as("a", "ann", "", 0);

    make(options());
    ck_assert_int_eq(open_as("a", "ann", first.token, 0).reason, WSRT_RESUME_UNKNOWN);
}
END_TEST

START_TEST(a_token_ends_when_it_said)
{
    wsrt_resume_options o = options();

    o.token_ms = 5000;
    make(o);
    wsrt_resume_result first = open_as("a", "ann", "", 0);
    ck_assert_int_eq(first.expires, wall + 5000);
    wall += 4999;
    wsrt_resume_result again = open_as("b", "ann", first.token, 0);
    ck_assert_int_eq(again.reason, WSRT_RESUME_RESUMED);
    wall += 1;
    ck_assert_int_eq(open_as("c", "ann", first.token, 0).reason, WSRT_RESUME_EXPIRED);
}
END_TEST

START_TEST(who_signs_in_as_another_has_no_session)
{
    open_as("a", "ann", "", 0);
    wsrt_resume_signed_in(r, TEXT("a"), TEXT("ann"));
    ck_assert_int_eq(post("a", "{}"), WSRT_OK);
    wsrt_resume_signed_in(r, TEXT("a"), TEXT("bob"));
    ck_assert_int_eq(post("a", "{}"), WSRT_ERR_NOT_FOUND);
}
END_TEST

/* ---- the wait ---- */

static char ended[64];

static void note_ended(wsrt_span connection_id, void *user)
{
    (void)user;
    strncat(ended, connection_id.ptr, connection_id.len);
}

START_TEST(a_session_waits_two_minutes)
{
    wsrt_resume_result a = open_as("a", "ann", "", 0), b = open_as("b", "bob", "", 0);

    ended[0] = '\0';
    ck_assert_int_eq(wsrt_resume_tick(r, note_ended, NULL), INT64_MAX);
    closed("a", 1006);
    now = 1000 * MS;
    closed("b", 1012);
    ck_assert_int_eq(wsrt_resume_tick(r, note_ended, NULL), 120000 * MS);
    now = 120000 * MS;
    ck_assert_int_eq(open_as("c", "ann", a.token, 0).reason, WSRT_RESUME_EXPIRED);
    now = 120999 * MS;
    ck_assert_int_eq(wsrt_resume_tick(r, note_ended, NULL), 121000 * MS);
    ck_assert_str_eq(ended, "");
    now = 121000 * MS;
    ck_assert_int_eq(wsrt_resume_tick(r, note_ended, NULL), INT64_MAX);
    ck_assert_str_eq(ended, "b");
    ck_assert_int_eq(open_as("d", "bob", b.token, 0).reason, WSRT_RESUME_EXPIRED);
}
END_TEST

START_TEST(who_came_back_in_time_is_not_waited_for)
{
    wsrt_resume_result a = open_as("a", "ann", "", 0);

    ended[0] = '\0';
    open_as("b", "bob", "", 0);
    closed("a", 1006);
    closed("b", 1006);
    open_as("c", "ann", a.token, 0);
    now = 500000 * MS;
    wsrt_resume_tick(r, note_ended, NULL);
    ck_assert_str_eq(ended, "b");
    ck_assert_uint_eq(stats().live, 1);
    ck_assert_uint_eq(stats().waiting, 0);
}
END_TEST

START_TEST(a_session_ends_with_a_code_after_which_nobody_comes_back)
{
    static const struct {
        int code;
        int waits;
    } rows[] = {{1000, 0}, {1001, 0}, {1002, 0}, {1003, 0}, {1005, 1}, {1006, 1},
                {1007, 0}, {1008, 0}, {1009, 0}, {1011, 1}, {1012, 1}, {1013, 1},
                {4000, 0}, {4401, 1}, {4403, 0}, {4429, 0}, {4500, 0}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_resume_result a = open_as("a", "ann", "", 0);
        ck_assert_msg(closed("a", rows[i].code) == rows[i].waits, "%d", rows[i].code);
        ck_assert_int_eq(open_as("a", "ann", a.token, 0).reason,
                         rows[i].waits ? WSRT_RESUME_RESUMED : WSRT_RESUME_EXPIRED);
    }
    ck_assert_int_eq(closed("nobody", 1006), 0);
}
END_TEST

/* ---- messages of the client ---- */

START_TEST(a_message_sent_again_is_known_by_its_id)
{
    wsrt_resume_result a = open_as("a", "ann", "", 0);

    ck_assert_int_eq(wsrt_resume_received(r, TEXT("a"), TEXT("m1")), WSRT_OK);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("a"), TEXT("m1")), WSRT_ERR_EXISTS);
    closed("a", 1006);
    open_as("b", "ann", a.token, 0);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("b"), TEXT("m1")), WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("b"), TEXT("m2")), WSRT_OK);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("x"), TEXT("m1")), WSRT_OK);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("b"), (wsrt_span){NULL, 0}), WSRT_OK);
    ck_assert_uint_eq(stats().duplicates, 2);
}
END_TEST

START_TEST(the_last_128_ids_are_remembered)
{
    char id[8];

    open_as("a", "ann", "", 0);
    for (int i = 0; i < 129; i++) {
        snprintf(id, sizeof id, "m%d", i);
        ck_assert_int_eq(wsrt_resume_received(r, TEXT("a"), wsrt_span_cstr(id)), WSRT_OK);
    }
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("a"), TEXT("m1")), WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("a"), TEXT("m0")), WSRT_OK);
}
END_TEST

/* ---- misuse, memory, threads ---- */

START_TEST(wrong_arguments_are_refused)
{
    wsrt_resume_result result = {.struct_size = sizeof result};
    char name[129];
    wsrt_resume_request q = {.struct_size = sizeof q, .connection_id = {name, 129}};
    wsrt_resume_options bad[4];
    wsrt_resume *none = r;

    memset(name, 'x', sizeof name);
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_INVALID);
    q.connection_id.len = 0;
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_INVALID);
    q.connection_id.len = 128;
    result.struct_size = 8;
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_INVALID);
    result.struct_size = sizeof result;
    q.flags = 1;
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_UNSUPPORTED);
    q.flags = 0;
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_OK);
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = options();
    bad[0].max_messages = 10001;
    bad[1].max_sessions = 10000001;
    bad[2].wait_ms = -1;
    bad[3].token_ms = -1;
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_int_eq(wsrt_resume_new(&none, &bad[i]), WSRT_ERR_INVALID);
        ck_assert_ptr_null(none);
    }
}
END_TEST

START_TEST(memory_that_is_refused_loses_nothing_that_was_kept)
{
    wsrt_resume_result a = open_as("a", "ann", "", 0), result = {.struct_size = sizeof result};
    wsrt_resume_request q = {.struct_size = sizeof q, .connection_id = TEXT("z")};

    post_numbers("a", 1, 2);
    heap_arm(&heap, 1, 0);
    ck_assert_int_eq(post("a", "{\"n\":3}"), WSRT_ERR_NOMEM);
    heap_arm(&heap, 1, 0);
    ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_NOMEM);
    heap_arm(&heap, 0, 0);
    post_numbers("a", 3, 3);
    line_count = 0;
    ck_assert_int_eq(open_as("b", "ann", a.token, 0).reason, WSRT_RESUME_RESUMED);
    replay("b");
    expect_numbers("b", 1, 3);
}
END_TEST

START_TEST(a_table_that_cannot_be_made_leaks_nothing)
{
    wsrt_resume_options o = options();
    wsrt_resume *other;
    size_t before = heap.live;

    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, 0);
        int rc = wsrt_resume_new(&other, &o);
        if (!heap.tripped) {
            wsrt_resume_free(other);
            break;
        }
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_uint_eq(heap.live, before);
        heap.points++;
    }
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

enum { RACERS = 3, RACE = 400 };

static int count_one(const wsrt_span *id, wsrt_span message, void *user)
{
    (void)id;
    (void)message;
    ++*(int *)user;
    return WSRT_OK;
}

static void *post_many(void *user)
{
    int *taken = user;

    for (int i = 0; i < RACE; i++)
        wsrt_resume_post(r, TEXT("a"), TEXT("{\"n\":1}"), count_one, taken);
    return NULL;
}

START_TEST(threads_that_post_while_a_session_moves_lose_nothing)
{
    wsrt_resume_options o = options();
    pthread_t threads[RACERS];
    int taken[RACERS] = {0}, told = 0, sum = 0;

    o.max_messages = RACERS * RACE;
    o.max_bytes = 1 << 20;
    make(o);
    wsrt_resume_result a = open_as("a", "ann", "", 0);
    for (int i = 0; i < RACERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, &taken[i]), 0);
    for (int i = 0; i < 50; i++) {
        closed("a", 1006);
        a = open_as("a", "ann", a.token, 0);
        ck_assert_int_eq(a.reason, WSRT_RESUME_RESUMED);
        wsrt_resume_replay(r, TEXT("a"), count_one, &told);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        sum += taken[i];
    }
    told = 0;
    a = open_as("a", "ann", a.token, 0);
    ck_assert_uint_eq(a.seq, RACERS * RACE);
    ck_assert_uint_eq(a.missed, RACERS * RACE);
    wsrt_resume_replay(r, TEXT("a"), count_one, &told);
    ck_assert_int_eq(told, RACERS * RACE);
    ck_assert_int_le(sum, RACERS * RACE);
}
END_TEST

/* What a sender sees of messages that threads post at once. */
struct order {
    atomic_int inside;
    atomic_int together; /* sent while another was being sent */
    long last, late;
};

static int take_order(const wsrt_span *id, wsrt_span message, void *user)
{
    struct order *o = user;
    char text[64];

    (void)id;
    snprintf(text, sizeof text, "%.*s", (int)message.len, message.ptr);
    atomic_fetch_add(&o->together, atomic_fetch_add(&o->inside, 1));
    for (int i = 0; i < 10; i++)
        sched_yield();
    long seq = atol(text + sizeof "{\"seq\":" - 1);
    o->late += seq < o->last;
    o->last = seq;
    atomic_fetch_sub(&o->inside, 1);
    return WSRT_OK;
}

static void *post_in_order(void *arg)
{
    for (int i = 0; i < 500; i++)
        ck_assert_int_eq(wsrt_resume_post(r, TEXT("a"), TEXT("{}"), take_order, arg), WSRT_OK);
    return NULL;
}

START_TEST(messages_of_several_threads_are_sent_one_by_one_in_the_order_of_their_numbers)
{
    struct order order = {0};
    pthread_t threads[RACERS];

    open_as("a", "ann", "", 0);
    for (int i = 0; i < RACERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_in_order, &order), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(order.together, 0);
    ck_assert_int_eq(order.late, 0);
    ck_assert_int_eq(order.last, RACERS * 500);
}
END_TEST

/* ---- the tag ---- */

START_TEST(the_tag_is_siphash_2_4_128)
{
    /* By OpenSSL 3.0: openssl mac -macopt hexkey:00..0f -macopt size:16 SIPHASH over 00, 01, ... */
    static const struct {
        size_t len;
        const char *tag;
    } rows[] = {{0, "a3817f04ba25a8e66df67214c7550293"},
                {1, "da87c1d86b99af44347659119b22fc45"},
                {15, "5493e99933b0a8117e08ec0f97cfc3d9"},
                {63, "5150d1772f50834a503e069a973fbd7c"}};
    unsigned char key[16], text[63], tag[WSRT_MAC_LEN];
    char hex[33];

    for (unsigned char i = 0; i < sizeof text; i++)
        text[i] = i;
    memcpy(key, text, sizeof key);
    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_mac(key, text, rows[i].len, tag);
        for (size_t k = 0; k < sizeof tag; k++)
            snprintf(hex + 2 * k, 3, "%02x", tag[k]);
        ck_assert_str_eq(hex, rows[i].tag);
    }
}
END_TEST

static void add_coming_back(Suite *s)
{
    TCase *c = tcase_create("coming back");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, messages_of_a_session_are_numbered_from_1);
    tcase_add_test(c, an_object_keeps_its_members_and_an_empty_one_gets_one);
    tcase_add_test(c, nothing_is_sent_before_the_client_has_heard_of_its_session);
    tcase_add_test(c, what_is_no_object_or_has_no_session_is_not_sent);
    tcase_add_test(c, a_post_that_is_refused_leaves_no_number_behind);
    tcase_add_test(c, who_comes_back_is_told_what_it_missed_in_order);
    tcase_add_test(c, what_is_posted_before_the_replay_comes_behind_it);
    tcase_add_test(c, a_replay_that_is_cut_off_is_told_the_next_time);
    tcase_add_test(c, a_session_moves_while_its_connection_is_still_open);
    tcase_add_test(c, a_message_to_a_connection_found_gone_waits);
    tcase_add_test(c, a_message_told_again_while_its_sending_failed_keeps_its_number);
    tcase_add_test(c, a_new_token_resumes_like_the_first);
    tcase_add_test(c, the_last_messages_are_kept_and_older_ones_are_a_gap);
    tcase_add_test(c, bytes_are_bounded_too);
    tcase_add_test(c, what_a_client_was_promised_makes_no_room_for_newer_messages);
    tcase_add_test(c, nor_do_bytes_that_were_promised);
    tcase_add_test(c, a_message_too_large_to_keep_that_is_refused_leaves_no_number_behind);
    tcase_add_test(c, a_message_too_large_to_keep_is_sent_and_leaves_a_gap);
    tcase_add_test(c, sessions_are_bounded);
    suite_add_tcase(s, c);
}

Suite *suite(void)
{
    Suite *s = suite_create("resume");
    TCase *c = tcase_create("tokens and time");

    add_coming_back(s);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_token_with_any_character_changed_is_unknown);
    tcase_add_test(c, a_token_is_its_users_alone);
    tcase_add_test(c, a_token_of_another_table_is_unknown);
    tcase_add_test(c, a_token_ends_when_it_said);
    tcase_add_test(c, who_signs_in_as_another_has_no_session);
    tcase_add_test(c, a_session_waits_two_minutes);
    tcase_add_test(c, who_came_back_in_time_is_not_waited_for);
    tcase_add_test(c, a_session_ends_with_a_code_after_which_nobody_comes_back);
    tcase_add_test(c, a_message_sent_again_is_known_by_its_id);
    tcase_add_test(c, the_last_128_ids_are_remembered);
    tcase_add_test(c, wrong_arguments_are_refused);
    tcase_add_test(c, memory_that_is_refused_loses_nothing_that_was_kept);
    tcase_add_test(c, a_table_that_cannot_be_made_leaks_nothing);
    tcase_add_test(c, threads_that_post_while_a_session_moves_lose_nothing);
    tcase_add_test(c,
                   messages_of_several_threads_are_sent_one_by_one_in_the_order_of_their_numbers);
    tcase_add_test(c, the_tag_is_siphash_2_4_128);
    suite_add_tcase(s, c);
    return s;
}
