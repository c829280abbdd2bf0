/* Filters: compiled to rules over the members of an update, with one spelling for all that ask for the
 * same. */
#include "stream/feed.h"

#include "base/arena.h"
#include "base/alloc.h"

#include <string.h>

enum { FIELDS_MOST = 16, VALUES_MOST = 64, TEXT_MOST = 8192 };

/* One value of a list, or one bound of a range. */
struct literal {
    wsrt_span text; /* a string, decoded; else as the canonical form has it */
    double number;
    int32_t kind; /* a wsrt_json_kind */
    int32_t truth;
};

enum bound { GT, GTE, LT, LTE };
enum { BOUNDS = LTE + 1 };
static const char *const bound_names[BOUNDS] = {"gt", "gte", "lt", "lte"};

struct rule {
    wsrt_span field;
    struct literal *list; /* NULL = a range */
    size_t count;
    double bounds[BOUNDS];
    unsigned bounded; /* one bit a bound */
};

struct wsrt_filter {
    wsrt_allocator allocator;
    wsrt_arena arena;
    struct rule rules[FIELDS_MOST];
    size_t count;
    int event; /* the rule for the event's type; -1 = none */
    wsrt_span text;
};

/* What a compilation needs besides. */
struct compiler {
    wsrt_filter *f;
    wsrt_span source;
    wsrt_filter_error *why;
};

static int refuse(const struct compiler *c, int status, const char *at, const char *text)
{
    if (c->why != NULL)
        *c->why = (wsrt_filter_error){.offset = (size_t)(at - c->source.ptr), .text_cstr = text};
    return status;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int decode(const struct compiler *c, const wsrt_json *value, wsrt_span *out)
{
    char *dst = wsrt_arena_alloc(&c->f->arena, value->text.len + 1);
    size_t len;

    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    if (wsrt_json_text(value, dst, value->text.len, &len) != WSRT_OK)
        return WSRT_ERR_MALFORMED;
    *out = (wsrt_span){dst, len};
    return WSRT_OK;
}

static int read_number(const struct compiler *c, const wsrt_json *value, double *out)
{
    if (value->kind != WSRT_JSON_NUMBER)
        return refuse(c, WSRT_ERR_REJECTED, value->text.ptr, "a bound is a number");
    if (wsrt_json_double(value, out) != WSRT_OK)
        return refuse(c, WSRT_ERR_REJECTED, value->text.ptr, "the number is too large");
    return WSRT_OK;
}

static int read_literal(const struct compiler *c, const wsrt_json *value, struct literal *out)
{
    int truth = 0;

    out->kind = value->kind;
    out->text = value->text;
    if (value->kind == WSRT_JSON_STRING)
        return decode(c, value, &out->text);
    if (value->kind == WSRT_JSON_NUMBER)
        return read_number(c, value, &out->number);
    if (value->kind == WSRT_JSON_BOOL)
        (void)wsrt_json_bool(value, &truth);
    out->truth = truth;
    if (value->kind != WSRT_JSON_BOOL && value->kind != WSRT_JSON_NULL)
        return refuse(c, WSRT_ERR_REJECTED, value->text.ptr,
                      "a list holds strings, numbers, booleans and null");
    return WSRT_OK;
}

static int compare_bytes(wsrt_span a, wsrt_span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.ptr, b.ptr, shorter);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const struct literal *a, const struct literal *b)
{
    if (a->kind != b->kind)
        return a->kind - b->kind;
    if (a->kind == WSRT_JSON_NUMBER)
        return (a->number > b->number) - (a->number < b->number);
    return a->kind == WSRT_JSON_STRING ? compare_bytes(a->text, b->text) : a->truth - b->truth;
}

/* Keeps a list in order and without repeats. */
static void insert(struct rule *r, const struct literal *value)
{
    size_t at = r->count;

    while (at > 0 && compare(&r->list[at - 1], value) > 0)
        at--;
    if (at > 0 && compare(&r->list[at - 1], value) == 0)
        return;
    memmove(&r->list[at + 1], &r->list[at], (r->count - at) * sizeof *r->list);
    r->list[at] = *value;
    r->count++;
}

