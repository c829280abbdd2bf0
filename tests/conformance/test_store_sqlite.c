#include "latest_suite.h"
#include "store_suite.h"

#include "scratch.h"
#include "suite.h"

#include <wsrt/sqlite.h>

#include <stdlib.h>

struct opened {
    struct scratch scratch;
    wsrt_sqlite_store *store;
};

static void *open_sqlite(wsrt_store *s, wsrt_history *h)
{
    struct opened *o = malloc(sizeof *o);
    wsrt_sqlite_error why;

    scratch_make(&o->scratch);
    int rc = wsrt_sqlite_store_new(&o->store, scratch_path(&o->scratch, "store.db"), NULL, &why);
    ck_assert_msg(rc == WSRT_OK, "%s", why.text);
    wsrt_sqlite_store_connections(o->store, s);
    wsrt_sqlite_store_history(o->store, h);
    return o;
}

static void close_sqlite(void *opened)
{
    struct opened *o = opened;

    wsrt_sqlite_store_free(o->store);
    scratch_remove(&o->scratch);
    free(o);
}

static const struct store_factory sqlite = {
    .open = open_sqlite, .close = close_sqlite, .steps = 20000};

static void *open_latest(wsrt_latest *latest)
{
    wsrt_store s;
    wsrt_history h;
    struct opened *o = open_sqlite(&s, &h);

    wsrt_sqlite_store_latest(o->store, latest);
    return o;
}

static const struct latest_factory sqlite_latest = {.open = open_latest, .close = close_sqlite};

Suite *suite(void)
{
    Suite *s = suite_create("store_sqlite");

    suite_add_tcase(s, store_suite(&sqlite));
    suite_add_tcase(s, latest_suite(&sqlite_latest));
    return s;
}
