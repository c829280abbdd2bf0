/* Sources into nodes. A node stands for a set of sources that all hold at one place, so allOf and
 * $ref vanish here; unions that a member's value decides become switches between such sets. */
#include "schema/compile.h"

#include "base/hash.h"

#include <string.h>

/* ---- sets --------------------------------------------------------------------------------- */

static int set_insert(struct wsrt_compiler *c, struct wsrt_set *set, uint32_t id)
{
    uint32_t at = set->count;

    while (at > 0 && set->ids[at - 1] >= id)
        at--;
    if (at < set->count && set->ids[at] == id)
        return 0;
    if (set->count == set->cap) {
        uint32_t cap = set->cap == 0 ? 8 : 2 * set->cap;
        uint32_t *ids = wsrt_arena_alloc(&c->arena, cap * sizeof *ids);
        if (ids == NULL)
            return WSRT_ERR_NOMEM;
        if (set->count > 0)
            memcpy(ids, set->ids, set->count * sizeof *ids);
        set->ids = ids;
        set->cap = cap;
    }
    memmove(set->ids + at + 1, set->ids + at, (set->count - at) * sizeof *set->ids);
    set->ids[at] = id;
    set->count++;
    return 1;
}

static int set_add(struct wsrt_compiler *c, struct wsrt_set *set, const struct wsrt_source *s)
{
    if (s == NULL)
        return WSRT_OK;
    int rc = set_insert(c, set, s->atom);
    if (rc <= 0)
        return rc;
    rc = WSRT_OK;
    for (const struct wsrt_edge *e = s->all; rc == WSRT_OK && e != NULL; e = e->next)
        rc = set_add(c, set, e->to);
    for (const struct wsrt_union *u = s->unions; rc >= 0 && u != NULL; u = u->next)
        rc = set_insert(c, set, u->atom);
    return rc < 0 ? rc : WSRT_OK;
}

static struct wsrt_atom *atom_at(const struct wsrt_compiler *c, uint32_t id)
{
    return (struct wsrt_atom *)(void *)c->atoms.data + id;
}

static int is_trivial(const struct wsrt_source *s)
{
    return s->rules == NULL && s->props == NULL && s->patterns == NULL && s->other == NULL &&
           s->names == NULL && s->prefix == NULL && s->items == NULL && s->slot.ptr == NULL;
}

static int set_is_trivial(const struct wsrt_compiler *c, const struct wsrt_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct wsrt_atom *a = atom_at(c, set->ids[i]);
        if (a->combo != NULL || !is_trivial(a->source))
            return 0;
    }
    return 1;
}

static int set_table_grow(struct wsrt_compiler *c)
{
    size_t cap = c->set_cap == 0 ? 64 : 2 * c->set_cap;
    uint32_t *table = wsrt_compile_alloc(c, cap * sizeof *table);
    const struct wsrt_set *sets = (const struct wsrt_set *)(void *)c->sets.data;

    if (table == NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t i = 0; i < c->sets.count; i++) {
        uint64_t h = wsrt_hash(3, sets[i].ids, sets[i].count * sizeof *sets[i].ids);
        size_t at = (size_t)h & (cap - 1);
        while (table[at] != 0)
            at = (at + 1) & (cap - 1);
        table[at] = i + 1;
    }
    c->set_table = table;
    c->set_cap = cap;
    return WSRT_OK;
}

/* The node of a set; built later when it is new. */
static int node_of(struct wsrt_compiler *c, const struct wsrt_set *set, uint32_t *out)
{
    size_t bytes = set->count * sizeof *set->ids;

    *out = WSRT_NODE_ANY;
    if (c->sets.count > 0 && set_is_trivial(c, set))
        return WSRT_OK;
    if (2 * c->sets.count >= c->set_cap && set_table_grow(c) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    size_t at = (size_t)wsrt_hash(3, set->ids, bytes) & (c->set_cap - 1);
    for (; c->set_table[at] != 0; at = (at + 1) & (c->set_cap - 1)) {
        const struct wsrt_set *known =
            (struct wsrt_set *)(void *)c->sets.data + (c->set_table[at] - 1);
        if (known->count == set->count && memcmp(known->ids, set->ids, bytes) == 0) {
            *out = c->set_table[at] - 1;
            return WSRT_OK;
        }
    }
    if (c->sets.count >= WSRT_MOST_NODES)
        return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, NULL, "More than 65536 nodes");
    struct wsrt_set *place = wsrt_vec_push(c, &c->sets, 1, sizeof *place);
    struct wsrt_node *node = wsrt_vec_push(c, &c->tables[WSRT_TABLE_NODES], 1, sizeof *node);
    if (place == NULL || node == NULL)
        return WSRT_ERR_NOMEM;
    *place = *set;
    *out = (uint32_t)c->sets.count - 1;
    c->set_table[at] = *out + 1;
    return WSRT_OK;
}

