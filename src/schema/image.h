/* The compiled schema: one block, no pointer inside, every reference an index or a byte offset. */
#ifndef WSRT_SRC_SCHEMA_IMAGE_H
#define WSRT_SRC_SCHEMA_IMAGE_H

#include <wsrt/schema.h>

enum { WSRT_NODE_ANY = 0, WSRT_MOST_EVALS = 64 };
#define WSRT_NONE 0xffffffffu /* no index; no enumerator can hold it */

/* Types as bits: 1 << wsrt_json_kind; bit 7 = whole numbers only (bit of NUMBER clear). */
enum { WSRT_TYPE_INTEGER = 0x80, WSRT_TYPE_ALL = 0x7e };

/* A rule of one value, in the order in which a value's rules are reported. */
enum wsrt_check_kind {
    WSRT_CHECK_TYPE,
    WSRT_CHECK_FALSE,
    WSRT_CHECK_ENUM,
    WSRT_CHECK_CONST,
    WSRT_CHECK_MIN_LENGTH,
    WSRT_CHECK_MAX_LENGTH,
    WSRT_CHECK_MIN_BYTES,
    WSRT_CHECK_MAX_BYTES,
    WSRT_CHECK_MIN_UTF16,
    WSRT_CHECK_MAX_UTF16,
    WSRT_CHECK_CLASS, /* ^[class]{m,n}$ */
    WSRT_CHECK_REGEX,
    WSRT_CHECK_FORMAT,
    WSRT_CHECK_MINIMUM,
    WSRT_CHECK_EXCLUSIVE_MINIMUM,
    WSRT_CHECK_MAXIMUM,
    WSRT_CHECK_EXCLUSIVE_MAXIMUM,
    WSRT_CHECK_MULTIPLE_OF,
    WSRT_CHECK_REQUIRED,
    WSRT_CHECK_MIN_PROPERTIES,
    WSRT_CHECK_MAX_PROPERTIES,
    WSRT_CHECK_DEPENDENT_REQUIRED,
    WSRT_CHECK_MIN_ITEMS,
    WSRT_CHECK_MAX_ITEMS,
    WSRT_CHECK_CONTAINS,
    WSRT_CHECK_UNIQUE_ITEMS
};

struct wsrt_check {
    uint32_t kind;
    uint32_t issue;   /* a wsrt_issue_code */
    uint32_t keyword; /* offsets of NUL-terminated text */
    uint32_t origin;  /* the schema's own pointer, without the keyword */
    uint32_t text;    /* 0 = the default */
    uint32_t limit;   /* offset of decimal text, 0 = none */
    uint32_t a;       /* by kind */
    uint32_t b;
    uint64_t n; /* a count */
};

/* A member name that a node knows. */
struct wsrt_prop {
    uint64_t head; /* first eight bytes, zero-filled */
    uint32_t name; /* offset of NUL-terminated text */
    uint32_t len;
    uint32_t child;
    uint32_t index; /* bit of `seen` */
};

struct wsrt_literal {
    uint32_t text; /* JSON text; a string's without quotes and decoded */
    uint32_t len;
    uint32_t kind;
    uint32_t node; /* of a switch: where this tag leads */
};

/* A set of ASCII characters. */
struct wsrt_charset {
    uint64_t bits[2];
    uint8_t low[8]; /* the same as ranges, when there are at most eight */
    uint8_t width[8];
    uint32_t ranges; /* 0 = more than eight */
    uint32_t reserved;
};

/* What a string must fulfil to need no closer look. */
struct wsrt_brief {
    uint64_t least; /* code points */
    uint64_t most;
    struct wsrt_charset set;
    uint32_t has_set;
    uint32_t reserved;
};

/* A node that becomes another, by the value of one member. */
struct wsrt_switch {
    uint32_t prop;          /* name of the tag; offset */
    uint32_t len;           /* its bytes */
    uint32_t first;         /* literals */
    uint32_t count;         /* of them */
    uint32_t other;         /* node for unknown tags */
    uint32_t missing;       /* node for objects without the tag */
    uint32_t unknown_check; /* to raise; NONE = another rule does */
    uint32_t missing_check;
};

enum wsrt_combo_kind {
    WSRT_COMBO_ANY_OF,
    WSRT_COMBO_ONE_OF,
    WSRT_COMBO_NOT,
    WSRT_COMBO_IF, /* children: if, then, else */
    WSRT_COMBO_DEPENDENT
};

struct wsrt_combo {
    uint32_t kind;
    uint32_t check; /* how it is reported */
    uint32_t first; /* children in the index table */
    uint32_t count;
    uint32_t index; /* dependent: bit of `seen` */
    uint32_t reserved;
};

