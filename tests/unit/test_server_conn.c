#include "server_rig.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;

/* ---- life ----------------------------------------------------------------------------------- */

START_TEST(an_idle_server_has_nothing_to_wake_for)
{
    rig_start(&rig, NULL);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), -1);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_message_comes_back_from_an_echo)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig_text(fd, "hello");
    rig_expect_text(&rig, fd, "hello");
    ck_assert_int_eq(rig.connects, 1);
    ck_assert_int_eq(rig.messages, 1);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_idle_connection_holds_no_buffer_and_no_queue)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig_text(fd, "hello");
    rig_expect_text(&rig, fd, "hello");
    ck_assert_ptr_null(rig_conn(&rig)->in);
    ck_assert_ptr_null(rig_conn(&rig)->out);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(ids_are_sixteen_characters_of_base64url_with_a_pad)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    ck_assert_uint_eq(strlen(rig.id), 16);
    ck_assert_uint_eq(strspn(rig.id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
                      15);
    ck_assert_int_eq(rig.id[15], '=');
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(every_connection_gets_an_id_of_its_own_and_a_stale_one_is_gone)
{
    char before[32];

    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    strcpy(before, rig.id);
    close(fd);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig_post(&rig, "x", 0), WSRT_ERR_GONE);
    fd = rig_open(&rig); /* in the same slot */
    ck_assert_str_ne(before, rig.id);
    wsrt_span stale = wsrt_span_cstr(before);
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &stale, &p), WSRT_ERR_GONE);
    ck_assert_int_eq(rig_post(&rig, "x", 0), WSRT_OK);
    rig_expect_text(&rig, fd, "x");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_lost_peer_is_told_once_as_1006)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    close(fd);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.disconnects, 1);
    ck_assert_int_eq(rig.code, 1006);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    rig_stop(&rig);
    ck_assert_int_eq(rig.disconnects, 1);
}
END_TEST

START_TEST(the_peers_close_is_echoed_and_told_with_its_code_and_reason)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig_frame(fd, WSRT_WS_OP_CLOSE, 1, "\x0f\xa1why", 5);
    ck_assert_int_eq(rig_close_code(&rig, fd), 4001);
    ck_assert_int_eq(rig.code, 4001);
    ck_assert_str_eq(rig.reason, "why");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_close_without_a_code_is_1005)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig_frame(fd, WSRT_WS_OP_CLOSE, 1, "", 0);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1005);
    ck_assert_int_eq(rig.code, 1005);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(freeing_a_server_runs_the_outstanding_disconnects)
{
    rig_start(&rig, NULL);
    int a = rig_open(&rig), b = rig_open(&rig);
    rig_stop(&rig); /* which compares */
    ck_assert_int_eq(rig.disconnects, 2);
    ck_assert_int_eq(rig.code, 1001);
    close(a);
    close(b);
}
END_TEST

static int ask_for_1011(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_span why = wsrt_span_cstr("broken");

    (void)ctx;
    return r->sender.ops->disconnect(r->sender.self, &req->event->connection_id, 1011, &why);
}

START_TEST(a_handler_that_asks_for_it_closes_with_1011)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig.on_message = ask_for_1011;
    rig_text(fd, "x");
    ck_assert_int_eq(rig_close_code(&rig, fd), 1011);
    ck_assert_int_eq(rig.code, 1011);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_handler_that_disconnects_itself_gets_no_more_messages)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig.on_message = NULL;
    wsrt_span id = wsrt_span_cstr(rig.id);
    rig_text(fd, "one");
    rig_text(fd, "two");
    ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 1000, NULL), WSRT_OK);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1000);
    ck_assert_int_eq(rig.messages, 0);
    ck_assert_int_eq(rig.code, 1000);
    close(fd);
    rig_stop(&rig);
}
END_TEST

static int replied[2];

static int reply_half_and_whole(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    (void)r;
    replied[0] = wsrt_reply(ctx, (wsrt_span){req->event->body.ptr, 1});
    replied[1] = wsrt_reply(ctx, req->event->body);
    return WSRT_OK;
}

START_TEST(a_reply_that_cuts_a_character_of_the_message_is_refused)
{
    rig_start(&rig, NULL);
    rig.on_message = reply_half_and_whole;
    int fd = rig_open(&rig);
    rig_text(fd, "\xc3\xa9");
    rig_expect_text(&rig, fd, "\xc3\xa9");
    ck_assert_int_eq(replied[0], WSRT_ERR_INVALID);
    ck_assert_int_eq(replied[1], WSRT_OK);
    close(fd);
    rig_stop(&rig);
}
END_TEST

static int posted_early;

static void post_to_itself(struct rig *r, const wsrt_request *req)
{
    (void)req;
    posted_early = rig_post(r, "early", 0);
}

