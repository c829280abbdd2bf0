/* What every store must do, seen through its tables alone. A test program of a store defines
 * suite() and adds the case made here:
 *
 *     static const struct store_factory factory = {open_mine, close_mine};
 *     suite_add_tcase(s, store_suite(&factory));
 */
#ifndef WSRT_TEST_STORE_SUITE_H
#define WSRT_TEST_STORE_SUITE_H

#include <check.h>

#include <wsrt/store.h>

struct store_factory {
    /* Makes an empty store with a history; what it returns goes to `close`. */
    void *(*open)(wsrt_store *store, wsrt_history *history);
    void (*close)(void *opened);
    int steps;   /* of the model test; 0 = 100000 */
    int threads; /* 0 = 8 */
    int rounds;  /* of each thread; 0 = 4000 */
    /* Limits that the store declares. */
    int no_expire;       /* nor has its history one */
    int needs_timestamp; /* a message that comes again is known by its timestamp, too */
};

TCase *store_suite(const struct store_factory *factory);

#endif
