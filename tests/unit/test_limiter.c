#include "heap.h"
#include "limiter_rig.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsrt_limiter_options options(void)
{
    return (wsrt_limiter_options){.struct_size = sizeof(wsrt_limiter_options)};
}

/* How many single units pass at one instant. */
static unsigned drain(wsrt_limiter *l, wsrt_limit_key key, int64_t now)
{
    unsigned passed = 0;

    while (passed < 1000 && once(l, key, 1, now) == WSRT_OK)
        passed++;
    return passed;
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
    wsrt_limiter *l = new_limiter(NULL);
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
    wsrt_limiter *l = new_limiter(&o);

    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_ROUTE, "r"), 0), 1000);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_STAGE, ""), 0), 1000);
    wsrt_limiter_free(l);
    o.route = (wsrt_rule){1, 3, 0};
    o.stage = (wsrt_rule){1, 4, 0};
    l = new_limiter(&o);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_ROUTE, "r"), 0), 3);
    ck_assert_uint_eq(drain(l, named_key(WSRT_SCOPE_STAGE, ""), 0), 4);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_scope_can_be_turned_off)
{
    wsrt_limiter_options o = options();

    o.user.flags = WSRT_RULE_OFF;
    wsrt_limiter *l = new_limiter(&o);
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
    {"2^60 ns a unit", {1e9 / 1152921504606846976.0, 1, 0}},
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
    l = new_limiter(NULL);
    key.rule = &nonsense[_i].rule;
    ck_assert_msg(once(l, key, 1, 0) == WSRT_ERR_INVALID, "%s", nonsense[_i].what);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(the_widest_rules_are_taken)
{
    wsrt_rule widest[] = {{1e9, 1 << 24, 0}, {1e-9, 1, 0}, {0.02, 1 << 24, 0}};
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);
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
    wsrt_limiter *l = new_limiter(&o);
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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limit_key keys[2] = {cell_key(WSRT_SCOPE_CONNECTION, &cell)};
    wsrt_limiter *l = new_limiter(NULL);
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
    ck_assert_int_eq(wsrt_limiter_check(l, NULL, 1, 1, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_limiter_check(NULL, keys, 1, 1, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_uint_eq(cell.tat, 0);
    ck_assert_int_eq(wsrt_limiter_get_stats(l, NULL), WSRT_ERR_INVALID);
    o.flags = 2;
    ck_assert_int_eq(wsrt_limiter_new(&none, &o), WSRT_ERR_UNSUPPORTED);
    o = options();
    ck_assert_int_eq(wsrt_limiter_new(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_str_eq(wsrt_scope_name(7), "unknown");
    ck_assert_str_eq(wsrt_scope_name(-1), "unknown");
    wsrt_limiter_free(l);
    wsrt_limiter_free(NULL);
}
END_TEST

static const struct {
    int scope;
    uint32_t reserved;
} nowhere[] = {{0, 0}, {7, 0}, {-1, 0}, {1, 1}, {1, (uint32_t)1 << 31}};

START_TEST(a_key_of_no_scope_is_refused_however_it_is_asked)
{
    wsrt_limiter_cell cell = {0};
    wsrt_limit_key cells = cell_key(nowhere[_i].scope, &cell);
    wsrt_limit_key names = named_key(nowhere[_i].scope, "k");
    wsrt_limit_result r;
    wsrt_limiter *l = new_limiter(NULL);

    cells.reserved = names.reserved = nowhere[_i].reserved;
    for (uint32_t n = 0; n < 3; n++) {
        ck_assert_int_eq(wsrt_limiter_check(l, &cells, 1, n, 0, NULL), WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_limiter_check(l, &cells, 1, n, 0, &r), WSRT_ERR_INVALID);
        ck_assert_int_eq(wsrt_limiter_check(l, &names, 1, n, 0, NULL), WSRT_ERR_INVALID);
    }
    ck_assert_uint_eq(cell.tat, 0);
    ck_assert_uint_eq(stats_of(l).keys, 0);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(the_most_keys_are_below_two_to_the_32)
{
    wsrt_limiter_options o = options();
    wsrt_limiter *l;
    struct heap heap;

    heap_init(&heap);
    heap_arm(&heap, 2, 1); /* the table, of gigabytes */
    o.allocator = heap.allocator;
    o.max_keys = UINT32_MAX;
    ck_assert_int_eq(wsrt_limiter_new(&l, &o), WSRT_ERR_NOMEM);
    heap_disarm(&heap);
    o.max_keys++;
    ck_assert_int_eq(wsrt_limiter_new(&l, &o), WSRT_ERR_INVALID);
}
END_TEST

/* ---- answers ------------------------------------------------------------------------------ */

START_TEST(a_refusal_says_exactly_when_the_request_passes)
{
    wsrt_limiter_cell cell = {0};
    wsrt_limit_key key = cell_key(WSRT_SCOPE_CONNECTION, &cell);
    wsrt_limit_result r;
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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

/* How many single units pass two keys at one instant. */
static unsigned drain_both(wsrt_limiter *l, const wsrt_limit_key keys[2])
{
    unsigned passed = 0;

    while (passed < 1000 && wsrt_limiter_check(l, keys, 2, 1, 0, NULL) == WSRT_OK)
        passed++;
    return passed;
}

START_TEST(a_scope_that_is_off_hides_no_other)
{
    const wsrt_rule fastest = {1e9, 5, 0}, tight = {1, 3, 0}, wide = {1, 9, 0};
    wsrt_limiter_cell c[4] = {{0}, {0}, {0}, {0}};
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_ROUTE, &c[0]),
                             cell_key(WSRT_SCOPE_CONNECTION, &c[1])};
    wsrt_limiter *l = new_limiter(NULL);

    ck_assert_uint_eq(drain_both(l, keys), 20);
    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_ROUTE, &fastest), WSRT_OK);
    keys[1].cell = &c[3];
    ck_assert_uint_eq(drain_both(l, keys), 5);
    c[0] = (wsrt_limiter_cell){0};
    keys[0].rule = &tight; /* on, for this key; and the other has its own too */
    keys[1].cell = &c[2];
    keys[1].rule = &wide;
    ck_assert_uint_eq(drain_both(l, keys), 3);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(of_scopes_that_stand_alike_the_first_is_told)
{
    const wsrt_rule same = {1, 2, 0};
    wsrt_limiter_cell c[2] = {{0}, {0}};
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_STAGE, &c[0]), cell_key(WSRT_SCOPE_ROUTE, &c[1])};
    wsrt_limit_result r;
    wsrt_limiter *l = new_limiter(NULL);

    keys[0].rule = keys[1].rule = &same;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(wsrt_limiter_check(l, keys, 2, 1, 0, &r),
                         i < 2 ? WSRT_OK : WSRT_ERR_RATE_LIMITED);
        ck_assert_int_eq(r.scope, WSRT_SCOPE_STAGE);
    }
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(eight_keys_are_the_most_of_a_request)
{
    wsrt_limiter_cell cells[8];
    wsrt_limit_key keys[9];
    wsrt_limiter *l = new_limiter(NULL);

    memset(cells, 0, sizeof cells);
    for (int i = 0; i < 9; i++)
        keys[i] = cell_key(WSRT_SCOPE_CONNECTION, &cells[i % 8]);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 8, 20, 0, NULL), WSRT_OK);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(once(l, keys[i], 1, 0), WSRT_ERR_RATE_LIMITED);
    ck_assert_int_eq(wsrt_limiter_check(l, keys, 9, 1, 0, NULL), WSRT_ERR_INVALID);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_refusal_is_counted_wherever_its_cell_lies)
{
    enum { LINE = 64, LINES = 16 };
    static _Alignas(LINE) char room[LINES * LINE];
    const wsrt_rule once_only = {1, 1, 0};
    wsrt_limiter *l = new_limiter(NULL);

    ck_assert_int_eq(wsrt_limiter_set_rule(l, WSRT_SCOPE_ROUTE, &once_only), WSRT_OK);
    for (int i = 0; i < LINES; i++) {
        wsrt_limiter_cell *cell = (wsrt_limiter_cell *)(void *)(room + i * LINE);
        *cell = (wsrt_limiter_cell){0};
        ck_assert_uint_eq(drain(l, cell_key(WSRT_SCOPE_ROUTE, cell), 0), 1);
        ck_assert_uint_eq(stats_of(l).refused[WSRT_SCOPE_ROUTE], (uint64_t)i + 1);
    }
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(of_several_refusing_scopes_the_longest_wait_is_told)
{
    wsrt_limiter_cell c = {0}, u = {0};
    wsrt_limit_key keys[] = {cell_key(WSRT_SCOPE_USER, &u), cell_key(WSRT_SCOPE_CONNECTION, &c)};
    wsrt_limit_key turned[] = {keys[1], keys[0]};
    wsrt_limit_result r;
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(&o);
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

START_TEST(a_dry_run_alone_answers_like_one_among_others)
{
    wsrt_limiter_cell c = {0};
    wsrt_limiter_options o = options();
    wsrt_limit_key key = cell_key(WSRT_SCOPE_CONNECTION, &c);
    wsrt_limit_result r;

    o.connection.flags = WSRT_RULE_DRY_RUN;
    wsrt_limiter *l = new_limiter(&o);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 15, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.scope, WSRT_SCOPE_CONNECTION);
    ck_assert_int_eq(r.remaining, 5);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 6, 0, &r), WSRT_OK);
    ck_assert_int_eq(r.scope, 0);
    ck_assert_int_eq(r.remaining, INT64_MAX);
    ck_assert_uint_eq(stats_of(l).shadow[WSRT_SCOPE_CONNECTION], 1);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 5, 0, &r), WSRT_OK); /* six were not charged */
    ck_assert_uint_eq(stats_of(l).shadow[WSRT_SCOPE_CONNECTION], 1);
    ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 21, 0, &r), WSRT_ERR_INVALID);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(time_that_goes_back_admits_nothing_extra)
{
    wsrt_limiter_cell cell = {0};
    wsrt_limit_key key = cell_key(WSRT_SCOPE_CONNECTION, &cell);
    wsrt_limit_result r;
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(NULL);

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
    wsrt_limiter *l = new_limiter(&o);
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
    wsrt_limit_result out;
    char name[16];

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.max_keys = 64;
    wsrt_limiter *l = new_limiter(&o);
    size_t size = heap.live;
    for (uint64_t i = 0, tracked = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%u", (unsigned)i);
        wsrt_limit_key key = named_key(WSRT_SCOPE_USER, name);
        ck_assert_int_eq(wsrt_limiter_check(l, &key, 1, 1, 0, &out), WSRT_OK);
        int new = stats_of(l).keys > tracked;
        ck_assert_int_eq(out.scope, new ? WSRT_SCOPE_USER : 0); /* untracked, nothing limits it */
        ck_assert_int_eq(out.remaining, new ? 39 : INT64_MAX);
        tracked = stats_of(l).keys;
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
    wsrt_limiter *l = new_limiter(&o);
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
    wsrt_limiter *l = new_limiter(&o);
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
    wsrt_limiter *l = new_limiter(&o);
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

enum { LEAST_SLOTS = 16 }; /* of the smallest table */

/* The smallest table with a key in every slot, each until a twentieth of a second from `now`. */
static wsrt_limiter *full_limiter(const wsrt_allocator *allocator, int64_t now)
{
    wsrt_limiter_options o = options();
    char name[16];

    o.max_keys = 1;
    if (allocator != NULL)
        o.allocator = *allocator;
    wsrt_limiter *l = new_limiter(&o);
    for (int i = 0; stats_of(l).keys < LEAST_SLOTS; i++) {
        ck_assert_int_lt(i, 1000);
        snprintf(name, sizeof name, "first %d", i);
        ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 1, now), WSRT_OK);
    }
    return l;
}

