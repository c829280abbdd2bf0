/* 16 bytes at a time, with what every x86-64 has. */
#include "schema/kernel.h"

#if WSRT_KERNELS_X86
#include <emmintrin.h>
#include <string.h>

enum { WIDTH = 16, LONGEST_NAME = WIDTH - 1 };

static inline __m128i load(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline unsigned mask_of(__m128i v)
{
    return (unsigned)_mm_movemask_epi8(v);
}

static inline __m128i same(__m128i v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

/* Bytes that end a run of plain ASCII. */
static inline unsigned odd(__m128i v)
{
    /* Signed: controls and every byte above 0x7f are below the space. */
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));

    return mask_of(_mm_or_si128(_mm_or_si128(same(v, '"'), same(v, '\\')), low));
}

static inline unsigned outside(__m128i v, const struct wsrt_charset *set)
{
    __m128i inside = _mm_setzero_si128();

    for (uint32_t i = 0; i < set->ranges; i++) {
        __m128i off = _mm_sub_epi8(v, _mm_set1_epi8((char)set->low[i]));
        __m128i width = _mm_set1_epi8((char)set->width[i]);
        inside = _mm_or_si128(inside, _mm_cmpeq_epi8(_mm_min_epu8(off, width), off));
    }
    return ~mask_of(inside) & 0xffff;
}

static inline const unsigned char *within(const struct wsrt_lex *in, const unsigned char *p)
{
    return p < in->end ? p : in->end;
}

/* The bytes below `p` of the last block are shifted out of its mask. */
static inline unsigned shifted(const struct wsrt_lex *in, const unsigned char *p, unsigned mask)
{
    return mask >> (WIDTH - (in->loadable - p));
}

static const unsigned char *plain(const struct wsrt_lex *in, const unsigned char *p,
                                  const struct wsrt_class *class, uint32_t *flags)
{
    const struct wsrt_charset *set =
        class == NULL || (*flags & WSRT_TEXT_OUTSIDE) ? NULL : &class->set;
    unsigned bad = 0, stop;

    if (in->loadable - in->base < WIDTH || (set != NULL && set->ranges == 0))
        return wsrt_lex_plain(in, p, class, flags);
    for (; in->loadable - p >= WIDTH; p += WIDTH) {
        __m128i v = load(p);
        stop = odd(v);
        if (set != NULL)
            bad |= outside(v, set) & (stop - 1) & ~stop;
        if (stop != 0)
            break;
    }
    if (in->loadable - p < WIDTH) {
        __m128i v = load(in->loadable - WIDTH);
        stop = shifted(in, p, odd(v));
        if (set != NULL)
            bad |= shifted(in, p, outside(v, set)) & (stop - 1) & ~stop;
    }
    if (bad != 0)
        *flags |= WSRT_TEXT_OUTSIDE;
    return stop == 0 ? in->end : within(in, p + __builtin_ctz(stop));
}

static inline size_t name_end(const struct wsrt_lex *in, const unsigned char *p)
{
    if (in->loadable - in->base < WIDTH)
        return WIDTH;
    unsigned stop =
        in->loadable - p >= WIDTH ? odd(load(p)) : shifted(in, p, odd(load(in->loadable - WIDTH)));
    return (size_t)__builtin_ctz(stop | 1u << WIDTH);
}

static inline size_t first_stop(const struct wsrt_lex *in, const unsigned char *p,
                                const struct wsrt_class *class)
{
    if (in->loadable - p < WIDTH || (class != NULL && class->set.ranges == 0))
        return WIDTH;
    __m128i v = load(p);
    unsigned stop = odd(v) | (class == NULL ? 0 : outside(v, &class->set));
    return stop == 0 ? WIDTH : (size_t)__builtin_ctz(stop);
}

static inline uint64_t first_eight(const struct wsrt_lex *in, const unsigned char *p, size_t len)
{
    uint64_t head = wsrt_word_head(in, p);

    return len < 8 ? head & (((uint64_t)1 << (8 * len)) - 1) : head;
}

/* ---- UTF-8 -------------------------------------------------------------------------------- */

/* UTF-8 as an automaton without branches: the row of a byte holds the next state for each state, six
 * bits each, and a state is the place of its bits. */
enum {
    ACCEPT = 0,
    REFUSE = 6,
    MORE_1 = 12,
    MORE_2 = 18,
    MORE_3 = 24,
    E0 = 30,
    ED = 36,
    F0 = 42,
    F4 = 48
};

