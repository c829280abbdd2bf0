/* Dates as protocols write them: no locale, no time zone. */
#include "server/date.h"

#include <wsrt/base.h>

#include <stdio.h>

enum { SECONDS_A_DAY = 86400, FIRST_WEEKDAY = 4 };

void wsrt_iso_date(char dst[WSRT_ISO_DATE], int64_t ms)
{
    wsrt_iso_time(ms, dst);
    dst[WSRT_ISO_DATE - 1] = '\0';
}

/* The same digits, in HTTP's order. */
void wsrt_http_date(char dst[WSRT_HTTP_DATE], int64_t seconds)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t day = seconds < 0 ? 0 : seconds / SECONDS_A_DAY;
    char iso[WSRT_ISO_DATE];

    wsrt_iso_date(iso, seconds * 1000);
    int month = (iso[5] - '0') * 10 + (iso[6] - '0');
    snprintf(dst, WSRT_HTTP_DATE, "%s, %.2s %s %.4s %.8s GMT", days[(day + FIRST_WEEKDAY) % 7],
             iso + 8, months[month - 1], iso, iso + 11);
}
