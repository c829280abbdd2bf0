/* One breaker a key, found by its two names; the idle ones in order, for those that must go. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/options.h"

#include <string.h>

enum { DEFAULT_CAP = 10000, FIRST_CHAINS = 64, KEY_MOST = 255, UNIT = 8, LOOKS = 16 };

_Static_assert(sizeof(struct window) <= STRIPE_ROOM, "stripes lie side by side");

static int make(wsrt_breakers *r, uint32_t event_capacity)
{
    r->chains = wsrt_mem_zalloc(&r->allocator, r->chain_count * sizeof *r->chains);
    if (r->chains == NULL)
        return WSRT_ERR_NOMEM;
    if (pthread_mutex_init(&r->lock, NULL) == 0) {
        if (wsrt_breaker_events_init(r, event_capacity) == WSRT_OK)
            return WSRT_OK;
        pthread_mutex_destroy(&r->lock);
    }
    wsrt_mem_free(&r->allocator, r->chains, r->chain_count * sizeof *r->chains);
    return WSRT_ERR_NOMEM;
}

int wsrt_breakers_new(wsrt_breakers **out, const wsrt_breakers_options *opts)
{
    wsrt_breakers_options o;
    wsrt_allocator allocator;
    wsrt_env env;
    int rc;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if ((rc = wsrt_options_load(&o, sizeof o, sizeof(wsrt_breakers_options), opts)) != WSRT_OK ||
        (rc = wsrt_allocator_load(&allocator, &o.allocator)) != WSRT_OK ||
        (rc = wsrt_env_load(&env, o.env)) != WSRT_OK)
        return rc;
    if (o.flags != 0 || o.reserved != 0)
        return WSRT_ERR_UNSUPPORTED;
    wsrt_breakers *r = wsrt_mem_zalloc(&allocator, sizeof *r);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->allocator = allocator;
    r->env = env;
    r->base = o.now;
    r->cap = o.max_breakers != 0 ? o.max_breakers : DEFAULT_CAP;
    r->credit = r->cap;
    r->chain_count = FIRST_CHAINS;
    if ((rc = wsrt_fleet_init(r, &o)) != WSRT_OK || (rc = make(r, o.event_capacity)) != WSRT_OK) {
        wsrt_mem_free(&allocator, r, sizeof *r);
        return rc;
    }
    *out = r;
    return WSRT_OK;
}

/* ---- one breaker's memory: itself, its stripes, its key ---- */

static size_t stripes_end(const wsrt_breaker *b)
{
    size_t room =
        b->stripe_mask == 0 ? sizeof(struct window) : (size_t)(b->stripe_mask + 1) * STRIPE_ROOM;

    return (size_t)b->stripes_at * UNIT + room;
}

static const char *key_of(const wsrt_breaker *b)
{
    return (const char *)b + stripes_end(b);
}

/* Several stripes lie on lines of their own, wherever the allocator put the breaker: it aligns to 16
 * bytes, or to 8. */
static size_t size_of(size_t stripes, size_t key_len)
{
    return stripes == 1 ? sizeof(wsrt_breaker) + sizeof(struct window) + key_len
                        : sizeof(wsrt_breaker) + (stripes + 1) * STRIPE_ROOM - UNIT + key_len;
}

static size_t size_of_breaker(const wsrt_breaker *b)
{
    return size_of((size_t)b->stripe_mask + 1, (size_t)b->service_len + b->operation_len);
}

wsrt_span wsrt_breaker_service(const wsrt_breaker *b)
{
    return b == NULL ? (wsrt_span){NULL, 0} : (wsrt_span){key_of(b), b->service_len};
}

wsrt_span wsrt_breaker_operation(const wsrt_breaker *b)
{
    return b == NULL ? (wsrt_span){NULL, 0}
                     : (wsrt_span){key_of(b) + b->service_len, b->operation_len};
}

/* What the shared state takes, before the breaker. */
static size_t room_before(const wsrt_breakers *r)
{
    return r->fleet.ops.load != NULL ? sizeof(struct shared) : 0;
}

void wsrt_breaker_destroy(wsrt_breakers *r, wsrt_breaker *b)
{
    wsrt_mem_free(&r->allocator, atomic_load(&b->slow), ((size_t)b->stripe_mask + 1) * STRIPE_ROOM);
    wsrt_mem_free(&r->allocator, (char *)b - room_before(r), size_of_breaker(b) + room_before(r));
}

