#include "heap.h"
#include "suite.h"

#include <wsrt/limiter.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SECOND ((int64_t)1000000000)

static wsrt_limiter_options options(void)
{
    return (wsrt_limiter_options){.struct_size = sizeof(wsrt_limiter_options)};
}

static wsrt_limiter *make(const wsrt_limiter_options *o)
{
    wsrt_limiter *l;

    ck_assert_int_eq(wsrt_limiter_new(&l, o), WSRT_OK);
    return l;
}

static wsrt_limit_key cell_key(int scope, wsrt_limiter_cell *cell)
{
    return (wsrt_limit_key){.scope = scope, .cell = cell};
}

static wsrt_limit_key named_key(int scope, const char *name)
{
    return (wsrt_limit_key){.scope = scope, .key = wsrt_span_cstr(name)};
}

static int once(wsrt_limiter *l, wsrt_limit_key key, uint32_t n, int64_t now)
{
    return wsrt_limiter_check(l, &key, 1, n, now, NULL);
}

/* How many single units pass at one instant. */
static unsigned drain(wsrt_limiter *l, wsrt_limit_key key, int64_t now)
{
    unsigned passed = 0;

    while (passed < 1000 && once(l, key, 1, now) == WSRT_OK)
        passed++;
    return passed;
}

static wsrt_limiter_stats stats_of(wsrt_limiter *l)
{
    wsrt_limiter_stats s = {.struct_size = sizeof s};

    ck_assert_int_eq(wsrt_limiter_get_stats(l, &s), WSRT_OK);
    return s;
}

/* ---- rules -------------------------------------------------------------------------------- */

static const struct {
    int scope;
    const char *name;
    unsigned burst;
    int64_t step;
} shipped[] = {
    {WSRT_SCOPE_CONNECTION, "connection", 20, SECOND / 10},
    {WSRT_SCOPE_USER, "user", 40, SECOND / 20},
    {WSRT_SCOPE_CONNECT, "connect", 10, SECOND},
    {WSRT_SCOPE_PING, "ping", 5, 5 * SECOND},
};

START_TEST(a_scope_has_its_default_burst_and_rate)
{
    wsrt_limiter *l = make(NULL);
    wsrt_limit_key key = named_key(shipped[_i].scope, "k");

    ck_assert_str_eq(wsrt_scope_name(shipped[_i].scope), shipped[_i].name);
    ck_assert_uint_eq(drain(l, key, 0), shipped[_i].burst);
    ck_assert_uint_eq(drain(l, key, shipped[_i].step - 1), 0);
    ck_assert_uint_eq(drain(l, key, shipped[_i].step), 1);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(route_and_stage_are_off_until_they_get_a_rule)
{
    wsrt_limiter_options o = options();
    wsrt_limiter *l = make(&o);

    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_ROUTE, "r"), 0), 1000);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_STAGE, ""), 0), 1000);
    wsrt_limiter_free(l);
    o.route = (wsrt_rule){1, 3, 0};
    o.stage = (wsrt_rule){1, 4, 0};
    l = make(&o);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_ROUTE, "r"), 0), 3);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_STAGE, ""), 0), 4);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_scope_can_be_turned_off)
{
    wsrt_limiter_options o = options();

    o.user.flags = WSRT_RULE_OFF;
    wsrt_limiter *l = make(&o);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_USER, "u"), 0), 1000);
    ck_assert_uint_eq(stats_of(l).keys, 0);
    wsrt_limiter_free(l);
}
END_TEST

static const struct {
    const char *what;
    wsrt_rule rule;
} nonsense[] = {
    {"negative rate", {-1, 1, 0}},
    {"no rate", {0, 1, 0}},
    {"no burst", {1, 0, 0}},
    {"not a number", {__builtin_nan(""), 1, 0}},
    {"infinite rate", {__builtin_inf(), 1, 0}},
    {"more than one a ns", {1.0000001e9, 1, 0}},
    {"burst above 2^24", {1000, (1 << 24) + 1, 0}},
    {"longer than 36 years", {1e-12, 1, 0}},
    {"burst longer than 36 years", {1e-3, 1 << 24, 0}},
    {"vanishing rate", {4.9e-324, 1, 0}},
    {"unknown flag", {1, 1, 4}},
};