static int node_of_source(struct wsrt_compiler *c, const struct wsrt_source *s, uint32_t *out)
{
    struct wsrt_set set = {0};
    int rc = set_add(c, &set, s);

    return rc != WSRT_OK ? rc : node_of(c, &set, out);
}

static uint32_t *index_push(struct wsrt_compiler *c, uint32_t count)
{
    return wsrt_vec_push(c, &c->tables[WSRT_TABLE_INDEX], count, sizeof(uint32_t));
}

static uint32_t table_count(const struct wsrt_compiler *c, int table)
{
    return (uint32_t)c->tables[table].count;
}

/* ---- a node being built ------------------------------------------------------------------- */

struct build {
    struct wsrt_compiler *c;
    struct wsrt_set set;
    struct wsrt_node node;
};

/* The i-th source of the set, or NULL where a union stands. */
static struct wsrt_source *source_at(const struct build *b, uint32_t i)
{
    return atom_at(b->c, b->set.ids[i])->source;
}

static struct wsrt_prop *node_names(const struct build *b)
{
    return (struct wsrt_prop *)(void *)b->c->tables[WSRT_TABLE_PROPS].data + b->node.names;
}

static uint32_t name_index(const struct build *b, wsrt_span name)
{
    const struct wsrt_prop *names = node_names(b);
    const char *text = (const char *)b->c->tables[WSRT_TABLE_TEXT].data;

    for (uint32_t i = 0; i < b->node.known; i++)
        if (wsrt_span_equal((wsrt_span){text + names[i].name, names[i].len}, name))
            return i;
    return WSRT_NONE;
}

static int add_name(struct build *b, wsrt_span name)
{
    uint32_t offset = wsrt_emit_text(b->c, name);
    struct wsrt_prop *p = wsrt_vec_push(b->c, &b->c->tables[WSRT_TABLE_PROPS], 1, sizeof *p);

    if (offset == WSRT_NONE || p == NULL)
        return WSRT_ERR_NOMEM;
    *p = (struct wsrt_prop){.name = offset, .len = (uint32_t)name.len, .index = b->node.known++};
    if (name.len > 0)
        memcpy(&p->head, name.ptr, name.len < 8 ? name.len : 8);
    return WSRT_OK;
}

static int collect_names(struct build *b)
{
    int rc = WSRT_OK;
    const struct wsrt_source *first = NULL;

    b->node.names = table_count(b->c, WSRT_TABLE_PROPS);
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = source_at(b, i);
        if (s == NULL || s->props == NULL)
            continue;
        for (const struct wsrt_named *n = s->props; rc == WSRT_OK && n != NULL; n = n->next)
            if (first == NULL || name_index(b, n->name) == WSRT_NONE)
                rc = add_name(b, n->name);
        first = s;
    }
    return rc;
}

static int name_matches(struct wsrt_compiler *c, const struct wsrt_pattern *p, wsrt_span name,
                        int *matched)
{
    unsigned char *raw = wsrt_arena_alloc(&c->arena, 2 * name.len + 1);
    size_t len = 0;

    if (raw == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '\\')
            raw[len++] = '\\';
        raw[len++] = (unsigned char)name.ptr[i];
    }
    *matched = wsrt_pattern_match(p, raw, raw + len);
    wsrt_arena_trim(&c->arena, raw, 2 * name.len + 1, 0);
    return WSRT_OK;
}

static const struct wsrt_named *find_named(const struct wsrt_source *s, wsrt_span name)
{
    for (const struct wsrt_named *n = s->props; n != NULL; n = n->next)
        if (wsrt_span_equal(n->name, name))
            return n;
    return NULL;
}

/* What one source demands of the member `name`, which is `own` in its list. */
static int add_member(struct build *b, struct wsrt_set *set, const struct wsrt_source *s,
                      wsrt_span name, const struct wsrt_named *own)
{
    int found = own != NULL && own->child != NULL;
    int rc = found ? set_add(b->c, set, own->child) : WSRT_OK;

    for (const struct wsrt_named *n = s->patterns; rc == WSRT_OK && n != NULL; n = n->next) {
        int matched = 0;
        rc = name_matches(b->c, n->pattern, name, &matched);
        found |= matched;
        if (rc == WSRT_OK && matched)
            rc = set_add(b->c, set, n->child);
    }
    return rc == WSRT_OK && !found ? set_add(b->c, set, s->other) : rc;
}

static const struct wsrt_source *first_with_names(const struct build *b)
{
    for (uint32_t i = 0; i < b->set.count; i++)
        if (source_at(b, i) != NULL && source_at(b, i)->props != NULL)
            return source_at(b, i);
    return NULL;
}

