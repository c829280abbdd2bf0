/* What the files of the breaker share. */
#ifndef WSRT_SRC_BREAKER_INTERNAL_H
#define WSRT_SRC_BREAKER_INTERNAL_H

#include <wsrt/breaker.h>

#include <pthread.h>
#include <stdatomic.h>

enum { BUCKETS = 10, STRIPES_MAX = 8, STRIPE_ROOM = 128, NS_PER_MS = 1000000 };
enum { LINE = 64, BATCH = 16 };
/* Settings of another window length number their buckets from a higher start, see window.c. */
enum { SERIAL_SHIFT = 44, SERIAL_MAX = (1 << 18) - 1 };

/* What the calls of a breaker go by, in the units they want. Never changed once made, shared by all
 * breakers of a registry that have the same, and freed with it. */
struct settings {
    wsrt_breakers *registry;
    int64_t base;         /* monotonic ns at the registry's creation */
    int64_t slow_ns;      /* slow above; INT64_MAX = never */
    uint64_t short_below; /* a call that took less may be counted the short way; 0 = none may */
    int64_t bucket_ns;
    int64_t first;           /* number of the first bucket */
    uint64_t bucket_inverse; /* 2^64 / bucket_ns, rounded down */
    int64_t serial;
    int64_t lease_ms;
    int64_t shares;             /* 1: the registry has a store */
    struct settings *next;      /* of the same hash */
    wsrt_breaker_config config; /* with every default filled in; -1 resolved to 0 */
    wsrt_breaker_config given;  /* the explicit configuration; zero = looked up */
};

struct counts {
    uint64_t failures;
    uint64_t successes;
};

/* One stripe of the sliding window: ten buckets of one word each,
 *   tag of generation (8 bits) | tag of epoch (8) | failures (24) | successes (24).
 * Calls are counted into the latest bucket alone, which stands beside what else every call touches; the
 * nine before it are in places of their own. Before `at` moves on it is marked, the latest bucket is put
 * away, and those that nobody entered are emptied: a bucket's content is never older than two turns, and
 * the short tags are unambiguous, but to a thread that is held up in put_away() until, a multiple of 256
 * buckets later, the latest has the same counts, too: it empties that. A wider tag has no room. */
enum { EARLIER = BUCKETS - 1 };
#define MOVING INT64_MIN

struct latest {
    _Atomic int64_t at;           /* number of this bucket; MOVING is set while it is put away */
    _Atomic int64_t last_success; /* ns, whole milliseconds, see last_time_ms() */
    _Atomic uint64_t bucket;
};

struct earlier {
    _Atomic uint64_t buckets[EARLIER];
    _Atomic int64_t last_failure;
    _Atomic uint64_t past_failures; /* of emptied buckets */
    _Atomic uint64_t past_successes;
};

struct window {
    struct latest latest;
    struct earlier earlier;
};

struct stripe {
    struct latest *latest;
    struct earlier *earlier;
};

/* What every call touches, and every look-up by name: one line of the cache. Where the rest is its place
 * in memory says:
 *   one stripe:   earlier[BATCH] | ledger[BATCH] | breaker[BATCH] | shared[BATCH], the first two backwards
 *   more stripes: ledger | breaker | windows | shared
 * A block that was a breaker's is only ever another one's again, until the registry is freed. */
struct wsrt_breaker {
    _Alignas(LINE) struct latest latest; /* of the only stripe */
    /* state (3 bits) | generation (20) | deadline, ms since the registry's creation (41).
     * CLOSED: 18 more bits of the generation, so that it alone is what a permit goes by.
     * OPEN: when a probe may go. HALF_OPEN: when the probes' lease ends. METRICS_ONLY: when it may tell
     * again that it would have opened. */
    _Atomic uint64_t word;
    _Atomic(const struct settings *) settings;
    _Atomic(char *) key;         /* lengths of service and operation, a byte each; both texts */
    _Atomic uint64_t used;       /* when it was asked for last, by the registry's count */
    _Atomic uint32_t references; /* see registry.c */
    _Atomic uint16_t growth;     /* openings in a row */
    uint8_t index;               /* in its batch */
    uint8_t stripe_mask;         /* number of stripes - 1 */
};

