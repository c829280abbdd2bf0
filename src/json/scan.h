/* The pieces of JSON that every reader needs. None of them reads at or beyond `end`, whatever the
 * bytes; none remembers anything. */
#ifndef WSRT_SRC_JSON_SCAN_H
#define WSRT_SRC_JSON_SCAN_H

#include <wsrt/base.h>

/* First byte that is no space, tab, LF or CR; or end. */
static inline const char *wsrt_scan_space(const char *p, const char *end)
{
    while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* First byte that a string scan must look at: a quote, a backslash, a control character or a byte
 * of 0x80 and above; or end. */
const char *wsrt_scan_plain(const char *p, const char *end);

/* One UTF-8 sequence at p < end: its 1 to 4 bytes; or, negative, the 1 to 3 bytes that one U+FFFD
 * replaces (Unicode's maximal subpart). */
int wsrt_scan_utf8(const char *p, const char *end);

/* One escape whose backslash stands at p < end: its bytes (2, 6, or 12 for a pair) and the code
 * point; 0 when it is none. A lone surrogate has 6 bytes and a code point in D800..DFFF. */
size_t wsrt_scan_escape(const char *p, const char *end, uint32_t *code_point);

/* Encodes a code point up to U+10FFFF: 1 to 4 bytes. */
size_t wsrt_utf8_encode(uint32_t code_point, char *dst);

/* The first byte behind a number that starts at p; NULL, with the place in *bad, when there is
 * none. A byte that cannot follow a number (01, 1.x) is for the caller to find. */
const char *wsrt_scan_number(const char *p, const char *end, const char **bad);

/* The closing quote of a string whose first byte stands at p, found without judging what is in
 * between; NULL when there is none. *escaped is 1 when a backslash was met. */
const char *wsrt_scan_quote(const char *p, const char *end, uint32_t *escaped);

#endif
