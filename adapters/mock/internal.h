/* What the files of the mock share. */
#ifndef WSRT_MOCK_INTERNAL_H
#define WSRT_MOCK_INTERNAL_H

#include <wsrt/mock.h>
#include <wsrt/store.h>

#include <pthread.h>

enum { WSRT_MOCK_ID_MAX = 128, WSRT_MOCK_PARTS = 4 };

/* One connection as the sender sees it. */
typedef struct wsrt_mock_peer {
    char id[WSRT_MOCK_ID_MAX + 1];
    int open;
    int scripted; /* status of the next posts */
    uint64_t times;
    int64_t connected_at;
} wsrt_mock_peer;

typedef struct wsrt_mock_plan {
    uint64_t countdown; /* 0 = nothing fails */
    int status;
    int sticky;
} wsrt_mock_plan;

/* A record with everything it points to, in one block. */
typedef struct wsrt_mock_entry {
    size_t size;
    wsrt_mock_record record;
} wsrt_mock_entry;

struct wsrt_mock {
    wsrt_allocator allocator;
    pthread_mutex_t lock; /* guards everything below */
    int64_t now, wall, started;
    uint64_t random;
    uint64_t requests;
    uint64_t max_post;
    wsrt_mock_plan plans[WSRT_MOCK_PARTS];
    int64_t delays[WSRT_MOCK_PARTS];
    wsrt_mock_peer *peers;
    size_t peer_count, peer_cap;
    uint32_t *places;   /* of the peers by the hash of their ids: a number from 1; 0 = nobody's */
    size_t place_count; /* a power of two, or 0 */
    wsrt_mock_entry **entries;
    size_t entry_count, entry_cap;
    wsrt_memory_store *memory; /* made when first needed */
    wsrt_store inner_store;
    wsrt_store_ops inner_store_ops, store_ops;
    wsrt_history inner_history;
    wsrt_history_ops inner_history_ops, history_ops;
};

/* Below: with the lock held. */
int64_t wsrt_mock_wall_(const wsrt_mock *m);
int wsrt_mock_trip_(wsrt_mock *m, int part);
wsrt_mock_peer *wsrt_mock_peer_(wsrt_mock *m, wsrt_span id);
int wsrt_mock_open_(wsrt_mock *m, wsrt_span id, int open);
/* Makes room for one more element of `size` bytes. */
int wsrt_mock_grow_(wsrt_mock *m, void **array, size_t count, size_t *cap, size_t size);
int wsrt_mock_note_(wsrt_mock *m, const wsrt_mock_record *what);

#endif
