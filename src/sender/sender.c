#include "sender/sender.h"

#include "base/id.h"
#include "base/options.h"

enum { OPENING_MS = 30000 }; /* API Gateway waits 29 s for the answer to a CONNECT */

int wsrt_connection_id_valid(wsrt_span id)
{
    return wsrt_id_valid(id);
}

int wsrt_sender_valid(const wsrt_sender *s)
{
    return wsrt_size_valid(s->ops, sizeof *s->ops) && s->ops->post != NULL;
}

int wsrt_sender_may_be_opening(const wsrt_sender *s, int64_t connected_at, int64_t wall)
{
    return (s->ops->flags & WSRT_SENDER_OPENS_LATE) != 0 && connected_at > wall - OPENING_MS &&
           connected_at < wall + OPENING_MS; /* clocks differ */
}

void wsrt_sender_post_many(const wsrt_sender *s, const wsrt_span *ids, size_t n,
                           const wsrt_post *post, int *results)
{
    if (s->ops->post_many == NULL) {
        for (size_t i = 0; i < n; i++)
            results[i] = s->ops->post(s->self, &ids[i], post);
        return;
    }
    int rc = s->ops->post_many(s->self, ids, n, post, results);
    for (size_t i = 0; rc != WSRT_OK && i < n; i++)
        results[i] = rc;
}
