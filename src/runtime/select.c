/* Route selection expressions, as API Gateway writes them: one place, `$request.body.a.b`, or text
 * around several, `${request.body.a}-${request.header.h}`. */
#include "runtime/runtime_internal.h"

#include "base/alloc.h"

#include <wsrt/json.h>

#include <string.h>

enum { PIECES_MAX = 16 };

struct compiler {
    struct selection *out;
    char *next; /* free text behind what the pieces hold already */
};

static int is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static int starts_with(wsrt_span text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static struct piece *add_piece(struct compiler *c)
{
    return c->out->count == PIECES_MAX ? NULL : &c->out->pieces[c->out->count++];
}

/* Dotted names to a JSON Pointer, which is as long with its slashes as the names with their dots. */
static int add_body(struct compiler *c, wsrt_span path)
{
    struct piece *p = add_piece(c);
    char *start = c->next;

    if (p == NULL || path.len == 0)
        return WSRT_ERR_INVALID;
    *c->next++ = '/';
    for (size_t i = 0; i < path.len; i++) {
        int dot = path.ptr[i] == '.';
        if (dot ? i + 1 == path.len || c->next[-1] == '/' : !is_name_byte(path.ptr[i]))
            return WSRT_ERR_INVALID;
        *c->next++ = dot ? '/' : path.ptr[i];
    }
    *p = (struct piece){PIECE_BODY, {start, (size_t)(c->next - start)}};
    return WSRT_OK;
}

static int add_text(struct compiler *c, int kind, wsrt_span text)
{
    struct piece *p = add_piece(c);

    if (p == NULL || text.len == 0)
        return WSRT_ERR_INVALID;
    memcpy(c->next, text.ptr, text.len);
    p->text = (wsrt_span){c->next, text.len};
    p->kind = kind == PIECE_HEADER ? PIECE_HEADER : PIECE_TEXT;
    c->next += text.len;
    *c->next++ = '\0';
    return WSRT_OK;
}

static int add_place(struct compiler *c, wsrt_span place)
{
    static const char body[] = "request.body.", header[] = "request.header.";

    if (starts_with(place, body))
        return add_body(c, (wsrt_span){place.ptr + sizeof body - 1, place.len - (sizeof body - 1)});
    if (!starts_with(place, header))
        return WSRT_ERR_INVALID;
    wsrt_span name = {place.ptr + sizeof header - 1, place.len - (sizeof header - 1)};
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_byte(name.ptr[i]))
            return WSRT_ERR_INVALID;
    return add_text(c, PIECE_HEADER, name);
}

