/* A program outside the tree that keeps connections in a file, in the C that is C++ too. */
#include <wsrt/sqlite.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

static int put_and_get(wsrt_sqlite_store *s, int put)
{
    wsrt_store store;
    wsrt_record record;
    wsrt_span id = wsrt_span_cstr("c1");
    char buffer[512];
    int wrong = 0;

    wsrt_sqlite_store_connections(s, &store);
    memset(&record, 0, sizeof record);
    record.struct_size = sizeof record;
    record.connection_id = id;
    record.user_id = wsrt_span_cstr("ann");
    record.connected_at = record.last_active_at = 1000;
    record.expires_at = 5000;
    if (put)
        wrong += HOLDS(store.ops->put(store.self, &record, 1, 2) == WSRT_OK);
    memset(&record, 0, sizeof record);
    record.struct_size = sizeof record;
    wrong += HOLDS(store.ops->get(store.self, &id, 2, &record, buffer, sizeof buffer) == WSRT_OK);
    return wrong + HOLDS(wsrt_span_equal(record.user_id, wsrt_span_cstr("ann")));
}

int main(void)
{
    wsrt_sqlite_store *s = NULL;
    wsrt_sqlite_store_options o;
    wsrt_sqlite_error why;
    char folder[] = "/tmp/consumer-XXXXXX", path[64];
    int wrong = HOLDS(mkdtemp(folder) != NULL);

    snprintf(path, sizeof path, "%s/store.db", folder);
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.max_records = 10;
    for (int put = 1; put >= 0; put--) {
        wrong += HOLDS(wsrt_sqlite_store_new(&s, wsrt_span_cstr(path), &o, &why) == WSRT_OK);
        wrong += put_and_get(s, put);
        wsrt_sqlite_store_free(s);
    }
    unlink(path);
    rmdir(folder);
    wrong +=
        HOLDS(wsrt_sqlite_store_new(&s, wsrt_span_cstr(path), NULL, &why) == WSRT_ERR_NOT_FOUND);
    wrong += HOLDS(s == NULL && strstr(why.text, path) != NULL);
    return wrong != 0;
}
