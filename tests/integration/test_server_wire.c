/* The server through real sockets: what each input makes the peer see. */
#include "server_rig.h"
#include "suite.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct rig rig;
static int descriptors;

static void start_with(wsrt_server_options o)
{
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");

    o.struct_size = sizeof o;
    if (o.listen == NULL) {
        o.listen = &listen;
        o.listen_count = 1;
    }
    descriptors = rig_open_descriptors();
    rig_start(&rig, &o);
}

static void start(void)
{
    start_with((wsrt_server_options){0});
}

static void stop(void)
{
    rig_stop(&rig);
    ck_assert_int_eq(rig_open_descriptors(), descriptors);
}

static int open_socket(void)
{
    char answer[129];
    int fd = rig_dial(&rig), ended;

    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    ck_assert_uint_eq(rig_read(&rig, fd, answer, sizeof answer, &ended), sizeof answer);
    ck_assert_mem_eq(answer, "HTTP/1.1 101 ", 13);
    return fd;
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

#define HOST "Host: localhost\r\n"
#define WS "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

enum { CLOSES = 1 };

static const struct {
    const char *name, *request;
    int status, closes;
    const char *holds;
} http_rows[] = {
    {"health", "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, 0, "{\"status\":\"ok\"}"},
    {"health needs no Host of ours", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, 0, "ok"},
    {"ready", "GET /readyz HTTP/1.1\r\n" HOST "\r\n", 200, 0, "\"checks\":{\"store\":\"ok\"}"},
    {"version", "GET /version HTTP/1.1\r\n" HOST "\r\n", 200, 0, "\"version\":\"0.1.0\""},
    {"metrics", "GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200, 0,
     "wsrt_transport_connect_count_total{environment=\"dev\"} 0"},
    {"metrics, foreign host", "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, 0, ""},
    {"metrics, a page", "GET /metrics HTTP/1.1\r\n" HOST "Origin: http://localhost\r\n\r\n", 403, 0,
     ""},
    {"metrics, a proxy", "GET /metrics HTTP/1.1\r\n" HOST "X-Forwarded-For: 1.2.3.4\r\n\r\n", 403,
     0, ""},
    {"metrics, another proxy", "GET /metrics HTTP/1.1\r\n" HOST "Via: 1.1 x\r\n\r\n", 403, 0, ""},
    {"head", "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n", 200, 0, "Content-Length: 15\r\n"},
    {"unknown path", "GET /nope HTTP/1.1\r\n" HOST "\r\n", 404, 0, ""},
    {"escaped slash is data", "GET /%2Fhealthz HTTP/1.1\r\n" HOST "\r\n", 404, 0, ""},
    {"escaped letter", "GET /health%7A HTTP/1.1\r\n" HOST "\r\n", 200, 0, "ok"},
    {"decoded once", "GET /health%257A HTTP/1.1\r\n" HOST "\r\n", 404, 0, ""},
    {"dot segment", "GET /x/../healthz HTTP/1.1\r\n" HOST "\r\n", 404, 0, ""},
    {"wrong method", "DELETE /healthz HTTP/1.1\r\n" HOST "\r\n", 405, 0, "Allow: GET, HEAD\r\n"},
    {"post with a body", "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 405, 0,
     ""},
    {"expect",
     "POST /healthz HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 100, 0,
     ""},
    {"expect too much",
     "POST /healthz HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 131073\r\n\r\n",
     413, CLOSES, ""},
    {"plain socket path", "GET /ws HTTP/1.1\r\n" HOST "\r\n", 426, 0, "Sec-WebSocket-Version: 13"},
    {"plain root", "GET / HTTP/1.1\r\n" HOST "\r\n", 426, 0, ""},
    {"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400, CLOSES, ""},
    {"two hosts", "GET /healthz HTTP/1.1\r\n" HOST HOST "\r\n", 400, CLOSES, ""},
    {"bare LF", "GET /healthz HTTP/1.1\nHost: x\n\n", 400, CLOSES, ""},
    {"folded", "GET /healthz HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400, CLOSES, ""},
    {"space before colon", "GET /healthz HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400, CLOSES, ""},
    {"bad escape", "GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, CLOSES, ""},
    {"two lengths", "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400,
     CLOSES, ""},
    {"signed length", "GET / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", 400, CLOSES, ""},
    {"smuggling",
     "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     CLOSES, ""},
    {"chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 411, CLOSES, ""},
    {"gzip coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501, CLOSES, ""},
    {"1.0", "GET /healthz HTTP/1.0\r\n\r\n", 200, CLOSES, "ok"},
    {"2.0", "GET /healthz HTTP/2.0\r\n" HOST "\r\n", 505, CLOSES, ""},
    {"1.0 upgrade", "GET / HTTP/1.0\r\n" HOST WS V13 KEY "\r\n", 400, CLOSES, ""},
    {"connection: close", "GET /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, CLOSES,
     "Connection: close"},
    {"upgrade by post", "POST / HTTP/1.1\r\n" HOST WS V13 KEY "\r\n", 405, 0, "Allow: "},
    {"version 8", "GET / HTTP/1.1\r\n" HOST WS "Sec-WebSocket-Version: 8\r\n" KEY "\r\n", 426, 0,
     "Sec-WebSocket-Version: 13"},
    {"no key", "GET / HTTP/1.1\r\n" HOST WS V13 "\r\n", 400, 0, ""},
    {"two keys", "GET / HTTP/1.1\r\n" HOST WS V13 KEY KEY "\r\n", 400, 0, ""},
    {"short key", "GET / HTTP/1.1\r\n" HOST WS V13 "Sec-WebSocket-Key: AAAA\r\n\r\n", 400, 0, ""},
    {"foreign host", "GET / HTTP/1.1\r\nHost: evil.example\r\n" WS V13 KEY "\r\n", 421, 0, ""},
    {"foreign origin", "GET / HTTP/1.1\r\n" HOST WS V13 KEY "Origin: http://evil.example\r\n\r\n",
     403, 0, ""},
    {"null origin", "GET / HTTP/1.1\r\n" HOST WS V13 KEY "Origin: null\r\n\r\n", 403, 0, ""},
    {"host before origin",
     "GET / HTTP/1.1\r\nHost: evil.example\r\n" WS V13 KEY "Origin: http://evil.example\r\n\r\n",
     421, 0, ""},
    {"key before host", "GET / HTTP/1.1\r\nHost: evil.example\r\n" WS V13 "\r\n", 400, 0, ""},
    {"own origin", "GET / HTTP/1.1\r\n" HOST WS V13 KEY "Origin: http://localhost\r\n\r\n", 101, 0,
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"},
    {"stage", "GET /prod HTTP/1.1\r\n" HOST WS V13 KEY "\r\n", 101, 0, "Upgrade: websocket"},
    {"other stage", "GET /dev HTTP/1.1\r\n" HOST WS V13 KEY "\r\n", 404, 0, ""},
};

START_TEST(each_request_gets_its_answer)
{
    char got[65536];
    int ended, status = 0;

    start();
    int fd = rig_dial(&rig);
    rig_send(fd, http_rows[_i].request, strlen(http_rows[_i].request));
    size_t n = rig_read(&rig, fd, got, sizeof got - 1, &ended);
    got[n] = '\0';
    sscanf(got, "HTTP/1.1 %d ", &status);
    ck_assert_msg(status == http_rows[_i].status, "%s: %s", http_rows[_i].name, got);
    ck_assert_msg(strstr(got, http_rows[_i].holds) != NULL, "%s: %s", http_rows[_i].name, got);
    ck_assert_msg(ended == http_rows[_i].closes, "%s: ended %d", http_rows[_i].name, ended);
    close(fd);
    stop();
}
END_TEST

START_TEST(requests_in_one_packet_are_answered_in_their_order)
{
    const char three[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n"
                         "POST /version HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nGET "
                         "GET /version HTTP/1.1\r\n" HOST "\r\n";
    char got[4096];
    int ended;

    start();
    int fd = rig_dial(&rig);
    rig_send(fd, three, sizeof three - 1);
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    char *first = strstr(got, "\"status\""), *second = strstr(got, "405 "),
         *third = strstr(got, "\"version\"");
    ck_assert(first != NULL && second != NULL && third != NULL);
    ck_assert(first < second && second < third);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_head_over_8_kib_is_431_and_a_long_target_414)
{
    static char request[20000];
    char got[512];
    int ended;

    start();
    memset(request, 'a', sizeof request);
    memcpy(request, "GET /", 5);
    size_t len = 9000;
    if (_i == 0)
        memcpy(request, "GET /healthz HTTP/1.1\r\nHost: x\r\nA: ", 35);
    int fd = rig_dial(&rig);
    rig_send(fd, request, len);
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    ck_assert_msg(strstr(got, _i == 0 ? "HTTP/1.1 431 " : "HTTP/1.1 414 ") == got, "%s", got);
    ck_assert_int_eq(ended, 1);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_refused_body_is_drained_so_that_the_413_arrives)
{
    static char body[400000];
    const char head[] = "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 400000\r\n\r\n";
    char got[512];
    size_t sent = 0;
    int ended;

    start();
    int fd = rig_dial(&rig);
    rig_send(fd, head, sizeof head - 1);
    while (sent < sizeof body) {
        ssize_t n = send(fd, body + sent, sizeof body - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        rig_steps(&rig, 1);
    }
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    ck_assert(strstr(got, "HTTP/1.1 413 ") == got);
    ck_assert_int_eq(ended, 1); /* and not reset */
    close(fd);
    stop();
}
END_TEST

/* Of a client that goes on for ever after its refusal. */
START_TEST(of_a_refused_body_one_mebibyte_is_drained_and_no_more)
{
    static char body[65536];
    const char head[] = "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 400000000\r\n\r\n";
    ssize_t n = 1;

    start();
    int fd = rig_dial(&rig);
    rig_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 4000 && (n > 0 || errno == EAGAIN); i++) {
        n = send(fd, body, sizeof body, MSG_NOSIGNAL);
        rig_steps(&rig, 1);
    }
    ck_assert_int_lt(n, 0);
    ck_assert_uint_lt(rig.server->loops[0].counters[WSRT_COUNT_BYTES_IN], 1024 * 1024 + 131072);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_refused_body_that_does_not_come_is_waited_for_two_seconds)
{
    const char head[] = "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 400000\r\n\r\n";

    start();
    int fd = rig_dial(&rig);
    rig_send(fd, head, sizeof head - 1);
    rig_steps(&rig, 5);
    rig_advance(&rig, 1900);
    ck_assert_uint_eq(rig.server->loops[0].used, 1);
    rig_advance(&rig, 400);
    ck_assert_uint_eq(rig.server->loops[0].used, 0);
    close(fd);
    stop();
}
END_TEST

/* ---- WebSocket ------------------------------------------------------------------------------ */

/* Frames with the mask 0, so that payloads can be read here. */
#define M "\0\0\0\0"
#define BYTES(s) s, sizeof(s) - 1

static const struct {
    const char *name;
    const char *bytes;
    size_t len;
    int code; /* of the close frame that comes back */
    int told; /* in DISCONNECT; 0 = the same */
    uint32_t flags;
} ws_rows[] = {
    {"unmasked", BYTES("\x81\x01x"), 1002, 0, 0},
    {"RSV1", BYTES("\xc1\x80" M), 1002, 0, 0},
    {"RSV2", BYTES("\xa1\x80" M), 1002, 0, 0},
    {"opcode 3", BYTES("\x83\x80" M), 1002, 0, 0},
    {"opcode 11", BYTES("\x8b\x80" M), 1002, 0, 0},
    {"length not minimal", BYTES("\x81\xfe\x00\x05" M "hello"), 1002, 0, 0},
    {"length not minimal, 8 B", BYTES("\x81\xff\0\0\0\0\0\0\0\x05" M), 1002, 0, 0},
    {"length 2^63", BYTES("\x81\xff\x80\0\0\0\0\0\0\0" M), 1002, 0, 0},
    {"fragmented ping", BYTES("\x09\x80" M), 1002, 0, 0},
    {"long ping", BYTES("\x89\xfe\x00\x7e" M), 1002, 0, 0},
    {"stray continuation", BYTES("\x80\x81" M "x"), 1002, 0, 0},
    {"message in a message", BYTES("\x01\x81" M "a\x81\x81" M "b"), 1002, 0, 0},
    {"bad UTF-8", BYTES("\x81\x81" M "\xff"), 1007, 0, 0},
    {"bad UTF-8 across fragments", BYTES("\x01\x81" M "\xc3\x80\x81" M "("), 1007, 0, 0},
    {"UTF-8 cut off", BYTES("\x81\x81" M "\xc3"), 1007, 0, 0},
    {"message over the cap, by its header", BYTES("\x81\xff\0\0\0\0\0\x02\0\x01" M), 1009, 0, 0},
    {"binary, text only", BYTES("\x82\x81" M "x"), 1003, 0, WSRT_SERVER_TEXT_ONLY},
    {"binary, API Gateway", BYTES("\x82\x81" M "x"), 1003, 0, WSRT_SERVER_API_GATEWAY},
    {"frame of 32769 B, API Gateway", BYTES("\x81\xfe\x80\x01" M), 1009, 0,
     WSRT_SERVER_API_GATEWAY},
    {"close of 1 B", BYTES("\x88\x81" M "x"), 1002, 0, 0},
    {"close 999", BYTES("\x88\x82" M "\x03\xe7"), 1002, 0, 0},
    {"close 1004", BYTES("\x88\x82" M "\x03\xec"), 1002, 0, 0},
    {"close 1005", BYTES("\x88\x82" M "\x03\xed"), 1002, 0, 0},
    {"close 1006", BYTES("\x88\x82" M "\x03\xee"), 1002, 0, 0},
    {"close 1015", BYTES("\x88\x82" M "\x03\xf7"), 1002, 0, 0},
    {"close 2999", BYTES("\x88\x82" M "\x0b\xb7"), 1002, 0, 0},
    {"close 5000", BYTES("\x88\x82" M "\x13\x88"), 1002, 0, 0},
    {"close, bad reason", BYTES("\x88\x83" M "\x03\xe8\xff"), 1007, 0, 0},
    {"close 1000", BYTES("\x88\x82" M "\x03\xe8"), 1000, 0, 0},
    {"close 3000", BYTES("\x88\x82" M "\x0b\xb8"), 3000, 0, 0},
    {"close 4999", BYTES("\x88\x82" M "\x13\x87"), 4999, 0, 0},
    {"close without code", BYTES("\x88\x80" M), 1005, 0, 0},
};

START_TEST(each_fault_closes_with_its_code)
{
    char byte;
    int ended;

    start_with((wsrt_server_options){.flags = ws_rows[_i].flags});
    int fd = open_socket();
    rig_send(fd, ws_rows[_i].bytes, ws_rows[_i].len);
    int code = rig_close_code(&rig, fd);
    ck_assert_msg(code == ws_rows[_i].code, "%s: %d", ws_rows[_i].name, code);
    rig_text(fd, "too late"); /* must not turn the end into a reset */
    rig_read(&rig, fd, &byte, 1, &ended);
    ck_assert_msg(ended == 1, "%s: ended %d", ws_rows[_i].name, ended);
    ck_assert_int_eq(rig.code, ws_rows[_i].code);
    ck_assert_int_eq(rig.messages, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(the_same_faults_are_found_byte_by_byte)
{
    start_with((wsrt_server_options){.flags = ws_rows[_i].flags});
    int fd = open_socket();
    for (size_t i = 0; i < ws_rows[_i].len; i++) {
        if (send(fd, ws_rows[_i].bytes + i, 1, MSG_NOSIGNAL) < 0)
            break;
        rig_steps(&rig, 1);
    }
    int code = rig_close_code(&rig, fd);
    ck_assert_msg(code == ws_rows[_i].code, "%s: %d", ws_rows[_i].name, code);
    close(fd);
    stop();
}
END_TEST

START_TEST(too_many_fragments_are_1009)
{
    start();
    int fd = open_socket();
    rig_frame(fd, WSRT_WS_OP_TEXT, 0, "a", 1);
    for (int i = 0; i < 1024; i++) {
        rig_frame(fd, WSRT_WS_OP_CONTINUATION, 0, "a", 1);
        rig_steps(&rig, 1);
    }
    ck_assert_int_eq(rig_close_code(&rig, fd), 1009);
    close(fd);
    stop();
}
END_TEST

START_TEST(too_many_unfinished_bytes_in_all_are_1013)
{
    static char part[60000];

    start_with((wsrt_server_options){.partial_total = 100000});
    int a = open_socket(), b = open_socket();
    rig_frame(a, WSRT_WS_OP_BINARY, 0, part, sizeof part);
    rig_steps(&rig, 5);
    rig_frame(b, WSRT_WS_OP_BINARY, 0, part, sizeof part);
    ck_assert_int_eq(rig_close_code(&rig, b), 1013);
    rig_frame(a, WSRT_WS_OP_CONTINUATION, 1, part, 100);
    rig_steps(&rig, 5);
    ck_assert_int_eq(rig.messages, 1);
    close(a);
    close(b);
    stop();
}
END_TEST

START_TEST(a_ping_between_fragments_is_answered_at_once)
{
    char got[64];
    size_t len;

    start();
    int fd = open_socket();
    rig_frame(fd, WSRT_WS_OP_TEXT, 0, "one ", 4);
    rig_frame(fd, WSRT_WS_OP_PING, 1, "now", 3);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_PONG);
    ck_assert_mem_eq(got, "now", 3);
    rig_frame(fd, WSRT_WS_OP_CONTINUATION, 1, "two", 3);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_TEXT);
    ck_assert_uint_eq(len, 7);
    ck_assert_mem_eq(got, "one two", 7);
    close(fd);
    stop();
}
END_TEST

START_TEST(every_ping_of_a_packet_is_answered_with_its_own_payload)
{
    static const char three[] = "\x89\x81" M "a\x89\x80" M "\x89\x82" M "bc";
    static const char *const pongs[] = {"a", "", "bc"};
    char payload[200];
    size_t len;

    start();
    int fd = open_socket();
    rig_send(fd, three, sizeof three - 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rig_next(&rig, fd, payload, sizeof payload, &len), WSRT_WS_OP_PONG);
        ck_assert_uint_eq(len, strlen(pongs[i]));
        ck_assert_int_eq(memcmp(payload, pongs[i], len), 0);
    }
    close(fd);
    stop();
}
END_TEST

START_TEST(messages_of_every_size_come_back_whole)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 131072};
    static char sent[131072], got[131072];
    size_t len = 0;

    start();
    int fd = open_socket();
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 7 % 251);
    unsigned char *frame = malloc(sizeof sent + 14);
    size_t head = wsrt_ws_header(frame, WSRT_WS_OP_BINARY, 1, sizes[_i], (const unsigned char *)M);
    memcpy(frame + head, sent, sizes[_i]);
    for (size_t at = 0; at < head + sizes[_i];) {
        ssize_t n = send(fd, frame + at, head + sizes[_i] - at, MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        rig_steps(&rig, 1);
    }
    free(frame);
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), WSRT_WS_OP_BINARY);
    ck_assert_uint_eq(len, sizes[_i]);
    ck_assert_int_eq(memcmp(got, sent, len), 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(under_api_gateway_long_messages_leave_in_fragments)
{
    static char text[70000], got[70000];
    static const size_t sizes[] = {32768, 32768, 70000 - 65536};
    size_t len;

    start_with((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY});
    int fd = open_socket();
    memset(text, 'x', sizeof text);
    wsrt_span id = wsrt_span_cstr(rig.id);
    wsrt_post p = {.struct_size = sizeof p, .data = {text, sizeof text}};
    ck_assert_int_eq(rig.sender.ops->post(rig.sender.self, &id, &p), WSRT_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &len), i == 0 ? 1 : 0);
        ck_assert_uint_eq(len, sizes[i]);
    }
    close(fd);
    stop();
}
END_TEST

/* ---- the host ------------------------------------------------------------------------------- */

START_TEST(the_server_nests_in_a_hosts_poll)
{
    start();
    struct pollfd p = {.fd = wsrt_server_fd(rig.server), .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    int fd = rig_dial(&rig);
    ck_assert_int_eq(poll(&p, 1, 2000), 1);
    rig_steps(&rig, 2);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    rig_send(fd, rig_upgrade, strlen(rig_upgrade));
    ck_assert_int_eq(poll(&p, 1, 2000), 1);
    rig_steps(&rig, 1);
    ck_assert_int_eq(rig.connects, 1);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_bind_that_others_can_reach_must_be_asked_for)
{
    wsrt_span open = wsrt_span_cstr("0.0.0.0:0");
    wsrt_server_options o = {.struct_size = sizeof o, .listen = &open, .listen_count = 1};
    wsrt_server *s;

    start();
    wsrt_runtime *rt;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_INVALID);
    o.flags = WSRT_SERVER_INSECURE;
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_OK);
    wsrt_server_free(s);
    wsrt_runtime_free(rt);
    stop();
}
END_TEST

static char refusal[256];

static void note_refusal(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                         size_t count)
{
    (void)user;
    (void)level;
    if (strcmp(event_cstr, "server.listen_failed") != 0)
        return;
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(fields[1].name_cstr, "reason");
    snprintf(refusal, sizeof refusal, "%.*s: %.*s", (int)fields[0].text.len, fields[0].text.ptr,
             (int)fields[1].text.len, fields[1].text.ptr);
}

static const struct {
    const char *address, *told;
} refusals[] = {
    {"0.0.0.0:0", "0.0.0.0:0: not loopback, and WSRT_SERVER_INSECURE is not given"},
    {"localhost:80", "localhost:80: not ADDR:PORT, [V6]:PORT, unix:PATH or fd:N"},
    {"fd:0", "fd:0: no listening socket"},
    {"unix:/nonexistent/s", "unix:/nonexistent/s: No such file or directory"},
};

START_TEST(why_an_address_is_refused_is_in_the_log)
{
    const wsrt_env env = {.struct_size = sizeof env, .log = note_refusal};
    wsrt_span address = wsrt_span_cstr(refusals[_i].address);
    wsrt_server_options o = {
        .struct_size = sizeof o, .env = &env, .listen = &address, .listen_count = 1};
    wsrt_runtime *rt;
    wsrt_server *s;

    refusal[0] = '\0';
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_lt(wsrt_server_new(&s, rt, &o), 0);
    ck_assert_str_eq(refusal, refusals[_i].told);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(a_port_in_use_is_an_io_error_and_a_second_server_of_a_runtime_exists)
{
    wsrt_span same, any = wsrt_span_cstr("127.0.0.1:0");
    wsrt_server_options o = {.struct_size = sizeof o, .listen = &same, .listen_count = 1};
    wsrt_runtime *rt;
    wsrt_server *s;

    start();
    same = wsrt_span_cstr(rig.address);
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_IO);
    o.listen = &any;
    ck_assert_int_eq(wsrt_server_new(&s, rig.rt, &o), WSRT_ERR_EXISTS);
    ck_assert_ptr_null(s);
    wsrt_runtime_free(rt);
    stop();
}
END_TEST

START_TEST(a_unix_socket_serves_and_is_removed_and_a_dead_one_replaced)
{
    char dir[] = "/tmp/wsrt-test-XXXXXX", path[64], got[512];
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int ended;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "unix:%s/s", dir);
    strcpy(to.sun_path, path + 5);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(dead, (struct sockaddr *)&to, sizeof to), 0);
    close(dead);
    wsrt_span listen = wsrt_span_cstr(path);
    start_with((wsrt_server_options){.listen = &listen, .listen_count = 1});
    ck_assert_str_eq(rig.address, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    rig_send(fd, BYTES("GET /metrics HTTP/1.1\r\n" HOST "\r\n"));
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    ck_assert(strstr(got, "HTTP/1.1 200 ") == got);
    close(fd);
    stop();
    ck_assert_int_ne(access(path + 5, F_OK), 0);
    rmdir(dir);
}
END_TEST

START_TEST(the_file_of_another_servers_socket_stays)
{
    char dir[] = "/tmp/wsrt-test-XXXXXX", path[64];
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "unix:%s/s", dir);
    strcpy(to.sun_path, path + 5);
    wsrt_span listen = wsrt_span_cstr(path);
    start_with((wsrt_server_options){.listen = &listen, .listen_count = 1});
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(unlink(path + 5), 0); /* as somebody does who takes this one for dead */
    ck_assert_int_eq(bind(other, (struct sockaddr *)&to, sizeof to), 0);
    rig_stop(&rig);
    ck_assert_int_eq(access(path + 5, F_OK), 0);
    close(other);
    unlink(path + 5);
    rmdir(dir);
}
END_TEST

START_TEST(descriptors_that_run_out_are_survived_without_spinning)
{
    struct rlimit before, few;
    int fds[40], n = 0;

    start();
    getrlimit(RLIMIT_NOFILE, &before);
    for (; n < 20; n++)
        fds[n] = rig_dial(&rig);
    few = before;
    few.rlim_cur = (rlim_t)rig_open_descriptors() + 3;
    setrlimit(RLIMIT_NOFILE, &few);
    rig_steps(&rig, 10);
    ck_assert_int_eq(rig.errors, 1); /* one line a minute */
    struct pollfd p = {.fd = wsrt_server_fd(rig.server), .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 0), 0); /* though callers wait */
    uint32_t used = rig.server->loops[0].used;
    ck_assert_uint_ge(used, 1);
    setrlimit(RLIMIT_NOFILE, &before);
    rig_advance(&rig, 150);
    rig_steps(&rig, 3);
    ck_assert_uint_gt(rig.server->loops[0].used, used);
    while (n > 0)
        close(fds[--n]);
    stop();
}
END_TEST

START_TEST(accepts_beyond_the_rate_wait_for_their_turn)
{
    int fds[12];

    start_with((wsrt_server_options){.accept_rate = 10});
    for (int i = 0; i < 12; i++)
        fds[i] = rig_dial(&rig);
    rig_steps(&rig, 5);
    ck_assert_uint_eq(rig.server->loops[0].used, 10);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(rig.server->loops[0].used, 12);
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    stop();
}
END_TEST

START_TEST(listeners_that_cannot_be_watched_for_now_are_watched_later)
{
    int fds[12];

    start_with((wsrt_server_options){.accept_rate = 10});
    wsrt_loop *l = &rig.server->loops[0];
    for (int i = 0; i < 12; i++)
        fds[i] = rig_dial(&rig);
    rig_steps(&rig, 5);
    ck_assert_int_eq(l->accepting, 0);
    rig.now += 150000000;
    wsrt_loop_read_clock(l);
    int epoll = l->epoll;
    l->epoll = -1; /* as when the kernel has no memory */
    wsrt_listen_resume(l);
    l->epoll = epoll;
    ck_assert_int_eq(l->accepting, 0);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(l->used, 12);
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    stop();
}
END_TEST

START_TEST(stats_count_what_happened)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};
    char got[64];
    size_t len;

    start();
    int fd = open_socket();
    rig_text(fd, "hello");
    rig_next(&rig, fd, got, sizeof got, &len);
    ck_assert_int_eq(wsrt_server_get_stats(rig.server, &stats), WSRT_OK);
    ck_assert_uint_eq(stats.open, 1);
    ck_assert_uint_eq(stats.opened, 1);
    ck_assert_uint_eq(stats.messages_in, 1);
    ck_assert_uint_eq(stats.messages_out, 1);
    ck_assert_uint_eq(stats.bytes_in, strlen(rig_upgrade) + 11);
    ck_assert_uint_eq(stats.bytes_out, 129 + 7);
    stats.struct_size = 8;
    ck_assert_int_eq(wsrt_server_get_stats(rig.server, &stats), WSRT_ERR_INVALID);
    close(fd);
    stop();
}
END_TEST

START_TEST(the_sender_tells_when_and_from_where_a_connection_is)
{
    wsrt_connection_info info = {.struct_size = sizeof info};

    start();
    int fd = open_socket();
    wsrt_span id = wsrt_span_cstr(rig.id), other = wsrt_span_cstr("AAAAAAAAAAAAAAA=");
    ck_assert_int_eq(rig.sender.ops->get(rig.sender.self, &id, &info), WSRT_OK);
    ck_assert_int_eq(info.connected_at, rig.wall);
    ck_assert_int_eq(info.last_active_at, rig.wall);
    ck_assert_str_eq(info.source_ip, "127.0.0.1");
    ck_assert_int_eq(rig.sender.ops->get(rig.sender.self, &other, &info), WSRT_ERR_GONE);
    close(fd);
    stop();
}
END_TEST

/* ---- threads -------------------------------------------------------------------------------- */

enum { THREADS = 4, POSTS = 2000 };

static atomic_int threads_done;

static void *post_many_messages(void *arg)
{
    int who = *(int *)arg;
    wsrt_span id = wsrt_span_cstr(rig.id);
    char text[32];

    for (int i = 0; i < POSTS; i++) {
        int n = snprintf(text, sizeof text, "%d %d", who, i), rc;
        wsrt_post p = {.struct_size = sizeof p, .data = {text, (size_t)n}};
        do
            rc = rig.sender.ops->post(rig.sender.self, &id, &p);
        while (rc == WSRT_ERR_THROTTLED);
        if (rc != WSRT_OK)
            abort();
    }
    atomic_fetch_add(&threads_done, 1);
    return NULL;
}

START_TEST(posts_of_four_threads_arrive_each_in_its_order)
{
    pthread_t threads[THREADS];
    int who[THREADS], next[THREADS] = {0};
    char got[64];
    size_t len;

    start();
    int fd = open_socket();
    atomic_store(&threads_done, 0);
    for (int i = 0; i < THREADS; i++) {
        who[i] = i;
        pthread_create(&threads[i], NULL, post_many_messages, &who[i]);
    }
    for (int n = 0; n < THREADS * POSTS; n++) {
        int opcode, by, number;
        while ((opcode = rig_next(&rig, fd, got, sizeof got - 1, &len)) < 0)
            ;
        got[len] = '\0';
        ck_assert_int_eq(opcode, WSRT_WS_OP_TEXT);
        ck_assert_int_eq(sscanf(got, "%d %d", &by, &number), 2);
        ck_assert_int_eq(number, next[by]++);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close(fd);
    stop();
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *suite(void)
{
    Suite *s = suite_create("server_wire");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_request_gets_its_answer, 0, ROWS(http_rows));
    tcase_add_test(t, requests_in_one_packet_are_answered_in_their_order);
    tcase_add_loop_test(t, a_head_over_8_kib_is_431_and_a_long_target_414, 0, 2);
    tcase_add_test(t, a_refused_body_is_drained_so_that_the_413_arrives);
    tcase_add_test(t, of_a_refused_body_one_mebibyte_is_drained_and_no_more);
    tcase_add_test(t, a_refused_body_that_does_not_come_is_waited_for_two_seconds);
    tcase_add_loop_test(t, each_fault_closes_with_its_code, 0, ROWS(ws_rows));
    tcase_add_loop_test(t, the_same_faults_are_found_byte_by_byte, 0, ROWS(ws_rows));
    tcase_add_test(t, too_many_fragments_are_1009);
    tcase_add_test(t, too_many_unfinished_bytes_in_all_are_1013);
    tcase_add_test(t, a_ping_between_fragments_is_answered_at_once);
    tcase_add_test(t, every_ping_of_a_packet_is_answered_with_its_own_payload);
    tcase_add_loop_test(t, messages_of_every_size_come_back_whole, 0, 8);
    tcase_add_test(t, under_api_gateway_long_messages_leave_in_fragments);
    tcase_add_test(t, the_server_nests_in_a_hosts_poll);
    tcase_add_test(t, a_bind_that_others_can_reach_must_be_asked_for);
    tcase_add_loop_test(t, why_an_address_is_refused_is_in_the_log, 0,
                        (int)(sizeof refusals / sizeof refusals[0]));
    tcase_add_test(t, a_port_in_use_is_an_io_error_and_a_second_server_of_a_runtime_exists);
    tcase_add_test(t, a_unix_socket_serves_and_is_removed_and_a_dead_one_replaced);
    tcase_add_test(t, the_file_of_another_servers_socket_stays);
    tcase_add_test(t, descriptors_that_run_out_are_survived_without_spinning);
    tcase_add_test(t, accepts_beyond_the_rate_wait_for_their_turn);
    tcase_add_test(t, listeners_that_cannot_be_watched_for_now_are_watched_later);
    tcase_add_test(t, stats_count_what_happened);
    tcase_add_test(t, the_sender_tells_when_and_from_where_a_connection_is);
    tcase_add_test(t, posts_of_four_threads_arrive_each_in_its_order);
    suite_add_tcase(s, t);
    return s;
}
