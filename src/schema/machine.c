/* The pass over the bytes. */
#include "schema/run.h"

#include <string.h>

/* What is asked of the value that comes next. */
struct target {
    uint32_t node;            /* simple lane */
    struct wsrt_group *group; /* general lane; wins */
};

struct machine {
    struct wsrt_run *r;
    struct wsrt_frame *top;
    struct target target;
    uint32_t depth;
    uint32_t no_skip; /* unknown names are judged, too */
};

/* A rule of the simple lane failed or held; also sets the slot. */
static inline void settle(struct wsrt_run *r, const struct wsrt_node *node,
                          struct wsrt_subject *sub)
{
    if (node->flags & WSRT_NODE_CHECKS)
        wsrt_rules_hold(r, node, 1, sub);
    if (node->slot != WSRT_NONE)
        wsrt_rules_slot(r, node, sub);
}

static void finish_value(struct machine *m, const struct target *t, struct wsrt_subject *sub)
{
    if (t->group != NULL) {
        if (m->r->dead)
            m->r->bump = t->group->floor;
        else
            wsrt_group_finish(m->r, t->group, sub);
    } else if (!m->r->dead) {
        settle(m->r, &m->r->s->nodes[t->node], sub);
    }
}

/* Strings of the simple lane: the scan itself answers length and class. */
static const unsigned char *take_string(struct machine *m, const unsigned char *p)
{
    struct wsrt_run *r = m->r;
    const struct wsrt_node *node = &r->s->nodes[m->target.node];
    struct wsrt_subject sub;
    int brief = m->target.group == NULL && (node->flags & WSRT_NODE_BRIEF) != 0;
    const struct wsrt_brief *b = &r->s->briefs[brief ? node->brief : 0];

    const unsigned char *end =
        wsrt_lex_text(&r->in, p + 1, brief && b->has_set ? &b->set : NULL, &sub.text);
    if (end == NULL)
        return NULL;
    sub.start = p;
    sub.end = end;
    sub.kind = WSRT_JSON_STRING;
    if (brief && (node->types & 1 << WSRT_JSON_STRING) && sub.text.points >= b->least &&
        sub.text.points <= b->most && !(b->has_set && (sub.text.flags & WSRT_TEXT_OUTSIDE))) {
        if (node->slot != WSRT_NONE)
            wsrt_rules_slot(r, node, &sub);
        return end;
    }
    sub.counters = NULL;
    sub.count = 0;
    finish_value(m, &m->target, &sub);
    return r->in.code != 0 ? NULL : end;
}

static const unsigned char *take_scalar(struct machine *m, const unsigned char *p)
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
    finish_value(m, &m->target, &sub);
    return m->r->in.code != 0 ? NULL : sub.end;
}

/* ---- containers --------------------------------------------------------------------------- */

static int enter_group(struct machine *m, uint32_t node, const unsigned char *p)
{
    struct wsrt_group *g = wsrt_group_new(m->r, NULL, p);

    m->target.group = g;
    return g != NULL && wsrt_group_add(m->r, g, node, 1) && wsrt_group_complete(m->r, g, p);
}

/* Settles which lane the value at `p` takes. */
static int choose_lane(struct machine *m, const unsigned char *p)
{
    const struct wsrt_node *nodes = m->r->s->nodes;
    int failed;

    if (m->target.group != NULL || p >= m->r->in.end)
        return 1;
    if (*p == '{' && (nodes[m->target.node].flags & WSRT_NODE_SWITCH))
        m->target.node = wsrt_name_switch(m->r, m->target.node, p, 1, &failed);
    if ((nodes[m->target.node].flags & WSRT_NODE_SETS) == 0 || m->r->dead)
        return m->r->in.code == 0;
    return m->r->in.code == 0 && enter_group(m, m->target.node, p);
}

static int open_frame(struct machine *m, const unsigned char *p)
{
    struct wsrt_run *r = m->r;

    if (m->depth >= r->in.max_depth)
        return wsrt_lex_fault(&r->in, WSRT_ISSUE_JSON_DEPTH, p, "Nested too deeply") != NULL;
    struct wsrt_frame *f = wsrt_run_alloc(r, sizeof *f);
    if (f == NULL)
        return 0;
    *f = (struct wsrt_frame){.up = m->top,
                             .group = m->target.group,
                             .start = p,
                             .node = m->target.node,
                             .is_object = *p == '{'};
    m->top = f;
    m->depth++;
    return f->group == NULL || wsrt_group_open(r, f->group);
}

/* Ends the container whose bracket is before `end`. */
static int close_frame(struct machine *m, const unsigned char *end)
{
    struct wsrt_run *r = m->r;
    struct wsrt_frame *f = m->top;
    struct target t = {f->node, f->group};
    struct wsrt_subject sub = {.start = f->start,
                               .end = end,
                               .count = f->count,
                               .counters = &f->seen,
                               .kind = f->is_object ? WSRT_JSON_OBJECT : WSRT_JSON_ARRAY};
    const struct wsrt_node *node = &r->s->nodes[f->node];

    if (m->no_skip && f->is_object && !r->dead && !wsrt_rules_unknown_names(r, f))
        return 0;
    m->top = f->up;
    m->depth--;
    if (f->group == NULL && node->check_count == 0 && node->slot == WSRT_NONE) {
        r->bump = (unsigned char *)f;
        return 1;
    }
    finish_value(m, &t, &sub);
    if (t.group == NULL)
        r->bump = (unsigned char *)f;
    return r->in.code == 0;
}

