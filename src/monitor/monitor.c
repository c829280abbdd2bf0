#include "monitor/catalogue.h"
#include "monitor/own.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/options.h"

#include <string.h>

static const char *const builtin[BUILTIN_OPERATIONS] = {
    [WSRT_OP_CONVERSATION] = "websocket_conversation",
    [WSRT_OP_CONNECTION] = "websocket_connection",
    [WSRT_OP_JWT_VERIFICATION] = "authentication_jwt_verification",
    [WSRT_OP_CHAT_MESSAGE] = "chat_message_processing",
};

static char *copy_text(const wsrt_allocator *a, wsrt_span text)
{
    char *out = wsrt_mem_alloc(a, text.len + 1);

    if (out == NULL)
        return NULL;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

/* ---- operations ---- */

static int is_name(wsrt_span name)
{
    if (name.len == 0 || name.len > 255)
        return 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-'))
            return 0;
    }
    return 1;
}

static int find_operation(const wsrt_monitor *m, wsrt_span name)
{
    int count = atomic_load_explicit(&m->operation_count, memory_order_acquire);

    for (int i = 0; i < count; i++) {
        const struct operation *o = m->operations[i];
        if (o->name_len == name.len && memcmp(o->name, name.ptr, name.len) == 0)
            return i;
    }
    return -1;
}

static void free_operation(const wsrt_monitor *m, struct operation *o)
{
    if (o == NULL)
        return;
    wsrt_mem_free(&m->allocator, o->history.base_counters, wsrt_history_bytes(m));
    wsrt_mem_free(&m->allocator, held(&o->exemplars), OCTAVES * sizeof(struct worst));
    wsrt_own_free(m, o);
    wsrt_ring_free(m, o->ring);
    wsrt_mem_free(&m->allocator, o->name, o->name_len + 1);
    wsrt_mem_free(&m->allocator, o, sizeof *o);
}

static struct operation *new_operation(const wsrt_monitor *m, wsrt_span name)
{
    struct operation *o = wsrt_mem_zalloc(&m->allocator, sizeof *o);

    if (o == NULL)
        return NULL;
    o->name_len = name.len;
    o->name = copy_text(&m->allocator, name);
    if (o->name == NULL) {
        free_operation(m, o);
        return NULL;
    }
    atomic_init(&o->spare.numbers, &o->spare_numbers);
    return o;
}

/* Under the lock; takes `fresh` when it returns its own id. */
static int settle_operation(wsrt_monitor *m, struct operation *fresh, wsrt_span name, int *id)
{
    int count = atomic_load_explicit(&m->operation_count, memory_order_relaxed);

    *id = find_operation(m, name);
    if (*id >= 0)
        return 0;
    if (count == m->max_operations)
        return WSRT_ERR_LIMIT;
    wsrt_history_init(&fresh->history, count);
    m->operations[count] = fresh;
    atomic_store_explicit(&m->operation_count, count + 1, memory_order_release);
    *id = count;
    return 1;
}

int wsrt_monitor_operation(wsrt_monitor *m, wsrt_span name, int *id)
{
    if (m == NULL || id == NULL || !is_name(name))
        return WSRT_ERR_INVALID;
    int found = find_operation(m, name);
    if (found < 0) {
        struct operation *fresh = new_operation(m, name);
        if (fresh == NULL)
            return WSRT_ERR_NOMEM;
        pthread_mutex_lock(&m->lock);
        int rc = settle_operation(m, fresh, name, &found);
        pthread_mutex_unlock(&m->lock);
        if (rc != 1)
            free_operation(m, fresh);
        if (rc < 0)
            return rc;
    }
    *id = found;
    return WSRT_OK;
}

const struct operation *wsrt_monitor_known(const wsrt_monitor *m, int id)
{
    if (id < 0 || id >= atomic_load_explicit(&m->operation_count, memory_order_acquire))
        return NULL;
    return m->operations[id];
}

int wsrt_monitor_error_category(wsrt_monitor *m, int id, wsrt_span name)
{
    if (m == NULL || !is_name(name))
        return WSRT_ERR_INVALID;
    if (wsrt_monitor_known(m, id) == NULL)
        return WSRT_ERR_NOT_FOUND;
    return wsrt_category_register(m, id, name);
}

/* ---- life ---- */

