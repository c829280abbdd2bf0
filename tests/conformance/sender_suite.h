/* What every sender must do, seen through its table alone. A test program of a sender defines suite()
 * and adds the case made here. */
#ifndef WSRT_TEST_SENDER_SUITE_H
#define WSRT_TEST_SENDER_SUITE_H

#include <check.h>

#include <wsrt/sender.h>

struct sender_factory {
    /* Makes a sender; the connections "open-0" to "open-9" are there, others are not. What it returns
     * goes to the functions below. */
    void *(*open)(wsrt_sender *sender);
    void (*close)(void *opened);
    /* Messages that have reached a connection, and the last of them in `dst`, NUL-terminated. */
    size_t (*received)(void *opened, const char *name_cstr, char *dst, size_t cap);
    /* The connection id behind a name, where ids are the sender's own; NULL = the name itself. */
    const char *(*id_of)(void *opened, const char *name_cstr);
    int closes_later; /* 1 = a disconnect is queued: posts are GONE once it is taken up */
};

enum { SENDER_FACTORIES = 2 };

/* A program may add the suites of so many factories. */
TCase *sender_suite(const struct sender_factory *factory);

#endif
