#include "feed.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define BYTES(literal)                                                                             \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define HOST "Host: h\r\n"
#define REQUEST(rest) BYTES("GET / HTTP/1.1\r\n" rest)
#define RESPONSE(rest) BYTES("HTTP/1.1 200 OK\r\n" rest)

static const wsrt_http_limits small = {.max_head = 200, .max_target = 20, .max_body = 100};

#define TEN(x) x x x x x x x x x x
#define A100 TEN("aaaaaaaaaa")

static wsrt_span span_of(const char *text)
{
    return (wsrt_span){text, strlen(text)};
}

/* ---- requests: what is refused ------------------------------------------------------------- */

static const struct {
    const char *name;
    wsrt_span in;
    int status; /* 0 = accepted */
} requests[] = {
    {"a plain request", REQUEST(HOST "\r\n"), 0},
    {"one empty line before it", BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"nothing but empty lines", BYTES("\r\n\r\n"), 400},
    {"two empty lines before it", BYTES("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    /* size */
    {"head over the cap", REQUEST(HOST "X: " A100 A100 "\r\n\r\n"), 431},
    {"head over the cap before its end", REQUEST(HOST "X: " A100 A100), 431},
    {"target over the cap", BYTES("GET /aaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" HOST "\r\n"), 414},
    {"target at the cap", BYTES("GET /aaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"request line over the cap of the head", BYTES("GET /" A100 A100), 414},
    {"the same behind an empty line", BYTES("\r\nGET /" A100 A100), 414},
    /* bytes */
    {"bare LF behind the request line", BYTES("GET / HTTP/1.1\n" HOST "\r\n"), 400},
    {"bare LF behind a field", REQUEST("Host: h\n\r\n"), 400},
    {"bare LF at the end", REQUEST(HOST "\n"), 400},
    {"bare CR in a value", REQUEST(HOST "X: a\rb\r\n\r\n"), 400},
    {"bare CR before CR LF", REQUEST("Host: h\r\r\n\r\n"), 400},
    {"NUL in a value", REQUEST(HOST "X: a\0b\r\n\r\n"), 400},
    {"control character in a value", REQUEST(HOST "X: a\x1f\r\n\r\n"), 400},
    {"DEL in a value", REQUEST(HOST "X: a\x7f\r\n\r\n"), 400},
    {"tab and bytes over 127 in a value", REQUEST(HOST "X: a\tb\xc3\xa4\r\n\r\n"), 0},
    {"TLS on the clear-text port", BYTES("\x16\x03\x01\x02"), 400},
    /* field lines */
    {"folded line", REQUEST(HOST "X: a\r\n b\r\n\r\n"), 400},
    {"line folded by a tab", REQUEST(HOST "X: a\r\n\tb\r\n\r\n"), 400},
    {"fold of nothing", REQUEST(" X: a\r\n" HOST "\r\n"), 400},
    {"space before the colon", REQUEST(HOST "X : a\r\n\r\n"), 400},
    {"space in a name", REQUEST(HOST "X Y: a\r\n\r\n"), 400},
    {"tab in a name", REQUEST(HOST "X\t: a\r\n\r\n"), 400},
    {"empty name", REQUEST(HOST ": a\r\n\r\n"), 400},
    {"no colon", REQUEST(HOST "X\r\n\r\n"), 400},
    {"name with a bracket", REQUEST(HOST "X(: a\r\n\r\n"), 400},
    {"name over 127", REQUEST(HOST "\xc3\xa4: a\r\n\r\n"), 400},
    {"every character of a token", REQUEST(HOST "!#$%&'*+-.^_`|~aZ09: a\r\n\r\n"), 0},
    {"empty value", REQUEST(HOST "X:\r\n\r\n"), 0},
    /* request line */
    {"two spaces before the target", BYTES("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"two spaces behind the target", BYTES("GET /  HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"space behind the version", BYTES("GET / HTTP/1.1 \r\n" HOST "\r\n"), 400},
    {"space before the method", BYTES(" GET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"tab for a space", BYTES("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"bad method", BYTES("G@T / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no target", BYTES("GET HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no version", BYTES("GET /\r\n" HOST "\r\n"), 400},
    {"version in lower case", BYTES("GET / http/1.1\r\n" HOST "\r\n"), 400},
    {"version of one number", BYTES("GET / HTTP/1\r\n" HOST "\r\n"), 400},
    {"version with two digits", BYTES("GET / HTTP/1.10\r\n" HOST "\r\n"), 400},
    {"HTTP/2.0", BYTES("PRI * HTTP/2.0\r\n\r\n"), 505},
    {"HTTP/0.9 by name", BYTES("GET / HTTP/0.9\r\n" HOST "\r\n"), 505},
    {"HTTP/1.2 is 1.x", BYTES("GET / HTTP/1.2\r\n" HOST "\r\n"), 0},
    {"HTTP/1.0 without Host", BYTES("GET / HTTP/1.0\r\n\r\n"), 0},
    /* target */
    {"escape of one digit", BYTES("GET /%4 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"escape that is not hex", BYTES("GET /%4g HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"escape without digits", BYTES("GET /a% HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"bad escape in the query", BYTES("GET /?a=%zz HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"fragment", BYTES("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"byte over 127 in the target", BYTES("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"target without a slash", BYTES("GET a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"target of a query alone", BYTES("GET ?a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"authority form", BYTES("CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"asterisk of OPTIONS", BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"asterisk of GET", BYTES("GET * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"absolute form without a host", BYTES("GET http:///a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"absolute form with user information", BYTES("GET http://u@h/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"absolute form of another scheme", BYTES("GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    /* Host */
    {"no Host", REQUEST("X: a\r\n\r\n"), 400},
    {"empty Host", REQUEST("Host:\r\n\r\n"), 400},
    {"second Host", REQUEST(HOST HOST "\r\n"), 400},
    {"second Host in HTTP/1.0", BYTES("GET / HTTP/1.0\r\n" HOST "hOST: h\r\n\r\n"), 400},
    {"Host with a space", REQUEST("Host: a b\r\n\r\n"), 400},
    {"Host with a slash", REQUEST("Host: a/b\r\n\r\n"), 400},
    {"Host of a port alone", REQUEST("Host: :80\r\n\r\n"), 400},
    {"absolute form of a port alone", BYTES("GET http://:80/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"Host with user information", REQUEST("Host: u@h\r\n\r\n"), 400},
    {"Host of version 6 with a port", REQUEST("Host: [::1]:80\r\n\r\n"), 0},
    {"no Host but an absolute target", BYTES("GET http://h/ HTTP/1.1\r\n\r\n"), 400},
    /* length */
    {"Content-Length at the cap", REQUEST(HOST "Content-Length: 100\r\n\r\n"), 0},
    {"body over the cap, from the head", REQUEST(HOST "Content-Length: 101\r\n\r\n"), 413},
    {"second Content-Length, equal", REQUEST(HOST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n"),
     400},
    {"Content-Length as a list", REQUEST(HOST "Content-Length: 5, 5\r\n\r\n"), 400},
    {"plus sign", REQUEST(HOST "Content-Length: +5\r\n\r\n"), 400},
    {"minus sign", REQUEST(HOST "Content-Length: -5\r\n\r\n"), 400},
    {"hex", REQUEST(HOST "Content-Length: 0x5\r\n\r\n"), 400},
    {"space in a number", REQUEST(HOST "Content-Length: 1 0\r\n\r\n"), 400},
    {"empty Content-Length", REQUEST(HOST "Content-Length:\r\n\r\n"), 400},
    {"length 2^64", REQUEST(HOST "Content-Length: 18446744073709551616\r\n\r\n"), 400},
    {"length 10 * 2^64", REQUEST(HOST "Content-Length: 184467440737095516160\r\n\r\n"), 400},
    {"length 2^64 - 1", REQUEST(HOST "Content-Length: 18446744073709551615\r\n\r\n"), 413},
    {"leading zeros", REQUEST(HOST "Content-Length: 0005\r\n\r\n"), 0},
    /* transfer codings */
    {"chunked", REQUEST(HOST "Transfer-Encoding: chunked\r\n\r\n"), 411},
    {"Chunked", REQUEST(HOST "Transfer-Encoding: Chunked\r\n\r\n"), 411},
    {"another coding", REQUEST(HOST "Transfer-Encoding: gzip\r\n\r\n"), 501},
    {"another coding and chunked", REQUEST(HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501},
    {"nearly chunked", REQUEST(HOST "Transfer-Encoding: xchunked\r\n\r\n"), 501},
    {"chunked twice",
     REQUEST(HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 501},
    {"length before the coding",
     REQUEST(HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"coding before the length",
     REQUEST(HOST "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"), 400},
    {"coding in HTTP/1.0", BYTES("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
};

static int status_in(const struct text *log)
{
    return strncmp(log->ptr, "done ", 5) == 0     ? 0
           : strncmp(log->ptr, "status ", 7) == 0 ? atoi(log->ptr + 7)
                                                  : -1;
}

START_TEST(every_request_gets_its_status_whole_bytewise_and_at_every_split)
{
    wsrt_span in = requests[_i].in;
    struct text whole = feed_request(in, (struct split){0, 0}, &small, GUARDED);

    ck_assert_msg(status_in(&whole) == requests[_i].status, "%s: got %s want %d", requests[_i].name,
                  whole.ptr, requests[_i].status);
    for (size_t first = 1; first < in.len; first++)
        for (size_t step = 0; step < 3; step++) {
            struct text cut = feed_request(in, (struct split){first, step}, &small, GUARDED);
            ck_assert_msg(strcmp(cut.ptr, whole.ptr) == 0, "%s, cut at %zu/%zu: got %s want %s",
                          requests[_i].name, first, step, cut.ptr, whole.ptr);
            text_free(&cut);
        }
    text_free(&whole);
}
END_TEST

/* ---- requests: what is read ---------------------------------------------------------------- */

static const struct {
    const char *name;
    wsrt_span in;
    const char *log;
} read_rows[] = {
    {"method, path, query, host and fields",
     BYTES(
         "POST /a%2Fb/c?x=1?&y=%20 HTTP/1.1\r\nHost: Example.com:80\r\nX-Y: \t a b \t\r\n\r\nbody"),
     "done 73 1.1 keep-alive 1 expect 0 body 0\nmethod POST\npath /a%2Fb/c\nquery x=1?&y=%20\n"
     "host Example.com:80\nname Host\nvalue Example.com:80\nname X-Y\nvalue a b\n"},
    {"the end of the head alone decides", BYTES("GET / HTTP/1.1\r\n" HOST "\r\nGET \n\n\0"),
     "done 27 1.1 keep-alive 1 expect 0 body 0\nmethod GET\npath /\nquery \nhost h\nname Host\n"
     "value h\n"},
    {"HTTP/1.0 is never kept alive",
     BYTES("GET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"),
     "done 64 1.0 keep-alive 0 expect 0 body 0\nmethod GET\npath /\nquery \nhost \nname "
     "Connection\n"
     "value keep-alive\nname Expect\nvalue 100-continue\n"},
    {"Connection: close among others, and Expect",
     REQUEST(
         "Host:h\r\nConnection: x ,\tCLOSE\r\nExpect: 100-Continue\r\nContent-Length: 7\r\n\r\n"),
     "done 90 1.1 keep-alive 0 expect 1 body 7\nmethod GET\npath /\nquery \nhost h\nname "
     "Host\nvalue "
     "h\nname Connection\nvalue x ,\tCLOSE\nname Expect\nvalue 100-Continue\nname "
     "Content-Length\nvalue 7\n"},
    {"an absolute target names the host", BYTES("GET HTTP://real:1/p?q HTTP/1.1\r\n" HOST "\r\n"),
     "done 43 1.1 keep-alive 1 expect 0 body 0\nmethod GET\npath /p\nquery q\nhost real:1\nname "
     "Host\nvalue h\n"},
    {"an absolute target without a path", BYTES("GET https://real HTTP/1.1\r\n" HOST "\r\n"),
     "done 38 1.1 keep-alive 1 expect 0 body 0\nmethod GET\npath /\nquery \nhost real\nname Host\n"
     "value h\n"},
    {"unfinished", BYTES("GET / HTTP/1.1\r\n" HOST "\r"), "more\n"},
};

START_TEST(every_request_is_taken_apart_the_same_at_every_split)
{
    wsrt_span in = read_rows[_i].in;

    for (size_t first = 0; first < in.len; first++) {
        struct text got = feed_request(in, (struct split){first, first % 3}, NULL, GUARDED);
        ck_assert_msg(strcmp(got.ptr, read_rows[_i].log) == 0, "%s, cut at %zu: got %s want %s",
                      read_rows[_i].name, first, got.ptr, read_rows[_i].log);
        text_free(&got);
    }
}
END_TEST

static char *head_with_fields(size_t count)
{
    char *head = malloc(64 + count * 8);

    ck_assert_ptr_nonnull(head);
    strcpy(head, "GET / HTTP/1.1\r\n" HOST);
    for (size_t i = 1; i < count; i++)
        strcat(head, "a: b\r\n");
    return strcat(head, "\r\n");
}

static int parse(wsrt_span in, const wsrt_http_limits *limits, wsrt_http_request *req)
{
    uint32_t scanned = 0;

    return wsrt_http_parse_request(in.ptr, in.len, limits, &scanned, req);
}

START_TEST(sixty_four_fields_are_taken_and_one_more_is_431)
{
    wsrt_http_request req;
    char *most = head_with_fields(64), *over = head_with_fields(65);

    ck_assert_int_eq(parse((wsrt_span){most, strlen(most)}, NULL, &req), WSRT_HTTP_DONE);
    ck_assert_uint_eq(req.fields.count, 64);
    ck_assert_int_eq(parse((wsrt_span){over, strlen(over)}, NULL, &req), 431);
    free(most);
    free(over);
}
END_TEST

START_TEST(a_head_of_exactly_the_cap_is_taken)
{
    static const char head[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    wsrt_http_limits limits = {.max_head = sizeof head - 1, .max_target = 10, .max_body = 0};
    wsrt_http_request req;
    uint32_t scanned = 0;

    ck_assert_int_eq(wsrt_http_parse_request(head, sizeof head - 1, &limits, &scanned, &req),
                     WSRT_HTTP_DONE);
    limits.max_head--;
    scanned = 0;
    ck_assert_int_eq(wsrt_http_parse_request(head, sizeof head - 1, &limits, &scanned, &req), 431);
}
END_TEST

START_TEST(defaults_are_8_kib_of_head_4096_of_target_and_128_kib_of_body)
{
    static char big[9000];
    wsrt_http_request req;
    wsrt_span at_cap = BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 131072\r\n\r\n");
    wsrt_span over = BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 131073\r\n\r\n");

    ck_assert_int_eq(parse(at_cap, NULL, &req), WSRT_HTTP_DONE);
    ck_assert_int_eq(parse(over, NULL, &req), 413);
    ck_assert_uint_eq(req.content_length, 131073);
    ck_assert_uint_eq(req.head_len, over.len);
    memset(big, 'a', sizeof big);
    memcpy(big, "GET /", 5);
    ck_assert_int_eq(parse((wsrt_span){big, 8191}, NULL, &req), WSRT_HTTP_MORE);
    ck_assert_int_eq(parse((wsrt_span){big, 8192}, NULL, &req), 414);
    memcpy(big + 4 + 4096, " HTTP/1.1\r\n" HOST "\r\n", 22);
    ck_assert_int_eq(parse((wsrt_span){big, 4 + 4096 + 22}, NULL, &req), WSRT_HTTP_DONE);
    ck_assert_uint_eq(req.path.len, 4096);
    memcpy(big + 4 + 4096, "a HTTP/1.1\r\n" HOST "\r\n", 23);
    ck_assert_int_eq(parse((wsrt_span){big, 4 + 4096 + 23}, NULL, &req), 414);
}
END_TEST

/* A parser that began anew with each byte would look at 8192 * 8191 / 2 bytes: the test would still
 * pass, but `scanned` shows what it remembers. */
START_TEST(what_was_scanned_is_not_scanned_again)
{
    wsrt_http_request req;
    wsrt_span head = BYTES("GET / HTTP/1.1\r\nHost");
    uint32_t scanned = 0;

    for (size_t len = 1; len <= head.len; len++) {
        ck_assert_int_eq(wsrt_http_parse_request(head.ptr, len, NULL, &scanned, &req),
                         WSRT_HTTP_MORE);
        ck_assert_uint_eq(scanned, head.ptr[len - 1] == '\r' ? len - 1 : len);
    }
}
END_TEST

/* ---- responses ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    wsrt_span in;
    const char *log;
} responses[] = {
    {"a body by length, and the next response", RESPONSE("Content-Length: 3\r\n\r\nabcHTTP"),
     "done 38 1.1 200 keep-alive 1 framing 1 body 3\nreason OK\nname Content-Length\nvalue 3\n"
     "616263 end\n"},
    {"an empty body", RESPONSE("Content-Length: 0\r\n\r\n"),
     "done 38 1.1 200 keep-alive 1 framing 1 body 0\nreason OK\nname Content-Length\nvalue 0\n "
     "end\n"},
    {"a body cut short", RESPONSE("Content-Length: 3\r\n\r\nab"),
     "done 38 1.1 200 keep-alive 1 framing 1 body 3\nreason OK\nname Content-Length\nvalue "
     "3\nmore\n6162"},
    {"a body until the end", RESPONSE("\r\nab"),
     "done 19 1.1 200 keep-alive 0 framing 3 body 0\nreason OK\nmore\n6162"},
    {"no reason", BYTES("HTTP/1.1 204\r\n\r\n"),
     "done 16 1.1 204 keep-alive 1 framing 0 body 0\nreason \n end\n"},
    {"a reason of two words", BYTES("HTTP/1.0 404 Not Found\r\n\r\n"),
     "done 26 1.0 404 keep-alive 0 framing 3 body 0\nreason Not Found\nmore\n"},
    {"an interim response has no body", BYTES("HTTP/1.1 100 Continue\r\n\r\n"),
     "done 25 1.1 100 keep-alive 1 framing 0 body 0\nreason Continue\n end\n"},
    {"304 with a length has no body", BYTES("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n"),
     "done 37 1.1 304 keep-alive 1 framing 0 body 0\nreason x\nname Content-Length\nvalue 9\n "
     "end\n"},
    {"Connection: close", RESPONSE("Connection: close\r\nContent-Length: 0\r\n\r\n"),
     "done 57 1.1 200 keep-alive 0 framing 1 body 0\nreason OK\nname Connection\nvalue close\nname "
     "Content-Length\nvalue 0\n end\n"},
#define CHUNKED(rest) RESPONSE("Transfer-Encoding: chunked\r\n\r\n" rest)
#define CHUNKED_HEAD                                                                               \
    "done 47 1.1 200 keep-alive 1 framing 2 body 0\nreason OK\nname Transfer-Encoding\nvalue "     \
    "chunked\n"
    {"two chunks and the next response", CHUNKED("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\nX"),
     CHUNKED_HEAD "61626364 end\n"},
    {"no chunk", CHUNKED("0\r\n\r\n"), CHUNKED_HEAD " end\n"},
    {"hex in both cases, leading zeros",
     CHUNKED("00a\r\n0123456789\r\n0A\r\n0123456789\r\n000\r\n\r\n"),
     CHUNKED_HEAD "3031323334353637383930313233343536373839 end\n"},
    {"chunk extensions and trailers are dropped",
     CHUNKED("1 ; a=\"b\"\r\na\r\n0;x\r\nX-T: 1\r\nY: 2\r\n\r\n"), CHUNKED_HEAD "61 end\n"},
    {"chunks cut short", CHUNKED("3\r\nab"), CHUNKED_HEAD "more\n6162"},
    {"data longer than its chunk", CHUNKED("1\r\nab\r\n"), CHUNKED_HEAD "61 broken\n"},
    {"chunk without a size", CHUNKED("\r\n"), CHUNKED_HEAD " broken\n"},
    {"chunk size that is not hex", CHUNKED("g\r\n"), CHUNKED_HEAD " broken\n"},
    {"chunk size with a sign", CHUNKED("+1\r\n"), CHUNKED_HEAD " broken\n"},
    {"chunk size with 0x", CHUNKED("0x1\r\n"), CHUNKED_HEAD " broken\n"},
    {"chunk size over 2^60", CHUNKED("11111111111111111\r\n"), CHUNKED_HEAD " broken\n"},
    {"bare LF behind a chunk size", CHUNKED("1\na\r\n"), CHUNKED_HEAD " broken\n"},
    {"bare LF behind a chunk", CHUNKED("1\r\na\n"), CHUNKED_HEAD "61 broken\n"},
    {"bare CR behind a chunk size", CHUNKED("1\r1\r\n"), CHUNKED_HEAD " broken\n"},
    {"bare CR behind a chunk", CHUNKED("1\r\na\ra"), CHUNKED_HEAD "61 broken\n"},
    {"control character in an extension", CHUNKED("1;\x01\r\n"), CHUNKED_HEAD " broken\n"},
    {"folded trailer", CHUNKED("0\r\n X: 1\r\n"), CHUNKED_HEAD " broken\n"},
    {"bare LF in the trailers", CHUNKED("0\r\nX: 1\n\r\n"), CHUNKED_HEAD " broken\n"},
    {"bare CR in the trailers", CHUNKED("0\r\nX: 1\rY"), CHUNKED_HEAD " broken\n"},
    {"bare CR at the end", CHUNKED("0\r\n\r\r"), CHUNKED_HEAD " broken\n"},
    {"length with chunks", RESPONSE("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
     "error -7 Transfer-Encoding with Content-Length\n"},
    {"two lengths", RESPONSE("Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
     "error -7 second Content-Length\n"},
    {"another coding", RESPONSE("Transfer-Encoding: gzip\r\n\r\n"),
     "error -7 unknown transfer coding\n"},
    {"another protocol", BYTES("RTSP/1.0 200 OK\r\n\r\n"), "error -7 bad status line\n"},
    {"another version", BYTES("HTTP/2.0 200 OK\r\n\r\n"), "error -7 bad status line\n"},
    {"status of two digits", BYTES("HTTP/1.1 20 OK\r\n\r\n"), "error -7 bad status line\n"},
    {"status of four digits", BYTES("HTTP/1.1 2000 OK\r\n\r\n"), "error -7 bad status line\n"},
    {"status 99", BYTES("HTTP/1.1 099 OK\r\n\r\n"), "error -7 bad status line\n"},
    {"status 600", BYTES("HTTP/1.1 600 OK\r\n\r\n"), "error -7 bad status line\n"},
    {"no status", BYTES("HTTP/1.1\r\n\r\n"), "error -7 bad status line\n"},
    {"bad field", RESPONSE("a b: c\r\n\r\n"), "error -7 bad field line\n"},
    {"bare LF", BYTES("HTTP/1.1 200 OK\n\n"), "error -7 bare CR or LF, or a control character\n"},
};

START_TEST(every_response_is_read_the_same_at_every_split)
{
    wsrt_span in = responses[_i].in;

    for (size_t first = 0; first < in.len; first++)
        for (size_t step = 0; step < 3; step++) {
            struct text got = feed_response(in, (struct split){first, step}, GUARDED);
            ck_assert_msg(strcmp(got.ptr, responses[_i].log) == 0,
                          "%s, cut at %zu/%zu: got %s want %s", responses[_i].name, first, step,
                          got.ptr, responses[_i].log);
            text_free(&got);
        }
}
END_TEST

START_TEST(heads_and_chunk_lines_without_end_are_bounded)
{
    static char in[20000];
    wsrt_http_response resp = {.framing = WSRT_HTTP_BY_CHUNKS};
    wsrt_http_body body;
    uint32_t scanned = 0;

    memset(in, 'a', sizeof in);
    ck_assert_int_eq(wsrt_http_parse_response(in, 8192, NULL, &scanned, &resp), WSRT_ERR_TOO_LARGE);
    wsrt_http_body_start(&body, &resp);
    memcpy(in, "1;", 2);
    wsrt_span rest = {in, 8192}, piece;
    ck_assert_int_eq(wsrt_http_body_read(&body, &rest, &piece), WSRT_HTTP_MORE);
    rest = (wsrt_span){in + 2, 1};
    ck_assert_int_eq(wsrt_http_body_read(&body, &rest, &piece), WSRT_ERR_MALFORMED);
}
END_TEST

START_TEST(the_bound_of_chunk_lines_begins_anew_with_each_chunk)
{
    wsrt_http_response resp = {.framing = WSRT_HTTP_BY_CHUNKS};
    wsrt_http_body body;
    wsrt_span piece, in;

    wsrt_http_body_start(&body, &resp);
    for (int i = 0; i < 3000; i++) {
        in = span_of("1;x\r\na\r\n");
        ck_assert_int_eq(wsrt_http_body_read(&body, &in, &piece), WSRT_HTTP_PIECE);
        ck_assert_int_eq(wsrt_http_body_read(&body, &in, &piece), WSRT_HTTP_MORE);
    }
}
END_TEST

START_TEST(a_body_until_the_end_may_be_of_any_length)
{
    wsrt_http_response resp = {.framing = WSRT_HTTP_UNTIL_CLOSE};
    wsrt_http_body body;
    wsrt_span piece, in;

    wsrt_http_body_start(&body, &resp);
    for (int i = 0; i < 1000; i++) {
        in = (wsrt_span){A100, 100};
        ck_assert_int_eq(wsrt_http_body_read(&body, &in, &piece), WSRT_HTTP_PIECE);
        ck_assert_uint_eq(piece.len, 100);
        ck_assert_int_eq(wsrt_http_body_read(&body, &in, &piece), WSRT_HTTP_MORE);
    }
}
END_TEST

/* ---- helpers ------------------------------------------------------------------------------- */

static void expect_span(wsrt_span got, const char *want)
{
    ck_assert_uint_eq(got.len, strlen(want));
    ck_assert_mem_eq(got.ptr, want, got.len);
}

START_TEST(fields_are_found_without_case_and_counted)
{
    wsrt_http_request req;
    wsrt_span value = {"untouched", 9};

    ck_assert_int_eq(parse((wsrt_span)REQUEST(HOST "Aa: 1\r\naA: 2\r\nAab: 3\r\n\r\n"), NULL, &req),
                     WSRT_HTTP_DONE);
    ck_assert_uint_eq(wsrt_http_find(&req.fields, "b", &value), 0);
    expect_span(value, "untouched");
    ck_assert_uint_eq(wsrt_http_find(&req.fields, "aa", &value), 2);
    expect_span(value, "1");
    ck_assert_uint_eq(wsrt_http_find(&req.fields, "AAB", NULL), 1);
}
END_TEST

START_TEST(tokens_are_found_in_any_place_of_any_line)
{
    static const struct {
        const char *head;
        int has;
    } rows[] = {
        {"C: t", 1},         {"C: T", 1},     {"c: a,t", 1},   {"C: a , t ,b", 1}, {"C: ,,t", 1},
        {"C: a\r\nC: t", 1}, {"C: \tt\t", 1}, {"C: tt", 0},    {"C: a t", 0},      {"C: t;q=1", 0},
        {"C:", 0},           {"D: t", 0},     {"C: \"t\"", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_http_request req;
        char head[100] = "GET / HTTP/1.1\r\n" HOST;
        strcat(strcat(head, rows[i].head), "\r\n\r\n");
        ck_assert_int_eq(parse(span_of(head), NULL, &req), WSRT_HTTP_DONE);
        ck_assert_msg(wsrt_http_has_token(&req.fields, "c", "t") == rows[i].has, "%s",
                      rows[i].head);
    }
}
END_TEST

START_TEST(escaped_slashes_are_data_and_never_separate)
{
    wsrt_span path = span_of("/a%2Fb//%40c%3D"), segment;
    char out[32];

    ck_assert_int_eq(wsrt_http_segment(&path, &segment), 1);
    expect_span(segment, "a%2Fb");
    expect_span((wsrt_span){out, wsrt_http_unescape(out, segment)}, "a/b");
    ck_assert_int_eq(wsrt_http_segment(&path, &segment), 1);
    expect_span(segment, "");
    ck_assert_int_eq(wsrt_http_segment(&path, &segment), 1);
    expect_span((wsrt_span){out, wsrt_http_unescape(out, segment)}, "@c=");
    segment = (wsrt_span){"untouched", 9};
    ck_assert_int_eq(wsrt_http_segment(&path, &segment), 0);
    expect_span(segment, "untouched");
}
END_TEST

START_TEST(a_slash_alone_is_one_empty_segment)
{
    wsrt_span path = span_of("/"), segment;

    ck_assert_int_eq(wsrt_http_segment(&path, &segment), 1);
    ck_assert_uint_eq(segment.len, 0);
    ck_assert_int_eq(wsrt_http_segment(&path, &segment), 0);
}
END_TEST

START_TEST(escapes_are_decoded_once_and_bad_ones_are_left)
{
    static const struct {
        const char *in, *out;
    } rows[] = {{"%41%6a%6A", "Ajj"}, {"%2541", "%41"}, {"a+b", "a+b"}, {"%4", "%4"},
                {"%", "%"},           {"%zz", "%zz"},   {"%4z", "%4z"}, {"", ""}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[32];
        expect_span((wsrt_span){out, wsrt_http_unescape(out, span_of(rows[i].in))}, rows[i].out);
    }
}
END_TEST

START_TEST(query_parameters_are_found_and_counted)
{
    wsrt_span value = {"untouched", 9};
    wsrt_span query = span_of("a=1&token=x%3D=y&&b&token=z");

    ck_assert_uint_eq(wsrt_http_query(query, "tok", &value), 0);
    ck_assert_uint_eq(wsrt_http_query((wsrt_span){NULL, 0}, "a", &value), 0);
    expect_span(value, "untouched");
    ck_assert_uint_eq(wsrt_http_query(query, "token", &value), 2);
    expect_span(value, "x%3D=y");
    ck_assert_uint_eq(wsrt_http_query(query, "b", &value), 1);
    ck_assert_uint_eq(value.len, 0);
}
END_TEST

/* ---- opening handshake --------------------------------------------------------------------- */

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static const struct {
    const char *name, *head;
    int result;
} handshakes[] = {
    {"the example of RFC 6455", "GET / HTTP/1.1\r\n" UPGRADE VERSION KEY, 101},
    {"tokens in lists and any case",
     "GET / HTTP/1.1\r\n" HOST
     "Upgrade: h2c, WebSocket\r\nConnection: keep-alive, uPGRADE\r\n" VERSION KEY,
     101},
    {"a plain request", "GET / HTTP/1.1\r\n" HOST, 0},
    {"a plain POST", "POST / HTTP/1.1\r\n" HOST, 0},
    {"no Connection token", "GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" VERSION KEY, 0},
    {"another protocol", "GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n", 0},
    {"not GET", "POST / HTTP/1.1\r\n" UPGRADE VERSION KEY, 405},
    {"get in lower case", "get / HTTP/1.1\r\n" UPGRADE VERSION KEY, 405},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n" UPGRADE VERSION KEY, 400},
    {"a body", "GET / HTTP/1.1\r\n" UPGRADE VERSION KEY "Content-Length: 1\r\n", 400},
    {"no version", "GET / HTTP/1.1\r\n" UPGRADE KEY, 426},
    {"version 8", "GET / HTTP/1.1\r\n" UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", 426},
    {"version twice", "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION VERSION, 426},
    {"no key", "GET / HTTP/1.1\r\n" UPGRADE VERSION, 400},
    {"two keys", "GET / HTTP/1.1\r\n" UPGRADE VERSION KEY KEY, 400},
    {"a key of 15 bytes",
     "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1\r\n", 400},
    {"a key of 17 bytes",
     "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Njc=\r\n", 400},
    {"a key that is not base64",
     "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_Q==\r\n", 400},
    {"an empty key", "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key:\r\n", 400},
};

START_TEST(every_handshake_gets_its_answer)
{
    char head[400], accept[WSRT_WS_ACCEPT_LEN];
    wsrt_http_request req;

    strcat(strcpy(head, handshakes[_i].head), "\r\n");
    memset(accept, '?', sizeof accept);
    ck_assert_int_eq(parse(span_of(head), NULL, &req), WSRT_HTTP_DONE);
    ck_assert_msg(wsrt_ws_upgrade(&req, accept) == handshakes[_i].result, "%s",
                  handshakes[_i].name);
    if (handshakes[_i].result == WSRT_WS_SWITCH)
        ck_assert_mem_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof accept);
    else
        ck_assert_mem_eq(accept, "????????????????????????????", sizeof accept);
}
END_TEST

#define SWITCHING "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

START_TEST(a_client_takes_the_right_answer_only)
{
    static const struct {
        const char *head;
        int good;
    } rows[] = {
        {SWITCHING ACCEPT, 1},
        {SWITCHING, 0},
        {SWITCHING ACCEPT ACCEPT, 0},
        {SWITCHING "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n", 0},
        {SWITCHING ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n", 0},
        {"HTTP/1.1 200 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT, 0},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT, 0},
        {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT, 0},
    };
    char key[WSRT_WS_KEY_LEN];

    wsrt_ws_key(key, (const unsigned char *)"the sample nonce");
    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_http_response resp;
        uint32_t scanned = 0;
        char head[400];
        strcat(strcpy(head, rows[i].head), "\r\n");
        ck_assert_int_eq(wsrt_http_parse_response(head, strlen(head), NULL, &scanned, &resp),
                         WSRT_HTTP_DONE);
        ck_assert_msg((wsrt_ws_refused(&resp, key) == NULL) == rows[i].good, "%s", rows[i].head);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("http1");
    TCase *t = tcase_create("http1");

    tcase_add_loop_test(t, every_request_gets_its_status_whole_bytewise_and_at_every_split, 0,
                        (int)COUNT(requests));
    tcase_add_loop_test(t, every_request_is_taken_apart_the_same_at_every_split, 0,
                        (int)COUNT(read_rows));
    tcase_add_test(t, sixty_four_fields_are_taken_and_one_more_is_431);
    tcase_add_test(t, a_head_of_exactly_the_cap_is_taken);
    tcase_add_test(t, defaults_are_8_kib_of_head_4096_of_target_and_128_kib_of_body);
    tcase_add_test(t, what_was_scanned_is_not_scanned_again);
    tcase_add_loop_test(t, every_response_is_read_the_same_at_every_split, 0,
                        (int)COUNT(responses));
    tcase_add_test(t, heads_and_chunk_lines_without_end_are_bounded);
    tcase_add_test(t, the_bound_of_chunk_lines_begins_anew_with_each_chunk);
    tcase_add_test(t, a_body_until_the_end_may_be_of_any_length);
    tcase_add_test(t, fields_are_found_without_case_and_counted);
    tcase_add_test(t, tokens_are_found_in_any_place_of_any_line);
    tcase_add_test(t, escaped_slashes_are_data_and_never_separate);
    tcase_add_test(t, a_slash_alone_is_one_empty_segment);
    tcase_add_test(t, escapes_are_decoded_once_and_bad_ones_are_left);
    tcase_add_test(t, query_parameters_are_found_and_counted);
    tcase_add_loop_test(t, every_handshake_gets_its_answer, 0, (int)COUNT(handshakes));
    tcase_add_test(t, a_client_takes_the_right_answer_only);
    suite_add_tcase(s, t);
    return s;
}
