/* A tool built without SQLite. */
#include "store.h"
#include "tool.h"

int tool_store_open(struct tool_store *out, const char *path, const wsrt_env *env)
{
    (void)out;
    (void)path;
    (void)env;
    return complain(TOOL_CONFIG, "--store: this wsrt was built without SQLite");
}

void tool_store_close(struct tool_store *s)
{
    (void)s;
}