START_TEST(a_rule_without_sense_is_refused)
{
    wsrt_limiter *l;
    wsrt_limiter_options o = options();
    wsrt_limit_key key = named_key(WSRT_SCOPE_ROUTE, "r");

    o.ping = nonsense[_i].rule;
    ck_assert_msg(wsrt_limiter_new(&l, &o) == WSRT_ERR_INVALID, "%s", nonsense[_i].what);
    ck_assert_ptr_null(l);
    l = make(NULL);
    key.rule = &nonsense[_i].rule;
    ck_assert_msg(once(l, key, 1, 0) == WSRT_ERR_INVALID, "%s", nonsense[_i].what);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(the_widest_rules_are_taken)
{
    wsrt_rule widest[] = {{1e9, 1 << 24, 0}, {1e-9, 1, 0}, {0.02, 1 << 24, 0}};
    wsrt_limiter *l = make(NULL);

    for (size_t i = 0; i < 3; i++) {
        wsrt_limiter_cell cell = {0};
        wsrt_limit_key key = cell_key(WSRT_SCOPE_ROUTE, &cell);
        key.rule = &widest[i];
        ck_assert_int_eq(once(l, key, widest[i].burst, INT64_MAX), WSRT_OK);
        ck_assert_int_eq(once(l, key, 1, INT64_MAX), WSRT_ERR_RATE_LIMITED);
    }
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_key_may_bring_its_own_rule_and_change_it)
{
    wsrt_limiter_cell cell = {0};
    wsrt_rule tight = {1, 2, 0}, wide = {1, 10, 0};
    wsrt_limit_key key = cell_key(WSRT_SCOPE_ROUTE, &cell);
    wsrt_limiter *l = make(NULL);

    key.rule = &tight;
    ck_assert_uint_eq(drain(l, key, 0), 2);
    key.rule = &wide; /* what was spent stays spent */
    ck_assert_uint_eq(drain(l, key, 0), 8);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_rule_changes_at_run_time_and_keys_keep_what_they_used)
{
    static const wsrt_rule wide = {100, 200, 0}, off = {0, 0, WSRT_RULE_OFF}, usual = {0, 0, 0};
    wsrt_limiter_cell cell = {0};
    wsrt_limiter *l = make(NULL);
    wsrt_limit_key mine = cell_key(WSRT_SCOPE_CONNECTION, &cell);
    wsrt_limit_key named = named_key(WSRT_SCOPE_USER, "ann");

    ck_assert_uint_eq(drain(l, mine, 0), 20);
    ck_assert_uint_eq(drain(l, named, 0), 40);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_CONNECTION, &wide), WSRT_OK);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_USER, &wide), WSRT_OK);
    ck_assert_uint_eq(drain(l, mine, 0), 0); /* 2 s ahead, as far as 200 units at 100 a second */
    ck_assert_uint_eq(drain(l, named, 0), 0);
    ck_assert_uint_eq(drain(l, mine, SECOND / 2), 50);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_CONNECTION, &off), WSRT_OK);
    ck_assert_uint_eq(drain(l, mine, SECOND / 2), 1000);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_CONNECTION, &usual), WSRT_OK);
    ck_assert_uint_eq(drain(l, mine, SECOND / 2), 0);
    ck_assert_uint_eq(drain(l, mine, SECOND / 2 + SECOND / 10 - 1), 0);
    ck_assert_uint_eq(drain(l, mine, SECOND / 2 + SECOND / 10), 1);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(rules_taken_in_turns_need_memory_once)
{
    wsrt_limiter_options o = options();
    wsrt_rule rules[2] = {{5, 5, 0}, {7, 7, 0}};
    struct heap heap;

    heap_init(&heap);
    o.allocator = heap.allocator;
    wsrt_limiter *l = make(&o);
    heap_arm(&heap, 1, 1);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_STAGE, &rules[0]), WSRT_ERR_NOMEM);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_STAGE, "s"), 0), 1000); /* still off */
    heap_arm(&heap, 0, 0);
    for (int i = 0; i < 100; i++)
        for (int scope = WSRT_SCOPE_CONNECTION; scope <= WSRT_SCOPE_PING; scope++)
            ck_assert_int_eq(wsrt_limiter_set_rule(l, scope, &rules[(i + scope) % 2]), WSRT_OK);
    ck_assert_uint_eq(heap.calls, 2);
    wsrt_limiter_free(l);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(a_rule_that_cannot_be_set_leaves_the_old_one)
{
    wsrt_rule bad = {-1, 5, 0}, good = {1, 1, 0};
    wsrt_limiter_cell cell = {0};
    wsrt_limiter *l = make(NULL);

    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_CONNECTION, &bad), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_CONNECTION, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_set_rule(NULL, WSRT_SCOPE_CONNECTION, &good), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, 0, &good), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, 7, &good), WSRT_ERR_INVALID);
    ck_assert_uint_eq(drain(l, cell_key(WSRT_SCOPE_CONNECTION, &cell), 0), 20);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(arguments_that_break_a_rule_are_refused_and_charge_nothing)
{
    wsrt_limiter_cell cell = {0};
    wsrt_limit_key keys[9] = {cell_key(WSRT_SCOPE_CONNECTION, &cell)};
    wsrt_limiter *l = make(NULL);
    wsrt_limiter_options o = options();
    wsrt_limiter *none;

    ck_assert_int_eq(wsrt_limiter_check(l, keys, 1, 21, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, NULL), WSRT_ERR_INVALID);
    keys[1] = cell_key(7, &cell);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, NULL), WSRT_ERR_INVALID);
    keys[1] = cell_key(-1, &cell);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, NULL), WSRT_ERR_INVALID);
    keys[1] = cell_key(WSRT_SCOPE_USER, &cell);
    keys[1].reserved = 1;
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 9, 1, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_check(l, NULL, 1, 1, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_check(NULL, keys, 1, 1, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(cell.tat, 0);
    ck_assert_int_eq(wsrt_limiter_get_stats(l, NULL), WSRT_ERR_INVALID);
    o.flags = 2;
    ck_assert_int_eq(wsrt_limiter_new(&none, &o), WSRT_ERR_UNSUPPORTED);
    o = options();
    o.max_keys = (uint64_t)1 << 32;
    ck_assert_int_eq(wsrt_limiter_new(&none, &o), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_new(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_str_eq(wsrt_scope_name(7), "unknown");
    ck_assert_str_eq(wsrt_scope_name(-1), "unknown");
    wsrt_limiter_free(l);
    wsrt_limiter_free(NULL);
}
END_TEST

/* ---- answers ------------------------------------------------------------------------------ */

START_TEST(a_refusal_says_exactly_when_the_request_passes)
{
    wsrt_limiter_cell cell = {0};
    wsrt_limit_key key = cell_key(WSRT_SCOPE_CONNECTION, &cell);
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 18, 1000, &r), WSRT_OK);
    ck_assert_int_eq(r.remaining, 2);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 5, 1000, &r), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_CONNECTION);
    ck_assert_uint_eq(r.limit, 20);
    ck_assert_int_eq(r.remaining, 2);
    ck_assert_int_eq(r.retry_after, 3 * SECOND / 10);
    ck_assert_int_eq(once(l, key, 5, 1000 + r.retry_after - 1), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(once(l, key, 5, 1000 + r.retry_after), WSRT_OK);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(asking_for_no_unit_tells_what_is_left_and_charges_nothing)
{
    wsrt_limit_key key = named_key(WSRT_SCOPE_CONNECTION, "c");
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 0, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.remaining, 20);
    ck_assert_uint_eq(stats_of(l).keys, 0);
    ck_assert_uint_eq(drain(l, key, 0), 20);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 0, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.remaining, 0);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(an_admitted_request_names_its_tightest_scope)
{
    wsrt_limiter_cell c = {0}, u = {0};
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_CONNECTION, &c), cell_key(WSRT_SCOPE_USER, &u)};
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_CONNECTION);
    ck_assert_int_eq(r.remaining, 19);
    ck_assert_int_eq(r.retry_after, 0);
    ck_assert_int_eq(once(l, keys[1], 30, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_USER);
    ck_assert_uint_eq(r.limit, 40);
    ck_assert_int_eq(r.remaining, 8);
    ck_assert_int_eq(wsrt_limiter_check(l, NULL, 0, 1, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.scope, 0);
    ck_assert_int_eq(r.remaining, INT64_MAX);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_refusing_scope_leaves_the_others_untouched)
{
    wsrt_limiter_cell c = {0}, u = {0};
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_CONNECTION, &c), cell_key(WSRT_SCOPE_USER, &u),
                             named_key(WSRT_SCOPE_CONNECT, "ip")};
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    ck_assert_uint_eq(drain(l, keys[1], 0), 40);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 3, 1, 0, &r), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_USER);
    ck_assert_uint_eq(c.tat, 0);
    ck_assert_uint_eq(stats_of(l).keys, 0);
    ck_assert_uint_eq(stats_of(l).refused[WSRT_SCOPE_USER], 2); /* one more ended the draining */
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(beside_scopes_that_are_off_a_limited_one_answers_as_alone)
{
    wsrt_limiter_cell c = {0}, alone = {0};
    wsrt_limit_key keys[] = {named_key(WSRT_SCOPE_ROUTE, "r"), cell_key(WSRT_SCOPE_CONNECTION, &c),
                             named_key(WSRT_SCOPE_STAGE, "")};
    wsrt_limit_key same = cell_key(WSRT_SCOPE_CONNECTION, &alone);
    const wsrt_rule own = {1, 30, 0};
    wsrt_limit_result r, s;
    wsrt_limiter *l = make(NULL);

    for (int i = 0; i < 22; i++) {
        int rc = wsrt_limiter_check(l, &same, 1, 1, i, &s);
        ck_assert_int_eq(wsrt_limiter_check(l, keys, 3, 1, i, &r), rc);
        ck_assert_mem_eq(&r, &s, sizeof r);
        ck_assert_uint_eq(c.tat, alone.tat);
    }
    ck_assert_uint_eq(stats_of(l).refused[WSRT_SCOPE_CONNECTION], 4);
    ck_assert_uint_eq(stats_of(l).keys, 0);
    keys[0].rule = &own; /* on, for this key */
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 3, 1, 100 * SECOND, &r), WSRT_OK);
    ck_assert_uint_eq(stats_of(l).keys, 1);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(of_several_refusing_scopes_the_longest_wait_is_told)
{
    wsrt_limiter_cell c = {0}, u = {0};
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_USER, &u), cell_key(WSRT_SCOPE_CONNECTION, &c)};
    wsrt_limit_key turned[] = {keys[1], keys[0]};
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    drain(l, keys[0], 0);
    drain(l, keys[1], 0);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, &r), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_CONNECTION);
    ck_assert_int_eq(wsrt_limiter_check(l, turned, 2, 1, 0, &r), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_CONNECTION);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, r.retry_after - 1, NULL),
                     WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, r.retry_after, NULL), WSRT_OK);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_scope_that_fails_while_charging_gives_the_others_their_units_back)
{
    wsrt_limiter_cell c = {0}, u = {0};
    /* The same cell twice passes the test and then meets its own charge, like a lost race. */
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_USER, &u), named_key(WSRT_SCOPE_CONNECT, "ip"),
                             cell_key(WSRT_SCOPE_CONNECTION, &c),
                             cell_key(WSRT_SCOPE_CONNECTION, &c)};
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    ck_assert_int_eq(once(l, keys[2], 19, 0), WSRT_OK);
    ck_assert_int_eq(once(l, keys[0], 3, 0), WSRT_OK);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 4, 1, 0, &r), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_CONNECTION);
    ck_assert_int_eq(r.retry_after, SECOND / 10);
    ck_assert_uint_eq(drain(l, keys[0], 0), 37);
    ck_assert_uint_eq(drain(l, keys[1], 0), 10);
    ck_assert_uint_eq(drain(l, keys[2], 0), 1);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_dry_run_counts_and_admits)
{
    wsrt_limiter_cell c = {0}, u = {0};
    wsrt_limiter_options o = options();
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_CONNECTION, &c), cell_key(WSRT_SCOPE_USER, &u)};
    wsrt_limit_result r;

    o.connection.flags = WSRT_RULE_DRY_RUN;
    wsrt_limiter *l = make(&o);
    for (int i = 0; i < 25; i++)
        ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_USER);
    ck_assert_int_eq(r.remaining, 15);
    ck_assert_uint_eq(stats_of(l).shadow[WSRT_SCOPE_CONNECTION], 5);
    ck_assert_uint_eq(stats_of(l).refused[WSRT_SCOPE_CONNECTION], 0);
    wsrt_limit_key again = keys[0]; /* the five were not charged */
    ck_assert_int_eq(wsrt_limiter_check(l, &again, 1, 1, SECOND / 10, NULL), WSRT_OK);
    ck_assert_uint_eq(stats_of(l).shadow[WSRT_SCOPE_CONNECTION], 5);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(time_that_goes_back_admits_nothing_extra)
{
    wsrt_limiter_cell cell = {0};
    wsrt_limit_key key = cell_key(WSRT_SCOPE_CONNECTION, &cell);
    wsrt_limit_result r;
    wsrt_limiter *l = make(NULL);

    ck_assert_uint_eq(drain(l, key, 100 * SECOND), 20);
    ck_assert_uint_eq(drain(l, key, 50 * SECOND), 0);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 1, 50 * SECOND, &r), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(r.retry_after, 50 * SECOND + SECOND / 10);
    ck_assert_uint_eq(drain(l, key, 100 * SECOND), 0);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 1, INT64_MIN, &r), WSRT_ERR_RATE_LIMITED);
    wsrt_limiter_free(l);
}
END_TEST

