#include "schema/compile.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/options.h"
#include "schema/quick.h"

#include <string.h>

static const size_t LONGEST_TEXT = 1 << 20;
static const uint64_t MOST_WORK = 128000000; /* about half a second */

static const uint16_t element_sizes[WSRT_TABLES] = {
    [WSRT_TABLE_NODES] = sizeof(struct wsrt_node),
    [WSRT_TABLE_CHECKS] = sizeof(struct wsrt_check),
    [WSRT_TABLE_PROPS] = sizeof(struct wsrt_prop),
    [WSRT_TABLE_HASH] = sizeof(uint32_t),
    [WSRT_TABLE_LITERALS] = sizeof(struct wsrt_literal),
    [WSRT_TABLE_BRIEFS] = sizeof(struct wsrt_brief),
    [WSRT_TABLE_SWITCHES] = sizeof(struct wsrt_switch),
    [WSRT_TABLE_COMBOS] = sizeof(struct wsrt_combo),
    [WSRT_TABLE_PATTERNS] = sizeof(struct wsrt_patterns),
    [WSRT_TABLE_INDEX] = sizeof(uint32_t),
    [WSRT_TABLE_REGEX] = sizeof(uint32_t),
    [WSRT_TABLE_SLOTS] = sizeof(struct wsrt_slot_name),
    [WSRT_TABLE_TEXT] = 1,
};

/* ---- errors and memory -------------------------------------------------------------------- */

void *wsrt_compile_alloc(struct wsrt_compiler *c, size_t size)
{
    void *out = wsrt_arena_alloc(&c->arena, size);

    if (out != NULL)
        memset(out, 0, size);
    return out;
}

void *wsrt_vec_push(struct wsrt_compiler *c, struct wsrt_vec *v, size_t n, size_t size)
{
    if (n > v->cap - v->count) {
        size_t cap = 2 * v->cap + n + 16;
        unsigned char *data =
            cap > SIZE_MAX / 4 / size ? NULL : wsrt_arena_alloc(&c->arena, cap * size);
        if (data == NULL)
            return NULL;
        if (v->count > 0)
            memcpy(data, v->data, v->count * size);
        v->data = data;
        v->cap = cap;
    }
    void *out = v->data + v->count * size;
    memset(out, 0, n * size);
    v->count += n;
    return out;
}

/* One token of a pointer, escaped; NULL `dst` only counts. */
static size_t put_token(const struct wsrt_tree *t, char *dst)
{
    char digits[12];
    size_t len = 0, at = sizeof digits;
    wsrt_span name = t->name;

    if (t->up->kind == WSRT_JSON_ARRAY) {
        uint32_t n = t->index;
        do {
            digits[--at] = (char)('0' + n % 10);
            n /= 10;
        } while (n > 0);
        name = (wsrt_span){digits + at, sizeof digits - at};
    }
    for (size_t i = 0; i < name.len + 1; i++) {
        char c = i == 0 ? '/' : name.ptr[i - 1];
        int escaped = i > 0 && (c == '/' || c == '~');
        if (dst != NULL && escaped) {
            dst[len] = '~';
            dst[len + 1] = c == '/' ? '1' : '0';
        } else if (dst != NULL) {
            dst[len] = c;
        }
        len += escaped ? 2 : 1;
    }
    return len;
}

/* The pointer of `t`, NUL-terminated, cut at a token when `cap` is too small; its length. With
 * cap 0 only the length. */
size_t wsrt_tree_pointer(const struct wsrt_tree *t, char *dst, size_t cap, int *cut)
{
    size_t len = 0;

    if (cut != NULL)
        *cut = 0;
    for (const struct wsrt_tree *i = t; i != NULL && i->up != NULL; i = i->up)
        len += put_token(i, NULL);
    if (cap == 0)
        return len;
    for (; len >= cap; t = t->up) {
        len -= put_token(t, NULL);
        if (cut != NULL)
            *cut = 1;
    }
    dst[len] = '\0';
    size_t end = len;
    for (; t != NULL && t->up != NULL; t = t->up) {
        end -= put_token(t, NULL);
        put_token(t, dst + end);
    }
    return len;
}

