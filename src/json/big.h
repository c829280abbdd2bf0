/* Non-negative integers of up to 4,352 bits, for the conversions that no machine word can hold. The
 * callers know that their numbers fit. */
#ifndef WSRT_SRC_JSON_BIG_H
#define WSRT_SRC_JSON_BIG_H

#include <stdint.h>

enum { WSRT_BIG_WORDS = 136 };

typedef struct wsrt_big {
    int count; /* words in use; the highest is not 0 */
    uint32_t word[WSRT_BIG_WORDS];
} wsrt_big;

void wsrt_big_set(wsrt_big *b, uint64_t v);
void wsrt_big_copy(wsrt_big *to, const wsrt_big *from);
void wsrt_big_multiply_add(wsrt_big *b, uint32_t factor, uint32_t addend);
void wsrt_big_multiply_power5(wsrt_big *b, int power);
void wsrt_big_shift_left(wsrt_big *b, int bits);
void wsrt_big_add(wsrt_big *b, const wsrt_big *other);
void wsrt_big_subtract(wsrt_big *b, const wsrt_big *other); /* b >= other */
int wsrt_big_compare(const wsrt_big *a, const wsrt_big *b);
int wsrt_big_bits(const wsrt_big *b); /* 0 for 0 */

#endif
