#include "server_rig.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

static void start(void)
{
    rig_start(&rig, NULL);
}

static void start_with(wsrt_server_options o)
{
    o.struct_size = sizeof o;
    rig_start(&rig, &o);
}

static void stop(void)
{
    rig_stop(&rig);
}

static wsrt_span id_of_last(void)
{
    return wsrt_span_cstr(rig.id);
}

static int post(const char *text, uint32_t flags)
{
    wsrt_span id = id_of_last();
    wsrt_post p = {.struct_size = sizeof p, .flags = flags, .data = wsrt_span_cstr(text)};

    return rig.sender.ops->post(rig.sender.self, &id, &p);
}

static void expect_text(int fd, const char *text)
{
    char got[1024];
    size_t len = 0;

    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_TEXT);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_mem_eq(got, text, len);
}

/* ---- life ----------------------------------------------------------------------------------- */

START_TEST(an_idle_server_has_nothing_to_wake_for)
{
    start();
    rig_advance(&rig, 1000);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), -1);
    stop();
}
END_TEST

START_TEST(a_message_comes_back_from_an_echo)
{
    start();
    int fd = rig_open(&rig);
    rig_text(fd, "hello");
    expect_text(fd, "hello");
    ck_assert_int_eq(rig.connects, 1);
    ck_assert_int_eq(rig.messages, 1);
    close(fd);
    stop();
}
END_TEST

START_TEST(an_idle_connection_holds_no_buffer_and_no_queue)
{
    start();
    int fd = rig_open(&rig);
    rig_text(fd, "hello");
    expect_text(fd, "hello");
    ck_assert_ptr_null(rig_conn(&rig)->in);
    ck_assert_ptr_null(rig_conn(&rig)->out);
    close(fd);
    stop();
}
END_TEST

START_TEST(ids_are_sixteen_characters_of_base64url_with_a_pad)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_uint_eq(strlen(rig.id), 16);
    ck_assert_uint_eq(strspn(rig.id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
                      15);
    ck_assert_int_eq(rig.id[15], '=');
    close(fd);
    stop();
}
END_TEST

START_TEST(every_connection_gets_an_id_of_its_own_and_a_stale_one_is_gone)
{
    char before[32];

    start();
    int fd = rig_open(&rig);
    strcpy(before, rig.id);
    close(fd);
    rig_steps(&rig, 3);
    ck_assert_int_eq(post("x", 0), WSRT_ERR_GONE);
    fd = rig_open(&rig); /* in the same slot */
    ck_assert_str_ne(before, rig.id);
    wsrt_span stale = wsrt_span_cstr(before);
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};
    ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &stale, &p), WSRT_ERR_GONE);
    ck_assert_int_eq(post("x", 0), WSRT_OK);
    expect_text(fd, "x");
    close(fd);
    stop();
}
END_TEST

START_TEST(a_lost_peer_is_told_once_as_1006)
{
    start();
    int fd = rig_open(&rig);
    close(fd);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.disconnects, 1);
    ck_assert_int_eq(rig.code, 1006);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    stop();
    ck_assert_int_eq(rig.disconnects, 1);
}
END_TEST

START_TEST(the_peers_close_is_echoed_and_told_with_its_code_and_reason)
{
    start();
    int fd = rig_open(&rig);
    rig_frame(fd, WSRT_WS_OP_CLOSE, 1, "\x0f\xa1why", 5);
    ck_assert_int_eq(rig_close_code(&rig, fd), 4001);
    ck_assert_int_eq(rig.code, 4001);
    ck_assert_str_eq(rig.reason, "why");
    close(fd);
    stop();
}
END_TEST

START_TEST(a_close_without_a_code_is_1005)
{
    start();
    int fd = rig_open(&rig);
    rig_frame(fd, WSRT_WS_OP_CLOSE, 1, "", 0);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1005);
    ck_assert_int_eq(rig.code, 1005);
    close(fd);
    stop();
}
END_TEST

START_TEST(freeing_a_server_runs_the_outstanding_disconnects)
{
    start();
    int a = rig_open(&rig), b = rig_open(&rig);
    stop(); /* which compares */
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
    start();
    int fd = rig_open(&rig);
    rig.on_message = ask_for_1011;
    rig_text(fd, "x");
    ck_assert_int_eq(rig_close_code(&rig, fd), 1011);
    ck_assert_int_eq(rig.code, 1011);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_handler_that_disconnects_itself_gets_no_more_messages)
{
    start();
    int fd = rig_open(&rig);
    rig.on_message = NULL;
    wsrt_span id = id_of_last();
    rig_text(fd, "one");
    rig_text(fd, "two");
    ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 1000, NULL), WSRT_OK);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1000);
    ck_assert_int_eq(rig.messages, 0);
    ck_assert_int_eq(rig.code, 1000);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_posts_id_is_gone_inside_its_own_connect)
{
    start();
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    strcpy(rig.id, "AAAAAAAAAAAAAAA="); /* no turn yet: the id of nobody */
    ck_assert_int_eq(post("early", 0), WSRT_ERR_GONE);
    close(fd);
    stop();
}
END_TEST

static void *post_second(void *user)
{
    (void)user;
    ck_assert_int_eq(post("second", 0), WSRT_OK);
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
    start();
    rig.on_message = post_from_another_thread;
    int fd = rig_open(&rig);
    rig_text(fd, "go");
    ck_assert_int_eq(post("first", 0), WSRT_OK);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    expect_text(fd, "first");
    expect_text(fd, "second");
    close(fd);
    stop();
}
END_TEST

/* ---- connect -------------------------------------------------------------------------------- */

