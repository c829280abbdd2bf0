/* Unions that the value of one member decides become switches between nodes. */
#include "schema/nodes.h"

static const struct wsrt_source *through_refs(const struct wsrt_source *s)
{
    while (s != NULL && wsrt_source_is_trivial(s) && s->unions == NULL && s->all != NULL &&
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

static int set_requires(const struct wsrt_build *b, wsrt_span name)
{
    for (uint32_t i = 0; i < b->set.count; i++)
        if (wsrt_build_source(b, i) != NULL && requires(wsrt_build_source(b, i), name))
            return 1;
    return 0;
}

/* 1 when an unknown tag fails a rule of the set itself. */
static int set_lists(const struct wsrt_build *b, wsrt_span name, const struct wsrt_union *u)
{
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
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
static int is_tagged_by(const struct wsrt_build *b, const struct wsrt_union *u, wsrt_span name)
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
static int is_tag_test(const struct wsrt_build *b, const struct wsrt_source *s)
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
static int find_tag(const struct wsrt_build *b, const struct wsrt_union *u, wsrt_span *name)
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
static int node_instead(struct wsrt_build *b, const struct wsrt_union *u,
                        const struct wsrt_source *s, uint32_t *out)
{
    struct wsrt_set set = {0};
    int rc = WSRT_OK;

    for (uint32_t i = 0; rc >= 0 && i < b->set.count; i++)
        if (b->set.ids[i] != u->atom)
            rc = wsrt_set_insert(b->c, &set, b->set.ids[i]);
    if (rc >= 0)
        rc = wsrt_set_add(b->c, &set, s);
    return rc != WSRT_OK ? rc : wsrt_node_of(b->c, &set, out);
}

static int add_tags(struct wsrt_build *b, const struct wsrt_rule *r, uint32_t node)
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

static int switch_on_if(struct wsrt_build *b, const struct wsrt_union *u, struct wsrt_switch *out)
{
    const struct wsrt_source *test = u->branches->to;
    const struct wsrt_rule *rule = tag_rule(test->props->child);
    uint32_t yes = WSRT_NONE;
    int rc = node_instead(b, u, u->branches->next->to, &yes);

    if (rc == WSRT_OK)
        rc = node_instead(b, u, u->branches->next->next->to, &out->other);
    out->missing = requires(test, test->props->name) ? out->other : yes;
    out->unknown_check = out->missing_check = WSRT_NONE;
    return rc != WSRT_OK ? rc : add_tags(b, rule, yes);
}

static int switch_on_union(struct wsrt_build *b, const struct wsrt_union *u, wsrt_span name,
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
int wsrt_switch_demand_object(struct wsrt_build *b, const struct wsrt_union *u)
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
    b->node.types = wsrt_types_both(b->node.types, 1 << WSRT_JSON_OBJECT);
    return rc;
}

int wsrt_switch_build(struct wsrt_build *b, const struct wsrt_union *u, wsrt_span name)
{
    struct wsrt_vec *v = &b->c->tables[WSRT_TABLE_SWITCHES];
    struct wsrt_switch out = {.len = (uint32_t)name.len};
    int rc = WSRT_OK;

    out.prop = wsrt_emit_text(b->c, name);
    out.first = wsrt_table_count(b->c, WSRT_TABLE_LITERALS);
    if (out.prop == WSRT_NONE)
        return WSRT_ERR_NOMEM;
    rc = u->kind == WSRT_COMBO_IF ? switch_on_if(b, u, &out) : switch_on_union(b, u, name, &out);
    out.count = wsrt_table_count(b->c, WSRT_TABLE_LITERALS) - out.first;
    struct wsrt_switch *place = rc == WSRT_OK ? wsrt_vec_push(b->c, v, 1, sizeof *place) : NULL;
    if (place == NULL)
        return rc != WSRT_OK ? rc : WSRT_ERR_NOMEM;
    *place = out;
    b->node.tag = (uint32_t)v->count - 1;
    b->node.flags |= WSRT_NODE_SWITCH;
    return WSRT_OK;
}

const struct wsrt_union *wsrt_switch_find(const struct wsrt_build *b, wsrt_span *name)
{
    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_union *u = wsrt_atom_at(b->c, b->set.ids[i])->combo;
        if (u != NULL && find_tag(b, u, name))
            return u;
    }
    return NULL;
}
