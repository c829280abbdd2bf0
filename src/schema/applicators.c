/* Keywords that hand a value, its members or its elements to other schemas. */
#include "schema/keywords.h"

#include <string.h>

/* ---- children ----------------------------------------------------------------------------- */

int wsrt_kw_properties(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_OBJECT)
        return wsrt_wrong_type(c, v, "Expected an object");
    /* The first keyword that knows names, and the reader refused duplicates: nothing to search. */
    struct wsrt_named **link = &s->props;
    for (struct wsrt_tree *t = v->child; t != NULL; t = t->next) {
        struct wsrt_named *n = *link = wsrt_compile_alloc(c, sizeof *n);
        if (n == NULL)
            return WSRT_ERR_NOMEM;
        n->name = t->name;
        int rc =
            wsrt_source_child(c, s, t, wsrt_message_for_child(s, "properties", t->name), &n->child);
        if (rc != WSRT_OK)
            return rc;
        link = &n->next;
    }
    return WSRT_OK;
}

int wsrt_kw_pattern_properties(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_named **link = &s->patterns;

    if (v->kind != WSRT_JSON_OBJECT)
        return wsrt_wrong_type(c, v, "Expected an object");
    for (struct wsrt_tree *t = v->child; t != NULL; t = t->next) {
        struct wsrt_named *n = *link = wsrt_compile_alloc(c, sizeof *n);
        if (n == NULL)
            return WSRT_ERR_NOMEM;
        n->name = t->name;
        int rc = wsrt_kw_compile_pattern(c, t, t->name, &n->pattern);
        if (rc == WSRT_OK)
            rc = wsrt_source_child(c, s, t, (wsrt_span){NULL, 0}, &n->child);
        if (rc != WSRT_OK)
            return rc;
        link = &n->next;
    }
    return WSRT_OK;
}

int wsrt_kw_additional(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = wsrt_source_child(c, s, v, (wsrt_span){NULL, 0}, &s->other);

    if (rc == WSRT_OK && v->kind == WSRT_JSON_BOOL)
        for (struct wsrt_rule *r = s->other->rules; r != NULL; r = r->next) {
            r->issue = WSRT_ISSUE_UNRECOGNIZED_KEY;
            r->keyword_cstr = "additionalProperties";
            r->text = wsrt_message_for(s, "additionalProperties", (wsrt_span){NULL, 0});
        }
    return rc;
}

int wsrt_kw_property_names(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_rule *r = wsrt_compile_alloc(c, sizeof *r);

    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->kind = WSRT_CHECK_FALSE;
    r->issue = WSRT_ISSUE_UNRECOGNIZED_KEY;
    r->keyword_cstr = "propertyNames";
    r->text = wsrt_message_for(s, "propertyNames", (wsrt_span){NULL, 0});
    s->names_rule = r;
    return wsrt_source_child(c, s, v, (wsrt_span){NULL, 0}, &s->names);
}

static int edge_add(struct wsrt_compiler *c, struct wsrt_edge **list, struct wsrt_source *to)
{
    uint64_t steps = 0;

    for (; *list != NULL; list = &(*list)->next)
        steps++;
    wsrt_compile_count(c, steps);
    *list = wsrt_compile_alloc(c, sizeof **list);
    if (*list == NULL)
        return WSRT_ERR_NOMEM;
    (*list)->to = to;
    return wsrt_compile_goes_on(c, to == NULL ? NULL : to->tree);
}

static int edges_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                    struct wsrt_edge **list)
{
    int rc = WSRT_OK;

    if (v->kind != WSRT_JSON_ARRAY)
        return wsrt_wrong_type(c, v, "Expected an array of schemas");
    if (v->child == NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "An empty list of schemas");
    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next) {
        struct wsrt_source *to;
        rc = wsrt_source_child(c, s, t, (wsrt_span){NULL, 0}, &to);
        if (rc == WSRT_OK)
            rc = edge_add(c, list, to);
    }
    return rc;
}

int wsrt_kw_prefix_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    return edges_of(c, s, v, &s->prefix);
}

int wsrt_kw_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (s->base->draft_07 && v->kind == WSRT_JSON_ARRAY)
        return v->child == NULL ? WSRT_OK : edges_of(c, s, v, &s->prefix);
    wsrt_span text = wsrt_message_for_child(s, "items", (wsrt_span){NULL, 0});
    int rc = wsrt_source_child(c, s, v, text, &s->items);
    if (rc == WSRT_OK && v->kind == WSRT_JSON_BOOL)
        for (struct wsrt_rule *r = s->items->rules; r != NULL; r = r->next)
            r->keyword_cstr = "items";
    return rc;
}

int wsrt_kw_additional_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    const struct wsrt_tree *items = wsrt_tree_member(s->tree, "items");
    struct wsrt_source *rest;
    int rc = wsrt_source_child(c, s, v, (wsrt_span){NULL, 0}, &rest);

    if (rc == WSRT_OK && items != NULL && items->kind == WSRT_JSON_ARRAY)
        s->items = rest;
    return rc;
}

