#include "base/arena.h"

#include "base/alloc.h"

#include <string.h>

enum { ALIGN = WSRT_ARENA_ALIGN, SMALLEST_BLOCK = 4096 };

struct wsrt_arena_block {
    struct wsrt_arena_block *older;
    size_t size; /* of the whole block, header included */
};

static size_t rounded(size_t size)
{
    return (size + (ALIGN - 1)) & ~(size_t)(ALIGN - 1);
}

static void open_block(wsrt_arena *a, struct wsrt_arena_block *block)
{
    a->next = (unsigned char *)block + rounded(sizeof *block);
    a->end = (unsigned char *)block + block->size;
}

static int grow(wsrt_arena *a, size_t size)
{
    size_t header = rounded(sizeof(struct wsrt_arena_block));
    size_t wanted = a->blocks == NULL ? SMALLEST_BLOCK : 2 * a->blocks->size;

    if (size > SIZE_MAX / 4)
        return WSRT_ERR_NOMEM;
    if (wanted < header + size)
        wanted = header + size;
    struct wsrt_arena_block *block = wsrt_mem_alloc(a->allocator, wanted);
    if (block == NULL)
        return WSRT_ERR_NOMEM;
    *block = (struct wsrt_arena_block){a->blocks, wanted};
    a->blocks = block;
    open_block(a, block);
    return WSRT_OK;
}

void *wsrt_arena_alloc(wsrt_arena *a, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size = rounded(size == 0 ? 1 : size);
    if (size > (size_t)(a->end - a->next) && grow(a, size) != WSRT_OK)
        return NULL;
    void *out = a->next;
    a->next += size;
    return out;
}

char *wsrt_arena_copy(wsrt_arena *a, wsrt_span text)
{
    char *out = text.len == SIZE_MAX ? NULL : wsrt_arena_alloc(a, text.len + 1);

    if (out == NULL)
        return NULL;
    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

void wsrt_arena_trim(wsrt_arena *a, void *ptr, size_t size, size_t used)
{
    if ((unsigned char *)ptr + rounded(size == 0 ? 1 : size) == a->next)
        a->next = (unsigned char *)ptr + rounded(used == 0 ? 1 : used);
}

static void free_blocks(wsrt_arena *a, struct wsrt_arena_block *block)
{
    while (block != NULL) {
        struct wsrt_arena_block *older = block->older;
        wsrt_mem_free(a->allocator, block, block->size);
        block = older;
    }
}

void wsrt_arena_reset(wsrt_arena *a)
{
    if (a->blocks == NULL) {
        wsrt_arena_init(a, a->allocator, a->first, a->first_size);
        return;
    }
    free_blocks(a, a->blocks->older); /* blocks double, so the newest is the largest */
    a->blocks->older = NULL;
    open_block(a, a->blocks);
}

void wsrt_arena_free_blocks(wsrt_arena *a)
{
    free_blocks(a, a->blocks);
    wsrt_arena_init(a, a->allocator, a->first, a->first_size);
}
