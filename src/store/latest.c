#include "store/memory.h"

#include "base/hash.h"
#include "base/options.h"
#include "store/rules.h"

#include <string.h>

/* One block a value: this, then the key, then the value. */
struct value {
    int64_t expires_at; /* first, for the slots; always 0 */
    int64_t timestamp;
    uint32_t len;
    uint32_t key;
};

struct place {
    uint64_t store;
    uint32_t slot;
    uint32_t reserved;
};

/* ---- blocks ------------------------------------------------------------------------------- */

static char *text_of(const struct value *v)
{
    return (char *)(uintptr_t)(v + 1);
}

static wsrt_span key_of(const struct value *v)
{
    return (wsrt_span){text_of(v), v->key};
}

static size_t size_of(const struct value *v)
{
    return sizeof *v + v->key + v->len;
}

static struct value *at(const wsrt_memory_store *m, uint32_t slot)
{
    return wsrt_slots_at(&m->values.slots, slot);
}

static struct value *build(wsrt_store_heap *heap, const wsrt_latest_entry *in)
{
    struct value lengths = {
        .timestamp = in->timestamp, .len = (uint32_t)in->value.len, .key = (uint32_t)in->key.len};
    struct value *v = wsrt_store_alloc(heap, size_of(&lengths));

    if (v == NULL)
        return NULL;
    *v = lengths;
    memcpy(text_of(v), in->key.ptr, in->key.len);
    if (in->value.len != 0)
        memcpy(text_of(v) + in->key.len, in->value.ptr, in->value.len);
    return v;
}

static uint64_t hash_of(const wsrt_memory_store *m, wsrt_span key)
{
    return wsrt_hash(m->hash_key, key.ptr, key.len);
}

static uint32_t find(const wsrt_memory_store *m, wsrt_span key, uint64_t hash)
{
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&m->values.keys, hash, &step);
    while (slot != WSRT_NO_SLOT && !wsrt_span_equal(key_of(at(m, slot)), key));
    return slot;
}

/* ---- the table ---------------------------------------------------------------------------- */

static int add(wsrt_memory_store *m, struct value *v, uint64_t hash)
{
    if (m->values.slots.used >= m->values.max)
        return WSRT_ERR_LIMIT;
    if (wsrt_slots_reserve(&m->values.slots, &m->heap) != WSRT_OK ||
        wsrt_index_reserve(&m->values.keys, &m->heap) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    wsrt_index_add(&m->values.keys, hash, wsrt_slots_take(&m->values.slots, v));
    return WSRT_OK;
}

static int replace(wsrt_memory_store *m, uint32_t slot, struct value *v)
{
    struct value *old = at(m, slot);

    if (old->timestamp > v->timestamp)
        return WSRT_STALE;
    wsrt_slots_set(&m->values.slots, slot, v);
    wsrt_store_free(&m->heap, old, size_of(old));
    return WSRT_OK;
}

static int put(void *self, const wsrt_latest_entry *entry)
{
    wsrt_memory_store *m = self;
    wsrt_latest_entry e = {.struct_size = sizeof e};
    int rc = wsrt_latest_entry_load(&e, entry);

    if (rc != WSRT_OK)
        return rc;
    if (e.flags != 0)
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, e.key);
    pthread_mutex_lock(&m->lock);
    struct value *v = build(&m->heap, &e);
    uint32_t slot = find(m, e.key, hash);
    rc = v == NULL ? WSRT_ERR_NOMEM : slot == WSRT_NO_SLOT ? add(m, v, hash) : replace(m, slot, v);
    if (rc != WSRT_OK && v != NULL)
        wsrt_store_free(&m->heap, v, size_of(v));
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int remove_value(void *self, const wsrt_span *key, int64_t timestamp)
{
    wsrt_memory_store *m = self;
    int rc = WSRT_OK;

    if (key == NULL || !wsrt_store_fits(*key, 1, WSRT_LATEST_KEY_MAX))
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, *key);
    pthread_mutex_lock(&m->lock);
    uint32_t slot = find(m, *key, hash);
    if (slot != WSRT_NO_SLOT && at(m, slot)->timestamp > timestamp) {
        rc = WSRT_STALE;
    } else if (slot != WSRT_NO_SLOT) {
        struct value *v = at(m, slot);
        wsrt_index_drop(&m->values.keys, hash, slot);
        wsrt_slots_release(&m->values.slots, slot);
        wsrt_store_free(&m->heap, v, size_of(v));
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int emit(const struct value *v, void *out, size_t stride, wsrt_text_sink *sink)
{
    wsrt_latest_entry e = {.struct_size = sizeof e,
                           .key = key_of(v),
                           .value = {text_of(v) + v->key, v->len},
                           .timestamp = v->timestamp};
    wsrt_text_sink try = *sink;

    if (!wsrt_text_copy(&try, &e.key) || !wsrt_text_copy(&try, &e.value))
        return 0;
    *sink = try;
    wsrt_out_write(out, stride, &e, sizeof e);
    return 1;
}

static int each(void *self, wsrt_cursor *cursor, wsrt_latest_entry *out, size_t max, char *buf,
                size_t cap, size_t *count)
{
    wsrt_memory_store *m = self;
    wsrt_text_sink sink = {buf, cap};
    struct place p = {.store = m->identity};
    size_t n = 0;
    int began;

    if (cursor == NULL || out == NULL || count == NULL || max == 0 || (buf == NULL && cap != 0) ||
        wsrt_cursor_read(cursor, &p, sizeof p, &began) != WSRT_OK || p.store != m->identity)
        return WSRT_ERR_INVALID;
    size_t stride = wsrt_out_stride(out, sizeof *out);
    if (stride == 0)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    uint32_t slot = cursor->at_end ? WSRT_NO_SLOT : wsrt_slots_next(&m->values.slots, p.slot);
    while (slot != WSRT_NO_SLOT && n < max &&
           emit(at(m, slot), (char *)out + n * stride, stride, &sink)) {
        slot = wsrt_slots_next(&m->values.slots, slot + 1);
        n++;
    }
    pthread_mutex_unlock(&m->lock);
    if (n == 0 && slot != WSRT_NO_SLOT)
        return WSRT_ERR_LIMIT;
    p.slot = slot;
    wsrt_cursor_write(cursor, &p, sizeof p);
    cursor->at_end = slot == WSRT_NO_SLOT;
    *count = n;
    return WSRT_OK;
}

const wsrt_latest_ops wsrt_memory_latest_ops = {
    .struct_size = sizeof(wsrt_latest_ops),
    .put = put,
    .remove = remove_value,
    .each = each,
};

void wsrt_memory_values_free(wsrt_memory_store *m)
{
    uint32_t slot = 0;

    while ((slot = wsrt_slots_next(&m->values.slots, slot)) != WSRT_NO_SLOT) {
        struct value *v = at(m, slot++);
        wsrt_store_free(&m->heap, v, size_of(v));
    }
    wsrt_index_free(&m->values.keys, &m->heap);
    wsrt_slots_free(&m->values.slots, &m->heap);
}
