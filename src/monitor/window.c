#include "monitor/internal.h"

int wsrt_monitor_tick(wsrt_monitor *m, int64_t now, int64_t wall)
{
    (void)now;
    (void)wall;
    return m == NULL ? WSRT_ERR_INVALID : WSRT_OK;
}
