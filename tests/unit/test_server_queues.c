/* What a connection was too slow to take: limits, policies, the total. */
#include "server_rig.h"
#include "suite.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

enum { EARLY = 10, LATE = 250 }; /* ms around a deadline */

static char big[65536];

/* Fills the socket until something is queued; returns the messages it took. */
static int fill(uint32_t flags)
{
    wsrt_span id = wsrt_span_cstr(rig.id);
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
    wsrt_span id = wsrt_span_cstr(rig.id);
    wsrt_post p = {
        .struct_size = sizeof p, .flags = flags | WSRT_POST_BINARY, .data = {big, sizeof big}};
    int rc = rig.sender.ops->post(rig.sender.self, &id, &p);

    rig_steps(&rig, 1);
    return rc;
}

START_TEST(posts_beyond_the_soft_limit_are_throttled_and_change_nothing)
{
    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
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
    rig_stop(&rig);
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
    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1, .queue_soft = 100000});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(replies_queue_up_to_the_hard_limit_and_then_close_with_1008)
{
    static char payload[70000];
    size_t len;
    int opcode, n = 0;

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

/* A broadcast of `size` bytes that begin with a letter. */
static int broadcast(char letter, size_t size, const char *key)
{
    static char text[100000];
    wsrt_span id = wsrt_span_cstr(rig.id);
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
    rig_start_with(
        &rig, (wsrt_server_options){.stall_ms = -1, .slow_reader = WSRT_SLOW_READER_DROP_OLDEST});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(a_keyed_message_takes_the_place_of_the_unsent_one_of_its_key)
{
    rig_start_with(&rig,
                   (wsrt_server_options){.stall_ms = -1, .slow_reader = WSRT_SLOW_READER_CONFLATE});
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
    rig_stop(&rig);
}
END_TEST

static const struct {
    int policy;
    int64_t soft;
} first_rows[] = {{WSRT_SLOW_READER_CONFLATE, 0},
                  {WSRT_SLOW_READER_DROP_OLDEST, 50},
                  {WSRT_SLOW_READER_CLOSE, 50}};

/* Of a short message a full socket takes nothing, and there is no queue yet. */
START_TEST(the_first_message_that_finds_the_socket_full_waits)
{
    wsrt_server_options o = {
        .stall_ms = -1, .slow_reader = first_rows[_i].policy, .queue_soft = first_rows[_i].soft};
    char want[256];
    int n = 0;

    rig_start_with(&rig, o);
    int fd = rig_open(&rig);
    while (rig_conn(&rig)->out == NULL && n < 100000) {
        ck_assert_int_eq(broadcast((char)('a' + n % 26), 100, "key"), WSRT_OK);
        rig_steps(&rig, 1);
        n++;
    }
    ck_assert_ptr_nonnull(rig_conn(&rig)->out);
    memset(want, 0, sizeof want);
    ck_assert_uint_eq(wsrt_conn_queued(rig_conn(&rig)), 102);
    while (n-- > 1)
        ck_assert_int_eq(rig_next(&rig, fd, want, sizeof want, &(size_t){0}), WSRT_WS_OP_TEXT);
    ck_assert_int_eq(rig_next(&rig, fd, want, sizeof want, &(size_t){0}), WSRT_WS_OP_TEXT);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(for_a_message_that_never_fits_nothing_older_is_dropped)
{
    int n = 0;

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1,
                                               .queue_soft = 60000,
                                               .slow_reader = WSRT_SLOW_READER_DROP_OLDEST});
    int fd = rig_open(&rig);
    while (rig_conn(&rig)->out == NULL && n++ < 100000) {
        ck_assert_int_eq(broadcast('.', 100, ""), WSRT_OK);
        rig_steps(&rig, 1);
    }
    broadcast('a', 100, "");
    broadcast('b', 90000, "");
    broadcast('c', 100, "");
    rig_steps(&rig, 1);
    ck_assert_uint_eq(wsrt_conn_queued(rig_conn(&rig)), 3 * 102);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(under_the_usual_policy_keys_change_nothing)
{
    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    broadcast('a', 10, "k");
    broadcast('b', 10, "k");
    rig_steps(&rig, 1);
    ck_assert_str_eq(letters(fd), "ab");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_queue_that_is_read_again_arrives_whole_and_is_given_back)
{
    static char payload[70000];
    size_t len;

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(bytes_that_no_one_takes_for_30_seconds_reset_the_connection)
{
    rig_start_with(&rig, (wsrt_server_options){.ping_ms = -1});
    int fd = rig_open(&rig);
    fill(0);
    rig_advance(&rig, 30000 - EARLY);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, EARLY + LATE);
    ck_assert_int_eq(rig.disconnects, 1);
    ck_assert_int_eq(rig.code, 1006);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_is_not_read_from_owes_no_pong_until_it_is)
{
    static char payload[70000];
    size_t len;
    int opcode;

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1, .idle_ms = -1});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    while ((rig_conn(&rig)->flags & WSRT_CONN_PAUSED) == 0)
        post_big(WSRT_POST_REPLY);
    rig_advance(&rig, 120000);
    ck_assert_int_eq(rig.disconnects, 0);
    while ((opcode = rig_next(&rig, fd, payload, sizeof payload, &len)) >= 0)
        ck_assert_int_ne(opcode, WSRT_WS_OP_CLOSE);
    rig_advance(&rig, 27500 + 20000 + 2 * LATE);
    ck_assert_int_eq(rig.code, 1001);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_does_not_read_is_not_read_from)
{
    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

/* Echoes and pings as fast as they go, and nothing is read. */
START_TEST(who_sends_and_never_reads_costs_the_hard_limit_and_64_kib_at_most)
{
    static char message[16384];
    ssize_t n;

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

START_TEST(a_full_total_throttles_who_has_a_queue_and_serves_who_has_none)
{
    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1, .queue_total = 65536 * 3});
    int slow = rig_open(&rig);
    fill(0);
    while (post_big(WSRT_POST_REPLY) == WSRT_OK)
        ;
    ck_assert_int_eq(rig.disconnects, 0);
    ck_assert_int_eq(post_big(WSRT_POST_REPLY), WSRT_ERR_THROTTLED);
    int fast = rig_open(&rig);
    rig_text(fast, "fine");
    rig_expect_text(&rig, fast, "fine");
    close(slow);
    close(fast);
    rig_stop(&rig);
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

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
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
    rig_stop(&rig);
}
END_TEST