static void expect_answer(int fd, const char *begin, const char *somewhere)
{
    char got[2048] = "";
    int ended;
    size_t n = rig_read(&rig, fd, got, sizeof got - 1, &ended);

    got[n] = '\0';
    ck_assert_msg(strncmp(got, begin, strlen(begin)) == 0, "wanted %s, got %s", begin, got);
    ck_assert_msg(strstr(got, somewhere) != NULL, "no %s in %s", somewhere, got);
}

START_TEST(a_refusal_of_connect_is_the_answer)
{
    static const struct {
        int given, wanted;
    } rows[] = {{401, 401}, {403, 403}, {302, 500}, {503, 500}};

    start();
    rig.connect_status = rows[_i].given;
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    char begin[32];
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", rows[_i].wanted);
    expect_answer(fd, begin, "{\"no\":1}");
    ck_assert_uint_eq(rig.server->loops[0].open, 0);
    close(fd);
    rig.connects = 0; /* refused: no DISCONNECT is owed */
    stop();
}
END_TEST

START_TEST(a_chosen_subprotocol_must_have_been_offered)
{
    start();
    rig.protocol_cstr = "chat.v2";
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    expect_answer(fd, "HTTP/1.1 500 ", "Connection: close");
    ck_assert_int_eq(rig.disconnects, 1); /* CONNECT had succeeded */
    close(fd);
    stop();
}
END_TEST

START_TEST(an_offered_subprotocol_is_named_in_the_101)
{
    const char request[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\n"
                           "Connection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                           "Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n\r\n";

    start();
    rig.protocol_cstr = "chat.v2";
    int fd = rig_adopt(&rig);
    rig_send(fd, request, sizeof request - 1);
    expect_answer(fd, "HTTP/1.1 101 ", "Sec-WebSocket-Protocol: chat.v2\r\n");
    close(fd);
    stop();
}
END_TEST

START_TEST(a_header_of_a_handler_is_in_the_101)
{
    start();
    rig.note_cstr = "seen";
    int fd = rig_adopt(&rig);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    expect_answer(fd, "HTTP/1.1 101 ", "\r\nX-Note: seen\r\n");
    close(fd);
    rig_steps(&rig, 2);
    stop();
}
END_TEST

START_TEST(a_handler_that_answers_with_a_line_break_in_a_header_gets_500)
{
    static const char *const notes[] = {"a\r\nSet-Cookie: b", "a\nb", "a\rb"};
    char got[2048] = "";
    int ended;

    start();
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
    stop();
}
END_TEST

START_TEST(who_asks_while_the_server_drains_gets_503)
{
    start();
    int open = rig_open(&rig), fd = rig_adopt(&rig);
    rig_send(fd, "GET /", 5); /* a request under way, so that it is not given up */
    rig_steps(&rig, 2);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    rig_steps(&rig, 2);
    rig_send(fd, rig_upgrade + 5, strlen(rig_upgrade) - 5);
    expect_answer(fd, "HTTP/1.1 503 ", "Retry-After: ");
    close(fd);
    close(open);
    rig_steps(&rig, 3);
    stop();
}
END_TEST

START_TEST(bytes_behind_the_head_belong_to_the_websocket)
{
    char both[512], answer[129];
    unsigned char frame[32];
    int ended;

    start();
    int fd = rig_adopt(&rig);
    size_t head = wsrt_ws_header(frame, WSRT_WS_OP_TEXT, 1, 2, (const unsigned char *)"\0\0\0\0");
    memcpy(frame + head, "hi", 2);
    memcpy(both, rig_upgrade, strlen(rig_upgrade));
    memcpy(both + strlen(rig_upgrade), frame, head + 2);
    rig_send(fd, both, strlen(rig_upgrade) + head + 2);
    ck_assert_uint_eq(rig_read(&rig, fd, answer, sizeof answer, &ended), sizeof answer);
    expect_text(fd, "hi");
    close(fd);
    stop();
}
END_TEST

START_TEST(an_upgrade_may_arrive_byte_by_byte)
{
    char answer[129];
    int ended;

    start();
    int fd = rig_adopt(&rig);
    for (const char *p = rig_upgrade; *p != '\0'; p++) {
        rig_send(fd, p, 1);
        rig_steps(&rig, 1);
    }
    ck_assert_uint_eq(rig_read(&rig, fd, answer, sizeof answer, &ended), sizeof answer);
    for (size_t i = 0; i < 3; i++)
        rig_text(fd, "again");
    expect_text(fd, "again");
    close(fd);
    stop();
}
END_TEST

START_TEST(more_connections_of_an_address_than_allowed_get_429)
{
    start_with((wsrt_server_options){.max_per_ip = 2});
    int a = rig_open(&rig), b = rig_open(&rig), c = rig_adopt(&rig);
    rig_send(c, rig_upgrade, strlen(rig_upgrade));
    expect_answer(c, "HTTP/1.1 429 ", "Retry-After: ");
    close(a);
    close(c);
    rig_steps(&rig, 3);
    c = rig_open(&rig);
    close(b);
    close(c);
    stop();
}
END_TEST

START_TEST(more_connections_than_allowed_get_503)
{
    start_with((wsrt_server_options){.max_connections = 1});
    int a = rig_open(&rig), b = rig_adopt(&rig);
    rig_send(b, rig_upgrade, strlen(rig_upgrade));
    expect_answer(b, "HTTP/1.1 503 ", "Retry-After: ");
    close(a);
    close(b);
    stop();
}
END_TEST

/* ---- clocks --------------------------------------------------------------------------------- */

enum { EARLY = 10, LATE = 250 };

/* Nothing `EARLY` ms before, everything `LATE` ms after. */
START_TEST(a_silent_caller_is_dropped_when_the_handshake_time_is_over)
{
    char byte;
    int ended;

    start();
    int fd = rig_adopt(&rig);
    rig_advance(&rig, 10000 - EARLY);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    rig_read(&rig, fd, &byte, 1, &ended);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), -1);
    close(fd);
    stop();
}
END_TEST

