/* Records of TLS over a socket: what is read is what was written, however both are cut. */
#include "suite.h"

#include "common/tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 4 * 1024 * 1024 };

static struct {
    wsrt_tls *contexts[2];
    wsrt_tls_session *from, *to;
    int fds[2];
    unsigned char sent[MOST], got[MOST];
    size_t sent_len, got_len;
} w;

static int fill(void *user, void *dst, size_t len)
{
    (void)user;
    return getrandom(dst, len, 0) == (ssize_t)len ? WSRT_OK : WSRT_ERR_IO;
}

/* A client and a server that have shaken hands. */
static void set_up(void)
{
    static const wsrt_tls_random random = {fill, NULL};
    const wsrt_tls_trust trust = {.insecure = 1};
    const char *why = NULL;
    int a = WSRT_TLS_MORE, b = WSRT_TLS_MORE;

    w.sent_len = w.got_len = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w.fds), 0);
    ck_assert_int_eq(wsrt_tls_client_new(&w.contexts[0], &random, &trust, &why), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_server_new(&w.contexts[1], &random, NULL, &why), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_server_load(w.contexts[1], wsrt_span_cstr(getenv("WSRT_TLS_CERT")),
                                          wsrt_span_cstr(getenv("WSRT_TLS_KEY")), &why),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_tls_open(&w.from, w.contexts[0], w.fds[0], "localhost"), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_open(&w.to, w.contexts[1], w.fds[1], NULL), WSRT_OK);
    for (int i = 0; i < 20 && (a == WSRT_TLS_MORE || b == WSRT_TLS_MORE); i++) {
        a = a == WSRT_TLS_MORE ? wsrt_tls_handshake(w.from) : a;
        b = b == WSRT_TLS_MORE ? wsrt_tls_handshake(w.to) : b;
    }
    ck_assert_int_eq(a, WSRT_OK);
    ck_assert_int_eq(b, WSRT_OK);
}

static void tear_down(void)
{
    wsrt_tls_close(w.from);
    wsrt_tls_close(w.to);
    wsrt_tls_free(w.contexts[0]);
    wsrt_tls_free(w.contexts[1]);
    close(w.fds[0]);
    close(w.fds[1]);
}

/* A record of its own, as much of it as the socket takes. */
static void write_record(size_t len)
{
    unsigned char *text = w.sent + w.sent_len;

    ck_assert_uint_le(w.sent_len + len, MOST);
    for (size_t i = 0; i < len; i++)
        text[i] = (unsigned char)((w.sent_len + i) * 31 >> 3);
    ssize_t n = wsrt_tls_write(w.from, text, len);
    ck_assert(n > 0 || errno == EAGAIN);
    w.sent_len += n > 0 ? (size_t)n : 0;
}

static int waiting_bytes(void)
{
    int left = 0;

    ck_assert_int_eq(ioctl(w.fds[1], FIONREAD, &left), 0);
    return left;
}

static ssize_t read_into(size_t room)
{
    unsigned char *dst = malloc(room); /* a write beyond is a sanitizer's finding */
    ssize_t n = wsrt_tls_read(w.to, dst, room);
    int error = errno;

    if (n > 0) {
        ck_assert_uint_le((size_t)n, MOST - w.got_len);
        memcpy(w.got + w.got_len, dst, (size_t)n);
        w.got_len += (size_t)n;
    }
    free(dst);
    errno = error;
    return n;
}

/* Whether there was anything. Of what the socket does not show any more nobody would be told. */
static int read_once(size_t room)
{
    int is_more = read_into(room) > 0;

    if (is_more && waiting_bytes() > 0)
        return 1;
    ck_assert_int_eq(read_into(room), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(waiting_bytes(), 0);
    return is_more;
}

/* Reads what has come, and what comes of the rest meanwhile. */
static void read_on(size_t room)
{
    while (read_once(room))
        wsrt_tls_flush(w.from);
}

/* Until nothing is held on either side. */
static void read_all(size_t room)
{
    do
        wsrt_tls_flush(w.from);
    while (read_once(room) || wsrt_tls_unsent(w.from) > 0);
}

static void expect_all(void)
{
    ck_assert_uint_eq(w.got_len, w.sent_len);
    ck_assert_mem_eq(w.got, w.sent, w.sent_len);
}

static const size_t rooms[] = {WSRT_TLS_RECORD, WSRT_TLS_RECORD + 1, 2 * WSRT_TLS_RECORD - 1,
                               2 * WSRT_TLS_RECORD, 65536};

START_TEST(records_of_all_sizes_come_whole_into_rooms_of_all_sizes)
{
    static const size_t sizes[] = {1,
                                   20,
                                   220,
                                   3000,
                                   4067,
                                   4068,
                                   4069,
                                   4096,
                                   4100,
                                   9000,
                                   16000,
                                   WSRT_TLS_RECORD - 1,
                                   WSRT_TLS_RECORD};
    unsigned dice = 1;

    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 9; i++) {
            dice = dice * 1103515245 + 12345;
            write_record(sizes[(dice >> 16) % (sizeof sizes / sizeof sizes[0])]);
        }
        if (round % 3 == 0)
            read_once(rooms[_i]);
        else
            read_on(rooms[_i]);
    }
    read_all(rooms[_i]);
    expect_all();
}
END_TEST

