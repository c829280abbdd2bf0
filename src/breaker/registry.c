/* One breaker a key, found by its two names; the idle ones in order, for those that must go. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/options.h"

#include <string.h>

enum { DEFAULT_CAP = 10000, FIRST_PLACES = 64, KEY_MOST = 255, UNIT = 8, LOOKS = 16 };

_Static_assert(sizeof(struct window) <= STRIPE_ROOM, "stripes lie side by side");

static void free_tables(wsrt_breakers *r)
{
    wsrt_mem_free(&r->allocator, r->places, r->place_count * sizeof *r->places);
    wsrt_mem_free(&r->allocator, r->idle, r->place_count / 2 * sizeof *r->idle);
}

static int make(wsrt_breakers *r, uint32_t event_capacity)
{
    r->place_count = FIRST_PLACES;
    r->places = wsrt_mem_zalloc(&r->allocator, r->place_count * sizeof *r->places);
    r->idle = wsrt_mem_alloc(&r->allocator, r->place_count / 2 * sizeof *r->idle);
    if (r->places != NULL && r->idle != NULL && pthread_mutex_init(&r->lock, NULL) == 0) {
        if (wsrt_breaker_events_init(r, event_capacity) == WSRT_OK)
            return WSRT_OK;
        pthread_mutex_destroy(&r->lock);
    }
    free_tables(r);
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
    for (size_t i = 0; i < r->place_count; i++)
        if (r->places[i].b != NULL)
            wsrt_breaker_destroy(r, r->places[i].b);
    free_settings(r);
    wsrt_breaker_document_free(r->document, &r->allocator);
    pthread_mutex_destroy(&r->lock);
    free_tables(r);
    wsrt_allocator allocator = r->allocator;
    wsrt_mem_free(&allocator, r, sizeof *r);
}

/* ---- the order of idleness: breakers that nobody holds, and lately held ones ---- */

/* A breaker that is asked for only takes a new number, which is all that a look-up pays. Its entry keeps
 * the old one, never a later one, until it is the first: then it sinks to where it belongs. */
static void sink(wsrt_breakers *r, size_t at, struct idle e)
{
    for (size_t child; (child = 2 * at + 1) < r->idle_count; at = child) {
        if (child + 1 < r->idle_count && r->idle[child + 1].used < r->idle[child].used)
            child++;
        if (e.used <= r->idle[child].used)
            break;
        r->idle[at] = r->idle[child];
    }
    r->idle[at] = e;
}

static void leave_first(wsrt_breakers *r)
{
    struct idle last = r->idle[--r->idle_count];

    if (r->idle_count > 0)
        sink(r, 0, last);
}

/* The newest number of all belongs at the end. */
static void enter_newest(wsrt_breakers *r, wsrt_breaker *b)
{
    b->used = ++r->uses;
    r->idle[r->idle_count++] = (struct idle){b->used, b};
}

/* references: two for each holder, and the parked bit: out of the order while held. */
enum { PARKED = 1, HOLDER = 2 };

static void hold(wsrt_breakers *r, wsrt_breaker *b)
{
    atomic_fetch_add(&b->references, HOLDER);
    b->used = ++r->uses;
}

/* A held breaker that comes first leaves the order; 0 when nobody holds it. */
static int park(wsrt_breakers *r, wsrt_breaker *b)
{
    uint32_t held = atomic_load(&b->references);

    do {
        if (held == 0)
            return 0;
    } while (!atomic_compare_exchange_weak(&b->references, &held, held | PARKED));
    leave_first(r);
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
        enter_newest(r, b);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- the table ---- */

static uint64_t hash_of(wsrt_span service, wsrt_span operation)
{
    return wsrt_hash(wsrt_hash(service.len, service.ptr, service.len), operation.ptr,
                     operation.len);
}

static int has_key(const wsrt_breaker *b, wsrt_span service, wsrt_span operation)
{
    const char *key = key_of(b);

    return b->service_len == service.len && b->operation_len == operation.len &&
           memcmp(key, service.ptr, service.len) == 0 &&
           memcmp(key + service.len, operation.ptr, operation.len) == 0;
}

static wsrt_breaker *find(const wsrt_breakers *r, uint64_t hash, wsrt_span service,
                          wsrt_span operation)
{
    size_t mask = r->place_count - 1;

    for (size_t i = (size_t)hash & mask; r->places[i].b != NULL; i = (i + 1) & mask) {
        wsrt_breaker *b = r->places[i].b;
        if (r->places[i].hash != hash)
            continue;
        /* where the key of one with a single stripe is: both lines come at once */
        __builtin_prefetch((const char *)b + sizeof *b + sizeof(struct window));
        if (has_key(b, service, operation))
            return b;
    }
    return NULL;
}

static void put(struct place *places, size_t count, struct place p)
{
    size_t i = (size_t)p.hash & (count - 1);

    while (places[i].b != NULL)
        i = (i + 1) & (count - 1);
    places[i] = p;
}

/* Those behind it that it stood in the way of move up, so that no search ends too early. */
static void take_out(wsrt_breakers *r, const wsrt_breaker *b)
{
    size_t mask = r->place_count - 1;
    size_t hole = (size_t)hash_of(wsrt_breaker_service(b), wsrt_breaker_operation(b)) & mask;

    while (r->places[hole].b != b)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; r->places[i].b != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)r->places[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        r->places[hole] = r->places[i];
        hole = i;
    }
    r->places[hole].b = NULL;
}