/* An orderly 408; its reader keeps the place for half a second more. */
static void expect_408(int fd)
{
    char answer[512];
    int ended;

    answer[rig_read(&rig, fd, answer, sizeof answer - 1, &ended)] = '\0';
    ck_assert_msg(strstr(answer, "HTTP/1.1 408 Request Timeout\r\n") == answer, "%s", answer);
    ck_assert_int_eq(ended, 1);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 500 + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
}

START_TEST(a_crowd_whose_time_is_up_is_turned_away_a_few_a_turn)
{
    enum { CROWD = 100 };
    int fds[CROWD];

    start_with((wsrt_server_options){.max_per_ip = -1, .accept_rate = -1});
    for (int i = 0; i < CROWD; i++)
        fds[i] = rig_adopt(&rig);
    int good = rig_open(&rig);
    rig.now += INT64_C(10500000000);
    rig_text(good, "x"); /* has its turn between them */
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 1);
    int left = 0;
    for (uint32_t i = 0; i < CROWD; i++)
        left += wsrt_conn_at(&rig.server->loops[0], i)->state == WSRT_CONN_HTTP;
    ck_assert_int_ge(left, CROWD - 32);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_steps(&rig, 4);
    for (uint32_t i = 0; i < CROWD; i++)
        ck_assert_int_ne(wsrt_conn_at(&rig.server->loops[0], i)->state, WSRT_CONN_HTTP);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
    close(good);
    rig_steps(&rig, 4);
    stop();
}
END_TEST

START_TEST(a_slow_head_does_not_extend_the_handshake_time)
{
    start();
    int fd = rig_adopt(&rig);
    for (int i = 0; i < 9; i++) {
        rig_send(fd, "G", 1);
        rig_advance(&rig, 1000);
    }
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 1000 + LATE);
    expect_408(fd);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_slow_body_is_cut_off_at_its_deadline)
{
    const char head[] = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";

    start();
    int fd = rig_adopt(&rig);
    rig_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 99; i++) {
        rig_send(fd, "x", 1);
        rig_advance(&rig, 100);
    }
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 100 + LATE);
    expect_408(fd);
    close(fd);
    stop();
}
END_TEST

