/* Strict lexing of JSON (RFC 8259): tokens in, facts out, never a byte read behind `end` (behind
 * `loadable` when the caller padded the input). */
#ifndef WSRT_SRC_SCHEMA_SCAN_H
#define WSRT_SRC_SCHEMA_SCAN_H

#include "schema/image.h"

enum { WSRT_TEXT_ESCAPED = 1, WSRT_TEXT_OUTSIDE = 2, WSRT_TEXT_WIDE = 4 };

struct wsrt_lex {
    const unsigned char *base;
    const unsigned char *end;
    const unsigned char *loadable; /* end of what may be loaded: end, or end + 32 */
    uint32_t max_depth;
    uint32_t max_number_len;
    uint32_t lone_surrogates; /* 1 = allowed */
    int32_t code;             /* of the fault: a wsrt_issue_code, 0 = none */
    const unsigned char *at;  /* place of the fault */
    const char *text;
    unsigned char *levels; /* one bit a level while skipping; max_depth / 8 + 1 bytes */
};

/* A string that was read. */
struct wsrt_text {
    const unsigned char *end; /* its closing quote */
    size_t points;            /* code points */
    uint32_t flags;
    uint32_t reserved;
};

/* All return the first byte behind the token, or NULL with the fault in `in`. */

/* `p` is behind the opening quote. With a set, characters outside of it set WSRT_TEXT_OUTSIDE. */
const unsigned char *wsrt_lex_text(struct wsrt_lex *in, const unsigned char *p,
                                   const struct wsrt_charset *set, struct wsrt_text *out);
const unsigned char *wsrt_lex_number(struct wsrt_lex *in, const unsigned char *p);
const unsigned char *wsrt_lex_word(struct wsrt_lex *in, const unsigned char *p);
/* Any value that starts at `p`, inside `depth` containers. */
const unsigned char *wsrt_lex_skip(struct wsrt_lex *in, const unsigned char *p, uint32_t depth);

const unsigned char *wsrt_lex_fault(struct wsrt_lex *in, int code, const unsigned char *at,
                                    const char *text);
/* The fault of a byte that cannot start a value (or of the end of the text). */
const unsigned char *wsrt_lex_no_value(struct wsrt_lex *in, const unsigned char *p);

/* Kind of the value that starts with this byte; NONE when none does. */
int wsrt_lex_kind(unsigned char c);

/* Steps through the decoded code points of a string that was scanned. The result is below 0 at the
 * end; lone surrogates come as they are. */
int32_t wsrt_lex_point(const unsigned char **p, const unsigned char *end);

/* Encodes one code point (surrogates too) and returns the bytes written, at most 4. */
size_t wsrt_lex_encode(unsigned char *dst, uint32_t point);

static inline const unsigned char *wsrt_lex_space(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static inline int wsrt_charset_has(const struct wsrt_charset *set, uint32_t point)
{
    return point < 128 && (set->bits[point >> 6] >> (point & 63) & 1) != 0;
}

#endif
