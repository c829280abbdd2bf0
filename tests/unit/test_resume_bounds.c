/* Sessions at the edges: bad arguments, chains of many, entropy that fails. */
#include "heap.h"
#include "suite.h"

#include "resume/resume.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT(literal) ((wsrt_span){literal, sizeof(literal) - 1})

enum { MANY = 300 };

static struct heap heap;
static wsrt_resume *r;
static int64_t now;
static uint64_t drawn;
static uint64_t fail_at; /* this draw has no entropy; 0 = each has */
static char sent[256];
static size_t sent_count;
static int answer;

static int64_t fake_time(void *user)
{
    (void)user;
    return now;
}

static int fake_random(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 0, len);
    drawn++;
    memcpy(dst, &drawn, len < sizeof drawn ? len : sizeof drawn);
    return drawn == fail_at ? WSRT_ERR_IO : WSRT_OK;
}

static const wsrt_env env = {
    .struct_size = sizeof env, .now = fake_time, .wall = fake_time, .random = fake_random};

static wsrt_resume_options options(void)
{
    return (wsrt_resume_options){
        .struct_size = sizeof(wsrt_resume_options), .allocator = heap.allocator, .env = &env};
}

static void set_up(void)
{
    heap_init(&heap);
    now = 1000;
    drawn = fail_at = sent_count = 0;
    answer = WSRT_OK;
    const wsrt_resume_options o = options();
    ck_assert_int_eq(wsrt_resume_new(&r, &o), WSRT_OK);
}

static void tear_down(void)
{
    wsrt_resume_free(r);
    ck_assert_uint_eq(heap.live, 0);
}

static int take(const wsrt_span *id, wsrt_span message, void *user)
{
    (void)id;
    (void)user;
    sent_count++;
    snprintf(sent, sizeof sent, "%.*s", (int)message.len, message.ptr);
    return answer;
}

static int open_session(const char *connection, const char *token, wsrt_resume_result *out)
{
    const wsrt_resume_request q = {.struct_size = sizeof q,
                                   .connection_id = wsrt_span_cstr(connection),
                                   .token = wsrt_span_cstr(token)};

    *out = (wsrt_resume_result){.struct_size = sizeof *out};
    return wsrt_resume_open(r, &q, out);
}

static void begin(const char *connection)
{
    wsrt_resume_result result;

    ck_assert_int_eq(open_session(connection, NULL, &result), WSRT_OK);
    ck_assert_int_eq(wsrt_resume_replay(r, wsrt_span_cstr(connection), take, NULL), WSRT_OK);
}

static wsrt_resume_stats stats(void)
{
    wsrt_resume_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_resume_get_stats(r, &s), WSRT_OK);
    return s;
}

/* ---- arguments ---- */

