#include "heap.h"
#include "suite.h"

#include <wsrt/runtime.h>

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

/* ---- a runtime with sessions, and a transport whose connections open and close ---- */

enum { POSTS = 256 };

struct peer {
    char id[16];
    int open;
    wsrt_session session;
};

static struct heap heap;
static wsrt_runtime *rt;
static wsrt_resume *sessions;
static struct peer peers[4];
static int64_t now, wall;
static int straight; /* 1: the transport has a short way back */
static int said;     /* times the handler ran */
static int closed_with;
static size_t accepted; /* posts, then no more */
static struct {
    char id[16], text[512];
} posts[POSTS];
static size_t post_count;

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

static void no_log(void *user, int level, const char *event, const wsrt_field *f, size_t n)
{
    (void)user, (void)level, (void)event, (void)f, (void)n;
}

static struct peer *peer_of(wsrt_span id)
{
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        if (wsrt_span_equal(id, wsrt_span_cstr(peers[i].id)))
            return &peers[i];
    return NULL;
}

static int deliver(wsrt_span id, wsrt_span text)
{
    const struct peer *p = peer_of(id);

    if (p == NULL || !p->open)
        return WSRT_ERR_GONE;
    if (post_count >= accepted)
        return WSRT_ERR_THROTTLED;
    ck_assert_uint_lt(post_count, POSTS);
    snprintf(posts[post_count].id, sizeof posts[0].id, "%.*s", (int)id.len, id.ptr);
    snprintf(posts[post_count++].text, sizeof posts[0].text, "%.*s", (int)text.len, text.ptr);
    return WSRT_OK;
}

static int sender_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self;
    return deliver(*id, post->data);
}

static int sender_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    (void)self;
    (void)reason;
    if (peer_of(*id) == NULL || !peer_of(*id)->open)
        return WSRT_ERR_GONE;
    closed_with = code;
    return WSRT_OK;
}

static const wsrt_sender_ops sender_ops = {
    .struct_size = sizeof sender_ops, .post = sender_post, .disconnect = sender_disconnect};

static int reply_straight(void *transport, const char *data, size_t len, uint32_t flags)
{
    const struct peer *p = transport;
    char marked[512];

    (void)flags;
    snprintf(marked, sizeof marked, "straight %.*s", (int)len, data);
    return deliver(wsrt_span_cstr(p->id), wsrt_span_cstr(marked));
}

/* ---- what the application does ---- */

static int say(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    said++;
    return wsrt_reply(ctx, wsrt_span_cstr("{\"said\":true}"));
}

static int shout(const char *text, uint32_t flags, wsrt_delivery *report)
{
    wsrt_audience all = {.struct_size = sizeof all};
    wsrt_post post = {.struct_size = sizeof post, .flags = flags, .data = wsrt_span_cstr(text)};

    return wsrt_broadcast(rt, &all, &post, report);
}

static void add_route(const char *key, wsrt_handler handler)
{
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler};

    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
}

static const wsrt_env env = {
    .struct_size = sizeof env, .now = fake_now, .wall = fake_wall, .log = no_log};

static wsrt_static_auth *tokens;

static void begin(int with_sessions)
{
    wsrt_resume_options r = {.struct_size = sizeof r, .allocator = heap.allocator, .env = &env};
    wsrt_sender sender = {&sender_ops, NULL};
    wsrt_runtime_options o = {.struct_size = sizeof o,
                              .flags = WSRT_RUNTIME_NO_LIMITS,
                              .allocator = heap.allocator,
                              .env = &env,
                              .sender = &sender};
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};
    const wsrt_principal bob = {.struct_size = sizeof bob, .user_id = wsrt_span_cstr("bob")};
    const wsrt_static_token rows[2] = {{wsrt_span_cstr("t-ann"), &ann},
                                       {wsrt_span_cstr("t-bob"), &bob}};
    wsrt_authenticator auth;

    ck_assert_int_eq(wsrt_static_auth_new(&tokens, rows, 2, NULL), WSRT_OK);
    wsrt_static_auth_interface(tokens, &auth);
    o.authenticator = &auth;
    if (with_sessions)
        ck_assert_int_eq(wsrt_resume_new(&sessions, &r), WSRT_OK);
    o.resume = sessions;
    ck_assert_int_eq(wsrt_runtime_new(&rt, &o), WSRT_OK);
    add_route("resume", wsrt_resume_handler);
    add_route("say", say);
}

