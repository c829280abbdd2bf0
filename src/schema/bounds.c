/* What validation will need, found by walking the finished nodes. */
#include "schema/compile.h"

#include <string.h>

struct graph {
    struct wsrt_compiler *c;
    struct wsrt_node *nodes;
    const struct wsrt_prop *props;
    const struct wsrt_combo *combos;
    const struct wsrt_switch *switches;
    const struct wsrt_literal *literals;
    const struct wsrt_patterns *patterns;
    const struct wsrt_check *checks;
    const uint32_t *index;
    uint32_t count;
};

typedef void (*visit_fn)(void *user, uint32_t from, uint32_t to);

static void visit_local(const struct graph *g, uint32_t n, visit_fn visit, void *user)
{
    const struct wsrt_node *node = &g->nodes[n];

    for (uint32_t i = 0; i < node->combo_count; i++) {
        const struct wsrt_combo *combo = &g->combos[node->combos + i];
        for (uint32_t k = 0; k < combo->count; k++)
            visit(user, n, g->index[combo->first + k]);
    }
    if ((node->flags & WSRT_NODE_SWITCH) == 0)
        return;
    const struct wsrt_switch *s = &g->switches[node->tag];
    visit(user, n, s->other);
    visit(user, n, s->missing);
    for (uint32_t i = 0; i < s->count; i++)
        visit(user, n, g->literals[s->first + i].node);
}

static void visit_members(const struct graph *g, uint32_t n, visit_fn visit, void *user)
{
    const struct wsrt_node *node = &g->nodes[n];

    for (uint32_t i = 0; i < node->known; i++)
        visit(user, n, g->props[node->names + i].child);
}

/* Children without a fixed place. */
static void visit_loose(const struct graph *g, uint32_t n, visit_fn visit, void *user)
{
    const struct wsrt_node *node = &g->nodes[n];

    visit(user, n, node->other);
    visit(user, n, node->items);
    for (uint32_t i = 0; i < node->prefix_count; i++)
        visit(user, n, g->index[node->prefix + i]);
    for (uint32_t i = 0; i < node->contains_count; i++)
        visit(user, n, g->checks[node->contains + i].a);
    for (uint32_t i = 0; i < node->pattern_count; i++) {
        const struct wsrt_patterns *p = &g->patterns[node->patterns + i];
        visit(user, n, p->other);
        for (uint32_t k = 0; k < p->count; k++)
            visit(user, n, g->index[p->first + 2 * k + 1]);
    }
    if (node->name_rule != WSRT_NONE)
        visit(user, n, node->name_rule);
}

/* ---- ranks -------------------------------------------------------------------------------- */

struct ranking {
    const struct graph *g;
    int changed;
};

static void raise_rank(void *user, uint32_t from, uint32_t to)
{
    struct ranking *r = user;
    struct wsrt_node *nodes = r->g->nodes;

    if (to != WSRT_NODE_ANY && nodes[to].rank <= nodes[from].rank) {
        nodes[to].rank = nodes[from].rank + 1;
        r->changed = 1;
    }
}

/* In-place references have no cycle, so this ends after the longest chain. */
static void find_ranks(const struct graph *g)
{
    struct ranking r = {g, 1};

    while (r.changed) {
        r.changed = 0;
        for (uint32_t n = 0; n < g->count; n++)
            visit_local(g, n, raise_rank, &r);
    }
}

/* ---- nesting and slots -------------------------------------------------------------------- */

enum { HERE = 1, NEXT = 2, LOOSE = 4, PLAIN = 8 };

struct reaching {
    const struct graph *g;
    uint8_t *marks;
    uint8_t mark;
    int changed;
};

static void mark_node(void *user, uint32_t from, uint32_t to)
{
    struct reaching *r = user;

    (void)from;
    if (to != WSRT_NODE_ANY && (r->marks[to] & r->mark) == 0) {
        r->marks[to] |= r->mark;
        r->changed = 1;
    }
}

static void close_locally(struct reaching *r)
{
    do {
        r->changed = 0;
        for (uint32_t n = 0; n < r->g->count; n++)
            if (r->marks[n] & r->mark)
                visit_local(r->g, n, mark_node, r);
    } while (r->changed);
}

/* Containers that the nodes can see inside each other; `most` or more = unbounded. */
static uint32_t find_depth(struct reaching *r, uint32_t root, uint32_t most)
{
    uint32_t depth = 0;

    r->marks[root] = HERE;
    for (; depth < most; depth++) {
        int any = 0;
        r->mark = HERE;
        close_locally(r);
        r->mark = NEXT;
        for (uint32_t n = 0; n < r->g->count; n++)
            if (r->marks[n] & HERE) {
                any = 1;
                visit_members(r->g, n, mark_node, r);
                visit_loose(r->g, n, mark_node, r);
            }
        if (!any)
            return depth;
        for (uint32_t n = 0; n < r->g->count; n++)
            r->marks[n] = (r->marks[n] & NEXT) != 0;
    }
    return WSRT_NONE;
}

