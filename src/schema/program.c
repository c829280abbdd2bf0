/* Patterns whose table would be too large: all states that a text can be in, side by side. Linear in
 * text times states. */
#include "schema/automaton.h"

#include <string.h>

/* Words of a program: 0, all words, instructions, entry, then instructions of three words (kind,
 * next, other), then lists of ranges (count, then low and high). SET has its list in `other`. */
enum { HEADER = 4, STEP = 3, LISTS = 4, MOST = 65536 };

static uint32_t list_words(const struct wsrt_point_range *r)
{
    uint32_t out = 1;

    for (; r != NULL; r = r->next)
        out += 2;
    return out;
}

static uint32_t put_list(uint32_t *words, uint32_t at, const struct wsrt_point_range *r)
{
    uint32_t count = 0;

    for (; r != NULL; r = r->next, count++) {
        words[at + 1 + 2 * count] = r->low;
        words[at + 2 + 2 * count] = r->high;
    }
    words[at] = count;
    return at + 1 + 2 * count;
}

/* Gives each list its place behind the instructions, those without a character the first; the end.
 * Instructions that came from one class share its list. */
static size_t place_lists(struct wsrt_part *parts, uint32_t count)
{
    size_t at = HEADER + (size_t)STEP * count + 1;

    for (uint32_t i = 0; i < count; i++)
        if (parts[i].kind == WSRT_PART_SET && parts[i].ranges != NULL)
            parts[i].ranges->place = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct wsrt_point_range *r = parts[i].kind == WSRT_PART_SET ? parts[i].ranges : NULL;
        if (r == NULL || r->place != 0)
            continue;
        r->place = (uint32_t)at;
        at += list_words(r);
    }
    return at;
}

uint32_t *wsrt_program_new(wsrt_arena *arena, struct wsrt_part *parts, uint32_t part_count,
                           uint32_t entry, uint32_t *count)
{
    size_t size = place_lists(parts, part_count);
    uint32_t *out = wsrt_arena_alloc(arena, size * sizeof *out);
    uint32_t empty = HEADER + STEP * part_count;

    if (out == NULL)
        return NULL;
    out[empty] = 0;
    uint32_t next = empty + 1; /* lists are placed in this order */
    for (uint32_t i = 0; i < part_count; i++) {
        uint32_t *one = out + HEADER + (size_t)STEP * i;
        one[0] = parts[i].kind;
        one[1] = parts[i].next;
        one[2] = parts[i].kind == WSRT_PART_SPLIT ? parts[i].other : 0;
        if (parts[i].kind != WSRT_PART_SET)
            continue;
        one[2] = parts[i].ranges == NULL ? empty : parts[i].ranges->place;
        if (one[2] == next)
            next = put_list(out, next, parts[i].ranges);
    }
    out[0] = 0;
    out[1] = *count = (uint32_t)size;
    out[2] = part_count;
    out[3] = entry;
    return out;
}

size_t wsrt_program_room(const uint32_t *words)
{
    return LISTS * sizeof(uint32_t) * (size_t)words[2] + sizeof(uint32_t);
}

static int list_holds(const uint32_t *words, uint32_t at)
{
    if (at < HEADER || at >= words[1] || words[at] > (words[1] - at - 1) / 2)
        return 0;
    for (uint32_t i = 0; i < words[at]; i++)
        if (words[at + 1 + 2 * i] > words[at + 2 + 2 * i] ||
            (i > 0 && words[at + 1 + 2 * i] <= words[at + 2 * i]))
            return 0;
    return 1;
}

size_t wsrt_program_check(const uint32_t *words, size_t count)
{
    if (count < HEADER || words[1] > count || words[2] == 0 || words[2] > MOST ||
        words[1] < HEADER || words[2] > (words[1] - HEADER) / STEP || words[3] >= words[2])
        return 0;
    for (uint32_t i = 0; i < words[2]; i++) {
        const uint32_t *one = words + HEADER + (size_t)STEP * i;
        if (one[0] > WSRT_PART_MATCH || one[0] == WSRT_PART_BYTES || one[1] >= words[2] ||
            (one[0] == WSRT_PART_SPLIT && one[2] >= words[2]) ||
            (one[0] == WSRT_PART_SET && !list_holds(words, one[2])))
            return 0;
    }
    return words[1];
}

