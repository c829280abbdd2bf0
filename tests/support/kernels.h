/* One message, judged by every kernel that this processor has: all must give the same answer. */
#ifndef WSRT_TEST_KERNELS_H
#define WSRT_TEST_KERNELS_H

#include <wsrt/schema.h>

enum { KERNELS_SLOTS = 16, KERNELS_ISSUES = 8 };

struct kernels_answer {
    int status;
    size_t issue_count;
    size_t issue_total;
    wsrt_issue issues[KERNELS_ISSUES];
    wsrt_slot slots[KERNELS_SLOTS]; /* their text is valid as an offset only: ptr - NULL */
};

/* How many kernels there are here; their names. */
size_t kernels_count(void);
const char *kernels_name(size_t i);

/* Judges the bytes in a heap block of exactly their size, and once more with 32 readable bytes
 * behind them, quotes mostly. Prints what differs and aborts; otherwise fills `out` (NULL is fine) and returns
 * the status. The schema is left with its best kernel. */
int kernels_judge(wsrt_schema *s, const void *bytes, size_t len, uint32_t flags,
                  struct kernels_answer *out);

#endif
