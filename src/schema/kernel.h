/* The work on bytes, written once for each kind of processor: strings, skipped values, and the pass
 * over a message. Which one a schema uses is settled when it is made ready and kept in it; all give
 * the same answers. */
#ifndef WSRT_SRC_SCHEMA_KERNEL_H
#define WSRT_SRC_SCHEMA_KERNEL_H

#include "schema/run.h"

#if defined(__x86_64__) && defined(__SSE2__)
#define WSRT_KERNELS_X86 1
#else
#define WSRT_KERNELS_X86 0
#endif

struct wsrt_kernel {
    const char *name;
    /* As wsrt_lex_text(), wsrt_lex_skip() and wsrt_run_value(). */
    const unsigned char *(*text)(struct wsrt_lex *in, const unsigned char *p,
                                 const struct wsrt_class *class, struct wsrt_text *out);
    const unsigned char *(*skip)(struct wsrt_lex *in, const unsigned char *p, uint32_t depth);
    const unsigned char *(*value)(struct wsrt_run *r, const unsigned char *p, uint32_t node);
};

extern const struct wsrt_kernel wsrt_kernel_scalar;
#if WSRT_KERNELS_X86
extern const struct wsrt_kernel wsrt_kernel_sse2;
extern const struct wsrt_kernel wsrt_kernel_avx2;
#endif

/* The best one for this processor. */
const struct wsrt_kernel *wsrt_kernel_choose(void);
/* For tests: makes a schema use the kernel of a name; 0 when the processor has none such. */
int wsrt_kernel_force(struct wsrt_schema *s, const char *name);
/* For lexing without a schema: no look at the processor. */
const struct wsrt_kernel *wsrt_kernel_default(void);

#endif
