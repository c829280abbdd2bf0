/* Member names and what hangs on them. */
#include "schema/names.h"

int wsrt_name_equals(const unsigned char *raw, const unsigned char *end, const char *name,
                     size_t len)
{
    unsigned char bytes[4];
    int32_t point;

    if (memchr(raw, '\\', (size_t)(end - raw)) == NULL)
        return (size_t)(end - raw) == len && memcmp(raw, name, len) == 0;
    while ((point = wsrt_lex_point(&raw, end)) >= 0) {
        size_t n = wsrt_lex_encode(bytes, (uint32_t)point);
        if (n > len || memcmp(bytes, name, n) != 0)
            return 0;
        name += n;
        len -= n;
    }
    return len == 0;
}

static const struct wsrt_prop *find_escaped(const struct wsrt_run *r, const struct wsrt_node *node,
                                            const unsigned char *name, const unsigned char *end)
{
    for (uint32_t i = 0; i < node->known; i++) {
        const struct wsrt_prop *p = &r->s->props[node->names + i];
        if (wsrt_name_equals(name, end, r->s->text + p->name, p->len))
            return p;
    }
    return NULL;
}

const struct wsrt_prop *wsrt_name_find(const struct wsrt_run *r, const struct wsrt_node *node,
                                       const unsigned char *name, const struct wsrt_text *text)
{
    if (text->flags & WSRT_TEXT_ESCAPED)
        return find_escaped(r, node, name, text->end);
    return wsrt_name_look_up(r, &r->s->quick[node - r->s->nodes], name, (size_t)(text->end - name));
}

/* Reads the name at `p` (its quote); the first byte of the value, or NULL. */
static const unsigned char *read_name(struct wsrt_lex *in, const unsigned char *p,
                                      struct wsrt_text *name)
{
    if (p >= in->end || *p != '"')
        return NULL;
    p = wsrt_lex_text(in, p + 1, NULL, name);
    if (p == NULL)
        return NULL;
    p = wsrt_lex_space(p, in->end);
    return p < in->end && *p == ':' ? wsrt_lex_space(p + 1, in->end) : NULL;
}

static int charge(struct wsrt_run *r, uint64_t cost, const unsigned char *at)
{
    if (cost > r->work)
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_LIMIT, at, "Too much work") != NULL;
    r->work -= cost;
    return 1;
}

/* The value of the tag in the object at `p`, or NULL when it has none or breaks before it: the main
 * pass meets the same break again and reports it. Charges the bytes it had to skip. */
static const unsigned char *find_tag(struct wsrt_run *r, const struct wsrt_switch *s,
                                     const unsigned char *p)
{
    struct wsrt_lex in = r->in;
    struct wsrt_text name;
    const char *want = r->s->text + s->prop;
    const unsigned char *from = p;

    for (p = wsrt_lex_space(p + 1, in.end);; p = wsrt_lex_space(p + 1, in.end)) {
        const unsigned char *key = p + 1, *value = read_name(&in, p, &name);
        if (value == NULL || value >= in.end)
            return NULL;
        if (wsrt_name_equals(key, name.end, want, s->len)) {
            return charge(r, (uint64_t)(p - from), from) ? value : NULL;
        }
        p = wsrt_lex_skip(&in, value, 0);
        p = p == NULL ? NULL : wsrt_lex_space(p, in.end);
        if (p == NULL || p >= in.end || *p != ',') {
            charge(r, (uint64_t)(value - from), from);
            return NULL;
        }
    }
}

static uint32_t by_tag(const struct wsrt_run *r, const struct wsrt_switch *s,
                       const unsigned char *from, const unsigned char *end)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct wsrt_literal *l = &r->s->literals[s->first + i];
        if (wsrt_name_equals(from, end, r->s->text + l->text, l->len))
            return l->node;
    }
    return WSRT_NONE;
}

/* An unknown tag is named at its value, a missing one at the object. */
static void raise_switch(struct wsrt_run *r, const struct wsrt_switch *s,
                         const unsigned char *object, const unsigned char *value,
                         const unsigned char *end)
{
    if (value != NULL) {
        wsrt_issue_raise(r, &r->s->checks[s->unknown_check], wsrt_lex_kind(*value), value, end);
        return;
    }
    wsrt_issue *issue =
        wsrt_issue_raise(r, &r->s->checks[s->missing_check], WSRT_JSON_NONE, object, NULL);
    if (issue != NULL)
        issue->member = (wsrt_span){r->s->text + s->prop, s->len};
}

uint32_t wsrt_name_switch(struct wsrt_run *r, uint32_t node, const unsigned char *p, int loud,
                          int *failed)
{
    while (r->in.code == 0 && (r->s->nodes[node].flags & WSRT_NODE_SWITCH)) {
        const struct wsrt_switch *s = &r->s->switches[r->s->nodes[node].tag];
        const unsigned char *value = find_tag(r, s, p), *end = value;
        struct wsrt_lex in = r->in;
        struct wsrt_text text = {0};
        uint32_t to = WSRT_NONE, check = value == NULL ? s->missing_check : s->unknown_check;

        if (value != NULL && *value == '"' &&
            (end = wsrt_lex_text(&in, value + 1, NULL, &text)) != NULL)
            to = by_tag(r, s, value + 1, text.end);
        else if (value != NULL)
            end = wsrt_lex_skip(&in, value, 0);
        node = to != WSRT_NONE ? to : value == NULL ? s->missing : s->other;
        if (to != WSRT_NONE || check == WSRT_NONE || (value != NULL && end == NULL))
            continue;
        *failed = 1;
        if (loud)
            raise_switch(r, s, p, value, end);
    }
    return node;
}
