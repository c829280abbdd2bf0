/* Regular expressions: each row judged by the table and by the program of a pattern. */
#include "heap.h"
#include "pattern_case.h"
#include "suite.h"

#include "base/alloc.h"
#include "schema/automaton.h"
#include "schema/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = WSRT_REGEX_LIMIT };

/* 1, 0, LIMIT; -2 when it does not compile. */
static int match(const char *pattern, const char *subject, size_t len, int program)
{
    struct wsrt_pattern_error why = {0};
    wsrt_allocator libc;
    wsrt_arena arena;
    uint32_t count = 0, *words = NULL;
    uint64_t work = 100000000, cost = 128000000;
    int out = -2;

    wsrt_allocator_load(&libc, NULL);
    wsrt_arena_init(&arena, &libc, NULL, 0);
    struct wsrt_expr *e = wsrt_pattern_parse(&arena, wsrt_span_cstr(pattern), &cost, &why);
    if (e != NULL)
        words = program ? wsrt_automaton_program(&arena, e, &count, &cost, &why)
                        : wsrt_automaton_new(&arena, e, &count, &cost, &why);
    if (words != NULL) {
        ck_assert_uint_eq(wsrt_regex_check(words, count), count);
        size_t size = wsrt_regex_room_size(words);
        unsigned char *exact = malloc(len + 1), *room = malloc(size + 1);
        struct wsrt_regex_room r = {room, room + size, &work};
        memcpy(exact, subject, len);
        out = wsrt_regex_match(words, exact, exact + len, &r);
        free(exact);
        free(room);
    }
    wsrt_arena_free(&arena);
    return out;
}

struct row {
    const char *pattern;
    const char *subject; /* as in JSON, without the quotes */
    int matches;
};

static void expect(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (int program = 0; program < 2; program++)
            ck_assert_msg(match(rows[i].pattern, rows[i].subject, strlen(rows[i].subject),
                                program) == rows[i].matches,
                          "%s on %s, %s", rows[i].pattern, rows[i].subject,
                          program ? "program" : "table");
}
#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof(rows)[0])

START_TEST(word_boundaries_lie_between_word_characters_and_others)
{
    static const struct row rows[] = {
        {"\\bcat\\b", "a cat.", 1},
        {"\\bcat\\b", "concat", 0},
        {"\\bcat\\b", "cat", 1},
        {"\\bcat", "cats", 1},
        {"cat\\b", "cats", 0},
        {"\\Bcat", "concat", 1},
        {"\\Bcat", "cat", 0},
        {"\\b", "", 0},
        {"\\B", "", 1},
        {"^\\b$", "", 0},
        {"\\b", "a", 1},
        {"\\B", "a", 0},
        {"\\B", "ab", 1},
        {"\\b_\\b", "_", 1},
        {"\\b", "\xc3\xa9", 0},
        {"\\B",
         "a\xc3\xa9"
         "b",
         0},
        {"\\B", "\xc3\xa9", 1},
        {"a\\b\xc3\xa9", "a\xc3\xa9", 1},
        {"\xe4\xb8\xad\\b\\b",
         "\xe4\xb8\xad"
         "a",
         1},
        {"(\\b|x)*y", "xxy", 1},
        {"\\b\\B", "a b", 0},
        {"^(\\ba\\b ?)+$", "a a a", 1},
        {"\\b\\u0061\\b", "\\u0061", 1},
        {"[\\b]", "\\b", 1},
    };

    EXPECT(rows);
}
END_TEST

