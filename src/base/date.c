#include "base/date.h"

#include "base/digits.h"

#include <string.h>

/* Days are counted from March of year 0, so that a leap day comes last; a century has 36,524.25 days, a
 * year of it 365.25, and its months fall on a line: 30.6 days each. The products are Neri's and
 * Schneider's (Euclidean affine functions and their application to calendar algorithms, 2022). */
static void put_date(uint32_t days, char *dst)
{
    uint32_t quarters = 4 * (days + 719468) + 3;
    uint32_t century = quarters / 146097;
    uint64_t years = UINT64_C(2939745) * (quarters % 146097 | 3);
    uint32_t year = (uint32_t)(years >> 32);
    uint32_t of_year = (uint32_t)years / 2939745 / 4;
    uint32_t months = 2141 * of_year + 197913;
    uint32_t month = months >> 16;

    if (of_year >= 306) { /* January and February are the next year's */
        month -= 12;
        year++;
    }
    wsrt_two_digits(dst, year < 100 ? century : century + 1);
    wsrt_two_digits(dst + 2, year < 100 ? year : 0);
    wsrt_two_digits(dst + 5, month);
    wsrt_two_digits(dst + 8, (months & 0xffff) / 2141 + 1);
}

static void put_clock(uint32_t ms, char *dst)
{
    uint32_t seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;
    uint32_t of_second = ms - 1000 * seconds;

    wsrt_two_digits(dst, hours);
    wsrt_two_digits(dst + 3, minutes - 60 * hours);
    wsrt_two_digits(dst + 6, seconds - 60 * minutes);
    wsrt_two_digits(dst + 9, of_second / 10);
    dst[11] = (char)('0' + of_second % 10);
}

void wsrt_iso_time(int64_t ms, char *dst)
{
    const int64_t last = INT64_C(253402300799999); /* the year 9999 */
    uint64_t time = ms < 0 ? 0 : (uint64_t)(ms > last ? last : ms);
    uint32_t days = (uint32_t)(time / 86400000);

    memcpy(dst, "0000-00-00T00:00:00.000Z", WSRT_ISO_LEN);
    put_date(days, dst);
    put_clock((uint32_t)(time - UINT64_C(86400000) * days), dst + 11);
}
