/* The rules of one value, judged when it ends. */
#include "schema/run.h"

#include "schema/decimal.h"
#include "schema/format.h"
#include "schema/pattern.h"
#include "schema/value.h"

#include <string.h>

enum { LIMITED = -1 };

static const char *text_at(const struct wsrt_run *r, uint32_t offset)
{
    return r->s->text + offset;
}

static struct wsrt_exact number_of(const struct wsrt_subject *sub)
{
    return wsrt_exact_read(sub->start, (size_t)(sub->end - sub->start));
}

static int type_holds(const struct wsrt_check *c, const struct wsrt_subject *sub)
{
    if (c->a >> sub->kind & 1)
        return 1;
    if (sub->kind != WSRT_JSON_NUMBER || (c->a & WSRT_TYPE_INTEGER) == 0)
        return 0;
    struct wsrt_exact number = number_of(sub);
    return wsrt_exact_is_whole(&number);
}

static int equals_literal(struct wsrt_run *r, const struct wsrt_literal *l,
                          const struct wsrt_subject *sub)
{
    if ((int)l->kind != sub->kind)
        return 0;
    if (sub->kind == WSRT_JSON_STRING)
        return wsrt_name_equals(sub->start + 1, sub->end - 1, text_at(r, l->text), l->len);
    return wsrt_value_equal((const unsigned char *)text_at(r, l->text), l->len, sub->start,
                            (size_t)(sub->end - sub->start), &r->work);
}

static int is_listed(struct wsrt_run *r, const struct wsrt_check *c, const struct wsrt_subject *sub)
{
    for (uint32_t i = 0; i < c->b; i++) {
        int same = equals_literal(r, &r->s->literals[c->a + i], sub);
        if (same != 0)
            return same;
    }
    return 0;
}

static uint64_t decoded_length(const struct wsrt_subject *sub, int utf16)
{
    const unsigned char *p = sub->start + 1;
    unsigned char bytes[4];
    uint64_t out = 0;
    int32_t point;

    while ((point = wsrt_lex_point(&p, sub->end - 1)) >= 0)
        out += utf16 ? 1 + (uint64_t)(point > 0xffff) : wsrt_lex_encode(bytes, (uint32_t)point);
    return out;
}

/* A large pattern borrows the scratch that is left. */
static int regex_holds(struct wsrt_run *r, const struct wsrt_check *c,
                       const struct wsrt_subject *sub)
{
    struct wsrt_regex_room room = {r->bump, r->bump_end, &r->work};

    return wsrt_regex_match(r->s->regex + c->a, sub->start + 1, sub->end - 1, &room);
}

/* A second scan at full speed: the first one may have been for the class of several rules. */
static int class_holds(const struct wsrt_run *r, uint32_t brief, const struct wsrt_subject *sub)
{
    const struct wsrt_brief *b = &r->s->briefs[brief];
    struct wsrt_lex in = r->in;
    struct wsrt_text text;

    wsrt_lex_text(&in, sub->start + 1, &r->s->classes[brief], &text);
    return (text.flags & WSRT_TEXT_OUTSIDE) == 0 && text.points >= b->least &&
           text.points <= b->most;
}

static int string_holds(struct wsrt_run *r, const struct wsrt_check *c,
                        const struct wsrt_subject *sub)
{
    switch (c->kind) {
    case WSRT_CHECK_MIN_LENGTH:
        return sub->text.points >= c->n;
    case WSRT_CHECK_MAX_LENGTH:
        return sub->text.points <= c->n;
    case WSRT_CHECK_MIN_BYTES:
        return decoded_length(sub, 0) >= c->n;
    case WSRT_CHECK_MAX_BYTES:
        return decoded_length(sub, 0) <= c->n;
    case WSRT_CHECK_MIN_UTF16:
        return decoded_length(sub, 1) >= c->n;
    case WSRT_CHECK_MAX_UTF16:
        return decoded_length(sub, 1) <= c->n;
    case WSRT_CHECK_CLASS:
        return class_holds(r, c->a, sub);
    case WSRT_CHECK_REGEX:
        return regex_holds(r, c, sub);
    case WSRT_CHECK_FORMAT:
        return wsrt_format_match(c->a, sub->start + 1, sub->end - 1);
    default:
        return 1;
    }
}

static int number_holds(const struct wsrt_run *r, const struct wsrt_check *c,
                        const struct wsrt_subject *sub)
{
    struct wsrt_exact value = number_of(sub);
    struct wsrt_exact bound = wsrt_exact_read((const unsigned char *)text_at(r, c->limit), c->b);

    if (c->kind == WSRT_CHECK_MULTIPLE_OF)
        return wsrt_exact_is_multiple(&value, &bound);
    int order = wsrt_exact_compare(&value, &bound);
    switch (c->kind) {
    case WSRT_CHECK_MINIMUM:
        return order >= 0;
    case WSRT_CHECK_EXCLUSIVE_MINIMUM:
        return order > 0;
    case WSRT_CHECK_MAXIMUM:
        return order <= 0;
    default:
        return order < 0;
    }
}

