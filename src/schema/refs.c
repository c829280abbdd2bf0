/* Identities: which subschema has which URI, and where a `$ref` leads. */
#include "schema/compile.h"
#include "schema/uri.h"

#include <string.h>

enum { DEEPEST_CHAIN = 1000 };

static int is_text(wsrt_span a, const char *b_cstr)
{
    return wsrt_span_equal(a, wsrt_span_cstr(b_cstr));
}

/* ---- index -------------------------------------------------------------------------------- */

static int read_dialect(struct wsrt_compiler *c, struct wsrt_resource *r)
{
    struct wsrt_tree *t =
        r->root->kind == WSRT_JSON_OBJECT ? wsrt_tree_member(r->root, "$schema") : NULL;

    if (t == NULL)
        return WSRT_OK;
    if (t->kind != WSRT_JSON_STRING)
        return wsrt_compile_fail(c, WSRT_SCHEMA_TYPE, t, "Expected a string");
    wsrt_span name = t->text;
    if (name.len > 0 && name.ptr[name.len - 1] == '#')
        name.len--;
    r->draft_07 = is_text(name, "http://json-schema.org/draft-07/schema");
    if (!r->draft_07 && !is_text(name, "https://json-schema.org/draft/2020-12/schema"))
        return wsrt_compile_fail(c, WSRT_SCHEMA_DIALECT, t, "Unknown dialect");
    r->lenient = (c->options->flags & WSRT_SCHEMA_STRICT) == 0;
    return WSRT_OK;
}

static struct wsrt_resource *resource_new(struct wsrt_compiler *c, struct wsrt_document *d,
                                          struct wsrt_tree *root, wsrt_span uri)
{
    struct wsrt_resource *r = wsrt_compile_alloc(c, sizeof *r);

    if (r == NULL)
        return NULL;
    *r = (struct wsrt_resource){.next = c->resources, .uri = uri, .root = root, .document = d};
    c->resources = r;
    return r;
}

static int anchor_add(struct wsrt_compiler *c, struct wsrt_resource *r, wsrt_span name,
                      struct wsrt_tree *target)
{
    struct wsrt_anchor *a = wsrt_compile_alloc(c, sizeof *a);

    if (a == NULL)
        return WSRT_ERR_NOMEM;
    *a = (struct wsrt_anchor){c->anchors, r, name, target};
    c->anchors = a;
    return WSRT_OK;
}

/* A subschema with `$id` is a resource of its own. */
static int read_id(struct wsrt_compiler *c, struct wsrt_tree *t, struct wsrt_resource **base)
{
    struct wsrt_tree *id = wsrt_tree_member(t, "$id");
    struct wsrt_resource *outer = *base;
    wsrt_span uri, fragment;

    if (id == NULL || id->kind != WSRT_JSON_STRING ||
        (outer->draft_07 && wsrt_tree_member(t, "$ref") != NULL))
        return WSRT_OK;
    if (!wsrt_uri_resolve(&c->arena, outer->uri, id->text, &uri) ||
        !wsrt_uri_split(&c->arena, &uri, &fragment))
        return WSRT_ERR_NOMEM;
    if (fragment.len > 0) {
        if (outer->draft_07)
            return anchor_add(c, outer, fragment, t);
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, id, "$id with a fragment");
    }
    if (t == outer->root) {
        outer->uri = uri;
        return WSRT_OK;
    }
    for (struct wsrt_resource *r = c->resources; r != NULL; r = r->next)
        if (wsrt_span_equal(r->uri, uri))
            return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, id, "$id given twice");
    *base = resource_new(c, outer->document, t, uri);
    if (*base == NULL)
        return WSRT_ERR_NOMEM;
    (*base)->draft_07 = outer->draft_07;
    (*base)->lenient = outer->lenient;
    return read_dialect(c, *base);
}

static int index_schema(struct wsrt_compiler *c, struct wsrt_tree *t, struct wsrt_resource *base);

static int index_children(struct wsrt_compiler *c, struct wsrt_tree *t, struct wsrt_resource *base)
{
    int rc = WSRT_OK;

    for (struct wsrt_tree *i = t->child; rc == WSRT_OK && i != NULL; i = i->next)
        rc = index_schema(c, i, base);
    return rc;
}

static int is_one_of(wsrt_span name, const char *const *list)
{
    for (; *list != NULL; list++)
        if (is_text(name, *list))
            return 1;
    return 0;
}

