#define _GNU_SOURCE
#include "client.h"
#include "commands.h"
#include "tool.h"

#include "common/base64.h"

#include <wsrt/json.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 1 << 20, CLOSE_WAIT_MS = 1000 };

struct session {
    const struct connect_settings *settings;
    struct client client;
    int64_t opened; /* ns */
    int64_t last;   /* ns of the last message either way */
    int64_t received;
    char *line; /* bytes of stdin, not yet a whole line */
    size_t line_len;
    int reading; /* 1 = stdin is still open */
};

/* ---- output ---- */

static int to_stdout(void *user, const void *data, size_t len)
{
    (void)user;
    return fwrite(data, 1, len, stdout) == len ? WSRT_OK : WSRT_ERR_IO;
}

static void print_json(const struct session *s, int opcode, const unsigned char *data, size_t len)
{
    char buffer[4096];
    wsrt_json_writer w;
    wsrt_span text = {(const char *)data, len};
    char *encoded = NULL;

    if (opcode == WSRT_WS_OP_BINARY) {
        encoded = malloc((len + 2) / 3 * 4 + 1);
        if (encoded == NULL)
            return;
        text = (wsrt_span){encoded, wsrt_base64_encode(encoded, data, len)};
    }
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, WSRT_JSON_REPLACE_UTF8, to_stdout, NULL);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "t_ms");
    wsrt_json_write_int64(&w, (clock_ns() - s->opened) / 1000000);
    wsrt_json_key(&w, "type");
    wsrt_json_string_cstr(&w, opcode == WSRT_WS_OP_BINARY ? "binary" : "text");
    wsrt_json_key(&w, "data");
    wsrt_json_string(&w, text);
    wsrt_json_object_end(&w);
    wsrt_json_finish(&w, NULL);
    free(encoded);
}

static void on_message(void *user, int opcode, const unsigned char *data, size_t len)
{
    struct session *s = user;

    if (s->settings->expect > 0 && s->received == s->settings->expect)
        return;
    s->received++;
    s->last = clock_ns();
    if (strcmp(s->settings->format, "json") == 0)
        print_json(s, opcode, data, len);
    else
        fwrite(data, 1, len, stdout);
    putchar('\n');
    fflush(stdout);
}

/* ---- input ---- */

static int send_text(struct session *s, const char *text, size_t len)
{
    s->last = clock_ns();
    return client_send(&s->client, s->settings->binary ? WSRT_WS_OP_BINARY : WSRT_WS_OP_TEXT, text,
                       len);
}

static int send_given(struct session *s)
{
    int rc = 0;

    for (size_t i = 0; i < s->settings->send.count && rc == 0; i++)
        rc = send_text(s, s->settings->send.items[i].ptr, s->settings->send.items[i].len);
    return rc;
}

static int send_lines(struct session *s)
{
    size_t at = 0;
    char *end;
    int rc = 0;

    while (rc == 0 && (end = memchr(s->line + at, '\n', s->line_len - at)) != NULL) {
        size_t len = (size_t)(end - s->line) - at;
        rc = send_text(s, s->line + at, len > 0 && end[-1] == '\r' ? len - 1 : len);
        at += len + 1;
    }
    s->line_len -= at;
    memmove(s->line, s->line + at, s->line_len);
    return rc;
}

static int read_stdin(struct session *s)
{
    ssize_t n = read(STDIN_FILENO, s->line + s->line_len, LINE_MAX_LEN - s->line_len);

    if (n > 0) {
        s->line_len += (size_t)n;
        int rc = send_lines(s);
        if (rc == 0 && s->line_len == LINE_MAX_LEN)
            return complain(TOOL_USAGE, "a line of stdin is longer than %d bytes", LINE_MAX_LEN);
        return rc;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n < 0)
        return complain(TOOL_USAGE, "cannot read 'stdin': %s", strerror(errno));
    s->reading = 0;
    s->last = clock_ns();
    return s->line_len > 0 ? send_text(s, s->line, s->line_len) : 0;
}

/* ---- session ---- */

/* When the session ends by itself; INT64_MAX = not yet known. */
static int64_t deadline(const struct session *s)
{
    if (s->settings->expect > 0)
        return s->opened + s->settings->timeout_ms * 1000000;
    if (s->reading || client_has_unsent(&s->client))
        return INT64_MAX;
    return s->last + s->settings->linger_ms * 1000000;
}

