/* Memory through the server's allocator; the zero allocator is libc. */
#ifndef WSRT_SERVER_MEMORY_H
#define WSRT_SERVER_MEMORY_H

#include <wsrt/base.h>

void *wsrt_server_alloc(const wsrt_allocator *a, size_t size); /* uninitialised */
void *wsrt_server_zalloc(const wsrt_allocator *a, size_t size);
void *wsrt_server_resize(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size);
void wsrt_server_release(const wsrt_allocator *a, void *ptr, size_t size); /* NULL is fine */

#endif
