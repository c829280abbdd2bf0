/* What the mocks read and fill. */
#include "growing.h"

#include <wsrt/mock.h>

static int use_options(void *block)
{
    wsrt_mock *m = NULL;
    int rc = wsrt_mock_new(&m, block);

    wsrt_mock_free(m);
    return rc;
}

static int with_mock(int (*then)(wsrt_mock *m, wsrt_runtime *rt, void *block), void *block)
{
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;

    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, NULL), WSRT_OK);
    int rc = then(m, rt, block);
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
    return rc;
}

static size_t say(void *user, uint64_t client, uint64_t turn, uint64_t random, char *dst,
                  size_t cap)
{
    (void)user, (void)client, (void)turn, (void)random, (void)dst, (void)cap;
    return 0;
}

static void prepare_world(void *block)
{
    ((wsrt_mock_world *)block)->say = say;
}

static int run_world(wsrt_mock *m, wsrt_runtime *rt, void *block)
{
    return wsrt_mock_world_run(m, rt, block, NULL);
}

static int use_world(void *block)
{
    return with_mock(run_world, block);
}

static int report_world(wsrt_mock *m, wsrt_runtime *rt, void *block)
{
    wsrt_mock_world world = {.struct_size = sizeof world, .say = say};

    return wsrt_mock_world_run(m, rt, &world, block);
}

static int use_report(void *block)
{
    return with_mock(report_world, block);
}

static int get_record(wsrt_mock *m, wsrt_runtime *rt, void *block)
{
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 200);
    return wsrt_mock_get(m, WSRT_MOCK_RESPONSE, 0, block);
}

static int use_record(void *block)
{
    return with_mock(get_record, block);
}

static int make_runtime(wsrt_mock *m, wsrt_runtime *rt, void *block)
{
    wsrt_runtime *other = NULL;
    int rc = wsrt_mock_runtime(&other, m, block);

    (void)rt;
    wsrt_runtime_free(other);
    return rc;
}

static int use_runtime_options(void *block)
{
    return with_mock(make_runtime, block);
}

static const struct row rows[] = {
    ROW(wsrt_mock_options, GIVEN, NULL, use_options),
    ROW(wsrt_mock_world, GIVEN, prepare_world, use_world),
    ROW(wsrt_mock_world_report, FILLED, NULL, use_report),
    ROW(wsrt_mock_record, FILLED, NULL, use_record),
    ROW(wsrt_runtime_options, GIVEN, NULL, use_runtime_options),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