static void free_sources(wsrt_monitor *m)
{
    for (size_t i = 0; i < m->source_count; i++)
        wsrt_mem_free(&m->allocator, m->sources[i], sizeof *m->sources[i]);
    wsrt_mem_free(&m->allocator, m->sources, m->source_cap * sizeof *m->sources);
}

static void destroy(wsrt_monitor *m)
{
    wsrt_allocator allocator = m->allocator;

    wsrt_shard_clear(&m->shared);
    wsrt_shard_clear(&m->retired);
    wsrt_values_free(m);
    free_sources(m);
    for (int i = 0; m->operations != NULL && i < m->operation_count; i++)
        free_operation(m, m->operations[i]);
    wsrt_mem_free(&allocator, m->operations, (size_t)m->max_operations * sizeof *m->operations);
    wsrt_mem_free(&allocator, m->environment, m->environment_len + 1);
    pthread_mutex_destroy(&m->lock);
    wsrt_mem_free(&allocator, m, sizeof *m);
}

void wsrt_monitor_retain(wsrt_monitor *m)
{
    atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
}

void wsrt_monitor_release(wsrt_monitor *m)
{
    if (atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) == 1)
        destroy(m);
}

void wsrt_monitor_free(wsrt_monitor *m)
{
    if (m != NULL)
        wsrt_monitor_release(m);
}

enum { LEAST_KEY = 16 };
static const uint32_t ALL_IDENTITIES =
    WSRT_IDENTITY_CONNECTION_ID | WSRT_IDENTITY_USER_ID | WSRT_IDENTITY_USERNAME |
    WSRT_IDENTITY_EMAIL | WSRT_IDENTITY_GROUPS | WSRT_IDENTITY_SESSION_ID | WSRT_IDENTITY_SOURCE_IP;

