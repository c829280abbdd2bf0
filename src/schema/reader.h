/* The text of a schema as a tree in the compiler's arena, with the place of everything. */
#ifndef WSRT_SRC_SCHEMA_READER_H
#define WSRT_SRC_SCHEMA_READER_H

#include "base/arena.h"
#include "schema/scan.h"

struct wsrt_source; /* a schema position; compile.h */

struct wsrt_tree {
    struct wsrt_tree *next;  /* sibling */
    struct wsrt_tree *child; /* first */
    struct wsrt_tree *up;
    wsrt_span name; /* decoded; members only */
    wsrt_span text; /* a string decoded; else as written */
    wsrt_span raw;  /* the value as written */
    size_t offset;
    uint32_t kind;
    uint32_t count;   /* children */
    uint32_t index;   /* among its siblings */
    uint32_t is_real; /* 1 once it is known as a schema position of `base` */
    struct wsrt_source *source;
    struct wsrt_resource *base;
};

struct wsrt_read_error {
    int32_t code; /* wsrt_schema_code; 0 = out of memory */
    uint32_t reserved;
    size_t offset;
    const char *text_cstr;
    struct wsrt_tree *where; /* the object with the duplicate; NULL = the text */
};

/* NULL with `why` filled. */
struct wsrt_tree *wsrt_read_tree(wsrt_arena *arena, wsrt_span text, struct wsrt_read_error *why);

struct wsrt_tree *wsrt_tree_member(const struct wsrt_tree *t, const char *name_cstr);
struct wsrt_tree *wsrt_tree_named(const struct wsrt_tree *t, wsrt_span name);

#endif
