#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/reconnect.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { MS = 1000000 };
#define SECONDS(n) ((int64_t)(n)*1000 * MS)
#define MINUTES(n) (60 * SECONDS(n))

static wsrt_reconnect start(int profile, uint32_t seed)
{
    wsrt_reconnect_options o = {.struct_size = sizeof o, .profile = profile, .seed = seed};
    wsrt_reconnect r;

    ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_OK);
    return r;
}

static int closed(wsrt_reconnect *r, int64_t now, int code, int64_t *delay)
{
    wsrt_reconnect_close why = {.struct_size = sizeof why, .code = code};

    return wsrt_reconnect_closed(r, now, &why, delay);
}

/* ---- the shared vectors ---- */

static char *read_vectors(size_t *len)
{
    FILE *f = fopen(WSRT_VECTORS "/reconnect.json", "rb");
    char *text = malloc(1 << 20);

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(text);
    *len = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

static int member(const wsrt_json *of, const char *pointer, wsrt_json *out)
{
    return wsrt_json_find(of, wsrt_span_cstr(pointer), out) == WSRT_OK;
}

static int64_t number(const wsrt_json *of, const char *pointer, int64_t without)
{
    wsrt_json v;
    int64_t n = without;

    if (member(of, pointer, &v) && v.kind != WSRT_JSON_NULL)
        ck_assert_int_eq(wsrt_json_int64(&v, &n), WSRT_OK);
    return n;
}

static wsrt_span text(const wsrt_json *of, const char *pointer)
{
    wsrt_json v = {0};

    (void)member(of, pointer, &v);
    return v.text;
}

static int is(wsrt_span a, const char *b)
{
    return wsrt_span_equal(a, wsrt_span_cstr(b));
}

static int action_of(wsrt_span name)
{
    static const char *const names[] = {"nothing", "ping",    "dead", "handover",
                                        "retry",   "refresh", "stop"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (is(name, names[i]))
            return (int)i;
    return -1;
}

/* Takes one step of a case; what the machine answers is held against `expect`. */
static void take_step(wsrt_reconnect *r, const wsrt_json *step, wsrt_span name)
{
    int64_t now = number(step, "/at", 0) * MS, got = 0;
    wsrt_span what = text(step, "/do");
    int action = -1, want = action_of(text(step, "/expect/action"));

    if (is(what, "opened")) {
        wsrt_reconnect_opened(r, now);
    } else if (is(what, "heard")) {
        wsrt_reconnect_heard(r, now);
    } else if (is(what, "leave")) {
        wsrt_reconnect_leave(r);
    } else if (is(what, "online")) {
        got = wsrt_reconnect_online(r);
    } else if (is(what, "closed")) {
        wsrt_reconnect_close why = {.struct_size = sizeof why,
                                    .code = (int32_t)number(step, "/code", 0),
                                    .reason = text(step, "/reason"),
                                    .hint_ms = number(step, "/hint", 0)};
        action = wsrt_reconnect_closed(r, now, &why, &got);
    } else {
        ck_assert_msg(is(what, "tick"), "unknown step");
        action = wsrt_reconnect_tick(r, now, &got);
        ck_assert_msg(
            got == (got == INT64_MAX
                        ? number(step, "/expect/next", got / MS) == got / MS ? INT64_MAX : -1
                        : number(step, "/expect/next", -1) * MS),
            "%.*s, at %d: next %lld", (int)name.len, name.ptr, (int)(now / MS), (long long)got);
        got = 0;
    }
    ck_assert_msg(action == want && got == number(step, "/expect/delay", 0) * MS,
                  "%.*s, at %d: %d, delay %lld", (int)name.len, name.ptr, (int)(now / MS), action,
                  (long long)got);
}

START_TEST(the_machine_does_what_the_shared_vectors_say)
{
    size_t len, cases = 0, steps = 0;
    char *vectors = read_vectors(&len);
    wsrt_json all, list, one, step, taken;
    wsrt_json_iter outer = {0};

    ck_assert_int_eq(wsrt_json_parse(&all, (wsrt_span){vectors, len}, NULL), WSRT_OK);
    ck_assert(member(&all, "/cases", &list));
    for (; wsrt_json_next(&list, &outer, NULL, &one) == WSRT_OK; cases++) {
        int gateway = is(text(&one, "/profile"), "gateway");
        wsrt_reconnect r = start(gateway ? WSRT_RECONNECT_GATEWAY : WSRT_RECONNECT_STANDALONE,
                                 (uint32_t)number(&one, "/seed", 0));
        wsrt_json_iter inner = {0};
        ck_assert(member(&one, "/steps", &taken));
        for (; wsrt_json_next(&taken, &inner, NULL, &step) == WSRT_OK; steps++)
            take_step(&r, &step, text(&one, "/name"));
    }
    printf("# cases: %zu, steps: %zu\n", cases, steps);
    ck_assert_uint_ge(cases, 23);
    ck_assert_uint_ge(steps, 371);
    free(vectors);
}
END_TEST

/* ---- three hours behind API Gateway ---- */

/* What API Gateway and the connection store see of one client. */
struct gateway {
    wsrt_reconnect r;
    int64_t now, next, last_traffic, connected_at;
    int64_t expires_at,
        written_at; /* of the record: 10 minutes idle, written at most each quarter */
    int handovers, pings;
};

enum { IDLE_LIMIT = 10, LIFE_LIMIT = 120, TTL = 10 };

static void traffic(struct gateway *g)
{
    ck_assert_int_lt(g->now - g->last_traffic, MINUTES(IDLE_LIMIT));
    ck_assert_int_lt(g->now, g->expires_at);
    ck_assert_int_lt(g->now - g->connected_at, MINUTES(LIFE_LIMIT));
    g->last_traffic = g->now;
    if (g->now - g->written_at >= MINUTES(TTL) / 4) {
        g->written_at = g->now;
        g->expires_at = g->now + MINUTES(TTL);
    }
}

static void connect_to(struct gateway *g)
{
    g->connected_at = g->written_at = g->last_traffic = g->now;
    g->expires_at = g->now + MINUTES(TTL);
    wsrt_reconnect_opened(&g->r, g->now);
}

static void act(struct gateway *g, int action)
{
    if (action == WSRT_RECONNECT_PING) {
        g->pings++;
        traffic(g);
        g->now += 40 * MS;
        wsrt_reconnect_heard(&g->r, g->now);
    } else {
        ck_assert_int_eq(action, WSRT_RECONNECT_HANDOVER);
        g->handovers++;
        traffic(g);
        g->now += 300 * MS;
        connect_to(g);
    }
}

START_TEST(three_hours_behind_api_gateway_leave_no_gap)
{
    for (uint32_t seed = 0; seed < 50; seed++) {
        struct gateway g = {.r = start(WSRT_RECONNECT_GATEWAY, seed * 2654435761u)};
        connect_to(&g);
        while (g.now < MINUTES(180)) {
            int action = wsrt_reconnect_tick(&g.r, g.now, &g.next);
            if (action == WSRT_RECONNECT_NOTHING) {
                ck_assert_int_gt(g.next, g.now);
                g.now = g.next;
            } else {
                act(&g, action);
            }
        }
        ck_assert_int_eq(g.handovers, 1);
        ck_assert_int_ge(g.pings, 180 / 6);
        ck_assert_int_le(g.pings, 180 / 4);
    }
}
END_TEST

/* ---- ten thousand clients that lose their server together ---- */

enum { CLIENTS = 10000, SLOT_MS = 10, SECOND = 100, SLOTS = 200 * SECOND, DOWN = 5 * SECOND };
enum { ACCEPTS = 500 };

/* Down for 5 s, then 500 accepts in each second; who comes beyond them is refused. */
struct fleet {
    wsrt_reconnect clients[CLIENTS];
    int next[CLIENTS]; /* in the list of a slot */
    int slots[SLOTS];  /* first client of each, -1 = none */
    int back_at[CLIENTS];
    int back;
};

/* Without jitter: the same rule, everybody at its upper end. */
static int64_t plain_delay(int *attempts)
{
    int64_t most = SECONDS(2) << (*attempts > 4 ? 4 : *attempts);

    ++*attempts;
    return most < SECONDS(20) ? most : SECONDS(20);
}

static void try_later(struct fleet *f, int client, int slot, int64_t delay)
{
    int at = slot + 1 + (int)(delay / MS / SLOT_MS);

    if (at >= SLOTS)
        return;
    f->next[client] = f->slots[at];
    f->slots[at] = client;
}

static void lose(struct fleet *f, int client, int slot, int *attempts)
{
    int64_t delay = 0;

    if (attempts != NULL)
        delay = plain_delay(attempts);
    else
        ck_assert_int_eq(
            closed(&f->clients[client], SECONDS(100) + (int64_t)slot * SLOT_MS * MS, 1006, &delay),
            WSRT_RECONNECT_RETRY);
    try_later(f, client, slot, delay);
}

static void simulate(struct fleet *f, int jitter)
{
    static int attempts[CLIENTS];

    memset(attempts, 0, sizeof attempts);
    memset(f->slots, -1, sizeof f->slots);
    f->back = 0;
    for (int i = 0; i < CLIENTS; i++) {
        f->clients[i] = start(WSRT_RECONNECT_STANDALONE, (uint32_t)i);
        wsrt_reconnect_opened(&f->clients[i], 0);
        lose(f, i, 0, jitter ? NULL : &attempts[i]);
    }
    for (int slot = 1, accepts = 0; slot < SLOTS; slot++) {
        if (slot >= DOWN && slot % SECOND == 0)
            accepts = ACCEPTS;
        for (int i = f->slots[slot], next; i >= 0; i = next) {
            next = f->next[i];
            if (accepts > 0) {
                f->back_at[f->back++] = slot * SLOT_MS;
                accepts--;
            } else {
                lose(f, i, slot, jitter ? NULL : &attempts[i]);
            }
        }
    }
}

START_TEST(a_fleet_is_back_soon_because_it_does_not_come_at_once)
{
    static struct fleet f;

    simulate(&f, 1);
    printf("# with jitter: p50 %.1f s, p95 %.1f s, last %.1f s\n", f.back_at[CLIENTS / 2] / 1e3,
           f.back_at[CLIENTS * 95 / 100] / 1e3, f.back_at[f.back - 1] / 1e3);
    ck_assert_int_eq(f.back, CLIENTS);
    /* nobody can be faster than 5 s + 9,500 / 500 a second = 24 s */
    ck_assert_int_ge(f.back_at[CLIENTS * 95 / 100], 24000);
    ck_assert_int_le(f.back_at[CLIENTS * 95 / 100], 27000);
    simulate(&f, 0);
    printf("# without: %d of %d back after 200 s\n", f.back, CLIENTS);
    ck_assert_int_le(f.back, CLIENTS * 55 / 100);
}
END_TEST

/* ---- single rules ---- */

START_TEST(a_plain_drop_is_back_within_two_seconds)
{
    for (uint32_t seed = 0; seed < 1000; seed++) {
        wsrt_reconnect r = start(WSRT_RECONNECT_STANDALONE, seed);
        int64_t delay;
        wsrt_reconnect_opened(&r, 0);
        ck_assert_int_eq(closed(&r, SECONDS(60), 1006, &delay), WSRT_RECONNECT_RETRY);
        ck_assert_int_ge(delay, 0);
        ck_assert_int_lt(delay, SECONDS(2));
    }
}
END_TEST

START_TEST(delays_fill_their_range_evenly)
{
    wsrt_reconnect r = start(WSRT_RECONNECT_STANDALONE, 1);
    int tenths[10] = {0};
    int64_t delay;

    for (int i = 0; i < 16; i++)
        closed(&r, 0, 1006, &delay);
    for (int i = 0; i < 10000; i++) {
        closed(&r, 0, 1006, &delay);
        ck_assert_int_lt(delay, SECONDS(20));
        tenths[delay / SECONDS(2)]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_int_gt(tenths[i], 880);
        ck_assert_int_lt(tenths[i], 1120);
    }
}
END_TEST

START_TEST(options_take_the_place_of_the_profiles_values)
{
    wsrt_reconnect_options o = {.struct_size = sizeof o,
                                .base_delay = SECONDS(1),
                                .max_delay = SECONDS(1),
                                .stable = SECONDS(1),
                                .ping_interval = SECONDS(10),
                                .pong_wait = SECONDS(1),
                                .handover_after = SECONDS(60),
                                .handover_spread = SECONDS(1)};
    wsrt_reconnect r;
    int64_t next, delay;

    ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_OK);
    wsrt_reconnect_opened(&r, 0);
    ck_assert_int_eq(wsrt_reconnect_tick(&r, 0, &next), WSRT_RECONNECT_NOTHING);
    ck_assert_int_ge(next, SECONDS(9));
    ck_assert_int_le(next, SECONDS(11));
    wsrt_reconnect_heard(&r, SECONDS(58));
    ck_assert_int_eq(wsrt_reconnect_tick(&r, SECONDS(61), &next), WSRT_RECONNECT_HANDOVER);
    for (int i = 0; i < 9; i++) {
        closed(&r, SECONDS(62), 1006, &delay);
        ck_assert_int_lt(delay, SECONDS(1));
    }
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    wsrt_reconnect r = start(WSRT_RECONNECT_GATEWAY, 1), before = r;
    wsrt_reconnect_options good = {.struct_size = sizeof good}, o;

    ck_assert_int_eq(wsrt_reconnect_init(NULL, &good), WSRT_ERR_INVALID);
    for (size_t i = 0; i < 7; i++) {
        o = good;
        (&o.base_delay)[i] = -1;
        ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_ERR_INVALID);
        (&o.base_delay)[i] = MINUTES(24 * 60) + 1;
        ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_ERR_INVALID);
    }
    o = good;
    o.profile = 3;
    ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_ERR_INVALID);
    o = good;
    o.handover_after = o.handover_spread = SECONDS(9);
    ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_ERR_INVALID);
    o = good;
    o.flags = 1;
    ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_ERR_UNSUPPORTED);
    o = good;
    o.struct_size = 8;
    ck_assert_int_eq(wsrt_reconnect_init(&r, &o), WSRT_ERR_INVALID);
    ck_assert_mem_eq(&r, &before, sizeof r);
    ck_assert_int_eq(wsrt_reconnect_init(&r, NULL), WSRT_OK);
}
END_TEST

