/* What the parts of the memory store share. */
#ifndef WSRT_STORE_MEMORY_H
#define WSRT_STORE_MEMORY_H

#include <wsrt/store.h>

#include "store/index.h"
#include "store/slots.h"

#include <pthread.h>

struct wsrt_memory_store {
    pthread_mutex_t lock;
    wsrt_store_heap heap;
    uint64_t hash_key;
    uint64_t identity; /* in every cursor */
    struct {
        wsrt_slots slots;
        wsrt_index ids;
        wsrt_index users; /* to the first record of each user's ring */
        uint64_t max;
        uint64_t joined; /* counts the records that ever joined a ring */
    } records;
    struct {
        wsrt_slots slots;
        wsrt_index ids;
        wsrt_index sessions; /* to the newest message of each */
        uint64_t max;
        uint32_t oldest; /* by arrival */
        uint32_t latest;
    } messages;
    struct {
        wsrt_slots slots;
        wsrt_index keys;
        uint64_t max;
    } values;
};

extern const wsrt_store_ops wsrt_memory_connection_ops;
extern const wsrt_history_ops wsrt_memory_history_ops;
extern const wsrt_latest_ops wsrt_memory_latest_ops;

void wsrt_memory_connections_free(wsrt_memory_store *m);
void wsrt_memory_messages_free(wsrt_memory_store *m);
void wsrt_memory_values_free(wsrt_memory_store *m);

/* A caller's buffer for text. */
typedef struct wsrt_text_sink {
    char *at;
    size_t left;
} wsrt_text_sink;

/* Copies a text and points the span at the copy; 0 = no room. */
int wsrt_text_copy(wsrt_text_sink *sink, wsrt_span *text);

/* Distance of the elements of a caller's array of size-first structs: its first element's size, or
 * `first` for 0. 0 = a size that cannot be. */
size_t wsrt_out_stride(const void *out, size_t first);
/* Writes one element; `value` begins with its size. */
void wsrt_out_write(void *element, size_t stride, const void *value, size_t size);

/* Opens a cursor: WSRT_OK, with `*began` 0 for the start; WSRT_ERR_INVALID for another's. */
int wsrt_cursor_read(const wsrt_cursor *cursor, void *place, size_t size, int *began);
void wsrt_cursor_write(wsrt_cursor *cursor, const void *place, size_t size);

#endif
