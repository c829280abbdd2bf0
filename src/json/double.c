#include "json/number.h"

#include "base/double.h"
#include "base/wide.h"
#include "json/big.h"

#include <string.h>

/* Both directions are exact: machine words where a number fits into them, big integers elsewhere.
 * Only short_decimal() computes in floating point, and checks what it got. */

enum {
    SIGNIFICANT = 768, /* no tie between two doubles has more digits */
    POWER5_WORD = 27,  /* the largest power of 5 below 2^63 */
    MANTISSA = 52,
    BIAS = 1075, /* value = mantissa * 2^(biased exponent - BIAS) */
};

static uint64_t power5(int n)
{
    uint64_t p = 1;

    for (; n > 0; n--)
        p *= 5;
    return p;
}

static int leading_zeros(uint64_t v)
{
    return __builtin_clzll(v);
}

/* ---- text to double ---- */

struct nearest {
    double value;
    int exact;
};

/* The double nearest to top * 2^exponent, `sticky` when the true value lies a little above. The
 * highest bit of `top` is set. */
static int assemble(uint64_t top, int sticky, int exponent, struct nearest *out)
{
    int biased = exponent + 63 + 1023;
    int shift = 11;

    if (biased < 1) {
        shift += 1 - biased;
        biased = 0;
    }
    if (shift > 64) {
        *out = (struct nearest){0, 0};
        return WSRT_OK;
    }
    uint64_t kept = shift == 64 ? 0 : top >> shift;
    uint64_t half = UINT64_C(1) << (shift - 1);
    uint64_t rest = top & (half | (half - 1));
    if (rest > half || (rest == half && (sticky || (kept & 1) != 0)))
        kept++;
    /* A carry out of the mantissa moves the exponent on by itself. */
    uint64_t bits = biased == 0 ? kept : ((uint64_t)(biased - 1) << MANTISSA) + kept;
    if (biased > 2046 || bits >= UINT64_C(0x7ff) << MANTISSA)
        return WSRT_ERR_LIMIT;
    *out = (struct nearest){wsrt_double_of_bits(bits), rest == 0 && !sticky};
    return WSRT_OK;
}

/* digits * 10^exponent with -27 <= exponent <= 27, in 128 bits. */
static int word_product(uint64_t digits, int exponent, struct nearest *out)
{
    uint64_t low, high = wsrt_mul_wide(digits, power5(exponent), &low);

    if (high == 0) {
        int zeros = leading_zeros(low);
        return assemble(low << zeros, 0, exponent - zeros, out);
    }
    int zeros = leading_zeros(high);
    if (zeros > 0)
        high = high << zeros | low >> (64 - zeros);
    return assemble(high, low << zeros != 0, exponent + 64 - zeros, out);
}

static int word_quotient(uint64_t digits, int power, struct nearest *out)
{
    uint64_t divisor = power5(power), quotient = digits / divisor, rest = digits % divisor;
    int shift = 0;

    for (; (quotient & UINT64_C(1) << 63) == 0; shift++) {
        rest <<= 1;
        uint64_t bit = rest >= divisor;
        rest -= bit * divisor;
        quotient = quotient << 1 | bit;
    }
    return assemble(quotient, rest != 0, -power - shift, out);
}

static void read_big(wsrt_big *b, const wsrt_decimal *d)
{
    size_t taken = 0;

    wsrt_big_set(b, 0);
    for (const char *p = d->first; p < d->behind && taken < SIGNIFICANT; p++) {
        if (*p == '.')
            continue;
        wsrt_big_multiply_add(b, 10, (uint32_t)(*p - '0'));
        taken++;
    }
    if (d->count > SIGNIFICANT) /* the last digit is not 0: what was cut is above nothing */
        wsrt_big_multiply_add(b, 10, 1);
}

