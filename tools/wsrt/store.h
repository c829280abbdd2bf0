/* Where `wsrt serve` keeps connections, history and latest values when not in memory. */
#ifndef WSRT_TOOL_STORE_H
#define WSRT_TOOL_STORE_H

#include <wsrt/runtime.h>

struct tool_store {
    void *opened; /* NULL = the runtime's own, in memory */
    wsrt_store connections;
    wsrt_history history;
    wsrt_latest latest;
};

/* Opens "sqlite:PATH"; without what an earlier run of the server left behind. An exit status. */
int tool_store_open(struct tool_store *out, const char *path, const wsrt_env *env);
void tool_store_close(struct tool_store *s);

#endif
