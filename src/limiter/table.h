/* Theoretical arrival times of keys without a cell of their own: a fixed table, two candidate
 * buckets a key. A slot whose time has passed equals an absent one and is taken over. Keys that are
 * there are found and charged without a lock; only newcomers wait for one another, lest one key gets
 * two slots. */
#ifndef WSRT_LIMITER_TABLE_H
#define WSRT_LIMITER_TABLE_H

#include <wsrt/base.h>

#include <pthread.h>

/* A slot between two owners; later than any time that is charged. */
#define WSRT_SLOT_BUSY UINT64_MAX

typedef struct wsrt_limiter_slot {
    uint64_t fingerprint; /* 0 = free */
    uint64_t tat;
} wsrt_limiter_slot;

typedef struct wsrt_limiter_table {
    wsrt_limiter_slot *slots; /* aligned to a cache line within `memory` */
    void *memory;
    size_t size; /* of `memory` */
    uint64_t buckets;
    uint64_t horizon; /* latest time taken over: nothing absent stands later than it did */
    uint64_t keys;
    pthread_mutex_t newcomers;
} wsrt_limiter_table;

/* For at most UINT32_MAX keys. */
int wsrt_limiter_table_init(wsrt_limiter_table *t, uint64_t max_keys, const wsrt_allocator *a);
void wsrt_limiter_table_free(wsrt_limiter_table *t, const wsrt_allocator *a);

/* The one slot that counts for a fingerprint; NULL = absent. */
wsrt_limiter_slot *wsrt_limiter_table_find(wsrt_limiter_table *t, uint64_t fingerprint);

/* The same, taking an idle slot over where it is absent; NULL = both buckets are full. A caller
 * that has charged the slot finds it again: only then nobody took it over meanwhile. */
wsrt_limiter_slot *wsrt_limiter_table_claim(wsrt_limiter_table *t, uint64_t fingerprint,
                                            uint64_t now);

#endif
