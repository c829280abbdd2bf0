/* Sources into nodes. A node stands for a set of sources that all hold at one place, so allOf and
 * $ref vanish here; unions that a member's value decides become switches between such sets. */
#include "schema/nodes.h"

#include <string.h>

static uint32_t *index_push(struct wsrt_compiler *c, uint32_t count)
{
    return wsrt_vec_push(c, &c->tables[WSRT_TABLE_INDEX], count, sizeof(uint32_t));
}

/* ---- a node being built ------------------------------------------------------------------- */

static struct wsrt_prop *node_names(const struct wsrt_build *b)
{
    return (struct wsrt_prop *)(void *)b->c->tables[WSRT_TABLE_PROPS].data + b->node.names;
}

static uint32_t name_index(const struct wsrt_build *b, wsrt_span name)
{
    const struct wsrt_prop *names = node_names(b);
    const char *text = (const char *)b->c->tables[WSRT_TABLE_TEXT].data;

    uint32_t i = 0;

    while (i < b->node.known &&
           !wsrt_span_equal((wsrt_span){text + names[i].name, names[i].len}, name))
        i++;
    wsrt_compile_count(b->c, i);
    return i < b->node.known ? i : WSRT_NONE;
}

static int add_name(struct wsrt_build *b, wsrt_span name)
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

static int collect_names(struct wsrt_build *b)
{
    int rc = WSRT_OK;
    const struct wsrt_source *first = NULL;

    b->node.names = wsrt_table_count(b->c, WSRT_TABLE_PROPS);
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
        if (s == NULL || s->props == NULL)
            continue;
        for (const struct wsrt_named *n = s->props; rc == WSRT_OK && n != NULL; n = n->next)
            if (first == NULL || name_index(b, n->name) == WSRT_NONE)
                rc = add_name(b, n->name);
        rc = rc == WSRT_OK ? wsrt_compile_goes_on(b->c, s->tree) : rc;
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
    size_t room_size = p->kind == WSRT_PATTERN_WORDS ? wsrt_regex_room_size(p->words) : 0;
    uint64_t work = UINT64_MAX;
    struct wsrt_regex_room room = {wsrt_arena_alloc(&c->arena, room_size), NULL, &work};
    if (room.from == NULL)
        return WSRT_ERR_NOMEM;
    room.end = room.from + room_size;
    *matched = wsrt_pattern_match(p, raw, raw + len, &room) > 0;
    wsrt_arena_trim(&c->arena, room.from, room_size, 0);
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
static int add_member(struct wsrt_build *b, struct wsrt_set *set, const struct wsrt_source *s,
                      wsrt_span name, const struct wsrt_named *own)
{
    int found = own != NULL && own->child != NULL;
    int rc = found ? wsrt_set_add(b->c, set, own->child) : WSRT_OK;

    for (const struct wsrt_named *n = s->patterns; rc == WSRT_OK && n != NULL; n = n->next) {
        int matched = 0;
        rc = name_matches(b->c, n->pattern, name, &matched);
        found |= matched;
        if (rc == WSRT_OK && matched)
            rc = wsrt_set_add(b->c, set, n->child);
    }
    return rc == WSRT_OK && !found ? wsrt_set_add(b->c, set, s->other) : rc;
}

static const struct wsrt_source *first_with_names(const struct wsrt_build *b)
{
    for (uint32_t i = 0; i < b->set.count; i++)
        if (wsrt_build_source(b, i) != NULL && wsrt_build_source(b, i)->props != NULL)
            return wsrt_build_source(b, i);
    return NULL;
}

static int build_child(struct wsrt_build *b, wsrt_span name, const struct wsrt_source *first,
                       const struct wsrt_named *own, uint32_t *child)
{
    struct wsrt_set set = {0};
    int rc = WSRT_OK;

    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
        if (s != NULL)
            rc =
                add_member(b, &set, s, name, s == first && own != NULL ? own : find_named(s, name));
    }
    return rc != WSRT_OK ? rc : wsrt_node_of(b->c, &set, child);
}

/* The names begin with those of the first source in its own order, so these are not searched. */
static int build_children(struct wsrt_build *b)
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

