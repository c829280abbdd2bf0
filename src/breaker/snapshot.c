/* State as bytes: little-endian, a version, a checksum at the end.
 *   "WBRK" | version (2) | 0 (2) | breakers (4) | bytes of the whole (4) | entries | checksum (8) */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

enum { VERSION = 1, HEAD = 16, FIXED = 200, CHECKSUM = 8, LAST_STATE = WSRT_BREAKER_METRICS_ONLY };
static const char magic[] = {'W', 'B', 'R', 'K'};
static const int64_t wait_max =
    (int64_t)2 * 30 * 24 * 3600 * 1000; /* the longest, and all jitter */

/* One breaker between memory and bytes. Wall times in ms, -1 = never. */
struct entry {
    uint64_t state, service_len, operation_len, growth;
    int64_t wait_left;
    int64_t wall;
    int64_t window_ms;
    int64_t phase; /* ns since the newest bucket began */
    struct counts trip;
    int64_t last_failure, last_success;
    uint64_t rejected, stale, slow, ignored, opened;
    struct counts lifetime;
    struct counts buckets[BUCKETS]; /* newest first */
    const char *key;
};

/* ---- bytes ---- */

/* Writes, reads or only counts: one walk over the members serves all three. */
struct tape {
    unsigned char *out;
    const unsigned char *in;
    size_t at;
};

static void field(struct tape *t, uint64_t *v, size_t bytes)
{
    if (t->in != NULL)
        *v = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (t->in != NULL)
            *v |= (uint64_t)t->in[t->at + i] << (8 * i);
        else
            t->out[t->at + i] = (unsigned char)(*v >> (8 * i));
    }
    t->at += bytes;
}

static void signed_field(struct tape *t, int64_t *v)
{
    uint64_t bits = (uint64_t)*v;

    field(t, &bits, 8);
    *v = (int64_t)bits;
}

static void counts_field(struct tape *t, struct counts *c, size_t bytes)
{
    field(t, &c->failures, bytes);
    field(t, &c->successes, bytes);
}

static void walk(struct tape *t, struct entry *e)
{
    field(t, &e->service_len, 1);
    field(t, &e->operation_len, 1);
    field(t, &e->state, 2);
    field(t, &e->growth, 4);
    signed_field(t, &e->wait_left);
    signed_field(t, &e->wall);
    signed_field(t, &e->window_ms);
    signed_field(t, &e->phase);
    counts_field(t, &e->trip, 4);
    signed_field(t, &e->last_failure);
    signed_field(t, &e->last_success);
    field(t, &e->rejected, 8);
    field(t, &e->stale, 8);
    field(t, &e->slow, 8);
    field(t, &e->ignored, 8);
    field(t, &e->opened, 8);
    counts_field(t, &e->lifetime, 8);
    for (size_t i = 0; i < BUCKETS; i++)
        counts_field(t, &e->buckets[i], 4);
}

static void head(struct tape *t, uint64_t *version, uint64_t *count, uint64_t *size)
{
    uint64_t nothing = 0;

    t->at = sizeof magic;
    field(t, version, 2);
    field(t, &nothing, 2);
    field(t, count, 4);
    field(t, size, 4);
}

/* ---- saving ---- */

struct room {
    unsigned char *buf;
    size_t cap;
    size_t len; /* needed */
};

static void save_stats(wsrt_breaker *b, const wsrt_breaker_clock *at, struct entry *e)
{
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    (void)wsrt_breaker_get_stats(b, at->now, at->wall, &s);
    e->last_failure = s.last_failure_time;
    e->last_success = s.last_success_time;
    e->rejected = s.rejected;
    e->stale = s.stale;
    e->slow = s.slow;
    e->ignored = s.ignored;
    e->opened = s.opened;
    e->lifetime = (struct counts){s.lifetime_failures, s.lifetime_successes};
}

