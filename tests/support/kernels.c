#include "kernels.h"

#include "schema/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PADDING = 32 };

/* The best last, so that it stays. */
static const char *const names[] = {"scalar", "sse2", "avx2"};

static const struct wsrt_kernel *kernels[sizeof names / sizeof names[0]];

/* Asks the processor once: a virtual one takes its time to answer. */
size_t kernels_count(void)
{
    static size_t count;
    wsrt_schema probe = {0};

    while (count < sizeof names / sizeof names[0] && kernels[count] == NULL &&
           wsrt_kernel_force(&probe, names[count]))
        kernels[count++] = probe.kernel;
    return count;
}

const char *kernels_name(size_t i)
{
    return names[i];
}

static void judge(const wsrt_schema *s, const char *text, size_t len, uint32_t flags,
                  struct kernels_answer *out)
{
    static unsigned char scratch[1 << 17];
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags};
    wsrt_validation v = {.struct_size = sizeof v,
                         .slots = out->slots,
                         .slot_cap = KERNELS_SLOTS,
                         .issues = out->issues,
                         .issue_cap = KERNELS_ISSUES,
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};

    memset(out, 0, sizeof *out);
    out->status = wsrt_validate(s, text, len, &o, &v);
    out->issue_count = v.issue_count;
    out->issue_total = v.issue_total;
    for (size_t i = 0; i < KERNELS_SLOTS; i++)
        if (out->slots[i].flags & WSRT_SLOT_PRESENT)
            out->slots[i].text.ptr = (const char *)(out->slots[i].text.ptr - text);
}

static int same_issue(const wsrt_issue *a, const wsrt_issue *b)
{
    return a->code == b->code && a->got == b->got && a->expected_types == b->expected_types &&
           a->flags == b->flags && a->offset == b->offset && a->length == b->length &&
           a->other_offset == b->other_offset && a->keyword_cstr == b->keyword_cstr &&
           (a->text_cstr == b->text_cstr || strcmp(a->text_cstr, b->text_cstr) == 0) &&
           a->limit.ptr == b->limit.ptr && a->member.ptr == b->member.ptr && a->node == b->node;
}

static int same_answer(const struct kernels_answer *a, const struct kernels_answer *b)
{
    if (a->status != b->status || a->issue_count != b->issue_count ||
        a->issue_total != b->issue_total)
        return 0;
    for (size_t i = 0; i < a->issue_count; i++)
        if (!same_issue(&a->issues[i], &b->issues[i]))
            return 0;
    for (size_t i = 0; i < KERNELS_SLOTS; i++)
        if (a->slots[i].text.ptr != b->slots[i].text.ptr ||
            a->slots[i].text.len != b->slots[i].text.len || a->slots[i].kind != b->slots[i].kind ||
            a->slots[i].flags != b->slots[i].flags)
            return 0;
    return 1;
}

static void describe(const char *kernel, const struct kernels_answer *a)
{
    printf("# %s: status %d, %zu issues", kernel, a->status, a->issue_total);
    for (size_t i = 0; i < a->issue_count; i++)
        printf("; %s at %zu, %zu bytes", wsrt_issue_code_name(a->issues[i].code),
               a->issues[i].offset, a->issues[i].length);
    printf("\n");
}

static void compare(const char *kernel, const struct kernels_answer *want,
                    const struct kernels_answer *got, wsrt_span bytes)
{
    if (same_answer(want, got))
        return;
    describe("first", want);
    describe(kernel, got);
    printf("# message:");
    for (size_t i = 0; i < bytes.len; i++)
        printf(" %02x", (unsigned char)bytes.ptr[i]);
    printf("\n");
    fflush(stdout);
    abort();
}

int kernels_judge(wsrt_schema *s, const void *bytes, size_t len, uint32_t flags,
                  struct kernels_answer *out)
{
    struct kernels_answer first, other;
    char *exact = malloc(len == 0 ? 1 : len), *padded = malloc(len + PADDING);

    memcpy(exact, len == 0 ? "" : bytes, len);
    memcpy(padded, exact, len);
    memset(padded + len, '"', PADDING);
    if (len % 2 == 1)
        padded[len] = 'x'; /* a string may seem to end at the end, or behind it */
    for (size_t i = 0; i < kernels_count(); i++) {
        s->kernel = kernels[i];
        judge(s, exact, len, flags, i == 0 ? &first : &other);
        compare(names[i], &first, i == 0 ? &first : &other, (wsrt_span){exact, len});
        judge(s, padded, len, flags | WSRT_VALIDATE_INPUT_PADDED, &other);
        compare(names[i], &first, &other, (wsrt_span){exact, len});
    }
    free(padded);
    free(exact);
    if (out != NULL)
        *out = first;
    return first.status;
}
