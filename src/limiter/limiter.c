#include <wsrt/limiter.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/options.h"
#include "limiter/table.h"

enum { SCOPES = 7, MOST_KEYS = 8, MOST_BURST = 1 << 24, DEFAULT_KEYS = 65536, TRIES = 8 };
enum { LANES = 16, LINE = 64 };

#define UNLIKELY(what) __builtin_expect((what), 0)
#define LIKELY(what) __builtin_expect((what), 1)

/* A full bucket drains within 2^60 ns, so a time 2^61 above the least never meets 2^64. */
#define LONGEST ((uint64_t)1 << 60)
#define EARLIEST (INT64_MIN + ((int64_t)1 << 61))

struct gcra {
    uint64_t step;  /* ns a unit; 0 = not limited */
    uint64_t spare; /* (burst - 1) * step: a unit passes up to this far ahead */
    uint32_t burst;
    uint32_t flags;
};

/* Refusals of cells, by scope. A flood is when refusing must be cheap, and one atomic counter that
 * all threads fight for costs more than the decision: a cell counts in a lane of its own, by plain
 * loads and stores. Two threads lose a count only when their cells share a lane in the same instant. */
struct lane {
    uint64_t refused[8];
};

_Static_assert(sizeof(struct lane) == LINE, "lanes do not share lines");

struct kept_rule {
    struct kept_rule *next;
    struct gcra rule;
};

struct wsrt_limiter {
    uint64_t closed[SCOPES]; /* farther ahead a rule refuses a unit without more ado; or never */
    const struct gcra *rules[SCOPES]; /* by scope; swapped as one */
    wsrt_allocator allocator;
    uint64_t hash_key;
    uint32_t flags;
    struct gcra given[SCOPES]; /* those of the beginning */
    struct kept_rule *kept;    /* those since, each once: some thread may be reading one */
    wsrt_limiter_table table;
    uint64_t refused[8]; /* but for those in the lanes */
    uint64_t shadow[8];
    uint64_t table_full;
    struct lane lanes[LANES];
};

/* One limited scope of a request on its way through the check. */
struct part {
    const struct gcra *rule;
    uint64_t *tat;        /* NULL = absent from the table */
    uint64_t fingerprint; /* 0 = the caller's own cell */
    uint64_t ahead;       /* how far its time is ahead of the request's */
    int scope;
    int idle; /* 1 = neither charged nor reported: a dry run that refuses, a full table */
    struct gcra own;
};

/* A request: time and units are the same for all its scopes. */
struct request {
    struct part parts[MOST_KEYS];
    size_t count;
    uint64_t now;
    uint32_t n;
};

