#include "schema/automaton.h"

#include "base/hash.h"

#include <string.h>

/* Layout of the words of a table: states, byte classes, words a state, 64 words mapping bytes to
 * classes, then for each state a word (1 = accepts at the end of the text) and the targets by class,
 * two to a word. State 0 is dead, state 1 has matched. A program (program.c) starts with 0. */
enum { HEADER = 3, MAP = 64, MOST_STATES = 4096, MOST_POSITIONS = 10000 };
enum { MOST_PARTS = 200000, MOST_POINT_PARTS = 65536, MOST_BUILDS = 2000000, PART_WORK = 8 };
enum { DEAD = 0, MATCHED = 1 };
static const uint64_t MOST_STEPS = 4000000; /* of a table; beyond, a program is the better answer */

enum { LONGEST_CODE = 4 };

/* The code points that one product of byte ranges encodes. */
struct sequence {
    uint8_t len;
    uint8_t low[LONGEST_CODE];
    uint8_t high[LONGEST_CODE];
};

/* Where a byte leads. */
struct move {
    uint32_t low;
    uint32_t high;
    uint32_t next;
};

struct builder {
    wsrt_arena *arena;
    struct wsrt_pattern_error *why;
    int by_points; /* sets stay sets: for a program */
    int too_large; /* for a table */
    int has_words; /* \b or \B */
    uint32_t builds;
    struct wsrt_part *parts;
    uint32_t count;
    uint32_t cap;
    uint32_t positions;
    uint64_t steps; /* of building and of the table */
    uint64_t most_steps;
    struct move *moves;
    uint32_t move_count;
    uint32_t move_cap;
    uint32_t *known; /* hash of BYTES parts + 1, 0 = free */
    uint32_t known_cap;
    uint32_t known_count;
    struct sequence *sequences; /* of one set */
    uint32_t sequence_count;
    uint32_t sequence_cap;
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

/* Not an error: a program will do. */
static uint32_t give_up(struct builder *b)
{
    b->too_large = 1;
    return WSRT_NONE;
}

/* A list with room for one more; NULL without memory. */
static void *grown(struct builder *b, void *list, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return list;
    uint32_t wider = *cap == 0 ? 64 : 2 * *cap;
    void *out = wsrt_arena_alloc(b->arena, wider * size);
    if (out == NULL) {
        fail(b, 0, "Out of memory");
        return NULL;
    }
    if (count > 0)
        memcpy(out, list, count * size);
    *cap = wider;
    return out;
}

static uint32_t part_new(struct builder *b, struct wsrt_part part)
{
    if (b->count >= MOST_POINT_PARTS && b->by_points)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern too large");
    if (b->count >= MOST_PARTS)
        return give_up(b);
    struct wsrt_part *parts = grown(b, b->parts, b->count, &b->cap, sizeof *parts);
    if (parts == NULL)
        return WSRT_NONE;
    b->parts = parts;
    b->parts[b->count] = part;
    return b->count++;
}

static uint32_t part_split(struct builder *b, uint32_t next, uint32_t other)
{
    if (next == WSRT_NONE || other == WSRT_NONE)
        return WSRT_NONE;
    return part_new(b, (struct wsrt_part){.kind = WSRT_PART_SPLIT, .next = next, .other = other});
}

/* ---- sets of code points as bytes --------------------------------------------------------- */

static int add_sequence(struct builder *b, uint32_t low, uint32_t high)
{
    struct sequence *list =
        grown(b, b->sequences, b->sequence_count, &b->sequence_cap, sizeof *list);
    if (list == NULL)
        return 0;
    b->sequences = list;
    struct sequence *out = &list[b->sequence_count++];
    out->len = (uint8_t)wsrt_lex_encode(out->low, low);
    wsrt_lex_encode(out->high, high);
    return 1;
}

/* Cuts a range where a product of byte ranges ends, in ascending order. */
static int add_sequences(struct builder *b, uint32_t low, uint32_t high)
{
    static const uint32_t tops[] = {0x7f, 0x7ff, 0xffff};

    for (size_t i = 0; i < 3; i++)
        if (low <= tops[i] && high > tops[i])
            return add_sequences(b, low, tops[i]) && add_sequences(b, tops[i] + 1, high);
    for (unsigned i = 1; i < LONGEST_CODE && high > 0x7f; i++) {
        uint32_t mask = ((uint32_t)1 << (6 * i)) - 1;
        if ((low & ~mask) == (high & ~mask))
            break;
        if ((low & mask) != 0)
            return add_sequences(b, low, low | mask) && add_sequences(b, (low | mask) + 1, high);
        if ((high & mask) != mask)
            return add_sequences(b, low, (high & ~mask) - 1) &&
                   add_sequences(b, high & ~mask, high);
    }
    return add_sequence(b, low, high);
}

static int grow_known(struct builder *b)
{
    uint32_t cap = b->known_cap == 0 ? 256 : 2 * b->known_cap;
    uint32_t *table = wsrt_arena_alloc(b->arena, cap * sizeof *table);

    if (table == NULL)
        return fail(b, 0, "Out of memory") != WSRT_NONE;
    memset(table, 0, cap * sizeof *table);
    for (uint32_t i = 0; i < b->known_cap; i++) {
        if (b->known[i] == 0)
            continue;
        const struct wsrt_part *p = &b->parts[b->known[i] - 1];
        uint32_t at = (uint32_t)wsrt_hash(0, b->moves + p->first, p->count * sizeof *b->moves);
        for (at &= cap - 1; table[at] != 0; at = (at + 1) & (cap - 1))
            continue;
        table[at] = b->known[i];
    }
    b->known = table;
    b->known_cap = cap;
    return 1;
}

/* The part of the moves from `first` on, which are given back when there is such a part. */
static uint32_t part_of_moves(struct builder *b, uint32_t first)
{
    uint32_t count = b->move_count - first;
    size_t bytes = count * sizeof *b->moves;

    if (2 * b->known_count >= b->known_cap && !grow_known(b))
        return WSRT_NONE;
    uint32_t at = (uint32_t)wsrt_hash(0, b->moves + first, bytes) & (b->known_cap - 1);
    for (; b->known[at] != 0; at = (at + 1) & (b->known_cap - 1)) {
        const struct wsrt_part *p = &b->parts[b->known[at] - 1];
        if (p->count == count && memcmp(b->moves + p->first, b->moves + first, bytes) == 0) {
            b->move_count = first;
            return b->known[at] - 1;
        }
    }
    uint32_t out =
        part_new(b, (struct wsrt_part){.kind = WSRT_PART_BYTES, .first = first, .count = count});
    if (out != WSRT_NONE) {
        b->known[at] = out + 1;
        b->known_count++;
    }
    return out;
}

static int add_move(struct builder *b, uint32_t first, uint32_t low, uint32_t high, uint32_t next)
{
    if (b->move_count > first && b->moves[b->move_count - 1].next == next &&
        b->moves[b->move_count - 1].high + 1 == low) {
        b->moves[b->move_count - 1].high = high;
        return 1;
    }
    struct move *moves = grown(b, b->moves, b->move_count, &b->move_cap, sizeof *moves);
    if (moves == NULL)
        return 0;
    b->moves = moves;
    b->moves[b->move_count++] = (struct move){low, high, next};
    return 1;
}

/* A part for the sequences from..to, which are alike before byte `at`. Their ranges of that byte are
 * the same or apart, since only a full rest lets a lead be a range. Parts that lead to the same are
 * the same part, so a large class has few. */
static uint32_t part_of_sequences(struct builder *b, uint32_t from, uint32_t to, unsigned at,
                                  uint32_t next)
{
    uint32_t targets[256][3], count = 0; /* at most one a byte */

    b->steps += to - from;
    if (b->steps > b->most_steps)
        return give_up(b);
    while (from < to) {
        const struct sequence *s = &b->sequences[from];
        uint32_t behind = from + 1, low = s->low[at], high = s->high[at];
        while (behind < to && b->sequences[behind].low[at] == low)
            behind++;
        uint32_t target = at + 1 == s->len || at + 1 == sizeof s->low
                              ? next
                              : part_of_sequences(b, from, behind, at + 1, next);
        if (target == WSRT_NONE)
            return WSRT_NONE;
        targets[count][0] = low;
        targets[count][1] = high;
        targets[count++][2] = target;
        from = behind;
    }
    uint32_t first = b->move_count;
    for (uint32_t i = 0; i < count; i++)
        if (!add_move(b, first, targets[i][0], targets[i][1], targets[i][2]))
            return WSRT_NONE;
    return part_of_moves(b, first);
}

static uint32_t build_set(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    if (++b->positions > MOST_POSITIONS)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern expands to more than 10000 positions");
    if (next == WSRT_NONE)
        return WSRT_NONE;
    if (b->by_points)
        return part_new(
            b, (struct wsrt_part){.kind = WSRT_PART_SET, .next = next, .ranges = e->ranges});
    b->sequence_count = 0;
    for (const struct wsrt_point_range *p = e->ranges; p != NULL; p = p->next)
        if (!add_sequences(b, p->low, p->high))
            return WSRT_NONE;
    if (b->sequence_count == 0) /* no character at all */
        return part_new(b, (struct wsrt_part){.kind = WSRT_PART_BYTES});
    return part_of_sequences(b, 0, b->sequence_count, 0, next);
}

static uint32_t build(struct builder *b, const struct wsrt_expr *e, uint32_t next);

static uint32_t build_repeat(struct builder *b, const struct wsrt_expr *e, uint32_t next)
{
    uint32_t out = next;

    if (e->most == WSRT_NONE) {
        uint32_t loop =
            part_new(b, (struct wsrt_part){.kind = WSRT_PART_SPLIT, .next = next, .other = next});
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
    static const uint8_t part_kinds[] = {[WSRT_EXPR_START] = WSRT_PART_START,
                                         [WSRT_EXPR_END] = WSRT_PART_END,
                                         [WSRT_EXPR_WORD] = WSRT_PART_WORD,
                                         [WSRT_EXPR_NOT_WORD] = WSRT_PART_NOT_WORD};

    b->steps += PART_WORK;
    if (++b->builds > MOST_BUILDS)
        return fail(b, WSRT_SCHEMA_LIMIT, "Pattern too large");
    if (b->steps > b->most_steps)
        return b->by_points ? fail(b, WSRT_SCHEMA_LIMIT, "Pattern takes too much work")
                            : give_up(b);
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
        b->has_words |= e->kind == WSRT_EXPR_WORD || e->kind == WSRT_EXPR_NOT_WORD;
        return part_new(b, (struct wsrt_part){.kind = part_kinds[e->kind], .next = next});
    }
}

/* ---- determinism -------------------------------------------------------------------------- */

/* Bytes that no part tells apart share a class. */
static void find_classes(struct builder *b)
{
    uint8_t edge[257] = {1};

    static const uint8_t word_edges[] = {'0',     '9' + 1, 'A',     'Z' + 1, '_',
                                         '_' + 1, 'a',     'z' + 1, 0x80,    0xc0};

    for (uint32_t i = 0; i < b->move_count; i++)
        edge[b->moves[i].low] = edge[b->moves[i].high + 1] = 1;
    for (size_t i = 0; b->has_words && i < sizeof word_edges; i++)
        edge[word_edges[i]] = 1;
    for (int c = 0; c < 256; c++) {
        b->classes += c > 0 && edge[c];
        b->map[c] = (uint8_t)b->classes;
    }
    b->classes++;
}

/* What is known of a place. Whether a word begins or ends there is known with the next byte. */
enum { AT_START = 1, AT_END = 2, AT_KNOWN = 4, AT_WORD = 8 };
/* Of a state: accepts at the end; how it was reached. */
enum { STATE_ACCEPTS = 1, STATE_IN_WORD = 2, STATE_START = 4 };

/* Adds what `from` reaches without a byte to `set`; 1 when the match is among it. */
static int reach(struct builder *b, uint32_t from, int where, uint32_t *set)
{
    size_t depth = 0;
    int matched = 0;

    b->stack[depth++] = from;
    while (depth > 0) {
        uint32_t i = b->stack[--depth];
        const struct wsrt_part *p = &b->parts[i];
        if (b->marks[i] == b->generation)
            continue;
        b->marks[i] = b->generation;
        b->steps++;
        switch (p->kind) {
        case WSRT_PART_MATCH:
            matched = 1;
            break;
        case WSRT_PART_SPLIT:
            b->stack[depth++] = p->other;
            b->stack[depth++] = p->next;
            break;
        case WSRT_PART_START:
            if (where & AT_START)
                b->stack[depth++] = p->next;
            break;
        case WSRT_PART_WORD:
        case WSRT_PART_NOT_WORD:
            if (where & AT_KNOWN) {
                if (!(where & AT_WORD) == (p->kind == WSRT_PART_NOT_WORD))
                    b->stack[depth++] = p->next;
                break;
            }
            set[++set[0]] = i;
            break;
        case WSRT_PART_END:
            if (where & AT_END)
                b->stack[depth++] = p->next;
            set[++set[0]] = i;
            break;
        default:
            set[++set[0]] = i;
        }
    }
    return matched;
}

static int is_pending(const struct wsrt_part *p)
{
    return p->kind == WSRT_PART_WORD || p->kind == WSRT_PART_NOT_WORD;
}

static int accepts_at_end(struct builder *b, const uint32_t *set, uint32_t *scratch, int context)
{
    int where = AT_END | AT_KNOWN | (context & STATE_START ? AT_START : 0) |
                (context & STATE_IN_WORD ? AT_WORD : 0);
    int matched = 0;

    b->generation++;
    scratch[0] = 0;
    for (uint32_t i = 1; i <= set[0]; i++)
        if (b->parts[set[i]].kind == WSRT_PART_END || is_pending(&b->parts[set[i]]))
            matched |= reach(b, set[i], where, scratch);
    return matched;
}

/* The state of a set, made when it is new. */
static uint32_t state_of(struct builder *b, const uint32_t *set, uint32_t *scratch, int context)
{
    size_t bytes = ((size_t)set[0] + 1) * sizeof *set;
    context |= accepts_at_end(b, set, scratch, context) ? STATE_ACCEPTS : 0;
    uint32_t slot = (uint32_t)wsrt_hash((uint64_t)context, set, bytes) % (2 * MOST_STATES);

    for (; b->table[slot] != 0; slot = (slot + 1) % (2 * MOST_STATES)) {
        uint32_t i = b->table[slot];
        if (b->flags[i] == context && b->sets[i][0] == set[0] &&
            memcmp(b->sets[i], set, bytes) == 0)
            return i;
    }
    if (b->states == MOST_STATES)
        return give_up(b);
    uint32_t *copy = wsrt_arena_alloc(b->arena, bytes);
    if (copy == NULL)
        return fail(b, 0, "Out of memory");
    memcpy(copy, set, bytes);
    b->sets[b->states] = copy;
    b->flags[b->states] = (uint8_t)context;
    b->table[slot] = b->states;
    return b->states++;
}

/* Where a part goes with a byte; NONE = nowhere. */
static uint32_t move_of(const struct builder *b, const struct wsrt_part *p, unsigned byte)
{
    uint32_t low = 0, high = p->count;

    if (p->kind != WSRT_PART_BYTES || p->count == 0)
        return WSRT_NONE;
    const struct move *m = b->moves + p->first;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (byte > m[middle].high)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->count && byte >= m[low].low ? m[low].next : WSRT_NONE;
}

/* What waits for \b or \B in `from`, now that the next byte is known. A byte inside of a character
 * answers neither: a search that began there began nowhere. */
static int resolve_words(struct builder *b, const uint32_t *from, int context, unsigned byte,
                         uint32_t *out)
{
    int is_word = wsrt_is_word(byte), was_word = (context & STATE_IN_WORD) != 0;
    int where =
        AT_KNOWN | (is_word != was_word ? AT_WORD : 0) | (context & STATE_START ? AT_START : 0);
    int matched = 0;

    out[0] = 0;
    if (!b->has_words || (byte >= 0x80 && byte < 0xc0))
        return 0;
    b->generation++;
    for (uint32_t i = 1; i <= from[0]; i++)
        if (is_pending(&b->parts[from[i]]))
            matched |= reach(b, from[i], where, out);
    return matched;
}

static int step_all(struct builder *b, const uint32_t *from, unsigned byte, uint32_t *set)
{
    int matched = 0;

    for (uint32_t i = 1; i <= from[0]; i++) {
        uint32_t to = move_of(b, &b->parts[from[i]], byte);
        b->steps++;
        if (to != WSRT_NONE)
            matched |= reach(b, to, 0, set);
    }
    return matched;
}

static uint32_t step(struct builder *b, uint32_t state, unsigned byte, uint32_t *set,
                     uint32_t *scratch)
{
    int matched = resolve_words(b, b->sets[state], b->flags[state], byte, scratch);

    b->generation++;
    set[0] = 0;
    matched |= step_all(b, b->sets[state], byte, set);
    matched |= step_all(b, scratch, byte, set);
    matched |= reach(b, b->entry, 0, set); /* a search may begin anywhere */
    if (matched)
        return MATCHED;
    return set[0] == 0
               ? DEAD
               : state_of(b, set, scratch, b->has_words && wsrt_is_word(byte) ? STATE_IN_WORD : 0);
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
    if (state_of(b, set, scratch, STATE_START) == WSRT_NONE)
        return 0;
    for (uint32_t i = 2; i < b->states; i++)
        for (unsigned byte = 0, class = 0; byte < 256 && class < b->classes; byte++) {
            if (b->map[byte] != class)
                continue;
            uint32_t to = step(b, i, byte, set, scratch);
            if (to == WSRT_NONE)
                return 0;
            if (b->steps > b->most_steps)
                return give_up(b) != WSRT_NONE;
            b->next[i * b->classes + class ++] = (uint16_t)to;
        }
    return 1;
}

static uint32_t *pack(struct builder *b, wsrt_arena *arena, uint32_t *count)
{
    uint32_t row = 1 + (b->classes + 1) / 2;
    size_t words = HEADER + MAP + (size_t)b->states * row;
    uint32_t *out = wsrt_arena_alloc(arena, words * sizeof *out);

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
        to[0] = b->flags[i] & STATE_ACCEPTS;
        memcpy(to + 1, b->next + i * b->classes, b->classes * sizeof *b->next);
    }
    *count = (uint32_t)words;
    return out;
}

