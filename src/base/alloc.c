#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

int wsrt_allocator_load(wsrt_allocator *out, const wsrt_allocator *given)
{
    if (given != NULL && given->realloc != NULL) {
        *out = *given;
        return WSRT_OK;
    }
    if (given != NULL && given->user != NULL)
        return WSRT_ERR_INVALID;
    *out = (wsrt_allocator){libc_realloc, NULL};
    return WSRT_OK;
}

void *wsrt_mem_alloc(const wsrt_allocator *a, size_t size)
{
    if (size == 0)
        return NULL;
    return a->realloc(a->user, NULL, 0, size);
}

void *wsrt_mem_zalloc(const wsrt_allocator *a, size_t size)
{
    if (a->realloc == libc_realloc) /* pages that nobody writes to cost nothing */
        return size == 0 ? NULL : calloc(1, size);
    void *ptr = wsrt_mem_alloc(a, size);
    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

void *wsrt_mem_resize(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size == 0)
        return NULL;
    return a->realloc(a->user, ptr, old_size, new_size);
}

void wsrt_mem_free(const wsrt_allocator *a, void *ptr, size_t size)
{
    if (ptr != NULL)
        (void)a->realloc(a->user, ptr, size, 0);
}

size_t wsrt_mem_product(size_t count, size_t size)
{
    size_t out;

    return __builtin_mul_overflow(count, size, &out) ? 0 : out;
}
