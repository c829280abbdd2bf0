/* A sender that is an outside service, behind its breaker: while the service fails, posts fail at
 * once. */
#include "runtime/runtime_internal.h"

#include "sender/sender.h"

enum { AT_ONCE = 64 };

/* How a post ended for the breaker: a peer that left, or reads too slowly, says nothing of the
 * service. */
static int outcome_of_post(int status)
{
    switch (status) {
    case WSRT_OK:
    case WSRT_ERR_GONE:
        return WSRT_SUCCESS;
    case WSRT_ERR_UNAVAILABLE:
    case WSRT_ERR_TIMEOUT:
    case WSRT_ERR_IO:
        return WSRT_FAILURE;
    default:
        return WSRT_IGNORED;
    }
}

/* NULL: no room for a breaker, and the posts are made without. */
static wsrt_breaker *breaker_of(wsrt_runtime *rt)
{
    wsrt_breaker *b = NULL;

    if (wsrt_breakers_get(rt->breakers, wsrt_span_cstr(WSRT_POST_SERVICE),
                          wsrt_span_cstr("postToConnection"), NULL, &b, NULL) != WSRT_OK)
        wsrt_count(&rt->counts.unguarded, 1);
    return b;
}

static int64_t now_of(const wsrt_runtime *rt)
{
    return rt->env.now(rt->env.user);
}

static int may_post(wsrt_breaker *b, int64_t now, wsrt_permit *permit)
{
    return b == NULL || wsrt_breaker_try_acquire(b, now, permit, NULL) == WSRT_OK;
}

static void settle(wsrt_breaker *b, wsrt_permit *permit, int64_t now, int status)
{
    if (b != NULL)
        (void)wsrt_breaker_record(b, permit, now, outcome_of_post(status)); /* stale: no matter */
}

static int guarded_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    wsrt_runtime *rt = self;
    wsrt_breaker *b = breaker_of(rt);
    wsrt_permit permit;
    int rc = WSRT_ERR_CIRCUIT_OPEN;

    if (may_post(b, now_of(rt), &permit)) {
        rc = rt->outside.ops->post(rt->outside.self, id, post);
        settle(b, &permit, now_of(rt), rc);
    }
    wsrt_breaker_release_ref(b);
    return rc;
}

/* Each peer is asked with a permit of its own; who gets none is not asked. */
static void post_some(wsrt_runtime *rt, wsrt_breaker *b, const wsrt_span *ids, size_t n,
                      const wsrt_post *post, int *results)
{
    wsrt_span asked[AT_ONCE];
    wsrt_permit permits[AT_ONCE];
    size_t places[AT_ONCE], count = 0;
    int answers[AT_ONCE];
    int64_t now = now_of(rt);

    for (size_t i = 0; i < n; i++) {
        results[i] = WSRT_ERR_CIRCUIT_OPEN;
        if (!may_post(b, now, &permits[count]))
            continue;
        asked[count] = ids[i];
        places[count++] = i;
    }
    if (count == 0)
        return;
    wsrt_sender_post_many(&rt->outside, asked, count, post, answers);
    now = now_of(rt);
    for (size_t i = 0; i < count; i++) {
        results[places[i]] = answers[i];
        settle(b, &permits[i], now, answers[i]);
    }
}

static int guarded_post_many(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                             int *results)
{
    wsrt_breaker *b = breaker_of(self);

    for (size_t i = 0; i < n; i += AT_ONCE)
        post_some(self, b, ids + i, n - i < AT_ONCE ? n - i : AT_ONCE, post, results + i);
    wsrt_breaker_release_ref(b);
    return WSRT_OK;
}

static int guarded_get(void *self, const wsrt_span *id, wsrt_connection_info *out)
{
    const wsrt_sender *s = &((const wsrt_runtime *)self)->outside;

    return s->ops->get(s->self, id, out);
}

static int guarded_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    const wsrt_sender *s = &((const wsrt_runtime *)self)->outside;

    return s->ops->disconnect(s->self, id, code, reason);
}

static int guarded_wait(void *self, int64_t until)
{
    const wsrt_sender *s = &((const wsrt_runtime *)self)->outside;

    return s->ops->wait(s->self, until);
}

wsrt_sender wsrt_guard_sender(wsrt_runtime *rt, const wsrt_sender *sender)
{
    if ((sender->ops->flags & WSRT_SENDER_OUTSIDE) == 0)
        return *sender;
    rt->outside = *sender;
    rt->guarded = (wsrt_sender_ops){
        .struct_size = sizeof rt->guarded,
        .flags = sender->ops->flags,
        .post = guarded_post,
        .post_many = sender->ops->post_many != NULL ? guarded_post_many : NULL,
        .get = sender->ops->get != NULL ? guarded_get : NULL,
        .disconnect = sender->ops->disconnect != NULL ? guarded_disconnect : NULL,
        .wait = sender->ops->wait != NULL ? guarded_wait : NULL,
    };
    return (wsrt_sender){&rt->guarded, rt};
}
