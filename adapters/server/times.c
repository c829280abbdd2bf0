#include "server/times.h"

static uint32_t used(const wsrt_times *t)
{
    return atomic_load_explicit(&t->used, memory_order_acquire);
}

static const char *key_of(const wsrt_route_row *row)
{
    return atomic_load_explicit(&row->key, memory_order_relaxed);
}

static wsrt_route_row *row_of(wsrt_times *t, wsrt_span route)
{
    uint32_t n = used(t), i = 0;

    while (i < n && key_of(&t->rows[i]) != route.ptr)
        i++;
    if (i < n || n == WSRT_ROUTE_ROWS)
        return &t->rows[i < n ? i : n - 1];
    if (n == WSRT_ROUTE_ROWS - 1)
        route = wsrt_span_cstr("other");
    atomic_store_explicit(&t->rows[i].key, route.ptr, memory_order_relaxed);
    t->rows[i].len = route.len;
    atomic_store_explicit(&t->used, n + 1, memory_order_release);
    return &t->rows[i];
}

/* Before the first route there is the one that an event has which no route takes. */
static wsrt_route_row *last_of(wsrt_times *t)
{
    if (t->last == NULL)
        t->last = row_of(t, (wsrt_span){NULL, 0});
    return t->last;
}

void wsrt_times_switch(wsrt_times *t, wsrt_span route)
{
    if (t->run > 0) {
        last_of(t)->pending += t->run;
        t->mixed = 1;
        t->run = 0;
    }
    t->last = row_of(t, route);
    t->last_key = route.ptr;
}

wsrt_span wsrt_times_route(wsrt_times *t)
{
    if (t->mixed)
        return wsrt_span_cstr("several");
    return (wsrt_span){key_of(last_of(t)), last_of(t)->len};
}

static void add(wsrt_route_row *row, uint32_t handled, int64_t ns)
{
    wsrt_count_add(&row->handled, handled);
    wsrt_count_add(&row->ns, (uint64_t)ns);
}

static void settle_several(wsrt_times *t, int64_t ns)
{
    int64_t all = 0;

    for (uint32_t i = 0; i < WSRT_ROUTE_ROWS; i++)
        all += t->rows[i].pending;
    for (uint32_t i = 0; i < WSRT_ROUTE_ROWS; i++) {
        wsrt_route_row *row = &t->rows[i];
        if (row->pending > 0)
            add(row, row->pending, ns * row->pending / all);
        row->pending = 0;
    }
}

void wsrt_times_settle(wsrt_times *t, int64_t ns)
{
    if (t->run == 0)
        return;
    if (t->mixed) {
        t->last->pending += t->run;
        settle_several(t, ns);
    } else {
        add(last_of(t), t->run, ns);
    }
    t->run = 0;
    t->mixed = 0;
}

static size_t place_of(wsrt_route_sum *sums, size_t count, wsrt_span route)
{
    size_t i = 0;

    while (i < count && (sums[i].route.ptr != route.ptr || sums[i].route.len != route.len))
        i++;
    if (i == count && count < WSRT_ROUTE_ROWS)
        sums[i] = (wsrt_route_sum){.route = route};
    return i < WSRT_ROUTE_ROWS ? i : WSRT_ROUTE_ROWS - 1;
}

size_t wsrt_times_add(const wsrt_times *t, wsrt_route_sum *sums, size_t count)
{
    for (uint32_t i = 0; i < used(t); i++) {
        const wsrt_route_row *row = &t->rows[i];
        size_t at = place_of(sums, count, (wsrt_span){key_of(row), row->len});
        sums[at].handled += wsrt_count_read(&row->handled);
        sums[at].ns += wsrt_count_read(&row->ns);
        count = at == count ? count + 1 : count;
    }
    return count;
}
