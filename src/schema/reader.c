#include "schema/reader.h"

#include "base/hash.h"

#include <string.h>

enum { DEEPEST = 128, FEW = 8 };

struct reader {
    wsrt_arena *arena;
    struct wsrt_lex in;
    struct wsrt_read_error *why;
    unsigned char levels[DEEPEST / 8 + 1];
};

static const unsigned char *refuse(struct reader *r, int code, const unsigned char *at,
                                   const char *text)
{
    r->why->code = code;
    r->why->offset = (size_t)(at - r->in.base);
    r->why->text_cstr = text;
    return NULL;
}

static const unsigned char *faulty(struct reader *r)
{
    int limit = r->in.code == WSRT_ISSUE_JSON_DEPTH || r->in.code == WSRT_ISSUE_LIMIT;

    return refuse(r, limit ? WSRT_SCHEMA_LIMIT : WSRT_SCHEMA_JSON, r->in.at, r->in.text);
}

/* Reads a string whose opening quote is at `p`. */
static const unsigned char *read_text(struct reader *r, const unsigned char *p, wsrt_span *out)
{
    struct wsrt_text text;
    const unsigned char *from = p + 1, *behind = wsrt_lex_text(&r->in, p + 1, NULL, &text);

    if (behind == NULL)
        return faulty(r);
    *out = (wsrt_span){(const char *)from, (size_t)(text.end - from)};
    if ((text.flags & WSRT_TEXT_ESCAPED) == 0)
        return behind;
    unsigned char *decoded = wsrt_arena_alloc(r->arena, out->len);
    if (decoded == NULL)
        return refuse(r, 0, p, NULL);
    out->ptr = (const char *)decoded;
    for (int32_t point; (point = wsrt_lex_point(&from, text.end)) >= 0;)
        decoded += wsrt_lex_encode(decoded, (uint32_t)point);
    out->len = (size_t)(decoded - (const unsigned char *)out->ptr);
    return behind;
}

static int same_name_before(const struct wsrt_tree *parent, const struct wsrt_tree *t)
{
    for (const struct wsrt_tree *c = parent->child; c != t; c = c->next)
        if (wsrt_span_equal(c->name, t->name))
            return 1;
    return 0;
}

/* The first member whose name an earlier one has, or NULL; -1 in `*failed` without memory. */
static struct wsrt_tree *find_duplicate(struct reader *r, struct wsrt_tree *parent, int *failed)
{
    size_t size = 16;

    if (parent->count <= FEW) {
        for (struct wsrt_tree *c = parent->child; c != NULL; c = c->next)
            if (same_name_before(parent, c))
                return c;
        return NULL;
    }
    while (size < 2 * (size_t)parent->count)
        size *= 2;
    struct wsrt_tree **table = wsrt_arena_alloc(r->arena, size * sizeof *table);
    if (table == NULL) {
        *failed = 1;
        return NULL;
    }
    memset(table, 0, size * sizeof *table);
    for (struct wsrt_tree *c = parent->child; c != NULL; c = c->next) {
        size_t at = (size_t)wsrt_hash(size, c->name.ptr, c->name.len) & (size - 1);
        for (; table[at] != NULL; at = (at + 1) & (size - 1))
            if (wsrt_span_equal(table[at]->name, c->name))
                return c;
        table[at] = c;
    }
    return NULL;
}

static const unsigned char *check_names(struct reader *r, struct wsrt_tree *object,
                                        const unsigned char *behind)
{
    int failed = 0;
    struct wsrt_tree *twice = find_duplicate(r, object, &failed);

    if (failed)
        return refuse(r, 0, behind, NULL);
    if (twice == NULL)
        return behind;
    r->why->where = twice;
    return refuse(r, WSRT_SCHEMA_DUPLICATE_KEY, r->in.base + twice->offset,
                  "This name was already given");
}

static const unsigned char *read_value(struct reader *r, const unsigned char *p, uint32_t depth,
                                       struct wsrt_tree *out);

static const unsigned char *read_name(struct reader *r, const unsigned char *p, wsrt_span *name)
{
    if (p >= r->in.end || *p != '"')
        return refuse(r, WSRT_SCHEMA_JSON, p, "Expected a member name");
    p = read_text(r, p, name);
    if (p == NULL)
        return NULL;
    p = wsrt_lex_space(p, r->in.end);
    if (p >= r->in.end || *p != ':')
        return refuse(r, WSRT_SCHEMA_JSON, p, "Expected a colon");
    return wsrt_lex_space(p + 1, r->in.end);
}

