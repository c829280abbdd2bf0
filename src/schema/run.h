/* One validation at work. The simple lane carries one node that must hold; the general lane carries
 * a group of active nodes and lets results travel to the nodes that asked for them. */
#ifndef WSRT_SRC_SCHEMA_RUN_H
#define WSRT_SRC_SCHEMA_RUN_H

#include "schema/quick.h"

enum { WSRT_ISSUE_REPLACE = 1 }; /* in wsrt_issue.flags until the answer is complete */

/* A node being judged against one value. */
struct wsrt_eval {
    uint32_t node; /* what it became by its switches */
    uint32_t want; /* as it was asked for */
    uint32_t loud; /* its failure is the message's failure */
    uint32_t failed;
    size_t fail_at;     /* place of the first failure */
    uint64_t *counters; /* words of `seen`, then one count for each contains rule */
};

/* A result that a node of the containing value waits for. */
struct wsrt_link {
    uint32_t parent;
    uint32_t want;
    uint32_t counter; /* contains: of the parent; NONE = must hold */
};

struct wsrt_group {
    struct wsrt_group *parent; /* of the containing value; NULL = a simple frame or none */
    unsigned char *floor;      /* bump pointer to return to */
    const unsigned char *start;
    struct wsrt_eval *evals;
    struct wsrt_link *links;
    uint32_t count;
    uint32_t link_count;
};

struct wsrt_frame {
    struct wsrt_frame *up;
    struct wsrt_group *group; /* NULL = simple lane */
    const unsigned char *start;
    uint64_t seen;
    uint64_t count; /* members or elements */
    uint32_t node;
    uint32_t is_object;
};

/* A value that has ended. */
struct wsrt_subject {
    const unsigned char *start;
    const unsigned char *end;
    struct wsrt_text text;    /* strings */
    const uint64_t *counters; /* objects: seen; arrays: behind it the contains counts */
    uint64_t count;           /* members or elements */
    int kind;
};

struct wsrt_run {
    struct wsrt_lex in;
    const struct wsrt_schema *s;
    wsrt_validation *v;
    uint32_t flags;
    int dead;     /* rejected, and only the syntax matters from here */
    int rejected; /* a rule failed */
    uint64_t work;
    uint64_t hash_key;
    unsigned char *bump;
    unsigned char *bump_end;
};

/* ---- rules.c */
/* Judges a value by a node's own rules; raises when `loud`. 1 = it holds. A limit faults `in`. */
int wsrt_rules_hold(struct wsrt_run *r, const struct wsrt_node *node, int loud,
                    const struct wsrt_subject *sub);
int wsrt_rules_match_name(struct wsrt_run *r, const struct wsrt_check *pattern,
                          const unsigned char *name, const unsigned char *end);
void wsrt_rules_slot(struct wsrt_run *r, const struct wsrt_node *node,
                     const struct wsrt_subject *sub);
int wsrt_rules_unknown_names(struct wsrt_run *r, const struct wsrt_frame *f);

/* ---- issue.c */
wsrt_issue *wsrt_issue_raise(struct wsrt_run *r, const struct wsrt_check *check, int got,
                             const unsigned char *from, const unsigned char *to);
void wsrt_issue_duplicate(struct wsrt_run *r, const unsigned char *object,
                          const unsigned char *name, const unsigned char *end);

/* ---- names.c */
const struct wsrt_prop *wsrt_name_find(const struct wsrt_run *r, const struct wsrt_node *node,
                                       const unsigned char *name, const struct wsrt_text *text);
int wsrt_name_equals(const unsigned char *raw, const unsigned char *end, const char *name,
                     size_t len);
/* What an object at `p` becomes by its tags; raises what the switch says when `loud`. */
uint32_t wsrt_name_switch(struct wsrt_run *r, uint32_t node, const unsigned char *p, int loud,
                          int *failed);

/* ---- group.c */
void *wsrt_run_no_room(struct wsrt_run *r);
struct wsrt_group *wsrt_group_new(struct wsrt_run *r, struct wsrt_group *parent,
                                  const unsigned char *start);
int wsrt_group_add(struct wsrt_run *r, struct wsrt_group *g, uint32_t node, int loud);
/* Adds the nodes that work in place; `p` is the value's first byte. 0 with a fault. */
int wsrt_group_complete(struct wsrt_run *r, struct wsrt_group *g, const unsigned char *p);
int wsrt_group_open(struct wsrt_run *r, struct wsrt_group *g);
/* The group of a member or element of `f`, or NULL when nothing is asked of it. */
struct wsrt_group *wsrt_group_member(struct wsrt_run *r, struct wsrt_frame *f,
                                     const unsigned char *name, const struct wsrt_text *text,
                                     const unsigned char *value);
struct wsrt_group *wsrt_group_element(struct wsrt_run *r, struct wsrt_frame *f,
                                      const unsigned char *value);
void wsrt_group_finish(struct wsrt_run *r, struct wsrt_group *g, struct wsrt_subject *sub);
size_t wsrt_group_size(const struct wsrt_image *image);

/* ---- machine.c */
/* Judges the value at `p` by `node`; the byte behind it, or NULL with a fault. */
const unsigned char *wsrt_run_value(struct wsrt_run *r, const unsigned char *p, uint32_t node);

/* ---- steps taken too often for a call */
static inline void *wsrt_run_alloc(struct wsrt_run *r, size_t size)
{
    unsigned char *out = r->bump;

    size = (size + 15) & ~(size_t)15;
    if (size > (size_t)(r->bump_end - r->bump))
        return wsrt_run_no_room(r);
    r->bump += size;
    return out;
}

static inline void wsrt_slot_put(wsrt_slot *slot, const unsigned char *from,
                                 const unsigned char *to, uint32_t text_flags)
{
    slot->text = (wsrt_span){(const char *)from, (size_t)(to - from)};
    slot->kind = WSRT_JSON_STRING;
    slot->flags = WSRT_SLOT_PRESENT | (text_flags & WSRT_TEXT_ESCAPED ? WSRT_SLOT_ESCAPED : 0u);
}

#endif
