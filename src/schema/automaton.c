#include "schema/automaton.h"

#include "base/hash.h"

#include <string.h>

/* Layout of the words: states, byte classes, start, 64 words mapping bytes to classes, then for each
 * state a word (1 = accepts at the end of the text) and the targets by class, two to a word. State
 * 0 is dead, state 1 has matched. */
enum { HEADER = 3, MAP = 64, MOST_STATES = 4096, MOST_POSITIONS = 10000, MOST_PARTS = 200000 };
enum { DEAD = 0, MATCHED = 1 };
static const uint64_t MOST_STEPS = 200000000;

enum part_kind { PART_BYTES, PART_SPLIT, PART_START, PART_END, PART_MATCH };

/* A state of the non-deterministic automaton. */
struct part {
    uint8_t kind;
    uint8_t low; /* BYTES */
    uint8_t high;
    uint8_t reserved;
    uint32_t next;
    uint32_t other; /* SPLIT */
};

struct builder {
    wsrt_arena *arena;
    struct wsrt_pattern_error *why;
    struct part *parts;
    uint32_t count;
    uint32_t cap;
    uint32_t positions;
    uint64_t steps;
    uint8_t map[256];
    uint32_t classes;
    uint32_t entry;
    uint32_t *marks; /* generation by part */
    uint32_t generation;
    uint32_t *stack;
    /* the deterministic side */
    uint32_t **sets; /* count, then parts in ascending order of discovery */
    uint8_t *flags;
    uint16_t *next; /* states x classes */
    uint32_t states;
    uint32_t table[2 * MOST_STATES];
};

static uint32_t fail(struct builder *b, int code, const char *text)
{
    if (b->why->text_cstr == NULL)
        *b->why = (struct wsrt_pattern_error){.code = code, .text_cstr = text};
    return WSRT_NONE;
}

static uint32_t part_new(struct builder *b, struct part part)
{
    if (b->count >= MOST_PARTS)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern too large");
    if (b->count == b->cap) {
        uint32_t cap = b->cap == 0 ? 64 : 2 * b->cap;
        struct part *parts = wsrt_arena_alloc(b->arena, cap * sizeof *parts);
        if (parts == NULL)
            return fail(b, 0, "Out of memory");
        if (b->count > 0)
            memcpy(parts, b->parts, b->count * sizeof *parts);
        b->parts = parts;
        b->cap = cap;
    }
    b->parts[b->count] = part;
    return b->count++;
}

static uint32_t part_bytes(struct builder *b, unsigned low, unsigned high, uint32_t next)
{
    if (next == WSRT_NONE)
        return WSRT_NONE;
    return part_new(
        b, (struct part){
               .kind = PART_BYTES, .low = (uint8_t)low, .high = (uint8_t)high, .next = next});
}

static uint32_t part_split(struct builder *b, uint32_t next, uint32_t other)
{
    if (next == WSRT_NONE || other == WSRT_NONE)
        return WSRT_NONE;
    return part_new(b, (struct part){.kind = PART_SPLIT, .next = next, .other = other});
}

/* Bytes of the code points low..high, which all encode to `len` bytes, then `next`. */
static uint32_t encoded(struct builder *b, uint32_t low, uint32_t high, unsigned len, uint32_t next)
{
    static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    if (len == 1)
        return part_bytes(b, low, high, next);
    unsigned shift = 6 * (len - 1);
    uint32_t mask = ((uint32_t)1 << shift) - 1;
    uint32_t first = low >> shift, last = high >> shift;

    if (first == last || ((low & mask) == 0 && (high & mask) == mask)) {
        uint32_t rest = next;
        uint32_t l = low & mask, h = high & mask;
        /* Trailing bytes of one lead, built like a code point of their own. */
        if (l == 0 && h == mask) {
            for (unsigned i = 1; i < len; i++)
                rest = part_bytes(b, 0x80, 0xbf, rest);
        } else if (len == 2) {
            rest = part_bytes(b, 0x80 | l, 0x80 | h, rest);
        } else {
            unsigned inner = shift - 6;
            uint32_t inner_mask = ((uint32_t)1 << inner) - 1;
            uint32_t out = WSRT_NONE;
            for (uint32_t top = l >> inner; top <= h >> inner; top++) {
                uint32_t from = top == l >> inner ? l & inner_mask : 0;
                uint32_t to = top == h >> inner ? h & inner_mask : inner_mask;
                uint32_t tail = next;
                uint32_t upto = top;
                while (from == 0 && to == inner_mask && upto + 1 < h >> inner)
                    upto++;
                if (len == 3) {
                    tail = part_bytes(b, 0x80 | from, 0x80 | to, tail);
                } else if (from == 0 && to == inner_mask) {
                    tail = part_bytes(b, 0x80, 0xbf, part_bytes(b, 0x80, 0xbf, tail));
                } else { /* two bytes left, below a fixed one */
                    uint32_t pieces = WSRT_NONE;
                    for (uint32_t mid = from >> 6; mid <= to >> 6; mid++) {
                        uint32_t a = mid == from >> 6 ? from & 63 : 0;
                        uint32_t z = mid == to >> 6 ? to & 63 : 63;
                        uint32_t one = part_bytes(b, 0x80 | mid, 0x80 | mid,
                                                  part_bytes(b, 0x80 | a, 0x80 | z, next));
                        pieces = pieces == WSRT_NONE ? one : part_split(b, one, pieces);
                        if (pieces == WSRT_NONE)
                            return WSRT_NONE;
                    }
                    tail = pieces;
                }
                uint32_t one = part_bytes(b, 0x80 | top, 0x80 | upto, tail);
                out = out == WSRT_NONE ? one : part_split(b, one, out);
                if (out == WSRT_NONE)
                    return WSRT_NONE;
                top = upto;
            }
            rest = out;
        }
        return part_bytes(b, lead[len] | first, lead[len] | last, rest);
    }
    /* Split at the first boundary of a lead byte. */
    uint32_t middle = (low & mask) == 0 ? (high & ~mask) - 1 : low | mask;
    uint32_t left = encoded(b, low, middle, len, next);
    uint32_t right = encoded(b, middle + 1, high, len, next);
    return part_split(b, left, right);
}

