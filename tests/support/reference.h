/* The rules of the shipped schema "message", written out by hand over the tree-less reader of json.h,
 * in no hurry: what the validator must say of any text. It shares no code with it. */
#ifndef WSRT_TEST_REFERENCE_H
#define WSRT_TEST_REFERENCE_H

#include <wsrt/schema.h>

enum { REFERENCE_ISSUES = 64 };

struct reference_issue {
    int code; /* wsrt_issue_code */
    size_t offset;
    size_t length;
    const char *pointer; /* constant */
};

struct reference {
    int status; /* WSRT_OK, _REJECTED, _MALFORMED (no issues are told then), _LIMIT for the depth */
    size_t total;
    struct reference_issue issues[REFERENCE_ISSUES];
};

void reference_judge(struct reference *out, const char *message, size_t len);

/* Judges the text by the schema "message", collecting all, and by the rules above: NULL when status
 * and every issue's code, place and pointer are the same, else what differs. `scratch_cap` bytes at
 * `scratch` are enough for the schema. A number longer than the validator takes is no difference. */
const char *reference_differs(const wsrt_schema *s, const char *message, size_t len, void *scratch,
                              size_t scratch_cap);

#endif