/* ---- the table ---------------------------------------------------------------------------- */

START_TEST(scopes_and_keys_of_the_table_are_told_apart)
{
    wsrt_limiter *l = make(NULL);

    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_USER, "a"), 0), 40);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_USER, "b"), 0), 40);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_CONNECT, "a"), 0), 10);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_USER, ""), 0), 40);
    ck_assert_uint_eq(stats_of(l).keys, 4);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(the_table_tracks_as_many_keys_as_it_promises)
{
    wsrt_limiter_options o = options();
    char name[16];

    o.max_keys = 20000;
    wsrt_limiter *l = make(&o);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 40, 0), WSRT_OK);
    }
    ck_assert_uint_eq(stats_of(l).table_full, 0);
    ck_assert_uint_eq(stats_of(l).keys, 20000);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 1, 0), WSRT_ERR_RATE_LIMITED);
    }
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_full_table_admits_counts_and_never_grows)
{
    wsrt_limiter_options o = options();
    struct heap heap;
    char name[16];

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.max_keys = 64;
    wsrt_limiter *l = make(&o);
    size_t size = heap.live;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 1, 0), WSRT_OK);
    }
    wsrt_limiter_stats s = stats_of(l);
    ck_assert_uint_eq(s.keys + s.table_full, 1000);
    ck_assert_uint_ge(s.keys, 64);
    ck_assert_uint_le(s.keys, 104);
    ck_assert_uint_eq(heap.live, size);
    wsrt_limiter_free(l);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(a_full_table_refuses_where_it_is_told_to)
{
    wsrt_limiter_options o = options();
    wsrt_limit_result out;
    uint64_t admitted = 0, refused = 0;
    char name[16];

    o.max_keys = 64;
    o.flags = WSRT_LIMITER_REFUSE_WHEN_FULL;
    wsrt_limiter *l = make(&o);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        wsrt_limit_key key = named_key(WSRT_SCOPE_USER, name);
        int rc = wsrt_limiter_check(l, &key, 1, 1, 0, &out);
        admitted += rc == WSRT_OK;
        refused += rc == WSRT_ERR_RATE_LIMITED;
        if (rc == WSRT_ERR_RATE_LIMITED) {
            ck_assert_int_eq(out.scope, WSRT_SCOPE_USER);
            ck_assert_int_eq(out.remaining, 0);
            ck_assert_int_eq(out.retry_after, SECOND / 20);
        }
    }
    wsrt_limiter_stats s = stats_of(l);
    ck_assert_uint_eq(admitted, s.keys);
    ck_assert_uint_eq(refused, s.table_full);
    ck_assert_uint_eq(refused, s.refused[WSRT_SCOPE_USER]);
    ck_assert_uint_eq(admitted + refused, 1000);
    ck_assert_uint_gt(refused, 0);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(idle_keys_make_room_for_new_ones)
{
    wsrt_limiter_options o = options();
    char name[16];

    o.max_keys = 64;
    wsrt_limiter *l = make(&o);
    for (int i = 0; i < 10000; i++) { /* 20 keys at a time have not rested long enough */
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 20, i * SECOND / 20), WSRT_OK);
    }
    ck_assert_uint_eq(stats_of(l).table_full, 0);
    ck_assert_uint_le(stats_of(l).keys, 104);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_key_that_lost_its_slot_gains_nothing_when_time_goes_back)
{
    wsrt_limiter_options o = options();
    char name[16];

    o.max_keys = 1;
    wsrt_limiter *l = make(&o);
    ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, "a"), 40, 0), WSRT_OK);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 1, 100 * SECOND), WSRT_OK);
    }
    ck_assert_uint_eq(stats_of(l).keys, 4); /* "a" is not among them */
    ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, "a"), 1, 0), WSRT_ERR_RATE_LIMITED);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_USER, "a"), SECOND), 20);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_million_keys_fit_in_24_megabytes)
{
    wsrt_limiter_options o = options();
    struct heap heap;

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.max_keys = 1000000;
    wsrt_limiter *l = make(&o);
    ck_assert_uint_le(heap.live, 24000000);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_refused_allocation_leaves_no_limiter_behind)
{
    wsrt_limiter_options o = options();
    struct heap heap;
    wsrt_limiter *l = NULL;

    heap_init(&heap);
    o.allocator = heap.allocator;
    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, _i);
        int rc = wsrt_limiter_new(&l, &o);
        if (!heap.tripped)
            break;
        heap.points++;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_ptr_null(l);
        ck_assert_uint_eq(heap.live, 0);
    }
    ck_assert_uint_ge(heap.points, 2);
    heap_arm(&heap, 0, 0);
    drain(l, named_key(WSRT_SCOPE_USER, "u"), 0);
    ck_assert_uint_eq(heap.calls, 0);
    wsrt_limiter_free(l);
    ck_assert_uint_eq(heap.live, 0);
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