static uint32_t build_set(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    static const uint32_t tops[] = {0, 0x7f, 0x7ff, 0xffff, 0x10ffff};
    uint32_t out = WSRT_NONE;

    if (++b->positions > MOST_POSITIONS)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern expands to more than 10000 positions");
    for (const struct wsrt_point_range *p = e->ranges; p != NULL; p = p->next) {
        uint32_t low = p->low;
        for (unsigned len = 1; len <= 4 && low <= p->high; len++) {
            if (low > tops[len])
                continue;
            uint32_t high = p->high < tops[len] ? p->high : tops[len];
            uint32_t one = encoded(b, low, high, len, next);
            out = out == WSRT_NONE ? one : part_split(b, one, out);
            if (out == WSRT_NONE)
                return WSRT_NONE;
            low = high + 1;
        }
    }
    if (out == WSRT_NONE) /* the empty set: a byte that UTF-8 does not know */
        out = part_bytes(b, 0xff, 0xff, next);
    return out;
}

static uint32_t build(struct builder *b, const struct wsrt_expr *e, uint32_t next);

static uint32_t build_repeat(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    uint32_t out = next;

    if (e->most == WSRT_NONE) {
        uint32_t loop = part_new(b, (struct part){.kind = PART_SPLIT, .next = next, .other = next});
        uint32_t body = loop == WSRT_NONE ? WSRT_NONE : build(b, e->child, loop);
        if (body == WSRT_NONE)
            return WSRT_NONE;
        b->parts[loop].other = body;
        out = loop;
    } else {
        for (uint32_t i = e->least; i < e->most && out != WSRT_NONE; i++)
            out = part_split(b, build(b, e->child, out), next);
    }
    for (uint32_t i = 0; i < e->least && out != WSRT_NONE; i++)
        out = build(b, e->child, out);
    return out;
}

static uint32_t build_list(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    if (e == NULL)
        return next;
    /* From the end to the front, since every part must know its successor. */
    size_t count = 0;
    for (const struct wsrt_expr *i = e; i != NULL; i = i->next)
        count++;
    const struct wsrt_expr **list = wsrt_arena_alloc(b->arena, count * sizeof(*list));
    if (list == NULL)
        return fail(b, 0, "Out of memory");
    for (size_t i = 0; i < count; i++, e = e->next)
        list[i] = e;
    while (count > 0 && next != WSRT_NONE)
        next = build(b, list[--count], next);
    return next;
}

static uint32_t build_choice(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    uint32_t out = build(b, e->child, next);

    for (const struct wsrt_expr *i = e->child->next; i != NULL && out != WSRT_NONE; i = i->next)
        out = part_split(b, out, build(b, i, next));
    return out;
}

static uint32_t build(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    if (++b->steps > MOST_STEPS / 100)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern too large");
    switch (e->kind) {
    case WSRT_EXPR_SET:
        return build_set(b, e, next);
    case WSRT_EXPR_SEQUENCE:
        return build_list(b, e->child, next);
    case WSRT_EXPR_CHOICE:
        return build_choice(b, e, next);
    case WSRT_EXPR_REPEAT:
        return build_repeat(b, e, next);
    default:
        return part_new(b, (struct part){.kind = e->kind == WSRT_EXPR_START ? PART_START : PART_END,
                                         .next = next});
    }
}