/* 1 when the parts are there. */
static int build_parts(struct builder *b, const struct wsrt_expr *e)
{
    uint32_t match = part_new(b, (struct wsrt_part){.kind = WSRT_PART_MATCH});

    b->entry = match == WSRT_NONE ? WSRT_NONE : build(b, e, match);
    return b->entry != WSRT_NONE;
}

static struct builder *builder_new(wsrt_arena *own, struct wsrt_pattern_error *why,
                                   uint64_t most_steps, int by_points)
{
    struct builder *b = wsrt_arena_alloc(own, sizeof *b);

    if (b == NULL)
        return NULL;
    memset(b, 0, sizeof *b);
    b->arena = own;
    b->why = why;
    b->most_steps = most_steps;
    b->by_points = by_points;
    return b;
}

static void spend(uint64_t *work, const struct builder *b)
{
    *work -= b->steps < *work ? b->steps : *work;
}

uint32_t *wsrt_automaton_program(wsrt_arena *arena, const struct wsrt_expr *e, uint32_t *count,
                                 uint64_t *work, struct wsrt_pattern_error *why)
{
    uint32_t *out = NULL;
    wsrt_arena own; /* most of it is needed no longer than here */

    wsrt_arena_init(&own, arena->allocator, NULL, 0);
    struct builder *b = builder_new(&own, why, *work, 1);
    if (b != NULL && build_parts(b, e))
        out = wsrt_program_new(arena, b->parts, b->count, b->entry, count);
    if (b != NULL)
        spend(work, b);
    wsrt_arena_free(&own);
    return out;
}

uint32_t *wsrt_automaton_new(wsrt_arena *arena, const struct wsrt_expr *e, uint32_t *count,
                             uint64_t *work, struct wsrt_pattern_error *why)
{
    uint64_t most = *work / 16 < MOST_STEPS ? *work / 16 : MOST_STEPS;
    uint32_t *out = NULL;
    int too_large = 0;
    wsrt_arena own;

    wsrt_arena_init(&own, arena->allocator, NULL, 0);
    struct builder *b = builder_new(&own, why, most, 0);
    if (b != NULL && build_parts(b, e)) {
        find_classes(b);
        if (determine(b))
            out = pack(b, arena, count);
    }
    if (b != NULL) {
        too_large = b->too_large && why->text_cstr == NULL;
        spend(work, b);
    }
    wsrt_arena_free(&own);
    return too_large ? wsrt_automaton_program(arena, e, count, work, why) : out;
}

size_t wsrt_dfa_check(const uint32_t *words, size_t count)
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
