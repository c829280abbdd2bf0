/* The general lane: several nodes judge one value at once. */
#include "schema/run.h"

#include <string.h>

void *wsrt_run_no_room(struct wsrt_run *r)
{
    wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, r->in.end, "Too many active schemas");
    return NULL;
}

static size_t group_bytes(const struct wsrt_image *image)
{
    size_t links = (image->links * sizeof(struct wsrt_link) + 15) & ~(size_t)15;

    return ((sizeof(struct wsrt_group) + 15) & ~(size_t)15) +
           image->most * sizeof(struct wsrt_eval) + links + 16;
}

size_t wsrt_group_size(const struct wsrt_image *image)
{
    return image->most == 0 ? 0 : group_bytes(image) + (image->seen + 2) * sizeof(uint64_t);
}

struct wsrt_group *wsrt_group_new(struct wsrt_run *r, struct wsrt_group *parent,
                                  const unsigned char *start)
{
    const struct wsrt_image *image = r->s->image;
    unsigned char *floor = r->bump, *p = wsrt_run_alloc(r, group_bytes(image));

    if (p == NULL)
        return NULL;
    struct wsrt_group *g = (struct wsrt_group *)(void *)p;
    *g = (struct wsrt_group){.parent = parent, .floor = floor, .start = start};
    g->evals = (struct wsrt_eval *)(void *)(p + ((sizeof *g + 15) & ~(size_t)15));
    g->links = (struct wsrt_link *)(void *)(g->evals + image->most);
    return g;
}

static struct wsrt_eval *find_eval(const struct wsrt_group *g, uint32_t want)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->evals[i].want == want)
            return &g->evals[i];
    return NULL;
}

int wsrt_group_add(struct wsrt_run *r, struct wsrt_group *g, uint32_t node, int loud)
{
    struct wsrt_eval *known = node == WSRT_NODE_ANY ? NULL : find_eval(g, node);

    if (node == WSRT_NODE_ANY)
        return 1;
    if (known != NULL) {
        known->loud |= (uint32_t)loud;
        return 1;
    }
    if (g->count == r->s->image->most)
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, g->start, "Too many active schemas") !=
               NULL;
    if (r->work == 0)
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, g->start, "Too much work") != NULL;
    r->work--;
    g->evals[g->count++] = (struct wsrt_eval){.node = node, .want = node, .loud = (uint32_t)loud};
    return 1;
}

static int add_link(struct wsrt_run *r, struct wsrt_group *g, uint32_t parent, uint32_t want,
                    uint32_t counter)
{
    if (g->link_count == r->s->image->links)
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, g->start, "Too many active schemas") !=
               NULL;
    g->links[g->link_count++] = (struct wsrt_link){parent, want, counter};
    return 1;
}

static int demand(struct wsrt_run *r, struct wsrt_group *g, const struct wsrt_group *parents,
                  uint32_t parent, uint32_t node)
{
    if (node == WSRT_NODE_ANY)
        return 1;
    return wsrt_group_add(r, g, node, (int)parents->evals[parent].loud) &&
           add_link(r, g, parent, node, WSRT_NONE);
}

static int add_local(struct wsrt_run *r, struct wsrt_group *g, const struct wsrt_node *node)
{
    for (uint32_t i = 0; i < node->combo_count; i++) {
        const struct wsrt_combo *c = &r->s->combos[node->combos + i];
        for (uint32_t k = 0; k < c->count; k++)
            if (!wsrt_group_add(r, g, r->s->index[c->first + k], 0))
                return 0;
    }
    return 1;
}

/* Lowest rank first, so that results are complete when they are asked for from the back. */
static void sort_evals(const struct wsrt_run *r, struct wsrt_group *g)
{
    for (uint32_t i = 1; i < g->count; i++) {
        struct wsrt_eval e = g->evals[i];
        uint32_t at = i;
        while (at > 0 && r->s->nodes[g->evals[at - 1].want].rank > r->s->nodes[e.want].rank) {
            g->evals[at] = g->evals[at - 1];
            at--;
        }
        g->evals[at] = e;
    }
}

