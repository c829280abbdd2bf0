#include <wsrt/json.h>

#include "json/number.h"
#include "json/scan.h"

#include "base/digits.h"

#include <string.h>

enum { EXPONENT_CAP = 1000000000 };

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number behind an 'e', kept within what any comparison needs. */
static int64_t read_exponent(const char *p, const char *end)
{
    int64_t n = 0;
    int negative = *p == '-';

    if (*p == '-' || *p == '+')
        p++;
    for (; p < end; p++)
        n = n > EXPONENT_CAP ? n : n * 10 + (*p - '0');
    return negative ? -n : n;
}

/* Cuts the zeros at both ends of the digits in [p, end) and counts what stays. */
static void cut_zeros(wsrt_decimal *d, const char *p, const char *end)
{
    const char *dot = memchr(p, '.', (size_t)(end - p));
    const char *last = end;

    while (p < end && (*p == '0' || *p == '.'))
        p++;
    while (last > p && (last[-1] == '0' || last[-1] == '.'))
        last--;
    d->first = p;
    d->behind = last;
    d->count = (size_t)(last - p);
    if (dot != NULL && dot > p && dot < last)
        d->count--;
    if (d->count == 0)
        return;
    if (dot == NULL)
        d->exponent = end - last;
    else
        d->exponent = last <= dot ? dot - last : -(last - dot - 1);
}

int wsrt_decimal_read(wsrt_decimal *out, wsrt_span text)
{
    const char *p = text.ptr, *bad;

    if (text.len == 0)
        return 0;
    const char *end = p + text.len;
    if (wsrt_scan_number(p, end, &bad) != end)
        return 0;
    *out = (wsrt_decimal){.negative = *p == '-'};
    p += out->negative;
    const char *mark = p;
    while (mark < end && *mark != 'e' && *mark != 'E')
        mark++;
    cut_zeros(out, p, mark);
    if (mark < end && out->count > 0)
        out->exponent += read_exponent(mark + 1, end);
    return 1;
}

static int load(const wsrt_json *value, wsrt_decimal *d)
{
    return value != NULL && value->kind == WSRT_JSON_NUMBER && wsrt_decimal_read(d, value->text);
}

/* The magnitude of an integral decimal. */
static int magnitude(const wsrt_decimal *d, uint64_t *out)
{
    uint64_t n = 0;

    if (d->exponent < 0)
        return WSRT_ERR_INVALID;
    if (d->count > 20 || d->exponent > 20)
        return WSRT_ERR_LIMIT;
    for (const char *p = d->first; p < d->behind; p++)
        if (is_digit(*p) && (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
                             __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)))
            return WSRT_ERR_LIMIT;
    for (int64_t i = 0; i < d->exponent; i++)
        if (__builtin_mul_overflow(n, UINT64_C(10), &n))
            return WSRT_ERR_LIMIT;
    *out = n;
    return WSRT_OK;
}

/* Of zero there is no negative. */
static int read_whole(const wsrt_json *value, uint64_t *n, int *negative)
{
    wsrt_decimal d;

    if (!load(value, &d))
        return WSRT_ERR_INVALID;
    int rc = magnitude(&d, n);
    *negative = rc == WSRT_OK && d.negative && *n > 0;
    return rc;
}

int wsrt_json_int64(const wsrt_json *value, int64_t *out)
{
    uint64_t n;
    int negative;

    int rc = out == NULL ? WSRT_ERR_INVALID : read_whole(value, &n, &negative);
    if (rc < 0)
        return rc;
    if (n > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return WSRT_ERR_LIMIT;
    *out = negative ? -(int64_t)(n - 1) - 1 : (int64_t)n;
    return WSRT_OK;
}

int wsrt_json_uint64(const wsrt_json *value, uint64_t *out)
{
    uint64_t n;
    int negative;

    int rc = out == NULL ? WSRT_ERR_INVALID : read_whole(value, &n, &negative);
    if (rc < 0)
        return rc;
    if (negative)
        return WSRT_ERR_LIMIT;
    *out = n;
    return WSRT_OK;
}

int wsrt_json_double(const wsrt_json *value, double *out)
{
    wsrt_decimal d;

    if (out == NULL || !load(value, &d))
        return WSRT_ERR_INVALID;
    return wsrt_decimal_double(&d, out);
}

int wsrt_json_is_double(const wsrt_json *value)
{
    wsrt_decimal d;

    return load(value, &d) && wsrt_decimal_is_double(&d);
}

/* ---- text ---- */

static size_t digits_of(uint64_t v)
{
    size_t n = 1;

    for (uint64_t power = 10; n < 20 && v >= power; power *= 10)
        n++;
    return n;
}

size_t wsrt_uint64_text(uint64_t v, char *dst)
{
    size_t n = digits_of(v), i = n;

    for (; v >= 100; v /= 100) {
        i -= 2;
        wsrt_two_digits(dst + i, (uint32_t)(v % 100));
    }
    if (i > 1)
        wsrt_two_digits(dst, (uint32_t)v);
    else
        dst[0] = (char)('0' + v);
    return n;
}

size_t wsrt_int64_text(int64_t v, char *dst)
{
    if (v >= 0)
        return wsrt_uint64_text((uint64_t)v, dst);
    dst[0] = '-';
    return 1 + wsrt_uint64_text(-(uint64_t)v, dst + 1);
}

static size_t put(char *dst, const char *from, int n)
{
    memcpy(dst, from, (size_t)n);
    return (size_t)n;
}

static size_t put_zeros(char *dst, int n)
{
    memset(dst, '0', (size_t)n);
    return (size_t)n;
}

/* 1.25e-9: the decimal point behind the first digit. */
static size_t scientific_text(const char *digits, int count, int exponent, char *dst)
{
    size_t n = put(dst, digits, 1);

    if (count > 1) {
        dst[n++] = '.';
        n += put(dst + n, digits + 1, count - 1);
    }
    dst[n++] = 'e';
    return n + wsrt_int64_text(exponent, dst + n);
}

/* The limits between plain and scientific form are ECMAScript's: 1e21 and 1e-6. */
size_t wsrt_double_text(double v, char *dst)
{
    char digits[WSRT_DOUBLE_DIGITS] = {0};
    int point;
    size_t n = 0;

    if (__builtin_signbit(v)) {
        dst[n++] = '-';
        v = -v;
    }
    if (v == 0) {
        dst[n++] = '0';
        return n;
    }
    int count = wsrt_double_shortest(v, digits, &point);
    if (point > 21 || point < -5)
        return n + scientific_text(digits, count, point - 1, dst + n);
    if (point <= 0) {
        n += put(dst + n, "0.", 2);
        n += put_zeros(dst + n, -point);
        return n + put(dst + n, digits, count);
    }
    if (count <= point) {
        n += put(dst + n, digits, count);
        return n + put_zeros(dst + n, point - count);
    }
    n += put(dst + n, digits, point);
    dst[n++] = '.';
    return n + put(dst + n, digits + point, count - point);
}
