/* Rules and texts into the tables of the image. */
#include "schema/compile.h"

#include "base/hash.h"

#include <string.h>

/* ---- texts, each once --------------------------------------------------------------------- */

static int grow_interned(struct wsrt_compiler *c)
{
    size_t cap = c->text_cap == 0 ? 256 : 2 * c->text_cap;
    uint32_t *table = wsrt_compile_alloc(c, cap * sizeof *table);
    const char *text = (const char *)c->tables[WSRT_TABLE_TEXT].data;

    if (table == NULL)
        return 0;
    for (size_t i = 0; i < c->text_cap; i++) {
        uint32_t offset = c->text_table[i];
        if (offset == 0)
            continue;
        size_t at = (size_t)wsrt_hash(7, text + offset, strlen(text + offset)) & (cap - 1);
        while (table[at] != 0)
            at = (at + 1) & (cap - 1);
        table[at] = offset;
    }
    c->text_table = table;
    c->text_cap = cap;
    return 1;
}

static uint32_t append_text(struct wsrt_compiler *c, wsrt_span text)
{
    struct wsrt_vec *v = &c->tables[WSRT_TABLE_TEXT];
    size_t offset = v->count;
    char *dst = wsrt_vec_push(c, v, text.len + 1, 1);

    if (dst == NULL || offset > UINT32_MAX / 2)
        return WSRT_NONE;
    if (text.len > 0)
        memcpy(dst, text.ptr, text.len);
    dst[text.len] = '\0';
    return (uint32_t)offset;
}

uint32_t wsrt_emit_text(struct wsrt_compiler *c, wsrt_span text)
{
    if (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)
        return append_text(c, text); /* found again by length only: not shared */
    if (text.len == 0)
        return 0;
    if (2 * c->text_used >= c->text_cap && !grow_interned(c))
        return WSRT_NONE;
    size_t mask = c->text_cap - 1;
    size_t at = (size_t)wsrt_hash(7, text.ptr, text.len) & mask;
    for (; c->text_table[at] != 0; at = (at + 1) & mask) {
        const char *known = (const char *)c->tables[WSRT_TABLE_TEXT].data + c->text_table[at];
        if (strlen(known) == text.len && memcmp(known, text.ptr, text.len) == 0)
            return c->text_table[at];
    }
    uint32_t offset = append_text(c, text);
    if (offset != WSRT_NONE) {
        c->text_table[at] = offset;
        c->text_used++;
    }
    return offset;
}

/* ---- rules -------------------------------------------------------------------------------- */

static uint32_t emit_origin(struct wsrt_compiler *c, const struct wsrt_source *s)
{
    size_t len = wsrt_tree_pointer(s->tree, NULL, 0, NULL), skip = 0;
    wsrt_span uri = s->base->document->uri;

    if (s->base->document != c->documents && uri.len > 0)
        skip = uri.len + 1;
    char *text = wsrt_arena_alloc(&c->arena, skip + len + 1);
    if (text == NULL)
        return WSRT_NONE;
    if (skip > 0) {
        memcpy(text, uri.ptr, uri.len);
        text[uri.len] = '#';
    }
    wsrt_tree_pointer(s->tree, text + skip, len + 1, NULL);
    return wsrt_emit_text(c, (wsrt_span){text, skip + len});
}

static int emit_literal(struct wsrt_compiler *c, const struct wsrt_tree *t)
{
    wsrt_span text = t->kind == WSRT_JSON_STRING ? t->text : t->raw;
    uint32_t offset = wsrt_emit_text(c, text);
    struct wsrt_literal *out = wsrt_vec_push(c, &c->tables[WSRT_TABLE_LITERALS], 1, sizeof *out);

    if (offset == WSRT_NONE || out == NULL)
        return WSRT_ERR_NOMEM;
    *out = (struct wsrt_literal){offset, (uint32_t)text.len, t->kind, WSRT_NODE_ANY};
    return WSRT_OK;
}

