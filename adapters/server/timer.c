#include "server/timer.h"

#include <string.h>

enum { MASK = WSRT_WHEEL_SLOTS - 1, WORDS = WSRT_WHEEL_SLOTS / 64 };

void wsrt_wheel_init(wsrt_wheel *w, wsrt_timer *(*entry)(void *user, uint32_t number), void *user)
{
    memset(w, 0, sizeof *w);
    memset(w->first, 0xff, sizeof w->first);
    w->entry = entry;
    w->user = user;
}

static void link_in(wsrt_wheel *w, uint32_t number, wsrt_timer *t, uint32_t due)
{
    uint32_t slot = due & MASK;
    uint32_t first = w->first[slot];

    t->due = due;
    t->prev = WSRT_NONE;
    t->next = first;
    if (first != WSRT_NONE)
        w->entry(w->user, first)->prev = number;
    w->first[slot] = number;
    w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
    w->count++;
}

static void link_out(wsrt_wheel *w, wsrt_timer *t)
{
    uint32_t slot = t->due & MASK;

    if (t->prev != WSRT_NONE)
        w->entry(w->user, t->prev)->next = t->next;
    else
        w->first[slot] = t->next;
    if (t->next != WSRT_NONE)
        w->entry(w->user, t->next)->prev = t->prev;
    if (w->first[slot] == WSRT_NONE)
        w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    t->due = WSRT_NONE;
    w->count--;
}

void wsrt_wheel_need(wsrt_wheel *w, uint32_t number, uint32_t due)
{
    wsrt_timer *t = w->entry(w->user, number);

    if (due <= w->tick)
        due = w->tick + 1;
    if (due - w->tick >= WSRT_WHEEL_SLOTS)
        due = w->tick + WSRT_WHEEL_SLOTS - 1;
    if (t->due != WSRT_NONE && t->due <= due)
        return;
    if (t->due != WSRT_NONE)
        link_out(w, t);
    link_in(w, number, t, due);
}

void wsrt_wheel_remove(wsrt_wheel *w, uint32_t number)
{
    wsrt_timer *t = w->entry(w->user, number);

    if (t->due != WSRT_NONE)
        link_out(w, t);
}

/* The first occupied slot after `w->tick`, as a tick. */
uint32_t wsrt_wheel_next(const wsrt_wheel *w)
{
    uint32_t from = (w->tick + 1) & MASK;
    uint64_t word = w->used[from / 64] & (~UINT64_C(0) << (from % 64));

    if (w->count == 0)
        return WSRT_NONE;
    for (uint32_t i = 0; i <= WORDS; i++) {
        uint32_t at = (from / 64 + i) % WORDS;
        if (i > 0)
            word = w->used[at];
        if (word != 0) {
            uint32_t slot = at * 64 + (uint32_t)__builtin_ctzll(word);
            return w->tick + 1 + ((slot - from) & MASK);
        }
    }
    return WSRT_NONE;
}

uint32_t wsrt_wheel_take(wsrt_wheel *w, uint32_t now)
{
    if (now <= w->tick)
        return WSRT_NONE;
    uint32_t next = wsrt_wheel_next(w);
    if (next == WSRT_NONE || next > now) {
        w->tick = now;
        return WSRT_NONE;
    }
    w->tick = next - 1;
    uint32_t number = w->first[next & MASK];
    link_out(w, w->entry(w->user, number));
    return number;
}

uint32_t wsrt_ticks(int64_t ms)
{
    const int64_t longest = INT64_C(0x7fffffff);

    if (ms <= 0)
        return 0;
    if (ms > (longest << WSRT_TICK_SHIFT) / 1000000)
        return (uint32_t)longest;
    return (uint32_t)((ms * 1000000 + (INT64_C(1) << WSRT_TICK_SHIFT) - 1) >> WSRT_TICK_SHIFT);
}
