#include "schema/value.h"

#include "base/hash.h"
#include "schema/decimal.h"

#include <string.h>

enum { DEEPEST = 64 };

struct walk {
    struct wsrt_lex in;
    unsigned char levels[513];
};

static void walk_init(struct walk *w, const unsigned char *text, size_t len)
{
    w->in = (struct wsrt_lex){.base = text,
                              .end = text + len,
                              .loadable = text + len,
                              .max_depth = 4096,
                              .max_number_len = UINT32_MAX,
                              .lone_surrogates = 1,
                              .levels = w->levels};
}

int wsrt_child_next(struct wsrt_lex *in, struct wsrt_child *it, int object)
{
    struct wsrt_text name;
    const unsigned char *p = wsrt_lex_space(it->p, in->end);

    if (p < in->end && *p == ',')
        p = wsrt_lex_space(p + 1, in->end);
    if (p >= in->end || *p == '}' || *p == ']')
        return 0;
    it->name = NULL;
    if (object) {
        it->name = p + 1;
        p = wsrt_lex_text(in, p + 1, NULL, &name);
        if (p == NULL)
            return 0;
        it->name_end = name.end;
        p = wsrt_lex_space(wsrt_lex_space(p, in->end) + 1, in->end);
    }
    it->value = p;
    it->end = it->p = wsrt_lex_skip(in, p, 0);
    return it->end != NULL;
}

int wsrt_text_equal(const unsigned char *a, const unsigned char *a_end, const unsigned char *b,
                    const unsigned char *b_end)
{
    int32_t x, y;

    do {
        x = wsrt_lex_point(&a, a_end);
        y = wsrt_lex_point(&b, b_end);
        if (x != y)
            return 0;
    } while (x >= 0);
    return 1;
}

uint64_t wsrt_text_hash(const unsigned char *a, const unsigned char *end, uint64_t key)
{
    unsigned char block[64];
    size_t used = 0;
    uint64_t out = key;
    int32_t point;

    while ((point = wsrt_lex_point(&a, end)) >= 0) {
        used += wsrt_lex_encode(block + used, (uint32_t)point);
        if (used > sizeof block - 4) {
            out = wsrt_hash(out, block, used);
            used = 0;
        }
    }
    return wsrt_hash(out, block, used);
}

struct pair {
    struct walk a;
    struct walk b;
    uint64_t *work;
};

static int equal(struct pair *w, const unsigned char *a, const unsigned char *a_end,
                 const unsigned char *b, const unsigned char *b_end);

static int depth_of(const unsigned char *p, const unsigned char *end)
{
    int depth = 0, most = 0, quoted = 0;

    for (; p < end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            most = ++depth > most ? depth : most;
        else if (!quoted && (*p == '}' || *p == ']'))
            depth--;
    }
    return most;
}

static int arrays_equal(struct pair *w, const unsigned char *a, const unsigned char *b)
{
    struct wsrt_child x = {.p = a + 1}, y = {.p = b + 1};

    for (;;) {
        int more = wsrt_child_next(&w->a.in, &x, 0);
        if (more != wsrt_child_next(&w->b.in, &y, 0))
            return 0;
        if (!more)
            return 1;
        int same = equal(w, x.value, x.end, y.value, y.end);
        if (same != 1)
            return same;
    }
}

static size_t members(struct wsrt_lex *in, const unsigned char *p)
{
    struct wsrt_child it = {.p = p + 1};
    size_t count = 0;

    while (wsrt_child_next(in, &it, 1))
        count++;
    return count;
}

/* 1 when the object at `b` has the member `x` with an equal value. */
static int has_member(struct pair *w, const struct wsrt_child *x, const unsigned char *b)
{
    struct wsrt_child y = {.p = b + 1};

    while (wsrt_child_next(&w->b.in, &y, 1)) {
        uint64_t cost = (uint64_t)(y.end - y.name);
        if (cost > *w->work)
            return WSRT_VALUE_LIMIT;
        *w->work -= cost;
        if (wsrt_text_equal(x->name, x->name_end, y.name, y.name_end))
            return equal(w, x->value, x->end, y.value, y.end);
    }
    return 0;
}

