/* A schema made by calls. It becomes text and is compiled as such, so that both ways to a schema
 * know the same rules and mean the same by them. */
#include <wsrt/schema.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "schema/compile.h"

#include <string.h>

enum { DEEPEST = 64 };

/* A keyword with a value. */
struct rule {
    struct rule *next;
    wsrt_span keyword;
    wsrt_span value; /* JSON, or the text itself */
    wsrt_span message;
    int is_text;
};

/* A keyword that holds a schema, or one of several. */
struct place {
    struct place *next;
    wsrt_span keyword;
    wsrt_span name; /* ptr NULL = none */
    struct form *form;
    int written;
};

struct need {
    struct need *next;
    wsrt_span name;
    wsrt_span message;
};

/* A schema. */
struct form {
    struct form *up;
    wsrt_span type; /* ptr NULL = any */
    struct rule *rules;
    struct place *places;
    struct need *needs;
    wsrt_span message;
};

struct wsrt_builder {
    wsrt_allocator allocator;
    wsrt_arena arena;
    struct form *root;
    struct form *open;
    struct place *place; /* where the next schema goes; NULL = nowhere */
    int depth;
    int status; /* first failure */
    const char *text_cstr;
};

int wsrt_builder_new(wsrt_builder **out, const wsrt_allocator *allocator)
{
    wsrt_allocator a;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_allocator_load(&a, allocator);
    if (rc != WSRT_OK)
        return rc;
    wsrt_builder *b = wsrt_mem_zalloc(&a, sizeof *b);
    if (b == NULL)
        return WSRT_ERR_NOMEM;
    b->allocator = a;
    wsrt_arena_init(&b->arena, &b->allocator, NULL, 0);
    *out = b;
    return WSRT_OK;
}

void wsrt_builder_free(wsrt_builder *b)
{
    if (b == NULL)
        return;
    wsrt_allocator a = b->allocator;
    wsrt_arena_free(&b->arena);
    wsrt_mem_free(&a, b, sizeof *b);
}

/* ---- calls -------------------------------------------------------------------------------- */

static void fail(wsrt_builder *b, int status, const char *text)
{
    if (b->status != WSRT_OK)
        return;
    b->status = status;
    b->text_cstr = text;
}

static void *make(wsrt_builder *b, size_t size)
{
    void *out = b->status != WSRT_OK ? NULL : wsrt_arena_alloc(&b->arena, size);

    if (out == NULL)
        fail(b, WSRT_ERR_NOMEM, "Out of memory");
    else
        memset(out, 0, size);
    return out;
}

/* NULL stays NULL. */
static wsrt_span copy(wsrt_builder *b, const char *text_cstr)
{
    wsrt_span out = {NULL, 0};

    if (text_cstr == NULL || b->status != WSRT_OK)
        return out;
    out.len = strlen(text_cstr);
    out.ptr = wsrt_arena_copy(&b->arena, wsrt_span_cstr(text_cstr));
    if (out.ptr == NULL)
        fail(b, WSRT_ERR_NOMEM, "Out of memory");
    return out;
}

/* 1 when a call about the open schema makes sense. */
static int is_ready(wsrt_builder *b, const char *keyword_cstr)
{
    if (b == NULL)
        return 0;
    if (b->open == NULL)
        fail(b, WSRT_ERR_STATE, "No schema is open");
    else if (b->place != NULL)
        fail(b, WSRT_ERR_STATE, "A place without its schema");
    else if (keyword_cstr == NULL)
        fail(b, WSRT_ERR_INVALID, "A keyword without a name");
    return b->status == WSRT_OK;
}

void wsrt_builder_open(wsrt_builder *b, const char *type_cstr)
{
    if (b == NULL)
        return;
    if (b->root != NULL && b->place == NULL)
        fail(b, WSRT_ERR_STATE, "A schema without a place");
    else if (++b->depth > DEEPEST)
        fail(b, WSRT_ERR_LIMIT, "Schemas nested too deeply");
    struct form *f = make(b, sizeof *f);
    if (f == NULL)
        return;
    f->up = b->open;
    f->type = copy(b, type_cstr);
    if (b->place != NULL)
        b->place->form = f;
    else
        b->root = f;
    b->place = NULL;
    b->open = f;
}