int wsrt_group_complete(struct wsrt_run *r, struct wsrt_group *g, const unsigned char *p)
{
    for (uint32_t i = 0; i < g->count; i++) {
        struct wsrt_eval *e = &g->evals[i];
        int failed = 0;
        if (*p == '{' && (r->s->nodes[e->want].flags & WSRT_NODE_SWITCH)) {
            e->node = wsrt_name_switch(r, e->want, p, (int)e->loud, &failed);
            e->failed = (uint32_t)failed;
            e->fail_at = (size_t)(p - r->in.base);
        }
        if (!add_local(r, g, &r->s->nodes[e->node]))
            return 0;
    }
    if (g->count > 1)
        sort_evals(r, g);
    return r->in.code == 0;
}

/* Room for what the evaluations of a container remember. */
int wsrt_group_open(struct wsrt_run *r, struct wsrt_group *g)
{
    size_t words = 0;

    for (uint32_t i = 0; i < g->count; i++)
        words += r->s->nodes[g->evals[i].node].counters;
    uint64_t *counters = words == 0 ? NULL : wsrt_run_alloc(r, words * sizeof *counters);
    if (words > 0 && counters == NULL)
        return 0;
    if (words > 0)
        memset(counters, 0, words * sizeof *counters);
    for (uint32_t i = 0; i < g->count; i++) {
        g->evals[i].counters = counters;
        if (counters != NULL)
            counters += r->s->nodes[g->evals[i].node].counters;
    }
    return 1;
}

/* ---- children ----------------------------------------------------------------------------- */

static void fail_eval(struct wsrt_eval *e, size_t at)
{
    if (!e->failed || at > e->fail_at)
        e->fail_at = at;
    e->failed = 1;
}

/* A failed evaluation needs no more results unless its issues are wanted. */
static int is_over(const struct wsrt_run *r, const struct wsrt_eval *e)
{
    return e->failed && !(e->loud && (r->flags & WSRT_VALIDATE_COLLECT_ALL));
}

static int demand_patterns(struct wsrt_run *r, struct wsrt_group *g,
                           const struct wsrt_group *parents, uint32_t parent,
                           const unsigned char *name, const struct wsrt_text *text)
{
    const struct wsrt_node *node = &r->s->nodes[parents->evals[parent].node];

    for (uint32_t i = 0; i < node->pattern_count; i++) {
        const struct wsrt_patterns *p = &r->s->patterns[node->patterns + i];
        int matched = 0;
        for (uint32_t k = 0; k < p->count; k++) {
            const uint32_t *pair = &r->s->index[p->first + 2 * k];
            if (!wsrt_rules_match_name(r, &r->s->checks[pair[0]], name, text->end))
                continue;
            matched = 1;
            if (!demand(r, g, parents, parent, pair[1]))
                return 0;
        }
        if (!matched && !demand(r, g, parents, parent, p->other))
            return 0;
    }
    return 1;
}

static int judge_name(struct wsrt_run *r, struct wsrt_eval *e, const unsigned char *name,
                      const struct wsrt_text *text)
{
    const struct wsrt_node *node = &r->s->nodes[e->node];
    struct wsrt_group *g = wsrt_group_new(r, NULL, name - 1);
    struct wsrt_subject sub = {
        .start = name - 1, .end = text->end + 1, .text = *text, .kind = WSRT_JSON_STRING};

    if (g == NULL || !wsrt_group_add(r, g, node->name_rule, 0) ||
        !wsrt_group_complete(r, g, name - 1))
        return 0;
    uint32_t want = node->name_rule;
    wsrt_group_finish(r, g, &sub);
    if (want != WSRT_NODE_ANY && find_eval(g, want)->failed) {
        fail_eval(e, (size_t)(name - r->in.base));
        if (e->loud && !r->dead)
            wsrt_issue_raise(r, &r->s->checks[node->name_check], WSRT_JSON_STRING, name - 1,
                             text->end + 1);
    }
    return r->in.code == 0;
}