static void save_entry(wsrt_breaker *b, const wsrt_breaker_clock *at, unsigned char *out)
{
    const struct settings *s = breaker_settings(b);
    wsrt_span service = wsrt_breaker_service(b), operation = wsrt_breaker_operation(b);
    uint64_t word = atomic_load(&b->word), trip = atomic_load(&breaker_ledger(b)->trip_counts);
    int64_t t = breaker_time(s, at->now);
    struct tape tape = {.out = out};
    struct entry e = {
        .state = (uint64_t)word_state(word),
        .service_len = service.len,
        .operation_len = operation.len,
        .growth = atomic_load(&b->growth),
        .wait_left = word_state(word) == WSRT_BREAKER_OPEN ? word_left(word, t) : 0,
        .wall = at->wall,
        .window_ms = s->config.monitoring_window_ms,
        .phase = t % s->bucket_ns,
        .trip = {trip >> 32, trip & UINT32_MAX},
    };

    save_stats(b, at, &e);
    wsrt_window_read(b, s, t, word_generation(word), e.buckets);
    walk(&tape, &e);
    memcpy(out + FIXED, service.ptr, service.len);
    memcpy(out + FIXED + service.len, operation.ptr, operation.len);
}

static size_t entry_size(const wsrt_breaker *b)
{
    return FIXED + wsrt_breaker_service(b).len + wsrt_breaker_operation(b).len;
}

static int save_all(wsrt_breaker *const *all, size_t count, const wsrt_breaker_clock *at,
                    struct room *room)
{
    uint64_t version = VERSION, n = count, size = HEAD + CHECKSUM;
    unsigned char *out = room->buf;
    struct tape tape = {.out = out};
    size_t place = HEAD;

    for (size_t i = 0; i < count; i++)
        size += entry_size(all[i]);
    room->len = (size_t)size;
    if (size > room->cap || size > UINT32_MAX)
        return WSRT_ERR_LIMIT;
    memcpy(out, magic, sizeof magic);
    head(&tape, &version, &n, &size);
    for (size_t i = 0; i < count; place += entry_size(all[i]), i++)
        save_entry(all[i], at, out + place);
    uint64_t sum = wsrt_hash(VERSION, out, place);
    tape.at = place;
    field(&tape, &sum, CHECKSUM);
    return WSRT_OK;
}

