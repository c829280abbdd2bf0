/* Every test program defines suite(); the shared main() runs it and prints TAP. */
#ifndef WSRT_TEST_SUITE_H
#define WSRT_TEST_SUITE_H

#include <check.h>

Suite *suite(void);

#endif
