/* What a connection is sent comes in order and whole, whoever sends it and however slowly it is read. */
#include "suite.h"

#include "server_rig.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

/* ---- order ---------------------------------------------------------------------------------- */

static void *post_first(void *user)
{
    (void)user;
    ck_assert_int_eq(rig_post(&rig, "first", 0), WSRT_OK);
    return NULL;
}

static void let_another_thread_post(void)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, post_first, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static int reply_second(wsrt_context *ctx)
{
    return wsrt_reply(ctx, wsrt_span_cstr("second"));
}

static int post_second(wsrt_context *ctx)
{
    (void)ctx;
    return rig_post(&rig, "second", 0);
}

static int broadcast_second(wsrt_context *ctx)
{
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("second")};

    return wsrt_broadcast(wsrt_context_runtime(ctx), NULL, &p, NULL);
}

static const struct {
    const char *name;
    int (*send)(wsrt_context *ctx);
} ways[] = {{"a reply", reply_second}, {"a post", post_second}, {"a broadcast", broadcast_second}};

static int (*send_second)(wsrt_context *ctx);

static int first_then_second(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    (void)r;
    (void)req;
    let_another_thread_post();
    ck_assert_int_eq(send_second(ctx), WSRT_OK);
    return wsrt_reply(ctx, wsrt_span_cstr("third"));
}

START_TEST(what_the_loop_sends_comes_behind_what_another_thread_has_posted)
{
    rig_start(&rig, NULL);
    rig.on_message = first_then_second;
    send_second = ways[_i].send;
    int fd = rig_open(&rig);
    rig_text(fd, "go");
    rig_expect_text(&rig, fd, "first");
    rig_expect_text(&rig, fd, "second");
    rig_expect_text(&rig, fd, "third");
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* ---- what was sent in part ------------------------------------------------------------------ */

static int reply_much(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    static char text[40000];

    (void)r;
    (void)req;
    memset(text, 'x', sizeof text);
    return wsrt_reply(ctx, (wsrt_span){text, sizeof text});
}

/* As many messages as the socket does not take whole. */
static int send_until_something_waits(int fd)
{
    int messages = 0;

    while (rig_conn(&rig)->out == NULL && messages < 100) {
        rig_text(fd, "more");
        rig_steps(&rig, 1);
        messages++;
    }
    ck_assert_ptr_nonnull(rig_conn(&rig)->out);
    return messages;
}

START_TEST(a_message_that_was_sent_in_part_comes_whole_before_the_close_frame)
{
    static char payload[40000];
    size_t len;

    rig_start(&rig, NULL);
    rig.on_message = reply_much;
    int fd = rig_open(&rig), small = 64 * 1024;
    setsockopt(rig_conn(&rig)->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    int messages = send_until_something_waits(fd);
    rig_frame(fd, 3, 1, "", 0); /* an opcode that is none */
    rig_steps(&rig, 1);
    for (int i = 0; i < messages; i++) {
        ck_assert_int_eq(rig_next(&rig, fd, payload, sizeof payload, &len), WSRT_WS_OP_TEXT);
        ck_assert_uint_eq(len, sizeof payload);
    }
    ck_assert_int_eq(rig_close_code(&rig, fd), 1002);
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* ---- the end of a drain --------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t opens;
    int waits, open;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opens = PTHREAD_COND_INITIALIZER};

static int wait_at_gate(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    (void)r;
    (void)ctx;
    (void)req;
    pthread_mutex_lock(&gate.lock);
    gate.waits = 1;
    pthread_cond_broadcast(&gate.opens);
    while (!gate.open)
        pthread_cond_wait(&gate.opens, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return 0;
}

static void wait_for_the_handler(void)
{
    pthread_mutex_lock(&gate.lock);
    while (!gate.waits)
        pthread_cond_wait(&gate.opens, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = 1;
    pthread_cond_broadcast(&gate.opens);
    pthread_mutex_unlock(&gate.lock);
}

/* The connect is handled by a worker. */
static int open_through_worker(void)
{
    char answer[512];
    int fd = rig_adopt(&rig), ended;
    size_t n = 0;

    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    for (int i = 0; i < 1000 && n < 129; i++)
        n += rig_read(&rig, fd, answer + n, 129 - n, &ended);
    ck_assert_uint_eq(n, 129);
    return fd;
}

START_TEST(a_handler_that_outlasts_the_drain_is_waited_for_without_spinning)
{
    wsrt_server_options so = {.struct_size = sizeof so, .workers = 1};
    wsrt_drain_options o = {.struct_size = sizeof o, .timeout_ms = 1000};

    gate.waits = gate.open = 0;
    rig_start(&rig, &so);
    rig.on_message = wait_at_gate;
    int fd = open_through_worker();
    rig_text(fd, "wait");
    rig_steps(&rig, 3);
    wait_for_the_handler();
    ck_assert_int_eq(wsrt_server_drain(rig.server, &o), WSRT_OK);
    rig_advance(&rig, 1500);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    ck_assert_int_eq(wsrt_server_step(rig.server), WSRT_OK);
    ck_assert_int_ge(wsrt_server_timeout(rig.server), 10);
    open_gate();
    close(fd);
    rig_stop(&rig);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_order");
    TCase *t = tcase_create("order");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, what_the_loop_sends_comes_behind_what_another_thread_has_posted, 0,
                        sizeof ways / sizeof *ways);
    tcase_add_test(t, a_message_that_was_sent_in_part_comes_whole_before_the_close_frame);
    tcase_add_test(t, a_handler_that_outlasts_the_drain_is_waited_for_without_spinning);
    suite_add_tcase(s, t);
    return s;
}