static int build_child(struct build *b, wsrt_span name, const struct wsrt_source *first,
                       const struct wsrt_named *own, uint32_t *child)
{
    struct wsrt_set set = {0};
    int rc = WSRT_OK;

    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_source *s = source_at(b, i);
        if (s != NULL)
            rc =
                add_member(b, &set, s, name, s == first && own != NULL ? own : find_named(s, name));
    }
    return rc != WSRT_OK ? rc : node_of(b->c, &set, child);
}

/* The names begin with those of the first source in its own order, so these are not searched. */
static int build_children(struct build *b)
{
    const struct wsrt_source *first = first_with_names(b);
    const struct wsrt_named *own = first == NULL ? NULL : first->props;

    for (uint32_t k = 0; k < b->node.known; k++) {
        struct wsrt_prop name = node_names(b)[k];
        const char *text = (const char *)b->c->tables[WSRT_TABLE_TEXT].data + name.name;
        wsrt_span span = {wsrt_arena_copy(&b->c->arena, (wsrt_span){text, name.len}), name.len};
        uint32_t child;
        int rc = span.ptr == NULL ? WSRT_ERR_NOMEM : build_child(b, span, first, own, &child);

        if (rc != WSRT_OK)
            return rc;
        node_names(b)[k].child = child;
        own = own == NULL ? NULL : own->next;
    }
    return WSRT_OK;
}

static int build_name_table(struct build *b)
{
    uint32_t log = 1;

    b->node.props = WSRT_NONE;
    if (b->node.known == 0)
        return WSRT_OK;
    while ((uint32_t)1 << log < 2 * b->node.known)
        log++;
    b->node.props = table_count(b->c, WSRT_TABLE_HASH);
    b->node.props_log = log;
    uint32_t *slots =
        wsrt_vec_push(b->c, &b->c->tables[WSRT_TABLE_HASH], (size_t)1 << log, sizeof *slots);
    if (slots == NULL)
        return WSRT_ERR_NOMEM;
    memset(slots, 0xff, ((size_t)1 << log) * sizeof *slots);
    for (uint32_t k = 0; k < b->node.known; k++) {
        const struct wsrt_prop *p = &node_names(b)[k];
        uint32_t mask = ((uint32_t)1 << log) - 1, at = wsrt_name_hash(p->head, p->len, log);
        while (slots[at] != WSRT_NONE)
            at = (at + 1) & mask;
        slots[at] = b->node.names + k;
    }
    return WSRT_OK;
}

static int build_patterns_of(struct build *b, const struct wsrt_source *s)
{
    struct wsrt_patterns out = {.first = table_count(b->c, WSRT_TABLE_INDEX)};
    int rc = WSRT_OK;

    for (const struct wsrt_named *n = s->patterns; n != NULL; n = n->next)
        out.count++;
    if (index_push(b->c, 2 * out.count) == NULL)
        return WSRT_ERR_NOMEM;
    uint32_t at = out.first;
    for (const struct wsrt_named *n = s->patterns; rc == WSRT_OK && n != NULL; n = n->next) {
        uint32_t node = 0, place = 0;
        struct wsrt_rule rule = {.pattern = n->pattern, .keyword_cstr = ""};
        rule.kind = n->pattern->kind == WSRT_PATTERN_CLASS ? WSRT_CHECK_CLASS
                    : n->pattern->kind == WSRT_PATTERN_DFA ? WSRT_CHECK_REGEX
                                                           : WSRT_CHECK_FALSE;
        rc = wsrt_emit_rule(b->c, s, &rule, &place);
        if (rc == WSRT_OK)
            rc = node_of_source(b->c, n->child, &node);
        uint32_t *index = (uint32_t *)(void *)b->c->tables[WSRT_TABLE_INDEX].data;
        index[at++] = place;
        index[at++] = node;
    }
    if (rc == WSRT_OK)
        rc = node_of_source(b->c, s->other, &out.other);
    struct wsrt_patterns *place =
        rc == WSRT_OK ? wsrt_vec_push(b->c, &b->c->tables[WSRT_TABLE_PATTERNS], 1, sizeof *place)
                      : NULL;
    if (place == NULL)
        return rc != WSRT_OK ? rc : WSRT_ERR_NOMEM;
    *place = out;
    b->node.pattern_count++;
    return WSRT_OK;
}

/* Members without a name of their own. Groups of patterns are pushed after everything they need,
 * since building one may push further index entries but never further groups. */
static int build_others(struct build *b)
{
    struct wsrt_set other = {0};
    int rc = WSRT_OK;

    b->node.patterns = table_count(b->c, WSRT_TABLE_PATTERNS);
    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_source *s = source_at(b, i);
        if (s == NULL)
            continue;
        rc = s->patterns != NULL ? build_patterns_of(b, s) : set_add(b->c, &other, s->other);
    }
    if (b->node.pattern_count > 0)
        b->node.flags |= WSRT_NODE_SETS;
    return rc != WSRT_OK ? rc : node_of(b->c, &other, &b->node.other);
}