static int read_list(const struct compiler *c, const wsrt_json *list, struct rule *r)
{
    wsrt_json_iter it = {0};
    wsrt_json value;

    while (wsrt_json_next(list, &it, NULL, &value) == WSRT_OK)
        if (it.count > VALUES_MOST)
            return refuse(c, WSRT_ERR_LIMIT, value.text.ptr, "a list holds at most 64 values");
    if (it.count == 0)
        return refuse(c, WSRT_ERR_REJECTED, list->text.ptr, "an empty list holds for nothing");
    r->list = wsrt_arena_alloc(&c->f->arena, (size_t)it.count * sizeof *r->list);
    if (r->list == NULL)
        return WSRT_ERR_NOMEM;
    it = (wsrt_json_iter){0};
    while (wsrt_json_next(list, &it, NULL, &value) == WSRT_OK) {
        struct literal literal = {0};
        int rc = read_literal(c, &value, &literal);
        if (rc != WSRT_OK)
            return rc;
        insert(r, &literal);
    }
    return WSRT_OK;
}

static int read_range(const struct compiler *c, const wsrt_json *range, struct rule *r)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value;

    while (wsrt_json_next(range, &it, &key, &value) == WSRT_OK) {
        int bound = 0;
        while (bound < BOUNDS && !wsrt_json_equal(&key, wsrt_span_cstr(bound_names[bound])))
            bound++;
        if (bound == BOUNDS)
            return refuse(c, WSRT_ERR_REJECTED, key.text.ptr, "a range has gt, gte, lt and lte");
        if ((r->bounded & 1u << bound) != 0)
            return refuse(c, WSRT_ERR_REJECTED, key.text.ptr, "the bound is there twice");
        int rc = read_number(c, &value, &r->bounds[bound]);
        if (rc != WSRT_OK)
            return rc;
        r->bounded |= 1u << bound;
    }
    if (r->bounded == 0)
        return refuse(c, WSRT_ERR_REJECTED, range->text.ptr, "a range needs a bound");
    return WSRT_OK;
}

static int read_rule(const struct compiler *c, const wsrt_json *key, const wsrt_json *value)
{
    wsrt_filter *f = c->f;
    struct rule r = {0};
    size_t at = f->count;

    if (f->count == FIELDS_MOST)
        return refuse(c, WSRT_ERR_LIMIT, key->text.ptr, "a filter has at most 16 members");
    int rc = decode(c, key, &r.field);
    if (rc != WSRT_OK)
        return rc;
    while (at > 0 && compare_bytes(f->rules[at - 1].field, r.field) > 0)
        at--;
    if (at > 0 && compare_bytes(f->rules[at - 1].field, r.field) == 0)
        return refuse(c, WSRT_ERR_REJECTED, key->text.ptr, "the member is there twice");
    if (value->kind == WSRT_JSON_ARRAY)
        rc = read_list(c, value, &r);
    else if (value->kind == WSRT_JSON_OBJECT)
        rc = read_range(c, value, &r);
    else
        rc = refuse(c, WSRT_ERR_REJECTED, value->text.ptr, "a member is a list or a range");
    if (rc != WSRT_OK)
        return rc;
    memmove(&f->rules[at + 1], &f->rules[at], (f->count - at) * sizeof r);
    f->rules[at] = r;
    f->count++;
    return WSRT_OK;
}

/* ---- the canonical form ------------------------------------------------------------------- */

static void write_literal(wsrt_json_writer *w, const struct literal *l)
{
    if (l->kind == WSRT_JSON_STRING)
        wsrt_json_string(w, l->text);
    else if (l->kind == WSRT_JSON_NUMBER)
        wsrt_json_write_double(w, l->number + 0.0); /* -0 is 0 */
    else
        wsrt_json_raw(w, l->text);
}

static void write_rule(wsrt_json_writer *w, const struct rule *r)
{
    wsrt_json_key_span(w, r->field);
    if (r->list == NULL) {
        wsrt_json_object(w);
        for (int i = 0; i < BOUNDS; i++) {
            if ((r->bounded & 1u << i) == 0)
                continue;
            wsrt_json_key(w, bound_names[i]);
            wsrt_json_write_double(w, r->bounds[i] + 0.0);
        }
        wsrt_json_object_end(w);
        return;
    }
    wsrt_json_array(w);
    for (size_t i = 0; i < r->count; i++)
        write_literal(w, &r->list[i]);
    wsrt_json_array_end(w);
}

