#include "monitor/own.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

enum class { CATEGORY, NUMBER, REQUEST_SIZE, RESPONSE_SIZE, IDENTITY, TRACE, CORRELATION_ID, TEXT };

struct attribute {
    const char *name;
    uint8_t class;
    uint8_t index;
};

/* Sorted by name; docs/monitor.md has the same table. */
static const struct attribute table[] = {
    {"action", CATEGORY, ACTION},
    {"connectionDuration", NUMBER, CONNECTION_DURATION},
    {"connectionId", IDENTITY, WSRT_IDENTITY_CONNECTION_ID},
    {"correlationId", CORRELATION_ID, 0},
    {"disconnectReason", CATEGORY, DISCONNECT_REASON},
    {"email", IDENTITY, WSRT_IDENTITY_EMAIL},
    {"error", CATEGORY, ERROR_TEXT},
    {"errorMessage", TEXT, 0},
    {"errorType", CATEGORY, ERROR_TYPE},
    {"eventType", CATEGORY, EVENT_TYPE},
    {"exp", NUMBER, EXPIRY},
    {"groups", IDENTITY, WSRT_IDENTITY_GROUPS},
    {"hasSessionId", CATEGORY, HAS_SESSION_ID},
    {"hasToken", CATEGORY, HAS_TOKEN},
    {"messageLength", NUMBER, MESSAGE_LENGTH},
    {"messageType", CATEGORY, MESSAGE_TYPE},
    {"now", NUMBER, ATTRIBUTE_NOW},
    {"operation", CATEGORY, OPERATION},
    {"requestId", TRACE, 0},
    {"requestSize", REQUEST_SIZE, 0},
    {"responseSize", RESPONSE_SIZE, 0},
    {"routeKey", CATEGORY, ROUTE_KEY},
    {"service", CATEGORY, SERVICE},
    {"sessionId", IDENTITY, WSRT_IDENTITY_SESSION_ID},
    {"sourceIp", IDENTITY, WSRT_IDENTITY_SOURCE_IP},
    {"tokenLength", NUMBER, TOKEN_LENGTH},
    {"traceId", TRACE, 0},
    {"userId", IDENTITY, WSRT_IDENTITY_USER_ID},
    {"username", IDENTITY, WSRT_IDENTITY_USERNAME},
    {"warning", CATEGORY, WARNING},
};

/* Categories of errors that every operation knows; others are registered with it. */
static const char *const known_errors[] = {
    "VALIDATION_ERROR",    "PAYLOAD_TOO_LARGE", "AUTHENTICATION_ERROR",
    "AUTHORIZATION_ERROR", "NOT_FOUND",         "CONFLICT_ERROR",
    "RATE_LIMIT_ERROR",    "TIMEOUT_ERROR",     "EXTERNAL_SERVICE_ERROR",
    "DATABASE_ERROR",      "SERVICE_RESTART",   "PROTOCOL_ERROR",
    "UNSUPPORTED_DATA",    "INTERNAL_ERROR",    "MISSING_TOKEN",
    "TOKEN_EXPIRED",       "INVALID_TOKEN",
};

