/* Looking a member name up, where each step counts. */
#ifndef WSRT_SRC_SCHEMA_NAMES_H
#define WSRT_SRC_SCHEMA_NAMES_H

#include "schema/run.h"

#include <string.h>

/* The first eight bytes, zero-filled. */
static inline uint64_t wsrt_name_head(const struct wsrt_run *r, const unsigned char *name,
                                      size_t len)
{
    uint64_t head = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (r->in.loadable - name >= 8) {
        memcpy(&head, name, 8);
        return len >= 8 ? head : head & (((uint64_t)1 << (8 * len)) - 1);
    }
#else
    (void)r;
#endif
    memcpy(&head, name, len < 8 ? len : 8);
    return head;
}

/* Two names of the same length with the same first eight bytes. */
static inline int wsrt_name_tail_equal(const unsigned char *a, const char *b, size_t len)
{
    uint64_t x, y;

    if (len <= 8)
        return 1;
    if (len > 16)
        return memcmp(a + 8, b + 8, len - 8) == 0;
    memcpy(&x, a + len - 8, 8);
    memcpy(&y, b + len - 8, 8);
    return x == y;
}

/* A name without escapes. */
static inline const struct wsrt_prop *wsrt_name_look_up(const struct wsrt_run *r,
                                                        const struct wsrt_quick *q,
                                                        const unsigned char *name, size_t len)
{
    uint64_t head = wsrt_name_head(r, name, len);
    const uint32_t *slots = r->s->hash + q->names;

    if (q->name_mask == 0)
        return NULL;
    for (uint32_t at = (uint32_t)(wsrt_name_spread(head, len) >> q->name_shift);
         slots[at] != WSRT_NONE; at = (at + 1) & q->name_mask) {
        const struct wsrt_prop *p = &r->s->props[slots[at]];
        if (p->head == head && p->len == len &&
            wsrt_name_tail_equal(name, r->s->text + p->name, len))
            return p;
    }
    return NULL;
}

/* The known tag of the object at `p` as its first member, the usual case; NULL when it needs a closer
 * look. `*value` is behind its opening quote. */
static inline const struct wsrt_word *wsrt_name_tag_at_once(struct wsrt_run *r, uint32_t node,
                                                            const unsigned char *p,
                                                            const unsigned char **value)
{
    uint32_t tag = r->s->nodes[node].tag;
    const struct wsrt_switch *s = &r->s->switches[tag];
    const struct wsrt_word *name = &r->s->tags[tag], *w = &r->s->words[s->first];
    const unsigned char *end = r->in.end, *from = p;

    p = wsrt_lex_space(p + 1, end);
    uint64_t cost = (uint64_t)(p - from);
    if (p >= end || *p != '"' || cost > r->work ||
        !wsrt_word_is(r->s, &r->in, name, p + 1, wsrt_word_head(&r->in, p + 1)))
        return NULL;
    p = wsrt_lex_space(p + name->len + 2, end);
    if (p >= end || *p != ':')
        return NULL;
    p = wsrt_lex_space(p + 1, end);
    if (p >= end || *p != '"')
        return NULL;
    *value = ++p;
    uint64_t head = wsrt_word_head(&r->in, p);
    for (const struct wsrt_word *behind = w + s->count; w < behind; w++)
        if (wsrt_word_is(r->s, &r->in, w, p, head)) {
            r->work -= cost;
            return w;
        }
    return NULL;
}

#endif