/* Whether the table has room for a new key. */
static int is_tracked(wsrt_limiter *l, const char *name, int64_t now)
{
    uint64_t before = stats_of(l).table_full;

    ck_assert_int_eq(once(l, named_key(WSRT_SCOPE_USER, name), 1, now), WSRT_OK);
    return stats_of(l).table_full == before;
}

START_TEST(a_slot_is_idle_from_the_instant_that_its_key_has_rested)
{
    wsrt_limiter *l = full_limiter(NULL, 0);

    ck_assert_int_eq(is_tracked(l, "new", SECOND / 20 - 1), 0);
    ck_assert_int_eq(is_tracked(l, "new", SECOND / 20), 1);
    wsrt_limiter_free(l);
}
END_TEST

START_TEST(a_free_slot_is_free_when_time_goes_back)
{
    wsrt_limiter *l = full_limiter(NULL, 0);
    char name[2] = "a";

    for (int i = 0; i < 4; i++, name[0]++) /* so many sweep both buckets */
        ck_assert_int_eq(is_tracked(l, name, 100 * SECOND), 1);
    ck_assert_uint_eq(stats_of(l).keys, 4);
    for (uint64_t i = 5; i <= 8; i++, name[0]++) {
        ck_assert_int_eq(is_tracked(l, name, 1), 1);
        ck_assert_uint_eq(stats_of(l).keys, i);
    }
    wsrt_limiter_free(l);
}
END_TEST

