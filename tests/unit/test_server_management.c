/* The paths that manage a server: who may use them, and what API Gateway's clients see there. */
#include "server_rig.h"
#include "suite.h"

#include "common/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;
static const unsigned char here[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};
static char got[300000];

static void start_with(wsrt_server_options o)
{
    o.struct_size = sizeof o;
    rig_start(&rig, &o);
}

static void start(void)
{
    start_with((wsrt_server_options){0});
}

static void stop(void)
{
    rig_stop(&rig);
}

/* Sends a whole request from an address; the answer's status, its text in `got`. */
static int ask_from(const unsigned char *ip, const char *request, size_t len)
{
    int fd = rig_adopt_from(&rig, ip), ended, status = 0;
    size_t sent = 0;

    while (sent < len) {
        size_t part = len - sent < 16384 ? len - sent : 16384;
        rig_send(fd, request + sent, part);
        sent += part;
        rig_steps(&rig, 2);
    }
    got[rig_read(&rig, fd, got, sizeof got - 1, &ended)] = '\0';
    sscanf(got, "HTTP/1.1 %d ", &status);
    close(fd);
    rig_steps(&rig, 2);
    return status;
}

static int ask(const char *method, const char *path, const char *fields, const char *body)
{
    static char request[4096];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
                       method, path, fields, strlen(body), body);

    return ask_from(here, request, (size_t)len);
}

/* `/@connections/{id}` of the last connection, as SDKs write it. */
static const char *path_of_last(void)
{
    static char path[128];

    snprintf(path, sizeof path, "/@connections/%.15s%%3D", rig.id);
    return path;
}

static int manage(const char *method, const char *body)
{
    return ask(method, path_of_last(), "", body);
}

static void expect_frame(int fd, int opcode, const char *text, size_t wanted)
{
    static char payload[300000];
    size_t len = 0;

    ck_assert_int_eq(rig_next(&rig, fd, payload, sizeof payload, &len), opcode);
    ck_assert_uint_eq(len, wanted);
    ck_assert_mem_eq(payload, text, wanted);
}

static void expect_error(const char *name)
{
    char line[96];

    snprintf(line, sizeof line, "\r\nx-amzn-ErrorType: %s\r\n", name);
    ck_assert_msg(strstr(got, line) != NULL, "%s", got);
    ck_assert_msg(strstr(got, "\r\n\r\n{\"message\":\"") != NULL, "%s", got);
}

/* ---- operations ----------------------------------------------------------------------------- */

START_TEST(a_post_reaches_its_connection_as_text)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_int_eq(manage("POST", "gr\303\274\303\237e"), 200);
    ck_assert_ptr_nonnull(strstr(got, "\r\nContent-Length: 0\r\n"));
    ck_assert_ptr_null(strstr(got, "Content-Type"));
    expect_frame(fd, WSRT_WS_OP_TEXT, "gr\303\274\303\237e", 7);
    close(fd);
    stop();
}
END_TEST

START_TEST(what_is_not_utf8_arrives_as_a_binary_message)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_int_eq(manage("POST", "\377\376"), 200);
    expect_frame(fd, WSRT_WS_OP_BINARY, "\377\376", 2);
    close(fd);
    stop();
}
END_TEST

START_TEST(an_empty_post_is_an_empty_message)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_int_eq(manage("POST", ""), 200);
    expect_frame(fd, WSRT_WS_OP_TEXT, "", 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_get_tells_when_and_from_where_a_connection_is)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_int_eq(manage("GET", ""), 200);
    ck_assert_msg(strstr(got, "{\"connectedAt\":\"2026-11-20T10:00:00.000Z\",\"identity\":"
                              "{\"sourceIp\":\"192.0.2.1\",\"userAgent\":\"\"},"
                              "\"lastActiveAt\":\"2026-11-20T10:00:00.000Z\"}") != NULL,
                  "%s", got);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_get_tells_the_user_agent)
{
    const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "User-Agent: tester/1 \"x\"\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    int ended;

    start();
    int fd = rig_adopt(&rig);
    rig_send(fd, request, sizeof request - 1);
    rig_read(&rig, fd, got, 129, &ended);
    ck_assert_int_eq(manage("GET", ""), 200);
    ck_assert_msg(strstr(got, "\"userAgent\":\"tester/1 \\\"x\\\"\"") != NULL, "%s", got);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_delete_closes_with_1000_and_the_next_one_is_gone)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_int_eq(manage("DELETE", ""), 204);
    ck_assert_ptr_null(strstr(got, "Content-Length"));
    ck_assert_str_eq(strstr(got, "\r\n\r\n"), "\r\n\r\n");
    ck_assert_int_eq(rig_close_code(&rig, fd), 1000);
    ck_assert_int_eq(rig.disconnects, 1);
    ck_assert_int_eq(manage("DELETE", ""), 410);
    expect_error("GoneException");
    close(fd);
    stop();
}
END_TEST

