#include "sender/sender.h"

#include "base/id.h"
#include "base/options.h"

int wsrt_connection_id_valid(wsrt_span id)
{
    return wsrt_id_valid(id);
}

int wsrt_sender_valid(const wsrt_sender *s)
{
    return wsrt_size_valid(s->ops, sizeof *s->ops) && s->ops->post != NULL;
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