START_TEST(a_connection_is_gone_to_the_handler_of_its_own_connect)
{
    rig_start(&rig, NULL);
    rig.on_connect = post_to_itself;
    posted_early = WSRT_OK;
    int fd = rig_open(&rig);
    ck_assert_int_eq(posted_early, WSRT_ERR_GONE);
    rig_text(fd, "hello");
    rig_expect_text(&rig, fd, "hello");
    close(fd);
    rig_stop(&rig);
}
END_TEST

static void *post_second(void *user)
{
    (void)user;
    ck_assert_int_eq(rig_post(&rig, "second", 0), WSRT_OK);
    return NULL;
}

static int post_from_another_thread(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    pthread_t thread;

    (void)r;
    (void)ctx;
    (void)req;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_second, NULL), 0);
    pthread_join(thread, NULL);
    return WSRT_OK;
}

/* The wake-up of the second is read together with that of the first, which was taken up before. */
START_TEST(a_post_that_comes_within_a_turn_keeps_the_loop_awake)
{
    rig_start(&rig, NULL);
    rig.on_message = post_from_another_thread;
    int fd = rig_open(&rig);
    rig_text(fd, "go");
    ck_assert_int_eq(rig_post(&rig, "first", 0), WSRT_OK);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_expect_text(&rig, fd, "first");
    rig_expect_text(&rig, fd, "second");
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* ---- connect -------------------------------------------------------------------------------- */

START_TEST(a_refusal_of_connect_is_the_answer)
{
    static const struct {
        int given, wanted;
    } rows[] = {{401, 401}, {403, 403}, {302, 500}, {503, 500}};

    rig_start(&rig, NULL);
    rig.connect_status = rows[_i].given;
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    char begin[32];
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", rows[_i].wanted);
    rig_expect_answer(&rig, fd, begin, "{\"no\":1}");
    ck_assert_uint_eq(rig.server->loops[0].open, 0);
    close(fd);
    rig.connects = 0; /* refused: no DISCONNECT is owed */
    rig_stop(&rig);
}
END_TEST

START_TEST(a_chosen_subprotocol_must_have_been_offered)
{
    rig_start(&rig, NULL);
    rig.protocol_cstr = "chat.v2";
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    rig_expect_answer(&rig, fd, "HTTP/1.1 500 ", "Connection: close");
    ck_assert_int_eq(rig.disconnects, 1); /* CONNECT had succeeded */
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_offered_subprotocol_is_named_in_the_101)
{
    const char request[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\n"
                           "Connection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                           "Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n\r\n";

    rig_start(&rig, NULL);
    rig.protocol_cstr = "chat.v2";
    int fd = rig_adopt(&rig);
    rig_send(fd, request, sizeof request - 1);
    rig_expect_answer(&rig, fd, "HTTP/1.1 101 ", "Sec-WebSocket-Protocol: chat.v2\r\n");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_header_of_a_handler_is_in_the_101)
{
    rig_start(&rig, NULL);
    rig.note_cstr = "seen";
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    rig_expect_answer(&rig, fd, "HTTP/1.1 101 ", "\r\nX-Note: seen\r\n");
    close(fd);
    rig_steps(&rig, 2);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_handler_that_answers_with_a_line_break_in_a_header_gets_500)
{
    static const char *const notes[] = {"a\r\nSet-Cookie: b", "a\nb", "a\rb"};
    char got[2048] = "";
    int ended;

    rig_start(&rig, NULL);
    rig.note_cstr = notes[_i];
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 500 ", 13), 0);
    ck_assert_ptr_null(strstr(got, "X-Note"));
    ck_assert_ptr_null(strstr(got, "Set-Cookie"));
    rig.connects--; /* it was refused */
    close(fd);
    rig_steps(&rig, 2);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_asks_while_the_server_drains_gets_503)
{
    rig_start(&rig, NULL);
    int open = rig_open(&rig), fd = rig_adopt(&rig);
    rig_send(fd, "GET /", 5); /* a request under way, so that it is not given up */
    rig_steps(&rig, 2);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    rig_steps(&rig, 2);
    rig_send(fd, rig_upgrade + 5, strlen(rig_upgrade) - 5);
    rig_expect_answer(&rig, fd, "HTTP/1.1 503 ", "Retry-After: ");
    close(fd);
    close(open);
    rig_steps(&rig, 3);
    rig_stop(&rig);
}
END_TEST

START_TEST(bytes_behind_the_head_belong_to_the_websocket)
{
    char both[512], answer[129];
    unsigned char frame[32];
    int ended;

    rig_start(&rig, NULL);
    int fd = rig_adopt(&rig);
    size_t head = wsrt_ws_header(frame, WSRT_WS_OP_TEXT, 1, 2, (const unsigned char *)"\0\0\0\0");
    memcpy(frame + head, "hi", 2);
    memcpy(both, rig_upgrade, strlen(rig_upgrade));
    memcpy(both + strlen(rig_upgrade), frame, head + 2);
    rig_send(fd, both, strlen(rig_upgrade) + head + 2);
    ck_assert_uint_eq(rig_read(&rig, fd, answer, sizeof answer, &ended), sizeof answer);
    rig_expect_text(&rig, fd, "hi");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_upgrade_may_arrive_byte_by_byte)
{
    char answer[129];
    int ended;

    rig_start(&rig, NULL);
    int fd = rig_adopt(&rig);
    for (const char *p = rig_upgrade; *p != '\0'; p++) {
        rig_send(fd, p, 1);
        rig_steps(&rig, 1);
    }
    ck_assert_uint_eq(rig_read(&rig, fd, answer, sizeof answer, &ended), sizeof answer);
    for (size_t i = 0; i < 3; i++)
        rig_text(fd, "again");
    rig_expect_text(&rig, fd, "again");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(more_connections_of_an_address_than_allowed_get_429)
{
    rig_start_with(&rig, (wsrt_server_options){.max_per_ip = 2});
    int a = rig_open(&rig), b = rig_open(&rig), c = rig_adopt(&rig);
    rig_send(c, rig_upgrade, strlen(rig_upgrade));
    rig_expect_answer(&rig, c, "HTTP/1.1 429 ", "Retry-After: ");
    close(a);
    close(c);
    rig_steps(&rig, 3);
    c = rig_open(&rig);
    close(b);
    close(c);
    rig_stop(&rig);
}
END_TEST

START_TEST(more_connections_than_allowed_get_503)
{
    rig_start_with(&rig, (wsrt_server_options){.max_connections = 1});
    int a = rig_open(&rig), b = rig_adopt(&rig);
    rig_send(b, rig_upgrade, strlen(rig_upgrade));
    rig_expect_answer(&rig, b, "HTTP/1.1 503 ", "Retry-After: ");
    close(a);
    close(b);
    rig_stop(&rig);
}
END_TEST

START_TEST(limits_are_judged_behind_the_origin_and_before_the_application)
{
    char request[512];

    rig_start_with(&rig, (wsrt_server_options){.max_connections = 1});
    int a = rig_open(&rig), b = rig_adopt(&rig);
    int len = snprintf(request, sizeof request, "%.*sOrigin: http://evil.example\r\n\r\n",
                       (int)strlen(rig_upgrade) - 2, rig_upgrade);
    rig_send(b, request, (size_t)len);
    rig_expect_answer(&rig, b, "HTTP/1.1 403 ", "");
    rig_send(b, rig_upgrade, strlen(rig_upgrade));
    rig_expect_answer(&rig, b, "HTTP/1.1 503 ", "");
    ck_assert_int_eq(rig.connects, 1);
    close(a);
    close(b);
    rig_stop(&rig);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_conn");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_idle_server_has_nothing_to_wake_for);
    tcase_add_test(t, a_message_comes_back_from_an_echo);
    tcase_add_test(t, an_idle_connection_holds_no_buffer_and_no_queue);
    tcase_add_test(t, ids_are_sixteen_characters_of_base64url_with_a_pad);
    tcase_add_test(t, every_connection_gets_an_id_of_its_own_and_a_stale_one_is_gone);
    tcase_add_test(t, a_lost_peer_is_told_once_as_1006);
    tcase_add_test(t, the_peers_close_is_echoed_and_told_with_its_code_and_reason);
    tcase_add_test(t, a_close_without_a_code_is_1005);
    tcase_add_test(t, freeing_a_server_runs_the_outstanding_disconnects);
    tcase_add_test(t, a_handler_that_asks_for_it_closes_with_1011);
    tcase_add_test(t, a_handler_that_disconnects_itself_gets_no_more_messages);
    tcase_add_test(t, a_reply_that_cuts_a_character_of_the_message_is_refused);
    tcase_add_test(t, a_connection_is_gone_to_the_handler_of_its_own_connect);
    tcase_add_test(t, a_post_that_comes_within_a_turn_keeps_the_loop_awake);
    tcase_add_loop_test(t, a_refusal_of_connect_is_the_answer, 0, 4);
    tcase_add_test(t, a_chosen_subprotocol_must_have_been_offered);
    tcase_add_test(t, an_offered_subprotocol_is_named_in_the_101);
    tcase_add_test(t, a_header_of_a_handler_is_in_the_101);
    tcase_add_loop_test(t, a_handler_that_answers_with_a_line_break_in_a_header_gets_500, 0, 3);
    tcase_add_test(t, who_asks_while_the_server_drains_gets_503);
    tcase_add_test(t, bytes_behind_the_head_belong_to_the_websocket);
    tcase_add_test(t, an_upgrade_may_arrive_byte_by_byte);
    tcase_add_test(t, more_connections_of_an_address_than_allowed_get_429);
    tcase_add_test(t, more_connections_than_allowed_get_503);
    tcase_add_test(t, limits_are_judged_behind_the_origin_and_before_the_application);
    suite_add_tcase(s, t);
    return s;
}
