/* Ends in order: at a pace, with a deadline, whatever handlers do. */
#include "server_rig.h"
#include "suite.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
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

static void expect_ready(int fd, const char *status, const char *somewhere)
{
    const char head[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char got[2048] = "";
    int ended;

    rig_send(fd, head, sizeof head - 1);
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    ck_assert_int_eq(strncmp(got, status, strlen(status)), 0);
    ck_assert_ptr_nonnull(strstr(got, somewhere));
}

START_TEST(a_drain_closes_all_with_1012_and_a_time_to_reconnect)
{
    enum { CLIENTS = 30 };
    int fds[CLIENTS], different = 0, first = 0;
    char payload[200];
    size_t len;

    start();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = rig_open(&rig);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    rig_advance(&rig, 500);
    ck_assert_int_eq(rig.disconnects, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(rig_next(&rig, fds[i], payload, sizeof payload, &len), WSRT_WS_OP_CLOSE);
        payload[len] = '\0';
        ck_assert_mem_eq(payload, "\x03\xf4reconnect_ms=", 15);
        int ms = atoi(payload + 15);
        ck_assert_int_ge(ms, 250);
        ck_assert_int_le(ms, 5000);
        different |= i > 0 && ms != first;
        first = ms;
        rig_frame(fds[i], WSRT_WS_OP_CLOSE, 1, "\x03\xf4", 2);
        close(fds[i]);
    }
    ck_assert_int_eq(different, 1);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_STATE);
    stop();
}
END_TEST

START_TEST(under_api_gateway_a_drain_closes_with_1001)
{
    start_with((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY});
    int fd = rig_open(&rig);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    rig_steps(&rig, 2);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_drain_resets_what_does_not_end_in_time)
{
    start_with((wsrt_server_options){.close_ms = 60000});
    int fd = rig_open(&rig);
    wsrt_drain_options o = {.struct_size = sizeof o, .timeout_ms = 2000};
    ck_assert_int_eq(wsrt_server_drain(rig.server, &o), WSRT_OK);
    rig_advance(&rig, 1900);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_STATE);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_reload_within_a_drain_is_taken_and_moves_no_end)
{
    wsrt_server_options later = {.struct_size = sizeof later,
                                 .listen = &(wsrt_span){NULL, 0},
                                 .drain_ms = 60000,
                                 .close_ms = 60000};
    wsrt_drain_options o = {.struct_size = sizeof o, .timeout_ms = 2000};

    start_with((wsrt_server_options){.close_ms = 60000});
    int fd = rig_open(&rig);
    ck_assert_int_eq(wsrt_server_drain(rig.server, &o), WSRT_OK);
    rig_advance(&rig, 500);
    ck_assert_int_eq(wsrt_server_reload(rig.server, &later), WSRT_OK);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK); /* nor does another one */
    rig_advance(&rig, 1400);
    ck_assert_uint_eq(rig.server->loops[0].terms->close, wsrt_ticks(60000));
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_STATE);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_lame_duck_is_not_ready_but_serves)
{
    start();
    int fd = rig_adopt(&rig);
    expect_ready(fd, "HTTP/1.1 200 ", "\"ready\":true");
    wsrt_drain_options o = {.struct_size = sizeof o, .lame_duck_ms = 3000};
    ck_assert_int_eq(wsrt_server_drain(rig.server, &o), WSRT_OK);
    rig_steps(&rig, 1);
    expect_ready(fd, "HTTP/1.1 503 ", "\"draining\":true");
    close(fd);
    stop();
}
END_TEST

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int inside;

static int wait_at_gate(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    (void)r;
    (void)ctx;
    (void)req;
    atomic_store(&inside, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return 0;
}

/* A connection whose handler is under way on a worker, and will be until the gate is open. */
static int open_stuck(void)
{
    start_with((wsrt_server_options){.workers = 1});
    rig.on_message = wait_at_gate;
    pthread_mutex_lock(&gate);
    int fd = rig_open(&rig);
    rig_text(fd, "x");
    while (atomic_load(&inside) == 0) {
        rig_steps(&rig, 1);
        sched_yield();
    }
    return fd;
}

START_TEST(a_handler_that_does_not_return_holds_a_drain_up_for_its_time_and_five_seconds)
{
    wsrt_drain_options o = {.struct_size = sizeof o, .timeout_ms = 2000};
    int fd = open_stuck();

    ck_assert_int_eq(wsrt_server_drain(rig.server, &o), WSRT_OK);
    rig_advance(&rig, 2050);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    ck_assert_int_gt(wsrt_server_timeout(rig.server), 0); /* nothing spins meanwhile */
    rig_advance(&rig, 4800);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_OK);
    ck_assert_int_eq(rig.errors, 0);
    rig_advance(&rig, 200);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_STATE);
    ck_assert_str_eq(rig.event, "server.handlers_still_run");
    ck_assert_int_eq(wsrt_server_run(rig.server), WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(rig.disconnects, 0);
    pthread_mutex_unlock(&gate);
    close(fd);
    stop(); /* waits for the handler; then comes the DISCONNECT */
}
END_TEST

START_TEST(a_handler_that_returns_after_the_reset_still_gets_its_disconnect)
{
    wsrt_drain_options o = {.struct_size = sizeof o, .timeout_ms = 2000};
    int fd = open_stuck();

    ck_assert_int_eq(wsrt_server_drain(rig.server, &o), WSRT_OK);
    rig_advance(&rig, 2050);
    pthread_mutex_unlock(&gate);
    while (wsrt_server_step(rig.server) == WSRT_OK)
        sched_yield();
    ck_assert_int_eq(rig.disconnects, 1);
    ck_assert_int_eq(wsrt_server_run(rig.server), WSRT_OK);
    close(fd);
    stop();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_drain");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_drain_closes_all_with_1012_and_a_time_to_reconnect);
    tcase_add_test(t, under_api_gateway_a_drain_closes_with_1001);
    tcase_add_test(t, a_drain_resets_what_does_not_end_in_time);
    tcase_add_test(t, a_reload_within_a_drain_is_taken_and_moves_no_end);
    tcase_add_test(t, a_lame_duck_is_not_ready_but_serves);
    tcase_add_test(t,
                   a_handler_that_does_not_return_holds_a_drain_up_for_its_time_and_five_seconds);
    tcase_add_test(t, a_handler_that_returns_after_the_reset_still_gets_its_disconnect);
    suite_add_tcase(s, t);
    return s;
}