START_TEST(an_http_connection_is_kept_for_thirty_seconds)
{
    const char head[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

    start();
    int fd = rig_adopt(&rig);
    for (int i = 0; i < 2; i++) {
        rig_send(fd, head, sizeof head - 1);
        expect_answer(fd, "HTTP/1.1 200 ", "{\"status\":\"ok\"}");
        rig_advance(&rig, 30000 - EARLY);
        ck_assert_uint_eq(rig.server->loops[0].used, 1);
    }
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_connection_without_messages_is_closed_with_1001)
{
    start_with((wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    rig_advance(&rig, 300000);
    rig_text(fd, "still here");
    expect_text(fd, "still here");
    rig_advance(&rig, 600000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    ck_assert_int_eq(rig.code, 1001);
    close(fd);
    stop();
}
END_TEST

/* ---- who is there ---- */

static wsrt_static_auth *people;
static wsrt_authenticator authenticator;

static int sign_in(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    (void)r;
    return wsrt_authenticate(ctx, req->event->body);
}

/* One token without an end, and two that end 100 s and 700 s from the start. */
static void start_with_people(wsrt_server_options o)
{
    static const char *const names[] = {"always", "brief", "long"};
    static const int64_t ends[] = {0, 1795168900, 1795169500};
    wsrt_static_token rows[3];
    wsrt_principal bearers[3];

    for (int i = 0; i < 3; i++) {
        rows[i] = (wsrt_static_token){wsrt_span_cstr(names[i]), &bearers[i]};
        bearers[i] = (wsrt_principal){
            .struct_size = sizeof bearers[i], .user_id = rows[i].token, .expires_at = ends[i]};
    }
    ck_assert_int_eq(wsrt_static_auth_new(&people, rows, 3, NULL), WSRT_OK);
    wsrt_static_auth_interface(people, &authenticator);
    rig_authenticator = &authenticator;
    o.ping_ms = o.idle_ms = -1;
    start_with(o);
    rig.on_message = sign_in;
}

static void stop_with_people(int fd)
{
    close(fd);
    stop();
    rig_authenticator = NULL;
    wsrt_static_auth_free(people);
}

START_TEST(who_does_not_sign_in_in_time_is_closed_with_4401)
{
    start_with_people((wsrt_server_options){.sign_in_ms = 10000});
    int fd = rig_open(&rig);
    rig_advance(&rig, 5000);
    rig_text(fd, "nobody");
    rig_advance(&rig, 5000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 4401);
    ck_assert_int_eq(rig.code, 4401);
    stop_with_people(fd);
}
END_TEST

START_TEST(who_signs_in_in_time_stays)
{
    start_with_people((wsrt_server_options){.sign_in_ms = 10000});
    int fd = rig_open(&rig);
    rig_advance(&rig, 9000);
    rig_text(fd, "always");
    rig_advance(&rig, 600000);
    ck_assert_int_eq(rig.disconnects, 0);
    stop_with_people(fd);
}
END_TEST

START_TEST(an_identity_that_has_ended_is_closed_with_4401_after_a_grace)
{
    start_with_people((wsrt_server_options){.expired_ms = 0});
    int fd = rig_open(&rig);
    rig_text(fd, "brief");
    rig_advance(&rig, 1000);
    ck_assert_int_eq(rig_conn(&rig)->state, WSRT_CONN_OPEN);
    rig_advance(&rig, 158000); /* 100 s and 60 s of grace */
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, 1000 + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 4401);
    stop_with_people(fd);
}
END_TEST

START_TEST(a_new_token_carries_a_connection_over_the_end_of_the_old)
{
    start_with_people((wsrt_server_options){.sign_in_ms = 10000});
    int fd = rig_open(&rig);
    rig_text(fd, "brief");
    rig_advance(&rig, 150000);
    rig_text(fd, "long");
    rig_advance(&rig, 600000);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, 10000 + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 4401);
    stop_with_people(fd);
}
END_TEST

START_TEST(the_end_of_an_identity_closes_nothing_when_told_so)
{
    start_with_people((wsrt_server_options){.expired_ms = -1, .sign_in_ms = 10000});
    int fd = rig_open(&rig);
    rig_text(fd, "brief");
    rig_advance(&rig, 1000000);
    ck_assert_int_eq(rig.disconnects, 0);
    stop_with_people(fd);
}
END_TEST

START_TEST(what_we_send_keeps_a_connection_from_idling)
{
    start_with((wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    rig_advance(&rig, 400000);
    ck_assert_int_eq(post("news", 0), WSRT_OK);
    rig_advance(&rig, 400000);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(under_api_gateway_a_connection_lives_two_hours)
{
    start_with((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY, .idle_ms = -1});
    int fd = rig_open(&rig);
    rig_advance(&rig, 7200000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_ping_comes_about_every_25_seconds_and_a_pong_keeps_alive)
{
    char got[8];
    size_t len;

    start_with((wsrt_server_options){.idle_ms = -1});
    int fd = rig_open(&rig);
    for (int i = 0; i < 4; i++) {
        rig_advance(&rig, 22400);
        ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), -1);
        rig_advance(&rig, 27500 + LATE - 22400);
        ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_PING);
        rig_frame(fd, WSRT_WS_OP_PONG, 1, "", 0);
        rig_steps(&rig, 2);
    }
    rig_advance(&rig, 15000);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_peer_that_answers_no_ping_is_closed_with_1001)
{
    start();
    int fd = rig_open(&rig);
    rig_advance(&rig, 22500 + 20000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, 5000 + EARLY + 2 * LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    ck_assert_int_eq(rig.code, 1001);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_message_unfinished_after_30_seconds_is_1008)
{
    start_with((wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    rig_frame(fd, WSRT_WS_OP_TEXT, 0, "begin", 5);
    rig_steps(&rig, 2);
    rig_advance(&rig, 15000);
    rig_frame(fd, WSRT_WS_OP_CONTINUATION, 0, "more", 4); /* does not help */
    rig_advance(&rig, 15000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1008);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_peer_that_does_not_answer_our_close_is_reset_after_5_seconds)
{
    wsrt_span id;

    start();
    int fd = rig_open(&rig);
    id = id_of_last();
    ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 1000, NULL), WSRT_OK);
    rig_steps(&rig, 2);
    ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 1000, NULL), WSRT_ERR_GONE);
    rig_advance(&rig, 5000 - EARLY);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(after_a_failure_input_is_discarded_for_a_second)
{
    start();
    int fd = rig_open(&rig);
    rig_send(fd, "\x81\x01x", 3); /* not masked */
    ck_assert_int_eq(rig_close_code(&rig, fd), 1002);
    rig_text(fd, "ignored");
    rig_steps(&rig, 2);
    ck_assert_int_eq(rig.messages, 0);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 1000 + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    stop();
}
END_TEST

/* ---- queues --------------------------------------------------------------------------------- */

static char big[65536];

/* Fills the socket until something is queued; returns the messages it took. */
static int fill(uint32_t flags)
{
    wsrt_span id = id_of_last();
    wsrt_post p = {
        .struct_size = sizeof p, .flags = flags | WSRT_POST_BINARY, .data = {big, sizeof big}};
    int n = 0;

    while (rig_conn(&rig)->out == NULL) {
        ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &p), WSRT_OK);
        rig_steps(&rig, 1);
        n++;
    }
    return n;
}

static int post_big(uint32_t flags)
{
    wsrt_span id = id_of_last();
    wsrt_post p = {
        .struct_size = sizeof p, .flags = flags | WSRT_POST_BINARY, .data = {big, sizeof big}};
    int rc = rig.sender.ops->post(rig.sender.self, &id, &p);

    rig_steps(&rig, 1);
    return rc;
}

START_TEST(posts_beyond_the_soft_limit_are_throttled_and_change_nothing)
{
    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig), n = 0;
    fill(0);
    while (post_big(0) == WSRT_OK)
        ck_assert_int_lt(n++, 10);
    uint32_t queued = wsrt_conn_queued(rig_conn(&rig));
    ck_assert_uint_le(queued, 262144);
    ck_assert_int_eq(post_big(0), WSRT_ERR_THROTTLED);
    ck_assert_uint_eq(wsrt_conn_queued(rig_conn(&rig)), queued);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    stop();
}
END_TEST

static int posted[3];

/* Posts to the connection from inside its own handler: first as a post, then as a reply. */
static int post_both_ways(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    wsrt_post p = {.struct_size = sizeof p, .flags = WSRT_POST_BINARY, .data = {big, sizeof big}};

    (void)ctx;
    for (int i = 0; i < 3; i++) {
        p.flags = WSRT_POST_BINARY | (i == 2 ? WSRT_POST_REPLY : 0u);
        posted[i] = r->sender.ops->post(r->sender.self, &req->event->connection_id, &p);
    }
    return 0;
}

