/* Whether the tables of an image that came from outside hold together: every index is followed
 * nowhere but into its table, every text ends, every automaton stays in itself. */
#include "schema/verify.h"

#include "schema/decimal.h"
#include "schema/format.h"

#include <string.h>

/* A new member of these structs needs its line here. */
_Static_assert(sizeof(struct wsrt_node) == 104 && sizeof(struct wsrt_check) == 40 &&
                   sizeof(struct wsrt_prop) == 24 && sizeof(struct wsrt_literal) == 16 &&
                   sizeof(struct wsrt_brief) == 64 && sizeof(struct wsrt_switch) == 32 &&
                   sizeof(struct wsrt_combo) == 24 && sizeof(struct wsrt_patterns) == 16 &&
                   sizeof(struct wsrt_slot_name) == 8,
               "the image has changed");

enum { MOST_TEXT = UINT32_MAX / 2, MOST_LOG = 30, LITERAL_DEPTH = 128 };

struct view {
    const struct wsrt_compiler *c;
    const struct wsrt_node *nodes;
    const struct wsrt_check *checks;
    const struct wsrt_prop *props;
    const struct wsrt_literal *literals;
    const struct wsrt_brief *briefs;
    const struct wsrt_switch *switches;
    const struct wsrt_combo *combos;
    const struct wsrt_patterns *patterns;
    const uint32_t *index;
    const uint32_t *hash;
    const uint32_t *regex;
    const char *text;
    const uint8_t *starts; /* of automata, a bit a word */
};

static int is_within(const struct view *v, int table, uint64_t first, uint64_t count)
{
    uint64_t size = v->c->tables[table].count;

    return count <= size && first <= size - count;
}

static int is_index(const struct view *v, int table, uint32_t i)
{
    return i < v->c->tables[table].count;
}

static int is_node(const struct view *v, uint32_t i)
{
    return is_index(v, WSRT_TABLE_NODES, i);
}

/* A text with a known length; one byte behind it ends it. */
static int is_text(const struct view *v, uint32_t offset, uint32_t len)
{
    return is_within(v, WSRT_TABLE_TEXT, offset, (uint64_t)len + 1) &&
           v->text[(size_t)offset + len] == '\0';
}

static int is_cstr(const struct view *v, uint32_t offset)
{
    return is_index(v, WSRT_TABLE_TEXT, offset); /* the table ends with a NUL */
}

static int is_json(const struct view *v, uint32_t offset, uint32_t len, uint32_t kind)
{
    const unsigned char *from = (const unsigned char *)v->text + offset, *end = from + len;
    unsigned char levels[LITERAL_DEPTH / 8 + 1];
    struct wsrt_lex in = {.base = from,
                          .end = end,
                          .loadable = end,
                          .max_depth = LITERAL_DEPTH,
                          .max_number_len = UINT32_MAX,
                          .lone_surrogates = 1,
                          .levels = levels};

    return len > 0 && wsrt_lex_kind(*from) == (int)kind && wsrt_lex_skip(&in, from, 0) == end;
}

static int literal_holds(const struct view *v, const struct wsrt_literal *l)
{
    return is_text(v, l->text, l->len) && is_node(v, l->node) && l->kind >= WSRT_JSON_NULL &&
           l->kind <= WSRT_JSON_OBJECT &&
           (l->kind == WSRT_JSON_STRING || is_json(v, l->text, l->len, l->kind));
}

static int brief_holds(const struct wsrt_brief *b)
{
    struct wsrt_charset set = {.bits = {b->set.bits[0], b->set.bits[1]}};

    wsrt_charset_ranges(&set);
    return b->has_set <= 1 && b->set.ranges == set.ranges &&
           memcmp(b->set.low, set.low, set.ranges) == 0 &&
           memcmp(b->set.width, set.width, set.ranges) == 0;
}

static int bound_holds(const struct view *v, const struct wsrt_check *c)
{
    if (!is_text(v, c->limit, c->b) || !is_json(v, c->limit, c->b, WSRT_JSON_NUMBER))
        return 0;
    struct wsrt_exact d = wsrt_exact_read((const unsigned char *)v->text + c->limit, c->b);
    return c->kind != WSRT_CHECK_MULTIPLE_OF || (d.sign > 0 && d.count <= 18);
}

