#include "lambda/client.h"

#include "common/http1.h"
#include "common/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_BUFFER = 16384, MAX_HEAD = 65536, REQUEST_HEAD = 2048, LONGEST_NAME = 95 };

/* ---- the address -------------------------------------------------------------------------- */

static int parse_port(const char *text, in_port_t *out)
{
    unsigned long port = 0;

    if (*text == '\0')
        return WSRT_ERR_INVALID;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return WSRT_ERR_INVALID;
        port = port * 10 + (unsigned long)(*text - '0');
        if (port > 65535)
            return WSRT_ERR_INVALID;
    }
    *out = htons((uint16_t)port);
    return port > 0 ? WSRT_OK : WSRT_ERR_INVALID;
}

static int parse_address(wsrt_lambda_client *c, char *name, in_port_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&c->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&c->address;
    size_t len = strlen(name);

    memset(&c->address, 0, sizeof c->address);
    const char *numeric = strcmp(name, "localhost") == 0 ? "127.0.0.1" : name;
    if (inet_pton(AF_INET, numeric, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        c->address_len = sizeof *v4;
        return WSRT_OK;
    }
    if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
        name[len - 1] = '\0';
        name++;
    }
    if (inet_pton(AF_INET6, name, &v6->sin6_addr) != 1)
        return WSRT_ERR_INVALID;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    c->address_len = sizeof *v6;
    return WSRT_OK;
}

static int parse_endpoint(wsrt_lambda_client *c, wsrt_span endpoint)
{
    char name[LONGEST_NAME + 1];
    in_port_t port;

    if (endpoint.len == 0 || endpoint.len >= sizeof name)
        return WSRT_ERR_INVALID;
    memcpy(name, endpoint.ptr, endpoint.len);
    name[endpoint.len] = '\0';
    c->fields_len = (size_t)snprintf(c->fields, sizeof c->fields,
                                     " HTTP/1.1\r\nHost: %s\r\nUser-Agent: libwsrt/%s\r\n", name,
                                     wsrt_version_string());
    char *colon = strrchr(name, ':');
    if (colon == NULL || parse_port(colon + 1, &port) != WSRT_OK)
        return WSRT_ERR_INVALID;
    *colon = '\0';
    return parse_address(c, name, port);
}

/* ---- life --------------------------------------------------------------------------------- */

int wsrt_lambda_client_init(wsrt_lambda_client *c, wsrt_span endpoint,
                            const wsrt_allocator *allocator)
{
    *c = (wsrt_lambda_client){.allocator = *allocator, .fd = -1};
    int rc = parse_endpoint(c, endpoint);
    if (rc != WSRT_OK)
        return rc;
    c->buf = wsrt_adapter_realloc(&c->allocator, NULL, 0, FIRST_BUFFER);
    if (c->buf == NULL)
        return WSRT_ERR_NOMEM;
    c->cap = FIRST_BUFFER;
    return WSRT_OK;
}

