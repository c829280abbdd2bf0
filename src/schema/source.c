/* From a schema position in the text to a source: its rules, members and combinators. */
#include "schema/compile.h"
#include "schema/decimal.h"
#include "schema/format.h"

#include <string.h>

typedef int (*keyword_fn)(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);

static int wrong_type(struct wsrt_compiler *c, const struct wsrt_tree *v, const char *text)
{
    return wsrt_compile_fail(c, WSRT_SCHEMA_TYPE, v, text);
}

static int no_memory(void)
{
    return WSRT_ERR_NOMEM;
}

/* ---- texts -------------------------------------------------------------------------------- */

static wsrt_span text_of(const struct wsrt_tree *t)
{
    return t != NULL && t->kind == WSRT_JSON_STRING ? t->text : (wsrt_span){NULL, 0};
}

/* The text for a failing keyword, and for `member` of required; the most specific wins. */
static wsrt_span message_for(const struct wsrt_source *s, const char *keyword, wsrt_span member)
{
    const struct wsrt_tree *m = s->message;
    wsrt_span out = text_of(m);

    if (m != NULL && m->kind == WSRT_JSON_OBJECT) {
        const struct wsrt_tree *k = wsrt_tree_member(m, keyword);
        out = text_of(k);
        if (k != NULL && k->kind == WSRT_JSON_OBJECT)
            out = text_of(wsrt_tree_named(k, member));
        if (out.ptr == NULL)
            out = text_of(wsrt_tree_member(m, "_"));
    }
    return out.ptr == NULL ? s->inherited : out;
}

static wsrt_span child_message(const struct wsrt_source *s, const char *group, wsrt_span name)
{
    const struct wsrt_tree *m = s->message;
    const struct wsrt_tree *g =
        m != NULL && m->kind == WSRT_JSON_OBJECT ? wsrt_tree_member(m, group) : NULL;

    if (g == NULL)
        return (wsrt_span){NULL, 0};
    return g->kind == WSRT_JSON_STRING ? g->text : text_of(wsrt_tree_named(g, name));
}

/* ---- rules -------------------------------------------------------------------------------- */

static struct wsrt_rule *rule_new(struct wsrt_compiler *c, struct wsrt_source *s, int kind,
                                  int issue, const char *keyword)
{
    struct wsrt_rule *r = wsrt_compile_alloc(c, sizeof *r);
    struct wsrt_rule **link = &s->rules;

    if (r == NULL)
        return NULL;
    r->kind = (uint32_t)kind;
    r->issue = (uint32_t)issue;
    r->keyword_cstr = keyword;
    r->text = message_for(s, keyword, (wsrt_span){NULL, 0});
    while (*link != NULL && (*link)->kind <= r->kind)
        link = &(*link)->next;
    r->next = *link;
    *link = r;
    return r;
}

static int count_of(struct wsrt_compiler *c, const struct wsrt_tree *v, uint64_t *out)
{
    if (v->kind != WSRT_JSON_NUMBER)
        return wrong_type(c, v, "Expected a whole number");
    struct wsrt_exact d = wsrt_exact_read((const unsigned char *)v->raw.ptr, v->raw.len);
    if (!wsrt_exact_is_whole(&d))
        return wrong_type(c, v, "Expected a whole number");
    if (!wsrt_exact_count(&d, out))
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "Expected a number from 0 to 2^53");
    return WSRT_OK;
}

