/* What holds for every text of this library that somebody reads line by line. */
#ifndef WSRT_FUZZ_LINE_H
#define WSRT_FUZZ_LINE_H

#include "input.h"

#include "json/scan.h"

#include <wsrt/json.h>

/* Ends a line, or makes one look like another: controls, separators, changes of direction. */
static inline int deceives(const unsigned char *p, int len)
{
    if (len == 1)
        return *p < 0x20 || *p == 0x7f;
    if (len == 2)
        return (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c);
    if (len != 3 || p[0] != 0xe2)
        return 0;
    return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
           (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* UTF-8 that stays on its line. */
static inline void require_line(wsrt_span text)
{
    for (const char *p = text.ptr, *end = p + text.len; p < end;) {
        int len = (unsigned char)*p < 0x80 ? 1 : wsrt_scan_utf8(p, end);
        require(len > 0 && !deceives((const unsigned char *)p, len));
        p += len;
    }
}

/* A line that is one JSON object. */
static inline void require_object(wsrt_span line, wsrt_json *object)
{
    require_line(line);
    require(wsrt_json_parse(object, line, NULL) == WSRT_OK && object->kind == WSRT_JSON_OBJECT);
}

#endif