void wsrt_lambda_client_close(wsrt_lambda_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void wsrt_lambda_client_free(wsrt_lambda_client *c)
{
    wsrt_lambda_client_close(c);
    if (c->buf != NULL)
        wsrt_adapter_realloc(&c->allocator, c->buf, c->cap, 0);
    c->buf = NULL;
}

static int open_connection(wsrt_lambda_client *c)
{
    int on = 1;

    if (c->fd >= 0)
        return WSRT_OK;
    c->fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return WSRT_ERR_UNAVAILABLE;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (connect(c->fd, (struct sockaddr *)(void *)&c->address, c->address_len) != 0)
        if (errno != EINTR)
            return errno == EISCONN ? WSRT_OK : WSRT_ERR_UNAVAILABLE;
    return WSRT_OK;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* A text that grows in a fixed place; one that does not fit leaves it full. */
typedef struct head_text {
    char text[REQUEST_HEAD];
    size_t len;
} head_text;

static void add(head_text *h, const char *text, size_t len)
{
    if (len > sizeof h->text - h->len) {
        h->len = sizeof h->text;
        return;
    }
    if (len == 0)
        return;
    memcpy(h->text + h->len, text, len);
    h->len += len;
}

static void add_cstr(head_text *h, const char *text)
{
    add(h, text, strlen(text));
}

static void add_number(head_text *h, size_t n)
{
    char digits[24];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    add(h, digits + at, sizeof digits - at);
}

static int format_head(const wsrt_lambda_client *c, const wsrt_lambda_request *r, head_text *h)
{
    h->len = 0;
    add_cstr(h, r->method);
    add_cstr(h, " ");
    add_cstr(h, r->path);
    add(h, c->fields, c->fields_len);
    if (r->header_name != NULL) {
        add_cstr(h, r->header_name);
        add_cstr(h, ": ");
        add_cstr(h, r->header_value);
        add_cstr(h, "\r\n");
    }
    if (r->body.len > 0) {
        add_cstr(h, "Content-Type: application/json\r\nContent-Length: ");
        add_number(h, r->body.len);
        add_cstr(h, "\r\n");
    }
    add_cstr(h, "\r\n");
    return h->len < sizeof h->text ? WSRT_OK : WSRT_ERR_INVALID;
}

static int send_bytes(const wsrt_lambda_client *c, const char *bytes, size_t len, int flags)
{
    while (len > 0) {
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL | flags);
        if (n < 0 && errno != EINTR)
            return WSRT_ERR_UNAVAILABLE;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return WSRT_OK;
}

/* A short body goes out in one piece with its head, a long one right behind it in the same segments. */
static int send_request(wsrt_lambda_client *c, const wsrt_lambda_request *r)
{
    head_text h;
    int rc = format_head(c, r, &h);
    int together = r->body.len < sizeof h.text - h.len;

    if (rc != WSRT_OK)
        return rc;
    if (together)
        add(&h, r->body.ptr, r->body.len);
    rc = send_bytes(c, h.text, h.len, together ? 0 : MSG_MORE);
    return rc != WSRT_OK || together ? rc : send_bytes(c, r->body.ptr, r->body.len, 0);
}

/* ---- receiving ---------------------------------------------------------------------------- */

static int reserve(wsrt_lambda_client *c, size_t size)
{
    size_t cap = c->cap;

    if (size <= cap)
        return WSRT_OK;
    while (cap < size)
        cap = cap > SIZE_MAX / 2 ? size : cap * 2;
    char *grown = wsrt_adapter_realloc(&c->allocator, c->buf, c->cap, cap);
    if (grown == NULL)
        return WSRT_ERR_NOMEM;
    c->buf = grown;
    c->cap = cap;
    return WSRT_OK;
}

/* Reads once; *eof when the peer has closed. */
static int receive(wsrt_lambda_client *c, int *eof)
{
    int rc = c->len < c->cap ? WSRT_OK : reserve(c, c->cap * 2);
    ssize_t n;

    if (rc != WSRT_OK)
        return rc;
    do
        n = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return WSRT_ERR_UNAVAILABLE;
    c->len += (size_t)n;
    *eof = n == 0;
    return WSRT_OK;
}

/* A descriptor is shut only while the wait has not taken it back, so that its number never means
 * something else by then. */
void wsrt_lambda_stopper_end(wsrt_lambda_stopper *s)
{
    int fd;

    atomic_store(&s->wanted, 1);
    fd = atomic_load(&s->waiting);
    if (fd < 0 || !atomic_compare_exchange_strong(&s->waiting, &fd, WSRT_LAMBDA_ENDING))
        return;
    shutdown(fd, SHUT_RD);
    atomic_store(&s->waiting, WSRT_LAMBDA_NOBODY);
}

/* Reads once, however long that takes: the process may be frozen meanwhile. */
static int receive_or_stop(wsrt_lambda_client *c, int *eof)
{
    wsrt_lambda_stopper *s = c->stopper;
    int fd = c->fd, rc = WSRT_OK;

    if (s == NULL)
        return receive(c, eof);
    atomic_store(&s->waiting, fd);
    if (atomic_load(&s->wanted) == 0)
        rc = receive(c, eof);
    if (!atomic_compare_exchange_strong(&s->waiting, &fd, WSRT_LAMBDA_NOBODY))
        while (atomic_load(&s->waiting) == WSRT_LAMBDA_ENDING)
            sched_yield();
    return atomic_load(&s->wanted) != 0 ? WSRT_ERR_STATE : rc;
}

static int receive_head(wsrt_lambda_client *c, const wsrt_lambda_request *r,
                        wsrt_http_response *head)
{
    static const wsrt_http_limits limits = {.max_head = MAX_HEAD};
    uint32_t scanned = 0;
    int eof = 0;

    for (;;) {
        int rc = wsrt_http_parse_response(c->buf, c->len, &limits, &scanned, head);
        if (rc == WSRT_HTTP_DONE && head->status >= 200)
            return WSRT_OK;
        if (rc == WSRT_HTTP_DONE) { /* an interim response */
            c->len -= head->head_len;
            memmove(c->buf, c->buf + head->head_len, c->len);
            scanned = 0;
            continue;
        }
        if (rc != WSRT_HTTP_MORE)
            return WSRT_ERR_MALFORMED;
        rc = r->may_stop ? receive_or_stop(c, &eof) : receive(c, &eof);
        if (rc != WSRT_OK || eof)
            return rc != WSRT_OK ? rc : WSRT_ERR_UNAVAILABLE;
    }
}

static void copy_text(char *dst, size_t cap, wsrt_span text)
{
    size_t len = text.len < cap ? text.len : 0; /* half an id would be another id */

    if (len > 0)
        memcpy(dst, text.ptr, len);
    dst[len] = '\0';
}

/* Letters, digits and - _ . */
static int fits_path(wsrt_span id)
{
    static const uint64_t allowed[4] = {0x03ff600000000000, 0x07fffffe87fffffe, 0, 0};
    uint64_t good = 1;

    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.ptr[i];
        good &= allowed[c / 64] >> c % 64;
    }
    return (int)good;
}

static int64_t parse_ms(wsrt_span text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || n > (INT64_MAX - 9) / 10)
            return 0;
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n;
}