static int objects_equal(struct pair *w, const unsigned char *a, const unsigned char *b)
{
    struct wsrt_child x = {.p = a + 1};

    if (members(&w->a.in, a) != members(&w->b.in, b))
        return 0;
    while (wsrt_child_next(&w->a.in, &x, 1)) {
        int same = has_member(w, &x, b);
        if (same != 1)
            return same;
    }
    return 1;
}

static int equal(struct pair *w, const unsigned char *a, const unsigned char *a_end,
                 const unsigned char *b, const unsigned char *b_end)
{
    uint64_t cost = (uint64_t)(a_end - a) + (uint64_t)(b_end - b);
    int kind = wsrt_lex_kind(*a);

    if (kind != wsrt_lex_kind(*b))
        return 0;
    if (cost > *w->work)
        return WSRT_VALUE_LIMIT;
    *w->work -= cost;
    switch (kind) {
    case WSRT_JSON_NUMBER: {
        struct wsrt_exact x = wsrt_exact_read(a, (size_t)(a_end - a));
        struct wsrt_exact y = wsrt_exact_read(b, (size_t)(b_end - b));
        return wsrt_exact_compare(&x, &y) == 0;
    }
    case WSRT_JSON_STRING:
        return wsrt_text_equal(a + 1, a_end - 1, b + 1, b_end - 1);
    case WSRT_JSON_ARRAY:
        return arrays_equal(w, a, b);
    case WSRT_JSON_OBJECT:
        return objects_equal(w, a, b);
    default:
        return *a == *b;
    }
}

int wsrt_value_equal(const unsigned char *a, size_t a_len, const unsigned char *b, size_t b_len,
                     uint64_t *work)
{
    struct pair w = {.work = work};

    if (depth_of(a, a + a_len) > DEEPEST && depth_of(b, b + b_len) > DEEPEST)
        return WSRT_VALUE_LIMIT;
    walk_init(&w.a, a, a_len);
    walk_init(&w.b, b, b_len);
    return equal(&w, a, a + a_len, b, b + b_len);
}

static uint64_t hash(struct wsrt_lex *in, const unsigned char *p, const unsigned char *end,
                     uint64_t key)
{
    int kind = wsrt_lex_kind(*p);
    struct wsrt_child it = {.p = p + 1};
    uint64_t out = (uint64_t)kind;

    if (kind == WSRT_JSON_NUMBER) {
        struct wsrt_exact number = wsrt_exact_read(p, (size_t)(end - p));
        return wsrt_exact_hash(&number, key);
    }
    if (kind == WSRT_JSON_STRING)
        return wsrt_text_hash(p + 1, end - 1, key);
    if (kind != WSRT_JSON_ARRAY && kind != WSRT_JSON_OBJECT)
        return wsrt_hash(key, p, 1);
    while (wsrt_child_next(in, &it, kind == WSRT_JSON_OBJECT)) {
        uint64_t child = hash(in, it.value, it.end, key);
        if (kind == WSRT_JSON_ARRAY)
            out = wsrt_hash(out ^ key, &child, sizeof child);
        else /* a sum, since order does not matter */
            out += wsrt_hash(wsrt_text_hash(it.name, it.name_end, key), &child, sizeof child);
    }
    return wsrt_hash(key + 1, &out, sizeof out);
}

int wsrt_value_hash(const unsigned char *a, size_t len, uint64_t key, uint64_t *out)
{
    struct walk w;

    if (depth_of(a, a + len) > DEEPEST)
        return WSRT_VALUE_LIMIT;
    walk_init(&w, a, len);
    *out = hash(&w.in, a, a + len, key);
    return 1;
}
