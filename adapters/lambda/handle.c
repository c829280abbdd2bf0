/* One event: mapped, dispatched, answered. */
#include "lambda/event.h"

#include "common/support.h"

enum { STATUS_OK = 200, STATUS_LAST_GOOD = 299, STATUS_NOT_FOUND = 404, SERVER_ERROR = 500 };
enum { NS_PER_MS = 1000000, ANSWER_MOST_MS = 500 };

typedef struct call {
    const wsrt_allocator *allocator;
    wsrt_lambda_result_fn result;
    void *user;
    const wsrt_lambda_event *mapped;
    int status; /* how giving the result went */
} call;

/* What fails is an invocation that failed, so that the records come again. */
static void give_stream_result(const wsrt_response *response, call *c)
{
    static const char all_done[] = "{\"batchItemFailures\":[]}";
    wsrt_span body = response->body;

    if (response->status < STATUS_OK || response->status > STATUS_LAST_GOOD) {
        c->status = response->status == STATUS_NOT_FOUND ? WSRT_ERR_UNSUPPORTED : WSRT_ERR_INTERNAL;
        return;
    }
    if (body.len == 0)
        body = wsrt_span_cstr(all_done);
    c->status = WSRT_OK;
    c->result(body.ptr, body.len, c->user);
}

static int write_answer(const call *c, const wsrt_response *r, wsrt_lambda_text *out)
{
    static const wsrt_response plain = {.struct_size = sizeof plain, .status = STATUS_OK};

    switch (c->mapped->event.kind) {
    case WSRT_EVENT_AUTHORIZE:
        if (r->principal != NULL)
            return wsrt_lambda_policy_write(r, c->mapped->method_arn, c->allocator, out);
        return r->status < SERVER_ERROR ? WSRT_ERR_UNAUTHENTICATED : WSRT_ERR_UNAVAILABLE;
    case WSRT_EVENT_DISCONNECT:
        /* Nobody is left to read an answer, and an error would only be retried. */
        r = &plain;
        break;
    default:
        break;
    }
    return wsrt_lambda_result_write(r, c->allocator, out);
}

static void give_result(const wsrt_response *response, void *user)
{
    call *c = user;
    wsrt_lambda_text json;

    if (c->mapped->event.kind == WSRT_EVENT_STREAM) {
        give_stream_result(response, c);
        return;
    }
    c->status = write_answer(c, response, &json);
    if (c->status != WSRT_OK)
        return;
    c->result(json.text, json.len, c->user);
    wsrt_lambda_text_free(&json, c->allocator);
}

/* The wall-clock deadline on the monotonic clock; never 0, which would mean none. At the deadline the
 * process is stopped, so the answer must be out by then. */
static int64_t to_monotonic(const wsrt_env *env, int64_t now, int64_t deadline_wall)
{
    int64_t left_ms = deadline_wall - env->wall(env->user);

    if (left_ms <= 0)
        return now > 0 ? now : 1;
    left_ms -= left_ms / 10 < ANSWER_MOST_MS ? left_ms / 10 : ANSWER_MOST_MS;
    if (left_ms > (INT64_MAX - now) / NS_PER_MS)
        return INT64_MAX;
    return now + left_ms * NS_PER_MS;
}

static void add_invocation(wsrt_event *ev, const wsrt_invocation *how, const wsrt_env *env)
{
    ev->now = env->now(env->user);
    ev->flags |= WSRT_EVENT_DEVELOPER; /* the runtime decides */
    if (how->deadline_wall > 0)
        ev->deadline = to_monotonic(env, ev->now, how->deadline_wall);
    if (ev->request_id.len == 0)
        ev->request_id = how->request_id;
    ev->correlation_id = wsrt_lambda_trace_root(how->trace_id);
}

static int dispatch(wsrt_runtime *rt, const wsrt_event *ev, call *c)
{
    int rc = wsrt_runtime_dispatch(rt, ev, give_result, c);

    if (rc == WSRT_ERR_INVALID)
        return WSRT_ERR_REJECTED;
    return rc != WSRT_OK ? rc : c->status;
}

int wsrt_lambda_handle(wsrt_runtime *rt, wsrt_span event, const wsrt_invocation *how,
                       wsrt_lambda_result_fn result, void *user)
{
    wsrt_lambda_event mapped;
    wsrt_invocation facts;

    if (rt == NULL || result == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_adapter_options(&facts, sizeof facts, sizeof(wsrt_invocation), how);
    if (rc == WSRT_OK)
        rc = wsrt_lambda_event_map(&mapped, event, &facts, &facts.allocator);
    if (rc != WSRT_OK)
        return rc;
    call c = {.allocator = &facts.allocator,
              .result = result,
              .user = user,
              .mapped = &mapped,
              .status = WSRT_ERR_INTERNAL};
    add_invocation(&mapped.event, &facts, wsrt_runtime_env(rt));
    rc = dispatch(rt, &mapped.event, &c);
    wsrt_lambda_event_free(&mapped, &facts.allocator);
    return rc;
}