static void free_settings(wsrt_breakers *r)
{
    for (size_t i = 0; i < SETTINGS_CHAINS; i++) {
        while (r->settings[i] != NULL) {
            struct settings *s = r->settings[i];
            r->settings[i] = s->next;
            wsrt_mem_free(&r->allocator, s, sizeof *s);
        }
    }
}

void wsrt_breakers_free(wsrt_breakers *r)
{
    if (r == NULL)
        return;
    wsrt_breaker_events_free(r);
    for (size_t i = 0; i < r->chain_count; i++) {
        while (r->chains[i] != NULL) {
            wsrt_breaker *b = r->chains[i];
            r->chains[i] = b->next;
            wsrt_breaker_destroy(r, b);
        }
    }
    free_settings(r);
    wsrt_breaker_document_free(r->document, &r->allocator);
    pthread_mutex_destroy(&r->lock);
    wsrt_mem_free(&r->allocator, r->chains, r->chain_count * sizeof *r->chains);
    wsrt_allocator allocator = r->allocator;
    wsrt_mem_free(&allocator, r, sizeof *r);
}

/* ---- the order of idleness: breakers that nobody holds, and lately held ones ---- */

static void unlink_idle(wsrt_breakers *r, wsrt_breaker *b)
{
    *(b->newer != NULL ? &b->newer->older : &r->newest) = b->older;
    *(b->older != NULL ? &b->older->newer : &r->oldest) = b->newer;
    b->newer = b->older = NULL;
}

static void link_newest(wsrt_breakers *r, wsrt_breaker *b)
{
    b->older = r->newest;
    b->newer = NULL;
    *(r->newest != NULL ? &r->newest->newer : &r->oldest) = b;
    r->newest = b;
}

/* references: two for each holder, and the parked bit: out of the order while held. */
enum { PARKED = 1, HOLDER = 2 };

static void hold(wsrt_breakers *r, wsrt_breaker *b)
{
    uint32_t before = atomic_fetch_add(&b->references, HOLDER);

    if (r->newest != b && (before & PARKED) == 0) {
        unlink_idle(r, b);
        link_newest(r, b);
    }
}

/* A held breaker met at the old end leaves the order; 0 when nobody holds it. */
static int park(wsrt_breakers *r, wsrt_breaker *b)
{
    uint32_t held = atomic_load(&b->references);

    do {
        if (held == 0)
            return 0;
    } while (!atomic_compare_exchange_weak(&b->references, &held, held | PARKED));
    unlink_idle(r, b);
    return 1;
}

/* Whoever gives a parked one back last puts it in again. Without the lock the breaker may be gone as
 * soon as its last reference is, so nothing is read of it after that. */
void wsrt_breaker_release_ref(wsrt_breaker *b)
{
    if (b == NULL)
        return;
    wsrt_breakers *r = breaker_settings(b)->registry;
    uint32_t held = atomic_load(&b->references);
    while ((held & PARKED) == 0)
        if (atomic_compare_exchange_weak(&b->references, &held, held - HOLDER))
            return;
    pthread_mutex_lock(&r->lock);
    if (atomic_fetch_sub(&b->references, HOLDER) == (HOLDER | PARKED)) {
        atomic_store(&b->references, 0);
        link_newest(r, b);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- the table ---- */

static size_t chain_of(const wsrt_breakers *r, wsrt_span service, wsrt_span operation)
{
    uint64_t hash =
        wsrt_hash(wsrt_hash(service.len, service.ptr, service.len), operation.ptr, operation.len);

    return (size_t)hash & (r->chain_count - 1);
}

static int has_key(const wsrt_breaker *b, wsrt_span service, wsrt_span operation)
{
    const char *key = key_of(b);

    return b->service_len == service.len && b->operation_len == operation.len &&
           memcmp(key, service.ptr, service.len) == 0 &&
           memcmp(key + service.len, operation.ptr, operation.len) == 0;
}

static wsrt_breaker *find(const wsrt_breakers *r, wsrt_span service, wsrt_span operation)
{
    wsrt_breaker *b = r->chains[chain_of(r, service, operation)];

    while (b != NULL && !has_key(b, service, operation))
        b = b->next;
    return b;
}

static void link_key(wsrt_breakers *r, wsrt_breaker *b)
{
    size_t i = chain_of(r, wsrt_breaker_service(b), wsrt_breaker_operation(b));

    b->next = r->chains[i];
    r->chains[i] = b;
}

static void unlink_key(wsrt_breakers *r, wsrt_breaker *b)
{
    size_t i = chain_of(r, wsrt_breaker_service(b), wsrt_breaker_operation(b));
    wsrt_breaker **at = &r->chains[i];

    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
}

/* Without memory for more chains the old ones grow longer: slower, not wrong. */
static void rehash(wsrt_breakers *r)
{
    size_t old_count = r->chain_count;
    wsrt_breaker **old = r->chains;
    wsrt_breaker **chains = wsrt_mem_zalloc(&r->allocator, 2 * old_count * sizeof *chains);

    if (chains == NULL)
        return;
    r->chains = chains;
    r->chain_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            wsrt_breaker *b = old[i];
            old[i] = b->next;
            link_key(r, b);
        }
    }
    wsrt_mem_free(&r->allocator, old, old_count * sizeof *old);
}