START_TEST(options_out_of_range_are_refused)
{
    wsrt_resume_options o[8];
    wsrt_resume *made;

    for (size_t i = 0; i < COUNT(o); i++)
        o[i] = options();
    o[0].max_sessions = 10000001;
    o[1].max_messages = 10001;
    o[2].max_bytes = SIZE_MAX / 2 + 1;
    o[3].wait_ms = -1;
    o[4].wait_ms = 86400001;
    o[5].token_ms = -1;
    o[6].token_ms = 366 * INT64_C(86400000) + 1;
    o[7].struct_size = 8;
    for (size_t i = 0; i < COUNT(o); i++) {
        ck_assert_msg(wsrt_resume_new(&made, &o[i]) == WSRT_ERR_INVALID, "row %zu", i);
        ck_assert_ptr_null(made);
    }
    o[0] = options();
    o[0].flags = 1;
    ck_assert_int_eq(wsrt_resume_new(&made, &o[0]), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_resume_new(NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(calls_on_no_table_are_refused)
{
    const wsrt_resume_request q = {.struct_size = sizeof q, .connection_id = TEXT("c1")};
    wsrt_resume_result result = {.struct_size = sizeof result};
    wsrt_resume_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_resume_open(NULL, &q, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_open(r, NULL, &result), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_open(r, &q, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_post(NULL, TEXT("c1"), TEXT("{}"), take, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_post(r, TEXT("c1"), TEXT("{}"), NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_post(r, TEXT("c1"), (wsrt_span){NULL, 0}, take, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_replay(NULL, TEXT("c1"), take, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_replay(r, TEXT("c1"), NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_received(NULL, TEXT("c1"), TEXT("i")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("c1"), (wsrt_span){NULL, 1}), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_closed(NULL, TEXT("c1"), 1006), 0);
    ck_assert_int_eq(wsrt_resume_tick(NULL, NULL, NULL), INT64_MAX);
    ck_assert_int_eq(wsrt_resume_get_stats(NULL, &s), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_resume_get_stats(r, NULL), WSRT_ERR_INVALID);
    wsrt_resume_signed_in(NULL, TEXT("c1"), TEXT("u"));
    wsrt_resume_free(NULL);
    ck_assert_uint_eq(sent_count, 0);
}
END_TEST

START_TEST(a_connection_id_is_there_and_not_too_long)
{
    static const char longest[129] = "x";
    const wsrt_span ids[] = {{NULL, 1}, {"", 0}, {longest, 129}};
    wsrt_resume_result result = {.struct_size = sizeof result};

    for (size_t i = 0; i < COUNT(ids); i++) {
        const wsrt_resume_request q = {.struct_size = sizeof q, .connection_id = ids[i]};
        ck_assert_int_eq(wsrt_resume_open(r, &q, &result), WSRT_ERR_INVALID);
    }
    const wsrt_resume_request odd = {
        .struct_size = sizeof odd, .flags = 1, .connection_id = TEXT("c")};
    ck_assert_int_eq(wsrt_resume_open(r, &odd, &result), WSRT_ERR_UNSUPPORTED);
    ck_assert_uint_eq(stats().live, 0);
}
END_TEST

/* ---- messages ---- */

static const struct {
    const char *message, *numbered; /* NULL = no object */
} messages[] = {
    {" \t\r\n{ \t\r\n}", "{\"seq\":1 \t\r\n}"},
    {"{\"a\":1}", "{\"seq\":1,\"a\":1}"},
    {" {", "{\"seq\":1,"}, /* it begins as an object, which is all that is asked */
    {"", NULL},
    {"  ", NULL},
    {"[]", NULL},
    {"\v{}", NULL},
};

START_TEST(a_message_begins_as_an_object_behind_json_spaces)
{
    const char *wanted = messages[_i].numbered;
    int rc;

    begin("c1");
    rc = wsrt_resume_post(r, TEXT("c1"), wsrt_span_cstr(messages[_i].message), take, NULL);
    ck_assert_int_eq(rc, wanted != NULL ? WSRT_OK : WSRT_ERR_INVALID);
    ck_assert_uint_eq(sent_count, wanted != NULL);
    if (wanted != NULL)
        ck_assert_str_eq(sent, wanted);
}
END_TEST

/* ---- many ---- */

static void name(char *dst, int i)
{
    snprintf(dst, 16, "c%d", i);
}

START_TEST(each_of_many_sessions_is_found_whichever_ends)
{
    static wsrt_resume_result opened[MANY];
    wsrt_resume_result again;
    char id[16];

    for (int i = 0; i < MANY; i++) {
        name(id, i);
        ck_assert_int_eq(open_session(id, NULL, &opened[i]), WSRT_OK);
        ck_assert_int_eq(wsrt_resume_replay(r, wsrt_span_cstr(id), take, NULL), WSRT_OK);
    }
    for (int i = 0; i < MANY; i += 3) {
        name(id, i);
        ck_assert_int_eq(wsrt_resume_closed(r, wsrt_span_cstr(id), 1000), 0);
    }
    ck_assert_uint_eq(stats().live, MANY - MANY / 3);
    for (int i = 0; i < MANY; i++) {
        name(id, i);
        ck_assert_int_eq(wsrt_resume_post(r, wsrt_span_cstr(id), TEXT("{}"), take, NULL),
                         i % 3 == 0 ? WSRT_ERR_NOT_FOUND : WSRT_OK);
        ck_assert_int_eq(open_session(id, opened[i].token, &again), WSRT_OK);
        ck_assert_int_eq(again.reason, i % 3 == 0 ? WSRT_RESUME_EXPIRED : WSRT_RESUME_RESUMED);
    }
    ck_assert_uint_eq(stats().live, MANY);
}
END_TEST

static int ended_count;

static void count_ended(wsrt_span connection, void *user)
{
    (void)user;
    ck_assert_uint_gt(connection.len, 0);
    ended_count++;
}

START_TEST(those_that_wait_leave_the_line_from_any_place)
{
    wsrt_resume_result first, result[3];
    static const char *const ids[] = {"c0", "c1", "c2"};

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(open_session(ids[i], NULL, &result[i]), WSRT_OK);
        ck_assert_int_eq(wsrt_resume_replay(r, wsrt_span_cstr(ids[i]), take, NULL), WSRT_OK);
        ck_assert_int_eq(wsrt_resume_closed(r, wsrt_span_cstr(ids[i]), 1006), 1);
        now += 1000000;
    }
    ck_assert_uint_eq(stats().waiting, 3);
    ck_assert_int_eq(open_session("d1", result[1].token, &first), WSRT_OK);
    ck_assert_int_eq(first.reason, WSRT_RESUME_RESUMED);
    ck_assert_uint_eq(stats().waiting, 2);
    ended_count = 0;
    now += INT64_C(120000) * 1000000;
    ck_assert_int_eq(wsrt_resume_tick(r, count_ended, NULL), INT64_MAX);
    ck_assert_int_eq(ended_count, 2);
    ck_assert_uint_eq(stats().live, 1);
}
END_TEST

START_TEST(sessions_end_though_nobody_asks_to_hear_of_it)
{
    begin("c1");
    ck_assert_int_eq(wsrt_resume_closed(r, TEXT("c1"), 1006), 1);
    ck_assert_int_eq(wsrt_resume_tick(r, NULL, NULL), now + INT64_C(120000) * 1000000);
    now += INT64_C(120000) * 1000000;
    ck_assert_int_eq(wsrt_resume_tick(r, NULL, NULL), INT64_MAX);
    ck_assert_uint_eq(stats().waiting + stats().live, 0);
}
END_TEST

START_TEST(a_session_waits_as_long_as_the_options_say)
{
    wsrt_resume_options o = options();
    wsrt_resume *usual = r;

    o.wait_ms = 5;
    ck_assert_int_eq(wsrt_resume_new(&r, &o), WSRT_OK);
    begin("c1");
    ck_assert_int_eq(wsrt_resume_closed(r, TEXT("c1"), 1006), 1);
    ck_assert_int_eq(wsrt_resume_tick(r, NULL, NULL), now + 5000000);
    now += 5000000;
    ck_assert_int_eq(wsrt_resume_tick(r, NULL, NULL), INT64_MAX);
    ck_assert_uint_eq(stats().waiting, 0);
    wsrt_resume_free(r);
    r = usual;
}
END_TEST

START_TEST(a_nul_is_no_digit_of_a_token)
{
    wsrt_resume_result first, second = {.struct_size = sizeof second};
    wsrt_resume_request q = {.struct_size = sizeof q, .connection_id = TEXT("c2")};

    ck_assert_int_eq(open_session("c1", NULL, &first), WSRT_OK);
    q.token = (wsrt_span){first.token, strlen(first.token)};
    first.token[7] = '\0';
    ck_assert_int_eq(wsrt_resume_open(r, &q, &second), WSRT_OK);
    ck_assert_int_eq(second.reason, WSRT_RESUME_UNKNOWN);
}
END_TEST

START_TEST(an_id_is_forgotten_only_by_the_session_that_refused_it)
{
    begin("c1");
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("c1"), TEXT("i")), WSRT_OK);
    wsrt_resume_refused(NULL, TEXT("c1"), TEXT("i"));
    wsrt_resume_refused(r, TEXT("c1"), (wsrt_span){NULL, 1});
    wsrt_resume_refused(r, TEXT("c1"), TEXT(""));
    wsrt_resume_refused(r, TEXT("c1"), TEXT("j"));
    wsrt_resume_refused(r, TEXT("c2"), TEXT("i"));
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("c1"), TEXT("i")), WSRT_ERR_EXISTS);
    wsrt_resume_refused(r, TEXT("c1"), TEXT("i"));
    ck_assert_int_eq(wsrt_resume_received(r, TEXT("c1"), TEXT("i")), WSRT_OK);
}
END_TEST

START_TEST(who_has_no_session_is_still_there_by_its_own_id)
{
    char room[WSRT_RESUME_ROOM];
    wsrt_span current = wsrt_resume_current(r, TEXT("c1"), room);

    ck_assert_uint_eq(current.len, 2);
    ck_assert_mem_eq(current.ptr, "c1", 2);
}
END_TEST

/* ---- entropy ---- */

START_TEST(without_entropy_there_is_no_table)
{
    const wsrt_resume_options o = options();
    wsrt_resume *made;

    for (uint64_t nth = 1; nth <= 2; nth++) {
        drawn = 0;
        fail_at = nth;
        ck_assert_int_eq(wsrt_resume_new(&made, &o), WSRT_ERR_IO);
        ck_assert_ptr_null(made);
    }
}
END_TEST

START_TEST(without_entropy_there_is_no_session)
{
    wsrt_resume_result result;

    fail_at = drawn + 1;
    ck_assert_int_eq(open_session("c1", NULL, &result), WSRT_ERR_IO);
    ck_assert_uint_eq(stats().live, 0);
    ck_assert_int_eq(open_session("c1", NULL, &result), WSRT_OK);
    ck_assert_uint_eq(stats().live, 1);
}
END_TEST

START_TEST(who_signs_in_without_a_session_has_none_still)
{
    wsrt_resume_signed_in(r, TEXT("c1"), TEXT("u"));
    ck_assert_uint_eq(stats().live, 0);
    ck_assert_int_eq(wsrt_resume_closed(r, TEXT("c1"), 1006), 0);
    ck_assert_int_eq(wsrt_resume_replay(r, TEXT("c1"), take, NULL), WSRT_OK);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("resume_bounds");
    TCase *t = tcase_create("bounds");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, options_out_of_range_are_refused);
    tcase_add_test(t, calls_on_no_table_are_refused);
    tcase_add_test(t, a_connection_id_is_there_and_not_too_long);
    tcase_add_loop_test(t, a_message_begins_as_an_object_behind_json_spaces, 0,
                        (int)COUNT(messages));
    tcase_add_test(t, each_of_many_sessions_is_found_whichever_ends);
    tcase_add_test(t, those_that_wait_leave_the_line_from_any_place);
    tcase_add_test(t, sessions_end_though_nobody_asks_to_hear_of_it);
    tcase_add_test(t, a_session_waits_as_long_as_the_options_say);
    tcase_add_test(t, a_nul_is_no_digit_of_a_token);
    tcase_add_test(t, an_id_is_forgotten_only_by_the_session_that_refused_it);
    tcase_add_test(t, who_has_no_session_is_still_there_by_its_own_id);
    tcase_add_test(t, without_entropy_there_is_no_table);
    tcase_add_test(t, without_entropy_there_is_no_session);
    tcase_add_test(t, who_signs_in_without_a_session_has_none_still);
    suite_add_tcase(s, t);
    return s;
}
