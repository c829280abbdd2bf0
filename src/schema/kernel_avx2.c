/* 32 bytes at a time. UTF-8 as in Keiser and Lemire, "Validating UTF-8 in less than one instruction
 * per byte" (2021): three look-ups by nibble find every fault of two neighbours. */
#include "schema/kernel.h"

#if WSRT_KERNELS_X86
#include <immintrin.h>
#include <string.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))),                \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt")
#endif

enum { WIDTH = 32, LONGEST_NAME = WIDTH - 1 };

static inline __m256i load(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline uint32_t mask_of(__m256i v)
{
    return (uint32_t)_mm256_movemask_epi8(v);
}

/* Bytes that end a run of plain ASCII. */
static inline __m256i odd(__m256i v)
{
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    /* Signed: controls and every byte above 0x7f are below the space. */
    __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), v);

    return _mm256_or_si256(_mm256_or_si256(quote, slash), low);
}

static inline __m256i rows_of(const struct wsrt_class *class)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)class->rows));
}

/* Bytes that are no plain member of the class. */
static inline __m256i outside(__m256i v, __m256i rows)
{
    const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                          2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
    __m256i row = _mm256_shuffle_epi8(rows, v); /* 0 for bytes above 0x7f */
    __m256i hit = _mm256_and_si256(row, _mm256_shuffle_epi8(bits, high));

    return _mm256_cmpeq_epi8(hit, _mm256_setzero_si256());
}

/* Where a run ends that has less than a block left: the last block of the buffer, with what stands
 * before `p` shifted out of its mask. */
static inline uint32_t shifted(const struct wsrt_lex *in, const unsigned char *p, uint32_t mask)
{
    return (uint32_t)((uint64_t)mask >> (WIDTH - (in->loadable - p)));
}

static inline const unsigned char *within(const struct wsrt_lex *in, const unsigned char *p)
{
    return p < in->end ? p : in->end;
}

static inline const unsigned char *any_run(const struct wsrt_lex *in, const unsigned char *p)
{
    for (; in->loadable - p >= 4 * WIDTH; p += 4 * WIDTH) {
        __m256i a = odd(load(p)), b = odd(load(p + WIDTH));
        __m256i c = odd(load(p + 2 * WIDTH)), d = odd(load(p + 3 * WIDTH));
        __m256i all = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        if (_mm256_testz_si256(all, all))
            continue;
        uint64_t low = mask_of(a) | (uint64_t)mask_of(b) << WIDTH;
        uint64_t high = mask_of(c) | (uint64_t)mask_of(d) << WIDTH;
        /* Which of the two has it is no branch: nobody could foresee it. */
        return within(in, p + _tzcnt_u64(low) + (_tzcnt_u64(high) & -(uint64_t)(low == 0)));
    }
    for (; in->loadable - p >= WIDTH; p += WIDTH) {
        uint32_t stop = mask_of(odd(load(p)));
        if (stop != 0)
            return within(in, p + _tzcnt_u32(stop));
    }
    if (in->loadable - in->base < WIDTH)
        return wsrt_lex_plain(in, p, NULL, NULL);
    uint32_t stop = shifted(in, p, mask_of(odd(load(in->loadable - WIDTH))));
    return stop == 0 ? in->end : within(in, p + _tzcnt_u32(stop));
}

/* The first byte that is no plain member of the class, or the end. */
static inline const unsigned char *class_run(const struct wsrt_lex *in, const unsigned char *p,
                                             const struct wsrt_class *class)
{
    __m256i rows = rows_of(class);
    uint32_t stop;

    for (; in->loadable - p >= 2 * WIDTH; p += 2 * WIDTH) {
        __m256i a = outside(load(p), rows), b = outside(load(p + WIDTH), rows);
        __m256i both = _mm256_or_si256(a, b);
        if (!_mm256_testz_si256(both, both)) {
            uint64_t mask = mask_of(a) | (uint64_t)mask_of(b) << WIDTH;
            return within(in, p + __builtin_ctzll(mask));
        }
    }
    if (in->loadable - p >= WIDTH) {
        stop = mask_of(outside(load(p), rows));
        if (stop != 0)
            return within(in, p + __builtin_ctz(stop));
        p += WIDTH;
    }
    stop = shifted(in, p, mask_of(outside(load(in->loadable - WIDTH), rows)));
    return stop == 0 ? in->end : within(in, p + __builtin_ctz(stop));
}

