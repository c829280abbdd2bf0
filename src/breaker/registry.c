/* One breaker a key, found by its two names. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/options.h"

#include <string.h>

enum { DEFAULT_CAP = 10000, FIRST_CHAINS = 64, KEY_MAX = 255 };

int wsrt_breakers_new(wsrt_breakers **out, const wsrt_breakers_options *opts)
{
    wsrt_breakers_options o;
    wsrt_allocator allocator;
    wsrt_env env;
    int rc;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if ((rc = wsrt_options_load(&o, sizeof o, sizeof(wsrt_breakers_options), opts)) != WSRT_OK ||
        (rc = wsrt_allocator_load(&allocator, &o.allocator)) != WSRT_OK ||
        (rc = wsrt_env_load(&env, o.env)) != WSRT_OK)
        return rc;
    if (o.flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    wsrt_breakers *r = wsrt_mem_zalloc(&allocator, sizeof *r);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->allocator = allocator;
    r->env = env;
    r->base = o.now;
    r->cap = o.max_breakers != 0 ? o.max_breakers : DEFAULT_CAP;
    r->chain_count = FIRST_CHAINS;
    r->chains = wsrt_mem_zalloc(&allocator, r->chain_count * sizeof *r->chains);
    if (r->chains == NULL) {
        wsrt_mem_free(&allocator, r, sizeof *r);
        return WSRT_ERR_NOMEM;
    }
    if (pthread_mutex_init(&r->lock, NULL) != 0) {
        wsrt_mem_free(&allocator, r->chains, r->chain_count * sizeof *r->chains);
        wsrt_mem_free(&allocator, r, sizeof *r);
        return WSRT_ERR_NOMEM;
    }
    *out = r;
    return WSRT_OK;
}

static size_t size_of(const wsrt_breaker *b)
{
    return sizeof *b + b->service_len + b->operation_len;
}

void wsrt_breakers_free(wsrt_breakers *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->chain_count; i++) {
        while (r->chains[i] != NULL) {
            wsrt_breaker *b = r->chains[i];
            r->chains[i] = b->next;
            wsrt_mem_free(&r->allocator, b, size_of(b));
        }
    }
    pthread_mutex_destroy(&r->lock);
    wsrt_mem_free(&r->allocator, r->chains, r->chain_count * sizeof *r->chains);
    wsrt_allocator allocator = r->allocator;
    wsrt_mem_free(&allocator, r, sizeof *r);
}

static uint32_t hash_of(wsrt_span service, wsrt_span operation)
{
    return (uint32_t)wsrt_hash(wsrt_hash(service.len, service.ptr, service.len), operation.ptr,
                               operation.len);
}

static wsrt_breaker *find(const wsrt_breakers *r, uint32_t hash, wsrt_span service,
                          wsrt_span operation)
{
    wsrt_breaker *b = r->chains[hash & (r->chain_count - 1)];

    while (b != NULL &&
           (b->hash != hash || b->service_len != service.len || b->operation_len != operation.len ||
            memcmp(b->key, service.ptr, service.len) != 0 ||
            memcmp(b->key + service.len, operation.ptr, operation.len) != 0))
        b = b->next;
    return b;
}

/* Without memory for more chains the old ones grow longer: slower, not wrong. */
static void rehash(wsrt_breakers *r)
{
    size_t count = 2 * r->chain_count;
    wsrt_breaker **chains = wsrt_mem_zalloc(&r->allocator, count * sizeof *chains);

    if (chains == NULL)
        return;
    for (size_t i = 0; i < r->chain_count; i++) {
        while (r->chains[i] != NULL) {
            wsrt_breaker *b = r->chains[i];
            r->chains[i] = b->next;
            b->next = chains[b->hash & (count - 1)];
            chains[b->hash & (count - 1)] = b;
        }
    }
    wsrt_mem_free(&r->allocator, r->chains, r->chain_count * sizeof *r->chains);
    r->chains = chains;
    r->chain_count = count;
}

static int create(wsrt_breakers *r, uint32_t hash, wsrt_span service, wsrt_span operation,
                  const struct settings *settings, wsrt_breaker **out)
{
    if (r->count >= r->cap)
        return WSRT_ERR_LIMIT;
    wsrt_breaker *b = wsrt_mem_zalloc(&r->allocator, sizeof *b + service.len + operation.len);
    if (b == NULL)
        return WSRT_ERR_NOMEM;
    if (r->count >= r->chain_count)
        rehash(r);
    b->settings = *settings;
    b->registry = r;
    b->hash = hash;
    b->service_len = service.len;
    b->operation_len = operation.len;
    memcpy(b->key, service.ptr, service.len);
    memcpy(b->key + service.len, operation.ptr, operation.len);
    atomic_init(&b->last_failure, -1);
    atomic_init(&b->last_success, -1);
    wsrt_window_init(&b->window);
    b->next = r->chains[hash & (r->chain_count - 1)];
    r->chains[hash & (r->chain_count - 1)] = b;
    r->count++;
    *out = b;
    return WSRT_OK;
}

static int is_key(wsrt_span text)
{
    return text.ptr != NULL && text.len > 0 && text.len <= KEY_MAX;
}

int wsrt_breakers_get(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                      const wsrt_breaker_config *config, wsrt_breaker **out, int *differs)
{
    struct settings settings;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || !is_key(service) || !is_key(operation))
        return WSRT_ERR_INVALID;
    int rc = wsrt_breaker_settings_load(&settings, service, config);
    if (rc != WSRT_OK)
        return rc;
    uint32_t hash = hash_of(service, operation);
    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, hash, service, operation);
    if (differs != NULL)
        *differs =
            b != NULL && config != NULL && !wsrt_breaker_settings_equal(&b->settings, &settings);
    if (b == NULL)
        rc = create(r, hash, service, operation, &settings, &b);
    if (rc == WSRT_OK)
        atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&r->lock);
    *out = b;
    return rc;
}

int wsrt_breakers_find(wsrt_breakers *r, wsrt_span service, wsrt_span operation, wsrt_breaker **out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || !is_key(service) || !is_key(operation))
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, hash_of(service, operation), service, operation);
    if (b != NULL)
        atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&r->lock);
    *out = b;
    return b == NULL ? WSRT_ERR_NOT_FOUND : WSRT_OK;
}

void wsrt_breaker_release_ref(wsrt_breaker *b)
{
    if (b != NULL)
        atomic_fetch_sub_explicit(&b->references, 1, memory_order_relaxed);
}