_Static_assert(sizeof(struct wsrt_breaker) == LINE, "a breaker is one line");

/* The rest, of which a call that fails or is refused touches a part. */
struct ledger {
    /* HALF_OPEN: generation (20) | in flight (10) | successes (10) | 0 | ticket (23).
     * CLOSED: generation (20) | 0 | failures in a row (24), for WSRT_BREAKER_CONSECUTIVE. */
    _Alignas(8) _Atomic uint64_t probes;
    _Atomic uint64_t transitions; /* all generations; its low bits are the word's */
    _Atomic uint64_t trip_counts; /* the window at the instant of the trip: failures | successes */
    union {
        _Atomic(unsigned char *) slow; /* windows of slow calls, once WSRT_SLOW_RATE was set */
        struct wsrt_breaker *next;     /* of those that are gone */
    };
    _Atomic uint64_t slow_total;
    _Atomic uint64_t ignored;
    _Atomic uint64_t rejected;     /* but for those lately of one thread, see breaker_rejected(): */
    _Atomic uint64_t own_rejected; /* 0 = of none yet */
    _Atomic uint32_t opened;
    _Atomic uint32_t stale;
    _Atomic uint32_t config_mismatch;
    _Atomic uint32_t probes_lost;
    uint32_t published; /* generation of the latest event; under the events' lock */
    uint32_t pins;      /* events and readers that need the key, and PIN_EVICTED */
};

static inline struct ledger *breaker_ledger(const wsrt_breaker *b)
{
    return (struct ledger *)((uintptr_t)b - b->index * (sizeof *b + sizeof(struct ledger))) - 1;
}

/* Of a breaker with one stripe. */
static inline struct earlier *breaker_earlier(const wsrt_breaker *b)
{
    return (struct earlier *)((uintptr_t)b - BATCH * sizeof(struct ledger) -
                              b->index * (sizeof *b + sizeof(struct earlier))) -
           1;
}

enum { PIN_EVICTED = 1 << 30 };

/* own_rejected: its thread's name (47 bits) | count (16) | parity. When the count is full it is added
 * to `rejected`, whose highest bit is the parity, and both parities change. That starts in the middle,
 * so that a restored total may be less than what the owner has counted. */
enum { REJECTED_BITS = 16, REJECTED_MOST = (1 << REJECTED_BITS) - 1, OWNER_SHIFT = 17 };
enum { OWN_PARITY = 1, OWN_ONE = 2 };
#define REJECTED_PARITY ((uint64_t)1 << 63)
#define REJECTED_ZERO ((uint64_t)1 << 62)

static inline uint64_t breaker_rejected(const wsrt_breaker *b)
{
    const struct ledger *l = breaker_ledger(b);
    uint64_t own, before, others = atomic_load_explicit(&l->rejected, memory_order_acquire);

    do { /* twice moved, the parity would be the old one */
        before = others;
        own = atomic_load_explicit(&l->own_rejected, memory_order_acquire);
        others = atomic_load_explicit(&l->rejected, memory_order_acquire);
    } while (((others - before) & ~REJECTED_PARITY) >= REJECTED_MOST);
    int moved = (own & OWN_PARITY) != others >> 63;

    return (others & ~REJECTED_PARITY) - REJECTED_ZERO +
           (moved ? 0 : own / OWN_ONE & REJECTED_MOST);
}

/* What a breaker knows of the shared state; only in registries with a store there is room for it.
 * Whoever set `busy` talks to the store; what is not atomic is of that thread. */
