#include "runtime_api.h"

#include "common/http1.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PLANS = 256, MAX_RESULTS = 64, BUFFER = 1 << 20, PATIENCE_S = 10 };

struct runtime_api {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed, pushed_more;
    int listener;
    int wake; /* readable once the stub stops */
    int stopping;
    char endpoint[32];
    struct api_plan plans[MAX_PLANS];
    size_t pushed, taken;
    struct api_plan current;
    unsigned posts; /* of the current invocation */
    struct api_result *results;
    size_t result_count;
    unsigned connections, nexts;
    struct api_extension extension;
    int extension_fd; /* its connection, which waits; -1 = none */
    int refuses_extensions;
    char *buf;
    size_t len;
    int reads; /* of the request under way */
};

/* ---- sending ------------------------------------------------------------------------------ */

static void put(int fd, const char *data, size_t len, int split)
{
    while (len > 0) {
        ssize_t n = send(fd, data, split ? 1 : len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void put_status(int fd, int status)
{
    char text[128];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\n"
                       "Content-Length: 2\r\n\r\n{}",
                       status);

    put(fd, text, (size_t)len, 0);
}

static int put_event_head(char *dst, size_t cap, const struct api_plan *p, size_t number)
{
    int n = snprintf(dst, cap, "%sHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
                     p->faults & API_INTERIM ? "HTTP/1.1 100 Continue\r\n\r\n" : "");

    if (!(p->faults & API_NO_ID))
        n += snprintf(dst + n, cap - (size_t)n, "lambda-runtime-aws-request-id: %s%zu\r\n",
                      p->faults & API_BAD_ID ? "../req-" : "req-", number);
    if (p->deadline_ms != 0)
        n += snprintf(dst + n, cap - (size_t)n, "Lambda-Runtime-Deadline-Ms: %lld\r\n",
                      (long long)p->deadline_ms);
    if (p->trace_id != NULL)
        n += snprintf(dst + n, cap - (size_t)n, "Lambda-Runtime-Trace-Id: %s\r\n", p->trace_id);
    if (p->faults & API_CLOSE_HEADER)
        n += snprintf(dst + n, cap - (size_t)n, "Connection: close\r\n");
    return n;
}

static void put_chunks(int fd, const char *event, int split)
{
    size_t left = strlen(event);
    char line[32];

    put(fd, "Transfer-Encoding: chunked\r\n\r\n", 30, split);
    while (left > 0) {
        size_t n = left < 7 ? left : 7;
        int len = snprintf(line, sizeof line, "%zx\r\n", n);
        put(fd, line, (size_t)len, split);
        put(fd, event, n, split);
        put(fd, "\r\n", 2, split);
        event += n;
        left -= n;
    }
    put(fd, "0\r\n\r\n", 5, split);
}

static void put_event(int fd, const struct api_plan *p, size_t number)
{
    const char *event = p->event != NULL ? p->event : "{}";
    int split = (p->faults & API_SPLIT) != 0;
    size_t len = strlen(event);
    char head[1024];
    int n = put_event_head(head, sizeof head, p, number);

    put(fd, head, (size_t)n, split);
    if (p->faults & API_CHUNKED) {
        put_chunks(fd, event, split);
        return;
    }
    n = snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", len);
    put(fd, head, (size_t)n, split);
    put(fd, event, p->faults & API_CUT ? len / 2 : len, split);
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* 1 when there is something to read, 0 when the stub stops. */
static int wait_for(struct runtime_api *api, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = api->wake, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return fds[1].revents == 0;
}

static int read_more(struct runtime_api *api, int fd)
{
    if (!wait_for(api, fd))
        return 0;
    ssize_t n = recv(fd, api->buf + api->len, BUFFER - api->len, 0);
    api->reads++;
    api->len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int read_request(struct runtime_api *api, int fd, wsrt_http_request *req)
{
    static const wsrt_http_limits limits = {
        .max_head = 65536, .max_target = 4096, .max_body = 8u << 20};
    uint32_t scanned = 0;

    api->reads = 0;
    for (;;) {
        int rc = wsrt_http_parse_request(api->buf, api->len, &limits, &scanned, req);
        if (rc == WSRT_HTTP_DONE && api->len >= req->head_len + req->content_length)
            return 1;
        if ((rc != WSRT_HTTP_DONE && rc != WSRT_HTTP_MORE) || !read_more(api, fd))
            return 0;
    }
}

static void drop_request(struct runtime_api *api, const wsrt_http_request *req)
{
    size_t used = req->head_len + (size_t)req->content_length;

    api->len -= used;
    memmove(api->buf, api->buf + used, api->len);
}

/* ---- the two calls ------------------------------------------------------------------------ */

/* 1 when an invocation was taken, 0 when the stub stops. */
static int take_plan(struct runtime_api *api)
{
    pthread_mutex_lock(&api->lock);
    api->nexts++;
    pthread_cond_broadcast(&api->changed);
    while (api->taken == api->pushed && !api->stopping)
        pthread_cond_wait(&api->pushed_more, &api->lock);
    int got = api->taken < api->pushed && !api->stopping;
    if (got) {
        api->current = api->plans[api->taken++ % MAX_PLANS];
        api->posts = 0;
    }
    pthread_mutex_unlock(&api->lock);
    return got;
}

/* 0 = close the connection. */
static int serve_next(struct runtime_api *api, int fd)
{
    const struct api_plan *p = &api->current;

    if (!take_plan(api) || (p->faults & API_CLOSE))
        return 0;
    if (p->faults & API_GARBAGE)
        put(fd, "SPDY/9 hello\r\n\r\n", 16, 0);
    else if (p->next_status != 0)
        put_status(fd, p->next_status);
    else
        put_event(fd, p, api->taken);
    return (p->faults & (API_GARBAGE | API_CUT | API_CLOSE_HEADER)) == 0;
}

static void copy(char *dst, size_t cap, wsrt_span text)
{
    snprintf(dst, cap, "%.*s", (int)text.len, text.ptr != NULL ? text.ptr : "");
}

static void note_result(struct runtime_api *api, const wsrt_http_request *req)
{
    wsrt_span path = req->path, part, id = {0}, kind = {0}, type = {0};
    struct api_result *r;

    while (wsrt_http_segment(&path, &part)) {
        id = kind;
        kind = part;
    }
    wsrt_http_find(&req->fields, "Lambda-Runtime-Function-Error-Type", &type);
    pthread_mutex_lock(&api->lock);
    r = &api->results[api->result_count % MAX_RESULTS];
    copy(r->kind, sizeof r->kind, kind);
    copy(r->request_id, sizeof r->request_id, id);
    copy(r->error_type, sizeof r->error_type, type);
    r->body_len = req->content_length < sizeof r->body ? (size_t)req->content_length : 0;
    memcpy(r->body, api->buf + req->head_len, r->body_len);
    r->body[r->body_len] = '\0';
    r->connection = api->connections;
    r->one_segment = api->reads == 1;
    api->result_count++;
    pthread_cond_broadcast(&api->changed);
    pthread_mutex_unlock(&api->lock);
}

static int serve_post(struct runtime_api *api, int fd, const wsrt_http_request *req)
{
    const struct api_plan *p = &api->current;
    int first = api->posts++ == 0;

    if ((p->faults & API_CLOSE_POSTS) || (first && (p->faults & API_CLOSE_POST)))
        return 0;
    int status = first && p->post_status != 0 ? p->post_status : 202;
    note_result(api, req); /* before the answer: who has it may look */
    put_status(fd, status);
    return (p->faults & API_STALE) == 0;
}

/* ---- extensions --------------------------------------------------------------------------- */

static int is_extension(const wsrt_http_request *req)
{
    static const char prefix[] = "/2020-01-01/extension/";

    return req->path.len > sizeof prefix - 1 &&
           memcmp(req->path.ptr, prefix, sizeof prefix - 1) == 0;
}

static void put_registered(int fd)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: ext-1\r\n"
                               "Content-Length: 2\r\n\r\n{}";

    put(fd, text, sizeof text - 1, 0);
}

/* A registration is answered, the request for an event never; 0 = the connection is not ours now. */
static int serve_extension(struct runtime_api *api, int fd, const wsrt_http_request *req)
{
    struct api_extension *e = &api->extension;
    wsrt_span body = {api->buf + req->head_len, (size_t)req->content_length}, text = {0};
    int waits = wsrt_http_same_text(req->method, wsrt_span_cstr("GET"));

    pthread_mutex_lock(&api->lock);
    if (waits) {
        wsrt_http_find(&req->fields, "Lambda-Extension-Identifier", &text);
        copy(e->identifier, sizeof e->identifier, text);
        e->nexts = api->nexts;
        api->extension_fd = fd;
    } else {
        wsrt_http_find(&req->fields, "Lambda-Extension-Name", &text);
        copy(e->name, sizeof e->name, text);
        copy(e->body, sizeof e->body, body);
    }
    pthread_mutex_unlock(&api->lock);
    if (!waits && api->refuses_extensions)
        put_status(fd, 403);
    else if (!waits)
        put_registered(fd);
    drop_request(api, req);
    return !waits;
}

static void serve_connection(struct runtime_api *api, int fd)
{
    static wsrt_http_request req;
    int open = 1, on = 1;

    api->len = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (open && read_request(api, fd, &req)) {
        if (is_extension(&req)) {
            if (!serve_extension(api, fd, &req))
                return;
            continue;
        }
        int is_next = wsrt_http_same_text(req.method, wsrt_span_cstr("GET"));
        if (is_next) {
            drop_request(api, &req);
            open = serve_next(api, fd);
        } else {
            open = serve_post(api, fd, &req);
            drop_request(api, &req);
        }
    }
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void *serve(void *user)
{
    struct runtime_api *api = user;

    while (wait_for(api, api->listener)) {
        int fd = accept(api->listener, NULL, NULL);
        if (fd < 0)
            continue;
        pthread_mutex_lock(&api->lock);
        api->connections++;
        pthread_mutex_unlock(&api->lock);
        serve_connection(api, fd);
    }
    return NULL;
}

/* ---- the test's side ---------------------------------------------------------------------- */

struct runtime_api *runtime_api_start(void)
{
    struct runtime_api *api = calloc(1, sizeof *api);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    pthread_mutex_init(&api->lock, NULL);
    pthread_cond_init(&api->changed, NULL);
    pthread_cond_init(&api->pushed_more, NULL);
    api->results = calloc(MAX_RESULTS, sizeof *api->results);
    api->buf = malloc(BUFFER);
    api->extension_fd = -1;
    api->wake = eventfd(0, EFD_CLOEXEC);
    api->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(api->listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(api->listener, 16), 0);
    getsockname(api->listener, (struct sockaddr *)&at, &len);
    snprintf(api->endpoint, sizeof api->endpoint, "127.0.0.1:%d", ntohs(at.sin_port));
    pthread_create(&api->thread, NULL, serve, api);
    return api;
}

const char *runtime_api_endpoint(const struct runtime_api *api)
{
    return api->endpoint;
}

void runtime_api_push(struct runtime_api *api, const struct api_plan *plan)
{
    pthread_mutex_lock(&api->lock);
    ck_assert_uint_lt(api->pushed - api->taken, MAX_PLANS);
    api->plans[api->pushed++ % MAX_PLANS] = *plan;
    pthread_cond_signal(&api->pushed_more);
    pthread_mutex_unlock(&api->lock);
}

/* With the lock held. */
static void wait_change(struct runtime_api *api, const char *what)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_cond_timedwait(&api->changed, &api->lock, &until) == ETIMEDOUT)
        ck_abort_msg("the runtime interface waited in vain for %s", what);
}

const struct api_result *runtime_api_result(struct runtime_api *api, size_t n)
{
    pthread_mutex_lock(&api->lock);
    while (api->result_count <= n)
        wait_change(api, "a result");
    pthread_mutex_unlock(&api->lock);
    return &api->results[n % MAX_RESULTS];
}

void runtime_api_wait_nexts(struct runtime_api *api, unsigned n)
{
    pthread_mutex_lock(&api->lock);
    while (api->nexts < n)
        wait_change(api, "a request for work");
    pthread_mutex_unlock(&api->lock);
}

size_t runtime_api_results(struct runtime_api *api)
{
    pthread_mutex_lock(&api->lock);
    size_t n = api->result_count;
    pthread_mutex_unlock(&api->lock);
    return n;
}

unsigned runtime_api_connections(struct runtime_api *api)
{
    pthread_mutex_lock(&api->lock);
    unsigned n = api->connections;
    pthread_mutex_unlock(&api->lock);
    return n;
}

unsigned runtime_api_nexts(struct runtime_api *api)
{
    pthread_mutex_lock(&api->lock);
    unsigned n = api->nexts;
    pthread_mutex_unlock(&api->lock);
    return n;
}

void runtime_api_refuse_extensions(struct runtime_api *api)
{
    api->refuses_extensions = 1;
}

struct api_extension runtime_api_extension(struct runtime_api *api)
{
    pthread_mutex_lock(&api->lock);
    struct api_extension e = api->extension;
    pthread_mutex_unlock(&api->lock);
    return e;
}

void runtime_api_stop(struct runtime_api *api)
{
    uint64_t one = 1;

    pthread_mutex_lock(&api->lock);
    api->stopping = 1;
    pthread_cond_signal(&api->pushed_more);
    pthread_mutex_unlock(&api->lock);
    ck_assert_int_eq(write(api->wake, &one, sizeof one), sizeof one);
    pthread_join(api->thread, NULL);
    if (api->extension_fd >= 0)
        close(api->extension_fd);
    close(api->listener);
    close(api->wake);
    free(api->results);
    free(api->buf);
    pthread_cond_destroy(&api->changed);
    pthread_cond_destroy(&api->pushed_more);
    pthread_mutex_destroy(&api->lock);
    free(api);
}