/* ---- running ------------------------------------------------------------------------------ */

struct threads {
    uint32_t *at; /* instructions that wait for a character */
    uint32_t count;
};

struct simulation {
    const uint32_t *words;
    const uint32_t *code;
    uint32_t *marks; /* generation by instruction */
    uint32_t *stack;
    uint32_t generation;
    int at_start;
    int at_end;
    int at_word; /* a word begins or ends here */
    uint64_t steps;
};

static void push(struct simulation *s, size_t *depth, uint32_t i)
{
    if (s->marks[i] == s->generation)
        return;
    s->marks[i] = s->generation;
    s->stack[(*depth)++] = i;
}

static int may_pass(const struct simulation *s, uint32_t kind)
{
    switch (kind) {
    case WSRT_PART_START:
        return s->at_start;
    case WSRT_PART_END:
        return s->at_end;
    case WSRT_PART_WORD:
        return s->at_word;
    case WSRT_PART_NOT_WORD:
        return !s->at_word;
    default:
        return 1;
    }
}

/* Adds what `from` reaches at this place; 1 when the match is among it. */
static int reach(struct simulation *s, uint32_t from, struct threads *out)
{
    size_t depth = 0;

    push(s, &depth, from);
    while (depth > 0) {
        uint32_t i = s->stack[--depth];
        const uint32_t *one = s->code + (size_t)STEP * i;
        s->steps++;
        if (one[0] == WSRT_PART_MATCH)
            return 1;
        if (one[0] == WSRT_PART_SET) {
            out->at[out->count++] = i;
        } else if (may_pass(s, one[0])) {
            if (one[0] == WSRT_PART_SPLIT)
                push(s, &depth, one[2]);
            push(s, &depth, one[1]);
        }
    }
    return 0;
}

static int has_point(const uint32_t *list, uint32_t point)
{
    uint32_t low = 0, high = list[0];

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (point > list[2 + 2 * middle])
            low = middle + 1;
        else
            high = middle;
    }
    return low < list[0] && point >= list[1 + 2 * low];
}

/* At one place of the text: where the threads of `from` have come with `point`, and a new one. */
static int advance(struct simulation *s, const struct threads *from, int32_t point,
                   struct threads *to)
{
    to->count = 0;
    s->generation++;
    for (uint32_t i = 0; i < from->count; i++) {
        const uint32_t *one = s->code + (size_t)STEP * from->at[i];
        if (has_point(s->words + one[2], (uint32_t)point) && reach(s, one[1], to))
            return 1;
    }
    s->steps += from->count;
    return reach(s, s->words[3], to);
}

int wsrt_program_match(const uint32_t *words, const unsigned char *p, const unsigned char *end,
                       const struct wsrt_regex_room *room)
{
    size_t count = words[2];
    unsigned char *from = room->from + (-(uintptr_t)room->from & (sizeof(uint32_t) - 1));
    int32_t last = -1, next = wsrt_lex_point(&p, end);

    if (from > room->end || (size_t)(room->end - from) < LISTS * sizeof(uint32_t) * count)
        return WSRT_REGEX_LIMIT;
    uint32_t *space = (uint32_t *)(void *)from;
    struct simulation s = {.words = words, .code = words + HEADER, .marks = space};
    struct threads now = {space + 2 * count, 0}, then = {space + 3 * count, 0};
    s.stack = space + count;
    memset(s.marks, 0, count * sizeof *s.marks);
    for (;; last = next, next = wsrt_lex_point(&p, end)) {
        s.at_start = last < 0;
        s.at_end = next < 0;
        s.at_word = (last >= 0 && wsrt_is_word((uint32_t)last)) !=
                    (next >= 0 && wsrt_is_word((uint32_t)next));
        int matched = advance(&s, &now, last, &then);
        if (matched || next < 0)
            return matched;
        if (s.steps > *room->work)
            return WSRT_REGEX_LIMIT;
        *room->work -= s.steps;
        s.steps = 0;
        struct threads swap = now;
        now = then;
        then = swap;
    }
}
