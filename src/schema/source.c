/* From a schema position in the text to a source: its rules, members and combinators. */
#include "schema/keywords.h"

#include "schema/decimal.h"

#include <string.h>

typedef int (*keyword_fn)(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);

/* ---- texts -------------------------------------------------------------------------------- */

static wsrt_span text_of(const struct wsrt_tree *t)
{
    return t != NULL && t->kind == WSRT_JSON_STRING ? t->text : (wsrt_span){NULL, 0};
}

/* The text for a failing keyword, and for `member` of required; the most specific wins. */
wsrt_span wsrt_message_for(const struct wsrt_source *s, const char *keyword, wsrt_span member)
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

wsrt_span wsrt_message_for_child(const struct wsrt_source *s, const char *group, wsrt_span name)
{
    const struct wsrt_tree *m = s->message;
    const struct wsrt_tree *g =
        m != NULL && m->kind == WSRT_JSON_OBJECT ? wsrt_tree_member(m, group) : NULL;

    if (g == NULL)
        return (wsrt_span){NULL, 0};
    return g->kind == WSRT_JSON_STRING ? g->text : text_of(wsrt_tree_named(g, name));
}

/* ---- what keywords share ------------------------------------------------------------------- */

int wsrt_wrong_type(struct wsrt_compiler *c, const struct wsrt_tree *v, const char *text)
{
    return wsrt_compile_fail(c, WSRT_SCHEMA_TYPE, v, text);
}

struct wsrt_rule *wsrt_rule_new(struct wsrt_compiler *c, struct wsrt_source *s, int kind, int issue,
                                const char *keyword)
{
    struct wsrt_rule *r = wsrt_compile_alloc(c, sizeof *r);
    struct wsrt_rule **link = &s->rules;

    if (r == NULL)
        return NULL;
    r->kind = (uint32_t)kind;
    r->issue = (uint32_t)issue;
    r->keyword_cstr = keyword;
    r->text = wsrt_message_for(s, keyword, (wsrt_span){NULL, 0});
    uint64_t steps = 0;
    for (; *link != NULL && (*link)->kind <= r->kind; link = &(*link)->next)
        steps++;
    wsrt_compile_count(c, steps);
    r->next = *link;
    *link = r;
    return r;
}

int wsrt_kw_count(struct wsrt_compiler *c, const struct wsrt_tree *v, uint64_t *out)
{
    if (v->kind != WSRT_JSON_NUMBER)
        return wsrt_wrong_type(c, v, "Expected a whole number");
    struct wsrt_exact d = wsrt_exact_read((const unsigned char *)v->raw.ptr, v->raw.len);
    if (!wsrt_exact_is_whole(&d))
        return wsrt_wrong_type(c, v, "Expected a whole number");
    if (!wsrt_exact_count(&d, out))
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "Expected a number from 0 to 2^53");
    return WSRT_OK;
}

int wsrt_kw_compile_pattern(struct wsrt_compiler *c, const struct wsrt_tree *at, wsrt_span text,
                            struct wsrt_pattern **out)
{
    struct wsrt_pattern_error why;

    *out = wsrt_pattern_new(&c->arena, text, &c->work, &why);
    if (*out != NULL)
        return WSRT_OK;
    if (why.code == 0)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_compile_fail(c, why.code, at, why.text_cstr);
    if (c->why != NULL)
        c->why->offset = why.offset;
    return rc;
}

