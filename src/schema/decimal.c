#include "schema/decimal.h"

#include "base/hash.h"

static const int64_t FARTHEST = (int64_t)1 << 60;

static int is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int64_t read_exponent(const unsigned char *p, const unsigned char *end)
{
    int negative = p < end && *p == '-';
    int64_t value = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end; p++)
        value = value > FARTHEST / 16 ? FARTHEST : value * 10 + (*p - '0');
    return negative ? -value : value;
}

struct wsrt_exact wsrt_exact_read(const unsigned char *text, size_t len)
{
    const unsigned char *end = text + len, *p = text;
    struct wsrt_exact out = {.sign = 1};
    int64_t whole = 0, zeros = 0; /* digits before the point; zeros behind it before any other */
    int fraction = 0;

    if (p < end && *p == '-') {
        out.sign = -1;
        p++;
    }
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            fraction = 1;
        } else if (*p != '0' || out.first != NULL) {
            if (out.first == NULL)
                out.first = p;
            if (*p != '0')
                out.last = p + 1;
            whole += !fraction;
        } else {
            zeros += fraction;
        }
    }
    if (out.first == NULL)
        return (struct wsrt_exact){0};
    out.power = whole > 0 ? whole - 1 : -zeros - 1;
    if (p < end)
        out.power += read_exponent(p + 1, end);
    for (const unsigned char *q = out.first; q < out.last; q++)
        out.count += *q != '.';
    return out;
}

static int compare_digits(const struct wsrt_exact *a, const struct wsrt_exact *b)
{
    const unsigned char *p = a->first, *q = b->first;

    while (p < a->last && q < b->last) {
        if (*p == '.') {
            p++;
        } else if (*q == '.') {
            q++;
        } else {
            if (*p != *q)
                return *p < *q ? -1 : 1;
            p++;
            q++;
        }
    }
    return (p < a->last) - (q < b->last);
}

int wsrt_exact_compare(const struct wsrt_exact *a, const struct wsrt_exact *b)
{
    if (a->sign != b->sign)
        return a->sign < b->sign ? -1 : 1;
    if (a->sign == 0)
        return 0;
    if (a->power != b->power)
        return (a->power < b->power) == (a->sign > 0) ? -1 : 1;
    return compare_digits(a, b) * a->sign;
}

int wsrt_exact_is_whole(const struct wsrt_exact *a)
{
    return a->sign == 0 || a->power >= (int64_t)a->count - 1;
}

/* modulus < 2^60, so ten times a remainder fits */
static uint64_t digits_modulo(const struct wsrt_exact *a, uint64_t modulus)
{
    uint64_t out = 0;

    for (const unsigned char *p = a->first; p < a->last; p++)
        if (*p != '.')
            out = (out * 10 + (uint64_t)(*p - '0')) % modulus;
    return out;
}

static uint64_t times_modulo(uint64_t a, uint64_t b, uint64_t modulus)
{
    uint64_t out = 0;

    for (; b > 0; b >>= 1) {
        if (b & 1)
            out = (out + a) % modulus;
        a = a * 2 % modulus;
    }
    return out;
}

static uint64_t times_power_of_ten(uint64_t value, uint64_t power, uint64_t modulus)
{
    uint64_t base = 10 % modulus;

    for (; power > 0; power >>= 1) {
        if (power & 1)
            value = times_modulo(value, base, modulus);
        base = times_modulo(base, base, modulus);
    }
    return value;
}

int wsrt_exact_is_multiple(const struct wsrt_exact *a, const struct wsrt_exact *step)
{
    if (a->sign == 0)
        return 1;
    /* a = A * 10^x, step = S * 10^y with neither A nor S ending in zero. */
    int64_t x = a->power - (int64_t)a->count + 1;
    int64_t y = step->power - (int64_t)step->count + 1;
    if (x < y)
        return 0; /* ten would have to divide A */
    uint64_t modulus = digits_modulo(step, (uint64_t)1 << 60);
    return times_power_of_ten(digits_modulo(a, modulus), (uint64_t)(x - y), modulus) == 0;
}

int wsrt_exact_count(const struct wsrt_exact *a, uint64_t *out)
{
    if (a->sign < 0 || !wsrt_exact_is_whole(a) || a->power > 15)
        return 0;
    *out = 0;
    for (const unsigned char *p = a->first; p < a->last; p++)
        if (*p != '.')
            *out = *out * 10 + (uint64_t)(*p - '0');
    for (int64_t n = a->sign == 0 ? 0 : a->power - (int64_t)a->count + 1; n > 0; n--)
        *out *= 10;
    return *out <= (uint64_t)1 << 53;
}

uint64_t wsrt_exact_hash(const struct wsrt_exact *a, uint64_t key)
{
    uint64_t head[2] = {(uint64_t)a->power, (uint64_t)(int64_t)a->sign};
    uint64_t out = wsrt_hash(key, head, a->sign == 0 ? 0 : sizeof head);

    for (const unsigned char *p = a->first; p < a->last; p++)
        if (*p != '.')
            out = (out ^ *p) * 0x100000001b3u;
    return wsrt_hash(key, &out, sizeof out);
}