START_TEST(a_report_that_is_none_changes_nothing)
{
    wsrt_reconnect r = start(WSRT_RECONNECT_GATEWAY, 1), before = r;
    wsrt_reconnect_close why = {.struct_size = sizeof why, .code = 1006};
    int64_t delay = 7;

    ck_assert_int_eq(wsrt_reconnect_closed(NULL, 0, &why, &delay), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_reconnect_closed(&r, 0, NULL, &delay), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_reconnect_closed(&r, 0, &why, NULL), WSRT_ERR_INVALID);
    why.struct_size = 4;
    ck_assert_int_eq(wsrt_reconnect_closed(&r, 0, &why, &delay), WSRT_ERR_INVALID);
    ck_assert_int_eq(delay, 7);
    ck_assert_mem_eq(&r, &before, sizeof r);
}
END_TEST

/* From one end of the time to the other: no overflow (the sanitizers watch), no early death. */
START_TEST(any_time_will_do)
{
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};

    for (size_t i = 0; i < COUNT(times); i++)
        for (size_t k = 0; k < COUNT(times); k++) {
            wsrt_reconnect r = start(WSRT_RECONNECT_GATEWAY, 1);
            int64_t next, delay;
            wsrt_reconnect_opened(&r, times[i]);
            int action = wsrt_reconnect_tick(&r, times[k], &next);
            ck_assert_int_ne(action, WSRT_RECONNECT_DEAD);
            if (times[k] <= times[i] && times[k] < INT64_MAX)
                ck_assert_int_eq(action, WSRT_RECONNECT_NOTHING);
            wsrt_reconnect_heard(&r, times[k]);
            ck_assert_int_eq(closed(&r, times[k], 1006, &delay), WSRT_RECONNECT_RETRY);
        }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("reconnect");
    TCase *t = tcase_create("reconnect");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_machine_does_what_the_shared_vectors_say);
    tcase_add_test(t, three_hours_behind_api_gateway_leave_no_gap);
    tcase_add_test(t, a_fleet_is_back_soon_because_it_does_not_come_at_once);
    tcase_add_test(t, a_plain_drop_is_back_within_two_seconds);
    tcase_add_test(t, delays_fill_their_range_evenly);
    tcase_add_test(t, options_take_the_place_of_the_profiles_values);
    tcase_add_test(t, options_out_of_range_are_refused);
    tcase_add_test(t, a_report_that_is_none_changes_nothing);
    tcase_add_test(t, any_time_will_do);
    suite_add_tcase(s, t);
    return s;
}
