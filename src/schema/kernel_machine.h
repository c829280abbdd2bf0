/* The part of a kernel that passes over a message. The file that includes it has read kernel_text.h. */
#include "schema/machine.h"
#include "schema/names.h"

enum place { AT_MEMBER, AT_VALUE, BEHIND_VALUE, BEHIND_ALL };

/* ---- strings ------------------------------------------------------------------------------ */

/* Where the word of the node that starts at `p` ends, its quote; NULL when none does. */
static inline const unsigned char *word_end(const struct wsrt_run *r, const struct wsrt_quick *q,
                                            const unsigned char *p)
{
    const struct wsrt_schema *s = r->s;
    const struct wsrt_word *w = s->words + q->words, *end = w + q->word_count;
    uint64_t head = wsrt_word_head(&r->in, p);

    for (; w < end; w++)
        if (wsrt_word_is(s, &r->in, w, p, head))
            return p + w->len;
    return NULL;
}

/* A string in need of the whole scan, from behind its quote: as glance(). */
static const unsigned char *long_glance(struct wsrt_run *r, const struct wsrt_quick *q,
                                        const unsigned char *p)
{
    const struct wsrt_class *class = q->flags & WSRT_QUICK_CLASS ? &r->s->classes[q->class] : NULL;
    struct wsrt_text t;

    if (text(&r->in, p, class, &t) == NULL || t.points < q->least || t.points > q->most ||
        (class != NULL && (t.flags & WSRT_TEXT_OUTSIDE)))
        return NULL;
    if (q->slot < r->v->slot_cap)
        wsrt_slot_put(&r->v->slots[q->slot], p, t.end, t.flags);
    return t.end + 1;
}

/* Where the plain ASCII at `p` ends, or what of it is in the class. */
static inline const unsigned char *brief_end(const struct wsrt_run *r, const struct wsrt_quick *q,
                                             const unsigned char *p, uint32_t *flags)
{
    const struct wsrt_class *class = q->flags & WSRT_QUICK_CLASS ? &r->s->classes[q->class] : NULL;
    size_t len = first_stop(&r->in, p, class);
    const unsigned char *end = len <= LONGEST_NAME ? p + len : plain(&r->in, p, class, flags);

    return end < r->in.end ? end : r->in.end;
}

/* Reads the string at `p`. The byte behind it when it is valid at a glance, and its slot is set then;
 * otherwise NULL, and the string wants a closer look. */
__attribute__((always_inline)) static inline const unsigned char *
glance(struct wsrt_run *r, const struct wsrt_quick *q, const unsigned char *p)
{
    const unsigned char *end = NULL;
    uint32_t flags = 0;

    p++;
    if (q->flags & WSRT_QUICK_BRIEF) {
        end = brief_end(r, q, p, &flags);
        if (end == r->in.end || flags != 0)
            return NULL;
        if (*end != '"')
            return *end == '\\' || *end >= 0x80 ? long_glance(r, q, p) : NULL;
        if ((size_t)(end - p) < q->least || (size_t)(end - p) > q->most)
            return NULL;
    } else if (q->flags & WSRT_QUICK_WORDS) {
        end = word_end(r, q, p);
    }
    if (end == NULL)
        return NULL;
    if (q->slot < r->v->slot_cap)
        wsrt_slot_put(&r->v->slots[q->slot], p, end, 0);
    return end + 1;
}

static inline const unsigned char *take_string(struct wsrt_machine *m, const unsigned char *p)
{
    struct wsrt_run *r = m->r;
    const struct wsrt_quick *q = &r->s->quick[m->node];
    const unsigned char *end = m->group == NULL ? glance(r, q, p) : NULL;

    if (end != NULL)
        return end;
    r->in.code = 0; /* a fault is met again */
    struct wsrt_subject sub = {.start = p, .kind = WSRT_JSON_STRING};
    sub.end = text(&r->in, p + 1, NULL, &sub.text);
    return sub.end != NULL && wsrt_machine_finish(m, &sub) ? sub.end : NULL;
}

static const unsigned char *take_scalar(struct wsrt_machine *m, const unsigned char *p)
{
    struct wsrt_subject sub = {.start = p};

    if (p >= m->r->in.end)
        return wsrt_lex_no_value(&m->r->in, p);
    if (*p == '"')
        return take_string(m, p);
    sub.kind = wsrt_lex_kind(*p);
    sub.end =
        sub.kind == WSRT_JSON_NUMBER ? wsrt_lex_number(&m->r->in, p) : wsrt_lex_word(&m->r->in, p);
    if (sub.end == NULL)
        return NULL;
    return wsrt_machine_finish(m, &sub) ? sub.end : NULL;
}