/* What a check refers to outside of its node. */
static int check_holds(const struct view *v, const struct wsrt_check *c)
{
    if (c->kind > WSRT_CHECK_UNIQUE_ITEMS || c->issue > WSRT_ISSUE_LIMIT ||
        (c->issue == WSRT_ISSUE_INVALID_TYPE && c->kind != WSRT_CHECK_TYPE) ||
        !is_cstr(v, c->keyword) || !is_cstr(v, c->origin) || !is_cstr(v, c->text) ||
        !is_cstr(v, c->limit))
        return 0;
    switch (c->kind) {
    case WSRT_CHECK_TYPE:
        return (c->a & ~(uint32_t)(WSRT_TYPE_ALL | WSRT_TYPE_INTEGER)) == 0;
    case WSRT_CHECK_ENUM:
    case WSRT_CHECK_CONST:
        return is_within(v, WSRT_TABLE_LITERALS, c->a, c->b);
    case WSRT_CHECK_CLASS:
        return is_index(v, WSRT_TABLE_BRIEFS, c->a);
    case WSRT_CHECK_REGEX:
        return is_index(v, WSRT_TABLE_REGEX, c->a) && (v->starts[c->a >> 3] >> (c->a & 7) & 1);
    case WSRT_CHECK_FORMAT:
        return c->a >= 1 && c->a <= WSRT_FORMATS;
    case WSRT_CHECK_MINIMUM:
    case WSRT_CHECK_EXCLUSIVE_MINIMUM:
    case WSRT_CHECK_MAXIMUM:
    case WSRT_CHECK_EXCLUSIVE_MAXIMUM:
    case WSRT_CHECK_MULTIPLE_OF:
        return bound_holds(v, c);
    case WSRT_CHECK_CONTAINS:
        return is_node(v, c->a);
    default:
        return 1;
    }
}

static int is_optional_check(const struct view *v, uint32_t i)
{
    return i == WSRT_NONE || is_index(v, WSRT_TABLE_CHECKS, i);
}

/* There is no value whose type could be wrong. */
static int is_missing_check(const struct view *v, uint32_t i)
{
    return is_optional_check(v, i) &&
           (i == WSRT_NONE || v->checks[i].issue != WSRT_ISSUE_INVALID_TYPE);
}

static int switch_holds(const struct view *v, const struct wsrt_switch *s)
{
    if (!is_text(v, s->prop, s->len) || !is_within(v, WSRT_TABLE_LITERALS, s->first, s->count) ||
        !is_node(v, s->other) || !is_node(v, s->missing) ||
        !is_optional_check(v, s->unknown_check) || !is_missing_check(v, s->missing_check))
        return 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (v->literals[s->first + i].kind != WSRT_JSON_STRING)
            return 0;
    return 1;
}

static int combo_holds(const struct view *v, const struct wsrt_combo *c)
{
    int lone = c->kind == WSRT_COMBO_NOT || c->kind == WSRT_COMBO_DEPENDENT;

    if (c->kind > WSRT_COMBO_DEPENDENT || !is_index(v, WSRT_TABLE_CHECKS, c->check) ||
        !is_within(v, WSRT_TABLE_INDEX, c->first, c->count) || c->count == 0 ||
        (c->kind == WSRT_COMBO_IF && c->count != 3) || (lone && c->count != 1))
        return 0;
    for (uint32_t i = 0; i < c->count; i++)
        if (!is_node(v, v->index[c->first + i]))
            return 0;
    return 1;
}

static int patterns_hold(const struct view *v, const struct wsrt_patterns *p)
{
    if (!is_within(v, WSRT_TABLE_INDEX, p->first, 2 * (uint64_t)p->count) || !is_node(v, p->other))
        return 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t *pair = &v->index[p->first + 2 * i];
        if (!is_index(v, WSRT_TABLE_CHECKS, pair[0]) || !is_node(v, pair[1]))
            return 0;
        uint32_t kind = v->checks[pair[0]].kind;
        if (kind != WSRT_CHECK_CLASS && kind != WSRT_CHECK_REGEX && kind != WSRT_CHECK_FALSE)
            return 0;
    }
    return 1;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static int names_hold(const struct view *v, const struct wsrt_node *n)
{
    if (!is_within(v, WSRT_TABLE_PROPS, n->names, n->known))
        return 0;
    for (uint32_t i = 0; i < n->known; i++) {
        const struct wsrt_prop *p = &v->props[n->names + i];
        uint64_t head = 0;
        if (!is_text(v, p->name, p->len) || !is_node(v, p->child) || p->index != i)
            return 0;
        if (p->len > 0)
            memcpy(&head, v->text + p->name, p->len < 8 ? p->len : 8);
        if (head != p->head)
            return 0;
    }
    return 1;
}

