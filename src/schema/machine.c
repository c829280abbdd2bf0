/* The steps of the pass off its beaten track. */
#include "schema/machine.h"

#include "schema/kernel.h"

const unsigned char *wsrt_run_value(struct wsrt_run *r, const unsigned char *p, uint32_t node)
{
    return r->s->kernel->value(r, p, node);
}

/* A rule of the simple lane failed or held; also sets the slot. */
static void settle(struct wsrt_run *r, const struct wsrt_node *node, struct wsrt_subject *sub)
{
    if (node->flags & WSRT_NODE_CHECKS)
        wsrt_rules_hold(r, node, 1, sub);
    if (node->slot != WSRT_NONE)
        wsrt_rules_slot(r, node, sub);
}

int wsrt_machine_finish(struct wsrt_machine *m, struct wsrt_subject *sub)
{
    if (m->group != NULL) {
        if (m->r->dead)
            m->r->bump = m->group->floor;
        else
            wsrt_group_finish(m->r, m->group, sub);
    } else if (!m->r->dead) {
        settle(m->r, &m->r->s->nodes[m->node], sub);
    }
    return m->r->in.code == 0;
}

static int enter_group(struct wsrt_machine *m, const unsigned char *p)
{
    struct wsrt_group *g = wsrt_group_new(m->r, NULL, p);

    m->group = g;
    return g != NULL && wsrt_group_add(m->r, g, m->node, 1) && wsrt_group_complete(m->r, g, p);
}

int wsrt_machine_lane(struct wsrt_machine *m, const unsigned char *p)
{
    const struct wsrt_node *nodes = m->r->s->nodes;
    int failed;

    if (*p == '{' && (nodes[m->node].flags & WSRT_NODE_SWITCH))
        m->node = wsrt_name_switch(m->r, m->node, p, 1, &failed);
    if ((nodes[m->node].flags & WSRT_NODE_SETS) == 0 || m->r->dead)
        return m->r->in.code == 0;
    return m->r->in.code == 0 && enter_group(m, p);
}

int wsrt_machine_close(struct wsrt_machine *m, const unsigned char *end)
{
    struct wsrt_run *r = m->r;
    struct wsrt_frame *f = m->top;
    struct wsrt_subject sub = {.start = f->start,
                               .end = end,
                               .count = f->count,
                               .counters = &f->seen,
                               .kind = f->is_object ? WSRT_JSON_OBJECT : WSRT_JSON_ARRAY};

    if (m->no_skip && f->is_object && !r->dead && !wsrt_rules_unknown_names(r, f))
        return 0;
    m->top = f->up;
    m->depth--;
    m->node = f->node;
    m->group = f->group;
    wsrt_machine_finish(m, &sub);
    if (m->group == NULL)
        r->bump = (unsigned char *)f;
    return r->in.code == 0;
}

int wsrt_machine_aim(struct wsrt_machine *m, const unsigned char *name,
                     const struct wsrt_text *text, const unsigned char *value)
{
    struct wsrt_frame *f = m->top;

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
    m->group = g;
    return wsrt_group_complete(m->r, g, value);
}
