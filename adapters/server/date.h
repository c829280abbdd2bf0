/* Unix times as text, in UTC. */
#ifndef WSRT_SERVER_DATE_H
#define WSRT_SERVER_DATE_H

#include <stdint.h>

enum { WSRT_HTTP_DATE = 72, WSRT_ISO_DATE = 72 };

typedef struct wsrt_civil {
    int year;
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;
    int weekday; /* 0 = Sunday */
} wsrt_civil;

wsrt_civil wsrt_civil_of(int64_t seconds);
void wsrt_http_date(char dst[WSRT_HTTP_DATE], int64_t seconds); /* Sat, 21 Nov 2026 06:00:00 GMT */
void wsrt_iso_date(char dst[WSRT_ISO_DATE], int64_t ms);        /* 2026-11-21T06:00:00.000Z */

#endif