/* ---- containers --------------------------------------------------------------------------- */

static inline int choose_lane(struct wsrt_machine *m, const unsigned char *p)
{
    const struct wsrt_node *nodes = m->r->s->nodes;

    m->tag = NULL;
    if (m->group != NULL || p >= m->r->in.end)
        return 1;
    if (*p == '{' && (nodes[m->node].flags & WSRT_NODE_SWITCH)) {
        m->tag = wsrt_name_tag_at_once(m->r, m->node, p, &m->tag_at);
        if (m->tag != NULL)
            m->node = m->r->s->literals[m->tag - m->r->s->words].node;
    }
    if ((nodes[m->node].flags & (WSRT_NODE_SWITCH | WSRT_NODE_SETS)) == 0)
        return 1;
    return wsrt_machine_lane(m, p);
}

static inline int open_frame(struct wsrt_machine *m, const unsigned char *p)
{
    struct wsrt_run *r = m->r;

    if (m->depth >= r->in.max_depth)
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_JSON_DEPTH, p, "Nested too deeply") != NULL;
    struct wsrt_frame *f = wsrt_run_alloc(r, sizeof *f);
    if (f == NULL)
        return 0;
    /* One by one: two of these were just written, and to read them as a pair would have to wait. */
    f->up = m->top;
    f->start = p;
    f->seen = f->count = 0;
    f->node = m->node;
    f->is_object = *p == '{';
    f->group = m->group;
    m->top = f;
    m->depth++;
    return f->group == NULL || wsrt_group_open(r, f->group);
}

/* Ends the frame on top if no more than its names count; 0 when it needs a closer look. */
static inline int close_at_once(struct wsrt_machine *m)
{
    struct wsrt_frame *f = m->top;
    const struct wsrt_quick *q = &m->r->s->quick[f->node];
    uint32_t flag = f->is_object ? WSRT_QUICK_OBJECT : WSRT_QUICK_ARRAY;
    uint64_t missing = f->is_object ? q->required & ~f->seen : 0;

    if (f->group != NULL || m->no_skip || (q->flags & flag) == 0 || missing != 0)
        return 0;
    m->top = f->up;
    m->depth--;
    m->r->bump = (unsigned char *)f;
    return 1;
}

static inline int close_frame(struct wsrt_machine *m, const unsigned char *end)
{
    return close_at_once(m) || wsrt_machine_close(m, end);
}

/* What is asked of a member; simple lane. */
static inline void aim_simply(struct wsrt_machine *m, const unsigned char *name,
                              const struct wsrt_text *text)
{
    struct wsrt_frame *f = m->top;
    const struct wsrt_node *node = &m->r->s->nodes[f->node];
    const struct wsrt_prop *p = wsrt_name_find(m->r, node, name, text);

    m->node = node->other;
    if (p == NULL)
        return;
    uint64_t bit = (uint64_t)1 << (p->index & 63);
    if ((f->seen & bit) && !m->r->dead)
        wsrt_issue_duplicate(m->r, f->start, name, text->end);
    f->seen |= bit;
    m->node = p->child;
}

static inline int aim(struct wsrt_machine *m, const unsigned char *name,
                      const struct wsrt_text *text, const unsigned char *value)
{
    struct wsrt_frame *f = m->top;
    const struct wsrt_node *node = &m->r->s->nodes[f->node];

    m->group = NULL;
    m->node = WSRT_NODE_ANY;
    if (m->r->dead)
        return 1;
    if (f->group != NULL)
        return wsrt_machine_aim(m, name, text, value);
    if (f->is_object)
        aim_simply(m, name, text);
    else
        m->node =
            f->count < node->prefix_count ? m->r->s->index[node->prefix + f->count] : node->items;
    return 1;
}

/* The known name of len bytes at `p`, or NULL. */
static inline const struct wsrt_prop *
known_name(const struct wsrt_run *r, const struct wsrt_quick *q, const unsigned char *p, size_t len)
{
    const struct wsrt_schema *s = r->s;
    uint64_t head = first_eight(&r->in, p, len);
    const uint32_t *slots = s->hash + q->names;
    uint32_t at = (uint32_t)(wsrt_name_spread(head, len) >> q->name_shift);

    if (q->name_mask == 0)
        return NULL;
    for (; slots[at] != WSRT_NONE; at = (at + 1) & q->name_mask) {
        const struct wsrt_prop *known = &s->props[slots[at]];
        if (known->head == head && known->len == len &&
            (len <= 8 || wsrt_name_tail_equal(p, s->text + known->name, len)))
            return known;
    }
    return NULL;
}

