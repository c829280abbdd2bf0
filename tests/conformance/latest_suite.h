/* What every table of latest values must do, seen through its functions alone; used as store_suite.h. */
#ifndef WSRT_TEST_LATEST_SUITE_H
#define WSRT_TEST_LATEST_SUITE_H

#include <check.h>

#include <wsrt/store.h>

struct latest_factory {
    /* Makes an empty table; what it returns goes to `close`. */
    void *(*open)(wsrt_latest *latest);
    void (*close)(void *opened);
};

TCase *latest_suite(const struct latest_factory *factory);

#endif
