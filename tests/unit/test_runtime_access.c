/* Who comes in, who is there, and who may do what. */
#include "runtime_world.h"
#include "suite.h"

#include <string.h>

/* ---- connections ---- */

START_TEST(a_connect_is_stored_and_a_disconnect_removes_it)
{
    wsrt_session s = {{0}};

    ck_assert_int_eq(world_connect("c1", &s, NULL), WSRT_OK);
    ck_assert_int_eq(w.status, 200);
    ck_assert_uint_eq(world_connections(), 1);
    world_disconnect("c1", &s);
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

static int refuse_all(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_respond(ctx, 403, wsrt_span_cstr("members only"));
}

START_TEST(a_connect_handler_can_refuse)
{
    world_add_route("$connect", refuse_all, NULL);
    world_connect("c1", NULL, NULL);
    ck_assert_int_eq(w.status, 403);
    ck_assert_str_eq(w.body, "members only");
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

static int fail_with_forbidden(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)req;
    (void)user;
    return wsrt_fail(ctx, WSRT_ERR_FORBIDDEN, "NO_ENTRY", "Not today");
}

START_TEST(a_failing_connect_handler_becomes_an_http_envelope)
{
    world_add_route("$connect", fail_with_forbidden, NULL);
    world_connect("c1", NULL, NULL);
    ck_assert_int_eq(w.status, 403);
    ck_assert_ptr_nonnull(strstr(w.body, "\"code\":\"NO_ENTRY\""));
    ck_assert_ptr_nonnull(strstr(w.body, "\"message\":\"Not today\""));
    ck_assert_uint_eq(w.post_count, 0);
}
END_TEST

START_TEST(a_token_at_connect_signs_the_connection_in)
{
    wsrt_session s = {{0}};

    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", &s, "ann-token");
    ck_assert_int_eq(w.status, 200);
    world_message("c1", &s, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    world_disconnect("c1", &s);
}
END_TEST

START_TEST(a_bad_token_at_connect_is_refused)
{
    world_connect("c1", NULL, "wrong");
    ck_assert_int_eq(w.status, 401);
    ck_assert_ptr_nonnull(strstr(w.body, "INVALID_TOKEN"));
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

START_TEST(two_tokens_at_connect_are_ambiguous)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_pair query = {wsrt_span_cstr("token"), wsrt_span_cstr("ann-token")};
    wsrt_pair header = {wsrt_span_cstr("AUTHORIZATION"), wsrt_span_cstr("Bearer ann-token")};

    ev.query = &query;
    ev.headers = &header;
    ev.query_count = ev.header_count = 1;
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, 400);
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

START_TEST(a_token_by_subprotocol_is_answered_with_the_protocol_alone)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_pair header = {wsrt_span_cstr("Sec-WebSocket-Protocol"),
                        wsrt_span_cstr("wsrt.bearer, ann-token")};

    ev.headers = &header;
    ev.header_count = 1;
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.header, "Sec-WebSocket-Protocol: wsrt.bearer");
}
END_TEST

START_TEST(who_was_authorized_by_subprotocol_is_answered_with_the_protocol_too)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);
    wsrt_pair header = {wsrt_span_cstr("Sec-WebSocket-Protocol"),
                        wsrt_span_cstr("wsrt.bearer, judged-before")};
    wsrt_principal who = {.struct_size = sizeof who, .user_id = wsrt_span_cstr("ann")};

    ev.headers = &header;
    ev.header_count = 1;
    ev.principal = &who;
    world_dispatch(&ev);
    ck_assert_int_eq(w.status, 200);
    ck_assert_str_eq(w.headers, "Sec-WebSocket-Protocol: wsrt.bearer\n");
    ev.principal = NULL;
    ev.headers = NULL;
    ev.header_count = 0;
    world_dispatch(&ev);
    ck_assert_str_eq(w.headers, "");
}
END_TEST

START_TEST(a_refused_connection_says_why_in_its_headers)
{
    wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", NULL);

    world_add_route("$connect", fail_with_forbidden, NULL);
    ev.request_id = wsrt_span_cstr("req-1");
    ev.correlation_id = wsrt_span_cstr("corr-1");
    world_dispatch(&ev);
    ck_assert_str_eq(w.headers, "Content-Type: application/json\nX-Request-ID: req-1\n"
                                "X-Correlation-ID: corr-1\nX-Error-Type: AUTHORIZATION_ERROR\n"
                                "X-Error-Code: NO_ENTRY\n");
}
END_TEST

/* ---- authorizers ---- */