#define FROM(state, next) ((uint64_t)(next) << (state))
#define REFUSED                                                                                    \
    (FROM(REFUSE, REFUSE) | FROM(MORE_1, REFUSE) | FROM(MORE_2, REFUSE) | FROM(MORE_3, REFUSE) |   \
     FROM(E0, REFUSE) | FROM(ED, REFUSE) | FROM(F0, REFUSE) | FROM(F4, REFUSE))
#define TRAILING                                                                                   \
    (FROM(REFUSE, REFUSE) | FROM(MORE_1, ACCEPT) | FROM(MORE_2, MORE_1) | FROM(MORE_3, MORE_2) |   \
     FROM(ACCEPT, REFUSE))

static const uint64_t utf8_rows[12] = {
    REFUSED | FROM(ACCEPT, ACCEPT), /* ASCII */
    /* 80..8f, 90..9f, a0..bf */
    TRAILING | FROM(E0, REFUSE) | FROM(ED, MORE_1) | FROM(F0, REFUSE) | FROM(F4, MORE_2),
    TRAILING | FROM(E0, REFUSE) | FROM(ED, MORE_1) | FROM(F0, MORE_2) | FROM(F4, REFUSE),
    TRAILING | FROM(E0, MORE_1) | FROM(ED, REFUSE) | FROM(F0, MORE_2) | FROM(F4, REFUSE),
    REFUSED | FROM(ACCEPT, REFUSE), /* c0 c1 f5..ff */
    REFUSED | FROM(ACCEPT, MORE_1), /* c2..df */
    REFUSED | FROM(ACCEPT, E0),
    REFUSED | FROM(ACCEPT, MORE_2), /* e1..ec ee ef */
    REFUSED | FROM(ACCEPT, ED),
    REFUSED | FROM(ACCEPT, F0),
    REFUSED | FROM(ACCEPT, MORE_3), /* f1..f3 */
    REFUSED | FROM(ACCEPT, F4),
};
static const uint8_t utf8_row[256] = {
    [0x80] = 1, 1,  1,  1,  1,  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 80 */
    2,          2,  2,  2,  2,  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 90 */
    3,          3,  3,  3,  3,  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* a0 */
    3,          3,  3,  3,  3,  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /* b0 */
    4,          4,  5,  5,  5,  5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, /* c0 */
    5,          5,  5,  5,  5,  5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, /* d0 */
    6,          7,  7,  7,  7,  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 7, /* e0 */
    9,          10, 10, 10, 11, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* f0 */
};

static inline unsigned utf8_step(unsigned state, unsigned char c)
{
    return (unsigned)(utf8_rows[utf8_row[c]] >> state) & 63;
}

/* Bits of the low 16; the builtin is a call without the machine's own instruction. */
static inline unsigned count_bits(unsigned x)
{
    x -= x >> 1 & 0x5555;
    x = (x & 0x3333) + (x >> 2 & 0x3333);
    x = (x + (x >> 4)) & 0x0f0f;
    return (x + (x >> 8)) & 0x1f;
}

/* Bytes that end a run of any characters. */
static inline unsigned stops(__m128i v)
{
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);

    return mask_of(_mm_or_si128(control, _mm_or_si128(same(v, '"'), same(v, '\\'))));
}

static const unsigned char *wide(struct wsrt_lex *in, const unsigned char *p, size_t *points)
{
    const unsigned char *good = p; /* between two characters */
    unsigned state = ACCEPT, stop = 0;
    size_t found = 0;

    while (stop == 0 && in->end - p >= WIDTH) {
        __m128i v = load(p);
        stop = stops(v);
        /* Signed: 80..bf are the bytes below -0x40. */
        unsigned trail = mask_of(_mm_cmplt_epi8(v, _mm_set1_epi8(-0x40)));
        unsigned count = stop == 0 ? WIDTH : (unsigned)__builtin_ctz(stop);
        if (mask_of(v) != 0 || state != ACCEPT)
            for (unsigned i = 0; i < count; i++)
                state = utf8_step(state, p[i]);
        if (state == REFUSE)
            break;
        found += count - count_bits(trail & ((1u << count) - 1));
        p += count;
        if (state == ACCEPT) {
            good = p;
            *points += found;
            found = 0;
        }
    }
    /* The end of the text, the place of a fault, or nothing. */
    return wsrt_lex_wide(in, good, points);
}

#include "schema/kernel_text.h"
#include "schema/kernel_machine.h"

const struct wsrt_kernel wsrt_kernel_sse2 = {"sse2", text, skip, value};
#endif
