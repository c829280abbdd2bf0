/* The applications that `serve` can run. */
#ifndef WSRT_TOOL_APP_H
#define WSRT_TOOL_APP_H

#include <wsrt/runtime.h>
#include <wsrt/stream.h>

struct app_settings {
    const char *name; /* chat, dashboard or echo */
    int64_t coalesce_ms;
    const wsrt_latest *latest; /* NULL = in memory */
    int signed_in;             /* a dashboard is for those who have signed in */
};

/* Adds the routes; *feed is the dashboard's, else NULL. Returns a wsrt_status. */
int app_install(wsrt_runtime *rt, const struct app_settings *s, wsrt_feed **feed);

#endif