START_TEST(every_answer_has_a_request_id_and_a_date)
{
    static const struct {
        const char *method;
        int status;
    } rows[] = {{"POST", 200}, {"GET", 200}, {"PUT", 405}, {"DELETE", 204}, {"POST", 410}};

    start();
    int fd = rig_open(&rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(manage(rows[i].method, ""), rows[i].status);
        const char *id = strstr(got, "\r\nx-amzn-RequestId: ");
        ck_assert_ptr_nonnull(id);
        ck_assert_uint_eq(strspn(id + 20, "0123456789abcdef-"), 36);
        ck_assert_msg(strstr(got, "\r\nDate: Fri, 20 Nov 2026 10:00:00 GMT\r\n") != NULL, "%s",
                      got);
    }
    close(fd);
    stop();
}
END_TEST

/* ---- paths and ids -------------------------------------------------------------------------- */

/* %s is the id, its pad left out. */
static const struct {
    const char *path;
    int status;
} path_rows[] = {
    {"/@connections/%s=", 200},
    {"/@connections/%s%%3D", 200},
    {"/@connections/%s%%3d", 200},
    {"/%%40connections/%s%%3D", 200},
    {"/prod/@connections/%s=", 200},
    {"/prod/%%40connections/%s=", 200},
    {"/%%70rod/@connections/%s=", 200},
    {"/dev/@connections/%s=", 403},
    {"/%%2540connections/%s=", 404}, /* decoded once */
    {"/@connections/%s%%253D", 400},
    {"/@connections/%.0s", 400},
    {"/prod/@connections/%.0s", 400},
    {"/@connections/%.0sa%%20b", 400},
    {"/@connections/%.0sa%%0D%%0Ab", 400},
    {"/@connections/%.0sa.b", 400},
    {"/@connections/%.0sAAAAAAAAAAAAAAA=", 410},
    {"/@connections/%.0sa%%2Fb", 410},
    {"/@connections%.0s", 404},
    {"/@connections/%s=/more", 404},
    {"/a/b/@connections/%s=", 404},
};

START_TEST(an_id_is_found_by_its_path_alone)
{
    char path[128], id[16];

    start();
    int fd = rig_open(&rig);
    snprintf(id, sizeof id, "%.15s", rig.id);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(path, sizeof path, path_rows[_i].path, id);
#pragma GCC diagnostic pop
    ck_assert_msg(ask("POST", path, "", "x") == path_rows[_i].status, "%s: %s", path, got);
    if (path_rows[_i].status == 200)
        expect_frame(fd, WSRT_WS_OP_TEXT, "x", 1);
    else
        ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &(size_t){0}), -1);
    close(fd);
    stop();
}
END_TEST

