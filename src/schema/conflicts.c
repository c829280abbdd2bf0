/* Rules that no value can fulfil together. The standard allows them, so they are only told. */
#include "schema/nodes.h"

#include "schema/decimal.h"

/* A bound of a set and the schema it stands in. */
struct bound {
    struct wsrt_rule *rule; /* NULL = none */
    const struct wsrt_source *source;
};

static const struct pair {
    uint32_t least; /* kinds */
    uint32_t most;
} counts[] = {
    {WSRT_CHECK_MIN_LENGTH, WSRT_CHECK_MAX_LENGTH},
    {WSRT_CHECK_MIN_BYTES, WSRT_CHECK_MAX_BYTES},
    {WSRT_CHECK_MIN_UTF16, WSRT_CHECK_MAX_UTF16},
    {WSRT_CHECK_MIN_PROPERTIES, WSRT_CHECK_MAX_PROPERTIES},
    {WSRT_CHECK_MIN_ITEMS, WSRT_CHECK_MAX_ITEMS},
};

static void warn_once(const struct wsrt_build *b, const struct bound *at, const char *text)
{
    const struct wsrt_tree *t = wsrt_tree_member(at->source->tree, at->rule->keyword_cstr);

    if (!at->rule->warned)
        wsrt_compile_warn(b->c, WSRT_SCHEMA_VALUE, t == NULL ? at->source->tree : t, text);
    at->rule->warned = 1;
}

static struct wsrt_exact value_of(const struct wsrt_rule *r)
{
    return wsrt_exact_read((const unsigned char *)r->limit.ptr, r->limit.len);
}

static int is_exclusive(const struct wsrt_rule *r)
{
    return r->kind == WSRT_CHECK_EXCLUSIVE_MINIMUM || r->kind == WSRT_CHECK_EXCLUSIVE_MAXIMUM;
}

/* 1 when `a` leaves less than `b`, both from the same side (`sign` 1 = from below). */
static int is_tighter(const struct wsrt_rule *a, const struct wsrt_rule *b, int sign)
{
    struct wsrt_exact left = value_of(a), right = value_of(b);
    int order = sign * wsrt_exact_compare(&left, &right);

    return order > 0 || (order == 0 && is_exclusive(a));
}

/* The tightest bound of two kinds. */
static struct bound tightest(const struct wsrt_build *b, uint32_t kind, uint32_t other, int sign)
{
    struct bound out = {0};

    for (uint32_t i = 0; i < b->set.count; i++) {
        const struct wsrt_source *s = wsrt_build_source(b, i);
        for (struct wsrt_rule *r = s == NULL ? NULL : s->rules; r != NULL; r = r->next)
            if ((r->kind == kind || r->kind == other) &&
                (out.rule == NULL || is_tighter(r, out.rule, sign)))
                out = (struct bound){r, s};
    }
    return out;
}

static void compare(const struct wsrt_build *b, uint32_t least, uint32_t most, uint32_t offset)
{
    struct bound low = tightest(b, least, least + offset, 1);
    struct bound high = tightest(b, most, most + offset, -1);

    if (low.rule == NULL || high.rule == NULL)
        return;
    struct wsrt_exact from = value_of(low.rule), to = value_of(high.rule);
    int order = wsrt_exact_compare(&from, &to);
    if (order > 0 || (order == 0 && (is_exclusive(low.rule) || is_exclusive(high.rule))))
        warn_once(b, &high, "No value is within these bounds");
}

static void look_at_lists(const struct wsrt_build *b, const struct wsrt_source *s)
{
    for (struct wsrt_rule *r = s->rules; r != NULL; r = r->next) {
        struct bound at = {r, s};
        if (r->kind == WSRT_CHECK_ENUM && r->value->child == NULL)
            warn_once(b, &at, "An empty enum: no value is valid");
        if (r->kind == WSRT_CHECK_TYPE && b->node.types == 0)
            warn_once(b, &at, "No type is left");
        for (const struct wsrt_rule *o = r->next; r->kind == WSRT_CHECK_CONTAINS && o != NULL;
             o = o->next)
            if (o->kind == WSRT_CHECK_CONTAINS && o->child == r->child && r->least > o->n)
                warn_once(b, &at, "minContains above maxContains");
    }
}

void wsrt_conflicts_find(const struct wsrt_build *b)
{
    if (b->c->options->warnings == NULL && b->c->options->warning_count == NULL)
        return;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        compare(b, counts[i].least, counts[i].most, 0);
    compare(b, WSRT_CHECK_MINIMUM, WSRT_CHECK_MAXIMUM, 1); /* the exclusive ones come next */
    for (uint32_t i = 0; i < b->set.count; i++)
        if (wsrt_build_source(b, i) != NULL)
            look_at_lists(b, wsrt_build_source(b, i));
}
