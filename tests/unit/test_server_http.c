/* HTTP as hostile or hasty clients speak it: what they do not read, how they leave. */
#include "server_rig.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

enum { EARLY = 10, LATE = 250, PAGE = 60000 };

#define SPAN(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
#define HOST "Host: localhost\r\n"

static const char ask_page[] = "GET /page HTTP/1.1\r\n" HOST "\r\n";

static char text[PAGE];
static wsrt_server_document page = {.struct_size = sizeof page,
                                    .path = SPAN("/page"),
                                    .type = SPAN("text/plain"),
                                    .body = {text, sizeof text}};

/* With a document that no socket takes several of. */
static void start_with(wsrt_server_options o)
{
    memset(text, 'x', sizeof text);
    o.struct_size = sizeof o;
    o.documents = &page;
    o.document_count = 1;
    rig_start(&rig, &o);
}

static void start(void)
{
    start_with((wsrt_server_options){0});
}

static int send_requests(int fd, const char *request, int count)
{
    size_t len = strlen(request), all = len * (size_t)count;
    char *many = malloc(all);

    for (int i = 0; i < count; i++)
        memcpy(many + (size_t)i * len, request, len);
    rig_send(fd, many, all);
    free(many);
    return count;
}

/* Reads all there is; how often `mark` was in it. `*len` is set to the bytes. */
static int count_in_answers(int fd, const char *mark, size_t *len, int *ended)
{
    static char got[16 * 1024 * 1024];
    int found = 0;

    *len = rig_read(&rig, fd, got, sizeof got - 1, ended);
    got[*len] = '\0';
    for (const char *at = got; (at = strstr(at, mark)) != NULL; at++)
        found++;
    return found;
}

/* ---- what is not read ----------------------------------------------------------------------- */

START_TEST(who_asks_again_and_again_and_never_reads_costs_the_hard_limit_at_most)
{
    size_t len;
    int ended;

    start();
    int fd = rig_adopt(&rig);
    int asked = send_requests(fd, ask_page, 200); /* for 12 MB */
    rig_steps(&rig, 10);
    ck_assert_uint_gt(wsrt_conn_queued(rig_conn(&rig)), 0);
    ck_assert_uint_le(wsrt_conn_queued(rig_conn(&rig)), 1048576);
    ck_assert_int_eq(count_in_answers(fd, "HTTP/1.1 200 OK\r\n", &len, &ended), asked);
    ck_assert_int_eq(ended, 0);
    ck_assert_uint_ge(len, (size_t)asked * PAGE);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_turn_answers_64_requests_of_a_connection_and_loses_none)
{
    size_t len;
    int ended;

    start();
    int fd = rig_adopt(&rig), other = rig_open(&rig);
    send_requests(fd, "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 500);
    rig_text(other, "x");
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.messages, 1);
    ck_assert_ptr_nonnull(rig_conn(&rig)->in); /* the other had its turn before the last of them */
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_steps(&rig, 8);
    ck_assert_int_eq(count_in_answers(fd, "{\"status\":\"ok\"}", &len, &ended), 500);
    close(other);
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* Asks once more than the socket takes; what the server keeps is the rest of the last answer. */
static int ask_until_an_answer_waits(int fd)
{
    int asked = 0;

    while (rig_conn(&rig)->out == NULL && asked < 100) {
        asked += send_requests(fd, ask_page, 1);
        rig_steps(&rig, 2);
    }
    ck_assert_ptr_nonnull(rig_conn(&rig)->out);
    return asked;
}

START_TEST(who_says_no_more_gets_the_answers_whole_and_then_the_end)
{
    size_t len;
    int ended;

    start();
    int fd = rig_adopt(&rig), asked = ask_until_an_answer_waits(fd);
    shutdown(fd, SHUT_WR);
    rig_steps(&rig, 3);
    ck_assert_int_eq(count_in_answers(fd, "HTTP/1.1 200 OK\r\n", &len, &ended), asked);
    ck_assert_uint_ge(len, (size_t)asked * PAGE);
    ck_assert_int_eq(ended, 1);
    rig_steps(&rig, 3);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_says_no_more_and_does_not_read_is_reset_after_thirty_seconds)
{
    start();
    int fd = rig_adopt(&rig);
    ask_until_an_answer_waits(fd);
    shutdown(fd, SHUT_WR);
    rig_steps(&rig, 3);
    ck_assert_int_gt(wsrt_server_timeout(rig.server), 0); /* nothing spins meanwhile */
    rig_advance(&rig, 30000 - EARLY);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_answer_that_closes_may_be_read_as_slowly_as_any_other)
{
    size_t len;
    int ended;

    start();
    int fd = rig_adopt(&rig), asked = ask_until_an_answer_waits(fd);
    asked += send_requests(fd, "GET /page HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 1);
    rig_steps(&rig, 2);
    rig_advance(&rig, 29000);
    ck_assert_int_eq(count_in_answers(fd, "HTTP/1.1 200 OK\r\n", &len, &ended), asked);
    ck_assert_uint_ge(len, (size_t)asked * PAGE);
    ck_assert_int_eq(ended, 1);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_drain_lets_an_answer_end_that_is_on_its_way)
{
    size_t len;
    int ended;

    start();
    int fd = rig_adopt(&rig), asked = ask_until_an_answer_waits(fd);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    rig_advance(&rig, 500);
    ck_assert_int_eq(count_in_answers(fd, "HTTP/1.1 200 OK\r\n", &len, &ended), asked);
    ck_assert_uint_ge(len, (size_t)asked * PAGE);
    ck_assert_int_eq(ended, 1);
    close(fd);
    rig_advance(&rig, 2000);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_STATE);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_drain_ends_a_connection_that_asks_for_nothing_at_once)
{
    char byte;
    int ended;

    start();
    int fd = rig_adopt(&rig);
    rig_steps(&rig, 2);
    ck_assert_int_eq(wsrt_server_drain(rig.server, NULL), WSRT_OK);
    rig_steps(&rig, 2);
    rig_read(&rig, fd, &byte, 1, &ended);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_ERR_STATE);
    close(fd);
    rig_stop(&rig);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_http");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, who_asks_again_and_again_and_never_reads_costs_the_hard_limit_at_most);
    tcase_add_test(t, a_turn_answers_64_requests_of_a_connection_and_loses_none);
    tcase_add_test(t, who_says_no_more_gets_the_answers_whole_and_then_the_end);
    tcase_add_test(t, who_says_no_more_and_does_not_read_is_reset_after_thirty_seconds);
    tcase_add_test(t, an_answer_that_closes_may_be_read_as_slowly_as_any_other);
    tcase_add_test(t, a_drain_lets_an_answer_end_that_is_on_its_way);
    tcase_add_test(t, a_drain_ends_a_connection_that_asks_for_nothing_at_once);
    suite_add_tcase(s, t);
    return s;
}
