/* What a handler can ask of its event, with good arguments, bad ones, and without memory. */
#include "runtime_world.h"
#include "suite.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})

typedef void (*inside)(wsrt_context *ctx, const wsrt_request *req);

static int visits;

static int visit(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    inside *look = user;

    visits++;
    (*look)(ctx, req);
    return WSRT_OK;
}

/* Has `look` called by the handler of one message, which is an empty object unless `ev` says more. */
static void look_around(inside look, wsrt_route r, const wsrt_event *more)
{
    wsrt_event ev = more != NULL ? *more : world_event(WSRT_EVENT_MESSAGE, "c1", NULL);

    r.user = &look;
    world_add_route("$default", visit, &r);
    if (ev.body.len == 0)
        ev.body = TEXT("{}");
    visits = 0;
    ck_assert_int_eq(world_dispatch(&ev), WSRT_OK);
    ck_assert_int_eq(visits, 1);
}

/* ---- parts and time ---- */

static void ask_for_parts(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_runtime *rt = wsrt_context_runtime(ctx);

    (void)req;
    ck_assert_ptr_eq(rt, w.rt);
    ck_assert_ptr_eq(wsrt_context_monitor(ctx), wsrt_runtime_monitor(rt));
    ck_assert_ptr_eq(wsrt_context_breakers(ctx), wsrt_runtime_breakers(rt));
    ck_assert_ptr_eq(wsrt_context_store(ctx), wsrt_runtime_store(rt));
    ck_assert_ptr_eq(wsrt_context_history(ctx), wsrt_runtime_history(rt));
}

START_TEST(a_handler_finds_the_parts_of_its_runtime)
{
    look_around(ask_for_parts, (wsrt_route){0}, NULL);
}
END_TEST

static const wsrt_sender *seen_sender;

static void ask_for_sender(wsrt_context *ctx, const wsrt_request *req)
{
    (void)req;
    seen_sender = wsrt_context_sender(ctx);
}

START_TEST(a_handler_finds_the_sender_where_there_is_one)
{
    wsrt_runtime_options o = world_options();

    look_around(ask_for_sender, (wsrt_route){0}, NULL);
    ck_assert_ptr_nonnull(seen_sender);
    ck_assert_ptr_eq(seen_sender->self, &w);
    o.sender = NULL;
    world_begin(&o);
    look_around(ask_for_sender, (wsrt_route){0}, NULL);
    ck_assert_ptr_null(seen_sender);
}
END_TEST

static int64_t seen_deadline;

static void ask_for_deadline(wsrt_context *ctx, const wsrt_request *req)
{
    (void)req;
    seen_deadline = wsrt_context_deadline(ctx);
}

START_TEST(a_deadline_is_the_events_or_never)
{
    wsrt_runtime_options o = world_options();
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);

    look_around(ask_for_deadline, (wsrt_route){0}, &ev);
    ck_assert_int_eq(seen_deadline, INT64_MAX);
    world_begin(&o);
    ev.deadline = 77;
    look_around(ask_for_deadline, (wsrt_route){0}, &ev);
    ck_assert_int_eq(seen_deadline, 77);
}
END_TEST

static void take_memory(wsrt_context *ctx, const wsrt_request *req)
{
    static const size_t sizes[] = {0, 1, 100, 8192, 100000};
    unsigned char *blocks[COUNT(sizes)];

    (void)req;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        blocks[i] = wsrt_context_alloc(ctx, sizes[i]);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t k = 0; k < sizes[i]; k++)
            ck_assert_uint_eq(blocks[i][k], i);
    ck_assert_ptr_null(wsrt_context_alloc(ctx, SIZE_MAX));
}

START_TEST(memory_of_a_context_is_aligned_apart_and_ends_somewhere)
{
    look_around(take_memory, (wsrt_route){0}, NULL);
}
END_TEST

/* ---- fields ---- */

