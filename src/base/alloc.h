/* Memory through a wsrt_allocator held by value; the zero allocator is libc. */
#ifndef WSRT_SRC_ALLOC_H
#define WSRT_SRC_ALLOC_H

#include <wsrt/base.h>

void *wsrt_mem_alloc(const wsrt_allocator *a, size_t size);  /* uninitialised; NULL = refused */
void *wsrt_mem_zalloc(const wsrt_allocator *a, size_t size); /* zeroed */
void *wsrt_mem_resize(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size);
void wsrt_mem_free(const wsrt_allocator *a, void *ptr, size_t size); /* NULL is fine */

/* count * size, or 0 when that overflows. */
size_t wsrt_mem_product(size_t count, size_t size);

/* What a constructor keeps of its options: the given allocator, or libc's for NULL or zero.
 * WSRT_ERR_INVALID when `user` is set without a function. */
int wsrt_allocator_load(wsrt_allocator *out, const wsrt_allocator *given);

#endif
