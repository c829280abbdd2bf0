/* Strict lexing of JSON (RFC 8259): tokens in, facts out, never a byte read behind `end` (behind
 * `loadable` when the caller padded the input). */
#ifndef WSRT_SRC_SCHEMA_SCAN_H
#define WSRT_SRC_SCHEMA_SCAN_H

#include "schema/image.h"

struct wsrt_kernel;

/* A set of ASCII characters in the shapes that the kernels want. */
struct wsrt_class {
    struct wsrt_charset set;
    uint8_t rows[16]; /* by low nibble: bit = high nibble; without quote, backslash and controls */
};

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
    const struct wsrt_kernel *kernel; /* NULL = the default */
    unsigned char *levels;            /* one bit a level while skipping; max_depth / 8 + 1 bytes */
};

/* A string that was read. */
struct wsrt_text {
    const unsigned char *end; /* its closing quote */
    size_t points;            /* code points */
    uint32_t flags;
    uint32_t reserved;
};

/* All return the first byte behind the token, or NULL with the fault in `in`. */

/* `p` is behind the opening quote. With a class, characters outside of it set WSRT_TEXT_OUTSIDE. */
const unsigned char *wsrt_lex_text(struct wsrt_lex *in, const unsigned char *p,
                                   const struct wsrt_class *class, struct wsrt_text *out);
const unsigned char *wsrt_lex_number(struct wsrt_lex *in, const unsigned char *p);
const unsigned char *wsrt_lex_word(struct wsrt_lex *in, const unsigned char *p);
/* Any value that starts at `p`, inside `depth` containers. */
const unsigned char *wsrt_lex_skip(struct wsrt_lex *in, const unsigned char *p, uint32_t depth);

/* Byte by byte, for the ends of buffers and the places of faults. The first stops at a quote,
 * backslash, control or non-ASCII byte; the second passes over UTF-8, too, and counts it. */
const unsigned char *wsrt_lex_plain(const struct wsrt_lex *in, const unsigned char *p,
                                    const struct wsrt_class *class, uint32_t *flags);
const unsigned char *wsrt_lex_wide(struct wsrt_lex *in, const unsigned char *p, size_t *points);
/* `p` is at a backslash. */
const unsigned char *wsrt_lex_escape(struct wsrt_lex *in, const unsigned char *p, int32_t *point);

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

/* Over white space; the call is for the rare case that there is any. */
const unsigned char *wsrt_lex_spaces(const unsigned char *p, const unsigned char *end);

static inline const unsigned char *wsrt_lex_space(const unsigned char *p, const unsigned char *end)
{
    return p < end && *p <= ' ' ? wsrt_lex_spaces(p, end) : p;
}

/* What the character behind a backslash stands for, 0 when it is none of the short ones. */
extern const unsigned char wsrt_short_escapes[256];

static inline int wsrt_charset_has(const struct wsrt_charset *set, uint32_t point)
{
    return point < 128 && (set->bits[point >> 6] >> (point & 63) & 1) != 0;
}

#endif