static int build_name_table(struct wsrt_build *b)
{
    uint32_t log = 1;

    b->node.props = WSRT_NONE;
    if (b->node.known == 0)
        return WSRT_OK;
    while ((uint32_t)1 << log < 2 * b->node.known)
        log++;
    b->node.props = wsrt_table_count(b->c, WSRT_TABLE_HASH);
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

static int build_patterns_of(struct wsrt_build *b, const struct wsrt_source *s)
{
    struct wsrt_patterns out = {.first = wsrt_table_count(b->c, WSRT_TABLE_INDEX)};
    int rc = WSRT_OK;

    for (const struct wsrt_named *n = s->patterns; n != NULL; n = n->next)
        out.count++;
    if (index_push(b->c, 2 * out.count) == NULL)
        return WSRT_ERR_NOMEM;
    uint32_t at = out.first;
    for (const struct wsrt_named *n = s->patterns; rc == WSRT_OK && n != NULL; n = n->next) {
        uint32_t node = 0, place = 0;
        struct wsrt_rule rule = {.pattern = n->pattern, .keyword_cstr = ""};
        rule.kind = n->pattern->kind == WSRT_PATTERN_CLASS   ? WSRT_CHECK_CLASS
                    : n->pattern->kind == WSRT_PATTERN_WORDS ? WSRT_CHECK_REGEX
                                                             : WSRT_CHECK_FALSE;
        rc = wsrt_emit_rule(b->c, s, &rule, &place);
        if (rc == WSRT_OK)
            rc = wsrt_node_of_source(b->c, n->child, &node);
        uint32_t *index = (uint32_t *)(void *)b->c->tables[WSRT_TABLE_INDEX].data;
        index[at++] = place;
        index[at++] = node;
    }
    if (rc == WSRT_OK)
        rc = wsrt_node_of_source(b->c, s->other, &out.other);
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
static int build_others(struct wsrt_build *b)
{
    struct wsrt_set other = {0};
    int rc = WSRT_OK;

    b->node.patterns = wsrt_table_count(b->c, WSRT_TABLE_PATTERNS);
    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
        if (s == NULL)
            continue;
        rc = s->patterns != NULL ? build_patterns_of(b, s) : wsrt_set_add(b->c, &other, s->other);
    }
    if (b->node.pattern_count > 0)
        b->node.flags |= WSRT_NODE_SETS;
    return rc != WSRT_OK ? rc : wsrt_node_of(b->c, &other, &b->node.other);
}

static int build_name_rule(struct wsrt_build *b)
{
    struct wsrt_set set = {0};
    const struct wsrt_source *first = NULL;
    int rc = WSRT_OK;

    b->node.name_rule = WSRT_NONE;
    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
        if (s == NULL || s->names == NULL)
            continue;
        first = first == NULL ? s : first;
        rc = wsrt_set_add(b->c, &set, s->names);
    }
    if (rc != WSRT_OK || first == NULL)
        return rc;
    b->node.flags |= WSRT_NODE_SETS;
    rc = wsrt_node_of(b->c, &set, &b->node.name_rule);
    return rc != WSRT_OK ? rc : wsrt_emit_rule(b->c, first, first->names_rule, &b->node.name_check);
}

static const struct wsrt_source *prefix_at(const struct wsrt_source *s, uint32_t at)
{
    const struct wsrt_edge *e = s->prefix;

    for (; e != NULL && at > 0; at--)
        e = e->next;
    return e != NULL ? e->to : s->items;
}

static int build_item(struct wsrt_build *b, uint32_t at, uint32_t *out)
{
    struct wsrt_set set = {0};
    int rc = WSRT_OK;

    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++)
        if (wsrt_build_source(b, i) != NULL)
            rc = wsrt_set_add(b->c, &set, prefix_at(wsrt_build_source(b, i), at));
    return rc != WSRT_OK ? rc : wsrt_node_of(b->c, &set, out);
}

static int build_items(struct wsrt_build *b)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->set.count; i++) {
        uint32_t own = 0;
        const struct wsrt_source *s = wsrt_build_source(b, i);
        for (const struct wsrt_edge *e = s == NULL ? NULL : s->prefix; e != NULL; e = e->next)
            own++;
        count = own > count ? own : count;
    }
    b->node.prefix = wsrt_table_count(b->c, WSRT_TABLE_INDEX);
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

static struct wsrt_check *check_at(const struct wsrt_build *b, uint32_t i)
{
    return (struct wsrt_check *)(void *)b->c->tables[WSRT_TABLE_CHECKS].data + i;
}

static int place_rule(struct wsrt_build *b, const struct wsrt_rule *r, uint32_t index)
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
        int rc = wsrt_node_of_source(b->c, r->child, &child);
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
static int build_rules(struct wsrt_build *b)
{
    b->node.checks = wsrt_table_count(b->c, WSRT_TABLE_CHECKS);
    b->node.types = WSRT_TYPE_ALL;
    for (uint32_t kind = 0; kind <= WSRT_CHECK_UNIQUE_ITEMS; kind++)
        for (uint32_t i = 0; i < b->set.count; i++) {
            const struct wsrt_source *s = wsrt_build_source(b, i);
            for (const struct wsrt_rule *r = s == NULL ? NULL : s->rules; r != NULL; r = r->next) {
                uint32_t index;
                if (r->kind != kind)
                    continue;
                int rc = wsrt_emit_rule(b->c, s, r, &index);
                if (rc == WSRT_OK)
                    rc = place_rule(b, r, index);
                if (rc == WSRT_OK)
                    rc = wsrt_compile_goes_on(b->c, s->tree);
                if (rc != WSRT_OK)
                    return rc;
                b->node.check_count++;
            }
        }
    if (b->node.check_count > 0)
        b->node.flags |= WSRT_NODE_CHECKS;
    return WSRT_OK;
}

