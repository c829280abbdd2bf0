/* Numbers between text, exact decimals and doubles; no locale, no errno. */
#ifndef WSRT_SRC_JSON_NUMBER_H
#define WSRT_SRC_JSON_NUMBER_H

#include <wsrt/base.h>

/* A decimal number as written, without its zeros at both ends: value = digits * 10^exponent. The
 * digits are those from `first` to before `behind`, one '.' among them skipped. */
typedef struct wsrt_decimal {
    const char *first;
    const char *behind;
    size_t count;     /* digits; 0 = the number is zero */
    int64_t exponent; /* of the last digit; saturates */
    int negative;
} wsrt_decimal;

/* 0 when the text is no JSON number. */
int wsrt_decimal_read(wsrt_decimal *out, wsrt_span text);

/* The nearest double, ties to even; WSRT_ERR_LIMIT when it would be infinite. */
int wsrt_decimal_double(const wsrt_decimal *d, double *out);
/* Whether that double is the number itself. */
int wsrt_decimal_is_double(const wsrt_decimal *d);

enum { WSRT_DOUBLE_DIGITS = 17, WSRT_NUMBER_TEXT = 32 };

/* The shortest digits that read back as a positive finite double, of those the nearest to it:
 * value = 0.d1d2d3... * 10^*point. Returns their number, at most WSRT_DOUBLE_DIGITS. */
int wsrt_double_shortest(double v, char *digits, int *point);

/* Text forms, for room of WSRT_NUMBER_TEXT bytes; no NUL; the length. */
size_t wsrt_double_text(double v, char *dst); /* finite */
size_t wsrt_uint64_text(uint64_t v, char *dst);
size_t wsrt_int64_text(int64_t v, char *dst);

#endif
