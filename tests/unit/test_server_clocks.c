/* Every deadline of a connection, on a clock that the test moves. */
#include "server_rig.h"
#include "suite.h"

#include <string.h>
#include <unistd.h>

static struct rig rig;

enum { EARLY = 10, LATE = 250 };

/* Nothing `EARLY` ms before, everything `LATE` ms after. */
START_TEST(a_silent_caller_is_dropped_when_the_handshake_time_is_over)
{
    char byte;
    int ended;

    rig_start(&rig, NULL);
    int fd = rig_adopt(&rig);
    rig_advance(&rig, 10000 - EARLY);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    rig_read(&rig, fd, &byte, 1, &ended);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), -1);
    close(fd);
    rig_stop(&rig);
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

    rig_start_with(&rig, (wsrt_server_options){.max_per_ip = -1, .accept_rate = -1});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(a_slow_head_does_not_extend_the_handshake_time)
{
    rig_start(&rig, NULL);
    int fd = rig_adopt(&rig);
    for (int i = 0; i < 9; i++) {
        rig_send(fd, "G", 1);
        rig_advance(&rig, 1000);
    }
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 1000 + LATE);
    expect_408(fd);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_slow_body_is_cut_off_at_its_deadline)
{
    const char head[] = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";

    rig_start(&rig, NULL);
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
    rig_stop(&rig);
}
END_TEST

START_TEST(an_http_connection_is_kept_for_thirty_seconds)
{
    const char head[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

    rig_start(&rig, NULL);
    int fd = rig_adopt(&rig);
    for (int i = 0; i < 2; i++) {
        rig_send(fd, head, sizeof head - 1);
        rig_expect_answer(&rig, fd, "HTTP/1.1 200 ", "{\"status\":\"ok\"}");
        rig_advance(&rig, 30000 - EARLY);
        ck_assert_uint_eq(rig.server->loops[0].used, 1);
    }
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_connection_without_messages_is_closed_with_1001)
{
    rig_start_with(&rig, (wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    rig_advance(&rig, 300000);
    rig_text(fd, "still here");
    rig_expect_text(&rig, fd, "still here");
    rig_advance(&rig, 600000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    ck_assert_int_eq(rig.code, 1001);
    close(fd);
    rig_stop(&rig);
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
    rig_start_with(&rig, o);
    rig.on_message = sign_in;
}

static void stop_with_people(int fd)
{
    close(fd);
    rig_stop(&rig);
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
    rig_start_with(&rig, (wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    rig_advance(&rig, 400000);
    ck_assert_int_eq(rig_post(&rig, "news", 0), WSRT_OK);
    rig_advance(&rig, 400000);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(under_api_gateway_a_connection_lives_two_hours)
{
    rig_start_with(&rig, (wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY, .idle_ms = -1});
    int fd = rig_open(&rig);
    rig_advance(&rig, 7200000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_ping_comes_about_every_25_seconds_and_a_pong_keeps_alive)
{
    char got[8];
    size_t len;

    rig_start_with(&rig, (wsrt_server_options){.idle_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(a_peer_that_answers_no_ping_is_closed_with_1001)
{
    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    rig_advance(&rig, 22500 + 20000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, 5000 + EARLY + 2 * LATE);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    ck_assert_int_eq(rig.code, 1001);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_message_unfinished_after_30_seconds_is_1008)
{
    rig_start_with(&rig, (wsrt_server_options){.ping_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(a_peer_that_does_not_answer_our_close_is_reset_after_5_seconds)
{
    wsrt_span id;

    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    id = wsrt_span_cstr(rig.id);
    ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 1000, NULL), WSRT_OK);
    rig_steps(&rig, 2);
    ck_assert_int_eq(rig.sender.ops->disconnect(rig.sender.self, &id, 1000, NULL), WSRT_ERR_GONE);
    rig_advance(&rig, 5000 - EARLY);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(after_a_failure_input_is_discarded_for_a_second)
{
    rig_start(&rig, NULL);
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
    rig_stop(&rig);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_clocks");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_silent_caller_is_dropped_when_the_handshake_time_is_over);
    tcase_add_test(t, a_crowd_whose_time_is_up_is_turned_away_a_few_a_turn);
    tcase_add_test(t, a_slow_head_does_not_extend_the_handshake_time);
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
    suite_add_tcase(s, t);
    return s;
}
