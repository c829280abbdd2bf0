#include "monitor/internal.h"

#include "base/alloc.h"

static size_t series_size(const wsrt_monitor *m)
{
    return sizeof(struct series) + m->chunks * sizeof(struct chunk *);
}

/* Publishes `fresh` where nothing is yet; the loser of a race takes what the winner published. */
static void *publish(slot *place, void *fresh, const wsrt_monitor *m, size_t size)
{
    void *found = NULL;

    if (fresh == NULL)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(place, &found, fresh, memory_order_acq_rel,
                                                memory_order_acquire))
        return fresh;
    wsrt_mem_free(&m->allocator, fresh, size);
    return found;
}

void *wsrt_slot_touch(slot *place, const wsrt_monitor *m, size_t size)
{
    void *found = held(place);

    return found != NULL ? found : publish(place, wsrt_mem_zalloc(&m->allocator, size), m, size);
}

struct series *wsrt_shard_touch(struct shard *shard, int id)
{
    const wsrt_monitor *m = shard->monitor;
    struct page *page = &shard->first;

    if (id >= PAGE_SERIES)
        page = wsrt_slot_touch(&shard->pages[id / PAGE_SERIES - 1], m, sizeof(struct page));
    if (page == NULL)
        return NULL;
    return wsrt_slot_touch(&page->series[id % PAGE_SERIES], m, series_size(m));
}

struct chunk *wsrt_series_touch(const wsrt_monitor *m, struct series *s, unsigned chunk)
{
    return wsrt_slot_touch(&s->chunks[chunk], m, sizeof(struct chunk));
}

struct numbers *wsrt_tally_numbers(const wsrt_monitor *m, struct tally *t)
{
    return wsrt_slot_touch(&t->numbers, m, sizeof(struct numbers));
}

/* ---- folding: what is missing is moved, what is there is added, so nothing is allocated ---- */

static void *take(slot *place)
{
    return atomic_exchange_explicit(place, NULL, memory_order_acq_rel);
}

/* 1 when `from` was moved to an empty `into`. */
static int moved(slot *into, void *from)
{
    if (atomic_load_explicit(into, memory_order_relaxed) != NULL)
        return 0;
    atomic_store_explicit(into, from, memory_order_release);
    return 1;
}

static void fold_numbers(struct numbers *into, const struct numbers *from)
{
    for (int i = 0; i < NUMBERS; i++) {
        count_up(&into->sum[i], counted(&from->sum[i]), 0);
        count_up(&into->count[i], counted(&from->count[i]), 0);
    }
}

/* Of two windows' words the later one; numbers wrap. */
static uint64_t later_window(uint64_t a, uint64_t b)
{
    uint64_t distance = (a >> WINDOW_VALUE_BITS) - (b >> WINDOW_VALUE_BITS);
    uint64_t half = (uint64_t)1 << (63 - WINDOW_VALUE_BITS);

    if ((distance & (2 * half - 1)) == 0)
        return a > b ? a : b;
    return (distance & (2 * half - 1)) < half ? a : b;
}

static uint64_t both(unsigned which, uint64_t a, uint64_t b)
{
    if (is_window(which))
        return later_window(a, b);
    if (is_maximum(which))
        return a > b ? a : b;
    return sum_saturating(a, b);
}

static void fold_counters(struct tally *into, const struct tally *from)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        uint64_t folded = both(i, counted(&into->counters[i]), counted(&from->counters[i]));
        atomic_store_explicit(&into->counters[i], folded, memory_order_relaxed);
    }
}

static void fold_chunk(struct chunk *into, const struct chunk *from)
{
    for (unsigned i = 0; i < CHUNK_COUNTERS; i++) {
        uint32_t sum = atomic_load_explicit(&into->counters[i], memory_order_relaxed) +
                       atomic_load_explicit(&from->counters[i], memory_order_relaxed);
        atomic_store_explicit(&into->counters[i], sum, memory_order_relaxed);
    }
}

static void fold_series(const wsrt_monitor *m, struct series *into, struct series *from)
{
    struct numbers *numbers = take(&from->tally.numbers);

    fold_counters(&into->tally, &from->tally);
    if (numbers != NULL && !moved(&into->tally.numbers, numbers)) {
        fold_numbers(into->tally.numbers, numbers);
        wsrt_mem_free(&m->allocator, numbers, sizeof *numbers);
    }
    for (unsigned i = 0; i < m->chunks; i++) {
        struct chunk *chunk = take(&from->chunks[i]);
        if (chunk == NULL || moved(&into->chunks[i], chunk))
            continue;
        fold_chunk(into->chunks[i], chunk);
        wsrt_mem_free(&m->allocator, chunk, sizeof *chunk);
    }
    wsrt_mem_free(&m->allocator, from, series_size(m));
}

static void fold_page(const wsrt_monitor *m, struct page *into, struct page *from)
{
    for (unsigned i = 0; i < PAGE_SERIES; i++) {
        struct series *s = take(&from->series[i]);
        if (s != NULL && !moved(&into->series[i], s))
            fold_series(m, into->series[i], s);
    }
}

void wsrt_shard_fold(struct shard *into, struct shard *from)
{
    const wsrt_monitor *m = into->monitor;

    fold_page(m, &into->first, &from->first);
    for (unsigned i = 0; i < MAX_PAGES; i++) {
        struct page *page = take(&from->pages[i]);
        if (page == NULL || moved(&into->pages[i], page))
            continue;
        fold_page(m, into->pages[i], page);
        wsrt_mem_free(&m->allocator, page, sizeof *page);
    }
}

static void free_series(const wsrt_monitor *m, struct series *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < m->chunks; i++)
        wsrt_mem_free(&m->allocator, s->chunks[i], sizeof(struct chunk));
    wsrt_mem_free(&m->allocator, s->tally.numbers, sizeof(struct numbers));
    wsrt_mem_free(&m->allocator, s, series_size(m));
}

static void clear_page(const wsrt_monitor *m, struct page *page)
{
    for (unsigned i = 0; i < PAGE_SERIES; i++)
        free_series(m, take(&page->series[i]));
}

void wsrt_shard_clear(struct shard *shard)
{
    const wsrt_monitor *m = shard->monitor;

    clear_page(m, &shard->first);
    for (unsigned p = 0; p < MAX_PAGES; p++) {
        struct page *page = take(&shard->pages[p]);
        if (page == NULL)
            continue;
        clear_page(m, page);
        wsrt_mem_free(&m->allocator, page, sizeof *page);
    }
}
