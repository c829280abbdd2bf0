/* Keys: read, fetched, guarded, swapped. */
#include "jwt/internal.h"

#include "common/support.h"

#include <stdio.h>

enum { DEFAULT_FRESH_S = 3600, LEAST_FRESH_S = 60, MOST_FRESH_S = 86400 };

static const int64_t ns_per_s = 1000000000, ns_per_ms = 1000000;

static int64_t after(int64_t now, int64_t span, int64_t unit)
{
    int64_t out;

    if (__builtin_mul_overflow(span, unit, &span) || __builtin_add_overflow(now, span, &out))
        return INT64_MAX;
    return out;
}

/* ---- where they come from ------------------------------------------------------------------- */

static int read_file(const char *path, char *dst, size_t cap, size_t *len)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return WSRT_ERR_IO;
    *len = fread(dst, 1, cap, file);
    int rc = ferror(file) ? WSRT_ERR_IO : WSRT_OK;
    if (rc == WSRT_OK && *len == cap && fgetc(file) != EOF)
        rc = WSRT_ERR_TOO_LARGE;
    fclose(file);
    return rc;
}

static int fetch(wsrt_jwt *j, wsrt_jwks_fetch *f)
{
    int rc = j->source.fetcher.ops->fetch(j->source.fetcher.self, f);

    if (rc > 0 || (rc == WSRT_OK && f->len > f->cap))
        return WSRT_ERR_INTERNAL;
    return rc;
}

/* What the breaker is told: a set that cannot be read is as bad as none. */
static int outcome_of(int rc)
{
    if (rc == WSRT_OK)
        return WSRT_SUCCESS;
    return rc == WSRT_ERR_NOMEM ? WSRT_IGNORED : WSRT_FAILURE;
}

static void set_ages(wsrt_jwt *j, int64_t max_age_s)
{
    wsrt_jwt_source *s = &j->source;
    int64_t now = j->env.now(j->env.user);
    int64_t fresh_s = s->fresh_s;

    if (s->url == NULL)
        return;
    if (fresh_s == 0 && max_age_s > 0)
        fresh_s = max_age_s < LEAST_FRESH_S  ? LEAST_FRESH_S
                  : max_age_s > MOST_FRESH_S ? MOST_FRESH_S
                                             : max_age_s;
    if (fresh_s == 0)
        fresh_s = DEFAULT_FRESH_S;
    s->fresh_until = after(now, fresh_s, ns_per_s);
    s->stale_until = after(now, s->stale_s > fresh_s ? s->stale_s : fresh_s, ns_per_s);
}

static int swap_in(wsrt_jwt *j, wsrt_span text, int64_t max_age_s)
{
    wsrt_jwt_keys *fresh, *old;
    const char *why;
    int rc = wsrt_jwt_keys_new(&fresh, text, j->algorithms, &j->allocator, &why);

    if (rc != WSRT_OK) {
        wsrt_jwt_log(j, WSRT_LEVEL_WARN, "jwt.keys_refused", why);
        return rc;
    }
    pthread_mutex_lock(&j->lock);
    old = j->keys;
    j->keys = fresh;
    j->source.failed = 0;
    wsrt_jwt_cache_clear(&j->cache);
    set_ages(j, max_age_s);
    pthread_mutex_unlock(&j->lock);
    wsrt_jwt_keys_release(old);
    return WSRT_OK;
}

/* The set there is, read or fetched again, only becomes fresh: an unknown kid is all it takes to have it
 * read, and no tokens are to be forgotten for that. */
static int take_again(wsrt_jwt *j, wsrt_span text, int64_t max_age_s)
{
    unsigned char digest[WSRT_JWT_SHA256];
    int rc = wsrt_jwt_sha256(digest, text);

    if (rc != WSRT_OK)
        return rc;
    pthread_mutex_lock(&j->lock);
    int is_same = j->keys != NULL && wsrt_jwt_same(j->keys->digest, digest, sizeof digest);
    if (is_same)
        set_ages(j, max_age_s);
    pthread_mutex_unlock(&j->lock);
    return is_same ? WSRT_OK : swap_in(j, text, max_age_s);
}

int wsrt_jwt_keys_take(wsrt_jwt *j, wsrt_span text)
{
    return swap_in(j, text, 0);
}

static int load_url(wsrt_jwt *j, char *dst)
{
    wsrt_jwks_fetch f = {.struct_size = sizeof f,
                         .url = wsrt_span_cstr(j->source.url),
                         .dst = dst,
                         .cap = WSRT_JWT_KEYS_BYTES,
                         .timeout_ms = WSRT_JWT_FETCH_MS};
    wsrt_permit permit;
    int rc = WSRT_OK;

    if (j->source.breaker != NULL)
        rc = wsrt_breaker_try_acquire(j->source.breaker, j->env.now(j->env.user), &permit, NULL);
    if (rc != WSRT_OK)
        return rc;
    rc = fetch(j, &f);
    if (rc == WSRT_OK)
        rc = take_again(j, (wsrt_span){dst, f.len}, f.max_age_s);
    if (j->source.breaker != NULL)
        (void)wsrt_breaker_record(j->source.breaker, &permit, j->env.now(j->env.user),
                                  outcome_of(rc));
    return rc;
}

