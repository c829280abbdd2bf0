/* The formats that can be asserted. Each is one walk over a string's decoded code points. */
#ifndef WSRT_SRC_SCHEMA_FORMAT_H
#define WSRT_SRC_SCHEMA_FORMAT_H

#include <wsrt/base.h>

enum { WSRT_FORMATS = 16 };

/* Number of a format, 1 to WSRT_FORMATS; 0 when the name is not known. */
uint32_t wsrt_format_find(wsrt_span name);

/* 1 or 0: whether the string from `p` (raw, validated JSON without quotes) has the format. */
int wsrt_format_match(uint32_t format, const unsigned char *p, const unsigned char *end);

#endif
