/* Records of TLS over a socket: what is read is what was written, however both are cut. */
#include "suite.h"

#include "common/tls/compat.h"
#include "common/tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4 * 1024 * 1024 };

static struct {
    wsrt_tls *contexts[2];
    wsrt_tls_session *from, *to;
    int fds[2];
    unsigned char sent[MOST], got[MOST];
    size_t sent_len, got_len;
    int fills; /* how often somebody asked for entropy */
} w;

static int fill(void *user, void *dst, size_t len)
{
    (void)user;
    w.fills++;
    return getrandom(dst, len, 0) == (ssize_t)len ? WSRT_OK : WSRT_ERR_IO;
}

static const wsrt_tls_random entropy = {fill, NULL};

/* As far as both can go; what each came to. */
static void shake_hands(wsrt_tls_session *client, wsrt_tls_session *server, int results[2])
{
    results[0] = results[1] = WSRT_TLS_MORE;
    for (int i = 0; i < 20; i++) {
        results[0] = results[0] == WSRT_TLS_MORE ? wsrt_tls_handshake(client) : results[0];
        results[1] = results[1] == WSRT_TLS_MORE ? wsrt_tls_handshake(server) : results[1];
    }
}

/* A client and a server that have shaken hands. */
static void set_up(void)
{
    const wsrt_tls_trust trust = {.insecure = 1};
    const char *why = NULL;
    int results[2];

    w.sent_len = w.got_len = 0;
    w.fills = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w.fds), 0);
    ck_assert_int_eq(wsrt_tls_client_new(&w.contexts[0], &entropy, &trust, &why), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_server_new(&w.contexts[1], &entropy, NULL, &why), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_server_load(w.contexts[1], wsrt_span_cstr(getenv("WSRT_TLS_CERT")),
                                          wsrt_span_cstr(getenv("WSRT_TLS_KEY")), &why),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_tls_open(&w.from, w.contexts[0], w.fds[0], "localhost"), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_open(&w.to, w.contexts[1], w.fds[1], NULL), WSRT_OK);
    shake_hands(w.from, w.to, results);
    ck_assert_int_eq(results[0], WSRT_OK);
    ck_assert_int_eq(results[1], WSRT_OK);
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

/* ---- a peer of another make --------------------------------------------------------------- */

/* A client of the library below, which does what ours does not, and the server's side of it. */
struct stranger {
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    wsrt_tls_session *server;
    int fds[2];
};

static int draw(void *user, unsigned char *dst, size_t len)
{
    return fill(user, dst, len) == WSRT_OK ? 0 : -1;
}

static int put(void *user, const unsigned char *bytes, size_t len)
{
    return (int)send(*(int *)user, bytes, len, MSG_NOSIGNAL);
}

static int take(void *user, unsigned char *dst, size_t room)
{
    ssize_t n = recv(*(int *)user, dst, room, 0);

    return n < 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)n;
}

static void meet(struct stranger *p)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
    ck_assert_int_eq(wsrt_tls_open(&p->server, w.contexts[1], p->fds[1], NULL), WSRT_OK);
    mbedtls_ssl_config_init(&p->config);
    mbedtls_ssl_init(&p->ssl);
    ck_assert_int_eq(mbedtls_ssl_config_defaults(&p->config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_max_version(&p->config, 3, 3); /* TLS 1.2 */
    mbedtls_ssl_conf_authmode(&p->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&p->config, draw, NULL);
    ck_assert_int_eq(mbedtls_ssl_setup(&p->ssl, &p->config), 0);
    ck_assert_int_eq(mbedtls_ssl_set_hostname(&p->ssl, "localhost"), 0);
    mbedtls_ssl_set_bio(&p->ssl, &p->fds[0], put, take, NULL);
}

static void shake_hands_with(struct stranger *p)
{
    int theirs = -1, ours = WSRT_TLS_MORE;

    for (int i = 0; i < 20; i++) {
        theirs = theirs != 0 ? mbedtls_ssl_handshake(&p->ssl) : 0;
        ours = ours == WSRT_TLS_MORE ? wsrt_tls_handshake(p->server) : ours;
    }
    ck_assert_int_eq(theirs, 0);
    ck_assert_int_eq(ours, WSRT_OK);
}

static void part(struct stranger *p)
{
    wsrt_tls_close(p->server);
    mbedtls_ssl_free(&p->ssl);
    mbedtls_ssl_config_free(&p->config);
    close(p->fds[0]);
    close(p->fds[1]);
}

/* Plain warnings (RFC 5246 section 7.2), as long as the socket takes them. */
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
    struct stranger p;
    int steps = 0;

    meet(&p);
    ck_assert_int_eq(mbedtls_ssl_handshake(&p.ssl), MBEDTLS_ERR_SSL_WANT_READ);
    ck_assert_int_eq(wsrt_tls_handshake(p.server), WSRT_TLS_MORE);
    send_warnings(p.fds[0]);
    for (int before = left_of(p.fds[1]); before > 0; steps++) {
        ck_assert_int_eq(wsrt_tls_handshake(p.server), WSRT_TLS_MORE);
        int after = left_of(p.fds[1]);
        ck_assert_int_lt(after, before);
        ck_assert_int_le(before - after, 4096);
        before = after;
    }
    ck_assert_int_gt(steps, 1);
    shake_hands_with(&p);
    part(&p);
}
END_TEST