static const struct attribute *find_attribute(const char *name)
{
    size_t low = 0, high = sizeof table / sizeof table[0];

    while (name != NULL && low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, table[middle].name);
        if (order == 0)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

enum use wsrt_attribute_use(const wsrt_monitor *m, const char *name)
{
    const struct attribute *a = find_attribute(name);

    if (a == NULL || (a->class == TEXT && m->redact == NULL))
        return USE_NONE;
    if (a->class == TEXT)
        return USE_REDACTED;
    return a->class == IDENTITY && (m->log_identity_plain & a->index) == 0 ? USE_HASHED : USE_PLAIN;
}

int wsrt_attribute_may_be_dimension(const wsrt_monitor *m, const char *name)
{
    const struct attribute *a = find_attribute(name);

    if (a != NULL && a->class == IDENTITY)
        return (m->allow_identity_dimensions & a->index) != 0;
    return a == NULL || a->class == CATEGORY;
}

/* ---- values ---- */

struct key {
    uint64_t hash;
    int operation;
    int category;
    wsrt_span text;
};

static struct key key_of(const wsrt_monitor *m, int id, int category, wsrt_span text)
{
    uint64_t place = (uint64_t)id * CATEGORIES + (uint64_t)category;

    return (struct key){wsrt_hash(m->key ^ place, text.ptr, text.len), id, category, text};
}

static int is_same(const struct value *v, const struct key *key)
{
    return v->hash == key->hash && v->operation == key->operation && v->category == key->category &&
           v->len == key->text.len && memcmp(v->text, key->text.ptr, v->len) == 0;
}

static struct value *look_up(const wsrt_monitor *m, const struct key *key)
{
    slot *chains = held(&m->values);

    if (chains == NULL)
        return NULL;
    struct value *v = held(&chains[key->hash % VALUE_BUCKETS]);
    while (v != NULL && !is_same(v, key))
        v = held(&v->next);
    return v;
}

static int is_full(wsrt_monitor *m, int category)
{
    return atomic_load_explicit(&m->value_count, memory_order_relaxed) >=
               atomic_load_explicit(&m->max_values, memory_order_relaxed) ||
           atomic_load_explicit(&m->metric_values[category], memory_order_relaxed) >=
               atomic_load_explicit(&m->max_metric_values, memory_order_relaxed);
}

static size_t value_size(size_t len)
{
    return sizeof(struct value) + len;
}

static struct value *make(const wsrt_monitor *m, const struct key *key)
{
    struct value *v = wsrt_mem_zalloc(&m->allocator, value_size(key->text.len));

    if (v == NULL)
        return NULL;
    v->hash = key->hash;
    v->operation = (uint16_t)key->operation;
    v->category = (uint8_t)key->category;
    v->len = (uint8_t)key->text.len;
    memcpy(v->text, key->text.ptr, key->text.len);
    return v;
}

/* Under the lock; NULL when a cap is reached or another thread was first. */
static struct value *insert(wsrt_monitor *m, slot *chains, struct value *fresh)
{
    slot *head = &chains[fresh->hash % VALUE_BUCKETS];

    if (is_full(m, fresh->category))
        return NULL;
    atomic_store_explicit(&fresh->next, held(head), memory_order_relaxed);
    fresh->older = held(&m->newest_value);
    atomic_store_explicit(head, fresh, memory_order_release);
    atomic_store_explicit(&m->newest_value, fresh, memory_order_release);
    atomic_fetch_add_explicit(&m->value_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->metric_values[fresh->category], 1, memory_order_relaxed);
    return fresh;
}

static struct value *add(wsrt_monitor *m, const struct key *key)
{
    slot *chains = wsrt_slot_touch(&m->values, m, VALUE_BUCKETS * sizeof(slot));
    struct value *fresh = chains == NULL ? NULL : make(m, key);

    if (fresh == NULL)
        return NULL;
    pthread_mutex_lock(&m->lock);
    struct value *found = look_up(m, key);
    if (found == NULL)
        found = insert(m, chains, fresh);
    pthread_mutex_unlock(&m->lock);
    if (found != fresh)
        wsrt_mem_free(&m->allocator, fresh, value_size(key->text.len));
    return found;
}

static int is_countable(wsrt_span text)
{
    return text.len > 0 && text.len <= MAX_VALUE;
}

struct value *wsrt_value_find(const wsrt_monitor *m, int id, int category, wsrt_span text)
{
    struct key key = key_of(m, id, category, text);

    return is_countable(text) ? look_up(m, &key) : NULL;
}

struct value *wsrt_value_get(wsrt_monitor *m, int id, int category, wsrt_span text)
{
    if (!is_countable(text))
        return NULL;
    struct key key = key_of(m, id, category, text);
    struct value *found = look_up(m, &key);
    return found != NULL || is_full(m, category) ? found : add(m, &key);
}

struct value *wsrt_error_category(wsrt_monitor *m, int id, wsrt_span text)
{
    for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++)
        if (wsrt_span_equal(text, wsrt_span_cstr(known_errors[i])))
            return wsrt_value_get(m, id, ERROR_CATEGORY, text);
    return wsrt_value_find(m, id, ERROR_CATEGORY, text);
}

int wsrt_category_register(wsrt_monitor *m, int id, wsrt_span name)
{
    if (wsrt_span_equal(name, wsrt_span_cstr("other"))) /* it is where all others are counted */
        return WSRT_OK;
    if (wsrt_value_get(m, id, ERROR_CATEGORY, name) != NULL)
        return WSRT_OK;
    return is_full(m, ERROR_CATEGORY) ? WSRT_ERR_LIMIT : WSRT_ERR_NOMEM;
}