static const struct limit_keyword {
    const char *name;
    int kind;
    int issue;
} limits[] = {
    {"minLength", WSRT_CHECK_MIN_LENGTH, WSRT_ISSUE_TOO_SMALL},
    {"maxLength", WSRT_CHECK_MAX_LENGTH, WSRT_ISSUE_TOO_BIG},
    {"x-wsrt-minBytes", WSRT_CHECK_MIN_BYTES, WSRT_ISSUE_TOO_SMALL},
    {"x-wsrt-maxBytes", WSRT_CHECK_MAX_BYTES, WSRT_ISSUE_TOO_BIG},
    {"x-wsrt-minUtf16Length", WSRT_CHECK_MIN_UTF16, WSRT_ISSUE_TOO_SMALL},
    {"x-wsrt-maxUtf16Length", WSRT_CHECK_MAX_UTF16, WSRT_ISSUE_TOO_BIG},
    {"minProperties", WSRT_CHECK_MIN_PROPERTIES, WSRT_ISSUE_TOO_SMALL},
    {"maxProperties", WSRT_CHECK_MAX_PROPERTIES, WSRT_ISSUE_TOO_BIG},
    {"minItems", WSRT_CHECK_MIN_ITEMS, WSRT_ISSUE_TOO_SMALL},
    {"maxItems", WSRT_CHECK_MAX_ITEMS, WSRT_ISSUE_TOO_BIG},
};
static const struct limit_keyword bounds[] = {
    {"minimum", WSRT_CHECK_MINIMUM, WSRT_ISSUE_TOO_SMALL},
    {"exclusiveMinimum", WSRT_CHECK_EXCLUSIVE_MINIMUM, WSRT_ISSUE_TOO_SMALL},
    {"maximum", WSRT_CHECK_MAXIMUM, WSRT_ISSUE_TOO_BIG},
    {"exclusiveMaximum", WSRT_CHECK_EXCLUSIVE_MAXIMUM, WSRT_ISSUE_TOO_BIG},
    {"multipleOf", WSRT_CHECK_MULTIPLE_OF, WSRT_ISSUE_NOT_MULTIPLE_OF},
};

static const struct limit_keyword *find_limit(const struct limit_keyword *list, size_t count,
                                              wsrt_span name)
{
    for (size_t i = 0; i < count; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(list[i].name)))
            return &list[i];
    return NULL;
}

static int kw_limit(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    const struct limit_keyword *k = find_limit(limits, sizeof limits / sizeof *limits, v->name);
    uint64_t n;
    int rc = count_of(c, v, &n);

    if (rc != WSRT_OK)
        return rc;
    struct wsrt_rule *r = rule_new(c, s, k->kind, k->issue, k->name);
    if (r == NULL)
        return no_memory();
    r->n = n;
    r->limit = v->raw;
    return WSRT_OK;
}

static int kw_bound(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    const struct limit_keyword *k = find_limit(bounds, sizeof bounds / sizeof *bounds, v->name);

    if (v->kind != WSRT_JSON_NUMBER)
        return wrong_type(c, v, "Expected a number");
    if (k->kind == WSRT_CHECK_MULTIPLE_OF) {
        struct wsrt_exact d = wsrt_exact_read((const unsigned char *)v->raw.ptr, v->raw.len);
        if (d.sign <= 0)
            return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "multipleOf must be above 0");
        if (d.count > 18)
            return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, v, "multipleOf has over 18 digits");
    }
    struct wsrt_rule *r = rule_new(c, s, k->kind, k->issue, k->name);
    if (r == NULL)
        return no_memory();
    r->limit = v->raw;
    return WSRT_OK;
}

static uint32_t type_bit(wsrt_span name)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } types[] = {{"null", 1 << WSRT_JSON_NULL},     {"boolean", 1 << WSRT_JSON_BOOL},
                 {"number", 1 << WSRT_JSON_NUMBER}, {"string", 1 << WSRT_JSON_STRING},
                 {"array", 1 << WSRT_JSON_ARRAY},   {"object", 1 << WSRT_JSON_OBJECT},
                 {"integer", WSRT_TYPE_INTEGER}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(types[i].name)))
            return types[i].bit;
    return 0;
}

static int kw_type(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_tree *one = v->kind == WSRT_JSON_ARRAY ? v->child : v;
    uint32_t bits = 0;

    if (one == NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "An empty list of types");
    for (; one != NULL; one = v->kind == WSRT_JSON_ARRAY ? one->next : NULL) {
        if (one->kind != WSRT_JSON_STRING)
            return wrong_type(c, one, "Expected the name of a type");
        uint32_t bit = type_bit(one->text);
        if (bit == 0 || (bits & bit) != 0)
            return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, one,
                                     bit == 0 ? "Unknown type" : "A type twice");
        bits |= bit;
    }
    if (bits & 1 << WSRT_JSON_NUMBER)
        bits &= ~(uint32_t)WSRT_TYPE_INTEGER;
    struct wsrt_rule *r = rule_new(c, s, WSRT_CHECK_TYPE, WSRT_ISSUE_INVALID_TYPE, "type");
    if (r == NULL)
        return no_memory();
    r->bits = bits;
    s->types = bits;
    return WSRT_OK;
}

