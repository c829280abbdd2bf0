/* The front of a recorder. Who dispatches many short events counts in it without a call for each: that
 * would cost as much as the counting. */
#ifndef WSRT_SRC_MONITOR_RECORDER_H
#define WSRT_SRC_MONITOR_RECORDER_H

#include <wsrt/monitor.h>

/* Successes of one operation and one start whose end is still to be told. */
struct deferred {
    int64_t start;
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint32_t requests; /* of which the size is known */
    uint32_t responses;
    uint32_t count;
    int id;
};

struct recorder_front {
    struct deferred deferred;
    uint32_t until_look; /* operations up to the next at whose start something may be read */
};

/* wsrt_recorder_due() */
static inline int recorder_is_due(const wsrt_recorder *rec)
{
    const struct recorder_front *f = (const struct recorder_front *)(const void *)rec;

    return f == NULL || (f->until_look == 1 && wsrt_recorder_due(rec));
}

static inline uint64_t deferred_sum(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline void deferred_add(struct recorder_front *f, int64_t request_size,
                                int64_t response_size)
{
    struct deferred *d = &f->deferred;

    d->count++;
    if (f->until_look > 1)
        f->until_look--;
    if (request_size > 0) {
        d->request_bytes = deferred_sum(d->request_bytes, (uint64_t)request_size);
        d->requests++;
    }
    if (response_size > 0) {
        d->response_bytes = deferred_sum(d->response_bytes, (uint64_t)response_size);
        d->responses++;
    }
}

/* wsrt_op_defer() for one more like those before. */
static inline int recorder_defer(wsrt_recorder *rec, int id, int64_t start, int64_t request_size,
                                 int64_t response_size)
{
    struct recorder_front *f = (struct recorder_front *)(void *)rec;

    if (f == NULL || f->deferred.count - 1 >= UINT32_MAX - 1 || f->deferred.id != id ||
        f->deferred.start != start)
        return wsrt_op_defer(rec, id, start, request_size, response_size);
    deferred_add(f, request_size, response_size);
    return WSRT_OK;
}

#endif