static int read_options(wsrt_monitor_options *out, const wsrt_monitor_options *given)
{
    int rc = wsrt_options_load(out, sizeof *out, sizeof(wsrt_monitor_options), given);

    if (rc != WSRT_OK)
        return rc;
    if ((out->flags & ~(uint32_t)WSRT_MONITOR_RESIDENT_DELTA) != 0 ||
        ((out->log_identity_plain | out->allow_identity_dimensions) & ~ALL_IDENTITIES) != 0 ||
        (out->trend != 0 && out->trend != UINT32_MAX))
        return WSRT_ERR_UNSUPPORTED;
    if (out->max_operations == 0)
        out->max_operations = MAX_OPERATIONS;
    if (out->histogram_bits == 0)
        out->histogram_bits = USUAL_BITS;
    if (out->environment.len == 0)
        out->environment = wsrt_span_cstr("dev");
    if (out->max_operations < BUILTIN_OPERATIONS || out->max_operations > MAX_OPERATIONS ||
        out->histogram_bits < HISTOGRAM_MIN_BITS || out->histogram_bits > HISTOGRAM_MAX_BITS ||
        out->environment.len > MAX_VALUE || out->environment.ptr == NULL ||
        (out->identity_key.len > 0 && out->identity_key.len < LEAST_KEY))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

static uint32_t or_default(uint32_t given, uint32_t value)
{
    return given == 0 ? value : given;
}

static void set_up(wsrt_monitor *m, const wsrt_monitor_options *o)
{
    m->bits = o->histogram_bits;
    m->chunks = wsrt_histogram_chunks(m->bits);
    m->flags = o->flags;
    m->log_identity_plain = o->log_identity_plain;
    m->allow_identity_dimensions = o->allow_identity_dimensions;
    m->redact = o->redact;
    m->cpu_sampling = o->cpu_sampling == UINT32_MAX ? 0 : or_default(o->cpu_sampling, 64);
    m->has_trends = o->trend != UINT32_MAX;
    m->max_operations = (int)o->max_operations;
    m->max_metric_values = or_default(o->max_metric_values, 10000);
    m->max_values = or_default(o->max_values, 50000);
    m->minutes.number = TREND_MINUTES; /* so that what is merged may be of the day before */
    m->shared = (struct shard){.monitor = m, .shared = 1};
    m->retired = (struct shard){.monitor = m, .next = &m->shared};
    m->shared.prev = &m->retired;
    m->on_alert = o->on_alert;
    m->alert_user = o->alert_user;
    atomic_init(&m->references, 1);
}

/* What a process may read of another's lines depends on the key alone, so a given one of any length is
 * brought to that of the hash. */
static int make_keys(wsrt_monitor *m, wsrt_span identity_key)
{
    int rc = m->env.random(m->env.user, &m->key, sizeof m->key);

    if (rc == 0 && identity_key.len == 0)
        rc = m->env.random(m->env.user, m->identity_key, sizeof m->identity_key);
    if (identity_key.len > 0)
        wsrt_mac((const unsigned char *)identity_key.ptr, identity_key.ptr, identity_key.len,
                 m->identity_key);
    return rc == 0 ? WSRT_OK : WSRT_ERR_IO;
}

static int fill(wsrt_monitor *m, const wsrt_monitor_options *o)
{
    int id;

    m->environment_len = o->environment.len;
    m->environment = copy_text(&m->allocator, o->environment);
    m->operations =
        wsrt_mem_zalloc(&m->allocator, (size_t)m->max_operations * sizeof *m->operations);
    if (m->environment == NULL || m->operations == NULL)
        return WSRT_ERR_NOMEM;
    for (int i = 0; i < BUILTIN_OPERATIONS; i++)
        if (wsrt_monitor_operation(m, wsrt_span_cstr(builtin[i]), &id) != WSRT_OK)
            return WSRT_ERR_NOMEM;
    return make_keys(m, o->identity_key);
}

static int make(wsrt_monitor **out, const wsrt_monitor_options *o, const wsrt_allocator *allocator,
                const wsrt_env *env)
{
    wsrt_monitor *m = wsrt_mem_zalloc(allocator, sizeof *m);

    if (m == NULL)
        return WSRT_ERR_NOMEM;
    m->allocator = *allocator;
    m->env = *env;
    if (pthread_mutex_init(&m->lock, NULL) != 0) {
        wsrt_mem_free(allocator, m, sizeof *m);
        return WSRT_ERR_NOMEM;
    }
    set_up(m, o);
    int rc = fill(m, o);
    if (rc != WSRT_OK)
        destroy(m);
    else
        *out = m;
    return rc;
}

int wsrt_monitor_new(wsrt_monitor **out, const wsrt_monitor_options *opts)
{
    wsrt_monitor_options o;
    wsrt_allocator allocator;
    wsrt_env env;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = read_options(&o, opts);
    if (rc == WSRT_OK)
        rc = wsrt_allocator_load(&allocator, &o.allocator);
    if (rc == WSRT_OK)
        rc = wsrt_env_load(&env, o.env);
    return rc == WSRT_OK ? make(out, &o, &allocator, &env) : rc;
}

/* ---- recorders ---- */

static void *realloc_counted(void *user, void *ptr, size_t old_size, size_t new_size)
{
    wsrt_recorder *r = user;
    const wsrt_allocator *a = &r->shard.monitor->allocator;
    void *out = NULL;

    if (new_size == 0)
        wsrt_mem_free(a, ptr, old_size);
    else
        out = wsrt_mem_resize(a, ptr, old_size, new_size);
    if (out != NULL || new_size == 0)
        wsrt_recorder_bytes(r, (int64_t)new_size - (int64_t)old_size);
    return out;
}

const wsrt_allocator *wsrt_recorder_allocator(wsrt_recorder *rec)
{
    return rec == NULL ? NULL : &rec->allocator;
}

int wsrt_recorder_new(wsrt_recorder **out, wsrt_monitor *m)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (m == NULL)
        return WSRT_ERR_INVALID;
    wsrt_recorder *r = wsrt_mem_zalloc(&m->allocator, sizeof *r);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_monitor_retain(m);
    r->shard.monitor = m;
    r->allocator = (wsrt_allocator){.realloc = realloc_counted, .user = r};
    r->front.until_look = 1;
    r->until_cpu = 1;
    r->cpu_after = INT64_MIN;
    pthread_mutex_lock(&m->lock);
    r->shard.prev = &m->retired;
    r->shard.next = m->retired.next;
    r->shard.next->prev = &r->shard;
    m->retired.next = &r->shard;
    pthread_mutex_unlock(&m->lock);
    *out = r;
    return WSRT_OK;
}

