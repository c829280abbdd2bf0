/* What a host adds to a server: documents, actions, and members of the state. */
#include "server_rig.h"
#include "suite.h"

#include <wsrt/json.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;
static char got[600000];
static char asked[256]; /* the body of the last action */
static int status;      /* that it answers */

/* ---- the host ------------------------------------------------------------------------------- */

#define SPAN(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

static const wsrt_server_document page = {.struct_size = sizeof page,
                                          .path = SPAN("/"),
                                          .type = SPAN("text/html; charset=utf-8"),
                                          .policy = SPAN("default-src 'self'"),
                                          .tag = SPAN("abc123"),
                                          .body = SPAN("<!doctype html>plain"),
                                          .gzip = SPAN("packed")};

static int run(wsrt_span body, wsrt_json_writer *answer, void *user)
{
    snprintf(asked, sizeof asked, "%.*s", (int)body.len, body.ptr);
    if (user != NULL) {
        wsrt_json_object(answer);
        wsrt_json_key(answer, "done");
        wsrt_json_string_cstr(answer, user);
        if (status == 200)
            wsrt_json_object_end(answer);
    }
    return status;
}

static void describe(wsrt_json_writer *w, size_t room, void *user)
{
    char text[1000];

    memset(text, 'x', sizeof text);
    wsrt_json_key(w, "host");
    wsrt_json_array(w);
    if (strcmp(user, "much") == 0)
        for (size_t i = 0; i < room; i += sizeof text)
            wsrt_json_string(w, (wsrt_span){text, sizeof text});
    wsrt_json_string_cstr(w, user);
    if (strcmp(user, "open") != 0)
        wsrt_json_array_end(w);
}

static void start_with(wsrt_server_options o)
{
    static char word[] = "well";
    static wsrt_server_action action = {
        .struct_size = sizeof action, .path = SPAN("/api/run"), .run = run, .user = word};

    status = 200;
    asked[0] = '\0';
    o.struct_size = sizeof o;
    o.documents = &page;
    o.document_count = 1;
    o.actions = &action;
    o.action_count = 1;
    rig_start(&rig, &o);
}

static void start(void)
{
    start_with((wsrt_server_options){0});
}

static int ask(const char *method, const char *path, const char *fields)
{
    char request[4096];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 4\r\n\r\nbody",
                       method, path, fields);

    return rig_ask(&rig, request, (size_t)len, got, sizeof got);
}

static const char *body(void)
{
    return strstr(got, "\r\n\r\n") + 4;
}

static void expect_in(const char *text)
{
    ck_assert_msg(strstr(got, text) != NULL, "no %s in %s", text, got);
}

static void expect_not_in(const char *text)
{
    ck_assert_msg(strstr(got, text) == NULL, "%s in %s", text, got);
}

/* ---- documents ------------------------------------------------------------------------------ */

START_TEST(a_document_is_safe_from_frames_sniffing_and_foreign_code)
{
    start();
    ck_assert_int_eq(ask("GET", "/", ""), 200);
    ck_assert_str_eq(body(), "<!doctype html>plain");
    expect_in("\r\nContent-Type: text/html; charset=utf-8\r\n");
    expect_in("\r\nContent-Security-Policy: default-src 'self'\r\n");
    expect_in("\r\nX-Content-Type-Options: nosniff\r\n");
    expect_in("\r\nX-Frame-Options: DENY\r\n");
    expect_in("\r\nETag: \"abc123\"\r\n");
    expect_in("\r\nVary: Accept-Encoding\r\n");
    expect_not_in("Content-Encoding");
    rig_stop(&rig);
}
END_TEST

static const struct {
    const char *fields;
    int packed;
} codings[] = {
    {"Accept-Encoding: gzip\r\n", 1},
    {"Accept-Encoding: br, GZIP;q=0.5\r\n", 1},
    {"Accept-Encoding: deflate,gzip \r\n", 1},
    {"Accept-Encoding: gzip;q=0\r\n", 0},
    {"Accept-Encoding: gzip; q=0.000\r\n", 0},
    {"Accept-Encoding: gzipped, xgzip\r\n", 0},
    {"Accept-Encoding: identity, br\r\n", 0},
    {"Accept-Encoding:\r\n", 0},
    {"Accept-Encoding: br;q=0, gzip;q=1\r\n", 1},
};

START_TEST(a_document_is_compressed_for_who_can_read_it)
{
    start();
    ck_assert_int_eq(ask("GET", "/", codings[_i].fields), 200);
    ck_assert_str_eq(body(), codings[_i].packed ? "packed" : "<!doctype html>plain");
    ck_assert_int_eq(strstr(got, "\r\nContent-Encoding: gzip\r\n") != NULL, codings[_i].packed);
    ck_assert_int_eq(strstr(got, "\r\nETag: \"abc123-gz\"\r\n") != NULL, codings[_i].packed);
    rig_stop(&rig);
}
END_TEST

