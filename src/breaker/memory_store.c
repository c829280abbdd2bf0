/* Shared state in the memory of one process: a list of records under a lock. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"

#include <string.h>

struct kept {
    struct kept *next;
    wsrt_breaker_shared record;
    size_t service_len, operation_len;
    char key[];
};

struct wsrt_memory_breaker_store {
    wsrt_allocator allocator;
    pthread_mutex_t lock;
    struct kept *kept;
};

int wsrt_memory_breaker_store_new(wsrt_memory_breaker_store **out, const wsrt_allocator *allocator)
{
    wsrt_allocator a;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_allocator_load(&a, allocator);
    if (rc != WSRT_OK)
        return rc;
    wsrt_memory_breaker_store *m = wsrt_mem_zalloc(&a, sizeof *m);
    if (m == NULL)
        return WSRT_ERR_NOMEM;
    m->allocator = a;
    if (pthread_mutex_init(&m->lock, NULL) != 0) {
        wsrt_mem_free(&a, m, sizeof *m);
        return WSRT_ERR_NOMEM;
    }
    *out = m;
    return WSRT_OK;
}

static size_t size_of(const struct kept *k)
{
    return sizeof *k + k->service_len + k->operation_len;
}

void wsrt_memory_breaker_store_free(wsrt_memory_breaker_store *store)
{
    if (store == NULL)
        return;
    while (store->kept != NULL) {
        struct kept *k = store->kept;
        store->kept = k->next;
        wsrt_mem_free(&store->allocator, k, size_of(k));
    }
    pthread_mutex_destroy(&store->lock);
    wsrt_allocator a = store->allocator;
    wsrt_mem_free(&a, store, sizeof *store);
}

static struct kept *find(const wsrt_memory_breaker_store *m, const wsrt_breaker_shared_key *key)
{
    struct kept *k = m->kept;

    while (k != NULL && !(wsrt_span_equal((wsrt_span){k->key, k->service_len}, key->service) &&
                          wsrt_span_equal((wsrt_span){k->key + k->service_len, k->operation_len},
                                          key->operation)))
        k = k->next;
    return k;
}

static struct kept *add(wsrt_memory_breaker_store *m, const wsrt_breaker_shared_key *key)
{
    struct kept *k =
        wsrt_mem_zalloc(&m->allocator, sizeof *k + key->service.len + key->operation.len);

    if (k == NULL)
        return NULL;
    k->service_len = key->service.len;
    k->operation_len = key->operation.len;
    memcpy(k->key, key->service.ptr, key->service.len);
    memcpy(k->key + key->service.len, key->operation.ptr, key->operation.len);
    k->next = m->kept;
    m->kept = k;
    return k;
}

static int memory_load(void *self, const wsrt_breaker_shared_key *key, wsrt_breaker_shared *out)
{
    wsrt_memory_breaker_store *m = self;

    pthread_mutex_lock(&m->lock);
    const struct kept *k = find(m, key);
    if (k != NULL)
        *out = k->record;
    pthread_mutex_unlock(&m->lock);
    return k != NULL ? WSRT_OK : WSRT_ERR_NOT_FOUND;
}

static int memory_swap(void *self, const wsrt_breaker_shared_key *key, uint64_t expected,
                       const wsrt_breaker_shared *record, wsrt_breaker_shared *seen)
{
    wsrt_memory_breaker_store *m = self;
    int rc = WSRT_OK;

    pthread_mutex_lock(&m->lock);
    struct kept *k = find(m, key);
    uint64_t version = k != NULL ? k->record.version : 0;
    if (version != expected) {
        *seen = k != NULL ? k->record : (wsrt_breaker_shared){.struct_size = sizeof *seen};
        rc = WSRT_ERR_EXISTS;
    } else if (k == NULL && (k = add(m, key)) == NULL) {
        rc = WSRT_ERR_NOMEM;
    } else {
        k->record = *record;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

const wsrt_breaker_store_ops *wsrt_memory_breaker_store_ops(void)
{
    static const wsrt_breaker_store_ops ops = {
        .struct_size = sizeof ops, .load = memory_load, .compare_and_swap = memory_swap};

    return &ops;
}