static int emit_literals(struct wsrt_compiler *c, const struct wsrt_rule *r, struct wsrt_check *out)
{
    int rc = WSRT_OK;

    out->a = (uint32_t)c->tables[WSRT_TABLE_LITERALS].count;
    if (r->kind == WSRT_CHECK_CONST)
        rc = emit_literal(c, r->value);
    for (struct wsrt_tree *t = r->value->child; r->kind == WSRT_CHECK_ENUM && t != NULL;
         t = t->next)
        if (rc == WSRT_OK)
            rc = emit_literal(c, t);
    out->b = (uint32_t)c->tables[WSRT_TABLE_LITERALS].count - out->a;
    return rc;
}

static int emit_class(struct wsrt_compiler *c, const struct wsrt_pattern *p, struct wsrt_check *out)
{
    struct wsrt_vec *v = &c->tables[WSRT_TABLE_BRIEFS];
    struct wsrt_brief *brief = wsrt_vec_push(c, v, 1, sizeof *brief);

    if (brief == NULL)
        return WSRT_ERR_NOMEM;
    *brief = (struct wsrt_brief){.least = p->least, .most = p->most, .set = p->set, .has_set = 1};
    out->a = (uint32_t)v->count - 1;
    return WSRT_OK;
}

int wsrt_emit_regex(struct wsrt_compiler *c, struct wsrt_pattern *p, uint32_t *at)
{
    struct wsrt_vec *v = &c->tables[WSRT_TABLE_REGEX];

    if (p->place == 0) {
        uint32_t *words = wsrt_vec_push(c, v, p->word_count, sizeof *words);
        if (words == NULL || v->count > UINT32_MAX / 2)
            return WSRT_ERR_NOMEM;
        memcpy(words, p->words, p->word_count * sizeof *words);
        p->place = (uint32_t)(v->count - p->word_count) + 1;
    }
    *at = p->place - 1;
    return WSRT_OK;
}

static int emit_details(struct wsrt_compiler *c, const struct wsrt_rule *r, struct wsrt_check *out)
{
    switch (r->kind) {
    case WSRT_CHECK_ENUM:
    case WSRT_CHECK_CONST:
        return emit_literals(c, r, out);
    case WSRT_CHECK_CLASS:
        return emit_class(c, r->pattern, out);
    case WSRT_CHECK_REGEX:
        return wsrt_emit_regex(c, r->pattern, &out->a);
    case WSRT_CHECK_TYPE:
    case WSRT_CHECK_FORMAT:
        out->a = r->bits;
        return WSRT_OK;
    case WSRT_CHECK_CONTAINS:
        out->n = r->issue == WSRT_ISSUE_TOO_SMALL ? r->least : r->n;
        return WSRT_OK;
    default:
        out->n = r->n;
        out->b = (uint32_t)r->limit.len;
        return WSRT_OK;
    }
}

int wsrt_emit_rule(struct wsrt_compiler *c, const struct wsrt_source *s, const struct wsrt_rule *r,
                   uint32_t *index)
{
    struct wsrt_vec *v = &c->tables[WSRT_TABLE_CHECKS];
    struct wsrt_check out = {.kind = r->kind, .issue = r->issue};

    out.keyword = wsrt_emit_text(c, wsrt_span_cstr(r->keyword_cstr));
    out.origin = emit_origin(c, s);
    out.text = wsrt_emit_text(c, r->text);
    out.limit = wsrt_emit_text(c, r->limit);
    if (out.keyword == WSRT_NONE || out.origin == WSRT_NONE || out.text == WSRT_NONE ||
        out.limit == WSRT_NONE)
        return WSRT_ERR_NOMEM;
    int rc = emit_details(c, r, &out);
    struct wsrt_check *place = rc == WSRT_OK ? wsrt_vec_push(c, v, 1, sizeof *place) : NULL;
    if (place == NULL)
        return rc != WSRT_OK ? rc : WSRT_ERR_NOMEM;
    *place = out;
    *index = (uint32_t)v->count - 1;
    return WSRT_OK;
}
