/* What the SQLite store reads and fills. */
#include "growing.h"

#include "scratch.h"

#include <wsrt/sqlite.h>

static int with_store(const wsrt_sqlite_store_options *o,
                      int (*then)(wsrt_sqlite_store *s, void *block), void *block)
{
    struct scratch scratch;
    wsrt_sqlite_store *s = NULL;

    scratch_make(&scratch);
    int rc = wsrt_sqlite_store_new(&s, scratch_path(&scratch, "store.db"), o, NULL);
    if (rc == WSRT_OK && then != NULL)
        rc = then(s, block);
    wsrt_sqlite_store_free(s);
    scratch_remove(&scratch);
    return rc;
}

static int use_options(void *block)
{
    return with_store(block, NULL, NULL);
}

static int put(wsrt_sqlite_store *s, void *block)
{
    wsrt_store store;

    wsrt_sqlite_store_connections(s, &store);
    return store.ops->put(store.self, block, 1, 2);
}

static int use_record(void *block)
{
    return with_store(NULL, put, block);
}

static int find(wsrt_sqlite_store *s, void *block)
{
    wsrt_store store;
    wsrt_record record = {.struct_size = sizeof record};
    wsrt_span id = wsrt_span_cstr("c1");
    char buffer[512];

    growing_record(&record);
    ck_assert_int_eq(put(s, &record), WSRT_OK);
    wsrt_sqlite_store_connections(s, &store);
    return store.ops->get(store.self, &id, 2, block, buffer, sizeof buffer);
}

static int use_found_record(void *block)
{
    return with_store(NULL, find, block);
}

static int append(wsrt_sqlite_store *s, void *block)
{
    wsrt_history history;

    wsrt_sqlite_store_history(s, &history);
    return history.ops->append(history.self, block);
}

static int use_history(void *block)
{
    return with_store(NULL, append, block);
}

static int change(wsrt_sqlite_store *s, void *block)
{
    wsrt_latest latest;
    int result = WSRT_OK;

    wsrt_sqlite_store_latest(s, &latest);
    int rc = latest.ops->change(latest.self, block, 1, &result);
    return rc == WSRT_OK ? result : rc;
}

static int use_latest(void *block)
{
    return with_store(NULL, change, block);
}

static const struct row rows[] = {
    ROW(wsrt_sqlite_store_options, GIVEN, NULL, use_options),
    ROW(wsrt_record, GIVEN, growing_record, use_record),
    {"wsrt_record", sizeof(wsrt_record), FILLED, NULL, use_found_record, .may_be_zero = 1},
    ROW(wsrt_history_entry, GIVEN, growing_history_entry, use_history),
    ROW(wsrt_latest_entry, GIVEN, growing_latest_entry, use_latest),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