int wsrt_source_child(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
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

struct wsrt_named *wsrt_named_get(struct wsrt_compiler *c, struct wsrt_named **list, wsrt_span name)
{
    uint64_t steps = 0;

    for (; *list != NULL && !wsrt_span_equal((*list)->name, name); list = &(*list)->next)
        steps++;
    wsrt_compile_count(c, steps);
    if (*list != NULL)
        return *list;
    *list = wsrt_compile_alloc(c, sizeof **list);
    if (*list != NULL)
        (*list)->name = name;
    return *list;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static int kw_defs(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wsrt_wrong_type(c, v, "Expected an object");
    struct wsrt_source *ignored;

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = wsrt_source_get(c, t, s->base, &ignored);
    return rc;
}

static int kw_ref(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_pending_ref *ref;

    if (v->kind != WSRT_JSON_STRING)
        return wsrt_wrong_type(c, v, "Expected a URI reference");
    ref = wsrt_compile_alloc(c, sizeof *ref);
    if (ref == NULL)
        return WSRT_ERR_NOMEM;
    *ref = (struct wsrt_pending_ref){NULL, s, v};
    *c->last_ref = ref;
    c->last_ref = &ref->next;
    return WSRT_OK;
}

static int kw_extract(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_STRING)
        return wsrt_wrong_type(c, v, "Expected the name of a slot");
    if (v->text.len == 0 || memchr(v->text.ptr, 0, v->text.len) != NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "Not a name of a slot");
    s->slot = v->text;
    return WSRT_OK;
}

static int check_message_text(struct wsrt_compiler *c, const struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_STRING)
        return wsrt_wrong_type(c, v, "Expected a text");
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
    return v->kind == WSRT_JSON_STRING ? WSRT_OK : wsrt_wrong_type(c, v, "Expected a string");
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
    {"type", BOTH | CAN_FAIL, wsrt_kw_type},
    {"enum", BOTH | CAN_FAIL, wsrt_kw_enum},
    {"const", BOTH | CAN_FAIL, wsrt_kw_const},
    {"minLength", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"maxLength", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"x-wsrt-minBytes", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"x-wsrt-maxBytes", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"x-wsrt-minUtf16Length", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"x-wsrt-maxUtf16Length", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"x-wsrt-extract", BOTH, kw_extract},
    {"pattern", BOTH | CAN_FAIL, wsrt_kw_pattern},
    {"format", BOTH | CAN_FAIL, wsrt_kw_format},
    {"minimum", BOTH | CAN_FAIL, wsrt_kw_bound},
    {"exclusiveMinimum", BOTH | CAN_FAIL, wsrt_kw_bound},
    {"maximum", BOTH | CAN_FAIL, wsrt_kw_bound},
    {"exclusiveMaximum", BOTH | CAN_FAIL, wsrt_kw_bound},
    {"multipleOf", BOTH | CAN_FAIL, wsrt_kw_bound},
    {"properties", BOTH | CAN_FAIL, wsrt_kw_properties},
    {"required", BOTH | CAN_FAIL, wsrt_kw_required},
    {"additionalProperties", BOTH | CAN_FAIL, wsrt_kw_additional},
    {"patternProperties", BOTH, wsrt_kw_pattern_properties},
    {"propertyNames", BOTH | CAN_FAIL, wsrt_kw_property_names},
    {"minProperties", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"maxProperties", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"dependentRequired", NEW | CAN_FAIL, wsrt_kw_dependent_required},
    {"dependentSchemas", NEW | CAN_FAIL, wsrt_kw_dependent_schemas},
    {"dependencies", OLD | CAN_FAIL, wsrt_kw_dependencies},
    {"prefixItems", NEW, wsrt_kw_prefix_items},
    {"items", BOTH | CAN_FAIL, wsrt_kw_items},
    {"additionalItems", OLD | CAN_FAIL, wsrt_kw_additional_items},
    {"contains", BOTH | CAN_FAIL, wsrt_kw_contains},
    {"minContains", NEW | CAN_FAIL, wsrt_kw_contains_bound},
    {"maxContains", NEW | CAN_FAIL, wsrt_kw_contains_bound},
    {"minItems", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"maxItems", BOTH | CAN_FAIL, wsrt_kw_limit},
    {"uniqueItems", BOTH | CAN_FAIL, wsrt_kw_unique},
    {"allOf", BOTH, wsrt_kw_all_of},
    {"anyOf", BOTH | CAN_FAIL, wsrt_kw_any_of},
    {"oneOf", BOTH | CAN_FAIL, wsrt_kw_one_of},
    {"not", BOTH | CAN_FAIL, wsrt_kw_not},
    {"if", BOTH, wsrt_kw_if},
    {"then", BOTH, wsrt_kw_then_else},
    {"else", BOTH, wsrt_kw_then_else},
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
        int foreign = starts_with(t->name, "x-");
        if (starts_with(t->name, "x-wsrt-") || (!s->base->lenient && !foreign))
            return wsrt_compile_fail(c, WSRT_SCHEMA_KEYWORD_UNKNOWN, t, "Unknown keyword");
        if (!foreign)
            wsrt_compile_warn(c, WSRT_SCHEMA_KEYWORD_UNKNOWN, t, "Unknown keyword, ignored");
    }
    return WSRT_OK;
}

/* draft-07 ignores everything beside a reference. */
static int read_lone_ref(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *ref)
{
    int rc = WSRT_OK;

    for (struct wsrt_tree *t = s->tree->child; rc == WSRT_OK && t != NULL; t = t->next) {
        const struct keyword *k = find_keyword(t->name, s->base);
        if (k != NULL && k->read == kw_defs)
            rc = kw_defs(c, s, t);
        else if (t != ref && (k == NULL || (k->read != kw_text && k->read != kw_nothing &&
                                            k->read != kw_dialect)))
            wsrt_compile_warn(c, WSRT_SCHEMA_KEYWORD_UNSUPPORTED, t, "Ignored beside $ref");
    }
    return rc != WSRT_OK ? rc : kw_ref(c, s, ref);
}

static int read_keywords(struct wsrt_compiler *c, struct wsrt_source *s)
{
    struct wsrt_tree *ref = s->base->draft_07 ? wsrt_tree_member(s->tree, "$ref") : NULL;

    if (ref != NULL)
        return read_lone_ref(c, s, ref);
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
        return wsrt_wrong_type(c, t, "Expected a schema");
    struct wsrt_source *s = t->source = *out = wsrt_compile_alloc(c, sizeof *s);
    struct wsrt_atom *atom = wsrt_vec_push(c, &c->atoms, 1, sizeof *atom);
    if (s == NULL || atom == NULL)
        return WSRT_ERR_NOMEM;
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
    return wsrt_rule_new(c, s, WSRT_CHECK_FALSE, WSRT_ISSUE_FORBIDDEN, "") == NULL ? WSRT_ERR_NOMEM
                                                                                   : WSRT_OK;
}