static const unsigned char *read_children(struct reader *r, const unsigned char *p, uint32_t depth,
                                          struct wsrt_tree *out)
{
    int object = out->kind == WSRT_JSON_OBJECT;
    unsigned char close = object ? '}' : ']';
    struct wsrt_tree **link = &out->child;

    p = wsrt_lex_space(p + 1, r->in.end);
    if (p < r->in.end && *p == close)
        return p + 1;
    for (;;) {
        struct wsrt_tree *child = wsrt_arena_alloc(r->arena, sizeof *child);
        if (child == NULL)
            return refuse(r, 0, p, NULL);
        *child = (struct wsrt_tree){.up = out, .index = out->count++};
        if (object && (p = read_name(r, p, &child->name)) == NULL)
            return NULL;
        *link = child;
        link = &child->next;
        p = read_value(r, p, depth, child);
        if (p == NULL)
            return NULL;
        p = wsrt_lex_space(p, r->in.end);
        if (p >= r->in.end || (*p != ',' && *p != close))
            return refuse(r, WSRT_SCHEMA_JSON, p, "Expected a comma or the closing bracket");
        if (*p++ == close)
            return object ? check_names(r, out, p) : p;
        p = wsrt_lex_space(p, r->in.end);
    }
}

static const unsigned char *read_value(struct reader *r, const unsigned char *p, uint32_t depth,
                                       struct wsrt_tree *out)
{
    const unsigned char *from = p;
    int kind = p < r->in.end ? wsrt_lex_kind(*p) : WSRT_JSON_NONE;

    out->kind = (uint32_t)kind;
    out->offset = (size_t)(p - r->in.base);
    if (kind == WSRT_JSON_OBJECT || kind == WSRT_JSON_ARRAY) {
        if (depth >= DEEPEST)
            return refuse(r, WSRT_SCHEMA_LIMIT, p, "Nested too deeply");
        p = read_children(r, p, depth + 1, out);
    } else if (kind == WSRT_JSON_STRING) {
        p = read_text(r, p, &out->text);
    } else {
        p = kind == WSRT_JSON_NUMBER ? wsrt_lex_number(&r->in, p)
            : kind == WSRT_JSON_NONE ? wsrt_lex_no_value(&r->in, p)
                                     : wsrt_lex_word(&r->in, p);
        if (p == NULL)
            return faulty(r);
    }
    if (p == NULL)
        return NULL;
    out->raw = (wsrt_span){(const char *)from, (size_t)(p - from)};
    if (kind != WSRT_JSON_STRING)
        out->text = out->raw;
    return p;
}

struct wsrt_tree *wsrt_read_tree(wsrt_arena *arena, wsrt_span text, struct wsrt_read_error *why)
{
    const unsigned char *base = (const unsigned char *)text.ptr;
    struct reader r = {.arena = arena, .why = why};
    struct wsrt_tree *root = wsrt_arena_alloc(arena, sizeof *root);

    *why = (struct wsrt_read_error){0};
    r.in = (struct wsrt_lex){.base = base,
                             .end = base + text.len,
                             .loadable = base + text.len,
                             .max_depth = DEEPEST,
                             .max_number_len = 1024,
                             .levels = r.levels};
    if (root == NULL)
        return NULL;
    *root = (struct wsrt_tree){0};
    const unsigned char *p = read_value(&r, wsrt_lex_space(base, r.in.end), 0, root);
    if (p == NULL)
        return NULL;
    p = wsrt_lex_space(p, r.in.end);
    if (p < r.in.end) {
        refuse(&r, WSRT_SCHEMA_JSON, p, "Something follows the schema");
        return NULL;
    }
    return root;
}

struct wsrt_tree *wsrt_tree_named(const struct wsrt_tree *t, wsrt_span name)
{
    for (struct wsrt_tree *c = t->kind == WSRT_JSON_OBJECT ? t->child : NULL; c; c = c->next)
        if (wsrt_span_equal(c->name, name))
            return c;
    return NULL;
}

struct wsrt_tree *wsrt_tree_member(const struct wsrt_tree *t, const char *name_cstr)
{
    return wsrt_tree_named(t, wsrt_span_cstr(name_cstr));
}