struct shared {
    _Alignas(8) _Atomic int busy;
    _Atomic int pending; /* a change of state is to be written */
    _Atomic int local;   /* by hand: the fleet neither hears of it nor changes it */
    int dirty;           /* the latest change of state could not be written */
    uint64_t version;    /* of the record seen last */
    int32_t state;
    uint32_t growth;
    _Atomic int64_t until;     /* its wait or lease ends, ms since the registry's creation */
    _Atomic int64_t next_look; /* likewise */
    _Atomic uint64_t errors;
};

struct fleet {
    wsrt_breaker_store_ops ops; /* `load` NULL = no store */
    void *self;
    int64_t budget_ms;
    uint64_t owner;
    _Atomic int64_t alone_until; /* ms since the registry's creation */
    _Atomic int down;
};

struct event_slot {
    wsrt_breaker *breaker;
    wsrt_breaker_event event;
    uint32_t generation;
    int awaited; /* the change happened, its event is on the way */
};

struct call_frame;

/* Ordered events: a ring, its readers, and who is in a callback right now. */
struct events {
    pthread_mutex_t lock;
    pthread_cond_t returned; /* a callback has */
    struct event_slot *slots;
    size_t capacity;
    uint64_t end; /* the next sequence number */
    wsrt_breaker_listener *listeners;
    uint64_t listener_ids;
    struct call_frame *frames;
    int delivering;
    _Atomic uint32_t rejection_listeners;
};

struct document;

/* Memory of one batch of breakers with one stripe, or of one with more. */
struct block {
    struct block *next;
    uint32_t number;
    uint16_t size;
    uint16_t before; /* what lies in front of it, for the breakers to begin a line */
};

enum { SETTINGS_CHAINS = 64 };

/* Changed under the registry's lock, read without it. Whoever reads one that was outgrown misses at most
 * what is newer.
 * A place: how far behind its breaker the key is, or anywhere if too far, for both to be fetched at once
 * (32 bits) | high bits of the key's hash, and below them the number of the breaker (32); 0 = free. A
 * number is that of the block, from 1 on, times BATCH, and the index there. */
struct table {
    struct table *outgrown;
    size_t mask;              /* places - 1; a power of two, at least twice the breakers */
    _Atomic uint64_t *places; /* behind the batches */
    uint32_t number_mask;     /* of a place */
    wsrt_breaker *batches[];  /* by number; half as many as places */
};

/* One that may have to go; `used` lags behind the breaker's own until somebody looks. */
struct idle {
    uint64_t used;
    wsrt_breaker *b;
};

struct wsrt_breakers {
    _Atomic(struct table *) table;
    wsrt_allocator allocator;
    wsrt_env env;
    int64_t base; /* monotonic ns at creation */
    pthread_mutex_t lock;
    size_t count;
    size_t cap;
    struct idle *idle; /* a heap of those not parked, the longest idle first */
    size_t idle_count;
    size_t credit; /* how many may be looked at for eviction */
    _Atomic uint64_t uses;
    struct block *blocks;
    uint32_t block_count;
    wsrt_breaker *fresh; /* of the latest batch, `fresh_count` that were nobody's yet */
    size_t fresh_count;
    wsrt_breaker *gone[4]; /* of 1, 2, 4 and 8 stripes; under the events' lock */
    struct document *document;
    struct settings *settings[SETTINGS_CHAINS];
    struct events events;
    struct fleet fleet;
};

/* ---- the word ---- */

enum { STATE_SHIFT = 61, GENERATION_SHIFT = 41, GENERATION_BITS = 20 };

/* In the word only: CLOSED, and the shared state has not been asked. */
enum { STATE_UNSEEN = 6 };

static inline int word_is_unseen(uint64_t word)
{
    return word >> STATE_SHIFT == STATE_UNSEEN;
}

static inline int word_state(uint64_t word)
{
    return word_is_unseen(word) ? WSRT_BREAKER_CLOSED : (int)(word >> STATE_SHIFT);
}

static inline int word_is_closed(uint64_t word)
{
    return word >> STATE_SHIFT == WSRT_BREAKER_CLOSED;
}

static inline uint64_t word_generation(uint64_t word)
{
    return word >> GENERATION_SHIFT & (((uint64_t)1 << GENERATION_BITS) - 1);
}