static int write_text(wsrt_filter *f, char *dst, size_t cap, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_object(&w);
    for (size_t i = 0; i < f->count; i++)
        write_rule(&w, &f->rules[i]);
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

static int spell(wsrt_filter *f)
{
    size_t len = 0;

    (void)write_text(f, NULL, 0, &len);
    char *dst = wsrt_arena_alloc(&f->arena, len + 1);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    f->text = (wsrt_span){dst, len};
    return write_text(f, dst, len + 1, &len);
}

/* ---- life --------------------------------------------------------------------------------- */

static int compile(const struct compiler *c)
{
    wsrt_json_error syntax;
    wsrt_json root, key, value;
    wsrt_json_iter it = {0};

    if (c->source.len > TEXT_MOST)
        return refuse(c, WSRT_ERR_LIMIT, c->source.ptr, "a filter has at most 8192 bytes");
    int rc = wsrt_json_parse(&root, c->source, &syntax);
    if (rc != WSRT_OK)
        return refuse(c, rc, c->source.ptr + syntax.offset, syntax.text_cstr);
    if (root.kind != WSRT_JSON_OBJECT)
        return refuse(c, WSRT_ERR_REJECTED, c->source.ptr, "a filter is an object");
    while (rc == WSRT_OK && wsrt_json_next(&root, &it, &key, &value) == WSRT_OK)
        rc = read_rule(c, &key, &value);
    if (rc != WSRT_OK)
        return rc;
    c->f->event = -1;
    for (size_t i = 0; i < c->f->count; i++)
        if (wsrt_span_equal(c->f->rules[i].field, wsrt_span_cstr("eventType")))
            c->f->event = (int)i;
    return spell(c->f);
}

int wsrt_filter_new(wsrt_filter **out, wsrt_span json, const wsrt_allocator *allocator,
                    wsrt_filter_error *why)
{
    wsrt_allocator a;
    struct compiler c = {.source = json, .why = why};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_allocator_load(&a, allocator);
    if (rc == WSRT_OK && json.ptr == NULL)
        rc = WSRT_ERR_INVALID;
    if (rc != WSRT_OK)
        return rc;
    c.f = wsrt_mem_zalloc(&a, sizeof *c.f);
    if (c.f == NULL)
        return WSRT_ERR_NOMEM;
    c.f->allocator = a;
    wsrt_arena_init(&c.f->arena, &c.f->allocator, NULL, 0);
    rc = compile(&c);
    if (rc != WSRT_OK)
        wsrt_filter_free(c.f);
    else
        *out = c.f;
    return rc;
}

void wsrt_filter_free(wsrt_filter *f)
{
    if (f == NULL)
        return;
    wsrt_allocator a = f->allocator;
    wsrt_arena_free(&f->arena);
    wsrt_mem_free(&a, f, sizeof *f);
}

wsrt_span wsrt_filter_text(const wsrt_filter *f)
{
    return f == NULL ? (wsrt_span){NULL, 0} : f->text;
}

/* ---- matching ----------------------------------------------------------------------------- */

static int equals(const struct literal *l, const wsrt_json *value, double number)
{
    if (l->kind != value->kind)
        return 0;
    if (l->kind == WSRT_JSON_NUMBER)
        return l->number == number;
    if (l->kind == WSRT_JSON_STRING)
        return wsrt_json_equal(value, l->text);
    return wsrt_span_equal(l->text, value->text);
}

static int within(const struct rule *r, double number)
{
    return ((r->bounded & 1u << GT) == 0 || number > r->bounds[GT]) &&
           ((r->bounded & 1u << GTE) == 0 || number >= r->bounds[GTE]) &&
           ((r->bounded & 1u << LT) == 0 || number < r->bounds[LT]) &&
           ((r->bounded & 1u << LTE) == 0 || number <= r->bounds[LTE]);
}

static int holds(const struct rule *r, const wsrt_json *value)
{
    double number = 0;

    if (value->kind == WSRT_JSON_NUMBER && wsrt_json_double(value, &number) != WSRT_OK)
        return 0; /* beyond every bound that a filter can hold */
    if (r->list == NULL)
        return value->kind == WSRT_JSON_NUMBER && within(r, number);
    for (size_t i = 0; i < r->count; i++)
        if (equals(&r->list[i], value, number))
            return 1;
    return 0;
}

int wsrt_filter_matches(const wsrt_filter *f, wsrt_span event_type, wsrt_span data)
{
    wsrt_json object = {.text = data, .kind = WSRT_JSON_OBJECT}, key, value;
    wsrt_json type = {.text = event_type, .kind = WSRT_JSON_STRING};
    wsrt_json_iter it = {0};
    unsigned met = 0, all;

    if (f == NULL)
        return 0;
    all = (1u << f->count) - 1;
    if (f->event >= 0 && holds(&f->rules[f->event], &type))
        met = 1u << f->event;
    while (met != all && wsrt_json_next(&object, &it, &key, &value) == WSRT_OK) {
        for (size_t i = 0; i < f->count; i++) {
            if ((int)i == f->event || !wsrt_json_equal(&key, f->rules[i].field))
                continue;
            if (!holds(&f->rules[i], &value))
                return 0;
            met |= 1u << i;
        }
    }
    return met == all;
}
