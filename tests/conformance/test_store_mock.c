/* A store behind the mock is a store like any other, as long as nothing is made to fail. */
#include "store_suite.h"

#include "suite.h"

#include <wsrt/mock.h>

static void *open_mock(wsrt_store *s, wsrt_history *h)
{
    wsrt_mock *m;

    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_store(m, NULL, s), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_history(m, NULL, h), WSRT_OK);
    return m;
}

static void close_mock(void *opened)
{
    wsrt_mock_free(opened);
}

static const struct store_factory mock = {
    .open = open_mock, .close = close_mock, .steps = 5000, .rounds = 500};

Suite *suite(void)
{
    Suite *s = suite_create("store_mock");

    suite_add_tcase(s, store_suite(&mock));
    return s;
}