/* ---- against an oracle -------------------------------------------------------------------- */

/* A sanitizer looks at each access, not at the sums: those are judged where they cost less. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEPS = 20000 };
#else
enum { STEPS = 100000 };
#endif

typedef __int128 big;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33 ^ *state << 31;
}

/* The rules of GCRA in integers that cannot overflow. */
struct oracle {
    big step, tolerance;
    big tat[4];
    int used[4];
};

static int oracle_ask(struct oracle *o, unsigned cell, uint32_t n, int64_t time,
                      wsrt_limit_result *r)
{
    big earliest = (big)INT64_MIN + ((big)1 << 61), now = time < earliest ? earliest : time;
    big base = !o->used[cell] || o->tat[cell] < now ? now : o->tat[cell];
    big wait = base - now + ((big)n - 1) * o->step - o->tolerance;
    big tat = wait > 0 ? base : base + n * o->step;
    big room = o->tolerance - (tat - now);
    big left = room < 0 ? 0 : room / o->step + 1;

    *r = (wsrt_limit_result){.remaining = (int64_t)left};
    if (wait > 0) {
        r->retry_after = wait > INT64_MAX ? INT64_MAX : (int64_t)wait;
        return WSRT_ERR_RATE_LIMITED;
    }
    if (n > 0) {
        o->tat[cell] = tat;
        o->used[cell] = 1;
    }
    return WSRT_OK;
}