START_TEST(an_id_of_128_characters_is_gone_and_a_longer_one_is_bad)
{
    char path[256] = "/@connections/";

    start();
    memset(path + 14, 'a', 128);
    ck_assert_int_eq(ask("GET", path, "", ""), 410);
    expect_error("GoneException");
    path[14 + 128] = 'a';
    ck_assert_int_eq(ask("GET", path, "", ""), 400);
    expect_error("BadRequestException");
    stop();
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

static int post_of(size_t size)
{
    static char request[300000];
    int head = snprintf(request, sizeof request,
                        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
                        path_of_last(), size);

    memset(request + head, 'a', size);
    return ask_from(here, request, (size_t)head + size);
}

START_TEST(a_post_of_131072_bytes_arrives_whole)
{
    static char wanted[131072];

    start();
    int fd = rig_open(&rig);
    memset(wanted, 'a', sizeof wanted);
    ck_assert_int_eq(post_of(131072), 200);
    expect_frame(fd, WSRT_WS_OP_TEXT, wanted, sizeof wanted);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_post_of_one_byte_more_is_413_by_name)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_int_eq(post_of(131073), 413);
    expect_error("PayloadTooLargeException");
    ck_assert_ptr_nonnull(strstr(got, "\r\nx-amzn-RequestId: "));
    ck_assert_int_eq(rig_next(&rig, fd, got, sizeof got, &(size_t){0}), -1);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_post_to_a_full_queue_is_429_and_changes_nothing)
{
    uint32_t before;
    int status;

    start_with((wsrt_server_options){.queue_soft = 100000, .queue_hard = 200000});
    int fd = rig_open(&rig);
    do {
        before = wsrt_conn_queued(rig_conn(&rig));
        status = post_of(60000);
    } while (status == 200);
    ck_assert_int_eq(status, 429);
    expect_error("LimitExceededException");
    ck_assert_uint_eq(wsrt_conn_queued(rig_conn(&rig)), before);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(a_draining_server_is_503_by_name)
{
    wsrt_drain_options slowly = {.struct_size = sizeof slowly, .lame_duck_ms = 5000};

    start();
    int fd = rig_open(&rig);
    wsrt_server_drain(rig.server, &slowly);
    rig_steps(&rig, 2);
    ck_assert_int_eq(manage("POST", "x"), 503);
    expect_error("ServiceUnavailableException");
    close(fd);
    stop();
}
END_TEST

/* ---- who may -------------------------------------------------------------------------------- */

static const struct {
    const char *fields;
    int status;
} traces[] = {
    {"", 200},
    {"Authorization: AWS4-HMAC-SHA256 Credential=a/b\r\n", 200},
    {"Origin: http://localhost\r\n", 403},
    {"Origin: http://evil.example\r\n", 403},
    {"Forwarded: for=1.2.3.4\r\n", 403},
    {"X-Forwarded-For: 1.2.3.4\r\n", 403},
    {"x-forwarded-proto: https\r\n", 403},
    {"X-Forwarded-Prefix: /x\r\n", 403},
    {"Via: 1.1 x\r\n", 403},
    {"vIA: 1.1 x\r\n", 403},
    {"x-real-IP: 1.2.3.4\r\n", 403},
    {"x-forwarded-client-cert: x\r\n", 403},
    {"FORWARDED: for=1.2.3.4\r\n", 403},
    {"Viaduct: x\r\nX-Forwarded: x\r\nForwarded-X: x\r\n", 200},
};

START_TEST(on_loopback_a_program_may_but_neither_a_page_nor_a_proxy)
{
    start();
    int fd = rig_open(&rig);
    ck_assert_msg(ask("POST", path_of_last(), traces[_i].fields, "x") == traces[_i].status,
                  "%s: %s", traces[_i].fields, got);
    if (traces[_i].status == 403)
        expect_error("ForbiddenException");
    close(fd);
    stop();
}
END_TEST

START_TEST(another_machine_or_a_foreign_host_is_forbidden)
{
    static const unsigned char there[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 9};
    char request[256];

    start();
    int fd = rig_open(&rig);
    int len = snprintf(request, sizeof request, "DELETE %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                       path_of_last());
    ck_assert_int_eq(ask_from(there, request, (size_t)len), 403);
    len = snprintf(request, sizeof request, "DELETE %s HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                   path_of_last());
    ck_assert_int_eq(ask_from(here, request, (size_t)len), 403);
    ck_assert_int_eq(rig.disconnects, 0);
    close(fd);
    stop();
}
END_TEST

START_TEST(who_bears_the_secret_may_from_anywhere)
{
    static const unsigned char there[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 9};
    char request[512];

    start_with((wsrt_server_options){.management = WSRT_MANAGEMENT_BEARER,
                                     .management_token = wsrt_span_cstr("s3cret")});
    int fd = rig_open(&rig);
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: api.example\r\nAuthorization: bearer s3cret\r\n"
                       "X-Forwarded-For: 1.2.3.4\r\n\r\n",
                       path_of_last());
    ck_assert_int_eq(ask_from(there, request, (size_t)len), 200);
    close(fd);
    stop();
}
END_TEST

static const char *const wrong_secrets[] = {
    "",
    "Authorization: Bearer\r\n",
    "Authorization: Bearer \r\n",
    "Authorization: Bearer s3cre\r\n",
    "Authorization: Bearer s3cret3\r\n",
    "Authorization: Bearer s3creT\r\n",
    "Authorization: Bearer s3crets3cret\r\n",
    "Authorization: Basic s3cret\r\n",
    "Authorization: Bearer s3cret\r\nAuthorization: Bearer s3cret\r\n",
};

START_TEST(without_the_secret_even_loopback_is_forbidden)
{
    start_with((wsrt_server_options){.management = WSRT_MANAGEMENT_BEARER,
                                     .management_token = wsrt_span_cstr("s3cret")});
    int fd = rig_open(&rig);
    ck_assert_msg(ask("GET", path_of_last(), wrong_secrets[_i], "") == 403, "%s",
                  wrong_secrets[_i]);
    expect_error("ForbiddenException");
    ck_assert_ptr_null(strstr(got, "s3c"));
    ck_assert_int_eq(ask("GET", "/metrics", wrong_secrets[_i], ""), 403);
    close(fd);
    stop();
}
END_TEST

/* ---- signed requests ------------------------------------------------------------------------ */

static const char gone[] = "/@connections/AAAAAAAAAAAAAAA%3D";

/* What a client does differently from what it should. */
typedef struct mischief {
    const char *name;
    const char *secret;
    const char *access_key;
    const char *service;
    const char *names_less; /* of a field that is not signed */
    const char *body;       /* sent, instead of the signed "hello" */
    const char *path;       /* likewise */
    int64_t late_ms;
    int status;
} mischief;

static const mischief signers[] = {
    {.name = "as it should be", .status = 410},
    {.name = "4 min late", .late_ms = 240000, .status = 410},
    {.name = "4 min early", .late_ms = -240000, .status = 410},
    {.name = "another secret", .secret = "guessed", .status = 403},
    {.name = "another access key", .access_key = "AKIDOTHERS", .status = 403},
    {.name = "another service", .service = "s3", .status = 403},
    {.name = "the host unsigned", .names_less = "host", .status = 403},
    {.name = "the time unsigned", .names_less = "x-amz-date", .status = 403},
    {.name = "another body", .body = "hellO", .status = 403},
    {.name = "another path", .path = "/@connections/BAAAAAAAAAAAAAA%3D", .status = 403},
    {.name = "6 min late", .late_ms = 360000, .status = 403},
    {.name = "6 min early", .late_ms = -360000, .status = 403},
};

static const char *or_else(const char *given, const char *standard)
{
    return given != NULL ? given : standard;
}

static int ask_signed(const mischief *m)
{
    char time[WSRT_SIGV4_TIME + 1] = "", hex[WSRT_SHA256_HEX], authorization[512], fields[1024];
    wsrt_sigv4_scope scope = {.region = wsrt_span_cstr("eu-central-1"),
                              .service = wsrt_span_cstr(or_else(m->service, "execute-api"))};
    wsrt_http_field signed_fields[2];
    wsrt_sigv4_request r = {.method = wsrt_span_cstr("POST"),
                            .path = wsrt_span_cstr(gone),
                            .fields = signed_fields,
                            .body_hex = hex};
    wsrt_sigv4_signer who = {.access_key = wsrt_span_cstr(or_else(m->access_key, "AKIDEXAMPLE"))};

    wsrt_sigv4_time(time, rig.wall - m->late_ms);
    memcpy(scope.time, time, WSRT_SIGV4_TIME);
    if (m->names_less == NULL || strcmp(m->names_less, "host") != 0)
        signed_fields[r.field_count++] =
            (wsrt_http_field){wsrt_span_cstr("host"), wsrt_span_cstr("localhost")};
    if (m->names_less == NULL || strcmp(m->names_less, "x-amz-date") != 0)
        signed_fields[r.field_count++] =
            (wsrt_http_field){wsrt_span_cstr("x-amz-date"), wsrt_span_cstr(time)};
    wsrt_sha256_hex(hex, wsrt_span_cstr("hello"));
    wsrt_sigv4_key(who.key, wsrt_span_cstr(or_else(m->secret, "sesame")), &scope);
    ck_assert_int_eq(wsrt_sigv4_authorize(&r, &scope, &who, authorization, sizeof authorization),
                     WSRT_OK);
    snprintf(fields, sizeof fields, "X-Amz-Date: %s\r\nAuthorization: %s\r\n", time, authorization);
    return ask("POST", or_else(m->path, gone), fields, or_else(m->body, "hello"));
}

static const wsrt_server_options sigv4 = {
    .management = WSRT_MANAGEMENT_SIGV4,
    .management_access_key = {"AKIDEXAMPLE", 11},
    .management_secret_key = {"sesame", 6},
};

START_TEST(who_signs_as_an_sdk_may_and_nobody_else)
{
    start_with(sigv4);
    int status = ask_signed(&signers[_i]);
    ck_assert_msg(status == signers[_i].status, "%s: %d", signers[_i].name, status);
    stop();
}
END_TEST

static const char *const no_signatures[] = {
    "",
    "Authorization: Bearer sesame\r\n",
    "Authorization: AWS4-HMAC-SHA256 \r\nX-Amz-Date: 20261120T100000Z\r\n",
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/r/execute-api/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=00\r\nX-Amz-Date: 20261120T100000Z\r\n",
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE, SignedHeaders=;, Signature=,\r\n"
    "X-Amz-Date: 2026\r\n",
};

START_TEST(without_a_signature_even_loopback_is_forbidden)
{
    start_with(sigv4);
    ck_assert_int_eq(ask("GET", "/metrics", no_signatures[_i], ""), 403);
    ck_assert_int_eq(ask("POST", gone, no_signatures[_i], "hello"), 403);
    stop();
}
END_TEST

START_TEST(a_guard_by_signature_needs_both_keys)
{
    wsrt_server_options o = sigv4;
    wsrt_runtime *rt;
    wsrt_server *s;

    o.struct_size = sizeof o;
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    o.management_secret_key.len = 0;
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_INVALID);
    o.management_secret_key.len = 6;
    o.management_access_key.len = 0;
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_INVALID);
    wsrt_runtime_free(rt);
}
END_TEST