/* Marks the member as seen; 1 when it was not. */
static int mark_seen(struct wsrt_eval *e, const struct wsrt_prop *p)
{
    uint64_t bit = (uint64_t)1 << (p->index & 63), *word = &e->counters[p->index >> 6];
    int fresh = (*word & bit) == 0;

    *word |= bit;
    return fresh;
}

static int demand_member(struct wsrt_run *r, struct wsrt_group *g, struct wsrt_group *parents,
                         uint32_t i, const struct wsrt_prop *p)
{
    const struct wsrt_node *node = &r->s->nodes[parents->evals[i].node];

    return demand(r, g, parents, i, p != NULL ? p->child : node->other);
}

struct wsrt_group *wsrt_group_member(struct wsrt_run *r, struct wsrt_frame *f,
                                     const unsigned char *name, const struct wsrt_text *text,
                                     const unsigned char *value)
{
    struct wsrt_group *parents = f->group, *g = wsrt_group_new(r, parents, value);
    int duplicate = 0;

    for (uint32_t i = 0; g != NULL && i < parents->count; i++) {
        struct wsrt_eval *e = &parents->evals[i];
        const struct wsrt_node *node = &r->s->nodes[e->node];
        const struct wsrt_prop *p = wsrt_name_find(r, node, name, text);
        if (p != NULL && !mark_seen(e, p))
            duplicate = 1;
        if (is_over(r, e))
            continue;
        if (node->name_rule != WSRT_NONE && !judge_name(r, e, name, text))
            return NULL;
        if (!demand_member(r, g, parents, i, p))
            return NULL;
        if (p == NULL && !demand_patterns(r, g, parents, i, name, text))
            return NULL;
    }
    if (duplicate && !r->dead)
        wsrt_issue_duplicate(r, f->start, name, text->end);
    return g;
}

static int demand_contained(struct wsrt_run *r, struct wsrt_group *g, struct wsrt_group *parents,
                            uint32_t i)
{
    struct wsrt_eval *e = &parents->evals[i];
    const struct wsrt_node *node = &r->s->nodes[e->node];
    uint32_t first = node->counters - node->contains_count;

    for (uint32_t k = 0; k < node->contains_count; k++) {
        uint32_t want = r->s->checks[node->contains + k].a;
        if (want == WSRT_NODE_ANY)
            e->counters[first + k]++;
        else if (!wsrt_group_add(r, g, want, 0) || !add_link(r, g, i, want, first + k))
            return 0;
    }
    return 1;
}

struct wsrt_group *wsrt_group_element(struct wsrt_run *r, struct wsrt_frame *f,
                                      const unsigned char *value)
{
    struct wsrt_group *parents = f->group, *g = wsrt_group_new(r, parents, value);

    for (uint32_t i = 0; g != NULL && i < parents->count; i++) {
        const struct wsrt_node *node = &r->s->nodes[parents->evals[i].node];
        uint32_t item =
            f->count < node->prefix_count ? r->s->index[node->prefix + f->count] : node->items;
        if (is_over(r, &parents->evals[i]))
            continue;
        if (!demand(r, g, parents, i, item) || !demand_contained(r, g, parents, i))
            return NULL;
    }
    return g;
}

/* ---- results ------------------------------------------------------------------------------ */

static int passed(const struct wsrt_group *g, uint32_t node)
{
    return node == WSRT_NODE_ANY || !find_eval(g, node)->failed;
}

/* The failed child that got furthest; of equals the first. */
static const struct wsrt_eval *furthest(const struct wsrt_run *r, const struct wsrt_group *g,
                                        const struct wsrt_combo *c)
{
    const struct wsrt_eval *out = NULL;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct wsrt_eval *e = find_eval(g, r->s->index[c->first + i]);
        if (e != NULL && e->failed && (out == NULL || e->fail_at > out->fail_at))
            out = e;
    }
    return out;
}

