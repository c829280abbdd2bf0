/* Every struct that begins with struct_size, in a heap block of exactly the size it says (an access
 * beyond it is seen by the address sanitizer), as an older caller and as a caller of a later release
 * hand it in. tests/structure/test_growing.py finds a struct of the headers that has no row in any
 * tests/unit/test_growing_*.c. */
#ifndef WSRT_TEST_GROWING_H
#define WSRT_TEST_GROWING_H

#include "suite.h"

#include <wsrt/auth.h>

#include <stddef.h>

enum kind {
    GIVEN,   /* read by the library: what it does not know must be zero */
    TABLE,   /* functions: what it does not know is never called */
    FILLED,  /* written by the library: what it does not know becomes zero */
    AMENDED, /* some members are written, the rest stays */
};

struct row {
    const char *name;
    size_t size;
    enum kind kind;
    void (*prepare)(void *block); /* members without a usable zero; NULL = none */
    int (*use)(void *block);      /* makes, frees; WSRT_OK or more when the library took it */
    int refusal;                  /* of a size that no release had; 0 = WSRT_ERR_INVALID */
    int may_be_zero;              /* 0 stands for the first release */
};

#define ROW(type, kind, prepare, use)                                                              \
    {                                                                                              \
#type, sizeof(type), kind, prepare, use, 0, 0                                              \
    }

/* Fill a block with what any store takes. */
void growing_record(void *block);
void growing_history_entry(void *block);
void growing_latest_entry(void *block);

/* Asks for a token that nobody has: WSRT_OK when `result` was taken and the token refused. */
int growing_authenticate(const wsrt_authenticator *a, void *result);

/* The rows stay the caller's. */
Suite *growing_suite(const struct row *rows, size_t count);

#endif
