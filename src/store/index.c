#include "store/index.h"

#include <string.h>

enum { LEAST = 64 };

static uint64_t entry_of(uint64_t hash, uint32_t slot)
{
    return (hash >> 32) << 32 | ((uint64_t)slot + 1);
}

static size_t home(const wsrt_index *ix, uint64_t entry)
{
    return (size_t)(entry >> 32) & (ix->room - 1);
}

static void insert(wsrt_index *ix, uint64_t entry)
{
    size_t i = home(ix, entry);

    while (ix->entries[i] != 0)
        i = (i + 1) & (ix->room - 1);
    ix->entries[i] = entry;
}

void wsrt_index_free(wsrt_index *ix, wsrt_store_heap *h)
{
    wsrt_store_free(h, ix->entries, ix->room * sizeof *ix->entries);
}

int wsrt_index_reserve(wsrt_index *ix, wsrt_store_heap *h)
{
    wsrt_index bigger = {.room = ix->room == 0 ? LEAST : ix->room * 2, .used = ix->used};

    if (ix->used + 1 <= ix->room / 4 * 3)
        return WSRT_OK;
    bigger.entries = wsrt_store_alloc(h, bigger.room * sizeof *bigger.entries);
    if (bigger.entries == NULL)
        return WSRT_ERR_NOMEM;
    memset(bigger.entries, 0, bigger.room * sizeof *bigger.entries);
    for (size_t i = 0; i < ix->room; i++)
        if (ix->entries[i] != 0)
            insert(&bigger, ix->entries[i]);
    wsrt_index_free(ix, h);
    *ix = bigger;
    return WSRT_OK;
}

void wsrt_index_add(wsrt_index *ix, uint64_t hash, uint32_t slot)
{
    insert(ix, entry_of(hash, slot));
    ix->used++;
}

static size_t find(const wsrt_index *ix, uint64_t entry)
{
    size_t i = home(ix, entry);

    while (ix->entries[i] != entry)
        i = (i + 1) & (ix->room - 1);
    return i;
}

/* Entries behind the gap that would no longer be found move into it. */
void wsrt_index_drop(wsrt_index *ix, uint64_t hash, uint32_t slot)
{
    size_t mask = ix->room - 1, gap = find(ix, entry_of(hash, slot));

    for (size_t i = (gap + 1) & mask; ix->entries[i] != 0; i = (i + 1) & mask) {
        if (((i - home(ix, ix->entries[i])) & mask) < ((i - gap) & mask))
            continue;
        ix->entries[gap] = ix->entries[i];
        gap = i;
    }
    ix->entries[gap] = 0;
    ix->used--;
}

void wsrt_index_change(wsrt_index *ix, uint64_t hash, uint32_t from, uint32_t to)
{
    ix->entries[find(ix, entry_of(hash, from))] = entry_of(hash, to);
}

uint32_t wsrt_index_next(const wsrt_index *ix, uint64_t hash, size_t *step)
{
    if (ix->room == 0)
        return UINT32_MAX;
    for (size_t mask = ix->room - 1;;) {
        uint64_t entry = ix->entries[(home(ix, hash) + *step) & mask];
        if (entry == 0)
            return UINT32_MAX;
        ++*step;
        if (entry >> 32 == hash >> 32)
            return (uint32_t)entry - 1;
    }
}
