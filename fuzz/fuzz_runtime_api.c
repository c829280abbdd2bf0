/* Any bytes as an answer of Lambda's Runtime API, whole and in pieces, through a pair of
 * sockets: the same status and the same invocation either way, whatever stood in the buffer
 * before; ids that fit a path, a body within its cap, and a connection that is closed after a
 * failure. The first three bytes choose the cap and the cut, the rest is what arrives. */
#include "input.h"
#include "target.h"

#include "lambda/client.h"

#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 2048, SMALL = 60, PIECES = 64 };

struct run {
    wsrt_lambda_client client;
    wsrt_lambda_answer answer;
    int peer;
    int rc;
};

/* `first` bytes, then `step` at a time as long as the queue has room for so many pieces, then
 * the rest. */
static void arrive(int fd, wsrt_span in, size_t first, size_t step)
{
    size_t piece = first;

    for (int i = 0; in.len > 0; i++, piece = step) {
        if (piece == 0 || piece > in.len || i == PIECES)
            piece = in.len;
        require(send(fd, in.ptr, piece, MSG_NOSIGNAL) == (ssize_t)piece);
        in = (wsrt_span){in.ptr + piece, in.len - piece};
    }
    require(shutdown(fd, SHUT_WR) == 0);
}

static void check(const struct run *r)
{
    static const char id[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const wsrt_lambda_client *c = &r->client;
    const wsrt_lambda_answer *a = &r->answer;

    require(r->rc == WSRT_OK || r->rc == WSRT_ERR_UNAVAILABLE || r->rc == WSRT_ERR_MALFORMED ||
            r->rc == WSRT_ERR_TOO_LARGE);
    require(r->rc == WSRT_OK || (c->fd == -1 && a->body.len == 0));
    require(r->rc != WSRT_OK || (a->body.ptr >= c->buf && a->body.len <= c->max_body &&
                                 a->body.ptr + a->body.len <= c->buf + c->len));
    require(a->status == 0 ? r->rc != WSRT_OK : a->status >= 200 && a->status <= 599);
    require(a->deadline_ms >= 0);
    require(a->request_id[strspn(a->request_id, id)] == '\0');
    require(a->extension_id[strspn(a->extension_id, id)] == '\0');
    require(a->trace_id[strcspn(a->trace_id, "\r\n")] == '\0');
}

/* Packets, so that what is sent at once is what is received at once. */
static void run(struct run *r, wsrt_span in, const uint8_t *choice, int cut)
{
    static wsrt_lambda_stopper stopper = {.waiting = WSRT_LAMBDA_NOBODY};
    static const wsrt_allocator libc_memory;
    const wsrt_lambda_request next = {.method = "GET", .path = "/next", .may_stop = cut};
    int ends[2];

    require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    require(wsrt_lambda_client_init(&r->client, wsrt_span_cstr("127.0.0.1:1"), &libc_memory) ==
            WSRT_OK);
    memset(r->client.buf, cut ? '\n' : '0', r->client.cap);
    r->client.max_body = choice[0] & 1 ? SMALL : LONGEST * LONGEST;
    r->client.stopper = &stopper;
    r->client.fd = ends[0];
    r->peer = ends[1];
    if (cut)
        arrive(ends[1], in, choice[1], choice[2]);
    else
        arrive(ends[1], in, 0, 0);
    r->rc = wsrt_lambda_exchange(&r->client, &next, &r->answer);
    check(r);
}

/* Once the answer is over, more may follow that has not arrived yet: the next exchange finds it. */
static int holds_more(const struct run *r)
{
    char byte;

    return r->client.fd < 0 || recv(r->client.fd, &byte, 1, MSG_DONTWAIT) > 0;
}

static void compare(const struct run *whole, const struct run *cut)
{
    const wsrt_lambda_answer *a = &whole->answer, *b = &cut->answer;

    require(a->status == b->status && a->deadline_ms == b->deadline_ms);
    require(strcmp(a->request_id, b->request_id) == 0 && strcmp(a->trace_id, b->trace_id) == 0);
    require(strcmp(a->extension_id, b->extension_id) == 0);
    if (whole->rc == WSRT_ERR_MALFORMED && cut->rc == WSRT_OK) {
        require(holds_more(cut));
        return;
    }
    require(whole->rc == cut->rc && wsrt_span_equal(a->body, b->body));
    require((whole->client.fd < 0) == (cut->client.fd < 0));
}

static void end(struct run *r)
{
    wsrt_lambda_client_free(&r->client);
    close(r->peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole, cut;

    if (size < 3 || size > LONGEST)
        return 0;
    run(&whole, (wsrt_span){(const char *)data + 3, size - 3}, data, 0);
    run(&cut, (wsrt_span){(const char *)data + 3, size - 3}, data, 1);
    compare(&whole, &cut);
    end(&whole);
    end(&cut);
    return 0;
}