static const struct {
    const char *fields;
    int status;
} conditions[] = {
    {"If-None-Match: \"abc123\"\r\n", 304},
    {"If-None-Match: \"old\", W/\"abc123\"\r\n", 304},
    {"If-None-Match: *\r\n", 304},
    {"If-None-Match: \"abc123-gz\"\r\nAccept-Encoding: gzip\r\n", 304},
    {"If-None-Match: \"abc123-gz\"\r\n", 200},
    {"If-None-Match: \"abc12\"\r\n", 200},
    {"If-None-Match: abc123\r\n", 200},
};

START_TEST(what_a_client_has_is_not_sent_again)
{
    start();
    ck_assert_int_eq(ask("GET", "/", conditions[_i].fields), conditions[_i].status);
    expect_in("\r\nContent-Security-Policy: default-src 'self'\r\n");
    if (conditions[_i].status == 304) {
        expect_in("\r\nETag: \"abc123");
        expect_not_in("Content-Length");
        ck_assert_str_eq(body(), "");
    }
    rig_stop(&rig);
}
END_TEST

START_TEST(head_tells_what_get_would_send)
{
    start();
    ck_assert_int_eq(ask("HEAD", "/", ""), 200);
    expect_in("\r\nContent-Length: 20\r\n");
    ck_assert_str_eq(body(), "");
    rig_stop(&rig);
}
END_TEST

START_TEST(a_document_is_only_read)
{
    start();
    ck_assert_int_eq(ask("POST", "/", ""), 405);
    expect_in("\r\nAllow: GET, HEAD\r\n");
    rig_stop(&rig);
}
END_TEST

START_TEST(a_document_is_for_who_names_a_trusted_host)
{
    const char request[] = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";

    start();
    ck_assert_int_eq(rig_ask(&rig, request, sizeof request - 1, got, sizeof got), 421);
    expect_not_in("html");
    rig_stop(&rig);
}
END_TEST

START_TEST(an_upgrade_at_the_path_of_a_document_is_an_upgrade)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_ptr_nonnull(rig_conn(&rig));
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(other_paths_stay_as_they_are)
{
    start();
    ck_assert_int_eq(ask("GET", "/ws", ""), 426);
    ck_assert_int_eq(ask("GET", "/page", ""), 404);
    ck_assert_int_eq(ask("GET", "/healthz", ""), 200);
    rig_stop(&rig);
}
END_TEST

/* ---- actions -------------------------------------------------------------------------------- */

START_TEST(an_action_is_run_with_the_body_and_its_answer_is_sent)
{
    start();
    ck_assert_int_eq(ask("POST", "/api/run", ""), 200);
    ck_assert_str_eq(asked, "body");
    ck_assert_str_eq(body(), "{\"done\":\"well\"}");
    rig_stop(&rig);
}
END_TEST

START_TEST(an_answer_that_is_no_json_is_an_error_of_ours)
{
    start();
    status = 201;
    ck_assert_int_eq(ask("POST", "/api/run", ""), 500);
    expect_not_in("done");
    rig_stop(&rig);
}
END_TEST

START_TEST(an_action_is_for_programs_of_this_machine_and_our_own_pages)
{
    start();
    ck_assert_int_eq(ask("POST", "/api/run", "Origin: http://evil.example\r\n"), 403);
    ck_assert_int_eq(ask("POST", "/api/run", "Origin: null\r\n"), 403);
    ck_assert_int_eq(ask("POST", "/api/run", "X-Forwarded-For: 1.2.3.4\r\n"), 403);
    ck_assert_str_eq(asked, "");
    ck_assert_int_eq(ask("POST", "/api/run", "Origin: http://localhost\r\n"), 200);
    ck_assert_str_eq(asked, "body");
    rig_stop(&rig);
}
END_TEST

START_TEST(an_action_is_not_there_when_nobody_manages)
{
    start_with((wsrt_server_options){.management = WSRT_MANAGEMENT_OFF});
    ck_assert_int_eq(ask("POST", "/api/run", ""), 404);
    ck_assert_str_eq(asked, "");
    rig_stop(&rig);
}
END_TEST

START_TEST(an_action_takes_post_only)
{
    start();
    ck_assert_int_eq(ask("GET", "/api/run", ""), 405);
    expect_in("\r\nAllow: POST\r\n");
    ck_assert_str_eq(asked, "");
    rig_stop(&rig);
}
END_TEST

/* ---- state ---------------------------------------------------------------------------------- */

START_TEST(the_host_adds_members_to_the_state)
{
    static char word[] = "here";

    start_with((wsrt_server_options){.state = describe, .state_user = word});
    ck_assert_int_eq(ask("GET", "/api/state", ""), 200);
    expect_in(",\"host\":[\"here\"]}");
    ck_assert_int_eq(wsrt_json_parse(NULL, wsrt_span_cstr(body()), NULL), WSRT_OK);
    rig_stop(&rig);
}
END_TEST

