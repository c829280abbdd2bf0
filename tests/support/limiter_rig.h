/* A limiter for a test, and what it is asked. */
#ifndef WSRT_TEST_LIMITER_RIG_H
#define WSRT_TEST_LIMITER_RIG_H

#include <wsrt/limiter.h>

#define SECOND ((int64_t)1000000000)

wsrt_limiter *new_limiter(const wsrt_limiter_options *o);
wsrt_limit_key cell_key(int scope, wsrt_limiter_cell *cell);
wsrt_limit_key named_key(int scope, const char *name);
int once(wsrt_limiter *l, wsrt_limit_key key, uint32_t n, int64_t now);
wsrt_limiter_stats stats_of(wsrt_limiter *l);

#endif