/* Every name has its place, and a search for another one ends. */
static int name_table_holds(const struct view *v, const struct wsrt_node *n)
{
    uint32_t used = 0;

    if (n->known == 0)
        return n->props == WSRT_NONE;
    if (n->props_log == 0 || n->props_log > MOST_LOG ||
        !is_within(v, WSRT_TABLE_HASH, n->props, (uint64_t)1 << n->props_log))
        return 0;
    uint32_t size = (uint32_t)1 << n->props_log;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t at = v->hash[n->props + i];
        if (at == WSRT_NONE)
            continue;
        used++;
        if (at < n->names || at - n->names >= n->known)
            return 0;
    }
    if (used != n->known || used == size)
        return 0;
    for (uint32_t i = 0; i < n->known; i++) {
        const struct wsrt_prop *p = &v->props[n->names + i];
        uint32_t at = wsrt_name_hash(p->head, p->len, n->props_log);
        while (v->hash[n->props + at] != n->names + i) {
            if (v->hash[n->props + at] == WSRT_NONE)
                return 0;
            at = (at + 1) & (size - 1);
        }
    }
    return 1;
}

/* What the checks of a node say about that node. */
static int own_checks_hold(const struct view *v, const struct wsrt_node *n)
{
    uint32_t contains = 0;

    if (!is_within(v, WSRT_TABLE_CHECKS, n->checks, n->check_count))
        return 0;
    for (uint32_t i = 0; i < n->check_count; i++) {
        const struct wsrt_check *c = &v->checks[n->checks + i];
        int two = c->kind == WSRT_CHECK_DEPENDENT_REQUIRED;
        if ((two || c->kind == WSRT_CHECK_REQUIRED) &&
            (c->a >= n->known || (two && c->b >= n->known)))
            return 0;
        if (c->kind != WSRT_CHECK_CONTAINS)
            continue;
        if (c->b != contains || n->contains + contains != n->checks + i)
            return 0;
        contains++;
    }
    return contains == n->contains_count && (n->known >= 64 || n->required >> n->known == 0);
}

static int flags_hold(const struct wsrt_node *n)
{
    unsigned all =
        WSRT_NODE_SETS | WSRT_NODE_BRIEF | WSRT_NODE_SWITCH | WSRT_NODE_CHECKS | WSRT_NODE_LOCAL;
    int sets = n->pattern_count > 0 || n->combo_count > 0 || n->contains_count > 0 ||
               n->name_rule != WSRT_NONE || n->known > 64;

    return (n->flags & ~all) == 0 && !(n->flags & WSRT_NODE_SETS) == !sets &&
           !(n->flags & WSRT_NODE_LOCAL) == (n->combo_count == 0) &&
           !(n->flags & WSRT_NODE_CHECKS) == (n->check_count == 0) &&
           n->counters == n->contains_count + (n->known + 63) / 64;
}

static int links_hold(const struct view *v, const struct wsrt_node *n)
{
    if (!is_node(v, n->other) || !is_node(v, n->items) ||
        (n->slot != WSRT_NONE && !is_index(v, WSRT_TABLE_SLOTS, n->slot)) ||
        !is_within(v, WSRT_TABLE_PATTERNS, n->patterns, n->pattern_count) ||
        !is_within(v, WSRT_TABLE_COMBOS, n->combos, n->combo_count) ||
        !is_within(v, WSRT_TABLE_INDEX, n->prefix, n->prefix_count) ||
        ((n->flags & WSRT_NODE_BRIEF) && !is_index(v, WSRT_TABLE_BRIEFS, n->brief)) ||
        ((n->flags & WSRT_NODE_SWITCH) && !is_index(v, WSRT_TABLE_SWITCHES, n->tag)) ||
        (n->name_rule != WSRT_NONE &&
         (!is_node(v, n->name_rule) || !is_index(v, WSRT_TABLE_CHECKS, n->name_check))))
        return 0;
    for (uint32_t i = 0; i < n->prefix_count; i++)
        if (!is_node(v, v->index[n->prefix + i]))
            return 0;
    for (uint32_t i = 0; i < n->combo_count; i++)
        if (v->combos[n->combos + i].kind == WSRT_COMBO_DEPENDENT &&
            v->combos[n->combos + i].index >= n->known)
            return 0;
    return 1;
}

