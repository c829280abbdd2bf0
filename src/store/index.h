/* From a hash to the slots that may hold what was hashed: open addressing, eight bytes an entry,
 * doubling. Entries keep 32 bits of the hash, so growing and removing touch no block. */
#ifndef WSRT_STORE_INDEX_H
#define WSRT_STORE_INDEX_H

#include "store/heap.h"

typedef struct wsrt_index {
    uint64_t *entries;
    size_t room; /* a power of two, or 0 */
    size_t used;
} wsrt_index;

void wsrt_index_free(wsrt_index *ix, wsrt_store_heap *h);
/* Makes sure that one wsrt_index_add() finds room. */
int wsrt_index_reserve(wsrt_index *ix, wsrt_store_heap *h);
void wsrt_index_add(wsrt_index *ix, uint64_t hash, uint32_t slot);
void wsrt_index_drop(wsrt_index *ix, uint64_t hash, uint32_t slot);
void wsrt_index_change(wsrt_index *ix, uint64_t hash, uint32_t from, uint32_t to);
/* The candidates one by one: `*step` begins at 0. UINT32_MAX = no more. */
uint32_t wsrt_index_next(const wsrt_index *ix, uint64_t hash, size_t *step);

#endif