/* ---- eviction ---- */

static int can_go(const wsrt_breaker *b, int64_t now)
{
    const struct settings *s = breaker_settings(b);
    uint64_t word = atomic_load(&b->word);
    struct counts c = wsrt_window_sum(b, s, breaker_time(s, now), word_generation(word));

    return word_state(word) == WSRT_BREAKER_CLOSED && c.failures + c.successes == 0;
}

/* Makes room for one. Each newcomer pays for a few looks at the old end of the order, and what was
 * not spent is kept, so a look at all is never paid by one call after another. */
static int make_room(wsrt_breakers *r)
{
    int64_t now = r->env.now(r->env.user);
    wsrt_breaker *b, *first_kept = NULL;

    r->credit = r->credit + LOOKS < r->cap + LOOKS ? r->credit + LOOKS : r->cap + LOOKS;
    while ((b = r->oldest) != NULL && b != first_kept && r->credit-- > 0) {
        if (park(r, b))
            continue;
        if (can_go(b, now)) {
            unlink_idle(r, b);
            unlink_key(r, b);
            r->count--;
            wsrt_breaker_evict(r, b);
            return 1;
        }
        unlink_idle(r, b);
        link_newest(r, b);
        first_kept = first_kept == NULL ? b : first_kept;
    }
    return 0;
}

/* ---- creation ---- */

static void init(wsrt_breaker *b, size_t stripes, const struct settings *s)
{
    uintptr_t at = (uintptr_t)b + sizeof *b;

    if (stripes > 1)
        at = (at + STRIPE_ROOM - 1) / STRIPE_ROOM * STRIPE_ROOM;
    b->stripes_at = (uint8_t)((at - (uintptr_t)b) / UNIT);
    b->stripe_mask = (uint8_t)(stripes - 1);
    atomic_init(&b->settings, s);
    atomic_init(&b->transitions, PERMIT_VALID);
    atomic_init(&b->rejected, REJECTED_ZERO);
    for (size_t i = 0; i < stripes; i++)
        wsrt_window_init(breaker_stripe(b, i));
}

static wsrt_breaker *new_breaker(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                                 const struct settings *s)
{
    size_t stripes = (size_t)s->config.stripes;
    size_t size = room_before(r) + size_of(stripes, service.len + operation.len);
    char *block = wsrt_mem_zalloc(&r->allocator, size);

    if (block == NULL)
        return NULL;
    wsrt_breaker *b = (wsrt_breaker *)(void *)(block + room_before(r));
    init(b, stripes, s);
    if (settings_share(s))
        atomic_init(&b->word, (uint64_t)STATE_UNSEEN << STATE_SHIFT);
    b->service_len = (uint8_t)service.len;
    b->operation_len = (uint8_t)operation.len;
    char *key = (char *)b + stripes_end(b);
    memcpy(key, service.ptr, service.len);
    memcpy(key + service.len, operation.ptr, operation.len);
    if (wsrt_breaker_slow_room(r, b, s) == WSRT_OK)
        return b;
    wsrt_breaker_destroy(r, b);
    return NULL;
}

