/* JSON numbers as exact decimals: compared, divided and hashed by their digits, never as doubles. */
#ifndef WSRT_SRC_SCHEMA_DECIMAL_H
#define WSRT_SRC_SCHEMA_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

struct wsrt_exact {
    const unsigned char *first; /* first digit that is not zero */
    const unsigned char *last; /* behind the last digit that is not zero; a point may lie between */
    int64_t power;             /* of ten, of the first digit; saturates */
    size_t count;              /* digits from first to last */
    int sign;                  /* -1, 0, 1 */
};

/* `text` is a number by the JSON grammar. */
struct wsrt_exact wsrt_exact_read(const unsigned char *text, size_t len);
int wsrt_exact_compare(const struct wsrt_exact *a, const struct wsrt_exact *b);
int wsrt_exact_is_whole(const struct wsrt_exact *a);
/* `step` > 0 with at most 18 digits. */
int wsrt_exact_is_multiple(const struct wsrt_exact *a, const struct wsrt_exact *step);
/* The value as a count; 0 when it is negative, fractional or above 2^53. */
int wsrt_exact_count(const struct wsrt_exact *a, uint64_t *out);
uint64_t wsrt_exact_hash(const struct wsrt_exact *a, uint64_t key);

#endif