static inline int64_t word_deadline(uint64_t word)
{
    return (int64_t)(word & (((uint64_t)1 << GENERATION_SHIFT) - 1));
}

static inline int word_is_due(uint64_t word, int64_t t)
{
    return t / NS_PER_MS >= word_deadline(word);
}

/* Milliseconds from t to the deadline, rounded up. */
static inline int64_t word_left(uint64_t word, int64_t t)
{
    int64_t left = word_deadline(word) - t / NS_PER_MS;

    return left < 0 ? 0 : left;
}

static inline const struct settings *breaker_settings(const wsrt_breaker *b)
{
    return atomic_load_explicit(&b->settings, memory_order_acquire);
}

/* Time since the registry's creation; what lies before is no time. */
static inline int64_t breaker_time(const struct settings *s, int64_t now)
{
    int64_t t;

    if (__builtin_sub_overflow(now, s->base, &t))
        return now < s->base ? 0 : INT64_MAX;
    return t < 0 ? 0 : t;
}

/* When a wait from t is over: whole milliseconds, never early. */
static inline int64_t deadline_after(int64_t t, int64_t wait_ms)
{
    return t / NS_PER_MS + (t % NS_PER_MS != 0) + wait_ms;
}

/* ---- breaker.c ---- */

/* A change of generation: what it changes to, and what is told of it. */
struct move {
    int state;
    int cause;
    int kind;   /* of the event */
    int growth; /* -1 = leave */
    int freeze; /* keep `counts` as those of the trip */
    int64_t t;
    int64_t deadline;
    int64_t wait_ms; /* for the event */
    struct counts counts;
};

/* Failures in a row so far are none. */
void wsrt_breaker_forget_run(wsrt_breaker *b);
/* Makes the change if the word still is `from`, and tells it; 0 when another thread was first. */
int wsrt_breaker_move(wsrt_breaker *b, uint64_t from, const struct move *m);
uint64_t wsrt_breaker_generation(const wsrt_breaker *b, uint64_t word);
/* The wait of the opening after `growth` failed recoveries. */
int64_t wsrt_breaker_wait(const struct settings *s, uint32_t growth);
/* What the statistics show: of the window, or those of the trip. */
struct counts wsrt_breaker_counts(const wsrt_breaker *b, const struct settings *s, uint64_t word,
                                  int64_t t);

/* ---- fleet.c: of registries with a store ---- */

static inline int settings_share(const struct settings *s)
{
    return s->shares != 0;
}

static inline struct shared *breaker_shared(const wsrt_breaker *b)
{
    if (b->stripe_mask == 0)
        return (struct shared *)(uintptr_t)(b - b->index + BATCH) + b->index;
    return (struct shared *)((uintptr_t)(b + 1) + ((size_t)b->stripe_mask + 1) * STRIPE_ROOM);
}

int wsrt_fleet_init(wsrt_breakers *r, const wsrt_breakers_options *o);
/* The first call of a breaker. */
void wsrt_fleet_first_look(wsrt_breaker *b, uint64_t word);
/* A state was entered; what has to be written is written by wsrt_fleet_settled(). */
void wsrt_fleet_moved(wsrt_breaker *b, int cause);
void wsrt_fleet_settled(wsrt_breaker *b, int failure);

enum { CLAIM_GRANTED, CLAIM_REFUSED, CLAIM_AGAIN };

/* A wait or a lease is over: who probes? CLAIM_AGAIN: the state has changed. */
int wsrt_fleet_claim(wsrt_breaker *b, int64_t now, wsrt_rejection *why);

/* ---- config.c ---- */

enum { MEMBERS = 16 };

/* Values of a document for one key, a service or all. */
struct layer {
    wsrt_breaker_config values;
    uint32_t set; /* bit i: member i is given */
};

enum member_kind { MEMBER_INT64, MEMBER_INT32, MEMBER_REAL, MEMBER_MODE, MEMBER_POLICY };