START_TEST(the_state_is_whole_without_a_host_that_breaks_it)
{
    static char open[] = "open", much[] = "much";

    start_with((wsrt_server_options){.state = describe, .state_user = _i == 0 ? open : much});
    ck_assert_int_eq(ask("GET", "/api/state", ""), 200);
    expect_not_in("\"host\"");
    ck_assert_int_eq(wsrt_json_parse(NULL, wsrt_span_cstr(body()), NULL), WSRT_OK);
    rig_stop(&rig);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------ */

static const struct {
    wsrt_server_document document;
    int status;
} bad_documents[] = {
    {{.path = SPAN("page"), .type = SPAN("text/plain")}, WSRT_ERR_INVALID},
    {{.path = SPAN("/page")}, WSRT_ERR_INVALID},
    {{.path = SPAN("/page"), .type = SPAN("text/plain\r\nX: y")}, WSRT_ERR_INVALID},
    {{.path = SPAN("/page"), .type = SPAN("text/plain"), .policy = SPAN("a\nb")}, WSRT_ERR_INVALID},
    {{.path = SPAN("/page"), .type = SPAN("text/plain"), .tag = SPAN("a\"b")}, WSRT_ERR_INVALID},
    {{.path = SPAN("/page"), .type = SPAN("text/plain"), .flags = 1}, WSRT_ERR_INVALID},
    {{.path = SPAN("/page"), .type = SPAN("text/plain"), .struct_size = 8}, WSRT_ERR_INVALID},
};

START_TEST(a_document_that_would_break_an_answer_is_refused)
{
    wsrt_server_document d = bad_documents[_i].document;
    wsrt_span none = {NULL, 0};
    wsrt_server_options o = {
        .struct_size = sizeof o, .listen = &none, .documents = &d, .document_count = 1};
    wsrt_server *server;
    wsrt_runtime *rt;

    if (d.struct_size == 0)
        d.struct_size = sizeof d;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&server, rt, &o), bad_documents[_i].status);
    ck_assert_ptr_null(server);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(a_table_without_rows_or_with_too_many_is_refused)
{
    wsrt_span none = {NULL, 0};
    wsrt_server_action action = {.struct_size = sizeof action, .path = SPAN("/x")};
    const wsrt_server_options all[] = {
        {.listen = &none, .document_count = 1},
        {.listen = &none, .documents = &page, .document_count = 65},
        {.listen = &none, .action_count = 1},
        {.listen = &none, .actions = &action, .action_count = 1}, /* does nothing */
    };
    wsrt_server_options o = all[_i];
    wsrt_server *server;
    wsrt_runtime *rt;

    o.struct_size = sizeof o;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&server, rt, &o), WSRT_ERR_INVALID);
    wsrt_runtime_free(rt);
}
END_TEST

/* Rows of a later release are longer; what is unknown here must be zero. */
START_TEST(a_table_of_a_later_release_is_taken_while_it_asks_for_nothing_new)
{
    struct {
        wsrt_server_document known;
        uint64_t later;
    } rows[2] = {{.known = page}, {.known = page}};
    wsrt_server_options o = {.struct_size = sizeof o, .documents = &rows[0].known};

    rows[0].known.struct_size = rows[1].known.struct_size = sizeof rows[0];
    rows[1].known.path = wsrt_span_cstr("/second");
    rows[1].known.body = wsrt_span_cstr("two");
    o.document_count = 2;
    if (_i == 0) {
        rig_start(&rig, &o);
        ck_assert_int_eq(ask("GET", "/second", ""), 200);
        ck_assert_str_eq(body(), "two");
        rig_stop(&rig);
        return;
    }
    wsrt_span none = {NULL, 0};
    wsrt_server *server;
    wsrt_runtime *rt;

    o.listen = &none;
    rows[1].later = 1;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&server, rt, &o), WSRT_ERR_UNSUPPORTED);
    wsrt_runtime_free(rt);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

Suite *suite(void)
{
    Suite *s = suite_create("server_host");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_document_is_safe_from_frames_sniffing_and_foreign_code);
    tcase_add_loop_test(t, a_document_is_compressed_for_who_can_read_it, 0, COUNT(codings));
    tcase_add_loop_test(t, what_a_client_has_is_not_sent_again, 0, COUNT(conditions));
    tcase_add_test(t, head_tells_what_get_would_send);
    tcase_add_test(t, a_document_is_only_read);
    tcase_add_test(t, a_document_is_for_who_names_a_trusted_host);
    tcase_add_test(t, an_upgrade_at_the_path_of_a_document_is_an_upgrade);
    tcase_add_test(t, other_paths_stay_as_they_are);
    tcase_add_test(t, an_action_is_run_with_the_body_and_its_answer_is_sent);
    tcase_add_test(t, an_answer_that_is_no_json_is_an_error_of_ours);
    tcase_add_test(t, an_action_is_for_programs_of_this_machine_and_our_own_pages);
    tcase_add_test(t, an_action_is_not_there_when_nobody_manages);
    tcase_add_test(t, an_action_takes_post_only);
    tcase_add_test(t, the_host_adds_members_to_the_state);
    tcase_add_loop_test(t, the_state_is_whole_without_a_host_that_breaks_it, 0, 2);
    tcase_add_loop_test(t, a_document_that_would_break_an_answer_is_refused, 0,
                        COUNT(bad_documents));
    tcase_add_loop_test(t, a_table_without_rows_or_with_too_many_is_refused, 0, 4);
    tcase_add_loop_test(t, a_table_of_a_later_release_is_taken_while_it_asks_for_nothing_new, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