/* patternProperties of one source, with the additionalProperties that they narrow. */
struct wsrt_patterns {
    uint32_t first; /* pairs (regex, node) in the index table */
    uint32_t count;
    uint32_t other; /* node of names that match none */
    uint32_t reserved;
};

enum wsrt_node_flag {
    WSRT_NODE_SETS = 1,   /* needs the general lane */
    WSRT_NODE_BRIEF = 2,  /* strings: `brief` says it all */
    WSRT_NODE_SWITCH = 4, /* objects: becomes another node by a tag */
    WSRT_NODE_CHECKS = 8, /* has any check */
    WSRT_NODE_LOCAL = 16  /* has in-place children */
};

struct wsrt_node {
    uint16_t types; /* conjunction of all `type` */
    uint16_t flags;
    uint32_t slot; /* NONE = none */
    uint32_t checks;
    uint32_t check_count;
    uint32_t props; /* hash table of 1 << props_log entries in `prop_slots`; NONE = no names */
    uint32_t props_log;
    uint32_t known; /* names */
    uint32_t names; /* first name in `props` by index */
    uint32_t other; /* child of unknown names */
    uint32_t patterns;
    uint32_t pattern_count;
    uint32_t name_rule; /* propertyNames: node */
    uint32_t name_check;
    uint32_t prefix; /* prefixItems in the index table */
    uint32_t prefix_count;
    uint32_t items;
    uint32_t combos;
    uint32_t combo_count;
    uint32_t brief;
    uint32_t tag;      /* switch */
    uint32_t contains; /* first of the contains checks */
    uint32_t contains_count;
    uint32_t rank;     /* in-place children have higher ones */
    uint32_t counters; /* contains rules + words of `seen` */
    uint64_t required; /* bits of names 0..63 that must be there */
};

struct wsrt_slot_name {
    uint32_t text;
    uint32_t len;
};

enum wsrt_table {
    WSRT_TABLE_NODES,
    WSRT_TABLE_CHECKS,
    WSRT_TABLE_PROPS,
    WSRT_TABLE_HASH, /* uint32_t: index into props, NONE = free */
    WSRT_TABLE_LITERALS,
    WSRT_TABLE_BRIEFS,
    WSRT_TABLE_SWITCHES,
    WSRT_TABLE_COMBOS,
    WSRT_TABLE_PATTERNS,
    WSRT_TABLE_INDEX, /* uint32_t lists */
    WSRT_TABLE_REGEX, /* uint32_t words of automata */
    WSRT_TABLE_SLOTS,
    WSRT_TABLE_TEXT,
    WSRT_TABLES
};

struct wsrt_table_place {
    uint64_t offset; /* from the image */
    uint64_t count;  /* elements */
};

struct wsrt_image {
    uint64_t size;
    uint32_t root;
    uint32_t depth;         /* nesting that the nodes reach; NONE = unbounded */
    uint32_t most;          /* active nodes of one value */
    uint32_t seen;          /* largest sum of `seen` words and counters of one value */
    uint32_t links;         /* largest number of links of one value */
    uint32_t unique;        /* has uniqueItems */
    uint32_t scratch_extra; /* regex simulation, in bytes */
    uint32_t reserved;
    struct wsrt_table_place table[WSRT_TABLES];
};

struct wsrt_quick;
struct wsrt_word;
struct wsrt_member;
struct wsrt_class;
struct wsrt_kernel;

struct wsrt_schema {
    wsrt_allocator allocator;
    size_t size; /* of the whole allocation */
    const struct wsrt_image *image;
    const struct wsrt_node *nodes;
    const struct wsrt_check *checks;
    const struct wsrt_prop *props;
    const uint32_t *hash;
    const struct wsrt_literal *literals;
    const struct wsrt_brief *briefs;
    const struct wsrt_switch *switches;
    const struct wsrt_combo *combos;
    const struct wsrt_patterns *patterns;
    const uint32_t *index;
    const uint32_t *regex;
    const struct wsrt_slot_name *slots;
    const char *text;
    const struct wsrt_quick *quick; /* by node */
    const struct wsrt_word *words;  /* by literal */
    const struct wsrt_member *members;
    const struct wsrt_word *tags;     /* by switch */
    const struct wsrt_class *classes; /* by brief */
    const struct wsrt_kernel *kernel;
    size_t group_size; /* of scratch, a level of the general lane */
};

/* Spread of a name over a hash table; the upper bits count. */
static inline uint64_t wsrt_name_spread(uint64_t head, size_t len)
{
    return (head ^ (uint64_t)len << 56) * 0x9e3779b97f4a7c15u;
}

static inline uint32_t wsrt_name_hash(uint64_t head, size_t len, uint32_t log)
{
    return (uint32_t)(wsrt_name_spread(head, len) >> (63 - log) >> 1);
}

#endif
