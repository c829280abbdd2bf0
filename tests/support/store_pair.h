/* A connection store beside the plainest one there is. Whoever drives the two decides what
 * happens; each call does it to both and compares the answers. */
#ifndef WSRT_TEST_STORE_PAIR_H
#define WSRT_TEST_STORE_PAIR_H

#include <wsrt/store.h>

enum { STORE_PAIR_IDS = 200, STORE_PAIR_USERS = 5 };

struct store_driver {
    uint64_t (*below)(void *user, uint64_t n); /* any number below n */
    void *user;
    /* Does not return: `what` is `real` in the store and should be `model`. */
    void (*differs)(int step, const char *what, int64_t real, int64_t model);
};

struct store_model {
    int there; /* perhaps expired */
    int user;  /* 0 = none */
    int64_t connected_at, last_active_at, expires_at;
    int filters;
};

struct store_pair {
    const struct store_driver *driver;
    wsrt_store store;
    int ids;      /* so many of the models are used */
    int capacity; /* records that the store takes, at most 16; 0 = as many as come */
    int step;
    int64_t now; /* Unix seconds */
    struct store_model models[STORE_PAIR_IDS];
};

/* Changes the record of an id in one of seven ways, and reads it. */
void store_pair_change(struct store_pair *p, int id);

/* Lists a user's records, of user 0 everybody's, and counts. */
void store_pair_walk(struct store_pair *p, int user);

/* Removes what has expired, so many at most. */
void store_pair_expire(struct store_pair *p, size_t limit);

/* Of the model: whether a record can be seen; the name of a user. */
int store_pair_lives(const struct store_pair *p, int id);
wsrt_span store_pair_user(int user);

/* The id of a record that the store has handed out, which is what the model has. */
int store_pair_read(const struct store_pair *p, const wsrt_record *r, int brief);

#endif