static int was_seen(const struct wsrt_subject *sub, uint32_t index)
{
    return sub->counters[index >> 6] >> (index & 63) & 1;
}

static int object_holds(const struct wsrt_check *c, const struct wsrt_subject *sub)
{
    switch (c->kind) {
    case WSRT_CHECK_REQUIRED:
        return was_seen(sub, c->a);
    case WSRT_CHECK_DEPENDENT_REQUIRED:
        return !was_seen(sub, c->b) || was_seen(sub, c->a);
    case WSRT_CHECK_MIN_PROPERTIES:
        return sub->count >= c->n;
    case WSRT_CHECK_MAX_PROPERTIES:
        return sub->count <= c->n;
    default:
        return 1;
    }
}

/* ---- things that must be unique ----------------------------------------------------------- */

struct seen_value {
    uint64_t hash;
    const unsigned char *from; /* NULL = free */
    const unsigned char *end;
};

struct seen_table {
    struct seen_value *slots;
    size_t mask;
    size_t used;
};

/* All the scratch that is left, as a power of two. */
static int seen_init(const struct wsrt_run *r, struct seen_table *t, uint64_t wanted)
{
    unsigned char *from = (unsigned char *)(((uintptr_t)r->bump + 15) & ~(uintptr_t)15);
    size_t room = from < r->bump_end ? (size_t)(r->bump_end - from) / sizeof *t->slots : 0;
    size_t size = 16;

    while (size < 2 * wanted && 2 * size <= room)
        size *= 2;
    if (size > room || wanted + 1 > size)
        return 0;
    *t = (struct seen_table){(struct seen_value *)(void *)from, size - 1, 0};
    memset(t->slots, 0, size * sizeof *t->slots);
    return 1;
}

/* 1 = new, 0 = known (place in `known`), LIMITED. */
static int seen_add(struct wsrt_run *r, struct seen_table *t, const struct seen_value *v, int names,
                    const unsigned char **known)
{
    size_t at = (size_t)v->hash & t->mask;

    for (; t->slots[at].from != NULL; at = (at + 1) & t->mask) {
        const struct seen_value *o = &t->slots[at];
        if (r->work == 0)
            return LIMITED;
        r->work--;
        if (o->hash != v->hash)
            continue;
        int same = names ? wsrt_text_equal(o->from, o->end, v->from, v->end)
                         : wsrt_value_equal(o->from, (size_t)(o->end - o->from), v->from,
                                            (size_t)(v->end - v->from), &r->work);
        *known = o->from;
        if (same != 0)
            return same < 0 ? LIMITED : 0;
    }
    t->slots[at] = *v;
    return ++t->used <= t->mask ? 1 : LIMITED;
}

static int is_unique(struct wsrt_run *r, const struct wsrt_subject *sub)
{
    struct wsrt_child it = {.p = sub->start + 1};
    struct seen_table table;
    const unsigned char *known;
    struct wsrt_lex in = r->in;
    uint64_t cost = (uint64_t)(sub->end - sub->start);

    if (sub->count < 2)
        return 1;
    if (cost > r->work || !seen_init(r, &table, sub->count))
        return LIMITED;
    r->work -= cost;
    while (wsrt_child_next(&in, &it, 0)) {
        struct seen_value v = {.from = it.value, .end = it.end};
        if (wsrt_value_hash(it.value, (size_t)(it.end - it.value), r->hash_key, &v.hash) < 0)
            return LIMITED;
        int fresh = seen_add(r, &table, &v, 0, &known);
        if (fresh != 1)
            return fresh;
    }
    return 1;
}

static int is_known(const struct wsrt_run *r, const struct wsrt_frame *f, const unsigned char *name,
                    const unsigned char *end)
{
    struct wsrt_text text = {.end = end, .flags = WSRT_TEXT_ESCAPED};

    if (f->group == NULL)
        return wsrt_name_find(r, &r->s->nodes[f->node], name, &text) != NULL;
    for (uint32_t i = 0; i < f->group->count; i++)
        if (wsrt_name_find(r, &r->s->nodes[f->group->evals[i].node], name, &text) != NULL)
            return 1;
    return 0;
}

/* Raises names that came twice though no node knows them. 0 with a fault. */
int wsrt_rules_unknown_names(struct wsrt_run *r, const struct wsrt_frame *f)
{
    struct wsrt_child it = {.p = f->start + 1};
    struct seen_table table;
    const unsigned char *known;
    struct wsrt_lex in = r->in;

    if (f->count < 2)
        return 1;
    if (!seen_init(r, &table, f->count))
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, f->start, "Too many members") != NULL;
    while (!r->dead && wsrt_child_next(&in, &it, 1)) {
        struct seen_value v = {wsrt_text_hash(it.name, it.name_end, r->hash_key), it.name,
                               it.name_end};
        int fresh = seen_add(r, &table, &v, 1, &known);
        if (fresh == LIMITED)
            return wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, f->start, "Too much work") != NULL;
        if (fresh == 0 && !is_known(r, f, it.name, it.name_end))
            wsrt_issue_duplicate(r, f->start, it.name, it.name_end);
    }
    return 1;
}