START_TEST(the_soft_limit_holds_inside_a_handler_too_but_not_for_replies)
{
    start_with((wsrt_server_options){.stall_ms = -1, .queue_soft = 100000});
    int fd = rig_open(&rig);
    rig.on_message = post_both_ways;
    fill(0);
    rig_text(fd, "go");
    rig_steps(&rig, 2);
    ck_assert_int_eq(rig.messages, 1);
    ck_assert_int_eq(posted[1], WSRT_ERR_THROTTLED);
    ck_assert_int_eq(posted[2], WSRT_OK);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(replies_queue_up_to_the_hard_limit_and_then_close_with_1008)
{
    static char payload[70000];
    size_t len;
    int opcode, n = 0;

    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    while (rig.disconnects == 0 && n++ < 40)
        post_big(WSRT_POST_REPLY);
    ck_assert_int_eq(rig.code, 1008);
    ck_assert_int_ge(n, 14); /* a mebibyte holds fifteen */
    /* Of what waited, only the message that had begun is still sent. */
    ck_assert_uint_le(wsrt_conn_queued(rig_conn(&rig)), sizeof big + 64);
    while ((opcode = rig_next(&rig, fd, payload, sizeof payload, &len)) == WSRT_WS_OP_BINARY)
        ck_assert_uint_eq(len, sizeof big);
    ck_assert_int_eq(opcode, WSRT_WS_OP_CLOSE);
    ck_assert_mem_eq(payload, "\x03\xf0slow consumer", 15);
    close(fd);
    stop();
}
END_TEST

/* A broadcast of `size` bytes that begin with a letter. */
static int broadcast(char letter, size_t size, const char *key)
{
    static char text[100000];
    wsrt_span id = id_of_last();
    wsrt_post p = {.struct_size = sizeof p, .flags = WSRT_POST_REPLY, .data = {text, size}};

    memset(text, '.', size);
    text[0] = letter;
    p.key = wsrt_span_cstr(key);
    return rig.sender.ops->post(rig.sender.self, &id, &p);
}

/* The first letters of all text messages that come. */
static const char *letters(int fd)
{
    static char payload[100000], seen[256];
    size_t len, n = 0;
    int opcode;

    while ((opcode = rig_next(&rig, fd, payload, sizeof payload, &len)) >= 0)
        if (opcode == WSRT_WS_OP_TEXT && n + 1 < sizeof seen)
            seen[n++] = payload[0];
    seen[n] = '\0';
    return seen;
}

START_TEST(to_drop_the_oldest_keeps_the_newest_in_their_order)
{
    start_with((wsrt_server_options){.stall_ms = -1, .slow_reader = WSRT_SLOW_READER_DROP_OLDEST});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    for (char letter = 'a'; letter <= 'z'; letter++) {
        ck_assert_int_eq(broadcast(letter, 60000, ""), WSRT_OK);
        rig_steps(&rig, 1);
        ck_assert_uint_le(wsrt_conn_queued(rig_conn(&rig)), 262144);
    }
    ck_assert_int_eq(rig.disconnects, 0);
    const char *seen = letters(fd);
    ck_assert_uint_ge(strlen(seen), 3);
    ck_assert_str_eq(seen, &"abcdefghijklmnopqrstuvwxyz"[26 - strlen(seen)]);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_keyed_message_takes_the_place_of_the_unsent_one_of_its_key)
{
    start_with((wsrt_server_options){.stall_ms = -1, .slow_reader = WSRT_SLOW_READER_CONFLATE});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    ck_assert_int_eq(broadcast('a', 10, "k"), WSRT_OK);
    ck_assert_int_eq(broadcast('b', 10, ""), WSRT_OK);
    ck_assert_int_eq(broadcast('c', 10, "kk"), WSRT_OK);
    rig_steps(&rig, 1);
    uint32_t before = wsrt_conn_queued(rig_conn(&rig));
    ck_assert_int_eq(broadcast('A', 20, "k"), WSRT_OK);
    ck_assert_int_eq(broadcast('B', 10, ""), WSRT_OK);
    rig_steps(&rig, 1);
    ck_assert_uint_eq(wsrt_conn_queued(rig_conn(&rig)), before + 10 + 12);
    ck_assert_str_eq(letters(fd), "AbcB");
    close(fd);
    stop();
}
END_TEST

START_TEST(under_the_usual_policy_keys_change_nothing)
{
    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    broadcast('a', 10, "k");
    broadcast('b', 10, "k");
    rig_steps(&rig, 1);
    ck_assert_str_eq(letters(fd), "ab");
    close(fd);
    stop();
}
END_TEST

START_TEST(a_queue_that_is_read_again_arrives_whole_and_is_given_back)
{
    static char payload[70000];
    size_t len;

    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig), n = fill(0);
    while (post_big(0) == WSRT_OK)
        n++;
    for (; n > 0; n--) {
        ck_assert_int_eq(rig_next(&rig, fd, payload, sizeof payload, &len), WSRT_WS_OP_BINARY);
        ck_assert_uint_eq(len, sizeof big);
    }
    ck_assert_ptr_null(rig_conn(&rig)->out);
    ck_assert_int_eq(atomic_load(&rig.server->queued_total), 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(bytes_that_no_one_takes_for_30_seconds_reset_the_connection)
{
    start_with((wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    fill(0);
    rig_advance(&rig, 30000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig.disconnects, 1);
    ck_assert_int_eq(rig.code, 1006);
    close(fd);
    stop();
}
END_TEST

START_TEST(who_does_not_read_is_not_read_from)
{
    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig), sent = 0;
    fill(WSRT_POST_REPLY);
    while ((rig_conn(&rig)->flags & WSRT_CONN_PAUSED) == 0)
        ck_assert_int_eq(post_big(WSRT_POST_REPLY), WSRT_OK);
    rig_text(fd, "waits");
    sent++;
    rig_steps(&rig, 5);
    ck_assert_int_eq(rig.messages, 0);
    while (rig.messages == 0) { /* reading makes room */
        static char payload[70000];
        size_t len;
        ck_assert_int_ge(rig_next(&rig, fd, payload, sizeof payload, &len), 0);
    }
    ck_assert_int_eq(rig.messages, sent);
    close(fd);
    stop();
}
END_TEST

/* Echoes and pings as fast as they go, and nothing is read. */
START_TEST(who_sends_and_never_reads_costs_the_hard_limit_and_64_kib_at_most)
{
    static char message[16384];
    ssize_t n;

    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig), patience = 200;
    size_t before = rig.heap.live;
    unsigned char frame[sizeof message + WSRT_WS_HEADER_MAX];
    size_t len = wsrt_ws_header(frame, WSRT_WS_OP_BINARY, 1, sizeof message,
                                (const unsigned char *)"\0\0\0");
    memcpy(frame + len, message, sizeof message);
    len += sizeof message;
    while (patience > 0) {
        n = send(fd, frame, len, MSG_NOSIGNAL);
        patience -= n < 0;
        if (n > 0 && n < (ssize_t)len) /* what follows would be no frame */
            break;
        send(fd, "\x89\x80\0\0\0", 6, MSG_NOSIGNAL);
        rig_steps(&rig, 1);
        ck_assert_uint_le(rig.heap.live, before + 1048576 + 65536 + 32768);
    }
    ck_assert_int_gt(rig.messages, 10);
    ck_assert_int_ne(rig_conn(&rig)->flags & WSRT_CONN_PAUSED, 0);
    close(fd);
    rig_steps(&rig, 3);
    stop();
}
END_TEST

START_TEST(a_full_total_throttles_who_has_a_queue_and_serves_who_has_none)
{
    start_with((wsrt_server_options){.stall_ms = -1, .queue_total = 65536 * 3});
    int slow = rig_open(&rig);
    fill(0);
    while (post_big(WSRT_POST_REPLY) == WSRT_OK)
        ;
    ck_assert_int_eq(rig.disconnects, 0);
    ck_assert_int_eq(post_big(WSRT_POST_REPLY), WSRT_ERR_THROTTLED);
    int fast = rig_open(&rig);
    rig_text(fast, "fine");
    expect_text(fast, "fine");
    close(slow);
    close(fast);
    stop();
}
END_TEST

START_TEST(a_shared_frame_costs_each_queue_a_reference)
{
    enum { RECEIVERS = 20 };
    int fds[RECEIVERS], results[RECEIVERS];
    char ids[RECEIVERS][17];
    wsrt_span spans[RECEIVERS];
    wsrt_post p = {.struct_size = sizeof p,
                   .flags = WSRT_POST_REPLY | WSRT_POST_BINARY,
                   .data = {big, sizeof big}};

    start_with((wsrt_server_options){.stall_ms = -1});
    for (int i = 0; i < RECEIVERS; i++) {
        fds[i] = rig_open(&rig);
        memcpy(ids[i], rig.id, 17);
        spans[i] = wsrt_span_cstr(ids[i]);
    }
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(rig.sender.ops->post_many(rig.sender.self, spans, RECEIVERS, &p, results),
                         WSRT_OK);
        for (int k = 0; k < RECEIVERS; k++)
            ck_assert_int_eq(results[k], WSRT_OK);
        rig_steps(&rig, 1);
    }
    for (uint32_t i = 0; i < RECEIVERS; i++)
        ck_assert_ptr_nonnull(wsrt_conn_at(&rig.server->loops[0], i)->out);
    /* Eight frames at most, not a hundred and sixty. */
    ck_assert_int_le(atomic_load(&rig.server->queued_total), 8 * 66000);
    for (int i = 0; i < RECEIVERS; i++)
        close(fds[i]);
    stop();
}
END_TEST

START_TEST(unsent_pongs_beyond_4_kib_are_a_flood)
{
    char payload[125] = {0};

    start_with((wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    for (int i = 0; i < 40; i++)
        rig_frame(fd, WSRT_WS_OP_PING, 1, payload, sizeof payload);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.code, 1008);
    close(fd);
    stop();
}
END_TEST

START_TEST(what_may_not_be_sent_is_refused_before_anything_is)
{
    static char huge[131073];
    const struct {
        wsrt_span data;
        uint32_t flags;
        int wanted;
    } rows[] = {
        {{huge, sizeof huge}, WSRT_POST_BINARY, WSRT_ERR_TOO_LARGE},
        {{"\xff", 1}, 0, WSRT_ERR_INVALID},
        {{"\xed\xa0\x80", 3}, 0, WSRT_ERR_INVALID},
        {{"\xc3", 1}, 0, WSRT_ERR_INVALID},
        {{"x", 1}, 8, WSRT_ERR_INVALID},
        {{huge, 131072}, WSRT_POST_BINARY, WSRT_OK},
        {{"\xff", 1}, WSRT_POST_BINARY, WSRT_OK},
        {{"\xf0\x9f\x98\x80", 4}, 0, WSRT_OK},
    };

    start();
    int fd = rig_open(&rig);
    wsrt_span id = id_of_last();
    wsrt_post p = {.struct_size = sizeof p, .flags = rows[_i].flags, .data = rows[_i].data};
    ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &p), rows[_i].wanted);
    close(fd);
    stop();
}
END_TEST

