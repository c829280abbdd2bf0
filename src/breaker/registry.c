/* One breaker a key, found by its two names; the idle ones in order, for those that must go.
 *
 * Whoever looks for a key that is there takes no lock: a breaker's block stays one, so its references may
 * be counted up before it is known whose it is now, unless that is nobody's. */
#include "breaker/breaker_internal.h"
#include "breaker/names.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/options.h"

#include <stddef.h>

#include <string.h>

enum { DEFAULT_CAP = 10000, FIRST_PLACES = 64, LOOKS = 16 };
enum { PLACES_MOST = 1 << 28 }; /* a place has room for 2^31 numbers */

_Static_assert(sizeof(struct window) <= STRIPE_ROOM, "stripes lie side by side");

static size_t size_of_table(size_t places)
{
    return sizeof(struct table) + places * sizeof(uint64_t) + places / 2 * sizeof(wsrt_breaker *);
}

static struct table *new_table(const wsrt_breakers *r, size_t places)
{
    struct table *t = wsrt_mem_zalloc(&r->allocator, size_of_table(places));

    if (t != NULL) {
        t->mask = places - 1;
        t->number_mask = (uint32_t)(places / 2 * BATCH - 1);
        t->places = (_Atomic uint64_t *)(void *)(t->batches + places / 2);
    }
    return t;
}

static struct table *table_of(const wsrt_breakers *r)
{
    return atomic_load_explicit(&r->table, memory_order_acquire);
}

static inline uint64_t place_at(const struct table *t, size_t i)
{
    return atomic_load_explicit(&t->places[i], memory_order_acquire);
}

static inline wsrt_breaker *breaker_in(const struct table *t, uint64_t place)
{
    uint32_t number = (uint32_t)place & t->number_mask;

    return t->batches[number / BATCH] + number % BATCH;
}

/* NULL = the place is free. */
static wsrt_breaker *breaker_at(const struct table *t, size_t i)
{
    uint64_t place = place_at(t, i);

    return place == 0 ? NULL : breaker_in(t, place);
}

static void free_idle(const wsrt_breakers *r, const struct table *t)
{
    wsrt_mem_free(&r->allocator, r->idle, (t->mask + 1) / 2 * sizeof *r->idle);
}

static void free_tables(const wsrt_breakers *r)
{
    for (struct table *t = table_of(r), *outgrown; t != NULL; t = outgrown) {
        outgrown = t->outgrown;
        wsrt_mem_free(&r->allocator, t, size_of_table(t->mask + 1));
    }
}

static int make(wsrt_breakers *r, uint32_t event_capacity)
{
    struct table *t = new_table(r, FIRST_PLACES);

    atomic_init(&r->table, t);
    r->idle = wsrt_mem_alloc(&r->allocator, FIRST_PLACES / 2 * sizeof *r->idle);
    if (t != NULL && r->idle != NULL && pthread_mutex_init(&r->lock, NULL) == 0) {
        if (wsrt_breaker_events_init(r, event_capacity) == WSRT_OK)
            return WSRT_OK;
        pthread_mutex_destroy(&r->lock);
    }
    wsrt_mem_free(&r->allocator, r->idle, FIRST_PLACES / 2 * sizeof *r->idle);
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

/* ---- one breaker's memory, and its key ---- */

static inline char *key_of(const wsrt_breaker *b)
{
    return atomic_load_explicit(&b->key, memory_order_relaxed);
}

static size_t key_part(const wsrt_breaker *b, int part)
{
    return (unsigned char)key_of(b)[part];
}

static size_t size_of_key(const wsrt_breaker *b)
{
    return KEY_HEAD + key_part(b, 0) + key_part(b, 1);
}

wsrt_span wsrt_breaker_service(const wsrt_breaker *b)
{
    return b == NULL ? (wsrt_span){NULL, 0} : (wsrt_span){key_of(b) + KEY_HEAD, key_part(b, 0)};
}

wsrt_span wsrt_breaker_operation(const wsrt_breaker *b)
{
    return b == NULL ? (wsrt_span){NULL, 0}
                     : (wsrt_span){key_of(b) + KEY_HEAD + key_part(b, 0), key_part(b, 1)};
}

static wsrt_breaker **gone_like(wsrt_breakers *r, size_t stripes)
{
    return &r->gone[stripes <= 2 ? stripes - 1 : stripes / 4 + 1];
}

void wsrt_breaker_destroy(wsrt_breakers *r, wsrt_breaker *b)
{
    size_t stripes = (size_t)b->stripe_mask + 1;
    wsrt_breaker **gone = gone_like(r, stripes);

    wsrt_mem_free(&r->allocator, atomic_load(&breaker_ledger(b)->slow), stripes * STRIPE_ROOM);
    if (key_of(b) != NULL)
        wsrt_mem_free(&r->allocator, key_of(b), size_of_key(b));
    breaker_ledger(b)->next = *gone;
    *gone = b;
}

static void free_blocks(const wsrt_breakers *r)
{
    for (struct block *block = r->blocks, *next; block != NULL; block = next) {
        next = block->next;
        wsrt_mem_free(&r->allocator, (char *)block - block->before, block->size);
    }
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
    const struct table *t = table_of(r);
    wsrt_breaker_events_free(r);
    for (size_t i = 0; i <= t->mask; i++)
        if (breaker_at(t, i) != NULL)
            wsrt_breaker_destroy(r, breaker_at(t, i));
    free_blocks(r);
    free_settings(r);
    wsrt_breaker_document_free(r->document, &r->allocator);
    pthread_mutex_destroy(&r->lock);
    free_idle(r, t);
    free_tables(r);
    wsrt_allocator allocator = r->allocator;
    wsrt_mem_free(&allocator, r, sizeof *r);
}

/* ---- the order of idleness: breakers that nobody holds, and lately held ones ---- */

/* Two threads may take the same number, or one of them a number that has been: then they came at the same
 * time. */
static inline void note_use(wsrt_breakers *r, wsrt_breaker *b)
{
    uint64_t use = atomic_load_explicit(&r->uses, memory_order_relaxed) + 1;

    atomic_store_explicit(&r->uses, use, memory_order_relaxed);
    atomic_store_explicit(&b->used, use, memory_order_relaxed);
}

static uint64_t used(const wsrt_breaker *b)
{
    return atomic_load_explicit(&b->used, memory_order_relaxed);
}

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
    note_use(r, b);
    r->idle[r->idle_count++] = (struct idle){used(b), b};
}