static int index_keyword(struct wsrt_compiler *c, struct wsrt_tree *v, struct wsrt_resource *base)
{
    static const char *const single[] = {"additionalProperties",
                                         "propertyNames",
                                         "contains",
                                         "not",
                                         "if",
                                         "then",
                                         "else",
                                         "additionalItems",
                                         "unevaluatedItems",
                                         "unevaluatedProperties",
                                         "contentSchema",
                                         NULL};
    static const char *const many[] = {"allOf", "anyOf", "oneOf", "prefixItems", NULL};
    static const char *const maps[] = {"properties",
                                       "patternProperties",
                                       "dependentSchemas",
                                       "dependencies",
                                       "$defs",
                                       "definitions",
                                       NULL};

    if (is_one_of(v->name, single))
        return index_schema(c, v, base);
    if (is_text(v->name, "items"))
        return v->kind == WSRT_JSON_ARRAY ? index_children(c, v, base) : index_schema(c, v, base);
    if ((v->kind == WSRT_JSON_ARRAY && is_one_of(v->name, many)) ||
        (v->kind == WSRT_JSON_OBJECT && is_one_of(v->name, maps)))
        return index_children(c, v, base);
    return WSRT_OK;
}

static int index_schema(struct wsrt_compiler *c, struct wsrt_tree *t, struct wsrt_resource *base)
{
    if (t->is_real)
        return WSRT_OK;
    t->is_real = 1;
    t->base = base;
    if (t->kind != WSRT_JSON_OBJECT)
        return WSRT_OK;
    int rc = read_id(c, t, &base);
    t->base = base;
    struct wsrt_tree *anchor = base->draft_07 ? NULL : wsrt_tree_member(t, "$anchor");
    if (rc == WSRT_OK && anchor != NULL && anchor->kind == WSRT_JSON_STRING)
        rc = anchor_add(c, base, anchor->text, t);
    for (struct wsrt_tree *v = t->child; rc == WSRT_OK && v != NULL; v = v->next)
        rc = index_keyword(c, v, base);
    return rc;
}

static int read_document(struct wsrt_compiler *c, struct wsrt_document *d)
{
    struct wsrt_read_error why;

    d->root = wsrt_read_tree(&c->arena, d->text, &why);
    if (d->root != NULL)
        return WSRT_OK;
    if (why.code == 0)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_compile_fail(c, why.code, why.where, why.text_cstr);
    if (c->why != NULL)
        c->why->offset = why.offset;
    return rc;
}

int wsrt_refs_index(struct wsrt_compiler *c, struct wsrt_document *d)
{
    int rc = read_document(c, d);
    struct wsrt_resource *r = rc == WSRT_OK ? resource_new(c, d, d->root, d->uri) : NULL;

    if (r == NULL)
        return rc != WSRT_OK ? rc : WSRT_ERR_NOMEM;
    r->draft_07 = (c->options->flags & WSRT_SCHEMA_DRAFT_07) != 0;
    r->lenient = (c->options->flags &
                  (WSRT_SCHEMA_LENIENT | WSRT_SCHEMA_DRAFT_07 | WSRT_SCHEMA_DRAFT_2020_12)) != 0 &&
                 (c->options->flags & WSRT_SCHEMA_STRICT) == 0;
    rc = read_dialect(c, r);
    return rc != WSRT_OK ? rc : index_schema(c, d->root, r);
}

/* ---- resolution --------------------------------------------------------------------------- */

static struct wsrt_resource *known_resource(struct wsrt_compiler *c, wsrt_span uri)
{
    for (struct wsrt_resource *r = c->resources; r != NULL; r = r->next)
        if (wsrt_span_equal(r->uri, uri))
            return r;
    for (struct wsrt_resource *r = c->resources; r != NULL; r = r->next)
        if (r->root == r->document->root && wsrt_span_equal(r->document->uri, uri))
            return r;
    return NULL;
}

static int find_resource(struct wsrt_compiler *c, wsrt_span uri, struct wsrt_resource **out)
{
    int rc = WSRT_OK;

    *out = known_resource(c, uri);
    for (struct wsrt_document *d = c->documents; *out == NULL && d != NULL; d = d->next) {
        if (d->root != NULL || !wsrt_span_equal(d->uri, uri))
            continue;
        rc = wsrt_refs_index(c, d);
        if (rc != WSRT_OK)
            return rc;
        *out = known_resource(c, uri);
    }
    return rc;
}

/* The character at `*from`, which moves to its last byte; -1 for an escape that is none. */
static int unescaped(wsrt_span token, size_t *from)
{
    if (token.ptr[*from] != '~')
        return (unsigned char)token.ptr[*from];
    if (++*from == token.len || (token.ptr[*from] != '0' && token.ptr[*from] != '1'))
        return -1;
    return token.ptr[*from] == '1' ? '/' : '~';
}

/* One step of a JSON Pointer; `token` is still escaped. */
static struct wsrt_tree *pointer_step(const struct wsrt_tree *t, wsrt_span token)
{
    for (struct wsrt_tree *i = t->child; i != NULL; i = i->next) {
        size_t at = 0, from = 0;
        if (t->kind == WSRT_JSON_ARRAY) {
            uint32_t index = 0;
            for (from = 0; from < token.len && token.ptr[from] >= '0' && token.ptr[from] <= '9' &&
                           index < 100000000;
                 from++)
                index = index * 10 + (uint32_t)(token.ptr[from] - '0');
            if (token.len == 0 || from < token.len || (token.ptr[0] == '0' && token.len > 1))
                return NULL;
            if (i->index == index)
                return i;
            continue;
        }
        for (; from < token.len && at < i->name.len; from++, at++) {
            if ((unsigned char)i->name.ptr[at] != unescaped(token, &from))
                break;
        }
        if (from == token.len && at == i->name.len)
            return i;
    }
    return NULL;
}