/* ---- rules -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    wsrt_rule rule;
} scopes[SCOPES] = {
    {"unknown", {0, 0, WSRT_RULE_OFF}},
    {"connection", {10, 20, 0}},
    {"user", {20, 40, 0}},
    {"route", {0, 0, WSRT_RULE_OFF}},
    {"stage", {0, 0, WSRT_RULE_OFF}},
    {"connect", {1, 10, 0}},
    {"ping", {0.2, 5, 0}},
};

const char *wsrt_scope_name(int scope)
{
    return scopes[(unsigned)scope < SCOPES ? scope : 0].name;
}

static int compile(struct gcra *out, const wsrt_rule *given, int scope)
{
    wsrt_rule rule = *given;

    if ((rule.flags & ~(uint32_t)(WSRT_RULE_OFF | WSRT_RULE_DRY_RUN)) != 0)
        return WSRT_ERR_INVALID;
    if (!(rule.rate < 0 || rule.rate > 0) && rule.burst == 0) {
        rule = scopes[scope].rule;
        rule.flags |= given->flags;
    }
    *out = (struct gcra){.burst = rule.burst, .flags = rule.flags};
    if ((rule.flags & WSRT_RULE_OFF) != 0)
        return WSRT_OK;
    if (!(rule.rate > 0 && rule.rate <= 1e9) || rule.burst < 1 || rule.burst > MOST_BURST)
        return WSRT_ERR_INVALID;
    double step = 1e9 / rule.rate + 0.5;
    if (!(step < (double)LONGEST) || (uint64_t)step > LONGEST / rule.burst)
        return WSRT_ERR_INVALID;
    out->step = (uint64_t)step;
    out->spare = (out->burst - 1) * out->step;
    return WSRT_OK;
}

static void put_rule(wsrt_limiter *l, int scope, const struct gcra *rule)
{
    __atomic_store_n(&l->rules[scope], rule, __ATOMIC_RELEASE);
    __atomic_store_n(&l->closed[scope], rule->flags == 0 ? rule->spare : UINT64_MAX,
                     __ATOMIC_RELAXED);
}

static int compile_all(wsrt_limiter *l, const wsrt_limiter_options *o)
{
    const wsrt_rule *given[SCOPES] = {NULL,      &o->connection, &o->user, &o->route,
                                      &o->stage, &o->connect,    &o->ping};
    int rc = WSRT_OK;

    l->given[0].flags = WSRT_RULE_OFF;
    for (int i = 0; i < SCOPES && rc == WSRT_OK; i++) {
        if (i > 0)
            rc = compile(&l->given[i], given[i], i);
        put_rule(l, i, &l->given[i]);
    }
    return rc;
}

/* ---- life --------------------------------------------------------------------------------- */

static int fill(wsrt_limiter *l, const wsrt_limiter_options *o)
{
    uint64_t max_keys = o->max_keys == 0 ? DEFAULT_KEYS : o->max_keys;

    if ((o->flags & ~(uint32_t)WSRT_LIMITER_REFUSE_WHEN_FULL) != 0)
        return WSRT_ERR_UNSUPPORTED;
    l->flags = o->flags;
    if (max_keys > UINT32_MAX)
        return WSRT_ERR_INVALID;
    l->hash_key = o->hash_key;
    int rc = compile_all(l, o);
    return rc != WSRT_OK ? rc : wsrt_limiter_table_init(&l->table, max_keys, &l->allocator);
}

int wsrt_limiter_new(wsrt_limiter **out, const wsrt_limiter_options *opts)
{
    wsrt_limiter_options o;
    wsrt_allocator allocator;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_options_load(&o, sizeof o, sizeof(wsrt_limiter_options), opts);
    if (rc == WSRT_OK)
        rc = wsrt_allocator_load(&allocator, &o.allocator);
    if (rc != WSRT_OK)
        return rc;
    wsrt_limiter *l = wsrt_mem_zalloc(&allocator, sizeof *l);
    if (l == NULL)
        return WSRT_ERR_NOMEM;
    l->allocator = allocator;
    rc = fill(l, &o);
    if (rc != WSRT_OK) {
        wsrt_limiter_free(l);
        return rc;
    }
    *out = l;
    return WSRT_OK;
}

void wsrt_limiter_free(wsrt_limiter *l)
{
    if (l == NULL)
        return;
    wsrt_allocator allocator = l->allocator;
    for (struct kept_rule *k = l->kept, *next; k != NULL; k = next) {
        next = k->next;
        wsrt_mem_free(&allocator, k, sizeof *k);
    }
    wsrt_limiter_table_free(&l->table, &allocator);
    wsrt_mem_free(&allocator, l, sizeof *l);
}

/* ---- rules at run time -------------------------------------------------------------------- */

static int same_rule(const struct gcra *a, const struct gcra *b)
{
    return a->step == b->step && a->burst == b->burst && a->flags == b->flags;
}

