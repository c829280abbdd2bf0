/* A pattern and a text made of the input's bytes: table, program and the pattern's own pieces agree.
 * Then the bytes as a pattern as they are: it compiles or says why. */
#include "target.h"

#include "base/alloc.h"
#include "pattern_case.h"
#include "schema/automaton.h"

#include <stdlib.h>
#include <string.h>

/* Less than a schema may spend, and short: many small patterns tell more. */
enum { WORK = 300000, WORK_OF_BYTES = 200000, MADE_OF = 64, LONGEST = 256 };

static int run(const uint32_t *words, const char *text, size_t len)
{
    uint64_t work = 1000000000;
    size_t size = wsrt_regex_room_size(words);
    unsigned char *room = malloc(size + 1);
    unsigned char *exact = malloc(len + 1);
    struct wsrt_regex_room r = {room, room + size, &work};

    memcpy(exact, text, len);
    int out = wsrt_regex_match(words, exact, exact + len, &r);
    free(exact);
    free(room);
    return out;
}

/* The case is large for so little work, and nothing is wrong with that. */
static int gave_up(const struct wsrt_pattern_error *why)
{
    return why->code == WSRT_SCHEMA_LIMIT;
}

static void judge(const uint32_t *words, uint32_t count, const struct pattern_case *c)
{
    if (wsrt_regex_check(words, count) != count ||
        run(words, c->subject, strlen(c->subject)) != c->matches)
        abort();
}

static void agree(wsrt_arena *arena, const struct pattern_case *c)
{
    struct wsrt_pattern_error why = {0};
    uint64_t work = WORK;
    uint32_t count, *words;
    struct wsrt_expr *e = wsrt_pattern_parse(arena, wsrt_span_cstr(c->pattern), &work, &why);

    if (e == NULL && !gave_up(&why))
        abort();
    if (e == NULL)
        return;
    words = wsrt_automaton_new(arena, e, &count, &work, &why);
    if (words != NULL)
        judge(words, count, c);
    else if (!gave_up(&why))
        abort();
    work = WORK;
    words = wsrt_automaton_program(arena, e, &count, &work, &why);
    if (words != NULL)
        judge(words, count, c);
    else if (!gave_up(&why))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pattern_case c;
    struct wsrt_pattern_error why;
    wsrt_allocator libc;
    wsrt_arena arena;
    uint64_t work = WORK_OF_BYTES;

    size = size < LONGEST ? size : LONGEST;
    wsrt_allocator_load(&libc, NULL);
    wsrt_arena_init(&arena, &libc, NULL, 0);
    if (pattern_case_make(&c, data, size < MADE_OF ? size : MADE_OF))
        agree(&arena, &c);
    struct wsrt_pattern *p =
        wsrt_pattern_new(&arena, (wsrt_span){(const char *)data, size}, &work, &why);
    if (p == NULL && (why.code == 0 || why.offset > size))
        abort();
    if (p != NULL && p->kind == WSRT_PATTERN_WORDS)
        run(p->words, "ab\xc3\xa9 1", 6);
    wsrt_arena_free(&arena);
    return 0;
}