struct member {
    const char *name_cstr;
    const char *json_cstr;
    size_t offset;
    enum member_kind kind;
    double low, high, library;
};

extern const struct member wsrt_breaker_members[MEMBERS];
/* The words of a member of kind MODE or POLICY, from its value 1 on. */
const char *const *wsrt_breaker_member_words(const struct member *m);
/* 0 when the value is out of range. */
int wsrt_breaker_member_set(wsrt_breaker_config *c, const struct member *m, double value);
double wsrt_breaker_member_get(const wsrt_breaker_config *c, const struct member *m);
/* Everything but `registry`, `serial`, `first`, `shares` and `next`. `given` has been checked. */
void wsrt_breaker_settings_fill(struct settings *out, const struct document *d, wsrt_span service,
                                wsrt_span operation, const wsrt_breaker_config *given);

/* ---- document.c ---- */

int wsrt_breaker_document_parse(struct document **out, const wsrt_allocator *a, wsrt_span text,
                                wsrt_breakers_error *why);
void wsrt_breaker_document_free(struct document *d, const wsrt_allocator *a);
/* The layer of a key (operation empty: of a service, both empty: of all), or NULL. */
const struct layer *wsrt_breaker_document_layer(const struct document *d, wsrt_span service,
                                                wsrt_span operation);

/* ---- registry.c ---- */

/* Under the events' lock. */
void wsrt_breaker_destroy(wsrt_breakers *r, wsrt_breaker *b);
/* A reference to every breaker, in memory of the registry. */
int wsrt_breakers_hold_all(wsrt_breakers *r, wsrt_breaker ***out, size_t *count);
int wsrt_breakers_hold_locked(wsrt_breakers *r, wsrt_breaker ***out, size_t *count);
void wsrt_breakers_let_go(wsrt_breakers *r, wsrt_breaker **all, size_t count);

/* ---- settings.c: under the registry's lock ---- */

/* The settings of a key, shared with all that have the same; NULL without memory. A breaker that has
 * some already keeps its stripes, and another window length gets the next serial. */
const struct settings *wsrt_breaker_settings_get(wsrt_breakers *r, wsrt_span service,
                                                 wsrt_span operation,
                                                 const wsrt_breaker_config *given,
                                                 const struct settings *before);
/* Room for slow calls, where the settings want it. */
int wsrt_breaker_slow_room(wsrt_breakers *r, wsrt_breaker *b, const struct settings *s);

/* ---- window.c ---- */

enum { COUNT_BITS = 24, COUNT_MOST = (1 << COUNT_BITS) - 1 };
enum { EPOCH_TAG_SHIFT = 48, GENERATION_TAG_SHIFT = 56 };

static inline uint64_t bucket_tag(int64_t epoch, uint64_t generation)
{
    return (generation & 0xff) << GENERATION_TAG_SHIFT | ((uint64_t)epoch & 0xff)
                                                             << EPOCH_TAG_SHIFT;
}

static inline uint64_t tag_of(uint64_t bucket)
{
    return bucket >> EPOCH_TAG_SHIFT << EPOCH_TAG_SHIFT;
}

static inline int64_t epoch_at(int64_t at)
{
    return at & INT64_MAX;
}

/* Counts a call the short way: into the latest bucket, if t does not lie behind it and nothing moves.
 * `one` is one of a counter of the bucket. 0 = take the long way. A product that wraps round is of
 * settings that have gone: then the call is late, or takes the long way. */
static inline __attribute__((always_inline)) int window_count(struct latest *w,
                                                              const struct settings *s, int64_t t,
                                                              uint64_t generation, uint64_t one)
{
    const uint64_t most = one * COUNT_MOST;
    int64_t epoch = atomic_load_explicit(&w->at, memory_order_relaxed);
    uint64_t since = (uint64_t)t - (uint64_t)(epoch - s->first) * (uint64_t)s->bucket_ns;

    if (epoch < s->first || (int64_t)since >= s->bucket_ns)
        return 0;
    uint16_t tag = (uint16_t)(generation << 8 | (uint8_t)epoch);
    uint64_t old = atomic_load(&w->bucket), new = old + one;
    return (uint16_t)(old >> EPOCH_TAG_SHIFT) == tag && (new &most) != 0 &&
           atomic_compare_exchange_strong(&w->bucket, &old, new);
}

