/* API Gateway's Management API as a sender. */
#include "aws/internal.h"

#include <wsrt/json.h>

#include "common/store_rules.h"
#include "common/support.h"

#include <string.h>

enum {
    LARGEST_MESSAGE = 131072,
    LARGEST_ANSWER = 65536,
    LARGEST_TEXT = 10240, /* of all fields of a handshake, by API Gateway */
    MOST_WIDTH = 1024,
    DEFAULT_WIDTH = 64,
    DEFAULT_TIMEOUT = 15000,
    MILLION = 1000000,
    BILLION = 1000000000
};

struct wsrt_aws_sender {
    wsrt_aws *a;
    wsrt_aws_endpoint endpoint;
    uint32_t flags;
    uint32_t width;
    uint32_t rate;
    int64_t timeout_ms;
};

/* ---- requests ------------------------------------------------------------------------------- */

static int64_t deadline_of(const wsrt_aws_sender *s, int64_t given)
{
    return given != 0 ? given : s->a->env.now(s->a->env.user) + s->timeout_ms * MILLION;
}

static void address(const wsrt_aws_sender *s, wsrt_aws_request *r, const char *method, wsrt_span id)
{
    r->endpoint = (wsrt_aws_endpoint *)(uintptr_t)&s->endpoint;
    r->service = "execute-api";
    r->method = method;
    r->most = LARGEST_ANSWER;
    (void)wsrt_aws_copy(r->path, sizeof r->path, "/@connections/");
    (void)wsrt_aws_escape(r->path, sizeof r->path, id); /* 128 bytes fit, each of them escaped */
}

static void address_post(const wsrt_aws_sender *s, wsrt_aws_request *r, wsrt_span id,
                         const wsrt_post *post)
{
    address(s, r, "POST", id);
    r->content_type =
        (post->flags & WSRT_POST_BINARY) != 0 ? "application/octet-stream" : "application/json";
    r->flags = (s->flags & WSRT_AWS_AT_MOST_ONCE) != 0 ? WSRT_AWS_ONCE : 0;
    r->body = post->data;
}

static int status_of_answer(const wsrt_aws_answer *answer)
{
    switch (answer->status) {
    case 400:
        return WSRT_ERR_INVALID;
    case 401:
    case 403:
    case 404:
        return WSRT_ERR_FORBIDDEN;
    case 410:
        return WSRT_ERR_GONE;
    case 413:
        return WSRT_ERR_TOO_LARGE;
    case 429:
        return WSRT_ERR_THROTTLED;
    default:
        return answer->status >= 200 && answer->status < 300 ? WSRT_OK : WSRT_ERR_UNAVAILABLE;
    }
}

static int result_of(const wsrt_aws_sender *s, const wsrt_aws_request *r)
{
    const wsrt_aws_answer *answer = &r->answer;
    int said = answer->rc == WSRT_OK || answer->rc == WSRT_ERR_TOO_LARGE; /* of its body */
    int rc = said ? status_of_answer(answer) : answer->rc;

    switch (rc) {
    case WSRT_ERR_NOT_FOUND: /* no credentials */
    case WSRT_ERR_MALFORMED:
        rc = WSRT_ERR_FORBIDDEN;
        break;
    case WSRT_ERR_UNAVAILABLE:
        if (s->a->env.now(s->a->env.user) >= r->deadline)
            rc = WSRT_ERR_TIMEOUT;
        break;
    default:
        break;
    }
    if (rc == WSRT_ERR_FORBIDDEN)
        wsrt_aws_log(s->a, WSRT_LEVEL_ERROR, "aws.post_refused", answer->error, answer->status);
    return rc;
}

static int judge(const wsrt_post *post)
{
    int rc = wsrt_adapter_judge(post, sizeof *post, sizeof(wsrt_post));

    if (rc != WSRT_OK)
        return rc;
    if ((post->flags & ~(uint32_t)(WSRT_POST_BINARY | WSRT_POST_REPLY)) != 0 ||
        (post->data.ptr == NULL && post->data.len > 0))
        return WSRT_ERR_INVALID;
    return post->data.len > LARGEST_MESSAGE ? WSRT_ERR_TOO_LARGE : WSRT_OK;
}