/* The target of a member; simple lane. */
static void aim_simply(struct machine *m, const unsigned char *name, const struct wsrt_text *text)
{
    struct wsrt_frame *f = m->top;
    const struct wsrt_node *node = &m->r->s->nodes[f->node];
    const struct wsrt_prop *p = wsrt_name_find(m->r, node, name, text);

    m->target.node = node->other;
    if (p == NULL)
        return;
    uint64_t bit = (uint64_t)1 << (p->index & 63);
    if ((f->seen & bit) && !m->r->dead)
        wsrt_issue_duplicate(m->r, f->start, name, text->end);
    f->seen |= bit;
    m->target.node = p->child;
}

static int aim(struct machine *m, const unsigned char *name, const struct wsrt_text *text,
               const unsigned char *value)
{
    struct wsrt_frame *f = m->top;

    m->target = (struct target){WSRT_NODE_ANY, NULL};
    if (m->r->dead)
        return 1;
    if (f->group == NULL && f->is_object) {
        aim_simply(m, name, text);
        return 1;
    }
    if (f->group == NULL) {
        const struct wsrt_node *node = &m->r->s->nodes[f->node];
        m->target.node =
            f->count < node->prefix_count ? m->r->s->index[node->prefix + f->count] : node->items;
        return 1;
    }
    if (value >= m->r->in.end)
        return wsrt_lex_no_value(&m->r->in, value) != NULL;
    struct wsrt_group *g = f->is_object ? wsrt_group_member(m->r, f, name, text, value)
                                        : wsrt_group_element(m->r, f, value);
    if (g == NULL)
        return 0;
    if (g->count == 0) {
        m->r->bump = g->floor;
        return 1;
    }
    m->target.group = g;
    return wsrt_group_complete(m->r, g, value);
}

/* From the first byte of a member or element to the first byte of its value. */
static const unsigned char *next_child(struct machine *m, const unsigned char *p)
{
    struct wsrt_lex *in = &m->r->in;
    struct wsrt_text text = {0};
    const unsigned char *name = NULL;

    if (m->top->is_object) {
        if (p >= in->end || *p != '"')
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p, "Expected a member name");
        name = p + 1;
        p = wsrt_lex_text(in, name, NULL, &text);
        if (p == NULL)
            return NULL;
        p = wsrt_lex_space(p, in->end);
        if (p >= in->end || *p != ':')
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p, "Expected a colon");
        p = wsrt_lex_space(p + 1, in->end);
    }
    if (!aim(m, name, &text, p))
        return NULL;
    m->top->count++;
    return p;
}

/* Behind a value: on to the next child, or up. NULL with a fault; `done` at the end. */
static const unsigned char *after_value(struct machine *m, const unsigned char *p,
                                        const struct wsrt_frame *floor, int *done)
{
    struct wsrt_lex *in = &m->r->in;

    while (m->top != floor) {
        unsigned char close = m->top->is_object ? '}' : ']';
        p = wsrt_lex_space(p, in->end);
        if (p < in->end && *p == ',')
            return next_child(m, wsrt_lex_space(p + 1, in->end));
        if (p >= in->end || *p != close)
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p,
                                  m->top->is_object ? "Expected a comma or }"
                                                    : "Expected a comma or ]");
        p++;
        if (!close_frame(m, p))
            return NULL;
    }
    *done = 1;
    return p;
}

const unsigned char *wsrt_run_value(struct wsrt_run *r, const unsigned char *p, uint32_t node)
{
    struct machine m = {.r = r, .target = {node, NULL}};
    int done = 0;

    m.no_skip = (r->flags & WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES) != 0;
    while (!done && p != NULL) {
        int container = p < r->in.end && (*p == '{' || *p == '[');
        if (m.target.group == NULL &&
            (r->dead || (m.target.node == WSRT_NODE_ANY && !(m.no_skip && container)))) {
            p = wsrt_lex_skip(&r->in, p, m.depth);
        } else if (!choose_lane(&m, p)) {
            return NULL;
        } else if (!container) {
            p = take_scalar(&m, p);
        } else {
            unsigned char close = *p == '{' ? '}' : ']';
            if (!open_frame(&m, p))
                return NULL;
            p = wsrt_lex_space(p + 1, r->in.end);
            if (p >= r->in.end || *p != close) {
                p = next_child(&m, p);
                continue;
            }
            p++;
            if (!close_frame(&m, p))
                return NULL;
        }
        if (p != NULL)
            p = after_value(&m, p, NULL, &done);
    }
    return p;
}