START_TEST(classes_cover_every_length_of_utf_8)
{
    static const struct row rows[] = {
        {"^[\\u{0}-\\u{10ffff}]$", "\xf4\x8f\xbf\xbf", 1},
        {"^[\\u{7f}-\\u{80}]+$", "\x7f\xc2\x80", 1},
        {"^[\\u{7ff}-\\u{800}]+$", "\xdf\xbf\xe0\xa0\x80", 1},
        {"^[\\u{ffff}-\\u{10000}]+$", "\xef\xbf\xbf\xf0\x90\x80\x80", 1},
        {"^[\\u{801}-\\u{fffe}]$", "\xe0\xa0\x80", 0},
        {"^[\\u{801}-\\u{fffe}]$", "\xef\xbf\xbf", 0},
        {"^[\\u{12345}-\\u{23456}]$", "\xf0\x92\x8d\x84", 0},
        {"^[\\u{12345}-\\u{23456}]$", "\xf0\x92\x8d\x85", 1},
        {"^[\\u{12345}-\\u{23456}]$", "\xf0\xa3\x91\x96", 1},
        {"^[\\u{12345}-\\u{23456}]$", "\xf0\xa3\x91\x97", 0},
        {"^[^\\u{12345}]$", "\xf0\x92\x8d\x85", 0},
        {"[]", "a", 0},
        {"^[^]$", "\\n", 1},
        {"^\\p{Lu}\\P{Lu}$", "\\u00c4\\u00e4", 1},
    };

    EXPECT(rows);
}
END_TEST

START_TEST(an_escape_stands_for_its_character)
{
    static const struct row rows[] = {
        {"^\\n\\v\\f\\r\\t$", "\\n\\u000b\\f\\r\\t", 1},
        {"^\\0$", "\\u0000", 1},
        {"^\\cA\\cz$", "\\u0001\\u001a", 1},
        {"^\\x41\\x5A\\x6a$", "AZj", 1},
        {"^\\u00e9$", "\xc3\xa9", 1},
        {"^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", 1},
        {"^\\uD83D\\uDE00$", "\\ud83d\\ude00", 1},
        {"^[\\ud83d\\ude00-\\ud83d\\ude02]$", "\xf0\x9f\x98\x82", 1},
        {"^[\\ud83d\\ude00-\\ud83d\\ude02]$", "\xf0\x9f\x98\x83", 0},
        {"^\\ud83d$", "\\ud83d", 1},
        {"^\\ud83d\\u0041$", "\\ud83dA", 1},
        {"^\\ud83dx$", "\\ud83dx", 1},
        {"^\\ude00$", "\\ude00", 1},
        {"^\\u{1F600}$", "\xf0\x9f\x98\x80", 1},
        {"^\\^\\$\\\\\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/$", "^$\\\\.*+?()[]{}|/", 1},
        {"^[\\-\\^]+$", "-^", 1},
        {"^[a\\n-]+$", "a\\n-", 1},
        {"^(?<name>a)(?<_$2>b)(?:c)(?<\xc3\xa9Z9>d)$", "abcd", 1},
    };

    EXPECT(rows);
}
END_TEST

