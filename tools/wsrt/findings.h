/* What `wsrt doctor` found: one line a check. */
#ifndef WSRT_TOOL_FINDINGS_H
#define WSRT_TOOL_FINDINGS_H

#include <stddef.h>

enum { FINDINGS_MOST = 128, FINDING_TEXT = 400 };

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
    enum finding_level level;
    const char *check; /* constant */
    char text[FINDING_TEXT];
    char remedy[FINDING_TEXT]; /* what to type; empty = nothing */
};

struct findings {
    struct finding items[FINDINGS_MOST];
    size_t count;
};

/* Adds a finding; a remedy is set for it by findings_try(). Beyond the last place nothing is added. */
void findings_add(struct findings *r, enum finding_level level, const char *check,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What to type against the last finding. */
void findings_try(struct findings *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How many are of a level. */
size_t findings_count(const struct findings *r, enum finding_level level);

/* To stdout: a line each, or one JSON object. */
void findings_print_text(const struct findings *r);
void findings_print_json(const struct findings *r);

#endif