static void end(void)
{
    wsrt_runtime_free(rt);
    wsrt_resume_free(sessions);
    wsrt_static_auth_free(tokens);
    sessions = NULL;
}

static void setup(void)
{
    heap_init(&heap);
    now = SECOND;
    wall = 1795168800000;
    post_count = 0;
    straight = said = closed_with = 0;
    accepted = POSTS;
    memset(peers, 0, sizeof peers);
    begin(1);
}

static void teardown(void)
{
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        if (peers[i].open) {
            wsrt_event ev = {.struct_size = sizeof ev,
                             .kind = WSRT_EVENT_DISCONNECT,
                             .disconnect_code = 1000,
                             .connection_id = wsrt_span_cstr(peers[i].id),
                             .session = &peers[i].session};
            wsrt_runtime_dispatch(rt, &ev, NULL, NULL);
        }
    end();
    ck_assert_uint_eq(heap.live, 0);
}

/* ---- what clients do ---- */

static struct peer *join(size_t which, const char *id, const char *token)
{
    struct peer *p = &peers[which];
    wsrt_pair query = {wsrt_span_cstr("token"), wsrt_span_cstr(token)};
    wsrt_event ev = {.struct_size = sizeof ev,
                     .kind = WSRT_EVENT_CONNECT,
                     .connection_id = wsrt_span_cstr(id),
                     .session = &p->session,
                     .query = &query,
                     .query_count = 1};

    *p = (struct peer){.open = 1};
    snprintf(p->id, sizeof p->id, "%s", id);
    ck_assert_int_eq(wsrt_runtime_dispatch(rt, &ev, NULL, NULL), WSRT_OK);
    return p;
}

static void leave(struct peer *p, int code)
{
    wsrt_event ev = {.struct_size = sizeof ev,
                     .kind = WSRT_EVENT_DISCONNECT,
                     .disconnect_code = code,
                     .connection_id = wsrt_span_cstr(p->id),
                     .session = &p->session};

    p->open = 0;
    ck_assert_int_eq(wsrt_runtime_dispatch(rt, &ev, NULL, NULL), WSRT_OK);
}

static void send(struct peer *p, const char *body)
{
    wsrt_event ev = {.struct_size = sizeof ev,
                     .kind = WSRT_EVENT_MESSAGE,
                     .connection_id = wsrt_span_cstr(p->id),
                     .session = &p->session,
                     .body = wsrt_span_cstr(body),
                     .reply = straight ? reply_straight : NULL,
                     .transport = p};

    ck_assert_int_eq(wsrt_runtime_dispatch(rt, &ev, NULL, NULL), WSRT_OK);
}

/* The token of the last answer that has one. */
static const char *token_of_answer(void)
{
    static char token[77];
    const char *at = NULL;

    for (size_t i = 0; i < post_count; i++)
        if (strstr(posts[i].text, "\"token\":\"") != NULL)
            at = strstr(posts[i].text, "\"token\":\"") + 9;
    ck_assert_ptr_nonnull(at);
    memcpy(token, at, 76);
    return token;
}

static void ask(struct peer *p, const char *token, int last)
{
    char body[256];

    if (token == NULL)
        snprintf(body, sizeof body, "{\"type\":\"resume\",\"data\":{},\"correlationId\":\"r-0\"}");
    else
        snprintf(body, sizeof body,
                 "{\"type\":\"resume\",\"data\":{\"token\":\"%s\",\"last\":%d},"
                 "\"correlationId\":\"r-%s\"}",
                 token, last, p->id);
    send(p, body);
}

static struct peer *join_with_session(size_t which, const char *id, const char *token)
{
    struct peer *p = join(which, id, token);

    ask(p, NULL, 0);
    return p;
}

static void expect_post(size_t which, const char *id, const char *text)
{
    ck_assert_uint_lt(which, post_count);
    ck_assert_str_eq(posts[which].id, id);
    ck_assert_str_eq(posts[which].text, text);
}

static uint64_t records(void)
{
    const wsrt_store *s = wsrt_runtime_store(rt);
    uint64_t n = 99;

    ck_assert_int_eq(s->ops->count(s->self, wall / 1000, &n), WSRT_OK);
    return n;
}

/* ---- sessions ---- */

START_TEST(a_first_session_is_new_and_names_its_token)
{
    char want[512];

    join_with_session(0, "a", "t-ann");
    snprintf(
        want, sizeof want,
        "{\"type\":\"session\",\"data\":{\"resumed\":false,\"reason\":\"new\",\"token\":\"%s\","
        "\"expires\":%lld,\"seq\":0,\"missed\":0},\"correlationId\":\"r-0\"}",
        token_of_answer(), (long long)wall + 86400000);
    ck_assert_uint_eq(post_count, 1);
    expect_post(0, "a", want);
}
END_TEST