static int contains_enough(const struct wsrt_node *node, const struct wsrt_check *c,
                           const struct wsrt_subject *sub)
{
    uint64_t found = sub->counters[node->counters - node->contains_count + c->b];

    return c->issue == WSRT_ISSUE_TOO_SMALL ? found >= c->n : found <= c->n;
}

static int array_holds(struct wsrt_run *r, const struct wsrt_node *node, const struct wsrt_check *c,
                       const struct wsrt_subject *sub)
{
    switch (c->kind) {
    case WSRT_CHECK_MIN_ITEMS:
        return sub->count >= c->n;
    case WSRT_CHECK_MAX_ITEMS:
        return sub->count <= c->n;
    case WSRT_CHECK_CONTAINS:
        return contains_enough(node, c, sub);
    case WSRT_CHECK_UNIQUE_ITEMS:
        return is_unique(r, sub);
    default:
        return 1;
    }
}

/* ---- all of them -------------------------------------------------------------------------- */

static int holds(struct wsrt_run *r, const struct wsrt_node *node, const struct wsrt_check *c,
                 const struct wsrt_subject *sub)
{
    switch (c->kind) {
    case WSRT_CHECK_TYPE:
        return type_holds(c, sub);
    case WSRT_CHECK_FALSE:
        return 0;
    case WSRT_CHECK_ENUM:
    case WSRT_CHECK_CONST:
        return is_listed(r, c, sub);
    default:
        break;
    }
    switch (sub->kind) {
    case WSRT_JSON_STRING:
        return c->kind >= WSRT_CHECK_MIN_LENGTH && c->kind <= WSRT_CHECK_FORMAT
                   ? string_holds(r, c, sub)
                   : 1;
    case WSRT_JSON_NUMBER:
        return c->kind >= WSRT_CHECK_MINIMUM && c->kind <= WSRT_CHECK_MULTIPLE_OF
                   ? number_holds(r, c, sub)
                   : 1;
    case WSRT_JSON_OBJECT:
        return object_holds(c, sub);
    case WSRT_JSON_ARRAY:
        return array_holds(r, node, c, sub);
    default:
        return 1;
    }
}

static void raise_rule(struct wsrt_run *r, const struct wsrt_node *node, const struct wsrt_check *c,
                       const struct wsrt_subject *sub)
{
    int missing = c->kind == WSRT_CHECK_REQUIRED || c->kind == WSRT_CHECK_DEPENDENT_REQUIRED;
    wsrt_issue *issue =
        wsrt_issue_raise(r, c, missing ? WSRT_JSON_NONE : sub->kind, sub->start, sub->end);

    if (issue != NULL && missing) {
        const struct wsrt_prop *name = &r->s->props[node->names + c->a];
        issue->member = (wsrt_span){text_at(r, name->name), name->len};
    }
}

int wsrt_rules_hold(struct wsrt_run *r, const struct wsrt_node *node, int loud,
                    const struct wsrt_subject *sub)
{
    int out = 1;

    for (uint32_t i = 0; i < node->check_count && !r->dead; i++) {
        const struct wsrt_check *c = &r->s->checks[node->checks + i];
        int ok = holds(r, node, c, sub);
        if (ok > 0)
            continue;
        if (ok < 0) {
            wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, sub->start, "Too much work or scratch");
            return 0;
        }
        out = 0;
        if (!loud)
            return 0;
        raise_rule(r, node, c, sub);
    }
    return out;
}

int wsrt_rules_match_name(struct wsrt_run *r, const struct wsrt_check *pattern,
                          const unsigned char *name, const unsigned char *end)
{
    struct wsrt_subject sub = {.start = name - 1, .end = end + 1, .kind = WSRT_JSON_STRING};

    int matches = pattern->kind == WSRT_CHECK_FALSE ? 1 : string_holds(r, pattern, &sub);
    if (matches < 0)
        wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, name, "Too much work");
    return matches > 0;
}

void wsrt_rules_slot(struct wsrt_run *r, const struct wsrt_node *node,
                     const struct wsrt_subject *sub)
{
    if (node->slot >= r->v->slot_cap)
        return;
    wsrt_slot *slot = &r->v->slots[node->slot];
    if (sub->kind == WSRT_JSON_STRING) {
        wsrt_slot_put(slot, sub->start + 1, sub->end - 1, sub->text.flags);
        return;
    }
    slot->text = (wsrt_span){(const char *)sub->start, (size_t)(sub->end - sub->start)};
    slot->kind = sub->kind;
    slot->flags = WSRT_SLOT_PRESENT;
}
