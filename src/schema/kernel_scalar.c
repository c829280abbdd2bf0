/* Byte by byte: for processors without a kernel of their own, and as the measure of the others. */
#include "schema/kernel.h"

static const unsigned char *plain(const struct wsrt_lex *in, const unsigned char *p,
                                  const struct wsrt_class *class, uint32_t *flags)
{
    return wsrt_lex_plain(in, p, class, flags);
}

static const unsigned char *wide(struct wsrt_lex *in, const unsigned char *p, size_t *points)
{
    return wsrt_lex_wide(in, p, points);
}

enum { LONGEST_NAME = 0 };

/* Nothing is short: every string takes the whole scan. */
static size_t name_end(const struct wsrt_lex *in, const unsigned char *p)
{
    (void)in;
    (void)p;
    return LONGEST_NAME + 1;
}

static size_t first_stop(const struct wsrt_lex *in, const unsigned char *p,
                         const struct wsrt_class *class)
{
    (void)class;
    return name_end(in, p);
}

static uint64_t first_eight(const struct wsrt_lex *in, const unsigned char *p, size_t len)
{
    (void)len;
    return wsrt_word_head(in, p);
}

#include "schema/kernel_text.h"
#include "schema/kernel_machine.h"

const struct wsrt_kernel wsrt_kernel_scalar = {"scalar", text, skip, value};