static int compile_template(struct compiler *c, wsrt_span rest)
{
    while (rest.len > 0) {
        const char *dollar = memchr(rest.ptr, '$', rest.len);
        size_t literal = dollar == NULL ? rest.len : (size_t)(dollar - rest.ptr);
        if (literal > 0 && add_text(c, PIECE_TEXT, (wsrt_span){rest.ptr, literal}) != WSRT_OK)
            return WSRT_ERR_INVALID;
        rest = (wsrt_span){rest.ptr + literal, rest.len - literal};
        if (rest.len == 0)
            break;
        const char *end = memchr(rest.ptr, '}', rest.len);
        if (!starts_with(rest, "${") || end == NULL)
            return WSRT_ERR_INVALID;
        if (add_place(c, (wsrt_span){rest.ptr + 2, (size_t)(end - rest.ptr) - 2}) != WSRT_OK)
            return WSRT_ERR_INVALID;
        rest = (wsrt_span){end + 1, rest.len - (size_t)(end + 1 - rest.ptr)};
    }
    return c->out->count == 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

int wsrt_selection_compile(struct selection *out, const wsrt_allocator *a, wsrt_span expression)
{
    struct compiler c = {.out = out};
    int rc;

    *out = (struct selection){0};
    if (expression.len > 1024)
        return WSRT_ERR_INVALID;
    out->text_size = 2 * expression.len + 2;
    out->text = wsrt_mem_alloc(a, out->text_size);
    out->pieces = wsrt_mem_alloc(a, PIECES_MAX * sizeof *out->pieces);
    if (out->text == NULL || out->pieces == NULL) {
        wsrt_selection_free(out, a);
        return WSRT_ERR_NOMEM;
    }
    c.next = out->text;
    if (starts_with(expression, "$request."))
        rc = add_place(&c, (wsrt_span){expression.ptr + 1, expression.len - 1});
    else
        rc = compile_template(&c, expression);
    if (rc != WSRT_OK)
        wsrt_selection_free(out, a);
    return rc;
}

void wsrt_selection_free(struct selection *s, const wsrt_allocator *a)
{
    wsrt_mem_free(a, s->text, s->text_size);
    wsrt_mem_free(a, s->pieces, PIECES_MAX * sizeof *s->pieces);
    *s = (struct selection){0};
}

/* Strings as they are, numbers and booleans as their JSON text, arrays as `[a, b]`; what cannot be
 * a key is empty. */
static int scalar_text(wsrt_context *ctx, const wsrt_json *value, wsrt_span *out)
{
    size_t len = 0;

    *out = (wsrt_span){0};
    if (value->kind == WSRT_JSON_NUMBER || value->kind == WSRT_JSON_BOOL) {
        *out = value->text;
        return WSRT_OK;
    }
    if (value->kind != WSRT_JSON_STRING)
        return WSRT_OK;
    if (!value->escaped) {
        *out = value->text;
        return WSRT_OK;
    }
    char *dst = wsrt_arena_alloc(&ctx->arena, value->text.len);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    if (wsrt_json_text(value, dst, value->text.len, &len) == WSRT_OK)
        *out = (wsrt_span){dst, len};
    return WSRT_OK;
}

static int array_text(wsrt_context *ctx, const wsrt_json *array, wsrt_span *out)
{
    wsrt_json_iter it = {0};
    wsrt_json element;
    /* An element of n bytes becomes at most n bytes and ", ", for which its comma paid one. */
    size_t cap = 2 * array->text.len + 2;
    char *dst = wsrt_arena_alloc(&ctx->arena, cap);
    size_t len = 0;

    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    dst[len++] = '[';
    while (wsrt_json_next(array, &it, NULL, &element) == WSRT_OK) {
        wsrt_span text;
        if (scalar_text(ctx, &element, &text) != WSRT_OK)
            return WSRT_ERR_NOMEM;
        if (len > 1) {
            memcpy(dst + len, ", ", 2);
            len += 2;
        }
        if (text.len > 0)
            memcpy(dst + len, text.ptr, text.len);
        len += text.len;
    }
    dst[len++] = ']';
    *out = (wsrt_span){dst, len};
    return WSRT_OK;
}

/* The body as an object for the cursor; kind NONE when it does not begin as one. */
static wsrt_json body_object(const wsrt_event *ev)
{
    wsrt_span text = ev->body;

    while (text.len > 0 && strchr(" \t\r\n", *text.ptr) != NULL && *text.ptr != '\0') {
        text.ptr++;
        text.len--;
    }
    if (text.len == 0 || *text.ptr != '{')
        return (wsrt_json){0};
    return (wsrt_json){.text = text, .kind = WSRT_JSON_OBJECT};
}

static int piece_text(const struct piece *p, wsrt_context *ctx, wsrt_span *out)
{
    wsrt_json body, value;

    *out = (wsrt_span){0};
    switch (p->kind) {
    case PIECE_TEXT:
        *out = p->text;
        return WSRT_OK;
    case PIECE_HEADER:
        (void)wsrt_event_header(ctx->event, p->text.ptr, out);
        return WSRT_OK;
    case PIECE_BODY:
        break;
    }
    body = body_object(ctx->event);
    if (body.kind == WSRT_JSON_NONE || wsrt_json_find(&body, p->text, &value) != WSRT_OK)
        return WSRT_OK;
    return value.kind == WSRT_JSON_ARRAY ? array_text(ctx, &value, out)
                                         : scalar_text(ctx, &value, out);
}

int wsrt_selection_apply(const struct selection *s, wsrt_context *ctx, wsrt_span *key)
{
    wsrt_span texts[PIECES_MAX];
    size_t total = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (piece_text(&s->pieces[i], ctx, &texts[i]) != WSRT_OK)
            return WSRT_ERR_NOMEM;
        total += texts[i].len;
    }
    if (s->count == 1) {
        *key = texts[0];
        return WSRT_OK;
    }
    char *dst = wsrt_arena_alloc(&ctx->arena, total);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    *key = (wsrt_span){dst, total};
    for (size_t i = 0; i < s->count; i++) {
        if (texts[i].len > 0)
            memcpy(dst, texts[i].ptr, texts[i].len);
        dst += texts[i].len;
    }
    return WSRT_OK;
}