/* references: two for each holder, and the parked bit: out of the order while held. Or nobody may hold
 * it any more: it has gone. */
enum { PARKED = 1, HOLDER = 2 };
static const uint32_t gone_for_good = (uint32_t)1 << 31;

/* Takes a reference to whatever breaker this is now; 0 = to none. */
static inline int hold(wsrt_breakers *r, wsrt_breaker *b)
{
    uint32_t held = atomic_fetch_add(&b->references, HOLDER);

    if (held < HOLDER) /* one that is held cannot go */
        note_use(r, b);
    if ((held & gone_for_good) == 0)
        return 1;
    wsrt_breaker_release_ref(b);
    return 0;
}

/* 0 = somebody holds it. */
static int close_door(wsrt_breaker *b)
{
    uint32_t nobody = 0;

    return atomic_compare_exchange_strong(&b->references, &nobody, gone_for_good);
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

/* Whoever gives a parked one back last puts it in again. */
static __attribute__((noinline)) void release_parked(wsrt_breaker *b)
{
    wsrt_breakers *r = breaker_settings(b)->registry;
    uint32_t parked = PARKED;

    pthread_mutex_lock(&r->lock);
    if (atomic_compare_exchange_strong(&b->references, &parked, 0))
        enter_newest(r, b);
    pthread_mutex_unlock(&r->lock);
}

/* Without the lock the breaker may be gone as soon as its last reference is, so nothing is read of it
 * after that. */
void wsrt_breaker_release_ref(wsrt_breaker *b)
{
    if (b == NULL)
        return;
    if (atomic_fetch_sub(&b->references, HOLDER) == (HOLDER | PARKED))
        release_parked(b);
}

/* ---- the table ---- */

static INLINE int may_be(const struct table *t, uint64_t place, uint32_t hash)
{
    return ((uint32_t)place ^ hash) <= t->number_mask;
}

static wsrt_breaker *find(const wsrt_breakers *r, const struct wanted *w)
{
    const struct table *t = table_of(r);
    uint64_t place;

    for (size_t i = w->hash & t->mask; (place = place_at(t, i)) != 0; i = (i + 1) & t->mask)
        if (may_be(t, place, w->hash) && is_wanted(key_of(breaker_in(t, place)), w))
            return breaker_in(t, place);
    return NULL;
}

/* Without the lock, and held; NULL = it is not there, or just coming, going or changing its place. */
static INLINE wsrt_breaker *find_held(wsrt_breakers *r, wsrt_span service, wsrt_span operation)
{
    const struct wanted w = want(service, operation);
    const struct table *t = table_of(r);
    uint64_t place = 0;
    size_t i = w.hash & t->mask;

    for (size_t n = 0; n <= t->mask; n++, i = (i + 1) & t->mask)
        if ((place = place_at(t, i)) == 0 || may_be(t, place, w.hash))
            break;
    if (place == 0)
        return NULL;
    wsrt_breaker *b = breaker_in(t, place);
    const char *key = (const char *)b + (int32_t)(place >> 32); /* it may lie on two lines */
    __builtin_prefetch(key);
    __builtin_prefetch(key + KEY_HEAD - 1 + service.len + operation.len);
    if (!hold(r, b))
        return NULL;
    if (is_wanted(key_of(b), &w))
        return b;
    wsrt_breaker_release_ref(b);
    return NULL;
}

static uint32_t key_hash(const wsrt_breaker *b)
{
    return want(wsrt_breaker_service(b), wsrt_breaker_operation(b)).hash;
}

static uint32_t number_of(const wsrt_breaker *b)
{
    const void *behind = b->stripe_mask == 0
                             ? (const void *)breaker_earlier(b - b->index + BATCH - 1)
                             : (const void *)breaker_ledger(b);

    return ((const struct block *)behind - 1)->number * BATCH + b->index;
}

static void put(struct table *t, uint32_t hash, const wsrt_breaker *b)
{
    uint64_t behind = (uint64_t)(uintptr_t)key_of(b) - (uint64_t)(uintptr_t)b;
    size_t i = hash & t->mask;

    while (place_at(t, i) != 0)
        i = (i + 1) & t->mask;
    atomic_store_explicit(&t->places[i], behind << 32 | (hash & ~t->number_mask) | number_of(b),
                          memory_order_release);
}

/* Those behind it that it stood in the way of move up, so that no search ends too early. */
static void take_out(wsrt_breakers *r, const wsrt_breaker *b)
{
    struct table *t = table_of(r);
    size_t hole = key_hash(b) & t->mask;
    uint64_t place;

    while (breaker_at(t, hole) != b)
        hole = (hole + 1) & t->mask;
    for (size_t i = (hole + 1) & t->mask; (place = place_at(t, i)) != 0; i = (i + 1) & t->mask) {
        size_t home = key_hash(breaker_in(t, place)) & t->mask;
        if (((i - home) & t->mask) < ((i - hole) & t->mask))
            continue;
        atomic_store_explicit(&t->places[hole], place, memory_order_release);
        hole = i;
    }
    atomic_store_explicit(&t->places[hole], 0, memory_order_release);
}

static void put_all(struct table *t, const struct table *old)
{
    const wsrt_breaker *b;

    memcpy(t->batches, old->batches, (old->mask + 1) / 2 * sizeof(wsrt_breaker *));
    for (size_t i = 0; i <= old->mask; i++)
        if ((b = breaker_at(old, i)) != NULL)
            put(t, key_hash(b), b);
}

/* Room for one more breaker, in the table and among the idle, and for one more block. */
static int grow(wsrt_breakers *r)
{
    struct table *old = table_of(r);
    size_t half = (old->mask + 1) / 2, count = 4 * half;

    if (r->count < half && r->block_count + 1 < half)
        return WSRT_OK;
    struct table *t = count > PLACES_MOST ? NULL : new_table(r, count);
    struct idle *idle = wsrt_mem_alloc(&r->allocator, count / 2 * sizeof *idle);
    if (t == NULL || idle == NULL) {
        wsrt_mem_free(&r->allocator, t, size_of_table(count));
        wsrt_mem_free(&r->allocator, idle, count / 2 * sizeof *idle);
        return WSRT_ERR_NOMEM;
    }
    put_all(t, old);
    memcpy(idle, r->idle, r->idle_count * sizeof *idle);
    free_idle(r, old);
    r->idle = idle;
    t->outgrown = old;
    atomic_store_explicit(&r->table, t, memory_order_release);
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
    uint64_t start = atomic_load_explicit(&r->uses, memory_order_relaxed);

    r->credit = r->credit + LOOKS < r->cap + LOOKS ? r->credit + LOOKS : r->cap + LOOKS;
    while (r->idle_count > 0 && r->idle[0].used <= start && r->credit > 0) {
        wsrt_breaker *b = r->idle[0].b;
        uint64_t last = used(b);
        if (last != r->idle[0].used) {
            sink(r, 0, (struct idle){last, b});
            continue;
        }
        r->credit--;
        if (park(r, b))
            continue;
        if (!can_go(b, now)) {
            note_use(r, b);
        } else if (close_door(b)) {
            remove_first(r);
            return 1;
        }
    }
    return 0;
}

/* ---- creation ---- */

/* Breakers side by side, with `before` bytes in front of them and `behind` after them; NULL without
 * memory. Allocators align to 16 bytes, or to 8. */
static wsrt_breaker *new_block(wsrt_breakers *r, size_t before, size_t count, size_t behind)
{
    size_t head = sizeof(struct block) + before;
    size_t size = head + LINE - 8 + count * sizeof(wsrt_breaker) + behind;
    char *memory = wsrt_mem_zalloc(&r->allocator, size);

    if (memory == NULL)
        return NULL;
    wsrt_breaker *first = (wsrt_breaker *)(((uintptr_t)memory + head + LINE - 1) / LINE * LINE);
    struct block *block = (struct block *)(void *)((char *)first - head);
    *block = (struct block){r->blocks, ++r->block_count, (uint16_t)size,
                            (uint16_t)((char *)block - memory)};
    r->blocks = block;
    table_of(r)->batches[block->number] = first;
    for (size_t i = 0; i < count; i++) {
        first[i].index = (uint8_t)i;
        atomic_init(&first[i].references, gone_for_good);
    }
    return first;
}

static size_t room_for_shared(const wsrt_breakers *r)
{
    return r->fleet.ops.load != NULL ? sizeof(struct shared) : 0;
}

static wsrt_breaker *new_striped(wsrt_breakers *r, size_t stripes)
{
    wsrt_breaker *b =
        new_block(r, sizeof(struct ledger), 1, stripes * STRIPE_ROOM + room_for_shared(r));

    if (b != NULL)
        b->stripe_mask = (uint8_t)(stripes - 1);
    return b;
}

static wsrt_breaker *new_plain(wsrt_breakers *r)
{
    if (r->fresh_count == 0) {
        r->fresh = new_block(r, BATCH * (sizeof(struct earlier) + sizeof(struct ledger)), BATCH,
                             BATCH * room_for_shared(r));
        if (r->fresh == NULL)
            return NULL;
        r->fresh_count = BATCH;
    }
    r->fresh_count--;
    return r->fresh++;
}

/* One that is gone, or memory that was nobody's. */
static wsrt_breaker *new_room(wsrt_breakers *r, size_t stripes)
{
    wsrt_breaker **gone = gone_like(r, stripes);

    pthread_mutex_lock(&r->events.lock);
    wsrt_breaker *b = *gone;
    if (b != NULL)
        *gone = breaker_ledger(b)->next;
    pthread_mutex_unlock(&r->events.lock);
    if (b != NULL)
        return b;
    return stripes == 1 ? new_plain(r) : new_striped(r, stripes);
}

/* Everything but the references, at which others may be looking, and what is fixed by the place. */
static void clear(const wsrt_breakers *r, wsrt_breaker *b)
{
    memset(breaker_ledger(b), 0, sizeof(struct ledger));
    if (room_for_shared(r) != 0)
        memset(breaker_shared(b), 0, sizeof(struct shared));
    memset((void *)b, 0, offsetof(wsrt_breaker, settings));
    atomic_init(&b->growth, 0);
}

static void init(wsrt_breaker *b, const struct settings *s)
{
    atomic_store_explicit(&b->settings, s, memory_order_release);
    atomic_init(&breaker_ledger(b)->rejected, REJECTED_ZERO);
    if (settings_share(s))
        atomic_init(&b->word, (uint64_t)STATE_UNSEEN << STATE_SHIFT);
    for (size_t i = 0; i <= b->stripe_mask; i++)
        wsrt_window_init(breaker_stripe(b, i));
}

static int set_key(const wsrt_breakers *r, wsrt_breaker *b, wsrt_span service, wsrt_span operation)
{
    char *key = wsrt_mem_alloc(&r->allocator, KEY_HEAD + service.len + operation.len);

    atomic_store_explicit(&b->key, key, memory_order_relaxed);
    if (key == NULL)
        return WSRT_ERR_NOMEM;
    key[0] = (char)(unsigned char)service.len;
    key[1] = (char)(unsigned char)operation.len;
    memcpy(key + KEY_HEAD, service.ptr, service.len);
    memcpy(key + KEY_HEAD + service.len, operation.ptr, operation.len);
    return WSRT_OK;
}

static wsrt_breaker *new_breaker(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                                 const struct settings *s)
{
    wsrt_breaker *b = new_room(r, (size_t)s->config.stripes);

    if (b == NULL)
        return NULL;
    clear(r, b);
    init(b, s);
    if (set_key(r, b, service, operation) == WSRT_OK &&
        wsrt_breaker_slow_room(r, b, s) == WSRT_OK) {
        atomic_fetch_sub(&b->references, gone_for_good); /* somebody may just be finding it gone */
        return b;
    }
    pthread_mutex_lock(&r->events.lock);
    wsrt_breaker_destroy(r, b);
    pthread_mutex_unlock(&r->events.lock);
    return NULL;
}

static int create(wsrt_breakers *r, const struct wanted *w, const wsrt_breaker_config *given,
                  wsrt_breaker **out)
{
    wsrt_span service = w->service, operation = w->operation;

    if (r->count >= r->cap && !make_room(r))
        return WSRT_ERR_LIMIT;
    if (grow(r) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    const struct settings *s = wsrt_breaker_settings_get(r, service, operation, given, NULL);
    wsrt_breaker *b = s == NULL ? NULL : new_breaker(r, service, operation, s);
    if (b == NULL)
        return WSRT_ERR_NOMEM;
    put(table_of(r), w->hash, b);
    enter_newest(r, b);
    r->count++;
    *out = b;
    return WSRT_OK;
}

struct key {
    wsrt_span service, operation;
};

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

    if (atomic_fetch_add(&breaker_ledger(b)->config_mismatch, 1) == 0)
        wsrt_breaker_publish(b, &event, 0);
}

static __attribute__((noinline)) int get_locked(wsrt_breakers *r, struct key key,
                                                const wsrt_breaker_config *config,
                                                wsrt_breaker **out, int *other)
{
    struct wanted w = want(key.service, key.operation);
    int rc = WSRT_OK;

    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, &w);
    if (b == NULL)
        rc = create(r, &w, config, &b);
    else if (config != NULL)
        *other = is_other(r, b, config);
    if (rc == WSRT_OK)
        hold(r, b);
    pthread_mutex_unlock(&r->lock);
    if (*other)
        tell_mismatch(r, b);
    *out = b;
    return rc;
}

