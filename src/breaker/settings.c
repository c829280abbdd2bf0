/* Settings shared by breakers, and their exchange while calls are under way. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

static int is_same(const struct settings *a, const struct settings *b)
{
    return a->serial == b->serial && memcmp(&a->config, &b->config, sizeof a->config) == 0 &&
           memcmp(&a->given, &b->given, sizeof a->given) == 0;
}

const struct settings *wsrt_breaker_settings_get(wsrt_breakers *r, wsrt_span service,
                                                 wsrt_span operation,
                                                 const wsrt_breaker_config *given,
                                                 const struct settings *before)
{
    struct settings wanted;

    wsrt_breaker_settings_fill(&wanted, r->document, service, operation, given);
    wanted.serial = 0;
    if (before != NULL) {
        wanted.config.stripes = before->config.stripes;
        wanted.serial = before->serial + (before->bucket_ns != wanted.bucket_ns);
    }
    struct settings **chain =
        &r->settings[wsrt_hash(0, &wanted.config, sizeof wanted.config) % SETTINGS_CHAINS];
    for (const struct settings *s = *chain; s != NULL; s = s->next)
        if (is_same(s, &wanted))
            return s;
    struct settings *made =
        wanted.serial > SERIAL_MAX ? NULL : wsrt_mem_alloc(&r->allocator, sizeof *made);
    if (made == NULL)
        return NULL;
    *made = wanted;
    made->registry = r;
    made->shares = r->fleet.ops.load != NULL;
    made->base = r->base;
    made->first = (made->serial << SERIAL_SHIFT) + BUCKETS;
    made->next = *chain;
    *chain = made;
    return made;
}

int wsrt_breaker_slow_room(wsrt_breakers *r, wsrt_breaker *b, const struct settings *s)
{
    size_t stripes = (size_t)b->stripe_mask + 1;

    if (s->config.slow_policy != WSRT_SLOW_RATE || atomic_load(&breaker_ledger(b)->slow) != NULL)
        return WSRT_OK;
    unsigned char *slow = wsrt_mem_zalloc(&r->allocator, stripes * STRIPE_ROOM);
    if (slow == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < stripes; i++)
        wsrt_window_init(slow_stripe(slow, i));
    atomic_store(&breaker_ledger(b)->slow, slow);
    return WSRT_OK;
}

/* ---- live ---- */

/* Runs are followed in the consecutive mode only, so one that the mode finds is of no use to it. */
static void exchange(wsrt_breaker *b, const struct settings *s)
{
    if (breaker_settings(b)->config.mode != s->config.mode)
        wsrt_breaker_forget_run(b);
    atomic_store(&b->settings, s);
}

/* An OPEN breaker waits as it would if it opened now. */
static void restart_wait(wsrt_breaker *b, const struct settings *s, int64_t now)
{
    uint64_t word = atomic_load(&b->word), to;
    int64_t wait = wsrt_breaker_wait(s, atomic_load(&b->growth));
    uint64_t deadline = (uint64_t)deadline_after(breaker_time(s, now), wait);

    do {
        if (word_state(word) != WSRT_BREAKER_OPEN)
            return;
        to = word >> GENERATION_SHIFT << GENERATION_SHIFT | deadline;
    } while (!atomic_compare_exchange_weak(&b->word, &word, to));
}

static void tell(wsrt_breaker *b, const struct settings *s, uint32_t flags, int64_t now)
{
    wsrt_breaker_event event = {.kind = WSRT_BREAKER_EVENT_RECONFIGURED,
                                .time = now,
                                .from = word_state(atomic_load(&b->word))};

    event.to = event.from;
    if ((flags & WSRT_RECONFIGURE_WAIT) != 0)
        restart_wait(b, s, now);
    wsrt_breaker_publish(b, &event, 0);
}