/* The one place for a rule: going back and forth between two of them needs no more memory. */
static const struct gcra *keep(wsrt_limiter *l, const struct gcra *rule)
{
    for (int i = 0; i < SCOPES; i++)
        if (same_rule(&l->given[i], rule))
            return &l->given[i];
    for (struct kept_rule *k = l->kept; k != NULL; k = k->next)
        if (same_rule(&k->rule, rule))
            return &k->rule;
    struct kept_rule *k = wsrt_mem_zalloc(&l->allocator, sizeof *k);
    if (k == NULL)
        return NULL;
    *k = (struct kept_rule){.next = l->kept, .rule = *rule};
    l->kept = k;
    return &k->rule;
}

int wsrt_limiter_set_rule(wsrt_limiter *l, int scope, const wsrt_rule *rule)
{
    struct gcra compiled;

    if (l == NULL || rule == NULL || scope < 1 || scope >= SCOPES)
        return WSRT_ERR_INVALID;
    int rc = compile(&compiled, rule, scope);
    if (rc != WSRT_OK)
        return rc;
    pthread_mutex_lock(&l->table.newcomers); /* changes are rare enough to share a lock */
    const struct gcra *kept = keep(l, &compiled);
    if (kept != NULL)
        put_rule(l, scope, kept);
    pthread_mutex_unlock(&l->table.newcomers);
    return kept == NULL ? WSRT_ERR_NOMEM : WSRT_OK;
}

static const struct gcra *rule_of(const wsrt_limiter *l, int scope)
{
    return __atomic_load_n(&l->rules[scope], __ATOMIC_ACQUIRE);
}

/* ---- one scope ---------------------------------------------------------------------------- */

/* Times as unsigned distances from the earliest one that is told apart. */
static uint64_t position(int64_t now)
{
    return UNLIKELY(now < EARLIEST) ? 0 : (uint64_t)now - (uint64_t)EARLIEST;
}

