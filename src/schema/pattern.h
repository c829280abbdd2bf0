/* Regular expressions of the linear-time subset. */
#ifndef WSRT_SRC_SCHEMA_PATTERN_H
#define WSRT_SRC_SCHEMA_PATTERN_H

#include "base/arena.h"
#include "schema/scan.h"

enum wsrt_pattern_kind {
    WSRT_PATTERN_ALL,   /* matches every string */
    WSRT_PATTERN_CLASS, /* ^[ASCII class]{least,most}$ */
    WSRT_PATTERN_WORDS  /* a table or a program */
};

struct wsrt_pattern {
    uint32_t kind;
    uint32_t word_count;
    uint64_t least; /* CLASS */
    uint64_t most;
    struct wsrt_charset set;
    uint32_t *words; /* position-independent */
    uint32_t place;  /* in the image + 1; 0 = not yet there */
    uint32_t reserved;
};

struct wsrt_pattern_error {
    int32_t code; /* wsrt_schema_code; 0 = out of memory */
    uint32_t reserved;
    size_t offset;
    const char *text_cstr;
};

/* NULL with `why` filled. `work` is what may be spent, and becomes what is left: a table takes a
 * sixteenth of it at most, beyond that a program serves; a pattern too large for both is refused. */
struct wsrt_pattern *wsrt_pattern_new(wsrt_arena *arena, wsrt_span text, uint64_t *work,
                                      struct wsrt_pattern_error *why);
void wsrt_charset_ranges(struct wsrt_charset *set);

/* What a large pattern needs while it matches. */
struct wsrt_regex_room {
    unsigned char *from; /* at least wsrt_regex_room_size() bytes, any alignment */
    unsigned char *end;
    uint64_t *work; /* steps that are left */
};

enum { WSRT_REGEX_LIMIT = -1 };

/* Whether the string from `p` (raw, validated JSON without quotes) matches: 1, 0, or
 * WSRT_REGEX_LIMIT when room or work do not last. */
int wsrt_pattern_match(const struct wsrt_pattern *pattern, const unsigned char *p,
                       const unsigned char *end, const struct wsrt_regex_room *room);
int wsrt_regex_match(const uint32_t *words, const unsigned char *p, const unsigned char *end,
                     const struct wsrt_regex_room *room);
size_t wsrt_regex_room_size(const uint32_t *words); /* 0 = none */
/* Words of the automaton that starts here, or 0 when it does not hold together. */
size_t wsrt_regex_check(const uint32_t *words, size_t count);
int wsrt_class_match(const struct wsrt_charset *set, uint64_t least, uint64_t most,
                     const unsigned char *p, const unsigned char *end);

#endif