START_TEST(many_small_records_come_whole)
{
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 400; i++)
            write_record(1 + (size_t)i % 40);
        read_on(rooms[_i]);
    }
    read_all(rooms[_i]);
    expect_all();
}
END_TEST

START_TEST(a_record_that_comes_byte_by_byte_is_read_once_it_is_whole)
{
    unsigned char cipher[2 * WSRT_TLS_RECORD];
    int pair[2], fd = dup(w.fds[1]);

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    write_record(5000);
    write_record(30);
    ssize_t len = recv(fd, cipher, sizeof cipher, 0);
    ck_assert_int_gt(len, 5030);
    ck_assert_int_eq(dup2(pair[1], w.fds[1]), w.fds[1]);
    for (ssize_t i = 0; i < len; i++) {
        ck_assert_int_eq(send(pair[0], cipher + i, 1, 0), 1);
        read_once(rooms[_i]);
    }
    expect_all();
    close(fd);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(the_end_is_told_behind_what_was_written)
{
    char got[100000];

    write_record(20);
    wsrt_tls_bye(w.from);
    shutdown(w.fds[0], SHUT_WR);
    ck_assert_int_eq(wsrt_tls_read(w.to, got, sizeof got), 20);
    ck_assert_int_eq(wsrt_tls_read(w.to, got, sizeof got), 0);
}
END_TEST

/* Sends plain warnings (RFC 5246 section 7.2) as long as the socket takes them. */
static void send_warnings(int fd)
{
    enum { AT_ONCE = 512 };
    static const unsigned char warning[] = {21, 3, 3, 0, 2, 1, 90};
    unsigned char many[AT_ONCE * sizeof warning];

    for (size_t i = 0; i < AT_ONCE; i++)
        memcpy(many + i * sizeof warning, warning, sizeof warning);
    while (send(fd, many, sizeof many, MSG_NOSIGNAL) == (ssize_t)sizeof many)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
}

static int left_of(int fd)
{
    int left = 0;

    ck_assert_int_eq(ioctl(fd, FIONREAD, &left), 0);
    return left;
}

/* Or who sends them as quickly as they are read keeps the thread for ever. */
START_TEST(a_handshake_step_takes_a_bounded_number_of_warnings)
{
    wsrt_tls_session *client, *server;
    int pair[2], steps = 0;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ck_assert_int_eq(wsrt_tls_open(&client, w.contexts[0], pair[0], "localhost"), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_open(&server, w.contexts[1], pair[1], NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_handshake(client), WSRT_TLS_MORE);
    ck_assert_int_eq(wsrt_tls_handshake(server), WSRT_TLS_MORE);
    send_warnings(pair[0]);
    for (int before = left_of(pair[1]); before > 0; steps++) {
        ck_assert_int_eq(wsrt_tls_handshake(server), WSRT_TLS_MORE);
        int after = left_of(pair[1]);
        ck_assert_int_lt(after, before);
        ck_assert_int_le(before - after, 4096);
        before = after;
    }
    ck_assert_int_gt(steps, 1);
    ck_assert_int_eq(wsrt_tls_handshake(client), WSRT_TLS_MORE);
    ck_assert_int_eq(wsrt_tls_handshake(server), WSRT_OK);
    wsrt_tls_close(client);
    wsrt_tls_close(server);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("tls_records");
    TCase *t = tcase_create("records");
    int count = sizeof rooms / sizeof rooms[0];

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, records_of_all_sizes_come_whole_into_rooms_of_all_sizes, 0, count);
    tcase_add_loop_test(t, many_small_records_come_whole, 0, count);
    tcase_add_loop_test(t, a_record_that_comes_byte_by_byte_is_read_once_it_is_whole, 0, count);
    tcase_add_test(t, the_end_is_told_behind_what_was_written);
    tcase_add_test(t, a_handshake_step_takes_a_bounded_number_of_warnings);
    suite_add_tcase(s, t);
    return s;
}
