#include <wsrt/reconnect.h>

#include "base/options.h"

#include <string.h>

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

enum { OPEN = 1, UP = 2, REFRESHED = 4, LEAVING = 8 }; /* bits of `state` */
/* UP outlasts OPEN: a connection given up as dead still has its uptime when it is closed. */

/* ---- time and chance ---- */

static int64_t later(int64_t now, int64_t by)
{
    return now > INT64_MAX - by ? INT64_MAX : now + by;
}

static int has_passed(int64_t since, int64_t now, int64_t length)
{
    return now >= since && (uint64_t)now - (uint64_t)since >= (uint64_t)length;
}

/* splitmix32: a Weyl sequence through the finaliser of MurmurHash3. Any language has it. */
static uint32_t draw(wsrt_reconnect *r)
{
    uint32_t z = r->random += UINT32_C(0x9e3779b9);

    z = (z ^ z >> 16) * UINT32_C(0x85ebca6b);
    z = (z ^ z >> 13) * UINT32_C(0xc2b2ae35);
    return z ^ z >> 16;
}

/* U(0, range) in whole milliseconds. */
static int64_t uniform(wsrt_reconnect *r, int64_t range)
{
    uint64_t ms = (uint64_t)(range / MS);

    return (int64_t)(ms * draw(r) >> 32) * MS;
}

/* ---- beginning ---- */

static const wsrt_reconnect_options profiles[] = {
    [WSRT_RECONNECT_STANDALONE] = {.base_delay = 2 * SECOND,
                                   .max_delay = 20 * SECOND,
                                   .stable = 5 * SECOND,
                                   .ping_interval = 45 * SECOND,
                                   .pong_wait = 20 * SECOND,
                                   .handover_spread = 5 * MINUTE},
    [WSRT_RECONNECT_GATEWAY] = {.base_delay = 2 * SECOND,
                                .max_delay = 20 * SECOND,
                                .stable = 5 * SECOND,
                                .ping_interval = 300 * SECOND,
                                .pong_wait = 10 * SECOND,
                                .handover_after = 110 * MINUTE,
                                .handover_spread = 5 * MINUTE},
};

/* 0 = out of range. */
static int choose(int64_t *out, int64_t given, int64_t usual)
{
    *out = given == 0 ? usual : given;
    return given >= 0 && given <= 24 * HOUR;
}