static void describe(wsrt_schema_error *out, int code, const struct wsrt_tree *at, const char *text)
{
    *out = (wsrt_schema_error){.code = code, .text_cstr = text};
    out->offset = at == NULL ? 0 : at->offset;
    out->pointer_len = (uint32_t)wsrt_tree_pointer(at, out->pointer, sizeof out->pointer, NULL);
}

void wsrt_compile_warn(struct wsrt_compiler *c, int code, const struct wsrt_tree *at,
                       const char *text)
{
    if (c->warnings < c->options->warning_cap)
        describe(&c->options->warnings[c->warnings], code, at, text);
    c->warnings++;
}

int wsrt_compile_fail(struct wsrt_compiler *c, int code, const struct wsrt_tree *at,
                      const char *text)
{
    int rc = code == WSRT_SCHEMA_JSON    ? WSRT_ERR_MALFORMED
             : code == WSRT_SCHEMA_LIMIT ? WSRT_ERR_LIMIT
                                         : WSRT_ERR_REJECTED;

    if (c->why != NULL)
        describe(c->why, code, at, text);
    return rc;
}

void wsrt_compile_count(struct wsrt_compiler *c, uint64_t steps)
{
    steps *= 4; /* of a list they miss the cache */
    c->work -= steps < c->work ? steps : c->work;
}

int wsrt_compile_goes_on(struct wsrt_compiler *c, const struct wsrt_tree *at)
{
    return c->work > 0 ? WSRT_OK
                       : wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, at, "Too much work to compile");
}

/* ---- the image ---------------------------------------------------------------------------- */

uint64_t wsrt_compile_layout(void)
{
    return wsrt_hash(sizeof(struct wsrt_image), element_sizes, sizeof element_sizes);
}

uint64_t wsrt_compile_lay_out(struct wsrt_compiler *c)
{
    uint64_t offset = (sizeof(struct wsrt_image) + 15) & ~(size_t)15;

    for (int i = 0; i < WSRT_TABLES; i++) {
        c->image.table[i].offset = offset;
        c->image.table[i].count = c->tables[i].count;
        offset += ((uint64_t)c->tables[i].count * element_sizes[i] + 15) & ~(uint64_t)15;
    }
    c->image.size = offset;
    return offset;
}

static void point_into(struct wsrt_schema *s, const unsigned char *image)
{
    const struct wsrt_table_place *t = s->image->table;

    s->nodes = (const void *)(image + t[WSRT_TABLE_NODES].offset);
    s->checks = (const void *)(image + t[WSRT_TABLE_CHECKS].offset);
    s->props = (const void *)(image + t[WSRT_TABLE_PROPS].offset);
    s->hash = (const void *)(image + t[WSRT_TABLE_HASH].offset);
    s->literals = (const void *)(image + t[WSRT_TABLE_LITERALS].offset);
    s->briefs = (const void *)(image + t[WSRT_TABLE_BRIEFS].offset);
    s->switches = (const void *)(image + t[WSRT_TABLE_SWITCHES].offset);
    s->combos = (const void *)(image + t[WSRT_TABLE_COMBOS].offset);
    s->patterns = (const void *)(image + t[WSRT_TABLE_PATTERNS].offset);
    s->index = (const void *)(image + t[WSRT_TABLE_INDEX].offset);
    s->regex = (const void *)(image + t[WSRT_TABLE_REGEX].offset);
    s->slots = (const void *)(image + t[WSRT_TABLE_SLOTS].offset);
    s->text = (const void *)(image + t[WSRT_TABLE_TEXT].offset);
}