/* ---- behind proxies ------------------------------------------------------------------------- */

static const wsrt_span proxies[] = {{"192.0.2.0/24", 12}, {"127.0.0.1", 9}};
static const unsigned char proxy[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 7};
static const unsigned char stranger[16] = {[10] = 0xff, [11] = 0xff, 203, 0, 113, 9};

static int upgrade_from(const unsigned char *ip, const char *fields, int *status)
{
    char request[1024], answer[4096];
    int fd = rig_adopt_from(&rig, ip), ended;
    int len = snprintf(request, sizeof request, "%.*s%s\r\n", (int)strlen(rig_upgrade) - 2,
                       rig_upgrade, fields);

    rig_send(fd, request, (size_t)len);
    answer[rig_read(&rig, fd, answer, sizeof answer - 1, &ended)] = '\0';
    *status = 0;
    sscanf(answer, "HTTP/1.1 %d ", status);
    return fd;
}

/* As `get` and handlers see it. */
static void expect_source(const unsigned char *ip, const char *fields, const char *source)
{
    wsrt_connection_info info = {.struct_size = sizeof info};
    int status, fd = upgrade_from(ip, fields, &status);
    wsrt_span id = wsrt_span_cstr(rig.id);

    ck_assert_int_eq(status, 101);
    ck_assert_int_eq(rig.sender.ops->get(rig.sender.self, &id, &info), WSRT_OK);
    ck_assert_str_eq(info.source_ip, source);
    close(fd);
    rig_steps(&rig, 3);
}