static int kw_enum(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_ARRAY)
        return wrong_type(c, v, "Expected an array");
    struct wsrt_rule *r = rule_new(c, s, WSRT_CHECK_ENUM, WSRT_ISSUE_INVALID_VALUE, "enum");
    if (r == NULL)
        return no_memory();
    r->value = v;
    return WSRT_OK;
}

static int kw_const(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_rule *r = rule_new(c, s, WSRT_CHECK_CONST, WSRT_ISSUE_INVALID_VALUE, "const");

    if (r == NULL)
        return no_memory();
    r->value = v;
    return WSRT_OK;
}

static int compile_pattern(struct wsrt_compiler *c, const struct wsrt_tree *at, wsrt_span text,
                           struct wsrt_pattern **out)
{
    struct wsrt_pattern_error why;

    *out = wsrt_pattern_new(&c->arena, text, &why);
    if (*out != NULL)
        return WSRT_OK;
    if (why.code == 0)
        return no_memory();
    int rc = wsrt_compile_fail(c, why.code, at, why.text_cstr);
    if (c->why != NULL)
        c->why->offset = why.offset;
    return rc;
}

static int kw_pattern(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_pattern *pattern;

    if (v->kind != WSRT_JSON_STRING)
        return wrong_type(c, v, "Expected a string");
    int rc = compile_pattern(c, v, v->text, &pattern);
    if (rc != WSRT_OK || pattern->kind == WSRT_PATTERN_ALL)
        return rc;
    int kind = pattern->kind == WSRT_PATTERN_CLASS ? WSRT_CHECK_CLASS : WSRT_CHECK_REGEX;
    struct wsrt_rule *r = rule_new(c, s, kind, WSRT_ISSUE_INVALID_FORMAT, "pattern");
    if (r == NULL)
        return no_memory();
    r->pattern = pattern;
    return WSRT_OK;
}

static int kw_format(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_STRING)
        return wrong_type(c, v, "Expected a string");
    if ((c->options->flags & WSRT_SCHEMA_ASSERT_FORMAT) == 0)
        return WSRT_OK;
    uint32_t format = wsrt_format_find(v->text);
    if (format == 0)
        return wsrt_compile_fail(c, WSRT_SCHEMA_FORMAT_UNKNOWN, v,
                                 "This format cannot be asserted");
    struct wsrt_rule *r = rule_new(c, s, WSRT_CHECK_FORMAT, WSRT_ISSUE_INVALID_FORMAT, "format");
    if (r == NULL)
        return no_memory();
    r->bits = format;
    return WSRT_OK;
}

static int kw_unique(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_BOOL)
        return wrong_type(c, v, "Expected true or false");
    if (v->raw.ptr[0] == 'f')
        return WSRT_OK;
    return rule_new(c, s, WSRT_CHECK_UNIQUE_ITEMS, WSRT_ISSUE_NOT_UNIQUE, "uniqueItems") == NULL
               ? no_memory()
               : WSRT_OK;
}

/* ---- children ----------------------------------------------------------------------------- */

static int child_source(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                        wsrt_span inherited, struct wsrt_source **out)
{
    int rc = wsrt_source_get(c, v, s->base, out);

    if (rc == WSRT_OK && (*out)->inherited.ptr == NULL && inherited.ptr != NULL) {
        (*out)->inherited = inherited;
        for (struct wsrt_rule *r = (*out)->rules; r != NULL; r = r->next)
            if (r->text.ptr == NULL)
                r->text = inherited;
    }
    return rc;
}

static struct wsrt_named *named_of(struct wsrt_compiler *c, struct wsrt_named **list,
                                   wsrt_span name)
{
    while (*list != NULL) {
        if (wsrt_span_equal((*list)->name, name))
            return *list;
        list = &(*list)->next;
    }
    *list = wsrt_compile_alloc(c, sizeof **list);
    if (*list != NULL)
        (*list)->name = name;
    return *list;
}

static int kw_properties(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_OBJECT)
        return wrong_type(c, v, "Expected an object");
    /* The first keyword that knows names, and the reader refused duplicates: nothing to search. */
    struct wsrt_named **link = &s->props;
    for (struct wsrt_tree *t = v->child; t != NULL; t = t->next) {
        struct wsrt_named *n = *link = wsrt_compile_alloc(c, sizeof *n);
        if (n == NULL)
            return no_memory();
        n->name = t->name;
        int rc = child_source(c, s, t, child_message(s, "properties", t->name), &n->child);
        if (rc != WSRT_OK)
            return rc;
        link = &n->next;
    }
    return WSRT_OK;
}