void wsrt_builder_close(wsrt_builder *b)
{
    if (!is_ready(b, ""))
        return;
    b->open = b->open->up;
    b->depth--;
}

void wsrt_builder_at(wsrt_builder *b, const char *keyword_cstr, const char *name_cstr)
{
    struct place *p = is_ready(b, keyword_cstr) ? make(b, sizeof *p) : NULL, **link;

    if (p == NULL)
        return;
    p->keyword = copy(b, keyword_cstr);
    p->name = copy(b, name_cstr);
    for (link = &b->open->places; *link != NULL;)
        link = &(*link)->next;
    *link = p;
    b->place = p;
}

static void add_rule(wsrt_builder *b, const char *keyword_cstr, const char *value_cstr,
                     const char *message_cstr, int is_text)
{
    struct rule *r = is_ready(b, keyword_cstr) ? make(b, sizeof *r) : NULL, **link;

    if (r == NULL)
        return;
    if (value_cstr == NULL) {
        fail(b, WSRT_ERR_INVALID, "A keyword without a value");
        return;
    }
    r->keyword = copy(b, keyword_cstr);
    r->value = copy(b, value_cstr);
    r->message = copy(b, message_cstr);
    r->is_text = is_text;
    for (link = &b->open->rules; *link != NULL;)
        link = &(*link)->next;
    *link = r;
}

void wsrt_builder_rule(wsrt_builder *b, const char *keyword_cstr, const char *json_cstr,
                       const char *message_cstr)
{
    add_rule(b, keyword_cstr, json_cstr, message_cstr, 0);
}

void wsrt_builder_text(wsrt_builder *b, const char *keyword_cstr, const char *text_cstr,
                       const char *message_cstr)
{
    add_rule(b, keyword_cstr, text_cstr, message_cstr, 1);
}

void wsrt_builder_required(wsrt_builder *b, const char *name_cstr, const char *message_cstr)
{
    struct need *n = is_ready(b, name_cstr) ? make(b, sizeof *n) : NULL, **link;

    if (n == NULL)
        return;
    n->name = copy(b, name_cstr);
    n->message = copy(b, message_cstr);
    for (link = &b->open->needs; *link != NULL;)
        link = &(*link)->next;
    *link = n;
}

void wsrt_builder_message(wsrt_builder *b, const char *message_cstr)
{
    if (is_ready(b, message_cstr))
        b->open->message = copy(b, message_cstr);
}

/* ---- text --------------------------------------------------------------------------------- */

static void write_form(wsrt_json_writer *w, const struct form *f);

static int is_list(wsrt_span keyword)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf", "prefixItems"};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (wsrt_span_equal(keyword, wsrt_span_cstr(lists[i])))
            return 1;
    return 0;
}

/* The places of one keyword, from the first one on. */
static void write_places(wsrt_json_writer *w, struct place *first)
{
    int list = first->name.ptr == NULL && is_list(first->keyword);

    wsrt_json_key_span(w, first->keyword);
    if (first->name.ptr == NULL && !list) {
        write_form(w, first->form);
        return;
    }
    if (list)
        wsrt_json_array(w);
    else
        wsrt_json_object(w);
    for (struct place *p = first; p != NULL; p = p->next) {
        if (!wsrt_span_equal(p->keyword, first->keyword) ||
            (p->name.ptr == NULL) != (first->name.ptr == NULL))
            continue;
        if (!list)
            wsrt_json_key_span(w, p->name);
        write_form(w, p->form);
        p->written = 1;
    }
    if (list)
        wsrt_json_array_end(w);
    else
        wsrt_json_object_end(w);
}

static void write_needs(wsrt_json_writer *w, const struct form *f)
{
    if (f->needs == NULL)
        return;
    wsrt_json_key(w, "required");
    wsrt_json_array(w);
    for (const struct need *n = f->needs; n != NULL; n = n->next)
        wsrt_json_string(w, n->name);
    wsrt_json_array_end(w);
}