static void start_behind_proxies(wsrt_server_options o)
{
    o.trusted_proxies = proxies;
    o.trusted_proxy_count = 2;
    start_with(o);
}

START_TEST(the_source_is_the_right_most_address_that_is_no_proxys)
{
    start_behind_proxies((wsrt_server_options){0});
    expect_source(proxy, "X-Forwarded-For: 203.0.113.5\r\n", "203.0.113.5");
    expect_source(proxy, "X-Forwarded-For: 6.6.6.6, 203.0.113.5\r\n", "203.0.113.5");
    expect_source(proxy, "X-Forwarded-For: 6.6.6.6, 203.0.113.5, 192.0.2.9\r\n", "203.0.113.5");
    expect_source(proxy, "x-forwarded-for: 6.6.6.6\r\nX-Forwarded-For: 2001:db8::5\r\n",
                  "2001:db8::5");
    expect_source(proxy, "X-Forwarded-For: 192.0.2.8, 192.0.2.9\r\n", "192.0.2.8");
    expect_source(proxy, "X-Forwarded-For: 203.0.113.5, unknown\r\n", "192.0.2.7");
    expect_source(proxy, "X-Forwarded-For: 203.0.113.5, what, 192.0.2.9\r\n", "192.0.2.9");
    expect_source(proxy, "", "192.0.2.7");
    expect_source(stranger, "X-Forwarded-For: 6.6.6.6\r\n", "203.0.113.9");
    stop();
}
END_TEST

