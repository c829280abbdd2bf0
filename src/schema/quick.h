/* What the pass wants to know of a schema at a glance (nothing of nodes for the general lane), derived from the image when it is made ready:
 * never saved, never trusted, always the same answer as the rules themselves. */
#ifndef WSRT_SRC_SCHEMA_QUICK_H
#define WSRT_SRC_SCHEMA_QUICK_H

#include "schema/scan.h"

#include <string.h>

enum wsrt_quick_flag {
    WSRT_QUICK_BRIEF = 1,  /* strings: length and class say it all */
    WSRT_QUICK_CLASS = 2,  /* there is a class */
    WSRT_QUICK_WORDS = 4,  /* strings: one of these words is valid; others need a closer look */
    WSRT_QUICK_OBJECT = 8, /* objects: valid when the required names were seen */
    WSRT_QUICK_ARRAY = 16, /* arrays: valid */
    WSRT_QUICK_ENTER = 32  /* objects: something is asked of their members, in the simple lane */
};

struct wsrt_quick {
    uint32_t flags;
    uint32_t class; /* of the classes */
    uint32_t words; /* first of the words */
    uint32_t word_count;
    uint32_t slot;      /* NONE = none */
    uint32_t names;     /* of the hash table */
    uint32_t name_mask; /* 0 = no names */
    uint32_t name_shift;
    uint64_t least; /* code points */
    uint64_t most;
    uint64_t required; /* bits of names */
    uint64_t reserved; /* to a power of two */
};

/* A text as it stands in a message, closing quote included, when no escape is used. */
struct wsrt_word {
    uint64_t head; /* its first eight bytes */
    uint64_t mask; /* those of them that count */
    uint32_t text;
    uint32_t len; /* without the quote; 0 = needs a closer look */
};

size_t wsrt_quick_size(const struct wsrt_image *image);
/* Fills `place` (wsrt_quick_size() bytes, aligned for anything) and points the schema to it; also
 * chooses its kernel. */
void wsrt_quick_fill(struct wsrt_schema *s, unsigned char *place);

static inline uint64_t wsrt_word_head(const struct wsrt_lex *in, const unsigned char *p)
{
    uint64_t head = 0;

    if (in->loadable - p >= (ptrdiff_t)sizeof head)
        memcpy(&head, p, sizeof head);
    else
        memcpy(&head, p, (size_t)(in->loadable - p));
    return head;
}

/* 1 when the string behind the quote before `p` is this word; `head` is wsrt_word_head(). */
static inline int wsrt_word_is(const struct wsrt_schema *s, const struct wsrt_lex *in,
                               const struct wsrt_word *w, const unsigned char *p, uint64_t head)
{
    if (((head ^ w->head) & w->mask) != 0 || w->len == 0 || (size_t)(in->end - p) <= w->len)
        return 0;
    return w->len < 8 ||
           (p[w->len] == '"' && memcmp(p + 8, s->text + w->text + 8, w->len - 8) == 0);
}

#endif
