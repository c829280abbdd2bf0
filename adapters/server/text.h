/* Copies of a caller's texts, all in one block. */
#ifndef WSRT_SERVER_TEXT_H
#define WSRT_SERVER_TEXT_H

#include <wsrt/base.h>

typedef struct wsrt_texts {
    wsrt_span *items;
    size_t count;
} wsrt_texts;

/* Spans are cut from the block's begin, text from behind them. */
typedef struct wsrt_copier {
    wsrt_span *spans;
    char *text;
} wsrt_copier;

size_t wsrt_texts_room(const wsrt_span *items, size_t count);
wsrt_span wsrt_copy_text(wsrt_copier *c, wsrt_span text);
wsrt_texts wsrt_copy_texts(wsrt_copier *c, const wsrt_span *items, size_t count);

/* At most `most` of them, none empty, none beyond 1024 bytes. */
int wsrt_texts_valid(const wsrt_span *items, size_t count, size_t most);

#endif