START_TEST(the_limit_of_an_address_counts_sources_and_never_a_proxy)
{
    int status, fds[4];

    start_behind_proxies((wsrt_server_options){.max_per_ip = 1});
    fds[0] = upgrade_from(proxy, "X-Forwarded-For: 203.0.113.5\r\n", &status);
    ck_assert_int_eq(status, 101);
    fds[1] = upgrade_from(proxy, "X-Forwarded-For: 203.0.113.5\r\n", &status);
    ck_assert_int_eq(status, 429);
    fds[2] = upgrade_from(proxy, "X-Forwarded-For: 203.0.113.6\r\n", &status);
    ck_assert_int_eq(status, 101);
    fds[3] = upgrade_from(proxy, "", &status);
    ck_assert_int_eq(status, 101);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    rig_steps(&rig, 3);
    ck_assert_uint_eq(rig.server->peers.count, 0);
    stop();
}
END_TEST

/* A client that says it is this machine is none of it. */
START_TEST(a_forwarded_loopback_address_is_counted_like_any_other)
{
    int status, fds[2];

    start_behind_proxies((wsrt_server_options){.max_per_ip = 1});
    fds[0] = upgrade_from(proxy, "X-Forwarded-For: 127.0.0.9\r\n", &status);
    ck_assert_int_eq(status, 101);
    fds[1] = upgrade_from(proxy, "X-Forwarded-For: 127.0.0.9\r\n", &status);
    ck_assert_int_eq(status, 429);
    close(fds[0]);
    close(fds[1]);
    stop();
}
END_TEST

START_TEST(with_trusted_proxies_loopback_is_off_on_the_public_listener)
{
    start_behind_proxies((wsrt_server_options){0});
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 404);
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 404);
    ck_assert_int_eq(ask("GET", "/@connections/AAAAAAAAAAAAAAA=", "", ""), 404);
    ck_assert_int_eq(ask("GET", "/healthz", "", ""), 200);
    stop();
}
END_TEST

START_TEST(a_secret_still_opens_behind_proxies)
{
    start_behind_proxies((wsrt_server_options){.management = WSRT_MANAGEMENT_BEARER,
                                               .management_token = wsrt_span_cstr("sesame")});
    ck_assert_int_eq(ask("GET", "/metrics", "Authorization: Bearer sesame\r\n", ""), 200);
    stop();
}
END_TEST

START_TEST(a_proxy_that_is_no_address_is_refused)
{
    static const wsrt_span wrong[] = {{"example.com", 11}};
    wsrt_server_options o = {
        .struct_size = sizeof o, .trusted_proxies = wrong, .trusted_proxy_count = 1};
    wsrt_runtime *rt;
    wsrt_server *s;

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&s, rt, &o), WSRT_ERR_INVALID);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(management_that_is_off_is_not_there)
{
    start_with((wsrt_server_options){.management = WSRT_MANAGEMENT_OFF});
    int fd = rig_open(&rig);
    ck_assert_int_eq(manage("GET", ""), 404);
    ck_assert_ptr_null(strstr(got, "x-amzn"));
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 404);
    ck_assert_int_eq(ask("GET", "/healthz", "", ""), 200);
    close(fd);
    stop();
}
END_TEST

/* ---- API Gateway's limits ------------------------------------------------------------------- */

/* The code of the close that follows a message of so many bytes, in frames of at most `frame`. */
static int code_under_api_gateway(int opcode, size_t size, size_t frame)
{
    static char data[131073];

    start_with((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY});
    int fd = rig_open(&rig);
    memset(data, 'a', sizeof data);
    for (size_t sent = 0; sent < size; sent += frame) {
        size_t part = size - sent < frame ? size - sent : frame;
        rig_frame(fd, sent == 0 ? opcode : WSRT_WS_OP_CONTINUATION, sent + part == size, data,
                  part);
        rig_steps(&rig, 3);
    }
    int code = rig_close_code(&rig, fd);
    close(fd);
    stop();
    return code;
}

