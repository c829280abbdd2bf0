/* Dates as protocols write them: no locale, no time zone. */
#include "server/date.h"

#include <stdio.h>

enum { DAYS_400_YEARS = 146097, SECONDS_A_DAY = 86400, EPOCH_DAY = 719468 };

/* Years begin in March here, so that a leap day is the last one. */
wsrt_civil wsrt_civil_of(int64_t seconds)
{
    int64_t days = seconds / SECONDS_A_DAY, rest = seconds % SECONDS_A_DAY;

    if (rest < 0) {
        rest += SECONDS_A_DAY;
        days--;
    }
    int64_t shifted = days + EPOCH_DAY;
    int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_400_YEARS - 1)) / DAYS_400_YEARS;
    int day = (int)(shifted - era * DAYS_400_YEARS);
    int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int of_year = day - (365 * year + year / 4 - year / 100);
    int month = (5 * of_year + 2) / 153;

    return (wsrt_civil){
        .year = (int)(era * 400) + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .weekday = (int)(((days + 4) % 7 + 7) % 7),
    };
}

void wsrt_http_date(char dst[WSRT_HTTP_DATE], int64_t seconds)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    wsrt_civil t = wsrt_civil_of(seconds);

    snprintf(dst, WSRT_HTTP_DATE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.weekday], t.day,
             months[t.month - 1], t.year, t.hour, t.minute, t.second);
}

void wsrt_iso_date(char dst[WSRT_ISO_DATE], int64_t ms)
{
    wsrt_civil t = wsrt_civil_of(ms / 1000);

    snprintf(dst, WSRT_ISO_DATE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.year, t.month, t.day,
             t.hour, t.minute, t.second, (int)(ms % 1000));
}