/* Room for one more breaker, in both tables. */
static int grow(wsrt_breakers *r)
{
    size_t count = 2 * r->place_count;

    if (r->count < r->place_count / 2)
        return WSRT_OK;
    struct place *places = wsrt_mem_zalloc(&r->allocator, count * sizeof *places);
    struct idle *idle = wsrt_mem_alloc(&r->allocator, count / 2 * sizeof *idle);
    if (places == NULL || idle == NULL) {
        wsrt_mem_free(&r->allocator, places, count * sizeof *places);
        wsrt_mem_free(&r->allocator, idle, count / 2 * sizeof *idle);
        return WSRT_ERR_NOMEM;
    }
    for (size_t i = 0; i < r->place_count; i++)
        if (r->places[i].b != NULL)
            put(places, count, r->places[i]);
    memcpy(idle, r->idle, r->idle_count * sizeof *idle);
    free_tables(r);
    r->places = places;
    r->idle = idle;
    r->place_count = count;
    return WSRT_OK;
}

/* ---- eviction ---- */

static int can_go(const wsrt_breaker *b, int64_t now)
{
    const struct settings *s = breaker_settings(b);
    uint64_t word = atomic_load(&b->word);
    struct counts c = wsrt_window_sum(b, s, breaker_time(s, now), word_generation(word));

    return word_state(word) == WSRT_BREAKER_CLOSED && c.failures + c.successes == 0;
}

static void remove_first(wsrt_breakers *r)
{
    wsrt_breaker *b = r->idle[0].b;

    leave_first(r);
    take_out(r, b);
    r->count--;
    wsrt_breaker_evict(r, b);
}

/* Makes room for one. Each newcomer pays for a few looks at breakers that may have to stay, and what was
 * not spent is kept, so a look at all is never paid by one call after another. */
static int make_room(wsrt_breakers *r)
{
    int64_t now = r->env.now(r->env.user);
    uint64_t start = r->uses;

    r->credit = r->credit + LOOKS < r->cap + LOOKS ? r->credit + LOOKS : r->cap + LOOKS;
    while (r->idle_count > 0 && r->idle[0].used <= start && r->credit > 0) {
        wsrt_breaker *b = r->idle[0].b;
        if (b->used != r->idle[0].used) {
            sink(r, 0, (struct idle){b->used, b});
            continue;
        }
        r->credit--;
        if (park(r, b))
            continue;
        if (can_go(b, now)) {
            remove_first(r);
            return 1;
        }
        b->used = ++r->uses;
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
    if (grow(r) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    const struct settings *s = wsrt_breaker_settings_get(r, service, operation, given, NULL);
    wsrt_breaker *b = s == NULL ? NULL : new_breaker(r, service, operation, s);
    if (b == NULL)
        return WSRT_ERR_NOMEM;
    put(r->places, r->place_count, (struct place){hash_of(service, operation), b});
    enter_newest(r, b);
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
    uint64_t hash = hash_of(service, operation);
    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, hash, service, operation);
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
    uint64_t hash = hash_of(service, operation);
    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, hash, service, operation);
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
    for (size_t i = 0; i < r->place_count; i++) {
        wsrt_breaker *b = r->places[i].b;
        if (b == NULL)
            continue;
        atomic_fetch_add(&b->references, HOLDER);
        all[n++] = b;
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
