#include "heap.h"
#include "scratch.h"
#include "suite.h"

#include <wsrt/mock.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static wsrt_mock *m;
static wsrt_env env;
static wsrt_sender sender;

static void setup(void)
{
    wsrt_mock_options opts = {.struct_size = sizeof opts, .seed = 7};

    ck_assert_int_eq(wsrt_mock_new(&m, &opts), WSRT_OK);
    wsrt_mock_env(m, &env);
    wsrt_mock_sender(m, &sender);
}

static void teardown(void)
{
    wsrt_mock_free(m);
    m = NULL;
}

static int post(const char *id, const char *text, uint32_t flags)
{
    wsrt_span to = wsrt_span_cstr(id);
    wsrt_post p = {.struct_size = sizeof p, .flags = flags, .data = wsrt_span_cstr(text)};

    return sender.ops->post(sender.self, &to, &p);
}

static wsrt_mock_record record(int kind, size_t index)
{
    wsrt_mock_record r = {.struct_size = sizeof r};

    ck_assert_int_eq(wsrt_mock_get(m, kind, index, &r), WSRT_OK);
    return r;
}

/* ---- clock and randomness ----------------------------------------------------------------- */

START_TEST(time_stands_still_until_it_is_moved)
{
    ck_assert_int_eq(env.now(env.user), 1000000000);
    ck_assert_int_eq(env.now(env.user), 1000000000);
    ck_assert_int_eq(env.wall(env.user), 1795168800000);
    ck_assert_int_eq(wsrt_mock_advance(m, 2500000000), WSRT_OK);
    ck_assert_int_eq(env.now(env.user), 3500000000);
    ck_assert_int_eq(env.wall(env.user), 1795168802500);
}
END_TEST

