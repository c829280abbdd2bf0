/* A wheel of coarse ticks. An entry sits in the slot of its tick; one further away than the wheel is
 * long sits as far away as it can and is looked at again there. Never early. */
#ifndef WSRT_SERVER_TIMER_H
#define WSRT_SERVER_TIMER_H

#include <stdint.h>

enum { WSRT_TICK_SHIFT = 26, WSRT_WHEEL_SLOTS = 2048 }; /* a tick is 2^26 ns = 67 ms */
#define WSRT_NONE UINT32_MAX

/* Part of whatever is timed; entries are known by number. */
typedef struct wsrt_timer {
    uint32_t next;
    uint32_t prev;
    uint32_t due; /* tick of the slot it sits in; WSRT_NONE = in none */
} wsrt_timer;

typedef struct wsrt_wheel {
    uint32_t tick; /* everything up to here has been taken */
    uint32_t count;
    uint64_t used[WSRT_WHEEL_SLOTS / 64];
    uint32_t first[WSRT_WHEEL_SLOTS];
    wsrt_timer *(*entry)(void *user, uint32_t number);
    void *user;
} wsrt_wheel;

void wsrt_wheel_init(wsrt_wheel *w, wsrt_timer *(*entry)(void *user, uint32_t number), void *user);

/* Puts an entry at `due`, unless it already sits earlier. A tick that has passed means the next. */
void wsrt_wheel_need(wsrt_wheel *w, uint32_t number, uint32_t due);
void wsrt_wheel_remove(wsrt_wheel *w, uint32_t number);

/* Takes one entry whose slot is at or before `now`; WSRT_NONE = there is none. */
uint32_t wsrt_wheel_take(wsrt_wheel *w, uint32_t now);

/* Tick of the first occupied slot; WSRT_NONE = the wheel is empty. */
uint32_t wsrt_wheel_next(const wsrt_wheel *w);

/* Ticks that surely cover `ms`, counted from an instant that was rounded up. */
uint32_t wsrt_ticks(int64_t ms);

#endif