static int build_name_rule(struct build *b)
{
    struct wsrt_set set = {0};
    const struct wsrt_source *first = NULL;
    int rc = WSRT_OK;

    b->node.name_rule = WSRT_NONE;
    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_source *s = source_at(b, i);
        if (s == NULL || s->names == NULL)
            continue;
        first = first == NULL ? s : first;
        rc = set_add(b->c, &set, s->names);
    }
    if (rc != WSRT_OK || first == NULL)
        return rc;
    b->node.flags |= WSRT_NODE_SETS;
    rc = node_of(b->c, &set, &b->node.name_rule);
    return rc != WSRT_OK ? rc : wsrt_emit_rule(b->c, first, first->names_rule, &b->node.name_check);
}

static const struct wsrt_source *prefix_at(const struct wsrt_source *s, uint32_t at)
{
    const struct wsrt_edge *e = s->prefix;

    for (; e != NULL && at > 0; at--)
        e = e->next;
    return e != NULL ? e->to : s->items;
}

static int build_item(struct build *b, uint32_t at, uint32_t *out)
{
    struct wsrt_set set = {0};
    int rc = WSRT_OK;

    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++)
        if (source_at(b, i) != NULL)
            rc = set_add(b->c, &set, prefix_at(source_at(b, i), at));
    return rc != WSRT_OK ? rc : node_of(b->c, &set, out);
}

static int build_items(struct build *b)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->set.count; i++) {
        uint32_t own = 0;
        const struct wsrt_source *s = source_at(b, i);
        for (const struct wsrt_edge *e = s == NULL ? NULL : s->prefix; e != NULL; e = e->next)
            own++;
        count = own > count ? own : count;
    }
    b->node.prefix = table_count(b->c, WSRT_TABLE_INDEX);
    b->node.prefix_count = count;
    if (count > 0 && index_push(b->c, count) == NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t child;
        int rc = build_item(b, at, &child);
        if (rc != WSRT_OK)
            return rc;
        ((uint32_t *)(void *)b->c->tables[WSRT_TABLE_INDEX].data)[b->node.prefix + at] = child;
    }
    return build_item(b, UINT32_MAX, &b->node.items);
}

/* ---- rules -------------------------------------------------------------------------------- */

static struct wsrt_check *check_at(const struct build *b, uint32_t i)
{
    return (struct wsrt_check *)(void *)b->c->tables[WSRT_TABLE_CHECKS].data + i;
}

static int place_rule(struct build *b, const struct wsrt_rule *r, uint32_t index)
{
    if (r->kind == WSRT_CHECK_REQUIRED) {
        uint32_t at = name_index(b, r->value->text);
        check_at(b, index)->a = at;
        if (at < 64)
            b->node.required |= (uint64_t)1 << at;
    } else if (r->kind == WSRT_CHECK_DEPENDENT_REQUIRED) {
        check_at(b, index)->a = name_index(b, r->value->text);
        check_at(b, index)->b = name_index(b, r->value->up->name);
    } else if (r->kind == WSRT_CHECK_CONTAINS) {
        uint32_t child;
        int rc = node_of_source(b->c, r->child, &child);
        if (rc != WSRT_OK)
            return rc;
        check_at(b, index)->a = child;
        check_at(b, index)->b = b->node.contains_count;
        if (b->node.contains_count++ == 0)
            b->node.contains = index;
        b->node.flags |= WSRT_NODE_SETS;
    }
    return WSRT_OK;
}

/* All sources' rules of one kind after the other, so that contains rules are neighbours. */
static int build_rules(struct build *b)
{
    b->node.checks = table_count(b->c, WSRT_TABLE_CHECKS);
    b->node.types = WSRT_TYPE_ALL;
    for (uint32_t kind = 0; kind <= WSRT_CHECK_UNIQUE_ITEMS; kind++)
        for (uint32_t i = 0; i < b->set.count; i++) {
            const struct wsrt_source *s = source_at(b, i);
            for (const struct wsrt_rule *r = s == NULL ? NULL : s->rules; r != NULL; r = r->next) {
                uint32_t index;
                if (r->kind != kind)
                    continue;
                int rc = wsrt_emit_rule(b->c, s, r, &index);
                if (rc == WSRT_OK)
                    rc = place_rule(b, r, index);
                if (rc != WSRT_OK)
                    return rc;
                b->node.check_count++;
            }
        }
    if (b->node.check_count > 0)
        b->node.flags |= WSRT_NODE_CHECKS;
    return WSRT_OK;
}

static uint16_t both_types(uint32_t a, uint32_t b)
{
    uint32_t number = 1 << WSRT_JSON_NUMBER, out = a & b;

    if (((a & number) && (b & WSRT_TYPE_INTEGER)) || ((b & number) && (a & WSRT_TYPE_INTEGER)))
        out |= WSRT_TYPE_INTEGER;
    return (uint16_t)out;
}