static void count_one(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline void count_in_lane(wsrt_limiter *l, const wsrt_limiter_cell *cell, uint64_t scope)
{
    uint64_t *counter = &l->lanes[(uintptr_t)cell / LINE % LANES].refused[scope];

    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

static uint64_t ahead_of(uint64_t tat, uint64_t now)
{
    return tat > now ? tat - now : 0;
}

/* ns until `n` units pass; 0 = now. */
static uint64_t wait_for(const struct gcra *rule, uint64_t ahead, uint32_t n)
{
    uint64_t most = (rule->burst - n) * rule->step;

    return ahead > most ? ahead - most : 0;
}

/* Adds `n` units to a cell; `ahead` is what it stands at then. 0 = they do not pass (any more), or a
 * table's slot is changing its owner. */
static int charge_cell(uint64_t *tat, const struct gcra *rule, uint32_t n, uint64_t now,
                       uint64_t *ahead)
{
    uint64_t old = __atomic_load_n(tat, __ATOMIC_RELAXED), cost = n * rule->step;

    do {
        *ahead = ahead_of(old, now);
        if (wait_for(rule, *ahead, n) != 0)
            return 0;
    } while (!__atomic_compare_exchange_n(tat, &old, now + *ahead + cost, 0, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    *ahead += cost;
    return 1;
}

static void refund_cell(uint64_t *tat, uint64_t amount)
{
    uint64_t old = __atomic_load_n(tat, __ATOMIC_RELAXED);

    while (old >= amount && old != WSRT_SLOT_BUSY &&
           !__atomic_compare_exchange_n(tat, &old, old - amount, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        continue;
}

static int64_t units_left(const struct gcra *rule, uint64_t ahead)
{
    uint64_t most = rule->burst * rule->step;

    /* Most refusals leave less than a unit: no division for them. */
    return ahead + rule->step > most ? 0 : (int64_t)((most - ahead) / rule->step);
}

static void describe(wsrt_limit_result *out, int scope, const struct gcra *rule, uint64_t ahead,
                     uint64_t wait)
{
    out->scope = scope;
    out->limit = rule->burst;
    out->remaining = units_left(rule, ahead);
    out->retry_after = wait > INT64_MAX ? INT64_MAX : (int64_t)wait;
}

/* The same for a key of the table, whose slot may go to another key until it is charged. */
static int charge_slot(wsrt_limiter *l, struct part *p, const struct request *r)
{
    for (int i = 0; i < TRIES; i++) {
        wsrt_limiter_slot *s = wsrt_limiter_table_claim(&l->table, p->fingerprint, r->now);
        if (s == NULL)
            break;
        int charged = charge_cell(&s->tat, p->rule, r->n, r->now, &p->ahead);
        if (wsrt_limiter_table_find(&l->table, p->fingerprint) == s) {
            p->tat = &s->tat;
            return charged;
        }
        if (charged)
            refund_cell(&s->tat, r->n * p->rule->step);
    }
    count_one(&l->table_full);
    p->idle = 1;
    p->ahead = p->rule->burst * p->rule->step; /* as if it were drained */
    return (l->flags & WSRT_LIMITER_REFUSE_WHEN_FULL) == 0;
}

/* ---- all scopes --------------------------------------------------------------------------- */

/* Adds a key to the request, unless its scope is not limited. */
static int add_part(wsrt_limiter *l, struct request *r, const wsrt_limit_key *key)
{
    struct part *p = &r->parts[r->count];

    if (key->scope < 1 || key->scope >= SCOPES || key->reserved != 0)
        return WSRT_ERR_INVALID;
    p->rule = rule_of(l, key->scope);
    if (key->rule != NULL) {
        int rc = compile(&p->own, key->rule, key->scope);
        if (rc != WSRT_OK)
            return rc;
        p->rule = &p->own;
    }
    if (p->rule->step == 0)
        return WSRT_OK;
    if (r->n > p->rule->burst)
        return WSRT_ERR_INVALID;
    p->scope = key->scope;
    p->idle = 0;
    p->fingerprint = 0;
    if (key->cell != NULL) {
        p->tat = &key->cell->tat;
    } else {
        uint64_t hash = wsrt_hash(l->hash_key + (uint64_t)key->scope, key->key.ptr, key->key.len);
        p->fingerprint = hash == 0 ? 1 : hash;
        wsrt_limiter_slot *s = wsrt_limiter_table_find(&l->table, p->fingerprint);
        p->tat = s == NULL ? NULL : &s->tat;
    }
    r->count++;
    return WSRT_OK;
}

/* How far a part's time is ahead of the request's. */
static uint64_t ahead_now(const wsrt_limiter *l, const struct part *p, uint64_t now)
{
    uint64_t tat = __atomic_load_n(p->tat != NULL ? p->tat : &l->table.horizon, __ATOMIC_RELAXED);

    return tat == WSRT_SLOT_BUSY ? 0 : ahead_of(tat, now);
}

/* What a refusing scope means: 1 = for the request too, 0 = it is only tried out. */
static int refuses(wsrt_limiter *l, struct part *p)
{
    int dry = (p->rule->flags & WSRT_RULE_DRY_RUN) != 0;

    if (dry) {
        count_one(&l->shadow[p->scope]);
        p->idle = 1;
    }
    return !dry;
}

/* Looks at every scope; of those that refuse, the one that does so longest goes to `out`. */
static int test_all(wsrt_limiter *l, struct request *r, wsrt_limit_result *out)
{
    uint64_t longest = 0;

    for (size_t i = 0; i < r->count; i++) {
        struct part *p = &r->parts[i];
        p->ahead = ahead_now(l, p, r->now);
        uint64_t wait = wait_for(p->rule, p->ahead, r->n);
        if (wait != 0 && refuses(l, p) && wait > longest) {
            longest = wait;
            describe(out, p->scope, p->rule, p->ahead, wait);
        }
    }
    return longest == 0;
}

/* Charges every scope, or none when another thread was faster at one of them. */
static int charge_all(wsrt_limiter *l, struct request *r, wsrt_limit_result *out)
{
    for (size_t i = 0; i < r->count; i++) {
        struct part *p = &r->parts[i];
        if (p->idle)
            continue;
        if (p->fingerprint == 0 ? charge_cell(p->tat, p->rule, r->n, r->now, &p->ahead)
                                : charge_slot(l, p, r))
            continue;
        if (!refuses(l, p))
            continue;
        describe(out, p->scope, p->rule, p->ahead, wait_for(p->rule, p->ahead, r->n));
        while (i-- > 0)
            if (!r->parts[i].idle)
                refund_cell(r->parts[i].tat, r->n * r->parts[i].rule->step);
        return 0;
    }
    return 1;
}

/* The scope with the fewest units left. */
static void find_tightest(const struct request *r, wsrt_limit_result *out)
{
    *out = (wsrt_limit_result){.remaining = INT64_MAX};
    for (size_t i = 0; i < r->count; i++) {
        const struct part *p = &r->parts[i];
        if (!p->idle && units_left(p->rule, p->ahead) < out->remaining)
            describe(out, p->scope, p->rule, p->ahead, 0);
    }
}

static int check_all(wsrt_limiter *l, const wsrt_limit_key *keys, size_t count, uint32_t n,
                     uint64_t now, wsrt_limit_result *out)
{
    struct request request, *r = &request; /* its parts are filled one by one */
    wsrt_limit_result refusal;

    r->count = 0;
    r->n = n;
    r->now = now;

    for (size_t i = 0; i < count; i++) {
        int rc = add_part(l, r, &keys[i]);
        if (rc != WSRT_OK)
            return rc;
    }
    if (!test_all(l, r, &refusal) || (r->n > 0 && !charge_all(l, r, &refusal))) {
        count_one(&l->refused[refusal.scope]);
        if (out != NULL)
            *out = refusal;
        return WSRT_ERR_RATE_LIMITED;
    }
    if (out != NULL)
        find_tightest(r, out);
    return WSRT_OK;
}

/* Scope and reserved at once: the scope, where it is one. */
static inline uint64_t scope_of(const wsrt_limit_key *key)
{
    return (uint64_t)key->reserved << 32 | (uint32_t)key->scope;
}

/* Charging tests by itself: for one cell that is all there is to do. The key is of a scope, and has no
 * rule of its own. */
static int check_one(wsrt_limiter *l, const wsrt_limit_key *key, uint32_t n, uint64_t now,
                     wsrt_limit_result *out)
{
    const struct gcra *rule = rule_of(l, key->scope);
    uint64_t ahead;

    if (key->cell == NULL || rule->flags != 0)
        return check_all(l, key, 1, n, now, out);
    if (n > rule->burst)
        return WSRT_ERR_INVALID;
    int charged = charge_cell(&key->cell->tat, rule, n, now, &ahead);
    if (!charged)
        count_in_lane(l, key->cell, (uint64_t)key->scope);
    if (out != NULL)
        describe(out, key->scope, rule, ahead, charged ? 0 : wait_for(rule, ahead, n));
    return charged ? WSRT_OK : WSRT_ERR_RATE_LIMITED;
}

/* Where all scopes but one are off, as for a connection without a user, that one is asked alone; NULL =
 * all are to be looked at, if only to find what is wrong with them. */
static const wsrt_limit_key *only_limited(const wsrt_limiter *l, const wsrt_limit_key *keys,
                                          size_t count)
{
    const wsrt_limit_key *only = NULL;

    for (size_t i = 0; i < count; i++) {
        uint64_t scope = scope_of(&keys[i]);
        if (scope - 1 >= SCOPES - 1 || keys[i].rule != NULL)
            return NULL;
        if (rule_of(l, (int)scope)->step == 0)
            continue;
        if (only != NULL)
            return NULL;
        only = &keys[i];
    }
    return only;
}

/* Apart, so that its frame costs the commonest request nothing. */
__attribute__((noinline)) static int check_any(wsrt_limiter *l, const wsrt_limit_key *keys,
                                               size_t count, uint32_t n, int64_t time,
                                               wsrt_limit_result *out)
{
    uint64_t now = position(time);

    if (l == NULL || count > MOST_KEYS || (keys == NULL && count > 0))
        return WSRT_ERR_INVALID;
    const wsrt_limit_key *only = n > 0 ? only_limited(l, keys, count) : NULL;
    if (only != NULL)
        return check_one(l, only, n, now, out);
    return check_all(l, keys, count, n, now, out);
}

/* Charges one unit of a cell that was not refused at once. */
static inline int take_one(wsrt_limiter_cell *cell, const struct gcra *rule, uint64_t now)
{
    uint64_t old = __atomic_load_n(&cell->tat, __ATOMIC_RELAXED), from;

    do {
        from = old > now ? old : now;
        if (UNLIKELY(from - now > rule->spare)) /* by now: others were faster */
            return WSRT_ERR_RATE_LIMITED;
    } while (UNLIKELY(!__atomic_compare_exchange_n(&cell->tat, &old, from + rule->step, 0,
                                                   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)));
    return WSRT_OK;
}

/* The commonest request: one unit of one cell, and nobody asks for details. In a flood nearly all of
 * them are refused, and nothing is cheaper than that: a look at the cell and at its rule. A time before
 * the earliest one wraps round to behind every other: what is refused there would be refused anyway. It
 * begins with a line of the cache: a refusal that begins elsewhere takes a twentieth longer. */
__attribute__((aligned(64))) int wsrt_limiter_check(wsrt_limiter *l, const wsrt_limit_key *keys,
                                                    size_t count, uint32_t n, int64_t now,
                                                    wsrt_limit_result *out)
{
    if (UNLIKELY(l == NULL || ((count - 1) | (n - 1) | (uintptr_t)out) != 0 || keys == NULL))
        return check_any(l, keys, count, n, now, out);
    wsrt_limiter_cell *cell = keys->cell;
    uint64_t scope = scope_of(keys) | (uintptr_t)keys->rule; /* no rule lies among the scopes */
    if (UNLIKELY(cell == NULL || scope >= SCOPES))
        return check_any(l, keys, 1, 1, now, NULL);
    uint64_t at = (uint64_t)now - (uint64_t)EARLIEST;
    uint64_t tat = __atomic_load_n(&cell->tat, __ATOMIC_RELAXED);
    if (LIKELY(tat > at && tat - at > __atomic_load_n(&l->closed[scope], __ATOMIC_RELAXED)))
        goto refused;
    const struct gcra *rule = rule_of(l, (int)scope);
    if (UNLIKELY(rule->flags != 0 || now < EARLIEST))
        return check_any(l, keys, 1, 1, now, NULL);
    if (LIKELY(take_one(cell, rule, at) == WSRT_OK))
        return WSRT_OK;
refused:
    count_in_lane(l, cell, scope);
    return WSRT_ERR_RATE_LIMITED;
}

static uint64_t refused_in(const wsrt_limiter *l, int scope)
{
    uint64_t sum = __atomic_load_n(&l->refused[scope], __ATOMIC_RELAXED);

    for (int i = 0; i < LANES; i++)
        sum += __atomic_load_n(&l->lanes[i].refused[scope], __ATOMIC_RELAXED);
    return sum;
}

int wsrt_limiter_get_stats(wsrt_limiter *l, wsrt_limiter_stats *out)
{
    if (l == NULL)
        return WSRT_ERR_INVALID;
    wsrt_limiter_stats s = {
        .table_full = __atomic_load_n(&l->table_full, __ATOMIC_RELAXED),
        .keys = __atomic_load_n(&l->table.keys, __ATOMIC_RELAXED),
    };
    for (int i = 0; i < 8; i++) {
        s.refused[i] = refused_in(l, i);
        s.shadow[i] = __atomic_load_n(&l->shadow[i], __ATOMIC_RELAXED);
    }
    return wsrt_report_fill(out, sizeof s, sizeof(wsrt_limiter_stats), &s);
}
