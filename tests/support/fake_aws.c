#include "fake_aws.h"

#include "common/sigv4.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 256, BUFFER = 300 * 1024 };

struct peer {
    struct fake_aws *f;
    pthread_t thread;
    int fd;
    int number;
};

struct fake_aws {
    fake_handler handler;
    void *user;
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t lock; /* around the handler, and what is below */
    int requests;
    int count;
    struct peer peers[PEERS];
};

/* ---- signatures --------------------------------------------------------------------------- */

/* What stands behind a name in the Authorization field, up to a comma. */
static wsrt_span part(wsrt_span text, const char *name)
{
    const char *at = memmem(text.ptr, text.len, name, strlen(name));

    if (at == NULL)
        return (wsrt_span){0};
    at += strlen(name);
    size_t len = 0, most = (size_t)(text.ptr + text.len - at);
    while (len < most && at[len] != ',')
        len++;
    return (wsrt_span){at, len};
}

static int is_listed(wsrt_span list, wsrt_span name)
{
    size_t from = 0;

    for (size_t i = 0; i <= list.len; i++)
        if (i == list.len || list.ptr[i] == ';') {
            if (wsrt_http_same_text((wsrt_span){list.ptr + from, i - from}, name))
                return 1;
            from = i + 1;
        }
    return 0;
}

/* "AKID/20260102/us-east-1/service/aws4_request" */
static int read_scope(wsrt_span credential, wsrt_sigv4_scope *scope)
{
    wsrt_span words[5] = {{credential.ptr, 0}};
    size_t n = 0;

    for (size_t i = 0; i < credential.len; i++)
        if (credential.ptr[i] != '/')
            words[n].len++;
        else if (++n < 5)
            words[n] = (wsrt_span){credential.ptr + i + 1, 0};
        else
            return 0;
    scope->region = words[2];
    scope->service = words[3];
    return n == 4 && words[0].len == strlen(FAKE_ACCESS_KEY) &&
           memcmp(words[0].ptr, FAKE_ACCESS_KEY, words[0].len) == 0 && words[1].len == 8 &&
           memcmp(words[1].ptr, scope->time, 8) == 0;
}

static int is_signed(const wsrt_http_request *head, wsrt_span body)
{
    wsrt_http_field fields[WSRT_HTTP_FIELDS_MAX];
    wsrt_span authorization, date;
    wsrt_sigv4_scope scope;
    unsigned char key[WSRT_SHA256_LEN];
    char body_hex[WSRT_SHA256_HEX], signature[WSRT_SHA256_HEX];
    wsrt_sigv4_request r = {.method = head->method,
                            .path = head->path,
                            .query = head->query,
                            .fields = fields,
                            .body_hex = body_hex};

    if (wsrt_http_find(&head->fields, "authorization", &authorization) != 1 ||
        wsrt_http_find(&head->fields, "x-amz-date", &date) != 1 || date.len != WSRT_SIGV4_TIME)
        return 0;
    memcpy(scope.time, date.ptr, date.len);
    wsrt_span names = part(authorization, "SignedHeaders="),
              given = part(authorization, "Signature=");
    if (!read_scope(part(authorization, "Credential="), &scope) || given.len != WSRT_SHA256_HEX ||
        !is_listed(names, (wsrt_span){"host", 4}) ||
        !is_listed(names, (wsrt_span){"x-amz-date", 10}))
        return 0;
    for (size_t i = 0; i < head->fields.count; i++)
        if (is_listed(names, head->fields.items[i].name))
            fields[r.field_count++] = head->fields.items[i];
    wsrt_sha256_hex(body_hex, body);
    wsrt_sigv4_key(key, (wsrt_span){FAKE_SECRET_KEY, strlen(FAKE_SECRET_KEY)}, &scope);
    return wsrt_sigv4_sign(&r, &scope, key, signature) == WSRT_OK &&
           memcmp(signature, given.ptr, given.len) == 0;
}

int fake_field_is(const struct fake_request *q, const char *name, const char *value)
{
    wsrt_span found;

    return wsrt_http_find(&q->head->fields, name, &found) == 1 && found.len == strlen(value) &&
           memcmp(found.ptr, value, found.len) == 0;
}

/* ---- a connection ------------------------------------------------------------------------- */

static int send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        text += n;
        len -= (size_t)n;
    }
    return 1;
}

