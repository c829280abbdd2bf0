#include "schema/pattern.h"

#include "schema/automaton.h"
#include "schema/unicode.h"

#include <string.h>

enum { DEEPEST = 200, LAST_POINT = 0x10ffff, LONGEST = 65536, RANGE_WORK = 32 };

struct parser {
    wsrt_arena *arena;
    struct wsrt_pattern_error *why;
    const unsigned char *base;
    const unsigned char *p;
    const unsigned char *end;
    uint64_t *work;
    int depth;
    uint32_t mask; /* categories of the set that is being read */
};

static struct wsrt_expr *refuse(struct parser *r, int code, const unsigned char *at,
                                const char *text)
{
    if (r->why->text_cstr == NULL)
        *r->why = (struct wsrt_pattern_error){
            .code = code, .offset = (size_t)(at - r->base), .text_cstr = text};
    return NULL;
}

static struct wsrt_expr *bad_syntax(struct parser *r, const unsigned char *at, const char *text)
{
    return refuse(r, WSRT_SCHEMA_PATTERN_SYNTAX, at, text);
}

static struct wsrt_expr *unsupported(struct parser *r, const unsigned char *at, const char *text)
{
    return refuse(r, WSRT_SCHEMA_PATTERN_UNSUPPORTED, at, text);
}

static struct wsrt_expr *expr_new(struct parser *r, int kind)
{
    struct wsrt_expr *e = wsrt_arena_alloc(r->arena, sizeof *e);

    if (e == NULL)
        return refuse(r, 0, r->p, "Out of memory");
    *e = (struct wsrt_expr){.kind = kind};
    return e;
}

/* ---- sets of code points ------------------------------------------------------------------ */

/* Ranges come in any order, until settle(). */
static int add_range(struct parser *r, struct wsrt_expr *e, uint32_t low, uint32_t high)
{
    struct wsrt_point_range *range = wsrt_arena_alloc(r->arena, sizeof *range);

    if (range == NULL) {
        refuse(r, 0, r->p, "Out of memory");
        return 0;
    }
    *range = (struct wsrt_point_range){.next = e->ranges, .low = low, .high = high};
    e->ranges = range;
    if (*r->work < RANGE_WORK)
        return refuse(r, WSRT_SCHEMA_LIMIT, r->p, "Pattern takes too much work") != NULL;
    *r->work -= RANGE_WORK;
    return 1;
}

static struct wsrt_point_range *merge(struct wsrt_point_range *a, struct wsrt_point_range *b)
{
    struct wsrt_point_range *out = NULL, **link = &out;

    while (a != NULL && b != NULL) {
        struct wsrt_point_range **least = a->low <= b->low ? &a : &b;
        *link = *least;
        link = &(*least)->next;
        *least = *link;
    }
    *link = a != NULL ? a : b;
    return out;
}

/* By merging runs whose lengths are powers of two. */
static struct wsrt_point_range *sort(struct wsrt_point_range *list)
{
    struct wsrt_point_range *runs[32] = {NULL}, *out = NULL;