START_TEST(under_api_gateway_a_binary_message_is_1003)
{
    ck_assert_int_eq(code_under_api_gateway(WSRT_WS_OP_BINARY, 1, 1), 1003);
}
END_TEST

START_TEST(under_api_gateway_a_frame_of_32769_bytes_is_1009_and_one_less_is_not)
{
    ck_assert_int_eq(code_under_api_gateway(WSRT_WS_OP_TEXT, 32769, 32769), 1009);
    ck_assert_int_eq(code_under_api_gateway(WSRT_WS_OP_TEXT, 32768, 32768), 0);
}
END_TEST

START_TEST(under_api_gateway_a_message_of_131073_bytes_is_1009_and_one_less_is_not)
{
    ck_assert_int_eq(code_under_api_gateway(WSRT_WS_OP_TEXT, 131073, 32768), 1009);
    ck_assert_int_eq(code_under_api_gateway(WSRT_WS_OP_TEXT, 131072, 32768), 0);
}
END_TEST

START_TEST(under_api_gateway_silence_of_ten_minutes_is_1001)
{
    start_with((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY});
    int fd = rig_open(&rig);
    rig_advance(&rig, 599000);
    ck_assert_int_eq(rig.disconnects, 0);
    rig_advance(&rig, 1500);
    ck_assert_int_eq(rig_close_code(&rig, fd), 1001);
    close(fd);
    stop();
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *suite(void)
{
    Suite *s = suite_create("server_management");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_post_reaches_its_connection_as_text);
    tcase_add_test(t, what_is_not_utf8_arrives_as_a_binary_message);
    tcase_add_test(t, an_empty_post_is_an_empty_message);
    tcase_add_test(t, a_get_tells_when_and_from_where_a_connection_is);
    tcase_add_test(t, a_get_tells_the_user_agent);
    tcase_add_test(t, a_delete_closes_with_1000_and_the_next_one_is_gone);
    tcase_add_test(t, every_answer_has_a_request_id_and_a_date);
    tcase_add_loop_test(t, an_id_is_found_by_its_path_alone, 0, ROWS(path_rows));
    tcase_add_test(t, an_id_of_128_characters_is_gone_and_a_longer_one_is_bad);
    tcase_add_test(t, a_post_of_131072_bytes_arrives_whole);
    tcase_add_test(t, a_post_of_one_byte_more_is_413_by_name);
    tcase_add_test(t, a_post_to_a_full_queue_is_429_and_changes_nothing);
    tcase_add_test(t, a_draining_server_is_503_by_name);
    tcase_add_loop_test(t, on_loopback_a_program_may_but_neither_a_page_nor_a_proxy, 0,
                        ROWS(traces));
    tcase_add_test(t, another_machine_or_a_foreign_host_is_forbidden);
    tcase_add_test(t, who_bears_the_secret_may_from_anywhere);
    tcase_add_loop_test(t, without_the_secret_even_loopback_is_forbidden, 0, ROWS(wrong_secrets));
    tcase_add_loop_test(t, who_signs_as_an_sdk_may_and_nobody_else, 0,
                        (int)(sizeof signers / sizeof signers[0]));
    tcase_add_loop_test(t, without_a_signature_even_loopback_is_forbidden, 0,
                        (int)(sizeof no_signatures / sizeof no_signatures[0]));
    tcase_add_test(t, a_guard_by_signature_needs_both_keys);
    tcase_add_test(t, the_source_is_the_right_most_address_that_is_no_proxys);
    tcase_add_test(t, the_limit_of_an_address_counts_sources_and_never_a_proxy);
    tcase_add_test(t, a_forwarded_loopback_address_is_counted_like_any_other);
    tcase_add_test(t, with_trusted_proxies_loopback_is_off_on_the_public_listener);
    tcase_add_test(t, a_secret_still_opens_behind_proxies);
    tcase_add_test(t, a_proxy_that_is_no_address_is_refused);
    tcase_add_test(t, management_that_is_off_is_not_there);
    tcase_add_test(t, under_api_gateway_a_binary_message_is_1003);
    tcase_add_test(t, under_api_gateway_a_frame_of_32769_bytes_is_1009_and_one_less_is_not);
    tcase_add_test(t, under_api_gateway_a_message_of_131073_bytes_is_1009_and_one_less_is_not);
    tcase_add_test(t, under_api_gateway_silence_of_ten_minutes_is_1001);
    suite_add_tcase(s, t);
    return s;
}