START_TEST(time_never_goes_back_or_over)
{
    ck_assert_int_eq(wsrt_mock_advance(m, -1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_advance(m, INT64_MAX), WSRT_ERR_INVALID);
    ck_assert_int_eq(env.now(env.user), 1000000000);
}
END_TEST

START_TEST(a_seed_gives_the_same_bytes_again_and_another_seed_others)
{
    wsrt_mock_options same = {.struct_size = sizeof same, .seed = 7};
    wsrt_mock_options other = {.struct_size = sizeof other, .seed = 8};
    unsigned char bytes[3][16];
    wsrt_mock *twins[2];
    wsrt_env envs[2];

    wsrt_mock_new(&twins[0], &same);
    wsrt_mock_new(&twins[1], &other);
    env.random(env.user, bytes[0], 16);
    for (int i = 0; i < 2; i++) {
        wsrt_mock_env(twins[i], &envs[i]);
        envs[i].random(envs[i].user, bytes[i + 1], 16);
        wsrt_mock_free(twins[i]);
    }
    ck_assert_mem_eq(bytes[0], bytes[1], 16);
    ck_assert_mem_ne(bytes[0], bytes[2], 16);
}
END_TEST

START_TEST(randomness_fails_when_told_to)
{
    unsigned char byte;

    ck_assert_int_eq(wsrt_mock_fail(m, WSRT_MOCK_RANDOM, 2, WSRT_ERR_IO, 0), WSRT_OK);
    ck_assert_int_eq(env.random(env.user, &byte, 1), WSRT_OK);
    ck_assert_int_eq(env.random(env.user, &byte, 1), WSRT_ERR_IO);
    ck_assert_int_eq(env.random(env.user, &byte, 1), WSRT_OK);
}
END_TEST

/* ---- log ---------------------------------------------------------------------------------- */

START_TEST(log_lines_are_kept_with_their_fields)
{
    char text[] = "gone soon", name[] = "reason";
    wsrt_field field = {.name_cstr = name, .kind = WSRT_FIELD_TEXT, .text = {text, 4}};

    env.log(env.user, WSRT_LEVEL_WARN, "fallback", &field, 1);
    memset(text, 'x', sizeof text - 1);
    memset(name, 'x', sizeof name - 1);
    wsrt_mock_record r = record(WSRT_MOCK_LOG, 0);
    ck_assert_int_eq(r.code, WSRT_LEVEL_WARN);
    ck_assert_str_eq(r.data.ptr, "fallback");
    ck_assert_uint_eq(r.field_count, 1);
    ck_assert_str_eq(r.fields[0].name_cstr, "reason");
    ck_assert_str_eq(r.fields[0].text.ptr, "gone");
}
END_TEST

/* ---- sender ------------------------------------------------------------------------------- */

START_TEST(a_post_to_an_open_connection_is_taken_and_recorded)
{
    ck_assert_int_eq(wsrt_mock_open(m, "a", 1), WSRT_OK);
    wsrt_mock_advance(m, 5);
    ck_assert_int_eq(post("a", "hello", WSRT_POST_REPLY), WSRT_OK);
    wsrt_mock_record r = record(WSRT_MOCK_POST, 0);
    ck_assert_str_eq(r.connection_id.ptr, "a");
    ck_assert_str_eq(r.data.ptr, "hello");
    ck_assert_uint_eq(r.flags, WSRT_POST_REPLY);
    ck_assert_int_eq(r.status, WSRT_OK);
    ck_assert_int_eq(r.now, 1000000005);
    ck_assert_str_eq(wsrt_mock_last(m, "a"), "hello");
}
END_TEST

START_TEST(a_post_to_an_unknown_connection_is_gone_and_recorded_as_such)
{
    ck_assert_int_eq(post("nobody", "hello", 0), WSRT_ERR_GONE);
    ck_assert_int_eq(record(WSRT_MOCK_POST, 0).status, WSRT_ERR_GONE);
    ck_assert_str_eq(wsrt_mock_last(m, "nobody"), "");
}
END_TEST

START_TEST(a_closed_connection_is_gone_until_it_opens_again)
{
    wsrt_mock_open(m, "a", 1);
    wsrt_mock_open(m, "a", 0);
    ck_assert_int_eq(post("a", "1", 0), WSRT_ERR_GONE);
    wsrt_mock_open(m, "a", 1);
    ck_assert_int_eq(post("a", "2", 0), WSRT_OK);
}
END_TEST

START_TEST(a_script_answers_so_many_posts)
{
    wsrt_mock_open(m, "a", 1);
    ck_assert_int_eq(wsrt_mock_script(m, "a", WSRT_ERR_THROTTLED, 2), WSRT_OK);
    ck_assert_int_eq(post("a", "1", 0), WSRT_ERR_THROTTLED);
    ck_assert_int_eq(post("a", "2", 0), WSRT_ERR_THROTTLED);
    ck_assert_int_eq(post("a", "3", 0), WSRT_OK);
    ck_assert_str_eq(wsrt_mock_last(m, "a"), "3");
}
END_TEST

START_TEST(a_script_without_a_count_holds_until_it_is_taken_back)
{
    wsrt_mock_open(m, "a", 1);
    wsrt_mock_script(m, "a", WSRT_ERR_UNAVAILABLE, 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(post("a", "x", 0), WSRT_ERR_UNAVAILABLE);
    wsrt_mock_script(m, "a", WSRT_OK, 0);
    ck_assert_int_eq(post("a", "x", 0), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_script(m, "b", WSRT_ERR_GONE, 0), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_connection_scripted_to_be_gone_is_closed)
{
    wsrt_mock_open(m, "a", 1);
    wsrt_mock_script(m, "a", WSRT_ERR_GONE, 1);
    ck_assert_int_eq(post("a", "1", 0), WSRT_ERR_GONE);
    ck_assert_int_eq(post("a", "2", 0), WSRT_ERR_GONE);
}
END_TEST

START_TEST(the_sender_judges_like_a_real_one)
{
    char large[131073 + 1];

    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    wsrt_mock_open(m, "a", 1);
    ck_assert_int_eq(post("not an id", "x", 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(post("a", "\xff", 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(post("a", "\xff", WSRT_POST_BINARY), WSRT_OK);
    ck_assert_int_eq(post("a", large, 0), WSRT_ERR_TOO_LARGE);
    ck_assert_int_eq(post("a", large + 1, 0), WSRT_OK);
}
END_TEST

START_TEST(many_posts_have_a_result_each)
{
    wsrt_span ids[] = {wsrt_span_cstr("a"), wsrt_span_cstr("b"), wsrt_span_cstr("c")};
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("all")};
    int results[3];

    wsrt_mock_open(m, "a", 1);
    wsrt_mock_open(m, "c", 1);
    ck_assert_int_eq(sender.ops->post_many(sender.self, ids, 3, &p, results), WSRT_OK);
    ck_assert_int_eq(results[0], WSRT_OK);
    ck_assert_int_eq(results[1], WSRT_ERR_GONE);
    ck_assert_int_eq(results[2], WSRT_OK);
}
END_TEST

START_TEST(the_sender_knows_and_closes_open_connections)
{
    wsrt_span id = wsrt_span_cstr("a"), reason = wsrt_span_cstr("bye");
    wsrt_connection_info info = {.struct_size = sizeof info};

    ck_assert_int_eq(sender.ops->get(sender.self, &id, &info), WSRT_ERR_GONE);
    wsrt_mock_open(m, "a", 1);
    wsrt_mock_advance(m, 3000000);
    ck_assert_int_eq(sender.ops->get(sender.self, &id, &info), WSRT_OK);
    ck_assert_int_eq(info.connected_at, 1795168800000);
    ck_assert_int_eq(info.last_active_at, 1795168800003);
    ck_assert_int_eq(sender.ops->disconnect(sender.self, &id, 4401, &reason), WSRT_OK);
    ck_assert_int_eq(record(WSRT_MOCK_DISCONNECT, 0).code, 4401);
    ck_assert_str_eq(record(WSRT_MOCK_DISCONNECT, 0).data.ptr, "bye");
    ck_assert_int_eq(sender.ops->disconnect(sender.self, &id, 4401, &reason), WSRT_ERR_GONE);
    ck_assert_int_eq(post("a", "x", 0), WSRT_ERR_GONE);
}
END_TEST

/* ---- stores ------------------------------------------------------------------------------- */

static int stub_calls;

static int stub_put(void *self, const wsrt_record *r, int if_absent, int64_t now_s)
{
    (void)self, (void)r, (void)if_absent, (void)now_s;
    stub_calls++;
    return WSRT_OK;
}

static int stub_get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
                    size_t cap)
{
    (void)self, (void)id, (void)now_s, (void)out, (void)buf, (void)cap;
    stub_calls++;
    return WSRT_ERR_NOT_FOUND;
}

static int stub_remove(void *self, const wsrt_span *id, int64_t at)
{
    (void)self, (void)id, (void)at;
    stub_calls++;
    return WSRT_OK;
}

static int stub_each(void *self, const wsrt_span *user, uint32_t flags, wsrt_cursor *cursor,
                     int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                     size_t *count)
{
    (void)self, (void)user, (void)flags, (void)cursor, (void)now_s, (void)out, (void)max, (void)buf;
    (void)cap;
    stub_calls++;
    *count = 0;
    return WSRT_OK;
}

static const wsrt_store_ops stub_ops = {.struct_size = sizeof stub_ops,
                                        .put = stub_put,
                                        .get = stub_get,
                                        .remove = stub_remove,
                                        .each = stub_each};

static int wrapped_put(const wsrt_store *s)
{
    wsrt_record r = {.struct_size = sizeof r, .connection_id = wsrt_span_cstr("a")};

    return s->ops->put(s->self, &r, 0, 1);
}

START_TEST(a_wrapped_store_fails_the_nth_call_once)
{
    wsrt_store inner = {&stub_ops, &stub_calls}, s;

    stub_calls = 0;
    ck_assert_int_eq(wsrt_mock_store(m, &inner, &s), WSRT_OK);
    wsrt_mock_fail(m, WSRT_MOCK_STORE, 2, WSRT_ERR_IO, 0);
    ck_assert_int_eq(wrapped_put(&s), WSRT_OK);
    ck_assert_int_eq(wrapped_put(&s), WSRT_ERR_IO);
    ck_assert_int_eq(wrapped_put(&s), WSRT_OK);
    ck_assert_int_eq(stub_calls, 2);
}
END_TEST

START_TEST(a_wrapped_store_fails_from_the_nth_call_on)
{
    wsrt_store inner = {&stub_ops, &stub_calls}, s;

    stub_calls = 0;
    wsrt_mock_store(m, &inner, &s);
    wsrt_mock_fail(m, WSRT_MOCK_STORE, 2, WSRT_ERR_UNAVAILABLE, 1);
    ck_assert_int_eq(wrapped_put(&s), WSRT_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(wrapped_put(&s), WSRT_ERR_UNAVAILABLE);
    wsrt_mock_fail(m, WSRT_MOCK_STORE, 0, 0, 0);
    ck_assert_int_eq(wrapped_put(&s), WSRT_OK);
    ck_assert_int_eq(stub_calls, 2);
}
END_TEST

START_TEST(a_wrapped_store_lacks_what_the_inner_one_lacks)
{
    wsrt_store inner = {&stub_ops, &stub_calls}, s;

    wsrt_mock_store(m, &inner, &s);
    ck_assert_ptr_null(s.ops->touch);
    ck_assert_ptr_null(s.ops->flush);
    ck_assert_ptr_nonnull(s.ops->each);
}
END_TEST

START_TEST(a_mock_wraps_one_store_only)
{
    wsrt_store inner = {&stub_ops, &stub_calls}, other = {&stub_ops, &other}, s;
    wsrt_store none = {NULL, NULL};

    ck_assert_int_eq(wsrt_mock_store(m, &none, &s), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_store(m, &inner, &s), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_store(m, &inner, &s), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_store(m, NULL, &s), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_store(m, &other, &s), WSRT_ERR_EXISTS);
}
END_TEST

START_TEST(histories_fail_by_a_plan_of_their_own)
{
    wsrt_history h;
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .author = WSRT_AUTHOR_USER,
                            .message_id = wsrt_span_cstr("m1"),
                            .session_id = wsrt_span_cstr("s1"),
                            .content = wsrt_span_cstr("hi")};

    ck_assert_int_eq(wsrt_mock_history(m, NULL, &h), WSRT_OK);
    wsrt_mock_fail(m, WSRT_MOCK_STORE, 1, WSRT_ERR_IO, 1);
    ck_assert_int_eq(h.ops->append(h.self, &e), WSRT_OK);
    wsrt_mock_fail(m, WSRT_MOCK_HISTORY, 1, WSRT_ERR_IO, 1);
    ck_assert_int_eq(h.ops->append(h.self, &e), WSRT_ERR_IO);
}
END_TEST

START_TEST(only_known_parts_fail_and_only_by_errors)
{
    ck_assert_int_eq(wsrt_mock_fail(m, 0, 1, WSRT_ERR_IO, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_fail(m, 4, 1, WSRT_ERR_IO, 0), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_fail(m, WSRT_MOCK_STORE, 1, WSRT_OK, 0), WSRT_ERR_INVALID);
}
END_TEST

/* ---- events and records ------------------------------------------------------------------- */

static int handled;

static int echo(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    handled++;
    return wsrt_reply(ctx, req->event->body);
}

static wsrt_runtime *runtime(const char *key, wsrt_handler handler)
{
    wsrt_runtime *rt;
    wsrt_route route = {
        .struct_size = sizeof route, .key = wsrt_span_cstr(key), .handler = handler};

    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    return rt;
}

START_TEST(a_handler_is_tested_by_three_calls)
{
    wsrt_runtime *rt = runtime("$default", echo);

    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 200);
    ck_assert_int_eq(wsrt_mock_message(m, rt, "c1", "{\"a\":1}"), 200);
    ck_assert_str_eq(wsrt_mock_last(m, "c1"), "{\"a\":1}");
    ck_assert_int_eq(wsrt_mock_disconnect(m, rt, "c1", 1001), 200);
    ck_assert_int_eq(post("c1", "late", 0), WSRT_ERR_GONE);
    wsrt_runtime_free(rt);
}
END_TEST

static int refuse(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req, (void)user;
    return wsrt_respond(ctx, 403, wsrt_span_cstr("no"));
}

START_TEST(a_refused_connect_opens_nothing)
{
    wsrt_runtime *rt = runtime("$connect", refuse);

    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 403);
    ck_assert_int_eq(record(WSRT_MOCK_RESPONSE, 0).status, 403);
    ck_assert_str_eq(record(WSRT_MOCK_RESPONSE, 0).data.ptr, "no");
    ck_assert_int_eq(post("c1", "x", 0), WSRT_ERR_GONE);
    wsrt_runtime_free(rt);
}
END_TEST

static int see_token(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_span token;

    (void)user;
    ck_assert_int_eq(wsrt_event_query(req->event, "token", &token), WSRT_OK);
    return wsrt_respond(ctx, 200, token);
}

START_TEST(a_connect_carries_its_token_as_query_parameter)
{
    wsrt_runtime *rt = runtime("$connect", see_token);

    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", "t0k"), 200);
    ck_assert_str_eq(record(WSRT_MOCK_RESPONSE, 0).data.ptr, "t0k");
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(a_stream_is_dispatched_by_one_call)
{
    wsrt_runtime *rt = runtime("$stream", echo);

    ck_assert_int_eq(wsrt_mock_stream(m, rt, "{\"Records\":[]}"), 200);
    ck_assert_str_eq(record(WSRT_MOCK_RESPONSE, 0).data.ptr, "{\"Records\":[]}");
    wsrt_runtime_free(rt);
}
END_TEST

static int see_binary(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    ck_assert_uint_eq(req->event->flags, WSRT_EVENT_BINARY);
    return wsrt_reply(ctx, req->event->body);
}

START_TEST(an_event_can_be_changed_before_it_is_dispatched)
{
    wsrt_runtime *rt = runtime("$default", see_binary);
    wsrt_event ev;

    wsrt_mock_connect(m, rt, "c1", NULL);
    ck_assert_int_eq(wsrt_mock_event(m, &ev, WSRT_EVENT_MESSAGE, "c1", "bytes"), WSRT_OK);
    ev.flags = WSRT_EVENT_BINARY;
    ck_assert_int_eq(wsrt_mock_dispatch(m, rt, &ev), 200);
    ck_assert_uint_eq(record(WSRT_MOCK_POST, 0).flags & WSRT_POST_BINARY, WSRT_POST_BINARY);
    ck_assert_int_eq(wsrt_mock_event(m, &ev, 0, "c1", NULL), WSRT_ERR_INVALID);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(what_the_runtime_refuses_is_returned)
{
    wsrt_runtime *rt = runtime("$default", echo);

    handled = 0;
    ck_assert_int_eq(wsrt_mock_message(m, rt, "no id!", "x"), WSRT_ERR_INVALID);
    ck_assert_int_eq(handled, 0);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(records_are_counted_and_found_by_kind)
{
    wsrt_mock_record r = {.struct_size = sizeof r};

    wsrt_mock_open(m, "a", 1);
    post("a", "1", 0);
    env.log(env.user, WSRT_LEVEL_INFO, "line", NULL, 0);
    post("a", "2", 0);
    ck_assert_uint_eq(wsrt_mock_count(m, WSRT_MOCK_POST), 2);
    ck_assert_uint_eq(wsrt_mock_count(m, WSRT_MOCK_LOG), 1);
    ck_assert_uint_eq(wsrt_mock_count(m, 0), 3);
    ck_assert_str_eq(record(WSRT_MOCK_POST, 1).data.ptr, "2");
    ck_assert_str_eq(record(0, 1).data.ptr, "line");
    ck_assert_int_eq(wsrt_mock_get(m, WSRT_MOCK_POST, 2, &r), WSRT_ERR_NOT_FOUND);
    r.struct_size = 4;
    ck_assert_int_eq(wsrt_mock_get(m, WSRT_MOCK_POST, 0, &r), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(clearing_forgets_records_and_keeps_connections)
{
    wsrt_mock_open(m, "a", 1);
    post("a", "1", 0);
    wsrt_mock_clear(m);
    ck_assert_uint_eq(wsrt_mock_count(m, 0), 0);
    ck_assert_str_eq(wsrt_mock_last(m, "a"), "");
    ck_assert_int_eq(post("a", "2", 0), WSRT_OK);
}
END_TEST

/* ---- making one --------------------------------------------------------------------------- */

START_TEST(bad_settings_make_no_mock)
{
    wsrt_mock_options opts[] = {{.struct_size = 4},
                                {.struct_size = sizeof opts[0], .flags = 1},
                                {.struct_size = sizeof opts[0], .now = -1},
                                {.struct_size = sizeof opts[0], .wall = -1}};
    int expected[] = {WSRT_ERR_INVALID, WSRT_ERR_UNSUPPORTED, WSRT_ERR_INVALID, WSRT_ERR_INVALID};

    for (size_t i = 0; i < 4; i++) {
        wsrt_mock *none = m;
        ck_assert_int_eq(wsrt_mock_new(&none, &opts[i]), expected[i]);
        ck_assert_ptr_null(none);
    }
}
END_TEST

START_TEST(without_memory_a_mock_refuses_and_stays_usable)
{
    struct heap heap;
    wsrt_mock_options opts = {.struct_size = sizeof opts};
    size_t n = 0;
    int tripped;

    heap_init(&heap);
    opts.allocator = heap.allocator;
    wsrt_mock *kept = m;
    do {
        tripped = 0;
        heap_arm(&heap, ++n, 0);
        if (wsrt_mock_new(&m, &opts) == WSRT_OK) {
            wsrt_mock_sender(m, &sender);
            int opened = wsrt_mock_open(m, "a", 1);
            int posted = post("a", "x", 0);
            if (opened == WSRT_OK)
                ck_assert(posted == WSRT_OK || posted == WSRT_ERR_NOMEM);
            tripped = heap.tripped;
            heap_arm(&heap, 0, 0);
            ck_assert_int_eq(wsrt_mock_open(m, "a", 1), WSRT_OK);
            ck_assert_int_eq(post("a", "y", 0), WSRT_OK);
            ck_assert_str_eq(wsrt_mock_last(m, "a"), "y");
        }
        tripped |= heap.tripped;
        wsrt_mock_free(m);
        ck_assert_uint_eq(heap.live, 0);
    } while (tripped);
    printf("# allocation points: %zu\n", n - 1);
    ck_assert_uint_eq(n - 1, 5);
    m = kept;
}
END_TEST

/* ---- worlds ------------------------------------------------------------------------------- */

static int repeat(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)user;
    return wsrt_reply(ctx, req->event->body);
}

static size_t say(void *user, uint64_t client, uint64_t turn, uint64_t random, char *dst,
                  size_t cap)
{
    (void)user;
    return (size_t)snprintf(dst, cap, "{\"n\":[%u,%u,%u]}", (unsigned)client, (unsigned)turn,
                            (unsigned)(random % 1000));
}

struct ears {
    size_t heard;
    uint64_t highest;
};

static void hear(void *user, uint64_t client, const char *data, size_t len)
{
    struct ears *e = user;
    char wanted[32];

    int n = snprintf(wanted, sizeof wanted, "{\"n\":[%u,", (unsigned)client);
    ck_assert(len > (size_t)n && memcmp(data, wanted, (size_t)n) == 0);
    e->heard++;
    e->highest = client > e->highest ? client : e->highest;
}

static wsrt_mock_world_report run_world(wsrt_mock_world w)
{
    wsrt_mock_world_report report = {.struct_size = sizeof report};
    wsrt_runtime_options o = {.struct_size = sizeof o, .flags = WSRT_RUNTIME_NO_LIMITS};
    wsrt_route r = {.struct_size = sizeof r, .key = wsrt_span_cstr("$default"), .handler = repeat};
    wsrt_runtime *rt;

    teardown();
    setup();
    w.struct_size = sizeof w;
    w.say = say;
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &r), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_world_run(m, rt, &w, &report), WSRT_OK);
    wsrt_runtime_free(rt);
    return report;
}

START_TEST(in_a_world_every_client_says_all_and_hears_its_answers)
{
    struct ears e = {0};
    wsrt_mock_world_report r =
        run_world((wsrt_mock_world){.clients = 50, .messages = 4, .hear = hear, .user = &e});

    ck_assert_uint_eq(r.connects, 50);
    ck_assert_uint_eq(r.messages, 200);
    ck_assert_uint_eq(r.heard, 200);
    ck_assert_uint_eq(r.disconnects, 50);
    ck_assert_uint_eq(r.lost, 0);
    ck_assert_uint_eq(e.heard, 200);
    ck_assert_uint_eq(e.highest, 49);
    ck_assert(r.lasted > 2000000000 && r.lasted < 20000000000);
}
END_TEST

START_TEST(the_same_seed_is_the_same_world_and_another_is_not)
{
    wsrt_mock_world w = {.seed = 3, .clients = 20, .lost = 200};
    wsrt_mock_world_report first = run_world(w), again = run_world(w);

    ck_assert_mem_eq(&first, &again, sizeof first);
    w.seed = 4;
    ck_assert(run_world(w).trace != first.trace);
}
END_TEST

START_TEST(lost_clients_come_back_and_say_the_rest)
{
    wsrt_mock_world_report r = run_world((wsrt_mock_world){.clients = 20, .lost = 300});

    ck_assert_uint_gt(r.lost, 20);
    ck_assert_uint_eq(r.connects, 20 + r.lost);
    ck_assert_uint_eq(r.disconnects, r.connects);
    ck_assert_uint_eq(r.messages, 200);
}
END_TEST

static double cpu_of_world(uint64_t clients)
{
    clock_t began = clock();

    run_world((wsrt_mock_world){.clients = clients, .messages = 4});
    return (double)(clock() - began);
}

/* Linear would be eight. */
START_TEST(a_world_of_eight_times_the_clients_does_not_take_twenty_times_as_long)
{
    double ratio = cpu_of_world(4800) / cpu_of_world(600);

    for (int i = 0; i < 2 && ratio > 20; i++)
        ratio = cpu_of_world(4800) / cpu_of_world(600);
    ck_assert_msg(ratio <= 20, "%.1f", ratio);
}
END_TEST

START_TEST(a_world_without_sense_is_refused)
{
    wsrt_mock_world w = {.struct_size = sizeof w, .say = say, .lost = 901};
    wsrt_runtime *rt;

    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_world_run(m, rt, &w, NULL), WSRT_ERR_INVALID);
    w.lost = 0;
    w.clients = 100001;
    ck_assert_int_eq(wsrt_mock_world_run(m, rt, &w, NULL), WSRT_ERR_INVALID);
    w.clients = 0;
    w.say = NULL;
    ck_assert_int_eq(wsrt_mock_world_run(m, rt, &w, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_world_run(m, NULL, &w, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_world_run(m, rt, NULL, NULL), WSRT_ERR_INVALID);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(a_slow_store_takes_the_time_it_was_given)
{
    wsrt_store s;
    uint64_t n;

    ck_assert_int_eq(wsrt_mock_store(m, NULL, &s), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_delay(m, WSRT_MOCK_STORE, 5000000), WSRT_OK);
    int64_t before = env.now(env.user);
    ck_assert_int_eq(s.ops->count(s.self, 1, &n), WSRT_OK);
    ck_assert_int_eq(env.now(env.user) - before, 5000000);
    ck_assert_int_eq(wsrt_mock_delay(m, WSRT_MOCK_STORE, 0), WSRT_OK);
    ck_assert_int_eq(s.ops->count(s.self, 1, &n), WSRT_OK);
    ck_assert_int_eq(env.now(env.user) - before, 5000000);
    ck_assert_int_eq(wsrt_mock_delay(m, WSRT_MOCK_RANDOM, 1), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_mock_delay(m, WSRT_MOCK_STORE, -1), WSRT_ERR_INVALID);
}
END_TEST

/* ---- events from JSON --------------------------------------------------------------------- */

static wsrt_event played;
static char played_text[256];

/* Keeps what the runtime handed on of an event. */
static int keep(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_event *ev = req->event;
    wsrt_span origin = {NULL, 0}, lang = {NULL, 0};

    (void)ctx, (void)user;
    played = *ev;
    (void)wsrt_event_header(ev, "origin", &origin);
    (void)wsrt_event_query(ev, "lang", &lang);
    snprintf(played_text, sizeof played_text, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s",
             (int)ev->connection_id.len, ev->connection_id.ptr, (int)ev->body.len, ev->body.ptr,
             (int)origin.len, origin.ptr, (int)lang.len, lang.ptr,
             ev->principal != NULL ? (int)ev->principal->user_id.len : 0,
             ev->principal != NULL ? ev->principal->user_id.ptr : "",
             (int)ev->disconnect_reason.len, ev->disconnect_reason.ptr);
    return WSRT_OK;
}

static wsrt_runtime *play_runtime(void)
{
    static const char *const keys[] = {"$connect", "$default", "$disconnect", "$stream"};
    wsrt_runtime *rt;

    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, NULL), WSRT_OK);
    for (size_t i = 0; i < 4; i++) {
        wsrt_route r = {.struct_size = sizeof r, .key = wsrt_span_cstr(keys[i]), .handler = keep};
        ck_assert_int_eq(wsrt_runtime_route(rt, &r), WSRT_OK);
    }
    return rt;
}

static const struct {
    const char *json;
    int kind;
    const char *text;
} plays[] = {
    {"{\"kind\":\"connect\",\"connectionId\":\"a\",\"headers\":{\"Origin\":\"https://x\"},"
     "\"query\":{\"lang\":\"gr\\u00fcn\"}}",
     WSRT_EVENT_CONNECT, "a||https://x|gr\xc3\xbcn||"},
    {"{\"connectionId\":\"a\",\"body\":{\"n\": [1, 2]},\"kind\":\"message\"}", WSRT_EVENT_MESSAGE,
     "a|{\"n\": [1, 2]}||||"},
    {"{\"kind\":\"message\",\"connectionId\":\"a\",\"body\":\"not \\\"JSON\",\"principal\":"
     "{\"userId\":\"ann\",\"expiresAt\":1795172400}}",
     WSRT_EVENT_MESSAGE, "a|not \"JSON|||ann|"},
    {"[{\"kind\":\"connect\",\"connectionId\":\"b\"},{\"kind\":\"disconnect\",\"connectionId\":"
     "\"b\",\"disconnectCode\":1001,\"disconnectReason\":\"bye\"}]",
     WSRT_EVENT_DISCONNECT, "b|||||bye"},
    {"{\"kind\":\"stream\",\"body\":{\"Records\":[]}}", WSRT_EVENT_STREAM, "|{\"Records\":[]}||||"},
};
enum { PLAYS = sizeof plays / sizeof plays[0] };

START_TEST(an_event_is_read_from_json)
{
    wsrt_runtime *rt = play_runtime();

    ck_assert_int_eq(wsrt_mock_play(m, rt, wsrt_span_cstr(plays[_i].json), NULL), 200);
    ck_assert_int_eq(played.kind, plays[_i].kind);
    ck_assert_str_eq(played_text, plays[_i].text);
    ck_assert_int_eq(played.disconnect_code, plays[_i].kind == WSRT_EVENT_DISCONNECT ? 1001 : 0);
    wsrt_runtime_free(rt);
}
END_TEST

static const struct {
    const char *json;
    int status;
    const char *place; /* where the offset points */
    const char *rule;  /* part of its text */
} bad_plays[] = {
    {"[1", WSRT_ERR_MALFORMED, "", ""},
    {"7", WSRT_ERR_REJECTED, "7", "object with a kind"},
    {"{\"connectionId\":\"a\"}", WSRT_ERR_REJECTED, "{\"conn", "object with a kind"},
    {"{\"kind\":\"fly\"}", WSRT_ERR_REJECTED, "fly", "kind is connect"},
    {"{\"kind\":\"connect\",\"connectionID\":\"a\"}", WSRT_ERR_REJECTED, "connectionID",
     "no such member"},
    {"{\"kind\":\"connect\",\"connectionId\":5}", WSRT_ERR_REJECTED, "5", "string"},
    {"{\"kind\":\"connect\",\"headers\":[]}", WSRT_ERR_REJECTED, "[]", "object of strings"},
    {"{\"kind\":\"message\",\"principal\":{\"name\":\"x\"}}", WSRT_ERR_REJECTED, "name",
     "no such member"},
    {"{\"kind\":\"disconnect\",\"disconnectCode\":99}", WSRT_ERR_REJECTED, "99", "1000 to 4999"},
    {"{\"kind\":\"message\",\"binary\":1}", WSRT_ERR_REJECTED, "1}", "true or false"},
    {"[{\"kind\":\"connect\",\"connectionId\":\"a\"},{\"kind\":\"message\"}]", WSRT_ERR_INVALID,
     "{\"kind\":\"message\"", "does not take"},
};
enum { BAD_PLAYS = sizeof bad_plays / sizeof bad_plays[0] };

START_TEST(what_is_no_event_is_refused_with_its_place_and_the_rule)
{
    const char *json = bad_plays[_i].json;
    wsrt_runtime *rt = play_runtime();
    wsrt_json_error why = {0, ""};

    ck_assert_int_eq(wsrt_mock_play(m, rt, wsrt_span_cstr(json), &why), bad_plays[_i].status);
    ck_assert_msg(strncmp(json + why.offset, bad_plays[_i].place, strlen(bad_plays[_i].place)) == 0,
                  "%zu", why.offset);
    ck_assert_msg(strstr(why.text_cstr, bad_plays[_i].rule) != NULL, "%s", why.text_cstr);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(events_are_played_from_a_file)
{
    wsrt_runtime *rt = play_runtime();
    wsrt_json_error why = {0, ""};
    struct scratch dir;

    scratch_make(&dir);
    const char *path = scratch_path(&dir, "events.json").ptr;
    ck_assert_int_eq(wsrt_mock_play_file(m, rt, path, &why), WSRT_ERR_NOT_FOUND);
    ck_assert_str_eq(why.text_cstr, "the file cannot be read");
    FILE *file = fopen(path, "w");
    fprintf(file,
            "[{\"kind\":\"connect\",\"connectionId\":\"a\"},\n%9000s\n{\"kind\":\"message\","
            "\"connectionId\":\"a\",\"body\":\"hi\"}]",
            "");
    fclose(file);
    ck_assert_int_eq(wsrt_mock_play_file(m, rt, path, &why), 200);
    ck_assert_str_eq(played_text, "a|hi||||");
    ck_assert_int_eq(wsrt_mock_play_file(m, rt, dir.folder, &why), WSRT_ERR_IO);
    scratch_remove(&dir);
    wsrt_runtime_free(rt);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("mock");
    TCase *t = tcase_create("mock");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, time_stands_still_until_it_is_moved);
    tcase_add_test(t, time_never_goes_back_or_over);
    tcase_add_test(t, a_seed_gives_the_same_bytes_again_and_another_seed_others);
    tcase_add_test(t, randomness_fails_when_told_to);
    tcase_add_test(t, log_lines_are_kept_with_their_fields);
    tcase_add_test(t, a_post_to_an_open_connection_is_taken_and_recorded);
    tcase_add_test(t, a_post_to_an_unknown_connection_is_gone_and_recorded_as_such);
    tcase_add_test(t, a_closed_connection_is_gone_until_it_opens_again);
    tcase_add_test(t, a_script_answers_so_many_posts);
    tcase_add_test(t, a_script_without_a_count_holds_until_it_is_taken_back);
    tcase_add_test(t, a_connection_scripted_to_be_gone_is_closed);
    tcase_add_test(t, the_sender_judges_like_a_real_one);
    tcase_add_test(t, many_posts_have_a_result_each);
    tcase_add_test(t, the_sender_knows_and_closes_open_connections);
    tcase_add_test(t, a_wrapped_store_fails_the_nth_call_once);
    tcase_add_test(t, a_wrapped_store_fails_from_the_nth_call_on);
    tcase_add_test(t, a_wrapped_store_lacks_what_the_inner_one_lacks);
    tcase_add_test(t, a_mock_wraps_one_store_only);
    tcase_add_test(t, histories_fail_by_a_plan_of_their_own);
    tcase_add_test(t, only_known_parts_fail_and_only_by_errors);
    tcase_add_test(t, a_handler_is_tested_by_three_calls);
    tcase_add_test(t, a_refused_connect_opens_nothing);
    tcase_add_test(t, a_connect_carries_its_token_as_query_parameter);
    tcase_add_test(t, a_stream_is_dispatched_by_one_call);
    tcase_add_test(t, an_event_can_be_changed_before_it_is_dispatched);
    tcase_add_test(t, what_the_runtime_refuses_is_returned);
    tcase_add_test(t, records_are_counted_and_found_by_kind);
    tcase_add_test(t, clearing_forgets_records_and_keeps_connections);
    tcase_add_test(t, bad_settings_make_no_mock);
    tcase_add_test(t, without_memory_a_mock_refuses_and_stays_usable);
    tcase_add_test(t, in_a_world_every_client_says_all_and_hears_its_answers);
    tcase_add_test(t, the_same_seed_is_the_same_world_and_another_is_not);
    tcase_add_test(t, lost_clients_come_back_and_say_the_rest);
    tcase_add_test(t, a_world_of_eight_times_the_clients_does_not_take_twenty_times_as_long);
    tcase_add_test(t, a_world_without_sense_is_refused);
    tcase_add_test(t, a_slow_store_takes_the_time_it_was_given);
    tcase_add_loop_test(t, an_event_is_read_from_json, 0, PLAYS);
    tcase_add_loop_test(t, what_is_no_event_is_refused_with_its_place_and_the_rule, 0, BAD_PLAYS);
    tcase_add_test(t, events_are_played_from_a_file);
    suite_add_tcase(s, t);
    return s;
}