START_TEST(who_resumes_is_told_what_was_broadcast_while_it_was_away)
{
    struct peer *a = join_with_session(0, "a", "t-ann");
    char token[77];

    memcpy(token, token_of_answer(), sizeof token);
    shout("{\"n\":1}", 0, NULL);
    leave(a, 1006);
    shout("{\"n\":2}", 0, NULL);
    shout("{\"n\":3}", 0, NULL);
    struct peer *b = join(1, "b", "t-ann");
    post_count = 0;
    ask(b, token, 1);
    ck_assert_uint_eq(post_count, 3);
    ck_assert_ptr_nonnull(strstr(posts[0].text, "\"resumed\":true,\"reason\":\"resumed\""));
    ck_assert_ptr_nonnull(strstr(posts[0].text, "\"seq\":3,\"missed\":2"));
    expect_post(1, "b", "{\"seq\":2,\"n\":2}");
    expect_post(2, "b", "{\"seq\":3,\"n\":3}");
    ck_assert_uint_eq(records(), 1);
}
END_TEST

START_TEST(replies_are_numbered_and_come_again)
{
    char token[77];

    straight = 1;
    struct peer *a = join(0, "a", "t-ann");
    send(a, "{\"type\":\"say\",\"correlationId\":\"m-0\"}");
    expect_post(0, "a", "straight {\"said\":true}");
    ask(a, NULL, 0);
    memcpy(token, token_of_answer(), sizeof token);
    send(a, "{\"type\":\"say\",\"correlationId\":\"m-1\"}");
    expect_post(2, "a", "{\"seq\":1,\"said\":true}");
    leave(a, 1006);
    struct peer *b = join(1, "b", "t-ann");
    ask(b, token, 0);
    ck_assert_uint_eq(post_count, 5);
    expect_post(4, "b", "{\"seq\":1,\"said\":true}");
}
END_TEST

static int failures; /* times the handler fails, first */

static int fail_first(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    if (failures-- > 0)
        return wsrt_fail(ctx, WSRT_ERR_UNAVAILABLE, NULL, NULL);
    return say(ctx, req, user);
}

START_TEST(a_message_that_was_refused_may_come_again_with_its_id)
{
    static const char save[] = "{\"type\":\"save\",\"correlationId\":\"m-1\"}";

    add_route("save", fail_first);
    failures = 1;
    struct peer *p = join_with_session(0, "c1", "t-ann");
    send(p, save);
    ck_assert_ptr_nonnull(strstr(posts[post_count - 1].text, "\"success\":false"));
    send(p, save);
    ck_assert_int_eq(said, 1);
    expect_post(post_count - 1, "c1", "{\"seq\":2,\"said\":true}");
    send(p, save); /* from now on it has been handled */
    ck_assert_int_eq(said, 1);
}
END_TEST

static int slow_end; /* of the handler below */

/* Meanwhile its client has lost the connection, come back, and sent the message again. */
static int say_slowly(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char token[77];

    (void)user;
    if (said++ > 0)
        return WSRT_OK;
    snprintf(token, sizeof token, "%s", token_of_answer());
    peers[0].open = 0;
    struct peer *back = join(1, "c2", "t-ann");
    ask(back, token, 0);
    char again[128];
    snprintf(again, sizeof again, "%.*s", (int)req->event->body.len, req->event->body.ptr);
    send(back, again);
    ck_assert_int_eq(said, 1);
    int rc = slow_end == WSRT_OK ? wsrt_reply(ctx, wsrt_span_cstr("{\"slow\":true}")) : slow_end;
    if (slow_end != WSRT_OK) {
        said = 0;
        return wsrt_fail(ctx, rc, "LATER", NULL);
    }
    return rc;
}

START_TEST(an_answer_finds_the_client_where_it_is_by_then)
{
    static const char work[] = "{\"type\":\"work\",\"correlationId\":\"m-1\"}";

    slow_end = WSRT_OK;
    add_route("work", say_slowly);
    struct peer *p = join_with_session(0, "c1", "t-ann");
    send(p, work);
    expect_post(post_count - 1, "c2", "{\"seq\":1,\"slow\":true}");
    leave(p, 1006);
    ck_assert_uint_eq(records(), 1);
    shout("{\"all\":1}", 0, NULL);
    expect_post(post_count - 1, "c2", "{\"seq\":2,\"all\":1}");
}
END_TEST

