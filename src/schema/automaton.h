/* From a parsed expression to a deterministic automaton over bytes or, where that would be too
 * large, to a program that simulates the states side by side. */
#ifndef WSRT_SRC_SCHEMA_AUTOMATON_H
#define WSRT_SRC_SCHEMA_AUTOMATON_H

#include "schema/pattern.h"

enum wsrt_expr_kind {
    WSRT_EXPR_SET,
    WSRT_EXPR_SEQUENCE,
    WSRT_EXPR_CHOICE,
    WSRT_EXPR_REPEAT,
    WSRT_EXPR_START,
    WSRT_EXPR_END,
    WSRT_EXPR_WORD,    /* \b */
    WSRT_EXPR_NOT_WORD /* \B */
};

struct wsrt_point_range {
    struct wsrt_point_range *next; /* ascending, apart */
    uint32_t low;
    uint32_t high;
    uint32_t place; /* of the list that begins here, in a program; 0 = not yet there */
    uint32_t reserved;
};

struct wsrt_expr {
    int kind;
    uint32_t least; /* REPEAT */
    uint32_t most;  /* NONE = unbounded */
    struct wsrt_expr *child;
    struct wsrt_expr *next; /* sibling */
    struct wsrt_point_range *ranges;
};

enum wsrt_part_kind {
    WSRT_PART_BYTES,
    WSRT_PART_SET, /* in place of bytes, in a program */
    WSRT_PART_SPLIT,
    WSRT_PART_START,
    WSRT_PART_END,
    WSRT_PART_WORD,
    WSRT_PART_NOT_WORD,
    WSRT_PART_MATCH
};

/* A state of the non-deterministic automaton. */
struct wsrt_part {
    uint32_t kind;
    uint32_t next;
    uint32_t other; /* SPLIT */
    uint32_t first; /* BYTES: its moves, ascending */
    uint32_t count;
    uint32_t reserved;
    struct wsrt_point_range *ranges; /* SET */
};

/* \w, which is ASCII. */
static inline int wsrt_is_word(uint32_t point)
{
    return point < 128 && ((point | 32) - 'a' < 26 || point - '0' < 10 || point == '_');
}

/* The automaton's words, or NULL with `why` filled; `work` as of wsrt_pattern_new(). */
uint32_t *wsrt_automaton_new(wsrt_arena *arena, const struct wsrt_expr *e, uint32_t *count,
                             uint64_t *work, struct wsrt_pattern_error *why);

/* The same as a program, whatever its size. */
uint32_t *wsrt_automaton_program(wsrt_arena *arena, const struct wsrt_expr *e, uint32_t *count,
                                 uint64_t *work, struct wsrt_pattern_error *why);

/* ---- pattern.c */
/* NULL with `why` filled. */
struct wsrt_expr *wsrt_pattern_parse(wsrt_arena *arena, wsrt_span text, uint64_t *work,
                                     struct wsrt_pattern_error *why);

/* ---- program.c */
uint32_t *wsrt_program_new(wsrt_arena *arena, struct wsrt_part *parts, uint32_t part_count,
                           uint32_t entry, uint32_t *count); /* NULL without memory */
size_t wsrt_program_check(const uint32_t *words, size_t count);
size_t wsrt_program_room(const uint32_t *words);
int wsrt_program_match(const uint32_t *words, const unsigned char *p, const unsigned char *end,
                       const struct wsrt_regex_room *room);

/* ---- automaton.c */
size_t wsrt_dfa_check(const uint32_t *words, size_t count);
int wsrt_dfa_match(const uint32_t *words, const unsigned char *p, const unsigned char *end);

#endif