int wsrt_reconnect_init(wsrt_reconnect *r, const wsrt_reconnect_options *opts)
{
    wsrt_reconnect_options o;
    wsrt_reconnect made = {0};

    if (r == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&o, sizeof o, sizeof o, opts);
    if (rc < 0)
        return rc;
    if (o.flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    int profile = o.profile == 0 ? WSRT_RECONNECT_STANDALONE : o.profile;
    if (profile != WSRT_RECONNECT_STANDALONE && profile != WSRT_RECONNECT_GATEWAY)
        return WSRT_ERR_INVALID;
    const wsrt_reconnect_options *usual = &profiles[profile];
    if (!choose(&made.base_delay, o.base_delay, usual->base_delay) ||
        !choose(&made.max_delay, o.max_delay, usual->max_delay) ||
        !choose(&made.stable, o.stable, usual->stable) ||
        !choose(&made.ping_interval, o.ping_interval, usual->ping_interval) ||
        !choose(&made.pong_wait, o.pong_wait, usual->pong_wait) ||
        !choose(&made.handover_after, o.handover_after, usual->handover_after) ||
        !choose(&made.handover_spread, o.handover_spread, usual->handover_spread))
        return WSRT_ERR_INVALID;
    if (made.handover_after > 0 && made.handover_spread >= made.handover_after)
        return WSRT_ERR_INVALID;
    made.repeats = profile == WSRT_RECONNECT_GATEWAY;
    made.random = o.seed;
    *r = made;
    return WSRT_OK;
}

/* ---- an open connection ---- */

static int64_t around(wsrt_reconnect *r, int64_t middle, int64_t spread)
{
    return middle - spread + uniform(r, 2 * spread);
}

void wsrt_reconnect_heard(wsrt_reconnect *r, int64_t now)
{
    r->pings = 0;
    r->ping_at = later(now, around(r, r->ping_interval, r->ping_interval / 10));
}

void wsrt_reconnect_opened(wsrt_reconnect *r, int64_t now)
{
    r->state = (r->state & REFRESHED) | OPEN | UP;
    r->opened_at = now;
    r->handover_at = INT64_MAX;
    if (r->handover_after > 0)
        r->handover_at = later(now, around(r, r->handover_after, r->handover_spread));
    wsrt_reconnect_heard(r, now);
}

void wsrt_reconnect_leave(wsrt_reconnect *r)
{
    r->state |= LEAVING;
}

static int ping(wsrt_reconnect *r, int64_t now, int slept)
{
    r->pings = slept ? r->repeats + 1 : r->pings + 1;
    r->pong_by = later(now, slept ? 2 * SECOND : r->pong_wait);
    return WSRT_RECONNECT_PING;
}

static int act(wsrt_reconnect *r, int64_t now)
{
    int64_t due = r->pings > 0 ? r->pong_by : r->ping_at;

    if (now >= due) {
        int slept = has_passed(due, now, r->pong_wait + MS);
        if (slept || r->pings <= r->repeats)
            return ping(r, now, slept);
        r->state &= ~(uint32_t)OPEN;
        return WSRT_RECONNECT_DEAD;
    }
    if (now < r->handover_at)
        return WSRT_RECONNECT_NOTHING;
    r->handover_at = later(now, around(r, MINUTE, 6 * SECOND));
    return WSRT_RECONNECT_HANDOVER;
}

int wsrt_reconnect_tick(wsrt_reconnect *r, int64_t now, int64_t *next)
{
    int action = (r->state & OPEN) != 0 ? act(r, now) : WSRT_RECONNECT_NOTHING;
    int64_t due = r->pings > 0 ? r->pong_by : r->ping_at;

    if (next != NULL)
        *next = (r->state & OPEN) == 0 ? INT64_MAX : due < r->handover_at ? due : r->handover_at;
    return action;
}

/* ---- a closed one ---- */

/* The N of `reconnect_ms=N`; -1 = the reason has none. */
static int64_t hint_in(wsrt_span reason)
{
    static const char name[] = "reconnect_ms=";
    size_t i = sizeof name - 1;
    int64_t hint = 0;

    if (reason.len <= i || memcmp(reason.ptr, name, i) != 0 || reason.ptr[i] < '0' ||
        reason.ptr[i] > '9')
        return -1;
    for (; i < reason.len && reason.ptr[i] >= '0' && reason.ptr[i] <= '9'; i++)
        hint = hint > HOUR / MS ? hint : 10 * hint + (reason.ptr[i] - '0');
    return hint;
}

/* Milliseconds; 0 = none. */
static int64_t hint_of(const wsrt_reconnect_close *why)
{
    int64_t hint = hint_in(why->reason);

    hint = hint < 0 ? why->hint_ms : hint;
    return hint < 0 ? 0 : hint > HOUR / MS ? HOUR / MS : hint;
}

static int is_final(int code)
{
    return code == 1002 || code == 1003 || (code >= 1007 && code <= 1009) || code == 4403 ||
           code == 4404 || (code >= 4500 && code <= 4599);
}

static int64_t backoff(wsrt_reconnect *r, uint32_t attempt)
{
    int64_t most = r->base_delay;

    while (attempt-- > 0 && most < r->max_delay)
        most *= 2;
    return uniform(r, most < r->max_delay ? most : r->max_delay);
}

static int64_t delay_of(wsrt_reconnect *r, const wsrt_reconnect_close *why)
{
    int64_t hint = hint_of(why) * MS;
    uint32_t attempt = r->attempt;

    if (r->attempt < 64)
        r->attempt++;
    if (hint > 0)
        return hint + uniform(r, hint / 2);
    return why->code == 1012 ? uniform(r, 10 * SECOND) : backoff(r, attempt);
}

int wsrt_reconnect_closed(wsrt_reconnect *r, int64_t now, const wsrt_reconnect_close *why,
                          int64_t *delay)
{
    wsrt_reconnect_close in;

    if (r == NULL || why == NULL || delay == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&in, sizeof in, sizeof in, why);
    if (rc < 0)
        return rc;
    if ((r->state & UP) != 0 && has_passed(r->opened_at, now, r->stable)) {
        r->attempt = 0;
        r->state &= ~(uint32_t)REFRESHED;
    }
    r->state &= ~(uint32_t)(OPEN | UP);
    *delay = 0;
    int unknown_to_server = in.code == 4401 || in.code == 401;
    if ((r->state & LEAVING) != 0 || is_final(in.code) ||
        (unknown_to_server && (r->state & REFRESHED) != 0))
        return WSRT_RECONNECT_STOP;
    if (unknown_to_server) {
        r->state |= REFRESHED;
        return WSRT_RECONNECT_REFRESH;
    }
    *delay = delay_of(r, &in);
    return WSRT_RECONNECT_RETRY;
}

int64_t wsrt_reconnect_online(wsrt_reconnect *r)
{
    return uniform(r, SECOND);
}
