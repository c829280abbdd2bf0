/* What sqlite-writer says on stdout: this thread's step is stored; at its end, how many calls it made of
 * the kind that it was told. */
#ifndef WSRT_TEST_SQLITE_WRITER_H
#define WSRT_TEST_SQLITE_WRITER_H

#include <stdint.h>

enum { ALL_CALLS = -1 };

struct acknowledgement {
    int32_t thread;
    int32_t step;
};

#endif
