#include "pattern_case.h"

#include <string.h>

enum { MOST_POINTS = 24, DEEPEST = 3, MOST_STEPS = 20000 };

struct maker {
    const uint8_t *data;
    size_t size;
    size_t used;
    char *out;
    size_t len;
    size_t cap;
    uint32_t points[MOST_POINTS];
    unsigned count;
    uint32_t ends_of_words; /* places between a character of words and another */
    int depth;
    unsigned steps;
};

static const struct letter {
    uint32_t point;
    const char *text;
} alphabet[] = {{'a', "a"},
                {'b', "b"},
                {'_', "_"},
                {'-', "-"},
                {' ', " "},
                {0xe9, "\xc3\xa9"},
                {0x4e2d, "\xe4\xb8\xad"},
                {0x1f642, "\xf0\x9f\x99\x82"}};
enum { LETTERS = sizeof alphabet / sizeof alphabet[0] };

static unsigned next_byte(struct maker *m)
{
    return m->used < m->size ? m->data[m->used++] : 0;
}

static void put(struct maker *m, const char *text)
{
    size_t len = strlen(text);

    if (m->len + len < m->cap) {
        memcpy(m->out + m->len, text, len + 1);
        m->len += len;
    } else {
        m->len = m->cap; /* too long from here on */
    }
}

static int is_word(uint32_t c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int holds(unsigned class, uint32_t c)
{
    switch (class) {
    case 0: /* . */
        return 1;
    case 1: /* [a_\-] */
        return c == 'a' || c == '_' || c == '-';
    case 2: /* [^a] */
        return c != 'a';
    case 3: /* \w */
        return is_word(c);
    case 4: /* \W */
        return !is_word(c);
    case 5: /* \p{L} */
        return c == 'a' || c == 'b' || c == 0xe9 || c == 0x4e2d;
    case 6: /* \P{L} */
        return !holds(5, c);
    default: /* [\u{80}-\u{10ffff}] */
        return c >= 0x80;
    }
}

/* Places behind one character of a class, or behind the letter `class - 8`. */
static uint32_t take(const struct maker *m, unsigned class, uint32_t from)
{
    uint32_t out = 0;

    for (unsigned i = 0; i < m->count; i++)
        if (from >> i & 1)
            out |= (uint32_t)(class < 8 ? holds(class, m->points[i])
                                        : m->points[i] == alphabet[class - 8].point)
                   << (i + 1);
    return out;
}

static uint32_t word_places(const struct maker *m)
{
    uint32_t out = 0;

    for (unsigned i = 0; i <= m->count; i++) {
        int before = i > 0 && is_word(m->points[i - 1]);
        int after = i < m->count && is_word(m->points[i]);
        out |= (uint32_t)(before != after) << i;
    }
    return out;
}

static uint32_t all_places(const struct maker *m)
{
    return ((uint32_t)1 << (m->count + 1)) - 1;
}

/* A piece may be tried from many sets of places; its bytes are read again each time. */
static uint32_t choice(struct maker *m, uint32_t from, int loud);

static uint32_t atom(struct maker *m, uint32_t from, int loud)
{
    static const char *const classes[] = {".",   "[a_\\-]", "[^a]",   "\\w",
                                          "\\W", "\\p{L}",  "\\P{L}", "[\\u{80}-\\u{10ffff}]"};
    unsigned kind = next_byte(m) % 32, letter;
    uint32_t out;

    m->steps++;

    if (kind < 8) {
        if (loud)
            put(m, classes[kind]);
        return take(m, kind, from);
    }
    if (kind >= 26 && m->depth < DEEPEST) {
        m->depth++;
        if (loud)
            put(m, kind == 26 ? "(?<n>" : kind & 1 ? "(" : "(?:");
        out = choice(m, from, loud);
        if (loud)
            put(m, ")");
        m->depth--;
        return out;
    }
    letter = kind % LETTERS;
    if (loud)
        put(m, alphabet[letter].text);
    return take(m, letter + 8, from);
}

static uint32_t repeat(struct maker *m, uint32_t from, int loud)
{
    static const struct {
        const char *text;
        unsigned least;
        unsigned most;
    } counts[] = {{"*", 0, 99},  {"+", 1, 99},    {"?", 0, 1},     {"{2}", 2, 2},
                  {"*?", 0, 99}, {"{1,3}", 1, 3}, {"{2,}", 2, 99}, {"{0}", 0, 0}};
    size_t begin = m->used, end;
    uint32_t out = atom(m, from, loud);
    unsigned how = next_byte(m) % 24;

    if (how >= 8)
        return out;
    if (loud)
        put(m, counts[how].text);
    end = m->used;
    uint32_t sum = counts[how].least == 0 ? from : 0, at = from;
    for (unsigned i = 1; i <= counts[how].most && i <= 2 * MOST_POINTS + 2 && (at != 0 || i <= 2) &&
                         m->steps < MOST_STEPS;
         i++) {
        m->used = begin;
        at = atom(m, at, 0);
        if (i > counts[how].least && (at & ~sum) == 0)
            break; /* from places that it has been at, it comes to no others */
        sum |= i >= counts[how].least ? at : 0;
    }
    m->used = end;
    return sum;
}

static uint32_t piece(struct maker *m, uint32_t from, int loud)
{
    static const char *const places[] = {"^", "$", "\\b", "\\B"};
    unsigned kind = next_byte(m) % 16;
    uint32_t allowed[4] = {1, (uint32_t)1 << m->count, m->ends_of_words,
                           all_places(m) & ~m->ends_of_words};

    if (kind >= 4)
        return repeat(m, from, loud);
    if (loud)
        put(m, places[kind]);
    return from & allowed[kind];
}

static uint32_t sequence(struct maker *m, uint32_t from, int loud)
{
    for (unsigned n = next_byte(m) % 4; n > 0; n--)
        from = piece(m, from, loud);
    return from;
}

static uint32_t choice(struct maker *m, uint32_t from, int loud)
{
    uint32_t out = sequence(m, from, loud);

    while (next_byte(m) % 4 == 1) {
        if (loud)
            put(m, "|");
        out |= sequence(m, from, loud);
    }
    return out;
}

int pattern_case_make(struct pattern_case *out, const uint8_t *data, size_t size)
{
    struct maker m = {.data = data, .size = size, .out = out->subject, .cap = sizeof out->subject};

    out->subject[0] = out->pattern[0] = '\0';
    m.count = next_byte(&m) % (MOST_POINTS + 1);
    for (unsigned i = 0; i < m.count; i++) {
        unsigned letter = next_byte(&m) % LETTERS;
        m.points[i] = alphabet[letter].point;
        put(&m, alphabet[letter].text);
    }
    m.ends_of_words = word_places(&m);
    m.out = out->pattern;
    m.len = 0;
    m.cap = sizeof out->pattern;
    out->matches = choice(&m, all_places(&m), 1) != 0;
    return m.len < m.cap && m.steps < MOST_STEPS;
}