START_TEST(a_refusal_that_finds_the_client_elsewhere_lets_it_send_again)
{
    static const char work[] = "{\"type\":\"work\",\"correlationId\":\"m-1\"}";

    slow_end = WSRT_ERR_UNAVAILABLE;
    add_route("work", say_slowly);
    struct peer *p = join_with_session(0, "c1", "t-ann");
    send(p, work);
    ck_assert_str_eq(posts[post_count - 1].id, "c2");
    ck_assert_ptr_nonnull(strstr(posts[post_count - 1].text, "\"code\":\"LATER\""));
    said = 1;
    send(&peers[1], work);
    ck_assert_int_eq(said, 2);
    leave(p, 1006);
}
END_TEST

START_TEST(a_message_sent_again_runs_once_and_its_answer_comes_again)
{
    struct peer *a = join_with_session(0, "a", "t-ann");
    char token[77];

    memcpy(token, token_of_answer(), sizeof token);
    send(a, "{\"type\":\"say\",\"correlationId\":\"m-1\"}");
    leave(a, 1006);
    struct peer *b = join(1, "b", "t-ann");
    ask(b, token, 0);
    post_count = 0;
    send(b, "{\"type\":\"say\",\"correlationId\":\"m-1\"}");
    ck_assert_uint_eq(post_count, 0);
    ck_assert_int_eq(said, 1);
    send(b, "{\"type\":\"say\",\"correlationId\":\"m-2\"}");
    ck_assert_int_eq(said, 2);
}
END_TEST

START_TEST(a_record_stays_while_its_session_waits)
{
    struct peer *a = join_with_session(0, "a", "t-ann");

    leave(a, 1006);
    ck_assert_uint_eq(records(), 1);
    ck_assert_int_le(wsrt_runtime_next_deadline(rt), now);
    wsrt_runtime_tick(rt, now, wall);
    ck_assert_int_eq(wsrt_runtime_next_deadline(rt), now + 120 * SECOND);
    now += 120 * SECOND;
    wsrt_runtime_tick(rt, now, wall);
    ck_assert_uint_eq(records(), 0);
    ck_assert_int_eq(wsrt_runtime_next_deadline(rt), INT64_MAX);
}
END_TEST

START_TEST(a_record_of_who_left_or_has_no_session_is_removed)
{
    struct peer *a = join_with_session(0, "a", "t-ann"), *b = join(1, "b", "t-bob");

    leave(a, 1000);
    ck_assert_uint_eq(records(), 1);
    leave(b, 1006);
    ck_assert_uint_eq(records(), 0);
}
END_TEST

START_TEST(a_session_is_its_users_alone)
{
    struct peer *a = join_with_session(0, "a", "t-ann");
    char token[77];

    memcpy(token, token_of_answer(), sizeof token);
    shout("{\"n\":1}", 0, NULL);
    leave(a, 1006);
    struct peer *b = join(1, "b", "t-bob");
    post_count = 0;
    ask(b, token, 0);
    ck_assert_uint_eq(post_count, 1);
    ck_assert_ptr_nonnull(strstr(posts[0].text, "\"resumed\":false,\"reason\":\"unknown\""));
    ck_assert_uint_eq(records(), 2);
}
END_TEST

START_TEST(a_connection_that_a_session_leaves_open_is_closed_with_4500)
{
    char token[77];

    join_with_session(0, "a", "t-ann");
    memcpy(token, token_of_answer(), sizeof token);
    struct peer *b = join(1, "b", "t-ann");
    ask(b, token, 0);
    ck_assert_int_eq(closed_with, 4500);
    ck_assert_uint_eq(records(), 1);
}
END_TEST

START_TEST(who_cannot_be_told_all_it_missed_is_closed_and_told_the_next_time)
{
    char token[77];

    for (size_t told = 0; told < 3; told++) {
        struct peer *a = join_with_session(0, "a", "t-ann");
        memcpy(token, token_of_answer(), sizeof token);
        leave(a, 1006);
        shout("{\"n\":1}", 0, NULL);
        shout("{\"n\":2}", 0, NULL);
        struct peer *b = join(1, "b", "t-ann");
        closed_with = 0;
        post_count = 0;
        accepted = told;
        ask(b, token, 0);
        ck_assert_int_eq(closed_with, 1013);
        leave(b, 1013);
        accepted = POSTS;
        shout("{\"n\":3}", 0, NULL);
        struct peer *c = join(2, "c", "t-ann");
        post_count = 0;
        ask(c, token, 0);
        ck_assert_ptr_nonnull(strstr(posts[0].text, "\"resumed\":true"));
        expect_post(1, "c", "{\"seq\":1,\"n\":1}");
        expect_post(2, "c", "{\"seq\":2,\"n\":2}");
        expect_post(3, "c", "{\"seq\":3,\"n\":3}");
        leave(c, 1000);
    }
}
END_TEST