/* What judges the same value has a higher rank, so nothing can go round. */
static int ranks_rise(const struct view *v, const struct wsrt_node *n)
{
    for (uint32_t i = 0; i < n->combo_count; i++) {
        const struct wsrt_combo *c = &v->combos[n->combos + i];
        for (uint32_t k = 0; k < c->count; k++) {
            uint32_t to = v->index[c->first + k];
            if (to != WSRT_NODE_ANY && v->nodes[to].rank <= n->rank)
                return 0;
        }
    }
    if ((n->flags & WSRT_NODE_SWITCH) == 0)
        return 1;
    const struct wsrt_switch *s = &v->switches[n->tag];
    int rise = (s->other == WSRT_NODE_ANY || v->nodes[s->other].rank > n->rank) &&
               (s->missing == WSRT_NODE_ANY || v->nodes[s->missing].rank > n->rank);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t to = v->literals[s->first + i].node;
        rise &= to == WSRT_NODE_ANY || v->nodes[to].rank > n->rank;
    }
    return rise;
}

static int node_holds(const struct view *v, const struct wsrt_node *n)
{
    return (n->types & ~(unsigned)(WSRT_TYPE_ALL | WSRT_TYPE_INTEGER)) == 0 && flags_hold(n) &&
           names_hold(v, n) && name_table_holds(v, n) && own_checks_hold(v, n) &&
           links_hold(v, n) && ranks_rise(v, n);
}

/* ---- all of it ---------------------------------------------------------------------------- */

#define EACH(table, holds)                                                                         \
    for (size_t i = 0; i < v.c->tables[table].count; i++)                                          \
        if (!(holds))                                                                              \
            return 0;

static int text_holds(const struct wsrt_vec *t)
{
    return t->count > 0 && t->count <= MOST_TEXT && t->data[0] == '\0' &&
           t->data[t->count - 1] == '\0';
}

/* Finds where automata start, one behind the other. */
static int automata_hold(const struct wsrt_vec *t, uint8_t *starts)
{
    const uint32_t *words = (const uint32_t *)(const void *)t->data;

    for (size_t at = 0; at < t->count;) {
        size_t size = wsrt_regex_check(words + at, t->count - at);
        if (size == 0)
            return 0;
        starts[at >> 3] |= (uint8_t)(1 << (at & 7));
        at += size;
    }
    return 1;
}

int wsrt_tables_hold(const struct wsrt_compiler *c, uint8_t *starts)
{
    const struct wsrt_slot_name *slots = (const void *)c->tables[WSRT_TABLE_SLOTS].data;
    const struct view v = {.c = c,
                           .nodes = (const void *)c->tables[WSRT_TABLE_NODES].data,
                           .checks = (const void *)c->tables[WSRT_TABLE_CHECKS].data,
                           .props = (const void *)c->tables[WSRT_TABLE_PROPS].data,
                           .literals = (const void *)c->tables[WSRT_TABLE_LITERALS].data,
                           .briefs = (const void *)c->tables[WSRT_TABLE_BRIEFS].data,
                           .switches = (const void *)c->tables[WSRT_TABLE_SWITCHES].data,
                           .combos = (const void *)c->tables[WSRT_TABLE_COMBOS].data,
                           .patterns = (const void *)c->tables[WSRT_TABLE_PATTERNS].data,
                           .index = (const void *)c->tables[WSRT_TABLE_INDEX].data,
                           .hash = (const void *)c->tables[WSRT_TABLE_HASH].data,
                           .regex = (const void *)c->tables[WSRT_TABLE_REGEX].data,
                           .text = (const char *)c->tables[WSRT_TABLE_TEXT].data,
                           .starts = starts};

    if (!text_holds(&c->tables[WSRT_TABLE_TEXT]) || c->tables[WSRT_TABLE_NODES].count == 0 ||
        c->tables[WSRT_TABLE_NODES].count > WSRT_MOST_NODES || !is_node(&v, c->image.root) ||
        !automata_hold(&c->tables[WSRT_TABLE_REGEX], starts))
        return 0;
    EACH(WSRT_TABLE_LITERALS, literal_holds(&v, &v.literals[i]))
    EACH(WSRT_TABLE_BRIEFS, brief_holds(&v.briefs[i]))
    EACH(WSRT_TABLE_CHECKS, check_holds(&v, &v.checks[i]))
    EACH(WSRT_TABLE_SWITCHES, switch_holds(&v, &v.switches[i]))
    EACH(WSRT_TABLE_COMBOS, combo_holds(&v, &v.combos[i]))
    EACH(WSRT_TABLE_PATTERNS, patterns_hold(&v, &v.patterns[i]))
    EACH(WSRT_TABLE_SLOTS, is_text(&v, slots[i].text, slots[i].len))
    EACH(WSRT_TABLE_NODES, node_holds(&v, &v.nodes[i]))
    return 1;
}