static int authorize(const char *header, const char *value, const char *query)
{
    wsrt_event ev = world_event(WSRT_EVENT_AUTHORIZE, NULL, NULL);
    wsrt_pair h = {wsrt_span_cstr(header), wsrt_span_cstr(value)};
    wsrt_pair q = {wsrt_span_cstr("token"), wsrt_span_cstr(query)};

    ev.headers = &h;
    ev.header_count = header != NULL;
    ev.query = &q;
    ev.query_count = query != NULL;
    return world_dispatch(&ev);
}

static const struct {
    const char *header, *value, *query;
    int status;
    const char *user, *code;
} authorizations[] = {
    {"Authorization", "Bearer ann-token", NULL, 200, "ann", ""},
    {"Sec-WebSocket-Protocol", "wsrt.bearer, ann-token", NULL, 200, "ann", ""},
    {NULL, NULL, "ann-token", 200, "ann", ""},
    {NULL, NULL, "bob-token", 200, "bob", ""},
    {NULL, NULL, NULL, 401, "", "MISSING_TOKEN"},
    {NULL, NULL, "", 401, "", "MISSING_TOKEN"},
    {"Authorization", "Basic ann-token", NULL, 401, "", "MISSING_TOKEN"},
    {NULL, NULL, "wrong", 401, "", "INVALID_TOKEN"},
    {"Authorization", "Bearer ann-token", "ann-token", 400, "", "AMBIGUOUS_TOKEN"},
};

START_TEST(an_authorizer_says_whose_a_token_is)
{
    ck_assert_int_eq(
        authorize(authorizations[_i].header, authorizations[_i].value, authorizations[_i].query),
        WSRT_OK);
    ck_assert_int_eq(w.status, authorizations[_i].status);
    ck_assert_str_eq(w.user, authorizations[_i].user);
    ck_assert_ptr_nonnull(strstr(w.body, authorizations[_i].code));
    ck_assert_uint_eq(world_connections(), 0);
}
END_TEST

START_TEST(an_expired_token_authorizes_nobody)
{
    w.wall = 1700000060000;
    authorize(NULL, NULL, "bob-token");
    ck_assert_int_eq(w.status, 401);
    ck_assert_str_eq(w.user, "");
    ck_assert_ptr_nonnull(strstr(w.body, "TOKEN_EXPIRED"));
}
END_TEST

START_TEST(an_authorizer_demands_what_the_route_of_connects_demands)
{
    wsrt_route r = {.access = WSRT_ACCESS_SIGNED_IN, .any_group = wsrt_span_cstr("admins")};

    world_add_route("$connect", world_say_user, &r);
    authorize(NULL, NULL, "ann-token");
    ck_assert_int_eq(w.status, 200);
    authorize(NULL, NULL, "bob-token");
    ck_assert_int_eq(w.status, 403);
    ck_assert_str_eq(w.user, "bob");
    ck_assert_uint_eq(w.post_count, 0); /* no handler ran */
}
END_TEST