/* ---- fairness ------------------------------------------------------------------------------- */

static void *post_from_afar(void *user)
{
    (void)user;
    ck_assert_int_eq(post("from afar", 0), WSRT_OK);
    return NULL;
}

static int let_another_thread_post(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    pthread_t thread;

    (void)r;
    (void)ctx;
    (void)req;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_from_afar, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return 0;
}

/* The wake-up that was under way is read behind the message, and with it the post's own. */
START_TEST(a_post_that_another_thread_makes_within_a_turn_is_due_after_it)
{
    start();
    int fd = rig_open(&rig);
    rig.on_message = let_another_thread_post;
    rig_text(fd, "go");
    wsrt_loop_wake(&rig.server->loops[0]);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    expect_text(fd, "from afar");
    close(fd);
    stop();
}
END_TEST

/* 65 messages leave one to look at; their sender has gone meanwhile. */
START_TEST(a_lost_connection_with_bytes_to_look_at_is_given_up_in_its_turn)
{
    struct linger hard = {1, 0};

    start();
    int fd = rig_open(&rig);
    for (int i = 0; i < 65; i++)
        rig_text(fd, "x");
    rig_steps(&rig, 1);
    wsrt_conn *c = rig_conn(&rig);
    ck_assert_int_ne(c->flags & WSRT_CONN_READY, 0);
    wsrt_conn_lost(&rig.server->loops[0], c);
    wsrt_conn_retire(&rig.server->loops[0]);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_steps(&rig, 1);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    ck_assert_int_eq(rig.disconnects, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_turn_serves_64_messages_of_a_connection_and_loses_none)
{
    unsigned char frames[200 * 7];

    start();
    int a = rig_open(&rig);
    for (int i = 0; i < 200; i++) {
        unsigned char *p = frames + i * 7;
        wsrt_ws_header(p, WSRT_WS_OP_TEXT, 1, 1, (const unsigned char *)"\0\0\0\0");
        p[6] = (unsigned char)('0' + i % 10);
    }
    rig_send(a, frames, sizeof frames);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 64);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.messages, 200);
    ck_assert_int_eq(wsrt_server_timeout(rig.server) != 0, 1);
    for (int i = 0; i < 200; i++) {
        char wanted[2] = {(char)('0' + i % 10), '\0'};
        expect_text(a, wanted);
    }
    close(a);
    stop();
}
END_TEST