    while (list != NULL) {
        struct wsrt_point_range *run = list;
        size_t i = 0;
        list = list->next;
        run->next = NULL;
        for (; runs[i] != NULL; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (size_t i = 0; i < 32; i++)
        out = merge(runs[i], out);
    return out;
}

static int add_categories(struct parser *r, struct wsrt_expr *e)
{
    uint32_t low, high;

    for (uint32_t i = 0; r->mask != 0 && wsrt_unicode_run(i, r->mask, &low, &high) != 0; i++)
        if (low <= high && !add_range(r, e, low, high))
            return 0;
    r->mask = 0;
    return 1;
}

/* Everything of the set, ascending and apart. */
static int settle(struct parser *r, struct wsrt_expr *e)
{
    if (!add_categories(r, e))
        return 0;
    e->ranges = sort(e->ranges);
    for (struct wsrt_point_range *p = e->ranges; p != NULL && p->next != NULL;) {
        struct wsrt_point_range *next = p->next;
        if (next->low > p->high + 1) {
            p = next;
            continue;
        }
        p->high = next->high > p->high ? next->high : p->high;
        p->next = next->next;
    }
    return 1;
}

static int negate(struct parser *r, struct wsrt_expr *e)
{
    uint32_t low = 0;

    if (!settle(r, e))
        return 0;
    struct wsrt_point_range *old = e->ranges;
    e->ranges = NULL;
    for (; old != NULL; old = old->next) {
        if (old->low > low && !add_range(r, e, low, old->low - 1))
            return 0;
        low = old->high + 1;
    }
    return (low > LAST_POINT || add_range(r, e, low, LAST_POINT)) && settle(r, e);
}

/* Adds `\d`, `\w`, `\s` or, upper case, its complement. */
static int add_shorthand(struct parser *r, struct wsrt_expr *out, unsigned char name)
{
    static const uint32_t digit[] = {'0', '9'};
    static const uint32_t word[] = {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'};
    static const uint32_t space[] = {9,      13,     32,     32,     0xa0,   0xa0,   0x1680,
                                     0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f,
                                     0x205f, 0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff};
    unsigned char lower = name | 0x20;
    const uint32_t *from = lower == 'd' ? digit : lower == 'w' ? word : space;
    size_t count = lower == 'd'   ? sizeof digit / sizeof *digit
                   : lower == 'w' ? sizeof word / sizeof *word
                                  : sizeof space / sizeof *space;
    struct wsrt_expr set = {0};

    for (size_t i = 0; i < count; i += 2)
        if (!add_range(r, &set, from[i], from[i + 1]))
            return 0;
    uint32_t mask = r->mask; /* is the class's, not this set's */
    r->mask = 0;
    if (name != lower && !negate(r, &set))
        return 0;
    r->mask = mask;
    for (struct wsrt_point_range *p = set.ranges; p != NULL; p = p->next)
        if (!add_range(r, out, p->low, p->high))
            return 0;
    return 1;
}

/* `\p{Name}`; p is behind the p. */
static int add_property(struct parser *r, struct wsrt_expr *out, int inverted)
{
    const unsigned char *at = r->p - 2, *from = r->p + 1, *to;

    if (r->p >= r->end || *r->p != '{')
        return bad_syntax(r, at, "Expected { behind \\p") != NULL;
    for (to = from; to < r->end && *to != '}'; to++)
        continue;
    if (to == r->end)
        return bad_syntax(r, at, "Unterminated property name") != NULL;
    r->p = to + 1;
    uint32_t mask = wsrt_unicode_mask((const char *)from, (size_t)(to - from));
    uint32_t any = wsrt_unicode_mask("Any", 3);
    if (mask == 0)
        return unsupported(r, at, "Unknown Unicode property") != NULL;
    if ((mask & ~any) != 0) /* ASCII is no category */
        return inverted ? add_range(r, out, 128, LAST_POINT) : add_range(r, out, 0, 127);
    r->mask |= inverted ? any & ~mask : mask;
    return 1;
}

/* ---- characters --------------------------------------------------------------------------- */

static int32_t next_point(struct parser *r)
{
    const unsigned char *p = r->p;
    unsigned char c = *p;
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    int32_t point = c < 0x80 ? c : c & (0x7f >> len);

    for (size_t i = 1; i < len && p + i < r->end; i++)
        point = point << 6 | (p[i] & 0x3f);
    r->p = (size_t)(r->end - p) < len ? r->end : p + len;
    return point;
}

static int digit_of(unsigned char c)
{
    unsigned char lower = c | 0x20;

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* `count` hexadecimal digits, or -1. */
static int32_t hex(struct parser *r, int count)
{
    int32_t out = 0;

    for (int i = 0; i < count; i++, r->p++) {
        int digit = r->p < r->end ? digit_of(*r->p) : -1;
        if (digit < 0)
            return -1;
        out = out << 4 | digit;
    }
    return out;
}

static int32_t braced_point(struct parser *r)
{
    int32_t out = 0, digit = 0;
    const unsigned char *from = ++r->p;

    while (r->p < r->end && *r->p != '}' && digit >= 0) {
        digit = hex(r, 1);
        out = out << 4 | digit;
        if (out > LAST_POINT)
            return -1;
    }
    if (digit < 0 || r->p >= r->end || r->p == from)
        return -1;
    r->p++;
    return out;
}

/* Behind `\u`. */
static int32_t unicode_escape(struct parser *r)
{
    if (r->p < r->end && *r->p == '{')
        return braced_point(r);
    int32_t unit = hex(r, 4);
    const unsigned char *behind = r->p;
    if (unit < 0xd800 || unit > 0xdbff || r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
        return unit;
    r->p += 2;
    int32_t low = hex(r, 4);
    if (low >= 0xdc00 && low <= 0xdfff)
        return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    r->p = behind;
    return unit;
}

/* An escape that stands for one character; `p` is behind the backslash. -1 with the error set. */
static int32_t character_escape(struct parser *r, int in_class)
{
    const unsigned char *at = r->p - 1;
    int32_t out = -1;

    if (r->p >= r->end) {
        bad_syntax(r, at, "Backslash at the end");
        return -1;
    }
    unsigned char c = *r->p++;
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'v':
        return '\v';
    case 'f':
        return '\f';
    case 'r':
        return '\r';
    case '0':
        out = r->p < r->end && *r->p >= '0' && *r->p <= '9' ? -1 : 0;
        break;
    case 'c':
        if (r->p < r->end && (unsigned)((*r->p | 0x20) - 'a') < 26)
            out = *r->p++ & 0x1f;
        break;
    case 'x':
        out = hex(r, 2);
        break;
    case 'u':
        out = unicode_escape(r);
        break;
    default:
        if (c < 0x80 && (strchr("^$\\.*+?()[]{}|/", c) != NULL || (in_class && c == '-')))
            return c;
        if (in_class && c == 'b')
            return '\b';
        if ((c >= '1' && c <= '9') || c == 'k')
            return unsupported(r, at, "Back-references are not supported"), -1;
    }
    if (out < 0)
        bad_syntax(r, at, "Bad escape sequence");
    return out;
}

/* A class escape at the backslash: 1 = added to `out`, 0 = it is none, -1 = error. */
static int class_escape(struct parser *r, struct wsrt_expr *out)
{
    unsigned char c = r->end - r->p >= 2 ? r->p[1] : 0;

    if (c == 'p' || c == 'P') {
        r->p += 2;
        return add_property(r, out, c == 'P') ? 1 : -1;
    }
    if (c == 0 || strchr("dDwWsS", c) == NULL)
        return 0;
    r->p += 2;
    return add_shorthand(r, out, c) ? 1 : -1;
}

/* One member of [...]: its code point, -2 when it was a class escape, -1 = error. */
static int32_t class_atom(struct parser *r, struct wsrt_expr *out)
{
    if (*r->p != '\\')
        return next_point(r);
    int found = class_escape(r, out);
    if (found != 0)
        return found > 0 ? -2 : -1;
    r->p++;
    return character_escape(r, 1);
}

static int class_member(struct parser *r, struct wsrt_expr *out)
{
    const unsigned char *at = r->p;
    int32_t low = class_atom(r, out), high = low;

    if (low == -1)
        return 0;
    if (r->end - r->p >= 2 && r->p[0] == '-' && r->p[1] != ']') {
        r->p++;
        high = class_atom(r, out);
        if (high == -1)
            return 0;
        if (low == -2 || high == -2 || high < low)
            return bad_syntax(r, at, "Bad range in a class") != NULL;
    }
    return low == -2 || add_range(r, out, (uint32_t)low, (uint32_t)high);
}

static struct wsrt_expr *parse_class(struct parser *r)
{
    const unsigned char *at = r->p++;
    struct wsrt_expr *out = expr_new(r, WSRT_EXPR_SET);
    int inverted = r->p < r->end && *r->p == '^';

    r->p += inverted;
    while (out != NULL && r->p < r->end && *r->p != ']')
        if (!class_member(r, out))
            return NULL;
    if (out == NULL)
        return NULL;
    if (r->p >= r->end)
        return bad_syntax(r, at, "Unterminated class");
    r->p++;
    return (inverted ? negate(r, out) : settle(r, out)) ? out : NULL;
}

/* ---- structure ---------------------------------------------------------------------------- */

static struct wsrt_expr *parse_alternatives(struct parser *r);

static int is_name_byte(unsigned char c, int is_first)
{
    unsigned char lower = c | 0x20;

    return (lower >= 'a' && lower <= 'z') || c == '_' || c == '$' || c >= 0x80 ||
           (!is_first && c >= '0' && c <= '9');
}

/* Behind `(`: moves over the group's opening, 0 on error. */
static int group_open(struct parser *r, const unsigned char *at)
{
    size_t room = (size_t)(r->end - r->p);

    if (room == 0 || *r->p != '?')
        return 1;
    if (room >= 2 && r->p[1] == ':') {
        r->p += 2;
        return 1;
    }
    if (room >= 2 && (r->p[1] == '=' || r->p[1] == '!'))
        return unsupported(r, at, "Look-around is not supported") != NULL;
    if (room < 3 || r->p[1] != '<')
        return bad_syntax(r, at, "Bad group") != NULL;
    if (r->p[2] == '=' || r->p[2] == '!')
        return unsupported(r, at, "Look-around is not supported") != NULL;
    for (r->p += 2; r->p < r->end && *r->p != '>'; r->p++)
        if (!is_name_byte(*r->p, r->p[-1] == '<'))
            return bad_syntax(r, at, "Bad group name") != NULL;
    if (r->p >= r->end || r->p[-1] == '<')
        return bad_syntax(r, at, "Bad group name") != NULL;
    r->p++;
    return 1;
}

static struct wsrt_expr *parse_group(struct parser *r)
{
    const unsigned char *at = r->p++;

    if (++r->depth > DEEPEST)
        return refuse(r, WSRT_SCHEMA_LIMIT, at, "Groups nested too deeply");
    if (!group_open(r, at))
        return NULL;
    struct wsrt_expr *out = parse_alternatives(r);
    if (out == NULL)
        return NULL;
    if (r->p >= r->end || *r->p != ')')
        return bad_syntax(r, at, "Unterminated group");
    r->p++;
    r->depth--;
    return out;
}

static struct wsrt_expr *one_point(struct parser *r, int32_t point)
{
    struct wsrt_expr *out = point < 0 ? NULL : expr_new(r, WSRT_EXPR_SET);

    return out != NULL && add_range(r, out, (uint32_t)point, (uint32_t)point) ? out : NULL;
}

static struct wsrt_expr *parse_dot(struct parser *r)
{
    struct wsrt_expr *out = expr_new(r, WSRT_EXPR_SET);

    r->p++;
    if (out == NULL || !add_range(r, out, '\n', '\n') || !add_range(r, out, '\r', '\r') ||
        !add_range(r, out, 0x2028, 0x2029) || !negate(r, out))
        return NULL;
    return out;
}

static struct wsrt_expr *parse_escape(struct parser *r)
{
    struct wsrt_expr set = {.kind = WSRT_EXPR_SET};
    int found = class_escape(r, &set);

    unsigned char name = r->end - r->p >= 2 ? r->p[1] : 0;
    if (found == 0 && (name == 'b' || name == 'B')) {
        r->p += 2;
        return expr_new(r, name == 'b' ? WSRT_EXPR_WORD : WSRT_EXPR_NOT_WORD);
    }
    if (found == 0) {
        r->p++;
        return one_point(r, character_escape(r, 0));
    }
    struct wsrt_expr *out = found < 0 || !settle(r, &set) ? NULL : expr_new(r, WSRT_EXPR_SET);
    if (out != NULL)
        *out = set;
    return out;
}

static struct wsrt_expr *parse_atom(struct parser *r)
{
    unsigned char c = *r->p;

    switch (c) {
    case '(':
        return parse_group(r);
    case '[':
        return parse_class(r);
    case '.':
        return parse_dot(r);
    case '\\':
        return parse_escape(r);
    case '^':
    case '$':
        r->p++;
        return expr_new(r, c == '^' ? WSRT_EXPR_START : WSRT_EXPR_END);
    case '*':
    case '+':
    case '?':
        return bad_syntax(r, r->p, "Nothing to repeat");
    case '{':
    case '}':
    case ']':
        return bad_syntax(r, r->p, "This character needs a backslash");
    default:
        return one_point(r, next_point(r));
    }
}

static int digits(struct parser *r, uint32_t *out)
{
    const unsigned char *from = r->p;

    *out = 0;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        *out = *out > 100000000 ? *out : *out * 10 + (uint32_t)(*r->p - '0');
    return r->p > from;
}

/* {m}, {m,} or {m,n} */
static int parse_counts(struct parser *r, uint32_t *least, uint32_t *most)
{
    const unsigned char *at = r->p++;

    if (!digits(r, least))
        return bad_syntax(r, at, "Bad quantifier") != NULL;
    *most = *least;
    if (r->p < r->end && *r->p == ',') {
        r->p++;
        if (!digits(r, most))
            *most = WSRT_NONE;
    }
    if (r->p >= r->end || *r->p != '}' || *most < *least)
        return bad_syntax(r, at, "Bad quantifier") != NULL;
    r->p++;
    return 1;
}

static struct wsrt_expr *parse_repeat(struct parser *r)
{
    const unsigned char *at = r->p;
    struct wsrt_expr *atom = parse_atom(r);
    uint32_t least = 0, most = WSRT_NONE;

    if (atom == NULL || r->p >= r->end || strchr("*+?{", *r->p) == NULL || *r->p == 0)
        return atom;
    if (atom->kind == WSRT_EXPR_START || atom->kind == WSRT_EXPR_END)
        return bad_syntax(r, at, "An anchor cannot repeat");
    if (*r->p == '{') {
        if (!parse_counts(r, &least, &most))
            return NULL;
    } else {
        least = *r->p == '+';
        most = *r->p == '?' ? 1 : WSRT_NONE;
        r->p++;
    }
    if (r->p < r->end && *r->p == '?')
        r->p++; /* lazy: which match is found makes no difference */
    struct wsrt_expr *out = expr_new(r, WSRT_EXPR_REPEAT);
    if (out != NULL) {
        out->child = atom;
        out->least = least;
        out->most = most;
    }
    return out;
}

static struct wsrt_expr *parse_sequence(struct parser *r)
{
    struct wsrt_expr *out = expr_new(r, WSRT_EXPR_SEQUENCE);
    struct wsrt_expr **link = out == NULL ? NULL : &out->child;

    while (out != NULL && r->p < r->end && *r->p != '|' && *r->p != ')') {
        *link = parse_repeat(r);
        if (*link == NULL)
            return NULL;
        link = &(*link)->next;
    }
    return out;
}

static struct wsrt_expr *parse_alternatives(struct parser *r)
{
    struct wsrt_expr *first = parse_sequence(r);

    if (first == NULL || r->p >= r->end || *r->p != '|')
        return first;
    struct wsrt_expr *out = expr_new(r, WSRT_EXPR_CHOICE);
    if (out == NULL)
        return NULL;
    out->child = first;
    while (r->p < r->end && *r->p == '|') {
        r->p++;
        first->next = parse_sequence(r);
        first = first->next;
        if (first == NULL)
            return NULL;
    }
    return out;
}

/* ---- kernels ------------------------------------------------------------------------------ */

void wsrt_charset_ranges(struct wsrt_charset *set)
{
    uint32_t count = 0;

    set->ranges = 0;
    for (uint32_t low = 0; low < 128; low++) {
        uint32_t high = low;
        if (!wsrt_charset_has(set, low))
            continue;
        while (wsrt_charset_has(set, high + 1))
            high++;
        if (count == 8)
            return;
        set->low[count] = (uint8_t)low;
        set->width[count++] = (uint8_t)(high - low);
        low = high;
    }
    set->ranges = count;
}

static int is_ascii(const struct wsrt_expr *e)
{
    for (const struct wsrt_point_range *p = e->ranges; p != NULL; p = p->next)
        if (p->high >= 128)
            return 0;
    return e->ranges != NULL;
}

static int is_everything(const struct wsrt_expr *e)
{
    return e->ranges != NULL && e->ranges->low == 0 && e->ranges->high == LAST_POINT;
}

/* ^x$ with x one set, perhaps repeated. */
static int is_kernel(const struct wsrt_expr *e, struct wsrt_pattern *out)
{
    const struct wsrt_expr *start = e->kind == WSRT_EXPR_SEQUENCE ? e->child : NULL;
    const struct wsrt_expr *body = start == NULL ? NULL : start->next;
    const struct wsrt_expr *last = body == NULL ? NULL : body->next;

    if (last == NULL || last->next != NULL || start->kind != WSRT_EXPR_START ||
        last->kind != WSRT_EXPR_END)
        return 0;
    out->least = out->most = 1;
    if (body->kind == WSRT_EXPR_REPEAT) {
        out->least = body->least;
        out->most = body->most == WSRT_NONE ? UINT64_MAX : body->most;
        body = body->child;
    }
    if (body->kind != WSRT_EXPR_SET)
        return 0;
    if (is_everything(body) && out->least == 0 && out->most == UINT64_MAX) {
        out->kind = WSRT_PATTERN_ALL;
        return 1;
    }
    if (!is_ascii(body))
        return 0;
    out->kind = WSRT_PATTERN_CLASS;
    for (const struct wsrt_point_range *p = body->ranges; p != NULL; p = p->next)
        for (uint32_t c = p->low; c <= p->high; c++)
            out->set.bits[c >> 6] |= (uint64_t)1 << (c & 63);
    wsrt_charset_ranges(&out->set);
    return 1;
}

struct wsrt_expr *wsrt_pattern_parse(wsrt_arena *arena, wsrt_span text, uint64_t *work,
                                     struct wsrt_pattern_error *why)
{
    const unsigned char *base = (const unsigned char *)text.ptr;
    struct parser r = {.arena = arena, .why = why, .base = base, .p = base, .work = work};

    *why = (struct wsrt_pattern_error){0};
    r.end = base + text.len;
    if (text.len > LONGEST)
        return refuse(&r, WSRT_SCHEMA_LIMIT, r.p, "Pattern over 64 KiB");
    struct wsrt_expr *e = parse_alternatives(&r);
    if (e != NULL && r.p < r.end)
        return bad_syntax(&r, r.p, "Unmatched parenthesis");
    return e;
}

struct wsrt_pattern *wsrt_pattern_new(wsrt_arena *arena, wsrt_span text, uint64_t *work,
                                      struct wsrt_pattern_error *why)
{
    struct wsrt_expr *e = wsrt_pattern_parse(arena, text, work, why);
    struct wsrt_pattern *out = e == NULL ? NULL : wsrt_arena_alloc(arena, sizeof *out);

    if (out == NULL)
        return NULL;
    *out = (struct wsrt_pattern){0};
    if (is_kernel(e, out))
        return out;
    out->kind = WSRT_PATTERN_WORDS;
    out->words = wsrt_automaton_new(arena, e, &out->word_count, work, why);
    return out->words == NULL ? NULL : out;
}

int wsrt_class_match(const struct wsrt_charset *set, uint64_t least, uint64_t most,
                     const unsigned char *p, const unsigned char *end)
{
    uint64_t count = 0;
    int32_t point;

    for (; (point = wsrt_lex_point(&p, end)) >= 0; count++)
        if (!wsrt_charset_has(set, (uint32_t)point))
            return 0;
    return count >= least && count <= most;
}

int wsrt_pattern_match(const struct wsrt_pattern *pattern, const unsigned char *p,
                       const unsigned char *end, const struct wsrt_regex_room *room)
{
    if (pattern->kind == WSRT_PATTERN_ALL)
        return 1;
    if (pattern->kind == WSRT_PATTERN_WORDS)
        return wsrt_regex_match(pattern->words, p, end, room);
    return wsrt_class_match(&pattern->set, pattern->least, pattern->most, p, end);
}

int wsrt_regex_match(const uint32_t *words, const unsigned char *p, const unsigned char *end,
                     const struct wsrt_regex_room *room)
{
    return words[0] != 0 ? wsrt_dfa_match(words, p, end) : wsrt_program_match(words, p, end, room);
}

size_t wsrt_regex_room_size(const uint32_t *words)
{
    return words[0] != 0 ? 0 : wsrt_program_room(words);
}

size_t wsrt_regex_check(const uint32_t *words, size_t count)
{
    return count > 0 && words[0] == 0 ? wsrt_program_check(words, count)
                                      : wsrt_dfa_check(words, count);
}