static int load(wsrt_jwt *j)
{
    char *text = wsrt_adapter_realloc(&j->allocator, NULL, 0, WSRT_JWT_KEYS_BYTES);
    size_t len = 0;
    int rc;

    if (text == NULL)
        return WSRT_ERR_NOMEM;
    if (j->source.file == NULL) {
        rc = load_url(j, text);
    } else {
        rc = read_file(j->source.file, text, WSRT_JWT_KEYS_BYTES, &len);
        if (rc == WSRT_OK)
            rc = take_again(j, (wsrt_span){text, len}, 0);
    }
    wsrt_jwt_wipe(text, WSRT_JWT_KEYS_BYTES); /* it may hold shared secrets */
    wsrt_adapter_realloc(&j->allocator, text, WSRT_JWT_KEYS_BYTES, 0);
    return rc;
}

/* ---- when ----------------------------------------------------------------------------------- */

int wsrt_jwt_keys_renewable(const wsrt_jwt *j)
{
    return j->source.file != NULL || j->source.url != NULL;
}

/* Whether to ask for keys now; then nobody else does so for a while. */
static int is_time(wsrt_jwt_source *s, int64_t now, int forced)
{
    if (s->busy || (!forced && now < s->next_try))
        return 0;
    s->next_try = after(now, s->url != NULL ? WSRT_JWT_RETRY_MS : WSRT_JWT_REREAD_MS, ns_per_ms);
    return 1;
}

/* One thread at a time; WSRT_ERR_STATE when another is at it, or when it is too early. */
int wsrt_jwt_keys_load(wsrt_jwt *j, int forced)
{
    wsrt_jwt_source *s = &j->source;
    int64_t now = j->env.now(j->env.user);

    pthread_mutex_lock(&j->lock);
    int go = is_time(s, now, forced);
    s->busy |= go;
    pthread_mutex_unlock(&j->lock);
    if (!go)
        return WSRT_ERR_STATE;
    int rc = load(j);
    pthread_mutex_lock(&j->lock);
    s->busy = s->awaited = 0;
    s->failed = rc != WSRT_OK;
    pthread_mutex_unlock(&j->lock);
    if (rc != WSRT_OK)
        wsrt_jwt_log(j, WSRT_LEVEL_WARN, "jwt.keys_unavailable", wsrt_status_name(rc));
    return rc;
}

/* Tells the host that keys are wanted, if it is time; 1 while they are awaited, or were in vain. */
static int await(wsrt_jwt *j)
{
    wsrt_jwt_source *s = &j->source;
    int64_t now = j->env.now(j->env.user);

    pthread_mutex_lock(&j->lock);
    int go = is_time(s, now, 0);
    s->awaited |= go;
    int awaited = s->awaited || s->busy || s->failed;
    pthread_mutex_unlock(&j->lock);
    if (go)
        s->wanted(s->wanted_user);
    return awaited;
}

/* The keys there are, if they may still be used; *fresh says whether they are fresh. */
static wsrt_jwt_keys *hold(wsrt_jwt *j, int *fresh)
{
    int64_t now = j->source.url == NULL ? 0 : j->env.now(j->env.user);

    pthread_mutex_lock(&j->lock);
    wsrt_jwt_keys *keys = j->keys;
    *fresh = keys != NULL && (j->source.url == NULL || now < j->source.fresh_until);
    if (keys != NULL && j->source.url != NULL && now >= j->source.stale_until)
        keys = NULL;
    if (keys != NULL)
        atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&j->lock);
    return keys;
}

/* What an asker hears whom no key could be had for. */
static int without_keys(int rc)
{
    return rc == WSRT_ERR_TIMEOUT || rc == WSRT_ERR_CIRCUIT_OPEN || rc == WSRT_ERR_NOMEM
               ? rc
               : WSRT_ERR_UNAVAILABLE;
}

int wsrt_jwt_keys_get(wsrt_jwt *j, wsrt_jwt_keys **out)
{
    int fresh;
    int rc = WSRT_ERR_UNAVAILABLE;

    *out = hold(j, &fresh);
    if (fresh)
        return WSRT_OK;
    if (j->source.wanted != NULL) {
        (void)await(j);
        return *out != NULL ? WSRT_OK : WSRT_ERR_UNAVAILABLE;
    }
    rc = wsrt_jwt_keys_load(j, 0);
    if (rc == WSRT_OK || *out == NULL) {
        wsrt_jwt_keys_release(*out);
        *out = hold(j, &fresh);
    }
    if (*out != NULL)
        return WSRT_OK;
    return without_keys(rc);
}

static int has_failed(wsrt_jwt *j)
{
    pthread_mutex_lock(&j->lock);
    int failed = j->source.failed;
    pthread_mutex_unlock(&j->lock);
    return failed;
}

int wsrt_jwt_keys_renew(wsrt_jwt *j, wsrt_jwt_keys **keys)
{
    int fresh;

    if (j->source.wanted != NULL)
        return await(j) ? WSRT_ERR_UNAVAILABLE : WSRT_OK;
    int rc = wsrt_jwt_keys_load(j, 0);
    if (rc != WSRT_OK)
        return rc == WSRT_ERR_STATE && !has_failed(j) ? WSRT_OK : without_keys(rc);
    wsrt_jwt_keys *renewed = hold(j, &fresh);
    if (renewed == NULL)
        return WSRT_OK;
    wsrt_jwt_keys_release(*keys);
    *keys = renewed;
    return WSRT_OK;
}