static void build_types(struct build *b)
{
    b->node.types = WSRT_TYPE_ALL;
    for (uint32_t i = 0; i < b->set.count; i++)
        if (source_at(b, i) != NULL)
            b->node.types = both_types(b->node.types, source_at(b, i)->types);
}

/* When nothing but length and class rules concern strings, one look decides. */
static int build_brief(struct build *b)
{
    struct wsrt_brief out = {.most = UINT64_MAX, .set = {.bits = {UINT64_MAX, UINT64_MAX}}};

    for (uint32_t i = 0; i < b->node.check_count; i++) {
        const struct wsrt_check *k = check_at(b, b->node.checks + i);
        struct wsrt_brief *briefs =
            (struct wsrt_brief *)(void *)b->c->tables[WSRT_TABLE_BRIEFS].data;
        uint64_t least = 0, most = UINT64_MAX;
        if (k->kind == WSRT_CHECK_FALSE || k->kind == WSRT_CHECK_ENUM ||
            k->kind == WSRT_CHECK_CONST || k->kind == WSRT_CHECK_REGEX ||
            k->kind == WSRT_CHECK_FORMAT ||
            (k->kind >= WSRT_CHECK_MIN_BYTES && k->kind <= WSRT_CHECK_MAX_UTF16))
            return WSRT_OK;
        if (k->kind == WSRT_CHECK_MIN_LENGTH)
            least = k->n;
        if (k->kind == WSRT_CHECK_MAX_LENGTH)
            most = k->n;
        if (k->kind == WSRT_CHECK_CLASS) {
            least = briefs[k->a].least;
            most = briefs[k->a].most;
            out.set.bits[0] &= briefs[k->a].set.bits[0];
            out.set.bits[1] &= briefs[k->a].set.bits[1];
            out.has_set = 1;
        }
        out.least = least > out.least ? least : out.least;
        out.most = most < out.most ? most : out.most;
    }
    wsrt_charset_ranges(&out.set);
    struct wsrt_vec *v = &b->c->tables[WSRT_TABLE_BRIEFS];
    struct wsrt_brief *place = wsrt_vec_push(b->c, v, 1, sizeof *place);
    if (place == NULL)
        return WSRT_ERR_NOMEM;
    *place = out;
    b->node.brief = (uint32_t)v->count - 1;
    b->node.flags |= WSRT_NODE_BRIEF;
    return WSRT_OK;
}

static int build_slot(struct build *b)
{
    struct wsrt_vec *v = &b->c->tables[WSRT_TABLE_SLOTS];

    b->node.slot = WSRT_NONE;
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = source_at(b, i);
        if (s == NULL || s->slot.ptr == NULL)
            continue;
        uint32_t text = wsrt_emit_text(b->c, s->slot), at = 0;
        const struct wsrt_slot_name *names = (const struct wsrt_slot_name *)(void *)v->data;
        if (text == WSRT_NONE)
            return WSRT_ERR_NOMEM;
        while (at < v->count && names[at].text != text)
            at++;
        if (at == v->count) {
            struct wsrt_slot_name *place = wsrt_vec_push(b->c, v, 1, sizeof *place);
            if (place == NULL)
                return WSRT_ERR_NOMEM;
            *place = (struct wsrt_slot_name){text, (uint32_t)s->slot.len};
        }
        if (b->node.slot != WSRT_NONE && b->node.slot != at)
            return wsrt_compile_fail(b->c, WSRT_SCHEMA_VALUE, s->tree, "Two slots for one place");
        b->node.slot = at;
    }
    return WSRT_OK;
}

/* ---- unions ------------------------------------------------------------------------------- */

static int build_combo(struct build *b, const struct wsrt_union *u, uint32_t at)
{
    struct wsrt_combo out = {.kind = u->kind, .first = table_count(b->c, WSRT_TABLE_INDEX)};
    int rc = wsrt_emit_rule(b->c, u->owner, u->rule, &out.check);

    for (const struct wsrt_edge *e = u->branches; e != NULL; e = e->next)
        out.count++;
    if (rc == WSRT_OK && index_push(b->c, out.count) == NULL)
        rc = WSRT_ERR_NOMEM;
    uint32_t i = out.first;
    for (const struct wsrt_edge *e = u->branches; rc == WSRT_OK && e != NULL; e = e->next) {
        uint32_t child;
        rc = node_of_source(b->c, e->to, &child);
        ((uint32_t *)(void *)b->c->tables[WSRT_TABLE_INDEX].data)[i++] = child;
    }
    if (u->kind == WSRT_COMBO_DEPENDENT)
        out.index = name_index(b, u->name);
    ((struct wsrt_combo *)(void *)b->c->tables[WSRT_TABLE_COMBOS].data)[at] = out;
    return rc;
}

