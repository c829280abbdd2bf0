/* Small patterns and texts made of any bytes, and whether they match, found without an automaton:
 * each piece of a pattern maps the set of places where it may begin to those where it may end. */
#ifndef WSRT_TEST_PATTERN_CASE_H
#define WSRT_TEST_PATTERN_CASE_H

#include <stddef.h>
#include <stdint.h>

struct pattern_case {
    char pattern[512];
    char subject[256]; /* UTF-8 without quotes, backslashes and controls */
    int matches;
};

/* 0 when the pattern would be too long, or its answer too much work. */
int pattern_case_make(struct pattern_case *out, const uint8_t *data, size_t size);

#endif
