/* The memory of one store: its allocator and how much of it is held. */
#ifndef WSRT_STORE_HEAP_H
#define WSRT_STORE_HEAP_H

#include "base/alloc.h"

typedef struct wsrt_store_heap {
    wsrt_allocator allocator;
    uint64_t bytes;
} wsrt_store_heap;

static inline void *wsrt_store_alloc(wsrt_store_heap *h, size_t size)
{
    void *ptr = wsrt_mem_alloc(&h->allocator, size);

    if (ptr != NULL)
        h->bytes += size;
    return ptr;
}

static inline void wsrt_store_free(wsrt_store_heap *h, void *ptr, size_t size)
{
    if (ptr != NULL)
        h->bytes -= size;
    wsrt_mem_free(&h->allocator, ptr, size);
}

#endif
