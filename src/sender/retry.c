#include "sender/retry.h"

enum { NS_PER_MS = 1000000, FIRST_MS = 50, DOUBLINGS = 6, MOST_TURNS = 16 };

/* Full jitter, but never nothing: a wait that is none would ask in a circle. */
static int64_t jitter(const struct wsrt_retry *r)
{
    int doublings = r->turn < DOUBLINGS ? r->turn : DOUBLINGS;
    uint64_t most = ((uint64_t)FIRST_MS << doublings) * NS_PER_MS, word = 0;

    if (r->env->random(r->env->user, &word, sizeof word) != WSRT_OK)
        word = most - 1;
    return (int64_t)(word % most) + 1;
}

int wsrt_retry_wait(struct wsrt_retry *r)
{
    if (r->sender->ops->wait == NULL || r->turn == MOST_TURNS)
        return WSRT_ERR_THROTTLED;
    int64_t now = r->env->now(r->env->user);
    if (r->deadline == 0)
        r->deadline = now + (int64_t)WSRT_RETRY_FOR_MS * NS_PER_MS;
    int64_t delay = jitter(r);
    if (delay >= r->deadline - now)
        return WSRT_ERR_THROTTLED;
    r->turn++;
    return r->sender->ops->wait(r->sender->self, now + delay) == WSRT_OK ? WSRT_OK
                                                                         : WSRT_ERR_THROTTLED;
}

int wsrt_retry_post(const wsrt_sender *s, const wsrt_env *env, const wsrt_span *id,
                    const wsrt_post *post)
{
    struct wsrt_retry retry = {.sender = s, .env = env, .deadline = post->deadline};
    int rc = s->ops->post(s->self, id, post);

    while (rc == WSRT_ERR_THROTTLED && wsrt_retry_wait(&retry) == WSRT_OK)
        rc = s->ops->post(s->self, id, post);
    return rc;
}