static const struct {
    const char *what;
    double rate;
    uint32_t burst;
    int64_t origin;
    uint64_t stride;
} models[] = {
    {"ordinary", 10, 20, 0, SECOND / 4},
    {"a third", 3, 7, -5 * SECOND, SECOND},
    {"one at a time", 1000, 1, 1, 3000000},
    {"fastest", 1e9, 1 << 24, 12345, 1 << 25},
    {"slowest", 1e-9, 1, 0, (uint64_t)1 << 61},
    {"widest", 0.02, 1 << 24, 0, (uint64_t)1 << 60},
    {"end of time", 10, 20, INT64_MAX - 2 * SECOND, SECOND / 4},
    {"beginning of time", 10, 20, INT64_MIN, SECOND / 4},
    {"any time", 7, 100, 0, UINT64_MAX},
};

/* Mostly a little forwards, sometimes far, sometimes back. */
static int64_t step_time(int64_t now, uint64_t stride, uint64_t *random)
{
    uint64_t move = next_random(random) % stride, kind = next_random(random) % 16;
    big next;

    if (stride == UINT64_MAX)
        return (int64_t)next_random(random);
    if (kind == 0)
        next = (big)now - move / 8;
    else
        next = (big)now + (kind == 1 ? move : move / 16);
    return next < INT64_MIN ? INT64_MIN : next > INT64_MAX ? INT64_MAX : (int64_t)next;
}