static int kw_pattern_properties(struct wsrt_compiler *c, struct wsrt_source *s,
                                 struct wsrt_tree *v)
{
    struct wsrt_named **link = &s->patterns;

    if (v->kind != WSRT_JSON_OBJECT)
        return wrong_type(c, v, "Expected an object");
    for (struct wsrt_tree *t = v->child; t != NULL; t = t->next) {
        struct wsrt_named *n = *link = wsrt_compile_alloc(c, sizeof *n);
        if (n == NULL)
            return no_memory();
        n->name = t->name;
        int rc = compile_pattern(c, t, t->name, &n->pattern);
        if (rc == WSRT_OK)
            rc = child_source(c, s, t, (wsrt_span){NULL, 0}, &n->child);
        if (rc != WSRT_OK)
            return rc;
        link = &n->next;
    }
    return WSRT_OK;
}

static int kw_additional(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = child_source(c, s, v, (wsrt_span){NULL, 0}, &s->other);

    if (rc == WSRT_OK && v->kind == WSRT_JSON_BOOL)
        for (struct wsrt_rule *r = s->other->rules; r != NULL; r = r->next) {
            r->issue = WSRT_ISSUE_UNRECOGNIZED_KEY;
            r->keyword_cstr = "additionalProperties";
            r->text = message_for(s, "additionalProperties", (wsrt_span){NULL, 0});
        }
    return rc;
}

static int kw_property_names(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_rule *r = wsrt_compile_alloc(c, sizeof *r);

    if (r == NULL)
        return no_memory();
    r->kind = WSRT_CHECK_FALSE;
    r->issue = WSRT_ISSUE_UNRECOGNIZED_KEY;
    r->keyword_cstr = "propertyNames";
    r->text = message_for(s, "propertyNames", (wsrt_span){NULL, 0});
    s->names_rule = r;
    return child_source(c, s, v, (wsrt_span){NULL, 0}, &s->names);
}

static int names_list(struct wsrt_compiler *c, const struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_ARRAY)
        return wrong_type(c, v, "Expected an array of names");
    for (struct wsrt_tree *t = v->child; t != NULL; t = t->next) {
        if (t->kind != WSRT_JSON_STRING)
            return wrong_type(c, t, "Expected a name");
        for (struct wsrt_tree *o = v->child; o != t; o = o->next)
            if (wsrt_span_equal(o->text, t->text))
                return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, t, "A name twice");
    }
    return WSRT_OK;
}

/* Every listed name is missed by itself. `when` is the name that demands them, or empty. */
static int require(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                   const char *keyword)
{
    int dependent = v->name.ptr != NULL && strcmp(keyword, "required") != 0;
    int rc = names_list(c, v);

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next) {
        struct wsrt_rule *r =
            rule_new(c, s, dependent ? WSRT_CHECK_DEPENDENT_REQUIRED : WSRT_CHECK_REQUIRED,
                     WSRT_ISSUE_REQUIRED, keyword);
        if (r == NULL || named_of(c, &s->props, t->text) == NULL ||
            (dependent && named_of(c, &s->props, v->name) == NULL))
            return no_memory();
        r->value = t;
        r->text = message_for(s, keyword, t->text);
    }
    return rc;
}

static int kw_required(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    return require(c, s, v, "required");
}

static int kw_dependent_required(struct wsrt_compiler *c, struct wsrt_source *s,
                                 struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wrong_type(c, v, "Expected an object");

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = require(c, s, t, "dependentRequired");
    return rc;
}

static int edge_add(struct wsrt_compiler *c, struct wsrt_edge **list, struct wsrt_source *to)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = wsrt_compile_alloc(c, sizeof **list);
    if (*list == NULL)
        return no_memory();
    (*list)->to = to;
    return WSRT_OK;
}