/* Memory that begins anywhere in a line of the cache, between bytes that nobody may change. */
struct fenced {
    size_t shift, damaged;
};

enum { FENCE = 64, FENCE_BYTE = 0xa5 };

static int is_whole(const unsigned char *fence)
{
    for (size_t i = 0; i < FENCE; i++)
        if (fence[i] != FENCE_BYTE)
            return 0;
    return 1;
}

static void *fenced_realloc(void *user, void *ptr, size_t old_size, size_t new_size)
{
    struct fenced *f = user;

    if (new_size == 0) {
        unsigned char *at = (unsigned char *)ptr - FENCE;
        f->damaged += !is_whole(at) || !is_whole((unsigned char *)ptr + old_size);
        free(at - f->shift);
        return NULL;
    }
    size_t size = (f->shift + FENCE + new_size + FENCE + 63) / 64 * 64;
    unsigned char *block = aligned_alloc(64, size);
    memset(block, FENCE_BYTE, size);
    return block + f->shift + FENCE;
}

START_TEST(the_table_stays_in_its_memory_wherever_that_begins)
{
    struct fenced fenced = {.shift = (size_t)_i * 16};
    wsrt_allocator allocator = {fenced_realloc, &fenced};

    wsrt_limiter_free(full_limiter(&allocator, INT64_MAX - SECOND));
    ck_assert_uint_eq(fenced.damaged, 0);
}
END_TEST

