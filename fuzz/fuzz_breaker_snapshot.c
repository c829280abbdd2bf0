/* Any bytes as a snapshot: refused, or restored into breakers that work and save again. The checksum is
 * put right first, so that the fuzzer gets behind it. */
#include "target.h"

#include "base/hash.h"

#include <wsrt/breaker.h>

#include <stdlib.h>
#include <string.h>

enum { CHECKSUM = 8, SIZE_AT = 12, ROOM = 1 << 20 };

static void put_right(uint8_t *blob, size_t size)
{
    uint64_t sum;

    for (size_t i = 0; i < 4; i++)
        blob[SIZE_AT + i] = (uint8_t)(size >> (8 * i));
    sum = wsrt_hash(1, blob, size - CHECKSUM);
    for (size_t i = 0; i < CHECKSUM; i++)
        blob[size - CHECKSUM + i] = (uint8_t)(sum >> (8 * i));
}

static int use(wsrt_breaker *b, void *user)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};
    wsrt_permit p;

    (void)user;
    if (wsrt_breaker_try_acquire(b, 1000, &p, NULL) == WSRT_OK)
        wsrt_breaker_record(b, &p, 2000, WSRT_FAILURE);
    return wsrt_breaker_get_stats(b, 3000, 1, &s);
}

static void restore(const uint8_t *blob, size_t size)
{
    static unsigned char room[ROOM];
    wsrt_breaker_clock at = {5000000, 1700000000000};
    wsrt_breakers *r;
    size_t len;

    if (wsrt_breakers_new(&r, NULL) != WSRT_OK)
        abort();
    if (wsrt_breakers_restore(r, &at, blob, size) == WSRT_OK) {
        if (wsrt_breakers_foreach(r, use, NULL) != WSRT_OK)
            abort();
        if (wsrt_breakers_save(r, &at, room, sizeof room, &len) == WSRT_OK &&
            wsrt_breakers_restore(r, &at, room, len) != WSRT_OK)
            abort();
    }
    wsrt_breakers_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *blob = malloc(size + 1);

    restore(data, size);
    memcpy(blob, data, size);
    if (size >= SIZE_AT + 4 + CHECKSUM) {
        put_right(blob, size);
        restore(blob, size);
    }
    free(blob);
    return 0;
}