/* ---- floods --------------------------------------------------------------------------------- */

/* A message at a time, each with its answer; returns how many were echoed. */
static int send_and_count(int fd, int n)
{
    char payload[1024];
    size_t len;
    int echoed = 0;

    for (int i = 0; i < n; i++) {
        rig_text(fd, "x");
        ck_assert_int_eq(rig_next(&rig, fd, payload, sizeof payload, &len), WSRT_WS_OP_TEXT);
        echoed += len == 1;
    }
    return echoed;
}

START_TEST(a_hundred_refused_messages_in_a_row_close_with_1008)
{
    rig_limited = 1;
    start_with((wsrt_server_options){.max_connections = 0});
    rig_limited = 0;
    int fd = rig_open(&rig), other = rig_open(&rig);
    ck_assert_int_eq(send_and_count(fd, 19), 19); /* the connect was the first of twenty */
    ck_assert_int_eq(send_and_count(fd, 99), 0);
    rig_advance(&rig, 100); /* the next one is admitted */
    ck_assert_int_eq(send_and_count(fd, 1), 1);
    ck_assert_int_eq(send_and_count(fd, 99), 0);
    ck_assert_int_eq(rig.disconnects, 0);
    ck_assert_int_eq(send_and_count(fd, 1), 0);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1008);
    ck_assert_int_eq(rig.code, 1008);
    ck_assert_int_eq(send_and_count(other, 1), 1);
    close(fd);
    close(other);
    stop();
}
END_TEST

/* ---- attacks -------------------------------------------------------------------------------- */

START_TEST(extensions_that_are_offered_are_never_agreed_on)
{
    char request[1024], answer[1024];
    int ended, len = snprintf(request, sizeof request,
                              "%.*sSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                              (int)strlen(rig_upgrade) - 2, rig_upgrade);

    start();
    int fd = rig_adopt(&rig);
    rig_send(fd, request, (size_t)len);
    answer[rig_read(&rig, fd, answer, sizeof answer - 1, &ended)] = '\0';
    ck_assert(strstr(answer, "HTTP/1.1 101 ") == answer);
    ck_assert_ptr_null(strstr(answer, "xtensions"));
    close(fd);
    stop();
}
END_TEST

START_TEST(a_thousand_dials_leave_the_open_connections_served)
{
    char answer[64];
    int fds[50], ended;

    start_with((wsrt_server_options){.max_connections = 50, .max_per_ip = -1});
    for (int i = 0; i < 50; i++)
        fds[i] = rig_open(&rig);
    for (int i = 0; i < 1000; i++) {
        int fd = rig_adopt(&rig);
        rig_send(fd, rig_upgrade, strlen(rig_upgrade));
        ck_assert_uint_eq(rig_read(&rig, fd, answer, 13, &ended), 13);
        ck_assert_int_eq(memcmp(answer, "HTTP/1.1 503 ", 13), 0);
        close(fd);
    }
    for (int i = 0; i < 50; i++) {
        rig_text(fds[i], "still here");
        expect_text(fds[i], "still here");
    }
    close(fds[0]);
    rig_steps(&rig, 3);
    fds[0] = rig_open(&rig);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    stop();
}
END_TEST

START_TEST(frames_of_which_only_the_header_comes_hold_no_memory)
{
    int fds[32];

    start();
    for (int i = 0; i < 32; i++)
        fds[i] = rig_open(&rig);
    rig_steps(&rig, 3);
    size_t before = rig.heap.live;
    for (int i = 0; i < 32; i++)
        rig_send(fds[i], "\x82\xff\0\0\0\0\0\x02\0\0zzzz", 14);
    rig_steps(&rig, 3);
    ck_assert_uint_le(rig.heap.live, before + 32 * 512);
    for (int i = 0; i < 32; i++)
        close(fds[i]);
    stop();
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

START_TEST(every_refused_allocation_of_new_is_reported_and_leaves_nothing)
{
    static const wsrt_span nowhere[1];
    wsrt_server_options o = {.struct_size = sizeof o, .listen = nowhere};
    wsrt_server *s;
    struct heap heap;
    size_t points = 0;

    start();
    wsrt_server_free(rig.server);
    rig.server = NULL;
    int before = rig_open_descriptors();
    for (int sticky = 0; sticky < 2; sticky++) {
        heap_init(&heap);
        o.allocator = heap.allocator;
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, sticky);
            int rc = wsrt_server_new(&s, rig.rt, &o);
            if (!heap.tripped)
                break;
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(s);
            ck_assert_uint_eq(heap.live, 0);
            points++;
        }
        wsrt_server_free(s);
        ck_assert_uint_eq(heap.live, 0);
    }
    ck_assert_int_eq(rig_open_descriptors(), before);
    printf("# allocation points: %zu\n", points);
    stop();
}
END_TEST