/* num / den, both moved so that the first bit of the quotient is a 1. */
static int big_quotient(wsrt_big *num, wsrt_big *den, int exponent, struct nearest *out)
{
    int shift = wsrt_big_bits(den) - wsrt_big_bits(num);
    uint64_t quotient = 0;

    if (shift > 0)
        wsrt_big_shift_left(num, shift);
    else
        wsrt_big_shift_left(den, -shift);
    if (wsrt_big_compare(num, den) < 0) {
        wsrt_big_shift_left(num, 1);
        shift++;
    }
    for (int i = 0; i < 64; i++) {
        quotient <<= 1;
        if (wsrt_big_compare(num, den) >= 0) {
            wsrt_big_subtract(num, den);
            quotient |= 1;
        }
        wsrt_big_shift_left(num, 1);
    }
    return assemble(quotient, num->count > 0, exponent - shift - 63, out);
}

static int big_double(const wsrt_decimal *d, struct nearest *out)
{
    wsrt_big num, den;
    int64_t cut = d->count > SIGNIFICANT ? (int64_t)d->count - SIGNIFICANT - 1 : 0;
    int exponent = (int)(d->exponent + cut);

    read_big(&num, d);
    wsrt_big_set(&den, 1);
    if (exponent >= 0)
        wsrt_big_multiply_power5(&num, exponent);
    else
        wsrt_big_multiply_power5(&den, -exponent);
    return big_quotient(&num, &den, exponent, out);
}

static uint64_t read_word(const wsrt_decimal *d)
{
    uint64_t n = 0;

    for (const char *p = d->first; p < d->behind; p++)
        if (*p != '.')
            n = n * 10 + (uint64_t)(*p - '0');
    return n;
}

static int magnitude(const wsrt_decimal *d, struct nearest *out)
{
    int64_t highest = (int64_t)d->count + d->exponent;

    if (d->count == 0 || highest < -330) {
        *out = (struct nearest){0, d->count == 0};
        return WSRT_OK;
    }
    if (highest > 310)
        return WSRT_ERR_LIMIT;
    if (d->count <= 19 && d->exponent >= -POWER5_WORD && d->exponent <= POWER5_WORD) {
        uint64_t digits = read_word(d);
        int exponent = (int)d->exponent;
        return exponent >= 0 ? word_product(digits, exponent, out)
                             : word_quotient(digits, -exponent, out);
    }
    return big_double(d, out);
}

int wsrt_decimal_double(const wsrt_decimal *d, double *out)
{
    struct nearest v;
    int rc = magnitude(d, &v);

    if (rc == WSRT_OK)
        *out = d->negative ? -v.value : v.value;
    return rc;
}

int wsrt_decimal_is_double(const wsrt_decimal *d)
{
    struct nearest v;

    return magnitude(d, &v) == WSRT_OK && v.exact;
}

/* ---- double to digits ---- */

/* The decimal exponent's floor for a number of [2^e, 2^(e+1)), or one less. */
static int log10_floor(int e)
{
    int64_t scaled = e * INT64_C(1292913986); /* log10(2) * 2^32 */

    return (int)(scaled >= 0 ? scaled >> 32 : -((-scaled + UINT32_MAX) >> 32));
}

static int binary_exponent(double v)
{
    uint64_t bits = wsrt_double_bits(v);
    int biased = (int)(bits >> MANTISSA);

    return biased > 0 ? biased - 1023 : 63 - leading_zeros(bits) - 1074;
}

/* digits * 10^-scale as the caller wants it. */
static int word_digits(uint64_t n, int scale, char *digits, int *point)
{
    char text[WSRT_NUMBER_TEXT];
    int count = (int)wsrt_uint64_text(n, text);

    *point = count - scale;
    while (count > 1 && text[count - 1] == '0')
        count--;
    memcpy(digits, text, (size_t)count);
    return count;
}

/* Decimals of at most 15 digits are all distinct doubles, so one that reads back is the shortest.
 * Dividing by 10^scale up to 10^22, which a double holds exactly, rounds as reading does. */