static int build_combos(struct build *b)
{
    uint32_t count = 0, at = table_count(b->c, WSRT_TABLE_COMBOS);
    int rc = WSRT_OK;

    for (uint32_t i = 0; i < b->set.count; i++)
        count += atom_at(b->c, b->set.ids[i])->combo != NULL;
    b->node.combos = at;
    b->node.combo_count = count;
    if (count == 0)
        return WSRT_OK;
    b->node.flags |= WSRT_NODE_SETS | WSRT_NODE_LOCAL;
    if (wsrt_vec_push(b->c, &b->c->tables[WSRT_TABLE_COMBOS], count, sizeof(struct wsrt_combo)) ==
        NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_union *u = atom_at(b->c, b->set.ids[i])->combo;
        if (u != NULL)
            rc = build_combo(b, u, at++);
    }
    return rc;
}

/* ---- switches ----------------------------------------------------------------------------- */

static const struct wsrt_source *through_refs(const struct wsrt_source *s)
{
    while (s != NULL && is_trivial(s) && s->unions == NULL && s->all != NULL &&
           s->all->next == NULL)
        s = s->all->to;
    return s;
}

static const struct wsrt_source *member_source(const struct wsrt_source *s, wsrt_span name)
{
    for (const struct wsrt_named *n = s->props; n != NULL; n = n->next)
        if (n->child != NULL && wsrt_span_equal(n->name, name))
            return through_refs(n->child);
    return NULL;
}

/* The const or enum rule of a source whose values are all strings, or NULL. */
static const struct wsrt_rule *tag_rule(const struct wsrt_source *s)
{
    for (const struct wsrt_rule *r = s == NULL ? NULL : s->rules; r != NULL; r = r->next) {
        if (r->kind == WSRT_CHECK_CONST && r->value->kind == WSRT_JSON_STRING)
            return r;
        if (r->kind != WSRT_CHECK_ENUM || r->value->child == NULL)
            continue;
        const struct wsrt_tree *t = r->value->child;
        while (t != NULL && t->kind == WSRT_JSON_STRING)
            t = t->next;
        if (t == NULL)
            return r;
    }
    return NULL;
}

static const struct wsrt_tree *first_tag(const struct wsrt_rule *r)
{
    return r->kind == WSRT_CHECK_CONST ? r->value : r->value->child;
}

static const struct wsrt_tree *next_tag(const struct wsrt_rule *r, const struct wsrt_tree *t)
{
    return r->kind == WSRT_CHECK_CONST ? NULL : t->next;
}

static int has_tag(const struct wsrt_rule *r, wsrt_span text)
{
    for (const struct wsrt_tree *t = first_tag(r); t != NULL; t = next_tag(r, t))
        if (wsrt_span_equal(t->text, text))
            return 1;
    return 0;
}

static int requires(const struct wsrt_source *s, wsrt_span name)
{
    for (const struct wsrt_rule *r = s->rules; r != NULL; r = r->next)
        if (r->kind == WSRT_CHECK_REQUIRED && wsrt_span_equal(r->value->text, name))
            return 1;
    return 0;
}

static int set_requires(const struct build *b, wsrt_span name)
{
    for (uint32_t i = 0; i < b->set.count; i++)
        if (source_at(b, i) != NULL && requires(source_at(b, i), name))
            return 1;
    return 0;
}

/* 1 when an unknown tag fails a rule of the set itself. */
static int set_lists(const struct build *b, wsrt_span name, const struct wsrt_union *u)
{
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = source_at(b, i);
        const struct wsrt_rule *own = s == NULL ? NULL : tag_rule(member_source(s, name));
        int all = own != NULL;
        for (const struct wsrt_tree *t = all ? first_tag(own) : NULL; all && t != NULL;
             t = next_tag(own, t)) {
            int found = 0;
            for (const struct wsrt_edge *e = u->branches; e != NULL; e = e->next)
                found |= has_tag(tag_rule(member_source(through_refs(e->to), name)), t->text);
            all = found;
        }
        if (all)
            return 1;
    }
    return 0;
}

/* 1 when every branch tests the member `name` for strings of its own. */
static int is_tagged_by(const struct build *b, const struct wsrt_union *u, wsrt_span name)
{
    int all_require = 1, all_objects = 1;

    for (const struct wsrt_edge *e = u->branches; e != NULL; e = e->next) {
        const struct wsrt_source *s = through_refs(e->to);
        const struct wsrt_rule *mine = tag_rule(member_source(s, name));
        if (mine == NULL)
            return 0;
        for (const struct wsrt_edge *o = u->branches; o != e; o = o->next) {
            const struct wsrt_rule *other = tag_rule(member_source(through_refs(o->to), name));
            for (const struct wsrt_tree *t = first_tag(mine); t != NULL; t = next_tag(mine, t))
                if (has_tag(other, t->text))
                    return 0;
        }
        all_require &= requires(s, name);
        all_objects &= s->types == 1 << WSRT_JSON_OBJECT;
    }
    return (all_require || set_requires(b, name)) &&
           (all_objects || b->node.types == 1 << WSRT_JSON_OBJECT);
}

