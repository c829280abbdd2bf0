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
    uint32_t members;  /* first of the members */
    uint32_t member_count;
};

/* A name as it stands in a message, from its opening quote to its colon, when no escape and no space
 * is used: to be told in one step. */
struct wsrt_member {
    uint64_t text[2];
    uint64_t mask[2]; /* the bytes that count */
    uint64_t bit;     /* of the frame's `seen` */
    uint32_t len;     /* quotes and colon included; at most 16 */
    uint32_t child;
};

/* A text as it stands in a message, closing quote included, when no escape is used. */
struct wsrt_word {
    uint64_t head; /* its first eight bytes */
    uint64_t mask; /* those of them that count */
    uint32_t text;
    uint32_t len; /* without the quote; 0 = needs a closer look */
    /* Of a tag: what is left to do for the member that holds it. 0 = it must be judged by itself. */
    uint64_t bit;
    uint32_t slot;
    uint32_t reserved;
};

size_t wsrt_quick_size(const struct wsrt_image *image);
/* Fills `place` (wsrt_quick_size() bytes, aligned for anything) and points the schema to it; also
 * chooses its kernel. */
void wsrt_quick_fill(struct wsrt_schema *s, unsigned char *place);

/* The member of one of the node's names at `p`, its quote; NULL where it needs a closer look. The end
 * of the text is not looked at. */
static inline const struct wsrt_member *wsrt_member_at(const struct wsrt_schema *s,
                                                       const struct wsrt_quick *q,
                                                       const struct wsrt_lex *in,
                                                       const unsigned char *p)
{
    const struct wsrt_member *m = s->members + q->members, *end = m + q->member_count;
    uint64_t text[2];

    if (in->loadable - p < (ptrdiff_t)sizeof text)
        return NULL;
    memcpy(text, p, sizeof text);
    for (; m < end; m++)
        if ((((text[0] ^ m->text[0]) & m->mask[0]) | ((text[1] ^ m->text[1]) & m->mask[1])) == 0)
            return m;
    return NULL;
}

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
