#include "limiter/table.h"

#include "base/alloc.h"

enum { WIDTH = 8, LINE = 64, TRIES = 4 };

/* 11 slots for 8 keys: with two buckets to choose from, practically all keys find room. */
int wsrt_limiter_table_init(wsrt_limiter_table *t, uint64_t max_keys, const wsrt_allocator *a)
{
    uint64_t buckets = max_keys / WIDTH * 11 / WIDTH + 2;

    *t = (wsrt_limiter_table){.buckets = buckets};
    if (buckets > (SIZE_MAX - LINE) / (WIDTH * sizeof *t->slots))
        return WSRT_ERR_NOMEM;
    t->size = (size_t)buckets * WIDTH * sizeof *t->slots + LINE - 1;
    t->memory = wsrt_mem_zalloc(a, t->size);
    if (t->memory == NULL)
        return WSRT_ERR_NOMEM;
    if (pthread_mutex_init(&t->newcomers, NULL) != 0) {
        wsrt_mem_free(a, t->memory, t->size);
        t->memory = NULL;
        return WSRT_ERR_NOMEM;
    }
    uintptr_t first = ((uintptr_t)t->memory + LINE - 1) / LINE * LINE;
    t->slots = (wsrt_limiter_slot *)first;
    return WSRT_OK;
}

void wsrt_limiter_table_free(wsrt_limiter_table *t, const wsrt_allocator *a)
{
    if (t->memory == NULL)
        return;
    pthread_mutex_destroy(&t->newcomers);
    wsrt_mem_free(a, t->memory, t->size);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* First slot of a key's first or second bucket. */
static wsrt_limiter_slot *bucket(const wsrt_limiter_table *t, uint64_t fingerprint, int second)
{
    uint64_t half = second ? fingerprint & UINT32_MAX : fingerprint >> 32;

    return t->slots + (half * t->buckets >> 32) * WIDTH;
}

static int holds(const wsrt_limiter_slot *s, uint64_t fingerprint)
{
    return load(&s->fingerprint) == fingerprint && load(&s->tat) != WSRT_SLOT_BUSY;
}

static wsrt_limiter_slot *find_in(wsrt_limiter_slot *s, uint64_t fingerprint)
{
    for (int i = 0; i < WIDTH; i++)
        if (holds(s + i, fingerprint))
            return s + i;
    return NULL;
}

wsrt_limiter_slot *wsrt_limiter_table_find(wsrt_limiter_table *t, uint64_t fingerprint)
{
    wsrt_limiter_slot *s = find_in(bucket(t, fingerprint, 0), fingerprint);

    return s != NULL ? s : find_in(bucket(t, fingerprint, 1), fingerprint);
}

/* Takes an idle slot from whoever had it; 0 = it is in use after all. Under the lock. */
static int take_over(wsrt_limiter_table *t, wsrt_limiter_slot *s, uint64_t fingerprint,
                     uint64_t now)
{
    uint64_t old = load(&s->tat);

    if (old > now || !__atomic_compare_exchange_n(&s->tat, &old, WSRT_SLOT_BUSY, 0,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    if (old > load(&t->horizon))
        __atomic_store_n(&t->horizon, old, __ATOMIC_SEQ_CST);
    uint64_t owner = load(&s->fingerprint);
    __atomic_store_n(&s->fingerprint, fingerprint, __ATOMIC_SEQ_CST);
    __atomic_store_n(&s->tat, fingerprint == 0 ? 0 : load(&t->horizon), __ATOMIC_SEQ_CST);
    if (owner == 0)
        __atomic_fetch_add(&t->keys, 1, __ATOMIC_RELAXED);
    if (fingerprint == 0)
        __atomic_fetch_sub(&t->keys, 1, __ATOMIC_RELAXED);
    return 1;
}

/* Frees the idle slots of a bucket; returns how many are free, `*spare` being one of them. */
static int sweep(wsrt_limiter_table *t, wsrt_limiter_slot *s, uint64_t now,
                 wsrt_limiter_slot **spare)
{
    int count = 0;

    for (int i = WIDTH - 1; i >= 0; i--) {
        if (load(&s[i].fingerprint) != 0 && !take_over(t, s + i, 0, now))
            continue;
        *spare = s + i;
        count++;
    }
    return count;
}

static wsrt_limiter_slot *take_free(wsrt_limiter_table *t, uint64_t fingerprint, uint64_t now)
{
    for (int i = 0; i < TRIES; i++) {
        wsrt_limiter_slot *spare[2] = {NULL, NULL};
        int count[2];
        for (int second = 0; second < 2; second++)
            count[second] = sweep(t, bucket(t, fingerprint, second), now, &spare[second]);
        wsrt_limiter_slot *s = spare[count[1] > count[0]];
        if (s == NULL)
            return NULL;
        if (take_over(t, s, fingerprint, now))
            return s;
    }
    return NULL;
}

wsrt_limiter_slot *wsrt_limiter_table_claim(wsrt_limiter_table *t, uint64_t fingerprint,
                                            uint64_t now)
{
    wsrt_limiter_slot *s = wsrt_limiter_table_find(t, fingerprint);

    if (s != NULL)
        return s;
    pthread_mutex_lock(&t->newcomers);
    s = wsrt_limiter_table_find(t, fingerprint); /* another thread may have brought it */
    if (s == NULL)
        s = take_free(t, fingerprint, now);
    pthread_mutex_unlock(&t->newcomers);
    return s;
}
