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
    size_t (*received)(void *opened, const char *id_cstr, char *dst, size_t cap);
};

TCase *sender_suite(const struct sender_factory *factory);

#endif
