#include "sender_suite.h"

#include "suite.h"

#include <wsrt/mock.h>

#include <stdio.h>
#include <string.h>

static void *open_mock(wsrt_sender *sender)
{
    wsrt_mock *m;
    char id[16];

    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "open-%d", i);
        ck_assert_int_eq(wsrt_mock_open(m, id, 1), WSRT_OK);
    }
    wsrt_mock_sender(m, sender);
    return m;
}

static void close_mock(void *opened)
{
    wsrt_mock_free(opened);
}

static size_t received(void *opened, const char *id_cstr, char *dst, size_t cap)
{
    wsrt_mock_record r = {.struct_size = sizeof r};
    size_t count = 0;

    for (size_t i = 0; wsrt_mock_get(opened, WSRT_MOCK_POST, i, &r) == WSRT_OK; i++)
        if (r.status == WSRT_OK && wsrt_span_equal(r.connection_id, wsrt_span_cstr(id_cstr))) {
            count++;
            snprintf(dst, cap, "%.*s", (int)r.data.len, r.data.len > 0 ? r.data.ptr : "");
        }
    return count;
}

static const struct sender_factory mock = {open_mock, close_mock, received, NULL, 0};

Suite *suite(void)
{
    Suite *s = suite_create("sender_mock");

    suite_add_tcase(s, sender_suite(&mock));
    return s;
}
