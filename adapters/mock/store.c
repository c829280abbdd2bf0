/* Stores that fail on request: each function asks the fault plan, then the store it wraps. */
#include "mock/internal.h"

#include "common/support.h"

static int store_trip(void *self)
{
    wsrt_mock *m = self;

    pthread_mutex_lock(&m->lock);
    int rc = wsrt_mock_trip_(m, WSRT_MOCK_STORE);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int history_trip(void *self)
{
    wsrt_mock *m = self;

    pthread_mutex_lock(&m->lock);
    int rc = wsrt_mock_trip_(m, WSRT_MOCK_HISTORY);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static const wsrt_store *store_of(void *self)
{
    return &((wsrt_mock *)self)->inner_store;
}

static const wsrt_history *history_of(void *self)
{
    return &((wsrt_mock *)self)->inner_history;
}

static int store_put(void *self, const wsrt_record *record, int if_absent, int64_t now_s)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->put(s->self, record, if_absent, now_s);
}

static int store_get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
                     size_t cap)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->get(s->self, id, now_s, out, buf, cap);
}

static int store_remove(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->remove(s->self, id, if_connected_at);
}

static int store_touch(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->touch(s->self, id, last_active_at, expires_at);
}

static int store_set_principal(void *self, const wsrt_span *id, const wsrt_span *user_id,
                               const wsrt_span *principal)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->set_principal(s->self, id, user_id, principal);
}

static int store_set_filters(void *self, const wsrt_span *id, const wsrt_span *filters)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->set_filters(s->self, id, filters);
}

static int store_each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                      int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                      size_t *count)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK
               ? rc
               : s->ops->each(s->self, user_id, flags, cursor, now_s, out, max, buf, cap, count);
}

static int store_count(void *self, int64_t now_s, uint64_t *out)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->count(s->self, now_s, out);
}

static int store_expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->expire(s->self, now_s, limit, removed);
}

static int store_flush(void *self)
{
    const wsrt_store *s = store_of(self);
    int rc = store_trip(self);

    return rc != WSRT_OK ? rc : s->ops->flush(s->self);
}

static int history_append(void *self, const wsrt_history_entry *entry)
{
    const wsrt_history *h = history_of(self);
    int rc = history_trip(self);

    return rc != WSRT_OK ? rc : h->ops->append(h->self, entry);
}

static int history_list(void *self, const wsrt_span *session_id, wsrt_cursor *cursor, int64_t now_s,
                        wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count)
{
    const wsrt_history *h = history_of(self);
    int rc = history_trip(self);

    return rc != WSRT_OK
               ? rc
               : h->ops->list(h->self, session_id, cursor, now_s, out, max, buf, cap, count);
}

static int history_expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    const wsrt_history *h = history_of(self);
    int rc = history_trip(self);

    return rc != WSRT_OK ? rc : h->ops->expire(h->self, now_s, limit, removed);
}

/* ---- wrapping ----------------------------------------------------------------------------- */

static void mirror_store(wsrt_mock *m)
{
    const wsrt_store_ops *in = &m->inner_store_ops;

    m->store_ops = (wsrt_store_ops){
        .struct_size = sizeof m->store_ops,
        .put = store_put,
        .get = store_get,
        .remove = store_remove,
        .touch = in->touch != NULL ? store_touch : NULL,
        .set_principal = in->set_principal != NULL ? store_set_principal : NULL,
        .set_filters = in->set_filters != NULL ? store_set_filters : NULL,
        .each = store_each,
        .count = in->count != NULL ? store_count : NULL,
        .expire = in->expire != NULL ? store_expire : NULL,
        .flush = in->flush != NULL ? store_flush : NULL,
    };
}

static int load_store(wsrt_mock *m, const wsrt_store *inner)
{
    wsrt_store_ops *ops = &m->inner_store_ops;
    int rc = wsrt_adapter_table(ops, sizeof *ops, offsetof(wsrt_store_ops, count), inner->ops);

    if (rc == WSRT_OK &&
        (ops->put == NULL || ops->get == NULL || ops->remove == NULL || ops->each == NULL))
        rc = WSRT_ERR_INVALID;
    if (rc != WSRT_OK)
        return rc;
    m->inner_store = (wsrt_store){ops, inner->self};
    mirror_store(m);
    return WSRT_OK;
}

static int load_history(wsrt_mock *m, const wsrt_history *inner)
{
    wsrt_history_ops *ops = &m->inner_history_ops;
    int rc = wsrt_adapter_table(ops, sizeof *ops, offsetof(wsrt_history_ops, expire), inner->ops);

    if (rc == WSRT_OK && (ops->append == NULL || ops->list == NULL))
        rc = WSRT_ERR_INVALID;
    if (rc != WSRT_OK)
        return rc;
    m->inner_history = (wsrt_history){ops, inner->self};
    m->history_ops = (wsrt_history_ops){
        .struct_size = sizeof m->history_ops,
        .append = history_append,
        .list = history_list,
        .expire = ops->expire != NULL ? history_expire : NULL,
    };
    return WSRT_OK;
}

static int own_memory(wsrt_mock *m)
{
    wsrt_memory_store_options opts = {.struct_size = sizeof opts, .allocator = m->allocator};

    return m->memory != NULL ? WSRT_OK : wsrt_memory_store_new(&m->memory, &opts);
}

static int wrap_store(wsrt_mock *m, const wsrt_store *inner)
{
    wsrt_store own;

    if (m->inner_store.ops != NULL)
        return inner == NULL || inner->self == m->inner_store.self ? WSRT_OK : WSRT_ERR_EXISTS;
    if (inner != NULL)
        return load_store(m, inner);
    int rc = own_memory(m);
    if (rc != WSRT_OK)
        return rc;
    wsrt_memory_store_connections(m->memory, &own);
    return load_store(m, &own);
}

static int wrap_history(wsrt_mock *m, const wsrt_history *inner)
{
    wsrt_history own;

    if (m->inner_history.ops != NULL)
        return inner == NULL || inner->self == m->inner_history.self ? WSRT_OK : WSRT_ERR_EXISTS;
    if (inner != NULL)
        return load_history(m, inner);
    int rc = own_memory(m);
    if (rc != WSRT_OK)
        return rc;
    wsrt_memory_store_history(m->memory, &own);
    return load_history(m, &own);
}

int wsrt_mock_store(wsrt_mock *m, const wsrt_store *inner, wsrt_store *out)
{
    if (m == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    int rc = wrap_store(m, inner);
    pthread_mutex_unlock(&m->lock);
    if (rc == WSRT_OK)
        *out = (wsrt_store){&m->store_ops, m};
    return rc;
}

int wsrt_mock_history(wsrt_mock *m, const wsrt_history *inner, wsrt_history *out)
{
    if (m == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    int rc = wrap_history(m, inner);
    pthread_mutex_unlock(&m->lock);
    if (rc == WSRT_OK)
        *out = (wsrt_history){&m->history_ops, m};
    return rc;
}
