/* Every test program defines suite(); the shared main() runs it and prints TAP. */
#ifndef WSRT_TEST_SUITE_H
#define WSRT_TEST_SUITE_H

#include <check.h>

Suite *suite(void);

/* A tag for what takes long and what the thread sanitizer finds nothing new in: its lane leaves them out,
 * by CK_EXCLUDE_TAGS. */
#define SLOW "slow"

#endif