/* RFC 5246 section 6.2.1: data of no bytes may be sent, against who counts records. */
START_TEST(records_of_no_bytes_are_not_the_end)
{
    char got[2 * WSRT_TLS_RECORD];
    struct stranger p;

    meet(&p);
    shake_hands_with(&p);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mbedtls_ssl_write(&p.ssl, (const unsigned char *)"", 0), 0);
    ck_assert_int_eq(mbedtls_ssl_write(&p.ssl, (const unsigned char *)"hello", 5), 5);
    ck_assert_int_eq(wsrt_tls_read(p.server, got, sizeof got), 5);
    ck_assert_int_eq(wsrt_tls_read(p.server, got, sizeof got), -1);
    ck_assert_int_eq(errno, EAGAIN);
    shutdown(p.fds[0], SHUT_WR);
    ck_assert_int_eq(wsrt_tls_read(p.server, got, sizeof got), 0);
    part(&p);
}
END_TEST

/* ---- roots and keys ----------------------------------------------------------------------- */

/* A file that lies beside the server's certificate. */
static const char *beside(const char *name)
{
    static char path[1024];
    const char *cert = getenv("WSRT_TLS_CERT"), *slash = strrchr(cert, '/');

    snprintf(path, sizeof path, "%.*s/%s", (int)(slash - cert), cert, name);
    return path;
}

START_TEST(an_authority_of_an_unknown_kind_does_not_hide_the_others)
{
    wsrt_tls_trust trust = {.roots_cstr = beside("mixed.pem")};
    wsrt_tls_session *client, *server;
    const char *why = NULL;
    wsrt_tls *believer;
    int pair[2], results[2];

    ck_assert_int_eq(wsrt_tls_client_new(&believer, &entropy, &trust, &why), WSRT_OK);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ck_assert_int_eq(wsrt_tls_open(&client, believer, pair[0], "localhost"), WSRT_OK);
    ck_assert_int_eq(wsrt_tls_open(&server, w.contexts[1], pair[1], NULL), WSRT_OK);
    shake_hands(client, server, results);
    ck_assert_msg(results[0] == WSRT_OK, "%s", wsrt_tls_why(client));
    wsrt_tls_close(client);
    wsrt_tls_close(server);
    wsrt_tls_free(believer);
    close(pair[0]);
    close(pair[1]);
    trust.roots_cstr = beside("strange.pem");
    ck_assert_int_eq(wsrt_tls_client_new(&believer, &entropy, &trust, &why), WSRT_ERR_REJECTED);
}
END_TEST

START_TEST(a_child_of_fork_draws_ticket_keys_of_its_own)
{
    static const int64_t period = INT64_C(12) * 3600 * 1000000000;
    int status;

    ck_assert_int_eq(wsrt_tls_server_rotate(w.contexts[1], 0), WSRT_OK);
    pid_t pid = fork();
    if (pid == 0) {
        int before = w.fills;
        int rc = wsrt_tls_server_rotate(w.contexts[1], period);
        _exit(rc == WSRT_OK && w.fills > before ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
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
    tcase_add_test(t, records_of_no_bytes_are_not_the_end);
    tcase_add_test(t, an_authority_of_an_unknown_kind_does_not_hide_the_others);
    tcase_add_test(t, a_child_of_fork_draws_ticket_keys_of_its_own);
    suite_add_tcase(s, t);
    return s;
}
