/* The applications that `serve` can run. */
#ifndef WSRT_TOOL_APP_H
#define WSRT_TOOL_APP_H

#include <wsrt/runtime.h>

/* Adds the routes of `name`, echo or chat. Returns a wsrt_status. */
int app_install(wsrt_runtime *rt, const char *name);

#endif