static inline int is_odd(unsigned char c)
{
    return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
}

static inline const unsigned char *plain(const struct wsrt_lex *in, const unsigned char *p,
                                         const struct wsrt_class *class, uint32_t *flags)
{
    if (class == NULL || (*flags & WSRT_TEXT_OUTSIDE))
        return any_run(in, p);
    if (in->loadable - in->base < WIDTH)
        return wsrt_lex_plain(in, p, class, flags);
    p = class_run(in, p, class);
    if (p == in->end || is_odd(*p))
        return p;
    *flags |= WSRT_TEXT_OUTSIDE;
    return any_run(in, p + 1);
}

static inline size_t name_end(const struct wsrt_lex *in, const unsigned char *p)
{
    if (__builtin_expect(in->loadable - p >= WIDTH, 1))
        return _tzcnt_u32(mask_of(odd(load(p))));
    return in->loadable - in->base < WIDTH
               ? WIDTH
               : _tzcnt_u32(shifted(in, p, mask_of(odd(load(in->loadable - WIDTH)))));
}

static inline size_t first_stop(const struct wsrt_lex *in, const unsigned char *p,
                                const struct wsrt_class *class)
{
    if (in->loadable - p < WIDTH)
        return WIDTH;
    __m256i v = load(p);
    return _tzcnt_u32(mask_of(class == NULL ? odd(v) : outside(v, rows_of(class))));
}

static inline uint64_t first_eight(const struct wsrt_lex *in, const unsigned char *p, size_t len)
{
    return _bzhi_u64(wsrt_word_head(in, p), (unsigned)len * 8);
}

/* ---- UTF-8 -------------------------------------------------------------------------------- */

/* What can be wrong with a byte and the one before it; `TWO_MORE` is right where a byte two or three
 * places before asks for it. */
enum {
    TOO_SHORT = 1,   /* a lead, then no continuation */
    TOO_LONG = 2,    /* ASCII, then a continuation */
    OVERLONG_3 = 4,  /* e0 80..9f */
    SURROGATE = 8,   /* ed a0..bf */
    OVERLONG_2 = 16, /* c0..c1 */
    TOO_LARGE = 32,  /* f4 90..bf, f5..ff */
    BEYOND = 64,     /* f5..ff 80..8f; and f0 80..8f */
    TWO_MORE = 128,  /* a continuation, then one */
    CARRY = TOO_SHORT | TOO_LONG | TWO_MORE
};

#define TWICE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)
#define BITS(x) (char)(x)

static inline __m256i look_up(__m256i table, __m256i nibbles)
{
    return _mm256_shuffle_epi8(table, nibbles);
}

static inline __m256i high_nibbles(__m256i v)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}

/* `v` with its bytes moved up by n, filled from the end of the block before. */
#define MOVED(v, before, n)                                                                        \
    _mm256_alignr_epi8(v, _mm256_permute2x128_si256(before, v, 0x21), 16 - (n))