START_TEST(authorizing_without_an_authenticator_is_not_supported)
{
    wsrt_runtime_options o = world_options();

    o.authenticator = NULL;
    world_begin(&o);
    ck_assert_int_eq(authorize(NULL, NULL, "ann-token"), WSRT_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(where_authentication_is_required_nobody_gets_in_without)
{
    wsrt_runtime_options o = world_options();
    o.flags |= WSRT_RUNTIME_REQUIRE_AUTH;
    world_begin(&o);
    world_connect("c1", NULL, NULL);
    ck_assert_int_eq(w.status, 401);
    ck_assert_ptr_nonnull(strstr(w.body, "MISSING_TOKEN"));
    world_connect("c1", NULL, "ann-token");
    ck_assert_int_eq(w.status, 200);
}
END_TEST

/* ---- principals ---- */

START_TEST(signing_in_lasts_for_the_connection)
{
    for (int kept = 0; kept < 2; kept++) { /* without a session the store remembers */
        wsrt_session s = {{0}}, *session = kept ? &s : NULL;
        wsrt_runtime_options o = world_options();
        world_begin(&o);
        world_add_route("auth", world_sign_in, NULL);
        world_add_route("$default", world_say_user, NULL);
        world_connect("c1", session, NULL);
        world_message("c1", session, "{}");
        ck_assert_str_eq(world_last_post(), "nobody");
        world_message("c1", session, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
        world_message("c1", session, "{}");
        ck_assert_str_eq(world_last_post(), "ann");
        world_disconnect("c1", session);
    }
}
END_TEST

/* Signs in by the header X-Ticket. */
static int take_ticket(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    wsrt_span ticket = {0};

    (void)user;
    (void)wsrt_event_header(req->event, "x-ticket", &ticket);
    return wsrt_authenticate(ctx, ticket);
}

START_TEST(a_connect_handler_can_sign_in)
{
    for (int kept = 0; kept < 2; kept++) {
        wsrt_session s = {{0}}, *session = kept ? &s : NULL;
        wsrt_runtime_options o = world_options();
        wsrt_pair header = {wsrt_span_cstr("X-Ticket"), wsrt_span_cstr("ann-token")};
        wsrt_event ev = world_event(WSRT_EVENT_CONNECT, "c1", session);
        world_begin(&o);
        world_add_route("$connect", take_ticket, NULL);
        world_add_route("$default", world_say_user, &(wsrt_route){.access = WSRT_ACCESS_SIGNED_IN});
        ev.headers = &header;
        ev.header_count = 1;
        world_dispatch(&ev);
        ck_assert_int_eq(w.status, 200);
        world_message("c1", session, "{}");
        ck_assert_str_eq(world_last_post(), "ann");
        world_disconnect("c1", session);
        header.value = wsrt_span_cstr("forged");
        world_dispatch(&ev);
        ck_assert_int_eq(w.status, 401);
        ck_assert_uint_eq(world_connections(), 0);
    }
}
END_TEST

/* Tells who it was, and who it is now. */
static int change_places(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const wsrt_principal *before = wsrt_context_principal(ctx);

    (void)req;
    (void)user;
    int rc = wsrt_authenticate(ctx, wsrt_span_cstr("ann-token"));
    if (rc == WSRT_OK)
        rc = wsrt_authenticate(ctx, wsrt_span_cstr("bob-token"));
    if (rc == WSRT_OK)
        rc = wsrt_reply(ctx, before->user_id);
    return rc != WSRT_OK ? rc : wsrt_reply(ctx, wsrt_context_principal(ctx)->user_id);
}

START_TEST(who_was_there_before_a_sign_in_can_be_told_until_the_handler_returns)
{
    for (int kept = 0; kept < 2; kept++) {
        wsrt_session s = {{0}}, *session = kept ? &s : NULL;
        wsrt_runtime_options o = world_options();
        world_begin(&o);
        world_add_route("$default", change_places, NULL);
        world_connect("c1", session, "ann-token");
        world_message("c1", session, "{}");
        ck_assert_str_eq(w.posts[w.post_count - 2].text, "ann");
        ck_assert_str_eq(world_last_post(), "bob");
        world_disconnect("c1", session);
    }
}
END_TEST

START_TEST(a_failed_sign_in_says_why)
{
    world_add_route("auth", world_sign_in, NULL);
    world_connect("c1", NULL, NULL);
    world_message("c1", NULL, "{\"type\":\"auth\"}");
    world_expect_error("AUTHENTICATION_ERROR", "MISSING_TOKEN");
    world_message("c1", NULL, "{\"type\":\"auth\",\"token\":\"x\"}");
    world_expect_error("AUTHENTICATION_ERROR", "INVALID_TOKEN");
    w.wall += 61000;
    world_message("c1", NULL, "{\"type\":\"auth\",\"token\":\"bob-token\"}");
    world_expect_error("AUTHENTICATION_ERROR", "TOKEN_EXPIRED");
}
END_TEST

START_TEST(signing_in_on_a_connection_that_has_left_is_gone)
{
    world_add_route("auth", world_sign_in, NULL);
    world_message("c1", NULL, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    ck_assert_uint_eq(world_connections(), 0);
    world_expect_error("NOT_FOUND", "NOT_FOUND");
}
END_TEST

START_TEST(a_route_for_members_asks_who_is_there)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN};
    wsrt_session s = {{0}};

    world_add_route("auth", world_sign_in, NULL);
    world_add_route("$default", world_say_user, &members);
    world_connect("c1", &s, NULL);
    world_message("c1", &s, "{}");
    world_expect_error("AUTHENTICATION_ERROR", "UNAUTHENTICATED_CONNECTION");
    world_message("c1", &s, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    world_message("c1", &s, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    world_disconnect("c1", &s);
}
END_TEST

START_TEST(groups_and_scopes_are_asked_for)
{
    static const struct {
        const char *group, *scopes;
        int allowed;
    } rows[] = {
        {"admins", "", 1},    {"guests admins", "", 1}, {"guests", "", 0}, {"", "write read", 1},
        {"", "read drop", 0}, {"staff", "read", 1},     {"adm", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_runtime_options o = world_options();
        wsrt_route r = {.access = WSRT_ACCESS_SIGNED_IN,
                        .any_group = wsrt_span_cstr(rows[i].group),
                        .all_scopes = wsrt_span_cstr(rows[i].scopes)};
        world_begin(&o);
        world_add_route("$default", world_say_user, &r);
        world_connect("c1", NULL, "ann-token");
        world_message("c1", NULL, "{}");
        if (rows[i].allowed)
            ck_assert_str_eq(world_last_post(), "ann");
        else
            world_expect_error("AUTHORIZATION_ERROR", "FORBIDDEN");
    }
}
END_TEST

START_TEST(an_expired_token_ends_membership_until_the_next_sign_in)
{
    wsrt_route members = {.access = WSRT_ACCESS_SIGNED_IN};
    wsrt_session s = {{0}};

    world_add_route("auth", world_sign_in, NULL);
    world_add_route("$default", world_say_user, &members);
    world_connect("c1", &s, "bob-token");
    world_message("c1", &s, "{}");
    ck_assert_str_eq(world_last_post(), "bob");
    w.wall += 60000;
    world_message("c1", &s, "{}");
    world_expect_error("AUTHENTICATION_ERROR", "TOKEN_EXPIRED");
    world_message("c1", &s, "{\"type\":\"auth\",\"token\":\"ann-token\"}");
    world_message("c1", &s, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    world_disconnect("c1", &s);
}
END_TEST

START_TEST(a_record_whose_principal_cannot_be_read_is_nobodys)
{
    const wsrt_store *s = wsrt_runtime_store(w.rt);
    wsrt_span id = wsrt_span_cstr("c1"), user = wsrt_span_cstr("ann");
    wsrt_span damaged = wsrt_span_cstr("{\"exp\":");

    world_add_route("$default", world_say_user, NULL);
    world_connect("c1", NULL, "ann-token");
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "ann");
    ck_assert_int_eq(s->ops->set_principal(s->self, &id, &user, &damaged), WSRT_OK);
    world_message("c1", NULL, "{}");
    ck_assert_str_eq(world_last_post(), "nobody");
}
END_TEST

static int no_keys(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    (void)self;
    (void)token;
    (void)wall;
    (void)out;
    return WSRT_ERR_UNAVAILABLE;
}

START_TEST(a_token_that_cannot_be_judged_is_no_fault_of_the_clients)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = no_keys};
    wsrt_authenticator down = {&ops, NULL};
    wsrt_runtime_options o = world_options();

    o.authenticator = &down;
    world_begin(&o);
    world_add_route("$default", world_sign_in, NULL);
    world_message("c1", NULL, "{\"token\":\"ann-token\"}");
    world_expect_error("EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE");
    ck_assert_ptr_nonnull(
        strstr(world_last_post(), "Authentication service temporarily unavailable"));
}
END_TEST

static const char *exported(int format)
{
    static char text[1 << 18];
    wsrt_export_options how = {.struct_size = sizeof how, .format = format, .wall = w.wall};
    size_t len = 0;

    ck_assert_int_eq(
        wsrt_monitor_export_to(wsrt_runtime_monitor(w.rt), &how, text, sizeof text - 1, &len),
        WSRT_OK);
    text[len] = '\0';
    return text;
}

START_TEST(tokens_count_by_what_is_wrong_with_them)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = no_keys};
    wsrt_authenticator down = {&ops, NULL};
    wsrt_runtime_options o = world_options();

    world_add_route("$default", world_sign_in, NULL);
    world_message("c1", NULL, "{\"token\":\"forged\"}");
    world_message("c1", NULL, "{\"token\":\"forged\"}");
    world_message("c1", NULL, "{}");
    w.wall += 61000;
    world_message("c1", NULL, "{\"token\":\"bob-token\"}");
    ck_assert_ptr_nonnull(strstr(exported(WSRT_EXPORT_DASHBOARD),
                                 "\"errorTypes\":{\"MISSING_TOKEN\":1,\"TOKEN_EXPIRED\":1,"
                                 "\"INVALID_TOKEN\":2,\"other\":0}"));
    o.authenticator = &down;
    world_begin(&o);
    world_add_route("$default", world_sign_in, NULL);
    world_message("c1", NULL, "{\"token\":\"ann-token\"}");
    ck_assert_ptr_nonnull(
        strstr(exported(WSRT_EXPORT_DASHBOARD), "\"INVALID_TOKEN\":0,\"other\":1}"));
}
END_TEST

START_TEST(developers_are_told_when_a_token_ended)
{
    wsrt_runtime_options o = world_options();
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);

    o.flags |= WSRT_RUNTIME_DEVELOPER_ERRORS;
    world_begin(&o);
    world_add_route("$default", world_sign_in, NULL);
    w.wall += 61000;
    ev.flags = WSRT_EVENT_DEVELOPER;
    ev.body = wsrt_span_cstr("{\"token\":\"bob-token\"}");
    world_dispatch(&ev);
    ck_assert_ptr_nonnull(strstr(world_last_post(), "\"details\":{\"tokenLength\":9,\"errorType\":"
                                                    "\"TOKEN_EXPIRED\",\"exp\":1700000060,"
                                                    "\"now\":1700000061}"));
    ev.flags = 0;
    world_dispatch(&ev);
    ck_assert_ptr_null(strstr(world_last_post(), "1700000060"));
}
END_TEST