static int edges_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                    struct wsrt_edge **list)
{
    int rc = WSRT_OK;

    if (v->kind != WSRT_JSON_ARRAY)
        return wrong_type(c, v, "Expected an array of schemas");
    if (v->child == NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "An empty list of schemas");
    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next) {
        struct wsrt_source *to;
        rc = child_source(c, s, t, (wsrt_span){NULL, 0}, &to);
        if (rc == WSRT_OK)
            rc = edge_add(c, list, to);
    }
    return rc;
}

static int kw_prefix_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    return edges_of(c, s, v, &s->prefix);
}

static int kw_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (s->base->draft_07 && v->kind == WSRT_JSON_ARRAY)
        return v->child == NULL ? WSRT_OK : edges_of(c, s, v, &s->prefix);
    wsrt_span text = child_message(s, "items", (wsrt_span){NULL, 0});
    int rc = child_source(c, s, v, text, &s->items);
    if (rc == WSRT_OK && v->kind == WSRT_JSON_BOOL)
        for (struct wsrt_rule *r = s->items->rules; r != NULL; r = r->next)
            r->keyword_cstr = "items";
    return rc;
}

static int kw_additional_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    const struct wsrt_tree *items = wsrt_tree_member(s->tree, "items");
    struct wsrt_source *rest;
    int rc = child_source(c, s, v, (wsrt_span){NULL, 0}, &rest);

    if (rc == WSRT_OK && items != NULL && items->kind == WSRT_JSON_ARRAY)
        s->items = rest;
    return rc;
}

static int kw_contains(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_tree *least = s->base->draft_07 ? NULL : wsrt_tree_member(s->tree, "minContains");
    struct wsrt_tree *most = s->base->draft_07 ? NULL : wsrt_tree_member(s->tree, "maxContains");
    struct wsrt_source *child;
    uint64_t low = 1, high = UINT64_MAX;
    int rc = child_source(c, s, v, (wsrt_span){NULL, 0}, &child);

    if (rc == WSRT_OK && least != NULL)
        rc = count_of(c, least, &low);
    if (rc == WSRT_OK && most != NULL)
        rc = count_of(c, most, &high);
    if (rc != WSRT_OK)
        return rc;
    struct wsrt_rule *r = rule_new(c, s, WSRT_CHECK_CONTAINS, WSRT_ISSUE_TOO_SMALL,
                                   least != NULL ? "minContains" : "contains");
    if (r != NULL) {
        r->child = child;
        r->n = UINT64_MAX;
        r->least = low;
        r->limit = least != NULL ? least->raw : (wsrt_span){"1", 1};
    }
    if (most == NULL || r == NULL)
        return r == NULL ? no_memory() : WSRT_OK;
    r = rule_new(c, s, WSRT_CHECK_CONTAINS, WSRT_ISSUE_TOO_BIG, "maxContains");
    if (r == NULL)
        return no_memory();
    r->child = child;
    r->n = high;
    r->limit = most->raw;
    return WSRT_OK;
}

static int kw_contains_bound(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    uint64_t ignored;

    (void)s;
    return count_of(c, v, &ignored);
}

/* ---- combinators -------------------------------------------------------------------------- */

static int kw_all_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
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
    r->text = message_for(s, keyword, (wsrt_span){NULL, 0});
    while (*link != NULL)
        link = &(*link)->next;
    *link = u;
    return u;
}

static int kw_any_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u = union_new(c, s, WSRT_COMBO_ANY_OF, WSRT_ISSUE_INVALID_UNION, "anyOf");

    return u == NULL ? no_memory() : edges_of(c, s, v, &u->branches);
}

static int kw_one_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u = union_new(c, s, WSRT_COMBO_ONE_OF, WSRT_ISSUE_INVALID_UNION, "oneOf");

    return u == NULL ? no_memory() : edges_of(c, s, v, &u->branches);
}

static int union_branch(struct wsrt_compiler *c, struct wsrt_union *u, struct wsrt_tree *v)
{
    struct wsrt_source *to = NULL;
    int rc = v == NULL ? WSRT_OK : child_source(c, u->owner, v, (wsrt_span){NULL, 0}, &to);

    return rc != WSRT_OK ? rc : edge_add(c, &u->branches, to);
}

static int kw_not(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u = union_new(c, s, WSRT_COMBO_NOT, WSRT_ISSUE_FORBIDDEN, "not");

    return u == NULL ? no_memory() : union_branch(c, u, v);
}