int wsrt_breaker_save(wsrt_breaker *b, const wsrt_breaker_clock *at, void *buf, size_t cap,
                      size_t *len)
{
    struct room room = {buf, cap, 0};

    if (b == NULL || at == NULL || (buf == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    int rc = save_all(&b, 1, at, &room);
    if (len != NULL)
        *len = room.len;
    return rc;
}

int wsrt_breakers_save(wsrt_breakers *r, const wsrt_breaker_clock *at, void *buf, size_t cap,
                       size_t *len)
{
    struct room room = {buf, cap, 0};
    wsrt_breaker **all;
    size_t count;

    if (r == NULL || at == NULL || (buf == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    int rc = wsrt_breakers_hold_all(r, &all, &count);
    if (rc != WSRT_OK)
        return rc;
    rc = save_all(all, count, at, &room);
    wsrt_breakers_let_go(r, all, count);
    if (len != NULL)
        *len = room.len;
    return rc;
}

/* ---- checking ---- */

static int is_plausible(const struct entry *e)
{
    return e->state <= LAST_STATE && e->service_len > 0 && e->operation_len > 0 &&
           e->growth <= UINT16_MAX && e->wait_left >= 0 && e->wait_left <= wait_max &&
           e->window_ms > 0 && e->phase >= 0 && e->last_failure >= -1 && e->last_success >= -1;
}

/* The entry at *place, which moves behind it; 0 when it does not fit before `end`. */
static int next_entry(const unsigned char *in, size_t *place, size_t end, struct entry *e)
{
    struct tape tape = {.in = in, .at = *place};

    if (end - *place < FIXED)
        return 0;
    walk(&tape, e);
    if (!is_plausible(e) || end - tape.at < e->service_len + e->operation_len)
        return 0;
    e->key = (const char *)in + tape.at;
    *place = tape.at + (size_t)(e->service_len + e->operation_len);
    return 1;
}

/* Reads a blob whole before any of it counts. */
static int check(const unsigned char *in, size_t len, size_t *count)
{
    uint64_t version, n, size, sum;
    struct tape tape = {.in = in};
    struct entry e;
    size_t place = HEAD;

    if (len < HEAD + CHECKSUM || memcmp(in, magic, sizeof magic) != 0)
        return WSRT_ERR_CORRUPT;
    head(&tape, &version, &n, &size);
    if (version > VERSION)
        return WSRT_ERR_VERSION;
    tape.at = len - CHECKSUM;
    field(&tape, &sum, CHECKSUM);
    if (version == 0 || size != len || sum != wsrt_hash(VERSION, in, len - CHECKSUM))
        return WSRT_ERR_CORRUPT;
    for (uint64_t i = 0; i < n; i++)
        if (!next_entry(in, &place, len - CHECKSUM, &e))
            return WSRT_ERR_CORRUPT;
    *count = (size_t)n;
    return place == len - CHECKSUM ? WSRT_OK : WSRT_ERR_CORRUPT;
}

/* ---- restoring ---- */

/* Wall time since the snapshot; a clock that went back passed none. */
static int64_t passed_ms(const struct entry *e, const wsrt_breaker_clock *at)
{
    int64_t passed;

    if (__builtin_sub_overflow(at->wall, e->wall, &passed) || passed < 0)
        return 0;
    return passed < wait_max ? passed : wait_max;
}

/* A moment of the old process on this one's scale, in ms; one before its start is its start. */
static int64_t time_of(int64_t wall, const wsrt_breaker_clock *at, int64_t t)
{
    int64_t ago;

    if (wall < 0)
        return -1;
    if (__builtin_sub_overflow(at->wall, wall, &ago) || ago < 0)
        ago = 0;
    return ago > t / NS_PER_MS ? 0 : t / NS_PER_MS - ago;
}

static struct counts remainder_of(struct counts all, const struct counts *buckets)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        all.failures -= buckets[i].failures < all.failures ? buckets[i].failures : all.failures;
        all.successes -=
            buckets[i].successes < all.successes ? buckets[i].successes : all.successes;
    }
    return all;
}

/* Counts come back with their age, each bucket as old as its oldest call: none counts too long. */
static void restore_window(wsrt_breaker *b, struct entry *e, const wsrt_breaker_clock *at,
                           int64_t t)
{
    const struct settings *s = breaker_settings(b);
    struct stripe w = breaker_stripe(b, 0);
    uint64_t generation = word_generation(atomic_load(&b->word));
    int64_t age = passed_ms(e, at) * NS_PER_MS + e->phase % s->bucket_ns;
    int counts_on = e->window_ms == s->config.monitoring_window_ms &&
                    (e->state == WSRT_BREAKER_CLOSED || e->state == WSRT_BREAKER_METRICS_ONLY);

    for (size_t i = 0; i < BUCKETS; i++, age += s->bucket_ns)
        if (!counts_on || !wsrt_window_put(w, s, t, age, (struct put){generation, e->buckets[i]}))
            e->buckets[i] = (struct counts){0, 0};
    struct counts past = remainder_of(e->lifetime, e->buckets);
    for (size_t i = 0; i <= b->stripe_mask; i++) {
        atomic_store(&breaker_stripe(b, i).earlier->past_failures, i == 0 ? past.failures : 0);
        atomic_store(&breaker_stripe(b, i).earlier->past_successes, i == 0 ? past.successes : 0);
    }
}

static void restore_counters(wsrt_breaker *b, const struct entry *e, const wsrt_breaker_clock *at,
                             int64_t t)
{
    struct stripe w = breaker_stripe(b, 0);

    atomic_store(&w.earlier->last_failure, NS_PER_MS * time_of(e->last_failure, at, t));
    atomic_store(&w.latest->last_success, NS_PER_MS * time_of(e->last_success, at, t));
    uint64_t rejected = e->rejected < REJECTED_ZERO / 2 ? e->rejected : REJECTED_ZERO / 2;
    atomic_fetch_add(&breaker_ledger(b)->rejected, rejected - breaker_rejected(b));
    atomic_store(&breaker_ledger(b)->stale, (uint32_t)e->stale);
    atomic_store(&breaker_ledger(b)->slow_total, e->slow);
    atomic_store(&breaker_ledger(b)->ignored, e->ignored);
    atomic_store(&breaker_ledger(b)->opened, (uint32_t)e->opened);
}

/* A probe that was out is lost: its breaker may send the next at once. */
static void restore_entry(wsrt_breaker *b, struct entry *e, const wsrt_breaker_clock *at)
{
    const struct settings *s = breaker_settings(b);
    int64_t passed = passed_ms(e, at);
    struct move m = {.state =
                         e->state == WSRT_BREAKER_HALF_OPEN ? WSRT_BREAKER_OPEN : (int)e->state,
                     .kind = WSRT_BREAKER_EVENT_TRANSITION,
                     .cause = WSRT_CAUSE_RESTORED,
                     .growth = (int)e->growth,
                     .freeze = 1,
                     .t = breaker_time(s, at->now),
                     .wait_ms = e->wait_left > passed ? e->wait_left - passed : 0,
                     .counts = e->trip};

    if (m.state == WSRT_BREAKER_OPEN)
        m.deadline = deadline_after(m.t, m.wait_ms);
    while (!wsrt_breaker_move(b, atomic_load(&b->word), &m))
        ;
    restore_counters(b, e, at, m.t);
    restore_window(b, e, at, m.t);
}

static int has_key(const wsrt_breaker *b, const struct entry *e)
{
    return wsrt_span_equal(wsrt_breaker_service(b), (wsrt_span){e->key, (size_t)e->service_len}) &&
           wsrt_span_equal(wsrt_breaker_operation(b),
                           (wsrt_span){e->key + e->service_len, (size_t)e->operation_len});
}

int wsrt_breaker_restore(wsrt_breaker *b, const wsrt_breaker_clock *at, const void *blob,
                         size_t len)
{
    struct entry e;
    size_t count, place = HEAD;

    if (b == NULL || at == NULL || blob == NULL)
        return WSRT_ERR_INVALID;
    int rc = check(blob, len, &count);
    if (rc != WSRT_OK)
        return rc;
    if (count != 1 || !next_entry(blob, &place, len, &e) || !has_key(b, &e))
        return WSRT_ERR_REJECTED;
    restore_entry(b, &e, at);
    return WSRT_OK;
}

/* The breakers of a checked blob, made where they are missing. */
static int get_all(wsrt_breakers *r, const unsigned char *in, size_t len, wsrt_breaker **all)
{
    struct entry e;
    size_t place = HEAD;

    for (size_t i = 0; place < len - CHECKSUM && next_entry(in, &place, len, &e); i++) {
        int rc = wsrt_breakers_get(r, (wsrt_span){e.key, (size_t)e.service_len},
                                   (wsrt_span){e.key + e.service_len, (size_t)e.operation_len},
                                   NULL, &all[i], NULL);
        if (rc != WSRT_OK)
            return rc;
    }
    return WSRT_OK;
}

int wsrt_breakers_restore(wsrt_breakers *r, const wsrt_breaker_clock *at, const void *blob,
                          size_t len)
{
    struct entry e;
    size_t count, place = HEAD;

    if (r == NULL || at == NULL || blob == NULL)
        return WSRT_ERR_INVALID;
    int rc = check(blob, len, &count);
    if (rc != WSRT_OK || count == 0)
        return rc;
    wsrt_breaker **all = wsrt_mem_zalloc(&r->allocator, count * sizeof(wsrt_breaker *));
    if (all == NULL)
        return WSRT_ERR_NOMEM;
    rc = get_all(r, blob, len, all);
    for (size_t i = 0; rc == WSRT_OK && i < count && next_entry(blob, &place, len, &e); i++)
        restore_entry(all[i], &e, at);
    wsrt_breakers_let_go(r, all, count);
    return rc;
}