void wsrt_values_free(wsrt_monitor *m)
{
    for (struct value *v = held(&m->newest_value), *older; v != NULL; v = older) {
        older = v->older;
        wsrt_mem_free(&m->allocator, v, value_size(v->len));
    }
    wsrt_mem_free(&m->allocator, held(&m->values), VALUE_BUCKETS * sizeof(slot));
}

/* ---- counting ---- */

static void count_value(const struct place *at, int category, wsrt_span text, int good)
{
    struct value *v = wsrt_value_get(at->monitor, at->id, category, text);
    struct outcome_count *count =
        v != NULL ? &v->count : &at->monitor->operations[at->id]->overflow[category];

    if (v == NULL)
        count_up(&at->monitor->series_dropped, 1, 1);
    count_up(&count->all, 1, 1);
    if (good)
        count_up(&count->good, 1, 1);
}

static void count_number(const struct place *at, int which, uint64_t n)
{
    struct numbers *numbers = wsrt_tally_numbers(at->monitor, at->tally);
    int shared = at->shared;

    if (numbers == NULL) {
        numbers = &at->monitor->operations[at->id]->spare_numbers;
        shared = 1;
    }
    count_sum(&numbers->sum[which], n, shared);
    count_up(&numbers->count[which], 1, shared);
}

/* The value as a count; -1 when it is none. */
static int64_t number_of(const wsrt_field *f)
{
    if (f->kind == WSRT_FIELD_INT)
        return f->number >= 0 ? f->number : -1;
    if (f->kind == WSRT_FIELD_REAL && f->real >= 0 && f->real < 9.0e18)
        return (int64_t)f->real;
    return -1;
}

static wsrt_span text_of(const wsrt_field *f)
{
    if (f->kind == WSRT_FIELD_BOOL)
        return wsrt_span_cstr(f->number != 0 ? "true" : "false");
    return f->kind == WSRT_FIELD_TEXT ? f->text : (wsrt_span){NULL, 0};
}

/* 1 when the attribute told something. */
static int take_category(const struct place *at, int category, const wsrt_field *f, int good)
{
    wsrt_span text = text_of(f);

    if (text.len == 0)
        return 0;
    count_value(at, category, text, good);
    return 1;
}

/* What the result itself says goes first. */
static int take_size(int64_t *size, int64_t n)
{
    if (*size <= 0)
        *size = n;
    return n >= 0;
}

/* Alerts and exemplars show it as it is. */
static int is_id(wsrt_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= ';') ||
              c == '-' || c == '.' || c == '=' || c == '_'))
            return 0;
    }
    return text.len <= MAX_CORRELATION_ID;
}

static int take(const struct place *at, const struct attribute *a, const wsrt_field *f,
                struct attribute_totals *out, int good)
{
    int64_t n = -1;

    switch (a->class) {
    case CATEGORY:
        if (a->index == WARNING && text_of(f).len > 0)
            out->warned = 1;
        if (a->index == ERROR_TYPE)
            out->error_type = text_of(f);
        return take_category(at, a->index, f, good);
    case NUMBER:
        n = number_of(f);
        if (n >= 0)
            count_number(at, a->index, (uint64_t)n);
        return n >= 0;
    case REQUEST_SIZE:
        return take_size(&out->request_size, number_of(f));
    case RESPONSE_SIZE:
        return take_size(&out->response_size, number_of(f));
    case CORRELATION_ID:
        out->correlation_id = text_of(f);
        if (!is_id(out->correlation_id))
            out->correlation_id.len = 0;
        return out->correlation_id.len > 0;
    default:
        return 1;
    }
}

void wsrt_attributes_count(const struct place *at, struct attributes attrs, int good,
                           struct attribute_totals *out)
{
    for (size_t i = 0; i < attrs.count; i++) {
        const wsrt_field *field = &attrs.fields[i];
        const struct attribute *a = find_attribute(field->name_cstr);
        int is_known = a != NULL ? take(at, a, field, out, good)
                                 : wsrt_own_declares(at->monitor, at->id, field->name_cstr);
        if (!is_known)
            count_up(&at->monitor->attributes_dropped, 1, 1);
    }
}