/* `if` that only tests one member's value. */
static int is_tag_test(const struct build *b, const struct wsrt_source *s)
{
    if (s == NULL || s->all != NULL || s->unions != NULL || s->patterns != NULL ||
        s->other != NULL || s->names != NULL || s->prefix != NULL || s->items != NULL ||
        s->slot.ptr != NULL || b->node.types != 1 << WSRT_JSON_OBJECT)
        return 0;
    const struct wsrt_named *tag = NULL;
    for (const struct wsrt_named *n = s->props; n != NULL; n = n->next) {
        if (n->child == NULL || tag != NULL)
            return 0;
        tag = n;
    }
    if (tag == NULL)
        return 0;
    for (const struct wsrt_rule *r = s->rules; r != NULL; r = r->next)
        if (r->kind != WSRT_CHECK_REQUIRED &&
            (r->kind != WSRT_CHECK_TYPE || !(r->bits & 1 << WSRT_JSON_OBJECT)))
            return 0;
    const struct wsrt_source *t = tag->child;
    const struct wsrt_rule *rule = tag_rule(t);
    if (rule == NULL || t->all != NULL || t->unions != NULL || t->props != NULL ||
        t->slot.ptr != NULL)
        return 0;
    for (const struct wsrt_rule *r = t->rules; r != NULL; r = r->next)
        if (r != rule && (r->kind != WSRT_CHECK_TYPE || !(r->bits & 1 << WSRT_JSON_STRING)))
            return 0;
    return 1;
}

/* Finds the tag of a union; 0 when it has none. */
static int find_tag(const struct build *b, const struct wsrt_union *u, wsrt_span *name)
{
    const struct wsrt_source *first = u->branches == NULL ? NULL : u->branches->to;

    if (u->kind == WSRT_COMBO_IF) {
        if (!is_tag_test(b, first))
            return 0;
        *name = first->props->name;
        return 1;
    }
    if (u->kind != WSRT_COMBO_ANY_OF && u->kind != WSRT_COMBO_ONE_OF)
        return 0;
    first = through_refs(first);
    for (const struct wsrt_named *n = first->props; n != NULL; n = n->next)
        if (n->child != NULL && is_tagged_by(b, u, n->name)) {
            *name = n->name;
            return 1;
        }
    return 0;
}

/* The node of this set without the union, with a branch in its place. */
static int node_instead(struct build *b, const struct wsrt_union *u, const struct wsrt_source *s,
                        uint32_t *out)
{
    struct wsrt_set set = {0};
    int rc = WSRT_OK;

    for (uint32_t i = 0; rc >= 0 && i < b->set.count; i++)
        if (b->set.ids[i] != u->atom)
            rc = set_insert(b->c, &set, b->set.ids[i]);
    if (rc >= 0)
        rc = set_add(b->c, &set, s);
    return rc != WSRT_OK ? rc : node_of(b->c, &set, out);
}

static int add_tags(struct build *b, const struct wsrt_rule *r, uint32_t node)
{
    for (const struct wsrt_tree *t = first_tag(r); t != NULL; t = next_tag(r, t)) {
        uint32_t text = wsrt_emit_text(b->c, t->text);
        struct wsrt_literal *out =
            wsrt_vec_push(b->c, &b->c->tables[WSRT_TABLE_LITERALS], 1, sizeof *out);
        if (text == WSRT_NONE || out == NULL)
            return WSRT_ERR_NOMEM;
        *out = (struct wsrt_literal){text, (uint32_t)t->text.len, WSRT_JSON_STRING, node};
    }
    return WSRT_OK;
}

static int switch_on_if(struct build *b, const struct wsrt_union *u, struct wsrt_switch *out)
{
    const struct wsrt_source *test = u->branches->to;
    const struct wsrt_rule *rule = tag_rule(test->props->child);
    uint32_t yes;
    int rc = node_instead(b, u, u->branches->next->to, &yes);

    if (rc == WSRT_OK)
        rc = node_instead(b, u, u->branches->next->next->to, &out->other);
    out->missing = requires(test, test->props->name) ? out->other : yes;
    out->unknown_check = out->missing_check = WSRT_NONE;
    return rc != WSRT_OK ? rc : add_tags(b, rule, yes);
}

static int switch_on_union(struct build *b, const struct wsrt_union *u, wsrt_span name,
                           struct wsrt_switch *out)
{
    int rc = node_instead(b, u, NULL, &out->other);

