#include <wsrt/sender.h>

#include "base/id.h"

int wsrt_connection_id_valid(wsrt_span id)
{
    return wsrt_id_valid(id);
}
