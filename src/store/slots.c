#include "store/slots.h"

#include <string.h>

enum { PAGE = 1024, AHEAD = 4 };

/* A place holds a block, or twice the number of the next free place plus one. */
struct wsrt_slot_page {
    int64_t soonest; /* nothing here expires before */
    uint32_t used;
    uint32_t reserved;
    uintptr_t places[PAGE];
};

static uint32_t places_of(const wsrt_slots *s)
{
    return s->page_count * PAGE;
}

static uintptr_t *place(const wsrt_slots *s, uint32_t slot)
{
    return &s->pages[slot / PAGE]->places[slot % PAGE];
}

static int64_t expiry(const void *block)
{
    int64_t at;

    memcpy(&at, block, sizeof at);
    return at == 0 ? INT64_MAX : at;
}

int wsrt_slots_expired(const void *block, int64_t now_s)
{
    return expiry(block) <= now_s && expiry(block) != INT64_MAX;
}

void wsrt_slots_init(wsrt_slots *s)
{
    *s = (wsrt_slots){.free = WSRT_NO_SLOT};
}

void wsrt_slots_free(wsrt_slots *s, wsrt_store_heap *h)
{
    for (uint32_t i = 0; i < s->page_count; i++)
        wsrt_store_free(h, s->pages[i], sizeof *s->pages[i]);
    wsrt_store_free(h, s->pages, s->page_room * sizeof(struct wsrt_slot_page *));
}

static int grow_directory(wsrt_slots *s, wsrt_store_heap *h)
{
    uint32_t room = s->page_room == 0 ? 16 : s->page_room * 2;
    struct wsrt_slot_page **pages = wsrt_store_alloc(h, room * sizeof(struct wsrt_slot_page *));

    if (pages == NULL)
        return WSRT_ERR_NOMEM;
    if (s->pages != NULL)
        memcpy(pages, s->pages, s->page_count * sizeof(struct wsrt_slot_page *));
    wsrt_store_free(h, s->pages, s->page_room * sizeof(struct wsrt_slot_page *));
    s->pages = pages;
    s->page_room = room;
    return WSRT_OK;
}

static void add_free(wsrt_slots *s, uint32_t slot)
{
    *place(s, slot) = (uintptr_t)(s->free & INT32_MAX) << 1 | 1;
    s->free = slot;
}

int wsrt_slots_reserve(wsrt_slots *s, wsrt_store_heap *h)
{
    if (s->free != WSRT_NO_SLOT)
        return WSRT_OK;
    if (s->page_count >= INT32_MAX / PAGE)
        return WSRT_ERR_LIMIT;
    if (s->page_count == s->page_room && grow_directory(s, h) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    struct wsrt_slot_page *page = wsrt_store_alloc(h, sizeof *page);
    if (page == NULL)
        return WSRT_ERR_NOMEM;
    page->soonest = INT64_MAX;
    page->used = 0;
    s->pages[s->page_count++] = page;
    for (uint32_t i = 0; i < PAGE; i++)
        add_free(s, places_of(s) - 1 - i);
    return WSRT_OK;
}

uint32_t wsrt_slots_take(wsrt_slots *s, void *block)
{
    uint32_t slot = s->free, next = (uint32_t)(*place(s, slot) >> 1);

    s->free = next == INT32_MAX ? WSRT_NO_SLOT : next;
    s->pages[slot / PAGE]->used++;
    s->used++;
    wsrt_slots_set(s, slot, block);
    return slot;
}

void wsrt_slots_set(wsrt_slots *s, uint32_t slot, void *block)
{
    struct wsrt_slot_page *page = s->pages[slot / PAGE];

    if (expiry(block) < page->soonest)
        page->soonest = expiry(block);
    *place(s, slot) = (uintptr_t)block;
}

void wsrt_slots_release(wsrt_slots *s, uint32_t slot)
{
    struct wsrt_slot_page *page = s->pages[slot / PAGE];

    add_free(s, slot);
    s->used--;
    if (--page->used == 0)
        page->soonest = INT64_MAX;
}

static void *block_at(const struct wsrt_slot_page *page, uint32_t i)
{
    return (page->places[i] & 1) != 0 ? NULL : (void *)page->places[i];
}

void *wsrt_slots_at(const wsrt_slots *s, uint32_t slot)
{
    return slot >= places_of(s) ? NULL : block_at(s->pages[slot / PAGE], slot % PAGE);
}

uint32_t wsrt_slots_next(const wsrt_slots *s, uint32_t slot)
{
    while (slot < places_of(s)) {
        const struct wsrt_slot_page *page = s->pages[slot / PAGE];
        if (page->used == 0) {
            slot = (slot / PAGE + 1) * PAGE;
            continue;
        }
        if (slot % PAGE + AHEAD < PAGE)
            __builtin_prefetch((const void *)page->places[slot % PAGE + AHEAD]);
        if (block_at(page, slot % PAGE) != NULL)
            return slot;
        slot++;
    }
    return WSRT_NO_SLOT;
}

/* ---- expiry ------------------------------------------------------------------------------- */

/* Looks at a whole page: how many live, and when the next one expires. */
static uint32_t inspect(struct wsrt_slot_page *page, int64_t now_s)
{
    uint32_t live = 0;

    page->soonest = INT64_MAX;
    for (uint32_t i = 0; i < PAGE; i++) {
        const void *block = block_at(page, i);
        if (block == NULL)
            continue;
        if (expiry(block) < page->soonest)
            page->soonest = expiry(block);
        live += !wsrt_slots_expired(block, now_s);
    }
    return live;
}

uint64_t wsrt_slots_live(wsrt_slots *s, int64_t now_s)
{
    uint64_t live = 0;

    for (uint32_t i = 0; i < s->page_count; i++) {
        struct wsrt_slot_page *page = s->pages[i];
        live += page->soonest > now_s ? page->used : inspect(page, now_s);
    }
    return live;
}

wsrt_slots_round wsrt_slots_round_start(const wsrt_slots *s, uint64_t work)
{
    /* One page more than there are: the first may be begun in its middle. */
    return (wsrt_slots_round){s->page_count == 0 ? 0 : (uint64_t)places_of(s) + PAGE, work};
}

static int goes_on(const wsrt_slots_round *round)
{
    return round->places > 0 && round->work > 0;
}

/* Moves the hand by `step` places, which is one look. */
static void advance(wsrt_slots *s, wsrt_slots_round *round, uint32_t step)
{
    s->hand += step;
    round->places = round->places > step ? round->places - step : 0;
    round->work--;
}

uint32_t wsrt_slots_round_next(wsrt_slots *s, wsrt_slots_round *round, int64_t now_s)
{
    while (goes_on(round)) {
        if (s->hand >= places_of(s))
            s->hand = 0;
        uint32_t slot = s->hand, at = slot % PAGE;
        struct wsrt_slot_page *page = s->pages[slot / PAGE];
        if (page->soonest > now_s) {
            advance(s, round, PAGE - at);
            continue;
        }
        const void *block = block_at(page, at);
        if (block != NULL && wsrt_slots_expired(block, now_s))
            return slot; /* the hand stays: the caller removes it */
        if (at == PAGE - 1)
            inspect(page, now_s);
        advance(s, round, 1);
    }
    return WSRT_NO_SLOT;
}
