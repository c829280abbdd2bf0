/* Sets of sources, each once; the node of a set. */
#include "schema/nodes.h"

#include "base/hash.h"

#include <string.h>

int wsrt_set_insert(struct wsrt_compiler *c, struct wsrt_set *set, uint32_t id)
{
    uint32_t at = set->count;

    while (at > 0 && set->ids[at - 1] >= id)
        at--;
    wsrt_compile_count(c, set->count - at + 1);
    int rc = wsrt_compile_goes_on(c, NULL);
    if (rc != WSRT_OK)
        return rc;
    if (at < set->count && set->ids[at] == id)
        return 0;
    if (set->count == set->cap) {
        uint32_t cap = set->cap == 0 ? 8 : 2 * set->cap;
        uint32_t *ids = wsrt_arena_alloc(&c->arena, cap * sizeof *ids);
        if (ids == NULL)
            return WSRT_ERR_NOMEM;
        if (set->count > 0)
            memcpy(ids, set->ids, set->count * sizeof *ids);
        set->ids = ids;
        set->cap = cap;
    }
    memmove(set->ids + at + 1, set->ids + at, (set->count - at) * sizeof *set->ids);
    set->ids[at] = id;
    set->count++;
    return 1;
}

int wsrt_set_add(struct wsrt_compiler *c, struct wsrt_set *set, const struct wsrt_source *s)
{
    if (s == NULL)
        return WSRT_OK;
    int rc = wsrt_set_insert(c, set, s->atom);
    if (rc <= 0)
        return rc;
    rc = WSRT_OK;
    for (const struct wsrt_edge *e = s->all; rc == WSRT_OK && e != NULL; e = e->next)
        rc = wsrt_set_add(c, set, e->to);
    for (const struct wsrt_union *u = s->unions; rc >= 0 && u != NULL; u = u->next)
        rc = wsrt_set_insert(c, set, u->atom);
    return rc < 0 ? rc : WSRT_OK;
}

struct wsrt_atom *wsrt_atom_at(const struct wsrt_compiler *c, uint32_t id)
{
    return (struct wsrt_atom *)(void *)c->atoms.data + id;
}

int wsrt_source_is_trivial(const struct wsrt_source *s)
{
    return s->rules == NULL && s->props == NULL && s->patterns == NULL && s->other == NULL &&
           s->names == NULL && s->prefix == NULL && s->items == NULL && s->slot.ptr == NULL;
}

static int set_is_trivial(const struct wsrt_compiler *c, const struct wsrt_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct wsrt_atom *a = wsrt_atom_at(c, set->ids[i]);
        if (a->combo != NULL || !wsrt_source_is_trivial(a->source))
            return 0;
    }
    return 1;
}

static int set_table_grow(struct wsrt_compiler *c)
{
    size_t cap = c->set_cap == 0 ? 64 : 2 * c->set_cap;
    uint32_t *table = wsrt_compile_alloc(c, cap * sizeof *table);
    const struct wsrt_set *sets = (const struct wsrt_set *)(void *)c->sets.data;

    if (table == NULL)
        return WSRT_ERR_NOMEM;
    for (uint32_t i = 0; i < c->sets.count; i++) {
        uint64_t h = wsrt_hash(3, sets[i].ids, sets[i].count * sizeof *sets[i].ids);
        size_t at = (size_t)h & (cap - 1);
        while (table[at] != 0)
            at = (at + 1) & (cap - 1);
        table[at] = i + 1;
    }
    c->set_table = table;
    c->set_cap = cap;
    return WSRT_OK;
}

/* The node of a set; built later when it is new. */
int wsrt_node_of(struct wsrt_compiler *c, const struct wsrt_set *set, uint32_t *out)
{
    size_t bytes = set->count * sizeof *set->ids;

    *out = WSRT_NODE_ANY;
    if (c->sets.count > 0 && set_is_trivial(c, set))
        return WSRT_OK;
    if (2 * c->sets.count >= c->set_cap && set_table_grow(c) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    size_t at = (size_t)wsrt_hash(3, set->ids, bytes) & (c->set_cap - 1);
    for (; c->set_table[at] != 0; at = (at + 1) & (c->set_cap - 1)) {
        const struct wsrt_set *known =
            (struct wsrt_set *)(void *)c->sets.data + (c->set_table[at] - 1);
        if (known->count == set->count && memcmp(known->ids, set->ids, bytes) == 0) {
            *out = c->set_table[at] - 1;
            return WSRT_OK;
        }
    }
    if (c->sets.count >= WSRT_MOST_NODES)
        return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, NULL, "More than 65536 nodes");
    struct wsrt_set *place = wsrt_vec_push(c, &c->sets, 1, sizeof *place);
    struct wsrt_node *node = wsrt_vec_push(c, &c->tables[WSRT_TABLE_NODES], 1, sizeof *node);
    if (place == NULL || node == NULL)
        return WSRT_ERR_NOMEM;
    *place = *set;
    *out = (uint32_t)c->sets.count - 1;
    c->set_table[at] = *out + 1;
    return WSRT_OK;
}

int wsrt_node_of_source(struct wsrt_compiler *c, const struct wsrt_source *s, uint32_t *out)
{
    struct wsrt_set set = {0};
    int rc = wsrt_set_add(c, &set, s);

    return rc != WSRT_OK ? rc : wsrt_node_of(c, &set, out);
}

struct wsrt_source *wsrt_build_source(const struct wsrt_build *b, uint32_t i)
{
    return wsrt_atom_at(b->c, b->set.ids[i])->source;
}

uint16_t wsrt_types_both(uint32_t a, uint32_t b)
{
    uint32_t number = 1 << WSRT_JSON_NUMBER, out = a & b;

    if (((a & number) && (b & WSRT_TYPE_INTEGER)) || ((b & number) && (a & WSRT_TYPE_INTEGER)))
        out |= WSRT_TYPE_INTEGER;
    return (uint16_t)out;
}

uint32_t wsrt_table_count(const struct wsrt_compiler *c, int table)
{
    return (uint32_t)c->tables[table].count;
}
