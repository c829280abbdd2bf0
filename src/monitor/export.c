/* One entry for all formats, and the readers that make deltas of them. */
#include "monitor/document.h"

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

struct wsrt_monitor_reader {
    wsrt_monitor *monitor;
    wsrt_snapshot *last; /* NULL = none yet */
    int64_t wall;        /* of it */
};

int wsrt_monitor_reader_new(wsrt_monitor_reader **out, wsrt_monitor *m)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (m == NULL)
        return WSRT_ERR_INVALID;
    wsrt_monitor_reader *r = wsrt_mem_zalloc(&m->allocator, sizeof *r);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_monitor_retain(m);
    r->monitor = m;
    *out = r;
    return WSRT_OK;
}

void wsrt_monitor_reader_free(wsrt_monitor_reader *r)
{
    if (r == NULL)
        return;
    wsrt_monitor *m = r->monitor;
    wsrt_snapshot_free(r->last);
    wsrt_mem_free(&m->allocator, r, sizeof *r);
    wsrt_monitor_release(m);
}

/* What a format has of flags; names and members are CloudWatch's. */
static const struct {
    int (*write)(const struct export *e);
    uint32_t flags;
} formats[] = {
    [WSRT_EXPORT_PROMETHEUS] = {wsrt_export_page, WSRT_EXPORT_SUMMARY | WSRT_EXPORT_SNAP_BOUNDS},
    [WSRT_EXPORT_OPENMETRICS] = {wsrt_export_page, WSRT_EXPORT_SUMMARY | WSRT_EXPORT_SNAP_BOUNDS},
    [WSRT_EXPORT_DASHBOARD] = {wsrt_export_dashboard, WSRT_EXPORT_HTML_SAFE},
    [WSRT_EXPORT_EMF] = {wsrt_export_emf, WSRT_EXPORT_COUNTS},
    [WSRT_EXPORT_CLOUDWATCH] = {wsrt_export_cloudwatch, 0},
    [WSRT_EXPORT_OTLP] = {wsrt_export_otlp, WSRT_EXPORT_EXPONENTIAL},
    [WSRT_EXPORT_BINARY] = {wsrt_export_binary, 0},
};

static int options_fit(const wsrt_monitor *m, const wsrt_export_options *o)
{
    return o->format >= WSRT_EXPORT_PROMETHEUS && o->format <= WSRT_EXPORT_BINARY &&
           (o->flags & ~formats[o->format].flags) == 0 && o->names >= WSRT_NAMES_HANDLER &&
           o->names <= WSRT_NAMES_BOTH && (o->member_count == 0 || o->members != NULL) &&
           (o->since == NULL || o->since->monitor == m);
}

struct into {
    char *dst;
    size_t cap;
    size_t len;
};

static int put_into(const void *data, size_t len, void *user)
{
    struct into *to = user;

    if (to->len < to->cap)
        memcpy(to->dst + to->len, data, len < to->cap - to->len ? len : to->cap - to->len);
    to->len += len;
    return WSRT_OK;
}

/* Takes the reading over when it was told. */
static void move(wsrt_monitor_reader *r, wsrt_snapshot *fresh, int64_t wall)
{
    wsrt_snapshot_free(r->last);
    r->last = fresh;
    r->wall = wall;
}

/* With `into` the reading moves only when all of it was room for. */
static int export_all(wsrt_monitor *m, const wsrt_export_options *opts,
                      int (*write)(const void *data, size_t len, void *user), void *user,
                      const struct into *into)
{
    wsrt_export_options o;
    wsrt_snapshot *fresh;

    if (m == NULL || opts == NULL || write == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&o, sizeof o, sizeof(wsrt_export_options), opts);
    if (rc == WSRT_OK && !options_fit(m, &o))
        rc = WSRT_ERR_INVALID;
    if (rc == WSRT_OK)
        rc = wsrt_snapshot_take(&fresh, m);
    if (rc != WSRT_OK)
        return rc;
    struct export e = {.options = &o, .is_delta = o.since != NULL, .write = write, .user = user};
    e.began = o.since == NULL ? 0 : o.since->wall;
    e.snapshot = wsrt_snapshot_since(fresh, o.since == NULL ? NULL : o.since->last);
    rc = e.snapshot == NULL ? WSRT_ERR_NOMEM : formats[o.format].write(&e);
    if (rc == WSRT_OK && into != NULL && into->len > into->cap)
        rc = WSRT_ERR_LIMIT;
    if (rc == WSRT_OK && o.since != NULL)
        move(o.since, fresh, o.wall);
    else
        wsrt_snapshot_free(fresh);
    return rc;
}

int wsrt_monitor_export(wsrt_monitor *m, const wsrt_export_options *opts,
                        int (*write)(const void *data, size_t len, void *user), void *user)
{
    return export_all(m, opts, write, user, NULL);
}

int wsrt_monitor_export_to(wsrt_monitor *m, const wsrt_export_options *opts, char *dst, size_t cap,
                           size_t *len)
{
    struct into into = {.dst = dst, .cap = cap};

    if (len == NULL || (dst == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    int rc = export_all(m, opts, put_into, &into, &into);
    *len = rc == WSRT_OK || rc == WSRT_ERR_LIMIT ? into.len : 0;
    return rc;
}
