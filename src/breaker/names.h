/* The two names of a key: how they are kept, compared in full, and spread over a table. */
#ifndef WSRT_SRC_BREAKER_NAMES_H
#define WSRT_SRC_BREAKER_NAMES_H

#include "base/wide.h"

#include <wsrt/base.h>

#include <string.h>

/* A look-up is one function, with all that it compares in registers. */
#define INLINE inline __attribute__((always_inline))

enum { NAME_MOST = 255, KEY_HEAD = 2 };

/* The first bytes of a name and the last, at most 8 of each; they may overlap. */
struct ends {
    uint64_t first, last;
};

/* What is looked for. */
struct wanted {
    wsrt_span service, operation;
    struct ends service_ends, operation_ends;
    uint32_t hash;
};

static INLINE int is_name(wsrt_span text)
{
    return text.ptr != NULL && text.len > 0 && text.len <= NAME_MOST;
}

/* Its ends are not all of it. */
static INLINE int is_long(wsrt_span name)
{
    return name.len > sizeof(struct ends);
}

static INLINE uint64_t load64(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

static INLINE uint32_t load32(const char *p)
{
    uint32_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

static INLINE struct ends ends_of(wsrt_span name)
{
    const unsigned char *p = (const unsigned char *)name.ptr;

    if (name.len >= 8)
        return (struct ends){load64(name.ptr), load64(name.ptr + name.len - 8)};
    if (name.len >= 4)
        return (struct ends){load32(name.ptr), load32(name.ptr + name.len - 4)};
    return (struct ends){p[0], (uint64_t)p[name.len / 2] << 8 | p[name.len - 1]};
}

static __attribute__((noinline)) uint64_t hash_inside(wsrt_span name)
{
    uint64_t hash = 0;

    for (size_t i = 8; i + 8 < name.len; i += 8)
        hash = (hash ^ hash >> 32 ^ load64(name.ptr + i)) * 0x9e3779b97f4a7c15u;
    return hash;
}

static INLINE uint64_t rotate(uint64_t word, int by)
{
    return word << by | word >> (64 - by);
}

/* Names come from the program, not from clients: it is enough that they spread. Every look-up waits for
 * this number, so it is a single product. */
static INLINE uint32_t hash_of(const struct wanted *w)
{
    const struct ends *s = &w->service_ends, *o = &w->operation_ends;
    uint64_t a = rotate(s->first + w->service.len, 29) ^ 0x9e3779b97f4a7c15u;
    uint64_t b = rotate(s->last + w->operation.len, 43) ^ 0xd1b54a32d192ed03u;
    uint64_t low, high;

    if (is_long(w->service))
        a ^= hash_inside(w->service);
    if (is_long(w->operation))
        b ^= hash_inside(w->operation);
    high = wsrt_mul_wide(a ^ o->first, b ^ o->last, &low);
    return (uint32_t)(high ^ low);
}

static INLINE struct wanted want(wsrt_span service, wsrt_span operation)
{
    struct wanted w = {service, operation, ends_of(service), ends_of(operation), 0};

    w.hash = hash_of(&w);
    return w;
}

/* Short as names are, a call of memcmp() takes longer. */
static INLINE int is_text(const char *text, wsrt_span name, const struct ends *ends)
{
    struct ends ours = ends_of((wsrt_span){text, name.len});

    return ((ours.first ^ ends->first) | (ours.last ^ ends->last)) == 0 &&
           (!is_long(name) || memcmp(text + 8, name.ptr + 8, name.len - 16) == 0);
}

/* A key: the lengths of both, a byte each, and both texts. */
static INLINE int is_wanted(const char *key, const struct wanted *w)
{
    const char *text = key + KEY_HEAD;

    return (unsigned char)key[0] == w->service.len && (unsigned char)key[1] == w->operation.len &&
           is_text(text, w->service, &w->service_ends) &&
           is_text(text + w->service.len, w->operation, &w->operation_ends);
}

#endif