static void write_messages(wsrt_json_writer *w, const struct form *f)
{
    int needs = 0;

    wsrt_json_key(w, "errorMessage");
    wsrt_json_object(w);
    for (const struct rule *r = f->rules; r != NULL; r = r->next)
        if (r->message.ptr != NULL) {
            wsrt_json_key_span(w, r->keyword);
            wsrt_json_string(w, r->message);
        }
    for (const struct need *n = f->needs; n != NULL; n = n->next) {
        if (n->message.ptr == NULL)
            continue;
        if (!needs) {
            wsrt_json_key(w, "required");
            wsrt_json_object(w);
        }
        needs = 1;
        wsrt_json_key_span(w, n->name);
        wsrt_json_string(w, n->message);
    }
    if (needs)
        wsrt_json_object_end(w);
    if (f->message.ptr != NULL) {
        wsrt_json_key(w, "_");
        wsrt_json_string(w, f->message);
    }
    wsrt_json_object_end(w);
}

static int has_messages(const struct form *f)
{
    int out = f->message.ptr != NULL;

    for (const struct rule *r = f->rules; r != NULL; r = r->next)
        out |= r->message.ptr != NULL;
    for (const struct need *n = f->needs; n != NULL; n = n->next)
        out |= n->message.ptr != NULL;
    return out;
}

static void write_form(wsrt_json_writer *w, const struct form *f)
{
    wsrt_json_object(w);
    if (f->type.ptr != NULL) {
        wsrt_json_key(w, "type");
        wsrt_json_string(w, f->type);
    }
    for (const struct rule *r = f->rules; r != NULL; r = r->next) {
        wsrt_json_key_span(w, r->keyword);
        if (r->is_text)
            wsrt_json_string(w, r->value);
        else
            wsrt_json_raw(w, r->value);
    }
    write_needs(w, f);
    for (struct place *p = f->places; p != NULL; p = p->next)
        p->written = 0;
    for (struct place *p = f->places; p != NULL; p = p->next)
        if (!p->written)
            write_places(w, p);
    if (has_messages(f))
        write_messages(w, f);
    wsrt_json_object_end(w);
}

/* The text in the arena, or a status. */
static int write_text(wsrt_builder *b, wsrt_span *out)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, NULL, 0, 0);
    write_form(&w, b->root);
    int rc = wsrt_json_finish(&w, &out->len);
    if (rc != WSRT_ERR_LIMIT)
        return rc == WSRT_OK ? WSRT_ERR_INTERNAL : rc;
    char *dst = wsrt_arena_alloc(&b->arena, out->len + 1);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_json_writer_init(&w, dst, out->len + 1, 0);
    write_form(&w, b->root);
    out->ptr = dst;
    return wsrt_json_finish(&w, &out->len);
}

static int refuse(wsrt_schema_error *why, int status, const char *text)
{
    if (why != NULL)
        *why = (wsrt_schema_error){.code = WSRT_SCHEMA_VALUE, .text_cstr = text};
    return status;
}

/* What a text may say and a program never means: rules that contradict each other. */
static int refuse_conflict(wsrt_schema **out, const wsrt_schema_error *warning,
                           wsrt_schema_error *why)
{
    wsrt_schema_free(*out);
    *out = NULL;
    if (why != NULL)
        *why = *warning;
    return WSRT_ERR_REJECTED;
}

int wsrt_builder_finish(wsrt_schema **out, wsrt_builder *b, const wsrt_schema_options *opts,
                        wsrt_schema_error *why)
{
    wsrt_schema_options o;
    wsrt_schema_error warning;
    size_t warnings = 0;
    wsrt_span text;

    if (out == NULL || b == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_schema_options_load(&o, opts);
    if (rc != WSRT_OK)
        return rc;
    if (b->status != WSRT_OK)
        return refuse(why, b->status, b->text_cstr);
    if (b->root == NULL || b->open != NULL)
        return refuse(why, WSRT_ERR_STATE, "An unfinished schema");
    rc = write_text(b, &text);
    if (rc != WSRT_OK)
        return refuse(why, rc, "A text that is not UTF-8 or a value that is not JSON");
    o.warnings = &warning;
    o.warning_cap = 1;
    o.warning_count = &warnings;
    rc = wsrt_schema_new(out, text.ptr, text.len, &o, why);
    return rc == WSRT_OK && warnings > 0 && warning.code == WSRT_SCHEMA_VALUE
               ? refuse_conflict(out, &warning, why)
               : rc;
}