#define NEVER (-(int64_t)NS_PER_MS)

/* -1 = never. */
static inline int64_t last_time_ms(const _Atomic int64_t *last)
{
    return atomic_load_explicit(last, memory_order_relaxed) / NS_PER_MS;
}

static inline uint64_t failures_in(uint64_t bucket)
{
    return bucket >> COUNT_BITS & COUNT_MOST;
}

/* No fewer failures than the window holds: of all its buckets, whatever time they are of. The latest is
 * looked at first, for it is put away before it is emptied. */
static inline uint64_t window_failures_at_most(struct stripe w)
{
    uint64_t sum = failures_in(atomic_load(&w.latest->bucket));

    for (size_t i = 0; i < EARLIER; i++)
        sum += failures_in(atomic_load(&w.earlier->buckets[i]));
    return sum;
}

static inline struct stripe stripe_at(void *room)
{
    struct window *w = room;

    return (struct stripe){&w->latest, &w->earlier};
}

static inline struct stripe only_stripe(wsrt_breaker *b)
{
    return (struct stripe){&b->latest, breaker_earlier(b)};
}

static inline struct stripe breaker_stripe(const wsrt_breaker *b, size_t i)
{
    if (b->stripe_mask == 0)
        return only_stripe((wsrt_breaker *)(uintptr_t)b);
    return stripe_at((unsigned char *)(uintptr_t)(b + 1) + i * STRIPE_ROOM);
}

static inline struct stripe slow_stripe(unsigned char *slow, size_t i)
{
    return stripe_at(slow + i * STRIPE_ROOM);
}

void wsrt_window_init(struct stripe w);
/* The bucket number of an instant, never before the window's own. */
int64_t wsrt_window_epoch(struct stripe w, const struct settings *s, int64_t t);
void wsrt_window_add(struct stripe w, int64_t epoch, uint64_t generation, int failure);
/* Counts what belongs to no window, for the lifetime alone. */
void wsrt_window_add_past(struct stripe w, int failure);
struct counts wsrt_window_sum(const wsrt_breaker *b, const struct settings *s, int64_t t,
                              uint64_t generation);
uint64_t wsrt_window_slow(const wsrt_breaker *b, const struct settings *s, int64_t t,
                          uint64_t generation);
/* The buckets one by one, newest first. */
void wsrt_window_read(const wsrt_breaker *b, const struct settings *s, int64_t t,
                      uint64_t generation, struct counts out[BUCKETS]);

struct put {
    uint64_t generation;
    struct counts counts;
};

/* Sets the bucket whose oldest call is of that age; 0 when it is too old, or holds nothing. */
int wsrt_window_put(struct stripe w, const struct settings *s, int64_t t, int64_t age,
                    struct put put);
struct counts wsrt_window_lifetime(const wsrt_breaker *b);
/* Retires what older generations counted. */
void wsrt_window_clear(const wsrt_breaker *b, uint64_t generation);

/* ---- events.c ---- */

int wsrt_breaker_events_init(wsrt_breakers *r, uint32_t capacity);
void wsrt_breaker_events_free(wsrt_breakers *r);
/* Puts an event into the sequence and, unless another thread is at it, tells the listeners. With
 * `generation` not 0 it takes its place among the breaker's changes. */
void wsrt_breaker_publish(wsrt_breaker *b, wsrt_breaker_event *event, uint64_t generation);
void wsrt_breaker_tell_rejection(wsrt_breaker *b, int64_t now, int reason);
/* Frees a breaker out of the registry, or leaves that to the last reader of its events. */
void wsrt_breaker_evict(wsrt_breakers *r, wsrt_breaker *b);

#endif
