/* Every test program defines suite(); the shared main() runs it and prints TAP. */
#ifndef WSRT_TEST_SUITE_H
#define WSRT_TEST_SUITE_H

#include <check.h>

Suite *suite(void);

/* For every assertion that holds, check writes down where the test is, should it crash: in a loop that takes
 * longer than what is tested. So each line is written down when a process first comes there. */
#ifdef CK_DLL_EXP
enum { TEST_LINES = 4096 };

static inline void test_came_to(const char *file, int line)
{
    static char seen[TEST_LINES];

    if (seen[line % TEST_LINES])
        return;
    seen[line % TEST_LINES] = 1;
    _mark_point(file, line);
}

#define _mark_point(file, line) test_came_to(file, line)
#endif

/* A tag for what takes long and what the thread sanitizer finds nothing new in: its lane leaves them out,
 * by CK_EXCLUDE_TAGS. */
#define SLOW "slow"

#endif