    out->missing = out->other;
    out->unknown_check = out->missing_check = WSRT_NONE;
    for (const struct wsrt_edge *e = u->branches; rc == WSRT_OK && e != NULL; e = e->next) {
        uint32_t node;
        rc = node_instead(b, u, e->to, &node);
        if (rc == WSRT_OK)
            rc = add_tags(b, tag_rule(member_source(through_refs(e->to), name)), node);
    }
    struct wsrt_rule rule = *u->rule;
    rule.issue = WSRT_ISSUE_INVALID_VALUE;
    if (rc == WSRT_OK && !set_lists(b, name, u))
        rc = wsrt_emit_rule(b->c, u->owner, &rule, &out->unknown_check);
    rule.issue = WSRT_ISSUE_REQUIRED;
    if (rc == WSRT_OK && !set_requires(b, name))
        rc = wsrt_emit_rule(b->c, u->owner, &rule, &out->missing_check);
    return rc;
}

/* A value that is no object fails the union as a whole. */
static int demand_object(struct build *b, const struct wsrt_union *u)
{
    struct wsrt_rule rule = *u->rule;
    uint32_t index;

    if (b->node.types == 1 << WSRT_JSON_OBJECT)
        return WSRT_OK;
    rule.kind = WSRT_CHECK_TYPE;
    rule.bits = 1 << WSRT_JSON_OBJECT;
    int rc = wsrt_emit_rule(b->c, u->owner, &rule, &index);
    b->node.check_count++;
    b->node.flags |= WSRT_NODE_CHECKS;
    b->node.types = both_types(b->node.types, 1 << WSRT_JSON_OBJECT);
    return rc;
}

static int build_switch(struct build *b, const struct wsrt_union *u, wsrt_span name)
{
    struct wsrt_vec *v = &b->c->tables[WSRT_TABLE_SWITCHES];
    struct wsrt_switch out = {.len = (uint32_t)name.len};
    int rc = WSRT_OK;

    out.prop = wsrt_emit_text(b->c, name);
    out.first = table_count(b->c, WSRT_TABLE_LITERALS);
    if (out.prop == WSRT_NONE)
        return WSRT_ERR_NOMEM;
    rc = u->kind == WSRT_COMBO_IF ? switch_on_if(b, u, &out) : switch_on_union(b, u, name, &out);
    out.count = table_count(b->c, WSRT_TABLE_LITERALS) - out.first;
    struct wsrt_switch *place = rc == WSRT_OK ? wsrt_vec_push(b->c, v, 1, sizeof *place) : NULL;
    if (place == NULL)
        return rc != WSRT_OK ? rc : WSRT_ERR_NOMEM;
    *place = out;
    b->node.tag = (uint32_t)v->count - 1;
    b->node.flags |= WSRT_NODE_SWITCH;
    return WSRT_OK;
}

static const struct wsrt_union *find_switch(const struct build *b, wsrt_span *name)
{
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_union *u = atom_at(b->c, b->set.ids[i])->combo;
        if (u != NULL && find_tag(b, u, name))
            return u;
    }
    return NULL;
}

/* ---- all together ------------------------------------------------------------------------- */

static int build_contents(struct build *b)
{
    int rc = collect_names(b);

    if (rc == WSRT_OK)
        rc = build_children(b);
    if (rc == WSRT_OK)
        rc = build_name_table(b);
    if (rc == WSRT_OK)
        rc = build_others(b);
    if (rc == WSRT_OK)
        rc = build_name_rule(b);
    if (rc == WSRT_OK)
        rc = build_items(b);
    return rc;
}

static int build_node(struct wsrt_compiler *c, uint32_t index)
{
    struct build b = {.c = c, .set = ((struct wsrt_set *)(void *)c->sets.data)[index]};
    wsrt_span tag;
    int rc = build_contents(&b);

    if (rc == WSRT_OK)
        rc = build_rules(&b);
    build_types(&b);
    if (b.node.known > 64)
        b.node.flags |= WSRT_NODE_SETS;
    b.node.counters = b.node.contains_count + (b.node.known + 63) / 64;
    if (rc == WSRT_OK)
        rc = build_slot(&b);
    const struct wsrt_union *u = rc == WSRT_OK ? find_switch(&b, &tag) : NULL;
    if (u != NULL)
        rc = demand_object(&b, u);
    if (rc == WSRT_OK && u != NULL)
        rc = build_switch(&b, u, tag);
    else if (rc == WSRT_OK)
        rc = build_combos(&b);
    if (rc == WSRT_OK)
        rc = build_brief(&b);
    ((struct wsrt_node *)(void *)c->tables[WSRT_TABLE_NODES].data)[index] = b.node;
    return rc;
}

int wsrt_nodes_build(struct wsrt_compiler *c, struct wsrt_source *root, struct wsrt_source *overlay)
{
    struct wsrt_set none = {0}, all = {0};
    uint32_t any;
    int rc = node_of(c, &none, &any);

    if (rc == WSRT_OK)
        rc = set_add(c, &all, root);
    if (rc == WSRT_OK)
        rc = set_add(c, &all, overlay);
    if (rc == WSRT_OK)
        rc = node_of(c, &all, &c->image.root);
    for (uint32_t i = 0; rc == WSRT_OK && i < c->sets.count; i++)
        rc = build_node(c, i);
    return rc;
}