static uint64_t wake_ups(void)
{
    uint64_t count = 0;
    ssize_t n = read(rig.server->loops[0].wake, &count, sizeof count);

    return n < 0 ? 0 : count;
}

START_TEST(of_posts_from_outside_65536_wait_for_the_loop_and_wake_it_once)
{
    enum { MOST = 65536 };
    static char got[2 * MOST + 3];
    int ended, taken = 0;

    rig_start_with(&rig, (wsrt_server_options){.queue_soft = 1 << 20, .queue_hard = 1 << 20});
    int fd = rig_open(&rig);
    (void)wake_ups();
    while (rig_post(&rig, "", 0) == WSRT_OK && taken <= MOST)
        taken++;
    ck_assert_int_eq(taken, MOST);
    ck_assert_int_eq(rig_post(&rig, "", 0), WSRT_ERR_THROTTLED);
    ck_assert_uint_eq(wake_ups(), 1);
    ck_assert_int_eq(wsrt_server_timeout(rig.server), 0);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig_post(&rig, "", 0), WSRT_OK);
    ck_assert_uint_eq(wake_ups(), 1);
    ck_assert_uint_eq(rig_read(&rig, fd, got, sizeof got, &ended), 2 * (MOST + 1));
    rig_steps(&rig, 2);
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(unsent_pongs_beyond_4_kib_are_a_flood)
{
    char payload[125] = {0};

    rig_start_with(&rig, (wsrt_server_options){.stall_ms = -1});
    int fd = rig_open(&rig);
    fill(WSRT_POST_REPLY);
    for (int i = 0; i < 40; i++)
        rig_frame(fd, WSRT_WS_OP_PING, 1, payload, sizeof payload);
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.code, 1008);
    close(fd);
    rig_stop(&rig);
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

    rig_start(&rig, NULL);
    int fd = rig_open(&rig);
    wsrt_span id = wsrt_span_cstr(rig.id);
    wsrt_post p = {.struct_size = sizeof p, .flags = rows[_i].flags, .data = rows[_i].data};
    ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &p), rows[_i].wanted);
    close(fd);
    rig_stop(&rig);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_queues");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, posts_beyond_the_soft_limit_are_throttled_and_change_nothing);
    tcase_add_test(t, the_soft_limit_holds_inside_a_handler_too_but_not_for_replies);
    tcase_add_test(t, replies_queue_up_to_the_hard_limit_and_then_close_with_1008);
    tcase_add_test(t, to_drop_the_oldest_keeps_the_newest_in_their_order);
    tcase_add_test(t, a_keyed_message_takes_the_place_of_the_unsent_one_of_its_key);
    tcase_add_loop_test(t, the_first_message_that_finds_the_socket_full_waits, 0, 3);
    tcase_add_test(t, for_a_message_that_never_fits_nothing_older_is_dropped);
    tcase_add_test(t, under_the_usual_policy_keys_change_nothing);
    tcase_add_test(t, a_queue_that_is_read_again_arrives_whole_and_is_given_back);
    tcase_add_test(t, bytes_that_no_one_takes_for_30_seconds_reset_the_connection);
    tcase_add_test(t, who_is_not_read_from_owes_no_pong_until_it_is);
    tcase_add_test(t, who_does_not_read_is_not_read_from);
    tcase_add_test(t, who_sends_and_never_reads_costs_the_hard_limit_and_64_kib_at_most);
    tcase_add_test(t, a_full_total_throttles_who_has_a_queue_and_serves_who_has_none);
    tcase_add_test(t, a_shared_frame_costs_each_queue_a_reference);
    tcase_add_test(t, of_posts_from_outside_65536_wait_for_the_loop_and_wake_it_once);
    tcase_add_test(t, unsent_pongs_beyond_4_kib_are_a_flood);
    tcase_add_loop_test(t, what_may_not_be_sent_is_refused_before_anything_is, 0, 8);
    suite_add_tcase(s, t);
    return s;
}
