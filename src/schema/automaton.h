/* From a parsed expression to a deterministic automaton over bytes. */
#ifndef WSRT_SRC_SCHEMA_AUTOMATON_H
#define WSRT_SRC_SCHEMA_AUTOMATON_H

#include "schema/pattern.h"

enum wsrt_expr_kind {
    WSRT_EXPR_SET,
    WSRT_EXPR_SEQUENCE,
    WSRT_EXPR_CHOICE,
    WSRT_EXPR_REPEAT,
    WSRT_EXPR_START,
    WSRT_EXPR_END
};

struct wsrt_point_range {
    struct wsrt_point_range *next; /* ascending, apart */
    uint32_t low;
    uint32_t high;
};

struct wsrt_expr {
    int kind;
    uint32_t least; /* REPEAT */
    uint32_t most;  /* NONE = unbounded */
    struct wsrt_expr *child;
    struct wsrt_expr *next; /* sibling */
    struct wsrt_point_range *ranges;
};

/* The automaton's words, or NULL with `why` filled. */
uint32_t *wsrt_automaton_new(wsrt_arena *arena, const struct wsrt_expr *e, uint32_t *count,
                             struct wsrt_pattern_error *why);

#endif
