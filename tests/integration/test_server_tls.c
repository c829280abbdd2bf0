/* TLS on a clock that the test moves: deadlines, places, shares of a turn, tickets. */
#include "server_rig.h"
#include "suite.h"

#include "common/tls/internal.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;
static int descriptors;
static const unsigned char hello_begin[] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};

static void setup(void)
{
    wsrt_server_options o = {.struct_size = sizeof o, .max_per_ip = -1};

    descriptors = rig_open_descriptors();
    o.tls_cert = wsrt_span_cstr(getenv("WSRT_TLS_CERT"));
    o.tls_key = wsrt_span_cstr(getenv("WSRT_TLS_KEY"));
    rig_start(&rig, &o);
}

static void teardown(void)
{
    rig_stop(&rig);
    ck_assert_int_eq(rig_open_descriptors(), descriptors);
}

static int fill(void *user, void *dst, size_t len)
{
    (void)user;
    return getrandom(dst, len, 0) == (ssize_t)len ? WSRT_OK : WSRT_ERR_IO;
}

static wsrt_tls *new_client(void)
{
    const wsrt_tls_random random = {fill, NULL};
    const wsrt_tls_trust trust = {.insecure = 1, .resume = 1};
    const char *why = NULL;
    wsrt_tls *client;

    ck_assert_int_eq(wsrt_tls_client_new(&client, &random, &trust, &why), WSRT_OK);
    return client;
}

/* Shakes hands with the server and leaves again. */
static void visit(wsrt_tls *client)
{
    int fd = rig_adopt(&rig), rc = WSRT_TLS_MORE;
    wsrt_tls_session *s;
    char nothing[64];

    ck_assert_int_eq(wsrt_tls_open(&s, client, fd, "localhost"), WSRT_OK);
    for (int i = 0; i < 20 && rc == WSRT_TLS_MORE; i++) {
        rc = wsrt_tls_handshake(s);
        rig_steps(&rig, 1);
    }
    ck_assert_int_eq(rc, WSRT_OK);
    rig_steps(&rig, 1);
    for (int i = 0; i < 2; i++) /* one reads a ticket of TLS 1.3, the next one tells of it */
        ck_assert_int_lt(wsrt_tls_read(s, nothing, sizeof nothing), 0);
    wsrt_tls_bye(s);
    wsrt_tls_close(s);
    close(fd);
    rig_steps(&rig, 3);
}

static uint64_t resumed(void)
{
    return rig.server->loops[0].counters[WSRT_COUNT_TLS_RESUMED];
}

START_TEST(a_handshake_of_a_byte_a_second_ends_after_ten)
{
    int fd = rig_adopt(&rig), ended = 0;
    char got[64];

    for (int i = 0; i < 9; i++) {
        rig_send(fd, hello_begin + i, 1);
        rig_advance(&rig, 1000);
        ck_assert_uint_eq(rig.server->loops[0].used, 1);
    }
    rig_advance(&rig, 1500);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    rig_read(&rig, fd, got, sizeof got, &ended);
    ck_assert_int_ne(ended, 0);
    close(fd);
}
END_TEST

START_TEST(who_sends_nothing_takes_no_place_and_ends_after_ten_seconds)
{
    int fd = rig_adopt(&rig);

    rig_advance(&rig, 9500);
    ck_assert_uint_eq(rig.server->loops[0].handshake_count, 0);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
}
END_TEST

START_TEST(the_sixty_fifth_waits_and_takes_the_place_of_who_got_nowhere)
{
    int fd[WSRT_HANDSHAKES_MAX + 1];
    wsrt_loop *l = &rig.server->loops[0];

    for (int i = 0; i <= WSRT_HANDSHAKES_MAX; i++) {
        fd[i] = rig_adopt(&rig);
        rig_send(fd[i], hello_begin, sizeof hello_begin);
        rig_steps(&rig, 1);
    }
    ck_assert_uint_eq(l->handshake_count, WSRT_HANDSHAKES_MAX);
    ck_assert_uint_eq(l->used, WSRT_HANDSHAKES_MAX + 1);
    ck_assert_int_gt(wsrt_server_timeout(rig.server), 0); /* nothing spins */
    rig_advance(&rig, 2000);
    ck_assert_uint_eq(l->used, WSRT_HANDSHAKES_MAX + 1);
    rig_advance(&rig, 2000);
    ck_assert_uint_eq(l->handshake_count, WSRT_HANDSHAKES_MAX);
    ck_assert_uint_eq(l->used, WSRT_HANDSHAKES_MAX);
    for (int i = 0; i <= WSRT_HANDSHAKES_MAX; i++)
        close(fd[i]);
}
END_TEST

