/* A breaker beside a naive one that keeps a list of its calls. Whoever drives the two decides
 * what happens; each step does it to both and compares all that can be seen of them. */
#ifndef WSRT_TEST_BREAKER_MODEL_H
#define WSRT_TEST_BREAKER_MODEL_H

#include <stdint.h>

enum { BREAKER_PAIR_STEPS = 1000 }; /* the most that a pair can do */

struct breaker_driver {
    uint64_t (*below)(void *user, uint64_t n); /* any number below n */
    void *user;
    /* Does not return: `what` is `real` in the breaker and should be `model`, or at most that. */
    void (*differs)(const char *what, int64_t real, int64_t model);
};

struct breaker_pair;

/* The driver's first decisions are the configuration. */
struct breaker_pair *breaker_pair_new(const struct breaker_driver *driver);
void breaker_pair_free(struct breaker_pair *p);

/* A call begins or ends, time passes or goes back, a command, another configuration. */
void breaker_pair_step(struct breaker_pair *p);

#endif