static int create(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                  const wsrt_breaker_config *given, wsrt_breaker **out)
{
    if (r->count >= r->cap && !make_room(r))
        return WSRT_ERR_LIMIT;
    const struct settings *s = wsrt_breaker_settings_get(r, service, operation, given, NULL);
    wsrt_breaker *b = s == NULL ? NULL : new_breaker(r, service, operation, s);
    if (b == NULL)
        return WSRT_ERR_NOMEM;
    if (r->count >= r->chain_count)
        rehash(r);
    link_key(r, b);
    link_newest(r, b);
    r->count++;
    *out = b;
    return WSRT_OK;
}

static int is_key(wsrt_span text)
{
    return text.ptr != NULL && text.len > 0 && text.len <= KEY_MOST;
}

static int is_other(const wsrt_breakers *r, const wsrt_breaker *b, const wsrt_breaker_config *given)
{
    struct settings wanted;

    wsrt_breaker_settings_fill(&wanted, r->document, wsrt_breaker_service(b),
                               wsrt_breaker_operation(b), given);
    return memcmp(&wanted.config, &breaker_settings(b)->config, sizeof wanted.config) != 0;
}

static void tell_mismatch(wsrt_breakers *r, wsrt_breaker *b)
{
    wsrt_breaker_event event = {.kind = WSRT_BREAKER_EVENT_CONFIG_DIFFERS,
                                .time = r->env.now(r->env.user)};

    if (atomic_fetch_add(&b->config_mismatch, 1) == 0)
        wsrt_breaker_publish(b, &event, 0);
}

int wsrt_breakers_get(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                      const wsrt_breaker_config *config, wsrt_breaker **out, int *differs)
{
    int rc = WSRT_OK, other = 0;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || !is_key(service) || !is_key(operation))
        return WSRT_ERR_INVALID;
    if (config != NULL && (rc = wsrt_breaker_config_check(config, NULL)) != WSRT_OK)
        return rc;
    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, service, operation);
    if (b == NULL)
        rc = create(r, service, operation, config, &b);
    else if (config != NULL)
        other = is_other(r, b, config);
    if (rc == WSRT_OK)
        hold(r, b);
    pthread_mutex_unlock(&r->lock);
    if (other)
        tell_mismatch(r, b);
    if (differs != NULL)
        *differs = other;
    *out = b;
    return rc;
}

int wsrt_breakers_find(wsrt_breakers *r, wsrt_span service, wsrt_span operation, wsrt_breaker **out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || !is_key(service) || !is_key(operation))
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, service, operation);
    if (b != NULL)
        hold(r, b);
    pthread_mutex_unlock(&r->lock);
    *out = b;
    return b == NULL ? WSRT_ERR_NOT_FOUND : WSRT_OK;
}

/* ---- all of them ---- */

int wsrt_breakers_hold_all(wsrt_breakers *r, wsrt_breaker ***out, size_t *count)
{
    wsrt_breaker **all = wsrt_mem_alloc(&r->allocator, r->count * sizeof(wsrt_breaker *));
    size_t n = 0;

    *count = r->count;
    if (all == NULL && r->count > 0)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < r->chain_count; i++) {
        for (wsrt_breaker *b = r->chains[i]; b != NULL; b = b->next) {
            atomic_fetch_add(&b->references, HOLDER);
            all[n++] = b;
        }
    }
    *out = all;
    return WSRT_OK;
}

void wsrt_breakers_let_go(wsrt_breakers *r, wsrt_breaker **all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wsrt_breaker_release_ref(all[i]);
    wsrt_mem_free(&r->allocator, all, count * sizeof(wsrt_breaker *));
}

int wsrt_breakers_foreach(wsrt_breakers *r, int (*fn)(wsrt_breaker *b, void *user), void *user)
{
    wsrt_breaker **all;
    size_t count;

    if (r == NULL || fn == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&r->lock);
    int rc = wsrt_breakers_hold_all(r, &all, &count);
    pthread_mutex_unlock(&r->lock);
    if (rc != WSRT_OK)
        return rc;
    for (size_t i = 0; i < count && rc == WSRT_OK; i++)
        rc = fn(all[i], user);
    wsrt_breakers_let_go(r, all, count);
    return rc;
}
