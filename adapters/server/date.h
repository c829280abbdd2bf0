/* Unix times as text, in UTC. */
#ifndef WSRT_SERVER_DATE_H
#define WSRT_SERVER_DATE_H

#include <stdint.h>

enum { WSRT_HTTP_DATE = 72, WSRT_ISO_DATE = 25 };

void wsrt_http_date(char dst[WSRT_HTTP_DATE], int64_t seconds); /* Sat, 21 Nov 2026 06:00:00 GMT */
void wsrt_iso_date(char dst[WSRT_ISO_DATE], int64_t ms);        /* 2026-11-21T06:00:00.000Z */

#endif