START_TEST(refused_memory_costs_a_connection_at_most)
{
    size_t points = 0;

    for (size_t n = 1;; n++) {
        start();
        heap_arm(&rig.heap, n, 1);
        int pair[2];
        static const unsigned char ip[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        if (wsrt_listen_adopt(&rig.server->loops[0], pair[1], ip) != NULL) {
            rig_send(pair[0], rig_upgrade, strlen(rig_upgrade));
            rig_steps(&rig, 2);
            rig_frame(pair[0], WSRT_WS_OP_TEXT, 0, "a", 1);
            rig_steps(&rig, 2);
            send(pair[0], "\x80\x81\0\0\0", 5, MSG_NOSIGNAL);
            rig_steps(&rig, 2);
        }
        int done = !rig.heap.tripped;
        heap_arm(&rig.heap, 0, 0);
        int fd = rig_open(&rig); /* and the next one is served */
        close(fd);
        close(pair[0]);
        rig_steps(&rig, 2);
        stop();
        if (done)
            break;
        points++;
    }
    ck_assert_uint_ge(points, 4);
    printf("# allocation points: %zu\n", points);
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
    tcase_add_test(t, a_posts_id_is_gone_inside_its_own_connect);
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
    tcase_add_test(t, a_silent_caller_is_dropped_when_the_handshake_time_is_over);
    tcase_add_test(t, a_crowd_whose_time_is_up_is_turned_away_a_few_a_turn);
    tcase_add_test(t, a_slow_head_does_not_extend_the_handshake_time);
    tcase_add_test(t, a_lost_connection_with_bytes_to_look_at_is_given_up_in_its_turn);
    tcase_add_test(t, a_slow_body_is_cut_off_at_its_deadline);
    tcase_add_test(t, an_http_connection_is_kept_for_thirty_seconds);
    tcase_add_test(t, a_connection_without_messages_is_closed_with_1001);
    tcase_add_test(t, who_does_not_sign_in_in_time_is_closed_with_4401);
    tcase_add_test(t, who_signs_in_in_time_stays);
    tcase_add_test(t, an_identity_that_has_ended_is_closed_with_4401_after_a_grace);
    tcase_add_test(t, a_new_token_carries_a_connection_over_the_end_of_the_old);
    tcase_add_test(t, the_end_of_an_identity_closes_nothing_when_told_so);
    tcase_add_test(t, what_we_send_keeps_a_connection_from_idling);
    tcase_add_test(t, under_api_gateway_a_connection_lives_two_hours);
    tcase_add_test(t, a_ping_comes_about_every_25_seconds_and_a_pong_keeps_alive);
    tcase_add_test(t, a_peer_that_answers_no_ping_is_closed_with_1001);
    tcase_add_test(t, a_message_unfinished_after_30_seconds_is_1008);
    tcase_add_test(t, a_peer_that_does_not_answer_our_close_is_reset_after_5_seconds);
    tcase_add_test(t, after_a_failure_input_is_discarded_for_a_second);
    tcase_add_test(t, posts_beyond_the_soft_limit_are_throttled_and_change_nothing);
    tcase_add_test(t, the_soft_limit_holds_inside_a_handler_too_but_not_for_replies);
    tcase_add_test(t, replies_queue_up_to_the_hard_limit_and_then_close_with_1008);
    tcase_add_test(t, to_drop_the_oldest_keeps_the_newest_in_their_order);
    tcase_add_test(t, a_keyed_message_takes_the_place_of_the_unsent_one_of_its_key);
    tcase_add_test(t, under_the_usual_policy_keys_change_nothing);
    tcase_add_test(t, a_queue_that_is_read_again_arrives_whole_and_is_given_back);
    tcase_add_test(t, bytes_that_no_one_takes_for_30_seconds_reset_the_connection);
    tcase_add_test(t, who_does_not_read_is_not_read_from);
    tcase_add_test(t, who_sends_and_never_reads_costs_the_hard_limit_and_64_kib_at_most);
    tcase_add_test(t, a_full_total_throttles_who_has_a_queue_and_serves_who_has_none);
    tcase_add_test(t, a_shared_frame_costs_each_queue_a_reference);
    tcase_add_test(t, unsent_pongs_beyond_4_kib_are_a_flood);
    tcase_add_loop_test(t, what_may_not_be_sent_is_refused_before_anything_is, 0, 8);
    tcase_add_test(t, a_post_that_another_thread_makes_within_a_turn_is_due_after_it);
    tcase_add_test(t, a_turn_serves_64_messages_of_a_connection_and_loses_none);
    tcase_add_test(t, a_hundred_refused_messages_in_a_row_close_with_1008);
    tcase_add_test(t, extensions_that_are_offered_are_never_agreed_on);
    tcase_add_test(t, a_thousand_dials_leave_the_open_connections_served);
    tcase_add_test(t, frames_of_which_only_the_header_comes_hold_no_memory);
    tcase_add_test(t, every_refused_allocation_of_new_is_reported_and_leaves_nothing);
    tcase_add_test(t, refused_memory_costs_a_connection_at_most);
    suite_add_tcase(s, t);
    return s;
}
