/* What sqlite-writer says on stdout: this thread's step is stored. */
#ifndef WSRT_TEST_SQLITE_WRITER_H
#define WSRT_TEST_SQLITE_WRITER_H

#include <stdint.h>

struct acknowledgement {
    int32_t thread;
    int32_t step;
};

#endif