START_TEST(what_is_no_escape_class_or_group_is_refused)
{
    static const char *const bad[] = {
        "\\",        "\\x",        "\\x4",      "\\x4@",   "\\x`1",   "\\xg0",   "\\u",
        "\\u004",    "\\u004G",    "\\u{",      "\\u{}",   "\\u{41",  "\\u{4g}", "\\u{110000}",
        "\\u{@}",    "\\c",        "\\c1",      "\\c@",    "\\c[",    "\\00",    "\\09",
        "\\q",       "\\\xc3\xa9", "[\\q]",     "[\\x4@]", "[\\",     "[^",      "[a-\\x4@]",
        "[a-\\d]",   "[\\d-a]",    "(?",        "(?a)",    "(?<",     "(?<>a)",  "(?<1>a)",
        "(?<a-b>a)", "(?<a:b>a)",  "(?<a b>a)", "(?<@>a)", "(?<[>a)", "(?<`>a)", "(?<{>a)",
        "(?<a/>a)",  "(?<a",       "(?<a(>b)",  "(?<!a)",  "(?<=a)",  "(?!a)",   "(?=a)",
        "(a",        "(?:a",       "\\p",       "\\p{",    "\\p{}",   "\\p{Xx}", "\\pL",
        "a{",        "a{1",        "a{1,",      "a{1,2",   "a{1,x}",  "{1}",     "a{x}",
        "]",         "}",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(match(bad[i], "", 0, 0) == -2, "%s", bad[i]);
}
END_TEST

/* Every code point of every category, against the table of categories itself. */
START_TEST(general_categories_are_exact_row_56)
{
    static const char *const names[] = {"L", "Lu", "Nd", "P", "Cn", "Zs", "Cs"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char pattern[32], *text = malloc(5 * 0x110000);
        uint32_t mask = wsrt_unicode_mask(names[i], strlen(names[i])), low, high;
        size_t len = 0;
        for (uint32_t k = 0; wsrt_unicode_run(k, mask, &low, &high); k++)
            for (uint32_t c = low; c <= high; c++)
                if (c != '\\' && c != '"')
                    len += wsrt_lex_encode((unsigned char *)text + len, c);
        sprintf(pattern, "^\\p{%s}*$", names[i]);
        ck_assert_int_eq(match(pattern, text, len, 0), 1);
        sprintf(pattern, "\\P{%s}", names[i]);
        ck_assert_int_eq(match(pattern, text, len, 0), 0);
        free(text);
    }
}
END_TEST

START_TEST(patterns_beyond_4096_states_are_simulated)
{
    static const struct row rows[] = {
        {"^(a|b)*a(a|b){14}$", "abbbbbbbbbbbbbb", 1},
        {"^(a|b)*a(a|b){14}$", "bbbbbbbbbbbbbbb", 0},
        {"^(a|b)*a(a|b){14}$", "bbabbbbbbbbbbbbbb", 1},
        {"a.{200}b.{200}c", "abc", 0},
        {"^(\\p{L}|\\p{N}){1,500}$", "caf\xc3\xa9 2", 0},
        {"^(\\p{L}|\\p{N}){1,500}$",
         "caf\xc3\xa9"
         "2",
         1},
        {"^x{0,9999}$", "xxxx", 1},
        {"x{10001}", "x", -2},
    };

    EXPECT(rows);
}
END_TEST

static uint64_t steps(size_t n, const char *pattern, const char *unit)
{
    struct wsrt_pattern_error why = {0};
    wsrt_allocator libc;
    wsrt_arena arena;
    uint32_t count;
    uint64_t work = UINT64_MAX, cost = 128000000;
    size_t len = strlen(unit);
    char *text = malloc(n * len);

    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, unit, len);
    wsrt_allocator_load(&libc, NULL);
    wsrt_arena_init(&arena, &libc, NULL, 0);
    struct wsrt_expr *e = wsrt_pattern_parse(&arena, wsrt_span_cstr(pattern), &cost, &why);
    uint32_t *words = wsrt_automaton_program(&arena, e, &count, &cost, &why);
    size_t size = wsrt_regex_room_size(words);
    unsigned char *room = malloc(size);
    struct wsrt_regex_room r = {room, room + size, &work};
    ck_assert_int_eq(
        wsrt_regex_match(words, (unsigned char *)text, (unsigned char *)text + n * len, &r), 0);
    free(room);
    free(text);
    wsrt_arena_free(&arena);
    return UINT64_MAX - work;
}

START_TEST(hard_patterns_stay_linear_row_53)
{
    static const struct row rows[] = {
        {"^(a+)+$", "aaaaaaaaab", 0}, {"(a|a)*b", "aaaa", 0}, {"(.*)*x", "aaaa", 0}};

    EXPECT(rows);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *unit = i == 0 ? "aa-" : "aaa"; /* never a match */
        uint64_t small = steps(10000, rows[i].pattern, unit);
        uint64_t large = steps(20000, rows[i].pattern, unit);
        ck_assert_msg(large <= small * 22 / 10, "%s: %llu, then %llu", rows[i].pattern,
                      (unsigned long long)small, (unsigned long long)large);
    }
}
END_TEST