static int kw_if(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_tree *yes = wsrt_tree_member(s->tree, "then");
    struct wsrt_tree *no = wsrt_tree_member(s->tree, "else");
    struct wsrt_union *u;
    struct wsrt_source *alone;

    if (yes == NULL && no == NULL)
        return child_source(c, s, v, (wsrt_span){NULL, 0}, &alone);
    u = union_new(c, s, WSRT_COMBO_IF, WSRT_ISSUE_INVALID_UNION, "if");
    int rc = u == NULL ? no_memory() : union_branch(c, u, v);
    if (rc == WSRT_OK)
        rc = union_branch(c, u, yes);
    return rc == WSRT_OK ? union_branch(c, u, no) : rc;
}

/* Checked here also where `if` is missing and they have no effect. */
static int kw_then_else(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_source *ignored;

    return wsrt_source_get(c, v, s->base, &ignored);
}

static int dependent_schema(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_union *u =
        union_new(c, s, WSRT_COMBO_DEPENDENT, WSRT_ISSUE_INVALID_UNION, "dependentSchemas");

    if (u == NULL || named_of(c, &s->props, v->name) == NULL)
        return no_memory();
    u->name = v->name;
    return union_branch(c, u, v);
}

static int kw_dependent_schemas(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wrong_type(c, v, "Expected an object");

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = dependent_schema(c, s, t);
    return rc;
}

static int kw_dependencies(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wrong_type(c, v, "Expected an object");

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = t->kind == WSRT_JSON_ARRAY ? require(c, s, t, "dependencies")
                                        : dependent_schema(c, s, t);
    return rc;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static int kw_defs(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wrong_type(c, v, "Expected an object");
    struct wsrt_source *ignored;

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = wsrt_source_get(c, t, s->base, &ignored);
    return rc;
}

static int kw_ref(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_pending_ref *ref;

    if (v->kind != WSRT_JSON_STRING)
        return wrong_type(c, v, "Expected a URI reference");
    ref = wsrt_compile_alloc(c, sizeof *ref);
    if (ref == NULL)
        return no_memory();
    *ref = (struct wsrt_pending_ref){NULL, s, v};
    *c->last_ref = ref;
    c->last_ref = &ref->next;
    return WSRT_OK;
}

static int kw_extract(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_STRING)
        return wrong_type(c, v, "Expected the name of a slot");
    if (v->text.len == 0 || memchr(v->text.ptr, 0, v->text.len) != NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "Not a name of a slot");
    s->slot = v->text;
    return WSRT_OK;
}

static int check_message_text(struct wsrt_compiler *c, const struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_STRING)
        return wrong_type(c, v, "Expected a text");
    for (size_t i = 0; i + 1 < v->text.len; i++)
        if (v->text.ptr[i] == '$' && v->text.ptr[i + 1] == '{')
            return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "Templates would echo the input");
    return memchr(v->text.ptr, 0, v->text.len) == NULL
               ? WSRT_OK
               : wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "A text with a NUL");
}

static const struct keyword *find_keyword(wsrt_span name, const struct wsrt_resource *base);
static int asserts(wsrt_span name);

static int kw_error_message(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = WSRT_OK;

    (void)s; /* the texts are looked up by the rules */
    if (v->kind != WSRT_JSON_OBJECT)
        return check_message_text(c, v);
    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next) {
        if (!asserts(t->name) && !wsrt_span_equal(t->name, wsrt_span_cstr("_")))
            return wsrt_compile_fail(c, WSRT_SCHEMA_KEYWORD_UNKNOWN, t,
                                     "errorMessage: not a keyword that can fail");
        if (t->kind != WSRT_JSON_OBJECT)
            rc = check_message_text(c, t);
        for (struct wsrt_tree *m = t->child;
             rc == WSRT_OK && t->kind == WSRT_JSON_OBJECT && m != NULL; m = m->next)
            rc = check_message_text(c, m);
    }
    return rc;
}

static int kw_text(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    (void)s;
    return v->kind == WSRT_JSON_STRING ? WSRT_OK : wrong_type(c, v, "Expected a string");
}

static int kw_nothing(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    (void)c;
    (void)s;
    (void)v;
    return WSRT_OK;
}

static int kw_refused(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    (void)s;
    return wsrt_compile_fail(c, WSRT_SCHEMA_KEYWORD_UNSUPPORTED, v,
                             "This keyword is not supported");
}