int wsrt_kw_contains(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_tree *least = s->base->draft_07 ? NULL : wsrt_tree_member(s->tree, "minContains");
    struct wsrt_tree *most = s->base->draft_07 ? NULL : wsrt_tree_member(s->tree, "maxContains");
    struct wsrt_source *child;
    uint64_t low = 1, high = UINT64_MAX;
    int rc = wsrt_source_child(c, s, v, (wsrt_span){NULL, 0}, &child);

    if (rc == WSRT_OK && least != NULL)
        rc = wsrt_kw_count(c, least, &low);
    if (rc == WSRT_OK && most != NULL)
        rc = wsrt_kw_count(c, most, &high);
    if (rc != WSRT_OK)
        return rc;
    struct wsrt_rule *r = wsrt_rule_new(c, s, WSRT_CHECK_CONTAINS, WSRT_ISSUE_TOO_SMALL,
                                        least != NULL ? "minContains" : "contains");
    if (r != NULL) {
        r->child = child;
        r->n = UINT64_MAX;
        r->least = low;
        r->limit = least != NULL ? least->raw : (wsrt_span){"1", 1};
    }
    if (most == NULL || r == NULL)
        return r == NULL ? WSRT_ERR_NOMEM : WSRT_OK;
    r = wsrt_rule_new(c, s, WSRT_CHECK_CONTAINS, WSRT_ISSUE_TOO_BIG, "maxContains");
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->child = child;
    r->n = high;
    r->limit = most->raw;
    return WSRT_OK;
}

int wsrt_kw_contains_bound(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    uint64_t ignored;

    (void)s;
    return wsrt_kw_count(c, v, &ignored);
}

/* ---- combinators -------------------------------------------------------------------------- */

int wsrt_kw_all_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    return edges_of(c, s, v, &s->all);
}

static struct wsrt_union *union_new(struct wsrt_compiler *c, struct wsrt_source *s, int kind,
                                    int issue, const char *keyword)
{
    struct wsrt_union *u = wsrt_compile_alloc(c, sizeof *u);
    struct wsrt_rule *r = wsrt_compile_alloc(c, sizeof *r);
    struct wsrt_atom *atom = wsrt_vec_push(c, &c->atoms, 1, sizeof *atom);
    struct wsrt_union **link = &s->unions;

    if (u == NULL || r == NULL || atom == NULL)
        return NULL;
    *atom = (struct wsrt_atom){NULL, u};
    u->atom = (uint32_t)c->atoms.count - 1;
    u->kind = (uint32_t)kind;
    u->owner = s;
    u->rule = r;
    r->kind = WSRT_CHECK_FALSE;
    r->issue = (uint32_t)issue;
    r->keyword_cstr = keyword;
    r->text = wsrt_message_for(s, keyword, (wsrt_span){NULL, 0});
    while (*link != NULL)
        link = &(*link)->next;
    *link = u;
    return u;
}

int wsrt_kw_any_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u = union_new(c, s, WSRT_COMBO_ANY_OF, WSRT_ISSUE_INVALID_UNION, "anyOf");

    return u == NULL ? WSRT_ERR_NOMEM : edges_of(c, s, v, &u->branches);
}

int wsrt_kw_one_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u = union_new(c, s, WSRT_COMBO_ONE_OF, WSRT_ISSUE_INVALID_UNION, "oneOf");

    return u == NULL ? WSRT_ERR_NOMEM : edges_of(c, s, v, &u->branches);
}

static int union_branch(struct wsrt_compiler *c, struct wsrt_union *u, struct wsrt_tree *v)
{
    struct wsrt_source *to = NULL;
    int rc = v == NULL ? WSRT_OK : wsrt_source_child(c, u->owner, v, (wsrt_span){NULL, 0}, &to);

    return rc != WSRT_OK ? rc : edge_add(c, &u->branches, to);
}

int wsrt_kw_not(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u = union_new(c, s, WSRT_COMBO_NOT, WSRT_ISSUE_FORBIDDEN, "not");

    return u == NULL ? WSRT_ERR_NOMEM : union_branch(c, u, v);
}

int wsrt_kw_if(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_tree *yes = wsrt_tree_member(s->tree, "then");
    struct wsrt_tree *no = wsrt_tree_member(s->tree, "else");
    struct wsrt_union *u;
    struct wsrt_source *alone;

    if (yes == NULL && no == NULL)
        return wsrt_source_child(c, s, v, (wsrt_span){NULL, 0}, &alone);
    u = union_new(c, s, WSRT_COMBO_IF, WSRT_ISSUE_INVALID_UNION, "if");
    int rc = u == NULL ? WSRT_ERR_NOMEM : union_branch(c, u, v);
    if (rc == WSRT_OK)
        rc = union_branch(c, u, yes);
    return rc == WSRT_OK ? union_branch(c, u, no) : rc;
}

/* Checked here also where `if` is missing and they have no effect. */
int wsrt_kw_then_else(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_source *ignored;

    return wsrt_source_get(c, v, s->base, &ignored);
}

static int dependent_schema(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u =
        union_new(c, s, WSRT_COMBO_DEPENDENT, WSRT_ISSUE_INVALID_UNION, "dependentSchemas");

    if (u == NULL || wsrt_named_get(c, &s->props, v->name) == NULL)
        return WSRT_ERR_NOMEM;
    u->name = v->name;
    return union_branch(c, u, v);
}

int wsrt_kw_dependent_schemas(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wsrt_wrong_type(c, v, "Expected an object");

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = dependent_schema(c, s, t);
    return rc;
}

int wsrt_kw_dependencies(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wsrt_wrong_type(c, v, "Expected an object");

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = t->kind == WSRT_JSON_ARRAY ? wsrt_kw_require(c, s, t, "dependencies")
                                        : dependent_schema(c, s, t);
    return rc;
}