void wsrt_recorder_free(wsrt_recorder *r)
{
    if (r == NULL)
        return;
    wsrt_monitor *m = r->shard.monitor;
    wsrt_recorder_settle(r, r->front.deferred.start);
    pthread_mutex_lock(&m->lock);
    r->shard.prev->next = r->shard.next;
    r->shard.next->prev = r->shard.prev;
    wsrt_shard_fold(&m->retired, &r->shard);
    pthread_mutex_unlock(&m->lock);
    wsrt_mem_free(&m->allocator, r, sizeof *r);
    wsrt_monitor_release(m);
}

/* ---- sources ---- */

int wsrt_source_name_fits(const char *name_cstr)
{
    size_t len = name_cstr == NULL ? 0 : strlen(name_cstr);

    if (len == 0 || len > MAX_SOURCE_NAME)
        return 0;
    for (size_t i = 0; i < len; i++) {
        char c = name_cstr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (i > 0 && ((c >= '0' && c <= '9') || c == '_'))))
            return 0;
    }
    return 1;
}

/* In EMF a metric and a dimension of one name would be one member. */
int wsrt_is_dimension(const char *name_cstr)
{
    static const char *const names[] = {"Handler",   "Environment", "Service",
                                        "Operation", "Scope",       "TableName"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name_cstr) == 0)
            return 1;
    return 0;
}

int wsrt_source_is_named(const wsrt_monitor *m, const char *name_cstr)
{
    for (size_t i = 0; i < m->source_count; i++)
        if (wsrt_is_named_abroad(m->sources[i]->name, name_cstr))
            return 1;
    return 0;
}

/* One family has one name and one kind; each user adds its series to it once. */
static int source_fits(const wsrt_monitor *m, const struct source *fresh)
{
    for (size_t i = 0; i < m->source_count; i++) {
        const struct source *s = m->sources[i];
        if (wsrt_is_named_abroad(s->name, fresh->name) &&
            (s->user == fresh->user || s->kind != fresh->kind || strcmp(s->name, fresh->name) != 0))
            return WSRT_ERR_EXISTS;
    }
    if (wsrt_own_is_named(m, fresh->name))
        return WSRT_ERR_EXISTS;
    return m->source_count == MAX_SOURCES ? WSRT_ERR_LIMIT : WSRT_OK;
}

static int settle_source(wsrt_monitor *m, struct source *fresh)
{
    int rc = source_fits(m, fresh);

    if (rc == WSRT_OK && m->source_count == m->source_cap) {
        size_t cap = m->source_cap == 0 ? 16 : m->source_cap * 2;
        struct source **more =
            wsrt_mem_resize(&m->allocator, m->sources, m->source_cap * sizeof *m->sources,
                            cap * sizeof *m->sources);
        if (more == NULL)
            return WSRT_ERR_NOMEM;
        m->sources = more;
        m->source_cap = cap;
    }
    if (rc == WSRT_OK)
        m->sources[m->source_count++] = fresh;
    return rc;
}

int wsrt_monitor_source(wsrt_monitor *m, const char *name_cstr, int kind, wsrt_source_fn read,
                        void *user)
{
    if (m == NULL || read == NULL || !wsrt_source_name_fits(name_cstr) ||
        wsrt_is_dimension(name_cstr) || (kind != WSRT_SOURCE_GAUGE && kind != WSRT_SOURCE_COUNTER))
        return WSRT_ERR_INVALID;
    struct source *fresh = wsrt_mem_zalloc(&m->allocator, sizeof *fresh);
    if (fresh == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(fresh->name, name_cstr, strlen(name_cstr));
    fresh->metric = wsrt_metric_find(name_cstr);
    fresh->kind = kind;
    fresh->read = read;
    fresh->user = user;
    pthread_mutex_lock(&m->lock);
    int rc = settle_source(m, fresh);
    pthread_mutex_unlock(&m->lock);
    if (rc != WSRT_OK)
        wsrt_mem_free(&m->allocator, fresh, sizeof *fresh);
    return rc;
}

void wsrt_monitor_source_remove(wsrt_monitor *m, const void *user)
{
    if (m == NULL)
        return;
    pthread_mutex_lock(&m->lock);
    size_t kept = 0;
    for (size_t i = 0; i < m->source_count; i++) {
        struct source *s = m->sources[i];
        if (s->user != user)
            m->sources[kept++] = s;
        else
            wsrt_mem_free(&m->allocator, s, sizeof *s);
    }
    m->source_count = kept;
    pthread_mutex_unlock(&m->lock);
}