START_TEST(a_simulation_ends_where_its_work_or_room_does)
{
    struct wsrt_pattern_error why = {0};
    wsrt_allocator libc;
    wsrt_arena arena;
    uint32_t count;
    uint64_t work = 50, cost = 128000000;
    unsigned char room[4096];
    static const unsigned char text[] = "abababababababababababababababababababababab";

    wsrt_allocator_load(&libc, NULL);
    wsrt_arena_init(&arena, &libc, NULL, 0);
    struct wsrt_expr *e = wsrt_pattern_parse(&arena, wsrt_span_cstr("(a|b)*c"), &cost, &why);
    uint32_t *words = wsrt_automaton_program(&arena, e, &count, &cost, &why);
    size_t size = wsrt_regex_room_size(words);
    ck_assert_uint_le(size, sizeof room);
    struct wsrt_regex_room r = {room, room + size, &work};
    ck_assert_int_eq(wsrt_regex_match(words, text, text + sizeof text - 1, &r), LIMIT);
    work = 100000;
    ck_assert_int_eq(wsrt_regex_match(words, text, text + sizeof text - 1, &r), 0);
    r.end = room + size / 2;
    ck_assert_int_eq(wsrt_regex_match(words, text, text + sizeof text - 1, &r), LIMIT);
    wsrt_arena_free(&arena);
}
END_TEST

/* As it comes from a file, which somebody may have changed. */
START_TEST(of_a_table_no_number_out_of_its_range_is_taken)
{
    enum { HEADER = 3, MAP = 64 };
    struct wsrt_pattern_error why = {0};
    wsrt_allocator libc;
    wsrt_arena arena;
    uint32_t count;
    uint64_t cost = 128000000;

    wsrt_allocator_load(&libc, NULL);
    wsrt_arena_init(&arena, &libc, NULL, 0);
    struct wsrt_expr *e = wsrt_pattern_parse(&arena, wsrt_span_cstr("^(ab|c)+d"), &cost, &why);
    uint32_t *words = wsrt_automaton_new(&arena, e, &count, &cost, &why);
    uint32_t states = words[0], classes = words[1], row = words[2];
    ck_assert_uint_eq(wsrt_regex_check(words, count), count);
    ck_assert_uint_eq(wsrt_regex_check(words, count + 1), count); /* another one follows */
    for (uint32_t less = 1; less <= count; less++)
        ck_assert_uint_eq(wsrt_regex_check(words, count - less), 0);
    for (int i = 1; i < HEADER; i++)
        for (int turn = -1; turn <= 1; turn += 2) {
            words[i] += (uint32_t)turn;
            ck_assert_uint_eq(wsrt_regex_check(words, count), 0);
            words[i] -= (uint32_t)turn;
        }
    unsigned char *map = (unsigned char *)(words + HEADER);
    for (int byte = 0; byte < 256; byte++) {
        unsigned char was = map[byte];
        map[byte] = (unsigned char)classes;
        ck_assert_uint_eq(wsrt_regex_check(words, count), 0);
        map[byte] = was;
    }
    for (uint32_t state = 2; state < states; state++) { /* the first two have no rows of meaning */
        uint32_t *at = words + HEADER + MAP + state * row, accepts = at[0];
        uint16_t *to = (uint16_t *)(at + 1);
        at[0] = 2;
        ck_assert_uint_eq(wsrt_regex_check(words, count), 0);
        at[0] = accepts;
        for (uint32_t k = 0; k < classes; k++) {
            uint16_t was = to[k];
            to[k] = (uint16_t)states;
            ck_assert_uint_eq(wsrt_regex_check(words, count), 0);
            to[k] = was;
        }
    }
    ck_assert_uint_eq(wsrt_regex_check(words, count), count);
    wsrt_arena_free(&arena);
}
END_TEST

