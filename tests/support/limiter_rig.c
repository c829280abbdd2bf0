#include "limiter_rig.h"

#include <check.h>

wsrt_limiter *new_limiter(const wsrt_limiter_options *o)
{
    wsrt_limiter *l;

    ck_assert_int_eq(wsrt_limiter_new(&l, o), WSRT_OK);
    return l;
}

wsrt_limit_key cell_key(int scope, wsrt_limiter_cell *cell)
{
    return (wsrt_limit_key){.scope = scope, .cell = cell};
}

wsrt_limit_key named_key(int scope, const char *name)
{
    return (wsrt_limit_key){.scope = scope, .key = wsrt_span_cstr(name)};
}

int once(wsrt_limiter *l, wsrt_limit_key key, uint32_t n, int64_t now)
{
    return wsrt_limiter_check(l, &key, 1, n, now, NULL);
}

wsrt_limiter_stats stats_of(wsrt_limiter *l)
{
    wsrt_limiter_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_limiter_get_stats(l, &s), WSRT_OK);
    return s;
}