static int kw_dialect(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    return s->tree == s->base->root
               ? WSRT_OK
               : wsrt_compile_fail(c, WSRT_SCHEMA_DIALECT, v, "$schema belongs to the root");
}

enum { BOTH = 3, NEW = 1, OLD = 2, CAN_FAIL = 4 };

/* In the order in which they are read: texts and names before what uses them. */
static const struct keyword {
    const char *name;
    unsigned where;
    keyword_fn read;
} keywords[] = {
    {"errorMessage", BOTH, kw_error_message},
    {"$schema", BOTH, kw_dialect},
    {"$id", BOTH, kw_text},
    {"$anchor", NEW, kw_text},
    {"$comment", BOTH, kw_text},
    {"$ref", BOTH, kw_ref},
    {"$defs", NEW, kw_defs},
    {"definitions", BOTH, kw_defs},
    {"$dynamicRef", BOTH, kw_refused},
    {"$dynamicAnchor", BOTH, kw_refused},
    {"$recursiveRef", BOTH, kw_refused},
    {"$recursiveAnchor", BOTH, kw_refused},
    {"$vocabulary", BOTH, kw_refused},
    {"unevaluatedItems", BOTH, kw_refused},
    {"unevaluatedProperties", BOTH, kw_refused},
    {"type", BOTH | CAN_FAIL, kw_type},
    {"enum", BOTH | CAN_FAIL, kw_enum},
    {"const", BOTH | CAN_FAIL, kw_const},
    {"minLength", BOTH | CAN_FAIL, kw_limit},
    {"maxLength", BOTH | CAN_FAIL, kw_limit},
    {"x-wsrt-minBytes", BOTH | CAN_FAIL, kw_limit},
    {"x-wsrt-maxBytes", BOTH | CAN_FAIL, kw_limit},
    {"x-wsrt-minUtf16Length", BOTH | CAN_FAIL, kw_limit},
    {"x-wsrt-maxUtf16Length", BOTH | CAN_FAIL, kw_limit},
    {"x-wsrt-extract", BOTH, kw_extract},
    {"pattern", BOTH | CAN_FAIL, kw_pattern},
    {"format", BOTH | CAN_FAIL, kw_format},
    {"minimum", BOTH | CAN_FAIL, kw_bound},
    {"exclusiveMinimum", BOTH | CAN_FAIL, kw_bound},
    {"maximum", BOTH | CAN_FAIL, kw_bound},
    {"exclusiveMaximum", BOTH | CAN_FAIL, kw_bound},
    {"multipleOf", BOTH | CAN_FAIL, kw_bound},
    {"properties", BOTH | CAN_FAIL, kw_properties},
    {"required", BOTH | CAN_FAIL, kw_required},
    {"additionalProperties", BOTH | CAN_FAIL, kw_additional},
    {"patternProperties", BOTH, kw_pattern_properties},
    {"propertyNames", BOTH | CAN_FAIL, kw_property_names},
    {"minProperties", BOTH | CAN_FAIL, kw_limit},
    {"maxProperties", BOTH | CAN_FAIL, kw_limit},
    {"dependentRequired", NEW | CAN_FAIL, kw_dependent_required},
    {"dependentSchemas", NEW | CAN_FAIL, kw_dependent_schemas},
    {"dependencies", OLD | CAN_FAIL, kw_dependencies},
    {"prefixItems", NEW, kw_prefix_items},
    {"items", BOTH | CAN_FAIL, kw_items},
    {"additionalItems", OLD | CAN_FAIL, kw_additional_items},
    {"contains", BOTH | CAN_FAIL, kw_contains},
    {"minContains", NEW | CAN_FAIL, kw_contains_bound},
    {"maxContains", NEW | CAN_FAIL, kw_contains_bound},
    {"minItems", BOTH | CAN_FAIL, kw_limit},
    {"maxItems", BOTH | CAN_FAIL, kw_limit},
    {"uniqueItems", BOTH | CAN_FAIL, kw_unique},
    {"allOf", BOTH, kw_all_of},
    {"anyOf", BOTH | CAN_FAIL, kw_any_of},
    {"oneOf", BOTH | CAN_FAIL, kw_one_of},
    {"not", BOTH | CAN_FAIL, kw_not},
    {"if", BOTH, kw_if},
    {"then", BOTH, kw_then_else},
    {"else", BOTH, kw_then_else},
    {"title", BOTH, kw_text},
    {"description", BOTH, kw_text},
    {"default", BOTH, kw_nothing},
    {"examples", BOTH, kw_nothing},
    {"deprecated", BOTH, kw_nothing},
    {"readOnly", BOTH, kw_nothing},
    {"writeOnly", BOTH, kw_nothing},
    {"contentEncoding", BOTH, kw_nothing},
    {"contentMediaType", BOTH, kw_nothing},
    {"contentSchema", NEW, kw_nothing},
};
enum { KEYWORDS = sizeof keywords / sizeof keywords[0] };

