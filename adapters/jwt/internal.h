/* The verifier as its files share it. */
#ifndef WSRT_JWT_INTERNAL_H
#define WSRT_JWT_INTERNAL_H

#include "jwt/cache.h"
#include "jwt/claims.h"
#include "jwt/keys.h"

#include <pthread.h>

enum { WSRT_JWT_RETRY_MS = 10000, WSRT_JWT_REREAD_MS = 1000, WSRT_JWT_FETCH_MS = 5000 };

/* Where keys come from and how old they are; times are monotonic ns. */
typedef struct wsrt_jwt_source {
    char *file; /* with a NUL; NULL = not a file */
    char *url;
    wsrt_jwks_fetcher fetcher;
    wsrt_breaker *breaker; /* NULL = unguarded */
    int64_t fresh_s;       /* 0 = as the server says */
    int64_t stale_s;
    void (*wanted)(void *user); /* NULL = who needs keys fetches them */
    void *wanted_user;
    int awaited;         /* the host was told, and has not fetched yet */
    int busy;            /* a thread is reading or fetching */
    int failed;          /* the last one that did had nothing */
    int64_t next_try;    /* not before, but by wsrt_jwt_refresh() */
    int64_t fresh_until; /* INT64_MAX = for ever */
    int64_t stale_until;
} wsrt_jwt_source;

struct wsrt_jwt {
    wsrt_allocator allocator;
    wsrt_env env;
    wsrt_jwt_rules rules;
    char *text; /* of the rules and the source */
    size_t text_size;
    uint32_t algorithms;
    pthread_mutex_t lock; /* guards all below; never held while anything blocks */
    wsrt_jwt_keys *keys;  /* NULL = none yet */
    wsrt_jwt_cache cache;
    wsrt_jwt_source source;
};

/* source.c: the keys to judge by, with a reference. When they are not fresh, one caller fetches.
 * WSRT_OK, or why there are none that may be used. */
int wsrt_jwt_keys_get(wsrt_jwt *j, wsrt_jwt_keys **out);
/* Reads or fetches again for a kid that is not in `keys`, if that is allowed now, and takes the new
 * set in its place. Where a set is awaited that may have it, or could not be had, why not. */
int wsrt_jwt_keys_renew(wsrt_jwt *j, wsrt_jwt_keys **keys);
/* 1 when keys come from where they can be read again. */
int wsrt_jwt_keys_renewable(const wsrt_jwt *j);
int wsrt_jwt_keys_load(wsrt_jwt *j, int forced);
int wsrt_jwt_keys_take(wsrt_jwt *j, wsrt_span text);

/* One log line: an event and its reason, constant text. */
void wsrt_jwt_log(const wsrt_jwt *j, int level, const char *event_cstr, const char *reason_cstr);

#endif