static void build_types(struct wsrt_build *b)
{
    b->node.types = WSRT_TYPE_ALL;
    for (uint32_t i = 0; i < b->set.count; i++)
        if (wsrt_build_source(b, i) != NULL)
            b->node.types = wsrt_types_both(b->node.types, wsrt_build_source(b, i)->types);
}

/* When nothing but length and class rules concern strings, one look decides. */
static int build_brief(struct wsrt_build *b)
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

static int build_slot(struct wsrt_build *b)
{
    struct wsrt_vec *v = &b->c->tables[WSRT_TABLE_SLOTS];

    b->node.slot = WSRT_NONE;
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
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

static int build_combo(struct wsrt_build *b, const struct wsrt_union *u, uint32_t at)
{
    struct wsrt_combo out = {.kind = u->kind, .first = wsrt_table_count(b->c, WSRT_TABLE_INDEX)};
    int rc = wsrt_emit_rule(b->c, u->owner, u->rule, &out.check);

    for (const struct wsrt_edge *e = u->branches; e != NULL; e = e->next)
        out.count++;
    if (rc == WSRT_OK && index_push(b->c, out.count) == NULL)
        rc = WSRT_ERR_NOMEM;
    uint32_t i = out.first;
    for (const struct wsrt_edge *e = u->branches; rc == WSRT_OK && e != NULL; e = e->next) {
        uint32_t child;
        rc = wsrt_node_of_source(b->c, e->to, &child);
        ((uint32_t *)(void *)b->c->tables[WSRT_TABLE_INDEX].data)[i++] = child;
    }
    if (u->kind == WSRT_COMBO_DEPENDENT)
        out.index = name_index(b, u->name);
    ((struct wsrt_combo *)(void *)b->c->tables[WSRT_TABLE_COMBOS].data)[at] = out;
    return rc;
}

static int build_combos(struct wsrt_build *b)
{
    uint32_t count = 0, at = wsrt_table_count(b->c, WSRT_TABLE_COMBOS);
    int rc = WSRT_OK;

    for (uint32_t i = 0; i < b->set.count; i++)
        count += wsrt_atom_at(b->c, b->set.ids[i])->combo != NULL;
    b->node.combos = at;
    b->node.combo_count = count;
    if (count == 0)
        return WSRT_OK;
    b->node.flags |= WSRT_NODE_SETS | WSRT_NODE_LOCAL;
    if (wsrt_vec_push(b->c, &b->c->tables[WSRT_TABLE_COMBOS], count, sizeof(struct wsrt_combo)) ==
        NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t i = 0; rc == WSRT_OK && i < b->set.count; i++) {
        const struct wsrt_union *u = wsrt_atom_at(b->c, b->set.ids[i])->combo;
        if (u != NULL)
            rc = build_combo(b, u, at++);
    }
    return rc;
}

/* ---- all together ------------------------------------------------------------------------- */

static int build_contents(struct wsrt_build *b)
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
    struct wsrt_build b = {.c = c, .set = ((struct wsrt_set *)(void *)c->sets.data)[index]};
    wsrt_span tag;
    int rc = build_contents(&b);

    if (rc == WSRT_OK)
        rc = build_rules(&b);
    build_types(&b);
    if (rc == WSRT_OK)
        wsrt_conflicts_find(&b);
    if (b.node.known > 64)
        b.node.flags |= WSRT_NODE_SETS;
    b.node.counters = b.node.contains_count + (b.node.known + 63) / 64;
    if (rc == WSRT_OK)
        rc = build_slot(&b);
    const struct wsrt_union *u = rc == WSRT_OK ? wsrt_switch_find(&b, &tag) : NULL;
    if (u != NULL)
        rc = wsrt_switch_demand_object(&b, u);
    if (rc == WSRT_OK && u != NULL)
        rc = wsrt_switch_build(&b, u, tag);
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
    int rc = wsrt_node_of(c, &none, &any);

    if (rc == WSRT_OK)
        rc = wsrt_set_add(c, &all, root);
    if (rc == WSRT_OK)
        rc = wsrt_set_add(c, &all, overlay);
    if (rc == WSRT_OK)
        rc = wsrt_node_of(c, &all, &c->image.root);
    for (uint32_t i = 0; rc == WSRT_OK && i < c->sets.count; i++)
        rc = build_node(c, i);
    return rc;
}