static const char fields_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"name\":{\"type\":\"string\",\"x-wsrt-extract\":\"name\"},"
    "\"escaped\":{\"type\":\"string\",\"x-wsrt-extract\":\"escaped\"},"
    "\"number\":{\"type\":\"number\",\"x-wsrt-extract\":\"number\"},"
    "\"absent\":{\"type\":\"string\",\"x-wsrt-extract\":\"absent\"}}}";

static void read_fields(wsrt_context *ctx, const wsrt_request *req)
{
    static const struct {
        const char *slot, *text;
    } rows[] = {
        {"name", "plain"}, {"escaped", "a\nb"}, {"number", NULL}, {"absent", NULL}, {"no", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_span text = {0};
        int rc = wsrt_request_text(ctx, req, rows[i].slot, &text);
        ck_assert_int_eq(rc, rows[i].text != NULL ? WSRT_OK : WSRT_ERR_NOT_FOUND);
        ck_assert(wsrt_span_equal(text, wsrt_span_cstr(rows[i].text)));
    }
}

static void misuse_fields(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_request cut = *req;
    wsrt_span text;

    cut.slot_count = 0;
    ck_assert_int_eq(wsrt_request_text(NULL, req, "name", &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_request_text(ctx, NULL, "name", &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_request_text(ctx, req, NULL, &text), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_request_text(ctx, req, "name", NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_request_text(ctx, &cut, "name", &text), WSRT_ERR_NOT_FOUND);
}

static void read_without_schema(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_span text;

    ck_assert_ptr_null(req->slots);
    ck_assert_int_eq(wsrt_request_text(ctx, req, "name", &text), WSRT_ERR_NOT_FOUND);
}

/* Leaves nothing of the memory that a context has of its own. */
static void use_up(wsrt_context *ctx)
{
    heap_arm(&w.heap, 1, 1);
    for (size_t size = 4096; size > 0; size /= 2)
        while (wsrt_context_alloc(ctx, size) != NULL)
            continue;
}

static void read_without_memory(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_span text;

    use_up(ctx);
    ck_assert_int_eq(wsrt_request_text(ctx, req, "name", &text), WSRT_OK);
    ck_assert_int_eq(wsrt_request_text(ctx, req, "escaped", &text), WSRT_ERR_NOMEM);
    heap_disarm(&w.heap);
    ck_assert_int_eq(wsrt_request_text(ctx, req, "escaped", &text), WSRT_OK);
}

static void with_fields(inside look)
{
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    wsrt_schema *schema;

    ck_assert_int_eq(wsrt_schema_new(&schema, fields_schema, sizeof fields_schema - 1, NULL, NULL),
                     WSRT_OK);
    ev.body = TEXT("{\"name\":\"plain\",\"escaped\":\"a\\nb\",\"number\":1}");
    look_around(look, (wsrt_route){.schema = schema}, &ev);
    world_tear_down();
    wsrt_schema_free(schema);
    world_set_up();
}

START_TEST(a_field_is_text_when_it_is_there_and_a_string)
{
    with_fields(read_fields);
}
END_TEST

START_TEST(fields_are_asked_for_with_all_arguments)
{
    with_fields(misuse_fields);
}
END_TEST

START_TEST(without_a_schema_there_are_no_fields)
{
    look_around(read_without_schema, (wsrt_route){0}, NULL);
}
END_TEST

START_TEST(only_a_field_with_escapes_takes_memory)
{
    with_fields(read_without_memory);
}
END_TEST

/* ---- answers ---- */

static void answer_badly(wsrt_context *ctx, const wsrt_request *req)
{
    static const wsrt_span nowhere = {NULL, 1};

    (void)req;
    ck_assert_int_eq(wsrt_reply(NULL, TEXT("x")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_reply(ctx, nowhere), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_respond(NULL, 200, TEXT("x")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_respond(ctx, 99, TEXT("x")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_respond(ctx, 600, TEXT("x")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_respond(ctx, 200, nowhere), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_fail(NULL, WSRT_ERR_GONE, "A", "b"), WSRT_ERR_INTERNAL);
    ck_assert_int_eq(wsrt_fail(ctx, 0, "A", "b"), WSRT_ERR_INTERNAL);
    ck_assert_int_eq(wsrt_authenticate(NULL, TEXT("x")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_call(NULL, "s", "o", NULL, NULL, NULL), WSRT_ERR_INVALID);
}

START_TEST(answers_that_cannot_be_are_refused_and_leave_nothing)
{
    look_around(answer_badly, (wsrt_route){0}, NULL);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.body, "");
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

static void answer_largely(wsrt_context *ctx, const wsrt_request *req)
{
    (void)req;
    ck_assert_int_eq(wsrt_reply(ctx, TEXT("12345")), WSRT_ERR_TOO_LARGE);
    ck_assert_int_eq(wsrt_reply(ctx, TEXT("1234")), WSRT_OK);
}

START_TEST(a_reply_over_the_cap_is_too_large_and_not_sent)
{
    wsrt_runtime_options o = world_options();

    o.max_message = 4;
    world_begin(&o);
    look_around(answer_largely, (wsrt_route){0}, NULL);
    ck_assert_uint_eq(w.post_count, 1);
    ck_assert_str_eq(world_last_post(), "1234");
}
END_TEST

static void answer_twice(wsrt_context *ctx, const wsrt_request *req)
{
    (void)req;
    ck_assert_int_eq(wsrt_respond(ctx, 201, TEXT("first")), WSRT_OK);
    ck_assert_int_eq(wsrt_respond(ctx, 599, TEXT("")), WSRT_OK);
}

START_TEST(of_two_responses_the_last_wins)
{
    look_around(answer_twice, (wsrt_route){0}, NULL);
    ck_assert_int_eq(w.status, 599);
    ck_assert_str_eq(w.body, "");
}
END_TEST

static void add_many_headers(wsrt_context *ctx, const wsrt_request *req)
{
    (void)req;
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(wsrt_respond_header(ctx, TEXT("X-Number"), TEXT("")), WSRT_OK);
    ck_assert_int_eq(wsrt_respond_header(ctx, TEXT("X-Number"), TEXT("")), WSRT_ERR_LIMIT);
}

START_TEST(a_response_has_up_to_sixteen_headers)
{
    look_around(add_many_headers, (wsrt_route){0}, NULL);
    ck_assert_str_eq(w.header, "X-Number: ");
}
END_TEST

static void add_odd_headers(wsrt_context *ctx, const wsrt_request *req)
{
    static char name[257], value[8193];

    (void)req;
    memset(name, 'n', sizeof name);
    memset(value, 'v', sizeof value);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        int in_name = c != 0 && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                       c) != NULL;
        int in_value = c == '\t' || (c >= 0x20 && c != 0x7f);
        int named = wsrt_respond_header(ctx, (wsrt_span){&byte, 1}, TEXT("v"));
        int valued = wsrt_respond_header(ctx, TEXT("n"), (wsrt_span){&byte, 1});
        ck_assert_msg((named != WSRT_ERR_INVALID) == in_name, "a name of %d: %d", c, named);
        ck_assert_msg((valued != WSRT_ERR_INVALID) == in_value, "a value of %d: %d", c, valued);
    }
    ck_assert_int_eq(wsrt_respond_header(ctx, (wsrt_span){name, 257}, TEXT("v")), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_respond_header(ctx, TEXT("n"), (wsrt_span){value, 8193}),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_respond_header(ctx, (wsrt_span){name, 256}, (wsrt_span){value, 8192}),
                     WSRT_ERR_LIMIT); /* there are sixteen by now */
}

START_TEST(a_headers_name_is_a_token_and_its_value_has_no_controls)
{
    look_around(add_odd_headers, (wsrt_route){0}, NULL);
}
END_TEST

/* ---- without memory ---- */

static wsrt_span request_id;

static void go_without_memory(wsrt_context *ctx, const wsrt_request *req)
{
    const wsrt_field field = {.name_cstr = "n", .kind = WSRT_FIELD_INT, .number = 1};
    wsrt_span id;

    (void)req;
    use_up(ctx);
    ck_assert_int_eq(wsrt_context_new_id(ctx, &id), WSRT_ERR_NOMEM);
    ck_assert_int_eq(wsrt_respond(ctx, 200, TEXT("body")), WSRT_ERR_NOMEM);
    ck_assert_int_eq(wsrt_respond(ctx, 202, TEXT("")), WSRT_OK);
    ck_assert_int_eq(wsrt_respond_header(ctx, TEXT("n"), TEXT("v")), WSRT_ERR_NOMEM);
    ck_assert_int_eq(wsrt_authenticate(ctx, TEXT("ann-token")), WSRT_ERR_NOMEM);
    ck_assert_ptr_null(wsrt_context_principal(ctx));
    ck_assert_int_eq(wsrt_fail(ctx, WSRT_ERR_GONE, "CODE", "text"), WSRT_ERR_GONE);
    wsrt_context_log(ctx, WSRT_LEVEL_WARN, "unguarded", &field, 1); /* without the id, but told */
    id = wsrt_context_correlation_id(ctx);
    ck_assert(wsrt_span_equal(id, request_id.len > 0 ? request_id : TEXT("unavailable")));
    heap_disarm(&w.heap);
}

START_TEST(without_memory_each_call_says_so_and_the_line_is_logged)
{
    request_id = TEXT("");
    look_around(go_without_memory, (wsrt_route){0}, NULL);
    ck_assert_int_eq(w.status, 202);
    ck_assert_uint_eq(w.unguarded_lines, 1);
    ck_assert_str_eq(w.last, "n= ");
}
END_TEST

START_TEST(an_id_that_cannot_be_made_is_the_requests_where_that_is_one)
{
    static const struct {
        const char *request, *id;
    } rows[] = {{"req-7", "req-7"}, {"not an id", "unavailable"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_runtime_options o = world_options();
        wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
        ev.request_id = wsrt_span_cstr(rows[i].request);
        request_id = wsrt_span_cstr(rows[i].id);
        world_begin(&o);
        look_around(go_without_memory, (wsrt_route){0}, &ev);
    }
}
END_TEST

static int no_entropy;

static int draw(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 7, len);
    return no_entropy ? WSRT_ERR_IO : WSRT_OK;
}

static void ask_for_an_id(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_span id;

    (void)req;
    no_entropy = 1;
    ck_assert_int_eq(wsrt_context_new_id(ctx, &id), WSRT_ERR_IO);
    ck_assert(wsrt_span_equal(wsrt_context_correlation_id(ctx), TEXT("unavailable")));
}

START_TEST(without_entropy_there_is_no_id_and_the_event_is_handled)
{
    wsrt_runtime_options o = world_options();
    wsrt_env env = *o.env;

    env.random = draw;
    no_entropy = 0;
    o.env = &env;
    world_begin(&o);
    look_around(ask_for_an_id, (wsrt_route){0}, NULL);
}
END_TEST

static void reply_without_memory(wsrt_context *ctx, const wsrt_request *req)
{
    (void)req;
    use_up(ctx);
    ck_assert_int_eq(wsrt_reply(ctx, TEXT("x")), WSRT_ERR_NOMEM);
    heap_disarm(&w.heap);
    ck_assert_int_eq(wsrt_reply(ctx, TEXT("y")), WSRT_OK);
}

START_TEST(a_reply_in_the_response_that_found_no_memory_can_be_made_again)
{
    look_around(reply_without_memory, (wsrt_route){.flags = WSRT_ROUTE_TWO_WAY}, NULL);
    ck_assert_str_eq(w.body, "y");
}
END_TEST

static int fail_without_memory(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    use_up(ctx);
    return WSRT_ERR_NOT_FOUND;
}

START_TEST(without_memory_an_error_is_the_least_envelope)
{
    world_add_route("$default", fail_without_memory, NULL);
    world_message("c1", NULL, "{}");
    heap_disarm(&w.heap);
    ck_assert_str_eq(world_last_post(),
                     "{\"type\":\"error\",\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\","
                     "\"message\":\"Internal error\",\"code\":\"INTERNAL_ERROR\"}}");
}
END_TEST

/* ---- headers and queries of events ---- */

START_TEST(a_pair_is_found_whatever_the_case_of_its_name)
{
    const wsrt_pair pairs[] = {{TEXT("X-One"), TEXT("1")},
                               {TEXT("x-two"), TEXT("2")},
                               {TEXT("X-TWO"), TEXT("3")},
                               {TEXT("[@`{"), TEXT("4")}};
    const wsrt_event ev = {.struct_size = sizeof ev,
                           .headers = pairs,
                           .header_count = COUNT(pairs),
                           .query = pairs,
                           .query_count = COUNT(pairs)};
    static const struct {
        const char *name, *value;
    } rows[] = {{"x-one", "1"}, {"X-Two", "2"}, {"x-three", NULL},
                {"x-on", NULL}, {"[@`{", "4"},  {"{@`[", NULL}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_span header = {0}, query = {0};
        int wanted = rows[i].value != NULL ? WSRT_OK : WSRT_ERR_NOT_FOUND;
        ck_assert_int_eq(wsrt_event_header(&ev, rows[i].name, &header), wanted);
        ck_assert_int_eq(wsrt_event_query(&ev, rows[i].name, &query), wanted);
        ck_assert(wsrt_span_equal(header, wsrt_span_cstr(rows[i].value)));
        ck_assert(wsrt_span_equal(query, wsrt_span_cstr(rows[i].value)));
    }
}
END_TEST

START_TEST(pairs_are_asked_for_with_all_arguments)
{
    const wsrt_event ev = {.struct_size = sizeof ev};
    wsrt_span value;

    ck_assert_int_eq(wsrt_event_header(NULL, "n", &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_event_header(&ev, NULL, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_event_header(&ev, "n", NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_event_query(NULL, "n", &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_event_query(&ev, NULL, &value), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_event_query(&ev, "n", NULL), WSRT_ERR_INVALID);
}
END_TEST

/* ---- calls ---- */

static int succeed(wsrt_context *ctx, void *arg)
{
    (void)ctx;
    ++*(int *)arg;
    return WSRT_OK;
}

static void call_badly(wsrt_context *ctx, const wsrt_request *req)
{
    static char huge[512];
    int calls = 0;

    (void)req;
    memset(huge, 'x', sizeof huge - 1);
    ck_assert_int_eq(wsrt_call(NULL, "s", "o", succeed, NULL, &calls), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_call(ctx, NULL, "o", succeed, NULL, &calls), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_call(ctx, "s", NULL, succeed, NULL, &calls), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_call(ctx, "s", "o", NULL, NULL, &calls), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_call(ctx, huge, "o", succeed, NULL, &calls), WSRT_ERR_INVALID);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(wsrt_call(ctx, "s", "o", succeed, NULL, &calls), WSRT_OK);
    ck_assert_int_eq(calls, 1);
}

START_TEST(a_call_that_names_no_service_is_not_made)
{
    look_around(call_badly, (wsrt_route){0}, NULL);
}
END_TEST

static int fail_in_its_own_words(wsrt_context *ctx, void *arg)
{
    (void)arg;
    return wsrt_fail(ctx, WSRT_ERR_UNAVAILABLE, "OUT_OF_TEA", "Come back tomorrow");
}

static int call_and_pass_on(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_call(ctx, "kitchen", "tea", fail_in_its_own_words, NULL, NULL);
}

START_TEST(what_a_called_function_says_of_its_failure_stays)
{
    world_add_route("$default", call_and_pass_on, NULL);
    world_message("c1", NULL, "{}");
    world_expect_error("EXTERNAL_SERVICE_ERROR", "OUT_OF_TEA");
}
END_TEST

static void say_outcomes_outside(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    wsrt_breaker *b = NULL;
    int calls = 0;

    (void)req;
    wsrt_call_outcome(NULL, WSRT_FAILURE);
    wsrt_call_outcome(ctx, WSRT_FAILURE); /* outside of a call it is nobody's */
    ck_assert_int_eq(wsrt_call(ctx, "s", "o", succeed, NULL, &calls), WSRT_OK);
    ck_assert_int_eq(
        wsrt_breakers_get(wsrt_context_breakers(ctx), TEXT("s"), TEXT("o"), NULL, &b, NULL),
        WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, w.now, w.wall, &stats), WSRT_OK);
    ck_assert_uint_eq(stats.lifetime_successes, 1);
    ck_assert_uint_eq(stats.lifetime_failures, 0);
    wsrt_breaker_release_ref(b);
}

START_TEST(an_outcome_said_outside_of_a_call_counts_for_none)
{
    look_around(say_outcomes_outside, (wsrt_route){0}, NULL);
}
END_TEST

static int say_nonsense(wsrt_context *ctx, void *arg)
{
    (void)arg;
    wsrt_call_outcome(ctx, 0);
    wsrt_call_outcome(ctx, WSRT_IGNORED + 1);
    return WSRT_ERR_UNAVAILABLE;
}

static void say_outcomes_that_are_none(wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    wsrt_breaker *b = NULL;

    (void)req;
    ck_assert_int_eq(wsrt_call(ctx, "s", "o", say_nonsense, NULL, NULL), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(
        wsrt_breakers_get(wsrt_context_breakers(ctx), TEXT("s"), TEXT("o"), NULL, &b, NULL),
        WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, w.now, w.wall, &stats), WSRT_OK);
    ck_assert_uint_eq(stats.lifetime_failures, 1);
    wsrt_breaker_release_ref(b);
}

START_TEST(an_outcome_that_is_none_leaves_the_statuss)
{
    look_around(say_outcomes_that_are_none, (wsrt_route){0}, NULL);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_context");
    TCase *t = tcase_create("context");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_add_test(t, a_handler_finds_the_parts_of_its_runtime);
    tcase_add_test(t, a_handler_finds_the_sender_where_there_is_one);
    tcase_add_test(t, a_deadline_is_the_events_or_never);
    tcase_add_test(t, memory_of_a_context_is_aligned_apart_and_ends_somewhere);
    tcase_add_test(t, a_field_is_text_when_it_is_there_and_a_string);
    tcase_add_test(t, fields_are_asked_for_with_all_arguments);
    tcase_add_test(t, without_a_schema_there_are_no_fields);
    tcase_add_test(t, only_a_field_with_escapes_takes_memory);
    tcase_add_test(t, answers_that_cannot_be_are_refused_and_leave_nothing);
    tcase_add_test(t, a_reply_over_the_cap_is_too_large_and_not_sent);
    tcase_add_test(t, of_two_responses_the_last_wins);
    tcase_add_test(t, a_response_has_up_to_sixteen_headers);
    tcase_add_test(t, a_headers_name_is_a_token_and_its_value_has_no_controls);
    tcase_add_test(t, without_memory_each_call_says_so_and_the_line_is_logged);
    tcase_add_test(t, an_id_that_cannot_be_made_is_the_requests_where_that_is_one);
    tcase_add_test(t, without_entropy_there_is_no_id_and_the_event_is_handled);
    tcase_add_test(t, a_reply_in_the_response_that_found_no_memory_can_be_made_again);
    tcase_add_test(t, without_memory_an_error_is_the_least_envelope);
    tcase_add_test(t, a_pair_is_found_whatever_the_case_of_its_name);
    tcase_add_test(t, pairs_are_asked_for_with_all_arguments);
    tcase_add_test(t, a_call_that_names_no_service_is_not_made);
    tcase_add_test(t, what_a_called_function_says_of_its_failure_stays);
    tcase_add_test(t, an_outcome_said_outside_of_a_call_counts_for_none);
    tcase_add_test(t, an_outcome_that_is_none_leaves_the_statuss);
    suite_add_tcase(s, t);
    return s;
}