static int short_decimal(double v, char *digits, int *point)
{
    static const double power10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int scale = 14 - log10_floor(binary_exponent(v));

    if (v < 9007199254740992.0 && v == (double)(uint64_t)v)
        return word_digits((uint64_t)v, 0, digits, point);
    if (scale < 0 || scale > 22)
        return 0;
    if (v * power10[scale] >= 1e15 && --scale < 0)
        return 0;
    uint64_t n = (uint64_t)(v * power10[scale] + 0.5);
    if (n > UINT64_C(1000000000000000) || (double)n / power10[scale] != v)
        return 0;
    return word_digits(n, scale, digits, point);
}

/* Burger and Dybvig's free-format printing (1996): v = r / s, and every number between
 * (r - below) / s and (r + above) / s reads as v, the two ends when `ends` is set. */
struct printer {
    wsrt_big r, s, above, below;
    int ends;
};

static void printer_init(struct printer *p, double v)
{
    uint64_t bits = wsrt_double_bits(v), fraction = bits & ((UINT64_C(1) << MANTISSA) - 1);
    int biased = (int)(bits >> MANTISSA);
    uint64_t mantissa = biased > 0 ? fraction | UINT64_C(1) << MANTISSA : fraction;
    int exponent = (biased > 0 ? biased : 1) - BIAS;
    int narrow = fraction == 0 && biased > 1; /* the neighbour below is half as far */
    int up = exponent > 0 ? exponent : 0;

    wsrt_big_set(&p->r, mantissa);
    wsrt_big_set(&p->s, 1);
    wsrt_big_set(&p->above, 1);
    wsrt_big_set(&p->below, 1);
    wsrt_big_shift_left(&p->r, 1 + narrow + up);
    wsrt_big_shift_left(&p->s, 1 + narrow + (exponent < 0 ? -exponent : 0));
    wsrt_big_shift_left(&p->above, up + narrow);
    wsrt_big_shift_left(&p->below, up);
    p->ends = (mantissa & 1) == 0;
}

static void times10(struct printer *p)
{
    wsrt_big_multiply_add(&p->r, 10, 0);
    wsrt_big_multiply_add(&p->above, 10, 0);
    wsrt_big_multiply_add(&p->below, 10, 0);
}

static void scale_by_power10(struct printer *p, int power)
{
    if (power >= 0) {
        wsrt_big_multiply_power5(&p->s, power);
        wsrt_big_shift_left(&p->s, power);
        return;
    }
    wsrt_big *scaled[] = {&p->r, &p->above, &p->below};
    for (int i = 0; i < 3; i++) {
        wsrt_big_multiply_power5(scaled[i], -power);
        wsrt_big_shift_left(scaled[i], -power);
    }
}

/* Whether what is left reaches the upper end of the interval. */
static int at_upper_end(const struct printer *p)
{
    wsrt_big sum;

    wsrt_big_copy(&sum, &p->r);
    wsrt_big_add(&sum, &p->above);
    return wsrt_big_compare(&sum, &p->s) > (p->ends ? -1 : 0);
}

static int at_lower_end(const struct printer *p)
{
    return wsrt_big_compare(&p->r, &p->below) < (p->ends ? 1 : 0);
}

static int next_digit(struct printer *p)
{
    int digit = 0;

    for (; wsrt_big_compare(&p->r, &p->s) >= 0; digit++)
        wsrt_big_subtract(&p->r, &p->s);
    return digit;
}

static int print_digits(struct printer *p, char *digits)
{
    int count = 0, low, high;

    for (;;) {
        int digit = next_digit(p);
        low = at_lower_end(p);
        high = at_upper_end(p);
        if (low && high) {
            wsrt_big_shift_left(&p->r, 1);
            low = wsrt_big_compare(&p->r, &p->s) < 1 - (digit & 1); /* a tie goes to the even */
        }
        digits[count++] = (char)('0' + digit + (high && !low));
        if (low || high)
            return count;
        times10(p);
    }
}

int wsrt_double_shortest(double v, char *digits, int *point)
{
    struct printer p;
    int count = short_decimal(v, digits, point);

    if (count > 0)
        return count;
    printer_init(&p, v);
    *point = log10_floor(binary_exponent(v)) + 1;
    scale_by_power10(&p, *point);
    if (at_upper_end(&p))
        (*point)++;
    else
        times10(&p);
    return print_digits(&p, digits);
}
