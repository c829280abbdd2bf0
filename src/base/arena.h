/* Memory that is given back all at once. The first block may be the caller's own; later blocks come
 * from the allocator and the largest is kept over a reset, so a warm arena allocates nothing. */
#ifndef WSRT_SRC_ARENA_H
#define WSRT_SRC_ARENA_H

#include <wsrt/base.h>

#include <stddef.h>

enum { WSRT_ARENA_ALIGN = _Alignof(max_align_t) }; /* as an allocator's memory is */

struct wsrt_arena_block;

typedef struct wsrt_arena {
    const wsrt_allocator *allocator;
    struct wsrt_arena_block *blocks; /* newest first */
    unsigned char *next;
    unsigned char *end;
    unsigned char *first; /* the caller's block; NULL = none */
    size_t first_size;
} wsrt_arena;

void *wsrt_arena_alloc(wsrt_arena *a, size_t size);   /* aligned for any object; NULL = refused */
char *wsrt_arena_copy(wsrt_arena *a, wsrt_span text); /* with a NUL behind; NULL = refused */
/* Gives back the unused end of the newest allocation: `used` of its `size` bytes stay. */
void wsrt_arena_trim(wsrt_arena *a, void *ptr, size_t size, size_t used);
void wsrt_arena_reset(wsrt_arena *a);
void wsrt_arena_free_blocks(wsrt_arena *a);

/* Every event opens and closes one: inline. */
static inline void wsrt_arena_init(wsrt_arena *a, const wsrt_allocator *allocator, void *first,
                                   size_t first_size)
{
    size_t skip = (size_t)(-(uintptr_t)first & (WSRT_ARENA_ALIGN - 1));

    a->allocator = allocator;
    a->blocks = NULL;
    a->first = first;
    a->first_size = first_size;
    a->next = first_size > skip ? a->first + skip : a->first;
    a->end = first_size > skip ? a->first + first_size : a->first;
}

static inline void wsrt_arena_free(wsrt_arena *a)
{
    if (a->blocks != NULL)
        wsrt_arena_free_blocks(a);
}

#endif
