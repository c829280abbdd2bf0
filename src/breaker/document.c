/* The JSON document of settings: read once, checked whole, kept as layers of values. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/arena.h"

#include <string.h>

enum { NAME_MOST = 255, POINTER_END = 1 };

/* Values for a service (operation empty), one of its operations, or all (both empty). */
struct scope {
    struct scope *next;
    wsrt_span service;
    wsrt_span operation;
    struct layer layer;
};

struct document {
    wsrt_arena arena;
    struct scope *scopes;
};

struct parse {
    struct document *document;
    const char *text; /* where offsets count from */
    wsrt_breakers_error *why;
    size_t pointer_len;
    struct scope *scope; /* the one being filled */
};

/* ---- where we are ---- */

static void add_char(struct parse *p, char c)
{
    if (p->pointer_len + POINTER_END < sizeof p->why->pointer)
        p->why->pointer[p->pointer_len++] = c;
}

/* Steps into a member; gives the length to step back to. */
static size_t enter(struct parse *p, const char *name, size_t len)
{
    size_t before = p->pointer_len;

    add_char(p, '/');
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '~' || name[i] == '/')
            add_char(p, '~');
        add_char(p, name[i] == '~' ? '0' : name[i] == '/' ? '1' : name[i]);
    }
    return before;
}

static int reject(const struct parse *p, const wsrt_json *at, const char *text_cstr)
{
    p->why->offset = (size_t)(at->text.ptr - p->text) - (at->kind == WSRT_JSON_STRING);
    p->why->text_cstr = text_cstr;
    return WSRT_ERR_REJECTED;
}

/* ---- one member ---- */

static double word_value(const struct member *m, const wsrt_json *value)
{
    const char *const *words = wsrt_breaker_member_words(m);

    for (int i = 0; i < (int)m->high; i++)
        if (wsrt_json_equal(value, wsrt_span_cstr(words[i])))
            return i + 1;
    return 0;
}

static int read_value(const struct parse *p, const struct member *m, const wsrt_json *value)
{
    wsrt_breaker_config *c = &p->scope->layer.values;
    double number = 0;

    if (m->kind == MEMBER_MODE || m->kind == MEMBER_POLICY) {
        if (value->kind != WSRT_JSON_STRING)
            return reject(p, value, "Must be a string");
        number = word_value(m, value);
        return wsrt_breaker_member_set(c, m, number) ? WSRT_OK
                                                     : reject(p, value, "Not a word known here");
    }
    if (value->kind != WSRT_JSON_NUMBER)
        return reject(p, value, "Must be a number");
    if (wsrt_json_double(value, &number) != WSRT_OK || !wsrt_breaker_member_set(c, m, number))
        return reject(p, value, "Out of range");
    if (m->kind != MEMBER_REAL && wsrt_json_int64(value, &(int64_t){0}) != WSRT_OK)
        return reject(p, value, "Must be a whole number");
    return WSRT_OK;
}

static int read_member(const struct parse *p, const wsrt_json *key, const wsrt_json *value)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!wsrt_json_equal(key, wsrt_span_cstr(wsrt_breaker_members[i].json_cstr)))
            continue;
        if ((p->scope->layer.set & (uint32_t)1 << i) != 0)
            return reject(p, key, "Given twice");
        p->scope->layer.set |= (uint32_t)1 << i;
        return read_value(p, &wsrt_breaker_members[i], value);
    }
    return reject(p, key, "Unknown member");
}

/* ---- scopes ---- */

static struct scope *find_scope(const struct document *d, wsrt_span service, wsrt_span operation)
{
    struct scope *s = d->scopes;

    while (s != NULL &&
           (!wsrt_span_equal(s->service, service) || !wsrt_span_equal(s->operation, operation)))
        s = s->next;
    return s;
}

static int add_scope(struct parse *p, wsrt_span service, wsrt_span operation)
{
    struct scope *s = wsrt_arena_alloc(&p->document->arena, sizeof *s);

    if (s == NULL)
        return WSRT_ERR_NOMEM;
    *s = (struct scope){.next = p->document->scopes, .service = service, .operation = operation};
    p->document->scopes = s;
    p->scope = s;
    return WSRT_OK;
}

/* The decoded name of a service or operation, in the document's memory. */
static int read_name(struct parse *p, const wsrt_json *key, wsrt_span *out)
{
    char name[NAME_MOST];
    size_t len;

    if (wsrt_json_text(key, name, sizeof name, &len) != WSRT_OK || len == 0)
        return reject(p, key, "A name has 1 to 255 bytes");
    char *copy = wsrt_arena_copy(&p->document->arena, (wsrt_span){name, len});
    if (copy == NULL)
        return WSRT_ERR_NOMEM;
    *out = (wsrt_span){copy, len};
    return WSRT_OK;
}

typedef int (*member_fn)(struct parse *p, const wsrt_json *key, const wsrt_json *value);

