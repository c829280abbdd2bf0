/* Nodes in the making. */
#ifndef WSRT_SRC_SCHEMA_NODES_H
#define WSRT_SRC_SCHEMA_NODES_H

#include "schema/compile.h"

struct wsrt_build {
    struct wsrt_compiler *c;
    struct wsrt_set set;
    struct wsrt_node node;
};

/* ---- sets.c */
/* 1 = new, 0 = known, or an error. */
int wsrt_set_insert(struct wsrt_compiler *c, struct wsrt_set *set, uint32_t id);
/* Adds a source and all that holds with it; NULL adds nothing. */
int wsrt_set_add(struct wsrt_compiler *c, struct wsrt_set *set, const struct wsrt_source *s);
struct wsrt_atom *wsrt_atom_at(const struct wsrt_compiler *c, uint32_t id);
int wsrt_source_is_trivial(const struct wsrt_source *s); /* but for what it combines */
/* The node of a set; built later when it is new. */
int wsrt_node_of(struct wsrt_compiler *c, const struct wsrt_set *set, uint32_t *out);
int wsrt_node_of_source(struct wsrt_compiler *c, const struct wsrt_source *s, uint32_t *out);
/* The i-th source of the set, or NULL where a union stands. */
struct wsrt_source *wsrt_build_source(const struct wsrt_build *b, uint32_t i);
uint16_t wsrt_types_both(uint32_t a, uint32_t b);
uint32_t wsrt_table_count(const struct wsrt_compiler *c, int table);

/* ---- conflicts.c */
/* Warns of rules of a set that no value can fulfil together. */
void wsrt_conflicts_find(const struct wsrt_build *b);

/* ---- switches.c */
/* The first union of the set that one member's value decides, and that name; NULL = none. */
const struct wsrt_union *wsrt_switch_find(const struct wsrt_build *b, wsrt_span *name);
int wsrt_switch_build(struct wsrt_build *b, const struct wsrt_union *u, wsrt_span name);
/* A value that is no object fails the union as a whole. */
int wsrt_switch_demand_object(struct wsrt_build *b, const struct wsrt_union *u);

#endif