/* 0 when the connection is to be closed. */
static int send_answer(int fd, const struct fake_answer *a)
{
    static const char phrase[] = "As The Test Says";
    char *text = malloc(sizeof a->body + sizeof a->fields + 512);
    size_t len = strlen(a->body);
    int n = sprintf(text, "HTTP/1.1 %d %s\r\n%s", a->status, phrase, a->fields);

    if (a->manner == FAKE_CHUNKED) {
        n += sprintf(text + n, "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t i = 0; i < len; i += 7)
            n += sprintf(text + n, "%zx\r\n%.7s\r\n", len - i < 7 ? len - i : 7, a->body + i);
        n += sprintf(text + n, "0\r\n\r\n");
    } else if (a->manner == FAKE_ENDLESS) {
        n += sprintf(text + n, "Content-Length: 1000000000000\r\n\r\n");
    } else if (a->status == 204) {
        n += sprintf(text + n, "\r\n");
    } else {
        n += sprintf(text + n, "Content-Length: %zu\r\n\r\n%s",
                     len + (a->manner == FAKE_TRUNCATED ? 10 : 0), a->body);
    }
    if (a->manner == FAKE_STALLED)
        n -= (int)(len / 2);
    int ok = send_all(fd, text, (size_t)n);
    memset(text, ' ', 512);
    while (ok && a->manner == FAKE_ENDLESS)
        ok = send_all(fd, text, 512);
    free(text);
    return ok && a->manner != FAKE_TRUNCATED;
}

static int handle(struct peer *p, const wsrt_http_request *head, wsrt_span body)
{
    struct fake_answer *a = calloc(1, sizeof *a);
    char byte;
    int ok = 0;

    a->status = 200;
    pthread_mutex_lock(&p->f->lock);
    struct fake_request q = {.head = head,
                             .body = body,
                             .number = ++p->f->requests,
                             .connection = p->number,
                             .signed_ok = is_signed(head, body)};
    p->f->handler(p->f->user, &q, a);
    pthread_mutex_unlock(&p->f->lock);
    if (a->manner != FAKE_CLOSE && a->manner != FAKE_SILENT)
        ok = send_answer(p->fd, a);
    if (a->manner == FAKE_SILENT || a->manner == FAKE_STALLED)
        ok = recv(p->fd, &byte, 1, 0) > 0; /* until the client has given up */
    free(a);
    return ok;
}

static void *serve(void *arg)
{
    static const wsrt_http_limits limits = {32768, 4096, 256 * 1024};
    struct peer *p = arg;
    char *buffer = malloc(BUFFER);
    wsrt_http_request *head = malloc(sizeof *head);
    size_t len = 0;
    ssize_t n;

    for (;;) {
        uint32_t scanned = 0;
        int rc = wsrt_http_parse_request(buffer, len, &limits, &scanned, head);
        size_t whole = rc == WSRT_HTTP_DONE ? head->head_len + head->content_length : BUFFER;
        if (rc > WSRT_HTTP_MORE)
            break;
        if (rc == WSRT_HTTP_DONE && len >= whole) {
            if (!handle(p, head, (wsrt_span){buffer + head->head_len, head->content_length}))
                break;
            len -= whole;
            memmove(buffer, buffer + whole, len);
            continue;
        }
        n = recv(p->fd, buffer + len, BUFFER - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    shutdown(p->fd, SHUT_RDWR);
    free(head);
    free(buffer);
    return NULL;
}

/* ---- the service ---------------------------------------------------------------------------- */

static void *accept_peers(void *arg)
{
    struct fake_aws *f = arg;

    for (;;) {
        int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&f->lock);
        if (f->count == PEERS)
            abort();
        struct peer *p = &f->peers[f->count++];
        *p = (struct peer){.f = f, .fd = fd, .number = f->count};
        if (pthread_create(&p->thread, NULL, serve, p) != 0)
            abort();
        pthread_mutex_unlock(&f->lock);
    }
}

static int listen_somewhere(int flags, int *port)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof place;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (bind(fd, (struct sockaddr *)&place, sizeof place) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&place, &len) != 0)
        abort();
    *port = ntohs(place.sin_port);
    return fd;
}

int fake_aws_silent(int *port)
{
    return listen_somewhere(SOCK_NONBLOCK, port);
}

struct fake_aws *fake_aws_start(fake_handler handler, void *user)
{
    struct fake_aws *f = calloc(1, sizeof *f);

    f->handler = handler;
    f->user = user;
    pthread_mutex_init(&f->lock, NULL);
    f->listener = listen_somewhere(0, &f->port);
    if (pthread_create(&f->thread, NULL, accept_peers, f) != 0)
        abort();
    return f;
}

void fake_aws_stop(struct fake_aws *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listener);
    for (int i = 0; i < f->count; i++) {
        shutdown(f->peers[i].fd, SHUT_RDWR);
        pthread_join(f->peers[i].thread, NULL);
        close(f->peers[i].fd);
    }
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int fake_aws_port(const struct fake_aws *f)
{
    return f->port;
}

static int read_locked(struct fake_aws *f, const int *number)
{
    pthread_mutex_lock(&f->lock);
    int n = *number;
    pthread_mutex_unlock(&f->lock);
    return n;
}

int fake_aws_requests(struct fake_aws *f)
{
    return read_locked(f, &f->requests);
}

int fake_aws_connections(struct fake_aws *f)
{
    return read_locked(f, &f->count);
}
