/* A proxy on the loopback that does to connections what networks do. What happens to each, and after how
 * many bytes, is drawn from a seed. It runs in a thread of its own. */
#ifndef WSRT_TEST_FAULT_PROXY_H
#define WSRT_TEST_FAULT_PROXY_H

#include <stdint.h>

enum fault {
    FAULT_NONE,
    FAULT_DELAY,       /* every piece is 5 to 50 ms late */
    FAULT_DRIP,        /* one byte a millisecond */
    FAULT_PIECES,      /* cut at any byte */
    FAULT_CUT,         /* ended in order after some bytes */
    FAULT_RESET,       /* the same, by a reset */
    FAULT_HALF_OPEN,   /* the service's side ends, the caller's stays open and silent */
    FAULT_BLACKHOLE,   /* both sides stay open and silent */
    FAULT_CORRUPT,     /* one bit is another */
    FAULT_SWAP,        /* two neighbouring bytes change places */
    FAULT_UNAVAILABLE, /* answers 503 to a request itself, and closes */
    FAULTS
};

struct fault_proxy;

struct fault_proxy *fault_proxy_start(int to_port, uint64_t seed);
int fault_proxy_port(const struct fault_proxy *p);
/* Of the connections that come, and of those that are open, from now on. What is silent stays so. */
void fault_proxy_set(struct fault_proxy *p, enum fault fault);
int fault_proxy_connections(const struct fault_proxy *p); /* so far */
void fault_proxy_stop(struct fault_proxy *p);

const char *fault_name(int fault);

#endif
