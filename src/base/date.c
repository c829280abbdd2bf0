#include "base/date.h"

#include <string.h>

static void put_two(char *dst, uint32_t v)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    memcpy(dst, pairs + (size_t)2 * v, 2);
}

/* Days are counted from March of year 0, so that a
 * leap day comes last: an era of 400 years has 146,097 of them. */
void wsrt_iso_time(int64_t ms, char *dst)
{
    const int64_t last = INT64_C(253402300799999); /* the year 9999 */
    ms = ms < 0 ? 0 : ms > last ? last : ms;
    uint32_t days = (uint32_t)((uint64_t)ms / 86400000), clock = (uint32_t)(ms % 86400000);
    uint32_t era = (days + 719468) / 146097, day = (days + 719468) % 146097;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint32_t of_year = day - (365 * year + year / 4 - year / 100);
    uint32_t from_march = (5 * of_year + 2) / 153;
    uint32_t month = from_march < 10 ? from_march + 3 : from_march - 9;

    year += era * 400 + (month <= 2);
    memcpy(dst, "0000-00-00T00:00:00.000Z", WSRT_ISO_LEN);
    put_two(dst, year / 100);
    put_two(dst + 2, year % 100);
    put_two(dst + 5, month);
    put_two(dst + 8, of_year - (153 * from_march + 2) / 5 + 1);
    put_two(dst + 11, clock / 3600000);
    put_two(dst + 14, clock / 60000 % 60);
    put_two(dst + 17, clock / 1000 % 60);
    put_two(dst + 20, clock % 1000 / 10);
    dst[22] = (char)('0' + clock % 10);
}
