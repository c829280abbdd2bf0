/* Two decimal digits at a time. */
#ifndef WSRT_SRC_DIGITS_H
#define WSRT_SRC_DIGITS_H

#include <stdint.h>
#include <string.h>

/* v below 100 */
static inline void wsrt_two_digits(char *dst, uint32_t v)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    memcpy(dst, pairs + (size_t)2 * v, 2);
}

#endif