/* 1 when a slot can be filled more than once in a message. */
static int slots_are_loose(struct reaching *r, uint32_t root)
{
    memset(r->marks, 0, r->g->count);
    r->marks[root] = PLAIN;
    do {
        r->changed = 0;
        for (uint32_t n = 0; n < r->g->count; n++) {
            r->mark = PLAIN;
            if (r->marks[n] & PLAIN) {
                visit_local(r->g, n, mark_node, r);
                visit_members(r->g, n, mark_node, r);
            }
            r->mark = LOOSE;
            if (r->marks[n])
                visit_loose(r->g, n, mark_node, r);
            if (r->marks[n] & LOOSE) {
                visit_local(r->g, n, mark_node, r);
                visit_members(r->g, n, mark_node, r);
            }
        }
    } while (r->changed);
    for (uint32_t n = 0; n < r->g->count; n++)
        if ((r->marks[n] & LOOSE) && r->g->nodes[n].slot != WSRT_NONE)
            return 1;
    return 0;
}

/* ---- sizes -------------------------------------------------------------------------------- */

/* Nodes that can be active at once below a group that starts at `n`, as an upper bound. */
static uint32_t reachable(struct reaching *r, uint32_t n)
{
    uint32_t count = 0;

    memset(r->marks, 0, r->g->count);
    r->marks[n] = r->mark = HERE;
    do {
        r->changed = 0;
        for (uint32_t i = 0; i < r->g->count; i++)
            if (r->marks[i] & HERE) {
                visit_local(r->g, i, mark_node, r);
                visit_members(r->g, i, mark_node, r);
                visit_loose(r->g, i, mark_node, r);
            }
    } while (r->changed);
    for (uint32_t i = 0; i < r->g->count; i++)
        count += r->marks[i] & HERE;
    return count;
}

enum { FEW = 64 };

static void find_sizes(struct reaching *r, struct wsrt_image *image)
{
    const struct graph *g = r->g;
    uint32_t counters = 0, groups = 0;

    for (uint32_t n = 0; n < g->count; n++) {
        counters = g->nodes[n].counters > counters ? g->nodes[n].counters : counters;
        if ((g->nodes[n].flags & WSRT_NODE_SETS) == 0)
            continue;
        uint32_t most = ++groups > FEW ? g->count : reachable(r, n);
        image->most = most > image->most ? most : image->most;
    }
    if (image->most == 0)
        return;
    if (image->most > WSRT_MOST_EVALS)
        image->most = WSRT_MOST_EVALS;
    image->seen = image->most * (counters < 8 ? counters : 8) + (counters < 8 ? 0 : counters);
    image->links = 4 * image->most + 8;
}

static int too_many_branches(struct reaching *r)
{
    for (uint32_t n = 0; n < r->g->count; n++) {
        uint32_t count = 0;
        if ((r->g->nodes[n].flags & WSRT_NODE_LOCAL) == 0 || r->g->nodes[n].rank > 0)
            continue;
        memset(r->marks, 0, r->g->count);
        r->marks[n] = r->mark = HERE;
        close_locally(r);
        for (uint32_t i = 0; i < r->g->count; i++)
            count += r->marks[i] & HERE;
        if (count > WSRT_MOST_EVALS)
            return 1;
    }
    return 0;
}

static const void *table(const struct wsrt_compiler *c, int which)
{
    return c->tables[which].data;
}

/* What the largest pattern needs while it matches. */
static uint32_t largest_room(const struct wsrt_compiler *c, const struct graph *g)
{
    const uint32_t *words = table(c, WSRT_TABLE_REGEX);
    size_t out = 0;

    for (size_t i = 0; i < c->tables[WSRT_TABLE_CHECKS].count; i++)
        if (g->checks[i].kind == WSRT_CHECK_REGEX) {
            size_t room = wsrt_regex_room_size(words + g->checks[i].a);
            out = room > out ? room : out;
        }
    return (uint32_t)out;
}

int wsrt_bounds_find(struct wsrt_compiler *c)
{
    struct graph g = {.c = c,
                      .nodes = (void *)c->tables[WSRT_TABLE_NODES].data,
                      .props = table(c, WSRT_TABLE_PROPS),
                      .combos = table(c, WSRT_TABLE_COMBOS),
                      .switches = table(c, WSRT_TABLE_SWITCHES),
                      .literals = table(c, WSRT_TABLE_LITERALS),
                      .patterns = table(c, WSRT_TABLE_PATTERNS),
                      .checks = table(c, WSRT_TABLE_CHECKS),
                      .index = table(c, WSRT_TABLE_INDEX),
                      .count = (uint32_t)c->tables[WSRT_TABLE_NODES].count};
    struct reaching r = {.g = &g, .marks = wsrt_compile_alloc(c, g.count)};

    if (r.marks == NULL)
        return WSRT_ERR_NOMEM;
    find_ranks(&g);
    c->image.depth = find_depth(&r, c->image.root, 64);
    if (too_many_branches(&r))
        return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, NULL, "More than 64 active branches");
    if (slots_are_loose(&r, c->image.root))
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, NULL,
                                 "x-wsrt-extract where a message can have several values");
    find_sizes(&r, &c->image);
    for (size_t i = 0; i < c->tables[WSRT_TABLE_CHECKS].count; i++)
        c->image.unique |= g.checks[i].kind == WSRT_CHECK_UNIQUE_ITEMS;
    c->image.scratch_extra = largest_room(c, &g);
    return WSRT_OK;
}