/* ---- determinism -------------------------------------------------------------------------- */

/* Bytes that no part tells apart share a class. */
static void find_classes(struct builder *b)
{
    uint8_t edge[257] = {1};

    for (uint32_t i = 0; i < b->count; i++)
        if (b->parts[i].kind == PART_BYTES) {
            edge[b->parts[i].low] = 1;
            edge[b->parts[i].high + 1] = 1;
        }
    for (int c = 0; c < 256; c++) {
        b->classes += c > 0 && edge[c];
        b->map[c] = (uint8_t)b->classes;
    }
    b->classes++;
}

enum { AT_START = 1, AT_END = 2 };

/* Adds what `from` reaches without a byte to `set`; 1 when the match is among it. */
static int reach(struct builder *b, uint32_t from, int where, uint32_t *set)
{
    size_t depth = 0;
    int matched = 0;

    b->stack[depth++] = from;
    while (depth > 0) {
        uint32_t i = b->stack[--depth];
        const struct part *p = &b->parts[i];
        if (b->marks[i] == b->generation)
            continue;
        b->marks[i] = b->generation;
        b->steps++;
        if (p->kind == PART_BYTES || p->kind == PART_END)
            set[++set[0]] = i;
        if (p->kind == PART_MATCH)
            matched = 1;
        if (p->kind == PART_SPLIT) {
            b->stack[depth++] = p->other;
            b->stack[depth++] = p->next;
        }
        if ((p->kind == PART_START && (where & AT_START)) ||
            (p->kind == PART_END && (where & AT_END)))
            b->stack[depth++] = p->next;
    }
    return matched;
}

static int accepts_at_end(struct builder *b, const uint32_t *set, uint32_t *scratch, int where)
{
    int matched = 0;

    b->generation++;
    scratch[0] = 0;
    for (uint32_t i = 1; i <= set[0]; i++)
        if (b->parts[set[i]].kind == PART_END)
            matched |= reach(b, b->parts[set[i]].next, where | AT_END, scratch);
    return matched;
}

/* The state of a set, made when it is new. */
static uint32_t state_of(struct builder *b, const uint32_t *set, uint32_t *scratch, int where)
{
    size_t bytes = ((size_t)set[0] + 1) * sizeof *set;
    int at_end = accepts_at_end(b, set, scratch, where);
    uint32_t slot = (uint32_t)wsrt_hash((uint64_t)at_end, set, bytes) % (2 * MOST_STATES);

    for (; b->table[slot] != 0; slot = (slot + 1) % (2 * MOST_STATES)) {
        uint32_t i = b->table[slot];
        if (b->flags[i] == at_end && memcmp(b->sets[i], set, bytes) == 0)
            return i;
    }
    if (b->states == MOST_STATES)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern needs more than 4096 states");
    uint32_t *copy = wsrt_arena_alloc(b->arena, bytes);
    if (copy == NULL)
        return fail(b, 0, "Out of memory");
    memcpy(copy, set, bytes);
    b->sets[b->states] = copy;
    b->flags[b->states] = (uint8_t)at_end;
    b->table[slot] = b->states;
    return b->states++;
}

static uint32_t step(struct builder *b, const uint32_t *from, unsigned byte, uint32_t *set,
                     uint32_t *scratch)
{
    int matched = 0;

    b->generation++;
    set[0] = 0;
    for (uint32_t i = 1; i <= from[0]; i++) {
        const struct part *p = &b->parts[from[i]];
        b->steps++;
        if (p->kind == PART_BYTES && byte >= p->low && byte <= p->high)
            matched |= reach(b, p->next, 0, set);
    }
    matched |= reach(b, b->entry, 0, set); /* a search may begin anywhere */
    if (matched)
        return MATCHED;
    return set[0] == 0 ? DEAD : state_of(b, set, scratch, 0);
}

