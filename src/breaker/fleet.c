/* State shared with other processes. One thread at a time talks to the store for a breaker and holds no
 * lock meanwhile; the others are refused rather than kept waiting. What the store says counts only
 * where its wait or lease is no longer than this process would choose. */
#include "breaker/breaker_internal.h"

#include "base/options.h"

enum { LOOK_EVERY_MS = 1000, LEAVE_ALONE_MS = 5000, DEFAULT_BUDGET_MS = 250, TRIES = 3 };

int wsrt_fleet_init(wsrt_breakers *r, const wsrt_breakers_options *o)
{
    struct fleet *f = &r->fleet;

    if (o->store == NULL)
        return o->store_self == NULL && o->store_budget_ms == 0 ? WSRT_OK : WSRT_ERR_INVALID;
    int rc = wsrt_table_load(&f->ops, sizeof f->ops, sizeof(wsrt_breaker_store_ops), o->store);
    if (rc != WSRT_OK)
        return rc;
    if (f->ops.load == NULL || f->ops.compare_and_swap == NULL)
        return WSRT_ERR_INVALID;
    if (f->ops.flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    f->self = o->store_self;
    f->budget_ms = o->store_budget_ms != 0 ? o->store_budget_ms : DEFAULT_BUDGET_MS;
    (void)r->env.random(r->env.user, &f->owner, sizeof f->owner); /* only told to readers */
    return WSRT_OK;
}

/* ---- time ---- */

static struct fleet *fleet_of(const struct settings *s)
{
    return &s->registry->fleet;
}

static int64_t read_time(const struct settings *s)
{
    return breaker_time(s, s->registry->env.now(s->registry->env.user));
}

static int64_t read_ms(const struct settings *s)
{
    return read_time(s) / NS_PER_MS;
}

static int64_t read_wall(const struct settings *s)
{
    return s->registry->env.wall(s->registry->env.user);
}

static int64_t sum(int64_t a, int64_t b)
{
    int64_t c;

    return __builtin_add_overflow(a, b, &c) ? INT64_MAX : c;
}

/* The longest wait or lease that these settings allow: no record keeps a process out for longer. */
static int64_t longest(const struct settings *s, int state)
{
    const wsrt_breaker_config *c = &s->config;
    int64_t wait = c->recovery_timeout_ms;

    if (state == WSRT_BREAKER_HALF_OPEN)
        return s->lease_ms;
    if (c->backoff_factor > 1 && c->max_recovery_timeout_ms > wait)
        wait = c->max_recovery_timeout_ms;
    return (int64_t)((double)wait * (1 + c->jitter));
}

/* ---- the store ---- */

static void tell(wsrt_breaker *b, int kind)
{
    const struct settings *s = breaker_settings(b);
    wsrt_breaker_event event = {.kind = kind, .time = s->registry->env.now(s->registry->env.user)};

    event.from = event.to = word_state(atomic_load(&b->word));
    wsrt_breaker_publish(b, &event, 0);
}

/* What an answer that began to be waited for at `began` is worth. */
static int judged(wsrt_breaker *b, int rc, int64_t began)
{
    const struct settings *s = breaker_settings(b);
    struct fleet *f = fleet_of(s);
    int64_t now = read_ms(s);

    if ((rc == WSRT_OK || rc == WSRT_ERR_EXISTS) && now - began <= f->budget_ms) {
        if (atomic_exchange(&f->down, 0))
            tell(b, WSRT_BREAKER_EVENT_STORE_UP);
        return rc;
    }
    atomic_fetch_add(&breaker_shared(b)->errors, 1);
    atomic_store(&f->alone_until, now + LEAVE_ALONE_MS);
    if (!atomic_exchange(&f->down, 1))
        tell(b, WSRT_BREAKER_EVENT_STORE_DOWN);
    return WSRT_ERR_UNAVAILABLE;
}

static int is_left_alone(const struct settings *s)
{
    return read_ms(s) < atomic_load(&fleet_of(s)->alone_until);
}

static wsrt_breaker_shared_key key_of(const wsrt_breaker *b, const struct fleet *f)
{
    return (wsrt_breaker_shared_key){sizeof(wsrt_breaker_shared_key), (uint32_t)f->budget_ms,
                                     wsrt_breaker_service(b), wsrt_breaker_operation(b)};
}

static int is_record(const wsrt_breaker_shared *record)
{
    return record->state >= WSRT_BREAKER_CLOSED && record->state <= WSRT_BREAKER_OPEN;
}

/* A record met again ends when it did at first sight, whatever it says. */
static void remember(wsrt_breaker *b, const wsrt_breaker_shared *record)
{
    const struct settings *s = breaker_settings(b);
    struct shared *sh = breaker_shared(b);
    int64_t most = longest(s, record->state), wall = read_wall(s), left;

    if (__builtin_sub_overflow(record->until, wall, &left))
        left = record->until < wall ? 0 : most;
    left = left < 0 || record->state == WSRT_BREAKER_CLOSED ? 0 : left < most ? left : most;
    int64_t until = read_ms(s) + left;
    if (record->version == sh->version && record->state == sh->state &&
        until > atomic_load(&sh->until))
        until = atomic_load(&sh->until);
    sh->version = record->version;
    sh->state = record->state;
    sh->growth = record->growth_step < UINT16_MAX ? record->growth_step : UINT16_MAX;
    atomic_store(&sh->until, until);
}

static int load(wsrt_breaker *b)
{
    const struct settings *s = breaker_settings(b);
    struct fleet *f = fleet_of(s);
    wsrt_breaker_shared_key key = key_of(b, f);
    wsrt_breaker_shared record = {.struct_size = sizeof record};

    if (is_left_alone(s))
        return WSRT_ERR_UNAVAILABLE;
    int64_t began = read_ms(s);
    int rc = f->ops.load(f->self, &key, &record);
    if (rc == WSRT_ERR_NOT_FOUND) {
        record = (wsrt_breaker_shared){.struct_size = sizeof record};
        rc = WSRT_OK;
    }
    rc = judged(b, rc == WSRT_OK && is_record(&record) ? WSRT_OK : WSRT_ERR_UNAVAILABLE, began);
    if (rc == WSRT_OK)
        remember(b, &record);
    return rc;
}

/* Writes over the record seen last; WSRT_ERR_EXISTS: over a later one it did not. */
static int swap(wsrt_breaker *b, int state, int64_t left_ms, uint32_t growth)
{
    const struct settings *s = breaker_settings(b);
    struct fleet *f = fleet_of(s);
    wsrt_breaker_shared_key key = key_of(b, f);
    uint64_t expected = breaker_shared(b)->version;
    wsrt_breaker_shared seen = {.struct_size = sizeof seen};
    wsrt_breaker_shared record = {
        .struct_size = sizeof record,
        .state = state,
        .version = expected + 1,
        .until = state == WSRT_BREAKER_CLOSED ? 0 : sum(read_wall(s), left_ms),
        .owner = f->owner,
        .growth_step = growth,
    };

    if (is_left_alone(s))
        return WSRT_ERR_UNAVAILABLE;
    int64_t began = read_ms(s);
    int rc = f->ops.compare_and_swap(f->self, &key, expected, &record, &seen);
    if (rc == WSRT_ERR_EXISTS && (!is_record(&seen) || seen.version == expected))
        rc = WSRT_ERR_UNAVAILABLE;
    rc = judged(b, rc, began);
    if (rc == WSRT_OK || rc == WSRT_ERR_EXISTS)
        remember(b, rc == WSRT_OK ? &record : &seen);
    return rc;
}

/* ---- adopting ---- */

/* Somebody waits, or probes. */
static int is_running(wsrt_breaker *b)
{
    const struct shared *sh = breaker_shared(b);

    return sh->state != WSRT_BREAKER_CLOSED &&
           atomic_load(&sh->until) > read_ms(breaker_settings(b));
}

/* An OPEN breaker that learns of another schedule has not opened once more. */
static void adopt_deadline(wsrt_breaker *b, uint64_t word, const struct move *m)
{
    uint64_t to = word >> GENERATION_SHIFT << GENERATION_SHIFT | (uint64_t)m->deadline;

    if (atomic_compare_exchange_strong(&b->word, &word, to))
        atomic_store(&b->growth, (uint16_t)m->growth);
}

/* Takes over the record seen last. While another process probes the wait is over, and the next look
 * is one in a second. */
static void adopt(wsrt_breaker *b, uint64_t word)
{
    const struct settings *s = breaker_settings(b);
    const struct shared *sh = breaker_shared(b);
    int closed = sh->state == WSRT_BREAKER_CLOSED;
    struct move m = {.state = closed ? WSRT_BREAKER_CLOSED : WSRT_BREAKER_OPEN,
                     .kind = WSRT_BREAKER_EVENT_TRANSITION,
                     .cause = WSRT_CAUSE_ADOPTED,
                     .growth = closed ? 0 : (int)sh->growth,
                     .t = read_time(s)};

    if (!closed)
        m.deadline = sh->state == WSRT_BREAKER_OPEN ? atomic_load(&sh->until) : m.t / NS_PER_MS;
    if (!closed && word_state(word) == WSRT_BREAKER_OPEN) {
        adopt_deadline(b, word, &m);
        return;
    }
    m.wait_ms = m.deadline > m.t / NS_PER_MS ? m.deadline - m.t / NS_PER_MS : 0;
    m.counts = wsrt_breaker_counts(b, s, word, m.t);
    m.freeze = word_state(word) == WSRT_BREAKER_CLOSED;
    (void)wsrt_breaker_move(b, word, &m);
}

/* ---- talking to the store, one thread at a time ---- */

static int enter(wsrt_breaker *b)
{
    return !atomic_exchange(&breaker_shared(b)->busy, 1);
}

static int write_once(wsrt_breaker *b, uint64_t word)
{
    const struct settings *s = breaker_settings(b);

    if (word_state(word) == WSRT_BREAKER_CLOSED)
        return swap(b, WSRT_BREAKER_CLOSED, 0, 0);
    return swap(b, WSRT_BREAKER_OPEN, word_left(word, read_time(s)), atomic_load(&b->growth));
}

/* Tells the fleet of this breaker's state. One that opens follows the schedule of whoever was first;
 * one that closes leaves a later record alone. */
static void write_state(wsrt_breaker *b)
{
    struct shared *sh = breaker_shared(b);

    for (int i = 0; i < TRIES; i++) {
        uint64_t word = atomic_load(&b->word);
        if (word_state(word) != WSRT_BREAKER_CLOSED && word_state(word) != WSRT_BREAKER_OPEN)
            return;
        int rc = write_once(b, word);
        sh->dirty = rc != WSRT_OK;
        if (rc != WSRT_ERR_EXISTS)
            return;
        if (word_state(word) == WSRT_BREAKER_CLOSED || is_running(b)) {
            sh->dirty = 0;
            if (word_state(word) == WSRT_BREAKER_OPEN)
                adopt(b, word);
            return;
        }
    }
}

/* What changed while this thread was busy is written by it. */
static void leave(wsrt_breaker *b)
{
    struct shared *sh = breaker_shared(b);

    do {
        while (atomic_exchange(&sh->pending, 0))
            write_state(b);
        atomic_store(&sh->busy, 0);
    } while (atomic_load(&sh->pending) && enter(b));
}

/* A CLOSED breaker asks what the fleet knows. */
static void look(wsrt_breaker *b)
{
    struct shared *sh = breaker_shared(b);

    atomic_store(&sh->next_look, read_ms(breaker_settings(b)) + LOOK_EVERY_MS);
    if (sh->dirty)
        write_state(b);
    else if (load(b) == WSRT_OK && sh->state != WSRT_BREAKER_CLOSED) {
        uint64_t word = atomic_load(&b->word);
        if (word_state(word) == WSRT_BREAKER_CLOSED && !atomic_load(&sh->local))
            adopt(b, word);
    }
}

void wsrt_fleet_first_look(wsrt_breaker *b, uint64_t word)
{
    uint64_t seen = word & (((uint64_t)1 << STATE_SHIFT) - 1);

    if (!atomic_compare_exchange_strong(&b->word, &word, seen) || !enter(b))
        return;
    look(b);
    leave(b);
}

void wsrt_fleet_moved(wsrt_breaker *b, int cause)
{
    struct shared *sh = breaker_shared(b);

    switch (cause) {
    case WSRT_CAUSE_FAILURES:
    case WSRT_CAUSE_SLOW_CALLS:
        atomic_store(&sh->local, 0);
        atomic_store(&sh->pending, 1);
        break;
    case WSRT_CAUSE_PROBE_SUCCEEDED:
    case WSRT_CAUSE_PROBE_FAILED:
        atomic_store(&sh->pending, !atomic_load(&sh->local));
        break;
    case WSRT_CAUSE_COMMAND:
        atomic_store(&sh->local, 1);
        atomic_store(&sh->pending, 0);
        break;
    case WSRT_CAUSE_RESTORED:
        atomic_store(&sh->local, 0);
    }
}

void wsrt_fleet_settled(wsrt_breaker *b, int failure)
{
    struct shared *sh = breaker_shared(b);

    if (!atomic_load(&sh->pending) &&
        (!failure || atomic_load(&sh->local) || !word_is_closed(atomic_load(&b->word)) ||
         read_ms(breaker_settings(b)) < atomic_load(&sh->next_look)))
        return;
    if (!enter(b))
        return;
    if (!atomic_load(&sh->pending))
        look(b);
    leave(b);
}

/* ---- who probes ---- */

static int refuse(wsrt_rejection *why, int reason, int64_t left)
{
    *why = (wsrt_rejection){reason, 0, left};
    return CLAIM_REFUSED;
}

/* What the record seen last means for a breaker whose own wait is over; CLAIM_GRANTED: it may try. */
static int consider(wsrt_breaker *b, uint64_t word, wsrt_rejection *why)
{
    struct shared *sh = breaker_shared(b);
    int64_t ms = read_ms(breaker_settings(b));

    if (sh->state == WSRT_BREAKER_CLOSED ? sh->dirty || atomic_load(&sh->pending) : !is_running(b))
        return CLAIM_GRANTED;
    if (sh->state == WSRT_BREAKER_HALF_OPEN) {
        atomic_store(&sh->next_look, ms + LOOK_EVERY_MS);
        return refuse(why, WSRT_REJECT_PROBE_BUSY, atomic_load(&sh->until) - ms);
    }
    adopt(b, word);
    return CLAIM_AGAIN;
}

/* A record whose wait or lease is over is written over at once; of another one it is asked first what
 * has become of it. */
static int claim(wsrt_breaker *b, uint64_t word, wsrt_rejection *why)
{
    const struct settings *s = breaker_settings(b);
    struct shared *sh = breaker_shared(b);
    int rc = is_running(b) ? load(b) : WSRT_ERR_NOT_FOUND, verdict;

    for (int i = 0; i < TRIES; i++) {
        if (rc == WSRT_ERR_UNAVAILABLE)
            break;
        if (rc != WSRT_ERR_NOT_FOUND && (verdict = consider(b, word, why)) != CLAIM_GRANTED)
            return verdict;
        rc = swap(b, WSRT_BREAKER_HALF_OPEN, s->lease_ms, atomic_load(&b->growth));
        if (rc == WSRT_OK) {
            sh->dirty = 0;
            atomic_store(&sh->pending, 0);
            return CLAIM_GRANTED;
        }
    }
    return rc == WSRT_ERR_EXISTS ? refuse(why, WSRT_REJECT_PROBE_BUSY, LOOK_EVERY_MS)
                                 : CLAIM_GRANTED;
}

int wsrt_fleet_claim(wsrt_breaker *b, int64_t now, wsrt_rejection *why)
{
    const struct settings *s = breaker_settings(b);
    struct shared *sh = breaker_shared(b);
    int64_t ms = breaker_time(s, now) / NS_PER_MS, until = atomic_load(&sh->until);
    int verdict = CLAIM_AGAIN;

    if (atomic_load(&sh->local))
        return CLAIM_GRANTED;
    if (ms < until && ms < atomic_load(&sh->next_look))
        return refuse(why, WSRT_REJECT_PROBE_BUSY, until - ms);
    if (!enter(b))
        return refuse(why, WSRT_REJECT_CLAIM, -1);
    uint64_t word = atomic_load(&b->word);
    if ((word_state(word) == WSRT_BREAKER_OPEN || word_state(word) == WSRT_BREAKER_HALF_OPEN) &&
        word_is_due(word, read_time(s)))
        verdict = claim(b, word, why);
    leave(b);
    return verdict;
}