int wsrt_compile_assemble(struct wsrt_compiler *c, wsrt_schema **out)
{
    size_t header = (sizeof(struct wsrt_schema) + 15) & ~(size_t)15;
    uint64_t image_size = wsrt_compile_lay_out(c);
    uint64_t size = header + image_size + wsrt_quick_size(&c->image);
    struct wsrt_schema *s =
        size > SIZE_MAX / 2 ? NULL : wsrt_mem_zalloc(&c->options->allocator, (size_t)size);

    if (s == NULL)
        return WSRT_ERR_NOMEM;
    unsigned char *image = (unsigned char *)s + header;
    memcpy(image, &c->image, sizeof c->image);
    for (int i = 0; i < WSRT_TABLES; i++)
        if (c->tables[i].count > 0)
            memcpy(image + c->image.table[i].offset, c->tables[i].data,
                   c->tables[i].count * element_sizes[i]);
    s->allocator = c->options->allocator;
    s->size = (size_t)size;
    s->image = (const struct wsrt_image *)(const void *)image;
    point_into(s, image);
    wsrt_quick_fill(s, image + image_size);
    *out = s;
    return WSRT_OK;
}

/* ---- from text to image ------------------------------------------------------------------- */

static struct wsrt_document *document_add(struct wsrt_compiler *c, wsrt_span uri, wsrt_span text)
{
    struct wsrt_document *d = wsrt_compile_alloc(c, sizeof *d), **link = &c->documents;

    if (d == NULL)
        return NULL;
    *d = (struct wsrt_document){.uri = uri, .text = text};
    while (*link != NULL)
        link = &(*link)->next;
    *link = d;
    return d;
}

static int read_root(struct wsrt_compiler *c, struct wsrt_document *d, struct wsrt_source **out)
{
    int rc = d == NULL ? WSRT_ERR_NOMEM : wsrt_refs_index(c, d);

    return rc != WSRT_OK ? rc : wsrt_source_get(c, d->root, d->root->base, out);
}

static int add_resources(struct wsrt_compiler *c)
{
    for (size_t i = 0; i < c->options->resource_count; i++) {
        wsrt_span uri = c->options->resources[i].uri, text = c->options->resources[i].text;
        if (uri.len > 0 && uri.ptr[uri.len - 1] == '#')
            uri.len--;
        if (uri.len == 0 || text.len > LONGEST_TEXT)
            return WSRT_ERR_INVALID;
        if (document_add(c, uri, text) == NULL)
            return WSRT_ERR_NOMEM;
    }
    return WSRT_OK;
}

static int compile(struct wsrt_compiler *c, wsrt_span text, wsrt_span overlay)
{
    struct wsrt_source *root = NULL, *more = NULL;
    wsrt_span none = {"", 0}, hidden = {"overlay:", 8};
    int rc = read_root(c, document_add(c, none, text), &root);

    if (rc == WSRT_OK && overlay.len > 0)
        rc = read_root(c, document_add(c, hidden, overlay), &more);
    if (rc == WSRT_OK)
        rc = add_resources(c);
    if (rc == WSRT_OK)
        rc = wsrt_refs_resolve(c);
    if (rc == WSRT_OK && wsrt_vec_push(c, &c->tables[WSRT_TABLE_TEXT], 1, 1) == NULL)
        rc = WSRT_ERR_NOMEM; /* offset 0 is the empty text */
    if (rc == WSRT_OK)
        rc = wsrt_nodes_build(c, root, more);
    return rc == WSRT_OK ? wsrt_bounds_find(c) : rc;
}

int wsrt_compile(const wsrt_schema_options *options, wsrt_span text, wsrt_span overlay,
                 wsrt_schema_error *why, wsrt_schema **out)
{
    struct wsrt_compiler c = {.options = options, .why = why, .work = MOST_WORK};
    int rc = WSRT_OK;

    *out = NULL;
    c.last_ref = &c.refs;
    wsrt_arena_init(&c.arena, &options->allocator, NULL, 0);
    if (text.len > LONGEST_TEXT)
        rc = wsrt_compile_fail(&c, WSRT_SCHEMA_LIMIT, NULL, "More than 1 MiB of text");
    if (rc == WSRT_OK)
        rc = compile(&c, text, overlay);
    if (rc == WSRT_OK)
        rc = wsrt_compile_assemble(&c, out);
    if (options->warning_count != NULL)
        *options->warning_count = c.warnings;
    wsrt_arena_free(&c.arena);
    return rc;
}