static int determine(struct builder *b)
{
    size_t parts = (size_t)b->count + 1;
    uint32_t *set = wsrt_arena_alloc(b->arena, parts * sizeof *set);
    uint32_t *scratch = wsrt_arena_alloc(b->arena, parts * sizeof *scratch);

    b->marks = wsrt_arena_alloc(b->arena, parts * sizeof *b->marks);
    b->stack = wsrt_arena_alloc(b->arena, 2 * parts * sizeof *b->stack + 16);
    b->sets = wsrt_arena_alloc(b->arena, MOST_STATES * sizeof(*b->sets));
    b->flags = wsrt_arena_alloc(b->arena, MOST_STATES);
    b->next = wsrt_arena_alloc(b->arena, (size_t)MOST_STATES * b->classes * sizeof *b->next);
    if (!set || !scratch || !b->marks || !b->stack || !b->sets || !b->flags || !b->next)
        return fail(b, 0, "Out of memory") != WSRT_NONE;
    memset(b->marks, 0, parts * sizeof *b->marks);
    memset(b->flags, 0, MOST_STATES);
    b->states = 2;
    b->generation = 1;
    set[0] = 0;
    if (reach(b, b->entry, AT_START, set)) {
        b->flags[2] = 1; /* the empty string matches: every text does */
        b->states = 3;
        for (uint32_t c = 0; c < b->classes; c++)
            b->next[2 * b->classes + c] = MATCHED;
        return 1;
    }
    if (state_of(b, set, scratch, AT_START) == WSRT_NONE)
        return 0;
    for (uint32_t i = 2; i < b->states; i++)
        for (unsigned byte = 0, class = 0; byte < 256 && class < b->classes; byte++) {
            if (b->map[byte] != class)
                continue;
            uint32_t to = step(b, b->sets[i], byte, set, scratch);
            if (to == WSRT_NONE)
                return 0;
            if (b->steps > MOST_STEPS)
                return fail(b, WSRT_SCHEMA_LIMIT, "Pattern too costly to compile") != WSRT_NONE;
            b->next[i * b->classes + class ++] = (uint16_t)to;
        }
    return 1;
}

static uint32_t *pack(struct builder *b, uint32_t *count)
{
    uint32_t row = 1 + (b->classes + 1) / 2;
    size_t words = HEADER + MAP + (size_t)b->states * row;
    uint32_t *out = wsrt_arena_alloc(b->arena, words * sizeof *out);

    if (out == NULL) {
        fail(b, 0, "Out of memory");
        return NULL;
    }
    memset(out, 0, words * sizeof *out);
    out[0] = b->states;
    out[1] = b->classes;
    out[2] = row;
    memcpy(out + HEADER, b->map, sizeof b->map);
    for (uint32_t i = 2; i < b->states; i++) {
        uint32_t *to = out + HEADER + MAP + (size_t)i * row;
        to[0] = b->flags[i];
        memcpy(to + 1, b->next + i * b->classes, b->classes * sizeof *b->next);
    }
    *count = (uint32_t)words;
    return out;
}

uint32_t *wsrt_automaton_new(wsrt_arena *arena, const struct wsrt_expr *e, uint32_t *count,
                             struct wsrt_pattern_error *why)
{
    struct builder *b = wsrt_arena_alloc(arena, sizeof *b);

    if (b == NULL)
        return NULL;
    memset(b, 0, sizeof *b);
    b->arena = arena;
    b->why = why;
    uint32_t match = part_new(b, (struct part){.kind = PART_MATCH});
    b->entry = match == WSRT_NONE ? WSRT_NONE : build(b, e, match);
    if (b->entry == WSRT_NONE)
        return NULL;
    find_classes(b);
    return determine(b) ? pack(b, count) : NULL;
}

size_t wsrt_regex_check(const uint32_t *words, size_t count)
{
    if (count < HEADER + MAP || words[0] < 3 || words[0] > MOST_STATES || words[1] == 0 ||
        words[1] > 256 || words[2] != 1 + (words[1] + 1) / 2 ||
        words[0] > (count - HEADER - MAP) / words[2])
        return 0;
    const uint8_t *map = (const uint8_t *)(words + HEADER);
    for (size_t i = 0; i < 256; i++)
        if (map[i] >= words[1])
            return 0;
    for (uint32_t i = 2; i < words[0]; i++) {
        const uint32_t *row = words + HEADER + MAP + (size_t)i * words[2];
        const uint16_t *to = (const uint16_t *)(row + 1);
        for (uint32_t k = 0; k < words[1]; k++)
            if (to[k] >= words[0])
                return 0;
        if (row[0] > 1)
            return 0;
    }
    return HEADER + MAP + (size_t)words[0] * words[2];
}

int wsrt_dfa_match(const uint32_t *words, const unsigned char *p, const unsigned char *end)
{
    const uint8_t *map = (const uint8_t *)(words + HEADER);
    const uint32_t *rows = words + HEADER + MAP;
    uint32_t row = words[2], state = 2;
    unsigned char bytes[4];

    while (p < end && state > MATCHED) {
        size_t len = 1;
        bytes[0] = *p;
        if (*p == '\\')
            len = wsrt_lex_encode(bytes, (uint32_t)wsrt_lex_point(&p, end));
        else
            p++;
        for (size_t i = 0; i < len && state > MATCHED; i++)
            state = ((const uint16_t *)(rows + (size_t)state * row + 1))[map[bytes[i]]];
    }
    return state == MATCHED || (state != DEAD && rows[(size_t)state * row] == 1);
}