/* The three ways a single cell can go: its own rule, the limiter's with details, without them. They
 * answer alike and leave the same time behind. */
static int check_alike(wsrt_limiter *l, wsrt_limiter_cell cells[3], const wsrt_rule *rule,
                       uint32_t n, int64_t now, wsrt_limit_result *got)
{
    wsrt_limit_key keys[3];
    wsrt_limit_result own;

    for (int i = 0; i < 3; i++)
        keys[i] = cell_key(WSRT_SCOPE_ROUTE, &cells[i]);
    keys[0].rule = rule;
    int rc = wsrt_limiter_check(l, &keys[0], 1, n, now, &own);
    ck_assert_int_eq(wsrt_limiter_check(l, &keys[1], 1, n, now, got), rc);
    ck_assert_int_eq(wsrt_limiter_check(l, &keys[2], 1, n, now, NULL), rc);
    ck_assert_int_eq(own.remaining, got->remaining);
    ck_assert_int_eq(own.retry_after, got->retry_after);
    ck_assert_uint_eq(cells[0].tat, cells[1].tat);
    ck_assert_uint_eq(cells[0].tat, cells[2].tat);
    return rc;
}

START_TEST(every_answer_equals_the_oracles)
{
    wsrt_rule rule = {models[_i].rate, models[_i].burst, 0};
    big step = (big)(1e9 / rule.rate + 0.5);
    struct oracle o = {.step = step, .tolerance = (rule.burst - 1) * step};
    wsrt_limiter_cell cells[4][3] = {{{0}}};
    uint64_t random = 20261121, admitted = 0, refused = 0;
    int64_t now = models[_i].origin;
    wsrt_limiter *l = make(NULL);

    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_ROUTE, &rule), WSRT_OK);
    for (int i = 0; i < STEPS; i++) {
        unsigned cell = next_random(&random) % 4;
        uint32_t n = (uint32_t)(next_random(&random) % 4);
        wsrt_limit_result got, wanted;
        if (n == 3)
            n = (uint32_t)(next_random(&random) % (rule.burst + 1));
        n = n > rule.burst ? rule.burst : n;
        now = step_time(now, models[_i].stride, &random);
        if (i % 500 == 0) {
            now = models[_i].origin;
            memset(cells, 0, sizeof cells);
            memset(o.used, 0, sizeof o.used);
        }
        int rc = check_alike(l, cells[cell], &rule, n, now, &got);
        int want = oracle_ask(&o, cell, n, now, &wanted);
        ck_assert_msg(rc == want && got.remaining == wanted.remaining &&
                          got.retry_after == wanted.retry_after,
                      "%s, step %d", models[_i].what, i);
        admitted += rc == WSRT_OK;
        refused += rc != WSRT_OK;
    }
    ck_assert_uint_gt(admitted, STEPS / 100);
    ck_assert_uint_gt(refused, STEPS / 100);
    wsrt_limiter_free(l);
}
END_TEST

/* Several scopes at once: the reference tests all, then charges all. */
START_TEST(every_answer_for_several_scopes_equals_the_models)
{
    uint64_t random = 7, refused = 0, admitted = 0;
    int64_t now = 0, tat[2][3] = {{0}}, step[2] = {SECOND / 10, SECOND / 20};
    int64_t burst[2] = {20, 40};
    const char *users[] = {"a", "b", "c"};
    wsrt_limiter_cell cells[3] = {{0}, {0}, {0}};
    wsrt_limiter *l = make(NULL);

    for (int i = 0; i < 100000; i++) {
        size_t who[2] = {next_random(&random) % 3, next_random(&random) % 3};
        wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_CONNECTION, &cells[who[0]]),
                                 named_key(WSRT_SCOPE_USER, users[who[1]])};
        uint32_t n = (uint32_t)(next_random(&random) % 8);
        wsrt_limit_result r;
        int64_t wait = 0;
        now += (int64_t)(next_random(&random) % (uint64_t)(SECOND / 5));
        for (int k = 0; k < 2; k++) {
            int64_t base = tat[k][who[k]] > now ? tat[k][who[k]] : now;
            int64_t this = base - now + ((int64_t)n - 1) * step[k] - (burst[k] - 1) * step[k];
            wait = this > wait ? this : wait;
        }
        for (int k = 0; k < 2 && wait == 0; k++)
            tat[k][who[k]] = (tat[k][who[k]] > now ? tat[k][who[k]] : now) + n * step[k];
        int rc = wsrt_limiter_check(l, keys, 2, n, now, &r);
        ck_assert_msg(rc == (wait > 0 ? WSRT_ERR_RATE_LIMITED : WSRT_OK), "step %d", i);
        ck_assert_msg(r.retry_after == wait, "step %d", i);
        refused += wait > 0;
        admitted += wait == 0;
    }
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(admitted, 1000);
    wsrt_limiter_free(l);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

enum { ROUNDS = 40000 };

struct racer {
    wsrt_limiter *limiter;
    wsrt_limit_key keys[3];
    pthread_barrier_t *start;
    int64_t *clock;
    uint64_t admitted, refused, overlapped;
};

