/* What every store outside the core owes to wsrt/store.h besides storing: the lengths of texts, a caller's
 * page, places in walks. */
#ifndef WSRT_ADAPTER_STORE_RULES_H
#define WSRT_ADAPTER_STORE_RULES_H

#include <wsrt/store.h>

/* 1 for a connection id as it may cross an interface; NULL is none. */
int wsrt_adapter_id_ok(const wsrt_span *id);
/* Whether a text has at least `least` and at most `most` bytes. */
int wsrt_adapter_fits(wsrt_span text, size_t least, size_t most);

/* A caller's array of size-first structs, and its buffer for their text. */
typedef struct wsrt_page {
    char *out;
    size_t stride;
    size_t max;
    size_t count;
    char *text;
    size_t left;
} wsrt_page;

/* WSRT_ERR_INVALID when the array or the buffer cannot be. `first` is the struct's size in the first
 * release. */
int wsrt_page_start(wsrt_page *p, void *out, size_t first, size_t max);
int wsrt_page_text(wsrt_page *p, char *buf, size_t cap);
/* Copies the texts of `value` (of `size` bytes, its own first member) to the buffer, then the value to
 * the next element; 0 = the page is full. */
int wsrt_page_add(wsrt_page *p, void *value, size_t size, wsrt_span *const *texts, size_t count);

/* Where a walk stands: `size` bytes of `place`. */
int wsrt_cursor_open(const wsrt_cursor *cursor, void *place, size_t size);
void wsrt_cursor_keep(wsrt_cursor *cursor, const void *place, size_t size, int at_end);
/* Tells the walks of one store apart; not for tables whose keys clients choose. */
uint64_t wsrt_walk_hash(wsrt_span text);

#endif
