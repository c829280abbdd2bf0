/* The part of a kernel that reads strings and skips values. The file that includes it has defined:
 *
 *   plain(in, p, class, flags)  moves over ASCII; stops at a quote, backslash, control or non-ASCII
 *                               byte or at the end; characters outside the class set the flag
 *   wide(in, p, out)            from a non-ASCII byte to a quote, backslash, control or the end
 *   name_end(in, p)             how many bytes of plain ASCII stand at `p`, when they end within
 *                               LONGEST_NAME; otherwise, or where it cannot tell, one above it
 *   first_eight(in, p, len)     the head of so short a text, zero-filled
 *   first_stop(in, p, class)    as name_end(), also at what is no plain member of the class (NULL = any)
 */
#include "schema/kernel.h"

static const unsigned char *text_escape(struct wsrt_lex *in, const unsigned char *p,
                                        const struct wsrt_class *class, uint32_t *flags)
{
    int32_t point = in->end - p > 1 ? wsrt_short_escapes[p[1]] : 0;

    *flags |= WSRT_TEXT_ESCAPED;
    if (point != 0)
        p += 2;
    else if ((p = wsrt_lex_escape(in, p, &point)) == NULL)
        return NULL;
    if (class != NULL && !wsrt_charset_has(&class->set, (uint32_t)point))
        *flags |= WSRT_TEXT_OUTSIDE;
    return p;
}

static const unsigned char *text(struct wsrt_lex *in, const unsigned char *p,
                                 const struct wsrt_class *class, struct wsrt_text *out)
{
    const unsigned char *open = p - 1;
    size_t points = 0;

    out->flags = 0;
    for (;;) {
        const unsigned char *stop = plain(in, p, class, &out->flags);
        points += (size_t)(stop - p);
        if (stop == in->end)
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, open, "Unterminated string");
        if (*stop == '"') {
            out->end = stop;
            out->points = points;
            return stop + 1;
        }
        if (*stop == '\\') {
            p = text_escape(in, stop, class, &out->flags);
            points++;
        } else if (*stop < 0x20) {
            return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, stop, "Control character in string");
        } else {
            out->flags |= WSRT_TEXT_WIDE | WSRT_TEXT_OUTSIDE;
            p = wide(in, stop, &points);
        }
        if (p == NULL)
            return NULL;
    }
}

/* The same for short strings of plain ASCII without a class. */
static inline const unsigned char *short_text(struct wsrt_lex *in, const unsigned char *p,
                                              struct wsrt_text *out)
{
    size_t len = name_end(in, p);

    if (len > LONGEST_NAME || p + len >= in->end || p[len] != '"')
        return text(in, p, NULL, out);
    out->end = p + len;
    out->points = len;
    out->flags = 0;
    return p + len + 1;
}

/* From the opening quote of a name to the first byte of its value. */
static inline const unsigned char *member_name(struct wsrt_lex *in, const unsigned char *p,
                                               struct wsrt_text *name)
{
    if (p >= in->end || *p != '"')
        return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p, "Expected a member name");
    p = short_text(in, p + 1, name);
    if (p == NULL)
        return NULL;
    p = wsrt_lex_space(p, in->end);
    if (p >= in->end || *p != ':')
        return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p, "Expected a colon");
    return wsrt_lex_space(p + 1, in->end);
}

/* ---- skipping ----------------------------------------------------------------------------- */

static inline void level_set(unsigned char *levels, uint32_t level, int object)
{
    unsigned bit = 1u << (level & 7);

    levels[level >> 3] = (unsigned char)((levels[level >> 3] & ~bit) | (object ? bit : 0));
}

static inline int level_is_object(const unsigned char *levels, uint32_t level)
{
    return levels[level >> 3] >> (level & 7) & 1;
}

static const unsigned char *skip_scalar(struct wsrt_lex *in, const unsigned char *p)
{
    struct wsrt_text unused;

    if (p >= in->end)
        return wsrt_lex_no_value(in, p);
    if (*p == '"')
        return text(in, p + 1, NULL, &unused);
    if (*p == '-' || (*p >= '0' && *p <= '9'))
        return wsrt_lex_number(in, p);
    return wsrt_lex_word(in, p);
}

static const unsigned char *skip(struct wsrt_lex *in, const unsigned char *p, uint32_t depth)
{
    uint32_t floor = depth;
    struct wsrt_text unused;

    for (;;) {
        if (p < in->end && (*p == '{' || *p == '[')) {
            int object = *p == '{';
            if (depth >= in->max_depth)
                return wsrt_lex_fault(in, WSRT_ISSUE_JSON_DEPTH, p, "Nested too deeply");
            level_set(in->levels, depth++, object);
            p = wsrt_lex_space(p + 1, in->end);
            if (p >= in->end || *p != (object ? '}' : ']')) {
                if (object && (p = member_name(in, p, &unused)) == NULL)
                    return NULL;
                continue;
            }
            p++;
            depth--;
        } else if ((p = skip_scalar(in, p)) == NULL) {
            return NULL;
        }
        for (;;) { /* behind a value */
            if (depth == floor)
                return p;
            int object = level_is_object(in->levels, depth - 1);
            p = wsrt_lex_space(p, in->end);
            if (p < in->end && *p == ',') {
                p = wsrt_lex_space(p + 1, in->end);
                if (object && (p = member_name(in, p, &unused)) == NULL)
                    return NULL;
                break;
            }
            if (p >= in->end || *p != (object ? '}' : ']'))
                return wsrt_lex_fault(in, WSRT_ISSUE_JSON_SYNTAX, p,
                                      object ? "Expected a comma or }" : "Expected a comma or ]");
            p++;
            depth--;
        }
    }
}