static struct wsrt_tree *pointer_find(struct wsrt_tree *t, wsrt_span pointer,
                                      struct wsrt_resource **base)
{
    while (t != NULL && pointer.len > 0) {
        size_t len = 1;
        while (len < pointer.len && pointer.ptr[len] != '/')
            len++;
        t = pointer_step(t, (wsrt_span){pointer.ptr + 1, len - 1});
        if (t != NULL && t->base != NULL)
            *base = t->base;
        pointer.ptr += len;
        pointer.len -= len;
    }
    return t;
}

static int find_target(struct wsrt_compiler *c, const struct wsrt_pending_ref *ref,
                       struct wsrt_tree **out, struct wsrt_resource **base)
{
    wsrt_span uri, fragment;

    *out = NULL;
    if (!wsrt_uri_resolve(&c->arena, ref->from->base->uri, ref->ref->text, &uri) ||
        !wsrt_uri_split(&c->arena, &uri, &fragment))
        return WSRT_ERR_NOMEM;
    int rc = find_resource(c, uri, base);
    if (rc != WSRT_OK || *base == NULL)
        return rc;
    if (fragment.len == 0)
        *out = (*base)->root;
    else if (fragment.ptr[0] == '/')
        *out = pointer_find((*base)->root, fragment, base);
    for (struct wsrt_anchor *a = c->anchors; *out == NULL && a != NULL; a = a->next) {
        wsrt_compile_count(c, 1);
        if (a->resource == *base && wsrt_span_equal(a->name, fragment))
            *out = a->target;
    }
    for (const struct wsrt_tree *t = *out; t != NULL; t = t->up)
        wsrt_compile_count(c, t->index + 1); /* who came before it was looked at */
    return wsrt_compile_goes_on(c, ref->ref);
}

static int resolve(struct wsrt_compiler *c, struct wsrt_pending_ref *ref)
{
    struct wsrt_tree *target;
    struct wsrt_resource *base;
    struct wsrt_source *to;
    int rc = find_target(c, ref, &target, &base);

    if (rc != WSRT_OK)
        return rc;
    if (target == NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_REF_UNRESOLVED, ref->ref,
                                 "This reference leads nowhere");
    if (!target->is_real) { /* below a keyword that holds no schemas */
        rc = index_schema(c, target, base);
        if (rc != WSRT_OK)
            return rc;
    }
    rc = wsrt_source_get(c, target, base, &to);
    struct wsrt_edge *edge = rc == WSRT_OK ? wsrt_compile_alloc(c, sizeof *edge) : NULL;
    if (edge == NULL)
        return rc != WSRT_OK ? rc : WSRT_ERR_NOMEM;
    *edge = (struct wsrt_edge){ref->from->all, to};
    ref->from->all = edge;
    return WSRT_OK;
}

/* ---- cycles ------------------------------------------------------------------------------- */

enum { UNSEEN, WALKING, DONE };

static int walk(struct wsrt_compiler *c, struct wsrt_source *s, int depth)
{
    int rc = WSRT_OK;

    if (s == NULL || s->state == DONE)
        return WSRT_OK;
    if (s->state == WALKING)
        return wsrt_compile_fail(c, WSRT_SCHEMA_REF_CYCLE, s->tree,
                                 "References lead back here without reading anything");
    if (depth > DEEPEST_CHAIN)
        return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, s->tree, "References follow too long");
    s->state = WALKING;
    for (struct wsrt_edge *e = s->all; rc == WSRT_OK && e != NULL; e = e->next)
        rc = walk(c, e->to, depth + 1);
    for (struct wsrt_union *u = s->unions; rc == WSRT_OK && u != NULL; u = u->next)
        for (struct wsrt_edge *e = u->branches; rc == WSRT_OK && e != NULL; e = e->next)
            rc = walk(c, e->to, depth + 1);
    s->state = DONE;
    return rc;
}

int wsrt_refs_resolve(struct wsrt_compiler *c)
{
    int rc = WSRT_OK;

    for (struct wsrt_pending_ref *r = c->refs; rc == WSRT_OK && r != NULL; r = r->next)
        rc = resolve(c, r);
    for (size_t i = 0; rc == WSRT_OK && i < c->atoms.count; i++) {
        struct wsrt_source *s = ((struct wsrt_atom *)(void *)c->atoms.data)[i].source;
        rc = walk(c, s, 0);
    }
    return rc;
}