/* Time is shared and moves a nanosecond a call, so that both see the same load. */
static void *race(void *arg)
{
    struct racer *r = arg;
    int64_t last = -1;

    pthread_barrier_wait(r->start);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t now = __atomic_fetch_add(r->clock, 1, __ATOMIC_SEQ_CST);
        int rc = wsrt_limiter_check(r->limiter, r->keys, 3, 1, now, NULL);
        r->admitted += rc == WSRT_OK;
        r->refused += rc == WSRT_ERR_RATE_LIMITED;
        r->overlapped += last >= 0 && now != last + 1;
        last = now;
    }
    return NULL;
}

/* One race of two threads; how many calls came between another's two. */
static uint64_t race_once(void)
{
    wsrt_limiter *l = make(NULL);
    wsrt_limiter_cell cell = {0};
    wsrt_rule tight = {1e9 / 100, 50, 0}, wide = {1e9, 1 << 24, 0};
    pthread_barrier_t start;
    pthread_t threads[2];
    int64_t clock = 0;
    struct racer racers[2];
    wsrt_limit_result left;

    pthread_barrier_init(&start, NULL, 2);
    for (int i = 0; i < 2; i++) {
        racers[i] = (struct racer){.limiter = l, .start = &start, .clock = &clock};
        racers[i].keys[0] = named_key(WSRT_SCOPE_ROUTE, "wide");
        racers[i].keys[0].rule = &wide;
        racers[i].keys[1] = cell_key(WSRT_SCOPE_ROUTE, &cell);
        racers[i].keys[1].rule = &tight;
        racers[i].keys[2] = named_key(WSRT_SCOPE_USER, "same");
        racers[i].keys[2].rule = &tight;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    uint64_t admitted = racers[0].admitted + racers[1].admitted;
    ck_assert_uint_eq(admitted + racers[0].refused + racers[1].refused, 2 * ROUNDS);
    /* 50 at once and one every 100 ns of 80,000; a refund that comes late may cost a unit's time. */
    ck_assert_uint_le(admitted, 50 + 2 * ROUNDS / 100);
    ck_assert_uint_ge(admitted, 50 + 2 * ROUNDS / 100 - 40);
    wsrt_limiter_check(l, &racers[0].keys[0], 1, 0, 0, &left);
    ck_assert_int_ge(left.remaining, (1 << 24) - 2 * ROUNDS - 1); /* refusals cost nothing */
    pthread_barrier_destroy(&start);
    wsrt_limiter_free(l);
    return racers[0].overlapped;
}

START_TEST(two_threads_together_admit_what_one_would)
{
    uint64_t contended = 0;

    /* On a busy machine the two may run one after the other: race until they meet. */
    for (int i = 0; i < 200 && contended == 0; i++)
        contended = race_once();
    printf("# contended calls: %llu\n", (unsigned long long)contended);
    ck_assert_uint_gt(contended, 0);
}
END_TEST

struct newcomer {
    wsrt_limiter *limiter;
    pthread_barrier_t *step;
    unsigned passed[2000];
};

/* 64 new keys at a time, each asked for 41 times, one after the other. */
static void *arrive(void *arg)
{
    struct newcomer *n = arg;
    char name[16];

    for (int i = 0; i < 2000 * 41; i++) {
        int key = i / (64 * 41) * 64 + i % 64;
        if (i % (64 * 41) == 0)
            pthread_barrier_wait(n->step);
        snprintf(name, sizeof name, "new %d", key);
        if (key < 2000)
            n->passed[key] += once(n->limiter, named_key(WSRT_SCOPE_USER, name), 1, 0) == WSRT_OK;
    }
    return NULL;
}

START_TEST(two_threads_that_bring_the_same_new_keys_share_one_slot_a_key)
{
    static struct newcomer newcomers[2];
    wsrt_limiter *l = make(NULL);
    pthread_barrier_t step;
    pthread_t threads[2];
    unsigned shared = 0;

    pthread_barrier_init(&step, NULL, 2);
    for (int i = 0; i < 2; i++) {
        newcomers[i] = (struct newcomer){.limiter = l, .step = &step};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, arrive, &newcomers[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2000; i++) {
        ck_assert_uint_le(newcomers[0].passed[i] + newcomers[1].passed[i], 40);
        shared += newcomers[0].passed[i] > 0 && newcomers[1].passed[i] > 0;
    }
    ck_assert_uint_gt(shared, 0);
    ck_assert_uint_eq(stats_of(l).table_full, 0);
    printf("# keys that both threads charged: %u\n", shared);
    pthread_barrier_destroy(&step);
    wsrt_limiter_free(l);
}
END_TEST

/* One thread asks while another swaps rules of 10 and of 20 units. */
struct asker {
    wsrt_limiter *limiter;
    wsrt_limiter_cell cell;
    int done;
    uint64_t odd; /* answers that belong to neither rule */
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    wsrt_limit_result out;

    while (!__atomic_load_n(&a->done, __ATOMIC_ACQUIRE)) {
        wsrt_limit_key key = cell_key(WSRT_SCOPE_ROUTE, &a->cell);
        int rc = wsrt_limiter_check(a->limiter, &key, 1, 0, 0, &out);
        a->odd += rc != WSRT_OK || !((out.limit == 10 && out.remaining == 10) ||
                                     (out.limit == 20 && out.remaining == 20));
    }
    return NULL;
}

START_TEST(a_rule_is_swapped_as_one_while_others_ask)
{
    static const wsrt_rule rules[2] = {{1, 10, 0}, {1000, 20, 0}};
    struct asker a = {.limiter = make(NULL)};
    pthread_t thread;

    wsrt_limiter_set_rule(a.limiter, WSRT_SCOPE_ROUTE, &rules[0]);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask, &a), 0);
    for (int i = 0; i < 100000; i++)
        wsrt_limiter_set_rule(a.limiter, WSRT_SCOPE_ROUTE, &rules[i % 2]);
    __atomic_store_n(&a.done, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(a.odd, 0);
    wsrt_limiter_free(a.limiter);
}
END_TEST

/* As records of connections are: each in cache lines of its own. */
struct flooder {
    _Alignas(64) wsrt_limiter_cell cell;
    wsrt_limiter *limiter;
    uint64_t refused;
};

static void *flood(void *arg)
{
    struct flooder *f = arg;

    for (int i = 0; i < 200000; i++)
        f->refused +=
            once(f->limiter, cell_key(WSRT_SCOPE_PING, &f->cell), 1, 0) == WSRT_ERR_RATE_LIMITED;
    return NULL;
}

START_TEST(refusals_of_two_flooding_connections_are_all_counted)
{
    static struct flooder flooders[2];
    wsrt_limiter *l = make(NULL);
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        flooders[i].limiter = l;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, flood, &flooders[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(flooders[0].refused + flooders[1].refused, 2 * (200000 - 5));
    ck_assert_uint_eq(stats_of(l).refused[WSRT_SCOPE_PING], 2 * (200000 - 5));
    wsrt_limiter_free(l);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("limiter");
    TCase *t = tcase_create("limiter"), *many = tcase_create("very many");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_scope_has_its_default_burst_and_rate, 0,
                        sizeof shipped / sizeof shipped[0]);
    tcase_add_test(t, route_and_stage_are_off_until_they_get_a_rule);
    tcase_add_test(t, a_scope_can_be_turned_off);
    tcase_add_loop_test(t, a_rule_without_sense_is_refused, 0,
                        sizeof nonsense / sizeof nonsense[0]);
    tcase_add_test(t, the_widest_rules_are_taken);
    tcase_add_test(t, a_key_may_bring_its_own_rule_and_change_it);
    tcase_add_test(t, a_rule_changes_at_run_time_and_keys_keep_what_they_used);
    tcase_add_test(t, rules_taken_in_turns_need_memory_once);
    tcase_add_test(t, a_rule_that_cannot_be_set_leaves_the_old_one);
    tcase_add_test(t, a_full_table_refuses_where_it_is_told_to);
    tcase_add_test(t, a_rule_is_swapped_as_one_while_others_ask);
    tcase_add_test(t, refusals_of_two_flooding_connections_are_all_counted);
    tcase_add_test(t, arguments_that_break_a_rule_are_refused_and_charge_nothing);
    tcase_add_test(t, a_refusal_says_exactly_when_the_request_passes);
    tcase_add_test(t, asking_for_no_unit_tells_what_is_left_and_charges_nothing);
    tcase_add_test(t, an_admitted_request_names_its_tightest_scope);
    tcase_add_test(t, a_refusing_scope_leaves_the_others_untouched);
    tcase_add_test(t, beside_scopes_that_are_off_a_limited_one_answers_as_alone);
    tcase_add_test(t, of_several_refusing_scopes_the_longest_wait_is_told);
    tcase_add_test(t, a_scope_that_fails_while_charging_gives_the_others_their_units_back);
    tcase_add_test(t, a_dry_run_counts_and_admits);
    tcase_add_test(t, time_that_goes_back_admits_nothing_extra);
    tcase_add_test(t, scopes_and_keys_of_the_table_are_told_apart);
    tcase_add_test(t, the_table_tracks_as_many_keys_as_it_promises);
    tcase_add_test(t, a_full_table_admits_counts_and_never_grows);
    tcase_add_test(t, idle_keys_make_room_for_new_ones);
    tcase_add_test(t, a_key_that_lost_its_slot_gains_nothing_when_time_goes_back);
    tcase_add_loop_test(t, a_refused_allocation_leaves_no_limiter_behind, 0, 2);
    tcase_add_test(t, two_threads_together_admit_what_one_would);
    tcase_add_test(t, two_threads_that_bring_the_same_new_keys_share_one_slot_a_key);
    suite_add_tcase(s, t);
    tcase_set_timeout(many, 60);
    tcase_set_tags(many, SLOW);
    tcase_add_test(many, a_million_keys_fit_in_24_megabytes);
    tcase_add_loop_test(many, every_answer_equals_the_oracles, 0, sizeof models / sizeof models[0]);
    tcase_add_test(many, every_answer_for_several_scopes_equals_the_models);
    suite_add_tcase(s, many);
    return s;
}