START_TEST(what_has_no_number_does_not_wait_and_leaves_the_record)
{
    struct peer *a = join_with_session(0, "a", "t-ann");
    wsrt_delivery report = {.struct_size = sizeof report};

    post_count = 0;
    shout("[1]", 0, NULL);
    shout("{\"n\":1}", WSRT_POST_BINARY, NULL);
    expect_post(0, "a", "[1]");
    expect_post(1, "a", "{\"n\":1}");
    leave(a, 1006);
    ck_assert_int_eq(shout("[2]", 0, &report), WSRT_OK);
    ck_assert_uint_eq(report.failed, 1);
    ck_assert_uint_eq(report.gone, 0);
    ck_assert_uint_eq(records(), 1);
}
END_TEST

START_TEST(broadcasts_reach_those_with_and_without_a_session)
{
    wsrt_delivery report = {.struct_size = sizeof report};

    join_with_session(0, "a", "t-ann");
    join(1, "b", "t-bob");
    post_count = 0;
    ck_assert_int_eq(shout("{\"n\":1}", 0, &report), WSRT_OK);
    ck_assert_uint_eq(report.sent, 2);
    ck_assert_uint_eq(post_count, 2);
    for (size_t i = 0; i < 2; i++)
        ck_assert_str_eq(posts[i].text,
                         posts[i].id[0] == 'a' ? "{\"seq\":1,\"n\":1}" : "{\"n\":1}");
}
END_TEST

START_TEST(a_request_that_cannot_be_read_is_refused)
{
    static const char *const bodies[] = {
        "{\"type\":\"resume\",\"data\":{\"token\":7}}",
        "{\"type\":\"resume\",\"data\":{\"last\":-1}}",
        "{\"type\":\"resume\",\"data\":{\"last\":\"1\"}}",
        "{\"type\":\"resume\",\"data\":{\"last\":1}",
    };
    struct peer *a = join(0, "a", "t-ann");

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        post_count = 0;
        send(a, bodies[i]);
        ck_assert_uint_eq(post_count, 1);
        ck_assert_ptr_nonnull(strstr(posts[0].text, "\"code\":\"INVALID_MESSAGE\""));
    }
}
END_TEST

START_TEST(without_sessions_nothing_is_resumed)
{
    end();
    begin(0);
    struct peer *a = join(0, "a", "t-ann");
    ask(a, NULL, 0);
    ck_assert_ptr_nonnull(strstr(posts[0].text, "\"type\":\"error\""));
    leave(a, 1006);
    ck_assert_uint_eq(records(), 0);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_resume");
    TCase *c = tcase_create("sessions");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_first_session_is_new_and_names_its_token);
    tcase_add_test(c, who_resumes_is_told_what_was_broadcast_while_it_was_away);
    tcase_add_test(c, replies_are_numbered_and_come_again);
    tcase_add_test(c, a_message_that_was_refused_may_come_again_with_its_id);
    tcase_add_test(c, an_answer_finds_the_client_where_it_is_by_then);
    tcase_add_test(c, a_refusal_that_finds_the_client_elsewhere_lets_it_send_again);
    tcase_add_test(c, a_message_sent_again_runs_once_and_its_answer_comes_again);
    tcase_add_test(c, a_record_stays_while_its_session_waits);
    tcase_add_test(c, a_record_of_who_left_or_has_no_session_is_removed);
    tcase_add_test(c, a_session_is_its_users_alone);
    tcase_add_test(c, a_connection_that_a_session_leaves_open_is_closed_with_4500);
    tcase_add_test(c, who_cannot_be_told_all_it_missed_is_closed_and_told_the_next_time);
    tcase_add_test(c, what_has_no_number_does_not_wait_and_leaves_the_record);
    tcase_add_test(c, broadcasts_reach_those_with_and_without_a_session);
    tcase_add_test(c, a_request_that_cannot_be_read_is_refused);
    tcase_add_test(c, without_sessions_nothing_is_resumed);
    suite_add_tcase(s, c);
    return s;
}