static uint32_t count_passed(const struct wsrt_run *r, const struct wsrt_group *g,
                             const struct wsrt_combo *c)
{
    uint32_t out = 0;

    for (uint32_t i = 0; i < c->count; i++)
        out += (uint32_t)passed(g, r->s->index[c->first + i]);
    return out;
}

/* Why a combinator fails: the node to explain, NONE = nothing more to say, ANY = it holds. */
static uint32_t blame(const struct wsrt_run *r, const struct wsrt_group *g,
                      const struct wsrt_combo *c, const struct wsrt_eval *owner, int object)
{
    const uint32_t *child = r->s->index + c->first;
    uint32_t ok = count_passed(r, g, c), chosen;

    switch (c->kind) {
    case WSRT_COMBO_ANY_OF:
        return ok > 0 ? WSRT_NODE_ANY : furthest(r, g, c)->want;
    case WSRT_COMBO_ONE_OF:
        return ok == 1 ? WSRT_NODE_ANY : ok > 1 ? WSRT_NONE : furthest(r, g, c)->want;
    case WSRT_COMBO_NOT:
        return ok == 0 ? WSRT_NODE_ANY : WSRT_NONE;
    case WSRT_COMBO_IF:
        chosen = passed(g, child[0]) ? child[1] : child[2];
        return passed(g, chosen) ? WSRT_NODE_ANY : chosen;
    default:
        return !object || (owner->counters[c->index >> 6] >> (c->index & 63) & 1) == 0 || ok > 0
                   ? WSRT_NODE_ANY
                   : child[0];
    }
}

static void resolve(struct wsrt_run *r, struct wsrt_group *g, struct wsrt_eval *e,
                    const struct wsrt_subject *sub)
{
    const struct wsrt_node *node = &r->s->nodes[e->node];

    for (uint32_t i = 0; i < node->combo_count; i++) {
        const struct wsrt_combo *c = &r->s->combos[node->combos + i];
        uint32_t why = blame(r, g, c, e, sub->kind == WSRT_JSON_OBJECT);
        if (why == WSRT_NODE_ANY)
            continue;
        const struct wsrt_eval *child = why == WSRT_NONE ? NULL : find_eval(g, why);
        fail_eval(e, child != NULL ? child->fail_at : (size_t)(sub->start - r->in.base));
        if (!e->loud || r->dead)
            continue;
        wsrt_issue *issue =
            wsrt_issue_raise(r, &r->s->checks[c->check], sub->kind, sub->start, sub->end);
        if (issue == NULL || child == NULL)
            continue;
        issue->aux = why;
        if (c->kind == WSRT_COMBO_IF || c->kind == WSRT_COMBO_DEPENDENT)
            issue->flags = WSRT_ISSUE_REPLACE;
    }
}

static void report(const struct wsrt_group *g, struct wsrt_group *parents)
{
    for (uint32_t i = 0; i < g->link_count; i++) {
        const struct wsrt_link *l = &g->links[i];
        const struct wsrt_eval *child = find_eval(g, l->want);
        if (l->counter != WSRT_NONE)
            parents->evals[l->parent].counters[l->counter] += !child->failed;
        else if (child->failed)
            fail_eval(&parents->evals[l->parent], child->fail_at);
    }
}

void wsrt_group_finish(struct wsrt_run *r, struct wsrt_group *g, struct wsrt_subject *sub)
{
    for (uint32_t i = g->count; i-- > 0;) {
        struct wsrt_eval *e = &g->evals[i];
        const struct wsrt_node *node = &r->s->nodes[e->node];
        sub->counters = e->counters;
        if (!is_over(r, e) && (node->flags & WSRT_NODE_CHECKS) &&
            !wsrt_rules_hold(r, node, (int)e->loud, sub))
            fail_eval(e, (size_t)(sub->start - r->in.base));
        if (!is_over(r, e) && node->combo_count > 0)
            resolve(r, g, e, sub);
        if (!e->failed && node->slot != WSRT_NONE)
            wsrt_rules_slot(r, node, sub);
    }
    if (g->parent != NULL)
        report(g, g->parent);
    r->bump = g->floor;
}