static int wait_ms(const struct session *s)
{
    int64_t left = deadline(s);

    if (client_has_early(&s->client))
        return 0;
    if (left == INT64_MAX)
        return -1;
    left = (left - clock_ns() + 999999) / 1000000;
    return left < 0 ? 0 : (int)left;
}

/* Runs until a reason to stop: -1 = the connection has ended, 0 = enough, else an exit status. */
static int converse(struct session *s)
{
    int rc = send_given(s);

    while (rc == 0) {
        struct pollfd p[2] = {
            {.fd = s->client.fd, .events = POLLIN},
            {.fd = s->reading && !client_has_unsent(&s->client) ? STDIN_FILENO : -1,
             .events = POLLIN}};
        if (client_has_unsent(&s->client))
            p[0].events |= POLLOUT;
        int n = poll(p, 2, wait_ms(s));
        if (p[0].revents & POLLOUT) {
            rc = client_flush(&s->client);
            s->last = clock_ns(); /* it was not sent before */
        }
        if (rc == 0 &&
            (p[0].revents & (POLLIN | POLLHUP | POLLERR) || client_has_early(&s->client)))
            rc = client_receive(&s->client, on_message, s);
        if (ferror(stdout))
            return complain(TOOL_INTERNAL, "cannot write to stdout");
        if (s->settings->expect > 0 && s->received >= s->settings->expect)
            return 0;
        if (rc == 0 && p[1].revents != 0)
            rc = read_stdin(s);
        if (rc == 0 && n == 0 && clock_ns() >= deadline(s))
            return 0;
    }
    return rc;
}

static void ignore_message(void *user, int opcode, const unsigned char *data, size_t len)
{
    (void)user;
    (void)opcode;
    (void)data;
    (void)len;
}

static void say_goodbye(struct session *s)
{
    int64_t end = clock_ns() + CLOSE_WAIT_MS * INT64_C(1000000);

    client_close(&s->client, 1000);
    while (s->client.close_code == 0 && clock_ns() < end) {
        struct pollfd p = {.fd = s->client.fd, .events = POLLIN};
        if (client_has_unsent(&s->client))
            p.events |= POLLOUT;
        poll(&p, 1, CLOSE_WAIT_MS);
        if (client_flush(&s->client) != 0)
            return;
        if (client_receive(&s->client, ignore_message, NULL) != 0)
            return;
    }
}

/* Whether something to send is left; asked once, at the end. */
static int is_left(const struct session *s)
{
    struct pollfd p = {.fd = s->reading ? STDIN_FILENO : -1, .events = POLLIN};
    char one;

    return s->line_len > 0 || client_has_unsent(&s->client) ||
           (poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &one, 1) > 0);
}

static int conclude(struct session *s, int rc)
{
    const struct connect_settings *set = s->settings;

    if (rc > 0)
        return rc;
    if (set->expect > 0 && s->received >= set->expect)
        return TOOL_OK;
    if (rc < 0 && s->client.close_code != 1000)
        return complain(TOOL_UNMET, "the connection was closed: %d %s", s->client.close_code,
                        s->client.reason);
    if (rc < 0 && is_left(s))
        return complain(TOOL_UNMET, "the connection was closed before all was sent");
    if (set->expect > 0)
        return complain(TOOL_UNMET, "%" PRId64 " of %" PRId64 " messages came", s->received,
                        set->expect);
    return TOOL_OK;
}

static int talk(const struct connect_settings *set, const struct client_request *request)
{
    struct session s = {.settings = set};
    int status = client_open(&s.client, request, 0);

    if (status != 0)
        return status;
    s.opened = s.last = clock_ns();
    s.reading = set->send.count == 0 || set->read_stdin;
    s.line = malloc(LINE_MAX_LEN);
    if (s.line == NULL) {
        client_end(&s.client);
        return complain(TOOL_INTERNAL, "out of memory");
    }
    int rc = converse(&s);
    if (rc == 0)
        say_goodbye(&s);
    status = conclude(&s, rc);
    client_end(&s.client);
    free(s.line);
    return status;
}

int run_connect(struct options *o, char **operands)
{
    struct url url;
    const struct connect_settings *set = o->settings;
    struct client_request request = {.url = &url,
                                     .token = set->token,
                                     .subprotocol = set->subprotocol,
                                     .headers = &set->headers,
                                     .timeout_ms = set->timeout_ms};
    int status = url_parse(&url, operands[0]);

    if (status == 0)
        status = client_trust(&request.tls, &url, set->cacert, set->insecure);
    if (status == 0)
        status = talk(set, &request);
    wsrt_tls_free(request.tls);
    return status;
}
