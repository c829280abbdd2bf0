#include "store.h"
#include "tool.h"

#include <wsrt/sqlite.h>

static int explain(int rc, const wsrt_sqlite_error *why)
{
    int status = TOOL_CONFIG;

    if (rc == WSRT_ERR_NOT_FOUND || rc == WSRT_ERR_FORBIDDEN)
        status = TOOL_NO_CREATE;
    else if (rc == WSRT_ERR_UNAVAILABLE || rc == WSRT_ERR_IO)
        status = TOOL_UNAVAILABLE;
    else if (rc == WSRT_ERR_NOMEM || rc == WSRT_ERR_INTERNAL)
        status = TOOL_INTERNAL;
    return complain(status, "--store: %s", why->text);
}

static void tell_removed(const wsrt_env *env, uint64_t removed)
{
    wsrt_field field = {.name_cstr = "count", .kind = WSRT_FIELD_INT, .number = (int64_t)removed};

    if (removed > 0)
        env->log(env->user, WSRT_LEVEL_INFO, "stale_connections_removed", &field, 1);
}

int tool_store_open(struct tool_store *out, const char *path, const wsrt_env *env)
{
    wsrt_sqlite_store_options opts = {.struct_size = sizeof opts, .env = env};
    wsrt_sqlite_store *s;
    wsrt_sqlite_error why;
    uint64_t removed = 0;
    int rc = wsrt_sqlite_store_new(&s, wsrt_span_cstr(path), &opts, &why);

    if (rc != WSRT_OK)
        return explain(rc, &why);
    out->opened = s;
    /* The file is this server's: whoever stands in it was connected to a run that is over. */
    rc = wsrt_sqlite_store_purge(s, wsrt_span_cstr(""), INT64_MAX, &removed);
    if (rc != WSRT_OK)
        return complain(TOOL_UNAVAILABLE, "--store: %s: %s", path, wsrt_status_name(rc));
    tell_removed(env, removed);
    wsrt_sqlite_store_connections(s, &out->connections);
    wsrt_sqlite_store_history(s, &out->history);
    wsrt_sqlite_store_latest(s, &out->latest);
    return TOOL_OK;
}

void tool_store_close(struct tool_store *s)
{
    wsrt_sqlite_store_free(s->opened);
    s->opened = NULL;
}