static void take_facts(wsrt_lambda_answer *answer, const wsrt_http_response *head)
{
    wsrt_span id = {0}, trace = {0}, deadline = {0}, extension = {0};

    wsrt_http_find(&head->fields, "Lambda-Runtime-Aws-Request-Id", &id);
    wsrt_http_find(&head->fields, "Lambda-Runtime-Trace-Id", &trace);
    wsrt_http_find(&head->fields, "Lambda-Runtime-Deadline-Ms", &deadline);
    wsrt_http_find(&head->fields, "Lambda-Extension-Identifier", &extension);
    answer->deadline_ms = parse_ms(deadline);
    copy_text(answer->trace_id, sizeof answer->trace_id, trace);
    if (fits_path(id))
        copy_text(answer->request_id, sizeof answer->request_id, id);
    if (fits_path(extension))
        copy_text(answer->extension_id, sizeof answer->extension_id, extension);
}

/* The body follows the head in the buffer; chunks are moved together as they come. */
static int receive_body(wsrt_lambda_client *c, const wsrt_http_response *head, size_t *body_len)
{
    wsrt_http_body body;
    const size_t at = head->head_len;
    size_t raw = at;
    int eof = 0;

    *body_len = 0;
    wsrt_http_body_start(&body, head);
    if (head->framing == WSRT_HTTP_BY_LENGTH && head->content_length > c->max_body)
        return WSRT_ERR_TOO_LARGE;
    int rc = reserve(c, at + (size_t)head->content_length);
    while (rc == WSRT_OK) {
        wsrt_span in = {c->buf + raw, c->len - raw}, piece;
        int found = wsrt_http_body_read(&body, &in, &piece);
        raw = c->len - in.len;
        if (found == WSRT_HTTP_PIECE) {
            if (piece.len > c->max_body - *body_len)
                return WSRT_ERR_TOO_LARGE;
            memmove(c->buf + at + *body_len, piece.ptr, piece.len);
            *body_len += piece.len;
            continue;
        }
        if (found != WSRT_HTTP_MORE)
            return found == WSRT_HTTP_DONE && in.len == 0 ? WSRT_OK : WSRT_ERR_MALFORMED;
        if (eof)
            return body.framing == WSRT_HTTP_UNTIL_CLOSE ? WSRT_OK : WSRT_ERR_UNAVAILABLE;
        c->len = raw = at + *body_len;
        rc = receive(c, &eof);
    }
    return rc;
}

static int receive_answer(wsrt_lambda_client *c, const wsrt_lambda_request *r,
                          wsrt_lambda_answer *answer)
{
    wsrt_http_response head;
    size_t body_len = 0;

    c->len = 0;
    int rc = receive_head(c, r, &head);
    if (rc != WSRT_OK)
        return rc;
    answer->status = head.status;
    if (!r->status_only)
        take_facts(answer, &head);
    rc = receive_body(c, &head, &body_len);
    if (rc != WSRT_OK)
        return rc;
    answer->body = (wsrt_span){c->buf + head.head_len, body_len};
    if (!head.keep_alive)
        wsrt_lambda_client_close(c);
    return WSRT_OK;
}

int wsrt_lambda_send(wsrt_lambda_client *c, const wsrt_lambda_request *request)
{
    int rc = open_connection(c);

    if (rc == WSRT_OK)
        rc = send_request(c, request);
    if (rc != WSRT_OK)
        wsrt_lambda_client_close(c);
    return rc;
}

int wsrt_lambda_exchange(wsrt_lambda_client *c, const wsrt_lambda_request *request,
                         wsrt_lambda_answer *answer)
{
    answer->status = 0;
    answer->body = (wsrt_span){NULL, 0};
    answer->deadline_ms = 0;
    answer->extension_id[0] = answer->request_id[0] = answer->trace_id[0] = '\0';
    int rc = wsrt_lambda_send(c, request);
    if (rc == WSRT_OK)
        rc = receive_answer(c, request, answer);
    if (rc != WSRT_OK)
        wsrt_lambda_client_close(c);
    return rc;
}