static inline int is_simple_object(const struct wsrt_frame *f)
{
    return f != NULL && f->is_object && f->group == NULL;
}

/* Opens the object at `p` when it has a member and takes the simple lane: the place of the member, or
 * NULL for a closer look. */
static inline const unsigned char *open_at_once(struct wsrt_machine *m, const unsigned char *p)
{
    const unsigned char *first = wsrt_lex_space(p + 1, m->r->in.end);

    if (*p != '{' || (m->r->s->quick[m->node].flags & WSRT_QUICK_ENTER) == 0 ||
        first >= m->r->in.end || *first != '"')
        return NULL;
    return open_frame(m, p) ? first : NULL;
}

/* What member_at() leaves: names with spaces behind them, long ones, one of many. The first byte of the
 * value, or NULL for a closer look. */
static const unsigned char *hashed_member(const struct wsrt_run *r, const struct wsrt_quick *q,
                                          const unsigned char *p, struct wsrt_member *out)
{
    const unsigned char *end = r->in.end;
    size_t len = p < end && *p == '"' ? name_end(&r->in, p + 1) : LONGEST_NAME + 1;

    if (len > LONGEST_NAME || p + len + 1 >= end || p[len + 1] != '"')
        return NULL;
    const struct wsrt_prop *known = known_name(r, q, p + 1, len);
    p = wsrt_lex_space(p + len + 2, end);
    if (known == NULL || p >= end || *p != ':')
        return NULL;
    out->bit = (uint64_t)1 << (known->index & 63);
    out->child = known->child;
    return wsrt_lex_space(p + 1, end);
}

/* The pass over members, with what changes at every step in reach. */
struct pass {
    struct wsrt_frame *f; /* its `seen` and `count` are kept here meanwhile */
    const struct wsrt_quick *q;
    const unsigned char *end;
    uint64_t seen;
    uint64_t count;
};

static inline void pass_take(struct pass *s, const struct wsrt_machine *m)
{
    s->f = m->top;
    s->q = &m->r->s->quick[s->f->node];
    s->seen = s->f->seen;
    s->count = s->f->count;
}

static inline void pass_give(const struct pass *s)
{
    s->f->seen = s->seen;
    s->f->count = s->count;
}

/* From the quote of a name that is known and new to its value; NULL for a closer look. */
static inline const unsigned char *pass_name(struct wsrt_machine *m, struct pass *s,
                                             const unsigned char *p)
{
    const struct wsrt_member *known = wsrt_member_at(m->r->s, s->q, &m->r->in, p);
    struct wsrt_member other;

    if (known != NULL) {
        p = wsrt_lex_space(p + known->len, s->end);
    } else {
        known = &other;
        p = hashed_member(m->r, s->q, p, &other);
    }
    if (p == NULL || p >= s->end || (s->seen & known->bit))
        return NULL;
    s->seen |= known->bit;
    s->count++;
    m->node = known->child;
    return p;
}

/* Behind a value: over a comma and over the ends of objects, as far as no closer look is needed. */
static inline enum place pass_ends(struct wsrt_machine *m, struct pass *s, const unsigned char **at)
{
    const unsigned char *p = *at;

    for (;;) {
        *at = p = wsrt_lex_space(p, s->end);
        if (p < s->end && *p == ',') {
            *at = wsrt_lex_space(p + 1, s->end);
            return AT_MEMBER;
        }
        if (p >= s->end || *p != '}' || m->no_skip || (s->q->flags & WSRT_QUICK_OBJECT) == 0 ||
            (s->q->required & ~s->seen) != 0)
            return BEHIND_VALUE;
        m->top = s->f->up;
        m->depth--;
        m->r->bump = (unsigned char *)s->f;
        *at = ++p;
        if (!is_simple_object(m->top)) {
            s->f = NULL;
            return BEHIND_VALUE;
        }
        pass_take(s, m);
    }
}

/* Passes over what needs no closer look, from a member of a simple object on: names that are known and
 * new, values that are strings valid at a glance or objects of the simple lane. A fault on the way is
 * met again by the closer look. */
static enum place pass_members(struct wsrt_machine *m, const unsigned char **at)
{
    struct pass s = {.end = m->r->in.end};
    const unsigned char *p = *at;
    enum place place = AT_MEMBER;