int wsrt_breakers_get(wsrt_breakers *r, wsrt_span service, wsrt_span operation,
                      const wsrt_breaker_config *config, wsrt_breaker **out, int *differs)
{
    int rc = WSRT_OK, other = 0;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || !is_name(service) || !is_name(operation))
        return WSRT_ERR_INVALID;
    if (config != NULL && (rc = wsrt_breaker_config_check(config, NULL)) != WSRT_OK)
        return rc;
    if (config != NULL || (*out = find_held(r, service, operation)) == NULL)
        rc = get_locked(r, (struct key){service, operation}, config, out, &other);
    if (differs != NULL)
        *differs = other;
    return rc;
}

static __attribute__((noinline)) int find_locked(wsrt_breakers *r, wsrt_span service,
                                                 wsrt_span operation, wsrt_breaker **out)
{
    struct wanted w = want(service, operation);

    pthread_mutex_lock(&r->lock);
    wsrt_breaker *b = find(r, &w);
    if (b != NULL)
        hold(r, b);
    pthread_mutex_unlock(&r->lock);
    *out = b;
    return b == NULL ? WSRT_ERR_NOT_FOUND : WSRT_OK;
}

int wsrt_breakers_find(wsrt_breakers *r, wsrt_span service, wsrt_span operation, wsrt_breaker **out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || !is_name(service) || !is_name(operation))
        return WSRT_ERR_INVALID;
    if ((*out = find_held(r, service, operation)) != NULL)
        return WSRT_OK;
    return find_locked(r, service, operation, out);
}