START_TEST(a_million_keys_fit_in_24_megabytes)
{
    wsrt_limiter_options o = options();
    struct heap heap;

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.max_keys = 1000000;
    wsrt_limiter *l = new_limiter(&o);
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
    tcase_add_test(t, arguments_that_break_a_rule_are_refused_and_charge_nothing);
    tcase_add_loop_test(t, a_key_of_no_scope_is_refused_however_it_is_asked, 0,
                        sizeof nowhere / sizeof nowhere[0]);
    tcase_add_test(t, the_most_keys_are_below_two_to_the_32);
    tcase_add_test(t, a_refusal_says_exactly_when_the_request_passes);
    tcase_add_test(t, asking_for_no_unit_tells_what_is_left_and_charges_nothing);
    tcase_add_test(t, an_admitted_request_names_its_tightest_scope);
    tcase_add_test(t, a_refusing_scope_leaves_the_others_untouched);
    tcase_add_test(t, beside_scopes_that_are_off_a_limited_one_answers_as_alone);
    tcase_add_test(t, a_scope_that_is_off_hides_no_other);
    tcase_add_test(t, of_scopes_that_stand_alike_the_first_is_told);
    tcase_add_test(t, eight_keys_are_the_most_of_a_request);
    tcase_add_test(t, a_refusal_is_counted_wherever_its_cell_lies);
    tcase_add_test(t, of_several_refusing_scopes_the_longest_wait_is_told);
    tcase_add_test(t, a_scope_that_fails_while_charging_gives_the_others_their_units_back);
    tcase_add_test(t, a_dry_run_counts_and_admits);
    tcase_add_test(t, a_dry_run_alone_answers_like_one_among_others);
    tcase_add_test(t, time_that_goes_back_admits_nothing_extra);
    tcase_add_test(t, scopes_and_keys_of_the_table_are_told_apart);
    tcase_add_test(t, the_table_tracks_as_many_keys_as_it_promises);
    tcase_add_test(t, a_full_table_admits_counts_and_never_grows);
    tcase_add_test(t, idle_keys_make_room_for_new_ones);
    tcase_add_test(t, a_key_that_lost_its_slot_gains_nothing_when_time_goes_back);
    tcase_add_test(t, a_slot_is_idle_from_the_instant_that_its_key_has_rested);
    tcase_add_test(t, a_free_slot_is_free_when_time_goes_back);
    tcase_add_loop_test(t, the_table_stays_in_its_memory_wherever_that_begins, 0, 4);
    tcase_add_loop_test(t, a_refused_allocation_leaves_no_limiter_behind, 0, 2);
    suite_add_tcase(s, t);
    tcase_set_timeout(many, 60);
    tcase_set_tags(many, SLOW);
    tcase_add_test(many, a_million_keys_fit_in_24_megabytes);
    suite_add_tcase(s, many);
    return s;
}