/* ---- posting -------------------------------------------------------------------------------- */

static int sender_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    wsrt_aws_sender *s = self;
    wsrt_aws_request r = {0};
    int rc = judge(post);

    if (rc == WSRT_OK && !wsrt_adapter_id_ok(id))
        rc = WSRT_ERR_INVALID;
    if (rc != WSRT_OK)
        return rc;
    address_post(s, &r, *id, post);
    r.deadline = deadline_of(s, post->deadline);
    (void)wsrt_aws_ask(s->a, &r); /* the answer says it all */
    rc = result_of(s, &r);
    wsrt_aws_answer_free(s->a, &r.answer);
    return rc;
}

/* One message on its way to many. */
typedef struct fanout {
    wsrt_aws_sender *s;
    const wsrt_span *ids;
    const wsrt_post *post;
    int *results;
    size_t n, at;
    int64_t deadline;
    char body_hex[WSRT_SHA256_HEX];
} fanout;

static int next_post(void *user, wsrt_aws_request *r)
{
    fanout *f = user;

    for (; f->at < f->n && !wsrt_adapter_id_ok(&f->ids[f->at]); f->at++)
        f->results[f->at] = WSRT_ERR_INVALID;
    if (f->at == f->n)
        return 0;
    address_post(f->s, r, f->ids[f->at], f->post);
    r->body_hex = f->body_hex;
    r->deadline = f->deadline;
    r->index = f->at++;
    return 1;
}

static void post_done(void *user, wsrt_aws_request *r)
{
    fanout *f = user;

    f->results[r->index] = result_of(f->s, r);
}

