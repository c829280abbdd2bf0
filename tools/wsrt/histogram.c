#include "histogram.h"

static unsigned cell_of(uint64_t v)
{
    if (v < 1U << HISTOGRAM_STEP_BITS)
        return (unsigned)v;
    unsigned shift = 63U - (unsigned)__builtin_clzll(v) - HISTOGRAM_STEP_BITS;
    return (shift << HISTOGRAM_STEP_BITS) + (unsigned)(v >> shift);
}

/* Middle of the values that share a cell. */
static int64_t value_of(unsigned cell)
{
    if (cell < 2U << HISTOGRAM_STEP_BITS)
        return cell;
    unsigned shift = (cell >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t low = (uint64_t)(cell - (shift << HISTOGRAM_STEP_BITS)) << shift;
    return (int64_t)(low + (UINT64_C(1) << shift) / 2);
}

void histogram_add_many(struct histogram *h, int64_t ns, uint64_t count)
{
    int64_t v = ns < 0 ? 0 : ns;

    h->cells[cell_of((uint64_t)v)] += count;
    h->count += count;
    if (v > h->max && count > 0)
        h->max = v;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    histogram_add_many(h, ns, 1);
}

int64_t histogram_quantile(const struct histogram *h, double share)
{
    uint64_t rank = (uint64_t)(share * (double)h->count + 0.999999);
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
        seen += h->cells[i];
        if (h->cells[i] > 0 && seen >= rank)
            return value_of(i) < h->max ? value_of(i) : h->max;
    }
    return h->max;
}