static const struct keyword *find_keyword(wsrt_span name, const struct wsrt_resource *base)
{
    for (size_t i = 0; i < KEYWORDS; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(keywords[i].name)))
            return keywords[i].where & (base->draft_07 ? OLD : NEW) ? &keywords[i] : NULL;
    return NULL;
}

static int asserts(wsrt_span name)
{
    for (size_t i = 0; i < KEYWORDS; i++)
        if ((keywords[i].where & CAN_FAIL) &&
            wsrt_span_equal(name, wsrt_span_cstr(keywords[i].name)))
            return 1;
    return 0;
}

static int starts_with(wsrt_span text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static int check_unknown(struct wsrt_compiler *c, const struct wsrt_source *s)
{
    for (const struct wsrt_tree *t = s->tree->child; t != NULL; t = t->next) {
        if (find_keyword(t->name, s->base) != NULL)
            continue;
        if (starts_with(t->name, "x-wsrt-") || (!s->base->lenient && !starts_with(t->name, "x-")))
            return wsrt_compile_fail(c, WSRT_SCHEMA_KEYWORD_UNKNOWN, t, "Unknown keyword");
    }
    return WSRT_OK;
}

static int read_keywords(struct wsrt_compiler *c, struct wsrt_source *s)
{
    struct wsrt_tree *ref = s->base->draft_07 ? wsrt_tree_member(s->tree, "$ref") : NULL;

    if (ref != NULL) { /* that draft ignores everything beside a reference */
        struct wsrt_tree *defs = wsrt_tree_member(s->tree, "definitions");
        int rc = defs == NULL ? WSRT_OK : kw_defs(c, s, defs);
        return rc != WSRT_OK ? rc : kw_ref(c, s, ref);
    }
    s->message = wsrt_tree_member(s->tree, "errorMessage");
    int rc = check_unknown(c, s);
    for (size_t i = 0; rc == WSRT_OK && i < KEYWORDS; i++) {
        struct wsrt_tree *v = wsrt_tree_member(s->tree, keywords[i].name);
        if (v != NULL && keywords[i].where & (s->base->draft_07 ? OLD : NEW))
            rc = keywords[i].read(c, s, v);
    }
    return rc;
}

int wsrt_source_get(struct wsrt_compiler *c, struct wsrt_tree *t, struct wsrt_resource *base,
                    struct wsrt_source **out)
{
    *out = t->source;
    if (t->source != NULL)
        return WSRT_OK;
    if (t->kind != WSRT_JSON_BOOL && t->kind != WSRT_JSON_OBJECT)
        return wrong_type(c, t, "Expected a schema");
    struct wsrt_source *s = t->source = *out = wsrt_compile_alloc(c, sizeof *s);
    struct wsrt_atom *atom = wsrt_vec_push(c, &c->atoms, 1, sizeof *atom);
    if (s == NULL || atom == NULL)
        return no_memory();
    if (c->atoms.count > WSRT_MOST_NODES)
        return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, t, "Too many schemas");
    *atom = (struct wsrt_atom){s, NULL};
    s->atom = (uint32_t)c->atoms.count - 1;
    s->tree = t;
    s->base = t->base != NULL ? t->base : base;
    s->types = WSRT_TYPE_ALL;
    if (t->kind == WSRT_JSON_OBJECT)
        return read_keywords(c, s);
    if (t->raw.ptr[0] == 't')
        return WSRT_OK;
    return rule_new(c, s, WSRT_CHECK_FALSE, WSRT_ISSUE_FORBIDDEN, "") == NULL ? no_memory()
                                                                              : WSRT_OK;
}