static int sender_post_many(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                            int *results)
{
    wsrt_aws_sender *s = self;
    fanout f = {.s = s, .ids = ids, .post = post, .results = results, .n = n};
    wsrt_aws_batch batch = {.next = next_post, .done = post_done, .user = &f};
    int rc = judge(post);

    if (rc != WSRT_OK || n == 0)
        return rc;
    if (ids == NULL || results == NULL)
        return WSRT_ERR_INVALID;
    wsrt_sha256_hex(f.body_hex, post->data);
    f.deadline = deadline_of(s, post->deadline);
    batch.width = n < s->width ? n : s->width;
    batch.interval = s->rate == 0 ? 0 : BILLION / s->rate;
    batch.deadline = f.deadline;
    return wsrt_aws_run(s->a, &batch);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void take_text(const wsrt_json *from, const char *pointer, char *dst, size_t cap)
{
    wsrt_json value;
    char text[LARGEST_TEXT];
    size_t len;

    if (wsrt_json_find(from, wsrt_span_cstr(pointer), &value) != WSRT_OK ||
        wsrt_json_text(&value, text, sizeof text, &len) != WSRT_OK)
        return;
    if (len >= cap)
        for (len = cap - 1; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    memcpy(dst, text, len);
    dst[len] = '\0';
}

static int64_t take_time(const wsrt_json *from, const char *pointer)
{
    char text[64] = "";
    int64_t ms = 0;

    take_text(from, pointer, text, sizeof text);
    return wsrt_aws_iso_parse(wsrt_span_cstr(text), &ms) == WSRT_OK ? ms : 0;
}

static int read_info(const wsrt_aws_answer *answer, wsrt_connection_info *out)
{
    wsrt_connection_info info = {.struct_size = sizeof info};
    wsrt_json body;

    if (wsrt_json_parse(&body, (wsrt_span){answer->body, answer->len}, NULL) != WSRT_OK)
        return WSRT_ERR_UNAVAILABLE; /* whatever answers there, it is not the Management API */
    info.connected_at = take_time(&body, "/connectedAt");
    info.last_active_at = take_time(&body, "/lastActiveAt");
    take_text(&body, "/identity/sourceIp", info.source_ip, sizeof info.source_ip);
    take_text(&body, "/identity/userAgent", info.user_agent, sizeof info.user_agent);
    return wsrt_adapter_report(out, sizeof info, sizeof(wsrt_connection_info), &info);
}

static int sender_get(void *self, const wsrt_span *id, wsrt_connection_info *out)
{
    wsrt_aws_sender *s = self;
    wsrt_aws_request r = {0};

    if (!wsrt_adapter_id_ok(id) || out == NULL)
        return WSRT_ERR_INVALID;
    address(s, &r, "GET", *id);
    r.deadline = deadline_of(s, 0);
    (void)wsrt_aws_ask(s->a, &r);
    int rc = result_of(s, &r);
    if (rc == WSRT_OK)
        rc = read_info(&r.answer, out);
    wsrt_aws_answer_free(s->a, &r.answer);
    return rc;
}

static int sender_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    wsrt_aws_sender *s = self;
    wsrt_aws_request r = {0};

    (void)code;
    (void)reason;
    if (!wsrt_adapter_id_ok(id))
        return WSRT_ERR_INVALID;
    address(s, &r, "DELETE", *id);
    r.deadline = deadline_of(s, 0);
    (void)wsrt_aws_ask(s->a, &r);
    int rc = result_of(s, &r);
    wsrt_aws_answer_free(s->a, &r.answer);
    return rc;
}

static const wsrt_sender_ops sender_ops = {
    .struct_size = sizeof(wsrt_sender_ops),
    .flags = WSRT_SENDER_OPENS_LATE | WSRT_SENDER_OUTSIDE,
    .post = sender_post,
    .post_many = sender_post_many,
    .get = sender_get,
    .disconnect = sender_disconnect,
};

/* ---- the object ----------------------------------------------------------------------------- */

/* "wss://" is what clients use; posts go to the same place over https. */
static int set_endpoint(wsrt_aws_endpoint *e, wsrt_span given)
{
    char url[WSRT_AWS_LONGEST_URL] = "https";

    if (given.len == 0)
        given = wsrt_span_cstr(wsrt_aws_getenv("WEBSOCKET_API_ENDPOINT"));
    if (given.len > 6 && given.len < sizeof url - 5 && memcmp(given.ptr, "wss://", 6) == 0) {
        memcpy(url + 5, given.ptr + 3, given.len - 3);
        given = (wsrt_span){url, given.len + 2};
    }
    return wsrt_aws_endpoint_serve(e, given);
}

static int load(wsrt_aws_sender_options *o, const wsrt_aws_sender_options *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_aws_sender_options), given);

    if (rc != WSRT_OK)
        return rc;
    if ((o->flags & ~(uint32_t)WSRT_AWS_AT_MOST_ONCE) != 0)
        return WSRT_ERR_UNSUPPORTED;
    o->width = o->width == 0 ? DEFAULT_WIDTH : o->width;
    o->timeout_ms = o->timeout_ms == 0 ? DEFAULT_TIMEOUT : o->timeout_ms;
    return o->width <= MOST_WIDTH && o->timeout_ms > 0 && o->timeout_ms <= INT32_MAX &&
                   wsrt_aws_text_ok(o->endpoint, WSRT_AWS_LONGEST_URL)
               ? WSRT_OK
               : WSRT_ERR_INVALID;
}

int wsrt_aws_sender_new(wsrt_aws_sender **out, wsrt_aws *a, const wsrt_aws_sender_options *opts)
{
    wsrt_aws_sender_options o;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load(&o, opts);
    wsrt_aws_sender *s = wsrt_aws_object_new(a, sizeof *s, &rc);
    if (s == NULL)
        return rc;
    s->a = a;
    s->flags = o.flags;
    s->width = o.width;
    s->rate = o.rate;
    s->timeout_ms = o.timeout_ms;
    rc = set_endpoint(&s->endpoint, o.endpoint);
    if (rc == WSRT_OK)
        *out = s;
    else
        wsrt_aws_sender_free(s);
    return rc;
}

void wsrt_aws_sender_free(wsrt_aws_sender *s)
{
    if (s != NULL)
        wsrt_adapter_realloc(&s->a->allocator, s, sizeof *s, 0);
}

void wsrt_aws_sender_interface(wsrt_aws_sender *s, wsrt_sender *out)
{
    if (s != NULL && out != NULL)
        *out = (wsrt_sender){&sender_ops, s};
}