/* Gives every member of an object to `fn`, with the pointer at it. */
static int each_member(struct parse *p, const wsrt_json *object, member_fn fn)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value;
    int rc = WSRT_OK;

    if (object->kind != WSRT_JSON_OBJECT)
        return reject(p, object, "Must be an object");
    while (rc == WSRT_OK && wsrt_json_next(object, &it, &key, &value) == WSRT_OK) {
        char name[NAME_MOST];
        size_t len;
        int fits = wsrt_json_text(&key, name, sizeof name, &len) == WSRT_OK;
        size_t before = enter(p, fits ? name : key.text.ptr, fits ? len : key.text.len);
        rc = fn(p, &key, &value);
        if (rc == WSRT_OK)
            p->pointer_len = before;
    }
    return rc;
}

static int on_plain_member(struct parse *p, const wsrt_json *key, const wsrt_json *value)
{
    return read_member(p, key, value);
}

static int on_operation(struct parse *p, const wsrt_json *key, const wsrt_json *value)
{
    struct scope *service = p->scope;
    wsrt_span name;
    int rc = read_name(p, key, &name);

    if (rc != WSRT_OK)
        return rc;
    if (find_scope(p->document, service->service, name) != NULL)
        return reject(p, key, "Given twice");
    rc = add_scope(p, service->service, name);
    if (rc == WSRT_OK)
        rc = each_member(p, value, on_plain_member);
    p->scope = service;
    return rc;
}

static int on_service_member(struct parse *p, const wsrt_json *key, const wsrt_json *value)
{
    uint32_t bit = (uint32_t)1 << MEMBERS;

    if (!wsrt_json_equal(key, wsrt_span_cstr("operations")))
        return read_member(p, key, value);
    if ((p->scope->layer.set & bit) != 0)
        return reject(p, key, "Given twice");
    p->scope->layer.set |= bit;
    return each_member(p, value, on_operation);
}

static int on_service(struct parse *p, const wsrt_json *key, const wsrt_json *value)
{
    wsrt_span name;
    int rc = read_name(p, key, &name);

    if (rc != WSRT_OK)
        return rc;
    if (find_scope(p->document, name, (wsrt_span){NULL, 0}) != NULL)
        return reject(p, key, "Given twice");
    rc = add_scope(p, name, (wsrt_span){NULL, 0});
    return rc == WSRT_OK ? each_member(p, value, on_service_member) : rc;
}

static int on_top_member(struct parse *p, const wsrt_json *key, const wsrt_json *value)
{
    int services = wsrt_json_equal(key, wsrt_span_cstr("services"));
    uint32_t bit = (uint32_t)1 << (MEMBERS + services);
    struct scope *all = p->scope;

    if (!services && !wsrt_json_equal(key, wsrt_span_cstr("defaults")))
        return reject(p, key, "Unknown member");
    if ((all->layer.set & bit) != 0)
        return reject(p, key, "Given twice");
    all->layer.set |= bit;
    int rc = each_member(p, value, services ? on_service : on_plain_member);
    p->scope = all;
    return rc;
}

/* ---- the whole ---- */

static int read_document(struct parse *p, wsrt_span text)
{
    wsrt_json root;
    wsrt_json_error why;

    if (wsrt_json_parse(&root, text, &why) != WSRT_OK) {
        p->why->offset = why.offset;
        p->why->text_cstr = why.text_cstr;
        return WSRT_ERR_MALFORMED;
    }
    int rc = add_scope(p, (wsrt_span){NULL, 0}, (wsrt_span){NULL, 0});
    return rc == WSRT_OK ? each_member(p, &root, on_top_member) : rc;
}

int wsrt_breaker_document_parse(struct document **out, const wsrt_allocator *a, wsrt_span text,
                                wsrt_breakers_error *why)
{
    wsrt_breakers_error unwanted;
    struct document *d = wsrt_mem_zalloc(a, sizeof *d);

    if (d == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_arena_init(&d->arena, a, NULL, 0);
    struct parse p = {.document = d, .text = text.ptr, .why = why != NULL ? why : &unwanted};
    int rc = read_document(&p, text);
    p.why->pointer[p.pointer_len] = '\0';
    if (rc != WSRT_OK) {
        wsrt_breaker_document_free(d, a);
        return rc;
    }
    *out = d;
    return WSRT_OK;
}

void wsrt_breaker_document_free(struct document *d, const wsrt_allocator *a)
{
    if (d == NULL)
        return;
    wsrt_arena_free(&d->arena);
    wsrt_mem_free(a, d, sizeof *d);
}

const struct layer *wsrt_breaker_document_layer(const struct document *d, wsrt_span service,
                                                wsrt_span operation)
{
    const struct scope *s = d == NULL ? NULL : find_scope(d, service, operation);

    return s == NULL ? NULL : &s->layer;
}
