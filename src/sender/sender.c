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
