/* Whole JSON values compared and hashed as values: numbers exactly, strings decoded, objects
 * without regard to order. The texts have been validated. */
#ifndef WSRT_SRC_SCHEMA_VALUE_H
#define WSRT_SRC_SCHEMA_VALUE_H

#include "schema/scan.h"

enum { WSRT_VALUE_LIMIT = -1 };

/* Steps through a container: `p` starts behind the bracket and moves from child to child. */
struct wsrt_child {
    const unsigned char *p;
    const unsigned char *name; /* behind its opening quote; NULL in arrays */
    const unsigned char *name_end;
    const unsigned char *value;
    const unsigned char *end; /* of the value */
};

/* 1 = a child, 0 = no more. Charges `work` for the bytes. */
int wsrt_child_next(struct wsrt_lex *in, struct wsrt_child *it, int object);

/* 1, 0, or WSRT_VALUE_LIMIT when nesting (64) or `work` do not allow an answer. */
int wsrt_value_equal(const unsigned char *a, size_t a_len, const unsigned char *b, size_t b_len,
                     uint64_t *work);
int wsrt_value_hash(const unsigned char *a, size_t len, uint64_t key, uint64_t *out);

/* Two strings' decoded text; without quotes. */
int wsrt_text_equal(const unsigned char *a, const unsigned char *a_end, const unsigned char *b,
                    const unsigned char *b_end);
uint64_t wsrt_text_hash(const unsigned char *a, const unsigned char *end, uint64_t key);

#endif