static inline __m256i pair_faults(__m256i v, __m256i one_before)
{
    const __m256i first_high = TWICE(
        TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
        BITS(TWO_MORE), BITS(TWO_MORE), BITS(TWO_MORE), BITS(TWO_MORE), TOO_SHORT | OVERLONG_2,
        TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | BEYOND);
    const __m256i first_low =
        TWICE(BITS(CARRY | OVERLONG_3 | OVERLONG_2 | BEYOND), BITS(CARRY | OVERLONG_2), BITS(CARRY),
              BITS(CARRY), BITS(CARRY | TOO_LARGE), BITS(CARRY | TOO_LARGE | BEYOND),
              BITS(CARRY | TOO_LARGE | BEYOND), BITS(CARRY | TOO_LARGE | BEYOND),
              BITS(CARRY | TOO_LARGE | BEYOND), BITS(CARRY | TOO_LARGE | BEYOND),
              BITS(CARRY | TOO_LARGE | BEYOND), BITS(CARRY | TOO_LARGE | BEYOND),
              BITS(CARRY | TOO_LARGE | BEYOND), BITS(CARRY | TOO_LARGE | BEYOND | SURROGATE),
              BITS(CARRY | TOO_LARGE | BEYOND), BITS(CARRY | TOO_LARGE | BEYOND));
    const __m256i second_high =
        TWICE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
              TOO_SHORT, BITS(TOO_LONG | OVERLONG_2 | TWO_MORE | OVERLONG_3 | BEYOND),
              BITS(TOO_LONG | OVERLONG_2 | TWO_MORE | OVERLONG_3 | TOO_LARGE),
              BITS(TOO_LONG | OVERLONG_2 | TWO_MORE | SURROGATE | TOO_LARGE),
              BITS(TOO_LONG | OVERLONG_2 | TWO_MORE | SURROGATE | TOO_LARGE), TOO_SHORT, TOO_SHORT,
              TOO_SHORT, TOO_SHORT);
    __m256i low = _mm256_and_si256(one_before, _mm256_set1_epi8(15));

    return _mm256_and_si256(
        _mm256_and_si256(look_up(first_high, high_nibbles(one_before)), look_up(first_low, low)),
        look_up(second_high, high_nibbles(v)));
}

/* Not zero where the block, behind the one before it, is not UTF-8. */
static inline __m256i faults(__m256i v, __m256i before)
{
    __m256i two = MOVED(v, before, 2), three = MOVED(v, before, 3);
    __m256i third = _mm256_subs_epu8(two, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(three, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i owed = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));

    return _mm256_xor_si256(owed, pair_faults(v, MOVED(v, before, 1)));
}

/* Not zero when the block ends inside of a character. */
static inline __m256i unfinished(__m256i v)
{
    const __m256i most = _mm256_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                          -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                          -1, BITS(0xf0 - 1), BITS(0xe0 - 1), BITS(0xc0 - 1));

    return _mm256_subs_epu8(v, most);
}

/* The block at `p`; behind the end of the text it is zero, which is a control and stops. */
static inline __m256i load_within(const struct wsrt_lex *in, const unsigned char *p)
{
    unsigned char block[WIDTH] = {0};

    if (in->end - p >= WIDTH)
        return load(p);
    memcpy(block, p, (size_t)(in->end - p));
    return load(block);
}

static inline uint32_t stops(__m256i v)
{
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    __m256i control =
        _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8(0x1f)), _mm256_set1_epi8(0x1f));

    return mask_of(_mm256_or_si256(_mm256_or_si256(quote, slash), control));
}

/* The first n bytes of a block, zero behind. */
static inline __m256i first_bytes(__m256i v, unsigned n)
{
    const __m256i places =
        _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                         21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);

    return _mm256_and_si256(v, _mm256_cmpgt_epi8(_mm256_set1_epi8((char)n), places));
}

/* Characters that begin in a block: all but the continuations. */
static inline size_t begun(__m256i v)
{
    return (size_t)__builtin_popcount(mask_of(_mm256_cmpgt_epi8(v, _mm256_set1_epi8(-65))));
}

static const unsigned char *wide(struct wsrt_lex *in, const unsigned char *p, size_t *points)
{
    const unsigned char *from = p;
    __m256i before = _mm256_setzero_si256(), bad = before;
    size_t count = 0;

    for (;;) {
        __m256i v = load_within(in, p);
        uint32_t stop = stops(v);
        if (stop != 0) {
            unsigned n = (unsigned)__builtin_ctz(stop);
            v = first_bytes(v, n);
            bad = _mm256_or_si256(bad, faults(v, before));
            count += begun(v) - (WIDTH - n);
            p += n;
            break;
        }
        if (mask_of(v) == 0)
            bad = _mm256_or_si256(bad, unfinished(before));
        else
            bad = _mm256_or_si256(bad, faults(v, before));
        count += begun(v);
        before = v;
        p += WIDTH;
    }
    if (!_mm256_testz_si256(bad, bad))
        return wsrt_lex_wide(in, from, points); /* finds the place of the fault */
    *points += count;
    return p;
}

#include "schema/kernel_text.h"
#include "schema/kernel_machine.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const struct wsrt_kernel wsrt_kernel_avx2 = {"avx2", text, skip, value};
#endif
