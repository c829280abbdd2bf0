/* HTTP as hostile or hasty clients speak it: what they do not read, how they leave, whom they
 * pretend to be. */
#include "server_rig.h"
#include "suite.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
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
#define WS "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const char ask_page[] = "GET /page HTTP/1.1\r\n" HOST "\r\n";
static const unsigned char here[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};

static char text[PAGE];
static wsrt_server_document page = {.struct_size = sizeof page,
                                    .path = SPAN("/page"),
                                    .type = SPAN("text/plain"),
                                    .body = {text, sizeof text}};

static int start_action(wsrt_span body, struct wsrt_json_writer *w, void *user)
{
    (void)body;
    (void)w;
    (void)user;
    return 204;
}

static wsrt_server_action action = {
    .struct_size = sizeof action, .path = SPAN("/api/start"), .run = start_action};

/* With a document that no socket takes several of. */
static void start_with(wsrt_server_options o)
{
    memset(text, 'x', sizeof text);
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

/* ---- what they ask too often ---------------------------------------------------------------- */

static int counted, count_status;

static int count_records(void *self, int64_t now_s, uint64_t *out)
{
    (void)self;
    (void)now_s;
    counted++;
    *out = 0;
    return count_status;
}

/* The runtime's own store, but for what is asked to know whether it works. */
static void ask_this_store(wsrt_store_ops *ops)
{
    wsrt_store *store = (wsrt_store *)(uintptr_t)wsrt_runtime_store(rig.rt);

    *ops = *store->ops;
    ops->count = count_records;
    store->ops = ops;
    counted = 0;
    count_status = WSRT_OK;
}

START_TEST(a_store_is_asked_ten_times_a_second_at_most_whether_it_works)
{
    const char ready[] = "GET /readyz HTTP/1.1\r\n" HOST "\r\n";
    wsrt_store_ops ops;
    size_t len;
    int ended;

    start();
    ask_this_store(&ops);
    int fd = rig_adopt(&rig);
    send_requests(fd, ready, 60);
    ck_assert_int_eq(count_in_answers(fd, "\"store\":\"ok\"", &len, &ended), 60);
    ck_assert_int_eq(counted, 1);
    count_status = WSRT_ERR_UNAVAILABLE;
    rig_advance(&rig, 100);
    send_requests(fd, ready, 1);
    rig_expect_answer(&rig, fd, "HTTP/1.1 503 ",
                      "{\"ready\":false,\"draining\":false,\"checks\":{\"store\":\"failing\"}}");
    ck_assert_int_eq(counted, 2);
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* ---- whom they pretend to be ---------------------------------------------------------------- */

static const char *const head_rows[] = {
    "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /nope HTTP/1.1\r\n" HOST "\r\n",
    "HEAD / HTTP/1.1\r\n" HOST "\r\n",
    "HEAD / HTTP/1.1\r\n" HOST WS KEY "\r\n",
    "HEAD /prod/@connections/x HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /api/state HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /api/publish HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /api/start HTTP/1.1\r\n" HOST "\r\n",
};

/* A body would be taken for the beginning of the next answer. */
START_TEST(no_answer_to_head_has_a_body)
{
    char got[8192];
    int ended;

    start();
    int fd = rig_adopt_from(&rig, here);
    rig_send(fd, head_rows[_i], strlen(head_rows[_i]));
    size_t len = rig_read(&rig, fd, got, sizeof got - 1, &ended);
    got[len] = '\0';
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 ", 9), 0);
    ck_assert_ptr_nonnull(strstr(got, "\r\nContent-Length: "));
    ck_assert_ptr_eq(strstr(got, "\r\n\r\n") + 4, got + len);
    ck_assert_int_eq(ended, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

static const struct {
    const char *request;
    int status;
} path_rows[] = {
    {"GET /%61pi/state HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /api/br%65akers HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /p%61ge HTTP/1.1\r\n" HOST "\r\n", 200},
    {"POST /api/st%61rt HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 204},
    {"GET /api%2Fstate HTTP/1.1\r\n" HOST "\r\n", 404},
    {"GET /api/state/ HTTP/1.1\r\n" HOST "\r\n", 404},
    {"GET /api/%2573tate HTTP/1.1\r\n" HOST "\r\n", 404},
    {"GET /page/x HTTP/1.1\r\n" HOST "\r\n", 404},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 404},
    {"OPTIONS /api/state HTTP/1.1\r\n" HOST "\r\n", 405},
};

START_TEST(every_path_is_decoded_once_and_matched_exactly)
{
    static char got[PAGE + 1024];

    start();
    const char *request = path_rows[_i].request;
    ck_assert_msg(rig_ask(&rig, request, strlen(request), got, sizeof got) == path_rows[_i].status,
                  "%s%s", request, got);
    rig_stop(&rig);
}
END_TEST

static const char *const origin_rows[] = {
    "Origin: http://localhost\r\nOrigin: http://evil.example\r\n",
    "Origin: http://evil.example\r\nOrigin: http://localhost\r\n",
};

START_TEST(who_names_two_origins_is_of_neither)
{
    char request[512], got[4096];

    start();
    int len = snprintf(request, sizeof request, "GET / HTTP/1.1\r\n" HOST WS KEY "%s\r\n",
                       origin_rows[_i]);
    ck_assert_int_eq(rig_ask(&rig, request, (size_t)len, got, sizeof got), 403);
    len = snprintf(request, sizeof request, "GET /api/state HTTP/1.1\r\n" HOST "%s\r\n",
                   origin_rows[_i]);
    ck_assert_int_eq(rig_ask(&rig, request, (size_t)len, got, sizeof got), 403);
    ck_assert_int_eq(rig.connects, 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_crowd_of_refused_origins_is_logged_once_a_second)
{
    const char foreign[] = "GET / HTTP/1.1\r\n" HOST WS KEY "Origin: http://evil.example\r\n\r\n";
    size_t len;
    int ended;

    start();
    int fd = rig_adopt(&rig);
    send_requests(fd, foreign, 50);
    ck_assert_int_eq(count_in_answers(fd, "HTTP/1.1 403 ", &len, &ended), 50);
    ck_assert_int_eq(rig.warnings, 1);
    ck_assert_str_eq(rig.event, "server.origin_refused");
    rig_advance(&rig, 1000);
    send_requests(fd, foreign, 1);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.warnings, 2);
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* Of an address of the documentation's. */
static wsrt_conn *come_in(int *fd)
{
    static const unsigned char ip[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 7};
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    *fd = pair[0];
    return wsrt_listen_adopt(&rig.server->loops[0], pair[1], ip);
}

START_TEST(an_address_that_asks_for_nothing_cannot_take_every_place)
{
    enum { MOST = 32, FEW = MOST + MOST / 16 + 16 };
    int fds[FEW + 1];

    start_with((wsrt_server_options){.max_connections = 1000, .max_per_ip = MOST});
    for (int i = 0; i < FEW; i++)
        ck_assert_ptr_nonnull(come_in(&fds[i]));
    ck_assert_ptr_null(come_in(&fds[FEW]));
    int other = rig_open(&rig);
    for (int i = 0; i <= FEW; i++)
        close(fds[i]);
    rig_steps(&rig, 3);
    ck_assert_ptr_nonnull(come_in(&fds[0]));
    close(fds[0]);
    close(other);
    rig_stop(&rig);
}
END_TEST

static const struct {
    const char *proxy_cstr;
    int64_t max_per_ip;
} free_rows[] = {{"192.0.2.0/24", 2}, {"198.51.100.1", -1}};

START_TEST(a_proxy_may_bring_any_number_and_so_may_all_where_the_limit_is_off)
{
    wsrt_span proxy = wsrt_span_cstr(free_rows[_i].proxy_cstr);
    int fds[40];

    start_with((wsrt_server_options){.max_per_ip = free_rows[_i].max_per_ip,
                                     .trusted_proxies = &proxy,
                                     .trusted_proxy_count = 1});
    for (int i = 0; i < 40; i++)
        ck_assert_ptr_nonnull(come_in(&fds[i]));
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    rig_stop(&rig);
}
END_TEST

START_TEST(what_a_request_may_see_its_successor_may_not)
{
    const char trusted[] =
        "GET / HTTP/1.1\r\n" HOST WS KEY "Authorization: Bearer 0123456789abcdef\r\n\r\n";
    wsrt_server_options o = {.management = WSRT_MANAGEMENT_BEARER,
                             .management_token = wsrt_span_cstr("0123456789abcdef")};

    start_with(o);
    rig.connect_status = 403;
    int fd = rig_adopt(&rig);
    rig_send(fd, trusted, sizeof trusted - 1);
    rig_expect_answer(&rig, fd, "HTTP/1.1 403 ", "");
    ck_assert_uint_ne(rig_conn(&rig)->trust & WSRT_TRUST_DEVELOPER, 0);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    rig_expect_answer(&rig, fd, "HTTP/1.1 403 ", "");
    ck_assert_uint_eq(rig_conn(&rig)->trust & WSRT_TRUST_DEVELOPER, 0);
    close(fd);
    rig_steps(&rig, 2);
    rig.connects = 0; /* refused ones have no DISCONNECT */
    rig_stop(&rig);
}
END_TEST

/* ---- how long they may take ----------------------------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int inside;

static void wait_at_gate(struct rig *r, const wsrt_request *req)
{
    (void)r;
    (void)req;
    atomic_store(&inside, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

/* A connection that asked for something else before, and whose CONNECT a worker has now. */
static int connect_late(void)
{
    const char health[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";

    start_with((wsrt_server_options){.workers = 1});
    rig.on_connect = wait_at_gate;
    atomic_store(&inside, 0);
    pthread_mutex_lock(&gate);
    int fd = rig_adopt(&rig);
    rig_send(fd, health, sizeof health - 1);
    rig_expect_answer(&rig, fd, "HTTP/1.1 200 ", "ok");
    rig_advance(&rig, 30000 - 100);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    while (atomic_load(&inside) == 0) {
        rig_steps(&rig, 1);
        sched_yield();
    }
    return fd;
}

START_TEST(the_time_of_a_connect_begins_with_its_request)
{
    int fd = connect_late();

    rig_advance(&rig, 10000 - EARLY);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    pthread_mutex_unlock(&gate);
    rig_expect_answer(&rig, fd, "HTTP/1.1 101 ", "");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_connect_that_takes_longer_than_ten_seconds_is_503)
{
    int fd = connect_late(), used;

    rig_advance(&rig, 10000 + LATE);
    rig_expect_answer(&rig, fd, "HTTP/1.1 503 ", "Retry-After: 5\r\n");
    ck_assert_int_eq(rig.disconnects, 0);
    pthread_mutex_unlock(&gate);
    do { /* what the application says after all is for nobody */
        rig_steps(&rig, 1);
        used = (int)rig.server->loops[0].boxes;
        sched_yield();
    } while (used > 0);
    ck_assert_int_eq(rig.code, 1006);
    ck_assert_uint_eq(wsrt_server_open(rig.server), 0);
    ck_assert_uint_eq(atomic_load(&rig.server->places), 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

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
    tcase_add_test(t, a_store_is_asked_ten_times_a_second_at_most_whether_it_works);
    tcase_add_loop_test(t, no_answer_to_head_has_a_body, 0, ROWS(head_rows));
    tcase_add_loop_test(t, every_path_is_decoded_once_and_matched_exactly, 0, ROWS(path_rows));
    tcase_add_loop_test(t, who_names_two_origins_is_of_neither, 0, ROWS(origin_rows));
    tcase_add_test(t, a_crowd_of_refused_origins_is_logged_once_a_second);
    tcase_add_test(t, an_address_that_asks_for_nothing_cannot_take_every_place);
    tcase_add_loop_test(t, a_proxy_may_bring_any_number_and_so_may_all_where_the_limit_is_off, 0,
                        ROWS(free_rows));
    tcase_add_test(t, what_a_request_may_see_its_successor_may_not);
    tcase_add_test(t, the_time_of_a_connect_begins_with_its_request);
    tcase_add_test(t, a_connect_that_takes_longer_than_ten_seconds_is_503);
    suite_add_tcase(s, t);
    return s;
}
