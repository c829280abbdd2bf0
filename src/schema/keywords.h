/* What the keywords share, and the keywords. Each reads its value `v` into the source `s`. */
#ifndef WSRT_SRC_SCHEMA_KEYWORDS_H
#define WSRT_SRC_SCHEMA_KEYWORDS_H

#include "schema/compile.h"

/* ---- source.c */
int wsrt_wrong_type(struct wsrt_compiler *c, const struct wsrt_tree *v, const char *text);
/* The text for a failing keyword, and for `member` of required; the most specific wins. */
wsrt_span wsrt_message_for(const struct wsrt_source *s, const char *keyword, wsrt_span member);
/* The text that `s` gives to its child `name` of `group`; ptr NULL = none. */
wsrt_span wsrt_message_for_child(const struct wsrt_source *s, const char *group, wsrt_span name);
struct wsrt_rule *wsrt_rule_new(struct wsrt_compiler *c, struct wsrt_source *s, int kind, int issue,
                                const char *keyword); /* NULL without memory */
int wsrt_kw_count(struct wsrt_compiler *c, const struct wsrt_tree *v, uint64_t *out);
int wsrt_kw_compile_pattern(struct wsrt_compiler *c, const struct wsrt_tree *at, wsrt_span text,
                            struct wsrt_pattern **out);
int wsrt_source_child(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                      wsrt_span inherited, struct wsrt_source **out);
/* The entry of a name, made when it is new; NULL without memory. */
struct wsrt_named *wsrt_named_get(struct wsrt_compiler *c, struct wsrt_named **list,
                                  wsrt_span name);

/* ---- assertions.c */
int wsrt_kw_limit(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_bound(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_type(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_enum(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_const(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_pattern(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_format(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_unique(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_required(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_dependent_required(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
/* Every listed name is missed by itself. */
int wsrt_kw_require(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                    const char *keyword);

/* ---- applicators.c */
int wsrt_kw_properties(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_pattern_properties(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_additional(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_property_names(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_prefix_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_additional_items(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_contains(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_contains_bound(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_all_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_any_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_one_of(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_not(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_if(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_then_else(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_dependent_schemas(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);
int wsrt_kw_dependencies(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v);

#endif