/* Each of these once took seconds to compile, or gigabytes. */
START_TEST(hostile_patterns_compile_within_their_work_or_are_refused)
{
    static const struct {
        const char *head; /* then `unit` so many times, then `tail` */
        const char *unit;
        size_t times;
        const char *tail;
        int code;       /* 0 = it compiles */
        int is_program; /* no table */
    } rows[] = {
        {"[", "\\p{L}\\p{N}", 6500, "]", 0, 0},
        {"", "\\p{L}", 9000, "", WSRT_SCHEMA_LIMIT, 0},
        {"(", "\\p{L}", 1, "|\\p{N}){1,4999}", 0, 1},
        {"[\\u{110}\\u{108}", "\\u{106}\\s\\u{104}", 3000, "]", 0, 0},
        {"(a|b)*a(a|b){", "14", 1, "}", 0, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wsrt_pattern_error why;
        struct heap heap;
        wsrt_arena arena;
        uint64_t work = 128000000;
        char *text = malloc(100 + rows[i].times * strlen(rows[i].unit)), *end = text;
        end = stpcpy(end, rows[i].head);
        for (size_t k = 0; k < rows[i].times; k++)
            end = stpcpy(end, rows[i].unit);
        end = stpcpy(end, rows[i].tail);
        heap_init(&heap);
        wsrt_arena_init(&arena, &heap.allocator, NULL, 0);
        struct wsrt_pattern *p =
            wsrt_pattern_new(&arena, (wsrt_span){text, (size_t)(end - text)}, &work, &why);
        ck_assert_int_eq(p == NULL, rows[i].code != 0);
        ck_assert_int_eq(p == NULL ? why.code : 0, rows[i].code);
        if (p != NULL)
            ck_assert_int_eq(p->kind == WSRT_PATTERN_WORDS && p->words[0] == 0, rows[i].is_program);
        ck_assert_uint_lt(heap.live, 150000000);
        wsrt_arena_free(&arena);
        ck_assert_uint_eq(heap.live, 0);
        free(text);
    }
}
END_TEST

START_TEST(random_patterns_match_what_their_pieces_say)
{
    uint64_t x = 88172645463325252u;
    size_t matched = 0, tried = 0;

    for (size_t n = 0; n < 2000; n++) {
        struct pattern_case c;
        uint8_t data[96];
        for (size_t i = 0; i < sizeof data; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            data[i] = (uint8_t)(x >> 32);
        }
        if (!pattern_case_make(&c, data, sizeof data))
            continue;
        struct row row = {c.pattern, c.subject, c.matches};
        expect(&row, 1);
        matched += (size_t)c.matches;
        tried++;
    }
    printf("# random patterns: %zu, matching: %zu\n", tried, matched);
    ck_assert_uint_gt(matched, tried / 10);
    ck_assert_uint_lt(matched, tried - tried / 20);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_pattern");
    TCase *t = tcase_create("pattern");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, word_boundaries_lie_between_word_characters_and_others);
    tcase_add_test(t, classes_cover_every_length_of_utf_8);
    tcase_add_test(t, an_escape_stands_for_its_character);
    tcase_add_test(t, what_is_no_escape_class_or_group_is_refused);
    tcase_add_test(t, general_categories_are_exact_row_56);
    tcase_add_test(t, patterns_beyond_4096_states_are_simulated);
    tcase_add_test(t, hard_patterns_stay_linear_row_53);
    tcase_add_test(t, of_a_table_no_number_out_of_its_range_is_taken);
    tcase_add_test(t, a_simulation_ends_where_its_work_or_room_does);
    tcase_add_test(t, hostile_patterns_compile_within_their_work_or_are_refused);
    tcase_add_test(t, random_patterns_match_what_their_pieces_say);
    suite_add_tcase(s, t);
    return s;
}
