/* Unix time as people and protocols write it. */
#ifndef WSRT_SRC_DATE_H
#define WSRT_SRC_DATE_H

#include <stdint.h>

enum { WSRT_ISO_LEN = 24 };

/* Unix milliseconds as 2026-11-20T10:00:00.123Z; what is out of the years 1970 to 9999 is brought into
 * them. No NUL. */
void wsrt_iso_time(int64_t ms, char dst[WSRT_ISO_LEN]);

#endif
