#include "server/memory.h"

#include <stdlib.h>
#include <string.h>

void *wsrt_server_resize(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size)
{
    if (a->realloc != NULL)
        return a->realloc(a->user, ptr, old_size, new_size);
    return realloc(ptr, new_size);
}

void *wsrt_server_alloc(const wsrt_allocator *a, size_t size)
{
    return wsrt_server_resize(a, NULL, 0, size);
}

void *wsrt_server_zalloc(const wsrt_allocator *a, size_t size)
{
    void *p = a->realloc != NULL ? a->realloc(a->user, NULL, 0, size) : calloc(1, size);

    if (p != NULL && a->realloc != NULL)
        memset(p, 0, size);
    return p;
}

void wsrt_server_release(const wsrt_allocator *a, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    if (a->realloc != NULL)
        a->realloc(a->user, ptr, size, 0);
    else
        free(ptr);
}