int wsrt_breaker_reconfigure(wsrt_breaker *b, const wsrt_breaker_config *config, uint32_t flags,
                             int64_t now)
{
    int rc = wsrt_breaker_config_check(config, NULL);

    if (b == NULL || (flags & ~(uint32_t)WSRT_RECONFIGURE_WAIT) != 0)
        return WSRT_ERR_INVALID;
    if (rc != WSRT_OK)
        return rc;
    if (config != NULL && config->stripes != 0 && config->stripes != b->stripe_mask + 1)
        return WSRT_ERR_INVALID;
    wsrt_breakers *r = breaker_settings(b)->registry;
    pthread_mutex_lock(&r->lock);
    const struct settings *s = wsrt_breaker_settings_get(
        r, wsrt_breaker_service(b), wsrt_breaker_operation(b), config, breaker_settings(b));
    rc = s == NULL ? WSRT_ERR_NOMEM : wsrt_breaker_slow_room(r, b, s);
    if (rc == WSRT_OK)
        exchange(b, s);
    pthread_mutex_unlock(&r->lock);
    if (rc == WSRT_OK)
        tell(b, s, flags, now);
    return rc;
}

/* A document at work on the breakers that exist. */
struct exchange {
    wsrt_breaker **all;
    const struct settings **settings; /* NULL = stays as it is */
    size_t count;
};

/* Everything that can fail; nothing of it shows. */
static int prepare(wsrt_breakers *r, struct exchange *x)
{
    int rc = wsrt_breakers_hold_locked(r, &x->all, &x->count);

    if (rc != WSRT_OK || x->count == 0)
        return rc;
    x->settings = wsrt_mem_zalloc(&r->allocator, x->count * sizeof(const struct settings *));
    if (x->settings == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < x->count; i++) {
        wsrt_breaker *b = x->all[i];
        const struct settings *before = breaker_settings(b);
        const struct settings *s = wsrt_breaker_settings_get(
            r, wsrt_breaker_service(b), wsrt_breaker_operation(b), &before->given, before);
        if (s == NULL || wsrt_breaker_slow_room(r, b, s) != WSRT_OK)
            return WSRT_ERR_NOMEM;
        x->settings[i] = s == before ? NULL : s;
    }
    return WSRT_OK;
}

static void finish(wsrt_breakers *r, struct exchange *x, uint32_t flags, int64_t now, int rc)
{
    for (size_t i = 0; rc == WSRT_OK && i < x->count; i++)
        if (x->settings[i] != NULL)
            tell(x->all[i], x->settings[i], flags, now);
    if (x->settings != NULL)
        wsrt_mem_free(&r->allocator, (void *)(uintptr_t)x->settings,
                      x->count * sizeof(const struct settings *));
    if (x->all != NULL)
        wsrt_breakers_let_go(r, x->all, x->count);
}

static int apply(wsrt_breakers *r, struct document *d, uint32_t flags, int64_t now)
{
    struct exchange x = {NULL, NULL, 0};
    int rc = WSRT_OK;

    pthread_mutex_lock(&r->lock);
    struct document *before = r->document;
    r->document = d;
    if ((flags & WSRT_RECONFIGURE_EXISTING) != 0)
        rc = prepare(r, &x);
    if (rc != WSRT_OK)
        r->document = before;
    for (size_t i = 0; rc == WSRT_OK && i < x.count; i++)
        if (x.settings[i] != NULL)
            exchange(x.all[i], x.settings[i]);
    pthread_mutex_unlock(&r->lock);
    finish(r, &x, flags, now, rc);
    wsrt_breaker_document_free(rc == WSRT_OK ? before : d, &r->allocator);
    return rc;
}

int wsrt_breakers_configure(wsrt_breakers *r, wsrt_span document, uint32_t flags, int64_t now,
                            wsrt_breakers_error *why)
{
    struct document *d;

    if (r == NULL || (document.ptr == NULL && document.len > 0) ||
        (flags & ~(uint32_t)(WSRT_RECONFIGURE_EXISTING | WSRT_RECONFIGURE_WAIT)) != 0)
        return WSRT_ERR_INVALID;
    int rc = wsrt_breaker_document_parse(&d, &r->allocator, document, why);
    return rc == WSRT_OK ? apply(r, d, flags, now) : rc;
}
