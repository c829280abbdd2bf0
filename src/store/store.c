#include "store/memory.h"

#include "base/hash.h"
#include "base/options.h"

#include <string.h>

enum { LARGEST = 4096 };

#define DEFAULT_RECORDS ((uint64_t)4194304)
#define DEFAULT_MESSAGES ((uint64_t)100000)
#define DEFAULT_VALUES ((uint64_t)100000)
#define MOST ((uint64_t)1 << 31)

/* ---- helpers of all parts ----------------------------------------------------------------- */

int wsrt_text_copy(wsrt_text_sink *sink, wsrt_span *text)
{
    if (text->len > sink->left)
        return 0;
    if (text->len != 0)
        memcpy(sink->at, text->ptr, text->len);
    text->ptr = sink->at;
    sink->at += text->len;
    sink->left -= text->len;
    return 1;
}

size_t wsrt_out_stride(const void *out, size_t first)
{
    uint32_t size;

    memcpy(&size, out, sizeof size);
    if (size == 0)
        return first;
    return size < first || size > LARGEST || size % 8 != 0 ? 0 : size;
}

void wsrt_out_write(void *element, size_t stride, const void *value, size_t size)
{
    uint32_t mine = (uint32_t)stride;

    if (stride > size)
        memset(element, 0, stride);
    memcpy(element, value, stride < size ? stride : size);
    memcpy(element, &mine, sizeof mine);
}

int wsrt_cursor_read(const wsrt_cursor *cursor, void *place, size_t size, int *began)
{
    *began = cursor->length != 0;
    if (cursor->length == 0)
        return WSRT_OK;
    if (cursor->length != size)
        return WSRT_ERR_INVALID;
    memcpy(place, cursor->bytes, size);
    return WSRT_OK;
}

void wsrt_cursor_write(wsrt_cursor *cursor, const void *place, size_t size)
{
    memcpy(cursor->bytes, place, size);
    cursor->length = (uint32_t)size;
}

/* ---- life --------------------------------------------------------------------------------- */

static uint64_t cap_of(uint64_t given, uint64_t usual)
{
    return given == 0 ? usual : given;
}

static int fill(wsrt_memory_store *m, const wsrt_memory_store_options *o)
{
    m->hash_key = o->hash_key;
    m->identity = wsrt_hash(o->hash_key + 1, &m, sizeof m);
    m->records.max = cap_of(o->max_records, DEFAULT_RECORDS);
    m->messages.max = cap_of(o->max_messages, DEFAULT_MESSAGES);
    m->values.max = cap_of(o->max_latest, DEFAULT_VALUES);
    m->messages.oldest = m->messages.latest = WSRT_NO_SLOT;
    wsrt_slots_init(&m->records.slots);
    wsrt_slots_init(&m->messages.slots);
    wsrt_slots_init(&m->values.slots);
    return pthread_mutex_init(&m->lock, NULL) == 0 ? WSRT_OK : WSRT_ERR_NOMEM;
}

static int load_options(wsrt_memory_store_options *o, const wsrt_memory_store_options *given)
{
    int rc = wsrt_options_load(o, sizeof *o, sizeof(wsrt_memory_store_options), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (o->max_records > MOST || o->max_messages > MOST || o->max_latest > MOST)
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

int wsrt_memory_store_new(wsrt_memory_store **out, const wsrt_memory_store_options *opts)
{
    wsrt_memory_store_options o;
    wsrt_store_heap heap = {.bytes = 0};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load_options(&o, opts);
    if (rc == WSRT_OK)
        rc = wsrt_allocator_load(&heap.allocator, &o.allocator);
    if (rc != WSRT_OK)
        return rc;
    wsrt_memory_store *m = wsrt_store_alloc(&heap, sizeof *m);
    if (m == NULL)
        return WSRT_ERR_NOMEM;
    memset(m, 0, sizeof *m);
    m->heap = heap;
    rc = fill(m, &o);
    if (rc != WSRT_OK)
        wsrt_store_free(&heap, m, sizeof *m);
    else
        *out = m;
    return rc;
}

void wsrt_memory_store_connections(wsrt_memory_store *m, wsrt_store *out)
{
    if (m != NULL && out != NULL)
        *out = (wsrt_store){&wsrt_memory_connection_ops, m};
}

void wsrt_memory_store_history(wsrt_memory_store *m, wsrt_history *out)
{
    if (m != NULL && out != NULL)
        *out = (wsrt_history){&wsrt_memory_history_ops, m};
}

void wsrt_memory_store_latest(wsrt_memory_store *m, wsrt_latest *out)
{
    if (m != NULL && out != NULL)
        *out = (wsrt_latest){&wsrt_memory_latest_ops, m};
}

uint64_t wsrt_memory_store_bytes(wsrt_memory_store *m)
{
    if (m == NULL)
        return 0;
    pthread_mutex_lock(&m->lock);
    uint64_t bytes = m->heap.bytes;
    pthread_mutex_unlock(&m->lock);
    return bytes;
}

void wsrt_memory_store_free(wsrt_memory_store *m)
{
    if (m == NULL)
        return;
    wsrt_memory_connections_free(m);
    wsrt_memory_messages_free(m);
    wsrt_memory_values_free(m);
    pthread_mutex_destroy(&m->lock);
    wsrt_store_heap heap = m->heap;
    wsrt_store_free(&heap, m, sizeof *m);
}