static int take_a_second(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    w.now += 1000000000;
    return world_refuse(ctx, req, user);
}

START_TEST(the_slowest_messages_are_told_by_their_correlation_id)
{
    world_add_route("$default", take_a_second, NULL);
    world_message("c1", NULL, "{\"correlationId\":\"slow-1\"}");
    ck_assert_ptr_nonnull(strstr(exported(WSRT_EXPORT_OPENMETRICS), "slow-1"));
}
END_TEST

START_TEST(an_authorizer_that_cannot_judge_lets_nobody_in)
{
    static const wsrt_authenticator_ops ops = {.struct_size = sizeof ops, .authenticate = no_keys};
    wsrt_authenticator down = {&ops, NULL};
    wsrt_runtime_options o = world_options();

    o.authenticator = &down;
    world_begin(&o);
    authorize(NULL, NULL, "ann-token");
    ck_assert_int_ge(w.status, 500);
    ck_assert_str_eq(w.user, "");
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_access");
    TCase *t = tcase_create("runtime_access");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_connect_is_stored_and_a_disconnect_removes_it);
    tcase_add_test(t, a_connect_handler_can_refuse);
    tcase_add_test(t, a_failing_connect_handler_becomes_an_http_envelope);
    tcase_add_test(t, a_token_at_connect_signs_the_connection_in);
    tcase_add_test(t, a_bad_token_at_connect_is_refused);
    tcase_add_test(t, two_tokens_at_connect_are_ambiguous);
    tcase_add_test(t, a_token_by_subprotocol_is_answered_with_the_protocol_alone);
    tcase_add_test(t, who_was_authorized_by_subprotocol_is_answered_with_the_protocol_too);
    tcase_add_loop_test(t, an_authorizer_says_whose_a_token_is, 0,
                        (int)(sizeof authorizations / sizeof authorizations[0]));
    tcase_add_test(t, an_expired_token_authorizes_nobody);
    tcase_add_test(t, an_authorizer_demands_what_the_route_of_connects_demands);
    tcase_add_test(t, authorizing_without_an_authenticator_is_not_supported);
    tcase_add_test(t, an_authorizer_that_cannot_judge_lets_nobody_in);
    tcase_add_test(t, where_authentication_is_required_nobody_gets_in_without);
    tcase_add_test(t, signing_in_lasts_for_the_connection);
    tcase_add_test(t, a_connect_handler_can_sign_in);
    tcase_add_test(t, who_was_there_before_a_sign_in_can_be_told_until_the_handler_returns);
    tcase_add_test(t, a_failed_sign_in_says_why);
    tcase_add_test(t, signing_in_on_a_connection_that_has_left_is_gone);
    tcase_add_test(t, a_route_for_members_asks_who_is_there);
    tcase_add_test(t, groups_and_scopes_are_asked_for);
    tcase_add_test(t, an_expired_token_ends_membership_until_the_next_sign_in);
    tcase_add_test(t, a_record_whose_principal_cannot_be_read_is_nobodys);
    tcase_add_test(t, a_token_that_cannot_be_judged_is_no_fault_of_the_clients);
    tcase_add_test(t, tokens_count_by_what_is_wrong_with_them);
    tcase_add_test(t, developers_are_told_when_a_token_ended);
    tcase_add_test(t, the_slowest_messages_are_told_by_their_correlation_id);
    tcase_add_test(t, a_refused_connection_says_why_in_its_headers);
    suite_add_tcase(s, t);
    return s;
}
