/* Any bytes as a monitor's binary snapshot: refused, and then nothing is counted, or merged into a
 * monitor that counts on and tells its sum again. The hash is put right first, so that the fuzzer gets
 * behind it. */
#include "target.h"

#include "base/hash.h"

#include <wsrt/monitor.h>

#include <stdlib.h>
#include <string.h>

enum { HASH = 8, MAGIC = 8 };

static int swallow(const void *data, size_t len, void *user)
{
    (void)data;
    *(size_t *)user += len;
    return WSRT_OK;
}

static uint64_t completions(wsrt_monitor *m)
{
    wsrt_op_totals t = {.struct_size = sizeof t};
    uint64_t sum = 0;

    for (int id = 0; wsrt_monitor_totals(m, id, &t) == WSRT_OK; id++)
        sum += t.count;
    return sum;
}

/* Whatever came in goes out, in one of the formats. */
static void tell(wsrt_monitor *m, size_t which)
{
    const wsrt_export_options o = {.struct_size = sizeof o,
                                   .format =
                                       WSRT_EXPORT_PROMETHEUS + (int)(which % WSRT_EXPORT_BINARY),
                                   .wall = 1795168800000};
    size_t len = 0;

    if (wsrt_monitor_export(m, &o, swallow, &len) != WSRT_OK)
        abort();
}

static void merge(const uint8_t *data, size_t size)
{
    const wsrt_span document = {(const char *)data, size};
    wsrt_monitor *m;

    if (wsrt_monitor_new(&m, NULL) != WSRT_OK)
        abort();
    if (wsrt_monitor_merge(m, document, 1795168860000) == WSRT_OK) {
        for (int64_t minute = 0; minute < 2; minute++)
            if (wsrt_monitor_tick(m, minute * 60000000000, minute * 60000) != WSRT_OK)
                abort();
        tell(m, size);
    } else if (completions(m) != 0) {
        abort();
    }
    wsrt_monitor_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    merge(data, size);
    if (size <= MAGIC + HASH)
        return 0;
    copy = malloc(size);
    memcpy(copy, data, size);
    uint64_t hash = wsrt_hash(0, copy, size - HASH);
    for (size_t i = 0; i < HASH; i++)
        copy[size - HASH + i] = (uint8_t)(hash >> (8 * i));
    merge(copy, size);
    free(copy);
    return 0;
}