/* ---- all of them ---- */

int wsrt_breakers_hold_locked(wsrt_breakers *r, wsrt_breaker ***out, size_t *count)
{
    wsrt_breaker **all = wsrt_mem_alloc(&r->allocator, r->count * sizeof(wsrt_breaker *));
    size_t n = 0;

    *count = r->count;
    if (all == NULL && r->count > 0)
        return WSRT_ERR_NOMEM;
    const struct table *t = table_of(r);
    for (size_t i = 0; i <= t->mask; i++) {
        wsrt_breaker *b = breaker_at(t, i);
        if (b == NULL)
            continue;
        atomic_fetch_add(&b->references, HOLDER);
        all[n++] = b;
    }
    *out = all;
    return WSRT_OK;
}

int wsrt_breakers_hold_all(wsrt_breakers *r, wsrt_breaker ***out, size_t *count)
{
    pthread_mutex_lock(&r->lock);
    int rc = wsrt_breakers_hold_locked(r, out, count);
    pthread_mutex_unlock(&r->lock);
    return rc;
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
    int rc = wsrt_breakers_hold_all(r, &all, &count);
    if (rc != WSRT_OK)
        return rc;
    for (size_t i = 0; i < count && rc == WSRT_OK; i++)
        rc = fn(all[i], user);
    wsrt_breakers_let_go(r, all, count);
    return rc;
}