    m->group = NULL;
    pass_take(&s, m);
    while (place == AT_MEMBER) {
        *at = p;
        p = pass_name(m, &s, p);
        if (p == NULL)
            break;
        *at = p;
        if (*p == '"') {
            p = glance(m->r, &m->r->s->quick[m->node], p);
            place = p == NULL ? AT_VALUE : pass_ends(m, &s, &p);
        } else {
            pass_give(&s);
            p = open_at_once(m, p);
            place = p == NULL ? AT_VALUE : AT_MEMBER;
            pass_take(&s, m);
        }
    }
    if (place == BEHIND_VALUE)
        *at = p;
    if (s.f != NULL)
        pass_give(&s);
    return place;
}

/* From the first byte of a member or element to the first byte of its value. */
static inline const unsigned char *next_child(struct wsrt_machine *m, const unsigned char *p)
{
    struct wsrt_text text = {0};
    const unsigned char *name = NULL;

    if (m->top->is_object) {
        name = p + 1;
        p = member_name(&m->r->in, p, &text);
        if (p == NULL)
            return NULL;
    }
    if (!aim(m, name, &text, p))
        return NULL;
    m->top->count++;
    return p;
}

/* The same as far as members need a closer look; otherwise to another place. */
static inline const unsigned char *next_closer(struct wsrt_machine *m, const unsigned char *p,
                                               enum place *place)
{
    *place = AT_MEMBER;
    if (is_simple_object(m->top) && !m->r->dead)
        *place = pass_members(m, &p);
    if (*place != AT_MEMBER)
        return p;
    *place = AT_VALUE;
    return next_child(m, p);
}

/* Behind a value: on to the next that needs a closer look, or to the end. NULL with a fault. */
static inline const unsigned char *after_value(struct wsrt_machine *m, const unsigned char *p,
                                               enum place *place)
{
    struct wsrt_lex *in = &m->r->in;

    while (m->top != NULL) {
        unsigned char close = m->top->is_object ? '}' : ']';
        p = wsrt_lex_space(p, in->end);
        if (p < in->end && *p == ',') {
            p = next_closer(m, wsrt_lex_space(p + 1, in->end), place);
            if (*place == AT_VALUE)
                return p;
            continue;
        }
        if (p >= in->end || *p != close)
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p,
                                  m->top->is_object ? "Expected a comma or }"
                                                    : "Expected a comma or ]");
        p++;
        if (!close_frame(m, p))
            return NULL;
    }
    *place = BEHIND_ALL;
    return p;
}

/* Behind the tag of the object just opened, which was valid as it was met. */
static inline const unsigned char *pass_tag(struct wsrt_machine *m)
{
    const struct wsrt_word *tag = m->tag;
    const unsigned char *end = m->tag_at + tag->len;

    m->top->seen = tag->bit;
    m->top->count = 1;
    if (tag->slot < m->r->v->slot_cap)
        wsrt_slot_put(&m->r->v->slots[tag->slot], m->tag_at, end, 0);
    return end + 1;
}

/* Into the container at `p`. */
static inline const unsigned char *enter(struct wsrt_machine *m, const unsigned char *p,
                                         enum place *place)
{
    unsigned char close = *p == '{' ? '}' : ']';

    if (!open_frame(m, p))
        return NULL;
    if (m->tag != NULL && m->tag->bit != 0)
        return pass_tag(m);
    p = wsrt_lex_space(p + 1, m->r->in.end);
    if (p >= m->r->in.end || *p != close)
        return next_closer(m, p, place);
    return close_frame(m, p + 1) ? p + 1 : NULL;
}

static const unsigned char *value(struct wsrt_run *r, const unsigned char *p, uint32_t node)
{
    struct wsrt_machine m = {.r = r, .node = node};
    enum place place = AT_VALUE;

    m.no_skip = (r->flags & WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES) != 0;
    while (p != NULL && place != BEHIND_ALL) {
        int container = p < r->in.end && (*p == '{' || *p == '[');
        place = BEHIND_VALUE;
        if (m.group == NULL && (r->dead || (m.node == WSRT_NODE_ANY && !(m.no_skip && container))))
            p = skip(&r->in, p, m.depth);
        else if (!choose_lane(&m, p))
            return NULL;
        else if (container)
            p = enter(&m, p, &place);
        else
            p = take_scalar(&m, p);
        if (p != NULL && place == BEHIND_VALUE)
            p = after_value(&m, p, &place);
    }
    return p;
}
