/* The compiler: text -> tree (reader) -> sources, one a schema position (source, refs) -> nodes, one
 * a conjunction of sources (nodes) -> image. All of it lives in one arena; the first error sticks. */
#ifndef WSRT_SRC_SCHEMA_COMPILE_H
#define WSRT_SRC_SCHEMA_COMPILE_H

#include "schema/pattern.h"
#include "schema/reader.h"

enum { WSRT_MOST_NODES = 65536 };

struct wsrt_document {
    struct wsrt_document *next;
    wsrt_span uri; /* "" = the schema itself */
    wsrt_span text;
    struct wsrt_tree *root; /* NULL until it is reached */
};

/* A schema with an identity of its own: the root of a document or a subschema with `$id`. */
struct wsrt_resource {
    struct wsrt_resource *next;
    wsrt_span uri; /* absolute where possible, without fragment */
    struct wsrt_tree *root;
    struct wsrt_document *document;
    int draft_07;
    int lenient; /* unknown keywords are legal */
};

struct wsrt_anchor {
    struct wsrt_anchor *next;
    struct wsrt_resource *resource;
    wsrt_span name;
    struct wsrt_tree *target;
};

/* A check before it has a place. */
struct wsrt_rule {
    struct wsrt_rule *next;
    uint32_t kind;
    uint32_t issue;
    const char *keyword_cstr;
    wsrt_span text; /* custom; ptr NULL = default */
    wsrt_span limit;
    uint64_t n;
    uint32_t bits;                /* types, format */
    struct wsrt_tree *value;      /* const, enum, names */
    struct wsrt_pattern *pattern; /* CLASS, REGEX */
    struct wsrt_source *child;    /* contains */
    uint64_t least;               /* contains */
    int warned;
};

struct wsrt_named {
    struct wsrt_named *next;
    wsrt_span name;
    struct wsrt_source *child; /* NULL = the name is known, no more */
    struct wsrt_pattern *pattern;
};

struct wsrt_edge {
    struct wsrt_edge *next;
    struct wsrt_source *to;
};

/* anyOf, oneOf, not, if or one dependentSchemas entry. */
struct wsrt_union {
    struct wsrt_union *next;
    uint32_t atom;
    uint32_t kind; /* wsrt_combo_kind */
    struct wsrt_source *owner;
    struct wsrt_rule *rule;
    struct wsrt_edge *branches; /* if: condition, then, else (NULL `to` = true) */
    wsrt_span name;             /* dependentSchemas */
};

struct wsrt_source {
    uint32_t atom;
    uint32_t types;
    struct wsrt_tree *tree;
    struct wsrt_resource *base;
    struct wsrt_tree *message; /* errorMessage */
    wsrt_span inherited;       /* text given by an enclosing errorMessage; ptr NULL = none */
    wsrt_span slot;            /* ptr NULL = none */
    struct wsrt_rule *rules;   /* by kind */
    struct wsrt_named *props;  /* also names of required and dependent*, without child */
    struct wsrt_named *patterns;
    struct wsrt_source *other; /* additionalProperties */
    struct wsrt_source *names; /* propertyNames */
    struct wsrt_rule *names_rule;
    struct wsrt_edge *prefix;
    struct wsrt_source *items;
    struct wsrt_edge *all; /* allOf, $ref */
    struct wsrt_union *unions;
    int state; /* of the walk for cycles */
};

struct wsrt_pending_ref {
    struct wsrt_pending_ref *next;
    struct wsrt_source *from;
    struct wsrt_tree *ref;
};

struct wsrt_atom {
    struct wsrt_source *source; /* one of the two */
    struct wsrt_union *combo;
};

/* Atoms in ascending order. */
struct wsrt_set {
    uint32_t *ids;
    uint32_t count;
    uint32_t cap;
};

struct wsrt_vec {
    unsigned char *data;
    size_t count;
    size_t cap;
};

struct wsrt_compiler {
    wsrt_arena arena;
    const wsrt_schema_options *options;
    wsrt_schema_error *why;
    size_t warnings;
    struct wsrt_document *documents;
    struct wsrt_resource *resources;
    struct wsrt_anchor *anchors;
    struct wsrt_pending_ref *refs;
    struct wsrt_pending_ref **last_ref;
    struct wsrt_vec atoms;
    struct wsrt_vec tables[WSRT_TABLES];
    uint32_t *text_table; /* hash of offsets, 0 = free */
    size_t text_cap;
    size_t text_used;
    struct wsrt_vec sets; /* of struct wsrt_set, by node */
    uint32_t *set_table;  /* hash of nodes + 1, 0 = free */
    size_t set_cap;
    struct wsrt_image image;
    uint64_t work; /* steps of patterns and of walks over lists that are left */
};

/* ---- compile.c */
/* `overlay` is a second schema that must hold, too; empty = none. */
/* Reads the caller's options; NULL gives the defaults. */
int wsrt_schema_options_load(wsrt_schema_options *out, const wsrt_schema_options *given);

int wsrt_compile(const wsrt_schema_options *options, wsrt_span text, wsrt_span overlay,
                 wsrt_schema_error *why, wsrt_schema **out);
/* Sets `why` from a place and gives the status that goes with the code. */
int wsrt_compile_fail(struct wsrt_compiler *c, int code, const struct wsrt_tree *at,
                      const char *text);
/* Notes what compiles and yet is doubtful. */
void wsrt_compile_warn(struct wsrt_compiler *c, int code, const struct wsrt_tree *at,
                       const char *text);
/* A number that differs when the tables of an image are built otherwise. */
uint64_t wsrt_compile_layout(void);
/* Gives every table its place in the image; the size of that. */
uint64_t wsrt_compile_lay_out(struct wsrt_compiler *c);
/* The schema made of the finished tables. */
int wsrt_compile_assemble(struct wsrt_compiler *c, wsrt_schema **out);
/* Counts steps; what is too much shows at the next wsrt_compile_goes_on(). */
void wsrt_compile_count(struct wsrt_compiler *c, uint64_t steps);
int wsrt_compile_goes_on(struct wsrt_compiler *c, const struct wsrt_tree *at);
void *wsrt_compile_alloc(struct wsrt_compiler *c, size_t size); /* zeroed */
/* Room for `n` more elements at the end; NULL without memory. */
void *wsrt_vec_push(struct wsrt_compiler *c, struct wsrt_vec *v, size_t n, size_t size);
size_t wsrt_tree_pointer(const struct wsrt_tree *t, char *dst, size_t cap, int *cut);

/* ---- source.c: keywords */
int wsrt_source_get(struct wsrt_compiler *c, struct wsrt_tree *t, struct wsrt_resource *base,
                    struct wsrt_source **out);

/* ---- refs.c: identities and references */
int wsrt_refs_index(struct wsrt_compiler *c, struct wsrt_document *d);
int wsrt_refs_resolve(struct wsrt_compiler *c);

/* ---- nodes.c: conjunctions (nodes.h) */
int wsrt_nodes_build(struct wsrt_compiler *c, struct wsrt_source *root,
                     struct wsrt_source *overlay);

/* ---- emit.c: rules into tables */
int wsrt_emit_rule(struct wsrt_compiler *c, const struct wsrt_source *s, const struct wsrt_rule *r,
                   uint32_t *index);
int wsrt_emit_regex(struct wsrt_compiler *c, struct wsrt_pattern *p, uint32_t *at);
uint32_t wsrt_emit_text(struct wsrt_compiler *c, wsrt_span text); /* NONE without memory */

/* ---- bounds.c: what validation will need */
int wsrt_bounds_find(struct wsrt_compiler *c);

#endif
