/* Numbered places for blocks: a block keeps its number for life, numbers are used again, and pages
 * of places never move. Every block begins with an int64_t expires_at (0 = never); a page knows a
 * time before which nothing in it expires, so that looking for expired blocks skips most pages. */
#ifndef WSRT_STORE_SLOTS_H
#define WSRT_STORE_SLOTS_H

#include "store/heap.h"

#define WSRT_NO_SLOT UINT32_MAX

struct wsrt_slot_page;

typedef struct wsrt_slots {
    struct wsrt_slot_page **pages;
    uint32_t page_count;
    uint32_t page_room;
    uint32_t free; /* first of the free places; WSRT_NO_SLOT = none */
    uint32_t hand; /* where the search for expired blocks goes on */
    uint64_t used;
} wsrt_slots;

void wsrt_slots_init(wsrt_slots *s);
void wsrt_slots_free(wsrt_slots *s, wsrt_store_heap *h); /* not the blocks */

/* Makes sure that the next wsrt_slots_take() finds a place. */
int wsrt_slots_reserve(wsrt_slots *s, wsrt_store_heap *h);
uint32_t wsrt_slots_take(wsrt_slots *s, void *block);
void wsrt_slots_release(wsrt_slots *s, uint32_t slot);
void *wsrt_slots_at(const wsrt_slots *s, uint32_t slot); /* NULL = free, or no such place */
/* After a change of the block or of its expires_at. */
void wsrt_slots_set(wsrt_slots *s, uint32_t slot, void *block);
/* First used place from `slot` on. */
uint32_t wsrt_slots_next(const wsrt_slots *s, uint32_t slot);

int wsrt_slots_expired(const void *block, int64_t now_s);
uint64_t wsrt_slots_live(wsrt_slots *s, int64_t now_s);

/* A round over all places in search of expired blocks, bounded by `work` places looked at. */
typedef struct wsrt_slots_round {
    uint64_t places;
    uint64_t work;
} wsrt_slots_round;

wsrt_slots_round wsrt_slots_round_start(const wsrt_slots *s, uint64_t work);
uint32_t wsrt_slots_round_next(wsrt_slots *s, wsrt_slots_round *round, int64_t now_s);

#endif
