#include "schema/kernel.h"

#include <string.h>

#if WSRT_KERNELS_X86
#include <cpuid.h>

/* What the system keeps of the processor's registers when it changes threads. */
static uint32_t kept_registers(void)
{
    uint32_t low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int has_avx2(void)
{
    enum { YMM = 6, LZCNT = 1 << 5 };
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_POPCNT) ||
        (kept_registers() & YMM) != YMM)
        return 0;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & LZCNT))
        return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2) && (b & bit_BMI) &&
           (b & bit_BMI2);
}

const struct wsrt_kernel *wsrt_kernel_choose(void)
{
    return has_avx2() ? &wsrt_kernel_avx2 : &wsrt_kernel_sse2;
}

const struct wsrt_kernel *wsrt_kernel_default(void)
{
    return &wsrt_kernel_sse2;
}

static const struct wsrt_kernel *named(const char *name)
{
    if (strcmp(name, "avx2") == 0)
        return has_avx2() ? &wsrt_kernel_avx2 : NULL;
    if (strcmp(name, "sse2") == 0)
        return &wsrt_kernel_sse2;
    return strcmp(name, "scalar") == 0 ? &wsrt_kernel_scalar : NULL;
}
#else
const struct wsrt_kernel *wsrt_kernel_choose(void)
{
    return &wsrt_kernel_scalar;
}

const struct wsrt_kernel *wsrt_kernel_default(void)
{
    return &wsrt_kernel_scalar;
}

static const struct wsrt_kernel *named(const char *name)
{
    return strcmp(name, "scalar") == 0 ? &wsrt_kernel_scalar : NULL;
}
#endif

int wsrt_kernel_force(struct wsrt_schema *s, const char *name)
{
    const struct wsrt_kernel *kernel = named(name);

    if (kernel != NULL)
        s->kernel = kernel;
    return kernel != NULL;
}