START_TEST(a_turn_has_one_long_step_of_a_handshake_and_the_next_goes_on)
{
    int fd[6];
    wsrt_loop *l = &rig.server->loops[0];

    rig.cpu_step = 4 * 1000000; /* each look at the clock finds 4 ms more */
    for (int i = 0; i < 6; i++) {
        fd[i] = rig_adopt(&rig);
        rig_send(fd[i], hello_begin, sizeof hello_begin);
    }
    for (uint32_t turn = 1; turn <= 6; turn++) {
        rig_steps(&rig, 1);
        ck_assert_uint_eq(l->handshake_count, turn);
    }
    for (int i = 0; i < 6; i++)
        close(fd[i]);
}
END_TEST

START_TEST(short_steps_share_a_turn)
{
    int fd[6];

    rig.cpu_step = 600000;
    for (int i = 0; i < 6; i++) {
        fd[i] = rig_adopt(&rig);
        rig_send(fd[i], hello_begin, sizeof hello_begin);
    }
    rig_steps(&rig, 1);
    ck_assert_uint_eq(rig.server->loops[0].handshake_count, 4);
    rig_steps(&rig, 1);
    ck_assert_uint_eq(rig.server->loops[0].handshake_count, 6);
    for (int i = 0; i < 6; i++)
        close(fd[i]);
}
END_TEST

static void pass(int64_t hours)
{
    rig.now += hours * 3600 * INT64_C(1000000000);
    rig_steps(&rig, 1);
}

START_TEST(a_ticket_opens_for_twelve_hours_and_the_next_twelve)
{
    wsrt_tls *client = new_client();

    visit(client);
    ck_assert_uint_eq(resumed(), 0);
    visit(client);
    ck_assert_uint_eq(resumed(), 1);
    pass(13); /* other keys write, these still open */
    visit(client);
    ck_assert_uint_eq(resumed(), 2);
    pass(25); /* both are gone */
    visit(client);
    ck_assert_uint_eq(resumed(), 2);
    visit(client);
    ck_assert_uint_eq(resumed(), 3);
    wsrt_tls_free(client);
}
END_TEST

static int reload(const char *key, int64_t max_message)
{
    static const wsrt_span nowhere[1];
    wsrt_server_options o = {.struct_size = sizeof o, .listen = nowhere, .max_per_ip = -1};

    o.max_message = max_message;
    o.tls_cert = wsrt_span_cstr(getenv("WSRT_TLS_CERT"));
    o.tls_key = wsrt_span_cstr(key);
    int rc = wsrt_server_reload(rig.server, &o);
    rig_steps(&rig, 1);
    return rc;
}

START_TEST(a_reload_reads_the_certificate_again_and_tickets_still_open)
{
    wsrt_tls *client = new_client();
    const void *before = rig.server->loops[0].tls->config;

    visit(client);
    ck_assert_int_eq(reload(getenv("WSRT_TLS_KEY"), 1000), WSRT_OK);
    ck_assert_ptr_ne(rig.server->loops[0].tls->config, before);
    visit(client);
    ck_assert_uint_eq(resumed(), 1);
    ck_assert_uint_eq(rig.server->loops[0].terms->max_message, 1000);
    wsrt_tls_free(client);
}
END_TEST

START_TEST(a_key_that_does_not_fit_refuses_the_whole_reload)
{
    wsrt_tls *client = new_client();
    const void *before = rig.server->loops[0].tls->config;

    ck_assert_int_eq(reload(getenv("WSRT_TLS_CERT"), 1000), WSRT_ERR_REJECTED);
    ck_assert_int_eq(reload("/nowhere/server.key", 1000), WSRT_ERR_REJECTED);
    ck_assert_int_eq(rig.errors, 2);
    ck_assert_str_eq(rig.event, "server.settings_refused");
    ck_assert_ptr_eq(rig.server->loops[0].tls->config, before);
    ck_assert_uint_eq(rig.server->loops[0].terms->max_message, 131072);
    visit(client);
    wsrt_tls_free(client);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_tls");
    TCase *tc = tcase_create("tls");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_handshake_of_a_byte_a_second_ends_after_ten);
    tcase_add_test(tc, who_sends_nothing_takes_no_place_and_ends_after_ten_seconds);
    tcase_add_test(tc, the_sixty_fifth_waits_and_takes_the_place_of_who_got_nowhere);
    tcase_add_test(tc, a_turn_has_one_long_step_of_a_handshake_and_the_next_goes_on);
    tcase_add_test(tc, short_steps_share_a_turn);
    tcase_add_test(tc, a_ticket_opens_for_twelve_hours_and_the_next_twelve);
    tcase_add_test(tc, a_reload_reads_the_certificate_again_and_tickets_still_open);
    tcase_add_test(tc, a_key_that_does_not_fit_refuses_the_whole_reload);
    suite_add_tcase(s, tc);
    return s;
}
